/* recorded-engine.h - an engine that replays: a scene step by step, an answer word by word
 *
 * Jobs run one after another on a thread of their own, as the real engine's do.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/engine.h"

G_BEGIN_DECLS

#define TYPE_RECORDED_ENGINE (recorded_engine_get_type ())
G_DECLARE_FINAL_TYPE (RecordedEngine, recorded_engine, RECORDED, ENGINE, DescryEngine)

/* @scene: what is found in every picture of its size; boxes come first, masks one by one. */
RecordedEngine *recorded_engine_new        (DescryScene *scene, const char *answer);

/* Between two steps, milliseconds. */
void            recorded_engine_set_pace   (RecordedEngine *self, guint ms);
/* The next job fails with this. (transfer full) */
void            recorded_engine_fail_next  (RecordedEngine *self, GError *error);
/* The next answer had no room for so many turns. */
void            recorded_engine_set_left_out (RecordedEngine *self, guint n_turns);
/* What the newest job was asked with, or NULL. (transfer full) */
GCancellable   *recorded_engine_caller     (RecordedEngine *self);
guint           recorded_engine_count      (RecordedEngine *self, DescryJobKind kind);
/* Whether + and - points can be had: a disc of a tenth of the picture's height around each + point, less one around each - point; the
 * other candidates are half and twice as large. */
void            recorded_engine_set_promptable (RecordedEngine *self, gboolean promptable);
/* The most points jobs that waited or ran at one time. */
guint           recorded_engine_crowd      (RecordedEngine *self);
/* What the newest question came with: copies. */
char           *recorded_engine_question   (RecordedEngine *self);
GArray         *recorded_engine_chips      (RecordedEngine *self);
/* The ids of the objects in its scene, " 1 3 4 "; (transfer none). */
const char     *recorded_engine_told       (RecordedEngine *self);
DescryAskOptions recorded_engine_options   (RecordedEngine *self);
/* Seconds after which it should rest. */
guint           recorded_engine_idle       (RecordedEngine *self);

/* A picture with things on a table, and the scene that describes it: @n_objects things (5 or more), all with masks. */
DescryImage    *recorded_picture_new       (guint width, guint height, guint n_objects, DescryScene **scene);

G_END_DECLS
