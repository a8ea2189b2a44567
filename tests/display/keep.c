/* keep.c - what a window shows and says is kept, given back, and forgotten; over a kill, too
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <glib/gstdio.h>

#include "app/library-window.h"
#include "tests/display/recorded-engine.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"

#define KILLS 12
#define KILLS_SLOW 200
#define QUESTION "What is on the table?"
#define ANSWER "There is a cup here.\nBeside it there is a lamp.\nAnd that is all that I can see of it.\n"

static AdwApplication *application;
static char *folder, *picture, *database;
static const char *program;

/* A window with a new recorded engine and the library's file, as the program makes them. */
typedef struct
{
  RecordedEngine *engine;
  DescryLibrary  *library;
  DescryWindow   *window;
} World;

static void
world_open (World *world,
            guint  pace)
{
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = recorded_picture_new (320, 240, 6, &scene);
  g_autoptr (GFile) file = g_file_new_for_path (picture);

  world->engine = recorded_engine_new (scene, ANSWER);
  recorded_engine_set_pace (world->engine, pace);
  world->library = descry_library_new (database);
  world->window = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), DESCRY_ENGINE (world->engine), NULL));
  descry_library_attach (world->library, world->window, DESCRY_ENGINE (world->engine));
  gtk_window_present (GTK_WINDOW (world->window));
  ui_test_pump (30);
  descry_window_open (world->window, file);
  WAIT_WHILE (!descry_window_is_idle (world->window));
  g_assert_cmpstr (descry_window_get_page (world->window), ==, "picture");
}

static void
world_close (World *world)
{
  gtk_window_destroy (GTK_WINDOW (world->window));
  ui_test_pump (30);
  g_object_run_dispose (G_OBJECT (world->engine));
  g_clear_object (&world->engine);
  g_clear_object (&world->library);
}

static void
ask (World *world)
{
  descry_chat_add_chip (descry_window_get_chat (world->window), 2);
  g_signal_emit_by_name (descry_window_get_chat (world->window), "ask", QUESTION);
}

static GPtrArray *
history (World *world)
{
  return descry_chat_get_history (descry_window_get_chat (world->window));
}

static void
new_file (void)
{
  g_autofree char *log = g_strconcat (database, "-wal", NULL), *shared = g_strconcat (database, "-shm", NULL);

  g_unlink (database);
  g_unlink (log);
  g_unlink (shared);
}

/* Closed and opened again: objects, edits and talk are there, and nothing is analyzed again. */
static void
test_given_back (void)
{
  World world;
  const guint second = 2;
  g_autoptr (GPtrArray) turns = NULL;
  g_autoptr (GdkTexture) texture = NULL;
  const DescryTurn *turn;

  new_file ();
  world_open (&world, 1);
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE), ==, 1);
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  descry_canvas_select (descry_window_get_canvas (world.window), &second, 1);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.hide", NULL);
  ui_test_pump (30);
  world_close (&world);

  world_open (&world, 1);
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE), ==, 0);
  g_assert_cmpuint (descry_window_get_found (world.window)->objects->len, ==, 6);
  g_assert_true (g_hash_table_contains (descry_canvas_get_view (descry_window_get_canvas (world.window))->hidden, GUINT_TO_POINTER (2)));
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 1);
  turn = g_ptr_array_index (turns, 0);
  g_assert_cmpstr (turn->question, ==, QUESTION);
  g_assert_cmpstr (turn->answer, ==, ANSWER);
  g_assert_false (turn->stopped);
  g_assert_cmpuint (turn->chips->len, ==, 1);
  ui_test_pump (200);
  texture = ui_test_shoot (GTK_WIDGET (world.window));
  ui_test_save (texture, "window-given-back.png");

  /* Look again is asked for in words: then there is an analysis. */
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.analyze", NULL);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE), ==, 1);

  /* A new conversation begins empty, also after the next opening. */
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.new-conversation", NULL);
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  world_close (&world);
  world_open (&world, 1);
  g_clear_pointer (&turns, g_ptr_array_unref);
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 1);
  world_close (&world);
}

static void
answer_dialog (World      *world,
               const char *action,
               const char *response)
{
  GListModel *windows = gtk_window_get_toplevels ();
  guint i;

  gtk_widget_activate_action (GTK_WIDGET (world->window), action, NULL);
  ui_test_pump (30);
  for (i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWindow) window = g_list_model_get_item (windows, i);

      if (ADW_IS_MESSAGE_DIALOG (window))
        {
          adw_message_dialog_response (ADW_MESSAGE_DIALOG (window), response);
          gtk_window_destroy (window);
          ui_test_pump (300);
          return;
        }
    }
  g_error ("%s opened no dialog", action);
}

/* Nothing of it is in the file any more, and the window keeps nothing until it is opened again. */
static void
test_forget (void)
{
  World world;
  g_autoptr (GPtrArray) turns = NULL;
  g_autofree char *bytes = NULL, *log = g_strconcat (database, "-wal", NULL);
  gsize size = 0;

  new_file ();
  world_open (&world, 1);
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  answer_dialog (&world, "win.forget-picture", "cancel");
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 1);
  answer_dialog (&world, "win.forget-picture", "forget");
  g_clear_pointer (&turns, g_ptr_array_unref);
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 0);
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  world_close (&world);

  g_assert_true (g_file_get_contents (database, &bytes, &size, NULL));
  g_assert_null (memmem (bytes, size, "on the table", 12));
  g_assert_false (g_file_test (log, G_FILE_TEST_EXISTS));

  world_open (&world, 1);
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE), ==, 1);
  answer_dialog (&world, "win.forget-everything", "forget");
  world_close (&world);
  world_open (&world, 1);
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE), ==, 1);
  world_close (&world);
}

/* A library that cannot be written: said once, and everything else works. */
static void
test_unwritable (void)
{
  g_autofree char *good = g_steal_pointer (&database);
  g_autoptr (GPtrArray) turns = NULL;
  World world;

  database = g_build_filename (picture, "no-folder", "library.sqlite", NULL); /* below a file */
  world_open (&world, 1);
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 1);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (world.window), GTK_TYPE_LABEL, NULL));
  world_close (&world);
  g_free (database);
  database = g_steal_pointer (&good);
}

/* --------- Killed ------------------ */

/* Asks and edits until it is killed. */
G_NORETURN static void
work_until_killed (void)
{
  guint i;
  World world;

  world_open (&world, 6);
  for (i = 0;; i++)
    {
      const guint id = 1 + i % 6;

      ask (&world);
      while (!descry_window_is_idle (world.window))
        {
          g_main_context_iteration (NULL, TRUE);
          if (i % 2 == 0)
            {
              descry_canvas_select (descry_window_get_canvas (world.window), &id, 1);
              gtk_widget_activate_action (GTK_WIDGET (world.window), i % 4 == 0 ? "win.hide" : "win.undo", NULL);
            }
        }
    }
}

/* After each kill the window opens with every turn that had begun; each has its paragraphs up to some point, and those
 * before the last one have been finished. */
static void
test_kill (void)
{
  guint kills = g_test_slow () ? KILLS_SLOW : KILLS, i, k, before = 0, unfinished = 0;
  gint32 longest = g_getenv ("DESCRY_TEST_SLOW") != NULL ? 20000 : 2500;

  new_file ();
  for (i = 0; i < kills; i++)
    {
      const char *arguments[] = { program, "--work", folder, NULL };
      g_autoptr (GError) error = NULL;
      g_autoptr (GSubprocess) process = g_subprocess_newv (arguments, G_SUBPROCESS_FLAGS_NONE, &error);
      g_autoptr (GPtrArray) turns = NULL;
      World world;

      g_assert_no_error (error);
      g_usleep ((gulong) g_test_rand_int_range (200, longest) * 1000);
      g_subprocess_force_exit (process);
      g_subprocess_wait (process, NULL, NULL);
      g_assert_true (g_subprocess_get_if_signaled (process));

      world_open (&world, 1);
      turns = history (&world);
      g_assert_cmpuint (turns->len, >=, before);
      for (k = 0; k < turns->len; k++)
        {
          const DescryTurn *turn = g_ptr_array_index (turns, k);

          g_assert_cmpstr (turn->question, ==, QUESTION);
          g_assert_true (g_str_has_prefix (ANSWER, turn->answer));
          /* Whole paragraphs. */
          g_assert_true (*turn->answer == '\0' || g_str_has_suffix (turn->answer, "\n"));
          /* Killed between its last paragraph and its end, an answer is whole and yet marked. */
          g_assert_true (turn->stopped || strcmp (turn->answer, ANSWER) == 0);
          if (k + 1 == turns->len && turns->len > before)
            unfinished += turn->stopped;
        }
      before = turns->len;
      world_close (&world);
    }
  g_test_message ("%u kills, %u turns, %u kills inside an answer", kills, before, unfinished);
  g_assert_cmpuint (before, >, 0);
}

int
main (int    argc,
      char **argv)
{
  gboolean worker = argc == 3 && g_str_equal (argv[1], "--work");
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  program = argv[0];
  if (worker)
    gtk_init ();
  else
    gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();
  application = g_object_new (ADW_TYPE_APPLICATION, "application-id", "io.github.descry.Test", "flags", G_APPLICATION_NON_UNIQUE, NULL);
  g_assert_true (g_application_register (G_APPLICATION (application), NULL, NULL));

  folder = worker ? g_strdup (argv[2]) : g_dir_make_tmp ("descry-keep-XXXXXX", NULL);
  picture = g_build_filename (folder, "table.png", NULL);
  database = g_build_filename (folder, "library.sqlite", NULL);
  if (worker)
    work_until_killed ();

  image = recorded_picture_new (320, 240, 6, &scene);
  descry_image_save_png (image, picture, &error);
  g_assert_no_error (error);
  g_test_add_func ("/keep/given-back", test_given_back);
  g_test_add_func ("/keep/forget", test_forget);
  g_test_add_func ("/keep/unwritable", test_unwritable);
  g_test_add_func ("/keep/kill", test_kill);
  status = g_test_run ();

  new_file ();
  g_unlink (picture);
  g_rmdir (folder);
  g_object_unref (application);
  return status;
}
