/* refiner-networks.c - the networks as the refiner uses them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-refiner"

#include "config.h"

#include "compute/lyrics/refiner-private.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/ops/components.h"

#define CROPS_AT_ONCE 8
#define SECOND_CROP   0.1f /* models/compact.md 7, step 2 */

#define TAGGER_PIXELS ((gsize) DESCRY_TAGGER_SIDE * DESCRY_TAGGER_SIDE * 3)

DescryRect
descry_refiner_work_rect (DescryRefiner *refiner,
                          DescryBox      box)
{
  DescryBox small = { box.x0 / refiner->scale_x, box.y0 / refiner->scale_y, box.x1 / refiner->scale_x, box.y1 / refiner->scale_y };

  return descry_crop_rect (small, refiner->work->width, refiner->work->height);
}

DescryBox
descry_refiner_picture_box (DescryRefiner *refiner,
                            DescryRect     rect)
{
  return (DescryBox) { MIN ((float) rect.x0 * refiner->scale_x, (float) refiner->image->width),
                       MIN ((float) rect.y0 * refiner->scale_y, (float) refiner->image->height),
                       MIN ((float) rect.x1 * refiner->scale_x, (float) refiner->image->width),
                       MIN ((float) rect.y1 * refiner->scale_y, (float) refiner->image->height) };
}

/* @n crops through the classifier: logits [n, 1000], pooled [n, 1280]. */
static gboolean
run_tagger (DescryRefiner *refiner,
            const float   *pixels,
            guint          n,
            float         *logits,
            float         *pooled,
            GCancellable  *cancellable,
            GError       **error)
{
  DescryEfficientNet *net = descry_pipeline_tagger (refiner->pipeline, cancellable, error);
  g_autoptr (DescryRun) run = NULL;
  DescryTensor input, features, pooled_rows, rows;

  if (net == NULL)
    return FALSE;

  run = descry_run_new (descry_pipeline_device (refiner->pipeline), cancellable);
  input = descry_run_tensor4 (run, n, DESCRY_TAGGER_SIDE, DESCRY_TAGGER_SIDE, 3);
  descry_run_write (run, input, pixels, n * TAGGER_PIXELS);
  descry_efficientnet_run (net, run, input, &features, &pooled_rows, &rows);
  descry_run_read (run, rows, logits, (gsize) n * DESCRY_N_CLASSES);
  descry_run_read (run, pooled_rows, pooled, (gsize) n * DESCRY_N_FEATURES);

  return descry_run_finish (run, error);
}

gboolean
descry_refiner_classify (DescryRefiner   *refiner,
                         const DescryBox *boxes,
                         guint            n,
                         float           *p,
                         float           *features,
                         float           *colors,
                         GCancellable    *cancellable,
                         GError         **error)
{
  float *pixels = descry_try_alloc (CROPS_AT_ONCE * TAGGER_PIXELS, sizeof (float));
  g_autofree float *logits = g_new (float, CROPS_AT_ONCE * DESCRY_N_CLASSES);
  g_autofree float *pooled = g_new (float, CROPS_AT_ONCE * DESCRY_N_FEATURES);
  gboolean ok = pixels != NULL;
  guint first, i, j;

  if (!ok)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory for %d crops", CROPS_AT_ONCE);

  for (first = 0; ok && first < n; first += CROPS_AT_ONCE / 2)
    {
      guint count = MIN (n - first, CROPS_AT_ONCE / 2);

      for (i = 0; ok && i < count; i++)
        {
          DescryBox box = boxes[first + i];
          DescryBox grown = descry_recipe_grow (box, SECOND_CROP, refiner->image->width, refiner->image->height);

          ok = descry_crop_for_tagger (refiner->work, descry_refiner_work_rect (refiner, box), pixels + 2 * i * TAGGER_PIXELS,
                                       colors != NULL ? colors + 3 * (first + i) : NULL, error)
               && descry_crop_for_tagger (refiner->work, descry_refiner_work_rect (refiner, grown), pixels + (2 * i + 1) * TAGGER_PIXELS, NULL, error);
        }
      ok = ok && run_tagger (refiner, pixels, 2 * count, logits, pooled, cancellable, error);
      for (i = 0; ok && i < count; i++)
        {
          descry_naming_probabilities (logits + (gsize) 2 * i * DESCRY_N_CLASSES, 2, p + (gsize) (first + i) * DESCRY_N_CLASSES);
          for (j = 0; features != NULL && j < DESCRY_N_FEATURES; j++)
            features[(gsize) (first + i) * DESCRY_N_FEATURES + j] = 0.5f * (pooled[(gsize) 2 * i * DESCRY_N_FEATURES + j]
                                                                            + pooled[(gsize) (2 * i + 1) * DESCRY_N_FEATURES + j]);
        }
    }
  descry_free (pixels);

  return ok;
}

gboolean
descry_refiner_describe (DescryRefiner   *refiner,
                         const DescryBox *boxes,
                         guint            n,
                         float           *features,
                         float           *colors,
                         GCancellable    *cancellable,
                         GError         **error)
{
  g_autofree float *p = g_new (float, (gsize) MAX (n, 1) * DESCRY_N_CLASSES);

  return descry_refiner_classify (refiner, boxes, n, p, features, colors, cancellable, error);
}

gboolean
descry_refiner_tag (DescryRefiner *refiner,
                    GCancellable  *cancellable,
                    GError       **error)
{
  DescryRect whole = { 0, 0, refiner->work->width, refiner->work->height };
  gint64 start = g_get_monotonic_time ();
  g_autofree float *logits = NULL, *pooled = NULL;
  float *pixels;
  gboolean ok;

  if (!descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_TAGGER, NULL))
    return TRUE;

  pixels = descry_try_alloc (TAGGER_PIXELS, sizeof (float));
  if (pixels == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory for a crop");
      return FALSE;
    }
  logits = g_new (float, DESCRY_N_CLASSES);
  pooled = g_new (float, DESCRY_N_FEATURES);
  ok = descry_crop_for_tagger (refiner->work, whole, pixels, NULL, error)
       && run_tagger (refiner, pixels, 1, logits, pooled, cancellable, error);
  descry_free (pixels);
  if (ok)
    {
      if (refiner->p == NULL)
        refiner->p = g_new (float, DESCRY_N_CLASSES);
      descry_naming_probabilities (logits, 1, refiner->p);
      descry_refiner_add_time (refiner, "tagger", start);
    }

  return ok;
}

/* NanoDet's boxes, suppressed. */
static gboolean
run_nanodet (DescryRefiner *refiner,
             DescryNanodet *net,
             GArray        *detections,
             GCancellable  *cancellable,
             GError       **error)
{
  static const guint strides[3] = { 8, 16, 32 };
  DescryLetterbox letterbox = descry_letterbox (refiner->image->width, refiner->image->height, DESCRY_NANODET_SIDE);
  g_autoptr (DescryRun) run = NULL;
  DescryTensor input, classes[3], boxes[3];
  float *buffer, *scores, *logits;
  guint i;

  /* One buffer: first the pixels, then what comes back (3549 cells of 80 + 44 are fewer). */
  buffer = descry_try_alloc ((gsize) DESCRY_NANODET_SIDE * DESCRY_NANODET_SIDE * 3, sizeof (float));
  if (buffer == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "detector: no memory for the picture");
      return FALSE;
    }
  if (!descry_crop_for_nanodet (refiner->work, &letterbox, buffer, error))
    {
      descry_free (buffer);
      return FALSE;
    }

  run = descry_run_new (descry_pipeline_device (refiner->pipeline), cancellable);
  input = descry_run_tensor4 (run, 1, DESCRY_NANODET_SIDE, DESCRY_NANODET_SIDE, 3);
  descry_run_write (run, input, buffer, (gsize) DESCRY_NANODET_SIDE * DESCRY_NANODET_SIDE * 3);
  descry_nanodet_run (net, run, input, classes, boxes);
  for (i = 0; i < 3 && descry_run_ok (run); i++)
    {
      gsize cells = ((gsize) DESCRY_NANODET_SIDE / strides[i]) * (DESCRY_NANODET_SIDE / strides[i]);

      scores = buffer;
      logits = buffer + cells * DESCRY_N_COCO;
      descry_run_read (run, classes[i], scores, cells * DESCRY_N_COCO);
      descry_run_read (run, boxes[i], logits, cells * 44);
      if (descry_run_ok (run))
        descry_nanodet_decode (detections, scores, logits, strides[i], &letterbox, 0.30f);
    }
  descry_free (buffer);
  descry_detections_suppress (detections, 0.6);

  return descry_run_finish (run, error);
}

static gboolean
run_centernet (DescryRefiner   *refiner,
               DescryCenternet *net,
               GArray          *detections,
               GCancellable    *cancellable,
               GError         **error)
{
  const gsize side = DESCRY_CENTERNET_SIDE / 4, cells = side * side;
  DescryLetterbox letterbox = descry_letterbox (refiner->image->width, refiner->image->height, DESCRY_CENTERNET_SIDE);
  g_autoptr (DescryRun) run = NULL;
  DescryTensor input, classes, sizes;
  float *buffer;

  /* First the pixels, then what comes back: 84 numbers a cell of 4 x 4 pixels. */
  buffer = descry_try_alloc (cells * (DESCRY_N_COCO + 4), sizeof (float));
  if (buffer == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "detector: no memory for the picture");
      return FALSE;
    }
  if (!descry_crop_for_centernet (refiner->work, &letterbox, buffer, error))
    {
      descry_free (buffer);
      return FALSE;
    }

  run = descry_run_new (descry_pipeline_device (refiner->pipeline), cancellable);
  input = descry_run_tensor4 (run, 1, DESCRY_CENTERNET_SIDE, DESCRY_CENTERNET_SIDE, 3);
  descry_run_write (run, input, buffer, (gsize) DESCRY_CENTERNET_SIDE * DESCRY_CENTERNET_SIDE * 3);
  descry_centernet_run (net, run, input, &classes, &sizes);
  descry_run_read (run, classes, buffer, cells * DESCRY_N_COCO);
  descry_run_read (run, sizes, buffer + cells * DESCRY_N_COCO, cells * 4);
  if (descry_run_ok (run))
    descry_centernet_decode (detections, buffer, buffer + cells * DESCRY_N_COCO, (guint) side, &letterbox, 0.35f);
  descry_free (buffer);

  return descry_run_finish (run, error);
}

/* Names of the candidates; without a classifier the detectors' own. */
static gboolean
name_candidates (DescryRefiner *refiner,
                 GArray        *candidates,
                 GCancellable  *cancellable,
                 GError       **error)
{
  gboolean classify = descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_TAGGER, NULL);
  guint n = candidates->len, i;
  g_autofree DescryBox *boxes = g_new (DescryBox, MAX (n, 1));
  g_autofree float *p = g_new0 (float, (gsize) MAX (n, 1) * DESCRY_N_CLASSES);
  g_autofree float *features = g_new0 (float, (gsize) MAX (n, 1) * DESCRY_N_FEATURES);
  g_autofree float *colors = g_new0 (float, 3 * MAX (n, 1));

  for (i = 0; i < n; i++)
    boxes[i] = g_array_index (candidates, DescryCandidate, i).box;
  if (classify && !descry_refiner_classify (refiner, boxes, n, p, features, colors, cancellable, error))
    return FALSE;

  for (i = 0; i < n; i++)
    {
      const DescryCandidate *candidate = &g_array_index (candidates, DescryCandidate, i);
      DescryObject *object = g_new0 (DescryObject, 1);

      object->box = candidate->box;
      object->source = DESCRY_SOURCE_DETECTOR;
      if (classify)
        {
          DescryName name = descry_naming_of_box (candidate, p + (gsize) i * DESCRY_N_CLASSES);

          object->name = g_strdup (name.name);
          object->finer = g_strdup (descry_naming_finer (&name));
          object->score = name.score;
          object->feature = g_memdup2 (features + (gsize) i * DESCRY_N_FEATURES, DESCRY_N_FEATURES * sizeof (float));
          object->n_feature = DESCRY_N_FEATURES;
          memcpy (object->color, colors + 3 * i, sizeof object->color);
        }
      else
        {
          guint best = 0, class;

          for (class = 1; class < DESCRY_N_COCO; class++)
            if (candidate->votes[class] > candidate->votes[best])
              best = class;
          object->name = g_strdup (descry_nouns ()->coco[best].name);
          object->score = candidate->votes[best];
        }
      g_ptr_array_add (refiner->found, object);
      g_array_append_val (refiner->boxes, boxes[i]);
    }

  return TRUE;
}

gboolean
descry_refiner_detect (DescryRefiner *refiner,
                       GCancellable  *cancellable,
                       GError       **error)
{
  g_autoptr (GArray) first = g_array_new (FALSE, FALSE, sizeof (DescryDetection));
  g_autoptr (GArray) second = g_array_new (FALSE, FALSE, sizeof (DescryDetection));
  GArray *lists[2] = { first, second };
  g_autoptr (GArray) candidates = NULL;
  DescryNanodet *nanodet;
  DescryCenternet *centernet;
  gint64 start;

  if (!descry_pipeline_has (refiner->pipeline, DESCRY_SLOT_DETECTOR, NULL))
    return TRUE;
  if (!descry_pipeline_detectors (refiner->pipeline, &nanodet, &centernet, cancellable, error))
    return FALSE;

  start = g_get_monotonic_time ();
  if (nanodet != NULL && !run_nanodet (refiner, nanodet, first, cancellable, error))
    return FALSE;
  if (centernet != NULL && !run_centernet (refiner, centernet, second, cancellable, error))
    return FALSE;
  candidates = descry_detections_vote (lists, 2, 0.55);
  descry_refiner_add_time (refiner, "detector", start);

  start = g_get_monotonic_time ();
  if (!name_candidates (refiner, candidates, cancellable, error))
    return FALSE;
  descry_refiner_add_time (refiner, "tagger", start);

  return TRUE;
}

/* IS-Net on @rect: @output stays on the device. NULL: error. */
static DescryRun *
run_isnet (DescryRefiner *refiner,
           DescryRect     rect,
           DescryTensor  *output,
           GCancellable  *cancellable,
           GError       **error)
{
  const gsize n = (gsize) DESCRY_ISNET_SIDE * DESCRY_ISNET_SIDE;
  DescryIsnet *net = descry_pipeline_segmenter (refiner->pipeline, cancellable, error);
  DescryRun *run;
  DescryTensor input;
  float *pixels;

  if (net == NULL)
    return NULL;
  pixels = descry_try_alloc (n * 3, sizeof (float));
  if (pixels == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "segmenter: no memory for a crop");
      return NULL;
    }
  if (!descry_crop_for_isnet (refiner->work, rect, pixels, error))
    {
      descry_free (pixels);
      return NULL;
    }

  run = descry_run_new (descry_pipeline_device (refiner->pipeline), cancellable);
  input = descry_run_tensor4 (run, 1, DESCRY_ISNET_SIDE, DESCRY_ISNET_SIDE, 3);
  descry_run_write (run, input, pixels, n * 3);
  descry_free (pixels);
  descry_isnet_run (net, run, input, output);

  return run;
}

gboolean
descry_refiner_matte (DescryRefiner *refiner,
                      DescryRect     rect,
                      float         *alpha,
                      GCancellable  *cancellable,
                      GError       **error)
{
  DescryTensor output;
  g_autoptr (DescryRun) run = run_isnet (refiner, rect, &output, cancellable, error);

  if (run == NULL)
    return FALSE;
  descry_run_read (run, output, alpha, (gsize) DESCRY_ISNET_SIDE * DESCRY_ISNET_SIDE);

  return descry_run_finish (run, error);
}

GArray *
descry_refiner_proposals (DescryRun   *run,
                          DescryTensor alpha,
                          gboolean     on_device,
                          guint        width,
                          guint        height,
                          GArray      *taken,
                          GError     **error)
{
  const guint side = alpha.shape[0], n = side / DESCRY_RECIPE_CELL;
  const gsize count = on_device ? (gsize) n * n : (gsize) side * side;
  /* Labels or alpha: both are four bytes an element. */
  void *found = descry_try_alloc (count, sizeof (float));
  GArray *boxes = NULL;
  gint32 n_parts = 0;

  if (found == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "proposals: no memory for %u x %u", side, side);
      return NULL;
    }

  if (on_device)
    {
      DescryTensor bits = descry_run_tensor (run, DESCRY_U8, 2, (guint[]) { n, n }), labels = descry_run_tensor (run, DESCRY_I32, 2, (guint[]) { n, n });
      DescryTensor parts = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { 1 });

      op_squares_set (run, bits, alpha, DESCRY_RECIPE_CELL, DESCRY_RECIPE_ALPHA);
      op_components (run, labels, parts, bits);
      descry_run_read (run, labels, found, count);
      descry_run_read (run, parts, &n_parts, 1);
      descry_run_release (run, &bits);
      descry_run_release (run, &labels);
      descry_run_release (run, &parts);
      if (descry_run_finish (run, error))
        boxes = descry_recipe_part_boxes (found, n, (guint) n_parts, width, height, taken);
    }
  else
    {
      descry_run_read (run, alpha, found, count);
      if (descry_run_finish (run, error))
        boxes = descry_recipe_proposals (found, side, width, height, taken, error);
    }
  descry_free (found);

  return boxes;
}

GArray *
descry_refiner_find_proposals (DescryRefiner *refiner,
                               GCancellable  *cancellable,
                               GError       **error)
{
  DescryRect whole = { 0, 0, refiner->work->width, refiner->work->height };
  DescryTensor alpha;
  g_autoptr (DescryRun) run = run_isnet (refiner, whole, &alpha, cancellable, error);
  gboolean unified;

  if (run == NULL)
    return NULL;
  /* After an error there is no alpha. */
  if (!descry_run_ok (run))
    {
      descry_run_finish (run, error);
      return NULL;
    }
  /* Where the memory is the host's, reading alpha is a copy, and eight small launches cost more than the work: SPEED.md. */
  unified = descry_device_info (descry_pipeline_device (refiner->pipeline))->unified;

  return descry_refiner_proposals (run, descry_tensor_reshape (alpha, 2, (guint[]) { DESCRY_ISNET_SIDE, DESCRY_ISNET_SIDE }), !unified,
                                   refiner->image->width, refiner->image->height, refiner->boxes, error);
}
