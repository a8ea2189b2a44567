/* rows.h - rows and buttons that several windows are made of
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

/* Title over text, both plain, the text as long as it is. */
GtkWidget *descry_row_new      (const char *title, const char *text);

/* The same inside @row. */
void       descry_row_add_fact (AdwExpanderRow *row, const char *title, const char *text);

/* A flat button with an icon; @name is its tooltip and what a screen reader says. */
GtkWidget *descry_row_button   (const char *icon, const char *name);

G_END_DECLS
