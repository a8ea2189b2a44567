/* compare.c - two objects of a picture, measured against each other
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-compare"

#include "config.h"

#include "ui/compare.h"

#include <math.h>

void
descry_compare (const DescryObject *first,
                const DescryObject *second,
                DescryComparison   *result)
{
  const DescryObject *objects[2] = { first, second };
  const DescryBox *a = &first->box, *b = &second->box;
  double right, down, small;
  guint i;

  result->by_mask = first->mask != NULL && second->mask != NULL;
  for (i = 0; i < 2; i++)
    result->areas[i] = result->by_mask ? (double) objects[i]->mask->area : descry_box_area (objects[i]->box);
  small = MIN (result->areas[0], result->areas[1]);
  result->larger = result->areas[0] == result->areas[1] ? -1 : result->areas[1] > result->areas[0];
  result->ratio = small > 0.0 ? MAX (result->areas[0], result->areas[1]) / small : 1.0;

  result->dx = 0.5 * (b->x0 + b->x1 - a->x0 - a->x1);
  result->dy = 0.5 * (b->y0 + b->y1 - a->y0 - a->y1);
  result->distance = hypot (result->dx, result->dy);
  right = MAX (0.0, MAX (b->x0 - a->x1, a->x0 - b->x1));
  down = MAX (0.0, MAX (b->y0 - a->y1, a->y0 - b->y1));
  result->gap = hypot (right, down);
  result->overlap = result->by_mask ? descry_mask_iou (first->mask, second->mask) : descry_box_iou (*a, *b);
}
