/* winograd.cpu.cl - 3 x 3 convolutions without stride by Winograd's F(4x4, 3x3), cpu family
 *
 * A tile of 4 x 4 output pixels is made from 6 x 6 input pixels with 36 products for each pair of channels
 * instead of 144. A dilated convolution is dilation^2 plain ones on interleaved pixels ("phases"), and the
 * padding equals the dilation. Host side and the weights' transform: compute/ops/winograd.c.
 *
 * kernel         reads                                  writes                      launch
 * winograd_conv  x f32 [n,h,w,in] pitched, in % 16 = 0, y f32 [n,h,w,out] pitched   item: `groups` x 12 tiles, `panels` panels
 *                weights [out/32][36][in][32], bias                                 of 32 channels; local 1
 *                local: v [36][depth/16][12 groups][16] and gaps, m [36][12 groups][32],
 *                once for each panel if depth < in
 *
 * Local memory is scratch of the one work-item here: what stays in the core's own cache. It is used in whole,
 * aligned vectors, which vload16() does not know.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define WINOGRAD_TILES 12
/* Floats from one of the 36 to the next: a cache line more than they are, or all would share a few sets of the cache. */
#define WINOGRAD_PLANE(slots, in) ((slots) * (in) + 16)

typedef struct
{
  uint h, w, dilation, rows, cols; /* of the picture; tiles of a phase */
} WinogradShape;

/* First output pixel of a tile: picture, y, x. */
inline void
winograd_place (const WinogradShape s, uint tile, uint *image, int *y, int *x)
{
  const uint phase_tiles = s.rows * s.cols, image_tiles = phase_tiles * s.dilation * s.dilation;
  uint phase, row;

  *image = tile / image_tiles;
  tile -= *image * image_tiles;
  phase = tile / phase_tiles;
  tile -= phase * phase_tiles;
  row = tile / s.cols;
  *y = (int) (phase / s.dilation + row * 4 * s.dilation);
  *x = (int) (phase % s.dilation + (tile - row * s.cols) * 4 * s.dilation);
}

/* Six values to six: the columns of B. */
#define WINOGRAD_IN(o0, o1, o2, o3, o4, o5, d0, d1, d2, d3, d4, d5) \
  { \
    const float16 s1 = d4 - 4.0f * d2, s2 = d3 - 4.0f * d1, s3 = d4 - d2, s4 = 2.0f * (d3 - d1); \
    o0 = fma ((float16) (4.0f), d0, fma ((float16) (-5.0f), d2, d4)); \
    o1 = s1 + s2; \
    o2 = s1 - s2; \
    o3 = s3 + s4; \
    o4 = s3 - s4; \
    o5 = fma ((float16) (4.0f), d1, fma ((float16) (-5.0f), d3, d5)); \
  }

/* v [36][in/16][slots][16]: the transformed input of `slots` tiles from `first`; beyond `last` it is repeated. */
inline void
winograd_input (__local float *v, const uint slots, const WinogradShape s, __global const float *x, const uint x_pitch, const uint in,
                const uint first, const uint last)
{
  const uint plane = WINOGRAD_PLANE (slots, in), h = s.h, w = s.w, dilation = s.dilation;
  uint tile, i, r, c;

  for (tile = 0; tile < slots; tile++)
    {
      __local float *to = v + tile * 16;
      __global const float *from;
      uint image;
      int y0, x0;
      bool inside;

      winograd_place (s, min (first + tile, last), &image, &y0, &x0);
      y0 -= (int) dilation;
      x0 -= (int) dilation;
      inside = y0 >= 0 && x0 >= 0 && y0 + 5 * (int) dilation < (int) h && x0 + 5 * (int) dilation < (int) w;
      from = x + (ulong) image * h * w * x_pitch;

      for (i = 0; i < in; i += 16)
        {
          float16 d[6][6];

          if (inside)
            {
              __global const float *corner = from + (ulong) (y0 * (int) w + x0) * x_pitch + i;

              _Pragma ("unroll") for (c = 0; c < 6; c++)
                {
                  float16 p[6];

                  _Pragma ("unroll") for (r = 0; r < 6; r++)
                    p[r] = vload16 (0, corner + (ulong) ((r * w + c) * dilation) * x_pitch);
                  WINOGRAD_IN (d[0][c], d[1][c], d[2][c], d[3][c], d[4][c], d[5][c], p[0], p[1], p[2], p[3], p[4], p[5]);
                }
            }
          else
            {
              _Pragma ("unroll") for (c = 0; c < 6; c++)
                {
                  float16 p[6];

                  _Pragma ("unroll") for (r = 0; r < 6; r++)
                    {
                      const int iy = y0 + (int) (r * dilation), ix = x0 + (int) (c * dilation);

                      p[r] = (float16) (0.0f);
                      if ((uint) iy < h && (uint) ix < w)
                        p[r] = vload16 (0, from + (ulong) (iy * (int) w + ix) * x_pitch + i);
                    }
                  WINOGRAD_IN (d[0][c], d[1][c], d[2][c], d[3][c], d[4][c], d[5][c], p[0], p[1], p[2], p[3], p[4], p[5]);
                }
            }
          _Pragma ("unroll") for (r = 0; r < 6; r++)
            {
              float16 q[6];

              WINOGRAD_IN (q[0], q[1], q[2], q[3], q[4], q[5], d[r][0], d[r][1], d[r][2], d[r][3], d[r][4], d[r][5]);
              _Pragma ("unroll") for (c = 0; c < 6; c++)
                *(__local float16 *) (to + (r * 6 + c) * plane + i * slots) = q[c];
            }
        }
    }
}

/* CONV_ROWS tiles x 32 channels of one of the 36 products: m[row][32] = or += v[row][in] . w[in][32].
 * Everything is read in the order in which it lies. */
inline void
winograd_product (__local const float *v, const uint slots, const uint in, __global const float *w, __local float *m, const bool narrow, const bool add)
{
  float16 low[CONV_ROWS], high[CONV_ROWS];
  uint r, i, k;

  _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
    {
      low[r] = add ? *(__local const float16 *) (m + r * 32) : (float16) (0.0f);
      high[r] = add && !narrow ? *(__local const float16 *) (m + r * 32 + 16) : (float16) (0.0f);
    }
#ifdef __AVX512F__
  if (!narrow)
    {
      for (i = 0; i < in; i += 16)
        {
          for (k = 0; k < 16; k += 2)
            {
              const float16 w0 = vload16 (0, w), w1 = vload16 (1, w), w2 = vload16 (2, w), w3 = vload16 (3, w);

              _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
                {
                  const float a = v[r * 16 + k], b = v[r * 16 + k + 1];

                  low[r] = fma ((float16) (a), w0, low[r]);
                  high[r] = fma ((float16) (a), w1, high[r]);
                  low[r] = fma ((float16) (b), w2, low[r]);
                  high[r] = fma ((float16) (b), w3, high[r]);
                }
              w += 64;
            }
          v += slots * 16;
        }
      _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
        {
          *(__local float16 *) (m + r * 32) = low[r];
          *(__local float16 *) (m + r * 32 + 16) = high[r];
        }
      return;
    }
#endif
  for (i = 0; i < in; i += 16)
    {
      for (k = 0; k < 16; k += 2)
        {
          const float16 w0 = vload16 (0, w), w2 = vload16 (2, w);

          _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
            {
              low[r] = fma ((float16) (v[r * 16 + k]), w0, low[r]);
              low[r] = fma ((float16) (v[r * 16 + k + 1]), w2, low[r]);
            }
          w += 64;
        }
      v += slots * 16;
    }
  _Pragma ("unroll") for (r = 0; r < CONV_ROWS; r++)
    *(__local float16 *) (m + r * 32) = low[r];
}

/* Six values to four: the columns of A. */
#define WINOGRAD_OUT(o0, o1, o2, o3, m0, m1, m2, m3, m4, m5) \
  { \
    const float16 s1 = m1 + m2, s2 = m1 - m2, s3 = m3 + m4, s4 = m3 - m4; \
    o0 = m0 + s1 + s3; \
    o1 = fma ((float16) (2.0f), s4, s2); \
    o2 = fma ((float16) (4.0f), s3, s1); \
    o3 = fma ((float16) (8.0f), s4, s2) + m5; \
  }

/* Tile `t` of `m`, 16 of its channels, to pixels. */
inline void
winograd_tile (const WinogradShape s, __local const float *m, const uint plane, const float16 start,
               __global float *y, const uint y_pitch, __global const float *residual, const uint residual_pitch,
               const uint tile, const uint act, const int count)
{
  float16 q[4][6];
  uint image, r, c;
  int y0, x0;

  winograd_place (s, tile, &image, &y0, &x0);
  _Pragma ("unroll") for (c = 0; c < 6; c++)
    {
      float16 p[6];

      _Pragma ("unroll") for (r = 0; r < 6; r++)
        p[r] = *(__local const float16 *) (m + (r * 6 + c) * plane);
      WINOGRAD_OUT (q[0][c], q[1][c], q[2][c], q[3][c], p[0], p[1], p[2], p[3], p[4], p[5]);
    }
  _Pragma ("unroll") for (r = 0; r < 4; r++)
    {
      const int oy = y0 + (int) (r * s.dilation);
      float16 o[4];

      WINOGRAD_OUT (o[0], o[1], o[2], o[3], q[r][0], q[r][1], q[r][2], q[r][3], q[r][4], q[r][5]);
      _Pragma ("unroll") for (c = 0; c < 4; c++)
        {
          const int ox = x0 + (int) (c * s.dilation);
          const ulong pixel = (ulong) image * s.h * s.w + (ulong) (oy * (int) s.w + ox);

          if (oy < (int) s.h && ox < (int) s.w)
            conv_store16 (y + pixel * y_pitch, residual ? residual + pixel * residual_pitch : 0, o[c] + start, act, count);
        }
    }
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
winograd_conv (__global float *y, const uint y_at, const uint y_pitch,
               __global const float *x, const uint x_at, const uint x_pitch,
               __global const float *weights, const uint weights_at,
               __global const float *bias, const uint bias_at,
               __global const float *residual, const uint residual_at, const uint residual_pitch, const uint has_residual,
               const uint h, const uint w, const uint in, const uint out, const uint dilation, const uint rows, const uint cols,
               const uint tiles, const uint act, const uint groups, const uint panels, const uint depth, __local float16 *vs, __local float16 *ms)
{
  __local float *v = (__local float *) vs, *m = (__local float *) ms;
  const WinogradShape s = { h, w, dilation, rows, cols };
  const uint slots = groups * WINOGRAD_TILES, first = get_global_id (0) * slots, count = min (slots, tiles - first);
  const uint panel_first = get_global_id (1) * panels, panel_end = min (panel_first + panels, (out + 31) / 32);
  uint panel, start, which, t;

  /* All input channels at once if `depth` is all; else the sums of every panel are kept in m meanwhile. */
  for (start = 0; start < in; start += depth)
    {
      const uint some = min (depth, in - start);

      winograd_input (v, slots, s, x + x_at + start, x_pitch, some, first, tiles - 1);
      for (panel = panel_first; panel < panel_end; panel++)
        {
          const int width = (int) min (out - panel * 32, 32u);
          __global const float *wp = weights + weights_at + ((ulong) panel * 36 * in + start) * 32, *other = has_residual ? residual + residual_at + panel * 32 : 0;
          __global float *to = y + y_at + panel * 32;
          __local float *mine = m + (depth < in ? (panel - panel_first) * 36 * slots * 32 : 0);

          for (which = 0; which < 36; which++)
            {
              for (t = 0; t < count; t += CONV_ROWS)
                {
                  __local const float *from = v + which * WINOGRAD_PLANE (slots, some) + t * 16;
                  __local float *sums = mine + (which * slots + t) * 32;

#ifdef __AVX512F__
                  winograd_product (from, slots, some, wp, sums, width <= 16, start > 0);
#else
                  winograd_product (from, slots, some, wp, sums, true, start > 0);
                  if (width > 16)
                    winograd_product (from, slots, some, wp + 16, sums + 16, true, start > 0);
#endif
                }
              wp += in * 32;
            }

          for (t = 0; start + depth >= in && t < count; t++)
            {
              winograd_tile (s, mine + t * 32, slots * 32, vload16 (0, bias + bias_at + panel * 32), to, y_pitch, other, residual_pitch, first + t, act, width);
              if (width > 16)
                winograd_tile (s, mine + t * 32 + 16, slots * 32, vload16 (1, bias + bias_at + panel * 32), to + 16, y_pitch, other ? other + 16 : 0,
                               residual_pitch, first + t, act, width - 16);
            }
        }
    }
}
