/* annotations.c - fuzz target: annotation files; the first byte picks the format
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdlib.h>

#include "compute/train/annotations.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (DescryAnnotations) annotations = descry_annotations_new (FALSE, NULL, NULL);
  GPtrArray *pictures;
  guint i, k;

  if (size < 1)
    return 0;
  /* Bad records are skipped, so nothing is an error. */
  if (!descry_annotations_parse (annotations, (DescryAnnotationKind) (data[0] % 5), (const char *) data + 1, size - 1, "fuzz", NULL))
    abort ();

  pictures = descry_annotations_pictures (annotations);
  for (i = 0; i < pictures->len; i++)
    {
      DescryPicture *picture = g_ptr_array_index (pictures, i);

      descry_annotations_fit (picture, 640, 480);
      for (k = 0; k < picture->objects->len; k++)
        {
          const DescryBox box = ((DescryPictureObject *) g_ptr_array_index (picture->objects, k))->box;

          if (!(box.x0 >= 0.0f && box.y0 >= 0.0f && box.x1 <= 640.0f && box.y1 <= 480.0f && box.x0 < box.x1 && box.y0 < box.y1))
            abort ();
        }
      for (k = 0; k < picture->questions->len; k++)
        {
          const DescryPictureQuestion *question = g_ptr_array_index (picture->questions, k);

          if (question->n_pointed > 0 && question->pointed[0] >= picture->objects->len)
            abort ();
        }
    }

  return 0;
}
