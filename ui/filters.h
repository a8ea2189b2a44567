/* filters.h - objects that others cover, and tags that are hardly seen, left out of what was found
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

#define DESCRY_FILTERS_ANY_OVERLAP 1.0f

/* @overlap: IoU above which the weaker of two objects of one name is left out, unless a person pointed at it; @tags: score
 * below which a tag is. Whether anything would be. */
gboolean descry_filters_touch (DescryScene *scene, float overlap, float tags);

/* Leaves them out of a scene that is not published yet. */
void     descry_filters_apply (DescryScene *scene, float overlap, float tags);

G_END_DECLS
