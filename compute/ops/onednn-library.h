/* onednn-library.h - the oneDNN library, found at run time, and its two C interfaces as one
 *
 * Version 3 renamed what version 2 offered: the few calls that we need are told apart here and nowhere
 * else. The headers at build time decide which one is looked for.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

#include <dnnl.h>

#include "compute/ops/gemm.h"

G_BEGIN_DECLS

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t DnnMd;
typedef const_dnnl_memory_desc_t DnnConstMd;
#else
typedef dnnl_memory_desc_t DnnMd;
typedef const dnnl_memory_desc_t *DnnConstMd;
#endif

/* The functions that both versions share, by their own names. */
#define DNN_FUNCTIONS(F)            \
  F (version)                       \
  F (engine_create)                 \
  F (engine_destroy)                \
  F (stream_create)                 \
  F (stream_wait)                   \
  F (stream_destroy)                \
  F (memory_create)                 \
  F (memory_destroy)                \
  F (memory_set_data_handle)        \
  F (memory_get_memory_desc)        \
  F (memory_desc_equal)             \
  F (memory_desc_get_size)          \
  F (primitive_create)              \
  F (primitive_execute)             \
  F (primitive_destroy)             \
  F (primitive_desc_destroy)        \
  F (primitive_desc_query)          \
  F (primitive_desc_query_md)       \
  F (primitive_attr_create)         \
  F (primitive_attr_destroy)        \
  F (primitive_attr_set_post_ops)   \
  F (post_ops_create)               \
  F (post_ops_destroy)              \
  F (post_ops_append_eltwise)       \
  F (post_ops_append_sum)           \
  F (reorder_primitive_desc_create) \
  F (sgemm)

typedef struct
{
#define DNN_FIELD(name) __typeof__ (dnnl_##name) *name;
  DNN_FUNCTIONS (DNN_FIELD)
#undef DNN_FIELD
#if DNNL_VERSION_MAJOR >= 3
  __typeof__ (dnnl_memory_desc_create_with_strides) *memory_desc_create_with_strides;
  __typeof__ (dnnl_memory_desc_create_with_tag) *memory_desc_create_with_tag;
  __typeof__ (dnnl_memory_desc_destroy) *memory_desc_destroy;
  __typeof__ (dnnl_convolution_forward_primitive_desc_create) *convolution_forward_primitive_desc_create;
  __typeof__ (dnnl_matmul_primitive_desc_create) *matmul_primitive_desc_create;
#else
  __typeof__ (dnnl_memory_desc_init_by_strides) *memory_desc_init_by_strides;
  __typeof__ (dnnl_memory_desc_init_by_tag) *memory_desc_init_by_tag;
  __typeof__ (dnnl_dilated_convolution_forward_desc_init) *dilated_convolution_forward_desc_init;
  __typeof__ (dnnl_matmul_desc_init) *matmul_desc_init;
  __typeof__ (dnnl_primitive_desc_create) *primitive_desc_create;
#endif
  dnnl_engine_t engine;
  dnnl_stream_t stream;
} DnnLibrary;

/* The loaded library, or NULL with a reason. Any thread. */
const DnnLibrary *dnn_library (const char **reason);

/* @strides: NULL lets the primitive choose. FALSE on failure. */
gboolean dnn_md_init  (DnnMd *md, int n_dims, const gint64 *dims, dnnl_data_type_t type, const gint64 *strides);
gboolean dnn_md_init_panels (DnnMd *md, guint k, guint n); /* f32 weights [k, n] as [n / 32][k][32] */
void     dnn_md_clear (DnnMd *md);
#if DNNL_VERSION_MAJOR >= 3
#define DNN_MD(md) (md)
#else
#define DNN_MD(md) (&(md))
#endif

dnnl_primitive_desc_t dnn_conv_pd   (DnnMd *src, DnnMd *weights, DnnMd *bias, DnnMd *dst, const gint64 *strides, const gint64 *dilates,
                                     const gint64 *pad_before, const gint64 *pad_after, dnnl_primitive_attr_t attr);
dnnl_primitive_desc_t dnn_matmul_pd (DnnMd *src, DnnMd *weights, DnnMd *bias, DnnMd *dst, dnnl_primitive_attr_t attr);

gboolean dnn_append_eltwise (dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha, float beta);

/* y = act (x . w + bias) * scale, + y as it was if @sum; NULL for an activation that oneDNN computes otherwise than we do. */
dnnl_primitive_attr_t dnn_epilogue (DescryActivation act, float scale, gboolean sum);

G_END_DECLS
