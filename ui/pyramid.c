/* pyramid.c - a picture in halved copies, and tiles cut from them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-pyramid"

#include "config.h"

#include "ui/pyramid.h"

#include <math.h>

#include "compute/memory.h"

#define MAX_OVERVIEW 2048 /* pixels: well below any driver's largest texture */
#define MIN_OVERVIEW 128

DescryPyramid *
descry_pyramid_ref (DescryPyramid *pyramid)
{
  g_atomic_ref_count_inc (&pyramid->refs);
  return pyramid;
}

void
descry_pyramid_unref (DescryPyramid *pyramid)
{
  guint i;

  if (!g_atomic_ref_count_dec (&pyramid->refs))
    return;

  for (i = 1; i < pyramid->n_levels; i++)
    descry_free ((gpointer) pyramid->levels[i].pixels);
  g_ptr_array_unref (pyramid->overviews);
  descry_image_unref (pyramid->image);
  g_free (pyramid);
}

static void
free_pixels (gpointer pixels)
{
  descry_free (pixels);
}

static GdkTexture *
texture_from_rgba (guint8 *pixels, /* [height, width, 4]; taken */
                   guint   width,
                   guint   height)
{
  g_autoptr (GBytes) bytes = g_bytes_new_with_free_func (pixels, (gsize) width * height * 4, free_pixels, pixels);

  return gdk_memory_texture_new (width, height, GDK_MEMORY_DEFAULT, bytes, (gsize) width * 4);
}

/* GDK_MEMORY_DEFAULT is Cairo's layout: 32-bit words 0xAARRGGBB. */
static inline guint32
pack_pixel (guint red,
            guint green,
            guint blue)
{
  return 0xff000000u | red << 16 | green << 8 | blue;
}

static GdkTexture *
texture_from_level (const DescryLevel *level)
{
  guint32 *out = descry_try_alloc ((gsize) level->width * level->height, 4);
  gsize n = (gsize) level->width * level->height;
  gsize i;

  if (out == NULL)
    return NULL;
  for (i = 0; i < n; i++)
    out[i] = pack_pixel (level->pixels[3 * i], level->pixels[3 * i + 1], level->pixels[3 * i + 2]);

  return texture_from_rgba ((guint8 *) out, level->width, level->height);
}

/* Halves a level with a 2 x 2 box; an odd last row or column is used twice. */
static gboolean
halve_level (const DescryLevel *from,
             DescryLevel       *to)
{
  guint8 *out;
  guint x, y, c;

  to->width = MAX (1, (from->width + 1) / 2);
  to->height = MAX (1, (from->height + 1) / 2);
  to->pixels = out = descry_try_alloc ((gsize) to->width * to->height, 3);
  if (out == NULL)
    return FALSE;

  for (y = 0; y < to->height; y++)
    {
      const guint8 *upper = from->pixels + (gsize) (2 * y) * from->width * 3;
      const guint8 *lower = 2 * y + 1 < from->height ? upper + (gsize) from->width * 3 : upper;

      for (x = 0; x < to->width; x++)
        {
          gsize left = (gsize) 2 * x * 3;
          gsize right = 2 * x + 1 < from->width ? left + 3 : left;

          for (c = 0; c < 3; c++)
            *out++ = (upper[left + c] + upper[right + c] + lower[left + c] + lower[right + c] + 2) / 4;
        }
    }

  return TRUE;
}

DescryPyramid *
descry_pyramid_new (DescryImage *image)
{
  DescryPyramid *pyramid = g_new0 (DescryPyramid, 1);

  g_atomic_ref_count_init (&pyramid->refs);
  pyramid->image = descry_image_ref (image);
  pyramid->overviews = g_ptr_array_new_with_free_func (g_object_unref);
  pyramid->levels[0] = (DescryLevel) { image->width, image->height, image->pixels };
  pyramid->n_levels = 1;

  for (;;)
    {
      const DescryLevel *last = &pyramid->levels[pyramid->n_levels - 1];
      guint side = MAX (last->width, last->height);

      if (side <= MAX_OVERVIEW)
        {
          GdkTexture *texture = texture_from_level (last);

          if (texture != NULL)
            g_ptr_array_add (pyramid->overviews, texture);
        }
      /* Out of memory: the levels made so far still draw the picture. */
      if (side <= MIN_OVERVIEW || pyramid->n_levels == DESCRY_PYRAMID_LEVELS || !halve_level (last, &pyramid->levels[pyramid->n_levels]))
        break;
      pyramid->n_levels++;
    }

  return pyramid;
}

/* --------- Cutting one tile ------------------ */

typedef struct
{
  guint first;
  float weight[4];
  guint n;
} Taps;

/* What @n output pixels from @start see of a line of @source pixels, when @total output pixels cover it: the
 * box of one output pixel. Reduced by up to 2 that is an average of at most 3 pixels (4 with rounding);
 * enlarged it is the nearest pixel with a smooth edge. */
static void
make_taps (Taps *taps,
           guint start,
           guint n,
           guint source,
           guint total)
{
  double ratio = (double) source / total;
  guint i, j;

  for (i = 0; i < n; i++)
    {
      double from = (start + i) * ratio;
      double to = MIN ((start + i + 1) * ratio, source);
      Taps *tap = &taps[i];
      double sum = 0;

      tap->first = MIN ((guint) from, source - 1);
      tap->n = 0;
      for (j = tap->first; j < source && tap->n < G_N_ELEMENTS (tap->weight); j++)
        {
          double part = MIN (to, j + 1.0) - MAX (from, (double) j);

          if (part <= 1e-7 && tap->n > 0)
            break;
          tap->weight[tap->n++] = MAX (part, 1e-7);
          sum += MAX (part, 1e-7);
        }
      for (j = 0; j < tap->n; j++)
        tap->weight[j] /= sum;
    }
}

/* Output pixels [x, x + w) x [y, y + h) of the picture scaled to @total_w x @total_h. */
GdkTexture *
descry_pyramid_cut (DescryPyramid *pyramid,
          guint    total_w,
          guint    total_h,
          guint    x,
          guint    y,
          guint    w,
          guint    h)
{
  const DescryLevel *level = &pyramid->levels[0];
  Taps columns[DESCRY_TILE_SIDE], rows[DESCRY_TILE_SIDE];
  guint32 *out = descry_try_alloc ((gsize) w * h, 4);
  g_autofree float *line = NULL; /* [n_source, 3] rows blended */
  guint first, n_source;
  guint i, j, k;

  if (out == NULL)
    return NULL;

  /* The smallest level that need not be enlarged. */
  for (i = 1; i < pyramid->n_levels; i++)
    if (pyramid->levels[i].width >= total_w && pyramid->levels[i].height >= total_h)
      level = &pyramid->levels[i];

  make_taps (columns, x, w, level->width, total_w);
  make_taps (rows, y, h, level->height, total_h);
  first = columns[0].first;
  n_source = columns[w - 1].first + columns[w - 1].n - first;
  line = g_new (float, (gsize) n_source * 3);

  for (j = 0; j < h; j++)
    {
      const guint8 *row = level->pixels + ((gsize) rows[j].first * level->width + first) * 3;

      for (i = 0; i < n_source * 3; i++)
        line[i] = row[i] * rows[j].weight[0];
      for (k = 1; k < rows[j].n; k++)
        {
          float weight = rows[j].weight[k];

          row += (gsize) level->width * 3;
          for (i = 0; i < n_source * 3; i++)
            line[i] += row[i] * weight;
        }

      for (i = 0; i < w; i++)
        {
          const float *source = line + (columns[i].first - first) * 3;
          float red = 0.5f, green = 0.5f, blue = 0.5f;

          for (k = 0; k < columns[i].n; k++)
            {
              red += source[3 * k] * columns[i].weight[k];
              green += source[3 * k + 1] * columns[i].weight[k];
              blue += source[3 * k + 2] * columns[i].weight[k];
            }
          out[j * w + i] = pack_pixel ((guint) red, (guint) green, (guint) blue);
        }
    }

  return texture_from_rgba ((guint8 *) out, w, h);
}

GdkTexture *
descry_crop_texture (DescryImage *image,
                     DescryBox    box,
                     guint        side)
{
  guint x0 = CLAMP (box.x0, 0, image->width - 1);
  guint y0 = CLAMP (box.y0, 0, image->height - 1);
  guint x1 = CLAMP (ceilf (box.x1), x0 + 1, image->width);
  guint y1 = CLAMP (ceilf (box.y1), y0 + 1, image->height);
  double scale = MIN (1.0, (double) side / MAX (x1 - x0, y1 - y0));
  guint width = MAX (1, (guint) round ((x1 - x0) * scale));
  guint height = MAX (1, (guint) round ((y1 - y0) * scale));
  guint32 *out = descry_try_alloc ((gsize) width * height, 4);
  guint x, y, i, j;

  if (out == NULL)
    return NULL;

  /* Each output pixel is the mean of up to 4 x 4 samples of its block: cheap for any size of crop. */
  for (y = 0; y < height; y++)
    for (x = 0; x < width; x++)
      {
        guint sum[3] = { 0, 0, 0 };
        guint n = scale < 1.0 ? 4 : 1;

        for (j = 0; j < n; j++)
          for (i = 0; i < n; i++)
            {
              guint px = MIN (x1 - 1, x0 + (guint) ((x + (i + 0.5) / n) / scale));
              guint py = MIN (y1 - 1, y0 + (guint) ((y + (j + 0.5) / n) / scale));
              const guint8 *pixel = image->pixels + ((gsize) py * image->width + px) * 3;

              sum[0] += pixel[0];
              sum[1] += pixel[1];
              sum[2] += pixel[2];
            }
        n *= n;
        out[y * width + x] = pack_pixel (sum[0] / n, sum[1] / n, sum[2] / n);
      }

  return texture_from_rgba ((guint8 *) out, width, height);
}
