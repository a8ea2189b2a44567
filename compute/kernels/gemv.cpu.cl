/* gemv.cpu.cl - products of few rows with weights of any format, cpu family; host side in compute/ops/gemm.c
 *
 * kernel            reads                                    writes                      launch
 * gemv_FORMAT       x f32 [1, k], weight, epilogue, fusion   y f32 [1, n] (and next)     item some panels of 32 results: (any), local 1
 * gemv_FORMAT_dot   the same, quantized formats             the same                    the same; with AVX-512 VNNI
 * gemv_FORMAT_4     x f32 [4, k], weight, epilogue, fusion   y f32 [4, n] (and next)     item panels of 4 x 32: (any, m / 4)
 * expand_FORMAT     panels first... of a weight              f32 [panel][k][32]          item a block: (k / 32, panels)
 * embed_FORMAT      ids i32 [m], weight                      f32 [m, k]                  item a row: (m)
 *
 * Weights lie as gemv-formats.cpu.cl says. Here is what makes kernels of a format; products-common.cpu.cl and
 * products-rest.cpu.cl make them.
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

#define GEMV_ENTRY(NAME, ROWS, PREPARE, INPUT)                                                                              \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  NAME (__global const float *x, __global const uchar *w, __global float *y, __global const float *bias, __global const float *residual, \
        __global const float *norm, __global const float *next_weight, __global float *next, const uint16 shape, const uint next_pitch, const float scale, const float eps) \
  {                                                                                                         \
    const uint x_at = shape.s0, x_pitch = shape.s1, y_at = shape.s2, y_pitch = shape.s3, m = shape.s4, n = shape.s5, k = shape.s6, flags = shape.s7; \
    const uint bias_at = shape.s8, residual_at = shape.s9, residual_pitch = shape.sa, act = shape.sb, norm_at = shape.sc, norm_pitch = shape.sd, next_weight_at = shape.se, next_at = shape.sf; \
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

/* Formats without scales: FLOATS (c, part) are sixteen rows of a block's column c. */
#define FLOATS_f32(panel, c, part) vload16 (2 * (c) + (part), (__global const float *) (panel))
#define FLOATS_f16(panel, c, part) vload_half16 (2 * (c) + (part), (__global const half *) (panel))
#define FLOATS_bf16(panel, c, part) as_float16 (convert_uint16 (vload16 (2 * (c) + (part), (__global const ushort *) (panel))) << 16)
#define FLOAT_f32(panel, c, row) ((__global const float *) (panel))[(c) * 32 + (row)]
#define FLOAT_f16(panel, c, row) vload_half ((c) * 32 + (row), (__global const half *) (panel))
#define FLOAT_bf16(panel, c, row) as_float ((uint) ((__global const ushort *) (panel))[(c) * 32 + (row)] << 16)
#define BYTES_f32 128
#define BYTES_f16 64
#define BYTES_bf16 64

#define GEMV_FLOATS_KERNEL(NAME, FORMAT, ROWS)                                                              \
  inline void                                                                                               \
  NAME##_panel (__global const uchar *w, const uint panel, const uint k, __global const float *const *in, float16 (*sum)[2]) \
  {                                                                                                         \
    __global const uchar *from = w + (ulong) panel * ((k + 31) / 32 * 32) * BYTES_##FORMAT;                 \
                                                                                                            \
    for (uint c = 0; c < k; c++)                                                                            \
      {                                                                                                     \
        const float16 w0 = FLOATS_##FORMAT (from, c, 0), w1 = FLOATS_##FORMAT (from, c, 1);                 \
                                                                                                            \
        _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                                                  \
          {                                                                                                 \
            sum[r][0] += in[r][c] * w0;                                                                     \
            sum[r][1] += in[r][c] * w1;                                                                     \
          }                                                                                                 \
      }                                                                                                     \
  }                                                                                                         \
  GEMV_ENTRY (NAME, ROWS, , in)

#define GEMV_FLOATS(FORMAT)                                                                                 \
  GEMV_FLOATS_KERNEL (gemv_##FORMAT, FORMAT, 1)                                                             \
  GEMV_FLOATS_KERNEL (gemv_##FORMAT##_4, FORMAT, 4)                                                         \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  expand_##FORMAT (__global const uchar *w, __global float *y, const uint n, const uint k, const uint first, const uint rows) \
  {                                                                                                         \
    const uint b = get_global_id (0), panel = get_global_id (1), blocks = (k + 31) / 32, valid = min (32u, k - b * 32); \
    __global const uchar *from = w + ((ulong) (first / 32 + panel) * blocks + b) * 32 * BYTES_##FORMAT;     \
    __global float *to = y + ((ulong) panel * blocks + b) * 32 * 32;                                        \
                                                                                                            \
    for (uint c = 0; c < valid; c++)                                                                        \
      {                                                                                                     \
        vstore16 (FLOATS_##FORMAT (from, c, 0), 2 * c, to);                                                 \
        vstore16 (FLOATS_##FORMAT (from, c, 1), 2 * c + 1, to);                                             \
      }                                                                                                     \
  }                                                                                                         \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  embed_##FORMAT (__global const uint *ids, const uint ids_at, __global const uchar *w, __global float *y, const uint y_at, const uint y_pitch, \
                  const uint m, const uint n, const uint k)                                                 \
  {                                                                                                         \
    const uint row = get_global_id (0), id = min (ids[ids_at + row], n - 1);                                \
    __global const uchar *from = w + (ulong) (id / 32) * ((k + 31) / 32 * 32) * BYTES_##FORMAT;             \
                                                                                                            \
    for (uint c = 0; c < k; c++)                                                                            \
      y[y_at + (ulong) row * y_pitch + c] = FLOAT_##FORMAT (from, c, id % 32);                              \
  }

/* The products of a block's numbers first, in two parts (the halves, where these have scales of their own), then the
 * scales; and the minimum, which every column has, times the sum of x. */
#define GEMV_KERNEL(NAME, FORMAT, ROWS)                                                                     \
  inline void                                                                                               \
  NAME##_panel (__global const uchar *w, const uint panel, const uint k, __global const float *const *in, float16 (*sum)[2]) \
  {                                                                                                         \
    __global const uchar *from = w + panel * PANEL_BYTES (FORMAT, k / 32);                                  \
                                                                                                            \
    for (uint b = 0; b < k / 32; b++)                                                                       \
      {                                                                                                     \
        __global const uchar *head = HEAD_AT (FORMAT, from, b), *block = BLOCK_AT (FORMAT, head, b);        \
        const uint k0 = b * 32;                                                                             \
        float16 part[ROWS][2][2];                                                                           \
                                                                                                            \
        _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                                                  \
          part[r][0][0] = part[r][0][1] = part[r][1][0] = part[r][1][1] = (float16) (0.0f);                 \
        _Pragma ("unroll") for (uint j = 0; j < 8; j++)                                                     \
          {                                                                                                 \
            const int16 q0 = GROUP_##FORMAT (16, block, j, 0), q1 = GROUP_##FORMAT (16, block, j, 1);       \
                                                                                                            \
            _Pragma ("unroll") for (uint i = 0; i < 4; i++)                                                 \
              {                                                                                             \
                const float16 w0 = VALUE_##FORMAT (16, (q0 >> (8 * i)) & 255), w1 = VALUE_##FORMAT (16, (q1 >> (8 * i)) & 255); \
                                                                                                            \
                _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                                          \
                  {                                                                                         \
                    part[r][0][j / 4] += in[r][k0 + 4 * j + i] * w0;                                        \
                    part[r][1][j / 4] += in[r][k0 + 4 * j + i] * w1;                                        \
                  }                                                                                         \
              }                                                                                             \
          }                                                                                                 \
        _Pragma ("unroll") for (uint r = 0; r < ROWS; r++)                                                  \
          {                                                                                                 \
            const float total = HAS_MINIMUM_##FORMAT ? descry_sum16 (vload16 (0, in[r] + k0) + vload16 (1, in[r] + k0)) : 0.0f; \
                                                                                                            \
            _Pragma ("unroll") for (uint p = 0; p < 2; p++)                                                 \
              if (HALVES_##FORMAT == 2)                                                                     \
                sum[r][p] += SCALE_##FORMAT (16, head, block, p, 0) * part[r][p][0] + SCALE_##FORMAT (16, head, block, p, 1) * part[r][p][1]; \
              else if (HAS_MINIMUM_##FORMAT)                                                                \
                sum[r][p] += SCALE_##FORMAT (16, head, block, p, 0) * (part[r][p][0] + part[r][p][1]) + MINIMUM_##FORMAT (16, head, block, p) * total; \
              else                                                                                          \
                sum[r][p] += SCALE_##FORMAT (16, head, block, p, 0) * (part[r][p][0] + part[r][p][1]);      \
          }                                                                                                 \
      }                                                                                                     \
  }                                                                                                         \
  GEMV_ENTRY (NAME, ROWS, , in)

#define GEMV(FORMAT)                                                                                        \
  GEMV_KERNEL (gemv_##FORMAT, FORMAT, 1)                                                                    \
  GEMV_KERNEL (gemv_##FORMAT##_4, FORMAT, 4)                                                                \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  expand_##FORMAT (__global const uchar *w, __global float *y, const uint n, const uint k, const uint first, const uint rows) \
  {                                                                                                         \
    const uint b = get_global_id (0), panel = get_global_id (1), blocks = k / 32;                           \
    __global const uchar *from = w + (first / 32 + panel) * PANEL_BYTES (FORMAT, blocks);                   \
    __global const uchar *head = HEAD_AT (FORMAT, from, b), *block = BLOCK_AT (FORMAT, head, b);            \
    __global float *to = y + ((ulong) panel * blocks + b) * 32 * 32;                                        \
                                                                                                            \
    for (uint p = 0; p < 2; p++)                                                                            \
      {                                                                                                     \
        const float16 least = MINIMUM_##FORMAT (16, head, block, p);                                        \
                                                                                                            \
        for (uint j = 0; j < 8; j++)                                                                        \
          {                                                                                                 \
            const float16 scale = SCALE_##FORMAT (16, head, block, p, HALVES_##FORMAT == 2 ? j / 4 : 0);    \
            const int16 q = GROUP_##FORMAT (16, block, j, p);                                               \
                                                                                                            \
            for (uint i = 0; i < 4; i++)                                                                    \
              vstore16 (scale * VALUE_##FORMAT (16, (q >> (int) (8 * i)) & 255) + least, 2 * (4 * j + i) + p, to); \
          }                                                                                                 \
      }                                                                                                     \
  }                                                                                                         \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  embed_##FORMAT (__global const uint *ids, const uint ids_at, __global const uchar *w, __global float *y, const uint y_at, const uint y_pitch, \
                  const uint m, const uint n, const uint k)                                                 \
  {                                                                                                         \
    const uint row = get_global_id (0), id = min (ids[ids_at + row], n - 1), lane = id % 32;                \
    __global const uchar *from = w + (id / 32) * PANEL_BYTES (FORMAT, k / 32);                              \
                                                                                                            \
    for (uint c = 0; c < k; c++)                                                                            \
      {                                                                                                     \
        __global const uchar *head = HEAD_AT (FORMAT, from, c / 32), *block = BLOCK_AT (FORMAT, head, c / 32); \
        const uint j = c % 32 / 4;                                                                          \
        const int q = (GROUP_##FORMAT (1, block, j, lane) >> (8 * (c % 4))) & 255;                          \
                                                                                                            \
        y[y_at + (ulong) row * y_pitch + c] = SCALE_##FORMAT (1, head, block, lane, HALVES_##FORMAT == 2 ? j / 4 : 0) * VALUE_##FORMAT (1, q) \
                                              + MINIMUM_##FORMAT (1, head, block, lane);                    \
      }                                                                                                     \
  }

#ifdef __AVX512F__

/* The dot product instruction takes unsigned weights and signed activations, four columns of 16 rows at once: a quarter of
 * the instructions of the float way, which leaves memory as the only limit. Activations become 16-bit integers with a
 * scale for each block, in two halves of 8 bits: 256 high + low; with that much resolution the result is a float's.
 * The compiler does not know the instruction for this target; the host asks the processor before it uses the kernel. */
#define DOT_MOST 16384 /* columns: the item's own copy of x */
#define DOT(sum, w, x) __asm__ ("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x))

typedef struct
{
  char16 high[DOT_MOST / 16], low[DOT_MOST / 16];
  float  scale[DOT_MOST / 32];
  int    count[DOT_MOST / 16]; /* sums of 16 integers */
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
      to->count[2 * b] = (int) descry_sum16 (convert_float16 (q0)); /* below 2^24: exact */
      to->count[2 * b + 1] = (int) descry_sum16 (convert_float16 (q1));
    }
}

/* IQ4_NL: levels plus 128, four bytes at once. */
inline int16
dot_levels (const int16 q)
{
  const int16 table = (int16) (0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5, 0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5,
                               0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5, 0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5);
  int16 levels;

  __asm__ ("vpshufb %2, %1, %0" : "=v"(levels) : "v"(table), "v"(q));
  return levels;
}

#define BYTES_OF_q8_0(q) (q)
#define BYTES_OF_q4_0(q) (q)
#define BYTES_OF_q4_1(q) (q)
#define BYTES_OF_q5_0(q) (q)
#define BYTES_OF_q5_1(q) (q)
#define BYTES_OF_iq4_nl(q) dot_levels (q)
#define BYTES_OF_q4_k(q) (q)
#define BYTES_OF_q5_k(q) (q)
#define BYTES_OF_q6_k(q) (q)

#define GEMV_DOT(FORMAT)                                                                                    \
  inline void                                                                                               \
  gemv_##FORMAT##_dot_panel (__global const uchar *w, const uint panel, const uint k, const DotInput *x, float16 (*sum)[2]) \
  {                                                                                                         \
    __global const uchar *from = w + panel * PANEL_BYTES (FORMAT, k / 32);                                  \
                                                                                                            \
    for (uint b = 0; b < k / 32; b++)                                                                       \
      {                                                                                                     \
        __global const uchar *head = HEAD_AT (FORMAT, from, b), *block = BLOCK_AT (FORMAT, head, b);        \
        int16 high[HALVES_##FORMAT][2], low[HALVES_##FORMAT][2];                                            \
                                                                                                            \
        _Pragma ("unroll") for (uint h = 0; h < HALVES_##FORMAT; h++)                                       \
          high[h][0] = high[h][1] = low[h][0] = low[h][1] = (int16) (0);                                    \
        _Pragma ("unroll") for (uint j = 0; j < 8; j++)                                                     \
          {                                                                                                 \
            const uint h = HALVES_##FORMAT == 2 ? j / 4 : 0;                                                \
            const int16 w0 = BYTES_OF_##FORMAT (GROUP_##FORMAT (16, block, j, 0)), w1 = BYTES_OF_##FORMAT (GROUP_##FORMAT (16, block, j, 1)); \
            const int16 xh = (int16) (((const int *) x->high)[b * 8 + j]), xl = (int16) (((const int *) x->low)[b * 8 + j]); \
                                                                                                            \
            DOT (high[h][0], w0, xh);                                                                       \
            DOT (high[h][1], w1, xh);                                                                       \
            DOT (low[h][0], w0, xl);                                                                        \
            DOT (low[h][1], w1, xl);                                                                        \
          }                                                                                                 \
        _Pragma ("unroll") for (uint p = 0; p < 2; p++)                                                     \
          {                                                                                                 \
            _Pragma ("unroll") for (uint h = 0; h < HALVES_##FORMAT; h++)                                   \
              {                                                                                             \
                const int count = HALVES_##FORMAT == 2 ? x->count[2 * b + h] : x->count[2 * b] + x->count[2 * b + 1]; \
                                                                                                            \
                sum[0][p] += SCALE_##FORMAT (16, head, block, p, h) * x->scale[b] * convert_float16 ((high[h][p] << 8) + low[h][p] - ZERO_##FORMAT * count); \
              }                                                                                             \
            if (HAS_MINIMUM_##FORMAT)                                                                       \
              sum[0][p] += MINIMUM_##FORMAT (16, head, block, p) * (x->scale[b] * (float) (x->count[2 * b] + x->count[2 * b + 1]));                             \
          }                                                                                                 \
      }                                                                                                     \
  }                                                                                                         \
                                                                                                            \
  GEMV_ENTRY (gemv_##FORMAT##_dot, 1, DotInput input; dot_input (&input, in[0], k);, &input)

/* Four bytes at once less `zero`: where that is not 128 they are below 128, so with the highest bit set none borrows. */
#define INTS_SIGNED(q, zero) ((zero) == 0 ? (q) : (zero) == 128 ? (q) ^ (int) 0x80808080 : (((q) | (int) 0x80808080) - (zero) * 0x01010101) ^ (int) 0x80808080)

/* For products of many rows (gemm-ints.cpu.cl): formats with one scale a block. */
#define INTS(FORMAT)                                                                                        \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  ints_##FORMAT (__global const uchar *w, __global int *y, const uint n, const uint k, const uint first, const uint rows) \
  {                                                                                                         \
    const uint b = get_global_id (0), panel = get_global_id (1), blocks = k / 32;                           \
    __global const uchar *from = w + (first / 32 + panel) * PANEL_BYTES (FORMAT, blocks);                   \
    __global const uchar *head = HEAD_AT (FORMAT, from, b), *block = BLOCK_AT (FORMAT, head, b);            \
    __global ushort *to = (__global ushort *) (y + ((ulong) panel * blocks + b) * 320);                     \
    __global float *scales = (__global float *) to + 256;                                                   \
                                                                                                            \
    _Pragma ("unroll") for (uint p = 0; p < 2; p++)                                                         \
      {                                                                                                     \
        _Pragma ("unroll") for (uint j = 0; j < 8; j++)                                                     \
          {                                                                                                 \
            const uint16 q = as_uint16 (INTS_SIGNED (BYTES_OF_##FORMAT (GROUP_##FORMAT (16, block, j, p)), ZERO_##FORMAT)); \
                                                                                                            \
            vstore16 (convert_ushort16 (q & 0xffff), 4 * j + p, to);                                        \
            vstore16 (convert_ushort16 (q >> 16), 4 * j + 2 + p, to);                                       \
          }                                                                                                 \
        vstore16 (SCALE_##FORMAT (16, head, block, p, 0), p, scales);                                       \
        vstore16 ((float16) (MINIMUM_##FORMAT (16, head, block, p)), 2 + p, scales);                        \
      }                                                                                                     \
  }

#endif
