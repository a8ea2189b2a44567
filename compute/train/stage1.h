/* stage1.h - the losses of the first stage: what aligns the MQ-Former's queries with text
 *
 * spec/lyrics.md 4.2, all terms apart and with a weight each:
 *
 *   contrast  ITC: queries against texts of the batch, the best query counts; smoothed cross-entropy both ways
 *   match     ITM: two classes over (picture, text) and one hard negative each way, drawn by the contrast's scores
 *   caption   ICG: next words of the caption, from the queries, the boxes and the words before
 *   masked    MSP: hidden names and coordinates of boxes, from the queries and the rest of the text
 *   align     (2.9.1) each soft token against the direction of a word of the language model
 *
 * One pass computes the queries and the texts by themselves; others, a part of the batch each, the queries with the
 * caption's and the masked text (neither of which they see), then the three joint sequences of every pair.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/mq-former-train.h"

G_BEGIN_DECLS

typedef enum { DESCRY_STAGE1_CONTRAST, DESCRY_STAGE1_MATCH, DESCRY_STAGE1_CAPTION, DESCRY_STAGE1_MASKED, DESCRY_STAGE1_ALIGN, DESCRY_STAGE1_LOSSES } DescryStage1Loss;

/* "itc", "itm", "icg", "msp", "align" */
const char *descry_stage1_name (DescryStage1Loss loss);

typedef struct
{
  DescryFormerPicture picture;
  DescryFormerText    text; /* starts with [CLS]: boxes and caption */
  DescryFormerText    caption; /* starts with [DEC] */
  const gint32       *caption_targets; /* of each of its rows; -1: none */
  DescryFormerText    masked;
  const gint32       *masked_targets;
  const gint32       *align; /* a word's index for each query that exists: visual, then grounding; -1: none. NULL: none at all */
} DescryStage1Example;

typedef struct
{
  float        weights[DESCRY_STAGE1_LOSSES]; /* 0: not computed */
  float        smoothing; /* 0.1: of contrast, caption and masked */
  float        align_temperature; /* 0.06 */
  DescryTensor words; /* f32 [n, llm_width]: descry_stage1_words(); empty without align */
  DescryTensor centre; /* f32 [1, llm_width]: taken off the soft tokens first */
} DescryStage1Config;

/* Directions of words: @values [n, llm_width], already without the centre, each made 1 long. descry_tensor_free(). */
gboolean descry_stage1_words (DescryDevice *device, const float *values, guint n, guint width, DescryTensor *words, GError **error);

/* The align term alone, weighted, of the first @n sequences of @pass, each with its words or NULL; its mean loss. @dx: the
 * gradient of the pass's output, to which it adds; without buffer: none. */
double   descry_stage1_align (DescryTrainFormer *former, DescryRun *run, const DescryStage1Config *config, DescryFormerPass *pass,
                              const gint32 *const *aligns, guint n, DescryTensor dx);

/* Index of one of @n by weights softmax (scores) + 1e-4, never @own. */
guint    descry_stage1_draw  (const double *scores, guint n, guint own, GRand *rand);

/* Mean losses of the batch; those that were not computed, or have nothing to predict, are 0. With @gradients, the gradient of
 * their weighted sum adds up in the parameters. @negatives: NULL, or for each pair the other picture and the other text instead of
 * drawing. Contrast and match want two examples. */
gboolean descry_stage1_loss  (DescryTrainFormer *former, const DescryStage1Config *config, const DescryStage1Example *examples, guint n,
                              GRand *rand, const guint (*negatives)[2], gboolean gradients, GCancellable *cancellable,
                              double losses[DESCRY_STAGE1_LOSSES], GError **error);

G_END_DECLS
