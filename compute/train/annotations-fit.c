/* annotations-fit.c - what annotations say, once the picture's size is known
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/annotations.h"

#include <string.h>

#include "compute/lyrics/prompt.h"

#define SAME 0.5 /* IoU from which a detector's box and an annotated one mean one object */

/* Object i is now number @kept[i], or gone if that is negative: so are questions about it. Prompts are written anew. */
static void
move_questions (DescryPicture *picture,
                const gint    *kept)
{
  g_autoptr (DescryScene) scene = descry_picture_scene (picture);
  guint i;

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
      if (question->n_pointed > 0 && strcmp (question->kind, DESCRY_ANNOTATION_REFER) == 0)
        {
          const DescryBox box = ((DescryPictureObject *) g_ptr_array_index (picture->objects, question->pointed[0]))->box;
          const float width = (float) picture->width, height = (float) picture->height;

          g_free (question->answer);
          question->answer = g_strdup_printf ("Answer: [%.3f,%.3f,%.3f,%.3f] .", box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height);
          question->n_pointed = 0; /* what is asked for */
        }
      g_free (question->prompt);
      question->prompt = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, DESCRY_SCENE_THRESHOLD, question->question, &chip, question->n_pointed, NULL);
    }
}

void
descry_annotations_fit (DescryPicture *picture,
                        guint          width,
                        guint          height)
{
  g_autoptr (GPtrArray) objects = g_steal_pointer (&picture->objects);
  g_autofree gint *kept = g_new (gint, objects->len + 1);
  g_autofree char *base = g_path_get_basename (picture->name);
  g_autoptr (DescryPicture) fresh = NULL; /* for its empty list */
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
  move_questions (picture, kept);
}

/* The annotated object that @box covers most and that no other box has; -1: none well enough. */
static gint
find_label (const GPtrArray *labels,
            const gint      *kept,
            DescryBox        box)
{
  double most = SAME;
  gint best = -1;
  guint i;

  for (i = 0; i < labels->len; i++)
    {
      const double iou = kept[i] < 0 ? descry_box_iou (((DescryPictureObject *) g_ptr_array_index (labels, i))->box, box) : 0.0;

      if (iou >= most)
        {
          most = iou;
          best = (gint) i;
        }
    }

  return best;
}

void
descry_annotations_relabel (DescryPicture     *picture,
                            const DescryScene *found,
                            GArray            *labelled)
{
  g_autoptr (GPtrArray) labels = g_steal_pointer (&picture->objects);
  g_autoptr (DescryPicture) fresh = descry_picture_new (picture->name, picture->width, picture->height); /* for its empty list */
  g_autofree gint *kept = g_new (gint, labels->len + 1);
  guint i;

  memset (kept, 0xff, (labels->len + 1) * sizeof *kept);
  picture->objects = fresh->objects;
  fresh->objects = g_ptr_array_new ();
  for (i = 0; i < found->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (found->objects, i);
      const gint match = object->score >= DESCRY_SCENE_THRESHOLD ? find_label (labels, kept, object->box) : -1;
      const DescryPictureObject *label = match >= 0 ? g_ptr_array_index (labels, match) : NULL;
      const gboolean known = label != NULL;

      if (object->score < DESCRY_SCENE_THRESHOLD)
        continue;
      if (match >= 0)
        kept[match] = (gint) picture->objects->len;
      if (labelled != NULL)
        g_array_append_val (labelled, known);
      descry_picture_add_object (picture, object->box, known ? label->noun : object->name, known ? label->color : NULL)->score = object->score;
    }
  move_questions (picture, kept);
}
