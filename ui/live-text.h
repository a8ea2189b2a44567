/* live-text.h - a paragraph that is still being written
 *
 * A label lays out all of its text, several times, whenever a word comes. Here only the last lines are laid out: lines before
 * them cannot change any more, since lines are filled from the front. And the widget asks for another size only when a line
 * begins, so most words cost no more than drawing them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define DESCRY_TYPE_LIVE_TEXT (descry_live_text_get_type ())
G_DECLARE_FINAL_TYPE (DescryLiveText, descry_live_text, DESCRY, LIVE_TEXT, GtkWidget)

GtkWidget  *descry_live_text_new      (void);

/* Whole characters, no line's end. */
void        descry_live_text_append   (DescryLiveText *self, const char *text, gsize length);
void        descry_live_text_clear    (DescryLiveText *self);
const char *descry_live_text_get_text (DescryLiveText *self);

/* Lines that are laid out again with each word; for tests. */
guint       descry_live_text_get_tail_lines (DescryLiveText *self);

G_END_DECLS
