/* safetensors.c - reading safetensors files
 *
 * A file is the length of its header (u64), the header (JSON: name → dtype, shape, the first
 * and the last byte + 1 within the data), and the data. Tensors fill the data without hole or
 * overlap. A dimension of 0 is allowed here, other than in weight files: no boxes found is a
 * tensor [0, 4].
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-safetensors"

#include "config.h"

#include "compute/files/safetensors.h"

#include <string.h>

#include <jansson.h>

#include "compute/files/arena.h"
#include "compute/files/io.h"
#include "compute/files/json.h"
#include "compute/files/names.h"
#include "compute/files/quant.h"
#include "compute/files/safetensors-private.h"
#include "compute/memory.h"

#define MAX_HEADER 100000000
#define MAX_TENSORS 100000
#define MAX_NAME 1024
#define MAX_COUNT ((guint64) 1 << 40)

struct _DescrySafetensors
{
  DescryFile     *file;
  DescryArena     arena;
  DescryStTensor *tensors;
  guint           n_tensors;
  DescryNames     names;
};

/* In the order of DescryStType. */
static const struct
{
  const char *name;
  guint       bytes;
} types[] = {
  { "F32", 4 }, { "F16", 2 }, { "BF16", 2 }, { "F64", 8 }, { "I64", 8 },
  { "I32", 4 }, { "I16", 2 }, { "I8", 1 }, { "U8", 1 }, { "BOOL", 1 },
};

const char *
descry_st_name (DescryStType type)
{
  return type < G_N_ELEMENTS (types) ? types[type].name : NULL;
}

guint
descry_st_bytes (DescryStType type)
{
  return type < G_N_ELEMENTS (types) ? types[type].bytes : 0;
}

static gboolean
get_whole (json_t  *value,
           guint64 *number)
{
  if (!json_is_integer (value) || json_integer_value (value) < 0)
    return FALSE;

  *number = (guint64) json_integer_value (value);
  return TRUE;
}

static gboolean
read_type (DescrySafetensors *self,
           DescryStTensor    *tensor,
           json_t            *value,
           GError           **error)
{
  const char *name = json_string_value (value);
  guint i;

  for (i = 0; name != NULL && i < G_N_ELEMENTS (types); i++)
    if (strcmp (types[i].name, name) == 0)
      {
        tensor->type = (DescryStType) i;
        return TRUE;
      }

  return descry_file_fail (self->file, error, "tensor '%s': unknown dtype '%.16s'", tensor->name, name != NULL ? name : "");
}

static gboolean
read_shape (DescrySafetensors *self,
            DescryStTensor    *tensor,
            json_t            *value,
            GError           **error)
{
  guint64 count = 1;
  gsize i;

  if (!json_is_array (value) || json_array_size (value) > G_N_ELEMENTS (tensor->dims))
    return descry_file_fail (self->file, error, "tensor '%s': a shape of at most 8 dimensions expected", tensor->name);

  tensor->n_dims = (guint) json_array_size (value);
  for (i = 0; i < G_N_ELEMENTS (tensor->dims); i++)
    {
      tensor->dims[i] = 1;
      if (i < tensor->n_dims && !get_whole (json_array_get (value, i), tensor->dims + i))
        return descry_file_fail (self->file, error, "tensor '%s': whole numbers expected in its shape", tensor->name);
      if (!g_uint64_checked_mul (&count, count, tensor->dims[i]) || count > MAX_COUNT)
        return descry_file_fail (self->file, error, "tensor '%s': too many elements", tensor->name);
    }

  tensor->count = count;
  tensor->n_dims = MAX (tensor->n_dims, 1);
  return TRUE;
}

/* Offsets count from the first byte of the data; they become positions in the file. */
static gboolean
read_range (DescrySafetensors *self,
            DescryStTensor    *tensor,
            json_t            *value,
            guint64            start,
            GError           **error)
{
  guint64 space = descry_file_size (self->file) - start;
  guint64 begin, end;

  if (!json_is_array (value) || json_array_size (value) != 2 ||
      !get_whole (json_array_get (value, 0), &begin) || !get_whole (json_array_get (value, 1), &end))
    return descry_file_fail (self->file, error, "tensor '%s': two data_offsets expected", tensor->name);

  if (begin > end || end > space)
    return descry_file_fail (self->file, error, "tensor '%s': bytes %" G_GUINT64_FORMAT "…%" G_GUINT64_FORMAT " lie outside the file's %" G_GUINT64_FORMAT,
                 tensor->name, begin, end, space);

  /* At most 2^40 elements of 8 bytes: the product fits. */
  tensor->bytes = tensor->count * types[tensor->type].bytes;
  tensor->offset = start + begin;
  if (tensor->bytes != end - begin)
    return descry_file_fail (self->file, error, "tensor '%s': %" G_GUINT64_FORMAT " bytes expected, found %" G_GUINT64_FORMAT,
                 tensor->name, tensor->bytes, end - begin);

  return TRUE;
}

static int
by_offset (gconstpointer a,
           gconstpointer b)
{
  const DescryStTensor *first = a, *second = b;

  if (first->offset != second->offset)
    return first->offset < second->offset ? -1 : 1;

  /* Empty ones before the one that begins at the same byte. */
  return (first->bytes > second->bytes) - (first->bytes < second->bytes);
}

static gboolean
check_cover (DescrySafetensors *self,
             guint64            start,
             GError           **error)
{
  guint64 expected = start;
  guint i;

  qsort (self->tensors, self->n_tensors, sizeof *self->tensors, by_offset);

  for (i = 0; i < self->n_tensors; i++)
    {
      const DescryStTensor *tensor = self->tensors + i;

      if (tensor->offset != expected)
        return descry_file_fail (self->file, error, "tensor '%s': byte %" G_GUINT64_FORMAT " expected as its first, found %" G_GUINT64_FORMAT,
                     tensor->name, expected, tensor->offset);
      expected += tensor->bytes;
    }

  if (expected != descry_file_size (self->file))
    return descry_file_fail (self->file, error, "%" G_GUINT64_FORMAT " bytes after the last tensor", descry_file_size (self->file) - expected);

  return TRUE;
}

static gboolean
read_tensors (DescrySafetensors *self,
              json_t            *header,
              guint64            start,
              GError           **error)
{
  const char *name;
  json_t *value;
  guint n = 0;

  if (json_object_size (header) > MAX_TENSORS)
    return descry_file_fail (self->file, error, "at most %u tensors expected, found %" G_GSIZE_FORMAT, MAX_TENSORS, json_object_size (header));

  self->tensors = descry_try_alloc (json_object_size (header), sizeof *self->tensors);
  if (self->tensors == NULL)
    return descry_file_fail_memory (self->file, error);

  json_object_foreach (header, name, value)
    {
      DescryStTensor *tensor = self->tensors + n;
      gsize length = strlen (name);
      char *copy;

      if (strcmp (name, "__metadata__") == 0)
        continue;

      if (length == 0 || length > MAX_NAME)
        return descry_file_fail (self->file, error, "the name of a tensor has %" G_GSIZE_FORMAT " bytes", length);
      if (!json_is_object (value))
        return descry_file_fail (self->file, error, "tensor '%s': an object expected", name);

      copy = descry_arena_text (&self->arena, length + 1);
      if (copy == NULL)
        return descry_file_fail_memory (self->file, error);

      tensor->name = memcpy (copy, name, length + 1);
      if (!read_type (self, tensor, json_object_get (value, "dtype"), error) ||
          !read_shape (self, tensor, json_object_get (value, "shape"), error) ||
          !read_range (self, tensor, json_object_get (value, "data_offsets"), start, error))
        return FALSE;

      n++;
    }

  self->n_tensors = n;
  if (!check_cover (self, start, error))
    return FALSE;

  if (!descry_names_init (&self->names, self->tensors, sizeof *self->tensors, n))
    return descry_file_fail_memory (self->file, error);
  while (n-- > 0)
    descry_names_add (&self->names, n); /* the JSON reader refused doubles */

  return TRUE;
}

static gboolean
read_header (DescrySafetensors *self,
             GError           **error)
{
  guint64 size = descry_file_size (self->file);
  guint64 length;
  char *text;
  json_t *header = NULL;
  gboolean ok;

  if (size < sizeof length)
    return descry_file_fail (self->file, error, "not a safetensors file: it has %" G_GUINT64_FORMAT " bytes", size);
  if (!descry_file_read (self->file, 0, &length, sizeof length, error))
    return FALSE;

  length = GUINT64_FROM_LE (length);
  if (length > MAX_HEADER || length > size - sizeof length)
    return descry_file_fail (self->file, error, "a header of at most %" G_GUINT64_FORMAT " bytes expected, found %" G_GUINT64_FORMAT,
                 MIN (MAX_HEADER, size - sizeof length), length);

  text = descry_try_alloc (length, 1);
  if (text == NULL)
    return descry_file_fail_memory (self->file, error);

  if (descry_file_read (self->file, sizeof length, text, length, error))
    header = descry_files_json_parse (text, length, 8, descry_file_path (self->file), error);
  descry_free (text);
  if (header == NULL)
    return FALSE;

  ok = json_is_object (header) ? read_tensors (self, header, sizeof length + length, error)
                               : descry_file_fail (self->file, error, "the header is not an object");
  json_decref (header);
  return ok;
}

DescrySafetensors *
descry_safetensors_open (const char *path,
                         GError    **error)
{
  g_autoptr (DescrySafetensors) self = NULL;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  self = g_new0 (DescrySafetensors, 1);
  self->file = descry_file_open (path, error);
  if (self->file == NULL || !read_header (self, error))
    return NULL;

  return g_steal_pointer (&self);
}

void
descry_safetensors_free (DescrySafetensors *self)
{
  if (self == NULL)
    return;

  g_clear_pointer (&self->file, descry_file_close);
  descry_names_clear (&self->names);
  descry_free (self->tensors);
  descry_arena_clear (&self->arena);
  memset (self, 0, sizeof *self);
  g_free (self);
}

guint
descry_safetensors_n_tensors (DescrySafetensors *self)
{
  return self->n_tensors;
}

const DescryStTensor *
descry_safetensors_tensor (DescrySafetensors *self,
                           guint              index)
{
  g_return_val_if_fail (index < self->n_tensors, NULL);

  return self->tensors + index;
}

const DescryStTensor *
descry_safetensors_find (DescrySafetensors *self,
                         const char        *name)
{
  int i = descry_names_find (&self->names, name);

  return i >= 0 ? self->tensors + i : NULL;
}

gpointer
descry_safetensors_read (DescrySafetensors    *self,
                         const DescryStTensor *tensor,
                         GError              **error)
{
  gpointer bytes = descry_try_alloc_pages (tensor->bytes);

  if (bytes == NULL)
    {
      descry_file_fail_memory (self->file, error);
      return NULL;
    }

  if (!descry_file_read (self->file, tensor->offset, bytes, tensor->bytes, error))
    g_clear_pointer (&bytes, descry_free);

  return bytes;
}

static const DescryStTensor *
want (DescrySafetensors *self,
      const char        *name,
      GError           **error)
{
  const DescryStTensor *tensor = descry_safetensors_find (self, name);

  if (tensor == NULL)
    descry_file_fail (self->file, error, "tensor '%s' expected, not found", name);

  return tensor;
}

/* Whole numbers of all widths. */
static gint64
get_integer (DescryStType  type,
             const guint8 *bytes,
             guint64       i)
{
  gint64 i64;
  gint32 i32;
  gint16 i16;

  switch (type)
    {
    case DESCRY_ST_I64:
      memcpy (&i64, bytes + i * 8, 8);
      return i64;
    case DESCRY_ST_I32:
      memcpy (&i32, bytes + i * 4, 4);
      return i32;
    case DESCRY_ST_I16:
      memcpy (&i16, bytes + i * 2, 2);
      return i16;
    case DESCRY_ST_I8:
      return ((const gint8 *) bytes)[i];
    default:
      return bytes[i];
    }
}

static DescryGgmlType
float_type (DescryStType type)
{
  switch (type)
    {
    case DESCRY_ST_F32:
      return DESCRY_GGML_F32;
    case DESCRY_ST_F16:
      return DESCRY_GGML_F16;
    case DESCRY_ST_BF16:
      return DESCRY_GGML_BF16;
    case DESCRY_ST_F64:
      return DESCRY_GGML_F64;
    default:
      return DESCRY_GGML_I8; /* not a float */
    }
}

float *
descry_st_to_f32 (DescryStType  type,
                  const guint8 *bytes,
                  guint64       count)
{
  float *values = descry_try_alloc (count, sizeof *values);
  guint64 i;

  if (values != NULL && !descry_ggml_dequantise (float_type (type), bytes, count, values))
    for (i = 0; i < count; i++)
      values[i] = (float) get_integer (type, bytes, i);

  return values;
}

float *
descry_safetensors_read_f32 (DescrySafetensors *self,
                             const char        *name,
                             guint64           *count,
                             GError           **error)
{
  const DescryStTensor *tensor = want (self, name, error);
  guint8 *bytes;
  float *values;

  if (tensor == NULL)
    return NULL;

  bytes = descry_safetensors_read (self, tensor, error);
  if (bytes == NULL)
    return NULL;

  if (count != NULL)
    *count = tensor->count;
  if (tensor->type == DESCRY_ST_F32)
    return (float *) (gpointer) bytes;

  values = descry_st_to_f32 (tensor->type, bytes, tensor->count);
  if (values == NULL)
    descry_file_fail_memory (self->file, error);

  descry_free (bytes);
  return values;
}

gint32 *
descry_safetensors_read_i32 (DescrySafetensors *self,
                             const char        *name,
                             guint64           *count,
                             GError           **error)
{
  const DescryStTensor *tensor = want (self, name, error);
  guint8 *bytes;
  gint32 *values;
  guint64 i;

  if (tensor == NULL)
    return NULL;

  if (tensor->type <= DESCRY_ST_F64)
    {
      descry_file_fail (self->file, error, "tensor '%s': whole numbers expected, found %s", name, types[tensor->type].name);
      return NULL;
    }

  bytes = descry_safetensors_read (self, tensor, error);
  if (bytes == NULL)
    return NULL;

  values = descry_try_alloc (tensor->count, sizeof *values);
  if (values == NULL)
    descry_file_fail_memory (self->file, error);

  for (i = 0; values != NULL && i < tensor->count; i++)
    {
      gint64 value = get_integer (tensor->type, bytes, i);

      if (value < G_MININT32 || value > G_MAXINT32)
        {
          descry_file_fail (self->file, error, "tensor '%s': numbers of 32 bits expected, found %" G_GINT64_FORMAT, name, value);
          g_clear_pointer (&values, descry_free);
          break;
        }
      values[i] = (gint32) value;
    }

  descry_free (bytes);
  if (count != NULL)
    *count = tensor->count;
  return values;
}
