/* canvas-input.c - the photo with its objects: pointer, touch and keys
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-canvas"

#include "config.h"

#include "ui/canvas-private.h"

#include <math.h>

#include <gdk/gdkkeysyms.h>
#include <glib/gi18n.h>

#include "ui/object-menu.h"

#define ZOOM_STEP 1.25
#define PAN_STEP 64.0

/* --------- Hit, select, cycle ------------------ */

static GArray *
hits_at (DescryCanvas *self,
         double        x,
         double        y)
{
  double px, py;

  if (self->scene == NULL || self->image == NULL)
    return g_array_new (FALSE, FALSE, sizeof (guint));

  descry_canvas_to_picture (self, x, y, &px, &py);
  return descry_view_hits (&self->view, self->scene, px, py);
}

void
descry_canvas_update_hover (DescryCanvas *self)
{
  g_autoptr (GArray) hits = NULL;

  if (self->pointer_x < 0 || self->dragging)
    {
      descry_canvas_set_hovered (self, 0);
      return;
    }

  hits = hits_at (self, self->pointer_x, self->pointer_y);
  descry_canvas_set_hovered (self, hits->len > 0 ? g_array_index (hits, guint, 0) : 0);
}

static gboolean
is_selected (DescryCanvas *self,
             guint         id)
{
  guint i;

  for (i = 0; i < self->selection->len; i++)
    if (g_array_index (self->selection, guint, i) == id)
      return TRUE;
  return FALSE;
}

static void
toggle_selected (DescryCanvas *self,
                 guint         id)
{
  g_autoptr (GArray) ids = g_array_copy (self->selection);
  guint i;

  for (i = 0; i < ids->len; i++)
    if (g_array_index (ids, guint, i) == id)
      break;
  if (i < ids->len)
    g_array_remove_index (ids, i);
  else
    g_array_append_val (ids, id);

  descry_canvas_select (self, (const guint *) ids->data, ids->len);
}

static void
request_region (DescryCanvas *self,
                double        x0,
                double        y0,
                double        x1,
                double        y1)
{
  double width = self->image->width;
  double height = self->image->height;

  if (MAX (x0, x1) < 0 || MAX (y0, y1) < 0 || MIN (x0, x1) >= width || MIN (y0, y1) >= height)
    return;

  g_signal_emit (self, descry_canvas_signals[CANVAS_REGION], 0,
                 CLAMP (MIN (x0, x1), 0, width), CLAMP (MIN (y0, y1), 0, height),
                 CLAMP (MAX (x0, x1), 0, width), CLAMP (MAX (y0, y1), 0, height));
}

static void
refuse_point (DescryCanvas *self)
{
  g_signal_emit (self, descry_canvas_signals[CANVAS_MESSAGE], 0,
                 self->unpromptable_reason != NULL ? self->unpromptable_reason
                                                   : _("This segmenter takes no + and − points"));
}

static void
click_released_cb (GtkGestureClick *gesture,
                   int              n_press,
                   double           x,
                   double           y,
                   DescryCanvas    *self)
{
  GdkModifierType modifiers = gtk_event_controller_get_current_event_state (GTK_EVENT_CONTROLLER (gesture));
  g_autoptr (GArray) hits = NULL;
  double px, py;
  guint id;

  if (self->image == NULL || self->dragging || self->space_down)
    return;

  if ((modifiers & (GDK_SHIFT_MASK | GDK_ALT_MASK)) != 0 && !self->promptable)
    {
      refuse_point (self);
      return;
    }

  if (self->promptable && n_press == 1)
    {
      gboolean minus = (modifiers & GDK_ALT_MASK) != 0 || ((modifiers & GDK_SHIFT_MASK) == 0 && self->tool == DESCRY_POINT_TOOL_MINUS);

      if (descry_canvas_remove_point_at (self, x, y))
        return;
      if ((modifiers & (GDK_SHIFT_MASK | GDK_ALT_MASK)) != 0 || self->tool != DESCRY_POINT_TOOL_NONE)
        {
          descry_canvas_add_point_at (self, x, y, minus);
          return;
        }
    }

  hits = hits_at (self, x, y);
  id = hits->len > 0 ? g_array_index (hits, guint, 0) : 0;
  g_array_set_size (self->cycle, 0);
  g_array_append_vals (self->cycle, hits->data, hits->len);
  self->cycle_at = 0;

  if (id == 0)
    {
      /* A near miss while collecting must not lose what was collected. */
      if (n_press != 1 || (modifiers & GDK_CONTROL_MASK) != 0)
        return;
      /* With something selected the first click on nothing lets go of it. */
      if (self->selection->len > 0)
        {
          descry_canvas_select (self, NULL, 0);
          return;
        }
      descry_canvas_to_picture (self, x, y, &px, &py);
      if (self->promptable)
        descry_canvas_add_point_at (self, x, y, FALSE);
      else
        request_region (self, px, py, px, py);
      return;
    }

  if (n_press == 2)
    g_signal_emit (self, descry_canvas_signals[CANVAS_ASK_ABOUT], 0, id);
  else if (n_press == 1 && (modifiers & GDK_CONTROL_MASK) != 0)
    toggle_selected (self, id);
  else if (n_press == 1)
    descry_canvas_select (self, &id, 1);
}

static void
click_pressed_cb (GtkGestureClick *gesture,
                  int              n_press,
                  double           x,
                  double           y,
                  DescryCanvas    *self)
{
  gtk_widget_grab_focus (GTK_WIDGET (self));
}

static gboolean
cycle_by (DescryCanvas *self,
          int           step)
{
  int next = (int) self->cycle_at + step;

  /* After the last one the focus moves on: the canvas is no trap. */
  if (self->cycle->len < 2 || next < 0 || next >= (int) self->cycle->len)
    return FALSE;

  self->cycle_at = next;
  descry_canvas_select (self, &g_array_index (self->cycle, guint, next), 1);
  return TRUE;
}

static gboolean
cycle_cb (GtkWidget *widget,
          GVariant  *args,
          gpointer   data)
{
  return cycle_by (DESCRY_CANVAS (widget), g_variant_get_int32 (args));
}

/* --------- Keys ------------------ */

static void
select_nearest (DescryCanvas *self,
                int           dx,
                int           dy)
{
  const DescryObject *from = NULL;
  double x = self->image != NULL ? self->image->width / 2.0 : 0;
  double y = self->image != NULL ? self->image->height / 2.0 : 0;
  double best = G_MAXDOUBLE;
  guint best_id = 0;
  guint i;

  if (self->scene == NULL)
    return;

  if (self->selection->len > 0)
    from = descry_scene_find (self->scene, g_array_index (self->selection, guint, self->selection->len - 1));
  if (from != NULL)
    {
      x = (from->box.x0 + from->box.x1) / 2;
      y = (from->box.y0 + from->box.y1) / 2;
    }

  for (i = 0; i < self->scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (self->scene->objects, i);
      double ox = (object->box.x0 + object->box.x1) / 2 - x;
      double oy = (object->box.y0 + object->box.y1) / 2 - y;
      double along = ox * dx + oy * dy;
      double across = fabs (ox * dy) + fabs (oy * dx);
      double distance = along + 2 * across; /* straight ahead counts as nearer */

      if (object == from || !descry_view_shows (&self->view, object))
        continue;
      if ((from != NULL && along <= 0) || distance >= best)
        continue;
      best = distance;
      best_id = object->id;
    }

  if (best_id != 0)
    {
      descry_canvas_select (self, &best_id, 1);
      descry_canvas_reveal (self, best_id);
    }
}

static gboolean
nearest_cb (GtkWidget *widget,
            GVariant  *args,
            gpointer   data)
{
  int dx, dy;

  g_variant_get (args, "(ii)", &dx, &dy);
  select_nearest (DESCRY_CANVAS (widget), dx, dy);
  return TRUE;
}

static gboolean
select_all_cb (GtkWidget *widget,
               GVariant  *args,
               gpointer   data)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint));
  guint i;

  for (i = 0; self->scene != NULL && i < self->scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (self->scene->objects, i);

      if (descry_view_shows (&self->view, object))
        g_array_append_val (ids, object->id);
    }
  descry_canvas_select (self, (const guint *) ids->data, ids->len);
  return TRUE;
}

static gboolean
candidate_cb (GtkWidget *widget,
              GVariant  *args,
              gpointer   data)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);

  if (self->points->len == 0)
    return FALSE;
  g_signal_emit (self, descry_canvas_signals[CANVAS_CANDIDATE], 0, g_variant_get_int32 (args));
  return TRUE;
}

static gboolean
pan_cb (GtkWidget *widget,
        GVariant  *args,
        gpointer   data)
{
  int dx, dy;

  g_variant_get (args, "(ii)", &dx, &dy);
  descry_canvas_pan_by (DESCRY_CANVAS (widget), dx * PAN_STEP, dy * PAN_STEP);
  return TRUE;
}

static guint
target_id (DescryCanvas *self)
{
  if (self->selection->len > 0)
    return g_array_index (self->selection, guint, self->selection->len - 1);

  return self->view.hovered;
}

static void
ask_action (GtkWidget  *widget,
            const char *name,
            GVariant   *parameter)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);
  g_autoptr (GArray) ids = g_array_copy (self->selection);
  guint i;

  if (ids->len == 0 && self->view.hovered != 0)
    g_array_append_val (ids, self->view.hovered);
  for (i = 0; i < ids->len; i++)
    g_signal_emit (self, descry_canvas_signals[CANVAS_ASK_ABOUT], 0, g_array_index (ids, guint, i));
}

static void
hide_action (GtkWidget  *widget,
             const char *name,
             GVariant   *parameter)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);
  guint id = target_id (self);
  guint i;

  if (id == 0)
    return;

  g_object_freeze_notify (G_OBJECT (self)); /* one step, however many there are */
  if (self->selection->len == 0)
    descry_canvas_set_hidden (self, id, TRUE);
  for (i = 0; i < self->selection->len; i++)
    descry_canvas_set_hidden (self, g_array_index (self->selection, guint, i), TRUE);
  g_object_thaw_notify (G_OBJECT (self));
  descry_canvas_select (self, NULL, 0);
}

static void
solo_action (GtkWidget  *widget,
             const char *name,
             GVariant   *parameter)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);

  descry_canvas_set_solo (self, self->view.solo != 0 ? 0 : target_id (self));
}

static void
show_all_action (GtkWidget  *widget,
                 const char *name,
                 GVariant   *parameter)
{
  descry_canvas_show_all (DESCRY_CANVAS (widget));
}

static void
popup_menu (DescryCanvas *self,
            double        x,
            double        y)
{
  guint id = target_id (self);

  if (id == 0)
    return;
  /* The commands are about what is selected. */
  if (self->selection->len == 0)
    descry_canvas_select (self, &id, 1);

  g_clear_pointer (&self->menu, gtk_widget_unparent);
  self->menu = descry_object_menu_popup (GTK_WIDGET (self), self->selection->len, self->view.solo != 0, x, y);
}

static void
menu_action (GtkWidget  *widget,
             const char *name,
             GVariant   *parameter)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);
  DescryObject *object = self->scene != NULL ? descry_scene_find (self->scene, target_id (self)) : NULL;
  double x = self->pointer_x;
  double y = self->pointer_y;

  if (object != NULL)
    descry_canvas_from_picture (self, (object->box.x0 + object->box.x1) / 2, (object->box.y0 + object->box.y1) / 2, &x, &y);
  popup_menu (self, x, y);
}

/* FALSE: there is nothing here to leave, so the window may have something. */
static gboolean
escape_cb (GtkWidget *widget,
           GVariant  *parameter,
           gpointer   data)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);

  if (self->dragging)
    {
      self->dragging = FALSE;
      gtk_widget_queue_draw (widget);
    }
  else if (self->points->len > 0)
    {
      /* The region stays as it is; its points are done with. */
      descry_canvas_set_points (self, NULL, 0);
      g_signal_emit (self, descry_canvas_signals[CANVAS_POINTS_CHANGED], 0, TRUE);
    }
  else if (self->view.solo != 0)
    descry_canvas_set_solo (self, 0);
  else if (self->selection->len > 0)
    descry_canvas_select (self, NULL, 0);
  else
    return FALSE;

  return TRUE;
}

static gboolean
key_pressed_cb (GtkEventControllerKey *controller,
                guint                  keyval,
                guint                  keycode,
                GdkModifierType        state,
                DescryCanvas          *self)
{
  if (keyval != GDK_KEY_space)
    return FALSE;

  self->space_down = TRUE;
  gtk_widget_set_cursor_from_name (GTK_WIDGET (self), "grab");
  return TRUE;
}

static void
key_released_cb (GtkEventControllerKey *controller,
                 guint                  keyval,
                 guint                  keycode,
                 GdkModifierType        state,
                 DescryCanvas          *self)
{
  if (keyval != GDK_KEY_space)
    return;

  self->space_down = FALSE;
  descry_canvas_reset_cursor (self);
}

static void
focus_left_cb (GtkEventControllerFocus *controller,
               DescryCanvas            *self)
{
  self->space_down = FALSE;
  descry_canvas_reset_cursor (self);
}

/* --------- Pointer ------------------ */

static void
motion_cb (GtkEventControllerMotion *controller,
           double                    x,
           double                    y,
           DescryCanvas             *self)
{
  self->pointer_x = x;
  self->pointer_y = y;
  descry_canvas_update_hover (self);
  descry_canvas_hover_point (self);
}

static void
leave_cb (GtkEventControllerMotion *controller,
          DescryCanvas             *self)
{
  self->pointer_x = self->pointer_y = -1;
  descry_canvas_update_hover (self);
  descry_canvas_hover_point (self);
}

static gboolean
scroll_cb (GtkEventControllerScroll *controller,
           double                    dx,
           double                    dy,
           DescryCanvas             *self)
{
  GdkModifierType state = gtk_event_controller_get_current_event_state (GTK_EVENT_CONTROLLER (controller));
  gboolean wheel = gtk_event_controller_scroll_get_unit (controller) == GDK_SCROLL_UNIT_WHEEL;
  double x = self->pointer_x >= 0 ? self->pointer_x : gtk_widget_get_width (GTK_WIDGET (self)) / 2.0;
  double y = self->pointer_y >= 0 ? self->pointer_y : gtk_widget_get_height (GTK_WIDGET (self)) / 2.0;

  if (self->image == NULL)
    return FALSE;

  /* A wheel zooms, two fingers pan; Ctrl zooms with either, Shift pans with either. */
  if ((state & GDK_SHIFT_MASK) != 0)
    {
      descry_canvas_pan_by (self, (dx != 0 ? dx : dy) * (wheel ? PAN_STEP : 1.0), 0);
      return TRUE;
    }
  if (!wheel && (state & GDK_CONTROL_MASK) == 0)
    return FALSE; /* the scrolled window pans, with inertia */
  if (dy == 0)
    return FALSE;

  descry_canvas_zoom_at (self, self->zoom * pow (ZOOM_STEP, -dy * (wheel ? 1.0 : 0.02)), x, y);
  descry_canvas_update_hover (self);
  return TRUE;
}

static void
band_begin_cb (GtkGestureDrag *gesture,
               double          x,
               double          y,
               DescryCanvas   *self)
{
  self->pan_x = self->adjustments[0] != NULL ? gtk_adjustment_get_value (self->adjustments[0]) : 0;
  self->pan_y = self->adjustments[1] != NULL ? gtk_adjustment_get_value (self->adjustments[1]) : 0;
}

static void
pan_to (DescryCanvas *self,
        double        dx,
        double        dy)
{
  if (self->adjustments[0] != NULL)
    gtk_adjustment_set_value (self->adjustments[0], self->pan_x - dx);
  if (self->adjustments[1] != NULL)
    gtk_adjustment_set_value (self->adjustments[1], self->pan_y - dy);
}

static void
band_update_cb (GtkGestureDrag *gesture,
                double          dx,
                double          dy,
                DescryCanvas   *self)
{
  double x, y;

  if (self->image == NULL)
    return;

  if (self->space_down)
    {
      gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
      pan_to (self, dx, dy);
      return;
    }

  gtk_gesture_drag_get_start_point (gesture, &x, &y);
  if (!self->dragging && !gtk_drag_check_threshold (GTK_WIDGET (self), x, y, x + dx, y + dy))
    return;

  /* From here on it is no click: the click gesture sees the sequence denied. */
  gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
  if (!self->dragging)
    self->choosing = (gtk_event_controller_get_current_event_state (GTK_EVENT_CONTROLLER (gesture)) & GDK_CONTROL_MASK) != 0;
  self->dragging = TRUE;
  self->band_x = MIN (x, x + dx);
  self->band_y = MIN (y, y + dy);
  self->band_width = fabs (dx);
  self->band_height = fabs (dy);
  descry_canvas_update_hover (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

/* Objects that are shown and whose middle is inside join the selection. */
static void
select_inside (DescryCanvas *self,
               double        x0,
               double        y0,
               double        x1,
               double        y1)
{
  g_autoptr (GArray) ids = g_array_copy (self->selection);
  guint i;

  for (i = 0; self->scene != NULL && i < self->scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (self->scene->objects, i);
      double x = (object->box.x0 + object->box.x1) / 2, y = (object->box.y0 + object->box.y1) / 2;

      if (descry_view_shows (&self->view, object) && x >= x0 && x <= x1 && y >= y0 && y <= y1 && !is_selected (self, object->id))
        g_array_append_val (ids, object->id);
    }
  descry_canvas_select (self, (const guint *) ids->data, ids->len);
}

static void
band_end_cb (GtkGestureDrag *gesture,
             double          dx,
             double          dy,
             DescryCanvas   *self)
{
  double x0, y0, x1, y1;

  if (!self->dragging)
    return;

  self->dragging = FALSE;
  gtk_widget_queue_draw (GTK_WIDGET (self));
  descry_canvas_to_picture (self, self->band_x, self->band_y, &x0, &y0);
  descry_canvas_to_picture (self, self->band_x + self->band_width, self->band_y + self->band_height, &x1, &y1);
  if (self->choosing)
    select_inside (self, x0, y0, x1, y1);
  else if (x1 - x0 >= 2 && y1 - y0 >= 2)
    request_region (self, x0, y0, x1, y1);
}

static void
pan_update_cb (GtkGestureDrag *gesture,
               double          dx,
               double          dy,
               DescryCanvas   *self)
{
  gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
  gtk_widget_set_cursor_from_name (GTK_WIDGET (self), "grabbing");
  pan_to (self, dx, dy);
}

static void
pan_end_cb (GtkGestureDrag *gesture,
            double          dx,
            double          dy,
            DescryCanvas   *self)
{
  descry_canvas_reset_cursor (self);
}

static void
menu_pressed_cb (GtkGestureClick *gesture,
                 int              n_press,
                 double           x,
                 double           y,
                 DescryCanvas    *self)
{
  g_autoptr (GArray) hits = hits_at (self, x, y);

  if (hits->len == 0)
    return;

  gtk_widget_grab_focus (GTK_WIDGET (self));
  if (!is_selected (self, g_array_index (hits, guint, 0)))
    descry_canvas_select (self, &g_array_index (hits, guint, 0), 1);
  popup_menu (self, x, y);
}

static void
long_pressed_cb (GtkGestureLongPress *gesture,
                 double               x,
                 double               y,
                 DescryCanvas        *self)
{
  menu_pressed_cb (NULL, 1, x, y, self);
}

static void
pinch_begin_cb (GtkGesture       *gesture,
                GdkEventSequence *sequence,
                DescryCanvas     *self)
{
  self->zoom_start = self->zoom;
}

static void
pinch_cb (GtkGestureZoom *gesture,
          double          factor,
          DescryCanvas   *self)
{
  double x, y;

  if (gtk_gesture_get_bounding_box_center (GTK_GESTURE (gesture), &x, &y))
    descry_canvas_zoom_at (self, self->zoom_start * factor, x, y);
}

/* --------- Wiring ------------------ */

static void
add_move_bindings (GtkWidgetClass *class,
                   guint           key,
                   guint           keypad,
                   int             dx,
                   int             dy)
{
  gtk_widget_class_add_binding (class, key, 0, nearest_cb, "(ii)", dx, dy);
  gtk_widget_class_add_binding (class, keypad, 0, nearest_cb, "(ii)", dx, dy);
  gtk_widget_class_add_binding (class, key, GDK_SHIFT_MASK, pan_cb, "(ii)", dx, dy);
}

void
descry_canvas_class_input (GtkWidgetClass *class)
{
  gtk_widget_class_install_action (class, "canvas.ask", NULL, ask_action);
  gtk_widget_class_install_action (class, "canvas.hide", NULL, hide_action);
  gtk_widget_class_install_action (class, "canvas.solo", NULL, solo_action);
  gtk_widget_class_install_action (class, "canvas.show-all", NULL, show_all_action);
  gtk_widget_class_install_action (class, "canvas.menu", NULL, menu_action);

  /* Letters act only here, while the canvas has the focus. */
  gtk_widget_class_add_binding_action (class, GDK_KEY_a, 0, "canvas.ask", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_Return, 0, "canvas.ask", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_h, 0, "canvas.hide", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_h, GDK_SHIFT_MASK, "canvas.show-all", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_o, 0, "canvas.solo", NULL);
  /* Menus name the last one. */
  gtk_widget_class_add_binding_action (class, GDK_KEY_KP_Delete, 0, "win.delete", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_Delete, 0, "win.delete", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_F2, 0, "win.rename", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_c, GDK_CONTROL_MASK, "win.copy", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_Page_Down, 0, "win.next-picture", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_Page_Up, 0, "win.previous-picture", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_Menu, 0, "canvas.menu", NULL);
  gtk_widget_class_add_binding_action (class, GDK_KEY_F10, GDK_SHIFT_MASK, "canvas.menu", NULL);
  gtk_widget_class_add_binding (class, GDK_KEY_a, GDK_CONTROL_MASK, select_all_cb, NULL);
  gtk_widget_class_add_binding (class, GDK_KEY_bracketleft, 0, candidate_cb, "i", -1);
  gtk_widget_class_add_binding (class, GDK_KEY_bracketright, 0, candidate_cb, "i", 1);
  gtk_widget_class_add_binding (class, GDK_KEY_Escape, 0, escape_cb, NULL);
  gtk_widget_class_add_binding (class, GDK_KEY_Tab, 0, cycle_cb, "i", 1);
  gtk_widget_class_add_binding (class, GDK_KEY_ISO_Left_Tab, GDK_SHIFT_MASK, cycle_cb, "i", -1);
  gtk_widget_class_add_binding (class, GDK_KEY_Tab, GDK_SHIFT_MASK, cycle_cb, "i", -1);
  add_move_bindings (class, GDK_KEY_Left, GDK_KEY_KP_Left, -1, 0);
  add_move_bindings (class, GDK_KEY_Right, GDK_KEY_KP_Right, 1, 0);
  add_move_bindings (class, GDK_KEY_Up, GDK_KEY_KP_Up, 0, -1);
  add_move_bindings (class, GDK_KEY_Down, GDK_KEY_KP_Down, 0, 1);
}

static GtkEventController *
add_controller (DescryCanvas       *self,
                GtkEventController *controller)
{
  gtk_widget_add_controller (GTK_WIDGET (self), controller);
  return controller;
}

void
descry_canvas_init_input (DescryCanvas *self)
{
  GtkEventController *controller;
  GtkGesture *click, *band;

  controller = add_controller (self, gtk_event_controller_motion_new ());
  g_signal_connect (controller, "motion", G_CALLBACK (motion_cb), self);
  g_signal_connect (controller, "enter", G_CALLBACK (motion_cb), self);
  g_signal_connect (controller, "leave", G_CALLBACK (leave_cb), self);

  controller = add_controller (self, gtk_event_controller_scroll_new (GTK_EVENT_CONTROLLER_SCROLL_BOTH_AXES));
  g_signal_connect (controller, "scroll", G_CALLBACK (scroll_cb), self);

  controller = add_controller (self, gtk_event_controller_key_new ());
  g_signal_connect (controller, "key-pressed", G_CALLBACK (key_pressed_cb), self);
  g_signal_connect (controller, "key-released", G_CALLBACK (key_released_cb), self);

  controller = add_controller (self, gtk_event_controller_focus_new ());
  g_signal_connect (controller, "leave", G_CALLBACK (focus_left_cb), self);

  click = gtk_gesture_click_new ();
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), GDK_BUTTON_PRIMARY);
  g_signal_connect (click, "pressed", G_CALLBACK (click_pressed_cb), self);
  g_signal_connect (click, "released", G_CALLBACK (click_released_cb), self);
  add_controller (self, GTK_EVENT_CONTROLLER (click));

  band = gtk_gesture_drag_new ();
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (band), GDK_BUTTON_PRIMARY);
  g_signal_connect (band, "drag-begin", G_CALLBACK (band_begin_cb), self);
  g_signal_connect (band, "drag-update", G_CALLBACK (band_update_cb), self);
  g_signal_connect (band, "drag-end", G_CALLBACK (band_end_cb), self);
  add_controller (self, GTK_EVENT_CONTROLLER (band));

  controller = add_controller (self, GTK_EVENT_CONTROLLER (gtk_gesture_drag_new ()));
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (controller), GDK_BUTTON_MIDDLE);
  g_signal_connect (controller, "drag-begin", G_CALLBACK (band_begin_cb), self);
  g_signal_connect (controller, "drag-update", G_CALLBACK (pan_update_cb), self);
  g_signal_connect (controller, "drag-end", G_CALLBACK (pan_end_cb), self);

  controller = add_controller (self, GTK_EVENT_CONTROLLER (gtk_gesture_click_new ()));
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (controller), GDK_BUTTON_SECONDARY);
  g_signal_connect (controller, "pressed", G_CALLBACK (menu_pressed_cb), self);

  controller = add_controller (self, GTK_EVENT_CONTROLLER (gtk_gesture_long_press_new ()));
  gtk_gesture_single_set_touch_only (GTK_GESTURE_SINGLE (controller), TRUE);
  g_signal_connect (controller, "pressed", G_CALLBACK (long_pressed_cb), self);

  controller = add_controller (self, GTK_EVENT_CONTROLLER (gtk_gesture_zoom_new ()));
  g_signal_connect (controller, "begin", G_CALLBACK (pinch_begin_cb), self);
  g_signal_connect (controller, "scale-changed", G_CALLBACK (pinch_cb), self);
}
