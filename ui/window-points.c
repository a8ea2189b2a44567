/* window-points.c - regions from + and - points, where the segmenter can do that
 *
 * The points are the canvas's. Each change asks for the region anew, as the same object; an outline under the pointer is asked
 * for as a scene that nobody keeps. At most one outline is under way: the last place wins.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <glib/gi18n.h>

/* The object that @scene has and @before lacks, or 0. */
static guint
find_new (DescryScene *scene,
          DescryScene *before)
{
  guint newest = 0;
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    {
      guint id = ((DescryObject *) g_ptr_array_index (scene->objects, i))->id;

      if (id > newest && (before == NULL || descry_scene_find (before, id) == NULL))
        newest = id;
    }

  return newest;
}

static void
ensure_scene (DescryWindow *self)
{
  g_autoptr (DescryScene) scene = NULL;

  if (self->found != NULL)
    return;
  scene = descry_scene_new (self->image->width, self->image->height);
  descry_window_set_scene (self, scene);
}

/* --------- The region ------------------ */

static void
pointed_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryScene) scene = descry_engine_points_finish (DESCRY_ENGINE (source), result, &error);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);
  guint id;

  if (self == NULL || self->segmenting != request->cancellable)
    return;

  g_clear_object (&self->segmenting);
  if (scene != NULL)
    {
      id = self->pointed != 0 ? self->pointed : find_new (scene, self->found);
      descry_window_set_scene (self, scene);
      descry_window_keep_scene (self);
      if (id != 0 && self->pointed == 0)
        {
          self->adding_region = TRUE;
          descry_edits_add_region (self->edits, descry_scene_find (scene, id));
          self->adding_region = FALSE;
        }
      self->pointed = id;
      if (id != 0)
        descry_canvas_select (self->canvas, &id, 1);
    }
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    descry_window_show_error (self, error);
  descry_window_hide_progress (self);
  descry_window_update_edit_actions (self);
}

static void
ask_region (DescryWindow *self)
{
  GArray *points = descry_canvas_get_points (self->canvas);
  DescryRequest *request;

  if (self->engine == NULL || self->image == NULL || points->len == 0)
    return;

  ensure_scene (self);
  request = descry_request_new (self, &self->segmenting);
  descry_window_show_progress (self, _("Outlining the region…"), -1);
  descry_engine_points_async (self->engine, self->image, self->found, self->pointed, (const DescryPoint *) points->data, points->len, self->candidate,
                              request->cancellable, pointed_cb, request);
}

/* Its points are done with; the region itself is an object like any other. */
void
descry_window_end_points (DescryWindow *self)
{
  self->pointed = 0;
  self->candidate = 0;
  g_array_set_size (self->taken_points, 0);
  descry_canvas_set_points (self->canvas, NULL, 0);
  descry_canvas_set_preview (self->canvas, NULL);
}

static void
points_changed_cb (DescryCanvas *canvas,
                   gboolean      done,
                   DescryWindow *self)
{
  GArray *points = descry_canvas_get_points (canvas);

  g_array_set_size (self->taken_points, 0);
  self->candidate = 0;
  if (points->len > 0)
    {
      ask_region (self);
      return;
    }

  /* Without any point there is no region. */
  if (self->segmenting != NULL)
    g_cancellable_cancel (self->segmenting);
  if (!done && self->pointed != 0)
    descry_edits_delete (self->edits, self->found, &self->pointed, 1);
  descry_window_end_points (self);
}

static void
candidate_cb (DescryCanvas *canvas,
              int           step,
              DescryWindow *self)
{
  if (self->pointed == 0)
    return;
  /* A segmenter counts them round, so one step back from the best is the worst of three. */
  self->candidate = (self->candidate + 3 + step) % 3;
  ask_region (self);
}

/* Another object is looked at: the next point begins another region. */
static void
selection_changed_cb (DescryCanvas *canvas,
                      DescryWindow *self)
{
  GArray *ids = descry_canvas_get_selection (canvas);

  if (self->pointed != 0 && self->segmenting == NULL && (ids->len != 1 || g_array_index (ids, guint, 0) != self->pointed))
    descry_window_end_points (self);
}

/* --------- Back ------------------ */

gboolean
descry_window_undo_point (DescryWindow *self)
{
  GArray *points = descry_canvas_get_points (self->canvas);
  DescryPoint last;

  /* The first one is the region itself, a step of its own. */
  if (self->pointed == 0 || points->len < 2)
    {
      descry_window_end_points (self);
      return FALSE;
    }

  last = g_array_index (points, DescryPoint, points->len - 1);
  g_array_append_val (self->taken_points, last);
  g_array_set_size (points, points->len - 1);
  ask_region (self);
  return TRUE;
}

gboolean
descry_window_redo_point (DescryWindow *self)
{
  GArray *points = descry_canvas_get_points (self->canvas);

  if (self->pointed == 0 || self->taken_points->len == 0)
    return FALSE;

  g_array_append_val (points, g_array_index (self->taken_points, DescryPoint, self->taken_points->len - 1));
  g_array_set_size (self->taken_points, self->taken_points->len - 1);
  ask_region (self);
  return TRUE;
}

/* --------- Under the pointer ------------------ */

static void ask_preview (DescryWindow *self);

static void
previewed_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (DescryScene) scene = descry_engine_points_finish (DESCRY_ENGINE (source), result, NULL);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);
  DescryObject *object = NULL;

  if (self == NULL || self->previewing != request->cancellable)
    return;

  g_clear_object (&self->previewing);
  if (self->hover_wanted)
    {
      ask_preview (self);
      return;
    }
  if (scene != NULL && self->hovering)
    object = descry_scene_find (scene, self->pointed != 0 ? self->pointed : find_new (scene, self->found));
  descry_canvas_set_preview (self->canvas, object != NULL ? object->mask : NULL);
}

static void
ask_preview (DescryWindow *self)
{
  g_autoptr (GArray) points = g_array_copy (descry_canvas_get_points (self->canvas));
  DescryRequest *request;

  self->hover_wanted = FALSE;
  if (self->engine == NULL || self->image == NULL || !self->hovering)
    return;

  ensure_scene (self);
  g_array_append_val (points, self->hover);
  request = descry_request_new (self, &self->previewing);
  descry_engine_points_async (self->engine, self->image, self->found, self->pointed, (const DescryPoint *) points->data, points->len, 0,
                              request->cancellable, previewed_cb, request);
}

static void
point_hovered_cb (DescryCanvas *canvas,
                  double        x,
                  double        y,
                  gboolean      outside,
                  DescryWindow *self)
{
  self->hovering = x >= 0 && (!outside || descry_canvas_get_points (canvas)->len > 0);
  self->hover = (DescryPoint) { (float) x, (float) y, outside };
  if (!self->hovering)
    self->hover_wanted = FALSE;
  else if (self->previewing != NULL)
    self->hover_wanted = TRUE;
  else
    ask_preview (self);
}

/* --------- The two buttons ------------------ */

static void
tool_toggled_cb (DescryWindow    *self,
                 GtkToggleButton *button)
{
  GtkToggleButton *other = button == self->plus_point ? self->minus_point : self->plus_point;

  if (gtk_toggle_button_get_active (button))
    gtk_toggle_button_set_active (other, FALSE);
  descry_canvas_set_point_tool (self->canvas, gtk_toggle_button_get_active (self->plus_point)    ? DESCRY_POINT_TOOL_PLUS
                                              : gtk_toggle_button_get_active (self->minus_point) ? DESCRY_POINT_TOOL_MINUS
                                                                                                 : DESCRY_POINT_TOOL_NONE);
}

void
descry_window_show_points (DescryWindow             *self,
                           const DescryEngineStatus *status)
{
  const char *no_points = NULL;

  if (!status->promptable_segmenter)
    no_points = _("This segmenter works on whole regions: click or draw a box instead of + and − points.");
  descry_canvas_set_promptable (self->canvas, status->promptable_segmenter, no_points);
  gtk_widget_set_sensitive (GTK_WIDGET (self->plus_point), status->promptable_segmenter);
  gtk_widget_set_sensitive (GTK_WIDGET (self->minus_point), status->promptable_segmenter);
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->plus_point), no_points != NULL ? no_points : _("Add points to a region (Shift+click)"));
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->minus_point), no_points != NULL ? no_points : _("Take points out of the region (Alt+click)"));
  if (no_points != NULL)
    {
      gtk_toggle_button_set_active (self->plus_point, FALSE);
      gtk_toggle_button_set_active (self->minus_point, FALSE);
      descry_window_end_points (self);
    }
}

void
descry_window_init_points (DescryWindow *self)
{
  self->taken_points = g_array_new (FALSE, FALSE, sizeof (DescryPoint));
  g_signal_connect_object (self->canvas, "points-changed", G_CALLBACK (points_changed_cb), self, 0);
  g_signal_connect_object (self->canvas, "point-hovered", G_CALLBACK (point_hovered_cb), self, 0);
  g_signal_connect_object (self->canvas, "candidate", G_CALLBACK (candidate_cb), self, 0);
  g_signal_connect_object (self->canvas, "selection-changed", G_CALLBACK (selection_changed_cb), self, 0);
  g_signal_connect_object (self->plus_point, "toggled", G_CALLBACK (tool_toggled_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->minus_point, "toggled", G_CALLBACK (tool_toggled_cb), self, G_CONNECT_SWAPPED);
}
