/* engine.c - the one thread that owns the device, seen from outside
 *
 * What every engine shares: tasks, and the way of events from the working thread to the main
 * context of the thread that made the engine. Events are idle sources of the tasks' own priority, so
 * that a task's answer never overtakes the events before it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-engine"

#include "config.h"

#include "compute/lyrics/engine.h"

#include <string.h>

typedef struct
{
  GMainContext *context; /* of the thread that made the engine */

  /* Shared with the working thread. */
  GMutex              lock;
  DescryEngineStatus *status;
  struct _Event      *speaking; /* not yet delivered: text of the same job joins it; or NULL */

  /* Only the creating thread. */
  GCancellable *analysis; /* of the newest one */
} DescryEnginePrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (DescryEngine, descry_engine, G_TYPE_OBJECT)

enum { SIGNAL_STAGE, SIGNAL_SCENE, SIGNAL_TEXT, SIGNAL_CHANGED, N_SIGNALS };

static guint signals[N_SIGNALS];

typedef struct _Event
{
  DescryEngine *self;
  guint         signal;
  GCancellable *job; /* or NULL */
  GString      *text;
  char         *stage;
  double        fraction;
  char         *detail;
  DescryScene  *scene;
} Event;

static void
free_event (gpointer data)
{
  Event *event = data;

  g_clear_object (&event->self);
  g_free (event->stage);
  g_free (event->detail);
  g_clear_pointer (&event->scene, descry_scene_unref);
  g_clear_object (&event->job);
  if (event->text != NULL)
    g_string_free (event->text, TRUE);
  g_free (event);
}

static gboolean
deliver_event_cb (gpointer data)
{
  Event *event = data;
  DescryEnginePrivate *priv = descry_engine_get_instance_private (event->self);

  switch (event->signal)
    {
    case SIGNAL_STAGE:
      g_signal_emit (event->self, signals[SIGNAL_STAGE], 0, event->stage, event->fraction, event->detail, event->job);
      break;

    case SIGNAL_SCENE:
      g_signal_emit (event->self, signals[SIGNAL_SCENE], 0, event->scene, event->job);
      break;

    case SIGNAL_TEXT:
      g_mutex_lock (&priv->lock);
      if (priv->speaking == event)
        priv->speaking = NULL;
      g_mutex_unlock (&priv->lock);
      g_signal_emit (event->self, signals[SIGNAL_TEXT], 0, event->text->str, event->job);
      break;

    default:
      g_signal_emit (event->self, signals[SIGNAL_CHANGED], 0);
      break;
    }

  return G_SOURCE_REMOVE;
}

/* Not g_main_context_invoke(): before the loop runs that would call from the working thread. */
static void
send_event (DescryEngine *self,
            Event        *event,
            guint         signal)
{
  DescryEnginePrivate *priv = descry_engine_get_instance_private (self);
  g_autoptr (GSource) source = g_idle_source_new ();

  event->self = g_object_ref (self);
  event->signal = signal;
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, deliver_event_cb, event, free_event);
  g_source_set_static_name (source, "descry engine event");
  g_source_attach (source, priv->context);
}

void
descry_engine_emit_stage (DescryEngine *self,
                          GCancellable *job,
                          const char   *stage,
                          double        fraction,
                          const char   *detail)
{
  Event *event = g_new0 (Event, 1);

  if (job != NULL)
    event->job = g_object_ref (job);
  event->stage = g_strdup (stage);
  event->fraction = fraction;
  event->detail = g_strdup (detail);
  send_event (self, event, SIGNAL_STAGE);
}

void
descry_engine_emit_scene (DescryEngine *self,
                          GCancellable *job,
                          DescryScene  *scene)
{
  Event *event = g_new0 (Event, 1);

  if (job != NULL)
    event->job = g_object_ref (job);
  event->scene = descry_scene_ref (scene);
  send_event (self, event, SIGNAL_SCENE);
}

/* Pieces that arrive faster than the main loop turns become one. */
void
descry_engine_emit_text (DescryEngine *self,
                         GCancellable *job,
                         const char   *text)
{
  DescryEnginePrivate *priv = descry_engine_get_instance_private (self);
  Event *event = NULL;

  g_mutex_lock (&priv->lock);
  if (priv->speaking != NULL && priv->speaking->job == job)
    g_string_append (priv->speaking->text, text);
  else
    {
      event = g_new0 (Event, 1);
      event->text = g_string_new (text);
      if (job != NULL)
        event->job = g_object_ref (job);
      priv->speaking = event;
    }
  g_mutex_unlock (&priv->lock);

  if (event != NULL)
    send_event (self, event, SIGNAL_TEXT);
}

void
descry_engine_set_status (DescryEngine       *self,
                          DescryEngineStatus *status)
{
  DescryEnginePrivate *priv = descry_engine_get_instance_private (self);
  DescryEngineStatus *old;

  g_mutex_lock (&priv->lock);
  old = priv->status;
  priv->status = status;
  g_mutex_unlock (&priv->lock);

  descry_engine_status_free (old);
  send_event (self, g_new0 (Event, 1), SIGNAL_CHANGED);
}

DescryEngineStatus *
descry_engine_status (DescryEngine *self)
{
  DescryEnginePrivate *priv;
  DescryEngineStatus *status;

  g_return_val_if_fail (DESCRY_IS_ENGINE (self), NULL);

  priv = descry_engine_get_instance_private (self);
  g_mutex_lock (&priv->lock);
  status = descry_engine_status_copy (priv->status);
  g_mutex_unlock (&priv->lock);

  return status;
}

DescryEngineStatus *
descry_engine_status_copy (const DescryEngineStatus *status)
{
  DescryEngineStatus *copy = g_new (DescryEngineStatus, 1);
  guint i;

  *copy = *status;
  copy->device = g_strdup (status->device);
  copy->device_error = g_strdup (status->device_error);
  copy->language_device = g_strdup (status->language_device);
  copy->language_error = g_strdup (status->language_error);
  copy->bundle = g_strdup (status->bundle);
  copy->models = g_strdup (status->models);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      copy->slots[i].title = g_strdup (status->slots[i].title);
      copy->slots[i].reason = g_strdup (status->slots[i].reason);
    }

  return copy;
}

void
descry_engine_status_free (DescryEngineStatus *status)
{
  guint i;

  if (status == NULL)
    return;

  g_free (status->device);
  g_free (status->device_error);
  g_free (status->language_device);
  g_free (status->language_error);
  g_free (status->bundle);
  g_free (status->models);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      g_free (status->slots[i].title);
      g_free (status->slots[i].reason);
    }
  g_free (status);
}

void
descry_job_free (DescryJob *job)
{
  if (job == NULL)
    return;

  g_clear_object (&job->caller);
  g_clear_pointer (&job->image, descry_image_unref);
  g_clear_pointer (&job->scene, descry_scene_unref);
  g_clear_pointer (&job->question, g_free);
  g_clear_pointer (&job->chips, g_array_unref);
  g_clear_pointer (&job->points, g_array_unref);
  g_clear_pointer (&job->begun, g_free);
  g_clear_pointer (&job->history, g_ptr_array_unref);
  g_free (job);
}

static void
task_completed_cb (GTask *task)
{
  g_object_unref (task);
}

/* The task owns the job and lives until it has returned; a job does not hold its task. */
static DescryJob *
make_job (DescryEngine       *self,
          DescryJobKind       kind,
          gpointer            tag,
          DescryImage        *image,
          DescryScene        *scene,
          GCancellable       *cancellable,
          GAsyncReadyCallback callback,
          gpointer            data)
{
  DescryJob *job = g_new0 (DescryJob, 1);
  GTask *task = g_task_new (self, cancellable, callback, data);

  job->kind = kind;
  job->task = task;
  job->caller = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  job->image = image != NULL ? descry_image_ref (image) : NULL;
  job->scene = scene != NULL ? descry_scene_ref (scene) : NULL;
  job->chips = g_array_new (FALSE, FALSE, sizeof (guint));
  g_task_set_source_tag (task, tag);
  g_task_set_name (task, "descry engine job");
  /* A stopped answer is returned, not dropped. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, job, (GDestroyNotify) descry_job_free);
  g_signal_connect (task, "notify::completed", G_CALLBACK (task_completed_cb), NULL);

  return job;
}

static void
start_job (DescryEngine *self,
           DescryJob    *job)
{
  DESCRY_ENGINE_GET_CLASS (self)->start (self, job);
}

static void
relay_cancel_cb (GCancellable *cancellable,
                 gpointer      inner)
{
  g_cancellable_cancel (inner);
}

void
descry_engine_analyze_async (DescryEngine       *self,
                             DescryImage        *image,
                             const char         *file,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            data)
{
  DescryEnginePrivate *priv;
  DescryJob *job;

  g_return_if_fail (DESCRY_IS_ENGINE (self));
  g_return_if_fail (image != NULL);

  priv = descry_engine_get_instance_private (self);
  if (priv->analysis != NULL)
    g_cancellable_cancel (priv->analysis);
  g_clear_object (&priv->analysis);
  priv->analysis = g_cancellable_new ();
  if (cancellable != NULL)
    g_cancellable_connect (cancellable, G_CALLBACK (relay_cancel_cb), g_object_ref (priv->analysis), g_object_unref);

  job = make_job (self, DESCRY_JOB_ANALYZE, descry_engine_analyze_async, image, NULL, priv->analysis, callback, data);
  job->scene = descry_scene_new (image->width, image->height);
  job->scene->file = g_strdup (file);
  g_set_object (&job->caller, cancellable);
  start_job (self, job);
}

void
descry_engine_segment_async (DescryEngine       *self,
                             DescryImage        *image,
                             DescryScene        *scene,
                             DescryBox           box,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            data)
{
  DescryJob *job;

  g_return_if_fail (DESCRY_IS_ENGINE (self));
  g_return_if_fail (image != NULL);
  g_return_if_fail (scene != NULL);

  job = make_job (self, DESCRY_JOB_SEGMENT, descry_engine_segment_async, image, scene, cancellable, callback, data);
  job->box = box;
  start_job (self, job);
}

void
descry_engine_mask_async (DescryEngine       *self,
                          DescryImage        *image,
                          DescryScene        *scene,
                          guint               object,
                          GCancellable       *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer            data)
{
  DescryJob *job;

  g_return_if_fail (DESCRY_IS_ENGINE (self));
  g_return_if_fail (image != NULL);
  g_return_if_fail (scene != NULL);

  job = make_job (self, DESCRY_JOB_MASK, descry_engine_mask_async, image, scene, cancellable, callback, data);
  job->object = object;
  start_job (self, job);
}

void
descry_engine_points_async (DescryEngine       *self,
                            DescryImage        *image,
                            DescryScene        *scene,
                            guint               object,
                            const DescryPoint  *points,
                            guint               n_points,
                            guint               candidate,
                            GCancellable       *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer            data)
{
  DescryEnginePrivate *priv;
  gboolean promptable;
  DescryJob *job;

  g_return_if_fail (DESCRY_IS_ENGINE (self));
  g_return_if_fail (image != NULL);
  g_return_if_fail (scene != NULL);
  g_return_if_fail (n_points > 0);

  priv = descry_engine_get_instance_private (self);
  g_mutex_lock (&priv->lock);
  promptable = priv->status->promptable_segmenter;
  g_mutex_unlock (&priv->lock);
  if (!promptable)
    {
      g_task_report_new_error (self, callback, data, descry_engine_points_async, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING,
                               "the segmenter takes no points");
      return;
    }

  job = make_job (self, DESCRY_JOB_POINTS, descry_engine_points_async, image, scene, cancellable, callback, data);
  job->object = object;
  job->points = g_array_new (FALSE, FALSE, sizeof (DescryPoint));
  g_array_append_vals (job->points, points, n_points);
  job->candidate = candidate;
  start_job (self, job);
}

static DescryJob *
make_question (DescryEngine           *self,
               DescryImage            *image,
               DescryScene            *scene,
               GPtrArray              *history,
               const char             *question,
               const guint            *chips,
               guint                   n_chips,
               const DescryAskOptions *options,
               GCancellable           *cancellable,
               GAsyncReadyCallback     callback,
               gpointer                data)
{
  DescryJob *job = make_job (self, DESCRY_JOB_ASK, descry_engine_ask_async, image, scene, cancellable, callback, data);
  guint i;

  job->question = g_utf8_make_valid (question, -1);
  if (n_chips > 0)
    g_array_append_vals (job->chips, chips, n_chips);
  job->history = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_turn_unref);
  for (i = 0; history != NULL && i < history->len; i++)
    g_ptr_array_add (job->history, descry_turn_ref (g_ptr_array_index (history, i)));
  if (options != NULL)
    job->options = *options;

  return job;
}

void
descry_engine_ask_async (DescryEngine           *self,
                         DescryImage            *image,
                         DescryScene            *scene,
                         GPtrArray              *history,
                         const char             *question,
                         const guint            *chips,
                         guint                   n_chips,
                         const DescryAskOptions *options,
                         GCancellable           *cancellable,
                         GAsyncReadyCallback     callback,
                         gpointer                data)
{
  g_return_if_fail (DESCRY_IS_ENGINE (self));
  g_return_if_fail (question != NULL);

  start_job (self, make_question (self, image, scene, history, question, chips, n_chips, options, cancellable, callback, data));
}

void
descry_engine_resume_async (DescryEngine           *self,
                            DescryImage            *image,
                            DescryScene            *scene,
                            GPtrArray              *history,
                            DescryTurn             *stopped,
                            const DescryAskOptions *options,
                            GCancellable           *cancellable,
                            GAsyncReadyCallback     callback,
                            gpointer                data)
{
  DescryJob *job;

  g_return_if_fail (DESCRY_IS_ENGINE (self));
  g_return_if_fail (stopped != NULL && stopped->answer != NULL);

  job = make_question (self, image, scene, history, stopped->question, (const guint *) stopped->chips->data, stopped->chips->len, options,
                       cancellable, callback, data);
  job->begun = g_strdup (stopped->answer);
  start_job (self, job);
}

static gpointer
finish_job (DescryEngine *self,
            GAsyncResult *result,
            gpointer      tag,
            GError      **error)
{
  g_return_val_if_fail (DESCRY_IS_ENGINE (self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, tag), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

DescryScene *
descry_engine_analyze_finish (DescryEngine *self,
                              GAsyncResult *result,
                              GError      **error)
{
  return finish_job (self, result, descry_engine_analyze_async, error);
}

DescryScene *
descry_engine_segment_finish (DescryEngine *self,
                              GAsyncResult *result,
                              GError      **error)
{
  return finish_job (self, result, descry_engine_segment_async, error);
}

DescryScene *
descry_engine_mask_finish (DescryEngine *self,
                           GAsyncResult *result,
                           GError      **error)
{
  return finish_job (self, result, descry_engine_mask_async, error);
}

DescryScene *
descry_engine_points_finish (DescryEngine *self,
                           GAsyncResult *result,
                           GError      **error)
{
  return finish_job (self, result, descry_engine_points_async, error);
}

DescryTurn *
descry_engine_ask_finish (DescryEngine *self,
                          GAsyncResult *result,
                          GError      **error)
{
  return finish_job (self, result, descry_engine_ask_async, error);
}

void
descry_engine_reload (DescryEngine *self,
                      const char   *device)
{
  g_return_if_fail (DESCRY_IS_ENGINE (self));

  if (DESCRY_ENGINE_GET_CLASS (self)->reload != NULL)
    DESCRY_ENGINE_GET_CLASS (self)->reload (self, device);
}

void
descry_engine_place_language (DescryEngine *self,
                              const char   *device)
{
  g_return_if_fail (DESCRY_IS_ENGINE (self) && device != NULL);

  if (DESCRY_ENGINE_GET_CLASS (self)->place_language != NULL)
    DESCRY_ENGINE_GET_CLASS (self)->place_language (self, device);
}

void
descry_engine_unload (DescryEngine *self)
{
  g_return_if_fail (DESCRY_IS_ENGINE (self));

  if (DESCRY_ENGINE_GET_CLASS (self)->unload != NULL)
    DESCRY_ENGINE_GET_CLASS (self)->unload (self);
}

void
descry_engine_set_idle (DescryEngine *self,
                        guint         seconds)
{
  g_return_if_fail (DESCRY_IS_ENGINE (self));

  if (DESCRY_ENGINE_GET_CLASS (self)->set_idle != NULL)
    DESCRY_ENGINE_GET_CLASS (self)->set_idle (self, seconds);
}

static void
descry_engine_dispose (GObject *object)
{
  DescryEnginePrivate *priv = descry_engine_get_instance_private (DESCRY_ENGINE (object));

  if (priv->analysis != NULL)
    g_cancellable_cancel (priv->analysis);
  g_clear_object (&priv->analysis);

  G_OBJECT_CLASS (descry_engine_parent_class)->dispose (object);
}

static void
descry_engine_finalize (GObject *object)
{
  DescryEnginePrivate *priv = descry_engine_get_instance_private (DESCRY_ENGINE (object));

  g_clear_pointer (&priv->status, descry_engine_status_free);
  g_clear_pointer (&priv->context, g_main_context_unref);
  g_mutex_clear (&priv->lock);

  G_OBJECT_CLASS (descry_engine_parent_class)->finalize (object);
}

static void
descry_engine_class_init (DescryEngineClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = descry_engine_dispose;
  object_class->finalize = descry_engine_finalize;

  signals[SIGNAL_STAGE] = g_signal_new ("stage", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 4, G_TYPE_STRING, G_TYPE_DOUBLE, G_TYPE_STRING, G_TYPE_CANCELLABLE);
  signals[SIGNAL_SCENE] = g_signal_new ("scene", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_CANCELLABLE);
  signals[SIGNAL_TEXT] = g_signal_new ("text", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                       G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_CANCELLABLE);
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 0);
}

static void
descry_engine_init (DescryEngine *self)
{
  DescryEnginePrivate *priv = descry_engine_get_instance_private (self);

  priv->context = g_main_context_ref_thread_default ();
  g_mutex_init (&priv->lock);
  priv->status = g_new0 (DescryEngineStatus, 1);
}
