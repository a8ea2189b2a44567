/* resize.c - Pillow's resampling, bit for bit
 *
 * Two passes, across then down, with 22-bit fixed-point weights and an 8-bit picture between
 * them; a pass whose size does not change is left out. Every operation on weights is in double
 * and in the reference's order, so this file is compiled without contraction of multiply and add.
 * The reference is Pillow up to 12, with which the networks were trained and measured; 13 goes
 * down first where that is cheaper, and then differs by one level here and there.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-image"

#include "config.h"

#include "compute/image/image.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"

#define PRECISION 22

typedef struct
{
  guint   taps;    /* room for each output */
  guint  *first;   /* [out]: first input */
  guint  *count;   /* [out] */
  gint32 *weights; /* [out, taps], fixed point */
} Table;

static double
weigh_box (double x)
{
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double
weigh_bilinear (double x)
{
  x = fabs (x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

static double
weigh_bicubic (double x)
{
  const double a = -0.5;

  x = fabs (x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

static double
sinc (double x)
{
  if (x == 0.0)
    return 1.0;
  x = x * G_PI;
  return sin (x) / x;
}

static double
weigh_lanczos (double x)
{
  return x >= -3.0 && x < 3.0 ? sinc (x) * sinc (x / 3) : 0.0;
}

static const struct
{
  double (*weigh) (double x);
  double support;
} filters[] = {
  [DESCRY_FILTER_BOX] = { weigh_box, 0.5 },
  [DESCRY_FILTER_BILINEAR] = { weigh_bilinear, 1.0 },
  [DESCRY_FILTER_BICUBIC] = { weigh_bicubic, 2.0 },
  [DESCRY_FILTER_LANCZOS] = { weigh_lanczos, 3.0 },
};

static void
clear_table (Table *table)
{
  descry_free (table->first);
  descry_free (table->count);
  descry_free (table->weights);
  memset (table, 0, sizeof *table);
}

static gboolean
fill_table (Table       *table,
            guint        in,
            guint        out,
            DescryFilter filter,
            GError     **error)
{
  double scale = (double) in / out;
  double stretch = MAX (scale, 1.0);
  double support = filters[filter].support * stretch;
  double reciprocal = 1.0 / stretch;
  double *exact;
  guint x, i;

  table->taps = (guint) ceil (support) * 2 + 1;
  table->first = descry_try_alloc (out, sizeof *table->first);
  table->count = descry_try_alloc (out, sizeof *table->count);
  table->weights = descry_try_alloc ((gsize) out * table->taps, sizeof *table->weights);
  exact = descry_try_alloc (table->taps, sizeof *exact);
  if (table->first == NULL || table->count == NULL || table->weights == NULL || exact == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory for the weights of a resize from %u to %u", in, out);
      descry_free (exact);
      clear_table (table);
      return FALSE;
    }

  for (x = 0; x < out; x++)
    {
      gint32 *weights = table->weights + (gsize) x * table->taps;
      double center = (x + 0.5) * scale, sum = 0.0;
      int low = MAX ((int) (center - support + 0.5), 0);
      int high = MIN ((int) (center + support + 0.5), (int) in);
      guint n = (guint) MAX (high - low, 0);

      for (i = 0; i < n; i++)
        {
          exact[i] = filters[filter].weigh (((int) i + low - center + 0.5) * reciprocal);
          sum += exact[i];
        }
      for (i = 0; i < n; i++)
        {
          double w = sum != 0.0 ? exact[i] / sum : exact[i];

          weights[i] = (gint32) (w * (1 << PRECISION) + (w < 0 ? -0.5 : 0.5));
        }
      table->first[x] = (guint) low;
      table->count[x] = n;
    }

  descry_free (exact);
  return TRUE;
}

static inline guint8
clamp_byte (gint32 sum)
{
  sum >>= PRECISION;
  return (guint8) CLAMP (sum, 0, 255);
}

static void
resize_across (guint8       *out, /* [height, width, 3] */
               guint         width,
               guint         height,
               const guint8 *in, /* rows of @stride bytes */
               gsize         stride,
               const Table  *table)
{
  guint x, y, i;

  for (y = 0; y < height; y++, in += stride)
    for (x = 0; x < width; x++, out += 3)
      {
        const guint8 *p = in + (gsize) table->first[x] * 3;
        const gint32 *w = table->weights + (gsize) x * table->taps;
        gint32 r = 1 << (PRECISION - 1), g = r, b = r;

        for (i = 0; i < table->count[x]; i++, p += 3)
          {
            r += p[0] * w[i];
            g += p[1] * w[i];
            b += p[2] * w[i];
          }
        out[0] = clamp_byte (r);
        out[1] = clamp_byte (g);
        out[2] = clamp_byte (b);
      }
}

static void
resize_down (guint8       *out, /* [height, row] */
             guint         height,
             gsize         row, /* bytes */
             const guint8 *in, /* rows of @stride bytes */
             gsize         stride,
             const Table  *table,
             gint32       *sums) /* [row] */
{
  guint y, i;
  gsize x;

  for (y = 0; y < height; y++, out += row)
    {
      const gint32 *w = table->weights + (gsize) y * table->taps;

      for (x = 0; x < row; x++)
        sums[x] = 1 << (PRECISION - 1);
      for (i = 0; i < table->count[y]; i++)
        {
          const guint8 *p = in + (gsize) (table->first[y] + i) * stride;
          gint32 weight = w[i];

          for (x = 0; x < row; x++)
            sums[x] += p[x] * weight;
        }
      for (x = 0; x < row; x++)
        out[x] = clamp_byte (sums[x]);
    }
}

/* @across and @down are empty where that pass is left out; @between has room for what lies
 * between two passes. */
static void
run_passes (DescryImage  *result,
            const guint8 *in,
            gsize         stride,
            guint         in_width,
            guint         in_height,
            const Table  *across,
            const Table  *down,
            gboolean      down_first,
            guint8       *between,
            gint32       *sums)
{
  guint width = result->width, height = result->height, y;
  gsize row = (gsize) width * 3, in_row = (gsize) in_width * 3;

  if (across->weights == NULL && down->weights == NULL)
    for (y = 0; y < height; y++)
      memcpy (result->pixels + y * row, in + y * stride, row);
  else if (across->weights == NULL)
    resize_down (result->pixels, height, row, in, stride, down, sums);
  else if (down->weights == NULL)
    resize_across (result->pixels, width, height, in, stride, across);
  else if (down_first)
    {
      resize_down (between, height, in_row, in, stride, down, sums);
      resize_across (result->pixels, width, height, between, in_row, across);
    }
  else
    {
      resize_across (between, width, in_height, in, stride, across);
      resize_down (result->pixels, height, row, between, row, down, sums);
    }
}

DescryImage *
descry_image_resize (DescryImage *image,
                     guint        x0,
                     guint        y0,
                     guint        x1,
                     guint        y1,
                     guint        width,
                     guint        height,
                     DescryFilter filter,
                     GError     **error)
{
  g_autoptr (DescryImage) result = NULL;
  Table across = { 0 }, down = { 0 };
  guint8 *between = NULL;
  gint32 *sums = NULL;
  gsize stride;
  guint in_width, in_height;
  gboolean down_first, ok;

  g_return_val_if_fail (image != NULL, NULL);
  g_return_val_if_fail (filter <= DESCRY_FILTER_LANCZOS, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  x1 = MIN (x1, image->width);
  y1 = MIN (y1, image->height);
  if (x0 >= x1 || y0 >= y1)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "resize: the part %u,%u to %u,%u of a picture of %u × %u is empty",
                   x0, y0, x1, y1, image->width, image->height);
      return NULL;
    }

  result = descry_image_new (width, height, error);
  if (result == NULL)
    return NULL;

  in_width = x1 - x0;
  in_height = y1 - y0;
  stride = (gsize) image->width * 3;
  /* Pillow's own exception (PIL/Image.py): very tall pictures are made lower first. */
  down_first = in_height > (guint64) in_width * 100 && height < in_height;

  ok = (in_width == width || fill_table (&across, in_width, width, filter, error)) &&
       (in_height == height || fill_table (&down, in_height, height, filter, error));
  if (ok && down.weights != NULL)
    {
      sums = descry_try_alloc ((gsize) (down_first ? in_width : width) * 3, sizeof *sums);
      if (across.weights != NULL)
        between = descry_try_alloc (down_first ? (gsize) in_width * height : (gsize) width * in_height, 3);
      ok = sums != NULL && (between != NULL || across.weights == NULL);
      if (!ok)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory to resize a picture of %u × %u", in_width, in_height);
    }
  if (ok)
    run_passes (result, image->pixels + y0 * stride + (gsize) x0 * 3, stride, in_width, in_height, &across, &down, down_first, between, sums);

  clear_table (&across);
  clear_table (&down);
  descry_free (between);
  descry_free (sums);

  return ok ? g_steal_pointer (&result) : NULL;
}
