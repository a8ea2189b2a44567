/* gguf.c - fuzz target: a file is opened and every tensor read
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/files/gguf.h"
#include "compute/memory.h"
#include "tests/fuzz/file.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (fuzz_file (data, size), NULL);
  gsize n;
  guint i;

  if (gguf == NULL)
    return 0;

  descry_gguf_get_ints (gguf, "t.kinds", &n, NULL);
  descry_gguf_get_floats (gguf, "t.scores", &n, NULL);
  for (i = 0; i < descry_gguf_n_tensors (gguf); i++)
    {
      const DescryGgufTensor *tensor = descry_gguf_tensor (gguf, i);

      descry_free (descry_gguf_read (gguf, tensor, NULL));
      descry_free (descry_gguf_read_f32 (gguf, tensor, NULL));
    }

  return 0;
}
