/* backward.h - gradients of the forward ops, and the small products of training
 *
 * Written beside the forward ops, each by its own formula; nothing is recorded. Tensors are f32; pitches
 * are honoured. An op that says "adds" accumulates, so that several uses of a value sum up.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/attention.h"
#include "compute/ops/elementwise.h"

G_BEGIN_DECLS

/* c[m, n] = scale * a . b (+ c, if @add), with b [k, n]. @a is [m, k], or [k, m] if @transposed. */
void op_matmul_rows (DescryRun *run, DescryTensor c, DescryTensor a, gboolean transposed, DescryTensor b, float scale, gboolean add);

/* c[m, n] = scale * a . b^T (+ c, if @add), with a [m, k] and b [n, k]; meant for n of a few. */
void op_matmul_dots (DescryRun *run, DescryTensor c, DescryTensor a, DescryTensor b, float scale, gboolean add);

/* c[m, n] = a . b (+ c, if @add) of any shapes, by oneDNN where the device has it: @a is [m, k], or [k, m] if @turned_a;
 * @b is [k, n], or [n, k] if @turned_b. Not both turned. */
void op_product (DescryRun *run, DescryTensor c, DescryTensor a, gboolean turned_a, DescryTensor b, gboolean turned_b, gboolean add);

/* y[i] = x[index[i]], a row of zeros where the index is negative; @index i32 [rows of y]. */
void op_gather_rows (DescryRun *run, DescryTensor y, DescryTensor x, DescryTensor index);

/* y[index[i]] += x[i], rows of a negative index left out; in the order of i, so that a repeated run gives the same bits. */
void op_scatter_rows (DescryRun *run, DescryTensor y, DescryTensor x, DescryTensor index);

/* dx of op_rms_norm() (adds if @add); with @dweight [cols] (adds) unless its buffer is NULL. */
void op_rms_norm_backward (DescryRun *run, DescryTensor dx, DescryTensor dy, DescryTensor x, DescryTensor weight, DescryTensor dweight, float eps, gboolean add);

/* dx of op_layer_norm(); @dweight and @dbias [cols] add, and may be without buffer. */
void op_layer_norm_backward (DescryRun *run, DescryTensor dx, DescryTensor dy, DescryTensor x, DescryTensor weight,
                             DescryTensor dweight, DescryTensor dbias, float eps, gboolean add);

/* dgate, dup of op_swiglu() from its inputs and dy; dgate may be gate, dup may be up. */
void op_swiglu_backward (DescryRun *run, DescryTensor dgate, DescryTensor dup, DescryTensor dy, DescryTensor gate, DescryTensor up);

/* dx = dy * act' (x), for RELU, GELU, SILU, TANH and SIGMOID; dx may be dy. */
void op_activate_backward (DescryRun *run, DescryTensor dx, DescryTensor dy, DescryTensor x, DescryActivation act);

/* out[cols] += sum of the rows of x: the gradient of a bias. */
void op_sum_rows (DescryRun *run, DescryTensor out, DescryTensor x);

/* dq, dk, dv of op_attention() without a stored score matrix: the scores are computed again from q, k and the
 * rows' log-sums. @out and @dout as [q, heads*dim]. dq, dk, dv are overwritten; they must not overlap the inputs.
 * f32 keys and values; a bias is taken as constant. */
void op_attention_backward (DescryRun *run, DescryTensor dq, DescryTensor dk, DescryTensor dv, DescryTensor dout,
                            DescryTensor out, DescryTensor q, DescryTensor k, DescryTensor v, const DescryAttention *p);

/* Undoes the rotation of op_rope(): the gradient of its input, in place. */
void op_rope_backward (DescryRun *run, DescryTensor dx, guint heads, guint head_dim, guint rope_dim, DescryTensor freqs, guint first, DescryRopeKind kind);

/* Row losses [m, 1] = -log softmax (logits)[target], and logits become scale[row] * (softmax - one-hot) in place. @targets
 * i32 [m]; @scales f32 [m]. */
void op_cross_entropy (DescryRun *run, DescryTensor losses, DescryTensor logits, DescryTensor targets, DescryTensor scales);

/* The same with label smoothing: row losses -(1 - e) log p[target] - e mean over k of log p[k], e = @smoothing. */
void op_cross_entropy_smoothed (DescryRun *run, DescryTensor losses, DescryTensor logits, DescryTensor targets, DescryTensor scales, float smoothing);

/* One AdamW step on n numbers: m and v are its moments, decay is decoupled; @scale multiplies the gradient first
 * (clipping); the gradient is set to zero after it. @step counts from 1. */
void op_adamw (DescryRun *run, DescryTensor parameter, DescryTensor gradient, DescryTensor m, DescryTensor v,
               float rate, float beta1, float beta2, float eps, float decay, float scale, guint step);

/* parts[i] = sum of squares of the i-th of n equal pieces; to be added up by the caller. @parts f32 [n]. */
void op_squares (DescryRun *run, DescryTensor parts, DescryTensor x);

G_END_DECLS
