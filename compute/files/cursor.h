/* cursor.h - the one way in which a file's bytes are read
 *
 * A cursor knows how many bytes there are and never goes past them. The first problem sticks;
 * later reads give zeros and do nothing, so a parser reads straight on and looks once a record.
 * The bytes lie in memory, or come from an open file through a small window.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/io.h"

G_BEGIN_DECLS

typedef struct
{
  guint64       size;    /* of the whole, bytes */
  guint64       pos;     /* of the next byte */
  const char   *problem; /* static text of the first problem, or NULL */
  guint64       where;   /* the position it was met at */

  /* Private: the window, bytes start … start + length of the whole. */
  const guint8 *base;
  guint64       start;
  guint64       length;
  DescryFile   *file;   /* NULL when all bytes lie in memory */
  guint8       *buffer; /* the window's own memory */
  GError       *io_error;
} DescryCursor;

void     descry_cursor_init_memory (DescryCursor *cursor,
                                    gconstpointer bytes,
                                    guint64       size);

/* @file is borrowed. Release with descry_cursor_clear(), also after an error. */
gboolean descry_cursor_init_file   (DescryCursor *cursor,
                                    DescryFile   *file,
                                    GError      **error);
void     descry_cursor_clear       (DescryCursor *cursor);

/* Sets the problem unless there is one already. @problem must be static text. */
void     descry_cursor_fail        (DescryCursor *cursor,
                                    const char   *problem);

/* Are there @n more bytes? If not, that is a problem: "file ends early". */
gboolean descry_cursor_has         (DescryCursor *cursor,
                                    guint64       n);

/* Are there @count more elements of at least @smallest bytes? Asked before any allocation. */
gboolean descry_cursor_has_many    (DescryCursor *cursor,
                                    guint64       count,
                                    guint64       smallest);
guint64  descry_cursor_remaining   (DescryCursor *cursor);
gboolean descry_cursor_ok          (DescryCursor *cursor);

/* Copies @n bytes; zeros when there is a problem. */
gboolean descry_cursor_bytes       (DescryCursor *cursor,
                                    gpointer      bytes,
                                    gsize         n);
void     descry_cursor_skip        (DescryCursor *cursor,
                                    guint64       n);
void     descry_cursor_seek        (DescryCursor *cursor,
                                    guint64       pos);

/* Memory cursors only: the next @n bytes where they lie, NULL when there is a problem. */
const guint8 *descry_cursor_view   (DescryCursor *cursor,
                                    guint64       n);

/* Little-endian. */
guint8   descry_cursor_u8          (DescryCursor *cursor);
guint16  descry_cursor_u16         (DescryCursor *cursor);
guint32  descry_cursor_u32         (DescryCursor *cursor);
guint64  descry_cursor_u64         (DescryCursor *cursor);

/* TRUE when there is no problem; else @error says file, byte and problem. */
gboolean descry_cursor_check       (DescryCursor *cursor,
                                    const char   *path,
                                    GError      **error);

G_END_DECLS
