/* keep.c - what a window shows and says is kept, given back, and forgotten; over a kill, too
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/display/keep.h"

#include <string.h>

#include <glib/gstdio.h>
#include <sqlite3.h>

#include "app/library-window.h"
#include "app/session.h"
#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"

static AdwApplication *application;
static char *folder, *picture, *database;

void
world_start (World *world,
             guint  pace)
{
  world->engine = recorded_window_engine (RECORDED_SMALL, ANSWER);
  recorded_engine_set_pace (world->engine, pace);
  world->library = descry_library_new (database);
  world->window = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), DESCRY_ENGINE (world->engine), NULL));
  descry_library_attach (world->library, world->window, DESCRY_ENGINE (world->engine));
  gtk_window_present (GTK_WINDOW (world->window));
  ui_test_pump (30);
}

void
world_open (World *world,
            guint  pace)
{
  g_autoptr (GFile) file = g_file_new_for_path (picture);

  world_start (world, pace);
  descry_window_open (world->window, file);
  WAIT_WHILE (!descry_window_is_idle (world->window));
  g_assert_cmpstr (descry_window_get_page (world->window), ==, "picture");
}

void
world_close (World *world)
{
  if (g_list_find (gtk_application_get_windows (GTK_APPLICATION (application)), world->window) != NULL)
    gtk_window_destroy (GTK_WINDOW (world->window));
  ui_test_pump (30);
  g_object_run_dispose (G_OBJECT (world->engine));
  g_clear_object (&world->engine);
  /* Something may still hold the window, and it the library: the next one must find all that was written. */
  descry_library_close (world->library);
  g_clear_object (&world->library);
}

void
ask (World *world)
{
  descry_chat_add_chip (descry_window_get_chat (world->window), 2);
  g_signal_emit_by_name (descry_window_get_chat (world->window), "ask", QUESTION);
}

GPtrArray *
history (World *world)
{
  return descry_chat_get_history (descry_window_get_chat (world->window));
}

void
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
  ui_test_look (GTK_WIDGET (world.window), "window-given-back.png");

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

static void
note_warning (GtkWidget *widget,
              gpointer   data)
{
  if (GTK_IS_LABEL (widget) && gtk_widget_get_mapped (widget) && g_str_has_prefix (gtk_label_get_label (GTK_LABEL (widget)), "The library cannot be written"))
    *(guint *) data += 1;
}

/* A library that cannot be written: said once, and everything else works. */
static void
test_unwritable (void)
{
  g_autofree char *good = g_steal_pointer (&database);
  g_autoptr (GPtrArray) turns = NULL;
  guint warnings = 0;
  World world;

  database = g_build_filename (picture, "no-folder", "library.sqlite", NULL); /* below a file */
  world_open (&world, 1);
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 1);
  ui_test_walk (GTK_WIDGET (world.window), note_warning, &warnings);
  g_assert_cmpuint (warnings, ==, 1);
  world_close (&world);
  g_free (database);
  database = g_steal_pointer (&good);
}

/* --------- Turns ------------------ */

static GtkWidget *
find_button (World      *world,
             const char *text)
{
  GtkWidget *button = ui_test_find (GTK_WIDGET (descry_window_get_chat (world->window)), GTK_TYPE_BUTTON, text);

  g_assert_nonnull (button);
  return button;
}

static void
write_unfinished (const char *key,
                  const char *answer)
{
  g_autoptr (DescryImage) image = descry_image_load (picture, NULL, NULL);
  g_autofree char *hash = descry_image_hash (image), *message = NULL;
  g_autoptr (DescryStore) store = descry_store_open (database, &message, NULL);
  g_autoptr (DescryTurn) turn = descry_turn_new ("What was on the shelf?");

  turn->answer = g_strdup (answer);
  g_assert_true (descry_store_keep_turn (store, hash, key, turn, FALSE, NULL));
}

/* An answer that was cut off says so and can be had again, in its place; turns can be edited and deleted. */
static void
test_turns (void)
{
  World world;
  g_autoptr (GPtrArray) turns = NULL;
  g_autofree char *text = NULL, *path = g_build_filename (folder, "talk.md", NULL), *png = g_build_filename (folder, "talk.png", NULL);
  gsize size = 0;

  new_file ();
  world_open (&world, 1);
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  world_close (&world);
  write_unfinished ("cut", "There was a vase.\n");

  world_open (&world, 1);
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 2);
  g_assert_true (((DescryTurn *) g_ptr_array_index (turns, 1))->stopped);
  ui_test_look (GTK_WIDGET (world.window), "window-interrupted.png");
  g_signal_emit_by_name (find_button (&world, "_Ask Again"), "clicked");
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_clear_pointer (&turns, g_ptr_array_unref);
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 2);
  g_assert_cmpstr (((DescryTurn *) g_ptr_array_index (turns, 1))->question, ==, "What was on the shelf?");
  g_assert_cmpstr (((DescryTurn *) g_ptr_array_index (turns, 1))->answer, ==, ANSWER);
  g_assert_false (((DescryTurn *) g_ptr_array_index (turns, 1))->stopped);

  g_assert_true (descry_window_export_conversation (world.window, path));
  WAIT_WHILE (!g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_get_contents (path, &text, &size, NULL));
  g_assert_true (g_str_has_prefix (text, "# table.png\n\n![table.png](talk.png)\n\n**What is on the table?**\n\n"));
  g_assert_nonnull (strstr (text, "**What was on the shelf?**\n\nThere is a cup here.\n\nBeside it"));
  g_assert_true (g_file_test (png, G_FILE_TEST_EXISTS));
  g_unlink (path);
  g_unlink (png);

  /* The first one is edited: what is asked then takes its place. */
  g_signal_emit_by_name (find_button (&world, "Edit and ask again"), "clicked");
  g_signal_emit_by_name (descry_window_get_chat (world.window), "ask", "And under the table?");
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_signal_emit_by_name (find_button (&world, "Delete question and answer"), "clicked");
  world_close (&world);

  world_open (&world, 1);
  g_clear_pointer (&turns, g_ptr_array_unref);
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 1);
  g_assert_cmpstr (((DescryTurn *) g_ptr_array_index (turns, 0))->question, ==, "And under the table?");
  world_close (&world);
}

/* A hit of an earlier conversation opens it again, and it is gone on with. */
static void
test_search (void)
{
  World world;
  g_autoptr (GPtrArray) turns = NULL;
  GListModel *windows = gtk_window_get_toplevels ();
  GtkWidget *row = NULL;
  guint i;

  new_file ();
  world_open (&world, 1);
  g_signal_emit_by_name (descry_window_get_chat (world.window), "ask", "Is there a giraffe?");
  WAIT_WHILE (!descry_window_is_idle (world.window));
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.new-conversation", NULL);
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));

  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.search", NULL);
  ui_test_pump (100);
  for (i = 0; i < g_list_model_get_n_items (windows) && row == NULL; i++)
    {
      g_autoptr (GtkWidget) window = g_list_model_get_item (windows, i);
      GtkWidget *entry = window != GTK_WIDGET (world.window) ? ui_test_find (window, GTK_TYPE_SEARCH_ENTRY, NULL) : NULL;

      if (entry == NULL)
        continue;
      gtk_editable_set_text (GTK_EDITABLE (entry), "giraf");
      WAIT_WHILE (ui_test_find (window, ADW_TYPE_ACTION_ROW, NULL) == NULL);
      ui_test_look (window, "window-search.png");
      row = ui_test_find (window, ADW_TYPE_ACTION_ROW, NULL);
    }
  g_assert_nonnull (row);
  gtk_widget_activate (row);
  ui_test_pump (100);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 1);
  g_assert_cmpstr (((DescryTurn *) g_ptr_array_index (turns, 0))->question, ==, "Is there a giraffe?");
  ask (&world);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  world_close (&world);

  world_open (&world, 1);
  g_clear_pointer (&turns, g_ptr_array_unref);
  turns = history (&world);
  g_assert_cmpuint (turns->len, ==, 2);
  world_close (&world);
}

static void
check_part_cb (DescryWindow *window,
               const char   *key,
               DescryTurn   *turn,
               gboolean      finished,
               guint        *n_parts)
{
  g_assert_true (g_str_has_prefix (ANSWER, turn->answer));
  *n_parts += 1;
}

/* Two windows with one engine: while both wait for an answer, each gets only its own. */
static void
test_two_windows (void)
{
  g_autoptr (GFile) file = g_file_new_for_path (picture);
  DescryWindow *second;
  guint parts[2] = { 0, 0 };
  World world;

  new_file ();
  world_open (&world, 3);
  second = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), DESCRY_ENGINE (world.engine), NULL));
  descry_library_attach (world.library, second, DESCRY_ENGINE (world.engine));
  gtk_window_present (GTK_WINDOW (second));
  descry_window_open (second, file);
  WAIT_WHILE (!descry_window_is_idle (second));
  g_signal_connect (world.window, "turn-changed", G_CALLBACK (check_part_cb), &parts[0]);
  g_signal_connect (second, "turn-changed", G_CALLBACK (check_part_cb), &parts[1]);
  ask (&world);
  g_signal_emit_by_name (descry_window_get_chat (second), "ask", "And here?");
  WAIT_WHILE (!descry_window_is_idle (world.window) || !descry_window_is_idle (second));
  /* Asked, three paragraphs, at most some of them at once, finished. */
  g_assert_cmpuint (parts[0], >=, 3);
  g_assert_cmpuint (parts[1], >=, 3);
  gtk_window_destroy (GTK_WINDOW (second));
  world_close (&world);
}

/* --------- Session ------------------ */

static gboolean
looks_at (DescryCanvas *canvas,
          double        x,
          double        y)
{
  double at_x, at_y;

  descry_canvas_to_picture (canvas, gtk_widget_get_width (GTK_WIDGET (canvas)) / 2.0, gtk_widget_get_height (GTK_WIDGET (canvas)) / 2.0, &at_x, &at_y);
  return ABS (at_x - x) <= 1 && ABS (at_y - y) <= 1;
}

/* The next start is where this one was: picture, view, panel, unsent question. */
static void
test_session (void)
{
  g_autofree char *path = g_build_filename (folder, "session", NULL);
  DescrySession *session = descry_session_new (path);
  World world;
  double zoom, x, y;
  DescryCanvas *canvas;

  new_file ();
  world_open (&world, 1);
  descry_session_watch (session, world.window);
  canvas = descry_window_get_canvas (world.window);
  ui_test_pump (300); /* the parts have their sizes */
  descry_canvas_look_at (canvas, 6.0, 200, 100);
  ui_test_pump (100);
  descry_chat_set_question (descry_window_get_chat (world.window), "Half a question");
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.panel", "s", "objects");
  zoom = descry_canvas_get_zoom (canvas);
  descry_canvas_to_picture (canvas, gtk_widget_get_width (GTK_WIDGET (canvas)) / 2.0, gtk_widget_get_height (GTK_WIDGET (canvas)) / 2.0, &x, &y);
  g_assert_cmpfloat_with_epsilon (x, 200, 1);
  /* By itself, as before a kill. */
  WAIT_WHILE (!g_file_test (path, G_FILE_TEST_EXISTS));
  ui_test_pump (1200);
  descry_session_free (session);
  world_close (&world);

  session = descry_session_new (path);
  world_start (&world, 1);
  descry_session_watch (session, world.window);
  descry_session_restore (session, world.window, NULL, NULL);
  WAIT_WHILE (descry_window_get_image (world.window) == NULL || !descry_window_is_idle (world.window));
  canvas = descry_window_get_canvas (world.window);
  WAIT_WHILE (descry_canvas_get_zoom (canvas) != zoom || !looks_at (canvas, x, y));
  ui_test_pump (300); /* and stays there */
  g_assert_true (looks_at (canvas, x, y));
  {
    g_autofree char *question = descry_chat_get_question (descry_window_get_chat (world.window));

    g_assert_cmpstr (question, ==, "Half a question");
  }
  g_assert_false (gtk_widget_get_mapped (GTK_WIDGET (descry_window_get_chat (world.window))));
  answer_dialog (&world, "win.forget-everything", "forget");
  WAIT_WHILE (g_file_test (path, G_FILE_TEST_EXISTS));
  gtk_window_close (GTK_WINDOW (world.window));
  world_close (&world);
  descry_session_free (session);

  /* A picture that has gone, and a file that is no session: an empty window. */
  g_assert_true (g_file_set_contents (path, "no session at all", -1, NULL));
  session = descry_session_new (path);
  world_start (&world, 1);
  descry_session_restore (session, world.window, NULL, NULL);
  ui_test_pump (300);
  g_assert_cmpstr (descry_window_get_page (world.window), ==, "empty");
  descry_session_free (session);
  world_close (&world);
  g_unlink (path);
}

static void
touch (const char *name,
       const char *bytes)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, bytes, -1, NULL));
}

static gboolean
exists (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* Each bundle has a session of its own, whose name does not depend on how its folder is written; what is forgotten is
 * forgotten in all of them. */
static void
test_session_bundles (void)
{
  g_autofree char *none = descry_session_path (NULL), *name = descry_session_path ("compact"), *other = descry_session_path ("large");
  g_autofree char *plain = descry_session_path (folder), *slashed = NULL, *turned = NULL, *own = g_build_filename (folder, "session-own", NULL);
  g_autofree char *with_slash = g_strconcat (folder, "/", NULL), *base = g_path_get_basename (folder);
  g_autofree char *around = g_build_filename (folder, "..", base, NULL), *unrelated = g_build_filename (folder, "sessions.txt", NULL);
  DescrySession *session;

  slashed = descry_session_path (with_slash);
  turned = descry_session_path (around);
  g_assert_true (g_str_has_suffix (none, "/descry/session"));
  g_assert_cmpstr (name, !=, none);
  g_assert_cmpstr (name, !=, other);
  g_assert_cmpstr (plain, !=, name);
  g_assert_cmpstr (plain, ==, slashed);
  g_assert_cmpstr (plain, ==, turned);

  touch ("session", "of /photos/a.png");
  touch ("session-0123", "of /photos/b.png");
  touch ("session-own", "of /photos/a.png and /photos/b.png");
  touch ("sessions.txt", "of /photos/a.png");
  session = descry_session_new (own);
  descry_session_forget (session, "/photos/b.png");
  g_assert_true (exists ("session") && exists ("session-own") && !exists ("session-0123"));
  descry_session_forget (session, NULL);
  g_assert_true (!exists ("session") && exists ("session-own") && exists ("sessions.txt"));
  descry_session_free (session);
  g_unlink (own);
  g_unlink (unrelated);
}

static void
listed_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr (GPtrArray) list = descry_library_recent_finish (DESCRY_LIBRARY (source), result, NULL);

  *(gboolean *) data = TRUE;
}

/* What was asked of the library before is done, and its answers are here. */
static void
wait_for_library (World *world)
{
  gboolean done = FALSE;

  descry_library_recent_async (world->library, 1, NULL, listed_cb, &done);
  WAIT_WHILE (!done);
}

static void
run_sql (sqlite3    *db,
         const char *text)
{
  g_assert_cmpint (sqlite3_exec (db, text, NULL, NULL, NULL), ==, SQLITE_OK);
}

/* Another process has the file while a picture is opened: it is looked at without waiting, and what was found is kept when
 * the file is free. */
static void
test_late (void)
{
  g_autoptr (GFile) file = g_file_new_for_path (picture);
  sqlite3 *db;
  World world;

  new_file ();
  world_start (&world, 1);
  wait_for_library (&world);
  g_assert_cmpint (sqlite3_open (database, &db), ==, SQLITE_OK);
  run_sql (db, "BEGIN IMMEDIATE");
  descry_library_set_patience (100);
  descry_window_open (world.window, file);
  WAIT_WHILE (!descry_window_has_picture (world.window) || recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE) == 0);
  WAIT_WHILE (!descry_window_is_idle (world.window));
  descry_canvas_set_hidden (descry_window_get_canvas (world.window), 2, TRUE);
  ui_test_pump (50);
  run_sql (db, "COMMIT");
  sqlite3_close (db);
  wait_for_library (&world);
  world_close (&world);

  descry_library_set_patience (ui_test_patience () * 1000);
  world_open (&world, 1);
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE), ==, 0);
  g_assert_cmpuint (descry_window_get_found (world.window)->objects->len, ==, 6);
  g_assert_true (descry_canvas_is_hidden (descry_window_get_canvas (world.window), 2));
  world_close (&world);
}

int
main (int    argc,
      char **argv)
{
  gboolean worker = argc == 4 && g_str_equal (argv[1], "--work");
  int status;

  if (worker)
    gtk_init ();
  else
    gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();
  if (g_getenv ("DESCRY_TEST_SLOW") != NULL)
    descry_library_set_patience (ui_test_patience () * 1000);
  application = ui_test_application ();

  folder = worker ? g_strdup (argv[2]) : g_dir_make_tmp ("descry-keep-XXXXXX", NULL);
  database = g_build_filename (folder, "library.sqlite", NULL);
  if (worker)
    {
      picture = g_build_filename (folder, "table.png", NULL);
      keep_work_until_killed (folder, argv[3]);
    }

  picture = recorded_window_save (folder, "table.png", RECORDED_SMALL);
  g_test_add_func ("/keep/given-back", test_given_back);
  g_test_add_func ("/keep/late", test_late);
  g_test_add_func ("/keep/forget", test_forget);
  g_test_add_func ("/keep/unwritable", test_unwritable);
  g_test_add_func ("/keep/turns", test_turns);
  g_test_add_func ("/keep/search", test_search);
  g_test_add_func ("/keep/two-windows", test_two_windows);
  g_test_add_func ("/keep/session", test_session);
  g_test_add_func ("/keep/session-bundles", test_session_bundles);
  keep_add_kill_test (argv[0], folder, picture, database);
  status = g_test_run ();

  new_file ();
  g_unlink (picture);
  g_rmdir (folder);
  g_object_unref (application);
  return status;
}
