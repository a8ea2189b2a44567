/* gemv.cpu.cl - products of few rows with quantized weights, cpu family; host side in compute/ops/gemm.c
 *
 * kernel            reads                                    writes                      launch
 * gemv_FORMAT       x f32 [1, k], weight, epilogue, fusion   y f32 [1, n] (and next)     item 32 results: (n / 32), local 1
 * gemv_FORMAT_4     x f32 [4, k], weight, epilogue, fusion   y f32 [4, n] (and next)     item 4 x 32 results: (n / 32, m / 4)
 * expand_FORMAT     panels first... of a weight              f32 [panel][k][32]          item a block: (k / 32, panels)
 * embed_FORMAT      ids i32 [m], weight                      f32 [m, k]                  item a row: (m)
 *
 * Weights stand in panels of 32 rows, so that a vector holds one column of 16 rows and nothing is ever summed
 * across a vector. A panel is K / 32 blocks, each: scales f16 [32] (not for f32, f16), minima f16 [32] (q4_1), then
 *   f32 [32 columns][32 rows], f16 the same, q8_0 i8 the same,
 *   q4_0, q4_1 u8 [16][32 rows]: low nibble column i of the block, high nibble column 16 + i.
 * So one panel is one stream of bytes, read once from its beginning to its end.
 * Flags: 1 bias, 2 residual, 4 norm (y is divided by the RMS of a row of norm), 8 pair (rows n and N / 2 + n give silu
 * (first) * second), 16 next (next = y * next_weight).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define FLAG_NORM 4
#define FLAG_PAIR 8
#define FLAG_NEXT 16

#define BYTES_f32 4096
#define BYTES_f16 2048
#define BYTES_q8_0 1088
#define BYTES_q4_0 576
#define BYTES_q4_1 640

/* STEP_FORMAT: adds a block's products of ROWS rows of x (from in[r] + k0) to sum[r][half]. */

#define STEP_f32(ROWS)                                                            \
  {                                                                               \
    __global const float *q = (__global const float *) block;                     \
                                                                                  \
    for (uint j = 0; j < valid; j++)                                              \
      {                                                                           \
        const float16 w0 = vload16 (2 * j, q), w1 = vload16 (2 * j + 1, q);       \
                                                                                  \
        _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                        \
          {                                                                       \
            sum[r][0] += in[r][k0 + j] * w0;                                      \
            sum[r][1] += in[r][k0 + j] * w1;                                      \
          }                                                                       \
      }                                                                           \
  }

#define STEP_f16(ROWS)                                                            \
  {                                                                               \
    __global const half *q = (__global const half *) block;                       \
                                                                                  \
    for (uint j = 0; j < valid; j++)                                              \
      {                                                                           \
        const float16 w0 = vload_half16 (2 * j, q), w1 = vload_half16 (2 * j + 1, q); \
                                                                                  \
        _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                        \
          {                                                                       \
            sum[r][0] += in[r][k0 + j] * w0;                                      \
            sum[r][1] += in[r][k0 + j] * w1;                                      \
          }                                                                       \
      }                                                                           \
  }

#define STEP_q8_0(ROWS)                                                           \
  {                                                                               \
    __global const char *q = (__global const char *) (block + 64);                \
    const float16 d0 = vload_half16 (0, (__global const half *) block), d1 = vload_half16 (1, (__global const half *) block); \
    float16 part[ROWS][4];                                                        \
                                                                                  \
    _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                            \
      part[r][0] = part[r][1] = part[r][2] = part[r][3] = (float16) (0.0f);       \
    _Pragma ("unroll") for (uint j = 0; j < 32; j += 2)                           \
      {                                                                           \
        const float16 w0 = convert_float16 (vload16 (2 * j, q)), w1 = convert_float16 (vload16 (2 * j + 1, q)); \
        const float16 w2 = convert_float16 (vload16 (2 * j + 2, q)), w3 = convert_float16 (vload16 (2 * j + 3, q)); \
                                                                                  \
        _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                        \
          {                                                                       \
            part[r][0] += in[r][k0 + j] * w0;                                     \
            part[r][1] += in[r][k0 + j] * w1;                                     \
            part[r][2] += in[r][k0 + j + 1] * w2;                                 \
            part[r][3] += in[r][k0 + j + 1] * w3;                                 \
          }                                                                       \
      }                                                                           \
    _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                            \
      {                                                                           \
        sum[r][0] += d0 * (part[r][0] + part[r][2]);                              \
        sum[r][1] += d1 * (part[r][1] + part[r][3]);                              \
      }                                                                           \
  }

/* d (q - z) = d q - (d z): both 4-bit formats are a scale and an offset. */
#define STEP_nibbles(ROWS, AT, M0, M1)                                            \
  {                                                                               \
    __global const uchar *q = block + AT;                                         \
    const float16 d0 = vload_half16 (0, (__global const half *) block), d1 = vload_half16 (1, (__global const half *) block); \
    const float16 m0 = M0, m1 = M1;                                               \
    float16 part[ROWS][4];                                                        \
                                                                                  \
    _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                            \
      part[r][0] = part[r][1] = part[r][2] = part[r][3] = (float16) (0.0f);       \
    _Pragma ("unroll") for (uint j = 0; j < 16; j++)                              \
      {                                                                           \
        const int16 q0 = convert_int16 (vload16 (2 * j, q)), q1 = convert_int16 (vload16 (2 * j + 1, q)); \
        const float16 w0 = convert_float16 (q0 & 15), w1 = convert_float16 (q1 & 15); \
        const float16 w2 = convert_float16 (q0 >> 4), w3 = convert_float16 (q1 >> 4); \
                                                                                  \
        _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                        \
          {                                                                       \
            part[r][0] += in[r][k0 + j] * w0;                                     \
            part[r][1] += in[r][k0 + j] * w1;                                     \
            part[r][2] += in[r][k0 + 16 + j] * w2;                                \
            part[r][3] += in[r][k0 + 16 + j] * w3;                                \
          }                                                                       \
      }                                                                           \
    _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                            \
      {                                                                           \
        const float total = descry_sum16 (vload16 (0, in[r] + k0) + vload16 (1, in[r] + k0)); \
                                                                                  \
        sum[r][0] += d0 * (part[r][0] + part[r][2]) + m0 * total;                 \
        sum[r][1] += d1 * (part[r][1] + part[r][3]) + m1 * total;                 \
      }                                                                           \
  }

#define STEP_q4_0(ROWS) STEP_nibbles (ROWS, 64, -8.0f * d0, -8.0f * d1)
#define STEP_q4_1(ROWS) STEP_nibbles (ROWS, 128, vload_half16 (2, (__global const half *) block), vload_half16 (3, (__global const half *) block))

/* The 32 results of one row: epilogue and fusion. */
inline void
gemv_store (float16 v, __global float *y, __global const float *bias, __global const float *residual, const uint flags, const uint act, const float scale,
            __global const float *next_weight, __global float *next, const uint valid)
{
  gemm_store (v, y, bias, residual, flags, act, scale, valid);
  if (flags & FLAG_NEXT)
    for (uint i = 0; i < min (valid, 16u); i++)
      next[i] = y[i] * next_weight[i];
}

#define GEMV_KERNEL(NAME, FORMAT, ROWS)                                                                     \
  inline void                                                                                               \
  NAME##_panel (__global const uchar *w, const uint panel, const uint k, __global const float *const *in, float16 (*sum)[2]) \
  {                                                                                                         \
    __global const uchar *block = w + (ulong) panel * ((k + 31) / 32) * BYTES_##FORMAT;                     \
                                                                                                            \
    for (uint k0 = 0; k0 < k; k0 += 32, block += BYTES_##FORMAT)                                            \
      {                                                                                                     \
        const uint valid = min (32u, k - k0);                                                               \
                                                                                                            \
        STEP_##FORMAT (ROWS)                                                                                \
        (void) valid;                                                                                       \
      }                                                                                                     \
  }                                                                                                         \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  NAME (__global const float *x, const uint x_at, const uint x_pitch, __global const uchar *w,              \
        __global float *y, const uint y_at, const uint y_pitch,                                             \
        const uint m, const uint n, const uint k, const uint flags,                                         \
        __global const float *bias, const uint bias_at,                                                     \
        __global const float *residual, const uint residual_at, const uint residual_pitch,                  \
        const uint act, const float scale,                                                                  \
        __global const float *norm, const uint norm_at, const uint norm_pitch, const float eps,             \
        __global const float *next_weight, const uint next_weight_at,                                       \
        __global float *next, const uint next_at, const uint next_pitch)                                    \
  {                                                                                                         \
    const uint panel = get_global_id (0), column = panel * 32, first = get_global_id (1) * ROWS;            \
    const uint results = flags & FLAG_PAIR ? n / 2 : n;                                                     \
    __global const float *in[ROWS];                                                                         \
    float16 sum[ROWS][2], up[ROWS][2];                                                                      \
                                                                                                            \
    _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                                                      \
      {                                                                                                     \
        in[r] = x + x_at + (ulong) min (first + r, m - 1) * x_pitch;                                        \
        sum[r][0] = sum[r][1] = up[r][0] = up[r][1] = (float16) (0.0f);                                     \
      }                                                                                                     \
                                                                                                            \
    NAME##_panel (w, panel, k, in, sum);                                                                    \
    if (flags & FLAG_PAIR)                                                                                  \
      NAME##_panel (w, results / 32 + panel, k, in, up);                                                    \
                                                                                                            \
    for (uint r = 0; r < ROWS && first + r < m; r++)                                                        \
      {                                                                                                     \
        const uint row = first + r;                                                                         \
        const ulong to = y_at + (ulong) row * y_pitch + column;                                             \
        const ulong from = residual_at + (ulong) row * residual_pitch + column;                             \
        const ulong on = next_at + (ulong) row * next_pitch + column;                                       \
                                                                                                            \
        if (flags & FLAG_NORM)                                                                              \
          {                                                                                                 \
            const float factor = gemv_norm (norm + norm_at + (ulong) row * norm_pitch, k, eps);             \
                                                                                                            \
            sum[r][0] *= factor;                                                                            \
            sum[r][1] *= factor;                                                                            \
            up[r][0] *= factor;                                                                             \
            up[r][1] *= factor;                                                                             \
          }                                                                                                 \
        if (flags & FLAG_PAIR)                                                                              \
          {                                                                                                 \
            sum[r][0] = sum[r][0] / (1.0f + exp (-sum[r][0])) * up[r][0];                                   \
            sum[r][1] = sum[r][1] / (1.0f + exp (-sum[r][1])) * up[r][1];                                   \
          }                                                                                                 \
        gemv_store (sum[r][0], y + to, bias + bias_at + column, residual + from, flags, act, scale,         \
                    next_weight + next_weight_at + column, next + on, results - column);                    \
        if (results - column > 16)                                                                          \
          gemv_store (sum[r][1], y + to + 16, bias + bias_at + column + 16, residual + from + 16, flags, act, scale, \
                      next_weight + next_weight_at + column + 16, next + on + 16, results - column - 16);   \
      }                                                                                                     \
  }

/* 1 / RMS of one row. */
inline float
gemv_norm (__global const float *x, const uint k, const float eps)
{
  float16 sums = (float16) (0.0f);
  float sum = 0.0f;
  uint i;

  for (i = 0; i + 16 <= k; i += 16)
    {
      const float16 v = vload16 (0, x + i);

      sums += v * v;
    }
  for (; i < k; i++)
    sum += x[i] * x[i];

  return 1.0f / sqrt ((sum + descry_sum16 (sums)) / k + eps);
}

/* A weight of row r and column c of its panel's block. */
#define VALUE_f32(block, c, r) ((__global const float *) block)[c * 32 + r]
#define VALUE_f16(block, c, r) vload_half (c * 32 + r, (__global const half *) block)
#define VALUE_q8_0(block, c, r) (vload_half (r, (__global const half *) block) * (float) ((__global const char *) block)[64 + c * 32 + r])
#define NIBBLE(block, at, c, r) ((block[at + (c & 15) * 32 + r] >> (c < 16 ? 0 : 4)) & 15)
#define VALUE_q4_0(block, c, r) (vload_half (r, (__global const half *) block) * (float) (NIBBLE (block, 64, c, r) - 8))
#define VALUE_q4_1(block, c, r) (vload_half (r, (__global const half *) block) * (float) NIBBLE (block, 128, c, r) + vload_half (32 + r, (__global const half *) block))

/* Sixteen rows of column c; part is 0 or 1. */
#define COLUMN_f32(block, c, part) vload16 (2 * c + part, (__global const float *) block)
#define COLUMN_f16(block, c, part) vload_half16 (2 * c + part, (__global const half *) block)
#define COLUMN_q8_0(block, c, part) (vload_half16 (part, (__global const half *) block) * convert_float16 (vload16 (2 * c + part, (__global const char *) (block + 64))))
#define NIBBLES(block, at, c, part) ((convert_int16 (vload16 (2 * (c & 15) + part, block + at)) >> (c < 16 ? 0 : 4)) & 15)
#define COLUMN_q4_0(block, c, part) (vload_half16 (part, (__global const half *) block) * (convert_float16 (NIBBLES (block, 64, c, part)) - 8.0f))
#define COLUMN_q4_1(block, c, part) \
  (vload_half16 (part, (__global const half *) block) * convert_float16 (NIBBLES (block, 128, c, part)) + vload_half16 (2 + part, (__global const half *) block))

#define GEMV(FORMAT)                                                                                        \
  GEMV_KERNEL (gemv_##FORMAT, FORMAT, 1)                                                                    \
  GEMV_KERNEL (gemv_##FORMAT##_4, FORMAT, 4)                                                                \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  expand_##FORMAT (__global const uchar *w, __global float *y, const uint n, const uint k, const uint first, const uint rows) \
  {                                                                                                         \
    const uint b = get_global_id (0), panel = get_global_id (1), blocks = (k + 31) / 32;                    \
    __global const uchar *block = w + ((ulong) (first / 32 + panel) * blocks + b) * BYTES_##FORMAT;         \
    __global float *to = y + ((ulong) panel * blocks + b) * 32 * 32;                                        \
    const uint valid = min (32u, k - b * 32);                                                               \
                                                                                                            \
    for (uint c = 0; c < valid; c++)                                                                        \
      {                                                                                                     \
        vstore16 (COLUMN_##FORMAT (block, c, 0), 2 * c, to);                                                \
        vstore16 (COLUMN_##FORMAT (block, c, 1), 2 * c + 1, to);                                            \
      }                                                                                                     \
  }                                                                                                         \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  embed_##FORMAT (__global const uint *ids, const uint ids_at, __global const uchar *w, __global float *y, const uint y_at, const uint y_pitch, \
                  const uint m, const uint n, const uint k)                                                 \
  {                                                                                                         \
    const uint row = get_global_id (0), blocks = (k + 31) / 32;                                             \
    const uint id = min (ids[ids_at + row], n - 1), lane = id % 32;                                         \
    __global const uchar *block = w + (ulong) (id / 32) * blocks * BYTES_##FORMAT;                          \
                                                                                                            \
    for (uint c = 0; c < k; c++)                                                                            \
      {                                                                                                     \
        if (c > 0 && c % 32 == 0)                                                                           \
          block += BYTES_##FORMAT;                                                                          \
        y[y_at + (ulong) row * y_pitch + c] = VALUE_##FORMAT (block, (c % 32), lane);                       \
      }                                                                                                     \
  }

GEMV (f32)
GEMV (f16)
GEMV (q8_0)
GEMV (q4_0)
GEMV (q4_1)
