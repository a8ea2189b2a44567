/* crops.h - pixels of a picture as the networks want them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/detections.h"

G_BEGIN_DECLS

#define DESCRY_TAGGER_SIDE    224
#define DESCRY_NANODET_SIDE   416
#define DESCRY_CENTERNET_SIDE 512
#define DESCRY_ISNET_SIDE     512

/* A rectangle of whole pixels. */
typedef struct { guint x0, y0, x1, y1; } DescryRect;

/* The pixels that @box covers, at least one. */
DescryRect descry_crop_rect (DescryBox box, guint width, guint height);

/* @out [224, 224, 3]; squashed, bicubic. @color (nullable): the mean of the crop, RGB 0..1. */
gboolean descry_crop_for_tagger (DescryImage *image, DescryRect rect, float *out, float *color, GError **error);

/* @out [512, 512, 3]; squashed, bilinear. */
gboolean descry_crop_for_isnet (DescryImage *image, DescryRect rect, float *out, GError **error);

/* The whole picture, its aspect kept; @out [side, side, 3]. */
gboolean descry_crop_for_nanodet   (DescryImage *image, const DescryLetterbox *letterbox, float *out, GError **error);
gboolean descry_crop_for_centernet (DescryImage *image, const DescryLetterbox *letterbox, float *out, GError **error);

G_END_DECLS
