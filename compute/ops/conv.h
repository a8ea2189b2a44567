/* conv.h - convolutions on [n, height, width, channels] tensors
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/gemm.h"

G_BEGIN_DECLS

typedef struct
{
  guint    kernel;   /* 1, 3 or 5; square */
  guint    stride;
  guint    dilation; /* 0 is read as 1 */
  guint    pad_top, pad_left, pad_bottom, pad_right; /* zeros */
  gboolean depthwise; /* one filter a channel, multiplier 1 */
  gboolean bf16; /* the network's accuracy gate holds with bfloat16 products and f32 sums: they are used where the processor has
                  * them and descry_ops_set_fast() was not switched off */
  guint    map;       /* side of the maps it will mostly see, 0: unknown; decides how weights are packed */
} DescryConvShape;

/* TensorFlow's SAME: total = max ((ceil (n/s) - 1) s + k - n, 0), the smaller half first. */
void descry_conv_same (DescryConvShape *shape, guint height, guint width);

typedef struct _DescryConv DescryConv;

/**
 * descry_conv_new:
 * @weights: f32 [out, in, kernel, kernel] (OIHW); depthwise [channels, 1, kernel, kernel]
 * @bias: (nullable): f32 [out]
 *
 * Packs for the device. The padding may be changed per call through @shape of op_conv().
 */
DescryConv *descry_conv_new  (DescryDevice *device, const char *name, guint out, guint in, const DescryConvShape *shape,
                              const float *weights, const float *bias, GError **error);
void        descry_conv_free (DescryConv *conv);

/* [h, w, c] is read as [1, h, w, c], and [n, c] as [n, 1, 1, c].
 * y [n, oh, ow, out] = act (conv (x) + bias) + residual (if residual.buffer). @y may be a slice of the
 * channels of a wider tensor (pitch), so concatenation costs nothing; so may @x. */
void op_conv (DescryRun *run, DescryTensor y, DescryTensor x, DescryConv *conv, const DescryConvShape *shape,
              DescryActivation act, DescryTensor residual);

/* The same into a new tensor of the run, padded as the convolution says or, if @same, as TensorFlow's SAME. */
DescryTensor op_conv_alloc (DescryRun *run, DescryTensor x, DescryConv *conv, gboolean same, DescryActivation act, DescryTensor residual);

/* A depthwise convolution, then @point, 1 x 1 without stride: y = act (point (wide_act (wide (x)))) + residual. In one
 * kernel where the device has one for it; else what lies between is a tensor of the run for that long. */
DescryTensor op_conv_separable (DescryRun *run, DescryTensor x, DescryConv *wide, DescryConv *point, gboolean same,
                                DescryActivation wide_act, DescryActivation act, DescryTensor residual);

/* The same behind @expand, as in an inverted residual block. Where the map between them is large and the device has a
 * kernel for it, it is never in memory. */
DescryTensor op_conv_inverted (DescryRun *run, DescryTensor x, DescryConv *expand, DescryConv *wide, DescryConv *point, gboolean same,
                               DescryActivation expand_act, DescryActivation wide_act, DescryActivation act, DescryTensor residual);

typedef struct _DescryConvTransposed DescryConvTransposed;

/**
 * descry_conv_transposed_new:
 * @weights: f32 [in, out, kernel, kernel], as torch's ConvTranspose2d
 * @bias: (nullable): f32 [out]
 * @pad: taken away on every side, less than @kernel
 */
DescryConvTransposed *descry_conv_transposed_new  (DescryDevice *device, const char *name, guint out, guint in, guint kernel, guint stride, guint pad,
                                                   const float *weights, const float *bias, GError **error);
void                  descry_conv_transposed_free (DescryConvTransposed *conv);

/* x [n, h, w, in] -> act (...) [n, (h - 1) stride + kernel - 2 pad, ..., out], a tensor of the run. */
DescryTensor          op_conv_transposed          (DescryRun *run, DescryTensor x, DescryConvTransposed *conv, DescryActivation act);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryConv, descry_conv_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryConvTransposed, descry_conv_transposed_free)

G_END_DECLS
