/* command-train.c - `descry train`: the connector's two stages, adapters for the language model, and how well it answers
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/commands.h"
#include "app/train-session.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <string.h>

#include "compute/ops/provider.h"

static void
options_clear (DescryTrainOptions *options)
{
  char **const texts[] = { &options->stage, &options->data, &options->model, &options->output, &options->adapter, &options->device, &options->log, &options->plot,
                           &options->connector, &options->adapter_output, &options->losses, &options->words };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (texts); i++)
    g_clear_pointer (texts[i], g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DescryTrainOptions, options_clear)

/* Numbers that were not given, by stage. */
static void
set_defaults (DescryTrainOptions *options)
{
  const gboolean lora = g_strcmp0 (options->stage, "lora") == 0, second = g_strcmp0 (options->stage, "2") == 0;

  if (options->steps == 0)
    options->steps = lora ? 300 : second ? 400 : 600;
  if (options->rows == 0)
    options->rows = lora ? 640 : 1024;
  if (options->batch == 0)
    options->batch = second ? 2 : 32;
  if (options->rate == 0.0)
    options->rate = lora ? 8e-4 : 6e-4;
  if (options->connector_rate == 0.0)
    options->connector_rate = second ? 3e-4 : 1e-3;
  if (options->losses == NULL)
    options->losses = g_strdup (second ? "align:0.3" : "itc,itm,icg,msp,align");
}

static gboolean
stop_cb (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_CONTINUE;
}

static const char *
find_problem (const DescryTrainOptions *options)
{
  const gboolean lora = g_strcmp0 (options->stage, "lora") == 0, first = g_strcmp0 (options->stage, "1") == 0, second = g_strcmp0 (options->stage, "2") == 0;

  if (!lora && !first && !second)
    return _("--stage takes “1”, “2” or “lora”");
  if (lora && g_strcmp0 (options->data, "synthetic") != 0)
    return _("--data takes “synthetic” for this stage");
  if (!lora && options->data == NULL)
    return _("--data FILE.jsonl is needed: pictures that `descry pictures` made");
  if (options->model == NULL)
    return _("--model FILE.gguf is needed: the language model to adapt");
  if (options->evaluate == 0 && options->output == NULL)
    return _("-o FILE.gguf is needed: where the result goes");
  if (options->evaluate > 0 && !lora && options->connector == NULL)
    return _("--connector FILE.gguf is needed: what is evaluated");
  if (options->evaluate == 0 && second && (options->connector == NULL || options->adapter_output == NULL))
    return _("stage 2 needs --connector FILE.gguf, which stage 1 made, and --adapter-output FILE.gguf");
  if (options->plot != NULL && options->log == NULL)
    return _("--plot draws what --log FILE keeps: it is needed, too");
  if (options->steps < 1 || options->rank < 1 || options->rank > 256 || options->rows < 64 || options->every < 1 || options->evaluate < 0
      || !(options->rate > 0.0 && options->rate < 1.0) || !(options->alpha > 0.0))
    return _("a number is out of its range (steps ≥ 1, rank 1…256, rows ≥ 64, 0 < rate < 1, alpha > 0)");
  if (options->batch < 1 || options->batch > 64 || options->width < 32 || options->width > 1024 || options->width % 32 != 0 || options->layers < 1 || options->layers > 24
      || options->patience < 0 || !(options->connector_rate > 0.0 && options->connector_rate < 1.0) || !(options->text_share >= 0.0 && options->text_share < 1.0)
      || !(options->swap_share >= 0.0 && options->swap_share <= 1.0) || !(options->dropout >= 0.0 && options->dropout < 1.0))
    return _("a number is out of its range (batch 1…64, width a multiple of 32 up to 1024, layers 1…24, 0 < connector rate < 1, shares from 0 to below 1)");
  return NULL;
}

static gboolean
check_options (DescryTrainOptions *options,
               GError            **error)
{
  const char *problem;

  set_defaults (options);
  problem = find_problem (options);
  if (problem != NULL)
    g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, problem);

  return problem == NULL;
}

static gboolean
open_session (DescryTrainSession *session,
              GError            **error)
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

static gboolean
run_stage (DescryTrainSession *session,
           GError            **error)
{
  if (strcmp (session->options->stage, "lora") != 0)
    return descry_train_connector (session, error);
  return session->options->evaluate > 0 ? descry_train_evaluate (session, error) : descry_train_lora (session, error);
}

int
descry_command_train (int    argc,
                      char **argv)
{
  g_auto (DescryTrainOptions) options = { .rank = 8, .every = 50, .alpha = 16.0, .width = 128, .layers = 4, .text_share = 0.15, .swap_share = 0.5, .dropout = 0.2 };
  const GOptionEntry entries[] = {
    { "stage", 0, 0, G_OPTION_ARG_STRING, &options.stage, N_("What to train: 1 or 2, the connector's stages, or lora"), "STAGE" },
    { "data", 0, 0, G_OPTION_ARG_STRING, &options.data, N_("What to train on: synthetic (lora), or a set of pictures"), "DATA" },
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model, N_("The language model, a GGUF file"), "FILE" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, N_("Where the connector goes, or the adapters"), "FILE" },
    { "steps", 0, 0, G_OPTION_ARG_INT, &options.steps, N_("Steps of the optimiser (600, 400, 300)"), "N" },
    { "rows", 0, 0, G_OPTION_ARG_INT, &options.rows, N_("Tokens of a step (1024, 640)"), "N" },
    { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &options.rate, N_("Highest learning rate of the adapters (0.0006, 0.0008)"), "X" },
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
    { "adapter", 0, 0, G_OPTION_ARG_FILENAME, &options.adapter, N_("Adapters to start stage 2 from, or to evaluate with"), "FILE" },
    { "connector", 0, 0, G_OPTION_ARG_FILENAME, &options.connector, N_("The connector to start from, or in stage 1 the metadata of a new one; without it a compact one is made"), "FILE" },
    { "words", 0, 0, G_OPTION_ARG_FILENAME, &options.words, N_("BERT's vocab.txt, for a connector with words of its own whose file lacks them; kept in the output"), "FILE" },
    { "adapter-output", 0, 0, G_OPTION_ARG_FILENAME, &options.adapter_output, N_("Where stage 2's adapters go"), "FILE" },
    { "connector-rate", 0, 0, G_OPTION_ARG_DOUBLE, &options.connector_rate, N_("Highest learning rate of the connector (0.001, 0.0003)"), "X" },
    { "batch", 0, 0, G_OPTION_ARG_INT, &options.batch, N_("Pictures of a step (32, 2)"), "N" },
    { "losses", 0, 0, G_OPTION_ARG_STRING, &options.losses, N_("What counts: itc, itm, icg, msp, align, each with :WEIGHT if not 1"), "LIST" },
    { "width", 0, 0, G_OPTION_ARG_INT, &options.width, N_("Width of a new connector (128)"), "N" },
    { "layers", 0, 0, G_OPTION_ARG_INT, &options.layers, N_("Layers of a new connector (4)"), "N" },
    { "dropout", 0, 0, G_OPTION_ARG_DOUBLE, &options.dropout, N_("Share of the features that a step does not see (0.2)"), "X" },
    { "text-share", 0, 0, G_OPTION_ARG_DOUBLE, &options.text_share, N_("Share of stage 2 that is scene texts without soft tokens (0.15)"), "X" },
    { "swap-share", 0, 0, G_OPTION_ARG_DOUBLE, &options.swap_share, N_("Share of stage 2's questions that the text answers with another picture's soft tokens (0.5)"), "X" },
    { "instruct", 0, 0, G_OPTION_ARG_NONE, &options.instruct, N_("Stage 2: the connector reads the question as well"), NULL },
    { "freeze-connector", 0, 0, G_OPTION_ARG_NONE, &options.freeze_connector, N_("Stage 2: train the adapters alone"), NULL },
    { "freeze-adapters", 0, 0, G_OPTION_ARG_NONE, &options.freeze_adapter, N_("Stage 2: train the connector alone"), NULL },
    { "patience", 0, 0, G_OPTION_ARG_INT, &options.patience, N_("Keep the best, and stop after N evaluations that are no better"), "N" },
    { "show-wrong", 0, 0, G_OPTION_ARG_NONE, &options.show_wrong, N_("Print each wrong answer"), NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  DescryTrainSession session = { .options = &options };
  int status = DESCRY_EXIT_USAGE;

  g_option_context_set_summary (context, _("Trains the connector (stages 1 and 2) or adapters for the language model, or evaluates them."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (g_option_context_parse (context, &argc, &argv, &error) && check_options (&options, &error))
    {
      session.cancellable = g_cancellable_new ();
      g_unix_signal_add (SIGINT, stop_cb, session.cancellable);
      status = open_session (&session, &error) && run_stage (&session, &error) ? DESCRY_EXIT_DONE : DESCRY_EXIT_FAILED;
    }
  if (error != NULL)
    g_printerr ("descry train: %s\n", error->message);

  g_clear_pointer (&session.tokenizer, descry_tokenizer_free);
  g_clear_pointer (&session.gguf, descry_gguf_free);
  g_clear_pointer (&session.device, descry_device_free);
  g_clear_object (&session.cancellable);
  return status;
}
