/* conv-loader.h - the convolutions of a network out of its GGUF file
 *
 * A convolution is NAME.weight, OIHW as in numpy, and NAME.bias. Weights are any float type, or I8 with
 * NAME.scale and NAME.zero: w = (i8 - zero) * scale, one of each for the tensor or one for each output.
 * The first failure sticks, later calls give NULL, so that a network is read in a straight line.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/gguf.h"
#include "compute/ops/conv.h"

G_BEGIN_DECLS

typedef struct
{
  DescryDevice *device;
  DescryGguf   *gguf;
  GPtrArray    *convs; /* of DescryConv, owned */
  GError       *error; /* the first one */
} DescryConvLoader;

/* Checks general.architecture. */
void        descry_conv_loader_init  (DescryConvLoader *loader, DescryDevice *device, DescryGguf *gguf, const char *architecture);

/* @shape is copied; @bias says whether NAME.bias must be there. Returns: (transfer none), or NULL. */
DescryConv *descry_conv_loader_take  (DescryConvLoader *loader, const char *name, guint out, guint in, const DescryConvShape *shape, gboolean bias);

/* Outputs @first to @first + @n - 1 of @out only, all weights and biases times @scale. */
DescryConv *descry_conv_loader_slice (DescryConvLoader *loader, const char *name, guint out, guint in, const DescryConvShape *shape,
                                      gboolean bias, guint first, guint n, float scale);

/* Hands over the convolutions, or the error (then nothing is left). */
GPtrArray  *descry_conv_loader_finish (DescryConvLoader *loader, GError **error);

G_END_DECLS
