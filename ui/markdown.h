/* markdown.h - conversations as Markdown text
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/conversation.h"

G_BEGIN_DECLS

/* One question with its answer. (transfer full) */
char *descry_turn_to_markdown         (DescryTurn *turn);

/* All turns under a heading. @picture: file name of the picture beside the text, or NULL; @scene names the chips, or
 * NULL. (transfer full) */
char *descry_conversation_to_markdown (GPtrArray *turns, const char *title, const char *picture, DescryScene *scene);

G_END_DECLS
