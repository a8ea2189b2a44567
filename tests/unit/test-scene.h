/* test-scene.h - small scenes written down in a line
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

/* An object of a 100 x 100 picture round a centre. Returns its id. */
static inline guint
scene_add (DescryScene *scene,
           const char  *name,
           const char  *finer,
           float        x,
           float        y)
{
  DescryObject *object = g_new0 (DescryObject, 1);

  object->id = scene->objects->len + 1;
  object->name = g_strdup (name);
  object->finer = g_strdup (finer);
  object->score = 0.9f;
  object->box = (DescryBox) { x - 10, y - 10, x + 10, y + 10 };
  g_ptr_array_add (scene->objects, object);

  return object->id;
}

/* 1 cup on the left, 2 cup at the top right, 3 lamp in the center, 4 dog (a poodle) at the bottom, 5 soccer ball at
 * the bottom right, 6 a cup that is below the threshold. */
static inline DescryScene *
scene_table (void)
{
  DescryScene *scene = descry_scene_new (100, 100);

  scene_add (scene, "cup", NULL, 15, 50);
  scene_add (scene, "cup", NULL, 85, 15);
  scene_add (scene, "lamp", NULL, 50, 50);
  scene_add (scene, "dog", "toy poodle", 50, 85);
  scene_add (scene, "soccer ball", NULL, 85, 85);
  scene_add (scene, "cup", NULL, 50, 15);
  ((DescryObject *) g_ptr_array_index (scene->objects, 5))->score = 0.3f;

  return scene;
}
