/* gemm.gpu.cl - f32 matrix products, gpu family; host side in compute/ops/gemm.c
 *
 * kernel        reads                                     writes          launch
 * gemm_tile     a f32 [m, k], w f32 [n, K], epilogue      c f32 [m, n]    group (16, 16) a 64 x 64 tile: (16 n / 64, 16 m / 64)
 *
 * Each item holds 4 x 4 results, 16 apart, so that neighbours read and write neighbouring addresses. Both tiles
 * stand k-major in local memory, one column wider than needed against bank conflicts.
 * K is k rounded up to 32. c = act (a . w + bias) * scale + residual; flags: 1 bias, 2 residual.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define FLAG_BIAS 1
#define FLAG_RESIDUAL 2
#define TILE 64
#define DEPTH 16

__kernel __attribute__ ((reqd_work_group_size (16, 16, 1))) void
gemm_tile (__global const float *restrict a, const uint a_at, const uint a_pitch,
           __global const float *restrict w, const uint w_at,
           __global float *c, const uint c_at, const uint c_pitch,
           const uint m, const uint n, const uint k, const uint flags,
           __global const float *bias, const uint bias_at,
           __global const float *residual, const uint residual_at, const uint residual_pitch,
           const uint act, const float scale)
{
  __local float left[DEPTH][TILE + 1], right[DEPTH][TILE + 1];
  const uint lx = get_local_id (0), ly = get_local_id (1);
  const uint column = get_group_id (0) * TILE, row = get_group_id (1) * TILE;
  const uint stride = (k + 31) / 32 * 32;
  float sum[4][4] = { { 0.0f } };

  for (uint k0 = 0; k0 < k; k0 += DEPTH)
    {
      /* 16 neighbours read 16 neighbouring k of one row. */
      for (uint i = 0; i < 4; i++)
        {
          const uint line = ly + 16 * i;
          const uint at = k0 + lx;

          left[lx][line] = row + line < m && at < k ? a[a_at + (ulong) (row + line) * a_pitch + at] : 0.0f;
          right[lx][line] = column + line < n && at < k ? w[w_at + (ulong) (column + line) * stride + at] : 0.0f;
        }
      barrier (CLK_LOCAL_MEM_FENCE);

      for (uint i = 0; i < DEPTH; i++)
        {
          float x[4], y[4];

          for (uint j = 0; j < 4; j++)
            {
              x[j] = left[i][ly + 16 * j];
              y[j] = right[i][lx + 16 * j];
            }
          for (uint r = 0; r < 4; r++)
            for (uint j = 0; j < 4; j++)
              sum[r][j] += x[r] * y[j];
        }
      barrier (CLK_LOCAL_MEM_FENCE);
    }

  for (uint i = 0; i < 4; i++)
    for (uint j = 0; j < 4; j++)
      {
        const uint r = row + ly + 16 * i, at = column + lx + 16 * j;

        if (r < m && at < n)
          {
            float y = descry_activate (sum[i][j] + (flags & FLAG_BIAS ? bias[bias_at + at] : 0.0f), act) * scale;

            if (flags & FLAG_RESIDUAL)
              y += residual[residual_at + (ulong) r * residual_pitch + at];
            c[c_at + (ulong) r * c_pitch + at] = y;
          }
      }
}
