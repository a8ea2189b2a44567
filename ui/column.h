/* column.h - a column of paragraphs in a scrolled window that draws those that are in view
 *
 * GTK hands all children of a box to the renderer, and the one that draws with Cairo works through the glyphs of all of them
 * before it clips them: a long answer would make every frame of the window slower.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define DESCRY_TYPE_COLUMN (descry_column_get_type ())
G_DECLARE_FINAL_TYPE (DescryColumn, descry_column, DESCRY, COLUMN, GtkBox)

GtkWidget *descry_column_new     (int spacing);

/* Children that the newest snapshot left out. */
guint      descry_column_skipped (DescryColumn *self);

G_END_DECLS
