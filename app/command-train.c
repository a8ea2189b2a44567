/* command-train.c - `descry train`: adapters for the language model, and how well it answers
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/commands.h"
#include "app/loss-picture.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "compute/lyrics/prompt.h"
#include "compute/models/llama.h"
#include "compute/ops/provider.h"
#include "compute/text/chat-template.h"
#include "compute/train/llama-train.h"
#include "compute/train/optimiser.h"
#include "compute/train/scene-text.h"

#define WINDOW 16 /* examples that a step may choose from, in order, until its batch is full */
#define HELD_OUT 4 /* batches of validation examples */
#define ANSWER_TOKENS 96
#define CONTEXT 2048

typedef struct
{
  char    *stage, *data, *model, *output, *adapter, *device, *log, *plot;
  int      steps, rank, rows, seed, every, evaluate;
  double   rate, alpha;
  gboolean resume, exact, recompute, show_wrong;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->stage);
  g_free (options->data);
  g_free (options->model);
  g_free (options->output);
  g_free (options->adapter);
  g_free (options->device);
  g_free (options->log);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

typedef struct
{
  Options          *options;
  DescryDevice     *device;
  DescryGguf       *gguf;
  DescryTokenizer  *tokenizer;
  DescryChatFormat  format;
  GCancellable     *cancellable;
} Session;

/* One example as ids; owned. */
typedef struct
{
  GArray *ids; /* gint32 */
  guint   first_target;
} Encoded;

static void
encode_prompt (Session                  *session,
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

static Encoded
encode_example (Session                  *session,
                const DescrySceneExample *example)
{
  Encoded encoded = { g_array_new (FALSE, FALSE, sizeof (gint32)), 0 };
  gint32 end = descry_tokenizer_eos (session->tokenizer);

  encode_prompt (session, example, encoded.ids);
  encoded.first_target = encoded.ids->len;
  descry_tokenizer_encode (session->tokenizer, example->answer, -1, FALSE, encoded.ids);
  g_array_append_val (encoded.ids, end);

  return encoded;
}

/* Loss of the examples of window @window; as many as fit the batch. */
static gboolean
run_batch (Session          *session,
           DescryTrainLlama *model,
           DescrySplit       split,
           guint64           window,
           gboolean          gradients,
           double           *loss,
           guint            *tokens,
           GError          **error)
{
  DescryTrainExample examples[WINDOW];
  Encoded encoded[WINDOW];
  gboolean ok;
  guint i, n;

  for (i = 0; i < WINDOW; i++)
    {
      g_autoptr (DescrySceneExample) example = descry_scene_example_new (split, (guint64) session->options->seed, window * WINDOW + i);

      encoded[i] = encode_example (session, example);
      examples[i] = (DescryTrainExample) { (const gint32 *) encoded[i].ids->data, encoded[i].ids->len, encoded[i].first_target };
    }
  n = descry_train_llama_fit (model, examples, WINDOW);
  *tokens = 0;
  for (i = 0; i < n; i++)
    *tokens += examples[i].n;
  ok = descry_train_llama_loss (model, examples, n, gradients, session->cancellable, loss, error);
  for (i = 0; i < WINDOW; i++)
    g_array_unref (encoded[i].ids);

  return ok;
}

static gboolean
held_out_loss (Session          *session,
               DescryTrainLlama *model,
               double           *loss,
               GError          **error)
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

static void
write_log (FILE       *log,
           guint       step,
           const char *name,
           double      loss,
           double      norm,
           double      rate)
{
  json_t *line;
  char *text;

  if (log == NULL)
    return;
  line = json_pack ("{s:i, s:f}", "step", (int) step, name, loss);
  if (norm > 0.0)
    {
      json_object_set_new (line, "norm", json_real (norm));
      json_object_set_new (line, "rate", json_real (rate));
    }
  text = json_dumps (line, JSON_COMPACT | JSON_REAL_PRECISION (6));
  fprintf (log, "%s\n", text);
  fflush (log);
  free (text);
  json_decref (line);
}

static gboolean
stop_cb (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_CONTINUE;
}

static gboolean
train (Session  *session,
       GError  **error)
{
  Options *options = session->options;
  DescryLoraConfig config = { .rank = (guint) options->rank, .alpha = (float) options->alpha, .rows = (guint) options->rows,
                              .answers = (guint) options->rows / 4, .seed = (guint64) options->seed,
                              .recompute = options->recompute };
  DescrySchedule schedule = { .rate = (float) options->rate, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = 0.0f, .clip = 1.0f,
                              .warm_up = 10, .steps = (guint) options->steps };
  g_autoptr (DescryTrainLlama) model = descry_train_llama_new (session->device, session->gguf, &config, error);
  g_autofree char *checkpoint = g_strconcat (options->output, ".checkpoint", NULL);
  g_autofree char *what = g_strdup_printf ("lora rank %d seed %d steps %d rate %g rows %d", options->rank, options->seed, options->steps, options->rate, options->rows);
  g_autofree char *card = NULL;
  FILE *log = NULL;
  gboolean terminal = isatty (STDERR_FILENO);
  gint64 start = g_get_monotonic_time ();
  guint64 total = 0;
  double loss, norm, held = 0.0;
  guint step = 0, first, tokens;
  gboolean ok = TRUE;

  if (model == NULL)
    return FALSE;
  if (options->resume && g_file_test (checkpoint, G_FILE_TEST_EXISTS))
    {
      if (!descry_checkpoint_load (descry_train_llama_parameters (model), &step, what, checkpoint, error))
        return FALSE;
      g_printerr (_("Resumed after step %u\n"), step);
    }
  if (options->log != NULL)
    log = g_fopen (options->log, step > 0 ? "a" : "w");

  for (first = step++; ok && step <= (guint) options->steps; step++)
    {
      ok = run_batch (session, model, DESCRY_SPLIT_TRAIN, step, TRUE, &loss, &tokens, error)
           && descry_optimiser_step (descry_train_llama_parameters (model), &schedule, step, &norm, error);
      if (!ok)
        break;
      total += tokens;
      g_main_context_iteration (NULL, FALSE); /* lets the interrupt in */
      write_log (log, step, "loss", loss, norm, descry_schedule_rate (&schedule, step));
      {
        double seconds = (double) (g_get_monotonic_time () - start) / 1e6;

        if (terminal || step % 10 == 0)
          g_printerr (_("%sstep %u/%d  loss %.4f  norm %.2f  %.0f tokens/s  %.0f s left%s"), terminal ? "\r" : "", step, options->steps, loss, norm, total / seconds,
                      seconds / (step - first) * (options->steps - step), terminal ? "   " : "\n");
      }
      if (step % (guint) options->every == 0 || step == (guint) options->steps)
        {
          ok = held_out_loss (session, model, &held, error)
               && descry_checkpoint_save (descry_train_llama_parameters (model), step, what, checkpoint, error);
          if (ok)
            {
              write_log (log, step, "held_out", held, 0.0, 0.0);
              ok = options->plot == NULL || descry_loss_picture (options->log, options->plot, error);
              g_printerr (_("%sstep %u: held-out loss %.4f\n"), terminal ? "\n" : "", step, held);
            }
        }
    }
  if (log != NULL)
    fclose (log);
  if (!ok)
    return FALSE;

  card = g_strdup_printf ("Trained by Descry %s on synthetic scene texts: rank %d, alpha %g, %d steps of %d rows, seed %d, held-out loss %.4f", DESCRY_VERSION,
                          options->rank, options->alpha, options->steps, options->rows, options->seed, held);
  if (!descry_train_llama_save (model, options->output, card, error))
    return FALSE;
  g_unlink (checkpoint);
  g_printerr (_("Wrote %s\n"), options->output);
  return TRUE;
}

static gboolean
answer (Session             *session,
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
static gboolean
evaluate (Session  *session,
          GError  **error)
{
  Options *options = session->options;
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

static gboolean
check_options (Options  *options,
               GError  **error)
{
  const char *problem = NULL;

  if (g_strcmp0 (options->stage, "lora") != 0)
    problem = _("--stage takes “lora”");
  else if (g_strcmp0 (options->data, "synthetic") != 0)
    problem = _("--data takes “synthetic”");
  else if (options->model == NULL)
    problem = _("--model FILE.gguf is needed: the language model to adapt");
  else if (options->evaluate == 0 && options->output == NULL)
    problem = _("-o FILE.gguf is needed: where the adapters go");
  else if (options->plot != NULL && options->log == NULL)
    problem = _("--plot draws what --log FILE keeps: it is needed, too");
  else if (options->steps < 1 || options->rank < 1 || options->rank > 256 || options->rows < 64 || options->every < 1 || options->evaluate < 0
           || !(options->rate > 0.0 && options->rate < 1.0) || !(options->alpha > 0.0))
    problem = _("a number is out of its range (steps ≥ 1, rank 1…256, rows ≥ 64, 0 < rate < 1, alpha > 0)");
  if (problem != NULL)
    g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, problem);

  return problem == NULL;
}

static gboolean
open_session (Session  *session,
              GError  **error)
{
  session->gguf = descry_gguf_open (session->options->model, error);
  session->tokenizer = session->gguf != NULL ? descry_tokenizer_new (session->gguf, error) : NULL;
  if (session->tokenizer == NULL)
    return FALSE;
  session->format = descry_chat_format (session->gguf, session->tokenizer);
  session->device = descry_device_open (session->options->device, DESCRY_FAMILY_AUTO, error);
  if (session->device == NULL)
    return FALSE;
  descry_ops_set_fast (session->device, !session->options->exact);

  return TRUE;
}

int
descry_command_train (int    argc,
                      char **argv)
{
  g_auto (Options) options = { .steps = 300, .rank = 8, .rows = 640, .every = 50, .rate = 8e-4, .alpha = 16.0 };
  const GOptionEntry entries[] = {
    { "stage", 0, 0, G_OPTION_ARG_STRING, &options.stage, N_("What to train: lora"), "STAGE" },
    { "data", 0, 0, G_OPTION_ARG_STRING, &options.data, N_("What to train on: synthetic"), "DATA" },
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model, N_("The language model, a GGUF file"), "FILE" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, N_("Where the adapters go"), "FILE" },
    { "steps", 0, 0, G_OPTION_ARG_INT, &options.steps, N_("Steps of the optimiser (300)"), "N" },
    { "rows", 0, 0, G_OPTION_ARG_INT, &options.rows, N_("Tokens of a step (640)"), "N" },
    { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &options.rate, N_("Highest learning rate (0.0008)"), "X" },
    { "rank", 0, 0, G_OPTION_ARG_INT, &options.rank, N_("Rank of the adapters (8)"), "N" },
    { "alpha", 0, 0, G_OPTION_ARG_DOUBLE, &options.alpha, N_("Their scale times the rank (16)"), "X" },
    { "seed", 0, 0, G_OPTION_ARG_INT, &options.seed, N_("Seed of data and adapters (0)"), "N" },
    { "every", 0, 0, G_OPTION_ARG_INT, &options.every, N_("Steps between checkpoints and held-out scores (50)"), "N" },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &options.resume, N_("Go on from the checkpoint beside the output"), NULL },
    { "log", 0, 0, G_OPTION_ARG_FILENAME, &options.log, N_("Losses as lines of JSON"), "FILE" },
    { "plot", 0, 0, G_OPTION_ARG_FILENAME, &options.plot, N_("Curves of the log as a PNG picture"), "FILE" },
    { "exact", 0, 0, G_OPTION_ARG_NONE, &options.exact, N_("Multiply in f32 everywhere"), NULL },
    { "recompute", 0, 0, G_OPTION_ARG_NONE, &options.recompute, N_("Keep less, compute layers twice: less memory, a third more time"), NULL },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, N_("OpenCL device: index or part of its name"), "DEVICE" },
    { "evaluate", 0, 0, G_OPTION_ARG_INT, &options.evaluate, N_("Train nothing; answer N test questions and print the shares"), "N" },
    { "adapter", 0, 0, G_OPTION_ARG_FILENAME, &options.adapter, N_("Adapters to evaluate with"), "FILE" },
    { "show-wrong", 0, 0, G_OPTION_ARG_NONE, &options.show_wrong, N_("Print each wrong answer"), NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Session session = { .options = &options };
  int status = DESCRY_EXIT_USAGE;

  g_option_context_set_summary (context, _("Trains adapters for the language model on synthetic scene texts, or evaluates them."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (g_option_context_parse (context, &argc, &argv, &error) && check_options (&options, &error))
    {
      session.cancellable = g_cancellable_new ();
      g_unix_signal_add (SIGINT, stop_cb, session.cancellable);
      status = open_session (&session, &error) && (options.evaluate > 0 ? evaluate (&session, &error) : train (&session, &error)) ? DESCRY_EXIT_DONE : DESCRY_EXIT_FAILED;
    }
  if (error != NULL)
    g_printerr ("descry train: %s\n", error->message);

  g_clear_pointer (&session.tokenizer, descry_tokenizer_free);
  g_clear_pointer (&session.gguf, descry_gguf_free);
  g_clear_pointer (&session.device, descry_device_free);
  g_clear_object (&session.cancellable);
  return status;
}
