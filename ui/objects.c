/* objects.c - the tags and the list of objects, in step with the canvas
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-objects"

#include "config.h"

#include "ui/objects.h"

#include <adwaita.h>
#include <glib/gi18n.h>

#include "ui/badge.h"
#include "ui/bidi.h"
#include "ui/groups.h"
#include "ui/main-thread.h"
#include "ui/object-menu.h"
#include "ui/object-order.h"

#define MAX_TAGS 24

/* A row's object, or the heading of those that follow it: only the id, since each scene has new objects. */
#define DESCRY_TYPE_OBJECT_ITEM (descry_object_item_get_type ())
G_DECLARE_FINAL_TYPE (DescryObjectItem, descry_object_item, DESCRY, OBJECT_ITEM, GObject)

struct _DescryObjectItem
{
  GObject parent_instance;
  guint   id; /* 0: a heading */
  char   *name; /* of a heading; NULL: of the others */
  guint   n; /* of a heading: how many follow it */
};

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

typedef struct
{
  DescryObjects *panel;
  guint          id; /* 0: a heading, or not bound */
  DescryObjectItem *item; /* or NULL: not bound */
  GtkWidget     *stack; /* the row's widget: an object or a heading */
  GtkWidget     *box;
  GtkWidget     *heading;
  GtkWidget     *title; /* of a heading */
  GtkToggleButton *all; /* the eye of a heading */
  DescryBadge   *badge;
  GtkLabel      *name;
  GtkLabel      *detail;
  GtkLabel      *score;
  GtkWidget     *ask;
  GtkToggleButton *solo;
  GtkToggleButton *eye;
} Row;

struct _DescryObjects
{
  GtkWidget       parent_instance;

  GtkStack       *stack;
  AdwStatusPage  *empty;
  GtkWidget      *lower;
  GtkWidget      *none; /* the same below the tags */
  GtkLabel       *none_label;
  GtkWidget      *none_lower;
  GtkFlowBox     *tags;
  GtkListView    *list;
  GtkWidget      *bar; /* above the list */
  GtkLabel       *count;
  char           *order; /* of descry_object_order() */

  DescryCanvas   *canvas;
  GListStore     *store; /* of DescryObjectItem */
  GtkMultiSelection *selection;
  GPtrArray      *rows; /* of Row: those that exist; owned by their boxes */
  GPtrArray      *tag_names; /* of char *: what the flow box shows */
  GtkWidget      *menu;
  gboolean        grouped; /* by name */
  gboolean        updating; /* our own changes of selection or toggles */
};

enum { ASK_ABOUT, N_SIGNALS };
enum { PROP_0, PROP_GROUPED, PROP_ORDER, N_PROPS };

static GParamSpec *properties[N_PROPS];

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DescryObjects, descry_objects, GTK_TYPE_WIDGET)

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

static void
select_group (DescryObjects          *self,
              const DescryObjectItem *heading)
{
  g_autoptr (GArray) ids = heading_ids (self, heading);

  descry_canvas_select (self->canvas, (const guint *) ids->data, ids->len);
}

static void
title_clicked_cb (GtkButton *button,
                  Row       *row)
{
  if (row->item != NULL)
    select_group (row->panel, row->item);
}

static void
all_toggled_cb (GtkToggleButton *button,
                Row             *row)
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
refresh_heading (DescryObjects *self,
                 Row           *row)
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

static void
refresh_row (DescryObjects *self,
             Row           *row)
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
                Row             *row)
{
  if (!row->panel->updating && row->id != 0)
    descry_canvas_set_hidden (row->panel->canvas, row->id, gtk_toggle_button_get_active (button));
}

static void
solo_toggled_cb (GtkToggleButton *button,
                 Row             *row)
{
  if (!row->panel->updating && row->id != 0)
    descry_canvas_set_solo (row->panel->canvas, gtk_toggle_button_get_active (button) ? row->id : 0);
}

static void
ask_clicked_cb (GtkButton *button,
                Row       *row)
{
  if (row->id != 0)
    g_signal_emit (row->panel, signals[ASK_ABOUT], 0, row->id);
}

static void
row_entered_cb (GtkEventControllerMotion *controller,
                double                    x,
                double                    y,
                Row                      *row)
{
  if (row->id != 0 && row->panel->canvas != NULL)
    descry_canvas_highlight (row->panel->canvas, &row->id, 1);
}

static void
row_left_cb (GtkEventControllerMotion *controller,
             Row                      *row)
{
  if (row->panel->canvas != NULL)
    descry_canvas_highlight (row->panel->canvas, NULL, 0);
}

static void
row_pressed_cb (GtkGestureClick *gesture,
                int              n_press,
                double           x,
                double           y,
                Row             *row)
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
                     Row                 *row)
{
  row_pressed_cb (NULL, 1, x, y, row);
}

/* The keyboard's way: the menu of what is selected. */
static void
menu_action (GtkWidget  *widget,
             const char *name,
             GVariant   *parameter)
{
  DescryObjects *self = DESCRY_OBJECTS (widget);
  GtkWidget *focus = gtk_root_get_focus (gtk_widget_get_root (widget));
  double x = gtk_widget_get_width (widget) / 2.0, y = gtk_widget_get_height (widget) / 2.0;

  if (descry_canvas_get_selection (self->canvas)->len == 0)
    return;
  if (focus != NULL && gtk_widget_is_ancestor (focus, widget))
    gtk_widget_translate_coordinates (focus, widget, gtk_widget_get_width (focus) / 2.0, gtk_widget_get_height (focus) / 2.0, &x, &y);
  g_clear_pointer (&self->menu, gtk_widget_unparent);
  self->menu = descry_object_menu_popup (widget, descry_canvas_get_selection (self->canvas)->len, descry_canvas_get_solo (self->canvas) != 0, x, y);
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
  Row *row = data;

  g_ptr_array_remove_fast (row->panel->rows, row);
  g_free (row);
}

static void
setup_cb (GtkSignalListItemFactory *factory,
          GtkListItem              *item,
          DescryObjects            *self)
{
  Row *row = g_new0 (Row, 1);
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
  Row *row = g_object_get_data (G_OBJECT (gtk_list_item_get_child (item)), "descry-row");

  row->item = DESCRY_OBJECT_ITEM (gtk_list_item_get_item (item));
  row->id = row->item->id;
  gtk_list_item_set_selectable (item, row->id != 0);
  gtk_stack_set_visible_child_name (GTK_STACK (row->stack), row->id != 0 ? "object" : "heading");
  refresh_row (self, row);
}

static void
unbind_cb (GtkSignalListItemFactory *factory,
           GtkListItem              *item,
           DescryObjects            *self)
{
  GtkWidget *child = gtk_list_item_get_child (item);
  Row *row = child != NULL ? g_object_get_data (G_OBJECT (child), "descry-row") : NULL;

  if (row == NULL)
    return;
  row->id = 0;
  row->item = NULL;
}

/* --------- Tags ------------------ */

static void
tag_clicked_cb (GtkButton     *button,
                DescryObjects *self)
{
  const char *tag = g_object_get_data (G_OBJECT (button), "descry-tag");
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  const DescryView *view = descry_canvas_get_view (self->canvas);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint));
  guint i;

  for (i = 0; scene != NULL && i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (descry_view_shows (view, object) && g_strcmp0 (object->name, tag) == 0)
        g_array_append_val (ids, object->id);
    }
  descry_canvas_select (self->canvas, (const guint *) ids->data, ids->len);
  if (ids->len > 0)
    descry_canvas_reveal (self->canvas, g_array_index (ids, guint, 0));
}

static void
update_tags (DescryObjects *self)
{
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  const DescryView *view = descry_canvas_get_view (self->canvas);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  GtkWidget *child;
  gboolean same;
  guint i, j;

  for (i = 0; scene != NULL && i < scene->tags->len && i < MAX_TAGS; i++)
    {
      const DescryTag *tag = g_ptr_array_index (scene->tags, i);
      guint n = 0;

      for (j = 0; j < scene->objects->len; j++)
        {
          const DescryObject *object = g_ptr_array_index (scene->objects, j);

          n += object->score >= view->threshold && g_strcmp0 (object->name, tag->name) == 0;
        }
      /* The name, and behind a line break how many boxes it has. */
      g_ptr_array_add (names, g_strdup_printf ("%s\n%u", tag->name, n));
    }

  same = names->len == self->tag_names->len;
  for (i = 0; same && i < names->len; i++)
    same = g_str_equal (names->pdata[i], self->tag_names->pdata[i]);
  if (same)
    return;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self->tags))) != NULL)
    gtk_flow_box_remove (self->tags, child);
  for (i = 0; i < names->len; i++)
    {
      g_auto (GStrv) parts = g_strsplit (names->pdata[i], "\n", 2);
      guint n = (guint) g_ascii_strtoull (parts[1], NULL, 10);
      g_autofree char *label = n > 1 ? g_strdup_printf ("%s × %u", parts[0], n) : g_strdup (parts[0]);
      GtkWidget *button = gtk_button_new_with_label (label);

      gtk_widget_add_css_class (button, "descry-tag");
      if (n == 0)
        {
          gtk_widget_set_sensitive (button, FALSE);
          gtk_widget_set_tooltip_text (button, _("Seen in the picture, but no box has this name"));
        }
      g_object_set_data_full (G_OBJECT (button), "descry-tag", g_strdup (parts[0]), g_free);
      g_signal_connect (button, "clicked", G_CALLBACK (tag_clicked_cb), self);
      gtk_flow_box_insert (self->tags, button, -1);
      gtk_widget_set_focusable (gtk_widget_get_parent (button), FALSE);
      /* The box would hold the focus for good before a child that takes none. */
      gtk_widget_set_sensitive (gtk_widget_get_parent (button), n > 0);
    }
  g_ptr_array_unref (self->tag_names);
  self->tag_names = g_steal_pointer (&names);
}

/* --------- In step with the canvas ------------------ */

static void
selection_to_list (DescryObjects *self)
{
  GArray *ids = descry_canvas_get_selection (self->canvas);
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->store));
  guint first = GTK_INVALID_LIST_POSITION;
  guint i, j;

  self->updating = TRUE;
  gtk_selection_model_unselect_all (GTK_SELECTION_MODEL (self->selection));
  for (i = 0; i < n; i++)
    {
      g_autoptr (DescryObjectItem) item = g_list_model_get_item (G_LIST_MODEL (self->store), i);

      for (j = 0; j < ids->len; j++)
        if (g_array_index (ids, guint, j) == item->id)
          {
            gtk_selection_model_select_item (GTK_SELECTION_MODEL (self->selection), i, FALSE);
            if (j == 0)
              first = i;
          }
    }
  if (first != GTK_INVALID_LIST_POSITION)
    gtk_widget_activate_action (GTK_WIDGET (self->list), "list.scroll-to-item", "u", first);
  self->updating = FALSE;
}

static void
list_selection_changed_cb (GtkSelectionModel *model,
                           guint              position,
                           guint              n_items,
                           DescryObjects     *self)
{
  g_autoptr (GArray) ids = NULL;
  guint n, i;

  if (self->updating)
    return;

  ids = g_array_new (FALSE, FALSE, sizeof (guint));
  n = g_list_model_get_n_items (G_LIST_MODEL (self->store));
  for (i = 0; i < n; i++)
    if (gtk_selection_model_is_selected (model, i))
      {
        g_autoptr (DescryObjectItem) item = g_list_model_get_item (G_LIST_MODEL (self->store), i);

        if (item->id != 0)
          g_array_append_val (ids, item->id);
      }
  self->updating = TRUE;
  descry_canvas_select (self->canvas, (const guint *) ids->data, ids->len);
  self->updating = FALSE;
  if (ids->len == 1)
    descry_canvas_reveal (self->canvas, g_array_index (ids, guint, 0));
}

static void
canvas_selection_changed_cb (DescryCanvas  *canvas,
                             DescryObjects *self)
{
  if (!self->updating)
    selection_to_list (self);
}

static void
row_activated_cb (GtkListView   *list,
                  guint          position,
                  DescryObjects *self)
{
  g_autoptr (DescryObjectItem) item = g_list_model_get_item (G_LIST_MODEL (self->store), position);

  if (item != NULL && item->id == 0)
    select_group (self, item);
  else if (item != NULL)
    g_signal_emit (self, signals[ASK_ABOUT], 0, item->id);
}

static void
lower_clicked_cb (GtkButton     *button,
                  DescryObjects *self)
{
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  float best = 0;
  guint i;

  for (i = 0; scene != NULL && i < scene->objects->len; i++)
    best = MAX (best, ((DescryObject *) g_ptr_array_index (scene->objects, i))->score);
  g_object_set (self->canvas, "threshold", MAX (0.0, best * 0.8), NULL);
}

void
descry_objects_update (DescryObjects *self)
{
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  const DescryView *view = descry_canvas_get_view (self->canvas);
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GArray) lines = NULL;
  g_autofree char *count = NULL;
  guint n_objects = 0;
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->store));
  gboolean same;
  guint i;

  descry_assert_main_thread ();

  /* Hidden ones stay in the list, or nobody could bring them back; weak ones leave it. */
  if (scene == NULL)
    lines = g_array_new (FALSE, FALSE, sizeof (DescryLine));
  else if (g_str_equal (self->order, DESCRY_OBJECT_ORDER_DEFAULT))
    lines = descry_group_objects (scene, view->threshold, self->grouped);
  else
    lines = descry_object_order (scene, view->threshold, self->order);
  same = n == lines->len;
  for (i = 0; i < lines->len; i++)
    {
      const DescryLine *line = &g_array_index (lines, DescryLine, i);
      DescryObjectItem *item = g_object_new (DESCRY_TYPE_OBJECT_ITEM, NULL);

      n_objects += line->id != 0;
      item->id = line->id;
      item->name = g_strdup (line->name);
      item->n = line->n;
      g_ptr_array_add (items, item);
      if (same)
        {
          g_autoptr (DescryObjectItem) old = g_list_model_get_item (G_LIST_MODEL (self->store), i);

          same = old->id == item->id && old->n == item->n && g_strcmp0 (old->name, item->name) == 0;
        }
    }

  if (same)
    for (i = 0; i < self->rows->len; i++)
      refresh_row (self, g_ptr_array_index (self->rows, i));
  else
    {
      self->updating = TRUE;
      g_list_store_splice (self->store, 0, n, items->pdata, items->len);
      self->updating = FALSE;
      selection_to_list (self);
    }

  update_tags (self);
  if (items->len == 0 && scene != NULL && scene->objects->len > 0)
    {
      g_autofree char *text = g_strdup_printf (_("No objects above %.2f"), view->threshold);

      adw_status_page_set_title (self->empty, text);
      gtk_label_set_label (self->none_label, text);
      adw_status_page_set_description (self->empty, _("Lower the threshold, or draw a box around what you mean."));
    }
  else
    {
      adw_status_page_set_title (self->empty, _("No Objects Yet"));
      adw_status_page_set_description (self->empty, scene != NULL ? _("Draw a box around what you mean.") : NULL);
    }
  count = g_strdup_printf (ngettext ("%u object", "%u objects", n_objects), n_objects);
  gtk_label_set_label (self->count, count);
  gtk_widget_set_visible (self->bar, n_objects > 1);
  gtk_widget_set_visible (self->none, items->len == 0 && scene != NULL && scene->objects->len > 0);
  gtk_widget_set_visible (self->lower, items->len == 0 && scene != NULL && scene->objects->len > 0);
  gtk_stack_set_visible_child_name (self->stack, items->len > 0 || self->tag_names->len > 0 ? "list" : "empty");
}

static void
visibility_cb (DescryObjects *self)
{
  guint i;

  for (i = 0; i < self->rows->len; i++)
    refresh_row (self, g_ptr_array_index (self->rows, i));
}

void
descry_objects_set_canvas (DescryObjects *self,
                           DescryCanvas  *canvas)
{
  g_return_if_fail (self->canvas == NULL);

  self->canvas = g_object_ref (canvas);
  g_signal_connect_object (canvas, "selection-changed", G_CALLBACK (canvas_selection_changed_cb), self, 0);
  g_signal_connect_object (canvas, "notify::visibility", G_CALLBACK (visibility_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (canvas, "notify::threshold", G_CALLBACK (descry_objects_update), self, G_CONNECT_SWAPPED);
}

/* --------- Object ------------------ */

static void
descry_objects_dispose (GObject *object)
{
  DescryObjects *self = DESCRY_OBJECTS (object);

  if (self->list != NULL)
    {
      gtk_list_view_set_model (self->list, NULL);
      gtk_list_view_set_factory (self->list, NULL);
    }
  g_clear_object (&self->selection);
  g_clear_object (&self->store);
  g_clear_pointer (&self->menu, gtk_widget_unparent);
  gtk_widget_dispose_template (GTK_WIDGET (self), DESCRY_TYPE_OBJECTS);
  g_clear_object (&self->canvas);

  G_OBJECT_CLASS (descry_objects_parent_class)->dispose (object);
}

static void
descry_objects_finalize (GObject *object)
{
  DescryObjects *self = DESCRY_OBJECTS (object);

  g_clear_pointer (&self->rows, g_ptr_array_unref);
  g_clear_pointer (&self->tag_names, g_ptr_array_unref);
  g_clear_pointer (&self->order, g_free);

  G_OBJECT_CLASS (descry_objects_parent_class)->finalize (object);
}

static void
set_order (DescryObjects *self,
           gboolean       grouped,
           const char    *order)
{
  gboolean other_groups = grouped != self->grouped, other_order = g_strcmp0 (order, self->order) != 0;

  if (!other_groups && !other_order)
    return;

  self->grouped = grouped;
  if (other_order)
    {
      g_free (self->order);
      self->order = g_strdup (order != NULL ? order : DESCRY_OBJECT_ORDER_DEFAULT);
    }
  if (self->canvas != NULL)
    descry_objects_update (self);
  if (other_groups)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_GROUPED]);
  if (other_order)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ORDER]);
}

static void
descry_objects_get_property (GObject    *object,
                             guint       property,
                             GValue     *value,
                             GParamSpec *pspec)
{
  if (property == PROP_GROUPED)
    g_value_set_boolean (value, DESCRY_OBJECTS (object)->grouped);
  else if (property == PROP_ORDER)
    g_value_set_string (value, DESCRY_OBJECTS (object)->order);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
}

static void
descry_objects_set_property (GObject      *object,
                             guint         property,
                             const GValue *value,
                             GParamSpec   *pspec)
{
  DescryObjects *self = DESCRY_OBJECTS (object);

  gboolean grouped = self->grouped;
  const char *order = self->order;

  /* Groups have an order of their own, so the newer wish ends the older one. */
  if (property == PROP_GROUPED)
    {
      grouped = g_value_get_boolean (value);
      order = grouped ? DESCRY_OBJECT_ORDER_DEFAULT : order;
    }
  else if (property == PROP_ORDER)
    {
      order = g_value_get_string (value);
      grouped = grouped && g_strcmp0 (order, DESCRY_OBJECT_ORDER_DEFAULT) == 0;
    }
  else
    {
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
      return;
    }

  set_order (self, grouped, order);
}

static void
descry_objects_class_init (DescryObjectsClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  object_class->dispose = descry_objects_dispose;
  object_class->finalize = descry_objects_finalize;
  object_class->get_property = descry_objects_get_property;
  object_class->set_property = descry_objects_set_property;

  properties[PROP_GROUPED] = g_param_spec_boolean ("grouped", NULL, NULL, TRUE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  properties[PROP_ORDER] = g_param_spec_string ("order", NULL, NULL, DESCRY_OBJECT_ORDER_DEFAULT, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, properties);

  gtk_widget_class_install_property_action (widget_class, "objects.order", "order");
  gtk_widget_class_install_action (widget_class, "objects.menu", NULL, menu_action);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Menu, 0, "objects.menu", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_F10, GDK_SHIFT_MASK, "objects.menu", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Delete, 0, "win.delete", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_F2, 0, "win.rename", NULL);

  signals[ASK_ABOUT] = g_signal_new ("ask-about", DESCRY_TYPE_OBJECTS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                     G_TYPE_NONE, 1, G_TYPE_UINT);

  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/objects.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, stack);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, empty);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, lower);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, none);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, none_label);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, none_lower);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, tags);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, list);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, bar);
  gtk_widget_class_bind_template_child (widget_class, DescryObjects, count);
}

static void
descry_objects_init (DescryObjects *self)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();

  gtk_widget_init_template (GTK_WIDGET (self));
  self->grouped = TRUE;
  self->order = g_strdup (DESCRY_OBJECT_ORDER_DEFAULT);
  self->rows = g_ptr_array_new ();
  self->tag_names = g_ptr_array_new_with_free_func (g_free);
  self->store = g_list_store_new (DESCRY_TYPE_OBJECT_ITEM);
  self->selection = gtk_multi_selection_new (g_object_ref (G_LIST_MODEL (self->store)));

  g_signal_connect (factory, "setup", G_CALLBACK (setup_cb), self);
  g_signal_connect (factory, "bind", G_CALLBACK (bind_cb), self);
  g_signal_connect (factory, "unbind", G_CALLBACK (unbind_cb), self);
  gtk_list_view_set_factory (self->list, factory);
  g_object_unref (factory);
  gtk_list_view_set_model (self->list, GTK_SELECTION_MODEL (self->selection));
  g_signal_connect_object (self->selection, "selection-changed", G_CALLBACK (list_selection_changed_cb), self, 0);
  g_signal_connect_object (self->list, "activate", G_CALLBACK (row_activated_cb), self, 0);
  g_signal_connect_object (self->lower, "clicked", G_CALLBACK (lower_clicked_cb), self, 0);
  g_signal_connect_object (self->none_lower, "clicked", G_CALLBACK (lower_clicked_cb), self, 0);
}
