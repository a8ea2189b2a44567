/* resample.any.cl - pooling and resizing on [n, h, w, c]; host side in compute/ops/resample.c
 *
 * Each item takes `chunk` neighbouring output pixels and `lanes` channels: the cpu family a row of
 * pixels and all channels, the gpu family one pixel and one channel.
 *
 * kernel           reads                          writes                launch
 * max_pool         x f32 [n,h,w,c] pitched        y f32 [n,oh,ow,c]     dim 0 chunks of pixels, dim 1 blocks of channels
 * resize_bilinear  the same                       the same, or adds     the same
 * scale_channels   x, scale f32 [n,c]             y f32 [n,h,w,c]       the same
 * global_mean      x f32 [n,h,w,c]                y f32 [n,c]           dim 0 pictures, dim 1 blocks of channels
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#if DESCRY_CPU
#define RESAMPLE_WIDE 1
#else
#define RESAMPLE_WIDE 0
#endif

__kernel void
max_pool (__global float *y, const uint y_at, const uint y_pitch, __global const float *x, const uint x_at, const uint x_pitch,
          const uint h, const uint w, const uint c, const uint oh, const uint ow, const uint pixels,
          const uint k, const uint stride, const uint pad, const uint chunk, const uint lanes)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, pixels);
  const uint c0 = get_global_id (1) * lanes, c1 = min (c0 + lanes, c);
  uint pixel, i;

  for (pixel = begin; pixel < end; pixel++)
    {
      const uint row = pixel / ow, image = row / oh;
      const int iy = (int) ((row - image * oh) * stride) - (int) pad, ix = (int) ((pixel - row * ow) * stride) - (int) pad;
      const int y0 = max (iy, 0), y1 = min (iy + (int) k, (int) h), x0 = max (ix, 0), x1 = min (ix + (int) k, (int) w);
      __global const float *from = x + x_at + (ulong) image * h * w * x_pitch;
      __global float *to = y + y_at + (ulong) pixel * y_pitch;
      int u, v;

      i = c0;
#if RESAMPLE_WIDE
      for (; i + 16 <= c1; i += 16)
        {
          float16 most = (float16) (-INFINITY);

          for (v = y0; v < y1; v++)
            for (u = x0; u < x1; u++)
              most = fmax (most, vload16 (0, from + (ulong) (v * (int) w + u) * x_pitch + i));
          vstore16 (most, 0, to + i);
        }
#endif
      for (; i < c1; i++)
        {
          float most = -INFINITY;

          for (v = y0; v < y1; v++)
            for (u = x0; u < x1; u++)
              most = fmax (most, from[(ulong) (v * (int) w + u) * x_pitch + i]);
          to[i] = most;
        }
    }
}

/* Source position of output index i: rule 0 half-pixel centres, 1 asymmetric; never below zero. */
inline float
resize_source (uint i, float step, uint rule)
{
  return rule == 0 ? fmax ((i + 0.5f) * step - 0.5f, 0.0f) : i * step;
}

__kernel void
resize_bilinear (__global float *y, const uint y_at, const uint y_pitch, __global const float *x, const uint x_at, const uint x_pitch,
                 const uint h, const uint w, const uint c, const uint oh, const uint ow, const uint pixels,
                 const float step_y, const float step_x, const uint rule, const uint add, const uint act, const uint chunk, const uint lanes)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, pixels);
  const uint c0 = get_global_id (1) * lanes, c1 = min (c0 + lanes, c);
  uint pixel, i;

  for (pixel = begin; pixel < end; pixel++)
    {
      const uint row = pixel / ow, image = row / oh;
      const float sy = resize_source (row - image * oh, step_y, rule), sx = resize_source (pixel - row * ow, step_x, rule);
      const uint y0 = min ((uint) sy, h - 1), x0 = min ((uint) sx, w - 1), y1 = min (y0 + 1, h - 1), x1 = min (x0 + 1, w - 1);
      const float fy = sy - y0, fx = sx - x0;
      __global const float *p = x + x_at + (ulong) image * h * w * x_pitch;
      __global const float *a = p + (ulong) (y0 * w + x0) * x_pitch, *b = p + (ulong) (y0 * w + x1) * x_pitch;
      __global const float *d = p + (ulong) (y1 * w + x0) * x_pitch, *e = p + (ulong) (y1 * w + x1) * x_pitch;
      __global float *to = y + y_at + (ulong) pixel * y_pitch;

      i = c0;
#if RESAMPLE_WIDE
      for (; i + 16 <= c1; i += 16)
        {
          const float16 a0 = vload16 (0, a + i), b0 = vload16 (0, b + i), d0 = vload16 (0, d + i), e0 = vload16 (0, e + i);
          const float16 top = a0 + (b0 - a0) * fx, bottom = d0 + (e0 - d0) * fx;
          float16 value = top + (bottom - top) * fy;

          if (add)
            value += vload16 (0, to + i);
          vstore16 (descry_activate16 (value, act), 0, to + i);
        }
#endif
      for (; i < c1; i++)
        {
          const float top = a[i] + (b[i] - a[i]) * fx, bottom = d[i] + (e[i] - d[i]) * fx;
          const float value = top + (bottom - top) * fy;

          to[i] = descry_activate (add ? to[i] + value : value, act);
        }
    }
}

__kernel void
scale_channels (__global float *y, const uint y_at, const uint y_pitch, __global const float *x, const uint x_at, const uint x_pitch,
                __global const float *scale, const uint scale_at, const uint scale_pitch,
                const uint c, const uint opixels, const uint pixels, const uint chunk, const uint lanes)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, pixels);
  const uint c0 = get_global_id (1) * lanes, c1 = min (c0 + lanes, c);
  uint pixel, i;

  for (pixel = begin; pixel < end; pixel++)
    {
      __global const float *from = x + x_at + (ulong) pixel * x_pitch, *by = scale + scale_at + (ulong) (pixel / opixels) * scale_pitch;
      __global float *to = y + y_at + (ulong) pixel * y_pitch;

      i = c0;
#if RESAMPLE_WIDE
      for (; i + 16 <= c1; i += 16)
        vstore16 (vload16 (0, from + i) * vload16 (0, by + i), 0, to + i);
#endif
      for (; i < c1; i++)
        to[i] = from[i] * by[i];
    }
}

/* Sums a row of pixels at a time, then the rows' sums: short chains keep the error of large maps small. */
__kernel void
global_mean (__global float *y, const uint y_at, const uint y_pitch, __global const float *x, const uint x_at, const uint x_pitch,
             const uint h, const uint w, const uint n, const uint c, const uint lanes)
{
  const uint image = get_global_id (0), c0 = get_global_id (1) * lanes, c1 = min (c0 + lanes, c);
  __global const float *from = x + x_at + (ulong) image * h * w * x_pitch;
  __global float *to = y + y_at + (ulong) image * y_pitch;
  const float share = 1.0f / (float) (h * w);
  uint i = c0, v, u;

  if (image >= n)
    return;

#if RESAMPLE_WIDE
  for (; i + 16 <= c1; i += 16)
    {
      float16 sum = (float16) (0.0f);

      for (v = 0; v < h; v++)
        {
          float16 line = (float16) (0.0f);

          for (u = 0; u < w; u++)
            line += vload16 (0, from + (ulong) (v * w + u) * x_pitch + i);
          sum += line;
        }
      vstore16 (sum * share, 0, to + i);
    }
#endif
  for (; i < c1; i++)
    {
      float sum = 0.0f;

      for (v = 0; v < h; v++)
        {
          float line = 0.0f;

          for (u = 0; u < w; u++)
            line += from[(ulong) (v * w + u) * x_pitch + i];
          sum += line;
        }
      to[i] = sum * share;
    }
}
