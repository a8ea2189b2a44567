/* resize.c - the resize against Pillow, bit for bit
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include "compute/image/image.h"
#include "compute/memory.h"

static DescryImage *
make_picture (const char *kind,
              guint       width,
              guint       height)
{
  DescryImage *image = descry_image_new (width, height, NULL);
  guint32 state = 12345;
  gsize i, n = (gsize) width * height * 3;

  g_assert_nonnull (image);
  for (i = 0; i < n; i++)
    {
      guint y = (guint) (i / (width * 3)), x = (guint) (i / 3 % width), c = (guint) (i % 3);

      if (strcmp (kind, "noise") == 0)
        {
          state = state * 1103515245u + 12345u;
          image->pixels[i] = (guint8) (state >> 24);
        }
      else if (strcmp (kind, "checker") == 0)
        image->pixels[i] = (x + y) % 2 ? 255 : 0;
      else if (strcmp (kind, "white") == 0)
        image->pixels[i] = 255;
      else if (strcmp (kind, "ramp") == 0)
        image->pixels[i] = (guint8) (x * (c + 1) + y * 2);
    }
  return image;
}

static void
test_golden (void)
{
  static const char *const names[] = { "box", "bilinear", "bicubic", "lanczos", NULL };
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "resize.tsv", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint i, checked = 0;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (i = 0; lines[i] != NULL; i++)
    {
      g_autoptr (DescryImage) in = NULL;
      g_autoptr (DescryImage) out = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *digest = NULL;
      g_auto (GStrv) fields = g_strsplit (lines[i], "\t", -1);
      guint n[8], f, k;

      if (g_strv_length (fields) != 11)
        continue;
      for (k = 0; k < 8; k++)
        n[k] = (guint) g_ascii_strtoull (fields[k + 1], NULL, 10);
      for (f = 0; names[f] != NULL && strcmp (names[f], fields[9]) != 0; f++)
        ;
      in = make_picture (fields[0], n[0], n[1]);
      out = descry_image_resize (in, n[2], n[3], n[4], n[5], n[6], n[7], (DescryFilter) f, &error);
      g_assert_no_error (error);
      digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, out->pixels, (gsize) out->width * out->height * 3);
      if (strcmp (digest, fields[10]) != 0)
        g_test_message ("differs: %s", lines[i]);
      g_assert_cmpstr (digest, ==, fields[10]);
      checked++;
    }
  g_assert_cmpuint (checked, ==, 184);
}

static void
test_refused (void)
{
  g_autoptr (DescryImage) image = make_picture ("noise", 8, 8);
  g_autoptr (DescryImage) clamped = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (descry_image_resize (image, 3, 0, 3, 8, 4, 4, DESCRY_FILTER_BOX, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_null (descry_image_resize (image, 0, 0, 8, 8, 0, 4, DESCRY_FILTER_BOX, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_null (descry_image_resize (image, 0, 0, 8, 8, 60000, 60000, DESCRY_FILTER_BOX, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  g_clear_error (&error);

  /* A part that reaches over the edge is cut. */
  clamped = descry_image_resize (image, 2, 2, 100, 100, 6, 6, DESCRY_FILTER_BOX, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (clamped->pixels, 18, image->pixels + (2 * 8 + 2) * 3, 18);
}

/* The N-th allocation fails, for every N: a message, nothing left behind, then the same bits. */
static void
test_no_memory (void)
{
  g_autoptr (DescryImage) image = make_picture ("noise", 61, 47);
  g_autoptr (DescryImage) expected = descry_image_resize (image, 0, 0, 61, 47, 30, 20, DESCRY_FILTER_BICUBIC, NULL);
  guint live = descry_memory_live (), nth;

  for (nth = 1;; nth++)
    {
      g_autoptr (GError) error = NULL;
      DescryImage *out;

      descry_memory_fail_at (nth);
      out = descry_image_resize (image, 0, 0, 61, 47, 30, 20, DESCRY_FILTER_BICUBIC, &error);
      descry_memory_fail_at (0);
      if (out != NULL)
        {
          g_assert_cmpmem (out->pixels, 30 * 20 * 3, expected->pixels, 30 * 20 * 3);
          descry_image_unref (out);
          break;
        }
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY);
      g_assert_cmpuint (descry_memory_live (), ==, live);
    }
  g_assert_cmpuint (nth, ==, 12); /* result, two tables of four, the picture between, sums */
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/resize/golden", test_golden);
  g_test_add_func ("/resize/refused", test_refused);
  g_test_add_func ("/resize/no-memory", test_no_memory);

  return g_test_run ();
}
