/* tasks.c - ten things that somebody new wants to do, each done in the real program with its own networks, by pointer and
 * keys alone; the steps are counted and may not become more
 *
 * A step is what a hand does: a click, a drag, a key or a chord, a text typed. Looking and waiting are none. The two days
 * are two processes with one home, so that what is resumed comes from the disk. Pictures of the screen are left in
 * tests/output: look at them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>

#include <X11/Xlib.h>
#include <gdk/x11/gdkx.h>
#include <glib/gstdio.h>
#include <jansson.h>

#include "app/application.h"
#include "tests/display/ui-test.h"
#include "tests/flow/flow.h"
#include "ui/main-thread.h"
#include "ui/window.h"

#define PATIENCE (240 * G_TIME_SPAN_SECOND) /* the first start compiles its kernels */

typedef enum { DROP, SMALLEST, WHERE, NAME, COMPARE, EXPORT, RESUME, DEVICE, DISK, KEYS, N_TASKS } Task;

static const struct
{
  const char *what;
  guint       most; /* steps */
} tasks[N_TASKS] = {
  { "open a picture by dropping it", 1 },
  { "find the smallest object", 4 },
  { "ask where it is", 2 },
  { "correct a wrong name", 4 },
  { "compare two objects", 3 },
  { "export COCO", 4 },
  { "resume yesterday's conversation", 2 },
  { "switch the device", 4 },
  { "free disk space", 3 },
  { "with the keyboard alone: open, choose, ask, rename, take back", 14 },
};

static DescryApplication *application;
static DescryWindow *window;
static Task task;
static guint n_steps;
static char *output;

/* --------- Outside of the program ------------------ */

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
run_tool (const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error);
  gboolean done = FALSE;

  g_assert_no_error (error);
  g_subprocess_wait_check_async (process, NULL, tool_done_cb, &done);
  WAIT_WHILE (!done);
}

static void xdotool (const char *format, ...) G_GNUC_PRINTF (1, 2);

static void
xdotool (const char *format, ...)
{
  g_autofree char *words = NULL, *line = NULL;
  g_auto (GStrv) argv = NULL;
  va_list args;

  va_start (args, format);
  words = g_strdup_vprintf (format, args);
  va_end (args);
  line = g_strconcat ("xdotool ", words, NULL);
  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  run_tool ((const char *const *) argv);
  ui_test_pump (250);
}

/* The whole screen, where there is a program for it. */
static void
shoot (const char *what)
{
  g_autofree char *name = g_strdup_printf ("task-%02u-%s.png", task + 1, what);
  g_autofree char *path = g_build_filename (output, name, NULL), *import = g_find_program_in_path ("import");
  const char *argv[] = { import, "-window", "root", "-crop", "1360x900+0+0", path, NULL };

  ui_test_pump (500);
  if (import != NULL)
    run_tool (argv);
}

/* --------- Hands ------------------ */

static GtkWindow *
top_window (void)
{
  GListModel *windows = gtk_window_get_toplevels ();
  GtkWindow *top = GTK_WINDOW (window);
  guint i;

  /* The newest that is shown; a page over the window is newer than it. */
  for (i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWindow) other = g_list_model_get_item (windows, i);

      if (gtk_widget_get_mapped (GTK_WIDGET (other)) && other != GTK_WINDOW (window))
        top = other;
    }

  return top;
}

static void
to_screen (GtkWidget *widget,
           double     x,
           double     y,
           int       *sx,
           int       *sy)
{
  GtkNative *native = gtk_widget_get_native (widget);
  GdkSurface *surface = gtk_native_get_surface (native);
  Display *display = GDK_SURFACE_XDISPLAY (surface);
  double wx, wy, nx, ny;
  Window child;
  int rx, ry;

  g_assert_true (gtk_widget_translate_coordinates (widget, GTK_WIDGET (native), x, y, &wx, &wy));
  gtk_native_get_surface_transform (native, &nx, &ny);
  XTranslateCoordinates (display, GDK_SURFACE_XID (surface), DefaultRootWindow (display), 0, 0, &rx, &ry, &child);
  *sx = rx + (int) round (wx + nx);
  *sy = ry + (int) round (wy + ny);
}

static void
count (const char *what,
       const char *where)
{
  n_steps++;
  g_printerr ("  %u. %s %s\n", n_steps, what, where);
}

static void
click_at (GtkWidget  *widget,
          double      x,
          double      y,
          const char *how,
          const char *what)
{
  int sx, sy;

  to_screen (widget, x, y, &sx, &sy);
  count (how, what);
  xdotool ("mousemove %d %d %s", sx, sy, how);
}

/* No window manager is here to give the new window the keys. */
static void
take_keys (void)
{
  GtkWindow *top = top_window ();

  xdotool ("windowfocus --sync %lu", (gulong) GDK_SURFACE_XID (gtk_native_get_surface (GTK_NATIVE (top))));
}

static void
key (const char *name)
{
  take_keys ();
  count ("key", name);
  xdotool ("key %s", name);
}

static void
type (const char *text)
{
  take_keys ();
  count ("type", text);
  xdotool ("type --delay 15 \"%s\"", text);
}

/* --------- Eyes ------------------ */

static gboolean
says (GtkWidget  *widget,
      const char *text)
{
  g_autofree char *own = NULL;
  const char *label = GTK_IS_LABEL (widget) ? gtk_label_get_text (GTK_LABEL (widget)) : GTK_IS_BUTTON (widget) ? gtk_button_get_label (GTK_BUTTON (widget)) : NULL;
  char *to;

  if (g_strcmp0 (gtk_widget_get_tooltip_text (widget), text) == 0)
    return TRUE;
  if (label == NULL)
    return FALSE;
  own = g_strdup (label);
  for (to = own; *label != '\0'; label++)
    if (*label != '_')
      *to++ = *label;
  *to = '\0';
  return strcmp (own, text) == 0;
}

static GtkWidget *
find_below (GtkWidget  *root,
            const char *text)
{
  GtkWidget *child, *found;

  if (!gtk_widget_get_mapped (root))
    return NULL;
  if (says (root, text))
    return root;
  for (child = gtk_widget_get_first_child (root); child != NULL; child = gtk_widget_get_next_sibling (child))
    if ((found = find_below (child, text)) != NULL)
      return found;

  return NULL;
}

static GtkWidget *
look_for (const char *text)
{
  gint64 end = g_get_monotonic_time () + 30 * G_TIME_SPAN_SECOND;
  GtkWidget *found;

  while ((found = find_below (GTK_WIDGET (top_window ()), text)) == NULL)
    {
      if (g_get_monotonic_time () > end)
        {
          shoot ("lost");
          g_error ("“%s” is nowhere to be seen", text);
        }
      ui_test_turn ();
    }
  ui_test_pump (350); /* what slides in has arrived */

  return found;
}

static void
click (const char *text)
{
  GtkWidget *widget = look_for (text);

  click_at (widget, gtk_widget_get_width (widget) / 2.0, gtk_widget_get_height (widget) / 2.0, "click 1", text);
}

static void
click_object (guint       id,
              const char *how)
{
  DescryCanvas *canvas = descry_window_get_canvas (window);
  DescryObject *object = descry_scene_find (descry_canvas_get_scene (canvas), id);
  double x, y;

  /* Towards a corner, where smaller ones seldom lie on top. */
  descry_canvas_from_picture (canvas, object->box.x0 * 0.8 + object->box.x1 * 0.2, object->box.y0 * 0.8 + object->box.y1 * 0.2, &x, &y);
  click_at (GTK_WIDGET (canvas), x, y, how, object->name);
}

#define WAIT_LONG(condition)                                                \
  G_STMT_START                                                              \
  {                                                                         \
    gint64 tasks_end = g_get_monotonic_time () + PATIENCE;                  \
    while (condition)                                                       \
      {                                                                     \
        if (g_get_monotonic_time () > tasks_end)                            \
          g_error ("%s:%d: still true: %s", __FILE__, __LINE__, #condition); \
        ui_test_turn ();                                                    \
      }                                                                     \
  }                                                                         \
  G_STMT_END

static gboolean
has_answered (void)
{
  return descry_window_is_idle (window) && !descry_chat_is_running (descry_window_get_chat (window));
}

/* Of those that are shown: the smallest, and how many there are. */
static DescryObject *
find_smallest (guint *n)
{
  DescryCanvas *canvas = descry_window_get_canvas (window);
  DescryScene *scene = descry_canvas_get_scene (canvas);
  DescryObject *smallest = NULL;
  guint i;

  *n = 0;
  for (i = 0; i < scene->objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (!descry_view_shows (descry_canvas_get_view (canvas), object))
        continue;
      ++*n;
      if (smallest == NULL || descry_box_area (object->box) < descry_box_area (smallest->box))
        smallest = object;
    }
  g_assert_nonnull (smallest);

  return smallest;
}

static guint
selected (guint n)
{
  GArray *ids = descry_canvas_get_selection (descry_window_get_canvas (window));

  return n < ids->len ? g_array_index (ids, guint, n) : 0;
}

static void
begin (Task new_task)
{
  task = new_task;
  n_steps = 0;
  g_printerr ("%u. %s\n", task + 1, tasks[task].what);
}

static void
end (void)
{
  g_autofree char *path = g_build_filename (output, "tasks.txt", NULL), *before = NULL, *text = NULL;

  shoot ("done");
  g_file_get_contents (path, &before, NULL, NULL);
  text = g_strdup_printf ("%s%u\t%s\t%u of %u\n", before != NULL ? before : "", task + 1, tasks[task].what, n_steps, tasks[task].most);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpuint (n_steps, <=, tasks[task].most);
}

/* --------- The first day ------------------ */

static void
drop (const char *photo)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) files = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, g_getenv ("DESCRY_TEST_DRAG"), photo, NULL);
  guint i;

  g_assert_no_error (error);
  begin (DROP);
  shoot ("start");
  ui_test_pump (1500);
  xdotool ("search --sync --name ^Files$ windowmove --sync 20 820");
  count ("drag", photo);
  xdotool ("mousemove 80 850 mousedown 1");
  for (i = 0; i <= 8; i++)
    xdotool ("mousemove %u %u", 100 + 50 * i, 840 - 50 * i);
  shoot ("over");
  xdotool ("mouseup 1");
  g_subprocess_force_exit (files);
  WAIT_LONG (!descry_window_has_picture (window));
  WAIT_LONG (!descry_window_is_idle (window) || descry_canvas_get_scene (descry_window_get_canvas (window)) == NULL);
  g_assert_cmpuint (descry_canvas_get_scene (descry_window_get_canvas (window))->objects->len, >, 1);
  end ();
}

static void
find_the_smallest (void)
{
  GtkWidget *row;
  guint n;

  begin (SMALLEST);
  click ("Objects");
  shoot ("list");
  click ("Sort the objects");
  shoot ("menu");
  click ("Smallest First");
  row = ui_test_find (GTK_WIDGET (window), GTK_TYPE_LIST_VIEW, NULL);
  g_assert_nonnull (row);
  row = gtk_widget_get_first_child (row);
  g_assert_nonnull (find_below (row, find_smallest (&n)->name));
  click_at (row, 60, gtk_widget_get_height (row) / 2.0, "click 1", "the first row");
  g_assert_cmpuint (selected (0), ==, find_smallest (&n)->id);
  end ();
}

static void
ask_where (void)
{
  begin (WHERE);
  click ("Ask about this");
  shoot ("asked");
  click ("Where is it?");
  WAIT_LONG (!has_answered ());
  g_assert_nonnull (ui_test_find_text (GTK_WIDGET (descry_window_get_chat (window)), "Where is it?"));
  end ();
}

static void
correct_a_name (void)
{
  guint n, id = find_smallest (&n)->id;

  begin (NAME);
  click_object (id, "click 3");
  shoot ("menu");
  click ("Rename…");
  shoot ("dialog");
  type ("clementine");
  key ("Return");
  g_assert_cmpstr (descry_scene_find (descry_canvas_get_scene (descry_window_get_canvas (window)), id)->name, ==, "clementine");
  end ();
}

static void
compare_two (void)
{
  DescryCanvas *canvas = descry_window_get_canvas (window);
  DescryScene *scene = descry_canvas_get_scene (canvas);
  guint n, first = find_smallest (&n)->id, second = 0, i;

  for (i = 0; i < scene->objects->len && second == 0; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->id != first && descry_view_shows (descry_canvas_get_view (canvas), object))
        second = object->id;
    }

  begin (COMPARE);
  click_object (first, "click 1");
  click_object (second, "keydown ctrl click 1 keyup ctrl");
  click ("Inspect");
  look_for ("Ask About These");
  g_assert_cmpuint (selected (0), !=, 0);
  g_assert_cmpuint (selected (1), !=, 0);
  end ();
}

static void
export_coco (const char *path)
{
  json_t *root, *annotations;
  guint n;

  begin (EXPORT);
  click ("Main menu");
  shoot ("menu");
  click ("Export");
  shoot ("kinds");
  click ("COCO…");
  shoot ("dialog");
  click ("Save");
  WAIT_LONG (!g_file_test (path, G_FILE_TEST_EXISTS));
  root = json_load_file (path, 0, NULL);
  annotations = json_object_get (root, "annotations");
  find_smallest (&n);
  g_assert_cmpuint (json_array_size (annotations), ==, n);
  json_decref (root);
  end ();
}

/* --------- The next day ------------------ */

static void
resume (void)
{
  begin (RESUME);
  count ("start", "the program");
  WAIT_LONG (!descry_window_has_picture (window) || !descry_window_is_idle (window) || descry_canvas_get_scene (descry_window_get_canvas (window)) == NULL);
  shoot ("start");
  /* The window is where it was left, with the card of two objects. */
  click ("Chat");
  g_assert_nonnull (ui_test_find_text (GTK_WIDGET (descry_window_get_chat (window)), "Where is it?"));
  end ();
}

static void
switch_device (GSettings *settings)
{
  g_autofree char *chosen = NULL, *language = NULL;
  GtkWidget *use;

  begin (DEVICE);
  click ("Main menu");
  click ("Devices");
  look_for ("Placement");
  shoot ("page");
  /* Where there is but one device, the language model can still be sent there by name. */
  use = find_below (GTK_WIDGET (top_window ()), "Use This Device");
  if (use != NULL)
    click ("Use This Device");
  else
    {
      click ("The same device");
      shoot ("choice");
      take_keys ();
      key ("Down+Return");
    }
  ui_test_pump (500);
  chosen = g_settings_get_string (settings, "device");
  language = g_settings_get_string (settings, "language-device");
  g_assert_true (*chosen != '\0' || *language != '\0');
  end ();
  g_settings_set_string (settings, "device", "");
  gtk_window_close (top_window ());
  ui_test_pump (500);
}

static void
free_disk (const char *file)
{
  g_autofree char *remove = g_strdup ("Remove CenterNet MobileNetV3, COCO");

  begin (DISK);
  click ("Main menu");
  click ("Models");
  look_for (remove);
  shoot ("page");
  click (remove);
  end ();
  /* With its page the offer to take it back goes. */
  gtk_window_close (top_window ());
  WAIT_LONG (g_file_test (file, G_FILE_TEST_EXISTS));
}

static void
by_keys (const char *photo)
{
  DescryCanvas *canvas = descry_window_get_canvas (window);
  g_autofree char *before = NULL;
  guint id, i;

  begin (KEYS);
  key ("ctrl+o");
  shoot ("open");
  type (photo);
  key ("Return");
  WAIT_LONG (g_strcmp0 (descry_window_get_path (window), photo) != 0);
  WAIT_LONG (!descry_window_is_idle (window) || descry_canvas_get_scene (canvas) == NULL);

  for (i = 0; i < 3 && !gtk_widget_has_focus (GTK_WIDGET (canvas)); i++)
    key ("F6");
  g_assert_true (gtk_widget_has_focus (GTK_WIDGET (canvas)));
  key ("Right");
  id = selected (0);
  g_assert_cmpuint (id, !=, 0);
  shoot ("chosen");
  before = g_strdup (descry_scene_find (descry_canvas_get_scene (canvas), id)->name);
  key ("F2");
  type ("mine");
  key ("Return");
  g_assert_cmpstr (descry_scene_find (descry_canvas_get_scene (canvas), id)->name, ==, "mine");
  key ("ctrl+z");
  g_assert_cmpstr (descry_scene_find (descry_canvas_get_scene (canvas), id)->name, ==, before);
  key ("a");
  type ("Where is it?");
  key ("Return");
  WAIT_LONG (!has_answered ());
  end ();
}

/* --------- Days ------------------ */

static int
live (int         day,
      const char *home)
{
  g_autofree char *first = g_build_filename (home, "pictures", "first.jpg", NULL), *second = g_build_filename (home, "pictures", "second.jpg", NULL);
  g_autofree char *export = g_build_filename (home, "pictures", "first-coco.json", NULL);
  g_autofree char *file = g_build_filename (home, "descry", "bundles", "compact", "centernet.gguf", NULL);
  g_autoptr (GSettings) settings = NULL;
  g_autoptr (GError) error = NULL;

  if (!gtk_init_check ())
    return 1;
  output = g_strdup (g_getenv ("DESCRY_TEST_OUTPUT"));
  g_set_prgname ("descry");
  application = descry_application_new ();
  g_application_set_flags (G_APPLICATION (application), G_APPLICATION_NON_UNIQUE | G_APPLICATION_HANDLES_OPEN);
  g_assert_true (g_application_register (G_APPLICATION (application), NULL, &error));
  settings = g_settings_new (DESCRY_APPLICATION_ID);
  g_application_activate (G_APPLICATION (application));
  window = DESCRY_WINDOW (gtk_application_get_active_window (GTK_APPLICATION (application)));
  if (window == NULL)
    window = DESCRY_WINDOW (gtk_application_get_windows (GTK_APPLICATION (application))->data);
  WAIT_LONG (!gtk_widget_get_mapped (GTK_WIDGET (window)));
  ui_test_pump (500);

  if (day == 1)
    {
      drop (first);
      find_the_smallest ();
      ask_where ();
      correct_a_name ();
      compare_two ();
      export_coco (export);
    }
  else
    {
      resume ();
      switch_device (settings);
      free_disk (file);
      by_keys (second);
    }

  g_action_group_activate_action (G_ACTION_GROUP (application), "quit", NULL);
  ui_test_pump (500);
  g_object_unref (application);
  return 0;
}

static void
run_day (gconstpointer data)
{
  static char *home;
  g_autofree char *bundle = find_bundle (), *photo = NULL, *other = NULL, *tool = g_find_program_in_path ("xdotool");
  g_autofree char *program = NULL, *day = g_strdup_printf ("--day=%d", GPOINTER_TO_INT (data)), *table = NULL, *text = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  if (bundle == NULL || (photo = find_photo ("fruits.jpg")) == NULL || (other = find_photo ("messi5.jpg")) == NULL)
    return;
  if (tool == NULL)
    {
      g_test_skip ("xdotool is not installed");
      return;
    }

  table = g_build_filename (g_getenv ("DESCRY_TEST_OUTPUT"), "tasks.txt", NULL);
  if (home == NULL)
    {
      g_autofree char *words = NULL;
      int status;

      home = g_dir_make_tmp ("descry-tasks-XXXXXX", NULL);
      /* A bundle of its own: one of the tasks deletes from it. */
      words = g_strdup_printf ("sh -c 'mkdir -p %s/descry/bundles %s/pictures && cp -rL %s %s/descry/bundles/compact && cp %s %s/pictures/first.jpg && cp %s %s/pictures/second.jpg'",
                               home, home, bundle, home, photo, home, other, home);
      g_assert_true (g_spawn_command_line_sync (words, NULL, NULL, &status, &error));
      g_assert_no_error (error);
      g_assert_cmpint (status, ==, 0);
      g_remove (table);
    }

  program = g_file_read_link ("/proc/self/exe", NULL);
  g_subprocess_launcher_setenv (launcher, "XDG_DATA_HOME", home, TRUE);
  g_subprocess_launcher_setenv (launcher, "XDG_CONFIG_HOME", home, TRUE);
  g_subprocess_launcher_setenv (launcher, "DESCRY_TASKS_HOME", home, TRUE);
  process = g_subprocess_launcher_spawn (launcher, &error, program, day, NULL);
  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
  if (g_file_get_contents (table, &text, NULL, NULL))
    g_test_message ("steps:\n%s", text);
  if (GPOINTER_TO_INT (data) == 2)
    {
      const char *argv[] = { "rm", "-rf", home, NULL };

      g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
      g_clear_pointer (&home, g_free);
    }
}

int
main (int    argc,
      char **argv)
{
  if (argc == 2 && g_str_has_prefix (argv[1], "--day="))
    return live (atoi (argv[1] + strlen ("--day=")), g_getenv ("DESCRY_TASKS_HOME"));

  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/tasks/first-day", GINT_TO_POINTER (1), run_day);
  g_test_add_data_func ("/tasks/next-day", GINT_TO_POINTER (2), run_day);

  return g_test_run ();
}
