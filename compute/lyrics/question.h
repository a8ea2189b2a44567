/* question.h - what a question asks for, as far as words tell
 *
 * A handful of everyday forms; whatever fits none is DESCRY_ASKS_OTHER and still has the objects that it names.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/words.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_ASKS_OTHER,
  DESCRY_ASKS_COUNT, /* How many cups are there? */
  DESCRY_ASKS_EXISTS, /* Is there a dog? Do you see any cups? */
  DESCRY_ASKS_WHERE, /* Where is the lamp? */
  DESCRY_ASKS_IF_AT, /* Is the lamp on the left? */
  DESCRY_ASKS_WHAT_AT, /* What is on the left? */
  DESCRY_ASKS_LIST /* What is in the photo? */
} DescryAsks;

typedef struct
{
  DescryAsks  asks;
  char       *subject; /* the noun asked for, singular, as the question says it; NULL: none */
  gboolean    subject_plural;
  GPtrArray  *about; /* of DescryObject: what @subject means, best first; empty: the scene has none */
  GPtrArray  *named; /* of DescryObject: all that the question names anywhere, with those of @about */
  DescryPlace place; /* for IF_AT and WHAT_AT */
} DescryQuestion;

/* Objects below @threshold are not seen. The objects belong to @scene. */
DescryQuestion *descry_question_read (DescryScene *scene,
                                      float        threshold,
                                      const char  *text);
void            descry_question_free (DescryQuestion *question);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryQuestion, descry_question_free)

G_END_DECLS
