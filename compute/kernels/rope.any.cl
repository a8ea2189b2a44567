/* rope.any.cl - rotary positions, KV cache; host side in compute/ops/attention.c
 *
 * kernel       reads                                   writes                launch
 * rope         x f32 [rows, heads * dim], freqs        x                     cpu: item a row; gpu: item a row and pair (64 lanes a row)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

__kernel void
rope (__global float *x, const uint x_at, const uint x_pitch, __global const float *freqs, const uint freqs_at,
      const uint rows, const uint heads, const uint dim, const uint pairs, const uint first, const uint halves)
{
  const uint row = get_global_id (1), lanes = get_global_size (0);

  for (uint i = get_global_id (0); i < pairs && row < rows; i += lanes)
    {
      const float angle = (float) (first + row) * freqs[freqs_at + i];
      const float c = cos (angle), s = sin (angle);
      const uint a = halves ? i : 2 * i, b = halves ? i + pairs : 2 * i + 1;

      for (uint head = 0; head < heads; head++)
        {
          __global float *at = x + x_at + (ulong) row * x_pitch + head * dim;
          const float u = at[a], v = at[b];

          at[a] = u * c - v * s;
          at[b] = u * s + v * c;
        }
    }
}
