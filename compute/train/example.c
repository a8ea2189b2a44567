/* example.c - training pictures: their parts, and a scene made of them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/example.h"

#include <string.h>

#include "compute/lyrics/prompt.h"
#include "compute/lyrics/words.h"
#include "compute/memory.h"
#include "compute/train/example-private.h"

/* Shares of the picture's area. */
#define SMALL 0.04
#define LARGE 0.16

static void
free_object (gpointer data)
{
  DescryPictureObject *object = data;

  g_free (object->noun);
  g_free (object->color);
  g_free (object->size);
  g_free (object->side);
  g_clear_pointer (&object->mask, descry_mask_unref);
  g_free (object);
}

static void
free_question (gpointer data)
{
  DescryPictureQuestion *question = data;

  g_free (question->kind);
  g_free (question->question);
  g_free (question->prompt);
  g_free (question->answer);
  g_free (question->pointed);
  g_free (question);
}

DescryPicture *
descry_picture_new (const char *name,
                    guint       width,
                    guint       height)
{
  DescryPicture *picture = g_new0 (DescryPicture, 1);

  picture->name = g_strdup (name);
  picture->width = width;
  picture->height = height;
  picture->objects = g_ptr_array_new_with_free_func (free_object);
  picture->captions = g_ptr_array_new_with_free_func (g_free);
  picture->questions = g_ptr_array_new_with_free_func (free_question);

  return picture;
}

void
descry_picture_free (DescryPicture *picture)
{
  if (picture == NULL)
    return;

  g_free (picture->name);
  g_free (picture->scene);
  g_ptr_array_unref (picture->objects);
  g_ptr_array_unref (picture->captions);
  g_ptr_array_unref (picture->questions);
  descry_free (picture->grid);
  descry_free (picture->rows);
  g_free (picture);
}

DescryPictureObject *
descry_picture_add_object (DescryPicture *picture,
                           DescryBox      box,
                           const char    *noun,
                           const char    *color)
{
  DescryPictureObject *object = g_new0 (DescryPictureObject, 1);
  double share = descry_box_area (box) / ((double) picture->width * picture->height);

  object->box = box;
  object->score = 1.0f;
  object->noun = g_strdup (noun);
  object->color = g_strdup (color);
  object->size = g_strdup (share < SMALL ? "small" : share < LARGE ? "medium" : "large");
  object->side = g_strdup (descry_place_name (box, picture->width, picture->height));
  g_ptr_array_add (picture->objects, object);

  return object;
}

DescryPictureQuestion *
descry_picture_add_question (DescryPicture *picture,
                             const char    *kind,
                             const char    *question,
                             const char    *prompt,
                             const char    *answer,
                             const guint   *pointed,
                             guint          n_pointed,
                             gboolean       from_picture)
{
  DescryPictureQuestion *result = g_new0 (DescryPictureQuestion, 1);

  result->kind = g_strdup (kind);
  result->question = g_strdup (question);
  result->prompt = g_strdup (prompt);
  result->answer = g_strdup (answer);
  result->pointed = n_pointed > 0 ? g_memdup2 (pointed, n_pointed * sizeof (guint)) : NULL;
  result->n_pointed = n_pointed;
  result->from_picture = from_picture;
  g_ptr_array_add (picture->questions, result);

  return result;
}

void
descry_picture_point (DescryPicture *picture,
                      const guint   *pointed,
                      guint          n)
{
  const guint count = picture->objects->len, width = picture->row_width;
  g_autofree guint *order = g_new (guint, MAX (count, 1));
  g_autofree gboolean *taken = g_new0 (gboolean, MAX (count, 1));
  g_autoptr (GPtrArray) objects = picture->objects;
  float *rows = picture->rows != NULL ? descry_try_alloc ((gsize) count * width, sizeof (float)) : NULL;
  guint at = 0, i;

  for (i = 0; i < n; i++)
    if (pointed[i] < count && !taken[pointed[i]])
      {
        taken[pointed[i]] = TRUE;
        order[at++] = pointed[i];
      }
  for (i = 0; i < count; i++)
    if (!taken[i])
      order[at++] = i;

  if (picture->rows != NULL && rows == NULL)
    {
      /* Without memory it stays as it is: a worse order is no error. */
      g_steal_pointer (&objects);
      return;
    }
  picture->objects = g_ptr_array_new_full (count, free_object);
  g_ptr_array_set_free_func (objects, NULL);
  for (i = 0; i < count; i++)
    {
      g_ptr_array_add (picture->objects, g_ptr_array_index (objects, order[i]));
      if (rows != NULL)
        memcpy (rows + (gsize) i * width, picture->rows + (gsize) order[i] * width, width * sizeof (float));
    }
  if (rows != NULL)
    {
      descry_free (picture->rows);
      picture->rows = rows;
    }
}

DescryScene *
descry_picture_scene (DescryPicture *picture)
{
  DescryScene *scene = descry_scene_new (picture->width, picture->height);
  guint i;

  for (i = 0; i < picture->objects->len; i++)
    {
      const DescryPictureObject *from = g_ptr_array_index (picture->objects, i);
      DescryObject *object = g_new0 (DescryObject, 1);

      object->id = i + 1;
      object->name = g_strdup (from->noun);
      object->score = from->score;
      object->box = from->box;
      object->source = DESCRY_SOURCE_DETECTOR;
      memcpy (object->color, from->rgb, sizeof object->color);
      object->mask = from->mask != NULL ? descry_mask_ref (from->mask) : NULL;
      if (picture->rows != NULL && picture->channels <= picture->row_width)
        {
          object->feature = g_memdup2 (picture->rows + (gsize) i * picture->row_width, picture->channels * sizeof (float));
          object->n_feature = picture->channels;
        }
      g_ptr_array_add (scene->objects, object);
    }

  return scene;
}

gboolean
descry_picture_answer_is (const DescryPictureQuestion *question,
                          const char                  *answer)
{
  g_autofree char *expected = descry_words_bare (question->answer), *found = descry_words_bare (answer);

  return strcmp (expected, found) == 0;
}
