/* references.h - RefCOCO's references in the form in which they are published: a pickled list of dictionaries
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>
#include <jansson.h>

G_BEGIN_DECLS

/* One reference: @json (borrowed), or NULL and what is @wrong with it; FALSE with @error set ends the reading. */
typedef gboolean (*DescryReferenceFunc) (json_t     *json,
                                         const char *where, /* "[12]" */
                                         const char *wrong,
                                         gpointer    data,
                                         GError    **error);

/* @bytes: of Python's protocols 0 to 4. Fails when they are no pickle of a list; @path is for messages. */
gboolean descry_references_read (gconstpointer       bytes,
                                 gsize               length,
                                 const char         *path,
                                 DescryReferenceFunc func,
                                 gpointer            data,
                                 GError            **error);

G_END_DECLS
