/* bidi.h - values and names that keep their order inside of text of the other direction
 *
 * Digits have no direction of their own: between words that are read from right to left, "0 %" becomes "% 0" and
 * "88 × 86" becomes "86 × 88". Isolates keep what stands together together; they have no width.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Numbers and signs, from left to right everywhere. (transfer full) */
char *descry_bidi_value   (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* A name or another text in its own direction, whatever stands beside it. (transfer full) */
char *descry_bidi_isolate (const char *text);

/* Bytes, such as 8.1 GiB. (transfer full) */
char *descry_bidi_size    (guint64 bytes);

/* Several texts with a dot between them, in the direction of the window: the first is where its readers begin. Up to
 * %NULL. (transfer full) */
char *descry_bidi_list    (gboolean rtl, const char *first, ...) G_GNUC_NULL_TERMINATED;

G_END_DECLS
