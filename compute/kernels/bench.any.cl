/* bench.any.cl - how fast memory can be read and numbers multiplied; host side in compute/device/ceiling.c
 *
 * kernel       reads          writes                launch
 * bench_read   x f32 [16 n]   sums f32 [items]      item a part: groups of 16 numbers first + i * step, i = 0 … count - 1,
 *                                                   where first = item * part; cpu: part count, step 1; gpu: part 1, step items
 * bench_multiply  -          sums f32 [items]      item: count times 8 vectors of 16 (cpu) or 8 numbers (gpu) become a * b + c
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

#if DESCRY_CPU
typedef float16 bench_wide;
#else
typedef float bench_wide;
#endif

/* Eight chains hide the latency of one multiplication; each ends at 2, whatever its start. */
__kernel void
bench_multiply (__global float *sums, const uint s_at, const float half_of, const uint count)
{
  const bench_wide factor = (bench_wide) (half_of), one = (bench_wide) (1.0f);
  bench_wide a = (bench_wide) (1.0f), b = (bench_wide) (3.0f), c = (bench_wide) (5.0f), d = (bench_wide) (7.0f);
  bench_wide e = (bench_wide) (9.0f), f = (bench_wide) (11.0f), g = (bench_wide) (13.0f), h = (bench_wide) (15.0f);
  uint i;

  for (i = 0; i < count; i++)
    {
      a = fma (a, factor, one);
      b = fma (b, factor, one);
      c = fma (c, factor, one);
      d = fma (d, factor, one);
      e = fma (e, factor, one);
      f = fma (f, factor, one);
      g = fma (g, factor, one);
      h = fma (h, factor, one);
    }
  a += b + c + d + e + f + g + h;
#if DESCRY_CPU
  sums[s_at + get_global_id (0)] = (a.s0 + a.s1 + a.s2 + a.s3 + a.s4 + a.s5 + a.s6 + a.s7 + a.s8 + a.s9 + a.sa + a.sb + a.sc + a.sd + a.se + a.sf) / 16.0f;
#else
  sums[s_at + get_global_id (0)] = a;
#endif
}
