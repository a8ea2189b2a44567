/* canvas.c - the photo with its objects: place and drawing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-canvas"

#include "config.h"

#include "ui/canvas-private.h"

#include <math.h>

#include <glib/gi18n.h>

#include "ui/main-thread.h"

#define MAX_ZOOM 64.0
#define MAX_FIT_ZOOM 2.0 /* small pictures are enlarged no further to fill the window */
#define FIT_MARGIN 12 /* application pixels around a fitted picture */

enum
{
  PROP_0,
  PROP_THRESHOLD,
  PROP_OPACITY,
  PROP_SHOW_BOXES,
  PROP_SHOW_MASKS,
  PROP_SHOW_NAMES,
  PROP_SHOW_SCORES,
  PROP_ZOOM,
  PROP_VISIBILITY,
  N_PROPS,
  PROP_HADJUSTMENT,
  PROP_VADJUSTMENT,
  PROP_HSCROLL_POLICY,
  PROP_VSCROLL_POLICY
};

static GParamSpec *properties[N_PROPS];
guint descry_canvas_signals[CANVAS_N_SIGNALS];

G_DEFINE_FINAL_TYPE_WITH_CODE (DescryCanvas, descry_canvas, GTK_TYPE_WIDGET,
                               G_IMPLEMENT_INTERFACE (GTK_TYPE_SCROLLABLE, NULL))

static double
fit_zoom (DescryCanvas *self)
{
  double width = MAX (1, gtk_widget_get_width (GTK_WIDGET (self)) - 2 * FIT_MARGIN);
  double height = MAX (1, gtk_widget_get_height (GTK_WIDGET (self)) - 2 * FIT_MARGIN);
  double zoom;

  if (self->image == NULL)
    return 1.0;

  zoom = MIN (width / self->image->width, height / self->image->height);
  return MIN (zoom, MAX_FIT_ZOOM);
}

static double
min_zoom (DescryCanvas *self)
{
  double side = self->image != NULL ? MAX (self->image->width, self->image->height) : 1.0;

  return MIN (MIN (1.0, fit_zoom (self)), 64.0 / side);
}

/* --------- Place ------------------ */

static void
configure_adjustment (GtkAdjustment *adjustment,
                      double         value,
                      double         upper,
                      double         page)
{
  if (adjustment == NULL)
    return;

  upper = MAX (upper, page);
  gtk_adjustment_configure (adjustment, CLAMP (value, 0, upper - page), 0, upper, page * 0.1, page * 0.9, page);
}

static double
adjustment_value (DescryCanvas *self,
                  guint         axis)
{
  return self->adjustments[axis] != NULL ? gtk_adjustment_get_value (self->adjustments[axis]) : 0.0;
}

void
descry_canvas_place (DescryCanvas *self,
               double        x,
               double        y)
{
  int width = gtk_widget_get_width (GTK_WIDGET (self));
  int height = gtk_widget_get_height (GTK_WIDGET (self));
  double content_width = self->image != NULL ? self->image->width * self->zoom : 0;
  double content_height = self->image != NULL ? self->image->height * self->zoom : 0;

  configure_adjustment (self->adjustments[0], x, content_width, width);
  configure_adjustment (self->adjustments[1], y, content_height, height);

  /* Whole pixels, or each pan step would resample the tiles. */
  self->offset_x = content_width <= width ? (int) floor ((width - content_width) / 2) : -(int) round (adjustment_value (self, 0));
  self->offset_y = content_height <= height ? (int) floor ((height - content_height) / 2) : -(int) round (adjustment_value (self, 1));
}

static void
set_zoom_value (DescryCanvas *self,
                double        zoom)
{
  if (zoom == self->zoom)
    return;

  self->zoom = zoom;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ZOOM]);
}

void
descry_canvas_zoom_at (DescryCanvas *self,
                       double        zoom,
                       double        x,
                       double        y)
{
  double px, py;

  descry_assert_main_thread ();
  if (self->image == NULL)
    return;

  descry_canvas_to_picture (self, x, y, &px, &py);
  self->fit = FALSE;
  set_zoom_value (self, CLAMP (zoom, min_zoom (self), MAX_ZOOM));
  descry_canvas_place (self, px * self->zoom - x, py * self->zoom - y);
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

void
descry_canvas_zoom_by (DescryCanvas *self,
                       double        factor)
{
  descry_canvas_zoom_at (self, self->zoom * factor,
                         gtk_widget_get_width (GTK_WIDGET (self)) / 2.0, gtk_widget_get_height (GTK_WIDGET (self)) / 2.0);
}

void
descry_canvas_zoom_fit (DescryCanvas *self)
{
  self->fit = TRUE;
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

gboolean
descry_canvas_is_fitted (DescryCanvas *self)
{
  return self->fit;
}

void
descry_canvas_look_at (DescryCanvas *self,
                       double        zoom,
                       double        px,
                       double        py)
{
  descry_assert_main_thread ();
  if (self->image == NULL)
    return;

  self->fit = FALSE;
  set_zoom_value (self, CLAMP (zoom, min_zoom (self), MAX_ZOOM));
  descry_canvas_place (self, px * self->zoom - gtk_widget_get_width (GTK_WIDGET (self)) / 2.0,
                       py * self->zoom - gtk_widget_get_height (GTK_WIDGET (self)) / 2.0);
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

void
descry_canvas_zoom_one (DescryCanvas *self)
{
  descry_canvas_zoom_at (self, 1.0 / gtk_widget_get_scale_factor (GTK_WIDGET (self)),
                         gtk_widget_get_width (GTK_WIDGET (self)) / 2.0, gtk_widget_get_height (GTK_WIDGET (self)) / 2.0);
}

double
descry_canvas_get_zoom (DescryCanvas *self)
{
  return self->zoom;
}

void
descry_canvas_pan_by (DescryCanvas *self,
                      double        dx,
                      double        dy)
{
  descry_canvas_place (self, adjustment_value (self, 0) + dx, adjustment_value (self, 1) + dy);
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

void
descry_canvas_to_picture (DescryCanvas *self,
                          double        x,
                          double        y,
                          double       *px,
                          double       *py)
{
  *px = (x - self->offset_x) / self->zoom;
  *py = (y - self->offset_y) / self->zoom;
}

void
descry_canvas_from_picture (DescryCanvas *self,
                            double        px,
                            double        py,
                            double       *x,
                            double       *y)
{
  *x = px * self->zoom + self->offset_x;
  *y = py * self->zoom + self->offset_y;
}

void
descry_canvas_reveal (DescryCanvas *self,
                      guint         id)
{
  int width = gtk_widget_get_width (GTK_WIDGET (self));
  int height = gtk_widget_get_height (GTK_WIDGET (self));
  DescryObject *object = self->scene != NULL ? descry_scene_find (self->scene, id) : NULL;
  double x0, y0, x1, y1;

  if (object == NULL || self->image == NULL || width == 0)
    return;

  descry_canvas_from_picture (self, object->box.x0, object->box.y0, &x0, &y0);
  descry_canvas_from_picture (self, object->box.x1, object->box.y1, &x1, &y1);
  if (x0 >= 0 && y0 >= 0 && x1 <= width && y1 <= height)
    return;

  if (x1 - x0 > width || y1 - y0 > height)
    {
      self->fit = FALSE;
      set_zoom_value (self, MAX (min_zoom (self), self->zoom * MIN (width / (x1 - x0), height / (y1 - y0)) * 0.8));
    }
  descry_canvas_place (self,
                 (object->box.x0 + object->box.x1) / 2 * self->zoom - width / 2.0,
                 (object->box.y0 + object->box.y1) / 2 * self->zoom - height / 2.0);
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

/* Names on the picture grow with the letters of everything else. */
static void
follow_text_size (DescryCanvas *self)
{
  double text;
  int dpi;

  g_object_get (gtk_widget_get_settings (GTK_WIDGET (self)), "gtk-xft-dpi", &dpi, NULL);
  text = DESCRY_OVERLAY_TEXT * (dpi > 0 ? dpi / (96.0 * 1024.0) : 1.0);
  if (text == self->view.text)
    return;

  self->view.text = text;
  g_hash_table_remove_all (self->vectors);
}

static void
descry_canvas_size_allocate (GtkWidget *widget,
                             int        width,
                             int        height,
                             int        baseline)
{
  DescryCanvas *self = DESCRY_CANVAS (widget);

  if (self->menu != NULL)
    gtk_popover_present (GTK_POPOVER (self->menu));
  if (self->image == NULL)
    {
      descry_canvas_place (self, 0, 0);
      return;
    }

  if (self->fit)
    set_zoom_value (self, fit_zoom (self));
  follow_text_size (self);
  self->view.scale = self->zoom;
  self->view.right = self->image->width * self->zoom;
  descry_canvas_place (self, adjustment_value (self, 0), adjustment_value (self, 1));
  descry_canvas_prepare (self);
  gtk_widget_queue_draw (widget);
}

static void
descry_canvas_measure (GtkWidget      *widget,
                       GtkOrientation  orientation,
                       int             for_size,
                       int            *minimum,
                       int            *natural,
                       int            *minimum_baseline,
                       int            *natural_baseline)
{
  *minimum = 120;
  *natural = 480;
}

/* --------- State ------------------ */

static void
update_accessible_label (DescryCanvas *self)
{
  g_autofree char *label = NULL;
  guint n = 0;
  guint i;

  for (i = 0; self->scene != NULL && i < self->scene->objects->len; i++)
    n += descry_view_shows (&self->view, g_ptr_array_index (self->scene->objects, i));

  label = g_strdup_printf (ngettext ("Photo, %u object", "Photo, %u objects", n), n);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
}

static void
view_changed (DescryCanvas *self)
{
  self->view.selected = (const guint *) self->selection->data;
  self->view.n_selected = self->selection->len;
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

GtkWidget *
descry_canvas_new (void)
{
  return g_object_new (DESCRY_TYPE_CANVAS, NULL);
}

void
descry_canvas_set_image (DescryCanvas *self,
                         DescryImage  *image)
{
  g_return_if_fail (DESCRY_IS_CANVAS (self));
  descry_assert_main_thread ();

  descry_canvas_set_scene (self, NULL);
  descry_canvas_select (self, NULL, 0);
  descry_canvas_highlight (self, NULL, 0);
  descry_canvas_set_hovered (self, 0);
  descry_canvas_show_all (self);
  descry_canvas_set_pending (self, NULL);
  descry_canvas_set_points (self, NULL, 0);
  descry_canvas_set_preview (self, NULL);
  g_array_set_size (self->cycle, 0);
  self->dragging = FALSE;

  if (image != NULL)
    descry_image_ref (image);
  g_clear_pointer (&self->image, descry_image_unref);
  self->image = image;
  self->fit = TRUE;
  descry_tiler_set_image (self->tiler, image);
  view_changed (self);
}

DescryImage *
descry_canvas_get_image (DescryCanvas *self)
{
  return self->image;
}

void
descry_canvas_set_scene (DescryCanvas *self,
                         DescryScene  *scene)
{
  guint i;

  g_return_if_fail (DESCRY_IS_CANVAS (self));
  descry_assert_main_thread ();

  if (scene == self->scene)
    return;

  g_ptr_array_set_size (self->shown, 0); /* points into the old scene */
  if (scene != NULL)
    descry_scene_ref (scene);
  g_clear_pointer (&self->scene, descry_scene_unref);
  self->scene = scene;

  for (i = self->selection->len; i > 0; i--)
    if (scene == NULL || descry_scene_find (scene, g_array_index (self->selection, guint, i - 1)) == NULL)
      {
        g_array_remove_index (self->selection, i - 1);
        view_changed (self);
        g_signal_emit (self, descry_canvas_signals[CANVAS_SELECTION_CHANGED], 0);
      }

  update_accessible_label (self);
  view_changed (self);
}

DescryScene *
descry_canvas_get_scene (DescryCanvas *self)
{
  return self->scene;
}

GArray *
descry_canvas_get_selection (DescryCanvas *self)
{
  return self->selection;
}

void
descry_canvas_select (DescryCanvas *self,
                      const guint  *ids,
                      guint         n)
{
  g_return_if_fail (DESCRY_IS_CANVAS (self));
  descry_assert_main_thread ();

  if (n == self->selection->len && (n == 0 || memcmp (ids, self->selection->data, n * sizeof (guint)) == 0))
    return;

  {
    /* @ids may be our own array. */
    GArray *selection = g_array_new (FALSE, FALSE, sizeof (guint));

    if (n > 0)
      g_array_append_vals (selection, ids, n);
    g_array_unref (self->selection);
    self->selection = selection;
  }
  view_changed (self);
  g_signal_emit (self, descry_canvas_signals[CANVAS_SELECTION_CHANGED], 0);
}

void
descry_canvas_highlight (DescryCanvas *self,
                         const guint  *ids,
                         guint         n)
{
  descry_assert_main_thread ();

  if (n == 0 && self->highlight->len == 0)
    return;
  g_array_set_size (self->highlight, 0);
  if (n > 0)
    g_array_append_vals (self->highlight, ids, n);
  view_changed (self);
}

guint
descry_canvas_get_hovered (DescryCanvas *self)
{
  return self->view.hovered;
}

void
descry_canvas_set_hovered (DescryCanvas *self,
                           guint         id)
{
  if (id == self->view.hovered)
    return;

  self->view.hovered = id;
  view_changed (self);
  g_signal_emit (self, descry_canvas_signals[CANVAS_HOVER_CHANGED], 0);
}

static void
visibility_changed (DescryCanvas *self)
{
  self->visibility++;
  update_accessible_label (self);
  view_changed (self);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_VISIBILITY]);
}

void
descry_canvas_set_hidden (DescryCanvas *self,
                          guint         id,
                          gboolean      hidden)
{
  descry_assert_main_thread ();

  if (hidden ? g_hash_table_add (self->hidden, GUINT_TO_POINTER (id)) : g_hash_table_remove (self->hidden, GUINT_TO_POINTER (id)))
    visibility_changed (self);
}

gboolean
descry_canvas_is_hidden (DescryCanvas *self,
                         guint         id)
{
  return g_hash_table_contains (self->hidden, GUINT_TO_POINTER (id));
}

void
descry_canvas_set_solo (DescryCanvas *self,
                        guint         id)
{
  descry_assert_main_thread ();

  if (id == self->view.solo)
    return;
  self->view.solo = id;
  visibility_changed (self);
}

guint
descry_canvas_get_solo (DescryCanvas *self)
{
  return self->view.solo;
}

void
descry_canvas_show_all (DescryCanvas *self)
{
  if (g_hash_table_size (self->hidden) == 0 && self->view.solo == 0)
    return;

  g_hash_table_remove_all (self->hidden);
  self->view.solo = 0;
  visibility_changed (self);
}

const DescryView *
descry_canvas_get_view (DescryCanvas *self)
{
  return &self->view;
}

void
descry_canvas_set_promptable (DescryCanvas *self,
                              gboolean      promptable,
                              const char   *reason)
{
  self->promptable = promptable;
  g_free (self->unpromptable_reason);
  self->unpromptable_reason = g_strdup (reason);
}

void
descry_canvas_set_pending (DescryCanvas    *self,
                           const DescryBox *box)
{
  self->pending = box != NULL;
  if (box != NULL)
    self->pending_box = *box;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
descry_canvas_get_stats (DescryCanvas     *self,
                         DescryTilerStats *stats)
{
  descry_tiler_get_stats (self->tiler, stats);
}

/* --------- Object ------------------ */

static void
set_adjustment (DescryCanvas  *self,
                guint          axis,
                GtkAdjustment *adjustment)
{
  if (self->adjustments[axis] != NULL)
    {
      g_signal_handlers_disconnect_by_func (self->adjustments[axis], gtk_widget_queue_allocate, self);
      g_clear_object (&self->adjustments[axis]);
    }
  if (adjustment != NULL)
    {
      self->adjustments[axis] = g_object_ref_sink (adjustment);
      g_signal_connect_swapped (adjustment, "value-changed", G_CALLBACK (gtk_widget_queue_allocate), self);
    }
  gtk_widget_queue_allocate (GTK_WIDGET (self));
}

static void
descry_canvas_set_property (GObject      *object,
                            guint         id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  DescryCanvas *self = DESCRY_CANVAS (object);

  switch (id)
    {
    case PROP_THRESHOLD:
      self->view.threshold = g_value_get_double (value);
      update_accessible_label (self);
      break;
    case PROP_OPACITY:
      self->view.opacity = g_value_get_double (value);
      break;
    case PROP_SHOW_BOXES:
      self->view.boxes = g_value_get_boolean (value);
      break;
    case PROP_SHOW_MASKS:
      self->view.masks = g_value_get_boolean (value);
      break;
    case PROP_SHOW_NAMES:
      self->view.names = g_value_get_boolean (value);
      break;
    case PROP_SHOW_SCORES:
      self->view.scores = g_value_get_boolean (value);
      break;
    case PROP_HADJUSTMENT:
    case PROP_VADJUSTMENT:
      set_adjustment (self, id - PROP_HADJUSTMENT, g_value_get_object (value));
      return;
    case PROP_HSCROLL_POLICY:
      self->hscroll_policy = g_value_get_enum (value);
      return;
    case PROP_VSCROLL_POLICY:
      self->vscroll_policy = g_value_get_enum (value);
      return;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      return;
    }

  view_changed (self);
}

static void
descry_canvas_get_property (GObject    *object,
                            guint       id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  DescryCanvas *self = DESCRY_CANVAS (object);

  switch (id)
    {
    case PROP_THRESHOLD:
      g_value_set_double (value, self->view.threshold);
      break;
    case PROP_OPACITY:
      g_value_set_double (value, self->view.opacity);
      break;
    case PROP_SHOW_BOXES:
      g_value_set_boolean (value, self->view.boxes);
      break;
    case PROP_SHOW_MASKS:
      g_value_set_boolean (value, self->view.masks);
      break;
    case PROP_SHOW_NAMES:
      g_value_set_boolean (value, self->view.names);
      break;
    case PROP_SHOW_SCORES:
      g_value_set_boolean (value, self->view.scores);
      break;
    case PROP_ZOOM:
      g_value_set_double (value, self->zoom);
      break;
    case PROP_VISIBILITY:
      g_value_set_uint (value, self->visibility);
      break;
    case PROP_HADJUSTMENT:
    case PROP_VADJUSTMENT:
      g_value_set_object (value, self->adjustments[id - PROP_HADJUSTMENT]);
      break;
    case PROP_HSCROLL_POLICY:
      g_value_set_enum (value, self->hscroll_policy);
      break;
    case PROP_VSCROLL_POLICY:
      g_value_set_enum (value, self->vscroll_policy);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
descry_canvas_dispose (GObject *object)
{
  DescryCanvas *self = DESCRY_CANVAS (object);

  set_adjustment (self, 0, NULL);
  set_adjustment (self, 1, NULL);
  g_clear_pointer (&self->menu, gtk_widget_unparent);
  g_clear_pointer (&self->tiler, descry_tiler_free);

  G_OBJECT_CLASS (descry_canvas_parent_class)->dispose (object);
}

static void
descry_canvas_finalize (GObject *object)
{
  DescryCanvas *self = DESCRY_CANVAS (object);

  g_clear_pointer (&self->image, descry_image_unref);
  g_clear_pointer (&self->scene, descry_scene_unref);
  g_clear_pointer (&self->hidden, g_hash_table_unref);
  g_clear_pointer (&self->vectors, g_hash_table_unref);
  g_clear_pointer (&self->shown, g_ptr_array_unref);
  g_clear_pointer (&self->selection, g_array_unref);
  g_clear_pointer (&self->highlight, g_array_unref);
  g_clear_pointer (&self->cycle, g_array_unref);
  g_clear_pointer (&self->points, g_array_unref);
  g_clear_object (&self->preview);
  g_clear_pointer (&self->unpromptable_reason, g_free);

  G_OBJECT_CLASS (descry_canvas_parent_class)->finalize (object);
}

static void
descry_canvas_class_init (DescryCanvasClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);
  GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

  object_class->set_property = descry_canvas_set_property;
  object_class->get_property = descry_canvas_get_property;
  object_class->dispose = descry_canvas_dispose;
  object_class->finalize = descry_canvas_finalize;
  widget_class->measure = descry_canvas_measure;
  widget_class->size_allocate = descry_canvas_size_allocate;
  widget_class->snapshot = descry_canvas_snapshot;

  properties[PROP_THRESHOLD] = g_param_spec_double ("threshold", NULL, NULL, 0, 1, DESCRY_SCENE_THRESHOLD, flags);
  properties[PROP_OPACITY] = g_param_spec_double ("opacity", NULL, NULL, 0, 1, 0.5, flags);
  properties[PROP_SHOW_BOXES] = g_param_spec_boolean ("show-boxes", NULL, NULL, TRUE, flags);
  properties[PROP_SHOW_MASKS] = g_param_spec_boolean ("show-masks", NULL, NULL, TRUE, flags);
  properties[PROP_SHOW_NAMES] = g_param_spec_boolean ("show-names", NULL, NULL, TRUE, flags);
  properties[PROP_SHOW_SCORES] = g_param_spec_boolean ("show-scores", NULL, NULL, TRUE, flags);
  properties[PROP_ZOOM] = g_param_spec_double ("zoom", NULL, NULL, 0, MAX_ZOOM, 1, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  properties[PROP_VISIBILITY] = g_param_spec_uint ("visibility", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, properties);
  g_object_class_override_property (object_class, PROP_HADJUSTMENT, "hadjustment");
  g_object_class_override_property (object_class, PROP_VADJUSTMENT, "vadjustment");
  g_object_class_override_property (object_class, PROP_HSCROLL_POLICY, "hscroll-policy");
  g_object_class_override_property (object_class, PROP_VSCROLL_POLICY, "vscroll-policy");

  descry_canvas_signals[CANVAS_SELECTION_CHANGED] =
    g_signal_new ("selection-changed", DESCRY_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  descry_canvas_signals[CANVAS_HOVER_CHANGED] =
    g_signal_new ("hover-changed", DESCRY_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  descry_canvas_signals[CANVAS_ASK_ABOUT] =
    g_signal_new ("ask-about", DESCRY_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_UINT);
  descry_canvas_signals[CANVAS_REGION] =
    g_signal_new ("region", DESCRY_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 4,
                  G_TYPE_DOUBLE, G_TYPE_DOUBLE, G_TYPE_DOUBLE, G_TYPE_DOUBLE);
  descry_canvas_signals[CANVAS_POINTS_CHANGED] =
    g_signal_new ("points-changed", DESCRY_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_BOOLEAN);
  descry_canvas_signals[CANVAS_POINT_HOVERED] =
    g_signal_new ("point-hovered", DESCRY_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3,
                  G_TYPE_DOUBLE, G_TYPE_DOUBLE, G_TYPE_BOOLEAN);
  descry_canvas_signals[CANVAS_CANDIDATE] =
    g_signal_new ("candidate", DESCRY_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT);
  descry_canvas_signals[CANVAS_MESSAGE] =
    g_signal_new ("message", DESCRY_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);

  gtk_widget_class_set_css_name (widget_class, "descrycanvas");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
  descry_canvas_class_input (widget_class);
}

static void
descry_canvas_init (DescryCanvas *self)
{
  descry_view_init (&self->view);
  self->hidden = g_hash_table_new (NULL, NULL);
  self->view.hidden = self->hidden;
  self->selection = g_array_new (FALSE, FALSE, sizeof (guint));
  self->highlight = g_array_new (FALSE, FALSE, sizeof (guint));
  self->cycle = g_array_new (FALSE, FALSE, sizeof (guint));
  self->points = g_array_new (FALSE, FALSE, sizeof (DescryPoint));
  self->vectors = g_hash_table_new_full (NULL, NULL, NULL, descry_canvas_vector_free);
  self->shown = g_ptr_array_new ();
  self->tiler = descry_tiler_new (descry_canvas_tiler_changed_cb, self);
  self->zoom = 1.0;
  self->fit = TRUE;
  self->pointer_x = self->pointer_y = -1;

  gtk_widget_set_focusable (GTK_WIDGET (self), TRUE);
  gtk_widget_set_overflow (GTK_WIDGET (self), GTK_OVERFLOW_HIDDEN);
  descry_canvas_init_input (self);
  update_accessible_label (self);
}
