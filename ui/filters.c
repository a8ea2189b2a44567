/* filters.c - objects that others cover, and tags that are hardly seen, left out of what was found
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "ui/filters.h"

#include <string.h>

static int
compare_scores (gconstpointer a,
                gconstpointer b,
                gpointer      data)
{
  const DescryScene *scene = data;
  guint i = *(const guint *) a, j = *(const guint *) b;
  const DescryObject *first = g_ptr_array_index (scene->objects, i), *second = g_ptr_array_index (scene->objects, j);

  return first->score != second->score ? (first->score < second->score ? 1 : -1) : (i > j) - (i < j);
}

/* Which objects a better one of their name covers, by their places in the scene; NULL: none. (transfer full) */
static gboolean *
find_covered (DescryScene *scene,
              float        overlap)
{
  guint n = scene->objects->len;
  g_autofree gboolean *covered = g_new0 (gboolean, n + 1);
  g_autofree guint *order = g_new (guint, n + 1);
  gboolean any = FALSE;
  guint i, j;

  if (overlap >= DESCRY_FILTERS_ANY_OVERLAP)
    return NULL;

  for (i = 0; i < n; i++)
    order[i] = i;
  g_qsort_with_data (order, (int) n, sizeof *order, compare_scores, scene);
  for (i = 1; i < n; i++)
    {
      const DescryObject *weaker = g_ptr_array_index (scene->objects, order[i]);

      if (weaker->source == DESCRY_SOURCE_CLICK || weaker->source == DESCRY_SOURCE_DRAG)
        continue;
      for (j = 0; j < i && !covered[order[i]]; j++)
        {
          const DescryObject *better = g_ptr_array_index (scene->objects, order[j]);

          covered[order[i]] = !covered[order[j]] && strcmp (better->name, weaker->name) == 0 && descry_box_iou (better->box, weaker->box) > overlap;
        }
      any |= covered[order[i]];
    }
  return any ? g_steal_pointer (&covered) : NULL;
}

static gboolean
has_weak_tag (DescryScene *scene,
              float        least)
{
  guint i;

  for (i = 0; i < scene->tags->len; i++)
    if (((DescryTag *) g_ptr_array_index (scene->tags, i))->score < least)
      return TRUE;
  return FALSE;
}

gboolean
descry_filters_touch (DescryScene *scene,
                      float        overlap,
                      float        tags)
{
  g_autofree gboolean *covered = find_covered (scene, overlap);

  return covered != NULL || has_weak_tag (scene, tags);
}

void
descry_filters_apply (DescryScene *scene,
                      float        overlap,
                      float        tags)
{
  g_autofree gboolean *covered = find_covered (scene, overlap);
  guint i;

  for (i = scene->objects->len; i > 0; i--)
    if (covered != NULL && covered[i - 1])
      g_ptr_array_remove_index (scene->objects, i - 1);
  for (i = scene->tags->len; i > 0; i--)
    if (((DescryTag *) g_ptr_array_index (scene->tags, i - 1))->score < tags)
      g_ptr_array_remove_index (scene->tags, i - 1);
}
