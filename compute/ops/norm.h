/* norm.h - row-wise normalisations and softmax, computed in f32
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"

G_BEGIN_DECLS

/* y = (x - mean) / sqrt (biased variance + eps) * weight + bias; rows of the innermost dimension.
 * y may be x. @weight and @bias f32 [cols]; bias.buffer may be NULL. */
void op_layer_norm (DescryRun *run, DescryTensor y, DescryTensor x, DescryTensor weight, DescryTensor bias, float eps);

/* y = x / sqrt (mean (x^2) + eps) * weight */
void op_rms_norm   (DescryRun *run, DescryTensor y, DescryTensor x, DescryTensor weight, float eps);

/* Over the innermost dimension; a row of -inf only gives zeros. */
void op_softmax    (DescryRun *run, DescryTensor y, DescryTensor x);

G_END_DECLS
