/* json.h - members of JSON objects, and lines of JSON
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/error.h"
#include "compute/files/json.h"

G_BEGIN_DECLS

#define DESCRY_JSON_DEPTH 16 /* of bundles and scenes, loader.md 4 */

/* One line without a line end, numbers with at most 12 digits. (transfer full) */
char    *descry_json_line  (json_t *json);

/* Members of an object. The _get_ functions want the member to be there and to fit; the error names it. */
gboolean descry_json_get_number (json_t *object, const char *key, double min, double max, double *value, GError **error);
const char *descry_json_get_string (json_t *object, const char *key, GError **error); /* valid UTF-8, (transfer none) */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (json_t, json_decref)

G_END_DECLS
