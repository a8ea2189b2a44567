/* window-actions.c - what menus, keys, drop and paste do in a window
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <glib/gi18n.h>

#define ZOOM_STEP 1.25

static const struct
{
  const char *action;
  const char *property;
} toggles[] = {
  { "boxes", "show-boxes" }, { "masks", "show-masks" }, { "names", "show-names" }, { "scores", "show-scores" },
};

/* --------- Open ------------------ */

static void
chooser_response_cb (GtkNativeDialog *dialog,
                     int              response,
                     DescryWindow    *self)
{
  if (response == GTK_RESPONSE_ACCEPT)
    {
      g_autoptr (GListModel) files = gtk_file_chooser_get_files (GTK_FILE_CHOOSER (dialog));
      g_autoptr (GFile) first = g_list_model_get_item (files, 0);
      guint n = g_list_model_get_n_items (files);
      guint i;

      if (first != NULL)
        descry_window_open (self, first);
      for (i = 1; i < n; i++)
        {
          g_autoptr (GFile) file = g_list_model_get_item (files, i);

          g_application_open (G_APPLICATION (gtk_window_get_application (GTK_WINDOW (self))), &file, 1, "new-window");
        }
    }
  g_clear_object (&self->chooser);
}

static void
open_action (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       data)
{
  DescryWindow *self = data;
  g_autoptr (GtkFileFilter) filter = gtk_file_filter_new ();

  if (self->chooser != NULL)
    return;

  self->chooser = gtk_file_chooser_native_new (_("Open a Picture"), GTK_WINDOW (self), GTK_FILE_CHOOSER_ACTION_OPEN, NULL, NULL);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (self->chooser), TRUE);
  gtk_file_chooser_set_select_multiple (GTK_FILE_CHOOSER (self->chooser), TRUE);
  gtk_file_filter_set_name (filter, _("Pictures"));
  gtk_file_filter_add_mime_type (filter, "image/jpeg");
  gtk_file_filter_add_mime_type (filter, "image/png");
  gtk_file_filter_add_mime_type (filter, "image/webp");
  gtk_file_chooser_add_filter (GTK_FILE_CHOOSER (self->chooser), filter);
  g_signal_connect_object (self->chooser, "response", G_CALLBACK (chooser_response_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (self->chooser));
}

/* The first picture of the folder where set-up puts samples, or NULL. (transfer full) */
static GFile *
find_sample (void)
{
  g_autofree char *folder = g_build_filename (g_get_user_data_dir (), "descry", "samples", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autofree char *first = NULL;
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (first == NULL || strcmp (name, first) < 0)
      {
        g_free (first);
        first = g_strdup (name);
      }

  return first != NULL ? g_file_new_build_filename (folder, first, NULL) : NULL;
}

static void
sample_action (GSimpleAction *action,
               GVariant      *parameter,
               gpointer       data)
{
  g_autoptr (GFile) sample = find_sample ();

  if (sample != NULL)
    descry_window_open (data, sample);
}

/* A pasted picture goes the way of every other: as PNG bytes through the decoder process. */
static void
texture_read_cb (GObject      *source,
                 GAsyncResult *result,
                 gpointer      data)
{
  g_autoptr (DescryWindow) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GdkTexture) texture = gdk_clipboard_read_texture_finish (GDK_CLIPBOARD (source), result, &error);
  g_autoptr (GBytes) bytes = NULL;

  if (texture == NULL)
    {
      descry_window_toast (self, _("There is no picture in the clipboard"));
      return;
    }
  bytes = gdk_texture_save_to_png_bytes (texture);
  descry_window_open_bytes (self, bytes, _("Pasted picture"));
}

static void
files_read_cb (GObject      *source,
               GAsyncResult *result,
               gpointer      data)
{
  g_autoptr (DescryWindow) self = data;
  const GValue *value = gdk_clipboard_read_value_finish (GDK_CLIPBOARD (source), result, NULL);
  GSList *files = value != NULL ? g_value_get_boxed (value) : NULL;

  if (files != NULL)
    descry_window_open (self, files->data);
}

static void
paste_action (GSimpleAction *action,
              GVariant      *parameter,
              gpointer       data)
{
  DescryWindow *self = data;
  GdkClipboard *clipboard = gtk_widget_get_clipboard (GTK_WIDGET (self));
  GdkContentFormats *formats = gdk_clipboard_get_formats (clipboard);
  GtkWidget *focus = gtk_window_get_focus (GTK_WINDOW (self));

  /* Text goes where text is written. */
  if (focus != NULL && GTK_IS_EDITABLE (focus))
    {
      gtk_widget_activate_action (focus, "clipboard.paste", NULL);
      return;
    }
  if (focus != NULL && GTK_IS_TEXT_VIEW (focus) && !gdk_content_formats_contain_gtype (formats, GDK_TYPE_TEXTURE))
    {
      gtk_widget_activate_action (focus, "clipboard.paste", NULL);
      return;
    }

  if (gdk_content_formats_contain_gtype (formats, GDK_TYPE_FILE_LIST))
    gdk_clipboard_read_value_async (clipboard, GDK_TYPE_FILE_LIST, G_PRIORITY_DEFAULT, NULL, files_read_cb, g_object_ref (self));
  else
    gdk_clipboard_read_texture_async (clipboard, NULL, texture_read_cb, g_object_ref (self));
}

static gboolean
drop_cb (GtkDropTarget *target,
         const GValue  *value,
         double         x,
         double         y,
         DescryWindow  *self)
{
  gtk_widget_set_visible (self->drop_hint, FALSE);
  if (G_VALUE_HOLDS (value, GDK_TYPE_FILE_LIST))
    {
      GSList *files = g_value_get_boxed (value);

      if (files == NULL)
        return FALSE;
      descry_window_open (self, files->data);
      return TRUE;
    }
  if (G_VALUE_HOLDS (value, GDK_TYPE_TEXTURE))
    {
      g_autoptr (GBytes) bytes = gdk_texture_save_to_png_bytes (g_value_get_object (value));

      descry_window_open_bytes (self, bytes, _("Dropped picture"));
      return TRUE;
    }

  return FALSE;
}

static GdkDragAction
drop_enter_cb (GtkDropTarget *target,
               double         x,
               double         y,
               DescryWindow  *self)
{
  gtk_widget_set_visible (self->drop_hint, TRUE);
  return GDK_ACTION_COPY;
}

static void
drop_leave_cb (GtkDropTarget *target,
               DescryWindow  *self)
{
  gtk_widget_set_visible (self->drop_hint, FALSE);
}

/* --------- View ------------------ */

static void
zoom_in_action (GSimpleAction *action,
                GVariant      *parameter,
                gpointer       data)
{
  descry_canvas_zoom_by (DESCRY_WINDOW (data)->canvas, ZOOM_STEP);
}

static void
zoom_out_action (GSimpleAction *action,
                 GVariant      *parameter,
                 gpointer       data)
{
  descry_canvas_zoom_by (DESCRY_WINDOW (data)->canvas, 1.0 / ZOOM_STEP);
}

static void
zoom_fit_action (GSimpleAction *action,
                 GVariant      *parameter,
                 gpointer       data)
{
  descry_canvas_zoom_fit (DESCRY_WINDOW (data)->canvas);
}

static void
zoom_one_action (GSimpleAction *action,
                 GVariant      *parameter,
                 gpointer       data)
{
  descry_canvas_zoom_one (DESCRY_WINDOW (data)->canvas);
}

static void
show_all_action (GSimpleAction *action,
                 GVariant      *parameter,
                 gpointer       data)
{
  descry_canvas_show_all (DESCRY_WINDOW (data)->canvas);
}

static void
change_sidebar (GSimpleAction *action,
                GVariant      *state,
                gpointer       data)
{
  DescryWindow *self = data;

  gtk_widget_set_visible (self->sidebar, g_variant_get_boolean (state));
  if (self->settings != NULL)
    g_settings_set_value (self->settings, "sidebar", state);
  g_simple_action_set_state (action, state);
}

static void
fullscreen_action (GSimpleAction *action,
                   GVariant      *parameter,
                   gpointer       data)
{
  GtkWindow *window = data;

  if (gtk_window_is_fullscreen (window))
    gtk_window_unfullscreen (window);
  else
    gtk_window_fullscreen (window);
}

static void
show_panel_action (GSimpleAction *action,
                   GVariant      *parameter,
                   gpointer       data)
{
  DescryWindow *self = data;

  adw_view_stack_set_visible_child_name (self->panels, g_variant_get_string (parameter, NULL));
  g_action_group_change_action_state (G_ACTION_GROUP (self), "sidebar", g_variant_new_boolean (TRUE));
}

/* F6: picture, composer, list, around. */
static void
next_part_action (GSimpleAction *action,
                  GVariant      *parameter,
                  gpointer       data)
{
  DescryWindow *self = data;

  if (self->image == NULL)
    return;
  if (gtk_widget_has_focus (GTK_WIDGET (self->canvas)) && gtk_widget_get_visible (self->sidebar))
    {
      adw_view_stack_set_visible_child_name (self->panels, "chat");
      descry_chat_focus (self->chat);
    }
  else if (gtk_widget_is_ancestor (gtk_window_get_focus (GTK_WINDOW (self)), GTK_WIDGET (self->chat)))
    {
      adw_view_stack_set_visible_child_name (self->panels, "objects");
      gtk_widget_child_focus (GTK_WIDGET (self->objects), GTK_DIR_TAB_FORWARD);
    }
  else
    gtk_widget_grab_focus (GTK_WIDGET (self->canvas));
}

/* --------- Work ------------------ */

static void
analyze_action (GSimpleAction *action,
                GVariant      *parameter,
                gpointer       data)
{
  descry_window_analyze (data);
}

/* The newest of what runs and shows progress; an answer has a Stop of its own. */
static void
cancel_action (GSimpleAction *action,
               GVariant      *parameter,
               gpointer       data)
{
  DescryWindow *self = data;

  if (self->loading != NULL)
    g_cancellable_cancel (self->loading);
  else if (self->segmenting != NULL)
    g_cancellable_cancel (self->segmenting);
  else if (self->analysis != NULL)
    g_cancellable_cancel (self->analysis);
}

/* A region, then whatever runs, then the full screen: one a press. */
gboolean
descry_window_escape (GtkWidget *widget,
                      GVariant  *parameter,
                      gpointer   data)
{
  DescryWindow *self = DESCRY_WINDOW (widget);

  if (self->segmenting != NULL)
    g_cancellable_cancel (self->segmenting);
  else if (self->answering != NULL)
    g_cancellable_cancel (self->answering);
  else if (self->loading != NULL || self->analysis != NULL)
    cancel_action (NULL, NULL, self);
  else if (gtk_window_is_fullscreen (GTK_WINDOW (self)))
    gtk_window_unfullscreen (GTK_WINDOW (self));
  else
    return FALSE;

  return TRUE;
}

static void
ask_about_action (GSimpleAction *action,
                  GVariant      *parameter,
                  gpointer       data)
{
  DescryWindow *self = data;

  gtk_widget_activate_action (GTK_WIDGET (self->canvas), "canvas.ask", NULL);
}

static void
new_conversation_action (GSimpleAction *action,
                         GVariant      *parameter,
                         gpointer       data)
{
  DescryWindow *self = data;

  descry_window_begin_conversation (self);
  descry_chat_focus (self->chat);
}

void
descry_window_update_actions (DescryWindow *self)
{
  static const char *with_picture[] = {
    "zoom-in", "zoom-out", "zoom-fit", "zoom-one", "show-all", "new-conversation", "next-picture", "previous-picture", "boxes", "masks", "names", "scores",
  };
  GActionMap *map = G_ACTION_MAP (self);
  gboolean picture = self->image != NULL;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (with_picture); i++)
    {
      GAction *action = g_action_map_lookup_action (map, with_picture[i]);

      if (G_IS_SIMPLE_ACTION (action))
        g_simple_action_set_enabled (G_SIMPLE_ACTION (action), picture);
    }
  g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (map, "analyze")), picture && self->engine != NULL);
  g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (map, "ask-about")),
                               picture && descry_canvas_get_selection (self->canvas)->len > 0);
  descry_window_update_edit_actions (self);
  descry_window_update_export_actions (self);
  gtk_widget_set_sensitive (GTK_WIDGET (self->overlay_button), picture);
  gtk_widget_set_visible (GTK_WIDGET (self->sidebar_button), picture);
}

/* Property actions hold the canvas or the list, and whoever still watches an action would hold them. */
void
descry_window_clear_actions (DescryWindow *self)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (toggles); i++)
    g_action_map_remove_action (G_ACTION_MAP (self), toggles[i].action);
  g_action_map_remove_action (G_ACTION_MAP (self), "group-objects");
}

void
descry_window_init_actions (DescryWindow *self)
{
  static const GActionEntry entries[] = {
    { "open", open_action },
    { "paste", paste_action },
    { "sample", sample_action },
    { "zoom-in", zoom_in_action },
    { "zoom-out", zoom_out_action },
    { "zoom-fit", zoom_fit_action },
    { "zoom-one", zoom_one_action },
    { "show-all", show_all_action },
    { "sidebar", NULL, NULL, "true", change_sidebar },
    { "fullscreen", fullscreen_action },
    { "panel", show_panel_action, "s" },
    { "next-part", next_part_action },
    { "analyze", analyze_action },
    { "cancel", cancel_action },
    { "ask-about", ask_about_action },
    { "new-conversation", new_conversation_action },
  };
  GType types[] = { GDK_TYPE_FILE_LIST, GDK_TYPE_TEXTURE };
  GtkDropTarget *drop = gtk_drop_target_new (G_TYPE_INVALID, GDK_ACTION_COPY);
  g_autoptr (GFile) sample = find_sample ();
  guint i;

  gtk_widget_set_visible (self->sample_button, sample != NULL);
  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  for (i = 0; i < G_N_ELEMENTS (toggles); i++)
    {
      g_autoptr (GPropertyAction) action = g_property_action_new (toggles[i].action, self->canvas, toggles[i].property);

      g_action_map_add_action (G_ACTION_MAP (self), G_ACTION (action));
    }

  {
    g_autoptr (GPropertyAction) action = g_property_action_new ("group-objects", self->objects, "grouped");

    g_action_map_add_action (G_ACTION_MAP (self), G_ACTION (action));
  }

  gtk_drop_target_set_gtypes (drop, types, G_N_ELEMENTS (types));
  g_signal_connect_object (drop, "enter", G_CALLBACK (drop_enter_cb), self, 0);
  g_signal_connect_object (drop, "leave", G_CALLBACK (drop_leave_cb), self, 0);
  g_signal_connect_object (drop, "drop", G_CALLBACK (drop_cb), self, 0);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drop));
  descry_window_update_actions (self);
}
