/* train-session.h - what the stages of `descry train` share: options, the language model's file, log and progress
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <stdio.h>

#include "compute/text/chat-template.h"
#include "compute/text/tokenizer.h"
#include "compute/train/optimiser.h"
#include "compute/train/scene-text.h"

G_BEGIN_DECLS

typedef struct
{
  char    *stage, *data, *model, *output, *adapter, *device, *log, *plot;
  char    *connector, *adapter_output, *losses, *words; /* stages 1 and 2 */
  int      steps, rank, rows, seed, every, evaluate, batch, width, layers, patience;
  double   rate, alpha, connector_rate, text_share, swap_share, dropout;
  gboolean resume, exact, recompute, show_wrong, instruct, freeze_connector, freeze_adapter;
} DescryTrainOptions;

typedef struct
{
  DescryTrainOptions *options;
  DescryDevice       *device;
  DescryGguf         *gguf; /* of the language model */
  DescryTokenizer    *tokenizer;
  DescryChatFormat    format;
  GCancellable       *cancellable;
} DescryTrainSession;

/* The stages: train, or evaluate. */
gboolean descry_train_lora      (DescryTrainSession *session, GError **error);
gboolean descry_train_evaluate  (DescryTrainSession *session, GError **error);
gboolean descry_train_connector (DescryTrainSession *session, GError **error); /* stages 1 and 2 */

/* The log (JSON lines), its picture and the line on the terminal. */
typedef struct
{
  DescryTrainOptions *options;
  FILE               *log; /* or NULL */
  gboolean            terminal;
  guint               first; /* steps that an earlier run took */
  gint64              start;
  guint64             tokens;
} DescryTrainProgress;

/* @step: of the checkpoint that the training goes on from, or 0. */
void     descry_train_progress_open  (DescryTrainProgress *progress, DescryTrainOptions *options, guint step);
void     descry_train_progress_close (DescryTrainProgress *progress);

/* After a step: @n losses by name; @tokens: read in this step. */
void     descry_train_progress_step  (DescryTrainProgress *progress, guint step, const char *const *names, const double *losses, guint n,
                                      double norm, double rate, guint tokens);

/* After an evaluation; draws the picture. The first of @names is what counts. */
gboolean descry_train_progress_held  (DescryTrainProgress *progress, guint step, const char *const *names, const double *values, guint n, GError **error);

/* One scene text as ids, answer and end mark included. (transfer full): GArray of gint32 */
GArray  *descry_train_scene_text (DescryTrainSession *session, DescrySplit split, guint64 index, guint *first_target);

G_END_DECLS
