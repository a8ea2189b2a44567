/* norm.c - layer norm, RMS norm, softmax
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/norm.h"
#include "tests/ops/harness.h"

static const guint shapes[][2] = { { 1, 1 }, { 3, 5 }, { 1, 576 }, { 17, 576 }, { 4, 15 }, { 4, 16 }, { 4, 17 }, { 2, 1408 }, { 65, 64 }, { 1, 4001 } };

enum { LAYER, LAYER_WITHOUT_BIAS, RMS, SOFTMAX, N_KINDS };

static void
norm_row (guint kind, const float *x, const float *weight, const float *bias, double *y, guint n, double eps)
{
  double mean = 0, power = 0, top = -INFINITY, sum = 0;
  guint i;

  for (i = 0; i < n; i++)
    {
      mean += x[i] / (double) n;
      top = fmax (top, x[i]);
    }
  for (i = 0; i < n; i++)
    {
      power += (kind == RMS ? x[i] : x[i] - mean) * (kind == RMS ? x[i] : x[i] - mean) / n;
      sum += exp (x[i] - top);
    }
  for (i = 0; i < n; i++)
    y[i] = kind == SOFTMAX ? (isinf (top) ? 0.0 : exp (x[i] - top) / sum)
           : kind == RMS ? x[i] / sqrt (power + eps) * weight[i]
                         : (x[i] - mean) / sqrt (power + eps) * weight[i] + (kind == LAYER ? bias[i] : 0);
}

static void
launch (DescryRun *run, guint kind, DescryTensor y, DescryTensor x, DescryTensor weight, DescryTensor bias, float eps)
{
  if (kind == SOFTMAX)
    op_softmax (run, y, x);
  else if (kind == RMS)
    op_rms_norm (run, y, x, weight, eps);
  else
    op_layer_norm (run, y, x, weight, kind == LAYER ? bias : (DescryTensor) { 0 }, eps);
}

static void
test_rows (DescryRun *run)
{
  static const float epsilons[] = { 1e-12f, 1e-6f, 1e-5f };
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint s, kind, r;

  for (s = 0; s < G_N_ELEMENTS (shapes); s++)
    for (kind = 0; kind < N_KINDS; kind++)
      {
        guint rows = shapes[s][0], cols = shapes[s][1];
        gsize n = (gsize) rows * cols;
        /* Far from zero, as residual streams are. */
        g_autofree float *x = random_floats (rand, n, kind == SOFTMAX ? -30 : -3, kind == SOFTMAX ? 30 : 12), *weight = random_floats (rand, cols, -2, 2), *bias = random_floats (rand, cols, -1, 1);
        g_autofree float *found = g_new0 (float, n), *again = g_new0 (float, n);
        g_autofree double *expected = g_new (double, n);
        DescryTensor tx = guarded_tensor (run, rows, cols), ty = guarded_tensor (run, rows, cols), tw = descry_run_tensor2 (run, 1, cols), tb = descry_run_tensor2 (run, 1, cols);
        float eps = epsilons[s % 3];

        /* One element or column has no variance: 0 / sqrt (eps) would compare rounding errors. */
        if (cols == 1)
          eps = 1.0f;
        descry_run_write (run, tx, x, n);
        descry_run_write (run, tw, weight, cols);
        descry_run_write (run, tb, bias, cols);
        for (r = 0; r < rows; r++)
          norm_row (kind, x + r * cols, weight, bias, expected + r * cols, cols, eps);

        launch (run, kind, ty, tx, tw, tb, eps);
        descry_run_read (run, ty, found, n);
        assert_nmse ("norm", found, expected, n, 1e-11);
        check_guards (run, ty, "norm");

        /* In place, and the same bits. */
        launch (run, kind, tx, tx, tw, tb, eps);
        descry_run_read (run, tx, again, n);
        g_assert_cmpmem (found, n * 4, again, n * 4);
        check_guards (run, tx, "norm in place");

        descry_run_release (run, &tx);
        descry_run_release (run, &ty);
        descry_run_release (run, &tw);
        descry_run_release (run, &tb);
      }
}

static void
test_masks (DescryRun *run)
{
  float x[3 * 40], y[3 * 40];
  DescryTensor t = descry_run_tensor2 (run, 3, 40);
  guint i;

  /* Half masked, all masked, NaN inside. */
  for (i = 0; i < 120; i++)
    x[i] = i < 40 ? (i % 2 ? -INFINITY : 1.0f) : i < 80 ? -INFINITY : i == 100 ? NAN : 0.0f;
  descry_run_write (run, t, x, 120);
  op_softmax (run, t, t);
  descry_run_read (run, t, y, 120);
  for (i = 0; i < 120; i++)
    if (i < 40)
      g_assert_cmpfloat_with_epsilon (y[i], i % 2 ? 0.0f : 0.05f, 1e-7);
    else if (i < 80)
      g_assert_cmpfloat (y[i], ==, 0.0f);
    else
      g_assert_true (isnan (y[i]));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("norm/rows", test_rows);
  add_op_test ("norm/masks", test_masks);

  return g_test_run ();
}
