/* sample.c - drawing a token, and forgetting the oldest part of a KV cache
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/sample.h"

void
op_sample (DescryRun   *run,
           DescryTensor index,
           DescryTensor logits,
           float        temperature,
           float        top_p,
           float        draw)
{
  gsize lanes = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU ? 1 : 64;
  guint n = descry_tensor_cols (logits);
  DescryTensor weights;

  if (!descry_run_ok (run))
    return;
  if (logits.type != DESCRY_F32 || descry_tensor_rows (logits) != 1 || index.type != DESCRY_I32 || descry_tensor_count (index) != 1 || !(temperature > 0.0f))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "sample: %u rows of %u logits into %" G_GSIZE_FORMAT " numbers, temperature %g",
                       descry_tensor_rows (logits), n, descry_tensor_count (index), (double) temperature);
      return;
    }

  weights = descry_run_tensor2 (run, 1, n);
  descry_run_launch (run, descry_run_kernel (run, "sample", NULL), 1, (gsize[]) { lanes }, (gsize[]) { lanes },
                     (DescryArg[]) { DESCRY_T (logits), DESCRY_T (weights), DESCRY_T (index), DESCRY_U (n), DESCRY_FL (temperature), DESCRY_FL (top_p), DESCRY_FL (draw) }, 7);
  descry_run_release (run, &weights);
}

void
op_slide (DescryRun            *run,
          DescryTensor          k,
          DescryTensor          v,
          guint                 rows,
          guint                 keep,
          guint                 drop,
          const DescryRotation *p)
{
  gsize lanes = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU ? 1 : 32;
  DescryTensor table = p->rope_dim > 0 ? p->table : k;

  if (!descry_run_ok (run))
    return;
  if (k.type != v.type || (k.type != DESCRY_F32 && k.type != DESCRY_F16) || rows > descry_tensor_rows (k) || rows > descry_tensor_rows (v)
      || drop == 0 || keep + drop > rows || descry_tensor_cols (k) != (p->kv_step != 0 ? 1 : p->kv_heads) * p->head_dim || descry_tensor_cols (v) != descry_tensor_cols (k)
      || (p->rope_dim > 0 && (descry_tensor_cols (table) != p->rope_dim || drop >= descry_tensor_rows (table))))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "slide: %u rows after the first %u of %u, in a cache of %u×%u", drop, keep, rows, descry_tensor_rows (k), descry_tensor_cols (k));
      return;
    }

  descry_run_launch (run, descry_run_kernel (run, k.type == DESCRY_F32 ? "slide_f32" : "slide_f16", NULL), 2, (gsize[]) { p->kv_heads, lanes }, (gsize[]) { 1, lanes },
                     (DescryArg[]) { DESCRY_T (k), DESCRY_U (k.pitch), DESCRY_T (v), DESCRY_U (v.pitch), DESCRY_T (table), DESCRY_U (rows), DESCRY_U (keep), DESCRY_U (drop),
                                     DESCRY_U (p->kv_heads), DESCRY_U (p->head_dim), DESCRY_U (p->rope_dim / 2), DESCRY_U (p->kind == DESCRY_ROPE_HALVES),
                                     DESCRY_U (p->kv_step != 0 ? p->kv_step : p->head_dim) }, 13);
}
