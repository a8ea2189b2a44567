/* groups.h - a scene's objects in the order of the list: as they are, or by their names
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

/* A line of the list: an object, or the heading of those that follow it. */
typedef struct
{
  guint       id; /* 0: a heading */
  const char *name; /* of a heading: the scene's, or NULL: the others */
  guint       n; /* of a heading: how many objects follow it */
} DescryLine;

/* Objects with score >= @threshold, of DescryLine. @grouped: names that several have come first, each below a heading, in the order
 * of their best objects; the others follow. Without any such name there are no headings. (transfer full) */
GArray *descry_group_objects (DescryScene *scene, float threshold, gboolean grouped);

G_END_DECLS
