/* io.h - opening, reading and replacing files, with a hook that makes each step fail
 *
 * Reading: regular files only; the size is taken once, from the opened descriptor; a file that
 * is shorter later is an error. Nothing is mapped, so nothing can be pulled from under us.
 * Writing: to a temporary name beside the target, synced, renamed; a failure leaves the target
 * as it was and no temporary file.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _DescryFile DescryFile;

DescryFile *descry_file_open  (const char *path,
                               GError    **error);
void        descry_file_close (DescryFile *file);
guint64     descry_file_size  (DescryFile *file);
const char *descry_file_path  (DescryFile *file);

/* What is wrong with the file, after its path: %DESCRY_ERROR_MODEL_BAD. Both return FALSE. */
gboolean    descry_file_fail        (DescryFile *file,
                                     GError    **error,
                                     const char *format,
                                     ...) G_GNUC_PRINTF (3, 4);
gboolean    descry_file_fail_memory (DescryFile *file,
                                     GError    **error);

/* Exactly @n bytes from @offset, through interruptions and short reads. */
gboolean    descry_file_read  (DescryFile *file,
                               guint64     offset,
                               gpointer    bytes,
                               gsize       n,
                               GError    **error);

/* The whole file, at most @limit bytes; free with descry_free(). */
guint8     *descry_file_read_all (const char *path,
                                  guint64     limit,
                                  gsize      *n,
                                  GError    **error);

typedef struct _DescryOutput DescryOutput;

DescryOutput *descry_output_new    (const char   *path,
                                    GError      **error);

/* The first failure sticks and is told by descry_output_commit(). */
void          descry_output_write  (DescryOutput *output,
                                    gconstpointer bytes,
                                    gsize         n);
gboolean      descry_output_commit (DescryOutput *output,
                                    GError      **error);
void          descry_output_free   (DescryOutput *output);

/* Tests only: replaces the calls below; %NULL members, or a %NULL @hooks, mean the real ones. */
typedef struct
{
  gssize (*read)  (int fd, gpointer bytes, gsize n, guint64 offset);
  gssize (*write) (int fd, gconstpointer bytes, gsize n);
  int    (*sync)  (int fd);
} DescryIoHooks;

void descry_io_set_hooks (const DescryIoHooks *hooks);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryFile, descry_file_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryOutput, descry_output_free)

G_END_DECLS
