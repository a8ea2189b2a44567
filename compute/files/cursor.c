/* cursor.c - the one way in which a file's bytes are read
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-cursor"

#include "config.h"

#include "compute/files/cursor.h"

#include <string.h>

#include "compute/error.h"
#include "compute/memory.h"

#define WINDOW (64 * 1024)

void
descry_cursor_init_memory (DescryCursor *cursor,
                           gconstpointer bytes,
                           guint64       size)
{
  *cursor = (DescryCursor) { .size = size, .base = bytes, .length = size };
}

gboolean
descry_cursor_init_file (DescryCursor *cursor,
                         DescryFile   *file,
                         GError      **error)
{
  *cursor = (DescryCursor) { .size = descry_file_size (file), .file = file };

  cursor->buffer = descry_try_alloc (MIN (cursor->size, WINDOW), 1);
  if (cursor->buffer == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory", descry_file_path (file));
      return FALSE;
    }

  cursor->base = cursor->buffer;
  return TRUE;
}

void
descry_cursor_clear (DescryCursor *cursor)
{
  descry_free (cursor->buffer);
  g_clear_error (&cursor->io_error);
  memset (cursor, 0, sizeof *cursor);
}

void
descry_cursor_fail (DescryCursor *cursor,
                    const char   *problem)
{
  if (cursor->problem != NULL)
    return;

  cursor->problem = problem;
  cursor->where = cursor->pos;
}

gboolean
descry_cursor_has (DescryCursor *cursor,
                   guint64       n)
{
  if (cursor->problem != NULL)
    return FALSE;

  /* The only bound check. The subtraction is on the side known to be good: it cannot wrap. */
  if (n > cursor->size || cursor->pos > cursor->size - n)
    {
      descry_cursor_fail (cursor, "the file ends early");
      return FALSE;
    }

  return TRUE;
}

gboolean
descry_cursor_has_many (DescryCursor *cursor,
                        guint64       count,
                        guint64       smallest)
{
  if (cursor->problem != NULL)
    return FALSE;

  if (count > (cursor->size - cursor->pos) / smallest)
    {
      descry_cursor_fail (cursor, "a count is larger than the rest of the file");
      return FALSE;
    }

  return TRUE;
}

guint64
descry_cursor_remaining (DescryCursor *cursor)
{
  return cursor->problem == NULL ? cursor->size - cursor->pos : 0;
}

gboolean
descry_cursor_ok (DescryCursor *cursor)
{
  return cursor->problem == NULL;
}

/* Moves the window so that it begins at the position. */
static gboolean
refill (DescryCursor *cursor)
{
  guint64 n = MIN (cursor->size - cursor->pos, WINDOW);

  cursor->length = 0;
  if (!descry_file_read (cursor->file, cursor->pos, cursor->buffer, n, &cursor->io_error))
    {
      descry_cursor_fail (cursor, "cannot be read");
      return FALSE;
    }

  cursor->start = cursor->pos;
  cursor->length = n;
  return TRUE;
}

gboolean
descry_cursor_bytes (DescryCursor *cursor,
                     gpointer      bytes,
                     gsize         n)
{
  guint8 *out = bytes;

  if (!descry_cursor_has (cursor, n))
    {
      memset (bytes, 0, n);
      return FALSE;
    }

  while (n > 0)
    {
      guint64 inside, part;

      if (cursor->pos < cursor->start || cursor->pos - cursor->start >= cursor->length)
        {
          /* What does not fit the window goes where it is wanted at once. */
          if (n >= WINDOW)
            {
              if (!descry_file_read (cursor->file, cursor->pos, out, n, &cursor->io_error))
                {
                  descry_cursor_fail (cursor, "cannot be read");
                  memset (bytes, 0, n);
                  return FALSE;
                }
              cursor->pos += n;
              return TRUE;
            }
          if (!refill (cursor))
            {
              memset (out, 0, n);
              return FALSE;
            }
        }

      inside = cursor->pos - cursor->start;
      part = MIN (n, cursor->length - inside);
      memcpy (out, cursor->base + inside, part);
      cursor->pos += part;
      out += part;
      n -= part;
    }

  return TRUE;
}

void
descry_cursor_skip (DescryCursor *cursor,
                    guint64       n)
{
  if (descry_cursor_has (cursor, n))
    cursor->pos += n;
}

void
descry_cursor_seek (DescryCursor *cursor,
                    guint64       pos)
{
  if (cursor->problem != NULL)
    return;

  if (pos > cursor->size)
    descry_cursor_fail (cursor, "an offset lies outside the file");
  else
    cursor->pos = pos;
}

const guint8 *
descry_cursor_view (DescryCursor *cursor,
                    guint64       n)
{
  const guint8 *view;

  g_return_val_if_fail (cursor->file == NULL, NULL);

  if (!descry_cursor_has (cursor, n))
    return NULL;

  view = cursor->base + cursor->pos;
  cursor->pos += n;
  return view;
}

guint8
descry_cursor_u8 (DescryCursor *cursor)
{
  guint8 value;

  descry_cursor_bytes (cursor, &value, sizeof value);
  return value;
}

guint16
descry_cursor_u16 (DescryCursor *cursor)
{
  guint16 value;

  descry_cursor_bytes (cursor, &value, sizeof value);
  return GUINT16_FROM_LE (value);
}

guint32
descry_cursor_u32 (DescryCursor *cursor)
{
  guint32 value;

  descry_cursor_bytes (cursor, &value, sizeof value);
  return GUINT32_FROM_LE (value);
}

guint64
descry_cursor_u64 (DescryCursor *cursor)
{
  guint64 value;

  descry_cursor_bytes (cursor, &value, sizeof value);
  return GUINT64_FROM_LE (value);
}

gboolean
descry_cursor_check (DescryCursor *cursor,
                     const char   *path,
                     GError      **error)
{
  if (cursor->problem == NULL)
    return TRUE;

  if (cursor->io_error != NULL)
    g_propagate_error (error, g_steal_pointer (&cursor->io_error));
  else
    g_set_error (error, DESCRY_ERROR, strcmp (cursor->problem, "out of memory") == 0 ? DESCRY_ERROR_OUT_OF_MEMORY : DESCRY_ERROR_MODEL_BAD,
                 "%s: byte %" G_GUINT64_FORMAT ": %s", path, cursor->where, cursor->problem);

  return FALSE;
}
