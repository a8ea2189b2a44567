/* quant-k.c - packing Q4_K: 256 numbers, eight blocks of 32 with a scale and a minimum of six bits each
 *
 * A number stands for d s q - m t, with q of 4 bits, s and t of 6 bits for each block, d and m halves for all. Each
 * block is fitted alone first: for a few widths of the range the nearest integers, then the line through
 * them with the least squared error. The eight lines then share two halves, and each block takes the pair of six-bit
 * numbers near its line that leaves the least error.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-quant"

#include "config.h"

#include "compute/files/quant-private.h"

#include <math.h>
#include <string.h>

#define BLOCK 32
#define BLOCKS 8
#define LEVELS 15
#define SCALES 63
/* Widths of the range that are tried: from 0.8 of it, for blocks with an outlier, to a little beyond. */
#define WIDTHS 21

/* Squared error of scale * q - least with the nearest integers; these in @q unless %NULL. */
static double
fit_error (const float *x,
           float        scale,
           float        least,
           guint8      *q)
{
  float inverse = scale > 0 ? 1 / scale : 0;
  double error = 0;
  guint i;

  for (i = 0; i < BLOCK; i++)
    {
      float level = rintf ((x[i] + least) * inverse), rest;

      level = level < 0 ? 0 : level > LEVELS ? LEVELS : level;
      rest = scale * level - least - x[i];
      error += (double) rest * rest;
      if (q != NULL)
        q[i] = (guint8) level;
    }

  return error;
}

/* The line through the points (q, x) with the least squared error and @least >= 0. */
static void
fit_line (const float  *x,
          const guint8 *q,
          float        *scale,
          float        *least)
{
  double sum_q = 0, sum_qq = 0, sum_x = 0, sum_qx = 0, determinant;
  guint i;

  for (i = 0; i < BLOCK; i++)
    {
      sum_q += q[i];
      sum_qq += q[i] * q[i];
      sum_x += x[i];
      sum_qx += q[i] * (double) x[i];
    }
  determinant = BLOCK * sum_qq - sum_q * sum_q;
  if (determinant > 0)
    {
      *scale = (float) ((BLOCK * sum_qx - sum_q * sum_x) / determinant);
      *least = (float) ((sum_q * sum_qx - sum_qq * sum_x) / determinant);
    }
  if ((determinant <= 0 || *least < 0) && sum_qq > 0)
    {
      *least = 0;
      *scale = (float) (sum_qx / sum_qq);
    }
}

static void
fit_block (const float *x,
           float       *scale,
           float       *least)
{
  float low = x[0], high = x[0];
  double best = INFINITY;
  guint8 q[BLOCK];
  guint i, round;

  for (i = 1; i < BLOCK; i++)
    {
      low = fminf (low, x[i]);
      high = fmaxf (high, x[i]);
    }
  low = fminf (low, 0);
  *scale = 0;
  *least = -low;
  if (!(high > low))
    return;

  for (i = 0; i < WIDTHS; i++)
    {
      /* From both ends, so that the middle stays. */
      float width = 0.8f + 0.0125f * i, cut = (high - low) * (1 - width) / 2;
      float s = (high - low) * width / LEVELS, m = fmaxf (-low - cut, 0);

      for (round = 0; round < 3; round++)
        {
          double error = fit_error (x, s, m, q);

          if (error < best)
            {
              best = error;
              *scale = s;
              *least = m;
            }
          fit_line (x, q, &s, &m);
          if (!(s > 0))
            break;
        }
    }
}

static guint
six_bits (float value)
{
  return value <= 0 ? 0 : value >= SCALES ? SCALES : (guint) rintf (value);
}

/* The pair of six-bit numbers around the block's own line that leaves the least error. */
static void
choose_pair (const float *x,
             float        d,
             float        m,
             guint       *scale,
             guint       *least)
{
  guint s0 = *scale, t0 = *least, s, t;
  double best = INFINITY;

  for (s = s0 > 0 ? s0 - 1 : 0; s <= MIN (s0 + 1, SCALES); s++)
    for (t = t0 > 0 ? t0 - 1 : 0; t <= MIN (t0 + 1, SCALES); t++)
      {
        double error = fit_error (x, d * s, m * t, NULL);

        if (error < best)
          {
            best = error;
            *scale = s;
            *least = t;
          }
      }
}

void
descry_quant_pack_q4_k (const float *x,
                        guint8      *b)
{
  float scales[BLOCKS], leasts[BLOCKS], top_scale = 0, top_least = 0, d, m;
  guint16 half_d, half_m;
  guint8 q[2][BLOCK];
  guint j, i;

  for (j = 0; j < BLOCKS; j++)
    {
      fit_block (x + j * BLOCK, &scales[j], &leasts[j]);
      top_scale = fmaxf (top_scale, scales[j]);
      top_least = fmaxf (top_least, leasts[j]);
    }
  half_d = descry_float_to_half (top_scale / SCALES);
  half_m = descry_float_to_half (top_least / SCALES);
  d = descry_half_to_float (half_d);
  m = descry_half_to_float (half_m);

  memset (b, 0, 16);
  b[0] = half_d & 0xff;
  b[1] = half_d >> 8;
  b[2] = half_m & 0xff;
  b[3] = half_m >> 8;
  for (j = 0; j < BLOCKS; j++)
    {
      guint scale = d > 0 ? six_bits (scales[j] / d) : 0, least = m > 0 ? six_bits (leasts[j] / m) : 0;
      guint8 *packed = b + 4;

      choose_pair (x + j * BLOCK, d, m, &scale, &least);
      fit_error (x + j * BLOCK, d * scale, m * least, q[j % 2]);
      if (j < 4)
        {
          packed[j] |= scale;
          packed[j + 4] |= least;
        }
      else
        {
          packed[j + 4] = (scale & 15) | (least & 15) << 4;
          packed[j - 4] |= (scale >> 4) << 6;
          packed[j] |= (least >> 4) << 6;
        }
      if (j % 2 == 1)
        for (i = 0; i < BLOCK; i++)
          b[16 + j / 2 * BLOCK + i] = q[0][i] | q[1][i] << 4;
    }
}
