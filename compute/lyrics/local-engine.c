/* local-engine.c - the engine that runs networks, on a thread of its own
 *
 * The thread owns device, networks and the picture's refiner. An analysis is a row of steps; between two of
 * them (and between two tokens of an answer) the thread looks whether something more urgent waits: a click, a
 * mask that somebody wants to see, a question once there are boxes. A job that finds no device tries to
 * open one again, so that the engine outlives a driver that gave up.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-engine"

#include "config.h"

#include "compute/lyrics/engine.h"

#include <string.h>

#include "compute/device/probe.h"
#include "compute/lyrics/ask.h"
#include "compute/lyrics/refiner.h"

/* Smaller runs earlier. */
typedef enum { PRIORITY_POINTED, PRIORITY_ASK, PRIORITY_ANALYZE, N_PRIORITIES } Priority;

#define DESCRY_TYPE_LOCAL_ENGINE (descry_local_engine_get_type ())
G_DECLARE_FINAL_TYPE (DescryLocalEngine, descry_local_engine, DESCRY, LOCAL_ENGINE, DescryEngine)

struct _DescryLocalEngine
{
  DescryEngine parent_instance;

  char    *bundle_name;
  GThread *thread;

  /* Shared. */
  GMutex lock;
  GCond  filled;
  GQueue jobs[N_PRIORITIES]; /* of DescryJob */
  GPtrArray *running; /* GCancellable of each job under way, the innermost last */
  gboolean quit;
  gboolean reload; /* wanted between two jobs */
  char    *next_device; /* selector for it; "": none, NULL: as before */
  char    *next_language; /* the same for the language model's own device */
  gboolean unload; /* wanted between two jobs */
  guint    idle_seconds; /* 0: the networks stay */
  gboolean loaded; /* there is something to unload */

  /* Only the thread. */
  char           *device_name; /* selector or NULL */
  char           *language_name; /* selector or NULL: the device of everything */
  DescryDevice   *device;
  char           *device_error;
  DescryDevice   *language_device; /* or NULL */
  char           *language_error;
  gboolean        told; /* the running answer has begun */
  guint           depth; /* of jobs inside jobs */
  DescryPipeline *pipeline; /* owns the bundle */
  char           *bundle_error;
  DescryRefiner  *refiner; /* of the picture analyzed last */
  DescryRefiner  *other; /* of a stored scene that was worked on last */
  GCancellable   *current; /* names the running job; jobs run inside others */
};

G_DEFINE_TYPE (DescryLocalEngine, descry_local_engine, DESCRY_TYPE_ENGINE)

static void run_waiting (DescryLocalEngine *self, Priority least);

static void
emit_stage (const char *stage,
            double      fraction,
            const char *detail,
            gpointer    data)
{
  DescryLocalEngine *self = data;

  descry_engine_emit_stage (DESCRY_ENGINE (self), self->current, stage, fraction, detail);
}

static char *
join_titles (GPtrArray *files)
{
  GString *titles = g_string_new (NULL);
  guint i;

  for (i = 0; i < files->len; i++)
    {
      const DescryBundleFile *file = g_ptr_array_index (files, i);

      g_string_append_printf (titles, "%s%s", i > 0 ? " + " : "", file->title);
    }

  return g_string_free (titles, FALSE);
}

static char *
name_device (DescryDevice *device)
{
  const DescryDeviceInfo *info = descry_device_info (device);

  return g_strdup_printf ("%s: %s", info->platform, info->name);
}

/* The same networks with the same limit find the same things. */
static char *
name_models (const DescryBundle *bundle)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *limit = g_strdup_printf ("%s\n%.3f", bundle->name, (double) DESCRY_SCENE_THRESHOLD);
  guint i, j;

  g_checksum_update (checksum, (const guchar *) limit, -1);
  for (i = DESCRY_SLOT_TAGGER; i <= DESCRY_SLOT_SEGMENTER; i++)
    for (j = 0; j < bundle->slots[i]->len; j++)
      {
        const DescryBundleFile *file = g_ptr_array_index (bundle->slots[i], j);

        g_checksum_update (checksum, (const guchar *) (bundle->missing[i] == NULL ? "\n+" : "\n-"), -1);
        if (file->sha256 != NULL)
          g_checksum_update (checksum, (const guchar *) file->sha256, -1);
      }

  return g_strndup (g_checksum_get_string (checksum), 32);
}

static void
publish_status (DescryLocalEngine *self)
{
  DescryEngineStatus *status = g_new0 (DescryEngineStatus, 1);
  guint i;

  status->ready = self->device != NULL && self->pipeline != NULL;
  status->device_error = g_strdup (self->device_error);
  if (self->device != NULL)
    {
      status->device = name_device (self->device);
      status->device_bytes = descry_device_stats (self->device)->live_bytes;
      status->device_memory = descry_device_info (self->device)->global_memory;
      status->device_buffer = descry_device_info (self->device)->max_allocation;
    }
  if (self->language_device != NULL)
    {
      status->language_device = name_device (self->language_device);
      status->device_bytes += descry_device_stats (self->language_device)->live_bytes;
    }
  status->language_error = g_strdup (self->language_error);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      if (self->pipeline != NULL)
        {
          const DescryBundle *bundle = descry_pipeline_bundle (self->pipeline);

          status->slots[i].usable = bundle->missing[i] == NULL && self->device != NULL;
          status->slots[i].title = join_titles (bundle->slots[i]);
          status->slots[i].reason = g_strdup (bundle->missing[i] != NULL ? bundle->missing[i] : self->device_error);
        }
      else
        status->slots[i].reason = g_strdup (self->bundle_error);
    }
  if (self->pipeline != NULL)
    {
      status->bundle = g_strdup (descry_pipeline_bundle (self->pipeline)->name);
      status->models = name_models (descry_pipeline_bundle (self->pipeline));
      status->loaded = descry_pipeline_is_loaded (self->pipeline);
    }
  g_mutex_lock (&self->lock);
  self->loaded = status->loaded;
  g_mutex_unlock (&self->lock);

  descry_engine_set_status (DESCRY_ENGINE (self), status);
}

/* Everything that lives on the device goes with it. */
static void
close_device (DescryLocalEngine *self)
{
  g_clear_pointer (&self->refiner, descry_refiner_free);
  g_clear_pointer (&self->other, descry_refiner_free);
  g_clear_pointer (&self->pipeline, descry_pipeline_free);
  g_clear_pointer (&self->language_device, descry_device_free);
  g_clear_pointer (&self->device, descry_device_free);
}

/* Without it the language model runs where everything does, and the status says why. */
static void
open_language_device (DescryLocalEngine *self)
{
  GError *problem = NULL;

  g_clear_pointer (&self->language_error, g_free);
  if (self->device == NULL || self->language_name == NULL)
    return;

  self->language_device = descry_device_open_tried (self->language_name, DESCRY_FAMILY_AUTO, NULL, &problem);
  if (self->language_device != NULL && !descry_device_warm (self->language_device, &problem))
    g_clear_pointer (&self->language_device, descry_device_free);
  if (problem != NULL)
    self->language_error = g_strdup (problem->message);
  g_clear_error (&problem);
}

/* A device on its way, while files are read that need none. */
typedef struct
{
  const char   *selector;
  gboolean      pictures; /* wanted soon */
  DescryDevice *device;
  GError       *error;
} Opening;

static gpointer
open_thread (gpointer data)
{
  Opening *opening = data;

  opening->device = descry_device_open_tried (opening->selector, DESCRY_FAMILY_AUTO, NULL, &opening->error);
  if (opening->device != NULL)
    descry_device_warm_begin (opening->device, opening->pictures);

  return NULL;
}

/* Whether all that is wanted now is an answer without a picture; if so, whether with the adapters, and what stops it. */
static gboolean
waits_for_language (DescryLocalEngine *self,
                    gboolean          *adapter,
                    gboolean          *pictures,
                    GCancellable     **cancellable)
{
  DescryJob *job;

  g_mutex_lock (&self->lock);
  job = g_queue_peek_head (&self->jobs[PRIORITY_ASK]);
  if (!g_queue_is_empty (&self->jobs[PRIORITY_POINTED]) || !g_queue_is_empty (&self->jobs[PRIORITY_ANALYZE]))
    job = NULL;
  *pictures = job == NULL || job->image != NULL;
  *adapter = job != NULL && descry_ask_wants_adapter (job);
  if (job != NULL && g_task_get_cancellable (job->task) != NULL)
    *cancellable = g_object_ref (g_task_get_cancellable (job->task));
  g_mutex_unlock (&self->lock);

  return job != NULL;
}

/* Device and bundle, in either order of trouble: the status names both. Its stages are of no job: all wait for them. If
 * somebody waits for an answer the language model is read while the driver opens and the kernels are built. */
static gboolean
open_all (DescryLocalEngine *self,
          GError           **error)
{
  Opening opening = { .selector = self->device_name };
  g_autoptr (GCancellable) cancellable = NULL;
  gboolean adapter, language;
  GThread *thread;
  DescryBundle *bundle;
  GError *problem = NULL, *bundle_problem = NULL;

  if (self->device != NULL && self->pipeline != NULL)
    return TRUE;

  descry_engine_emit_stage (DESCRY_ENGINE (self), NULL, "device", -1.0, NULL);
  close_device (self);
  g_clear_pointer (&self->device_error, g_free);
  g_clear_pointer (&self->bundle_error, g_free);

  language = waits_for_language (self, &adapter, &opening.pictures, &cancellable);
  thread = g_thread_try_new ("descry-open", open_thread, &opening, NULL);
  if (thread == NULL)
    open_thread (&opening);

  bundle = descry_bundle_open (self->bundle_name, &bundle_problem);
  if (bundle != NULL)
    {
      self->pipeline = descry_pipeline_new (NULL, bundle, emit_stage, self);
      descry_pipeline_set_adapter (self->pipeline, adapter || !language);
      if (language)
        descry_pipeline_prepare_language (self->pipeline, cancellable);
    }

  if (thread != NULL)
    g_thread_join (thread);
  self->device = opening.device;
  problem = opening.error;
  if (self->device != NULL)
    {
      descry_engine_emit_stage (DESCRY_ENGINE (self), NULL, "kernels", -1.0, descry_device_info (self->device)->name);
      if (self->pipeline != NULL)
        {
          descry_pipeline_set_device (self->pipeline, self->device);
          open_language_device (self);
          descry_pipeline_set_language_device (self->pipeline, self->language_device);
          /* What is wrong with it is told to the job. */
          if (language)
            descry_pipeline_language (self->pipeline, cancellable, NULL);
        }
      if (!descry_device_warm (self->device, &problem))
        {
          if (self->pipeline != NULL)
            descry_pipeline_unload (self->pipeline);
          g_clear_pointer (&self->language_device, descry_device_free);
          g_clear_pointer (&self->device, descry_device_free);
          if (self->pipeline != NULL)
            {
              descry_pipeline_set_language_device (self->pipeline, NULL);
              descry_pipeline_set_device (self->pipeline, NULL);
            }
        }
    }
  if (self->device == NULL)
    {
      self->device_error = g_strdup (problem->message);
      g_propagate_error (error, g_steal_pointer (&problem));
    }
  if (bundle_problem != NULL)
    {
      self->bundle_error = g_strdup (bundle_problem->message);
      if (self->device != NULL)
        g_propagate_error (error, g_steal_pointer (&bundle_problem));
      g_clear_error (&bundle_problem);
    }

  publish_status (self);
  if (self->device != NULL && self->pipeline != NULL)
    descry_engine_emit_stage (DESCRY_ENGINE (self), NULL, "ready", 1.0, NULL);
  else
    descry_engine_emit_stage (DESCRY_ENGINE (self), NULL, "failed", -1.0, self->device_error != NULL ? self->device_error : self->bundle_error);

  return self->device != NULL && self->pipeline != NULL;
}

static void
publish_scene (DescryLocalEngine *self,
               DescryRefiner     *refiner)
{
  g_autoptr (DescryScene) scene = descry_refiner_scene (refiner);

  descry_engine_emit_scene (DESCRY_ENGINE (self), self->current, scene);
}

/* One step of an analysis: its stage, the work, the new scene, and what has become more urgent meanwhile. */
static gboolean
run_step (DescryLocalEngine *self,
          const char        *stage,
          double             fraction,
          gboolean           (*step) (DescryRefiner *refiner, GCancellable *cancellable, GError **error),
          Priority           least,
          GCancellable      *cancellable,
          GError           **error)
{
  descry_engine_emit_stage (DESCRY_ENGINE (self), self->current, stage, fraction, NULL);
  if (!step (self->refiner, cancellable, error))
    return FALSE;

  publish_scene (self, self->refiner);
  run_waiting (self, least);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static DescryScene *
analyze (DescryLocalEngine *self,
         DescryJob         *job,
         GCancellable      *cancellable,
         GError           **error)
{
  guint id;

  /* Nothing to show without these two; the reason of the first says it. */
  if (!descry_pipeline_has (self->pipeline, DESCRY_SLOT_DETECTOR, NULL) && !descry_pipeline_has (self->pipeline, DESCRY_SLOT_TAGGER, error))
    return NULL;

  g_clear_pointer (&self->refiner, descry_refiner_free);
  self->refiner = descry_refiner_new (self->pipeline, job->image, job->scene->file, error);
  if (self->refiner == NULL)
    return NULL;

  if (!run_step (self, "tagger", 0.0, descry_refiner_tag, PRIORITY_POINTED, cancellable, error)
      || !run_step (self, "detector", 0.2, descry_refiner_detect, PRIORITY_ASK, cancellable, error)
      || !run_step (self, "segmenter", 0.4, descry_refiner_propose, PRIORITY_ASK, cancellable, error))
    return NULL;

  while ((id = descry_refiner_next_mask (self->refiner, DESCRY_SCENE_THRESHOLD)) != 0)
    {
      descry_engine_emit_stage (DESCRY_ENGINE (self), self->current, "segmenter", -1.0, NULL);
      if (!descry_refiner_mask (self->refiner, id, cancellable, error))
        return NULL;
      publish_scene (self, self->refiner);
      run_waiting (self, PRIORITY_ASK);
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return NULL;
    }

  return descry_refiner_scene (self->refiner);
}

static gboolean
knows_object (DescryRefiner *refiner,
              guint          id)
{
  g_autoptr (DescryScene) scene = descry_refiner_scene (refiner);

  return descry_scene_find (scene, id) != NULL;
}

/* The refiner that has @job's picture, or a new one that goes on from its scene. */
static DescryRefiner *
find_refiner (DescryLocalEngine *self,
              DescryJob         *job,
              GError           **error)
{
  if (self->refiner != NULL && descry_refiner_image (self->refiner) == job->image
      && (job->kind == DESCRY_JOB_SEGMENT || knows_object (self->refiner, job->object)))
    return self->refiner;
  if (self->other != NULL && descry_refiner_image (self->other) == job->image
      && (job->kind == DESCRY_JOB_SEGMENT || knows_object (self->other, job->object)))
    return self->other;

  g_clear_pointer (&self->other, descry_refiner_free);
  self->other = descry_refiner_open (self->pipeline, job->image, job->scene, error);
  return self->other;
}

static DescryScene *
point (DescryLocalEngine *self,
       DescryJob         *job,
       GCancellable      *cancellable,
       GError           **error)
{
  DescryRefiner *refiner = find_refiner (self, job, error);
  gboolean ok;

  if (refiner == NULL)
    return NULL;

  descry_engine_emit_stage (DESCRY_ENGINE (self), self->current, "segmenter", -1.0, NULL);
  if (job->kind == DESCRY_JOB_SEGMENT)
    ok = descry_refiner_segment (refiner, job->box, cancellable, error) != 0;
  else
    ok = descry_pipeline_has (self->pipeline, DESCRY_SLOT_SEGMENTER, error)
         && descry_refiner_mask (refiner, job->object, cancellable, error);
  if (!ok)
    return NULL;

  publish_scene (self, refiner);
  return descry_refiner_scene (refiner);
}

static void
answer_text_cb (const char *text,
                gpointer    data)
{
  DescryLocalEngine *self = data;

  self->told = TRUE;
  descry_engine_emit_text (DESCRY_ENGINE (self), self->current, text);
}

static void
answer_pause_cb (gpointer data)
{
  run_waiting (data, PRIORITY_POINTED);
}

static DescryTurn *
ask (DescryLocalEngine *self,
     DescryJob         *job,
     GCancellable      *cancellable,
     GError           **error)
{
  const DescryAskHooks hooks = { answer_text_cb, answer_pause_cb, self };

  return descry_ask_run (self->pipeline, job, &hooks, cancellable, error);
}

static void
note_running (DescryLocalEngine *self,
              GCancellable      *cancellable,
              gboolean           running)
{
  if (cancellable == NULL)
    return;

  g_mutex_lock (&self->lock);
  if (running)
    g_ptr_array_add (self->running, g_object_ref (cancellable));
  else
    g_ptr_array_remove_index (self->running, self->running->len - 1);
  if (self->quit)
    g_cancellable_cancel (cancellable);
  g_mutex_unlock (&self->lock);
}

static gpointer
work_on (DescryLocalEngine *self,
         DescryJob         *job,
         GCancellable      *cancellable,
         GError           **error)
{
  switch (job->kind)
    {
    case DESCRY_JOB_ANALYZE:
      return analyze (self, job, cancellable, error);

    case DESCRY_JOB_ASK:
      return ask (self, job, cancellable, error);

    default:
      return point (self, job, cancellable, error);
    }
}

static void
run_job (DescryLocalEngine *self,
         DescryJob         *job)
{
  GTask *task = job->task;
  GCancellable *cancellable = g_task_get_cancellable (task), *outer;
  GDestroyNotify destroy = job->kind == DESCRY_JOB_ASK ? (GDestroyNotify) descry_turn_unref : (GDestroyNotify) descry_scene_unref;
  gpointer result = NULL;
  GError *error = NULL;
  gboolean slots_changed = FALSE;

  /* A question that was stopped before its turn came is still a turn; the rest is just dropped. */
  if (job->kind != DESCRY_JOB_ASK && g_cancellable_set_error_if_cancelled (cancellable, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  note_running (self, cancellable, TRUE);
  self->depth++;
  outer = self->current;
  self->current = job->caller;
  if (open_all (self, &error))
    {
      self->told = FALSE;
      result = work_on (self, job, cancellable, &error);
      /* Once more with nothing else in memory, unless an outer job's networks are in use. What was said is not said twice. */
      if (g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY) && !self->told && self->depth == 1)
        {
          g_clear_error (&error);
          descry_pipeline_unload (self->pipeline);
          result = work_on (self, job, cancellable, &error);
        }
      slots_changed = TRUE;
    }
  self->depth--;
  self->current = outer;
  note_running (self, cancellable, FALSE);

  if (error != NULL && error->domain == DESCRY_ERROR)
    descry_engine_emit_stage (DESCRY_ENGINE (self), job->caller, "failed", -1.0, error->message);
  else
    descry_engine_emit_stage (DESCRY_ENGINE (self), job->caller, "ready", 1.0, NULL);
  if (slots_changed)
    publish_status (self);

  /* The context is of no use any more; the next job opens a new one. */
  if (g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_DEVICE_LOST) && self->device_error == NULL)
    self->device_error = g_strdup (error->message);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, result, destroy);
}

/* Until there is something to do, or until the networks have rested long enough. Called with the lock. */
static void
wait_for_work (DescryLocalEngine *self,
               gint64             since)
{
  if (self->idle_seconds == 0 || !self->loaded)
    g_cond_wait (&self->filled, &self->lock);
  else if (!g_cond_wait_until (&self->filled, &self->lock, since + self->idle_seconds * G_TIME_SPAN_SECOND)
           && g_get_monotonic_time () >= since + self->idle_seconds * G_TIME_SPAN_SECOND)
    self->unload = TRUE;
}

/* The next job of at least this priority, or NULL. Waits for one of any if @wait; a wish to reload or unload is
 * answered first then, by NULL. */
static DescryJob *
take_job (DescryLocalEngine *self,
          Priority           least,
          gboolean           wait)
{
  DescryJob *job = NULL;
  gint64 since = g_get_monotonic_time ();
  guint i;

  g_mutex_lock (&self->lock);
  for (;;)
    {
      if (self->quit || (wait && (self->reload || self->unload)))
        break;
      for (i = 0; i <= least && job == NULL; i++)
        job = g_queue_pop_head (&self->jobs[i]);
      if (job != NULL || !wait)
        break;
      wait_for_work (self, since);
    }
  g_mutex_unlock (&self->lock);

  return job;
}

/* Inside another job. Once the device is lost everything waits for the outer job to notice. */
static void
run_waiting (DescryLocalEngine *self,
             Priority           least)
{
  DescryJob *job;

  while (self->device_error == NULL && (job = take_job (self, least, FALSE)) != NULL)
    run_job (self, job);
}

/* The running job has ended; everything of the old bundle and the old device goes. */
static gboolean
reload (DescryLocalEngine *self)
{
  gboolean wanted;

  g_mutex_lock (&self->lock);
  wanted = self->reload && !self->quit;
  if (wanted)
    {
      self->reload = FALSE;
      if (self->next_device != NULL)
        {
          g_free (self->device_name);
          self->device_name = *self->next_device != '\0' ? g_strdup (self->next_device) : NULL;
          g_clear_pointer (&self->next_device, g_free);
        }
      if (self->next_language != NULL)
        {
          g_free (self->language_name);
          self->language_name = *self->next_language != '\0' ? g_strdup (self->next_language) : NULL;
          g_clear_pointer (&self->next_language, g_free);
        }
    }
  g_mutex_unlock (&self->lock);
  if (!wanted)
    return FALSE;

  close_device (self);
  open_all (self, NULL);
  return TRUE;
}

/* The device and the bundle stay open: opening them is what takes long the first time. */
static gboolean
unload (DescryLocalEngine *self)
{
  gboolean wanted;

  g_mutex_lock (&self->lock);
  wanted = self->unload && !self->quit;
  self->unload = FALSE;
  g_mutex_unlock (&self->lock);
  if (!wanted)
    return FALSE;

  if (self->pipeline != NULL)
    descry_pipeline_unload (self->pipeline);
  publish_status (self);
  return TRUE;
}

static gpointer
engine_thread (gpointer data)
{
  DescryLocalEngine *self = data;
  DescryJob *job;
  guint i;

  open_all (self, NULL);
  while ((job = take_job (self, N_PRIORITIES - 1, TRUE)) != NULL || reload (self) || unload (self))
    {
      if (job == NULL)
        continue;
      run_job (self, job);
      if (self->device != NULL && self->device_error != NULL)
        {
          close_device (self);
          publish_status (self);
        }
    }

  for (i = 0; i < N_PRIORITIES; i++)
    while ((job = g_queue_pop_head (&self->jobs[i])) != NULL)
      g_task_return_new_error (job->task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the engine is gone");
  close_device (self);

  return NULL;
}

static void
descry_local_engine_start (DescryEngine *engine,
                           DescryJob    *job)
{
  DescryLocalEngine *self = DESCRY_LOCAL_ENGINE (engine);
  Priority priority = PRIORITY_POINTED;

  if (job->kind == DESCRY_JOB_ANALYZE)
    priority = PRIORITY_ANALYZE;
  else if (job->kind == DESCRY_JOB_ASK)
    priority = PRIORITY_ASK;

  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->jobs[priority], job);
  g_cond_signal (&self->filled);
  g_mutex_unlock (&self->lock);
}

static void
descry_local_engine_reload (DescryEngine *engine,
                            const char   *device)
{
  DescryLocalEngine *self = DESCRY_LOCAL_ENGINE (engine);

  g_mutex_lock (&self->lock);
  self->reload = TRUE;
  if (device != NULL)
    {
      g_free (self->next_device);
      self->next_device = g_strdup (device);
    }
  g_cond_signal (&self->filled);
  g_mutex_unlock (&self->lock);
}

static void
descry_local_engine_place_language (DescryEngine *engine,
                                    const char   *device)
{
  DescryLocalEngine *self = DESCRY_LOCAL_ENGINE (engine);

  g_mutex_lock (&self->lock);
  self->reload = TRUE;
  g_free (self->next_language);
  self->next_language = g_strdup (device);
  g_cond_signal (&self->filled);
  g_mutex_unlock (&self->lock);
}

static void
descry_local_engine_unload (DescryEngine *engine)
{
  DescryLocalEngine *self = DESCRY_LOCAL_ENGINE (engine);

  g_mutex_lock (&self->lock);
  self->unload = TRUE;
  g_cond_signal (&self->filled);
  g_mutex_unlock (&self->lock);
}

static void
descry_local_engine_set_idle (DescryEngine *engine,
                              guint         seconds)
{
  DescryLocalEngine *self = DESCRY_LOCAL_ENGINE (engine);

  g_mutex_lock (&self->lock);
  self->idle_seconds = seconds;
  g_cond_signal (&self->filled);
  g_mutex_unlock (&self->lock);
}

static void
descry_local_engine_dispose (GObject *object)
{
  DescryLocalEngine *self = DESCRY_LOCAL_ENGINE (object);
  guint i;

  /* Jobs hold the engine, so none runs now unless somebody disposes of it by force: at the program's end. */
  g_mutex_lock (&self->lock);
  self->quit = TRUE;
  for (i = 0; i < self->running->len; i++)
    g_cancellable_cancel (g_ptr_array_index (self->running, i));
  g_cond_signal (&self->filled);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&self->thread, g_thread_join);

  G_OBJECT_CLASS (descry_local_engine_parent_class)->dispose (object);
}

static void
descry_local_engine_finalize (GObject *object)
{
  DescryLocalEngine *self = DESCRY_LOCAL_ENGINE (object);

  g_clear_pointer (&self->bundle_name, g_free);
  g_clear_pointer (&self->device_name, g_free);
  g_clear_pointer (&self->next_device, g_free);
  g_clear_pointer (&self->language_name, g_free);
  g_clear_pointer (&self->next_language, g_free);
  g_clear_pointer (&self->language_error, g_free);
  g_clear_pointer (&self->device_error, g_free);
  g_clear_pointer (&self->bundle_error, g_free);
  g_clear_pointer (&self->running, g_ptr_array_unref);
  g_cond_clear (&self->filled);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (descry_local_engine_parent_class)->finalize (object);
}

static void
descry_local_engine_class_init (DescryLocalEngineClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = descry_local_engine_dispose;
  object_class->finalize = descry_local_engine_finalize;
  DESCRY_ENGINE_CLASS (klass)->start = descry_local_engine_start;
  DESCRY_ENGINE_CLASS (klass)->reload = descry_local_engine_reload;
  DESCRY_ENGINE_CLASS (klass)->place_language = descry_local_engine_place_language;
  DESCRY_ENGINE_CLASS (klass)->unload = descry_local_engine_unload;
  DESCRY_ENGINE_CLASS (klass)->set_idle = descry_local_engine_set_idle;
}

static void
descry_local_engine_init (DescryLocalEngine *self)
{
  guint i;

  g_mutex_init (&self->lock);
  g_cond_init (&self->filled);
  self->running = g_ptr_array_new_with_free_func (g_object_unref);
  for (i = 0; i < N_PRIORITIES; i++)
    g_queue_init (&self->jobs[i]);
}

DescryEngine *
descry_local_engine_new (const char *bundle,
                         const char *device)
{
  DescryLocalEngine *self = g_object_new (DESCRY_TYPE_LOCAL_ENGINE, NULL);

  self->bundle_name = g_strdup (bundle);
  self->device_name = g_strdup (device);
  self->thread = g_thread_new ("descry-engine", engine_thread, self);

  return DESCRY_ENGINE (self);
}
