/* json.h - JSON from files that deserve no trust
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>
#include <jansson.h>

G_BEGIN_DECLS

/**
 * descry_files_json_parse:
 * @text: UTF-8, @length bytes, no zero needed at the end
 * @depth: objects and arrays within one another, at most
 * @path: for messages
 *
 * Refuses keys that are there twice, numbers that do not fit, text after the value, more than
 * two million values (each takes memory of its own) and more nesting than @depth. json_real
 * values are always finite.
 *
 * Returns: (transfer full): the value, or %NULL with @error set; json_decref()
 */
json_t *descry_files_json_parse (const char *text,
                                 gsize       length,
                                 guint       depth,
                                 const char *path,
                                 GError    **error);

/* The same from a file of at most @limit bytes. */
json_t *descry_files_json_load  (const char *path,
                                 gsize       limit,
                                 guint       depth,
                                 GError    **error);

G_END_DECLS
