/* export-yolo.c - label files of YOLO with the list of classes that gives their numbers a meaning
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-export"

#include "config.h"

#include "ui/export-yolo.h"

#include <string.h>

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <jansson.h>

#include "ui/export.h"

#define OURS "# Classes of the label files beside this one, written by Descry"

/* Names of a classes.txt; NULL without an error: there is none. */
static GPtrArray *
read_classes (const char *path,
              GError    **error)
{
  g_autoptr (GPtrArray) classes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) local = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint i, n;

  if (!g_file_get_contents (path, &text, NULL, &local))
    {
      if (!g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  if (!g_utf8_validate (text, -1, NULL))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("%s: expected a name a line, found other bytes"), path);
      return NULL;
    }

  lines = g_strsplit (text, "\n", -1);
  n = g_strv_length (lines);
  while (n > 0 && *g_strstrip (lines[n - 1]) == '\0')
    n--;
  /* An empty line between is a number without a name: the numbers after it stay. */
  for (i = 0; i < n; i++)
    g_ptr_array_add (classes, g_strdup (g_strstrip (lines[i])));

  return g_steal_pointer (&classes);
}

static gboolean
is_foreign (const char *path)
{
  g_autofree char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) && !g_str_has_prefix (text, OURS);
}

gboolean
descry_yolo_write_classes (GPtrArray  *classes,
                           const char *folder,
                           GError    **error)
{
  g_autofree char *list_path = g_build_filename (folder, "classes.txt", NULL);
  g_autofree char *data_path = g_build_filename (folder, "data.yaml", NULL);
  g_autoptr (GString) list = g_string_new (NULL);
  g_autoptr (GString) data = g_string_new (OURS ".\n");
  guint i;

  g_string_append_printf (data, "path: .\ntrain: .\nval: .\nnc: %u\nnames:\n", classes->len);
  for (i = 0; i < classes->len; i++)
    {
      const char *name = g_ptr_array_index (classes, i);
      json_t *string = json_string (name);
      /* A string of JSON is one of YAML. */
      char *quoted = json_dumps (string, JSON_ENCODE_ANY);

      g_string_append_printf (list, "%s\n", name);
      g_string_append_printf (data, "  %u: %s\n", i, quoted);
      free (quoted);
      json_decref (string);
    }

  return g_file_set_contents (list_path, list->str, (gssize) list->len, error)
         && (is_foreign (data_path) || g_file_set_contents (data_path, data->str, (gssize) data->len, error));
}

gboolean
descry_yolo_write (DescryScene *scene,
                   float        threshold,
                   const char  *path,
                   GError     **error)
{
  g_autofree char *folder = g_path_get_dirname (path), *name = g_path_get_basename (path);
  g_autofree char *list_path = g_build_filename (folder, "classes.txt", NULL);
  g_autoptr (GPtrArray) classes = NULL;
  g_autoptr (GError) local = NULL;
  g_autofree char *labels = NULL;

  if (strcmp (name, "classes.txt") == 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _("“classes.txt” is the list of the classes: choose another name for the labels"));
      return FALSE;
    }

  classes = read_classes (list_path, &local);
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (classes == NULL)
    classes = descry_export_classes ();
  labels = descry_export_yolo (scene, threshold, classes);

  /* The list first: there is never a number without its name. */
  return descry_yolo_write_classes (classes, folder, error) && g_file_set_contents (path, labels, -1, error);
}
