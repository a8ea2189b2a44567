/* preferences.c - the window of the preferences: what is set there reaches the engine
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gstdio.h>

#include "tests/display/recorded-engine.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"
#include "ui/preferences.h"
#include "ui/window.h"

static AdwApplication *application;

/* The field that shows this value. */
static GtkWidget *
find_spin (GtkWidget *root,
           double     value)
{
  GtkWidget *child;

  if (GTK_IS_SPIN_BUTTON (root) && gtk_widget_get_mapped (root) && ABS (gtk_spin_button_get_value (GTK_SPIN_BUTTON (root)) - value) < 1e-9)
    return root;
  for (child = gtk_widget_get_first_child (root); child != NULL; child = gtk_widget_get_next_sibling (child))
    {
      GtkWidget *found = find_spin (child, value);

      if (found != NULL)
        return found;
    }

  return NULL;
}

static DescryAskOptions
ask (DescryWindow   *window,
     RecordedEngine *engine)
{
  g_signal_emit_by_name (descry_window_get_chat (window), "ask", "What is it?");
  WAIT_WHILE (!descry_window_is_idle (window));

  return recorded_engine_options (engine);
}

/* By the widgets, to the settings, to the question. */
static void
test_generation (void)
{
  g_autoptr (GSettings) settings = g_settings_new (DESCRY_APPLICATION_ID);
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = recorded_picture_new (320, 240, 5, &scene);
  g_autoptr (RecordedEngine) engine = recorded_engine_new (scene, "A cup.");
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "descry-preferences.png", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  DescryWindow *window = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), DESCRY_ENGINE (engine), settings));
  GtkWidget *preferences, *expander;
  DescryAskOptions options;

  g_assert_true (descry_image_save_png (image, path, NULL));
  gtk_window_present (GTK_WINDOW (window));
  descry_window_open (window, file);
  WAIT_WHILE (!descry_window_is_idle (window));

  options = ask (window, engine);
  g_assert_cmpuint (options.max_tokens, ==, 256);
  g_assert_cmpfloat (options.temperature, ==, 0.0f); /* greedy */
  g_assert_false (options.no_lora);
  g_assert_false (options.no_connector);

  preferences = descry_preferences_new (GTK_WINDOW (window), settings);
  gtk_window_present (GTK_WINDOW (preferences));
  ui_test_pump (300);
  /* Hidden at first. */
  expander = ui_test_find (preferences, ADW_TYPE_EXPANDER_ROW, NULL);
  g_assert_false (adw_expander_row_get_expanded (ADW_EXPANDER_ROW (expander)));
  g_assert_null (ui_test_find (expander, GTK_TYPE_SWITCH, NULL));
  ui_test_look (preferences, "preferences.png");
  adw_expander_row_set_expanded (ADW_EXPANDER_ROW (expander), TRUE);
  ui_test_pump (500);
  g_assert_false (gtk_widget_is_sensitive (find_spin (preferences, 0.7)));
  gtk_switch_set_active (GTK_SWITCH (ui_test_find (expander, GTK_TYPE_SWITCH, NULL)), FALSE);
  g_assert_true (gtk_widget_is_sensitive (find_spin (preferences, 0.7)));
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (find_spin (preferences, 256)), 12);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (find_spin (preferences, 0.7)), 1.5);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (find_spin (preferences, 0.9)), 0.5);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (find_spin (preferences, 0)), 77);
  ui_test_look (preferences, "preferences-generation.png");
  g_settings_set_boolean (settings, "use-adapter", FALSE);
  g_settings_set_boolean (settings, "use-connector", FALSE);

  options = ask (window, engine);
  g_assert_cmpuint (options.max_tokens, ==, 12);
  g_assert_cmpfloat (options.temperature, ==, 1.5f);
  g_assert_cmpfloat (options.top_p, ==, 0.5f);
  g_assert_cmpuint (options.seed, ==, 77);
  g_assert_true (options.no_lora);
  g_assert_true (options.no_connector);

  gtk_widget_activate (ui_test_find (preferences, GTK_TYPE_BUTTON, "_Reset"));
  WAIT_WHILE (g_settings_get_int (settings, "max-tokens") != 256);
  options = ask (window, engine);
  g_assert_cmpuint (options.max_tokens, ==, 256);
  g_assert_cmpfloat (options.temperature, ==, 0.0f);

  gtk_window_destroy (GTK_WINDOW (window)); /* and the preferences with it */
  g_settings_reset (settings, "use-adapter");
  g_settings_reset (settings, "use-connector");
  g_unlink (path);
}

static void
test_rest (void)
{
  g_autoptr (GSettings) settings = g_settings_new (DESCRY_APPLICATION_ID);
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = recorded_picture_new (320, 240, 5, &scene);
  RecordedEngine *engine = recorded_engine_new (scene, "A cup.");
  GtkWidget *preferences;

  descry_preferences_follow (settings, DESCRY_ENGINE (engine));
  g_assert_cmpuint (recorded_engine_idle (engine), ==, 15 * 60);
  preferences = descry_preferences_new (NULL, settings);
  gtk_window_present (GTK_WINDOW (preferences));
  ui_test_pump (200);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (find_spin (preferences, 15)), 0);
  g_assert_cmpuint (recorded_engine_idle (engine), ==, 0);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (find_spin (preferences, 0)), 2);
  g_assert_cmpuint (recorded_engine_idle (engine), ==, 120);
  gtk_window_destroy (GTK_WINDOW (preferences));

  /* The settings do not keep the engine, and go on without it. */
  g_assert_finalize_object (engine);
  g_settings_set_int (settings, "unload-minutes", 5);
  g_settings_reset (settings, "unload-minutes");
}

static void
test_narrow (void)
{
  g_autoptr (GSettings) settings = g_settings_new (DESCRY_APPLICATION_ID);
  GtkWidget *preferences = descry_preferences_new (NULL, settings);
  int least;

  gtk_window_set_default_size (GTK_WINDOW (preferences), 360, 640);
  gtk_window_present (GTK_WINDOW (preferences));
  ui_test_pump (200);
  adw_expander_row_set_expanded (ADW_EXPANDER_ROW (ui_test_find (preferences, ADW_TYPE_EXPANDER_ROW, NULL)), TRUE);
  /* Without the window's shadow. */
  gtk_widget_measure (gtk_widget_get_first_child (preferences), GTK_ORIENTATION_HORIZONTAL, -1, &least, NULL, NULL, NULL);
  g_test_message ("least width %d px", least);
  g_assert_cmpint (least, <=, 360);
  ui_test_look (preferences, "preferences-narrow.png");
  gtk_window_destroy (GTK_WINDOW (preferences));
}

int
main (int    argc,
      char **argv)
{
  int status;

  gtk_test_init (&argc, &argv, NULL);
  g_setenv ("GTK_A11Y", "test", TRUE);
  descry_ui_init ();
  application = ui_test_application ();

  g_test_add_func ("/preferences/generation", test_generation);
  g_test_add_func ("/preferences/rest", test_rest);
  g_test_add_func ("/preferences/narrow", test_narrow);

  status = g_test_run ();
  g_object_unref (application);
  return status;
}
