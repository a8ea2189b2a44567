/* self-test.h - the operations prove themselves on questions whose answers are exact
 *
 * Numbers are small integers, so every sum is exact in f32 whatever its order, and must come out to the bit.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"

G_BEGIN_DECLS

/* A product with many rows (the device's usual provider and the own kernel), with one row in every weight format,
 * a 3 × 3 convolution, an attention over equal keys, a normalisation. %DESCRY_ERROR_NO_DEVICE names what is wrong. */
gboolean op_self_test (DescryDevice *device, GError **error);

G_END_DECLS
