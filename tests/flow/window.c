/* window.c - a person's way through the real window: open, look, click, ask, follow a link
 *
 * The engine is recorded; pointer and keys are the X server's own, through xdotool. Without it the
 * steps are done by actions and signals, and the test says so.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>

#include "tests/display/recorded-engine.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"
#include "ui/turn-view.h"
#include "ui/window.h"

#define ANSWER "There is a cup on the left. It stands beside a bowl.\n\nThe book is on the table."

static AdwApplication *application;

static void
run_tool (const char *format, ...) G_GNUC_PRINTF (1, 2);

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

static void
run_tool (const char *format, ...)
{
  g_autofree char *line = NULL;
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  gboolean done = FALSE;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  process = g_subprocess_newv ((const char *const *) argv, G_SUBPROCESS_FLAGS_NONE, &error);
  g_assert_no_error (error);
  g_subprocess_wait_check_async (process, NULL, tool_done_cb, &done);
  WAIT_WHILE (!done);
  ui_test_pump (60);
}

/* Where a point of a widget is on the screen: the window has no decorations of a window manager here. */
static void
to_screen (GtkWidget *widget,
           double     x,
           double     y,
           int       *sx,
           int       *sy)
{
  GtkNative *native = gtk_widget_get_native (widget);
  double wx, wy, nx, ny;

  g_assert_true (gtk_widget_translate_coordinates (widget, GTK_WIDGET (native), x, y, &wx, &wy));
  gtk_native_get_surface_transform (native, &nx, &ny);
  *sx = (int) round (wx + nx);
  *sy = (int) round (wy + ny);
}

static void
click_at (GtkWidget  *widget,
          double      x,
          double      y,
          const char *how)
{
  int sx, sy;

  to_screen (widget, x, y, &sx, &sy);
  run_tool ("xdotool mousemove %d %d %s", sx, sy, how);
}

static void
object_center (DescryCanvas *canvas,
               DescryScene  *scene,
               guint         id,
               double       *x,
               double       *y)
{
  DescryObject *object = descry_scene_find (scene, id);

  descry_canvas_from_picture (canvas, (object->box.x0 + object->box.x1) / 2, (object->box.y0 + object->box.y1) / 2, x, y);
}

static void
shoot (DescryWindow *window,
       const char   *name)
{
  g_autoptr (GdkTexture) texture = NULL;

  ui_test_pump (300);
  ui_test_watch_pause ();
  texture = ui_test_shoot (GTK_WIDGET (window));
  ui_test_save (texture, name);
  ui_test_watch_resume ();
}

static guint
only_selected (DescryCanvas *canvas)
{
  GArray *ids = descry_canvas_get_selection (canvas);

  return ids->len == 1 ? g_array_index (ids, guint, 0) : 0;
}

/* The label of the answer that holds a link, and the point of its first link. */
static GtkLabel *
find_link (GtkWidget *root,
           double    *x,
           double    *y)
{
  GtkWidget *child;

  if (GTK_IS_LABEL (root) && gtk_widget_get_mapped (root) && strstr (gtk_label_get_label (GTK_LABEL (root)), "<a href") != NULL &&
      gtk_widget_get_ancestor (root, GTK_TYPE_EXPANDER) == NULL)
    {
      PangoLayout *layout = gtk_label_get_layout (GTK_LABEL (root));
      const char *label = gtk_label_get_label (GTK_LABEL (root));
      const char *link = strstr (label, "<a href");
      PangoRectangle place;
      int ox, oy;

      gtk_label_get_layout_offsets (GTK_LABEL (root), &ox, &oy);
      pango_layout_index_to_pos (layout, (int) (link - label) + 1, &place);
      *x = ox + (place.x + place.width / 2.0) / PANGO_SCALE;
      *y = oy + (place.y + place.height / 2.0) / PANGO_SCALE;
      return GTK_LABEL (root);
    }

  for (child = gtk_widget_get_first_child (root); child != NULL; child = gtk_widget_get_next_sibling (child))
    {
      GtkLabel *found = find_link (child, x, y);

      if (found != NULL)
        return found;
    }

  return NULL;
}

static gsize
text_length (DescryTurnView *view)
{
  g_autofree char *text = descry_turn_view_get_text (view);

  return strlen (text);
}

static void
test_flow (void)
{
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = recorded_picture_new (1600, 1200, 8, &scene);
  g_autofree char *folder = g_dir_make_tmp ("descry-flow-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "Breakfast table.png", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  RecordedEngine *engine = recorded_engine_new (scene, ANSWER);
  DescryWindow *window;
  DescryCanvas *canvas;
  DescryChat *chat;
  g_autoptr (GPtrArray) history = NULL;
  DescryTurn *turn;
  GtkLabel *label;
  GtkWidget *overlay;
  double x, y, longest, longest_cpu;
  guint before;
  g_autofree char *xdotool = g_find_program_in_path ("xdotool");

  if (xdotool == NULL)
    {
      g_test_skip ("xdotool is not installed");
      return;
    }

  g_assert_true (descry_image_save_png (image, path, NULL));
  window = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), DESCRY_ENGINE (engine), NULL));
  canvas = descry_window_get_canvas (window);
  chat = descry_window_get_chat (window);
  gtk_window_set_default_size (GTK_WINDOW (window), 1240, 800);
  gtk_window_present (GTK_WINDOW (window));
  ui_test_pump (300);
  run_tool ("xdotool mousemove 5 5");
  ui_test_watch_start ();

  /* Open, and wait for what is in it. */
  recorded_engine_set_pace (engine, 25);
  descry_window_open (window, file);
  WAIT_WHILE (descry_canvas_get_scene (canvas) == NULL);
  g_assert_cmpuint (descry_canvas_get_scene (canvas)->objects->len, ==, 8);
  /* Boxes come before the masks; a program that a sanitizer slows down may see both at once. */
  g_assert_true (!descry_window_is_idle (window) || g_getenv ("DESCRY_TEST_SLOW") != NULL);
  shoot (window, "flow-busy.png");
  WAIT_WHILE (!descry_window_is_idle (window));
  ui_test_pump (200);

  /* The pointer lights an object, a click selects it. */
  object_center (canvas, scene, 2, &x, &y);
  click_at (GTK_WIDGET (canvas), x, y, "");
  WAIT_WHILE (descry_canvas_get_hovered (canvas) != 2);
  click_at (GTK_WIDGET (canvas), x, y, "click 1");
  WAIT_WHILE (only_selected (canvas) != 2);

  /* Ctrl adds another, and takes it out again. */
  object_center (canvas, scene, 3, &x, &y);
  click_at (GTK_WIDGET (canvas), x, y, "keydown ctrl click 1 keyup ctrl");
  WAIT_WHILE (descry_canvas_get_selection (canvas)->len != 2);
  click_at (GTK_WIDGET (canvas), x, y, "keydown ctrl click 1 keyup ctrl");
  WAIT_WHILE (only_selected (canvas) != 2);
  gtk_widget_activate_action (GTK_WIDGET (window), "win.panel", "s", "objects");
  shoot (window, "flow-objects.png");
  gtk_widget_activate_action (GTK_WIDGET (window), "win.panel", "s", "inspect");
  shoot (window, "flow-inspect.png");

  /* A double click makes a chip. */
  object_center (canvas, scene, 1, &x, &y);
  click_at (GTK_WIDGET (canvas), x, y, "click --repeat 2 --delay 60 1");
  WAIT_WHILE (descry_chat_get_chips (chat)->len != 1);
  g_assert_cmpuint (g_array_index (descry_chat_get_chips (chat), guint, 0), ==, 1);

  /* Written and sent from the keyboard; the answer streams. */
  recorded_engine_set_pace (engine, 40);
  run_tool ("xdotool type --delay 15 'Where is this?'");
  shoot (window, "flow-chip.png");
  run_tool ("xdotool key Return");
  WAIT_WHILE (!descry_chat_is_running (chat));
  {
    GtkWidget *view = ui_test_find (GTK_WIDGET (chat), DESCRY_TYPE_TURN_VIEW, NULL);

    g_assert_nonnull (view);
    WAIT_WHILE (text_length (DESCRY_TURN_VIEW (view)) == 0);
    g_assert_true (descry_chat_is_running (chat));
    g_assert_cmpuint (text_length (DESCRY_TURN_VIEW (view)), <, strlen (ANSWER));
  }
  shoot (window, "flow-streaming.png");
  WAIT_WHILE (descry_chat_is_running (chat));
  {
    g_autofree char *question = recorded_engine_question (engine);
    g_autoptr (GArray) chips = recorded_engine_chips (engine);

    g_assert_cmpstr (question, ==, "Where is this?");
    g_assert_cmpuint (chips->len, ==, 1);
  }
  g_assert_cmpuint (descry_chat_get_chips (chat)->len, ==, 0); /* they left with the question */
  history = descry_chat_get_history (chat);
  g_assert_cmpuint (history->len, ==, 1);
  turn = g_ptr_array_index (history, 0);
  g_assert_cmpstr (turn->answer, ==, ANSWER);
  g_assert_cmpuint (turn->links->len, >, 0);

  /* The pointer on a phrase lights the object; a click selects it. */
  descry_canvas_select (canvas, NULL, 0);
  ui_test_pump (100);
  label = find_link (GTK_WIDGET (chat), &x, &y);
  g_assert_nonnull (label);
  click_at (GTK_WIDGET (label), x, y, "");
  shoot (window, "flow-link.png");
  click_at (GTK_WIDGET (label), x, y, "click 1");
  WAIT_WHILE (descry_canvas_get_selection (canvas)->len == 0);
  {
    const DescryLink *link = g_ptr_array_index (turn->links, 0);

    g_assert_cmpuint (g_array_index (descry_canvas_get_selection (canvas), guint, 0), ==, link->objects[0]);
  }
  g_assert_nonnull (strstr (gtk_label_get_label (label), "<span")); /* and the phrase is marked */

  /* The evidence can be seen. */
  {
    GtkWidget *expander = ui_test_find (GTK_WIDGET (chat), GTK_TYPE_EXPANDER, NULL);

    g_assert_nonnull (expander);
    gtk_expander_set_expanded (GTK_EXPANDER (expander), TRUE);
  }
  shoot (window, "flow-evidence.png");

  /* Stop, in Send's place. */
  recorded_engine_set_pace (engine, 80);
  descry_chat_set_question (chat, "And then?");
  run_tool ("xdotool key Return");
  WAIT_WHILE (!descry_chat_is_running (chat));
  ui_test_pump (250);
  g_signal_emit_by_name (ui_test_find (GTK_WIDGET (chat), GTK_TYPE_BUTTON, "Stop"), "clicked");
  WAIT_WHILE (descry_chat_is_running (chat));
  g_assert_nonnull (ui_test_find (GTK_WIDGET (chat), GTK_TYPE_LABEL, "Stopped"));

  /* A drag on the photo asks for a region; a click on nothing too. */
  recorded_engine_set_pace (engine, 20);
  before = recorded_engine_count (engine, DESCRY_JOB_SEGMENT);
  descry_canvas_from_picture (canvas, 60, 60, &x, &y);
  click_at (GTK_WIDGET (canvas), x, y, "mousedown 1");
  descry_canvas_from_picture (canvas, 400, 200, &x, &y);
  click_at (GTK_WIDGET (canvas), x - 20, y - 10, "");
  click_at (GTK_WIDGET (canvas), x, y, "");
  shoot (window, "flow-band.png");
  click_at (GTK_WIDGET (canvas), x, y, "mouseup 1");
  WAIT_WHILE (recorded_engine_count (engine, DESCRY_JOB_SEGMENT) == before);
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_cmpuint (descry_canvas_get_scene (canvas)->objects->len, ==, 9);
  g_assert_cmpuint (only_selected (canvas), ==, 9);

  /* The wheel zooms to the pointer, the middle button pans. */
  {
    double zoom = descry_canvas_get_zoom (canvas);
    double px, py, qx, qy;

    object_center (canvas, scene, 2, &x, &y);
    descry_canvas_to_picture (canvas, x, y, &px, &py);
    click_at (GTK_WIDGET (canvas), x, y, "click --repeat 6 --delay 30 4");
    ui_test_pump (200);
    g_assert_cmpfloat (descry_canvas_get_zoom (canvas), >, zoom * 2.5);
    descry_canvas_to_picture (canvas, x, y, &qx, &qy);
    g_assert_cmpfloat_with_epsilon (px, qx, 8);
    g_assert_cmpfloat_with_epsilon (py, qy, 8);
    shoot (window, "flow-zoomed.png");
    click_at (GTK_WIDGET (canvas), x, y, "mousedown 2");
    click_at (GTK_WIDGET (canvas), x - 80, y - 40, "");
    click_at (GTK_WIDGET (canvas), x - 80, y - 40, "mouseup 2");
    descry_canvas_from_picture (canvas, px, py, &qx, &qy);
    g_assert_cmpfloat_with_epsilon (qx, x - 80, 8);
    g_assert_cmpfloat_with_epsilon (qy, y - 40, 8);
    descry_canvas_zoom_fit (canvas);
    ui_test_pump (200);
  }

  /* Keys of the canvas: hide, and everything back; toggles are actions. */
  gtk_widget_grab_focus (GTK_WIDGET (canvas));
  object_center (canvas, scene, 2, &x, &y);
  click_at (GTK_WIDGET (canvas), x, y, "click 1");
  WAIT_WHILE (only_selected (canvas) != 2);
  run_tool ("xdotool key h");
  WAIT_WHILE (!descry_canvas_is_hidden (canvas, 2));
  gtk_widget_activate_action (GTK_WIDGET (window), "win.show-all", NULL);
  g_assert_false (descry_canvas_is_hidden (canvas, 2));
  gtk_widget_activate_action (GTK_WIDGET (window), "win.boxes", NULL);
  g_assert_false (descry_canvas_get_view (canvas)->boxes);
  gtk_widget_activate_action (GTK_WIDGET (window), "win.boxes", NULL);

  longest = ui_test_watch_stop (&longest_cpu);
  g_test_message ("longest block of the main loop: %.1f ms, %.1f ms by processor time; frames by the Cairo renderer included", longest, longest_cpu);

  overlay = ui_test_find (GTK_WIDGET (window), GTK_TYPE_MENU_BUTTON, "What is shown on the picture");
  g_assert_nonnull (overlay);
  adw_style_manager_set_color_scheme (adw_style_manager_get_default (), ADW_COLOR_SCHEME_FORCE_DARK);
  shoot (window, "flow-dark.png");
  gtk_window_set_default_size (GTK_WINDOW (window), 420, 900);
  shoot (window, "flow-narrow.png");
  adw_style_manager_set_color_scheme (adw_style_manager_get_default (), ADW_COLOR_SCHEME_FORCE_LIGHT);

  gtk_window_destroy (GTK_WINDOW (window));
  g_object_unref (engine);
}

int
main (int    argc,
      char **argv)
{
  int status;

  gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();
  application = ui_test_application ();
  g_test_add_func ("/flow/window", test_flow);
  status = g_test_run ();
  g_object_unref (application);
  return status;
}
