/* stage2.c - the second stage: former, projection, language model, and back
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/stage2.h"

#include <string.h>

/* Rows of the pass that are soft tokens, sequence by sequence, visual queries first. @firsts [n]: where each begins. */
static GArray *
soft_rows (DescryFormerPass *pass,
           guint             n,
           guint            *firsts)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (gint32));
  guint i, q;

  for (i = 0; i < n; i++)
    {
      const DescryFormerPlace *place = descry_former_pass_place (pass, i);

      firsts[i] = rows->len;
      for (q = 0; q < descry_former_place_queries (place); q++)
        {
          gint32 row = (gint32) descry_former_place_row (place, q);

          g_array_append_val (rows, row);
        }
    }
  return rows;
}

/* The examples with places for their soft tokens. @ids gets what they point to. */
static DescryTrainExample *
open_places (const DescryStage2Example *examples,
             guint                      n,
             const guint               *firsts,
             const guint               *counts,
             gint32                   **ids)
{
  DescryTrainExample *opened = g_new0 (DescryTrainExample, n);
  gsize total = 0, at = 0;
  guint i, s;

  for (i = 0; i < n; i++)
    total += examples[i].n + (examples[i].sequence >= 0 ? counts[examples[i].sequence] : 0);
  *ids = g_new0 (gint32, MAX (total, 1));
  for (i = 0; i < n; i++)
    {
      const DescryStage2Example *from = &examples[i];
      gint32 *own = *ids + at;

      s = from->sequence >= 0 ? counts[from->sequence] : 0;
      memcpy (own, from->ids, from->soft_at * sizeof (gint32));
      memcpy (own + from->soft_at + s, from->ids + from->soft_at, (from->n - from->soft_at) * sizeof (gint32));
      opened[i] = (DescryTrainExample) { .ids = own, .n = from->n + s, .first_target = from->first_target + s, .soft_at = from->soft_at, .n_soft = s,
                                         .soft_first = from->sequence >= 0 ? firsts[from->sequence] : 0 };
      at += opened[i].n;
    }
  return opened;
}

gboolean
descry_stage2_loss (DescryTrainFormer          *former,
                    DescryTrainLlama           *llama,
                    const DescryStage1Config   *config,
                    const DescryFormerPicture  *pictures,
                    guint                       n_pictures,
                    const DescryStage2Sequence *sequences,
                    guint                       n_sequences,
                    const DescryStage2Example  *examples,
                    guint                       n_examples,
                    gboolean                    gradients,
                    GCancellable               *cancellable,
                    DescryStage2Losses         *losses,
                    GError                    **error)
{
  const DescryTrainFormerShape *shape = descry_train_former_shape (former);
  g_autoptr (DescryRun) run = descry_run_new (descry_train_former_parameters (former)->device, cancellable);
  g_autofree DescryFormerSequence *wanted = g_new0 (DescryFormerSequence, MAX (n_sequences, 1));
  g_autofree const gint32 **aligns = g_new0 (const gint32 *, MAX (n_sequences, 1));
  g_autofree guint *firsts = g_new0 (guint, n_sequences + 1), *counts = g_new0 (guint, n_sequences + 1);
  g_autofree gint32 *ids = NULL;
  g_autofree DescryTrainExample *opened = NULL;
  g_autoptr (GArray) rows = NULL;
  DescryFormerPass *pass;
  DescryTensor index, x, projected, soft, dsoft = { 0 }, dx = { 0 }, dpicked = { 0 };
  gboolean ok;
  guint i, n;

  memset (losses, 0, sizeof *losses);
  for (i = 0; i < n_sequences; i++)
    {
      wanted[i].picture = (int) sequences[i].picture;
      aligns[i] = sequences[i].align;
      if (sequences[i].instruction.n > 0)
        {
          wanted[i].texts[0] = sequences[i].instruction;
          wanted[i].texts[0].kind = DESCRY_TEXT_JOINT;
          wanted[i].n_texts = 1;
        }
    }

  pass = descry_former_pass_new (former, run, pictures, n_pictures, wanted, n_sequences);
  if (!descry_run_ok (run))
    {
      descry_former_pass_free (pass);
      return descry_run_finish (run, error);
    }
  rows = soft_rows (pass, n_sequences, firsts);
  n = rows->len;
  for (i = 0; i < n_sequences; i++)
    counts[i] = (i + 1 < n_sequences ? firsts[i + 1] : n) - firsts[i];
  opened = open_places (examples, n_examples, firsts, counts, &ids);

  index = descry_run_tensor (run, DESCRY_I32, 1, &n);
  descry_run_write (run, index, rows->data, n);
  x = descry_run_tensor2 (run, n, shape->width);
  projected = descry_run_tensor2 (run, n, shape->llm_width);
  soft = descry_run_tensor2 (run, n, shape->llm_width);
  op_gather_rows (run, x, descry_former_pass_output (pass), index);
  descry_train_former_soft (former, run, soft, projected, x);
  if (gradients)
    {
      dsoft = descry_run_tensor2 (run, n, shape->llm_width);
      op_fill (run, dsoft, 0.0f);
    }

  /* The language model has a run of its own; the queue is in order. */
  ok = descry_run_ok (run)
       && descry_train_llama_loss_soft (llama, opened, n_examples, soft, dsoft, gradients, cancellable, &losses->answer, error);
  if (ok && gradients)
    {
      dx = descry_run_tensor2 (run, descry_former_pass_rows (pass), shape->width);
      dpicked = descry_run_tensor2 (run, n, shape->width);
      op_fill (run, dx, 0.0f);
      descry_train_former_soft_backward (former, run, dpicked, dsoft, projected, x, FALSE);
      op_scatter_rows (run, dx, dpicked, index);
    }
  if (ok)
    losses->align = descry_stage1_align (former, run, config, pass, aligns, n_sequences, dx);
  if (ok && gradients)
    descry_former_pass_backward (pass, dx);
  descry_former_pass_free (pass);
  if (!ok && error != NULL && *error != NULL)
    return FALSE;

  return descry_run_finish (run, error);
}
