/* groups.c - the order of the list of objects
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/unit/test-scene.h"
#include "ui/groups.h"
#include "ui/object-order.h"

/* "cup(2) 1 2 *(3) 3 4 5" */
static char *
describe (DescryScene *scene,
          float        threshold,
          gboolean     grouped)
{
  g_autoptr (GArray) lines = descry_group_objects (scene, threshold, grouped);
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < lines->len; i++)
    {
      const DescryLine *line = &g_array_index (lines, DescryLine, i);

      if (i > 0)
        g_string_append_c (text, ' ');
      if (line->id != 0)
        g_string_append_printf (text, "%u", line->id);
      else
        g_string_append_printf (text, "%s(%u)", line->name != NULL ? line->name : "*", line->n);
    }
  return g_string_free (text, FALSE);
}

#define ASSERT_LINES(scene, threshold, grouped, expected)                  \
  G_STMT_START                                                             \
  {                                                                        \
    g_autofree char *described = describe ((scene), (threshold), (grouped)); \
                                                                           \
    g_assert_cmpstr (described, ==, (expected));                           \
  }                                                                        \
  G_STMT_END

static void
test_order (void)
{
  g_autoptr (DescryScene) scene = scene_table ();
  g_autoptr (DescryScene) empty = descry_scene_new (10, 10);

  ASSERT_LINES (scene, 0.5f, FALSE, "1 2 3 4 5");
  ASSERT_LINES (scene, 0.5f, TRUE, "cup(2) 1 2 *(3) 3 4 5");
  ASSERT_LINES (scene, 0.2f, TRUE, "cup(3) 1 2 6 *(3) 3 4 5");
  ASSERT_LINES (scene, 0.99f, TRUE, "");
  ASSERT_LINES (empty, 0.0f, TRUE, "");

  /* The order is that of the best of each name. */
  scene_add (scene, "dog", NULL, 20, 20);
  scene_add (scene, "lamp", NULL, 20, 80);
  ASSERT_LINES (scene, 0.5f, TRUE, "cup(2) 1 2 lamp(2) 3 8 dog(2) 4 7 *(1) 5");
  scene_add (scene, "soccer ball", NULL, 40, 80);
  ASSERT_LINES (scene, 0.5f, TRUE, "cup(2) 1 2 lamp(2) 3 8 dog(2) 4 7 soccer ball(2) 5 9");
  ASSERT_LINES (scene, 0.5f, FALSE, "1 2 3 4 5 7 8 9");
}

/* Where no name comes twice headings would say nothing. */
static void
test_single (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (100, 100);

  scene_add (scene, "cup", NULL, 10, 10);
  scene_add (scene, "lamp", NULL, 50, 10);
  ASSERT_LINES (scene, 0.5f, TRUE, "1 2");
}

/* By size, smallest first and back; what is equal keeps its number's order, and weak ones are left out. */
static void
test_sizes (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (100, 100);
  static const guint up[] = { 2, 1, 4, 3 };
  g_autoptr (GArray) smallest = NULL, largest = NULL;
  guint i;

  scene_add (scene, "cup", NULL, 10, 10);
  scene_add (scene, "cup", NULL, 50, 10);
  scene_add (scene, "lamp", NULL, 50, 50);
  scene_add (scene, "dog", NULL, 80, 80);
  scene_add (scene, "fly", NULL, 90, 90);
  for (i = 0; i < scene->objects->len; i++)
    {
      static const float sides[] = { 20, 10, 40, 20, 1 };
      DescryObject *object = g_ptr_array_index (scene->objects, i);

      object->box.x1 = object->box.x0 + sides[i];
      object->box.y1 = object->box.y0 + sides[i];
      object->score = i < 4 ? 0.9f : 0.1f;
    }
  smallest = descry_object_order (scene, 0.5f, "smallest");
  largest = descry_object_order (scene, 0.5f, "largest");
  g_assert_cmpuint (smallest->len, ==, G_N_ELEMENTS (up));
  g_assert_cmpuint (largest->len, ==, G_N_ELEMENTS (up));
  for (i = 0; i < G_N_ELEMENTS (up); i++)
    {
      g_assert_cmpuint (g_array_index (smallest, DescryLine, i).id, ==, up[i]);
      g_assert_cmpuint (g_array_index (largest, DescryLine, i).id, ==, up[G_N_ELEMENTS (up) - 1 - i]);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/groups/order", test_order);
  g_test_add_func ("/groups/single", test_single);
  g_test_add_func ("/groups/sizes", test_sizes);
  return g_test_run ();
}
