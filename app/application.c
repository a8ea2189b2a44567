/* application.c - the AdwApplication: windows, actions, accelerators
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-application"

#include "config.h"

#include "app/application.h"

#include <glib/gi18n.h>

#include "app/library-window.h"
#include "app/session.h"
#include "ui/accels.h"
#include "ui/devices-page.h"
#include "ui/main-thread.h"
#include "ui/models-page.h"
#include "ui/preferences.h"
#include "ui/window.h"

struct _DescryApplication
{
  AdwApplication parent_instance;

  char          *bundle;
  char          *device;
  DescryEngine  *engine; /* of all windows; made with the first */
  DescryLibrary *library; /* the same */
  DescrySession *session; /* the same */
  GSettings     *settings; /* NULL when the schema is not installed */
  GtkWidget     *models; /* the windows of these names, while open */
  GtkWidget     *devices;
  GtkWidget     *preferences;
  GMemoryMonitor *memory;
};

G_DEFINE_FINAL_TYPE (DescryApplication, descry_application, ADW_TYPE_APPLICATION)

/* Sessions of other bundles know the picture too. */
static void
forgotten_cb (DescryLibrary     *library,
              const char        *hash,
              DescryApplication *self)
{
  GList *l;

  if (hash == NULL)
    descry_session_forget (self->session, NULL);
  for (l = gtk_application_get_windows (GTK_APPLICATION (self)); hash != NULL && l != NULL; l = l->next)
    if (DESCRY_IS_WINDOW (l->data) && descry_window_is_forgotten (l->data) && descry_window_get_path (l->data) != NULL)
      descry_session_forget (self->session, descry_window_get_path (l->data));
}

static GtkWidget *
add_window (DescryApplication *self)
{
  GtkWidget *window;

  if (self->engine == NULL)
    {
      g_autofree char *chosen = self->settings != NULL ? g_settings_get_string (self->settings, "device") : g_strdup ("");

      /* The command line's word counts more than an earlier choice. */
      self->engine = descry_local_engine_new (self->bundle, self->device != NULL ? self->device : *chosen != '\0' ? chosen : NULL);
      if (self->settings != NULL)
        {
          g_autofree char *language = g_settings_get_string (self->settings, "language-device");

          descry_preferences_follow (self->settings, self->engine);
          if (*language != '\0')
            descry_engine_place_language (self->engine, language);
        }
      /* The system runs out of memory: what can be loaded again goes. */
      self->memory = g_memory_monitor_dup_default ();
      g_signal_connect_object (self->memory, "low-memory-warning", G_CALLBACK (descry_engine_unload), self->engine, G_CONNECT_SWAPPED);
    }

  if (self->library == NULL)
    self->library = descry_library_new (NULL);
  if (self->session == NULL)
    {
      g_autofree char *path = descry_session_path (self->bundle);

      self->session = descry_session_new (path);
    }

  window = descry_window_new (GTK_APPLICATION (self), self->engine, self->settings);
  descry_library_attach (self->library, DESCRY_WINDOW (window), self->engine);
  /* After the windows' own, so that they know. */
  g_signal_handlers_disconnect_by_func (self->library, forgotten_cb, self);
  g_signal_connect_object (self->library, "forgotten", G_CALLBACK (forgotten_cb), self, G_CONNECT_AFTER);
  descry_session_watch (self->session, DESCRY_WINDOW (window));
  return window;
}

static DescryWindow *
add_another (gpointer data)
{
  return DESCRY_WINDOW (add_window (data));
}

/* --------- Actions ------------------ */

static void
new_window_action (GSimpleAction *action,
                   GVariant      *parameter,
                   gpointer       data)
{
  gtk_window_present (GTK_WINDOW (add_window (data)));
}

static void
quit_action (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       data)
{
  GList *windows;

  if (DESCRY_APPLICATION (data)->session != NULL)
    descry_session_freeze (DESCRY_APPLICATION (data)->session);
  /* Closing, not quitting: each window cancels its own work. */
  while ((windows = gtk_application_get_windows (data)) != NULL)
    gtk_window_destroy (windows->data);
}

/* The window that a page belongs to: it goes with it. */
static GtkWindow *
get_parent (DescryApplication *self)
{
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (self));

  if (window == NULL)
    {
      window = GTK_WINDOW (add_window (self));
      gtk_window_present (window);
    }

  return window;
}

/* One of a kind. */
static void
keep_page (GtkWidget **place,
           GtkWidget  *page)
{
  *place = page;
  g_signal_connect_swapped (page, "destroy", G_CALLBACK (g_nullify_pointer), place);
}

static void
models_action (GSimpleAction *action,
               GVariant      *parameter,
               gpointer       data)
{
  DescryApplication *self = data;

  if (self->models == NULL)
    {
      GtkWindow *parent = get_parent (self);

      keep_page (&self->models, descry_models_page_new (parent, self->engine, self->settings, self->bundle));
    }
  gtk_window_present (GTK_WINDOW (self->models));
}

static void
devices_action (GSimpleAction *action,
                GVariant      *parameter,
                gpointer       data)
{
  DescryApplication *self = data;

  if (self->devices == NULL)
    {
      GtkWindow *parent = get_parent (self);

      keep_page (&self->devices, descry_devices_page_new (parent, self->engine, self->settings, self->bundle));
      descry_devices_page_test (DESCRY_DEVICES_PAGE (self->devices), FALSE);
    }
  gtk_window_present (GTK_WINDOW (self->devices));
}

static void
preferences_action (GSimpleAction *action,
                    GVariant      *parameter,
                    gpointer       data)
{
  DescryApplication *self = data;

  if (self->preferences == NULL)
    keep_page (&self->preferences, descry_preferences_new (get_parent (self), self->settings));
  gtk_window_present (GTK_WINDOW (self->preferences));
}

static void
about_action (GSimpleAction *action,
              GVariant      *parameter,
              gpointer       data)
{
  GtkWindow *window = gtk_application_get_active_window (data);
  g_autofree char *versions = g_strdup_printf ("Descry %s\nGTK %u.%u.%u\nlibadwaita %u.%u.%u\nGLib %u.%u.%u\n", DESCRY_VERSION,
                                               gtk_get_major_version (), gtk_get_minor_version (), gtk_get_micro_version (),
                                               adw_get_major_version (), adw_get_minor_version (), adw_get_micro_version (),
                                               glib_major_version, glib_minor_version, glib_micro_version);

  adw_show_about_window (window,
                         "application-name", _("Descry"),
                         "application-icon", DESCRY_APPLICATION_ID,
                         "version", DESCRY_VERSION,
                         "comments", _("Open a photo, see what is in it, click it, ask about it. Everything stays on this computer."),
                         "developer-name", _("The Descry authors"),
                         "license-type", GTK_LICENSE_GPL_3_0,
                         "debug-info", versions,
                         "debug-info-filename", "descry.txt",
                         /* Translators: your name, as credit for the translation. */
                         "translator-credits", _("translator-credits"),
                         NULL);
}

/* --------- Application ------------------ */

static void
descry_application_startup (GApplication *application)
{
  static const GActionEntry entries[] = {
    { "new-window", new_window_action },
    { "quit", quit_action },
    { "about", about_action },
    { "models", models_action },
    { "devices", devices_action },
    { "preferences", preferences_action },
  };
  DescryApplication *self = DESCRY_APPLICATION (application);
  g_autoptr (GSettingsSchema) schema = NULL;

  G_APPLICATION_CLASS (descry_application_parent_class)->startup (application);
  descry_ui_init ();
  gtk_window_set_default_icon_name (DESCRY_APPLICATION_ID);

  /* g_settings_new() ends the process without the schema; running uninstalled must not. */
  schema = g_settings_schema_source_lookup (g_settings_schema_source_get_default (), DESCRY_APPLICATION_ID, TRUE);
  if (schema != NULL)
    self->settings = g_settings_new (DESCRY_APPLICATION_ID);

  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  /* Nothing would be remembered. */
  g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (G_ACTION_MAP (self), "preferences")), self->settings != NULL);
  descry_accels_add (GTK_APPLICATION (self));
}

static void
descry_application_activate (GApplication *application)
{
  DescryApplication *self = DESCRY_APPLICATION (application);
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (application));

  if (window == NULL)
    {
      window = GTK_WINDOW (add_window (self));
      if (self->settings != NULL && g_settings_get_boolean (self->settings, "open-last"))
        descry_session_restore (self->session, DESCRY_WINDOW (window), add_another, self);
    }
  gtk_window_present (window);
}

static void
descry_application_open (GApplication *application,
                         GFile       **files,
                         int           n_files,
                         const char   *hint)
{
  int i;

  for (i = 0; i < n_files; i++)
    {
      GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (application));

      /* An empty window takes the picture, a busy one keeps its own. */
      if (window == NULL || !DESCRY_IS_WINDOW (window) || descry_window_has_picture (DESCRY_WINDOW (window)))
        window = GTK_WINDOW (add_window (DESCRY_APPLICATION (application)));
      descry_window_open (DESCRY_WINDOW (window), files[i]);
      gtk_window_present (window);
    }
}

static int
descry_application_handle_local_options (GApplication *application,
                                         GVariantDict *options)
{
  DescryApplication *self = DESCRY_APPLICATION (application);

  g_variant_dict_lookup (options, "bundle", "s", &self->bundle);
  g_variant_dict_lookup (options, "device", "s", &self->device);
  /* Another bundle or device is another process: the running one has its own open. */
  if (self->bundle != NULL || self->device != NULL)
    g_application_set_flags (application, g_application_get_flags (application) | G_APPLICATION_NON_UNIQUE);

  return -1;
}

static void
descry_application_finalize (GObject *object)
{
  DescryApplication *self = DESCRY_APPLICATION (object);

  /* A job that still runs holds the engine: its thread must not outlive the main loop. */
  if (self->engine != NULL)
    g_object_run_dispose (G_OBJECT (self->engine));
  g_clear_object (&self->engine);
  g_clear_pointer (&self->session, descry_session_free);
  g_clear_object (&self->library); /* waits until all is written */
  g_clear_object (&self->memory);
  g_clear_object (&self->settings);
  g_clear_pointer (&self->bundle, g_free);
  g_clear_pointer (&self->device, g_free);

  G_OBJECT_CLASS (descry_application_parent_class)->finalize (object);
}

static void
descry_application_class_init (DescryApplicationClass *class)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = descry_application_finalize;
  application_class->startup = descry_application_startup;
  application_class->activate = descry_application_activate;
  application_class->open = descry_application_open;
  application_class->handle_local_options = descry_application_handle_local_options;
}

static void
descry_application_init (DescryApplication *self)
{
  static const GOptionEntry entries[] = {
    { "bundle", 'b', 0, G_OPTION_ARG_STRING, NULL, N_("Folder or name of the bundle of models"), N_("BUNDLE") },
    { "device", 'd', 0, G_OPTION_ARG_STRING, NULL, N_("OpenCL device: number or part of its name"), N_("DEVICE") },
    { NULL },
  };

  g_application_add_main_option_entries (G_APPLICATION (self), entries);
  g_application_set_option_context_parameter_string (G_APPLICATION (self), _("[IMAGE…]"));
}

DescryApplication *
descry_application_new (void)
{
  return g_object_new (DESCRY_TYPE_APPLICATION,
                       "application-id", DESCRY_APPLICATION_ID,
                       "flags", G_APPLICATION_HANDLES_OPEN,
                       "resource-base-path", DESCRY_RESOURCE_BASE,
                       NULL);
}

int
descry_application_main (int    argc,
                         char **argv)
{
  g_autoptr (DescryApplication) application = descry_application_new ();

  return g_application_run (G_APPLICATION (application), argc, argv);
}
