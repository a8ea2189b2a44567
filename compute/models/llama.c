/* llama.c - the LLaMA-family network: what happens to rows of x
 *
 * A layer, for x [m, width]:
 *   q, k, v = rms (x) . Wqkv;  q, k rotated;  x += attention (q, cached k, cached v) . Wo
 *   x += (silu (rms (x) . Wgate) * (rms (x) . Wup)) . Wdown
 * Up to DESCRY_FEW_ROWS rows (decoding, short questions) norms ride in the products: a product's epilogue writes x
 * and x times the next norm's weight, the next product divides by the RMS. So a layer is five launches.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-llama"

#include "config.h"

#include "compute/models/llama-private.h"

#include "compute/ops/elementwise.h"
#include "compute/ops/norm.h"

/* c [m, all rows of the linear] = a . w + bias, with @fusion's norm. */
static void
apply (DescryRun               *run,
       DescryTensor             c,
       DescryTensor             a,
       const DescryLlamaLinear *linear,
       const DescryFusion      *fusion)
{
  guint at = 0, i;

  for (i = 0; i < (linear->joined != NULL ? 1 : linear->n_parts); i++)
    {
      const DescryWeight *w = linear->joined != NULL ? linear->joined : linear->parts[i];
      guint n = descry_weight_rows (w);
      DescryEpilogue epilogue = { 0 };

      if (linear->bias.buffer != NULL)
        epilogue.bias = descry_tensor_columns (linear->bias, at, n);
      if (fusion != NULL)
        op_gemm_fused (run, descry_tensor_columns (c, at, n), a, w, &epilogue, fusion);
      else
        op_gemm (run, descry_tensor_columns (c, at, n), a, w, &epilogue);
      at += n;
    }
}

/* h [m, ffn] = silu (gate) * up */
static void
gate (DescryRun              *run,
      DescryLlama            *model,
      DescryTensor            h,
      DescryTensor            a,
      const DescryLlamaLayer *layer,
      const DescryFusion     *norm)
{
  DescryFusion fusion = norm != NULL ? *norm : (DescryFusion) { 0 };
  DescryTensor both;

  if (norm != NULL && layer->gate_up.joined != NULL && model->ffn % 32 == 0)
    {
      fusion.pair = TRUE;
      op_gemm_fused (run, h, a, layer->gate_up.joined, NULL, &fusion);
      return;
    }

  both = descry_run_tensor2 (run, descry_tensor_rows (h), 2 * model->ffn);
  if (!descry_run_ok (run))
    return;
  apply (run, both, a, &layer->gate_up, norm);
  op_swiglu (run, h, descry_tensor_columns (both, 0, model->ffn), descry_tensor_columns (both, model->ffn, model->ffn));
  descry_run_release (run, &both);
}

void
descry_llama_forward (DescryLlamaSession *session,
                      DescryRun          *run,
                      DescryTensor        x,
                      DescryTensor        scaled)
{
  DescryLlama *model = session->model;
  guint m = descry_tensor_rows (x), past = session->ids->len, q_width = model->heads * model->head_dim, kv_width = model->kv_heads * model->head_dim;
  gboolean few = m <= DESCRY_FEW_ROWS;
  DescryTensor qkv = descry_run_tensor2 (run, m, q_width + 2 * kv_width), attended = descry_run_tensor2 (run, m, q_width), h = descry_run_tensor2 (run, m, model->ffn);
  DescryRotation rotation = { model->heads, model->kv_heads, model->head_dim, model->rope_dim, model->rope, session->table, { 0 }, { 0 }, model->eps, session->rows * model->head_dim };
  guint i;

  if (!descry_run_ok (run))
    return;

  for (i = 0; i < model->n_layers && descry_run_ok (run); i++)
    {
      const DescryLlamaLayer *layer = &model->layers[i];
      DescryTensor next_norm = i + 1 < model->n_layers ? model->layers[i + 1].attention_norm : model->output_norm;
      DescryFusion norm = { .norm = x, .eps = model->eps }, next = { .next = scaled };
      DescryEpilogue residual = { .residual = x };

      if (few && i == 0)
        {
          DescryTensor row = layer->attention_norm;

          row.n_dims = 2;
          row.shape[1] = row.pitch;
          row.shape[0] = 1;
          op_mul (run, scaled, x, row);
        }
      else if (!few)
        op_rms_norm (run, scaled, x, layer->attention_norm, model->eps);
      apply (run, qkv, scaled, &layer->qkv, few ? &norm : NULL);

      rotation.rope_dim = layer->rotated ? model->rope_dim : 0;
      rotation.q_norm = layer->q_norm;
      rotation.k_norm = layer->k_norm;
      op_attention_step (run, attended, qkv, descry_tensor_slice (session->keys[i], 0, session->rows), descry_tensor_slice (session->values[i], 0, session->rows), past, &rotation);

      residual.bias = layer->output_bias;
      next.next_weight = layer->ffn_norm;
      if (few)
        op_gemm_fused (run, x, attended, layer->output, &residual, &next);
      else
        {
          op_gemm (run, x, attended, layer->output, &residual);
          op_rms_norm (run, scaled, x, layer->ffn_norm, model->eps);
        }
      gate (run, model, h, scaled, layer, few ? &norm : NULL);

      residual.bias = (DescryTensor) { 0 };
      next.next_weight = next_norm;
      if (few)
        op_gemm_fused (run, x, h, layer->down, &residual, &next);
      else
        op_gemm (run, x, h, layer->down, &residual);

      descry_run_flush (run);
    }

  descry_run_release (run, &qkv);
  descry_run_release (run, &attended);
  descry_run_release (run, &h);
}

void
descry_llama_head (DescryLlamaSession *session,
                   DescryRun          *run,
                   DescryTensor        logits,
                   DescryTensor        x,
                   DescryTensor        scaled)
{
  DescryLlama *model = session->model;
  DescryFusion norm = { .norm = x, .eps = model->eps };

  if (!descry_run_ok (run))
    return;

  if (descry_tensor_rows (x) <= DESCRY_FEW_ROWS)
    op_gemm_fused (run, logits, scaled, model->head, NULL, &norm);
  else
    {
      op_rms_norm (run, scaled, x, model->output_norm, model->eps);
      op_gemm (run, logits, scaled, model->head, NULL);
    }
}

guint
descry_llama_width (DescryLlama *model)
{
  return model->width;
}

guint
descry_llama_vocabulary (DescryLlama *model)
{
  return model->vocabulary;
}

guint
descry_llama_context (DescryLlama *model)
{
  return model->context;
}
