/* example-json.c - a training picture as one line of JSON
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/example-private.h"

#include <math.h>
#include <string.h>

#define MAX_SIDE 65535
#define MAX_LIST 4096 /* objects, captions, questions */

static const char *const split_names[] = { "train", "validation", "test" };

static json_t *
numbers (const float *values,
         guint        n)
{
  json_t *list = json_array ();
  guint i;

  for (i = 0; i < n; i++)
    json_array_append_new (list, json_real (values[i]));
  return list;
}

static void
set_string (json_t     *object,
            const char *key,
            const char *value)
{
  if (value != NULL)
    json_object_set_new (object, key, json_string (value));
}

json_t *
descry_picture_to_json (const DescryPicture *picture)
{
  json_t *json = json_object (), *objects = json_array (), *captions = json_array (), *questions = json_array ();
  guint i, k;

  set_string (json, "name", picture->name);
  set_string (json, "split", split_names[picture->split]);
  json_object_set_new (json, "width", json_integer (picture->width));
  json_object_set_new (json, "height", json_integer (picture->height));
  set_string (json, "scene", picture->scene);
  for (i = 0; i < picture->objects->len; i++)
    {
      const DescryPictureObject *object = g_ptr_array_index (picture->objects, i);
      const float box[] = { object->box.x0, object->box.y0, object->box.x1, object->box.y1 };
      json_t *entry = json_object ();

      json_object_set_new (entry, "box", numbers (box, 4));
      json_object_set_new (entry, "score", json_real (object->score));
      json_object_set_new (entry, "rgb", numbers (object->rgb, 3));
      set_string (entry, "noun", object->noun);
      set_string (entry, "color", object->color);
      json_array_append_new (objects, entry);
    }
  for (i = 0; i < picture->captions->len; i++)
    json_array_append_new (captions, json_string (g_ptr_array_index (picture->captions, i)));
  for (i = 0; i < picture->questions->len; i++)
    {
      const DescryPictureQuestion *question = g_ptr_array_index (picture->questions, i);
      json_t *entry = json_object (), *pointed = json_array ();

      set_string (entry, "kind", question->kind);
      set_string (entry, "question", question->question);
      set_string (entry, "prompt", question->prompt);
      set_string (entry, "answer", question->answer);
      for (k = 0; k < question->n_pointed; k++)
        json_array_append_new (pointed, json_integer (question->pointed[k]));
      json_object_set_new (entry, "pointed", pointed);
      json_object_set_new (entry, "from_picture", json_boolean (question->from_picture));
      json_array_append_new (questions, entry);
    }
  json_object_set_new (json, "objects", objects);
  json_object_set_new (json, "captions", captions);
  json_object_set_new (json, "questions", questions);

  return json;
}

static gboolean
fail (GError    **error,
      const char *what)
{
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "%s is missing or not what it should be", what);
  return FALSE;
}

static gboolean
read_numbers (json_t *list,
              float  *values,
              guint   n)
{
  guint i;

  if (!json_is_array (list) || json_array_size (list) != n)
    return FALSE;
  for (i = 0; i < n; i++)
    {
      json_t *value = json_array_get (list, i);

      if (!json_is_number (value) || !isfinite (json_number_value (value)) || fabs (json_number_value (value)) > 1e6)
        return FALSE;
      values[i] = (float) json_number_value (value);
    }

  return TRUE;
}

static gboolean
read_object (DescryPicture *picture,
             json_t        *json,
             GError       **error)
{
  float box[4], rgb[3];
  json_t *score = json_object_get (json, "score");
  const char *noun = json_string_value (json_object_get (json, "noun"));
  DescryPictureObject *object;

  if (noun == NULL || !json_is_number (score) || !read_numbers (json_object_get (json, "box"), box, 4) || !read_numbers (json_object_get (json, "rgb"), rgb, 3)
      || !(box[0] <= box[2]) || !(box[1] <= box[3]))
    return fail (error, "an object");
  object = descry_picture_add_object (picture, (DescryBox) { box[0], box[1], box[2], box[3] }, noun, json_string_value (json_object_get (json, "color")));
  object->score = (float) CLAMP (json_number_value (score), 0.0, 1.0);
  memcpy (object->rgb, rgb, sizeof rgb);
  return TRUE;
}

static gboolean
read_question (DescryPicture *picture,
               json_t        *json,
               GError       **error)
{
  const char *keys[] = { "kind", "question", "prompt", "answer" }, *values[4];
  json_t *pointed = json_object_get (json, "pointed");
  g_autofree guint *indices = NULL;
  gsize n = json_array_size (pointed), i;

  for (i = 0; i < 4; i++)
    {
      values[i] = json_string_value (json_object_get (json, keys[i]));
      if (values[i] == NULL)
        return fail (error, "a question");
    }
  if (n > picture->objects->len)
    return fail (error, "what a question points at");
  indices = g_new (guint, n + 1);
  for (i = 0; i < n; i++)
    {
      json_t *index = json_array_get (pointed, i);

      if (!json_is_integer (index) || json_integer_value (index) < 0 || json_integer_value (index) >= picture->objects->len)
        return fail (error, "what a question points at");
      indices[i] = (guint) json_integer_value (index);
    }
  descry_picture_add_question (picture, values[0], values[1], values[2], values[3], indices, (guint) n, json_is_true (json_object_get (json, "from_picture")));
  return TRUE;
}

static gboolean
read_lists (DescryPicture *picture,
            json_t        *json,
            GError       **error)
{
  json_t *objects = json_object_get (json, "objects"), *captions = json_object_get (json, "captions"), *questions = json_object_get (json, "questions");
  gsize i;

  if (json_array_size (objects) > MAX_LIST || json_array_size (captions) > MAX_LIST || json_array_size (questions) > MAX_LIST)
    return fail (error, "a list of at most 4096 entries");
  for (i = 0; i < json_array_size (objects); i++)
    if (!read_object (picture, json_array_get (objects, i), error))
      return FALSE;
  for (i = 0; i < json_array_size (captions); i++)
    {
      const char *caption = json_string_value (json_array_get (captions, i));

      if (caption == NULL)
        return fail (error, "a caption");
      g_ptr_array_add (picture->captions, g_strdup (caption));
    }
  for (i = 0; i < json_array_size (questions); i++)
    if (!read_question (picture, json_array_get (questions, i), error))
      return FALSE;

  return TRUE;
}

DescryPicture *
descry_picture_from_json (json_t  *json,
                          GError **error)
{
  const char *name = json_string_value (json_object_get (json, "name")), *split = json_string_value (json_object_get (json, "split"));
  json_int_t width = json_integer_value (json_object_get (json, "width")), height = json_integer_value (json_object_get (json, "height"));
  g_autoptr (DescryPicture) picture = NULL;
  guint i;

  if (name == NULL || width < 1 || width > MAX_SIDE || height < 1 || height > MAX_SIDE)
    {
      fail (error, "name, width or height");
      return NULL;
    }
  picture = descry_picture_new (name, (guint) width, (guint) height);
  for (i = 0; i < G_N_ELEMENTS (split_names) && g_strcmp0 (split, split_names[i]) != 0; i++)
    ;
  if (i == G_N_ELEMENTS (split_names))
    {
      fail (error, "split (train, validation or test)");
      return NULL;
    }
  picture->split = i;
  picture->scene = g_strdup (json_string_value (json_object_get (json, "scene")));
  if (!read_lists (picture, json, error))
    return NULL;

  return g_steal_pointer (&picture);
}
