/* gemv.cpu.cl - products of few rows with quantized weights, cpu family; host side in compute/ops/gemm.c
 *
 * kernel            reads                                    writes                      launch
 * gemv_FORMAT       x f32 [1, k], weight, epilogue, fusion   y f32 [1, n] (and next)     item some panels of 32 results: (any), local 1
 * gemv_FORMAT_dot   the same, quantized formats             the same                    the same; with AVX-512 VNNI
 * gemv_FORMAT_4     x f32 [4, k], weight, epilogue, fusion   y f32 [4, n] (and next)     item panels of 4 x 32: (any, m / 4)
 * expand_FORMAT     panels first... of a weight              f32 [panel][k][32]          item a block: (k / 32, panels)
 * embed_FORMAT      ids i32 [m], weight                      f32 [m, k]                  item a row: (m)
 *
 * Weights stand in panels of 32 rows, so that a vector holds one column of 16 rows and nothing is ever summed
 * across a vector. A panel is K / 32 blocks, each: scales f16 [32] (not for f32, f16), minima f16 [32] (q4_1), then
 *   f32 [32 columns][32 rows], f16 the same,
 *   q8_0 i8 [8][32 rows][4]: columns 4 i to 4 i + 3 of a row side by side,
 *   q4_0, q4_1 u8 [4][32 rows][4]: low nibbles columns 4 i to 4 i + 3, high nibbles columns 16 + 4 i to 16 + 4 i + 3.
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
    __global const int *q = (__global const int *) (block + 64);                  \
    const float16 d0 = vload_half16 (0, (__global const half *) block), d1 = vload_half16 (1, (__global const half *) block); \
    float16 part[ROWS][4];                                                        \
                                                                                  \
    _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                            \
      part[r][0] = part[r][1] = part[r][2] = part[r][3] = (float16) (0.0f);       \
    _Pragma ("unroll") for (uint j = 0; j < 8; j++)                               \
      {                                                                           \
        const int16 q0 = vload16 (2 * j, q), q1 = vload16 (2 * j + 1, q);         \
                                                                                  \
        _Pragma ("unroll") for (uint i = 0; i < 4; i++)                           \
          {                                                                       \
            const float16 w0 = convert_float16 (q0 << (24 - 8 * i) >> 24), w1 = convert_float16 (q1 << (24 - 8 * i) >> 24); \
                                                                                  \
            _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                    \
              {                                                                   \
                part[r][i % 2 * 2] += in[r][k0 + 4 * j + i] * w0;                 \
                part[r][i % 2 * 2 + 1] += in[r][k0 + 4 * j + i] * w1;             \
              }                                                                   \
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
    __global const int *q = (__global const int *) (block + AT);                  \
    const float16 d0 = vload_half16 (0, (__global const half *) block), d1 = vload_half16 (1, (__global const half *) block); \
    const float16 m0 = M0, m1 = M1;                                               \
    float16 part[ROWS][4];                                                        \
                                                                                  \
    _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                            \
      part[r][0] = part[r][1] = part[r][2] = part[r][3] = (float16) (0.0f);       \
    _Pragma ("unroll") for (uint j = 0; j < 4; j++)                               \
      {                                                                           \
        const int16 q0 = vload16 (2 * j, q), q1 = vload16 (2 * j + 1, q);         \
                                                                                  \
        _Pragma ("unroll") for (uint i = 0; i < 4; i++)                           \
          {                                                                       \
            const float16 w0 = convert_float16 ((q0 >> (8 * i)) & 15), w1 = convert_float16 ((q1 >> (8 * i)) & 15); \
            const float16 w2 = convert_float16 ((q0 >> (8 * i + 4)) & 15), w3 = convert_float16 ((q1 >> (8 * i + 4)) & 15); \
                                                                                  \
            _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                    \
              {                                                                   \
                part[r][0] += in[r][k0 + 4 * j + i] * w0;                         \
                part[r][1] += in[r][k0 + 4 * j + i] * w1;                         \
                part[r][2] += in[r][k0 + 16 + 4 * j + i] * w2;                    \
                part[r][3] += in[r][k0 + 16 + 4 * j + i] * w3;                    \
              }                                                                   \
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
  GEMV_ENTRY (NAME, ROWS, , in)

#define GEMV_ENTRY(NAME, ROWS, PREPARE, INPUT)                                                                              \
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
    const uint first = get_global_id (1) * ROWS;                                                            \
    const uint results = flags & FLAG_PAIR ? n / 2 : n, panels = (results + 31) / 32;                       \
    const uint chunk = (panels + get_global_size (0) - 1) / get_global_size (0);                            \
    const uint last = min ((uint) (get_global_id (0) + 1) * chunk, panels);                                 \
    __global const float *in[ROWS];                                                                         \
    float factor[ROWS];                                                                                     \
                                                                                                            \
    _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                                                      \
      {                                                                                                     \
        in[r] = x + x_at + (ulong) min (first + r, m - 1) * x_pitch;                                        \
        factor[r] = flags & FLAG_NORM ? gemv_norm (norm + norm_at + (ulong) min (first + r, m - 1) * norm_pitch, k, eps) : 1.0f; \
      }                                                                                                     \
                                                                                                            \
    PREPARE                                                                                                 \
    for (uint panel = get_global_id (0) * chunk; panel < last; panel++)                                     \
      {                                                                                                     \
        const uint column = panel * 32;                                                                     \
        float16 sum[ROWS][2], up[ROWS][2];                                                                  \
                                                                                                            \
        _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                                                  \
          sum[r][0] = sum[r][1] = up[r][0] = up[r][1] = (float16) (0.0f);                                   \
                                                                                                            \
        NAME##_panel (w, panel, k, INPUT, sum);                                                             \
        if (flags & FLAG_PAIR)                                                                              \
          NAME##_panel (w, results / 32 + panel, k, INPUT, up);                                             \
                                                                                                            \
        for (uint r = 0; r < ROWS && first + r < m; r++)                                                    \
          {                                                                                                 \
            const uint row = first + r;                                                                     \
            const ulong to = y_at + (ulong) row * y_pitch + column;                                         \
            const ulong from = residual_at + (ulong) row * residual_pitch + column;                         \
            const ulong on = next_at + (ulong) row * next_pitch + column;                                   \
                                                                                                            \
            if (flags & FLAG_NORM)                                                                          \
              {                                                                                             \
                sum[r][0] *= factor[r];                                                                     \
                sum[r][1] *= factor[r];                                                                     \
                up[r][0] *= factor[r];                                                                      \
                up[r][1] *= factor[r];                                                                      \
              }                                                                                             \
            if (flags & FLAG_PAIR)                                                                          \
              {                                                                                             \
                sum[r][0] = sum[r][0] / (1.0f + exp (-sum[r][0])) * up[r][0];                               \
                sum[r][1] = sum[r][1] / (1.0f + exp (-sum[r][1])) * up[r][1];                               \
              }                                                                                             \
            gemv_store (sum[r][0], y + to, bias + bias_at + column, residual + from, flags, act, scale,     \
                        next_weight + next_weight_at + column, next + on, results - column);                \
            if (results - column > 16)                                                                      \
              gemv_store (sum[r][1], y + to + 16, bias + bias_at + column + 16, residual + from + 16, flags, act, scale,\
                          next_weight + next_weight_at + column + 16, next + on + 16, results - column - 16);\
          }                                                                                                 \
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
#define VALUE_q8_0(block, c, r) (vload_half (r, (__global const half *) block) * (float) ((__global const char *) block)[64 + (c / 4 * 32 + r) * 4 + c % 4])
#define NIBBLE(block, at, c, r) ((block[at + (c % 16 / 4 * 32 + r) * 4 + c % 4] >> (c < 16 ? 0 : 4)) & 15)
#define VALUE_q4_0(block, c, r) (vload_half (r, (__global const half *) block) * (float) (NIBBLE (block, 64, c, r) - 8))
#define VALUE_q4_1(block, c, r) (vload_half (r, (__global const half *) block) * (float) NIBBLE (block, 128, c, r) + vload_half (32 + r, (__global const half *) block))

/* Sixteen rows of column c; part is 0 or 1. */
#define COLUMN_f32(block, c, part) vload16 (2 * c + part, (__global const float *) block)
#define COLUMN_f16(block, c, part) vload_half16 (2 * c + part, (__global const half *) block)
#define COLUMN_q8_0(block, c, part) (vload_half16 (part, (__global const half *) block) * convert_float16 (vload16 (c / 4 * 2 + part, (__global const int *) (block + 64)) << (24 - 8 * (c % 4)) >> 24))
#define NIBBLES(block, at, c, part) ((vload16 (c % 16 / 4 * 2 + part, (__global const int *) (block + at)) >> (8 * (c % 4) + (c < 16 ? 0 : 4))) & 15)
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

#ifdef __AVX512F__

/* The dot product instruction takes unsigned weights and signed activations, four columns of 16 rows at once: a quarter of
 * the instructions of the float way, which leaves memory as the only limit. Activations become 16-bit integers with a
 * scale for each block, in two halves of 8 bits: 256 high + low; with that much resolution the result is a float's.
 * The compiler does not know the instruction for this target; the host asks the processor before it uses the kernel. */
#define DOT_MOST 8192 /* columns: the item's own copy of x */
#define DOT(sum, w, x) __asm__ ("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x))

typedef struct
{
  char16 high[DOT_MOST / 16], low[DOT_MOST / 16];
  float  scale[DOT_MOST / 32];
  float  total[DOT_MOST / 32]; /* sum of x */
  int    count[DOT_MOST / 32]; /* sum of the integers */
} DotInput;

inline void
dot_input (DotInput *to, __global const float *x, const uint k)
{
  for (uint b = 0; b < k / 32; b++)
    {
      const float16 x0 = vload16 (2 * b, x), x1 = vload16 (2 * b + 1, x);
      const float most = descry_max16 (fmax (fabs (x0), fabs (x1)));
      const float factor = most > 0.0f ? 32512.0f / most : 0.0f;
      /* Adding 1.5 * 2^23 leaves the rounded integer in the low bits: one instruction for two slow built-ins. */
      const int16 q0 = as_int16 (x0 * factor + 12582912.0f) - 0x4b400000, q1 = as_int16 (x1 * factor + 12582912.0f) - 0x4b400000;
      const int16 h0 = (q0 + 128) >> 8, h1 = (q1 + 128) >> 8;

      to->high[2 * b] = convert_char16 (h0);
      to->high[2 * b + 1] = convert_char16 (h1);
      to->low[2 * b] = convert_char16 (q0 - (h0 << 8));
      to->low[2 * b + 1] = convert_char16 (q1 - (h1 << 8));
      to->scale[b] = most / 32512.0f;
      to->total[b] = descry_sum16 (x0 + x1);
      to->count[b] = (int) descry_sum16 (convert_float16 (q0 + q1)); /* below 2^24: exact */
    }
}

#define DOT_BOTH(j, w0, w1)                                                       \
  {                                                                               \
    const int16 h = (int16) (((const int *) x->high)[b * 8 + (j)]), l = (int16) (((const int *) x->low)[b * 8 + (j)]); \
                                                                                  \
    DOT (high[0], w0, h);                                                         \
    DOT (high[1], w1, h);                                                         \
    DOT (low[0], w0, l);                                                          \
    DOT (low[1], w1, l);                                                          \
  }

#define DOT_q8_0                                                                  \
  _Pragma ("unroll") for (uint j = 0; j < 8; j++)                                 \
    {                                                                             \
      /* Signed to unsigned: 128 more. */                                         \
      const int16 w0 = vload16 (2 * j, (__global const int *) (block + 64)) ^ (int) 0x80808080; \
      const int16 w1 = vload16 (2 * j + 1, (__global const int *) (block + 64)) ^ (int) 0x80808080; \
                                                                                  \
      DOT_BOTH (j, w0, w1)                                                        \
    }                                                                             \
  _Pragma ("unroll") for (uint p = 0; p < 2; p++)                                 \
    sum[0][p] += vload_half16 (p, (__global const half *) block) * x->scale[b] * convert_float16 ((high[p] << 8) + low[p] - 128 * x->count[b]);

#define DOT_nibbles(AT, MINIMUM)                                                  \
  _Pragma ("unroll") for (uint j = 0; j < 4; j++)                                 \
    {                                                                             \
      const int16 q0 = vload16 (2 * j, (__global const int *) (block + AT)), q1 = vload16 (2 * j + 1, (__global const int *) (block + AT)); \
      const int16 a0 = q0 & 0x0f0f0f0f, a1 = q1 & 0x0f0f0f0f, b0 = (q0 >> 4) & 0x0f0f0f0f, b1 = (q1 >> 4) & 0x0f0f0f0f; \
                                                                                  \
      DOT_BOTH (j, a0, a1)                                                        \
      DOT_BOTH (4 + j, b0, b1)                                                    \
    }                                                                             \
  _Pragma ("unroll") for (uint p = 0; p < 2; p++)                                 \
    {                                                                             \
      const float16 d = vload_half16 (p, (__global const half *) block);          \
                                                                                  \
      sum[0][p] += d * x->scale[b] * convert_float16 ((high[p] << 8) + low[p]) + MINIMUM * x->total[b]; \
    }

#define DOT_q4_0 DOT_nibbles (64, -8.0f * d)
#define DOT_q4_1 DOT_nibbles (128, vload_half16 (2 + p, (__global const half *) block))

#define GEMV_DOT(FORMAT)                                                                                    \
  inline void                                                                                               \
  gemv_##FORMAT##_dot_panel (__global const uchar *w, const uint panel, const uint k, const DotInput *x, float16 (*sum)[2]) \
  {                                                                                                         \
    __global const uchar *block = w + (ulong) panel * (k / 32) * BYTES_##FORMAT;                            \
                                                                                                            \
    for (uint b = 0; b < k / 32; b++, block += BYTES_##FORMAT)                                              \
      {                                                                                                     \
        int16 high[2] = { (int16) (0), (int16) (0) }, low[2] = { (int16) (0), (int16) (0) };                \
                                                                                                            \
        DOT_##FORMAT                                                                                        \
      }                                                                                                     \
  }                                                                                                         \
                                                                                                            \
  GEMV_ENTRY (gemv_##FORMAT##_dot, 1, DotInput input; dot_input (&input, in[0], k);, &input)

GEMV_DOT (q8_0)
GEMV_DOT (q4_0)
GEMV_DOT (q4_1)

#endif
