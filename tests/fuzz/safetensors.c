/* safetensors.c - fuzz target: a file is opened and every tensor read
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/files/safetensors.h"
#include "compute/memory.h"
#include "tests/fuzz/file.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (DescrySafetensors) file = descry_safetensors_open (fuzz_file (data, size), NULL);
  guint64 n;
  guint i;

  for (i = 0; file != NULL && i < descry_safetensors_n_tensors (file); i++)
    {
      const char *name = descry_safetensors_tensor (file, i)->name;

      descry_free (descry_safetensors_read_f32 (file, name, &n, NULL));
      descry_free (descry_safetensors_read_i32 (file, name, &n, NULL));
    }

  return 0;
}
