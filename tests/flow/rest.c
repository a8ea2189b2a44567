/* rest.c - what an engine keeps in memory: networks go when they rest, adapters serve pictures only, and the
 * generation settings reach the language model
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "compute/lyrics/engine.h"
#include "compute/memory.h"
#include "tests/flow/flow.h"

#define QUESTION "What is the capital of France?"

typedef struct
{
  DescryEngine *engine;
  DescryImage  *image;
  DescryScene  *scene;
  GAsyncResult *result;
} World;

static void
result_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_set_object (&((World *) data)->result, result);
}

static DescryTurn *
ask (World                  *world,
     gboolean                picture,
     const char             *question,
     const DescryAskOptions *options)
{
  g_autoptr (GError) error = NULL;
  DescryTurn *turn;

  g_clear_object (&world->result);
  descry_engine_ask_async (world->engine, picture ? world->image : NULL, picture ? world->scene : NULL, NULL, question, NULL, 0, options, NULL,
                           result_cb, world);
  while (world->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  turn = descry_engine_ask_finish (world->engine, world->result, &error);
  if (g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE))
    {
      g_test_skip (error->message);
      return NULL;
    }
  g_assert_no_error (error);

  return turn;
}

static DescryEngineStatus *
wait_for_rest (World *world,
               guint  seconds)
{
  gint64 end = g_get_monotonic_time () + seconds * G_TIME_SPAN_SECOND;
  DescryEngineStatus *status = descry_engine_status (world->engine);

  while (status->loaded && g_get_monotonic_time () < end)
    {
      descry_engine_status_free (status);
      g_main_context_iteration (NULL, FALSE);
      g_usleep (20000);
      status = descry_engine_status (world->engine);
    }
  g_assert_false (status->loaded);

  return status;
}

static guint64
count_bytes (World *world)
{
  DescryEngineStatus *copy = descry_engine_status (world->engine);
  guint64 bytes = copy->device_bytes;

  g_assert_true (copy->loaded);
  descry_engine_status_free (copy);
  return bytes;
}

/* An answer that was stopped goes on to the same end as one that was not. */
static void
check_resume (World *world)
{
  DescryAskOptions options = { .max_tokens = 30 };
  g_autoptr (DescryTurn) whole = ask (world, FALSE, QUESTION, &options);
  g_autoptr (DescryTurn) part = NULL, rest = NULL;
  g_autoptr (GError) error = NULL;

  options.max_tokens = 7;
  part = ask (world, FALSE, QUESTION, &options);
  g_assert_true (g_str_has_prefix (whole->answer, part->answer));
  g_assert_cmpuint (strlen (part->answer), <, strlen (whole->answer));
  options.max_tokens = 23;
  g_clear_object (&world->result);
  descry_engine_resume_async (world->engine, NULL, NULL, NULL, part, &options, NULL, result_cb, world);
  while (world->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  rest = descry_engine_ask_finish (world->engine, world->result, &error);
  g_assert_no_error (error);
  g_test_message ("“%s” goes on to “%s”", part->answer, rest->answer);
  g_assert_cmpstr (rest->answer, ==, whole->answer);
  g_assert_cmpuint (rest->answer_tokens, <=, 23);
}

/* Merged adapters make the weights wider: the bytes tell which model is loaded. */
static void
check_adapter (World *world)
{
  const DescryAskOptions without = { .max_tokens = 8, .no_lora = TRUE };
  const DescryAskOptions options = { .max_tokens = 8 };
  g_autoptr (DescryTurn) plain = ask (world, FALSE, QUESTION, &options);
  guint64 plain_bytes, picture_bytes, without_bytes;
  g_autoptr (DescryTurn) same = NULL, picture = NULL, published = NULL;

  plain_bytes = count_bytes (world);
  same = ask (world, FALSE, QUESTION, &without);
  g_assert_cmpstr (plain->answer, ==, same->answer);
  g_assert_cmpuint (count_bytes (world), ==, plain_bytes);

  picture = ask (world, TRUE, "How many cups are there?", &options);
  picture_bytes = count_bytes (world);
  published = ask (world, TRUE, "How many cups are there?", &without);
  without_bytes = count_bytes (world);
  g_test_message ("device memory: %" G_GUINT64_FORMAT " bytes without adapters, %" G_GUINT64_FORMAT " with", without_bytes, picture_bytes);
  g_assert_cmpuint (picture_bytes, >, without_bytes);
  g_assert_cmpuint (strlen (picture->answer), >, 0);
}

static void
check_options (World *world)
{
  DescryAskOptions options = { .max_tokens = 24 };
  g_autoptr (DescryTurn) greedy = ask (world, FALSE, QUESTION, &options);
  g_autoptr (DescryTurn) nucleus = NULL, wild = NULL, again = NULL, other = NULL, small = NULL;

  /* So hot that nothing sensible comes; but with the smallest nucleus only the likeliest token is left. */
  options.temperature = 5.0f;
  options.seed = 11;
  wild = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpstr (wild->answer, !=, greedy->answer);
  again = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpstr (wild->answer, ==, again->answer);
  options.seed = 12;
  other = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpstr (wild->answer, !=, other->answer);
  options.top_p = 1e-6f;
  nucleus = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpstr (nucleus->answer, ==, greedy->answer);

  options.max_tokens = 3;
  small = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpuint (small->answer_tokens, ==, 3);
}

static void
check_rest (World *world)
{
  const DescryAskOptions options = { .max_tokens = 8 };
  g_autoptr (DescryTurn) before = ask (world, FALSE, QUESTION, &options);
  g_autoptr (DescryTurn) after = NULL, third = NULL;
  guint64 loaded = count_bytes (world);
  DescryEngineStatus *status;

  descry_engine_unload (world->engine);
  status = wait_for_rest (world, 10);
  g_test_message ("device memory: %" G_GUINT64_FORMAT " bytes loaded, %" G_GUINT64_FORMAT " at rest", loaded, status->device_bytes);
  g_assert_cmpuint (status->device_bytes, <, loaded / 50);
  g_assert_true (status->ready); /* the device stays open */
  descry_engine_status_free (status);

  /* It comes back by itself, even if memory is out once in the middle, and goes by itself. */
  descry_memory_fail_at (3);
  after = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpstr (before->answer, ==, after->answer);
  g_assert_cmpuint (descry_memory_calls (), >, 3);
  descry_memory_fail_at (0);
  g_assert_cmpuint (count_bytes (world), >, loaded / 10 * 9); /* the pool may have kept more of longer prompts */
  descry_engine_set_idle (world->engine, 1);
  status = wait_for_rest (world, 20);
  descry_engine_status_free (status);
  third = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpstr (before->answer, ==, third->answer);

  descry_engine_set_idle (world->engine, 0);
  g_usleep (1500000);
  g_assert_cmpuint (count_bytes (world), >, loaded / 10 * 9);
}

/* Two contexts, be it on one and the same device: the answer is the same, and the model really lives in the second. */
static void
check_place (World *world)
{
  const DescryAskOptions options = { .max_tokens = 8 };
  g_autoptr (DescryTurn) before = ask (world, FALSE, QUESTION, &options);
  g_autoptr (DescryTurn) after = NULL, third = NULL;
  DescryEngineStatus *status;

  descry_engine_place_language (world->engine, "0");
  after = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpstr (before->answer, ==, after->answer);
  status = descry_engine_status (world->engine);
  g_assert_nonnull (status->language_device);
  g_assert_null (status->language_error);
  descry_engine_status_free (status);
  g_assert_cmpuint (count_bytes (world), >, 100 << 20);

  /* No such device: it says so and runs where everything does. */
  descry_engine_place_language (world->engine, "no such device");
  third = ask (world, FALSE, QUESTION, &options);
  g_assert_cmpstr (before->answer, ==, third->answer);
  status = descry_engine_status (world->engine);
  g_assert_null (status->language_device);
  g_assert_nonnull (strstr (status->language_error, "no such device"));
  descry_engine_status_free (status);
  descry_engine_place_language (world->engine, "");
}

static void
test_rest (void)
{
  g_autofree char *bundle = find_bundle ();
  World world = { 0 };
  DescryTurn *turn;

  if (bundle == NULL)
    return;

  world.engine = descry_local_engine_new (bundle, NULL);
  world.image = descry_image_new (64, 48, NULL);
  world.scene = descry_scene_new (64, 48);
  turn = ask (&world, FALSE, QUESTION, &(DescryAskOptions) { .max_tokens = 1 });
  if (turn != NULL)
    {
      check_options (&world);
      check_resume (&world);
      check_adapter (&world);
      check_place (&world);
      check_rest (&world);
    }
  g_clear_pointer (&turn, descry_turn_unref);

  g_clear_object (&world.result);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (world.engine);
  descry_scene_unref (world.scene);
  descry_image_unref (world.image);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rest", test_rest);

  return g_test_run ();
}
