/* badge.c - an object's number on its colour, the same in lists, chips and cards
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-badge"

#include "config.h"

#include "ui/badge.h"

#include "ui/main-thread.h"
#include "ui/overlay.h"

struct _DescryBadge
{
  GtkWidget parent_instance;

  guint     id;
  GtkLabel *label;
};

G_DEFINE_FINAL_TYPE (DescryBadge, descry_badge, GTK_TYPE_WIDGET)

static void
descry_badge_snapshot (GtkWidget   *widget,
                       GtkSnapshot *snapshot)
{
  DescryBadge *self = DESCRY_BADGE (widget);
  graphene_rect_t bounds;
  GskRoundedRect rounded;
  double rgb[3];
  GdkRGBA color;

  descry_overlay_color (self->id, rgb);
  color = (GdkRGBA) { rgb[0], rgb[1], rgb[2], 1 };
  graphene_rect_init (&bounds, 0, 0, gtk_widget_get_width (widget), gtk_widget_get_height (widget));
  gsk_rounded_rect_init_from_rect (&rounded, &bounds, 6);
  gtk_snapshot_push_rounded_clip (snapshot, &rounded);
  gtk_snapshot_append_color (snapshot, &color, &bounds);
  gtk_snapshot_pop (snapshot);

  GTK_WIDGET_CLASS (descry_badge_parent_class)->snapshot (widget, snapshot);
}

static void
descry_badge_dispose (GObject *object)
{
  GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (object));

  g_clear_pointer (&child, gtk_widget_unparent);
  G_OBJECT_CLASS (descry_badge_parent_class)->dispose (object);
}

static void
descry_badge_class_init (DescryBadgeClass *class)
{
  G_OBJECT_CLASS (class)->dispose = descry_badge_dispose;
  GTK_WIDGET_CLASS (class)->snapshot = descry_badge_snapshot;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BIN_LAYOUT);
}

static void
descry_badge_init (DescryBadge *self)
{
  self->label = GTK_LABEL (gtk_label_new (NULL));
  gtk_widget_add_css_class (GTK_WIDGET (self->label), "descry-number");
  gtk_widget_set_parent (GTK_WIDGET (self->label), GTK_WIDGET (self));
  gtk_widget_set_valign (GTK_WIDGET (self), GTK_ALIGN_CENTER);
}

void
descry_badge_set_id (DescryBadge *self,
                     guint        id)
{
  g_autofree char *text = g_strdup_printf ("%u", id);

  descry_assert_main_thread ();
  self->id = id;
  gtk_label_set_label (self->label, text);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

GtkWidget *
descry_badge_new (guint id)
{
  DescryBadge *self = g_object_new (DESCRY_TYPE_BADGE, NULL);

  descry_badge_set_id (self, id);
  return GTK_WIDGET (self);
}
