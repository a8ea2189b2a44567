/* questions.h - captions, questions and right answers for a picture whose content is known
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/example.h"

G_BEGIN_DECLS

/* Captions, then questions of these kinds (DescryPictureQuestion.kind):
 *   color    of a pointed object that has one; the text knows the noun only
 *   noun     of a pointed object that the text calls "object", as a region that a person drew
 *   scene    what kind of place it is
 *   it       of a pointed object, what the text says about it: its place, what is nearest to it
 *   others   what the text answers: descry_scene_example_about()
 * @seed and @index choose among wordings; those kept for the test are asked in test pictures only. */
void        descry_picture_ask   (DescryPicture *picture, guint64 seed, guint64 index);

/* "It is a desert.": the right answer about the place. (transfer full) */
char       *descry_scene_answer  (const char *scene);

G_END_DECLS
