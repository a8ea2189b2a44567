/* quant.h - GGML's block formats: sizes, names, and their values as f32
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Numbers as they stand in GGUF files. */
typedef enum
{
  DESCRY_GGML_F32 = 0,
  DESCRY_GGML_F16 = 1,
  DESCRY_GGML_Q4_0 = 2,
  DESCRY_GGML_Q4_1 = 3,
  DESCRY_GGML_Q5_0 = 6,
  DESCRY_GGML_Q5_1 = 7,
  DESCRY_GGML_Q8_0 = 8,
  DESCRY_GGML_Q4_K = 12,
  DESCRY_GGML_Q5_K = 13,
  DESCRY_GGML_Q6_K = 14,
  DESCRY_GGML_IQ4_NL = 20,
  DESCRY_GGML_I8 = 24,
  DESCRY_GGML_I16 = 25,
  DESCRY_GGML_I32 = 26,
  DESCRY_GGML_I64 = 27,
  DESCRY_GGML_F64 = 28,
  DESCRY_GGML_BF16 = 30
} DescryGgmlType;

/* NULL / 0 for a type we do not know. */
const char *descry_ggml_name        (DescryGgmlType type);
guint       descry_ggml_block       (DescryGgmlType type); /* elements in a block */
guint       descry_ggml_block_bytes (DescryGgmlType type);

/* Bytes of @n elements, a multiple of the block; FALSE on overflow, unknown type or a broken row. */
gboolean    descry_ggml_bytes (DescryGgmlType type, guint64 n, guint64 *bytes);

/* Exactly ggml's values: float types and block formats; FALSE for integer and unknown types. */
gboolean    descry_ggml_dequantise (DescryGgmlType type, gconstpointer blocks, gsize n, float *values);

/* F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q4_K: writes blocks; FALSE for another type. */
gboolean    descry_ggml_quantise (DescryGgmlType type, const float *values, gsize n, gpointer blocks);

/* What @type becomes for rows of @columns that are no whole blocks: Q5_0 for Q4_K, as llama.cpp has it; else @type. */
DescryGgmlType descry_ggml_fitting (DescryGgmlType type, guint64 columns);

float       descry_half_to_float (guint16 half);
guint16     descry_float_to_half (float value); /* nearest, ties to even */

G_END_DECLS
