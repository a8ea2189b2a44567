/* llama-adapter.c - adapters of the trained LLaMA as a GGUF file, in llama.cpp's form
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/train/llama-private.h"

static const char *const qkv[] = { "attn_q", "attn_k", "attn_v" }, *const gate_up[] = { "ffn_gate", "ffn_up" };
static const char *const output[] = { "attn_output" }, *const down[] = { "ffn_down" };

/* Adds NAME.lora_a [rank, k] and NAME.lora_b [rows, rank], f16. */
static gboolean
save_linear (DescryTrainLlama       *model,
             DescryGgufWriter       *writer,
             guint                   layer,
             const char *const      *names,
             const DescryLoraLinear *linear,
             const float            *values)
{
  guint r = linear->rank, k = linear->a.shape[1], i, row, c;

  for (i = 0; i < linear->n_parts; i++)
    {
      guint rows = linear->rows[i];
      g_autofree char *name_a = g_strdup_printf ("blk.%u.%s.weight.lora_a", layer, names[i]), *name_b = g_strdup_printf ("blk.%u.%s.weight.lora_b", layer, names[i]);
      guint16 *a = descry_try_alloc ((gsize) r * k, sizeof *a), *b = descry_try_alloc ((gsize) r * rows, sizeof *b);
      const float *own = values + linear->a.offset + (gsize) i * r * k, *turned = values + linear->b[i].offset;

      if (a == NULL || b == NULL)
        {
          descry_free (a);
          descry_free (b);
          return FALSE;
        }
      for (c = 0; c < r * k; c++)
        a[c] = descry_float_to_half (own[c]);
      for (row = 0; row < rows; row++)
        for (c = 0; c < r; c++)
          b[(gsize) row * r + c] = descry_float_to_half (turned[(gsize) c * rows + row]);
      descry_gguf_writer_add (writer, name_a, DESCRY_GGML_F16, 2, (const guint64[]) { k, r }, a, (gsize) r * k * sizeof *a);
      descry_gguf_writer_add (writer, name_b, DESCRY_GGML_F16, 2, (const guint64[]) { r, rows }, b, (gsize) r * rows * sizeof *b);
    }

  return TRUE;
}

gboolean
descry_train_llama_save (DescryTrainLlama *model,
                         const char       *path,
                         const char       *card,
                         GError          **error)
{
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  g_autoptr (DescryRun) run = descry_run_new (model->device, NULL);
  float *values = descry_try_alloc (model->parameters.n, sizeof (float));
  gboolean ok = values != NULL;
  guint i;

  if (ok)
    {
      descry_run_read (run, model->parameters.values, values, model->parameters.n);
      ok = descry_run_finish (run, error);
    }
  descry_gguf_writer_set_string (writer, "general.type", "adapter");
  descry_gguf_writer_set_string (writer, "general.architecture", "llama");
  descry_gguf_writer_set_string (writer, "general.description", card);
  descry_gguf_writer_set_string (writer, "adapter.type", "lora");
  descry_gguf_writer_set_float (writer, "adapter.lora.alpha", model->config.alpha);
  for (i = 0; i < model->n_layers && ok; i++)
    ok = save_linear (model, writer, i, qkv, &model->layers[i].qkv, values) && save_linear (model, writer, i, output, &model->layers[i].output, values)
         && save_linear (model, writer, i, gate_up, &model->layers[i].gate_up, values) && save_linear (model, writer, i, down, &model->layers[i].down, values);
  descry_free (values);
  if (!ok)
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the adapters", path);
      return FALSE;
    }

  return descry_gguf_writer_write (writer, path, error);
}

/* The file's pair for each part of @linear into @values. */
static gboolean
load_linear (DescryGguf             *adapter,
             guint                   layer,
             const char *const      *names,
             const DescryLoraLinear *linear,
             float                  *values,
             GError                **error)
{
  guint r = linear->rank, k = linear->a.shape[1], i, row, c;

  for (i = 0; i < linear->n_parts; i++)
    {
      guint rows = linear->rows[i];
      g_autofree char *name_a = g_strdup_printf ("blk.%u.%s.weight.lora_a", layer, names[i]), *name_b = g_strdup_printf ("blk.%u.%s.weight.lora_b", layer, names[i]);
      const DescryGgufTensor *a = descry_gguf_want (adapter, name_a, 2, (const guint64[]) { k, r }, error);
      const DescryGgufTensor *b = a != NULL ? descry_gguf_want (adapter, name_b, 2, (const guint64[]) { r, rows }, error) : NULL;
      float *values_a = b != NULL ? descry_gguf_read_f32 (adapter, a, error) : NULL, *values_b = values_a != NULL ? descry_gguf_read_f32 (adapter, b, error) : NULL;

      if (values_b != NULL)
        {
          memcpy (values + linear->a.offset + (gsize) i * r * k, values_a, (gsize) r * k * sizeof (float));
          for (row = 0; row < rows; row++)
            for (c = 0; c < r; c++)
              values[linear->b[i].offset + (gsize) c * rows + row] = values_b[(gsize) row * r + c];
        }
      descry_free (values_a);
      descry_free (values_b);
      if (values_b == NULL)
        return FALSE;
    }

  return TRUE;
}

gboolean
descry_train_llama_load (DescryTrainLlama *model,
                         DescryGguf       *adapter,
                         GError          **error)
{
  g_autoptr (DescryRun) run = descry_run_new (model->device, NULL);
  float *values, alpha;
  gboolean ok = TRUE;
  guint i;

  if (!descry_gguf_get_float (adapter, "adapter.lora.alpha", 1e-6, 1e6, &alpha, error))
    return FALSE;
  if (fabsf (alpha - model->config.alpha) > 1e-6f)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: adapters of alpha %g, expected %g", descry_gguf_path (adapter), alpha, model->config.alpha);
      return FALSE;
    }
  values = descry_try_alloc (model->parameters.n, sizeof (float));
  if (values == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %u numbers", descry_gguf_path (adapter), model->parameters.n);
      return FALSE;
    }
  for (i = 0; i < model->n_layers && ok; i++)
    ok = load_linear (adapter, i, qkv, &model->layers[i].qkv, values, error) && load_linear (adapter, i, output, &model->layers[i].output, values, error)
         && load_linear (adapter, i, gate_up, &model->layers[i].gate_up, values, error) && load_linear (adapter, i, down, &model->layers[i].down, values, error);
  if (ok)
    {
      descry_run_write (run, model->parameters.values, values, model->parameters.n);
      ok = descry_run_finish (run, error);
    }
  descry_free (values);

  return ok;
}
