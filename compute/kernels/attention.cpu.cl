/* attention.cpu.cl - streaming attention, cpu family; host side in compute/ops/attention.c
 *
 * kernel             reads                                          writes                               launch
 * attention_stage_T  k, v f32 or f16 [kv, kv_heads * dim]           kt f32 [kv_heads][D][KV],            item 64 keys of a head: (KV / 64, kv_heads)
 *                                                                   vf f32 [kv_heads][KV][D]
 * attention_many     q f32 [q, heads * dim], kt, vf, bias           out f32 [q, heads * dim]             item 16 rows of a kv head: (rows / 16, kv_heads)
 * attention_few_T_G  q, k, v as they are                            parts f32, or out                    item a span of keys of a kv head: (spans, kv_heads, q)
 * attention_step_T_G qkv f32 [(heads + 2 kv_heads) * dim], table,   parts, or out if there is one span;  item a span of keys of a kv head: (spans, kv_heads)
 *                    caches                                         row past of the caches
 * attention_join     parts                                          out                                  item a head of a row: (heads, q)
 *
 * T is f32 or f16; D is dim rounded up to 32 and KV the keys rounded up to 64, both padded with zeros. Heads that share
 * keys (GQA) are rows of one item: row v of kv head h is query row v / group, head h * group + v % group.
 * A part is [D] weighted values, then the largest score, then the sum of weights.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define AT_ROWS 16 /* query rows of an item */
#define AT_KEYS 64 /* keys looked at together */
#define AT_DIM 256 /* largest head */

#define ATTENTION_VALUE_f32(p, i) (p)[i]
#define ATTENTION_VALUE_f16(p, i) vload_half (i, p)
#define ATTENTION_LOAD16_f32(p, i) vload16 (0, (p) + (i))
#define ATTENTION_LOAD16_f16(p, i) vload_half16 (0, (p) + (i))

#define ATTENTION_STAGE(T, LOAD)                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  attention_stage_##T (__global const LOAD *k, const uint k_at, const uint k_pitch, __global const LOAD *v, const uint v_at, const uint v_pitch, \
                       __global float *kt, __global float *vf, const uint keys, const uint dim, const uint kv_step) \
  {                                                                                                         \
    const uint first = get_global_id (0) * AT_KEYS, head = get_global_id (1);                               \
    const uint wide = (dim + 31) / 32 * 32, all = get_global_size (0) * AT_KEYS;                            \
    __global float *to_k = kt + (ulong) head * wide * all + first, *to_v = vf + ((ulong) head * all + first) * wide; \
                                                                                                            \
    for (uint i = 0; i < AT_KEYS; i++)                                                                      \
      {                                                                                                     \
        const uint row = first + i;                                                                         \
        const ulong from_k = k_at + (ulong) row * k_pitch + head * kv_step, from_v = v_at + (ulong) row * v_pitch + head * kv_step; \
                                                                                                            \
        for (uint d = 0; d < wide; d++)                                                                     \
          {                                                                                                 \
            const bool valid = row < keys && d < dim;                                                       \
                                                                                                            \
            to_k[(ulong) d * all + i] = valid ? ATTENTION_VALUE_##T (k, from_k + d) : 0.0f;                           \
            to_v[i * wide + d] = valid ? ATTENTION_VALUE_##T (v, from_v + d) : 0.0f;                                  \
          }                                                                                                 \
      }                                                                                                     \
  }

ATTENTION_STAGE (f32, float)
ATTENTION_STAGE (f16, half)

/* c[4][32] = a[4][n] . b[n][32], all but b private; added to what c holds times @keep of its row. */
inline void
attention_tile (float *c, const uint c_pitch, const float *a, const uint a_pitch, __global const float *b, const uint b_pitch, const uint n, const float *keep)
{
  float16 sum[4][2];

#pragma unroll
  for (uint r = 0; r < 4; r++)
    sum[r][0] = sum[r][1] = (float16) (0.0f);
  for (uint i = 0; i < n; i++)
    {
      const float16 b0 = vload16 (0, b + (ulong) i * b_pitch), b1 = vload16 (1, b + (ulong) i * b_pitch);

#pragma unroll
      for (uint r = 0; r < 4; r++)
        {
          sum[r][0] += a[r * a_pitch + i] * b0;
          sum[r][1] += a[r * a_pitch + i] * b1;
        }
    }
#pragma unroll
  for (uint r = 0; r < 4; r++)
    {
      if (keep != 0)
        {
          sum[r][0] += keep[r] * vload16 (0, c + r * c_pitch);
          sum[r][1] += keep[r] * vload16 (1, c + r * c_pitch);
        }
      vstore16 (sum[r][0], 0, c + r * c_pitch);
      vstore16 (sum[r][1], 1, c + r * c_pitch);
    }
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
attention_many (__global const float *q, const uint q_at, const uint q_pitch, __global const float *kt, __global const float *vf,
                __global float *out, const uint out_at, const uint out_pitch,
                __global const float *bias, const uint bias_at, const uint bias_pitch, const uint bias_head, const uint has_bias,
                const uint rows, const uint keys, const uint group, const uint dim, const float scale, const uint causal, const uint past)
{
  const uint first = get_global_id (0) * AT_ROWS, kv_head = get_global_id (1);
  const uint wide = (dim + 31) / 32 * 32, all = (keys + AT_KEYS - 1) / AT_KEYS * AT_KEYS;
  const uint virtual_rows = rows * group;
  __global const float *kh = kt + (ulong) kv_head * wide * all, *vh = vf + (ulong) kv_head * all * wide;
  float query[AT_ROWS * AT_DIM], sum[AT_ROWS * AT_DIM], score[AT_ROWS * AT_KEYS];
  float top[AT_ROWS], weight[AT_ROWS], keep[AT_ROWS];
  uint limit[AT_ROWS]; /* keys that the row sees */
  uint end = 0;

  for (uint r = 0; r < AT_ROWS; r++)
    {
      const uint row = min (first + r, virtual_rows - 1);
      __global const float *from = q + q_at + (ulong) (row / group) * q_pitch + (kv_head * group + row % group) * dim;

      for (uint d = 0; d < wide; d++)
        {
          query[r * wide + d] = d < dim ? from[d] * scale : 0.0f;
          sum[r * wide + d] = 0.0f;
        }
      top[r] = -INFINITY;
      weight[r] = 0.0f;
      limit[r] = causal ? min (keys, row / group + past + 1) : keys;
      end = max (end, limit[r]);
    }

  for (uint key = 0; key < end; key += AT_KEYS)
    {
      for (uint r = 0; r < AT_ROWS; r += 4)
        for (uint part = 0; part < AT_KEYS; part += 32)
          attention_tile (score + r * AT_KEYS + part, AT_KEYS, query + r * wide, wide, kh + key + part, all, dim, 0);

      for (uint r = 0; r < AT_ROWS; r++)
        {
          const uint row = min (first + r, virtual_rows - 1);
          const uint valid = min ((uint) AT_KEYS, max (limit[r], key) - key);
          float *s = score + r * AT_KEYS;
          float16 tops = (float16) (-INFINITY), sums = (float16) (0.0f);
          float above;

          if (has_bias)
            {
              __global const float *b = bias + bias_at + (ulong) (kv_head * group + row % group) * bias_head + (ulong) (row / group) * bias_pitch + key;

              for (uint i = 0; i < valid; i++)
                s[i] += b[i];
            }
          for (uint i = valid; i < AT_KEYS; i++)
            s[i] = -INFINITY;

#pragma unroll
          for (uint i = 0; i < AT_KEYS / 16; i++)
            tops = fmax (tops, vload16 (i, s));
          above = fmax (top[r], descry_max16 (tops));
          /* Nothing seen yet: any finite number serves, and exp (-inf) is 0. */
          if (above == -INFINITY)
            {
              keep[r] = 1.0f;
              above = 0.0f;
            }
          else
            {
              keep[r] = exp (top[r] - above);
              top[r] = above;
            }
#pragma unroll
          for (uint i = 0; i < AT_KEYS / 16; i++)
            {
              const float16 e = exp (vload16 (i, s) - above);

              sums += e;
              vstore16 (e, i, s);
            }
          weight[r] = weight[r] * keep[r] + descry_sum16 (sums);
        }

      for (uint r = 0; r < AT_ROWS; r += 4)
        for (uint d = 0; d < wide; d += 32)
          attention_tile (sum + r * wide + d, wide, score + r * AT_KEYS, AT_KEYS, vh + (ulong) key * wide + d, wide, AT_KEYS, keep + r);
    }

  for (uint r = 0; r < AT_ROWS && first + r < virtual_rows; r++)
    {
      const uint row = first + r;
      const float factor = weight[r] == 0.0f ? 0.0f : 1.0f / weight[r];
      __global float *to = out + out_at + (ulong) (row / group) * out_pitch + (kv_head * group + row % group) * dim;

      for (uint d = 0; d < dim; d++)
        to[d] = sum[r * wide + d] * factor;
    }
}

/* G heads that share keys are computed side by side: each key and value is loaded and widened once for them. */
/* Sums of neighbours: the first half x's, the second y's. Four rounds of it turn sixteen vectors into their sixteen sums. */
#define AT_PAIR(x, y) (float16) ((x).even + (x).odd, (y).even + (y).odd)

/* Keys first to last of one kv head, whose rows begin at k and v, for G query heads. Leaves sum[g] = values weighted by
 * exp (score - top[g]), and weight[g], the sum of the weights. */
#define ATTENTION_SPAN(T, LOAD, G)                                                                          \
  inline void                                                                                               \
  attention_span_##T##_##G (const float (*query)[AT_DIM], __global const LOAD *k, const uint k_pitch, __global const LOAD *v, const uint v_pitch, \
                            const uint first, const uint last, const uint dim, __global const float *bias, const uint bias_head, const uint has_bias, \
                            float (*sum)[AT_DIM], float *top, float *weight)                                \
  {                                                                                                         \
    for (uint g = 0; g < G; g++)                                                                            \
      {                                                                                                     \
        for (uint d = 0; d < dim; d++)                                                                      \
          sum[g][d] = 0.0f;                                                                                 \
        top[g] = -INFINITY;                                                                                 \
        weight[g] = 0.0f;                                                                                   \
      }                                                                                                     \
                                                                                                            \
    for (uint key = first; key < last; key += 16)                                                           \
      {                                                                                                     \
        const uint valid = min (16u, last - key);                                                           \
        float16 one[G], two[G], four[G], eight[G];                                                          \
        float score[G][16], keep[G];                                                                        \
                                                                                                            \
        _Pragma ("unroll") for (uint i = 0; i < 16; i++)                                                    \
          {                                                                                                 \
            __global const LOAD *from = k + (ulong) (key + min (i, valid - 1)) * k_pitch;                   \
            float16 dots[G];                                                                                \
                                                                                                            \
            _Pragma ("unroll") for (uint g = 0; g < G; g++)                                                 \
              dots[g] = (float16) (0.0f);                                                                   \
            for (uint d = 0; d + 16 <= dim; d += 16)                                                        \
              {                                                                                             \
                const float16 value = ATTENTION_LOAD16_##T (from, d);                                       \
                                                                                                            \
                _Pragma ("unroll") for (uint g = 0; g < G; g++)                                             \
                  dots[g] += vload16 (0, query[g] + d) * value;                                             \
              }                                                                                             \
            _Pragma ("unroll") for (uint g = 0; g < G; g++)                                                 \
              {                                                                                             \
                if (i % 2 == 0)                                                                             \
                  one[g] = dots[g];                                                                         \
                else if (i % 4 == 1)                                                                        \
                  two[g] = AT_PAIR (one[g], dots[g]);                                                       \
                else if (i % 8 == 3)                                                                        \
                  four[g] = AT_PAIR (two[g], (AT_PAIR (one[g], dots[g])));                                  \
                else if (i == 7)                                                                            \
                  eight[g] = AT_PAIR (four[g], (AT_PAIR (two[g], (AT_PAIR (one[g], dots[g])))));            \
                else                                                                                        \
                  one[g] = AT_PAIR (eight[g], (AT_PAIR (four[g], (AT_PAIR (two[g], (AT_PAIR (one[g], dots[g]))))))); \
              }                                                                                             \
          }                                                                                                 \
                                                                                                            \
        for (uint g = 0; g < G; g++)                                                                        \
          {                                                                                                 \
            float16 e;                                                                                      \
            float above;                                                                                    \
                                                                                                            \
            vstore16 (one[g], 0, score[g]);                                                                 \
            if (dim % 16 != 0)                                                                              \
              for (uint i = 0; i < valid; i++)                                                              \
                for (uint d = dim / 16 * 16; d < dim; d++)                                                  \
                  score[g][i] += query[g][d] * ATTENTION_VALUE_##T (k, (ulong) (key + i) * k_pitch + d);    \
            if (has_bias)                                                                                   \
              for (uint i = 0; i < valid; i++)                                                              \
                score[g][i] += bias[(ulong) g * bias_head + key + i];                                       \
            for (uint i = valid; i < 16; i++)                                                               \
              score[g][i] = -INFINITY;                                                                      \
            e = vload16 (0, score[g]);                                                                      \
            above = fmax (top[g], descry_max16 (e));                                                        \
                                                                                                            \
            /* Nothing seen yet: any finite number serves, exp (-inf) is 0, and NaN, the alarm, stays NaN. */\
            keep[g] = above == -INFINITY ? 1.0f : exp (top[g] - above);                                     \
            e = exp (e - (above == -INFINITY ? 0.0f : above));                                              \
            top[g] = above;                                                                                 \
            vstore16 (e, 0, score[g]);                                                                      \
            weight[g] = weight[g] * keep[g] + descry_sum16 (e);                                             \
          }                                                                                                 \
                                                                                                            \
        for (uint d = 0; d < dim; d += 16)                                                                  \
          if (d + 16 <= dim)                                                                                \
            {                                                                                               \
              float16 total[G];                                                                             \
                                                                                                            \
              _Pragma ("unroll") for (uint g = 0; g < G; g++)                                               \
                total[g] = keep[g] * vload16 (0, sum[g] + d);                                               \
              for (uint i = 0; i < valid; i++)                                                              \
                {                                                                                           \
                  const float16 value = ATTENTION_LOAD16_##T (v, (ulong) (key + i) * v_pitch + d);          \
                                                                                                            \
                  _Pragma ("unroll") for (uint g = 0; g < G; g++)                                           \
                    total[g] += score[g][i] * value;                                                        \
                }                                                                                           \
              _Pragma ("unroll") for (uint g = 0; g < G; g++)                                               \
                vstore16 (total[g], 0, sum[g] + d);                                                         \
            }                                                                                               \
          else                                                                                              \
            for (uint at = d; at < dim; at++)                                                               \
              for (uint g = 0; g < G; g++)                                                                  \
                {                                                                                           \
                  float total = keep[g] * sum[g][at];                                                       \
                                                                                                            \
                  for (uint i = 0; i < valid; i++)                                                          \
                    total += score[g][i] * ATTENTION_VALUE_##T (v, (ulong) (key + i) * v_pitch + at);       \
                  sum[g][at] = total;                                                                       \
                }                                                                                           \
      }                                                                                                     \
  }

/* What a span leaves: a part, or the result if there is only one. */
inline void
attention_leave (const float *sum, const float top, const float weight, __global float *part, __global float *out, const uint only, const uint dim)
{
  const uint wide = (dim + 31) / 32 * 32;
  const float factor = weight == 0.0f ? 0.0f : 1.0f / weight;

  if (only)
    for (uint d = 0; d < dim; d++)
      out[d] = sum[d] * factor;
  else
    {
      for (uint d = 0; d < dim; d++)
        part[d] = sum[d];
      part[wide] = top;
      part[wide + 1] = weight;
    }
}

#define ATTENTION_FEW(T, LOAD, G)                                                                           \
  ATTENTION_SPAN (T, LOAD, G)                                                                               \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  attention_few_##T##_##G (__global const float *q, const uint q_at, const uint q_pitch,                    \
                           __global const LOAD *k, const uint k_at, const uint k_pitch, __global const LOAD *v, const uint v_at, const uint v_pitch,\
                           __global float *parts, __global float *out, const uint out_at, const uint out_pitch, \
                           __global const float *bias, const uint bias_at, const uint bias_pitch, const uint bias_head, const uint has_bias,\
                           const uint rows, const uint keys, const uint group, const uint dim, const float scale, const uint causal, const uint past, const uint span, const uint kv_step)\
  {                                                                                                         \
    const uint part = get_global_id (0), spans = get_global_size (0), kv_head = get_global_id (1), heads = get_global_size (1) * group, row = get_global_id (2);\
    const uint limit = causal ? min (keys, row + past + 1) : keys;                                          \
    const uint first = part * span, last = min (first + span, limit);                                       \
    const uint wide = (dim + 31) / 32 * 32;                                                                 \
                                                                                                            \
    for (uint g0 = 0; g0 < group; g0 += G)                                                                  \
      {                                                                                                     \
        const uint head = kv_head * group + g0;                                                             \
        float query[G][AT_DIM], sum[G][AT_DIM], top[G], weight[G];                                          \
                                                                                                            \
        for (uint g = 0; g < G; g++)                                                                        \
          for (uint d = 0; d < dim; d++)                                                                    \
            query[g][d] = q[q_at + (ulong) row * q_pitch + (head + g) * dim + d] * scale;                   \
        attention_span_##T##_##G (query, k + k_at + (ulong) kv_head * kv_step, k_pitch, v + v_at + (ulong) kv_head * kv_step, v_pitch, first, last, dim, \
                                  bias + bias_at + (ulong) head * bias_head + (ulong) row * bias_pitch, bias_head, has_bias, sum, top, weight); \
        for (uint g = 0; g < G; g++)                                                                        \
          attention_leave (sum[g], top[g], weight[g], parts + (((ulong) row * heads + head + g) * spans + part) * (wide + 16), \
                           out + out_at + (ulong) row * out_pitch + (head + g) * dim, spans == 1, dim);     \
      }                                                                                                     \
  }                                                                                                         \
                                                                                                            \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  attention_step_##T##_##G (__global const float *qkv, __global const float *table, __global const float *q_norm, __global const float *k_norm, \
                            __global LOAD *k, __global LOAD *v, __global float *parts, __global float *out, const uint16 shape, const float eps, const float scale) \
  {                                                                                                         \
    const uint qkv_at = shape.s0, table_at = shape.s1, q_norm_at = shape.s2, k_norm_at = shape.s3, k_at = shape.s4, k_pitch = shape.s5, v_at = shape.s6, v_pitch = shape.s7; \
    const uint kv_step = shape.s8, out_at = shape.s9, past = shape.sa, group = shape.sb, dim = shape.sc, pairs = shape.sd, flags = shape.se, span = shape.sf; \
    const uint part = get_global_id (0), spans = get_global_size (0), kv_head = get_global_id (1), kv_heads = get_global_size (1), heads = kv_heads * group; \
    const uint first = part * span, last = min (first + span, past + 1), wide = (dim + 31) / 32 * 32;       \
    __global const float *turn = table + table_at + (ulong) past * 2 * pairs;                               \
    __global LOAD *keys = k + k_at + (ulong) kv_head * kv_step, *values = v + v_at + (ulong) kv_head * kv_step; \
                                                                                                            \
    /* The row's own key and value belong to the last span, whose item writes them before it reads them. */ \
    if (last == past + 1)                                                                                   \
      {                                                                                                     \
        float key[AT_DIM];                                                                                  \
                                                                                                            \
        attention_turn (key, qkv + qkv_at + (heads + kv_head) * dim, turn, k_norm + k_norm_at, dim, pairs, flags, eps, 1.0f); \
        for (uint d = 0; d < dim; d++)                                                                      \
          {                                                                                                 \
            ATTENTION_PUT_##T (key[d], (ulong) past * k_pitch + d, keys);                                   \
            ATTENTION_PUT_##T (qkv[qkv_at + (heads + kv_heads + kv_head) * dim + d], (ulong) past * v_pitch + d, values); \
          }                                                                                                 \
      }                                                                                                     \
                                                                                                            \
    for (uint g0 = 0; g0 < group; g0 += G)                                                                  \
      {                                                                                                     \
        const uint head = kv_head * group + g0;                                                             \
        float query[G][AT_DIM], sum[G][AT_DIM], top[G], weight[G];                                          \
                                                                                                            \
        for (uint g = 0; g < G; g++)                                                                        \
          attention_turn (query[g], qkv + qkv_at + (head + g) * dim, turn, q_norm + q_norm_at, dim, pairs, flags, eps, scale); \
        attention_span_##T##_##G (query, keys, k_pitch, values, v_pitch, first, last, dim, qkv, 0, 0, sum, top, weight); \
        for (uint g = 0; g < G; g++)                                                                        \
          attention_leave (sum[g], top[g], weight[g], parts + (((ulong) head + g) * spans + part) * (wide + 16), \
                           out + out_at + (head + g) * dim, spans == 1, dim);                               \
      }                                                                                                     \
  }

#define ATTENTION_PUT_f32(v, i, p) (p)[i] = (v)
#define ATTENTION_PUT_f16(v, i, p) vstore_half (v, i, p)
#define TURN_HALVES 1
#define TURN_NORM 2

/* One head, out of place: norm, rotation, scale. */
inline void
attention_turn (float *to, __global const float *x, __global const float *turn, __global const float *weight, const uint dim, const uint pairs, const uint flags, const float eps,
                const float scale)
{
  float factor = scale;

  if (flags & TURN_NORM)
    {
      float power = 0.0f;

      for (uint d = 0; d < dim; d++)
        power += x[d] * x[d];
      factor *= 1.0f / sqrt (power / dim + eps);
    }
  for (uint d = 0; d < dim; d++)
    to[d] = x[d] * (flags & TURN_NORM ? factor * weight[d] : factor);
  for (uint i = 0; i < pairs; i++)
    {
      const float c = turn[i], s = turn[pairs + i];
      const uint a = flags & TURN_HALVES ? i : 2 * i, b = flags & TURN_HALVES ? i + pairs : 2 * i + 1;
      const float u = to[a], w = to[b];

      to[a] = u * c - w * s;
      to[b] = u * s + w * c;
    }
}

ATTENTION_FEW (f32, float, 1)
ATTENTION_FEW (f32, float, 2)
ATTENTION_FEW (f32, float, 3)
ATTENTION_FEW (f32, float, 4)
ATTENTION_FEW (f16, half, 1)
ATTENTION_FEW (f16, half, 2)
ATTENTION_FEW (f16, half, 3)
ATTENTION_FEW (f16, half, 4)

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
attention_join (__global const float *parts, __global float *out, const uint out_at, const uint out_pitch, const uint spans, const uint dim)
{
  const uint head = get_global_id (0), heads = get_global_size (0), row = get_global_id (1);
  const uint wide = (dim + 31) / 32 * 32;
  __global const float *from = parts + ((ulong) row * heads + head) * spans * (wide + 16);
  __global float *to = out + out_at + (ulong) row * out_pitch + head * dim;
  float top = -INFINITY, weight = 0.0f, factor;

  for (uint i = 0; i < spans; i++)
    top = fmax (top, from[i * (wide + 16) + wide]);
  if (top == -INFINITY)
    top = 0.0f;
  for (uint i = 0; i < spans; i++)
    weight += from[i * (wide + 16) + wide + 1] * exp (from[i * (wide + 16) + wide] - top);
  factor = weight == 0.0f ? 0.0f : 1.0f / weight;

  for (uint d = 0; d < dim; d++)
    to[d] = 0.0f;
  for (uint i = 0; i < spans; i++)
    {
      const float share = exp (from[i * (wide + 16) + wide] - top) * factor;

      for (uint d = 0; d < dim; d++)
        to[d] += share * from[i * (wide + 16) + d];
    }
}
