/* convert.c - a foreign checkpoint becomes a GGUF file, by the table of its architecture
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-convert"

#include "config.h"

#include "compute/files/convert/convert.h"

#include <math.h>
#include <string.h>

#include "compute/files/convert/build.h"
#include "compute/memory.h"

/* Of the layout of converted files: raised when a reader would notice. */
#define CONVERTER_VERSION "1"

static const char *const architectures[] = { "efficientnet-lite", "nanodet", "centernet", "isnet", NULL };
static void (*const tables[]) (DescryBuild *) = {
  descry_build_efficientnet_lite, descry_build_nanodet, descry_build_centernet, descry_build_isnet
};

const char *const *
descry_convert_architectures (void)
{
  return architectures;
}

int
descry_convert_type (const char *name)
{
  static const DescryGgmlType types[] = {
    DESCRY_GGML_F32, DESCRY_GGML_F16, DESCRY_GGML_BF16, DESCRY_GGML_Q8_0, DESCRY_GGML_Q4_0, DESCRY_GGML_Q4_1, DESCRY_GGML_Q4_K
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_ascii_strcasecmp (descry_ggml_name (types[i]), name) == 0)
      return types[i];

  return -1;
}

/* Which files it came from: enough to find them again and to know them. */
static void
write_origin (DescrySource     *source,
              DescryGgufWriter *writer)
{
  guint i, n = descry_source_n_files (source);

  descry_gguf_writer_set_string (writer, "descry.converter", "descry " DESCRY_VERSION ", layout " CONVERTER_VERSION);
  descry_gguf_writer_set_string (writer, "descry.source.format", descry_source_format (source));
  descry_gguf_writer_set_uint (writer, "descry.source.count", n);
  for (i = 0; i < n; i++)
    {
      const DescrySourceFile *file = descry_source_file (source, i);
      g_autofree char *name = g_strdup_printf ("descry.source.%u.name", i);
      g_autofree char *size = g_strdup_printf ("descry.source.%u.size", i);
      g_autofree char *sum = g_strdup_printf ("descry.source.%u.sha256", i);

      descry_gguf_writer_set_string (writer, name, file->name);
      descry_gguf_writer_set_uint64 (writer, size, file->size);
      descry_gguf_writer_set_string (writer, sum, file->sha256);
    }
}

/* What no line of the table explains makes the table or the file wrong. */
static void
check_extra (DescryBuild *build)
{
  guint i;

  for (i = 0; i < descry_source_n_tensors (build->source); i++)
    {
      const DescrySourceTensor *tensor = descry_source_tensor (build->source, i);

      if (!tensor->used)
        descry_build_fail (build, "tensor '%s' is not expected in this architecture", tensor->name);
    }
}

gboolean
descry_convert (DescrySource        *source,
                const char          *architecture,
                int                  quantize,
                const char          *path,
                DescryConvertReport *report,
                GError             **error)
{
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  DescryBuild build = { .source = source, .writer = writer, .quantize = quantize };
  guint i;

  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  for (i = 0; i < G_N_ELEMENTS (tables) && strcmp (architectures[i], architecture) != 0; i++)
    ;
  if (i == G_N_ELEMENTS (tables))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "no architecture '%s'", architecture);
      return FALSE;
    }

  descry_gguf_writer_set_string (writer, "general.architecture", architecture);
  write_origin (source, writer);
  tables[i] (&build);
  check_extra (&build);
  if (build.error != NULL)
    {
      g_propagate_error (error, build.error);
      return FALSE;
    }

  report->n_tensors = build.n_tensors;
  report->n_ignored = build.n_ignored;
  return descry_gguf_writer_write (writer, path, error);
}

typedef struct
{
  DescryGguf             *gguf;
  const DescryGgufTensor *tensor;
  DescryGgmlType          type; /* wanted */
} Rewrite;

static gpointer
rewrite_tensor (gpointer data,
                gsize    bytes,
                GError **error)
{
  Rewrite *rewrite = data;
  const DescryGgufTensor *tensor = rewrite->tensor;
  gpointer blocks = NULL;
  float *values;
  guint64 i;

  if (rewrite->type == tensor->type)
    return descry_gguf_read (rewrite->gguf, tensor, error);

  values = descry_gguf_read_f32 (rewrite->gguf, tensor, error);
  if (values == NULL)
    return NULL;

  for (i = 0; i < tensor->count && isfinite (values[i]); i++)
    ;
  if (i < tensor->count)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: tensor '%s': finite numbers expected, found %g",
                 descry_gguf_path (rewrite->gguf), tensor->name, values[i]);
  else
    {
      blocks = descry_try_alloc (bytes, 1);
      if (blocks == NULL)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory", descry_gguf_path (rewrite->gguf));
      else
        descry_ggml_quantise (rewrite->type, values, tensor->count, blocks);
    }

  descry_free (values);
  return blocks;
}

static gboolean
is_integer (DescryGgmlType type)
{
  return type == DESCRY_GGML_I8 || type == DESCRY_GGML_I16 || type == DESCRY_GGML_I32 || type == DESCRY_GGML_I64;
}

gboolean
descry_convert_gguf (const char          *source,
                     DescryGgmlType       quantize,
                     const char          *path,
                     DescryConvertReport *report,
                     GError             **error)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (source, error);
  g_autoptr (DescryGgufWriter) writer = NULL;
  g_autofree Rewrite *rewrites = NULL;
  guint i, n;

  if (gguf == NULL)
    return FALSE;

  writer = descry_gguf_writer_new ();
  descry_gguf_writer_copy_metadata (writer, gguf);
  descry_gguf_writer_set_uint (writer, "general.alignment", 32);
  descry_gguf_writer_set_string (writer, "descry.converter", "descry " DESCRY_VERSION ", layout " CONVERTER_VERSION);

  n = descry_gguf_n_tensors (gguf);
  rewrites = g_new0 (Rewrite, n); /* at most 100,000 */
  *report = (DescryConvertReport) { .n_tensors = n };
  for (i = 0; i < n; i++)
    {
      const DescryGgufTensor *tensor = descry_gguf_tensor (gguf, i);
      DescryGgmlType wanted = descry_ggml_fitting (quantize, tensor->dims[0]);
      gboolean fits = tensor->n_dims >= 2 && !is_integer (tensor->type) && tensor->dims[0] % descry_ggml_block (wanted) == 0;

      rewrites[i] = (Rewrite) { gguf, tensor, fits ? wanted : tensor->type };
      report->n_ignored += !fits;
      descry_gguf_writer_add_later (writer, tensor->name, rewrites[i].type, tensor->n_dims, tensor->dims, rewrite_tensor, rewrites + i);
    }

  return descry_gguf_writer_write (writer, path, error);
}
