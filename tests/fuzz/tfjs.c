/* tfjs.c - fuzz target: the JSON of TensorFlow.js graphs, beside a file of values
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdlib.h>

#include <glib/gstdio.h>

#include "tests/fuzz/foreign.h"
#include "tests/fuzz/fuzz.h"

static char *folder, *values, *model;

static void
remove_folder (void)
{
  g_unlink (values);
  g_unlink (model);
  g_rmdir (folder);
  g_free (values);
  g_free (model);
  g_free (folder);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  FILE *file;

  if (folder == NULL)
    {
      static const char zeros[38];

      folder = g_dir_make_tmp ("descry-fuzz-XXXXXX", NULL);
      values = g_build_filename (folder, "w.bin", NULL);
      model = g_build_filename (folder, "model.json", NULL);
      g_assert_true (g_file_set_contents (values, zeros, sizeof zeros, NULL));
      atexit (remove_folder);
    }

  file = g_fopen (model, "wb");
  g_assert_nonnull (file);
  g_assert_true (size == 0 || fwrite (data, size, 1, file) == 1);
  fclose (file);
  fuzz_source (model);
  return 0;
}
