/* stage1.c - the losses of the first stage
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/stage1.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/ops/norm.h"

#define FLOOR 1e-4 /* added to every weight of a draw */
#define LOWEST 0.001
#define HIGHEST 0.5 /* of the temperature */
#define LENGTH_EPSILON 1e-12f
#define PART 16 /* pictures whose texts go through at once */

/* One call of descry_stage1_loss(). */
typedef struct
{
  DescryTrainFormer         *former;
  DescryRun                 *run;
  const DescryStage1Config  *config;
  const DescryStage1Example *examples;
  guint                      n;
  gboolean                   gradients;
  double                    *losses;
  DescryFormerLooked        *looked;
  DescryFormerPass          *pass; /* queries; then texts alone */
  DescryTensor               dx; /* [rows, width] of its output */
  guint                      texts_first; /* sequence of the first text alone */
  double                    *scores; /* [n pictures, n texts], over the temperature */
} Step;

const char *
descry_stage1_name (DescryStage1Loss loss)
{
  static const char *const names[] = { "itc", "itm", "icg", "msp", "align" };

  return names[loss];
}

gboolean
descry_stage1_words (DescryDevice *device,
                     const float  *values,
                     guint         n,
                     guint         width,
                     DescryTensor *words,
                     GError      **error)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  float *unit = descry_try_alloc ((gsize) n * width, sizeof (float));
  const guint shape[] = { n, width };
  gboolean ok;
  guint i, c;

  if (unit == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for the directions of %u words", n);
      return FALSE;
    }
  for (i = 0; i < n; i++)
    {
      const float *row = values + (gsize) i * width;
      double squares = 0.0;

      for (c = 0; c < width; c++)
        squares += (double) row[c] * row[c];
      for (c = 0; c < width; c++)
        unit[(gsize) i * width + c] = (float) (row[c] / sqrt (MAX (squares, 1e-30)));
    }
  ok = descry_tensor_alloc (device, words, DESCRY_F32, 2, shape, error);
  if (ok)
    {
      descry_run_write (run, *words, unit, (gsize) n * width);
      ok = descry_run_finish (run, error);
    }
  descry_free (unit);
  return ok;
}

guint
descry_stage1_draw (const double *scores,
                    guint         n,
                    guint         own,
                    GRand        *rand)
{
  double most = -G_MAXDOUBLE, total = 0.0, sum = 0.0, at;
  guint i, last = own;

  for (i = 0; i < n; i++)
    most = MAX (most, scores[i]);
  for (i = 0; i < n; i++)
    total += exp (scores[i] - most);
  for (i = 0; i < n; i++)
    if (i != own)
      sum += exp (scores[i] - most) / total + FLOOR;
  at = g_rand_double (rand) * sum;
  for (i = 0; i < n; i++)
    if (i != own)
      {
        last = i;
        at -= exp (scores[i] - most) / total + FLOOR;
        if (at < 0.0)
          break;
      }
  return last;
}

/* Rows of length 1: an RMS norm with weight 1 / sqrt (columns). */
static DescryTensor
unit_weight (DescryRun *run,
             guint      columns)
{
  DescryTensor weight = descry_run_tensor2 (run, 1, columns);

  op_fill (run, weight, 1.0f / sqrtf ((float) columns));
  return weight;
}

static DescryTensor
rows_at (DescryRun    *run,
         DescryTensor  x,
         const gint32 *index,
         guint         n,
         DescryTensor *ids)
{
  DescryTensor rows = descry_run_tensor2 (run, n, descry_tensor_cols (x));

  *ids = descry_run_tensor (run, DESCRY_I32, 1, &n);
  descry_run_write (run, *ids, index, n);
  op_gather_rows (run, rows, x, *ids);
  return rows;
}

/* -(1 - e) log p[own] - e mean log p of @n scores @stride apart; @slope[i] += scale * its derivative. */
static double
smoothed (const double *scores,
          double       *slope,
          guint         n,
          guint         stride,
          guint         own,
          double        smoothing,
          double        scale)
{
  double most = -G_MAXDOUBLE, total = 0.0, mean = 0.0;
  guint i;

  for (i = 0; i < n; i++)
    most = MAX (most, scores[i * stride]);
  for (i = 0; i < n; i++)
    {
      total += exp (scores[i * stride] - most);
      mean += (scores[i * stride] - most) / n;
    }
  for (i = 0; i < n; i++)
    slope[i * stride] += scale * (exp (scores[i * stride] - most) / total - (i == own ? 1.0 - smoothing : 0.0) - smoothing / n);

  return log (total) - (1.0 - smoothing) * (scores[own * stride] - most) - smoothing * mean;
}

/* The best query of picture @i for text @j among the rows of @sims [query rows, n]. */
static guint
best_query (const DescryFormerPlace *place,
            const float             *sims,
            guint                    n,
            guint                    j)
{
  guint best = place->visual, q, row;

  for (q = 1; q < descry_former_place_queries (place); q++)
    {
      row = descry_former_place_row (place, q);
      if (sims[(gsize) row * n + j] > sims[(gsize) best * n + j])
        best = row;
    }
  return best;
}

/* Scores of all pairs, for the draw too; the contrast's loss and its gradients. */
static void
contrast (Step *step)
{
  const guint columns = descry_train_former_shape (step->former)->contrast_width, n = step->n, rows = descry_former_pass_query_rows (step->pass);
  const double weight = step->config->weights[DESCRY_STAGE1_CONTRAST];
  DescryRun *run = step->run;
  DescryTensor x = descry_former_pass_output (step->pass), queries = descry_tensor_slice (x, 0, rows), texts, ids, unit = unit_weight (run, columns), none = { 0 };
  DescryTensor a = descry_run_tensor2 (run, rows, columns), u = descry_run_tensor2 (run, rows, columns), b = descry_run_tensor2 (run, n, columns);
  DescryTensor t = descry_run_tensor2 (run, n, columns), sims = descry_run_tensor2 (run, rows, n), temperature = { 0 }, dtemperature = { 0 };
  g_autofree gint32 *first = g_new (gint32, n);
  g_autofree float *values = g_new0 (float, (gsize) rows * n);
  g_autofree double *slope = g_new0 (double, (gsize) n * n);
  float tau = 1.0f, dtau = 0.0f;
  double held;
  guint i, j;

  descry_train_former_find (step->former, "stage1.temperature", &temperature, &dtemperature, NULL);
  for (i = 0; i < n; i++)
    first[i] = (gint32) descry_former_pass_place (step->pass, step->texts_first + i)->text[0];
  texts = rows_at (run, x, first, n, &ids);
  descry_train_former_linear (step->former, run, "stage1.visual_projection", a, queries);
  descry_train_former_linear (step->former, run, "stage1.text_projection", b, texts);
  op_rms_norm (run, u, a, unit, LENGTH_EPSILON);
  op_rms_norm (run, t, b, unit, LENGTH_EPSILON);
  op_product (run, sims, u, FALSE, t, TRUE, FALSE);
  descry_run_read (run, sims, values, (gsize) rows * n);
  descry_run_read (run, temperature, &tau, 1);
  descry_run_read (run, dtemperature, &dtau, 1);
  if (!descry_run_ok (run))
    return;

  held = CLAMP (tau, LOWEST, HIGHEST);
  for (i = 0; i < n; i++)
    for (j = 0; j < n; j++)
      step->scores[i * n + j] = values[(gsize) best_query (descry_former_pass_place (step->pass, i), values, n, j) * n + j] / held;
  if (weight > 0.0)
    for (i = 0; i < n; i++)
      step->losses[DESCRY_STAGE1_CONTRAST] += (smoothed (step->scores + i * n, slope + i * n, n, 1, i, step->config->smoothing, 0.5 / n)
                                               + smoothed (step->scores + i, slope + i, n, n, i, step->config->smoothing, 0.5 / n)) * 0.5 / n;
  if (weight > 0.0 && step->gradients)
    {
      DescryTensor du = descry_run_tensor2 (run, rows, columns), dt = descry_run_tensor2 (run, n, columns), dtexts = descry_run_tensor2 (run, n, descry_tensor_cols (x));
      g_autofree float *dsims = g_new0 (float, (gsize) rows * n);

      for (i = 0; i < n; i++)
        for (j = 0; j < n; j++)
          {
            guint best = best_query (descry_former_pass_place (step->pass, i), values, n, j);

            dsims[(gsize) best * n + j] += (float) (weight * slope[i * n + j] / held);
            if (held == tau)
              dtau -= (float) (weight * slope[i * n + j] * step->scores[i * n + j] / held);
          }
      descry_run_write (run, sims, dsims, (gsize) rows * n);
      descry_run_write (run, dtemperature, &dtau, 1);
      op_product (run, du, sims, FALSE, t, FALSE, FALSE);
      op_product (run, dt, sims, TRUE, u, FALSE, FALSE);
      op_rms_norm_backward (run, u, du, a, unit, none, LENGTH_EPSILON, FALSE);
      op_rms_norm_backward (run, t, dt, b, unit, none, LENGTH_EPSILON, FALSE);
      descry_train_former_linear_backward (step->former, run, "stage1.visual_projection", descry_tensor_slice (step->dx, 0, rows), u, queries, TRUE);
      descry_train_former_linear_backward (step->former, run, "stage1.text_projection", dtexts, t, texts, FALSE);
      op_scatter_rows (run, step->dx, dtexts, ids);
      descry_run_release (run, &du);
      descry_run_release (run, &dt);
      descry_run_release (run, &dtexts);
    }
  {
    DescryTensor *tensors[] = { &a, &u, &b, &t, &sims, &unit, &texts, &ids };

    for (i = 0; i < G_N_ELEMENTS (tensors); i++)
      descry_run_release (run, tensors[i]);
  }
}

/* Rows that a batch predicts a word from. */
static guint
count_targets (const DescryFormerText *text,
               const gint32           *wanted)
{
  guint n = 0, r;

  for (r = 0; r < text->n; r++)
    n += wanted[r] >= 0;
  return n;
}

/* Adds the rows of text @k of a sequence that have a target, each with @scale. */
static void
add_targets (GArray                  *rows,
             GArray                  *targets,
             GArray                  *scales,
             const DescryFormerPlace *place,
             guint                    k,
             const DescryFormerText  *text,
             const gint32            *wanted,
             float                    scale)
{
  guint r;

  for (r = 0; r < text->n; r++)
    if (wanted[r] >= 0)
      {
        gint32 row = (gint32) (place->text[k] + r);

        g_array_append_val (rows, row);
        g_array_append_val (targets, wanted[r]);
        g_array_append_val (scales, scale);
      }
}

/* Caption and hidden words of pictures @first ... @first + @n - 1: queries with both texts, neither of which they see. @all: rows of
 * the batch that predict a word, of both losses. */
static void
predict_some (Step        *step,
              guint        first,
              guint        n,
              const guint  all[2])
{
  static const DescryStage1Loss losses[] = { DESCRY_STAGE1_CAPTION, DESCRY_STAGE1_MASKED };
  static const DescryTextKind kinds[] = { DESCRY_TEXT_CAUSAL, DESCRY_TEXT_BLIND };
  g_autofree DescryFormerSequence *sequences = g_new0 (DescryFormerSequence, n);
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (gint32)), targets = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (GArray) scales = g_array_new (FALSE, FALSE, sizeof (float));
  g_autofree float *found = NULL;
  guint counts[2] = { 0, 0 }, i, k, r;
  DescryFormerPass *pass;
  DescryTensor x, ids, dx = { 0 }, whole;

  for (i = 0; i < n; i++)
    {
      const DescryStage1Example *example = &step->examples[first + i];

      sequences[i].picture = (int) (first + i);
      for (k = 0; k < 2; k++)
        if (step->config->weights[losses[k]] > 0.0f)
          {
            sequences[i].texts[sequences[i].n_texts] = k == 0 ? example->caption : example->masked;
            sequences[i].texts[sequences[i].n_texts++].kind = kinds[k];
          }
    }
  pass = descry_former_pass_over (step->former, step->looked, sequences, n);
  for (k = 0; k < 2 && descry_run_ok (step->run); k++)
    for (i = 0; i < n && step->config->weights[losses[k]] > 0.0f; i++)
      {
        const DescryStage1Example *example = &step->examples[first + i];
        const guint text = k == 0 ? 0 : sequences[i].n_texts - 1, before = rows->len;

        add_targets (rows, targets, scales, descry_former_pass_place (pass, i), text, &sequences[i].texts[text], k == 0 ? example->caption_targets : example->masked_targets,
                     step->config->weights[losses[k]] / (float) MAX (all[k], 1));
        counts[k] += rows->len - before;
      }
  if (rows->len > 0 && descry_run_ok (step->run))
    {
      found = g_new0 (float, rows->len);
      x = rows_at (step->run, descry_former_pass_output (pass), (const gint32 *) rows->data, rows->len, &ids);
      if (step->gradients)
        {
          dx = descry_run_tensor2 (step->run, rows->len, descry_tensor_cols (x));
          op_fill (step->run, dx, 0.0f);
        }
      descry_train_former_words (step->former, step->run, x, (const gint32 *) targets->data, (const float *) scales->data, step->config->smoothing, dx, found);
      for (r = 0; r < rows->len; r++)
        {
          k = r >= counts[0];
          step->losses[losses[k]] += found[r] / all[k];
        }
      if (step->gradients)
        {
          whole = descry_former_pass_gradient (pass);
          op_scatter_rows (step->run, whole, dx, ids);
          descry_former_pass_backward (pass, whole);
          descry_run_release (step->run, &whole);
        }
      descry_run_release (step->run, &dx);
      descry_run_release (step->run, &x);
      descry_run_release (step->run, &ids);
    }
  descry_former_pass_free (pass);
}

/* Mean losses over the whole batch, a part of it at a time: what a part keeps for its way back is less, and stays in the caches. */
static void
predict (Step *step)
{
  guint all[2] = { 0, 0 }, first;

  if (step->config->weights[DESCRY_STAGE1_CAPTION] <= 0.0f && step->config->weights[DESCRY_STAGE1_MASKED] <= 0.0f)
    return;
  for (first = 0; first < step->n; first++)
    {
      const DescryStage1Example *example = &step->examples[first];

      if (step->config->weights[DESCRY_STAGE1_CAPTION] > 0.0f)
        all[0] += count_targets (&example->caption, example->caption_targets);
      if (step->config->weights[DESCRY_STAGE1_MASKED] > 0.0f)
        all[1] += count_targets (&example->masked, example->masked_targets);
    }
  for (first = 0; first < step->n && all[0] + all[1] > 0; first += PART)
    predict_some (step, first, MIN (PART, step->n - first), all);
}

double
descry_stage1_align (DescryTrainFormer        *former,
                     DescryRun                *run,
                     const DescryStage1Config *config,
                     DescryFormerPass         *pass,
                     const gint32 *const      *aligns,
                     guint                     n_sequences,
                     DescryTensor              whole)
{
  const guint width = descry_train_former_shape (former)->llm_width, n_words = config->words.buffer != NULL ? descry_tensor_rows (config->words) : 0;
  const double weight = config->weights[DESCRY_STAGE1_ALIGN];
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (gint32)), targets = g_array_new (FALSE, FALSE, sizeof (gint32));
  DescryTensor x, ids, projected, soft, unit, u, logits, losses, wanted, scales, none = { 0 };
  g_autofree float *values = NULL;
  double loss = 0.0;
  guint i, q, n;

  if (weight <= 0.0 || !descry_run_ok (run))
    return 0.0;
  for (i = 0; i < n_sequences; i++)
    {
      const DescryFormerPlace *place = descry_former_pass_place (pass, i);

      for (q = 0; aligns[i] != NULL && q < descry_former_place_queries (place); q++)
        {
          gint32 row = (gint32) descry_former_place_row (place, q), word = aligns[i][q];

          if (word >= (gint32) n_words)
            {
              descry_run_fail (run, DESCRY_ERROR_SHAPE, "align: word %d of %u", word, n_words);
              return 0.0;
            }
          if (word >= 0)
            {
              g_array_append_val (rows, row);
              g_array_append_val (targets, word);
            }
        }
    }
  n = rows->len;
  if (n == 0)
    return 0.0;

  values = g_new0 (float, n);
  x = rows_at (run, descry_former_pass_output (pass), (const gint32 *) rows->data, n, &ids);
  projected = descry_run_tensor2 (run, n, width);
  soft = descry_run_tensor2 (run, n, width);
  u = descry_run_tensor2 (run, n, width);
  unit = unit_weight (run, width);
  logits = descry_run_tensor2 (run, n, n_words);
  losses = descry_run_tensor2 (run, n, 1);
  scales = descry_run_tensor2 (run, n, 1);
  wanted = descry_run_tensor (run, DESCRY_I32, 1, &n);
  descry_run_write (run, wanted, targets->data, n);
  op_fill (run, scales, (float) (weight / n));
  descry_train_former_soft (former, run, soft, projected, x);
  {
    DescryTensor minus = descry_run_tensor2 (run, 1, width);

    op_scale (run, minus, config->centre, -1.0f);
    op_add (run, soft, soft, minus, DESCRY_ACT_NONE);
    descry_run_release (run, &minus);
  }
  op_rms_norm (run, u, soft, unit, LENGTH_EPSILON);
  op_product (run, logits, u, FALSE, config->words, TRUE, FALSE);
  op_scale (run, logits, logits, 1.0f / config->align_temperature);
  op_cross_entropy (run, losses, logits, wanted, scales);
  descry_run_read (run, losses, values, n);
  for (i = 0; i < n; i++)
    loss += values[i] / n;
  if (whole.buffer != NULL && descry_run_ok (run))
    {
      DescryTensor du = descry_run_tensor2 (run, n, width), dx = descry_run_tensor2 (run, n, descry_tensor_cols (x));

      op_scale (run, logits, logits, 1.0f / config->align_temperature);
      op_product (run, du, logits, FALSE, config->words, FALSE, FALSE);
      op_rms_norm_backward (run, u, du, soft, unit, none, LENGTH_EPSILON, FALSE);
      descry_train_former_soft_backward (former, run, dx, u, projected, x, FALSE);
      op_scatter_rows (run, whole, dx, ids);
      descry_run_release (run, &du);
      descry_run_release (run, &dx);
    }
  {
    DescryTensor *tensors[] = { &x, &ids, &projected, &soft, &u, &unit, &logits, &losses, &scales, &wanted };

    for (i = 0; i < G_N_ELEMENTS (tensors); i++)
      descry_run_release (run, tensors[i]);
  }
  return loss;
}

/* Do picture and text of these sequences belong together? The loss is over @all of the batch. */
static void
match_some (Step                       *step,
            const DescryFormerSequence *sequences,
            guint                       n,
            gboolean                    together,
            guint                       all)
{
  const double weight = step->config->weights[DESCRY_STAGE1_MATCH];
  DescryFormerPass *pass = descry_former_pass_over (step->former, step->looked, sequences, n);
  const guint rows = descry_former_pass_query_rows (pass);
  g_autofree float *logits = NULL;
  DescryTensor queries, out, dx;
  guint i, q;

  if (descry_run_ok (step->run) && rows > 0)
    {
      logits = g_new0 (float, (gsize) rows * 2);
      queries = descry_tensor_slice (descry_former_pass_output (pass), 0, rows);
      out = descry_run_tensor2 (step->run, rows, 2);
      descry_train_former_linear (step->former, step->run, "stage1.match", out, queries);
      descry_run_read (step->run, out, logits, (gsize) rows * 2);
      for (i = 0; i < n; i++)
        {
          const DescryFormerPlace *place = descry_former_pass_place (pass, i);
          guint count = descry_former_place_queries (place), c;
          double mean[2] = { 0.0, 0.0 }, slope[2] = { 0.0, 0.0 };

          for (q = 0; q < count; q++)
            for (c = 0; c < 2; c++)
              mean[c] += logits[2 * descry_former_place_row (place, q) + c] / count;
          step->losses[DESCRY_STAGE1_MATCH] += smoothed (mean, slope, 2, 1, together, 0.0, weight / all) / all;
          for (q = 0; q < count; q++)
            for (c = 0; c < 2; c++)
              logits[2 * descry_former_place_row (place, q) + c] = (float) (slope[c] / count);
        }
      if (step->gradients)
        {
          descry_run_write (step->run, out, logits, (gsize) rows * 2);
          dx = descry_former_pass_gradient (pass);
          descry_train_former_linear_backward (step->former, step->run, "stage1.match", descry_tensor_slice (dx, 0, rows), out, queries, FALSE);
          descry_former_pass_backward (pass, dx);
          descry_run_release (step->run, &dx);
        }
      descry_run_release (step->run, &out);
    }
  descry_former_pass_free (pass);
}

/* (picture, text), (other picture, text), (picture, other text) of every pair: one kind after another. */
static void
match (Step         *step,
       GRand        *rand,
       const guint (*negatives)[2])
{
  const guint n = step->n;
  g_autofree DescryFormerSequence *sequences = g_new0 (DescryFormerSequence, 3 * n);
  g_autofree double *column = g_new (double, n);
  guint i, j;

  if (step->config->weights[DESCRY_STAGE1_MATCH] <= 0.0f || !descry_run_ok (step->run))
    return;
  for (i = 0; i < n; i++)
    {
      guint picture, text;

      for (j = 0; j < n; j++)
        column[j] = step->scores[j * n + i];
      picture = negatives != NULL ? negatives[i][0] : descry_stage1_draw (column, n, i, rand);
      text = negatives != NULL ? negatives[i][1] : descry_stage1_draw (step->scores + i * n, n, i, rand);
      sequences[i] = (DescryFormerSequence) { .picture = i, .n_texts = 1, .texts = { step->examples[i].text } };
      sequences[n + i] = (DescryFormerSequence) { .picture = picture, .n_texts = 1, .texts = { step->examples[i].text } };
      sequences[2 * n + i] = (DescryFormerSequence) { .picture = i, .n_texts = 1, .texts = { step->examples[text].text } };
    }
  for (i = 0; i < 3 * n; i++)
    sequences[i].texts[0].kind = DESCRY_TEXT_JOINT;
  for (i = 0; i < 3; i++)
    match_some (step, sequences + i * n, n, i == 0, 3 * n);
}

gboolean
descry_stage1_loss (DescryTrainFormer         *former,
                    const DescryStage1Config  *config,
                    const DescryStage1Example *examples,
                    guint                      n,
                    GRand                     *rand,
                    const guint              (*negatives)[2],
                    gboolean                   gradients,
                    GCancellable              *cancellable,
                    double                     losses[DESCRY_STAGE1_LOSSES],
                    GError                   **error)
{
  const float *weights = config->weights;
  g_autoptr (DescryRun) run = descry_run_new (descry_train_former_parameters (former)->device, cancellable);
  g_autofree DescryFormerSequence *sequences = g_new0 (DescryFormerSequence, 2 * n);
  g_autofree DescryFormerPicture *pictures = g_new (DescryFormerPicture, n);
  g_autofree double *scores = g_new0 (double, (gsize) n * n);
  g_autofree const gint32 **aligns = g_new0 (const gint32 *, n);
  Step step = { .former = former, .run = run, .config = config, .examples = examples, .n = n, .gradients = gradients, .losses = losses, .scores = scores, .texts_first = n };
  gboolean pairs = n > 1 && (weights[DESCRY_STAGE1_CONTRAST] > 0.0f || weights[DESCRY_STAGE1_MATCH] > 0.0f);
  guint i;

  g_return_val_if_fail (n > 0 && (rand != NULL || negatives != NULL), FALSE);

  memset (losses, 0, DESCRY_STAGE1_LOSSES * sizeof (double));
  for (i = 0; i < n; i++)
    {
      pictures[i] = examples[i].picture;
      aligns[i] = examples[i].align;
      sequences[i].picture = (int) i;
      sequences[n + i] = (DescryFormerSequence) { .picture = -1, .n_texts = 1, .texts = { examples[i].text } };
      sequences[n + i].texts[0].kind = DESCRY_TEXT_JOINT;
    }

  step.looked = descry_former_looked_new (former, run, pictures, n);
  if (pairs || weights[DESCRY_STAGE1_ALIGN] > 0.0f)
    step.pass = descry_former_pass_over (former, step.looked, sequences, pairs ? 2 * n : n);
  if (step.pass != NULL && descry_run_ok (run))
    {
      if (gradients)
        step.dx = descry_former_pass_gradient (step.pass);
      if (pairs)
        contrast (&step);
      losses[DESCRY_STAGE1_ALIGN] = descry_stage1_align (former, run, config, step.pass, aligns, n, step.dx);
      if (gradients)
        descry_former_pass_backward (step.pass, step.dx);
      descry_run_release (run, &step.dx);
    }
  g_clear_pointer (&step.pass, descry_former_pass_free);
  predict (&step);
  if (pairs)
    match (&step, rand, negatives);
  if (gradients)
    descry_former_looked_backward (step.looked);
  descry_former_looked_free (step.looked);

  return descry_run_finish (run, error);
}
