/* points.c - regions from + and - points with a recorded segmenter, objects chosen by a rubber band, the chosen ones exported
 *
 * Pointer and keys are the X server's own, through xdotool; without it the test is skipped.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include <glib/gstdio.h>
#include <jansson.h>

#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/accels.h"
#include "ui/main-thread.h"

static AdwApplication *application;
static char *folder, *picture;

static const RecordedPicture table = { 640, 480, 8 };

typedef RecordedWindow World;

/* --------- Hands ------------------ */

static void
tool_done_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      data)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_wait_check_finish (G_SUBPROCESS (source), result, &error);
  g_assert_no_error (error);
  *(gboolean *) data = TRUE;
}

static void xdotool (const char *format, ...) G_GNUC_PRINTF (1, 2);

static void
xdotool (const char *format, ...)
{
  g_autofree char *words = NULL, *line = NULL;
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocess) process = NULL;
  gboolean done = FALSE;
  va_list args;

  va_start (args, format);
  words = g_strdup_vprintf (format, args);
  va_end (args);
  line = g_strconcat ("xdotool ", words, NULL);
  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  process = g_subprocess_newv ((const char *const *) argv, G_SUBPROCESS_FLAGS_NONE, NULL);
  g_subprocess_wait_check_async (process, NULL, tool_done_cb, &done);
  WAIT_WHILE (!done);
  ui_test_pump (60);
}

/* Of a place in the picture; the window is at the screen's corner. */
static void
on_screen (World  *world,
           double  px,
           double  py,
           int    *sx,
           int    *sy)
{
  GtkNative *native = gtk_widget_get_native (GTK_WIDGET (world->canvas));
  double x, y, wx, wy, nx, ny;

  descry_canvas_from_picture (world->canvas, px, py, &x, &y);
  g_assert_true (gtk_widget_translate_coordinates (GTK_WIDGET (world->canvas), GTK_WIDGET (native), x, y, &wx, &wy));
  gtk_native_get_surface_transform (native, &nx, &ny);
  *sx = (int) round (wx + nx);
  *sy = (int) round (wy + ny);
}

static void
point_at (World      *world,
          double      px,
          double      py,
          const char *how)
{
  int x, y;

  on_screen (world, px, py, &x, &y);
  xdotool ("mousemove %d %d %s", x, y, how);
}

/* --------- World ------------------ */

static gboolean
world_open (World   *world,
            gboolean promptable)
{
  g_autofree char *tool = g_find_program_in_path ("xdotool");

  if (tool == NULL)
    {
      g_test_skip ("xdotool is not installed");
      return FALSE;
    }

  recorded_window_show (world, GTK_APPLICATION (application), NULL, table);
  recorded_engine_set_promptable (world->engine, promptable);
  gtk_window_set_default_size (GTK_WINDOW (world->window), 1100, 760);
  recorded_window_open (world, picture);
  ui_test_pump (240);

  return TRUE;
}

static DescryObject *
only_selected (World *world)
{
  GArray *ids = descry_canvas_get_selection (world->canvas);

  g_assert_cmpuint (ids->len, ==, 1);
  return descry_scene_find (descry_canvas_get_scene (world->canvas), g_array_index (ids, guint, 0));
}

static void
wait_idle (World *world,
           guint  n_jobs)
{
  WAIT_WHILE (recorded_engine_count (world->engine, DESCRY_JOB_POINTS) < n_jobs || !descry_window_is_idle (world->window));
  ui_test_pump (60);
}

/* --------- Tests ------------------ */

/* The segmenter cannot do it: the buttons say why, and so does a click with Shift; a plain click asks for a region as before. */
static void
test_refused (void)
{
  World world;
  GtkWidget *button;

  if (!world_open (&world, FALSE))
    return;
  button = ui_test_find (GTK_WIDGET (world.window), GTK_TYPE_TOGGLE_BUTTON,
                         "This segmenter works on whole regions: click or draw a box instead of + and − points.");
  g_assert_nonnull (button);
  g_assert_false (gtk_widget_is_sensitive (button));
  point_at (&world, 320, 30, "keydown shift click 1 keyup shift");
  WAIT_WHILE (ui_test_find_text (GTK_WIDGET (world.window), "This segmenter works on whole regions") == NULL);
  recorded_window_shoot (&world, "points-refused.png");
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_POINTS), ==, 0);
  point_at (&world, 320, 30, "click 1");
  WAIT_WHILE (recorded_engine_count (world.engine, DESCRY_JOB_SEGMENT) == 0 || !descry_window_is_idle (world.window));
  recorded_window_close (&world);
}

static void
test_region (void)
{
  World world;
  GtkWidget *plus, *minus;
  DescryObject *object;
  guint64 small, one, two, less;
  guint id, n, n_jobs;

  if (!world_open (&world, TRUE))
    return;
  n = descry_canvas_get_scene (world.canvas)->objects->len;

  /* A click on nothing is a + point, and so a region. */
  point_at (&world, 320, 60, "click 1");
  wait_idle (&world, 1);
  object = only_selected (&world);
  id = object->id;
  one = object->mask->area;
  g_assert_cmpuint (descry_canvas_get_scene (world.canvas)->objects->len, ==, n + 1);
  g_assert_true (descry_mask_hit (object->mask, 320, 60));
  g_assert_cmpuint (descry_canvas_get_points (world.canvas)->len, ==, 1);

  /* One point means several things. */
  xdotool ("key bracketright");
  wait_idle (&world, 2);
  small = only_selected (&world)->mask->area;
  g_assert_cmpuint (small, <, one);
  xdotool ("key bracketleft");
  wait_idle (&world, 3);
  g_assert_cmpuint (only_selected (&world)->mask->area, ==, one);

  /* Shift adds, Alt takes away: the same region each time. */
  point_at (&world, 400, 60, "keydown shift click 1 keyup shift");
  wait_idle (&world, 4);
  g_assert_cmpuint (only_selected (&world)->id, ==, id);
  two = only_selected (&world)->mask->area;
  g_assert_cmpuint (two, >, one);
  point_at (&world, 360, 60, "keydown alt click 1 keyup alt");
  wait_idle (&world, 5);
  less = only_selected (&world)->mask->area;
  g_assert_cmpuint (less, <, two);
  g_assert_false (descry_mask_hit (only_selected (&world)->mask, 360, 60));
  recorded_window_shoot (&world, "points-region.png");

  /* Back and forth, a point a step. */
  xdotool ("key ctrl+z");
  wait_idle (&world, 6);
  g_assert_cmpuint (only_selected (&world)->mask->area, ==, two);
  xdotool ("key ctrl+shift+z");
  wait_idle (&world, 7);
  g_assert_cmpuint (only_selected (&world)->mask->area, ==, less);

  /* A click on a point removes it. */
  point_at (&world, 360, 60, "click 1");
  wait_idle (&world, 8);
  g_assert_cmpuint (only_selected (&world)->mask->area, ==, two);
  g_assert_cmpuint (descry_canvas_get_points (world.canvas)->len, ==, 2);

  /* With the buttons plain clicks do it, and what would be is shown before. */
  plus = ui_test_find (GTK_WIDGET (world.window), GTK_TYPE_TOGGLE_BUTTON, "Add points to a region (Shift+click)");
  minus = ui_test_find (GTK_WIDGET (world.window), GTK_TYPE_TOGGLE_BUTTON, "Take points out of the region (Alt+click)");
  g_assert_nonnull (plus);
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (plus), TRUE);
  n_jobs = recorded_engine_count (world.engine, DESCRY_JOB_POINTS);
  recorded_engine_set_pace (world.engine, 80);
  point_at (&world, 480, 60, "mousemove_relative 3 0 mousemove_relative 3 0 mousemove_relative 3 0 mousemove_relative 3 0");
  WAIT_WHILE (!descry_canvas_has_preview (world.canvas));
  ui_test_pump (300);
  recorded_window_shoot (&world, "points-preview.png");
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_POINTS), >, n_jobs);
  g_assert_cmpuint (recorded_engine_crowd (world.engine), ==, 1); /* at most one under way, however much moves */
  g_assert_cmpuint (only_selected (&world)->mask->area, ==, two); /* nobody keeps it */
  recorded_engine_set_pace (world.engine, 1);
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (minus), TRUE);
  g_assert_false (gtk_toggle_button_get_active (GTK_TOGGLE_BUTTON (plus)));
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (minus), FALSE);
  g_assert_false (descry_canvas_has_preview (world.canvas));

  /* Done: the region stays, and the next point begins another one. */
  gtk_widget_grab_focus (GTK_WIDGET (world.canvas));
  xdotool ("key Escape");
  g_assert_cmpuint (descry_canvas_get_points (world.canvas)->len, ==, 0);
  g_assert_nonnull (descry_scene_find (descry_canvas_get_scene (world.canvas), id));
  n_jobs = recorded_engine_count (world.engine, DESCRY_JOB_POINTS);
  point_at (&world, 220, 40, "keydown shift click 1 keyup shift");
  wait_idle (&world, n_jobs + 1);
  g_assert_cmpuint (only_selected (&world)->id, !=, id);

  /* Without its last point there is no region. */
  n = descry_canvas_get_scene (world.canvas)->objects->len;
  ui_test_pump (600); /* or it would be a double-click */
  point_at (&world, 220, 40, "click 1");
  WAIT_WHILE (descry_canvas_get_scene (world.canvas)->objects->len == n);
  g_assert_cmpuint (descry_canvas_get_scene (world.canvas)->objects->len, ==, n - 1);

  /* A - point alone is nothing. */
  n_jobs = recorded_engine_count (world.engine, DESCRY_JOB_POINTS);
  point_at (&world, 120, 40, "keydown alt click 1 keyup alt");
  WAIT_WHILE (ui_test_find_text (GTK_WIDGET (world.window), "Begin with a + point") == NULL);
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_POINTS), ==, n_jobs);
  recorded_window_close (&world);
}

/* A first region can be taken back whole. */
static void
test_undo (void)
{
  World world;
  guint n;

  if (!world_open (&world, TRUE))
    return;
  n = descry_canvas_get_scene (world.canvas)->objects->len;
  point_at (&world, 320, 60, "click 1");
  wait_idle (&world, 1);
  g_assert_cmpuint (descry_canvas_get_scene (world.canvas)->objects->len, ==, n + 1);
  xdotool ("key ctrl+z");
  WAIT_WHILE (descry_canvas_get_scene (world.canvas)->objects->len != n);
  g_assert_cmpuint (descry_canvas_get_points (world.canvas)->len, ==, 0);
  recorded_window_close (&world);
}

/* Ctrl and a drag choose what is inside; what is chosen can be exported alone. */
static void
test_band (void)
{
  World world;
  g_autofree char *path = g_build_filename (folder, "chosen.json", NULL);
  DescryScene *scene;
  json_t *root, *annotations;
  GArray *ids;
  int x, y;
  guint i, all = 0, upper = 0;

  if (!world_open (&world, FALSE))
    return;
  scene = descry_canvas_get_scene (world.canvas);
  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (!descry_view_shows (descry_canvas_get_view (world.canvas), object))
        continue;
      all++;
      upper += (object->box.y0 + object->box.y1) / 2 < 240;
    }
  g_assert_cmpuint (upper, >, 1);
  g_assert_cmpuint (all, >, upper);

  on_screen (&world, 2, 2, &x, &y);
  xdotool ("mousemove %d %d keydown ctrl mousedown 1", x, y);
  on_screen (&world, 300, 120, &x, &y);
  xdotool ("mousemove %d %d", x, y);
  on_screen (&world, 637, 240, &x, &y);
  xdotool ("mousemove %d %d", x, y);
  recorded_window_shoot (&world, "band.png");
  xdotool ("mouseup 1 keyup ctrl");
  ids = descry_canvas_get_selection (world.canvas);
  g_assert_cmpuint (ids->len, ==, upper);
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_SEGMENT), ==, 0);
  recorded_window_shoot (&world, "band-chosen.png");

  g_assert_true (descry_window_export_selection (world.window, "coco", path));
  WAIT_WHILE (!descry_window_is_idle (world.window));
  root = json_load_file (path, 0, NULL);
  annotations = json_object_get (root, "annotations");
  g_assert_cmpuint (json_array_size (annotations), ==, upper);
  json_decref (root);

  /* A click beside them with Ctrl loses nothing; Ctrl+A is all. */
  point_at (&world, 320, 20, "keydown ctrl click 1 keyup ctrl");
  g_assert_cmpuint (descry_canvas_get_selection (world.canvas)->len, ==, upper);
  xdotool ("key ctrl+a");
  g_assert_cmpuint (descry_canvas_get_selection (world.canvas)->len, ==, all);
  recorded_window_close (&world);
}

/* What could not be written says so until somebody has read it. */
static void
test_trouble (void)
{
  World world;
  g_autofree char *path = g_build_filename (folder, "no-such-folder", "x.json", NULL);

  if (!world_open (&world, FALSE))
    return;
  g_assert_true (descry_window_export (world.window, "json", path));
  WAIT_WHILE (!descry_window_is_idle (world.window));
  ui_test_pump (6000);
  g_assert_nonnull (descry_window_get_message (world.window));
  g_assert_nonnull (strstr (descry_window_get_message (world.window), "could not be saved"));
  recorded_window_shoot (&world, "trouble.png");
  gtk_widget_activate (ui_test_find (GTK_WIDGET (world.window), GTK_TYPE_BUTTON, "Close the message"));
  WAIT_WHILE (descry_window_get_message (world.window) != NULL);
  recorded_window_close (&world);
}

int
main (int    argc,
      char **argv)
{
  int status;

  gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();
  application = ui_test_application ();
  descry_accels_add (GTK_APPLICATION (application));
  folder = g_dir_make_tmp ("descry-points-XXXXXX", NULL);
  picture = recorded_window_save (folder, "on-the-table.png", table);

  g_test_add_func ("/points/refused", test_refused);
  g_test_add_func ("/points/region", test_region);
  g_test_add_func ("/points/undo", test_undo);
  g_test_add_func ("/points/band", test_band);
  g_test_add_func ("/points/trouble", test_trouble);
  status = g_test_run ();

  g_unlink (picture);
  {
    g_autofree char *chosen = g_build_filename (folder, "chosen.json", NULL);

    g_unlink (chosen);
  }
  g_rmdir (folder);
  g_object_unref (application);
  return status;
}
