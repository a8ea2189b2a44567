/* words.c - English nouns in running text: numbers, synonyms, kinds
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-words"

#include "config.h"

#include "compute/lyrics/words.h"

#include "compute/lyrics/nouns.h"
#include "compute/lyrics/prompt.h"

#include <string.h>

/* singular, plural; equal where the noun does not change */
static const char *const irregular[][2] = {
  { "person", "people" }, { "man", "men" }, { "woman", "women" }, { "child", "children" }, { "mouse", "mice" }, { "goose", "geese" }, { "foot", "feet" },
  { "tooth", "teeth" }, { "ox", "oxen" }, { "knife", "knives" }, { "wolf", "wolves" }, { "leaf", "leaves" }, { "loaf", "loaves" }, { "shelf", "shelves" },
  { "calf", "calves" }, { "scarf", "scarves" }, { "sheath", "sheaths" }, { "potato", "potatoes" }, { "tomato", "tomatoes" }, { "mango", "mangoes" },
  { "buffalo", "buffaloes" }, { "mosquito", "mosquitoes" }, { "fungus", "fungi" }, { "cactus", "cacti" }, { "sheep", "sheep" }, { "fish", "fish" },
  { "goldfish", "goldfish" }, { "starfish", "starfish" }, { "jellyfish", "jellyfish" }, { "deer", "deer" }, { "bison", "bison" }, { "moose", "moose" },
  { "aircraft", "aircraft" }, { "grouse", "grouse" }, { "broccoli", "broccoli" }, { "bread", "bread" }, { "corn", "corn" }, { "hay", "hay" }, { "pasta", "pasta" },
  { "wool", "wool" }, { "velvet", "velvet" }, { "armour", "armour" }, { "food", "food" }, { "clothing", "clothing" }, { "paper", "paper" }, { "dough", "dough" },
};

/* Plural as they stand. */
static const char *const plurals[] = { "scissors", "sunglasses", "jeans", "pyjamas", "binoculars", "trunks", "bars", "trousers", "shorts" };

/* word, and the name or group that it means */
static const char *const synonyms[][2] = {
  { "man", "person" }, { "woman", "person" }, { "boy", "person" }, { "girl", "person" }, { "child", "person" }, { "kid", "person" }, { "guy", "person" }, { "lady", "person" },
  { "player", "person" }, { "human", "person" }, { "somebody", "person" }, { "someone", "person" }, { "anybody", "person" }, { "anyone", "person" }, { "athlete", "person" },
  { "footballer", "person" }, { "puppy", "dog" }, { "hound", "dog" }, { "kitten", "cat" }, { "pony", "horse" }, { "calf", "cow" }, { "bull", "cow" }, { "chick", "bird" },
  { "automobile", "car" }, { "lorry", "truck" }, { "coach", "bus" }, { "plane", "airplane" }, { "aeroplane", "airplane" }, { "jet", "airplane" }, { "bike", "bicycle" },
  { "motorbike", "motorcycle" }, { "sofa", "couch" }, { "settee", "couch" }, { "tv", "television" }, { "screen", "television" }, { "telephone", "phone" }, { "smartphone", "phone" },
  { "cellphone", "phone" }, { "notebook", "laptop" }, { "fridge", "refrigerator" }, { "table", "dining table" }, { "desk", "dining table" }, { "houseplant", "potted plant" },
  { "plant", "flowerpot" }, { "pot", "flowerpot" }, { "football", "soccer ball" }, { "basketball", "ball" }, { "donut", "doughnut" }, { "rucksack", "backpack" }, { "purse", "handbag" },
  { "mug", "cup" }, { "goblet", "wine glass" }, { "blossom", "flower" }, { "house", "building" }, { "tower", "building" }, { "church", "building" }, { "palace", "building" },
  { "castle", "building" }, { "ape", "monkey" }, { "monkey", "baboon" }, { "primate", "baboon" }, { "primate", "monkey" }, { "moth", "butterfly" }, { "hare", "rabbit" }, { "bunny", "rabbit" },
};

/* A kind, and the groups that belong to it. */
static const char *const kinds[][2] = {
  { "animal", "dog" }, { "animal", "cat" }, { "animal", "big cat" }, { "animal", "wild dog" }, { "animal", "bird" }, { "animal", "reptile" }, { "animal", "insect" }, { "animal", "mammal" },
  { "animal", "monkey" }, { "animal", "hoofed animal" }, { "animal", "fish" }, { "animal", "crustacean" }, { "animal", "arachnid" }, { "animal", "amphibian" }, { "animal", "sea animal" },
  { "animal", "rodent" }, { "animal", "mollusc" }, { "animal", "bear" }, { "animal", "sea mammal" }, { "animal", "animal" }, { "creature", "insect" }, { "pet", "dog" }, { "pet", "cat" },
  { "vehicle", "car" }, { "vehicle", "truck" }, { "vehicle", "bus" }, { "vehicle", "train" }, { "vehicle", "motorcycle" }, { "vehicle", "bicycle" }, { "vehicle", "boat" }, { "vehicle", "ship" },
  { "vehicle", "airplane" }, { "fruit", "fruit" }, { "food", "fruit" }, { "food", "food" }, { "food", "vegetable" }, { "bug", "insect" }, { "bug", "arachnid" },
};

static void
clear_word (gpointer data)
{
  g_free (((DescryWord *) data)->folded);
}

GArray *
descry_words_split (const char *text)
{
  GArray *words = g_array_new (FALSE, FALSE, sizeof (DescryWord));
  const char *at = text;

  g_array_set_clear_func (words, clear_word);
  while (*at != '\0')
    {
      const char *start;
      DescryWord word;

      while (*at != '\0' && !g_unichar_isalnum (g_utf8_get_char (at)))
        at = g_utf8_next_char (at);
      if (*at == '\0')
        break;
      for (start = at; *at != '\0' && (g_unichar_isalnum (g_utf8_get_char (at)) || g_unichar_ismark (g_utf8_get_char (at)));)
        at = g_utf8_next_char (at);
      word.start = start - text;
      word.end = at - text;
      word.folded = g_utf8_casefold (start, at - start);
      g_array_append_val (words, word);
    }

  return words;
}

char *
descry_words_bare (const char *text)
{
  g_autoptr (GArray) words = descry_words_split (text);
  GString *bare = g_string_new (NULL);
  guint i;

  for (i = 0; i < words->len; i++)
    g_string_append_printf (bare, "%s ", g_array_index (words, DescryWord, i).folded);
  return g_string_free (bare, FALSE);
}

gboolean
descry_word_is (GArray     *words,
                guint       at,
                const char *word)
{
  return at < words->len && strcmp (g_array_index (words, DescryWord, at).folded, word) == 0;
}

gboolean
descry_noun_is_plural (const char *noun)
{
  const char *last = strrchr (noun, ' ');
  guint i;

  last = last != NULL ? last + 1 : noun;
  for (i = 0; i < G_N_ELEMENTS (plurals); i++)
    if (strcmp (last, plurals[i]) == 0)
      return TRUE;

  return FALSE;
}

static char *
plural_of_word (const char *word)
{
  gsize n = strlen (word);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (irregular); i++)
    if (strcmp (word, irregular[i][0]) == 0)
      return g_strdup (irregular[i][1]);
  if (descry_noun_is_plural (word) || n == 0)
    return g_strdup (word);
  if (g_str_has_suffix (word, "man") && strcmp (word, "human") != 0)
    return g_strdup_printf ("%.*smen", (int) n - 3, word);
  if (g_str_has_suffix (word, "s") || g_str_has_suffix (word, "x") || g_str_has_suffix (word, "z") || g_str_has_suffix (word, "ch") || g_str_has_suffix (word, "sh"))
    return g_strconcat (word, "es", NULL);
  if (word[n - 1] == 'y' && n > 1 && strchr ("aeiou", word[n - 2]) == NULL)
    return g_strdup_printf ("%.*sies", (int) n - 1, word);

  return g_strconcat (word, "s", NULL);
}

char *
descry_noun_plural (const char *noun,
                    guint       n)
{
  const char *last = strrchr (noun, ' ');
  g_autofree char *word = NULL;

  if (n == 1)
    return g_strdup (noun);
  word = plural_of_word (last != NULL ? last + 1 : noun);

  return last != NULL ? g_strdup_printf ("%.*s %s", (int) (last - noun), noun, word) : g_steal_pointer (&word);
}

char *
descry_noun_singular (const char *noun)
{
  const char *last = strrchr (noun, ' ');
  const char *word = last != NULL ? last + 1 : noun;
  int before = (int) (word - noun);
  gsize n = strlen (word);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (irregular); i++)
    if (strcmp (word, irregular[i][1]) == 0)
      return g_strdup_printf ("%.*s%s", before, noun, irregular[i][0]);
  if (g_str_has_suffix (word, "men") && n > 3)
    return g_strdup_printf ("%.*s%.*sman", before, noun, (int) n - 3, word);
  if (descry_noun_is_plural (word) || n < 3 || word[n - 1] != 's' || word[n - 2] == 's' || g_str_has_suffix (word, "us"))
    return g_strdup (noun);
  if (g_str_has_suffix (word, "ies") && n > 4)
    return g_strdup_printf ("%.*s%.*sy", before, noun, (int) n - 3, word);
  if (g_str_has_suffix (word, "sses") || g_str_has_suffix (word, "xes") || g_str_has_suffix (word, "ches") || g_str_has_suffix (word, "shes") || g_str_has_suffix (word, "buses"))
    return g_strdup_printf ("%.*s%.*s", before, noun, (int) n - 2, word);

  return g_strdup_printf ("%.*s%.*s", before, noun, (int) n - 1, word);
}

char *
descry_number_name (guint n)
{
  static const char *const names[] = { "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve" };

  return n < G_N_ELEMENTS (names) ? g_strdup (names[n]) : g_strdup_printf ("%u", n);
}

const char *
descry_noun_article (const char *noun)
{
  if (g_str_has_prefix (noun, "hour"))
    return "an";
  if (g_str_has_prefix (noun, "uni") || g_str_has_prefix (noun, "euro") || g_str_has_prefix (noun, "one"))
    return "a";

  return strchr ("aeiouAEIOU", noun[0]) != NULL && noun[0] != '\0' ? "an" : "a";
}

/* @name's words at @at, the last one singular or plural. Returns their number, 0 if they are not there. */
static guint
match_name (GArray     *words,
            guint       at,
            const char *name,
            gboolean   *plural)
{
  g_autofree char *many = descry_noun_plural (name, 2);
  g_autoptr (GArray) one_words = descry_words_split (name);
  g_autoptr (GArray) many_words = descry_words_split (many);
  guint n = one_words->len;
  guint i;
  gboolean fits = n > 0 && many_words->len == n && at + n <= words->len;

  for (i = 0; fits && i + 1 < n; i++)
    fits = descry_word_is (words, at + i, g_array_index (one_words, DescryWord, i).folded);
  if (fits)
    {
      gboolean singular = descry_word_is (words, at + n - 1, g_array_index (one_words, DescryWord, n - 1).folded);

      *plural = !singular;
      fits = singular || descry_word_is (words, at + n - 1, g_array_index (many_words, DescryWord, n - 1).folded);
    }

  return fits ? n : 0;
}

DescryMatch
descry_words_match (GArray     *words,
                    guint       at,
                    const char *name,
                    const char *finer,
                    guint      *n,
                    gboolean   *plural)
{
  const char *group = descry_nouns_group (name);
  const char *head = strrchr (name, ' ');
  guint i;

  if (finer != NULL && (*n = match_name (words, at, finer, plural)) > 0)
    return DESCRY_MATCH_NAME;
  if ((*n = match_name (words, at, name, plural)) > 0)
    return DESCRY_MATCH_NAME;
  for (i = 0; i < G_N_ELEMENTS (synonyms); i++)
    if ((strcmp (synonyms[i][1], name) == 0 || strcmp (synonyms[i][1], group) == 0) && (*n = match_name (words, at, synonyms[i][0], plural)) > 0)
      return DESCRY_MATCH_SYNONYM;
  if (head != NULL && (*n = match_name (words, at, head + 1, plural)) > 0)
    return DESCRY_MATCH_HEAD;
  if (strcmp (group, name) != 0 && (*n = match_name (words, at, group, plural)) > 0)
    return DESCRY_MATCH_KIND;
  for (i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i][1], group) == 0 && (*n = match_name (words, at, kinds[i][0], plural)) > 0)
      return DESCRY_MATCH_KIND;

  *n = 0;
  return DESCRY_MATCH_NONE;
}

/* The middle band is a quarter of the picture wide: a centre outside 0.38..0.62 is felt to be on one side. */
static gint
side_of (double position)
{
  return position < 0.38 ? -1 : position > 0.62 ? 1 : 0;
}

DescryPlace
descry_place_of (DescryBox box,
                 guint     width,
                 guint     height)
{
  DescryPlace place = { 0 };

  if (width > 0 && height > 0)
    {
      place.x = side_of ((box.x0 + box.x1) / 2.0 / width);
      place.y = side_of ((box.y0 + box.y1) / 2.0 / height);
    }
  place.has_x = place.has_y = TRUE;

  return place;
}

const char *
descry_place_name (DescryBox box,
                   guint     width,
                   guint     height)
{
  static const char *const names[3][3] = {
    { "at the top left", "at the top", "at the top right" },
    { "on the left", "in the center", "on the right" },
    { "at the bottom left", "at the bottom", "at the bottom right" },
  };
  DescryPlace place = descry_place_of (box, width, height);

  return names[place.y + 1][place.x + 1];
}

gboolean
descry_place_parse (GArray      *words,
                    guint        from,
                    guint        to,
                    DescryPlace *place)
{
  guint i;

  memset (place, 0, sizeof *place);
  for (i = from; i < to && i < words->len; i++)
    {
      const char *word = g_array_index (words, DescryWord, i).folded;
      gint x = strcmp (word, "left") == 0 || strcmp (word, "leftmost") == 0 ? -1 : strcmp (word, "right") == 0 || strcmp (word, "rightmost") == 0 ? 1 : 0;
      gint y = strcmp (word, "top") == 0 || strcmp (word, "upper") == 0 ? -1 : strcmp (word, "bottom") == 0 || strcmp (word, "lower") == 0 ? 1 : 0;

      if (x != 0 && !place->has_x)
        {
          place->x = x;
          place->has_x = TRUE;
        }
      else if (y != 0 && !place->has_y)
        {
          place->y = y;
          place->has_y = TRUE;
        }
      else if ((strcmp (word, "center") == 0 || strcmp (word, "centre") == 0 || strcmp (word, "middle") == 0) && !place->has_x && !place->has_y)
        place->has_x = place->has_y = TRUE;
    }

  return place->has_x || place->has_y;
}

gboolean
descry_place_fits (DescryPlace named,
                   DescryPlace actual)
{
  return (!named.has_x || named.x == actual.x) && (!named.has_y || named.y == actual.y);
}
