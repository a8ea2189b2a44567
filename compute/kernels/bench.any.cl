/* bench.any.cl - how fast memory can be read; host side in compute/device/ceiling.c
 *
 * kernel       reads          writes                launch
 * bench_read   x f32 [16 n]   sums f32 [items]      item a part: groups of 16 numbers first + i * step, i = 0 … count - 1,
 *                                                   where first = item * part; cpu: part count, step 1; gpu: part 1, step items
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

__kernel void
bench_read (__global const float *restrict x, const uint x_at, __global float *sums, const uint s_at, const uint part, const uint step, const uint count)
{
  __global const float *at = x + x_at + (ulong) get_global_id (0) * part * 16;
  float16 a = (float16) (0.0f), b = (float16) (0.0f), c = (float16) (0.0f), d = (float16) (0.0f);
  float8 s;
  uint i;

  /* Four chains, so that additions do not wait for each other. */
  for (i = 0; i + 4 <= count; i += 4)
    {
      a += vload16 ((ulong) i * step, at);
      b += vload16 ((ulong) (i + 1) * step, at);
      c += vload16 ((ulong) (i + 2) * step, at);
      d += vload16 ((ulong) (i + 3) * step, at);
    }
  a += b + c + d;
  s = a.lo + a.hi;
  sums[s_at + get_global_id (0)] = s.s0 + s.s1 + s.s2 + s.s3 + s.s4 + s.s5 + s.s6 + s.s7;
}
