/* preferences.c - the window of the preferences, and what they mean for a question
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-preferences"

#include "config.h"

#include "ui/preferences.h"

struct _DescryPreferences
{
  AdwPreferencesWindow parent_instance;

  /* Template */
  GtkSwitch     *open_last;
  GtkAdjustment *unload_minutes;
  GtkSwitch     *greedy;
  GtkAdjustment *max_tokens;
  GtkWidget     *temperature_row;
  GtkAdjustment *temperature;
  GtkWidget     *top_p_row;
  GtkAdjustment *top_p;
  GtkWidget     *seed_row;
  GtkAdjustment *seed;
  GtkButton     *reset;

  GSettings     *settings;
};

G_DEFINE_FINAL_TYPE (DescryPreferences, descry_preferences, ADW_TYPE_PREFERENCES_WINDOW)

static const char *const generation_keys[] = { "greedy", "max-tokens", "temperature", "top-p", "seed" };

/* --------- What they mean ------------------ */

void
descry_preferences_read (GSettings        *settings,
                         DescryAskOptions *options)
{
  if (settings == NULL)
    return;

  options->max_tokens = (guint) g_settings_get_int (settings, "max-tokens");
  options->no_lora = !g_settings_get_boolean (settings, "use-adapter");
  options->no_connector = !g_settings_get_boolean (settings, "use-connector");
  if (g_settings_get_boolean (settings, "greedy"))
    return;
  options->temperature = (float) g_settings_get_double (settings, "temperature");
  options->top_p = (float) g_settings_get_double (settings, "top-p");
  options->seed = (guint64) g_settings_get_int (settings, "seed");
}

static void
unload_changed_cb (DescryEngine *engine,
                   const char   *key,
                   GSettings    *settings)
{
  descry_engine_set_idle (engine, 60 * (guint) g_settings_get_int (settings, "unload-minutes"));
}

void
descry_preferences_follow (GSettings    *settings,
                           DescryEngine *engine)
{
  g_signal_connect_object (settings, "changed::unload-minutes", G_CALLBACK (unload_changed_cb), engine, G_CONNECT_SWAPPED);
  unload_changed_cb (engine, NULL, settings);
}

/* --------- Window ------------------ */

static void
reset_cb (DescryPreferences *self)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (generation_keys); i++)
    g_settings_reset (self->settings, generation_keys[i]);
}

static void
descry_preferences_dispose (GObject *object)
{
  DescryPreferences *self = DESCRY_PREFERENCES (object);

  g_clear_object (&self->settings);
  gtk_widget_dispose_template (GTK_WIDGET (self), DESCRY_TYPE_PREFERENCES);

  G_OBJECT_CLASS (descry_preferences_parent_class)->dispose (object);
}

static void
descry_preferences_class_init (DescryPreferencesClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = descry_preferences_dispose;
  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/preferences.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, open_last);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, unload_minutes);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, greedy);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, max_tokens);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, temperature_row);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, temperature);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, top_p_row);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, top_p);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, seed_row);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, seed);
  gtk_widget_class_bind_template_child (widget_class, DescryPreferences, reset);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_w, GDK_CONTROL_MASK, "window.close", NULL);
}

static void
descry_preferences_init (DescryPreferences *self)
{
  GBindingFlags flags = G_BINDING_SYNC_CREATE | G_BINDING_INVERT_BOOLEAN;

  gtk_widget_init_template (GTK_WIDGET (self));
  g_object_bind_property (self->greedy, "active", self->temperature_row, "sensitive", flags);
  g_object_bind_property (self->greedy, "active", self->top_p_row, "sensitive", flags);
  g_object_bind_property (self->greedy, "active", self->seed_row, "sensitive", flags);
  g_signal_connect_object (self->reset, "clicked", G_CALLBACK (reset_cb), self, G_CONNECT_SWAPPED);
}

GtkWidget *
descry_preferences_new (GtkWindow *parent,
                        GSettings *settings)
{
  DescryPreferences *self = g_object_new (DESCRY_TYPE_PREFERENCES, "transient-for", parent, "destroy-with-parent", TRUE, NULL);

  self->settings = g_object_ref (settings);
  g_settings_bind (settings, "open-last", self->open_last, "active", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "unload-minutes", self->unload_minutes, "value", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "greedy", self->greedy, "active", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "max-tokens", self->max_tokens, "value", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "temperature", self->temperature, "value", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "top-p", self->top_p, "value", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "seed", self->seed, "value", G_SETTINGS_BIND_DEFAULT);

  return GTK_WIDGET (self);
}
