/* a-common.cpu.cl - first of the cpu files: sixteen values at once
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* vstore16() into floats that lie anywhere writes quarters of a vector. */
typedef float16 descry_float16_anywhere __attribute__ ((aligned (4)));

inline void
descry_store16 (__global float *to, const float16 v)
{
  *(__global descry_float16_anywhere *) to = v;
}

inline float
descry_sum16 (float16 v)
{
  const float8 a = v.lo + v.hi;
  const float4 b = a.lo + a.hi;
  const float2 c = b.lo + b.hi;

  return c.x + c.y;
}

inline float
descry_max16 (float16 v)
{
  const float8 a = fmax (v.lo, v.hi);
  const float4 b = fmax (a.lo, a.hi);
  const float2 c = fmax (b.lo, b.hi);

  return fmax (c.x, c.y);
}
