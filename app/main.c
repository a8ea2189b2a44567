/* main.c - the program: a window, or a sub-command without one
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include <locale.h>
#include <string.h>

#include <glib/gi18n.h>

#include "app/commands.h"
#include "compute/device/probe.h"
#include "compute/device/threads.h"
#include "compute/ops/provider.h"
#ifdef DESCRY_WITH_UI
#include "app/application.h"
#endif

static const struct
{
  const char *name;
  int (*run) (int argc, char **argv);
  const char *summary;
} commands[] = {
  { "analyze", descry_command_analyze, N_("Find, name and outline the objects of pictures") },
  { "ask", descry_command_ask, N_("Answer a question about a picture") },
  { "chat", descry_command_chat, N_("Talk in the terminal, about a picture or about nothing") },
  { "models", descry_command_models, N_("List, check, add and remove networks") },
  { "convert", descry_command_convert, N_("Convert a checkpoint to GGUF") },
  { "devices", descry_command_devices, N_("What OpenCL offers, what was refused and why") },
  { "bench", descry_command_bench, N_("Measure this machine and each stage") },
  { "stage", descry_command_stage, N_("Run one network on given tensors, for parity checks") },
  { "pictures", descry_command_pictures, N_("Make a set of training pictures with their features") },
  { "train", descry_command_train, N_("Train adapters for the language model, or evaluate them") },
};

static void
print_help (void)
{
  guint i;

  g_print (_("Usage: descry [IMAGE…]            open the window\n"
             "       descry COMMAND [OPTION…]   work without a window\n\nCommands:\n"));
  for (i = 0; i < G_N_ELEMENTS (commands); i++)
    g_print ("  %-10s %s\n", commands[i].name, _(commands[i].summary));
  g_print (_("\n`descry COMMAND --help` explains one. `descry --version` prints the version.\n"
             "Every command takes --gemm=auto|own|clblast|onednn: who multiplies matrices.\n"));
}

/* Takes --gemm=NAME out of the arguments; FALSE after a message about a wrong one. */
static gboolean
take_provider (int   *argc,
               char **argv)
{
  int i, kept = 1;

  for (i = 1; i < *argc; i++)
    {
      DescryGemmProvider provider;

      if (!g_str_has_prefix (argv[i], "--gemm="))
        {
          argv[kept++] = argv[i];
          continue;
        }
      if (!descry_gemm_provider_parse (argv[i] + strlen ("--gemm="), &provider))
        {
          g_printerr (_("descry: %s: auto, own, clblast or onednn expected\n"), argv[i]);
          return FALSE;
        }
      descry_ops_set_default (provider);
    }
  argv[kept] = NULL;
  *argc = kept;

  return TRUE;
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  guint i;

  descry_threads_place ();
  descry_device_set_program (program);
  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, DESCRY_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);

  if (!take_provider (&argc, argv))
    return DESCRY_EXIT_USAGE;

  if (argc > 1)
    {
      for (i = 0; i < G_N_ELEMENTS (commands); i++)
        if (strcmp (argv[1], commands[i].name) == 0)
          return commands[i].run (argc - 1, argv + 1);

      if (strcmp (argv[1], "--version") == 0)
        {
          g_print ("Descry %s\n", DESCRY_VERSION);
          return DESCRY_EXIT_DONE;
        }
      if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0)
        {
          print_help ();
          return DESCRY_EXIT_DONE;
        }
    }

#ifdef DESCRY_WITH_UI
  return descry_application_main (argc, argv);
#else
  print_help ();
  return DESCRY_EXIT_USAGE;
#endif
}
