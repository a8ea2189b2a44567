/* object-order.h - in which order objects are listed
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "ui/groups.h"

G_BEGIN_DECLS

#define DESCRY_OBJECT_ORDER_DEFAULT "found"

/* @order: "smallest" or "largest" first, by box, since the drawn outlines may be missing; anything else: as they are.
 * Objects with score >= @threshold, of DescryLine, no headings. (transfer full) */
GArray *descry_object_order (DescryScene *scene, float threshold, const char *order);

G_END_DECLS
