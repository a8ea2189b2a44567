/* linker.c - which words of an answer link to which objects
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/lyrics/linker.h"
#include "test-scene.h"

#include <string.h>

/* "text>1,2 text>3": the linked texts and the ids in order. */
static char *
link_text (DescryScene *scene,
           const char  *answer,
           guint        chip)
{
  g_autoptr (DescryTurn) turn = descry_turn_new ("?");
  GString *text = g_string_new (NULL);
  guint i, k, end = 0;

  if (chip > 0)
    g_array_append_val (turn->chips, chip);
  turn->answer = g_strdup (answer);
  descry_link_answer (turn, scene, DESCRY_SCENE_THRESHOLD);
  for (i = 0; i < turn->links->len; i++)
    {
      const DescryLink *link = g_ptr_array_index (turn->links, i);

      g_assert_cmpuint (link->start, >=, end); /* in order, none over another */
      g_assert_cmpuint (link->end, >, link->start);
      g_assert_cmpuint (link->end, <=, strlen (answer));
      end = link->end;
      g_string_append_printf (text, "%s%.*s>", i > 0 ? "; " : "", (int) (link->end - link->start), answer + link->start);
      for (k = 0; k < link->n_objects; k++)
        {
          guint e;

          g_string_append_printf (text, "%s%u", k > 0 ? "," : "", link->objects[k]);
          for (e = 0; e < turn->evidence->len && g_array_index (turn->evidence, guint, e) != link->objects[k]; e++)
            ;
          g_assert_cmpuint (e, <, turn->evidence->len);
        }
    }

  return g_string_free (text, FALSE);
}

static const struct
{
  const char *answer;
  guint       chip;
  const char *links;
} cases[] = {
  { "There is a lamp.", 0, "lamp>3" },
  { "There are two cups.", 0, "cups>1,2" },
  { "The cup is empty.", 0, "cup>1,2" },
  { "The cup on the left is empty.", 0, "cup>1" },
  { "The left cup and the cup at the top right.", 0, "cup>1; cup>2" },
  { "A cup in the upper right corner", 0, "cup>2" },
  { "The cup is red.", 2, "cup>2" },
  { "The cups are red.", 2, "cups>1,2" },
  { "It is red.", 2, "It>2" },
  { "This is a cup, isn't it?", 1, "This>1; cup>1; it>1" },
  { "It is raining.", 0, "" },
  { "A Toy Poodle sleeps beside the ball.", 0, "Toy Poodle>4; ball>5" },
  { "The soccer ball lies near a puppy.", 0, "soccer ball>5; puppy>4" },
  { "The dog and the soccer ball; an animal.", 0, "dog>4; soccer ball>5; animal>4" },
  { "Lampshade, cupboard, hotdogs.", 0, "" },
  { "Où? Là, « lamp » — ☕ cups…", 0, "lamp>3; cups>1,2" },
  { "cup [0.75, 0.05, 0.95, 0.25]", 0, "cup>2; [0.75, 0.05, 0.95, 0.25]>2" },
  { "[40, 40, 60, 60] is a lamp", 0, "[40, 40, 60, 60]>3; lamp>3" },
  { "[400, 40, 600, 60] and [1, 2] and [a, b, c, d] and [", 0, "" },
  { "[0.4 0.4 0.6 0.6]", 0, "[0.4 0.4 0.6 0.6]>3" },
  { "[nan, 0, 1, 1] [1e999, 0, 1, 1]", 0, "" },
  { "Two cups: one on the left, one at the top right. One lamp.", 0, "cups>1,2; lamp>3" },
  { "The cup next to the lamp on the right", 0, "cup>1,2; lamp>3" },
  { "", 0, "" },
};

static void
test_cases (void)
{
  g_autoptr (DescryScene) scene = scene_table ();
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *links = link_text (scene, cases[i].answer, cases[i].chip);

      g_assert_cmpstr (links, ==, cases[i].links);
    }
}

static void
test_nothing (void)
{
  g_autoptr (DescryTurn) turn = descry_turn_new ("?");
  guint chip = 77;

  turn->answer = g_strdup ("A cup.");
  descry_link_answer (turn, NULL, 0.5f);
  g_assert_cmpuint (turn->links->len, ==, 0);
  {
    g_autoptr (DescryScene) empty = descry_scene_new (10, 10);

    g_array_append_val (turn->chips, chip); /* an object that is gone */
    descry_link_answer (turn, empty, 0.5f);
    g_assert_cmpuint (turn->links->len, ==, 0);
  }
}

static void
test_json (void)
{
  g_autoptr (DescryScene) scene = scene_table ();
  g_autoptr (DescryTurn) turn = descry_turn_new ("What is this?");
  guint chip = 3;
  json_t *json, *link;
  char *line;

  scene->file = g_strdup ("a\xff.jpg");
  g_array_append_val (turn->chips, chip);
  turn->answer = g_strdup ("A lamp.");
  turn->prompt_tokens = 40;
  turn->answer_tokens = 4;
  descry_link_answer (turn, scene, DESCRY_SCENE_THRESHOLD);
  json = descry_turn_to_json (turn, scene);
  g_assert_nonnull (json);
  line = json_dumps (json, JSON_COMPACT);
  g_assert_nonnull (line);
  g_assert_cmpint (json_integer_value (json_object_get (json, "descry")), ==, 1);
  g_assert_cmpstr (json_string_value (json_object_get (json, "question")), ==, "What is this?");
  g_assert_cmpint (json_integer_value (json_array_get (json_object_get (json, "chips"), 0)), ==, 3);
  link = json_array_get (json_object_get (json, "links"), 0);
  g_assert_cmpint (json_integer_value (json_object_get (link, "start")), ==, 2);
  g_assert_cmpint (json_integer_value (json_object_get (link, "end")), ==, 6);
  g_assert_cmpint (json_integer_value (json_array_get (json_object_get (json, "evidence"), 0)), ==, 3);
  g_assert_cmpint (json_integer_value (json_object_get (json, "prompt_tokens")), ==, 40);
  g_assert_true (json_is_object (json_object_get (json, "timing")));
  free (line);
  json_decref (json);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/linker/cases", test_cases);
  g_test_add_func ("/linker/nothing", test_nothing);
  g_test_add_func ("/conversation/json", test_json);

  return g_test_run ();
}
