/* mask.h - binary masks as COCO run lengths
 *
 * Runs go down the columns, zeros first, as in the COCO format; the compressed string is
 * pycocotools'.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

#include "compute/error.h"

G_BEGIN_DECLS

/* Immutable once made; counted. */
typedef struct
{
  gatomicrefcount refs;
  guint   width; /* of the whole picture, pixels */
  guint   height;
  guint   x0, y0, x1, y1; /* tight bounds of the set pixels; empty mask: all zero */
  guint64 area; /* set pixels */
  guint32 *runs;
  gsize   n_runs;
} DescryMask;

/* @bits [h, w] of the part at (x, y); everything else of the picture is unset. Non-zero is set. */
DescryMask *descry_mask_new   (guint width, guint height, guint x, guint y, guint w, guint h, const guint8 *bits, GError **error);
DescryMask *descry_mask_ref   (DescryMask *mask);
void        descry_mask_unref (DescryMask *mask);

char       *descry_mask_to_coco   (DescryMask *mask); /* compressed counts */
DescryMask *descry_mask_from_coco (guint width, guint height, const char *counts, GError **error);

/* @bits [y1 - y0, x1 - x0] of the rectangle, 0 or 255. */
void        descry_mask_render (DescryMask *mask, guint x0, guint y0, guint x1, guint y1, guint8 *bits);
gboolean    descry_mask_hit    (DescryMask *mask, guint x, guint y);
double      descry_mask_iou    (DescryMask *a, DescryMask *b);

/* 4-connected components of @bits [h, w]: labels 1.. in @labels, 0 elsewhere. Returns the number. */
guint       descry_mask_components (const guint8 *bits, guint width, guint height, guint32 *labels);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryMask, descry_mask_unref)

G_END_DECLS
