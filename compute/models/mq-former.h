/* mq-former.h - the querying transformer with its projection
 *
 * Width, layers, queries and both cross-attentions from metadata; the full-size layout and the
 * compact one are the same code (spec/lyrics.md 2.9, 2.9.1).
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
} DescryMqFormerShape;

DescryMqFormer *descry_mq_former_new   (DescryDevice *device, DescryGguf *gguf, GError **error);
void            descry_mq_former_free  (DescryMqFormer *former);
const DescryMqFormerShape *descry_mq_former_shape (DescryMqFormer *former);

/**
 * descry_mq_former_run:
 * @image_tokens: f32 [n, visual_width]
 * @local_tokens: f32 [m, local_width]; m may be 0 (buffer NULL)
 * @text: (nullable): ids of the instruction; rows computed and dropped
 * @query_output: (out) (optional): f32 [queries, width]
 * @soft_tokens: (out): f32 [queries, llm_width]
 */
void descry_mq_former_run (DescryMqFormer *former, DescryRun *run, DescryTensor image_tokens, DescryTensor local_tokens,
                           const gint32 *text, guint n_text, DescryTensor *query_output, DescryTensor *soft_tokens);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryMqFormer, descry_mq_former_free)

G_END_DECLS
