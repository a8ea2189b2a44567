/* edits.c - renaming, hiding and deleting objects, and the way back
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/lyrics/json.h"
#include "tests/unit/test-scene.h"
#include "ui/edits.h"

static guint n_changes;

static void
changed_cb (DescryEdits *edits,
            gpointer     data)
{
  n_changes++;
}

static const char *
name_of (DescryEdits *edits,
         DescryScene *found,
         guint        id)
{
  g_autoptr (DescryScene) scene = descry_edits_apply (edits, found);
  DescryObject *object = descry_scene_find (scene, id);

  return object != NULL ? g_intern_string (object->name) : NULL;
}

static void
test_rename (void)
{
  g_autoptr (DescryScene) found = scene_table ();
  g_autoptr (DescryEdits) edits = descry_edits_new (changed_cb, NULL);
  g_autoptr (DescryScene) same = descry_edits_apply (edits, found);
  DescryObject *dog = descry_scene_find (found, 4);

  g_assert_true (same == found);
  n_changes = 0;
  g_assert_true (descry_edits_rename (edits, dog, "  wolf\n"));
  g_assert_false (descry_edits_rename (edits, dog, "wolf"));
  g_assert_cmpuint (n_changes, ==, 1);
  g_assert_cmpstr (name_of (edits, found, 4), ==, "wolf");
  g_assert_cmpstr (dog->name, ==, "dog"); /* what was found stays */
  {
    g_autoptr (DescryScene) scene = descry_edits_apply (edits, found);

    g_assert_null (descry_scene_find (scene, 4)->finer); /* a wolf is no toy poodle */
  }

  /* Nothing, or the name that was found, is the way back; it can be undone too. */
  g_assert_true (descry_edits_rename (edits, dog, "   "));
  g_assert_cmpstr (name_of (edits, found, 4), ==, "dog");
  g_assert_cmpint (descry_edits_undo_kind (edits), ==, DESCRY_EDIT_RENAME);
  g_assert_true (descry_edits_undo (edits));
  g_assert_cmpstr (name_of (edits, found, 4), ==, "wolf");
  g_assert_true (descry_edits_undo (edits));
  g_assert_cmpstr (name_of (edits, found, 4), ==, "dog");
  g_assert_false (descry_edits_undo (edits));
  g_assert_true (descry_edits_redo (edits));
  g_assert_cmpstr (name_of (edits, found, 4), ==, "wolf");

  /* A new edit ends what could be redone. */
  g_assert_true (descry_edits_rename (edits, dog, "fox"));
  g_assert_cmpint (descry_edits_redo_kind (edits), ==, DESCRY_EDIT_NONE);
  g_assert_false (descry_edits_redo (edits));

  {
    g_autofree char *longer = g_strnfill (500, 'x');

    g_assert_true (descry_edits_rename (edits, dog, longer));
    g_assert_cmpuint (strlen (name_of (edits, found, 4)), ==, DESCRY_EDITS_MAX_NAME);
  }
}

static void
test_delete (void)
{
  g_autoptr (DescryScene) found = scene_table ();
  g_autoptr (DescryEdits) edits = descry_edits_new (NULL, NULL);
  const guint both[] = { 1, 4, 99 };
  g_autoptr (DescryScene) scene = NULL;

  descry_scene_add_tag (found, "dog", 0.9f);
  descry_scene_add_tag (found, "cup", 0.8f);
  g_assert_true (descry_edits_delete (edits, found, both, 3));
  g_assert_false (descry_edits_delete (edits, found, both, 3));
  scene = descry_edits_apply (edits, found);
  g_assert_cmpuint (scene->objects->len, ==, found->objects->len - 2);
  {
    g_autoptr (DescryScene) again = NULL;

    /* What is only looked at differently is not made anew. */
    descry_edits_set_view (edits, NULL, 0, 0.3f);
    again = descry_edits_apply (edits, found);
    g_assert_true (again == scene);
    g_assert_true (descry_edits_undo (edits));
  }
  g_assert_null (descry_scene_find (scene, 1));
  g_assert_null (descry_scene_find (scene, 4));

  /* The only dog is gone, and with it its tag; another cup is there. */
  g_assert_cmpuint (scene->tags->len, ==, 1);
  g_assert_cmpstr (((DescryTag *) g_ptr_array_index (scene->tags, 0))->name, ==, "cup");

  /* Both were one step. */
  g_assert_true (descry_edits_undo (edits));
  g_assert_cmpint (descry_edits_undo_kind (edits), ==, DESCRY_EDIT_NONE);
  g_assert_cmpint (descry_edits_redo_kind (edits), ==, DESCRY_EDIT_DELETE);
  g_clear_pointer (&scene, descry_scene_unref);
  scene = descry_edits_apply (edits, found);
  g_assert_true (scene == found);
}

static void
test_view (void)
{
  g_autoptr (DescryEdits) edits = descry_edits_new (changed_cb, NULL);
  g_autoptr (GHashTable) hidden = g_hash_table_new (NULL, NULL);
  guint i;

  descry_edits_clear (edits, 0.5f);
  n_changes = 0;
  descry_edits_set_view (edits, NULL, 0, 0.5f);
  g_assert_cmpuint (n_changes, ==, 0);
  g_hash_table_add (hidden, GUINT_TO_POINTER (3));
  descry_edits_set_view (edits, hidden, 0, 0.5f);
  g_assert_cmpint (descry_edits_undo_kind (edits), ==, DESCRY_EDIT_HIDE);
  g_hash_table_remove_all (hidden); /* the caller's own set */
  g_assert_true (descry_edits_is_hidden (edits, 3));

  /* A whole drag is one step. */
  for (i = 0; i < 40; i++)
    descry_edits_set_view (edits, descry_edits_hidden (edits), 0, 0.5f - 0.01f * i);
  descry_edits_end_step (edits);
  g_assert_cmpint (descry_edits_undo_kind (edits), ==, DESCRY_EDIT_THRESHOLD);
  descry_edits_set_view (edits, descry_edits_hidden (edits), 0, 0.8f);
  g_assert_true (descry_edits_undo (edits));
  g_assert_cmpfloat_with_epsilon (descry_edits_threshold (edits), 0.11, 1e-6);
  g_assert_true (descry_edits_undo (edits));
  g_assert_cmpfloat (descry_edits_threshold (edits), ==, 0.5f);
  g_assert_true (descry_edits_is_hidden (edits, 3));

  /* A drag after going back is a step of its own. */
  descry_edits_set_view (edits, descry_edits_hidden (edits), 0, 0.4f);
  g_assert_cmpint (descry_edits_undo_kind (edits), ==, DESCRY_EDIT_THRESHOLD);
  g_assert_true (descry_edits_undo (edits));

  descry_edits_set_view (edits, descry_edits_hidden (edits), 2, 0.5f);
  g_assert_cmpint (descry_edits_undo_kind (edits), ==, DESCRY_EDIT_SOLO);
  g_assert_cmpuint (descry_edits_solo (edits), ==, 2);
  descry_edits_set_view (edits, NULL, 0, 0.5f);
  g_assert_cmpint (descry_edits_undo_kind (edits), ==, DESCRY_EDIT_SHOW);
  g_assert_true (descry_edits_undo (edits));
  g_assert_true (descry_edits_undo (edits));
  g_assert_true (descry_edits_undo (edits));
  g_assert_false (descry_edits_is_hidden (edits, 3));
  g_assert_false (descry_edits_undo (edits));
}

/* A thing shown alone that is deleted leaves the others to be seen. */
static void
test_delete_solo (void)
{
  g_autoptr (DescryScene) found = scene_table ();
  g_autoptr (DescryEdits) edits = descry_edits_new (NULL, NULL);
  const guint id = 2;

  descry_edits_set_view (edits, NULL, id, DESCRY_SCENE_THRESHOLD);
  g_assert_true (descry_edits_delete (edits, found, &id, 1));
  g_assert_cmpuint (descry_edits_solo (edits), ==, 0);
  g_assert_true (descry_edits_undo (edits));
  g_assert_cmpuint (descry_edits_solo (edits), ==, 2);
}

/* After a new look the numbers may belong to others. */
static void
test_other_object (void)
{
  g_autoptr (DescryScene) found = scene_table ();
  g_autoptr (DescryScene) again = scene_table ();
  g_autoptr (DescryEdits) edits = descry_edits_new (NULL, NULL);

  g_assert_true (descry_edits_rename (edits, descry_scene_find (found, 1), "mug"));
  descry_scene_find (again, 1)->box = (DescryBox) { 6, 41, 26, 61 };
  g_assert_cmpstr (name_of (edits, again, 1), ==, "mug");
  descry_scene_find (again, 1)->box = (DescryBox) { 60, 60, 80, 80 };
  g_assert_cmpstr (name_of (edits, again, 1), ==, "cup");
}

static void
test_many (void)
{
  g_autoptr (DescryEdits) edits = descry_edits_new (NULL, NULL);
  guint i, n = 0;

  for (i = 0; i < 3 * DESCRY_EDITS_MAX_STEPS; i++)
    descry_edits_set_view (edits, NULL, i + 1, DESCRY_SCENE_THRESHOLD);
  while (descry_edits_undo (edits))
    n++;
  g_assert_cmpuint (n, ==, DESCRY_EDITS_MAX_STEPS);
  g_assert_cmpuint (descry_edits_solo (edits), ==, 2 * DESCRY_EDITS_MAX_STEPS);
}

static void
test_json (void)
{
  g_autoptr (DescryScene) found = scene_table ();
  g_autoptr (DescryEdits) edits = descry_edits_new (NULL, NULL);
  g_autoptr (DescryEdits) back = descry_edits_new (NULL, NULL);
  g_autoptr (GHashTable) hidden = g_hash_table_new (NULL, NULL);
  g_autoptr (json_t) json = NULL;
  g_autoptr (json_t) bad = json_pack ("{s:[{s:i}], s:[]}", "objects", "id", 3, "hidden");
  g_autoptr (GError) error = NULL;
  const guint id = 2;

  g_hash_table_add (hidden, GUINT_TO_POINTER (3));
  g_assert_true (descry_edits_rename (edits, descry_scene_find (found, 1), "mug"));
  g_assert_true (descry_edits_delete (edits, found, &id, 1));
  descry_edits_set_view (edits, hidden, 0, DESCRY_SCENE_THRESHOLD);
  json = descry_edits_to_json (edits);
  g_assert_true (descry_edits_from_json (back, json, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (name_of (back, found, 1), ==, "mug");
  g_assert_null (name_of (back, found, 2));
  g_assert_true (descry_edits_is_hidden (back, 3));
  g_assert_false (descry_edits_undo (back));

  g_assert_false (descry_edits_from_json (back, bad, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
  g_assert_cmpstr (name_of (back, found, 1), ==, "mug");
}

/* Filters leave out and give back what was found. */
static void
test_filters (void)
{
  g_autoptr (DescryScene) found = scene_table ();
  g_autoptr (DescryEdits) edits = descry_edits_new (changed_cb, NULL);
  g_autoptr (DescryEdits) back = descry_edits_new (NULL, NULL);
  g_autoptr (DescryScene) all = NULL, tags = NULL;
  g_autoptr (json_t) json = NULL, bad = json_pack ("{s:f}", "overlap", -0.5);
  DescryObject *first = descry_scene_find (found, 1), *object;
  guint weaker, other, pointed;

  /* On the first cup: a weaker cup, a lamp, and a cup that a person pointed at; three quarters of each are common. */
  weaker = scene_add (found, "cup", NULL, 15, 50);
  other = scene_add (found, "lamp", NULL, 15, 50);
  pointed = scene_add (found, "cup", NULL, 15, 50);
  object = descry_scene_find (found, weaker);
  object->score = first->score - 0.1f;
  object->box.y1 = object->box.y0 + 0.75f * (object->box.y1 - object->box.y0);
  object = descry_scene_find (found, pointed);
  object->source = DESCRY_SOURCE_CLICK;
  object->score = 0.1f;
  descry_scene_add_tag (found, "cup", 0.8f);
  descry_scene_add_tag (found, "picnic", 0.2f);

  all = descry_edits_apply (edits, found);
  g_assert_true (all == found);
  n_changes = 0;
  descry_edits_set_filters (edits, 0.9f, 0.0f);
  g_assert_nonnull (name_of (edits, found, weaker));
  descry_edits_set_filters (edits, 0.7f, 0.0f);
  g_assert_null (name_of (edits, found, weaker));
  g_assert_nonnull (name_of (edits, found, first->id));
  g_assert_nonnull (name_of (edits, found, other));
  g_assert_nonnull (name_of (edits, found, pointed));
  g_assert_cmpuint (n_changes, ==, 2);
  descry_edits_end_step (edits);
  descry_edits_set_filters (edits, 0.7f, 0.5f);
  tags = descry_edits_apply (edits, found);
  g_assert_cmpuint (tags->tags->len, ==, 1);
  g_assert_cmpstr (((DescryTag *) tags->tags->pdata[0])->name, ==, "cup");
  g_assert_cmpuint (found->tags->len, ==, 2); /* what was found stays */

  json = descry_edits_to_json (edits);
  g_assert_true (descry_edits_from_json (back, json, NULL));
  g_assert_cmpfloat (descry_edits_overlap (back), ==, 0.7f);
  g_assert_cmpfloat (descry_edits_tags (back), ==, 0.5f);
  g_assert_false (descry_edits_from_json (back, bad, NULL));

  g_assert_true (descry_edits_undo (edits));
  g_assert_cmpfloat (descry_edits_tags (edits), ==, 0.0f);
  g_assert_null (name_of (edits, found, weaker));
  g_assert_true (descry_edits_undo (edits)); /* both changes of the overlap */
  g_assert_nonnull (name_of (edits, found, weaker));
  g_assert_false (descry_edits_undo (edits));
  g_assert_true (descry_edits_redo (edits));
  g_assert_null (name_of (edits, found, weaker));
  /* A picture's filters are its own. */
  descry_edits_clear (edits, DESCRY_SCENE_THRESHOLD);
  g_assert_nonnull (name_of (edits, found, weaker));
}

/* What was drawn is not there before it was, also in states that share their changes with others. */
static void
test_region (void)
{
  g_autoptr (DescryScene) found = scene_table ();
  g_autoptr (DescryEdits) edits = descry_edits_new (NULL, NULL);
  g_autoptr (DescryScene) before = NULL, after = NULL;
  guint id;

  g_assert_true (descry_edits_rename (edits, descry_scene_find (found, 1), "mug"));
  descry_edits_set_view (edits, NULL, 2, DESCRY_SCENE_THRESHOLD);
  id = scene_add (found, "region", NULL, 30, 30);
  {
    g_autoptr (DescryScene) looked_at = descry_edits_apply (edits, found); /* kept for the next time */

    g_assert_nonnull (descry_scene_find (looked_at, id));
  }
  descry_edits_add_region (edits, descry_scene_find (found, id));
  g_assert_cmpint (descry_edits_undo_kind (edits), ==, DESCRY_EDIT_REGION);
  after = descry_edits_apply (edits, found);
  g_assert_nonnull (descry_scene_find (after, id));
  g_assert_true (descry_edits_undo (edits));
  before = descry_edits_apply (edits, found);
  g_assert_null (descry_scene_find (before, id));
  g_assert_cmpstr (name_of (edits, found, 1), ==, "mug");
  g_assert_true (descry_edits_undo (edits));
  g_assert_null (name_of (edits, found, id));
  g_assert_true (descry_edits_redo (edits));
  g_assert_true (descry_edits_redo (edits));
  g_assert_cmpstr (name_of (edits, found, id), ==, "region");
}

static void
test_turns (void)
{
  g_autoptr (DescryEdits) edits = descry_edits_new (changed_cb, NULL);
  g_autoptr (json_t) json = NULL;

  g_assert_true (descry_edits_delete_turn (edits, "a"));
  g_assert_false (descry_edits_delete_turn (edits, "a"));
  descry_edits_set_view (edits, NULL, 1, DESCRY_SCENE_THRESHOLD);
  g_assert_true (descry_edits_delete_turn (edits, "b"));
  g_assert_cmpuint (g_hash_table_size (descry_edits_deleted_turns (edits)), ==, 2);
  g_assert_true (descry_edits_undo (edits));
  g_assert_true (g_hash_table_contains (descry_edits_deleted_turns (edits), "a"));
  g_assert_false (g_hash_table_contains (descry_edits_deleted_turns (edits), "b"));

  /* Objects' edits that come from the file later are a new beginning; turns that went meanwhile stay away. */
  json = descry_edits_to_json (edits);
  g_assert_true (descry_edits_from_json (edits, json, NULL));
  g_assert_false (descry_edits_undo (edits));
  g_assert_true (g_hash_table_contains (descry_edits_deleted_turns (edits), "a"));

  /* Steps that were of turns alone go with their conversation, the others stay in their order. */
  descry_edits_clear (edits, DESCRY_SCENE_THRESHOLD);
  g_assert_true (descry_edits_delete_turn (edits, "c"));
  descry_edits_set_view (edits, NULL, 2, DESCRY_SCENE_THRESHOLD);
  g_assert_true (descry_edits_delete_turn (edits, "d"));
  descry_edits_set_view (edits, NULL, 3, DESCRY_SCENE_THRESHOLD);
  g_assert_true (descry_edits_undo (edits));
  n_changes = 0;
  descry_edits_forget_turns (edits);
  g_assert_cmpuint (n_changes, ==, 1);
  g_assert_cmpuint (g_hash_table_size (descry_edits_deleted_turns (edits)), ==, 0);
  g_assert_cmpuint (descry_edits_solo (edits), ==, 2);
  g_assert_true (descry_edits_redo (edits));
  g_assert_cmpuint (descry_edits_solo (edits), ==, 3);
  g_assert_true (descry_edits_undo (edits));
  g_assert_true (descry_edits_undo (edits));
  g_assert_cmpuint (descry_edits_solo (edits), ==, 0);
  g_assert_false (descry_edits_undo (edits));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/edits/rename", test_rename);
  g_test_add_func ("/edits/delete", test_delete);
  g_test_add_func ("/edits/view", test_view);
  g_test_add_func ("/edits/delete solo", test_delete_solo);
  g_test_add_func ("/edits/other object", test_other_object);
  g_test_add_func ("/edits/many", test_many);
  g_test_add_func ("/edits/json", test_json);
  g_test_add_func ("/edits/filters", test_filters);
  g_test_add_func ("/edits/region", test_region);
  g_test_add_func ("/edits/turns", test_turns);
  return g_test_run ();
}
