/* canvas-points.c - + and - points on the photo, and the outline that they would give
 *
 * The points are the canvas's; what they mean is asked by whoever listens. The outline under the pointer is one small texture,
 * made when it arrives, so that drawing only hands it on.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-canvas"

#include "config.h"

#include "ui/canvas-private.h"

#include <math.h>

#include <glib/gi18n.h>

#include "compute/memory.h"
#include "ui/main-thread.h"

#define POINT_RADIUS 6 /* application pixels */
#define POINT_REACH 9 /* the same: a click this near means the point */
#define PREVIEW_SIDE 512 /* texture pixels at most; the outline is looked at for a moment */

static const guint8 preview_color[] = { 0x4f, 0xc3, 0xf7 }; /* RGB */

static void
changed (DescryCanvas *self)
{
  gtk_widget_queue_draw (GTK_WIDGET (self));
  g_signal_emit (self, descry_canvas_signals[CANVAS_POINTS_CHANGED], 0, FALSE);
}

void
descry_canvas_set_points (DescryCanvas      *self,
                          const DescryPoint *points,
                          guint              n)
{
  g_return_if_fail (DESCRY_IS_CANVAS (self));
  descry_assert_main_thread ();

  g_array_set_size (self->points, 0);
  if (n > 0)
    g_array_append_vals (self->points, points, n);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

GArray *
descry_canvas_get_points (DescryCanvas *self)
{
  return self->points;
}

void
descry_canvas_reset_cursor (DescryCanvas *self)
{
  gtk_widget_set_cursor_from_name (GTK_WIDGET (self), self->tool != DESCRY_POINT_TOOL_NONE ? "crosshair" : NULL);
}

void
descry_canvas_set_point_tool (DescryCanvas   *self,
                              DescryPointTool tool)
{
  g_return_if_fail (DESCRY_IS_CANVAS (self));

  self->tool = tool;
  descry_canvas_reset_cursor (self);
  if (tool == DESCRY_POINT_TOOL_NONE)
    descry_canvas_set_preview (self, NULL);
  descry_canvas_update_hover (self);
}

/* --------- Input ------------------ */

/* The point under the pointer, or -1. */
static int
find_point (DescryCanvas *self,
            double        x,
            double        y)
{
  guint i;

  for (i = self->points->len; i > 0; i--)
    {
      const DescryPoint *point = &g_array_index (self->points, DescryPoint, i - 1);
      double px, py;

      descry_canvas_from_picture (self, point->x, point->y, &px, &py);
      if (hypot (px - x, py - y) <= POINT_REACH)
        return (int) i - 1;
    }

  return -1;
}

gboolean
descry_canvas_remove_point_at (DescryCanvas *self,
                               double        x,
                               double        y)
{
  int found = find_point (self, x, y);

  if (found < 0)
    return FALSE;

  g_array_remove_index (self->points, (guint) found);
  changed (self);
  return TRUE;
}

void
descry_canvas_add_point_at (DescryCanvas *self,
                            double        x,
                            double        y,
                            gboolean      outside)
{
  DescryPoint point = { 0, 0, outside };
  double px, py;

  descry_canvas_to_picture (self, x, y, &px, &py);
  if (px < 0 || py < 0 || px >= self->image->width || py >= self->image->height)
    return;
  if (outside && self->points->len == 0)
    {
      g_signal_emit (self, descry_canvas_signals[CANVAS_MESSAGE], 0, _("Begin with a + point; a − point takes something out of it"));
      return;
    }

  point.x = (float) px;
  point.y = (float) py;
  g_array_append_val (self->points, point);
  changed (self);
}

/* What the segmenter would make of a point here; only with the tool, for a preview at every move is a lot of work. */
void
descry_canvas_hover_point (DescryCanvas *self)
{
  double px, py;

  if (self->tool == DESCRY_POINT_TOOL_NONE || !self->promptable || self->image == NULL)
    return;
  if (self->pointer_x >= 0 && !self->dragging && find_point (self, self->pointer_x, self->pointer_y) < 0)
    {
      descry_canvas_to_picture (self, self->pointer_x, self->pointer_y, &px, &py);
      if (px >= 0 && py >= 0 && px < self->image->width && py < self->image->height)
        {
          g_signal_emit (self, descry_canvas_signals[CANVAS_POINT_HOVERED], 0, px, py, self->tool == DESCRY_POINT_TOOL_MINUS);
          return;
        }
    }
  descry_canvas_set_preview (self, NULL);
  g_signal_emit (self, descry_canvas_signals[CANVAS_POINT_HOVERED], 0, -1.0, -1.0, FALSE);
}

/* --------- The outline ------------------ */

/* Every step-th pixel of the mask, in the colour, half transparent; NULL: no memory, and then there is no outline. */
static GdkTexture *
make_texture (DescryMask *mask)
{
  guint width = mask->x1 - mask->x0, height = mask->y1 - mask->y0;
  guint step = MAX (1, (MAX (width, height) + PREVIEW_SIDE - 1) / PREVIEW_SIDE);
  guint w = (width + step - 1) / step, h = (height + step - 1) / step;
  g_autofree guint8 *pixels = g_malloc ((gsize) w * h * 4);
  g_autoptr (GBytes) bytes = NULL;
  guint8 *row = descry_try_alloc (width, 1);
  guint x, y;

  if (row == NULL)
    return NULL;
  for (y = 0; y < h; y++)
    {
      descry_mask_render (mask, mask->x0, mask->y0 + y * step, mask->x1, mask->y0 + y * step + 1, row);
      for (x = 0; x < w; x++)
        {
          guint8 *to = pixels + ((gsize) y * w + x) * 4;
          gboolean set = row[x * step] != 0;

          to[0] = set ? preview_color[0] / 2 : 0;
          to[1] = set ? preview_color[1] / 2 : 0;
          to[2] = set ? preview_color[2] / 2 : 0;
          to[3] = set ? 128 : 0;
        }
    }
  descry_free (row);
  bytes = g_bytes_new_take (g_steal_pointer (&pixels), (gsize) w * h * 4);

  return gdk_memory_texture_new ((int) w, (int) h, GDK_MEMORY_R8G8B8A8_PREMULTIPLIED, bytes, (gsize) w * 4);
}

void
descry_canvas_set_preview (DescryCanvas *self,
                           DescryMask   *mask)
{
  g_return_if_fail (DESCRY_IS_CANVAS (self));
  descry_assert_main_thread ();

  if (mask == NULL && self->preview == NULL)
    return;
  g_clear_object (&self->preview);
  if (mask != NULL && mask->area > 0)
    {
      self->preview = make_texture (mask);
      self->preview_box = (DescryBox) { mask->x0, mask->y0, mask->x1, mask->y1 };
    }
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

gboolean
descry_canvas_has_preview (DescryCanvas *self)
{
  return self->preview != NULL;
}

/* --------- Drawing ------------------ */

static void
snapshot_point (GtkSnapshot *snapshot,
                double       x,
                double       y,
                gboolean     outside)
{
  graphene_rect_t bounds = GRAPHENE_RECT_INIT (floor (x) - 10, floor (y) - 10, 20, 20);
  cairo_t *cr = gtk_snapshot_append_cairo (snapshot, &bounds);
  double arm = POINT_RADIUS - 2.5;

  cairo_arc (cr, x, y, POINT_RADIUS, 0, 2 * G_PI);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.6);
  cairo_set_line_width (cr, 4);
  cairo_stroke_preserve (cr);
  if (outside)
    cairo_set_source_rgb (cr, 0.75, 0.11, 0.16);
  else
    cairo_set_source_rgb (cr, 0.15, 0.64, 0.41);
  cairo_fill_preserve (cr);
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_set_line_width (cr, 1.5);
  cairo_stroke (cr);
  /* Not by colour alone. */
  cairo_move_to (cr, x - arm, y);
  cairo_line_to (cr, x + arm, y);
  if (!outside)
    {
      cairo_move_to (cr, x, y - arm);
      cairo_line_to (cr, x, y + arm);
    }
  cairo_stroke (cr);
  cairo_destroy (cr);
}

void
descry_canvas_snapshot_points (DescryCanvas *self,
                               GtkSnapshot  *snapshot)
{
  guint i;
  double x0, y0, x1, y1;

  if (self->preview != NULL)
    {
      descry_canvas_from_picture (self, self->preview_box.x0, self->preview_box.y0, &x0, &y0);
      descry_canvas_from_picture (self, self->preview_box.x1, self->preview_box.y1, &x1, &y1);
      gtk_snapshot_append_texture (snapshot, self->preview, &GRAPHENE_RECT_INIT (x0, y0, x1 - x0, y1 - y0));
    }
  for (i = 0; i < self->points->len; i++)
    {
      const DescryPoint *point = &g_array_index (self->points, DescryPoint, i);

      descry_canvas_from_picture (self, point->x, point->y, &x0, &y0);
      snapshot_point (snapshot, x0, y0, point->outside);
    }
}
