/* devices-page.c - the window of the OpenCL devices: verdict, reason, which one to use
 *
 * The devices are tried in child processes of a thread's; here they are plain data. A choice is remembered by
 * platform, name and driver.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-devices"

#include "config.h"

#include "ui/devices-page.h"

#include <string.h>

#include <glib/gi18n.h>

#include "ui/bidi.h"
#include "ui/main-thread.h"
#include "ui/rows.h"

#define SETTING          "device"
#define LANGUAGE_SETTING "language-device"

/* What the thread brings. */
typedef struct
{
  GPtrArray *reports;
  GPtrArray *silent;
  char      *bundle; /* text of the bundle for the diagnostics */
  DescryEstimate seeing, answering;
} Findings;

struct _DescryDevicesPage
{
  AdwWindow           parent_instance;

  /* Template */
  AdwToastOverlay    *toasts;
  GtkButton          *again;
  GtkButton          *copy;
  GtkStack           *stack;
  AdwStatusPage      *none;
  AdwPreferencesPage *page;

  DescryEngine       *engine; /* or NULL */
  GSettings          *settings; /* or NULL */
  char               *bundle; /* name, or NULL */
  char               *chosen; /* key; "": the library chooses */
  GPtrArray          *reports; /* or NULL */
  GPtrArray          *silent; /* or NULL */
  char               *failure; /* of the newest test, or NULL */
  char               *bundle_text;
  char               *language_chosen; /* key; "": the device of everything */
  DescryEstimate      seeing, answering; /* memory needed; nothing before the test */
  GPtrArray          *groups; /* in the page */
  GCancellable       *cancellable; /* of the test under way */
  guint               show_source;
};

G_DEFINE_FINAL_TYPE (DescryDevicesPage, descry_devices_page, ADW_TYPE_WINDOW)

static void
free_findings (gpointer data)
{
  Findings *findings = data;

  g_clear_pointer (&findings->reports, g_ptr_array_unref);
  g_clear_pointer (&findings->silent, g_ptr_array_unref);
  g_free (findings->bundle);
  g_free (findings);
}

/* --------- In the thread ------------------ */

static char *
describe_bundle (const char     *name,
                 DescryEstimate *seeing,
                 DescryEstimate *answering)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryBundle) bundle = descry_bundle_open (name, &error);
  GString *text = g_string_new (NULL);
  guint i, j;

  if (bundle == NULL)
    {
      g_string_append_printf (text, "Bundle: %s\n", error->message);
      return g_string_free (text, FALSE);
    }

  descry_estimate_slots (bundle, 0, DESCRY_SLOT_LLM - 1, FALSE, seeing);
  descry_estimate_slots (bundle, DESCRY_SLOT_LLM, DESCRY_SLOT_LLM, TRUE, answering);
  g_string_append_printf (text, "Bundle: %s\n", bundle->name);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      for (j = 0; j < bundle->slots[i]->len; j++)
        {
          static const char *const hashes[] = { "not checked", "checked", "wrong" };
          const DescryBundleFile *file = g_ptr_array_index (bundle->slots[i], j);

          g_string_append_printf (text, "  %s: %s, %" G_GUINT64_FORMAT " bytes, SHA-256 %s (%s)\n", descry_slot_name (i), file->file, file->size,
                                  file->sha256, file->present ? hashes[descry_bundle_hash_state (file)] : "missing");
        }
      if (bundle->missing[i] != NULL)
        g_string_append_printf (text, "  %s: not usable: %s\n", descry_slot_name (i), bundle->missing[i]);
    }

  return g_string_free (text, FALSE);
}

typedef struct
{
  gboolean again;
  char    *bundle;
} Wish;

static void
free_wish (gpointer data)
{
  Wish *wish = data;

  g_free (wish->bundle);
  g_free (wish);
}

static void
test_thread (GTask        *task,
             gpointer      source,
             gpointer      data,
             GCancellable *cancellable)
{
  const Wish *wish = data;
  Findings *findings = g_new0 (Findings, 1);
  GError *error = NULL;

  findings->reports = descry_device_report (wish->again, cancellable, &error);
  if (findings->reports == NULL)
    {
      free_findings (findings);
      g_task_return_error (task, error);
      return;
    }

  findings->silent = descry_device_empty_platforms ();
  findings->bundle = describe_bundle (wish->bundle, &findings->seeing, &findings->answering);
  g_task_return_pointer (task, findings, free_findings);
}

/* --------- Testing ------------------ */

static void
tested_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  DescryDevicesPage *self = DESCRY_DEVICES_PAGE (source);
  g_autoptr (GError) error = NULL;
  Findings *findings = g_task_propagate_pointer (G_TASK (result), &error);

  /* Closed meanwhile, or another test has begun. */
  if (self->cancellable == NULL || self->cancellable != g_task_get_cancellable (G_TASK (result)))
    {
      g_clear_pointer (&findings, free_findings);
      return;
    }

  g_clear_object (&self->cancellable);
  if (findings != NULL)
    {
      g_free (self->bundle_text);
      self->bundle_text = g_steal_pointer (&findings->bundle);
      self->seeing = findings->seeing;
      self->answering = findings->answering;
    }
  descry_devices_page_show (self, findings != NULL ? findings->reports : NULL, findings != NULL ? findings->silent : NULL, error);
  g_clear_pointer (&findings, free_findings);
}

void
descry_devices_page_test (DescryDevicesPage *self,
                          gboolean           again)
{
  g_autoptr (GTask) task = NULL;
  Wish *wish;

  g_return_if_fail (DESCRY_IS_DEVICES_PAGE (self));

  if (self->cancellable != NULL)
    return;

  gtk_stack_set_visible_child_name (self->stack, "testing");
  gtk_widget_set_sensitive (GTK_WIDGET (self->again), FALSE);
  gtk_widget_set_sensitive (GTK_WIDGET (self->copy), FALSE);

  wish = g_new0 (Wish, 1);
  wish->again = again;
  wish->bundle = g_strdup (self->bundle);
  self->cancellable = g_cancellable_new ();
  task = g_task_new (self, self->cancellable, tested_cb, NULL);
  g_task_set_name (task, "descry devices");
  g_task_set_task_data (task, wish, free_wish);
  g_task_run_in_thread (task, test_thread);
}

gboolean
descry_devices_page_is_idle (DescryDevicesPage *self)
{
  return self->cancellable == NULL;
}

/* --------- The list ------------------ */

/* The engine knows what it has open; before it has, the choice and the probe's word count. */
static const DescryDeviceReport *
find_used (DescryDevicesPage *self)
{
  DescryEngineStatus *status = self->engine != NULL ? descry_engine_status (self->engine) : NULL;
  const DescryDeviceReport *used = NULL, *picked = NULL;
  guint i;

  for (i = 0; self->reports != NULL && i < self->reports->len; i++)
    {
      const DescryDeviceReport *report = g_ptr_array_index (self->reports, i);
      g_autofree char *title = g_strdup_printf ("%s: %s", report->platform, report->name);
      gboolean chosen = strcmp (report->key, self->chosen) == 0;

      if (report->verdict == DESCRY_VERDICT_NOT_USABLE)
        continue;
      /* Two drivers may offer one name: the chosen of them. */
      if (status != NULL && g_strcmp0 (status->device, title) == 0 && (used == NULL || chosen))
        used = report;
      if (chosen || (picked == NULL && report->verdict == DESCRY_VERDICT_IN_USE))
        picked = report;
    }
  if (used == NULL && (status == NULL || status->device == NULL))
    used = picked;
  g_clear_pointer (&status, descry_engine_status_free);

  return used;
}

static void
use_clicked_cb (GtkButton         *button,
                DescryDevicesPage *self)
{
  g_autofree char *key = g_strdup (g_object_get_data (G_OBJECT (button), "descry-key"));

  /* The button goes with the list. */
  descry_devices_page_use (self, key);
}

static GtkWidget *
make_use_button (DescryDevicesPage *self,
                 const char        *label,
                 const char        *key)
{
  GtkWidget *button = gtk_button_new_with_label (label);

  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  g_object_set_data_full (G_OBJECT (button), "descry-key", g_strdup (key), g_free);
  g_signal_connect_object (button, "clicked", G_CALLBACK (use_clicked_cb), self, 0);

  return button;
}

static void
add_fact (AdwExpanderRow *row,
          const char     *title,
          char           *text) /* taken */
{
  descry_row_add_fact (row, title, text);
  g_free (text);
}

static GtkWidget *
make_row (DescryDevicesPage        *self,
          const DescryDeviceReport *report,
          gboolean                  used)
{
  AdwExpanderRow *row = ADW_EXPANDER_ROW (adw_expander_row_new ());
  g_autofree char *verdict = NULL, *memory = NULL;

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), report->name);
  if (report->verdict == DESCRY_VERDICT_NOT_USABLE)
    verdict = g_strdup_printf (_("Not usable: %s"), report->reason);
  else
    verdict = g_strdup (used ? _("In use") : _("Available"));
  adw_expander_row_set_subtitle (row, verdict);

  if (used)
    adw_expander_row_add_prefix (row, gtk_image_new_from_icon_name ("emblem-ok-symbolic"));
  else if (report->verdict == DESCRY_VERDICT_NOT_USABLE)
    adw_expander_row_add_prefix (row, gtk_image_new_from_icon_name ("dialog-warning-symbolic"));
  else
    {
      GtkWidget *button = make_use_button (self, _("Use"), report->key);
      g_autofree char *name = g_strdup_printf (_("Use This Device: %s"), report->name);

      gtk_widget_set_tooltip_text (button, _("Use This Device"));
      gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
      adw_expander_row_add_action (row, button);
    }

  add_fact (row, _("Platform"), g_strdup (report->platform));
  /* Translators: version of the driver, then of OpenCL. */
  add_fact (row, _("Driver"), g_strdup_printf (_("%s, %s"), report->driver, report->version));
  add_fact (row, _("Memory"), g_strdup_printf (report->unified ? _("%s, shared with the computer") : _("%s, its own"),
                                               (memory = descry_bidi_size (report->global_memory))));
  add_fact (row, _("Largest buffer"), descry_bidi_size (report->max_allocation));
  add_fact (row, _("Compute units"), g_strdup_printf ("%u", report->compute_units));
  add_fact (row, _("Half precision"), g_strdup (report->half ? _("yes") : _("no")));
  if (report->self_test_ms > 0.0)
    add_fact (row, _("Self-test"), g_strdup_printf (report->cached ? _("%.1f s, an earlier time") : _("%.1f s, now"), report->self_test_ms / 1000.0));

  return GTK_WIDGET (row);
}

static AdwPreferencesGroup *
add_group (DescryDevicesPage *self)
{
  GtkWidget *group = adw_preferences_group_new ();

  adw_preferences_page_add (self->page, ADW_PREFERENCES_GROUP (group));
  g_ptr_array_add (self->groups, group);
  return ADW_PREFERENCES_GROUP (group);
}

/* By hand or by the library, and the way back. */
static void
add_choice (DescryDevicesPage *self)
{
  g_auto (GStrv) parts = g_strsplit (self->chosen, "\t", 3);
  gboolean by_hand = *self->chosen != '\0', found = FALSE;
  g_autofree char *text = NULL;
  GtkWidget *row;
  guint i;

  for (i = 0; by_hand && i < self->reports->len; i++)
    {
      const DescryDeviceReport *report = g_ptr_array_index (self->reports, i);

      found = found || (strcmp (report->key, self->chosen) == 0 && report->verdict != DESCRY_VERDICT_NOT_USABLE);
    }

  if (!by_hand)
    text = g_strdup (_("Automatic: the first usable one, graphics processors first"));
  else if (found)
    text = g_strdup_printf (_("By hand: %s"), parts[1] != NULL ? parts[1] : self->chosen);
  else
    text = g_strdup_printf (_("%s was chosen, but it is not there, not usable or has another driver; the choice is automatic"),
                            parts[1] != NULL ? parts[1] : self->chosen);
  row = descry_row_new (_("Choice"), text);
  if (by_hand)
    adw_action_row_add_suffix (ADW_ACTION_ROW (row), make_use_button (self, _("Automatic"), ""));
  adw_preferences_group_add (add_group (self), row);
}

/* --------- Placement ------------------ */

static guint64
sum_estimate (const DescryEstimate *estimate)
{
  return estimate->weights + estimate->cache + estimate->work;
}

/* What is needed of what there is, known before anything is loaded. */
static char *
tell_needs (const DescryEstimate     *estimate,
            const DescryDeviceReport *report)
{
  g_autofree char *needed = descry_bidi_size (sum_estimate (estimate)), *memory = NULL;

  if (report == NULL)
    return g_strdup_printf (_("needs %s at most"), needed);
  memory = descry_bidi_size (report->global_memory);
  return g_strdup_printf (descry_estimate_fits (estimate, report->global_memory, report->max_allocation)
                            /* Translators: memory needed, then of the device. */
                            ? _("needs %s at most of %s: fits")
                            : _("needs %s at most of %s: does not fit"),
                          needed, memory);
}

static const DescryDeviceReport *
find_report (DescryDevicesPage *self,
             const char        *key)
{
  guint i;

  for (i = 0; i < self->reports->len; i++)
    {
      const DescryDeviceReport *report = g_ptr_array_index (self->reports, i);

      if (report->verdict != DESCRY_VERDICT_NOT_USABLE && strcmp (report->key, key) == 0)
        return report;
    }

  return NULL;
}

static void
language_selected_cb (AdwComboRow       *row,
                      GParamSpec        *pspec,
                      DescryDevicesPage *self)
{
  const GPtrArray *keys = g_object_get_data (G_OBJECT (row), "descry-keys");

  descry_devices_page_use_for_language (self, g_ptr_array_index (keys, adw_combo_row_get_selected (row)));
}

/* Pictures are looked at on one device; the language model may have its own. */
static void
add_placement (DescryDevicesPage        *self,
               const DescryDeviceReport *used)
{
  AdwPreferencesGroup *group = add_group (self);
  const DescryDeviceReport *own = find_report (self, self->language_chosen);
  g_autoptr (GtkStringList) names = gtk_string_list_new (NULL);
  GPtrArray *keys = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *seeing = tell_needs (&self->seeing, used), *answering = tell_needs (&self->answering, own != NULL ? own : used);
  g_autofree char *name = NULL, *text = NULL;
  GtkWidget *row;
  guint i, selected = 0;

  adw_preferences_group_set_title (group, _("Placement"));
  /* Translators: name of a device, what is needed of its memory. */
  name = used != NULL ? descry_bidi_isolate (used->name) : NULL;
  text = name != NULL ? g_strdup_printf (_("%s: %s"), name, seeing) : g_strdup (seeing);
  adw_preferences_group_add (group, descry_row_new (_("Looking at pictures"), text));

  gtk_string_list_append (names, _("The same device"));
  g_ptr_array_add (keys, g_strdup (""));
  for (i = 0; i < self->reports->len; i++)
    {
      const DescryDeviceReport *report = g_ptr_array_index (self->reports, i);

      if (report->verdict == DESCRY_VERDICT_NOT_USABLE)
        continue;
      if (report == own)
        selected = keys->len;
      gtk_string_list_append (names, report->name);
      g_ptr_array_add (keys, g_strdup (report->key));
    }
  row = adw_combo_row_new ();
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _("Answering"));
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), answering);
  adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 0);
  adw_combo_row_set_model (ADW_COMBO_ROW (row), G_LIST_MODEL (names));
  adw_combo_row_set_selected (ADW_COMBO_ROW (row), selected);
  g_object_set_data_full (G_OBJECT (row), "descry-keys", keys, (GDestroyNotify) g_ptr_array_unref);
  g_signal_connect_object (row, "notify::selected", G_CALLBACK (language_selected_cb), self, 0);
  adw_preferences_group_add (group, row);
}

/* --------- All of it ------------------ */

static void
show_devices (DescryDevicesPage *self)
{
  const DescryDeviceReport *used = find_used (self);
  AdwPreferencesGroup *group;
  guint i;

  descry_assert_main_thread ();

  for (i = 0; i < self->groups->len; i++)
    adw_preferences_page_remove (self->page, g_ptr_array_index (self->groups, i));
  g_ptr_array_set_size (self->groups, 0);

  if (self->reports == NULL || self->reports->len == 0)
    {
      g_autofree char *text = g_markup_escape_text (self->failure != NULL
                                                      ? self->failure
                                                      : _("No OpenCL device was found. Install a driver: the package pocl-opencl-icd runs on every processor."), -1);

      adw_status_page_set_description (self->none, text);
      gtk_stack_set_visible_child_name (self->stack, "none");
      return;
    }

  add_choice (self);
  group = add_group (self);
  adw_preferences_group_set_title (group, _("Devices"));
  for (i = 0; i < self->reports->len; i++)
    {
      const DescryDeviceReport *report = g_ptr_array_index (self->reports, i);

      adw_preferences_group_add (group, make_row (self, report, report == used));
    }
  for (i = 0; self->silent != NULL && i < self->silent->len; i++)
    adw_preferences_group_add (group, descry_row_new (g_ptr_array_index (self->silent, i), _("This platform offers no device")));
  add_placement (self, used);
  gtk_stack_set_visible_child_name (self->stack, "devices");
}

void
descry_devices_page_show (DescryDevicesPage *self,
                          GPtrArray         *reports,
                          GPtrArray         *silent,
                          const GError      *error)
{
  g_return_if_fail (DESCRY_IS_DEVICES_PAGE (self));

  g_clear_pointer (&self->reports, g_ptr_array_unref);
  g_clear_pointer (&self->silent, g_ptr_array_unref);
  g_clear_pointer (&self->failure, g_free);
  self->reports = reports != NULL ? g_ptr_array_ref (reports) : NULL;
  self->silent = silent != NULL ? g_ptr_array_ref (silent) : NULL;
  self->failure = error != NULL ? g_strdup (error->message) : NULL;
  gtk_widget_set_sensitive (GTK_WIDGET (self->again), TRUE);
  gtk_widget_set_sensitive (GTK_WIDGET (self->copy), TRUE);
  show_devices (self);
}

void
descry_devices_page_use (DescryDevicesPage *self,
                         const char        *key)
{
  g_return_if_fail (DESCRY_IS_DEVICES_PAGE (self) && key != NULL);

  g_free (self->chosen);
  self->chosen = g_strdup (key);
  if (self->settings != NULL)
    g_settings_set_string (self->settings, SETTING, key);
  if (self->engine != NULL)
    descry_engine_reload (self->engine, key);
  adw_toast_overlay_add_toast (self->toasts, adw_toast_new (_("The device is opened after the running work")));
  if (self->cancellable == NULL)
    show_devices (self);
}

static gboolean
show_later_cb (gpointer data)
{
  DescryDevicesPage *self = data;

  self->show_source = 0;
  if (self->cancellable == NULL)
    show_devices (self);
  return G_SOURCE_REMOVE;
}

void
descry_devices_page_use_for_language (DescryDevicesPage *self,
                                      const char        *key)
{
  g_return_if_fail (DESCRY_IS_DEVICES_PAGE (self) && key != NULL);

  if (strcmp (self->language_chosen, key) == 0)
    return;
  g_free (self->language_chosen);
  self->language_chosen = g_strdup (key);
  if (self->settings != NULL)
    g_settings_set_string (self->settings, LANGUAGE_SETTING, key);
  if (self->engine != NULL)
    descry_engine_place_language (self->engine, key);
  /* The row that was chosen in goes with the list, so not from inside of it. */
  if (self->show_source == 0)
    self->show_source = g_idle_add (show_later_cb, self);
}

static void
engine_changed_cb (DescryDevicesPage *self)
{
  if (self->cancellable == NULL && self->reports != NULL)
    show_devices (self);
}

/* --------- Diagnostics ------------------ */

/* Not translated: it is read by those who mend the program. */
char *
descry_devices_page_diagnose (DescryDevicesPage *self)
{
  static const char *const verdicts[] = { "usable, first", "usable", "not usable" };
  g_autofree char *system = g_get_os_info (G_OS_INFO_KEY_PRETTY_NAME);
  g_auto (GStrv) choice = NULL;
  g_autofree char *chosen = NULL;
  GString *text = g_string_new (NULL);
  guint i;

  g_return_val_if_fail (DESCRY_IS_DEVICES_PAGE (self), NULL);

  choice = g_strsplit (self->chosen, "\t", -1);
  chosen = g_strjoinv (" / ", choice);
  g_string_append_printf (text, "Descry %s\nSystem: %s\nGTK %u.%u.%u, libadwaita %u.%u.%u, GLib %u.%u.%u\n", DESCRY_VERSION, system != NULL ? system : "unknown",
                          gtk_get_major_version (), gtk_get_minor_version (), gtk_get_micro_version (),
                          adw_get_major_version (), adw_get_minor_version (), adw_get_micro_version (),
                          glib_major_version, glib_minor_version, glib_micro_version);
  g_string_append_printf (text, "Chosen device: %s\n", *chosen != '\0' ? chosen : "automatic");
  if (self->engine != NULL)
    {
      DescryEngineStatus *status = descry_engine_status (self->engine);

      if (status->language_device != NULL || status->language_error != NULL)
        g_string_append_printf (text, "Device of the language model: %s\n", status->language_device != NULL ? status->language_device : status->language_error);
      g_string_append_printf (text, "Memory taken: %" G_GUINT64_FORMAT " bytes\n", status->device_bytes);
      g_string_append_printf (text, "Open device: %s\n", status->device != NULL ? status->device : status->device_error != NULL ? status->device_error : "none yet");
      descry_engine_status_free (status);
    }
  if (self->failure != NULL)
    g_string_append_printf (text, "Test of devices: %s\n", self->failure);
  for (i = 0; self->reports != NULL && i < self->reports->len; i++)
    {
      const DescryDeviceReport *report = g_ptr_array_index (self->reports, i);

      g_string_append_printf (text, "Device: %s / %s\n  driver %s, %s\n  %s%s%s\n", report->platform, report->name, report->driver, report->version,
                              verdicts[report->verdict], report->reason != NULL ? ": " : "", report->reason != NULL ? report->reason : "");
      g_string_append_printf (text, "  memory %" G_GUINT64_FORMAT ", largest buffer %" G_GUINT64_FORMAT ", local memory %" G_GUINT64_FORMAT " bytes%s\n",
                              report->global_memory, report->max_allocation, report->local_memory, report->unified ? ", shared with the host" : "");
      g_string_append_printf (text, "  compute units %u, half %s, self-test %.0f ms%s\n", report->compute_units, report->half ? "yes" : "no",
                              report->self_test_ms, report->cached ? " (earlier)" : "");
    }
  for (i = 0; self->silent != NULL && i < self->silent->len; i++)
    g_string_append_printf (text, "Platform without a device: %s\n", (const char *) g_ptr_array_index (self->silent, i));
  if (self->bundle_text != NULL)
    g_string_append (text, self->bundle_text);

  return g_string_free (text, FALSE);
}

static void
copy_cb (DescryDevicesPage *self)
{
  g_autofree char *text = descry_devices_page_diagnose (self);

  gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (self)), text);
  adw_toast_overlay_add_toast (self->toasts, adw_toast_new (_("Diagnostics copied")));
}

static void
again_cb (DescryDevicesPage *self)
{
  descry_devices_page_test (self, TRUE);
}

/* --------- Window ------------------ */

static void
descry_devices_page_dispose (GObject *object)
{
  DescryDevicesPage *self = DESCRY_DEVICES_PAGE (object);

  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_handle_id (&self->show_source, g_source_remove);
  g_clear_object (&self->engine);
  g_clear_object (&self->settings);
  g_clear_pointer (&self->reports, g_ptr_array_unref);
  g_clear_pointer (&self->silent, g_ptr_array_unref);
  g_clear_pointer (&self->groups, g_ptr_array_unref);
  gtk_widget_dispose_template (GTK_WIDGET (self), DESCRY_TYPE_DEVICES_PAGE);

  G_OBJECT_CLASS (descry_devices_page_parent_class)->dispose (object);
}

static void
descry_devices_page_finalize (GObject *object)
{
  DescryDevicesPage *self = DESCRY_DEVICES_PAGE (object);

  g_clear_pointer (&self->bundle, g_free);
  g_clear_pointer (&self->chosen, g_free);
  g_clear_pointer (&self->language_chosen, g_free);
  g_clear_pointer (&self->failure, g_free);
  g_clear_pointer (&self->bundle_text, g_free);

  G_OBJECT_CLASS (descry_devices_page_parent_class)->finalize (object);
}

static void
descry_devices_page_class_init (DescryDevicesPageClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = descry_devices_page_dispose;
  G_OBJECT_CLASS (class)->finalize = descry_devices_page_finalize;

  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/devices-page.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryDevicesPage, toasts);
  gtk_widget_class_bind_template_child (widget_class, DescryDevicesPage, again);
  gtk_widget_class_bind_template_child (widget_class, DescryDevicesPage, copy);
  gtk_widget_class_bind_template_child (widget_class, DescryDevicesPage, stack);
  gtk_widget_class_bind_template_child (widget_class, DescryDevicesPage, none);
  gtk_widget_class_bind_template_child (widget_class, DescryDevicesPage, page);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_w, GDK_CONTROL_MASK, "window.close", NULL);
}

static void
descry_devices_page_init (DescryDevicesPage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->groups = g_ptr_array_new ();
  g_signal_connect_object (self->again, "clicked", G_CALLBACK (again_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->copy, "clicked", G_CALLBACK (copy_cb), self, G_CONNECT_SWAPPED);
}

GtkWidget *
descry_devices_page_new (GtkWindow    *parent,
                         DescryEngine *engine,
                         GSettings    *settings,
                         const char   *bundle)
{
  DescryDevicesPage *self = g_object_new (DESCRY_TYPE_DEVICES_PAGE, "transient-for", parent, "destroy-with-parent", TRUE, NULL);

  self->engine = engine != NULL ? g_object_ref (engine) : NULL;
  self->settings = settings != NULL ? g_object_ref (settings) : NULL;
  self->bundle = g_strdup (bundle);
  self->chosen = settings != NULL ? g_settings_get_string (settings, SETTING) : g_strdup ("");
  self->language_chosen = settings != NULL ? g_settings_get_string (settings, LANGUAGE_SETTING) : g_strdup ("");
  if (engine != NULL)
    g_signal_connect_object (engine, "changed", G_CALLBACK (engine_changed_cb), self, G_CONNECT_SWAPPED);

  return GTK_WIDGET (self);
}
