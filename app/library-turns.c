/* library-turns.c - what was asked and answered about the library's pictures, and search in it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-library"

#include "config.h"

#include "app/library-sql.h"

#include <stdlib.h>
#include <string.h>

/* --------- Turns ------------------ */

static json_t *
ids_to_json (GArray *ids)
{
  json_t *array = json_array ();
  guint i;

  for (i = 0; i < ids->len; i++)
    json_array_append_new (array, json_integer (g_array_index (ids, guint, i)));

  return array;
}

static json_t *
links_to_json (GPtrArray *links)
{
  json_t *array = json_array ();
  guint i, j;

  for (i = 0; i < links->len; i++)
    {
      const DescryLink *link = g_ptr_array_index (links, i);
      json_t *objects = json_array ();

      for (j = 0; j < link->n_objects; j++)
        json_array_append_new (objects, json_integer (link->objects[j]));
      json_array_append_new (array, json_pack ("{s:I, s:I, s:o}", "start", (json_int_t) link->start, "end", (json_int_t) link->end,
                                               "objects", objects));
    }

  return array;
}

static void
bind_json (Statement *statement,
           int        place,
           json_t    *json) /* taken */
{
  char *text = json_dumps (json, JSON_COMPACT);

  library_bind_text (statement, place, text != NULL ? text : "[]");
  free (text);
  json_decref (json);
}

static void
read_ids (json_t *json,
          GArray *ids)
{
  json_t *member;
  size_t i;

  json_array_foreach (json, i, member)
    if (json_integer_value (member) > 0 && json_integer_value (member) <= G_MAXINT32)
      {
        guint id = (guint) json_integer_value (member);

        g_array_append_val (ids, id);
      }
}

static void
read_links (json_t     *json,
            DescryTurn *turn)
{
  gsize length = strlen (turn->answer);
  json_t *member;
  size_t i;

  /* A link that is not inside the answer is left out: the text counts. */
  json_array_foreach (json, i, member)
    {
      json_int_t start = json_integer_value (json_object_get (member, "start"));
      json_int_t stop = json_integer_value (json_object_get (member, "end"));
      g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint));

      read_ids (json_object_get (member, "objects"), ids);
      if (start >= 0 && start < stop && (gsize) stop <= length && ids->len > 0)
        descry_turn_add_link (turn, (guint) start, (guint) stop, (const guint *) (void *) ids->data, ids->len);
    }
}

/* The newest conversation of a picture, made if there is none; -1 on an error. */
static gint64
current_conversation (DescryStore *self,
                      gint64       picture,
                      gboolean     make,
                      GError     **error)
{
  g_autoptr (Statement) statement = NULL;
  g_autoptr (GError) local = NULL;

  if (!make)
    {
      statement = library_prepare (self, "SELECT max (id) FROM conversations WHERE picture = ?", error);
      if (statement == NULL)
        return -1;
      sqlite3_bind_int64 (statement, 1, picture);
      if (library_step (self, statement, &local) && sqlite3_column_int64 (statement, 0) > 0)
        return sqlite3_column_int64 (statement, 0);
      if (local != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return -1;
        }
      g_clear_pointer (&statement, sqlite3_finalize);
    }

  statement = library_prepare (self, "INSERT INTO conversations (picture, started) VALUES (?, ?)", error);
  if (statement == NULL)
    return -1;
  sqlite3_bind_int64 (statement, 1, picture);
  sqlite3_bind_int64 (statement, 2, g_get_real_time ());
  if (!library_finish (self, statement, error))
    return -1;

  return sqlite3_last_insert_rowid (self->db);
}

gboolean
descry_store_begin_conversation (DescryStore *self,
                                 const char  *hash,
                                 GError     **error)
{
  gint64 picture;

  if (!library_begin (self, error))
    return FALSE;

  picture = library_find_picture (self, hash, error);
  return library_end (self, picture == 0 || (picture > 0 && current_conversation (self, picture, TRUE, error) > 0), error);
}

gboolean
descry_store_resume_conversation (DescryStore *self,
                                  const char  *key,
                                  GError     **error)
{
  /* The newest has the greatest number: the turns move to a new one. */
  static const char *const steps[] = {
    "INSERT INTO conversations (picture, started) SELECT picture, started FROM conversations WHERE id = ?1",
    "UPDATE turns SET conversation = (SELECT max (id) FROM conversations) WHERE conversation = ?1",
    "DELETE FROM conversations WHERE id = ?1",
  };
  g_autoptr (Statement) statement = NULL;
  g_autoptr (GError) local = NULL;
  gint64 old = 0;
  gboolean newest = TRUE, good = TRUE;
  guint i;

  if (!library_begin (self, error))
    return FALSE;

  statement = library_prepare (self, "SELECT conversation, conversation = (SELECT max (other.id) FROM conversations AS other"
                                     " WHERE other.picture = conversations.picture)"
                                     " FROM turns JOIN conversations ON conversations.id = conversation WHERE key = ?", error);
  if (statement == NULL)
    return library_end (self, FALSE, NULL);
  library_bind_text (statement, 1, key);
  if (library_step (self, statement, &local))
    {
      old = sqlite3_column_int64 (statement, 0);
      newest = sqlite3_column_int (statement, 1) != 0;
    }
  g_clear_pointer (&statement, sqlite3_finalize);
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return library_end (self, FALSE, NULL);
    }

  for (i = 0; good && !newest && i < G_N_ELEMENTS (steps); i++)
    {
      statement = library_prepare (self, steps[i], error);
      if (statement == NULL)
        return library_end (self, FALSE, NULL);
      sqlite3_bind_int64 (statement, 1, old);
      good = library_finish (self, statement, error);
      g_clear_pointer (&statement, sqlite3_finalize);
    }

  return library_end (self, good, error);
}

/* The end of a transaction: good if there was no error, which is taken. */
static gboolean
end_with (DescryStore *self,
          GError      *local,
          GError     **error)
{
  if (local == NULL)
    return library_end (self, TRUE, error);

  g_propagate_error (error, local);
  return library_end (self, FALSE, NULL);
}

/* In a transaction. FALSE without an error: its picture is not there. */
static gboolean
put_turn (DescryStore *self,
          const char  *hash,
          const char  *key,
          DescryTurn  *turn,
          gboolean     finished,
          GError     **error)
{
  g_autoptr (Statement) statement = NULL;
  gint64 picture = library_find_picture (self, hash, error);
  gint64 conversation = picture > 0 ? current_conversation (self, picture, FALSE, error) : -1;

  if (conversation < 0)
    return FALSE;

  statement = library_prepare (self,
                       "INSERT INTO turns (key, conversation, place, asked, question, chips, answer, links, evidence, prompt, finished, stopped,"
                       " soft_tokens, prompt_tokens, answer_tokens, first_token_ms, total_ms)"
                       " VALUES (?1, ?2, (SELECT coalesce (max (place), 0) + 1 FROM turns WHERE conversation = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
                       " ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
                       " ON CONFLICT (key) DO UPDATE SET question = ?4, chips = ?5, answer = ?6, links = ?7, evidence = ?8, prompt = ?9,"
                       " finished = ?10, stopped = ?11, soft_tokens = ?12, prompt_tokens = ?13, answer_tokens = ?14, first_token_ms = ?15,"
                       " total_ms = ?16", error);
  if (statement == NULL)
    return FALSE;
  library_bind_text (statement, 1, key);
  sqlite3_bind_int64 (statement, 2, conversation);
  sqlite3_bind_int64 (statement, 3, g_get_real_time ());
  library_bind_text (statement, 4, turn->question);
  bind_json (statement, 5, ids_to_json (turn->chips));
  library_bind_text (statement, 6, turn->answer != NULL ? turn->answer : "");
  bind_json (statement, 7, links_to_json (turn->links));
  bind_json (statement, 8, ids_to_json (turn->evidence));
  library_bind_text (statement, 9, turn->prompt);
  sqlite3_bind_int (statement, 10, finished);
  sqlite3_bind_int (statement, 11, turn->stopped);
  sqlite3_bind_int64 (statement, 12, turn->soft_tokens);
  sqlite3_bind_int64 (statement, 13, turn->prompt_tokens);
  sqlite3_bind_int64 (statement, 14, turn->answer_tokens);
  sqlite3_bind_double (statement, 15, turn->first_token_ms);
  sqlite3_bind_double (statement, 16, turn->total_ms);
  return library_finish (self, statement, error);
}

gboolean
descry_store_keep_turn (DescryStore *self,
                        const char  *hash,
                        const char  *key,
                        DescryTurn  *turn,
                        gboolean     finished,
                        GError     **error)
{
  g_autoptr (GError) local = NULL;

  if (!library_begin (self, error))
    return FALSE;

  put_turn (self, hash, key, turn, finished, &local);
  return end_with (self, g_steal_pointer (&local), error);
}

gboolean
descry_store_restore_turn (DescryStore *self,
                           const char  *hash,
                           const char  *key,
                           DescryTurn  *turn,
                           gboolean     finished,
                           const char  *after,
                           GError     **error)
{
  /* Room behind the other one, then there; a turn before it that is itself gone leaves this one at the end. */
  static const char *const behind[] = {
    "UPDATE turns SET place = place + 1 WHERE conversation = (SELECT conversation FROM turns WHERE key = ?2)"
    " AND place > (SELECT place FROM turns WHERE key = ?2)",
    "UPDATE turns SET conversation = (SELECT conversation FROM turns WHERE key = ?2), place = 1 + (SELECT place FROM turns WHERE key = ?2)"
    " WHERE key = ?1 AND EXISTS (SELECT 1 FROM turns WHERE key = ?2)",
    NULL
  };
  static const char *const first[] = {
    "UPDATE turns SET place = (SELECT min (other.place) - 1 FROM turns AS other WHERE other.conversation = turns.conversation) WHERE key = ?1",
    NULL
  };
  const char *const *steps = after != NULL ? behind : first;
  g_autoptr (GError) local = NULL;
  gboolean good;
  guint i;

  if (!library_begin (self, error))
    return FALSE;

  good = put_turn (self, hash, key, turn, finished, &local);
  for (i = 0; good && steps[i] != NULL; i++)
    {
      g_autoptr (Statement) statement = library_prepare (self, steps[i], &local);

      if (statement == NULL)
        break;
      if (strstr (steps[i], "?1") != NULL)
        library_bind_text (statement, 1, key);
      if (after != NULL)
        library_bind_text (statement, 2, after);
      good = library_finish (self, statement, &local);
    }

  return end_with (self, g_steal_pointer (&local), error);
}

gboolean
descry_store_delete_turn (DescryStore *self,
                          const char  *key,
                          GError     **error)
{
  g_autoptr (Statement) statement = NULL;
  gboolean good;

  if (!library_begin (self, error))
    return FALSE;

  statement = library_prepare (self, "DELETE FROM turns WHERE key = ?", error);
  if (statement == NULL)
    return library_end (self, FALSE, NULL);
  library_bind_text (statement, 1, key);
  good = library_finish (self, statement, error);
  g_clear_pointer (&statement, sqlite3_finalize);

  return library_end (self, good, error);
}

static json_t *
column_json (Statement *statement,
             int        column)
{
  return json_loadb ((const char *) sqlite3_column_text (statement, column), (size_t) sqlite3_column_bytes (statement, column), 0, NULL);
}

GPtrArray *
descry_store_load_turns (DescryStore *self,
                         const char  *hash,
                         GError     **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_kept_turn_free);
  g_autoptr (Statement) statement = library_prepare (self,
                                             "SELECT key, question, chips, answer, links, evidence, prompt, finished, stopped, soft_tokens,"
                                             " prompt_tokens, answer_tokens, first_token_ms, total_ms FROM turns WHERE conversation ="
                                             " (SELECT max (conversations.id) FROM conversations JOIN pictures ON pictures.id = picture WHERE hash = ?)"
                                             " ORDER BY place", error);
  g_autoptr (GError) local = NULL;

  if (statement == NULL)
    return NULL;
  library_bind_text (statement, 1, hash);
  while (library_step (self, statement, &local))
    {
      DescryKeptTurn *kept = g_new0 (DescryKeptTurn, 1);
      DescryTurn *turn = descry_turn_new ((const char *) sqlite3_column_text (statement, 1));
      json_t *chips = column_json (statement, 2), *links = column_json (statement, 4), *evidence = column_json (statement, 5);

      kept->key = library_column_text (statement, 0);
      kept->turn = turn;
      turn->answer = library_column_text (statement, 3);
      turn->prompt = library_column_text (statement, 6);
      kept->finished = sqlite3_column_int (statement, 7) != 0;
      turn->stopped = sqlite3_column_int (statement, 8) != 0 || !kept->finished;
      turn->soft_tokens = (guint) sqlite3_column_int64 (statement, 9);
      turn->prompt_tokens = (guint) sqlite3_column_int64 (statement, 10);
      turn->answer_tokens = (guint) sqlite3_column_int64 (statement, 11);
      turn->first_token_ms = sqlite3_column_double (statement, 12);
      turn->total_ms = sqlite3_column_double (statement, 13);
      read_ids (chips, turn->chips);
      read_links (links, turn);
      read_ids (evidence, turn->evidence);
      json_decref (chips);
      json_decref (links);
      json_decref (evidence);
      g_ptr_array_add (list, kept);
    }
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }

  return g_steal_pointer (&list);
}

/* Words in quotes, so that nothing a person types is an operator; NULL: no word. */
static char *
make_query (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *query = g_string_new (NULL);
  const char *at;
  gboolean inside = FALSE;

  for (at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);
      gboolean word = g_unichar_isalnum (c) || g_unichar_ismark (c);

      if (word && !inside)
        g_string_append (query, query->len > 0 ? " \"" : "\"");
      if (!word && inside)
        g_string_append_c (query, '"');
      if (word)
        g_string_append_unichar (query, c);
      inside = word;
    }
  if (inside)
    g_string_append (query, "\"*"); /* still being typed */

  return g_string_free (query, query->len == 0);
}

GPtrArray *
descry_store_search (DescryStore *self,
                     const char  *text,
                     guint        n,
                     GError     **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_found_turn_free);
  g_autofree char *query = make_query (text);
  g_autoptr (Statement) statement = NULL;
  g_autoptr (GError) local = NULL;

  if (query == NULL)
    return g_steal_pointer (&list);

  statement = library_prepare (self,
                       "SELECT hash, name, path, opened, key, turns.question, snippet (search, 1, '', '', '…', 16) FROM search"
                       " JOIN turns ON turns.id = search.rowid JOIN conversations ON conversations.id = conversation"
                       " JOIN pictures ON pictures.id = picture WHERE search MATCH ?1 ORDER BY search.rank, turns.id DESC LIMIT ?2", error);
  if (statement == NULL)
    return NULL;
  library_bind_text (statement, 1, query);
  sqlite3_bind_int64 (statement, 2, n);
  while (library_step (self, statement, &local))
    {
      DescryFoundTurn *found = g_new0 (DescryFoundTurn, 1);

      found->picture.hash = library_column_text (statement, 0);
      found->picture.name = library_column_text (statement, 1);
      if (sqlite3_column_type (statement, 2) != SQLITE_NULL)
        found->picture.path = g_strndup (sqlite3_column_blob (statement, 2), (gsize) sqlite3_column_bytes (statement, 2));
      found->picture.opened = sqlite3_column_int64 (statement, 3);
      found->key = library_column_text (statement, 4);
      found->question = library_column_text (statement, 5);
      found->excerpt = library_column_text (statement, 6);
      g_ptr_array_add (list, found);
    }
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }

  return g_steal_pointer (&list);
}
