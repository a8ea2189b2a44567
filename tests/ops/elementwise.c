/* elementwise.c - element by element, copies, argmax
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/elementwise.h"
#include "tests/ops/harness.h"

/* rows, cols: one element, primes, a vector and its neighbours, longer than a chunk, what networks have. */
static const guint shapes[][2] = { { 1, 1 }, { 7, 13 }, { 3, 16 }, { 5, 17 }, { 1, 9001 }, { 300, 15 }, { 49, 1280 }, { 2, 4097 } };

static double
reference (double x, DescryActivation act)
{
  const double sixth = 0.16662598;

  switch (act)
    {
    case DESCRY_ACT_RELU: return MAX (x, 0);
    case DESCRY_ACT_RELU6: return CLAMP (x, 0, 6);
    case DESCRY_ACT_LEAKY: return x > 0 ? x : 0.1 * x;
    case DESCRY_ACT_GELU: return 0.5 * x * (1 + erf (x / sqrt (2)));
    case DESCRY_ACT_QUICK_GELU: return x / (1 + exp (-1.702 * x));
    case DESCRY_ACT_SILU: return x / (1 + exp (-x));
    case DESCRY_ACT_SIGMOID: return 1 / (1 + exp (-x));
    case DESCRY_ACT_TANH: return tanh (x);
    case DESCRY_ACT_HARD_SWISH: return x * CLAMP (x + 3, 0, 6) * sixth;
    case DESCRY_ACT_HARD_SIGMOID: return CLAMP (x + 3, 0, 6) * sixth;
    case DESCRY_ACT_NONE:
    default: return x;
    }
}

static DescryTensor
upload_guarded (DescryRun *run, const float *values, guint rows, guint cols)
{
  DescryTensor tensor = guarded_tensor (run, rows, cols);

  descry_run_write (run, tensor, values, (gsize) rows * cols);
  return tensor;
}

static void
compare (DescryRun *run, DescryTensor y, const double *expected, const char *what, double limit)
{
  gsize n = descry_tensor_count (y);
  g_autofree float *found = g_new0 (float, n);

  descry_run_read (run, y, found, n);
  if (descry_run_ok (run))
    assert_nmse (what, found, expected, n, limit);
}

static void
test_binary (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint s, act, kind, broadcast;

  for (s = 0; s < G_N_ELEMENTS (shapes); s++)
    for (broadcast = 0; broadcast < 2; broadcast++)
      {
        guint rows = shapes[s][0], cols = shapes[s][1];
        gsize n = (gsize) rows * cols, i;
        g_autofree float *a = random_floats (rand, n, -4, 4), *b = random_floats (rand, n, -4, 4);
        g_autofree double *expected = g_new (double, n);
        DescryTensor ta = upload_guarded (run, a, rows, cols), tb = upload_guarded (run, b, broadcast ? 1 : rows, cols);

        for (kind = 0; kind < 3; kind++)
          {
            DescryTensor y = guarded_tensor (run, rows, cols);

            act = s % (DESCRY_ACT_HARD_SIGMOID + 1);
            for (i = 0; i < n; i++)
              {
                double other = b[broadcast ? i % cols : i];

                expected[i] = kind == 0 ? reference (a[i] + other, act) : kind == 1 ? a[i] * other : a[i] / (1 + exp (-a[i])) * other;
              }
            if (kind == 0)
              op_add (run, y, ta, tb, act);
            else if (kind == 1)
              op_mul (run, y, ta, tb);
            else if (!broadcast || rows == 1)
              op_swiglu (run, y, ta, tb);
            else
              continue;
            compare (run, y, expected, "binary", 1e-12);
            check_guards (run, y, "binary");
            descry_run_release (run, &y);
          }
        descry_run_release (run, &ta);
        descry_run_release (run, &tb);
      }
}

static void
test_activations (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  g_autofree float *x = random_floats (rand, 37 * 41, -9, 9), *again = g_new0 (float, 37 * 41), *first = g_new0 (float, 37 * 41);
  g_autofree double *expected = g_new (double, 37 * 41);
  DescryTensor tx = upload_guarded (run, x, 37, 41), y = guarded_tensor (run, 37, 41), dense = descry_run_tensor2 (run, 37, 41);
  guint act, i;

  for (act = DESCRY_ACT_NONE; act <= DESCRY_ACT_HARD_SIGMOID; act++)
    {
      g_autofree char *what = g_strdup_printf ("activation %u", act);

      for (i = 0; i < 37 * 41; i++)
        expected[i] = reference (x[i], act);
      op_activate (run, y, tx, act);
      compare (run, y, expected, what, 1e-12);
      check_guards (run, y, what);

      /* In place and dense, twice: the same bits. */
      op_copy (run, dense, tx);
      op_activate (run, dense, dense, act);
      descry_run_read (run, dense, first, 37 * 41);
      op_copy (run, dense, tx);
      op_activate (run, dense, dense, act);
      descry_run_read (run, dense, again, 37 * 41);
      g_assert_cmpmem (first, 37 * 41 * 4, again, 37 * 41 * 4);
      compare (run, dense, expected, what, 1e-12);
    }
}

static void
test_special_values (DescryRun *run)
{
  float x[33], y[33];
  DescryTensor t = descry_run_tensor2 (run, 1, 33);
  guint i;

  for (i = 0; i < 33; i++)
    x[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
  descry_run_write (run, t, x, 33);
  op_scale (run, t, t, 2.0f);
  descry_run_read (run, t, y, 33);
  for (i = 0; i < 33; i++)
    g_assert_true (i % 3 == 0 ? isnan (y[i]) : y[i] == x[i]);
  op_activate (run, t, t, DESCRY_ACT_SIGMOID);
  descry_run_read (run, t, y, 33);
  for (i = 0; i < 33; i++)
    g_assert_true (i % 3 == 0 ? isnan (y[i]) : y[i] == (i % 3 == 1 ? 1.0f : 0.0f));
}

static void
test_copies (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  guint s, i;

  for (s = 0; s < G_N_ELEMENTS (shapes); s++)
    {
      guint rows = shapes[s][0], cols = shapes[s][1], n = rows * cols;
      g_autofree float *x = g_new (float, n), *back = g_new0 (float, n);
      g_autofree double *expected = g_new (double, n);
      DescryTensor source, half = descry_run_tensor (run, DESCRY_F16, 2, (guint[]) { rows, cols + 5 }), y = guarded_tensor (run, rows, cols), narrow;

      /* Exact in half, subnormal ones too. */
      for (i = 0; i < n; i++)
        expected[i] = x[i] = ldexpf ((float) g_rand_int_range (rand, -1024, 1025), g_rand_int_range (rand, -24, 5));
      source = upload_guarded (run, x, rows, cols);
      narrow = descry_tensor_columns (half, 3, cols);
      op_copy (run, narrow, source);
      op_copy (run, y, narrow);
      compare (run, y, expected, "through half", 0);
      check_guards (run, y, "through half");
      op_scale (run, y, y, -1.0f);
      op_copy (run, y, source);
      descry_run_read (run, y, back, n);
      g_assert_cmpmem (back, n * 4, x, n * 4);
      op_fill (run, y, 0.5f);
      for (i = 0; i < n; i++)
        expected[i] = 0.5;
      compare (run, y, expected, "fill", 0);
      check_guards (run, y, "fill");
      descry_run_release (run, &half);
      descry_run_release (run, &y);
      descry_run_release (run, &source);
    }
}

static void
test_argmax (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  static const guint widths[] = { 1, 5, 16, 31, 2048, 2049, 49152 };
  guint w, r, c;

  for (w = 0; w < G_N_ELEMENTS (widths); w++)
    {
      guint cols = widths[w];
      g_autofree float *x = random_floats (rand, 3 * (gsize) cols, -5, 5);
      DescryTensor t, index = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { 3 });
      gint32 found[3];

      /* The last row has its largest value twice: the first counts. */
      x[2 * cols + cols / 3] = x[2 * cols + cols / 2] = 9.0f;
      t = upload_guarded (run, x, 3, cols);
      op_argmax (run, index, t);
      descry_run_read (run, index, found, 3);
      for (r = 0; r < 3; r++)
        {
          guint best = 0;

          for (c = 1; c < cols; c++)
            if (x[r * cols + c] > x[r * cols + best])
              best = c;
          g_assert_cmpint (found[r], ==, best);
        }
      descry_run_release (run, &t);
      descry_run_release (run, &index);
    }
}

static void
test_shapes (DescryRun *run)
{
  DescryRun *failing = descry_run_new (descry_run_device (run), NULL);
  DescryTensor a = descry_run_tensor2 (failing, 3, 4), b = descry_run_tensor2 (failing, 4, 3);
  g_autoptr (GError) error = NULL;

  op_add (failing, a, a, b, DESCRY_ACT_NONE);
  g_assert_false (descry_run_finish (failing, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  descry_run_free (failing);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("elementwise/binary", test_binary);
  add_op_test ("elementwise/activations", test_activations);
  add_op_test ("elementwise/special-values", test_special_values);
  add_op_test ("elementwise/copies", test_copies);
  add_op_test ("elementwise/argmax", test_argmax);
  add_op_test ("elementwise/shapes", test_shapes);

  return g_test_run ();
}
