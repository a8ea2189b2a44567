/* objects.c - the list of objects by name, and thresholds that filter what was found without a stage running again
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"

static AdwApplication *application;
static char *folder, *picture;

static const RecordedPicture table = { 640, 480, 8 };

typedef RecordedWindow World;

static void
world_open (World *world)
{
  recorded_window_show (world, GTK_APPLICATION (application), NULL, table);
  gtk_window_set_default_size (GTK_WINDOW (world->window), 1100, 760);
  recorded_window_open (world, picture);
  gtk_widget_activate_action (GTK_WIDGET (world->window), "win.panel", "s", "objects");
  ui_test_pump (200);
}

static GtkWidget *
find (World      *world,
      GType       type,
      const char *text)
{
  return ui_test_find (GTK_WIDGET (world->window), type, text);
}

static guint
count_named (World      *world,
             const char *name,
             gboolean    hidden)
{
  DescryScene *scene = descry_canvas_get_scene (world->canvas);
  const DescryView *view = descry_canvas_get_view (world->canvas);
  guint n = 0, i;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      n += object->score >= view->threshold && g_str_equal (object->name, name) && (!hidden || descry_canvas_is_hidden (world->canvas, object->id));
    }
  return n;
}

static guint
count_score (DescryScene *scene,
             double       threshold)
{
  guint n = 0, i;

  for (i = 0; i < scene->objects->len; i++)
    n += ((DescryObject *) g_ptr_array_index (scene->objects, i))->score >= (float) threshold;
  return n;
}

static guint
count_shown (World *world)
{
  DescryScene *scene = descry_canvas_get_scene (world->canvas);
  const DescryView *view = descry_canvas_get_view (world->canvas);
  guint n = 0, i;

  for (i = 0; i < scene->objects->len; i++)
    n += descry_view_shows (view, g_ptr_array_index (scene->objects, i));
  return n;
}

/* The rows that are there: names in their order, headings in brackets. */
static void
append_row_cb (GtkWidget *widget,
               gpointer   data)
{
  GString *text = data;

  if (!gtk_widget_get_mapped (widget) || gtk_widget_get_ancestor (widget, GTK_TYPE_LIST_VIEW) == NULL)
    return;
  if (GTK_IS_BUTTON (widget) && gtk_widget_has_css_class (widget, "descry-group"))
    g_string_append_printf (text, "[%s]", gtk_button_get_label (GTK_BUTTON (widget)));
  else if (GTK_IS_TOGGLE_BUTTON (widget) && g_strcmp0 (gtk_widget_get_tooltip_text (widget), "Hide") == 0)
    g_string_append_c (text, '.');
}

static char *
list_rows (World *world)
{
  GString *text = g_string_new (NULL);

  ui_test_pump (100);
  ui_test_walk (GTK_WIDGET (world->window), append_row_cb, text);
  return g_string_free (text, FALSE);
}

static void
find_group_cb (GtkWidget *widget,
               gpointer   data)
{
  GtkWidget **found = data;

  if (*found == NULL && GTK_IS_TOGGLE_BUTTON (widget) && gtk_widget_get_mapped (widget)
      && g_strcmp0 (gtk_widget_get_tooltip_text (widget), "Hide all of these") == 0)
    *found = widget;
}

static void
test_groups (void)
{
  g_autofree char *grouped = NULL, *plain = NULL, *expected = NULL, *all = NULL;
  GtkWidget *heading, *eye = NULL;
  guint cups, i;
  World world;

  world_open (&world);
  cups = count_named (&world, "cup", FALSE);
  g_assert_cmpuint (cups, >=, 2);
  grouped = list_rows (&world);
  g_test_message ("%s", grouped);
  expected = g_strdup_printf ("[cup × %u]", cups);
  g_assert_true (g_str_has_prefix (grouped, expected));
  recorded_window_shoot (&world, "objects-by-name.png");

  /* A heading selects its objects, all of them and no others. */
  all = g_strdup_printf ("cup × %u", cups);
  heading = find (&world, GTK_TYPE_BUTTON, all);
  g_assert_nonnull (heading);
  g_signal_emit_by_name (heading, "clicked");
  g_assert_cmpuint (descry_canvas_get_selection (world.canvas)->len, ==, cups);
  for (i = 0; i < cups; i++)
    g_assert_cmpstr (descry_scene_find (descry_canvas_get_scene (world.canvas), g_array_index (descry_canvas_get_selection (world.canvas), guint, i))->name,
                     ==, "cup");

  /* Its eye hides and shows them, each time in one step. */
  ui_test_walk (GTK_WIDGET (world.window), find_group_cb, &eye);
  g_assert_nonnull (eye);
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (eye), TRUE);
  g_assert_cmpuint (count_named (&world, "cup", TRUE), ==, cups);
  g_assert_cmpuint (g_hash_table_size (descry_canvas_get_view (world.canvas)->hidden), ==, cups);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.undo", NULL);
  g_assert_cmpuint (count_named (&world, "cup", TRUE), ==, 0);
  ui_test_pump (30);
  g_assert_false (gtk_toggle_button_get_active (GTK_TOGGLE_BUTTON (eye)));
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.redo", NULL);
  g_assert_true (gtk_toggle_button_get_active (GTK_TOGGLE_BUTTON (eye)));
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (eye), FALSE);
  g_assert_cmpuint (count_named (&world, "cup", TRUE), ==, 0);

  /* Select all takes objects, no headings. */
  gtk_widget_activate_action (find (&world, GTK_TYPE_LIST_VIEW, NULL), "list.select-all", NULL);
  g_assert_cmpuint (descry_canvas_get_selection (world.canvas)->len, ==, count_named (&world, "cup", FALSE) + strlen (strrchr (grouped, ']') + 1));

  /* Switched off: no headings, the same number of objects. */
  g_signal_emit_by_name (find (&world, GTK_TYPE_TOGGLE_BUTTON, "By Name"), "clicked");
  plain = list_rows (&world);
  g_assert_null (strchr (plain, '['));
  g_assert_cmpuint (strlen (plain), ==, count_shown (&world));
  recorded_window_shoot (&world, "objects-plain.png");
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.group-objects", NULL);
  g_free (plain);
  plain = list_rows (&world);
  g_assert_cmpstr (plain, ==, grouped);
  recorded_window_close (&world);
}

/* Over the whole range and back the scene stays the one that was found, no job runs, and picture, list and title follow; what
 * is asked is told only what is above. */
static void
test_threshold (void)
{
  static const double values[] = { 0.0, 0.05, 0.5, 0.7, 0.78, 0.84, 0.9, 0.94, 1.0, 0.86, 0.74, 0.5 };
  DescryScene *found;
  guint jobs[4], k, i, different = 0;
  World world;

  world_open (&world);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.group-objects", NULL);
  found = descry_window_get_found (world.window);
  for (k = 0; k < G_N_ELEMENTS (jobs); k++)
    jobs[k] = recorded_engine_count (world.engine, (DescryJobKind) k);

  for (i = 0; i < G_N_ELEMENTS (values); i++)
    {
      guint n = count_score (found, values[i]);
      g_autofree char *rows = NULL, *title = g_strdup_printf (" %u object", n);

      g_object_set (world.canvas, "threshold", values[i], NULL);
      /* At once, not at the end of something. */
      g_assert_cmpuint (count_shown (&world), ==, n);
      g_assert_true (descry_window_get_found (world.window) == found);
      rows = list_rows (&world);
      g_assert_cmpuint (strlen (rows), ==, n);
      g_assert_nonnull (ui_test_find_text (GTK_WIDGET (world.window), title));
      if (i > 0)
        different += n != count_score (found, values[i - 1]);
    }
  g_assert_cmpuint (different, >, 5); /* the values are between the scores */
  for (k = 0; k < G_N_ELEMENTS (jobs); k++)
    g_assert_cmpuint (recorded_engine_count (world.engine, (DescryJobKind) k), ==, jobs[k]);

  g_object_set (world.canvas, "threshold", 0.86, NULL);
  g_signal_emit_by_name (descry_window_get_chat (world.window), "ask", "What is there?");
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_assert_cmpfloat_with_epsilon (recorded_engine_options (world.engine).threshold, 0.86, 1e-6);
  recorded_window_close (&world);
}

/* The card's buttons are the window's commands. */
static void
test_card (void)
{
  const guint id = 2;
  const guint two[] = { 1, 3 };
  World world;

  world_open (&world);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.panel", "s", "inspect");
  descry_canvas_select (world.canvas, &id, 1);
  ui_test_pump (300);
  g_assert_nonnull (find (&world, GTK_TYPE_LABEL, "Detector · recorded"));
  g_assert_nonnull (ui_test_find_text (GTK_WIDGET (world.window), "boxes 41 ms, masks 1240 ms"));
  recorded_window_shoot (&world, "inspect-actions.png");
  gtk_widget_activate (find (&world, GTK_TYPE_BUTTON, "Show only this"));
  WAIT_WHILE (descry_canvas_get_solo (world.canvas) != 2);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.undo", NULL);
  g_assert_cmpuint (descry_canvas_get_solo (world.canvas), ==, 0);

  descry_canvas_select (world.canvas, two, 2);
  ui_test_pump (300);
  g_assert_null (find (&world, GTK_TYPE_BUTTON, "Rename"));
  gtk_widget_activate (find (&world, GTK_TYPE_BUTTON, "Delete"));
  WAIT_WHILE (descry_scene_find (descry_canvas_get_scene (world.canvas), 1) != NULL);
  g_assert_null (descry_scene_find (descry_canvas_get_scene (world.canvas), 3));
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
  folder = g_dir_make_tmp ("descry-objects-XXXXXX", NULL);
  picture = recorded_window_save (folder, "table.png", table);

  g_test_add_func ("/objects/groups", test_groups);
  g_test_add_func ("/objects/threshold", test_threshold);
  g_test_add_func ("/objects/card", test_card);
  status = g_test_run ();

  g_unlink (picture);
  g_rmdir (folder);
  g_object_unref (application);
  return status;
}
