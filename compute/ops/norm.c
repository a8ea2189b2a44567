/* norm.c - row-wise normalisations and softmax
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/norm.h"

static gboolean
check (DescryRun   *run,
       const char  *op,
       DescryTensor y,
       DescryTensor x,
       DescryTensor weight)
{
  guint cols = descry_tensor_cols (x);

  if (!descry_run_ok (run))
    return FALSE;

  if (x.type != DESCRY_F32 || y.type != DESCRY_F32 || cols == 0
      || descry_tensor_cols (y) != cols || descry_tensor_rows (y) != descry_tensor_rows (x)
      || (weight.buffer != NULL && (weight.type != DESCRY_F32 || descry_tensor_count (weight) != cols)))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: %u×%u into %u×%u with a weight of %" G_GSIZE_FORMAT, op,
                       descry_tensor_rows (x), cols, descry_tensor_rows (y), descry_tensor_cols (y), descry_tensor_count (weight));
      return FALSE;
    }

  return TRUE;
}

/* A row an item (cpu) or a group of 64 (gpu). */
static void
launch (DescryRun       *run,
        const char      *name,
        guint            rows,
        const DescryArg *args,
        guint            n_args)
{
  gsize local = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU ? 1 : 64;
  gsize global = rows * local;

  descry_run_launch (run, descry_run_kernel (run, name, NULL), 1, &global, &local, args, n_args);
}

void
op_layer_norm (DescryRun   *run,
               DescryTensor y,
               DescryTensor x,
               DescryTensor weight,
               DescryTensor bias,
               float        eps)
{
  DescryArg args[] = { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (weight), DESCRY_T (bias.buffer != NULL ? bias : weight), DESCRY_U (bias.buffer != NULL),
                       DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_U (descry_tensor_rows (x)), DESCRY_U (descry_tensor_cols (x)), DESCRY_FL (eps) };

  if (weight.buffer != NULL && check (run, "layer norm", y, x, weight) && check (run, "layer norm", y, x, bias))
    launch (run, "layer_norm", descry_tensor_rows (x), args, G_N_ELEMENTS (args));
}

void
op_rms_norm (DescryRun   *run,
             DescryTensor y,
             DescryTensor x,
             DescryTensor weight,
             float        eps)
{
  DescryArg args[] = { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (weight), DESCRY_T (y), DESCRY_U (y.pitch),
                       DESCRY_U (descry_tensor_rows (x)), DESCRY_U (descry_tensor_cols (x)), DESCRY_FL (eps) };

  if (weight.buffer != NULL && check (run, "RMS norm", y, x, weight))
    launch (run, "rms_norm", descry_tensor_rows (x), args, G_N_ELEMENTS (args));
}

void
op_softmax (DescryRun   *run,
            DescryTensor y,
            DescryTensor x)
{
  DescryArg args[] = { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_U (descry_tensor_rows (x)), DESCRY_U (descry_tensor_cols (x)) };

  if (check (run, "softmax", y, x, (DescryTensor) { 0 }))
    launch (run, "softmax", descry_tensor_rows (x), args, G_N_ELEMENTS (args));
}
