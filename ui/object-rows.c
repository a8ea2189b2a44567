/* object-rows.c - the rows of the list of objects: one object, or the heading of those that follow
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-objects"

#include "config.h"

#include "ui/objects-private.h"

#include <glib/gi18n.h>

#include "ui/bidi.h"
#include "ui/object-menu.h"

G_DEFINE_FINAL_TYPE (DescryObjectItem, descry_object_item, G_TYPE_OBJECT)

static void
descry_object_item_finalize (GObject *object)
{
  g_clear_pointer (&DESCRY_OBJECT_ITEM (object)->name, g_free);

  G_OBJECT_CLASS (descry_object_item_parent_class)->finalize (object);
}

static void
descry_object_item_class_init (DescryObjectItemClass *class)
{
  G_OBJECT_CLASS (class)->finalize = descry_object_item_finalize;
}

static void
descry_object_item_init (DescryObjectItem *self)
{
}

/* --------- Headings ------------------ */

/* The ids below a heading. (transfer full) */
static GArray *
heading_ids (DescryObjects          *self,
             const DescryObjectItem *heading)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint));
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->store));
  gboolean inside = FALSE;
  guint i;

  for (i = 0; i < n; i++)
    {
      g_autoptr (DescryObjectItem) item = g_list_model_get_item (G_LIST_MODEL (self->store), i);

      if (item->id == 0)
        inside = item == heading;
      else if (inside)
        g_array_append_val (ids, item->id);
    }
  return ids;
}

void
descry_objects_select_group (DescryObjects          *self,
                             const DescryObjectItem *heading)
{
  g_autoptr (GArray) ids = heading_ids (self, heading);

  descry_canvas_select (self->canvas, (const guint *) ids->data, ids->len);
}

static void
title_clicked_cb (GtkButton       *button,
                  DescryObjectRow *row)
{
  if (row->item != NULL)
    descry_objects_select_group (row->panel, row->item);
}

static void
all_toggled_cb (GtkToggleButton *button,
                DescryObjectRow *row)
{
  DescryCanvas *canvas = row->panel->canvas;
  g_autoptr (GArray) ids = NULL;
  guint i;

  if (row->panel->updating || row->item == NULL)
    return;

  ids = heading_ids (row->panel, row->item);
  g_object_freeze_notify (G_OBJECT (canvas)); /* one step, however many there are */
  for (i = 0; i < ids->len; i++)
    descry_canvas_set_hidden (canvas, g_array_index (ids, guint, i), gtk_toggle_button_get_active (button));
  g_object_thaw_notify (G_OBJECT (canvas));
}

static void
refresh_heading (DescryObjects   *self,
                 DescryObjectRow *row)
{
  g_autoptr (GArray) ids = heading_ids (self, row->item);
  const char *name = row->item->name != NULL ? row->item->name : _("Others");
  g_autofree char *text = g_strdup_printf ("%s × %u", name, row->item->n);
  gboolean was_updating = self->updating, hidden = ids->len > 0;
  guint i;

  for (i = 0; i < ids->len && hidden; i++)
    hidden = descry_canvas_is_hidden (self->canvas, g_array_index (ids, guint, i));
  self->updating = TRUE;
  gtk_button_set_label (GTK_BUTTON (row->title), text);
  gtk_accessible_update_property (GTK_ACCESSIBLE (row->title), GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
  gtk_label_set_xalign (GTK_LABEL (gtk_button_get_child (GTK_BUTTON (row->title))), 0);
  gtk_label_set_ellipsize (GTK_LABEL (gtk_button_get_child (GTK_BUTTON (row->title))), PANGO_ELLIPSIZE_END);
  gtk_toggle_button_set_active (row->all, hidden);
  gtk_button_set_icon_name (GTK_BUTTON (row->all), hidden ? "view-conceal-symbolic" : "view-reveal-symbolic");
  if (gtk_widget_get_parent (row->stack) != NULL)
    gtk_accessible_update_property (GTK_ACCESSIBLE (gtk_widget_get_parent (row->stack)), GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
  self->updating = was_updating;
}

/* --------- Rows ------------------ */

void
descry_objects_refresh_row (DescryObjects   *self,
                            DescryObjectRow *row)
{
  DescryScene *scene = self->canvas != NULL ? descry_canvas_get_scene (self->canvas) : NULL;
  DescryObject *object = scene != NULL && row->id != 0 ? descry_scene_find (scene, row->id) : NULL;
  g_autofree char *score = NULL, *part = NULL, *detail = NULL;
  gboolean was_updating = self->updating;
  gboolean hidden;

  if (row->item != NULL && row->id == 0)
    refresh_heading (self, row);
  if (object == NULL)
    return;

  self->updating = TRUE;
  descry_badge_set_id (row->badge, object->id);
  gtk_label_set_label (row->name, object->name);
  /* An object's part of the picture; and where it comes from, or a finer name for it. */
  part = descry_bidi_value (_("%.1f %%"), 100.0 * descry_box_area (object->box) / ((double) scene->width * scene->height));
  detail = descry_bidi_list (gtk_widget_get_direction (row->box) == GTK_TEXT_DIR_RTL, part,
                             object->finer != NULL ? object->finer
                             : object->source == DESCRY_SOURCE_CLICK ? _("clicked")
                             : object->source == DESCRY_SOURCE_DRAG ? _("drawn box")
                             : object->source == DESCRY_SOURCE_PROPOSAL ? _("region")
                             : _("detected"),
                             NULL);
  gtk_label_set_label (row->detail, detail);
  score = g_strdup_printf ("%.2f", object->score);
  gtk_label_set_label (row->score, score);
  /* The list's own widget is what takes the focus; GTK 4.8 has no other way to name it. */
  if (gtk_widget_get_parent (row->stack) != NULL)
    {
      /* Translators: number, name and score of an object, for a screen reader. */
      g_autofree char *text = g_strdup_printf (_("%u %s, score %s"), object->id, object->name, score);

      gtk_accessible_update_property (GTK_ACCESSIBLE (gtk_widget_get_parent (row->stack)), GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
    }
  hidden = descry_canvas_is_hidden (self->canvas, object->id);
  gtk_toggle_button_set_active (row->eye, hidden);
  gtk_button_set_icon_name (GTK_BUTTON (row->eye), hidden ? "view-conceal-symbolic" : "view-reveal-symbolic");
  gtk_toggle_button_set_active (row->solo, descry_canvas_get_solo (self->canvas) == object->id);
  if (hidden)
    gtk_widget_add_css_class (GTK_WIDGET (row->name), "dim-label");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (row->name), "dim-label");
  self->updating = was_updating;
}

static void
eye_toggled_cb (GtkToggleButton *button,
                DescryObjectRow *row)
{
  if (!row->panel->updating && row->id != 0)
    descry_canvas_set_hidden (row->panel->canvas, row->id, gtk_toggle_button_get_active (button));
}

static void
solo_toggled_cb (GtkToggleButton *button,
                 DescryObjectRow *row)
{
  if (!row->panel->updating && row->id != 0)
    descry_canvas_set_solo (row->panel->canvas, gtk_toggle_button_get_active (button) ? row->id : 0);
}

static void
ask_clicked_cb (GtkButton       *button,
                DescryObjectRow *row)
{
  if (row->id != 0)
    g_signal_emit (row->panel, descry_objects_signals[OBJECTS_ASK_ABOUT], 0, row->id);
}

static void
row_entered_cb (GtkEventControllerMotion *controller,
                double                    x,
                double                    y,
                DescryObjectRow          *row)
{
  if (row->id != 0 && row->panel->canvas != NULL)
    descry_canvas_highlight (row->panel->canvas, &row->id, 1);
}

static void
row_left_cb (GtkEventControllerMotion *controller,
             DescryObjectRow          *row)
{
  if (row->panel->canvas != NULL)
    descry_canvas_highlight (row->panel->canvas, NULL, 0);
}

static void
row_pressed_cb (GtkGestureClick *gesture,
                int              n_press,
                double           x,
                double           y,
                DescryObjectRow *row)
{
  DescryObjects *self = row->panel;
  GArray *ids = descry_canvas_get_selection (self->canvas);
  double mx, my;
  guint i;

  if (row->id == 0)
    return;

  for (i = 0; i < ids->len; i++)
    if (g_array_index (ids, guint, i) == row->id)
      break;
  if (i == ids->len)
    descry_canvas_select (self->canvas, &row->id, 1);
  gtk_widget_translate_coordinates (row->box, GTK_WIDGET (self), x, y, &mx, &my);
  g_clear_pointer (&self->menu, gtk_widget_unparent);
  self->menu = descry_object_menu_popup (GTK_WIDGET (self), descry_canvas_get_selection (self->canvas)->len, descry_canvas_get_solo (self->canvas) != 0, mx, my);
}

static void
row_long_pressed_cb (GtkGestureLongPress *gesture,
                     double               x,
                     double               y,
                     DescryObjectRow     *row)
{
  row_pressed_cb (NULL, 1, x, y, row);
}

static GtkWidget *
name_button (GtkWidget  *button,
             const char *icon,
             const char *tooltip)
{
  gtk_button_set_icon_name (GTK_BUTTON (button), icon);
  gtk_widget_set_tooltip_text (button, tooltip);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, tooltip, -1);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_add_css_class (button, "circular");
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  return button;
}

/* The row's widgets call back into it, so it lives as long as they do. */
static void
row_free (gpointer data)
{
  DescryObjectRow *row = data;

  g_ptr_array_remove_fast (row->panel->rows, row);
  g_free (row);
}

static void
setup_cb (GtkSignalListItemFactory *factory,
          GtkListItem              *item,
          DescryObjects            *self)
{
  DescryObjectRow *row = g_new0 (DescryObjectRow, 1);
  GtkWidget *texts = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkEventController *motion = gtk_event_controller_motion_new ();
  GtkGesture *click = gtk_gesture_click_new ();
  GtkGesture *touch = gtk_gesture_long_press_new ();

  row->panel = self;
  row->stack = gtk_stack_new ();
  row->heading = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  row->title = gtk_button_new ();
  row->all = GTK_TOGGLE_BUTTON (name_button (gtk_toggle_button_new (), "view-reveal-symbolic", _("Hide all of these")));
  row->box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  row->badge = DESCRY_BADGE (descry_badge_new (0));
  row->name = GTK_LABEL (gtk_label_new (NULL));
  row->detail = GTK_LABEL (gtk_label_new (NULL));
  row->score = GTK_LABEL (gtk_label_new (NULL));
  row->ask = name_button (gtk_button_new (), "list-add-symbolic", _("Ask about this"));
  row->solo = GTK_TOGGLE_BUTTON (name_button (gtk_toggle_button_new (), "find-location-symbolic", _("Show only this")));
  row->eye = GTK_TOGGLE_BUTTON (name_button (gtk_toggle_button_new (), "view-reveal-symbolic", _("Hide")));

  gtk_label_set_xalign (row->name, 0);
  gtk_label_set_ellipsize (row->name, PANGO_ELLIPSIZE_END);
  gtk_label_set_xalign (row->detail, 0);
  gtk_label_set_ellipsize (row->detail, PANGO_ELLIPSIZE_END);
  gtk_widget_add_css_class (GTK_WIDGET (row->detail), "dim-label");
  gtk_widget_add_css_class (GTK_WIDGET (row->detail), "caption");
  gtk_widget_add_css_class (GTK_WIDGET (row->score), "numeric");
  gtk_widget_add_css_class (GTK_WIDGET (row->score), "dim-label");
  gtk_widget_set_hexpand (texts, TRUE);
  gtk_box_append (GTK_BOX (texts), GTK_WIDGET (row->name));
  gtk_box_append (GTK_BOX (texts), GTK_WIDGET (row->detail));
  gtk_box_append (GTK_BOX (row->box), GTK_WIDGET (row->badge));
  gtk_box_append (GTK_BOX (row->box), texts);
  gtk_box_append (GTK_BOX (row->box), GTK_WIDGET (row->score));
  gtk_box_append (GTK_BOX (row->box), row->ask);
  gtk_box_append (GTK_BOX (row->box), GTK_WIDGET (row->solo));
  gtk_box_append (GTK_BOX (row->box), GTK_WIDGET (row->eye));

  /* A heading needs less height than an object. */
  gtk_stack_set_vhomogeneous (GTK_STACK (row->stack), FALSE);
  gtk_stack_add_named (GTK_STACK (row->stack), row->box, "object");
  gtk_stack_add_named (GTK_STACK (row->stack), row->heading, "heading");
  gtk_widget_add_css_class (row->title, "flat");
  gtk_widget_add_css_class (row->title, "descry-group");
  gtk_widget_set_tooltip_text (row->title, _("Select all of these"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (row->title), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Select all of these"), -1);
  gtk_widget_set_hexpand (row->title, TRUE);
  gtk_box_append (GTK_BOX (row->heading), row->title);
  gtk_box_append (GTK_BOX (row->heading), GTK_WIDGET (row->all));

  g_signal_connect (row->title, "clicked", G_CALLBACK (title_clicked_cb), row);
  g_signal_connect (row->all, "toggled", G_CALLBACK (all_toggled_cb), row);
  g_signal_connect (row->ask, "clicked", G_CALLBACK (ask_clicked_cb), row);
  g_signal_connect (row->solo, "toggled", G_CALLBACK (solo_toggled_cb), row);
  g_signal_connect (row->eye, "toggled", G_CALLBACK (eye_toggled_cb), row);
  g_signal_connect (motion, "enter", G_CALLBACK (row_entered_cb), row);
  g_signal_connect (motion, "leave", G_CALLBACK (row_left_cb), row);
  gtk_widget_add_controller (row->box, motion);
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), GDK_BUTTON_SECONDARY);
  g_signal_connect (click, "pressed", G_CALLBACK (row_pressed_cb), row);
  gtk_widget_add_controller (row->box, GTK_EVENT_CONTROLLER (click));
  gtk_gesture_single_set_touch_only (GTK_GESTURE_SINGLE (touch), TRUE);
  g_signal_connect (touch, "pressed", G_CALLBACK (row_long_pressed_cb), row);
  gtk_widget_add_controller (row->box, GTK_EVENT_CONTROLLER (touch));

  g_object_set_data_full (G_OBJECT (row->stack), "descry-row", row, row_free);
  g_ptr_array_add (self->rows, row);
  gtk_list_item_set_child (item, row->stack);
}

static void
bind_cb (GtkSignalListItemFactory *factory,
         GtkListItem              *item,
         DescryObjects            *self)
{
  DescryObjectRow *row = g_object_get_data (G_OBJECT (gtk_list_item_get_child (item)), "descry-row");

  row->item = DESCRY_OBJECT_ITEM (gtk_list_item_get_item (item));
  row->id = row->item->id;
  gtk_list_item_set_selectable (item, row->id != 0);
  gtk_stack_set_visible_child_name (GTK_STACK (row->stack), row->id != 0 ? "object" : "heading");
  descry_objects_refresh_row (self, row);
}

static void
unbind_cb (GtkSignalListItemFactory *factory,
           GtkListItem              *item,
           DescryObjects            *self)
{
  GtkWidget *child = gtk_list_item_get_child (item);
  DescryObjectRow *row = child != NULL ? g_object_get_data (G_OBJECT (child), "descry-row") : NULL;

  if (row == NULL)
    return;
  row->id = 0;
  row->item = NULL;
}

void
descry_objects_init_rows (DescryObjects *self)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();

  self->rows = g_ptr_array_new ();
  g_signal_connect (factory, "setup", G_CALLBACK (setup_cb), self);
  g_signal_connect (factory, "bind", G_CALLBACK (bind_cb), self);
  g_signal_connect (factory, "unbind", G_CALLBACK (unbind_cb), self);
  gtk_list_view_set_factory (self->list, factory);
  g_object_unref (factory);
}
