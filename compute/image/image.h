/* image.h - upright 8-bit RGB pictures, decoded elsewhere, resized exactly as Pillow does
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/error.h"

G_BEGIN_DECLS

/* Immutable once made; counted. */
typedef struct
{
  gatomicrefcount refs;
  guint   width;  /* pixels, 1..65535 */
  guint   height;
  guint8 *pixels; /* [height, width, 3], rows without gaps */
  /*< private >*/
  gsize   mapped; /* bytes of a mapping that holds the pixels, or 0: descry_free() */
} DescryImage;

DescryImage *descry_image_new   (guint width, guint height, GError **error); /* black */
DescryImage *descry_image_ref   (DescryImage *image);
void         descry_image_unref (DescryImage *image);

#define DESCRY_IMAGE_MAX_SIDE   65535
#define DESCRY_IMAGE_MAX_PIXELS 200000000

/* Decodes JPEG, PNG or WebP by content in a separate limited process (`descry-decode`), EXIF
 * orientation applied, alpha dropped. Waits: not for the main thread. The error is
 * %DESCRY_ERROR_DECODE with a reason a person can read, or cancelled. */
DescryImage *descry_image_load       (const char *path, GCancellable *cancellable, GError **error);
DescryImage *descry_image_load_bytes (GBytes *bytes, const char *name, GCancellable *cancellable, GError **error);

/* For the window: the same in a GTask thread. */
void         descry_image_load_async  (GFile *file, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
DescryImage *descry_image_load_finish (GAsyncResult *result, GError **error);

gboolean     descry_image_save_png   (DescryImage *image, const char *path, GError **error);

/* SHA-256 of size and pixels, hex: the key of a picture in caches and library. */
char        *descry_image_hash (DescryImage *image);

typedef enum { DESCRY_FILTER_BOX, DESCRY_FILTER_BILINEAR, DESCRY_FILTER_BICUBIC, DESCRY_FILTER_LANCZOS } DescryFilter;

/* Pixels [x0, x1) x [y0, y1) of @image (clamped) to @width x @height, bit for bit Pillow's
 * Image.crop().resize(). */
DescryImage *descry_image_resize (DescryImage *image, guint x0, guint y0, guint x1, guint y1,
                                  guint width, guint height, DescryFilter filter, GError **error);

/* out[h, w, 3] = (pixel - mean[c]) * scale[c]; @bgr swaps the first and third channel first. */
void         descry_image_normalise (DescryImage *image, const float mean[3], const float scale[3], gboolean bgr, float *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryImage, descry_image_unref)

G_END_DECLS
