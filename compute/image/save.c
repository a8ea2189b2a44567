/* save.c - pictures to PNG files
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-image"

#include "config.h"

#include "compute/image/image.h"

#include <png.h>

typedef struct
{
  GOutputStream *stream;
  GError       *error; /* the first one */
} Target;

static void
write_cb (png_structp png,
          png_bytep   data,
          png_size_t  size)
{
  Target *target = png_get_io_ptr (png);

  if (!g_output_stream_write_all (target->stream, data, size, NULL, NULL, &target->error))
    png_error (png, "write");
}

static void
flush_cb (png_structp png)
{
}

static void
error_cb (png_structp     png,
          png_const_charp message)
{
  Target *target = png_get_error_ptr (png);

  if (target->error == NULL)
    g_set_error (&target->error, DESCRY_ERROR, DESCRY_ERROR_IO, "PNG writer: %s", message);
  png_longjmp (png, 1);
}

static void
warning_cb (png_structp     png,
            png_const_charp message)
{
  g_debug ("PNG writer: %s", message);
}

/* No object of this frame changes between setjmp and a jump back. */
static gboolean
write_picture (DescryImage *image,
               Target      *target)
{
  png_structp png = png_create_write_struct (PNG_LIBPNG_VER_STRING, target, error_cb, warning_cb);
  png_infop info = png != NULL ? png_create_info_struct (png) : NULL;
  guint y;

  if (info == NULL)
    {
      g_set_error (&target->error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory for a PNG writer");
      png_destroy_write_struct (&png, NULL);
      return FALSE;
    }

  if (setjmp (png_jmpbuf (png)))
    {
      png_destroy_write_struct (&png, &info);
      return FALSE;
    }

  png_set_write_fn (png, target, write_cb, flush_cb);
  png_set_IHDR (png, info, image->width, image->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level (png, 6);
  png_write_info (png, info);
  for (y = 0; y < image->height; y++)
    png_write_row (png, image->pixels + (gsize) y * image->width * 3);
  png_write_end (png, info);
  png_destroy_write_struct (&png, &info);

  return TRUE;
}

gboolean
descry_image_save_png (DescryImage *image,
                       const char  *path,
                       GError     **error)
{
  g_autoptr (GFile) file = NULL;
  g_autoptr (GFileOutputStream) stream = NULL;
  Target target = { 0 };
  gboolean existed;

  g_return_val_if_fail (image != NULL && path != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  file = g_file_new_for_path (path);
  existed = g_file_query_exists (file, NULL);
  stream = g_file_replace (file, NULL, FALSE, G_FILE_CREATE_NONE, NULL, error);
  if (stream == NULL)
    return FALSE;

  target.stream = G_OUTPUT_STREAM (stream);
  if (write_picture (image, &target))
    {
      if (g_output_stream_close (target.stream, NULL, error))
        return TRUE;
    }
  else
    {
      g_autoptr (GCancellable) cancelled = g_cancellable_new ();

      /* Closing a cancelled replacement leaves the old file as it was. */
      g_cancellable_cancel (cancelled);
      g_output_stream_close (target.stream, cancelled, NULL);
      g_propagate_error (error, g_steal_pointer (&target.error));
    }

  if (!existed)
    g_file_delete (file, NULL, NULL);
  return FALSE;
}
