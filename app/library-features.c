/* library-features.c - what the JSON of a scene leaves out: features and mean colours of its objects
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-library"

#include "config.h"

#include "app/library-features.h"

#include <string.h>

static void
append_word (GByteArray *bytes,
             guint32     word)
{
  word = GUINT32_TO_LE (word);
  g_byte_array_append (bytes, (const guint8 *) &word, sizeof word);
}

static void
append_floats (GByteArray  *bytes,
               const float *values,
               guint        n)
{
  guint i;

  for (i = 0; i < n; i++)
    {
      guint32 word;

      memcpy (&word, values + i, sizeof word);
      append_word (bytes, word);
    }
}

GByteArray *
descry_features_pack (DescryScene *scene)
{
  GByteArray *bytes = g_byte_array_new ();
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      append_word (bytes, object->id);
      append_word (bytes, object->feature != NULL ? object->n_feature : 0);
      append_floats (bytes, object->color, G_N_ELEMENTS (object->color));
      if (object->feature != NULL)
        append_floats (bytes, object->feature, object->n_feature);
    }

  return bytes;
}

static guint32
read_word (const guint8 *bytes)
{
  guint32 word;

  memcpy (&word, bytes, sizeof word);
  return GUINT32_FROM_LE (word);
}

static void
read_floats (const guint8 *bytes,
             float        *values,
             guint         n)
{
  guint i;

  for (i = 0; i < n; i++)
    {
      guint32 word = read_word (bytes + 4 * (gsize) i);

      memcpy (values + i, &word, sizeof word);
    }
}

void
descry_features_unpack (DescryScene  *scene,
                        const guint8 *bytes,
                        gsize         length)
{
  const gsize head = (2 + G_N_ELEMENTS (((DescryObject *) NULL)->color)) * 4;

  while (length >= head)
    {
      DescryObject *object = descry_scene_find (scene, read_word (bytes));
      guint32 n = read_word (bytes + 4);

      if (n > (length - head) / 4 || object == NULL || object->feature != NULL)
        return;

      read_floats (bytes + 8, object->color, G_N_ELEMENTS (object->color));
      if (n > 0)
        {
          object->feature = g_new (float, n);
          object->n_feature = n;
          read_floats (bytes + head, object->feature, n);
        }
      bytes += head + 4 * (gsize) n;
      length -= head + 4 * (gsize) n;
    }
}
