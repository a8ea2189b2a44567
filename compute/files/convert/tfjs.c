/* tfjs.c - weights of TensorFlow.js graph models
 *
 * A model is one JSON file and, beside it, files of values named in the JSON: the weights in the
 * order of the list, without padding. `quantization` with dtype float16 means plain half
 * precision; the kinds with scale and minimum are refused by name.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-tfjs"

#include "config.h"

#include <string.h>

#include <jansson.h>

#include "compute/files/convert/source-private.h"
#include "compute/files/io.h"
#include "compute/files/json.h"
#include "compute/memory.h"

#define MAX_JSON (64 << 20)
#define MAX_VALUES ((guint64) 4 << 30)

/* A plain base name: it may not lead out of the folder. */
static gboolean
is_base_name (const char *name)
{
  return name != NULL && *name != '\0' && strchr (name, '/') == NULL && strchr (name, '\\') == NULL &&
         strcmp (name, ".") != 0 && strcmp (name, "..") != 0;
}

static gboolean
read_type (DescrySource *self,
           json_t       *weight,
           const char   *name,
           DescryStType *type,
           GError      **error)
{
  const char *dtype = json_string_value (json_object_get (weight, "dtype"));
  json_t *quantization = json_object_get (weight, "quantization");

  if (quantization != NULL)
    {
      dtype = json_string_value (json_object_get (quantization, "dtype"));
      if (dtype != NULL && strcmp (dtype, "float16") == 0)
        {
          *type = DESCRY_ST_F16;
          return TRUE;
        }
    }
  else if (dtype != NULL && strcmp (dtype, "float32") == 0)
    {
      *type = DESCRY_ST_F32;
      return TRUE;
    }
  else if (dtype != NULL && strcmp (dtype, "int32") == 0)
    {
      *type = DESCRY_ST_I32;
      return TRUE;
    }
  else if (dtype != NULL && strcmp (dtype, "bool") == 0)
    {
      *type = DESCRY_ST_BOOL;
      return TRUE;
    }

  return descry_source_fail (self, error, "weight '%s': dtype '%.16s'%s is not converted", name, dtype != NULL ? dtype : "",
                             quantization != NULL ? " (quantised)" : "");
}

static gboolean
read_weight (DescrySource *self,
             json_t       *weight,
             const guint8 *values,
             guint64       size,
             guint64      *at,
             GError      **error)
{
  const char *name = json_string_value (json_object_get (weight, "name"));
  json_t *shape = json_object_get (weight, "shape");
  DescrySourceTensor *tensor;
  DescryStType type = DESCRY_ST_F32;
  guint64 dims[8] = { 0 };
  gsize i;

  if (name == NULL || !json_is_array (shape) || json_array_size (shape) > G_N_ELEMENTS (dims))
    return descry_source_fail (self, error, "a weight with a name and a shape of at most 8 dimensions expected");

  for (i = 0; i < json_array_size (shape); i++)
    {
      json_t *value = json_array_get (shape, i);

      if (!json_is_integer (value) || json_integer_value (value) < 0)
        return descry_source_fail (self, error, "weight '%s': whole numbers expected in its shape", name);
      dims[i] = (guint64) json_integer_value (value);
    }

  if (!read_type (self, weight, name, &type, error))
    return FALSE;

  tensor = descry_source_add (self, name, strlen (name), type, (guint) json_array_size (shape), dims, error);
  if (tensor == NULL)
    return FALSE;
  if (tensor->bytes > size - *at)
    return descry_source_fail (self, error, "weight '%s': %" G_GUINT64_FORMAT " bytes expected, found %" G_GUINT64_FORMAT,
                               name, tensor->bytes, size - *at);

  tensor->data = values + *at;
  *at += tensor->bytes;
  return TRUE;
}

static gboolean
read_group (DescrySource *self,
            json_t       *group,
            GError      **error)
{
  g_autofree char *folder = g_path_get_dirname (self->path);
  json_t *paths = json_object_get (group, "paths");
  json_t *weights = json_object_get (group, "weights");
  const char *name = json_string_value (json_array_get (paths, 0));
  g_autofree char *path = NULL;
  json_t *weight;
  guint8 *values;
  guint64 at = 0;
  gsize size, i;

  if (json_array_size (paths) != 1 || !is_base_name (name))
    return descry_source_fail (self, error, "one file of weights in the same folder expected");

  path = g_build_filename (folder, name, NULL);
  values = descry_file_read_all (path, MAX_VALUES, &size, error);
  if (values == NULL)
    return FALSE;

  g_ptr_array_add (self->blocks, values);
  descry_source_note_file (self, path, values, size);

  json_array_foreach (weights, i, weight)
    if (!read_weight (self, weight, values, size, &at, error))
      return FALSE;

  if (at != size)
    return descry_source_fail (self, error, "%s: %" G_GUINT64_FORMAT " bytes expected, found %" G_GSIZE_FORMAT, name, at, size);

  return TRUE;
}

gboolean
descry_source_read_tfjs (DescrySource *self,
                         const guint8 *bytes,
                         gsize         size,
                         GError      **error)
{
  json_t *root, *groups, *group;
  guint64 n = 0;
  gboolean ok;
  gsize i;

  self->format = "tfjs";
  if (size > MAX_JSON)
    return descry_source_fail (self, error, "more than %u bytes of JSON", MAX_JSON);

  root = descry_files_json_parse ((const char *) bytes, size, 16, self->path, error);
  if (root == NULL)
    return FALSE;

  groups = json_object_get (root, "weightsManifest");
  json_array_foreach (groups, i, group)
    n += json_array_size (json_object_get (group, "weights"));

  ok = n > 0 ? descry_source_reserve (self, n, error)
             : descry_source_fail (self, error, "not a TensorFlow.js model: no list of weights");
  json_array_foreach (groups, i, group)
    ok = ok && read_group (self, group, error);

  json_decref (root);
  return ok;
}
