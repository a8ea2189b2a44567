/* answers.c - the stored questions: their split, their scenes, how answers are judged
 *
 * `test-answers --parts FILE` prints a line of JSON for each pair with the texts that the prompt is made of, for
 * experiments with a language model (tests/golden/scripts/try-prompts.py).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/lyrics/answers.h"
#include "compute/lyrics/prompt.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

static char *
stored (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "flow", "answers", name, NULL);
}

static GPtrArray *
read_pairs (const char *name)
{
  g_autofree char *path = stored (name);
  g_autoptr (GError) error = NULL;
  GPtrArray *pairs = descry_pairs_read (path, &error);

  g_assert_no_error (error);
  return pairs;
}

static GHashTable *
read_scenes (void)
{
  g_autofree char *path = stored ("scenes.jsonl");
  g_autoptr (GError) error = NULL;
  GHashTable *scenes = descry_pairs_read_scenes (path, &error);

  g_assert_no_error (error);
  return scenes;
}

static char *
template_answer (const DescryPair *pair,
                 DescryScene      *scene)
{
  g_autoptr (GArray) chips = g_array_new (FALSE, FALSE, sizeof (guint));

  descry_pair_chips (pair, scene, chips);
  g_assert_cmpuint (chips->len, ==, pair->chips->len);
  return descry_prompt_template_answer (scene, DESCRY_SCENE_THRESHOLD, pair->question, (const guint *) (void *) chips->data, chips->len);
}

/* Twenty questions each, and no photo in both halves. */
static void
test_split (void)
{
  g_autoptr (GPtrArray) tuning = read_pairs ("tuning.jsonl");
  g_autoptr (GPtrArray) test = read_pairs ("test.jsonl");
  g_autoptr (GHashTable) scenes = read_scenes ();
  g_autoptr (GHashTable) photos = g_hash_table_new (g_str_hash, g_str_equal);
  guint i, k;

  g_assert_cmpuint (tuning->len, ==, 20);
  g_assert_cmpuint (test->len, ==, 20);
  for (i = 0; i < 20; i++)
    {
      const DescryPair *pair = g_ptr_array_index (tuning, i);

      g_hash_table_add (photos, pair->file);
      for (k = 0; k < 20; k++)
        g_assert_cmpstr (pair->file, !=, ((DescryPair *) g_ptr_array_index (test, k))->file);
    }
  for (k = 0; k < 20; k++)
    g_hash_table_add (photos, ((DescryPair *) g_ptr_array_index (test, k))->file);
  g_assert_cmpuint (g_hash_table_size (photos), >=, 10);
  g_assert_cmpuint (g_hash_table_size (photos), ==, g_hash_table_size (scenes));
}

/* Empty and evasive answers are wrong, a sentence of the right kind is right. */
static void
test_judge (void)
{
  static const struct { const char *kind, *right, *wrong; } cases[] = {
    { "yes", "Yes, there is.", "No." }, { "no", "No, there isn't.", "Yes, there is one." }, { "no", "There is no such thing in the photo.", "I see it on the left." }
  };
  const char *names[] = { "tuning.jsonl", "test.jsonl" };
  guint f, i, c;

  for (f = 0; f < 2; f++)
    {
      g_autoptr (GPtrArray) pairs = read_pairs (names[f]);

      for (i = 0; i < pairs->len; i++)
        {
          const DescryPair *pair = g_ptr_array_index (pairs, i);

          g_assert_false (descry_pair_accepts (pair, ""));
          g_assert_false (descry_pair_accepts (pair, "  I cannot say.  "));
          for (c = 0; c < G_N_ELEMENTS (cases); c++)
            if (g_strcmp0 (pair->kind, cases[c].kind) == 0)
              {
                g_assert_true (descry_pair_accepts (pair, cases[c].right));
                g_assert_false (descry_pair_accepts (pair, cases[c].wrong));
              }
        }
    }
}

/* The yardstick itself: how much a template without a model gets right. */
static void
test_template (void)
{
  const char *names[] = { "tuning.jsonl", "test.jsonl" };
  g_autoptr (GHashTable) scenes = read_scenes ();
  guint f, i, right;

  for (f = 0; f < 2; f++)
    {
      g_autoptr (GPtrArray) pairs = read_pairs (names[f]);

      for (i = right = 0; i < pairs->len; i++)
        {
          const DescryPair *pair = g_ptr_array_index (pairs, i);
          g_autofree char *answer = template_answer (pair, g_hash_table_lookup (scenes, pair->file));

          if (descry_pair_accepts (pair, answer))
            right++;
          else
            g_test_message ("%s: %s -> %s", pair->file, pair->question, answer);
        }
      g_test_message ("template, %s: %u of %u", names[f], right, pairs->len);
      g_assert_cmpuint (right, >=, 17);
    }
}

static void
test_broken (void)
{
  static const char *const lines[] = {
    "{", "[]", "{\"file\":\"a.jpg\"}", "{\"file\":\"a.jpg\",\"question\":\"?\"}", "{\"file\":\"a.jpg\",\"question\":\"?\",\"accept\":[\"(\"]}", "{\"file\":\"a.jpg\",\"question\":\"?\",\"accept\":[1]}"
  };
  g_autofree char *path = NULL;
  guint i;
  int fd = g_file_open_tmp ("descry-pairs-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  for (i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (g_file_set_contents (path, lines[i], -1, NULL));
      g_assert_null (descry_pairs_read (path, &error));
      g_assert_nonnull (error);
      g_clear_error (&error);
      g_assert_null (descry_pairs_read_scenes (path, &error));
      g_assert_nonnull (error);
    }
  g_unlink (path);
}

static int
print_parts (const char *name)
{
  g_autoptr (GPtrArray) pairs = read_pairs (name);
  g_autoptr (GHashTable) scenes = read_scenes ();
  const DescryExample *examples;
  guint n_examples, i;

  /* The messages before the question, the same for all. */
  examples = descry_prompt_examples (DESCRY_SCENE_TEXT_SHORT, &n_examples);
  {
    json_t *turns = json_array ();
    char *line;

    for (i = 0; i < n_examples; i++)
      json_array_append_new (turns, json_pack ("[s, s]", examples[i].prompt, examples[i].answer));
    turns = json_pack ("{s:s, s:o}", "system", descry_prompt_system (DESCRY_SCENE_TEXT_SHORT), "turns", turns);
    line = json_dumps (turns, JSON_COMPACT);
    puts (line);
    free (line);
    json_decref (turns);
  }

  for (i = 0; i < pairs->len; i++)
    {
      const DescryPair *pair = g_ptr_array_index (pairs, i);
      DescryScene *scene = g_hash_table_lookup (scenes, pair->file);
      g_autoptr (GArray) chips = g_array_new (FALSE, FALSE, sizeof (guint));
      g_autofree char *answer = template_answer (pair, scene);
      g_autofree char *list = descry_prompt_template_answer (scene, DESCRY_SCENE_THRESHOLD, "What is in the photo?", NULL, 0);
      g_autofree char *prompt = NULL;
      json_t *json;
      char *line;

      descry_pair_chips (pair, scene, chips);
      prompt = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, DESCRY_SCENE_THRESHOLD, pair->question, (const guint *) (void *) chips->data, chips->len, NULL);
      json = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "file", pair->file, "question", pair->question, "kind", pair->kind,
                        "list", list, "fact", answer, "prompt", prompt, "template_right", descry_pair_accepts (pair, answer));
      line = json_dumps (json, JSON_COMPACT);
      puts (line);
      free (line);
      json_decref (json);
    }

  return 0;
}

int
main (int    argc,
      char **argv)
{
  const char *parts = argc == 3 && strcmp (argv[1], "--parts") == 0 ? argv[2] : NULL;

  g_test_init (&argc, &argv, NULL);
  if (parts != NULL)
    return print_parts (parts);

  g_test_add_func ("/answers/split", test_split);
  g_test_add_func ("/answers/judge", test_judge);
  g_test_add_func ("/answers/template", test_template);
  g_test_add_func ("/answers/broken", test_broken);

  return g_test_run ();
}
