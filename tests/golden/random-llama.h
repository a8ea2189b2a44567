/* random-llama.h - tiny language models of random blocks in any format, and the same weights in f32
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <math.h>
#include <string.h>

#include "compute/files/gguf.h"
#include "compute/memory.h"
#include "tests/ops/random-blocks.h"

/* Which tensors get which type: the first whose word is in the name; the last has an empty word. */
typedef struct
{
  const char    *word;
  DescryGgmlType type;
} RandomType;

typedef struct
{
  guint width, ffn, heads, kv_heads, layers, vocabulary, context;
} RandomShape;

typedef struct
{
  GRand            *rand;
  const RandomType *types;
  DescryGgufWriter *packed, *plain;
} RandomWriter;

static inline void
add_random (RandomWriter *writer,
            const char   *name,
            guint         rows,
            guint         cols)
{
  const RandomType *type = writer->types;
  gsize count = (gsize) rows * cols;
  guint64 bytes, dims[2] = { cols, rows };
  guint8 *blocks;
  float *values = descry_try_alloc (count, sizeof *values);

  while (*type->word != '\0' && strstr (name, type->word) == NULL)
    type++;
  g_assert_true (descry_ggml_bytes (type->type, count, &bytes));
  blocks = descry_try_alloc (bytes, 1);
  random_blocks (writer->rand, type->type, count, 1.0 / sqrt (cols), blocks);
  g_assert_true (descry_ggml_dequantise (type->type, blocks, count, values));
  descry_gguf_writer_add (writer->packed, name, type->type, 2, dims, blocks, bytes);
  descry_gguf_writer_add (writer->plain, name, DESCRY_GGML_F32, 2, dims, values, count * sizeof *values);
}

static inline void
add_norm (RandomWriter *writer,
          const char   *name,
          guint         n)
{
  guint i, w;
  float *values = g_new (float, n);

  for (i = 0; i < n; i++)
    values[i] = g_rand_double_range (writer->rand, 0.6, 1.4);
  for (w = 0; w < 2; w++)
    {
      float *copy = descry_try_alloc (n, sizeof *copy);

      memcpy (copy, values, n * sizeof *copy);
      descry_gguf_writer_add (w == 0 ? writer->packed : writer->plain, name, DESCRY_GGML_F32, 1, (guint64[]) { n }, copy, n * sizeof *copy);
    }
  g_free (values);
}

/* Writes @packed_path with @types and @plain_path with the f32 numbers that those blocks stand for. */
static inline void
write_random_llama (guint              seed,
                    const RandomShape *shape,
                    const RandomType  *types,
                    const char        *packed_path,
                    const char        *plain_path)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autoptr (DescryGgufWriter) packed = descry_gguf_writer_new (), plain = descry_gguf_writer_new ();
  g_autoptr (GError) error = NULL;
  RandomWriter writer = { rand, types, packed, plain };
  guint kv = shape->width / shape->heads * shape->kv_heads, i, w;

  for (w = 0; w < 2; w++)
    {
      DescryGgufWriter *to = w == 0 ? packed : plain;

      descry_gguf_writer_set_string (to, "general.architecture", "llama");
      descry_gguf_writer_set_uint (to, "llama.block_count", shape->layers);
      descry_gguf_writer_set_uint (to, "llama.context_length", shape->context);
      descry_gguf_writer_set_uint (to, "llama.embedding_length", shape->width);
      descry_gguf_writer_set_uint (to, "llama.feed_forward_length", shape->ffn);
      descry_gguf_writer_set_uint (to, "llama.attention.head_count", shape->heads);
      descry_gguf_writer_set_uint (to, "llama.attention.head_count_kv", shape->kv_heads);
      descry_gguf_writer_set_float (to, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
      descry_gguf_writer_set_float (to, "llama.rope.freq_base", 10000.0f);
    }

  add_random (&writer, "token_embd.weight", shape->vocabulary, shape->width);
  add_norm (&writer, "output_norm.weight", shape->width);
  add_random (&writer, "output.weight", shape->vocabulary, shape->width);
  for (i = 0; i < shape->layers; i++)
    {
      const struct { const char *name; guint rows, cols; } weights[] = {
        { "attn_q", shape->width, shape->width }, { "attn_k", kv, shape->width }, { "attn_v", kv, shape->width },
        { "attn_output", shape->width, shape->width }, { "ffn_gate", shape->ffn, shape->width },
        { "ffn_up", shape->ffn, shape->width }, { "ffn_down", shape->width, shape->ffn },
      };
      g_autofree char *attention_norm = g_strdup_printf ("blk.%u.attn_norm.weight", i), *ffn_norm = g_strdup_printf ("blk.%u.ffn_norm.weight", i);
      guint t;

      add_norm (&writer, attention_norm, shape->width);
      add_norm (&writer, ffn_norm, shape->width);
      for (t = 0; t < G_N_ELEMENTS (weights); t++)
        {
          g_autofree char *name = g_strdup_printf ("blk.%u.%s.weight", i, weights[t].name);

          add_random (&writer, name, weights[t].rows, weights[t].cols);
        }
    }

  g_assert_true (descry_gguf_writer_write (packed, packed_path, &error));
  g_assert_no_error (error);
  g_assert_true (descry_gguf_writer_write (plain, plain_path, &error));
  g_assert_no_error (error);
}
