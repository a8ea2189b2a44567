/* safetensors-write.c - writing safetensors files
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-safetensors"

#include "config.h"

#include "compute/files/safetensors.h"

#include <string.h>

#include <jansson.h>

#include "compute/files/io.h"
#include "compute/files/safetensors-private.h"
#include "compute/memory.h"

typedef struct
{
  gpointer data;
  gsize    bytes;
} Part;

struct _DescrySafetensorsWriter
{
  json_t  *header;
  GArray  *parts;
  guint64  end; /* of the data so far */
  gboolean out_of_memory; /* sticks; told when writing */
};

static void
clear_part (Part *part)
{
  descry_free (part->data);
}

DescrySafetensorsWriter *
descry_safetensors_writer_new (void)
{
  DescrySafetensorsWriter *writer = g_new0 (DescrySafetensorsWriter, 1);

  writer->header = json_object ();
  writer->parts = g_array_new (FALSE, TRUE, sizeof (Part));
  g_array_set_clear_func (writer->parts, (GDestroyNotify) clear_part);

  return writer;
}

void
descry_safetensors_writer_free (DescrySafetensorsWriter *writer)
{
  if (writer == NULL)
    return;

  json_decref (writer->header);
  g_array_unref (writer->parts);
  memset (writer, 0, sizeof *writer);
  g_free (writer);
}

void
descry_safetensors_writer_add (DescrySafetensorsWriter *writer,
                               const char              *name,
                               DescryStType             type,
                               guint                    n_dims,
                               const guint64           *dims,
                               gconstpointer            data)
{
  gsize count = 1;
  Part part = { NULL, 0 };
  json_t *shape, *entry;
  guint i;

  g_return_if_fail (name != NULL && *name != '\0');
  g_return_if_fail (n_dims <= 8 && descry_st_bytes (type) > 0);
  g_return_if_fail (json_object_get (writer->header, name) == NULL);

  shape = json_array ();
  for (i = 0; i < n_dims; i++)
    {
      count *= dims[i];
      if (json_array_append_new (shape, json_integer ((json_int_t) dims[i])) != 0)
        writer->out_of_memory = TRUE;
    }

  part.bytes = count * descry_st_bytes (type);
  part.data = descry_try_alloc (part.bytes, 1);
  entry = json_pack ("{s:s, s:o, s:[I, I]}", "dtype", descry_st_name (type), "shape", shape, "data_offsets",
                     (json_int_t) writer->end, (json_int_t) (writer->end + part.bytes));
  if (json_object_set_new (writer->header, name, entry) != 0 || part.data == NULL)
    {
      writer->out_of_memory = TRUE;
      descry_free (part.data);
      return;
    }

  if (part.bytes > 0)
    memcpy (part.data, data, part.bytes);
  writer->end += part.bytes;
  g_array_append_val (writer->parts, part);
}

gboolean
descry_safetensors_writer_write (DescrySafetensorsWriter *writer,
                                 const char              *path,
                                 GError                 **error)
{
  g_autoptr (DescryOutput) output = NULL;
  char *text;
  gsize length;
  guint64 padded;
  guint i;

  g_return_val_if_fail (path != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  text = writer->out_of_memory || writer->header == NULL ? NULL : json_dumps (writer->header, JSON_COMPACT);
  if (text == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory", path);
      return FALSE;
    }

  output = descry_output_new (path, error);
  if (output == NULL)
    {
      free (text);
      return FALSE;
    }

  /* Spaces after the header, so that the data begins on a multiple of eight. */
  length = strlen (text);
  padded = GUINT64_TO_LE ((guint64) (length + 7) / 8 * 8);
  descry_output_write (output, &padded, sizeof padded);
  descry_output_write (output, text, length);
  descry_output_write (output, "        ", GUINT64_FROM_LE (padded) - length);
  free (text);

  for (i = 0; i < writer->parts->len; i++)
    {
      const Part *part = &g_array_index (writer->parts, Part, i);

      descry_output_write (output, part->data, part->bytes);
    }

  return descry_output_commit (output, error);
}
