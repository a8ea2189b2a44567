/* json.h - reading and writing JSON within bounds
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <jansson.h>

#include "compute/error.h"

G_BEGIN_DECLS

#define DESCRY_JSON_MAX_DEPTH 16

/* Objects and arrays nested at most %DESCRY_JSON_MAX_DEPTH deep, no key twice, UTF-8. @name is for
 * messages. (transfer full) */
json_t  *descry_json_parse (const char *text, gsize length, const char *name, GError **error);

/* A whole file of at most @max_bytes. (transfer full) */
json_t  *descry_json_read  (const char *path, gsize max_bytes, GError **error);

/* One line without a line end, numbers with at most 12 digits. (transfer full) */
char    *descry_json_line  (json_t *json);

/* Members of an object. The _get_ functions want the member to be there and to fit; the error names it. */
gboolean descry_json_get_number (json_t *object, const char *key, double min, double max, double *value, GError **error);
const char *descry_json_get_string (json_t *object, const char *key, GError **error); /* valid UTF-8, (transfer none) */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (json_t, json_decref)

G_END_DECLS
