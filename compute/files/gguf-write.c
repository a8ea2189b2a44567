/* gguf-write.c - writing GGUF version 3
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-gguf"

#include "config.h"

#include "compute/files/gguf.h"

#include <string.h>

#include "compute/files/gguf-private.h"
#include "compute/memory.h"

typedef struct
{
  char   *key;
  guint8 *value; /* type and value as they are written */
  gsize   bytes;
} Pair;

typedef struct
{
  char          *name;
  DescryGgmlType type;
  guint          n_dims;
  guint64        dims[4];
  guint64        bytes;
  gpointer       data; /* NULL when @fill makes it */
  DescryGgufFill fill;
  gpointer       fill_data;
} Part;

struct _DescryGgufWriter
{
  GArray  *pairs;
  GArray  *parts;
  gboolean out_of_memory; /* sticks; told when writing */
};

static void
clear_pair (Pair *pair)
{
  g_free (pair->key);
  descry_free (pair->value);
}

static void
clear_part (Part *part)
{
  g_free (part->name);
  descry_free (part->data);
}

DescryGgufWriter *
descry_gguf_writer_new (void)
{
  DescryGgufWriter *writer = g_new0 (DescryGgufWriter, 1);

  writer->pairs = g_array_new (FALSE, TRUE, sizeof (Pair));
  g_array_set_clear_func (writer->pairs, (GDestroyNotify) clear_pair);
  writer->parts = g_array_new (FALSE, TRUE, sizeof (Part));
  g_array_set_clear_func (writer->parts, (GDestroyNotify) clear_part);

  return writer;
}

void
descry_gguf_writer_free (DescryGgufWriter *writer)
{
  if (writer == NULL)
    return;

  g_array_unref (writer->pairs);
  g_array_unref (writer->parts);
  memset (writer, 0, sizeof *writer);
  g_free (writer);
}

static guint8 *
put (guint8       *out,
     gconstpointer bytes,
     gsize         n)
{
  memcpy (out, bytes, n);
  return out + n;
}

static guint8 *
put_u32 (guint8 *out,
         guint32 value)
{
  value = GUINT32_TO_LE (value);
  return put (out, &value, sizeof value);
}

static guint8 *
put_u64 (guint8 *out,
         guint64 value)
{
  value = GUINT64_TO_LE (value);
  return put (out, &value, sizeof value);
}

/* A pair of that key, replacing an older one, with room for a value of @bytes after its type. */
static guint8 *
add_pair (DescryGgufWriter *writer,
          const char       *key,
          guint32           type,
          gsize             bytes)
{
  Pair pair;
  guint i;

  for (i = 0; i < writer->pairs->len; i++)
    if (strcmp (g_array_index (writer->pairs, Pair, i).key, key) == 0)
      {
        g_array_remove_index (writer->pairs, i);
        break;
      }

  pair.bytes = bytes + 4;
  pair.value = bytes > G_MAXSSIZE - 4 ? NULL : descry_try_alloc (pair.bytes, 1);
  if (pair.value == NULL)
    {
      writer->out_of_memory = TRUE;
      return NULL;
    }

  pair.key = g_strdup (key);
  g_array_append_val (writer->pairs, pair);
  return put_u32 (pair.value, type);
}

void
descry_gguf_writer_set_uint (DescryGgufWriter *writer,
                             const char       *key,
                             guint32           value)
{
  guint8 *out = add_pair (writer, key, VALUE_U32, 4);

  if (out != NULL)
    put_u32 (out, value);
}

void
descry_gguf_writer_set_uint64 (DescryGgufWriter *writer,
                               const char       *key,
                               guint64           value)
{
  guint8 *out = add_pair (writer, key, VALUE_U64, 8);

  if (out != NULL)
    put_u64 (out, value);
}

void
descry_gguf_writer_set_float (DescryGgufWriter *writer,
                              const char       *key,
                              float             value)
{
  guint8 *out = add_pair (writer, key, VALUE_F32, 4);

  if (out != NULL)
    put (out, &value, sizeof value);
}

void
descry_gguf_writer_set_bool (DescryGgufWriter *writer,
                             const char       *key,
                             gboolean          value)
{
  guint8 *out = add_pair (writer, key, VALUE_BOOL, 1);

  if (out != NULL)
    *out = value != FALSE;
}

static void
set_text (DescryGgufWriter *writer,
          const char       *key,
          const char       *text,
          gsize             n)
{
  guint8 *out = add_pair (writer, key, VALUE_STRING, 8 + n);

  if (out != NULL)
    put (put_u64 (out, n), text, n);
}

void
descry_gguf_writer_set_string (DescryGgufWriter *writer,
                               const char       *key,
                               const char       *value)
{
  set_text (writer, key, value, strlen (value));
}

void
descry_gguf_writer_set_strings (DescryGgufWriter  *writer,
                                const char        *key,
                                const DescryBytes *values,
                                gsize              n)
{
  gsize total = 12, i;
  guint8 *out;

  for (i = 0; i < n; i++)
    total += 8 + values[i].length; /* they are in memory, so the sum fits */

  out = add_pair (writer, key, VALUE_ARRAY, total);
  if (out == NULL)
    return;

  out = put_u64 (put_u32 (out, VALUE_STRING), n);
  for (i = 0; i < n; i++)
    out = put (put_u64 (out, values[i].length), values[i].bytes, values[i].length);
}

static void
set_array (DescryGgufWriter *writer,
           const char       *key,
           guint32           element,
           gconstpointer     values,
           gsize             n)
{
  gsize bytes = n * descry_gguf_value_bytes (element);
  guint8 *out = add_pair (writer, key, VALUE_ARRAY, 12 + bytes);

  if (out != NULL)
    put (put_u64 (put_u32 (out, element), n), values, bytes);
}

void
descry_gguf_writer_set_floats (DescryGgufWriter *writer,
                               const char       *key,
                               const float      *values,
                               gsize             n)
{
  set_array (writer, key, VALUE_F32, values, n);
}

void
descry_gguf_writer_set_ints (DescryGgufWriter *writer,
                             const char       *key,
                             const gint32     *values,
                             gsize             n)
{
  set_array (writer, key, VALUE_I32, values, n);
}

void
descry_gguf_writer_copy_metadata (DescryGgufWriter *writer,
                                  DescryGguf       *source)
{
  guint i;

  for (i = 0; i < source->n_entries; i++)
    {
      const DescryGgufEntry *entry = source->entries + i;
      guint8 *out;

      switch (entry->type)
        {
        case VALUE_STRING:
          set_text (writer, entry->key, entry->string, entry->n);
          break;
        case VALUE_F32:
          descry_gguf_writer_set_float (writer, entry->key, (float) entry->f);
          break;
        case VALUE_ARRAY:
          if (entry->element == VALUE_STRING)
            descry_gguf_writer_set_strings (writer, entry->key, entry->array, entry->n);
          else
            set_array (writer, entry->key, entry->element, entry->array, entry->n);
          break;
        default:
          /* Whole numbers of any width, bool and f64: the low bytes of the eight. */
          out = add_pair (writer, entry->key, entry->type, descry_gguf_value_bytes (entry->type));
          if (out != NULL)
            put (out, &entry->u, descry_gguf_value_bytes (entry->type));
        }
    }
}

static Part *
add_part (DescryGgufWriter *writer,
          const char       *name,
          DescryGgmlType    type,
          guint             n_dims,
          const guint64    *dims)
{
  Part part = { .name = g_strdup (name), .type = type, .n_dims = n_dims };
  guint64 count = 1;
  guint i;

  for (i = 0; i < n_dims; i++)
    {
      part.dims[i] = dims[i];
      count *= dims[i];
    }
  descry_ggml_bytes (type, count, &part.bytes);

  g_array_append_val (writer->parts, part);
  return &g_array_index (writer->parts, Part, writer->parts->len - 1);
}

void
descry_gguf_writer_add (DescryGgufWriter *writer,
                        const char       *name,
                        DescryGgmlType    type,
                        guint             n_dims,
                        const guint64    *dims,
                        gpointer          data,
                        gsize             bytes)
{
  Part *part;

  g_return_if_fail (n_dims >= 1 && n_dims <= 4);

  if (data == NULL)
    {
      writer->out_of_memory = TRUE;
      return;
    }

  part = add_part (writer, name, type, n_dims, dims);
  part->data = data;
  g_return_if_fail (part->bytes == bytes);
}

void
descry_gguf_writer_add_later (DescryGgufWriter *writer,
                              const char       *name,
                              DescryGgmlType    type,
                              guint             n_dims,
                              const guint64    *dims,
                              DescryGgufFill    fill,
                              gpointer          data)
{
  Part *part;

  g_return_if_fail (n_dims >= 1 && n_dims <= 4);

  part = add_part (writer, name, type, n_dims, dims);
  part->fill = fill;
  part->fill_data = data;
}

static guint64
padding (guint64 position)
{
  return (DESCRY_GGUF_ALIGNMENT - position % DESCRY_GGUF_ALIGNMENT) % DESCRY_GGUF_ALIGNMENT;
}

static void
write_header (DescryGgufWriter *writer,
              DescryOutput     *output)
{
  static const guint8 zeros[DESCRY_GGUF_ALIGNMENT];
  guint8 head[64], *end;
  guint64 offset = 0;
  gsize written;
  guint i, j;

  end = put_u64 (put_u64 (put_u32 (put_u32 (head, DESCRY_GGUF_MAGIC), 3), writer->parts->len), writer->pairs->len);
  descry_output_write (output, head, end - head);
  written = end - head;

  for (i = 0; i < writer->pairs->len; i++)
    {
      const Pair *pair = &g_array_index (writer->pairs, Pair, i);
      gsize n = strlen (pair->key);

      end = put_u64 (head, n);
      descry_output_write (output, head, end - head);
      descry_output_write (output, pair->key, n);
      descry_output_write (output, pair->value, pair->bytes);
      written += (end - head) + n + pair->bytes;
    }

  for (i = 0; i < writer->parts->len; i++)
    {
      const Part *part = &g_array_index (writer->parts, Part, i);
      gsize n = strlen (part->name);

      end = put_u64 (head, n);
      descry_output_write (output, head, end - head);
      descry_output_write (output, part->name, n);
      written += (end - head) + n;

      end = put_u32 (head, part->n_dims);
      for (j = 0; j < part->n_dims; j++)
        end = put_u64 (end, part->dims[j]);
      end = put_u64 (put_u32 (end, part->type), offset);
      descry_output_write (output, head, end - head);
      written += end - head;

      offset += part->bytes + padding (part->bytes);
    }

  descry_output_write (output, zeros, padding (written));
}

static gboolean
write_parts (DescryGgufWriter *writer,
             DescryOutput     *output,
             GError          **error)
{
  static const guint8 zeros[DESCRY_GGUF_ALIGNMENT];
  guint i;

  for (i = 0; i < writer->parts->len; i++)
    {
      Part *part = &g_array_index (writer->parts, Part, i);
      gpointer made = NULL;

      if (part->fill != NULL)
        {
          made = part->fill (part->fill_data, part->bytes, error);
          if (made == NULL)
            return FALSE;
        }

      descry_output_write (output, made != NULL ? made : part->data, part->bytes);
      descry_output_write (output, zeros, padding (part->bytes));
      descry_free (made);
    }

  return TRUE;
}

gboolean
descry_gguf_writer_write (DescryGgufWriter *writer,
                          const char       *path,
                          GError          **error)
{
  g_autoptr (DescryOutput) output = NULL;

  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (writer->out_of_memory)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory", path);
      return FALSE;
    }

  output = descry_output_new (path, error);
  if (output == NULL)
    return FALSE;

  write_header (writer, output);
  return write_parts (writer, output, error) && descry_output_commit (output, error);
}
