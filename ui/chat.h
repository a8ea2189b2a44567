/* chat.h - the conversation about a picture and the composer below it
 *
 * Knows turns, chips and links, not the engine: the window asks and hands back what comes.
 *
 * Signals:
 *   "ask"            (const char *question): the chips are descry_chat_get_chips()
 *   "stop"           ()
 *   "resume"         (DescryTurn *turn, const char *key): the newest answer, which was stopped, shall go on
 *   "link-hovered"   (const guint *ids, guint n)
 *   "link-activated" (const guint *ids, guint n)
 *   "question-changed" (): the one that is being written
 *   "delete-turn"    (const char *key, gboolean replaced): a person wants it gone, or another one takes its place; answered by
 *                    descry_chat_set_deleted()
 *   "turn-deleted"   (const char *key): it is gone
 *   "turn-restored"  (const char *key, DescryTurn *turn, gboolean finished, const char *after): it is back, after the turn of the
 *                    other key (NULL: the first)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

#include "compute/lyrics/conversation.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_CHAT (descry_chat_get_type ())
G_DECLARE_FINAL_TYPE (DescryChat, descry_chat, DESCRY, CHAT, GtkWidget)

/* What chips and evidence refer to; either may be %NULL. */
void       descry_chat_set_picture   (DescryChat *self, DescryImage *image);
void       descry_chat_set_scene     (DescryChat *self, DescryScene *scene);

/* What questions are suggested from: what would be told about the picture. May be %NULL. */
void       descry_chat_suggest_from  (DescryChat *self, DescryScene *scene, float threshold);

void       descry_chat_add_chip      (DescryChat *self, guint id);
void       descry_chat_remove_chip   (DescryChat *self, guint id);
GArray    *descry_chat_get_chips     (DescryChat *self); /* of guint; (transfer none) */

/* Puts text into the entry; the composer gets the focus. */
void       descry_chat_set_question  (DescryChat *self, const char *text);
void       descry_chat_focus         (DescryChat *self);
char      *descry_chat_get_question  (DescryChat *self); /* (transfer full) */

/* NULL: questions can be asked; else why not. */
void       descry_chat_set_blocked   (DescryChat *self, const char *reason);
/* A line above the composer, such as that no connector is there; NULL: none. */
void       descry_chat_set_notice    (DescryChat *self, const char *notice);

/* Little height: no picture where nothing was asked yet. */
void       descry_chat_set_compact   (DescryChat *self, gboolean compact);

/* The running turn. Chips leave with the question. */
void       descry_chat_begin         (DescryChat *self, const char *question);
/* The same for an answer that goes on: @turn, the last one, runs again. It must be kept alive. */
void       descry_chat_resume        (DescryChat *self, DescryTurn *turn, const char *key);
void       descry_chat_set_stage     (DescryChat *self, const char *text);
void       descry_chat_append        (DescryChat *self, const char *text);
void       descry_chat_finish        (DescryChat *self, DescryTurn *turn);
void       descry_chat_fail          (DescryChat *self, const char *message, gboolean stopped);
/* A turn of earlier, after those that came back before it and before those that were asked here. @interrupted: the
 * program ended before its answer did. */
void       descry_chat_restore       (DescryChat *self, const char *key, DescryTurn *turn, gboolean interrupted);
/* Under which the running turn is kept. */
void       descry_chat_set_key       (DescryChat *self, const char *key);
/* The keys of turns that are not to be seen; others that were gone are back in their places. */
void       descry_chat_set_deleted   (DescryChat *self, GHashTable *keys);
/* Scrolls to a turn; FALSE: it is not here. */
gboolean   descry_chat_reveal        (DescryChat *self, const char *key);
gboolean   descry_chat_is_running    (DescryChat *self);

/* Marks phrases that name these objects. */
void       descry_chat_mark          (DescryChat *self, const guint *ids, guint n);

/* Finished turns, oldest first, of DescryTurn. (transfer full) */
GPtrArray *descry_chat_get_history   (DescryChat *self);
void       descry_chat_clear         (DescryChat *self);

G_END_DECLS
