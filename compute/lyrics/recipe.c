/* recipe.c - from named boxes to the objects and tags of a scene
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-recipe"

#include "config.h"

#include "compute/lyrics/recipe.h"

#include <string.h>

#include "compute/memory.h"

/* models/compact.md 7, steps 5 to 7. */
#define PART_AREA         0.004
#define BOX_AREA          0.002
#define TAKEN_IOU         0.5
#define SAME_KIND_IOU     0.3
#define SWALLOWED_INSIDE  0.8
#define SWALLOWED_SIZE    0.9
#define FINAL_IOU         0.6
#define FINAL_KIND_IOU    0.45
#define FINAL_KIND_INSIDE 0.85
#define TAG_SCORE         0.15f
#define TAG_NOUNS         5

static double
inside (DescryBox box,
        DescryBox of)
{
  DescryBox both = { MAX (box.x0, of.x0), MAX (box.y0, of.y0), MIN (box.x1, of.x1), MIN (box.y1, of.y1) };
  double area = descry_box_area (box);

  return area > 0.0 ? descry_box_area (both) / area : 0.0;
}

DescryBox
descry_recipe_grow (DescryBox box,
                    float     part,
                    guint     width,
                    guint     height)
{
  float dx = part * (box.x1 - box.x0), dy = part * (box.y1 - box.y0);

  return (DescryBox) { MAX (box.x0 - dx, 0.0f), MAX (box.y0 - dy, 0.0f),
                       MIN (box.x1 + dx, (float) width), MIN (box.y1 + dy, (float) height) };
}

typedef struct
{
  guint cells;
  guint x0, y0, x1, y1;
} Part;

static int
compare_parts (gconstpointer a,
               gconstpointer b)
{
  const Part *first = a, *second = b;

  if (first->cells != second->cells)
    return first->cells > second->cells ? -1 : 1;
  return first->y0 != second->y0 ? (int) first->y0 - (int) second->y0 : (int) first->x0 - (int) second->x0;
}

/* Mean over squares, then the threshold. */
static void
reduce (const float *alpha,
        guint        side,
        guint8      *bits)
{
  guint n = side / DESCRY_RECIPE_CELL, x, y, i, j;

  for (y = 0; y < n; y++)
    for (x = 0; x < n; x++)
      {
        float sum = 0.0f;

        for (j = 0; j < DESCRY_RECIPE_CELL; j++)
          for (i = 0; i < DESCRY_RECIPE_CELL; i++)
            sum += alpha[(gsize) (y * DESCRY_RECIPE_CELL + j) * side + x * DESCRY_RECIPE_CELL + i];
        bits[(gsize) y * n + x] = sum >= DESCRY_RECIPE_ALPHA * DESCRY_RECIPE_CELL * DESCRY_RECIPE_CELL;
      }
}

GArray *
descry_recipe_proposals (const float *alpha,
                         guint        side,
                         guint        width,
                         guint        height,
                         GArray      *taken,
                         GError     **error)
{
  guint n = side / DESCRY_RECIPE_CELL, n_parts;
  guint8 *bits = descry_try_alloc ((gsize) n * n, 1);
  guint32 *labels = descry_try_alloc ((gsize) n * n, sizeof (guint32));
  GArray *boxes;

  if (bits == NULL || labels == NULL)
    {
      descry_free (bits);
      descry_free (labels);
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "proposals: no memory for %u x %u cells", n, n);
      return NULL;
    }

  reduce (alpha, side, bits);
  n_parts = descry_mask_components (bits, n, n, labels);
  boxes = descry_recipe_part_boxes (labels, n, n_parts, width, height, taken);
  descry_free (bits);
  descry_free (labels);

  return boxes;
}

GArray *
descry_recipe_part_boxes (const guint32 *labels,
                          guint          n,
                          guint          n_parts,
                          guint          width,
                          guint          height,
                          GArray        *taken)
{
  g_autoptr (GArray) parts = g_array_sized_new (FALSE, TRUE, sizeof (Part), n_parts);
  GArray *boxes;
  guint x, y, i, j;

  g_array_set_size (parts, n_parts);
  for (y = 0; y < n; y++)
    for (x = 0; x < n; x++)
      {
        guint32 label = labels[(gsize) y * n + x];
        Part *part;

        if (label == 0)
          continue;
        part = &g_array_index (parts, Part, label - 1);
        part->x0 = part->cells == 0 ? x : MIN (part->x0, x);
        part->y0 = part->cells == 0 ? y : part->y0;
        part->x1 = MAX (part->x1, x + 1);
        part->y1 = y + 1;
        part->cells++;
      }
  g_array_sort (parts, compare_parts);

  boxes = g_array_new (FALSE, FALSE, sizeof (DescryBox));
  for (i = 0; i < parts->len; i++)
    {
      const Part *part = &g_array_index (parts, Part, i);
      float sx = (float) width / (float) n, sy = (float) height / (float) n;
      DescryBox box = { (float) part->x0 * sx, (float) part->y0 * sy, (float) part->x1 * sx, (float) part->y1 * sy };
      gboolean free_place = TRUE;

      if (part->cells < PART_AREA * n * n || descry_box_area (box) <= BOX_AREA * width * height)
        continue;
      for (j = 0; j < taken->len && free_place; j++)
        free_place = descry_box_iou (g_array_index (taken, DescryBox, j), box) <= TAKEN_IOU;
      for (j = 0; j < boxes->len && free_place; j++)
        free_place = descry_box_iou (g_array_index (boxes, DescryBox, j), box) <= TAKEN_IOU;
      if (free_place)
        g_array_append_val (boxes, box);
    }

  return boxes;
}

gboolean
descry_recipe_add_proposal (GPtrArray    *found,
                            DescryObject *proposal)
{
  double area = descry_box_area (proposal->box);
  guint i;

  for (i = 0; i < found->len; i++)
    {
      const DescryObject *older = g_ptr_array_index (found, i);

      if (older->score >= proposal->score && descry_box_iou (older->box, proposal->box) > SAME_KIND_IOU
          && descry_nouns_same_kind (older->name, proposal->name))
        {
          descry_object_free (proposal);
          return FALSE;
        }
    }

  for (i = found->len; i > 0; i--)
    {
      const DescryObject *older = g_ptr_array_index (found, i - 1);
      gboolean worse = older->score < proposal->score;
      gboolean same = descry_box_iou (older->box, proposal->box) > SAME_KIND_IOU
                      && descry_nouns_same_kind (older->name, proposal->name);
      gboolean swallowed = inside (older->box, proposal->box) >= SWALLOWED_INSIDE
                           && descry_box_area (older->box) < SWALLOWED_SIZE * area;

      if (worse && (same || swallowed))
        g_ptr_array_remove_index (found, i - 1);
    }
  g_ptr_array_add (found, proposal);

  return TRUE;
}

static int
compare_objects (gconstpointer a,
                 gconstpointer b)
{
  const DescryObject *first = *(DescryObject *const *) a, *second = *(DescryObject *const *) b;

  if (first->score != second->score)
    return first->score > second->score ? -1 : 1;
  return first->box.x0 < second->box.x0 ? -1 : first->box.x0 > second->box.x0;
}

GPtrArray *
descry_recipe_final (GPtrArray *found)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
  GPtrArray *kept = g_ptr_array_new ();
  guint i, j;

  for (i = 0; i < found->len; i++)
    g_ptr_array_add (sorted, g_ptr_array_index (found, i));
  g_ptr_array_sort (sorted, compare_objects);

  for (i = 0; i < sorted->len; i++)
    {
      DescryObject *object = g_ptr_array_index (sorted, i);

      /* What a person pointed at stays, whatever else is there. */
      for (j = 0; j < kept->len && object->source < DESCRY_SOURCE_CLICK; j++)
        {
          const DescryObject *better = g_ptr_array_index (kept, j);
          double iou = descry_box_iou (better->box, object->box);

          if (better->source >= DESCRY_SOURCE_CLICK)
            continue;
          if (iou > FINAL_IOU)
            break;
          if (descry_nouns_same_kind (better->name, object->name)
              && (iou > FINAL_KIND_IOU || inside (object->box, better->box) >= FINAL_KIND_INSIDE))
            break;
        }
      if (j == kept->len || object->source >= DESCRY_SOURCE_CLICK)
        g_ptr_array_add (kept, object);
    }

  return kept;
}

static void
raise_tag (GHashTable *scores,
           const char *name,
           float       score)
{
  float *kept = g_hash_table_lookup (scores, name);

  if (kept == NULL)
    {
      kept = g_new (float, 1);
      *kept = score;
      g_hash_table_insert (scores, (gpointer) name, kept);
    }
  *kept = MAX (*kept, score);
}

void
descry_recipe_tags (DescryScene *scene,
                    const float *p,
                    float        threshold)
{
  const DescryNouns *nouns = descry_nouns ();
  g_autoptr (GHashTable) scores = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  g_autoptr (GList) names = NULL;
  DescryName best = descry_naming_best_noun (p);
  const char *first = best.name;
  float q[DESCRY_N_CLASSES], first_score = best.score;
  GList *l;
  guint i, j;

  raise_tag (scores, best.name, best.score);
  descry_naming_sum_nouns (p, q);
  for (i = 0; i < TAG_NOUNS; i++)
    {
      guint noun = 0;

      for (j = 1; j < nouns->n_nouns; j++)
        if (q[j] > q[noun])
          noun = j;
      raise_tag (scores, nouns->nouns[noun].name, q[noun]);
      q[noun] = -1.0f;
    }
  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->score >= threshold && object->source < DESCRY_SOURCE_CLICK)
        raise_tag (scores, object->name, object->score);
    }

  /* By name first, so that equal scores have one order. */
  names = g_list_sort (g_hash_table_get_keys (scores), (GCompareFunc) strcmp);
  g_ptr_array_set_size (scene->tags, 0);
  for (l = names; l != NULL; l = l->next)
    {
      float score = *(float *) g_hash_table_lookup (scores, l->data);

      if (score > first_score)
        {
          first = l->data;
          first_score = score;
        }
      if (score >= TAG_SCORE)
        descry_scene_add_tag (scene, l->data, score);
    }
  if (scene->tags->len == 0)
    descry_scene_add_tag (scene, first, first_score);
}
