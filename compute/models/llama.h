/* llama.h - LLaMA-family language models from GGUF
 *
 * llama, mistral (as llama), qwen2, qwen3, smollm3: dimensions and variations from metadata. A
 * session is a KV cache with the ids that are in it; asking again reuses the common prefix.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"
#include "compute/files/gguf.h"

G_BEGIN_DECLS

typedef struct _DescryLlama DescryLlama;
typedef struct _DescryLlamaSession DescryLlamaSession;

typedef void (*DescryProgressFunc) (double fraction, gpointer data);

DescryLlama *descry_llama_new  (DescryDevice *device, DescryGguf *gguf, GCancellable *cancellable,
                                DescryProgressFunc progress, gpointer data, GError **error);

/* The same with low-rank adapters merged into the weights; @adapter may be %NULL. */
DescryLlama *descry_llama_new_adapted (DescryDevice *device, DescryGguf *gguf, DescryGguf *adapter, GCancellable *cancellable,
                                       DescryProgressFunc progress, gpointer data, GError **error);

/* For measuring: a llama of some shape with random weights, all of one type, and the bytes and numbers that one token reads. */
typedef struct
{
  guint layers, width, ffn, heads, kv_heads, vocabulary, context;
} DescryLlamaShape;

const DescryLlamaShape *descry_llama_shape (const char *name); /* "135m", "1b", "7b", "13b"; else NULL */
DescryLlama *descry_llama_new_random (DescryDevice *device, const DescryLlamaShape *shape, DescryGgmlType type, guint64 *bytes, guint64 *elements, GError **error);

void         descry_llama_free (DescryLlama *model);
guint        descry_llama_width (DescryLlama *model);
guint        descry_llama_vocabulary (DescryLlama *model);
guint        descry_llama_context (DescryLlama *model); /* positions the model was trained for */

/* Token embeddings' mean (f32 [width]) and deviation, for the connector's soft tokens. */
gboolean     descry_llama_embedding_moments (DescryLlama *model, float *mean, float *deviation, GError **error);

DescryLlamaSession *descry_llama_session_new  (DescryLlama *model, guint context, GError **error);
void                descry_llama_session_free (DescryLlamaSession *session);
void                descry_llama_session_clear (DescryLlamaSession *session);

/**
 * descry_llama_prompt:
 * @ids: the whole prompt; -1 marks the place of a soft token
 * @soft: (nullable): f32 [number of -1s, width], rows in order
 * @progress: of the prefill
 *
 * Keeps the longest common prefix with what is cached (soft rows count as equal if their bytes are),
 * computes the rest and leaves the logits of the last position for descry_llama_next().
 */
gboolean descry_llama_prompt (DescryLlamaSession *session, const gint32 *ids, guint n, const float *soft,
                              GCancellable *cancellable, DescryProgressFunc progress, gpointer data, GError **error);

/* With a temperature tokens are drawn from the likeliest that together reach this share; 0, the default, or 1: from all. */
void     descry_llama_session_set_top_p (DescryLlamaSession *session, float top_p);

/* What happens when the context is full. Without this there is no next token; with it the older half of what follows the
 * first @keep positions is forgotten and the rest moves down, its keys turned to their new positions. @keep below the context
 * by 8 or more. */
void     descry_llama_session_set_sliding (DescryLlamaSession *session, gboolean sliding, guint keep);

/* Positions in the cache, of those that fit. */
guint    descry_llama_session_length (DescryLlamaSession *session);

/* Picks the next token from the last logits (temperature 0: greedy), on the device,, then computes the logits
 * after it. -1 on error. */
gint32   descry_llama_next (DescryLlamaSession *session, float temperature, guint64 *seed, GCancellable *cancellable, GError **error);

/* All logits of a prompt, f32 [n, vocabulary], for parity checks: with keys and values in f32, where a conversation
 * keeps them in f16. Leaves an empty cache. */
gboolean descry_llama_logits (DescryLlamaSession *session, const gint32 *ids, guint n, const float *soft, float *logits, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryLlama, descry_llama_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryLlamaSession, descry_llama_session_free)

G_END_DECLS
