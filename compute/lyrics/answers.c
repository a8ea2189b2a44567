/* answers.c - stored questions with the answers that count as right
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-answers"

#include "config.h"

#include "compute/lyrics/answers.h"

#include "compute/lyrics/json.h"

#include <string.h>

#define MAX_FILE (1024 * 1024) /* bytes */

static void
free_pair (gpointer data)
{
  DescryPair *pair = data;

  g_clear_pointer (&pair->file, g_free);
  g_clear_pointer (&pair->question, g_free);
  g_clear_pointer (&pair->kind, g_free);
  g_clear_pointer (&pair->chips, g_ptr_array_unref);
  g_clear_pointer (&pair->accept, g_ptr_array_unref);
  g_clear_pointer (&pair->reject, g_ptr_array_unref);
  g_free (pair);
}

/* Calls @parse for each line that is not empty. */
static gboolean
each_line (const char *path,
           gboolean  (*parse) (json_t *json, gpointer data, GError **error),
           gpointer    data,
           GError    **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gsize length;
  guint i;

  if (!g_file_get_contents (path, &text, &length, error))
    return FALSE;
  if (length > MAX_FILE)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: expected at most %d bytes, found %" G_GSIZE_FORMAT, path, MAX_FILE, length);
      return FALSE;
    }

  lines = g_strsplit (text, "\n", -1);
  for (i = 0; lines[i] != NULL; i++)
    {
      g_autoptr (json_t) json = NULL;
      json_error_t problem;

      if (*g_strstrip (lines[i]) == '\0')
        continue;
      json = json_loads (lines[i], JSON_REJECT_DUPLICATES, &problem);
      if (json == NULL)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: line %u: %s", path, i + 1, problem.text);
          return FALSE;
        }
      if (!parse (json, data, error))
        {
          g_prefix_error (error, "%s: line %u: ", path, i + 1);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
read_patterns (json_t     *json,
               const char *key,
               GPtrArray  *patterns,
               GError    **error)
{
  json_t *value;
  gsize i;

  json_array_foreach (json_object_get (json, key), i, value)
    {
      GRegex *regex = json_is_string (value) ? g_regex_new (json_string_value (value), G_REGEX_CASELESS | G_REGEX_DOTALL, 0, error) : NULL;

      if (!json_is_string (value))
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: expected strings", key);
      if (regex == NULL)
        return FALSE;
      g_ptr_array_add (patterns, regex);
    }

  return TRUE;
}

static gboolean
parse_pair (json_t  *json,
            gpointer data,
            GError **error)
{
  DescryPair *pair = g_new0 (DescryPair, 1);
  json_t *value;
  gsize i;

  g_ptr_array_add (data, pair);
  pair->chips = g_ptr_array_new_with_free_func (g_free);
  pair->accept = g_ptr_array_new_with_free_func ((GDestroyNotify) g_regex_unref);
  pair->reject = g_ptr_array_new_with_free_func ((GDestroyNotify) g_regex_unref);
  pair->file = g_strdup (descry_json_get_string (json, "file", error));
  if (pair->file == NULL)
    return FALSE;
  pair->question = g_strdup (descry_json_get_string (json, "question", error));
  if (pair->question == NULL)
    return FALSE;
  pair->kind = g_strdup (json_string_value (json_object_get (json, "kind")));
  json_array_foreach (json_object_get (json, "chips"), i, value)
    if (json_is_string (value))
      g_ptr_array_add (pair->chips, g_strdup (json_string_value (value)));

  if (!read_patterns (json, "accept", pair->accept, error) || !read_patterns (json, "reject", pair->reject, error))
    return FALSE;
  if (pair->accept->len == 0)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "accept: expected at least one pattern");

  return pair->accept->len > 0;
}

GPtrArray *
descry_pairs_read (const char *path,
                   GError    **error)
{
  g_autoptr (GPtrArray) pairs = g_ptr_array_new_with_free_func (free_pair);

  g_return_val_if_fail (path != NULL, NULL);

  return each_line (path, parse_pair, pairs, error) ? g_steal_pointer (&pairs) : NULL;
}

static gboolean
parse_scene (json_t  *json,
             gpointer data,
             GError **error)
{
  DescryScene *scene = descry_scene_from_json (json, error);

  if (scene == NULL)
    return FALSE;
  if (scene->file == NULL)
    {
      descry_scene_unref (scene);
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "file: expected a name");
      return FALSE;
    }
  g_hash_table_replace (data, g_path_get_basename (scene->file), scene);

  return TRUE;
}

GHashTable *
descry_pairs_read_scenes (const char *path,
                          GError    **error)
{
  g_autoptr (GHashTable) scenes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) descry_scene_unref);

  g_return_val_if_fail (path != NULL, NULL);

  return each_line (path, parse_scene, scenes, error) ? g_steal_pointer (&scenes) : NULL;
}

void
descry_pair_chips (const DescryPair *pair,
                   DescryScene      *scene,
                   GArray           *ids)
{
  guint i, k, t;

  g_return_if_fail (pair != NULL && scene != NULL && ids != NULL);

  for (i = 0; i < pair->chips->len; i++)
    for (k = 0; k < scene->objects->len; k++)
      {
        const DescryObject *object = g_ptr_array_index (scene->objects, k);

        if (g_strcmp0 (object->name, g_ptr_array_index (pair->chips, i)) != 0)
          continue;
        for (t = 0; t < ids->len && g_array_index (ids, guint, t) != object->id; t++)
          ;
        if (t < ids->len)
          continue;
        g_array_append_val (ids, object->id);
        break;
      }
}

static gboolean
any_fits (GPtrArray  *patterns,
          const char *text)
{
  guint i;

  for (i = 0; i < patterns->len; i++)
    if (g_regex_match (g_ptr_array_index (patterns, i), text, 0, NULL))
      return TRUE;

  return FALSE;
}

gboolean
descry_pair_accepts (const DescryPair *pair,
                     const char       *answer)
{
  g_autofree char *text = NULL;

  g_return_val_if_fail (pair != NULL && answer != NULL, FALSE);

  text = g_strstrip (g_utf8_make_valid (answer, -1));
  return any_fits (pair->accept, text) && !any_fits (pair->reject, text);
}
