/* refiner.h - tags, boxes, names, proposals and masks of one picture, step by step
 *
 * Belongs to the engine thread; a step blocks, and between two steps the engine may do something more
 * urgent. Objects keep their ids from step to step. An empty slot leaves its part out: without a
 * segmenter there are no masks, without a tagger the detectors' names stay.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/pipeline.h"
#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

typedef struct _DescryRefiner DescryRefiner;

DescryRefiner *descry_refiner_new  (DescryPipeline *pipeline, DescryImage *image, const char *file, GError **error);

/* Goes on from a scene that was made earlier. */
DescryRefiner *descry_refiner_open (DescryPipeline *pipeline, DescryImage *image, DescryScene *scene, GError **error);
void           descry_refiner_free (DescryRefiner *refiner);
DescryImage   *descry_refiner_image (DescryRefiner *refiner);

/* The steps of an analysis, in this order. Each may find its slot empty, which is no error. */
gboolean descry_refiner_tag     (DescryRefiner *refiner, GCancellable *cancellable, GError **error); /* of the whole picture */
gboolean descry_refiner_detect  (DescryRefiner *refiner, GCancellable *cancellable, GError **error); /* boxes and their names */
gboolean descry_refiner_propose (DescryRefiner *refiner, GCancellable *cancellable, GError **error); /* what the detectors missed */

/* The best object from @threshold on that has no mask yet; 0: none, or no segmenter. */
guint    descry_refiner_next_mask (DescryRefiner *refiner, float threshold);
gboolean descry_refiner_mask      (DescryRefiner *refiner, guint id, GCancellable *cancellable, GError **error);

/* A new object from a box, or from a point (x0 == x1 and y0 == y1). Returns its id, 0: error. */
guint    descry_refiner_segment (DescryRefiner *refiner, DescryBox box, GCancellable *cancellable, GError **error);

/* Pooled features [n, 1280] and mean colours [n, 3] of boxes in the picture's pixels, as the objects of an analysis get
 * them. Adds nothing to the scene. */
gboolean descry_refiner_describe (DescryRefiner *refiner, const DescryBox *boxes, guint n, float *features, float *colors,
                                  GCancellable *cancellable, GError **error);

/* A snapshot of what is known now. (transfer full) */
DescryScene *descry_refiner_scene (DescryRefiner *refiner);

/* Alpha [side, side] of a part, enlarged or reduced to @width x @height: 1 where it is >= 0.5. Exported for tests. */
void descry_refiner_alpha_to_bits (const float *alpha, guint side, guint width, guint height, guint8 *bits);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryRefiner, descry_refiner_free)

G_END_DECLS
