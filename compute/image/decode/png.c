/* png.c - PNG through libpng
 *
 * Grey, palette and low depths become RGB; of 16 bits the upper 8 stay; alpha is dropped, not
 * composited, as the reference pipelines do; no colour management, no gamma.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/image/decode/picture.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

typedef struct
{
  const guint8  *data;
  gsize          left;
  DescryPicture *picture;
} Source;

static void
read_cb (png_structp png,
         png_bytep   out,
         png_size_t  size)
{
  Source *source = png_get_io_ptr (png);

  if (size > source->left)
    png_error (png, "the file ends early");
  memcpy (out, source->data, size);
  source->data += size;
  source->left -= size;
}

static void
error_cb (png_structp     png,
          png_const_charp message)
{
  Source *source = png_get_error_ptr (png);

  descry_picture_fail (source->picture, strcmp (message, "the file ends early") == 0 ? "%s" : "damaged PNG: %s", message);
  png_longjmp (png, 1);
}

static void
warning_cb (png_structp     png,
            png_const_charp message)
{
}

static guint
read_orientation (png_structp png,
                  png_infop   info)
{
  png_uint_32 size = 0;
  png_bytep data = NULL;

  if (png_get_eXIf_1 (png, info, &size, &data) != 0 && data != NULL)
    return descry_exif_orientation (data, size);
  return 1;
}

gboolean
descry_picture_png (DescryPicture *picture,
                    const guint8  *data,
                    gsize          size)
{
  Source source = { data, size, picture };
  png_structp png = png_create_read_struct (PNG_LIBPNG_VER_STRING, &source, error_cb, warning_cb);
  png_infop info = png != NULL ? png_create_info_struct (png) : NULL;
  guint8 *volatile rows = NULL; /* the whole picture when interlaced, else one row */
  png_uint_32 width, height, y;
  int depth, colour, interlace, passes, pass;
  gsize row;

  if (info == NULL)
    {
      png_destroy_read_struct (&png, NULL, NULL);
      return descry_picture_fail (picture, "no memory for a PNG reader");
    }

  if (setjmp (png_jmpbuf (png)))
    {
      png_destroy_read_struct (&png, &info, NULL);
      free (rows);
      return FALSE;
    }

  png_set_read_fn (png, &source, read_cb);
  /* Our own limits speak a clearer language; text and profiles of a few megabytes are enough. */
  png_set_user_limits (png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_malloc_max (png, 16 << 20);
  png_set_chunk_cache_max (png, 200);
  png_set_keep_unknown_chunks (png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
  png_read_info (png, info);
  png_get_IHDR (png, info, &width, &height, &depth, &colour, &interlace, NULL, NULL);
  picture->orientation = read_orientation (png, info);

  png_set_expand (png);
  png_set_strip_16 (png);
  png_set_gray_to_rgb (png);
  png_set_strip_alpha (png);
  passes = png_set_interlace_handling (png);
  png_read_update_info (png, info);

  if (!descry_picture_begin (picture, width, height))
    png_longjmp (png, 1);
  row = (gsize) width * 3;
  if (png_get_rowbytes (png, info) != row)
    png_error (png, "unexpected row size");
  rows = calloc (passes > 1 ? height : 1, row);
  if (rows == NULL)
    {
      descry_picture_fail (picture, "no memory for %u × %u pixels", (guint) width, (guint) height);
      png_longjmp (png, 1);
    }

  for (pass = 0; pass < passes; pass++)
    for (y = 0; y < height; y++)
      {
        guint8 *at = rows + (passes > 1 ? y * row : 0);

        png_read_row (png, at, NULL);
        if (pass == passes - 1)
          descry_picture_row (picture, y, at);
      }
  /* Newer files may carry the orientation behind the pixels; by then they are placed, so it is
   * not looked for: the standard wants it before them for readers like this one. */

  png_destroy_read_struct (&png, &info, NULL);
  free (rows);
  return TRUE;
}
