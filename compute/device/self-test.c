/* self-test.c - a device proves itself on questions with known answers
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/run.h"

#include <math.h>

#define N 64

static gboolean
near (float  found,
      double expected,
      double relative)
{
  if (isinf (expected))
    return isinf (found) && signbit (found) == signbit (expected);

  return fabs (found - expected) <= relative * MAX (fabs (expected), 1e-3);
}

static void
check_half (DescryRun *run)
{
  DescryTensor x = descry_run_tensor2 (run, 1, N), y = descry_run_tensor2 (run, 1, N), scratch = descry_run_tensor2 (run, 1, N);
  float values[N], found[N] = { 0 };
  guint i;

  /* Exact in half, so they must come back unchanged, in float and in bits. */
  for (i = 0; i < N; i++)
    values[i] = ldexpf ((float) (1 + i * 16) * (i % 2 ? -1.0f : 1.0f), (int) (i % 9) - 6);

  scratch.type = DESCRY_F16;
  descry_run_write (run, x, values, N);
  descry_run_launch (run, descry_run_kernel (run, "self_test_half", NULL), 1, (gsize[]) { N }, (gsize[]) { 1 },
                     (DescryArg[]) { DESCRY_T (x), DESCRY_T (y), DESCRY_T (scratch) }, 3);
  descry_run_read (run, y, found, N);
  for (i = 0; i < N && descry_run_ok (run); i++)
    if (found[i] != values[i])
      descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "half storage: expected %g, found %g", values[i], found[i]);
}

static void
check_math (DescryRun *run)
{
  DescryTensor x = descry_run_tensor2 (run, 1, N), y = descry_run_tensor2 (run, 3, N);
  float values[N], found[3 * N] = { 0 };
  guint i;

  for (i = 0; i < N; i++)
    values[i] = -8.0f + 0.25f * i;
  values[0] = -INFINITY;

  descry_run_write (run, x, values, N);
  descry_run_launch (run, descry_run_kernel (run, "self_test_math", NULL), 1, (gsize[]) { N }, (gsize[]) { 1 },
                     (DescryArg[]) { DESCRY_T (x), DESCRY_T (y), DESCRY_U (N) }, 3);
  descry_run_read (run, y, found, 3 * N);
  for (i = 0; i < N && descry_run_ok (run); i++)
    {
      double v = values[i];

      if (!near (found[i], exp (v), 1e-5))
        descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "exp (%g): expected %g, found %g", v, exp (v), found[i]);
      else if (!near (found[N + i], erf (v), 1e-5))
        descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "erf (%g): expected %g, found %g", v, erf (v), found[N + i]);
      else if (!near (found[2 * N + i], isinf (v) ? 0.0 : 1 / sqrt (fabs (v) + 0.25), 1e-5))
        descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "rsqrt (%g): found %g", fabs (v) + 0.25, found[2 * N + i]);
    }
}

static void
check_sums (DescryRun *run)
{
  DescryTensor x = descry_run_tensor2 (run, 1, N), y = descry_run_tensor2 (run, 1, 1);
  float values[N], found = 0.0f, expected = 0.0f;
  guint i;

  for (i = 0; i < N; i++)
    expected += values[i] = (float) (i * i) - 100.0f;
  descry_run_write (run, x, values, N);

  descry_run_launch (run, descry_run_kernel (run, "self_test_tree", NULL), 1, (gsize[]) { N }, (gsize[]) { N },
                     (DescryArg[]) { DESCRY_T (x), DESCRY_T (y), DESCRY_LOCAL (N * sizeof (float)) }, 3);
  descry_run_read (run, y, &found, 1);
  if (descry_run_ok (run) && found != expected)
    descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "local-memory tree: expected %g, found %g", expected, found);

  found = 0.0f;
  descry_run_launch (run, descry_run_kernel (run, "self_test_wide", NULL), 1, (gsize[]) { 1 }, (gsize[]) { 1 },
                     (DescryArg[]) { DESCRY_T (x), DESCRY_T (y) }, 2);
  descry_run_read (run, y, &found, 1);
  if (descry_run_ok (run) && found != expected)
    descry_run_fail (run, DESCRY_ERROR_NO_DEVICE, "float16 sum: expected %g, found %g", expected, found);
}

gboolean
descry_device_self_test (DescryDevice  *device,
                         GError       **error)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);

  check_half (run);
  check_math (run);
  check_sums (run);

  return descry_run_finish (run, error);
}
