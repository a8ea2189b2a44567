/* edits.c - what a person changed in a picture's objects and conversation, with one undo stack
 *
 * A step is the whole state after it: states are a few dozen bytes an edit, and going back is no
 * inverse operation that could be wrong.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-edits"

#include "config.h"

#include "ui/edits.h"

#include <string.h>

#include "ui/filters.h"

#define SAME_PLACE 0.5 /* IoU; another object with the same id after a new look is not the edited one */

/* What is changed about one object. */
typedef struct
{
  DescryBox box; /* of the object as found */
  char     *name; /* NULL: as found */
  gboolean  deleted;
} Change;

typedef struct
{
  DescryEditKind kind; /* of the step that led here */
  GHashTable    *changes; /* id -> Change; shared by steps that change none of it */
  GHashTable    *hidden; /* set of ids */
  GHashTable    *turns; /* set of the keys of deleted ones; shared like the changes */
  guint          solo;
  float          threshold;
  float          overlap;
  float          tags;
} State;

struct _DescryEdits
{
  GPtrArray      *states; /* of State, oldest first; never empty */
  guint           at; /* the current one */
  gboolean        open; /* a further threshold joins the current step */
  DescryEditsFunc changed;
  gpointer        data;

  /* The newest result of descry_edits_apply() and what it was made of: a drag asks many times. */
  DescryScene    *found;
  GHashTable     *changes;
  float           overlap, tags;
  DescryScene    *applied;
};

/* --------- States ------------------ */

static void
change_free (gpointer data)
{
  Change *change = data;

  g_free (change->name);
  g_free (change);
}

static Change *
change_new (DescryBox   box,
            const char *name,
            gboolean    deleted)
{
  Change *change = g_new0 (Change, 1);

  change->box = box;
  change->name = g_strdup (name);
  change->deleted = deleted;
  return change;
}

static void
state_free (gpointer data)
{
  State *state = data;

  g_hash_table_unref (state->changes);
  g_hash_table_unref (state->hidden);
  g_hash_table_unref (state->turns);
  g_free (state);
}

static State *
state_new (float threshold)
{
  State *state = g_new0 (State, 1);

  state->changes = g_hash_table_new_full (NULL, NULL, NULL, change_free);
  state->hidden = g_hash_table_new (NULL, NULL);
  state->turns = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  state->threshold = threshold;
  state->overlap = DESCRY_FILTERS_ANY_OVERLAP;
  return state;
}

static void
set_hidden (State      *state,
            GHashTable *hidden)
{
  GHashTableIter iter;
  gpointer id;

  g_hash_table_remove_all (state->hidden);
  if (hidden == NULL)
    return;
  g_hash_table_iter_init (&iter, hidden);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    g_hash_table_add (state->hidden, id);
}

static void
share_turns (State       *state,
             const State *from)
{
  g_hash_table_unref (state->turns);
  state->turns = g_hash_table_ref (from->turns);
}

static State *
state_copy (const State   *from,
            DescryEditKind kind)
{
  State *state = state_new (from->threshold);
  GHashTableIter iter;
  gpointer id, value;

  state->kind = kind;
  state->solo = from->solo;
  state->overlap = from->overlap;
  state->tags = from->tags;
  set_hidden (state, from->hidden);
  share_turns (state, from);
  if (kind != DESCRY_EDIT_RENAME && kind != DESCRY_EDIT_DELETE && kind != DESCRY_EDIT_REGION)
    {
      g_hash_table_unref (state->changes);
      state->changes = g_hash_table_ref (from->changes);
      return state;
    }
  g_hash_table_iter_init (&iter, from->changes);
  while (g_hash_table_iter_next (&iter, &id, &value))
    {
      const Change *change = value;

      g_hash_table_insert (state->changes, id, change_new (change->box, change->name, change->deleted));
    }
  return state;
}

static State *
current (DescryEdits *edits)
{
  return g_ptr_array_index (edits->states, edits->at);
}

static void
notify (DescryEdits *edits)
{
  if (edits->changed != NULL)
    edits->changed (edits, edits->data);
}

/* Takes @state. What had been undone is gone with it. */
static void
push (DescryEdits *edits,
      State       *state)
{
  g_ptr_array_set_size (edits->states, (int) edits->at + 1);
  g_ptr_array_add (edits->states, state);
  if (edits->states->len > DESCRY_EDITS_MAX_STEPS + 1)
    g_ptr_array_remove_index (edits->states, 0);
  edits->at = edits->states->len - 1;
  edits->open = FALSE;
  notify (edits);
}

/* The change of an object, or NULL. */
static const Change *
find_change (const State        *state,
             const DescryObject *object)
{
  const Change *change = g_hash_table_lookup (state->changes, GUINT_TO_POINTER (object->id));

  return change != NULL && descry_box_iou (change->box, object->box) >= SAME_PLACE ? change : NULL;
}

static void
clear_applied (DescryEdits *edits)
{
  g_clear_pointer (&edits->found, descry_scene_unref);
  g_clear_pointer (&edits->changes, g_hash_table_unref);
  g_clear_pointer (&edits->applied, descry_scene_unref);
}

DescryEdits *
descry_edits_new (DescryEditsFunc changed,
                  gpointer        data)
{
  DescryEdits *edits = g_new0 (DescryEdits, 1);

  edits->states = g_ptr_array_new_with_free_func (state_free);
  g_ptr_array_add (edits->states, state_new (DESCRY_SCENE_THRESHOLD));
  edits->changed = changed;
  edits->data = data;
  return edits;
}

void
descry_edits_free (DescryEdits *edits)
{
  if (edits == NULL)
    return;

  clear_applied (edits);
  g_ptr_array_unref (edits->states);
  g_free (edits);
}

static void
begin_anew (DescryEdits *edits,
            State       *state) /* taken */
{
  g_ptr_array_set_size (edits->states, 0);
  g_ptr_array_add (edits->states, state);
  edits->at = 0;
  edits->open = FALSE;
  notify (edits);
}

void
descry_edits_clear (DescryEdits *edits,
                    float        threshold)
{
  g_return_if_fail (edits != NULL);

  begin_anew (edits, state_new (threshold));
}

/* --------- Steps ------------------ */

/* One line, no blanks at the ends, not too long; NULL if nothing is left. */
static char *
clean_name (const char *name)
{
  g_autofree char *valid = g_utf8_make_valid (name != NULL ? name : "", -1);
  char *p;

  for (p = valid; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = ' ';
  g_strstrip (valid);
  if (*valid == '\0')
    return NULL;
  return g_utf8_substring (valid, 0, MIN (g_utf8_strlen (valid, -1), DESCRY_EDITS_MAX_NAME));
}

gboolean
descry_edits_rename (DescryEdits        *edits,
                     const DescryObject *found,
                     const char         *name)
{
  const Change *before;
  g_autofree char *clean = NULL;
  State *state;

  g_return_val_if_fail (edits != NULL, FALSE);
  g_return_val_if_fail (found != NULL, FALSE);

  clean = clean_name (name);
  if (clean != NULL && strcmp (clean, found->name) == 0)
    g_clear_pointer (&clean, g_free);
  before = find_change (current (edits), found);
  if (g_strcmp0 (clean, before != NULL ? before->name : NULL) == 0)
    return FALSE;

  state = state_copy (current (edits), DESCRY_EDIT_RENAME);
  g_hash_table_insert (state->changes, GUINT_TO_POINTER (found->id),
                       change_new (found->box, clean, before != NULL && before->deleted));
  push (edits, state);
  return TRUE;
}

gboolean
descry_edits_delete (DescryEdits *edits,
                     DescryScene *found,
                     const guint *ids,
                     guint        n)
{
  State *state;
  guint i, n_deleted = 0;

  g_return_val_if_fail (edits != NULL, FALSE);
  g_return_val_if_fail (found != NULL, FALSE);

  state = state_copy (current (edits), DESCRY_EDIT_DELETE);
  for (i = 0; i < n; i++)
    {
      const DescryObject *object = descry_scene_find (found, ids[i]);
      const Change *before = object != NULL ? find_change (state, object) : NULL;

      if (object == NULL || (before != NULL && before->deleted))
        continue;
      g_hash_table_insert (state->changes, GUINT_TO_POINTER (object->id),
                           change_new (object->box, before != NULL ? before->name : NULL, TRUE));
      /* Nothing would be shown if the only object shown were gone. */
      if (state->solo == object->id)
        state->solo = 0;
      n_deleted++;
    }
  if (n_deleted == 0)
    {
      state_free (state);
      return FALSE;
    }

  push (edits, state);
  return TRUE;
}

void
descry_edits_add_region (DescryEdits        *edits,
                         const DescryObject *found)
{
  State *state;
  guint i;

  g_return_if_fail (edits != NULL);
  g_return_if_fail (found != NULL);

  state = state_copy (current (edits), DESCRY_EDIT_REGION);
  g_hash_table_remove (state->changes, GUINT_TO_POINTER (found->id));
  /* Before this step it was not there. */
  for (i = 0; i <= edits->at; i++)
    g_hash_table_insert (((State *) g_ptr_array_index (edits->states, i))->changes, GUINT_TO_POINTER (found->id), change_new (found->box, NULL, TRUE));
  clear_applied (edits);
  push (edits, state);
}

gboolean
descry_edits_delete_turn (DescryEdits *edits,
                          const char  *key)
{
  const State *now = current (edits);
  GHashTableIter iter;
  gpointer other;
  State *state;

  g_return_val_if_fail (key != NULL, FALSE);

  if (g_hash_table_contains (now->turns, key))
    return FALSE;

  state = state_copy (now, DESCRY_EDIT_DELETE_TURN);
  g_hash_table_unref (state->turns);
  state->turns = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_iter_init (&iter, now->turns);
  while (g_hash_table_iter_next (&iter, &other, NULL))
    g_hash_table_add (state->turns, g_strdup (other));
  g_hash_table_add (state->turns, g_strdup (key));
  push (edits, state);
  return TRUE;
}

void
descry_edits_forget_turns (DescryEdits *edits)
{
  gboolean changed = FALSE;
  guint i;

  /* A state that differs from the one before it by turns alone is none any more. */
  for (i = edits->states->len; i > 0; i--)
    {
      State *state = g_ptr_array_index (edits->states, i - 1);

      changed |= g_hash_table_size (state->turns) > 0;
      g_hash_table_unref (state->turns);
      state->turns = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      if (state->kind != DESCRY_EDIT_DELETE_TURN || i == 1)
        continue;
      g_ptr_array_remove_index (edits->states, i - 1);
      if (edits->at >= i - 1)
        edits->at--;
      changed = TRUE;
    }
  if (changed)
    notify (edits);
}

static gboolean
same_set (GHashTable *a,
          GHashTable *b) /* or NULL */
{
  GHashTableIter iter;
  gpointer id;

  if (g_hash_table_size (a) != (b != NULL ? g_hash_table_size (b) : 0))
    return FALSE;
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!g_hash_table_contains (b, id))
      return FALSE;
  return TRUE;
}

void
descry_edits_set_view (DescryEdits *edits,
                       GHashTable  *hidden,
                       guint        solo,
                       float        threshold)
{
  State *now = current (edits);
  gboolean visibility = solo != now->solo || !same_set (now->hidden, hidden);
  DescryEditKind kind;
  State *state;

  if (!visibility && threshold == now->threshold)
    return;

  if (!visibility)
    {
      if (edits->open && edits->at + 1 == edits->states->len)
        {
          now->threshold = threshold;
          notify (edits);
          return;
        }
      kind = DESCRY_EDIT_THRESHOLD;
    }
  else if (solo != now->solo)
    kind = solo != 0 ? DESCRY_EDIT_SOLO : DESCRY_EDIT_SHOW;
  else
    kind = (hidden != NULL ? g_hash_table_size (hidden) : 0) > g_hash_table_size (now->hidden) ? DESCRY_EDIT_HIDE : DESCRY_EDIT_SHOW;

  state = state_copy (now, kind);
  set_hidden (state, hidden);
  state->solo = solo;
  state->threshold = threshold;
  push (edits, state);
  edits->open = kind == DESCRY_EDIT_THRESHOLD;
}

void
descry_edits_set_filters (DescryEdits *edits,
                          float        overlap,
                          float        tags)
{
  State *now = current (edits);
  State *state;

  if (overlap == now->overlap && tags == now->tags)
    return;

  if (edits->open && edits->at + 1 == edits->states->len)
    {
      now->overlap = overlap;
      now->tags = tags;
      notify (edits);
      return;
    }
  state = state_copy (now, DESCRY_EDIT_THRESHOLD);
  state->overlap = overlap;
  state->tags = tags;
  push (edits, state);
  edits->open = TRUE;
}

void
descry_edits_end_step (DescryEdits *edits)
{
  edits->open = FALSE;
}

gboolean
descry_edits_undo (DescryEdits *edits)
{
  g_return_val_if_fail (edits != NULL, FALSE);

  if (edits->at == 0)
    return FALSE;

  edits->at--;
  edits->open = FALSE;
  notify (edits);
  return TRUE;
}

gboolean
descry_edits_redo (DescryEdits *edits)
{
  g_return_val_if_fail (edits != NULL, FALSE);

  if (edits->at + 1 >= edits->states->len)
    return FALSE;

  edits->at++;
  edits->open = FALSE;
  notify (edits);
  return TRUE;
}

DescryEditKind
descry_edits_undo_kind (DescryEdits *edits)
{
  return edits->at > 0 ? current (edits)->kind : DESCRY_EDIT_NONE;
}

DescryEditKind
descry_edits_redo_kind (DescryEdits *edits)
{
  return edits->at + 1 < edits->states->len ? ((State *) g_ptr_array_index (edits->states, edits->at + 1))->kind : DESCRY_EDIT_NONE;
}

/* --------- State ------------------ */

static gboolean
has_object (DescryScene *scene,
            const char  *name)
{
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->score >= DESCRY_SCENE_THRESHOLD && g_strcmp0 (object->name, name) == 0)
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_tag (DescryScene *scene,
         const char  *name)
{
  guint i;

  for (i = 0; i < scene->tags->len; i++)
    if (g_strcmp0 (((DescryTag *) g_ptr_array_index (scene->tags, i))->name, name) == 0)
      return TRUE;
  return FALSE;
}

void
descry_edits_drop_tag (DescryScene *scene,
                       const char  *name)
{
  g_autoptr (DescryScene) kept = NULL;
  GPtrArray *tags;
  guint i;

  if (!has_tag (scene, name) || has_object (scene, name))
    return;

  kept = descry_scene_new (scene->width, scene->height);
  for (i = 0; i < scene->tags->len; i++)
    {
      const DescryTag *tag = g_ptr_array_index (scene->tags, i);

      if (g_strcmp0 (tag->name, name) != 0)
        descry_scene_add_tag (kept, tag->name, tag->score);
    }
  tags = scene->tags;
  scene->tags = kept->tags;
  kept->tags = tags;
}

DescryScene *
descry_edits_apply (DescryEdits *edits,
                    DescryScene *found)
{
  const State *state = current (edits);
  DescryScene *scene;
  gboolean touched = FALSE;
  guint i;

  g_return_val_if_fail (found != NULL, NULL);

  for (i = 0; i < found->objects->len && !touched; i++)
    {
      const Change *change = find_change (state, g_ptr_array_index (found->objects, i));

      touched = change != NULL && (change->deleted || change->name != NULL);
    }
  if (!touched)
    touched = descry_filters_touch (found, state->overlap, state->tags);
  if (!touched)
    return descry_scene_ref (found);
  if (found == edits->found && state->changes == edits->changes && state->overlap == edits->overlap && state->tags == edits->tags)
    return descry_scene_ref (edits->applied);

  scene = descry_scene_copy (found);
  for (i = scene->objects->len; i > 0; i--)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i - 1);
      const Change *change = find_change (state, object);
      g_autofree char *old = NULL;

      if (change == NULL)
        continue;
      if (change->deleted)
        {
          old = g_strdup (object->name);
          g_ptr_array_remove_index (scene->objects, i - 1);
          descry_edits_drop_tag (scene, old);
        }
      else if (change->name != NULL)
        {
          old = g_steal_pointer (&object->name);
          object->name = g_strdup (change->name);
          /* The finer name was one of what the object is not. */
          g_clear_pointer (&object->finer, g_free);
          descry_edits_drop_tag (scene, old);
          if (!has_tag (scene, object->name))
            descry_scene_add_tag (scene, object->name, object->score);
        }
    }

  descry_filters_apply (scene, state->overlap, state->tags);

  clear_applied (edits);
  edits->overlap = state->overlap;
  edits->tags = state->tags;
  edits->found = descry_scene_ref (found);
  edits->changes = g_hash_table_ref (state->changes);
  edits->applied = descry_scene_ref (scene);
  return scene;
}

gboolean
descry_edits_is_hidden (DescryEdits *edits,
                        guint        id)
{
  return g_hash_table_contains (current (edits)->hidden, GUINT_TO_POINTER (id));
}

GHashTable *
descry_edits_hidden (DescryEdits *edits)
{
  return current (edits)->hidden;
}

guint
descry_edits_solo (DescryEdits *edits)
{
  return current (edits)->solo;
}

float
descry_edits_threshold (DescryEdits *edits)
{
  return current (edits)->threshold;
}

float
descry_edits_overlap (DescryEdits *edits)
{
  return current (edits)->overlap;
}

float
descry_edits_tags (DescryEdits *edits)
{
  return current (edits)->tags;
}

GHashTable *
descry_edits_deleted_turns (DescryEdits *edits)
{
  return current (edits)->turns;
}

/* --------- Keeping ------------------ */

json_t *
descry_edits_to_json (DescryEdits *edits)
{
  const State *state = current (edits);
  json_t *objects = json_array ();
  GHashTableIter iter;
  gpointer id, value;

  g_hash_table_iter_init (&iter, state->changes);
  while (g_hash_table_iter_next (&iter, &id, &value))
    {
      const Change *change = value;
      json_t *entry = json_pack ("{s:i, s:[f,f,f,f], s:b}", "id", (int) GPOINTER_TO_UINT (id), "box", (double) change->box.x0,
                                 (double) change->box.y0, (double) change->box.x1, (double) change->box.y1, "deleted", (int) change->deleted);

      if (change->name != NULL)
        json_object_set_new (entry, "name", json_string (change->name));
      json_array_append_new (objects, entry);
    }
  {
    json_t *hidden = json_array ();

    g_hash_table_iter_init (&iter, state->hidden);
    while (g_hash_table_iter_next (&iter, &id, NULL))
      json_array_append_new (hidden, json_integer (GPOINTER_TO_UINT (id)));
    return json_pack ("{s:o, s:o, s:f, s:f}", "objects", objects, "hidden", hidden, "overlap", (double) state->overlap, "tags", (double) state->tags);
  }
}

gboolean
descry_edits_from_json (DescryEdits *edits,
                        json_t      *json,
                        GError     **error)
{
  State *state = state_new (current (edits)->threshold);
  json_t *entry, *objects = json_object_get (json, "objects"), *hidden = json_object_get (json, "hidden");
  double overlap = DESCRY_FILTERS_ANY_OVERLAP, tags = 0.0;
  gsize i;

  json_array_foreach (objects, i, entry)
    {
      double x0, y0, x1, y1;
      const char *name = NULL;
      g_autofree char *clean = NULL;
      int id, deleted;

      if (json_unpack (entry, "{s:i, s:[F,F,F,F], s:b, s?s}", "id", &id, "box", &x0, &y0, &x1, &y1, "deleted", &deleted, "name", &name) != 0 || id <= 0)
        goto bad;
      clean = clean_name (name);
      g_hash_table_insert (state->changes, GUINT_TO_POINTER (id),
                           change_new ((DescryBox) { (float) x0, (float) y0, (float) x1, (float) y1 }, clean, deleted));
    }
  json_array_foreach (hidden, i, entry)
    {
      if (!json_is_integer (entry) || json_integer_value (entry) <= 0 || json_integer_value (entry) > G_MAXINT32)
        goto bad;
      g_hash_table_add (state->hidden, GUINT_TO_POINTER ((guint) json_integer_value (entry)));
    }
  /* Older ones have no filters. */
  if (!json_is_object (json) || json_unpack (json, "{s?F, s?F}", "overlap", &overlap, "tags", &tags) != 0
      || !(overlap >= 0.0 && overlap <= 1.0 && tags >= 0.0 && tags <= 1.0))
    goto bad;
  state->overlap = (float) overlap;
  state->tags = (float) tags;
  share_turns (state, current (edits));

  begin_anew (edits, state);
  return TRUE;

bad:
  state_free (state);
  g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_IO, "the edits of a picture are damaged");
  return FALSE;
}
