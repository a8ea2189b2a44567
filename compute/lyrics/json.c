/* json.c - reading and writing JSON within bounds
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-json"

#include "config.h"

#include "compute/lyrics/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <glib/gstdio.h>

#include "compute/memory.h"

/* Brackets outside of strings; jansson's own bound is 2048 levels and fixed when it is built. */
static gboolean
is_too_deep (const char *text,
             gsize       length)
{
  gboolean in_string = FALSE;
  guint depth = 0;
  gsize i;

  for (i = 0; i < length; i++)
    {
      if (in_string)
        {
          if (text[i] == '\\')
            i++;
          else if (text[i] == '"')
            in_string = FALSE;
        }
      else if (text[i] == '"')
        in_string = TRUE;
      else if (text[i] == '{' || text[i] == '[')
        {
          if (++depth > DESCRY_JSON_MAX_DEPTH)
            return TRUE;
        }
      else if ((text[i] == '}' || text[i] == ']') && depth > 0)
        depth--;
    }

  return FALSE;
}

json_t *
descry_json_parse (const char *text,
                   gsize       length,
                   const char *name,
                   GError    **error)
{
  json_error_t problem;
  json_t *json;

  if (is_too_deep (text, length))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: nested more than %d levels deep", name, DESCRY_JSON_MAX_DEPTH);
      return NULL;
    }

  json = json_loadb (text, length, JSON_REJECT_DUPLICATES, &problem);
  if (json == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s, line %d: %s", name, problem.line, problem.text);

  return json;
}

json_t *
descry_json_read (const char *path,
                  gsize       max_bytes,
                  GError    **error)
{
  char *text = NULL;
  FILE *file = g_fopen (path, "rbe");
  json_t *json = NULL;
  gsize length;

  if (file == NULL)
    {
      int code = errno;

      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", path, g_strerror (code));
      return NULL;
    }

  /* One byte more than allowed tells a file that is too long, whatever its size claims to be. */
  text = descry_try_alloc (max_bytes + 1, 1);
  if (text == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %" G_GSIZE_FORMAT " bytes", path, max_bytes);
      fclose (file);
      return NULL;
    }

  length = fread (text, 1, max_bytes + 1, file);
  if (ferror (file))
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", path, g_strerror (errno));
  else if (length > max_bytes)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: longer than %" G_GSIZE_FORMAT " bytes", path, max_bytes);
  else
    json = descry_json_parse (text, length, path, error);

  descry_free (text);
  fclose (file);
  return json;
}

char *
descry_json_line (json_t *json)
{
  char *text = json_dumps (json, JSON_COMPACT | JSON_REAL_PRECISION (12));
  char *line = g_strdup (text);

  free (text);
  return line;
}

gboolean
descry_json_get_number (json_t     *object,
                        const char *key,
                        double      min,
                        double      max,
                        double     *value,
                        GError    **error)
{
  json_t *member = json_object_get (object, key);
  double number;

  if (!json_is_number (member))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"%s\": expected a number", key);
      return FALSE;
    }

  number = json_number_value (member);
  if (!isfinite (number) || number < min || number > max)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"%s\": expected %g to %g, found %g", key, min, max, number);
      return FALSE;
    }

  *value = number;
  return TRUE;
}

const char *
descry_json_get_string (json_t     *object,
                        const char *key,
                        GError    **error)
{
  const char *text = json_string_value (json_object_get (object, key));

  if (text == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"%s\": expected a text", key);

  return text;
}
