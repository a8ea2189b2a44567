/* components.any.cl - connected parts of a mask, and transposed convolutions' last step; host sides in compute/ops/components.c, conv-transposed.c
 *
 * A forest over the pixels: each set pixel holds the index of a pixel that is not later, itself if it is a root. Items hang
 * trees together with atomic_min(), so that in the end the root is the part's first pixel whatever the order was.
 *
 * kernel               reads                                  writes                     launch
 * components_start     bits u8 [h,w] pitched                  parents u32 [h*w]          item: `chunk` pixels
 * components_join      parents                                parents                    the same
 * components_count     parents                                counts u32 [items]: roots  the same
 * components_sum       counts                                 counts: before, total      one item
 * components_number    parents, counts                        ranks u32 [h*w] of roots   item: `chunk` pixels
 * components_label     parents, ranks                         labels i32 [h,w]           the same
 * squares_set          x f32 [h*k,w*k] pitched                 bits u8 [h,w] pitched      item: `chunk` squares
 * conv_transposed_sum  columns f32 [n,h,w,k*k*out], bias      y f32 [n,oh,ow,out]        item: `chunk` elements of y
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define COMPONENTS_NONE 0xffffffffu

__kernel void
components_start (__global const uchar *bits, const uint bits_at, const uint bits_pitch, __global uint *parents, const uint w, const uint count, const uint chunk)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, count);

  for (uint i = begin; i < end; i++)
    parents[i] = bits[bits_at + i / w * bits_pitch + i % w] ? i : COMPONENTS_NONE;
}

/* Beside the others' atomic_min() reading is atomic, too. */
inline uint
components_parent (volatile __global uint *parents, const uint i)
{
  return atomic_or (parents + i, 0u);
}

/* Other items may be changing the tree, always towards earlier pixels. */
inline uint
components_root (volatile __global uint *parents, uint i)
{
  uint parent = components_parent (parents, i);

  while (parent != i)
    {
      i = parent;
      parent = components_parent (parents, i);
    }
  return i;
}

inline void
components_unite (volatile __global uint *parents, uint a, uint b)
{
  for (;;)
    {
      a = components_root (parents, a);
      b = components_root (parents, b);
      if (a == b)
        return;
      if (a < b)
        {
          const uint swap = a;

          a = b;
          b = swap;
        }
      /* Somebody may have hung `a` elsewhere since: then that tree is still to be united with b's. */
      const uint before = atomic_min (parents + a, b);
      if (before == a)
        return;
      a = before;
    }
}

__kernel void
components_join (volatile __global uint *parents, const uint w, const uint count, const uint chunk)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, count);

  for (uint i = begin; i < end; i++)
    if (components_parent (parents, i) != COMPONENTS_NONE)
      {
        const bool left = i % w > 0 && components_parent (parents, i - 1) != COMPONENTS_NONE, up = i >= w && components_parent (parents, i - w) != COMPONENTS_NONE;

        if (left)
          components_unite (parents, i, i - 1);
        /* If the pixel up and left is set too, the row above has joined them already. */
        if (up && !(left && components_parent (parents, i - w - 1) != COMPONENTS_NONE))
          components_unite (parents, i, i - w);
      }
}

__kernel void
components_count (__global const uint *parents, __global uint *counts, const uint count, const uint chunk)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, count);
  uint n = 0;

  if (begin >= count)
    return;
  for (uint i = begin; i < end; i++)
    n += parents[i] == i;
  counts[get_global_id (0)] = n;
}

__kernel void
components_sum (__global uint *counts, __global int *total, const uint total_at, const uint items)
{
  uint sum = 0;

  if (get_global_id (0) > 0)
    return;
  for (uint i = 0; i < items; i++)
    {
      const uint n = counts[i];

      counts[i] = sum;
      sum += n;
    }
  total[total_at] = (int) sum;
}

__kernel void
components_number (__global const uint *parents, __global const uint *counts, __global uint *ranks, const uint count, const uint chunk)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, count);
  uint n;

  if (begin >= count)
    return;
  n = counts[get_global_id (0)];
  for (uint i = begin; i < end; i++)
    if (parents[i] == i)
      ranks[i] = ++n;
}

__kernel void
components_label (__global const uint *parents, __global const uint *ranks, __global int *labels, const uint labels_at, const uint labels_pitch,
                  const uint w, const uint count, const uint chunk)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, count);

  for (uint i = begin; i < end; i++)
    {
      uint root = parents[i];

      if (root != COMPONENTS_NONE)
        while (parents[root] != root)
          root = parents[root];
      labels[labels_at + i / w * labels_pitch + i % w] = root == COMPONENTS_NONE ? 0 : (int) ranks[root];
    }
}

__kernel void
squares_set (__global uchar *bits, const uint bits_at, const uint bits_pitch, __global const float *x, const uint x_at, const uint x_pitch,
             const uint w, const uint side, const float least, const uint count, const uint chunk)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, count);

  for (uint i = begin; i < end; i++)
    {
      const uint row = i / w, column = i - row * w;
      float sum = 0.0f;

      /* One after the other: the host's sum has the same bits. */
      for (uint j = 0; j < side; j++)
        for (uint k = 0; k < side; k++)
          sum += x[x_at + (row * side + j) * x_pitch + column * side + k];
      bits[bits_at + row * bits_pitch + column] = sum >= least;
    }
}

__kernel void
conv_transposed_sum (__global float *y, const uint y_at, const uint y_pitch, __global const float *columns, __global const float *bias, const uint bias_at,
                     const uint h, const uint w, const uint out, const uint oh, const uint ow, const uint k, const uint stride, const uint pad,
                     const uint act, const uint count, const uint chunk)
{
  const uint begin = get_global_id (0) * chunk, end = min (begin + chunk, count);

  for (uint i = begin; i < end; i++)
    {
      const uint pixel = i / out, o = i - pixel * out, row = pixel / ow, image = row / oh;
      const uint oy = row - image * oh + pad, ox = pixel - row * ow + pad;
      float sum = bias[bias_at + o];

      /* Input row iy reaches output row iy * stride + ky. */
      for (uint ky = oy % stride; ky < k && ky <= oy; ky += stride)
        for (uint kx = ox % stride; kx < k && kx <= ox; kx += stride)
          {
            const uint iy = (oy - ky) / stride, ix = (ox - kx) / stride;

            if (iy < h && ix < w)
              sum += columns[(((ulong) image * h + iy) * w + ix) * k * k * out + (ky * k + kx) * out + o];
          }
      y[y_at + (ulong) pixel * y_pitch + o] = descry_activate (sum, act);
    }
}
