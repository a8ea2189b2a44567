/* library-worker.h - the thread that owns the library's file; for library.c alone
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app/library.h"

G_BEGIN_DECLS

/* What is to be done. Writes have no task and keep their order. */
typedef enum
{
  LIBRARY_CLOSE, /* the last one */
  LIBRARY_OPEN_PICTURE,
  LIBRARY_KEEP_SCENE,
  LIBRARY_KEEP_EDITS,
  LIBRARY_KEEP_TURN,
  LIBRARY_DELETE_TURN,
  LIBRARY_RESTORE_TURN,
  LIBRARY_BEGIN_CONVERSATION,
  LIBRARY_RESUME_CONVERSATION,
  LIBRARY_RECENT,
  LIBRARY_SEARCH,
  LIBRARY_FORGET,
} LibraryWork;

typedef struct
{
  LibraryWork  work;
  GTask       *task; /* NULL: fire and forget */
  char        *hash;
  char        *key;
  char        *name;
  char        *path;
  char        *text;
  DescryImage *image;
  DescryScene *scene;
  DescryTurn  *turn;
  char        *models;
  gboolean     complete; /* of a scene, or finished of a turn */
  guint        n;
} LibraryJob;

void     library_job_free     (LibraryJob *job);

/* @jobs: of LibraryJob, ends with LIBRARY_CLOSE. @library gets "problem", in the thread-default context of the caller. */
GThread *library_worker_start (DescryLibrary *library, GAsyncQueue *jobs, const char *path);

G_END_DECLS
