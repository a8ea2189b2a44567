/* onnx.c - initialisers and steps of ONNX graphs
 *
 * ONNX is protocol buffers. Read here are, by field number: model.graph (7); graph.node (1) and
 * graph.initializer (5); of a node its inputs (1), outputs (2), name (3) and operation (4); of a
 * tensor its dimensions (1), type (2), values as floats, 32- or 64-bit integers (4, 5, 7), name
 * (8) and raw bytes (9). Other fields are passed over; there is no recursion. Values in other
 * files are refused.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-onnx"

#include "config.h"

#include <string.h>

#include "compute/files/convert/source-private.h"
#include "compute/files/cursor.h"
#include "compute/files/safetensors-private.h"
#include "compute/memory.h"

#define MAX_NODES 1000000

/* The least that a step (field, name or output, operation) and a tensor (field, name, type) take. */
#define LEAST_NODE 8
#define LEAST_TENSOR 7

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* One field: its number and kind, and its value or where its bytes lie. */
typedef struct
{
  guint64       number;
  guint         wire;
  guint64       value;
  const guint8 *bytes;
  guint64       size;
} Field;

static guint64
read_varint (DescryCursor *cursor)
{
  guint64 value = 0;
  guint shift;

  for (shift = 0; shift < 64; shift += 7)
    {
      guint8 byte = descry_cursor_u8 (cursor);

      value |= (guint64) (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0)
        return value;
    }

  descry_cursor_fail (cursor, "a number of more than ten bytes");
  return 0;
}

/* The next field; FALSE at the end and after a problem. */
static gboolean
next_field (DescryCursor *cursor,
            Field        *field)
{
  guint64 key;

  if (descry_cursor_remaining (cursor) == 0)
    return FALSE;

  key = read_varint (cursor);
  *field = (Field) { .number = key >> 3, .wire = key & 7 };
  switch (field->wire)
    {
    case WIRE_VARINT:
      field->value = read_varint (cursor);
      break;
    case WIRE_64:
      field->value = descry_cursor_u64 (cursor);
      break;
    case WIRE_32:
      field->value = descry_cursor_u32 (cursor);
      break;
    case WIRE_BYTES:
      field->size = read_varint (cursor);
      field->bytes = descry_cursor_view (cursor, field->size);
      break;
    default: /* groups are not used by ONNX */
      descry_cursor_fail (cursor, "a field of unknown kind");
    }

  return descry_cursor_ok (cursor);
}

static gboolean
get_type (guint64       number,
          DescryStType *type)
{
  static const struct { guint number; DescryStType type; } known[] = {
    { 1, DESCRY_ST_F32 }, { 2, DESCRY_ST_U8 }, { 3, DESCRY_ST_I8 }, { 5, DESCRY_ST_I16 }, { 6, DESCRY_ST_I32 },
    { 7, DESCRY_ST_I64 }, { 9, DESCRY_ST_BOOL }, { 10, DESCRY_ST_F16 }, { 11, DESCRY_ST_F64 }, { 16, DESCRY_ST_BF16 },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i].number == number)
      {
        *type = known[i].type;
        return TRUE;
      }

  return FALSE;
}

/* Dimensions come packed into one field, or one a field. */
static gboolean
add_dims (const Field *field,
          guint64     *dims,
          guint       *n)
{
  DescryCursor cursor;

  if (field->wire == WIRE_VARINT)
    {
      if (*n >= 8)
        return FALSE;
      dims[(*n)++] = field->value;
      return TRUE;
    }

  descry_cursor_init_memory (&cursor, field->bytes, field->size);
  while (descry_cursor_remaining (&cursor) > 0)
    {
      guint64 value = read_varint (&cursor);

      if (*n >= 8 || !descry_cursor_ok (&cursor))
        return FALSE;
      dims[(*n)++] = value;
    }

  return TRUE;
}

/* Values that are not raw bytes: integers as varints, 32-bit ones also for the narrower types. */
static gboolean
unpack_integers (DescrySource       *self,
                 DescrySourceTensor *tensor,
                 const Field        *packed,
                 GError            **error)
{
  guint size = descry_st_bytes (tensor->type);
  DescryCursor cursor;
  guint8 *out;
  guint64 i;

  descry_cursor_init_memory (&cursor, packed->bytes, packed->size);
  if (!descry_cursor_has_many (&cursor, tensor->count, 1))
    return descry_source_fail (self, error, "tensor '%s': %" G_GUINT64_FORMAT " values do not fit", tensor->name, tensor->count);

  out = descry_source_block (self, tensor->bytes, error);
  if (out == NULL)
    return FALSE;

  for (i = 0; i < tensor->count; i++)
    {
      guint64 value = GUINT64_TO_LE (read_varint (&cursor));

      memcpy (out + i * size, &value, size); /* the low bytes */
    }

  tensor->data = out;
  if (!descry_cursor_ok (&cursor) || descry_cursor_remaining (&cursor) != 0)
    return descry_source_fail (self, error, "tensor '%s': %" G_GUINT64_FORMAT " values expected", tensor->name, tensor->count);

  return TRUE;
}

static gboolean
read_tensor (DescrySource *self,
             const Field  *message,
             GError      **error)
{
  Field field, name = { 0 }, raw = { 0 }, floats = { 0 }, integers = { 0 };
  DescrySourceTensor *tensor;
  guint64 dims[8], type_number = 0;
  DescryCursor cursor;
  DescryStType type;
  guint n_dims = 0;

  descry_cursor_init_memory (&cursor, message->bytes, message->size);
  while (next_field (&cursor, &field))
    {
      if (field.number == 1 && !add_dims (&field, dims, &n_dims))
        return descry_source_fail (self, error, "a tensor of at most 8 dimensions expected");
      else if (field.number == 2)
        type_number = field.value;
      else if (field.number == 14 && field.value != 0)
        return descry_source_fail (self, error, "a tensor whose values lie in another file is not converted");
      else if (field.wire == WIRE_BYTES && field.number == 4)
        floats = field;
      else if (field.wire == WIRE_BYTES && (field.number == 5 || field.number == 7))
        integers = field;
      else if (field.wire == WIRE_BYTES && field.number == 8)
        name = field;
      else if (field.wire == WIRE_BYTES && field.number == 9)
        raw = field;
    }
  if (!descry_cursor_check (&cursor, self->path, error))
    return FALSE;

  if (!get_type (type_number, &type))
    return descry_source_fail (self, error, "a tensor of type %" G_GUINT64_FORMAT " is not converted", type_number);

  tensor = descry_source_add (self, (const char *) name.bytes, name.size, type, n_dims, dims, error);
  if (tensor == NULL)
    return FALSE;

  if (raw.bytes == NULL && type == DESCRY_ST_F32)
    raw = floats; /* packed floats are the same bytes */
  if (raw.bytes == NULL && integers.bytes != NULL && type != DESCRY_ST_F64)
    return unpack_integers (self, tensor, &integers, error);

  if (raw.size != tensor->bytes)
    return descry_source_fail (self, error, "tensor '%s': %" G_GUINT64_FORMAT " bytes expected, found %" G_GUINT64_FORMAT,
                               tensor->name, tensor->bytes, raw.size);

  tensor->data = raw.bytes != NULL ? raw.bytes : (const guint8 *) "";
  return TRUE;
}

static gboolean
read_node (DescrySource *self,
           const Field  *message,
           GError      **error)
{
  DescrySourceNode *node = self->nodes + self->n_nodes;
  const char *output = NULL;
  DescryCursor cursor;
  Field field;

  descry_cursor_init_memory (&cursor, message->bytes, message->size);
  while (next_field (&cursor, &field))
    {
      const char *text;

      if (field.wire != WIRE_BYTES || field.number > 4)
        continue;

      if (field.size > DESCRY_SOURCE_MAX_NAME || !g_utf8_validate_len ((const char *) field.bytes, field.size, NULL))
        return descry_source_fail (self, error, "a name in a graph: at most %u bytes of UTF-8 text expected", DESCRY_SOURCE_MAX_NAME);

      text = descry_source_text (self, (const char *) field.bytes, field.size);
      if (text == NULL)
        return descry_source_fail_memory (self, error);

      if (field.number == 1 && node->n_inputs < G_N_ELEMENTS (node->inputs))
        node->inputs[node->n_inputs++] = text;
      else if (field.number == 2 && output == NULL)
        output = text;
      else if (field.number == 3 && *text != '\0')
        node->name = text;
      else if (field.number == 4)
        node->op = text;
    }
  if (!descry_cursor_check (&cursor, self->path, error))
    return FALSE;

  if (node->name == NULL)
    node->name = output;
  if (node->name == NULL || node->op == NULL)
    return descry_source_fail (self, error, "a step without name or operation");

  if (!descry_names_add (&self->node_names, self->n_nodes))
    return descry_source_fail (self, error, "step '%s' is there twice", node->name);

  self->n_nodes++;
  return TRUE;
}

static gboolean
read_graph (DescrySource *self,
            const Field  *message,
            GError      **error)
{
  guint64 n_tensors = 0, n_nodes = 0;
  DescryCursor cursor;
  Field field;

  descry_cursor_init_memory (&cursor, message->bytes, message->size);
  while (next_field (&cursor, &field))
    {
      n_tensors += field.number == 5 && field.wire == WIRE_BYTES;
      n_nodes += field.number == 1 && field.wire == WIRE_BYTES;
    }
  if (!descry_cursor_check (&cursor, self->path, error))
    return FALSE;

  if (n_nodes > MIN (MAX_NODES, message->size / LEAST_NODE) || n_tensors > message->size / LEAST_TENSOR)
    return descry_source_fail (self, error, "%" G_GUINT64_FORMAT " steps and %" G_GUINT64_FORMAT " tensors do not fit", n_nodes, n_tensors);
  if (!descry_source_reserve (self, n_tensors, error))
    return FALSE;

  self->nodes = descry_try_alloc (n_nodes, sizeof *self->nodes);
  if (self->nodes == NULL || !descry_names_init (&self->node_names, self->nodes, sizeof *self->nodes, (guint) n_nodes))
    return descry_source_fail_memory (self, error);

  descry_cursor_init_memory (&cursor, message->bytes, message->size);
  while (next_field (&cursor, &field))
    if (field.wire == WIRE_BYTES &&
        ((field.number == 5 && !read_tensor (self, &field, error)) ||
         (field.number == 1 && !read_node (self, &field, error))))
      return FALSE;

  return TRUE;
}

gboolean
descry_source_read_onnx (DescrySource *self,
                         const guint8 *bytes,
                         gsize         size,
                         GError      **error)
{
  Field field, graph = { 0 };
  DescryCursor cursor;

  self->format = "onnx";
  descry_cursor_init_memory (&cursor, bytes, size);
  while (next_field (&cursor, &field))
    if (field.number == 7 && field.wire == WIRE_BYTES)
      {
        if (graph.bytes != NULL)
          return descry_source_fail (self, error, "more than one graph");
        graph = field;
      }
  if (!descry_cursor_check (&cursor, self->path, error))
    return FALSE;

  if (graph.bytes == NULL)
    return descry_source_fail (self, error, "not an ONNX model: it has no graph");

  return read_graph (self, &graph, error);
}
