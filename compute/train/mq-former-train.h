/* mq-former-train.h - the querying transformer with its gradients
 *
 * The same network as compute/models/mq-former.h, from the same file, run over many sequences at once with
 * everything kept that the way back needs. A sequence is the queries of one picture, texts, or both; a text
 * either takes part in everything (JOINT), or the queries do not see it: BLIND, or CAUSAL within itself. One
 * pass of queries with a causal and a blind text equals the cached passes of the paper's first stage
 * (spec/lyrics.md 2.9, 4.2), and its gradients flow into the queries as theirs do.
 *
 * Queries of objects that are not there are left out instead of masked: nothing else sees them.
 *
 * Beside mq-former's tensors the file may hold the first stage's heads (all with .bias, [out, in]):
 * stage1.visual_projection, stage1.text_projection, stage1.match [2, width], stage1.temperature [1] (no bias),
 * stage1.word_dense [table_width, width], stage1.word_norm, stage1.word_bias [vocabulary] (no .bias).
 * Heads that are absent start anew.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/gguf.h"
#include "compute/text/tokenizer.h"
#include "compute/train/linear.h"

G_BEGIN_DECLS

typedef struct _DescryTrainFormer DescryTrainFormer;

typedef struct
{
  guint width, layers, heads, feed_forward, visual_queries, grounding_queries, per_object;
  guint visual_width, local_width, llm_width, cross_every, vocabulary, positions, table_width, special_rows;
  guint contrast_width; /* of the first stage's two projections; 0: no heads */
} DescryTrainFormerShape;

typedef struct
{
  gboolean heads; /* the first stage's as well */
  guint    contrast_width; /* 256, where the file has no heads */
  gboolean fresh; /* tensors that are absent start at random: a file of metadata alone is a new network */
  guint64  seed;
} DescryTrainFormerOptions;

/* @words: the language model's file, for mq-former.words "llm"; its table stays frozen; it must outlive the network. */
DescryTrainFormer *descry_train_former_new  (DescryDevice *device, DescryGguf *gguf, DescryGguf *words, const DescryTrainFormerOptions *options, GError **error);
void               descry_train_former_free (DescryTrainFormer *former);
const DescryTrainFormerShape *descry_train_former_shape (DescryTrainFormer *former);
DescryParameters  *descry_train_former_parameters (DescryTrainFormer *former);

/* Value and gradient of a tensor by its name in the file; a matrix lies turned, [in, out]. FALSE if it is not trained. */
gboolean           descry_train_former_find (DescryTrainFormer *former, const char *name, DescryTensor *value, DescryTensor *gradient, gboolean *turned);

/* All tensors, f32 or f16, with the metadata of the file that it was made from. @heads: the first stage's as well.
 * @card: its description. @untrained: not fit for answers yet, refused at run time. */
gboolean           descry_train_former_save (DescryTrainFormer *former, const char *path, gboolean halves, gboolean heads, const char *card, gboolean untrained,
                                             GError **error);

/* Word pieces that the file lacks and that are saved with it; @words must outlive the network. */
void               descry_train_former_set_words (DescryTrainFormer *former, DescryTokenizer *words);

typedef enum { DESCRY_TEXT_JOINT, DESCRY_TEXT_BLIND, DESCRY_TEXT_CAUSAL } DescryTextKind;

typedef struct
{
  DescryTextKind kind;
  const gint32  *ids;
  const gint32  *positions; /* NULL: 0, 1, 2 … */
  guint          n;
} DescryFormerText;

#define DESCRY_MAX_TEXTS 2

typedef struct
{
  int              picture; /* index; -1: texts alone, without queries */
  guint            n_texts;
  DescryFormerText texts[DESCRY_MAX_TEXTS];
} DescryFormerSequence;

/* What a picture's queries look at; standardised. */
typedef struct
{
  const float *visual; /* [n_visual, visual_width] */
  guint        n_visual;
  const float *local; /* [n_local, local_width] or NULL */
  guint        n_local;
} DescryFormerPicture;

/* Where a sequence's rows lie in the pass's. */
typedef struct
{
  guint visual, n_visual; /* rows of its visual queries */
  guint grounding, n_grounding;
  guint text[DESCRY_MAX_TEXTS];
} DescryFormerPlace;

/* Queries of a sequence, visual ones first: how many, and the row of each. */
guint descry_former_place_queries (const DescryFormerPlace *place);
guint descry_former_place_row     (const DescryFormerPlace *place, guint query);

/* Queries that a picture of @n_local rows has: those of objects that are not there are left out. */
guint descry_train_former_queries (DescryTrainFormer *former, guint n_local);

/* What the queries of a batch look at: for all passes of a step, as long as the parameters stay. */
typedef struct _DescryFormerLooked DescryFormerLooked;

/* Errors stick to the run; it must be freed all the same, before the run and after its passes. */
DescryFormerLooked *descry_former_looked_new      (DescryTrainFormer *former, DescryRun *run, const DescryFormerPicture *pictures, guint n_pictures);
void                descry_former_looked_free     (DescryFormerLooked *looked);

/* After the last pass's way back: the gradients of what was looked at add up in the parameters. */
void                descry_former_looked_backward (DescryFormerLooked *looked);

typedef struct _DescryFormerPass DescryFormerPass;

/* Runs forward. Errors stick to the run; the pass must be freed all the same, before the run. */
DescryFormerPass *descry_former_pass_new  (DescryTrainFormer *former, DescryRun *run, const DescryFormerPicture *pictures, guint n_pictures,
                                           const DescryFormerSequence *sequences, guint n_sequences);
/* The same over what was looked at already. */
DescryFormerPass *descry_former_pass_over (DescryTrainFormer *former, DescryFormerLooked *looked, const DescryFormerSequence *sequences, guint n_sequences);
void              descry_former_pass_free (DescryFormerPass *pass);
guint             descry_former_pass_rows (DescryFormerPass *pass); /* all; rows of queries come first */
guint             descry_former_pass_query_rows (DescryFormerPass *pass);
DescryTensor      descry_former_pass_output (DescryFormerPass *pass); /* [rows, width] */
DescryTensor      descry_former_pass_gradient (DescryFormerPass *pass); /* [rows, width] of zeros, of the run */
const DescryFormerPlace *descry_former_pass_place (DescryFormerPass *pass, guint sequence);

/* @dx [rows, width]: gradient of the output; overwritten. Gradients of all parameters add up. */
void              descry_former_pass_backward (DescryFormerPass *pass, DescryTensor dx);

/* y = x W + b of a trained linear layer by its name, and back: dW and db add up; @dx may be without buffer, or adds if @add. */
void descry_train_former_linear          (DescryTrainFormer *former, DescryRun *run, const char *name, DescryTensor y, DescryTensor x);
void descry_train_former_linear_backward (DescryTrainFormer *former, DescryRun *run, const char *name, DescryTensor dx, DescryTensor dy, DescryTensor x, gboolean add);

/* Soft tokens of query rows @x [n, width]: projection into @projected [n, llm_width] (kept for the way back), then into
 * @soft the norm where the file asks for one, else a copy. The norm's weight and bias are the language model's and not trained. */
void descry_train_former_soft          (DescryTrainFormer *former, DescryRun *run, DescryTensor soft, DescryTensor projected, DescryTensor x);
void descry_train_former_soft_backward (DescryTrainFormer *former, DescryRun *run, DescryTensor dx, DescryTensor dsoft, DescryTensor projected, DescryTensor x, gboolean add);

/* The word head: row losses of predicting @targets from text rows @x, weighted by @scales; with @dx [n, width] the gradient of
 * sum scales * losses, which adds. @losses [n] on the host. */
void descry_train_former_words (DescryTrainFormer *former, DescryRun *run, DescryTensor x, const gint32 *targets, const float *scales, float smoothing,
                                DescryTensor dx, float *losses);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryTrainFormer, descry_train_former_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryFormerPass, descry_former_pass_free)

G_END_DECLS
