/* compare.c - two objects against each other
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "ui/compare.h"

static DescryObject *
add (DescryScene *scene,
     const char  *name,
     float        score,
     DescryBox    box)
{
  DescryObject *object = g_new0 (DescryObject, 1);

  object->id = scene->objects->len + 1;
  object->name = g_strdup (name);
  object->score = score;
  object->box = box;
  g_ptr_array_add (scene->objects, object);
  return object;
}

static void
test_compare (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (100, 80);
  DescryObject *first = add (scene, "cup", 0.9f, (DescryBox) { 10, 10, 20, 20 });
  DescryObject *second = add (scene, "bowl", 0.9f, (DescryBox) { 50, 50, 70, 60 });
  guint8 bits[200];
  DescryComparison result;
  guint i;

  descry_compare (first, second, &result);
  g_assert_false (result.by_mask);
  g_assert_cmpint (result.larger, ==, 1);
  g_assert_cmpfloat (result.ratio, ==, 2.0);
  g_assert_cmpfloat (result.dx, ==, 45.0);
  g_assert_cmpfloat (result.dy, ==, 40.0);
  g_assert_cmpfloat_with_epsilon (result.gap, 42.4264, 1e-3); /* 30 across, 30 down */
  g_assert_cmpfloat (result.overlap, ==, 0.0);

  /* Masks count when both have one: 50 pixels and 200. */
  for (i = 0; i < 200; i++)
    bits[i] = i % 2;
  first->mask = descry_mask_new (100, 80, 10, 10, 10, 10, bits, NULL);
  descry_compare (first, second, &result);
  g_assert_false (result.by_mask);
  for (i = 0; i < 200; i++)
    bits[i] = 1;
  second->mask = descry_mask_new (100, 80, 50, 50, 20, 10, bits, NULL);
  descry_compare (first, second, &result);
  g_assert_true (result.by_mask);
  g_assert_cmpfloat (result.ratio, ==, 4.0);

  descry_compare (first, first, &result);
  g_assert_cmpint (result.larger, ==, -1);
  g_assert_cmpfloat (result.ratio, ==, 1.0);
  g_assert_cmpfloat (result.distance, ==, 0.0);
  g_assert_cmpfloat (result.gap, ==, 0.0);
  g_assert_cmpfloat (result.overlap, ==, 1.0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/compare/two", test_compare);
  return g_test_run ();
}
