/* gemm-private.h - what the files of the matrix products share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/gemm.h"

G_BEGIN_DECLS

/* Rows of a panel of the cpu family, and of a tile of its kernels. */
#define DESCRY_PANEL 32
/* Columns that share a scale. */
#define DESCRY_BLOCK 32

struct _DescryWeight
{
  DescryDevice  *device;
  char          *name;
  DescryGgmlType type; /* as packed: one with kernels */
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

/* How a type lies on the device, in bytes a row: compute/kernels/gemv-formats.cpu.cl and gemv.gpu.cl. */
typedef struct
{
  DescryGgmlType type;
  const char    *name;   /* ends the names of the kernels */
  guint          super;  /* blocks under one head */
  guint          halves; /* of a head: scale, minimum */
  guint          bytes;  /* of a block: scales under the head's */
  guint          quants;
  guint          high;   /* bits beyond the fourth */
} DescryWeightFormat;

const DescryWeightFormat *descry_weight_format_find       (DescryGgmlType            type); /* NULL: no kernels */
gsize                     descry_weight_format_row        (const DescryWeightFormat *format, guint k);
/* 32 rows of a format with scales at once; FALSE in @done: this format goes row by row. */
gboolean                  descry_weight_format_pack_rows  (const DescryWeightFormat *format, guint k, const guint8 *const *rows, guint8 *panel, gboolean *done);
/* One row, in GGML's layout; FALSE if a scale is not finite. Rows of f32, f16, bf16 may end inside a block. */
gboolean                  descry_weight_format_pack_panel (const DescryWeightFormat *format, guint k, const guint8 *row, guint8 *panel, guint lane);
gboolean                  descry_weight_format_pack_plain (const DescryWeightFormat *format, guint n, guint k, const guint8 *row, guint8 *data, guint r);

const char *descry_weight_format (const DescryWeight *weight);

/* Columns up to which the integer kernels copy a row of A; as in compute/kernels/gemv.cpu.cl. */
#define DESCRY_DOT_MOST 16384

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
