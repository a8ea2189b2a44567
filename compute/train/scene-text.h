/* scene-text.h - synthetic scenes with questions and right answers
 *
 * Example i of a seed is always the same, so that a training resumes anywhere. Nouns are parted by the
 * SHA-256 of the noun: first hex digit 0-3 test, 4-5 validation, the rest train; some wordings of each kind of
 * question are kept for the test. The user message is written by the application's own prompt writer.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/conversation.h"

G_BEGIN_DECLS

typedef enum { DESCRY_SPLIT_TRAIN, DESCRY_SPLIT_VALIDATION, DESCRY_SPLIT_TEST } DescrySplit;

DescrySplit descry_split_of (const char *name);

typedef struct
{
  const char  *kind; /* "count", "yes", "no", "where", "if-at", "what-at", "chip", "chips", "list", "relation", "size", "nearest", "follow-up" */
  DescryScene *scene;
  GPtrArray   *history; /* of DescryTurn, with prompt and answer */
  char        *question;
  GArray      *chips; /* guint */
  char        *prompt; /* the user message */
  char        *answer; /* the right one */
} DescrySceneExample;

/* (transfer full) */
DescrySceneExample *descry_scene_example_new  (DescrySplit split, guint64 seed, guint64 index);

/* The same kinds of question, but follow-ups, about a scene that exists. It is not changed; ids are 1, 2, … in order.
 * NULL: two of its names mean each other's things ("bird", "duck"), so that answers would be doubtful. */
DescrySceneExample *descry_scene_example_about (DescryScene *scene, DescrySplit split, guint64 seed, guint64 index);
void                descry_scene_example_free (DescrySceneExample *example);

/* The same words, whatever case, punctuation and blanks are. */
gboolean            descry_scene_answer_is    (const DescrySceneExample *example, const char *answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescrySceneExample, descry_scene_example_free)

G_END_DECLS
