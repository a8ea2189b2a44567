/* source.c - tensors out of foreign files, for the converter
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-source"

#include "config.h"

#include "compute/files/convert/source.h"

#include <string.h>

#include <jansson.h>

#include "compute/files/convert/source-private.h"
#include "compute/files/io.h"
#include "compute/files/json.h"
#include "compute/files/quant.h"
#include "compute/files/safetensors-private.h"
#include "compute/memory.h"

/* A file is read whole; the converter's process may use this much. */
#define MAX_FILE ((guint64) 16 << 30)

gboolean
descry_source_fail (DescrySource *self,
                    GError      **error,
                    const char   *format,
                    ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s", self->path, text);
  return FALSE;
}

gboolean
descry_source_fail_memory (DescrySource *self,
                           GError      **error)
{
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory", self->path);
  return FALSE;
}

gboolean
descry_source_reserve (DescrySource *self,
                       guint64       n,
                       GError      **error)
{
  if (n > DESCRY_SOURCE_MAX_TENSORS)
    return descry_source_fail (self, error, "at most %u tensors expected, found %" G_GUINT64_FORMAT, DESCRY_SOURCE_MAX_TENSORS, n);

  self->tensors = descry_try_alloc (n, sizeof *self->tensors);
  if (self->tensors == NULL || !descry_names_init (&self->tensor_names, self->tensors, sizeof *self->tensors, (guint) n))
    return descry_source_fail_memory (self, error);

  self->max_tensors = (guint) n;
  return TRUE;
}

char *
descry_source_text (DescrySource *self,
                    const char   *text,
                    gsize         length)
{
  char *copy = descry_arena_text (&self->arena, length + 1);

  if (copy != NULL)
    {
      memcpy (copy, text, length);
      copy[length] = '\0';
    }

  return copy;
}

DescrySourceTensor *
descry_source_add (DescrySource  *self,
                   const char    *name,
                   gsize          length,
                   DescryStType   type,
                   guint          n_dims,
                   const guint64 *dims,
                   GError       **error)
{
  DescrySourceTensor *tensor = self->tensors + self->n_tensors;
  guint i;

  if (length == 0 || length > DESCRY_SOURCE_MAX_NAME || !g_utf8_validate_len (name, length, NULL))
    {
      descry_source_fail (self, error, "the name of a tensor: 1 to %u bytes of UTF-8 text expected", DESCRY_SOURCE_MAX_NAME);
      return NULL;
    }
  if (self->n_tensors >= self->max_tensors)
    {
      descry_source_fail (self, error, "more than the %u tensors announced", self->max_tensors);
      return NULL;
    }

  memset (tensor, 0, sizeof *tensor);
  tensor->name = descry_source_text (self, name, length);
  if (tensor->name == NULL)
    {
      descry_source_fail_memory (self, error);
      return NULL;
    }

  if (n_dims > G_N_ELEMENTS (tensor->dims))
    {
      descry_source_fail (self, error, "tensor '%s': at most 8 dimensions expected, found %u", tensor->name, n_dims);
      return NULL;
    }

  tensor->type = type;
  tensor->n_dims = MAX (n_dims, 1);
  tensor->scalar = n_dims == 0;
  tensor->count = 1;
  for (i = 0; i < G_N_ELEMENTS (tensor->dims); i++)
    {
      tensor->dims[i] = i < n_dims ? dims[i] : 1;
      if (!g_uint64_checked_mul (&tensor->count, tensor->count, tensor->dims[i]) || tensor->count > DESCRY_SOURCE_MAX_COUNT)
        {
          descry_source_fail (self, error, "tensor '%s': too many elements", tensor->name);
          return NULL;
        }
    }
  tensor->bytes = tensor->count * descry_st_bytes (type);

  if (!descry_names_add (&self->tensor_names, self->n_tensors))
    {
      descry_source_fail (self, error, "tensor '%s' is there twice", tensor->name);
      return NULL;
    }

  self->n_tensors++;
  return tensor;
}

gpointer
descry_source_block (DescrySource *self,
                     guint64       bytes,
                     GError      **error)
{
  gpointer block = descry_try_alloc (bytes, 1);

  if (block == NULL)
    descry_source_fail_memory (self, error);
  else
    g_ptr_array_add (self->blocks, block);

  return block;
}

void
descry_source_note_file (DescrySource *self,
                         const char   *name,
                         const guint8 *bytes,
                         guint64       size)
{
  DescrySourceFile file = { .name = g_path_get_basename (name), .size = size };

  file.sha256 = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, size);
  g_array_append_val (self->files, file);
}

static void
clear_file (DescrySourceFile *file)
{
  g_free (file->name);
  g_free (file->sha256);
}

static DescrySource *
make_source (const char *path,
             GString    *report)
{
  DescrySource *self = g_new0 (DescrySource, 1);

  self->path = g_strdup (path);
  self->report = report;
  self->blocks = g_ptr_array_new_with_free_func (descry_free);
  self->files = g_array_new (FALSE, TRUE, sizeof (DescrySourceFile));
  g_array_set_clear_func (self->files, (GDestroyNotify) clear_file);

  return self;
}

/* One chunk: its name is the SHA-256 of its bytes, 64 hexadecimal digits and so no path. */
static gboolean
read_chunk (DescrySource *self,
            const char   *folder,
            json_t       *chunk,
            guint8       *joined,
            guint64       at,
            guint64       size,
            guint64      *end,
            GError      **error)
{
  const char *hash = json_string_value (json_object_get (chunk, "hash"));
  json_t *offsets = json_object_get (chunk, "offsets");
  json_int_t from = json_integer_value (json_array_get (offsets, 0));
  json_int_t to = json_integer_value (json_array_get (offsets, 1));
  g_autofree char *path = NULL;
  g_autofree char *found = NULL;
  g_autoptr (DescryFile) file = NULL;

  if (hash == NULL || strlen (hash) != 64 || strspn (hash, "0123456789abcdef") != 64)
    return descry_source_fail (self, error, "a chunk's hash of 64 hexadecimal digits expected");
  if (from < 0 || (guint64) from != at || to <= from || (guint64) to > size)
    return descry_source_fail (self, error, "chunk %s: it does not follow the one before", hash);

  path = g_build_filename (folder, hash, NULL);
  file = descry_file_open (path, error);
  if (file == NULL)
    return FALSE;
  if (descry_file_size (file) != (guint64) (to - from))
    return descry_source_fail (self, error, "chunk %s: %" G_GUINT64_FORMAT " bytes expected, found %" G_GUINT64_FORMAT,
                               hash, (guint64) (to - from), descry_file_size (file));
  if (!descry_file_read (file, 0, joined + at, to - from, error))
    return FALSE;

  found = g_compute_checksum_for_data (G_CHECKSUM_SHA256, joined + at, to - from);
  if (strcmp (found, hash) != 0)
    return descry_source_fail (self, error, "chunk %s: damaged, its SHA-256 is %s", hash, found);

  *end = (guint64) to;
  return TRUE;
}

/* `FILE#KEY`: FILE is JSON with KEY → { size, chunks: [{ hash, offsets }] }. */
static guint8 *
join_chunks (DescrySource *self,
             const char   *file,
             const char   *key,
             gsize        *size,
             GError      **error)
{
  g_autofree char *folder = g_path_get_dirname (file);
  json_t *root = descry_files_json_load (file, 1 << 20, 16, error);
  json_t *entry, *chunks, *chunk;
  guint64 at = 0, total;
  guint8 *joined = NULL;
  gsize i;

  if (root == NULL)
    return NULL;

  entry = json_object_get (root, key);
  chunks = json_object_get (entry, "chunks");
  total = (guint64) MAX (json_integer_value (json_object_get (entry, "size")), 0);
  if (!json_is_array (chunks) || total == 0 || total > MAX_FILE)
    descry_source_fail (self, error, "no list of chunks and size under '%s'", key);
  else
    joined = descry_source_block (self, total, error);

  if (joined != NULL)
    json_array_foreach (chunks, i, chunk)
      if (!read_chunk (self, folder, chunk, joined, at, total, &at, error))
        {
          joined = NULL; /* the source frees it */
          break;
        }

  if (joined != NULL && at != total)
    {
      descry_source_fail (self, error, "%" G_GUINT64_FORMAT " bytes expected, the chunks have %" G_GUINT64_FORMAT, total, at);
      joined = NULL;
    }

  json_decref (root);
  *size = total;
  return joined;
}

static gboolean
read_any (DescrySource *self,
          const guint8 *bytes,
          gsize         size,
          GError      **error)
{
  gsize i = 0;

  while (i < size && i < 64 && g_ascii_isspace (bytes[i]))
    i++;

  if (size >= 4 && memcmp (bytes, "PK\3\4", 4) == 0)
    return descry_source_read_torch_zip (self, bytes, size, error);
  if (size >= 3 && bytes[0] == 0x80 && bytes[1] == 2 && bytes[2] == 0x8a)
    return descry_source_read_torch_stream (self, bytes, size, error);
  if (i < size && bytes[i] == '{')
    return descry_source_read_tfjs (self, bytes, size, error);
  if (size >= 2 && bytes[0] == 0x08) /* ONNX begins with field 1, the version of its format */
    return descry_source_read_onnx (self, bytes, size, error);

  return descry_source_fail (self, error, "of no format that is converted: torch, TensorFlow.js graph, ONNX");
}

DescrySource *
descry_source_open (const char *path,
                    GString    *report,
                    GError    **error)
{
  g_autoptr (DescrySource) self = NULL;
  const char *key = strchr (path, '#');
  guint8 *bytes;
  gsize size = 0;

  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  self = make_source (path, report);
  if (key != NULL)
    {
      g_autofree char *file = g_strndup (path, key - path);

      bytes = join_chunks (self, file, key + 1, &size, error);
    }
  else
    {
      bytes = descry_file_read_all (path, MAX_FILE, &size, error);
      if (bytes != NULL)
        g_ptr_array_add (self->blocks, bytes);
    }
  if (bytes == NULL)
    return NULL;

  descry_source_note_file (self, key != NULL ? key + 1 : path, bytes, size);
  if (!read_any (self, bytes, size, error))
    return NULL;

  return g_steal_pointer (&self);
}

void
descry_source_free (DescrySource *self)
{
  if (self == NULL)
    return;

  g_free (self->path);
  descry_names_clear (&self->tensor_names);
  descry_names_clear (&self->node_names);
  descry_free (self->tensors);
  descry_free (self->nodes);
  g_ptr_array_unref (self->blocks);
  g_array_unref (self->files);
  descry_arena_clear (&self->arena);
  memset (self, 0, sizeof *self);
  g_free (self);
}

const char *
descry_source_path (DescrySource *self)
{
  return self->path;
}

const char *
descry_source_format (DescrySource *self)
{
  return self->format;
}

guint
descry_source_n_files (DescrySource *self)
{
  return self->files->len;
}

const DescrySourceFile *
descry_source_file (DescrySource *self,
                    guint         index)
{
  g_return_val_if_fail (index < self->files->len, NULL);

  return &g_array_index (self->files, DescrySourceFile, index);
}

guint
descry_source_n_tensors (DescrySource *self)
{
  return self->n_tensors;
}

DescrySourceTensor *
descry_source_tensor (DescrySource *self,
                      guint         index)
{
  g_return_val_if_fail (index < self->n_tensors, NULL);

  return self->tensors + index;
}

DescrySourceTensor *
descry_source_find (DescrySource *self,
                    const char   *name)
{
  int i = descry_names_find (&self->tensor_names, name);

  return i >= 0 ? self->tensors + i : NULL;
}

const DescrySourceNode *
descry_source_find_node (DescrySource *self,
                         const char   *name)
{
  int i = descry_names_find (&self->node_names, name);

  return i >= 0 ? self->nodes + i : NULL;
}

const char *
descry_source_type_name (DescryStType type)
{
  return descry_st_name (type);
}

float *
descry_source_to_f32 (const DescrySourceTensor *tensor)
{
  return descry_st_to_f32 (tensor->type, tensor->data, tensor->count);
}
