/* card.h - a window that shows a model card, or another short text in Markdown
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

/* Headings, paragraphs, lists and tables become widgets, **strong** and `code` are set so; everything else stays text. */
GtkWidget *descry_card_new      (GtkWindow *parent, const char *title, const char *markdown);

/* The card of the networks that Descry's own trainer made. */
GtkWidget *descry_card_new_own  (GtkWindow *parent);

/* A line of Markdown as Pango markup. (transfer full) */
char      *descry_card_markup   (const char *line);

G_END_DECLS
