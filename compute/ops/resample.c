/* resample.c - pooling and bilinear resizing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/resample.h"

static guint
pictures (DescryTensor tensor)
{
  return tensor.n_dims == 4 ? tensor.shape[0] : 1;
}

static guint
height (DescryTensor tensor)
{
  return tensor.shape[tensor.n_dims - 3];
}

static guint
width (DescryTensor tensor)
{
  return tensor.shape[tensor.n_dims - 2];
}

static gboolean
check_pictures (DescryRun   *run,
                const char  *what,
                DescryTensor y,
                DescryTensor x)
{
  if (!descry_run_ok (run))
    return FALSE;
  if (x.n_dims < 3 || y.n_dims < 3 || x.type != DESCRY_F32 || y.type != DESCRY_F32
      || pictures (x) != pictures (y) || descry_tensor_cols (x) != descry_tensor_cols (y))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s wants f32 pictures of the same number and channels, not %u×%u and %u×%u", what,
                       pictures (x), descry_tensor_cols (x), pictures (y), descry_tensor_cols (y));
      return FALSE;
    }
  return TRUE;
}

/* Geometry of the launch: a row of pixels with all channels an item, or one element an item. */
static void
plan (DescryRun   *run,
      DescryTensor y,
      guint       *chunk,
      guint       *lanes,
      gsize        global[2],
      gsize        local[2])
{
  guint pixels = descry_tensor_rows (y), c = descry_tensor_cols (y);

  if (descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU)
    {
      *chunk = CLAMP (16384 / c, 1, MAX (pixels / 8, 1));
      *lanes = c;
      local[0] = local[1] = 1;
    }
  else
    {
      *chunk = *lanes = 1;
      local[0] = c >= 16 ? 4 : 64;
      local[1] = c >= 16 ? 16 : 1;
    }
  global[0] = (pixels + *chunk - 1) / *chunk;
  global[1] = (c + *lanes - 1) / *lanes;
}

void
op_max_pool (DescryRun   *run,
             DescryTensor y,
             DescryTensor x,
             guint        kernel,
             guint        stride,
             guint        pad)
{
  gsize global[2], local[2];
  guint chunk, lanes;

  if (!check_pictures (run, "max pooling", y, x))
    return;
  /* Each window must hold a pixel. */
  if (pad >= kernel || (height (y) - 1) * stride >= height (x) + pad || (width (y) - 1) * stride >= width (x) + pad)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "max pooling of %u×%u to %u×%u, kernel %u, stride %u, pad %u", height (x), width (x), height (y), width (y), kernel, stride, pad);
      return;
    }

  plan (run, y, &chunk, &lanes, global, local);
  descry_run_launch (run, descry_run_kernel (run, "max_pool", NULL), 2, global, local,
                     (DescryArg[]) { DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_U (height (x)), DESCRY_U (width (x)),
                                     DESCRY_U (descry_tensor_cols (x)), DESCRY_U (height (y)), DESCRY_U (width (y)), DESCRY_U (descry_tensor_rows (y)),
                                     DESCRY_U (kernel), DESCRY_U (stride), DESCRY_U (pad), DESCRY_U (chunk), DESCRY_U (lanes) },
                     15);
}

void
op_global_mean (DescryRun   *run,
                DescryTensor y,
                DescryTensor x)
{
  gboolean cpu = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU;
  guint n = pictures (x), c = descry_tensor_cols (x), lanes = cpu ? 64 : 1;
  gsize global[] = { n, (c + lanes - 1) / lanes }, local[] = { 1, cpu ? 1 : 64 };

  if (!descry_run_ok (run))
    return;
  if (x.n_dims < 3 || descry_tensor_cols (y) != c || descry_tensor_rows (y) != n)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "global mean of %u×%u channels to %u×%u", n, c, descry_tensor_rows (y), descry_tensor_cols (y));
      return;
    }

  descry_run_launch (run, descry_run_kernel (run, "global_mean", NULL), 2, global, local,
                     (DescryArg[]) { DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_U (height (x)), DESCRY_U (width (x)),
                                     DESCRY_U (n), DESCRY_U (c), DESCRY_U (lanes) },
                     9);
}

void
op_resize (DescryRun       *run,
           DescryTensor     y,
           DescryTensor     x,
           DescryResizeRule rule,
           gboolean         add)
{
  op_resize_act (run, y, x, rule, add, DESCRY_ACT_NONE);
}

void
op_resize_act (DescryRun       *run,
               DescryTensor     y,
               DescryTensor     x,
               DescryResizeRule rule,
               gboolean         add,
               DescryActivation act)
{
  gsize global[2], local[2];
  guint chunk, lanes;

  if (!check_pictures (run, "resizing", y, x))
    return;

  plan (run, y, &chunk, &lanes, global, local);
  descry_run_launch (run, descry_run_kernel (run, "resize_bilinear", NULL), 2, global, local,
                     (DescryArg[]) { DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_U (height (x)), DESCRY_U (width (x)),
                                     DESCRY_U (descry_tensor_cols (x)), DESCRY_U (height (y)), DESCRY_U (width (y)), DESCRY_U (descry_tensor_rows (y)),
                                     DESCRY_FL ((float) height (x) / (float) height (y)), DESCRY_FL ((float) width (x) / (float) width (y)),
                                     DESCRY_U (rule), DESCRY_U (add), DESCRY_U (act), DESCRY_U (chunk), DESCRY_U (lanes) },
                     17);
}

void
op_scale_channels (DescryRun   *run,
                   DescryTensor y,
                   DescryTensor x,
                   DescryTensor scale)
{
  gsize global[2], local[2];
  guint chunk, lanes;

  if (!check_pictures (run, "scaling channels", y, x))
    return;
  if (height (x) != height (y) || width (x) != width (y) || descry_tensor_cols (scale) != descry_tensor_cols (x) || descry_tensor_rows (scale) != pictures (x))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "scaling %u×%u channels by %u×%u", pictures (x), descry_tensor_cols (x),
                       descry_tensor_rows (scale), descry_tensor_cols (scale));
      return;
    }

  plan (run, y, &chunk, &lanes, global, local);
  descry_run_launch (run, descry_run_kernel (run, "scale_channels", NULL), 2, global, local,
                     (DescryArg[]) { DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (scale), DESCRY_U (scale.pitch),
                                     DESCRY_U (descry_tensor_cols (x)), DESCRY_U (height (x) * width (x)), DESCRY_U (descry_tensor_rows (y)),
                                     DESCRY_U (chunk), DESCRY_U (lanes) },
                     11);
}
