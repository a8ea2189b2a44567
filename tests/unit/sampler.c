/* sampler.c - drawing tokens: shares as the softmax says, the nucleus, one seed one sequence
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>

#include "compute/models/sampler.h"

#define DRAWS 20000

static const float logits[] = { 0.0f, 2.0f, -1.0f, 2.0f, 1.0f, -30.0f };

/* Against the softmax in double: four deviations of a share are allowed. */
static void
check_shares (float       temperature,
              float       top_p,
              const guint *kept, /* ids that may come, -1 ends them */
              guint       n_kept)
{
  double expected[G_N_ELEMENTS (logits)] = { 0 }, sum = 0.0;
  guint counts[G_N_ELEMENTS (logits)] = { 0 };
  guint64 seed = 7;
  guint i;

  for (i = 0; i < n_kept; i++)
    sum += expected[kept[i]] = exp (logits[kept[i]] / temperature);
  for (i = 0; i < DRAWS; i++)
    {
      gint32 token = descry_sample (logits, G_N_ELEMENTS (logits), temperature, top_p, &seed);

      g_assert_cmpint (token, >=, 0);
      g_assert_cmpint (token, <, G_N_ELEMENTS (logits));
      counts[token]++;
    }
  for (i = 0; i < G_N_ELEMENTS (logits); i++)
    {
      double share = expected[i] / sum;

      g_assert_cmpfloat_with_epsilon ((double) counts[i] / DRAWS, share, 4.0 * sqrt (share * (1.0 - share) / DRAWS) + 1e-9);
    }
}

static void
test_all (void)
{
  const guint all[] = { 0, 1, 2, 3, 4, 5 };

  check_shares (1.0f, 0.0f, all, 6);
  check_shares (1.0f, 1.0f, all, 6);
  check_shares (0.5f, 0.0f, all, 6);
  check_shares (3.0f, 0.0f, all, 6);
}

/* Shares at temperature 1: 0.386, 0.386, 0.142, 0.052, 0.019, 0. */
static void
test_nucleus (void)
{
  const guint order[] = { 1, 3, 4, 0, 2, 5 };

  check_shares (1.0f, 0.3f, order, 1); /* of two equal ones the lower id */
  check_shares (1.0f, 0.5f, order, 2);
  check_shares (1.0f, 0.9f, order, 3);
  check_shares (1.0f, 0.95f, order, 4);
  check_shares (1.0f, 0.999f, order, 5);
  check_shares (0.1f, 0.9999f, order, 2);
}

static void
test_seed (void)
{
  guint64 first = 42, second = 42, third = 43;
  guint same = 0, i;

  for (i = 0; i < 200; i++)
    {
      gint32 token = descry_sample (logits, G_N_ELEMENTS (logits), 1.0f, 0.9f, &first);

      g_assert_cmpint (token, ==, descry_sample (logits, G_N_ELEMENTS (logits), 1.0f, 0.9f, &second));
      same += token == descry_sample (logits, G_N_ELEMENTS (logits), 1.0f, 0.9f, &third);
    }
  g_assert_cmpuint (same, <, 150);
}

static void
test_bad (void)
{
  const float bad[] = { 0.0f, NAN, 1.0f }, endless[] = { 0.0f, INFINITY };
  guint64 seed = 1;

  g_assert_cmpint (descry_sample (bad, 3, 1.0f, 0.0f, &seed), ==, -1);
  g_assert_cmpint (descry_sample (endless, 2, 1.0f, 0.9f, &seed), ==, -1);
  g_assert_cmpint (descry_sample (logits, 1, 1.0f, 0.9f, &seed), ==, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampler/all", test_all);
  g_test_add_func ("/sampler/nucleus", test_nucleus);
  g_test_add_func ("/sampler/seed", test_seed);
  g_test_add_func ("/sampler/bad", test_bad);

  return g_test_run ();
}
