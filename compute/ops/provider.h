/* provider.h - who computes convolutions and products on a device
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/ops/gemm.h"

G_BEGIN_DECLS

/* What descry_gemm_force() set; AUTO: the fastest that covers the case. */
DescryGemmProvider descry_ops_provider (DescryDevice *device);

/* Whether the processor multiplies matrices of bfloat16 (AMX): oneDNN is then far ahead of every own kernel. */
gboolean descry_ops_has_matrix_unit (void);

/* Whether layers that allow it may multiply in bfloat16 (on by default where the processor has it); off is
 * the exact f32 path, the oracle of every other. */
gboolean descry_ops_fast     (DescryDevice *device);
void     descry_ops_set_fast (DescryDevice *device, gboolean fast);

/* `--gemm=`: what AUTO means on every device of this process. Before threads start. */
void               descry_ops_set_default (DescryGemmProvider provider);

const char        *descry_gemm_provider_name  (DescryGemmProvider provider); /* "auto", "own", "clblast", "onednn" */
gboolean           descry_gemm_provider_parse (const char *name, DescryGemmProvider *provider);

#define DESCRY_GEMM_PROVIDERS 4 /* numbers of DescryGemmProvider */
#define DESCRY_GEMM_CLASSES 4   /* of shapes: see descry_gemm_class_shape() */
#define DESCRY_GEMM_LEAST 64    /* rows, columns, depth of a product that others than the own kernels may get */

/* What was measured on a device. */
typedef struct
{
  gboolean           ranked;
  DescryGemmProvider choice[DESCRY_GEMM_CLASSES];
  double             rates[DESCRY_GEMM_CLASSES][DESCRY_GEMM_PROVIDERS]; /* GFLOP/s; 0: taken from an earlier run, or out */
  const char        *reasons[DESCRY_GEMM_PROVIDERS]; /* why a provider is out, or NULL; static */
} DescryGemmRanks;

/* Ranks the providers, the first time (0.1 s once a device and driver, then from the cache folder) or @again. */
const DescryGemmRanks *descry_gemm_rank (DescryDevice *device, gboolean again);
const char            *descry_gemm_class_shape (guint class); /* "m×n×k", what is measured for it */

/* Takes @provider out of the choice on @device, for @reason; op_gemm() goes on with the own kernels. */
void                   descry_gemm_demote (DescryDevice *device, DescryGemmProvider provider, const char *reason);

/* Who computes an f32 product of this shape; the provider may still decline a single case. */
DescryGemmProvider     descry_gemm_choose (DescryDevice *device, guint m, guint n, guint k);

G_END_DECLS
