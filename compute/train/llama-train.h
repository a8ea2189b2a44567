/* llama-train.h - a LLaMA-family model with adapters: loss and gradients of packed examples
 *
 * The base weights are what the GGUF file holds, 4-bit included, and stay frozen. Several examples lie one
 * after another in a batch; each attends to itself only and counts its positions from 0. The batch has a fixed
 * number of rows; those that no example uses are computed and ignored, so that every step has one shape.
 *
 * Architecture `llama` (llama, mistral, SmolLM2).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/gguf.h"
#include "compute/train/linear.h"

G_BEGIN_DECLS

typedef struct _DescryTrainLlama DescryTrainLlama;

typedef struct
{
  guint   rank;  /* 8 */
  float   alpha; /* 16 */
  guint   rows;  /* of a batch */
  guint   answers; /* rows of a batch that may have a target */
  guint64 seed;  /* of A; B starts at zero */
  gboolean recompute; /* keep a layer's input only and run it again on the way back: a third more time */
} DescryLoraConfig;

/* One example: the whole text and where the learnt part begins. */
typedef struct
{
  const gint32 *ids;
  guint         n;
  guint         first_target; /* ids[first_target ..] are predicted; at least 1 */
  guint         soft_at, n_soft; /* tokens soft_at ... are not embedded: rows soft_first ... of the soft tokens stand there */
  guint         soft_first;
} DescryTrainExample;

/* @gguf outlives the model. */
DescryTrainLlama *descry_train_llama_new  (DescryDevice *device, DescryGguf *gguf, const DescryLoraConfig *config, GError **error);
void              descry_train_llama_free (DescryTrainLlama *model);

DescryParameters *descry_train_llama_parameters (DescryTrainLlama *model);

/* How many of @examples, from the first, fit one batch. */
guint    descry_train_llama_fit (DescryTrainLlama *model, const DescryTrainExample *examples, guint n);

/* The mean loss over the targets of @examples; with @gradients, d loss / d adapters adds up in the parameters. */
gboolean descry_train_llama_loss (DescryTrainLlama *model, const DescryTrainExample *examples, guint n, gboolean gradients,
                                  GCancellable *cancellable, double *loss, GError **error);

/* The same with soft tokens, of pictures: @soft f32 [m, width] of the same device; with @gradients, @dsoft gets the gradient
 * added, of every example that uses a row. */
gboolean descry_train_llama_loss_soft (DescryTrainLlama *model, const DescryTrainExample *examples, guint n, DescryTensor soft, DescryTensor dsoft,
                                       gboolean gradients, GCancellable *cancellable, double *loss, GError **error);

/* The adapters as a GGUF file in llama.cpp's form (`general.type` adapter); @card is kept as its description. */
gboolean descry_train_llama_save (DescryTrainLlama *model, const char *path, const char *card, GError **error);

/* Starts from adapters of an earlier training, of the same rank and alpha, instead of at random. */
gboolean descry_train_llama_load (DescryTrainLlama *model, DescryGguf *adapter, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryTrainLlama, descry_train_llama_free)

G_END_DECLS
