/* application.c - the AdwApplication: windows, actions, accelerators
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-application"

#include "config.h"

#include "app/application.h"

#include <adwaita.h>

static void
activate_cb (GApplication *application)
{
  GtkWidget *window = adw_application_window_new (GTK_APPLICATION (application));

  gtk_window_present (GTK_WINDOW (window));
}

int
descry_application_main (int    argc,
                         char **argv)
{
  g_autoptr (AdwApplication) application = adw_application_new (DESCRY_APPLICATION_ID, G_APPLICATION_DEFAULT_FLAGS);

  g_signal_connect (application, "activate", G_CALLBACK (activate_cb), NULL);
  return g_application_run (G_APPLICATION (application), argc, argv);
}
