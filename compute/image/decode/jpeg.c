/* jpeg.c - JPEG through libjpeg-turbo
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/image/decode/picture.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* A progressive file may name the same coefficients again and again; no camera writes more. */
#define MAX_SCANS 100

typedef struct
{
  struct jpeg_error_mgr manager;
  jmp_buf               back;
  DescryPicture        *picture;
  gboolean              ended; /* the file ran out */
} Errors;

static void
error_exit_cb (j_common_ptr common)
{
  Errors *errors = (Errors *) common->err;
  char reason[JMSG_LENGTH_MAX];

  common->err->format_message (common, reason);
  if (errors->ended)
    descry_picture_fail (errors->picture, "the file ends early");
  else
    descry_picture_fail (errors->picture, "damaged JPEG: %s", reason);
  longjmp (errors->back, 1);
}

/* Nothing is printed; a file that ends early is remembered, other damage is shown as it decodes. */
static void
emit_message_cb (j_common_ptr common,
                 int          level)
{
  Errors *errors = (Errors *) common->err;

  if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF)
    errors->ended = TRUE;
}

static void
output_message_cb (j_common_ptr common)
{
}

static void
progress_cb (j_common_ptr common)
{
  Errors *errors = (Errors *) common->err;

  if (common->is_decompressor && ((j_decompress_ptr) common)->input_scan_number > MAX_SCANS)
    {
      descry_picture_fail (errors->picture, "damaged JPEG: more than %d scans", MAX_SCANS);
      longjmp (errors->back, 1);
    }
}

/* Ink to light as Pillow does it, in place; files store the ink inverted. */
static void
convert_cmyk (guint8       *rgb,
              const guint8 *cmyk,
              guint         width)
{
  guint x, c;

  for (x = 0; x < width; x++, rgb += 3, cmyk += 4)
    for (c = 0; c < 3; c++)
      {
        guint product = (255u - cmyk[c]) * cmyk[3] + 128;

        product = (product + (product >> 8)) >> 8;
        rgb[c] = (guint8) (cmyk[3] - MIN (product, cmyk[3]));
      }
}

gboolean
descry_picture_jpeg (DescryPicture *picture,
                     const guint8  *data,
                     gsize          size)
{
  struct jpeg_decompress_struct jpeg;
  struct jpeg_progress_mgr progress = { .progress_monitor = progress_cb };
  Errors errors = { .picture = picture };
  jpeg_saved_marker_ptr marker;
  guint8 *volatile row = NULL; /* [width, 3 or 4], and the converted row behind it */
  gboolean cmyk;
  guint y;

  memset (&jpeg, 0, sizeof jpeg);
  jpeg.err = jpeg_std_error (&errors.manager);
  errors.manager.error_exit = error_exit_cb;
  errors.manager.emit_message = emit_message_cb;
  errors.manager.output_message = output_message_cb;

  if (setjmp (errors.back))
    {
      jpeg_destroy_decompress (&jpeg);
      free (row);
      return FALSE;
    }

  jpeg_create_decompress (&jpeg);
  jpeg.progress = &progress;
  jpeg_mem_src (&jpeg, data, size);
  jpeg_save_markers (&jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header (&jpeg, TRUE);

  for (marker = jpeg.marker_list; marker != NULL; marker = marker->next)
    if (marker->marker == JPEG_APP0 + 1 && marker->data_length >= 6 && memcmp (marker->data, "Exif\0\0", 6) == 0)
      {
        picture->orientation = descry_exif_orientation (marker->data, marker->data_length);
        break;
      }

  cmyk = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
  jpeg.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  if (!descry_picture_begin (picture, jpeg.image_width, jpeg.image_height))
    longjmp (errors.back, 1);
  row = malloc ((gsize) jpeg.image_width * 7);
  if (row == NULL)
    {
      descry_picture_fail (picture, "no memory for %u × %u pixels", jpeg.image_width, jpeg.image_height);
      longjmp (errors.back, 1);
    }

  jpeg_start_decompress (&jpeg);
  while ((y = jpeg.output_scanline) < jpeg.output_height)
    {
      JSAMPROW rows[1] = { row };
      guint8 *rgb = row;

      if (jpeg_read_scanlines (&jpeg, rows, 1) != 1)
        break;
      if (errors.ended)
        {
          descry_picture_fail (picture, "the file ends early, at row %u of %u", y, jpeg.output_height);
          longjmp (errors.back, 1);
        }
      if (cmyk)
        {
          rgb = row + (gsize) jpeg.image_width * 4;
          convert_cmyk (rgb, row, jpeg.image_width);
        }
      descry_picture_row (picture, y, rgb);
    }

  jpeg_abort_decompress (&jpeg);
  jpeg_destroy_decompress (&jpeg);
  free (row);
  return TRUE;
}
