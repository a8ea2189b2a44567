/* packed.h - attention of many short sequences in one launch, and back
 *
 * For training: rows of a batch lie anywhere in q, k and v; a plan says which rows look at which.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/attention.h"

G_BEGIN_DECLS

#define DESCRY_SPAN_STRETCHES 4

/* Query rows that look at the same keys, one at least. */
typedef struct
{
  guint first, n;
  guint key[DESCRY_SPAN_STRETCHES], n_keys[DESCRY_SPAN_STRETCHES]; /* stretches of key rows; 0: none */
  guint causal; /* 0, or i: row r of the span sees keys 0 to r of the i-th stretch, counted from 1 */
  guint unit; /* spans of one unit follow each other; no key is looked at from two units */
} DescrySpan;

typedef struct
{
  guint        n_spans, n_units, most_keys; /* of a span */
  DescryTensor spans, units, span_of, unit_of; /* views of @table */
  DescryTensor table; /* i32, of the run */
} DescryPacked;

/* A plan for q of @rows rows and k, v of @keys rows; rows in no span keep what they have. */
DescryPacked op_packed_plan  (DescryRun *run, const DescrySpan *spans, guint n_spans, guint rows, guint keys);
void         op_packed_clear (DescryRun *run, DescryPacked *plan);

/* out = softmax (q . k * scale) . v for each head; f32, kv_heads == heads, no bias; q may not be out. */
void op_attention_packed          (DescryRun *run, DescryTensor out, DescryTensor q, DescryTensor k, DescryTensor v, const DescryPacked *plan, const DescryAttention *p);

/* dq of all rows in spans, dk and dv of all keys, without a stored score matrix; they must not overlap the inputs. */
void op_attention_packed_backward (DescryRun *run, DescryTensor dq, DescryTensor dk, DescryTensor dv, DescryTensor dout, DescryTensor out, DescryTensor q, DescryTensor k,
                                   DescryTensor v, const DescryPacked *plan, const DescryAttention *p);

G_END_DECLS
