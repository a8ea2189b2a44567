/* onednn.c - the oneDNN provider against the own kernels and a scalar reference
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/onednn.h"
#include "tests/ops/harness.h"

typedef struct
{
  guint           n, h, w, in, out;
  DescryConvShape shape;
  DescryActivation act;
  gboolean        slice, residual;
} Case;

static const Case cases[] = {
  { 1, 13, 17, 16, 24, { .kernel = 3, .stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1 }, DESCRY_ACT_RELU, TRUE, FALSE },
  { 1, 16, 16, 64, 32, { .kernel = 3, .stride = 1, .dilation = 2, .pad_top = 2, .pad_left = 2, .pad_bottom = 2, .pad_right = 2 }, DESCRY_ACT_RELU, FALSE, FALSE },
  { 2, 14, 14, 32, 16, { .kernel = 1, .stride = 1 }, DESCRY_ACT_NONE, FALSE, TRUE },
  { 1, 15, 11, 16, 16, { .kernel = 3, .stride = 2, .pad_bottom = 1, .pad_right = 1, .pad_top = 1, .pad_left = 1 }, DESCRY_ACT_LEAKY, TRUE, TRUE },
  { 1, 12, 12, 32, 32, { .kernel = 5, .stride = 1, .pad_top = 2, .pad_left = 2, .pad_bottom = 2, .pad_right = 2, .depthwise = TRUE }, DESCRY_ACT_RELU6, FALSE, FALSE },
};

static double
activate (double           x,
          DescryActivation act)
{
  switch (act)
    {
    case DESCRY_ACT_RELU:
      return MAX (x, 0.0);
    case DESCRY_ACT_RELU6:
      return CLAMP (x, 0.0, 6.0);
    case DESCRY_ACT_LEAKY:
      return x > 0.0 ? x : 0.1 * x;
    default:
      return x;
    }
}

static double *
convolve (const Case  *c,
          const float *x,
          const float *weights,
          const float *bias,
          const float *residual,
          guint        oh,
          guint        ow)
{
  guint k = c->shape.kernel, step = MAX (c->shape.dilation, 1), in = c->shape.depthwise ? 1 : c->in;
  double *y = g_new (double, (gsize) c->n * oh * ow * c->out);
  guint b, r, q, o, ky, kx, i;

  for (b = 0; b < c->n; b++)
    for (r = 0; r < oh; r++)
      for (q = 0; q < ow; q++)
        for (o = 0; o < c->out; o++)
          {
            gsize at = (((gsize) b * oh + r) * ow + q) * c->out + o;
            double sum = bias[o];

            for (ky = 0; ky < k; ky++)
              for (kx = 0; kx < k; kx++)
                {
                  int iy = (int) (r * c->shape.stride + ky * step) - (int) c->shape.pad_top;
                  int ix = (int) (q * c->shape.stride + kx * step) - (int) c->shape.pad_left;

                  if (iy < 0 || ix < 0 || iy >= (int) c->h || ix >= (int) c->w)
                    continue;
                  for (i = 0; i < in; i++)
                    sum += (double) x[(((gsize) b * c->h + iy) * c->w + ix) * c->in + (c->shape.depthwise ? o : i)]
                           * weights[(((gsize) o * in + i) * k + ky) * k + kx];
                }
            y[at] = activate (sum, c->act) + (residual != NULL ? residual[at] : 0.0);
          }

  return y;
}

static void
run_case (DescryRun  *run,
          const Case *c,
          gboolean    bf16)
{
  guint reach = MAX (c->shape.dilation, 1) * (c->shape.kernel - 1) + 1;
  guint oh = (c->h + c->shape.pad_top + c->shape.pad_bottom - reach) / c->shape.stride + 1;
  guint ow = (c->w + c->shape.pad_left + c->shape.pad_right - reach) / c->shape.stride + 1;
  gsize n_x = (gsize) c->n * c->h * c->w * c->in, n_y = (gsize) c->n * oh * ow * c->out;
  g_autoptr (GRand) rand = g_rand_new_with_seed (c->in + c->out);
  g_autofree float *x = random_floats (rand, n_x, -1, 1);
  g_autofree float *weights = random_floats (rand, (gsize) c->out * (c->shape.depthwise ? 1 : c->in) * c->shape.kernel * c->shape.kernel, -1, 1);
  g_autofree float *bias = random_floats (rand, c->out, -1, 1);
  g_autofree float *residual = c->residual ? random_floats (rand, n_y, -1, 1) : NULL;
  g_autofree double *expected = convolve (c, x, weights, bias, residual, oh, ow);
  g_autofree float *found = g_new0 (float, n_y);
  guint x_shape[] = { c->n, c->h, c->w, c->in }, y_shape[] = { c->n, oh, ow, c->out };
  DescryTensor device_x = guarded_tensor (run, c->n * c->h * c->w, c->in), device_y = guarded_tensor (run, c->n * oh * ow, c->out), sum = { 0 };
  DescryOnednnConv *conv = descry_onednn_conv_new (c->out, c->in, &c->shape, weights, bias);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (conv);
  if (!c->slice)
    {
      device_x = descry_run_tensor2 (run, c->n * c->h * c->w, c->in);
      device_y = descry_run_tensor2 (run, c->n * oh * ow, c->out);
    }
  if (residual != NULL)
    {
      sum = descry_run_tensor2 (run, c->n * oh * ow, c->out);
      descry_run_write (run, sum, residual, n_y);
      sum = descry_tensor_reshape (sum, 4, y_shape);
    }
  descry_run_write (run, device_x, x, n_x);
  g_assert_true (descry_onednn_conv (run, descry_tensor_reshape (device_y, 4, y_shape), descry_tensor_reshape (device_x, 4, x_shape),
                                     conv, &c->shape, c->act, sum, bf16));
  descry_run_read (run, device_y, found, n_y);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  assert_nmse (bf16 ? "bf16" : "f32", found, expected, n_y, bf16 ? 1e-4 : 1e-8);
  if (c->slice)
    check_guards (run, device_y, "convolution");
  descry_onednn_conv_free (conv);
}

static gboolean
skip_without (DescryRun *run)
{
  const char *reason = NULL;

  if (descry_onednn_available (descry_run_device (run), &reason))
    return FALSE;
  g_test_skip (reason);
  return TRUE;
}

static void
test_conv (DescryRun *run)
{
  guint i;

  if (skip_without (run))
    return;
  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    run_case (run, &cases[i], FALSE);
}

static void
test_conv_bf16 (DescryRun *run)
{
  guint i;

  if (skip_without (run))
    return;
  /* Without the instructions the library refuses or emulates; refusing is an answer, too. */
  for (i = 0; i < 2; i++)
    run_case (run, &cases[i], TRUE);
}

static void
test_matmul (DescryRun *run)
{
  guint m = 37, n = 72, k = 96, r, c, i, pass;
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  g_autofree float *a = random_floats (rand, m * k, -1, 1);
  g_autofree float *w = random_floats (rand, n * k, -1, 1);
  g_autofree float *bias = random_floats (rand, n, -1, 1);
  g_autofree float *residual = random_floats (rand, m * n, -1, 1);
  g_autofree double *expected = g_new (double, m * n);
  g_autofree float *found = g_new0 (float, m * n);
  DescryOnednnMatmul *matmul;
  DescryEpilogue epilogue = { .act = DESCRY_ACT_GELU, .scale = 0.5f };
  DescryTensor device_a, device_c;
  g_autoptr (GError) error = NULL;

  if (skip_without (run))
    return;

  for (r = 0; r < m; r++)
    for (c = 0; c < n; c++)
      {
        double sum = bias[c];

        for (i = 0; i < k; i++)
          sum += (double) a[r * k + i] * w[c * k + i];
        expected[r * n + c] = 0.5 * sum * (1 + erf (sum / sqrt (2))) * 0.5 + residual[r * n + c];
      }

  matmul = descry_onednn_matmul_new (n, k, w);
  for (pass = 0; pass < 2; pass++)
    {
      device_a = pass ? guarded_tensor (run, m, k) : descry_run_tensor2 (run, m, k);
      device_c = pass ? guarded_tensor (run, m, n) : descry_run_tensor2 (run, m, n);
      epilogue.bias = descry_run_tensor2 (run, 1, n);
      epilogue.residual = pass ? descry_run_tensor2 (run, m, n) : device_c; /* apart, and in place */
      descry_run_write (run, device_a, a, m * k);
      descry_run_write (run, epilogue.bias, bias, n);
      descry_run_write (run, epilogue.residual, residual, m * n);
      g_assert_true (descry_onednn_matmul (run, device_c, device_a, matmul, &epilogue, FALSE));
      descry_run_read (run, device_c, found, m * n);
      descry_run_finish (run, &error);
      g_assert_no_error (error);
      assert_nmse ("matmul", found, expected, m * n, 1e-8);
    }
  check_guards (run, device_c, "matmul");
  descry_onednn_matmul_free (matmul);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("onednn/conv", test_conv);
  add_op_test ("onednn/conv-bf16", test_conv_bf16);
  add_op_test ("onednn/matmul", test_matmul);

  return g_test_run ();
}
