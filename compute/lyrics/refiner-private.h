/* refiner-private.h - shared by the refiner's files
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/crops.h"
#include "compute/lyrics/recipe.h"
#include "compute/lyrics/refiner.h"

G_BEGIN_DECLS

#define DESCRY_N_FEATURES 1280 /* of the classifier's pooled rows */

struct _DescryRefiner
{
  DescryPipeline *pipeline; /* not owned */
  DescryImage    *image;
  DescryImage    *work; /* the copy that is worked on, or the picture itself */
  char           *file;
  float           scale_x, scale_y; /* pixels of the picture for one of the copy */

  GPtrArray  *found; /* of DescryObject; boxes in the picture's pixels; id 0: never shown so far */
  GArray     *boxes; /* DescryBox of every place the detectors named, kept or not */
  guint       next_id;
  GHashTable *without_mask; /* ids whose mask came out empty */
  float      *p; /* [1000] of the whole picture, or NULL */
  GPtrArray  *timing;
  DescryScene *scene; /* of a refiner that goes on from one */
};

/* Classifier on each box and the box grown by 10 %: @p [n, 1000]; @features and @colors may be NULL.
 * @boxes in the picture's pixels. */
gboolean descry_refiner_classify (DescryRefiner *refiner, const DescryBox *boxes, guint n, float *p, float *features, float *colors,
                                  GCancellable *cancellable, GError **error);

/* IS-Net on @rect of the copy: @alpha [512, 512]. */
gboolean descry_refiner_matte (DescryRefiner *refiner, DescryRect rect, float *alpha, GCancellable *cancellable, GError **error);

/* Boxes that IS-Net's @alpha f32 [side, side] on the device proposes (descry_recipe_proposals()). @on_device: the parts are found
 * there and their numbers come back, 1/16 of the bytes; else alpha comes back whole. The boxes are the same. */
GArray  *descry_refiner_proposals (DescryRun *run, DescryTensor alpha, gboolean on_device, guint width, guint height, GArray *taken, GError **error);

/* IS-Net on the whole copy, and its proposals. */
GArray  *descry_refiner_find_proposals (DescryRefiner *refiner, GCancellable *cancellable, GError **error);

/* Between the copy's pixels and the picture's. */
DescryRect descry_refiner_work_rect (DescryRefiner *refiner, DescryBox box);
DescryBox  descry_refiner_picture_box (DescryRefiner *refiner, DescryRect rect);

void     descry_refiner_add_time (DescryRefiner *refiner, const char *stage, gint64 since);

G_END_DECLS
