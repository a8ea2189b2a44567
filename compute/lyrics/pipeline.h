/* pipeline.h - a bundle's networks on a device, loaded when first used and kept
 *
 * Belongs to the engine thread. A file's hash is checked before it is read; the architecture named in it
 * picks the code.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/bundle.h"
#include "compute/lyrics/connector.h"
#include "compute/models/llama.h"
#include "compute/models/vision.h"
#include "compute/text/chat-template.h"

G_BEGIN_DECLS

/* Positions of a conversation at most. Keys and values of the cache are the greater part of a language model's working
 * memory; a small picture's talk stays far below this. */
#define DESCRY_PIPELINE_CONTEXT 4096

typedef struct _DescryPipeline DescryPipeline;

/* @stage and @fraction as of the engine's "stage" signal. */
typedef void (*DescryStageFunc) (const char *stage, double fraction, const char *detail, gpointer data);

/* Takes @bundle, not @device, which may come later. */
DescryPipeline *descry_pipeline_new    (DescryDevice *device, DescryBundle *bundle, DescryStageFunc func, gpointer data);
void            descry_pipeline_set_device (DescryPipeline *pipeline, DescryDevice *device); /* before any network is loaded */
void            descry_pipeline_free   (DescryPipeline *pipeline);
/* Frees every network and what it keeps on the device; the next use loads it again. */
void            descry_pipeline_unload (DescryPipeline *pipeline);
gboolean        descry_pipeline_is_loaded (DescryPipeline *pipeline); /* any network is */
DescryDevice   *descry_pipeline_device (DescryPipeline *pipeline);
DescryBundle   *descry_pipeline_bundle (DescryPipeline *pipeline);
void            descry_pipeline_stage  (DescryPipeline *pipeline, const char *stage, double fraction, const char *detail);

/* TRUE if the slot has what it needs; FALSE: %DESCRY_ERROR_MODEL_MISSING with the reason. */
gboolean        descry_pipeline_has    (DescryPipeline *pipeline, DescrySlot slot, GError **error);

/* The networks; NULL is an error. All (transfer none). */
DescryEfficientNet *descry_pipeline_tagger    (DescryPipeline *pipeline, GCancellable *cancellable, GError **error);
DescryIsnet        *descry_pipeline_segmenter (DescryPipeline *pipeline, GCancellable *cancellable, GError **error);

/* Either may be NULL, not both. */
gboolean descry_pipeline_detectors (DescryPipeline *pipeline, DescryNanodet **nanodet, DescryCenternet **centernet,
                                    GCancellable *cancellable, GError **error);

typedef struct
{
  DescryLlama        *model;
  DescryTokenizer    *tokenizer;
  DescryChatFormat    format;
  DescryLlamaSession *session; /* its cache is reused from question to question */
  guint               context; /* positions of the session */
  gboolean            grounded; /* with adapters that were trained on scene texts: needs no worked turns */
} DescryLanguage;

/* Where the language model runs; NULL, as at first: where everything does. Not owned. Before the model is loaded. */
void            descry_pipeline_set_language_device (DescryPipeline *pipeline, DescryDevice *device);

/* Whether adapters in the llm slot are merged into its model (TRUE at first). A change loads the model anew. */
void            descry_pipeline_set_adapter (DescryPipeline *pipeline, gboolean use);

/* What can be read of the language model before there is a device: file and tokenizer. What is wrong is told by
 * descry_pipeline_language(). */
void            descry_pipeline_prepare_language (DescryPipeline *pipeline, GCancellable *cancellable);

DescryLanguage *descry_pipeline_language (DescryPipeline *pipeline, GCancellable *cancellable, GError **error);

/* The rows that precede the question. NULL without @error: there are none, and @reason (out) says why to a
 * person. The picture's own tokens are kept for the next question about it. (transfer full) */
DescrySoftTokens *descry_pipeline_soft_tokens (DescryPipeline *pipeline, DescryImage *image, DescryScene *scene, float threshold, const guint *pointed, guint n_pointed,
                                               char **reason, GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryPipeline, descry_pipeline_free)

G_END_DECLS
