/* picture.c - a photo with what was seen drawn over it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-picture"

#include "config.h"

#include "ui/picture.h"

#include <string.h>

#include "ui/overlay.h"

/* Cairo's rows are 32-bit words with red in the middle. */
static cairo_surface_t *
make_surface (DescryImage *image)
{
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, (int) image->width, (int) image->height);
  guint x, y;

  if (cairo_surface_status (surface) != CAIRO_STATUS_SUCCESS)
    return surface;

  cairo_surface_flush (surface);
  for (y = 0; y < image->height; y++)
    {
      guint32 *row = (guint32 *) (void *) (cairo_image_surface_get_data (surface) + (gsize) y * (gsize) cairo_image_surface_get_stride (surface));
      const guint8 *pixels = image->pixels + 3 * (gsize) y * image->width;

      for (x = 0; x < image->width; x++)
        row[x] = (guint32) pixels[3 * x] << 16 | (guint32) pixels[3 * x + 1] << 8 | pixels[3 * x + 2];
    }
  cairo_surface_mark_dirty (surface);

  return surface;
}

gboolean
descry_picture_write (DescryImage *image,
                      DescryScene *scene,
                      float        threshold,
                      const char  *path,
                      GError     **error)
{
  cairo_surface_t *surface = make_surface (image);
  cairo_t *cr = cairo_create (surface);
  cairo_status_t status;
  DescryView view;

  descry_view_init (&view);
  view.threshold = threshold;
  descry_overlay_draw (cr, scene, &view);
  cairo_destroy (cr);
  status = cairo_surface_status (surface);
  if (status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_write_to_png (surface, path);
  cairo_surface_destroy (surface);
  if (status != CAIRO_STATUS_SUCCESS)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", path, cairo_status_to_string (status));
      return FALSE;
    }

  return TRUE;
}

char *
descry_picture_target (const char *folder,
                       const char *picture)
{
  g_autofree char *name = g_path_get_basename (picture);
  char *dot = strrchr (name, '.');
  g_autofree char *png = NULL;

  if (dot != NULL && dot != name)
    *dot = '\0';
  png = g_strconcat (name, ".png", NULL);

  return g_build_filename (folder, png, NULL);
}
