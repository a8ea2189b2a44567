/* edits.h - what a person changed in a picture's objects and conversation, with one undo stack
 *
 * A layer over the engine's immutable scenes: they stay as they were found, and what is drawn, asked
 * about and exported is descry_edits_apply() of the newest. An edit belongs to an object's id and
 * place, so it outlives further snapshots of the same picture. No GTK; main thread only.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

#define DESCRY_EDITS_MAX_STEPS 200
#define DESCRY_EDITS_MAX_NAME  64 /* characters */

typedef struct _DescryEdits DescryEdits;

typedef enum
{
  DESCRY_EDIT_NONE,
  DESCRY_EDIT_RENAME,
  DESCRY_EDIT_DELETE,
  DESCRY_EDIT_HIDE,
  DESCRY_EDIT_SHOW,
  DESCRY_EDIT_SOLO,
  DESCRY_EDIT_THRESHOLD,
  DESCRY_EDIT_REGION,
  DESCRY_EDIT_DELETE_TURN
} DescryEditKind;

/* After each change, undo and redo. */
typedef void (*DescryEditsFunc) (DescryEdits *edits, gpointer data);

DescryEdits   *descry_edits_new   (DescryEditsFunc changed, gpointer data);
void           descry_edits_free  (DescryEdits *edits);

/* Another picture: nothing is edited, nothing can be undone. */
void           descry_edits_clear (DescryEdits *edits, float threshold);

/* --------- Steps ------------------ */

/* @name is cleaned up: one line, no blanks at the ends; empty: the name that was found. FALSE if nothing changes. */
gboolean       descry_edits_rename (DescryEdits *edits, const DescryObject *found, const char *name);

/* @ids of objects of @found; one step for all. FALSE if nothing changes. */
gboolean       descry_edits_delete (DescryEdits *edits, DescryScene *found, const guint *ids, guint n);

/* An object that a person pointed at or drew has been found: what was found is not taken back, going back hides it. */
void           descry_edits_add_region (DescryEdits *edits, const DescryObject *found);

/* A turn of the conversation goes, by its key. FALSE if it is gone already. */
gboolean       descry_edits_delete_turn (DescryEdits *edits, const char *key);
/* Another conversation: turns of the old one cannot come back, and there are no steps for them any more. */
void           descry_edits_forget_turns (DescryEdits *edits);

/* What the view shows now: @hidden is a set of ids (GUINT_TO_POINTER) or %NULL. No difference is no step; changes of the
 * threshold alone are one step until descry_edits_end_step(). */
void           descry_edits_set_view (DescryEdits *edits, GHashTable *hidden, guint solo, float threshold);

/* Filters of what was found, so nothing is looked for again: of two objects of one name that overlap by more than @overlap
 * (IoU; 1: by anything) the weaker one is left out, but none that a person pointed at; so are tags with a score below @tags.
 * One step until descry_edits_end_step(), like the threshold. */
void           descry_edits_set_filters (DescryEdits *edits, float overlap, float tags);

/* The end of a drag. */
void           descry_edits_end_step (DescryEdits *edits);

gboolean       descry_edits_undo      (DescryEdits *edits); /* FALSE: there is nothing to undo */
gboolean       descry_edits_redo      (DescryEdits *edits);
DescryEditKind descry_edits_undo_kind (DescryEdits *edits); /* NONE: nothing */
DescryEditKind descry_edits_redo_kind (DescryEdits *edits);

/* --------- State ------------------ */

/* The scene as edited: @found itself if nothing in it is renamed, deleted or left out; the same as before if neither has
 * changed. (transfer full) */
DescryScene   *descry_edits_apply      (DescryEdits *edits, DescryScene *found);
gboolean       descry_edits_is_hidden  (DescryEdits *edits, guint id);
GHashTable    *descry_edits_hidden     (DescryEdits *edits); /* set of ids; (transfer none) */
guint          descry_edits_solo       (DescryEdits *edits);
float          descry_edits_threshold  (DescryEdits *edits);
float          descry_edits_overlap    (DescryEdits *edits);
float          descry_edits_tags       (DescryEdits *edits);
GHashTable    *descry_edits_deleted_turns (DescryEdits *edits); /* set of keys; (transfer none) */

/* A tag says nothing of an object that is there no more: it goes with the last object of its name. Only before @scene is
 * published. */
void           descry_edits_drop_tag    (DescryScene *scene, const char *name);

/* What is to be kept with a picture: names, deleted and hidden objects, filters; and back, as a new beginning without steps;
 * turns that have been deleted stay so. */
json_t        *descry_edits_to_json    (DescryEdits *edits);
gboolean       descry_edits_from_json  (DescryEdits *edits, json_t *json, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryEdits, descry_edits_free)

G_END_DECLS
