/* scratch.h - a folder for the files of one test program, gone when it ends
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <stdio.h>

#include <glib.h>
#include <glib/gstdio.h>

static char *scratch;

static inline const char *
scratch_folder (void)
{
  if (scratch == NULL)
    scratch = g_dir_make_tmp ("descry-test-XXXXXX", NULL);

  g_assert_nonnull (scratch);
  return scratch;
}

static inline char *
scratch_path (const char *name)
{
  return g_build_filename (scratch_folder (), name, NULL);
}

/* Files in the folder now: a failed write must leave none behind. */
static inline guint
scratch_count (void)
{
  GDir *dir = g_dir_open (scratch_folder (), 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;

  g_dir_close (dir);
  return n;
}

static inline void
scratch_write (const char   *path,
               gconstpointer bytes,
               gsize         n)
{
  /* Not g_file_set_contents(): it syncs, and the sweeps write thousands of files. */
  FILE *file = g_fopen (path, "wb");

  g_assert_nonnull (file);
  g_assert_cmpuint (n > 0 ? fwrite (bytes, n, 1, file) : 1, ==, 1);
  g_assert_cmpint (fclose (file), ==, 0);
}

/* Runs the tests, then removes the folder. */
static inline int
scratch_run (void)
{
  int status = g_test_run ();
  const char *name;
  GDir *dir;

  if (scratch == NULL)
    return status;

  dir = g_dir_open (scratch, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (scratch, name, NULL);

      g_remove (path);
    }
  g_dir_close (dir);
  g_rmdir (scratch);
  g_clear_pointer (&scratch, g_free);

  return status;
}
