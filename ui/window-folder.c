/* window-folder.c - the next and the previous picture of the folder
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <string.h>

#include <glib/gi18n.h>

#define MOST_FILES 100000 /* of a folder; more are not looked at */
#define AT_ONCE 500

typedef struct
{
  DescryRequest *request;
  GFile         *folder;
  char          *name; /* of the picture that is shown */
  char          *key; /* its place in the order of file managers */
  gboolean       forward;
  char          *best, *best_key; /* nearest so far, or NULL */
  guint          seen;
} Walk;

static void
walk_free (Walk *walk)
{
  descry_request_free (walk->request);
  g_object_unref (walk->folder);
  g_free (walk->name);
  g_free (walk->key);
  g_free (walk->best);
  g_free (walk->best_key);
  g_free (walk);
}

static gboolean
is_picture (GFileInfo *info)
{
  static const char *const types[] = { "image/jpeg", "image/png", "image/webp" };
  const char *type = g_file_info_get_attribute_string (info, G_FILE_ATTRIBUTE_STANDARD_FAST_CONTENT_TYPE);
  guint i;

  for (i = 0; type != NULL && i < G_N_ELEMENTS (types); i++)
    if (g_content_type_is_a (type, types[i]))
      return !g_file_info_get_is_hidden (info);

  return FALSE;
}

static void
consider (Walk      *walk,
          GFileInfo *info)
{
  const char *name = g_file_info_get_name (info);
  g_autofree char *shown = g_filename_display_name (name);
  g_autofree char *key = g_utf8_collate_key_for_filename (shown, -1);
  int sign = walk->forward ? 1 : -1;

  if (!is_picture (info) || strcmp (name, walk->name) == 0 || sign * strcmp (key, walk->key) < 0)
    return;
  if (walk->best == NULL || sign * strcmp (key, walk->best_key) < 0)
    {
      g_free (walk->best);
      g_free (walk->best_key);
      walk->best = g_strdup (name);
      walk->best_key = g_steal_pointer (&key);
    }
}

/* The folder has been read, as far as it could be. */
static void
finish_walk (Walk         *walk,
             DescryWindow *self)
{
  g_clear_object (&self->walking);
  if (walk->best != NULL)
    {
      g_autoptr (GFile) file = g_file_get_child (walk->folder, walk->best);

      descry_window_open (self, file);
    }
  else
    descry_window_toast (self, walk->forward ? _("This is the last picture of the folder") : _("This is the first picture of the folder"));
}

static void
listed_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  Walk *walk = data;
  GFileEnumerator *files = G_FILE_ENUMERATOR (source);
  GList *infos = g_file_enumerator_next_files_finish (files, result, NULL), *l;
  g_autoptr (DescryWindow) self = g_weak_ref_get (&walk->request->window);
  gboolean more = infos != NULL && walk->seen < MOST_FILES;

  for (l = infos; l != NULL; l = l->next, walk->seen++)
    consider (walk, l->data);
  g_list_free_full (infos, g_object_unref);

  if (self == NULL || self->walking != walk->request->cancellable)
    walk_free (walk);
  else if (more)
    g_file_enumerator_next_files_async (files, AT_ONCE, G_PRIORITY_DEFAULT, walk->request->cancellable, listed_cb, walk);
  else
    {
      finish_walk (walk, self);
      walk_free (walk);
    }
}

static void
enumerated_cb (GObject      *source,
               GAsyncResult *result,
               gpointer      data)
{
  Walk *walk = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GFileEnumerator) files = g_file_enumerate_children_finish (G_FILE (source), result, &error);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&walk->request->window);

  if (self == NULL || self->walking != walk->request->cancellable)
    walk_free (walk);
  else if (files != NULL)
    g_file_enumerator_next_files_async (files, AT_ONCE, G_PRIORITY_DEFAULT, walk->request->cancellable, listed_cb, walk);
  else
    {
      g_clear_object (&self->walking);
      descry_window_toast (self, error->message);
      walk_free (walk);
    }
}

static void
walk_folder (DescryWindow *self,
             gboolean      forward)
{
  g_autofree char *shown = NULL;
  g_autoptr (GFile) file = NULL;
  Walk *walk;

  if (self->path == NULL)
    {
      descry_window_toast (self, _("This picture is in no folder"));
      return;
    }

  file = g_file_new_for_path (self->path);
  walk = g_new0 (Walk, 1);
  walk->request = descry_request_new (self, &self->walking);
  walk->folder = g_file_get_parent (file);
  walk->name = g_path_get_basename (self->path);
  shown = g_filename_display_name (walk->name);
  walk->key = g_utf8_collate_key_for_filename (shown, -1);
  walk->forward = forward;
  g_file_enumerate_children_async (walk->folder, G_FILE_ATTRIBUTE_STANDARD_NAME "," G_FILE_ATTRIBUTE_STANDARD_IS_HIDDEN "," G_FILE_ATTRIBUTE_STANDARD_FAST_CONTENT_TYPE,
                                   G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT, walk->request->cancellable, enumerated_cb, walk);
}

static void
next_picture_action (GSimpleAction *action,
                     GVariant      *parameter,
                     gpointer       data)
{
  walk_folder (data, TRUE);
}

static void
previous_picture_action (GSimpleAction *action,
                         GVariant      *parameter,
                         gpointer       data)
{
  walk_folder (data, FALSE);
}

void
descry_window_init_folder (DescryWindow *self)
{
  static const GActionEntry entries[] = {
    { "next-picture", next_picture_action },
    { "previous-picture", previous_picture_action },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
}
