/* image.c - upright 8-bit RGB pictures
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-image"

#include "config.h"

#include "compute/image/image.h"

#include <sys/mman.h>

#include "compute/image/decode-protocol.h"
#include "compute/memory.h"

DescryImage *
descry_image_new (guint    width,
                  guint    height,
                  GError **error)
{
  DescryImage *image;
  guint8 *pixels;

  if (width < 1 || height < 1 || width > DESCRY_IMAGE_MAX_SIDE || height > DESCRY_IMAGE_MAX_SIDE ||
      (guint64) width * height > DESCRY_IMAGE_MAX_PIXELS)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE,
                   "picture of %u × %u: expected sides of 1 to %u pixels and at most %u megapixels",
                   width, height, DESCRY_IMAGE_MAX_SIDE, DESCRY_IMAGE_MAX_PIXELS / 1000000);
      return NULL;
    }

  pixels = descry_try_alloc ((gsize) width * height, 3);
  if (pixels == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory for a picture of %u × %u", width, height);
      return NULL;
    }

  image = g_new0 (DescryImage, 1);
  g_atomic_ref_count_init (&image->refs);
  image->width = width;
  image->height = height;
  image->pixels = pixels;

  return image;
}

DescryImage *
descry_image_ref (DescryImage *image)
{
  g_return_val_if_fail (image != NULL, NULL);

  g_atomic_ref_count_inc (&image->refs);
  return image;
}

void
descry_image_unref (DescryImage *image)
{
  if (image == NULL || !g_atomic_ref_count_dec (&image->refs))
    return;

  if (image->mapped > 0)
    munmap (image->pixels - sizeof (DescryDecodeHeader), image->mapped);
  else
    descry_free (image->pixels);
  image->pixels = NULL;
  g_free (image);
}

char *
descry_image_hash (DescryImage *image)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint32 size[2];

  g_return_val_if_fail (image != NULL, NULL);

  /* The sides belong to it: 2 × 8 and 4 × 4 of one colour are different pictures. */
  size[0] = GUINT32_TO_LE (image->width);
  size[1] = GUINT32_TO_LE (image->height);
  g_checksum_update (checksum, (const guchar *) size, sizeof size);
  g_checksum_update (checksum, image->pixels, (gssize) image->width * image->height * 3);

  return g_strdup (g_checksum_get_string (checksum));
}

void
descry_image_normalise (DescryImage *image,
                        const float  mean[3],
                        const float  scale[3],
                        gboolean     bgr,
                        float       *out) /* [height, width, 3] */
{
  const guint8 *in;
  gsize i, n;
  guint first = bgr ? 2 : 0, last = bgr ? 0 : 2;

  g_return_if_fail (image != NULL);

  in = image->pixels;
  n = (gsize) image->width * image->height;
  for (i = 0; i < n; i++, in += 3, out += 3)
    {
      out[0] = ((float) in[first] - mean[0]) * scale[0];
      out[1] = ((float) in[1] - mean[1]) * scale[1];
      out[2] = ((float) in[last] - mean[2]) * scale[2];
    }
}
