/* pickle.c - the state dictionaries in torch's files, read without running anything
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-pickle"

#include "config.h"

#include "compute/files/convert/pickle.h"

#include <string.h>

#include "compute/memory.h"

#define MAX_STACK 1000000
#define MAX_MEMO 1000000
#define MAX_OBJECTS 1000000
#define MAX_DEPTH 32

/* The opcodes we read, of pickle protocol 2. */
enum
{
  OP_MARK = '(',
  OP_STOP = '.',
  OP_NONE = 'N',
  OP_NEWTRUE = 0x88,
  OP_NEWFALSE = 0x89,
  OP_BININT = 'J',
  OP_BININT1 = 'K',
  OP_BININT2 = 'M',
  OP_LONG1 = 0x8a,
  OP_BINFLOAT = 'G',
  OP_BINUNICODE = 'X',
  OP_EMPTY_TUPLE = ')',
  OP_TUPLE = 't',
  OP_TUPLE1 = 0x85,
  OP_TUPLE2 = 0x86,
  OP_TUPLE3 = 0x87,
  OP_EMPTY_LIST = ']',
  OP_APPEND = 'a',
  OP_APPENDS = 'e',
  OP_EMPTY_DICT = '}',
  OP_SETITEM = 's',
  OP_SETITEMS = 'u',
  OP_BINPUT = 'q',
  OP_LONG_BINPUT = 'r',
  OP_BINGET = 'h',
  OP_LONG_BINGET = 'j',
  OP_GLOBAL = 'c',
  OP_REDUCE = 'R',
  OP_BUILD = 'b',
  OP_BINPERSID = 'Q',
  OP_PROTO = 0x80
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

static const DescryPickleValue none = { PICKLE_NONE, 0, { 0 } };

/* Sets the cursor's problem, which ends the run; gives FALSE. */
static gboolean
refuse (DescryCursor *cursor,
        const char   *problem)
{
  descry_cursor_fail (cursor, problem);
  return FALSE;
}

/* Makes room for one more of an array of @size bytes an element. */
static gboolean
grow (gpointer *items,
      guint     n,
      guint    *capacity,
      gsize     size)
{
  gpointer larger;
  guint wanted;

  if (n < *capacity)
    return TRUE;

  wanted = MAX (*capacity * 2, 4);
  larger = descry_try_alloc (wanted, size);
  if (larger == NULL)
    return FALSE;

  if (n > 0)
    memcpy (larger, *items, n * size);
  descry_free (*items);
  *items = larger;
  *capacity = wanted;
  return TRUE;
}

static gboolean
push (DescryPickle     *self,
      DescryCursor     *cursor,
      DescryPickleValue value)
{
  gpointer items = self->stack;
  gboolean ok;

  if (self->n_stack >= MAX_STACK)
    return refuse (cursor, "too many values on the stack");

  ok = grow (&items, self->n_stack, &self->max_stack, sizeof *self->stack);
  self->stack = items;
  if (!ok)
    return refuse (cursor, "out of memory");

  self->stack[self->n_stack++] = value;
  return TRUE;
}

static gboolean
pop (DescryPickle      *self,
     DescryCursor      *cursor,
     DescryPickleValue *value)
{
  if (self->n_stack == 0 || self->stack[self->n_stack - 1].kind == PICKLE_MARK)
    return refuse (cursor, "a value expected on the stack");

  *value = self->stack[--self->n_stack];
  return TRUE;
}

/* The value on top, left there. */
static DescryPickleValue *
peek (DescryPickle    *self,
      DescryCursor    *cursor,
      DescryPickleKind kind)
{
  if (self->n_stack > 0 && self->stack[self->n_stack - 1].kind == kind)
    return self->stack + self->n_stack - 1;

  descry_cursor_fail (cursor, kind == PICKLE_DICT ? "a dictionary expected on the stack" : "a list expected on the stack");
  return NULL;
}

/* Where the values after the last mark begin; -1 when there is no mark. */
static int
find_mark (DescryPickle *self,
           DescryCursor *cursor)
{
  guint i;

  for (i = self->n_stack; i > 0; i--)
    if (self->stack[i - 1].kind == PICKLE_MARK)
      return (int) i;

  descry_cursor_fail (cursor, "a mark expected on the stack");
  return -1;
}

static DescryPickleObject *
make_object (DescryPickle *self,
             DescryCursor *cursor)
{
  DescryPickleObject *object;

  if (self->n_objects++ >= MAX_OBJECTS)
    {
      descry_cursor_fail (cursor, "too many objects");
      return NULL;
    }

  object = descry_arena_alloc (&self->source->arena, 1, sizeof *object);
  if (object == NULL)
    {
      descry_cursor_fail (cursor, "out of memory");
      return NULL;
    }

  object->next = self->objects;
  self->objects = object;
  return object;
}

static guint
depth_of (const DescryPickleValue *value)
{
  return value->kind == PICKLE_TUPLE || value->kind == PICKLE_LIST || value->kind == PICKLE_DICT ? value->object->depth + 1 : 0;
}

static gboolean
append (DescryCursor            *cursor,
        DescryPickleObject      *object,
        const DescryPickleValue *value)
{
  gpointer items = object->items;
  gboolean ok;

  /* An object that comes to hold itself grows deeper at each step here, or is met by the limit
   * of the walk in export. */
  object->depth = MAX (object->depth, depth_of (value));
  if (object->depth > MAX_DEPTH)
    return refuse (cursor, "nested too deeply");

  ok = grow (&items, object->n, &object->capacity, sizeof *object->items);
  object->items = items;
  if (!ok)
    return refuse (cursor, "out of memory");

  object->items[object->n++] = *value;
  return TRUE;
}

/* The values from @from on become a tuple. */
static gboolean
make_tuple (DescryPickle *self,
            DescryCursor *cursor,
            guint         from)
{
  DescryPickleValue value = { PICKLE_TUPLE, 0, { 0 } };
  guint i;

  value.object = make_object (self, cursor);
  if (value.object == NULL)
    return FALSE;

  for (i = from; i < self->n_stack; i++)
    {
      if (self->stack[i].kind == PICKLE_MARK)
        return refuse (cursor, "a value expected on the stack");
      if (!append (cursor, value.object, self->stack + i))
        return FALSE;
    }

  self->n_stack = from;
  return push (self, cursor, value);
}

static gboolean
make_marked_tuple (DescryPickle *self,
                   DescryCursor *cursor)
{
  int from = find_mark (self, cursor);
  DescryPickleValue value;

  if (from < 0 || !make_tuple (self, cursor, (guint) from))
    return FALSE;

  value = self->stack[self->n_stack - 1];
  self->n_stack -= 2; /* with the mark */
  return push (self, cursor, value);
}

/* The values from @from on go into the list or dictionary before them. */
static gboolean
extend (DescryPickle    *self,
        DescryCursor    *cursor,
        guint            from,
        gboolean         marked,
        DescryPickleKind kind)
{
  guint below = from - marked;
  DescryPickleObject *object;
  guint i;

  if (kind == PICKLE_DICT && (self->n_stack - from) % 2 != 0)
    return refuse (cursor, "keys and values in pairs expected");
  if (below == 0 || self->stack[below - 1].kind != kind)
    return refuse (cursor, kind == PICKLE_DICT ? "a dictionary expected on the stack" : "a list expected on the stack");

  object = self->stack[below - 1].object;
  for (i = from; i < self->n_stack; i++)
    if (self->stack[i].kind == PICKLE_MARK)
      return refuse (cursor, "a value expected on the stack");
    else if (!append (cursor, object, self->stack + i))
      return FALSE;

  self->n_stack = below;
  return TRUE;
}

static gboolean
extend_marked (DescryPickle    *self,
               DescryCursor    *cursor,
               DescryPickleKind kind)
{
  int from = find_mark (self, cursor);

  return from >= 0 && extend (self, cursor, (guint) from, TRUE, kind);
}

static gboolean
extend_by (DescryPickle    *self,
           DescryCursor    *cursor,
           guint            n,
           DescryPickleKind kind)
{
  if (self->n_stack < n)
    return refuse (cursor, "a value expected on the stack");

  return extend (self, cursor, self->n_stack - n, FALSE, kind);
}

/* Numbers are given in the order they are met, so a position may not leave a gap. */
static gboolean
memoise (DescryPickle *self,
         DescryCursor *cursor,
         guint64       index)
{
  gpointer items = self->memo;
  gboolean ok;

  if (self->n_stack == 0)
    return refuse (cursor, "a value expected on the stack");
  if (index > self->n_memo || index >= MAX_MEMO)
    return refuse (cursor, "a number of the memo out of order");

  if (index == self->n_memo)
    {
      ok = grow (&items, self->n_memo, &self->max_memo, sizeof *self->memo);
      self->memo = items;
      if (!ok)
        return refuse (cursor, "out of memory");
      self->n_memo++;
    }

  self->memo[index] = self->stack[self->n_stack - 1];
  return TRUE;
}

static gboolean
recall (DescryPickle *self,
        DescryCursor *cursor,
        guint64       index)
{
  if (index >= self->n_memo)
    return refuse (cursor, "a number that is not in the memo");

  return push (self, cursor, self->memo[index]);
}

/* A line of at most 255 bytes, without its end. */
static const char *
read_line (DescryCursor *cursor,
           gsize        *n)
{
  const guint8 *start = cursor->base + cursor->pos;
  guint64 space = MIN (descry_cursor_remaining (cursor), 256);
  const guint8 *end = space > 0 ? memchr (start, '\n', space) : NULL;

  if (end == NULL)
    {
      descry_cursor_fail (cursor, "a name that does not end");
      return NULL;
    }

  *n = end - start;
  descry_cursor_skip (cursor, *n + 1);
  return (const char *) start;
}

static gboolean
read_global (DescryPickle *self,
             DescryCursor *cursor,
             GError      **error)
{
  DescryPickleValue value = { PICKLE_GLOBAL, 0, { 0 } };
  g_autofree char *shown = NULL;
  gsize n_module, n_name;
  const char *module, *name;
  guint i;

  module = read_line (cursor, &n_module);
  name = module != NULL ? read_line (cursor, &n_name) : NULL;
  if (name == NULL)
    return FALSE;

  for (i = 0; i < G_N_ELEMENTS (globals); i++)
    if (strlen (globals[i].module) == n_module && memcmp (globals[i].module, module, n_module) == 0 &&
        strlen (globals[i].name) == n_name && memcmp (globals[i].name, name, n_name) == 0)
      {
        value.i = i;
        return push (self, cursor, value);
      }

  shown = g_utf8_make_valid (module, n_module + 1 + n_name);
  g_strdelimit (shown, "\n", ' ');
  return descry_source_fail (self->source, error, "byte %" G_GUINT64_FORMAT ": the name '%s' is refused: only tensors are read", cursor->pos, shown);
}

gboolean
descry_pickle_is (const DescryPickleValue *value,
                  const char              *text)
{
  return value->kind == PICKLE_TEXT && value->n == strlen (text) && memcmp (value->text, text, value->n) == 0;
}

/* ('storage', type, key, location, elements[, no view]) */
static gboolean
make_storage (DescryPickle *self,
              DescryCursor *cursor)
{
  DescryPickleValue id, value = { PICKLE_STORAGE, 0, { 0 } };
  const DescryPickleValue *items;
  DescryPickleStorage *storage;
  gpointer storages = self->storages;
  gboolean ok;

  if (!pop (self, cursor, &id))
    return FALSE;

  items = id.kind == PICKLE_TUPLE ? id.object->items : NULL;
  if (items == NULL || id.object->n < 5 || id.object->n > 6 || !descry_pickle_is (items, "storage") ||
      items[1].kind != PICKLE_GLOBAL || globals[items[1].i].what != GLOBAL_STORAGE ||
      items[2].kind != PICKLE_TEXT || items[2].n == 0 || items[2].n > 1024 || memchr (items[2].text, '\0', items[2].n) != NULL ||
      items[3].kind != PICKLE_TEXT || items[4].kind != PICKLE_INT || items[4].i < 0 ||
      (id.object->n == 6 && items[5].kind != PICKLE_NONE))
    return refuse (cursor, "a persistent id that is not a storage");

  ok = grow (&storages, self->n_storages, &self->max_storages, sizeof *self->storages);
  self->storages = storages;
  if (!ok)
    return refuse (cursor, "out of memory");

  storage = self->storages + self->n_storages;
  storage->key = descry_source_text (self->source, items[2].text, items[2].n);
  storage->type = globals[items[1].i].type;
  storage->numel = (guint64) items[4].i;
  storage->data = NULL;
  if (storage->key == NULL)
    return refuse (cursor, "out of memory");

  value.i = self->n_storages++;
  return push (self, cursor, value);
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
make_tensor (DescryPickle             *self,
             DescryCursor             *cursor,
             const DescryPickleObject *arguments)
{
  DescryPickleValue value = { PICKLE_TENSOR, 0, { 0 } };
  const DescryPickleValue *items = arguments->items;
  DescryPickleObject *tensor;
  guint64 last, count = 1, step;
  guint n_strides, i;

  if (arguments->n != 6 || items[0].kind != PICKLE_STORAGE || items[1].kind != PICKLE_INT || items[1].i < 0 ||
      items[4].kind != PICKLE_BOOL || items[5].kind != PICKLE_DICT || items[5].object->n != 0)
    return refuse (cursor, "a tensor of storage, offset, size and stride expected");

  tensor = make_object (self, cursor);
  if (tensor == NULL)
    return FALSE;

  if (!get_sizes (items + 2, tensor->dims, &tensor->n_dims) || !get_sizes (items + 3, tensor->strides, &n_strides) ||
      n_strides != tensor->n_dims)
    return refuse (cursor, "size and stride of at most 8 numbers expected");

  tensor->storage = (guint) items[0].i;
  tensor->offset = last = (guint64) items[1].i;
  for (i = 0; i < tensor->n_dims; i++)
    {
      if (!g_uint64_checked_mul (&count, count, tensor->dims[i]) || count > DESCRY_SOURCE_MAX_COUNT)
        return refuse (cursor, "a tensor of too many elements");
      if (tensor->dims[i] > 0 &&
          (!g_uint64_checked_mul (&step, tensor->dims[i] - 1, tensor->strides[i]) || !g_uint64_checked_add (&last, last, step)))
        return refuse (cursor, "a tensor that leaves its storage");
    }

  /* More elements than the storage has would be a view that repeats them: nobody saves one. */
  if (count > self->storages[tensor->storage].numel || (count > 0 && last >= self->storages[tensor->storage].numel))
    return refuse (cursor, "a tensor that leaves its storage");

  value.object = tensor;
  return push (self, cursor, value);
}

static gboolean
reduce (DescryPickle *self,
        DescryCursor *cursor)
{
  DescryPickleValue arguments, function, value = { PICKLE_DICT, 0, { 0 } };

  if (!pop (self, cursor, &arguments) || !pop (self, cursor, &function))
    return FALSE;

  if (function.kind != PICKLE_GLOBAL || arguments.kind != PICKLE_TUPLE)
    return refuse (cursor, "a call of something that cannot be called");

  switch (globals[function.i].what)
    {
    case GLOBAL_DICT:
      if (arguments.object->n != 0)
        return refuse (cursor, "an OrderedDict is made without arguments");
      value.object = make_object (self, cursor);
      return value.object != NULL && push (self, cursor, value);

    case GLOBAL_TENSOR:
      return make_tensor (self, cursor, arguments.object);

    case GLOBAL_PARAMETER:
      if (arguments.object->n != 3 || arguments.object->items[0].kind != PICKLE_TENSOR)
        return refuse (cursor, "a parameter of one tensor expected");
      return push (self, cursor, arguments.object->items[0]);

    default:
      return refuse (cursor, "a storage type is not called");
    }
}

/* State of an OrderedDict (its _metadata) says nothing about tensors: dropped. */
static gboolean
build (DescryPickle *self,
       DescryCursor *cursor)
{
  DescryPickleValue state;

  return pop (self, cursor, &state) &&
         (state.kind == PICKLE_DICT || refuse (cursor, "a dictionary expected as state")) &&
         peek (self, cursor, PICKLE_DICT) != NULL;
}

static gboolean
push_int (DescryPickle *self,
          DescryCursor *cursor,
          gint64        number)
{
  DescryPickleValue value = { PICKLE_INT, 0, { 0 } };

  value.i = number;
  return push (self, cursor, value);
}

static gboolean
push_bool (DescryPickle *self,
           DescryCursor *cursor,
           gboolean      truth)
{
  DescryPickleValue value = { PICKLE_BOOL, 0, { 0 } };

  value.i = truth;
  return push (self, cursor, value);
}

static gboolean
push_long (DescryPickle *self,
           DescryCursor *cursor)
{
  guint n = descry_cursor_u8 (cursor);
  guint64 bits = 0;
  guint i;

  if (n > 8)
    return refuse (cursor, "a number of more than 8 bytes");

  for (i = 0; i < n; i++)
    bits |= (guint64) descry_cursor_u8 (cursor) << (8 * i);
  if (n > 0 && n < 8 && (bits >> (8 * n - 1) & 1))
    bits |= G_MAXUINT64 << (8 * n); /* the sign */

  return push_int (self, cursor, (gint64) bits);
}

static gboolean
push_float (DescryPickle *self,
            DescryCursor *cursor)
{
  DescryPickleValue value = { PICKLE_FLOAT, 0, { 0 } };
  guint64 bits = GUINT64_SWAP_LE_BE (descry_cursor_u64 (cursor));

  memcpy (&value.f, &bits, sizeof bits);
  return push (self, cursor, value);
}

static gboolean
push_text (DescryPickle *self,
           DescryCursor *cursor)
{
  DescryPickleValue value = { PICKLE_TEXT, descry_cursor_u32 (cursor), { 0 } };

  value.text = (const char *) descry_cursor_view (cursor, value.n);
  if (value.text == NULL)
    return FALSE;
  if (!g_utf8_validate_len (value.text, value.n, NULL))
    return refuse (cursor, "text that is not UTF-8");

  return push (self, cursor, value);
}

static gboolean
push_object (DescryPickle    *self,
             DescryCursor    *cursor,
             DescryPickleKind kind)
{
  DescryPickleValue value = { kind, 0, { 0 } };

  value.object = make_object (self, cursor);
  return value.object != NULL && push (self, cursor, value);
}

/* One opcode; FALSE ends the run, with a problem at the cursor or with @error set. */
static gboolean
step (DescryPickle *self,
      DescryCursor *cursor,
      guint         opcode,
      GError      **error)
{
  DescryPickleValue mark = { PICKLE_MARK, 0, { 0 } };

  switch (opcode)
    {
    case OP_PROTO:
      return descry_cursor_u8 (cursor) == 2 || refuse (cursor, "pickle protocol 2 expected");
    case OP_MARK:
      return push (self, cursor, mark);
    case OP_NONE:
      return push (self, cursor, none);
    case OP_NEWTRUE:
    case OP_NEWFALSE:
      return push_bool (self, cursor, opcode == OP_NEWTRUE);
    case OP_BININT:
      return push_int (self, cursor, (gint32) descry_cursor_u32 (cursor));
    case OP_BININT1:
      return push_int (self, cursor, descry_cursor_u8 (cursor));
    case OP_BININT2:
      return push_int (self, cursor, descry_cursor_u16 (cursor));
    case OP_LONG1:
      return push_long (self, cursor);
    case OP_BINFLOAT:
      return push_float (self, cursor);
    case OP_BINUNICODE:
      return push_text (self, cursor);
    case OP_EMPTY_TUPLE:
      return push_object (self, cursor, PICKLE_TUPLE);
    case OP_EMPTY_LIST:
      return push_object (self, cursor, PICKLE_LIST);
    case OP_EMPTY_DICT:
      return push_object (self, cursor, PICKLE_DICT);
    case OP_TUPLE:
      return make_marked_tuple (self, cursor);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
      if (self->n_stack < opcode - OP_TUPLE1 + 1)
        return refuse (cursor, "a value expected on the stack");
      return make_tuple (self, cursor, self->n_stack - (opcode - OP_TUPLE1 + 1));
    case OP_APPEND:
      return extend_by (self, cursor, 1, PICKLE_LIST);
    case OP_APPENDS:
      return extend_marked (self, cursor, PICKLE_LIST);
    case OP_SETITEM:
      return extend_by (self, cursor, 2, PICKLE_DICT);
    case OP_SETITEMS:
      return extend_marked (self, cursor, PICKLE_DICT);
    case OP_BINPUT:
      return memoise (self, cursor, descry_cursor_u8 (cursor));
    case OP_LONG_BINPUT:
      return memoise (self, cursor, descry_cursor_u32 (cursor));
    case OP_BINGET:
      return recall (self, cursor, descry_cursor_u8 (cursor));
    case OP_LONG_BINGET:
      return recall (self, cursor, descry_cursor_u32 (cursor));
    case OP_GLOBAL:
      return read_global (self, cursor, error);
    case OP_REDUCE:
      return reduce (self, cursor);
    case OP_BUILD:
      return build (self, cursor);
    case OP_BINPERSID:
      return make_storage (self, cursor);
    default:
      return descry_source_fail (self->source, error, "byte %" G_GUINT64_FORMAT ": opcode 0x%02x is refused: state dictionaries do not use it",
                                 cursor->pos - 1, opcode);
    }
}

gboolean
descry_pickle_run (DescryPickle      *self,
                   DescryCursor      *cursor,
                   DescryPickleValue *result,
                   GError           **error)
{
  self->n_stack = 0;
  self->n_memo = 0;

  for (;;)
    {
      guint8 opcode = descry_cursor_u8 (cursor);

      if (!descry_cursor_check (cursor, self->source->path, error))
        return FALSE;

      self->opcodes[opcode]++;
      if (opcode == OP_STOP)
        break;
      if (!step (self, cursor, opcode, error))
        {
          if (error == NULL || *error == NULL)
            descry_cursor_check (cursor, self->source->path, error);
          return FALSE;
        }
    }

  if (self->n_stack != 1 || self->stack[0].kind == PICKLE_MARK)
    return descry_source_fail (self->source, error, "byte %" G_GUINT64_FORMAT ": one value expected at the end of a pickle", cursor->pos);

  *result = self->stack[0];
  return TRUE;
}

void
descry_pickle_clear (DescryPickle *self)
{
  DescryPickleObject *object;

  for (object = self->objects; object != NULL; object = object->next)
    descry_free (object->items);

  descry_free (self->stack);
  descry_free (self->memo);
  descry_free (self->storages);
  memset (self, 0, sizeof *self);
}
