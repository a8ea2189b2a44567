/* keep.h - what the tests of keeping share: a window over a library's file
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app/library.h"
#include "tests/display/recorded-engine.h"
#include "ui/window.h"

#define QUESTION "What is on the table?"
#define ANSWER "There is a cup here.\nBeside it there is a lamp.\nAnd that is all that I can see of it.\n"

/* A window with a new recorded engine and the library's file, as the program makes them. */
typedef struct
{
  RecordedEngine *engine;
  DescryLibrary  *library;
  DescryWindow   *window;
} World;

void       world_start (World *world, guint pace);
void       world_open  (World *world, guint pace); /* and the picture */
void       world_close (World *world);
void       ask         (World *world);
GPtrArray *history     (World *world); /* (transfer full) */
void       new_file    (void); /* the library begins empty */

/* "/keep/kill": @program is started again with --work FOLDER SEED. */
void       keep_add_kill_test     (const char *program, const char *folder, const char *picture, const char *database);
G_NORETURN
void       keep_work_until_killed (const char *folder, const char *seed);
