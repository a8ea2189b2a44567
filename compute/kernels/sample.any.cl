/* sample.any.cl - drawing a token from logits, and forgetting the oldest part of a KV cache; host side in compute/ops/sample.c
 *
 * kernel    reads                                            writes                        launch
 * sample    logits f32 [n]                                   weights f32 [n] (scratch),    one group: cpu 1 item, gpu 64
 *                                                            token i32 [1]
 * slide_T   k, v f32 or f16 [rows, kv_heads * dim], table    rows keep... of k and v       item some dimensions of a head: (kv_heads, lanes):
 *           f32 [position][cos.., sin..]                                                   cpu 1 lane, gpu 32
 *
 * sample: weights are exp ((logit - largest) / temperature); of these the likeliest are kept that reach the share top_p
 * (all that are equal to the last of them), and the first in the order of ids where the sum passes draw * sum is told; -1 if
 * a logit is not finite.
 * slide: row r + drop becomes row r, for r from keep on; k turned back by drop positions, so that its position is r.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#if DESCRY_CPU
#define SAMPLE_LANES 1
#define SAMPLE_SUM(part, lane, v) (v)
#define SAMPLE_MAX(part, lane, v) (v)
#else
#define SAMPLE_LANES TREE
#define SAMPLE_SUM(part, lane, v) descry_tree_sum (part, lane, v)
#define SAMPLE_MAX(part, lane, v) descry_tree_max (part, lane, v)
#endif

/* Of those in [first, last) that are at least @least. */
inline float
sample_sum (__global const float *w, const uint first, const uint last, const float least)
{
  float sum = 0.0f;
  uint i = first;

#if DESCRY_CPU
  float16 sums = (float16) (0.0f);

  for (; i + 16 <= last; i += 16)
    {
      const float16 v = vload16 (0, w + i);

      sums += select ((float16) (0.0f), v, v >= (float16) (least));
    }
  sum = descry_sum16 (sums);
#endif
  for (; i < last; i++)
    sum += w[i] >= least ? w[i] : 0.0f;

  return sum;
}

__kernel __attribute__ ((reqd_work_group_size (SAMPLE_LANES, 1, 1))) void
sample (__global const float *logits, const uint logits_at, __global float *weights, const uint weights_at, __global int *token, const uint token_at,
        const uint n, const float temperature, const float top_p, const float draw)
{
  __local float part[SAMPLE_LANES];
  __local float before[SAMPLE_LANES];
  __local int chosen;
  const uint lane = get_local_id (0), size = (n + SAMPLE_LANES - 1) / SAMPLE_LANES;
  const uint first = min (lane * size, n), last = min (first + size, n);
  __global const float *x = logits + logits_at;
  __global float *w = weights + weights_at;
  float top = -INFINITY, sum = 0.0f, own, least = 0.0f, rest;
  int at = -1;
  uint i = first;

#if DESCRY_CPU
  float16 tops = (float16) (-INFINITY);

  for (; i + 16 <= last; i += 16)
    tops = fmax (tops, vload16 (0, x + i));
  top = descry_max16 (tops);
#endif
  for (; i < last; i++)
    top = fmax (top, x[i]);
  top = SAMPLE_MAX (part, lane, top);

  i = first;
#if DESCRY_CPU
  for (; i + 16 <= last; i += 16)
    vstore16 (exp ((vload16 (0, x + i) - top) / temperature), 0, w + i);
#endif
  for (; i < last; i++)
    w[i] = exp ((x[i] - top) / temperature);
  /* A NaN is never at least 0: it must reach the sum. */
  for (i = first; i < last; i++)
    sum += w[i];
  sum = SAMPLE_SUM (part, lane, sum);

  if (isfinite (sum) && top_p > 0.0f && top_p < 1.0f)
    {
      /* The largest number whose peers and betters reach the share: by its bits, which are in the order of positive floats. */
      uint low = 0, high = as_uint (1.0f) + 1;

      while (high - low > 1)
        {
          const uint middle = low + (high - low) / 2;

          if (SAMPLE_SUM (part, lane, sample_sum (w, first, last, as_float (middle))) >= top_p * sum)
            low = middle;
          else
            high = middle;
        }
      least = as_float (low);
    }

  own = sample_sum (w, first, last, least);
  before[lane] = own;
  if (lane == 0)
    chosen = -1;
  barrier (CLK_LOCAL_MEM_FENCE);
  rest = 0.0f;
  for (i = 0; i < SAMPLE_LANES; i++)
    rest += before[i];
  rest *= draw;
  for (i = 0; i < lane; i++)
    rest -= before[i];

  if (rest >= 0.0f && rest < own)
    {
      for (i = first; i < last; i++)
        if (w[i] >= least && w[i] > 0.0f)
          {
            at = (int) i; /* the last one, should rounding leave a rest */
            if (rest < w[i])
              break;
            rest -= w[i];
          }
      chosen = at;
    }
  barrier (CLK_LOCAL_MEM_FENCE);

  if (lane == 0)
    {
      at = chosen;
      /* Rounding between the lanes: the last of all. */
      if (at < 0)
        for (i = n; i > 0 && at < 0; i--)
          at = w[i - 1] >= least && w[i - 1] > 0.0f ? (int) i - 1 : -1;
      token[token_at] = isfinite (sum) ? at : -1;
    }
}

#define SLIDE_GET_f32(p, i) (p)[i]
#define SLIDE_GET_f16(p, i) vload_half (i, p)
#define SLIDE_PUT_f32(v, i, p) (p)[i] = (v)
#define SLIDE_PUT_f16(v, i, p) vstore_half (v, i, p)

/* One item moves its dimensions of all rows, the first row first, so that nothing is overwritten before it is read. */
#define SLIDE(T, STORE)                                                                                     \
  __kernel void                                                                                             \
  slide_##T (__global STORE *k, const uint k_at, const uint k_pitch, __global STORE *v, const uint v_at, const uint v_pitch, \
             __global const float *table, const uint table_at, const uint rows, const uint keep, const uint drop, \
             const uint kv_heads, const uint dim, const uint pairs, const uint halves, const uint kv_step)  \
  {                                                                                                         \
    const uint head = get_global_id (0), lane = get_global_id (1), lanes = get_global_size (1);             \
    __global const float *turn = table + table_at + (ulong) drop * 2 * pairs;                               \
                                                                                                            \
    if (head >= kv_heads)                                                                                   \
      return;                                                                                               \
    for (uint row = keep; row + drop < rows; row++)                                                         \
      {                                                                                                     \
        const ulong k_from = k_at + (ulong) (row + drop) * k_pitch + head * kv_step, k_to = k_at + (ulong) row * k_pitch + head * kv_step; \
        const ulong v_from = v_at + (ulong) (row + drop) * v_pitch + head * kv_step, v_to = v_at + (ulong) row * v_pitch + head * kv_step; \
                                                                                                            \
        for (uint i = lane; i < pairs; i += lanes)                                                          \
          {                                                                                                 \
            const uint a = halves ? i : 2 * i, b = halves ? i + pairs : 2 * i + 1;                          \
            const float c = turn[i], s = turn[pairs + i], x = SLIDE_GET_##T (k, k_from + a), y = SLIDE_GET_##T (k, k_from + b); \
                                                                                                            \
            SLIDE_PUT_##T (x * c + y * s, k_to + a, k);                                                     \
            SLIDE_PUT_##T (y * c - x * s, k_to + b, k);                                                     \
          }                                                                                                 \
        for (uint i = 2 * pairs + lane; i < dim; i += lanes)                                                \
          SLIDE_PUT_##T (SLIDE_GET_##T (k, k_from + i), k_to + i, k);                                       \
        for (uint i = lane; i < dim; i += lanes)                                                            \
          SLIDE_PUT_##T (SLIDE_GET_##T (v, v_from + i), v_to + i, v);                                       \
      }                                                                                                     \
  }

SLIDE (f32, float)
SLIDE (f16, half)
