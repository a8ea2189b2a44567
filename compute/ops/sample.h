/* sample.h - drawing a token, and forgetting the oldest part of a KV cache
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/attention.h"

G_BEGIN_DECLS

/**
 * op_sample:
 * @index: i32 [1]: the token, or -1 if a logit is not finite
 * @logits: f32 [1, n]
 * @temperature: above 0
 * @top_p: only the likeliest tokens that together reach this share are drawn from; outside of (0, 1): all
 * @draw: uniform in [0, 1): where in the sum of the kept ones, in the order of ids
 */
void op_sample (DescryRun *run, DescryTensor index, DescryTensor logits, float temperature, float top_p, float draw);

/* Rows keep + drop... of the first @rows of @k and @v move down by @drop; k, which was rotated for its old position, is
 * turned back by as much. @table and @kind, @rope_dim, @kv_heads, @head_dim of @p as for op_rotate(). */
void op_slide (DescryRun *run, DescryTensor k, DescryTensor v, guint rows, guint keep, guint drop, const DescryRotation *p);

G_END_DECLS
