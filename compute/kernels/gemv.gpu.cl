/* gemv.gpu.cl - products of few rows with weights of any format, gpu family; host side in compute/ops/gemm.c
 *
 * kernel         reads                                         writes                        launch
 * gemv_FORMAT    x f32 [m, k], weight, epilogue, fusion        y f32 [m, n] (and next)       group of 64 a result: (64 n, m)
 * expand_FORMAT  rows first... of a weight                     f32 [rows, K]                 item a block of 32 (k / 32, rows)
 * embed_FORMAT   ids i32 [m], weight                           f32 [m, k]                    item a block of 32 (k / 32, m)
 *
 * Weights, N rows, K columns, B = K / 32 blocks a row, K rounded up to 32 with zeros, H = B, or B / 8 (K formats):
 *   f32, f16, bf16 [N, K]; else one after another, as far as the format has them,
 *   quants: q8_0 i8 [N, K]; else u8 [N, B, 16], low nibble column i of its block, high nibble column 16 + i;
 *   high bits: u32 [N, B], bit 8 i + j is column 4 j + i (q5_0, q5_1, q5_k); u32 [N, B, 2], two bits from 8 i + 2 j on
 *   are column 4 j + i of that half (q6_k);
 *   bytes: u8 [N, B, 2], scale and minimum under the head's (q4_k, q5_k); i8, scales of the halves (q6_k);
 *   scales f16 [N, H]; minima f16 [N, H] (q4_1, q5_1, q4_k, q5_k).
 * Flags: 1 bias, 2 residual, 4 norm (y is divided by the RMS of a row of norm), 8 pair (rows n and N / 2 + n give silu
 * (first) * second), 16 next (next = y * next_weight).
 * shape: offsets and pitches of x and y, m, n, k, flags, offsets and pitches of the rest, act; one argument, since drivers
 * allocate for each.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define FLAG_NORM 4
#define FLAG_PAIR 8
#define FLAG_NEXT 16
#define GEMV_GROUP TREE

/* 32 weights of block b of a row, as floats. */
inline void
block_f32 (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  __global const float *at = (__global const float *) w + ((ulong) row * blocks + b) * 32;

  for (uint i = 0; i < 32; i++)
    v[i] = at[i];
}

inline void
block_f16 (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = ((ulong) row * blocks + b) * 32;

  for (uint i = 0; i < 32; i++)
    v[i] = vload_half (at + i, (__global const half *) w);
}

inline void
block_bf16 (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  __global const ushort *at = (__global const ushort *) w + ((ulong) row * blocks + b) * 32;

  for (uint i = 0; i < 32; i++)
    v[i] = as_float ((uint) at[i] << 16);
}

/* What stands behind the quants. */
#define HIGH_AT(quants) (w + (ulong) n * blocks * (quants))
#define BYTES_AT(high) (HIGH_AT (16) + (ulong) n * blocks * (high))
#define SCALES_AT(quants, high, bytes) ((__global const half *) (w + (ulong) n * blocks * ((quants) + (high) + (bytes))))

inline void
block_q8_0 (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b;
  const float d = vload_half (at, SCALES_AT (32, 0, 0));

  for (uint i = 0; i < 32; i++)
    v[i] = d * (float) ((__global const char *) w)[at * 32 + i];
}

/* 32 numbers of four bits, without their scale. */
inline void
nibbles (__global const uchar *w, const ulong at, int *q)
{
  for (uint i = 0; i < 16; i++)
    {
      q[i] = w[at * 16 + i] & 15;
      q[16 + i] = w[at * 16 + i] >> 4;
    }
}

inline void
fifth_bits (const uint bits, int *q)
{
  for (uint c = 0; c < 32; c++)
    q[c] |= (int) (bits >> (8 * (c % 4) + c / 4) & 1) << 4;
}

inline void
block_q4_0 (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b;
  const float d = vload_half (at, SCALES_AT (16, 0, 0));
  int q[32];

  nibbles (w, at, q);
  for (uint i = 0; i < 32; i++)
    v[i] = d * (float) (q[i] - 8);
}

inline void
block_q4_1 (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b;
  __global const half *scales = SCALES_AT (16, 0, 0);
  const float d = vload_half (at, scales), least = vload_half ((ulong) n * blocks + at, scales);
  int q[32];

  nibbles (w, at, q);
  for (uint i = 0; i < 32; i++)
    v[i] = d * (float) q[i] + least;
}

inline void
block_q5_0 (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b;
  const float d = vload_half (at, SCALES_AT (16, 4, 0));
  int q[32];

  nibbles (w, at, q);
  fifth_bits (((__global const uint *) HIGH_AT (16))[at], q);
  for (uint i = 0; i < 32; i++)
    v[i] = d * (float) (q[i] - 16);
}

inline void
block_q5_1 (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b;
  __global const half *scales = SCALES_AT (16, 4, 0);
  const float d = vload_half (at, scales), least = vload_half ((ulong) n * blocks + at, scales);
  int q[32];

  nibbles (w, at, q);
  fifth_bits (((__global const uint *) HIGH_AT (16))[at], q);
  for (uint i = 0; i < 32; i++)
    v[i] = d * (float) q[i] + least;
}

__constant const float gemv_levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

inline void
block_iq4_nl (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b;
  const float d = vload_half (at, SCALES_AT (16, 0, 0));
  int q[32];

  nibbles (w, at, q);
  for (uint i = 0; i < 32; i++)
    v[i] = d * gemv_levels[q[i]];
}

inline void
block_q4_k (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b, heads = blocks / 8, head = row * heads + b / 8;
  __global const half *scales = SCALES_AT (16, 0, 2);
  __global const uchar *bytes = BYTES_AT (0) + at * 2;
  const float d = vload_half (head, scales) * (float) bytes[0], least = vload_half (n * heads + head, scales) * (float) bytes[1];
  int q[32];

  nibbles (w, at, q);
  for (uint i = 0; i < 32; i++)
    v[i] = d * (float) q[i] - least;
}

inline void
block_q5_k (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b, heads = blocks / 8, head = row * heads + b / 8;
  __global const half *scales = SCALES_AT (16, 4, 2);
  __global const uchar *bytes = BYTES_AT (4) + at * 2;
  const float d = vload_half (head, scales) * (float) bytes[0], least = vload_half (n * heads + head, scales) * (float) bytes[1];
  int q[32];

  nibbles (w, at, q);
  fifth_bits (((__global const uint *) HIGH_AT (16))[at], q);
  for (uint i = 0; i < 32; i++)
    v[i] = d * (float) q[i] - least;
}

inline void
block_q6_k (__global const uchar *w, const uint n, const uint blocks, const uint row, const uint b, float *v)
{
  const ulong at = (ulong) row * blocks + b, heads = blocks / 8;
  __global const char *bytes = (__global const char *) BYTES_AT (8) + at * 2;
  __global const uint *high = (__global const uint *) HIGH_AT (16) + at * 2;
  const float d = vload_half (row * heads + b / 8, SCALES_AT (16, 8, 2));
  int q[32];

  nibbles (w, at, q);
  for (uint c = 0; c < 32; c++)
    v[c] = d * (float) bytes[c / 16] * (float) ((q[c] | (int) (high[c / 16] >> (8 * (c % 4) + 2 * (c % 16 / 4)) & 3) << 4) - 32);
}

#define GEMV(FORMAT)                                                                                        \
  inline float                                                                                              \
  row_##FORMAT (__global const uchar *w, const uint n, const uint k, const uint row, __global const float *x, const uint lane) \
  {                                                                                                         \
    const uint blocks = (k + 31) / 32;                                                                      \
    float sum = 0.0f;                                                                                       \
                                                                                                            \
    for (uint b = lane; b < blocks; b += GEMV_GROUP)                                                        \
      {                                                                                                     \
        const uint valid = min (32u, k - b * 32);                                                           \
        float v[32];                                                                                        \
                                                                                                            \
        block_##FORMAT (w, n, blocks, row, b, v);                                                           \
        for (uint i = 0; i < valid; i++)                                                                    \
          sum += v[i] * x[b * 32 + i];                                                                      \
      }                                                                                                     \
                                                                                                            \
    return sum;                                                                                             \
  }                                                                                                         \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (GEMV_GROUP, 1, 1))) void                                   \
  gemv_##FORMAT (__global const float *x, __global const uchar *w, __global float *y, __global const float *bias, __global const float *residual, \
                 __global const float *norm, __global const float *next_weight, __global float *next, const uint16 shape, const uint next_pitch, const float scale, const float eps) \
  {                                                                                                         \
    const uint x_at = shape.s0, x_pitch = shape.s1, y_at = shape.s2, y_pitch = shape.s3, m = shape.s4, n = shape.s5, k = shape.s6, flags = shape.s7; \
    const uint bias_at = shape.s8, residual_at = shape.s9, residual_pitch = shape.sa, act = shape.sb, norm_at = shape.sc, norm_pitch = shape.sd, next_weight_at = shape.se, next_at = shape.sf; \
    __local float part[GEMV_GROUP];                                                                         \
    const uint lane = get_local_id (0), row = get_group_id (0), r = get_global_id (1);                      \
    __global const float *in = x + x_at + (ulong) r * x_pitch;                                              \
    float factor = 1.0f, v;                                                                                 \
                                                                                                            \
    if (flags & FLAG_NORM)                                                                                  \
      {                                                                                                     \
        float power = 0.0f;                                                                                 \
                                                                                                            \
        for (uint i = lane; i < k; i += GEMV_GROUP)                                                         \
          {                                                                                                 \
            const float e = norm[norm_at + (ulong) r * norm_pitch + i];                                     \
                                                                                                            \
            power += e * e;                                                                                 \
          }                                                                                                 \
        factor = 1.0f / sqrt (descry_tree_sum (part, lane, power) / k + eps);                                      \
      }                                                                                                     \
                                                                                                            \
    v = descry_tree_sum (part, lane, row_##FORMAT (w, n, k, row, in, lane)) * factor;                              \
    if (flags & FLAG_PAIR)                                                                                  \
      {                                                                                                     \
        const float up = descry_tree_sum (part, lane, row_##FORMAT (w, n, k, n / 2 + row, in, lane)) * factor;     \
                                                                                                            \
        v = v / (1.0f + exp (-v)) * up;                                                                     \
      }                                                                                                     \
                                                                                                            \
    if (lane == 0)                                                                                          \
      {                                                                                                     \
        v = descry_activate (v + (flags & FLAG_BIAS ? bias[bias_at + row] : 0.0f), act) * scale;            \
        if (flags & FLAG_RESIDUAL)                                                                          \
          v += residual[residual_at + (ulong) r * residual_pitch + row];                                    \
        y[y_at + (ulong) r * y_pitch + row] = v;                                                            \
        if (flags & FLAG_NEXT)                                                                              \
          next[next_at + (ulong) r * next_pitch + row] = v * next_weight[next_weight_at + row];             \
      }                                                                                                     \
  }                                                                                                         \
                                                                                                            \
  __kernel void                                                                                             \
  expand_##FORMAT (__global const uchar *w, __global float *y, const uint n, const uint k, const uint first, const uint rows) \
  {                                                                                                         \
    const uint b = get_global_id (0), row = get_global_id (1), blocks = (k + 31) / 32;                      \
    float v[32];                                                                                            \
                                                                                                            \
    if (b >= blocks || row >= rows)                                                                         \
      return;                                                                                               \
                                                                                                            \
    block_##FORMAT (w, n, blocks, first + row, b, v);                                                       \
    for (uint i = 0; i < min (32u, k - b * 32); i++)                                                        \
      y[((ulong) row * blocks + b) * 32 + i] = v[i];                                                               \
  }                                                                                                         \
                                                                                                            \
  __kernel void                                                                                             \
  embed_##FORMAT (__global const uint *ids, const uint ids_at, __global const uchar *w, __global float *y, const uint y_at, const uint y_pitch, \
                  const uint m, const uint n, const uint k)                                                 \
  {                                                                                                         \
    const uint b = get_global_id (0), r = get_global_id (1), blocks = (k + 31) / 32;                        \
    float v[32];                                                                                            \
                                                                                                            \
    if (b >= blocks || r >= m)                                                                              \
      return;                                                                                               \
                                                                                                            \
    block_##FORMAT (w, n, blocks, min (ids[ids_at + r], n - 1), b, v);                                      \
    for (uint i = 0; i < min (32u, k - b * 32); i++)                                                        \
      y[y_at + (ulong) r * y_pitch + b * 32 + i] = v[i];                                                    \
  }

GEMV (f32)
GEMV (f16)
GEMV (bf16)
GEMV (q8_0)
GEMV (q4_0)
GEMV (q4_1)
GEMV (q5_0)
GEMV (q5_1)
GEMV (iq4_nl)
GEMV (q4_k)
GEMV (q5_k)
GEMV (q6_k)
