/* objects.c - the tags and the list of objects, in step with the canvas
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-objects"

#include "config.h"

#include "ui/objects-private.h"

#include <glib/gi18n.h>

#include "ui/groups.h"
#include "ui/main-thread.h"
#include "ui/object-menu.h"
#include "ui/object-order.h"

enum { PROP_0, PROP_GROUPED, PROP_ORDER, N_PROPS };

static GParamSpec *properties[N_PROPS];

guint descry_objects_signals[OBJECTS_N_SIGNALS];

G_DEFINE_FINAL_TYPE (DescryObjects, descry_objects, GTK_TYPE_WIDGET)

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
    descry_objects_select_group (self, item);
  else if (item != NULL)
    g_signal_emit (self, descry_objects_signals[OBJECTS_ASK_ABOUT], 0, item->id);
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
      descry_objects_refresh_row (self, g_ptr_array_index (self->rows, i));
  else
    {
      self->updating = TRUE;
      g_list_store_splice (self->store, 0, n, items->pdata, items->len);
      self->updating = FALSE;
      selection_to_list (self);
    }

  descry_objects_update_tags (self);
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
    descry_objects_refresh_row (self, g_ptr_array_index (self->rows, i));
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

/* --------- Menu ------------------ */

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
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_c, GDK_CONTROL_MASK, "win.copy", NULL);

  descry_objects_signals[OBJECTS_ASK_ABOUT] = g_signal_new ("ask-about", DESCRY_TYPE_OBJECTS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
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
  gtk_widget_init_template (GTK_WIDGET (self));
  self->grouped = TRUE;
  self->order = g_strdup (DESCRY_OBJECT_ORDER_DEFAULT);
  self->tag_names = g_ptr_array_new_with_free_func (g_free);
  self->store = g_list_store_new (DESCRY_TYPE_OBJECT_ITEM);
  self->selection = gtk_multi_selection_new (g_object_ref (G_LIST_MODEL (self->store)));

  descry_objects_init_rows (self);
  gtk_list_view_set_model (self->list, GTK_SELECTION_MODEL (self->selection));
  g_signal_connect_object (self->selection, "selection-changed", G_CALLBACK (list_selection_changed_cb), self, 0);
  g_signal_connect_object (self->list, "activate", G_CALLBACK (row_activated_cb), self, 0);
  g_signal_connect_object (self->lower, "clicked", G_CALLBACK (lower_clicked_cb), self, 0);
  g_signal_connect_object (self->none_lower, "clicked", G_CALLBACK (lower_clicked_cb), self, 0);
}
