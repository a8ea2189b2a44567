/* mq-former-private.h - what the two files of the trained MQ-Former share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/mq-former-train.h"

G_BEGIN_DECLS

typedef struct
{
  DescryTensor value, gradient;
} DescryTrained;

/* Turned: [in, out]. The bias has no buffer where there is none. */
typedef struct
{
  DescryTrained weight, bias;
} DescryTrainedLinear;

typedef struct
{
  DescryTrained weight, bias;
} DescryTrainedNorm;

typedef struct
{
  DescryTrainedLinear q, k, v, o;
  DescryTrainedNorm   norm;
} DescryTrainedAttention;

typedef struct
{
  DescryTrainedLinear up, down;
  DescryTrainedNorm   norm;
} DescryTrainedFeed;

typedef struct
{
  gboolean               crosses;
  DescryTrainedAttention self, visual, local;
  DescryTrainedFeed      query, text;
} DescryTrainedLayer;

struct _DescryTrainFormer
{
  DescryDevice            *device;
  DescryTrainFormerShape   shape;
  DescryTrainFormerOptions options;
  float                    epsilon, soft_epsilon;
  gboolean                 soft_norm, words_elsewhere, local_bound;
  char                    *source; /* its metadata is copied when it is saved */
  GPtrArray               *specs; /* of Spec, in mq-former-weights.c */
  DescryTokenizer         *words; /* saved with it, or NULL */
  DescryParameters         parameters;
  guint                    room; /* rows of the longest pass so far, and some */

  DescryTrained       queries, special, places, table; /* table: own words */
  DescryTrainedLinear embedding; /* without bias; or empty */
  DescryTrainedNorm   norm;
  DescryTrainedLayer *layers;
  DescryTrainedLinear language;
  DescryTrainedLinear dense; /* word head */
  DescryTrainedNorm   dense_norm;
  DescryTrained       word_bias;
  DescryTrained       contrast[7]; /* the other heads; by name */

  DescryTensor  frozen_words; /* [vocabulary, table_width], the language model's */
  DescryFrozen *frozen_head; /* its product */
  DescryTensor  soft_weight, soft_bias; /* [llm_width] */
  DescryTensor  visual_places; /* [n_visual, width] or empty */
};

/* Keys and values that queries look at, and what their gradients have added up to so far (no buffer: nothing yet). */
typedef struct
{
  DescryTensor k, v, dk, dv; /* [rows of all pictures, width] */
} DescryLookedKeys;

typedef struct
{
  DescryLookedKeys visual, local;
} DescryLookedLayer;

struct _DescryFormerLooked
{
  DescryTrainFormer *former;
  DescryRun         *run;
  guint              n_pictures;
  guint             *visual_first, *n_visual, *local_first, *n_local; /* of each picture, rows of the two below */
  DescryTensor       visual, local; /* features of all pictures; local may be empty */
  DescryLookedLayer *layers;
};

/* Takes both. */
void descry_former_looked_add (DescryFormerLooked *looked, DescryLookedKeys *keys, DescryTensor *dk, DescryTensor *dv);

/* y = x W + b */
void descry_trained_forward  (DescryRun *run, DescryTensor y, DescryTensor x, const DescryTrainedLinear *linear);

/* dW and db add up; @dx without buffer: not wanted; adds if @add. */
void descry_trained_backward (DescryRun *run, DescryTensor dx, DescryTensor dy, DescryTensor x, const DescryTrainedLinear *linear, gboolean add);

/* i32 [n] from the run's pool */
DescryTensor descry_trained_ids (DescryRun *run, const gint32 *values, guint n);

G_END_DECLS
