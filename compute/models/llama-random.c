/* llama-random.c - language models of a given shape with random weights: for measuring sizes that are not at hand
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-llama"

#include "config.h"

#include "compute/models/llama-private.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/models/sampler.h"

/* Different rows that are quantised; the others repeat them, as speed does not ask what the numbers are. */
#define ROWS 67

static const struct { const char *name; DescryLlamaShape shape; } shapes[] = {
  { "135m", { 30, 576, 1536, 9, 3, 49152, 8192 } },
  { "1b", { 22, 2048, 5632, 32, 4, 32000, 2048 } },
  { "7b", { 32, 4096, 11008, 32, 32, 32000, 4096 } },
  { "13b", { 40, 5120, 13824, 40, 40, 32000, 4096 } },
};

const DescryLlamaShape *
descry_llama_shape (const char *name)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (shapes); i++)
    if (g_ascii_strcasecmp (name, shapes[i].name) == 0)
      return &shapes[i].shape;

  return NULL;
}

typedef struct
{
  DescryDevice  *device;
  DescryGgmlType type;
  guint64        seed;
  guint64        bytes, elements;
} Maker;

static DescryWeight *
make_weight (Maker      *maker,
             const char *name,
             guint       n,
             guint       k,
             GError    **error)
{
  DescryWeight *weight = NULL;
  guint64 row = 0;
  float *values = NULL;
  guint8 *blocks = NULL;
  guint i, j;

  if (!descry_ggml_bytes (maker->type, k, &row))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "%s: rows of %u are no whole blocks of %s", name, k, descry_ggml_name (maker->type));
      return NULL;
    }
  values = descry_try_alloc (k, sizeof *values);
  blocks = descry_try_alloc (n, row);
  if (values == NULL || blocks == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %u×%u", name, n, k);
  else
    {
      gboolean ok = TRUE;

      for (i = 0; i < n && ok; i++)
        if (i < ROWS)
          {
            for (j = 0; j < k; j++)
              values[j] = (float) ((descry_uniform (&maker->seed) - 0.5) * 3.4 / sqrt (k));
            ok = descry_ggml_quantise (maker->type, values, k, blocks + i * row);
          }
        else
          memcpy (blocks + i * row, blocks + i % ROWS * row, row);
      if (ok)
        weight = descry_weight_new (maker->device, name, maker->type, n, k, blocks, error);
      else
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s cannot be written", descry_ggml_name (maker->type));
      maker->bytes += n * row;
      maker->elements += (guint64) n * k;
    }
  descry_free (values);
  descry_free (blocks);

  return weight;
}

static gboolean
make_ones (Maker        *maker,
           guint         n,
           DescryTensor *tensor,
           GError      **error)
{
  g_autoptr (DescryRun) run = descry_run_new (maker->device, NULL);
  float *ones = descry_try_alloc (n, sizeof *ones);
  gboolean ok = ones != NULL && descry_tensor_alloc (maker->device, tensor, DESCRY_F32, 1, &n, error);
  guint i;

  for (i = 0; i < n && ones != NULL; i++)
    ones[i] = 1.0f;
  if (ok)
    {
      descry_run_write (run, *tensor, ones, n);
      ok = descry_run_finish (run, error);
    }
  else if (ones == NULL)
    g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for a norm");
  descry_free (ones);

  return ok;
}

static gboolean
make_layer (Maker            *maker,
            DescryLlama      *model,
            DescryLlamaLayer *layer,
            GError          **error)
{
  guint q = model->heads * model->head_dim, kv = model->kv_heads * model->head_dim;

  layer->rotated = TRUE;
  layer->qkv.n_parts = 3;
  layer->gate_up.n_parts = 2;
  layer->qkv.joined = make_weight (maker, "q, k, v", q + 2 * kv, model->width, error);
  layer->output = layer->qkv.joined != NULL ? make_weight (maker, "attention output", model->width, q, error) : NULL;
  layer->gate_up.joined = layer->output != NULL ? make_weight (maker, "gate, up", 2 * model->ffn, model->width, error) : NULL;
  layer->down = layer->gate_up.joined != NULL ? make_weight (maker, "down", model->width, model->ffn, error) : NULL;

  return layer->down != NULL && make_ones (maker, model->width, &layer->attention_norm, error) && make_ones (maker, model->width, &layer->ffn_norm, error);
}

DescryLlama *
descry_llama_new_random (DescryDevice           *device,
                         const DescryLlamaShape *shape,
                         DescryGgmlType          type,
                         guint64                *bytes,
                         guint64                *elements,
                         GError                **error)
{
  g_autoptr (DescryLlama) model = g_new0 (DescryLlama, 1);
  Maker maker = { device, type, 17, 0, 0 };
  guint i;

  model->device = device;
  model->path = g_strdup ("random weights");
  model->n_layers = shape->layers;
  model->width = shape->width;
  model->ffn = shape->ffn;
  model->heads = shape->heads;
  model->kv_heads = shape->kv_heads;
  model->head_dim = model->rope_dim = shape->width / shape->heads;
  model->vocabulary = shape->vocabulary;
  model->context = shape->context;
  model->eps = 1e-5f;
  model->freqs = g_new (float, model->rope_dim / 2 + 1);
  for (i = 0; i < model->rope_dim / 2; i++)
    model->freqs[i] = powf (10000.0f, -2.0f * i / model->rope_dim);

  model->embedding = model->head = make_weight (&maker, "words", model->vocabulary, model->width, error);
  if (model->embedding == NULL || !make_ones (&maker, model->width, &model->output_norm, error))
    return NULL;
  model->layers = g_new0 (DescryLlamaLayer, model->n_layers);
  for (i = 0; i < model->n_layers; i++)
    if (!make_layer (&maker, model, &model->layers[i], error))
      return NULL;

  *bytes = maker.bytes;
  *elements = maker.elements;
  return g_steal_pointer (&model);
}
