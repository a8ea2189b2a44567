/* undo.c - every change that can be taken back, taken back and done again by key, button and menu
 *
 * What is compared is all that a person sees and all that is kept: objects, what is hidden, threshold, conversation, library.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "app/library-window.h"
#include "compute/lyrics/json.h"
#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/accels.h"
#include "ui/edits.h"
#include "ui/main-thread.h"

#define ANSWER "There is a cup here.\nBeside it there is a lamp."

static AdwApplication *application;
static char *folder, *picture, *database;

typedef struct
{
  RecordedEngine *engine;
  DescryLibrary  *library;
  DescryWindow   *window;
  DescryCanvas   *canvas;
  DescryChat     *chat;
} World;

static void
ask (World      *world,
     const char *question)
{
  g_signal_emit_by_name (world->chat, "ask", question);
  WAIT_WHILE (!descry_window_is_idle (world->window));
}

static void
world_start (World *world)
{
  g_autoptr (GFile) file = g_file_new_for_path (picture);

  world->engine = recorded_window_engine (RECORDED_SMALL, ANSWER);
  recorded_engine_set_pace (world->engine, 1);
  world->library = descry_library_new (database);
  world->window = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), DESCRY_ENGINE (world->engine), NULL));
  world->canvas = descry_window_get_canvas (world->window);
  world->chat = descry_window_get_chat (world->window);
  descry_library_attach (world->library, world->window, DESCRY_ENGINE (world->engine));
  gtk_window_set_default_size (GTK_WINDOW (world->window), 1100, 760);
  gtk_window_present (GTK_WINDOW (world->window));
  descry_window_open (world->window, file);
  WAIT_WHILE (!descry_window_is_idle (world->window));
}

static void
world_end (World *world)
{
  static const char *const parts[] = { "", "-wal", "-shm", ".lock" };
  guint i;

  gtk_window_destroy (GTK_WINDOW (world->window));
  ui_test_pump (30);
  g_object_run_dispose (G_OBJECT (world->engine));
  g_clear_object (&world->engine);
  g_clear_object (&world->library);
  for (i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *part = g_strconcat (database, parts[i], NULL);

      g_unlink (part);
    }
}

/* --------- State, as text ------------------ */

static void
flushed_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autoptr (GPtrArray) list = descry_library_recent_finish (DESCRY_LIBRARY (source), result, NULL);

  *(gboolean *) data = TRUE;
}

static void
append_scene (GString     *text,
              DescryScene *scene)
{
  json_t *json = descry_scene_to_json (scene, 0.0f);
  char *dump = json_dumps (json, JSON_SORT_KEYS | JSON_INDENT (1));

  g_string_append (text, dump);
  free (dump);
  json_decref (json);
}

static int
compare_ids (gconstpointer a,
             gconstpointer b)
{
  return GPOINTER_TO_INT (a) - GPOINTER_TO_INT (b);
}

static void
append_ids (GString    *text,
            const char *what,
            GHashTable *set)
{
  g_autoptr (GList) ids = g_list_sort (g_hash_table_get_keys (set), compare_ids);
  GList *l;

  g_string_append_printf (text, "\n%s:", what);
  for (l = ids; l != NULL; l = l->next)
    g_string_append_printf (text, " %d", GPOINTER_TO_INT (l->data));
}

static void
append_turns (GString    *text,
              const char *what,
              GPtrArray  *turns)
{
  guint i;

  g_string_append_printf (text, "\n%s:", what);
  for (i = 0; i < turns->len; i++)
    g_string_append_printf (text, " [%s | %s]", ((DescryTurn *) turns->pdata[i])->question, ((DescryTurn *) turns->pdata[i])->answer);
}

/* What the file says, once all has been written. */
static void
append_kept (GString *text,
             World   *world)
{
  g_autofree char *hash = descry_image_hash (descry_window_get_image (world->window));
  g_autofree char *message = NULL, *json_text = NULL;
  g_autoptr (DescryStore) store = NULL;
  g_autoptr (GPtrArray) kept = NULL;
  g_autoptr (GPtrArray) turns = g_ptr_array_new ();
  g_autoptr (DescryEdits) edits = descry_edits_new (NULL, NULL);
  g_autoptr (DescryScene) scene = NULL;
  gboolean flushed = FALSE;
  guint i;

  descry_library_recent_async (world->library, 1, NULL, flushed_cb, &flushed);
  WAIT_WHILE (!flushed);
  store = descry_store_open (database, &message, NULL);
  kept = descry_store_load_turns (store, hash, NULL);
  for (i = 0; i < kept->len; i++)
    g_ptr_array_add (turns, ((DescryKeptTurn *) kept->pdata[i])->turn);
  append_turns (text, "kept turns", turns);
  json_text = descry_store_load_edits (store, hash, NULL);
  if (json_text != NULL)
    {
      g_autoptr (json_t) json = json_loads (json_text, 0, NULL);

      g_assert_true (descry_edits_from_json (edits, json, NULL));
    }
  append_ids (text, "kept hidden", descry_edits_hidden (edits));
  scene = descry_edits_apply (edits, descry_window_get_found (world->window));
  g_string_append (text, "\nkept scene: ");
  append_scene (text, scene);
}

static char *
get_state (World *world)
{
  GString *text = g_string_new (NULL);
  const DescryView *view = descry_canvas_get_view (world->canvas);
  g_autoptr (GPtrArray) turns = descry_chat_get_history (world->chat);

  append_scene (text, descry_canvas_get_scene (world->canvas));
  append_ids (text, "hidden", view->hidden);
  g_string_append_printf (text, "\nonly: %u\nthreshold: %.6f", view->solo, (double) view->threshold);
  append_turns (text, "turns", turns);
  append_kept (text, world);
  return g_string_free (text, FALSE);
}

/* --------- Changes ------------------ */

static void
select_one (World *world,
            guint  id)
{
  descry_canvas_select (world->canvas, &id, 1);
}

static void
act (World      *world,
     const char *action)
{
  gtk_widget_activate_action (GTK_WIDGET (world->window), action, NULL);
}

static void
do_hide (World *world)
{
  select_one (world, 2);
  act (world, "win.hide");
}

static void
do_hide_two (World *world)
{
  const guint ids[] = { 1, 3 };

  descry_canvas_select (world->canvas, ids, 2);
  act (world, "win.hide");
}

static void
do_solo (World *world)
{
  select_one (world, 4);
  act (world, "win.solo");
}

static void
do_show_all (World *world)
{
  act (world, "win.show-all");
}

static void
do_delete (World *world)
{
  select_one (world, 5);
  act (world, "win.delete");
}

static void
do_delete_two (World *world)
{
  const guint ids[] = { 1, 6 };

  descry_canvas_select (world->canvas, ids, 2);
  act (world, "win.delete");
}

static void
do_rename (World *world)
{
  GListModel *windows = gtk_window_get_toplevels ();
  guint i;

  select_one (world, 3);
  act (world, "win.rename");
  ui_test_pump (30);
  for (i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWindow) window = g_list_model_get_item (windows, i);

      if (ADW_IS_MESSAGE_DIALOG (window))
        {
          gtk_editable_set_text (GTK_EDITABLE (adw_message_dialog_get_extra_child (ADW_MESSAGE_DIALOG (window))), "sugar bowl");
          adw_message_dialog_response (ADW_MESSAGE_DIALOG (window), "rename");
          gtk_window_destroy (window);
          return;
        }
    }
  g_error ("no dialog");
}

/* Many values, one step. */
static void
do_threshold (World *world)
{
  guint i;

  for (i = 0; i <= 20; i++)
    {
      g_object_set (world->canvas, "threshold", 0.30 + 0.02 * i, NULL);
      ui_test_turn ();
    }
}

static void
do_reset_threshold (World *world)
{
  gtk_widget_activate_action (GTK_WIDGET (world->window), "win.reset-threshold", "s", "score");
}

static void
find_scales_cb (GtkWidget *widget,
                gpointer   data)
{
  if (GTK_IS_SCALE (widget))
    g_ptr_array_add (data, widget);
}

/* Of the tags: the last one. */
static void
do_tags (World *world)
{
  GtkWidget *button = ui_test_find (GTK_WIDGET (world->window), GTK_TYPE_MENU_BUTTON, "What is shown on the picture");
  g_autoptr (GPtrArray) scales = g_ptr_array_new ();
  guint i;

  ui_test_walk (GTK_WIDGET (gtk_menu_button_get_popover (GTK_MENU_BUTTON (button))), find_scales_cb, scales);
  g_assert_cmpuint (scales->len, ==, 4);
  for (i = 1; i <= 20; i++)
    {
      gtk_range_set_value (scales->pdata[3], 0.05 * i);
      ui_test_turn ();
    }
}

static void
do_reset_all (World *world)
{
  gtk_widget_activate_action (GTK_WIDGET (world->window), "win.reset-threshold", "s", "all");
}

static void
do_box (World *world)
{
  g_signal_emit_by_name (world->canvas, "region", 20.0, 20.0, 90.0, 80.0);
  WAIT_WHILE (!descry_window_is_idle (world->window));
}

static void
do_point (World *world)
{
  g_signal_emit_by_name (world->canvas, "region", 200.0, 180.0, 200.0, 180.0);
  WAIT_WHILE (!descry_window_is_idle (world->window));
}

static void
do_delete_first_turn (World *world)
{
  g_signal_emit_by_name (ui_test_find (GTK_WIDGET (world->chat), GTK_TYPE_BUTTON, "Delete question and answer"), "clicked");
}

static void
find_last_delete (GtkWidget *widget,
                  gpointer   data)
{
  if (GTK_IS_BUTTON (widget) && gtk_widget_get_mapped (widget) && g_strcmp0 (gtk_widget_get_tooltip_text (widget), "Delete question and answer") == 0)
    *(GtkWidget **) data = widget;
}

static void
do_delete_last_turn (World *world)
{
  GtkWidget *button = NULL;

  ui_test_walk (GTK_WIDGET (world->chat), find_last_delete, &button);
  g_signal_emit_by_name (button, "clicked");
}

static const struct
{
  const char *name;
  void (*change) (World *world);
} changes[] = {
  { "hide", do_hide },
  { "hide two", do_hide_two },
  { "show only this", do_solo },
  { "show all", do_show_all },
  { "delete", do_delete },
  { "delete two", do_delete_two },
  { "rename", do_rename },
  { "threshold, a drag", do_threshold },
  { "threshold, reset", do_reset_threshold },
  { "tags, a drag", do_tags },
  { "tags, reset", do_reset_all },
  { "box", do_box },
  { "point", do_point },
  { "first turn", do_delete_first_turn },
  { "last turn", do_delete_last_turn },
};

/* --------- Ways ------------------ */

static void
tool_done_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      data)
{
  g_assert_true (g_subprocess_wait_check_finish (G_SUBPROCESS (source), result, NULL));
  *(gboolean *) data = TRUE;
}

static void
by_key (World   *world,
        gboolean redo)
{
  g_autoptr (GSubprocess) process = NULL;
  gboolean done = FALSE;

  gtk_widget_grab_focus (GTK_WIDGET (world->canvas));
  ui_test_pump (20);
  process = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, NULL, "xdotool", "key", redo ? "ctrl+shift+z" : "ctrl+z", NULL);
  g_subprocess_wait_check_async (process, NULL, tool_done_cb, &done);
  WAIT_WHILE (!done);
  ui_test_pump (60);
}

static void
by_button (World   *world,
           gboolean redo)
{
  GtkWidget *button = ui_test_find (GTK_WIDGET (world->window), GTK_TYPE_BUTTON, redo ? "Redo" : "Undo");

  g_assert_nonnull (button);
  g_assert_true (gtk_widget_is_sensitive (button));
  g_signal_emit_by_name (button, "clicked");
}

static void
find_item (GtkWidget *widget,
           gpointer   data)
{
  const char **wanted = data; /* the text; then the widget's place */
  g_autofree char *text = NULL;

  if (strcmp (G_OBJECT_TYPE_NAME (widget), "GtkModelButton") != 0)
    return;
  g_object_get (widget, "text", &text, NULL);
  if (g_strcmp0 (text, wanted[0]) == 0)
    wanted[1] = (const char *) widget;
}

static void
find_menu (GtkWidget *widget,
           gpointer   data)
{
  if (GTK_IS_MENU_BUTTON (widget) && gtk_menu_button_get_primary (GTK_MENU_BUTTON (widget)))
    *(GtkWidget **) data = widget;
}

static void
by_menu (World   *world,
         gboolean redo)
{
  const char *wanted[2] = { redo ? "Redo" : "Undo", NULL };
  GtkWidget *button = NULL;

  ui_test_walk (GTK_WIDGET (world->window), find_menu, &button);
  g_assert_nonnull (button);
  gtk_menu_button_popup (GTK_MENU_BUTTON (button));
  ui_test_pump (60);
  ui_test_walk (GTK_WIDGET (gtk_menu_button_get_popover (GTK_MENU_BUTTON (button))), find_item, wanted);
  g_assert_nonnull (wanted[1]);
  g_assert_true (gtk_widget_is_sensitive ((GtkWidget *) wanted[1]));
  gtk_widget_activate ((GtkWidget *) wanted[1]);
  ui_test_pump (60);
  gtk_menu_button_popdown (GTK_MENU_BUTTON (button));
}

static const struct
{
  const char *name;
  void (*go) (World *world, gboolean redo);
} ways[] = {
  { "key", by_key },
  { "button", by_button },
  { "menu", by_menu },
};

/* Each change alone: back, done again, back; and nothing further to take back. */
static void
test_table (gconstpointer data)
{
  guint way = GPOINTER_TO_UINT (data), i;
  g_autofree char *tool = g_find_program_in_path ("xdotool");
  World world;

  if (ways[way].go == by_key && tool == NULL)
    {
      g_test_skip ("xdotool is not installed");
      return;
    }

  world_start (&world);
  ask (&world, "What is on the table?");
  ask (&world, "And beside it?");
  ask (&world, "What else?");
  ui_test_pump (100);
  for (i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autofree char *before = NULL, *after = NULL, *back = NULL, *again = NULL, *end = NULL;

      /* So that showing all and the threshold's reset change something. */
      if (changes[i].change == do_show_all)
        do_hide_two (&world);
      if (changes[i].change == do_reset_threshold)
        do_threshold (&world);
      ui_test_pump (900); /* a step of the threshold ends */
      before = get_state (&world);
      changes[i].change (&world);
      ui_test_pump (30);
      after = get_state (&world);
      if (strcmp (before, after) == 0)
        g_error ("%s changes nothing", changes[i].name);
      ways[way].go (&world, FALSE);
      back = get_state (&world);
      ways[way].go (&world, TRUE);
      again = get_state (&world);
      ways[way].go (&world, FALSE);
      end = get_state (&world);
      g_test_message ("%s by %s", changes[i].name, ways[way].name);
      g_assert_cmpstr (back, ==, before);
      g_assert_cmpstr (again, ==, after);
      g_assert_cmpstr (end, ==, before);
    }
  world_end (&world);
}

/* All of them on one stack, all the way back and forth. */
static void
test_stack (void)
{
  g_autoptr (GPtrArray) states = g_ptr_array_new_with_free_func (g_free);
  World world;
  guint i;

  world_start (&world);
  for (i = 0; i < 4; i++)
    {
      g_autofree char *question = g_strdup_printf ("Question %u?", i);

      ask (&world, question);
    }
  g_ptr_array_add (states, get_state (&world));
  for (i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      /* Nothing that a step before has taken away. */
      if (changes[i].change == do_delete_two)
        continue;
      changes[i].change (&world);
      ui_test_pump (900);
      g_ptr_array_add (states, get_state (&world));
    }
  for (i = states->len - 1; i > 0; i--)
    {
      g_autofree char *state = NULL;

      by_button (&world, FALSE);
      state = get_state (&world);
      g_assert_cmpstr (state, ==, states->pdata[i - 1]);
    }
  g_assert_false (g_action_group_get_action_enabled (G_ACTION_GROUP (world.window), "undo"));
  for (i = 1; i < states->len; i++)
    {
      g_autofree char *state = NULL;

      by_button (&world, TRUE);
      state = get_state (&world);
      g_assert_cmpstr (state, ==, states->pdata[i]);
    }
  g_assert_false (g_action_group_get_action_enabled (G_ACTION_GROUP (world.window), "redo"));
  g_test_message ("%u steps back and forth", states->len - 1);
  world_end (&world);
}

/* The offer of the toast is the same command; an edited question's first answer can be had back; with a new conversation there
 * is nothing to bring back. */
static void
test_turns (void)
{
  g_autoptr (GPtrArray) turns = NULL;
  g_autofree char *before = NULL, *back = NULL;
  GtkWidget *button;
  World world;

  world_start (&world);
  ask (&world, "What is on the table?");
  ui_test_pump (100);
  before = get_state (&world);
  do_delete_first_turn (&world);
  ui_test_look (GTK_WIDGET (world.window), "window-turn-deleted.png");
  g_assert_nonnull (ui_test_find_text (GTK_WIDGET (world.window), "Question and answer deleted"));
  button = ui_test_find (GTK_WIDGET (world.window), GTK_TYPE_BUTTON, "_Undo");
  g_assert_nonnull (button);
  g_signal_emit_by_name (button, "clicked");
  ui_test_pump (30);
  back = get_state (&world);
  g_assert_cmpstr (back, ==, before);

  g_signal_emit_by_name (ui_test_find (GTK_WIDGET (world.chat), GTK_TYPE_BUTTON, "Edit and ask again"), "clicked");
  ask (&world, "And under the table?");
  turns = descry_chat_get_history (world.chat);
  g_assert_cmpuint (turns->len, ==, 1);
  act (&world, "win.undo");
  g_clear_pointer (&turns, g_ptr_array_unref);
  turns = descry_chat_get_history (world.chat);
  g_assert_cmpuint (turns->len, ==, 2);
  g_assert_cmpstr (((DescryTurn *) turns->pdata[0])->question, ==, "What is on the table?");
  act (&world, "win.redo");

  do_hide (&world);
  act (&world, "win.new-conversation");
  act (&world, "win.undo"); /* hidden */
  g_assert_false (descry_canvas_is_hidden (world.canvas, 2));
  g_assert_false (g_action_group_get_action_enabled (G_ACTION_GROUP (world.window), "undo"));
  g_clear_pointer (&turns, g_ptr_array_unref);
  turns = descry_chat_get_history (world.chat);
  g_assert_cmpuint (turns->len, ==, 0);
  world_end (&world);
}

int
main (int    argc,
      char **argv)
{
  guint i;
  int status;

  gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();
  if (g_getenv ("DESCRY_TEST_SLOW") != NULL)
    descry_library_set_patience (ui_test_patience () * 1000);
  application = ui_test_application ();
  descry_accels_add (GTK_APPLICATION (application));
  folder = g_dir_make_tmp ("descry-undo-XXXXXX", NULL);
  picture = recorded_window_save (folder, "table.png", RECORDED_SMALL);
  database = g_build_filename (folder, "library.sqlite", NULL);

  for (i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autofree char *path = g_strdup_printf ("/undo/%s", ways[i].name);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_table);
    }
  g_test_add_func ("/undo/stack", test_stack);
  g_test_add_func ("/undo/turns", test_turns);
  status = g_test_run ();

  g_unlink (picture);
  g_rmdir (folder);
  g_object_unref (application);
  return status;
}
