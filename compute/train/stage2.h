/* stage2.h - the second stage: the language model answers from the soft tokens, and both sides learn
 *
 * spec/lyrics.md 4.3: cross-entropy of the answer's tokens; its gradient reaches the MQ-Former through the frozen
 * language model and the projection. The adapters learn at the same time (4.1, stage 2b), unless only one of the two
 * optimisers takes a step. Several questions may share a picture's queries; a sequence may carry the question into the
 * former as well (3.3), and then has soft tokens of its own.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/llama-train.h"
#include "compute/train/stage1.h"

G_BEGIN_DECLS

typedef struct
{
  guint            picture;
  DescryFormerText instruction; /* n 0: queries alone */
  const gint32    *align; /* as in DescryStage1Example */
} DescryStage2Sequence;

typedef struct
{
  const gint32 *ids; /* without places for soft tokens */
  guint         n;
  guint         first_target;
  guint         soft_at; /* where they go */
  int           sequence; /* whose; -1: none, a text alone */
} DescryStage2Example;

typedef struct
{
  double answer;
  double align;
} DescryStage2Losses;

/**
 * descry_stage2_loss:
 * @config: the align term's weight and words; weight 0: none
 * @pictures: of the sequences
 * @examples: must fit one batch of @llama, soft tokens counted (descry_train_llama_fit())
 *
 * With @gradients, those of the answer's mean loss and of the weighted align term add up in the parameters of both.
 */
gboolean descry_stage2_loss (DescryTrainFormer *former, DescryTrainLlama *llama, const DescryStage1Config *config,
                             const DescryFormerPicture *pictures, guint n_pictures, const DescryStage2Sequence *sequences, guint n_sequences,
                             const DescryStage2Example *examples, guint n_examples, gboolean gradients, GCancellable *cancellable,
                             DescryStage2Losses *losses, GError **error);

G_END_DECLS
