/* mq-former.c - both layouts with tiny random weights against a float64 computation in PyTorch
 *
 * Data: tests/golden/scripts/mq_former.py.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/files/safetensors.h"
#include "compute/memory.h"
#include "compute/models/mq-former.h"
#include "tests/ops/harness.h"

#define LIMIT 1e-6

static char *
data_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "golden", "data", name, NULL);
}

static void
compare (const char        *what,
         DescrySafetensors *golden,
         const char        *name,
         const float       *found)
{
  g_autoptr (GError) error = NULL;
  guint64 count = 0;
  float *expected = descry_safetensors_read_f32 (golden, name, &count, &error);
  g_autofree double *wide = NULL;
  guint64 i;

  g_assert_no_error (error);
  wide = g_new (double, count);
  for (i = 0; i < count; i++)
    wide[i] = expected[i];
  assert_nmse (what, found, wide, count, LIMIT);
  descry_free (expected);
}

typedef struct
{
  DescrySafetensors *golden;
  const char        *name;
  guint              seen;
} Taps;

static void
tap_cb (DescryRun   *run,
        const char  *name,
        DescryTensor tensor,
        gpointer     data)
{
  Taps *taps = data;
  g_autofree char *key = g_strdup_printf ("%s.tap.%s", taps->name, name);
  gsize n = descry_tensor_count (tensor);
  g_autofree float *values = g_new0 (float, n);

  descry_run_read (run, tensor, values, n);
  compare (key, taps->golden, key, values);
  taps->seen++;
}

/* A golden tensor on the device; empty when the file has none of this name. */
static DescryTensor
upload (DescryRun         *run,
        DescrySafetensors *golden,
        const char        *name)
{
  const DescryStTensor *found = descry_safetensors_find (golden, name);
  DescryTensor tensor = { 0 };
  float *values;

  if (found == NULL)
    return tensor;
  values = descry_safetensors_read_f32 (golden, name, NULL, NULL);
  tensor = descry_run_tensor2 (run, (guint) found->dims[0], (guint) found->dims[1]);
  descry_run_write (run, tensor, values, found->count);
  descry_free (values);
  return tensor;
}

static void
run_case (DescryMqFormer    *former,
          DescryDevice      *device,
          DescrySafetensors *golden,
          const char        *name)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (GError) error = NULL;
  const DescryMqFormerShape *shape = descry_mq_former_shape (former);
  g_autofree char *image_name = g_strconcat (name, ".image_tokens", NULL), *local_name = g_strconcat (name, ".local_tokens", NULL);
  g_autofree char *text_name = g_strconcat (name, ".input_ids", NULL), *out_name = g_strconcat (name, ".query_output", NULL);
  g_autofree char *soft_name = g_strconcat (name, ".soft_tokens", NULL);
  DescryTensor image = upload (run, golden, image_name), local = upload (run, golden, local_name), out, soft;
  guint queries = shape->visual_queries + shape->grounding_queries;
  g_autofree float *out_values = g_new0 (float, queries * shape->width), *soft_values = g_new0 (float, queries * shape->llm_width);
  Taps taps = { golden, name, 0 };
  guint64 n_text = 0;
  gint32 *text = NULL;

  if (descry_safetensors_find (golden, text_name) != NULL)
    text = descry_safetensors_read_i32 (golden, text_name, &n_text, &error);
  g_assert_no_error (error);

  descry_run_set_tap (run, tap_cb, &taps);
  descry_mq_former_run (former, run, image, local, text, (guint) n_text, &out, &soft);
  descry_run_read (run, out, out_values, queries * shape->width);
  descry_run_read (run, soft, soft_values, queries * shape->llm_width);
  descry_run_finish (run, &error);
  g_assert_no_error (error);

  compare (out_name, golden, out_name, out_values);
  compare (soft_name, golden, soft_name, soft_values);
  g_assert_cmpuint (taps.seen, ==, 1 + shape->layers);
  descry_free (text);
}

static void
run_layout (DescryFamily       family,
            const char        *layout,
            const char *const *cases)
{
  g_autoptr (DescryDevice) device = open_test_device (family);
  g_autofree char *model_name = g_strdup_printf ("mq-former-%s.gguf", layout), *golden_name = g_strdup_printf ("mq-former-%s.safetensors", layout);
  g_autofree char *model_path = data_path (model_name), *golden_path = data_path (golden_name), *words_path = data_path ("mq-former-words.gguf");
  g_autoptr (DescryGguf) gguf = NULL, words = NULL;
  g_autoptr (DescrySafetensors) golden = NULL;
  g_autoptr (DescryMqFormer) former = NULL;
  g_autoptr (GError) error = NULL;

  if (device == NULL)
    return;

  gguf = descry_gguf_open (model_path, &error);
  g_assert_no_error (error);
  golden = descry_safetensors_open (golden_path, &error);
  g_assert_no_error (error);
  former = descry_mq_former_new (device, gguf, &error);
  g_assert_no_error (error);
  if (strcmp (layout, "compact") == 0)
    {
      words = descry_gguf_open (words_path, &error);
      g_assert_no_error (error);
      g_assert_true (descry_mq_former_share_words (former, words, &error));
    }

  for (; *cases != NULL; cases++)
    run_case (former, device, golden, *cases);

  g_clear_pointer (&former, descry_mq_former_free);
  descry_device_trim (device);
  g_assert_cmpuint (descry_device_stats (device)->live_bytes, ==, 0);
}

static const char *const full_cases[] = { "plain", "text", NULL };
/* All objects, one of three, more than there are queries for, none, and two with text. */
static const char *const compact_cases[] = { "all", "one", "more", "none", "text", NULL };

static void
test_full_cpu (void)
{
  run_layout (DESCRY_FAMILY_CPU, "full", full_cases);
}

static void
test_full_gpu (void)
{
  run_layout (DESCRY_FAMILY_GPU, "full", full_cases);
}

static void
test_compact_cpu (void)
{
  run_layout (DESCRY_FAMILY_CPU, "compact", compact_cases);
}

static void
test_compact_gpu (void)
{
  run_layout (DESCRY_FAMILY_GPU, "compact", compact_cases);
}

/* Inputs that do not fit are errors with both shapes in them, never a run. */
static void
test_refusals (void)
{
  g_autoptr (DescryDevice) device = open_test_device (DESCRY_FAMILY_AUTO);
  g_autofree char *path = data_path ("mq-former-compact.gguf"), *words_path = data_path ("mq-former-words.gguf");
  g_autoptr (DescryGguf) gguf = NULL, words = NULL;
  g_autoptr (DescryMqFormer) former = NULL;
  g_autoptr (GError) error = NULL;
  const struct
  {
    guint       rows, cols, local_cols;
    gint32      text;
    const char *message;
  } cases[] = {
    { 9, 19, 0, -2, "image tokens" },
    { 8, 20, 0, -2, "image tokens" },
    { 9, 20, 20, -2, "local tokens" },
    { 9, 20, 0, 1, "has not been shared" },
    { 9, 20, 0, 64, "outside the vocabulary" },
    { 9, 20, 0, -1, "outside the vocabulary" },
  };
  guint i;

  if (device == NULL)
    return;

  gguf = descry_gguf_open (path, NULL);
  former = descry_mq_former_new (device, gguf, &error);
  g_assert_no_error (error);
  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (DescryRun) run = descry_run_new (device, NULL);
      g_autoptr (GError) failure = NULL;
      DescryTensor image = descry_run_tensor2 (run, cases[i].rows, cases[i].cols), local = { 0 }, soft;

      if (cases[i].local_cols > 0)
        local = descry_run_tensor2 (run, 2, cases[i].local_cols);
      if (cases[i].text == 64)
        {
          words = descry_gguf_open (words_path, NULL);
          g_assert_true (descry_mq_former_share_words (former, words, NULL));
        }
      descry_mq_former_run (former, run, image, local, &cases[i].text, cases[i].text == -2 ? 0 : 1, NULL, &soft);
      g_assert_null (soft.buffer);
      g_assert_false (descry_run_finish (run, &failure));
      g_assert_nonnull (strstr (failure->message, cases[i].message));
    }

  /* Any other network in the slot. */
  g_clear_error (&error);
  g_clear_pointer (&former, descry_mq_former_free);
  former = descry_mq_former_new (device, words, &error);
  g_assert_null (former);
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/golden/mq-former/full/cpu", test_full_cpu);
  g_test_add_func ("/golden/mq-former/full/gpu", test_full_gpu);
  g_test_add_func ("/golden/mq-former/compact/cpu", test_compact_cpu);
  g_test_add_func ("/golden/mq-former/compact/gpu", test_compact_gpu);
  g_test_add_func ("/golden/mq-former/refusals", test_refusals);

  return g_test_run ();
}
