/* gemm.cpu.cl - f32 matrix products, cpu family; host side in compute/ops/gemm.c
 *
 * kernel        reads                                                   writes          launch
 * gemm_12       a f32 [m, k], panels f32 [n / 32][K][32], epilogue      c f32 [m, n]    item a 12 x 32 tile: (m / 12, n / 32), local 1
 * gemm_8, _4,   the same                                                the same        8, 4, 2, 1 rows a tile
 * _2, _1
 *
 * One item keeps its whole tile in registers (24 of 16 floats) and walks along k: a row of the panel is
 * loaded once for all rows of the tile. Rows past the end repeat the last one and are not stored; panels
 * are padded with zeros to 32 columns, and K is k rounded up to 32.
 * c = act (a . w + bias) * scale + residual; flags: 1 bias, 2 residual.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define GEMM_PANEL 32

#define GEMM(ROWS, STEP, PARTS)                                                                             \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  gemm_##ROWS (__global const float *restrict a, const uint a_at, const uint a_pitch,                       \
               __global const float *restrict panels, const uint panels_at,                                 \
               __global float *c, const uint c_at, const uint c_pitch,                                      \
               const uint m, const uint n, const uint k, const uint flags,                                  \
               __global const float *bias, const uint bias_at,                                              \
               __global const float *residual, const uint residual_at, const uint residual_pitch,           \
               const uint act, const float scale)                                                           \
  {                                                                                                         \
    for (uint at = 0; at < ROWS * GEMM_PANEL / (STEP * PARTS * 16); at++)                                   \
      {                                                                                                     \
        const uint row = get_global_id (0) * ROWS + at % (ROWS / STEP) * STEP;                              \
        const uint part = at / (ROWS / STEP) * 16, column = get_global_id (1) * GEMM_PANEL;                 \
        __global const float *panel = panels + panels_at + (ulong) column * ((k + 31) / 32 * 32) + part;    \
        __global const float *in[STEP];                                                                     \
        float16 sum[STEP][PARTS];                                                                           \
                                                                                                            \
        _Pragma ("unroll") for (uint r = 0; r < STEP; r++)                                                  \
          {                                                                                                 \
            in[r] = a + a_at + (ulong) min (row + r, m - 1) * a_pitch;                                      \
            _Pragma ("unroll") for (uint p = 0; p < PARTS; p++)                                             \
              sum[r][p] = (float16) (0.0f);                                                                 \
          }                                                                                                 \
                                                                                                            \
        for (uint i = 0; i < k; i++)                                                                        \
          {                                                                                                 \
            float16 w[PARTS];                                                                               \
                                                                                                            \
            _Pragma ("unroll") for (uint p = 0; p < PARTS; p++)                                             \
              w[p] = vload16 (p, panel + i * GEMM_PANEL);                                                   \
            _Pragma ("unroll") for (uint r = 0; r < STEP; r++)                                              \
              {                                                                                             \
                const float x = in[r][i];                                                                   \
                                                                                                            \
                _Pragma ("unroll") for (uint p = 0; p < PARTS; p++)                                         \
                  sum[r][p] += x * w[p];                                                                    \
              }                                                                                             \
          }                                                                                                 \
                                                                                                            \
        _Pragma ("unroll") for (uint r = 0; r < STEP; r++)                                                  \
          _Pragma ("unroll") for (uint p = 0; p < PARTS; p++)                                               \
            {                                                                                               \
              const uint at_column = column + part + p * 16;                                                \
              const ulong to = c_at + (ulong) (row + r) * c_pitch + at_column;                              \
              const ulong from = residual_at + (ulong) (row + r) * residual_pitch + at_column;              \
                                                                                                            \
              if (row + r < m && at_column < n)                                                             \
                gemm_store (sum[r][p], c + to, bias + bias_at + at_column, residual + from, flags, act, scale, n - at_column); \
            }                                                                                               \
      }                                                                                                     \
  }

/* Rows and vectors of a row that stay in registers together: 32 registers of 16 floats, or 16 of 8. */
#ifdef __AVX512F__
GEMM (12, 12, 2)
GEMM (8, 8, 2)
GEMM (4, 4, 2)
#else
GEMM (12, 6, 1)
GEMM (8, 4, 1)
GEMM (4, 4, 1)
#endif
GEMM (2, 2, 2)
GEMM (1, 1, 2)
