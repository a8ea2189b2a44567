/* overlay.h - the one painter of boxes, masks, names and scores
 *
 * Pure Cairo and Pango, no GTK: it serves the screen, exported pictures and `descry analyze
 * --png`, so it is a library of its own (liboverlay) that a build without a window has too.
 * Lines and labels live in surface space: coordinates are scaled, strokes and text are not.
 * Safe on any thread with its own cairo_t.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <cairo.h>

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

/* How a scene is looked at. Plain data; pointers are borrowed. */
typedef struct
{
  double       scale; /* surface units of one picture pixel */
  double       x, y;  /* the picture's corner, surface units */
  double       text; /* height of the labels' letters, surface units; 0: the usual */
  double       right; /* labels stay left of it, surface units; 0: anywhere */
  float        threshold; /* objects below are not shown */
  double       opacity; /* of masks, 0..1 */
  gboolean     boxes;
  gboolean     masks;
  gboolean     names;
  gboolean     scores;
  const guint *selected; /* ids */
  guint        n_selected;
  guint        hovered; /* id, or 0 */
  GHashTable  *hidden; /* set of ids (GUINT_TO_POINTER), or NULL */
  guint        solo; /* only this id, or 0 */
} DescryView;

#define DESCRY_OVERLAY_TEXT 12.0 /* surface units */

/* Everything switched on, default threshold, scale 1. */
void     descry_view_init        (DescryView *view);

gboolean descry_view_shows       (const DescryView *view, const DescryObject *object);
gboolean descry_view_is_selected (const DescryView *view, guint id);

/* Ids (guint) of the shown objects under a point (picture pixels): those whose mask has the
 * pixel first, then those whose box holds it; smaller areas first. (transfer full) */
GArray  *descry_view_hits        (const DescryView *view, DescryScene *scene, double x, double y);

/* Paints the scene: masks, boxes, labels; selected and hovered objects last. */
void     descry_overlay_draw     (cairo_t *cr, DescryScene *scene, const DescryView *view);

/* --------- Parts, for a caller that keeps what it painted ------------------ */

/* The colour of an object: bright, the same in every place that shows it. */
void     descry_overlay_color    (guint id, double rgb[3]);

/* "3 cup 0.87", as the toggles say; NULL if nothing is to be written. (transfer full) */
char    *descry_overlay_label    (const DescryObject *object, const DescryView *view);

/* The box in surface units, and the widest reach of its stroke and halo around it. */
void     descry_overlay_box      (const DescryObject *object, const DescryView *view, cairo_rectangle_t *box);
#define  DESCRY_OVERLAY_REACH 4.0

void     descry_overlay_draw_box   (cairo_t *cr, const DescryObject *object, const DescryView *view);

/* Paints the label with its top left corner at (0, 0); its size is returned, @cr may be NULL to measure. */
void     descry_overlay_draw_label (cairo_t *cr, const DescryObject *object, const DescryView *view, double *width, double *height);

/* Where the label goes for a box. */
void     descry_overlay_place_label (const cairo_rectangle_t *box, const DescryView *view, double width, double height, double *x, double *y);

typedef struct
{
  float x, y; /* picture pixels; NAN, NAN ends a loop */
} DescryContourPoint;

/* The outlines of a mask, holes too, as closed loops; traced at no more than @max_side pixels a side.
 * NULL if memory is out. (transfer full) */
GArray  *descry_overlay_trace      (DescryMask *mask, guint max_side);

/* Fill and outline of a mask, without the view's opacity. */
void     descry_overlay_draw_mask  (cairo_t *cr, const DescryObject *object, GArray *contour, const DescryView *view);

G_END_DECLS
