/* canvas.h - the photo with its objects: look, move, point
 *
 * A GtkWidget and GtkScrollable with its own snapshot(). What is drawn is prepared in
 * size_allocate(), which runs at most once a frame; snapshot() only hands nodes on.
 *
 * Signals:
 *   "selection-changed" ()
 *   "hover-changed"     ()
 *   "ask-about"         (guint id): double-click or A
 *   "region"            (double x0, double y0, double x1, double y1): picture pixels; a point when x0 == x1
 *   "points-changed"    (gboolean done): a hand set or removed a + or - point; done: the region stays, its points are gone
 *   "point-hovered"     (double x, double y, gboolean outside): with the point tool, where the next one would be; x < 0: nowhere
 *   "candidate"         (int step): another of the masks that the points can mean
 *   "message"           (const char *text): why something was not done
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

#include "compute/lyrics/engine.h"
#include "ui/overlay.h"
#include "ui/tiles.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_CANVAS (descry_canvas_get_type ())
G_DECLARE_FINAL_TYPE (DescryCanvas, descry_canvas, DESCRY, CANVAS, GtkWidget)

GtkWidget    *descry_canvas_new (void);

/* A new picture: no scene, nothing selected, fitted. */
void          descry_canvas_set_image (DescryCanvas *self, DescryImage *image);
DescryImage  *descry_canvas_get_image (DescryCanvas *self);

void          descry_canvas_set_scene (DescryCanvas *self, DescryScene *scene);
DescryScene  *descry_canvas_get_scene (DescryCanvas *self);

/* Ids (guint), first selected first. (transfer none) */
GArray       *descry_canvas_get_selection (DescryCanvas *self);
void          descry_canvas_select        (DescryCanvas *self, const guint *ids, guint n);

/* Objects lit from outside (a phrase or a row under the pointer); none: n == 0. */
void          descry_canvas_highlight   (DescryCanvas *self, const guint *ids, guint n);
guint         descry_canvas_get_hovered (DescryCanvas *self); /* under the pointer, or 0 */

/* Scrolls so that an object is in view; zooms out if it is larger than the view. */
void          descry_canvas_reveal (DescryCanvas *self, guint id);

void          descry_canvas_set_hidden (DescryCanvas *self, guint id, gboolean hidden);
gboolean      descry_canvas_is_hidden  (DescryCanvas *self, guint id);
void          descry_canvas_set_solo   (DescryCanvas *self, guint id); /* 0: all */
guint         descry_canvas_get_solo   (DescryCanvas *self);
void          descry_canvas_show_all   (DescryCanvas *self);

/* Emitted through notify: "threshold", "opacity", "show-boxes", "show-masks", "show-names", "show-scores",
 * "zoom" (read only), "visibility" (a serial that changes with hidden and solo). */
const DescryView *descry_canvas_get_view (DescryCanvas *self);

/* Application pixels of one picture pixel. */
double        descry_canvas_get_zoom (DescryCanvas *self);
void          descry_canvas_zoom_by  (DescryCanvas *self, double factor); /* about the view's centre */
void          descry_canvas_zoom_at  (DescryCanvas *self, double zoom, double x, double y); /* about a point of the widget */
void          descry_canvas_zoom_fit (DescryCanvas *self);
gboolean      descry_canvas_is_fitted (DescryCanvas *self); /* and stays so when its size changes */
void          descry_canvas_look_at  (DescryCanvas *self, double zoom, double px, double py); /* a point of the picture in the middle */
void          descry_canvas_zoom_one (DescryCanvas *self); /* one picture pixel is one device pixel */

/* Whether + and - points can be had; @reason says why not. */
void          descry_canvas_set_promptable (DescryCanvas *self, gboolean promptable, const char *reason);

/* What a plain click does where points can be had. */
typedef enum { DESCRY_POINT_TOOL_NONE, DESCRY_POINT_TOOL_PLUS, DESCRY_POINT_TOOL_MINUS } DescryPointTool;

void          descry_canvas_set_point_tool (DescryCanvas *self, DescryPointTool tool);
/* The points of the region at hand, of DescryPoint. Setting them says nothing by a signal. */
void          descry_canvas_set_points     (DescryCanvas *self, const DescryPoint *points, guint n);
GArray       *descry_canvas_get_points     (DescryCanvas *self);
/* An outline that would be; NULL: none. */
void          descry_canvas_set_preview    (DescryCanvas *self, DescryMask *mask);
gboolean      descry_canvas_has_preview    (DescryCanvas *self);

/* A region that is being segmented: drawn until NULL. */
void          descry_canvas_set_pending (DescryCanvas *self, const DescryBox *box);

void          descry_canvas_to_picture   (DescryCanvas *self, double x, double y, double *px, double *py);
void          descry_canvas_from_picture (DescryCanvas *self, double px, double py, double *x, double *y);

void          descry_canvas_get_stats (DescryCanvas *self, DescryTilerStats *stats);

G_END_DECLS
