/* resample.c - pooling and resizing against a scalar reference in double
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/resample.h"
#include "tests/ops/harness.h"

static DescryTensor
pictures (DescryRun *run,
          guint      n,
          guint      h,
          guint      w,
          guint      c)
{
  return descry_tensor_reshape (guarded_tensor (run, n * h * w, c), 4, (guint[]) { n, h, w, c });
}

static void
check_pool (DescryRun *run,
            guint n, guint h, guint w, guint c, guint kernel, guint stride, guint pad, guint oh, guint ow)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (h * 31 + w);
  g_autofree float *x = random_floats (rand, (gsize) n * h * w * c, -9, -1), *found = g_new0 (float, (gsize) n * oh * ow * c);
  DescryTensor tx = pictures (run, n, h, w, c), ty = pictures (run, n, oh, ow, c);
  guint b, oy, ox, i;
  int ky, kx;

  x[0] = -INFINITY;
  descry_run_write (run, tx, x, (gsize) n * h * w * c);
  op_max_pool (run, ty, tx, kernel, stride, pad);
  descry_run_read (run, ty, found, (gsize) n * oh * ow * c);
  check_guards (run, ty, "max pool");

  for (b = 0; b < n; b++)
    for (oy = 0; oy < oh; oy++)
      for (ox = 0; ox < ow; ox++)
        for (i = 0; i < c; i++)
          {
            float most = -INFINITY;

            for (ky = 0; ky < (int) kernel; ky++)
              for (kx = 0; kx < (int) kernel; kx++)
                {
                  int iy = (int) (oy * stride) + ky - (int) pad, ix = (int) (ox * stride) + kx - (int) pad;

                  if (iy >= 0 && ix >= 0 && iy < (int) h && ix < (int) w)
                    most = MAX (most, x[(((gsize) b * h + iy) * w + ix) * c + i]);
                }
            g_assert_cmpfloat (found[(((gsize) b * oh + oy) * ow + ox) * c + i], ==, most);
          }
}

static void
test_pool (DescryRun *run)
{
  check_pool (run, 1, 1, 1, 1, 2, 2, 0, 1, 1);
  check_pool (run, 2, 13, 9, 7, 2, 2, 0, 7, 5); /* ceil */
  check_pool (run, 1, 13, 9, 19, 2, 2, 0, 6, 4); /* floor */
  check_pool (run, 1, 16, 20, 32, 3, 2, 1, 8, 10);
  check_pool (run, 1, 12, 12, 80, 3, 1, 1, 12, 12);
}

static void
check_resize (DescryRun *run,
              guint n, guint h, guint w, guint c, guint oh, guint ow, DescryResizeRule rule, gboolean add)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (h * 31 + ow);
  gsize count = (gsize) n * oh * ow * c;
  g_autofree float *x = random_floats (rand, (gsize) n * h * w * c, -1, 1), *y = random_floats (rand, count, -1, 1), *found = g_new0 (float, count);
  g_autofree double *expected = g_new0 (double, count);
  DescryTensor tx = pictures (run, n, h, w, c), ty = pictures (run, n, oh, ow, c);
  guint b, oy, ox, i;

  descry_run_write (run, tx, x, (gsize) n * h * w * c);
  descry_run_write (run, ty, y, count);
  op_resize (run, ty, tx, rule, add);
  descry_run_read (run, ty, found, count);
  check_guards (run, ty, "resize");

  for (b = 0; b < n; b++)
    for (oy = 0; oy < oh; oy++)
      for (ox = 0; ox < ow; ox++)
        for (i = 0; i < c; i++)
          {
            double half = rule == DESCRY_RESIZE_HALF_PIXEL ? 0.5 : 0.0;
            double sy = CLAMP ((oy + half) * h / oh - half, 0, h - 1), sx = CLAMP ((ox + half) * w / ow - half, 0, w - 1);
            guint y0 = (guint) sy, x0 = (guint) sx, y1 = MIN (y0 + 1, h - 1), x1 = MIN (x0 + 1, w - 1);
            const float *p = x + (gsize) b * h * w * c + i;
            gsize at = (((gsize) b * oh + oy) * ow + ox) * c + i;

            sy -= y0;
            sx -= x0;
            expected[at] = (1 - sy) * ((1 - sx) * p[(y0 * w + x0) * c] + sx * p[(y0 * w + x1) * c])
                           + sy * ((1 - sx) * p[(y1 * w + x0) * c] + sx * p[(y1 * w + x1) * c]) + (add ? y[at] : 0);
          }
  assert_nmse ("resize", found, expected, count, 1e-11);
}

static void
test_resize (DescryRun *run)
{
  check_resize (run, 1, 1, 1, 3, 5, 4, DESCRY_RESIZE_HALF_PIXEL, FALSE);
  check_resize (run, 2, 8, 7, 19, 16, 14, DESCRY_RESIZE_HALF_PIXEL, TRUE);
  check_resize (run, 1, 16, 16, 32, 8, 8, DESCRY_RESIZE_HALF_PIXEL, FALSE);
  check_resize (run, 1, 16, 16, 64, 32, 32, DESCRY_RESIZE_ASYMMETRIC, FALSE);
  check_resize (run, 1, 7, 9, 1, 64, 31, DESCRY_RESIZE_HALF_PIXEL, FALSE);
  check_resize (run, 1, 13, 13, 128, 26, 26, DESCRY_RESIZE_HALF_PIXEL, TRUE);
}

static void
check_mean (DescryRun *run,
            guint n, guint h, guint w, guint c)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (c);
  g_autofree float *x = random_floats (rand, (gsize) n * h * w * c, 0, 6), *found = g_new0 (float, (gsize) n * c);
  g_autofree double *expected = g_new0 (double, (gsize) n * c);
  DescryTensor tx = pictures (run, n, h, w, c), ty = guarded_tensor (run, n, c);
  gsize i;

  descry_run_write (run, tx, x, (gsize) n * h * w * c);
  op_global_mean (run, ty, tx);
  descry_run_read (run, ty, found, (gsize) n * c);
  check_guards (run, ty, "global mean");
  for (i = 0; i < (gsize) n * h * w * c; i++)
    expected[i / ((gsize) h * w * c) * c + i % c] += (double) x[i] / (h * w);
  assert_nmse ("global mean", found, expected, (gsize) n * c, 1e-12);
}

static void
test_mean (DescryRun *run)
{
  check_mean (run, 1, 1, 1, 1);
  check_mean (run, 3, 7, 7, 130);
  check_mean (run, 2, 128, 128, 72);
}

static void
check_scale (DescryRun *run,
             guint n, guint h, guint w, guint c)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (c);
  gsize count = (gsize) n * h * w * c, i;
  g_autofree float *x = random_floats (rand, count, -1, 1), *scale = random_floats (rand, n * c, 0, 1), *found = g_new0 (float, count);
  DescryTensor tx = pictures (run, n, h, w, c), ts = guarded_tensor (run, n, c);

  descry_run_write (run, tx, x, count);
  descry_run_write (run, ts, scale, n * c);
  op_scale_channels (run, tx, tx, ts);
  descry_run_read (run, tx, found, count);
  check_guards (run, tx, "scale channels");
  for (i = 0; i < count; i++)
    g_assert_cmpfloat (found[i], ==, x[i] * scale[i / ((gsize) h * w * c) * c + i % c]);
}

static void
test_scale (DescryRun *run)
{
  check_scale (run, 1, 1, 1, 1);
  check_scale (run, 2, 5, 3, 24);
  check_scale (run, 1, 16, 16, 120);
}

static void
test_wrong_shapes (DescryRun *run)
{
  DescryDevice *device = descry_run_device (run);
  guint i;

  for (i = 0; i < 4; i++)
    {
      DescryRun *failing = descry_run_new (device, NULL);
      DescryTensor a = descry_run_tensor3 (failing, 4, 4, 2), b = descry_run_tensor3 (failing, 4, 4, 3);
      g_autoptr (GError) error = NULL;

      switch (i)
        {
        case 0: op_max_pool (failing, a, b, 2, 2, 0); break;
        case 1: op_resize (failing, a, b, DESCRY_RESIZE_HALF_PIXEL, FALSE); break;
        case 2: op_global_mean (failing, a, b); break;
        default: op_scale_channels (failing, a, a, b);
        }
      g_assert_false (descry_run_finish (failing, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
      descry_run_free (failing);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("resample/max-pool", test_pool);
  add_op_test ("resample/resize", test_resize);
  add_op_test ("resample/global-mean", test_mean);
  add_op_test ("resample/scale-channels", test_scale);
  add_op_test ("resample/wrong-shapes", test_wrong_shapes);

  return g_test_run ();
}
