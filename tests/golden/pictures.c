/* pictures.c - every kind of picture through the decoder process, against Pillow's pixels
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "compute/image/image.h"

static char *
picture_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "fuzz", "corpus", "picture", name, NULL);
}

static void
test_golden (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "pictures.tsv", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint i, checked = 0;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *file = NULL;
      g_autoptr (DescryImage) image = NULL;
      g_autoptr (GError) error = NULL;
      g_auto (GStrv) fields = g_strsplit (lines[i], "\t", -1);
      gsize k, bytes;
      int tolerance, worst = 0;

      if (g_strv_length (fields) != 5)
        continue;
      file = picture_path (fields[0]);
      image = descry_image_load (file, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (image->width, ==, g_ascii_strtoull (fields[1], NULL, 10));
      g_assert_cmpuint (image->height, ==, g_ascii_strtoull (fields[2], NULL, 10));

      bytes = (gsize) image->width * image->height * 3;
      g_assert_cmpuint (strlen (fields[4]), ==, bytes * 2);
      tolerance = (int) g_ascii_strtoull (fields[3], NULL, 10);
      for (k = 0; k < bytes; k++)
        {
          int expected = g_ascii_xdigit_value (fields[4][2 * k]) * 16 + g_ascii_xdigit_value (fields[4][2 * k + 1]);

          worst = MAX (worst, ABS (expected - image->pixels[k]));
        }
      g_test_message ("%s: off by at most %d", fields[0], worst);
      g_assert_cmpint (worst, <=, tolerance);
      checked++;
    }
  g_assert_cmpuint (checked, ==, 34);
}

/* Each has one clear reason, which names the file. */
static void
test_refused (void)
{
  static const struct
  {
    const char *file;
    const char *reason;
  } cases[] = {
    { "refused-huge.png", "30000 × 30000 pixels are too many" },
    { "refused-wide.png", "2000000 × 1 pixels are too many" },
    { "refused-zero.png", "damaged PNG" },
    { "refused-text.jpg", "not a JPEG, PNG or WebP" },
    { "refused-animation.webp", "animated" },
    { "refused-short.jpg", "ends early" },
    { "refused-short.png", "ends early" },
    { "refused-short.webp", "ends early" },
    { "not-there.png", "cannot be opened" },
    { ".", "not a file" },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = picture_path (cases[i].file);
      g_autofree char *name = g_path_get_basename (cases[i].file);
      g_autoptr (GError) error = NULL;

      g_assert_null (descry_image_load (path, NULL, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_DECODE);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, cases[i].reason));
      g_assert_true (g_str_has_prefix (error->message, name));
    }
}

static void
test_bytes (void)
{
  g_autofree char *path = picture_path ("rgb.png");
  g_autofree char *hash = NULL;
  g_autofree char *expected = NULL;
  g_autoptr (DescryImage) from_file = descry_image_load (path, NULL, NULL);
  g_autoptr (DescryImage) from_bytes = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) nothing = g_bytes_new (NULL, 0);
  g_autoptr (GError) error = NULL;
  char *data;
  gsize size;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  bytes = g_bytes_new_take (data, size);
  from_bytes = descry_image_load_bytes (bytes, "clipboard", NULL, &error);
  g_assert_no_error (error);
  hash = descry_image_hash (from_bytes);
  expected = descry_image_hash (from_file);
  g_assert_cmpstr (hash, ==, expected);

  g_assert_null (descry_image_load_bytes (nothing, "clipboard", NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_DECODE);
  g_assert_cmpstr (error->message, ==, "clipboard: the file is empty");
}

static void
test_save (void)
{
  g_autofree char *path = picture_path ("rgb.png");
  g_autofree char *folder = g_dir_make_tmp ("descry-XXXXXX", NULL);
  g_autofree char *copy = g_build_filename (folder, "copy.png", NULL);
  g_autofree char *nowhere = g_build_filename (folder, "no", "copy.png", NULL);
  g_autoptr (DescryImage) image = descry_image_load (path, NULL, NULL);
  g_autoptr (DescryImage) back = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (descry_image_save_png (image, copy, &error));
  g_assert_no_error (error);
  back = descry_image_load (copy, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (back->pixels, 20 * 12 * 3, image->pixels, 20 * 12 * 3);

  g_assert_false (descry_image_save_png (image, nowhere, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  if (g_file_test ("/dev/full", G_FILE_TEST_EXISTS))
    {
      g_assert_false (descry_image_save_png (image, "/dev/full", &error));
      g_assert_nonnull (error);
    }

  g_unlink (copy);
  g_rmdir (folder);
}

static void
loaded_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  GAsyncResult **kept = data;

  *kept = g_object_ref (result);
}

static void
test_async (void)
{
  g_autofree char *path = picture_path ("rgb-420.jpg");
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (GAsyncResult) good = NULL;
  g_autoptr (GAsyncResult) bad = NULL;
  g_autoptr (DescryImage) image = NULL;
  g_autoptr (GError) error = NULL;

  descry_image_load_async (file, NULL, loaded_cb, &good);
  g_cancellable_cancel (cancelled);
  descry_image_load_async (file, cancelled, loaded_cb, &bad);
  while (good == NULL || bad == NULL)
    g_main_context_iteration (NULL, TRUE);

  image = descry_image_load_finish (good, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (image->width, ==, 20);
  g_assert_null (descry_image_load_finish (bad, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_normalise (void)
{
  static const float mean[3] = { 10.0f, 20.0f, 30.0f }, scale[3] = { 1.0f, 0.5f, 0.25f };
  g_autoptr (DescryImage) image = descry_image_new (2, 1, NULL);
  float out[6];

  memcpy (image->pixels, (guint8[]) { 0, 1, 2, 253, 254, 255 }, 6);
  descry_image_normalise (image, mean, scale, FALSE, out);
  g_assert_cmpfloat (out[0], ==, -10.0f);
  g_assert_cmpfloat (out[1], ==, -9.5f);
  g_assert_cmpfloat (out[5], ==, 225.0f / 4);
  descry_image_normalise (image, mean, scale, TRUE, out);
  g_assert_cmpfloat (out[0], ==, -8.0f);
  g_assert_cmpfloat (out[5], ==, 223.0f / 4);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/pictures/golden", test_golden);
  g_test_add_func ("/pictures/refused", test_refused);
  g_test_add_func ("/pictures/bytes", test_bytes);
  g_test_add_func ("/pictures/save", test_save);
  g_test_add_func ("/pictures/async", test_async);
  g_test_add_func ("/pictures/normalise", test_normalise);

  return g_test_run ();
}
