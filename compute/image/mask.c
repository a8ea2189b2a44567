/* mask.c - binary masks as COCO run lengths
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-mask"

#include "config.h"

#include "compute/image/mask.h"

#include <string.h>

#include "compute/memory.h"

#define MAX_SIDE 65535 /* side × side still fits the 32 bits of a run */
#define BLOCK    64    /* columns turned at once: a column walk through rows misses the cache */

/* Runs in the making; zero lengths and equal neighbours melt together. */
typedef struct
{
  guint32 *runs;
  gsize    n;
} Writer;

static void
write_run (Writer *writer,
           guint   value,
           guint64 length)
{
  if (length == 0)
    return;
  if (writer->n == 0 && value == 1)
    writer->runs[writer->n++] = 0;
  if (writer->n > 0 && (writer->n - 1) % 2 == value)
    writer->runs[writer->n - 1] += (guint32) length;
  else
    writer->runs[writer->n++] = (guint32) length;
}

static void
measure (DescryMask *mask)
{
  guint64 position = 0;
  guint left = G_MAXUINT, top = G_MAXUINT, right = 0, bottom = 0;
  gsize i;

  mask->area = 0;
  for (i = 0; i < mask->n_runs; position += mask->runs[i], i++)
    {
      guint64 last;
      guint c0, c1;

      if (i % 2 == 0 || mask->runs[i] == 0)
        continue;

      last = position + mask->runs[i] - 1;
      c0 = (guint) (position / mask->height);
      c1 = (guint) (last / mask->height);
      mask->area += mask->runs[i];
      left = MIN (left, c0);
      right = MAX (right, c1 + 1);
      /* A run into the next column touches the bottom of one and the top of the other. */
      top = MIN (top, c0 == c1 ? (guint) (position % mask->height) : 0);
      bottom = MAX (bottom, c0 == c1 ? (guint) (last % mask->height) + 1 : mask->height);
    }

  if (mask->area > 0)
    {
      mask->x0 = left;
      mask->y0 = top;
      mask->x1 = right;
      mask->y1 = bottom;
    }
}

static DescryMask *
make_mask (guint    width,
           guint    height,
           gsize    room, /* runs */
           GError **error)
{
  DescryMask *mask;
  guint32 *runs = descry_try_alloc (room, sizeof *runs);

  if (runs == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory for a mask of %u × %u", width, height);
      return NULL;
    }

  mask = g_new0 (DescryMask, 1);
  g_atomic_ref_count_init (&mask->refs);
  mask->width = width;
  mask->height = height;
  mask->runs = runs;
  return mask;
}

static gboolean
check_sides (guint    width,
             guint    height,
             GError **error)
{
  if (width >= 1 && height >= 1 && width <= MAX_SIDE && height <= MAX_SIDE)
    return TRUE;

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "mask of %u × %u: expected sides of 1 to %u", width, height, MAX_SIDE);
  return FALSE;
}

DescryMask *
descry_mask_new (guint         width,
                 guint         height,
                 guint         x,
                 guint         y,
                 guint         w,
                 guint         h,
                 const guint8 *bits,
                 GError      **error)
{
  DescryMask *mask;
  Writer writer = { 0 };
  guint8 *turned; /* [BLOCK, h] */
  gsize starts = 0;
  guint64 end = 0; /* how far the runs reach */
  guint row, column, block;

  g_return_val_if_fail (bits != NULL || w == 0 || h == 0, NULL);

  if (!check_sides (width, height, error))
    return NULL;
  if (x > width || w > width - x || y > height || h > height - y)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "mask: a part of %u × %u at %u,%u does not lie in %u × %u", w, h, x, y, width, height);
      return NULL;
    }

  for (row = 0; row < h; row++)
    for (column = 0; column < w; column++)
      starts += bits[(gsize) row * w + column] != 0 && (row == 0 || bits[(gsize) (row - 1) * w + column] == 0);

  mask = make_mask (width, height, 2 * starts + 2, error);
  if (mask == NULL)
    return NULL;

  turned = descry_try_alloc (h, BLOCK);
  if (turned == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory for a mask of %u × %u", width, height);
      descry_mask_unref (mask);
      return NULL;
    }

  writer.runs = mask->runs;
  for (block = 0; block < w; block += BLOCK)
    {
      guint columns = MIN (BLOCK, w - block);

      for (row = 0; row < h; row++)
        for (column = 0; column < columns; column++)
          turned[(gsize) column * h + row] = bits[(gsize) row * w + block + column];

      for (column = 0; column < columns; column++)
        {
          const guint8 *p = turned + (gsize) column * h;
          guint64 top = (guint64) (x + block + column) * height + y;

          for (row = 0; row < h;)
            {
              guint first;

              while (row < h && p[row] == 0)
                row++;
              first = row;
              while (row < h && p[row] != 0)
                row++;
              if (row > first)
                {
                  write_run (&writer, 0, top + first - end);
                  write_run (&writer, 1, row - first);
                  end = top + row;
                }
            }
        }
    }
  write_run (&writer, 0, (guint64) width * height - end);
  descry_free (turned);

  mask->n_runs = writer.n;
  measure (mask);
  return mask;
}

DescryMask *
descry_mask_ref (DescryMask *mask)
{
  g_return_val_if_fail (mask != NULL, NULL);

  g_atomic_ref_count_inc (&mask->refs);
  return mask;
}

void
descry_mask_unref (DescryMask *mask)
{
  if (mask == NULL || !g_atomic_ref_count_dec (&mask->refs))
    return;

  descry_free (mask->runs);
  mask->runs = NULL;
  g_free (mask);
}

/* Five bits a character from '0' on, the sixth says that more follow; from the fourth run on the
 * difference to the run before the last one, with a sign. */
char *
descry_mask_to_coco (DescryMask *mask)
{
  GString *text;
  gsize i;

  g_return_val_if_fail (mask != NULL, NULL);

  text = g_string_new (NULL);
  for (i = 0; i < mask->n_runs; i++)
    {
      gint64 value = mask->runs[i];
      gboolean more;

      if (i > 2)
        value -= mask->runs[i - 2];
      do
        {
          guint five = (guint) (value & 0x1f);

          value >>= 5;
          more = (five & 0x10) ? value != -1 : value != 0;
          g_string_append_c (text, (char) ((five | (more ? 0x20 : 0)) + 48));
        }
      while (more);
    }

  return g_string_free (text, FALSE);
}

static gboolean
read_value (const char **cursor,
            gint64      *value)
{
  gint64 result = 0;
  guint shift = 0;

  for (;;)
    {
      guint c = (guchar) **cursor;

      if (c < 48 || c > 48 + 0x3f || shift > 35)
        return FALSE;
      (*cursor)++;
      c -= 48;
      result |= (gint64) (c & 0x1f) << shift;
      shift += 5;
      if ((c & 0x20) == 0)
        {
          if (c & 0x10)
            result |= -((gint64) 1 << shift);
          *value = result;
          return TRUE;
        }
    }
}

DescryMask *
descry_mask_from_coco (guint       width,
                       guint       height,
                       const char *counts,
                       GError    **error)
{
  g_autoptr (DescryMask) mask = NULL;
  Writer writer = { 0 };
  guint64 total, sum = 0;
  gint64 earlier[2] = { 0, 0 }; /* the run before the last, the last */
  const char *cursor = counts;
  gsize i;

  g_return_val_if_fail (counts != NULL, NULL);

  if (!check_sides (width, height, error))
    return NULL;

  /* A run has at least one character. */
  mask = make_mask (width, height, strlen (counts) + 1, error);
  if (mask == NULL)
    return NULL;

  total = (guint64) width * height;
  writer.runs = mask->runs;
  for (i = 0; *cursor != '\0'; i++)
    {
      gint64 value;

      if (!read_value (&cursor, &value))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "mask: character %" G_GSIZE_FORMAT " of the run lengths is not one of the code",
                       (gsize) (cursor - counts) + 1);
          return NULL;
        }
      if (i > 2)
        value += earlier[0];
      if (value < 0 || (guint64) value > total - sum)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE,
                       "mask: run %" G_GSIZE_FORMAT " is %" G_GINT64_FORMAT ", expected 0 to the %" G_GUINT64_FORMAT " pixels left",
                       i + 1, value, total - sum);
          return NULL;
        }
      write_run (&writer, i % 2, (guint64) value);
      sum += (guint64) value;
      earlier[0] = earlier[1];
      earlier[1] = value;
    }
  if (sum != total)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "mask: runs of %" G_GUINT64_FORMAT " pixels, expected %u × %u", sum, width, height);
      return NULL;
    }

  mask->n_runs = writer.n;
  measure (mask);
  return g_steal_pointer (&mask);
}

void
descry_mask_render (DescryMask *mask,
                    guint       x0,
                    guint       y0,
                    guint       x1,
                    guint       y1,
                    guint8     *bits)
{
  gsize width, i;
  guint64 position = 0;

  g_return_if_fail (mask != NULL);
  g_return_if_fail (x0 <= x1 && y0 <= y1);

  width = x1 - x0;
  memset (bits, 0, width * (y1 - y0));
  for (i = 0; i < mask->n_runs; position += mask->runs[i], i++)
    {
      guint64 at = position, end = position + mask->runs[i];

      if (i % 2 == 0)
        continue;

      while (at < end)
        {
          guint column = (guint) (at / mask->height), row = (guint) (at % mask->height);
          guint stop = (guint) MIN ((guint64) mask->height, row + (end - at));
          guint r;

          if (column >= x1)
            return;
          if (column >= x0)
            for (r = MAX (row, y0); r < MIN (stop, y1); r++)
              bits[(r - y0) * width + (column - x0)] = 255;
          at += stop - row;
        }
    }
}

gboolean
descry_mask_hit (DescryMask *mask,
                 guint       x,
                 guint       y)
{
  guint64 position = 0, wanted;
  gsize i;

  g_return_val_if_fail (mask != NULL, FALSE);

  if (x < mask->x0 || x >= mask->x1 || y < mask->y0 || y >= mask->y1)
    return FALSE;

  wanted = (guint64) x * mask->height + y;
  for (i = 0; i < mask->n_runs; i++)
    {
      position += mask->runs[i];
      if (wanted < position)
        return i % 2 == 1;
    }
  return FALSE;
}

double
descry_mask_iou (DescryMask *a,
                 DescryMask *b)
{
  guint64 both = 0, either;
  gsize i = 0, j = 0;
  guint64 left_a, left_b;

  g_return_val_if_fail (a != NULL && b != NULL, 0.0);

  if (a->width != b->width || a->height != b->height || a->area == 0 || b->area == 0)
    return 0.0;

  left_a = a->runs[0];
  left_b = b->runs[0];
  for (;;)
    {
      guint64 step = MIN (left_a, left_b);

      if (i % 2 == 1 && j % 2 == 1)
        both += step;
      left_a -= step;
      left_b -= step;
      if (left_a == 0)
        {
          if (++i == a->n_runs)
            break;
          left_a = a->runs[i];
        }
      if (left_b == 0)
        {
          if (++j == b->n_runs)
            break;
          left_b = b->runs[j];
        }
    }

  either = a->area + b->area - both;
  return (double) both / (double) either;
}

static guint32
find_root (guint32 *labels,
           guint32  i)
{
  while (labels[i] != i + 1)
    {
      labels[i] = labels[labels[i] - 1];
      i = labels[i] - 1;
    }
  return i;
}

/* A forest in @labels itself: each set pixel holds 1 + its parent, never a later pixel; so a
 * second walk in the same order finds the parent's number ready. */
guint
descry_mask_components (const guint8 *bits,
                        guint         width,
                        guint         height,
                        guint32      *labels)
{
  guint x, y, n = 0;
  gsize i, count = (gsize) width * height;

  g_return_val_if_fail (count < G_MAXUINT32, 0);

  for (y = 0, i = 0; y < height; y++)
    for (x = 0; x < width; x++, i++)
      {
        gboolean left = x > 0 && bits[i] && bits[i - 1];
        gboolean up = y > 0 && bits[i] && bits[i - width];

        if (!bits[i])
          labels[i] = 0;
        else if (!left && !up)
          labels[i] = (guint32) i + 1;
        else
          {
            guint32 a = find_root (labels, (guint32) (left ? i - 1 : i - width));

            if (left && up)
              {
                guint32 b = find_root (labels, (guint32) (i - width));

                labels[MAX (a, b)] = MIN (a, b) + 1;
                a = MIN (a, b);
              }
            labels[i] = a + 1;
          }
      }

  for (i = 0; i < count; i++)
    if (labels[i] == i + 1)
      labels[i] = ++n;
    else if (labels[i] != 0)
      labels[i] = labels[labels[i] - 1];

  return n;
}
