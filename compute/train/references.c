/* references.c - RefCOCO's references in the form in which they are published: a pickled list of dictionaries
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/references.h"

#include <math.h>
#include <string.h>

#include "compute/error.h"
#include "compute/files/pickle.h"

/* RefCOCOg, the largest, has about 2 million values in 0.6 million lists and dictionaries. */
#define VALUE_LIMIT  (1u << 23)

/* Of one reference. A pickle may name one value many times, so that few bytes unfold to many. */
#define DEPTH        8
#define NODE_LIMIT   65536
#define TEXT_LIMIT   ((gsize) 1 << 20)

typedef struct
{
  guint       nodes;
  gsize       bytes;
  const char *wrong; /* static text of the first problem */
} Unfold;

static json_t *unfold (Unfold *self, const DescryPickleValue *value, guint depth);

static json_t *
refuse (Unfold     *self,
        const char *wrong)
{
  if (self->wrong == NULL)
    self->wrong = wrong;
  return NULL;
}

static gboolean
take_text (Unfold                  *self,
           const DescryPickleValue *value)
{
  self->bytes += value->n;
  if (self->bytes > TEXT_LIMIT)
    return refuse (self, "more than 1 MiB of text") != NULL;
  return memchr (value->text, '\0', value->n) == NULL || refuse (self, "a text with a zero in it") != NULL;
}

static json_t *
unfold_list (Unfold                   *self,
             const DescryPickleObject *list,
             guint                     depth)
{
  json_t *json = json_array ();
  guint i;

  for (i = 0; json != NULL && i < list->n; i++)
    {
      json_t *item = unfold (self, list->items + i, depth + 1);

      if (item == NULL || json_array_append_new (json, item) != 0)
        g_clear_pointer (&json, json_decref);
    }

  return json;
}

static json_t *
unfold_dictionary (Unfold                   *self,
                   const DescryPickleObject *dictionary,
                   guint                     depth)
{
  json_t *json = json_object ();
  guint i;

  for (i = 0; json != NULL && i + 1 < dictionary->n; i += 2)
    {
      const DescryPickleValue *key = dictionary->items + i;
      g_autofree char *name = NULL;
      json_t *item;

      if (key->kind != PICKLE_TEXT)
        refuse (self, "a key that is no text");
      else if (take_text (self, key))
        name = g_strndup (key->text, key->n);
      item = name != NULL ? unfold (self, key + 1, depth + 1) : NULL;
      if (item == NULL || json_object_set_new (json, name, item) != 0)
        g_clear_pointer (&json, json_decref);
    }

  return json;
}

/* (transfer full), or NULL with what is wrong. */
static json_t *
unfold (Unfold                  *self,
        const DescryPickleValue *value,
        guint                    depth)
{
  json_t *json;

  if (depth > DEPTH)
    return refuse (self, "nested too deeply");
  if (++self->nodes > NODE_LIMIT)
    return refuse (self, "more than 65536 values");

  switch (value->kind)
    {
    case PICKLE_NONE:
      json = json_null ();
      break;
    case PICKLE_BOOL:
      json = json_boolean (value->i);
      break;
    case PICKLE_INT:
      json = json_integer (value->i);
      break;
    case PICKLE_FLOAT:
      json = isfinite (value->f) ? json_real (value->f) : refuse (self, "a number that is not finite");
      break;
    case PICKLE_TEXT:
      json = take_text (self, value) ? json_stringn (value->text, value->n) : NULL;
      break;
    case PICKLE_TUPLE:
    case PICKLE_LIST:
      json = unfold_list (self, value->object, depth);
      break;
    case PICKLE_DICT:
      json = unfold_dictionary (self, value->object, depth);
      break;
    default:
      json = NULL;
    }

  return json != NULL ? json : refuse (self, "out of memory");
}

static gboolean
tell_all (const DescryPickleObject *list,
          DescryReferenceFunc       func,
          gpointer                  data,
          GError                  **error)
{
  guint i;

  for (i = 0; i < list->n; i++)
    {
      g_autofree char *where = g_strdup_printf ("[%u]", i);
      Unfold self = { 0 };
      json_t *json = unfold (&self, list->items + i, 0);
      const gboolean ok = func (json, where, self.wrong, data, error);

      json_decref (json);
      if (!ok)
        return FALSE;
    }

  return TRUE;
}

gboolean
descry_references_read (gconstpointer       bytes,
                        gsize               length,
                        const char         *path,
                        DescryReferenceFunc func,
                        gpointer            data,
                        GError            **error)
{
  DescryArena arena = { 0 };
  DescryPickle pickle = { .path = path, .what = "lists of references", .arena = &arena, .limit = VALUE_LIMIT, .plain = TRUE };
  DescryPickleValue root;
  DescryCursor cursor;
  gboolean ok;

  descry_cursor_init_memory (&cursor, bytes, length);
  ok = descry_pickle_run (&pickle, &cursor, &root, error);
  if (ok && (root.kind != PICKLE_LIST || descry_cursor_remaining (&cursor) > 0))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s", path,
                   root.kind != PICKLE_LIST ? "a list of references expected, found another value" : "bytes after the end of the pickle");
      ok = FALSE;
    }
  ok = ok && tell_all (root.object, func, data, error);
  descry_pickle_clear (&pickle);
  descry_arena_clear (&arena);

  return ok;
}
