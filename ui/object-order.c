/* object-order.c - in which order objects are listed
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-objects"

#include "config.h"

#include "ui/object-order.h"

static int
compare_sizes (gconstpointer a,
               gconstpointer b)
{
  const DescryObject *first = *(DescryObject *const *) a, *second = *(DescryObject *const *) b;
  double difference = descry_box_area (first->box) - descry_box_area (second->box);

  /* The sort is not stable by itself. */
  return difference < 0 ? -1 : difference > 0 ? 1 : (first->id > second->id) - (first->id < second->id);
}

static int
compare_sizes_down (gconstpointer a,
                    gconstpointer b)
{
  return compare_sizes (b, a);
}

GArray *
descry_object_order (DescryScene *scene,
                     float        threshold,
                     const char  *order)
{
  g_autoptr (GPtrArray) objects = g_ptr_array_new ();
  GArray *lines = g_array_new (FALSE, FALSE, sizeof (DescryLine));
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    if (((DescryObject *) g_ptr_array_index (scene->objects, i))->score >= threshold)
      g_ptr_array_add (objects, g_ptr_array_index (scene->objects, i));
  if (g_strcmp0 (order, "smallest") == 0)
    g_ptr_array_sort (objects, compare_sizes);
  else if (g_strcmp0 (order, "largest") == 0)
    g_ptr_array_sort (objects, compare_sizes_down);
  for (i = 0; i < objects->len; i++)
    {
      const DescryLine line = { ((DescryObject *) g_ptr_array_index (objects, i))->id, NULL, 0 };

      g_array_append_val (lines, line);
    }

  return lines;
}
