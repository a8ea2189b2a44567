/* work.c - picture operations, packed weights and a step of training, with each call and each allocation failing once
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/components.h"
#include "compute/ops/conv.h"
#include "compute/ops/resample.h"
#include "compute/train/llama-train.h"
#include "tests/fault/loop.h"
#include "tests/ops/random-blocks.h"

#define SIDE 6
#define CHANNELS 8

static DescryConv *
make_conv (DescryRun       *run,
           guint            out,
           DescryConvShape  shape,
           const float     *weights)
{
  GError *failure = NULL;
  DescryConv *conv = descry_conv_new (descry_run_device (run), "test", out, CHANNELS, &shape, weights, NULL, &failure);

  descry_run_take (run, failure);
  return conv;
}

/* A few layers one after another, each with its own kernels and buffers. */
static gboolean
pictures (DescryDevice *device,
          GByteArray   *results,
          GError      **error)
{
  const DescryConvShape plain = { .kernel = 3, .stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1 };
  DescryConvShape deep = plain;
  const DescryTensor none = { 0 };
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (DescryConv) first = NULL, second = NULL;
  g_autoptr (DescryConvTransposed) third = NULL;
  float values[CHANNELS * CHANNELS * 9], found[4 * SIDE * SIDE * CHANNELS] = { 0 };
  gint32 labels[SIDE * SIDE] = { 0 }, count = 0;
  GError *failure = NULL;
  DescryTensor x = descry_run_tensor4 (run, 1, SIDE, SIDE, CHANNELS), y, wide = descry_run_tensor4 (run, 1, 2 * SIDE, 2 * SIDE, CHANNELS);
  DescryTensor mask = descry_run_tensor (run, DESCRY_U8, 2, (guint[]) { SIDE, SIDE }), marks = descry_run_tensor (run, DESCRY_I32, 2, (guint[]) { SIDE, SIDE });
  DescryTensor number = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { 1 }), shades = descry_run_tensor2 (run, SIDE, SIDE);
  guint i;

  /* Where oneDNN lacks memory for a convolution the own kernel does it, and the result is right: nothing to see. */
  descry_gemm_force (device, DESCRY_GEMM_OWN);
  for (i = 0; i < G_N_ELEMENTS (values); i++)
    values[i] = (float) ((i * 37) % 64) / 64.0f - 0.4f;
  deep.depthwise = TRUE;
  first = make_conv (run, CHANNELS, plain, values);
  second = make_conv (run, CHANNELS, deep, values);
  third = descry_conv_transposed_new (device, "test", CHANNELS, CHANNELS, 2, 2, 0, values, NULL, &failure);
  descry_run_take (run, failure);
  descry_run_write (run, x, values, SIDE * SIDE * CHANNELS);
  if (first != NULL && second != NULL && third != NULL)
    {
      y = op_conv_alloc (run, x, first, FALSE, DESCRY_ACT_RELU, none);
      y = op_conv_alloc (run, y, second, TRUE, DESCRY_ACT_NONE, x);
      op_resize (run, wide, y, DESCRY_RESIZE_HALF_PIXEL, FALSE);
      y = op_conv_transposed (run, y, third, DESCRY_ACT_NONE);
      descry_run_read (run, wide, found, 4 * SIDE * SIDE * CHANNELS);
      if (descry_run_ok (run))
        g_byte_array_append (results, (const guint8 *) found, sizeof found);
      descry_run_read (run, y, found, 4 * SIDE * SIDE * CHANNELS);
    }
  descry_run_write (run, shades, values, SIDE * SIDE);
  op_squares_set (run, mask, shades, 1, 0.0f);
  op_components (run, marks, number, mask);
  descry_run_read (run, marks, labels, SIDE * SIDE);
  descry_run_read (run, number, &count, 1);
  if (!descry_run_finish (run, error))
    return FALSE;

  g_byte_array_append (results, (const guint8 *) found, sizeof found);
  g_byte_array_append (results, (const guint8 *) labels, sizeof labels);
  g_byte_array_append (results, (const guint8 *) &count, sizeof count);
  return TRUE;
}

/* Weights as files hold them: one row (the device's own choice), and more than are read in packed form. */
static gboolean
packed (DescryDevice *device,
        GByteArray   *results,
        GError      **error)
{
  static const DescryGgmlType types[] = { DESCRY_GGML_Q8_0, DESCRY_GGML_Q4_0, DESCRY_GGML_Q6_K };
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree float *x = g_new (float, 12 * 256);
  float found[12 * 33] = { 0 };
  guint t, i;

  for (i = 0; i < 12 * 256; i++)
    x[i] = (float) ((i * 29) % 97) / 50.0f - 1.0f;
  for (t = 0; t < G_N_ELEMENTS (types) && descry_run_ok (run); t++)
    {
      g_autoptr (DescryWeight) weight = NULL;
      g_autofree guint8 *blocks = NULL;
      GError *failure = NULL;
      guint64 row = 0;
      guint m;

      descry_ggml_bytes (types[t], 256, &row);
      blocks = g_malloc (row * 33);
      random_blocks (rand, types[t], 33 * 256, 0.6, blocks);
      weight = descry_weight_new (device, "test", types[t], 33, 256, blocks, &failure);
      descry_run_take (run, failure);
      for (m = 1; m <= 12 && weight != NULL; m += 11)
        {
          DescryTensor a = descry_run_tensor2 (run, m, 256), c = descry_run_tensor2 (run, m, 33);

          descry_run_write (run, a, x, m * 256);
          op_gemm (run, c, a, weight, NULL);
          descry_run_read (run, c, found, m * 33);
          if (descry_run_ok (run))
            g_byte_array_append (results, (const guint8 *) found, m * 33 * sizeof (float));
        }
      descry_run_finish (run, NULL);
    }

  return descry_run_finish (run, error);
}

/* The loss and the gradients of two examples. */
static gboolean
training (DescryDevice *device,
          GByteArray   *results,
          GError      **error)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "train", "tiny-llama.gguf", NULL);
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error);
  const DescryLoraConfig config = { .rank = 2, .alpha = 4, .rows = 16, .answers = 8, .seed = 1 };
  g_autoptr (DescryTrainLlama) model = gguf != NULL ? descry_train_llama_new (device, gguf, &config, error) : NULL;
  const gint32 ids[] = { 1, 5, 9, 2, 7, 4 };
  const DescryTrainExample examples[] = { { ids, 6, 2 }, { ids + 1, 4, 1 } };
  double loss = 0;

  if (model == NULL || !descry_train_llama_loss (model, examples, 2, TRUE, NULL, &loss, error))
    return FALSE;

  g_byte_array_append (results, (const guint8 *) &loss, sizeof loss);
  return TRUE;
}

static void
loop_task (DescryFamily family,
           FaultTask    task,
           guint        calls,
           guint        allocations)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryDevice) device = NULL;
  guint seen;

  if (!loop_init ())
    return;
  device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), family, &error);
  if (device == NULL)
    {
      g_test_skip (error->message);
      return;
    }
  seen = loop_all (device, task);
  g_assert_cmpuint (seen, >=, calls);
  g_assert_cmpuint (loop_allocations (device, task), >=, allocations);
  g_test_message ("%u failures of calls seen", seen);
}

static void
test_pictures_cpu (void)
{
  loop_task (DESCRY_FAMILY_CPU, pictures, 40, 1);
}

static void
test_pictures_gpu (void)
{
  loop_task (DESCRY_FAMILY_GPU, pictures, 40, 1);
}

static void
test_packed (void)
{
  loop_task (DESCRY_FAMILY_AUTO, packed, 30, 3);
}

static void
test_training (void)
{
  loop_task (DESCRY_FAMILY_AUTO, training, 60, 5);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/fault/pictures/cpu", test_pictures_cpu);
  g_test_add_func ("/fault/pictures/gpu", test_pictures_gpu);
  g_test_add_func ("/fault/packed", test_packed);
  g_test_add_func ("/fault/training", test_training);

  return g_test_run ();
}
