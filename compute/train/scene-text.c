/* scene-text.c - synthetic scenes with questions and right answers
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/scene-text.h"

#include <string.h>

#include "compute/lyrics/nouns.h"
#include "compute/lyrics/prompt.h"
#include "compute/lyrics/relations.h"
#include "compute/lyrics/words.h"

#define WIDTH 640
#define HEIGHT 480
#define MAX_TYPES 5

/* Everyday things beside those of the classifier. */
static const char *const more_nouns[] = {
  "apron", "armchair", "ashtray", "axe", "baby", "badge", "bag", "balcony", "balloon", "bandage", "bark", "barn", "basin", "bat", "bean", "bell", "belt", "bin", "biscuit", "blanket",
  "blouse", "board", "bone", "boot", "bracelet", "branch", "brick", "bridge", "brush", "bubble", "bush", "butterfly", "button", "cable", "cactus", "cage", "calendar", "camel", "can",
  "candy", "cane", "card", "carpet", "carrot", "cart", "ceiling", "chain", "chalk", "chess board", "chimney", "chocolate", "cloud", "coat", "cookie", "cork", "cow", "crab", "crayon",
  "crown", "curtain", "cushion", "deer", "dice", "dolphin", "doll", "door", "drawer", "dress", "drum", "duck", "egg", "eraser", "faucet", "feather", "fence", "flag", "flashlight",
  "flower", "football", "fork", "fountain", "fridge", "frying pan", "garlic", "gate", "ghost", "glove", "goat", "grape", "guitar", "hat", "hedge", "helicopter", "hook", "horseshoe",
  "ice cube", "iron", "jacket", "jar", "jewel", "jug", "kettle", "key", "kite", "knot", "ladder", "lamp", "lantern", "leaf", "lighter", "magnet", "map", "marble", "match", "medal",
  "melon", "mirror", "mountain", "mug", "nail", "napkin", "necklace", "needle", "newspaper", "notebook", "nut", "onion", "oven", "owl", "package", "painting", "peach", "pear", "pebble",
  "pen", "pencil", "penguin", "picture frame", "pie", "pigeon", "pin", "pipe", "plate", "plum", "potato", "pumpkin", "puppet", "puzzle", "rabbit", "raft", "rake", "ribbon", "ring",
  "river", "robot", "rocket", "rope", "rose", "rug", "saddle", "sail", "sandal", "saucer", "scarf", "shell", "shelf", "ship", "shirt", "shoe", "shovel", "skirt", "sled", "snowman",
  "soap", "sock", "sofa", "spider", "sponge", "spoon", "squirrel", "stamp", "star", "statue", "stool", "straw", "string", "suitcase", "swan", "sweater", "swing", "table", "tent", "ticket",
  "tie", "tile", "tire", "toaster", "tomato", "tool box", "torch", "towel", "tower", "train", "tray", "tree", "trumpet", "trunk", "tulip", "turtle", "vase", "violin", "wallet", "watch",
  "waterfall", "wheel", "whistle", "window", "witch", "wolf", "yacht", "zipper",
};

/* Wordings; %s is the noun, singular or plural as the kind wants it. Those after the bar are for the test. */
static const char *const count_words[] = { "How many %s are there?", "How many %s do you see?", "How many %s are in the photo?", "Count the %s.", "Tell me the number of %s.", "|", "What is the number of %s?", "How many %s can you see here?" };
static const char *const exists_words[] = { "Is there %s in the photo?", "Is there %s?", "Do you see %s?", "Does the photo show %s?", "Can you see %s?", "|", "Is there %s in the picture?", "Does the picture have %s?" };
static const char *const where_words[] = { "Where is the %s?", "Where in the photo is the %s?", "Where can I find the %s?", "|", "Where do you see the %s?" };
static const char *const wheres_words[] = { "Where are the %s?", "Where in the photo are the %s?", "|", "Where do you see the %s?" };
static const char *const if_at_words[] = { "Is the %s %s?", "|", "Is the %s located %s?" };
static const char *const what_at_words[] = { "What is %s?", "What do you see %s?", "|", "What can be seen %s?" };
static const char *const chip_words[] = { "What is this?", "What is it?", "What do you call this?", "|", "Can you name this?" };
static const char *const chips_words[] = { "What are these?", "What do I point at?", "|", "Name these." };
static const char *const list_words[] = { "What is in the photo?", "What do you see?", "List the objects.", "What does the photo show?", "|", "What can you see in the picture?", "Describe the photo." };
static const char *const largest_words[] = { "What is the largest object?", "What is the biggest thing in the photo?", "|", "Which object is the largest?" };
static const char *const smallest_words[] = { "What is the smallest object?", "What is the smallest thing in the photo?", "|", "Which object is the smallest?" };

static const struct { const char *word; DescryRelation relation; } sides[] = {
  { "to the left of", DESCRY_RELATION_LEFT }, { "to the right of", DESCRY_RELATION_RIGHT }, { "above", DESCRY_RELATION_ABOVE }, { "below", DESCRY_RELATION_BELOW },
};

typedef struct
{
  GRand       *rand;
  DescrySplit  split;
  GPtrArray   *nouns; /* of the split */
  DescryScene *scene;
  GPtrArray   *types; /* names in the scene */
} Maker;

DescrySplit
descry_split_of (const char *name)
{
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
  int digit = g_ascii_xdigit_value (digest[0]);

  return digit < 4 ? DESCRY_SPLIT_TEST : digit < 6 ? DESCRY_SPLIT_VALIDATION : DESCRY_SPLIT_TRAIN;
}

/* A name that the words of another one mean ("ball" beside "soccer ball") would make two answers right. */
static gboolean
is_clear (GPtrArray  *chosen,
          const char *name)
{
  g_autoptr (GArray) own = descry_words_split (name);
  gboolean plural;
  guint n, i, at;

  for (i = 0; i < chosen->len; i++)
    {
      const char *other = g_ptr_array_index (chosen, i);
      g_autoptr (GArray) words = descry_words_split (other);

      for (at = 0; at < own->len; at++)
        if (descry_words_match (own, at, other, NULL, &n, &plural) != DESCRY_MATCH_NONE)
          return FALSE;
      for (at = 0; at < words->len; at++)
        if (descry_words_match (words, at, name, NULL, &n, &plural) != DESCRY_MATCH_NONE)
          return FALSE;
    }

  return TRUE;
}

static GPtrArray *
collect_nouns (DescrySplit split)
{
  const DescryNouns *known = descry_nouns ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *nouns = g_ptr_array_new ();
  guint i;

  for (i = 0; i < known->n_nouns + DESCRY_N_COCO + G_N_ELEMENTS (more_nouns); i++)
    {
      const char *name = i < known->n_nouns ? known->nouns[i].name
                         : i < known->n_nouns + DESCRY_N_COCO ? known->coco[i - known->n_nouns].name : more_nouns[i - known->n_nouns - DESCRY_N_COCO];

      if (i < known->n_nouns && known->nouns[i].scene)
        continue;
      if (!descry_noun_is_plural (name) && descry_split_of (name) == split && g_hash_table_add (seen, (gpointer) name))
        g_ptr_array_add (nouns, (gpointer) name);
    }

  return nouns;
}

static GPtrArray *
nouns_of (DescrySplit split)
{
  static GMutex lock;
  static GPtrArray *kept[3]; /* for the life of the process */
  GPtrArray *nouns;

  g_mutex_lock (&lock);
  if (kept[split] == NULL)
    kept[split] = collect_nouns (split);
  nouns = kept[split];
  g_mutex_unlock (&lock);

  return nouns;
}

static guint
pick (Maker *maker,
      guint  n)
{
  return (guint) g_rand_int_range (maker->rand, 0, (gint32) n);
}

/* One of the wordings of this split. */
static const char *
pick_words (Maker             *maker,
            const char *const *list,
            guint              n)
{
  guint bar;

  for (bar = 0; bar < n && strcmp (list[bar], "|") != 0; bar++)
    ;
  if (maker->split == DESCRY_SPLIT_TEST && bar + 1 < n)
    return list[bar + 1 + pick (maker, n - bar - 1)];
  return list[pick (maker, bar)];
}

#define WORDS(maker, list) pick_words (maker, list, G_N_ELEMENTS (list))

static char *
fill (const char *pattern,
      const char *first,
      const char *second)
{
  g_auto (GStrv) parts = g_strsplit (pattern, "%s", -1);
  GString *text = g_string_new (parts[0]);

  if (parts[0] != NULL && parts[1] != NULL)
    {
      g_string_append_printf (text, "%s%s", first, parts[1]);
      if (parts[2] != NULL)
        g_string_append_printf (text, "%s%s", second, parts[2]);
    }
  return g_string_free (text, FALSE);
}

static const char *
new_name (Maker *maker)
{
  const char *name;

  do
    name = g_ptr_array_index (maker->nouns, pick (maker, maker->nouns->len));
  while (!is_clear (maker->types, name));

  return name;
}

static void
add_object (Maker      *maker,
            const char *name)
{
  DescryObject *object = g_new0 (DescryObject, 1);
  double w = g_rand_double_range (maker->rand, 30, 260), h = g_rand_double_range (maker->rand, 30, 220);

  object->id = maker->scene->objects->len + 1;
  object->name = g_strdup (name);
  object->score = (float) g_rand_double_range (maker->rand, 0.5, 1.0);
  object->box.x0 = (float) g_rand_double_range (maker->rand, 0, WIDTH - w);
  object->box.y0 = (float) g_rand_double_range (maker->rand, 0, HEIGHT - h);
  object->box.x1 = object->box.x0 + (float) w;
  object->box.y1 = object->box.y0 + (float) h;
  g_ptr_array_add (maker->scene->objects, object);
}

static int
compare_scores (gconstpointer a,
                gconstpointer b)
{
  const DescryObject *left = *(DescryObject *const *) a, *right = *(DescryObject *const *) b;

  return left->score < right->score ? 1 : left->score > right->score ? -1 : 0;
}

static void
make_scene (Maker *maker,
            guint  least)
{
  guint types = least + pick (maker, MAX_TYPES - least + 1), i, k, n;

  maker->scene = descry_scene_new (WIDTH, HEIGHT);
  maker->types = g_ptr_array_new ();
  for (i = 0; i < types; i++)
    {
      const char *name = new_name (maker);

      g_ptr_array_add (maker->types, (gpointer) name);
      n = pick (maker, 3) != 0 ? 1 : 2 + pick (maker, 4);
      for (k = 0; k < n; k++)
        add_object (maker, name);
    }
  g_ptr_array_sort (maker->scene->objects, compare_scores);
}

static GPtrArray *
objects_of (Maker      *maker,
            const char *name)
{
  GPtrArray *objects = g_ptr_array_new ();
  guint i;

  for (i = 0; i < maker->scene->objects->len; i++)
    if (strcmp (((DescryObject *) g_ptr_array_index (maker->scene->objects, i))->name, name) == 0)
      g_ptr_array_add (objects, g_ptr_array_index (maker->scene->objects, i));

  return objects;
}

static const char *
place_of (Maker              *maker,
          const DescryObject *object)
{
  return descry_place_name (object->box, maker->scene->width, maker->scene->height);
}

/* "on the left, in the center and at the top right" */
static char *
join_places (Maker     *maker,
             GPtrArray *objects)
{
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < objects->len; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? "" : i == objects->len - 1 ? " and " : ", ", place_of (maker, g_ptr_array_index (objects, i)));
  return g_string_free (text, FALSE);
}

static char *
count_phrase (const char *name,
              guint       n)
{
  g_autofree char *number = n == 0 ? g_strdup ("no") : descry_number_name (n), *noun = descry_noun_plural (name, n == 1 ? 1 : 2);

  return g_strdup_printf ("%s %s %s", n == 1 ? "is" : "are", number, noun);
}

static const char *
any_type (Maker *maker)
{
  return g_ptr_array_index (maker->types, pick (maker, maker->types->len));
}

static void
ask_count (Maker              *maker,
           DescrySceneExample *example)
{
  gboolean absent = pick (maker, 4) == 0;
  const char *name = absent ? new_name (maker) : any_type (maker);
  g_autofree char *plural = descry_noun_plural (name, 2), *phrase = NULL;
  g_autoptr (GPtrArray) objects = objects_of (maker, name);

  phrase = count_phrase (name, objects->len);
  example->kind = "count";
  example->question = fill (WORDS (maker, count_words), plural, NULL);
  example->answer = g_strdup_printf (absent ? "There %s in the photo." : "There %s.", phrase);
}

static void
ask_exists (Maker              *maker,
            DescrySceneExample *example,
            gboolean            present)
{
  const char *name = present ? any_type (maker) : new_name (maker);
  g_autoptr (GPtrArray) objects = objects_of (maker, name);
  g_autofree char *with_article = g_strdup_printf ("%s %s", descry_noun_article (name), name), *phrase = count_phrase (name, objects->len);

  example->kind = present ? "yes" : "no";
  example->question = fill (WORDS (maker, exists_words), with_article, NULL);
  example->answer = present ? g_strdup_printf ("Yes, there %s.", phrase) : g_strdup_printf ("No, there is no %s in the photo.", name);
}

static void
ask_where (Maker              *maker,
           DescrySceneExample *example)
{
  gboolean absent = pick (maker, 6) == 0;
  const char *name = absent ? new_name (maker) : any_type (maker);
  g_autoptr (GPtrArray) objects = objects_of (maker, name);
  g_autofree char *noun = descry_noun_plural (name, objects->len > 1 ? 2 : 1), *places = NULL;

  example->kind = "where";
  example->question = fill (objects->len > 1 ? WORDS (maker, wheres_words) : WORDS (maker, where_words), noun, NULL);
  if (absent)
    {
      example->answer = g_strdup_printf ("There is no %s in the photo.", name);
      return;
    }
  places = join_places (maker, objects);
  example->answer = objects->len > 4 ? g_strdup_printf ("The %s are in several places.", noun) : g_strdup_printf ("The %s %s %s.", noun, objects->len > 1 ? "are" : "is", places);
}

static DescryObject *
single_object (Maker *maker)
{
  guint i;

  for (i = 0; i < 40; i++)
    {
      g_autoptr (GPtrArray) objects = objects_of (maker, any_type (maker));

      if (objects->len == 1)
        return g_ptr_array_index (objects, 0);
    }

  return NULL;
}

static gboolean
ask_if_at (Maker              *maker,
           DescrySceneExample *example)
{
  static const char *const places[] = { "on the left", "on the right", "at the top", "at the bottom", "in the center" };
  DescryObject *object = single_object (maker);
  const char *place = places[pick (maker, G_N_ELEMENTS (places))];
  g_autoptr (GArray) words = NULL;
  DescryPlace asked;
  gboolean fits;

  if (object == NULL)
    return FALSE;
  words = descry_words_split (place);
  if (!descry_place_parse (words, 0, words->len, &asked))
    return FALSE;
  fits = descry_place_fits (asked, descry_place_of (object->box, maker->scene->width, maker->scene->height));
  example->kind = "if-at";
  example->question = fill (WORDS (maker, if_at_words), object->name, place);
  example->answer = g_strdup_printf ("%s, the %s is %s.", fits ? "Yes" : "No", object->name, place_of (maker, object));
  return TRUE;
}

/* "a cup on the left and a lamp in the center", or without places. */
static char *
join_objects (Maker     *maker,
              GPtrArray *objects,
              gboolean   places)
{
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (objects, i);

      g_string_append_printf (text, "%s%s %s", i == 0 ? "" : i == objects->len - 1 ? " and " : ", ", descry_noun_article (object->name), object->name);
      if (places)
        g_string_append_printf (text, " %s", place_of (maker, object));
    }
  return g_string_free (text, FALSE);
}

static gboolean
ask_what_at (Maker              *maker,
             DescrySceneExample *example)
{
  static const char *const places[] = { "on the left", "on the right", "at the top", "at the bottom", "in the center" };
  const char *place = places[pick (maker, G_N_ELEMENTS (places))];
  g_autoptr (GPtrArray) there = g_ptr_array_new ();
  g_autoptr (GArray) words = descry_words_split (place);
  g_autofree char *list = NULL;
  DescryPlace asked;
  guint i;

  if (!descry_place_parse (words, 0, words->len, &asked))
    return FALSE;
  for (i = 0; i < maker->scene->objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (maker->scene->objects, i);

      if (descry_place_fits (asked, descry_place_of (object->box, maker->scene->width, maker->scene->height)))
        g_ptr_array_add (there, object);
    }
  if (there->len == 0 || there->len > 4)
    return FALSE;
  list = join_objects (maker, there, TRUE);
  example->kind = "what-at";
  example->question = fill (WORDS (maker, what_at_words), place, NULL);
  example->answer = g_strdup_printf ("There %s %s.", there->len == 1 ? "is" : "are", list);
  return TRUE;
}

static void
ask_chips (Maker              *maker,
           DescrySceneExample *example,
           guint               n)
{
  g_autoptr (GPtrArray) chosen = g_ptr_array_new ();
  g_autofree char *list = NULL;

  n = MIN (n, maker->scene->objects->len);
  while (chosen->len < n)
    {
      DescryObject *object = g_ptr_array_index (maker->scene->objects, pick (maker, maker->scene->objects->len));

      if (g_ptr_array_find (chosen, object, NULL))
        continue;
      g_ptr_array_add (chosen, object);
      g_array_append_val (example->chips, object->id);
    }
  list = join_objects (maker, chosen, FALSE);
  example->kind = n == 1 ? "chip" : "chips";
  example->question = g_strdup (n == 1 ? WORDS (maker, chip_words) : WORDS (maker, chips_words));
  example->answer = g_strdup_printf (n == 1 ? "This is %s." : "These are %s.", list);
}

/* Names in the order of the best of each, as the prompt lists them. */
static void
ask_list (Maker              *maker,
          DescrySceneExample *example)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GString) text = g_string_new ("The photo shows ");
  guint i;

  for (i = 0; i < maker->scene->objects->len; i++)
    {
      char *name = ((DescryObject *) g_ptr_array_index (maker->scene->objects, i))->name;

      if (!g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
        g_ptr_array_add (names, name);
    }
  for (i = 0; i < names->len; i++)
    {
      g_autoptr (GPtrArray) objects = objects_of (maker, g_ptr_array_index (names, i));
      g_autofree char *number = descry_number_name (objects->len), *noun = descry_noun_plural (g_ptr_array_index (names, i), objects->len);

      g_string_append_printf (text, "%s%s %s", i == 0 ? "" : i == names->len - 1 ? " and " : ", ", number, noun);
    }
  g_string_append_c (text, '.');
  example->kind = "list";
  example->question = g_strdup (WORDS (maker, list_words));
  example->answer = g_strdup (text->str);
}

/* Two kinds of which there is one each. */
static gboolean
pick_two (Maker         *maker,
          DescryObject **a,
          DescryObject **b)
{
  guint i;

  *a = single_object (maker);
  for (i = 0; i < 20 && *a != NULL; i++)
    {
      *b = single_object (maker);
      if (*b != NULL && *b != *a)
        return TRUE;
    }

  return FALSE;
}

static gboolean
ask_relation (Maker              *maker,
              DescrySceneExample *example)
{
  DescryObject *a, *b;
  guint side = pick (maker, G_N_ELEMENTS (sides)), form = pick (maker, 7);
  g_autoptr (GPtrArray) told = g_ptr_array_new (), none = g_ptr_array_new ();
  g_autoptr (GString) fact = g_string_new (NULL);

  if (form == 0 || form == 1)
    {
      example->kind = "size";
      example->question = g_strdup (form == 0 ? WORDS (maker, largest_words) : WORDS (maker, smallest_words));
    }
  else
    {
      if (!pick_two (maker, &a, &b))
        return FALSE;
      example->kind = form < 4 ? "size" : form == 4 ? "nearest" : "relation";
      switch (form)
        {
        case 2:
          example->question = g_strdup_printf ("Which is %s, the %s or the %s?", pick (maker, 2) ? "bigger" : "smaller", a->name, b->name);
          break;
        case 3:
          example->question = g_strdup_printf ("Is the %s %s than the %s?", a->name, pick (maker, 2) ? "bigger" : "smaller", b->name);
          break;
        case 4:
          example->question = g_strdup_printf ("What is %s to the %s?", pick (maker, 2) ? "nearest" : "closest", b->name);
          break;
        case 5:
          example->question = g_strdup_printf ("Is the %s %s the %s?", a->name, sides[side].word, b->name);
          break;
        default:
          example->question = g_strdup_printf ("What is %s the %s?", sides[side].word, b->name);
        }
    }
  if (!descry_relations_fact (fact, maker->scene, maker->scene->objects, none, example->question, told))
    {
      g_clear_pointer (&example->question, g_free);
      return FALSE;
    }
  example->answer = g_strdup (fact->str);
  return TRUE;
}

/* A turn about one thing, then a question that says "it". */
static gboolean
ask_follow_up (Maker              *maker,
               DescrySceneExample *example)
{
  DescryObject *object = single_object (maker);
  DescryTurn *turn;

  if (object == NULL)
    return FALSE;
  {
    g_autofree char *with_article = g_strdup_printf ("%s %s", descry_noun_article (object->name), object->name);
    g_autofree char *first = fill (WORDS (maker, exists_words), with_article, NULL);

    turn = descry_turn_new (first);
    g_free (turn->prompt);
    turn->prompt = descry_prompt_write (maker->scene, DESCRY_SCENE_TEXT_SHORT, DESCRY_SCENE_THRESHOLD, first, NULL, 0, NULL);
    g_free (turn->answer);
    turn->answer = g_strdup_printf ("Yes, there is one %s.", object->name);
  }
  g_ptr_array_add (example->history, turn);
  example->kind = "follow-up";
  example->question = g_strdup (pick (maker, 2) ? "Where is it?" : "And where is it?");
  example->answer = g_strdup_printf ("It is %s.", place_of (maker, object));
  return TRUE;
}

/* Fills question, chips and answer of the kind that @form stands for, or of one that this scene can answer. */
static void
ask (Maker              *maker,
     DescrySceneExample *example,
     guint               form)
{
  if ((form == 5 && ask_if_at (maker, example)) || (form == 6 && ask_what_at (maker, example))
      || (form >= 9 && form <= 11 && ask_relation (maker, example)) || ((form == 12 || form == 13) && ask_follow_up (maker, example)))
    ;
  else if (form == 0 || form == 12 || form == 13)
    ask_count (maker, example);
  else if (form == 1 || form == 5)
    ask_exists (maker, example, TRUE);
  else if (form == 2 || form == 6)
    ask_exists (maker, example, FALSE);
  else if (form == 3 || form == 4)
    ask_where (maker, example);
  else if (form == 7)
    ask_chips (maker, example, 1);
  else if (form == 8)
    ask_chips (maker, example, 2 + pick (maker, 2));
  else
    ask_list (maker, example);

  example->scene = maker->scene;
  example->prompt = descry_prompt_write (example->scene, DESCRY_SCENE_TEXT_SHORT, DESCRY_SCENE_THRESHOLD, example->question,
                                         (const guint *) example->chips->data, example->chips->len, NULL);
}

static DescrySceneExample *
new_example (void)
{
  DescrySceneExample *example = g_new0 (DescrySceneExample, 1);

  example->history = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_turn_unref);
  example->chips = g_array_new (FALSE, FALSE, sizeof (guint));
  return example;
}

DescrySceneExample *
descry_scene_example_new (DescrySplit split,
                          guint64     seed,
                          guint64     index)
{
  const guint32 state[] = { (guint32) seed, (guint32) (seed >> 32), (guint32) index, (guint32) (index >> 32), split };
  Maker maker = { g_rand_new_with_seed_array (state, G_N_ELEMENTS (state)), split, nouns_of (split), NULL, NULL };
  DescrySceneExample *example = new_example ();
  guint form = pick (&maker, 16);

  make_scene (&maker, form >= 9 && form <= 12 ? 2 : 1);
  ask (&maker, example, form);
  g_ptr_array_unref (maker.types);
  g_rand_free (maker.rand);

  return example;
}

DescrySceneExample *
descry_scene_example_about (DescryScene *scene,
                            DescrySplit  split,
                            guint64      seed,
                            guint64      index)
{
  const guint32 state[] = { (guint32) seed, (guint32) (seed >> 32), (guint32) index, (guint32) (index >> 32), split, 1 };
  Maker maker = { g_rand_new_with_seed_array (state, G_N_ELEMENTS (state)), split, nouns_of (split), NULL, NULL };
  DescrySceneExample *example = NULL;
  guint form = pick (&maker, 12), i;
  gboolean clear = TRUE;

  g_return_val_if_fail (scene->objects->len > 0, NULL);

  maker.scene = descry_scene_ref (scene);
  maker.types = g_ptr_array_new ();
  for (i = 0; i < scene->objects->len; i++)
    {
      char *name = ((DescryObject *) g_ptr_array_index (scene->objects, i))->name;

      if (g_ptr_array_find_with_equal_func (maker.types, name, g_str_equal, NULL))
        continue;
      clear = clear && is_clear (maker.types, name);
      g_ptr_array_add (maker.types, name);
    }
  if (clear)
    {
      example = new_example ();
      ask (&maker, example, form);
    }
  else
    descry_scene_unref (scene);
  g_ptr_array_unref (maker.types);
  g_rand_free (maker.rand);

  return example;
}

void
descry_scene_example_free (DescrySceneExample *example)
{
  if (example == NULL)
    return;

  descry_scene_unref (example->scene);
  g_ptr_array_unref (example->history);
  g_array_unref (example->chips);
  g_free (example->question);
  g_free (example->prompt);
  g_free (example->answer);
  g_free (example);
}

gboolean
descry_scene_answer_is (const DescrySceneExample *example,
                        const char               *answer)
{
  g_autofree char *expected = descry_words_bare (example->answer), *found = descry_words_bare (answer);

  return strcmp (expected, found) == 0;
}
