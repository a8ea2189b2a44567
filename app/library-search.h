/* library-search.h - a window to search conversations in
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "app/library.h"

G_BEGIN_DECLS

/* Somebody wants the turn: found is borrowed. */
typedef void (*DescrySearchFunc) (const DescryFoundTurn *found, gpointer data);

/* Modal over @parent; it closes when a hit is chosen. @chosen is not called after @parent has gone. */
GtkWidget *descry_search_new (GtkWindow *parent, DescryLibrary *library, DescrySearchFunc chosen, gpointer data);

G_END_DECLS
