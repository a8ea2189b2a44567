/* attention.cpu.cl - streaming attention, cpu family; host side in compute/ops/attention.c
 *
 * kernel             reads                                          writes                               launch
 * attention_stage_T  k, v f32 or f16 [kv, kv_heads * dim]           kt f32 [kv_heads][D][KV],            item 64 keys of a head: (KV / 64, kv_heads)
 *                                                                   vf f32 [kv_heads][KV][D]
 * attention_many     q f32 [q, heads * dim], kt, vf, bias           out f32 [q, heads * dim]             item 16 rows of a kv head: (rows / 16, kv_heads)
 * attention_few_T    q, k, v as they are                            parts f32                            item a span of keys of a kv head: (spans, kv_heads, q)
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
                       __global float *kt, __global float *vf, const uint keys, const uint dim)             \
  {                                                                                                         \
    const uint first = get_global_id (0) * AT_KEYS, head = get_global_id (1);                               \
    const uint wide = (dim + 31) / 32 * 32, all = get_global_size (0) * AT_KEYS;                            \
    __global float *to_k = kt + (ulong) head * wide * all + first, *to_v = vf + ((ulong) head * all + first) * wide; \
                                                                                                            \
    for (uint i = 0; i < AT_KEYS; i++)                                                                      \
      {                                                                                                     \
        const uint row = first + i;                                                                         \
        const ulong from_k = k_at + (ulong) row * k_pitch + head * dim, from_v = v_at + (ulong) row * v_pitch + head * dim; \
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

#define ATTENTION_FEW(T, LOAD)                                                                              \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void                                            \
  attention_few_##T (__global const float *q, const uint q_at, const uint q_pitch,                          \
                     __global const LOAD *k, const uint k_at, const uint k_pitch, __global const LOAD *v, const uint v_at, const uint v_pitch, \
                     __global float *parts,                                                                 \
                     __global const float *bias, const uint bias_at, const uint bias_pitch, const uint bias_head, const uint has_bias, \
                     const uint rows, const uint keys, const uint group, const uint dim, const float scale, const uint causal, const uint past, const uint span) \
  {                                                                                                         \
    const uint part = get_global_id (0), spans = get_global_size (0), kv_head = get_global_id (1), heads = get_global_size (1) * group, row = get_global_id (2); \
    const uint limit = causal ? min (keys, row + past + 1) : keys;                                          \
    const uint first = part * span, last = min (first + span, limit);                                       \
    const uint wide = (dim + 31) / 32 * 32;                                                                 \
                                                                                                            \
    for (uint g = 0; g < group; g++)                                                                        \
      {                                                                                                     \
        const uint head = kv_head * group + g;                                                              \
        __global float *to = parts + (((ulong) row * heads + head) * spans + part) * (wide + 16);           \
        __global const float *b = bias + bias_at + (ulong) head * bias_head + (ulong) row * bias_pitch;     \
        float query[AT_DIM], sum[AT_DIM];                                                                   \
        float top = -INFINITY, weight = 0.0f;                                                               \
                                                                                                            \
        for (uint d = 0; d < wide; d++)                                                                     \
          {                                                                                                 \
            query[d] = d < dim ? q[q_at + (ulong) row * q_pitch + head * dim + d] * scale : 0.0f;           \
            sum[d] = 0.0f;                                                                                  \
          }                                                                                                 \
                                                                                                            \
        for (uint key = first; key < last; key += 16)                                                       \
          {                                                                                                 \
            const uint valid = min (16u, last - key);                                                       \
            float score[16], above;                                                                         \
            float16 e;                                                                                      \
                                                                                                            \
            for (uint i = 0; i < 16; i++)                                                                   \
              {                                                                                             \
                const ulong from = k_at + (ulong) (key + min (i, valid - 1)) * k_pitch + kv_head * dim;     \
                float16 dots = (float16) (0.0f);                                                            \
                float rest = 0.0f;                                                                          \
                uint d = 0;                                                                                 \
                                                                                                            \
                for (; d + 16 <= dim; d += 16)                                                              \
                  dots += vload16 (0, query + d) * ATTENTION_LOAD16_##T (k, from + d);                      \
                for (; d < dim; d++)                                                                        \
                  rest += query[d] * ATTENTION_VALUE_##T (k, from + d);                                     \
                score[i] = i < valid ? rest + descry_sum16 (dots) + (has_bias ? b[key + i] : 0.0f) : -INFINITY; \
              }                                                                                             \
                                                                                                            \
            e = vload16 (0, score);                                                                         \
            above = fmax (top, descry_max16 (e));                                                           \
            if (above != -INFINITY)                                                                         \
              {                                                                                             \
                const float keep = exp (top - above);                                                       \
                                                                                                            \
                top = above;                                                                                \
                e = exp (e - above);                                                                        \
                vstore16 (e, 0, score);                                                                     \
                weight = weight * keep + descry_sum16 (e);                                                  \
                                                                                                            \
                for (uint d = 0; d < dim; d += 16)                                                          \
                  if (d + 16 <= dim)                                                                        \
                    {                                                                                       \
                      float16 total = keep * vload16 (0, sum + d);                                          \
                                                                                                            \
                      for (uint i = 0; i < valid; i++)                                                      \
                        total += score[i] * ATTENTION_LOAD16_##T (v, v_at + (ulong) (key + i) * v_pitch + kv_head * dim + d); \
                      vstore16 (total, 0, sum + d);                                                         \
                    }                                                                                       \
                  else                                                                                      \
                    for (uint e1 = d; e1 < dim; e1++)                                                       \
                      {                                                                                     \
                        float total = keep * sum[e1];                                                       \
                                                                                                            \
                        for (uint i = 0; i < valid; i++)                                                    \
                          total += score[i] * ATTENTION_VALUE_##T (v, v_at + (ulong) (key + i) * v_pitch + kv_head * dim + e1); \
                        sum[e1] = total;                                                                    \
                      }                                                                                     \
              }                                                                                             \
            else if (isnan (descry_sum16 (e))) /* NaN is the alarm: it must come out */                     \
              weight = NAN;                                                                                 \
          }                                                                                                 \
                                                                                                            \
        for (uint d = 0; d < wide; d++)                                                                     \
          to[d] = sum[d];                                                                                   \
        to[wide] = top;                                                                                     \
        to[wide + 1] = weight;                                                                              \
      }                                                                                                     \
  }

ATTENTION_FEW (f32, float)
ATTENTION_FEW (f16, half)

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
