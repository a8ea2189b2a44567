/* tiles.h - a photo and its masks as textures, made by workers
 *
 * A picture becomes a pyramid of halved copies; from it, tiles of 512 device pixels are cut at
 * exactly the scale on screen, so that drawing is a plain copy. While a scale is still changing
 * the old tiles, or a small overview behind them, are stretched: blurred for a moment, never
 * blank. Masks get one texture each, at the same scale.
 *
 * All functions are for the main thread; only the pixels are made elsewhere.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

typedef struct _DescryTiler DescryTiler;

/* Called when something new can be drawn. */
typedef void (*DescryTilerFunc) (gpointer data);

typedef struct
{
  guint tiles; /* made since the tiler was new */
  guint masks;
  guint pending;
  gsize bytes; /* held now in tiles and masks */
} DescryTilerStats;

DescryTiler *descry_tiler_new       (DescryTilerFunc changed, gpointer data);
void         descry_tiler_free      (DescryTiler *self);

/* NULL: no picture. */
void         descry_tiler_set_image (DescryTiler *self, DescryImage *image);

/* What is on screen: @scale in device pixels of one picture pixel, @visible in device pixels of the scaled
 * picture. Asks for what is missing, and for a ring around it. */
void         descry_tiler_set_view  (DescryTiler *self, double scale, const GdkRectangle *visible);

/* TRUE when the picture can be drawn. */
gboolean     descry_tiler_is_ready  (DescryTiler *self);

/* Draws the picture with its corner at (0, 0); @scale in application pixels of one picture pixel. */
void         descry_tiler_snapshot  (DescryTiler *self, GtkSnapshot *snapshot, double scale, int scale_factor, const graphene_rect_t *visible);

/* The texture of an object's mask, or %NULL while it is being made; its place in picture pixels. */
GdkTexture  *descry_tiler_mask      (DescryTiler *self, const DescryObject *object, graphene_rect_t *place);

/* Asks for the masks of the objects that @visible (picture pixels) shows, and forgets those of objects gone. */
void         descry_tiler_set_masks (DescryTiler *self, DescryScene *scene, const graphene_rect_t *visible);

void         descry_tiler_get_stats (DescryTiler *self, DescryTilerStats *stats);

G_END_DECLS
