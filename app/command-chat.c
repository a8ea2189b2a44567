/* command-chat.c - `descry chat`: a conversation in the terminal, about a picture or about nothing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gi18n.h>

#include "app/cli.h"

#define MAX_LINE 65536

/* What the model is told, so that a person knows what can be asked about. */
static void
print_scene (DescryScene *scene)
{
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->score >= DESCRY_SCENE_THRESHOLD)
        g_printerr ("%u  %s  %.2f\n", object->id, object->name, object->score);
    }
}

static gboolean
read_question (char   *line,
               gboolean terminal)
{
  if (terminal)
    {
      fputs ("> ", stdout);
      fflush (stdout);
    }
  if (fgets (line, MAX_LINE, stdin) == NULL)
    return FALSE;
  g_strstrip (line);

  return strcmp (line, "/quit") != 0;
}

int
descry_command_chat (int    argc,
                     char **argv)
{
  g_autofree char *bundle = NULL, *device = NULL;
  const GOptionEntry entries[] = {
    { "bundle", 'b', 0, G_OPTION_ARG_FILENAME, &bundle, N_("Networks to use: a name or a folder"), N_("BUNDLE") },
    { "device", 'd', 0, G_OPTION_ARG_STRING, &device, N_("Device to use: its number or a part of its name"), N_("DEVICE") },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (DescryCli) cli = NULL;
  g_autoptr (DescryImage) image = NULL;
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (GPtrArray) history = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_turn_unref);
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_malloc (MAX_LINE);
  gboolean terminal = isatty (STDIN_FILENO) && isatty (STDOUT_FILENO);
  int status = DESCRY_EXIT_DONE;
  double ms;

  if (!descry_cli_options ("chat [IMAGE] [OPTION…]", _("A conversation; every line is a question, /quit ends it."), entries, &argc, &argv, &status))
    return status;
  if (argc > 2)
    {
      g_printerr (_("descry: chat takes one picture at most\n"));
      return DESCRY_EXIT_USAGE;
    }

  cli = descry_cli_new (bundle, device);
  if (argc == 2)
    {
      image = descry_cli_load (cli, argv[1], &ms, &error);
      if (image != NULL)
        scene = descry_cli_analyze (cli, image, argv[1], FALSE, &error);
      if (scene == NULL)
        return descry_cli_fail (cli, argv[1], error);
      if (terminal)
        print_scene (scene);
    }

  while (read_question (line, terminal))
    {
      DescryTurn *turn;

      if (*line == '\0')
        continue;
      turn = descry_cli_ask (cli, image, scene, history, line, NULL, NULL, TRUE, &error);
      if (turn == NULL)
        return descry_cli_fail (cli, NULL, error);
      putchar ('\n');
      fflush (stdout);
      g_ptr_array_add (history, turn);
    }

  return status;
}
