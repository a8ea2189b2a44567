/* main-thread.c - UI objects are touched by one thread only, and that is checked
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ui"

#include "config.h"

#include "ui/main-thread.h"

#include <adwaita.h>

#include "descry-resources.h"

static GThread *main_thread;

gboolean
descry_ui_is_main_thread (void)
{
  return main_thread != NULL && g_thread_self () == main_thread;
}

void
descry_ui_init (void)
{
  g_autoptr (GtkCssProvider) provider = NULL;

  if (main_thread != NULL)
    return;

  main_thread = g_thread_self ();
  adw_init ();
  /* A static library's constructors run only if something refers to them. */
  g_resources_register (descry_ui_get_resource ());

  provider = gtk_css_provider_new ();
  gtk_css_provider_load_from_resource (provider, DESCRY_RESOURCE_BASE "/style.css");
  gtk_style_context_add_provider_for_display (gdk_display_get_default (), GTK_STYLE_PROVIDER (provider),
                                              GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
}
