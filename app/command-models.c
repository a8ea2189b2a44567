/* command-models.c - `descry models`: the networks of a bundle
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
#include "compute/files/gguf.h"
#include "compute/lyrics/json.h"

typedef struct
{
  char    *bundle;
  char    *slot;
  gboolean json;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->bundle);
  g_free (options->slot);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static json_t *
make_file (const DescryBundleFile *file)
{
  return json_pack ("{s:s, s:s, s:s, s:s, s:s, s:I, s:b}", "file", file->file, "title", file->title, "licence", file->licence,
                    "source", file->source, "sha256", file->sha256, "size", (json_int_t) file->size, "present", (int) file->present);
}

static void
list_json (DescryBundle *bundle)
{
  g_autoptr (json_t) json = json_object ();
  g_autofree char *line = NULL;
  json_t *slots = json_object ();
  guint i, j;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      json_t *files = json_array ();

      for (j = 0; j < bundle->slots[i]->len; j++)
        json_array_append_new (files, make_file (g_ptr_array_index (bundle->slots[i], j)));
      json_object_set_new (slots, descry_slot_name (i),
                           json_pack ("{s:o, s:s*}", "files", files, "missing", bundle->missing[i]));
    }
  json_object_set_new (json, "descry", json_integer (1));
  json_object_set_new (json, "bundle", json_string (bundle->name));
  json_object_set_new (json, "path", json_string (bundle->path));
  json_object_set_new (json, "slots", slots);
  line = descry_json_line (json);
  puts (line);
}

static void
list_text (DescryBundle *bundle)
{
  guint i, j;

  g_print ("%s  (%s)\n", bundle->title, bundle->path);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      for (j = 0; j < bundle->slots[i]->len; j++)
        {
          const DescryBundleFile *file = g_ptr_array_index (bundle->slots[i], j);
          g_autofree char *size = g_format_size_full (file->size, G_FORMAT_SIZE_IEC_UNITS);

          g_print ("%-10s %s  %s  %s  %s\n", descry_slot_name (i), file->file, file->title, size, file->licence);
        }
      if (bundle->missing[i] != NULL)
        g_print (_("%-10s not usable: %s\n"), descry_slot_name (i), bundle->missing[i]);
    }
}

static int
verify (DescryBundle *bundle)
{
  int status = DESCRY_EXIT_DONE;
  guint i, j;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    for (j = 0; j < bundle->slots[i]->len; j++)
      {
        DescryBundleFile *file = g_ptr_array_index (bundle->slots[i], j);
        g_autoptr (GError) error = NULL;

        if (descry_bundle_verify (bundle, file, NULL, &error))
          g_print (_("%-10s %s  right\n"), descry_slot_name (i), file->file);
        else
          status = descry_cli_fail (NULL, file->file, error);
      }

  return status;
}

static gboolean
find_slot (const char *name,
           DescrySlot *slot)
{
  guint i;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    if (strcmp (name, descry_slot_name (i)) == 0)
      {
        *slot = i;
        return TRUE;
      }

  return FALSE;
}

/* What a network is for says its architecture; what is not one of ours is taken for a language model. */
static gboolean
guess_slot (const char *path,
            DescrySlot *slot,
            GError    **error)
{
  static const struct { const char *architecture; DescrySlot slot; } known[] = {
    { "efficientnet-lite", DESCRY_SLOT_TAGGER },
    { "nanodet", DESCRY_SLOT_DETECTOR },
    { "centernet", DESCRY_SLOT_DETECTOR },
    { "isnet", DESCRY_SLOT_SEGMENTER },
    { "mq-former", DESCRY_SLOT_CONNECTOR },
  };
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error);
  const char *architecture = gguf != NULL ? descry_gguf_get_string (gguf, "general.architecture", error) : NULL;
  guint i;

  if (architecture == NULL)
    return FALSE;

  *slot = DESCRY_SLOT_LLM;
  for (i = 0; i < G_N_ELEMENTS (known); i++)
    if (strcmp (architecture, known[i].architecture) == 0)
      *slot = known[i].slot;

  return TRUE;
}

static int
add (DescryBundle  *bundle,
     const Options *options,
     const char    *path)
{
  g_autoptr (GError) error = NULL;
  DescrySlot slot = DESCRY_SLOT_LLM;

  if (options->slot == NULL ? !guess_slot (path, &slot, &error) : !find_slot (options->slot, &slot))
    return descry_cli_fail (NULL, path, error);
  if (!descry_bundle_add (bundle, slot, path, &error))
    return descry_cli_fail (NULL, path, error);

  g_print (_("%s is the %s of %s now\n"), ((DescryBundleFile *) g_ptr_array_index (bundle->slots[slot], 0))->file, descry_slot_name (slot), bundle->name);
  return DESCRY_EXIT_DONE;
}

static int
remove_file (DescryBundle  *bundle,
             const Options *options,
             const char    *name)
{
  g_autoptr (GError) error = NULL;
  guint i, j, found = 0;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    for (j = bundle->slots[i]->len; j > 0; j--)
      {
        const DescryBundleFile *file = g_ptr_array_index (bundle->slots[i], j - 1);

        if (strcmp (file->file, name) != 0 || (options->slot != NULL && strcmp (options->slot, descry_slot_name (i)) != 0))
          continue;
        found++;
        if (!descry_bundle_remove (bundle, i, name, &error))
          return descry_cli_fail (NULL, name, error);
      }
  if (found == 0)
    {
      g_printerr (_("descry: %s: no such file in %s\n"), name, bundle->name);
      return DESCRY_EXIT_USAGE;
    }

  g_print (_("%s is gone from %s\n"), name, bundle->name);
  return DESCRY_EXIT_DONE;
}

int
descry_command_models (int    argc,
                       char **argv)
{
  static const struct { const char *name; int arguments; } verbs[] = {
    { "list", 0 }, { "verify", 0 }, { "add", 1 }, { "remove", 1 }, { "fetch", 0 },
  };
  g_auto (Options) options = { 0 };
  const GOptionEntry entries[] = {
    { "bundle", 'b', 0, G_OPTION_ARG_FILENAME, &options.bundle, N_("A name or a folder"), N_("BUNDLE") },
    { "slot", 's', 0, G_OPTION_ARG_STRING, &options.slot, N_("tagger, detector, segmenter, encoder, connector or llm"), N_("SLOT") },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &options.json, N_("The list as JSON"), NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (DescryBundle) bundle = NULL;
  g_autoptr (GError) error = NULL;
  int status = DESCRY_EXIT_DONE;
  DescrySlot slot;
  guint verb;

  if (!descry_cli_options ("models list|verify|fetch|add FILE|remove FILE [OPTION…]", _("The networks of a bundle."), entries, &argc, &argv, &status))
    return status;
  for (verb = 0; verb < G_N_ELEMENTS (verbs); verb++)
    if (argc > 1 && strcmp (argv[1], verbs[verb].name) == 0)
      break;
  if (verb == G_N_ELEMENTS (verbs) || argc != 2 + verbs[verb].arguments)
    {
      g_printerr (_("descry: models needs list, verify, fetch, add FILE or remove FILE\n"));
      return DESCRY_EXIT_USAGE;
    }
  if (options.slot != NULL && !find_slot (options.slot, &slot))
    {
      g_printerr (_("descry: --slot: there is no slot “%s”\n"), options.slot);
      return DESCRY_EXIT_USAGE;
    }
  if (strcmp (argv[1], "fetch") == 0)
    {
      g_print (_("The default networks are fetched, checked and converted by the set-up command in the program's source folder:\n"
                 "    ./dev run\n"
                 "Other networks: convert them with `descry convert`, then `descry models add FILE`.\n"));
      return DESCRY_EXIT_DONE;
    }

  bundle = descry_bundle_open (options.bundle, &error);
  if (bundle == NULL)
    return descry_cli_fail (NULL, NULL, error);

  if (strcmp (argv[1], "verify") == 0)
    return verify (bundle);
  if (strcmp (argv[1], "add") == 0)
    return add (bundle, &options, argv[2]);
  if (strcmp (argv[1], "remove") == 0)
    return remove_file (bundle, &options, argv[2]);

  if (options.json)
    list_json (bundle);
  else
    list_text (bundle);
  return DESCRY_EXIT_DONE;
}
