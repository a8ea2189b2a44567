/* devices.c - the window of the devices: made-up verdicts, the choice, and the real ones in child processes
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include "tests/display/ui-test.h"
#include "ui/devices-page.h"
#include "ui/main-thread.h"

/* --------- An engine that remembers which device it shall open ------------------ */

#define TYPE_CHOOSING_ENGINE (choosing_engine_get_type ())
G_DECLARE_FINAL_TYPE (ChoosingEngine, choosing_engine, CHOOSING, ENGINE, DescryEngine)

struct _ChoosingEngine
{
  DescryEngine parent_instance;
  char        *device;
  char        *language;
};

G_DEFINE_TYPE (ChoosingEngine, choosing_engine, DESCRY_TYPE_ENGINE)

static void
choosing_engine_reload (DescryEngine *engine,
                        const char   *device)
{
  ChoosingEngine *self = CHOOSING_ENGINE (engine);
  DescryEngineStatus *status = descry_engine_status (engine);

  g_free (self->device);
  self->device = g_strdup (device);
  g_free (status->device);
  status->device = g_strdup (*device == '\0' ? "Mesa: Fast one" : "PoCL: Slow one");
  descry_engine_set_status (engine, status);
}

static void
choosing_engine_place_language (DescryEngine *engine,
                                const char   *device)
{
  g_free (CHOOSING_ENGINE (engine)->language);
  CHOOSING_ENGINE (engine)->language = g_strdup (device);
}

static void
choosing_engine_finalize (GObject *object)
{
  g_free (CHOOSING_ENGINE (object)->language);
  g_free (CHOOSING_ENGINE (object)->device);
  G_OBJECT_CLASS (choosing_engine_parent_class)->finalize (object);
}

static void
choosing_engine_class_init (ChoosingEngineClass *class)
{
  G_OBJECT_CLASS (class)->finalize = choosing_engine_finalize;
  DESCRY_ENGINE_CLASS (class)->reload = choosing_engine_reload;
  DESCRY_ENGINE_CLASS (class)->place_language = choosing_engine_place_language;
}

static void
choosing_engine_init (ChoosingEngine *self)
{
}

/* --------- Tests ------------------ */

static void
add_report (GPtrArray    *reports,
            const char   *platform,
            const char   *name,
            DescryVerdict verdict,
            const char   *reason)
{
  DescryDeviceReport *report = g_new0 (DescryDeviceReport, 1);

  report->key = descry_device_make_key (platform, name, "1.0");
  report->platform = g_strdup (platform);
  report->name = g_strdup (name);
  report->driver = g_strdup ("1.0");
  report->version = g_strdup ("OpenCL 3.0");
  report->compute_units = 8;
  report->global_memory = G_GUINT64_CONSTANT (8) << 30;
  report->max_allocation = G_GUINT64_CONSTANT (2) << 30;
  report->verdict = verdict;
  report->reason = g_strdup (reason);
  report->self_test_ms = 1500.0;
  g_ptr_array_add (reports, report);
}

static GPtrArray *
make_reports (void)
{
  GPtrArray *reports = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_device_report_free);

  add_report (reports, "Mesa", "Fast one", DESCRY_VERDICT_IN_USE, NULL);
  add_report (reports, "PoCL", "Slow one", DESCRY_VERDICT_AVAILABLE, NULL);
  add_report (reports, "Old & odd", "Broken <one>", DESCRY_VERDICT_NOT_USABLE, "its self-test crashed (signal 11)");
  return reports;
}

static void
close_page (DescryDevicesPage *page)
{
  gpointer alive = page;

  g_object_add_weak_pointer (G_OBJECT (page), &alive);
  gtk_window_destroy (GTK_WINDOW (page));
  WAIT_WHILE (alive != NULL);
}

static DescryDevicesPage *
open_made_up (DescryEngine *engine,
              GSettings    *settings)
{
  g_autoptr (GPtrArray) reports = make_reports ();
  g_autoptr (GPtrArray) silent = g_ptr_array_new ();
  DescryDevicesPage *page = DESCRY_DEVICES_PAGE (descry_devices_page_new (NULL, engine, settings, "/nowhere/at/all"));

  g_ptr_array_add (silent, (gpointer) "An empty platform");
  gtk_window_present (GTK_WINDOW (page));
  descry_devices_page_show (page, reports, silent, NULL);
  ui_test_pump (60);
  return page;
}

static void
test_choice (void)
{
  g_autoptr (ChoosingEngine) engine = g_object_new (TYPE_CHOOSING_ENGINE, NULL);
  g_autoptr (GSettings) settings = g_settings_new (DESCRY_APPLICATION_ID);
  DescryDevicesPage *page = open_made_up (DESCRY_ENGINE (engine), settings);
  GtkWidget *root = GTK_WIDGET (page);
  g_autofree char *key = descry_device_make_key ("PoCL", "Slow one", "1.0");
  g_autofree char *stored = NULL, *text = NULL;
  guint n = 0;

  g_assert_nonnull (ui_test_find (root, GTK_TYPE_LABEL, "In use"));
  g_assert_nonnull (ui_test_find (root, GTK_TYPE_LABEL, "Available"));
  g_assert_nonnull (ui_test_find (root, GTK_TYPE_LABEL, "Not usable: its self-test crashed (signal 11)"));
  g_assert_nonnull (ui_test_find (root, GTK_TYPE_LABEL, "An empty platform"));
  ui_test_walk (root, ui_test_check_named, &n);
  g_assert_cmpuint (n, ==, 2);
  ui_test_look (GTK_WIDGET (page), "devices.png");

  /* Only the usable one that is not open offers itself. */
  gtk_widget_activate (ui_test_find (root, GTK_TYPE_BUTTON, "Use"));
  WAIT_WHILE (engine->device == NULL);
  g_assert_cmpstr (engine->device, ==, key);
  stored = g_settings_get_string (settings, "device");
  g_assert_cmpstr (stored, ==, key);
  ui_test_pump (200);
  g_assert_nonnull (ui_test_find (root, GTK_TYPE_LABEL, "By hand: Slow one"));
  ui_test_look (GTK_WIDGET (page), "devices-chosen.png");

  text = descry_devices_page_diagnose (page);
  g_assert_nonnull (strstr (text, "Descry " DESCRY_VERSION));
  g_assert_nonnull (strstr (text, "Chosen device: PoCL / Slow one / 1.0"));
  g_assert_nonnull (strstr (text, "Open device: PoCL: Slow one"));
  g_assert_nonnull (strstr (text, "not usable: its self-test crashed (signal 11)"));
  g_assert_nonnull (strstr (text, "An empty platform"));

  gtk_widget_activate (ui_test_find (root, GTK_TYPE_BUTTON, "Automatic"));
  WAIT_WHILE (*engine->device != '\0');
  ui_test_pump (100);
  g_assert_nonnull (ui_test_find (root, GTK_TYPE_BUTTON, "Use"));
  close_page (page);
}

/* The language model on a device of its own: remembered, told to the engine, shown after the list is made anew. */
static void
test_placement (void)
{
  g_autoptr (ChoosingEngine) engine = g_object_new (TYPE_CHOOSING_ENGINE, NULL);
  g_autoptr (GSettings) settings = g_settings_new (DESCRY_APPLICATION_ID);
  DescryDevicesPage *page = open_made_up (DESCRY_ENGINE (engine), settings);
  GtkWidget *row = ui_test_find (GTK_WIDGET (page), ADW_TYPE_COMBO_ROW, NULL);
  g_autofree char *key = descry_device_make_key ("PoCL", "Slow one", "1.0");
  g_autofree char *stored = NULL;

  g_assert_cmpuint (adw_combo_row_get_selected (ADW_COMBO_ROW (row)), ==, 0);
  g_assert_cmpuint (g_list_model_get_n_items (adw_combo_row_get_model (ADW_COMBO_ROW (row))), ==, 3); /* the broken one is not among them */
  adw_combo_row_set_selected (ADW_COMBO_ROW (row), 2);
  g_assert_cmpstr (engine->language, ==, key);
  stored = g_settings_get_string (settings, "language-device");
  g_assert_cmpstr (stored, ==, key);
  ui_test_pump (400);
  row = ui_test_find (GTK_WIDGET (page), ADW_TYPE_COMBO_ROW, NULL);
  g_assert_cmpuint (adw_combo_row_get_selected (ADW_COMBO_ROW (row)), ==, 2);
  gtk_window_set_default_size (GTK_WINDOW (page), 600, 700);
  ui_test_look (GTK_WIDGET (page), "devices-placement.png");
  row = ui_test_find (GTK_WIDGET (page), ADW_TYPE_COMBO_ROW, NULL);
  adw_combo_row_set_selected (ADW_COMBO_ROW (row), 0);
  g_assert_cmpstr (engine->language, ==, "");
  ui_test_pump (100);
  close_page (page);
}

/* What was chosen is gone: said, and the choice is automatic. */
static void
test_gone (void)
{
  g_autoptr (GSettings) settings = g_settings_new (DESCRY_APPLICATION_ID);
  DescryDevicesPage *page;

  g_settings_set_string (settings, "device", "Mesa\tGone one\t9");
  page = open_made_up (NULL, settings);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (page), GTK_TYPE_LABEL,
                                  "Gone one was chosen, but it is not there, not usable or has another driver; the choice is automatic"));
  g_assert_nonnull (ui_test_find (GTK_WIDGET (page), GTK_TYPE_LABEL, "In use"));
  g_settings_reset (settings, "device");
  close_page (page);
}

static void
test_none (void)
{
  DescryDevicesPage *page = open_made_up (NULL, NULL);
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GError) error = g_error_new_literal (DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE, "The OpenCL devices cannot be listed");

  descry_devices_page_show (page, none, NULL, NULL);
  ui_test_pump (60);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (page), GTK_TYPE_LABEL, "No Device"));
  ui_test_look (GTK_WIDGET (page), "devices-none.png");
  descry_devices_page_show (page, NULL, NULL, error);
  ui_test_pump (60);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (page), GTK_TYPE_LABEL, "The OpenCL devices cannot be listed"));
  close_page (page);
}

/* The real devices, tried by the real program; and a test that is cut off by closing. */
static void
test_real (void)
{
  DescryDevicesPage *page = DESCRY_DEVICES_PAGE (descry_devices_page_new (NULL, NULL, NULL, NULL));
  g_autofree char *text = NULL;

  /* Every driver is loaded, and some lose memory of their own. */
  if (g_getenv ("DESCRY_TEST_SLOW") != NULL)
    {
      close_page (page);
      g_test_skip ("a sanitizer or valgrind would judge the drivers");
      return;
    }

  gtk_window_present (GTK_WINDOW (page));
  descry_devices_page_test (page, FALSE);
  g_assert_false (descry_devices_page_is_idle (page));
  ui_test_look (GTK_WIDGET (page), "devices-testing.png");
  close_page (page);

  page = DESCRY_DEVICES_PAGE (descry_devices_page_new (NULL, NULL, NULL, NULL));
  gtk_window_present (GTK_WINDOW (page));
  descry_devices_page_test (page, FALSE);
  WAIT_WHILE (!descry_devices_page_is_idle (page));
  text = descry_devices_page_diagnose (page);
  g_test_message ("%s", text);
  if (strstr (text, "Device: ") == NULL)
    g_test_skip ("there is no OpenCL device");
  else
    g_assert_nonnull (strstr (text, "self-test"));
  ui_test_look (GTK_WIDGET (page), "devices-real.png");
  close_page (page);
}

static void
test_states (void)
{
  GtkSettings *settings = gtk_settings_get_default ();
  DescryDevicesPage *page = open_made_up (NULL, NULL);
  int least, dpi;

  gtk_widget_measure (GTK_WIDGET (page), GTK_ORIENTATION_HORIZONTAL, -1, &least, NULL, NULL, NULL);
  g_test_message ("least width %d px", least);
  g_assert_cmpint (least, <=, 360);
  gtk_window_set_default_size (GTK_WINDOW (page), 360, 560);
  ui_test_look (GTK_WIDGET (page), "devices-narrow.png");
  close_page (page);

  gtk_widget_set_default_direction (GTK_TEXT_DIR_RTL);
  page = open_made_up (NULL, NULL);
  ui_test_look (GTK_WIDGET (page), "devices-rtl.png");
  close_page (page);
  gtk_widget_set_default_direction (GTK_TEXT_DIR_LTR);

  g_object_get (settings, "gtk-xft-dpi", &dpi, NULL);
  g_object_set (settings, "gtk-xft-dpi", 144 * 1024, NULL);
  page = open_made_up (NULL, NULL);
  ui_test_look (GTK_WIDGET (page), "devices-large.png");
  close_page (page);
  g_object_set (settings, "gtk-xft-dpi", dpi, NULL);
}

int
main (int    argc,
      char **argv)
{
  gtk_test_init (&argc, &argv, NULL);
  g_setenv ("GTK_A11Y", "test", TRUE);
  descry_ui_init ();
  descry_device_set_program (g_getenv ("DESCRY_TEST_PROGRAM"));

  g_test_add_func ("/devices/choice", test_choice);
  g_test_add_func ("/devices/placement", test_placement);
  g_test_add_func ("/devices/gone", test_gone);
  g_test_add_func ("/devices/none", test_none);
  g_test_add_func ("/devices/real", test_real);
  g_test_add_func ("/devices/states", test_states);

  return g_test_run ();
}
