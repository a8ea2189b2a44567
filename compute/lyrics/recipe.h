/* recipe.h - from named boxes to the objects and tags of a scene
 *
 * Pure host logic: proposals, what displaces what, the final choice, the tags (models/compact.md 7,
 * steps 5 to 7).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/naming.h"

G_BEGIN_DECLS

/* Proposals are the connected parts of cells whose mean alpha is high: 512 pixels become 128 cells. */
#define DESCRY_RECIPE_CELL  4
#define DESCRY_RECIPE_ALPHA 0.5f

/**
 * descry_recipe_proposals:
 * @alpha: [side, side], 0..1, of the whole picture squashed to a square; @side a multiple of 4
 * @width: of the picture, pixels
 * @taken: (element-type DescryBox): boxes that are there already
 *
 * Returns: (transfer full) (element-type DescryBox): boxes of the connected parts that no taken box covers,
 * largest part first, or %NULL
 */
GArray   *descry_recipe_proposals (const float *alpha, guint side, guint width, guint height, GArray *taken, GError **error);

/* The same from the parts' numbers 1.. to @n_parts, @labels [n, n], 0 where there is none. */
GArray   *descry_recipe_part_boxes (const guint32 *labels, guint n, guint n_parts, guint width, guint height, GArray *taken);

/* Adds @proposal (transfer full) to @found (of DescryObject) unless a better one of its kind is there; what it
 * displaces is removed. TRUE if it was added. */
gboolean  descry_recipe_add_proposal (GPtrArray *found, DescryObject *proposal);

/* The objects that stay, best first: (transfer container) (element-type DescryObject), pointers into @found. */
GPtrArray *descry_recipe_final (GPtrArray *found);

/* @p [1000] of the whole picture; objects of @scene from @threshold on count. Replaces the tags. */
void      descry_recipe_tags (DescryScene *scene, const float *p, float threshold);

/* @box grown by @part of its width and height on every side, inside the picture. */
DescryBox descry_recipe_grow (DescryBox box, float part, guint width, guint height);

G_END_DECLS
