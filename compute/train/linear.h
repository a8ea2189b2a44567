/* linear.h - a frozen linear layer under low-rank adapters
 *
 * y = x W^T + scale * (x A^T) B^T. W stays as the file has it, A and B are trained.
 * Several layers of one input may be joined (Q, K and V): their outputs stand side by side, A is shared in one
 * buffer, each has its own B.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/gguf.h"
#include "compute/ops/backward.h"

G_BEGIN_DECLS

/* Every trained number of a model in one place: parameters, gradients and AdamW's moments, each one buffer. */
typedef struct
{
  DescryDevice *device;
  guint         n;
  guint         used; /* handed out so far */
  guint         decaying; /* weight decay is for the first so many: all, unless its owner says otherwise */
  DescryTensor  values, gradients, m, v; /* f32 [1, n] */
} DescryParameters;

gboolean     descry_parameters_init  (DescryParameters *parameters, DescryDevice *device, guint n, GError **error);
void         descry_parameters_clear (DescryParameters *parameters);

/* The next @rows x @cols of them, as a view of the values and one of the gradients. */
void         descry_parameters_take  (DescryParameters *parameters, guint rows, guint cols, DescryTensor *value, DescryTensor *gradient);

/* A weight that is not trained: products with it and with its transpose. */
typedef struct _DescryFrozen DescryFrozen;

#define DESCRY_MAX_PARTS 3

/* @n_parts tensors of @gguf under each other, @rows[i] x @k each. With oneDNN only what its products read is kept in
 * memory; the file is read again for it, and outlives the weight. */
DescryFrozen *descry_frozen_new      (DescryDevice *device, DescryGguf *gguf, const char *const *names, const guint *rows, guint n_parts, guint k,
                                      GError **error);
void          descry_frozen_free     (DescryFrozen *frozen);
void          descry_frozen_forward  (DescryRun *run, DescryTensor y, DescryTensor x, DescryFrozen *frozen);
void          descry_frozen_backward (DescryRun *run, DescryTensor dx, DescryTensor dy, DescryFrozen *frozen);

typedef struct
{
  DescryFrozen *frozen;
  guint         n_parts;
  guint         rows[DESCRY_MAX_PARTS]; /* outputs of each */
  guint         rank;
  float         scale; /* alpha / rank */
  DescryTensor  a, da; /* [n_parts * rank, k] */
  DescryTensor  b[DESCRY_MAX_PARTS], db[DESCRY_MAX_PARTS]; /* [rank, rows]: transposed, as the products want it */
} DescryLoraLinear;

void descry_lora_linear_clear   (DescryLoraLinear *linear);

/* @hidden [m, n_parts * rank] is kept for the way back. */
void descry_lora_linear_forward  (DescryRun *run, DescryTensor y, DescryTensor hidden, DescryTensor x, DescryLoraLinear *linear);

/* Gradients of A and B add up; @dx may be without buffer (nothing before it is trained). */
void descry_lora_linear_backward (DescryRun *run, DescryTensor dx, DescryTensor dy, DescryTensor x, DescryTensor hidden, DescryLoraLinear *linear);

G_END_DECLS
