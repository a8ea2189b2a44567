/* llama-train.c - a LLaMA-family model with adapters: loss and gradients of packed examples
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/llama-private.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/ops/norm.h"

#define MAX_EXAMPLES 256 /* of a batch */

/* What the way back needs of a layer's way forward. Norms and activations are made again: they cost one pass over
 * memory and would be half of it. */
typedef struct
{
  DescryTensor x;      /* [rows, width] into the layer */
  DescryTensor qkv;    /* [rows, q + 2 kv], rotated */
  DescryTensor attended; /* [rows, q] */
  DescryTensor middle; /* [rows, width] after attention */
  DescryTensor gate_up; /* [rows, 2 ffn] */
  DescryTensor h_qkv, h_output, h_gate_up, h_down; /* of the adapters */
} Saved;

/* Reading, with the first failure kept. */
typedef struct
{
  DescryTrainLlama *model;
  DescryGguf       *gguf;
  GError           *error;
} Reader;

static DescryTensor
upload (DescryDevice *device,
        const float  *values,
        guint         n,
        GError      **error)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  DescryTensor tensor = { 0 };

  if (descry_tensor_alloc (device, &tensor, DESCRY_F32, 1, &n, error))
    {
      descry_run_write (run, tensor, values, n);
      descry_run_finish (run, error);
    }
  return tensor;
}

static DescryTensor
read_vector (Reader     *reader,
             const char *name,
             guint       n)
{
  const guint64 dims[] = { n };
  const DescryGgufTensor *tensor;
  DescryTensor result = { 0 };
  float *values;

  if (reader->error != NULL)
    return result;
  tensor = descry_gguf_want (reader->gguf, name, 1, dims, &reader->error);
  values = tensor != NULL ? descry_gguf_read_f32 (reader->gguf, tensor, &reader->error) : NULL;
  if (values != NULL)
    result = upload (reader->model->device, values, n, &reader->error);
  descry_free (values);
  return result;
}

/* @n_parts tensors of blk.I under each other, one frozen weight of all rows. */
static void
read_linear (Reader             *reader,
             DescryLoraLinear   *linear,
             guint               layer,
             const char *const  *names,
             const guint        *rows,
             guint               n_parts,
             guint               k)
{
  char *full[DESCRY_MAX_PARTS] = { NULL };
  guint i;

  for (i = 0; i < n_parts; i++)
    {
      full[i] = g_strdup_printf ("blk.%u.%s.weight", layer, names[i]);
      linear->rows[i] = rows[i];
    }
  linear->n_parts = n_parts;
  linear->rank = reader->model->config.rank;
  linear->scale = reader->model->config.alpha / linear->rank;
  if (reader->error == NULL)
    linear->frozen = descry_frozen_new (reader->model->device, reader->gguf, (const char *const *) full, rows, n_parts, k, &reader->error);
  for (i = 0; i < n_parts; i++)
    g_free (full[i]);
}

static guint
count_parameters (const DescryTrainLlama *model)
{
  guint q = model->heads * model->head_dim, kv = model->kv_heads * model->head_dim, r = model->config.rank;
  guint layer = 3 * r * model->width + r * (q + 2 * kv) + r * q + r * model->width + 2 * r * model->width + 2 * r * model->ffn + r * model->ffn + r * model->width;

  return layer * model->n_layers;
}

/* Uniform in +- sqrt (1 / inputs) for A as in the LoRA paper's code, zero for B. */
static void
take_adapter (DescryTrainLlama *model,
              DescryLoraLinear *linear,
              guint             k,
              float            *start)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) (model->config.seed * 2654435761u + model->parameters.used));
  float bound = sqrtf (1.0f / (float) k);
  guint first = model->parameters.used, i;

  descry_parameters_take (&model->parameters, linear->n_parts * linear->rank, k, &linear->a, &linear->da);
  for (i = first; i < model->parameters.used; i++)
    start[i] = (float) g_rand_double_range (rand, -bound, bound);
  for (i = 0; i < linear->n_parts; i++)
    descry_parameters_take (&model->parameters, linear->rank, linear->rows[i], &linear->b[i], &linear->db[i]);
}

static gboolean
make_parameters (DescryTrainLlama *model,
                 GError          **error)
{
  guint n = count_parameters (model), i;
  float *start = descry_try_alloc (n, sizeof (float));
  g_autoptr (DescryRun) run = descry_run_new (model->device, NULL);

  if (start == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %u parameters", n);
      return FALSE;
    }
  if (!descry_parameters_init (&model->parameters, model->device, n, error))
    {
      descry_free (start);
      return FALSE;
    }
  for (i = 0; i < model->n_layers; i++)
    {
      take_adapter (model, &model->layers[i].qkv, model->width, start);
      take_adapter (model, &model->layers[i].output, model->heads * model->head_dim, start);
      take_adapter (model, &model->layers[i].gate_up, model->width, start);
      take_adapter (model, &model->layers[i].down, model->ffn, start);
    }
  descry_run_write (run, model->parameters.values, start, n);
  descry_free (start);
  return descry_run_finish (run, error);
}

static gboolean
get_uint (Reader     *reader,
          const char *key,
          guint64     most,
          guint      *value)
{
  g_autofree char *full = g_strconcat ("llama.", key, NULL);
  guint64 number;

  if (reader->error != NULL || !descry_gguf_get_uint (reader->gguf, full, 1, most, &number, &reader->error))
    return FALSE;
  *value = number;
  return TRUE;
}

static void
read_shape (Reader *reader)
{
  DescryTrainLlama *model = reader->model;
  const char *architecture = descry_gguf_get_string (reader->gguf, "general.architecture", &reader->error);
  float base = 10000.0f;
  float *freqs;
  guint i;

  if (architecture == NULL)
    return;
  if (strcmp (architecture, "llama") != 0)
    {
      g_set_error (&reader->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: adapters are trained for the architecture “llama”, found “%s”",
                   descry_gguf_path (reader->gguf), architecture);
      return;
    }
  get_uint (reader, "embedding_length", 65536, &model->width);
  get_uint (reader, "block_count", 128, &model->n_layers);
  get_uint (reader, "feed_forward_length", 262144, &model->ffn);
  get_uint (reader, "attention.head_count", 1024, &model->heads);
  model->kv_heads = model->heads;
  if (descry_gguf_has (reader->gguf, "llama.attention.head_count_kv"))
    get_uint (reader, "attention.head_count_kv", 1024, &model->kv_heads);
  if (reader->error == NULL)
    descry_gguf_get_float (reader->gguf, "llama.attention.layer_norm_rms_epsilon", 1e-12, 1.0, &model->eps, &reader->error);
  if (reader->error == NULL && descry_gguf_has (reader->gguf, "llama.rope.freq_base"))
    descry_gguf_get_float (reader->gguf, "llama.rope.freq_base", 1.0, 1e12, &base, &reader->error);
  if (reader->error != NULL)
    return;
  if (model->width % model->heads != 0 || model->heads % model->kv_heads != 0 || model->width / model->heads % 2 != 0)
    {
      g_set_error (&reader->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %u heads over %u do not divide a width of %u",
                   descry_gguf_path (reader->gguf), model->heads, model->kv_heads, model->width);
      return;
    }

  model->head_dim = model->rope_dim = model->width / model->heads;
  if (descry_gguf_has (reader->gguf, "llama.rope.dimension_count"))
    get_uint (reader, "rope.dimension_count", model->head_dim, &model->rope_dim);
  freqs = g_new (float, model->rope_dim / 2);
  for (i = 0; i < model->rope_dim / 2; i++)
    freqs[i] = (float) pow (base, -2.0 * i / model->rope_dim);
  if (reader->error == NULL)
    model->freqs = upload (model->device, freqs, model->rope_dim / 2, &reader->error);
  g_free (freqs);
}

static void
read_head (Reader *reader)
{
  DescryTrainLlama *model = reader->model;
  const DescryGgufTensor *table = descry_gguf_find (reader->gguf, "token_embd.weight");
  const char *output = descry_gguf_find (reader->gguf, "output.weight") != NULL ? "output.weight" : "token_embd.weight";
  gpointer raw;

  if (reader->error != NULL)
    return;
  if (table == NULL || table->n_dims != 2 || table->dims[0] != model->width || table->dims[1] > 1 << 20)
    {
      g_set_error (&reader->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: no token_embd.weight of width %u", descry_gguf_path (reader->gguf), model->width);
      return;
    }
  model->vocabulary = table->dims[1];
  raw = descry_gguf_read (reader->gguf, table, &reader->error);
  if (raw != NULL)
    model->embedding = descry_weight_new (model->device, table->name, table->type, model->vocabulary, model->width, raw, &reader->error);
  descry_free (raw);

  if (reader->error == NULL)
    model->head = descry_frozen_new (model->device, reader->gguf, &output, &model->vocabulary, 1, model->width, &reader->error);
}

DescryTrainLlama *
descry_train_llama_new (DescryDevice           *device,
                        DescryGguf             *gguf,
                        const DescryLoraConfig *config,
                        GError                **error)
{
  static const char *const qkv[] = { "attn_q", "attn_k", "attn_v" }, *const gate_up[] = { "ffn_gate", "ffn_up" };
  static const char *const output[] = { "attn_output" }, *const down[] = { "ffn_down" };
  g_autoptr (DescryTrainLlama) model = g_new0 (DescryTrainLlama, 1);
  Reader reader = { model, gguf, NULL };
  guint i;

  g_return_val_if_fail (config->rank > 0 && config->rows > 1 && config->answers > 0, NULL);

  model->device = device;
  model->config = *config;
  read_shape (&reader);
  if (reader.error == NULL)
    model->layers = g_new0 (DescryLlamaLayer, model->n_layers);
  for (i = 0; reader.error == NULL && i < model->n_layers; i++)
    {
      DescryLlamaLayer *layer = &model->layers[i];
      guint q = model->heads * model->head_dim, kv = model->kv_heads * model->head_dim;
      g_autofree char *norm = g_strdup_printf ("blk.%u.attn_norm.weight", i), *norm2 = g_strdup_printf ("blk.%u.ffn_norm.weight", i);

      layer->attention_norm = read_vector (&reader, norm, model->width);
      layer->ffn_norm = read_vector (&reader, norm2, model->width);
      read_linear (&reader, &layer->qkv, i, qkv, (const guint[]) { q, kv, kv }, 3, model->width);
      read_linear (&reader, &layer->output, i, output, &model->width, 1, q);
      read_linear (&reader, &layer->gate_up, i, gate_up, (const guint[]) { model->ffn, model->ffn }, 2, model->width);
      read_linear (&reader, &layer->down, i, down, &model->width, 1, model->ffn);
    }
  model->output_norm = read_vector (&reader, "output_norm.weight", model->width);
  read_head (&reader);
  if (reader.error == NULL)
    make_parameters (model, &reader.error);

  if (reader.error != NULL)
    {
      g_propagate_error (error, reader.error);
      return NULL;
    }
  return g_steal_pointer (&model);
}

void
descry_train_llama_free (DescryTrainLlama *model)
{
  guint i;

  if (model == NULL)
    return;

  for (i = 0; model->layers != NULL && i < model->n_layers; i++)
    {
      descry_tensor_free (model->device, &model->layers[i].attention_norm);
      descry_tensor_free (model->device, &model->layers[i].ffn_norm);
      descry_lora_linear_clear (&model->layers[i].qkv);
      descry_lora_linear_clear (&model->layers[i].output);
      descry_lora_linear_clear (&model->layers[i].gate_up);
      descry_lora_linear_clear (&model->layers[i].down);
    }
  g_free (model->layers);
  descry_tensor_free (model->device, &model->freqs);
  descry_tensor_free (model->device, &model->output_norm);
  descry_weight_free (model->embedding);
  descry_frozen_free (model->head);
  descry_parameters_clear (&model->parameters);
  g_free (model);
}

DescryParameters *
descry_train_llama_parameters (DescryTrainLlama *model)
{
  return &model->parameters;
}

guint
descry_train_llama_fit (DescryTrainLlama         *model,
                        const DescryTrainExample *examples,
                        guint                     n)
{
  guint rows = 0, answers = 0, i;

  for (i = 0; i < MIN (n, MAX_EXAMPLES); i++)
    {
      rows += examples[i].n;
      answers += examples[i].n - examples[i].first_target;
      if (rows > model->config.rows || answers > model->config.answers)
        break;
    }

  return i;
}

/* A batch on the device. */
typedef struct
{
  DescryRun   *run;
  guint        n;
  guint        starts[MAX_EXAMPLES], lengths[MAX_EXAMPLES];
  DescryTensor ids;
  guint       *answers; /* rows that have a target */
  guint        n_answers;
} Batch;

static DescryTensor
rows_of (DescryTensor tensor,
         const Batch *batch,
         guint        i)
{
  return descry_tensor_slice (tensor, batch->starts[i], batch->lengths[i]);
}

static void
rotate (DescryTrainLlama *model,
        const Batch      *batch,
        DescryTensor      qkv,
        gboolean          back)
{
  guint q = model->heads * model->head_dim, kv = model->kv_heads * model->head_dim, i;
  void (*turn) (DescryRun *, DescryTensor, guint, guint, guint, DescryTensor, guint, DescryRopeKind) = back ? op_rope_backward : op_rope;

  for (i = 0; i < batch->n && descry_run_ok (batch->run); i++)
    {
      DescryTensor rows = rows_of (qkv, batch, i);

      turn (batch->run, descry_tensor_columns (rows, 0, q), model->heads, model->head_dim, model->rope_dim, model->freqs, 0, DESCRY_ROPE_PAIRS);
      turn (batch->run, descry_tensor_columns (rows, q, kv), model->kv_heads, model->head_dim, model->rope_dim, model->freqs, 0, DESCRY_ROPE_PAIRS);
    }
}

static DescryAttention
attention_shape (DescryTrainLlama *model)
{
  return (DescryAttention) { .heads = model->heads, .kv_heads = model->kv_heads, .head_dim = model->head_dim, .causal = TRUE };
}

static void
forward_layer (DescryTrainLlama *model,
               const Batch      *batch,
               DescryLlamaLayer            *layer,
               Saved            *saved,
               DescryTensor      x)
{
  DescryRun *run = batch->run;
  DescryAttention shape = attention_shape (model);
  guint rows = model->config.rows, q = model->heads * model->head_dim, kv = model->kv_heads * model->head_dim, r = model->config.rank, i;
  DescryTensor normed, act;

  if (!descry_run_ok (run))
    return;

  saved->x = descry_run_tensor2 (run, rows, model->width);
  normed = descry_run_tensor2 (run, rows, model->width);
  act = descry_run_tensor2 (run, rows, model->ffn);
  saved->qkv = descry_run_tensor2 (run, rows, q + 2 * kv);
  saved->attended = descry_run_tensor2 (run, rows, q);
  saved->middle = descry_run_tensor2 (run, rows, model->width);
  saved->gate_up = descry_run_tensor2 (run, rows, 2 * model->ffn);
  saved->h_qkv = descry_run_tensor2 (run, rows, 3 * r);
  saved->h_output = descry_run_tensor2 (run, rows, r);
  saved->h_gate_up = descry_run_tensor2 (run, rows, 2 * r);
  saved->h_down = descry_run_tensor2 (run, rows, r);
  if (!descry_run_ok (run))
    return;

  op_copy (run, saved->x, x);
  op_rms_norm (run, normed, x, layer->attention_norm, model->eps);
  descry_lora_linear_forward (run, saved->qkv, saved->h_qkv, normed, &layer->qkv);
  rotate (model, batch, saved->qkv, FALSE);
  op_fill (run, saved->attended, 0.0f); /* rows of no example stay finite */
  for (i = 0; i < batch->n; i++)
    {
      DescryTensor part = rows_of (saved->qkv, batch, i);

      op_attention (run, rows_of (saved->attended, batch, i), descry_tensor_columns (part, 0, q), descry_tensor_columns (part, q, kv), descry_tensor_columns (part, q + kv, kv), &shape);
    }
  descry_lora_linear_forward (run, saved->middle, saved->h_output, saved->attended, &layer->output);
  op_add (run, saved->middle, saved->middle, x, DESCRY_ACT_NONE);
  op_rms_norm (run, normed, saved->middle, layer->ffn_norm, model->eps);
  descry_lora_linear_forward (run, saved->gate_up, saved->h_gate_up, normed, &layer->gate_up);
  op_swiglu (run, act, descry_tensor_columns (saved->gate_up, 0, model->ffn), descry_tensor_columns (saved->gate_up, model->ffn, model->ffn));
  descry_lora_linear_forward (run, x, saved->h_down, act, &layer->down);
  op_add (run, x, x, saved->middle, DESCRY_ACT_NONE);
  descry_run_release (run, &normed);
  descry_run_release (run, &act);
  descry_run_flush (run);
}

/* All but the input. */
static void
release_inner (DescryRun *run,
               Saved     *saved)
{
  DescryTensor *tensors[] = { &saved->qkv, &saved->attended, &saved->middle, &saved->gate_up, &saved->h_qkv, &saved->h_output, &saved->h_gate_up, &saved->h_down };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (tensors); i++)
    descry_run_release (run, tensors[i]);
}

static void
release_saved (DescryRun *run,
               Saved     *saved)
{
  release_inner (run, saved);
  descry_run_release (run, &saved->x);
}

/* The layer once more from its input: what was let go on the way forward. */
static void
recompute_layer (DescryTrainLlama *model,
                 const Batch      *batch,
                 DescryLlamaLayer            *layer,
                 Saved            *saved)
{
  DescryTensor from = saved->x, x;

  if (!descry_run_ok (batch->run))
    return;

  x = descry_run_tensor2 (batch->run, model->config.rows, model->width);
  if (descry_run_ok (batch->run))
    op_copy (batch->run, x, from);
  forward_layer (model, batch, layer, saved, x);
  descry_run_release (batch->run, &x);
  descry_run_release (batch->run, &from);
}

/* dx [rows, width]: of the layer's output, becomes that of its input. @deepest: nothing below is trained. */
static void
backward_layer (DescryTrainLlama *model,
                const Batch      *batch,
                DescryLlamaLayer            *layer,
                Saved            *saved,
                DescryTensor      dx,
                gboolean          deepest)
{
  DescryRun *run = batch->run;
  DescryAttention shape = attention_shape (model);
  guint rows = model->config.rows, q = model->heads * model->head_dim, kv = model->kv_heads * model->head_dim, i;
  DescryTensor normed, act, dact, dgate_up, dnormed, dattended, dqkv, none = { 0 }, gate, up, dgate, dup;

  if (!descry_run_ok (run))
    return;

  normed = descry_run_tensor2 (run, rows, model->width);
  act = descry_run_tensor2 (run, rows, model->ffn);
  dact = descry_run_tensor2 (run, rows, model->ffn);
  dgate_up = descry_run_tensor2 (run, rows, 2 * model->ffn);
  dnormed = descry_run_tensor2 (run, rows, model->width);
  dattended = descry_run_tensor2 (run, rows, q);
  dqkv = descry_run_tensor2 (run, rows, q + 2 * kv);
  if (!descry_run_ok (run))
    return;

  gate = descry_tensor_columns (saved->gate_up, 0, model->ffn);
  up = descry_tensor_columns (saved->gate_up, model->ffn, model->ffn);
  dgate = descry_tensor_columns (dgate_up, 0, model->ffn);
  dup = descry_tensor_columns (dgate_up, model->ffn, model->ffn);
  op_swiglu (run, act, gate, up);
  descry_lora_linear_backward (run, dact, dx, act, saved->h_down, &layer->down);
  op_swiglu_backward (run, dgate, dup, dact, gate, up);
  op_rms_norm (run, normed, saved->middle, layer->ffn_norm, model->eps);
  descry_lora_linear_backward (run, dnormed, dgate_up, normed, saved->h_gate_up, &layer->gate_up);
  op_rms_norm_backward (run, dx, dnormed, saved->middle, layer->ffn_norm, none, model->eps, TRUE);

  descry_lora_linear_backward (run, dattended, dx, saved->attended, saved->h_output, &layer->output);
  op_fill (run, dqkv, 0.0f);
  for (i = 0; i < batch->n && descry_run_ok (run); i++)
    {
      DescryTensor part = rows_of (saved->qkv, batch, i), d = rows_of (dqkv, batch, i);

      op_attention_backward (run, descry_tensor_columns (d, 0, q), descry_tensor_columns (d, q, kv), descry_tensor_columns (d, q + kv, kv),
                             rows_of (dattended, batch, i), rows_of (saved->attended, batch, i),
                             descry_tensor_columns (part, 0, q), descry_tensor_columns (part, q, kv), descry_tensor_columns (part, q + kv, kv), &shape);
    }
  rotate (model, batch, dqkv, TRUE);
  op_rms_norm (run, normed, saved->x, layer->attention_norm, model->eps);
  descry_lora_linear_backward (run, deepest ? none : dnormed, dqkv, normed, saved->h_qkv, &layer->qkv);
  if (!deepest)
    op_rms_norm_backward (run, dx, dnormed, saved->x, layer->attention_norm, none, model->eps, TRUE);

  descry_run_release (run, &normed);
  descry_run_release (run, &act);
  descry_run_release (run, &dact);
  descry_run_release (run, &dgate_up);
  descry_run_release (run, &dnormed);
  descry_run_release (run, &dattended);
  descry_run_release (run, &dqkv);
  descry_run_flush (run);
}

/* Losses of the answers, and dx of the last layer's output where @dx has a buffer. */
static void
finish_batch (DescryTrainLlama         *model,
              const Batch              *batch,
              const DescryTrainExample *examples,
              DescryTensor              x,
              DescryTensor              dx,
              double                   *loss)
{
  DescryRun *run = batch->run;
  guint capacity = model->config.answers, i, k, n = 0;
  DescryTensor picked = descry_run_tensor2 (run, capacity, model->width), normed = descry_run_tensor2 (run, capacity, model->width);
  DescryTensor logits = descry_run_tensor2 (run, capacity, model->vocabulary), losses = descry_run_tensor2 (run, capacity, 1);
  DescryTensor targets = descry_run_tensor (run, DESCRY_I32, 1, &capacity), scales = descry_run_tensor2 (run, 1, capacity);
  g_autofree gint32 *wanted = g_new0 (gint32, capacity);
  g_autofree float *weights = g_new0 (float, capacity), *found = g_new0 (float, capacity);

  if (!descry_run_ok (run))
    return;

  for (i = 0; i < batch->n; i++)
    for (k = examples[i].first_target; k < examples[i].n; k++, n++)
      {
        wanted[n] = examples[i].ids[k];
        weights[n] = 1.0f / (float) batch->n_answers;
      }
  descry_run_write (run, targets, wanted, capacity);
  descry_run_write (run, scales, weights, capacity);

  op_fill (run, picked, 0.0f);
  for (i = 0; i < batch->n_answers; i++)
    op_copy (run, descry_tensor_slice (picked, i, 1), descry_tensor_slice (x, batch->answers[i], 1));
  op_rms_norm (run, normed, picked, model->output_norm, model->eps);
  descry_frozen_forward (run, logits, normed, model->head);
  op_cross_entropy (run, losses, logits, targets, scales);
  descry_run_read (run, losses, found, capacity);
  *loss = 0.0;
  for (i = 0; i < batch->n_answers; i++)
    *loss += found[i] / batch->n_answers;

  if (dx.buffer != NULL)
    {
      DescryTensor dnormed = descry_run_tensor2 (run, capacity, model->width);

      descry_frozen_backward (run, dnormed, logits, model->head);
      op_rms_norm_backward (run, normed, dnormed, picked, model->output_norm, (DescryTensor) { 0 }, model->eps, FALSE);
      op_fill (run, dx, 0.0f);
      for (i = 0; i < batch->n_answers && descry_run_ok (run); i++)
        op_copy (run, descry_tensor_slice (dx, batch->answers[i], 1), descry_tensor_slice (normed, i, 1));
      descry_run_release (run, &dnormed);
    }
  descry_run_release (run, &picked);
  descry_run_release (run, &normed);
  descry_run_release (run, &logits);
  descry_run_release (run, &losses);
  descry_run_release (run, &targets);
  descry_run_release (run, &scales);
}

static gboolean
pack_batch (DescryTrainLlama         *model,
            Batch                    *batch,
            const DescryTrainExample *examples,
            guint                     n,
            GError                  **error)
{
  g_autofree gint32 *ids = g_new0 (gint32, model->config.rows);
  guint at = 0, i, k;

  if (n == 0 || descry_train_llama_fit (model, examples, n) < n)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "%u examples do not fit a batch of %u rows and %u answers", n, model->config.rows, model->config.answers);
      return FALSE;
    }
  batch->n = n;
  batch->answers = g_new (guint, model->config.answers);
  for (i = 0; i < n; i++)
    {
      if (examples[i].first_target == 0 || examples[i].first_target >= examples[i].n)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "Example %u of %u tokens has no answer after token %u", i, examples[i].n, examples[i].first_target);
          return FALSE;
        }
      batch->starts[i] = at;
      batch->lengths[i] = examples[i].n;
      for (k = 0; k < examples[i].n; k++)
        {
          if (examples[i].ids[k] < 0 || (guint) examples[i].ids[k] >= model->vocabulary)
            {
              g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "Example %u: token %d is outside the vocabulary of %u", i, examples[i].ids[k], model->vocabulary);
              return FALSE;
            }
          ids[at + k] = examples[i].ids[k];
          if (k >= examples[i].first_target)
            batch->answers[batch->n_answers++] = at + k - 1; /* the row before a token predicts it */
        }
      at += examples[i].n;
    }
  batch->ids = descry_run_tensor (batch->run, DESCRY_I32, 1, &model->config.rows);
  descry_run_write (batch->run, batch->ids, ids, model->config.rows);

  return TRUE;
}

gboolean
descry_train_llama_loss (DescryTrainLlama         *model,
                         const DescryTrainExample *examples,
                         guint                     n,
                         gboolean                  gradients,
                         GCancellable             *cancellable,
                         double                   *loss,
                         GError                  **error)
{
  const DescryTensor none = { 0 };

  return descry_train_llama_loss_soft (model, examples, n, none, none, gradients, cancellable, loss, error);
}

/* Soft tokens into their rows of @x; or the gradients of these rows of @x into @soft. */
static void
move_soft (DescryTrainLlama         *model,
           const Batch              *batch,
           const DescryTrainExample *examples,
           DescryTensor              x,
           DescryTensor              soft,
           gboolean                  back)
{
  guint i;

  for (i = 0; i < batch->n && descry_run_ok (batch->run); i++)
    if (examples[i].n_soft > 0)
      {
        DescryTensor rows = descry_tensor_slice (x, batch->starts[i] + examples[i].soft_at, examples[i].n_soft);
        DescryTensor own = descry_tensor_slice (soft, examples[i].soft_first, examples[i].n_soft);

        if (back)
          op_add (batch->run, own, own, rows, DESCRY_ACT_NONE);
        else
          op_copy (batch->run, rows, own);
      }
}

static gboolean
check_soft (DescryTrainLlama         *model,
            const DescryTrainExample *examples,
            guint                     n,
            DescryTensor              soft,
            GError                  **error)
{
  guint rows = soft.buffer != NULL && descry_tensor_cols (soft) == model->width ? descry_tensor_rows (soft) : 0, i;

  for (i = 0; i < n; i++)
    {
      const DescryTrainExample *it = &examples[i];

      if (it->n_soft > 0 && (it->soft_at > it->first_target || it->n_soft > it->first_target - it->soft_at || it->soft_first > rows || it->n_soft > rows - it->soft_first))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "Example %u wants %u soft tokens at %u before its answer at %u, from row %u of %u", i, it->n_soft, it->soft_at,
                       it->first_target, it->soft_first, rows);
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
descry_train_llama_loss_soft (DescryTrainLlama         *model,
                              const DescryTrainExample *examples,
                              guint                     n,
                              DescryTensor              soft,
                              DescryTensor              dsoft,
                              gboolean                  gradients,
                              GCancellable             *cancellable,
                              double                   *loss,
                              GError                  **error)
{
  g_autoptr (DescryRun) run = descry_run_new (model->device, cancellable);
  g_autofree Saved *saved = g_new0 (Saved, model->n_layers);
  Batch batch = { .run = run };
  DescryTensor x, dx = { 0 };
  gboolean ok;
  guint i;

  ok = check_soft (model, examples, n, soft, error) && pack_batch (model, &batch, examples, n, error);
  if (ok)
    {
      x = descry_run_tensor2 (run, model->config.rows, model->width);
      op_embed (run, x, batch.ids, model->embedding);
      move_soft (model, &batch, examples, x, soft, FALSE);
      for (i = 0; i < model->n_layers; i++)
        {
          forward_layer (model, &batch, &model->layers[i], &saved[i], x);
          if (!gradients)
            release_saved (run, &saved[i]);
          else if (model->config.recompute)
            release_inner (run, &saved[i]);
        }
      if (gradients)
        dx = descry_run_tensor2 (run, model->config.rows, model->width);
      finish_batch (model, &batch, examples, x, dx, loss);
      for (i = model->n_layers; gradients && i-- > 0;)
        {
          if (model->config.recompute)
            recompute_layer (model, &batch, &model->layers[i], &saved[i]);
          backward_layer (model, &batch, &model->layers[i], &saved[i], dx, i == 0 && dsoft.buffer == NULL);
          release_saved (run, &saved[i]);
        }
      if (gradients && dsoft.buffer != NULL)
        move_soft (model, &batch, examples, dx, dsoft, TRUE);
      ok = descry_run_finish (run, error);
    }
  g_free (batch.answers);

  return ok;
}
