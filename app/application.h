/* application.h - the AdwApplication: windows, actions, accelerators
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "compute/lyrics/engine.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_APPLICATION (descry_application_get_type ())
G_DECLARE_FINAL_TYPE (DescryApplication, descry_application, DESCRY, APPLICATION, AdwApplication)

DescryApplication *descry_application_new (void);

/* Runs the application with the command line's pictures; the process's exit status. */
int                descry_application_main (int argc, char **argv);

G_END_DECLS
