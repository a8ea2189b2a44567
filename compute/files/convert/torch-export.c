/* torch-export.c - tensors of a state dictionary into the table of a source
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-pickle"

#include "config.h"

#include "compute/files/convert/torch-pickle.h"

#include <string.h>

#include "compute/files/safetensors-private.h"
#include "compute/memory.h"

#define MAX_DEPTH 32
#define MAX_VISITS 1000000

typedef struct
{
  DescryTorchPickle *pickle;
  guint64            visits;
  guint64            n_tensors;
  guint64            copied; /* bytes of views made contiguous */
  guint64            limit;  /* of them */
  GString           *prefix;
} Walk;

/* Elements in memory one after another, the last dimension fastest? */
static gboolean
is_contiguous (const DescryTorchTensor *tensor)
{
  guint64 expected = 1;
  guint i;

  for (i = tensor->n_dims; i > 0; i--)
    {
      if (tensor->dims[i - 1] != 1 && tensor->strides[i - 1] != expected)
        return FALSE;
      expected *= tensor->dims[i - 1];
    }

  return TRUE;
}

/* Copies a view, one element after another in the order of its dimensions. */
static void
gather (guint8                  *out,
        const guint8            *in,
        const DescryTorchTensor *tensor,
        guint64                  count,
        guint                    size)
{
  guint64 index[8] = { 0 };
  guint64 at = 0, n;
  int i;

  for (n = 0; n < count; n++)
    {
      memcpy (out + n * size, in + at * size, size);

      for (i = (int) tensor->n_dims - 1; i >= 0; i--)
        {
          at += tensor->strides[i];
          if (++index[i] < tensor->dims[i])
            break;
          at -= tensor->strides[i] * tensor->dims[i];
          index[i] = 0;
        }
    }
}

static gboolean
add_tensor (Walk                    *walk,
            const DescryTorchTensor *record,
            GError                 **error)
{
  DescrySource *source = walk->pickle->source;
  const DescryTorchStorage *storage = walk->pickle->storages + record->storage;
  DescrySourceTensor *tensor;
  const guint8 *data;
  guint8 *copy;

  tensor = descry_source_add (source, walk->prefix->str, walk->prefix->len, storage->type, record->n_dims, record->dims, error);
  if (tensor == NULL)
    return FALSE;

  data = storage->data + record->offset * descry_st_bytes (storage->type);
  if (is_contiguous (record))
    {
      tensor->data = data;
      return TRUE;
    }

  walk->copied += tensor->bytes;
  if (walk->copied > walk->limit)
    return descry_source_fail (source, error, "tensor '%s': more views than the file has bytes", tensor->name);

  copy = descry_source_block (source, tensor->bytes, error);
  if (copy == NULL)
    return FALSE;

  gather (copy, data, record, tensor->count, descry_st_bytes (storage->type));
  tensor->data = copy;
  return TRUE;
}

/* Counts the tensors, or adds them. */
static gboolean
walk_dict (Walk                     *walk,
           const DescryPickleObject *dict,
           guint                     depth,
           gboolean                  add,
           GError                  **error)
{
  DescrySource *source = walk->pickle->source;
  gsize length = walk->prefix->len;
  guint i;

  if (depth > MAX_DEPTH)
    return descry_source_fail (source, error, "dictionaries nested too deeply, or in a circle");

  for (i = 0; i + 1 < dict->n; i += 2)
    {
      const DescryPickleValue *key = dict->items + i, *value = dict->items + i + 1;

      if (++walk->visits > MAX_VISITS)
        return descry_source_fail (source, error, "more than %u entries", MAX_VISITS);
      if (value->kind != PICKLE_DICT && value->kind != PICKLE_TENSOR)
        continue;
      if (key->kind != PICKLE_TEXT || key->n == 0 || key->n > DESCRY_SOURCE_MAX_NAME)
        return descry_source_fail (source, error, "under '%s': a key of 1 to %u bytes expected", walk->prefix->str, DESCRY_SOURCE_MAX_NAME);

      if (length > 0)
        g_string_append_c (walk->prefix, '.');
      g_string_append_len (walk->prefix, key->text, key->n);

      if (value->kind == PICKLE_DICT)
        {
          if (!walk_dict (walk, value->object, depth + 1, add, error))
            return FALSE;
        }
      else if (!add)
        walk->n_tensors++;
      else if (!add_tensor (walk, value->other, error))
        return FALSE;

      g_string_truncate (walk->prefix, length);
    }

  return TRUE;
}

gboolean
descry_torch_pickle_index (DescryTorchPickle *self,
                           DescryNames       *names,
                           GError           **error)
{
  guint i;

  if (!descry_names_init (names, self->storages, sizeof *self->storages, self->n_storages))
    return descry_source_fail_memory (self->source, error);

  for (i = 0; i < self->n_storages; i++)
    if (!descry_names_add (names, i))
      {
        const DescryTorchStorage *first = self->storages + descry_names_find (names, self->storages[i].key);

        if (first->type != self->storages[i].type || first->numel != self->storages[i].numel)
          return descry_source_fail (self->source, error, "storage '%s' is there twice, and differs", first->key);
      }

  return TRUE;
}

gboolean
descry_torch_pickle_export (DescryTorchPickle       *self,
                            const DescryPickleValue *root,
                            guint64                  size,
                            GError                 **error)
{
  Walk walk = { .pickle = self, .limit = size };
  gboolean ok;
  guint i;

  if (root->kind != PICKLE_DICT)
    return descry_source_fail (self->source, error, "a dictionary of tensors expected");

  walk.prefix = g_string_new (NULL);
  ok = walk_dict (&walk, root->object, 1, FALSE, error) && descry_source_reserve (self->source, walk.n_tensors, error);
  walk.visits = 0;
  g_string_truncate (walk.prefix, 0);
  ok = ok && walk_dict (&walk, root->object, 1, TRUE, error);
  g_string_free (walk.prefix, TRUE);

  if (ok && self->source->report != NULL)
    for (i = 0; i < G_N_ELEMENTS (self->pickle.opcodes); i++)
      if (self->pickle.opcodes[i] > 0)
        g_string_append_printf (self->source->report, "opcode 0x%02x  %u times\n", i, self->pickle.opcodes[i]);

  return ok;
}
