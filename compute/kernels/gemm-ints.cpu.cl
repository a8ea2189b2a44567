/* gemm-ints.cpu.cl - products of many rows with quantized weights in integers, cpu family with AVX-512 VNNI; host side in compute/ops/gemm.c
 *
 * kernel            reads                                       writes                              launch
 * gemm_ints_input   x f32 [m, k]                                tiles int [m / 12][k / 32][216]     item eight blocks of a tile: (m / 12, k / 256), local 1
 * ints_FORMAT       panels first... of a weight                 panels int [n / 32][k / 32][320]    item a block: (k / 32, panels); in gemv.cpu.cl
 * gemm_ints         tiles, panels, epilogue                     c f32 [m, n]                        item 12 x 32 results: (m / 12, n / 32)
 *
 * A block of 32 columns of a tile is int [16][12], two neighbouring columns of a row as 16-bit integers in each, then the rows'
 * scales and the sums of their numbers, f32 [12] each. A panel's is i8 [16][32][2], two columns of a row again (widened when
 * they are loaded: half of the bytes, so that a panel stays in the second cache), then scales and minima, f32 [32].
 * One instruction multiplies two columns of 16 rows where a product of floats takes two: 16 bits of x are as exact as
 * the sums of such products in floats.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#ifdef __AVX512F__

#define INTS_ROWS 12
#define INTS_TILE 216 /* ints of a block of 32 columns */
#define INTS_PANEL 320

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
gemm_ints_input (__global const float *x, const uint x_at, const uint x_pitch, __global int *tiles, const uint m, const uint k)
{
  const uint blocks = k / 32, last = min ((uint) (get_global_id (1) + 1) * 8, blocks);

  for (uint b = get_global_id (1) * 8; b < last; b++)
    {
      __global int *to = tiles + ((ulong) get_global_id (0) * blocks + b) * INTS_TILE;
      __global float *scales = (__global float *) to + 16 * INTS_ROWS;

      for (uint r = 0; r < INTS_ROWS; r++)
        {
          const uint row = get_global_id (0) * INTS_ROWS + r;
          __global const float *from = x + x_at + (ulong) min (row, m - 1) * x_pitch + b * 32;
          const float16 x0 = vload16 (0, from), x1 = vload16 (1, from);
          const float most = row < m ? descry_max16 (fmax (fabs (x0), fabs (x1))) : 0.0f;
          const float factor = most > 0.0f ? 32512.0f / most : 0.0f;
          /* Adding 1.5 * 2^23 leaves the rounded integer in the low bits. */
          const int16 q0 = as_int16 (x0 * factor + 12582912.0f) - 0x4b400000, q1 = as_int16 (x1 * factor + 12582912.0f) - 0x4b400000;
          const int8 p0 = (q0.even & 0xffff) | (q0.odd << 16), p1 = (q1.even & 0xffff) | (q1.odd << 16);
          int pairs[16];

          vstore8 (p0, 0, pairs);
          vstore8 (p1, 1, pairs);
          for (uint i = 0; i < 16; i++)
            to[i * INTS_ROWS + r] = pairs[i];
          scales[r] = most / 32512.0f;
          scales[INTS_ROWS + r] = most / 32512.0f * descry_sum16 (convert_float16 (q0 + q1)); /* below 2^24: exact */
        }
    }
}

/* Sums in fixed registers: of the first 16 columns of c zmm0-11, of the others zmm12-23; weights zmm24-25, a row's pair zmm26-27. */
#define INTS_CLEAR(r, q) "vpxord %%zmm" #r ", %%zmm" #r ", %%zmm" #r "\n vpxord %%zmm" #q ", %%zmm" #q ", %%zmm" #q "\n"
#define INTS_ROW(r, q, p, t) "vpbroadcastd " #r "*4+" #p "*48(%[x]), %%zmm" #t "\n vpdpwssd %%zmm" #t ", %%zmm24, %%zmm" #r "\n vpdpwssd %%zmm" #t ", %%zmm25, %%zmm" #q "\n"
#define INTS_KEEP(r, q) "vmovdqu64 %%zmm" #r ", " #r "*128(%[sums])\n vmovdqu64 %%zmm" #q ", " #r "*128+64(%[sums])\n"
#define INTS_12(step) step (0, 12) step (1, 13) step (2, 14) step (3, 15) step (4, 16) step (5, 17) step (6, 18) step (7, 19) step (8, 20) step (9, 21) step (10, 22) step (11, 23)
#define INTS_STEP(p) \
  "vpmovsxbw 64*" #p "(%[w]), %%zmm24\n vpmovsxbw 64*" #p "+32(%[w]), %%zmm25\n" \
  INTS_ROW (0, 12, p, 26) INTS_ROW (1, 13, p, 27) INTS_ROW (2, 14, p, 26) INTS_ROW (3, 15, p, 27) INTS_ROW (4, 16, p, 26) INTS_ROW (5, 17, p, 27) \
  INTS_ROW (6, 18, p, 26) INTS_ROW (7, 19, p, 27) INTS_ROW (8, 20, p, 26) INTS_ROW (9, 21, p, 27) INTS_ROW (10, 22, p, 26) INTS_ROW (11, 23, p, 27)

/* The sums of one block's products. */
inline void
ints_block (int16 (*sums)[2], __global const int *x, __global const int *w)
{
  ulong from = (ulong) x, weight = (ulong) w, left = 4;

  __asm__ volatile (INTS_12 (INTS_CLEAR)
                    "1:\n" INTS_STEP (0) INTS_STEP (1) INTS_STEP (2) INTS_STEP (3)
                    "add $256, %[w]\n add $192, %[x]\n dec %[n]\n jnz 1b\n"
                    INTS_12 (INTS_KEEP)
                    : [x] "+r"(from), [w] "+r"(weight), [n] "+r"(left)
                    : [sums] "r"(sums)
                    : "memory", "cc", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12", "zmm13", "zmm14",
                      "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23", "zmm24", "zmm25", "zmm26", "zmm27");
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
gemm_ints (__global const int *tiles, __global const int *panels, __global float *c, const uint c_at, const uint c_pitch, const uint m, const uint n, const uint blocks,
           const uint flags, __global const float *bias, const uint bias_at, __global const float *residual, const uint residual_at, const uint residual_pitch,
           const uint act, const float scale, const uint minima)
{
  const uint tile = get_global_id (0), column = get_global_id (1) * 32;
  __global const int *x = tiles + (ulong) tile * blocks * INTS_TILE, *w = panels + (ulong) get_global_id (1) * blocks * INTS_PANEL;
  float16 sum[INTS_ROWS][2];
  int16 part[INTS_ROWS][2];
  uint b, r, p;

  for (r = 0; r < INTS_ROWS; r++)
    sum[r][0] = sum[r][1] = (float16) (0.0f);

  for (b = 0; b < blocks; b++, x += INTS_TILE, w += INTS_PANEL)
    {
      __global const float *xs = (__global const float *) x + 16 * INTS_ROWS, *ws = (__global const float *) w + 256;
      const float16 w0 = vload16 (0, ws), w1 = vload16 (1, ws);

      ints_block (part, x, w);
      for (r = 0; r < INTS_ROWS; r++)
        {
          sum[r][0] = fma (convert_float16 (part[r][0]) * w0, (float16) (xs[r]), sum[r][0]);
          sum[r][1] = fma (convert_float16 (part[r][1]) * w1, (float16) (xs[r]), sum[r][1]);
        }
      if (minima)
        {
          const float16 m0 = vload16 (2, ws), m1 = vload16 (3, ws);

          for (r = 0; r < INTS_ROWS; r++)
            {
              sum[r][0] = fma (m0, (float16) (xs[INTS_ROWS + r]), sum[r][0]);
              sum[r][1] = fma (m1, (float16) (xs[INTS_ROWS + r]), sum[r][1]);
            }
        }
    }

  for (r = 0; r < INTS_ROWS; r++)
    for (p = 0; p < 2; p++)
      {
        const uint row = tile * INTS_ROWS + r, at = column + p * 16;

        if (row < m && at < n)
          gemm_store (sum[r][p], c + c_at + (ulong) row * c_pitch + at, bias + bias_at + at, residual + residual_at + (ulong) row * residual_pitch + at,
                      flags, act, scale, n - at);
      }
}

#endif
