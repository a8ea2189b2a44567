/* self-test.c - the operations prove themselves on questions whose answers are exact
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/self-test.h"

#include <math.h>

#include "compute/ops/attention.h"
#include "compute/ops/conv.h"
#include "compute/ops/gemm.h"
#include "compute/ops/norm.h"

#define ROWS 65
#define COLS 64
#define DEPTH 96 /* whole blocks of every format */
#define SIDE 9
#define CHANNELS 16

/* Integers whose largest magnitude makes every block format's scale exactly 1: quantising changes nothing. */
static void
fill_weights (DescryGgmlType type,
              float         *values,
              gsize          n)
{
  gsize i;

  for (i = 0; i < n; i++)
    {
      int value = (int) ((i * 37 + i / 96 * 11) % 15) - 7;

      if (type == DESCRY_GGML_Q4_1)
        value += 7;
      if (i % 32 == 0)
        value = type == DESCRY_GGML_Q8_0 ? 127 : type == DESCRY_GGML_Q4_0 ? -8 : type == DESCRY_GGML_Q4_1 ? 15 : value;
      if (i % 32 == 1 && type == DESCRY_GGML_Q4_1)
        value = 0;
      values[i] = (float) value;
    }
}

/* Integers of up to 127, one of them in every 32, so that activations may be quantised without loss as well. */
static void
fill_activations (float *values,
                  gsize  n)
{
  gsize i;

  for (i = 0; i < n; i++)
    values[i] = (float) (i % 32 == 5 ? 127 : (int) ((i * 53) % 19) - 9);
}

static void
check_product (DescryRun         *run,
               DescryGgmlType     type,
               guint              rows,
               DescryGemmProvider provider)
{
  DescryDevice *device = descry_run_device (run);
  g_autoptr (DescryWeight) weight = NULL;
  g_autofree float *w = g_new (float, COLS * DEPTH), *a = g_new (float, rows * DEPTH), *c = g_new0 (float, rows * COLS);
  g_autofree guint8 *blocks = NULL;
  DescryTensor x = descry_run_tensor2 (run, rows, DEPTH), y = descry_run_tensor2 (run, rows, COLS);
  GError *error = NULL;
  guint64 bytes = 0;
  guint i, j, k;

  fill_weights (type, w, COLS * DEPTH);
  fill_activations (a, (gsize) rows * DEPTH);
  descry_ggml_bytes (type, COLS * DEPTH, &bytes);
  blocks = g_malloc0 (bytes);
  descry_ggml_quantise (type, w, COLS * DEPTH, blocks);

  weight = descry_weight_new (device, descry_ggml_name (type), type, COLS, DEPTH, blocks, &error);
  descry_run_take (run, error);
  descry_run_write (run, x, a, (gsize) rows * DEPTH);
  if (weight != NULL && descry_run_ok (run))
    {
      descry_gemm_force (device, provider);
      op_gemm (run, y, x, weight, NULL);
      descry_gemm_force (device, DESCRY_GEMM_AUTO);
    }
  descry_run_read (run, y, c, (gsize) rows * COLS);

  for (i = 0; i < rows && descry_run_ok (run); i++)
    for (j = 0; j < COLS; j++)
      {
        double expected = 0.0;

        for (k = 0; k < DEPTH; k++)
          expected += (double) a[i * DEPTH + k] * w[j * DEPTH + k];
        if (c[i * COLS + j] != (float) expected)
          descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "product of %u rows, weights %s: at %u, %u expected %g, found %g", rows, descry_ggml_name (type), i, j,
                           expected, c[i * COLS + j]);
      }
}

static void
check_convolution (DescryRun *run)
{
  const DescryConvShape shape = { .kernel = 3, .stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1 };
  g_autoptr (DescryConv) conv = NULL;
  g_autofree float *w = g_new (float, CHANNELS * CHANNELS * 9), *x = g_new (float, SIDE * SIDE * CHANNELS), *y = g_new0 (float, SIDE * SIDE * CHANNELS);
  DescryTensor in = descry_run_tensor4 (run, 1, SIDE, SIDE, CHANNELS), out = descry_run_tensor4 (run, 1, SIDE, SIDE, CHANNELS), none = { 0 };
  GError *error = NULL;
  int row, col, o, c, i, j;

  fill_weights (DESCRY_GGML_F32, w, CHANNELS * CHANNELS * 9);
  fill_activations (x, SIDE * SIDE * CHANNELS);
  conv = descry_conv_new (descry_run_device (run), "self-test", CHANNELS, CHANNELS, &shape, w, NULL, &error);
  descry_run_take (run, error);
  descry_run_write (run, in, x, SIDE * SIDE * CHANNELS);
  if (conv != NULL)
    op_conv (run, out, in, conv, &shape, DESCRY_ACT_NONE, none);
  descry_run_read (run, out, y, SIDE * SIDE * CHANNELS);

  for (row = 0; row < SIDE && descry_run_ok (run); row++)
    for (col = 0; col < SIDE; col++)
      for (o = 0; o < CHANNELS; o++)
        {
          double expected = 0.0;
          float found = y[(row * SIDE + col) * CHANNELS + o];

          for (i = MAX (row - 1, 0); i <= MIN (row + 1, SIDE - 1); i++)
            for (j = MAX (col - 1, 0); j <= MIN (col + 1, SIDE - 1); j++)
              for (c = 0; c < CHANNELS; c++)
                expected += (double) x[(i * SIDE + j) * CHANNELS + c] * w[((o * CHANNELS + c) * 3 + i - row + 1) * 3 + j - col + 1];
          /* A provider may go another way (Winograd), whose intermediate numbers are not integers. */
          if (!(fabs (found - expected) <= 1e-4 * fabs (expected) + 1e-2))
            descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "convolution: at %d, %d, channel %d expected %g, found %g", row, col, o, expected, found);
        }
}

/* All keys alike: every weight is 1 / 4, so the answer is the mean of the values. */
static void
check_attention (DescryRun *run)
{
  enum { KEYS = 4, HEADS = 2, DIM = 64 };
  const DescryAttention attention = { .heads = HEADS, .kv_heads = HEADS, .head_dim = DIM };
  float ones[KEYS * HEADS * DIM], values[KEYS * HEADS * DIM], found[HEADS * DIM] = { 0 };
  DescryTensor q = descry_run_tensor2 (run, 1, HEADS * DIM), k = descry_run_tensor2 (run, KEYS, HEADS * DIM);
  DescryTensor v = descry_run_tensor2 (run, KEYS, HEADS * DIM), out = descry_run_tensor2 (run, 1, HEADS * DIM);
  guint i, row;

  for (i = 0; i < KEYS * HEADS * DIM; i++)
    {
      ones[i] = 0.125f;
      values[i] = (float) ((i * 7) % 31) - 15.0f;
    }
  descry_run_write (run, q, ones, HEADS * DIM);
  descry_run_write (run, k, ones, KEYS * HEADS * DIM);
  descry_run_write (run, v, values, KEYS * HEADS * DIM);
  op_attention (run, out, q, k, v, &attention);
  descry_run_read (run, out, found, HEADS * DIM);
  for (i = 0; i < HEADS * DIM && descry_run_ok (run); i++)
    {
      double expected = 0.0;

      for (row = 0; row < KEYS; row++)
        expected += values[row * HEADS * DIM + i] / KEYS;
      if (!(fabs (found[i] - expected) <= 1e-4))
        descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "attention: at %u expected %g, found %g", i, expected, found[i]);
    }
}

/* Mean 0 and variance 1 already: the row comes back. */
static void
check_norm (DescryRun *run)
{
  float values[COLS], ones[COLS], found[COLS] = { 0 };
  DescryTensor x = descry_run_tensor2 (run, 1, COLS), y = descry_run_tensor2 (run, 1, COLS), weight = descry_run_tensor (run, DESCRY_F32, 1, (guint[]) { COLS });
  const DescryTensor none = { 0 };
  guint i;

  for (i = 0; i < COLS; i++)
    {
      values[i] = i % 2 == 0 ? 1.0f : -1.0f;
      ones[i] = 1.0f;
    }
  descry_run_write (run, x, values, COLS);
  descry_run_write (run, weight, ones, COLS);
  op_layer_norm (run, y, x, weight, none, 0.0f);
  descry_run_read (run, y, found, COLS);
  for (i = 0; i < COLS && descry_run_ok (run); i++)
    if (!(fabsf (found[i] - values[i]) <= 1e-5f))
      descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "layer norm: at %u expected %g, found %g", i, values[i], found[i]);
}

gboolean
op_self_test (DescryDevice *device,
              GError      **error)
{
  static const DescryGgmlType types[] = { DESCRY_GGML_F32, DESCRY_GGML_F16, DESCRY_GGML_Q8_0, DESCRY_GGML_Q4_0, DESCRY_GGML_Q4_1 };
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  guint i;

  check_product (run, DESCRY_GGML_F32, ROWS, DESCRY_GEMM_OWN);
  check_product (run, DESCRY_GGML_F32, ROWS, DESCRY_GEMM_AUTO);
  for (i = 0; i < G_N_ELEMENTS (types); i++)
    check_product (run, types[i], 1, DESCRY_GEMM_AUTO);
  check_convolution (run);
  check_attention (run);
  check_norm (run);

  return descry_run_finish (run, error);
}
