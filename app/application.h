/* application.h - the AdwApplication: windows, actions, accelerators
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Runs the application with the command line's pictures; the process's exit status. */
int descry_application_main (int    argc,
                             char **argv);

G_END_DECLS
