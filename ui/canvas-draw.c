/* canvas-draw.c - the photo with its objects: what is drawn, prepared before the frame
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-canvas"

#include "config.h"

#include "ui/canvas-private.h"

#include <math.h>

#define STRIP 40 /* boxes with a smaller side are one node, others four strips */

/* What is kept of one object: nodes in scaled picture coordinates. */
typedef struct
{
  const DescryObject *object; /* of the scene */
  double              zoom; /* these five: what the nodes were made for */
  DescryBox           box;
  float               score;
  char               *name;
  guint               state;
  GskRenderNode      *boxes[4];
  GskRenderNode      *label;
  double              label_width, label_height;
  graphene_point_t    label_place;
  gboolean            seen;
} Vector;

enum
{
  STATE_SELECTED = 1 << 0,
  STATE_HOVERED = 1 << 1,
  STATE_BOXES = 1 << 2,
  STATE_NAMES = 1 << 3,
  STATE_SCORES = 1 << 4,
  STATE_MADE = 1 << 5
};

static void
clear_vector_nodes (Vector *vector)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (vector->boxes); i++)
    g_clear_pointer (&vector->boxes[i], gsk_render_node_unref);
  g_clear_pointer (&vector->label, gsk_render_node_unref);
}

void
descry_canvas_vector_free (gpointer data)
{
  clear_vector_nodes (data);
  g_free (((Vector *) data)->name);
  g_free (data);
}

static gboolean
contains_id (GArray *ids,
             guint   id)
{
  guint i;

  for (i = 0; i < ids->len; i++)
    if (g_array_index (ids, guint, i) == id)
      return TRUE;

  return FALSE;
}

static void
visible_content (DescryCanvas    *self,
                 graphene_rect_t *visible) /* scaled picture coordinates */
{
  graphene_rect_t content;

  graphene_rect_init (visible, -self->offset_x, -self->offset_y,
                      gtk_widget_get_width (GTK_WIDGET (self)), gtk_widget_get_height (GTK_WIDGET (self)));
  graphene_rect_init (&content, 0, 0, self->image->width * self->zoom, self->image->height * self->zoom);
  if (!graphene_rect_intersection (visible, &content, visible))
    graphene_rect_init (visible, 0, 0, 0, 0);
}

static GskRenderNode *
record_box (const DescryObject *object,
            const DescryView   *view,
            double              x,
            double              y,
            double              width,
            double              height)
{
  graphene_rect_t bounds = GRAPHENE_RECT_INIT (x, y, width, height);
  GskRenderNode *node = gsk_cairo_node_new (&bounds);
  cairo_t *cr = gsk_cairo_node_get_draw_context (node);

  descry_overlay_draw_box (cr, object, view);
  cairo_destroy (cr);
  return node;
}

static void
make_box_nodes (Vector           *vector,
                const DescryView *view)
{
  const DescryObject *object = vector->object;
  cairo_rectangle_t box;
  double x0, y0, x1, y1;
  double reach = ceil (DESCRY_OVERLAY_REACH);

  descry_overlay_box (object, view, &box);
  x0 = floor (box.x);
  y0 = floor (box.y);
  x1 = ceil (box.x + box.width);
  y1 = ceil (box.y + box.height);

  if (x1 - x0 < STRIP || y1 - y0 < STRIP)
    {
      vector->boxes[0] = record_box (object, view, x0 - reach, y0 - reach, x1 - x0 + 2 * reach, y1 - y0 + 2 * reach);
      return;
    }

  /* Strips: a GL renderer uploads a node's whole bounds, and the inside of a box is empty. */
  vector->boxes[0] = record_box (object, view, x0 - reach, y0 - reach, x1 - x0 + 2 * reach, 2 * reach);
  vector->boxes[1] = record_box (object, view, x0 - reach, y1 - reach, x1 - x0 + 2 * reach, 2 * reach);
  vector->boxes[2] = record_box (object, view, x0 - reach, y0 + reach, 2 * reach, y1 - y0 - 2 * reach);
  vector->boxes[3] = record_box (object, view, x1 - reach, y0 + reach, 2 * reach, y1 - y0 - 2 * reach);
}

static guint
object_state (DescryCanvas       *self,
              const DescryObject *object)
{
  guint state = STATE_MADE;

  if (contains_id (self->selection, object->id))
    state |= STATE_SELECTED;
  if (self->view.hovered == object->id || contains_id (self->highlight, object->id))
    state |= STATE_HOVERED;
  if (self->view.boxes || (state & (STATE_SELECTED | STATE_HOVERED)) != 0)
    state |= STATE_BOXES;
  if (self->view.names)
    state |= STATE_NAMES;
  if (self->view.scores)
    state |= STATE_SCORES;

  return state;
}

static void
update_vector (DescryCanvas *self,
               Vector       *vector)
{
  const DescryObject *object = vector->object;
  guint state = object_state (self, object);
  gboolean same_label = (vector->state & ~STATE_BOXES) == (state & ~STATE_BOXES) && vector->score == object->score &&
                        g_strcmp0 (vector->name, object->name) == 0;
  gboolean same = same_label && vector->state == state && vector->zoom == self->zoom &&
                  memcmp (&vector->box, &object->box, sizeof object->box) == 0;
  DescryView view = self->view;
  cairo_rectangle_t box;
  double x, y;

  if (same)
    return;

  view.scale = self->zoom;
  view.hovered = (state & STATE_HOVERED) != 0 ? object->id : 0;
  vector->state = state;
  vector->zoom = self->zoom;
  vector->score = object->score;
  vector->box = object->box;

  if (!same_label)
    {
      g_free (vector->name);
      vector->name = g_strdup (object->name);
      g_clear_pointer (&vector->label, gsk_render_node_unref);
      descry_overlay_draw_label (NULL, object, &view, &vector->label_width, &vector->label_height);
      if (vector->label_width > 0)
        {
          graphene_rect_t bounds = GRAPHENE_RECT_INIT (0, 0, ceil (vector->label_width), ceil (vector->label_height));
          cairo_t *cr;

          vector->label = gsk_cairo_node_new (&bounds);
          cr = gsk_cairo_node_get_draw_context (vector->label);
          descry_overlay_draw_label (cr, object, &view, &vector->label_width, &vector->label_height);
          cairo_destroy (cr);
        }
    }

  {
    guint i;

    for (i = 0; i < G_N_ELEMENTS (vector->boxes); i++)
      g_clear_pointer (&vector->boxes[i], gsk_render_node_unref);
  }
  if ((state & STATE_BOXES) != 0)
    make_box_nodes (vector, &view);

  descry_overlay_box (object, &view, &box);
  descry_overlay_place_label (&box, &view, vector->label_width, vector->label_height, &x, &y);
  graphene_point_init (&vector->label_place, x, y);
}

static int
compare_vectors (gconstpointer a,
                 gconstpointer b)
{
  const Vector *left = *(const Vector *const *) a;
  const Vector *right = *(const Vector *const *) b;
  guint front = STATE_SELECTED | STATE_HOVERED;
  double left_area = descry_box_area (left->box);
  double right_area = descry_box_area (right->box);

  if ((left->state & front) != (right->state & front))
    return (int) (left->state & front) - (int) (right->state & front);

  return left_area > right_area ? -1 : left_area < right_area;
}

static gboolean
is_vector_unseen (gpointer key,
                  gpointer value,
                  gpointer data)
{
  return !((Vector *) value)->seen;
}

static void
prepare_vectors (DescryCanvas          *self,
                 const graphene_rect_t *visible)
{
  GHashTableIter iter;
  gpointer value;
  guint i;

  g_ptr_array_set_size (self->shown, 0);
  g_hash_table_iter_init (&iter, self->vectors);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    ((Vector *) value)->seen = FALSE;

  for (i = 0; self->scene != NULL && i < self->scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (self->scene->objects, i);
      Vector *vector = g_hash_table_lookup (self->vectors, GUINT_TO_POINTER (object->id));
      graphene_rect_t bounds;

      if (vector == NULL)
        {
          vector = g_new0 (Vector, 1);
          g_hash_table_insert (self->vectors, GUINT_TO_POINTER (object->id), vector);
        }
      vector->seen = TRUE;
      vector->object = object;

      if (!descry_view_shows (&self->view, object))
        continue;
      graphene_rect_init (&bounds, object->box.x0 * self->zoom, object->box.y0 * self->zoom,
                          (object->box.x1 - object->box.x0) * self->zoom, (object->box.y1 - object->box.y0) * self->zoom);
      graphene_rect_inset (&bounds, -32, -32); /* stroke and label reach out of the box */
      if (!graphene_rect_intersection (&bounds, visible, NULL))
        continue;
      update_vector (self, vector);
      g_ptr_array_add (self->shown, vector);
    }

  g_hash_table_foreach_remove (self->vectors, is_vector_unseen, NULL);
  g_ptr_array_sort (self->shown, compare_vectors);
}

static void
ask_for_textures (DescryCanvas *self)
{
  int factor = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  graphene_rect_t visible;
  GdkRectangle pixels;

  if (self->image == NULL || gtk_widget_get_width (GTK_WIDGET (self)) == 0)
    return;

  visible_content (self, &visible);
  pixels.x = (int) (visible.origin.x * factor);
  pixels.y = (int) (visible.origin.y * factor);
  pixels.width = (int) ceil (visible.size.width * factor);
  pixels.height = (int) ceil (visible.size.height * factor);
  descry_tiler_set_view (self->tiler, self->zoom * factor, &pixels);
  if (self->view.masks)
    {
      graphene_rect_scale (&visible, 1.0 / self->zoom, 1.0 / self->zoom, &visible);
      descry_tiler_set_masks (self->tiler, self->scene, &visible);
    }
}

void
descry_canvas_tiler_changed_cb (gpointer data)
{
  DescryCanvas *self = data;

  ask_for_textures (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
descry_canvas_prepare (DescryCanvas *self)
{
  graphene_rect_t visible;

  ask_for_textures (self);
  visible_content (self, &visible);
  prepare_vectors (self, &visible);
}

static void
snapshot_band (DescryCanvas *self,
               GtkSnapshot  *snapshot,
               double        x,
               double        y,
               double        width,
               double        height)
{
  static const double dashes[] = { 6.0, 4.0 };
  graphene_rect_t bounds = GRAPHENE_RECT_INIT (floor (x) - 3, floor (y) - 3, ceil (width) + 7, ceil (height) + 7);
  cairo_t *cr = gtk_snapshot_append_cairo (snapshot, &bounds);

  cairo_rectangle (cr, floor (x) + 0.5, floor (y) + 0.5, width, height);
  cairo_set_source_rgba (cr, 1, 1, 1, 0.12);
  cairo_fill_preserve (cr);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.6);
  cairo_set_line_width (cr, 3);
  cairo_stroke_preserve (cr);
  cairo_set_dash (cr, dashes, G_N_ELEMENTS (dashes), 0);
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_set_line_width (cr, 1.5);
  cairo_stroke (cr);
  cairo_destroy (cr);
}

static void
snapshot_point (GtkSnapshot *snapshot,
                double       x,
                double       y)
{
  graphene_rect_t bounds = GRAPHENE_RECT_INIT (floor (x) - 10, floor (y) - 10, 20, 20);
  cairo_t *cr = gtk_snapshot_append_cairo (snapshot, &bounds);

  cairo_arc (cr, x, y, 6, 0, 2 * G_PI);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.6);
  cairo_set_line_width (cr, 5);
  cairo_stroke_preserve (cr);
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_set_line_width (cr, 2);
  cairo_stroke (cr);
  cairo_destroy (cr);
}

static void
snapshot_masks (DescryCanvas *self,
                GtkSnapshot  *snapshot)
{
  guint i;

  /* One opacity for all of them: the renderer needs one off-screen surface, not one a mask. */
  gtk_snapshot_push_opacity (snapshot, self->view.opacity);
  for (i = 0; i < self->shown->len; i++)
    {
      Vector *vector = g_ptr_array_index (self->shown, i);
      graphene_rect_t place;
      GdkTexture *texture = descry_tiler_mask (self->tiler, vector->object, &place);

      if (texture == NULL)
        continue;
      graphene_rect_scale (&place, self->zoom, self->zoom, &place);
      /* Whole pixels, when the texture has the scale of the screen: a plain copy. */
      place.origin.x = round (place.origin.x);
      place.origin.y = round (place.origin.y);
      gtk_snapshot_append_texture (snapshot, texture, &place);
    }
  gtk_snapshot_pop (snapshot);
}

void
descry_canvas_snapshot (GtkWidget   *widget,
                        GtkSnapshot *snapshot)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);
  graphene_rect_t area, visible;
  guint i, j;

  if (self->image == NULL)
    return;

  graphene_rect_init (&area, 0, 0, gtk_widget_get_width (widget), gtk_widget_get_height (widget));
  gtk_snapshot_push_clip (snapshot, &area);
  gtk_snapshot_save (snapshot);
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (self->offset_x, self->offset_y));

  visible_content (self, &visible);
  descry_tiler_snapshot (self->tiler, snapshot, self->zoom, gtk_widget_get_scale_factor (widget), &visible);

  if (self->view.masks && self->view.opacity > 0)
    {
      /* An outline along the picture's edge would reach one pixel out of it. */
      gtk_snapshot_push_clip (snapshot, &visible);
      snapshot_masks (self, snapshot);
      gtk_snapshot_pop (snapshot);
    }

  for (i = 0; i < self->shown->len; i++)
    {
      Vector *vector = g_ptr_array_index (self->shown, i);

      for (j = 0; j < G_N_ELEMENTS (vector->boxes); j++)
        if (vector->boxes[j] != NULL)
          gtk_snapshot_append_node (snapshot, vector->boxes[j]);
    }
  for (i = 0; i < self->shown->len; i++)
    {
      Vector *vector = g_ptr_array_index (self->shown, i);

      if (vector->label == NULL)
        continue;
      gtk_snapshot_save (snapshot);
      gtk_snapshot_translate (snapshot, &vector->label_place);
      gtk_snapshot_append_node (snapshot, vector->label);
      gtk_snapshot_restore (snapshot);
    }
  gtk_snapshot_restore (snapshot);

  if (self->pending)
    {
      double x0, y0, x1, y1;

      descry_canvas_from_picture (self, self->pending_box.x0, self->pending_box.y0, &x0, &y0);
      descry_canvas_from_picture (self, self->pending_box.x1, self->pending_box.y1, &x1, &y1);
      if (self->pending_box.x0 == self->pending_box.x1)
        snapshot_point (snapshot, x0, y0);
      else
        snapshot_band (self, snapshot, x0, y0, x1 - x0, y1 - y0);
    }
  descry_canvas_snapshot_points (self, snapshot);
  if (self->dragging)
    snapshot_band (self, snapshot, self->band_x, self->band_y, self->band_width, self->band_height);
  if (gtk_widget_has_visible_focus (widget))
    {
      GtkStyleContext *style = gtk_widget_get_style_context (widget);

      gtk_snapshot_render_focus (snapshot, style, 1, 1, area.size.width - 2, area.size.height - 2);
    }
  gtk_snapshot_pop (snapshot);
}
