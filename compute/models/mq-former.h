/* mq-former.h - the querying transformer with its projection
 *
 * Width, layers, queries and both cross-attentions from metadata; the full-size layout and the
 * compact one are the same code (spec/lyrics.md 2.9, 2.9.1).
 *
 * Metadata of the GGUF file, general.architecture "mq-former"; every key is required unless a default is given:
 *
 *   mq-former.width, .layers, .heads, .feed_forward      geometry; heads divide the width
 *   mq-former.visual_queries, .grounding_queries          rows of query_tokens: visual first; grounding may be 0
 *   mq-former.visual_width, .local_width                  of the rows that the two kinds of queries look at
 *   mq-former.llm_width                                    of the soft tokens
 *   mq-former.cross_attention_every                        layers 0, n, 2n … have cross-attentions
 *   mq-former.layer_norm_epsilon                           1e-12 in BERT
 *   mq-former.vocabulary, .positions                       of the text rows; 0: this file takes no text
 *   mq-former.table_width                                  of the word table; differs from the width: embedding_projection exists
 *   mq-former.special_rows                       [0]      trained rows whose ids follow the vocabulary
 *   mq-former.words                              ["own"]  "llm": the word table is the language model's token_embd.weight
 *   mq-former.queries_per_object                 [0]      n > 0: grounding queries n i .. n i + n - 1 belong to local row i; those of
 *                                                          absent objects are masked (additive -10000) in the self-attention
 *   mq-former.local_bound                        [false]  those n queries look at row i alone: nothing else would tell them which
 *                                                          of the rows is theirs
 *   mq-former.visual_grid                        [none]   [h, w]: 2-D sine positions are added to K and V of the visual rows, after
 *                                                          their projection: a quarter of the width each of sin y, cos y, sin x, cos x,
 *                                                          frequencies base^(-i / (width / 4))
 *   mq-former.visual_positions_base              [10000]
 *   mq-former.soft_token_norm                    [false]  soft tokens are LayerNorm (projection) * soft_norm.weight + soft_norm.bias:
 *                                                          deviation and mean of the language model's token embeddings
 *   mq-former.soft_token_norm_epsilon            [1e-5]
 *
 * Tensors, [out, in] as in PyTorch, all with .bias unless said:
 *
 *   query_tokens [queries, width] · token_embd.weight · embedding_projection.weight (no bias) · special_embd.weight ·
 *   position_embd.weight · embd_norm · blk.N.{attn,visual,local}_{q,k,v,o,norm} · blk.N.{query_ffn,ffn}_{up,down,norm} ·
 *   language_projection · soft_norm
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"
#include "compute/files/gguf.h"

G_BEGIN_DECLS

typedef struct _DescryMqFormer DescryMqFormer;

typedef struct
{
  guint width;
  guint layers;
  guint heads;
  guint visual_queries;
  guint grounding_queries;
  guint visual_width; /* of image tokens, as they come from the encoder */
  guint local_width; /* of local tokens */
  guint llm_width; /* of soft tokens */
  guint vocabulary; /* of the text input; 0: none */
  guint queries_per_object; /* 0: grounding queries are not bound to objects */
  guint visual_grid[2]; /* height and width that the image tokens must have; 0: any */
} DescryMqFormerShape;

/* Everything that the metadata says, for who trains the network. */
typedef struct
{
  DescryMqFormerShape shape;
  guint    feed_forward, positions, table_width, special_rows, cross_every;
  float    epsilon, soft_epsilon, places_base;
  gboolean words_elsewhere, soft_norm, local_bound;
} DescryMqFormerDetails;

gboolean        descry_mq_former_describe (DescryGguf *gguf, DescryMqFormerDetails *details, GError **error);

/* Fills the additive @mask [queries, objects] of mq-former.local_bound: 0 where query / per_object is the object, else -10000. */
void            descry_mq_former_bind (float *mask, guint queries, guint objects, guint per_object);

/* f32 [height * width, columns] of mq-former.visual_grid: descry_free(); NULL if memory is out. */
float          *descry_mq_former_places (guint height, guint width, guint columns, float base);

DescryMqFormer *descry_mq_former_new   (DescryDevice *device, DescryGguf *gguf, GError **error);
void            descry_mq_former_free  (DescryMqFormer *former);
const DescryMqFormerShape *descry_mq_former_shape (DescryMqFormer *former);

/* Takes the word table from the language model's file, for mq-former.words "llm". Without it the model
 * runs, but not with text. */
gboolean        descry_mq_former_share_words (DescryMqFormer *former, DescryGguf *llm, GError **error);

/**
 * descry_mq_former_run:
 * @image_tokens: f32 [n, visual_width]
 * @local_tokens: f32 [m, local_width]; m may be 0 (buffer NULL)
 * @text: (nullable): ids of the instruction; rows computed and dropped
 * @query_output: (out) (optional): f32 [queries, width]
 * @soft_tokens: (out): f32 [queries, llm_width]
 *
 * Without local tokens the grounding queries skip their cross-attention. Taps: "embeddings", "blk.N".
 */
void descry_mq_former_run (DescryMqFormer *former, DescryRun *run, DescryTensor image_tokens, DescryTensor local_tokens,
                           const gint32 *text, guint n_text, DescryTensor *query_output, DescryTensor *soft_tokens);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryMqFormer, descry_mq_former_free)

G_END_DECLS
