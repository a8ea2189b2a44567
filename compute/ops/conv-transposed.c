/* conv-transposed.c - transposed convolutions
 *
 * A product makes what each input pixel gives to each tap, [n, h, w, kernel * kernel * out]; then every output element
 * gathers its taps, so that nothing is added by two items at once and the order of the sum is fixed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/conv.h"

#include "compute/memory.h"

struct _DescryConvTransposed
{
  DescryDevice *device;
  DescryConv   *columns; /* 1 × 1, in to kernel * kernel * out */
  DescryTensor  bias; /* [out] */
  guint         out, in, kernel, stride, pad;
};

DescryConvTransposed *
descry_conv_transposed_new (DescryDevice *device,
                            const char   *name,
                            guint         out,
                            guint         in,
                            guint         kernel,
                            guint         stride,
                            guint         pad,
                            const float  *weights,
                            const float  *bias,
                            GError      **error)
{
  const DescryConvShape point = { .kernel = 1, .stride = 1 };
  g_autoptr (DescryConvTransposed) conv = g_new0 (DescryConvTransposed, 1);
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  guint taps = kernel * kernel, shape[] = { out }, i, o, t;
  float *rows, *zeros;

  g_return_val_if_fail (out > 0 && in > 0 && kernel > 0 && stride > 0 && pad < kernel, NULL);

  conv->device = device;
  conv->out = out;
  conv->in = in;
  conv->kernel = kernel;
  conv->stride = stride;
  conv->pad = pad;

  rows = descry_try_alloc ((gsize) taps * out * in, sizeof (float));
  zeros = descry_try_alloc (out, sizeof (float));
  if (rows == NULL || zeros == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the weights", name);
  else
    {
      for (i = 0; i < in; i++)
        for (o = 0; o < out; o++)
          for (t = 0; t < taps; t++)
            rows[((gsize) t * out + o) * in + i] = weights[((gsize) i * out + o) * taps + t];
      conv->columns = descry_conv_new (device, name, taps * out, in, &point, rows, NULL, error);
    }
  if (conv->columns != NULL && descry_tensor_alloc (device, &conv->bias, DESCRY_F32, 1, shape, error))
    descry_run_write (run, conv->bias, bias != NULL ? bias : zeros, out);
  descry_free (rows);
  descry_free (zeros);
  if (conv->bias.buffer == NULL || !descry_run_finish (run, error))
    return NULL;

  return g_steal_pointer (&conv);
}

void
descry_conv_transposed_free (DescryConvTransposed *conv)
{
  if (conv == NULL)
    return;

  g_clear_pointer (&conv->columns, descry_conv_free);
  descry_tensor_free (conv->device, &conv->bias);
  g_free (conv);
}

DescryTensor
op_conv_transposed (DescryRun            *run,
                    DescryTensor          x,
                    DescryConvTransposed *conv,
                    DescryActivation      act)
{
  gboolean cpu = descry_device_family (conv->device) == DESCRY_FAMILY_CPU;
  DescryTensor y = { 0 }, columns;
  guint n, h, w, count, chunk = cpu ? 4096 : 1;
  gsize global[1], local[] = { cpu ? 1 : 64 };

  if (!descry_run_ok (run))
    return y;
  if (x.n_dims != 4 || x.type != DESCRY_F32 || descry_tensor_cols (x) != conv->in
      || (x.shape[1] - 1) * conv->stride + conv->kernel <= 2 * conv->pad || (x.shape[2] - 1) * conv->stride + conv->kernel <= 2 * conv->pad)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "a transposed convolution wants f32 [n, h, w, %u], not %u dimensions and %u channels", conv->in, x.n_dims, descry_tensor_cols (x));
      return y;
    }

  n = x.shape[0];
  h = x.shape[1];
  w = x.shape[2];
  columns = op_conv_alloc (run, x, conv->columns, FALSE, DESCRY_ACT_NONE, y);
  y = descry_run_tensor4 (run, n, (h - 1) * conv->stride + conv->kernel - 2 * conv->pad, (w - 1) * conv->stride + conv->kernel - 2 * conv->pad, conv->out);
  if (!descry_run_ok (run))
    return y;
  count = (guint) descry_tensor_count (y);
  global[0] = (count + chunk - 1) / chunk;
  descry_run_launch (run, descry_run_kernel (run, "conv_transposed_sum", NULL), 1, global, local,
                     (DescryArg[]) { DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_B (columns.buffer), DESCRY_T (conv->bias), DESCRY_U (h), DESCRY_U (w), DESCRY_U (conv->out),
                                     DESCRY_U (y.shape[1]), DESCRY_U (y.shape[2]), DESCRY_U (conv->kernel), DESCRY_U (conv->stride), DESCRY_U (conv->pad), DESCRY_U (act),
                                     DESCRY_U (count), DESCRY_U (chunk) }, 15);
  descry_run_release (run, &columns);

  return y;
}
