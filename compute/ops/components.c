/* components.c - connected parts of a mask
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/components.h"

void
op_components (DescryRun   *run,
               DescryTensor labels,
               DescryTensor count,
               DescryTensor bits)
{
  gboolean cpu = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU;
  guint w = bits.n_dims == 2 ? bits.shape[1] : 0, pixels, chunk, items;
  gsize global[1], local[] = { cpu ? 1 : 64 }, one[] = { 1 };
  DescryTensor parents, ranks, counts;

  if (!descry_run_ok (run))
    return;
  if (bits.n_dims != 2 || labels.n_dims != 2 || bits.type != DESCRY_U8 || labels.type != DESCRY_I32 || count.type != DESCRY_I32
      || bits.shape[0] != labels.shape[0] || bits.shape[1] != labels.shape[1] || descry_tensor_count (count) != 1
      || descry_tensor_count (bits) >= G_MAXINT32)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "connected parts want u8 [h, w], i32 of the same size and one i32, not %u×%u and %u×%u",
                       bits.shape[0], bits.shape[1], labels.shape[0], labels.shape[1]);
      return;
    }

  pixels = (guint) descry_tensor_count (bits);
  /* Whole rows for a core; on a GPU few pixels, as many items as there are. */
  chunk = cpu ? (4096 + w - 1) / w * w : 16;
  items = (pixels + chunk - 1) / chunk;
  global[0] = items;
  parents = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { pixels });
  ranks = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { pixels });
  counts = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { items });

  descry_run_launch (run, descry_run_kernel (run, "components_start", NULL), 1, global, local,
                     (DescryArg[]) { DESCRY_T (bits), DESCRY_U (bits.pitch), DESCRY_B (parents.buffer), DESCRY_U (w), DESCRY_U (pixels), DESCRY_U (chunk) }, 6);
  descry_run_launch (run, descry_run_kernel (run, "components_join", NULL), 1, global, local,
                     (DescryArg[]) { DESCRY_B (parents.buffer), DESCRY_U (w), DESCRY_U (pixels), DESCRY_U (chunk) }, 4);
  descry_run_launch (run, descry_run_kernel (run, "components_count", NULL), 1, global, local,
                     (DescryArg[]) { DESCRY_B (parents.buffer), DESCRY_B (counts.buffer), DESCRY_U (pixels), DESCRY_U (chunk) }, 4);
  descry_run_launch (run, descry_run_kernel (run, "components_sum", NULL), 1, one, one,
                     (DescryArg[]) { DESCRY_B (counts.buffer), DESCRY_T (count), DESCRY_U (items) }, 3);
  descry_run_launch (run, descry_run_kernel (run, "components_number", NULL), 1, global, local,
                     (DescryArg[]) { DESCRY_B (parents.buffer), DESCRY_B (counts.buffer), DESCRY_B (ranks.buffer), DESCRY_U (pixels), DESCRY_U (chunk) }, 5);
  descry_run_launch (run, descry_run_kernel (run, "components_label", NULL), 1, global, local,
                     (DescryArg[]) { DESCRY_B (parents.buffer), DESCRY_B (ranks.buffer), DESCRY_T (labels), DESCRY_U (labels.pitch), DESCRY_U (w), DESCRY_U (pixels),
                                     DESCRY_U (chunk) }, 7);
  descry_run_release (run, &parents);
  descry_run_release (run, &ranks);
  descry_run_release (run, &counts);
}

void
op_squares_set (DescryRun   *run,
                DescryTensor bits,
                DescryTensor x,
                guint        side,
                float        mean)
{
  gboolean cpu = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU;
  guint squares, chunk;
  gsize global[1], local[] = { cpu ? 1 : 64 };

  if (!descry_run_ok (run))
    return;
  if (bits.n_dims != 2 || x.n_dims != 2 || bits.type != DESCRY_U8 || x.type != DESCRY_F32 || side == 0 || side > 1024
      || (guint64) bits.shape[0] * side != x.shape[0] || (guint64) bits.shape[1] * side != x.shape[1] || descry_tensor_count (x) >= G_MAXINT32)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "squares of %u want u8 [h, w] and f32 that many times as large, not %u×%u and %u×%u", side,
                       bits.shape[0], bits.shape[1], x.shape[0], x.shape[1]);
      return;
    }

  squares = (guint) descry_tensor_count (bits);
  chunk = cpu ? 1024 : 1;
  global[0] = (squares + chunk - 1) / chunk;
  descry_run_launch (run, descry_run_kernel (run, "squares_set", NULL), 1, global, local,
                     (DescryArg[]) { DESCRY_T (bits), DESCRY_U (bits.pitch), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_U (bits.shape[1]), DESCRY_U (side),
                                     DESCRY_FL (mean * (float) side * (float) side), DESCRY_U (squares), DESCRY_U (chunk) }, 9);
}
