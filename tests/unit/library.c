/* library.c - the library's file: what goes in comes out, what is forgotten is gone
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <sqlite3.h>

#include "tests/unit/library-test.h"

/* Words of no other text; letters that no other word of the tests begins with. */
#define SECRET "quokkazebrafish"
#define SECRET_ANSWER "yttriumxylophone"

static const char *hash_a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char *hash_b = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/* How often bytes are in the file and in its log. */
static guint
count_bytes (const char *path,
             const char *text)
{
  static const char *const parts[] = { "", "-wal" };
  guint n = 0, i;

  for (i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *part = g_strconcat (path, parts[i], NULL);
      g_autofree char *bytes = NULL;
      const char *at;
      gsize length = 0;

      if (!g_file_get_contents (part, &bytes, &length, NULL))
        continue;
      for (at = bytes; (at = memmem (at, length - (gsize) (at - bytes), text, strlen (text))) != NULL; at++)
        n++;
    }

  return n;
}

static void
test_round_trip (void)
{
  g_autofree char *path = scratch_path ("round.sqlite");
  g_autoptr (DescryStore) store = open_store (path);
  g_autoptr (DescryScene) scene = scene_table ();
  g_autoptr (DescryScene) back = NULL;
  g_autoptr (DescryScene) none = NULL;
  g_autoptr (GPtrArray) turns = NULL;
  g_autoptr (GPtrArray) recent = NULL;
  g_autoptr (GError) error = NULL;
  const DescryKeptTurn *kept;
  const DescryLink *link;
  DescryObject *object = descry_scene_find (scene, 4);
  gboolean complete = FALSE;
  guint i;

  object->n_feature = 37;
  object->feature = g_new (float, 37);
  for (i = 0; i < 37; i++)
    object->feature[i] = 1.0f / (float) (3 + i);
  object->color[1] = 0.123456f;
  scene->bundle = g_strdup ("compact");
  descry_scene_add_tag (scene, "table", 0.75f);

  remember (store, hash_a, "photo.jpg", "/pictures/photo.jpg");
  none = descry_store_load_scene (store, hash_a, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (none);
  g_assert_true (descry_store_keep_scene (store, hash_a, scene, NULL, TRUE, &error));
  keep (store, hash_a, "one", "What is this?", "The cup is left.\n\nIt is “red”.", TRUE);
  keep (store, hash_a, "two", "And <that>?", "It ", FALSE);
  g_clear_pointer (&store, descry_store_close);

  store = open_store (path);
  back = descry_store_load_scene (store, hash_a, "compact", &complete, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (complete);
  g_assert_cmpuint (back->objects->len, ==, 6);
  g_assert_cmpstr (back->bundle, ==, "compact");
  g_assert_cmpuint (back->tags->len, ==, 1);
  g_assert_cmpstr (descry_scene_find (back, 4)->finer, ==, "toy poodle");
  g_assert_cmpuint (descry_scene_find (back, 4)->n_feature, ==, 37);
  g_assert_cmpmem (descry_scene_find (back, 4)->feature, 37 * sizeof (float), object->feature, 37 * sizeof (float));
  g_assert_cmpfloat (descry_scene_find (back, 4)->color[1], ==, 0.123456f);
  g_assert_null (descry_scene_find (back, 1)->feature);

  turns = descry_store_load_turns (store, hash_a, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (turns->len, ==, 2);
  kept = g_ptr_array_index (turns, 0);
  g_assert_cmpstr (kept->key, ==, "one");
  g_assert_cmpstr (kept->turn->question, ==, "What is this?");
  g_assert_cmpstr (kept->turn->answer, ==, "The cup is left.\n\nIt is “red”.");
  g_assert_cmpstr (kept->turn->prompt, ==, "The picture shows a cup.");
  g_assert_false (kept->turn->stopped);
  g_assert_cmpuint (kept->turn->chips->len, ==, 1);
  g_assert_cmpuint (g_array_index (kept->turn->evidence, guint, 1), ==, 1);
  g_assert_cmpuint (kept->turn->soft_tokens, ==, 4);
  g_assert_cmpuint (kept->turn->prompt_tokens, ==, 50);
  g_assert_cmpuint (kept->turn->answer_tokens, ==, 7);
  g_assert_cmpfloat (kept->turn->first_token_ms, ==, 12.5);
  g_assert_cmpfloat (kept->turn->total_ms, ==, 99.25);
  g_assert_cmpuint (kept->turn->links->len, ==, 1);
  link = g_ptr_array_index (kept->turn->links, 0);
  g_assert_cmpuint (link->start, ==, 4);
  g_assert_cmpuint (link->end, ==, 7);
  g_assert_cmpuint (link->n_objects, ==, 2);
  g_assert_cmpuint (link->objects[0], ==, 3);
  /* Never finished: the program ended meanwhile. */
  kept = g_ptr_array_index (turns, 1);
  g_assert_cmpstr (kept->turn->question, ==, "And <that>?");
  g_assert_cmpstr (kept->turn->answer, ==, "It ");
  g_assert_true (kept->turn->stopped);

  keep (store, hash_a, "two", "And <that>?", "It is a lamp.", TRUE);
  g_assert_true (descry_store_delete_turn (store, "one", &error));
  g_clear_pointer (&turns, g_ptr_array_unref);
  turns = descry_store_load_turns (store, hash_a, &error);
  g_assert_cmpuint (turns->len, ==, 1);
  kept = g_ptr_array_index (turns, 0);
  g_assert_cmpstr (kept->turn->answer, ==, "It is a lamp.");
  g_assert_false (kept->turn->stopped);

  remember (store, hash_b, "other.png", "/pictures/\xff.png"); /* a file's name need not be UTF-8 */
  remember (store, "cc", "Pasted picture", NULL);
  remember (store, hash_a, "Pasted picture", NULL); /* known by its pixels */
  recent = descry_store_recent (store, 10, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (recent->len, ==, 2);
  g_assert_cmpstr (((DescryKeptPicture *) g_ptr_array_index (recent, 0))->path, ==, "/pictures/photo.jpg");
  g_assert_cmpstr (((DescryKeptPicture *) g_ptr_array_index (recent, 0))->name, ==, "photo.jpg");
  g_assert_cmpstr (((DescryKeptPicture *) g_ptr_array_index (recent, 1))->path, ==, "/pictures/\xff.png");
}

static void
test_bundles (void)
{
  g_autofree char *path = scratch_path ("bundles.sqlite");
  g_autoptr (DescryStore) store = open_store (path);
  g_autoptr (DescryScene) small = descry_scene_new (100, 100);
  g_autoptr (DescryScene) large = scene_table ();
  g_autoptr (DescryScene) first = NULL, second = NULL, third = NULL;
  gboolean complete = TRUE;

  small->bundle = g_strdup ("compact");
  large->bundle = g_strdup ("large");
  remember (store, hash_a, "a", "/a");
  g_assert_true (descry_store_keep_scene (store, hash_a, small, NULL, FALSE, NULL));
  g_assert_true (descry_store_keep_scene (store, hash_a, large, NULL, TRUE, NULL));

  first = descry_store_load_scene (store, hash_a, "compact", &complete, NULL, NULL);
  g_assert_cmpuint (first->objects->len, ==, 0);
  g_assert_false (complete);
  second = descry_store_load_scene (store, hash_a, NULL, &complete, NULL, NULL);
  g_assert_cmpuint (second->objects->len, ==, 6);
  g_assert_true (complete);
  third = descry_store_load_scene (store, hash_a, "unknown", NULL, NULL, NULL);
  g_assert_cmpstr (third->bundle, ==, "large");
}

static void
test_conversations (void)
{
  g_autofree char *path = scratch_path ("conversations.sqlite");
  g_autoptr (DescryStore) store = open_store (path);

  remember (store, hash_a, "a", "/a");
  keep (store, hash_a, "old", "Where is the giraffe?", "Nowhere.", TRUE);
  g_assert_true (descry_store_begin_conversation (store, hash_a, NULL));
  g_assert_cmpuint (count_turns (store, hash_a), ==, 0);
  keep (store, hash_a, "new", "Where is the walrus?", "Nowhere.", TRUE);
  g_assert_cmpuint (count_turns (store, hash_a), ==, 1);
  g_assert_cmpuint (count_found (store, "giraffe"), ==, 1);
  /* A change of an old turn stays where the turn is. */
  keep (store, hash_a, "old", "Where is the giraffe?", "On the roof.", TRUE);
  g_assert_cmpuint (count_turns (store, hash_a), ==, 1);
  g_assert_cmpuint (count_found (store, "roof"), ==, 1);
}

static void
restore (DescryStore *store,
         const char  *key,
         gboolean     finished,
         const char  *after)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryTurn) turn = make_turn ("Back?", "Back again.");

  descry_store_restore_turn (store, hash_a, key, turn, finished, after, &error);
  g_assert_no_error (error);
}

/* The keys of a picture's turns, "abc"; capitals: finished. */
static char *
list_turns (DescryStore *store)
{
  g_autoptr (GPtrArray) turns = descry_store_load_turns (store, hash_a, NULL);
  GString *keys = g_string_new (NULL);
  guint i;

  for (i = 0; i < turns->len; i++)
    {
      const DescryKeptTurn *kept = turns->pdata[i];

      g_string_append_c (keys, kept->finished ? g_ascii_toupper (*kept->key) : *kept->key);
    }
  return g_string_free (keys, FALSE);
}

#define ASSERT_TURNS(expected)                  \
  G_STMT_START                                  \
  {                                             \
    g_autofree char *list = list_turns (store); \
                                                \
    g_assert_cmpstr (list, ==, expected);       \
  }                                             \
  G_STMT_END

/* A deleted turn comes back where it was. */
static void
test_restore (void)
{
  g_autofree char *path = scratch_path ("restore.sqlite");
  g_autoptr (DescryStore) store = open_store (path);
  static const char *const keys[] = { "a", "b", "c" };
  guint i;

  remember (store, hash_a, "a", "/a");
  for (i = 0; i < G_N_ELEMENTS (keys); i++)
    keep (store, hash_a, keys[i], "Which?", "This one.", TRUE);
  g_assert_true (descry_store_delete_turn (store, "b", NULL));
  ASSERT_TURNS ("AC");
  restore (store, "b", TRUE, "a");
  ASSERT_TURNS ("ABC");
  g_assert_cmpuint (count_found (store, "again"), ==, 1);
  g_assert_true (descry_store_delete_turn (store, "a", NULL));
  restore (store, "a", TRUE, NULL);
  ASSERT_TURNS ("ABC");
  g_assert_true (descry_store_delete_turn (store, "c", NULL));
  restore (store, "c", FALSE, "b");
  ASSERT_TURNS ("ABc");
  /* The one before it is gone, perhaps in another window: at the end. */
  g_assert_true (descry_store_delete_turn (store, "a", NULL));
  restore (store, "a", TRUE, "gone");
  ASSERT_TURNS ("BcA");
  /* In its own conversation, however many began since. */
  g_assert_true (descry_store_begin_conversation (store, hash_a, NULL));
  keep (store, hash_a, "n", "New?", "New.", TRUE);
  g_assert_true (descry_store_delete_turn (store, "c", NULL));
  restore (store, "c", TRUE, "b");
  ASSERT_TURNS ("N");
  g_assert_true (descry_store_resume_conversation (store, "c", NULL));
  ASSERT_TURNS ("BCA");
  /* Nothing of a picture that has been forgotten. */
  g_assert_true (descry_store_forget_picture (store, hash_a, NULL));
  restore (store, "b", TRUE, NULL);
  ASSERT_TURNS ("");
  g_assert_cmpuint (count_bytes (path, "Back again"), ==, 0);
}

static void
test_search (void)
{
  g_autofree char *path = scratch_path ("search.sqlite");
  g_autoptr (DescryStore) store = open_store (path);
  g_autoptr (GPtrArray) found = NULL;
  const DescryFoundTurn *first;

  remember (store, hash_a, "kitchen.jpg", "/kitchen.jpg");
  remember (store, hash_b, "yard.jpg", "/yard.jpg");
  keep (store, hash_a, "1", "What is on the table?", "A blue teapot and two cups.", TRUE);
  keep (store, hash_b, "2", "Is there a Hühnerstall?", "Yes, behind the blue gate.", TRUE);

  g_assert_cmpuint (count_found (store, "blue"), ==, 2);
  g_assert_cmpuint (count_found (store, "BLUE Tea"), ==, 1); /* the last word is still being typed */
  g_assert_cmpuint (count_found (store, "tea blue"), ==, 0);
  g_assert_cmpuint (count_found (store, "huhnerstall"), ==, 1);
  g_assert_cmpuint (count_found (store, "table"), ==, 1);
  g_assert_cmpuint (count_found (store, "zebra"), ==, 0);
  /* Nothing that is typed is an operator or an error. */
  g_assert_cmpuint (count_found (store, "\"blue\" OR (NEAR* ^-:"), ==, 0);
  g_assert_cmpuint (count_found (store, "\"*"), ==, 0);
  g_assert_cmpuint (count_found (store, ""), ==, 0);
  g_assert_cmpuint (count_found (store, "blue' --"), ==, 2);

  found = descry_store_search (store, "teapot", 10, NULL);
  first = g_ptr_array_index (found, 0);
  g_assert_cmpstr (first->picture.hash, ==, hash_a);
  g_assert_cmpstr (first->picture.path, ==, "/kitchen.jpg");
  g_assert_cmpstr (first->key, ==, "1");
  g_assert_nonnull (strstr (first->excerpt, "teapot"));

  /* The index follows changes. */
  keep (store, hash_a, "1", "What is on the table?", "A green teapot.", TRUE);
  g_assert_cmpuint (count_found (store, "blue"), ==, 1);
  g_assert_cmpuint (count_found (store, "green"), ==, 1);
  g_assert_true (descry_store_delete_turn (store, "1", NULL));
  g_assert_cmpuint (count_found (store, "green"), ==, 0);
}

/* A file of the first version, as it was made then. */
static void
test_migration (void)
{
  g_autofree char *path = scratch_path ("version1.sqlite");
  g_autoptr (DescryStore) store = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;
  sqlite3 *db;
  sqlite3_stmt *statement;
  int version;

  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (db,
                                 "CREATE TABLE pictures (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, path BLOB, opened INTEGER NOT NULL);"
                                 "CREATE INDEX pictures_by_time ON pictures (opened);"
                                 "CREATE TABLE analyses (id INTEGER PRIMARY KEY, picture INTEGER NOT NULL REFERENCES pictures (id) ON DELETE CASCADE,"
                                 " bundle TEXT NOT NULL, scene TEXT NOT NULL, features BLOB, complete INTEGER NOT NULL, made INTEGER NOT NULL, UNIQUE (picture, bundle));"
                                 "CREATE TABLE conversations (id INTEGER PRIMARY KEY, picture INTEGER NOT NULL REFERENCES pictures (id) ON DELETE CASCADE, started INTEGER NOT NULL);"
                                 "CREATE INDEX conversations_by_picture ON conversations (picture);"
                                 "CREATE TABLE turns (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, conversation INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,"
                                 " place INTEGER NOT NULL, asked INTEGER NOT NULL, question TEXT NOT NULL, chips TEXT NOT NULL, answer TEXT NOT NULL, links TEXT NOT NULL,"
                                 " evidence TEXT NOT NULL, prompt TEXT, finished INTEGER NOT NULL, stopped INTEGER NOT NULL, soft_tokens INTEGER NOT NULL,"
                                 " prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL, first_token_ms REAL NOT NULL, total_ms REAL NOT NULL);"
                                 "CREATE INDEX turns_by_place ON turns (conversation, place);"
                                 "INSERT INTO pictures VALUES (7, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'old.jpg', x'2f6f6c64', 5);"
                                 "INSERT INTO conversations VALUES (3, 7, 6);"
                                 "INSERT INTO turns VALUES (9, 'k', 3, 1, 6, 'Is this a harbour?', '[2]', 'Yes, with boats.', '[]', '[2]', NULL, 1, 0, 0, 1, 1, 1.0, 2.0);"
                                 "PRAGMA user_version = 1",
                                 NULL, NULL, NULL),
                   ==, SQLITE_OK);
  sqlite3_close (db);

  store = open_store (path);
  g_assert_cmpuint (count_turns (store, hash_a), ==, 1);
  g_assert_cmpuint (count_found (store, "harbour"), ==, 1);
  g_assert_cmpuint (count_found (store, "boats"), ==, 1);
  keep (store, hash_a, "k2", "More?", "A lighthouse.", TRUE);
  g_assert_cmpuint (count_found (store, "lighthouse"), ==, 1);
  g_clear_pointer (&store, descry_store_close);

  /* A file of a later version is left alone. */
  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_prepare_v2 (db, "PRAGMA user_version", -1, &statement, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_step (statement), ==, SQLITE_ROW);
  version = sqlite3_column_int (statement, 0);
  sqlite3_finalize (statement);
  g_assert_cmpint (version, ==, 4);
  g_assert_cmpint (sqlite3_exec (db, "PRAGMA user_version = 1000", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (db);
  g_assert_null (descry_store_open (path, &message, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  g_assert_null (message);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
test_forget (void)
{
  g_autofree char *path = scratch_path ("forget.sqlite");
  g_autoptr (DescryStore) store = open_store (path);
  g_autoptr (DescryScene) scene = scene_table ();
  g_autoptr (GPtrArray) recent = NULL;
  g_autoptr (GError) error = NULL;
  guint i;

  scene_add (scene, SECRET, NULL, 30, 30);
  remember (store, hash_a, SECRET ".jpg", "/" SECRET ".jpg");
  remember (store, hash_b, "other.jpg", "/other.jpg");
  g_assert_true (descry_store_keep_scene (store, hash_a, scene, NULL, TRUE, NULL));
  for (i = 0; i < 40; i++)
    {
      g_autofree char *key = g_strdup_printf ("a%u", i);
      g_autofree char *other = g_strdup_printf ("b%u", i);

      /* Both in each other's pages, and changed as an answer that streams is. */
      keep (store, hash_a, key, "Is it a " SECRET "?", "It is", FALSE);
      keep (store, hash_b, other, "Is it a cup?", "It is a teacup.", TRUE);
      keep (store, hash_a, key, "Is it a " SECRET "?", "It is a " SECRET_ANSWER ", of course.", TRUE);
    }
  /* The test can fail. */
  g_assert_cmpuint (count_bytes (path, SECRET), >, 40);
  g_assert_cmpuint (count_bytes (path, SECRET_ANSWER), >, 40);
  g_clear_pointer (&store, descry_store_close);
  g_assert_cmpuint (count_bytes (path, SECRET), >, 40);

  store = open_store (path);
  g_assert_true (descry_store_forget_picture (store, hash_a, &error));
  g_assert_no_error (error);
  /* With the file still open: log and all. */
  g_assert_cmpuint (count_bytes (path, SECRET), ==, 0);
  g_assert_cmpuint (count_bytes (path, SECRET_ANSWER), ==, 0);
  g_assert_cmpuint (count_bytes (path, hash_a), ==, 0);
  g_assert_cmpuint (count_found (store, SECRET), ==, 0);
  g_assert_cmpuint (count_turns (store, hash_a), ==, 0);
  g_assert_cmpuint (count_turns (store, hash_b), ==, 40);
  g_assert_cmpuint (count_found (store, "teacup"), ==, 40);

  /* A late write does not bring it back. */
  keep (store, hash_a, "late", "A " SECRET "?", "Yes.", TRUE);
  g_assert_true (descry_store_keep_scene (store, hash_a, scene, NULL, TRUE, &error));
  g_assert_true (descry_store_begin_conversation (store, hash_a, &error));
  g_assert_cmpuint (count_bytes (path, SECRET), ==, 0);

  g_assert_cmpuint (count_bytes (path, "teacup"), >, 0);
  g_assert_true (descry_store_forget_everything (store, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_bytes (path, "teacup"), ==, 0);
  g_assert_cmpuint (count_bytes (path, hash_b), ==, 0);
  recent = descry_store_recent (store, 10, NULL);
  g_assert_cmpuint (recent->len, ==, 0);
  /* And it can be used. */
  remember (store, hash_a, "a", "/a");
  keep (store, hash_a, "n", "New?", "Yes, new.", TRUE);
  g_assert_cmpuint (count_turns (store, hash_a), ==, 1);
}

static void
test_damaged (gconstpointer data)
{
  const char *how = data;
  g_autofree char *name = g_strdup_printf ("damaged-%s.sqlite", how);
  g_autofree char *path = scratch_path (name);
  g_autofree char *message = NULL;
  g_autofree char *before = NULL;
  g_autofree char *aside = NULL;
  g_autoptr (DescryStore) store = open_store (path);
  g_autoptr (GError) error = NULL;
  const char *entry;
  gsize length, kept_length, i;
  guint n = 0;
  GDir *dir;

  remember (store, hash_a, "a", "/a");
  for (i = 0; i < 50; i++)
    {
      g_autofree char *key = g_strdup_printf ("k%u", (guint) i);

      keep (store, hash_a, key, "Question with some length?", "Answer with a good deal of length, to fill a few pages of the file.", TRUE);
    }
  g_clear_pointer (&store, descry_store_close);

  g_assert_true (g_file_get_contents (path, &before, &length, NULL));
  g_assert_cmpuint (length, >, 8192);
  if (g_str_equal (how, "noise"))
    for (i = 4096; i < length; i++)
      before[i] = (char) (i * 37 + i / 256);
  else if (g_str_equal (how, "cut"))
    length = length / 2 / 4096 * 4096;
  else
    memcpy (before, "Not a database at all", 21);
  g_assert_true (g_file_set_contents (path, before, (gssize) length, NULL));

  store = descry_store_open (path, &message, &error);
  g_assert_no_error (error);
  g_assert_nonnull (store);
  g_assert_nonnull (message);
  g_assert_cmpuint (count_turns (store, hash_a), ==, 0);
  remember (store, hash_a, "a", "/a");
  keep (store, hash_a, "k", "Again?", "Again.", TRUE);
  g_assert_cmpuint (count_turns (store, hash_a), ==, 1);

  /* What was there is there, byte for byte. */
  dir = g_dir_open (scratch_folder (), 0, NULL);
  while ((entry = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (entry, name) && strstr (entry, ".damaged-") != NULL && !g_str_has_suffix (entry, "-wal") && !g_str_has_suffix (entry, "-shm"))
      {
        g_autofree char *full = scratch_path (entry);

        n++;
        g_assert_true (g_file_get_contents (full, &aside, &kept_length, NULL));
        g_assert_cmpmem (aside, kept_length, before, length);
        g_assert_nonnull (strstr (message, entry));
      }
  g_dir_close (dir);
  g_assert_cmpuint (n, ==, 1);
}

/* Two connections as two processes have them; SQLite does not know the difference. */
static gpointer
write_thread (gpointer data)
{
  const char *path = data;
  g_autoptr (DescryStore) store = open_store (path);
  guint i;

  for (i = 0; i < 100; i++)
    {
      g_autofree char *key = g_uuid_string_random ();

      keep (store, hash_a, key, "Which?", "This one.", TRUE);
    }

  return NULL;
}

static void
test_two (void)
{
  g_autofree char *path = scratch_path ("two.sqlite");
  g_autoptr (DescryStore) store = open_store (path);
  GThread *threads[2];
  guint i;

  remember (store, hash_a, "a", "/a");
  for (i = 0; i < 2; i++)
    threads[i] = g_thread_new ("writer", write_thread, path);
  for (i = 0; i < 100; i++)
    {
      g_autofree char *key = g_uuid_string_random ();

      keep (store, hash_a, key, "Which?", "That one.", TRUE);
      if (i == 50)
        {
          g_autoptr (GError) error = NULL;

          descry_store_forget_picture (store, hash_b, &error); /* a VACUUM between their writes */
          g_assert_no_error (error);
        }
    }
  for (i = 0; i < 2; i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (count_turns (store, hash_a), ==, 300);
  g_assert_cmpuint (count_found (store, "one"), ==, 100); /* the bound */
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/library/round trip", test_round_trip);
  g_test_add_func ("/library/bundles", test_bundles);
  g_test_add_func ("/library/conversations", test_conversations);
  g_test_add_func ("/library/restore", test_restore);
  g_test_add_func ("/library/search", test_search);
  g_test_add_func ("/library/migration", test_migration);
  g_test_add_func ("/library/forget", test_forget);
  g_test_add_data_func ("/library/damaged/header", "header", test_damaged);
  g_test_add_data_func ("/library/damaged/noise", "noise", test_damaged);
  g_test_add_data_func ("/library/damaged/cut", "cut", test_damaged);
  g_test_add_func ("/library/two processes", test_two);

  return scratch_run ();
}
