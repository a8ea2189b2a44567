/* estimate.c - how much of the device's memory a network will take, told from its file before it is loaded
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-estimate"

#include "config.h"

#include "compute/lyrics/estimate.h"

#include <string.h>

#include "compute/files/gguf.h"
#include "compute/lyrics/pipeline.h"
#include "compute/models/llama-adapter.h"

#define PROMPT_ROWS 512 /* computed together */
#define SMALL_WORK  (64 << 20) /* of networks without an entry */

/* Bytes of intermediate results, measured on the compact bundle by tests/flow/estimate.c and rounded up: inputs have one
 * size, so this does not depend on the picture. The tagger works on the crops of many boxes at once. */
static const struct
{
  const char *architecture;
  guint64     work;
} convolutional[] = {
  { "efficientnet-lite", 256 << 20 },
  { "nanodet", 64 << 20 },
  { "centernet", 64 << 20 },
  { "isnet", 320 << 20 },
};

static gboolean
get_count (DescryGguf *gguf,
           const char *architecture,
           const char *suffix,
           guint64     otherwise, /* 0: there must be one */
           guint64    *value,
           GError    **error)
{
  g_autofree char *key = g_strdup_printf ("%s.%s", architecture, suffix);

  *value = otherwise;
  if (otherwise != 0 && !descry_gguf_has (gguf, key))
    return TRUE;

  return descry_gguf_get_uint (gguf, key, 1, 1 << 24, value, error);
}

static gboolean
estimate_language (DescryGguf     *gguf,
                   const char     *architecture,
                   gboolean        adapted,
                   DescryEstimate *estimate,
                   GError        **error)
{
  guint64 layers, width, ffn, context, heads, kv_heads, head_dim;
  guint i;

  if (!get_count (gguf, architecture, "block_count", 0, &layers, error)
      || !get_count (gguf, architecture, "embedding_length", 0, &width, error)
      || !get_count (gguf, architecture, "feed_forward_length", 0, &ffn, error)
      || !get_count (gguf, architecture, "context_length", 0, &context, error)
      || !get_count (gguf, architecture, "attention.head_count", 0, &heads, error)
      || !get_count (gguf, architecture, "attention.head_count_kv", heads, &kv_heads, error)
      || !get_count (gguf, architecture, "attention.key_length", MAX (width / heads, 1), &head_dim, error))
    return FALSE;

  for (i = 0; i < descry_gguf_n_tensors (gguf); i++)
    {
      const DescryGgufTensor *tensor = descry_gguf_tensor (gguf, i);
      /* Merged weights are stored as Q8_0: 34 bytes for 32. */
      guint64 bytes = adapted && tensor->n_dims > 1 ? MAX (tensor->bytes, tensor->count / 32 * 34) : tensor->bytes;

      estimate->weights += bytes;
      estimate->largest = MAX (estimate->largest, bytes);
    }
  context = MIN (context, DESCRY_PIPELINE_CONTEXT);
  estimate->cache = layers * 2 * context * kv_heads * head_dim * 2; /* f16 */
  estimate->work = PROMPT_ROWS * (4 * width + 3 * ffn) * sizeof (float);

  return TRUE;
}

gboolean
descry_estimate_file (const char     *path,
                      gboolean        adapted,
                      DescryEstimate *estimate,
                      GError        **error)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error);
  g_autofree char *blocks = NULL;
  const char *architecture;
  guint i;

  memset (estimate, 0, sizeof *estimate);
  architecture = gguf != NULL ? descry_gguf_get_string (gguf, "general.architecture", error) : NULL;
  if (architecture == NULL)
    return FALSE;
  if (descry_adapter_is (gguf))
    return TRUE;

  blocks = g_strdup_printf ("%s.feed_forward_length", architecture);
  if (strcmp (architecture, "mq-former") != 0 && descry_gguf_has (gguf, blocks))
    return estimate_language (gguf, architecture, adapted, estimate, error);

  /* Computed in f32, whatever the file holds; the larger part is kept once more in the order that the products like. */
  for (i = 0; i < descry_gguf_n_tensors (gguf); i++)
    {
      guint64 bytes = descry_gguf_tensor (gguf, i)->count * sizeof (float);

      estimate->weights += 2 * bytes;
      estimate->largest = MAX (estimate->largest, bytes);
    }
  estimate->work = SMALL_WORK;
  for (i = 0; i < G_N_ELEMENTS (convolutional); i++)
    if (strcmp (architecture, convolutional[i].architecture) == 0)
      estimate->work = convolutional[i].work;
  estimate->largest = MAX (estimate->largest, estimate->work / 4);

  return TRUE;
}

static gboolean
has_adapter (GPtrArray *files)
{
  guint i;

  for (i = 0; i < files->len; i++)
    {
      const DescryBundleFile *file = g_ptr_array_index (files, i);
      g_autoptr (DescryGguf) gguf = file->present ? descry_gguf_open (file->path, NULL) : NULL;

      if (gguf != NULL && descry_adapter_is (gguf))
        return TRUE;
    }

  return FALSE;
}

void
descry_estimate_slots (const DescryBundle *bundle,
                       DescrySlot          first,
                       DescrySlot          last,
                       gboolean            adapters,
                       DescryEstimate     *estimate)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  guint i, j;

  memset (estimate, 0, sizeof *estimate);
  for (i = first; i <= last; i++)
    {
      gboolean adapted = i == DESCRY_SLOT_LLM && adapters && has_adapter (bundle->slots[i]);

      for (j = 0; j < bundle->slots[i]->len; j++)
        {
          const DescryBundleFile *file = g_ptr_array_index (bundle->slots[i], j);
          DescryEstimate one;

          /* The encoder may be the tagger's file. */
          if (!file->present || !g_hash_table_add (seen, file->file) || !descry_estimate_file (file->path, adapted, &one, NULL))
            continue;
          estimate->weights += one.weights;
          estimate->cache += one.cache;
          estimate->work = MAX (estimate->work, one.work);
          estimate->largest = MAX (estimate->largest, one.largest);
        }
    }
}

void
descry_estimate_bundle (const DescryBundle *bundle,
                        gboolean            adapters,
                        DescryEstimate     *estimate)
{
  descry_estimate_slots (bundle, 0, DESCRY_N_SLOTS - 1, adapters, estimate);
}

gboolean
descry_estimate_fits (const DescryEstimate *estimate,
                      guint64               memory,
                      guint64               buffer)
{
  return estimate->weights + estimate->cache + estimate->work <= memory && estimate->largest <= buffer;
}
