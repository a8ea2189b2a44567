/* gemm.c - matrix products of every format and provider, embeddings, fusions
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/gemm.h"
#include "compute/ops/onednn.h"
#include "compute/ops/provider.h"
#include "tests/ops/harness.h"
#include "tests/ops/random-blocks.h"

static double
reference (double x, DescryActivation act)
{
  switch (act)
    {
    case DESCRY_ACT_GELU: return 0.5 * x * (1 + erf (x / sqrt (2)));
    case DESCRY_ACT_SILU: return x / (1 + exp (-x));
    case DESCRY_ACT_RELU: return MAX (x, 0);
    default: return x;
    }
}

/* A weight of @type of random blocks, and what they stand for. */
static DescryWeight *
make_weight (DescryRun *run, GRand *rand, DescryGgmlType type, guint n, guint k, float **values)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *blocks = NULL;
  guint64 row, i;
  DescryWeight *weight;

  g_assert_true (descry_ggml_bytes (type, k, &row));
  *values = g_new (float, (gsize) n * k);
  blocks = g_malloc (row * n);
  random_blocks (rand, type, (gsize) n * k, 0.6, blocks);
  for (i = 0; i < n; i++)
    g_assert_true (descry_ggml_dequantise (type, blocks + i * row, k, *values + i * k));
  weight = descry_weight_new (descry_run_device (run), "test", type, n, k, blocks, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (descry_weight_rows (weight), ==, n);
  g_assert_cmpuint (descry_weight_cols (weight), ==, k);

  return weight;
}

/* Float kernels; where AUTO may take 16-bit integers the gate is that of any op. */
static double limit = 1e-11;

static void
check_product (DescryRun *run, GRand *rand, DescryGgmlType type, guint m, guint n, guint columns, guint variant)
{
  const guint k = fit_columns (type, columns);
  g_autofree float *w = NULL, *a = random_floats (rand, (gsize) m * k, -2, 2), *bias = random_floats (rand, n, -1, 1), *residual = random_floats (rand, (gsize) m * n, -1, 1);
  g_autofree float *found = g_new0 (float, (gsize) m * n), *again = g_new0 (float, (gsize) m * n);
  g_autofree double *expected = g_new (double, (gsize) m * n);
  g_autofree char *what = g_strdup_printf ("%s %u×%u×%u, variant %u", descry_ggml_name (type), m, n, k, variant);
  g_autoptr (DescryWeight) weight = make_weight (run, rand, type, n, k, &w);
  static const DescryActivation acts[] = { DESCRY_ACT_NONE, DESCRY_ACT_GELU, DESCRY_ACT_SILU, DESCRY_ACT_RELU };
  DescryEpilogue epilogue = { 0 };
  DescryTensor ta = guarded_tensor (run, m, k), tc = guarded_tensor (run, m, n), tb = descry_run_tensor2 (run, 1, n);
  guint r, c, i;

  epilogue.act = acts[variant % 4];
  epilogue.scale = variant & 4 ? 0.5f : 0.0f;
  if (variant & 1)
    epilogue.bias = tb;
  if (variant & 2)
    epilogue.residual = tc; /* the output itself */

  descry_run_write (run, ta, a, (gsize) m * k);
  descry_run_write (run, tb, bias, n);
  for (r = 0; r < m; r++)
    for (c = 0; c < n; c++)
      {
        double sum = 0;

        for (i = 0; i < k; i++)
          sum += (double) a[r * k + i] * w[(gsize) c * k + i];
        sum = reference (sum + (variant & 1 ? bias[c] : 0), epilogue.act) * (variant & 4 ? 0.5 : 1);
        expected[r * n + c] = sum + (variant & 2 ? residual[r * n + c] : 0);
      }

  descry_run_write (run, tc, residual, (gsize) m * n);
  op_gemm (run, tc, ta, weight, &epilogue);
  descry_run_read (run, tc, found, (gsize) m * n);
  assert_nmse (what, found, expected, (gsize) m * n, limit);
  check_guards (run, tc, what);

  descry_run_write (run, tc, residual, (gsize) m * n);
  op_gemm (run, tc, ta, weight, &epilogue);
  descry_run_read (run, tc, again, (gsize) m * n);
  g_assert_cmpmem (found, (gsize) m * n * 4, again, (gsize) m * n * 4);

  descry_run_release (run, &ta);
  descry_run_release (run, &tb);
  descry_run_release (run, &tc);
}

static const DescryGgmlType types[] = { DESCRY_GGML_F32, DESCRY_GGML_F16, DESCRY_GGML_BF16, DESCRY_GGML_Q8_0, DESCRY_GGML_Q4_0, DESCRY_GGML_Q4_1,
                                        DESCRY_GGML_Q5_0, DESCRY_GGML_Q5_1, DESCRY_GGML_IQ4_NL, DESCRY_GGML_Q4_K, DESCRY_GGML_Q5_K, DESCRY_GGML_Q6_K };

static void
test_formats (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  static const guint rows[] = { 1, 2, 5, 8, 9, 12, 13, 40 };
  guint t, r;

  descry_gemm_force (descry_run_device (run), DESCRY_GEMM_OWN);
  for (t = 0; t < G_N_ELEMENTS (types); t++)
    for (r = 0; r < G_N_ELEMENTS (rows); r++)
      {
        check_product (run, rand, types[t], rows[r], 32 + 3 * r, 64, r);
        check_product (run, rand, types[t], rows[r], r + 1, 96, r + 3);
      }
}

/* One row, and many, of quantized weights with whatever AUTO takes here: activations with outliers are in check_product()'s range
 * of a block each. */
static void
test_integers (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  guint t;

  descry_gemm_force (descry_run_device (run), DESCRY_GEMM_AUTO);
  limit = 1e-8;
  for (t = 3; t < G_N_ELEMENTS (types); t++)
    {
      check_product (run, rand, types[t], 1, 32, 32, 0);
      check_product (run, rand, types[t], 1, 100, 576, 7);
      check_product (run, rand, types[t], 1, 77, 1536, 2);
      check_product (run, rand, types[t], 1, 33, 16416, 1); /* too wide for the integer kernels of one row */
      check_product (run, rand, types[t], 9, 33, 32, 3);
      check_product (run, rand, types[t], 12, 100, 576, 6);
      check_product (run, rand, types[t], 40, 71, 320, 5);
      check_product (run, rand, types[t], 70, 2100, 576, 7); /* more than one piece of the weight */
    }
  limit = 1e-11;
}

static void
test_shapes (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  static const guint shapes[][3] = { { 1, 1, 1 }, { 3, 7, 5 }, { 25, 33, 31 }, { 64, 64, 64 }, { 65, 63, 17 }, { 49, 320, 33 }, { 100, 1, 40 }, { 2, 31, 1000 } };
  guint s;

  for (s = 0; s < G_N_ELEMENTS (shapes); s++)
    {
      check_product (run, rand, DESCRY_GGML_F32, shapes[s][0], shapes[s][1], shapes[s][2], s);
      check_product (run, rand, DESCRY_GGML_F16, shapes[s][0], shapes[s][1], shapes[s][2], s + 1);
    }
}

static void
test_network_shapes (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  descry_gemm_force (descry_run_device (run), DESCRY_GEMM_OWN);
  check_product (run, rand, DESCRY_GGML_Q4_1, 1, 576, 1536, 2);
  check_product (run, rand, DESCRY_GGML_Q8_0, 1, 4000, 576, 0);
  check_product (run, rand, DESCRY_GGML_Q4_1, 33, 192, 576, 0);
  check_product (run, rand, DESCRY_GGML_F32, 96, 128, 260, 1);
  /* More columns than one expanded piece holds. */
  check_product (run, rand, DESCRY_GGML_Q8_0, 10, 2100, 576, 7);
  check_product (run, rand, DESCRY_GGML_Q4_K, 10, 1100, 1024, 7);
}

static void
test_providers (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);

  if (!DESCRY_WITH_CLBLAST)
    {
      g_test_skip ("built without CLBlast");
      return;
    }
  descry_gemm_force (descry_run_device (run), DESCRY_GEMM_CLBLAST);
  check_product (run, rand, DESCRY_GGML_F32, 20, 70, 65, 7);
  check_product (run, rand, DESCRY_GGML_F32, 5, 9, 32, 1);
  check_product (run, rand, DESCRY_GGML_F32, 1, 9, 32, 1);
  check_product (run, rand, DESCRY_GGML_Q4_0, 12, 64, 64, 2);
  descry_gemm_force (descry_run_device (run), DESCRY_GEMM_AUTO);
}

/* Rows in whole multiples of 64 go to the library, the rest to the own kernels; slices and residuals take a second pass. */
static void
test_onednn (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (14);
  DescryDevice *device = descry_run_device (run);
  const char *reason = NULL;
  guint64 natives;
  guint v;

  if (!descry_onednn_available (device, &reason))
    {
      g_test_skip (reason);
      return;
    }
  natives = descry_device_stats (device)->native_launches;
  descry_gemm_force (device, DESCRY_GEMM_ONEDNN);
  for (v = 0; v < 8; v++)
    {
      check_product (run, rand, DESCRY_GGML_F32, 130, 71, 96, v);
      check_product (run, rand, DESCRY_GGML_F32, 64, 64, 64, v);
    }
  check_product (run, rand, DESCRY_GGML_Q4_K, 128, 300, 512, 2);
  check_product (run, rand, DESCRY_GGML_Q8_0, 70, 2100, 576, 7);
  /* A depth that the library would pad otherwise, few rows: the own kernels. */
  g_assert_cmpuint (descry_device_stats (device)->native_launches, >=, natives + 2 * 18);
  natives = descry_device_stats (device)->native_launches;
  check_product (run, rand, DESCRY_GGML_F32, 70, 64, 72, 1);
  check_product (run, rand, DESCRY_GGML_F32, 20, 70, 65, 1);
  g_assert_cmpuint (descry_device_stats (device)->native_launches, ==, natives);
  descry_gemm_force (device, DESCRY_GEMM_AUTO);
}

/* The choice is one of those that are not out; one that is taken out is not used, not even when forced. */
static void
test_choice (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (15);
  DescryDevice *device = descry_run_device (run);
  const DescryGemmRanks *ranks = descry_gemm_rank (device, TRUE);
  DescryGemmProvider provider;
  guint64 natives;
  guint class, i;

  for (class = 0; class < DESCRY_GEMM_CLASSES; class++)
    {
      g_assert_cmpint (ranks->choice[class], !=, DESCRY_GEMM_AUTO);
      g_assert_null (ranks->reasons[ranks->choice[class]]);
      for (i = DESCRY_GEMM_OWN; i < DESCRY_GEMM_PROVIDERS; i++)
        if (ranks->rates[class][i] > 0)
          g_test_message ("%s: %s %.0f GFLOP/s%s", descry_gemm_class_shape (class), descry_gemm_provider_name (i), ranks->rates[class][i], ranks->choice[class] == i ? ", chosen" : "");
    }
  for (i = DESCRY_GEMM_OWN + 1; i < DESCRY_GEMM_PROVIDERS; i++)
    if (ranks->reasons[i] != NULL)
      g_test_message ("%s is out: %s", descry_gemm_provider_name (i), ranks->reasons[i]);
  g_assert_cmpint (descry_gemm_choose (device, 1, 512, 512), ==, DESCRY_GEMM_OWN);
  g_assert_cmpint (descry_gemm_choose (device, 512, 16, 512), ==, DESCRY_GEMM_OWN);
  g_assert_cmpint (descry_gemm_choose (device, 512, 576, 576), ==, ranks->choice[1]);
  check_product (run, rand, DESCRY_GGML_F32, 300, 576, 64, 3);

  descry_gemm_demote (device, DESCRY_GEMM_ONEDNN, "taken out by the test");
  descry_gemm_demote (device, DESCRY_GEMM_OWN, "must stay");
  g_assert_cmpstr (ranks->reasons[DESCRY_GEMM_ONEDNN], ==, "taken out by the test");
  g_assert_null (ranks->reasons[DESCRY_GEMM_OWN]);
  natives = descry_device_stats (device)->native_launches;
  descry_gemm_force (device, DESCRY_GEMM_ONEDNN);
  check_product (run, rand, DESCRY_GGML_F32, 128, 576, 64, 3);
  descry_gemm_force (device, DESCRY_GEMM_AUTO);
  descry_gemm_rank (device, TRUE);
  check_product (run, rand, DESCRY_GGML_F32, 300, 576, 64, 3);
  g_assert_cmpuint (descry_device_stats (device)->native_launches, ==, natives);

  g_assert_true (descry_gemm_provider_parse ("OneDNN", &provider) && provider == DESCRY_GEMM_ONEDNN);
  g_assert_false (descry_gemm_provider_parse ("blas", &provider));
}

static void
test_embed (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  static const gint32 ids[] = { 0, 99, 31, 32, 33, 7, 7 };
  guint t, i, c;

  for (t = 0; t < G_N_ELEMENTS (types); t++)
    {
      const guint k = fit_columns (types[t], 96);
      g_autofree float *w = NULL, *found = g_new (float, G_N_ELEMENTS (ids) * k);
      g_autoptr (DescryWeight) weight = make_weight (run, rand, types[t], 100, k, &w);
      DescryTensor out = guarded_tensor (run, G_N_ELEMENTS (ids), k), tids = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { G_N_ELEMENTS (ids) });

      descry_run_write (run, tids, ids, G_N_ELEMENTS (ids));
      op_embed (run, out, tids, weight);
      descry_run_read (run, out, found, G_N_ELEMENTS (ids) * k);
      for (i = 0; i < G_N_ELEMENTS (ids); i++)
        for (c = 0; c < k; c++)
          g_assert_cmpfloat (found[i * k + c], ==, w[ids[i] * k + c]); /* the same bits as the reader's */
      check_guards (run, out, "embed");
      descry_run_release (run, &out);
      descry_run_release (run, &tids);
    }
}

/* An expanded weight times the unit matrix is the reader's numbers, bit by bit. */
static void
test_expanded (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  guint t, i, c;

  descry_gemm_force (descry_run_device (run), DESCRY_GEMM_OWN);
  for (t = 0; t < G_N_ELEMENTS (types); t++)
    {
      const guint k = fit_columns (types[t], 64), n = 40;
      g_autofree float *w = NULL, *unit = g_new0 (float, k * k), *found = g_new (float, k * n);
      g_autoptr (DescryWeight) weight = make_weight (run, rand, types[t], n, k, &w);
      DescryTensor a = descry_run_tensor2 (run, k, k), y = descry_run_tensor2 (run, k, n);

      for (i = 0; i < k; i++)
        unit[i * k + i] = 1.0f;
      descry_run_write (run, a, unit, k * k);
      op_gemm (run, y, a, weight, NULL);
      descry_run_read (run, y, found, k * n);
      for (i = 0; i < k; i++)
        for (c = 0; c < n; c++)
          g_assert_cmpfloat (found[i * n + c], ==, w[c * k + i]);
      descry_run_release (run, &a);
      descry_run_release (run, &y);
    }
}

/* What is no format of weights becomes f32, or is refused. */
static void
test_converted (DescryRun *run)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryWeight) weight = NULL;
  double w[3 * 32];
  gint32 integers[3 * 32] = { 0 };
  float x[32], found[3];
  DescryTensor a = descry_run_tensor2 (run, 1, 32), c = descry_run_tensor2 (run, 1, 3);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (w); i++)
    w[i] = (int) (i * 13 % 31) - 15;
  for (i = 0; i < 32; i++)
    x[i] = i;
  weight = descry_weight_new (descry_run_device (run), "f64", DESCRY_GGML_F64, 3, 32, w, &error);
  g_assert_no_error (error);
  descry_run_write (run, a, x, 32);
  op_gemm (run, c, a, weight, NULL);
  descry_run_read (run, c, found, 3);
  for (i = 0; i < 3; i++)
    {
      double expected = 0;
      guint j;

      for (j = 0; j < 32; j++)
        expected += w[i * 32 + j] * j;
      g_assert_cmpfloat (found[i], ==, (float) expected);
    }

  g_assert_null (descry_weight_new (descry_run_device (run), "i32", DESCRY_GGML_I32, 3, 32, integers, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
}

/* norm, pair and next against the separate steps. */
static void
test_fused (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  static const guint rows[] = { 1, 3, 8 };
  guint t, r, i, j, row;

  descry_gemm_force (descry_run_device (run), DESCRY_GEMM_OWN);
  for (t = 0; t < G_N_ELEMENTS (types); t++)
    for (r = 0; r < G_N_ELEMENTS (rows); r++)
      {
        const guint m = rows[r], n = 64, k = fit_columns (types[t], 96);
        g_autofree float *w = NULL, *x = random_floats (rand, m * k, -3, 3), *gain = random_floats (rand, k, 0.5, 2), *next = random_floats (rand, n, -1, 1), *scaled = g_new (float, m * k);
        g_autofree double *expected = g_new (double, m * n), *expected_next = g_new (double, m * n);
        float found[8 * 64];
        g_autoptr (DescryWeight) weight = make_weight (run, rand, types[t], 2 * n, k, &w);
        DescryTensor tx = descry_run_tensor2 (run, m, k), ta = descry_run_tensor2 (run, m, k), tc = guarded_tensor (run, m, n), tn = guarded_tensor (run, m, n), tg = descry_run_tensor2 (run, 1, n);
        DescryFusion fusion = { .norm = tx, .eps = 1e-5f, .pair = TRUE, .next_weight = tg, .next = tn };

        for (row = 0; row < m; row++)
          {
            double power = 0;

            for (j = 0; j < k; j++)
              {
                power += (double) x[row * k + j] * x[row * k + j] / k;
                scaled[row * k + j] = x[row * k + j] * gain[j];
              }
            for (i = 0; i < n; i++)
              {
                double gate = 0, up = 0;

                for (j = 0; j < k; j++)
                  {
                    gate += (double) scaled[row * k + j] * w[i * k + j];
                    up += (double) scaled[row * k + j] * w[(n + i) * k + j];
                  }
                gate /= sqrt (power + 1e-5);
                up /= sqrt (power + 1e-5);
                expected[row * n + i] = gate / (1 + exp (-gate)) * up;
                expected_next[row * n + i] = expected[row * n + i] * next[i];
              }
          }

        descry_run_write (run, tx, x, m * k);
        descry_run_write (run, ta, scaled, m * k);
        descry_run_write (run, tg, next, n);
        op_gemm_fused (run, tc, ta, weight, NULL, &fusion);
        descry_run_read (run, tc, found, m * n);
        assert_nmse ("fused", found, expected, m * n, 1e-11);
        descry_run_read (run, tn, found, m * n);
        assert_nmse ("fused next", found, expected_next, m * n, 1e-11);
        check_guards (run, tc, "fused");
        check_guards (run, tn, "fused next");
        descry_run_release (run, &tx);
        descry_run_release (run, &ta);
        descry_run_release (run, &tc);
        descry_run_release (run, &tn);
        descry_run_release (run, &tg);
      }
}

static void
test_errors (DescryRun *run)
{
  DescryDevice *device = descry_run_device (run);
  g_autoptr (GError) error = NULL;
  float bad[64] = { 0 };
  g_autoptr (DescryWeight) weight = NULL;
  DescryRun *failing = descry_run_new (device, NULL);

  bad[33] = INFINITY;
  g_assert_null (descry_weight_new (device, "blk.0.bad", DESCRY_GGML_F32, 2, 32, bad, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_assert_nonnull (strstr (error->message, "blk.0.bad"));
  g_clear_error (&error);
  g_assert_null (descry_weight_new (device, "broken row", DESCRY_GGML_Q8_0, 2, 31, bad, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);

  bad[33] = 0;
  weight = descry_weight_new (device, "good", DESCRY_GGML_F32, 2, 32, bad, &error);
  g_assert_no_error (error);
  op_gemm (failing, descry_run_tensor2 (failing, 3, 2), descry_run_tensor2 (failing, 3, 31), weight, NULL);
  g_assert_false (descry_run_finish (failing, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  g_assert_nonnull (strstr (error->message, "good"));
  descry_run_free (failing);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("gemm/formats", test_formats);
  add_op_test ("gemm/integers", test_integers);
  add_op_test ("gemm/shapes", test_shapes);
  add_op_test ("gemm/network-shapes", test_network_shapes);
  add_op_test ("gemm/providers", test_providers);
  add_op_test ("gemm/onednn", test_onednn);
  add_op_test ("gemm/choice", test_choice);
  add_op_test ("gemm/embed", test_embed);
  add_op_test ("gemm/expanded", test_expanded);
  add_op_test ("gemm/converted", test_converted);
  add_op_test ("gemm/fused", test_fused);
  add_op_test ("gemm/errors", test_errors);

  return g_test_run ();
}
