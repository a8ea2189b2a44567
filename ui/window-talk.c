/* window-talk.c - the conversation leaves the window: copied, or written beside its picture
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <string.h>

#include <glib/gi18n.h>

#include "ui/markdown.h"
#include "ui/picture.h"

/* What the worker gets. */
typedef struct
{
  DescryImage *image;
  DescryScene *scene; /* or NULL */
  float        threshold;
  char        *text; /* without the picture */
  char        *path;
  char        *picture; /* path */
} Talk;

static void
talk_free (gpointer data)
{
  Talk *talk = data;

  descry_image_unref (talk->image);
  g_clear_pointer (&talk->scene, descry_scene_unref);
  g_free (talk->text);
  g_free (talk->path);
  g_free (talk->picture);
  g_free (talk);
}

static char *
make_text (DescryWindow *self,
           const char   *picture)
{
  g_autoptr (GPtrArray) turns = descry_chat_get_history (self->chat);

  return turns->len > 0 ? descry_conversation_to_markdown (turns, self->name != NULL ? self->name : _("Picture"), picture, self->scene) : NULL;
}

static void
copy_conversation_action (GSimpleAction *action,
                          GVariant      *parameter,
                          gpointer       data)
{
  DescryWindow *self = data;
  g_autofree char *text = make_text (self, NULL);

  if (text != NULL)
    gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (self)), text);
  descry_window_toast (self, text != NULL ? _("Conversation copied") : _("There is no conversation yet"));
}

/* The picture first: a text never names one that is not there. */
static void
write_worker (GTask        *task,
              gpointer      source,
              gpointer      data,
              GCancellable *cancellable)
{
  const Talk *talk = data;
  g_autoptr (DescryScene) empty = talk->scene == NULL ? descry_scene_new (talk->image->width, talk->image->height) : NULL;
  GError *error = NULL;

  if (descry_picture_write (talk->image, talk->scene != NULL ? talk->scene : empty, talk->threshold, talk->picture, &error)
      && g_file_set_contents (talk->path, talk->text, -1, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
written_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  DescryWindow *self = DESCRY_WINDOW (source);
  g_autoptr (GError) error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    descry_window_toast (self, _("Conversation exported with its picture"));
  else
    descry_window_show_bar (self, GTK_MESSAGE_ERROR, error->message);
}

gboolean
descry_window_export_conversation (DescryWindow *self,
                                   const char   *path)
{
  g_autofree char *stem = g_str_has_suffix (path, ".md") ? g_strndup (path, strlen (path) - 3) : g_strdup (path);
  g_autofree char *picture = g_strconcat (stem, ".png", NULL);
  g_autofree char *base = g_path_get_basename (picture);
  g_autofree char *text = make_text (self, base);
  g_autoptr (GTask) task = NULL;
  Talk *talk;

  if (text == NULL)
    return FALSE;

  talk = g_new0 (Talk, 1);
  talk->image = descry_image_ref (self->image);
  talk->scene = self->scene != NULL ? descry_scene_ref (self->scene) : NULL;
  talk->threshold = descry_canvas_get_view (self->canvas)->threshold;
  talk->text = g_steal_pointer (&text);
  talk->path = g_strconcat (stem, ".md", NULL);
  talk->picture = g_steal_pointer (&picture);
  task = g_task_new (self, NULL, written_cb, NULL);
  g_task_set_source_tag (task, descry_window_export_conversation);
  g_task_set_task_data (task, talk, talk_free);
  g_task_run_in_thread (task, write_worker);

  return TRUE;
}

static void
chosen_cb (GtkNativeDialog *dialog,
           int              response,
           DescryWindow    *self)
{
  g_autoptr (GFile) file = response == GTK_RESPONSE_ACCEPT ? gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog)) : NULL;
  g_autofree char *path = file != NULL ? g_file_get_path (file) : NULL;

  if (path != NULL)
    descry_window_export_conversation (self, path);
  else if (file != NULL)
    descry_window_toast (self, _("A conversation can be written to folders of this computer only"));
  g_object_unref (dialog);
}

static void
export_conversation_action (GSimpleAction *action,
                            GVariant      *parameter,
                            gpointer       data)
{
  DescryWindow *self = data;
  g_autofree char *text = make_text (self, NULL);
  g_autofree char *name = NULL;
  GtkFileChooserNative *chooser;

  if (text == NULL)
    {
      descry_window_toast (self, _("There is no conversation yet"));
      return;
    }

  chooser = gtk_file_chooser_native_new (_("Export the Conversation"), GTK_WINDOW (self), GTK_FILE_CHOOSER_ACTION_SAVE, NULL, NULL);
  name = g_strdup_printf ("%s.md", self->name != NULL ? self->name : _("Picture"));
  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (chooser), name);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (chooser), TRUE);
  g_signal_connect_object (chooser, "response", G_CALLBACK (chosen_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (chooser));
}

void
descry_window_init_talk (DescryWindow *self)
{
  static const GActionEntry entries[] = {
    { "copy-conversation", copy_conversation_action },
    { "export-conversation", export_conversation_action },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
}
