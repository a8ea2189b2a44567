/* webp.c - WebP through libwebp; of an animation only a message
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/image/decode/picture.h"

#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

static guint32
get32 (const guint8 *p)
{
  return (guint32) p[0] | (guint32) p[1] << 8 | (guint32) p[2] << 16 | (guint32) p[3] << 24;
}

/* Chunks after "RIFF size WEBP": name, size, content, padded to even. */
static guint
read_orientation (const guint8 *data,
                  gsize         size)
{
  gsize position = 12;

  while (position <= size && size - position >= 8)
    {
      guint32 length = get32 (data + position + 4);
      gboolean exif = memcmp (data + position, "EXIF", 4) == 0;

      position += 8;
      if (length > size - position)
        return 1;
      if (exif)
        return descry_exif_orientation (data + position, length);
      position += length;
      position += length & 1;
    }
  return 1;
}

static const char *
explain (VP8StatusCode code)
{
  switch (code)
    {
    case VP8_STATUS_OUT_OF_MEMORY:
      return "no memory to decode it";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "the file ends early";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "it uses a feature that is not supported";
    default:
      return "damaged WebP";
    }
}

gboolean
descry_picture_webp (DescryPicture *picture,
                     const guint8  *data,
                     gsize          size)
{
  WebPDecoderConfig config;
  VP8StatusCode code;
  guint8 *rgb;
  gsize row;
  guint y;

  if (!WebPInitDecoderConfig (&config))
    return descry_picture_fail (picture, "the WebP library is of another version");

  code = WebPGetFeatures (data, size, &config.input);
  if (code != VP8_STATUS_OK)
    return descry_picture_fail (picture, "%s", explain (code));
  if (config.input.has_animation)
    return descry_picture_fail (picture, "animated WebP pictures are not read");

  picture->orientation = read_orientation (data, size);
  if (!descry_picture_begin (picture, (guint) config.input.width, (guint) config.input.height))
    return FALSE;

  row = (gsize) picture->file_width * 3;
  rgb = picture->orientation == 1 ? picture->pixels : malloc (row * picture->file_height);
  if (rgb == NULL)
    return descry_picture_fail (picture, "no memory for %u × %u pixels", picture->file_width, picture->file_height);

  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = rgb;
  config.output.u.RGBA.stride = (int) row;
  config.output.u.RGBA.size = row * picture->file_height;
  code = WebPDecode (data, size, &config);
  WebPFreeDecBuffer (&config.output);

  if (rgb != picture->pixels)
    {
      if (code == VP8_STATUS_OK)
        for (y = 0; y < picture->file_height; y++)
          descry_picture_row (picture, y, rgb + y * row);
      free (rgb);
    }

  return code == VP8_STATUS_OK || descry_picture_fail (picture, "%s", explain (code));
}
