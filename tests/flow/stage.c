/* stage.c - `devices`, `bench` and `stage` from outside; the MQ-Former's goldens through the program
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <jansson.h>

#include <glib/gstdio.h>

#include "compute/files/safetensors.h"
#include "compute/memory.h"
#include "tests/flow/flow.h"

/* A bundle whose connector is the tiny one. */
static char *
make_bundle (const char *folder)
{
  g_autofree char *from = g_test_build_filename (G_TEST_DIST, "golden", "data", "mq-former-compact.gguf", NULL);
  g_autofree char *to = g_build_filename (folder, "connector.gguf", NULL), *json_path = g_build_filename (folder, "bundle.json", NULL);
  g_autofree char *data = NULL, *sum = NULL, *json = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (from, &data, &size, NULL));
  g_assert_true (g_file_set_contents (to, data, size, NULL));
  sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) data, size);
  json = g_strdup_printf ("{\"descry\": 1, \"name\": \"tiny\", \"title\": \"Tiny\", \"scene_text\": \"off\", \"slots\": {\"connector\": [{\"file\": \"connector.gguf\", "
                          "\"title\": \"tiny\", \"licence\": \"test\", \"source\": \"test\", \"sha256\": \"%s\", \"size\": %" G_GSIZE_FORMAT "}]}, "
                          "\"missing\": {\"llm\": \"not in this test\"}}",
                          sum, size);
  g_assert_true (g_file_set_contents (json_path, json, -1, NULL));

  return g_strdup (folder);
}

/* The golden's "one" case under the names that the stage reads. */
static void
write_input (const char *path,
             const char *const *names)
{
  g_autofree char *golden_path = g_test_build_filename (G_TEST_DIST, "golden", "data", "mq-former-compact.safetensors", NULL);
  g_autoptr (DescrySafetensors) golden = descry_safetensors_open (golden_path, NULL);
  g_autoptr (DescrySafetensorsWriter) writer = descry_safetensors_writer_new ();
  g_autoptr (GError) error = NULL;

  for (; *names != NULL; names++)
    {
      g_autofree char *key = g_strconcat ("one.", *names, NULL);
      const DescryStTensor *found = descry_safetensors_find (golden, key);
      float *values = descry_safetensors_read_f32 (golden, key, NULL, NULL);

      descry_safetensors_writer_add (writer, *names, DESCRY_ST_F32, found->n_dims, found->dims, values);
      descry_free (values);
    }
  descry_safetensors_writer_write (writer, path, &error);
  g_assert_no_error (error);
}

static void
compare (DescrySafetensors *found,
         const char        *name,
         const char        *golden_name)
{
  g_autofree char *golden_path = g_test_build_filename (G_TEST_DIST, "golden", "data", "mq-former-compact.safetensors", NULL);
  g_autoptr (DescrySafetensors) golden = descry_safetensors_open (golden_path, NULL);
  guint64 n = 0, m = 0, i;
  float *a = descry_safetensors_read_f32 (found, name, &n, NULL), *b = descry_safetensors_read_f32 (golden, golden_name, &m, NULL);
  double wrong = 0.0, power = 0.0;

  g_assert_nonnull (a);
  g_assert_cmpuint (n, ==, m);
  for (i = 0; i < n; i++)
    {
      wrong += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
      power += (double) b[i] * b[i];
    }
  g_assert_cmpfloat (wrong, <=, 1e-6 * power);
  descry_free (a);
  descry_free (b);
}

static void
test_connector (void)
{
  static const char *const both[] = { "image_tokens", "local_tokens", NULL }, *const half[] = { "local_tokens", NULL };
  g_autofree char *folder = g_dir_make_tmp ("descry-stage-XXXXXX", NULL), *bundle = make_bundle (folder);
  g_autofree char *in = g_build_filename (folder, "in.safetensors", NULL), *out = g_build_filename (folder, "out.safetensors", NULL);
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (DescrySafetensors) result = NULL;
  g_autoptr (GError) error = NULL;

  write_input (in, both);
  DESCRY (&outcome, "stage", "connector", "--bundle", bundle, "--input", in, "--output", out, "--taps");
  if (outcome.status == 1 && strstr (outcome.err, "OpenCL device") != NULL)
    {
      g_test_skip ("no OpenCL device");
      return;
    }
  g_assert_cmpstr (outcome.out, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
  result = descry_safetensors_open (out, &error);
  g_assert_no_error (error);
  compare (result, "soft_tokens", "one.soft_tokens");
  compare (result, "query_output", "one.query_output");
  compare (result, "tap.blk.1", "one.tap.blk.1");

  /* Half of the input, an empty slot, no such stage: one message each. */
  write_input (in, half);
  DESCRY (&outcome, "stage", "connector", "--bundle", bundle, "--input", in, "--output", out);
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "image_tokens"));
  DESCRY (&outcome, "stage", "llm", "--bundle", bundle, "--input", in, "--output", out);
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "not in this test"));
  DESCRY (&outcome, "stage", "painter", "--bundle", bundle, "--input", in, "--output", out);
  g_assert_cmpint (outcome.status, ==, 2);

  g_unlink (in);
  g_unlink (out);
  {
    g_autofree char *file = g_build_filename (folder, "connector.gguf", NULL), *json = g_build_filename (folder, "bundle.json", NULL);

    g_unlink (file);
    g_unlink (json);
    g_rmdir (folder);
  }
}

static void
test_devices (void)
{
  g_auto (Outcome) outcome = { 0 };
  g_auto (GStrv) lines = NULL;
  guint i, in_use = 0;

  DESCRY (&outcome, "devices", "--json");
  lines = g_strsplit (outcome.out, "\n", -1);
  for (i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++)
    {
      json_t *json = json_loads (lines[i], JSON_REJECT_DUPLICATES, NULL);
      const char *verdict = json_string_value (json_object_get (json, "verdict"));

      g_assert_cmpint (json_integer_value (json_object_get (json, "descry")), ==, 1);
      in_use += g_strcmp0 (verdict, "in-use") == 0;
      g_assert_true (json_is_string (json_object_get (json, "reason")) == (g_strcmp0 (verdict, "not-usable") == 0));
      json_decref (json);
    }
  g_assert_cmpint (outcome.status, ==, in_use == 1 ? 0 : 1);

  /* A loader that finds no driver. */
  run_descry (&outcome, "OCL_ICD_VENDORS", "/nonexistent", NULL, (const char *const[]) { "devices", NULL });
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_cmpstr (outcome.out, ==, "");
  g_assert_nonnull (strstr (outcome.err, "No OpenCL device was found"));
  DESCRY (&outcome, "devices", "surplus");
  g_assert_cmpint (outcome.status, ==, 2);
}

static void
test_bench_usage (void)
{
  g_auto (Outcome) outcome = { 0 };

  DESCRY (&outcome, "bench", "--stage", "painter");
  g_assert_cmpint (outcome.status, ==, 2);
  DESCRY (&outcome, "bench", "--runs", "1");
  g_assert_cmpint (outcome.status, ==, 2);
  run_descry (&outcome, "OCL_ICD_VENDORS", "/nonexistent", NULL, (const char *const[]) { "bench", "--stage", "tagger", NULL });
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_cmpstr (outcome.out, ==, "");
}

/* Figures of one stage, once the networks are here: a ceiling each, then the network against it. */
static void
test_bench (void)
{
  g_auto (Outcome) outcome = { 0 };
  g_auto (GStrv) lines = NULL;
  g_autofree char *bundle = find_bundle ();
  json_t *json;

  if (bundle == NULL)
    return;
  DESCRY (&outcome, "bench", "--stage", "tagger", "--json", "--bundle", bundle);
  g_assert_cmpint (outcome.status, ==, 0);
  lines = g_strsplit (outcome.out, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 4);
  json = json_loads (lines[2], JSON_REJECT_DUPLICATES, NULL);
  g_assert_cmpstr (json_string_value (json_object_get (json, "stage")), ==, "tagger");
  g_assert_cmpstr (json_string_value (json_object_get (json, "unit")), ==, "ms");
  g_assert_cmpuint (json_array_size (json_object_get (json, "runs")), ==, 5);
  g_assert_cmpfloat (json_number_value (json_object_get (json, "value")), >, 0.0);
  g_assert_cmpfloat (json_number_value (json_object_get (json, "ceiling")), >, 0.0);
  json_decref (json);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/flow/stage/connector", test_connector);
  g_test_add_func ("/flow/stage/devices", test_devices);
  g_test_add_func ("/flow/stage/bench-usage", test_bench_usage);
  g_test_add_func ("/flow/stage/bench", test_bench);

  return g_test_run ();
}
