/* command-analyze.c - `descry analyze`: what the refiner sees, for people and programs
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
#include "ui/export.h"
#include "ui/export-yolo.h"
#include "ui/picture.h"

typedef struct
{
  char    *bundle;
  char    *device;
  char    *json;
  char    *png;
  char    *format;
  double   threshold;
  gboolean no_masks;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->bundle);
  g_free (options->device);
  g_free (options->json);
  g_free (options->png);
  g_free (options->format);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
write_text (const char *path,
            const char *text,
            GError    **error)
{
  if (path != NULL && strcmp (path, "-") != 0)
    return g_file_set_contents (path, text, -1, error);

  if (fputs (text, stdout) < 0 || fflush (stdout) != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, _("The result could not be written"));
      return FALSE;
    }
  return TRUE;
}

/* The analysis outlines what is shown by default; a lower threshold wants the rest too. */
static DescryScene *
outline_rest (DescryCli   *cli,
              DescryImage *image,
              DescryScene *scene, /* (transfer full) */
              float        threshold,
              GError     **error)
{
  guint i;

  for (i = 0; scene != NULL && i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);
      DescryScene *next;

      if (object->score < threshold || object->score >= DESCRY_SCENE_THRESHOLD || object->mask != NULL)
        continue;
      next = descry_cli_mask (cli, image, scene, object->id, error);
      descry_scene_unref (scene);
      scene = next;
    }

  return scene;
}

static gboolean
has_segmenter (DescryCli *cli)
{
  DescryEngineStatus *status = descry_engine_status (descry_cli_engine (cli));
  gboolean usable = status->slots[DESCRY_SLOT_SEGMENTER].usable;

  descry_engine_status_free (status);
  return usable;
}

static DescryScene *
analyze_file (DescryCli     *cli,
              const char    *path,
              const Options *options,
              gboolean       several,
              GError       **error)
{
  g_autoptr (DescryImage) image = NULL;
  g_autoptr (DescryScene) scene = NULL;
  double decode_ms;

  image = descry_cli_load (cli, path, &decode_ms, error);
  if (image == NULL)
    return NULL;
  scene = descry_cli_analyze (cli, image, path, !options->no_masks, error);
  if (scene != NULL && !options->no_masks && options->threshold < DESCRY_SCENE_THRESHOLD && has_segmenter (cli))
    scene = outline_rest (cli, image, g_steal_pointer (&scene), (float) options->threshold, error);
  if (scene != NULL)
    {
      DescryScene *timed = descry_scene_copy (scene);

      descry_scene_unref (scene);
      scene = timed;
      descry_scene_set_timing (scene, "decode", decode_ms);
    }
  if (scene != NULL && options->png != NULL)
    {
      g_autofree char *target = several ? descry_picture_target (options->png, path) : g_strdup (options->png);

      if (!descry_picture_write (image, scene, (float) options->threshold, target, error))
        return NULL;
    }

  return g_steal_pointer (&scene);
}

int
descry_command_analyze (int    argc,
                        char **argv)
{
  g_auto (Options) options = { .threshold = DESCRY_SCENE_THRESHOLD };
  const GOptionEntry entries[] = {
    { "bundle", 'b', 0, G_OPTION_ARG_FILENAME, &options.bundle, N_("Networks to use: a name or a folder"), N_("BUNDLE") },
    { "device", 'd', 0, G_OPTION_ARG_STRING, &options.device, N_("Device to use: its number or a part of its name"), N_("DEVICE") },
    { "json", 'j', 0, G_OPTION_ARG_FILENAME, &options.json, N_("Write the result to FILE instead of standard output"), N_("FILE") },
    { "png", 'p', 0, G_OPTION_ARG_FILENAME, &options.png, N_("Draw the result into FILE; a folder for several pictures"), N_("FILE") },
    { "format", 'f', 0, G_OPTION_ARG_STRING, &options.format, N_("json (default), coco, yolo or voc"), N_("FORMAT") },
    { "threshold", 't', 0, G_OPTION_ARG_DOUBLE, &options.threshold, N_("Leave out objects with a lower score (0.5)"), N_("SCORE") },
    { "no-masks", 0, 0, G_OPTION_ARG_NONE, &options.no_masks, N_("Leave out the outlines: much faster"), NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (DescryCli) cli = NULL;
  g_autoptr (GPtrArray) scenes = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_scene_unref);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  DescryExportFormat format = DESCRY_EXPORT_JSON;
  int status = DESCRY_EXIT_DONE, i;
  gboolean at_once;

  if (!descry_cli_options ("analyze IMAGE… [OPTION…]", _("Finds, names and outlines the objects of pictures."), entries, &argc, &argv, &status))
    return status;
  if (argc < 2)
    {
      g_printerr (_("descry: analyze needs a picture\n"));
      return DESCRY_EXIT_USAGE;
    }
  if (options.format != NULL && !descry_export_format (options.format, &format))
    {
      g_printerr (_("descry: --format: expected json, coco, yolo or voc, found “%s”\n"), options.format);
      return DESCRY_EXIT_USAGE;
    }
  if (!descry_cli_in_range ("--threshold", options.threshold, 0.0, 1.0))
    return DESCRY_EXIT_USAGE;

  /* Lines can be read while later pictures are worked on; the other formats want all of them. */
  at_once = format == DESCRY_EXPORT_JSON && options.json == NULL;
  cli = descry_cli_new (options.bundle, options.device);
  for (i = 1; i < argc && !descry_cli_cancelled (cli); i++)
    {
      DescryScene *scene = analyze_file (cli, argv[i], &options, argc > 2, &error);

      if (scene == NULL)
        {
          status = descry_cli_fail (cli, argv[i], error);
          if (descry_cli_is_hopeless (error))
            break;
          g_clear_error (&error);
          continue;
        }
      g_ptr_array_add (scenes, scene);
      if (at_once)
        {
          g_free (text);
          text = descry_export (format, scenes, (float) options.threshold);
          g_ptr_array_set_size (scenes, 0);
          if (!write_text (NULL, text, &error))
            return descry_cli_fail (cli, NULL, error);
        }
    }

  if (!at_once && scenes->len > 0)
    {
      text = descry_export (format, scenes, (float) options.threshold);
      g_clear_error (&error);
      if (!write_text (options.json, text, &error))
        return descry_cli_fail (cli, options.json, error);
      /* Numbers need their names. */
      if (format == DESCRY_EXPORT_YOLO && options.json != NULL)
        {
          g_autofree char *folder = g_path_get_dirname (options.json);
          g_autoptr (GPtrArray) classes = descry_export_classes ();

          if (!descry_yolo_write_classes (classes, folder, &error))
            return descry_cli_fail (cli, folder, error);
        }
    }

  return status;
}
