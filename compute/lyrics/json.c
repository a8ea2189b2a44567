/* json.c - members of JSON objects, and lines of JSON
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-json"

#include "config.h"

#include "compute/lyrics/json.h"

#include <math.h>
#include <stdlib.h>

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
