/* window-edits.c - rename, hide, delete objects and turns, and the way back
 *
 * Every way of changing what the canvas shows ends in its "visibility" or "threshold", so steps are
 * taken there, and undo sets the canvas from the edits.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <glib/gi18n.h>

#include "ui/bidi.h"
#include "ui/filters.h"

#define STEP_MS 800 /* changes of the threshold by keys or wheel within this time are one step */

/* --------- In step ------------------ */

static void
show_view (DescryWindow *self)
{
  GHashTable *hidden = descry_edits_hidden (self->edits);
  g_autoptr (GHashTable) wanted = g_hash_table_new (NULL, NULL);
  GHashTableIter iter;
  gpointer id;

  /* The canvas's own set changes while it is walked through; ours may be the same ids. */
  g_hash_table_iter_init (&iter, hidden);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    g_hash_table_add (wanted, id);

  self->showing_edits = TRUE;
  g_object_freeze_notify (G_OBJECT (self->canvas));
  descry_canvas_show_all (self->canvas);
  g_hash_table_iter_init (&iter, wanted);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    descry_canvas_set_hidden (self->canvas, GPOINTER_TO_UINT (id), TRUE);
  descry_canvas_set_solo (self->canvas, descry_edits_solo (self->edits));
  if (descry_canvas_get_view (self->canvas)->threshold != descry_edits_threshold (self->edits))
    g_object_set (self->canvas, "threshold", (double) descry_edits_threshold (self->edits), NULL);
  g_object_thaw_notify (G_OBJECT (self->canvas));
  gtk_adjustment_set_value (self->overlap_adjustment, (double) descry_edits_overlap (self->edits));
  gtk_adjustment_set_value (self->tags_adjustment, (double) descry_edits_tags (self->edits));
  self->showing_edits = FALSE;
}

void
descry_window_show_edits (DescryWindow *self)
{
  DescryScene *scene = self->found != NULL ? descry_edits_apply (self->edits, self->found) : NULL;

  g_clear_pointer (&self->scene, descry_scene_unref);
  self->scene = scene;

  descry_canvas_set_scene (self->canvas, scene);
  descry_chat_set_scene (self->chat, scene);
  descry_window_suggest (self);
  descry_objects_update (self->objects);
  descry_inspect_update (self->inspect);
  descry_window_update_actions (self);
}

void
descry_window_suggest (DescryWindow *self)
{
  g_autoptr (DescryScene) shown = descry_window_shown_scene (self, NULL);

  descry_chat_suggest_from (self->chat, shown, descry_canvas_get_view (self->canvas)->threshold);
}

static void
edited_cb (DescryEdits *edits,
           gpointer     data)
{
  DescryWindow *self = data;

  /* The next step back is this one, not a point. */
  if (!self->adding_region)
    descry_window_end_points (self);
  /* The offer to undo was about another step. The toast stays without its button: libadwaita 1.2 crashes when one that is
   * still coming in is dismissed. */
  if (self->undo_toast != NULL)
    adw_toast_set_button_label (self->undo_toast, NULL);
  show_view (self);
  descry_window_show_edits (self);
  descry_chat_set_deleted (self->chat, descry_edits_deleted_turns (edits));
  descry_window_keep_edits (self);
  if (self->analysis == NULL)
    descry_window_update_title (self);
}

static gboolean
end_step_cb (gpointer data)
{
  DescryWindow *self = data;

  self->threshold_source = 0;
  descry_edits_end_step (self->edits);
  return G_SOURCE_REMOVE;
}

/* Changes that follow each other without a drag are one step while they come quickly. */
static void
end_step_later (DescryWindow *self)
{
  g_clear_handle_id (&self->threshold_source, g_source_remove);
  if (!self->dragging_threshold)
    self->threshold_source = g_timeout_add (STEP_MS, end_step_cb, self);
}

static void
view_changed_cb (DescryCanvas *canvas,
                 GParamSpec   *pspec,
                 DescryWindow *self)
{
  const DescryView *view = descry_canvas_get_view (canvas);

  /* Without a picture there is nothing to go back to. */
  if (self->showing_edits || self->image == NULL || descry_canvas_get_image (canvas) != self->image)
    return;

  descry_edits_set_view (self->edits, view->hidden, view->solo, view->threshold);
  descry_window_suggest (self);
  end_step_later (self);
}

static void
filters_changed_cb (DescryWindow *self)
{
  if (self->showing_edits)
    return;
  if (self->image == NULL)
    {
      show_view (self); /* there is nothing to leave out */
      return;
    }

  descry_edits_set_filters (self->edits, (float) gtk_adjustment_get_value (self->overlap_adjustment),
                            (float) gtk_adjustment_get_value (self->tags_adjustment));
  end_step_later (self);
}

/* The target: "score", "overlap", "tags", or "all". */
static void
reset_threshold_action (GSimpleAction *action,
                        GVariant      *parameter,
                        gpointer       data)
{
  DescryWindow *self = data;
  const char *which = g_variant_get_string (parameter, NULL);
  gboolean all = g_str_equal (which, "all");

  if (all || g_str_equal (which, "score"))
    g_object_set (self->canvas, "threshold", (double) DESCRY_SCENE_THRESHOLD, NULL);
  if (all || g_str_equal (which, "overlap"))
    gtk_adjustment_set_value (self->overlap_adjustment, DESCRY_FILTERS_ANY_OVERLAP);
  if (all || g_str_equal (which, "tags"))
    gtk_adjustment_set_value (self->tags_adjustment, 0.0);
}

/* A whole drag is one step, however long the pointer rests. */
static gboolean
scale_event_cb (GtkEventControllerLegacy *controller,
                GdkEvent                 *event,
                DescryWindow             *self)
{
  GdkEventType type = gdk_event_get_event_type (event);

  if (type == GDK_BUTTON_PRESS || type == GDK_TOUCH_BEGIN)
    {
      g_clear_handle_id (&self->threshold_source, g_source_remove);
      descry_edits_end_step (self->edits);
      self->dragging_threshold = TRUE;
    }
  else if (type == GDK_BUTTON_RELEASE || type == GDK_TOUCH_END || type == GDK_TOUCH_CANCEL)
    {
      self->dragging_threshold = FALSE;
      descry_edits_end_step (self->edits);
    }
  return FALSE;
}

/* --------- Undo ------------------ */

/* While a question is being written, its text goes back first. */
static gboolean
text_takes (DescryWindow *self,
            gboolean      redo)
{
  GtkWidget *focus = gtk_window_get_focus (GTK_WINDOW (self));
  GtkTextBuffer *buffer;

  if (focus == NULL || !GTK_IS_TEXT_VIEW (focus))
    return FALSE;
  buffer = gtk_text_view_get_buffer (GTK_TEXT_VIEW (focus));
  if (!(redo ? gtk_text_buffer_get_can_redo (buffer) : gtk_text_buffer_get_can_undo (buffer)))
    return FALSE;

  gtk_widget_activate_action (focus, redo ? "text.redo" : "text.undo", NULL);
  return TRUE;
}

static void
undo_action (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       data)
{
  DescryWindow *self = data;

  if (!text_takes (self, FALSE) && !descry_window_undo_point (self))
    descry_edits_undo (self->edits);
}

static void
redo_action (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       data)
{
  DescryWindow *self = data;

  if (!text_takes (self, TRUE) && !descry_window_redo_point (self))
    descry_edits_redo (self->edits);
}

static void
toast_gone_cb (AdwToast     *toast,
               DescryWindow *self)
{
  if (self->undo_toast == toast)
    self->undo_toast = NULL;
}

static void
offer_undo (DescryWindow *self,
            const char   *text)
{
  AdwToast *toast = adw_toast_new (text);

  adw_toast_set_button_label (toast, _("_Undo"));
  adw_toast_set_action_name (toast, "win.undo");
  adw_toast_set_timeout (toast, 5);
  g_signal_connect_object (toast, "dismissed", G_CALLBACK (toast_gone_cb), self, 0);
  self->undo_toast = toast;
  adw_toast_overlay_add_toast (self->toasts, toast);
}

static void
delete_turn_cb (DescryChat   *chat,
                const char   *key,
                gboolean      replaced,
                DescryWindow *self)
{
  if (descry_edits_delete_turn (self->edits, key) && !replaced)
    offer_undo (self, _("Question and answer deleted"));
}

/* --------- Commands ------------------ */

static DescryObject *
first_selected (DescryWindow *self)
{
  GArray *ids = descry_canvas_get_selection (self->canvas);

  return self->scene != NULL && ids->len > 0 ? descry_scene_find (self->scene, g_array_index (ids, guint, 0)) : NULL;
}

static void
hide_action (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       data)
{
  DescryWindow *self = data;

  gtk_widget_activate_action (GTK_WIDGET (self->canvas), "canvas.hide", NULL);
  offer_undo (self, _("Hidden"));
}

static void
solo_action (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       data)
{
  gtk_widget_activate_action (GTK_WIDGET (DESCRY_WINDOW (data)->canvas), "canvas.solo", NULL);
}

static void
delete_action (GSimpleAction *action,
               GVariant      *parameter,
               gpointer       data)
{
  DescryWindow *self = data;
  DescryObject *object = first_selected (self);
  g_autoptr (GArray) ids = NULL;
  g_autofree char *name = NULL, *text = NULL;

  if (object == NULL)
    return;

  name = descry_bidi_isolate (object->name);
  ids = g_array_copy (descry_canvas_get_selection (self->canvas)); /* it becomes shorter */
  if (ids->len == 1)
    text = g_strdup_printf (_("“%s” deleted"), name);
  else
    text = g_strdup_printf (ngettext ("%u object deleted", "%u objects deleted", ids->len), ids->len);
  if (descry_edits_delete (self->edits, self->found, (const guint *) ids->data, ids->len))
    offer_undo (self, text);
}

static void
rename_response_cb (AdwMessageDialog *dialog,
                    const char       *response,
                    DescryWindow     *self)
{
  guint id = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (dialog), "descry-id"));
  GtkWidget *entry = adw_message_dialog_get_extra_child (dialog);
  DescryObject *object = self->found != NULL ? descry_scene_find (self->found, id) : NULL;

  /* The picture may be another one by now. */
  if (g_str_equal (response, "rename") && object != NULL && g_object_get_data (G_OBJECT (dialog), "descry-image") == self->image)
    descry_edits_rename (self->edits, object, gtk_editable_get_text (GTK_EDITABLE (entry)));
}

static void
rename_action (GSimpleAction *action,
               GVariant      *parameter,
               gpointer       data)
{
  DescryWindow *self = data;
  DescryObject *object = first_selected (self);
  GtkWidget *dialog, *entry;

  if (object == NULL)
    return;

  dialog = adw_message_dialog_new (GTK_WINDOW (self), _("Rename"), _("Answers and exports use this name. Leave it empty for the name that was found."));
  entry = gtk_entry_new ();
  gtk_editable_set_text (GTK_EDITABLE (entry), object->name);
  gtk_entry_set_max_length (GTK_ENTRY (entry), DESCRY_EDITS_MAX_NAME);
  gtk_entry_set_activates_default (GTK_ENTRY (entry), TRUE);
  gtk_accessible_update_property (GTK_ACCESSIBLE (entry), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Name"), -1);
  adw_message_dialog_set_extra_child (ADW_MESSAGE_DIALOG (dialog), entry);
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _("_Cancel"), "rename", _("_Rename"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "rename", ADW_RESPONSE_SUGGESTED);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "rename");
  adw_message_dialog_set_close_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  g_object_set_data (G_OBJECT (dialog), "descry-id", GUINT_TO_POINTER (object->id));
  g_object_set_data_full (G_OBJECT (dialog), "descry-image", descry_image_ref (self->image), (GDestroyNotify) descry_image_unref);
  g_signal_connect_object (dialog, "response", G_CALLBACK (rename_response_cb), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
  gtk_widget_grab_focus (entry);
}

/* --------- Wiring ------------------ */

static void
set_enabled (DescryWindow *self,
             const char   *name,
             gboolean      enabled)
{
  g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (G_ACTION_MAP (self), name)), enabled);
}

void
descry_window_update_edit_actions (DescryWindow *self)
{
  static const char *on_selection[] = { "rename", "hide", "solo", "delete" };
  gboolean selected = first_selected (self) != NULL;
  gboolean undo = descry_edits_undo_kind (self->edits) != DESCRY_EDIT_NONE;
  gboolean redo = descry_edits_redo_kind (self->edits) != DESCRY_EDIT_NONE || self->taken_points->len > 0;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (on_selection); i++)
    set_enabled (self, on_selection[i], selected);
  /* With nothing to undo here the keys go on to the text that is being written. */
  set_enabled (self, "undo", undo);
  set_enabled (self, "redo", redo);
  gtk_widget_set_visible (self->undo_box, !self->narrow && (undo || redo));
}

void
descry_window_clear_edits (DescryWindow *self)
{
  self->undo_toast = NULL;
  g_clear_handle_id (&self->threshold_source, g_source_remove);
}

void
descry_window_init_edits (DescryWindow *self)
{
  static const GActionEntry entries[] = {
    { "undo", undo_action },
    { "redo", redo_action },
    { "rename", rename_action },
    { "hide", hide_action },
    { "solo", solo_action },
    { "delete", delete_action },
    { "reset-threshold", reset_threshold_action, "s" },
  };
  GtkWidget *const scales[] = { self->opacity, self->threshold_scale, self->overlap_scale, self->tags_scale };
  gboolean rtl = gtk_widget_get_direction (GTK_WIDGET (self)) == GTK_TEXT_DIR_RTL;
  guint i;

  self->edits = descry_edits_new (edited_cb, self);
  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  g_signal_connect_object (self->chat, "delete-turn", G_CALLBACK (delete_turn_cb), self, 0);
  g_signal_connect_object (self->canvas, "notify::visibility", G_CALLBACK (view_changed_cb), self, 0);
  g_signal_connect_object (self->canvas, "notify::threshold", G_CALLBACK (view_changed_cb), self, 0);
  g_signal_connect_object (self->overlap_adjustment, "value-changed", G_CALLBACK (filters_changed_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->tags_adjustment, "value-changed", G_CALLBACK (filters_changed_cb), self, G_CONNECT_SWAPPED);
  for (i = 0; i < G_N_ELEMENTS (scales); i++)
    {
      GtkEventController *events;

      /* GTK does not mirror it; the number would be where the scale begins. */
      gtk_scale_set_value_pos (GTK_SCALE (scales[i]), rtl ? GTK_POS_LEFT : GTK_POS_RIGHT);
      if (scales[i] == self->opacity)
        continue;
      events = gtk_event_controller_legacy_new ();
      gtk_event_controller_set_propagation_phase (events, GTK_PHASE_CAPTURE);
      g_signal_connect_object (events, "event", G_CALLBACK (scale_event_cb), self, 0);
      gtk_widget_add_controller (scales[i], events);
    }
}
