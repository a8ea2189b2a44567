/* exif.c - fuzz target: the orientation tag
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdlib.h>

#include "compute/image/decode/picture.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  guint orientation = descry_exif_orientation (data, size);

  if (orientation < 1 || orientation > 8)
    abort ();
  return 0;
}
