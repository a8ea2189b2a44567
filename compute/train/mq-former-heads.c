/* mq-former-heads.c - what comes after the trained MQ-Former: soft tokens, words, single layers
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include <string.h>

#include "compute/ops/norm.h"
#include "compute/train/mq-former-private.h"

void
descry_trained_forward (DescryRun                 *run,
                        DescryTensor               y,
                        DescryTensor               x,
                        const DescryTrainedLinear *linear)
{
  op_product (run, y, x, FALSE, linear->weight.value, FALSE, FALSE);
  if (linear->bias.value.buffer != NULL)
    op_add (run, y, y, linear->bias.value, DESCRY_ACT_NONE);
}

void
descry_trained_backward (DescryRun                 *run,
                         DescryTensor               dx,
                         DescryTensor               dy,
                         DescryTensor               x,
                         const DescryTrainedLinear *linear,
                         gboolean                   add)
{
  op_product (run, linear->weight.gradient, x, TRUE, dy, FALSE, TRUE);
  if (linear->bias.gradient.buffer != NULL)
    op_sum_rows (run, linear->bias.gradient, dy);
  if (dx.buffer != NULL)
    op_product (run, dx, dy, FALSE, linear->weight.value, TRUE, add);
}

DescryTensor
descry_trained_ids (DescryRun    *run,
                    const gint32 *values,
                    guint         n)
{
  DescryTensor tensor = descry_run_tensor (run, DESCRY_I32, 1, &n);

  descry_run_write (run, tensor, values, n);
  return tensor;
}

static gboolean
find_linear (DescryTrainFormer   *former,
             DescryRun           *run,
             const char          *name,
             DescryTrainedLinear *linear)
{
  g_autofree char *weight = g_strconcat (name, ".weight", NULL), *bias = g_strconcat (name, ".bias", NULL);

  *linear = (DescryTrainedLinear) { 0 };
  if (!descry_run_ok (run))
    return FALSE;
  if (!descry_train_former_find (former, weight, &linear->weight.value, &linear->weight.gradient, NULL))
    {
      descry_run_fail (run, DESCRY_ERROR_USAGE, "mq-former: no layer “%s”", name);
      return FALSE;
    }
  descry_train_former_find (former, bias, &linear->bias.value, &linear->bias.gradient, NULL);
  return TRUE;
}

void
descry_train_former_linear (DescryTrainFormer *former,
                            DescryRun         *run,
                            const char        *name,
                            DescryTensor       y,
                            DescryTensor       x)
{
  DescryTrainedLinear linear;

  if (find_linear (former, run, name, &linear))
    descry_trained_forward (run, y, x, &linear);
}

void
descry_train_former_linear_backward (DescryTrainFormer *former,
                                     DescryRun         *run,
                                     const char        *name,
                                     DescryTensor       dx,
                                     DescryTensor       dy,
                                     DescryTensor       x,
                                     gboolean           add)
{
  DescryTrainedLinear linear;

  if (find_linear (former, run, name, &linear))
    descry_trained_backward (run, dx, dy, x, &linear, add);
}

void
descry_train_former_soft (DescryTrainFormer *former,
                          DescryRun         *run,
                          DescryTensor       soft,
                          DescryTensor       projected,
                          DescryTensor       x)
{
  descry_trained_forward (run, projected, x, &former->language);
  if (former->soft_norm)
    op_layer_norm (run, soft, projected, former->soft_weight, former->soft_bias, former->soft_epsilon);
  else
    op_copy (run, soft, projected);
}

void
descry_train_former_soft_backward (DescryTrainFormer *former,
                                   DescryRun         *run,
                                   DescryTensor       dx,
                                   DescryTensor       dsoft,
                                   DescryTensor       projected,
                                   DescryTensor       x,
                                   gboolean           add)
{
  DescryTensor dprojected = dsoft, none = { 0 };

  if (!descry_run_ok (run))
    return;
  if (former->soft_norm)
    {
      dprojected = descry_run_tensor2 (run, descry_tensor_rows (x), former->shape.llm_width);
      op_layer_norm_backward (run, dprojected, dsoft, projected, former->soft_weight, none, none, former->soft_epsilon, FALSE);
    }
  descry_trained_backward (run, dx, dprojected, x, &former->language, add);
  if (former->soft_norm)
    descry_run_release (run, &dprojected);
}

/* Rows at once: their scores stay small, and the frozen table's product is planned for one number of rows, or a few. */
#define WORD_ROWS 256
#define WORD_STEP 64

/* Buffers for all WORD_ROWS: the next rows take them again. */
static DescryTensor
word_rows (DescryRun *run,
           guint      rows,
           guint      cols)
{
  DescryTensor tensor = descry_run_tensor2 (run, WORD_ROWS, cols);

  return tensor.buffer != NULL ? descry_tensor_slice (tensor, 0, rows) : tensor;
}

/* @n rows of descry_train_former_words(), at most WORD_ROWS. */
static void
predict_words (DescryTrainFormer *former,
               DescryRun         *run,
               DescryTensor       x,
               const gint32      *targets,
               const float       *scales,
               float              smoothing,
               DescryTensor       dx,
               float             *losses)
{
  const guint n = descry_tensor_rows (x), m = (n + WORD_STEP - 1) / WORD_STEP * WORD_STEP, wide = former->shape.table_width, vocabulary = former->shape.vocabulary;
  g_autofree gint32 *padded_targets = g_new0 (gint32, m);
  g_autofree float *padded_scales = g_new0 (float, m);
  DescryTensor padded = word_rows (run, m, descry_tensor_cols (x)), up = word_rows (run, m, wide), act = word_rows (run, m, wide);
  DescryTensor normed = word_rows (run, m, wide), logits = word_rows (run, m, vocabulary), row_losses = word_rows (run, m, 1);
  DescryTensor weights = word_rows (run, m, 1), ids;
  guint i;

  for (i = 0; i < n; i++)
    if (targets[i] < 0 || (guint) targets[i] >= vocabulary)
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "mq-former: word %d to predict is outside the vocabulary of %u", targets[i], vocabulary);
  if (!descry_run_ok (run))
    return;
  memcpy (padded_targets, targets, n * sizeof (gint32));
  memcpy (padded_scales, scales, n * sizeof (float));
  ids = descry_trained_ids (run, padded_targets, m);
  descry_run_write (run, weights, padded_scales, m);
  op_fill (run, padded, 0.0f);
  op_copy (run, descry_tensor_slice (padded, 0, n), x);
  descry_trained_forward (run, up, padded, &former->dense);
  op_activate (run, act, up, DESCRY_ACT_GELU);
  op_layer_norm (run, normed, act, former->dense_norm.weight.value, former->dense_norm.bias.value, former->epsilon);
  if (former->words_elsewhere)
    descry_frozen_forward (run, logits, normed, former->frozen_head);
  else
    op_product (run, logits, normed, FALSE, former->table.value, TRUE, FALSE);
  op_add (run, logits, logits, former->word_bias.value, DESCRY_ACT_NONE);
  op_cross_entropy_smoothed (run, row_losses, logits, ids, weights, smoothing);
  descry_run_read (run, descry_tensor_slice (row_losses, 0, n), losses, n);

  if (dx.buffer != NULL && descry_run_ok (run))
    {
      DescryTensor dnormed = word_rows (run, m, wide), dpadded = word_rows (run, m, descry_tensor_cols (x));

      /* Padded rows weigh 0: their gradients are 0. */
      op_sum_rows (run, former->word_bias.gradient, logits);
      if (former->words_elsewhere)
        descry_frozen_backward (run, dnormed, logits, former->frozen_head);
      else
        {
          op_product (run, dnormed, logits, FALSE, former->table.value, FALSE, FALSE);
          op_product (run, former->table.gradient, logits, TRUE, normed, FALSE, TRUE);
        }
      op_layer_norm_backward (run, normed, dnormed, act, former->dense_norm.weight.value, former->dense_norm.weight.gradient, former->dense_norm.bias.gradient,
                              former->epsilon, FALSE);
      op_activate_backward (run, normed, normed, up, DESCRY_ACT_GELU);
      descry_trained_backward (run, dpadded, normed, padded, &former->dense, FALSE);
      op_add (run, dx, dx, descry_tensor_slice (dpadded, 0, n), DESCRY_ACT_NONE);
      descry_run_release (run, &dnormed);
      descry_run_release (run, &dpadded);
    }
  {
    DescryTensor *tensors[] = { &padded, &up, &act, &normed, &logits, &row_losses, &weights, &ids };

    for (i = 0; i < G_N_ELEMENTS (tensors); i++)
      descry_run_release (run, tensors[i]);
  }
}

void
descry_train_former_words (DescryTrainFormer *former,
                           DescryRun         *run,
                           DescryTensor       x,
                           const gint32      *targets,
                           const float       *scales,
                           float              smoothing,
                           DescryTensor       dx,
                           float             *losses)
{
  const guint all = descry_tensor_rows (x);
  guint first;

  for (first = 0; first < all && descry_run_ok (run); first += WORD_ROWS)
    {
      const guint n = MIN (WORD_ROWS, all - first);

      predict_words (former, run, descry_tensor_slice (x, first, n), targets + first, scales + first, smoothing,
                     dx.buffer != NULL ? descry_tensor_slice (dx, first, n) : dx, losses + first);
    }
}
