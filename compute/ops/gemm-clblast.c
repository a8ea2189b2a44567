/* gemm-clblast.c - CLBlast as a provider of f32 products
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/gemm-private.h"

#if DESCRY_WITH_CLBLAST

#include <clblast_c.h>

/* Rows of w as they are (gpu family). */
static CLBlastStatusCode
multiply_rows (cl_command_queue *queue,
               DescryTensor      c,
               DescryTensor      a,
               DescryTensor      w,
               guint             n,
               guint             k)
{
  return CLBlastSgemm (CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeYes, descry_tensor_rows (a), n, k, 1.0f,
                       a.buffer, a.offset, a.pitch, w.buffer, 0, (k + 31) / 32 * 32, 0.0f, c.buffer, c.offset, c.pitch, queue, NULL);
}

/* Panels of 32 columns (cpu family): a batch over the whole ones, then the rest. */
static CLBlastStatusCode
multiply_panels (cl_command_queue *queue,
                 DescryTensor      c,
                 DescryTensor      a,
                 DescryTensor      w,
                 guint             n,
                 guint             k)
{
  gsize stride = (gsize) (k + 31) / 32 * 32 * DESCRY_PANEL;
  guint whole = n / DESCRY_PANEL, rest = n % DESCRY_PANEL, m = descry_tensor_rows (a);
  CLBlastStatusCode status = CLBlastSuccess;

  if (whole > 0)
    status = CLBlastSgemmStridedBatched (CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, DESCRY_PANEL, k, 1.0f,
                                         a.buffer, a.offset, a.pitch, 0, w.buffer, 0, DESCRY_PANEL, stride, 0.0f,
                                         c.buffer, c.offset, c.pitch, DESCRY_PANEL, whole, queue, NULL);
  if (status == CLBlastSuccess && rest > 0)
    status = CLBlastSgemm (CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, rest, k, 1.0f,
                           a.buffer, a.offset, a.pitch, w.buffer, whole * stride, DESCRY_PANEL, 0.0f,
                           c.buffer, c.offset + whole * DESCRY_PANEL, c.pitch, queue, NULL);

  return status;
}

gboolean
descry_gemm_clblast (DescryRun   *run,
                     DescryTensor c,
                     DescryTensor a,
                     DescryTensor w,
                     guint        n,
                     guint        k)
{
  DescryDevice *device = descry_run_device (run);
  cl_command_queue queue = descry_device_queue (device);
  CLBlastStatusCode status;

  if (!descry_run_ok (run))
    return FALSE;

  status = descry_device_family (device) == DESCRY_FAMILY_CPU ? multiply_panels (&queue, c, a, w, n, k) : multiply_rows (&queue, c, a, w, n, k);
  if (status != CLBlastSuccess)
    g_warning ("CLBlast declines a product of %u×%u×%u (status %d); the own kernel takes over", descry_tensor_rows (a), n, k, status);

  return status == CLBlastSuccess;
}

#else

gboolean
descry_gemm_clblast (DescryRun   *run,
                     DescryTensor c,
                     DescryTensor a,
                     DescryTensor w,
                     guint        n,
                     guint        k)
{
  return FALSE;
}

#endif
