/* conversation.c - turns: question, chips, answer, links and the evidence
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-conversation"

#include "config.h"

#include "compute/lyrics/conversation.h"

static void
free_link (gpointer data)
{
  DescryLink *link = data;

  g_clear_pointer (&link->objects, g_free);
  g_free (link);
}

DescryTurn *
descry_turn_new (const char *question)
{
  DescryTurn *turn = g_new0 (DescryTurn, 1);

  g_atomic_ref_count_init (&turn->refs);
  turn->question = g_strdup (question);
  turn->chips = g_array_new (FALSE, FALSE, sizeof (guint));
  turn->links = g_ptr_array_new_with_free_func (free_link);
  turn->evidence = g_array_new (FALSE, FALSE, sizeof (guint));

  return turn;
}

DescryTurn *
descry_turn_ref (DescryTurn *turn)
{
  g_return_val_if_fail (turn != NULL, NULL);

  g_atomic_ref_count_inc (&turn->refs);
  return turn;
}

void
descry_turn_unref (DescryTurn *turn)
{
  if (turn == NULL || !g_atomic_ref_count_dec (&turn->refs))
    return;

  g_clear_pointer (&turn->question, g_free);
  g_clear_pointer (&turn->chips, g_array_unref);
  g_clear_pointer (&turn->answer, g_free);
  g_clear_pointer (&turn->links, g_ptr_array_unref);
  g_clear_pointer (&turn->evidence, g_array_unref);
  g_clear_pointer (&turn->prompt, g_free);
  g_free (turn);
}

void
descry_turn_add_link (DescryTurn  *turn,
                      guint        start,
                      guint        end,
                      const guint *objects,
                      guint        n)
{
  DescryLink *link;
  guint at;

  g_return_if_fail (turn != NULL && start < end && objects != NULL && n > 0);

  link = g_new0 (DescryLink, 1);
  link->start = start;
  link->end = end;
  link->n_objects = n;
  link->objects = g_memdup2 (objects, n * sizeof *objects);

  /* In order of start. */
  for (at = turn->links->len; at > 0 && ((DescryLink *) g_ptr_array_index (turn->links, at - 1))->start > start; at--)
    ;
  g_ptr_array_insert (turn->links, at, link);
}

static json_t *
ids_to_json (const guint *ids,
             guint        n)
{
  json_t *array = json_array ();
  guint i;

  for (i = 0; i < n; i++)
    json_array_append_new (array, json_integer (ids[i]));

  return array;
}

json_t *
descry_turn_to_json (DescryTurn  *turn,
                     DescryScene *scene)
{
  g_autofree char *file = NULL;
  json_t *links = json_array ();
  guint i;

  g_return_val_if_fail (turn != NULL, NULL);

  for (i = 0; i < turn->links->len; i++)
    {
      const DescryLink *link = g_ptr_array_index (turn->links, i);

      json_array_append_new (links, json_pack ("{s:i, s:i, s:o}", "start", (int) link->start, "end", (int) link->end,
                                               "objects", ids_to_json (link->objects, link->n_objects)));
    }

  /* A file name need not be UTF-8, a JSON string must be. */
  if (scene != NULL && scene->file != NULL)
    file = g_filename_display_name (scene->file);

  return json_pack ("{s:i, s:s?, s:s?, s:o, s:s, s:o, s:o, s:s?, s:i, s:i, s:i, s:b, s:{s:f, s:f}}",
                    "descry", 1,
                    "file", file,
                    "question", turn->question,
                    "chips", ids_to_json ((const guint *) (void *) turn->chips->data, turn->chips->len),
                    "answer", turn->answer != NULL ? turn->answer : "",
                    "links", links,
                    "evidence", ids_to_json ((const guint *) (void *) turn->evidence->data, turn->evidence->len),
                    "prompt", turn->prompt,
                    "soft_tokens", (int) turn->soft_tokens,
                    "prompt_tokens", (int) turn->prompt_tokens,
                    "answer_tokens", (int) turn->answer_tokens,
                    "stopped", turn->stopped,
                    "timing", "first_token", turn->first_token_ms, "total", turn->total_ms);
}
