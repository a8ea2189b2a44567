/* train-lora.c - adapters of the language model on scene texts, and how well it answers with them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/train-session.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

#include "compute/lyrics/prompt.h"
#include "compute/models/llama.h"
#include "compute/train/llama-train.h"
#include "compute/train/scene-text.h"

#define WINDOW 16 /* examples that a step may choose from, in order, until its batch is full */
#define HELD_OUT 4 /* batches of validation examples */
#define ANSWER_TOKENS 96
#define CONTEXT 2048

static void
encode_prompt (DescryTrainSession       *session,
               const DescrySceneExample *example,
               GArray                   *ids)
{
  g_autoptr (GArray) messages = g_array_new (FALSE, FALSE, sizeof (DescryMessage));
  DescryMessage message = { DESCRY_ROLE_SYSTEM, descry_prompt_system (DESCRY_SCENE_TEXT_SHORT) };
  guint i;

  g_array_append_val (messages, message);
  for (i = 0; i < example->history->len; i++)
    {
      const DescryTurn *turn = g_ptr_array_index (example->history, i);

      message = (DescryMessage) { DESCRY_ROLE_USER, turn->prompt };
      g_array_append_val (messages, message);
      message = (DescryMessage) { DESCRY_ROLE_ASSISTANT, turn->answer };
      g_array_append_val (messages, message);
    }
  message = (DescryMessage) { DESCRY_ROLE_USER, example->prompt };
  g_array_append_val (messages, message);
  descry_chat_encode (session->format, session->tokenizer, (const DescryMessage *) messages->data, messages->len, ids, NULL);
}

GArray *
descry_train_scene_text (DescryTrainSession *session,
                         DescrySplit         split,
                         guint64             index,
                         guint              *first_target)
{
  g_autoptr (DescrySceneExample) example = descry_scene_example_new (split, (guint64) session->options->seed, index);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  gint32 end = descry_tokenizer_eos (session->tokenizer);

  encode_prompt (session, example, ids);
  *first_target = ids->len;
  descry_tokenizer_encode (session->tokenizer, example->answer, -1, FALSE, ids);
  g_array_append_val (ids, end);

  return ids;
}

/* Loss of the examples of window @window; as many as fit the batch. */
static gboolean
run_batch (DescryTrainSession *session,
           DescryTrainLlama   *model,
           DescrySplit         split,
           guint64             window,
           gboolean            gradients,
           double             *loss,
           guint              *tokens,
           GError            **error)
{
  DescryTrainExample examples[WINDOW];
  GArray *ids[WINDOW];
  gboolean ok;
  guint i, n;

  for (i = 0; i < WINDOW; i++)
    {
      ids[i] = descry_train_scene_text (session, split, window * WINDOW + i, &n);
      examples[i] = (DescryTrainExample) { (const gint32 *) ids[i]->data, ids[i]->len, n };
    }
  n = descry_train_llama_fit (model, examples, WINDOW);
  *tokens = 0;
  for (i = 0; i < n; i++)
    *tokens += examples[i].n;
  ok = descry_train_llama_loss (model, examples, n, gradients, session->cancellable, loss, error);
  for (i = 0; i < WINDOW; i++)
    g_array_unref (ids[i]);

  return ok;
}

static gboolean
held_out_loss (DescryTrainSession *session,
               DescryTrainLlama   *model,
               double             *loss,
               GError            **error)
{
  double sum = 0.0, one;
  guint i, tokens;

  for (i = 0; i < HELD_OUT; i++)
    {
      if (!run_batch (session, model, DESCRY_SPLIT_VALIDATION, i, FALSE, &one, &tokens, error))
        return FALSE;
      sum += one;
    }
  *loss = sum / HELD_OUT;
  return TRUE;
}

gboolean
descry_train_lora (DescryTrainSession *session,
                   GError            **error)
{
  static const char *const loss_name[] = { "loss" }, *const held_name[] = { "held_out" };
  DescryTrainOptions *options = session->options;
  DescryLoraConfig config = { .rank = (guint) options->rank, .alpha = (float) options->alpha, .rows = (guint) options->rows,
                              .answers = (guint) options->rows / 4, .seed = (guint64) options->seed,
                              .recompute = options->recompute };
  DescrySchedule schedule = { .rate = (float) options->rate, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = 0.0f, .clip = 1.0f,
                              .warm_up = 10, .steps = (guint) options->steps };
  g_autoptr (DescryTrainLlama) model = descry_train_llama_new (session->device, session->gguf, &config, error);
  g_autofree char *checkpoint = g_strconcat (options->output, ".checkpoint", NULL);
  g_autofree char *what = g_strdup_printf ("lora rank %d seed %d steps %d rate %g rows %d", options->rank, options->seed, options->steps, options->rate, options->rows);
  g_autofree char *card = NULL;
  DescryTrainProgress progress;
  DescryCheckpoint at = { 0 };
  DescryParameters *parameters;
  double loss, norm;
  gboolean ok = TRUE;
  guint step, tokens;

  if (model == NULL)
    return FALSE;
  parameters = descry_train_llama_parameters (model);
  if (options->resume && g_file_test (checkpoint, G_FILE_TEST_EXISTS) && !descry_checkpoint_load (&parameters, 1, &at, what, checkpoint, error))
    return FALSE;

  descry_train_progress_open (&progress, options, at.step);
  for (step = at.step + 1; ok && step <= (guint) options->steps; step++)
    {
      ok = run_batch (session, model, DESCRY_SPLIT_TRAIN, step, TRUE, &loss, &tokens, error) && descry_optimiser_step (parameters, &schedule, step, &norm, error);
      if (!ok)
        break;
      g_main_context_iteration (NULL, FALSE); /* lets the interrupt in */
      descry_train_progress_step (&progress, step, loss_name, &loss, 1, norm, descry_schedule_rate (&schedule, step), tokens);
      if (step % (guint) options->every == 0 || step == (guint) options->steps)
        {
          at.step = step;
          ok = held_out_loss (session, model, &at.best, error) && descry_checkpoint_save (&parameters, 1, &at, what, checkpoint, error)
               && descry_train_progress_held (&progress, step, held_name, &at.best, 1, error);
        }
    }
  descry_train_progress_close (&progress);
  if (!ok)
    return FALSE;

  card = g_strdup_printf ("Trained by Descry %s on synthetic scene texts: rank %d, alpha %g, %d steps of %d rows, seed %d, held-out loss %.4f", DESCRY_VERSION,
                          options->rank, options->alpha, options->steps, options->rows, options->seed, at.best);
  if (!descry_train_llama_save (model, options->output, card, error))
    return FALSE;
  g_unlink (checkpoint);
  g_printerr (_("Wrote %s\n"), options->output);
  return TRUE;
}

static gboolean
answer (DescryTrainSession  *session,
        DescryLlamaSession  *cache,
        DescrySceneExample  *example,
        GString             *text,
        GError             **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  guint64 seed = 0;
  guint i;

  g_string_truncate (text, 0);
  encode_prompt (session, example, ids);
  if (!descry_llama_prompt (cache, (const gint32 *) ids->data, ids->len, NULL, session->cancellable, NULL, NULL, error))
    return FALSE;
  for (i = 0; i < ANSWER_TOKENS; i++)
    {
      gint32 id = descry_llama_next (cache, 0.0f, &seed, session->cancellable, error);

      if (id < 0)
        return FALSE;
      if (descry_tokenizer_is_end (session->tokenizer, id))
        break;
      descry_tokenizer_decode (session->tokenizer, id, text);
    }
  return TRUE;
}

typedef struct
{
  guint right, all;
} Share;

static int
compare_kinds (gconstpointer a,
               gconstpointer b)
{
  return strcmp (a, b);
}

/* Test nouns and test wordings, greedy; one JSON line a kind and one for all. */
gboolean
descry_train_evaluate (DescryTrainSession *session,
                       GError            **error)
{
  DescryTrainOptions *options = session->options;
  g_autoptr (DescryGguf) adapter = NULL;
  g_autoptr (DescryLlama) model = NULL;
  g_autoptr (DescryLlamaSession) cache = NULL;
  g_autoptr (GHashTable) shares = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GList) kinds = NULL;
  guint right = 0, false_yes = 0, absent = 0, i;
  GList *l;

  if (options->adapter != NULL)
    {
      adapter = descry_gguf_open (options->adapter, error);
      if (adapter == NULL)
        return FALSE;
    }
  model = descry_llama_new_adapted (session->device, session->gguf, adapter, session->cancellable, NULL, NULL, error);
  cache = model != NULL ? descry_llama_session_new (model, CONTEXT, error) : NULL;
  if (cache == NULL)
    return FALSE;

  for (i = 0; i < (guint) options->evaluate; i++)
    {
      g_autoptr (DescrySceneExample) example = descry_scene_example_new (DESCRY_SPLIT_TEST, (guint64) options->seed, i);
      Share *share = g_hash_table_lookup (shares, example->kind);
      gboolean is_right;

      if (share == NULL)
        g_hash_table_insert (shares, (gpointer) example->kind, share = g_new0 (Share, 1));
      if (!answer (session, cache, example, text, error))
        return FALSE;
      is_right = descry_scene_answer_is (example, text->str);
      share->all++;
      share->right += is_right;
      right += is_right;
      if (strcmp (example->kind, "no") == 0)
        {
          absent++;
          false_yes += g_ascii_strncasecmp (text->str, "yes", 3) == 0;
        }
      if (!is_right && options->show_wrong)
        g_printerr ("[%s] %s\n  expected: %s\n  found:    %s\n", example->kind, example->prompt, example->answer, text->str);
    }

  kinds = g_list_sort (g_hash_table_get_keys (shares), compare_kinds);
  for (l = kinds; l != NULL; l = l->next)
    {
      const Share *share = g_hash_table_lookup (shares, l->data);

      g_print ("{\"descry\":1,\"kind\":\"%s\",\"right\":%u,\"all\":%u}\n", (const char *) l->data, share->right, share->all);
    }
  g_print ("{\"descry\":1,\"kind\":\"all\",\"right\":%u,\"all\":%d,\"false_yes\":%u,\"absent\":%u}\n", right, options->evaluate, false_yes, absent);

  return TRUE;
}
