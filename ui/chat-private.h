/* chat-private.h - shared by the conversation, its turns and its composer
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "ui/chat.h"

#include <adwaita.h>

#include "ui/turn-view.h"

G_BEGIN_DECLS

struct _DescryChat
{
  GtkWidget          parent_instance;

  GtkWidget         *column; /* the only child: bound, or it would not be disposed of */
  GtkStack          *stack;
  GtkScrolledWindow *empty; /* while nothing was asked */
  GtkWidget         *empty_column;
  GtkWidget         *empty_icon;
  GtkLabel          *empty_text;
  guint              room_tick; /* 0: the icon has been judged */
  GtkScrolledWindow *scroller;
  GtkBox            *turns;
  GtkWidget         *suggestion_scroller;
  GtkBox            *suggestions;
  GtkLabel          *notice;
  GtkFlowBox        *chip_box;
  GtkTextView       *entry;
  GtkLabel          *hint;
  GtkButton         *send;

  DescryImage       *image;
  DescryScene       *scene;
  gboolean           compact; /* little height */
  DescryScene       *told; /* suggestions come from it, or NULL */
  float              threshold;
  char             **suggested; /* the questions that are shown */
  GArray            *chips; /* of guint */
  DescryTurnView    *running; /* borrowed from the box */
  DescryTurnView    *restored; /* the newest that came back, or NULL; borrowed */
  char              *replaced; /* key of the turn that the next question takes the place of, or NULL */
  char              *wanted; /* key of the turn to scroll to when it has its place, or NULL */
  char              *blocked;
  gboolean           follow; /* the newest text */
};

enum
{
  CHAT_ASK,
  CHAT_STOP,
  CHAT_RESUME,
  CHAT_LINK_HOVERED,
  CHAT_LINK_ACTIVATED,
  CHAT_QUESTION_CHANGED,
  CHAT_DELETE_TURN,
  CHAT_TURN_DELETED,
  CHAT_TURN_RESTORED,
  CHAT_N_SIGNALS
};

extern guint descry_chat_signals[];

/* The empty page has another text or another height (chat.c) */
void descry_chat_update_room       (DescryChat *self);

/* Composer (chat-composer.c) */
void descry_chat_init_composer     (DescryChat *self);
void descry_chat_send_or_stop      (DescryChat *self);
void descry_chat_update_send       (DescryChat *self); /* what can be asked, or whether it is, has changed */
void descry_chat_update_chips      (DescryChat *self);

/* Turns (chat-turns.c) */
void descry_chat_init_turns        (DescryChat *self);

G_END_DECLS
