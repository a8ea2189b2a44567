/* suggestions.h - questions that a picture invites
 *
 * English like the prompts and the answers: they are what is asked. No GTK.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

#define DESCRY_SUGGESTIONS 4 /* at most */

/**
 * descry_suggestions:
 * @scene: (nullable): what the answer may rest on, objects of every score
 * @n_chips: objects that the question points at
 *
 * Questions of kinds that scenes answer: what, how many, where, which is bigger, what is nearest. The same scene has the same
 * questions; without objects there are none.
 *
 * Returns: (transfer full) (array zero-terminated=1):
 */
char **descry_suggestions (DescryScene *scene, float threshold, guint n_chips);

G_END_DECLS
