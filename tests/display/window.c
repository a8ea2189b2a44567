/* window.c - the window's states, its names for screen readers, its end
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gstdio.h>

#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"
#include "ui/window.h"

static AdwApplication *application;
static char *folder;

static char *
write_file (const char *name,
            const void *data,
            gsize       length)
{
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, data, length, NULL));
  return path;
}

static void
open_path (DescryWindow *window,
           const char   *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);

  descry_window_open (window, file);
}

static DescryWindow *
make_window (DescryEngine *engine)
{
  DescryWindow *window = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), engine, NULL));

  gtk_window_present (GTK_WINDOW (window));
  ui_test_pump (60);
  return window;
}

static void
test_empty (void)
{
  DescryWindow *window = make_window (NULL);

  g_assert_cmpstr (descry_window_get_page (window), ==, "empty");
  g_assert_false (descry_window_has_picture (window));
  g_assert_true (descry_window_is_idle (window));
  ui_test_look (GTK_WIDGET (window), "window-empty.png");
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
test_unreadable (void)
{
  DescryWindow *window = make_window (NULL);
  g_autofree char *text = write_file ("text.jpg", "this is no picture", 18);
  g_autofree char *good = g_build_filename (folder, "good.png", NULL);

  open_path (window, text);
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_cmpstr (descry_window_get_page (window), ==, "error");
  ui_test_look (GTK_WIDGET (window), "window-error.png");

  open_path (window, "/nowhere/at/all.jpg");
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_cmpstr (descry_window_get_page (window), ==, "error");

  /* A good picture leaves the error page; a bad one after it does not take the good one away. */
  open_path (window, good);
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_cmpstr (descry_window_get_page (window), ==, "picture");
  open_path (window, text);
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_cmpstr (descry_window_get_page (window), ==, "picture");
  g_assert_nonnull (strstr (descry_window_get_message (window), "text.jpg"));
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
test_no_device (RecordedEngine *engine)
{
  DescryEngineStatus *status = descry_engine_status (DESCRY_ENGINE (engine));
  DescryWindow *window;
  g_autofree char *good = g_build_filename (folder, "good.png", NULL);

  g_free (status->device);
  status->device = NULL;
  status->ready = FALSE;
  status->device_error = g_strdup ("2 devices found, both refused");
  descry_engine_set_status (DESCRY_ENGINE (engine), status);
  window = make_window (DESCRY_ENGINE (engine));
  g_assert_nonnull (strstr (descry_window_get_message (window), "both refused"));
  open_path (window, good);
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_cmpstr (descry_window_get_page (window), ==, "picture");
  ui_test_look (GTK_WIDGET (window), "window-no-device.png");
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
test_missing_model (RecordedEngine *engine)
{
  DescryEngineStatus *status = descry_engine_status (DESCRY_ENGINE (engine));
  DescryWindow *window;

  status->slots[DESCRY_SLOT_LLM].usable = FALSE;
  status->slots[DESCRY_SLOT_LLM].reason = g_strdup ("smollm2.gguf is not there");
  descry_engine_set_status (DESCRY_ENGINE (engine), status);
  window = make_window (DESCRY_ENGINE (engine));
  g_assert_nonnull (strstr (descry_window_get_message (window), "smollm2.gguf"));
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
test_named (RecordedEngine *engine)
{
  DescryWindow *window = make_window (DESCRY_ENGINE (engine));
  g_autofree char *good = g_build_filename (folder, "good.png", NULL);
  guint n = 0;

  open_path (window, good);
  WAIT_WHILE (!descry_window_is_idle (window));
  descry_chat_add_chip (descry_window_get_chat (window), 1);
  gtk_widget_activate_action (GTK_WIDGET (window), "win.panel", "s", "objects");
  ui_test_pump (200);
  ui_test_walk (GTK_WIDGET (window), ui_test_check_named, &n);
  g_test_message ("%u icon buttons, all named", n);
  g_assert_cmpuint (n, >, 12);
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
test_analysis_fails (RecordedEngine *engine)
{
  DescryWindow *window = make_window (DESCRY_ENGINE (engine));
  g_autofree char *good = g_build_filename (folder, "good.png", NULL);

  recorded_engine_fail_next (engine, g_error_new (DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "needs 8.1 GB, device reports 8.0"));
  open_path (window, good);
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_cmpstr (descry_window_get_message (window), ==, "needs 8.1 GB, device reports 8.0");
  g_assert_cmpstr (descry_window_get_page (window), ==, "picture");
  gtk_window_destroy (GTK_WINDOW (window));
}

/* A new picture while the old one is looked at: the old job's end changes nothing. */
static void
test_replaced (RecordedEngine *engine)
{
  DescryWindow *window = make_window (DESCRY_ENGINE (engine));
  g_autofree char *good = g_build_filename (folder, "good.png", NULL);
  g_autofree char *small = g_build_filename (folder, "small.png", NULL);

  recorded_engine_set_pace (engine, 30);
  open_path (window, good);
  WAIT_WHILE (recorded_engine_count (engine, DESCRY_JOB_ANALYZE) == 0);
  ui_test_pump (50);
  open_path (window, small);
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_cmpuint (descry_canvas_get_image (descry_window_get_canvas (window))->width, ==, 40);
  g_assert_cmpuint (recorded_engine_count (engine, DESCRY_JOB_ANALYZE), ==, 2);
  gtk_window_destroy (GTK_WINDOW (window));
}

/* Says a stage as the engine would, @job's. */
static gboolean
shows_stage (DescryWindow   *window,
             RecordedEngine *engine,
             GCancellable   *job,
             const char     *detail)
{
  descry_engine_emit_stage (DESCRY_ENGINE (engine), job, "tagger", 0.5, detail);
  ui_test_pump (60);
  return ui_test_find_text (GTK_WIDGET (window), detail) != NULL;
}

/* A stage of the picture before, which is still on its way when the next one is looked at, is not shown there; nor is another
 * window's, nor one of an answer as if the picture were looked at. */
static void
test_late_stage (RecordedEngine *engine)
{
  DescryWindow *window = make_window (DESCRY_ENGINE (engine));
  DescryWindow *other = make_window (DESCRY_ENGINE (engine));
  g_autofree char *good = g_build_filename (folder, "good.png", NULL);
  g_autoptr (GCancellable) first = NULL, second = NULL, elsewhere = NULL;

  recorded_engine_set_pace (engine, 1000);
  open_path (window, good);
  WAIT_WHILE (ui_test_find_text (GTK_WIDGET (window), "Finding objects") == NULL); /* the engine's own first word */
  first = recorded_engine_caller (engine);
  g_assert_true (shows_stage (window, engine, first, "first picture"));
  g_assert_false (shows_stage (other, engine, first, "first picture, elsewhere"));

  open_path (window, good);
  WAIT_WHILE (recorded_engine_count (engine, DESCRY_JOB_ANALYZE) < 2 || ui_test_find_text (GTK_WIDGET (window), "Finding objects") == NULL);
  second = recorded_engine_caller (engine);
  g_assert_true (first != second);
  g_assert_true (shows_stage (window, engine, second, "second picture"));
  g_assert_false (shows_stage (window, engine, first, "late word"));
  g_assert_true (shows_stage (window, engine, NULL, "everybody"));
  recorded_engine_set_pace (engine, 1);
  WAIT_WHILE (!descry_window_is_idle (window));
  g_assert_false (shows_stage (window, engine, second, "after the end"));

  /* The question is the job of its own window. */
  recorded_engine_set_pace (engine, 1000);
  g_signal_emit_by_name (descry_window_get_chat (window), "ask", "What is there?");
  WAIT_WHILE (ui_test_find_text (GTK_WIDGET (window), "Reading the question: ") == NULL);
  elsewhere = recorded_engine_caller (engine);
  g_assert_true (shows_stage (window, engine, elsewhere, "answering"));
  g_assert_false (shows_stage (other, engine, elsewhere, "answering elsewhere"));
  g_assert_false (shows_stage (window, engine, second, "of the picture"));
  recorded_engine_set_pace (engine, 1);
  WAIT_WHILE (!descry_window_is_idle (window));
  gtk_window_destroy (GTK_WINDOW (other));
  gtk_window_destroy (GTK_WINDOW (window));
}

/* Opened, used and closed in the middle of work, ten times: nothing of it stays. */
static void
test_finalized (RecordedEngine *engine)
{
  g_autofree char *good = g_build_filename (folder, "good.png", NULL);
  guint round;

  for (round = 0; round < 10; round++)
    {
      DescryWindow *window = make_window (DESCRY_ENGINE (engine));
      GtkWidget *button = ui_test_find (GTK_WIDGET (window), GTK_TYPE_MENU_BUTTON, "What is shown on the picture");
      gpointer alive[] = { window, gtk_menu_button_get_popover (GTK_MENU_BUTTON (button)), descry_window_get_chat (window),
                           descry_window_get_canvas (window) };
      guint i;

      for (i = 0; i < G_N_ELEMENTS (alive); i++)
        g_object_add_weak_pointer (alive[i], &alive[i]);
      open_path (window, good);
      /* Each round is cut off a little later: while decoding, while looking, when done. */
      ui_test_pump (round * 25);
      gtk_window_destroy (GTK_WINDOW (window));
      for (i = 0; i < G_N_ELEMENTS (alive); i++)
        WAIT_WHILE (alive[i] != NULL);
    }
}

typedef void (*EngineTest) (RecordedEngine *engine);

static void
run_with_engine (gconstpointer data)
{
  RecordedEngine *engine = recorded_window_engine (RECORDED_LARGE, "A cup.");
  gpointer alive = engine;

  g_object_add_weak_pointer (G_OBJECT (engine), &alive);
  ((EngineTest) data) (engine);
  g_object_unref (engine);
  WAIT_WHILE (alive != NULL);
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *small = NULL, *good = NULL;
  int status;

  gtk_test_init (&argc, &argv, NULL);
  g_setenv ("GTK_A11Y", "test", TRUE);
  descry_ui_init ();
  folder = g_dir_make_tmp ("descry-window-XXXXXX", NULL);
  g_assert_nonnull (folder);
  application = ui_test_application ();
  small = recorded_window_save (folder, "small.png", (RecordedPicture) { 40, 30, 5 });
  good = recorded_window_save (folder, "good.png", RECORDED_LARGE);

  g_test_add_func ("/window/empty", test_empty);
  g_test_add_func ("/window/unreadable", test_unreadable);
  g_test_add_data_func ("/window/no device", test_no_device, run_with_engine);
  g_test_add_data_func ("/window/missing model", test_missing_model, run_with_engine);
  g_test_add_data_func ("/window/named", test_named, run_with_engine);
  g_test_add_data_func ("/window/analysis fails", test_analysis_fails, run_with_engine);
  g_test_add_data_func ("/window/replaced", test_replaced, run_with_engine);
  g_test_add_data_func ("/window/late stage", test_late_stage, run_with_engine);
  g_test_add_data_func ("/window/finalized", test_finalized, run_with_engine);

  status = g_test_run ();
  g_object_unref (application);
  return status;
}
