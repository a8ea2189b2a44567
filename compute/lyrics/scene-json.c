/* scene-json.c - the stable JSON of a scene, and back
 *
 * Boxes are written to a hundredth of a pixel, scores to four digits.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-scene"

#include "config.h"

#include "compute/lyrics/scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/lyrics/json.h"

/* Bounds of what is read back: far above anything that is written. */
#define MAX_OBJECTS 10000
#define MAX_NAME    256

static json_t *
make_rounded (double value,
              double steps)
{
  return json_real (round (value * steps) / steps);
}

static json_t *
make_mask (DescryMask *mask)
{
  g_autofree char *counts = descry_mask_to_coco (mask);

  return json_pack ("{s:[i,i], s:s}", "size", (int) mask->height, (int) mask->width, "counts", counts);
}

static json_t *
make_object (const DescryObject *object)
{
  json_t *json = json_object (), *box = json_array ();
  json_int_t area = object->mask != NULL ? (json_int_t) object->mask->area : (json_int_t) llround (descry_box_area (object->box));

  json_object_set_new (json, "id", json_integer (object->id));
  json_object_set_new (json, "name", json_string (object->name));
  if (object->finer != NULL)
    json_object_set_new (json, "finer", json_string (object->finer));
  json_object_set_new (json, "score", make_rounded (object->score, 1e4));
  json_array_append_new (box, make_rounded (object->box.x0, 100.0));
  json_array_append_new (box, make_rounded (object->box.y0, 100.0));
  json_array_append_new (box, make_rounded (object->box.x1, 100.0));
  json_array_append_new (box, make_rounded (object->box.y1, 100.0));
  json_object_set_new (json, "box", box);
  json_object_set_new (json, "area", json_integer (area));
  json_object_set_new (json, "source", json_string (descry_source_name (object->source)));
  if (object->mask != NULL)
    json_object_set_new (json, "mask", make_mask (object->mask));

  return json;
}

json_t *
descry_scene_to_json (DescryScene *scene,
                      float        threshold)
{
  json_t *json, *tags, *objects, *timing;
  guint i;

  g_return_val_if_fail (scene != NULL, NULL);

  tags = json_array ();
  for (i = 0; i < scene->tags->len; i++)
    {
      const DescryTag *tag = g_ptr_array_index (scene->tags, i);
      json_t *member = json_object ();

      json_object_set_new (member, "name", json_string (tag->name));
      json_object_set_new (member, "score", make_rounded (tag->score, 1e4));
      json_array_append_new (tags, member);
    }

  objects = json_array ();
  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->score >= threshold)
        json_array_append_new (objects, make_object (object));
    }

  timing = json_object ();
  for (i = 0; i < scene->timing->len; i++)
    {
      const DescryTiming *entry = g_ptr_array_index (scene->timing, i);

      json_object_set_new (timing, entry->stage, make_rounded (entry->ms, 10.0));
    }

  json = json_object ();
  json_object_set_new (json, "descry", json_integer (1));
  if (scene->file != NULL)
    {
      /* JSON is UTF-8; a file name need not be. */
      g_autofree char *name = g_filename_display_name (scene->file);

      json_object_set_new (json, "file", json_string (name));
    }
  json_object_set_new (json, "width", json_integer (scene->width));
  json_object_set_new (json, "height", json_integer (scene->height));
  if (scene->bundle != NULL)
    json_object_set_new (json, "bundle", json_string (scene->bundle));
  json_object_set_new (json, "tags", tags);
  json_object_set_new (json, "objects", objects);
  json_object_set_new (json, "timing", timing);

  return json;
}

/* A name is shown and sent to a model: short, no control characters. */
static const char *
read_name (json_t     *json,
           const char *key,
           GError    **error)
{
  const char *name = descry_json_get_string (json, key, error), *c;

  if (name == NULL)
    return NULL;
  if (*name == '\0' || strlen (name) > MAX_NAME)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"%s\": expected 1 to %d bytes", key, MAX_NAME);
      return NULL;
    }
  for (c = name; *c != '\0'; c = g_utf8_next_char (c))
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      {
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"%s\": holds a control character", key);
        return NULL;
      }

  return name;
}

static gboolean
read_mask (DescryObject *object,
           json_t       *json,
           DescryScene  *scene,
           GError      **error)
{
  json_t *size = json_object_get (json, "size");
  const char *counts = descry_json_get_string (json, "counts", error);

  if (counts == NULL)
    return FALSE;
  if (json_array_size (size) != 2
      || json_integer_value (json_array_get (size, 0)) != scene->height
      || json_integer_value (json_array_get (size, 1)) != scene->width)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"mask\": its size is not the picture's %u x %u", scene->width, scene->height);
      return FALSE;
    }

  object->mask = descry_mask_from_coco (scene->width, scene->height, counts, error);
  return object->mask != NULL;
}

static DescryObject *
read_object (json_t      *json,
             DescryScene *scene,
             GError     **error)
{
  g_autoptr (DescryObject) object = g_new0 (DescryObject, 1);
  json_t *box = json_object_get (json, "box"), *mask = json_object_get (json, "mask");
  float *corners[4] = { &object->box.x0, &object->box.y0, &object->box.x1, &object->box.y1 };
  const char *name, *source;
  double value;
  guint i;

  if (!descry_json_get_number (json, "id", 1, G_MAXINT32, &value, error))
    return NULL;
  object->id = (guint) value;
  if (descry_scene_find (scene, object->id) != NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"id\": %u is there twice", object->id);
      return NULL;
    }

  name = read_name (json, "name", error);
  if (name == NULL)
    return NULL;
  object->name = g_strdup (name);
  if (json_object_get (json, "finer") != NULL)
    {
      name = read_name (json, "finer", error);
      if (name == NULL)
        return NULL;
      object->finer = g_strdup (name);
    }

  if (!descry_json_get_number (json, "score", 0.0, 1.0, &value, error))
    return NULL;
  object->score = (float) value;

  for (i = 0; i < 4; i++)
    {
      double limit = i % 2 == 0 ? scene->width : scene->height;
      json_t *corner = json_array_get (box, i);

      if (!json_is_number (corner) || !(json_number_value (corner) >= 0.0 && json_number_value (corner) <= limit))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"box\" of object %u: expected four numbers inside the picture", object->id);
          return NULL;
        }
      *corners[i] = (float) json_number_value (corner);
    }
  if (object->box.x1 < object->box.x0 || object->box.y1 < object->box.y0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"box\" of object %u: right of it is left of left, or bottom above top", object->id);
      return NULL;
    }

  source = json_string_value (json_object_get (json, "source"));
  for (i = 0; source != NULL && i <= DESCRY_SOURCE_DRAG; i++)
    if (strcmp (source, descry_source_name (i)) == 0)
      object->source = i;

  if (mask != NULL && !json_is_null (mask) && !read_mask (object, mask, scene, error))
    return NULL;

  return g_steal_pointer (&object);
}

static gboolean
read_lists (DescryScene *scene,
            json_t      *json,
            GError     **error)
{
  json_t *list = json_object_get (json, "tags"), *member;
  const char *key;
  size_t i;

  if (json_array_size (list) > MAX_OBJECTS || json_array_size (json_object_get (json, "objects")) > MAX_OBJECTS
      || json_object_size (json_object_get (json, "timing")) > MAX_OBJECTS)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "more than %d tags or objects", MAX_OBJECTS);
      return FALSE;
    }

  json_array_foreach (list, i, member)
    {
      const char *name = read_name (member, "name", error);
      double score;

      if (name == NULL || !descry_json_get_number (member, "score", 0.0, 1.0, &score, error))
        return FALSE;
      descry_scene_add_tag (scene, name, (float) score);
    }

  list = json_object_get (json, "objects");
  if (!json_is_array (list))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "\"objects\": expected a list");
      return FALSE;
    }
  json_array_foreach (list, i, member)
    {
      DescryObject *object = read_object (member, scene, error);

      if (object == NULL)
        return FALSE;
      g_ptr_array_add (scene->objects, object);
    }

  json_object_foreach (json_object_get (json, "timing"), key, member)
    if (json_is_number (member))
      descry_scene_set_timing (scene, key, json_number_value (member));

  return TRUE;
}

DescryScene *
descry_scene_from_json (json_t  *json,
                        GError **error)
{
  g_autoptr (DescryScene) scene = NULL;
  double version, width, height;

  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!json_is_object (json))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "a scene is a JSON object");
      return NULL;
    }
  if (!descry_json_get_number (json, "descry", 1, 1, &version, error)
      || !descry_json_get_number (json, "width", 1, DESCRY_IMAGE_MAX_SIDE, &width, error)
      || !descry_json_get_number (json, "height", 1, DESCRY_IMAGE_MAX_SIDE, &height, error))
    {
      g_prefix_error (error, "scene: ");
      return NULL;
    }

  scene = descry_scene_new ((guint) width, (guint) height);
  scene->file = g_strdup (json_string_value (json_object_get (json, "file")));
  scene->bundle = g_strdup (json_string_value (json_object_get (json, "bundle")));
  if (!read_lists (scene, json, error))
    {
      g_prefix_error (error, "scene: ");
      return NULL;
    }

  return g_steal_pointer (&scene);
}
