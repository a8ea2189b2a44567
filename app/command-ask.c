/* command-ask.c - `descry ask`: one question about a picture, or many from a file
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/commands.h"

#include <stdio.h>
#include <string.h>

#include <glib/gi18n.h>

#include "app/cli.h"
#include "compute/lyrics/json.h"

#define MAX_SCENE_BYTES (64 * 1024 * 1024)
#define MAX_LINE_BYTES  (1024 * 1024)

typedef struct
{
  char    *bundle;
  char    *device;
  char    *scene;
  char    *batch;
  char   **objects;
  gboolean json;
  gboolean no_connector;
  gboolean no_lora;
  int      max_tokens;
  double   temperature;
  double   top_p;
  double   threshold;
  gint64   seed;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->bundle);
  g_free (options->device);
  g_free (options->scene);
  g_free (options->batch);
  g_strfreev (options->objects);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* The picture that was looked at last: the next question may be about it too. */
typedef struct
{
  char        *path;
  gboolean     is_scene;
  DescryImage *image;
  DescryScene *scene;
} Subject;

static void
clear_subject (Subject *subject)
{
  g_clear_pointer (&subject->path, g_free);
  g_clear_pointer (&subject->image, descry_image_unref);
  g_clear_pointer (&subject->scene, descry_scene_unref);
}

/* The picture of a stored scene, for the soft tokens: nothing depends on its being there. */
static DescryImage *
load_picture_of (DescryCli   *cli,
                 DescryScene *scene,
                 const char  *scene_path)
{
  g_autofree char *folder = g_path_get_dirname (scene_path);
  g_autofree char *path = NULL;
  DescryImage *image;
  double ms;

  if (scene->file == NULL)
    return NULL;
  path = g_canonicalize_filename (scene->file, folder);
  image = descry_cli_load (cli, g_file_test (path, G_FILE_TEST_EXISTS) ? path : scene->file, &ms, NULL);
  if (image != NULL && (image->width != scene->width || image->height != scene->height))
    g_clear_pointer (&image, descry_image_unref);

  return image;
}

static gboolean
open_scene (DescryCli  *cli,
            Subject    *subject,
            const char *path,
            GError    **error)
{
  g_autoptr (json_t) json = descry_files_json_load (path, MAX_SCENE_BYTES, DESCRY_JSON_DEPTH, error);

  if (json == NULL)
    return FALSE;
  subject->scene = descry_scene_from_json (json, error);
  if (subject->scene == NULL)
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  subject->image = load_picture_of (cli, subject->scene, path);

  return TRUE;
}

static gboolean
open_subject (DescryCli  *cli,
              Subject    *subject,
              const char *path,
              gboolean    is_scene,
              GError    **error)
{
  gboolean ok;
  double ms;

  if (subject->path != NULL && subject->is_scene == is_scene && strcmp (subject->path, path) == 0)
    return TRUE;

  clear_subject (subject);
  subject->is_scene = is_scene;
  if (is_scene)
    ok = open_scene (cli, subject, path, error);
  else
    {
      subject->image = descry_cli_load (cli, path, &ms, error);
      if (subject->image != NULL)
        subject->scene = descry_cli_analyze (cli, subject->image, path, FALSE, error);
      ok = subject->scene != NULL;
    }
  if (ok)
    subject->path = g_strdup (path);
  else
    clear_subject (subject);

  return ok;
}

static gboolean
ask_about (DescryCli     *cli,
           const Options *options,
           Subject       *subject,
           const char    *question,
           GArray        *chips,
           GError       **error)
{
  const DescryAskOptions ask_options = {
    .max_tokens = (guint) options->max_tokens,
    .temperature = (float) options->temperature,
    .top_p = (float) options->top_p,
    .seed = (guint64) options->seed,
    .threshold = (float) options->threshold,
    .no_connector = options->no_connector,
    .no_lora = options->no_lora,
  };
  g_autoptr (DescryTurn) turn = NULL;
  guint i;

  for (i = 0; i < chips->len; i++)
    if (descry_scene_find (subject->scene, g_array_index (chips, guint, i)) == NULL)
      {
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("There is no object %u"), g_array_index (chips, guint, i));
        return FALSE;
      }

  turn = descry_cli_ask (cli, subject->image, subject->scene, NULL, question, chips, &ask_options, !options->json, error);
  if (turn == NULL)
    return FALSE;

  if (options->json)
    {
      g_autoptr (json_t) json = descry_turn_to_json (turn, subject->scene);
      g_autofree char *line = descry_json_line (json);

      puts (line);
    }
  else
    putchar ('\n');
  if (fflush (stdout) != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, _("The result could not be written"));
      return FALSE;
    }
  if (turn->stopped)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, _("Stopped"));
      return FALSE;
    }

  return TRUE;
}

static gboolean
read_chips (json_t  *list,
            GArray  *chips,
            GError **error)
{
  json_t *member;
  size_t i;

  g_array_set_size (chips, 0);
  if (list != NULL && !json_is_array (list))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("“chips”: expected a list of object numbers"));
      return FALSE;
    }
  json_array_foreach (list, i, member)
    {
      json_int_t id = json_integer_value (member);
      guint chip = (guint) id;

      if (id < 1 || id > G_MAXINT32)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("“chips”: expected a list of object numbers"));
          return FALSE;
        }
      g_array_append_val (chips, chip);
    }

  return TRUE;
}

static gboolean
ask_line (DescryCli     *cli,
          const Options *options,
          Subject       *subject,
          const char    *line,
          gsize          length,
          GError       **error)
{
  g_autoptr (GArray) chips = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (json_t) json = NULL;
  const char *file, *scene, *question;

  if (length > MAX_LINE_BYTES)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("Longer than %d bytes"), MAX_LINE_BYTES);
      return FALSE;
    }
  json = descry_files_json_parse (line, length, DESCRY_JSON_DEPTH, options->batch, error);
  if (json == NULL)
    return FALSE;
  file = json_string_value (json_object_get (json, "file"));
  scene = json_string_value (json_object_get (json, "scene"));
  question = descry_json_get_string (json, "question", error);
  if (question == NULL || !read_chips (json_object_get (json, "chips"), chips, error))
    return FALSE;
  if ((file == NULL) == (scene == NULL))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("Expected either “file” or “scene”"));
      return FALSE;
    }

  return open_subject (cli, subject, file != NULL ? file : scene, file == NULL, error)
         && ask_about (cli, options, subject, question, chips, error);
}

static int
ask_batch (DescryCli     *cli,
           const Options *options)
{
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (options->batch);
  g_autoptr (GError) error = NULL;
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, &error);
  g_autoptr (GDataInputStream) lines = NULL;
  Subject subject = { 0 };
  int status = DESCRY_EXIT_DONE;
  guint number = 0;
  gsize length;

  if (stream == NULL)
    return descry_cli_fail (cli, options->batch, error);

  lines = g_data_input_stream_new (G_INPUT_STREAM (stream));
  while (!descry_cli_cancelled (cli))
    {
      g_autofree char *line = g_data_input_stream_read_line (lines, &length, NULL, &error);

      number++;
      if (line == NULL)
        break;
      if (*g_strchug (line) == '\0')
        continue;
      if (!ask_line (cli, options, &subject, line, strlen (line), &error))
        {
          g_autofree char *about = g_strdup_printf (_("%s, line %u"), options->batch, number);

          status = descry_cli_fail (cli, about, error);
          if (descry_cli_is_hopeless (error))
            break;
          g_clear_error (&error);
        }
    }
  if (error != NULL && error->domain == G_IO_ERROR)
    status = descry_cli_fail (cli, options->batch, error);
  clear_subject (&subject);

  return status;
}

static gboolean
parse_objects (char  **texts,
               GArray *chips)
{
  guint i;

  for (i = 0; texts != NULL && texts[i] != NULL; i++)
    {
      guint64 id;
      guint chip;

      if (!g_ascii_string_to_unsigned (texts[i], 10, 1, G_MAXINT32, &id, NULL))
        {
          g_printerr (_("descry: --object: expected the number of an object, found “%s”\n"), texts[i]);
          return FALSE;
        }
      chip = (guint) id;
      g_array_append_val (chips, chip);
    }

  return TRUE;
}

int
descry_command_ask (int    argc,
                    char **argv)
{
  g_auto (Options) options = { .threshold = DESCRY_SCENE_THRESHOLD };
  const GOptionEntry entries[] = {
    { "bundle", 'b', 0, G_OPTION_ARG_FILENAME, &options.bundle, N_("Networks to use: a name or a folder"), N_("BUNDLE") },
    { "device", 'd', 0, G_OPTION_ARG_STRING, &options.device, N_("Device to use: its number or a part of its name"), N_("DEVICE") },
    { "object", 'o', 0, G_OPTION_ARG_STRING_ARRAY, &options.objects, N_("Ask about this object (its number in `descry analyze`); may be repeated"), N_("ID") },
    { "scene", 's', 0, G_OPTION_ARG_FILENAME, &options.scene, N_("A stored line of `descry analyze` instead of a picture"), N_("FILE") },
    { "batch", 0, 0, G_OPTION_ARG_FILENAME, &options.batch, N_("Questions from FILE, a JSON object a line: file or scene, question, chips"), N_("FILE") },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &options.json, N_("The answer with its links and evidence as JSON"), NULL },
    { "threshold", 't', 0, G_OPTION_ARG_DOUBLE, &options.threshold, N_("Do not tell of objects with a lower score (0.5)"), N_("SCORE") },
    { "max-tokens", 'n', 0, G_OPTION_ARG_INT, &options.max_tokens, N_("Longest answer (256)"), N_("TOKENS") },
    { "temperature", 0, 0, G_OPTION_ARG_DOUBLE, &options.temperature, N_("0 always takes the likeliest token (default)"), N_("T") },
    { "top-p", 0, 0, G_OPTION_ARG_DOUBLE, &options.top_p, N_("With a temperature: draw from the likeliest tokens that together reach this share (1: all)"), N_("P") },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &options.seed, N_("Seed of the choice when the temperature is above 0"), N_("SEED") },
    { "no-lora", 0, 0, G_OPTION_ARG_NONE, &options.no_lora, N_("The language model as published, without Descry's adapters"), NULL },
    { "no-connector", 0, 0, G_OPTION_ARG_NONE, &options.no_connector, N_("Text alone, without soft tokens"), NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (DescryCli) cli = NULL;
  g_autoptr (GArray) chips = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GError) error = NULL;
  Subject subject = { 0 };
  const char *picture = NULL, *question;
  int status = DESCRY_EXIT_DONE, wanted;

  if (!descry_cli_options ("ask IMAGE QUESTION [OPTION…]", _("Answers a question about a picture."), entries, &argc, &argv, &status))
    return status;
  wanted = options.batch != NULL ? 1 : options.scene != NULL ? 2 : 3;
  if (argc != wanted || (options.batch != NULL && options.scene != NULL))
    {
      g_printerr (_("descry: ask needs a picture and a question, or --scene FILE and a question, or --batch FILE\n"));
      return DESCRY_EXIT_USAGE;
    }
  if (!descry_cli_in_range ("--threshold", options.threshold, 0.0, 1.0) || !descry_cli_in_range ("--temperature", options.temperature, 0.0, 10.0)
      || !descry_cli_in_range ("--top-p", options.top_p, 0.0, 1.0) || !descry_cli_in_range ("--max-tokens", options.max_tokens, 0, 1 << 20) || !parse_objects (options.objects, chips))
    return DESCRY_EXIT_USAGE;

  if (options.batch != NULL)
    {
      cli = descry_cli_new (options.bundle, options.device);
      return ask_batch (cli, &options);
    }

  question = argv[argc - 1];
  if (*g_strstrip (argv[argc - 1]) == '\0')
    {
      g_printerr (_("descry: the question is empty\n"));
      return DESCRY_EXIT_USAGE;
    }
  picture = options.scene != NULL ? options.scene : argv[1];
  cli = descry_cli_new (options.bundle, options.device);
  if (!open_subject (cli, &subject, picture, options.scene != NULL, &error))
    status = descry_cli_fail (cli, picture, error);
  else if (!ask_about (cli, &options, &subject, question, chips, &error))
    status = descry_cli_fail (cli, NULL, error);
  clear_subject (&subject);

  return status;
}
