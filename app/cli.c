/* cli.c - what the sub-commands share: an engine to wait for, progress, messages
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/cli.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>
#include <glib/gi18n.h>

#include "app/commands.h"

struct _DescryCli
{
  DescryEngine *engine;
  GMainLoop    *loop;
  GCancellable *cancellable; /* of the running job */
  gboolean      cancelled;
  gboolean      progress; /* stderr is a terminal */
  gboolean      shown; /* a line of progress stands there */
  gboolean      stream;
  guint         interrupt; /* source */
  GAsyncResult *result;

  DescryScene *scene; /* the newest snapshot */
  gboolean     without_masks; /* the analysis is done when only masks are left */
};

static void
clear_progress (DescryCli *cli)
{
  if (cli->shown)
    fputs ("\r\033[K", stderr);
  cli->shown = FALSE;
}

static const char *
stage_title (const char *stage)
{
  static const struct { const char *stage, *title; } titles[] = {
    { "device", N_("Opening the device") },
    { "kernels", N_("Preparing the device") },
    { "load", N_("Loading") },
    { "tagger", N_("Looking at the picture") },
    { "detector", N_("Finding objects") },
    { "segmenter", N_("Outlining objects") },
    { "encoder", N_("Encoding the picture") },
    { "connector", N_("Encoding the objects") },
    { "prompt", N_("Reading the question") },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (titles); i++)
    if (strcmp (stage, titles[i].stage) == 0)
      return _(titles[i].title);

  return NULL;
}

static void
stage_cb (DescryEngine *engine,
          const char   *stage,
          double        fraction,
          const char   *detail,
          GCancellable *job,
          gpointer      data)
{
  DescryCli *cli = data;
  const char *title = stage_title (stage);

  /* Names are known once single masks are made. */
  if (cli->without_masks && cli->scene != NULL && strcmp (stage, "segmenter") == 0 && fraction < 0.0)
    g_main_loop_quit (cli->loop);

  if (!cli->progress)
    return;
  clear_progress (cli);
  if (title == NULL)
    return;
  fprintf (stderr, "%s%s%s…", title, detail != NULL ? ": " : "", detail != NULL ? detail : "");
  fflush (stderr);
  cli->shown = TRUE;
}

static void
scene_cb (DescryEngine *engine,
          gpointer      scene,
          GCancellable *job,
          gpointer      data)
{
  DescryCli *cli = data;

  g_clear_pointer (&cli->scene, descry_scene_unref);
  cli->scene = descry_scene_ref (scene);
}

static void
text_cb (DescryEngine *engine,
         const char   *text,
         GCancellable *job,
         gpointer      data)
{
  DescryCli *cli = data;

  if (!cli->stream)
    return;
  clear_progress (cli);
  fputs (text, stdout);
  fflush (stdout);
}

static gboolean
interrupt_cb (gpointer data)
{
  DescryCli *cli = data;

  if (cli->cancellable == NULL || cli->cancelled)
    {
      clear_progress (cli);
      signal (SIGINT, SIG_DFL);
      raise (SIGINT);
    }
  else
    {
      cli->cancelled = TRUE;
      g_cancellable_cancel (cli->cancellable);
    }

  return G_SOURCE_CONTINUE;
}

DescryCli *
descry_cli_new (const char *bundle,
                const char *device)
{
  DescryCli *cli = g_new0 (DescryCli, 1);

  cli->loop = g_main_loop_new (NULL, FALSE);
  cli->progress = isatty (STDERR_FILENO);
  cli->interrupt = g_unix_signal_add (SIGINT, interrupt_cb, cli);
  cli->engine = descry_local_engine_new (bundle, device);
  g_signal_connect (cli->engine, "stage", G_CALLBACK (stage_cb), cli);
  g_signal_connect (cli->engine, "scene", G_CALLBACK (scene_cb), cli);
  g_signal_connect (cli->engine, "text", G_CALLBACK (text_cb), cli);

  return cli;
}

void
descry_cli_free (DescryCli *cli)
{
  if (cli == NULL)
    return;

  clear_progress (cli);
  g_signal_handlers_disconnect_by_data (cli->engine, cli);
  /* Jobs that were cancelled still hold the engine until they have returned. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_object (&cli->engine);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_object (&cli->cancellable);
  g_clear_object (&cli->result);
  g_clear_pointer (&cli->scene, descry_scene_unref);
  g_source_remove (cli->interrupt);
  g_main_loop_unref (cli->loop);
  g_free (cli);
}

DescryEngine *
descry_cli_engine (DescryCli *cli)
{
  return cli->engine;
}

gboolean
descry_cli_cancelled (DescryCli *cli)
{
  return cli->cancelled;
}

static void
finished_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  DescryCli *cli = data;

  g_set_object (&cli->result, result);
  g_main_loop_quit (cli->loop);
}

static GCancellable *
begin (DescryCli *cli)
{
  g_clear_object (&cli->result);
  g_clear_object (&cli->cancellable);
  cli->cancellable = g_cancellable_new ();
  cli->cancelled = FALSE;
  cli->without_masks = FALSE;

  return cli->cancellable;
}

DescryImage *
descry_cli_load (DescryCli  *cli,
                 const char *path,
                 double     *ms,
                 GError    **error)
{
  gint64 start = g_get_monotonic_time ();
  DescryImage *image = descry_image_load (path, NULL, error);

  *ms = (double) (g_get_monotonic_time () - start) / 1000.0;
  return image;
}

typedef struct
{
  DescryCli *cli;
  gboolean   done;
} Analysis;

static void
analyzed_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  Analysis *analysis = data;

  analysis->done = TRUE;
  finished_cb (source, result, analysis->cli);
}

DescryScene *
descry_cli_analyze (DescryCli   *cli,
                    DescryImage *image,
                    const char  *file,
                    gboolean     with_masks,
                    GError     **error)
{
  GCancellable *cancellable = begin (cli);
  Analysis analysis = { cli, FALSE };
  DescryScene *scene;

  g_clear_pointer (&cli->scene, descry_scene_unref);
  cli->without_masks = !with_masks;
  descry_engine_analyze_async (cli->engine, image, file, cancellable, analyzed_cb, &analysis);
  g_main_loop_run (cli->loop);
  clear_progress (cli);
  if (analysis.done)
    return descry_engine_analyze_finish (cli->engine, cli->result, error);

  /* The rest is not wanted: stop it, and wait until it has stopped. */
  scene = descry_scene_ref (cli->scene);
  cli->without_masks = FALSE;
  g_cancellable_cancel (cancellable);
  while (!analysis.done)
    g_main_context_iteration (NULL, TRUE);
  clear_progress (cli);

  return scene;
}

DescryScene *
descry_cli_mask (DescryCli   *cli,
                 DescryImage *image,
                 DescryScene *scene,
                 guint        object,
                 GError     **error)
{
  descry_engine_mask_async (cli->engine, image, scene, object, begin (cli), finished_cb, cli);
  g_main_loop_run (cli->loop);
  clear_progress (cli);

  return descry_engine_mask_finish (cli->engine, cli->result, error);
}

DescryTurn *
descry_cli_ask (DescryCli              *cli,
                DescryImage            *image,
                DescryScene            *scene,
                GPtrArray              *history,
                const char             *question,
                GArray                 *chips,
                const DescryAskOptions *options,
                gboolean                stream,
                GError                **error)
{
  GCancellable *cancellable = begin (cli);

  cli->stream = stream;
  descry_engine_ask_async (cli->engine, image, scene, history, question, chips != NULL ? (const guint *) chips->data : NULL,
                           chips != NULL ? chips->len : 0, options, cancellable, finished_cb, cli);
  g_main_loop_run (cli->loop);
  clear_progress (cli);
  cli->stream = FALSE;

  return descry_engine_ask_finish (cli->engine, cli->result, error);
}

gboolean
descry_cli_is_hopeless (const GError *error)
{
  return g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE) || g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING)
         || g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD) || g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_BUILD_FAILED);
}

int
descry_cli_fail (DescryCli    *cli,
                 const char   *about,
                 const GError *error)
{
  g_autofree char *name = about != NULL ? g_path_get_basename (about) : NULL;
  const char *message = error->message;

  if (cli != NULL)
    clear_progress (cli);
  /* A message that begins with the name gets the whole path instead; one that has the path, or is about the
   * device or a network, gets nothing. */
  if (name != NULL && g_str_has_prefix (message, name) && strncmp (message + strlen (name), ": ", 2) == 0)
    message += strlen (name) + 2;
  if (about == NULL || strstr (message, about) != NULL || descry_cli_is_hopeless (error))
    g_printerr ("descry: %s\n", message);
  else
    g_printerr ("descry: %s: %s\n", about, message);

  return g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_USAGE) ? DESCRY_EXIT_USAGE : DESCRY_EXIT_FAILED;
}

gboolean
descry_cli_options (const char         *usage,
                    const char         *summary,
                    const GOptionEntry *options,
                    int                *argc,
                    char             ***argv,
                    int                *status)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *help = NULL;
  gboolean wants_help = FALSE;
  const GOptionEntry more[] = {
    { "help", 'h', 0, G_OPTION_ARG_NONE, &wants_help, N_("Explain the command"), NULL },
    G_OPTION_ENTRY_NULL
  };

  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_add_main_entries (context, options, GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, more, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, summary);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      g_printerr (_("descry: %s\nUsage: descry %s\n"), error->message, usage);
      *status = DESCRY_EXIT_USAGE;
      return FALSE;
    }
  if (wants_help)
    {
      const char *body;

      /* GLib's first line names the program only. */
      help = g_option_context_get_help (context, FALSE, NULL);
      body = strstr (help, "\n\n");
      g_print (_("Usage: descry %s%s"), usage, body != NULL ? body : "\n");
      *status = DESCRY_EXIT_DONE;
      return FALSE;
    }

  return TRUE;
}

gboolean
descry_cli_in_range (const char *option,
                     double      value,
                     double      min,
                     double      max)
{
  if (isfinite (value) && value >= min && value <= max)
    return TRUE;

  g_printerr (_("descry: %s: expected a number from %g to %g\n"), option, min, max);
  return FALSE;
}
