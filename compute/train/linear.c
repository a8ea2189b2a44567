/* linear.c - a frozen linear layer under low-rank adapters
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/linear.h"

#include <string.h>

#include "compute/memory.h"
#include "compute/ops/onednn.h"
#include "compute/ops/provider.h"

struct _DescryFrozen
{
  GError *failure; /* of reading the numbers late */
  guint                   n, k;
  DescryGguf             *gguf;
  const DescryGgufTensor *parts[DESCRY_MAX_PARTS]; /* of the file */
  guint                   n_parts;
  DescryOnednnMatmul     *forward, *backward; /* where the provider is there */
  DescryWeight           *w, *transposed; /* else */
};

gboolean
descry_parameters_init (DescryParameters *parameters,
                        DescryDevice     *device,
                        guint             n,
                        GError          **error)
{
  DescryTensor *tensors[] = { &parameters->values, &parameters->gradients, &parameters->m, &parameters->v };
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  guint shape[] = { 1, n }, i;

  *parameters = (DescryParameters) { .device = device, .n = n, .decaying = n };
  for (i = 0; i < G_N_ELEMENTS (tensors); i++)
    {
      if (!descry_tensor_alloc (device, tensors[i], DESCRY_F32, 2, shape, error))
        {
          descry_parameters_clear (parameters);
          return FALSE;
        }
      op_fill (run, *tensors[i], 0.0f);
    }

  return descry_run_finish (run, error);
}

void
descry_parameters_clear (DescryParameters *parameters)
{
  if (parameters->device == NULL)
    return;

  descry_tensor_free (parameters->device, &parameters->values);
  descry_tensor_free (parameters->device, &parameters->gradients);
  descry_tensor_free (parameters->device, &parameters->m);
  descry_tensor_free (parameters->device, &parameters->v);
  *parameters = (DescryParameters) { 0 };
}

static DescryTensor
matrix_at (DescryTensor whole,
           guint        first,
           guint        rows,
           guint        cols)
{
  return (DescryTensor) { .buffer = whole.buffer, .type = DESCRY_F32, .offset = whole.offset + first, .n_dims = 2, .shape = { rows, cols, 1, 1 }, .pitch = cols };
}

void
descry_parameters_take (DescryParameters *parameters,
                        guint             rows,
                        guint             cols,
                        DescryTensor     *value,
                        DescryTensor     *gradient)
{
  g_return_if_fail (parameters->used + rows * cols <= parameters->n);

  *value = matrix_at (parameters->values, parameters->used, rows, cols);
  *gradient = matrix_at (parameters->gradients, parameters->used, rows, cols);
  parameters->used += rows * cols;
}

/* The whole matrix, f32 [n, k]; (transfer full), descry_free(). */
static float *
read_all (DescryFrozen  *frozen,
          GError       **error)
{
  float *all = descry_try_alloc ((gsize) frozen->n * frozen->k, sizeof (float));
  gsize at = 0;
  guint i;

  if (all == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %u×%u", frozen->parts[0]->name, frozen->n, frozen->k);
  for (i = 0; i < frozen->n_parts && all != NULL; i++)
    {
      float *values = descry_gguf_read_f32 (frozen->gguf, frozen->parts[i], error);

      if (values != NULL)
        memcpy (all + at, values, frozen->parts[i]->count * sizeof (float));
      else
        g_clear_pointer (&all, descry_free);
      at += frozen->parts[i]->count;
      descry_free (values);
    }

  return all;
}

/* The provider asks for the numbers when the first product comes, and cannot pass an error on: it is kept for multiply(). */
static float *
fill_cb (gpointer data)
{
  DescryFrozen *frozen = data;

  g_clear_error (&frozen->failure);
  return read_all (frozen, &frozen->failure);
}

/* Both directions with the own kernels: each wants its own order. */
static gboolean
make_own (DescryFrozen  *frozen,
          DescryDevice  *device,
          GError       **error)
{
  gsize n = frozen->n, k = frozen->k, r, c;
  const char *name = frozen->parts[0]->name;
  float *values = read_all (frozen, error), *turned = values != NULL ? descry_try_alloc (n * k, sizeof (float)) : NULL;

  if (turned != NULL)
    {
      frozen->w = descry_weight_new (device, name, DESCRY_GGML_F32, n, k, values, error);
      for (r = 0; r < n; r++)
        for (c = 0; c < k; c++)
          turned[c * n + r] = values[r * k + c];
      frozen->transposed = frozen->w != NULL ? descry_weight_new (device, name, DESCRY_GGML_F32, k, n, turned, error) : NULL;
    }
  else if (values != NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %u×%u", name, frozen->n, frozen->k);
  descry_free (values);
  descry_free (turned);

  return frozen->transposed != NULL;
}

DescryFrozen *
descry_frozen_new (DescryDevice       *device,
                   DescryGguf         *gguf,
                   const char *const  *names,
                   const guint        *rows,
                   guint               n_parts,
                   guint               k,
                   GError            **error)
{
  DescryFrozen *frozen = g_new0 (DescryFrozen, 1);
  guint i;

  g_return_val_if_fail (n_parts > 0 && n_parts <= DESCRY_MAX_PARTS, NULL);

  frozen->gguf = gguf;
  frozen->k = k;
  for (i = 0; i < n_parts; i++)
    {
      const guint64 dims[] = { k, rows[i] };

      frozen->parts[i] = descry_gguf_want (gguf, names[i], 2, dims, error);
      if (frozen->parts[i] == NULL)
        {
          descry_frozen_free (frozen);
          return NULL;
        }
      frozen->n += rows[i];
    }
  frozen->n_parts = n_parts;

  if (descry_onednn_available (device, NULL) && descry_ops_provider (device) != DESCRY_GEMM_OWN)
    {
      frozen->forward = descry_onednn_matmul_new_later (frozen->n, k, FALSE, fill_cb, frozen);
      frozen->backward = descry_onednn_matmul_new_later (k, frozen->n, TRUE, fill_cb, frozen);
    }
  else if (!make_own (frozen, device, error))
    g_clear_pointer (&frozen, descry_frozen_free);

  return frozen;
}

void
descry_frozen_free (DescryFrozen *frozen)
{
  if (frozen == NULL)
    return;

  descry_onednn_matmul_free (frozen->forward);
  descry_onednn_matmul_free (frozen->backward);
  descry_weight_free (frozen->w);
  descry_weight_free (frozen->transposed);
  g_clear_error (&frozen->failure);
  g_free (frozen);
}

static void
multiply (DescryRun          *run,
          DescryTensor        y,
          DescryTensor        x,
          DescryFrozen       *frozen,
          DescryOnednnMatmul *matmul,
          DescryWeight       *weight)
{
  if (matmul == NULL)
    op_gemm (run, y, x, weight, NULL);
  else if (descry_run_ok (run) && !descry_onednn_matmul (run, y, x, matmul, NULL, descry_ops_fast (descry_run_device (run))))
    {
      /* The shapes are plain: what it can lack is memory. */
      if (frozen->failure != NULL)
        descry_run_take (run, g_steal_pointer (&frozen->failure));
      else
        descry_run_fail (run, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for a product of %u×%u rows", frozen->parts[0]->name, descry_tensor_rows (x),
                         descry_tensor_cols (x));
    }
}

void
descry_frozen_forward (DescryRun    *run,
                       DescryTensor  y,
                       DescryTensor  x,
                       DescryFrozen *frozen)
{
  multiply (run, y, x, frozen, frozen->forward, frozen->w);
}

void
descry_frozen_backward (DescryRun    *run,
                        DescryTensor  dx,
                        DescryTensor  dy,
                        DescryFrozen *frozen)
{
  multiply (run, dx, dy, frozen, frozen->backward, frozen->transposed);
}

void
descry_lora_linear_clear (DescryLoraLinear *linear)
{
  g_clear_pointer (&linear->frozen, descry_frozen_free);
  *linear = (DescryLoraLinear) { 0 };
}

void
descry_lora_linear_forward (DescryRun        *run,
                            DescryTensor      y,
                            DescryTensor      hidden,
                            DescryTensor      x,
                            DescryLoraLinear *linear)
{
  guint i, first = 0;

  descry_frozen_forward (run, y, x, linear->frozen);
  if (!descry_run_ok (run))
    return;
  op_matmul_dots (run, hidden, x, linear->a, 1.0f, FALSE);
  for (i = 0; i < linear->n_parts; i++)
    {
      op_matmul_rows (run, descry_tensor_columns (y, first, linear->rows[i]), descry_tensor_columns (hidden, i * linear->rank, linear->rank), FALSE,
                      linear->b[i], linear->scale, TRUE);
      first += linear->rows[i];
    }
}

void
descry_lora_linear_backward (DescryRun        *run,
                             DescryTensor      dx,
                             DescryTensor      dy,
                             DescryTensor      x,
                             DescryTensor      hidden,
                             DescryLoraLinear *linear)
{
  DescryTensor dhidden;
  guint i, first = 0;

  if (!descry_run_ok (run))
    return;

  dhidden = descry_run_tensor2 (run, descry_tensor_rows (x), linear->n_parts * linear->rank);
  if (!descry_run_ok (run))
    return;
  for (i = 0; i < linear->n_parts; i++)
    {
      DescryTensor part = descry_tensor_columns (dy, first, linear->rows[i]);

      /* dB^T += scale h^T dy;  dh = scale dy B */
      op_matmul_rows (run, linear->db[i], descry_tensor_columns (hidden, i * linear->rank, linear->rank), TRUE, part, linear->scale, TRUE);
      op_matmul_dots (run, descry_tensor_columns (dhidden, i * linear->rank, linear->rank), part, linear->b[i], linear->scale, FALSE);
      first += linear->rows[i];
    }
  op_matmul_rows (run, linear->da, dhidden, TRUE, x, 1.0f, TRUE);
  if (dx.buffer != NULL)
    {
      descry_frozen_backward (run, dx, dy, linear->frozen);
      op_matmul_rows (run, dx, dhidden, FALSE, linear->a, 1.0f, TRUE);
    }
  descry_run_release (run, &dhidden);
}
