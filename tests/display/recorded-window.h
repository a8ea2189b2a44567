/* recorded-window.h - a window with a recorded engine that has a picture open, and the picture
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "tests/display/recorded-engine.h"
#include "ui/window.h"

G_BEGIN_DECLS

/* What recorded_picture_new() makes. */
typedef struct { guint width, height, n_objects; } RecordedPicture;

#define RECORDED_SMALL ((RecordedPicture) { 320, 240, 6 })
#define RECORDED_LARGE ((RecordedPicture) { 640, 480, 8 })

typedef struct
{
  RecordedEngine *engine;
  DescryWindow   *window;
  DescryCanvas   *canvas;
  DescryChat     *chat;
} RecordedWindow;

/* Makes @world and shows its window, its engine at full pace; nothing is open. @settings may be NULL. */
void  recorded_window_show  (RecordedWindow *world, GtkApplication *application, GSettings *settings, RecordedPicture picture);
/* Opens the file that recorded_window_save() wrote and waits until all is found. */
void  recorded_window_open  (RecordedWindow *world, const char *path);
void  recorded_window_close (RecordedWindow *world);
/* A picture of the window in the build folder's tests/output. */
void  recorded_window_shoot (RecordedWindow *world, const char *name);

/* An engine that finds what is on @picture. (transfer full) */
RecordedEngine *recorded_window_engine (RecordedPicture picture, const char *answer);

/* Writes @picture into @folder; its path. (transfer full) */
char *recorded_window_save  (const char *folder, const char *name, RecordedPicture picture);

G_END_DECLS
