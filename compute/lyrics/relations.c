/* relations.c - sides, sizes and distances between objects, in words
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-prompt"

#include "config.h"

#include "compute/lyrics/relations.h"

#include <math.h>
#include <string.h>

#include "compute/lyrics/words.h"

#define APART 0.05 /* of the picture's side */
#define LARGER 1.1 /* times the other's area */
#define MAX_LISTED 4

static double
middle_x (const DescryObject *object)
{
  return (object->box.x0 + object->box.x1) / 2.0;
}

static double
middle_y (const DescryObject *object)
{
  return (object->box.y0 + object->box.y1) / 2.0;
}

gboolean
descry_relation_holds (DescryRelation      relation,
                       DescryScene        *scene,
                       const DescryObject *a,
                       const DescryObject *b)
{
  switch (relation)
    {
    case DESCRY_RELATION_LEFT:
      return middle_x (b) - middle_x (a) > APART * scene->width;
    case DESCRY_RELATION_RIGHT:
      return middle_x (a) - middle_x (b) > APART * scene->width;
    case DESCRY_RELATION_ABOVE:
      return middle_y (b) - middle_y (a) > APART * scene->height;
    case DESCRY_RELATION_BELOW:
      return middle_y (a) - middle_y (b) > APART * scene->height;
    case DESCRY_RELATION_BIGGER:
      return descry_box_area (a->box) > LARGER * descry_box_area (b->box);
    case DESCRY_RELATION_SMALLER:
      return descry_box_area (b->box) > LARGER * descry_box_area (a->box);
    default:
      return FALSE;
    }
}

/* Between the nearest edges; 0 if they overlap. */
static double
gap (const DescryObject *a,
     const DescryObject *b)
{
  double across = MAX (0.0, MAX (a->box.x0, b->box.x0) - MIN (a->box.x1, b->box.x1));
  double down = MAX (0.0, MAX (a->box.y0, b->box.y0) - MIN (a->box.y1, b->box.y1));

  return hypot (across, down);
}

DescryObject *
descry_relation_nearest (const DescryObject *object,
                         GPtrArray          *among)
{
  DescryObject *best = NULL;
  double least = 0.0, tie = 0.0;
  guint i;

  for (i = 0; i < among->len; i++)
    {
      DescryObject *other = g_ptr_array_index (among, i);
      double distance, centres;

      if (other == object)
        continue;
      distance = gap (object, other);
      centres = hypot (middle_x (object) - middle_x (other), middle_y (object) - middle_y (other));
      if (best == NULL || distance < least || (distance == least && centres < tie))
        {
          best = other;
          least = distance;
          tie = centres;
        }
    }

  return best;
}

static DescryObject *
extreme (GPtrArray *objects,
         gboolean   largest)
{
  DescryObject *best = NULL;
  guint i;

  for (i = 0; i < objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (objects, i);

      if (best == NULL || (largest ? descry_box_area (object->box) > descry_box_area (best->box) : descry_box_area (object->box) < descry_box_area (best->box)))
        best = object;
    }

  return best;
}

/* The relation's word, and where the words before and after it end and begin. */
static DescryRelation
find_relation (GArray *words,
               guint  *at,
               guint  *after)
{
  static const struct { const char *word, *next; DescryRelation relation; } table[] = {
    { "left", "of", DESCRY_RELATION_LEFT },   { "right", "of", DESCRY_RELATION_RIGHT }, { "above", NULL, DESCRY_RELATION_ABOVE },
    { "over", NULL, DESCRY_RELATION_ABOVE },  { "below", NULL, DESCRY_RELATION_BELOW }, { "under", NULL, DESCRY_RELATION_BELOW },
    { "beneath", NULL, DESCRY_RELATION_BELOW }, { "bigger", NULL, DESCRY_RELATION_BIGGER }, { "larger", NULL, DESCRY_RELATION_BIGGER },
    { "smaller", NULL, DESCRY_RELATION_SMALLER }, { "nearest", NULL, DESCRY_RELATION_NEAREST }, { "closest", NULL, DESCRY_RELATION_NEAREST },
    { "largest", NULL, DESCRY_RELATION_LARGEST }, { "biggest", NULL, DESCRY_RELATION_LARGEST }, { "smallest", NULL, DESCRY_RELATION_SMALLEST },
  };
  guint i, k;

  for (i = 0; i < words->len; i++)
    for (k = 0; k < G_N_ELEMENTS (table); k++)
      if (descry_word_is (words, i, table[k].word) && (table[k].next == NULL || descry_word_is (words, i + 1, table[k].next)))
        {
          *at = i;
          *after = i + 1 + (table[k].next != NULL);
          return table[k].relation;
        }

  return DESCRY_RELATION_NONE;
}

/* The best object that words [from, to) name, by the surest match, then the better score. */
static DescryObject *
named_in (GPtrArray          *shown,
          GArray             *words,
          guint               from,
          guint               to,
          const DescryObject *except)
{
  DescryObject *best = NULL;
  DescryMatch surest = DESCRY_MATCH_NONE;
  guint i, at, n;
  gboolean plural;

  for (at = from; at < MIN (to, words->len); at++)
    for (i = 0; i < shown->len; i++)
      {
        DescryObject *object = g_ptr_array_index (shown, i);
        DescryMatch match = object != except ? descry_words_match (words, at, object->name, object->finer, &n, &plural) : DESCRY_MATCH_NONE;

        if (match > surest)
          {
            surest = match;
            best = object;
          }
      }

  return best;
}

static void
append_the (GString            *text,
            const DescryObject *object)
{
  g_string_append_printf (text, "the %s", object->name);
}

static const char *
relation_phrase (DescryRelation relation)
{
  switch (relation)
    {
    case DESCRY_RELATION_LEFT: return "to the left of";
    case DESCRY_RELATION_RIGHT: return "to the right of";
    case DESCRY_RELATION_ABOVE: return "above";
    case DESCRY_RELATION_BELOW: return "below";
    case DESCRY_RELATION_BIGGER: return "bigger than";
    default: return "smaller than";
    }
}

static DescryRelation
opposite (DescryRelation relation)
{
  switch (relation)
    {
    case DESCRY_RELATION_LEFT: return DESCRY_RELATION_RIGHT;
    case DESCRY_RELATION_RIGHT: return DESCRY_RELATION_LEFT;
    case DESCRY_RELATION_ABOVE: return DESCRY_RELATION_BELOW;
    case DESCRY_RELATION_BELOW: return DESCRY_RELATION_ABOVE;
    case DESCRY_RELATION_BIGGER: return DESCRY_RELATION_SMALLER;
    default: return DESCRY_RELATION_BIGGER;
    }
}

static const char *
verb (const DescryObject *object)
{
  return descry_noun_is_plural (object->name) ? "are" : "is";
}

/* "the dog is bigger than the cat", what is true of the two. */
static void
append_truth (GString            *text,
              DescryRelation      relation,
              DescryScene        *scene,
              const DescryObject *a,
              const DescryObject *b)
{
  gboolean size = relation == DESCRY_RELATION_BIGGER || relation == DESCRY_RELATION_SMALLER;

  append_the (text, a);
  g_string_append_printf (text, " %s ", verb (a));
  if (descry_relation_holds (relation, scene, a, b))
    g_string_append (text, relation_phrase (relation));
  else if (descry_relation_holds (opposite (relation), scene, a, b))
    g_string_append (text, relation_phrase (opposite (relation)));
  else
    g_string_append (text, size ? "about as big as" : relation == DESCRY_RELATION_LEFT || relation == DESCRY_RELATION_RIGHT ? "neither left nor right of" : "at the same height as");
  g_string_append_c (text, ' ');
  append_the (text, b);
}

static void
capitalise (GString *text,
            gsize    at)
{
  if (at < text->len)
    text->str[at] = g_ascii_toupper (text->str[at]);
}

/* Objects that stand so to @b: "To the left of the lamp there is a cup and a dog." */
static void
append_those (GString            *text,
              DescryRelation      relation,
              DescryScene        *scene,
              GPtrArray          *shown,
              const DescryObject *b,
              GPtrArray          *told)
{
  g_autoptr (GPtrArray) those = g_ptr_array_new ();
  guint i, n;

  for (i = 0; i < shown->len; i++)
    {
      DescryObject *object = g_ptr_array_index (shown, i);

      if (object != b && descry_relation_holds (relation, scene, object, b))
        g_ptr_array_add (those, object);
    }
  n = MIN (those->len, MAX_LISTED);
  if (n == 0)
    g_string_append (text, "nothing is ");
  for (i = 0; i < n; i++)
    {
      const DescryObject *object = g_ptr_array_index (those, i);

      g_string_append (text, i == 0 ? "" : i == n - 1 ? " and " : ", ");
      if (!descry_noun_is_plural (object->name))
        g_string_append_printf (text, "%s ", descry_noun_article (object->name));
      g_string_append (text, object->name);
      g_ptr_array_add (told, g_ptr_array_index (those, i));
    }
  if (n > 0)
    g_string_append_printf (text, " %s ", n > 1 || descry_noun_is_plural (((DescryObject *) g_ptr_array_index (those, 0))->name) ? "are" : "is");
  g_string_append_printf (text, "%s ", relation_phrase (relation));
  append_the (text, b);
}

/* The chip that a pronoun in [from, to) means. */
static DescryObject *
meant_in (GPtrArray          *chips,
          GArray             *words,
          guint               from,
          guint               to,
          const DescryObject *except)
{
  static const char *const pronouns[] = { "it", "this", "that", "them", "these", "those" };
  guint at, i, k;

  for (at = from; at < MIN (to, words->len); at++)
    for (i = 0; i < G_N_ELEMENTS (pronouns); i++)
      for (k = 0; k < chips->len && descry_word_is (words, at, pronouns[i]); k++)
        if (g_ptr_array_index (chips, k) != except)
          return g_ptr_array_index (chips, k);

  return NULL;
}

static DescryObject *
named_or_meant (GPtrArray          *shown,
                GPtrArray          *chips,
                GArray             *words,
                guint               from,
                guint               to,
                const DescryObject *except)
{
  DescryObject *object = named_in (shown, words, from, to, except);

  return object != NULL ? object : meant_in (chips, words, from, to, except);
}

gboolean
descry_relations_fact (GString     *text,
                       DescryScene *scene,
                       GPtrArray   *shown,
                       GPtrArray   *chips,
                       const char  *question,
                       GPtrArray   *told)
{
  g_autoptr (GArray) words = descry_words_split (question);
  DescryObject *a, *b = NULL;
  guint at, after, i;
  gsize start = text->len;
  gboolean asks_if;
  DescryRelation relation = find_relation (words, &at, &after);

  if (relation == DESCRY_RELATION_NONE || shown->len == 0)
    return FALSE;
  asks_if = words->len > 0 && (descry_word_is (words, 0, "is") || descry_word_is (words, 0, "are"));

  if (relation == DESCRY_RELATION_LARGEST || relation == DESCRY_RELATION_SMALLEST)
    {
      a = extreme (chips->len > 1 ? chips : shown, relation == DESCRY_RELATION_LARGEST);
      append_the (text, a);
      g_string_append_printf (text, " %s the %s %s", verb (a), relation == DESCRY_RELATION_LARGEST ? "largest" : "smallest",
                              chips->len > 1 ? "of them" : "object in the photo");
      g_ptr_array_add (told, a);
    }
  else if (relation == DESCRY_RELATION_NEAREST)
    {
      b = named_or_meant (shown, chips, words, after, words->len, NULL);
      a = b != NULL ? descry_relation_nearest (b, shown) : NULL;
      if (a == NULL)
        return FALSE;
      append_the (text, a);
      g_string_append_printf (text, " %s nearest to ", verb (a));
      append_the (text, b);
      g_ptr_array_add (told, a);
      g_ptr_array_add (told, b);
    }
  else
    {
      gboolean which = FALSE;

      /* "Which is bigger, A or B?" has both after the word; "Is A bigger than B?" one on each side. */
      for (i = after; i < words->len; i++)
        if (descry_word_is (words, i, "or"))
          {
            which = TRUE;
            a = named_or_meant (shown, chips, words, after, i, NULL);
            b = named_or_meant (shown, chips, words, i + 1, words->len, a);
            break;
          }
      if (!which)
        {
          b = named_or_meant (shown, chips, words, after, words->len, NULL);
          a = named_or_meant (shown, chips, words, 0, at, b);
        }
      /* "Which of them is bigger?" */
      if (chips->len > 1 && !asks_if && (a == NULL || b == NULL) && descry_word_is (words, 0, "which"))
        {
          a = g_ptr_array_index (chips, 0);
          b = g_ptr_array_index (chips, 1);
          which = TRUE;
        }
      if (b == NULL)
        return FALSE;
      if (a == NULL && (which || asks_if))
        return FALSE;

      if (a == NULL)
        append_those (text, relation, scene, shown, b, told);
      else
        {
          if (which && descry_relation_holds (opposite (relation), scene, a, b))
            {
              DescryObject *swap = a;

              a = b;
              b = swap;
            }
          if (asks_if && !which)
            g_string_append (text, descry_relation_holds (relation, scene, a, b) ? "Yes, " : "No, ");
          append_truth (text, relation, scene, a, b);
          g_ptr_array_add (told, a);
        }
      g_ptr_array_add (told, b);
    }

  capitalise (text, start);
  g_string_append_c (text, '.');
  return TRUE;
}
