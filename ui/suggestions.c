/* suggestions.c - questions that a picture invites
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-suggestions"

#include "config.h"

#include "ui/suggestions.h"

#include <string.h>

#include "compute/lyrics/prompt.h"

typedef struct
{
  const char *name;
  guint       n;
  double      area; /* of the largest */
} Kind;

static int
compare_kinds (gconstpointer a,
               gconstpointer b)
{
  const Kind *first = a, *second = b;

  return first->area < second->area ? 1 : first->area > second->area ? -1 : strcmp (first->name, second->name);
}

/* Of Kind, the one with the largest object first. */
static GArray *
count_kinds (DescryScene *scene,
             float        threshold)
{
  GArray *kinds = g_array_new (FALSE, FALSE, sizeof (Kind));
  guint i, k;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);
      Kind new = { object->name, 0, 0.0 }, *kind = NULL;

      if (object->score < threshold)
        continue;
      for (k = 0; k < kinds->len && kind == NULL; k++)
        if (strcmp (g_array_index (kinds, Kind, k).name, object->name) == 0)
          kind = &g_array_index (kinds, Kind, k);
      if (kind == NULL)
        {
          g_array_append_val (kinds, new);
          kind = &g_array_index (kinds, Kind, kinds->len - 1);
        }
      kind->n++;
      kind->area = MAX (kind->area, descry_box_area (object->box));
    }
  g_array_sort (kinds, compare_kinds);

  return kinds;
}

char **
descry_suggestions (DescryScene *scene,
                    float        threshold,
                    guint        n_chips)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new ();
  g_autoptr (GArray) kinds = scene != NULL ? count_kinds (scene, threshold) : g_array_new (FALSE, FALSE, sizeof (Kind));
  guint i;

  if (kinds->len > 0 && n_chips == 1)
    {
      g_ptr_array_add (list, g_strdup ("What is this?"));
      g_ptr_array_add (list, g_strdup ("Where is it?"));
      if (kinds->len > 1)
        g_ptr_array_add (list, g_strdup ("What is nearest to it?"));
    }
  else if (kinds->len > 0 && n_chips > 1)
    {
      g_ptr_array_add (list, g_strdup ("What are these?"));
      g_ptr_array_add (list, g_strdup ("Which of them is bigger?"));
    }
  else if (kinds->len > 0)
    {
      const Kind *first = &g_array_index (kinds, Kind, 0), *second = first + 1;
      gboolean two = kinds->len > 1 && first->n == 1 && second->n == 1;

      g_ptr_array_add (list, g_strdup ("What is in the picture?"));
      for (i = 0; i < kinds->len && list->len < 2; i++)
        if (g_array_index (kinds, Kind, i).n > 1)
          {
            g_autofree char *plural = descry_noun_plural (g_array_index (kinds, Kind, i).name, g_array_index (kinds, Kind, i).n);

            g_ptr_array_add (list, g_strdup_printf ("How many %s are there?", plural));
          }
      for (i = kinds->len; i-- > 0 && list->len + (guint) two < DESCRY_SUGGESTIONS;)
        if (g_array_index (kinds, Kind, i).n == 1)
          {
            g_ptr_array_add (list, g_strdup_printf ("Where is the %s?", g_array_index (kinds, Kind, i).name));
            break;
          }
      if (two)
        g_ptr_array_add (list, g_strdup_printf ("Which is bigger, the %s or the %s?", first->name, second->name));
    }
  g_ptr_array_add (list, NULL);

  return (char **) g_ptr_array_free (g_steal_pointer (&list), FALSE);
}
