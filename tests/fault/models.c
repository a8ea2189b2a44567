/* models.c - a product, an attention, a whole MQ-Former and a language model, with each call and each allocation failing once
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/device/program-cache.h"
#include "compute/models/llama.h"
#include "compute/models/mq-former.h"
#include "compute/ops/attention.h"
#include "compute/ops/gemm.h"
#include "tests/fault/loop.h"

#define ROWS 5
#define WIDTH 32

static gboolean
product_and_attention (DescryDevice *device,
                       GByteArray   *results,
                       GError      **error)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (DescryWeight) weight = NULL;
  DescryTensor x = descry_run_tensor2 (run, ROWS, WIDTH), y = descry_run_tensor2 (run, ROWS, WIDTH), out = descry_run_tensor2 (run, ROWS, WIDTH);
  const DescryEpilogue epilogue = { .act = DESCRY_ACT_GELU };
  const DescryAttention attention = { .heads = 2, .kv_heads = 2, .head_dim = WIDTH / 2 };
  float values[WIDTH * WIDTH], found[ROWS * WIDTH] = { 0 };
  GError *failure = NULL;
  guint i;

  for (i = 0; i < WIDTH * WIDTH; i++)
    values[i] = (float) ((i * 37) % 64) / 64.0f - 0.4f;
  weight = descry_weight_new (device, "test", DESCRY_GGML_F32, WIDTH, WIDTH, values, &failure);
  descry_run_take (run, failure);
  descry_run_write (run, x, values, ROWS * WIDTH);
  if (weight != NULL)
    op_gemm (run, y, x, weight, &epilogue);
  op_attention (run, out, x, y, y, &attention);
  descry_run_read (run, out, found, ROWS * WIDTH);
  if (!descry_run_finish (run, error))
    return FALSE;

  g_byte_array_append (results, (const guint8 *) found, sizeof found);
  return TRUE;
}

static gboolean
mq_former (DescryDevice *device,
           GByteArray   *results,
           GError      **error)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "data", "mq-former-compact.gguf", NULL);
  g_autofree char *words_path = g_test_build_filename (G_TEST_DIST, "golden", "data", "mq-former-words.gguf", NULL);
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error), words = NULL;
  g_autoptr (DescryMqFormer) former = gguf != NULL ? descry_mq_former_new (device, gguf, error) : NULL;
  g_autoptr (DescryRun) run = NULL;
  DescryTensor image, local, soft;
  float values[11 * 24] = { 0 };
  const gint32 text[] = { 3, 61 };
  guint i;

  if (former == NULL)
    return FALSE;
  words = descry_gguf_open (words_path, error);
  if (words == NULL || !descry_mq_former_share_words (former, words, error))
    return FALSE;

  for (i = 0; i < G_N_ELEMENTS (values); i++)
    values[i] = (float) ((i * 29) % 97) / 50.0f - 1.0f;
  run = descry_run_new (device, NULL);
  image = descry_run_tensor2 (run, 9, 20);
  local = descry_run_tensor2 (run, 2, 21);
  descry_run_write (run, image, values, 9 * 20);
  descry_run_write (run, local, values, 2 * 21);
  descry_mq_former_run (former, run, image, local, text, 2, NULL, &soft);
  descry_run_read (run, soft, values, 11 * 24);
  if (!descry_run_finish (run, error))
    return FALSE;

  g_byte_array_append (results, (const guint8 *) values, sizeof values);
  return TRUE;
}

/* Three tokens after a prompt with a soft token in it. */
static gboolean
llama (DescryDevice *device,
       GByteArray   *results,
       GError      **error)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "llama", "llama.gguf", NULL);
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error);
  g_autoptr (DescryLlama) model = gguf != NULL ? descry_llama_new (device, gguf, NULL, NULL, NULL, error) : NULL;
  g_autoptr (DescryLlamaSession) session = model != NULL ? descry_llama_session_new (model, 16, error) : NULL;
  const gint32 ids[] = { 1, 5, -1, 9 };
  g_autofree float *soft = NULL;
  guint64 seed = 1;
  guint i;

  if (session == NULL)
    return FALSE;
  soft = g_new0 (float, descry_llama_width (model));
  soft[0] = 0.5f;
  if (!descry_llama_prompt (session, ids, G_N_ELEMENTS (ids), soft, NULL, NULL, NULL, error))
    return FALSE;
  for (i = 0; i < 3; i++)
    {
      gint32 id = descry_llama_next (session, 0.0f, &seed, NULL, error);

      if (id < 0)
        return FALSE;
      g_byte_array_append (results, (const guint8 *) &id, sizeof id);
    }

  return TRUE;
}

/* The same on a device of its own: what is built once per device fails as well. */
static gboolean
mq_former_from_nothing (DescryDevice *none,
                        GByteArray   *results,
                        GError      **error)
{
  g_autoptr (DescryDevice) device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), DESCRY_FAMILY_AUTO, error);

  return device != NULL && mq_former (device, results, error);
}

static DescryDevice *
open_device (DescryFamily family)
{
  g_autoptr (GError) error = NULL;
  DescryDevice *device;

  if (!loop_init ())
    return NULL;
  device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), family, &error);
  if (device == NULL)
    g_test_skip (error->message);

  return device;
}

static void
loop_family (DescryFamily family,
             FaultTask    task,
             guint        at_least)
{
  g_autoptr (DescryDevice) device = open_device (family);
  guint seen;

  if (device == NULL)
    return;
  seen = loop_all (device, task);
  g_test_message ("%u failures seen", seen);
  g_assert_cmpuint (seen, >=, at_least);
}

static void
test_product_cpu (void)
{
  loop_family (DESCRY_FAMILY_CPU, product_and_attention, 20);
}

static void
test_product_gpu (void)
{
  loop_family (DESCRY_FAMILY_GPU, product_and_attention, 20);
}

static void
test_mq_former (void)
{
  loop_family (DESCRY_FAMILY_AUTO, mq_former, 150);
}

static void
test_llama (void)
{
  loop_family (DESCRY_FAMILY_AUTO, llama, 60);
}

static void
test_once_per_device (void)
{
  static const char *const functions[] = { "clCreateContext", "clCreateCommandQueue", "clCreateProgramWithSource", "clBuildProgram", "clCreateKernel" };
  g_autoptr (DescryDevice) device = open_device (DESCRY_FAMILY_AUTO);
  gboolean cached;
  guint i;

  if (device == NULL)
    return;
  /* With stored binaries nothing is compiled, and one that fails is compiled from source. */
  cached = descry_program_cache_wanted (descry_device_info (device));
  for (i = 0; i < G_N_ELEMENTS (functions); i++)
    g_assert_cmpuint (loop_calls (NULL, mq_former_from_nothing, functions[i], CL_OUT_OF_HOST_MEMORY, cached), >=, cached ? 0 : 1);
}

static void
test_allocations (void)
{
  g_autoptr (DescryDevice) device = open_device (DESCRY_FAMILY_AUTO);

  if (device == NULL)
    return;
  g_assert_cmpuint (loop_allocations (device, product_and_attention), >=, 1);
  g_assert_cmpuint (loop_allocations (device, mq_former), >=, 40);
  g_assert_cmpuint (loop_allocations (device, llama), >=, 10);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/fault/product/cpu", test_product_cpu);
  g_test_add_func ("/fault/product/gpu", test_product_gpu);
  g_test_add_func ("/fault/mq-former/calls", test_mq_former);
  g_test_add_func ("/fault/llama/calls", test_llama);
  g_test_add_func ("/fault/mq-former/once-per-device", test_once_per_device);
  g_test_add_func ("/fault/allocations", test_allocations);

  return g_test_run ();
}
