/* onednn.c - convolutions and matrix products by oneDNN, inside the device's queue
 *
 * A plan is one primitive for one geometry. oneDNN's fast kernels want dense rows, so a slice of the
 * channels is copied into or out of scratch memory by the library's own reorder, which also converts to
 * bfloat16. Everything is made when the plan is made; the queue only executes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-onednn"

#include "config.h"

#include "compute/ops/onednn.h"

#include <string.h>

#include "compute/memory.h"
#include "compute/ops/onednn-library.h"

#define MAX_PLANS 64 /* geometries of one weight; more are refused and go to the own kernel */

/* What a plan was made for. */
typedef struct
{
  guint            n, h, w, oh, ow; /* matmul: n = h = 1 and w = ow = rows */
  guint            x_pitch, y_pitch, residual_pitch; /* residual_pitch 0: none */
  guint            stride, dilation;
  guint            pad_top, pad_left, pad_bottom, pad_right;
  DescryActivation act;
  float            scale;
  gboolean         biased;
  gboolean         bf16;
} Key;

typedef struct
{
  Key              key;
  dnnl_primitive_t primitive;
  dnnl_primitive_t gather; /* x into dense scratch, or NULL: read in place */
  dnnl_primitive_t scatter; /* dense scratch into y, or NULL: written in place */
  dnnl_primitive_t preload; /* residual into where the sum is made, or NULL */
  dnnl_memory_t    x, src, bias, dst, y, residual;
  dnnl_memory_t    weights; /* in the primitive's layout; of the layer */
  gsize            src_bytes, dst_bytes; /* of scratch; 0: in place */
} Plan;

/* Weights in one layout; plans that want the same one share it. */
typedef struct
{
  gpointer      data;
  dnnl_memory_t memory;
} Packed;

/* What convolution and product share. */
typedef struct
{
  guint      out, in, kernel;
  gboolean   depthwise;
  float     *weights; /* or NULL: @fill makes them */
  float     *bias; /* or NULL: it comes with each call, or there is none */
  DescryOnednnFill fill;
  gpointer   fill_data;
  gboolean   transposed; /* the weights of a product are [in, out] */
  GPtrArray *plans; /* of Plan */
  GPtrArray *packed; /* of Packed */
} Layer;

struct _DescryOnednnConv
{
  Layer layer;
};

struct _DescryOnednnMatmul
{
  Layer layer;
};

/* Handed to the queue by value. */
typedef struct
{
  Plan    *plan;
  guint8  *x, *y, *residual, *bias;
  guint64  x_at, y_at, residual_at, bias_at; /* bytes */
} Call;

/* Dense copies; calls of one queue run one after another, the lock is for several devices. */
static GMutex lock;
static guint8 *scratch_src, *scratch_dst;
static gsize scratch_src_bytes, scratch_dst_bytes;

gboolean
descry_onednn_available (DescryDevice  *device,
                         const char   **reason)
{
  if (!descry_device_info (device)->native_kernels || descry_device_family (device) != DESCRY_FAMILY_CPU)
    {
      if (reason != NULL)
        *reason = "the device runs no native kernels";
      return FALSE;
    }

  return dnn_library (reason) != NULL;
}

gboolean
descry_onednn_has_bf16 (void)
{
#if defined(__x86_64__)
  return __builtin_cpu_supports ("avx512bf16");
#else
  return FALSE;
#endif
}

const char *
descry_onednn_version (void)
{
  static char text[32];
  const DnnLibrary *dnn = dnn_library (NULL);

  if (dnn == NULL)
    return NULL;
  g_snprintf (text, sizeof text, "%d.%d.%d", dnn->version ()->major, dnn->version ()->minor, dnn->version ()->patch);
  return text;
}

static void
free_plan (gpointer data)
{
  const DnnLibrary *dnn = dnn_library (NULL);
  Plan *plan = data;
  dnnl_primitive_t primitives[] = { plan->primitive, plan->gather, plan->scatter, plan->preload };
  dnnl_memory_t memories[] = { plan->x, plan->src, plan->bias, plan->dst, plan->y, plan->residual };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (primitives); i++)
    if (primitives[i] != NULL)
      dnn->primitive_destroy (primitives[i]);
  for (i = 0; i < G_N_ELEMENTS (memories); i++)
    if (memories[i] != NULL)
      dnn->memory_destroy (memories[i]);
  g_free (plan);
}

static void
free_packed (gpointer data)
{
  Packed *packed = data;

  if (packed->memory != NULL)
    dnn_library (NULL)->memory_destroy (packed->memory);
  descry_free (packed->data);
  g_free (packed);
}

static void
prepare_layer (Layer   *layer,
               guint    out,
               guint    in,
               guint    kernel,
               gboolean depthwise)
{
  layer->out = out;
  layer->in = in;
  layer->kernel = kernel;
  layer->depthwise = depthwise;
  layer->plans = g_ptr_array_new_with_free_func (free_plan);
  layer->packed = g_ptr_array_new_with_free_func (free_packed);
}

static gboolean
init_layer (Layer       *layer,
            guint        out,
            guint        in,
            guint        kernel,
            gboolean     depthwise,
            const float *weights,
            const float *bias)
{
  gsize count = (gsize) out * (depthwise ? 1 : in) * kernel * kernel;

  prepare_layer (layer, out, in, kernel, depthwise);
  layer->weights = descry_try_alloc (count, sizeof (float));
  layer->bias = bias != NULL ? descry_try_alloc (out, sizeof (float)) : NULL;
  if (layer->weights == NULL || (bias != NULL && layer->bias == NULL))
    return FALSE;

  memcpy (layer->weights, weights, count * sizeof (float));
  if (bias != NULL)
    memcpy (layer->bias, bias, out * sizeof (float));
  return TRUE;
}

static void
clear_layer (Layer *layer)
{
  g_clear_pointer (&layer->plans, g_ptr_array_unref);
  g_clear_pointer (&layer->packed, g_ptr_array_unref);
  g_clear_pointer (&layer->weights, descry_free);
  g_clear_pointer (&layer->bias, descry_free);
}

DescryOnednnConv *
descry_onednn_conv_new (guint                  out,
                        guint                  in,
                        const DescryConvShape *shape,
                        const float           *weights,
                        const float           *bias)
{
  DescryOnednnConv *conv = g_new0 (DescryOnednnConv, 1);

  if (!init_layer (&conv->layer, out, in, shape->kernel, shape->depthwise, weights, bias))
    g_clear_pointer (&conv, descry_onednn_conv_free);
  return conv;
}

const float *
descry_onednn_conv_weights (DescryOnednnConv *conv,
                            const float     **bias)
{
  if (bias != NULL)
    *bias = conv->layer.bias;
  return conv->layer.weights;
}

void
descry_onednn_conv_free (DescryOnednnConv *conv)
{
  if (conv == NULL)
    return;

  clear_layer (&conv->layer);
  g_free (conv);
}

DescryOnednnMatmul *
descry_onednn_matmul_new (guint        n,
                          guint        k,
                          const float *weights)
{
  DescryOnednnMatmul *matmul = g_new0 (DescryOnednnMatmul, 1);

  if (!init_layer (&matmul->layer, n, k, 1, FALSE, weights, NULL))
    g_clear_pointer (&matmul, descry_onednn_matmul_free);
  return matmul;
}

DescryOnednnMatmul *
descry_onednn_matmul_new_later (guint            n,
                                guint            k,
                                gboolean         transposed,
                                DescryOnednnFill fill,
                                gpointer         data)
{
  DescryOnednnMatmul *matmul = g_new0 (DescryOnednnMatmul, 1);

  prepare_layer (&matmul->layer, n, k, 1, FALSE);
  matmul->layer.transposed = transposed;
  matmul->layer.fill = fill;
  matmul->layer.fill_data = data;

  return matmul;
}

void
descry_onednn_matmul_free (DescryOnednnMatmul *matmul)
{
  if (matmul == NULL)
    return;

  clear_layer (&matmul->layer);
  g_free (matmul);
}

/* [n, channels, h, w] in the library's order of names, ours in memory: rows of @pitch elements. */
static gboolean
init_picture (DnnMd           *md,
              guint            n,
              guint            channels,
              guint            h,
              guint            w,
              guint            pitch,
              dnnl_data_type_t type)
{
  gint64 dims[] = { n, channels, h, w };
  gint64 strides[] = { (gint64) h * w * pitch, 1, (gint64) w * pitch, pitch };

  return dnn_md_init (md, 4, dims, type, strides);
}

static gboolean
init_rows (DnnMd           *md,
           guint            rows,
           guint            cols,
           guint            pitch,
           dnnl_data_type_t type)
{
  gint64 dims[] = { rows, cols };
  gint64 strides[] = { pitch, 1 };

  return dnn_md_init (md, 2, dims, type, strides);
}

static gboolean
make_reorder (const DnnLibrary *dnn,
              DnnConstMd        from,
              DnnConstMd        to,
              dnnl_primitive_t *primitive)
{
  dnnl_primitive_desc_t pd = NULL;
  gboolean ok = dnn->reorder_primitive_desc_create (&pd, from, dnn->engine, to, dnn->engine, NULL) == dnnl_success
                && dnn->primitive_create (primitive, pd) == dnnl_success;

  if (pd != NULL)
    dnn->primitive_desc_destroy (pd);
  return ok;
}

static gboolean
make_memory (const DnnLibrary *dnn,
             DnnConstMd        md,
             gpointer          handle,
             dnnl_memory_t    *memory)
{
  return dnn->memory_create (memory, md, dnn->engine, handle) == dnnl_success;
}

/* The layer's weights as the primitive wants them. */
static gboolean
pack_weights (const DnnLibrary *dnn,
              Layer            *layer,
              gboolean          picture,
              DnnConstMd        wanted,
              Plan             *plan)
{
  guint k = layer->kernel;
  gint64 grouped[] = { layer->out, 1, 1, k, k }, grouped_strides[] = { (gint64) k * k, (gint64) k * k, (gint64) k * k, k, 1 };
  gint64 dense[] = { layer->out, layer->in, k, k }, dense_strides[] = { (gint64) layer->in * k * k, (gint64) k * k, k, 1 };
  gint64 linear[] = { layer->in, layer->out }, linear_strides[] = { 1, layer->in }; /* W[n,k] read as [k,n] */
  float *weights = layer->weights;
  dnnl_primitive_t reorder = NULL;
  dnnl_memory_t plain = NULL;
  DnnMd md = { 0 };
  Packed *packed;
  gboolean ok;
  guint i;

  for (i = 0; i < layer->packed->len; i++)
    {
      DnnConstMd have;

      packed = g_ptr_array_index (layer->packed, i);
      if (dnn->memory_get_memory_desc (packed->memory, &have) == dnnl_success && dnn->memory_desc_equal (have, wanted))
        {
          plan->weights = packed->memory;
          return TRUE;
        }
    }

  if (weights == NULL)
    weights = layer->fill (layer->fill_data);
  if (layer->transposed)
    {
      linear_strides[0] = layer->out;
      linear_strides[1] = 1;
    }

  packed = g_new0 (Packed, 1);
  if (!picture)
    ok = dnn_md_init (&md, 2, linear, dnnl_f32, linear_strides);
  else if (layer->depthwise)
    ok = dnn_md_init (&md, 5, grouped, dnnl_f32, grouped_strides);
  else
    ok = dnn_md_init (&md, 4, dense, dnnl_f32, dense_strides);

  packed->data = descry_try_alloc_pages (dnn->memory_desc_get_size (wanted));
  ok = ok && packed->data != NULL && weights != NULL
       && make_memory (dnn, DNN_MD (md), weights, &plain)
       && make_memory (dnn, wanted, packed->data, &packed->memory)
       && make_reorder (dnn, DNN_MD (md), wanted, &reorder);
  if (ok)
    {
      dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, plain }, { DNNL_ARG_TO, packed->memory } };

      ok = dnn->primitive_execute (reorder, dnn->stream, 2, args) == dnnl_success && dnn->stream_wait (dnn->stream) == dnnl_success;
    }

  if (reorder != NULL)
    dnn->primitive_destroy (reorder);
  if (plain != NULL)
    dnn->memory_destroy (plain);
  dnn_md_clear (&md);
  if (weights != layer->weights)
    descry_free (weights);

  if (!ok)
    {
      free_packed (packed);
      return FALSE;
    }
  g_ptr_array_add (layer->packed, packed);
  plan->weights = packed->memory;
  return TRUE;
}

/* Everything that one geometry needs, or NULL when the library does not cover it. */
static Plan *
make_plan (const DnnLibrary *dnn,
           Layer            *layer,
           const Key        *key,
           gboolean          picture)
{
  dnnl_data_type_t type = key->bf16 ? dnnl_bf16 : dnnl_f32;
  gboolean dense_x = key->x_pitch == layer->in && !key->bf16, dense_y = key->y_pitch == layer->out;
  DnnMd x = { 0 }, src = { 0 }, weights = { 0 }, bias = { 0 }, dst = { 0 }, y = { 0 }, residual = { 0 };
  dnnl_primitive_attr_t attr = dnn_epilogue (key->act, key->scale, key->residual_pitch != 0);
  dnnl_primitive_desc_t pd = NULL;
  gint64 bias_dims[] = { 1, layer->out }, bias_strides[] = { layer->out, 1 };
  Plan *plan = g_new0 (Plan, 1);
  gboolean ok = attr != NULL;

  plan->key = *key;
  if (picture)
    {
      gint64 grouped[] = { layer->out, 1, 1, layer->kernel, layer->kernel }, dense[] = { layer->out, layer->in, layer->kernel, layer->kernel };
      gint64 strides[] = { key->stride, key->stride }, dilates[] = { key->dilation - 1, key->dilation - 1 };
      gint64 before[] = { key->pad_top, key->pad_left }, after[] = { key->pad_bottom, key->pad_right };

      ok = ok && init_picture (&x, key->n, layer->in, key->h, key->w, key->x_pitch, dnnl_f32)
           && init_picture (&src, key->n, layer->in, key->h, key->w, layer->in, type)
           && init_picture (&dst, key->n, layer->out, key->oh, key->ow, layer->out, dnnl_f32)
           && init_picture (&y, key->n, layer->out, key->oh, key->ow, key->y_pitch, dnnl_f32)
           && (key->residual_pitch == 0 || init_picture (&residual, key->n, layer->out, key->oh, key->ow, key->residual_pitch, dnnl_f32))
           && (layer->depthwise ? dnn_md_init (&weights, 5, grouped, type, NULL) : dnn_md_init (&weights, 4, dense, type, NULL))
           && (!key->biased || dnn_md_init (&bias, 1, bias_dims + 1, dnnl_f32, bias_strides + 1));
      if (ok)
        pd = dnn_conv_pd (&src, &weights, key->biased ? &bias : NULL, &dst, strides, dilates, before, after, attr);
    }
  else
    {
      gint64 linear[] = { layer->in, layer->out };

      ok = ok && init_rows (&x, key->w, layer->in, key->x_pitch, dnnl_f32)
           && init_rows (&src, key->w, layer->in, layer->in, type)
           && init_rows (&dst, key->w, layer->out, layer->out, dnnl_f32)
           && init_rows (&y, key->w, layer->out, key->y_pitch, dnnl_f32)
           && (key->residual_pitch == 0 || init_rows (&residual, key->w, layer->out, key->residual_pitch, dnnl_f32))
           && dnn_md_init (&weights, 2, linear, type, NULL)
           && (!key->biased || dnn_md_init (&bias, 2, bias_dims, dnnl_f32, bias_strides));
      if (ok)
        pd = dnn_matmul_pd (&src, &weights, key->biased ? &bias : NULL, &dst, attr);
    }

  if (pd != NULL)
    {
      const char *kind = "";

      /* A reference implementation would be right and a thousand times too slow. */
      dnn->primitive_desc_query (pd, dnnl_query_impl_info_str, 0, &kind);
      ok = !g_str_has_prefix (kind, "ref") && dnn->primitive_create (&plan->primitive, pd) == dnnl_success
           && pack_weights (dnn, layer, picture, dnn->primitive_desc_query_md (pd, dnnl_query_weights_md, 0), plan);
    }
  else
    ok = FALSE;

  if (ok && !dense_x)
    {
      plan->src_bytes = dnn->memory_desc_get_size (DNN_MD (src));
      ok = make_reorder (dnn, DNN_MD (x), DNN_MD (src), &plan->gather);
    }
  if (ok && !dense_y)
    {
      plan->dst_bytes = dnn->memory_desc_get_size (DNN_MD (dst));
      ok = make_reorder (dnn, DNN_MD (dst), DNN_MD (y), &plan->scatter);
    }
  if (ok && key->residual_pitch != 0)
    ok = make_reorder (dnn, DNN_MD (residual), DNN_MD (dst), &plan->preload);
  ok = ok && make_memory (dnn, DNN_MD (x), NULL, &plan->x) && make_memory (dnn, DNN_MD (src), NULL, &plan->src)
       && make_memory (dnn, DNN_MD (dst), NULL, &plan->dst) && make_memory (dnn, DNN_MD (y), NULL, &plan->y)
       && (!key->biased || make_memory (dnn, DNN_MD (bias), layer->bias, &plan->bias))
       && (key->residual_pitch == 0 || make_memory (dnn, DNN_MD (residual), NULL, &plan->residual));

  if (pd != NULL)
    dnn->primitive_desc_destroy (pd);
  if (attr != NULL)
    dnn->primitive_attr_destroy (attr);
  dnn_md_clear (&x);
  dnn_md_clear (&src);
  dnn_md_clear (&weights);
  dnn_md_clear (&bias);
  dnn_md_clear (&dst);
  dnn_md_clear (&y);
  dnn_md_clear (&residual);
  if (!ok)
    g_clear_pointer (&plan, free_plan);

  return plan;
}

static gboolean
execute_one (const DnnLibrary *dnn,
             dnnl_primitive_t  primitive,
             int               n,
             dnnl_exec_arg_t  *args)
{
  return dnn->primitive_execute (primitive, dnn->stream, n, args) == dnnl_success;
}

/* Runs on one of the driver's threads, between two kernels. */
static gboolean
execute_call (void *data)
{
  const DnnLibrary *dnn = dnn_library (NULL);
  Call *call = data;
  Plan *plan = call->plan;
  guint8 *x = call->x + call->x_at, *y = call->y + call->y_at;
  gboolean ok = TRUE;
  int n = 0;
  dnnl_exec_arg_t args[4];

  g_mutex_lock (&lock);

  dnn->memory_set_data_handle (plan->x, x);
  dnn->memory_set_data_handle (plan->y, y);
  dnn->memory_set_data_handle (plan->src, plan->gather != NULL ? scratch_src : x);
  dnn->memory_set_data_handle (plan->dst, plan->scatter != NULL ? scratch_dst : y);

  if (plan->gather != NULL)
    ok = execute_one (dnn, plan->gather, 2, (dnnl_exec_arg_t[]) { { DNNL_ARG_FROM, plan->x }, { DNNL_ARG_TO, plan->src } });
  if (ok && plan->preload != NULL && call->residual + call->residual_at != (plan->scatter != NULL ? scratch_dst : y))
    {
      dnn->memory_set_data_handle (plan->residual, call->residual + call->residual_at);
      ok = execute_one (dnn, plan->preload, 2, (dnnl_exec_arg_t[]) { { DNNL_ARG_FROM, plan->residual }, { DNNL_ARG_TO, plan->dst } });
    }

  args[n++] = (dnnl_exec_arg_t) { DNNL_ARG_SRC, plan->src };
  args[n++] = (dnnl_exec_arg_t) { DNNL_ARG_WEIGHTS, plan->weights };
  args[n++] = (dnnl_exec_arg_t) { DNNL_ARG_DST, plan->dst };
  if (plan->bias != NULL)
    {
      if (call->bias != NULL)
        dnn->memory_set_data_handle (plan->bias, call->bias + call->bias_at);
      args[n++] = (dnnl_exec_arg_t) { DNNL_ARG_BIAS, plan->bias };
    }
  ok = ok && execute_one (dnn, plan->primitive, n, args);

  if (ok && plan->scatter != NULL)
    ok = execute_one (dnn, plan->scatter, 2, (dnnl_exec_arg_t[]) { { DNNL_ARG_FROM, plan->dst }, { DNNL_ARG_TO, plan->y } });
  ok = dnn->stream_wait (dnn->stream) == dnnl_success && ok;

  g_mutex_unlock (&lock);

  return ok;
}

static gboolean
grow (guint8 **scratch,
      gsize   *have,
      gsize    need)
{
  if (need <= *have)
    return TRUE;

  descry_free (*scratch);
  *scratch = descry_try_alloc_pages (need);
  *have = *scratch != NULL ? need : 0;
  return *scratch != NULL;
}

static gboolean
same_key (const Key *a,
          const Key *b)
{
  return memcmp (a, b, sizeof *a) == 0; /* keys are zeroed before they are filled */
}

static gboolean
enqueue (DescryRun   *run,
         Layer       *layer,
         const Key   *key,
         gboolean     picture,
         DescryTensor y,
         DescryTensor x,
         DescryTensor residual,
         DescryTensor bias)
{
  const DnnLibrary *dnn = dnn_library (NULL);
  Call call = { 0 };
  cl_mem buffers[4];
  gsize places[4];
  guint n = 0, i;
  gboolean ok;

  if (dnn == NULL)
    return FALSE;

  for (i = 0; i < layer->plans->len && call.plan == NULL; i++)
    {
      Plan *plan = g_ptr_array_index (layer->plans, i);

      if (same_key (&plan->key, key))
        call.plan = plan;
    }
  if (call.plan == NULL)
    {
      if (layer->plans->len >= MAX_PLANS)
        return FALSE;
      /* The library's stream is shared with work that may be running. */
      g_mutex_lock (&lock);
      call.plan = make_plan (dnn, layer, key, picture);
      ok = call.plan != NULL && grow (&scratch_src, &scratch_src_bytes, call.plan->src_bytes) && grow (&scratch_dst, &scratch_dst_bytes, call.plan->dst_bytes);
      g_mutex_unlock (&lock);
      if (!ok)
        {
          g_clear_pointer (&call.plan, free_plan);
          return FALSE;
        }
      g_ptr_array_add (layer->plans, call.plan);
    }

  call.x_at = (guint64) x.offset * sizeof (float);
  call.y_at = (guint64) y.offset * sizeof (float);
  buffers[n] = x.buffer;
  places[n++] = G_STRUCT_OFFSET (Call, x);
  buffers[n] = y.buffer;
  places[n++] = G_STRUCT_OFFSET (Call, y);
  if (key->residual_pitch != 0)
    {
      call.residual_at = (guint64) residual.offset * sizeof (float);
      buffers[n] = residual.buffer;
      places[n++] = G_STRUCT_OFFSET (Call, residual);
    }
  if (bias.buffer != NULL)
    {
      call.bias_at = (guint64) bias.offset * sizeof (float);
      buffers[n] = bias.buffer;
      places[n++] = G_STRUCT_OFFSET (Call, bias);
    }

  descry_run_native (run, execute_call, &call, sizeof call, buffers, places, n);
  return TRUE;
}

/* A residual that shares its buffer with the output, but not its place, would be overwritten while it is read. */
static gboolean
overlaps (DescryTensor a,
          DescryTensor b)
{
  return a.buffer != NULL && a.buffer == b.buffer && (a.offset != b.offset || a.pitch != b.pitch);
}

gboolean
descry_onednn_conv (DescryRun             *run,
                    DescryTensor           y,
                    DescryTensor           x,
                    DescryOnednnConv      *conv,
                    const DescryConvShape *shape,
                    DescryActivation       act,
                    DescryTensor           residual,
                    gboolean               bf16)
{
  guint at = x.n_dims == 4; /* [n, h, w, c]; else [h, w, c], or [n, c] */
  gboolean flat = x.n_dims == 2;
  Key key;

  if (overlaps (residual, y))
    return FALSE;

  memset (&key, 0, sizeof key);
  key.n = at || flat ? x.shape[0] : 1;
  key.h = flat ? 1 : x.shape[at];
  key.w = flat ? 1 : x.shape[at + 1];
  key.oh = flat ? 1 : y.shape[at];
  key.ow = flat ? 1 : y.shape[at + 1];
  key.x_pitch = x.pitch;
  key.y_pitch = y.pitch;
  key.residual_pitch = residual.buffer != NULL ? residual.pitch : 0;
  key.stride = shape->stride;
  key.dilation = MAX (shape->dilation, 1);
  key.pad_top = shape->pad_top;
  key.pad_left = shape->pad_left;
  key.pad_bottom = shape->pad_bottom;
  key.pad_right = shape->pad_right;
  key.act = act;
  key.scale = 1.0f;
  key.biased = conv->layer.bias != NULL;
  key.bf16 = bf16;

  return enqueue (run, &conv->layer, &key, TRUE, y, x, residual, (DescryTensor) { 0 });
}

gboolean
descry_onednn_matmul (DescryRun            *run,
                      DescryTensor          c,
                      DescryTensor          a,
                      DescryOnednnMatmul   *matmul,
                      const DescryEpilogue *epilogue,
                      gboolean              bf16)
{
  static const DescryEpilogue plain;
  Key key;

  if (epilogue == NULL)
    epilogue = &plain;
  if (overlaps (epilogue->residual, c))
    return FALSE;

  memset (&key, 0, sizeof key);
  key.n = key.h = key.oh = 1;
  key.w = key.ow = descry_tensor_rows (a);
  key.x_pitch = a.pitch;
  key.y_pitch = c.pitch;
  key.residual_pitch = epilogue->residual.buffer != NULL ? epilogue->residual.pitch : 0;
  key.act = epilogue->act;
  key.scale = epilogue->scale == 0.0f ? 1.0f : epilogue->scale;
  key.biased = epilogue->bias.buffer != NULL;
  key.bf16 = bf16;

  return enqueue (run, &matmul->layer, &key, FALSE, c, a, epilogue->residual, epilogue->bias);
}

/* Handed to the queue by value. */
typedef struct
{
  float  *a, *b, *c;
  guint64 a_at, b_at, c_at; /* elements */
  guint   m, n, k, a_pitch, b_pitch, c_pitch;
  char    turned_a, turned_b;
  float   keep; /* of c */
} Product;

static gboolean
execute_product (void *data)
{
  const Product *p = data;
  dnnl_status_t status;

  g_mutex_lock (&lock);
  status = dnn_library (NULL)->sgemm (p->turned_a, p->turned_b, p->m, p->n, p->k, 1.0f, p->a + p->a_at, p->a_pitch, p->b + p->b_at, p->b_pitch,
                                      p->keep, p->c + p->c_at, p->c_pitch);
  g_mutex_unlock (&lock);

  return status == dnnl_success;
}

void
descry_onednn_product (DescryRun    *run,
                       DescryTensor  c,
                       DescryTensor  a,
                       gboolean      turned_a,
                       DescryTensor  b,
                       gboolean      turned_b,
                       gboolean      add)
{
  Product product = { .a_at = a.offset, .b_at = b.offset, .c_at = c.offset, .m = descry_tensor_rows (c), .n = descry_tensor_cols (c),
                      .k = turned_a ? descry_tensor_rows (a) : descry_tensor_cols (a), .a_pitch = a.pitch, .b_pitch = b.pitch, .c_pitch = c.pitch,
                      .turned_a = turned_a ? 'T' : 'N', .turned_b = turned_b ? 'T' : 'N', .keep = add ? 1.0f : 0.0f };
  const cl_mem buffers[] = { a.buffer, b.buffer, c.buffer };
  const gsize places[] = { G_STRUCT_OFFSET (Product, a), G_STRUCT_OFFSET (Product, b), G_STRUCT_OFFSET (Product, c) };

  descry_run_native (run, execute_product, &product, sizeof product, buffers, places, G_N_ELEMENTS (buffers));
}
