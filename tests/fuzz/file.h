/* file.h - an input as a file, for readers that want a path
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

/* The path of a file in memory; the same at every call. */
static inline const char *
fuzz_file (const void *data,
           gsize       size)
{
  static int fd = -1;
  static char path[64];

  if (fd < 0)
    {
      fd = memfd_create ("input", MFD_CLOEXEC);
      g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    }

  g_assert_true (ftruncate (fd, 0) == 0 && (size == 0 || pwrite (fd, data, size, 0) == (gssize) size));
  return path;
}
