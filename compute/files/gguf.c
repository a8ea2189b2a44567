/* gguf.c - opening GGUF files: everything is checked here, once
 *
 * Order of a file, all little-endian: magic, version, counts of tensors and keys; the keys with
 * their values; the tensors' names, dimensions, types and offsets; from the next multiple of the
 * alignment on, the tensors themselves, one after another, each on a multiple of the alignment.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-gguf"

#include "config.h"

#include "compute/files/gguf.h"

#include <string.h>

#include "compute/files/cursor.h"
#include "compute/files/gguf-private.h"
#include "compute/memory.h"

/* The least that one record takes in the file: it bounds the counts before anything is allocated.
 * A tensor: length and one byte of name, rank, one dimension, type, offset; all but the last one
 * have at least 8 bytes of data too. */
#define LEAST_ENTRY (8 + 1 + 4 + 1)
#define LEAST_TENSOR (8 + 1 + 4 + 8 + 4 + 8)

/* Keys whose type every reader relies on. */
static const struct
{
  const char *key;
  guint32     type;
} known_keys[] = {
  { "general.architecture", VALUE_STRING },
  { "general.name", VALUE_STRING },
  { "general.author", VALUE_STRING },
  { "general.version", VALUE_STRING },
  { "general.organization", VALUE_STRING },
  { "general.description", VALUE_STRING },
  { "general.license", VALUE_STRING },
  { "general.url", VALUE_STRING },
  { "general.source.url", VALUE_STRING },
  { "general.type", VALUE_STRING },
  { "general.alignment", VALUE_U32 },
  { "general.quantization_version", VALUE_U32 },
  { "general.file_type", VALUE_U32 },
};

guint
descry_gguf_value_bytes (guint32 type)
{
  static const guint8 bytes[N_VALUES] = { 1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8 };

  return type < N_VALUES ? bytes[type] : 0;
}

const char *
descry_gguf_value_name (guint32 type)
{
  static const char *const names[N_VALUES] = {
    "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "FLOAT32",
    "BOOL", "STRING", "ARRAY", "UINT64", "INT64", "FLOAT64"
  };

  return type < N_VALUES ? names[type] : "unknown";
}

/* A name: not empty, not too long, UTF-8 and without a zero inside, since it will be shown. */
static const char *
read_name (DescryGguf   *self,
           DescryCursor *cursor,
           guint64       limit,
           GError      **error)
{
  guint64 n = descry_cursor_u64 (cursor);
  char *name;

  if (descry_cursor_ok (cursor) && (n == 0 || n > limit))
    descry_cursor_fail (cursor, n == 0 ? "a name is empty" : "a name is too long");
  if (!descry_cursor_has (cursor, n))
    {
      descry_cursor_check (cursor, descry_file_path (self->file), error);
      return NULL;
    }

  name = descry_arena_text (&self->arena, n + 1);
  if (name == NULL)
    {
      descry_file_fail_memory (self->file, error);
      return NULL;
    }

  if (descry_cursor_bytes (cursor, name, n) && !g_utf8_validate_len (name, n, NULL))
    descry_cursor_fail (cursor, "a name is not UTF-8 text");

  return descry_cursor_check (cursor, descry_file_path (self->file), error) ? name : NULL;
}

/* Strings one after another: walked once to know their size, then once more to keep them. */
static gboolean
read_strings (DescryGguf      *self,
              DescryCursor    *cursor,
              DescryGgufEntry *entry,
              GError         **error)
{
  guint64 start = cursor->pos;
  guint64 total = 0, i, n;
  DescryBytes *strings;
  char *text;

  for (i = 0; i < entry->n && descry_cursor_ok (cursor); i++)
    {
      n = descry_cursor_u64 (cursor);
      if (n > DESCRY_GGUF_MAX_STRING)
        descry_cursor_fail (cursor, "a string is too long");
      descry_cursor_skip (cursor, n);
      total += n; /* at most the size of the file */
    }
  if (!descry_cursor_ok (cursor))
    return TRUE; /* the caller looks */

  strings = descry_arena_alloc (&self->arena, entry->n, sizeof *strings);
  text = descry_arena_text (&self->arena, total);
  if (strings == NULL || text == NULL)
    return descry_file_fail_memory (self->file, error);

  descry_cursor_seek (cursor, start);
  for (i = 0; i < entry->n; i++)
    {
      n = descry_cursor_u64 (cursor);
      if (n > total) /* the file has changed since */
        {
          descry_cursor_fail (cursor, "a string is too long");
          break;
        }
      descry_cursor_bytes (cursor, text, n);
      strings[i].bytes = text;
      strings[i].length = n;
      text += n;
      total -= n;
    }

  entry->array = strings;
  return TRUE;
}

static gboolean
read_array (DescryGguf      *self,
            DescryCursor    *cursor,
            DescryGgufEntry *entry,
            GError         **error)
{
  guint64 i;
  guint size;

  entry->element = descry_cursor_u32 (cursor);
  entry->n = descry_cursor_u64 (cursor);
  if (!descry_cursor_ok (cursor))
    return TRUE;

  /* The type decides the stride: look at it before using it. Arrays of arrays are not read. */
  size = descry_gguf_value_bytes (entry->element);
  if (size == 0)
    return descry_file_fail (self->file, error, "key '%s': array of %s (type %u): not supported", entry->key,
                 descry_gguf_value_name (entry->element), entry->element);
  if (!descry_cursor_has_many (cursor, entry->n, size))
    return TRUE;

  if (entry->element == VALUE_STRING)
    return read_strings (self, cursor, entry, error);

  entry->array = descry_arena_alloc (&self->arena, entry->n, size);
  if (entry->array == NULL)
    return descry_file_fail_memory (self->file, error);

  descry_cursor_bytes (cursor, entry->array, entry->n * size);
  if (entry->element == VALUE_BOOL)
    for (i = 0; i < entry->n; i++)
      if (((guint8 *) entry->array)[i] > 1)
        return descry_file_fail (self->file, error, "key '%s': 0 or 1 expected, found %u", entry->key, ((guint8 *) entry->array)[i]);

#if G_BYTE_ORDER == G_BIG_ENDIAN
#error "arrays are taken as they lie in the file"
#endif

  return TRUE;
}

static gboolean
read_value (DescryGguf      *self,
            DescryCursor    *cursor,
            DescryGgufEntry *entry,
            GError         **error)
{
  guint32 bits;
  guint64 wide;
  float single;
  char *text;

  switch (entry->type)
    {
    case VALUE_U8:
      entry->u = descry_cursor_u8 (cursor);
      break;
    case VALUE_I8:
      entry->i = (gint8) descry_cursor_u8 (cursor);
      break;
    case VALUE_U16:
      entry->u = descry_cursor_u16 (cursor);
      break;
    case VALUE_I16:
      entry->i = (gint16) descry_cursor_u16 (cursor);
      break;
    case VALUE_U32:
      entry->u = descry_cursor_u32 (cursor);
      break;
    case VALUE_I32:
      entry->i = (gint32) descry_cursor_u32 (cursor);
      break;
    case VALUE_U64:
      entry->u = descry_cursor_u64 (cursor);
      break;
    case VALUE_I64:
      entry->i = (gint64) descry_cursor_u64 (cursor);
      break;
    case VALUE_F32:
      bits = descry_cursor_u32 (cursor);
      memcpy (&single, &bits, sizeof single);
      entry->f = single;
      break;
    case VALUE_F64:
      wide = descry_cursor_u64 (cursor);
      memcpy (&entry->f, &wide, sizeof entry->f);
      break;
    case VALUE_BOOL:
      entry->u = descry_cursor_u8 (cursor);
      if (entry->u > 1)
        return descry_file_fail (self->file, error, "key '%s': 0 or 1 expected, found %u", entry->key, (guint) entry->u);
      break;
    case VALUE_STRING:
      entry->n = descry_cursor_u64 (cursor);
      if (entry->n > DESCRY_GGUF_MAX_STRING)
        descry_cursor_fail (cursor, "a string is too long");
      if (!descry_cursor_has (cursor, entry->n))
        break;
      text = descry_arena_text (&self->arena, entry->n + 1);
      if (text == NULL)
        return descry_file_fail_memory (self->file, error);
      descry_cursor_bytes (cursor, text, entry->n);
      entry->string = text;
      break;
    case VALUE_ARRAY:
      return read_array (self, cursor, entry, error);
    default:
      return descry_file_fail (self->file, error, "key '%s': unknown type %u", entry->key, entry->type);
    }

  return TRUE;
}

static gboolean
check_known_key (DescryGguf      *self,
                 DescryGgufEntry *entry,
                 GError         **error)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (known_keys); i++)
    if (strcmp (known_keys[i].key, entry->key) == 0 && known_keys[i].type != entry->type)
      return descry_file_fail (self->file, error, "key '%s': type %s expected, found %s", entry->key,
                   descry_gguf_value_name (known_keys[i].type), descry_gguf_value_name (entry->type));

  return TRUE;
}

static gboolean
read_entries (DescryGguf   *self,
              DescryCursor *cursor,
              GError      **error)
{
  const char *path = descry_file_path (self->file);
  guint i;

  self->entries = descry_try_alloc (self->n_entries, sizeof *self->entries);
  if (self->entries == NULL || !descry_names_init (&self->entry_names, self->entries, sizeof *self->entries, self->n_entries))
    return descry_file_fail_memory (self->file, error);

  for (i = 0; i < self->n_entries; i++)
    {
      DescryGgufEntry *entry = self->entries + i;

      entry->key = read_name (self, cursor, DESCRY_GGUF_MAX_KEY, error);
      if (entry->key == NULL)
        return FALSE;

      if (!descry_names_add (&self->entry_names, i))
        return descry_file_fail (self->file, error, "key '%s' is there twice", entry->key);

      entry->type = descry_cursor_u32 (cursor);
      if (!descry_cursor_check (cursor, path, error) ||
          !read_value (self, cursor, entry, error) ||
          !descry_cursor_check (cursor, path, error) ||
          !check_known_key (self, entry, error))
        return FALSE;
    }

  return TRUE;
}

static gboolean
read_tensor (DescryGguf       *self,
             DescryCursor     *cursor,
             DescryGgufTensor *tensor,
             GError          **error)
{
  guint32 type;
  guint i;

  tensor->name = read_name (self, cursor, DESCRY_GGUF_MAX_NAME, error);
  if (tensor->name == NULL)
    return FALSE;

  tensor->n_dims = descry_cursor_u32 (cursor);
  if (!descry_cursor_check (cursor, descry_file_path (self->file), error))
    return FALSE;
  if (tensor->n_dims < 1 || tensor->n_dims > 4)
    return descry_file_fail (self->file, error, "tensor '%s': 1 to 4 dimensions expected, found %u", tensor->name, tensor->n_dims);

  tensor->count = 1;
  for (i = 0; i < 4; i++)
    {
      tensor->dims[i] = i < tensor->n_dims ? descry_cursor_u64 (cursor) : 1;
      if (!descry_cursor_check (cursor, descry_file_path (self->file), error))
        return FALSE;
      if (tensor->dims[i] == 0)
        return descry_file_fail (self->file, error, "tensor '%s': dimension %u is 0", tensor->name, i);
      if (!g_uint64_checked_mul (&tensor->count, tensor->count, tensor->dims[i]) || tensor->count > DESCRY_GGUF_MAX_COUNT)
        return descry_file_fail (self->file, error, "tensor '%s': too many elements", tensor->name);
    }

  type = descry_cursor_u32 (cursor);
  tensor->offset = descry_cursor_u64 (cursor);
  if (!descry_cursor_check (cursor, descry_file_path (self->file), error))
    return FALSE;

  tensor->type = (DescryGgmlType) type;
  if (descry_ggml_name (tensor->type) == NULL)
    return descry_file_fail (self->file, error, "tensor '%s': unknown type %u", tensor->name, type);
  if (tensor->dims[0] % descry_ggml_block (tensor->type) != 0 ||
      !descry_ggml_bytes (tensor->type, tensor->count, &tensor->bytes))
    return descry_file_fail (self->file, error, "tensor '%s': rows of a multiple of %u elements expected for %s, found %" G_GUINT64_FORMAT, tensor->name,
                 descry_ggml_block (tensor->type), descry_ggml_name (tensor->type), tensor->dims[0]);

  return TRUE;
}

/* Rounds up to a multiple of @alignment, a power of two; FALSE when that does not fit. */
static gboolean
align_up (guint64 *value,
          guint64  alignment)
{
  if (!g_uint64_checked_add (value, *value, alignment - 1))
    return FALSE;

  *value &= ~(alignment - 1);
  return TRUE;
}

/* Tensors follow one another without a hole or an overlap, and fill the file. */
static gboolean
place_tensors (DescryGguf *self,
               guint64     header,
               guint64     alignment,
               GError    **error)
{
  guint64 size = descry_file_size (self->file);
  guint64 start = header, expected = 0, space;
  guint i;

  if (self->n_tensors == 0)
    return TRUE;

  if (!align_up (&start, alignment) || start > size)
    return descry_file_fail (self->file, error, "the file ends before the first tensor");
  space = size - start;

  for (i = 0; i < self->n_tensors; i++)
    {
      DescryGgufTensor *tensor = self->tensors + i;

      if (tensor->offset != expected)
        return descry_file_fail (self->file, error, "tensor '%s': offset %" G_GUINT64_FORMAT " expected, found %" G_GUINT64_FORMAT,
                     tensor->name, expected, tensor->offset);
      if (tensor->offset > space || tensor->bytes > space - tensor->offset)
        return descry_file_fail (self->file, error, "tensor '%s': %" G_GUINT64_FORMAT " bytes expected, found %" G_GUINT64_FORMAT,
                     tensor->name, tensor->bytes, tensor->offset > space ? 0 : space - tensor->offset);

      expected = tensor->offset + tensor->bytes; /* at most the file's size */
      if (i + 1 == self->n_tensors && space - expected >= alignment)
        return descry_file_fail (self->file, error, "%" G_GUINT64_FORMAT " bytes after the last tensor", space - expected);
      if (!align_up (&expected, alignment))
        return descry_file_fail (self->file, error, "tensor '%s': too large", tensor->name);

      tensor->offset += start;
    }

  return TRUE;
}

static gboolean
read_tensors (DescryGguf   *self,
              DescryCursor *cursor,
              GError      **error)
{
  guint64 alignment = DESCRY_GGUF_ALIGNMENT;
  guint i;

  if (descry_gguf_has (self, "general.alignment"))
    {
      if (!descry_gguf_get_uint (self, "general.alignment", 8, 1 << 20, &alignment, error))
        return FALSE;
      if ((alignment & (alignment - 1)) != 0)
        return descry_file_fail (self->file, error, "key 'general.alignment': a power of two expected, found %" G_GUINT64_FORMAT, alignment);
    }

  if (self->n_tensors > (descry_cursor_remaining (cursor) + 7) / (LEAST_TENSOR + 8))
    return descry_file_fail (self->file, error, "%u tensors do not fit into the file", self->n_tensors);

  self->tensors = descry_try_alloc (self->n_tensors, sizeof *self->tensors);
  if (self->tensors == NULL || !descry_names_init (&self->tensor_names, self->tensors, sizeof *self->tensors, self->n_tensors))
    return descry_file_fail_memory (self->file, error);

  for (i = 0; i < self->n_tensors; i++)
    {
      if (!read_tensor (self, cursor, self->tensors + i, error))
        return FALSE;
      if (!descry_names_add (&self->tensor_names, i))
        return descry_file_fail (self->file, error, "tensor '%s' is there twice", self->tensors[i].name);
    }

  return place_tensors (self, cursor->pos, alignment, error);
}

static gboolean
read_header (DescryGguf   *self,
             DescryCursor *cursor,
             GError      **error)
{
  guint32 magic = descry_cursor_u32 (cursor);
  guint32 version = descry_cursor_u32 (cursor);
  guint64 n_tensors = descry_cursor_u64 (cursor);
  guint64 n_entries = descry_cursor_u64 (cursor);

  if (!descry_cursor_check (cursor, descry_file_path (self->file), error))
    return FALSE;
  if (magic != DESCRY_GGUF_MAGIC)
    return descry_file_fail (self->file, error, "not a GGUF file");
  if (version == GUINT32_SWAP_LE_BE_CONSTANT (2) || version == GUINT32_SWAP_LE_BE_CONSTANT (3))
    return descry_file_fail (self->file, error, "a big-endian GGUF file; only little-endian ones are read");
  if (version != 2 && version != 3)
    return descry_file_fail (self->file, error, "GGUF version 2 or 3 expected, found %u", version);
  if (n_tensors > DESCRY_GGUF_MAX_ENTRIES)
    return descry_file_fail (self->file, error, "at most %u tensors expected, found %" G_GUINT64_FORMAT, DESCRY_GGUF_MAX_ENTRIES, n_tensors);
  if (n_entries > DESCRY_GGUF_MAX_ENTRIES)
    return descry_file_fail (self->file, error, "at most %u keys expected, found %" G_GUINT64_FORMAT, DESCRY_GGUF_MAX_ENTRIES, n_entries);

  descry_cursor_has_many (cursor, n_entries, LEAST_ENTRY);
  if (!descry_cursor_check (cursor, descry_file_path (self->file), error))
    return FALSE;

  self->n_tensors = (guint) n_tensors;
  self->n_entries = (guint) n_entries;
  return TRUE;
}

DescryGguf *
descry_gguf_open (const char *path,
                  GError    **error)
{
  g_autoptr (DescryGguf) self = NULL;
  DescryCursor cursor;
  gboolean ok;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  self = g_new0 (DescryGguf, 1);
  self->file = descry_file_open (path, error);
  if (self->file == NULL || !descry_cursor_init_file (&cursor, self->file, error))
    return NULL;

  ok = read_header (self, &cursor, error) &&
       read_entries (self, &cursor, error) &&
       read_tensors (self, &cursor, error);
  descry_cursor_clear (&cursor);

  return ok ? g_steal_pointer (&self) : NULL;
}

void
descry_gguf_free (DescryGguf *self)
{
  if (self == NULL)
    return;

  g_clear_pointer (&self->file, descry_file_close);
  descry_names_clear (&self->entry_names);
  descry_names_clear (&self->tensor_names);
  descry_free (self->entries);
  descry_free (self->tensors);
  descry_arena_clear (&self->arena);
  memset (self, 0, sizeof *self);
  g_free (self);
}

const char *
descry_gguf_path (DescryGguf *self)
{
  return descry_file_path (self->file);
}

guint
descry_gguf_n_tensors (DescryGguf *self)
{
  return self->n_tensors;
}

const DescryGgufTensor *
descry_gguf_tensor (DescryGguf *self,
                    guint       index)
{
  g_return_val_if_fail (index < self->n_tensors, NULL);

  return self->tensors + index;
}

const DescryGgufTensor *
descry_gguf_find (DescryGguf *self,
                  const char *name)
{
  int i = descry_names_find (&self->tensor_names, name);

  return i >= 0 ? self->tensors + i : NULL;
}

static char *
describe_dims (guint          n_dims,
               const guint64 *dims)
{
  GString *text = g_string_new ("[");
  guint i;

  for (i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "", dims[i]);

  return g_string_free (g_string_append_c (text, ']'), FALSE);
}

const DescryGgufTensor *
descry_gguf_want (DescryGguf    *self,
                  const char    *name,
                  guint          n_dims,
                  const guint64 *dims,
                  GError       **error)
{
  const DescryGgufTensor *tensor = descry_gguf_find (self, name);
  g_autofree char *expected = NULL;
  g_autofree char *found = NULL;

  if (tensor != NULL && tensor->n_dims == n_dims && memcmp (tensor->dims, dims, n_dims * sizeof *dims) == 0)
    return tensor;

  expected = describe_dims (n_dims, dims);
  found = tensor != NULL ? describe_dims (tensor->n_dims, tensor->dims) : g_strdup ("no such tensor");
  descry_file_fail (self->file, error, "tensor '%s': %s expected, found %s", name, expected, found);
  return NULL;
}

gpointer
descry_gguf_read (DescryGguf             *self,
                  const DescryGgufTensor *tensor,
                  GError                **error)
{
  gpointer bytes = descry_try_alloc_pages (tensor->bytes);

  if (bytes == NULL)
    {
      descry_file_fail_memory (self->file, error);
      return NULL;
    }

  if (!descry_file_read (self->file, tensor->offset, bytes, tensor->bytes, error))
    {
      descry_free (bytes);
      return NULL;
    }

  return bytes;
}

gboolean
descry_gguf_read_part (DescryGguf             *self,
                       const DescryGgufTensor *tensor,
                       guint64                 at,
                       gpointer                bytes,
                       gsize                   n,
                       GError                **error)
{
  if (at > tensor->bytes || n > tensor->bytes - at)
    return descry_file_fail (self->file, error, "tensor '%s': %" G_GSIZE_FORMAT " bytes wanted at %" G_GUINT64_FORMAT ", it has %" G_GUINT64_FORMAT,
                             tensor->name, n, at, tensor->bytes);

  return descry_file_read (self->file, tensor->offset + at, bytes, n, error);
}

/* Piece by piece, so that both forms of a large tensor are never in memory at once. */
static gboolean
read_values (DescryGguf             *self,
             const DescryGgufTensor *tensor,
             float                  *values,
             GError                **error)
{
  guint block = descry_ggml_block (tensor->type), block_bytes = descry_ggml_block_bytes (tensor->type);
  guint64 n_blocks = tensor->count / block;
  guint64 step = MIN (MAX (65536 / block_bytes, 1), n_blocks);
  guint8 *piece = descry_try_alloc (step, block_bytes);
  gboolean ok = TRUE;
  guint64 i;

  if (piece == NULL)
    return descry_file_fail_memory (self->file, error);

  for (i = 0; i < n_blocks && ok; i += step)
    {
      guint64 n = MIN (step, n_blocks - i);

      ok = descry_file_read (self->file, tensor->offset + i * block_bytes, piece, n * block_bytes, error);
      if (ok && !descry_ggml_dequantise (tensor->type, piece, n * block, values + i * block))
        ok = descry_file_fail (self->file, error, "tensor '%s': numbers with a fraction expected, found %s", tensor->name, descry_ggml_name (tensor->type));
    }

  descry_free (piece);
  return ok;
}

float *
descry_gguf_read_f32 (DescryGguf             *self,
                      const DescryGgufTensor *tensor,
                      GError                **error)
{
  gsize bytes;
  float *values = NULL;

  if (g_size_checked_mul (&bytes, tensor->count, sizeof (float)))
    values = descry_try_alloc_pages (bytes);
  if (values == NULL)
    {
      descry_file_fail_memory (self->file, error);
      return NULL;
    }

  if (tensor->type == DESCRY_GGML_F32 ? !descry_file_read (self->file, tensor->offset, values, tensor->bytes, error)
                                      : !read_values (self, tensor, values, error))
    g_clear_pointer (&values, descry_free);

  return values;
}
