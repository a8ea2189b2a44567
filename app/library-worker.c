/* library-worker.c - the thread that owns the library's file
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-library"

#include "config.h"

#include "app/library-worker.h"

#include <glib/gi18n.h>

#define RETRY_SECONDS 5 /* between two attempts to write what could not be written */
#define MOST_LATE 10000 /* jobs that wait for that; more are given up */

/* Everything here but the queue and the weak reference is the thread's own. */
typedef struct
{
  GAsyncQueue  *jobs; /* of LibraryJob */
  GWeakRef      library; /* for its signals */
  GMainContext *context; /* where they are emitted */
  char         *path;
  DescryStore  *store; /* NULL: it could not be opened */
  GError       *closed; /* why */
  GHashTable   *owed; /* hash → LibraryJob: pictures that could not be remembered yet */
  gboolean      complained;
  GQueue        late; /* of LibraryJob: writes that failed and may succeed later, in order */
  gint64        rest_until; /* until then nothing of it is tried: it takes long to fail */
  gint64        opened; /* when that was tried last */
} Worker;

void
library_job_free (LibraryJob *job)
{
  g_clear_object (&job->task);
  g_free (job->hash);
  g_free (job->key);
  g_free (job->name);
  g_free (job->path);
  g_free (job->text);
  g_free (job->models);
  g_clear_pointer (&job->image, descry_image_unref);
  g_clear_pointer (&job->scene, descry_scene_unref);
  g_clear_pointer (&job->turn, descry_turn_unref);
  g_free (job);
}

/* --------- The thread: telling ------------------ */

typedef struct
{
  DescryLibrary *library;
  char          *message;
} Problem;

static gboolean
emit_problem_cb (gpointer data)
{
  Problem *problem = data;

  g_signal_emit_by_name (problem->library, "problem", problem->message);
  return G_SOURCE_REMOVE;
}

static void
problem_free (gpointer data)
{
  Problem *problem = data;

  g_object_unref (problem->library);
  g_free (problem->message);
  g_free (problem);
}

static void
tell (Worker *worker,
      char   *message) /* taken */
{
  DescryLibrary *library = g_weak_ref_get (&worker->library);
  Problem *problem;
  GSource *source;

  if (library == NULL)
    {
      g_free (message);
      return;
    }

  problem = g_new (Problem, 1);
  problem->library = library;
  problem->message = message;
  /* An idle source, never at once: a signal must not come out of the thread, nor the last reference be dropped in it. */
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, emit_problem_cb, problem, problem_free);
  g_source_attach (source, worker->context);
  g_source_unref (source);
}

/* A person hears of the first write that fails, not of each. */
static void
account (Worker       *worker,
         gboolean      good,
         const GError *error)
{
  if (good)
    worker->complained = FALSE;
  else if (!worker->complained)
    {
      worker->complained = TRUE;
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE))
        tell (worker, g_strdup (_("The disk is full: what is found and said from now on is kept only when there is room again.")));
      else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY))
        tell (worker, g_strdup_printf (_("The library cannot be written: what is found and said is not kept. (%s)"), error->message));
      else
        tell (worker, g_strdup_printf (_("Not kept in the library: %s"), error->message));
    }
}

/* --------- The thread: jobs ------------------ */

static void
remember (Worker     *worker,
          LibraryJob *job)
{
  g_autoptr (GError) error = NULL;
  gboolean good = worker->store != NULL && descry_store_remember (worker->store, job->hash, job->name, job->path, &error);

  account (worker, good, worker->store != NULL ? error : worker->closed);
  if (!good)
    {
      LibraryJob *owed = g_new0 (LibraryJob, 1);

      owed->hash = g_strdup (job->hash);
      owed->name = g_strdup (job->name);
      owed->path = g_strdup (job->path);
      g_hash_table_replace (worker->owed, owed->hash, owed);
    }
}

/* What is said about a picture that could not be remembered would have no place. */
static void
settle (Worker     *worker,
        const char *hash,
        GError    **error)
{
  LibraryJob *owed = g_hash_table_lookup (worker->owed, hash);

  if (owed != NULL && descry_store_remember (worker->store, owed->hash, owed->name, owed->path, error))
    g_hash_table_remove (worker->owed, hash);
}

static gboolean
open_picture_work (Worker     *worker,
                   LibraryJob *job)
{
  DescryKept *kept = g_new0 (DescryKept, 1);
  g_autoptr (GError) scene_error = NULL;
  g_autoptr (GError) turns_error = NULL;

  kept->hash = descry_image_hash (job->image);
  job->hash = g_strdup (kept->hash);
  remember (worker, job);
  if (worker->store == NULL)
    {
      kept->turns = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_kept_turn_free);
      g_task_return_pointer (job->task, kept, (GDestroyNotify) descry_kept_free);
      return TRUE;
    }

  kept->scene = descry_store_load_scene (worker->store, kept->hash, job->text, &kept->complete, &kept->models, &scene_error);
  if (scene_error != NULL)
    g_message ("the kept scene of %s: %s", job->name, scene_error->message);
  /* The hash vouches for the size; a scene that says otherwise is not of this picture. */
  if (kept->scene != NULL && (kept->scene->width != job->image->width || kept->scene->height != job->image->height))
    g_clear_pointer (&kept->scene, descry_scene_unref);
  kept->edits = descry_store_load_edits (worker->store, kept->hash, NULL);
  kept->turns = descry_store_load_turns (worker->store, kept->hash, &turns_error);
  if (kept->turns == NULL)
    {
      account (worker, FALSE, turns_error);
      kept->turns = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_kept_turn_free);
    }

  g_task_return_pointer (job->task, kept, (GDestroyNotify) descry_kept_free);
  return TRUE;
}

static gboolean
store (DescryStore *into,
       LibraryJob  *job,
       GError     **error)
{
  switch (job->work)
    {
    case LIBRARY_KEEP_SCENE:
      return descry_store_keep_scene (into, job->hash, job->scene, job->models, job->complete, error);
    case LIBRARY_KEEP_EDITS:
      return descry_store_keep_edits (into, job->hash, job->text, error);
    case LIBRARY_KEEP_TURN:
      return descry_store_keep_turn (into, job->hash, job->key, job->turn, job->complete, error);
    case LIBRARY_DELETE_TURN:
      return descry_store_delete_turn (into, job->key, error);
    case LIBRARY_RESTORE_TURN:
      return descry_store_restore_turn (into, job->hash, job->key, job->turn, job->complete, job->text, error);
    case LIBRARY_BEGIN_CONVERSATION:
      return descry_store_begin_conversation (into, job->hash, error);
    case LIBRARY_RESUME_CONVERSATION:
      return descry_store_resume_conversation (into, job->key, error);
    default:
      g_return_val_if_reached (TRUE);
    }
}

static gboolean
write_work (Worker     *worker,
            LibraryJob *job)
{
  g_autoptr (GError) error = NULL;
  gboolean good;

  if (job->hash != NULL)
    settle (worker, job->hash, &error);
  good = error == NULL && store (worker->store, job, &error);
  account (worker, good, error);

  /* A file that was opened for reading stays so; a scene that cannot be written as JSON never can. */
  return good || (worker->store != NULL && descry_store_is_read_only (worker->store)) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

static void
return_list (LibraryJob *job,
             GPtrArray  *list,
             GError     *error)
{
  if (list != NULL)
    g_task_return_pointer (job->task, list, (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (job->task, error);
}

static gboolean
recent_work (Worker     *worker,
             LibraryJob *job)
{
  GError *error = NULL;
  GPtrArray *list = descry_store_recent (worker->store, job->n, &error);

  return_list (job, list, error);
  return TRUE;
}

static gboolean
search_work (Worker     *worker,
             LibraryJob *job)
{
  GError *error = NULL;
  GPtrArray *list = descry_store_search (worker->store, job->text, job->n, &error);

  return_list (job, list, error);
  return TRUE;
}

/* @hash: NULL for all. */
static void
forget_late (Worker     *worker,
             const char *hash)
{
  GList *l, *next;

  for (l = worker->late.head; l != NULL; l = next)
    {
      LibraryJob *job = l->data;

      next = l->next;
      if (hash == NULL || g_strcmp0 (job->hash, hash) == 0)
        {
          g_queue_delete_link (&worker->late, l);
          library_job_free (job);
        }
    }
}

static gboolean
forget_work (Worker     *worker,
             LibraryJob *job)
{
  GError *error = NULL;
  gboolean good;

  forget_late (worker, job->hash);
  if (job->hash != NULL)
    {
      g_hash_table_remove (worker->owed, job->hash);
      good = descry_store_forget_picture (worker->store, job->hash, &error);
    }
  else
    {
      g_hash_table_remove_all (worker->owed);
      good = descry_store_forget_everything (worker->store, &error);
    }

  if (good)
    g_task_return_boolean (job->task, TRUE);
  else
    g_task_return_error (job->task, error);
  return TRUE;
}

/* FALSE: to be done again later. */
static gboolean
work (Worker     *worker,
      LibraryJob *job)
{
  switch (job->work)
    {
    case LIBRARY_OPEN_PICTURE:
      return open_picture_work (worker, job);
    case LIBRARY_KEEP_SCENE:
    case LIBRARY_KEEP_EDITS:
    case LIBRARY_KEEP_TURN:
    case LIBRARY_DELETE_TURN:
    case LIBRARY_RESTORE_TURN:
    case LIBRARY_BEGIN_CONVERSATION:
    case LIBRARY_RESUME_CONVERSATION:
      return write_work (worker, job);
    case LIBRARY_RECENT:
      return recent_work (worker, job);
    case LIBRARY_SEARCH:
      return search_work (worker, job);
    case LIBRARY_FORGET:
      return forget_work (worker, job);
    case LIBRARY_CLOSE:
      break;
    }

  return TRUE;
}

/* --------- The thread ------------------ */

static void
worker_open (Worker *worker)
{
  g_autofree char *message = NULL;

  worker->store = descry_store_open (worker->path, &message, &worker->closed);
  if (message != NULL)
    tell (worker, g_steal_pointer (&message));
  /* The "problem" of a file that can be read but not written comes with the first write. */
  if (worker->store == NULL)
    account (worker, FALSE, worker->closed);
}

/* A file that could not be opened may be openable now. */
static gboolean
have_store (Worker *worker)
{
  gint64 now = g_get_monotonic_time ();

  if (worker->store == NULL && now - worker->opened > RETRY_SECONDS * G_TIME_SPAN_SECOND)
    {
      g_clear_error (&worker->closed);
      worker_open (worker);
      worker->opened = g_get_monotonic_time ();
    }

  return worker->store != NULL;
}

static gboolean
is_write (const LibraryJob *job)
{
  return job->task == NULL && job->work != LIBRARY_CLOSE;
}

/* Only the newest of a turn, of a scene and of edits counts; it takes the older one's place in the order, but not from before
 * something else was done to the same turn. */
static void
put_off (Worker     *worker,
         LibraryJob *job)
{
  GList *l;

  for (l = worker->late.tail; l != NULL; l = l->prev)
    {
      LibraryJob *other = l->data;

      if (other->work != job->work && job->key != NULL && g_strcmp0 (other->key, job->key) == 0)
        break;
      if (other->work == job->work && job->work != LIBRARY_BEGIN_CONVERSATION && g_strcmp0 (other->key, job->key) == 0
          && g_strcmp0 (other->hash, job->hash) == 0)
        {
          library_job_free (other);
          l->data = job;
          return;
        }
    }

  if (worker->late.length < MOST_LATE)
    g_queue_push_tail (&worker->late, job);
  else
    library_job_free (job);
}

/* Runs a job; FALSE: it is to be done again. One that waited for another process is not tried at once again. */
static gboolean
attempt (Worker     *worker,
         LibraryJob *job)
{
  gint64 begin = g_get_monotonic_time ();
  gboolean done = work (worker, job);

  if (!done && g_get_monotonic_time () - begin > G_TIME_SPAN_SECOND / 2)
    worker->rest_until = g_get_monotonic_time () + RETRY_SECONDS * G_TIME_SPAN_SECOND;

  return done;
}

static void
catch_up (Worker *worker)
{
  if (worker->late.length == 0 || g_get_monotonic_time () < worker->rest_until || !have_store (worker))
    return;

  while (worker->late.length > 0 && attempt (worker, worker->late.head->data))
    library_job_free (g_queue_pop_head (&worker->late));
}

static void
run_write (Worker     *worker,
           LibraryJob *job)
{
  catch_up (worker);
  if (worker->late.length > 0 || !have_store (worker) || !attempt (worker, job))
    put_off (worker, job);
  else
    library_job_free (job);
}

static gpointer
worker_thread (gpointer data)
{
  Worker *worker = data;
  gboolean more = TRUE;

  worker_open (worker);
  worker->opened = g_get_monotonic_time ();
  while (more)
    {
      LibraryJob *job = worker->late.length > 0 ? g_async_queue_timeout_pop (worker->jobs, RETRY_SECONDS * G_USEC_PER_SEC) : g_async_queue_pop (worker->jobs);

      if (job == NULL)
        {
          catch_up (worker);
          continue;
        }

      more = job->work != LIBRARY_CLOSE;
      if (is_write (job))
        {
          run_write (worker, job);
          continue;
        }

      if (job->task != NULL && g_task_return_error_if_cancelled (job->task))
        ;
      else if (more && (have_store (worker) || job->work == LIBRARY_OPEN_PICTURE))
        work (worker, job);
      else if (job->task != NULL)
        g_task_return_error (job->task, g_error_copy (worker->closed));
      library_job_free (job);
    }

  worker->rest_until = 0;
  worker->opened = 0;
  catch_up (worker);
  if (worker->late.length > 0)
    g_message ("%u changes could not be written", worker->late.length);
  forget_late (worker, NULL);
  g_clear_pointer (&worker->store, descry_store_close);
  g_clear_error (&worker->closed);
  g_clear_pointer (&worker->owed, g_hash_table_unref);
  g_weak_ref_clear (&worker->library);
  g_clear_pointer (&worker->context, g_main_context_unref);
  g_clear_pointer (&worker->jobs, g_async_queue_unref);
  g_free (worker->path);
  g_free (worker);

  return NULL;
}

GThread *
library_worker_start (DescryLibrary *library,
                      GAsyncQueue   *jobs,
                      const char    *path)
{
  Worker *worker = g_new0 (Worker, 1);

  worker->jobs = g_async_queue_ref (jobs);
  g_weak_ref_init (&worker->library, library);
  worker->context = g_main_context_ref_thread_default ();
  worker->path = path != NULL ? g_strdup (path) : g_build_filename (g_get_user_data_dir (), "descry", "library.sqlite", NULL);
  worker->owed = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) library_job_free);

  return g_thread_new ("descry-library", worker_thread, worker);
}
