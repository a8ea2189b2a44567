/* command-line.c - the sub-commands: results, exit status, one clear message for bad input
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include <jansson.h>

#include <glib/gstdio.h>

#include "tests/flow/flow.h"

typedef struct
{
  char *folder;
} Fixture;

static void
set_up (Fixture      *fixture,
        gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("descry-flow-XXXXXX", NULL);
  g_assert_nonnull (fixture->folder);
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

static char *
write_file (Fixture    *fixture,
            const char *name,
            const char *text)
{
  char *path = g_build_filename (fixture->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

/* Nothing on stdout, one line on stderr that begins with the program's name and holds @words. */
static void
check_message (const Outcome *outcome,
               int            status,
               const char    *words)
{
  g_assert_cmpstr (outcome->out, ==, "");
  g_assert_true (g_str_has_prefix (outcome->err, "descry: "));
  if (strstr (outcome->err, words) == NULL)
    g_error ("“%s” is not in: %s", words, outcome->err);
  g_assert_true (strchr (outcome->err, '\n') == outcome->err + strlen (outcome->err) - 1);
  g_assert_cmpint (outcome->status, ==, status);
}

static void
test_usage (void)
{
  static const char *commands[] = { "analyze", "ask", "chat", "models" };
  g_auto (Outcome) outcome = { 0 };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      DESCRY (&outcome, commands[i], "--help");
      g_assert_cmpint (outcome.status, ==, 0);
      g_assert_true (g_str_has_prefix (outcome.out, "Usage: descry "));
      g_assert_nonnull (strstr (outcome.out, "--bundle"));
      g_assert_cmpstr (outcome.err, ==, "");

      DESCRY (&outcome, commands[i], "--no-such-option");
      g_assert_cmpint (outcome.status, ==, 2);
      g_assert_nonnull (strstr (outcome.err, "--no-such-option"));
    }

  DESCRY (&outcome, "analyze");
  check_message (&outcome, 2, "needs a picture");
  DESCRY (&outcome, "analyze", "a.jpg", "--format", "tiff");
  check_message (&outcome, 2, "tiff");
  DESCRY (&outcome, "analyze", "a.jpg", "--threshold", "1.5");
  check_message (&outcome, 2, "--threshold");
  DESCRY (&outcome, "analyze", "a.jpg", "--threshold", "nan");
  check_message (&outcome, 2, "--threshold");
  DESCRY (&outcome, "ask", "a.jpg");
  check_message (&outcome, 2, "a question");
  DESCRY (&outcome, "ask", "a.jpg", " \t ");
  check_message (&outcome, 2, "the question is empty");
  DESCRY (&outcome, "ask", "a.jpg", "Why?", "--object", "first");
  check_message (&outcome, 2, "first");
  DESCRY (&outcome, "models", "steal");
  check_message (&outcome, 2, "list");
  DESCRY (&outcome, "models", "add", "a.gguf", "--slot", "pocket");
  check_message (&outcome, 2, "pocket");
  DESCRY (&outcome, "models", "fetch");
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_nonnull (strstr (outcome.out, "./dev run"));
}

static void
test_bad_pictures (Fixture      *fixture,
                   gconstpointer data)
{
  g_autofree char *text = write_file (fixture, "letter.jpg", "Dear reader, this is no picture.\n");
  g_autofree char *empty = write_file (fixture, "empty.png", "");
  g_auto (Outcome) outcome = { 0 };

  DESCRY (&outcome, "analyze", "/nonexistent/a.jpg");
  check_message (&outcome, 1, "/nonexistent/a.jpg");
  DESCRY (&outcome, "analyze", text);
  check_message (&outcome, 1, text);
  DESCRY (&outcome, "ask", text, "What is this?");
  check_message (&outcome, 1, text);
  DESCRY (&outcome, "analyze", empty);
  check_message (&outcome, 1, empty);
  DESCRY (&outcome, "analyze", fixture->folder);
  check_message (&outcome, 1, fixture->folder);
}

static void
test_bad_scenes (Fixture      *fixture,
                 gconstpointer data)
{
  g_autofree char *no_json = write_file (fixture, "a.json", "{");
  g_autofree char *no_scene = write_file (fixture, "b.json", "{\"descry\": 1}");
  g_autofree char *batch = write_file (fixture, "c.jsonl", "\n{\"question\": \"Why?\"}\n");
  g_auto (Outcome) outcome = { 0 };

  DESCRY (&outcome, "ask", "--scene", "/nonexistent/a.json", "Why?");
  check_message (&outcome, 1, "/nonexistent/a.json");
  DESCRY (&outcome, "ask", "--scene", no_json, "Why?");
  check_message (&outcome, 1, no_json);
  DESCRY (&outcome, "ask", "--scene", no_scene, "Why?");
  check_message (&outcome, 1, no_scene);
  DESCRY (&outcome, "ask", "--batch", batch);
  check_message (&outcome, 2, "line 2");
  DESCRY (&outcome, "ask", "--batch", "/nonexistent/c.jsonl");
  check_message (&outcome, 1, "c.jsonl");
}

/* One white pixel. */
static const guint8 white_png[] = {
  0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00,
  0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00, 0x0c, 0x49,
  0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8, 0xff, 0xff, 0x3f, 0x00, 0x05, 0xfe, 0x02, 0xfe, 0x33, 0x12, 0x95, 0x14,
  0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82
};

static char *
write_pixel (Fixture *fixture)
{
  char *path = g_build_filename (fixture->folder, "pixel.png", NULL);

  g_assert_true (g_file_set_contents (path, (const char *) white_png, sizeof white_png, NULL));
  return path;
}

static void
test_no_device (Fixture      *fixture,
                gconstpointer data)
{
  g_autofree char *pixel = write_pixel (fixture);
  const char *const arguments[] = { "analyze", pixel, pixel, "--bundle", fixture->folder, NULL };
  g_auto (Outcome) outcome = { 0 };

  run_descry (&outcome, "OCL_ICD_VENDORS", "/nonexistent", NULL, arguments);
  check_message (&outcome, 1, "OpenCL");
}

static void
test_no_bundle (Fixture      *fixture,
                gconstpointer data)
{
  g_autofree char *pixel = write_pixel (fixture);
  g_auto (Outcome) outcome = { 0 };

  DESCRY (&outcome, "models", "list", "--bundle", "no-such-bundle");
  check_message (&outcome, 1, "no-such-bundle");
  DESCRY (&outcome, "models", "list", "--bundle", fixture->folder);
  check_message (&outcome, 1, "bundle.json");
  DESCRY (&outcome, "analyze", pixel, "--bundle", "no-such-bundle");
  if (strstr (outcome.err, "OpenCL") != NULL)
    g_test_skip ("no OpenCL device");
  else
    check_message (&outcome, 1, "no-such-bundle");
}

/* A bundle whose one network is not what bundle.json says. */
static void
test_wrong_hash (Fixture      *fixture,
                 gconstpointer data)
{
  g_autofree char *pixel = write_pixel (fixture);
  g_autofree char *weights = write_file (fixture, "net.gguf", "not a network");
  g_autofree char *json = NULL, *bundle = NULL;
  g_auto (Outcome) outcome = { 0 };

  json = g_strdup_printf ("{\"descry\": 1, \"slots\": {\"tagger\": [{\"file\": \"net.gguf\", \"size\": 13, \"sha256\": \"%064d\"}],"
                          " \"detector\": [{\"file\": \"net.gguf\", \"size\": 13, \"sha256\": \"%064d\"}]}}", 7, 7);
  bundle = write_file (fixture, "bundle.json", json);
  DESCRY (&outcome, "models", "verify", "--bundle", fixture->folder);
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "SHA-256"));

  DESCRY (&outcome, "analyze", pixel, "--bundle", fixture->folder);
  if (strstr (outcome.err, "OpenCL") != NULL)
    g_test_skip ("no OpenCL device");
  else
    check_message (&outcome, 1, "SHA-256");

  DESCRY (&outcome, "ask", pixel, "What is this?", "--bundle", fixture->folder);
  g_assert_cmpint (outcome.status, ==, 1);

  /* A file that is no GGUF never gets in. */
  DESCRY (&outcome, "models", "add", weights, "--bundle", fixture->folder);
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "net.gguf"));
  DESCRY (&outcome, "models", "remove", "net.gguf", "--slot", "tagger", "--bundle", fixture->folder);
  g_assert_cmpint (outcome.status, ==, 0);
  /* The other slot still names it. */
  g_assert_true (g_file_test (weights, G_FILE_TEST_EXISTS));
  DESCRY (&outcome, "models", "remove", "net.gguf", "--bundle", fixture->folder);
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_false (g_file_test (weights, G_FILE_TEST_EXISTS));
}

/* The smallest picture there is goes the whole way. */
static void
test_pixel (Fixture      *fixture,
            gconstpointer data)
{
  g_autofree char *bundle = find_bundle (), *pixel = write_pixel (fixture);
  g_auto (Outcome) outcome = { 0 };
  json_t *scene;

  if (bundle == NULL)
    return;
  DESCRY (&outcome, "analyze", pixel, "--bundle", bundle);
  g_assert_cmpint (outcome.status, ==, 0);
  scene = json_loads (outcome.out, JSON_REJECT_DUPLICATES, NULL);
  g_assert_cmpint (json_integer_value (json_object_get (scene, "width")), ==, 1);
  json_decref (scene);
}

static void
test_formats (Fixture      *fixture,
              gconstpointer data)
{
  g_autofree char *bundle = find_bundle (), *photo = bundle != NULL ? find_photo ("messi5.jpg") : NULL;
  g_autofree char *json = g_build_filename (fixture->folder, "out.json", NULL), *png = g_build_filename (fixture->folder, "out.png", NULL);
  g_autofree char *text = NULL;
  g_auto (Outcome) outcome = { 0 };
  json_t *parsed;
  gsize length;

  if (photo == NULL)
    return;

  DESCRY (&outcome, "analyze", photo, "--no-masks", "--format", "coco", "--json", json, "--png", png, "--bundle", bundle);
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpstr (outcome.out, ==, "");
  parsed = json_load_file (json, JSON_REJECT_DUPLICATES, NULL);
  g_assert_cmpuint (json_array_size (json_object_get (parsed, "annotations")), ==, 2);
  g_assert_cmpuint (json_array_size (json_object_get (parsed, "categories")), ==, 2);
  json_decref (parsed);
  g_assert_true (g_file_get_contents (png, &text, &length, NULL));
  g_assert_cmpmem (text, 8, white_png, 8);

  DESCRY (&outcome, "analyze", photo, "--no-masks", "--format", "yolo", "--bundle", bundle);
  g_assert_cmpint (outcome.status, ==, 0);
  /* A person is class 0. */
  g_assert_nonnull (strstr (outcome.out, "\n0 0.47"));
  DESCRY (&outcome, "analyze", photo, "--no-masks", "--format", "voc", "--bundle", bundle);
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_nonnull (strstr (outcome.out, "<name>soccer ball</name>"));
}

/* Question, answer, links and evidence belong together; a stored scene gives the same answer. */
static void
test_ask (Fixture      *fixture,
          gconstpointer data)
{
  g_autofree char *bundle = find_bundle (), *photo = bundle != NULL ? find_photo ("messi5.jpg") : NULL;
  g_autofree char *scene = NULL, *batch_text = NULL, *batch = NULL;
  g_auto (GStrv) lines = NULL;
  g_auto (Outcome) outcome = { 0 };
  json_t *turn, *again, *link;
  size_t i;

  if (photo == NULL)
    return;

  DESCRY (&outcome, "analyze", photo, "--no-masks", "--bundle", bundle);
  g_assert_cmpint (outcome.status, ==, 0);
  scene = write_file (fixture, "scene.json", outcome.out);

  DESCRY (&outcome, "ask", photo, "What is in the photo?", "--json", "--bundle", bundle, "--max-tokens", "40");
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpstr (outcome.err, ==, "");
  turn = json_loads (outcome.out, JSON_REJECT_DUPLICATES, NULL);
  g_assert_cmpint (json_integer_value (json_object_get (turn, "descry")), ==, 1);
  g_assert_cmpuint (json_string_length (json_object_get (turn, "answer")), >, 0);
  g_assert_cmpuint (json_array_size (json_object_get (turn, "evidence")), ==, 2);
  g_assert_cmpint (json_integer_value (json_object_get (turn, "answer_tokens")), <=, 40);
  json_array_foreach (json_object_get (turn, "links"), i, link)
    {
      json_int_t start = json_integer_value (json_object_get (link, "start")), end = json_integer_value (json_object_get (link, "end"));

      g_assert_cmpint (start, <, end);
      g_assert_cmpint (end, <=, (json_int_t) json_string_length (json_object_get (turn, "answer")));
    }

  batch_text = g_strdup_printf ("{\"scene\": \"%s\", \"question\": \"What is in the photo?\"}\n"
                                "{\"scene\": \"%s\", \"question\": \"What is this?\", \"chips\": [1]}\n", scene, scene);
  batch = write_file (fixture, "batch.jsonl", batch_text);
  DESCRY (&outcome, "ask", "--batch", batch, "--json", "--bundle", bundle, "--max-tokens", "40");
  g_assert_cmpint (outcome.status, ==, 0);
  lines = g_strsplit (outcome.out, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 3);
  again = json_loads (lines[0], JSON_REJECT_DUPLICATES, NULL);
  g_assert_cmpstr (json_string_value (json_object_get (again, "answer")), ==, json_string_value (json_object_get (turn, "answer")));
  json_decref (again);
  again = json_loads (lines[1], JSON_REJECT_DUPLICATES, NULL);
  g_assert_cmpint (json_integer_value (json_array_get (json_object_get (again, "chips"), 0)), ==, 1);
  g_assert_cmpint (json_integer_value (json_array_get (json_object_get (again, "evidence"), 0)), ==, 1);
  json_decref (again);
  json_decref (turn);

  DESCRY (&outcome, "ask", "--scene", scene, "What is this?", "--object", "77", "--bundle", bundle);
  check_message (&outcome, 2, "77");
}

static void
test_chat (void)
{
  g_autofree char *bundle = find_bundle ();
  const char *const arguments[] = { "chat", "--bundle", bundle, NULL };
  g_auto (GStrv) lines = NULL;
  g_auto (Outcome) outcome = { 0 };

  if (bundle == NULL)
    return;
  run_descry (&outcome, NULL, NULL, "Say hello.\n\nAnd now good-bye.\n/quit\nNever asked.\n", arguments);
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpuint (strlen (outcome.out), >, 4);
  g_assert_cmpstr (outcome.err, ==, "");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/command-line/usage", test_usage);
  g_test_add ("/command-line/bad-pictures", Fixture, NULL, set_up, test_bad_pictures, tear_down);
  g_test_add ("/command-line/bad-scenes", Fixture, NULL, set_up, test_bad_scenes, tear_down);
  g_test_add ("/command-line/no-device", Fixture, NULL, set_up, test_no_device, tear_down);
  g_test_add ("/command-line/no-bundle", Fixture, NULL, set_up, test_no_bundle, tear_down);
  g_test_add ("/command-line/wrong-hash", Fixture, NULL, set_up, test_wrong_hash, tear_down);
  g_test_add ("/command-line/pixel", Fixture, NULL, set_up, test_pixel, tear_down);
  g_test_add ("/command-line/formats", Fixture, NULL, set_up, test_formats, tear_down);
  g_test_add ("/command-line/ask", Fixture, NULL, set_up, test_ask, tear_down);
  g_test_add_func ("/command-line/chat", test_chat);

  return g_test_run ();
}
