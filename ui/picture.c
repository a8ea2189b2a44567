/* picture.c - a photo with what was seen drawn over it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-picture"

#include "config.h"

#include "ui/picture.h"

#include <errno.h>
#include <string.h>

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <glib/gstdio.h>

#include "compute/memory.h"

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

static gboolean
fail (const char     *path,
      cairo_status_t  status,
      GError        **error)
{
  g_set_error (error, DESCRY_ERROR, status == CAIRO_STATUS_NO_MEMORY ? DESCRY_ERROR_OUT_OF_MEMORY : DESCRY_ERROR_IO, "%s: %s", path,
               cairo_status_to_string (status));
  return FALSE;
}

/* The last step of every writer: what stood there stays until the new file is whole. */
static gboolean
put_in_place (const char     *temporary,
              const char     *path,
              cairo_status_t  status,
              GError        **error)
{
  int problem;

  if (status != CAIRO_STATUS_SUCCESS)
    {
      g_unlink (temporary);
      return fail (path, status, error);
    }
  if (g_rename (temporary, path) == 0)
    return TRUE;

  problem = errno;
  g_unlink (temporary);
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", path, g_strerror (problem));
  return FALSE;
}

static void
draw_scene (cairo_t          *cr,
            DescryScene      *scene,
            const DescryView *view)
{
  DescryView whole = *view;

  whole.scale = 1.0;
  whole.x = whole.y = 0.0;
  whole.text = whole.right = 0.0;
  whole.n_selected = 0;
  whole.hovered = 0;
  descry_overlay_draw (cr, scene, &whole);
}

gboolean
descry_picture_export (DescryImage         *image,
                       DescryScene         *scene,
                       const DescryView    *view,
                       DescryPictureFormat  format,
                       const char          *path,
                       GError             **error)
{
  g_autofree char *temporary = g_strconcat (path, ".part", NULL);
  cairo_surface_t *photo = make_surface (image), *surface = photo;
  cairo_status_t status;
  cairo_t *cr;

  if (format == DESCRY_PICTURE_SVG)
    surface = cairo_svg_surface_create (temporary, image->width, image->height);
  else if (format == DESCRY_PICTURE_PDF)
    surface = cairo_pdf_surface_create (temporary, image->width, image->height);
  cr = cairo_create (surface);
  if (surface != photo)
    {
      cairo_set_source_surface (cr, photo, 0.0, 0.0);
      cairo_paint (cr);
      cairo_surface_destroy (photo);
    }
  draw_scene (cr, scene, view);
  status = cairo_status (cr);
  cairo_destroy (cr);

  if (format == DESCRY_PICTURE_PNG && status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_write_to_png (surface, temporary);
  cairo_surface_finish (surface);
  if (status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_status (surface);
  cairo_surface_destroy (surface);

  return put_in_place (temporary, path, status, error);
}

/* The surface's rows without gaps; the surface goes with them. */
static GBytes *
take_pixels (cairo_surface_t *surface)
{
  cairo_surface_flush (surface);
  return g_bytes_new_with_free_func (cairo_image_surface_get_data (surface),
                                     (gsize) cairo_image_surface_get_stride (surface) * (gsize) cairo_image_surface_get_height (surface),
                                     (GDestroyNotify) cairo_surface_destroy, surface);
}

GBytes *
descry_picture_render (DescryImage      *image,
                       DescryScene      *scene,
                       const DescryView *view)
{
  cairo_surface_t *photo = make_surface (image), *surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, (int) image->width, (int) image->height);
  cairo_t *cr = cairo_create (surface);
  cairo_status_t status;

  cairo_set_source_surface (cr, photo, 0.0, 0.0);
  cairo_paint (cr);
  cairo_surface_destroy (photo);
  draw_scene (cr, scene, view);
  status = cairo_status (cr);
  cairo_destroy (cr);
  if (status != CAIRO_STATUS_SUCCESS)
    {
      cairo_surface_destroy (surface);
      return NULL;
    }

  return take_pixels (surface); /* 4 bytes a pixel: cairo's rows have no gaps */
}

GBytes *
descry_picture_cut_out (DescryImage         *image,
                        const DescryObject  *object,
                        guint               *width,
                        guint               *height,
                        GError             **error)
{
  const DescryMask *mask = object->mask;
  cairo_surface_t *surface;
  guint8 *bits;
  guint x, y;

  if (mask == NULL || mask->x1 <= mask->x0 || mask->y1 <= mask->y0 || mask->x1 > image->width || mask->y1 > image->height)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "%u %s has no outline yet", object->id, object->name);
      return NULL;
    }
  *width = mask->x1 - mask->x0;
  *height = mask->y1 - mask->y0;
  bits = descry_try_alloc ((gsize) *width * *height, 1);
  surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, (int) *width, (int) *height);
  if (bits == NULL || cairo_surface_status (surface) != CAIRO_STATUS_SUCCESS)
    {
      descry_free (bits);
      cairo_surface_destroy (surface);
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for a cut-out of %u × %u", *width, *height);
      return NULL;
    }

  descry_mask_render (object->mask, mask->x0, mask->y0, mask->x1, mask->y1, bits);
  cairo_surface_flush (surface);
  for (y = 0; y < *height; y++)
    {
      guint32 *row = (guint32 *) (void *) (cairo_image_surface_get_data (surface) + (gsize) y * (gsize) cairo_image_surface_get_stride (surface));
      const guint8 *pixels = image->pixels + 3 * ((gsize) (mask->y0 + y) * image->width + mask->x0);

      for (x = 0; x < *width; x++)
        row[x] = bits[(gsize) y * *width + x]
                   ? 0xff000000u | (guint32) pixels[3 * x] << 16 | (guint32) pixels[3 * x + 1] << 8 | pixels[3 * x + 2] : 0;
    }
  cairo_surface_mark_dirty (surface);
  descry_free (bits);

  return take_pixels (surface);
}

gboolean
descry_picture_write_pixels (GBytes      *pixels,
                             guint        width,
                             guint        height,
                             const char  *path,
                             GError     **error)
{
  g_autofree char *temporary = g_strconcat (path, ".part", NULL);
  cairo_surface_t *surface = cairo_image_surface_create_for_data ((guchar *) g_bytes_get_data (pixels, NULL), CAIRO_FORMAT_ARGB32, (int) width, (int) height,
                                                                  (int) width * 4);
  cairo_status_t status = cairo_surface_write_to_png (surface, temporary);

  cairo_surface_destroy (surface);
  return put_in_place (temporary, path, status, error);
}

gboolean
descry_picture_write (DescryImage *image,
                      DescryScene *scene,
                      float        threshold,
                      const char  *path,
                      GError     **error)
{
  DescryView view;

  descry_view_init (&view);
  view.threshold = threshold;
  return descry_picture_export (image, scene, &view, DESCRY_PICTURE_PNG, path, error);
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
