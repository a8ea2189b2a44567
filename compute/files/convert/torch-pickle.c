/* torch-pickle.c - the state dictionaries in torch's files, read without running anything
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-pickle"

#include "config.h"

#include "compute/files/convert/torch-pickle.h"

#include <string.h>

#include "compute/memory.h"

#define MAX_VALUES 1000000

/* Beside those of plain values. */
enum
{
  OP_GLOBAL = 'c',
  OP_REDUCE = 'R',
  OP_BUILD = 'b',
  OP_BINPERSID = 'Q'
};

enum { GLOBAL_DICT, GLOBAL_TENSOR, GLOBAL_PARAMETER, GLOBAL_STORAGE };

static const struct
{
  const char  *module;
  const char  *name;
  int          what;
  DescryStType type;
} globals[] = {
  { "collections", "OrderedDict", GLOBAL_DICT, DESCRY_ST_F32 },
  { "torch._utils", "_rebuild_tensor_v2", GLOBAL_TENSOR, DESCRY_ST_F32 },
  { "torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER, DESCRY_ST_F32 },
  { "torch", "FloatStorage", GLOBAL_STORAGE, DESCRY_ST_F32 },
  { "torch", "HalfStorage", GLOBAL_STORAGE, DESCRY_ST_F16 },
  { "torch", "BFloat16Storage", GLOBAL_STORAGE, DESCRY_ST_BF16 },
  { "torch", "DoubleStorage", GLOBAL_STORAGE, DESCRY_ST_F64 },
  { "torch", "LongStorage", GLOBAL_STORAGE, DESCRY_ST_I64 },
  { "torch", "IntStorage", GLOBAL_STORAGE, DESCRY_ST_I32 },
  { "torch", "ShortStorage", GLOBAL_STORAGE, DESCRY_ST_I16 },
  { "torch", "CharStorage", GLOBAL_STORAGE, DESCRY_ST_I8 },
  { "torch", "ByteStorage", GLOBAL_STORAGE, DESCRY_ST_U8 },
  { "torch", "BoolStorage", GLOBAL_STORAGE, DESCRY_ST_BOOL },
};

static gboolean
read_global (DescryTorchPickle *self,
             DescryCursor      *cursor,
             GError           **error)
{
  DescryPickleValue value = { PICKLE_GLOBAL, 0, { 0 } };
  g_autofree char *shown = NULL;
  gsize n_module, n_name;
  const char *module, *name;
  guint i;

  module = descry_pickle_read_line (cursor, 255, &n_module);
  name = module != NULL ? descry_pickle_read_line (cursor, 255, &n_name) : NULL;
  if (name == NULL)
    return FALSE;

  for (i = 0; i < G_N_ELEMENTS (globals); i++)
    if (strlen (globals[i].module) == n_module && memcmp (globals[i].module, module, n_module) == 0 &&
        strlen (globals[i].name) == n_name && memcmp (globals[i].name, name, n_name) == 0)
      {
        value.i = i;
        return descry_pickle_push (&self->pickle, cursor, value);
      }

  shown = g_utf8_make_valid (module, n_module + 1 + n_name);
  g_strdelimit (shown, "\n", ' ');
  return descry_source_fail (self->source, error, "byte %" G_GUINT64_FORMAT ": the name '%s' is refused: only tensors are read", cursor->pos, shown);
}

/* ('storage', type, key, location, elements[, no view]) */
static gboolean
make_storage (DescryTorchPickle *self,
              DescryCursor      *cursor)
{
  DescryPickleValue id, value = { PICKLE_STORAGE, 0, { 0 } };
  const DescryPickleValue *items;
  DescryTorchStorage *storage;
  gpointer storages = self->storages;
  gboolean ok;

  if (!descry_pickle_pop (&self->pickle, cursor, &id))
    return FALSE;

  items = id.kind == PICKLE_TUPLE ? id.object->items : NULL;
  if (items == NULL || id.object->n < 5 || id.object->n > 6 || !descry_pickle_is (items, "storage") ||
      items[1].kind != PICKLE_GLOBAL || globals[items[1].i].what != GLOBAL_STORAGE ||
      items[2].kind != PICKLE_TEXT || items[2].n == 0 || items[2].n > 1024 || memchr (items[2].text, '\0', items[2].n) != NULL ||
      items[3].kind != PICKLE_TEXT || items[4].kind != PICKLE_INT || items[4].i < 0 ||
      (id.object->n == 6 && items[5].kind != PICKLE_NONE))
    return descry_pickle_refuse (cursor, "a persistent id that is not a storage");

  ok = descry_pickle_grow (&storages, self->n_storages, &self->max_storages, sizeof *self->storages);
  self->storages = storages;
  if (!ok)
    return descry_pickle_refuse (cursor, "out of memory");

  storage = self->storages + self->n_storages;
  storage->key = descry_source_text (self->source, items[2].text, items[2].n);
  storage->type = globals[items[1].i].type;
  storage->numel = (guint64) items[4].i;
  storage->data = NULL;
  if (storage->key == NULL)
    return descry_pickle_refuse (cursor, "out of memory");

  value.i = self->n_storages++;
  return descry_pickle_push (&self->pickle, cursor, value);
}

/* A tuple of at most eight numbers, none negative. */
static gboolean
get_sizes (const DescryPickleValue *value,
           guint64                 *sizes,
           guint                   *n)
{
  guint i;

  if (value->kind != PICKLE_TUPLE || value->object->n > 8)
    return FALSE;

  *n = value->object->n;
  for (i = 0; i < *n; i++)
    {
      const DescryPickleValue *item = value->object->items + i;

      if (item->kind != PICKLE_INT || item->i < 0)
        return FALSE;
      sizes[i] = (guint64) item->i;
    }

  return TRUE;
}

/* (storage, offset, size, stride, requires_grad, hooks): the last element must lie inside. */
static gboolean
make_tensor (DescryTorchPickle        *self,
             DescryCursor             *cursor,
             const DescryPickleObject *arguments)
{
  DescryPickleValue value = { PICKLE_TENSOR, 0, { 0 } };
  const DescryPickleValue *items = arguments->items;
  DescryTorchTensor *tensor;
  guint64 last, count = 1, step;
  guint n_strides, i;

  if (arguments->n != 6 || items[0].kind != PICKLE_STORAGE || items[1].kind != PICKLE_INT || items[1].i < 0 ||
      items[4].kind != PICKLE_BOOL || items[5].kind != PICKLE_DICT || items[5].object->n != 0)
    return descry_pickle_refuse (cursor, "a tensor of storage, offset, size and stride expected");

  if (self->n_tensors++ >= MAX_VALUES)
    return descry_pickle_refuse (cursor, "too many tensors");
  tensor = descry_arena_alloc (&self->source->arena, 1, sizeof *tensor);
  if (tensor == NULL)
    return descry_pickle_refuse (cursor, "out of memory");

  if (!get_sizes (items + 2, tensor->dims, &tensor->n_dims) || !get_sizes (items + 3, tensor->strides, &n_strides) ||
      n_strides != tensor->n_dims)
    return descry_pickle_refuse (cursor, "size and stride of at most 8 numbers expected");

  tensor->storage = (guint) items[0].i;
  tensor->offset = last = (guint64) items[1].i;
  for (i = 0; i < tensor->n_dims; i++)
    {
      if (!g_uint64_checked_mul (&count, count, tensor->dims[i]) || count > DESCRY_SOURCE_MAX_COUNT)
        return descry_pickle_refuse (cursor, "a tensor of too many elements");
      if (tensor->dims[i] > 0 &&
          (!g_uint64_checked_mul (&step, tensor->dims[i] - 1, tensor->strides[i]) || !g_uint64_checked_add (&last, last, step)))
        return descry_pickle_refuse (cursor, "a tensor that leaves its storage");
    }

  /* More elements than the storage has would be a view that repeats them: nobody saves one. */
  if (count > self->storages[tensor->storage].numel || (count > 0 && last >= self->storages[tensor->storage].numel))
    return descry_pickle_refuse (cursor, "a tensor that leaves its storage");

  value.other = tensor;
  return descry_pickle_push (&self->pickle, cursor, value);
}

static gboolean
reduce (DescryTorchPickle *self,
        DescryCursor      *cursor)
{
  DescryPickleValue arguments, function, value = { PICKLE_DICT, 0, { 0 } };

  if (!descry_pickle_pop (&self->pickle, cursor, &arguments) || !descry_pickle_pop (&self->pickle, cursor, &function))
    return FALSE;

  if (function.kind != PICKLE_GLOBAL || arguments.kind != PICKLE_TUPLE)
    return descry_pickle_refuse (cursor, "a call of something that cannot be called");

  switch (globals[function.i].what)
    {
    case GLOBAL_DICT:
      if (arguments.object->n != 0)
        return descry_pickle_refuse (cursor, "an OrderedDict is made without arguments");
      value.object = descry_pickle_make_object (&self->pickle, cursor);
      return value.object != NULL && descry_pickle_push (&self->pickle, cursor, value);

    case GLOBAL_TENSOR:
      return make_tensor (self, cursor, arguments.object);

    case GLOBAL_PARAMETER:
      if (arguments.object->n != 3 || arguments.object->items[0].kind != PICKLE_TENSOR)
        return descry_pickle_refuse (cursor, "a parameter of one tensor expected");
      return descry_pickle_push (&self->pickle, cursor, arguments.object->items[0]);

    default:
      return descry_pickle_refuse (cursor, "a storage type is not called");
    }
}

/* State of an OrderedDict (its _metadata) says nothing about tensors: dropped. */
static gboolean
build (DescryTorchPickle *self,
       DescryCursor      *cursor)
{
  DescryPickleValue state;

  return descry_pickle_pop (&self->pickle, cursor, &state) &&
         (state.kind == PICKLE_DICT || descry_pickle_refuse (cursor, "a dictionary expected as state")) &&
         descry_pickle_expect (&self->pickle, cursor, PICKLE_DICT);
}

static gboolean
read_opcode (DescryPickle *pickle,
             DescryCursor *cursor,
             guint         opcode,
             GError      **error)
{
  DescryTorchPickle *self = (DescryTorchPickle *) pickle;

  switch (opcode)
    {
    case OP_GLOBAL:
      return read_global (self, cursor, error);
    case OP_REDUCE:
      return reduce (self, cursor);
    case OP_BUILD:
      return build (self, cursor);
    case OP_BINPERSID:
      return make_storage (self, cursor);
    default:
      return descry_pickle_refuse_byte (pickle, cursor, opcode, error);
    }
}

void
descry_torch_pickle_init (DescryTorchPickle *self,
                          DescrySource      *source)
{
  memset (self, 0, sizeof *self);
  self->source = source;
  self->pickle.path = source->path;
  self->pickle.what = "state dictionaries";
  self->pickle.arena = &source->arena;
  self->pickle.limit = MAX_VALUES;
  self->pickle.read = read_opcode;
}

void
descry_torch_pickle_clear (DescryTorchPickle *self)
{
  descry_pickle_clear (&self->pickle);
  descry_free (self->storages);
  memset (self, 0, sizeof *self);
}
