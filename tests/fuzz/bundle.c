/* bundle.c - fuzz target: bundle.json
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute/lyrics/bundle.h"
#include "tests/fuzz/fuzz.h"

static char *folder, *file;

static void
remove_folder (void)
{
  remove (file);
  remove (folder);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (DescryBundle) bundle = NULL;
  guint i, j;

  if (folder == NULL)
    {
      folder = g_dir_make_tmp ("descry-fuzz-XXXXXX", NULL);
      file = g_build_filename (folder, "bundle.json", NULL);
      atexit (remove_folder);
    }
  if (!g_file_set_contents_full (file, (const char *) data, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0600, NULL))
    abort ();

  bundle = descry_bundle_open (folder, NULL);
  if (bundle == NULL)
    return 0;

  /* No name leads out of the folder, and a slot without a reason has files that are there. */
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      if (bundle->missing[i] == NULL && bundle->slots[i]->len == 0)
        abort ();
      for (j = 0; j < bundle->slots[i]->len; j++)
        {
          const DescryBundleFile *entry = g_ptr_array_index (bundle->slots[i], j);

          if (strchr (entry->file, '/') != NULL || entry->file[0] == '.' || (bundle->missing[i] == NULL && !entry->present))
            abort ();
        }
    }

  return 0;
}
