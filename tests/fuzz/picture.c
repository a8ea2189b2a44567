/* picture.c - fuzz target: JPEG, PNG and WebP as the decoder process reads them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdlib.h>

#include "compute/image/decode/picture.h"
#include "tests/fuzz/fuzz.h"

#define MAX_PIXELS 1000000 /* the process has the real limits; here time counts */

static guint8 *
make_room (gpointer data,
           guint    width,
           guint    height)
{
  guint8 **pixels = data;

  *pixels = calloc ((gsize) width * height, 3);
  return *pixels;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  guint8 *pixels = NULL;
  DescryPicture picture = { .room = make_room, .data = &pixels, .max_pixels = MAX_PIXELS };

  if (!descry_picture_read (&picture, data, size) && picture.message[0] == '\0')
    abort (); /* a failure without a reason */
  free (pixels);
  return 0;
}
