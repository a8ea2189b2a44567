/* engine.c - the local engine on real networks: steps in order, urgent work first, stopping keeps the text
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "compute/lyrics/engine.h"
#include "tests/flow/flow.h"

typedef struct
{
  DescryEngine *engine;
  DescryImage  *image;
  GMainLoop    *loop;
  GCancellable *cancellable;

  DescryScene  *scene; /* the newest */
  DescryScene  *answer; /* of the job that was waited for */
  DescryScene  *early; /* the mask that jumped the queue */
  guint         wanted; /* its object */
  gboolean      tags_first;
  gboolean      analyzed;
  guint         masks_at_early; /* in the scene before it */
  GString      *text;
  GAsyncResult *result;
} World;

static guint
count_masks (DescryScene *scene)
{
  guint i, n = 0;

  for (i = 0; i < scene->objects->len; i++)
    n += ((DescryObject *) g_ptr_array_index (scene->objects, i))->mask != NULL;

  return n;
}

static void
early_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      data)
{
  World *world = data;
  g_autoptr (GError) error = NULL;

  world->early = descry_engine_mask_finish (DESCRY_ENGINE (source), result, &error);
  g_assert_no_error (error);
  g_assert_false (world->analyzed);
}

static void
scene_cb (DescryEngine *engine,
          gpointer      scene,
          GCancellable *job,
          gpointer      data)
{
  World *world = data;
  DescryScene *newest = scene;
  guint i;

  /* Ids and names stay as they were. */
  for (i = 0; world->scene != NULL && i < world->scene->objects->len; i++)
    {
      const DescryObject *old = g_ptr_array_index (world->scene->objects, i);
      const DescryObject *now = descry_scene_find (newest, old->id);

      if (now != NULL)
        {
          g_assert_cmpstr (now->name, ==, old->name);
          g_assert_cmpfloat (now->box.x0, ==, old->box.x0);
        }
    }
  if (newest->objects->len == 0 && newest->tags->len > 0)
    world->tags_first = TRUE;

  /* The worse of the two asks for its mask before the better one has got its own. */
  if (world->wanted == 0 && newest->objects->len >= 2)
    {
      world->wanted = ((DescryObject *) g_ptr_array_index (newest->objects, 1))->id;
      world->masks_at_early = count_masks (newest);
      descry_engine_mask_async (engine, world->image, newest, world->wanted, NULL, early_cb, world);
    }

  g_clear_pointer (&world->scene, descry_scene_unref);
  world->scene = descry_scene_ref (newest);
}

static void
text_cb (DescryEngine *engine,
         const char   *text,
         GCancellable *job,
         gpointer      data)
{
  World *world = data;

  g_string_append (world->text, text);
  if (world->cancellable != NULL)
    g_cancellable_cancel (world->cancellable);
}

static void
result_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  World *world = data;

  world->analyzed = TRUE;
  g_set_object (&world->result, result);
  g_main_loop_quit (world->loop);
}

static DescryScene *
segment (World    *world,
         DescryBox box,
         GError  **error)
{
  descry_engine_segment_async (world->engine, world->image, world->answer, box, NULL, result_cb, world);
  g_main_loop_run (world->loop);

  return descry_engine_segment_finish (world->engine, world->result, error);
}

static DescryObject *
find_source (DescryScene *scene,
             DescrySource source)
{
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    if (((DescryObject *) g_ptr_array_index (scene->objects, i))->source == source)
      return g_ptr_array_index (scene->objects, i);

  return NULL;
}

static void
test_regions (World *world)
{
  g_autoptr (DescryScene) click = NULL, drag = NULL, outside = NULL;
  g_autoptr (GError) error = NULL;
  DescryObject *object;

  /* The player's chest. */
  click = segment (world, (DescryBox) { 235, 175, 235, 175 }, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (click->objects->len, ==, world->answer->objects->len + 1);
  object = descry_scene_hit (click, 235, 175, 0.0f);
  g_assert_nonnull (object->mask);
  object = find_source (click, DESCRY_SOURCE_CLICK);
  g_assert_nonnull (object);
  g_assert_null (descry_scene_find (world->answer, object->id));
  g_assert_true (descry_mask_hit (object->mask, 235, 175));
  g_assert_cmpuint (object->n_feature, ==, 1280);
  g_assert_cmpfloat (object->score, >=, 0.5f);

  /* Round the ball. */
  drag = segment (world, (DescryBox) { 330, 280, 395, 342 }, &error);
  g_assert_no_error (error);
  object = find_source (drag, DESCRY_SOURCE_DRAG);
  g_assert_nonnull (object);
  g_assert_true (descry_mask_hit (object->mask, 362, 313));
  g_assert_cmpfloat (object->box.x0, ==, 330.0f);

  outside = segment (world, (DescryBox) { 5000, 10, 5000, 10 }, &error);
  g_assert_null (outside);
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
}

static void
test_answers (World *world)
{
  const DescryAskOptions options = { .max_tokens = 60 }, without = { .max_tokens = 60, .no_connector = TRUE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  DescryTurn *turn;

  world->cancellable = cancellable;
  descry_engine_ask_async (world->engine, world->image, world->answer, NULL, "Tell a long story about the photo.", NULL, 0, &options,
                           cancellable, result_cb, world);
  g_main_loop_run (world->loop);
  turn = descry_engine_ask_finish (world->engine, world->result, &error);
  g_assert_no_error (error);
  g_assert_true (turn->stopped);
  g_assert_cmpuint (strlen (turn->answer), >, 0);
  g_assert_cmpuint (turn->answer_tokens, <, 60);
  g_assert_cmpstr (turn->answer, ==, world->text->str);
  descry_turn_unref (turn);

  /* The engine goes on, and the streamed text is the answer. */
  world->cancellable = NULL;
  g_string_truncate (world->text, 0);
  descry_engine_ask_async (world->engine, world->image, world->answer, NULL, "How many balls are there?", NULL, 0, &options, NULL, result_cb, world);
  g_main_loop_run (world->loop);
  turn = descry_engine_ask_finish (world->engine, world->result, &error);
  g_assert_no_error (error);
  g_assert_false (turn->stopped);
  g_assert_cmpstr (turn->answer, ==, world->text->str);
  g_assert_cmpuint (turn->evidence->len, ==, 2);
  /* Eight for the picture, three for each object that is told. */
  g_assert_cmpuint (turn->soft_tokens, >, 8);
  g_assert_cmpuint ((turn->soft_tokens - 8) % 3, ==, 0);
  descry_turn_unref (turn);

  /* The connector can be left out. */
  g_string_truncate (world->text, 0);
  descry_engine_ask_async (world->engine, world->image, world->answer, NULL, "How many balls are there?", NULL, 0, &without, NULL, result_cb, world);
  g_main_loop_run (world->loop);
  turn = descry_engine_ask_finish (world->engine, world->result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (turn->soft_tokens, ==, 0);
  descry_turn_unref (turn);

  descry_engine_ask_async (world->engine, world->image, world->answer, NULL, " \n", NULL, 0, NULL, NULL, result_cb, world);
  g_main_loop_run (world->loop);
  g_assert_null (descry_engine_ask_finish (world->engine, world->result, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
}

static void
test_engine (void)
{
  g_autofree char *bundle = find_bundle (), *photo = bundle != NULL ? find_photo ("messi5.jpg") : NULL;
  World world = { 0 };
  g_autoptr (GError) error = NULL;
  DescryEngineStatus *status;

  if (photo == NULL)
    return;

  world.image = descry_image_load (photo, NULL, &error);
  g_assert_no_error (error);
  world.loop = g_main_loop_new (NULL, FALSE);
  world.text = g_string_new (NULL);
  world.engine = descry_local_engine_new (bundle, NULL);
  g_signal_connect (world.engine, "scene", G_CALLBACK (scene_cb), &world);
  g_signal_connect (world.engine, "text", G_CALLBACK (text_cb), &world);

  descry_engine_analyze_async (world.engine, world.image, "messi5.jpg", NULL, result_cb, &world);
  g_main_loop_run (world.loop);
  world.answer = descry_engine_analyze_finish (world.engine, world.result, &error);
  if (g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE))
    {
      g_test_skip (error->message);
      return;
    }
  g_assert_no_error (error);
  g_assert_true (world.tags_first);
  g_assert_nonnull (world.early);
  g_assert_cmpuint (world.masks_at_early, ==, 0);
  g_assert_nonnull (descry_scene_find (world.early, world.wanted)->mask);
  g_assert_cmpuint (count_masks (world.early), ==, 1); /* nobody was served before */
  g_assert_cmpuint (count_masks (world.answer), ==, 2);

  status = descry_engine_status (world.engine);
  g_assert_true (status->ready);
  g_assert_true (status->slots[DESCRY_SLOT_DETECTOR].usable);
  g_assert_true (status->slots[DESCRY_SLOT_CONNECTOR].usable);
  g_assert_false (status->promptable_segmenter);
  descry_engine_status_free (status);

  test_answers (&world);
  test_regions (&world);

  g_clear_object (&world.result);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (world.engine);
  g_clear_pointer (&world.scene, descry_scene_unref);
  g_clear_pointer (&world.early, descry_scene_unref);
  g_clear_pointer (&world.answer, descry_scene_unref);
  g_clear_pointer (&world.image, descry_image_unref);
  g_string_free (world.text, TRUE);
  g_main_loop_unref (world.loop);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/closed-loop", test_engine);

  return g_test_run ();
}
