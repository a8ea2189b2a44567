/* gemm-private.h - what the files of the matrix products share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/gemm.h"

G_BEGIN_DECLS

/* Rows of a panel of the cpu family, and of a tile of its kernels. */
#define DESCRY_PANEL 32

struct _DescryWeight
{
  DescryDevice  *device;
  char          *name;
  DescryGgmlType type; /* as packed: F32, F16, Q8_0, Q4_0 or Q4_1 */
  guint          n;
  guint          k;
  gsize          bytes;
  DescryTensor   data; /* layout: compute/kernels/gemv.cpu.cl and gemv.gpu.cl */
};

/* What the kernels' flags mean. */
#define DESCRY_GEMM_BIAS 1
#define DESCRY_GEMM_RESIDUAL 2
#define DESCRY_GEMV_NORM 4
#define DESCRY_GEMV_PAIR 8
#define DESCRY_GEMV_NEXT 16

/* "f32", "f16", "q8_0", "q4_0", "q4_1": ends the names of the kernels. */
const char *descry_weight_format (const DescryWeight *weight);

/* Columns up to which the integer kernels copy a row of A; as in compute/kernels/gemv.cpu.cl. */
#define DESCRY_DOT_MOST 8192

/* Whether the integer kernels are there and compute what they should. */
gboolean    descry_gemm_probe_dot (DescryDevice       *device);

/* C = A . W^T for an f32 weight, without epilogue; FALSE if CLBlast is not built in or declines. */
gboolean    descry_gemm_clblast  (DescryRun          *run,
                                  DescryTensor        c,
                                  DescryTensor        a,
                                  DescryTensor        w, /* panels (cpu family) or rows (gpu family) */
                                  guint               n,
                                  guint               k);

G_END_DECLS
