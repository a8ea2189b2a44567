/* pyramid.h - a picture in halved copies, and tiles cut from them
 *
 * Plain data, immutable once made, counted: workers read it while the main thread draws.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

#define DESCRY_TILE_SIDE 512
#define DESCRY_PYRAMID_LEVELS 17 /* 65535 halved to 1 */

typedef struct
{
  guint         width;
  guint         height;
  const guint8 *pixels; /* [height, width, 3] */
} DescryLevel;

typedef struct
{
  gatomicrefcount refs;
  DescryImage    *image; /* level 0 */
  DescryLevel           levels[DESCRY_PYRAMID_LEVELS];
  guint           n_levels;
  GPtrArray      *overviews; /* of GdkTexture: small levels whole, large to small */
} DescryPyramid;

DescryPyramid *descry_pyramid_new   (DescryImage *image);
DescryPyramid *descry_pyramid_ref   (DescryPyramid *pyramid);
void           descry_pyramid_unref (DescryPyramid *pyramid);

/* Pixels [x, x + w) x [y, y + h) of the picture scaled to @total_w x @total_h; w and h up to DESCRY_TILE_SIDE.
 * NULL if memory is out. (transfer full) */
GdkTexture    *descry_pyramid_cut   (DescryPyramid *pyramid, guint total_w, guint total_h, guint x, guint y, guint w, guint h);

/* A part of a picture (picture pixels) as a texture that fits into @side; short work, for cards and chips. */
GdkTexture    *descry_crop_texture  (DescryImage *image, DescryBox box, guint side);

G_END_DECLS
