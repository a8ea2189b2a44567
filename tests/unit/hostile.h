/* hostile.h - feeding files made in memory to readers, and what every reader must keep to
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "compute/error.h"
#include "compute/memory.h"

/* A reader: TRUE when the file is taken. Everything it made is gone when it comes back. */
typedef gboolean (*HostileReader) (const char *path, GError **error);

/* The path of a file in memory that holds @bytes; the same path at every call. */
static inline const char *
hostile_file (gconstpointer bytes,
              gsize         n)
{
  static int fd = -1;
  static char path[64];

  if (fd < 0)
    {
      fd = memfd_create ("hostile", MFD_CLOEXEC);
      g_assert_cmpint (fd, >=, 0);
      g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    }

  g_assert_cmpint (ftruncate (fd, 0), ==, 0);
  g_assert_cmpint (pwrite (fd, bytes, n, 0), ==, (gssize) n);
  return path;
}

/* Reads and checks the rules: an error or a result, nothing left behind, memory within twice the
 * file plus 1 MiB, at most a second. Gives whether it was taken. */
static inline gboolean
hostile_read_path (HostileReader read,
                   const char   *path,
                   gsize         n,
                   gsize         factor)
{
  g_autoptr (GError) error = NULL;
  guint live = descry_memory_live ();
  gint64 start = g_get_monotonic_time ();
  gsize before;
  gboolean ok;

  descry_memory_fail_at (0);
  before = descry_memory_peak ();
  ok = read (path, &error);
  g_assert_cmpuint (descry_memory_peak () - before, <=, factor * n + (1 << 20));
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC * (g_getenv ("DESCRY_TEST_SLOW") != NULL ? 60 : 1));
  g_assert_cmpuint (descry_memory_live (), ==, live);
  if (ok)
    g_assert_no_error (error);
  else
    {
      g_assert_nonnull (error);
      g_assert_true (error->domain == DESCRY_ERROR);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_assert_cmpint (error->code, !=, DESCRY_ERROR_OUT_OF_MEMORY);
    }

  return ok;
}

static inline gboolean
hostile_read (HostileReader read,
              gconstpointer bytes,
              gsize         n)
{
  return hostile_read_path (read, hostile_file (bytes, n), n, 2);
}

/* Cut at every byte: never taken, if the format knows where it ends (@whole). Every byte up to @metadata with every other value: taken or
 * not, but by the rules. Returns how many of the changed files were taken. */
static inline guint
hostile_sweep (HostileReader read,
               const guint8 *bytes,
               gsize         n,
               gsize         metadata,
               gboolean      whole)
{
  g_autofree guint8 *copy = g_memdup2 (bytes, n);
  guint taken = 0, value;
  gsize i;

  g_assert_true (hostile_read (read, bytes, n));
  for (i = 0; i < n; i++)
    if (hostile_read (read, bytes, i))
      g_assert_false (whole);

  for (i = 0; i < metadata; i++)
    {
      /* All values take long under a sanitizer; the edges and single bits find as much. */
      for (value = 0; value < 256; value += value % 16 == 1 && g_getenv ("DESCRY_TEST_FULL") == NULL ? 14 : 1)
        if (value != bytes[i])
          {
            copy[i] = (guint8) value;
            taken += hostile_read (read, copy, n);
          }
      for (value = 0; value < 8; value++)
        {
          copy[i] = (guint8) (bytes[i] ^ 1u << value);
          taken += hostile_read (read, copy, n);
        }
      copy[i] = bytes[i];
    }

  return taken;
}

/* The integer of @width bytes at @at gets the values at its limits. */
static inline void
hostile_integer (HostileReader read,
                 const guint8 *bytes,
                 gsize         n,
                 gsize         at,
                 guint         width)
{
  g_autofree guint8 *copy = g_memdup2 (bytes, n);
  guint64 highest = width == 8 ? G_MAXUINT64 : ((guint64) 1 << (8 * width)) - 1;
  const guint64 values[] = {
    0, 1, highest, highest - 1, highest / 2, highest / 2 + 1, highest / 2 + 2, highest / 4, highest / 8, highest / 8 + 1,
    highest / 16, highest / 34, highest - 31, highest - 63, n, n - 1, n + 1, (guint64) 1 << 31, (guint64) 1 << 32, (guint64) 1 << 40
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (values); i++)
    {
      guint64 value = GUINT64_TO_LE (values[i]);

      memcpy (copy + at, &value, width);
      hostile_read (read, copy, n);
    }
}

/* The N-th allocation fails, N = 1, 2, …: each time an error and nothing left; when N is above
 * the number of allocations the work succeeds. Gives how many there were. The error is of that
 * kind, unless @any: the JSON library tells some of its own failures as syntax errors. */
static inline guint
hostile_memory_any (HostileReader read,
                    const char   *path,
                    gboolean      any)
{
  guint n;

  for (n = 1;; n++)
    {
      g_autoptr (GError) error = NULL;
      guint live = descry_memory_live ();
      gboolean ok;

      descry_memory_fail_at (n);
      ok = read (path, &error);
      if (descry_memory_calls () < n)
        {
          descry_memory_fail_at (0);
          g_assert_no_error (error);
          g_assert_true (ok);
          g_assert_cmpuint (descry_memory_live (), ==, live);
          return n - 1;
        }

      descry_memory_fail_at (0);
      g_assert_false (ok);
      if (any)
        g_assert_true (error->domain == DESCRY_ERROR);
      else
        g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY);
      g_assert_cmpuint (descry_memory_live (), ==, live);
    }
}

static inline guint
hostile_memory (HostileReader read,
                const char   *path)
{
  return hostile_memory_any (read, path, FALSE);
}

/* Little-endian pieces for files made by hand. */
static inline void
put_bytes (GByteArray *out, gconstpointer bytes, gsize n)
{
  g_byte_array_append (out, bytes, (guint) n);
}

static inline void
put_number (GByteArray *out, guint64 value, guint width)
{
  value = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, width);
}

static inline void
put_string (GByteArray *out, const char *text) /* length of 64 bits first */
{
  put_number (out, strlen (text), 8);
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}
