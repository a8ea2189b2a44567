/* masks.c - run lengths against pycocotools, components against a flood, damaged strings
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include "compute/image/mask.h"
#include "compute/memory.h"

static guint8 *
make_bits (const char *kind,
           guint       width,
           guint       height)
{
  guint8 *bits = g_new0 (guint8, (gsize) width * height);
  guint32 state = 12345;
  guint x, y;

  for (y = 0; y < height; y++)
    for (x = 0; x < width; x++)
      {
        guint8 *bit = bits + (gsize) y * width + x;

        if (strcmp (kind, "noise") == 0)
          {
            state = state * 1103515245u + 12345u;
            *bit = state >> 31;
          }
        else if (strcmp (kind, "full") == 0)
          *bit = 7; /* any value but 0 is set */
        else if (strcmp (kind, "checker") == 0)
          *bit = (x + y) % 2;
        else if (strcmp (kind, "ellipse") == 0)
          {
            gint64 dx = 2 * (gint64) x + 1 - width, dy = 2 * (gint64) y + 1 - height, w2 = (gint64) width * width, h2 = (gint64) height * height;

            *bit = dx * dx * h2 + dy * dy * w2 <= w2 * h2 * 3 / 4;
          }
        else if (strcmp (kind, "corners") == 0)
          *bit = (x == 0 || x == width - 1) && (y == 0 || y == height - 1);
      }
  return bits;
}

static void
check_bits (DescryMask   *mask,
            const guint8 *bits)
{
  g_autofree guint8 *found = g_malloc ((gsize) mask->width * mask->height);
  gsize i, n = (gsize) mask->width * mask->height;
  guint x, y;

  descry_mask_render (mask, 0, 0, mask->width, mask->height, found);
  for (i = 0; i < n; i++)
    g_assert_cmpuint (found[i], ==, bits[i] ? 255 : 0);

  if (n > 4000)
    return;
  for (y = 0; y < mask->height; y++)
    for (x = 0; x < mask->width; x++)
      g_assert_cmpint (descry_mask_hit (mask, x, y), ==, bits[(gsize) y * mask->width + x] != 0);
}

static void
test_golden (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "masks.tsv", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint i, checked = 0;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (i = 0; lines[i] != NULL; i++)
    {
      g_autoptr (DescryMask) mask = NULL;
      g_autoptr (DescryMask) back = NULL;
      g_autoptr (DescryMask) other = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree guint8 *bits = NULL;
      g_autofree guint8 *ellipse = NULL;
      g_autofree char *counts = NULL;
      g_auto (GStrv) fields = g_strsplit (lines[i], "\t", -1);
      guint n[7], k;

      if (g_strv_length (fields) != 10)
        continue;
      for (k = 0; k < 7; k++)
        n[k] = (guint) g_ascii_strtoull (fields[k + 1], NULL, 10);

      bits = make_bits (fields[0], n[0], n[1]);
      mask = descry_mask_new (n[0], n[1], 0, 0, n[0], n[1], bits, &error);
      g_assert_no_error (error);
      counts = descry_mask_to_coco (mask);
      g_assert_cmpstr (counts, ==, fields[8]);
      g_assert_cmpuint (mask->area, ==, n[2]);
      g_assert_cmpuint (mask->x0, ==, n[3]);
      g_assert_cmpuint (mask->y0, ==, n[4]);
      g_assert_cmpuint (mask->x1, ==, n[5]);
      g_assert_cmpuint (mask->y1, ==, n[6]);
      check_bits (mask, bits);

      back = descry_mask_from_coco (n[0], n[1], counts, &error);
      g_assert_no_error (error);
      g_assert_cmpmem (back->runs, back->n_runs * 4, mask->runs, mask->n_runs * 4);
      g_assert_cmpuint (back->area, ==, n[2]);

      ellipse = make_bits ("ellipse", n[0], n[1]);
      other = descry_mask_new (n[0], n[1], 0, 0, n[0], n[1], ellipse, &error);
      g_assert_cmpfloat_with_epsilon (descry_mask_iou (mask, other), g_ascii_strtod (fields[9], NULL), 1e-12);
      checked++;
    }
  g_assert_cmpuint (checked, ==, 26);
}

/* A part of the picture: the rest is unset, and a cut-out of the rendering agrees. */
static void
test_part (void)
{
  static const guint parts[][4] = { { 0, 0, 70, 48 }, { 30, 10, 70, 20 }, { 30, 0, 70, 48 }, { 99, 47, 1, 1 }, { 5, 5, 0, 0 } };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      const guint *p = parts[i];
      g_autofree guint8 *bits = make_bits ("noise", p[2], p[3]);
      g_autofree guint8 *whole = g_new0 (guint8, 100 * 48);
      g_autofree guint8 *cut = g_new0 (guint8, 40 * 30);
      g_autoptr (GError) error = NULL;
      g_autoptr (DescryMask) mask = descry_mask_new (100, 48, p[0], p[1], p[2], p[3], bits, &error);
      guint x, y;

      g_assert_no_error (error);
      for (y = 0; y < p[3]; y++)
        for (x = 0; x < p[2]; x++)
          whole[(p[1] + y) * 100 + p[0] + x] = bits[y * p[2] + x];
      check_bits (mask, whole);

      descry_mask_render (mask, 35, 12, 75, 42, cut);
      for (y = 0; y < 30; y++)
        for (x = 0; x < 40; x++)
          g_assert_cmpuint (cut[y * 40 + x], ==, whole[(12 + y) * 100 + 35 + x] ? 255 : 0);
    }

  g_assert_null (descry_mask_new (10, 10, 5, 5, 6, 1, (const guint8 *) "123456", NULL));
  g_assert_null (descry_mask_new (0, 10, 0, 0, 0, 0, NULL, NULL));
}

static void
test_damaged (void)
{
  /* not a character; ends within a number; too long; negative; too short; 40 bits; empty */
  static const char *const bad[] = { " ", "\x7f", "P", "0000P", "d0", "1O", "00O", "3", "ooooooooo0", "ooooooooooo", "", "\xff\xff" };
  g_autoptr (DescryMask) odd = NULL;
  g_autoptr (DescryMask) tidy = NULL;
  g_autoptr (GError) error = NULL;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_null (descry_mask_from_coco (2, 2, bad[i], &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
      g_clear_error (&error);
    }

  /* Runs of no pixels are legal and melt away: 1, 0, 1, then 2 more than the second. */
  odd = descry_mask_from_coco (2, 2, "1012", &error);
  g_assert_no_error (error);
  tidy = descry_mask_from_coco (2, 2, "22", &error);
  g_assert_no_error (error);
  g_assert_cmpmem (odd->runs, odd->n_runs * 4, tidy->runs, tidy->n_runs * 4);
  g_assert_cmpuint (odd->area, ==, 2);
}

/* Labels of a plain flood. */
static guint
flood (const guint8 *bits,
       guint         width,
       guint         height,
       guint32      *labels)
{
  g_autofree gsize *stack = g_new (gsize, (gsize) width * height + 1);
  gsize i, top, n = (gsize) width * height;
  guint found = 0;

  memset (labels, 0, n * sizeof *labels);
  for (i = 0; i < n; i++)
    {
      if (!bits[i] || labels[i])
        continue;
      labels[i] = ++found;
      for (top = 0, stack[top++] = i; top > 0;)
        {
          gsize at = stack[--top], x = at % width;
          const gsize next[4] = { at - 1, at + 1, at - width, at + width };
          const gboolean inside[4] = { x > 0, x + 1 < width, at >= width, at + width < n };
          guint k;

          for (k = 0; k < 4; k++)
            if (inside[k] && bits[next[k]] && !labels[next[k]])
              {
                labels[next[k]] = found;
                stack[top++] = next[k];
              }
        }
    }
  return found;
}

static void
test_components (void)
{
  static const char *const kinds[] = { "empty", "full", "checker", "noise", "ellipse", "corners" };
  static const guint sizes[][2] = { { 1, 1 }, { 1, 9 }, { 9, 1 }, { 37, 23 }, { 128, 128 } };
  guint i, k;

  for (i = 0; i < G_N_ELEMENTS (kinds); i++)
    for (k = 0; k < G_N_ELEMENTS (sizes); k++)
      {
        guint w = sizes[k][0], h = sizes[k][1];
        g_autofree guint8 *bits = make_bits (kinds[i], w, h);
        g_autofree guint32 *found = g_new (guint32, w * h);
        g_autofree guint32 *expected = g_new (guint32, w * h);

        g_assert_cmpuint (descry_mask_components (bits, w, h, found), ==, flood (bits, w, h, expected));
        g_assert_cmpmem (found, w * h * 4, expected, w * h * 4);
      }
}

static void
test_no_memory (void)
{
  g_autofree guint8 *bits = make_bits ("noise", 40, 30);
  guint live = descry_memory_live (), nth;

  for (nth = 1; nth <= 2; nth++)
    {
      g_autoptr (GError) error = NULL;

      descry_memory_fail_at (nth);
      g_assert_null (descry_mask_new (40, 30, 0, 0, 40, 30, bits, &error));
      descry_memory_fail_at (0);
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY);
      g_assert_cmpuint (descry_memory_live (), ==, live);
    }

  descry_memory_fail_at (1);
  g_assert_null (descry_mask_from_coco (2, 2, "4", NULL));
  descry_memory_fail_at (0);
  g_assert_cmpuint (descry_memory_live (), ==, live);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/masks/golden", test_golden);
  g_test_add_func ("/masks/part", test_part);
  g_test_add_func ("/masks/damaged", test_damaged);
  g_test_add_func ("/masks/components", test_components);
  g_test_add_func ("/masks/no-memory", test_no_memory);

  return g_test_run ();
}
