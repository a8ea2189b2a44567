/* attention.h - rotary positions, KV cache, streaming attention
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"

G_BEGIN_DECLS

typedef struct
{
  guint        heads;
  guint        kv_heads; /* divides heads (GQA) */
  guint        head_dim;
  float        scale; /* 0: 1 / sqrt (head_dim) */
  gboolean     causal; /* query row i sees key rows <= i + past */
  guint        past; /* key rows before the first query's own */
  DescryTensor bias; /* f32 [1 or heads, q, kv] added to the scaled scores, or buffer NULL */
  guint        kv_step; /* elements from head to head in k and v, which are then [kv, head_dim] of the first head; 0: heads side by side */
} DescryAttention;

/* What scores are multiplied with. */
float descry_attention_scale (const DescryAttention *p);

/* out[q, heads*dim] = softmax (Q K^T * scale + bias) V, without a stored score matrix.
 * @q f32 [q, heads*dim]; @k, @v f32 or f16 [kv, kv_heads*dim]; pitches are honoured. */
void op_attention (DescryRun *run, DescryTensor out, DescryTensor q, DescryTensor k, DescryTensor v, const DescryAttention *p);

typedef enum { DESCRY_ROPE_PAIRS /* (2i, 2i+1): GGUF llama */, DESCRY_ROPE_HALVES /* (i, i + d/2): qwen, HF */ } DescryRopeKind;

/* Rotates x [rows, heads*head_dim] in place; row r has position first + r. @freqs f32 [rope_dim/2]:
 * angle per position of each pair. Dimensions from rope_dim on stay. */
void op_rope (DescryRun *run, DescryTensor x, guint heads, guint head_dim, guint rope_dim, DescryTensor freqs, guint first, DescryRopeKind kind);

/* What lies between a decoder layer's QKV product and its attention, in one launch. */
typedef struct
{
  guint          heads;
  guint          kv_heads;
  guint          head_dim;
  guint          rope_dim; /* 0: no rotation */
  DescryRopeKind kind;
  DescryTensor   table; /* f32 [positions, rope_dim]: cosines of all pairs, then their sines */
  DescryTensor   q_norm, k_norm; /* f32 [head_dim]: RMS norm of each head before the rotation, or buffer NULL */
  float          eps;
  guint          kv_step; /* of the caches, as in DescryAttention */
} DescryRotation;

/* @qkv f32 [rows, (heads + 2 kv_heads) * head_dim], row r at position first + r: q is rotated in place, k goes rotated
 * into rows first... of @k_cache, v into those of @v_cache (f32 or f16 [positions, kv_heads * head_dim]). */
void op_rotate (DescryRun *run, DescryTensor qkv, DescryTensor k_cache, DescryTensor v_cache, guint first, const DescryRotation *p);

/* op_rotate() and causal op_attention() over the first past + rows positions of the caches: out [rows, heads * head_dim]. For one
 * row one launch does it all, or two for a long cache; @qkv is changed or not. */
void op_attention_step (DescryRun *run, DescryTensor out, DescryTensor qkv, DescryTensor k_cache, DescryTensor v_cache, guint past, const DescryRotation *p);

/* cache[first + r] = x[r], converted to the cache's type. */
void op_cache_write (DescryRun *run, DescryTensor cache, DescryTensor x, guint first);

G_END_DECLS
