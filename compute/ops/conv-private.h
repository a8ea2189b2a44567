/* conv-private.h - what the files of the convolutions share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/onednn.h"

G_BEGIN_DECLS

#define DESCRY_CONV_PANEL 32 /* output channels that are packed together */

struct _DescryConv
{
  DescryDevice     *device;
  char             *name;
  guint             out;
  guint             in;
  DescryConvShape   shape;
  gboolean          winograd; /* the own kernels' weights are transformed */
  gboolean          floats; /* f32 products in fixed registers */
  DescryOnednnConv *onednn; /* NULL where the provider is absent, or slower than Winograd */
  DescryTensor      weights; /* for the own kernels; with oneDNN there, packed only when first needed */
  DescryTensor      bias; /* [panels * 32 + zeros] */
  DescryTensor      pairs; /* weights as bfloat16, or none: the network's gate or the device does not allow it */
};

/* One call, with the numbers that every kernel wants. */
typedef struct
{
  DescryTensor     x, y, residual;
  DescryConvShape  shape;
  DescryActivation act;
  guint            n, h, w, oh, ow;
} DescryConvCall;

/* F(4 × 4, 3 × 3): whether it suits and no provider is faster, floats of the packed weights, packing, running. */
gboolean descry_winograd_suits (DescryDevice *device, guint in, const DescryConvShape *shape);
/* Faster than bfloat16 products of the direct method. */
gboolean descry_winograd_better (DescryDevice *device, guint in, const DescryConvShape *shape);
gsize    descry_winograd_size  (guint out, guint in);
void     descry_winograd_pack  (float *packed, const float *weights, guint out, guint in);
void     descry_winograd_run   (DescryRun *run, const DescryConv *conv, const DescryConvCall *call);

/* Products in fixed registers, in bfloat16 or in f32: whether the device can, whether this one suits; packing. The f32 ones
 * read `weights`, of descry_tiles_values() values for each output. */
gboolean descry_pairs_available  (DescryDevice *device);
gboolean descry_pairs_suits      (DescryDevice *device, guint in, const DescryConvShape *shape);
gboolean descry_pairs_pack       (DescryConv *conv, const float *weights, GError **error);
gboolean descry_floats_available (DescryDevice *device);
gboolean descry_floats_suits     (DescryDevice *device, guint in, const DescryConvShape *shape);
guint    descry_tiles_values     (guint in, guint kernel);

/* What such a kernel would multiply now, if one is to be used. */
typedef enum
{
  DESCRY_TILES_NONE,
  DESCRY_TILES_FLOATS,
  DESCRY_TILES_PAIRS
} DescryTiles;
DescryTiles descry_tiles_wanted    (const DescryConv *conv);
/* The same with a depthwise convolution in front; and with another one in front of that, as @first and @deep say. */
DescryTiles descry_tiles_separable (const DescryConv *wide, const DescryConv *point);
DescryTiles descry_tiles_inverted  (const DescryConv *expand, const DescryConv *wide, const DescryConv *point, const DescryConvCall *first,
                                    const DescryConvCall *deep);

/* @wide: (nullable): the depthwise convolution in front; @call is then its input and geometry. */
void        descry_tiles_run          (DescryRun *run, DescryTiles tiles, const DescryConv *conv, const DescryConvCall *call, const DescryConv *wide,
                                       DescryActivation wide_act);
/* @first: the widening; @deep: the other two, whose x does not exist. */
void        descry_tiles_run_inverted (DescryRun *run, DescryTiles tiles, const DescryConv *expand, const DescryConv *wide, const DescryConv *point,
                                       const DescryConvCall *first, const DescryConvCall *deep, DescryActivation wide_act);

G_END_DECLS
