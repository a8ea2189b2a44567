/* tensor.c - views of device memory
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/device-private.h"

gsize
descry_type_size (DescryType type)
{
  switch (type)
    {
    case DESCRY_F32:
    case DESCRY_I32:
      return 4;
    case DESCRY_F16:
      return 2;
    case DESCRY_U8:
      return 1;
    default:
      g_return_val_if_reached (0);
    }
}

guint
descry_tensor_cols (DescryTensor tensor)
{
  return tensor.n_dims > 0 ? tensor.shape[tensor.n_dims - 1] : 0;
}

guint
descry_tensor_rows (DescryTensor tensor)
{
  guint rows = 1, i;

  for (i = 0; i + 1 < tensor.n_dims; i++)
    rows *= tensor.shape[i];

  return rows;
}

gsize
descry_tensor_count (DescryTensor tensor)
{
  return (gsize) descry_tensor_rows (tensor) * descry_tensor_cols (tensor);
}

guint
descry_tensor_step (DescryTensor tensor)
{
  return tensor.n_dims > 1 && descry_tensor_cols (tensor) == 1 ? tensor.pitch : 1;
}

DescryTensor
descry_tensor_reshape (DescryTensor tensor,
                       guint        n_dims,
                       const guint *shape)
{
  DescryTensor result = tensor;
  gsize count = 1;
  guint i;

  for (i = 0; i < n_dims; i++)
    count *= shape[i];
  g_return_val_if_fail (n_dims >= 1 && n_dims <= 4 && count == descry_tensor_count (tensor), tensor);
  /* Rows with gaps keep their length; only the dimensions over them may change. */
  g_return_val_if_fail (tensor.pitch == descry_tensor_cols (tensor) || shape[n_dims - 1] == descry_tensor_cols (tensor), tensor);

  for (i = 0; i < 4; i++)
    result.shape[i] = i < n_dims ? shape[i] : 1;
  result.n_dims = n_dims;
  if (tensor.pitch == descry_tensor_cols (tensor))
    result.pitch = shape[n_dims - 1];

  return result;
}

DescryTensor
descry_tensor_columns (DescryTensor tensor,
                       guint        first,
                       guint        n)
{
  g_return_val_if_fail (n >= 1 && first + n <= descry_tensor_cols (tensor), tensor);

  tensor.offset += first;
  tensor.shape[tensor.n_dims - 1] = n;

  return tensor;
}

DescryTensor
descry_tensor_slice (DescryTensor tensor,
                     guint        first,
                     guint        n)
{
  g_return_val_if_fail (tensor.n_dims == 2 && n >= 1 && first + n <= tensor.shape[0], tensor);

  tensor.offset += first * tensor.pitch;
  tensor.shape[0] = n;

  return tensor;
}

gboolean
descry_tensor_alloc (DescryDevice  *device,
                     DescryTensor  *tensor,
                     DescryType     type,
                     guint          n_dims,
                     const guint   *shape,
                     GError       **error)
{
  guint64 count = 1;
  guint i;

  g_return_val_if_fail (n_dims >= 1 && n_dims <= 4, FALSE);

  *tensor = (DescryTensor) { .type = type, .n_dims = n_dims, .shape = { 1, 1, 1, 1 } };
  for (i = 0; i < n_dims; i++)
    {
      tensor->shape[i] = shape[i];
      if (shape[i] == 0 || !g_uint64_checked_mul (&count, count, shape[i]) || count >= G_MAXINT32)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "A tensor of %u dimensions has no or too many elements", n_dims);
          return FALSE;
        }
    }
  tensor->pitch = shape[n_dims - 1];
  tensor->buffer = descry_device_buffer_take (device, count * descry_type_size (type), error);

  return tensor->buffer != NULL;
}

void
descry_tensor_free (DescryDevice *device,
                    DescryTensor *tensor)
{
  if (tensor->buffer != NULL)
    descry_device_buffer_free (device, tensor->buffer);
  *tensor = (DescryTensor) { 0 };
}
