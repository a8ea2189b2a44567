/* stock.h - cut-outs and landscapes that synthetic pictures are made of
 *
 * They come from Debian packages that are unpacked side by side below one folder, FOLDER/PACKAGE/usr/share/…
 * (./dev pictures fetches them); nothing of them is in the source tree. Which file shows what is in
 * resources/tables/cut-outs.tsv (photographs), clip-art.tsv (drawings and emoji) and landscapes.tsv.
 *
 * A file's split follows from its base name without extension (descry_split_of()); a composition uses files of one
 * split only.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/image/image.h"
#include "compute/train/scene-text.h"

G_BEGIN_DECLS

typedef struct
{
  char       *name; /* base name without extension */
  char       *noun;
  const char *color; /* the word for most of it, or NULL */
  DescrySplit split;
  guint       width, height; /* cut to what is not transparent */
  guint8     *rgba; /* [height, width, 4], not premultiplied; descry_free() */
} DescryCutout;

typedef struct
{
  char        *name;
  char        *scene; /* "desert", "city", …; NULL: nothing that one word says */
  DescrySplit  split;
  DescryImage *image;
} DescryLandscape;

typedef struct
{
  GPtrArray *cutouts[3]; /* of DescryCutout, by split */
  GPtrArray *landscapes[3]; /* of DescryLandscape */
  guint      missing; /* files of the tables that were not there or could not be read */
} DescryStock;

/* Reads all files of the tables. An error if a split has no cut-out or no landscape. Without @clip_art a composition of a
 * seed is the same whether or not drawings are there. */
DescryStock *descry_stock_load (const char *folder, gboolean clip_art, GCancellable *cancellable, GError **error);
void         descry_stock_free (DescryStock *stock);

/* An RGBA picture from PNG bytes, bounded; NULL if it is none. */
DescryCutout *descry_cutout_from_png (const guint8 *bytes, gsize n);
void          descry_cutout_free     (DescryCutout *cutout);

/* The everyday word for a colour; components 0..255. */
const char  *descry_color_word (guint r, guint g, guint b);

/* TRUE if some training cut-out shows the same thing. */
gboolean     descry_stock_trains (DescryStock *stock, const char *noun);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryStock, descry_stock_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryCutout, descry_cutout_free)

G_END_DECLS
