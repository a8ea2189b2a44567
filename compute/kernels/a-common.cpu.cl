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

/* Flags of products; the rest of them is in gemv.cpu.cl. */
#define FLAG_BIAS 1
#define FLAG_RESIDUAL 2

/* Sixteen columns of one row of c, of which @valid exist. */
inline void
gemm_store (float16 v, __global float *c, const __global float *bias, const __global float *residual, const uint flags, const uint act, const float scale, const uint valid)
{
  if (valid >= 16)
    {
      if (flags & FLAG_BIAS)
        v += vload16 (0, bias);
      v = descry_activate16 (v, act) * scale;
      if (flags & FLAG_RESIDUAL)
        v += vload16 (0, residual);
      vstore16 (v, 0, c);
    }
  else
    {
      float part[16];

      vstore16 (v, 0, part);
      for (uint i = 0; i < valid; i++)
        {
          const float y = descry_activate (part[i] + (flags & FLAG_BIAS ? bias[i] : 0.0f), act) * scale;

          c[i] = y + (flags & FLAG_RESIDUAL ? residual[i] : 0.0f);
        }
    }
}
