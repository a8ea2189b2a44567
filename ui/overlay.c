/* overlay.c - the one painter of boxes, masks, names and scores
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-overlay"

#include "config.h"

#include "ui/overlay.h"

#include <math.h>
#include <string.h>

#include <pango/pangocairo.h>

#include "compute/memory.h"

#define LABEL_FONT "Sans"
#define LABEL_SIZE DESCRY_OVERLAY_TEXT
#define LABEL_PADDING_X 5.0
#define LABEL_PADDING_Y 2.0
#define MASK_FILL 0.62 /* of the outline's alpha: the photo stays readable below */
#define TRACE_SIDE 1024

void
descry_view_init (DescryView *view)
{
  memset (view, 0, sizeof *view);
  view->scale = 1.0;
  view->threshold = DESCRY_SCENE_THRESHOLD;
  view->opacity = 0.5;
  view->boxes = view->masks = view->names = view->scores = TRUE;
}

gboolean
descry_view_shows (const DescryView   *view,
                   const DescryObject *object)
{
  if (view->solo != 0)
    return object->id == view->solo;

  if (view->hidden != NULL && g_hash_table_contains (view->hidden, GUINT_TO_POINTER (object->id)))
    return FALSE;

  return object->score >= view->threshold;
}

gboolean
descry_view_is_selected (const DescryView *view,
                         guint             id)
{
  guint i;

  for (i = 0; i < view->n_selected; i++)
    if (view->selected[i] == id)
      return TRUE;

  return FALSE;
}

typedef struct
{
  guint  id;
  int    rank; /* 0: its mask has the pixel, 1: only its box */
  double area;
} Hit;

static int
compare_hits (gconstpointer a,
              gconstpointer b)
{
  const Hit *left = a;
  const Hit *right = b;

  if (left->rank != right->rank)
    return left->rank - right->rank;
  if (left->area != right->area)
    return left->area < right->area ? -1 : 1;

  return left->id < right->id ? -1 : left->id > right->id;
}

GArray *
descry_view_hits (const DescryView *view,
                  DescryScene      *scene,
                  double            x,
                  double            y)
{
  g_autoptr (GArray) hits = g_array_new (FALSE, FALSE, sizeof (Hit));
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint));
  guint i;

  if (x < 0 || y < 0 || x >= scene->width || y >= scene->height)
    return ids;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);
      DescryBox box = object->box;
      Hit hit = { object->id, 1, descry_box_area (box) };

      if (!descry_view_shows (view, object))
        continue;
      if (object->mask != NULL && descry_mask_hit (object->mask, (guint) x, (guint) y))
        {
          hit.rank = 0;
          hit.area = object->mask->area;
        }
      else if (x < box.x0 || x > box.x1 || y < box.y0 || y > box.y1)
        continue;

      g_array_append_val (hits, hit);
    }

  g_array_sort (hits, compare_hits);
  for (i = 0; i < hits->len; i++)
    g_array_append_val (ids, g_array_index (hits, Hit, i).id);

  return ids;
}

void
descry_overlay_color (guint  id,
                      double rgb[3])
{
  /* The golden angle keeps neighbouring numbers far apart on the colour circle. */
  double hue = fmod (0.57 + id * 0.618033988749895, 1.0) * 6.0;
  double chroma = 0.72;
  double light = 0.28;
  double x = chroma * (1.0 - fabs (fmod (hue, 2.0) - 1.0));
  double table[6][3] = {
    { chroma, x, 0 }, { x, chroma, 0 }, { 0, chroma, x }, { 0, x, chroma }, { x, 0, chroma }, { chroma, 0, x },
  };
  int i;

  for (i = 0; i < 3; i++)
    rgb[i] = table[(int) hue % 6][i] + light;
}

char *
descry_overlay_label (const DescryObject *object,
                      const DescryView   *view)
{
  if (view->names && view->scores)
    return g_strdup_printf ("%u %s %.2f", object->id, object->name, object->score);
  if (view->names)
    return g_strdup_printf ("%u %s", object->id, object->name);
  if (view->scores)
    return g_strdup_printf ("%u %.2f", object->id, object->score);

  return NULL;
}

void
descry_overlay_box (const DescryObject *object,
                    const DescryView   *view,
                    cairo_rectangle_t  *box)
{
  box->x = view->x + object->box.x0 * view->scale;
  box->y = view->y + object->box.y0 * view->scale;
  box->width = (object->box.x1 - object->box.x0) * view->scale;
  box->height = (object->box.y1 - object->box.y0) * view->scale;
}

void
descry_overlay_draw_box (cairo_t            *cr,
                         const DescryObject *object,
                         const DescryView   *view)
{
  static const double dashes[] = { 7.0, 5.0 };
  gboolean selected = descry_view_is_selected (view, object->id);
  gboolean hovered = view->hovered == object->id;
  double width = selected ? 3.0 : hovered ? 2.5 : 1.75;
  cairo_rectangle_t box;
  double rgb[3];

  descry_overlay_box (object, view, &box);
  descry_overlay_color (object->id, rgb);

  cairo_save (cr);
  cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
  cairo_rectangle (cr, box.x, box.y, box.width, box.height);

  /* A dark halo below the bright line: visible on any photo. */
  cairo_set_source_rgba (cr, 0, 0, 0, 0.55);
  cairo_set_line_width (cr, width + 2.5);
  cairo_stroke_preserve (cr);

  /* Never colour alone: a dashed line is an uncertain object, a white core a selected one. */
  if (object->score < DESCRY_SCENE_THRESHOLD)
    cairo_set_dash (cr, dashes, G_N_ELEMENTS (dashes), 0);
  cairo_set_source_rgb (cr, rgb[0], rgb[1], rgb[2]);
  cairo_set_line_width (cr, width);
  if (selected)
    {
      cairo_stroke_preserve (cr);
      cairo_set_source_rgb (cr, 1, 1, 1);
      cairo_set_line_width (cr, 1.0);
    }
  cairo_stroke (cr);
  cairo_restore (cr);
}

static void
add_rounded_rectangle (cairo_t *cr,
                       double   width,
                       double   height,
                       double   radius)
{
  cairo_new_sub_path (cr);
  cairo_arc (cr, width - radius, radius, radius, -G_PI / 2, 0);
  cairo_arc (cr, width - radius, height - radius, radius, 0, G_PI / 2);
  cairo_arc (cr, radius, height - radius, radius, G_PI / 2, G_PI);
  cairo_arc (cr, radius, radius, radius, G_PI, 1.5 * G_PI);
  cairo_close_path (cr);
}

void
descry_overlay_draw_label (cairo_t            *cr,
                           const DescryObject *object,
                           const DescryView   *view,
                           double             *width,
                           double             *height)
{
  g_autofree char *text = descry_overlay_label (object, view);
  PangoContext *context;
  g_autoptr (PangoLayout) layout = NULL;
  PangoFontDescription *font;
  gboolean strong = descry_view_is_selected (view, object->id) || view->hovered == object->id;
  double rgb[3];
  int w, h;

  *width = *height = 0;
  if (text == NULL)
    return;

  context = pango_font_map_create_context (pango_cairo_font_map_get_default ());
  layout = pango_layout_new (context);
  g_object_unref (context);
  font = pango_font_description_from_string (LABEL_FONT);
  pango_font_description_set_absolute_size (font, (view->text > 0 ? view->text : LABEL_SIZE) * PANGO_SCALE);
  if (strong)
    pango_font_description_set_weight (font, PANGO_WEIGHT_BOLD);
  pango_layout_set_font_description (layout, font);
  pango_font_description_free (font);
  pango_layout_set_text (layout, text, -1);
  pango_layout_get_pixel_size (layout, &w, &h);
  *width = w + 2 * LABEL_PADDING_X;
  *height = h + 2 * LABEL_PADDING_Y;
  if (cr == NULL)
    return;

  descry_overlay_color (object->id, rgb);
  cairo_save (cr);
  add_rounded_rectangle (cr, *width, *height, 4.0);
  cairo_set_source_rgba (cr, rgb[0], rgb[1], rgb[2], strong ? 1.0 : 0.92);
  cairo_fill_preserve (cr);
  cairo_clip (cr); /* the outline stays inside the bounds */
  add_rounded_rectangle (cr, *width, *height, 4.0);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.45);
  cairo_set_line_width (cr, 2.0);
  cairo_stroke (cr);
  cairo_set_source_rgb (cr, 0, 0, 0);
  cairo_move_to (cr, LABEL_PADDING_X, LABEL_PADDING_Y);
  pango_cairo_update_layout (cr, layout);
  pango_cairo_show_layout (cr, layout);
  cairo_restore (cr);
}

void
descry_overlay_place_label (const cairo_rectangle_t *box,
                            const DescryView        *view,
                            double                   width,
                            double                   height,
                            double                  *x,
                            double                  *y)
{
  *x = floor (box->x);
  *y = floor (box->y - height - 2.0);

  /* No room above the picture's edge: inside the box. */
  if (*y < view->y)
    *y = ceil (box->y + 2.0);
  if (view->right > 0 && *x + width > view->right)
    *x = floor (view->right - width);
  if (*x < view->x)
    *x = ceil (view->x);
}

/* --------- Contours ------------------ */

enum { EAST, SOUTH, WEST, NORTH };

static const int step_x[] = { 1, 0, -1, 0 };
static const int step_y[] = { 0, 1, 0, -1 };

static void
append_point (GArray *points,
              float   x,
              float   y)
{
  DescryContourPoint point = { x, y };
  guint n = points->len;

  /* Three points on a line: the middle one says nothing. */
  if (n >= 2)
    {
      DescryContourPoint *a = &g_array_index (points, DescryContourPoint, n - 2);
      DescryContourPoint *b = &g_array_index (points, DescryContourPoint, n - 1);

      if (!isnan (a->x) && !isnan (b->x) && fabsf ((b->x - a->x) * (y - b->y) - (b->y - a->y) * (x - b->x)) < 1e-6f)
        {
          *b = point;
          return;
        }
    }

  g_array_append_val (points, point);
}

/* The mask's bits in its bounds, each @factor x @factor block as one: set if half of it is. */
static guint8 *
reduce_bits (DescryMask *mask,
             guint       factor,
             guint       w,
             guint       h)
{
  guint full_w = mask->x1 - mask->x0;
  guint full_h = mask->y1 - mask->y0;
  guint8 *bits = descry_try_alloc (w, h);
  guint8 *rows = descry_try_alloc (full_w, factor);
  guint x, y;

  if (bits == NULL || rows == NULL)
    {
      descry_free (bits);
      descry_free (rows);
      return NULL;
    }

  for (y = 0; y < h; y++)
    {
      guint top = y * factor;
      guint n_rows = MIN (factor, full_h - top);

      descry_mask_render (mask, mask->x0, mask->y0 + top, mask->x1, mask->y0 + top + n_rows, rows);
      for (x = 0; x < w; x++)
        {
          guint n_columns = MIN (factor, full_w - x * factor);
          guint set = 0;
          guint i, j;

          for (j = 0; j < n_rows; j++)
            for (i = 0; i < n_columns; i++)
              set += rows[j * full_w + x * factor + i] != 0;
          bits[y * w + x] = 2 * set >= n_rows * n_columns;
        }
    }

  descry_free (rows);
  return bits;
}

GArray *
descry_overlay_trace (DescryMask *mask,
                      guint       max_side)
{
  GArray *points = g_array_new (FALSE, FALSE, sizeof (DescryContourPoint));
  guint full_w = mask->x1 - mask->x0;
  guint full_h = mask->y1 - mask->y0;
  guint factor = MAX (1, (MAX (full_w, full_h) + max_side - 1) / max_side);
  guint w = (full_w + factor - 1) / factor;
  guint h = (full_h + factor - 1) / factor;
  guint8 *bits;
  guint8 *edges; /* [h + 1, w + 1] directions that leave a corner with the mask on their right */
  guint stride = w + 1;
  guint x, y;

  if (mask->area == 0)
    return points;

  bits = reduce_bits (mask, factor, w, h);
  edges = descry_try_alloc (stride, h + 1);
  if (bits == NULL || edges == NULL)
    {
      descry_free (bits);
      descry_free (edges);
      g_array_unref (points);
      return NULL;
    }

  for (y = 0; y < h; y++)
    for (x = 0; x < w; x++)
      {
        if (!bits[y * w + x])
          continue;
        if (y == 0 || !bits[(y - 1) * w + x])
          edges[y * stride + x] |= 1 << EAST;
        if (x == w - 1 || !bits[y * w + x + 1])
          edges[y * stride + x + 1] |= 1 << SOUTH;
        if (y == h - 1 || !bits[(y + 1) * w + x])
          edges[(y + 1) * stride + x + 1] |= 1 << WEST;
        if (x == 0 || !bits[y * w + x - 1])
          edges[(y + 1) * stride + x] |= 1 << NORTH;
      }

  for (y = 0; y <= h; y++)
    for (x = 0; x <= w; x++)
      while (edges[y * stride + x] != 0)
        {
          DescryContourPoint end = { NAN, NAN };
          int cx = x;
          int cy = y;
          int direction = g_bit_nth_lsf (edges[y * stride + x], -1);

          /* Follow the loop. Midpoints of the edges are its points, so that a diagonal is a line, not
           * stairs. Where two loops touch in a corner, turning right keeps the pixels 4-connected. */
          do
            {
              guint8 *corner = &edges[cy * stride + cx];
              int turn;

              for (turn = 1; turn >= -1; turn--)
                if (*corner & (1 << ((direction + turn + 4) % 4)))
                  break;
              if (turn < -1)
                break;
              direction = (direction + turn + 4) % 4;
              *corner &= ~(1 << direction);
              append_point (points,
                            MIN (mask->x0 + (cx + 0.5f * step_x[direction]) * factor, mask->x1),
                            MIN (mask->y0 + (cy + 0.5f * step_y[direction]) * factor, mask->y1));
              cx += step_x[direction];
              cy += step_y[direction];
            }
          while (cx != (int) x || cy != (int) y);

          g_array_append_val (points, end);
        }

  descry_free (bits);
  descry_free (edges);
  return points;
}

void
descry_overlay_draw_mask (cairo_t            *cr,
                          const DescryObject *object,
                          GArray             *contour,
                          const DescryView   *view)
{
  gboolean begun = FALSE;
  double rgb[3];
  guint i;

  descry_overlay_color (object->id, rgb);
  cairo_save (cr);
  cairo_new_path (cr);
  for (i = 0; i < contour->len; i++)
    {
      const DescryContourPoint *point = &g_array_index (contour, DescryContourPoint, i);

      if (isnan (point->x))
        {
          cairo_close_path (cr);
          begun = FALSE;
          continue;
        }
      if (begun)
        cairo_line_to (cr, view->x + point->x * view->scale, view->y + point->y * view->scale);
      else
        cairo_move_to (cr, view->x + point->x * view->scale, view->y + point->y * view->scale);
      begun = TRUE;
    }

  cairo_set_fill_rule (cr, CAIRO_FILL_RULE_EVEN_ODD);
  cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
  cairo_set_source_rgba (cr, rgb[0], rgb[1], rgb[2], MASK_FILL);
  cairo_fill_preserve (cr);
  cairo_set_source_rgb (cr, rgb[0], rgb[1], rgb[2]);
  cairo_set_line_width (cr, 1.5);
  cairo_stroke (cr);
  cairo_restore (cr);
}

/* --------- The whole ------------------ */

/* Big objects first, so that small ones lie on top; hovered and selected ones last of all. */
static int
compare_depth (gconstpointer a,
               gconstpointer b,
               gpointer      data)
{
  const DescryObject *left = *(const DescryObject *const *) a;
  const DescryObject *right = *(const DescryObject *const *) b;
  const DescryView *view = data;
  int left_front = 2 * descry_view_is_selected (view, left->id) + (view->hovered == left->id);
  int right_front = 2 * descry_view_is_selected (view, right->id) + (view->hovered == right->id);
  double left_area = descry_box_area (left->box);
  double right_area = descry_box_area (right->box);

  if (left_front != right_front)
    return left_front - right_front;

  return left_area > right_area ? -1 : left_area < right_area;
}

void
descry_overlay_draw (cairo_t          *cr,
                     DescryScene      *scene,
                     const DescryView *view)
{
  g_autoptr (GPtrArray) shown = g_ptr_array_new ();
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    if (descry_view_shows (view, g_ptr_array_index (scene->objects, i)))
      g_ptr_array_add (shown, g_ptr_array_index (scene->objects, i));
  g_ptr_array_sort_with_data (shown, compare_depth, (gpointer) view);

  if (view->masks && view->opacity > 0)
    {
      /* One opacity for all masks together, as on screen. */
      cairo_save (cr);
      cairo_rectangle (cr, view->x, view->y, scene->width * view->scale, scene->height * view->scale);
      cairo_clip (cr);
      cairo_push_group (cr);
      for (i = 0; i < shown->len; i++)
        {
          const DescryObject *object = g_ptr_array_index (shown, i);
          g_autoptr (GArray) contour = object->mask != NULL ? descry_overlay_trace (object->mask, TRACE_SIDE) : NULL;

          if (contour != NULL)
            descry_overlay_draw_mask (cr, object, contour, view);
        }
      cairo_pop_group_to_source (cr);
      cairo_paint_with_alpha (cr, view->opacity);
      cairo_restore (cr);
    }

  if (view->boxes)
    for (i = 0; i < shown->len; i++)
      descry_overlay_draw_box (cr, g_ptr_array_index (shown, i), view);

  for (i = 0; i < shown->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (shown, i);
      double width, height, x, y;
      cairo_rectangle_t box;

      descry_overlay_box (object, view, &box);
      descry_overlay_draw_label (NULL, object, view, &width, &height);
      if (width == 0)
        continue;
      descry_overlay_place_label (&box, view, width, height, &x, &y);
      cairo_save (cr);
      cairo_translate (cr, x, y);
      descry_overlay_draw_label (cr, object, view, &width, &height);
      cairo_restore (cr);
    }
}
