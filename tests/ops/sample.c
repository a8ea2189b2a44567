/* sample.c - drawing tokens: shares as the softmax says, the nucleus, bad logits; sliding caches
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/models/sampler.h"
#include "compute/ops/elementwise.h"
#include "compute/ops/sample.h"
#include "tests/ops/harness.h"

static const float logits[] = { 0.0f, 2.0f, -1.0f, 2.0f, 1.0f, -30.0f };

static gint32
draw_one (DescryRun   *run,
          const float *values,
          guint        n,
          float        temperature,
          float        top_p,
          float        draw)
{
  DescryTensor x = descry_run_tensor2 (run, 1, n), index = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { 1 });
  gint32 token = -2;

  descry_run_write (run, x, values, n);
  op_sample (run, index, x, temperature, top_p, draw);
  descry_run_read (run, index, &token, 1);
  descry_run_release (run, &x);
  descry_run_release (run, &index);

  return token;
}

/* Draws at even distances give each kept token its share, give or take one draw. */
static void
check_shares (DescryRun   *run,
              float        temperature,
              float        top_p,
              const guint *kept,
              guint        n_kept)
{
  enum { DRAWS = 400 };
  double expected[G_N_ELEMENTS (logits)] = { 0 }, sum = 0.0;
  guint counts[G_N_ELEMENTS (logits)] = { 0 }, i;

  for (i = 0; i < n_kept; i++)
    sum += expected[kept[i]] = exp (logits[kept[i]] / temperature);
  for (i = 0; i < DRAWS; i++)
    {
      gint32 token = draw_one (run, logits, G_N_ELEMENTS (logits), temperature, top_p, (i + 0.5f) / DRAWS);

      g_assert_cmpint (token, >=, 0);
      g_assert_cmpint (token, <, G_N_ELEMENTS (logits));
      counts[token]++;
    }
  for (i = 0; i < G_N_ELEMENTS (logits); i++)
    g_assert_cmpfloat_with_epsilon (counts[i], DRAWS * expected[i] / sum, expected[i] > 0 ? 1.01 : 1e-9);
}

/* Shares at temperature 1: 0.386, 0.386, 0.142, 0.052, 0.019, 0. */
static void
test_shares (DescryRun *run)
{
  const guint order[] = { 1, 3, 4, 0, 2, 5 };

  check_shares (run, 1.0f, 0.0f, order, 6);
  check_shares (run, 1.0f, 1.0f, order, 6);
  check_shares (run, 3.0f, 0.0f, order, 6);
  check_shares (run, 1.0f, 0.3f, order, 2); /* both of two equal ones */
  check_shares (run, 1.0f, 0.5f, order, 2);
  check_shares (run, 1.0f, 0.9f, order, 3);
  check_shares (run, 1.0f, 0.95f, order, 4);
  check_shares (run, 1.0f, 0.999f, order, 5);
  check_shares (run, 0.1f, 0.9999f, order, 2);
}

/* A vocabulary's size, against the sums in double. */
static void
test_large (DescryRun *run)
{
  enum { N = 49157 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autofree float *x = random_floats (rand, N, -8, 8);
  guint64 seed = 11;
  guint i, d;

  for (d = 0; d < 40; d++)
    {
      float draw = (float) descry_uniform (&seed), top_p = d % 2 == 0 ? 0.0f : 0.9f;
      gint32 token = draw_one (run, x, N, 0.7f, top_p, MIN (draw, 0.999999f));
      double least = 0.0, sum = 0.0, before = 0.0, own;

      g_assert_cmpint (token, >=, 0);
      g_assert_cmpint (token, <, N);
      if (top_p > 0.0f)
        {
          /* The least kept one, by halving. */
          double low = 0.0, high = 2.0, all = 0.0;
          guint step;

          for (i = 0; i < N; i++)
            all += exp ((x[i] - 8.0) / 0.7);
          for (step = 0; step < 60; step++)
            {
              double middle = (low + high) / 2, reached = 0.0;

              for (i = 0; i < N; i++)
                {
                  double w = exp ((x[i] - 8.0) / 0.7);

                  reached += w >= middle ? w : 0.0;
                }
              if (reached >= top_p * all)
                low = middle;
              else
                high = middle;
            }
          least = low * (1 - 1e-5); /* f32 sums may end one token earlier or later */
        }
      for (i = 0; i < N; i++)
        {
          double w = exp ((x[i] - 8.0) / 0.7);

          if (w < least)
            continue;
          sum += w;
          before += i < (guint) token ? w : 0.0;
        }
      own = exp ((x[token] - 8.0) / 0.7);
      g_assert_cmpfloat (own, >=, least);
      g_assert_cmpfloat (draw * sum, >=, before - 1e-4 * sum);
      g_assert_cmpfloat (draw * sum, <=, before + own + 1e-4 * sum);
    }
}

static void
test_bad (DescryRun *run)
{
  const float bad[] = { 0.0f, NAN, 1.0f }, endless[] = { 0.0f, INFINITY }, nothing[] = { -INFINITY, -INFINITY }, masked[] = { -INFINITY, 1.0f, -INFINITY };

  g_assert_cmpint (draw_one (run, bad, 3, 1.0f, 0.0f, 0.5f), ==, -1);
  g_assert_cmpint (draw_one (run, endless, 2, 1.0f, 0.9f, 0.5f), ==, -1);
  g_assert_cmpint (draw_one (run, nothing, 2, 1.0f, 0.0f, 0.5f), ==, -1);
  g_assert_cmpint (draw_one (run, masked, 3, 1.0f, 0.0f, 0.0f), ==, 1);
  g_assert_cmpint (draw_one (run, masked, 3, 1.0f, 0.9f, 0.9999999f), ==, 1);
  g_assert_cmpint (draw_one (run, logits, 1, 1.0f, 0.9f, 0.3f), ==, 0);
}

/* Rotated at their new place and rotated at the old one, then slid: the same keys. */
static void
test_slide (DescryRun *run)
{
  enum { ROWS = 37, HEADS = 3, DIM = 20, PAIRS = 8, KEEP = 5, DROP = 11 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  guint kind, type, i, j;

  for (kind = 0; kind < 3; kind++)
    for (type = 0; type < 2; type++)
      {
        const guint pairs = kind == 2 ? 0 : PAIRS, n = ROWS * HEADS * DIM;
        g_autofree float *x = random_floats (rand, n, -1, 1), *table = g_new0 (float, ROWS * 2 * PAIRS), *rotated = g_new (float, n), *found = g_new (float, n);
        g_autofree double *expected = g_new (double, n);
        DescryTensor k = descry_run_tensor2 (run, ROWS, HEADS * DIM), v = descry_run_tensor2 (run, ROWS, HEADS * DIM), tt = descry_run_tensor2 (run, ROWS, 2 * PAIRS);
        DescryTensor kt = k, vt = v;
        DescryRotation rotation = { HEADS, HEADS, DIM, 2 * pairs, kind == 1 ? DESCRY_ROPE_HALVES : DESCRY_ROPE_PAIRS, tt, { 0 }, { 0 }, 0 };

        for (i = 0; i < ROWS; i++)
          for (j = 0; j < PAIRS; j++)
            {
              table[i * 2 * PAIRS + j] = cosf (i * powf (0.3f, j));
              table[i * 2 * PAIRS + PAIRS + j] = sinf (i * powf (0.3f, j));
            }
        for (i = 0; i < ROWS; i++)
          {
            guint place = i < KEEP ? i : i - DROP, h;

            for (h = 0; h < HEADS; h++)
              for (j = 0; j < DIM; j++)
                {
                  guint at = (i * HEADS + h) * DIM + j, pair = kind == 1 ? j % PAIRS : j / 2, second = kind == 1 ? j / PAIRS : j % 2;
                  guint other = kind == 1 ? (second ? at - PAIRS : at + PAIRS) : (second ? at - 1 : at + 1);
                  double angle = i * pow (0.3f, pair), moved = (double) place * pow (0.3f, pair);
                  double sign = second ? 1 : -1, value = x[at];

                  rotated[at] = j < 2 * pairs ? (float) (x[at] * cos (angle) + sign * x[other] * sin (angle)) : x[at];
                  if (j < 2 * pairs)
                    value = x[at] * cos (moved) + sign * x[other] * sin (moved);
                  if (i < KEEP || i >= KEEP + DROP)
                    expected[(place * HEADS + h) * DIM + j] = value;
                }
          }
        descry_run_write (run, tt, table, ROWS * 2 * PAIRS);
        descry_run_write (run, k, rotated, n);
        descry_run_write (run, v, x, n);
        if (type == 1)
          {
            kt = descry_run_tensor (run, DESCRY_F16, 2, (guint[]) { ROWS, HEADS * DIM });
            vt = descry_run_tensor (run, DESCRY_F16, 2, (guint[]) { ROWS, HEADS * DIM });
            op_cache_write (run, kt, k, 0);
            op_cache_write (run, vt, v, 0);
          }
        op_slide (run, kt, vt, ROWS, KEEP, DROP, &rotation);
        if (type == 1)
          {
            op_copy (run, k, kt);
            op_copy (run, v, vt);
          }
        descry_run_read (run, k, found, n);
        assert_nmse ("keys", found, expected, (ROWS - DROP) * HEADS * DIM, type == 1 ? 3e-7 : 1e-12);
        descry_run_read (run, v, found, n);
        for (i = 0; i < (ROWS - DROP) * HEADS * DIM; i++)
          expected[i] = x[i + (i < KEEP * HEADS * DIM ? 0 : DROP * HEADS * DIM)];
        assert_nmse ("values", found, expected, (ROWS - DROP) * HEADS * DIM, type == 1 ? 3e-7 : 0.0);
        descry_run_release (run, &k);
        descry_run_release (run, &v);
        descry_run_release (run, &tt);
      }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("sample/shares", test_shares);
  add_op_test ("sample/large", test_large);
  add_op_test ("sample/bad", test_bad);
  add_op_test ("sample/slide", test_slide);

  return g_test_run ();
}
