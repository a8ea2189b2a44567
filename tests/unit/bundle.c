/* bundle.c - bundle.json: what is accepted, what is refused and why
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "compute/lyrics/bundle.h"

typedef struct
{
  char *folder;
} Fixture;

#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
set_up (Fixture      *fixture,
        gconstpointer data)
{
  g_autofree char *weights = NULL;

  fixture->folder = g_dir_make_tmp ("descry-bundle-XXXXXX", NULL);
  g_assert_nonnull (fixture->folder);
  weights = g_build_filename (fixture->folder, "abc.gguf", NULL);
  g_assert_true (g_file_set_contents (weights, "abc", 3, NULL));
}

static void
tear_down (Fixture      *fixture,
           gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
}

static void
write_json (Fixture    *fixture,
            const char *text,
            gssize      length)
{
  g_autofree char *path = g_build_filename (fixture->folder, "bundle.json", NULL);

  g_assert_true (g_file_set_contents (path, text, length, NULL));
}

static char *
make_json (const char *file,
           const char *sha256,
           const char *size)
{
  return g_strdup_printf ("{\"descry\": 1, \"name\": \"small\", \"title\": \"A small one\", \"scene_text\": \"paper\", \"unknown\": [1],"
                          " \"slots\": {\"tagger\": [{\"file\": \"%s\", \"title\": \"T\", \"licence\": \"L\", \"source\": \"S\","
                          " \"sha256\": \"%s\", \"size\": %s}]}, \"missing\": {\"connector\": \"not trained yet\"}}",
                          file, sha256, size);
}

static void
test_good (Fixture      *fixture,
           gconstpointer data)
{
  g_autofree char *json = make_json ("abc.gguf", ABC_SHA256, "3");
  g_autoptr (DescryBundle) bundle = NULL;
  g_autoptr (GError) error = NULL;
  DescryBundleFile *file;

  write_json (fixture, json, -1);
  bundle = descry_bundle_open (fixture->folder, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (bundle->name, ==, "small");
  g_assert_cmpint (bundle->scene_text, ==, DESCRY_SCENE_TEXT_PAPER);
  g_assert_cmpuint (bundle->slots[DESCRY_SLOT_TAGGER]->len, ==, 1);
  g_assert_null (bundle->missing[DESCRY_SLOT_TAGGER]);
  g_assert_cmpstr (bundle->missing[DESCRY_SLOT_CONNECTOR], ==, "not trained yet");
  g_assert_nonnull (bundle->missing[DESCRY_SLOT_LLM]);

  file = g_ptr_array_index (bundle->slots[DESCRY_SLOT_TAGGER], 0);
  g_assert_true (file->present);
  g_assert_cmpuint (file->size, ==, 3);
  g_assert_true (descry_bundle_verify (bundle, file, NULL, &error));
  g_assert_no_error (error);
  /* From memory now; still right. */
  g_assert_true (descry_bundle_verify (bundle, file, NULL, &error));
}

static void
test_wrong_hash (Fixture      *fixture,
                 gconstpointer data)
{
  g_autofree char *json = NULL, *path = NULL;
  g_autoptr (DescryBundle) bundle = NULL;
  g_autoptr (GError) error = NULL;
  DescryBundleFile *file;

  json = make_json ("abc.gguf", ABC_SHA256, "3");
  write_json (fixture, json, -1);
  bundle = descry_bundle_open (fixture->folder, &error);
  g_assert_no_error (error);
  file = g_ptr_array_index (bundle->slots[DESCRY_SLOT_TAGGER], 0);

  /* Same size, another content, noticed although the old hash was remembered. */
  g_assert_true (descry_bundle_verify (bundle, file, NULL, &error));
  g_usleep (20000);
  path = g_build_filename (fixture->folder, "abc.gguf", NULL);
  g_assert_true (g_file_set_contents (path, "abd", 3, NULL));
  g_assert_false (descry_bundle_verify (bundle, file, NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_assert_nonnull (strstr (error->message, ABC_SHA256));
  g_assert_nonnull (strstr (error->message, "abc.gguf"));
  g_clear_error (&error);

  g_unlink (path);
  g_assert_false (descry_bundle_verify (bundle, file, NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING);
}

static void
test_cancelled (Fixture      *fixture,
                gconstpointer data)
{
  g_autofree char *json = make_json ("abc.gguf", ABC_SHA256, "3");
  g_autoptr (DescryBundle) bundle = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  write_json (fixture, json, -1);
  bundle = descry_bundle_open (fixture->folder, &error);
  g_cancellable_cancel (cancellable);
  g_assert_false (descry_bundle_verify (bundle, g_ptr_array_index (bundle->slots[DESCRY_SLOT_TAGGER], 0), cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A file that is missing, of another size, or a way out of the folder empties its slot, with a reason;
 * the rest of the bundle stays usable. */
static void
test_absent (Fixture      *fixture,
             gconstpointer data)
{
  static const struct { const char *file, *size, *reason; } cases[] = {
    { "none.gguf", "3", "is not there" },
    { "abc.gguf", "4", "has 3 bytes, expected 4" },
    { "link.gguf", "3", "leads out" },
    { "folder.gguf", "3", "not a regular file" },
  };
  g_autofree char *outside = NULL, *link = NULL, *folder = NULL;
  guint i;
  int fd;

  fd = g_file_open_tmp ("descry-outside-XXXXXX", &outside, NULL);
  g_assert_cmpint (write (fd, "abc", 3), ==, 3);
  close (fd);
  link = g_build_filename (fixture->folder, "link.gguf", NULL);
  g_assert_cmpint (symlink (outside, link), ==, 0);
  folder = g_build_filename (fixture->folder, "folder.gguf", NULL);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *json = make_json (cases[i].file, ABC_SHA256, cases[i].size);
      g_autoptr (DescryBundle) bundle = NULL;
      g_autoptr (GError) error = NULL;

      write_json (fixture, json, -1);
      bundle = descry_bundle_open (fixture->folder, &error);
      g_assert_no_error (error);
      g_assert_false (((DescryBundleFile *) g_ptr_array_index (bundle->slots[DESCRY_SLOT_TAGGER], 0))->present);
      g_assert_nonnull (strstr (bundle->missing[DESCRY_SLOT_TAGGER], cases[i].reason));
    }

  g_unlink (outside);
  g_rmdir (folder);
}

static void
test_hostile (Fixture      *fixture,
              gconstpointer data)
{
  static const char *names[] = { "../abc.gguf", "/etc/passwd", "a/b", "", ".", "..", ".hidden", "a\\\\b", "a\\nb" };
  static const char *texts[] = {
    "", "[]", "null", "{", "{\"descry\": 1}", "{\"descry\": 2, \"slots\": {}}", "{\"descry\": \"1\", \"slots\": {}}",
    "{\"descry\": 1, \"slots\": []}", "{\"descry\": 1, \"descry\": 1, \"slots\": {}}",
    "{\"descry\": 1, \"slots\": {\"llm\": {}}}", "{\"descry\": 1, \"slots\": {\"llm\": [1]}}",
    "{\"descry\": 1, \"slots\": {\"llm\": [{\"file\": 5}]}}", "{\"descry\": 1, \"slots\": {}, \"scene_text\": \"loud\"}",
    "{\"descry\": 1e999, \"slots\": {}}", "{\"descry\": 1, \"title\": \"\xff\", \"slots\": {}}",
    "{\"descry\": 1, \"slots\": {\"llm\": [{\"file\": \"a\", \"sha256\": \"12\", \"size\": 3}]}}",
    "{\"descry\": 1, \"slots\": {\"llm\": [{\"file\": \"a\", \"sha256\": \"" ABC_SHA256 "\", \"size\": -3}]}}",
    "{\"descry\": 1, \"slots\": {\"llm\": [{\"file\": \"a\", \"sha256\": \"" ABC_SHA256 "\", \"size\": 1e30}]}}",
    "{\"descry\": 1, \"slots\": {\"llm\": [{\"file\": \"a\", \"sha256\": \"" ABC_SHA256 "\"}]}}",
  };
  g_autoptr (GString) deep = g_string_new ("{\"descry\": 1, \"slots\": {}, \"x\": ");
  g_autofree char *big = NULL;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names) + G_N_ELEMENTS (texts) + 2; i++)
    {
      g_autoptr (DescryBundle) bundle = NULL;
      g_autoptr (GError) error = NULL;

      if (i < G_N_ELEMENTS (names))
        {
          g_autofree char *json = make_json (names[i], ABC_SHA256, "3");

          write_json (fixture, json, -1);
        }
      else if (i < G_N_ELEMENTS (names) + G_N_ELEMENTS (texts))
        write_json (fixture, texts[i - G_N_ELEMENTS (names)], -1);
      else if (i == G_N_ELEMENTS (names) + G_N_ELEMENTS (texts))
        {
          guint j;

          for (j = 0; j < 200000; j++)
            g_string_append_c (deep, '[');
          write_json (fixture, deep->str, deep->len);
        }
      else
        {
          big = g_malloc (2 * 1024 * 1024);
          memset (big, ' ', 2 * 1024 * 1024);
          write_json (fixture, big, 2 * 1024 * 1024);
        }

      bundle = descry_bundle_open (fixture->folder, &error);
      g_assert_null (bundle);
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
      g_assert_nonnull (strstr (error->message, "bundle.json"));
    }
}

static void
test_names (void)
{
  static const char *names[] = { "no-such-bundle", "../compact", "./none", "/nonexistent/bundle", "", ".." };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (descry_bundle_open (names[i], &error));
      g_assert_nonnull (error);
      g_assert_cmpuint (error->domain, ==, DESCRY_ERROR);
    }
}

/* Known without reading the file, forgotten when it changes. */
static void
test_hash_state (Fixture      *fixture,
                 gconstpointer data)
{
  g_autofree char *json = make_json ("abc.gguf", ABC_SHA256, "3");
  g_autofree char *path = g_build_filename (fixture->folder, "abc.gguf", NULL);
  g_autoptr (DescryBundle) bundle = NULL;
  DescryBundleFile *file;

  write_json (fixture, json, -1);
  bundle = descry_bundle_open (fixture->folder, NULL);
  g_assert_nonnull (bundle);
  file = g_ptr_array_index (bundle->slots[DESCRY_SLOT_TAGGER], 0);
  g_assert_cmpint (descry_bundle_hash_state (file), ==, DESCRY_HASH_UNKNOWN);
  g_assert_true (descry_bundle_verify (bundle, file, NULL, NULL));
  g_assert_cmpint (descry_bundle_hash_state (file), ==, DESCRY_HASH_RIGHT);

  g_assert_true (g_file_set_contents (path, "abd", 3, NULL));
  g_assert_cmpint (descry_bundle_hash_state (file), ==, DESCRY_HASH_UNKNOWN);
  g_assert_false (descry_bundle_verify (bundle, file, NULL, NULL));
  g_assert_cmpint (descry_bundle_hash_state (file), ==, DESCRY_HASH_WRONG);
}

static void
test_create (void)
{
  g_autoptr (DescryBundle) bundle = NULL;
  g_autoptr (DescryBundle) again = NULL;
  g_autoptr (GError) error = NULL;
  guint i;

  bundle = descry_bundle_create ("begun", &error);
  g_assert_no_error (error);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      g_assert_cmpuint (bundle->slots[i]->len, ==, 0);
      g_assert_nonnull (bundle->missing[i]);
    }
  again = descry_bundle_open ("begun", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again->path, ==, bundle->path);
  g_assert_null (descry_bundle_create ("../begun", &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);

  g_test_add ("/bundle/good", Fixture, NULL, set_up, test_good, tear_down);
  g_test_add ("/bundle/wrong-hash", Fixture, NULL, set_up, test_wrong_hash, tear_down);
  g_test_add ("/bundle/cancelled", Fixture, NULL, set_up, test_cancelled, tear_down);
  g_test_add ("/bundle/absent", Fixture, NULL, set_up, test_absent, tear_down);
  g_test_add ("/bundle/hostile", Fixture, NULL, set_up, test_hostile, tear_down);
  g_test_add ("/bundle/hash-state", Fixture, NULL, set_up, test_hash_state, tear_down);
  g_test_add_func ("/bundle/names", test_names);
  g_test_add_func ("/bundle/create", test_create);

  return g_test_run ();
}
