/* llama-load.c - a language model from its GGUF file
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-llama"

#include "config.h"

#include "compute/models/llama-private.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/models/llama-adapter.h"

/* Far beyond any model that fits a desktop; keeps products of two inside 64 bits. */
#define MAX_LAYERS 1024
#define MAX_WIDTH (1u << 17)
#define MAX_VOCABULARY (1u << 22)
#define MAX_CONTEXT (1u << 24)
/* Every fourth layer of smollm3 has no positions; its files do not say so. */
#define SMOLLM3_STEP 4

typedef struct
{
  DescryGguf        *gguf;
  DescryGguf        *adapter; /* or NULL */
  DescryLlama       *model;
  GCancellable      *cancellable;
  DescryProgressFunc progress;
  gpointer           data;
  const char        *architecture;
  GHashTable        *known; /* names that were asked for */
  guint64            done, total; /* bytes, for the progress */
} Loader;

static gboolean
get_uint (Loader     *loader,
          const char *suffix,
          guint64     min,
          guint64     max,
          guint      *value,
          GError    **error)
{
  g_autofree char *key = g_strdup_printf ("%s.%s", loader->architecture, suffix);
  guint64 wide;

  if (!descry_gguf_get_uint (loader->gguf, key, min, max, &wide, error))
    return FALSE;
  *value = wide;
  return TRUE;
}

static gboolean
has_key (Loader     *loader,
         const char *suffix)
{
  g_autofree char *key = g_strdup_printf ("%s.%s", loader->architecture, suffix);

  return descry_gguf_has (loader->gguf, key);
}

/* The same, but @value stays as it is if the file does not say. */
static gboolean
get_uint_or (Loader     *loader,
             const char *suffix,
             guint64     min,
             guint64     max,
             guint      *value,
             GError    **error)
{
  return !has_key (loader, suffix) || get_uint (loader, suffix, min, max, value, error);
}

static gboolean
get_float_or (Loader     *loader,
              const char *suffix,
              double      min,
              double      max,
              float      *value,
              GError    **error)
{
  g_autofree char *key = g_strdup_printf ("%s.%s", loader->architecture, suffix);

  return !descry_gguf_has (loader->gguf, key) || descry_gguf_get_float (loader->gguf, key, min, max, value, error);
}

static gboolean
step (Loader                 *loader,
      const DescryGgufTensor *tensor,
      GError                **error)
{
  loader->done += tensor->bytes;
  if (loader->progress != NULL)
    loader->progress ((double) loader->done / MAX (loader->total, 1), loader->data);

  return !g_cancellable_set_error_if_cancelled (loader->cancellable, error);
}

/* A vector kept in f32. */
static gboolean
load_vector (Loader       *loader,
             const char   *name,
             guint         n,
             DescryTensor *tensor,
             GError      **error)
{
  const DescryGgufTensor *found = descry_gguf_want (loader->gguf, name, 1, (guint64[]) { n }, error);
  g_autoptr (DescryRun) run = NULL;
  float *values;
  gboolean ok;

  g_hash_table_add (loader->known, g_strdup (name));
  if (found == NULL)
    return FALSE;
  values = descry_gguf_read_f32 (loader->gguf, found, error);
  if (values == NULL)
    return FALSE;

  run = descry_run_new (loader->model->device, NULL);
  ok = descry_tensor_alloc (loader->model->device, tensor, DESCRY_F32, 1, &n, error);
  if (ok)
    {
      descry_run_write (run, *tensor, values, n);
      ok = descry_run_finish (run, error);
    }
  descry_free (values);

  return ok && step (loader, found, error);
}

typedef struct
{
  DescryGguf             *gguf;
  const DescryGgufTensor *tensor;
} Source;

static gboolean
read_rows (gconstpointer source,
           guint64       at,
           gpointer      bytes,
           gsize         n,
           GError      **error)
{
  const Source *from = source;

  return descry_gguf_read_part (from->gguf, from->tensor, at, bytes, n, error);
}

/* Weights of one input: the first n_parts of @names with @rows; joined if they can be. */
static gboolean
load_weights (Loader            *loader,
              guint              layer,
              const char *const *names,
              const guint       *rows,
              guint              n_parts,
              guint              cols,
              DescryLlamaLinear *linear,
              GError           **error)
{
  const DescryGgufTensor *found[3] = { NULL };
  gpointer bytes[3] = { NULL }; /* only of what adapters change: the rest goes from the file into its place */
  Source sources[3];
  DescryWeightPart parts[3];
  gboolean ok = TRUE, joins = TRUE;
  guint i;

  linear->n_parts = n_parts;
  for (i = 0; i < n_parts && ok; i++)
    {
      g_autofree char *name = layer == G_MAXUINT ? g_strdup (names[i]) : g_strdup_printf ("blk.%u.%s.weight", layer, names[i]);
      DescryGgmlType type;

      found[i] = descry_gguf_want (loader->gguf, name, 2, (guint64[]) { cols, rows[i] }, error);
      g_hash_table_add (loader->known, g_strdup (name));
      ok = found[i] != NULL && step (loader, found[i], error);
      if (!ok)
        break;
      type = found[i]->type;
      if (loader->adapter != NULL && descry_adapter_has (loader->adapter, name))
        {
          bytes[i] = descry_gguf_read (loader->gguf, found[i], error);
          ok = bytes[i] != NULL && descry_adapter_merge (loader->adapter, name, rows[i], cols, &type, &bytes[i], error);
        }
      sources[i] = (Source) { loader->gguf, found[i] };
      parts[i] = (DescryWeightPart) { type, rows[i], bytes[i], read_rows, &sources[i] };
      joins = joins && descry_weight_joins (parts[0].type, type);
    }

  if (ok && joins)
    {
      linear->joined = descry_weight_new_joined (loader->model->device, found[0]->name, cols, parts, n_parts, error);
      ok = linear->joined != NULL;
    }
  else
    for (i = 0; i < n_parts && ok; i++)
      {
        linear->parts[i] = descry_weight_new_joined (loader->model->device, found[i]->name, cols, &parts[i], 1, error);
        ok = linear->parts[i] != NULL;
      }

  for (i = 0; i < n_parts; i++)
    descry_free (bytes[i]);
  return ok;
}

static gboolean
load_weight (Loader        *loader,
             guint          layer,
             const char    *name,
             guint          rows,
             guint          cols,
             DescryWeight **weight,
             GError       **error)
{
  DescryLlamaLinear linear = { 0 };

  if (!load_weights (loader, layer, &name, &rows, 1, cols, &linear, error))
    return FALSE;
  *weight = linear.joined;
  return TRUE;
}

/* Biases of @names, if the first is there (then all must be), one after another. */
static gboolean
load_biases (Loader            *loader,
             guint              layer,
             const char *const *names,
             const guint       *rows,
             guint              n_parts,
             DescryTensor      *bias,
             GError           **error)
{
  g_autofree char *first = g_strdup_printf ("blk.%u.%s.bias", layer, names[0]);
  g_autoptr (DescryRun) run = descry_run_new (loader->model->device, NULL);
  guint total = 0, at = 0, i;

  if (descry_gguf_find (loader->gguf, first) == NULL)
    return TRUE;

  for (i = 0; i < n_parts; i++)
    total += rows[i];
  if (!descry_tensor_alloc (loader->model->device, bias, DESCRY_F32, 1, &total, error))
    return FALSE;

  for (i = 0; i < n_parts; i++)
    {
      g_autofree char *name = g_strdup_printf ("blk.%u.%s.bias", layer, names[i]);
      const DescryGgufTensor *found = descry_gguf_want (loader->gguf, name, 1, (guint64[]) { rows[i] }, error);
      float *values = found != NULL ? descry_gguf_read_f32 (loader->gguf, found, error) : NULL;

      g_hash_table_add (loader->known, g_strdup (name));
      if (values == NULL)
        return FALSE;
      descry_run_write (run, descry_tensor_columns (*bias, at, rows[i]), values, rows[i]);
      descry_free (values);
      at += rows[i];
      if (!step (loader, found, error))
        return FALSE;
    }

  return descry_run_finish (run, error);
}

static gboolean
load_layer (Loader  *loader,
            guint    i,
            GError **error)
{
  DescryLlama *model = loader->model;
  DescryLlamaLayer *layer = &model->layers[i];
  guint q = model->heads * model->head_dim, kv = model->kv_heads * model->head_dim;
  static const char *const qkv_names[] = { "attn_q", "attn_k", "attn_v" }, *const ffn_names[] = { "ffn_gate", "ffn_up" }, *const output_name = "attn_output";
  guint qkv_rows[] = { q, kv, kv }, ffn_rows[] = { model->ffn, model->ffn };
  g_autofree char *attention_norm = g_strdup_printf ("blk.%u.attn_norm.weight", i), *ffn_norm = g_strdup_printf ("blk.%u.ffn_norm.weight", i);
  g_autofree char *q_norm = g_strdup_printf ("blk.%u.attn_q_norm.weight", i), *k_norm = g_strdup_printf ("blk.%u.attn_k_norm.weight", i);

  layer->rotated = strcmp (loader->architecture, "smollm3") != 0 || (i + 1) % SMOLLM3_STEP != 0;

  if (!load_vector (loader, attention_norm, model->width, &layer->attention_norm, error)
      || !load_weights (loader, i, qkv_names, qkv_rows, 3, model->width, &layer->qkv, error)
      || !load_biases (loader, i, qkv_names, qkv_rows, 3, &layer->qkv.bias, error)
      || !load_weight (loader, i, output_name, model->width, q, &layer->output, error)
      || !load_biases (loader, i, &output_name, &model->width, 1, &layer->output_bias, error)
      || !load_vector (loader, ffn_norm, model->width, &layer->ffn_norm, error)
      || !load_weights (loader, i, ffn_names, ffn_rows, 2, model->width, &layer->gate_up, error)
      || !load_weight (loader, i, "ffn_down", model->width, model->ffn, &layer->down, error))
    return FALSE;

  if (strcmp (loader->architecture, "qwen3") == 0)
    return load_vector (loader, q_norm, model->head_dim, &layer->q_norm, error) && load_vector (loader, k_norm, model->head_dim, &layer->k_norm, error);

  return TRUE;
}

/* Angles per position. Llama 3 stretches the slow pairs by factors that stand in a tensor. */
static gboolean
load_freqs (Loader  *loader,
            GError **error)
{
  DescryLlama *model = loader->model;
  guint pairs = model->rope_dim / 2, i;
  float base = 10000.0f, factor = 1.0f;
  g_autofree char *key = g_strdup_printf ("%s.rope.scaling.type", loader->architecture);
  const DescryGgufTensor *stretch = descry_gguf_find (loader->gguf, "rope_freqs.weight");

  if (!get_float_or (loader, "rope.freq_base", 1.0, 1e12, &base, error))
    return FALSE;
  if (descry_gguf_has (loader->gguf, key))
    {
      const char *type = descry_gguf_get_string (loader->gguf, key, error);

      if (type == NULL)
        return FALSE;
      if (strcmp (type, "linear") == 0)
        {
          if (!get_float_or (loader, "rope.scaling.factor", 1e-3, 1e6, &factor, error))
            return FALSE;
        }
      else if (strcmp (type, "none") != 0 && !(strcmp (type, "llama3") == 0 && stretch != NULL))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: positions are scaled by “%s”, which is not supported (linear and llama3 are)", model->path, type);
          return FALSE;
        }
    }
  else if (!get_float_or (loader, "rope.scale_linear", 1e-3, 1e6, &factor, error))
    return FALSE;

  model->freqs = g_new0 (float, pairs + 1);
  for (i = 0; i < pairs; i++)
    model->freqs[i] = 1.0f / powf (base, (float) (2 * i) / model->rope_dim) / factor; /* in f32, as the references do */

  if (stretch != NULL)
    {
      float *values;

      g_hash_table_add (loader->known, g_strdup ("rope_freqs.weight"));
      if (descry_gguf_want (loader->gguf, "rope_freqs.weight", 1, (guint64[]) { pairs }, error) == NULL)
        return FALSE;
      values = descry_gguf_read_f32 (loader->gguf, stretch, error);
      if (values == NULL)
        return FALSE;
      for (i = 0; i < pairs; i++)
        {
          if (!(values[i] >= 1e-3f && values[i] <= 1e6f))
            {
              g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: rope_freqs.weight: element %u is %g, expected 0.001…1000000", model->path, i, (double) values[i]);
              descry_free (values);
              return FALSE;
            }
          model->freqs[i] /= values[i];
        }
      descry_free (values);
    }

  return TRUE;
}

static gboolean
load_shape (Loader  *loader,
            GError **error)
{
  DescryLlama *model = loader->model;
  const DescryGgufTensor *embedding = descry_gguf_find (loader->gguf, "token_embd.weight");

  if (!get_uint (loader, "block_count", 1, MAX_LAYERS, &model->n_layers, error)
      || !get_uint (loader, "embedding_length", 1, MAX_WIDTH, &model->width, error)
      || !get_uint (loader, "feed_forward_length", 1, MAX_WIDTH, &model->ffn, error)
      || !get_uint (loader, "context_length", 1, MAX_CONTEXT, &model->context, error)
      || !get_uint (loader, "attention.head_count", 1, 1024, &model->heads, error))
    return FALSE;

  model->kv_heads = model->heads;
  if (!get_uint_or (loader, "attention.head_count_kv", 1, model->heads, &model->kv_heads, error))
    return FALSE;
  model->head_dim = model->width / model->heads;
  if (!get_uint_or (loader, "attention.key_length", 1, 256, &model->head_dim, error))
    return FALSE;
  model->rope_dim = model->head_dim;
  if (!get_uint_or (loader, "rope.dimension_count", 2, model->head_dim, &model->rope_dim, error))
    return FALSE;
  model->eps = 1e-5f;
  if (!get_float_or (loader, "attention.layer_norm_rms_epsilon", 0.0, 1.0, &model->eps, error))
    return FALSE;

  if (model->heads % model->kv_heads != 0 || model->head_dim == 0 || model->head_dim > 256 || model->rope_dim % 2 != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %u heads of %u (%u rotated) over %u key heads do not fit together",
                   model->path, model->heads, model->head_dim, model->rope_dim, model->kv_heads);
      return FALSE;
    }
  if (embedding == NULL || embedding->n_dims != 2 || embedding->dims[1] == 0 || embedding->dims[1] > MAX_VOCABULARY)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: token_embd.weight: [%u, vocabulary] expected, found %s",
                   model->path, model->width, embedding == NULL ? "no such tensor" : "another shape");
      return FALSE;
    }
  model->vocabulary = embedding->dims[1];

  return TRUE;
}

/* What nobody asked for would be left out of the computation: better to say so. */
static gboolean
check_known (Loader  *loader,
             GError **error)
{
  guint i;

  for (i = 0; i < descry_gguf_n_tensors (loader->gguf); i++)
    {
      const char *name = descry_gguf_tensor (loader->gguf, i)->name;

      if (!g_hash_table_contains (loader->known, name) && !g_str_has_suffix (name, "attn_rot_embd") && !g_str_has_suffix (name, "rotary_emb.inv_freq"))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: tensor %s does not belong to a plain %s model; this variation is not supported",
                       loader->model->path, name, loader->architecture);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
load (Loader  *loader,
      GError **error)
{
  static const char *const supported[] = { "llama", "qwen2", "qwen3", "smollm3", NULL };
  DescryLlama *model = loader->model;
  guint i;

  loader->architecture = descry_gguf_get_string (loader->gguf, "general.architecture", error);
  if (loader->architecture == NULL)
    return FALSE;
  if (!g_strv_contains (supported, loader->architecture))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: key 'general.architecture': llama, qwen2, qwen3 or smollm3 expected, found %s",
                   model->path, loader->architecture);
      return FALSE;
    }
  /* Files of llama and smollm3 hold q and k in the order of neighbouring pairs. */
  model->rope = g_str_has_prefix (loader->architecture, "qwen") ? DESCRY_ROPE_HALVES : DESCRY_ROPE_PAIRS;

  if (!load_shape (loader, error) || !load_freqs (loader, error))
    return FALSE;

  for (i = 0; i < descry_gguf_n_tensors (loader->gguf); i++)
    loader->total += descry_gguf_tensor (loader->gguf, i)->bytes;

  if (!load_weight (loader, G_MAXUINT, "token_embd.weight", model->vocabulary, model->width, &model->embedding, error)
      || !load_vector (loader, "output_norm.weight", model->width, &model->output_norm, error))
    return FALSE;
  model->head = model->embedding;
  if (descry_gguf_find (loader->gguf, "output.weight") != NULL
      && !load_weight (loader, G_MAXUINT, "output.weight", model->vocabulary, model->width, &model->head, error))
    return FALSE;

  model->layers = g_new0 (DescryLlamaLayer, model->n_layers);
  for (i = 0; i < model->n_layers; i++)
    if (!load_layer (loader, i, error))
      return FALSE;

  return check_known (loader, error);
}

DescryLlama *
descry_llama_new (DescryDevice       *device,
                  DescryGguf         *gguf,
                  GCancellable       *cancellable,
                  DescryProgressFunc  progress,
                  gpointer            data,
                  GError            **error)
{
  return descry_llama_new_adapted (device, gguf, NULL, cancellable, progress, data, error);
}

DescryLlama *
descry_llama_new_adapted (DescryDevice       *device,
                          DescryGguf         *gguf,
                          DescryGguf         *adapter,
                          GCancellable       *cancellable,
                          DescryProgressFunc  progress,
                          gpointer            data,
                          GError            **error)
{
  g_autoptr (DescryLlama) model = g_new0 (DescryLlama, 1);
  Loader loader = { gguf, adapter, model, cancellable, progress, data };
  const char *own, *wanted;
  gboolean ok;

  if (adapter != NULL)
    {
      own = descry_gguf_get_string (gguf, "general.architecture", error);
      wanted = own != NULL ? descry_gguf_get_string (adapter, "general.architecture", error) : NULL;
      if (wanted == NULL)
        return NULL;
      if (!descry_adapter_is (adapter) || strcmp (own, wanted) != 0)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: not an adapter of the architecture “%s”", descry_gguf_path (adapter), own);
          return NULL;
        }
    }

  model->device = device;
  model->path = g_strdup (descry_gguf_path (gguf));
  loader.known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  ok = load (&loader, error);
  g_hash_table_unref (loader.known);

  return ok ? g_steal_pointer (&model) : NULL;
}

static void
free_linear (DescryDevice      *device,
             DescryLlamaLinear *linear)
{
  guint i;

  descry_weight_free (linear->joined);
  for (i = 0; i < G_N_ELEMENTS (linear->parts); i++)
    descry_weight_free (linear->parts[i]);
  descry_tensor_free (device, &linear->bias);
}

void
descry_llama_free (DescryLlama *model)
{
  guint i;

  if (model == NULL)
    return;

  for (i = 0; model->layers != NULL && i < model->n_layers; i++)
    {
      DescryLlamaLayer *layer = &model->layers[i];

      descry_tensor_free (model->device, &layer->attention_norm);
      free_linear (model->device, &layer->qkv);
      descry_tensor_free (model->device, &layer->q_norm);
      descry_tensor_free (model->device, &layer->k_norm);
      descry_weight_free (layer->output);
      descry_tensor_free (model->device, &layer->output_bias);
      descry_tensor_free (model->device, &layer->ffn_norm);
      free_linear (model->device, &layer->gate_up);
      descry_weight_free (layer->down);
    }
  g_free (model->layers);
  if (model->head != model->embedding)
    descry_weight_free (model->head);
  descry_weight_free (model->embedding);
  descry_tensor_free (model->device, &model->output_norm);
  g_free (model->freqs);
  g_free (model->mean);
  g_free (model->path);
  g_free (model);
}
