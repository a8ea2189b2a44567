/* llama-private.h - the trained LLaMA from inside: shared by its passes and the reading and writing of its adapters
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/llama-train.h"

G_BEGIN_DECLS

typedef struct
{
  DescryTensor     attention_norm, ffn_norm; /* [width] */
  DescryLoraLinear qkv, output, gate_up, down;
} DescryLlamaLayer;

struct _DescryTrainLlama
{
  DescryDevice    *device;
  DescryLoraConfig config;
  guint            width, ffn, heads, kv_heads, head_dim, rope_dim, vocabulary, n_layers;
  float            eps;
  DescryTensor     freqs; /* [rope_dim / 2] */
  DescryTensor     output_norm;
  DescryWeight    *embedding;
  DescryFrozen    *head;
  DescryLlamaLayer           *layers;
  DescryParameters parameters;
};

G_END_DECLS
