/* accels.h - the keys of the program's and the windows' actions
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

void descry_accels_add (GtkApplication *application);

G_END_DECLS
