/* column.c - a column of paragraphs in a scrolled window that draws those that are in view
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-column"

#include "config.h"

#include "ui/column.h"

struct _DescryColumn
{
  GtkBox         parent_instance;

  GtkWidget     *scroller; /* while mapped, or NULL: everything is drawn */
  GtkAdjustment *adjustment; /* of it */
  guint          skipped;
};

G_DEFINE_FINAL_TYPE (DescryColumn, descry_column, GTK_TYPE_BOX)

static void
descry_column_map (GtkWidget *widget)
{
  DescryColumn *self = DESCRY_COLUMN (widget);

  self->scroller = gtk_widget_get_ancestor (widget, GTK_TYPE_SCROLLED_WINDOW);
  if (self->scroller != NULL)
    {
      self->adjustment = g_object_ref (gtk_scrolled_window_get_vadjustment (GTK_SCROLLED_WINDOW (self->scroller)));
      /* Scrolling moves what was drawn; what comes into view must be drawn. */
      g_signal_connect_object (self->adjustment, "value-changed", G_CALLBACK (gtk_widget_queue_draw), self, G_CONNECT_SWAPPED);
      g_signal_connect_object (self->adjustment, "changed", G_CALLBACK (gtk_widget_queue_draw), self, G_CONNECT_SWAPPED);
    }

  GTK_WIDGET_CLASS (descry_column_parent_class)->map (widget);
}

static void
descry_column_unmap (GtkWidget *widget)
{
  DescryColumn *self = DESCRY_COLUMN (widget);

  GTK_WIDGET_CLASS (descry_column_parent_class)->unmap (widget);

  if (self->adjustment != NULL)
    g_signal_handlers_disconnect_by_data (self->adjustment, self);
  g_clear_object (&self->adjustment);
  self->scroller = NULL;
}

static void
descry_column_snapshot (GtkWidget   *widget,
                        GtkSnapshot *snapshot)
{
  DescryColumn *self = DESCRY_COLUMN (widget);
  double x, top = 0;
  float page = self->scroller != NULL ? (float) gtk_widget_get_height (self->scroller) : 0;
  GtkWidget *child;

  if (self->scroller == NULL || !gtk_widget_translate_coordinates (widget, self->scroller, 0, 0, &x, &top))
    page = 0;
  self->skipped = 0;
  for (child = gtk_widget_get_first_child (widget); child != NULL; child = gtk_widget_get_next_sibling (child))
    {
      graphene_rect_t bounds;

      if (page > 0 && gtk_widget_compute_bounds (child, widget, &bounds)
          && (top + bounds.origin.y + bounds.size.height < 0 || top + bounds.origin.y > page))
        self->skipped++;
      else
        gtk_widget_snapshot_child (widget, child, snapshot);
    }
}

static void
descry_column_dispose (GObject *object)
{
  g_clear_object (&DESCRY_COLUMN (object)->adjustment);

  G_OBJECT_CLASS (descry_column_parent_class)->dispose (object);
}

static void
descry_column_class_init (DescryColumnClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = descry_column_dispose;
  widget_class->map = descry_column_map;
  widget_class->unmap = descry_column_unmap;
  widget_class->snapshot = descry_column_snapshot;
}

static void
descry_column_init (DescryColumn *self)
{
  gtk_orientable_set_orientation (GTK_ORIENTABLE (self), GTK_ORIENTATION_VERTICAL);
}

GtkWidget *
descry_column_new (int spacing)
{
  return g_object_new (DESCRY_TYPE_COLUMN, "spacing", spacing, NULL);
}

guint
descry_column_skipped (DescryColumn *self)
{
  return self->skipped;
}
