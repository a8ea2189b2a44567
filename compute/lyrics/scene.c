/* scene.c - what the refiner found in one picture
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-scene"

#include "config.h"

#include "compute/lyrics/scene.h"

#include <string.h>

double
descry_box_area (DescryBox box)
{
  return box.x1 > box.x0 && box.y1 > box.y0 ? ((double) box.x1 - box.x0) * ((double) box.y1 - box.y0) : 0.0;
}

double
descry_box_iou (DescryBox a,
                DescryBox b)
{
  DescryBox both = { MAX (a.x0, b.x0), MAX (a.y0, b.y0), MIN (a.x1, b.x1), MIN (a.y1, b.y1) };
  double common = descry_box_area (both);
  double all = descry_box_area (a) + descry_box_area (b) - common;

  return all > 0.0 ? common / all : 0.0;
}

static const char *source_names[] = { "detector", "proposal", "click", "drag" };

const char *
descry_source_name (DescrySource source)
{
  g_return_val_if_fail ((guint) source < G_N_ELEMENTS (source_names), NULL);

  return source_names[source];
}

static void
free_tag (gpointer data)
{
  DescryTag *tag = data;

  g_free (tag->name);
  g_free (tag);
}

static void
free_timing (gpointer data)
{
  DescryTiming *timing = data;

  g_free (timing->stage);
  g_free (timing);
}

DescryObject *
descry_object_copy (const DescryObject *object)
{
  DescryObject *copy = g_new (DescryObject, 1);

  *copy = *object;
  copy->name = g_strdup (object->name);
  copy->finer = g_strdup (object->finer);
  copy->mask = object->mask != NULL ? descry_mask_ref (object->mask) : NULL;
  copy->feature = object->feature != NULL ? g_memdup2 (object->feature, object->n_feature * sizeof (float)) : NULL;

  return copy;
}

void
descry_object_free (DescryObject *object)
{
  if (object == NULL)
    return;

  g_clear_pointer (&object->name, g_free);
  g_clear_pointer (&object->finer, g_free);
  g_clear_pointer (&object->mask, descry_mask_unref);
  g_clear_pointer (&object->feature, g_free);
  g_free (object);
}

DescryScene *
descry_scene_new (guint width,
                  guint height)
{
  DescryScene *scene = g_new0 (DescryScene, 1);

  g_atomic_ref_count_init (&scene->refs);
  scene->width = width;
  scene->height = height;
  scene->tags = g_ptr_array_new_with_free_func (free_tag);
  scene->objects = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_object_free);
  scene->timing = g_ptr_array_new_with_free_func (free_timing);

  return scene;
}

DescryScene *
descry_scene_copy (DescryScene *scene)
{
  DescryScene *copy;
  guint i;

  g_return_val_if_fail (scene != NULL, NULL);

  copy = descry_scene_new (scene->width, scene->height);
  copy->file = g_strdup (scene->file);
  copy->bundle = g_strdup (scene->bundle);
  for (i = 0; i < scene->tags->len; i++)
    {
      const DescryTag *tag = g_ptr_array_index (scene->tags, i);

      descry_scene_add_tag (copy, tag->name, tag->score);
    }
  for (i = 0; i < scene->objects->len; i++)
    g_ptr_array_add (copy->objects, descry_object_copy (g_ptr_array_index (scene->objects, i)));
  for (i = 0; i < scene->timing->len; i++)
    {
      const DescryTiming *timing = g_ptr_array_index (scene->timing, i);

      descry_scene_set_timing (copy, timing->stage, timing->ms);
    }

  return copy;
}

DescryScene *
descry_scene_ref (DescryScene *scene)
{
  g_return_val_if_fail (scene != NULL, NULL);

  g_atomic_ref_count_inc (&scene->refs);
  return scene;
}

void
descry_scene_unref (DescryScene *scene)
{
  if (scene == NULL || !g_atomic_ref_count_dec (&scene->refs))
    return;

  g_clear_pointer (&scene->file, g_free);
  g_clear_pointer (&scene->bundle, g_free);
  g_clear_pointer (&scene->tags, g_ptr_array_unref);
  g_clear_pointer (&scene->objects, g_ptr_array_unref);
  g_clear_pointer (&scene->timing, g_ptr_array_unref);
  g_free (scene);
}

void
descry_scene_add_tag (DescryScene *scene,
                      const char  *name,
                      float        score)
{
  DescryTag *tag = g_new (DescryTag, 1);
  guint place;

  tag->name = g_strdup (name);
  tag->score = score;

  /* Best first; a later one of equal score stays behind. */
  for (place = 0; place < scene->tags->len; place++)
    if (((DescryTag *) g_ptr_array_index (scene->tags, place))->score < score)
      break;
  g_ptr_array_insert (scene->tags, (gint) place, tag);
}

void
descry_scene_set_timing (DescryScene *scene,
                         const char  *stage,
                         double       ms)
{
  DescryTiming *timing;
  guint i;

  for (i = 0; i < scene->timing->len; i++)
    {
      timing = g_ptr_array_index (scene->timing, i);
      if (strcmp (timing->stage, stage) == 0)
        {
          timing->ms = ms;
          return;
        }
    }

  timing = g_new (DescryTiming, 1);
  timing->stage = g_strdup (stage);
  timing->ms = ms;
  g_ptr_array_add (scene->timing, timing);
}

DescryObject *
descry_scene_find (DescryScene *scene,
                   guint        id)
{
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->id == id)
        return object;
    }

  return NULL;
}

DescryObject *
descry_scene_hit (DescryScene *scene,
                  double       x,
                  double       y,
                  float        threshold)
{
  DescryObject *by_mask = NULL, *by_box = NULL;
  double mask_area = G_MAXDOUBLE, box_area = G_MAXDOUBLE;
  guint i;

  if (!(x >= 0.0 && y >= 0.0 && x < scene->width && y < scene->height))
    return NULL;

  for (i = 0; i < scene->objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i);
      double area = descry_box_area (object->box);

      if (object->score < threshold)
        continue;
      if (object->mask != NULL && object->mask->area < mask_area && descry_mask_hit (object->mask, (guint) x, (guint) y))
        {
          by_mask = object;
          mask_area = object->mask->area;
        }
      if (area < box_area && x >= object->box.x0 && x < object->box.x1 && y >= object->box.y0 && y < object->box.y1)
        {
          by_box = object;
          box_area = area;
        }
    }

  return by_mask != NULL ? by_mask : by_box;
}
