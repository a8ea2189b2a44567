/* detections.h - from the detectors' numbers to boxes of the picture
 *
 * Pure host arithmetic: letterbox geometry, the two decoders, suppression, and the vote that joins
 * both detectors' boxes (models/compact.md 4a, 4b, 7).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/nouns.h"
#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

/* A picture inside a square of @size, its aspect kept, centred. */
typedef struct
{
  guint size;
  guint width, height; /* of the picture inside, pixels of the square */
  guint left, top;
  float scale_x, scale_y; /* pixels of the picture for one of the square */
} DescryLetterbox;

DescryLetterbox descry_letterbox (guint width, guint height, guint size);

/* From the square to the picture, clipped to the picture. */
DescryBox       descry_letterbox_undo (const DescryLetterbox *letterbox, DescryBox box);

typedef struct
{
  DescryBox box; /* pixels of the picture */
  guint     class; /* of the detectors' 80 */
  float     score;
} DescryDetection;

/* @classes [cells, 80], @boxes [cells, 44] of one stride; appends those >= @threshold. */
void descry_nanodet_decode   (GArray *detections, const float *classes, const float *boxes, guint stride,
                              const DescryLetterbox *letterbox, float threshold);

/* @classes [side, side, 80], @sizes [side, side, 4]: left, top, right, bottom; appends the peaks >= @threshold. */
void descry_centernet_decode (GArray *detections, const float *classes, const float *sizes, guint side,
                              const DescryLetterbox *letterbox, float threshold);

/* Sorts by score and drops a box that overlaps a better one of its class by more than @iou. */
void descry_detections_suppress (GArray *detections, double iou);

/* What the detectors say about one place. */
typedef struct
{
  DescryBox box; /* of the best detection */
  float     score; /* of the best detection */
  float     votes[DESCRY_N_COCO]; /* 0: not voted for */
  guint     detectors; /* a bit for each that took part */
} DescryCandidate;

/* Joins the detections of @n detectors: (transfer full) (element-type DescryCandidate), best first. */
GArray *descry_detections_vote (GArray **detections, guint n, double iou);

G_END_DECLS
