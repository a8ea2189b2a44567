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

/* Products in bfloat16: whether the device can, whether this one suits, whether it is to be used now; packing, running. */
gboolean descry_pairs_available (DescryDevice *device);
gboolean descry_pairs_suits     (DescryDevice *device, guint in, const DescryConvShape *shape);
gboolean descry_pairs_wanted    (const DescryConv *conv);
gboolean descry_pairs_pack      (DescryConv *conv, const float *weights, GError **error);
void     descry_pairs_run       (DescryRun *run, const DescryConv *conv, const DescryConvCall *call, const DescryConv *wide, DescryActivation wide_act);
gboolean descry_pairs_fuse      (const DescryConv *expand, const DescryConv *wide, const DescryConvCall *first, const DescryConvCall *deep);
void     descry_pairs_run_fused (DescryRun *run, const DescryConv *expand, const DescryConv *wide, const DescryConv *point, const DescryConvCall *first,
                                 const DescryConvCall *deep, DescryActivation wide_act);

G_END_DECLS
