/* object-menu.h - what can be done with the selected objects, the same on the picture and in the list
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* A menu at a point of @parent, to be unparented by it. @solo: something is shown alone. */
GtkWidget *descry_object_menu_popup (GtkWidget *parent, guint n_selected, gboolean solo, double x, double y);

G_END_DECLS
