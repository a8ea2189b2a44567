/* conv.cpu.cl - convolutions on [n, h, w, c], cpu family; host side in compute/ops/conv.c
 *
 * One work-item makes tiles of 12 output pixels x 32 output channels in registers. The pixels of all
 * pictures are one row of numbers, so that narrow maps waste nothing; for each tap every pixel of the
 * tile has a pointer, and where the tap falls outside the picture it points at zeros. So padding,
 * stride and dilation cost nothing in the inner loop.
 *
 * kernel          reads                                   writes              launch
 * conv_tiles      x f32 [n,h,w,in] pitched, weights       y f32 [n,oh,ow,out] item: `chunk` tiles of 12 pixels x
 *                 [out/32][ky][kx][in][32], bias [.. + zeros]                 `panels` panels of 32 channels; local 1
 * conv_depthwise  x, weights [ky][kx][c], bias [c]        y f32 [n,oh,ow,c]   item: one output row; local 1
 * conv_border     x f32 [n,h,w,c] pitched                 y [n,h+,w+,c] dense item: one output row; local 1
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#ifdef __AVX512F__
#define CONV_ROWS 12 /* 24 accumulators of 16 lanes in 32 registers */
#else
#define CONV_ROWS 6 /* and one half panel after the other */
#endif
#define CONV_TILE 12

/* The first `count` of 16 lanes: act (sum) + residual. */
inline void
conv_store16 (__global float *y, __global const float *residual, float16 sum, uint act, int count)
{
  float v[16];
  int i;

  sum = descry_activate16 (sum, act);
  if (count >= 16)
    {
      if (residual)
        sum += vload16 (0, residual);
      descry_store16 (y, sum);
      return;
    }
  vstore16 (sum, 0, v);
  for (i = 0; i < count; i++)
    y[i] = residual ? v[i] + residual[i] : v[i];
}

typedef struct
{
  uint h, w, in; /* of the input */
  uint ow, opixels; /* of the output: width, pixels of one picture */
  uint kh, kw, stride, dilation;
  int  pad_top, pad_left;
  bool plain;
} ConvShape;

/* Where tap (0, 0) of CONV_ROWS pixels reads; rows beyond `last` repeat it. */
#define CONV_PLACES() \
  { \
    uint image = first / s.opixels, oy = (first - image * s.opixels) / s.ow, ox = first - image * s.opixels - oy * s.ow; \
    _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++) \
      { \
        base[r] = (int) (image * s.h * s.w); \
        iy0[r] = (int) (oy * s.stride) - s.pad_top; \
        ix0[r] = (int) (ox * s.stride) - s.pad_left; \
        if (first + r < last && ++ox == s.ow) \
          { \
            ox = 0; \
            if (++oy * s.ow == s.opixels) \
              { \
                oy = 0; \
                image++; \
              } \
          } \
      } \
  }

/* Pointers of CONV_ROWS pixels to where tap (ky, kx) reads. */
#define CONV_POINTERS() \
  _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++) \
    { \
      const int iy = iy0[r] + (int) (ky * s.dilation), ix = ix0[r] + (int) (kx * s.dilation); \
      const bool inside = (uint) iy < s.h && (uint) ix < s.w; \
      px[r] = inside ? x + (ulong) (base[r] + iy * (int) s.w + ix) * x_pitch : zeros; \
    }

/* The same for 1 x 1 without stride. */
#define CONV_PLAIN_POINTERS() \
  _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++) \
    px[r] = x + (ulong) min (first + r, last) * x_pitch;

/* CONV_ROWS pixels x 32 channels; `first` + row beyond `last` repeats the last pixel and is not stored. */
inline void
conv_tile32 (const ConvShape s, __global const float *x, const uint x_pitch, __global const float *w, __global const float *bias,
             __global const float *zeros, __global float *y, const uint y_pitch, __global const float *residual, const uint residual_pitch,
             const uint act, const uint first, const uint last, const int count)
{
  float16 low[CONV_ROWS], high[CONV_ROWS];
  __global const float *px[CONV_ROWS];
  int iy0[CONV_ROWS] = { 0 }, ix0[CONV_ROWS] = { 0 }, base[CONV_ROWS] = { 0 };
  uint r, ky, kx, i;

  if (!s.plain)
    CONV_PLACES ();
  _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
    {
      low[r] = vload16 (0, bias);
      high[r] = vload16 (1, bias);
    }

  for (ky = 0; ky < s.kh; ky++)
    for (kx = 0; kx < s.kw; kx++)
      {
        if (s.plain)
          {
            CONV_PLAIN_POINTERS ();
          }
        else
          {
            CONV_POINTERS ();
          }
        for (i = 0; i + 1 < s.in; i += 2)
          {
            const float16 w0 = vload16 (0, w), w1 = vload16 (1, w), w2 = vload16 (2, w), w3 = vload16 (3, w);

            _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
              {
                const float a = px[r][i], b = px[r][i + 1];

                low[r] = fma ((float16) (a), w0, low[r]);
                high[r] = fma ((float16) (a), w1, high[r]);
                low[r] = fma ((float16) (b), w2, low[r]);
                high[r] = fma ((float16) (b), w3, high[r]);
              }
            w += 64;
          }
        if (i < s.in)
          {
            const float16 w0 = vload16 (0, w), w1 = vload16 (1, w);

            _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
              {
                const float a = px[r][i];

                low[r] = fma ((float16) (a), w0, low[r]);
                high[r] = fma ((float16) (a), w1, high[r]);
              }
            w += 32;
          }
      }

  _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
    if (first + r <= last)
      {
        __global const float *other = residual ? residual + (ulong) (first + r) * residual_pitch : 0;

        conv_store16 (y + (ulong) (first + r) * y_pitch, other, low[r], act, count);
        conv_store16 (y + (ulong) (first + r) * y_pitch + 16, other ? other + 16 : 0, high[r], act, count - 16);
      }
}

/* The same for a panel of which only the first 16 channels count. */
inline void
conv_tile16 (const ConvShape s, __global const float *x, const uint x_pitch, __global const float *w, __global const float *bias,
             __global const float *zeros, __global float *y, const uint y_pitch, __global const float *residual, const uint residual_pitch,
             const uint act, const uint first, const uint last, const int count)
{
  float16 low[CONV_ROWS];
  __global const float *px[CONV_ROWS];
  int iy0[CONV_ROWS] = { 0 }, ix0[CONV_ROWS] = { 0 }, base[CONV_ROWS] = { 0 };
  uint r, ky, kx, i;

  if (!s.plain)
    CONV_PLACES ();
  _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
    low[r] = vload16 (0, bias);

  for (ky = 0; ky < s.kh; ky++)
    for (kx = 0; kx < s.kw; kx++)
      {
        if (s.plain)
          {
            CONV_PLAIN_POINTERS ();
          }
        else
          {
            CONV_POINTERS ();
          }
        for (i = 0; i + 1 < s.in; i += 2)
          {
            const float16 w0 = vload16 (0, w), w2 = vload16 (2, w);

            _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
              {
                low[r] = fma ((float16) (px[r][i]), w0, low[r]);
                low[r] = fma ((float16) (px[r][i + 1]), w2, low[r]);
              }
            w += 64;
          }
        if (i < s.in)
          {
            const float16 w0 = vload16 (0, w);

            _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
              low[r] = fma ((float16) (px[r][i]), w0, low[r]);
            w += 32;
          }
      }

  _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
    if (first + r <= last)
      conv_store16 (y + (ulong) (first + r) * y_pitch, residual ? residual + (ulong) (first + r) * residual_pitch : 0, low[r], act, count);
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
conv_tiles (__global float *y, const uint y_at, const uint y_pitch,
            __global const float *x, const uint x_at, const uint x_pitch,
            __global const float *weights, const uint weights_at,
            __global const float *bias, const uint bias_at,
            __global const float *residual, const uint residual_at, const uint residual_pitch, const uint has_residual,
            const uint h, const uint w, const uint in, const uint ow, const uint opixels, const uint pixels, const uint out,
            const uint kh, const uint kw, const uint stride, const uint dilation, const int pad_top, const int pad_left,
            const uint act, const uint chunk, const uint panels)
{
  const ConvShape s = { h, w, in, ow, opixels, kh, kw, stride, dilation, pad_top, pad_left, kh * kw * stride == 1 };
  const uint all = (out + 31) / 32, panel_end = min ((uint) (get_global_id (1) + 1) * panels, all);
  const uint begin = get_global_id (0) * chunk * CONV_TILE, end = min (begin + chunk * CONV_TILE, pixels);
  const ulong panel_size = (ulong) kh * kw * in * 32;
  __global const float *zeros = bias + bias_at + all * 32;
  uint panel, first;

  for (panel = get_global_id (1) * panels; panel < panel_end; panel++)
    {
      const int count = min (32, (int) (out - panel * 32));
      __global const float *wp = weights + weights_at + panel * panel_size, *bp = bias + bias_at + panel * 32;
      __global const float *rp = has_residual ? residual + residual_at + panel * 32 : 0;
      __global float *yp = y + y_at + panel * 32;

      if (count <= 16)
        {
          for (first = begin; first < end; first += CONV_ROWS)
            conv_tile16 (s, x + x_at, x_pitch, wp, bp, zeros, yp, y_pitch, rp, residual_pitch, act, first, end - 1, count);
        }
      else
        {
#ifdef __AVX512F__
          for (first = begin; first < end; first += CONV_ROWS)
            conv_tile32 (s, x + x_at, x_pitch, wp, bp, zeros, yp, y_pitch, rp, residual_pitch, act, first, end - 1, count);
#else
          for (first = begin; first < end; first += CONV_ROWS)
            {
              conv_tile16 (s, x + x_at, x_pitch, wp, bp, zeros, yp, y_pitch, rp, residual_pitch, act, first, end - 1, 16);
              conv_tile16 (s, x + x_at, x_pitch, wp + 16, bp + 16, zeros, yp + 16, y_pitch, rp ? rp + 16 : 0, residual_pitch, act, first, end - 1, count - 16);
            }
#endif
        }
    }
}

/* Four output pixels from `ox`, 16 channels: the four share each weight. `k` and `stride` are constants after inlining. */
static inline __attribute__ ((always_inline)) void
depthwise_tile (const uint k, const uint stride, __global float *y, const uint y_pitch, __global const float *x, const uint x_pitch,
                __global const float *weights, const uint c_padded, const float16 start, __global const float *residual, const uint residual_pitch,
                const uint h, const uint w, const uint ow, const uint dilation, const uint ox, const int iy0, const int ix0, const bool inside, const uint act)
{
  float16 sum[4] = { start, start, start, start };
  uint ky, kx, p;

  for (ky = 0; ky < k; ky++)
    {
      const int iy = iy0 + (int) (ky * dilation);
      __global const float *line = x + (long) (iy * (int) w + ix0) * x_pitch;

      if ((uint) iy >= h)
        continue;
      if (inside)
        {
          _Pragma ("unroll") for (kx = 0; kx < k; kx++)
            {
              const float16 tap = vload16 (0, weights + (ky * k + kx) * c_padded);

              _Pragma ("unroll") for (p = 0; p < 4; p++)
                sum[p] = fma (vload16 (0, line + (p * stride + kx * dilation) * x_pitch), tap, sum[p]);
            }
        }
      else
        {
          for (kx = 0; kx < k; kx++)
            {
              const float16 tap = vload16 (0, weights + (ky * k + kx) * c_padded);

              _Pragma ("unroll") for (p = 0; p < 4; p++)
                if ((uint) (ix0 + (int) (p * stride + kx * dilation)) < w)
                  sum[p] = fma (vload16 (0, line + (p * stride + kx * dilation) * x_pitch), tap, sum[p]);
            }
        }
    }
  _Pragma ("unroll") for (p = 0; p < 4; p++)
    if (ox + p < ow)
      conv_store16 (y + (ulong) (ox + p) * y_pitch, residual ? residual + (ulong) (ox + p) * residual_pitch : 0, sum[p], act, 16);
}

/* The last channels where they do not fill 16 lanes, and kernels that no network here has: one by one. */
inline void
depthwise_rest (const uint k, const uint stride, __global float *y, const uint y_pitch, __global const float *x, const uint x_pitch,
                __global const float *weights, const uint c_padded, __global const float *bias, __global const float *residual, const uint residual_pitch,
                const uint h, const uint w, const uint ow, const uint dilation, const int iy0, const int pad_left, const uint act, const int count)
{
  uint ox, ky, kx;
  int i;

  for (ox = 0; ox < ow; ox++)
    for (i = 0; i < count; i++)
      {
        const int ix0 = (int) (ox * stride) - pad_left;
        float sum = bias[i];

        for (ky = 0; ky < k; ky++)
          for (kx = 0; kx < k; kx++)
            {
              const int iy = iy0 + (int) (ky * dilation), ix = ix0 + (int) (kx * dilation);

              if ((uint) iy < h && (uint) ix < w)
                sum = fma (x[(ulong) (iy * (int) w + ix) * x_pitch + i], weights[(ky * k + kx) * c_padded + i], sum);
            }
        sum = descry_activate (sum, act);
        y[(ulong) ox * y_pitch + i] = residual ? sum + residual[(ulong) ox * residual_pitch + i] : sum;
      }
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
conv_depthwise (__global float *y, const uint y_at, const uint y_pitch,
                __global const float *x, const uint x_at, const uint x_pitch,
                __global const float *weights, const uint weights_at,
                __global const float *bias, const uint bias_at,
                __global const float *residual, const uint residual_at, const uint residual_pitch, const uint has_residual,
                const uint h, const uint w, const uint c, const uint oh, const uint ow, const uint rows,
                const uint k, const uint stride, const uint dilation, const int pad_top, const int pad_left,
                const uint act)
{
  const uint row = get_global_id (0), image = row / oh, c_padded = (c + 15) & ~15u;
  const int iy0 = (int) ((row - image * oh) * stride) - pad_top;
  /* A last group of channels that is not full starts earlier and does some twice, unless that would add the
   * residual twice where it is the output itself. */
  const uint common = (k == 3 || k == 5) && stride <= 2, whole = !common ? 0 : c >= 16 && !has_residual ? c : c & ~15u;
  __global const float *picture = x + x_at + (ulong) image * h * w * x_pitch;
  __global const float *other = residual + residual_at + (ulong) row * ow * residual_pitch, *taps = weights + weights_at;
  __global float *to = y + y_at + (ulong) row * ow * y_pitch;
  uint block, ox, at;

  if (row >= rows)
    return;

  /* 64 channels of every pixel, then the next: runs of memory that are long enough, and whose weights stay in
   * the first-level cache. One vector at a time would walk in strides that share a few sets of it. */
  for (block = 0; block < whole; block += 64)
    for (ox = 0; ox < ow; ox += 4)
      {
        const int ix0 = (int) (ox * stride) - pad_left;
        /* Where every tap of the four is inside, nothing is asked; at the ends of the row each pixel is. */
        const bool inside = ix0 >= 0 && ox + 4 <= ow && ix0 + (int) (3 * stride + (k - 1) * dilation) < (int) w;

        for (at = block; at < min (block + 64, whole); at += 16)
          {
            const uint from = min (at, c - 16);
            const float16 start = vload16 (0, bias + bias_at + from);
            __global const float *more = has_residual ? other + from : 0;

            if (k == 3 && stride == 1)
              depthwise_tile (3, 1, to + from, y_pitch, picture + from, x_pitch, taps + from, c_padded, start, more, residual_pitch, h, w, ow, dilation, ox, iy0, ix0, inside, act);
            else if (k == 5 && stride == 1)
              depthwise_tile (5, 1, to + from, y_pitch, picture + from, x_pitch, taps + from, c_padded, start, more, residual_pitch, h, w, ow, dilation, ox, iy0, ix0, inside, act);
            else if (k == 3 && stride == 2)
              depthwise_tile (3, 2, to + from, y_pitch, picture + from, x_pitch, taps + from, c_padded, start, more, residual_pitch, h, w, ow, dilation, ox, iy0, ix0, inside, act);
            else
              depthwise_tile (5, 2, to + from, y_pitch, picture + from, x_pitch, taps + from, c_padded, start, more, residual_pitch, h, w, ow, dilation, ox, iy0, ix0, inside, act);
          }
      }
  if (whole < c)
    depthwise_rest (k, stride, to + whole, y_pitch, picture + whole, x_pitch, taps + whole, c_padded, bias + bias_at + whole, has_residual ? other + whole : 0,
                    residual_pitch, h, w, ow, dilation, iy0, pad_left, act, (int) (c - whole));
}

/* Few input channels: with a border of zeros a row of taps is one run of memory. */
__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
conv_border (__global float *y, const uint y_at, __global const float *x, const uint x_at, const uint x_pitch,
             const uint h, const uint w, const uint c, const uint oh, const uint ow, const uint rows,
             const int pad_top, const int pad_left)
{
  const uint row = get_global_id (0), image = row / oh;
  const int iy = (int) (row - image * oh) - pad_top;
  __global const float *from = x + x_at + ((ulong) image * h + iy) * w * x_pitch;
  __global float *to = y + y_at + (ulong) row * ow * c;
  uint ox, i;

  if (row >= rows)
    return;

  for (ox = 0; ox < ow; ox++)
    {
      const int ix = (int) ox - pad_left;
      const bool inside = (uint) iy < h && (uint) ix < w;

      for (i = 0; i < c; i++)
        to[ox * c + i] = inside ? from[ix * (int) x_pitch + (int) i] : 0.0f;
    }
}
