/* random-blocks.h - weights of any format out of random bits
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <string.h>

#include "compute/files/quant.h"

static inline void
put_half_at (guint8 *at,
             double  value)
{
  guint16 half = descry_float_to_half ((float) value);

  at[0] = half & 0xff;
  at[1] = half >> 8;
}

/* Random bytes with scales that make weights of about @spread; every bit pattern of the numbers may occur. */
static inline void
random_blocks (GRand         *rand,
               DescryGgmlType type,
               gsize          n,
               double         spread,
               guint8        *out)
{
  guint bytes = descry_ggml_block_bytes (type), i;
  gsize b;

  for (b = 0; b < n / descry_ggml_block (type); b++, out += bytes)
    {
      double d = spread * g_rand_double_range (rand, 0.5, 1.5) * (g_rand_int (rand) & 1 ? 1 : -1);

      for (i = 0; i < bytes; i++)
        out[i] = g_rand_int (rand) & 0xff;
      switch (type)
        {
        case DESCRY_GGML_F32:
          {
            float value = spread * g_rand_double_range (rand, -1.7, 1.7);

            memcpy (out, &value, 4);
          }
          break;
        case DESCRY_GGML_F16:
          put_half_at (out, spread * g_rand_double_range (rand, -1.7, 1.7));
          break;
        case DESCRY_GGML_BF16:
          {
            float value = spread * g_rand_double_range (rand, -1.7, 1.7);

            descry_ggml_quantise (type, &value, 1, out);
          }
          break;
        case DESCRY_GGML_Q4_0: put_half_at (out, d / 4.6); break;
        case DESCRY_GGML_Q4_1: put_half_at (out, d / 4.6); put_half_at (out + 2, -7.5 * d / 4.6); break;
        case DESCRY_GGML_Q5_0: put_half_at (out, d / 9.2); break;
        case DESCRY_GGML_Q5_1: put_half_at (out, d / 9.2); put_half_at (out + 2, -15.5 * d / 9.2); break;
        case DESCRY_GGML_Q8_0: put_half_at (out, d / 74); break;
        case DESCRY_GGML_IQ4_NL: put_half_at (out, d / 69); break;
        case DESCRY_GGML_Q4_K: put_half_at (out, d / 240); put_half_at (out + 2, 7.5 * d / 240); break;
        case DESCRY_GGML_Q5_K: put_half_at (out, d / 480); put_half_at (out + 2, 15.5 * d / 480); break;
        case DESCRY_GGML_Q6_K: put_half_at (out + 208, d / 1360); break;
        default: g_assert_not_reached ();
        }
    }
}

/* The next number of columns that @type can have. */
static inline guint
fit_columns (DescryGgmlType type,
             guint          k)
{
  guint block = descry_ggml_block (type);

  return (k + block - 1) / block * block;
}
