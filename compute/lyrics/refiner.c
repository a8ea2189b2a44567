/* refiner.c - tags, boxes, names, proposals and masks of one picture, step by step
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-refiner"

#include "config.h"

#include "compute/lyrics/refiner.h"
#include "compute/lyrics/refiner-private.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"

/* models/compact.md 7. */
#define WORK_SIDE         1280
#define PROPOSAL_SCORE    0.5f
#define MASK_MARGIN       0.12f
#define MASK_ALPHA        0.5f

/* A region that a person pointed at: the classifier's name needs this much, else it is "object". */
#define REGION_NAME_SCORE 0.2f
#define UNNAMED           "object"
#define CLICK_CROPS       3

static const float click_sides[CLICK_CROPS] = { 0.5f, 1.0f, 0.25f }; /* of the longer side */

static void
free_timing (gpointer data)
{
  DescryTiming *timing = data;

  g_free (timing->stage);
  g_free (timing);
}

static DescryRefiner *
make_refiner (DescryPipeline *pipeline,
              DescryImage    *image,
              GError        **error)
{
  g_autoptr (DescryRefiner) refiner = g_new0 (DescryRefiner, 1);
  guint side = MAX (image->width, image->height);

  refiner->pipeline = pipeline;
  refiner->image = descry_image_ref (image);
  refiner->next_id = 1;
  refiner->found = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_object_free);
  refiner->boxes = g_array_new (FALSE, FALSE, sizeof (DescryBox));
  refiner->without_mask = g_hash_table_new (NULL, NULL);
  refiner->timing = g_ptr_array_new_with_free_func (free_timing);
  if (side > WORK_SIDE)
    {
      double scale = (double) WORK_SIDE / side;
      guint width = MAX (1, (guint) lround (image->width * scale)), height = MAX (1, (guint) lround (image->height * scale));

      refiner->work = descry_image_resize (image, 0, 0, image->width, image->height, width, height, DESCRY_FILTER_BICUBIC, error);
      if (refiner->work == NULL)
        return NULL;
    }
  else
    refiner->work = descry_image_ref (image);
  refiner->scale_x = (float) image->width / (float) refiner->work->width;
  refiner->scale_y = (float) image->height / (float) refiner->work->height;

  return g_steal_pointer (&refiner);
}

DescryRefiner *
descry_refiner_new (DescryPipeline *pipeline,
                    DescryImage    *image,
                    const char     *file,
                    GError        **error)
{
  DescryRefiner *refiner;

  g_return_val_if_fail (pipeline != NULL && image != NULL, NULL);

  refiner = make_refiner (pipeline, image, error);
  if (refiner != NULL)
    refiner->file = g_strdup (file);

  return refiner;
}

DescryRefiner *
descry_refiner_open (DescryPipeline *pipeline,
                     DescryImage    *image,
                     DescryScene    *scene,
                     GError        **error)
{
  DescryRefiner *refiner;
  guint i;

  g_return_val_if_fail (pipeline != NULL && image != NULL && scene != NULL, NULL);

  if (scene->width != image->width || scene->height != image->height)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "the scene is of a picture of %u x %u pixels, not of %u x %u",
                   scene->width, scene->height, image->width, image->height);
      return NULL;
    }
  refiner = make_refiner (pipeline, image, error);
  if (refiner == NULL)
    return NULL;

  refiner->scene = descry_scene_ref (scene);
  refiner->file = g_strdup (scene->file);
  for (i = 0; i < scene->objects->len; i++)
    {
      DescryObject *object = descry_object_copy (g_ptr_array_index (scene->objects, i));

      refiner->next_id = MAX (refiner->next_id, object->id + 1);
      g_ptr_array_add (refiner->found, object);
      g_array_append_val (refiner->boxes, object->box);
    }

  return refiner;
}

void
descry_refiner_free (DescryRefiner *refiner)
{
  if (refiner == NULL)
    return;

  g_clear_pointer (&refiner->image, descry_image_unref);
  g_clear_pointer (&refiner->work, descry_image_unref);
  g_clear_pointer (&refiner->file, g_free);
  g_clear_pointer (&refiner->found, g_ptr_array_unref);
  g_clear_pointer (&refiner->boxes, g_array_unref);
  g_clear_pointer (&refiner->without_mask, g_hash_table_unref);
  g_clear_pointer (&refiner->p, g_free);
  g_clear_pointer (&refiner->timing, g_ptr_array_unref);
  g_clear_pointer (&refiner->scene, descry_scene_unref);
  g_free (refiner);
}

DescryImage *
descry_refiner_image (DescryRefiner *refiner)
{
  return refiner->image;
}

/* A stage that runs several times adds up. */
void
descry_refiner_add_time (DescryRefiner *refiner,
                         const char    *stage,
                         gint64         since)
{
  double ms = (double) (g_get_monotonic_time () - since) / 1000.0;
  DescryTiming *timing;
  guint i;

  for (i = 0; i < refiner->timing->len; i++)
    {
      timing = g_ptr_array_index (refiner->timing, i);
      if (strcmp (timing->stage, stage) == 0)
        {
          timing->ms += ms;
          return;
        }
    }

  timing = g_new (DescryTiming, 1);
  timing->stage = g_strdup (stage);
  timing->ms = ms;
  g_ptr_array_add (refiner->timing, timing);
}

/* The objects that stay get their ids, best first, when they first appear. */
static GPtrArray *
choose_objects (DescryRefiner *refiner)
{
  GPtrArray *kept = descry_recipe_final (refiner->found);
  guint i;

  for (i = 0; i < kept->len; i++)
    {
      DescryObject *object = g_ptr_array_index (kept, i);

      if (object->id == 0)
        object->id = refiner->next_id++;
    }

  return kept;
}

DescryScene *
descry_refiner_scene (DescryRefiner *refiner)
{
  DescryScene *scene = descry_scene_new (refiner->image->width, refiner->image->height);
  g_autoptr (GPtrArray) kept = choose_objects (refiner);
  guint i;

  scene->file = g_strdup (refiner->file);
  scene->bundle = g_strdup (descry_pipeline_bundle (refiner->pipeline)->name);
  for (i = 0; i < kept->len; i++)
    g_ptr_array_add (scene->objects, descry_object_copy (g_ptr_array_index (kept, i)));

  if (refiner->p != NULL)
    descry_recipe_tags (scene, refiner->p, DESCRY_SCENE_THRESHOLD);
  else if (refiner->scene != NULL)
    for (i = 0; i < refiner->scene->tags->len; i++)
      {
        const DescryTag *tag = g_ptr_array_index (refiner->scene->tags, i);

        descry_scene_add_tag (scene, tag->name, tag->score);
      }

  for (i = 0; refiner->scene != NULL && i < refiner->scene->timing->len; i++)
    {
      const DescryTiming *timing = g_ptr_array_index (refiner->scene->timing, i);

      descry_scene_set_timing (scene, timing->stage, timing->ms);
    }
  for (i = 0; i < refiner->timing->len; i++)
    {
      const DescryTiming *timing = g_ptr_array_index (refiner->timing, i);

      descry_scene_set_timing (scene, timing->stage, timing->ms);
    }

  return scene;
}

static float *
new_alpha (GError **error)
{
  float *alpha = descry_try_alloc ((gsize) DESCRY_ISNET_SIDE * DESCRY_ISNET_SIDE, sizeof (float));

  if (alpha == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "segmenter: no memory for a mask");

  return alpha;
}

/* An object named by the classifier alone. */
static DescryObject *
make_object (const DescryName *name,
             DescryBox         box,
             DescrySource      source,
             const float      *feature,
             const float      *color)
{
  DescryObject *object = g_new0 (DescryObject, 1);

  object->name = g_strdup (name->name != NULL ? name->name : UNNAMED);
  object->finer = name->name != NULL ? g_strdup (descry_naming_finer (name)) : NULL;
  object->score = name->score;
  object->box = box;
  object->source = source;
  object->feature = g_memdup2 (feature, DESCRY_N_FEATURES * sizeof (float));
  object->n_feature = DESCRY_N_FEATURES;
  memcpy (object->color, color, sizeof object->color);

  return object;
}

gboolean
descry_refiner_propose (DescryRefiner *refiner,
                        GCancellable  *cancellable,
                        GError       **error)
{
  g_autoptr (GArray) boxes = NULL;
  g_autofree float *p = NULL, *features = NULL, *colors = NULL;
  gint64 start = g_get_monotonic_time ();
  guint i;

  if (!descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_SEGMENTER, NULL)
      || !descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_TAGGER, NULL))
    return TRUE;

  boxes = descry_refiner_find_proposals (refiner, cancellable, error);
  if (boxes == NULL)
    return FALSE;
  descry_refiner_add_time (refiner, "segmenter", start);
  if (boxes->len == 0)
    return TRUE;

  start = g_get_monotonic_time ();
  p = g_new (float, (gsize) boxes->len * DESCRY_N_CLASSES);
  features = g_new (float, (gsize) boxes->len * DESCRY_N_FEATURES);
  colors = g_new (float, 3 * boxes->len);
  if (!descry_refiner_classify (refiner, (const DescryBox *) boxes->data, boxes->len, p, features, colors, cancellable, error))
    return FALSE;
  for (i = 0; i < boxes->len; i++)
    {
      DescryName name = descry_naming_best_noun (p + (gsize) i * DESCRY_N_CLASSES);

      if (name.score >= PROPOSAL_SCORE && !name.scene)
        descry_recipe_add_proposal (refiner->found, make_object (&name, g_array_index (boxes, DescryBox, i), DESCRY_SOURCE_PROPOSAL,
                                                                 features + (gsize) i * DESCRY_N_FEATURES, colors + 3 * i));
    }
  descry_refiner_add_time (refiner, "tagger", start);

  return TRUE;
}

guint
descry_refiner_next_mask (DescryRefiner *refiner,
                          float          threshold)
{
  g_autoptr (GPtrArray) kept = NULL;
  guint i;

  if (!descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_SEGMENTER, NULL))
    return 0;

  kept = choose_objects (refiner);
  for (i = 0; i < kept->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (kept, i);

      if (object->score >= threshold && object->mask == NULL && !g_hash_table_contains (refiner->without_mask, GUINT_TO_POINTER (object->id)))
        return object->id;
    }

  return 0;
}

/* Reducing takes the mean of what a pixel covers, enlarging goes in straight lines between centres. */
static float
sample_alpha (const float *alpha,
              guint        side,
              double       x0,
              double       x1,
              double       y0,
              double       y1)
{
  guint cx0, cx1, cy0, cy1, x, y;
  double sum = 0.0;

  if (x1 - x0 <= 1.0 && y1 - y0 <= 1.0)
    {
      double fx = CLAMP (0.5 * (x0 + x1) - 0.5, 0.0, side - 1.0), fy = CLAMP (0.5 * (y0 + y1) - 0.5, 0.0, side - 1.0);
      const float *row = alpha + (gsize) fy * side, *below = (guint) fy + 1 < side ? row + side : row;
      guint left = (guint) fx, right = MIN (left + 1, side - 1);
      double ax = fx - left, ay = fy - (guint) fy;

      return (float) ((1 - ay) * ((1 - ax) * row[left] + ax * row[right]) + ay * ((1 - ax) * below[left] + ax * below[right]));
    }

  cx0 = (guint) x0;
  cy0 = (guint) y0;
  cx1 = CLAMP ((guint) ceil (x1), cx0 + 1, side);
  cy1 = CLAMP ((guint) ceil (y1), cy0 + 1, side);
  for (y = cy0; y < cy1; y++)
    for (x = cx0; x < cx1; x++)
      sum += alpha[(gsize) y * side + x];

  return (float) (sum / ((double) (cx1 - cx0) * (cy1 - cy0)));
}

void
descry_refiner_alpha_to_bits (const float *alpha,
                              guint        side,
                              guint        width,
                              guint        height,
                              guint8      *bits)
{
  double sx = (double) side / width, sy = (double) side / height;
  guint x, y;

  for (y = 0; y < height; y++)
    for (x = 0; x < width; x++)
      bits[(gsize) y * width + x] = sample_alpha (alpha, side, x * sx, (x + 1) * sx, y * sy, (y + 1) * sy) >= MASK_ALPHA;
}

/* Whole pixels of the picture that a rectangle of the copy covers. */
static DescryRect
picture_rect (DescryRefiner *refiner,
              DescryRect     rect)
{
  return descry_crop_rect (descry_refiner_picture_box (refiner, rect), refiner->image->width, refiner->image->height);
}

static DescryMask *
make_mask (DescryRefiner *refiner,
           DescryRect     rect, /* of the copy */
           const float   *alpha,
           GError       **error)
{
  DescryRect place = picture_rect (refiner, rect);
  guint width = place.x1 - place.x0, height = place.y1 - place.y0;
  guint8 *bits = descry_try_alloc ((gsize) width * height, 1);
  DescryMask *mask;

  if (bits == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "segmenter: no memory for a mask of %u x %u", width, height);
      return NULL;
    }
  descry_refiner_alpha_to_bits (alpha, DESCRY_ISNET_SIDE, width, height, bits);
  mask = descry_mask_new (refiner->image->width, refiner->image->height, place.x0, place.y0, width, height, bits, error);
  descry_free (bits);

  return mask;
}

static DescryObject *
find_object (DescryRefiner *refiner,
             guint          id)
{
  guint i;

  for (i = 0; i < refiner->found->len; i++)
    {
      DescryObject *object = g_ptr_array_index (refiner->found, i);

      if (object->id == id)
        return object;
    }

  return NULL;
}

gboolean
descry_refiner_mask (DescryRefiner *refiner,
                     guint          id,
                     GCancellable  *cancellable,
                     GError       **error)
{
  DescryObject *object = find_object (refiner, id);
  g_autoptr (DescryMask) mask = NULL;
  gint64 start = g_get_monotonic_time ();
  DescryRect rect;
  float *alpha;

  if (object == NULL || id == 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "there is no object %u", id);
      return FALSE;
    }
  if (object->mask != NULL)
    return TRUE;

  alpha = new_alpha (error);
  if (alpha == NULL)
    return FALSE;
  rect = descry_refiner_work_rect (refiner, descry_recipe_grow (object->box, MASK_MARGIN, refiner->image->width, refiner->image->height));
  if (descry_refiner_matte (refiner, rect, alpha, cancellable, error))
    mask = make_mask (refiner, rect, alpha, error);
  descry_free (alpha);
  if (mask == NULL)
    return FALSE;

  if (mask->area > 0)
    object->mask = g_steal_pointer (&mask);
  else
    g_hash_table_add (refiner->without_mask, GUINT_TO_POINTER (id));
  descry_refiner_add_time (refiner, "segmenter", start);

  return TRUE;
}

/* Everything but the connected part at cell (@x, @y) is set to 0. Returns the mean alpha of the part; 0: there
 * is none; -1: error. */
static float
keep_part (float   *alpha,
           guint    x,
           guint    y,
           guint   *sides, /* of the crop that the part touches */
           GError **error)
{
  const guint n = DESCRY_ISNET_SIDE;
  guint8 *bits = descry_try_alloc ((gsize) n * n, 1);
  guint32 *labels = descry_try_alloc ((gsize) n * n, sizeof (guint32)), label = 0;
  double sum = 0.0;
  gsize count = 0, i;
  guint cx, cy;

  *sides = 0;
  if (bits == NULL || labels == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "segmenter: no memory for a mask");
      descry_free (bits);
      descry_free (labels);
      return -1.0f;
    }

  for (i = 0; i < (gsize) n * n; i++)
    bits[i] = alpha[i] >= MASK_ALPHA;
  descry_mask_components (bits, n, n, labels);
  label = labels[(gsize) y * n + x];
  for (cy = 0; label != 0 && cy < n; cy++)
    for (cx = 0; cx < n; cx++)
      {
        i = (gsize) cy * n + cx;
        if (labels[i] != label)
          {
            alpha[i] = 0.0f;
            continue;
          }
        sum += alpha[i];
        count++;
        *sides |= (cx == 0 ? 1u : 0) | (cx == n - 1 ? 2u : 0) | (cy == 0 ? 4u : 0) | (cy == n - 1 ? 8u : 0);
      }
  descry_free (bits);
  descry_free (labels);

  return count > 0 ? (float) (sum / (double) count) : 0.0f;
}

/* Tries crops of several sizes round the point: the first in which the part under the point lies inside wins,
 * else the last that had one. */
static DescryMask *
segment_point (DescryRefiner *refiner,
               DescryBox      point,
               float         *score,
               GCancellable  *cancellable,
               GError       **error)
{
  float px = point.x0 / refiner->scale_x, py = point.y0 / refiner->scale_y;
  g_autoptr (DescryMask) best = NULL;
  float *alpha = new_alpha (error);
  guint i;

  if (alpha == NULL)
    return NULL;

  for (i = 0; i < CLICK_CROPS; i++)
    {
      float half = 0.5f * click_sides[i] * (float) MAX (refiner->work->width, refiner->work->height);
      DescryRect rect = descry_crop_rect ((DescryBox) { px - half, py - half, px + half, py + half }, refiner->work->width, refiner->work->height);
      guint width = rect.x1 - rect.x0, height = rect.y1 - rect.y0, sides, open = 0;
      guint x = (guint) CLAMP ((px - (float) rect.x0) * DESCRY_ISNET_SIDE / (float) width, 0.0f, DESCRY_ISNET_SIDE - 1.0f);
      guint y = (guint) CLAMP ((py - (float) rect.y0) * DESCRY_ISNET_SIDE / (float) height, 0.0f, DESCRY_ISNET_SIDE - 1.0f);
      float mean;

      mean = -1.0f;
      if (descry_refiner_matte (refiner, rect, alpha, cancellable, error))
        mean = keep_part (alpha, x, y, &sides, error);
      if (mean == 0.0f)
        continue;

      g_clear_pointer (&best, descry_mask_unref);
      if (mean > 0.0f)
        best = make_mask (refiner, rect, alpha, error);
      if (best == NULL)
        {
          descry_free (alpha);
          return NULL;
        }
      *score = mean;
      /* The picture's own edge is no reason to look at more. */
      open |= rect.x0 > 0 ? 1u : 0;
      open |= rect.x1 < refiner->work->width ? 2u : 0;
      open |= rect.y0 > 0 ? 4u : 0;
      open |= rect.y1 < refiner->work->height ? 8u : 0;
      if ((sides & open) == 0)
        break;
    }
  descry_free (alpha);

  if (best == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "nothing stands out at this point; drag a box round it");

  return g_steal_pointer (&best);
}

static gboolean
segment_box (DescryRefiner *refiner,
             DescryBox      box,
             DescryMask   **mask,
             GCancellable  *cancellable,
             GError       **error)
{
  DescryRect rect = descry_refiner_work_rect (refiner, descry_recipe_grow (box, MASK_MARGIN, refiner->image->width, refiner->image->height));
  float *alpha = new_alpha (error);
  gboolean ok;

  if (alpha == NULL)
    return FALSE;
  ok = descry_refiner_matte (refiner, rect, alpha, cancellable, error);
  if (ok)
    {
      *mask = make_mask (refiner, rect, alpha, error);
      ok = *mask != NULL;
    }
  descry_free (alpha);

  return ok;
}

static gboolean
clamp_box (DescryRefiner *refiner,
           DescryBox     *box)
{
  float width = (float) refiner->image->width, height = (float) refiner->image->height;
  DescryBox turned = { MIN (box->x0, box->x1), MIN (box->y0, box->y1), MAX (box->x0, box->x1), MAX (box->y0, box->y1) };

  /* NaN fails too. */
  if (!(turned.x1 >= 0.0f && turned.y1 >= 0.0f && turned.x0 <= width && turned.y0 <= height))
    return FALSE;

  *box = (DescryBox) { MAX (turned.x0, 0.0f), MAX (turned.y0, 0.0f), MIN (turned.x1, width), MIN (turned.y1, height) };
  return TRUE;
}

guint
descry_refiner_segment (DescryRefiner *refiner,
                        DescryBox      box,
                        GCancellable  *cancellable,
                        GError       **error)
{
  gboolean click = box.x0 == box.x1 && box.y0 == box.y1;
  g_autofree float *p = g_new0 (float, DESCRY_N_CLASSES);
  g_autofree float *feature = g_new0 (float, DESCRY_N_FEATURES);
  g_autoptr (DescryMask) mask = NULL;
  float color[3] = { 0 }, score = 1.0f;
  DescryObject *object;
  DescryName name = { 0 };
  gint64 start = g_get_monotonic_time ();

  if (!clamp_box (refiner, &box))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "the point or box is outside of the picture");
      return 0;
    }

  if (click)
    {
      if (!descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_SEGMENTER, error))
        return 0;
      mask = segment_point (refiner, box, &score, cancellable, error);
      if (mask == NULL)
        return 0;
      box = (DescryBox) { (float) mask->x0, (float) mask->y0, (float) mask->x1, (float) mask->y1 };
    }
  else if (descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_SEGMENTER, NULL)
           && !segment_box (refiner, box, &mask, cancellable, error))
    return 0;
  if (mask != NULL)
    descry_refiner_add_time (refiner, "segmenter", start);
  /* What was drawn is a region even if nothing in it stands out. */
  if (mask != NULL && mask->area == 0)
    g_clear_pointer (&mask, descry_mask_unref);

  if (descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_TAGGER, NULL))
    {
      start = g_get_monotonic_time ();
      if (!descry_refiner_classify (refiner, &box, 1, p, feature, color, cancellable, error))
        return 0;
      descry_refiner_add_time (refiner, "tagger", start);
      name = descry_naming_best_noun (p);
    }

  object = make_object (&name, box, click ? DESCRY_SOURCE_CLICK : DESCRY_SOURCE_DRAG, feature, color);
  if (name.score < REGION_NAME_SCORE || name.scene)
    {
      g_free (object->name);
      object->name = g_strdup (UNNAMED);
      g_clear_pointer (&object->finer, g_free);
    }
  /* How well the region stands out, not how sure its name is: a person pointed at it, so it is shown. */
  object->score = score;
  object->mask = g_steal_pointer (&mask);
  object->id = refiner->next_id++;
  g_ptr_array_add (refiner->found, object);

  return object->id;
}
