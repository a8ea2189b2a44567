/* prompt.h - scene, chips and question as the text that the language model reads
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/conversation.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_SCENE_TEXT_SHORT, /* counts and positions in words, for small models */
  DESCRY_SCENE_TEXT_PAPER, /* Objects: name [x1, y1, x2, y2]; … */
  DESCRY_SCENE_TEXT_OFF
} DescrySceneText;

/* Where a box is, in words: "on the left", "at the top right", "in the center". */
const char *descry_place_name (DescryBox box, guint width, guint height);

/* "cup", 2 -> "cups"; "person" -> "people". (transfer full) */
char *descry_noun_plural (const char *noun, guint n);

/* The user message for @question. (transfer full) @evidence gets the ids (guint) that were told. */
char *descry_prompt_write (DescryScene *scene, DescrySceneText kind, float threshold,
                           const char *question, const guint *chips, guint n_chips, GArray *evidence);

/* The system message for pictures. */
const char *descry_prompt_system (DescrySceneText kind);

/* Worked turns for small models: what a question looks like and how it is answered. They go between the
 * system message and the conversation; @n may be 0. They name things, not objects of any scene. */
typedef struct { const char *prompt; const char *answer; } DescryExample;
const DescryExample *descry_prompt_examples (DescrySceneText kind, guint *n);

/* What a template without a model would answer; the yardstick of `bench --answers`. (transfer full) */
char *descry_prompt_template_answer (DescryScene *scene, float threshold, const char *question, const guint *chips, guint n_chips);

G_END_DECLS
