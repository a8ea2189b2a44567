/* foreign.c - torch, ONNX and TensorFlow.js files: read as their libraries wrote them, and swept
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/files/convert/source.h"
#include "tests/unit/hostile.h"
#include "tests/unit/scratch.h"

static char *
corpus (const char *folder,
        const char *name)
{
  return g_build_filename (g_getenv ("G_TEST_SRCDIR"), "fuzz", "corpus", folder, name, NULL);
}

static gboolean
read_source (const char *path,
             GError    **error)
{
  g_autoptr (DescrySource) source = descry_source_open (path, NULL, error);
  guint i;

  /* Every byte that a tensor claims is there. */
  for (i = 0; source != NULL && i < descry_source_n_tensors (source); i++)
    {
      float *values = descry_source_to_f32 (descry_source_tensor (source, i));

      if (values == NULL)
        {
          g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "out of memory");
          return FALSE;
        }
      descry_free (values);
    }

  return source != NULL;
}

static void
check_tensor (DescrySource *source,
              const char   *name,
              DescryStType  type,
              const char   *shape,
              const float  *expected,
              guint         n)
{
  DescrySourceTensor *tensor = descry_source_find (source, name);
  g_autoptr (GString) found = g_string_new (NULL);
  float *values;
  guint i;

  g_assert_nonnull (tensor);
  g_test_message ("%s", name);
  for (i = 0; i < tensor->n_dims; i++)
    g_string_append_printf (found, "%s%u", i > 0 ? "x" : "", (guint) tensor->dims[i]);
  g_assert_cmpstr (found->str, ==, shape);
  g_assert_cmpint (tensor->type, ==, type);
  g_assert_cmpuint (tensor->count, ==, n);
  values = descry_source_to_f32 (tensor);
  for (i = 0; i < n; i++)
    g_assert_cmpfloat (values[i], ==, expected[i]);
  descry_free (values);
}

static const float halves[] = { -1, -0.5f, 0, 0.5f, 1, 1.5f, 2, 2.5f };
static const float wholes[] = { -1, 0, 1, 2 };
static const float bits[] = { 0, 1, 0, 1 };
static const float from_zero[] = { 0, 1, 2 };

static void
test_torch (gconstpointer data)
{
  static const float turned[] = { -1, 0, 1, -0.5f, 0.5f, 1.5f };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = corpus ("torch", data);
  g_autoptr (DescrySource) source = descry_source_open (path, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (descry_source_n_tensors (source), ==, 15);
  check_tensor (source, "plain", DESCRY_ST_F32, "2x3", halves, 6);
  check_tensor (source, "turned", DESCRY_ST_F32, "2x3", turned, 6);
  check_tensor (source, "half", DESCRY_ST_F16, "4", halves, 4);
  check_tensor (source, "brain", DESCRY_ST_BF16, "4", halves, 4);
  check_tensor (source, "double", DESCRY_ST_F64, "2", halves, 2);
  check_tensor (source, "long", DESCRY_ST_I64, "3", wholes, 3);
  check_tensor (source, "int", DESCRY_ST_I32, "3", wholes, 3);
  check_tensor (source, "short", DESCRY_ST_I16, "3", wholes, 3);
  check_tensor (source, "char", DESCRY_ST_I8, "3", wholes, 3);
  check_tensor (source, "byte", DESCRY_ST_U8, "3", from_zero, 3);
  check_tensor (source, "bool", DESCRY_ST_BOOL, "4", bits, 4);
  check_tensor (source, "scalar", DESCRY_ST_F32, "1", halves, 1);
  check_tensor (source, "tied", DESCRY_ST_F32, "6", halves, 6);
  check_tensor (source, "tail", DESCRY_ST_F32, "4", halves + 2, 4);
  check_tensor (source, "parameter", DESCRY_ST_F32, "2", halves, 2);
  g_assert_true (descry_source_find (source, "scalar")->scalar);

  /* Shared values are shared here too. */
  g_assert_true ((const guint8 *) descry_source_find (source, "tied")->data + 8 == descry_source_find (source, "tail")->data);
}

static void
test_nested (void)
{
  static const char *const names[] = { "nested.zip.pt", "nested.stream.pt" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GString) report = g_string_new (NULL);
      g_autofree char *path = corpus ("torch", names[i]);
      g_autoptr (DescrySource) source = descry_source_open (path, report, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (descry_source_n_tensors (source), ==, 2);
      check_tensor (source, "model.inner.weight", DESCRY_ST_F32, "2x3", halves, 6);
      check_tensor (source, "model.bias", DESCRY_ST_F16, "4", halves, 4);
      g_assert_nonnull (strstr (report->str, "opcode"));
    }
}

static void
test_onnx (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = corpus ("onnx", "tiny.onnx");
  g_autoptr (DescrySource) source = descry_source_open (path, NULL, &error);
  const DescrySourceNode *node;

  g_assert_no_error (error);
  g_assert_cmpuint (descry_source_n_tensors (source), ==, 8);
  check_tensor (source, "raw", DESCRY_ST_F32, "2x1x2x2", halves, 8);
  check_tensor (source, "half", DESCRY_ST_F16, "8", halves, 8);
  check_tensor (source, "scalar", DESCRY_ST_F32, "1", halves, 1);
  check_tensor (source, "floats", DESCRY_ST_F32, "8", halves, 8);
  check_tensor (source, "ints", DESCRY_ST_I32, "3", wholes, 3);
  check_tensor (source, "longs", DESCRY_ST_I64, "3", wholes, 3);
  check_tensor (source, "bytes", DESCRY_ST_U8, "3", from_zero, 3);
  check_tensor (source, "halves", DESCRY_ST_F16, "2", halves, 2);

  node = descry_source_find_node (source, "/a/Conv");
  g_assert_cmpstr (node->op, ==, "Conv");
  g_assert_cmpuint (node->n_inputs, ==, 3);
  g_assert_cmpstr (node->inputs[1], ==, "raw");
  g_assert_cmpstr (descry_source_find_node (source, "z")->op, ==, "Relu");
  g_assert_null (descry_source_find_node (source, "/b/Conv"));
}

static void
test_tfjs (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = corpus ("tfjs", "tiny.json");
  g_autofree char *values = corpus ("tfjs-data", "w.bin");
  g_autofree char *path = scratch_path ("tiny.json");
  g_autofree char *values_path = scratch_path ("w.bin");
  g_autofree char *text = NULL;
  g_autofree char *data = NULL;
  g_autoptr (DescrySource) source = NULL;
  gsize n, n_text;

  g_file_get_contents (json, &text, &n_text, &error);
  g_file_get_contents (values, &data, &n, &error);
  g_assert_no_error (error);
  scratch_write (path, text, n_text);
  scratch_write (values_path, data, n);

  source = descry_source_open (path, NULL, &error);
  g_assert_no_error (error);
  check_tensor (source, "a/weights", DESCRY_ST_F16, "1x1x2x3", halves, 6);
  check_tensor (source, "a/bias", DESCRY_ST_F32, "3", halves, 3);
  check_tensor (source, "a/size", DESCRY_ST_I32, "2", wholes, 2);
  check_tensor (source, "a/flag", DESCRY_ST_BOOL, "2", bits, 2);
  check_tensor (source, "a/one", DESCRY_ST_F32, "1", halves, 1);
  check_tensor (source, "a/none", DESCRY_ST_I32, "0x1", halves, 0);
  g_assert_cmpuint (descry_source_n_files (source), ==, 2);
  g_assert_cmpstr (descry_source_file (source, 1)->name, ==, "w.bin");
  g_assert_cmpuint (descry_source_file (source, 1)->size, ==, n);

  /* A byte less or more of values. */
  scratch_write (values_path, data, n - 1);
  g_assert_false (read_source (path, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  scratch_write (values_path, data, n);
  g_assert_true (read_source (path, &error));
  data = g_realloc (data, n + 1);
  scratch_write (values_path, data, n + 1);
  g_assert_false (read_source (path, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
}

static void
test_tfjs_refused (void)
{
  static const char *const bad[] = {
    "{\"paths\":[\"../w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"/etc/passwd\"],\"weights\":[{\"name\":\"a\",\"shape\":[1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"..\"],\"weights\":[{\"name\":\"a\",\"shape\":[1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[],\"weights\":[{\"name\":\"a\",\"shape\":[1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[2],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[-1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[1.0],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[4294967296,4294967296],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[1,1,1,1,1,1,1,1,1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[1],\"dtype\":\"string\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[4],\"dtype\":\"float32\",\"quantization\":{\"dtype\":\"uint8\",\"scale\":1,\"min\":0}}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"\",\"shape\":[1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"shape\":[1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[{\"name\":\"a\",\"shape\":[0],\"dtype\":\"int32\"},{\"name\":\"a\",\"shape\":[1],\"dtype\":\"int32\"}]}",
    "{\"paths\":[\"w.bin\"],\"weights\":[]}",
  };
  g_autofree char *path = scratch_path ("bad.json");
  g_autofree char *values_path = scratch_path ("w.bin");
  guint i;

  scratch_write (values_path, "\0\0\0", 4);
  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *text = g_strdup_printf ("{\"weightsManifest\":[%s]}", bad[i]);

      g_test_message ("%s", bad[i]);
      scratch_write (path, text, strlen (text));
      g_assert_false (hostile_read_path (read_source, path, strlen (text), 8));
    }
}

/* Lists of chunks named by their own hash. */
static void
test_chunks (void)
{
  static const char *const good = "{\"k\":{\"size\":%u,\"chunks\":[{\"hash\":\"%s\",\"offsets\":[0,%u]},{\"hash\":\"%s\",\"offsets\":[%u,%u]}]}}";
  g_autoptr (GError) error = NULL;
  g_autofree char *model = corpus ("onnx", "tiny.onnx");
  g_autofree char *list = scratch_path ("resources.json");
  g_autofree char *source = g_strconcat (list, "#k", NULL);
  g_autofree char *other = g_strconcat (list, "#l", NULL);
  g_autofree char *data = NULL;
  g_autofree char *text = NULL;
  char *hash[2], *path[2];
  gsize n, half;
  guint i;

  g_file_get_contents (model, &data, &n, &error);
  g_assert_no_error (error);
  half = n / 2;
  for (i = 0; i < 2; i++)
    {
      gsize part = i == 0 ? half : n - half;

      hash[i] = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) data + i * half, part);
      path[i] = scratch_path (hash[i]);
      scratch_write (path[i], data + i * half, part);
    }

  text = g_strdup_printf (good, (guint) n, hash[0], (guint) half, hash[1], (guint) half, (guint) n);
  scratch_write (list, text, strlen (text));
  g_assert_true (read_source (source, &error));
  g_assert_no_error (error);
  g_assert_false (read_source (other, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);

  /* Order, gap, size, a name that is a path, a missing file, a damaged one. */
  for (i = 0; i < 6; i++)
    {
      g_autofree char *bad = NULL;

      if (i == 0)
        bad = g_strdup_printf (good, (guint) n, hash[1], (guint) half, hash[0], (guint) half, (guint) n);
      else if (i == 1)
        bad = g_strdup_printf (good, (guint) n, hash[0], (guint) half, hash[1], (guint) half + 1, (guint) n);
      else if (i == 2)
        bad = g_strdup_printf (good, (guint) n + 1, hash[0], (guint) half, hash[1], (guint) half, (guint) n);
      else if (i == 3)
        bad = g_strdup_printf (good, (guint) n, "../../../etc/passwd", (guint) half, hash[1], (guint) half, (guint) n);
      else if (i == 4)
        bad = g_strdup_printf (good, (guint) n, "0000000000000000000000000000000000000000000000000000000000000000", (guint) half, hash[1], (guint) half, (guint) n);
      else
        {
          bad = g_strdup (text);
          data[3] ^= 1;
          scratch_write (path[0], data, half);
        }
      scratch_write (list, bad, strlen (bad));
      g_assert_false (read_source (source, &error));
      g_test_message ("%s", error->message);
      g_clear_error (&error);
    }

  for (i = 0; i < 2; i++)
    {
      g_free (hash[i]);
      g_free (path[i]);
    }
}

static void
test_sweep (gconstpointer data)
{
  const char *const *names = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = corpus (names[0], names[1]);
  g_autofree char *bytes = NULL;
  guint taken;
  gsize n;

  g_file_get_contents (path, &bytes, &n, &error);
  g_assert_no_error (error);
  taken = hostile_sweep (read_source, (const guint8 *) bytes, n, n, strcmp (names[0], "onnx") != 0); /* protocol buffers may end after any field */
  g_test_message ("%u changed files were taken", taken);
}

/* Every allocation fails once, for every format. */
static void
test_memory (void)
{
  static const char *const files[][2] = { { "torch", "state.zip.pt" }, { "torch", "state.stream.pt" }, { "onnx", "tiny.onnx" } };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = corpus (files[i][0], files[i][1]);
      guint n = hostile_memory (read_source, path);

      g_test_message ("%s: %u allocations", files[i][1], n);
      g_assert_cmpuint (n, >, 5);
    }
}

int
main (int    argc,
      char **argv)
{
  static const char *const sweeps[][2] = { { "torch", "ordered.zip.pt" }, { "torch", "nested.stream.pt" }, { "onnx", "tiny.onnx" } };

  g_test_init (&argc, &argv, NULL);

  g_test_add_data_func ("/foreign/torch/zip", "state.zip.pt", test_torch);
  g_test_add_data_func ("/foreign/torch/stream", "state.stream.pt", test_torch);
  g_test_add_func ("/foreign/torch/nested", test_nested);
  g_test_add_func ("/foreign/onnx", test_onnx);
  g_test_add_func ("/foreign/tfjs", test_tfjs);
  g_test_add_func ("/foreign/tfjs-refused", test_tfjs_refused);
  g_test_add_func ("/foreign/chunks", test_chunks);
  g_test_add_data_func ("/foreign/sweep/torch-zip", sweeps[0], test_sweep);
  g_test_add_data_func ("/foreign/sweep/torch-stream", sweeps[1], test_sweep);
  g_test_add_data_func ("/foreign/sweep/onnx", sweeps[2], test_sweep);
  g_test_add_func ("/foreign/memory", test_memory);

  return scratch_run ();
}
