/* llama-private.h - what the files of the language model share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/models/llama.h"
#include "compute/ops/attention.h"
#include "compute/ops/gemm.h"

G_BEGIN_DECLS

/* Products of one input: joined into one weight where their types allow it, else one after another. */
typedef struct
{
  DescryWeight *joined; /* or NULL */
  DescryWeight *parts[3];
  guint         n_parts;
  DescryTensor  bias; /* f32 [all rows], or buffer NULL */
} DescryLlamaLinear;

typedef struct
{
  DescryTensor      attention_norm; /* f32 [width] */
  DescryLlamaLinear qkv;            /* [(heads + 2 kv_heads) * head_dim, width] */
  DescryTensor      q_norm, k_norm; /* f32 [head_dim], qwen3 only */
  DescryWeight     *output;         /* [width, heads * head_dim] */
  DescryTensor      output_bias;
  gboolean          rotated; /* FALSE in smollm3's layers without positions */
  DescryTensor      ffn_norm;
  DescryLlamaLinear gate_up; /* [2 ffn, width] */
  DescryWeight     *down;    /* [width, ffn] */
} DescryLlamaLayer;

struct _DescryLlama
{
  DescryDevice *device;
  char         *path; /* of the file, for messages */

  guint          width, ffn, heads, kv_heads, head_dim, rope_dim, vocabulary, context;
  float          eps;
  DescryRopeKind rope;
  float         *freqs; /* [rope_dim / 2]: angle per position of each pair */

  DescryWeight     *embedding; /* [vocabulary, width] */
  DescryLlamaLayer *layers;
  guint             n_layers;
  DescryTensor      output_norm;
  DescryWeight     *head; /* [vocabulary, width]; the embedding if tied */

  gboolean have_moments;
  float   *mean; /* [width] */
  float    deviation;
};

struct _DescryLlamaSession
{
  DescryLlama *model;
  guint        context;
  DescryTensor table; /* f32 [context, rope_dim]: cosines, then sines */
  DescryTensor *keys, *values; /* a layer each: f16 [kv_heads * rows, head_dim], so that a head's keys are one stream */
  guint         rows;          /* of each head: the context, or fewer */

  GArray  *ids;  /* gint32 of every cached position; -1 is a soft token */
  GArray  *soft; /* float [soft tokens, width], in order */

  float        top_p; /* 0: every token may be drawn */
  gboolean     sliding; /* a full context forgets */
  guint        keep;    /* first positions that are never forgotten */
  guint        exact;   /* first positions that a new computation would give the same keys and values: all until the first slide */
  gboolean     ready; /* logits belong to the last cached position */
  DescryTensor logits; /* f32 [1, vocabulary] */
  DescryTensor next;   /* i32 [1]: the token that was picked from them */
};

/* Computes rows of @x at the positions after the cached ones, through every layer. @x f32 [m, width] becomes the last
 * layer's output; @scaled, f32 [m, width], that times the output norm's weight if m <= DESCRY_FEW_ROWS. */
void descry_llama_forward (DescryLlamaSession *session, DescryRun *run, DescryTensor x, DescryTensor scaled);

/* logits f32 [m, vocabulary] of rows that came out of descry_llama_forward() with m rows. */
void descry_llama_head    (DescryLlamaSession *session, DescryRun *run, DescryTensor logits, DescryTensor x, DescryTensor scaled);

G_END_DECLS
