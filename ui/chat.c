/* chat.c - the conversation about a picture and the composer below it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-chat"

#include "config.h"

#include "ui/chat.h"

#include <string.h>

#include <adwaita.h>
#include <glib/gi18n.h>

#include "ui/badge.h"
#include "ui/column.h"
#include "ui/main-thread.h"
#include "ui/pyramid.h"
#include "ui/suggestions.h"
#include "ui/turn-view.h"

#define CHIP_SIDE 48 /* pixels of a thumbnail: twice its size on screen */
#define NEAR_END 48.0 /* pixels: a view this near to the end follows new text */

struct _DescryChat
{
  GtkWidget          parent_instance;

  GtkWidget         *column; /* the only child: bound, or it would not be disposed of */
  GtkStack          *stack;
  AdwStatusPage     *empty;
  GtkScrolledWindow *scroller;
  GtkBox            *turns;
  GtkWidget         *suggestion_scroller;
  GtkBox            *suggestions;
  GtkLabel          *notice;
  GtkFlowBox        *chip_box;
  GtkTextView       *entry;
  GtkLabel          *hint;
  GtkButton         *send;

  DescryImage       *image;
  DescryScene       *scene;
  gboolean           compact; /* little height */
  DescryScene       *told; /* suggestions come from it, or NULL */
  float              threshold;
  char             **suggested; /* the questions that are shown */
  GArray            *chips; /* of guint */
  DescryTurnView    *running; /* borrowed from the box */
  DescryTurnView    *restored; /* the newest that came back, or NULL; borrowed */
  char              *replaced; /* key of the turn that the next question takes the place of, or NULL */
  char              *wanted; /* key of the turn to scroll to when it has its place, or NULL */
  char              *blocked;
  gboolean           follow; /* the newest text */
};

enum { ASK, STOP, RESUME, LINK_HOVERED, LINK_ACTIVATED, QUESTION_CHANGED, DELETE_TURN, TURN_DELETED, TURN_RESTORED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DescryChat, descry_chat, GTK_TYPE_WIDGET)

static void update_suggestions (DescryChat *self);

static char *
entry_text (DescryChat *self)
{
  GtkTextBuffer *buffer = gtk_text_view_get_buffer (self->entry);
  GtkTextIter start, end;

  gtk_text_buffer_get_bounds (buffer, &start, &end);
  return g_strstrip (gtk_text_buffer_get_text (buffer, &start, &end, FALSE));
}

/* Send and Stop are one button, in one place. */
static void
update_send (DescryChat *self)
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
  update_send (self);
  g_signal_emit (self, signals[QUESTION_CHANGED], 0);
}

static void
send_or_stop (DescryChat *self)
{
  g_autofree char *text = NULL;

  if (self->running != NULL)
    {
      g_signal_emit (self, signals[STOP], 0);
      return;
    }

  text = entry_text (self);
  if (*text == '\0' || self->blocked != NULL)
    return;

  g_signal_emit (self, signals[ASK], 0, text);
}

/* --------- Suggestions ------------------ */

static void
suggestion_clicked_cb (GtkButton  *button,
                       DescryChat *self)
{
  g_autofree char *question = g_strdup (gtk_button_get_label (button));

  if (self->running == NULL && self->blocked == NULL)
    g_signal_emit (self, signals[ASK], 0, question);
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

  g_signal_emit (self, signals[LINK_HOVERED], 0, &id, 1);
}

static void
chip_left_cb (GtkEventControllerMotion *controller,
              DescryChat               *self)
{
  g_signal_emit (self, signals[LINK_HOVERED], 0, NULL, 0);
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

static void
update_chips (DescryChat *self)
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
  update_chips (self);
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
        update_chips (self);
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
        send_or_stop (self);
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
  adw_status_page_set_description (self->empty, reason != NULL ? reason
                                                               : _("Double-click an object to ask about it, or ask about the whole picture."));
  update_send (self);
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
  adw_status_page_set_icon_name (self->empty, compact ? NULL : "dialog-question-symbolic");
  /* Under the picture there is no height for several lines of them: one, to be scrolled. */
  gtk_orientable_set_orientation (GTK_ORIENTABLE (self->suggestions), compact ? GTK_ORIENTATION_HORIZONTAL : GTK_ORIENTATION_VERTICAL);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (self->suggestion_scroller), compact ? GTK_POLICY_EXTERNAL : GTK_POLICY_NEVER, GTK_POLICY_NEVER);
  self->compact = compact;
  page_changed_cb (self);
}

void
descry_chat_set_notice (DescryChat *self,
                        const char *notice)
{
  gtk_label_set_label (self->notice, notice != NULL ? notice : "");
  update_notice (self);
}

/* --------- Turns ------------------ */

static void
link_hovered_cb (DescryTurnView *view,
                 gpointer        ids,
                 guint           n,
                 DescryChat     *self)
{
  g_signal_emit (self, signals[LINK_HOVERED], 0, ids, n);
}

static void
link_activated_cb (DescryTurnView *view,
                   gpointer        ids,
                   guint           n,
                   DescryChat     *self)
{
  g_signal_emit (self, signals[LINK_ACTIVATED], 0, ids, n);
}

static DescryTurnView *
find_turn (DescryChat *self,
           const char *key)
{
  GtkWidget *child;

  for (child = gtk_widget_get_first_child (GTK_WIDGET (self->turns)); child != NULL; child = gtk_widget_get_next_sibling (child))
    if (g_strcmp0 (descry_turn_view_get_key (DESCRY_TURN_VIEW (child)), key) == 0)
      return DESCRY_TURN_VIEW (child);

  return NULL;
}

static gboolean
is_deleted (GtkWidget *view)
{
  return !gtk_widget_get_visible (view);
}

/* Turns that are gone keep their places, unseen: they may come back. */
static void
show_page (DescryChat *self)
{
  GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self->turns));

  while (child != NULL && is_deleted (child))
    child = gtk_widget_get_next_sibling (child);
  gtk_stack_set_visible_child_name (self->stack, child != NULL ? "turns" : "empty");
}

static void
delete_cb (DescryTurnView *view,
           DescryChat     *self)
{
  g_autofree char *key = g_strdup (descry_turn_view_get_key (view));

  if (key != NULL)
    g_signal_emit (self, signals[DELETE_TURN], 0, key, FALSE);
}

void
descry_chat_set_deleted (DescryChat *self,
                         GHashTable *keys)
{
  g_autofree char *before = NULL;
  GtkWidget *child;

  descry_assert_main_thread ();
  for (child = gtk_widget_get_first_child (GTK_WIDGET (self->turns)); child != NULL; child = gtk_widget_get_next_sibling (child))
    {
      DescryTurnView *view = DESCRY_TURN_VIEW (child);
      const char *key = descry_turn_view_get_key (view);
      gboolean deleted = key != NULL && g_hash_table_contains (keys, key);

      if (deleted && !is_deleted (child))
        {
          gtk_widget_set_visible (child, FALSE);
          g_signal_emit (self, signals[TURN_DELETED], 0, key);
        }
      else if (!deleted && is_deleted (child))
        {
          g_autoptr (DescryTurn) turn = descry_turn_view_dup_turn (view);

          gtk_widget_set_visible (child, TRUE);
          g_signal_emit (self, signals[TURN_RESTORED], 0, key, turn, !descry_turn_view_is_interrupted (view), before);
        }
      if (!deleted && key != NULL)
        {
          g_free (before);
          before = g_strdup (key);
        }
    }
  show_page (self);
}

static void
ask_again_cb (DescryTurnView *view,
              DescryChat     *self)
{
  GArray *chips = descry_turn_view_get_chips (view);
  guint i;

  g_array_set_size (self->chips, 0);
  for (i = 0; i < chips->len; i++)
    if (self->scene != NULL && descry_scene_find (self->scene, g_array_index (chips, guint, i)) != NULL)
      g_array_append_val (self->chips, g_array_index (chips, guint, i));
  update_chips (self);
  g_clear_pointer (&self->replaced, g_free);
  descry_chat_set_question (self, descry_turn_view_get_question (view));
}

static void
edit_cb (DescryTurnView *view,
         DescryChat     *self)
{
  ask_again_cb (view, self);
  self->replaced = g_strdup (descry_turn_view_get_key (view));
}

static void
repeat_cb (DescryTurnView *view,
           DescryChat     *self)
{
  edit_cb (view, self);
  if (self->running == NULL)
    send_or_stop (self);
}

static gboolean
scroll_to_wanted_cb (GtkWidget     *widget,
                     GdkFrameClock *clock,
                     gpointer       data)
{
  DescryChat *self = DESCRY_CHAT (widget);
  DescryTurnView *view = self->wanted != NULL ? find_turn (self, self->wanted) : NULL;
  double x, y;

  if (view != NULL && (gtk_widget_get_height (GTK_WIDGET (view)) == 0
                       || !gtk_widget_translate_coordinates (GTK_WIDGET (view), GTK_WIDGET (self->turns), 0, 0, &x, &y)))
    return G_SOURCE_CONTINUE; /* it has no place yet */

  if (view != NULL)
    gtk_adjustment_set_value (gtk_scrolled_window_get_vadjustment (self->scroller), y);
  g_clear_pointer (&self->wanted, g_free);
  return G_SOURCE_REMOVE;
}

static void
resume_cb (DescryTurnView *view,
           DescryChat     *self)
{
  if (self->running == NULL && self->blocked == NULL)
    g_signal_emit (self, signals[RESUME], 0, descry_turn_view_get_turn (view), descry_turn_view_get_key (view));
}

static void
size_changed_cb (GtkAdjustment *adjustment,
                 DescryChat    *self)
{
  if (self->follow)
    gtk_adjustment_set_value (adjustment, gtk_adjustment_get_upper (adjustment));
}

/* A person who scrolls back is left there. */
static void
scrolled_cb (GtkAdjustment *adjustment,
             DescryChat    *self)
{
  self->follow = gtk_adjustment_get_value (adjustment) + gtk_adjustment_get_page_size (adjustment) + NEAR_END >=
                 gtk_adjustment_get_upper (adjustment);
}

static DescryTurnView *
add_turn (DescryChat     *self,
          const char     *question,
          GArray         *chips,
          DescryTurnView *after) /* or NULL: the first */
{
  GtkWidget *view = descry_turn_view_new (question, (const guint *) chips->data, chips->len, self->scene);

  if (after != NULL)
    descry_turn_view_settle (after);
  g_signal_connect_object (view, "link-hovered", G_CALLBACK (link_hovered_cb), self, 0);
  g_signal_connect_object (view, "link-activated", G_CALLBACK (link_activated_cb), self, 0);
  g_signal_connect_object (view, "ask-again", G_CALLBACK (ask_again_cb), self, 0);
  g_signal_connect_object (view, "edit", G_CALLBACK (edit_cb), self, 0);
  g_signal_connect_object (view, "repeat", G_CALLBACK (repeat_cb), self, 0);
  g_signal_connect_object (view, "delete", G_CALLBACK (delete_cb), self, 0);
  g_signal_connect_object (view, "resume", G_CALLBACK (resume_cb), self, 0);
  self->follow = TRUE;
  gtk_box_insert_child_after (self->turns, view, GTK_WIDGET (after));
  gtk_stack_set_visible_child_name (self->stack, "turns");

  return DESCRY_TURN_VIEW (view);
}

void
descry_chat_restore (DescryChat *self,
                     const char *key,
                     DescryTurn *turn,
                     gboolean    interrupted)
{
  descry_assert_main_thread ();

  self->restored = add_turn (self, turn->question, turn->chips, self->restored);
  descry_turn_view_set_key (self->restored, key);
  if (interrupted)
    descry_turn_view_interrupt (self->restored, turn, self->scene);
  else
    descry_turn_view_finish (self->restored, turn, self->scene);
  /* Something was asked before this came. */
  if (gtk_widget_get_next_sibling (GTK_WIDGET (self->restored)) != NULL)
    descry_turn_view_settle (self->restored);
}

void
descry_chat_set_key (DescryChat *self,
                     const char *key)
{
  g_return_if_fail (self->running != NULL);

  descry_turn_view_set_key (self->running, key);
}

gboolean
descry_chat_reveal (DescryChat *self,
                    const char *key)
{
  if (find_turn (self, key) == NULL)
    return FALSE;

  self->follow = FALSE;
  g_free (self->wanted);
  self->wanted = g_strdup (key);
  gtk_widget_add_tick_callback (GTK_WIDGET (self), scroll_to_wanted_cb, NULL, NULL);
  return TRUE;
}

void
descry_chat_begin (DescryChat *self,
                   const char *question)
{
  g_autofree char *replaced = g_steal_pointer (&self->replaced);

  descry_assert_main_thread ();
  g_return_if_fail (self->running == NULL);

  self->running = add_turn (self, question, self->chips, DESCRY_TURN_VIEW (gtk_widget_get_last_child (GTK_WIDGET (self->turns))));
  if (replaced != NULL && find_turn (self, replaced) != NULL)
    g_signal_emit (self, signals[DELETE_TURN], 0, replaced, TRUE);
  gtk_text_buffer_set_text (gtk_text_view_get_buffer (self->entry), "", 0);
  g_array_set_size (self->chips, 0);
  update_chips (self);
  update_send (self);
}

void
descry_chat_resume (DescryChat *self,
                    DescryTurn *turn,
                    const char *key)
{
  GtkWidget *last = gtk_widget_get_last_child (GTK_WIDGET (self->turns));
  DescryTurnView *before;

  descry_assert_main_thread ();
  g_return_if_fail (self->running == NULL && last != NULL && descry_turn_view_get_turn (DESCRY_TURN_VIEW (last)) == turn);

  before = DESCRY_TURN_VIEW (gtk_widget_get_prev_sibling (last));
  if (self->restored == DESCRY_TURN_VIEW (last))
    self->restored = before;
  gtk_box_remove (self->turns, last);
  self->running = add_turn (self, turn->question, turn->chips, before);
  descry_turn_view_set_key (self->running, key);
  descry_turn_view_append (self->running, turn->answer);
  update_send (self);
}

void
descry_chat_set_stage (DescryChat *self,
                       const char *text)
{
  if (self->running != NULL)
    descry_turn_view_set_stage (self->running, text);
}

void
descry_chat_append (DescryChat *self,
                    const char *text)
{
  if (self->running != NULL)
    descry_turn_view_append (self->running, text);
}

void
descry_chat_finish (DescryChat *self,
                    DescryTurn *turn)
{
  g_return_if_fail (self->running != NULL);

  descry_turn_view_finish (self->running, turn, self->scene);
  self->running = NULL;
  update_send (self);
}

void
descry_chat_fail (DescryChat *self,
                  const char *message,
                  gboolean    stopped)
{
  g_return_if_fail (self->running != NULL);

  descry_turn_view_fail (self->running, message, stopped);
  self->running = NULL;
  update_send (self);
}

gboolean
descry_chat_is_running (DescryChat *self)
{
  return self->running != NULL;
}

void
descry_chat_mark (DescryChat  *self,
                  const guint *ids,
                  guint        n)
{
  GtkWidget *child;

  for (child = gtk_widget_get_first_child (GTK_WIDGET (self->turns)); child != NULL; child = gtk_widget_get_next_sibling (child))
    descry_turn_view_mark (DESCRY_TURN_VIEW (child), ids, n);
}

GPtrArray *
descry_chat_get_history (DescryChat *self)
{
  GPtrArray *history = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_turn_unref);
  GtkWidget *child;

  for (child = gtk_widget_get_first_child (GTK_WIDGET (self->turns)); child != NULL; child = gtk_widget_get_next_sibling (child))
    {
      DescryTurn *turn = descry_turn_view_get_turn (DESCRY_TURN_VIEW (child));

      /* What is asked now takes the place of the replaced one. */
      if (turn != NULL && !is_deleted (child) && (self->replaced == NULL || g_strcmp0 (self->replaced, descry_turn_view_get_key (DESCRY_TURN_VIEW (child))) != 0))
        g_ptr_array_add (history, descry_turn_ref (turn));
    }

  return history;
}

void
descry_chat_clear (DescryChat *self)
{
  GtkWidget *child;

  descry_assert_main_thread ();
  self->running = NULL;
  self->restored = NULL;
  g_clear_pointer (&self->replaced, g_free);
  g_clear_pointer (&self->wanted, g_free);
  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self->turns))) != NULL)
    gtk_box_remove (self->turns, child);
  g_array_set_size (self->chips, 0);
  update_chips (self);
  update_send (self);
  gtk_stack_set_visible_child_name (self->stack, "empty");
}

void
descry_chat_set_picture (DescryChat  *self,
                         DescryImage *image)
{
  if (image != NULL)
    descry_image_ref (image);
  g_clear_pointer (&self->image, descry_image_unref);
  self->image = image;
}

void
descry_chat_set_scene (DescryChat  *self,
                       DescryScene *scene)
{
  guint i;
  guint n = self->chips->len;

  if (scene != NULL)
    descry_scene_ref (scene);
  g_clear_pointer (&self->scene, descry_scene_unref);
  self->scene = scene;

  for (i = n; i > 0; i--)
    if (scene == NULL || descry_scene_find (scene, g_array_index (self->chips, guint, i - 1)) == NULL)
      g_array_remove_index (self->chips, i - 1);
  if (self->chips->len != n)
    update_chips (self);
}

/* --------- Object ------------------ */

static void
descry_chat_dispose (GObject *object)
{
  DescryChat *self = DESCRY_CHAT (object);

  self->running = NULL;
  gtk_widget_dispose_template (GTK_WIDGET (self), DESCRY_TYPE_CHAT);

  G_OBJECT_CLASS (descry_chat_parent_class)->dispose (object);
}

static void
descry_chat_finalize (GObject *object)
{
  DescryChat *self = DESCRY_CHAT (object);

  g_clear_pointer (&self->image, descry_image_unref);
  g_clear_pointer (&self->scene, descry_scene_unref);
  g_clear_pointer (&self->told, descry_scene_unref);
  g_clear_pointer (&self->suggested, g_strfreev);
  g_clear_pointer (&self->chips, g_array_unref);
  g_clear_pointer (&self->blocked, g_free);
  g_clear_pointer (&self->replaced, g_free);
  g_clear_pointer (&self->wanted, g_free);

  G_OBJECT_CLASS (descry_chat_parent_class)->finalize (object);
}

static void
descry_chat_class_init (DescryChatClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  object_class->dispose = descry_chat_dispose;
  object_class->finalize = descry_chat_finalize;

  signals[ASK] = g_signal_new ("ask", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[STOP] = g_signal_new ("stop", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[RESUME] = g_signal_new ("resume", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_STRING);
  signals[LINK_HOVERED] = g_signal_new ("link-hovered", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_UINT);
  signals[LINK_ACTIVATED] = g_signal_new ("link-activated", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_UINT);
  signals[QUESTION_CHANGED] = g_signal_new ("question-changed", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[DELETE_TURN] = g_signal_new ("delete-turn", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                       G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_BOOLEAN);
  signals[TURN_DELETED] = g_signal_new ("turn-deleted", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[TURN_RESTORED] = g_signal_new ("turn-restored", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                         G_TYPE_NONE, 4, G_TYPE_STRING, G_TYPE_POINTER, G_TYPE_BOOLEAN, G_TYPE_STRING);

  g_type_ensure (DESCRY_TYPE_COLUMN);
  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/chat.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryChat, column);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, stack);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, empty);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, scroller);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, turns);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, suggestion_scroller);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, suggestions);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, notice);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, chip_box);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, entry);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, hint);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, send);
}

static void
descry_chat_init (DescryChat *self)
{
  GtkEventController *keys = gtk_event_controller_key_new ();
  GtkAdjustment *adjustment;

  self->chips = g_array_new (FALSE, FALSE, sizeof (guint));
  self->follow = TRUE;
  gtk_widget_init_template (GTK_WIDGET (self));

  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect_object (keys, "key-pressed", G_CALLBACK (key_pressed_cb), self, 0);
  gtk_widget_add_controller (GTK_WIDGET (self->entry), keys);
  g_signal_connect_object (gtk_text_view_get_buffer (self->entry), "changed", G_CALLBACK (question_changed_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->send, "clicked", G_CALLBACK (send_or_stop), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->stack, "notify::visible-child", G_CALLBACK (page_changed_cb), self, G_CONNECT_SWAPPED);
  adjustment = gtk_scrolled_window_get_vadjustment (self->scroller);
  g_signal_connect_object (adjustment, "changed", G_CALLBACK (size_changed_cb), self, 0);
  g_signal_connect_object (adjustment, "value-changed", G_CALLBACK (scrolled_cb), self, 0);
  update_send (self);
}
