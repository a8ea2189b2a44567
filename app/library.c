/* library.c - asks the thread that owns the library's file
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-library"

#include "config.h"

#include "app/library.h"

#include "app/library-worker.h"

struct _DescryLibrary
{
  GObject      parent_instance;

  GThread     *thread;
  GAsyncQueue *jobs;
};

enum { PROBLEM, FORGOTTEN, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DescryLibrary, descry_library, G_TYPE_OBJECT)

void
descry_kept_free (DescryKept *kept)
{
  if (kept == NULL)
    return;

  g_clear_pointer (&kept->hash, g_free);
  g_clear_pointer (&kept->scene, descry_scene_unref);
  g_clear_pointer (&kept->edits, g_free);
  g_clear_pointer (&kept->models, g_free);
  g_clear_pointer (&kept->turns, g_ptr_array_unref);
  g_free (kept);
}

/* --------- Object ------------------ */

void
descry_library_close (DescryLibrary *self)
{
  if (self->thread == NULL)
    return;

  g_async_queue_push (self->jobs, g_new0 (LibraryJob, 1));
  /* A task's last reference can drop ours in the thread: it cannot wait for itself. */
  if (self->thread == g_thread_self ())
    g_thread_unref (self->thread);
  else
    g_thread_join (self->thread);
  self->thread = NULL;
}

static void
descry_library_finalize (GObject *object)
{
  DescryLibrary *self = DESCRY_LIBRARY (object);

  descry_library_close (self);
  g_clear_pointer (&self->jobs, g_async_queue_unref);

  G_OBJECT_CLASS (descry_library_parent_class)->finalize (object);
}

static void
descry_library_class_init (DescryLibraryClass *class)
{
  G_OBJECT_CLASS (class)->finalize = descry_library_finalize;

  signals[PROBLEM] = g_signal_new ("problem", DESCRY_TYPE_LIBRARY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[FORGOTTEN] = g_signal_new ("forgotten", DESCRY_TYPE_LIBRARY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
descry_library_init (DescryLibrary *self)
{
  self->jobs = g_async_queue_new_full ((GDestroyNotify) library_job_free);
}

DescryLibrary *
descry_library_new (const char *path)
{
  DescryLibrary *self = g_object_new (DESCRY_TYPE_LIBRARY, NULL);

  self->thread = library_worker_start (self, self->jobs, path);
  return self;
}

/* --------- Asking for jobs ------------------ */

static void
push (DescryLibrary *self,
      LibraryJob    *job)
{
  if (self->thread != NULL)
    {
      g_async_queue_push (self->jobs, job);
      return;
    }

  if (job->task != NULL)
    g_task_return_new_error (job->task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the library is closed");
  library_job_free (job);
}

static LibraryJob *
job_new (LibraryWork work,
         const char *hash)
{
  LibraryJob *job = g_new0 (LibraryJob, 1);

  job->work = work;
  job->hash = g_strdup (hash);
  return job;
}

static GTask *
task_new (DescryLibrary      *self,
          gpointer            tag,
          GCancellable       *cancellable,
          GAsyncReadyCallback callback,
          gpointer            data)
{
  GTask *task = g_task_new (self, cancellable, callback, data);

  g_task_set_source_tag (task, tag);
  return task;
}

void
descry_library_open_picture_async (DescryLibrary      *self,
                                   DescryImage        *image,
                                   const char         *name,
                                   const char         *path,
                                   const char         *bundle,
                                   GCancellable       *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer            data)
{
  LibraryJob *job = job_new (LIBRARY_OPEN_PICTURE, NULL);

  g_return_if_fail (DESCRY_IS_LIBRARY (self) && image != NULL && name != NULL);

  job->task = task_new (self, descry_library_open_picture_async, cancellable, callback, data);
  job->image = descry_image_ref (image);
  job->name = g_strdup (name);
  job->path = g_strdup (path);
  job->text = g_strdup (bundle);
  push (self, job);
}

DescryKept *
descry_library_open_picture_finish (DescryLibrary *self,
                                    GAsyncResult  *result,
                                    GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

void
descry_library_keep_scene (DescryLibrary *self,
                           const char    *hash,
                           DescryScene   *scene,
                           const char    *models,
                           gboolean       complete)
{
  LibraryJob *job = job_new (LIBRARY_KEEP_SCENE, hash);

  g_return_if_fail (DESCRY_IS_LIBRARY (self) && hash != NULL && scene != NULL);

  job->scene = descry_scene_ref (scene);
  job->models = g_strdup (models);
  job->complete = complete;
  push (self, job);
}

void
descry_library_keep_edits (DescryLibrary *self,
                           const char    *hash,
                           const char    *edits)
{
  LibraryJob *job = job_new (LIBRARY_KEEP_EDITS, hash);

  g_return_if_fail (DESCRY_IS_LIBRARY (self) && hash != NULL && edits != NULL);

  job->text = g_strdup (edits);
  push (self, job);
}

void
descry_library_keep_turn (DescryLibrary *self,
                          const char    *hash,
                          const char    *key,
                          DescryTurn    *turn,
                          gboolean       finished)
{
  LibraryJob *job = job_new (LIBRARY_KEEP_TURN, hash);

  g_return_if_fail (DESCRY_IS_LIBRARY (self) && hash != NULL && key != NULL && turn != NULL);

  job->key = g_strdup (key);
  job->turn = descry_turn_ref (turn);
  job->complete = finished;
  push (self, job);
}

void
descry_library_delete_turn (DescryLibrary *self,
                            const char    *key)
{
  LibraryJob *job = job_new (LIBRARY_DELETE_TURN, NULL);

  g_return_if_fail (DESCRY_IS_LIBRARY (self) && key != NULL);

  job->key = g_strdup (key);
  push (self, job);
}

void
descry_library_restore_turn (DescryLibrary *self,
                             const char    *hash,
                             const char    *key,
                             DescryTurn    *turn,
                             gboolean       finished,
                             const char    *after)
{
  LibraryJob *job = job_new (LIBRARY_RESTORE_TURN, hash);

  g_return_if_fail (DESCRY_IS_LIBRARY (self) && hash != NULL && key != NULL && turn != NULL);

  job->key = g_strdup (key);
  job->turn = descry_turn_ref (turn);
  job->complete = finished;
  job->text = g_strdup (after);
  push (self, job);
}

void
descry_library_resume_conversation (DescryLibrary *self,
                                    const char    *key)
{
  LibraryJob *job = job_new (LIBRARY_RESUME_CONVERSATION, NULL);

  g_return_if_fail (DESCRY_IS_LIBRARY (self) && key != NULL);

  job->key = g_strdup (key);
  push (self, job);
}

void
descry_library_begin_conversation (DescryLibrary *self,
                                   const char    *hash)
{
  g_return_if_fail (DESCRY_IS_LIBRARY (self) && hash != NULL);

  push (self, job_new (LIBRARY_BEGIN_CONVERSATION, hash));
}

void
descry_library_recent_async (DescryLibrary      *self,
                             guint               n,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            data)
{
  LibraryJob *job = job_new (LIBRARY_RECENT, NULL);

  g_return_if_fail (DESCRY_IS_LIBRARY (self));

  job->task = task_new (self, descry_library_recent_async, cancellable, callback, data);
  job->n = n;
  push (self, job);
}

GPtrArray *
descry_library_recent_finish (DescryLibrary *self,
                              GAsyncResult  *result,
                              GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

void
descry_library_search_async (DescryLibrary      *self,
                             const char         *text,
                             guint               n,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            data)
{
  LibraryJob *job = job_new (LIBRARY_SEARCH, NULL);

  g_return_if_fail (DESCRY_IS_LIBRARY (self) && text != NULL);

  job->task = task_new (self, descry_library_search_async, cancellable, callback, data);
  job->text = g_strdup (text);
  job->n = n;
  push (self, job);
}

GPtrArray *
descry_library_search_finish (DescryLibrary *self,
                              GAsyncResult  *result,
                              GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

void
descry_library_forget_async (DescryLibrary      *self,
                             const char         *hash,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            data)
{
  LibraryJob *job = job_new (LIBRARY_FORGET, hash);

  g_return_if_fail (DESCRY_IS_LIBRARY (self));

  /* Before the bytes are gone: nothing that a window still does may bring it back. */
  g_signal_emit (self, signals[FORGOTTEN], 0, hash);
  job->task = task_new (self, descry_library_forget_async, cancellable, callback, data);
  push (self, job);
}

gboolean
descry_library_forget_finish (DescryLibrary *self,
                              GAsyncResult  *result,
                              GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
