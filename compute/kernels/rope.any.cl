/* rope.any.cl - rotary positions, KV cache; host side in compute/ops/attention.c
 *
 * kernel    reads                                              writes                     launch
 * rope      x f32 [rows, heads * dim], freqs f32 [pairs]       x                          (lanes, rows): cpu 1 lane, gpu 64
 * rotate_T  x f32 [rows, (heads + 2 kv) * dim]: q, k, v side   q in place; cache rows     item a head of a row: (heads + 2 kv, rows)
 *           by side; table f32 [position][cos.., sin..]        first.. of k and v
 *
 * T is the type of the caches, f32 or f16. Flags: 1 halves (pairs are i and i + pairs, not neighbours), 2 each head of
 * q and k is divided by its RMS and multiplied with its norm's weight first.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define ROTATE_HALVES 1
#define ROTATE_NORM 2

__kernel void
rope (__global float *x, const uint x_at, const uint x_pitch, __global const float *freqs, const uint freqs_at,
      const uint rows, const uint heads, const uint dim, const uint pairs, const uint first, const uint halves)
{
  const uint row = get_global_id (1), lanes = get_global_size (0);

  for (uint i = get_global_id (0); i < pairs && row < rows; i += lanes)
    {
      const float angle = (float) (first + row) * freqs[freqs_at + i];
      const float c = cos (angle), s = sin (angle);
      const uint a = halves ? i : 2 * i, b = halves ? i + pairs : 2 * i + 1;

      for (uint head = 0; head < heads; head++)
        {
          __global float *at = x + x_at + (ulong) row * x_pitch + head * dim;
          const float u = at[a], v = at[b];

          at[a] = u * c - v * s;
          at[b] = u * s + v * c;
        }
    }
}

#define ROTATE_PUT_f32(v, i, p) (p)[i] = (v)
#define ROTATE_PUT_f16(v, i, p) vstore_half (v, i, p)
#define ROTATE_PUT16_f32(v, i, p) vstore16 (v, 0, (p) + (i))
#define ROTATE_PUT16_f16(v, i, p) vstore_half16 (v, 0, (p) + (i))

/* One head: norm, then rotation, in place. */
inline void
rotate_head (__global float *x, __global const float *table, __global const float *weight, const uint dim, const uint pairs, const uint flags, const float eps)
{
  uint i = 0;

  if (flags & ROTATE_NORM)
    {
      float power = 0.0f;

      for (uint d = 0; d < dim; d++)
        power += x[d] * x[d];
      power = 1.0f / sqrt (power / dim + eps);
      for (uint d = 0; d < dim; d++)
        x[d] *= power * weight[d];
    }

#if DESCRY_CPU
  for (; i + 8 <= pairs; i += 8)
    {
      const float8 c = vload8 (0, table + i), s = vload8 (0, table + pairs + i);

      if (flags & ROTATE_HALVES)
        {
          const float8 u = vload8 (0, x + i), v = vload8 (0, x + pairs + i);

          vstore8 (u * c - v * s, 0, x + i);
          vstore8 (u * s + v * c, 0, x + pairs + i);
        }
      else
        {
          const float16 both = vload16 (0, x + 2 * i);
          const float8 u = both.even, v = both.odd;
          float16 turned;

          turned.even = u * c - v * s;
          turned.odd = u * s + v * c;
          vstore16 (turned, 0, x + 2 * i);
        }
    }
#endif
  for (; i < pairs; i++)
    {
      const float c = table[i], s = table[pairs + i];
      const uint a = flags & ROTATE_HALVES ? i : 2 * i, b = flags & ROTATE_HALVES ? i + pairs : 2 * i + 1;
      const float u = x[a], v = x[b];

      x[a] = u * c - v * s;
      x[b] = u * s + v * c;
    }
}

#define ROTATE(T, STORE)                                                                                    \
  __kernel void                                                                                             \
  rotate_##T (__global float *x, const uint x_at, const uint x_pitch, __global const float *table, const uint table_at, \
              __global const float *q_norm, const uint q_norm_at, __global const float *k_norm, const uint k_norm_at, \
              __global STORE *k, const uint k_at, const uint k_pitch, __global STORE *v, const uint v_at, const uint v_pitch, \
              const uint rows, const uint heads, const uint kv_heads, const uint dim, const uint pairs, const uint first, const uint flags, const float eps, const uint kv_step) \
  {                                                                                                         \
    const uint head = get_global_id (0), row = get_global_id (1);                                           \
    __global float *at = x + x_at + (ulong) row * x_pitch + head * dim;                                     \
    __global STORE *cache = head < heads + kv_heads ? k : v;                                                \
    uint d = 0;                                                                                             \
    ulong to;                                                                                               \
                                                                                                            \
    if (head >= heads + 2 * kv_heads || row >= rows)                                                        \
      return;                                                                                               \
    if (head < heads + kv_heads)                                                                            \
      rotate_head (at, table + table_at + (ulong) (first + row) * 2 * pairs, head < heads ? q_norm + q_norm_at : k_norm + k_norm_at, dim, pairs, flags, eps); \
    if (head < heads)                                                                                       \
      return;                                                                                               \
                                                                                                            \
    to = head < heads + kv_heads ? k_at + (ulong) (first + row) * k_pitch + (head - heads) * kv_step            \
                                 : v_at + (ulong) (first + row) * v_pitch + (head - heads - kv_heads) * kv_step; \
    if (DESCRY_CPU)                                                                                         \
      for (; d + 16 <= dim; d += 16)                                                                        \
        ROTATE_PUT16_##T (vload16 (0, at + d), to + d, cache);                                              \
    for (; d < dim; d++)                                                                                    \
      ROTATE_PUT_##T (at[d], to + d, cache);                                                                \
  }

ROTATE (f32, float)
ROTATE (f16, half)
