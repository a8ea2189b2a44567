/* torch-stream.c - torch's format before 1.6: five pickles, then the raw values
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-torch"

#include "config.h"

#include <string.h>

#include "compute/files/convert/torch-pickle.h"
#include "compute/files/safetensors-private.h"
#include "compute/memory.h"

/* PROTO 2, LONG1 of ten bytes, STOP: the only number of that length that is accepted. */
static const guint8 magic[] = { 0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

static const DescryPickleValue *
look_up (const DescryPickleValue *dict,
         const char              *key)
{
  guint i;

  if (dict->kind != PICKLE_DICT)
    return NULL;

  for (i = 0; i + 1 < dict->object->n; i += 2)
    if (descry_pickle_is (dict->object->items + i, key))
      return dict->object->items + i + 1;

  return NULL;
}

/* The second pickle is the version, the third tells about the machine that wrote the file. */
static gboolean
check_facts (DescryTorchPickle *pickle,
             DescryCursor      *cursor,
             GError           **error)
{
  DescryPickleValue version, facts;
  const DescryPickleValue *little;

  if (!descry_pickle_run (&pickle->pickle, cursor, &version, error))
    return FALSE;
  if (version.kind != PICKLE_INT || version.i != 1001)
    return descry_source_fail (pickle->source, error, "version 1001 of torch's format expected");

  if (!descry_pickle_run (&pickle->pickle, cursor, &facts, error))
    return FALSE;
  little = look_up (&facts, "little_endian");
  if (little == NULL || little->kind != PICKLE_BOOL || !little->i)
    return descry_source_fail (pickle->source, error, "written on a little-endian machine expected");

  return TRUE;
}

/* After the list of keys: for each, the number of elements and the elements. */
static gboolean
place_storages (DescryTorchPickle       *pickle,
                DescryCursor            *cursor,
                const DescryPickleValue *keys,
                DescryNames             *names,
                GError                 **error)
{
  DescrySource *source = pickle->source;
  guint i, placed = 0;

  if (keys->kind != PICKLE_LIST)
    return descry_source_fail (source, error, "a list of storages expected");

  for (i = 0; i < keys->object->n; i++)
    {
      const DescryPickleValue *key = keys->object->items + i;
      g_autofree char *name = key->kind == PICKLE_TEXT && key->n <= 1024 ? g_strndup (key->text, key->n) : NULL;
      int found = name != NULL ? descry_names_find (names, name) : -1;
      DescryTorchStorage *storage;
      guint64 n;

      if (found < 0)
        return descry_source_fail (source, error, "storage %u of the list belongs to no tensor", i);

      storage = pickle->storages + found;
      n = descry_cursor_u64 (cursor);
      if (!descry_cursor_has_many (cursor, n, descry_st_bytes (storage->type)))
        return descry_cursor_check (cursor, source->path, error);
      if (n != storage->numel || storage->data != NULL)
        return descry_source_fail (source, error, "storage '%s': %" G_GUINT64_FORMAT " elements expected%s, found %" G_GUINT64_FORMAT,
                                   storage->key, storage->numel, storage->data != NULL ? " once" : "", n);

      storage->data = descry_cursor_view (cursor, n * descry_st_bytes (storage->type));
      placed++;
    }

  if (descry_cursor_remaining (cursor) != 0)
    return descry_source_fail (source, error, "%" G_GUINT64_FORMAT " bytes after the last storage", descry_cursor_remaining (cursor));

  for (i = 0; i < pickle->n_storages; i++)
    {
      DescryTorchStorage *storage = pickle->storages + i;

      storage->data = pickle->storages[descry_names_find (names, storage->key)].data;
      if (storage->data == NULL)
        return descry_source_fail (source, error, "storage '%s' is missing; %u are there", storage->key, placed);
    }

  return TRUE;
}

static gboolean
read_all (DescryTorchPickle *pickle,
          DescryCursor      *cursor,
          DescryNames       *names,
          GError           **error)
{
  DescryPickleValue root, keys;

  return check_facts (pickle, cursor, error) &&
         descry_pickle_run (&pickle->pickle, cursor, &root, error) &&
         descry_pickle_run (&pickle->pickle, cursor, &keys, error) &&
         descry_torch_pickle_index (pickle, names, error) &&
         place_storages (pickle, cursor, &keys, names, error) &&
         descry_torch_pickle_export (pickle, &root, cursor->size, error);
}

gboolean
descry_source_read_torch_stream (DescrySource *self,
                                 const guint8 *bytes,
                                 gsize         size,
                                 GError      **error)
{
  DescryTorchPickle pickle;
  DescryNames names = { 0 };
  DescryCursor cursor;
  gboolean ok;

  self->format = "torch stream";
  if (size < sizeof magic || memcmp (bytes, magic, sizeof magic) != 0)
    return descry_source_fail (self, error, "a pickle, but not a file of torch");

  descry_torch_pickle_init (&pickle, self);
  descry_cursor_init_memory (&cursor, bytes, size);
  descry_cursor_skip (&cursor, sizeof magic);
  ok = read_all (&pickle, &cursor, &names, error);

  descry_names_clear (&names);
  descry_torch_pickle_clear (&pickle);
  return ok;
}
