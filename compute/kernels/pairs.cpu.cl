/* pairs.cpu.cl - convolutions with bfloat16 products and f32 sums, cpu family; host side in compute/ops/conv-pairs.c
 *
 * The processor multiplies pairs of bfloat16 values: twice the products of an f32 instruction. One tile is 12 output
 * pixels x 32 output channels in registers, as in conv.cpu.cl. What a tile reads is rounded once into local memory, which
 * stays in the core's first two caches, and used for every panel of output channels: [values / 8][12 pixels][8], one stream.
 * A depthwise convolution in front is computed straight into it, and so never is in memory.
 *
 * kernel                reads                                     writes              launch
 * conv_pairs            x f32 [n,h,w,in] pitched, in % 8 = 0,     y f32 [n,oh,ow,out] item: `chunk` tiles of 12 pixels x
 *                       weights [out/32][k*k*in/2][32] pairs,                         `panels` panels; local 1
 *                       bias [.. + zeros]
 * conv_depthwise_pairs  the same, wide [k*k][c], its bias         y f32 [n,oh,ow,out] the same
 *                       [c + zeros], c % 8 = 0, k 3 or 5
 *
 * The compiler does not know the instructions for this target; the host asks the processor before it uses the kernels.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#ifdef __AVX512F__

#define PAIR_ROWS 12
#define PAIR_DOT(sum, w, x) __asm__ ("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x))
#define PAIR_ROUND(to, from) __asm__ ("vcvtneps2bf16 %1, %0" : "=v"(to) : "v"(from))

typedef struct
{
  uint h, w; /* of the input */
  uint ow, opixels; /* of the output: width, pixels of one picture */
  uint k, stride, dilation;
  int  pad_top, pad_left;
} PairShape;

/* Sixteen values of pixel `r` from value `at`, a multiple of 8. */
inline void
pair_keep (__local uint *a, const uint at, const uint r, const float16 value)
{
  ushort16 rounded;

  PAIR_ROUND (rounded, value);
  *(__local ushort8 *) (a + (at / 8 * PAIR_ROWS + r) * 4) = rounded.lo;
  *(__local ushort8 *) (a + ((at / 8 + 1) * PAIR_ROWS + r) * 4) = rounded.hi;
}

/* Where tap (0, 0) of a tile's pixels reads; pixels beyond `last` repeat it. */
typedef struct
{
  __global const float *picture[PAIR_ROWS];
  int y[PAIR_ROWS], x[PAIR_ROWS];
} PairPlaces;

inline void
pair_places (PairPlaces *to, const PairShape s, __global const float *x, const uint x_pitch, const uint first, const uint last)
{
  const uint image = first / s.opixels;
  uint oy = (first - image * s.opixels) / s.ow, ox = first - image * s.opixels - oy * s.ow;
  __global const float *picture = x + (ulong) image * s.h * s.w * x_pitch;

  for (uint r = 0; r < PAIR_ROWS; r++)
    {
      to->picture[r] = picture;
      to->y[r] = (int) (oy * s.stride) - s.pad_top;
      to->x[r] = (int) (ox * s.stride) - s.pad_left;
      if (first + r < last && ++ox == s.ow)
        {
          ox = 0;
          if (++oy * s.ow == s.opixels)
            {
              oy = 0;
              picture += (ulong) s.h * s.w * x_pitch;
            }
        }
    }
}

/* Where pixel `r` reads tap (ky, kx), or zeros. */
inline __global const float *
pair_tap (const PairPlaces *at, const PairShape s, const uint x_pitch, __global const float *zeros, const uint r, const uint ky, const uint kx)
{
  const int y = at->y[r] + (int) (ky * s.dilation), x = at->x[r] + (int) (kx * s.dilation);

  return (uint) y < s.h && (uint) x < s.w ? at->picture[r] + (long) (y * (int) s.w + x) * (int) x_pitch : zeros;
}

/* What 12 pixels from `first` read. The last values of a tap that do not fill 16 lanes start earlier and are done twice. */
inline void
pair_gather (__local uint *a, const PairShape s, __global const float *x, const uint x_pitch, const uint in, __global const float *zeros,
             const uint first, const uint last)
{
  const bool plain = s.k * s.stride == 1 && s.pad_top == 0 && s.pad_left == 0;
  PairPlaces places;
  uint r, ky, kx, i;

  if (!plain)
    pair_places (&places, s, x, x_pitch, first, last);
  for (r = 0; r < PAIR_ROWS; r++)
    for (ky = 0; ky < s.k; ky++)
      for (kx = 0; kx < s.k; kx++)
        {
          __global const float *from = plain ? x + (ulong) min (first + r, last) * x_pitch : pair_tap (&places, s, x_pitch, zeros, r, ky, kx);
          const uint tap = (ky * s.k + kx) * in;

          for (i = 0; i < in; i += 16)
            {
              const uint at = min (i, in - 16);

              pair_keep (a, tap + at, r, vload16 (0, from + at));
            }
        }
}

/* The same by way of a depthwise convolution; `k` is a constant after inlining. */
static inline __attribute__ ((always_inline)) void
pair_depthwise (const uint k, __local uint *a, const PairShape s, __global const float *x, const uint x_pitch, __global const float *weights,
                __global const float *bias, const uint c, const uint act, const uint first, const uint last)
{
  const uint padded = (c + 15) & ~15u;
  __global const float *from[PAIR_ROWS][25], *base;
  PairPlaces places;
  const uint step = s.stride * x_pitch, column = s.dilation * x_pitch, line = column * s.w;
  uint r, t, i;
  bool inside;

  pair_places (&places, s, x, x_pitch, first, last);
  /* Most tiles lie in one row and read nothing outside the picture: then one place gives all others. */
  inside = places.y[0] >= 0 && places.x[0] >= 0 && places.y[0] + (int) ((k - 1) * s.dilation) < (int) s.h
           && places.x[0] + (int) ((PAIR_ROWS - 1) * s.stride + (k - 1) * s.dilation) < (int) s.w
           && places.x[PAIR_ROWS - 1] == places.x[0] + (int) ((PAIR_ROWS - 1) * s.stride);
  base = places.picture[0] + (long) (places.y[0] * (int) s.w + places.x[0]) * (int) x_pitch;
  if (!inside)
    for (r = 0; r < PAIR_ROWS; r++)
      _Pragma ("unroll") for (t = 0; t < k * k; t++)
        from[r][t] = pair_tap (&places, s, x_pitch, bias + padded, r, t / k, t % k);

  for (i = 0; i < c; i += 16)
    {
      const uint at = min (i, c - 16);
      const float16 start = vload16 (0, bias + at);
      float16 tap[25];

      _Pragma ("unroll") for (t = 0; t < k * k; t++)
        tap[t] = vload16 (0, weights + t * padded + at);
      if (inside)
        {
          for (r = 0; r < PAIR_ROWS; r++)
            {
              __global const float *corner = base + r * step + at;
              float16 sum = start;

              _Pragma ("unroll") for (t = 0; t < k * k; t++)
                sum = fma (vload16 (0, corner + t / k * line + t % k * column), tap[t], sum);
              pair_keep (a, at, r, descry_activate16 (sum, act));
            }
        }
      else
        for (r = 0; r < PAIR_ROWS; r++)
          {
            float16 sum = start;

            _Pragma ("unroll") for (t = 0; t < k * k; t++)
              sum = fma (vload16 (0, from[r][t] + at), tap[t], sum);
            pair_keep (a, at, r, descry_activate16 (sum, act));
          }
    }
}

/* ROWS pixels x 32 (BOTH) or 16 channels. */
#define PAIR_TILE(ROWS, BOTH) \
  { \
    float16 low[ROWS], high[ROWS]; \
    __local const uint *from = a + row * 4; \
    __global const uint *w = wp; \
    uint b, r; \
 \
    _Pragma ("unroll") for (r = 0; r < ROWS; r++) \
      { \
        low[r] = vload16 (0, bp); \
        if (BOTH) \
          high[r] = vload16 (1, bp); \
      } \
    for (b = 0; b < blocks; b++) \
      { \
        _Pragma ("unroll") for (uint p = 0; p < 4; p++) \
          { \
            const uint16 w0 = vload16 (2 * p, w), w1 = BOTH ? vload16 (2 * p + 1, w) : w0; \
 \
            _Pragma ("unroll") for (r = 0; r < ROWS; r++) \
              { \
                const uint16 value = (uint16) (from[r * 4 + p]); \
 \
                PAIR_DOT (low[r], w0, value); \
                if (BOTH) \
                  PAIR_DOT (high[r], w1, value); \
              } \
          } \
        w += 128; \
        from += PAIR_ROWS * 4; \
      } \
    _Pragma ("unroll") for (r = 0; r < ROWS; r++) \
      if (first + row + r <= last) \
        { \
          __global const float *more = rp ? rp + (ulong) (first + row + r) * residual_pitch : 0; \
          __global float *to = yp + (ulong) (first + row + r) * y_pitch; \
 \
          conv_store16 (to, more, low[r], act, count); \
          if (BOTH) \
            conv_store16 (to + 16, more ? more + 16 : 0, high[r], act, count - 16); \
        } \
  }

/* All panels of this item for one tile that lies in `a`. */
inline void
pair_products (__local const uint *a, const uint blocks, __global const uint *weights, __global const float *bias, __global const float *residual,
               const uint residual_pitch, __global float *y, const uint y_pitch, const uint out, const uint act, const uint first, const uint last,
               const uint begin, const uint end)
{
  for (uint panel = begin; panel < end; panel++)
    {
      const int count = min (32, (int) (out - panel * 32));
      __global const uint *wp = weights + (ulong) panel * blocks * 128;
      __global const float *bp = bias + panel * 32, *rp = residual ? residual + panel * 32 : 0;
      __global float *yp = y + panel * 32;
      uint row = 0;

      /* A picture of one pixel, as in a classifier's last layer, is limited by its weights. */
      if (last - first < 2)
        {
          for (; first + row <= last; row++)
            PAIR_TILE (1, 1)
        }
      else if (count <= 16)
        PAIR_TILE (PAIR_ROWS, 0)
      else
        PAIR_TILE (PAIR_ROWS, 1)
    }
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
conv_pairs (__global float *y, const uint y_at, const uint y_pitch,
            __global const float *x, const uint x_at, const uint x_pitch,
            __global const uint *weights, const uint weights_at,
            __global const float *bias, const uint bias_at,
            __global const float *residual, const uint residual_at, const uint residual_pitch, const uint has_residual,
            const uint h, const uint w, const uint in, const uint ow, const uint opixels, const uint pixels, const uint out,
            const uint k, const uint stride, const uint dilation, const int pad_top, const int pad_left,
            const uint act, const uint chunk, const uint panels, __local uint *a)
{
  const PairShape s = { h, w, ow, opixels, k, stride, dilation, pad_top, pad_left };
  const uint all = (out + 31) / 32, begin = get_global_id (1) * panels, end = min (begin + panels, all);
  const uint start = get_global_id (0) * chunk * PAIR_ROWS, stop = min (start + chunk * PAIR_ROWS, pixels);

  for (uint first = start; first < stop; first += PAIR_ROWS)
    {
      pair_gather (a, s, x + x_at, x_pitch, in, bias + bias_at + all * 32, first, stop - 1);
      pair_products (a, k * k * in / 8, weights + weights_at, bias + bias_at, has_residual ? residual + residual_at : 0, residual_pitch,
                     y + y_at, y_pitch, out, act, first, stop - 1, begin, end);
    }
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
conv_depthwise_pairs (__global float *y, const uint y_at, const uint y_pitch,
                      __global const float *x, const uint x_at, const uint x_pitch,
                      __global const uint *weights, const uint weights_at,
                      __global const float *bias, const uint bias_at,
                      __global const float *residual, const uint residual_at, const uint residual_pitch, const uint has_residual,
                      const uint h, const uint w, const uint in, const uint ow, const uint opixels, const uint pixels, const uint out,
                      const uint k, const uint stride, const uint dilation, const int pad_top, const int pad_left,
                      const uint act, const uint chunk, const uint panels, __local uint *a,
                      __global const float *wide, const uint wide_at, __global const float *wide_bias, const uint wide_bias_at, const uint wide_act)
{
  const PairShape s = { h, w, ow, opixels, k, stride, dilation, pad_top, pad_left };
  const uint all = (out + 31) / 32, begin = get_global_id (1) * panels, end = min (begin + panels, all);
  const uint start = get_global_id (0) * chunk * PAIR_ROWS, stop = min (start + chunk * PAIR_ROWS, pixels);

  for (uint first = start; first < stop; first += PAIR_ROWS)
    {
      if (k == 3)
        pair_depthwise (3, a, s, x + x_at, x_pitch, wide + wide_at, wide_bias + wide_bias_at, in, wide_act, first, stop - 1);
      else
        pair_depthwise (5, a, s, x + x_at, x_pitch, wide + wide_at, wide_bias + wide_bias_at, in, wide_act, first, stop - 1);
      pair_products (a, in / 8, weights + weights_at, bias + bias_at, has_residual ? residual + residual_at : 0, residual_pitch,
                     y + y_at, y_pitch, out, act, first, stop - 1, begin, end);
    }
}

#endif
