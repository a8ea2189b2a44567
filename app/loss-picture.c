/* loss-picture.c - the curves of a training, drawn from its log
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/loss-picture.h"

#include <errno.h>
#include <math.h>
#include <pango/pangocairo.h>
#include <string.h>

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <jansson.h>

#include "compute/error.h"

#define WIDTH 960
#define HEIGHT 540
#define LEFT 70
#define RIGHT 20
#define TOP 20
#define BOTTOM 46
#define SMOOTH 0.9 /* share of the running mean that the next value keeps */
#define MOST_STEPS 10000000

/* Told apart by people who see colours differently, too (Okabe and Ito's palette). */
static const double colours[][3] = {
  { 0.00, 0.45, 0.70 }, { 0.84, 0.37, 0.00 }, { 0.00, 0.62, 0.45 }, { 0.80, 0.47, 0.65 }, { 0.90, 0.62, 0.00 }, { 0.34, 0.71, 0.91 }, { 0.00, 0.00, 0.00 },
};

typedef struct
{
  double step, value;
} Point;

typedef struct
{
  char   *name;
  GArray *points; /* Point, by step */
} Curve;

static void
curve_free (gpointer data)
{
  Curve *curve = data;

  g_free (curve->name);
  g_array_unref (curve->points);
  g_free (curve);
}

static void
add_point (GPtrArray  *curves,
           const char *name,
           double      step,
           double      value)
{
  Point point = { step, value };
  Curve *curve = NULL;
  guint i;

  for (i = 0; i < curves->len && curve == NULL; i++)
    if (strcmp (((Curve *) g_ptr_array_index (curves, i))->name, name) == 0)
      curve = g_ptr_array_index (curves, i);
  if (curve == NULL)
    {
      curve = g_new0 (Curve, 1);
      curve->name = g_strdup (name);
      curve->points = g_array_new (FALSE, FALSE, sizeof (Point));
      g_ptr_array_add (curves, curve);
    }
  /* A resumed training goes back to its checkpoint: what it runs again replaces what was lost. */
  while (curve->points->len > 0 && g_array_index (curve->points, Point, curve->points->len - 1).step >= step)
    g_array_set_size (curve->points, curve->points->len - 1);
  g_array_append_val (curve->points, point);
}

static gboolean
read_line (const char  *log,
           guint        number,
           const char  *line,
           GPtrArray   *curves,
           GError     **error)
{
  json_error_t problem;
  json_t *object = json_loads (line, 0, &problem), *value;
  double step = json_number_value (json_object_get (object, "step"));
  const char *name;
  gboolean ok = json_is_object (object) && step >= 1.0 && step <= MOST_STEPS;

  if (ok)
    json_object_foreach (object, name, value)
      if (json_is_number (value) && strcmp (name, "step") != 0 && strcmp (name, "norm") != 0 && strcmp (name, "rate") != 0 && isfinite (json_number_value (value)))
        add_point (curves, name, step, json_number_value (value));
  if (!ok)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, _("%s: line %u: expected an object with a step, found “%.40s”"), log, number, line);
  json_decref (object);

  return ok;
}

static GPtrArray *
read_log (const char  *log,
          GError     **error)
{
  g_autoptr (GPtrArray) curves = g_ptr_array_new_with_free_func (curve_free);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint i;

  if (!g_file_get_contents (log, &text, NULL, error))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (i = 0; lines[i] != NULL; i++)
    /* A killed writer may leave half a line at the end. */
    if (*lines[i] != '\0' && !read_line (log, i + 1, lines[i], curves, lines[i + 1] != NULL ? error : NULL) && lines[i + 1] != NULL)
      return NULL;
  if (curves->len == 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, _("%s: expected at least one step, found none"), log);
      return NULL;
    }

  return g_steal_pointer (&curves);
}

/* 1, 2 or 5 times a power of ten, so that about @n of them make @range. */
static double
nice_step (double range,
           double n)
{
  double step = pow (10.0, floor (log10 (range / n)));

  return range / n / step >= 5.0 ? step * 5.0 : range / n / step >= 2.0 ? step * 2.0 : step;
}

static void
draw_text (cairo_t    *cr,
           const char *text,
           double      x,
           double      y,
           double      align) /* 0: from x on, 1: up to x */
{
  g_autoptr (PangoLayout) layout = pango_cairo_create_layout (cr);
  PangoFontDescription *font = pango_font_description_from_string ("Sans 10");
  int width, height;

  pango_layout_set_font_description (layout, font);
  pango_font_description_free (font);
  pango_layout_set_text (layout, text, -1);
  pango_layout_get_pixel_size (layout, &width, &height);
  cairo_move_to (cr, round (x - align * width), round (y - height / 2.0));
  pango_cairo_show_layout (cr, layout);
  cairo_new_path (cr);
}

typedef struct
{
  double x0, x1, y0, y1; /* steps and losses that the frame shows */
} Frame;

static double
at_x (const Frame *frame,
      double       step)
{
  return LEFT + (step - frame->x0) / (frame->x1 - frame->x0) * (WIDTH - LEFT - RIGHT);
}

static double
at_y (const Frame *frame,
      double       value)
{
  return HEIGHT - BOTTOM - (value - frame->y0) / (frame->y1 - frame->y0) * (HEIGHT - TOP - BOTTOM);
}

static Frame
find_frame (GPtrArray *curves)
{
  Frame frame = { G_MAXDOUBLE, -G_MAXDOUBLE, 0.0, -G_MAXDOUBLE };
  guint i, k;

  for (i = 0; i < curves->len; i++)
    {
      GArray *points = ((Curve *) g_ptr_array_index (curves, i))->points;

      for (k = 0; k < points->len; k++)
        {
          const Point *point = &g_array_index (points, Point, k);

          frame.x0 = MIN (frame.x0, point->step);
          frame.x1 = MAX (frame.x1, point->step);
          frame.y0 = MIN (frame.y0, point->value);
          frame.y1 = MAX (frame.y1, point->value);
        }
    }
  if (frame.x1 <= frame.x0)
    frame.x1 = frame.x0 + 1.0;
  if (frame.y1 <= frame.y0)
    frame.y1 = frame.y0 + 1.0;

  return frame;
}

static void
draw_axes (cairo_t     *cr,
           const Frame *frame)
{
  double step = nice_step (frame->y1 - frame->y0, 6.0), value;
  char text[32];

  cairo_set_line_width (cr, 1.0);
  for (value = ceil (frame->y0 / step) * step; value <= frame->y1; value += step)
    {
      cairo_set_source_rgb (cr, 0.85, 0.85, 0.85);
      cairo_move_to (cr, LEFT, round (at_y (frame, value)) + 0.5);
      cairo_line_to (cr, WIDTH - RIGHT, round (at_y (frame, value)) + 0.5);
      cairo_stroke (cr);
      cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
      g_snprintf (text, sizeof text, "%g", fabs (value) < step / 2.0 ? 0.0 : value);
      draw_text (cr, text, LEFT - 8, at_y (frame, value), 1.0);
    }
  step = MAX (nice_step (frame->x1 - frame->x0, 8.0), 1.0);
  for (value = ceil (frame->x0 / step) * step; value <= frame->x1; value += step)
    {
      g_snprintf (text, sizeof text, "%g", value);
      draw_text (cr, text, at_x (frame, value), HEIGHT - BOTTOM + 12, 0.5);
    }
  draw_text (cr, _("step"), WIDTH - RIGHT, HEIGHT - 12, 1.0);
}

/* The values as they were, pale, and their running mean; few values (the held-out ones) as marks. */
static void
draw_curve (cairo_t      *cr,
            const Frame  *frame,
            const Curve  *curve,
            const double *colour,
            gboolean      sparse)
{
  double mean = 0.0, weight = 0.0;
  guint k;

  cairo_set_source_rgba (cr, colour[0], colour[1], colour[2], sparse ? 1.0 : 0.3);
  cairo_set_line_width (cr, sparse ? 2.0 : 1.0);
  for (k = 0; k < curve->points->len; k++)
    {
      const Point *point = &g_array_index (curve->points, Point, k);

      cairo_line_to (cr, at_x (frame, point->step), at_y (frame, point->value));
    }
  cairo_stroke (cr);

  if (!sparse)
    cairo_set_source_rgb (cr, colour[0], colour[1], colour[2]);
  cairo_set_line_width (cr, 2.0);
  for (k = 0; k < curve->points->len; k++)
    {
      const Point *point = &g_array_index (curve->points, Point, k);

      if (sparse)
        {
          cairo_arc (cr, at_x (frame, point->step), at_y (frame, point->value), 3.5, 0.0, 2.0 * G_PI);
          cairo_fill (cr);
          continue;
        }
      mean = SMOOTH * mean + (1.0 - SMOOTH) * point->value;
      weight = SMOOTH * weight + (1.0 - SMOOTH);
      cairo_line_to (cr, at_x (frame, point->step), at_y (frame, mean / weight));
    }
  cairo_stroke (cr);
}

static void
draw (cairo_t   *cr,
      GPtrArray *curves)
{
  Frame frame = find_frame (curves);
  guint i, longest = 0;

  cairo_set_source_rgb (cr, 1.0, 1.0, 1.0);
  cairo_paint (cr);
  cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
  draw_axes (cr, &frame);
  for (i = 0; i < curves->len; i++)
    longest = MAX (longest, ((Curve *) g_ptr_array_index (curves, i))->points->len);
  for (i = 0; i < curves->len; i++)
    {
      const Curve *curve = g_ptr_array_index (curves, i);
      const double *colour = colours[i % G_N_ELEMENTS (colours)];
      g_autofree char *text = g_strdup_printf ("%s  %.3g", curve->name, g_array_index (curve->points, Point, curve->points->len - 1).value);

      draw_curve (cr, &frame, curve, colour, curve->points->len * 4 < longest);
      cairo_set_source_rgb (cr, colour[0], colour[1], colour[2]);
      draw_text (cr, text, WIDTH - RIGHT - 8, TOP + 10 + 18 * i, 1.0);
    }
}

gboolean
descry_loss_picture (const char  *log,
                     const char  *png,
                     GError     **error)
{
  g_autoptr (GPtrArray) curves = read_log (log, error);
  g_autofree char *temporary = g_strconcat (png, ".part", NULL);
  cairo_surface_t *surface;
  cairo_status_t status;
  cairo_t *cr;

  if (curves == NULL)
    return FALSE;
  surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
  cr = cairo_create (surface);
  draw (cr, curves);
  status = cairo_status (cr);
  cairo_destroy (cr);
  if (status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_write_to_png (surface, temporary);
  cairo_surface_destroy (surface);
  if (status != CAIRO_STATUS_SUCCESS || g_rename (temporary, png) != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, _("%s: cannot be written: %s"), png,
                   status != CAIRO_STATUS_SUCCESS ? cairo_status_to_string (status) : g_strerror (errno));
      g_unlink (temporary);
      return FALSE;
    }

  return TRUE;
}
