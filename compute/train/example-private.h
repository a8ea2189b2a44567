/* example-private.h - shared by the reader and the writer of picture sets
 *
 * PATH.features: DESCRY_FEATURES_MAGIC, then channels and row width (u32 each), then records:
 *
 *   key [32] · grid height, grid width, rows (u32 each) · FNV-1a of the halves (u32) · halves [h w channels + rows row_width]
 *
 * little-endian as the machine. A record that was not written to its end is cut off by the next writer.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/example.h"

G_BEGIN_DECLS

#define DESCRY_FEATURES_MAGIC "DescryF1"
#define DESCRY_FEATURES_HEADER 16
#define DESCRY_FEATURES_MAX_WIDTH 16384
#define DESCRY_FEATURES_MAX_ROWS 4096

typedef struct
{
  guint8  key[32];
  guint32 grid_height, grid_width, rows, check;
} DescryFeatureRecord; /* 48 bytes, no gaps */

#define DESCRY_PICTURE_LINE_LIMIT (1 << 22)

/* Halves of a record; 0: sizes out of range. */
gsize    descry_feature_record_halves (const DescryFeatureRecord *record, guint channels, guint row_width);
guint32  descry_picture_features_check (const guint16 *halves, gsize n);
gboolean descry_picture_features_parse_key (const char *hex, guint8 key[32]);

/* Halves into the floats of @picture. FALSE: no memory. */
gboolean descry_picture_features_unpack (DescryPicture *picture, const DescryFeatureRecord *record, guint channels, guint row_width, const guint16 *halves);

/* One line of the list, without its features. */
json_t        *descry_picture_to_json   (const DescryPicture *picture);
DescryPicture *descry_picture_from_json (json_t *json, GError **error);

G_END_DECLS
