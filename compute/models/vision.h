/* vision.h - the compact bundle's picture networks
 *
 * Each takes normalised pixels as an f32 [n, h, w, 3] tensor on the device and leaves its results
 * there; geometry and decoding are the refiner's. Formulas: models/compact.md 2, 4a, 4b, 5.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"
#include "compute/files/gguf.h"

G_BEGIN_DECLS

/* EfficientNet-Lite0: 224 x 224 x 3 -> features [n, 7, 7, 1280], pooled [n, 1280], logits [n, 1000].
 * Outputs come from the run's pool: release them. */
typedef struct _DescryEfficientNet DescryEfficientNet;
DescryEfficientNet *descry_efficientnet_new  (DescryDevice *device, DescryGguf *gguf, GError **error);
void                descry_efficientnet_free (DescryEfficientNet *net);
void                descry_efficientnet_run  (DescryEfficientNet *net, DescryRun *run, DescryTensor pixels,
                                              DescryTensor *features, DescryTensor *pooled, DescryTensor *logits);

/* NanoDet-g at @size x @size (416): for the strides 8, 16, 32: classes [cells, 80] (sigmoid applied) and
 * box logits [cells, 44]. */
typedef struct _DescryNanodet DescryNanodet;
DescryNanodet *descry_nanodet_new  (DescryDevice *device, DescryGguf *gguf, GError **error);
void           descry_nanodet_free (DescryNanodet *net);
void           descry_nanodet_run  (DescryNanodet *net, DescryRun *run, DescryTensor pixels, DescryTensor classes[3], DescryTensor boxes[3]);

/* CenterNet MobileNetV3 at 512 x 512: classes [128, 128, 80] (sigmoid applied), sizes [128, 128, 4] (left, top,
 * right, bottom in input pixels, already x 16). */
typedef struct _DescryCenternet DescryCenternet;
DescryCenternet *descry_centernet_new  (DescryDevice *device, DescryGguf *gguf, GError **error);
void             descry_centernet_free (DescryCenternet *net);
void             descry_centernet_run  (DescryCenternet *net, DescryRun *run, DescryTensor pixels, DescryTensor *classes, DescryTensor *sizes);

/* IS-Net, sides multiples of 32: alpha [h, w, 1], 0..1. */
typedef struct _DescryIsnet DescryIsnet;
DescryIsnet *descry_isnet_new  (DescryDevice *device, DescryGguf *gguf, GError **error);
void         descry_isnet_free (DescryIsnet *net);
void         descry_isnet_run  (DescryIsnet *net, DescryRun *run, DescryTensor pixels, DescryTensor *alpha);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryEfficientNet, descry_efficientnet_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryNanodet, descry_nanodet_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryCenternet, descry_centernet_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryIsnet, descry_isnet_free)

G_END_DECLS
