/* linker.c - phrases of an answer <-> objects of the scene
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-linker"

#include "config.h"

#include "compute/lyrics/linker.h"

#include "compute/lyrics/words.h"

#include <string.h>

#define MIN_IOU 0.5 /* between written coordinates and a box */

typedef struct
{
  DescryTurn  *turn;
  DescryScene *scene;
  float        threshold;
  GArray      *words; /* of the answer */
  GPtrArray   *chips; /* of DescryObject */
} Linker;

static void
add_id (GArray *ids,
        guint   id)
{
  guint i;

  for (i = 0; i < ids->len; i++)
    if (g_array_index (ids, guint, i) == id)
      return;
  g_array_append_val (ids, id);
}

static void
add_link (Linker    *self,
          guint      start,
          guint      end,
          GPtrArray *objects)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint));
  guint i;

  for (i = 0; i < objects->len; i++)
    {
      guint id = ((DescryObject *) g_ptr_array_index (objects, i))->id;

      add_id (ids, id);
      add_id (self->turn->evidence, id);
    }
  if (ids->len > 0)
    descry_turn_add_link (self->turn, start, end, (const guint *) (void *) ids->data, ids->len);
}

static gboolean
is_linked (Linker *self,
           guint   start,
           guint   end)
{
  guint i;

  for (i = 0; i < self->turn->links->len; i++)
    {
      const DescryLink *link = g_ptr_array_index (self->turn->links, i);

      if (start < link->end && link->start < end)
        return TRUE;
    }

  return FALSE;
}

/* Four numbers in brackets at @text: the length in bytes, or 0. */
static guint
parse_box (const char *text,
           double      corners[4])
{
  const char *at = text + 1;
  guint i;

  for (i = 0; i < 4; i++)
    {
      char *after;

      while (*at == ' ')
        at++;
      corners[i] = g_ascii_strtod (at, &after);
      if (after == at || !(corners[i] >= -1e6 && corners[i] <= 1e6))
        return 0;
      for (at = after; *at == ' ';)
        at++;
      if (i < 3 && *at == ',')
        at++;
    }

  return *at == ']' ? at + 1 - text : 0;
}

/* Fractions of the picture if all are within reach of 1, else pixels. */
static DescryBox
box_of (Linker      *self,
        const double corners[4])
{
  gboolean fractions = corners[0] <= 1.5 && corners[1] <= 1.5 && corners[2] <= 1.5 && corners[3] <= 1.5;
  double w = fractions ? self->scene->width : 1, h = fractions ? self->scene->height : 1;

  return (DescryBox) { corners[0] * w, corners[1] * h, corners[2] * w, corners[3] * h };
}

/* Coordinates link to the box that they fit best. */
static void
link_coordinates (Linker *self)
{
  const char *answer = self->turn->answer;
  const char *at;

  for (at = strchr (answer, '['); at != NULL; at = strchr (at + 1, '['))
    {
      double corners[4], best = MIN_IOU;
      guint length = parse_box (at, corners);
      g_autoptr (GPtrArray) found = g_ptr_array_new ();
      DescryBox box;
      guint i;

      if (length == 0)
        continue;
      box = box_of (self, corners);
      for (i = 0; i < self->scene->objects->len; i++)
        {
          DescryObject *object = g_ptr_array_index (self->scene->objects, i);
          double iou = descry_box_iou (box, object->box);

          if (object->score < self->threshold || iou < best || (iou == best && found->len > 0))
            continue;
          best = iou;
          g_ptr_array_set_size (found, 0);
          g_ptr_array_add (found, object);
        }
      if (found->len > 0)
        add_link (self, at - answer, at - answer + length, found);
    }
}

static const DescryLink *
link_at (Linker *self,
         guint   start)
{
  guint i;

  for (i = 0; i < self->turn->links->len; i++)
    {
      const DescryLink *link = g_ptr_array_index (self->turn->links, i);

      if (link->start == start)
        return link;
    }

  return NULL;
}

/* What the words at @at mean; the longest, then the surest match. */
static guint
find_objects (Linker    *self,
              guint      at,
              GPtrArray *found,
              gboolean  *plural)
{
  DescryMatch best = DESCRY_MATCH_NONE;
  guint best_n = 0, i;

  for (i = 0; i < self->scene->objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (self->scene->objects, i);
      gboolean many = FALSE;
      DescryMatch match;
      guint n;

      if (object->name == NULL || (object->score < self->threshold && !g_ptr_array_find (self->chips, object, NULL)))
        continue;
      match = descry_words_match (self->words, at, object->name, object->finer, &n, &many);
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

/* Is there an end of a clause between two words? */
static gboolean
clause_ends (Linker *self,
             guint   word)
{
  guint from = g_array_index (self->words, DescryWord, word).end;
  guint to = word + 1 < self->words->len ? g_array_index (self->words, DescryWord, word + 1).start : strlen (self->turn->answer);
  guint i;

  for (i = from; i < to; i++)
    if (strchr (".;:!?,\n", self->turn->answer[i]) != NULL)
      return TRUE;

  return word + 1 < self->words->len && descry_word_is (self->words, word + 1, "and");
}

/* A place beside the name narrows: "left cup", "cup on the left", "cup in the top right corner". */
static void
narrow_by_place (Linker    *self,
                 guint      first,
                 guint      n,
                 GPtrArray *found)
{
  g_autoptr (GPtrArray) fitting = g_ptr_array_new ();
  DescryPlace place;
  guint from = first, to = first + n, i;

  while (from > 0 && first - from < 2 && !clause_ends (self, from - 1))
    from--;
  if (!descry_place_parse (self->words, from, first, &place))
    {
      /* Up to the next name or the end of the clause, six words at most. */
      while (to < self->words->len && to - first - n < 6 && !clause_ends (self, to - 1))
        {
          g_autoptr (GPtrArray) other = g_ptr_array_new ();
          gboolean plural;

          if (find_objects (self, to, other, &plural) > 0)
            break;
          to++;
        }
      if (!descry_place_parse (self->words, first + n, to, &place))
        return;
    }

  for (i = 0; i < found->len; i++)
    {
      DescryObject *object = g_ptr_array_index (found, i);

      if (descry_place_fits (place, descry_place_of (object->box, self->scene->width, self->scene->height)))
        g_ptr_array_add (fitting, object);
    }
  if (fitting->len == 0)
    return;
  g_ptr_array_set_size (found, 0);
  g_ptr_array_extend (found, fitting, NULL, NULL);
}

static void
narrow_by_chips (Linker    *self,
                 GPtrArray *found)
{
  g_autoptr (GPtrArray) fitting = g_ptr_array_new ();
  guint i;

  for (i = 0; i < found->len; i++)
    if (g_ptr_array_find (self->chips, g_ptr_array_index (found, i), NULL))
      g_ptr_array_add (fitting, g_ptr_array_index (found, i));
  if (fitting->len == 0)
    return;
  g_ptr_array_set_size (found, 0);
  g_ptr_array_extend (found, fitting, NULL, NULL);
}

/* "cup [0.1, 0.2, 0.3, 0.4]": the coordinates say which one. */
static gboolean
narrow_by_coordinates (Linker    *self,
                       guint      end,
                       GPtrArray *found)
{
  const char *answer = self->turn->answer;
  const DescryLink *link;
  DescryObject *object;

  while (answer[end] == ' ' || answer[end] == ':')
    end++;
  if (answer[end] != '[' || (link = link_at (self, end)) == NULL)
    return FALSE;
  object = descry_scene_find (self->scene, link->objects[0]);
  if (object == NULL || !g_ptr_array_find (found, object, NULL))
    return FALSE;

  g_ptr_array_set_size (found, 0);
  g_ptr_array_add (found, object);
  return TRUE;
}

static void
link_names (Linker *self)
{
  guint i, n;

  for (i = 0; i < self->words->len; i += MAX (n, 1))
    {
      g_autoptr (GPtrArray) found = g_ptr_array_new ();
      gboolean plural = FALSE;
      guint start, end;

      n = find_objects (self, i, found, &plural);
      if (n == 0)
        continue;
      start = g_array_index (self->words, DescryWord, i).start;
      end = g_array_index (self->words, DescryWord, i + n - 1).end;
      if (is_linked (self, start, end))
        continue;

      if (found->len > 1 && !narrow_by_coordinates (self, end, found))
        {
          guint before = found->len;

          narrow_by_place (self, i, n, found);
          if (found->len == before && !plural)
            narrow_by_chips (self, found);
        }
      add_link (self, start, end, found);
    }
}

/* "this" and "it" mean the chips; "these" and "they" as well. */
static void
link_pronouns (Linker *self)
{
  static const char *const pronouns[] = { "this", "it", "that", "these", "they", "them", "those", NULL };
  guint i;

  if (self->chips->len == 0)
    return;
  for (i = 0; i < self->words->len; i++)
    {
      const DescryWord *word = &g_array_index (self->words, DescryWord, i);

      if (g_strv_contains (pronouns, word->folded) && !is_linked (self, word->start, word->end))
        add_link (self, word->start, word->end, self->chips);
    }
}

void
descry_link_answer (DescryTurn  *turn,
                    DescryScene *scene,
                    float        threshold)
{
  g_autoptr (GPtrArray) chips = g_ptr_array_new ();
  Linker self = { turn, scene, threshold, NULL, chips };
  guint i;

  g_return_if_fail (turn != NULL);

  g_ptr_array_set_size (turn->links, 0);
  if (scene == NULL || turn->answer == NULL)
    return;

  for (i = 0; i < turn->chips->len; i++)
    {
      guint id = g_array_index (turn->chips, guint, i);
      DescryObject *object = descry_scene_find (scene, id);

      if (object == NULL)
        continue;
      g_ptr_array_add (chips, object);
      add_id (turn->evidence, id);
    }

  self.words = descry_words_split (turn->answer);
  link_coordinates (&self);
  link_names (&self);
  link_pronouns (&self);
  g_array_unref (self.words);
}
