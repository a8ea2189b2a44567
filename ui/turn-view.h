/* turn-view.h - one question and its answer, streaming or finished
 *
 * The answer is plain paragraphs; phrases that name objects are links. Only the last paragraph is
 * live while text arrives, and it changes at most once a frame.
 *
 * Signals:
 *   "link-hovered"   (const guint *ids, guint n): the pointer is on a phrase, or left it (n == 0)
 *   "link-activated" (const guint *ids, guint n)
 *   "ask-again"      (): question and chips go back to the composer
 *   "edit"           (): the same, and what is asked then takes this one's place
 *   "repeat"         (): asked once more as it is, in this one's place
 *   "delete"         ()
 *   "resume"         (): the stopped answer shall go on
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

#include "compute/lyrics/conversation.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_TURN_VIEW (descry_turn_view_get_type ())
G_DECLARE_FINAL_TYPE (DescryTurnView, descry_turn_view, DESCRY, TURN_VIEW, GtkWidget)

/* @scene (or %NULL) names the objects of the chips. */
GtkWidget  *descry_turn_view_new       (const char *question, const guint *chips, guint n_chips, DescryScene *scene);

/* What is happening before the first token. */
void        descry_turn_view_set_stage (DescryTurnView *self, const char *text);
void        descry_turn_view_append    (DescryTurnView *self, const char *text);
void        descry_turn_view_finish    (DescryTurnView *self, DescryTurn *turn, DescryScene *scene);
void        descry_turn_view_fail      (DescryTurnView *self, const char *message, gboolean stopped);
/* Instead of finish: the program ended while it was answered. */
void        descry_turn_view_interrupt (DescryTurnView *self, DescryTurn *turn, DescryScene *scene);

gboolean    descry_turn_view_is_interrupted (DescryTurnView *self);

/* Under which it is kept. */
void        descry_turn_view_set_key   (DescryTurnView *self, const char *key);
const char *descry_turn_view_get_key   (DescryTurnView *self);
/* What is to be kept of it now; finished or not. (transfer full) */
DescryTurn *descry_turn_view_dup_turn  (DescryTurnView *self);

/* Another turn follows: a stopped answer cannot go on any more. */
void        descry_turn_view_settle    (DescryTurnView *self);

/* Marks the phrases that name one of these objects. */
void        descry_turn_view_mark      (DescryTurnView *self, const guint *ids, guint n);

/* NULL until it is finished. (transfer none) */
DescryTurn *descry_turn_view_get_turn  (DescryTurnView *self);
const char *descry_turn_view_get_question (DescryTurnView *self);
GArray     *descry_turn_view_get_chips (DescryTurnView *self);

/* The answer so far, without markup. (transfer full) */
char       *descry_turn_view_get_text  (DescryTurnView *self);

/* The markup of bytes [start, end) of an answer; public for the tests. (transfer full) */
char       *descry_turn_markup         (DescryTurn *turn, guint start, guint end, const guint *marked, guint n_marked);

/* The ids of a link's address, "obj:1,2". (transfer full) */
GArray     *descry_turn_link_ids       (const char *uri);

G_END_DECLS
