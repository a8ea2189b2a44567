/* prompt.c - scene, chips and question as the text that the language model reads
 *
 * A small model loses the thread in long lists and copies what stands last. So the text is short, and what the
 * scene says about the things that the question names comes after the question, where an answer begins:
 *
 *   The photo shows two cups (on the left, at the top right); one lamp (in the center).
 *   Is there a dog?
 *   No, there is no dog in the photo.
 *
 * Of the arrangements tried with SmolLM2-135M on the twenty tuning questions (tests/flow/answers,
 * tests/golden/scripts/try-prompts.py) this one with the four worked turns below was right in all; the list alone in 10, list and
 * fact before the question in 14, the same after worked turns in 13 to 18.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-prompt"

#include "config.h"

#include "compute/lyrics/prompt.h"

#include "compute/lyrics/nouns.h"
#include "compute/lyrics/question.h"
#include "compute/lyrics/relations.h"

#include <math.h>
#include <string.h>

#define MAX_NAMES 12 /* different names in the list */
#define MAX_PLACES 4 /* of one name; more are only counted */
#define MAX_BOXES 20 /* of the paper's format */

/* Objects of one name. */
typedef struct
{
  const char *name;
  GPtrArray  *objects;
} Group;

static void
free_group (gpointer data)
{
  Group *group = data;

  g_ptr_array_unref (group->objects);
  g_free (group);
}

static GPtrArray *
group_by_name (GPtrArray *objects)
{
  GPtrArray *groups = g_ptr_array_new_with_free_func (free_group);
  guint i, k;

  for (i = 0; i < objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (objects, i);
      Group *group = NULL;

      for (k = 0; k < groups->len && group == NULL; k++)
        if (strcmp (((Group *) g_ptr_array_index (groups, k))->name, object->name) == 0)
          group = g_ptr_array_index (groups, k);
      if (group == NULL)
        {
          group = g_new0 (Group, 1);
          group->name = object->name;
          group->objects = g_ptr_array_new ();
          g_ptr_array_add (groups, group);
        }
      g_ptr_array_add (group->objects, object);
    }

  return groups;
}

static GPtrArray *
shown_objects (DescryScene *scene,
               float        threshold)
{
  GPtrArray *shown = g_ptr_array_new ();
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->score >= threshold && object->name != NULL)
        g_ptr_array_add (shown, object);
    }

  return shown;
}

/* In the order of the chips; ids that the scene lacks are left out, scores do not matter. */
static GPtrArray *
chip_objects (DescryScene *scene,
              const guint *chips,
              guint        n_chips)
{
  GPtrArray *objects = g_ptr_array_new ();
  guint i;

  for (i = 0; i < n_chips; i++)
    {
      DescryObject *object = descry_scene_find (scene, chips[i]);

      if (object != NULL && object->name != NULL && !g_ptr_array_find (objects, object, NULL))
        g_ptr_array_add (objects, object);
    }

  return objects;
}

static void
append_number (GString    *text,
               guint       n,
               const char *noun)
{
  g_autofree char *number = descry_number_name (n);
  g_autofree char *plural = descry_noun_plural (noun, n);

  g_string_append_printf (text, "%s %s", number, plural);
}

static void
append_one (GString    *text,
            const char *noun)
{
  if (!descry_noun_is_plural (noun))
    g_string_append_printf (text, "%s ", descry_noun_article (noun));
  g_string_append (text, noun);
}

/* "on the left, at the top right", or with @and "on the left and at the top right". */
static void
append_places (GString     *text,
               DescryScene *scene,
               GPtrArray   *objects,
               gboolean     and)
{
  guint i;

  for (i = 0; i < objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (objects, i);

      g_string_append_printf (text, "%s%s", i == 0 ? "" : and && i == objects->len - 1 ? " and " : ", ", descry_place_name (object->box, scene->width, scene->height));
    }
}

/* "two cups (on the left, at the top right)" */
static void
append_group (GString     *text,
              DescryScene *scene,
              const Group *group)
{
  append_number (text, group->objects->len, group->name);
  if (group->objects->len > MAX_PLACES)
    return;
  g_string_append (text, " (");
  append_places (text, scene, group->objects, FALSE);
  g_string_append (text, ")");
}

/* "a cup on the left and a lamp in the center" */
static void
append_each (GString     *text,
             DescryScene *scene,
             GPtrArray   *objects)
{
  guint i;

  for (i = 0; i < objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (objects, i);

      g_string_append (text, i == 0 ? "" : i == objects->len - 1 ? " and " : ", ");
      append_one (text, object->name);
      g_string_append_printf (text, " %s", descry_place_name (object->box, scene->width, scene->height));
    }
}

/* A tag of the whole picture that no shown object says already. */
static gboolean
is_news (const DescryTag *tag,
         GPtrArray       *shown)
{
  guint i;

  for (i = 0; i < shown->len; i++)
    if (descry_nouns_same_kind (((DescryObject *) g_ptr_array_index (shown, i))->name, tag->name))
      return FALSE;

  return TRUE;
}

/* The best tag that is sure and new, or NULL. */
static const char *
extra_tag (DescryScene *scene,
           GPtrArray   *shown,
           float        threshold)
{
  guint i;

  for (i = 0; i < scene->tags->len; i++)
    {
      const DescryTag *tag = g_ptr_array_index (scene->tags, i);

      if (tag->score >= threshold && is_news (tag, shown))
        return tag->name;
    }

  return NULL;
}

static void
append_list (GString     *text,
             DescryScene *scene,
             GPtrArray   *shown,
             float        threshold)
{
  g_autoptr (GPtrArray) groups = group_by_name (shown);
  const char *tag = extra_tag (scene, shown, threshold);
  guint i;

  if (groups->len == 0 && tag == NULL)
    {
      g_string_append (text, "Nothing in the photo was recognised.");
      return;
    }

  g_string_append (text, "The photo shows ");
  for (i = 0; i < groups->len && i < MAX_NAMES; i++)
    {
      g_string_append (text, i > 0 ? "; " : "");
      append_group (text, scene, g_ptr_array_index (groups, i));
    }
  if (tag != NULL)
    {
      g_string_append (text, i > 0 ? "; " : "");
      append_one (text, tag);
    }
  g_string_append (text, ".");
}

/* Is the subject of a question known only as a tag of the whole picture? */
static gboolean
is_tagged (DescryScene          *scene,
           const DescryQuestion *question,
           float                 threshold)
{
  g_autoptr (GArray) words = NULL;
  guint i, at;

  if (question->subject == NULL)
    return FALSE;
  words = descry_words_split (question->subject);
  for (i = 0; i < scene->tags->len; i++)
    {
      const DescryTag *tag = g_ptr_array_index (scene->tags, i);
      gboolean plural;
      guint n;

      for (at = 0; at < words->len && tag->score >= threshold; at++)
        if (descry_words_match (words, at, tag->name, NULL, &n, &plural) != DESCRY_MATCH_NONE)
          return TRUE;
    }

  return FALSE;
}

static void
append_there_are (GString              *text,
                  const DescryQuestion *question,
                  GPtrArray            *objects)
{
  g_autoptr (GPtrArray) groups = group_by_name (objects);
  const char *noun = groups->len == 1 ? ((Group *) g_ptr_array_index (groups, 0))->name : question->subject;

  g_string_append (text, objects->len == 1 && !descry_noun_is_plural (noun) ? "There is " : "There are ");
  append_number (text, objects->len, noun);
}

static void
append_there_is_no (GString    *text,
                    const char *start,
                    const char *subject,
                    gboolean    plural)
{
  g_autofree char *noun = descry_noun_plural (subject, plural ? 2 : 1);

  g_string_append_printf (text, "%s %s no %s", start, plural || descry_noun_is_plural (subject) ? "are" : "is", noun);
}

/* What a question without a noun asks of its chips: their places, or what they are. */
static void
append_chip_fact (GString              *text,
                  DescryScene          *scene,
                  const char           *text_asked,
                  const DescryQuestion *question,
                  GPtrArray            *chips)
{
  g_autoptr (GArray) words = descry_words_split (text_asked);
  DescryObject *first = g_ptr_array_index (chips, 0);
  gboolean one = chips->len == 1;
  gboolean if_at = one && (question->place.has_x || question->place.has_y) && (descry_word_is (words, 0, "is") || descry_word_is (words, 0, "are"));
  guint i;

  if (question->asks == DESCRY_ASKS_WHERE || if_at)
    {
      if (if_at)
        g_string_append (text, descry_place_fits (question->place, descry_place_of (first->box, scene->width, scene->height)) ? "Yes, the " : "No, the ");
      else
        g_string_append (text, "The ");
      for (i = 0; i < chips->len; i++)
        {
          const DescryObject *object = g_ptr_array_index (chips, i);

          g_string_append_printf (text, "%s%s %s %s", i == 0 ? "" : i == chips->len - 1 ? " and the " : ", the ", object->name,
                                  descry_noun_is_plural (object->name) ? "are" : "is", descry_place_name (object->box, scene->width, scene->height));
        }
    }
  else
    {
      g_string_append (text, one && !descry_noun_is_plural (first->name) ? "This is " : "These are ");
      append_each (text, scene, chips);
    }
  g_string_append (text, ".");
}

/* One sentence that answers @question as far as the scene can. FALSE: nothing to say. */
static gboolean
append_fact (GString              *text,
             DescryScene          *scene,
             float                 threshold,
             const char           *text_asked,
             const DescryQuestion *question,
             GPtrArray            *chips,
             GPtrArray            *shown)
{
  GPtrArray *about = question->about;

  if (chips->len > 0 && question->subject == NULL)
    {
      append_chip_fact (text, scene, text_asked, question, chips);
      return TRUE;
    }

  switch (question->asks)
    {
    case DESCRY_ASKS_COUNT:
    case DESCRY_ASKS_EXISTS:
      {
        gboolean yes = about->len > 0 || is_tagged (scene, question, threshold);

        if (question->asks == DESCRY_ASKS_EXISTS)
          g_string_append (text, yes ? "Yes, there" : "No, there");
        if (about->len == 0)
          {
            if (!yes)
              append_there_is_no (text, question->asks == DESCRY_ASKS_EXISTS ? "" : "There", question->subject, question->subject_plural);
            else
              {
                g_string_append (text, question->asks == DESCRY_ASKS_EXISTS ? " is " : "There is ");
                append_one (text, question->subject);
              }
            g_string_append (text, " in the photo.");
            break;
          }
        {
          g_autoptr (GString) are = g_string_new (NULL);

          append_there_are (are, question, about);
          g_string_append (text, are->str + (question->asks == DESCRY_ASKS_EXISTS ? strlen ("There") : 0));
        }
        if (about->len <= MAX_PLACES)
          {
            g_string_append (text, about->len == 1 ? " " : ": ");
            append_places (text, scene, about, TRUE);
          }
        g_string_append (text, ".");
        break;
      }

    case DESCRY_ASKS_WHERE:
    case DESCRY_ASKS_IF_AT:
      if (question->subject == NULL)
        return FALSE;
      if (about->len == 0)
        append_there_is_no (text, "There", question->subject, question->subject_plural);
      else
        {
          g_autofree char *noun = descry_noun_plural (question->subject, about->len);

          if (question->asks == DESCRY_ASKS_IF_AT)
            {
              const DescryObject *first = g_ptr_array_index (about, 0);

              g_string_append (text, descry_place_fits (question->place, descry_place_of (first->box, scene->width, scene->height)) ? "Yes, the " : "No, the ");
            }
          else
            g_string_append (text, "The ");
          g_string_append_printf (text, "%s %s ", noun, about->len > 1 || descry_noun_is_plural (question->subject) ? "are" : "is");
          append_places (text, scene, about, TRUE);
        }
      g_string_append (text, about->len == 0 ? " in the photo." : ".");
      break;

    case DESCRY_ASKS_WHAT_AT:
      {
        g_autoptr (GPtrArray) there = g_ptr_array_new ();
        guint i;

        for (i = 0; i < shown->len; i++)
          {
            DescryObject *object = g_ptr_array_index (shown, i);

            if (descry_place_fits (question->place, descry_place_of (object->box, scene->width, scene->height)))
              g_ptr_array_add (there, object);
          }
        if (there->len == 0)
          return FALSE;
        g_string_append (text, there->len == 1 ? "There is " : "There are ");
        append_each (text, scene, there);
        g_string_append (text, ".");
        break;
      }

    case DESCRY_ASKS_OTHER:
      if (question->named->len == 0)
        return FALSE;
      g_string_append (text, question->named->len == 1 ? "There is " : "There are ");
      append_each (text, scene, question->named);
      g_string_append (text, ".");
      break;

    case DESCRY_ASKS_LIST:
      return FALSE;
    }

  return TRUE;
}

/* Sides, sizes and distances first: such questions have other forms in them. */
static gboolean
append_any_fact (GString              *text,
                 DescryScene          *scene,
                 float                 threshold,
                 const char           *question,
                 const DescryQuestion *read,
                 GPtrArray            *chips,
                 GPtrArray            *shown)
{
  g_autoptr (GPtrArray) told = g_ptr_array_new ();

  return descry_relations_fact (text, scene, shown, chips, question, told)
         || append_fact (text, scene, threshold, question, read, chips, shown);
}

/* Python's str (round (v, 3)): the shortest decimal that is at most three places long. */
static void
append_fraction (GString *text,
                 double   value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  char *end;

  g_ascii_formatd (buffer, sizeof buffer, "%.3f", value);
  for (end = buffer + strlen (buffer) - 1; *end == '0' && end[-1] != '.'; end--)
    *end = '\0';
  g_string_append (text, strcmp (buffer, "-0.0") == 0 ? "0.0" : buffer);
}

/* Objects: name [x1, y1, x2, y2]; … */
static void
append_boxes (GString     *text,
              DescryScene *scene,
              GPtrArray   *chips,
              GPtrArray   *shown)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  guint i;

  for (i = 0; i < chips->len; i++)
    g_ptr_array_add (all, g_ptr_array_index (chips, i));
  for (i = 0; i < shown->len && all->len < MAX (MAX_BOXES, chips->len); i++)
    if (!g_ptr_array_find (all, g_ptr_array_index (shown, i), NULL))
      g_ptr_array_add (all, g_ptr_array_index (shown, i));

  if (all->len == 0)
    return;
  g_string_append (text, "Objects: ");
  for (i = 0; i < all->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (all, i);
      double corners[4] = { object->box.x0 / (double) scene->width, object->box.y0 / (double) scene->height,
                            object->box.x1 / (double) scene->width, object->box.y1 / (double) scene->height };
      guint k;

      g_string_append_printf (text, "%s%s [", i > 0 ? "; " : "", object->name);
      for (k = 0; k < 4; k++)
        {
          g_string_append (text, k > 0 ? ", " : "");
          append_fraction (text, corners[k]);
        }
      g_string_append (text, "]");
    }
  g_string_append (text, "\n");
  if (chips->len > 0)
    {
      g_string_append (text, "The question is about ");
      for (i = 0; i < chips->len; i++)
        g_string_append_printf (text, "%sthe %s", i == 0 ? "" : i == chips->len - 1 ? " and " : ", ", ((DescryObject *) g_ptr_array_index (chips, i))->name);
      g_string_append (text, ".\n");
    }
}

static void
add_evidence (GArray    *evidence,
              GPtrArray *objects)
{
  guint i, k;

  for (i = 0; evidence != NULL && i < objects->len; i++)
    {
      guint id = ((DescryObject *) g_ptr_array_index (objects, i))->id;

      for (k = 0; k < evidence->len && g_array_index (evidence, guint, k) != id; k++)
        ;
      if (k == evidence->len)
        g_array_append_val (evidence, id);
    }
}

char *
descry_prompt_write (DescryScene    *scene,
                     DescrySceneText kind,
                     float           threshold,
                     const char     *question,
                     const guint    *chips,
                     guint           n_chips,
                     GArray         *evidence)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) shown = NULL;
  g_autoptr (GPtrArray) chosen = NULL;
  g_autoptr (DescryQuestion) read = NULL;

  g_return_val_if_fail (question != NULL, NULL);

  if (scene == NULL)
    return g_strdup (question);

  shown = shown_objects (scene, threshold);
  chosen = chip_objects (scene, chips, n_chips);
  read = descry_question_read (scene, threshold, question);
  add_evidence (evidence, chosen);
  add_evidence (evidence, read->named);

  switch (kind)
    {
    case DESCRY_SCENE_TEXT_OFF:
      break;

    case DESCRY_SCENE_TEXT_PAPER:
      append_boxes (text, scene, chosen, shown);
      add_evidence (evidence, shown);
      break;

    case DESCRY_SCENE_TEXT_SHORT:
      {
        g_autoptr (GString) list = g_string_new (NULL);
        g_autoptr (GString) fact = g_string_new (NULL);

        append_list (list, scene, shown, threshold);
        add_evidence (evidence, shown);
        if (append_any_fact (fact, scene, threshold, question, read, chosen, shown))
          g_string_append_printf (text, "%s\n%s\n%s", list->str, question, fact->str);
        else
          g_string_append_printf (text, "%s\n%s", question, list->str);
        return g_strdup (text->str);
      }
    }
  g_string_append (text, question);

  return g_strdup (text->str);
}

const char *
descry_prompt_system (DescrySceneText kind)
{
  return kind == DESCRY_SCENE_TEXT_SHORT ? "You answer questions about a photo in one short sentence, from the facts you are told."
                                         : "You answer questions about a photo.";
}

const DescryExample *
descry_prompt_examples (DescrySceneText kind,
                        guint          *n)
{
  /* As descry_prompt_write() would write them. A "no" and a "yes", several and one: a model that has only seen "two"
   * counts two of everything. */
  static const DescryExample examples[] = {
    { "The photo shows two lamps (on the left, on the right); one cat (in the center).\nIs there a bus?\nNo, there is no bus in the photo.",
      "No, there is no bus in the photo." },
    { "The photo shows one kite (at the top); three boats (at the bottom left, at the bottom, at the bottom right).\nHow many boats can you see?\n"
      "There are three boats: at the bottom left, at the bottom and at the bottom right.",
      "There are three boats." },
    { "The photo shows one kite (at the top); three boats (at the bottom left, at the bottom, at the bottom right).\nIs there a kite in the photo?\n"
      "Yes, there is one kite at the top.",
      "Yes, there is one kite at the top." },
    { "The photo shows one clock (at the top right).\nHow many clocks are there?\nThere is one clock at the top right.",
      "There is one clock." },
  };

  g_return_val_if_fail (n != NULL, NULL);

  *n = kind == DESCRY_SCENE_TEXT_SHORT ? G_N_ELEMENTS (examples) : 0;
  return examples;
}

char *
descry_prompt_template_answer (DescryScene *scene,
                               float        threshold,
                               const char  *question,
                               const guint *chips,
                               guint        n_chips)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) shown = NULL;
  g_autoptr (GPtrArray) chosen = NULL;
  g_autoptr (DescryQuestion) read = NULL;

  g_return_val_if_fail (scene != NULL && question != NULL, NULL);

  shown = shown_objects (scene, threshold);
  chosen = chip_objects (scene, chips, n_chips);
  read = descry_question_read (scene, threshold, question);
  if (!append_any_fact (text, scene, threshold, question, read, chosen, shown))
    append_list (text, scene, shown, threshold);

  return g_strdup (text->str);
}
