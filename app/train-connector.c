/* train-connector.c - the connector's two stages
 *
 * Stage 1 teaches the MQ-Former alone (compute/train/stage1.h); stage 2 the former with the language model's adapters
 * (compute/train/stage2.h). Both read a set of pictures that `descry pictures` made: the frozen networks do not run again.
 * What a step reads depends on the seed and its number alone, so that a resumed training goes on as if it had not stopped.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/train-session.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "app/train-pictures.h"
#include "compute/lyrics/prompt.h"
#include "compute/train/stage2.h"

#define QUESTIONS 32 /* of a batch */
#define HELD_OUT 8 /* batches of the second stage */
#define INSTRUCTION_MOST 128 /* tokens */

typedef struct
{
  DescryTrainSession  *session;
  DescryTrainOptions  *options;
  DescryTrainPictures *pictures;
  DescryTrainFormer   *former;
  DescryTrainLlama    *llama; /* stage 2 */
  DescryStage1Config   config;
  DescrySchedule       schedule; /* the connector's; the adapters' has another rate and no decay */
  gboolean             second;
} Work;

/* Different for every step and picture, the same in every run. */
static GRand *
rand_of (Work    *work,
         guint64  index,
         guint    salt)
{
  const guint32 seeds[] = { (guint32) work->options->seed, (guint32) index, (guint32) (index >> 32), salt };

  return g_rand_new_with_seed_array (seeds, G_N_ELEMENTS (seeds));
}

/* "itc:1,align:0.5" -> weights; those that are not named are 0, a name without a number means 1. */
static gboolean
read_losses (const char *text,
             float       weights[DESCRY_STAGE1_LOSSES],
             GError    **error)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  guint i, k;

  for (k = 0; k < DESCRY_STAGE1_LOSSES; k++)
    weights[k] = 0.0f;
  for (i = 0; parts[i] != NULL; i++)
    {
      char *colon = strchr (parts[i], ':'), *end = NULL;
      double weight = colon != NULL ? g_ascii_strtod (colon + 1, &end) : 1.0;

      if (colon != NULL)
        *colon = '\0';
      for (k = 0; k < DESCRY_STAGE1_LOSSES && strcmp (parts[i], descry_stage1_name (k)) != 0; k++)
        ;
      if (k == DESCRY_STAGE1_LOSSES || !(weight >= 0.0 && weight <= 1000.0) || (end != NULL && *end != '\0'))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("--losses: expected itc, itm, icg, msp and align with a weight from 0 to 1000 each, as in “itc:1,align:0.5”, found “%s”"), parts[i]);
          return FALSE;
        }
      weights[k] = (float) weight;
    }
  return TRUE;
}

/* ---- stage 1 ---- */

static gboolean
stage1_batch (Work        *work,
              DescrySplit  split,
              guint64      first,
              guint        n,
              gboolean     gradients,
              double       losses[DESCRY_STAGE1_LOSSES],
              guint       *tokens,
              GError     **error)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_picture_example_free);
  g_autofree DescryStage1Example *examples = g_new0 (DescryStage1Example, n);
  GRand *rand = rand_of (work, first, 1);
  gboolean ok = TRUE;
  guint i;

  *tokens = 0;
  for (i = 0; i < n && ok; i++)
    {
      GRand *own = rand_of (work, first + i, 2);
      DescryPictureExample *example = descry_train_pictures_example (work->pictures, split, first + i, own, gradients ? (float) work->options->dropout : 0.0f, error);

      g_rand_free (own);
      ok = example != NULL;
      if (ok)
        {
          g_ptr_array_add (kept, example);
          examples[i] = example->example;
          *tokens += example->text->len + descry_train_former_queries (work->former, example->example.picture.n_local);
        }
    }
  ok = ok && descry_stage1_loss (work->former, &work->config, examples, n, rand, NULL, gradients, work->session->cancellable, losses, error);
  g_rand_free (rand);

  return ok;
}

static gboolean
stage1_held_out (Work    *work,
                 double  *values,
                 GError **error)
{
  const guint batch = (guint) work->options->batch, n = descry_train_pictures_count (work->pictures, DESCRY_SPLIT_VALIDATION), n_batches = MAX (n / batch, 1);
  double losses[DESCRY_STAGE1_LOSSES], shares[DESCRY_WORD_KINDS];
  guint i, k, tokens;

  for (k = 0; k < 1 + DESCRY_WORD_KINDS; k++)
    values[k] = 0.0;
  for (i = 0; i < n_batches; i++)
    {
      if (!stage1_batch (work, DESCRY_SPLIT_VALIDATION, (guint64) i * batch, MIN (batch, n), FALSE, losses, &tokens, error))
        return FALSE;
      for (k = 0; k < DESCRY_STAGE1_LOSSES; k++)
        values[0] += work->config.weights[k] * losses[k] / n_batches;
    }
  if (!descry_train_pictures_judge (work->pictures, DESCRY_SPLIT_VALIDATION, work->session->cancellable, shares, NULL, error))
    return FALSE;
  for (k = 0; k < DESCRY_WORD_KINDS; k++)
    values[1 + k] = shares[k];
  return TRUE;
}

/* ---- stage 2 ---- */

/* One batch of the second stage while it is put together; owns what its examples point to. */
typedef struct
{
  GPtrArray          *kept; /* DescryPictureExample */
  GPtrArray          *ids; /* GArray */
  DescryFormerPicture *pictures;
  DescryStage2Sequence sequences[QUESTIONS + 64];
  DescryStage2Example  examples[QUESTIONS];
  guint               n_sequences, n_examples, rows, answers;
} Batch;

static void
batch_clear (Batch *batch)
{
  g_clear_pointer (&batch->kept, g_ptr_array_unref);
  g_clear_pointer (&batch->ids, g_ptr_array_unref);
  g_clear_pointer (&batch->pictures, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Batch, batch_clear)

/* FALSE: no room. */
static gboolean
add_example (Work   *work,
             Batch  *batch,
             GArray *ids, /* taken */
             guint   first_target,
             guint   soft_at,
             guint   soft,
             int     sequence,
             double  share)
{
  guint rows = ids->len + soft, answers = ids->len - first_target;

  if (batch->n_examples == QUESTIONS || batch->rows + rows > (guint) (work->options->rows * share) || batch->answers + answers > (guint) work->options->rows / 4)
    {
      g_array_unref (ids);
      return FALSE;
    }
  g_ptr_array_add (batch->ids, ids);
  batch->examples[batch->n_examples++] = (DescryStage2Example) { (const gint32 *) ids->data, ids->len, first_target, soft_at, sequence };
  batch->rows += rows;
  batch->answers += answers;
  return TRUE;
}

/* What the former reads with --instruct. */
static DescryFormerText
instruction (Work       *work,
             Batch      *batch,
             const char *question)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  descry_picture_texts_instruct (descry_train_pictures_texts (work->pictures), question, INSTRUCTION_MOST, ids);
  g_ptr_array_add (batch->ids, ids);
  return (DescryFormerText) { .ids = (const gint32 *) ids->data, .n = ids->len };
}

static GArray *
question_ids (Work                        *work,
              const DescryPictureQuestion *question,
              guint                       *first_target,
              guint                       *soft_at)
{
  const DescryMessage messages[] = { { DESCRY_ROLE_SYSTEM, descry_prompt_system (DESCRY_SCENE_TEXT_SHORT) }, { DESCRY_ROLE_USER, question->prompt } };
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  gint32 end = descry_tokenizer_eos (work->session->tokenizer);

  descry_chat_encode (work->session->format, work->session->tokenizer, messages, 2, ids, soft_at);
  *first_target = ids->len;
  descry_tokenizer_encode (work->session->tokenizer, question->answer, -1, FALSE, ids);
  g_array_append_val (ids, end);
  return ids;
}

/* @picture, number @index, among the batch's. */
static gboolean
add_picture (Work          *work,
             Batch         *batch,
             DescryPicture *picture,
             guint64        index,
             gboolean       gradients,
             GError       **error)
{
  g_autoptr (GRand) rand = rand_of (work, index, 3);
  DescryPictureExample *example = descry_picture_example_new (descry_train_pictures_texts (work->pictures), picture, rand, gradients ? (float) work->options->dropout : 0.0f, error);

  if (example == NULL)
    return FALSE;
  batch->pictures[batch->kept->len] = example->example.picture;
  g_ptr_array_add (batch->kept, example);
  return TRUE;
}

/* Once more, with what @question points at first. */
static gboolean
add_pointed (Work                        *work,
             Batch                       *batch,
             DescrySplit                  split,
             guint64                      index,
             const DescryPictureQuestion *question,
             gboolean                     gradients,
             GError                     **error)
{
  g_autoptr (DescryPicture) picture = descry_train_pictures_get (work->pictures, split, index, error);

  if (picture == NULL)
    return FALSE;
  descry_picture_point (picture, question->pointed, question->n_pointed);
  return add_picture (work, batch, picture, index, gradients, error);
}

static guint
add_sequence (Batch           *batch,
              guint            picture,
              DescryFormerText instruction)
{
  const DescryPictureExample *example = g_ptr_array_index (batch->kept, picture);

  batch->sequences[batch->n_sequences] = (DescryStage2Sequence) { .picture = picture, .align = example->example.align, .instruction = instruction };
  return batch->n_sequences++;
}

/* Questions of picture @place of @n, which is @picture, in a drawn order, until its share of the rows is full. What the text
 * answers is asked with the soft tokens of another picture, now and then: where both speak of the same thing, the text is right. */
static gboolean
add_questions (Work                *work,
               Batch               *batch,
               const DescryPicture *picture,
               DescrySplit          split,
               guint64              first,
               guint                place,
               gboolean             gradients,
               GError             **error)
{
  const guint n_pictures = (guint) work->options->batch, n = picture->questions->len;
  const double share = (1.0 - work->options->text_share) * (place + 1) / n_pictures;
  const DescryFormerText none = { 0 };
  g_autofree guint *order = g_new (guint, MAX (n, 1));
  g_autoptr (GRand) rand = rand_of (work, first + place, 4);
  guint i, first_target, soft_at;

  for (i = 0; i < n; i++)
    {
      guint j = (guint) g_rand_int_range (rand, 0, (gint32) i + 1);

      order[i] = order[j];
      order[j] = i;
    }
  for (i = 0; i < n; i++)
    {
      const DescryPictureQuestion *question = g_ptr_array_index (picture->questions, order[i]);
      gboolean swapped = g_rand_double (rand) < work->options->swap_share && !question->from_picture && n_pictures > 1;
      gboolean pointed = !swapped && question->n_pointed > 0;
      guint seen = swapped ? (place + 1) % n_pictures : place, sequence = seen;
      GArray *ids = question_ids (work, question, &first_target, &soft_at);

      if (pointed || work->options->instruct)
        sequence = batch->n_sequences;
      if (!add_example (work, batch, ids, first_target, soft_at, descry_train_former_queries (work->former, batch->pictures[seen].n_local), (int) sequence, share))
        break;
      if (pointed && !add_pointed (work, batch, split, first + place, question, gradients, error))
        return FALSE;
      if (sequence == batch->n_sequences)
        add_sequence (batch, pointed ? batch->kept->len - 1 : seen, work->options->instruct ? instruction (work, batch, question->question) : none);
    }
  return TRUE;
}

/* Pictures @first ... of @split, each with its share of the rows, then scene texts alone: talk about a picture must go on
 * without the connector, too. */
static gboolean
stage2_batch (Work               *work,
              DescrySplit         split,
              guint64             first,
              gboolean            gradients,
              DescryStage2Losses *losses,
              guint              *tokens,
              GError            **error)
{
  const guint n = (guint) work->options->batch;
  const DescryFormerText none = { 0 };
  g_auto (Batch) batch = { .kept = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_picture_example_free),
                           .ids = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref), .pictures = g_new0 (DescryFormerPicture, n + QUESTIONS) };
  g_autoptr (GPtrArray) pictures = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_picture_free);
  guint i, first_target;

  /* Every picture has a sequence as it is; the questions add those that they need. */
  for (i = 0; i < n; i++)
    {
      DescryPicture *picture = descry_train_pictures_get (work->pictures, split, first + i, error);

      if (picture == NULL)
        return FALSE;
      g_ptr_array_add (pictures, picture);
      if (!add_picture (work, &batch, picture, first + i, gradients, error))
        return FALSE;
      add_sequence (&batch, i, none);
    }
  for (i = 0; i < n; i++)
    if (!add_questions (work, &batch, g_ptr_array_index (pictures, i), split, first, i, gradients, error))
      return FALSE;
  for (i = 0; work->options->text_share > 0.0; i++)
    {
      GArray *ids = descry_train_scene_text (work->session, split, first * QUESTIONS + i, &first_target);

      if (!add_example (work, &batch, ids, first_target, 0, 0, -1, 1.0))
        break;
    }
  if (batch.n_examples == 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("No question fits into %d tokens (--rows)"), work->options->rows);
      return FALSE;
    }

  *tokens = batch.rows;
  return descry_stage2_loss (work->former, work->llama, &work->config, batch.pictures, batch.kept->len, batch.sequences, batch.n_sequences, batch.examples, batch.n_examples, gradients,
                             work->session->cancellable, losses, error);
}

static gboolean
stage2_held_out (Work    *work,
                 double  *values,
                 GError **error)
{
  const guint n = (guint) work->options->batch;
  DescryStage2Losses losses;
  guint i, tokens;

  values[0] = values[1] = 0.0;
  for (i = 0; i < HELD_OUT; i++)
    {
      if (!stage2_batch (work, DESCRY_SPLIT_VALIDATION, (guint64) i * n, FALSE, &losses, &tokens, error))
        return FALSE;
      values[0] += losses.answer / HELD_OUT;
      values[1] += losses.align / HELD_OUT;
    }
  return TRUE;
}

/* ---- both ---- */

static gboolean
save (Work    *work,
      guint    step,
      double   held,
      GError **error)
{
  const DescryTrainOptions *options = work->options;
  g_autofree char *card = g_strdup_printf ("Trained by Descry %s, stage %s: %u steps of %d pictures, seed %d, losses %s, held-out loss %.4f", DESCRY_VERSION, options->stage,
                                           step, options->batch, options->seed, options->losses, held);

  return descry_train_former_save (work->former, options->output, work->second, !work->second, card, !work->second, error)
         && (!work->second || descry_train_llama_save (work->llama, options->adapter_output, card, error));
}

static gboolean
take_step (Work     *work,
           guint     step,
           double   *losses,
           double   *norm,
           guint    *tokens,
           GError  **error)
{
  const DescryTrainOptions *options = work->options;
  const guint64 first = (guint64) (step - 1) * (guint) options->batch;
  DescrySchedule schedule = work->schedule, adapters = work->schedule;
  DescryParameters *parameters = descry_train_former_parameters (work->former);
  DescryStage2Losses both;
  double other = 0.0;

  if (!work->second)
    return stage1_batch (work, DESCRY_SPLIT_TRAIN, first, (guint) options->batch, TRUE, losses, tokens, error) && descry_optimiser_step (parameters, &schedule, step, norm, error);

  /* A frozen side gets the rate 0: its gradients go, its numbers stay. */
  adapters.rate = (float) options->rate;
  adapters.decay = 0.0f;
  if (options->freeze_adapter)
    adapters.rate = 0.0f;
  if (options->freeze_connector)
    schedule.rate = 0.0f;
  if (!stage2_batch (work, DESCRY_SPLIT_TRAIN, first, TRUE, &both, tokens, error) || !descry_optimiser_step (parameters, &schedule, step, norm, error)
      || !descry_optimiser_step (descry_train_llama_parameters (work->llama), &adapters, step, &other, error))
    return FALSE;

  losses[0] = both.answer;
  losses[1] = both.align;
  *norm = hypot (*norm, other);
  return TRUE;
}

static gboolean
run (Work    *work,
     GError **error)
{
  DescryTrainOptions *options = work->options;
  const char *stage1_names[DESCRY_STAGE1_LOSSES], *held_names[1 + DESCRY_WORD_KINDS] = { "held_out" };
  static const char *const stage2_names[] = { "answer", "align" }, *const held2_names[] = { "held_out", "held_out align" };
  DescryParameters *sets[] = { descry_train_former_parameters (work->former), work->second ? descry_train_llama_parameters (work->llama) : NULL };
  g_autofree char *checkpoint = g_strconcat (options->output, ".checkpoint", NULL);
  g_autofree char *what = g_strdup_printf ("stage %s seed %d steps %d rates %g %g batch %d rows %d rank %d losses %s dropout %g texts %g swapped %g%s", options->stage, options->seed,
                                           options->steps, options->connector_rate, options->rate, options->batch, options->rows, options->rank, options->losses, options->dropout,
                                           options->text_share, options->swap_share, options->instruct ? " instructed" : "");
  const guint n_sets = work->second ? 2 : 1, n_losses = work->second ? 2 : DESCRY_STAGE1_LOSSES, n_held = work->second ? 2 : 1 + DESCRY_WORD_KINDS;
  double losses[DESCRY_STAGE1_LOSSES], held[1 + DESCRY_WORD_KINDS] = { 0.0 }, norm;
  DescryTrainProgress progress;
  DescryCheckpoint at = { 0 };
  gboolean ok = TRUE, saved = FALSE, judged = FALSE;
  guint step, k, tokens, waited = 0;

  for (k = 0; k < DESCRY_STAGE1_LOSSES; k++)
    stage1_names[k] = descry_stage1_name (k);
  for (k = 0; k < DESCRY_WORD_KINDS; k++)
    held_names[1 + k] = descry_word_kind_name (k);
  if (options->resume && g_file_test (checkpoint, G_FILE_TEST_EXISTS) && !descry_checkpoint_load (sets, n_sets, &at, what, checkpoint, error))
    return FALSE;

  descry_train_progress_open (&progress, options, at.step);
  saved = options->patience > 0 && at.best > 0.0;
  for (step = at.step + 1; ok && step <= (guint) options->steps; step++)
    {
      ok = take_step (work, step, losses, &norm, &tokens, error);
      if (!ok)
        break;
      g_main_context_iteration (NULL, FALSE); /* lets the interrupt in */
      descry_train_progress_step (&progress, step, work->second ? stage2_names : stage1_names, losses, n_losses, norm, descry_schedule_rate (&work->schedule, step), tokens);
      if (step % (guint) options->every != 0 && step != (guint) options->steps)
        continue;

      judged = ok = work->second ? stage2_held_out (work, held, error) : stage1_held_out (work, held, error);
      if (ok)
        {
          gboolean better = at.best <= 0.0 || held[0] < at.best;

          at.step = step;
          if (better)
            at.best = held[0];
          waited = better ? 0 : waited + 1;
          if (options->patience > 0 && better)
            saved = ok = save (work, step, held[0], error);
        }
      ok = ok && descry_checkpoint_save (sets, n_sets, &at, what, checkpoint, error)
           && descry_train_progress_held (&progress, step, work->second ? held2_names : held_names, held, n_held, error);
      if (ok && options->patience > 0 && waited >= (guint) options->patience)
        {
          g_printerr (_("No better for %u evaluations: stopped after step %u\n"), waited, step);
          break;
        }
    }
  descry_train_progress_close (&progress);
  /* Killed between the last checkpoint and the output: the output tells its held-out loss all the same. */
  if (ok && !saved && at.step >= (guint) options->steps && !judged)
    ok = work->second ? stage2_held_out (work, held, error) : stage1_held_out (work, held, error);
  if (ok && !saved)
    ok = save (work, (guint) options->steps, held[0], error);
  if (!ok)
    return FALSE;

  g_unlink (checkpoint);
  g_printerr (_("Wrote %s\n"), options->output);
  return TRUE;
}

/* The share of words that the connector's queries find on the test pictures. */
static gboolean
evaluate (Work    *work,
          GError **error)
{
  double shares[DESCRY_WORD_KINDS];
  guint counts[DESCRY_WORD_KINDS], k;

  if (!descry_train_pictures_judge (work->pictures, DESCRY_SPLIT_TEST, work->session->cancellable, shares, counts, error))
    return FALSE;
  for (k = 0; k < DESCRY_WORD_KINDS; k++)
    g_print ("{\"descry\":1,\"word\":\"%s\",\"right\":%.0f,\"all\":%u}\n", descry_word_kind_name (k), shares[k] * counts[k], counts[k]);
  return TRUE;
}

static gboolean
open_llama (Work    *work,
            GError **error)
{
  const DescryTrainOptions *options = work->options;
  const DescryLoraConfig config = { .rank = (guint) options->rank, .alpha = (float) options->alpha, .rows = (guint) options->rows,
                                    .answers = (guint) options->rows / 4, .seed = (guint64) options->seed, .recompute = options->recompute };
  g_autoptr (DescryGguf) adapter = NULL;

  work->llama = descry_train_llama_new (work->session->device, work->session->gguf, &config, error);
  if (work->llama == NULL || options->adapter == NULL)
    return work->llama != NULL;

  adapter = descry_gguf_open (options->adapter, error);
  return adapter != NULL && descry_train_llama_load (work->llama, adapter, error);
}

gboolean
descry_train_connector (DescryTrainSession *session,
                        GError            **error)
{
  DescryTrainOptions *options = session->options;
  Work work = { .session = session, .options = options, .second = strcmp (options->stage, "2") == 0, .config = { .smoothing = 0.1f, .align_temperature = 0.06f },
                .schedule = { .rate = (float) options->connector_rate, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = 0.05f, .clip = 1.0f,
                              .warm_up = MAX ((guint) options->steps / 20, 1), .steps = (guint) options->steps } };
  gboolean ok = read_losses (options->losses, work.config.weights, error);

  if (ok)
    work.pictures = descry_train_pictures_new (session, error);
  ok = work.pictures != NULL;
  if (ok)
    {
      work.former = descry_train_pictures_former (work.pictures);
      ok = descry_train_pictures_words (work.pictures, &work.config.words, &work.config.centre, error);
    }
  if (ok && options->evaluate > 0)
    ok = evaluate (&work, error);
  else if (ok)
    ok = (!work.second || open_llama (&work, error)) && run (&work, error);

  descry_tensor_free (session->device, &work.config.words);
  descry_tensor_free (session->device, &work.config.centre);
  g_clear_pointer (&work.llama, descry_train_llama_free);
  g_clear_pointer (&work.pictures, descry_train_pictures_free);
  return ok;
}
