/* scene.c - scenes: overlap, hits, JSON there and back, hostile JSON
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include <math.h>
#include <string.h>

#include "compute/lyrics/json.h"
#include "compute/lyrics/scene.h"

static DescryObject *
add_object (DescryScene *scene,
            guint        id,
            const char  *name,
            float        score,
            DescryBox    box)
{
  DescryObject *object = g_new0 (DescryObject, 1);

  object->id = id;
  object->name = g_strdup (name);
  object->score = score;
  object->box = box;
  g_ptr_array_add (scene->objects, object);

  return object;
}

static void
test_boxes (void)
{
  DescryBox a = { 0, 0, 10, 10 }, b = { 5, 0, 15, 10 }, none = { 5, 5, 5, 9 }, turned = { 9, 9, 1, 1 };

  g_assert_cmpfloat (descry_box_area (a), ==, 100.0);
  g_assert_cmpfloat (descry_box_area (none), ==, 0.0);
  g_assert_cmpfloat (descry_box_area (turned), ==, 0.0);
  g_assert_cmpfloat_with_epsilon (descry_box_iou (a, b), 1.0 / 3.0, 1e-6);
  g_assert_cmpfloat (descry_box_iou (a, a), ==, 1.0);
  g_assert_cmpfloat (descry_box_iou (none, none), ==, 0.0);
}

static void
test_tags (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (10, 10);

  descry_scene_add_tag (scene, "b", 0.5f);
  descry_scene_add_tag (scene, "a", 0.9f);
  descry_scene_add_tag (scene, "c", 0.5f);
  g_assert_cmpstr (((DescryTag *) g_ptr_array_index (scene->tags, 0))->name, ==, "a");
  g_assert_cmpstr (((DescryTag *) g_ptr_array_index (scene->tags, 1))->name, ==, "b");
  g_assert_cmpstr (((DescryTag *) g_ptr_array_index (scene->tags, 2))->name, ==, "c");
}

static void
test_hit (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (100, 100);
  g_autofree guint8 *bits = g_malloc (40 * 40);
  DescryObject *large, *small, *weak;

  memset (bits, 1, 40 * 40);
  large = add_object (scene, 1, "table", 0.9f, (DescryBox) { 0, 0, 80, 80 });
  small = add_object (scene, 2, "cup", 0.8f, (DescryBox) { 30, 30, 50, 50 });
  weak = add_object (scene, 3, "crumb", 0.2f, (DescryBox) { 40, 40, 44, 44 });

  g_assert_true (descry_scene_hit (scene, 42, 42, 0.5f) == small);
  g_assert_true (descry_scene_hit (scene, 42, 42, 0.1f) == weak);
  g_assert_true (descry_scene_hit (scene, 5, 5, 0.5f) == large);
  g_assert_null (descry_scene_hit (scene, 90, 90, 0.5f));
  g_assert_null (descry_scene_hit (scene, -1, 5, 0.5f));
  g_assert_null (descry_scene_hit (scene, 100, 5, 0.5f));
  g_assert_null (descry_scene_hit (scene, NAN, 5, 0.5f));

  /* A mask bit comes before a smaller box. */
  large->mask = descry_mask_new (100, 100, 20, 20, 40, 40, bits, NULL);
  g_assert_true (descry_scene_hit (scene, 42, 42, 0.5f) == large);
  g_assert_true (descry_scene_find (scene, 3) == weak);
  g_assert_null (descry_scene_find (scene, 4));
}

static DescryScene *
make_scene (void)
{
  DescryScene *scene = descry_scene_new (64, 48);
  const guint8 bits[6] = { 1, 1, 0, 0, 1, 1 };
  DescryObject *object;

  scene->file = g_strdup ("häuser/a.jpg");
  scene->bundle = g_strdup ("compact");
  descry_scene_add_tag (scene, "cup", 0.91f);
  descry_scene_set_timing (scene, "decode", 3.14);
  descry_scene_set_timing (scene, "decode", 3.1);
  object = add_object (scene, 1, "cup", 0.52f, (DescryBox) { 1.5f, 2, 30, 40 });
  object->finer = g_strdup ("coffee mug");
  object->mask = descry_mask_new (64, 48, 2, 3, 2, 3, bits, NULL);
  object = add_object (scene, 7, "dog", 0.25f, (DescryBox) { 0, 0, 64, 48 });
  object->source = DESCRY_SOURCE_PROPOSAL;

  return scene;
}

static void
test_json (void)
{
  g_autoptr (DescryScene) scene = make_scene (), back = NULL, copy = descry_scene_copy (scene);
  g_autoptr (json_t) json = descry_scene_to_json (scene, 0.0f);
  g_autoptr (json_t) again = NULL, parsed = NULL, shown = descry_scene_to_json (copy, 0.5f);
  g_autoptr (GError) error = NULL;
  g_autofree char *line = descry_json_line (json), *line2 = NULL;

  g_assert_null (strchr (line, '\n'));
  g_assert_nonnull (strstr (line, "\"score\":0.52,\"box\":[1.5,2.0,30.0,40.0],\"area\":4,\"source\":\"detector\",\"mask\":{\"size\":[48,64]"));
  g_assert_nonnull (strstr (line, "\"timing\":{\"decode\":3.1}"));
  g_assert_cmpuint (json_array_size (json_object_get (shown, "objects")), ==, 1);

  parsed = descry_files_json_parse (line, strlen (line), DESCRY_JSON_DEPTH, "line", &error);
  g_assert_no_error (error);
  back = descry_scene_from_json (parsed, &error);
  g_assert_no_error (error);
  again = descry_scene_to_json (back, 0.0f);
  line2 = descry_json_line (again);
  g_assert_cmpstr (line, ==, line2);
  g_assert_cmpuint (descry_scene_find (back, 1)->mask->area, ==, 4);
  g_assert_cmpint (descry_scene_find (back, 7)->source, ==, DESCRY_SOURCE_PROPOSAL);
}

static void
test_hostile (void)
{
  static const char *texts[] = {
    "[]", "{}", "{\"descry\":2,\"width\":4,\"height\":4,\"objects\":[]}",
    "{\"descry\":1,\"width\":0,\"height\":4,\"objects\":[]}",
    "{\"descry\":1,\"width\":70000,\"height\":4,\"objects\":[]}",
    "{\"descry\":1,\"width\":4,\"height\":4}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":{}}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":0,\"name\":\"a\",\"score\":0.5,\"box\":[0,0,1,1]}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"\",\"score\":0.5,\"box\":[0,0,1,1]}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"a\\u0007\",\"score\":0.5,\"box\":[0,0,1,1]}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"a\",\"score\":2,\"box\":[0,0,1,1]}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"a\",\"score\":0.5,\"box\":[0,0,5,1]}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"a\",\"score\":0.5,\"box\":[2,0,1,1]}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"a\",\"score\":0.5,\"box\":[0,0,1]}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"a\",\"score\":0.5,\"box\":[0,0,1,1],\"mask\":{\"size\":[4,5],\"counts\":\"0\"}}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"a\",\"score\":0.5,\"box\":[0,0,1,1],\"mask\":{\"size\":[4,4],\"counts\":\"zzzzzzzz\"}}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"objects\":[{\"id\":1,\"name\":\"a\",\"score\":0.5,\"box\":[0,0,1,1]},{\"id\":1,\"name\":\"a\",\"score\":0.5,\"box\":[0,0,1,1]}]}",
    "{\"descry\":1,\"width\":4,\"height\":4,\"tags\":[{\"name\":5}],\"objects\":[]}",
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (json_t) json = descry_files_json_parse (texts[i], strlen (texts[i]), DESCRY_JSON_DEPTH, "text", &error);

      g_assert_no_error (error);
      g_assert_null (descry_scene_from_json (json, &error));
      g_assert_nonnull (error);
      g_assert_cmpuint (error->domain, ==, DESCRY_ERROR);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/scene/boxes", test_boxes);
  g_test_add_func ("/scene/tags", test_tags);
  g_test_add_func ("/scene/hit", test_hit);
  g_test_add_func ("/scene/json", test_json);
  g_test_add_func ("/scene/hostile", test_hostile);

  return g_test_run ();
}
