/* engine.c - tasks and events of engines: the right thread, the right order, nothing lost
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include <string.h>

#include <glib/gstdio.h>

#include "compute/lyrics/engine.h"

/* An engine that answers from a thread of its own, as told. */
#define TEST_TYPE_ENGINE (test_engine_get_type ())
G_DECLARE_FINAL_TYPE (TestEngine, test_engine, TEST, ENGINE, DescryEngine)

struct _TestEngine
{
  DescryEngine parent_instance;
  DescryJob   *held; /* an analysis that waits to be cancelled */
  GThread     *work; /* it holds the engine until it ends */
};

G_DEFINE_TYPE (TestEngine, test_engine, DESCRY_TYPE_ENGINE)

static gpointer
work_thread (gpointer data)
{
  DescryJob *job = data;
  g_autoptr (DescryEngine) engine = g_object_ref (g_task_get_source_object (job->task));
  DescryTurn *turn;
  guint i;

  if (job->kind != DESCRY_JOB_ASK)
    {
      descry_engine_emit_scene (engine, job->caller, job->scene);
      g_task_return_pointer (job->task, descry_scene_ref (job->scene), (GDestroyNotify) descry_scene_unref);
      return NULL;
    }

  descry_engine_emit_stage (engine, job->caller, "prompt", 0.5, "60/120");
  for (i = 0; i < 1000; i++)
    descry_engine_emit_text (engine, job->caller, i % 2 == 0 ? "ä" : "b");
  turn = descry_turn_new (job->question);
  g_task_return_pointer (job->task, turn, (GDestroyNotify) descry_turn_unref);
  return NULL;
}

static void
test_engine_start (DescryEngine *engine,
                   DescryJob    *job)
{
  TestEngine *self = TEST_ENGINE (engine);

  if (job->kind == DESCRY_JOB_ANALYZE && self->held == NULL)
    self->held = job;
  else
    self->work = g_thread_new ("work", work_thread, job);
}

static void
test_engine_class_init (TestEngineClass *klass)
{
  DESCRY_ENGINE_CLASS (klass)->start = test_engine_start;
}

static void
test_engine_init (TestEngine *self)
{
}

typedef struct
{
  GThread      *thread;
  GMainLoop    *loop;
  GString      *text;
  GAsyncResult *result;
  GCancellable *job; /* what is asked with */
  guint         stages, scenes, changes;
} Watch;

static void
stage_cb (DescryEngine *engine,
          const char   *stage,
          double        fraction,
          const char   *detail,
          GCancellable *job,
          Watch        *watch)
{
  g_assert_true (g_thread_self () == watch->thread);
  g_assert_cmpstr (stage, ==, "prompt");
  g_assert_cmpstr (detail, ==, "60/120");
  g_assert_cmpfloat (fraction, ==, 0.5);
  g_assert_true (job == watch->job);
  g_assert_cmpuint (watch->text->len, ==, 0); /* it came before the text */
  watch->stages++;
}

static void
scene_cb (DescryEngine *engine,
          gpointer      scene,
          GCancellable *job,
          Watch        *watch)
{
  g_assert_true (g_thread_self () == watch->thread);
  g_assert_nonnull (scene);
  g_assert_null (watch->result);
  watch->scenes++;
}

static void
text_cb (DescryEngine *engine,
         const char   *text,
         GCancellable *job,
         Watch        *watch)
{
  g_assert_true (g_thread_self () == watch->thread);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_null (watch->result); /* the answer never overtakes its text */
  g_string_append (watch->text, text);
}

static void
changed_cb (DescryEngine *engine,
            Watch        *watch)
{
  g_assert_true (g_thread_self () == watch->thread);
  watch->changes++;
}

static void
done_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      data)
{
  Watch *watch = data;

  g_assert_true (g_thread_self () == watch->thread);
  watch->result = g_object_ref (result);
  g_main_loop_quit (watch->loop);
}

static DescryEngine *
make_engine (Watch *watch)
{
  DescryEngine *engine = g_object_new (TEST_TYPE_ENGINE, NULL);

  watch->thread = g_thread_self ();
  watch->loop = g_main_loop_new (NULL, FALSE);
  watch->text = g_string_new (NULL);
  g_signal_connect (engine, "stage", G_CALLBACK (stage_cb), watch);
  g_signal_connect (engine, "scene", G_CALLBACK (scene_cb), watch);
  g_signal_connect (engine, "text", G_CALLBACK (text_cb), watch);
  g_signal_connect (engine, "changed", G_CALLBACK (changed_cb), watch);

  return engine;
}

static void
clear_watch (Watch        *watch,
             DescryEngine *engine)
{
  GWeakRef weak;
  DescryEngine *left;

  g_clear_pointer (&TEST_ENGINE (engine)->work, g_thread_join);
  g_clear_object (&watch->result);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_weak_ref_init (&weak, engine);
  g_object_unref (engine);
  left = g_weak_ref_get (&weak);
  g_assert_null (left);
  g_weak_ref_clear (&weak);
  g_main_loop_unref (watch->loop);
  g_string_free (watch->text, TRUE);
}

static void
test_ask (void)
{
  Watch watch = { 0 };
  DescryEngine *engine = make_engine (&watch);
  const guint chips[] = { 3, 1 };
  DescryTurn *turn;
  g_autoptr (GError) error = NULL;

  descry_engine_ask_async (engine, NULL, NULL, NULL, "Why \xff?", chips, 2, NULL, NULL, done_cb, &watch);
  g_main_loop_run (watch.loop);
  turn = descry_engine_ask_finish (engine, watch.result, &error);
  g_assert_no_error (error);
  g_assert_true (g_utf8_validate (turn->question, -1, NULL));
  g_assert_cmpuint (watch.stages, ==, 1);
  g_assert_cmpuint (watch.text->len, ==, 1500);
  g_assert_true (g_str_has_prefix (watch.text->str, "äbäb"));
  descry_turn_unref (turn);
  clear_watch (&watch, engine);
}

/* A stage names the work it belongs to, so that a late one can be told from those of the next. */
static void
test_stage (void)
{
  Watch watch = { 0 };
  DescryEngine *engine = make_engine (&watch);
  g_autoptr (GCancellable) first = g_cancellable_new (), second = g_cancellable_new ();

  watch.job = first;
  descry_engine_ask_async (engine, NULL, NULL, NULL, "One?", NULL, 0, NULL, first, done_cb, &watch);
  g_main_loop_run (watch.loop);
  g_assert_cmpuint (watch.stages, ==, 1);
  g_clear_pointer (&TEST_ENGINE (engine)->work, g_thread_join);
  g_clear_object (&watch.result);
  g_string_truncate (watch.text, 0);

  watch.job = second;
  descry_engine_ask_async (engine, NULL, NULL, NULL, "Two?", NULL, 0, NULL, second, done_cb, &watch);
  g_main_loop_run (watch.loop);
  g_assert_cmpuint (watch.stages, ==, 2);
  clear_watch (&watch, engine);
}

static void
test_analyses (void)
{
  Watch watch = { 0 };
  DescryEngine *engine = make_engine (&watch);
  g_autoptr (DescryImage) image = descry_image_new (4, 3, NULL);
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Watch first = { .thread = g_thread_self (), .loop = watch.loop };
  DescryJob *held;

  descry_engine_analyze_async (engine, image, "a.jpg", cancellable, done_cb, &first);
  held = TEST_ENGINE (engine)->held;
  g_assert_cmpuint (held->scene->width, ==, 4);
  g_assert_cmpstr (held->scene->file, ==, "a.jpg");
  g_assert_false (g_cancellable_is_cancelled (g_task_get_cancellable (held->task)));

  /* The next one cancels it, not the caller's own cancellable. */
  descry_engine_analyze_async (engine, image, "b.jpg", NULL, done_cb, &watch);
  g_assert_true (g_cancellable_is_cancelled (g_task_get_cancellable (held->task)));
  g_assert_false (g_cancellable_is_cancelled (cancellable));
  g_main_loop_run (watch.loop);
  scene = descry_engine_analyze_finish (engine, watch.result, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (scene->file, ==, "b.jpg");
  g_assert_cmpuint (watch.scenes, ==, 1);

  g_assert_true (g_task_return_error_if_cancelled (held->task));
  g_main_loop_run (watch.loop);
  g_assert_null (descry_engine_analyze_finish (engine, first.result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_object (&first.result);
  clear_watch (&watch, engine);
}

static void
test_cancel (void)
{
  Watch watch = { 0 };
  DescryEngine *engine = make_engine (&watch);
  g_autoptr (DescryImage) image = descry_image_new (4, 3, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  DescryJob *held;

  descry_engine_analyze_async (engine, image, NULL, cancellable, done_cb, &watch);
  held = TEST_ENGINE (engine)->held;
  g_cancellable_cancel (cancellable);
  g_assert_true (g_task_return_error_if_cancelled (held->task));
  g_main_loop_run (watch.loop);
  g_assert_null (descry_engine_analyze_finish (engine, watch.result, NULL));
  clear_watch (&watch, engine);
}

static void
test_status (void)
{
  Watch watch = { 0 };
  DescryEngine *engine = make_engine (&watch);
  DescryEngineStatus *status = descry_engine_status (engine);

  g_assert_false (status->ready);
  status->ready = TRUE;
  status->slots[DESCRY_SLOT_LLM].title = g_strdup ("small");
  descry_engine_set_status (engine, status);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (watch.changes, ==, 1);
  status = descry_engine_status (engine);
  g_assert_true (status->ready);
  g_assert_cmpstr (status->slots[DESCRY_SLOT_LLM].title, ==, "small");
  descry_engine_status_free (status);
  clear_watch (&watch, engine);
}

/* No device or no bundle: the engine says so, stays, and answers each job with an error. */
static void
test_local_without_bundle (void)
{
  DescryEngine *engine = descry_local_engine_new ("no-such-bundle", NULL);
  g_autoptr (DescryImage) image = descry_image_new (4, 3, NULL);
  DescryEngineStatus *status;
  guint i;

  for (i = 0; i < 2; i++)
    {
      Watch watch = { .thread = g_thread_self (), .loop = g_main_loop_new (NULL, FALSE) };
      g_autoptr (GError) error = NULL;

      descry_engine_analyze_async (engine, image, NULL, NULL, done_cb, &watch);
      g_main_loop_run (watch.loop);
      g_assert_null (descry_engine_analyze_finish (engine, watch.result, &error));
      g_assert_nonnull (error);
      g_assert_cmpuint (error->domain, ==, DESCRY_ERROR);
      g_object_unref (watch.result);
      g_main_loop_unref (watch.loop);
    }
  status = descry_engine_status (engine);
  g_assert_false (status->ready);
  g_assert_nonnull (status->slots[DESCRY_SLOT_LLM].reason);
  descry_engine_status_free (status);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (engine);
}

static void
write_bundle (const char *folder,
              const char *reason)
{
  g_autofree char *path = g_build_filename (folder, "bundle.json", NULL);
  g_autofree char *text = g_strdup_printf ("{\"descry\": 1, \"slots\": {}, \"missing\": {\"llm\": \"%s\"}}", reason);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
changed_loop_cb (DescryEngine *engine,
                 GMainLoop    *loop)
{
  g_main_loop_quit (loop);
}

/* Another bundle and another device, with no job that asks for them. */
static void
test_reload (void)
{
  g_autofree char *folder = g_dir_make_tmp ("descry-reload-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (folder, "bundle.json", NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  static const struct { const char *reason, *device; gboolean opens; } steps[] = {
    { "first", NULL, TRUE },
    { "second", NULL, TRUE },
    { "third", "no device has such a name", FALSE },
    { "fourth", NULL, FALSE }, /* the selector stays */
    { "fifth", "Platform\tGone\t1.0", TRUE }, /* remembered, gone: the library chooses */
    { "sixth", "", TRUE },
  };
  DescryEngine *engine;
  guint i;

  write_bundle (folder, steps[0].reason);
  engine = descry_local_engine_new (folder, NULL);
  g_signal_connect (engine, "changed", G_CALLBACK (changed_loop_cb), loop);
  for (i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      DescryEngineStatus *status;

      write_bundle (folder, steps[i].reason);
      if (i > 0)
        descry_engine_reload (engine, steps[i].device);
      g_main_loop_run (loop);
      status = descry_engine_status (engine);
      if (i == 0 && status->device == NULL)
        {
          g_test_skip ("there is no OpenCL device");
          descry_engine_status_free (status);
          break;
        }
      g_assert_cmpstr (status->slots[DESCRY_SLOT_LLM].reason, ==, steps[i].reason);
      g_assert_true (status->ready == steps[i].opens);
      g_assert_true ((status->device_error == NULL) == steps[i].opens);
      descry_engine_status_free (status);
    }

  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (engine);
  g_unlink (file);
  g_rmdir (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/engine/ask", test_ask);
  g_test_add_func ("/engine/stage", test_stage);
  g_test_add_func ("/engine/analyses", test_analyses);
  g_test_add_func ("/engine/cancel", test_cancel);
  g_test_add_func ("/engine/status", test_status);
  g_test_add_func ("/engine/local-without-bundle", test_local_without_bundle);
  g_test_add_func ("/engine/reload", test_reload);

  return g_test_run ();
}
