/* provider.c - who computes convolutions and products on a device
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/provider.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

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
descry_ops_has_matrix_unit (void)
{
#if defined(__x86_64__)
  guint a, b, c, d;

  return __get_cpuid_count (7, 0, &a, &b, &c, &d) && (d & (1u << 22)) != 0; /* AMX-BF16 */
#else
  return FALSE;
#endif
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
