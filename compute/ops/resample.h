/* resample.h - pooling and bilinear resizing on [n, height, width, channels] tensors
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/gemm.h"

G_BEGIN_DECLS

/* Maximum over @kernel squares; outside counts as -inf; the output's size says where it ends (ceil or floor). */
void op_max_pool    (DescryRun *run, DescryTensor y, DescryTensor x, guint kernel, guint stride, guint pad);

/* Mean over height and width: [n, h, w, c] -> [n, c]. */
void op_global_mean (DescryRun *run, DescryTensor y, DescryTensor x);

typedef enum
{
  DESCRY_RESIZE_HALF_PIXEL, /* source = (i + 0.5) * in / out - 0.5 */
  DESCRY_RESIZE_ASYMMETRIC  /* source = i * in / out */
} DescryResizeRule;

/* Bilinear, edges clamped, no antialiasing; to the size of @y. If @add, the result is added to @y. */
void op_resize (DescryRun *run, DescryTensor y, DescryTensor x, DescryResizeRule rule, gboolean add);

/* The same, then the activation. */
void op_resize_act  (DescryRun *run, DescryTensor y, DescryTensor x, DescryResizeRule rule, gboolean add, DescryActivation act);

/* y = x * scale[n, c], broadcast over height and width. */
void op_scale_channels (DescryRun *run, DescryTensor y, DescryTensor x, DescryTensor scale);

G_END_DECLS
