/* source-private.h - how the readers fill the table of a source
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/arena.h"
#include "compute/files/convert/source.h"
#include "compute/files/names.h"

G_BEGIN_DECLS

#define DESCRY_SOURCE_MAX_TENSORS 100000
#define DESCRY_SOURCE_MAX_NAME 1024
#define DESCRY_SOURCE_MAX_COUNT ((guint64) 1 << 40)

struct _DescrySource
{
  char               *path;
  const char         *format;
  GString            *report; /* borrowed, may be NULL */
  DescryArena         arena;  /* names and small things */
  GPtrArray          *blocks; /* memory that tensors point into; descry_free */
  GArray             *files;  /* DescrySourceFile */
  DescrySourceTensor *tensors;
  guint               n_tensors;
  guint               max_tensors;
  DescryNames         tensor_names;
  DescrySourceNode   *nodes;
  guint               n_nodes;
  DescryNames         node_names;
};

/* Sets the error "path: text" of kind MODEL_BAD and gives FALSE. */
gboolean descry_source_fail        (DescrySource *source,
                                    GError      **error,
                                    const char   *format,
                                    ...) G_GNUC_PRINTF (3, 4);
gboolean descry_source_fail_memory (DescrySource *source,
                                    GError      **error);

/* Room for @n tensors, known before they are added. */
gboolean descry_source_reserve     (DescrySource *source,
                                    guint64       n,
                                    GError      **error);

/* Adds one: name (@length bytes) and shape are checked, count and bytes computed, the name refused
 * when it is there already. The caller then sets data. */
DescrySourceTensor *descry_source_add (DescrySource  *source,
                                       const char    *name,
                                       gsize          length,
                                       DescryStType   type,
                                       guint          n_dims,
                                       const guint64 *dims,
                                       GError       **error);

/* Memory that lives as long as the source. */
gpointer descry_source_block       (DescrySource *source,
                                    guint64       bytes,
                                    GError      **error);
char    *descry_source_text        (DescrySource *source,
                                    const char   *text,
                                    gsize         length);

/* Notes a file for the record; @bytes is hashed. */
void     descry_source_note_file   (DescrySource *source,
                                    const char   *name,
                                    const guint8 *bytes,
                                    guint64       size);

/* The readers. @bytes is the whole file and lives as long as the source. */
gboolean descry_source_read_torch_stream (DescrySource *source, const guint8 *bytes, gsize size, GError **error);
gboolean descry_source_read_torch_zip    (DescrySource *source, const guint8 *bytes, gsize size, GError **error);
gboolean descry_source_read_tfjs         (DescrySource *source, const guint8 *bytes, gsize size, GError **error);
gboolean descry_source_read_onnx         (DescrySource *source, const guint8 *bytes, gsize size, GError **error);

G_END_DECLS
