/* question.c - what a question asks for, as far as words tell
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-question"

#include "config.h"

#include "compute/lyrics/question.h"

#include <string.h>

static const char *const fillers[] = { "a", "an", "any", "some", "the", "one", "another", "more", "other", "of", NULL };
static const char *const stops[] = { "in", "on", "at", "here", "visible", "near", "next", "or", "and", "with", "behind", "under", "above", "is", "are", "do", "does", "can",
                                     "there", "you", "that", "this", "to", "within", "inside", "anywhere", "who", "which", "somewhere", "located", "i", "appear", "shown", "seen", NULL };
/* "in the photo" and its like name no object. */
static const char *const pictures[] = { "photo", "picture", "image", "photograph", "scene", "foreground", "background", "thing", "things", "object", "objects", "something", "anything",
                                        "everything", "left", "right", "top", "bottom", "center", "centre", "middle", "side", "corner", NULL };

/* They stand for something that was said before. */
static const char *const pronouns[] = { "it", "they", "them", "he", "him", "she", "her", "this", "that", "these", "those", NULL };

static const char *
word_at (GArray *words,
         guint   at)
{
  return at < words->len ? g_array_index (words, DescryWord, at).folded : "";
}

static gboolean
word_in (GArray            *words,
         guint              at,
         const char *const *list)
{
  return g_strv_contains (list, word_at (words, at));
}

/* Where the noun begins that a question of a known form asks for; 0: no such form. */
/* "Where was the photo taken?" asks about no object. */
static gboolean
is_about_photo (GArray *words,
                guint   at)
{
  static const char *const articles[] = { "the", "this", "that", NULL }, *const photos[] = { "photo", "picture", "image", "photograph", "shot", NULL };

  return word_in (words, word_in (words, at, articles) ? at + 1 : at, photos);
}

static guint
find_form (GArray     *words,
           DescryAsks *asks)
{
  static const char *const sees[] = { "see", "have", "has", "contain", "contains", "show", "shows", "find", "spot", "include", "depict", NULL };
  static const char *const is[] = { "is", "are", "s", "re", "was", "were", NULL };
  guint i;

  for (i = 0; i < words->len; i++)
    {
      if (strcmp (word_at (words, i), "how") == 0 && strcmp (word_at (words, i + 1), "many") == 0)
        {
          *asks = DESCRY_ASKS_COUNT;
          return i + 2;
        }
      if (strcmp (word_at (words, i), "number") == 0 && strcmp (word_at (words, i + 1), "of") == 0)
        {
          *asks = DESCRY_ASKS_COUNT;
          return i + 2;
        }
      if (strcmp (word_at (words, i), "count") == 0 && i == 0)
        {
          *asks = DESCRY_ASKS_COUNT;
          return i + 1;
        }
      if (strcmp (word_at (words, i), "where") == 0 && word_in (words, i + 1, is))
        {
          if (is_about_photo (words, i + 2))
            return 0;
          *asks = DESCRY_ASKS_WHERE;
          return i + 2;
        }
      /* "Where do you see the cups?" */
      if (i > 0 && strcmp (word_at (words, 0), "where") == 0 && word_in (words, i, sees))
        {
          *asks = DESCRY_ASKS_WHERE;
          return i + 1;
        }
      if (word_in (words, i, is) && strcmp (word_at (words, i + 1), "there") == 0 && (i == 0 || !word_in (words, i - 1, (const char *const[]) { "what", "which", "who", NULL })))
        {
          *asks = DESCRY_ASKS_EXISTS;
          return i + 2;
        }
      if (i > 0 && word_in (words, i, sees) && word_in (words, 0, (const char *const[]) { "do", "does", "can", "could", "did", NULL }))
        {
          *asks = DESCRY_ASKS_EXISTS;
          return i + 1;
        }
    }

  if (word_in (words, 0, is) && word_in (words, 1, (const char *const[]) { "the", "this", "that", NULL }))
    {
      *asks = DESCRY_ASKS_IF_AT;
      return 2;
    }

  return 0;
}

/* Objects that the words from @at on mean, the surest kind of match only. Returns the number of words. */
static guint
match_objects (GArray      *words,
               guint        at,
               DescryScene *scene,
               float        threshold,
               GPtrArray   *found,
               gboolean    *plural)
{
  DescryMatch best = DESCRY_MATCH_NONE;
  guint best_n = 0, i;

  for (i = 0; i < scene->objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i);
      gboolean many = FALSE;
      guint n;
      DescryMatch match;

      if (object->score < threshold || object->name == NULL)
        continue;
      match = descry_words_match (words, at, object->name, object->finer, &n, &many);
      if (match == DESCRY_MATCH_NONE || n < best_n || (n == best_n && match < best))
        continue;
      if (n > best_n || match > best)
        g_ptr_array_set_size (found, 0);
      best = match;
      best_n = n;
      *plural = many;
      g_ptr_array_add (found, object);
    }

  return best_n;
}

static void
merge_into (GPtrArray *all,
            GPtrArray *more)
{
  guint i;

  for (i = 0; i < more->len; i++)
    if (!g_ptr_array_find (all, g_ptr_array_index (more, i), NULL))
      g_ptr_array_add (all, g_ptr_array_index (more, i));
}

/* The noun phrase at @from: "big cups in the photo" gives "big cup". */
static void
read_subject (DescryQuestion *self,
              GArray         *words,
              guint           from,
              DescryScene    *scene,
              float           threshold)
{
  g_autoptr (GString) phrase = g_string_new (NULL);
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  guint i, to, n;

  while (word_in (words, from, fillers))
    from++;
  if (word_in (words, from, pronouns))
    return;
  for (to = from; to < words->len && !word_in (words, to, stops) && !word_in (words, to, pictures) && to - from < 4; to++)
    if (to > from && word_in (words, to, (const char *const[]) { "the", "a", "an", NULL }))
      break;
  if (to == from)
    return;

  for (i = from; i < to; i += MAX (n, 1))
    {
      gboolean plural = FALSE;

      g_ptr_array_set_size (found, 0);
      n = match_objects (words, i, scene, threshold, found, &plural);
      merge_into (self->about, found);
      self->subject_plural |= plural;
    }

  for (i = from; i < to; i++)
    g_string_append_printf (phrase, "%s%s", i > from ? " " : "", word_at (words, i));
  self->subject = descry_noun_singular (phrase->str);
  self->subject_plural |= strcmp (self->subject, phrase->str) != 0;
}

DescryQuestion *
descry_question_read (DescryScene *scene,
                      float        threshold,
                      const char  *text)
{
  DescryQuestion *self = g_new0 (DescryQuestion, 1);
  g_autoptr (GArray) words = descry_words_split (text);
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  gboolean plural = FALSE, placed;
  guint i, n, from;

  self->about = g_ptr_array_new ();
  self->named = g_ptr_array_new ();

  from = find_form (words, &self->asks);
  placed = descry_place_parse (words, MAX (from, 1), words->len, &self->place);
  if (from > 0)
    read_subject (self, words, from, scene, threshold);

  for (i = 0; i < words->len; i += MAX (n, 1))
    {
      g_ptr_array_set_size (found, 0);
      n = match_objects (words, i, scene, threshold, found, &plural);
      merge_into (self->named, found);
    }

  if (self->asks == DESCRY_ASKS_IF_AT && (!placed || self->about->len == 0))
    self->asks = DESCRY_ASKS_OTHER;
  /* "Is there anything?", "Where is it?": no noun, so it is about everything or about the chips. */
  if (self->subject == NULL && (self->asks == DESCRY_ASKS_EXISTS || self->asks == DESCRY_ASKS_COUNT))
    self->asks = DESCRY_ASKS_LIST;
  if (self->asks == DESCRY_ASKS_OTHER)
    {
      gboolean what = word_in (words, 0, (const char *const[]) { "what", "which", "who", "whats", NULL });
      gboolean lists = word_in (words, 0, (const char *const[]) { "list", "describe", "name", "enumerate", NULL });
      gboolean shows = FALSE;

      for (i = 1; i < words->len; i++)
        shows |= word_in (words, i, (const char *const[]) { "photo", "picture", "image", "see", "scene", "photograph", "shown", NULL });
      if (what && placed && self->named->len == 0)
        self->asks = DESCRY_ASKS_WHAT_AT;
      else if ((lists || (what && shows)) && self->named->len == 0)
        self->asks = DESCRY_ASKS_LIST;
    }

  return self;
}

void
descry_question_free (DescryQuestion *self)
{
  if (self == NULL)
    return;

  g_clear_pointer (&self->subject, g_free);
  g_clear_pointer (&self->about, g_ptr_array_unref);
  g_clear_pointer (&self->named, g_ptr_array_unref);
  g_free (self);
}
