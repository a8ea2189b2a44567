/* questions.c - captions, questions and right answers for a picture whose content is known
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/synthetic/questions.h"

#include <string.h>

#include "compute/lyrics/prompt.h"
#include "compute/lyrics/words.h"

#define UNNAMED    "object" /* what the refiner calls a region without a name */
#define MOST_ASKED 3 /* colours, and nouns, of a picture */
#define TEXT_ASKED 2
#define IT_ASKED 2

/* Those after the bar are for the test. */
static const char *const color_words[] = { "What color is this?", "Which color does it have?", "What is its color?", "Tell me the color of this.", "|", "What color does this have?" };
static const char *const noun_words[] = { "What is this?", "What is it?", "What do you call this?", "What is this object?", "|", "Can you name this?" };
static const char *const it_words[] = { "Where is it?", "Where is this?", "Is it on the left?", "Is it at the top?", "What is nearest to it?", "|", "Where do you see it?", "Is it on the right?" };
static const char *const scene_words[] = { "What kind of place is this?", "Where was the photo taken?", "What is in the background?", "What place does the photo show?", "|", "What kind of place is in the photo?" };

static const struct { const char *scene, *place, *answer; } scenes[] = {
  { "desert", "in a desert", "It is a desert." }, { "mountains", "in the mountains", "It is in the mountains." }, { "city", "in a city", "It is a city." },
  { "water", "by the water", "It is by the water." }, { "field", "in a field", "It is a field." }, { "forest", "in a forest", "It is a forest." },
  { "snow", "in the snow", "It is in the snow." }, { "sky", "in the sky", "It is in the sky." },
};

static const char *
choose (GRand              *rand,
        DescrySplit         split,
        const char *const  *words,
        guint               n)
{
  guint bar;

  for (bar = 0; bar < n && strcmp (words[bar], "|") != 0; bar++)
    ;
  g_assert (bar + 1 < n);
  return split == DESCRY_SPLIT_TEST ? words[bar + 1 + g_rand_int (rand) % (n - bar - 1)] : words[g_rand_int (rand) % bar];
}

#define CHOOSE(rand, split, words) choose (rand, split, words, G_N_ELEMENTS (words))

char *
descry_scene_answer (const char *scene)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (scenes); i++)
    if (strcmp (scenes[i].scene, scene) == 0)
      return g_strdup (scenes[i].answer);

  return g_strdup_printf ("It is %s %s.", descry_noun_article (scene), scene);
}

static void
append_thing (GString                   *text,
              const DescryPictureObject *object,
              gboolean                   color)
{
  const char *first = color && object->color != NULL ? object->color : object->noun;

  if (!descry_noun_is_plural (object->noun))
    g_string_append_printf (text, "%s ", descry_noun_article (first));
  if (first == object->color)
    g_string_append_printf (text, "%s ", object->color);
  g_string_append (text, object->noun);
}

/* One short, one with colours, places and the scene. */
static void
write_captions (DescryPicture *picture)
{
  g_autoptr (GString) plain = g_string_new (NULL), full = g_string_new (NULL);
  guint n = picture->objects->len, i;

  for (i = 0; i < n; i++)
    {
      const DescryPictureObject *object = g_ptr_array_index (picture->objects, i);
      const char *join = i == 0 ? "" : i == n - 1 ? " and " : ", ";

      g_string_append (plain, join);
      append_thing (plain, object, FALSE);
      g_string_append (full, join);
      append_thing (full, object, TRUE);
      g_string_append_printf (full, " %s", object->side);
    }
  if (n == 0)
    {
      g_string_append (plain, "a photo");
      g_string_append (full, "a photo");
    }
  for (i = 0; picture->scene != NULL && i < G_N_ELEMENTS (scenes); i++)
    if (strcmp (scenes[i].scene, picture->scene) == 0)
      {
        g_string_append_printf (plain, " %s", scenes[i].place);
        g_string_append_printf (full, ", %s", scenes[i].place);
      }
  plain->str[0] = g_ascii_toupper (plain->str[0]);
  full->str[0] = g_ascii_toupper (full->str[0]);
  g_ptr_array_add (picture->captions, g_strdup_printf ("%s.", full->str));
  g_ptr_array_add (picture->captions, g_strdup_printf ("%s.", plain->str));
}

static void
add (DescryPicture *picture,
     DescryScene   *scene,
     const char    *kind,
     const char    *words,
     const char    *answer,
     gint           pointed, /* -1: none */
     gboolean       from_picture)
{
  const guint chip = (guint) pointed + 1, index = (guint) pointed;
  g_autofree char *prompt = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, DESCRY_SCENE_THRESHOLD, words, &chip, pointed >= 0 ? 1 : 0, NULL);

  descry_picture_add_question (picture, kind, words, prompt, answer, &index, pointed >= 0 ? 1 : 0, from_picture);
}

static void
shuffle (GRand *rand,
         guint *order,
         guint  n)
{
  guint i;

  for (i = 0; i < n; i++)
    {
      guint other = g_rand_int (rand) % (i + 1);

      order[i] = order[other];
      order[other] = i;
    }
}

static void
ask_colors (DescryPicture *picture,
            DescryScene   *scene,
            GRand         *rand,
            const guint   *order)
{
  guint asked = 0, i;

  for (i = 0; i < picture->objects->len && asked < MOST_ASKED; i++)
    {
      const DescryPictureObject *object = g_ptr_array_index (picture->objects, order[i]);
      g_autofree char *answer = NULL;

      if (object->color == NULL)
        continue;
      answer = g_strdup_printf ("It is %s.", object->color);
      add (picture, scene, "color", CHOOSE (rand, picture->split, color_words), answer, (gint) order[i], TRUE);
      asked++;
    }
}

static void
ask_nouns (DescryPicture *picture,
           DescryScene   *scene,
           GRand         *rand,
           const guint   *order)
{
  guint n = MIN (picture->objects->len, MOST_ASKED), i, k;

  for (i = 0; i < n; i++)
    {
      const char *noun = ((DescryPictureObject *) g_ptr_array_index (picture->objects, order[i]))->noun;
      g_autoptr (DescryScene) hidden = descry_scene_copy (scene);
      g_autofree char *answer = descry_noun_is_plural (noun) ? g_strdup_printf ("These are %s.", noun) : g_strdup_printf ("This is %s %s.", descry_noun_article (noun), noun);

      for (k = 0; k < hidden->objects->len; k++)
        {
          DescryObject *object = g_ptr_array_index (hidden->objects, k);

          if (strcmp (object->name, noun) == 0)
            {
              g_free (object->name);
              object->name = g_strdup (UNNAMED);
            }
        }
      add (picture, hidden, "noun", CHOOSE (rand, picture->split, noun_words), answer, (gint) order[i], TRUE);
    }
}

/* About one object that is pointed at, what the text says: two questions, none of them twice. */
static void
ask_it (DescryPicture *picture,
        DescryScene   *scene,
        GRand         *rand,
        const guint   *order)
{
  const char *last = NULL;
  guint i;

  for (i = 0; i < IT_ASKED && picture->objects->len > 0; i++)
    {
      const char *words = CHOOSE (rand, picture->split, it_words);
      const guint chip = order[i % picture->objects->len] + 1;
      g_autofree char *answer = descry_prompt_template_answer (scene, DESCRY_SCENE_THRESHOLD, words, &chip, 1);

      if (answer != NULL && words != last && (picture->objects->len > 1 || strstr (words, "nearest") == NULL))
        add (picture, scene, "it", words, answer, (gint) chip - 1, FALSE);
      last = words;
    }
}

void
descry_picture_ask (DescryPicture *picture,
                    guint64        seed,
                    guint64        index)
{
  const guint32 state[] = { (guint32) seed, (guint32) (seed >> 32), (guint32) index, (guint32) (index >> 32), picture->split, 0x71756573u };
  GRand *rand = g_rand_new_with_seed_array (state, G_N_ELEMENTS (state));
  g_autoptr (DescryScene) scene = descry_picture_scene (picture);
  g_autofree guint *order = g_new0 (guint, picture->objects->len + 1);
  guint i;

  shuffle (rand, order, picture->objects->len);
  write_captions (picture);
  ask_colors (picture, scene, rand, order);
  ask_nouns (picture, scene, rand, order);
  if (picture->scene != NULL)
    {
      g_autofree char *answer = descry_scene_answer (picture->scene);

      add (picture, scene, "scene", CHOOSE (rand, picture->split, scene_words), answer, -1, TRUE);
    }
  for (i = 0; i < TEXT_ASKED && picture->objects->len > 0; i++)
    {
      g_autoptr (DescrySceneExample) example = descry_scene_example_about (scene, picture->split, seed, index * TEXT_ASKED + i);
      g_autofree guint *pointed = NULL;
      guint k;

      if (example == NULL)
        break;
      pointed = g_new (guint, example->chips->len + 1);
      for (k = 0; k < example->chips->len; k++)
        pointed[k] = g_array_index (example->chips, guint, k) - 1;
      descry_picture_add_question (picture, example->kind, example->question, example->prompt, example->answer, pointed, example->chips->len, FALSE);
    }
  ask_it (picture, scene, rand, order);
  g_rand_free (rand);
}
