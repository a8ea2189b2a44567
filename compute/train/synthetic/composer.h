/* composer.h - one synthetic picture: cut-outs on a landscape, and everything that is known about it
 *
 * Picture i of a seed is always the same. The composer knows boxes, outlines (after occlusion), nouns, colours and
 * place; captions, questions and right answers follow from them (questions.h).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/example.h"
#include "compute/train/synthetic/stock.h"

G_BEGIN_DECLS

#define DESCRY_COMPOSED_WIDTH  512
#define DESCRY_COMPOSED_HEIGHT 384
#define DESCRY_COMPOSED_MOST   5 /* objects */

/* @image: (out): the pixels. NULL only without memory. (transfer full) */
DescryPicture *descry_compose (DescryStock *stock, DescrySplit split, guint64 seed, guint64 index, DescryImage **image, GError **error);

G_END_DECLS
