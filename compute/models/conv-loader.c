/* conv-loader.c - the convolutions of a network out of its GGUF file
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "compute/models/conv-loader.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"

void
descry_conv_loader_init (DescryConvLoader *loader,
                         DescryDevice     *device,
                         DescryGguf       *gguf,
                         const char       *architecture)
{
  const char *found;

  *loader = (DescryConvLoader) { .device = device, .gguf = gguf };
  loader->convs = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_conv_free);
  found = descry_gguf_get_string (gguf, "general.architecture", &loader->error);
  if (found != NULL && strcmp (found, architecture) != 0)
    g_set_error (&loader->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: general.architecture is “%s”, expected “%s”",
                 descry_gguf_path (gguf), found, architecture);
}

/* Exactly @count floats of any float type. */
static float *
read_floats (DescryConvLoader *loader,
             const char       *name,
             guint64           count)
{
  const DescryGgufTensor *tensor = descry_gguf_find (loader->gguf, name);

  if (tensor == NULL || tensor->count != count)
    {
      g_set_error (&loader->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s has %" G_GUINT64_FORMAT " elements, expected %" G_GUINT64_FORMAT,
                   descry_gguf_path (loader->gguf), name, tensor != NULL ? tensor->count : 0, count);
      return NULL;
    }

  return descry_gguf_read_f32 (loader->gguf, tensor, &loader->error);
}

/* NAME.scale or NAME.zero: one value, or one for each output. */
static float *
read_quantiser (DescryConvLoader *loader,
                const char       *name,
                const char       *suffix,
                guint             out,
                gboolean         *each)
{
  g_autofree char *full = g_strconcat (name, suffix, NULL);
  const DescryGgufTensor *tensor = descry_gguf_find (loader->gguf, full);

  *each = tensor != NULL && tensor->count == out && out > 1;
  return read_floats (loader, full, *each ? out : 1);
}

static float *
read_int8 (DescryConvLoader       *loader,
           const char             *name,
           const DescryGgufTensor *tensor,
           guint                   out)
{
  gboolean each_scale, each_zero;
  float *scale = read_quantiser (loader, name, ".scale", out, &each_scale), *zero = NULL, *values = NULL;
  gint8 *bytes = NULL;
  guint64 i, each = tensor->count / out;

  if (scale != NULL)
    zero = read_quantiser (loader, name, ".zero", out, &each_zero);
  if (zero != NULL)
    bytes = descry_gguf_read (loader->gguf, tensor, &loader->error);
  if (bytes != NULL)
    {
      values = descry_try_alloc (tensor->count, sizeof (float));
      if (values == NULL)
        g_set_error (&loader->error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %s", descry_gguf_path (loader->gguf), tensor->name);
    }
  for (i = 0; values != NULL && i < tensor->count; i++)
    values[i] = ((float) bytes[i] - zero[each_zero ? i / each : 0]) * scale[each_scale ? i / each : 0];

  descry_free (bytes);
  descry_free (scale);
  descry_free (zero);
  return values;
}

static float *
read_weights (DescryConvLoader      *loader,
              const char            *name,
              guint                  out,
              guint                  in,
              const DescryConvShape *shape)
{
  g_autofree char *full = g_strconcat (name, ".weight", NULL);
  const DescryGgufTensor *tensor = descry_gguf_find (loader->gguf, full);
  guint k = shape->kernel, depth = shape->depthwise ? 1 : in;
  gboolean fits;
  float *values;
  guint64 i;

  if (tensor == NULL)
    {
      g_set_error (&loader->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s is missing", descry_gguf_path (loader->gguf), full);
      return NULL;
    }
  /* Fastest first. A linear layer is a 1 × 1 convolution with two dimensions less. */
  fits = tensor->dims[0] == k && tensor->dims[1] == k && tensor->dims[2] == depth && tensor->dims[3] == out;
  fits = fits || (k == 1 && tensor->dims[0] == depth && tensor->dims[1] == out && tensor->dims[2] == 1 && tensor->dims[3] == 1);
  if (!fits)
    {
      g_set_error (&loader->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD,
                   "%s: %s is %" G_GUINT64_FORMAT "×%" G_GUINT64_FORMAT "×%" G_GUINT64_FORMAT "×%" G_GUINT64_FORMAT ", expected %u×%u×%u×%u",
                   descry_gguf_path (loader->gguf), full, tensor->dims[3], tensor->dims[2], tensor->dims[1], tensor->dims[0], out, depth, k, k);
      return NULL;
    }

  values = tensor->type == DESCRY_GGML_I8 ? read_int8 (loader, name, tensor, out) : descry_gguf_read_f32 (loader->gguf, tensor, &loader->error);
  for (i = 0; values != NULL && i < tensor->count; i++)
    if (!isfinite (values[i]))
      {
        g_set_error (&loader->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s has a value that is not finite", descry_gguf_path (loader->gguf), full);
        g_clear_pointer (&values, descry_free);
      }

  return values;
}

DescryConv *
descry_conv_loader_slice (DescryConvLoader      *loader,
                          const char            *name,
                          guint                  out,
                          guint                  in,
                          const DescryConvShape *shape,
                          gboolean               bias,
                          guint                  first,
                          guint                  n,
                          float                  scale)
{
  gsize each = (gsize) (shape->depthwise ? 1 : in) * shape->kernel * shape->kernel, i;
  float *weights, *biases = NULL;
  DescryConv *conv = NULL;

  g_return_val_if_fail (first + n <= out, NULL);

  if (loader->error != NULL)
    return NULL;

  weights = read_weights (loader, name, out, in, shape);
  if (weights != NULL && bias)
    {
      g_autofree char *full = g_strconcat (name, ".bias", NULL);

      biases = read_floats (loader, full, out);
    }
  if (weights != NULL && loader->error == NULL)
    {
      for (i = 0; scale != 1.0f && i < out * each; i++)
        weights[i] *= scale;
      for (i = 0; scale != 1.0f && biases != NULL && i < out; i++)
        biases[i] *= scale;
      conv = descry_conv_new (loader->device, name, n, shape->depthwise ? n : in, shape, weights + first * each, biases != NULL ? biases + first : NULL, &loader->error);
      if (conv != NULL)
        g_ptr_array_add (loader->convs, conv);
    }
  descry_free (weights);
  descry_free (biases);

  return conv;
}

DescryConv *
descry_conv_loader_take (DescryConvLoader      *loader,
                         const char            *name,
                         guint                  out,
                         guint                  in,
                         const DescryConvShape *shape,
                         gboolean               bias)
{
  return descry_conv_loader_slice (loader, name, out, in, shape, bias, 0, out, 1.0f);
}

GPtrArray *
descry_conv_loader_finish (DescryConvLoader *loader,
                           GError          **error)
{
  if (loader->error != NULL)
    {
      g_clear_pointer (&loader->convs, g_ptr_array_unref);
      g_propagate_error (error, g_steal_pointer (&loader->error));
    }

  return g_steal_pointer (&loader->convs);
}
