/* elementwise.h - element by element, copies, small reductions
 *
 * All honour pitches; tensors of one call have the same rows and columns unless said.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/gemm.h"

G_BEGIN_DECLS

void op_copy     (DescryRun *run, DescryTensor y, DescryTensor x); /* converts f32 <-> f16 */
void op_fill     (DescryRun *run, DescryTensor y, float value);
void op_activate (DescryRun *run, DescryTensor y, DescryTensor x, DescryActivation act);
void op_add      (DescryRun *run, DescryTensor y, DescryTensor a, DescryTensor b, DescryActivation act); /* act (a + b); b of one row is broadcast */
void op_mul      (DescryRun *run, DescryTensor y, DescryTensor a, DescryTensor b); /* b of one row is broadcast */
void op_scale    (DescryRun *run, DescryTensor y, DescryTensor x, float scale);
void op_swiglu   (DescryRun *run, DescryTensor y, DescryTensor gate, DescryTensor up); /* silu (gate) * up */
void op_argmax   (DescryRun *run, DescryTensor index, DescryTensor x); /* i32 [rows]; the first of equals */

G_END_DECLS
