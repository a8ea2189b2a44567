/* llama-adapter.c - low-rank adapters merged into a language model's weights as they are loaded
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-llama"

#include "config.h"

#include "compute/models/llama-adapter.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"

#define MAX_RANK 512

gboolean
descry_adapter_is (DescryGguf *gguf)
{
  const char *type = descry_gguf_has (gguf, "general.type") ? descry_gguf_get_string (gguf, "general.type", NULL) : NULL;

  return g_strcmp0 (type, "adapter") == 0;
}

/* W += scale * B A, a row at a time. */
static gboolean
add_product (float       *w,
             guint        n,
             guint        k,
             guint        rank,
             float        scale,
             const float *a,
             const float *b)
{
  gsize r, c;
  guint i;

  for (r = 0; r < n; r++)
    for (i = 0; i < rank; i++)
      {
        float factor = scale * b[r * rank + i];

        for (c = 0; c < k; c++)
          w[r * k + c] += factor * a[(gsize) i * k + c];
      }
  for (r = 0; r < (gsize) n * k; r++)
    if (!isfinite (w[r]))
      return FALSE;

  return TRUE;
}

gboolean
descry_adapter_has (DescryGguf *adapter,
                    const char *name)
{
  g_autofree char *name_a = g_strconcat (name, ".lora_a", NULL);

  return descry_gguf_find (adapter, name_a) != NULL;
}

gboolean
descry_adapter_merge (DescryGguf     *adapter,
                      const char     *name,
                      guint           n,
                      guint           k,
                      DescryGgmlType *type,
                      gpointer       *bytes,
                      GError        **error)
{
  g_autofree char *name_a = g_strconcat (name, ".lora_a", NULL), *name_b = g_strconcat (name, ".lora_b", NULL);
  const DescryGgufTensor *found = descry_gguf_find (adapter, name_a), *tensor_a, *tensor_b;
  DescryGgmlType merged_type = k % descry_ggml_block (DESCRY_GGML_Q8_0) == 0 ? DESCRY_GGML_Q8_0 : DESCRY_GGML_F32;
  float *a = NULL, *b = NULL, *w = NULL, alpha;
  gpointer merged = NULL;
  guint64 size;
  guint rank;
  gboolean ok = FALSE;

  if (found == NULL)
    return TRUE;

  rank = found->dims[1] <= MAX_RANK ? (guint) found->dims[1] : MAX_RANK;
  tensor_a = descry_gguf_want (adapter, name_a, 2, (const guint64[]) { k, rank }, error);
  tensor_b = tensor_a != NULL ? descry_gguf_want (adapter, name_b, 2, (const guint64[]) { rank, n }, error) : NULL;
  if (tensor_b == NULL || !descry_gguf_get_float (adapter, "adapter.lora.alpha", 1e-6, 1e6, &alpha, error))
    return FALSE;

  a = descry_gguf_read_f32 (adapter, tensor_a, error);
  b = a != NULL ? descry_gguf_read_f32 (adapter, tensor_b, error) : NULL;
  if (b != NULL && descry_ggml_bytes (merged_type, (guint64) n * k, &size))
    {
      w = descry_try_alloc ((gsize) n * k, sizeof (float));
      merged = descry_try_alloc (size, 1);
      if (w == NULL || merged == NULL)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory to merge %s", descry_gguf_path (adapter), name);
      else if (!descry_ggml_dequantise (*type, *bytes, (gsize) n * k, w))
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s has no floating-point type", descry_gguf_path (adapter), name);
      else if (!add_product (w, n, k, rank, alpha / (float) rank, a, b) || !descry_ggml_quantise (merged_type, w, (gsize) n * k, merged))
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s becomes infinite", descry_gguf_path (adapter), name);
      else
        {
          descry_free (*bytes);
          *bytes = g_steal_pointer (&merged);
          *type = merged_type;
          ok = TRUE;
        }
    }

  descry_free (a);
  descry_free (b);
  descry_free (w);
  descry_free (merged);
  return ok;
}
