/* conversation.h - turns: question, chips, answer, links and the evidence
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

/* A phrase of the answer that names objects. */
typedef struct
{
  guint   start; /* bytes of the answer */
  guint   end;
  guint   n_objects;
  guint  *objects; /* ids */
} DescryLink;

typedef struct
{
  gatomicrefcount refs;
  char   *question;
  GArray *chips; /* guint ids */
  char   *answer; /* valid UTF-8 */
  GPtrArray *links; /* of DescryLink, in order of start */
  GArray *evidence; /* guint ids the answer rests on: chips, named ones, those told to the model */
  char   *prompt; /* the text that was sent for this turn, as evidence */
  guint   soft_tokens; /* 0: no connector */
  guint   prompt_tokens;
  guint   answer_tokens;
  guint   left_out; /* of the earlier turns: there was no room for them */
  gboolean stopped; /* by the user */
  double  first_token_ms;
  double  total_ms;
} DescryTurn;

DescryTurn *descry_turn_new   (const char *question);
DescryTurn *descry_turn_ref   (DescryTurn *turn);
void        descry_turn_unref (DescryTurn *turn);
void        descry_turn_add_link (DescryTurn *turn, guint start, guint end, const guint *objects, guint n);
json_t     *descry_turn_to_json (DescryTurn *turn, DescryScene *scene); /* as `ask --json` */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryTurn, descry_turn_unref)

G_END_DECLS
