/* relations.h - sides, sizes and distances between objects, in words
 *
 * What a question like "Which is bigger, the dog or the cat?" asks for, computed from the boxes, so that a
 * small language model only has to say it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_RELATION_NONE,
  DESCRY_RELATION_LEFT,
  DESCRY_RELATION_RIGHT,
  DESCRY_RELATION_ABOVE,
  DESCRY_RELATION_BELOW,
  DESCRY_RELATION_BIGGER,
  DESCRY_RELATION_SMALLER,
  DESCRY_RELATION_NEAREST,
  DESCRY_RELATION_LARGEST, /* of all */
  DESCRY_RELATION_SMALLEST
} DescryRelation;

/* TRUE if @a stands so to @b: sides by the boxes' centres, more than a twentieth of the picture apart; sizes by
 * areas that differ by a tenth. For the first six. */
gboolean      descry_relation_holds (DescryRelation relation, DescryScene *scene, const DescryObject *a, const DescryObject *b);

/* The object of @among whose box is nearest to that of @object, or %NULL. */
DescryObject *descry_relation_nearest (const DescryObject *object, GPtrArray *among);

/* One sentence that answers @question, if it asks for a relation of objects in @shown (of DescryObject): appended to
 * @text without a space before it; FALSE: it does not. @chips (the same) are what "it" and "them" mean. @told gets the
 * objects of the sentence. */
gboolean      descry_relations_fact (GString *text, DescryScene *scene, GPtrArray *shown, GPtrArray *chips, const char *question, GPtrArray *told);

G_END_DECLS
