/* recorded.c - many jobs at once against the recorded engine: each ends once, in the right thread
 *
 * What the window does to an engine when somebody is in a hurry, without the window: pictures, questions, masks
 * and regrets in any order. Under the thread sanitizer this is the test of the engine's hand-overs.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include "tests/display/recorded-engine.h"

#define JOBS 120

typedef struct
{
  GThread      *thread;
  DescryEngine *engine;
  DescryImage  *image;
  DescryScene  *scene; /* of the newest signal */
  guint         running;
  guint         done[DESCRY_JOB_ASK + 1];
  guint         cancelled;
  guint         failed;
  guint         scenes, pieces, stages;
} World;

typedef struct
{
  World        *world;
  DescryJobKind kind;
  gboolean      ended;
} Call;

static void
scene_cb (DescryEngine *engine,
          DescryScene  *scene,
          GCancellable *job,
          World        *world)
{
  guint i;

  g_assert_true (g_thread_self () == world->thread);
  world->scenes++;
  /* Every part of it is read, as the window would. */
  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      g_assert_cmpuint (strlen (object->name), >, 0);
      if (object->mask != NULL)
        g_assert_cmpuint (object->mask->area, >, 0);
    }
  g_clear_pointer (&world->scene, descry_scene_unref);
  world->scene = descry_scene_ref (scene);
}

static void
text_cb (DescryEngine *engine,
         const char   *text,
         GCancellable *job,
         World        *world)
{
  g_assert_true (g_thread_self () == world->thread);
  g_assert_cmpuint (strlen (text), >, 0);
  world->pieces++;
}

static void
stage_cb (DescryEngine *engine,
          const char   *stage,
          double        fraction,
          const char   *detail,
          GCancellable *job,
          World        *world)
{
  g_assert_true (g_thread_self () == world->thread);
  world->stages++;
}

static void
ended_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      data)
{
  Call *call = data;
  World *world = call->world;
  g_autoptr (GError) error = NULL;
  DescryScene *scene = NULL;
  DescryTurn *turn = NULL;

  g_assert_true (g_thread_self () == world->thread);
  g_assert_false (call->ended);
  call->ended = TRUE;
  switch (call->kind)
    {
    case DESCRY_JOB_ANALYZE:
      scene = descry_engine_analyze_finish (world->engine, result, &error);
      break;
    case DESCRY_JOB_SEGMENT:
      scene = descry_engine_segment_finish (world->engine, result, &error);
      break;
    case DESCRY_JOB_MASK:
      scene = descry_engine_mask_finish (world->engine, result, &error);
      break;
    case DESCRY_JOB_ASK:
      turn = descry_engine_ask_finish (world->engine, result, &error);
      break;
    default:
      g_assert_not_reached ();
    }
  g_assert_true ((scene != NULL || turn != NULL) == (error == NULL));
  if (error == NULL)
    world->done[call->kind]++;
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    world->cancelled++;
  else
    {
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED);
      world->failed++;
    }
  g_clear_pointer (&scene, descry_scene_unref);
  g_clear_pointer (&turn, descry_turn_unref);
  world->running--;
}

static void
start (World        *world,
       Call         *call,
       GRand        *rand,
       GCancellable *cancellable)
{
  const guint chips[] = { 1, 2 };
  const DescryBox box = { 10, 10, 60, 50 };
  DescryAskOptions options = { .threshold = 0.3f };

  call->world = world;
  call->kind = (DescryJobKind) g_rand_int_range (rand, 0, DESCRY_JOB_ASK + 1);
  if (world->scene == NULL)
    call->kind = DESCRY_JOB_ANALYZE;
  world->running++;
  switch (call->kind)
    {
    case DESCRY_JOB_ANALYZE:
      descry_engine_analyze_async (world->engine, world->image, "a.jpg", cancellable, ended_cb, call);
      break;
    case DESCRY_JOB_SEGMENT:
      descry_engine_segment_async (world->engine, world->image, world->scene, box, cancellable, ended_cb, call);
      break;
    case DESCRY_JOB_MASK:
      descry_engine_mask_async (world->engine, world->image, world->scene, (guint) g_rand_int_range (rand, 1, 8), cancellable, ended_cb, call);
      break;
    case DESCRY_JOB_ASK:
      descry_engine_ask_async (world->engine, world->image, world->scene, NULL, "What is on the table?", chips, 2, &options, cancellable, ended_cb, call);
      break;
    default:
      g_assert_not_reached ();
    }
}

static void
test_hurry (void)
{
  World world = { .thread = g_thread_self () };
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (DescryScene) scene = NULL;
  Call calls[JOBS] = { 0 };
  DescryEngineStatus *status;
  guint i, ended = 0;

  world.image = recorded_picture_new (160, 120, 7, &scene);
  world.engine = DESCRY_ENGINE (recorded_engine_new (scene, "There is a cup on the table, and a bowl beside it."));
  recorded_engine_set_pace (RECORDED_ENGINE (world.engine), 0);
  g_signal_connect (world.engine, "scene", G_CALLBACK (scene_cb), &world);
  g_signal_connect (world.engine, "text", G_CALLBACK (text_cb), &world);
  g_signal_connect (world.engine, "stage", G_CALLBACK (stage_cb), &world);

  for (i = 0; i < JOBS; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();

      if (i % 10 == 9)
        recorded_engine_fail_next (RECORDED_ENGINE (world.engine), g_error_new (DESCRY_ERROR, DESCRY_ERROR_FAILED, "as told"));
      start (&world, &calls[i], rand, cancellable);
      if (i % 7 == 3)
        g_cancellable_cancel (cancellable);
      status = descry_engine_status (world.engine);
      g_assert_true (status->ready);
      descry_engine_status_free (status);
      /* A few run side by side; sometimes the loop catches up. */
      while (world.running > (guint) g_rand_int_range (rand, 0, 6))
        g_main_context_iteration (NULL, TRUE);
    }
  while (world.running > 0)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;

  for (i = 0; i < JOBS; i++)
    ended += calls[i].ended;
  g_assert_cmpuint (ended, ==, JOBS);
  g_test_message ("%u jobs: %u analyses, %u segments, %u masks, %u answers, %u cancelled, %u failed; %u scenes, %u pieces of text, %u stages", JOBS,
                  world.done[DESCRY_JOB_ANALYZE], world.done[DESCRY_JOB_SEGMENT], world.done[DESCRY_JOB_MASK], world.done[DESCRY_JOB_ASK],
                  world.cancelled, world.failed, world.scenes, world.pieces, world.stages);
  for (i = 0; i <= DESCRY_JOB_ASK; i++)
    g_assert_cmpuint (world.done[i], >, 0);
  g_assert_cmpuint (world.cancelled, >, 0);
  g_assert_cmpuint (world.failed, >, 0);
  g_assert_cmpuint (world.scenes, >, 0);
  g_assert_cmpuint (world.pieces, >, 0);

  g_clear_pointer (&world.scene, descry_scene_unref);
  descry_image_unref (world.image);
  /* The last working thread lets go of the engine a moment after its answer. */
  g_object_add_weak_pointer (G_OBJECT (world.engine), (gpointer *) &world.engine);
  g_object_unref (world.engine);
  for (i = 0; i < 1000 && g_atomic_pointer_get (&world.engine) != NULL; i++)
    g_usleep (1000);
  g_assert_null (g_atomic_pointer_get (&world.engine));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/recorded/hurry", test_hurry);

  return g_test_run ();
}
