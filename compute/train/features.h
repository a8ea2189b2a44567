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

typedef struct _DescryPictureFeatures DescryPictureFeatures;

/* @pipeline must outlive it. */
DescryPictureFeatures *descry_picture_features_new  (DescryPipeline *pipeline, GCancellable *cancellable, GError **error);
void            descry_picture_features_free (DescryPictureFeatures *features);
guint           descry_picture_features_channels  (DescryPictureFeatures *features);
guint           descry_picture_features_row_width (DescryPictureFeatures *features);

/* The key of @picture's features: pixels, boxes, scores and weights. (transfer full) */
char           *descry_picture_features_key  (DescryPictureFeatures *features, DescryImage *image, const DescryPicture *picture);

/* Fills grid, rows and the objects' mean colours. */
gboolean        descry_picture_features_make (DescryPictureFeatures *features, DescryImage *image, DescryPicture *picture, GCancellable *cancellable, GError **error);

/* Features that @writer kept from an earlier time, or made now; then the picture is added to @writer. */
gboolean        descry_picture_features_add  (DescryPictureFeatures *features, DescryPictureWriter *writer, DescryImage *image, DescryPicture *picture,
                                      GCancellable *cancellable, GError **error);

/* Replaces the objects by those that the refiner finds in @image (score >= 0.5): what the connector meets at run time. Labels
 * and questions follow, as descry_annotations_relabel() says; @labelled is its. */
gboolean        descry_picture_features_detect (DescryPictureFeatures *features, DescryImage *image, DescryPicture *picture, GArray *labelled,
                                      GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryPictureFeatures, descry_picture_features_free)

G_END_DECLS
