/* prompt.c - what the language model is told, and what a template would answer
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/lyrics/prompt.h"
#include "compute/lyrics/words.h"
#include "test-scene.h"

#include "ui/suggestions.h"

#include <string.h>

static void
test_places (void)
{
  static const struct { float x, y; const char *name; } cases[] = {
    { 50, 50, "in the center" }, { 15, 50, "on the left" }, { 85, 50, "on the right" }, { 50, 15, "at the top" }, { 50, 85, "at the bottom" },
    { 15, 15, "at the top left" }, { 85, 15, "at the top right" }, { 15, 85, "at the bottom left" }, { 85, 85, "at the bottom right" }
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpstr (descry_place_name ((DescryBox) { cases[i].x - 5, cases[i].y - 5, cases[i].x + 5, cases[i].y + 5 }, 100, 100), ==, cases[i].name);
  g_assert_cmpstr (descry_place_name ((DescryBox) { 0 }, 0, 0), ==, "in the center");
}

static void
test_plurals (void)
{
  static const char *const cases[][2] = {
    { "cup", "cups" }, { "person", "people" }, { "bus", "buses" }, { "wine glass", "wine glasses" }, { "knife", "knives" }, { "sheep", "sheep" }, { "butterfly", "butterflies" },
    { "monkey", "monkeys" }, { "computer mouse", "computer mice" }, { "sandwich", "sandwiches" }, { "toothbrush", "toothbrushes" }, { "fox", "foxes" }, { "scissors", "scissors" },
    { "broccoli", "broccoli" }, { "fisherman", "fishermen" }, { "human", "humans" }, { "photo", "photos" }, { "potato", "potatoes" }
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *one = descry_noun_plural (cases[i][0], 1);
      g_autofree char *two = descry_noun_plural (cases[i][0], 2);
      g_autofree char *back = descry_noun_singular (cases[i][1]);

      g_assert_cmpstr (one, ==, cases[i][0]);
      g_assert_cmpstr (two, ==, cases[i][1]);
      g_assert_cmpstr (back, ==, cases[i][0]);
    }
}

static char *
fact (DescryScene *scene,
      const char  *question,
      guint        chip)
{
  return descry_prompt_template_answer (scene, DESCRY_SCENE_THRESHOLD, question, &chip, chip > 0 ? 1 : 0);
}

static void
test_template (void)
{
  static const struct { const char *question; guint chip; const char *answer; } cases[] = {
    { "How many cups are there?", 0, "There are two cups: on the left and at the top right." },
    { "How many lamps do you see?", 0, "There is one lamp in the center." },
    { "How many horses are in the picture?", 0, "There are no horses in the photo." },
    { "Is there a dog?", 0, "Yes, there is one dog at the bottom." },
    { "Is there a puppy in the photo?", 0, "Yes, there is one dog at the bottom." },
    { "Are there any animals?", 0, "Yes, there is one dog at the bottom." },
    { "Do you see a horse?", 0, "No, there is no horse in the photo." },
    { "Are there any horses here?", 0, "No, there are no horses in the photo." },
    { "Is there a cup next to the lamp?", 0, "Yes, there are two cups: on the left and at the top right." },
    { "Where is the lamp?", 0, "The lamp is in the center." },
    { "Where do you see the lamp?", 0, "The lamp is in the center." },
    { "Where are the cups?", 0, "The cups are on the left and at the top right." },
    { "Where is the cat?", 0, "There is no cat in the photo." },
    { "Is the lamp on the left?", 0, "No, the lamp is in the center." },
    { "Is the ball on the right?", 0, "Yes, the ball is at the bottom right." },
    { "What is at the bottom right?", 0, "There is a soccer ball at the bottom right." },
    { "What is this?", 3, "This is a lamp in the center." },
    { "What animal is it?", 0, "There is a dog at the bottom." },
    { "What can you see in the photo?", 0,
      "The photo shows two cups (on the left, at the top right); one lamp (in the center); one dog (at the bottom); one soccer ball (at the bottom right)." },
  };
  g_autoptr (DescryScene) scene = scene_table ();
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *answer = fact (scene, cases[i].question, cases[i].chip);

      g_assert_cmpstr (answer, ==, cases[i].answer);
    }
}

static void
test_tags (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (100, 100);
  g_autofree char *none = fact (scene, "What is in the photo?", 0);
  g_autofree char *one = NULL;
  g_autofree char *yes = NULL;

  g_assert_cmpstr (none, ==, "Nothing in the photo was recognised.");
  descry_scene_add_tag (scene, "apple", 0.7f);
  descry_scene_add_tag (scene, "orange", 0.2f);
  one = fact (scene, "What is in the photo?", 0);
  g_assert_cmpstr (one, ==, "The photo shows an apple.");
  yes = fact (scene, "Is there an apple?", 0);
  g_assert_cmpstr (yes, ==, "Yes, there is an apple in the photo.");
}

static void
test_evidence (void)
{
  g_autoptr (DescryScene) scene = scene_table ();
  g_autoptr (GArray) evidence = g_array_new (FALSE, FALSE, sizeof (guint));
  guint chips[] = { 3, 99, 3 };
  g_autofree char *text = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, DESCRY_SCENE_THRESHOLD, "Is the dog near this?", chips, 3, evidence);
  guint i;

  /* Chips first, then what the question names, then the rest; the hidden cup is not told. */
  g_assert_cmpuint (g_array_index (evidence, guint, 0), ==, 3);
  g_assert_cmpuint (g_array_index (evidence, guint, 1), ==, 4);
  g_assert_cmpuint (evidence->len, ==, 5);
  for (i = 0; i < evidence->len; i++)
    g_assert_cmpuint (g_array_index (evidence, guint, i), !=, 6);
  g_assert_nonnull (strstr (text, "Is the dog near this?"));
  g_assert_nonnull (strstr (text, "lamp"));

  {
    g_autofree char *yes = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, 0.5f, "Is there a lamp?", NULL, 0, NULL);
    g_autofree char *list = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, 0.5f, "What do you see?", NULL, 0, NULL);
    g_autofree char *off = descry_prompt_write (scene, DESCRY_SCENE_TEXT_OFF, 0.5f, "Why?", NULL, 0, NULL);
    g_autofree char *no_scene = descry_prompt_write (NULL, DESCRY_SCENE_TEXT_SHORT, 0.5f, "Why?", NULL, 0, NULL);

    /* What the question names stands last. */
    g_assert_true (g_str_has_prefix (yes, "The photo shows two cups (on the left, at the top right); one lamp (in the center);"));
    g_assert_true (g_str_has_suffix (yes, ".\nIs there a lamp?\nYes, there is one lamp in the center."));
    g_assert_true (g_str_has_prefix (list, "What do you see?\nThe photo shows two cups"));
    g_assert_cmpstr (off, ==, "Why?");
    g_assert_cmpstr (no_scene, ==, "Why?");
  }
}

/* The worked turns look exactly like what is written for a scene. */
static void
test_examples (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (100, 100);
  g_autofree char *text = NULL;
  const DescryExample *examples;
  guint n;

  scene_add (scene, "kite", NULL, 50, 15);
  scene_add (scene, "boat", NULL, 15, 85);
  scene_add (scene, "boat", NULL, 50, 85);
  scene_add (scene, "boat", NULL, 85, 85);
  examples = descry_prompt_examples (DESCRY_SCENE_TEXT_SHORT, &n);
  g_assert_cmpuint (n, ==, 4);
  text = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, 0.5f, "How many boats can you see?", NULL, 0, NULL);
  g_assert_cmpstr (text, ==, examples[1].prompt);
  descry_prompt_examples (DESCRY_SCENE_TEXT_PAPER, &n);
  g_assert_cmpuint (n, ==, 0);
}

static void
test_paper (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (1000, 1000);
  g_autofree char *text = NULL;

  scene_add (scene, "cup", NULL, 510, 80);
  ((DescryObject *) g_ptr_array_index (scene->objects, 0))->box = (DescryBox) { 500, 70.04f, 1000, 123.4f };
  text = descry_prompt_write (scene, DESCRY_SCENE_TEXT_PAPER, 0.5f, "What?", NULL, 0, NULL);
  g_assert_cmpstr (text, ==, "Objects: cup [0.5, 0.07, 1.0, 0.123]\nWhat?");
}

/* "It" and "them" are what the question points at. */
static void
test_chips (void)
{
  static const struct
  {
    guint       n_chips; /* the ball, the man */
    const char *question;
    const char *fact;
  } table[] = {
    { 1, "What is this?", "This is a ball at the bottom right." },
    { 1, "Where is it?", "The ball is at the bottom right." },
    { 1, "Where was the photo taken?", "This is a ball at the bottom right." },
    { 1, "Is it on the left?", "No, the ball is at the bottom right." },
    { 1, "Is it at the bottom?", "Yes, the ball is at the bottom right." },
    { 1, "What is nearest to it?", "The cup is nearest to the ball." },
    { 1, "Is it bigger than the cup?", "Yes, the ball is bigger than the cup." },
    { 2, "Where are they?", "The ball is at the bottom right and the man is in the center." },
    { 2, "Which of them is bigger?", "The man is bigger than the ball." },
    { 2, "Which one is smaller?", "The ball is smaller than the man." },
    { 2, "Which is the largest?", "The man is the largest of them." },
    { 0, "Which is the largest object?", "The house is the largest object in the photo." },
  };
  static const struct
  {
    const char *name;
    DescryBox   box;
  } objects[] = { { "ball", { 330, 290, 390, 340 } }, { "man", { 100, 60, 300, 280 } }, { "cup", { 395, 290, 399, 299 } }, { "house", { 0, 0, 320, 330 } } };
  g_autoptr (DescryScene) scene = descry_scene_new (400, 345);
  const guint chips[] = { 1, 2 };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (objects); i++)
    {
      DescryObject *object = g_new0 (DescryObject, 1);

      *object = (DescryObject) { .id = i + 1, .name = g_strdup (objects[i].name), .score = 0.9f, .box = objects[i].box };
      g_ptr_array_add (scene->objects, object);
    }
  for (i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *text = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, 0.5f, table[i].question, chips, table[i].n_chips, NULL);
      g_autofree char *end = g_strconcat (table[i].question, "\n", table[i].fact, NULL);

      if (!g_str_has_suffix (text, end))
        g_error ("expected %s, found %s", end, text);
    }
}

/* What a picture invites is asked in forms that the prompt has facts for. */
static void
test_suggestions (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (400, 300), empty = descry_scene_new (4, 3);
  static const char *const names[] = { "table", "cup", "cup", "lamp" };
  g_auto (GStrv) plain = NULL, one = NULL, two = NULL, none = NULL, nothing = NULL;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    {
      DescryObject *object = g_new0 (DescryObject, 1);

      *object = (DescryObject) { .id = i + 1, .name = g_strdup (names[i]), .score = i == 3 ? 0.3f : 0.9f, .box = { 0, 0, 300.0f / (i + 1), 200 } };
      g_ptr_array_add (scene->objects, object);
    }
  plain = descry_suggestions (scene, 0.5f, 0);
  g_assert_cmpuint (g_strv_length (plain), ==, 3);
  g_assert_cmpstr (plain[0], ==, "What is in the picture?");
  g_assert_cmpstr (plain[1], ==, "How many cups are there?");
  g_assert_cmpstr (plain[2], ==, "Where is the table?"); /* the lamp is below the threshold */
  one = descry_suggestions (scene, 0.2f, 1);
  g_assert_true (g_strv_contains ((const char *const *) one, "What is nearest to it?"));
  two = descry_suggestions (scene, 0.2f, 2);
  g_assert_true (g_strv_contains ((const char *const *) two, "Which of them is bigger?"));
  none = descry_suggestions (NULL, 0.5f, 0);
  g_assert_cmpuint (g_strv_length (none), ==, 0);
  nothing = descry_suggestions (empty, 0.5f, 0);
  g_assert_cmpuint (g_strv_length (nothing), ==, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/prompt/places", test_places);
  g_test_add_func ("/prompt/plurals", test_plurals);
  g_test_add_func ("/prompt/template", test_template);
  g_test_add_func ("/prompt/tags", test_tags);
  g_test_add_func ("/prompt/evidence", test_evidence);
  g_test_add_func ("/prompt/examples", test_examples);
  g_test_add_func ("/prompt/paper", test_paper);
  g_test_add_func ("/prompt/chips", test_chips);
  g_test_add_func ("/prompt/suggestions", test_suggestions);

  return g_test_run ();
}
