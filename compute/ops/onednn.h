/* onednn.h - convolutions and matrix products by oneDNN, inside the device's queue
 *
 * A provider for devices that run native kernels (CPUs): the library works on the queue's own buffers.
 * It is found at run time; without it the own kernels do everything.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/conv.h"

G_BEGIN_DECLS

/* FALSE with the reason (static text) when the library is absent, does not fit, was switched off by
 * DESCRY_ONEDNN=0, or the device runs no native kernels. */
gboolean descry_onednn_available (DescryDevice  *device,
                                  const char   **reason);

/* TRUE where the processor multiplies bfloat16 itself; elsewhere it would be slower than f32. */
gboolean descry_onednn_has_bf16 (void);

/* "2.6.3", or NULL while it is not loaded. */
const char *descry_onednn_version (void);

typedef struct _DescryOnednnConv DescryOnednnConv;

/**
 * descry_onednn_conv_new:
 * @weights: f32 OIHW (depthwise: [channels, 1, kernel, kernel]); copied
 * @bias: (nullable): f32 [out]; copied
 *
 * Nothing is computed yet: the primitive and its packed weights are made for the first picture size that
 * comes, and kept for each.
 *
 * Returns: (transfer full): or %NULL if memory is out
 */
DescryOnednnConv *descry_onednn_conv_new  (guint                  out,
                                           guint                  in,
                                           const DescryConvShape *shape,
                                           const float           *weights,
                                           const float           *bias);
void              descry_onednn_conv_free (DescryOnednnConv      *conv);

/* Both as they were given; (transfer none). */
const float      *descry_onednn_conv_weights (DescryOnednnConv  *conv,
                                              const float      **bias);

/**
 * descry_onednn_conv:
 * @bf16: multiply in bfloat16 with f32 sums, where the processor has it; the tensors stay f32
 *
 * As op_conv().
 *
 * Returns: %FALSE if this case is not covered (nothing was enqueued: let the own kernel do it)
 */
gboolean descry_onednn_conv (DescryRun             *run,
                             DescryTensor           y,
                             DescryTensor           x,
                             DescryOnednnConv      *conv,
                             const DescryConvShape *shape,
                             DescryActivation       act,
                             DescryTensor           residual,
                             gboolean               bf16);

typedef struct _DescryOnednnMatmul DescryOnednnMatmul;

/* @weights: f32 [n, k]; kept by the caller until the first product of each kind has packed them: copied here. */
DescryOnednnMatmul *descry_onednn_matmul_new  (guint n, guint k, const float *weights);
void                descry_onednn_matmul_free (DescryOnednnMatmul *matmul);

/* The weights, f32 [n, k] (transfer full, descry_free()), or NULL if they cannot be had. */
typedef float *(*DescryOnednnFill) (gpointer data);

/**
 * descry_onednn_matmul_new_later:
 * @fill: called with @data for each layout that is packed, once for most; both outlive the product
 * @transposed: the product is with the transpose: @fill gives f32 [k, n]
 *
 * Nothing but the packed weights stays in memory.
 */
DescryOnednnMatmul *descry_onednn_matmul_new_later (guint n, guint k, gboolean transposed, DescryOnednnFill fill, gpointer data);

/* As op_gemm(); FALSE if this case is not covered. */
gboolean descry_onednn_matmul (DescryRun            *run,
                               DescryTensor          c,
                               DescryTensor          a,
                               DescryOnednnMatmul   *matmul,
                               const DescryEpilogue *epilogue,
                               gboolean              bf16);

/**
 * descry_onednn_panels:
 * @c: f32 [m, n], dense rows
 * @a: f32 [m, k], dense rows
 * @panels: f32 [n / 32][k][32], k a multiple of 32: the own kernels' weights, read in place
 * @epilogue: without residual
 *
 * Returns: %FALSE if this case is not covered (nothing was enqueued)
 */
gboolean descry_onednn_panels (DescryRun            *run,
                               DescryTensor          c,
                               DescryTensor          a,
                               DescryTensor          panels,
                               const DescryEpilogue *epilogue);

/* c = a . b (+ c, if @add) in f32 of two tensors that both may change; @a [m, k], or [k, m] if @turned_a, @b [k, n], or
 * [n, k] if @turned_b. */
void descry_onednn_product (DescryRun *run, DescryTensor c, DescryTensor a, gboolean turned_a, DescryTensor b, gboolean turned_b, gboolean add);

G_END_DECLS
