/* mask.c - fuzz target: run-length strings; the first four bytes are the sides
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "compute/image/mask.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (DescryMask) mask = NULL;
  g_autofree char *counts = NULL;
  g_autofree char *again = NULL;
  guint8 bits[64];

  if (size < 4)
    return 0;

  counts = g_strndup ((const char *) data + 4, size - 4);
  mask = descry_mask_from_coco (data[0] | data[1] << 8, data[2] | data[3] << 8, counts, NULL);
  if (mask == NULL)
    return 0;

  /* What was read is written in the one canonical form and reads back the same. */
  again = descry_mask_to_coco (mask);
  {
    g_autoptr (DescryMask) back = descry_mask_from_coco (mask->width, mask->height, again, NULL);

    if (back == NULL || back->area != mask->area || back->n_runs != mask->n_runs || memcmp (back->runs, mask->runs, mask->n_runs * 4) != 0)
      abort ();
  }
  descry_mask_render (mask, 0, 0, MIN (mask->width, 8), MIN (mask->height, 8), bits);
  if (mask->area > 0 && descry_mask_iou (mask, mask) != 1.0)
    abort ();
  return 0;
}
