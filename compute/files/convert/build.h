/* build.h - what the tables of the architectures are written with
 *
 * The first problem sticks; later calls do nothing, so that a table reads as a list.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/convert/source.h"
#include "compute/files/gguf.h"

G_BEGIN_DECLS

typedef struct
{
  DescrySource     *source;
  DescryGgufWriter *writer;
  int               quantize; /* DescryGgmlType, or -1 */
  guint             n_tensors;
  guint             n_ignored;
  GError           *error;
} DescryBuild;

/* How a convolution's weight lies in the source. */
typedef enum
{
  DESCRY_LAYOUT_OIHW, /* torch, ONNX */
  DESCRY_LAYOUT_HWIO, /* TensorFlow */
  DESCRY_LAYOUT_HWC1  /* TensorFlow, depthwise; becomes [channels, 1, kh, kw] */
} DescryLayout;

typedef struct
{
  guint out;
  guint in; /* 1 for depthwise */
  guint kernel; /* height and width */
} DescryConvShape;

/* The tensor of that name, marked as used; its shape must be the one given (outermost first). */
DescrySourceTensor *descry_build_take   (DescryBuild   *build,
                                         const char    *name,
                                         guint          n_dims,
                                         const guint64 *dims);

/* Every tensor that matches the pattern (* and ?) is known and not needed. At least one must. */
void descry_build_ignore   (DescryBuild    *build,
                            const char     *pattern);

/* Every 0-d tensor and every integer tensor is a constant of the graph, not a weight. */
void descry_build_ignore_constants (DescryBuild *build);

/* NAME.weight in the source's float type (F32, F16), or as quantised. */
void descry_build_conv     (DescryBuild    *build,
                            const char     *name,
                            const char     *weight,
                            DescryLayout    layout,
                            DescryConvShape shape);

/* The same, with a batch normalisation behind it folded in: f32 weight and NAME.bias. @norm is the
 * prefix of weight, bias, running_mean and running_var. */
void descry_build_conv_bn  (DescryBuild    *build,
                            const char     *name,
                            const char     *weight,
                            const char     *norm,
                            double          eps,
                            DescryConvShape shape);

/* [out, in] */
void descry_build_linear   (DescryBuild    *build,
                            const char     *name,
                            const char     *weight,
                            guint           out,
                            guint           in);

/* A vector of @n numbers as f32. */
void descry_build_vector   (DescryBuild    *build,
                            const char     *name,
                            const char     *source,
                            guint           n);

/* A weight of uint8 with one scale and one zero point: I8 = q - 128, NAME's .scale and .zero. */
void descry_build_conv_u8  (DescryBuild    *build,
                            const char     *name,
                            const char     *weight,
                            const char     *scale,
                            const char     *zero,
                            DescryConvShape shape);

/* Adds a finished tensor; dimensions outermost first; @values f32, taken. */
void descry_build_add_f32  (DescryBuild    *build,
                            const char     *name,
                            guint           n_dims,
                            const guint64  *dims,
                            float          *values);

void descry_build_fail     (DescryBuild    *build,
                            const char     *format,
                            ...) G_GNUC_PRINTF (2, 3);
gboolean descry_build_ok   (DescryBuild    *build);

/* The tables. */
void descry_build_efficientnet_lite (DescryBuild *build);
void descry_build_nanodet           (DescryBuild *build);
void descry_build_centernet         (DescryBuild *build);
void descry_build_isnet             (DescryBuild *build);

G_END_DECLS
