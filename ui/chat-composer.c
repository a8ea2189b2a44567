/* chat-composer.c - what is written below the conversation: the question, its chips, and questions that the picture invites
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-chat"

#include "config.h"

#include "ui/chat-private.h"

#include <glib/gi18n.h>

#include "ui/badge.h"
#include "ui/main-thread.h"
#include "ui/pyramid.h"
#include "ui/suggestions.h"

#define CHIP_SIDE 48 /* pixels of a thumbnail: twice its size on screen */

static char *
entry_text (DescryChat *self)
{
  GtkTextBuffer *buffer = gtk_text_view_get_buffer (self->entry);
  GtkTextIter start, end;

  gtk_text_buffer_get_bounds (buffer, &start, &end);
  return g_strstrip (gtk_text_buffer_get_text (buffer, &start, &end, FALSE));
}

/* --------- Suggestions ------------------ */

static void
suggestion_clicked_cb (GtkButton  *button,
                       DescryChat *self)
{
  g_autofree char *question = g_strdup (gtk_button_get_label (button));

  if (self->running == NULL && self->blocked == NULL)
    g_signal_emit (self, descry_chat_signals[CHAT_ASK], 0, question);
}

/* Under the picture the conversation itself gets all the height there is. */
static gboolean
is_tight (DescryChat *self)
{
  return self->compact && g_strcmp0 (gtk_stack_get_visible_child_name (self->stack), "turns") == 0;
}

static void
update_notice (DescryChat *self)
{
  gtk_widget_set_visible (GTK_WIDGET (self->notice), *gtk_label_get_label (self->notice) != '\0' && !is_tight (self));
}

/* Shown while nothing is being written or answered. */
static void
update_suggestions (DescryChat *self)
{
  gboolean idle = self->running == NULL && self->blocked == NULL && gtk_text_buffer_get_char_count (gtk_text_view_get_buffer (self->entry)) == 0;
  g_auto (GStrv) questions = descry_suggestions (self->told, self->threshold, self->chips->len);
  GtkWidget *child;
  guint i;

  gtk_widget_set_visible (self->suggestion_scroller, idle && questions[0] != NULL && !is_tight (self));
  if (self->suggested != NULL && g_strv_equal ((const char *const *) questions, (const char *const *) self->suggested))
    return;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self->suggestions))) != NULL)
    gtk_box_remove (self->suggestions, child);
  for (i = 0; questions[i] != NULL; i++)
    {
      GtkWidget *button = gtk_button_new_with_label (questions[i]);

      gtk_widget_add_css_class (button, "descry-suggestion");
      g_signal_connect_object (button, "clicked", G_CALLBACK (suggestion_clicked_cb), self, 0);
      gtk_box_append (self->suggestions, button);
    }
  g_strfreev (self->suggested);
  self->suggested = g_steal_pointer (&questions);
}

void
descry_chat_suggest_from (DescryChat  *self,
                          DescryScene *scene,
                          float        threshold)
{
  descry_assert_main_thread ();

  if (scene != NULL)
    descry_scene_ref (scene);
  g_clear_pointer (&self->told, descry_scene_unref);
  self->told = scene;
  self->threshold = threshold;
  update_suggestions (self);
}

/* --------- Send ------------------ */

/* Send and Stop are one button, in one place. */
void
descry_chat_update_send (DescryChat *self)
{
  g_autofree char *text = entry_text (self);
  gboolean running = self->running != NULL;
  const char *name = running ? _("Stop") : _("Send");

  gtk_button_set_icon_name (self->send, running ? "media-playback-stop-symbolic" : "go-up-symbolic");
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->send), self->blocked != NULL && !running ? self->blocked : name);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->send), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
  gtk_widget_set_sensitive (GTK_WIDGET (self->send), running || (self->blocked == NULL && *text != '\0'));
  /* An edited question that is taken back takes no place. */
  if (*text == '\0')
    g_clear_pointer (&self->replaced, g_free);
  gtk_widget_set_visible (GTK_WIDGET (self->hint), gtk_text_buffer_get_char_count (gtk_text_view_get_buffer (self->entry)) == 0);
  update_suggestions (self);
}

static void
question_changed_cb (DescryChat *self)
{
  descry_chat_update_send (self);
  g_signal_emit (self, descry_chat_signals[CHAT_QUESTION_CHANGED], 0);
}

void
descry_chat_send_or_stop (DescryChat *self)
{
  g_autofree char *text = NULL;

  if (self->running != NULL)
    {
      g_signal_emit (self, descry_chat_signals[CHAT_STOP], 0);
      return;
    }

  text = entry_text (self);
  if (*text == '\0' || self->blocked != NULL)
    return;

  g_signal_emit (self, descry_chat_signals[CHAT_ASK], 0, text);
}

/* --------- Chips ------------------ */

static void
remove_chip_cb (GtkButton  *button,
                DescryChat *self)
{
  descry_chat_remove_chip (self, GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (button), "descry-id")));
}

static void
chip_entered_cb (GtkEventControllerMotion *controller,
                 double                    x,
                 double                    y,
                 DescryChat               *self)
{
  GtkWidget *chip = gtk_event_controller_get_widget (GTK_EVENT_CONTROLLER (controller));
  guint id = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (chip), "descry-id"));

  g_signal_emit (self, descry_chat_signals[CHAT_LINK_HOVERED], 0, &id, 1);
}

static void
chip_left_cb (GtkEventControllerMotion *controller,
              DescryChat               *self)
{
  g_signal_emit (self, descry_chat_signals[CHAT_LINK_HOVERED], 0, NULL, 0);
}

static GtkWidget *
make_chip (DescryChat         *self,
           guint               id,
           const DescryObject *object)
{
  GtkWidget *chip = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 5);
  GtkWidget *remove = gtk_button_new_from_icon_name ("window-close-symbolic");
  GtkEventController *motion = gtk_event_controller_motion_new ();
  g_autofree char *tooltip = g_strdup_printf (_("Remove %s from the question"), object != NULL ? object->name : _("object"));

  if (object != NULL && self->image != NULL)
    {
      g_autoptr (GdkTexture) texture = descry_crop_texture (self->image, object->box, CHIP_SIDE);
      GtkWidget *picture = gtk_picture_new_for_paintable (GDK_PAINTABLE (texture));

      gtk_picture_set_content_fit (GTK_PICTURE (picture), GTK_CONTENT_FIT_COVER);
      gtk_widget_set_size_request (picture, CHIP_SIDE / 2, CHIP_SIDE / 2);
      gtk_widget_set_overflow (picture, GTK_OVERFLOW_HIDDEN);
      gtk_picture_set_can_shrink (GTK_PICTURE (picture), TRUE);
      gtk_box_append (GTK_BOX (chip), picture);
    }
  gtk_box_append (GTK_BOX (chip), descry_badge_new (id));
  gtk_box_append (GTK_BOX (chip), gtk_label_new (object != NULL ? object->name : _("object")));

  gtk_widget_add_css_class (remove, "flat");
  gtk_widget_add_css_class (remove, "circular");
  gtk_widget_set_tooltip_text (remove, tooltip);
  gtk_accessible_update_property (GTK_ACCESSIBLE (remove), GTK_ACCESSIBLE_PROPERTY_LABEL, tooltip, -1);
  g_object_set_data (G_OBJECT (remove), "descry-id", GUINT_TO_POINTER (id));
  g_signal_connect_object (remove, "clicked", G_CALLBACK (remove_chip_cb), self, 0);
  gtk_box_append (GTK_BOX (chip), remove);

  g_object_set_data (G_OBJECT (chip), "descry-id", GUINT_TO_POINTER (id));
  g_signal_connect_object (motion, "enter", G_CALLBACK (chip_entered_cb), self, 0);
  g_signal_connect_object (motion, "leave", G_CALLBACK (chip_left_cb), self, 0);
  gtk_widget_add_controller (chip, motion);
  gtk_widget_add_css_class (chip, "descry-chip");
  gtk_widget_set_halign (chip, GTK_ALIGN_START);
  return chip;
}

void
descry_chat_update_chips (DescryChat *self)
{
  GtkWidget *child;
  guint i;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self->chip_box))) != NULL)
    gtk_flow_box_remove (self->chip_box, child);
  for (i = 0; i < self->chips->len; i++)
    {
      guint id = g_array_index (self->chips, guint, i);
      GtkWidget *chip = make_chip (self, id, self->scene != NULL ? descry_scene_find (self->scene, id) : NULL);

      gtk_flow_box_insert (self->chip_box, chip, -1);
      gtk_widget_set_focusable (gtk_widget_get_parent (chip), FALSE);
      gtk_widget_set_halign (gtk_widget_get_parent (chip), GTK_ALIGN_START);
    }
  gtk_widget_set_visible (GTK_WIDGET (self->chip_box), self->chips->len > 0);
  update_suggestions (self);
  gtk_label_set_label (self->hint, self->chips->len == 0 ? _("Ask a question…")
                                                         : ngettext ("Ask about this…", "Ask about these…", self->chips->len));
}

void
descry_chat_add_chip (DescryChat *self,
                      guint       id)
{
  guint i;

  descry_assert_main_thread ();
  for (i = 0; i < self->chips->len; i++)
    if (g_array_index (self->chips, guint, i) == id)
      return;

  g_array_append_val (self->chips, id);
  descry_chat_update_chips (self);
}

void
descry_chat_remove_chip (DescryChat *self,
                         guint       id)
{
  guint i;

  descry_assert_main_thread ();
  for (i = 0; i < self->chips->len; i++)
    if (g_array_index (self->chips, guint, i) == id)
      {
        g_array_remove_index (self->chips, i);
        descry_chat_update_chips (self);
        return;
      }
}

GArray *
descry_chat_get_chips (DescryChat *self)
{
  return self->chips;
}

/* --------- Composer ------------------ */

static gboolean
key_pressed_cb (GtkEventControllerKey *controller,
                guint                  keyval,
                guint                  keycode,
                GdkModifierType        state,
                DescryChat            *self)
{
  GtkTextBuffer *buffer = gtk_text_view_get_buffer (self->entry);

  if ((keyval == GDK_KEY_Return || keyval == GDK_KEY_KP_Enter) && (state & (GDK_SHIFT_MASK | GDK_CONTROL_MASK)) == 0)
    {
      if (self->running == NULL)
        descry_chat_send_or_stop (self);
      return TRUE;
    }
  if (keyval == GDK_KEY_BackSpace && gtk_text_buffer_get_char_count (buffer) == 0 && self->chips->len > 0)
    {
      descry_chat_remove_chip (self, g_array_index (self->chips, guint, self->chips->len - 1));
      return TRUE;
    }

  return FALSE;
}

void
descry_chat_set_question (DescryChat *self,
                          const char *text)
{
  gtk_text_buffer_set_text (gtk_text_view_get_buffer (self->entry), text, -1);
  descry_chat_focus (self);
}

char *
descry_chat_get_question (DescryChat *self)
{
  return entry_text (self);
}

void
descry_chat_focus (DescryChat *self)
{
  gtk_widget_grab_focus (GTK_WIDGET (self->entry));
}

void
descry_chat_set_blocked (DescryChat *self,
                         const char *reason)
{
  descry_assert_main_thread ();
  if (g_strcmp0 (reason, self->blocked) == 0)
    return;

  g_free (self->blocked);
  self->blocked = g_strdup (reason);
  gtk_label_set_label (self->empty_text, reason != NULL ? reason
                                                        : _("Double-click an object to ask about it, or ask about the whole picture."));
  descry_chat_update_room (self);
  descry_chat_update_send (self);
}

static void
page_changed_cb (DescryChat *self)
{
  update_suggestions (self);
  update_notice (self);
}

void
descry_chat_set_compact (DescryChat *self,
                         gboolean    compact)
{
  /* Under the picture there is no height for several lines of them: one, to be scrolled. */
  gtk_orientable_set_orientation (GTK_ORIENTABLE (self->suggestions), compact ? GTK_ORIENTATION_HORIZONTAL : GTK_ORIENTATION_VERTICAL);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (self->suggestion_scroller), compact ? GTK_POLICY_EXTERNAL : GTK_POLICY_NEVER, GTK_POLICY_NEVER);
  self->compact = compact;
  descry_chat_update_room (self);
  page_changed_cb (self);
}

void
descry_chat_set_notice (DescryChat *self,
                        const char *notice)
{
  gtk_label_set_label (self->notice, notice != NULL ? notice : "");
  update_notice (self);
}

void
descry_chat_init_composer (DescryChat *self)
{
  GtkEventController *keys = gtk_event_controller_key_new ();

  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect_object (keys, "key-pressed", G_CALLBACK (key_pressed_cb), self, 0);
  gtk_widget_add_controller (GTK_WIDGET (self->entry), keys);
  g_signal_connect_object (gtk_text_view_get_buffer (self->entry), "changed", G_CALLBACK (question_changed_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->send, "clicked", G_CALLBACK (descry_chat_send_or_stop), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->stack, "notify::visible-child", G_CALLBACK (page_changed_cb), self, G_CONNECT_SWAPPED);
  descry_chat_update_send (self);
}
