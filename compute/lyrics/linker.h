/* linker.h - phrases of an answer <-> objects of the scene
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/conversation.h"

G_BEGIN_DECLS

/* Finds names (singular, plural, finer names, groups' synonyms) and coordinates in @turn->answer,
 * fills its links and adds the linked ids to the evidence. A position beside the name ("the cup on
 * the left") narrows it; if several objects match, the link carries all of them. "this" and "it"
 * link to the chips when there are any. */
void descry_link_answer (DescryTurn *turn, DescryScene *scene, float threshold);

G_END_DECLS
