/* canvas.c - the canvas: place, zoom, tiles, hits, selection, what is drawn
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>

#include "tests/display/recorded-engine.h"
#include "tests/display/ui-test.h"
#include "ui/canvas.h"
#include "ui/main-thread.h"

typedef struct
{
  GtkWidget    *window;
  DescryCanvas *canvas;
  DescryImage  *image;
  DescryScene  *scene;
} Fixture;

static gboolean
is_settled (Fixture *f)
{
  DescryTilerStats stats;

  descry_canvas_get_stats (f->canvas, &stats);
  return stats.pending == 0 && stats.tiles > 0;
}

static void
settle (Fixture *f)
{
  const guint times = g_getenv ("DESCRY_TEST_SLOW") != NULL ? 15 : 1;

  ui_test_pump (120 * times); /* longer than a scale takes to settle */
  WAIT_WHILE (!is_settled (f));
  ui_test_pump (40 * times);
}

static void
set_up (Fixture      *f,
        gconstpointer data)
{
  GtkWidget *scroller = gtk_scrolled_window_new ();

  f->image = recorded_picture_new (1000, 750, 8, &f->scene);
  f->window = gtk_window_new ();
  gtk_window_set_decorated (GTK_WINDOW (f->window), FALSE);
  gtk_window_set_default_size (GTK_WINDOW (f->window), 800, 600);
  f->canvas = DESCRY_CANVAS (descry_canvas_new ());
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), GTK_WIDGET (f->canvas));
  gtk_window_set_child (GTK_WINDOW (f->window), scroller);
  gtk_window_present (GTK_WINDOW (f->window));
  descry_canvas_set_image (f->canvas, f->image);
  descry_canvas_set_scene (f->canvas, f->scene);
  WAIT_WHILE (gtk_widget_get_width (GTK_WIDGET (f->canvas)) == 0);
  settle (f);
}

static void
tear_down (Fixture      *f,
           gconstpointer data)
{
  gtk_window_destroy (GTK_WINDOW (f->window));
  descry_scene_unref (f->scene);
  descry_image_unref (f->image);
  ui_test_pump (20);
}

static void
test_fit (Fixture      *f,
          gconstpointer data)
{
  double x0, y0, x1, y1;

  /* 800 x 600 less the margin of 12 holds 1000 x 750 at 0.768. */
  g_assert_cmpfloat_with_epsilon (descry_canvas_get_zoom (f->canvas), 0.768, 1e-6);
  descry_canvas_from_picture (f->canvas, 0, 0, &x0, &y0);
  descry_canvas_from_picture (f->canvas, 1000, 750, &x1, &y1);
  g_assert_cmpfloat_with_epsilon (x0 + x1, 800, 1.01);
  g_assert_cmpfloat_with_epsilon (y0 + y1, 600, 1.01);
}

static void
test_zoom_keeps_point (Fixture      *f,
                       gconstpointer data)
{
  double px, py, x, y;

  descry_canvas_zoom_at (f->canvas, 2.0, 400, 300); /* larger than the view, so that places are free */
  ui_test_pump (30);
  descry_canvas_to_picture (f->canvas, 300, 200, &px, &py);
  descry_canvas_zoom_at (f->canvas, 5.0, 300, 200);
  ui_test_pump (30);
  descry_canvas_from_picture (f->canvas, px, py, &x, &y);
  g_assert_cmpfloat_with_epsilon (x, 300, 1.0);
  g_assert_cmpfloat_with_epsilon (y, 200, 1.0);

  /* Far out and far in are bounded. */
  descry_canvas_zoom_at (f->canvas, 1e9, 0, 0);
  g_assert_cmpfloat (descry_canvas_get_zoom (f->canvas), <=, 64.0);
  descry_canvas_zoom_at (f->canvas, 1e-9, 0, 0);
  g_assert_cmpfloat (descry_canvas_get_zoom (f->canvas), >=, 0.05);
}

static void
test_no_tiles_while_panning (Fixture      *f,
                             gconstpointer data)
{
  GtkAdjustment *adjustment;
  DescryTilerStats before, after;
  guint i;

  descry_canvas_zoom_at (f->canvas, 1.0, 400, 300); /* 1000 x 750: 2 x 2 tiles, all loaded with the ring */
  settle (f);
  settle (f); /* on a busy machine the new scale's tiles are asked for late */
  descry_canvas_get_stats (f->canvas, &before);
  g_assert_cmpuint (before.tiles, >=, 4);
  g_object_get (f->canvas, "hadjustment", &adjustment, NULL);
  for (i = 0; i < 20; i++)
    {
      gtk_adjustment_set_value (adjustment, i * 10);
      ui_test_pump (5);
    }
  descry_canvas_get_stats (f->canvas, &after);
  g_assert_cmpuint (after.tiles, ==, before.tiles);
  g_assert_cmpuint (after.masks, ==, before.masks);
  g_object_unref (adjustment);
}

/* At 1:1 the middle of the screen is the middle of the picture, pixel for pixel. */
static void
test_exact_pixels (Fixture      *f,
                   gconstpointer data)
{
  g_autoptr (GdkTexture) texture = NULL;
  g_autofree guint32 *pixels = NULL;
  int width = gtk_widget_get_width (GTK_WIDGET (f->canvas));
  int height = gtk_widget_get_height (GTK_WIDGET (f->canvas));
  double px, py;
  int x, y;

  descry_canvas_set_scene (f->canvas, NULL);
  descry_canvas_zoom_at (f->canvas, 1.0, 400, 300);
  settle (f);
  texture = ui_test_shoot (GTK_WIDGET (f->canvas));
  pixels = g_new (guint32, (gsize) width * height);
  gdk_texture_download (texture, (guchar *) pixels, width * 4);
  for (y = 20; y < height - 20; y += 37)
    for (x = 20; x < width - 20; x += 41)
      {
        const guint8 *source;

        descry_canvas_to_picture (f->canvas, x, y, &px, &py);
        source = f->image->pixels + ((gsize) py * f->image->width + (gsize) px) * 3;
        g_assert_cmphex (pixels[y * width + x], ==, 0xff000000u | source[0] << 16 | source[1] << 8 | source[2]);
      }
}

static void
test_selection (Fixture      *f,
                gconstpointer data)
{
  guint ids[] = { 2, 3 };
  GArray *selection;

  descry_canvas_select (f->canvas, ids, 2);
  selection = descry_canvas_get_selection (f->canvas);
  g_assert_cmpuint (selection->len, ==, 2);

  /* A scene without object 3 lets go of it alone. */
  {
    g_autoptr (DescryScene) other = descry_scene_copy (f->scene);

    g_ptr_array_set_free_func (other->objects, NULL);
    descry_object_free (g_ptr_array_index (other->objects, 2));
    g_ptr_array_remove_index (other->objects, 2);
    g_ptr_array_set_free_func (other->objects, (GDestroyNotify) descry_object_free);
    descry_canvas_set_scene (f->canvas, other);
  }
  selection = descry_canvas_get_selection (f->canvas);
  g_assert_cmpuint (selection->len, ==, 1);
  g_assert_cmpuint (g_array_index (selection, guint, 0), ==, 2);
}

static void
test_hits (Fixture      *f,
           gconstpointer data)
{
  const DescryObject *first = g_ptr_array_index (f->scene->objects, 0);
  DescryView view;
  g_autoptr (GArray) inside = NULL;
  g_autoptr (GArray) corner = NULL;
  g_autoptr (GArray) outside = NULL;
  g_autoptr (GArray) hidden = NULL;
  g_autoptr (GHashTable) set = g_hash_table_new (NULL, NULL);

  descry_view_init (&view);
  inside = descry_view_hits (&view, f->scene, (first->box.x0 + first->box.x1) / 2, (first->box.y0 + first->box.y1) / 2);
  g_assert_cmpuint (inside->len, ==, 1);
  g_assert_cmpuint (g_array_index (inside, guint, 0), ==, first->id);
  /* The corner of a round thing: only the box holds it, and that counts too. */
  corner = descry_view_hits (&view, f->scene, first->box.x0 + 1, first->box.y0 + 1);
  g_assert_cmpuint (corner->len, ==, 1);
  outside = descry_view_hits (&view, f->scene, -1, 3);
  g_assert_cmpuint (outside->len, ==, 0);

  g_hash_table_add (set, GUINT_TO_POINTER (first->id));
  view.hidden = set;
  hidden = descry_view_hits (&view, f->scene, (first->box.x0 + first->box.x1) / 2, (first->box.y0 + first->box.y1) / 2);
  g_assert_cmpuint (hidden->len, ==, 0);
}

/* The screen shows what the painter paints: the same scene drawn by descry_overlay_draw() on the same
 * photo agrees with the widget but for resampling of the masks' edges. */
static void
test_same_as_painter (Fixture      *f,
                      gconstpointer data)
{
  g_autoptr (GdkTexture) shot = NULL;
  g_autoptr (GdkTexture) plain = NULL;
  int width = gtk_widget_get_width (GTK_WIDGET (f->canvas));
  int height = gtk_widget_get_height (GTK_WIDGET (f->canvas));
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, width, height);
  g_autofree guchar *pixels = g_malloc ((gsize) width * height * 4);
  cairo_t *cr;
  DescryView view = *descry_canvas_get_view (f->canvas);
  guint selected = 2;
  guint64 different = 0;
  double x0, y0;
  int i;

  descry_canvas_select (f->canvas, &selected, 1);
  settle (f);
  shot = ui_test_shoot (GTK_WIDGET (f->canvas));
  view = *descry_canvas_get_view (f->canvas);
  descry_canvas_from_picture (f->canvas, 0, 0, &x0, &y0);
  view.x = x0;
  view.y = y0;
  view.right += x0;
  ui_test_save (shot, "canvas-screen.png");

  descry_canvas_set_scene (f->canvas, NULL);
  ui_test_pump (40);
  plain = ui_test_shoot (GTK_WIDGET (f->canvas));
  gdk_texture_download (plain, cairo_image_surface_get_data (surface), width * 4);
  cairo_surface_mark_dirty (surface);
  cr = cairo_create (surface);
  view.selected = &selected;
  view.n_selected = 1;
  descry_overlay_draw (cr, f->scene, &view);
  cairo_destroy (cr);
  cairo_surface_flush (surface);

  gdk_texture_download (shot, pixels, width * 4);
  for (i = 0; i < width * height * 4; i++)
    different += ABS (pixels[i] - cairo_image_surface_get_data (surface)[i]) > 24;
  g_test_message ("%.2f %% of the values differ", 100.0 * different / (width * height * 4));
  g_assert_cmpuint (different * 100, <, (guint64) width * height * 4); /* under 1 % */
  cairo_surface_destroy (surface);
}

static guint32
sum_pixels (GtkWidget *widget)
{
  g_autoptr (GdkTexture) texture = NULL;
  g_autofree guchar *pixels = NULL;
  gsize i, size = (gsize) gtk_widget_get_width (widget) * (gsize) gtk_widget_get_height (widget) * 4;
  guint32 sum = 0;

  ui_test_pump (60);
  texture = ui_test_shoot (widget);
  pixels = g_malloc (size);
  gdk_texture_download (texture, pixels, (gsize) gtk_widget_get_width (widget) * 4);
  for (i = 0; i < size; i++)
    sum = sum * 31 + pixels[i];

  return sum;
}

/* What is drawn once is kept: another name with all else the same must be drawn anew, and so must the old one after it. */
static void
test_new_name (Fixture      *f,
               gconstpointer data)
{
  g_autoptr (DescryScene) other = descry_scene_copy (f->scene);
  DescryObject *object = g_ptr_array_index (other->objects, 0);
  guint32 before = sum_pixels (GTK_WIDGET (f->canvas));

  g_free (object->name);
  object->name = g_strdup ("renamed");
  descry_canvas_set_scene (f->canvas, other);
  g_assert_cmpuint (sum_pixels (GTK_WIDGET (f->canvas)), !=, before);
  descry_canvas_set_scene (f->canvas, f->scene);
  g_assert_cmpuint (sum_pixels (GTK_WIDGET (f->canvas)), ==, before);
}

static void
test_finalized (void)
{
  guint round;

  for (round = 0; round < 10; round++)
    {
      Fixture f;
      gpointer canvas;

      set_up (&f, NULL);
      canvas = f.canvas;
      g_object_add_weak_pointer (G_OBJECT (f.canvas), &canvas);
      tear_down (&f, NULL);
      WAIT_WHILE (canvas != NULL);
    }
}

int
main (int    argc,
      char **argv)
{
  gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();

#define ADD(name, func) g_test_add ("/canvas/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("fit", test_fit);
  ADD ("zoom keeps the point", test_zoom_keeps_point);
  ADD ("no tiles while panning", test_no_tiles_while_panning);
  ADD ("exact pixels", test_exact_pixels);
  ADD ("selection", test_selection);
  ADD ("hits", test_hits);
  ADD ("new name", test_new_name);
  ADD ("same as the painter", test_same_as_painter);
  g_test_add_func ("/canvas/finalized", test_finalized);

  return g_test_run ();
}
