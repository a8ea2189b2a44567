/* chat.c - the conversation about a picture and the composer below it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-chat"

#include "config.h"

#include "ui/chat-private.h"

#include "ui/column.h"

guint descry_chat_signals[CHAT_N_SIGNALS];

G_DEFINE_FINAL_TYPE (DescryChat, descry_chat, GTK_TYPE_WIDGET)

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
    descry_chat_update_chips (self);
}

/* --------- Empty page ------------------ */

/* Large letters need the room of the icon: it leaves before the text would have to be scrolled. */
static gboolean
room_cb (GtkWidget     *widget,
         GdkFrameClock *clock,
         gpointer       data)
{
  DescryChat *self = DESCRY_CHAT (widget);
  GtkAdjustment *adjustment = gtk_scrolled_window_get_vadjustment (self->empty);
  int needed, icon, width = gtk_widget_get_width (GTK_WIDGET (self->empty));

  self->room_tick = 0;
  gtk_widget_measure (self->empty_column, GTK_ORIENTATION_VERTICAL, width, &needed, NULL, NULL, NULL);
  if (!gtk_widget_get_visible (self->empty_icon))
    {
      icon = gtk_image_get_pixel_size (GTK_IMAGE (self->empty_icon)) + gtk_widget_get_margin_bottom (self->empty_icon);
      needed += icon + gtk_box_get_spacing (GTK_BOX (self->empty_column));
    }
  gtk_widget_set_visible (self->empty_icon, !self->compact && needed <= gtk_adjustment_get_page_size (adjustment));
  return G_SOURCE_REMOVE;
}

void
descry_chat_update_room (DescryChat *self)
{
  if (self->room_tick == 0)
    self->room_tick = gtk_widget_add_tick_callback (GTK_WIDGET (self), room_cb, NULL, NULL);
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

  descry_chat_signals[CHAT_ASK] = g_signal_new ("ask", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  descry_chat_signals[CHAT_STOP] = g_signal_new ("stop", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  descry_chat_signals[CHAT_RESUME] = g_signal_new ("resume", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_STRING);
  descry_chat_signals[CHAT_LINK_HOVERED] = g_signal_new ("link-hovered", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                                         G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_UINT);
  descry_chat_signals[CHAT_LINK_ACTIVATED] = g_signal_new ("link-activated", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                                           G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_UINT);
  descry_chat_signals[CHAT_QUESTION_CHANGED] = g_signal_new ("question-changed", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  descry_chat_signals[CHAT_DELETE_TURN] = g_signal_new ("delete-turn", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                                        G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_BOOLEAN);
  descry_chat_signals[CHAT_TURN_DELETED] = g_signal_new ("turn-deleted", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  descry_chat_signals[CHAT_TURN_RESTORED] = g_signal_new ("turn-restored", DESCRY_TYPE_CHAT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                                          G_TYPE_NONE, 4, G_TYPE_STRING, G_TYPE_POINTER, G_TYPE_BOOLEAN, G_TYPE_STRING);

  g_type_ensure (DESCRY_TYPE_COLUMN);
  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/chat.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryChat, column);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, stack);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, empty);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, empty_column);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, empty_icon);
  gtk_widget_class_bind_template_child (widget_class, DescryChat, empty_text);
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
  self->chips = g_array_new (FALSE, FALSE, sizeof (guint));
  gtk_widget_init_template (GTK_WIDGET (self));
  descry_chat_init_turns (self);
  descry_chat_init_composer (self);
  g_signal_connect_object (gtk_scrolled_window_get_vadjustment (self->empty), "changed", G_CALLBACK (descry_chat_update_room), self, G_CONNECT_SWAPPED);
}
