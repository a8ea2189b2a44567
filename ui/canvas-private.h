/* canvas-private.h - shared by the canvas's drawing and its input
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "ui/canvas.h"

G_BEGIN_DECLS

struct _DescryCanvas
{
  GtkWidget      parent_instance;

  DescryImage   *image;
  DescryScene   *scene;
  DescryTiler   *tiler;

  /* Place of the picture */
  GtkAdjustment *adjustments[2]; /* horizontal, vertical */
  guint          hscroll_policy : 1;
  guint          vscroll_policy : 1;
  gboolean       fit; /* the zoom follows the widget's size */
  double         zoom;
  int            offset_x, offset_y; /* of the picture's corner, widget pixels */

  /* What is shown of the scene */
  DescryView     view; /* x and y stay 0: vectors are kept in scaled picture coordinates */
  GHashTable    *hidden;
  GArray        *selection; /* of guint */
  GArray        *highlight; /* of guint */
  guint          visibility;

  /* Made in size_allocate; Vector is canvas-draw.c's */
  GHashTable    *vectors; /* id -> Vector */
  GPtrArray     *shown; /* of Vector, back to front; borrowed */

  /* Input */
  double         pointer_x, pointer_y; /* widget pixels; negative: outside */
  gboolean       space_down;
  gboolean       dragging; /* a rubber band */
  double         band_x, band_y, band_width, band_height; /* widget pixels */
  double         pan_x, pan_y; /* adjustment values at the start of a pan */
  double         zoom_start;
  GArray        *cycle; /* ids under the last click, for Tab */
  guint          cycle_at;
  GtkWidget     *menu;

  gboolean       pending;
  DescryBox      pending_box;
  gboolean       promptable;
  char          *unpromptable_reason;
  GArray        *points; /* of DescryPoint, in the order they were set */
  DescryPointTool tool;
  GdkTexture    *preview; /* or NULL */
  DescryBox      preview_box; /* picture pixels */
  gboolean       choosing; /* the rubber band selects instead of asking for a region */
};

extern guint descry_canvas_signals[];
enum { CANVAS_SELECTION_CHANGED, CANVAS_HOVER_CHANGED, CANVAS_ASK_ABOUT, CANVAS_REGION, CANVAS_POINTS_CHANGED, CANVAS_POINT_HOVERED, CANVAS_CANDIDATE, CANVAS_MESSAGE, CANVAS_N_SIGNALS };

/* Tiles, masks and vectors for the place there is; from size_allocate(). */
void descry_canvas_prepare          (DescryCanvas *self);
void descry_canvas_snapshot         (GtkWidget *widget, GtkSnapshot *snapshot);
void descry_canvas_tiler_changed_cb (gpointer data);
void descry_canvas_vector_free      (gpointer vector);

/* Adjustments and offset for the zoom and size there are; @x, @y: wanted adjustment values. */
void descry_canvas_place       (DescryCanvas *self, double x, double y);

void descry_canvas_init_input  (DescryCanvas *self);
void descry_canvas_class_input (GtkWidgetClass *class);
void descry_canvas_set_hovered (DescryCanvas *self, guint id);
void descry_canvas_update_hover (DescryCanvas *self);
void descry_canvas_pan_by      (DescryCanvas *self, double dx, double dy);

/* Points (canvas-points.c); places are widget pixels. */
gboolean descry_canvas_remove_point_at (DescryCanvas *self, double x, double y); /* FALSE: there is none */
void     descry_canvas_add_point_at    (DescryCanvas *self, double x, double y, gboolean outside);
void     descry_canvas_hover_point     (DescryCanvas *self); /* the pointer has moved */
void     descry_canvas_reset_cursor    (DescryCanvas *self); /* after a pan */
void     descry_canvas_snapshot_points (DescryCanvas *self, GtkSnapshot *snapshot);

G_END_DECLS
