/* models-work.h - a piece of work on a bundle, in a thread
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/engine.h"
#include "compute/lyrics/estimate.h"

G_BEGIN_DECLS

/* What the list shows of a file beyond DescryBundleFile. */
typedef struct
{
  DescryHashState hash;
  DescryEstimate  estimate; /* nothing: not readable */
  gboolean        adapter;
  gboolean        own; /* made by Descry's trainer: there is a card */
} DescryFileState;

typedef enum { WORK_LOAD, WORK_CREATE, WORK_VERIFY, WORK_ADD, WORK_REPLACE, WORK_REMOVE } DescryModelsWorkKind;

/* A piece of work; the thread's alone while it runs but for @permille. */
typedef struct
{
  DescryModelsWorkKind  kind;
  char                 *bundle; /* name or folder, or NULL */
  DescrySlot            slot;
  char                 *file; /* of the bundle, or a path to add; NULL: every file */
  GPtrArray            *removals; /* of DescryRemoval: done first */
  GWeakRef              page;
  DescryEngine         *engine; /* or NULL */
  int                   permille; /* atomic */
  guint64               total, done; /* bytes, of a verification */
  guint64               size; /* of the file under way */

  DescryBundle         *opened; /* afterwards; NULL with @missing */
  GHashTable           *states; /* file name → DescryFileState */
  DescryEstimate        estimate; /* of the whole bundle */
  guint64               disk_free; /* G_MAXUINT64: unknown */
  GError               *missing;
  guint                 wrong; /* files whose checksum differs */
  gboolean              changed; /* bundle.json is another one */
} DescryModelsWork;

typedef struct
{
  DescrySlot slot;
  char      *file;
} DescryRemoval;

GPtrArray *descry_removals_new       (void);
void       descry_models_work_free   (gpointer work);

/* A GTaskThreadFunc; the task's data is the work, its result a boolean. */
void       descry_models_work_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable);

G_END_DECLS
