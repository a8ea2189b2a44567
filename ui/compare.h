/* compare.h - two objects of a picture, measured against each other
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean by_mask; /* areas are of the masks; else one has none and both are of the boxes */
  double   areas[2]; /* pixels */
  double   ratio; /* larger to smaller, 1.. */
  int      larger; /* 0 or 1; -1: the same */
  double   dx, dy; /* from the first's centre to the second's, pixels */
  double   distance; /* between the centres */
  double   gap; /* between the boxes; 0: they touch */
  double   overlap; /* IoU of the masks, or of the boxes */
} DescryComparison;

void descry_compare (const DescryObject *first, const DescryObject *second, DescryComparison *result);

G_END_DECLS
