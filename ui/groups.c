/* groups.c - a scene's objects in the order of the list: as they are, or by their names
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-groups"

#include "config.h"

#include "ui/groups.h"

static void
append (GArray     *lines,
        guint       id,
        const char *name,
        guint       n)
{
  const DescryLine line = { id, name, n };

  g_array_append_val (lines, line);
}

static guint
count (GHashTable *counts,
       const char *name)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (counts, name));
}

GArray *
descry_group_objects (DescryScene *scene,
                      float        threshold,
                      gboolean     grouped)
{
  GArray *lines = g_array_new (FALSE, FALSE, sizeof (DescryLine));
  g_autoptr (GHashTable) counts = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) done = g_hash_table_new (g_str_hash, g_str_equal);
  guint single = 0, several = 0;
  guint i, j;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);
      guint n;

      if (object->score < threshold)
        continue;
      n = count (counts, object->name) + 1;
      g_hash_table_insert (counts, object->name, GUINT_TO_POINTER (n));
      single += n == 1;
      single -= n == 2;
      several += n == 2;
    }

  for (i = 0; grouped && several > 0 && i < scene->objects->len; i++)
    {
      const DescryObject *first = g_ptr_array_index (scene->objects, i);

      if (first->score < threshold || count (counts, first->name) < 2 || !g_hash_table_add (done, first->name))
        continue;
      append (lines, 0, first->name, count (counts, first->name));
      for (j = i; j < scene->objects->len; j++)
        {
          const DescryObject *object = g_ptr_array_index (scene->objects, j);

          if (object->score >= threshold && g_str_equal (object->name, first->name))
            append (lines, object->id, NULL, 0);
        }
    }

  if (grouped && several > 0 && single > 0)
    append (lines, 0, NULL, single);
  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->score >= threshold && !g_hash_table_contains (done, object->name))
        append (lines, object->id, NULL, 0);
    }

  return lines;
}
