/* gguf.h - reading and writing GGUF, version 2 and 3, little-endian
 *
 * The file is untrusted: every count is bounded before anything is allocated, every tensor is
 * known to lie inside the file. Nothing stays mapped; tensor bytes are read when asked for.
 *
 * What opening guarantees (each has a test in tests/unit/gguf*.c):
 *  - one cursor reads, every count is bounded by the bytes left before memory is taken, every
 *    product and sum is checked; memory stays below twice the file plus 1 MiB
 *  - 1…4 dimensions, each at least 1, at most 2^40 elements; alignment a power of two, 8…1 MiB;
 *    keys 1…65535 bytes, strings at most 16 MiB, arrays of arrays refused; at most 100,000 keys
 *    and 100,000 tensors; no name twice; bools are 0 or 1
 *  - tensors follow one another in the order of the list, aligned, and end where the file ends
 *  - a failure leaves nothing behind but one message
 * Extra keys and tensors are no error: callers ask for what they need.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/error.h"
#include "compute/files/quant.h"

G_BEGIN_DECLS

typedef struct _DescryGguf DescryGguf;

typedef struct
{
  const char    *name;
  DescryGgmlType type;
  guint          n_dims;
  guint64        dims[4]; /* GGUF's order: fastest first, so [in, out]; unused ones are 1 */
  guint64        count; /* elements */
  guint64        offset; /* from the start of the file */
  guint64        bytes;
} DescryGgufTensor;

DescryGguf *descry_gguf_open (const char *path, GError **error);
void        descry_gguf_free (DescryGguf *gguf);
const char *descry_gguf_path (DescryGguf *gguf); /* for messages */

/* Metadata. The _get_ functions want the key to be there, of a fitting type and in range; the error
 * names file, key, expected, found. Any integer type fits if its value does. */
gboolean    descry_gguf_has        (DescryGguf *gguf, const char *key);
gboolean    descry_gguf_get_uint   (DescryGguf *gguf, const char *key, guint64 min, guint64 max, guint64 *value, GError **error);
gboolean    descry_gguf_get_float  (DescryGguf *gguf, const char *key, double min, double max, float *value, GError **error);
gboolean    descry_gguf_get_bool   (DescryGguf *gguf, const char *key, gboolean *value, GError **error);
const char *descry_gguf_get_string (DescryGguf *gguf, const char *key, GError **error); /* (transfer none), valid UTF-8 */

/* Arrays, (transfer none), valid while the file is open. Strings may hold any bytes: length apart. */
typedef struct { const char *bytes; gsize length; } DescryBytes;
const DescryBytes *descry_gguf_get_strings (DescryGguf *gguf, const char *key, gsize *n, GError **error);
const float       *descry_gguf_get_floats  (DescryGguf *gguf, const char *key, gsize *n, GError **error);
const gint32      *descry_gguf_get_ints    (DescryGguf *gguf, const char *key, gsize *n, GError **error); /* any 8-32 bit integer type */

guint                   descry_gguf_n_tensors (DescryGguf *gguf);
const DescryGgufTensor *descry_gguf_tensor    (DescryGguf *gguf, guint index);
const DescryGgufTensor *descry_gguf_find      (DescryGguf *gguf, const char *name); /* NULL if absent */

/* The tensor with exactly these dimensions (@n_dims of them, GGUF order), or an error that names
 * file, tensor, expected, found. */
const DescryGgufTensor *descry_gguf_want (DescryGguf *gguf, const char *name, guint n_dims, const guint64 *dims, GError **error);

/* All bytes of @tensor (@tensor->bytes of them), or as f32 (@tensor->count). Free with descry_free(). */
gpointer    descry_gguf_read     (DescryGguf *gguf, const DescryGgufTensor *tensor, GError **error);
gboolean    descry_gguf_read_part (DescryGguf *gguf, const DescryGgufTensor *tensor, guint64 at, gpointer bytes, gsize n, GError **error); /* from any thread */
float      *descry_gguf_read_f32 (DescryGguf *gguf, const DescryGgufTensor *tensor, GError **error);

/* Writer: keys and tensors are collected, then written to a temporary name, synced and renamed. */
typedef struct _DescryGgufWriter DescryGgufWriter;
DescryGgufWriter *descry_gguf_writer_new  (void);
void descry_gguf_writer_free       (DescryGgufWriter *writer);
void descry_gguf_writer_set_uint   (DescryGgufWriter *writer, const char *key, guint32 value);
void descry_gguf_writer_set_uint64 (DescryGgufWriter *writer, const char *key, guint64 value);
void descry_gguf_writer_set_float  (DescryGgufWriter *writer, const char *key, float value);
void descry_gguf_writer_set_bool   (DescryGgufWriter *writer, const char *key, gboolean value);
void descry_gguf_writer_set_string (DescryGgufWriter *writer, const char *key, const char *value);
void descry_gguf_writer_set_strings (DescryGgufWriter *writer, const char *key, const DescryBytes *values, gsize n);
void descry_gguf_writer_set_floats (DescryGgufWriter *writer, const char *key, const float *values, gsize n);
void descry_gguf_writer_set_ints   (DescryGgufWriter *writer, const char *key, const gint32 *values, gsize n);
void descry_gguf_writer_add        (DescryGgufWriter *writer, const char *name, DescryGgmlType type, guint n_dims, const guint64 *dims,
                                    gpointer data /* (transfer full), descry_free() */, gsize bytes);

/* The same for a tensor made only when it is written: @fill gives @bytes bytes (transfer full,
 * descry_free()) or an error. @data must live until then. */
typedef gpointer (*DescryGgufFill) (gpointer data, gsize bytes, GError **error);
void descry_gguf_writer_add_later  (DescryGgufWriter *writer, const char *name, DescryGgmlType type, guint n_dims, const guint64 *dims,
                                    DescryGgufFill fill, gpointer data);
void descry_gguf_writer_copy_metadata (DescryGgufWriter *writer, DescryGguf *source); /* every key; a later set_ replaces one */
gboolean descry_gguf_writer_write  (DescryGgufWriter *writer, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryGguf, descry_gguf_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryGgufWriter, descry_gguf_writer_free)

G_END_DECLS
