/* gemm.h - matrix products with weights, their packing, and the fused epilogue
 *
 * C[m,n] = epilogue (A[m,k] . W[n,k]^T). M = 1 goes to quantized GEMV kernels, larger M to the GEMM
 * provider (own kernels, CLBlast, oneDNN) that was measured to be the fastest here: compute/ops/provider.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"
#include "compute/files/quant.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_ACT_NONE,
  DESCRY_ACT_RELU,
  DESCRY_ACT_RELU6,
  DESCRY_ACT_LEAKY,      /* slope 0.1 */
  DESCRY_ACT_GELU,       /* erf form */
  DESCRY_ACT_QUICK_GELU, /* x sigmoid (1.702 x) */
  DESCRY_ACT_SILU,
  DESCRY_ACT_SIGMOID,
  DESCRY_ACT_TANH,
  DESCRY_ACT_HARD_SWISH,  /* x relu6 (x + 3) * 0.16662598: the compact bundle's rounded sixth */
  DESCRY_ACT_HARD_SIGMOID /* relu6 (x + 3) * 0.16662598 */
} DescryActivation;

/* y = act (x . w + bias) * scale + residual; zero-initialised means the plain product
 * (scale 0 is read as 1). */
typedef struct
{
  DescryActivation act;
  float            scale;
  DescryTensor     bias;     /* f32 [n], or buffer NULL */
  DescryTensor     residual; /* f32 [m, n], or buffer NULL; may be the output itself */
} DescryEpilogue;

typedef struct _DescryWeight DescryWeight;

/**
 * descry_weight_new:
 * @name: of the tensor, for messages
 * @type: GGML type of @data
 * @n: rows (outputs)
 * @k: columns (inputs), a multiple of the type's block
 * @data: n rows as they lie in a GGUF file
 *
 * Packs a linear layer's weight for the device, every format in a form of its own; F64 becomes F32.
 * Scales are checked finite.
 *
 * Returns: (transfer full): free with descry_weight_free()
 */
DescryWeight *descry_weight_new  (DescryDevice   *device,
                                  const char     *name,
                                  DescryGgmlType  type,
                                  guint           n,
                                  guint           k,
                                  gconstpointer   data,
                                  GError        **error);

/* Several weights of one input under each other, so that one launch computes them all: Q, K and V; gate and
 * up. Their types must join: be kept in the same form on the device. */
typedef struct
{
  DescryGgmlType type;
  guint          n;
  gconstpointer  data; /* the rows, or NULL: @read brings them, piece by piece, from several threads */
  gboolean     (*read) (gconstpointer source, guint64 at, gpointer bytes, gsize n, GError **error);
  gconstpointer  source;
} DescryWeightPart;

gboolean      descry_weight_joins      (DescryGgmlType a, DescryGgmlType b);
DescryWeight *descry_weight_new_joined (DescryDevice           *device,
                                        const char             *name,
                                        guint                   k,
                                        const DescryWeightPart *parts,
                                        guint                   n_parts,
                                        GError                **error);

void          descry_weight_free (DescryWeight   *weight);
guint         descry_weight_rows (const DescryWeight *weight);
guint         descry_weight_cols (const DescryWeight *weight);
gsize         descry_weight_bytes (const DescryWeight *weight); /* on the device */

/* @a f32 [m,k], @c f32 [m,n]; pitches are honoured; @epilogue may be %NULL. */
void op_gemm (DescryRun            *run,
              DescryTensor          c,
              DescryTensor          a,
              const DescryWeight   *w,
              const DescryEpilogue *epilogue);

/* What a decoder layer does around its products, done in them. For few rows only: m <= DESCRY_FEW_ROWS. */
#define DESCRY_FEW_ROWS 8

typedef struct
{
  DescryTensor norm;        /* f32 [m, k], or buffer NULL: each row of the product is divided by the RMS of its row here,
                             * so that @a may be an unnormalised row times the norm's weight */
  float        eps;         /* of that RMS */
  gboolean     pair;        /* @w joins gate and up: c = silu (gate) * up, [m, n / 2]; n / 2 a multiple of 32 */
  DescryTensor next_weight; /* f32 [n], or buffer NULL: @next = c * next_weight, what the next product reads */
  DescryTensor next;
} DescryFusion;

void op_gemm_fused (DescryRun            *run,
                    DescryTensor          c,
                    DescryTensor          a,
                    const DescryWeight   *w,
                    const DescryEpilogue *epilogue,
                    const DescryFusion   *fusion);

/* Rows of an embedding table: out[i] = w[ids[i]]; @ids i32 [m]. Dequantises. */
void op_embed (DescryRun *run, DescryTensor out, DescryTensor ids, const DescryWeight *w);

typedef enum { DESCRY_GEMM_AUTO, DESCRY_GEMM_OWN, DESCRY_GEMM_CLBLAST, DESCRY_GEMM_ONEDNN } DescryGemmProvider;

/* Forces a provider for every later op_gemm() on @device (`--gemm=`); AUTO by default. OWN is the oracle: float kernels
 * only, where AUTO may give a quantized row to integer instructions (16-bit activations, NMSE under 1e-8). */
void descry_gemm_force (DescryDevice *device, DescryGemmProvider provider);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryWeight, descry_weight_free)

G_END_DECLS
