/* chat-turns.c - questions and answers: those of earlier, the one that runs, and those that are gone for now
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-chat"

#include "config.h"

#include "ui/chat-private.h"

#include "ui/main-thread.h"

#define NEAR_END 48.0 /* pixels: a view this near to the end follows new text */

static void
link_hovered_cb (DescryTurnView *view,
                 gpointer        ids,
                 guint           n,
                 DescryChat     *self)
{
  g_signal_emit (self, descry_chat_signals[CHAT_LINK_HOVERED], 0, ids, n);
}

static void
link_activated_cb (DescryTurnView *view,
                   gpointer        ids,
                   guint           n,
                   DescryChat     *self)
{
  g_signal_emit (self, descry_chat_signals[CHAT_LINK_ACTIVATED], 0, ids, n);
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
    g_signal_emit (self, descry_chat_signals[CHAT_DELETE_TURN], 0, key, FALSE);
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
          g_signal_emit (self, descry_chat_signals[CHAT_TURN_DELETED], 0, key);
        }
      else if (!deleted && is_deleted (child))
        {
          g_autoptr (DescryTurn) turn = descry_turn_view_dup_turn (view);

          gtk_widget_set_visible (child, TRUE);
          g_signal_emit (self, descry_chat_signals[CHAT_TURN_RESTORED], 0, key, turn, !descry_turn_view_is_interrupted (view), before);
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
  descry_chat_update_chips (self);
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
    descry_chat_send_or_stop (self);
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
    g_signal_emit (self, descry_chat_signals[CHAT_RESUME], 0, descry_turn_view_get_turn (view), descry_turn_view_get_key (view));
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
    g_signal_emit (self, descry_chat_signals[CHAT_DELETE_TURN], 0, replaced, TRUE);
  gtk_text_buffer_set_text (gtk_text_view_get_buffer (self->entry), "", 0);
  g_array_set_size (self->chips, 0);
  descry_chat_update_chips (self);
  descry_chat_update_send (self);
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
  descry_chat_update_send (self);
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
  descry_chat_update_send (self);
}

void
descry_chat_fail (DescryChat *self,
                  const char *message,
                  gboolean    stopped)
{
  g_return_if_fail (self->running != NULL);

  descry_turn_view_fail (self->running, message, stopped);
  self->running = NULL;
  descry_chat_update_send (self);
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
  descry_chat_update_chips (self);
  descry_chat_update_send (self);
  gtk_stack_set_visible_child_name (self->stack, "empty");
}

void
descry_chat_init_turns (DescryChat *self)
{
  GtkAdjustment *adjustment = gtk_scrolled_window_get_vadjustment (self->scroller);

  self->follow = TRUE;
  g_signal_connect_object (adjustment, "changed", G_CALLBACK (size_changed_cb), self, 0);
  g_signal_connect_object (adjustment, "value-changed", G_CALLBACK (scrolled_cb), self, 0);
}
