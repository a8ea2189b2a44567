/* json.c - JSON from files that deserve no trust
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-json"

#include "config.h"

#include "compute/files/json.h"

#include "compute/error.h"
#include "compute/files/io.h"
#include "compute/memory.h"

#define MAX_VALUES 2000000

/* Nesting and the number of values, without building anything: what the parser cannot be told. */
static const char *
find_excess (const char *text,
             gsize       length,
             guint       limit)
{
  gboolean in_string = FALSE;
  guint depth = 0;
  gsize values = 0, i;

  for (i = 0; i < length; i++)
    {
      if (in_string)
        {
          if (text[i] == '\\')
            i++;
          else if (text[i] == '"')
            in_string = FALSE;
          continue;
        }

      switch (text[i])
        {
        case '"':
          in_string = TRUE;
          break;
        case '{':
        case '[':
          if (++depth > limit)
            return "nested too deeply";
          values++;
          break;
        case '}':
        case ']':
          if (depth > 0)
            depth--;
          break;
        case ',':
        case ':':
          values++;
          break;
        default:
          break;
        }

      if (values > MAX_VALUES)
        return "too many values";
    }

  return NULL;
}

json_t *
descry_files_json_parse (const char *text,
                         gsize       length,
                         guint       depth,
                         const char *path,
                         GError    **error)
{
  const char *problem = find_excess (text, length, depth);
  json_error_t where = { .line = 0 }; /* the library leaves the code alone when memory is out */
  json_t *value;

  if (problem != NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: JSON: %s", path, problem);
      return NULL;
    }

  value = json_loadb (text, length, JSON_REJECT_DUPLICATES, &where);
  if (value == NULL)
    {
      /* Without a code it is memory that was out: syntax errors always have one. */
      gboolean memory = json_error_code (&where) == json_error_out_of_memory || json_error_code (&where) == json_error_unknown;
      g_autofree char *shown = g_utf8_make_valid (where.text, -1);

      g_set_error (error, DESCRY_ERROR, memory ? DESCRY_ERROR_OUT_OF_MEMORY : DESCRY_ERROR_MODEL_BAD,
                   "%s: JSON, line %d: %s", path, where.line, memory ? "out of memory" : shown);
    }

  return value;
}

json_t *
descry_files_json_load (const char *path,
                        gsize       limit,
                        guint       depth,
                        GError    **error)
{
  gsize length;
  guint8 *bytes = descry_file_read_all (path, limit, &length, error);
  json_t *value;

  if (bytes == NULL)
    return NULL;

  value = descry_files_json_parse ((const char *) bytes, length, depth, path, error);
  descry_free (bytes);
  return value;
}
