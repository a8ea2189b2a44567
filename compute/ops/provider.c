/* provider.c - who computes convolutions and products on a device
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/provider.h"

#include "compute/device/device-private.h"
#include "compute/ops/onednn.h"

static DescryGemmProvider standard = DESCRY_GEMM_AUTO;

DescryGemmProvider
descry_ops_provider (DescryDevice *device)
{
  return device->gemm_provider != DESCRY_GEMM_AUTO ? (DescryGemmProvider) device->gemm_provider : standard;
}

void
descry_ops_set_default (DescryGemmProvider provider)
{
  standard = provider;
}

gboolean
descry_ops_fast (DescryDevice *device)
{
  return !device->exact && descry_onednn_has_bf16 ();
}

void
descry_ops_set_fast (DescryDevice *device,
                     gboolean      fast)
{
  device->exact = !fast;
}
