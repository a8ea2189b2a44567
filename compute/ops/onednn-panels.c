/* onednn-panels.c - products with weights as they lie in the own kernels' panels, by oneDNN
 *
 * Panels of 32 columns, [n / 32][k][32], are one of the library's own layouts (BA16a32b), so that it reads the weights of
 * every other kernel in place, expanded pieces of quantized ones included. Rows are dense on both sides: its fast
 * kernels want that.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-onednn"

#include "config.h"

#include "compute/ops/onednn.h"

#include <string.h>

#include "compute/ops/onednn-library.h"

#define MAX_PLANS 192 /* geometries; what comes later is refused and goes to the own kernel */

typedef struct
{
  guint            m, n, k;
  DescryActivation act;
  float            scale;
  gboolean         biased;
} Key;

typedef struct
{
  Key              key;
  dnnl_primitive_t primitive; /* NULL: the library does not cover it */
  dnnl_memory_t    src, weights, bias, dst;
} Plan;

typedef struct
{
  Plan   *plan;
  guint8 *src, *weights, *bias, *dst;
  guint64 src_at, weights_at, bias_at, dst_at; /* bytes */
} Call;

/* Primitives belong to the process, like the library; calls of one queue come one after another, the lock is for
 * several devices. */
static GMutex lock;
static GPtrArray *plans;

static gboolean
execute_call (void *data)
{
  const DnnLibrary *dnn = dnn_library (NULL);
  Call *call = data;
  Plan *plan = call->plan;
  dnnl_exec_arg_t args[4] = { { DNNL_ARG_SRC, plan->src }, { DNNL_ARG_WEIGHTS, plan->weights }, { DNNL_ARG_DST, plan->dst }, { DNNL_ARG_BIAS, plan->bias } };
  gboolean ok;

  g_mutex_lock (&lock);
  dnn->memory_set_data_handle (plan->src, call->src + call->src_at);
  dnn->memory_set_data_handle (plan->weights, call->weights + call->weights_at);
  dnn->memory_set_data_handle (plan->dst, call->dst + call->dst_at);
  if (plan->bias != NULL)
    dnn->memory_set_data_handle (plan->bias, call->bias + call->bias_at);
  ok = dnn->primitive_execute (plan->primitive, dnn->stream, plan->bias != NULL ? 4 : 3, args) == dnnl_success;
  ok = dnn->stream_wait (dnn->stream) == dnnl_success && ok;
  g_mutex_unlock (&lock);

  return ok;
}

static gboolean
add_memory (const DnnLibrary *dnn,
            DnnMd            *md,
            dnnl_memory_t    *memory)
{
  return dnn->memory_create (memory, DNN_MD (*md), dnn->engine, NULL) == dnnl_success;
}

static void
make_plan (const DnnLibrary *dnn,
           Plan             *plan)
{
  const Key *key = &plan->key;
  gint64 src_dims[] = { key->m, key->k }, src_strides[] = { key->k, 1 }, dst_dims[] = { key->m, key->n }, dst_strides[] = { key->n, 1 };
  gint64 bias_dims[] = { 1, key->n }, bias_strides[] = { key->n, 1 };
  DnnMd src = { 0 }, weights = { 0 }, bias = { 0 }, dst = { 0 };
  dnnl_primitive_attr_t attr = dnn_epilogue (key->act, key->scale, FALSE);
  dnnl_primitive_desc_t pd = NULL;
  const char *kind = "";
  gboolean ok;

  ok = attr != NULL && dnn_md_init (&src, 2, src_dims, dnnl_f32, src_strides) && dnn_md_init (&dst, 2, dst_dims, dnnl_f32, dst_strides)
       && dnn_md_init_panels (&weights, key->k, key->n) && (!key->biased || dnn_md_init (&bias, 2, bias_dims, dnnl_f32, bias_strides));
  if (ok)
    pd = dnn_matmul_pd (&src, &weights, key->biased ? &bias : NULL, &dst, attr);
  if (pd != NULL)
    {
      /* A reference implementation would be right and a thousand times too slow. */
      dnn->primitive_desc_query (pd, dnnl_query_impl_info_str, 0, &kind);
      ok = !g_str_has_prefix (kind, "ref") && add_memory (dnn, &src, &plan->src) && add_memory (dnn, &weights, &plan->weights) && add_memory (dnn, &dst, &plan->dst)
           && (!key->biased || add_memory (dnn, &bias, &plan->bias));
      if (ok && dnn->primitive_create (&plan->primitive, pd) != dnnl_success)
        plan->primitive = NULL;
      dnn->primitive_desc_destroy (pd);
    }

  if (attr != NULL)
    dnn->primitive_attr_destroy (attr);
  dnn_md_clear (&src);
  dnn_md_clear (&weights);
  dnn_md_clear (&bias);
  dnn_md_clear (&dst);
}

static Plan *
find_plan (const DnnLibrary *dnn,
           const Key        *key)
{
  Plan *plan = NULL;
  guint i;

  g_mutex_lock (&lock);
  if (plans == NULL)
    plans = g_ptr_array_new (); /* for the life of the process */
  for (i = 0; i < plans->len && plan == NULL; i++)
    {
      Plan *other = g_ptr_array_index (plans, i);

      if (memcmp (&other->key, key, sizeof *key) == 0) /* keys are zeroed before they are filled */
        plan = other;
    }
  if (plan == NULL && plans->len < MAX_PLANS)
    {
      plan = g_new0 (Plan, 1);
      plan->key = *key;
      make_plan (dnn, plan);
      g_ptr_array_add (plans, plan);
    }
  g_mutex_unlock (&lock);

  return plan != NULL && plan->primitive != NULL ? plan : NULL;
}

gboolean
descry_onednn_panels (DescryRun            *run,
                      DescryTensor          c,
                      DescryTensor          a,
                      DescryTensor          panels,
                      const DescryEpilogue *epilogue)
{
  const DnnLibrary *dnn = dnn_library (NULL);
  guint n = descry_tensor_cols (c), k = descry_tensor_cols (a), count = 0;
  cl_mem buffers[4];
  gsize places[4];
  Call call = { 0 };
  Key key;

  /* The library pads k to 16, the panels to 32. */
  if (dnn == NULL || !descry_run_ok (run) || a.pitch != k || c.pitch != n || (k + 15) / 16 % 2 != 0 || epilogue->residual.buffer != NULL)
    return FALSE;

  memset (&key, 0, sizeof key);
  key.m = descry_tensor_rows (a);
  key.n = n;
  key.k = k;
  key.act = epilogue->act;
  key.scale = epilogue->scale == 0.0f ? 1.0f : epilogue->scale;
  key.biased = epilogue->bias.buffer != NULL;
  call.plan = find_plan (dnn, &key);
  if (call.plan == NULL)
    return FALSE;

  call.src_at = (guint64) a.offset * sizeof (float);
  call.weights_at = (guint64) panels.offset * descry_type_size (panels.type);
  call.dst_at = (guint64) c.offset * sizeof (float);
  buffers[count] = a.buffer;
  places[count++] = G_STRUCT_OFFSET (Call, src);
  buffers[count] = panels.buffer;
  places[count++] = G_STRUCT_OFFSET (Call, weights);
  buffers[count] = c.buffer;
  places[count++] = G_STRUCT_OFFSET (Call, dst);
  if (key.biased)
    {
      call.bias_at = (guint64) epilogue->bias.offset * sizeof (float);
      buffers[count] = epilogue->bias.buffer;
      places[count++] = G_STRUCT_OFFSET (Call, bias);
    }
  descry_run_native (run, execute_call, &call, sizeof call, buffers, places, count);

  return TRUE;
}
