/* foreign.h - a foreign file is opened and every value read
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/convert/source.h"
#include "compute/memory.h"

static inline void
fuzz_source (const char *path)
{
  g_autoptr (DescrySource) source = descry_source_open (path, NULL, NULL);
  guint i;

  for (i = 0; source != NULL && i < descry_source_n_tensors (source); i++)
    descry_free (descry_source_to_f32 (descry_source_tensor (source, i)));
}
