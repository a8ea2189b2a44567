/* conv.gpu.cl - convolutions on [n, h, w, c], gpu family; host side in compute/ops/conv.c
 *
 * kernel          reads                                   writes                   launch
 * conv_local      x f32 [n,h,w,in] pitched, weights       y f32 [n,oh,ow,out]      group of 64: 32 pixels x 32 channels,
 *                 [out/32][ky][kx][in][32], bias                                   4 x 4 an item; dim 0 pixels, dim 1 panels
 * conv_depthwise  x, weights [ky][kx][c], bias [c]        y f32 [n,oh,ow,c]        item: one element; local 64
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define CONV_DEPTH 16 /* input channels in local memory at a time */
#define CONV_SIDE 32 /* pixels, and output channels, of a group's tile */

__kernel __attribute__ ((reqd_work_group_size (64, 1, 1))) void
conv_local (__global float *y, const uint y_at, const uint y_pitch,
            __global const float *x, const uint x_at, const uint x_pitch,
            __global const float *weights, const uint weights_at,
            __global const float *bias, const uint bias_at,
            __global const float *residual, const uint residual_at, const uint residual_pitch, const uint has_residual,
            const uint h, const uint w, const uint in, const uint ow, const uint opixels, const uint pixels, const uint out,
            const uint k, const uint stride, const uint dilation, const int pad_top, const int pad_left,
            const uint act)
{
  __local float a[CONV_SIDE][CONV_DEPTH + 1], b[CONV_DEPTH][CONV_SIDE];
  __local int place[CONV_SIDE][3]; /* picture's first pixel, y, x of tap (0, 0) */
  const uint lid = get_local_id (0), first = get_group_id (0) * CONV_SIDE, panel = get_group_id (1);
  const uint mine = (lid >> 3) * 4, column = (lid & 7) * 4;
  __global const float *wp = weights + weights_at + (ulong) panel * k * k * in * CONV_SIDE;
  float4 sum[4];
  uint ky, kx, start, i, r;

  if (lid < CONV_SIDE)
    {
      const uint pixel = min (first + lid, pixels - 1), image = pixel / opixels, at = pixel - image * opixels, oy = at / ow;

      place[lid][0] = (int) (image * h * w);
      place[lid][1] = (int) (oy * stride) - pad_top;
      place[lid][2] = (int) ((at - oy * ow) * stride) - pad_left;
    }
  for (r = 0; r < 4; r++)
    sum[r] = vload4 (0, bias + bias_at + panel * CONV_SIDE + column);
  barrier (CLK_LOCAL_MEM_FENCE);

  for (ky = 0; ky < k; ky++)
    for (kx = 0; kx < k; kx++)
      for (start = 0; start < in; start += CONV_DEPTH)
        {
          for (i = lid; i < CONV_SIDE * CONV_DEPTH; i += 64)
            {
              const uint p = i / CONV_DEPTH, channel = start + i % CONV_DEPTH;
              const int iy = place[p][1] + (int) (ky * dilation), ix = place[p][2] + (int) (kx * dilation);
              const bool inside = (uint) iy < h && (uint) ix < w && channel < in;

              a[p][i % CONV_DEPTH] = inside ? x[x_at + (ulong) (place[p][0] + iy * (int) w + ix) * x_pitch + channel] : 0.0f;
            }
          for (i = lid; i < CONV_SIDE * CONV_DEPTH; i += 64)
            {
              const uint channel = start + i / CONV_SIDE;

              b[i / CONV_SIDE][i % CONV_SIDE] = channel < in ? wp[((ulong) (ky * k + kx) * in + channel) * CONV_SIDE + i % CONV_SIDE] : 0.0f;
            }
          barrier (CLK_LOCAL_MEM_FENCE);

          for (i = 0; i < CONV_DEPTH; i++)
            {
              const float4 wide = vload4 (0, &b[i][column]);

              for (r = 0; r < 4; r++)
                sum[r] = fma ((float4) (a[mine + r][i]), wide, sum[r]);
            }
          barrier (CLK_LOCAL_MEM_FENCE);
        }

  for (r = 0; r < 4; r++)
    {
      const float v[4] = { sum[r].x, sum[r].y, sum[r].z, sum[r].w };
      const uint pixel = first + mine + r;

      for (i = 0; i < 4; i++)
        {
          const uint channel = panel * CONV_SIDE + column + i;

          if (pixel < pixels && channel < out)
            y[y_at + (ulong) pixel * y_pitch + channel] = descry_activate (v[i], act)
                                                          + (has_residual ? residual[residual_at + (ulong) pixel * residual_pitch + channel] : 0.0f);
        }
    }
}

__kernel void
conv_depthwise (__global float *y, const uint y_at, const uint y_pitch,
                __global const float *x, const uint x_at, const uint x_pitch,
                __global const float *weights, const uint weights_at,
                __global const float *bias, const uint bias_at,
                __global const float *residual, const uint residual_at, const uint residual_pitch, const uint has_residual,
                const uint h, const uint w, const uint c, const uint oh, const uint ow, const uint rows,
                const uint k, const uint stride, const uint dilation, const int pad_top, const int pad_left,
                const uint act)
{
  const uint at = get_global_id (0), pixel = at / c, channel = at - pixel * c, row = pixel / ow, image = row / oh;
  const int iy0 = (int) ((row - image * oh) * stride) - pad_top, ix0 = (int) ((pixel - row * ow) * stride) - pad_left;
  const uint padded = (c + 15) & ~15u;
  float sum;
  uint ky, kx;

  if (row >= rows)
    return;

  sum = bias[bias_at + channel];
  for (ky = 0; ky < k; ky++)
    for (kx = 0; kx < k; kx++)
      {
        const int iy = iy0 + (int) (ky * dilation), ix = ix0 + (int) (kx * dilation);

        if ((uint) iy < h && (uint) ix < w)
          sum = fma (x[x_at + ((ulong) (image * h + iy) * w + ix) * x_pitch + channel], weights[weights_at + (ky * k + kx) * padded + channel], sum);
      }
  y[y_at + (ulong) pixel * y_pitch + channel] = descry_activate (sum, act)
                                                + (has_residual ? residual[residual_at + (ulong) pixel * residual_pitch + channel] : 0.0f);
}
