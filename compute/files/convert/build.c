/* build.c - what the tables of the architectures are written with
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-convert"

#include "config.h"

#include "compute/files/convert/build.h"

#include <math.h>
#include <string.h>

#include "compute/files/safetensors-private.h"
#include "compute/memory.h"

gboolean
descry_build_ok (DescryBuild *self)
{
  return self->error == NULL;
}

void
descry_build_fail (DescryBuild *self,
                   const char  *format,
                   ...)
{
  g_autofree char *text = NULL;
  va_list args;

  if (self->error != NULL)
    return;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error (&self->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s", descry_source_path (self->source), text);
}

static void
fail_memory (DescryBuild *self)
{
  if (self->error == NULL)
    g_set_error (&self->error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory", descry_source_path (self->source));
}

static char *
describe_shape (guint          n_dims,
                const guint64 *dims)
{
  GString *text = g_string_new ("[");
  guint i;

  for (i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "", dims[i]);

  return g_string_free (g_string_append_c (text, ']'), FALSE);
}

DescrySourceTensor *
descry_build_take (DescryBuild   *self,
                   const char    *name,
                   guint          n_dims,
                   const guint64 *dims)
{
  DescrySourceTensor *tensor;
  g_autofree char *expected = NULL;
  g_autofree char *found = NULL;

  if (self->error != NULL)
    return NULL;

  tensor = descry_source_find (self->source, name);
  if (tensor != NULL && tensor->n_dims == n_dims && memcmp (tensor->dims, dims, n_dims * sizeof *dims) == 0)
    {
      tensor->used = TRUE;
      return tensor;
    }

  expected = describe_shape (n_dims, dims);
  found = tensor != NULL ? describe_shape (tensor->n_dims, tensor->dims) : g_strdup ("no such tensor");
  descry_build_fail (self, "tensor '%s': %s expected, found %s", name, expected, found);
  return NULL;
}

void
descry_build_ignore (DescryBuild *self,
                     const char  *pattern)
{
  guint i, n = 0;

  if (self->error != NULL)
    return;

  for (i = 0; i < descry_source_n_tensors (self->source); i++)
    {
      DescrySourceTensor *tensor = descry_source_tensor (self->source, i);

      if (!tensor->used && g_pattern_match_simple (pattern, tensor->name))
        {
          tensor->used = TRUE;
          n++;
        }
    }

  self->n_ignored += n;
  if (n == 0)
    descry_build_fail (self, "tensors '%s' expected, found none", pattern);
}

void
descry_build_ignore_constants (DescryBuild *self)
{
  guint i;

  for (i = 0; i < descry_source_n_tensors (self->source); i++)
    {
      DescrySourceTensor *tensor = descry_source_tensor (self->source, i);

      if (!tensor->used && (tensor->scalar || tensor->type == DESCRY_ST_I32 || tensor->type == DESCRY_ST_I64))
        {
          tensor->used = TRUE;
          self->n_ignored++;
        }
    }
}

/* Adds values of @type as they are; dimensions are given outermost first and written fastest first. */
static void
add_raw (DescryBuild   *self,
         const char    *name,
         DescryGgmlType type,
         guint          n_dims,
         const guint64 *dims,
         gpointer       data)
{
  guint64 reversed[4], count = 1, bytes = 0;
  guint i;

  for (i = 0; i < n_dims; i++)
    {
      reversed[i] = dims[n_dims - 1 - i];
      count *= dims[i];
    }

  descry_ggml_bytes (type, count, &bytes);
  descry_gguf_writer_add (self->writer, name, type, n_dims, reversed, data, bytes);
  self->n_tensors++;
}

static void
add_quantised (DescryBuild   *self,
               const char    *name,
               DescryGgmlType type,
               guint          n_dims,
               const guint64 *dims,
               float         *values)
{
  guint64 count = 1, bytes = 0, i;
  gpointer data;

  for (i = 0; i < n_dims; i++)
    count *= dims[i];

  for (i = 0; i < count; i++)
    if (!isfinite (values[i]))
      {
        descry_build_fail (self, "tensor '%s': finite numbers expected, found %g", name, values[i]);
        descry_free (values);
        return;
      }

  descry_ggml_bytes (type, count, &bytes);
  data = descry_try_alloc (bytes, 1);
  if (data == NULL)
    fail_memory (self);
  else
    {
      descry_ggml_quantise (type, values, count, data);
      add_raw (self, name, type, n_dims, dims, data);
    }

  descry_free (values);
}

void
descry_build_add_f32 (DescryBuild   *self,
                      const char    *name,
                      guint          n_dims,
                      const guint64 *dims,
                      float         *values)
{
  add_quantised (self, name, DESCRY_GGML_F32, n_dims, dims, values);
}

/* A weight in its final order: as quantised when its rows fit the blocks, else as @kept. */
static void
add_weight (DescryBuild   *self,
            const char    *name,
            DescryGgmlType kept,
            guint          n_dims,
            const guint64 *dims,
            float         *values)
{
  g_autofree char *full = g_strconcat (name, ".weight", NULL);
  DescryGgmlType type = kept;

  if (self->quantize >= 0)
    {
      DescryGgmlType wanted = descry_ggml_fitting ((DescryGgmlType) self->quantize, dims[n_dims - 1]);

      if (dims[n_dims - 1] % descry_ggml_block (wanted) == 0)
        type = wanted;
    }

  add_quantised (self, full, type, n_dims, dims, values);
}

/* Into [out, in, h, w]. */
static float *
reorder (const float    *in,
         DescryLayout    layout,
         DescryConvShape shape)
{
  guint area = shape.kernel * shape.kernel, o, i, k;
  float *out = descry_try_alloc ((gsize) shape.out * shape.in, area * sizeof *out);

  if (out == NULL)
    return NULL;

  /* [h, w, in, out], and [h, w, channels, 1] with in = 1: the same formula. */
  for (o = 0; o < shape.out; o++)
    for (i = 0; i < shape.in; i++)
      for (k = 0; k < area; k++)
        out[((gsize) o * shape.in + i) * area + k] = layout == DESCRY_LAYOUT_OIHW ? in[((gsize) o * shape.in + i) * area + k]
                                                                                  : in[((gsize) k * shape.in + i) * shape.out + o];

  return out;
}

/* The values of a convolution's weight in [out, in, h, w], and the type they had. */
static float *
take_conv (DescryBuild    *self,
           const char     *weight,
           DescryLayout    layout,
           DescryConvShape shape,
           DescryStType   *type)
{
  const guint64 oihw[4] = { shape.out, shape.in, shape.kernel, shape.kernel };
  const guint64 hwio[4] = { shape.kernel, shape.kernel, shape.in, shape.out };
  const guint64 hwc1[4] = { shape.kernel, shape.kernel, shape.out, 1 };
  const guint64 *dims = layout == DESCRY_LAYOUT_OIHW ? oihw : layout == DESCRY_LAYOUT_HWIO ? hwio : hwc1;
  DescrySourceTensor *tensor = descry_build_take (self, weight, 4, dims);
  float *values, *ordered;

  if (tensor == NULL)
    return NULL;
  if (tensor->type != DESCRY_ST_F32 && tensor->type != DESCRY_ST_F16)
    {
      descry_build_fail (self, "tensor '%s': F32 or F16 expected, found %s", weight, descry_st_name (tensor->type));
      return NULL;
    }

  values = descry_source_to_f32 (tensor);
  ordered = values != NULL ? reorder (values, layout, shape) : NULL;
  descry_free (values);
  if (ordered == NULL)
    fail_memory (self);

  *type = tensor->type;
  return ordered;
}

void
descry_build_conv (DescryBuild    *self,
                   const char     *name,
                   const char     *weight,
                   DescryLayout    layout,
                   DescryConvShape shape)
{
  DescryStType type;
  float *values = take_conv (self, weight, layout, shape, &type);

  if (values != NULL)
    add_weight (self, name, type == DESCRY_ST_F16 ? DESCRY_GGML_F16 : DESCRY_GGML_F32, 4,
                (guint64[]) { shape.out, shape.in, shape.kernel, shape.kernel }, values);
}

/* The f32 vector PREFIX + @part. */
static float *
take_vector (DescryBuild *self,
             const char  *prefix,
             const char  *part,
             guint        n)
{
  g_autofree char *name = g_strconcat (prefix, part, NULL);
  DescrySourceTensor *tensor = descry_build_take (self, name, 1, (guint64[]) { n });
  float *values;

  if (tensor == NULL)
    return NULL;

  values = descry_source_to_f32 (tensor);
  if (values == NULL)
    fail_memory (self);

  return values;
}

void
descry_build_conv_bn (DescryBuild    *self,
                      const char     *name,
                      const char     *weight,
                      const char     *norm,
                      double          eps,
                      DescryConvShape shape)
{
  g_autofree char *bias_name = g_strconcat (name, ".bias", NULL);
  gsize row = (gsize) shape.in * shape.kernel * shape.kernel, i;
  DescryStType type;
  float *values = take_conv (self, weight, DESCRY_LAYOUT_OIHW, shape, &type);
  float *gamma = take_vector (self, norm, ".weight", shape.out);
  float *beta = take_vector (self, norm, ".bias", shape.out);
  float *mean = take_vector (self, norm, ".running_mean", shape.out);
  float *variance = take_vector (self, norm, ".running_var", shape.out);
  guint o;

  if (self->error == NULL)
    {
      /* y = γ (w·x − μ) / √(σ² + ε) + β, rounded once */
      for (o = 0; o < shape.out; o++)
        {
          double scale = gamma[o] / sqrt ((double) variance[o] + eps);

          for (i = 0; i < row; i++)
            values[o * row + i] = (float) (values[o * row + i] * scale);
          beta[o] = (float) (beta[o] - mean[o] * scale);
        }

      add_weight (self, name, DESCRY_GGML_F32, 4, (guint64[]) { shape.out, shape.in, shape.kernel, shape.kernel },
                  g_steal_pointer (&values));
      descry_build_add_f32 (self, bias_name, 1, (guint64[]) { shape.out }, g_steal_pointer (&beta));
    }

  descry_free (values);
  descry_free (gamma);
  descry_free (beta);
  descry_free (mean);
  descry_free (variance);
}

void
descry_build_linear (DescryBuild *self,
                     const char  *name,
                     const char  *weight,
                     guint        out,
                     guint        in)
{
  DescrySourceTensor *tensor = descry_build_take (self, weight, 2, (guint64[]) { out, in });
  float *values;

  if (tensor == NULL)
    return;

  values = descry_source_to_f32 (tensor);
  if (values == NULL)
    fail_memory (self);
  else
    add_weight (self, name, tensor->type == DESCRY_ST_F16 ? DESCRY_GGML_F16 : DESCRY_GGML_F32, 2, (guint64[]) { out, in }, values);
}

void
descry_build_vector (DescryBuild *self,
                     const char  *name,
                     const char  *source,
                     guint        n)
{
  float *values = take_vector (self, source, "", n);

  if (values != NULL)
    descry_build_add_f32 (self, name, 1, (guint64[]) { n }, values);
}

/* One number, 0-d or [1]. */
static DescrySourceTensor *
take_number (DescryBuild *self,
             const char  *name,
             DescryStType type)
{
  DescrySourceTensor *tensor = descry_build_take (self, name, 1, (guint64[]) { 1 });

  if (tensor == NULL || tensor->type == type)
    return tensor;

  descry_build_fail (self, "tensor '%s': %s expected, found %s", name, descry_st_name (type), descry_st_name (tensor->type));
  return NULL;
}

/* q - 128 and zero - 128: w = (i8 - zero) · scale, the same number. */
static void
add_shifted (DescryBuild              *self,
             const char               *name,
             const DescrySourceTensor *tensor,
             const guint64            *dims,
             float                     scale,
             float                     zero)
{
  g_autofree char *weight_name = g_strconcat (name, ".weight", NULL);
  g_autofree char *scale_name = g_strconcat (name, ".scale", NULL);
  g_autofree char *zero_name = g_strconcat (name, ".zero", NULL);
  gint8 *shifted = descry_try_alloc (tensor->count, 1);
  float *numbers[2] = { descry_try_alloc (1, sizeof (float)), descry_try_alloc (1, sizeof (float)) };
  const guint8 *q = tensor->data;
  guint64 i;

  if (shifted != NULL && numbers[0] != NULL && numbers[1] != NULL)
    {
      for (i = 0; i < tensor->count; i++)
        shifted[i] = (gint8) (q[i] - 128);
      *numbers[0] = scale;
      *numbers[1] = zero - 128;

      add_raw (self, weight_name, DESCRY_GGML_I8, 4, dims, g_steal_pointer (&shifted));
      descry_build_add_f32 (self, scale_name, 1, (guint64[]) { 1 }, g_steal_pointer (&numbers[0]));
      descry_build_add_f32 (self, zero_name, 1, (guint64[]) { 1 }, g_steal_pointer (&numbers[1]));
    }
  else
    fail_memory (self);

  descry_free (shifted);
  descry_free (numbers[0]);
  descry_free (numbers[1]);
}

void
descry_build_conv_u8 (DescryBuild    *self,
                      const char     *name,
                      const char     *weight,
                      const char     *scale_name,
                      const char     *zero_name,
                      DescryConvShape shape)
{
  const guint64 dims[4] = { shape.out, shape.in, shape.kernel, shape.kernel };
  DescrySourceTensor *tensor = descry_build_take (self, weight, 4, dims);
  DescrySourceTensor *scale_tensor = take_number (self, scale_name, DESCRY_ST_F32);
  DescrySourceTensor *zero_tensor = take_number (self, zero_name, DESCRY_ST_U8);
  float scale, zero, *values;
  guint64 i;

  if (self->error != NULL)
    return;
  if (tensor->type != DESCRY_ST_U8)
    {
      descry_build_fail (self, "tensor '%s': U8 expected, found %s", weight, descry_st_name (tensor->type));
      return;
    }

  memcpy (&scale, scale_tensor->data, sizeof scale);
  zero = *(const guint8 *) zero_tensor->data;
  if (!isfinite (scale) || scale <= 0)
    {
      descry_build_fail (self, "tensor '%s': a positive scale expected, found %g", scale_name, scale);
      return;
    }

  if (self->quantize < 0)
    {
      add_shifted (self, name, tensor, dims, scale, zero);
      return;
    }

  values = descry_source_to_f32 (tensor);
  if (values == NULL)
    {
      fail_memory (self);
      return;
    }
  for (i = 0; i < tensor->count; i++)
    values[i] = (values[i] - zero) * scale;
  add_weight (self, name, DESCRY_GGML_F32, 4, dims, values);
}
