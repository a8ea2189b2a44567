/* residual.cpu.cl - three convolutions of an inverted residual block in one, cpu family; host side in compute/ops/conv-pairs.c
 *
 * The first one widens (1 x 1, or the first layer of a network), the second is depthwise, the third 1 x 1. The wide map is
 * the largest by far; here only as many rows of it exist as the depthwise convolution reads, in the core's second cache.
 * Products as in pairs.cpu.cl.
 *
 * kernel               reads                                            writes              launch
 * conv_residual_pairs  x f32 [n,h,w,in] pitched, expand weights and     y f32 [n,oh,ow,out] item: `rows` output rows of
 *                      bias as conv_pairs, wide [k*k][c] and bias,                          picture id 1; local 1
 *                      point weights and bias; c, padded to 16, c % 8 = 0
 * conv_residual_floats the same in f32, c % 4 = 0
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#ifdef __AVX512F__

/* One row of the wide map into `line`, which has `left` columns of zeros in front; and zeros behind it. */
PAIR_INLINE void
residual_expand (const bool paired, __local float *line, const uint left, const uint width, __local uint *a, const PairShape s, const uint row, __global const float *x,
                 const uint x_pitch, const uint in, __global const float *zeros, __global const uint *weights, __global const float *bias,
                 const uint c, PairEnd *end)
{
  const uint blocks = pair_values (s.k, in) / (paired ? 8 : 4);

  for (uint done = 0; done < s.ow; done += PAIR_ROWS)
    {
      const uint first = row * s.ow + done, rows = min (s.ow - done, (uint) PAIR_ROWS);

      pair_gather (paired, a, s, x, x_pitch, in, zeros, first, first + rows - 1);
      for (uint at = 0; at < c; at += 32)
        {
          end->y = (ulong) (line + (left + done) * c + at);
          end->low = 0xffff;
          end->high = at + 16 < c ? 0xffff : 0;
          pair_product (paired, a, weights + (ulong) (at / 32) * blocks * 128, blocks, bias + at, end, rows);
        }
    }
  for (uint at = (left + s.ow) * c; at < width * c; at += 16)
    *(__local descry_float16_anywhere *) (line + at) = 0.0f;
}

/* 14 pixels of the depthwise convolution, rounded, into `a`; `k` is a constant after inlining. */
PAIR_INLINE void
residual_wide (const bool paired, const uint k, __local uint *a, __local const float *const *lines, const uint c, __global const float *weights, __global const float *bias,
               const uint stride, const uint act, const uint first, const uint rows)
{
  const bool known = act <= ACT_RELU6;
  const float16 least = act == ACT_NONE ? -INFINITY : 0.0f, most = act == ACT_RELU6 ? 6.0f : INFINITY;
  uint at, r, t;

  for (at = 0; at < c; at += 16)
    {
      const float16 start = vload16 (0, bias + at);
      float16 tap[25];

      _Pragma ("unroll") for (t = 0; t < k * k; t++)
        tap[t] = vload16 (0, weights + t * c + at);
      for (r = 0; r < PAIR_ROWS; r++)
        {
          const uint column = (first + min (r, rows - 1)) * stride * c + at;
          float16 sum = start, other = 0.0f;

          _Pragma ("unroll") for (t = 0; t < k * k; t += 2)
            {
              sum = fma (vload16 (0, lines[t / k] + column + t % k * c), tap[t], sum);
              if (t + 1 < k * k)
                other = fma (vload16 (0, lines[(t + 1) / k] + column + (t + 1) % k * c), tap[t + 1], other);
            }
          sum += other;
          if (known)
            {
              sum = least > sum ? least : sum;
              sum = most < sum ? most : sum;
            }
          else
            sum = descry_activate16 (sum, act);
          pair_keep (paired, a, at, r, sum);
        }
    }
}

/* expand: h w in k, stride pad_top pad_left act, wide map's height, width and columns kept, -
 * deep: c k stride pad_top, pad_left act oh ow, out act rows has_residual, - */
#define RESIDUAL_ARGUMENTS \
  __global float *y, const uint y_at, const uint y_pitch, __global const float *x, const uint x_at, const uint x_pitch, \
  __global const float *residual, const uint residual_at, const uint residual_pitch, \
  __global const uint *expand, const uint expand_at, __global const float *expand_bias, const uint expand_bias_at, \
  __global const float *wide, const uint wide_at, __global const float *wide_bias, const uint wide_bias_at, \
  __global const uint *point, const uint point_at, __global const float *point_bias, const uint point_bias_at, \
  const uint16 e, const uint16 d, __local uint *a, __local uint *deep, __local float *ring

PAIR_INLINE void
residual_bands (const bool paired, RESIDUAL_ARGUMENTS)
{
  const PairShape s = { e.s0, e.s1, e.s9, e.s8 * e.s9, e.s3, e.s4, 1, (int) e.s5, (int) e.s6 };
  const uint in = e.s2, mh = e.s8, mw = e.s9, width = e.sa, c = (d.s0 + 15) & ~15u /* and zeros */, k = d.s1, stride = d.s2, left = d.s4, oh = d.s6, ow = d.s7, out = d.s8;
  const uint image = get_global_id (1), begin = get_global_id (0) * d.sa, end = min (begin + d.sa, oh), line = width * c;
  __global const float *zeros = expand_bias + expand_bias_at + (c + 31) / 32 * 32;
  int next = (int) (begin * stride) - (int) d.s3; /* first row of the wide map that is not there */
  PairEnd widened;

  pair_end (&widened, e.s7);
  widened.y_pitch = c * 4;
  for (uint slot = 0; slot < k; slot++)
    for (uint at = 0; at < left * c; at += 16)
      *(__local descry_float16_anywhere *) (ring + slot * line + at) = 0.0f;

  for (uint oy = begin; oy < end; oy++)
    {
      const int top = (int) (oy * stride) - (int) d.s3;
      __local const float *lines[5];

      for (; next < top + (int) k; next++)
        {
          __local float *to = ring + (uint) (next + (int) k) % k * line;

          if (next >= 0 && next < (int) mh)
            residual_expand (paired, to, left, width, a, s, image * mh + next, x + x_at, x_pitch, in, zeros, expand + expand_at, expand_bias + expand_bias_at, c, &widened);
          else
            for (uint at = 0; at < line; at += 16)
              *(__local descry_float16_anywhere *) (to + at) = 0.0f;
        }
      for (uint ky = 0; ky < k; ky++)
        lines[ky] = ring + (uint) (top + (int) (ky + k)) % k * line;

      for (uint ox = 0; ox < ow; ox += PAIR_ROWS)
        {
          const uint rows = min (ow - ox, (uint) PAIR_ROWS), first = (image * oh + oy) * ow + ox;

          if (k == 3)
            residual_wide (paired, 3, deep, lines, c, wide + wide_at, wide_bias + wide_bias_at, stride, d.s5, ox, rows);
          else
            residual_wide (paired, 5, deep, lines, c, wide + wide_at, wide_bias + wide_bias_at, stride, d.s5, ox, rows);
          pair_products (paired, deep, d.s0 / (paired ? 8 : 4), point + point_at, point_bias + point_bias_at, d.sb ? residual + residual_at : 0, residual_pitch,
                         y + y_at, y_pitch, out, d.s9, first, first + rows - 1, 0, (out + 31) / 32);
        }
    }
}

#define RESIDUAL_KERNEL(name, paired) \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void \
  name (RESIDUAL_ARGUMENTS) \
  { \
    residual_bands (paired, y, y_at, y_pitch, x, x_at, x_pitch, residual, residual_at, residual_pitch, expand, expand_at, expand_bias, expand_bias_at, wide, wide_at, wide_bias, wide_bias_at, point, point_at, point_bias, point_bias_at, e, d, a, deep, ring); \
  }

RESIDUAL_KERNEL (conv_residual_pairs, true)
RESIDUAL_KERNEL (conv_residual_floats, false)

#endif
