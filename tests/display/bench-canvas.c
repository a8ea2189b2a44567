/* bench-canvas.c - CPU milliseconds a frame: pan and zoom at 24 megapixels with 200 objects and masks; answers of
 * 10,000 tokens; memory over 50 pictures
 *
 * A frame is prepare (size_allocate), snapshot and drawing by the Cairo renderer at 1600 x 1000, on
 * the main thread, as GSK does it without a GPU. With GSK_RENDERER=gl the frames are drawn by GSK's
 * GL renderer instead; a frame is done when GL says so, and since a GL in software has threads of its
 * own, processor time of the whole process is told beside the main thread's. Such a frame may take a
 * second of the clock: there are fewer of them, and what no renderer changes (answers, memory) is left out.
 *
 * bench-canvas [--frames=N] [tokens|frames]: N frames of each kind; answers alone; pan, hover and zoom alone.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_EPOXY
#include <epoxy/gl.h>
#endif

#include "tests/display/recorded-engine.h"
#include "tests/display/ui-test.h"
#include "ui/canvas.h"
#include "ui/chat.h"
#include "ui/main-thread.h"

#define WIDTH 1600
#define HEIGHT 1000
#define CAIRO_FRAMES 400
#define GL_FRAMES 20
#define GL_WARM_FRAMES 4 /* the first fill the caches */

/* Processor time of the main thread, microseconds: other work on the machine does not count. */
static gint64
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return (gint64) time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

/* The same of all threads. */
static gint64
now_process (void)
{
  struct timespec time;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &time);
  return (gint64) time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

static int
compare (const void *a,
         const void *b)
{
  double left = *(const double *) a;
  double right = *(const double *) b;

  return left < right ? -1 : left > right;
}

static void
report (const char *what,
        double     *ms,
        guint       n)
{
  qsort (ms, n, sizeof *ms, compare);
  g_print ("%-42s p50 %6.2f ms   p99 %6.2f ms   (%u frames)\n", what, ms[n / 2], ms[(guint) (n * 0.99)], n);
}

/* One frame's share of the canvas: what it prepares, and its node. */
static GskRenderNode *
make_node (GtkWidget *canvas)
{
  GtkWidgetClass *class = GTK_WIDGET_GET_CLASS (canvas);
  GtkSnapshot *snapshot = gtk_snapshot_new ();

  class->size_allocate (canvas, gtk_widget_get_width (canvas), gtk_widget_get_height (canvas), -1);
  class->snapshot (canvas, snapshot);
  return gtk_snapshot_free_to_node (snapshot);
}

typedef void (*Step) (DescryCanvas *canvas, guint i);

static void
pan_step (DescryCanvas *canvas,
          guint         i)
{
  GtkAdjustment *adjustments[2];

  g_object_get (canvas, "hadjustment", &adjustments[0], "vadjustment", &adjustments[1], NULL);
  gtk_adjustment_set_value (adjustments[0], 800 + (i % 100) * 7);
  gtk_adjustment_set_value (adjustments[1], 500 + (i % 70) * 5);
  g_object_unref (adjustments[0]);
  g_object_unref (adjustments[1]);
}

static void
zoom_step (DescryCanvas *canvas,
           guint         i)
{
  descry_canvas_zoom_at (canvas, 0.25 * (1 + 0.02 * (i % 100)), WIDTH / 2.0, HEIGHT / 2.0);
}

static void
hover_step (DescryCanvas *canvas,
            guint         i)
{
  guint id = 1 + i % 200;

  descry_canvas_highlight (canvas, &id, 1);
}

static void
measure (DescryCanvas *canvas,
         const char   *what,
         Step          step,
         guint         n)
{
  g_autofree double *prepare = g_new (double, n);
  g_autofree double *draw = g_new (double, n);
  g_autofree char *line = NULL;
  g_autofree char *draw_line = NULL;
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, WIDTH, HEIGHT);
  guint i;

  for (i = 0; i < n; i++)
    {
      gint64 start = now ();
      gint64 middle;
      GskRenderNode *node;
      cairo_t *cr;

      step (canvas, i);
      node = make_node (GTK_WIDGET (canvas));
      middle = now ();
      prepare[i] = (middle - start) / 1000.0;
      cr = cairo_create (surface);
      gsk_render_node_draw (node, cr);
      cairo_destroy (cr);
      cairo_surface_flush (surface);
      draw[i] = (now () - middle) / 1000.0;
      gsk_render_node_unref (node);
      g_main_context_iteration (NULL, FALSE);
    }
  line = g_strdup_printf ("%s, prepare + snapshot", what);
  draw_line = g_strdup_printf ("%s, Cairo drawing", what);
  report (line, prepare, n);
  report (draw_line, draw, n);
  cairo_surface_destroy (surface);
}

/* --------- GL ------------------ */

static gboolean
is_gl (GskRenderer *renderer)
{
  const char *name = G_OBJECT_TYPE_NAME (renderer);
  gboolean gl = strcmp (name, "GskNglRenderer") == 0 || strcmp (name, "GskGLRenderer") == 0;

#ifndef HAVE_EPOXY
  if (gl)
    g_print ("the GL renderer is not measured: built without libepoxy\n");
  gl = FALSE;
#endif
  return gl;
}

/* Of one node; what it took the main thread, all threads, and the clock, milliseconds. */
static void
draw_by_gl (GskRenderer   *renderer,
            GskRenderNode *node,
            double         ms[3])
{
  gint64 main_start = now (), process_start = now_process (), start = g_get_monotonic_time ();
  g_autoptr (GdkTexture) texture = gsk_renderer_render_texture (renderer, node, &GRAPHENE_RECT_INIT (0, 0, WIDTH, HEIGHT));

#ifdef HAVE_EPOXY
  glFinish ();
#endif
  ms[0] = (now () - main_start) / 1000.0;
  ms[1] = (now_process () - process_start) / 1000.0;
  ms[2] = (g_get_monotonic_time () - start) / 1000.0;
}

/* What the steps ask for; without it the main loop does not turn, or the window would be drawn for each of them too. */
static void
load_tiles (DescryCanvas *canvas)
{
  DescryTilerStats stats;

  for (descry_canvas_get_stats (canvas, &stats); stats.pending > 0; descry_canvas_get_stats (canvas, &stats))
    ui_test_turn ();
}

/* @step: NULL draws @node again and again. */
static void
measure_gl (GskRenderer   *renderer,
            DescryCanvas  *canvas,
            GskRenderNode *fixed,
            const char    *what,
            Step           step,
            guint          n)
{
  static const char *const names[] = { "prepare + snapshot", "main thread", "all threads", "clock" };
  double *columns[] = { g_new (double, n), g_new (double, n), g_new (double, n), g_new (double, n) };
  guint i, k;

  for (i = 0; i < n + GL_WARM_FRAMES; i++)
    {
      gint64 start = now ();
      GskRenderNode *node;
      double ms[G_N_ELEMENTS (columns)];

      if (step != NULL)
        step (canvas, i);
      node = step != NULL ? make_node (GTK_WIDGET (canvas)) : gsk_render_node_ref (fixed);
      ms[0] = (now () - start) / 1000.0;
      draw_by_gl (renderer, node, ms + 1);
      for (k = 0; k < G_N_ELEMENTS (columns) && i >= GL_WARM_FRAMES; k++)
        columns[k][i - GL_WARM_FRAMES] = ms[k];
      gsk_render_node_unref (node);
      if (canvas != NULL)
        load_tiles (canvas);
    }
  for (k = 0; k < G_N_ELEMENTS (columns); k++)
    {
      g_autofree char *line = g_strdup_printf ("%s, GL: %s", what, names[k]);

      if (k > 0 || step != NULL)
        report (line, columns[k], n);
      g_free (columns[k]);
    }
}

/* The yardstick: one texture of the size of the view, drawn once. */
static void
measure_blit (GskRenderer *renderer,
              guint        n)
{
  g_autofree double *ms = g_new (double, n);
  gsize size = (gsize) WIDTH * HEIGHT * 4;
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (size), size);
  g_autoptr (GdkTexture) texture = gdk_memory_texture_new (WIDTH, HEIGHT, GDK_MEMORY_DEFAULT, bytes, WIDTH * 4);
  g_autoptr (GskRenderNode) node = gsk_texture_node_new (texture, &GRAPHENE_RECT_INIT (0, 0, WIDTH, HEIGHT));
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, WIDTH, HEIGHT);
  guint i;

  if (is_gl (renderer))
    {
      measure_gl (renderer, NULL, node, "one textured blit", NULL, n);
      cairo_surface_destroy (surface);
      return;
    }
  for (i = 0; i < n; i++)
    {
      gint64 start = now ();
      cairo_t *cr = cairo_create (surface);

      gsk_render_node_draw (node, cr);
      cairo_destroy (cr);
      cairo_surface_flush (surface);
      ms[i] = (now () - start) / 1000.0;
    }
  report ("one textured blit", ms, n);
  cairo_surface_destroy (surface);
}

/* By the renderer that the window has. */
static void
measure_steps (GskRenderer  *renderer,
               DescryCanvas *canvas,
               const char   *what,
               Step          step,
               guint         n)
{
  if (is_gl (renderer))
    measure_gl (renderer, canvas, NULL, what, step, n);
  else
    measure (canvas, what, step, n);
}

/* A token and the frame that shows it, when 10,000 are there. The view takes the text at most once a frame. */
static void
measure_tokens (GtkWindow *window)
{
  static const char *const words[] = { "The ", "cup ", "stands ", "on ", "the ", "table, ", "left ", "of ", "a ", "book. " };
  GtkWidget *chat = g_object_new (DESCRY_TYPE_CHAT, NULL);
  double ms[300];
  guint i;

  gtk_window_set_child (window, chat);
  ui_test_pump (200);
  descry_chat_begin (DESCRY_CHAT (chat), "What is there?");
  for (i = 0; i < 10000; i++)
    {
      descry_chat_append (DESCRY_CHAT (chat), i % 80 == 79 ? "\n\n" : words[i % G_N_ELEMENTS (words)]);
      if (i % 500 == 499)
        ui_test_pump (30);
    }
  ui_test_pump (500);
  for (i = 0; i < G_N_ELEMENTS (ms); i++)
    {
      gint64 start = now ();

      descry_chat_append (DESCRY_CHAT (chat), words[i % G_N_ELEMENTS (words)]);
      ui_test_pump (20); /* a frame; the thread's own time counts, not the waiting */
      ms[i] = (now () - start) / 1000.0;
    }
  report ("token and frame at 10,000", ms, G_N_ELEMENTS (ms));
  descry_chat_fail (DESCRY_CHAT (chat), "stopped", TRUE);
}

/* Resident bytes of the process. */
static double
resident_mib (void)
{
  g_autofree char *text = NULL;
  unsigned long pages = 0;

  if (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL))
    sscanf (text, "%*u %lu", &pages);
  return pages * (double) sysconf (_SC_PAGESIZE) / 1048576.0;
}

static void
wait_ready (DescryCanvas *canvas)
{
  DescryTilerStats stats;

  do
    {
      ui_test_turn ();
      descry_canvas_get_stats (canvas, &stats);
    }
  while (stats.pending > 0 || stats.bytes == 0);
}

/* What 50 pictures of 3 megapixels with their masks leave behind; the first five only warm the pools. */
static void
measure_memory (DescryCanvas *canvas)
{
  double before = 0.0;
  guint i;

  for (i = 0; i < 55; i++)
    {
      g_autoptr (DescryScene) scene = NULL;
      g_autoptr (DescryImage) image = recorded_picture_new (2000, 1500, 20, &scene);

      descry_canvas_set_image (canvas, image);
      descry_canvas_set_scene (canvas, scene);
      wait_ready (canvas);
      ui_test_pump (20);
      descry_canvas_set_image (canvas, NULL);
      ui_test_pump (20);
      if (i == 4)
        before = resident_mib ();
    }
  g_print ("memory: %.0f MiB after 5 pictures, %.0f MiB after 50 more\n", before, resident_mib ());
}

static void
measure_canvas (GtkWindow *window,
                gint64     began,
                gboolean   frames_only,
                guint      n_frames) /* 0: as many as the renderer has time for */
{
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = recorded_picture_new (6000, 4000, 200, &scene);
  GtkWidget *scroller;
  DescryCanvas *canvas;
  DescryTilerStats stats;
  GskRenderer *renderer;
  guint tiles, masks;
  gint64 start;

  scroller = gtk_scrolled_window_new ();
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_EXTERNAL, GTK_POLICY_EXTERNAL);
  canvas = DESCRY_CANVAS (descry_canvas_new ());
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), GTK_WIDGET (canvas));
  gtk_window_set_child (window, scroller);
  gtk_window_present (window);
  gtk_test_widget_wait_for_draw (GTK_WIDGET (window));
  g_print ("first paint of an empty canvas, toolkit included: %.0f ms\n", (g_get_monotonic_time () - began) / 1000.0);
  ui_test_pump (200);

  renderer = gtk_native_get_renderer (GTK_NATIVE (window));
  if (n_frames == 0)
    n_frames = is_gl (renderer) ? GL_FRAMES : CAIRO_FRAMES;
  if (!frames_only && !is_gl (renderer))
    measure_memory (canvas);
  descry_canvas_get_stats (canvas, &stats);
  masks = stats.masks;
  start = g_get_monotonic_time ();
  descry_canvas_set_image (canvas, image);
  descry_canvas_set_scene (canvas, scene);
  do
    {
      ui_test_turn ();
      descry_canvas_get_stats (canvas, &stats);
    }
  while (stats.pending > 0 || stats.bytes == 0);
  g_print ("picture, tiles and %u masks ready after %.0f ms\n", stats.masks - masks, (g_get_monotonic_time () - start) / 1000.0);

  measure_blit (renderer, n_frames);
  descry_canvas_zoom_at (canvas, 0.5, WIDTH / 2.0, HEIGHT / 2.0);
  ui_test_pump (300);
  do
    {
      ui_test_turn ();
      descry_canvas_get_stats (canvas, &stats);
    }
  while (stats.pending > 0);
  measure_steps (renderer, canvas, "pan", pan_step, n_frames); /* loads the ring */
  ui_test_pump (500);
  descry_canvas_get_stats (canvas, &stats);
  tiles = stats.tiles;
  measure_steps (renderer, canvas, "pan, tiles loaded", pan_step, n_frames);
  descry_canvas_get_stats (canvas, &stats);
  g_print ("tiles made while panning among loaded ones: %u; textures hold %.0f MiB\n", stats.tiles - tiles, stats.bytes / 1048576.0);
  measure_steps (renderer, canvas, "hover", hover_step, n_frames);
  measure_steps (renderer, canvas, "zoom", zoom_step, n_frames);
}

int
main (int    argc,
      char **argv)
{
  int n_frames = 0;
  const GOptionEntry entries[] = {
    { "frames", 0, 0, G_OPTION_ARG_INT, &n_frames, "Frames of each kind", "N" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[tokens|frames]");
  g_autoptr (GError) error = NULL;
  gint64 began = g_get_monotonic_time ();
  const char *only;
  GtkWidget *window;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || n_frames < 0)
    {
      g_printerr ("%s\n", error != NULL ? error->message : "frames: a number above 0");
      return 2;
    }
  only = argc > 1 ? argv[1] : "";
  gtk_init ();
  descry_ui_init ();
  window = gtk_window_new ();
  gtk_window_set_decorated (GTK_WINDOW (window), FALSE);
  gtk_window_set_default_size (GTK_WINDOW (window), WIDTH, HEIGHT);
  if (!g_str_equal (only, "tokens"))
    measure_canvas (GTK_WINDOW (window), began, g_str_equal (only, "frames"), (guint) n_frames);
  gtk_window_present (GTK_WINDOW (window));
  if (g_str_equal (only, "tokens") || (*only == '\0' && !is_gl (gtk_native_get_renderer (GTK_NATIVE (window)))))
    measure_tokens (GTK_WINDOW (window));

  gtk_window_destroy (GTK_WINDOW (window));
  ui_test_pump (100);
  return 0;
}
