/* picture.c - from rows in file order to an upright picture
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/image/decode/picture.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

gboolean
descry_picture_fail (DescryPicture *picture,
                     const char    *format,
                     ...)
{
  va_list arguments;

  va_start (arguments, format);
  vsnprintf (picture->message, sizeof picture->message, format, arguments);
  va_end (arguments);
  return FALSE;
}

gboolean
descry_picture_begin (DescryPicture *picture,
                      guint          file_width,
                      guint          file_height)
{
  gboolean turned = picture->orientation >= 5;

  if (file_width < 1 || file_height < 1)
    return descry_picture_fail (picture, "the picture has %u × %u pixels", file_width, file_height);
  if (file_width > DESCRY_PICTURE_MAX_SIDE || file_height > DESCRY_PICTURE_MAX_SIDE || (guint64) file_width * file_height > picture->max_pixels)
    return descry_picture_fail (picture, "%u × %u pixels are too many: at most %u on a side and %u megapixels are read",
                                file_width, file_height, DESCRY_PICTURE_MAX_SIDE, (guint) (picture->max_pixels / 1000000));

  picture->file_width = file_width;
  picture->file_height = file_height;
  picture->width = turned ? file_height : file_width;
  picture->height = turned ? file_width : file_height;
  picture->pixels = picture->room (picture->data, picture->width, picture->height);
  if (picture->pixels == NULL)
    return descry_picture_fail (picture, "no memory for %u × %u pixels", file_width, file_height);
  return TRUE;
}

/* A row of the file is a row or a column of the upright picture, forwards or backwards:
 * orientation    1   2   3   4   5   6   7   8
 * row 0 is     top top bot bot lft rgt rgt lft
 * column 0 is  lft rgt rgt lft top top bot bot */
void
descry_picture_row (DescryPicture *picture,
                    guint          y,
                    const guint8  *rgb)
{
  gsize row = (gsize) picture->width * 3;
  guint last_x = picture->file_width - 1, last_y = picture->file_height - 1;
  gssize step;
  guint8 *out;
  guint x;

  switch (picture->orientation)
    {
    case 2:
      out = picture->pixels + y * row + (gsize) last_x * 3;
      step = -3;
      break;
    case 3:
      out = picture->pixels + (last_y - y) * row + (gsize) last_x * 3;
      step = -3;
      break;
    case 4:
      out = picture->pixels + (last_y - y) * row;
      step = 3;
      break;
    case 5:
      out = picture->pixels + (gsize) y * 3;
      step = (gssize) row;
      break;
    case 6:
      out = picture->pixels + (gsize) (last_y - y) * 3;
      step = (gssize) row;
      break;
    case 7:
      out = picture->pixels + last_x * row + (gsize) (last_y - y) * 3;
      step = -(gssize) row;
      break;
    case 8:
      out = picture->pixels + last_x * row + (gsize) y * 3;
      step = -(gssize) row;
      break;
    default:
      memcpy (picture->pixels + y * row, rgb, row);
      return;
    }

  for (x = 0; x < picture->file_width; x++, rgb += 3, out += step)
    {
      out[0] = rgb[0];
      out[1] = rgb[1];
      out[2] = rgb[2];
    }
}

gboolean
descry_picture_read (DescryPicture *picture,
                     const guint8  *data,
                     gsize          size)
{
  picture->orientation = 1;

  if (size == 0)
    return descry_picture_fail (picture, "the file is empty");
  if (size >= 3 && memcmp (data, "\xff\xd8\xff", 3) == 0)
    return descry_picture_jpeg (picture, data, size);
  if (size >= 8 && memcmp (data, "\x89PNG\r\n\x1a\n", 8) == 0)
    return descry_picture_png (picture, data, size);
  if (size >= 12 && memcmp (data, "RIFF", 4) == 0 && memcmp (data + 8, "WEBP", 4) == 0)
    return descry_picture_webp (picture, data, size);
  return descry_picture_fail (picture, "the content is not a JPEG, PNG or WebP picture");
}
