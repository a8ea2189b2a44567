/* harness.h - what the op tests share: devices of both families, seeded numbers, comparison
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <math.h>
#include <string.h>

#include "compute/device/run.h"

typedef void (*OpTest) (DescryRun *run);

/* A device of @family, or NULL after g_test_skip(). DESCRY_TEST_DEVICE chooses it. */
static inline DescryDevice *
open_test_device (DescryFamily family)
{
  g_autoptr (GError) error = NULL;
  DescryDevice *device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), family, &error);

  if (device == NULL)
    {
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE);
      g_test_skip (error->message);
    }
  else if (family == DESCRY_FAMILY_CPU && descry_device_info (device)->family != DESCRY_FAMILY_CPU)
    {
      g_test_skip ("the cpu family is not for this device");
      g_clear_pointer (&device, descry_device_free);
    }

  return device;
}

static inline void
run_op_test (DescryFamily family,
             OpTest       test)
{
  g_autoptr (DescryDevice) device = open_test_device (family);
  g_autoptr (DescryRun) run = NULL;
  g_autoptr (GError) error = NULL;
  guint64 bytes;

  if (device == NULL)
    return;

  run = descry_run_new (device, NULL);
  test (run);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  g_clear_pointer (&run, descry_run_free);

  /* Nothing may stay behind. */
  descry_device_trim (device);
  bytes = descry_device_stats (device)->live_bytes;
  g_assert_cmpuint (bytes, ==, 0);
}

static inline void
run_op_test_cpu (gconstpointer test)
{
  run_op_test (DESCRY_FAMILY_CPU, *(const OpTest *) test);
}

static inline void
run_op_test_gpu (gconstpointer test)
{
  run_op_test (DESCRY_FAMILY_GPU, *(const OpTest *) test);
}

/* Adds /ops/NAME/cpu and /ops/NAME/gpu. */
static inline void
add_op_test (const char *name,
             OpTest      test)
{
  static OpTest tests[64]; /* for the life of the program */
  static guint n_tests;
  g_autofree char *cpu = g_strdup_printf ("/ops/%s/cpu", name);
  g_autofree char *gpu = g_strdup_printf ("/ops/%s/gpu", name);

  g_assert_cmpuint (n_tests, <, G_N_ELEMENTS (tests));
  tests[n_tests] = test;
  g_test_add_data_func (cpu, &tests[n_tests], run_op_test_cpu);
  g_test_add_data_func (gpu, &tests[n_tests], run_op_test_gpu);
  n_tests++;
}

static inline float *
random_floats (GRand *rand,
               gsize  n,
               float  low,
               float  high)
{
  float *values = g_new (float, n);
  gsize i;

  for (i = 0; i < n; i++)
    values[i] = (float) g_rand_double_range (rand, low, high);

  return values;
}

/* NMSE of @found against the reference; NaN on either side fails, inf must match in sign. */
static inline void
assert_nmse (const char   *what,
             const float  *found,
             const double *expected,
             gsize         n,
             double        limit)
{
  double error = 0.0, power = 0.0;
  gsize i;

  for (i = 0; i < n; i++)
    {
      if (isnan (found[i]) || isnan (expected[i]))
        g_error ("%s: NaN at %" G_GSIZE_FORMAT " (found %g, expected %g)", what, i, found[i], expected[i]);
      if (isinf (found[i]) || isinf (expected[i]))
        {
          if (found[i] != (float) expected[i])
            g_error ("%s: at %" G_GSIZE_FORMAT " found %g, expected %g", what, i, found[i], expected[i]);
          continue;
        }
      error += (found[i] - expected[i]) * (found[i] - expected[i]);
      power += expected[i] * expected[i];
    }

  if (error > limit * MAX (power, 1e-30))
    g_error ("%s: NMSE %g over %g", what, error / MAX (power, 1e-30), limit);
}

/* Error over power; what is no number fails. */
static inline double
nmse_of (const float *found,
         const float *expected,
         gsize        n)
{
  double error = 0.0, power = 0.0;
  gsize i;

  for (i = 0; i < n; i++)
    {
      g_assert_true (isfinite (found[i]));
      error += ((double) found[i] - expected[i]) * ((double) found[i] - expected[i]);
      power += (double) expected[i] * expected[i];
    }

  return error / power;
}

/* A tensor with guard elements on both sides of every row: filled with a marker, checked by
 * check_guards() so that nothing outside is written. */
#define GUARD 16
#define MARK 12345.0f

static inline DescryTensor
guarded_tensor (DescryRun *run,
                guint      rows,
                guint      cols)
{
  DescryTensor whole = descry_run_tensor2 (run, rows, cols + 2 * GUARD);
  g_autofree float *marks = g_new (float, (gsize) rows * (cols + 2 * GUARD));
  gsize i;

  for (i = 0; i < (gsize) rows * (cols + 2 * GUARD); i++)
    marks[i] = MARK;
  descry_run_write (run, whole, marks, (gsize) rows * (cols + 2 * GUARD));

  return descry_tensor_columns (whole, GUARD, cols);
}

static inline void
check_guards (DescryRun   *run,
              DescryTensor tensor,
              const char  *what)
{
  guint rows = descry_tensor_rows (tensor), cols = descry_tensor_cols (tensor);
  DescryTensor whole = tensor;
  g_autofree float *values = g_new0 (float, (gsize) rows * tensor.pitch);
  guint r, c;

  if (!descry_run_ok (run))
    return;
  whole.offset -= GUARD;
  whole.n_dims = 2;
  whole.shape[0] = rows;
  whole.shape[1] = tensor.pitch;
  descry_run_read (run, whole, values, (gsize) rows * tensor.pitch);
  for (r = 0; r < rows; r++)
    for (c = 0; c < tensor.pitch; c++)
      if ((c < GUARD || c >= GUARD + cols) && values[(gsize) r * tensor.pitch + c] != MARK)
        g_error ("%s wrote outside: row %u, column %d", what, r, (int) c - GUARD);
}
