/* gguf.c - GGUF files written and read back
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <sys/stat.h>

#include "compute/files/gguf.h"
#include "compute/memory.h"
#include "tests/unit/scratch.h"

static gpointer
make_floats (gsize n)
{
  float *values = descry_try_alloc (n, sizeof *values);
  gsize i;

  for (i = 0; i < n; i++)
    values[i] = (float) i - 3.5f;

  return values;
}

static gpointer
fill_bytes (gpointer data,
            gsize    bytes,
            GError **error)
{
  guint8 *memory = descry_try_alloc (bytes, 1);

  memset (memory, GPOINTER_TO_INT (data), bytes);
  return memory;
}

static DescryGgufWriter *
make_writer (void)
{
  static const DescryBytes words[] = { { "cup", 3 }, { "", 0 }, { "\xff\0x", 3 } };
  static const float scores[] = { 1, -2.5f };
  static const gint32 kinds[] = { 1, -7, 1 << 30 };
  DescryGgufWriter *writer = descry_gguf_writer_new ();

  descry_gguf_writer_set_string (writer, "general.architecture", "tiny");
  descry_gguf_writer_set_uint (writer, "tiny.width", 4000000000u);
  descry_gguf_writer_set_float (writer, "tiny.eps", 1e-5f);
  descry_gguf_writer_set_bool (writer, "tiny.flag", TRUE);
  descry_gguf_writer_set_strings (writer, "tiny.words", words, G_N_ELEMENTS (words));
  descry_gguf_writer_set_floats (writer, "tiny.scores", scores, G_N_ELEMENTS (scores));
  descry_gguf_writer_set_ints (writer, "tiny.kinds", kinds, G_N_ELEMENTS (kinds));
  descry_gguf_writer_add (writer, "a.weight", DESCRY_GGML_F32, 2, (guint64[]) { 3, 5 }, make_floats (15), 60);
  descry_gguf_writer_add_later (writer, "b.weight", DESCRY_GGML_Q8_0, 1, (guint64[]) { 64 }, fill_bytes, GINT_TO_POINTER (0x11));

  return writer;
}

static void
check_file (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, &error);
  const DescryGgufTensor *tensor;
  const DescryBytes *words;
  gboolean flag;
  guint64 width;
  gsize n;
  float eps, *values;

  g_assert_no_error (error);
  g_assert_cmpstr (descry_gguf_get_string (gguf, "general.architecture", &error), ==, "tiny");
  g_assert_true (descry_gguf_get_uint (gguf, "tiny.width", 1, G_MAXUINT32, &width, &error));
  g_assert_cmpuint (width, ==, 4000000000u);
  g_assert_true (descry_gguf_get_float (gguf, "tiny.eps", 0, 1, &eps, &error));
  g_assert_cmpfloat (eps, ==, 1e-5f);
  g_assert_true (descry_gguf_get_bool (gguf, "tiny.flag", &flag, &error));
  g_assert_true (flag);

  words = descry_gguf_get_strings (gguf, "tiny.words", &n, &error);
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpmem (words[0].bytes, words[0].length, "cup", 3);
  g_assert_cmpuint (words[1].length, ==, 0);
  g_assert_cmpmem (words[2].bytes, words[2].length, "\xff\0x", 3);
  g_assert_cmpfloat (descry_gguf_get_floats (gguf, "tiny.scores", &n, &error)[1], ==, -2.5f);
  g_assert_cmpint (descry_gguf_get_ints (gguf, "tiny.kinds", &n, &error)[1], ==, -7);
  g_assert_cmpuint (n, ==, 3);

  g_assert_cmpuint (descry_gguf_n_tensors (gguf), ==, 2);
  tensor = descry_gguf_want (gguf, "a.weight", 2, (guint64[]) { 3, 5 }, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (tensor->offset % 32, ==, 0);
  values = descry_gguf_read_f32 (gguf, tensor, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (values[14], ==, 10.5f);
  descry_free (values);

  tensor = descry_gguf_find (gguf, "b.weight");
  g_assert_cmpuint (tensor->count, ==, 64);
  values = descry_gguf_read_f32 (gguf, tensor, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (values[0], ==, descry_half_to_float (0x1111) * 0x11);
  descry_free (values);

  /* What is asked wrongly is an error that says what was expected and what was found. */
  g_assert_null (descry_gguf_want (gguf, "a.weight", 2, (guint64[]) { 5, 3 }, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_assert_nonnull (strstr (error->message, "'a.weight': [5, 3] expected, found [3, 5]"));
  g_clear_error (&error);
  g_assert_null (descry_gguf_want (gguf, "c.weight", 1, (guint64[]) { 5 }, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  g_assert_false (descry_gguf_get_uint (gguf, "tiny.width", 1, 1000, &width, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  g_assert_false (descry_gguf_get_uint (gguf, "tiny.eps", 0, 1000, &width, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  g_assert_false (descry_gguf_get_float (gguf, "tiny.eps", 1e-4, 1, &eps, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  g_assert_null (descry_gguf_get_ints (gguf, "tiny.words", &n, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  g_assert_null (descry_gguf_get_string (gguf, "tiny.none", &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
}

static void
test_round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryGgufWriter) writer = make_writer ();
  g_autoptr (DescryGgufWriter) copier = descry_gguf_writer_new ();
  g_autofree char *path = scratch_path ("a.gguf");
  g_autofree char *copy = scratch_path ("b.gguf");
  g_autoptr (DescryGguf) source = NULL;

  g_assert_true (descry_gguf_writer_write (writer, path, &error));
  g_assert_no_error (error);
  check_file (path);

  /* Metadata copied from an open file reads the same. */
  source = descry_gguf_open (path, &error);
  descry_gguf_writer_copy_metadata (copier, source);
  descry_gguf_writer_add (copier, "a.weight", DESCRY_GGML_F32, 2, (guint64[]) { 3, 5 }, make_floats (15), 60);
  descry_gguf_writer_add_later (copier, "b.weight", DESCRY_GGML_Q8_0, 1, (guint64[]) { 64 }, fill_bytes, GINT_TO_POINTER (0x11));
  g_assert_true (descry_gguf_writer_write (copier, copy, &error));
  g_assert_no_error (error);
  check_file (copy);
}

static void
test_not_a_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = scratch_path ("missing.gguf");
  g_autofree char *link = scratch_path ("pipe.gguf");

  g_assert_null (descry_gguf_open (path, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
  g_clear_error (&error);

  g_assert_null (descry_gguf_open (scratch_folder (), &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
  g_clear_error (&error);

  /* Nobody writes to it: opening must not wait. */
  g_assert_cmpint (mkfifo (link, 0600), ==, 0);
  g_assert_null (descry_gguf_open (link, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
  g_clear_error (&error);

  g_assert_null (descry_gguf_open ("/dev/zero", &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/gguf/round-trip", test_round_trip);
  g_test_add_func ("/gguf/not-a-file", test_not_a_file);

  return scratch_run ();
}
