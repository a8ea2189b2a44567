/* onednn-library.c - the oneDNN library, found at run time
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-onednn"

#include "config.h"

#include "compute/ops/onednn-library.h"

#include <gmodule.h>

#define STRING2(x) #x
#define STRING(x) STRING2 (x)
#define SONAME "libdnnl.so." STRING (DNNL_VERSION_MAJOR)

static DnnLibrary library;
static char *failure; /* why it is not there; NULL when it is */

static gboolean
find (GModule    *module,
      const char *name,
      gpointer    place)
{
  gpointer symbol = NULL;

  if (!g_module_symbol (module, name, &symbol) || symbol == NULL)
    {
      failure = g_strdup_printf ("%s has no %s", SONAME, name);
      return FALSE;
    }

  *(gpointer *) place = symbol;
  return TRUE;
}

static gboolean
load_functions (GModule *module)
{
#define DNN_LOAD(name)                                   \
  if (!find (module, "dnnl_" #name, &library.name))      \
    return FALSE;
  DNN_FUNCTIONS (DNN_LOAD)
#if DNNL_VERSION_MAJOR >= 3
  DNN_LOAD (memory_desc_create_with_strides)
  DNN_LOAD (memory_desc_create_with_tag)
  DNN_LOAD (memory_desc_destroy)
  DNN_LOAD (convolution_forward_primitive_desc_create)
  DNN_LOAD (matmul_primitive_desc_create)
#else
  DNN_LOAD (memory_desc_init_by_strides)
  DNN_LOAD (memory_desc_init_by_tag)
  DNN_LOAD (dilated_convolution_forward_desc_init)
  DNN_LOAD (matmul_desc_init)
  DNN_LOAD (primitive_desc_create)
#endif
#undef DNN_LOAD

  return TRUE;
}

static gpointer
load_once (gpointer data)
{
  GModule *module;

  if (g_strcmp0 (g_getenv ("DESCRY_ONEDNN"), "0") == 0)
    {
      failure = g_strdup ("switched off by DESCRY_ONEDNN=0");
      return NULL;
    }

  module = g_module_open (SONAME, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  if (module == NULL)
    {
      failure = g_strdup ("the library " SONAME " is not installed");
      return NULL;
    }
  g_module_make_resident (module); /* its thread pool may outlive us */

  if (!load_functions (module))
    return NULL;
  if (library.version ()->major != DNNL_VERSION_MAJOR)
    {
      failure = g_strdup_printf ("version %d is needed, found %d", DNNL_VERSION_MAJOR, library.version ()->major);
      return NULL;
    }
  if (library.engine_create (&library.engine, dnnl_cpu, 0) != dnnl_success
      || library.stream_create (&library.stream, library.engine, dnnl_stream_default_flags) != dnnl_success)
    {
      failure = g_strdup ("it offers no CPU engine");
      return NULL;
    }

  return &library;
}

const DnnLibrary *
dnn_library (const char **reason)
{
  static GOnce once = G_ONCE_INIT;
  const DnnLibrary *result = g_once (&once, load_once, NULL);

  if (reason != NULL)
    *reason = failure;
  return result;
}

gboolean
dnn_md_init (DnnMd           *md,
             int              n_dims,
             const gint64    *dims,
             dnnl_data_type_t type,
             const gint64    *strides)
{
  dnnl_dims_t d = { 0 }, s = { 0 };
  int i;

  for (i = 0; i < n_dims; i++)
    {
      d[i] = dims[i];
      s[i] = strides != NULL ? strides[i] : 0;
    }

#if DNNL_VERSION_MAJOR >= 3
  if (strides == NULL)
    return library.memory_desc_create_with_tag (md, n_dims, d, type, dnnl_format_tag_any) == dnnl_success;
  return library.memory_desc_create_with_strides (md, n_dims, d, type, s) == dnnl_success;
#else
  if (strides == NULL)
    return library.memory_desc_init_by_tag (md, n_dims, d, type, dnnl_format_tag_any) == dnnl_success;
  return library.memory_desc_init_by_strides (md, n_dims, d, type, s) == dnnl_success;
#endif
}

gboolean
dnn_md_init_panels (DnnMd *md,
                    guint  k,
                    guint  n)
{
  dnnl_dims_t dims = { k, n };

#if DNNL_VERSION_MAJOR >= 3
  return library.memory_desc_create_with_tag (md, 2, dims, dnnl_f32, dnnl_BA16a32b) == dnnl_success;
#else
  return library.memory_desc_init_by_tag (md, 2, dims, dnnl_f32, dnnl_BA16a32b) == dnnl_success;
#endif
}

void
dnn_md_clear (DnnMd *md)
{
#if DNNL_VERSION_MAJOR >= 3
  if (*md != NULL)
    library.memory_desc_destroy (*md);
  *md = NULL;
#endif
}

dnnl_primitive_desc_t
dnn_conv_pd (DnnMd                *src,
             DnnMd                *weights,
             DnnMd                *bias,
             DnnMd                *dst,
             const gint64         *strides,
             const gint64         *dilates,
             const gint64         *pad_before,
             const gint64         *pad_after,
             dnnl_primitive_attr_t attr)
{
  dnnl_dims_t s = { strides[0], strides[1] }, d = { dilates[0], dilates[1] };
  dnnl_dims_t before = { pad_before[0], pad_before[1] }, after = { pad_after[0], pad_after[1] };
  dnnl_primitive_desc_t pd = NULL;

#if DNNL_VERSION_MAJOR >= 3
  if (library.convolution_forward_primitive_desc_create (&pd, library.engine, dnnl_forward_inference, dnnl_convolution_direct,
                                                         *src, *weights, bias != NULL ? *bias : NULL, *dst, s, d, before, after, attr) != dnnl_success)
    return NULL;
#else
  dnnl_convolution_desc_t desc;

  if (library.dilated_convolution_forward_desc_init (&desc, dnnl_forward_inference, dnnl_convolution_direct,
                                                     src, weights, bias, dst, s, d, before, after) != dnnl_success
      || library.primitive_desc_create (&pd, &desc, attr, library.engine, NULL) != dnnl_success)
    return NULL;
#endif

  return pd;
}

dnnl_primitive_desc_t
dnn_matmul_pd (DnnMd                *src,
               DnnMd                *weights,
               DnnMd                *bias,
               DnnMd                *dst,
               dnnl_primitive_attr_t attr)
{
  dnnl_primitive_desc_t pd = NULL;

#if DNNL_VERSION_MAJOR >= 3
  if (library.matmul_primitive_desc_create (&pd, library.engine, *src, *weights, bias != NULL ? *bias : NULL, *dst, attr) != dnnl_success)
    return NULL;
#else
  dnnl_matmul_desc_t desc;

  if (library.matmul_desc_init (&desc, src, weights, bias, dst) != dnnl_success
      || library.primitive_desc_create (&pd, &desc, attr, library.engine, NULL) != dnnl_success)
    return NULL;
#endif

  return pd;
}

gboolean
dnn_append_eltwise (dnnl_post_ops_t ops,
                    dnnl_alg_kind_t kind,
                    float           alpha,
                    float           beta)
{
#if DNNL_VERSION_MAJOR >= 3
  return library.post_ops_append_eltwise (ops, kind, alpha, beta) == dnnl_success;
#else
  return library.post_ops_append_eltwise (ops, 1.0f, kind, alpha, beta) == dnnl_success;
#endif
}

/* The activation as a post-operation; FALSE for one that oneDNN computes otherwise than we do. */
static gboolean
append_activation (dnnl_post_ops_t  ops,
                   DescryActivation act)
{
  switch (act)
    {
    case DESCRY_ACT_NONE:
      return TRUE;
    case DESCRY_ACT_RELU:
      return dnn_append_eltwise (ops, dnnl_eltwise_relu, 0.0f, 0.0f);
    case DESCRY_ACT_LEAKY:
      return dnn_append_eltwise (ops, dnnl_eltwise_relu, 0.1f, 0.0f);
    case DESCRY_ACT_RELU6:
      return dnn_append_eltwise (ops, dnnl_eltwise_clip, 0.0f, 6.0f);
    case DESCRY_ACT_GELU:
      return dnn_append_eltwise (ops, dnnl_eltwise_gelu_erf, 0.0f, 0.0f);
    case DESCRY_ACT_SILU:
      return dnn_append_eltwise (ops, dnnl_eltwise_swish, 1.0f, 0.0f);
    case DESCRY_ACT_SIGMOID:
      return dnn_append_eltwise (ops, dnnl_eltwise_logistic, 0.0f, 0.0f);
    case DESCRY_ACT_TANH:
      return dnn_append_eltwise (ops, dnnl_eltwise_tanh, 0.0f, 0.0f);
    default:
      return FALSE;
    }
}

dnnl_primitive_attr_t
dnn_epilogue (DescryActivation act,
              float            scale,
              gboolean         sum)
{
  const DnnLibrary *dnn = &library;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t ops = NULL;
  gboolean ok = dnn->primitive_attr_create (&attr) == dnnl_success && dnn->post_ops_create (&ops) == dnnl_success;

  ok = ok && append_activation (ops, act);
  if (ok && scale != 1.0f)
    ok = dnn_append_eltwise (ops, dnnl_eltwise_linear, scale, 0.0f);
  if (ok && sum)
#if DNNL_VERSION_MAJOR >= 3
    ok = dnn->post_ops_append_sum (ops, 1.0f, 0, dnnl_data_type_undef) == dnnl_success;
#else
    ok = dnn->post_ops_append_sum (ops, 1.0f) == dnnl_success;
#endif
  ok = ok && dnn->primitive_attr_set_post_ops (attr, ops) == dnnl_success;

  if (ops != NULL)
    dnn->post_ops_destroy (ops);
  if (!ok && attr != NULL)
    {
      dnn->primitive_attr_destroy (attr);
      attr = NULL;
    }
  return attr;
}
