/* annotations-fit.c - what annotations say, once the picture's size is known
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/annotations.h"

#include <string.h>

#include "compute/lyrics/prompt.h"

void
descry_annotations_fit (DescryPicture *picture,
                        guint          width,
                        guint          height)
{
  g_autoptr (GPtrArray) objects = g_steal_pointer (&picture->objects);
  g_autofree gint *kept = g_new (gint, objects->len + 1);
  g_autofree char *base = g_path_get_basename (picture->name);
  g_autoptr (DescryPicture) fresh = NULL; /* for its empty list */
  g_autoptr (DescryScene) scene = NULL;
  char *dot = strrchr (base, '.');
  guint i;

  if (dot != NULL)
    *dot = '\0';
  picture->split = descry_split_of (base);
  picture->width = width;
  picture->height = height;
  fresh = descry_picture_new (picture->name, width, height);
  picture->objects = fresh->objects;
  fresh->objects = g_ptr_array_new ();
  for (i = 0; i < objects->len; i++)
    {
      const DescryPictureObject *object = g_ptr_array_index (objects, i);
      DescryBox box = { CLAMP (object->box.x0, 0.0f, (float) width), CLAMP (object->box.y0, 0.0f, (float) height),
                        CLAMP (object->box.x1, 0.0f, (float) width), CLAMP (object->box.y1, 0.0f, (float) height) };

      kept[i] = -1;
      if (box.x1 - box.x0 < 1.0f || box.y1 - box.y0 < 1.0f)
        continue;
      kept[i] = (gint) picture->objects->len;
      descry_picture_add_object (picture, box, object->noun, object->color);
    }

  scene = descry_picture_scene (picture);
  for (i = picture->questions->len; i-- > 0;)
    {
      DescryPictureQuestion *question = g_ptr_array_index (picture->questions, i);
      guint chip = 0;

      if (question->n_pointed > 0 && kept[question->pointed[0]] < 0)
        {
          g_ptr_array_remove_index (picture->questions, i);
          continue;
        }
      if (question->n_pointed > 0)
        {
          question->pointed[0] = (guint) kept[question->pointed[0]];
          chip = question->pointed[0] + 1;
        }
      if (strcmp (question->kind, DESCRY_ANNOTATION_REFER) == 0)
        {
          const DescryBox box = ((DescryPictureObject *) g_ptr_array_index (picture->objects, question->pointed[0]))->box;

          g_free (question->answer);
          question->answer = g_strdup_printf ("Answer: [%.3f,%.3f,%.3f,%.3f] .", box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height);
          question->n_pointed = 0; /* what is asked for */
        }
      g_free (question->prompt);
      question->prompt = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, DESCRY_SCENE_THRESHOLD, question->question, &chip, question->n_pointed, NULL);
    }
}
