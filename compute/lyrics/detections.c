/* detections.c - from the detectors' numbers to boxes of the picture
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-detections"

#include "config.h"

#include "compute/lyrics/detections.h"

#include <math.h>

#define NANODET_BINS 11 /* of a side's distance */

DescryLetterbox
descry_letterbox (guint width,
                  guint height,
                  guint size)
{
  double scale = (double) size / MAX (width, height);
  DescryLetterbox letterbox;

  letterbox.size = size;
  letterbox.width = CLAMP ((guint) lround (width * scale), 1, size);
  letterbox.height = CLAMP ((guint) lround (height * scale), 1, size);
  letterbox.left = (size - letterbox.width) / 2;
  letterbox.top = (size - letterbox.height) / 2;
  letterbox.scale_x = (float) width / (float) letterbox.width;
  letterbox.scale_y = (float) height / (float) letterbox.height;

  return letterbox;
}

DescryBox
descry_letterbox_undo (const DescryLetterbox *letterbox,
                       DescryBox              box)
{
  float left = (float) letterbox->left, top = (float) letterbox->top;
  float width = (float) letterbox->width, height = (float) letterbox->height;
  DescryBox result;

  result.x0 = CLAMP (box.x0 - left, 0.0f, width) * letterbox->scale_x;
  result.y0 = CLAMP (box.y0 - top, 0.0f, height) * letterbox->scale_y;
  result.x1 = CLAMP (box.x1 - left, 0.0f, width) * letterbox->scale_x;
  result.y1 = CLAMP (box.y1 - top, 0.0f, height) * letterbox->scale_y;

  return result;
}

/* Expectation of a softmax over the bins. */
static float
read_distance (const float *logits)
{
  float max = logits[0], sum = 0.0f, weighted = 0.0f;
  guint i;

  for (i = 1; i < NANODET_BINS; i++)
    max = MAX (max, logits[i]);
  for (i = 0; i < NANODET_BINS; i++)
    {
      float e = expf (logits[i] - max);

      sum += e;
      weighted += e * (float) i;
    }

  return weighted / sum;
}

static void
add_detection (GArray                *detections,
               const DescryLetterbox *letterbox,
               DescryBox              box,
               guint                  class,
               float                  score)
{
  DescryDetection detection = { descry_letterbox_undo (letterbox, box), class, score };

  /* Outside of the picture's part nothing is left; NaN compares false. */
  if (detection.box.x1 - detection.box.x0 >= 1.0f && detection.box.y1 - detection.box.y0 >= 1.0f)
    g_array_append_val (detections, detection);
}

void
descry_nanodet_decode (GArray                *detections,
                       const float           *classes,
                       const float           *boxes,
                       guint                  stride,
                       const DescryLetterbox *letterbox,
                       float                  threshold)
{
  guint side = letterbox->size / stride;
  guint x, y, class, i;

  for (y = 0; y < side; y++)
    for (x = 0; x < side; x++)
      {
        gsize cell = (gsize) y * side + x;
        const float *scores = classes + cell * DESCRY_N_COCO;
        const float *logits = boxes + cell * 4 * NANODET_BINS;
        float distance[4];
        gboolean have_box = FALSE;
        DescryBox box = { 0 };

        for (class = 0; class < DESCRY_N_COCO; class++)
          {
            if (!(scores[class] >= threshold))
              continue;
            if (!have_box)
              {
                /* Half a pixel off the cell's middle, as where the recipe's constants were chosen and measured
                 * (models/compact.md 4a); the middle itself measures the same. */
                float cx = ((float) x + 0.5f) * (float) stride - 0.5f, cy = ((float) y + 0.5f) * (float) stride - 0.5f;

                for (i = 0; i < 4; i++)
                  distance[i] = read_distance (logits + i * NANODET_BINS) * (float) stride;
                box = (DescryBox) { cx - distance[0], cy - distance[1], cx + distance[2], cy + distance[3] };
                have_box = TRUE;
              }
            add_detection (detections, letterbox, box, class, scores[class]);
          }
      }
}

/* No neighbour of the 3 x 3 surroundings is above it. */
static gboolean
is_peak (const float *classes,
         guint        side,
         guint        x,
         guint        y,
         guint        class)
{
  float value = classes[((gsize) y * side + x) * DESCRY_N_COCO + class];
  guint nx, ny;

  for (ny = y > 0 ? y - 1 : 0; ny <= MIN (y + 1, side - 1); ny++)
    for (nx = x > 0 ? x - 1 : 0; nx <= MIN (x + 1, side - 1); nx++)
      if (classes[((gsize) ny * side + nx) * DESCRY_N_COCO + class] > value)
        return FALSE;

  return TRUE;
}

void
descry_centernet_decode (GArray                *detections,
                         const float           *classes,
                         const float           *sizes,
                         guint                  side,
                         const DescryLetterbox *letterbox,
                         float                  threshold)
{
  float stride = (float) letterbox->size / (float) side;
  guint x, y, class;

  for (y = 0; y < side; y++)
    for (x = 0; x < side; x++)
      {
        gsize cell = (gsize) y * side + x;

        for (class = 0; class < DESCRY_N_COCO; class++)
          if (classes[cell * DESCRY_N_COCO + class] >= threshold && is_peak (classes, side, x, y, class))
            {
              const float *size = sizes + cell * 4;
              float cx = (float) x * stride, cy = (float) y * stride;
              DescryBox box = { cx - size[0], cy - size[1], cx + size[2], cy + size[3] };

              add_detection (detections, letterbox, box, class, classes[cell * DESCRY_N_COCO + class]);
            }
      }
}

static int
compare_detections (gconstpointer a,
                    gconstpointer b)
{
  const DescryDetection *first = a, *second = b;

  if (first->score != second->score)
    return first->score > second->score ? -1 : 1;
  /* A fixed order of equals, so that the same picture gives the same answer. */
  if (first->class != second->class)
    return first->class < second->class ? -1 : 1;
  if (first->box.x0 != second->box.x0)
    return first->box.x0 < second->box.x0 ? -1 : 1;
  return first->box.y0 < second->box.y0 ? -1 : first->box.y0 > second->box.y0;
}

void
descry_detections_suppress (GArray *detections,
                            double  iou)
{
  guint i, j, n_kept = 0;

  g_array_sort (detections, compare_detections);
  for (i = 0; i < detections->len; i++)
    {
      DescryDetection detection = g_array_index (detections, DescryDetection, i);

      for (j = 0; j < n_kept; j++)
        {
          const DescryDetection *kept = &g_array_index (detections, DescryDetection, j);

          if (kept->class == detection.class && descry_box_iou (kept->box, detection.box) > iou)
            break;
        }
      if (j == n_kept)
        g_array_index (detections, DescryDetection, n_kept++) = detection;
    }
  g_array_set_size (detections, n_kept);
}

typedef struct
{
  DescryDetection detection;
  guint           detector;
} Ballot;

static int
compare_ballots (gconstpointer a,
                 gconstpointer b)
{
  const Ballot *first = a, *second = b;
  int order = compare_detections (&first->detection, &second->detection);

  return order != 0 ? order : (int) first->detector - (int) second->detector;
}

static void
count_ballot (DescryCandidate *candidate,
              const Ballot    *ballot)
{
  float *vote = &candidate->votes[ballot->detection.class];
  float score = ballot->detection.score;

  /* Two detectors that agree are surer than one; the same detector again is no news. */
  if (*vote > 0.0f && (candidate->detectors & (1u << ballot->detector)) == 0)
    *vote = 1.0f - (1.0f - *vote) * (1.0f - score);
  else
    *vote = MAX (*vote, score);
  candidate->detectors |= 1u << ballot->detector;
}

GArray *
descry_detections_vote (GArray **detections,
                        guint    n,
                        double   iou)
{
  g_autoptr (GArray) ballots = g_array_new (FALSE, FALSE, sizeof (Ballot));
  GArray *candidates = g_array_new (FALSE, TRUE, sizeof (DescryCandidate));
  guint i, j;

  for (i = 0; i < n; i++)
    for (j = 0; j < detections[i]->len; j++)
      {
        Ballot ballot = { g_array_index (detections[i], DescryDetection, j), i };

        g_array_append_val (ballots, ballot);
      }
  g_array_sort (ballots, compare_ballots);

  for (i = 0; i < ballots->len; i++)
    {
      const Ballot *ballot = &g_array_index (ballots, Ballot, i);

      for (j = 0; j < candidates->len; j++)
        if (descry_box_iou (g_array_index (candidates, DescryCandidate, j).box, ballot->detection.box) > iou)
          break;
      if (j == candidates->len)
        {
          g_array_set_size (candidates, j + 1);
          g_array_index (candidates, DescryCandidate, j).box = ballot->detection.box;
          g_array_index (candidates, DescryCandidate, j).score = ballot->detection.score;
        }
      count_ballot (&g_array_index (candidates, DescryCandidate, j), ballot);
    }

  return candidates;
}
