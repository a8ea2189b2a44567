/* elementwise.any.cl - element by element, copies, argmax; host side in compute/ops/elementwise.c
 *
 * Tensors are rows x cols with a pitch; an item takes row_chunk x col_chunk elements (cpu family: some
 * thousands; gpu family: 1 x 1). A pitch of 0 reads one row again and again.
 *
 * kernel               reads                        writes
 * el_copy_words        x 32 bit                     y 32 bit
 * el_copy_halves       x 16 bit                     y 16 bit
 * el_copy_bytes        x 8 bit                      y 8 bit
 * el_copy_float_half   x f32                        y f16
 * el_copy_half_float   x f16                        y f32
 * el_fill_float/_half  -                            y = value
 * el_activate          x f32                        y = act (x)
 * el_add, el_mul       a, b f32                     y = act (a + b), a * b
 * el_scale             x f32                        y = x * factor
 * el_swiglu            gate, up f32                 y = silu (gate) * up
 * el_argmax_part       x f32 [rows, cols]           best value and index of each part, [rows, parts]
 * el_argmax_whole      the parts                    index i32 [rows], y_step apart
 *
 * Launch: (cols / col_chunk, rows / row_chunk), local (1, 1) or (64, 1); el_argmax_part (parts, rows),
 * el_argmax_whole (rows).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define EACH_ROW                                                                  \
  const uint c0 = get_global_id (0) * col_chunk;                                  \
  const uint c1 = min (c0 + col_chunk, cols);                                     \
  const uint r0 = get_global_id (1) * row_chunk;                                  \
  const uint r1 = min (r0 + row_chunk, rows);                                     \
  for (uint r = r0; r < r1; r++)

#define COPY(name, from, to)                                                      \
  __kernel void name (__global const from *x, const uint x_at, const uint x_pitch, \
                      __global to *y, const uint y_at, const uint y_pitch,        \
                      const uint rows, const uint cols, const uint row_chunk, const uint col_chunk) \
  {                                                                               \
    EACH_ROW                                                                      \
      for (uint c = c0; c < c1; c++)                                              \
        y[y_at + r * y_pitch + c] = x[x_at + r * x_pitch + c];                    \
  }

COPY (el_copy_words, uint, uint)
COPY (el_copy_halves, ushort, ushort)
COPY (el_copy_bytes, uchar, uchar)

__kernel void
el_copy_float_half (__global const float *x, const uint x_at, const uint x_pitch, __global half *y, const uint y_at, const uint y_pitch,
                 const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    {
      uint c = c0;

#if DESCRY_CPU
      for (; c + 16 <= c1; c += 16)
        vstore_half16 (vload16 (0, x + x_at + r * x_pitch + c), 0, y + y_at + r * y_pitch + c);
#endif
      for (; c < c1; c++)
        vstore_half (x[x_at + r * x_pitch + c], y_at + r * y_pitch + c, y);
    }
}

__kernel void
el_copy_half_float (__global const half *x, const uint x_at, const uint x_pitch, __global float *y, const uint y_at, const uint y_pitch,
                 const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    {
      uint c = c0;

#if DESCRY_CPU
      for (; c + 16 <= c1; c += 16)
        vstore16 (vload_half16 (0, x + x_at + r * x_pitch + c), 0, y + y_at + r * y_pitch + c);
#endif
      for (; c < c1; c++)
        y[y_at + r * y_pitch + c] = vload_half (x_at + r * x_pitch + c, x);
    }
}

__kernel void
el_fill_float (__global float *y, const uint y_at, const uint y_pitch, const float value, const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    for (uint c = c0; c < c1; c++)
      y[y_at + r * y_pitch + c] = value;
}

__kernel void
el_fill_half (__global half *y, const uint y_at, const uint y_pitch, const float value, const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    for (uint c = c0; c < c1; c++)
      vstore_half (value, y_at + r * y_pitch + c, y);
}

__kernel void
el_activate (__global const float *x, const uint x_at, const uint x_pitch, __global float *y, const uint y_at, const uint y_pitch,
          const uint act, const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    {
      uint c = c0;

#if DESCRY_CPU
      for (; c + 16 <= c1; c += 16)
        descry_store16 (y + y_at + r * y_pitch + c, descry_activate16 (vload16 (0, x + x_at + r * x_pitch + c), act));
#endif
      for (; c < c1; c++)
        y[y_at + r * y_pitch + c] = descry_activate (x[x_at + r * x_pitch + c], act);
    }
}

__kernel void
el_add (__global const float *a, const uint a_at, const uint a_pitch, __global const float *b, const uint b_at, const uint b_pitch,
     __global float *y, const uint y_at, const uint y_pitch,
     const uint act, const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    {
      uint c = c0;

#if DESCRY_CPU
      for (; c + 16 <= c1; c += 16)
        vstore16 (descry_activate16 (vload16 (0, a + a_at + r * a_pitch + c) + vload16 (0, b + b_at + r * b_pitch + c), act),
                  0, y + y_at + r * y_pitch + c);
#endif
      for (; c < c1; c++)
        y[y_at + r * y_pitch + c] = descry_activate (a[a_at + r * a_pitch + c] + b[b_at + r * b_pitch + c], act);
    }
}

__kernel void
el_mul (__global const float *a, const uint a_at, const uint a_pitch, __global const float *b, const uint b_at, const uint b_pitch,
     __global float *y, const uint y_at, const uint y_pitch,
     const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    {
      uint c = c0;

#if DESCRY_CPU
      for (; c + 16 <= c1; c += 16)
        vstore16 (vload16 (0, a + a_at + r * a_pitch + c) * vload16 (0, b + b_at + r * b_pitch + c), 0, y + y_at + r * y_pitch + c);
#endif
      for (; c < c1; c++)
        y[y_at + r * y_pitch + c] = a[a_at + r * a_pitch + c] * b[b_at + r * b_pitch + c];
    }
}

__kernel void
el_scale (__global const float *x, const uint x_at, const uint x_pitch, __global float *y, const uint y_at, const uint y_pitch,
       const float factor, const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    for (uint c = c0; c < c1; c++)
      y[y_at + r * y_pitch + c] = factor * x[x_at + r * x_pitch + c];
}

__kernel void
el_swiglu (__global const float *a, const uint a_at, const uint a_pitch, __global const float *b, const uint b_at, const uint b_pitch,
        __global float *y, const uint y_at, const uint y_pitch,
        const uint rows, const uint cols, const uint row_chunk, const uint col_chunk)
{
  EACH_ROW
    {
      uint c = c0;

#if DESCRY_CPU
      for (; c + 16 <= c1; c += 16)
        {
          const float16 g = vload16 (0, a + a_at + r * a_pitch + c);

          vstore16 (g / (1.0f + exp (-g)) * vload16 (0, b + b_at + r * b_pitch + c), 0, y + y_at + r * y_pitch + c);
        }
#endif
      for (; c < c1; c++)
        {
          const float g = a[a_at + r * a_pitch + c];

          y[y_at + r * y_pitch + c] = g / (1.0f + exp (-g)) * b[b_at + r * b_pitch + c];
        }
    }
}

__kernel void
el_argmax_part (__global const float *x, const uint x_at, const uint x_pitch, __global float *best, const uint best_at,
             __global uint *index, const uint index_at, const uint rows, const uint cols, const uint parts)
{
  const uint part = get_global_id (0), r = get_global_id (1);
  const uint size = (cols + parts - 1) / parts;
  const uint first = part * size, last = min (first + size, cols);
  __global const float *row = x + x_at + r * x_pitch;
  float top = -INFINITY;
  uint at = min (first, cols - 1);
  uint c = first;

  if (part >= parts || r >= rows)
    return;

#if DESCRY_CPU
  /* The largest of each sixteen; only where it beats the best so far does anyone look closer. */
  for (; c + 16 <= last; c += 16)
    {
      const float16 v = vload16 (0, row + c);

      if (descry_max16 (v) > top)
        for (uint i = 0; i < 16; i++)
          if (row[c + i] > top)
            {
              top = row[c + i];
              at = c + i;
            }
    }
#endif
  for (; c < last; c++)
    if (row[c] > top)
      {
        top = row[c];
        at = c;
      }

  best[best_at + r * parts + part] = top;
  index[index_at + r * parts + part] = at;
}

__kernel void
el_argmax_whole (__global const float *best, const uint best_at, __global const uint *index, const uint index_at,
              __global uint *y, const uint y_at, const uint y_step, const uint rows, const uint parts)
{
  const uint r = get_global_id (0);
  float top = -INFINITY;
  uint at;

  if (r >= rows)
    return;

  at = index[index_at + r * parts];
  for (uint part = 0; part < parts; part++)
    if (best[best_at + r * parts + part] > top)
      {
        top = best[best_at + r * parts + part];
        at = index[index_at + r * parts + part];
      }
  y[y_at + r * y_step] = at;
}
