/* features.h - what the frozen networks say about a training picture
 *
 * The same code as at run time makes them: the encoder (compute/lyrics/encoder.h), the refiner's crops
 * (descry_refiner_describe) and the connector's rows (descry_connector_fill_rows).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/pipeline.h"
#include "compute/train/example.h"

G_BEGIN_DECLS

#define DESCRY_TRAIN_OCTAVES 4 /* of Fourier features in a row */

typedef struct _DescryFeatures DescryFeatures;

/* @pipeline must outlive it. */
DescryFeatures *descry_features_new  (DescryPipeline *pipeline, GCancellable *cancellable, GError **error);
void            descry_features_free (DescryFeatures *features);
guint           descry_features_channels  (DescryFeatures *features);
guint           descry_features_row_width (DescryFeatures *features);

/* The key of @picture's features: pixels, boxes, scores and weights. (transfer full) */
char           *descry_features_key  (DescryFeatures *features, DescryImage *image, const DescryPicture *picture);

/* Fills grid, rows and the objects' mean colours. */
gboolean        descry_features_make (DescryFeatures *features, DescryImage *image, DescryPicture *picture, GCancellable *cancellable, GError **error);

/* Features that @writer kept from an earlier time, or made now; then the picture is added to @writer. */
gboolean        descry_features_add  (DescryFeatures *features, DescryPictureWriter *writer, DescryImage *image, DescryPicture *picture,
                                      GCancellable *cancellable, GError **error);

/* Replaces the objects by those that the refiner finds in @image (score >= 0.5): what the connector meets at run time.
 * Captions and questions that point at no object stay. */
gboolean        descry_features_detect (DescryFeatures *features, DescryImage *image, DescryPicture *picture, GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryFeatures, descry_features_free)

G_END_DECLS
