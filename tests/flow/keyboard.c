/* keyboard.c - the window without a pointer: everything is reached by Tab, nothing traps it, keys do what they say
 *
 * The keys are the X server's own, through xdotool; without it the test is skipped.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"
#include "ui/turn-view.h"
#include "ui/window.h"

#define ANSWER "There is a cup on the left. It stands beside a bowl."

static AdwApplication *application;

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

/* @what: "key NAME…" or "type TEXT". */
static void
press (const char *what)
{
  g_autofree char *line = g_strdup_printf ("xdotool %s", what);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocess) process = NULL;
  gboolean done = FALSE;

  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  process = g_subprocess_newv ((const char *const *) argv, G_SUBPROCESS_FLAGS_NONE, NULL);
  g_subprocess_wait_check_async (process, NULL, tool_done_cb, &done);
  WAIT_WHILE (!done);
  ui_test_pump (60);
}

typedef struct
{
  DescryWindow   *window;
  RecordedEngine *engine;
} Fixture;

static void
set_up (Fixture      *fixture,
        gconstpointer data)
{
  g_autofree char *folder = g_dir_make_tmp ("descry-keys-XXXXXX", NULL);
  g_autofree char *path = recorded_window_save (folder, "photo.png", RECORDED_LARGE);
  g_autofree char *next = recorded_window_save (folder, "photo-2.png", RECORDED_LARGE);
  g_autoptr (GFile) file = g_file_new_for_path (path);

  fixture->engine = recorded_window_engine (RECORDED_LARGE, ANSWER);
  fixture->window = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), DESCRY_ENGINE (fixture->engine), NULL));
  gtk_window_set_default_size (GTK_WINDOW (fixture->window), 1100, 760);
  gtk_window_present (GTK_WINDOW (fixture->window));
  descry_window_open (fixture->window, file);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  ui_test_pump (300);
}

static void
tear_down (Fixture      *fixture,
           gconstpointer data)
{
  gtk_window_destroy (GTK_WINDOW (fixture->window));
  g_object_unref (fixture->engine);
}

static GtkWidget *
get_focus (Fixture *fixture)
{
  return gtk_window_get_focus (GTK_WINDOW (fixture->window));
}

typedef struct
{
  GHashTable *reached;
  guint       n, missed;
} Round;

static gboolean
is_reached (GtkWidget  *widget,
            GHashTable *reached)
{
  GHashTableIter iter;
  gpointer focus;

  g_hash_table_iter_init (&iter, reached);
  while (g_hash_table_iter_next (&iter, &focus, NULL))
    if (focus == widget || gtk_widget_is_ancestor (focus, widget))
      return TRUE;

  return FALSE;
}

/* Buttons that can be pressed; those of rows are reached by arrows inside of the list. */
static void
count_cb (GtkWidget *widget,
          gpointer   data)
{
  Round *round = data;

  if (!GTK_IS_BUTTON (widget) || !gtk_widget_get_mapped (widget) || !gtk_widget_is_sensitive (widget)
      || gtk_widget_get_ancestor (widget, GTK_TYPE_LIST_VIEW) != NULL || gtk_widget_get_ancestor (widget, GTK_TYPE_WINDOW_CONTROLS) != NULL)
    return;
  round->n++;
  if (!is_reached (widget, round->reached))
    {
      round->missed++;
      g_test_message ("not reached by Tab: %s “%s”", G_OBJECT_TYPE_NAME (widget),
                      gtk_widget_get_tooltip_text (widget) != NULL ? gtk_widget_get_tooltip_text (widget) : gtk_button_get_label (GTK_BUTTON (widget)));
    }
}

/* Round and round with @key until the focus is where it began; what was on the way. */
static GHashTable *
go_round (Fixture    *fixture,
          const char *key)
{
  GHashTable *reached = g_hash_table_new (NULL, NULL);
  GtkWidget *first;
  guint i;

  gtk_widget_grab_focus (GTK_WIDGET (descry_window_get_canvas (fixture->window)));
  first = get_focus (fixture);
  for (i = 0; i < 80; i++)
    {
      GtkWidget *focus = get_focus (fixture);

      g_assert_nonnull (focus);
      g_hash_table_add (reached, focus);
      press (key);
      if (i > 0 && get_focus (fixture) == first)
        break;
    }
  g_test_message ("%s: round in %u steps", key, i + 1);
  g_assert_cmpuint (i, <, 80);

  return reached;
}

static void
test_round (Fixture      *fixture,
            gconstpointer data)
{
  static const char *const panels[] = { "chat", "objects", "inspect" };
  DescryCanvas *canvas = descry_window_get_canvas (fixture->window);
  const guint id = 2;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (panels); i++)
    {
      g_autoptr (GHashTable) forward = NULL, back = NULL;
      Round round = { NULL };

      descry_canvas_select (canvas, &id, 1);
      gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.panel", "s", panels[i]);
      ui_test_pump (200);
      forward = go_round (fixture, "key Tab");
      g_assert_true (g_hash_table_contains (forward, canvas));
      g_assert_cmpuint (g_hash_table_size (forward), >, 5); /* the canvas lets go */
      round.reached = forward;
      ui_test_walk (GTK_WIDGET (fixture->window), count_cb, &round);
      g_test_message ("%s: %u buttons, %u of them not reached", panels[i], round.n, round.missed);
      g_assert_cmpuint (round.n, >, 5);
      g_assert_cmpuint (round.missed, ==, 0);

      back = go_round (fixture, "key shift+Tab");
      g_assert_cmpuint (g_hash_table_size (back), >, 5);
    }
}

/* Objects are walked by arrows, asked about by letters; the answer is stopped and the window left by Escape. */
static void
test_keys (Fixture      *fixture,
           gconstpointer data)
{
  DescryCanvas *canvas = descry_window_get_canvas (fixture->window);
  DescryChat *chat = descry_window_get_chat (fixture->window);
  guint first, n;
  double zoom;

  gtk_widget_grab_focus (GTK_WIDGET (canvas));
  press ("key Right");
  WAIT_WHILE (descry_canvas_get_selection (canvas)->len != 1);
  first = g_array_index (descry_canvas_get_selection (canvas), guint, 0);
  press ("key Right");
  WAIT_WHILE (g_array_index (descry_canvas_get_selection (canvas), guint, 0) == first);
  press ("key a");
  WAIT_WHILE (descry_chat_get_chips (chat)->len != 1);
  g_assert_true (gtk_widget_is_ancestor (get_focus (fixture), GTK_WIDGET (chat)));

  recorded_engine_set_pace (fixture->engine, 150);
  press ("type --delay 20 'What is this?'");
  press ("key Return");
  WAIT_WHILE (!descry_chat_is_running (chat));
  ui_test_pump (400);
  gtk_widget_grab_focus (GTK_WIDGET (canvas));
  press ("key Escape"); /* the selection */
  WAIT_WHILE (descry_canvas_get_selection (canvas)->len != 0);
  g_assert_true (descry_chat_is_running (chat));
  press ("key Escape"); /* the answer */
  WAIT_WHILE (descry_chat_is_running (chat));
  g_assert_nonnull (ui_test_find (GTK_WIDGET (chat), GTK_TYPE_LABEL, "Stopped"));
  recorded_engine_set_pace (fixture->engine, 5);

  /* Letters of the canvas are letters in the question. */
  n = recorded_engine_count (fixture->engine, DESCRY_JOB_ASK);
  descry_chat_focus (chat);
  press ("type --delay 20 'oha'");
  g_assert_cmpuint (descry_canvas_get_view (canvas)->solo, ==, 0);
  press ("key Return");
  WAIT_WHILE (recorded_engine_count (fixture->engine, DESCRY_JOB_ASK) == n);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  {
    g_autofree char *question = recorded_engine_question (fixture->engine);

    g_assert_cmpstr (question, ==, "oha");
  }

  /* Hide and show, zoom, pan; F6 goes from part to part. */
  gtk_widget_grab_focus (GTK_WIDGET (canvas));
  press ("key Right");
  WAIT_WHILE (descry_canvas_get_selection (canvas)->len != 1);
  first = g_array_index (descry_canvas_get_selection (canvas), guint, 0);
  press ("key h");
  WAIT_WHILE (!descry_canvas_is_hidden (canvas, first));
  press ("key shift+h");
  WAIT_WHILE (descry_canvas_is_hidden (canvas, first));
  zoom = descry_canvas_get_zoom (canvas);
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.zoom-in", NULL);
  g_assert_cmpfloat (descry_canvas_get_zoom (canvas), >, zoom);
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.next-part", NULL);
  g_assert_true (get_focus (fixture) != GTK_WIDGET (canvas));
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.next-part", NULL);
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.next-part", NULL);
  g_assert_true (get_focus (fixture) == GTK_WIDGET (canvas));
}

static void
texture_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autoptr (GdkTexture) texture = gdk_clipboard_read_texture_finish (GDK_CLIPBOARD (source), result, NULL);

  *(int *) data = texture != NULL ? gdk_texture_get_width (texture) : 0;
}

/* How wide the picture in the clipboard is; 0: there is none. */
static int
copied_width (Fixture *fixture)
{
  int width = -1;

  gdk_clipboard_read_texture_async (gtk_widget_get_clipboard (GTK_WIDGET (fixture->window)), NULL, texture_cb, &width);
  WAIT_WHILE (width < 0);
  return width;
}

/* On the picture, copying takes the one object that is selected, else all; pages are pictures. */
static void
test_picture_keys (Fixture      *fixture,
                   gconstpointer data)
{
  DescryCanvas *canvas = descry_window_get_canvas (fixture->window);

  gtk_widget_grab_focus (GTK_WIDGET (canvas));
  press ("key ctrl+c");
  WAIT_WHILE (copied_width (fixture) != 640);
  press ("key Right");
  WAIT_WHILE (descry_canvas_get_selection (canvas)->len != 1);
  press ("key ctrl+c");
  WAIT_WHILE (copied_width (fixture) > 200);
  g_assert_cmpint (copied_width (fixture), >, 0);

  WAIT_WHILE (!g_action_group_get_action_enabled (G_ACTION_GROUP (fixture->window), "next-picture"));
  g_assert_true (g_str_has_suffix (descry_window_get_path (fixture->window), "photo.png"));
  press ("key Next");
  WAIT_WHILE (!g_str_has_suffix (descry_window_get_path (fixture->window), "photo-2.png"));
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  gtk_widget_grab_focus (GTK_WIDGET (canvas));
  press ("key Prior");
  WAIT_WHILE (!g_str_has_suffix (descry_window_get_path (fixture->window), "photo.png"));
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *tool = g_find_program_in_path ("xdotool");
  int status;

  if (tool == NULL)
    {
      g_print ("1..0 # SKIP xdotool is not installed\n");
      return 0;
    }

  gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();
  application = ui_test_application ();
  g_test_add ("/keyboard/round", Fixture, NULL, set_up, test_round, tear_down);
  g_test_add ("/keyboard/keys", Fixture, NULL, set_up, test_keys, tear_down);
  g_test_add ("/keyboard/picture", Fixture, NULL, set_up, test_picture_keys, tear_down);
  status = g_test_run ();
  g_object_unref (application);
  return status;
}
