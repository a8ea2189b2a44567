/* provider.h - who computes convolutions and products on a device
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/gemm.h"

G_BEGIN_DECLS

/* What descry_gemm_force() set; AUTO: the fastest that covers the case. */
DescryGemmProvider descry_ops_provider (DescryDevice *device);

/* Whether layers that allow it may multiply in bfloat16 (on by default where the processor has it); off is
 * the exact f32 path, the oracle of every other. */
gboolean descry_ops_fast     (DescryDevice *device);
void     descry_ops_set_fast (DescryDevice *device, gboolean fast);

G_END_DECLS
