/* attention.gpu.cl - streaming attention, gpu family; host side in compute/ops/attention.c
 *
 * kernel       reads                                                       writes                    launch
 * attention_T  q f32 [q, heads * dim], k, v f32 or f16 [kv, ...], bias     out f32 [q, heads * dim]  group of 64 a head of a row: (64 q, heads)
 *
 * 64 keys at a time: each item scores one key, then each item adds up every 64th column of the values.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define AT_GROUP TREE
#define AT_DIM 256 /* largest head */

#define ATTENTION_VALUE_f32(p, i) (p)[i]
#define ATTENTION_VALUE_f16(p, i) vload_half (i, p)

#define ATTENTION(T, LOAD)                                                                                  \
  __kernel __attribute__ ((reqd_work_group_size (AT_GROUP, 1, 1))) void                                     \
  attention_##T (__global const float *q, const uint q_at, const uint q_pitch,                              \
                 __global const LOAD *k, const uint k_at, const uint k_pitch, __global const LOAD *v, const uint v_at, const uint v_pitch, \
                 __global float *out, const uint out_at, const uint out_pitch,                              \
                 __global const float *bias, const uint bias_at, const uint bias_pitch, const uint bias_head, const uint has_bias, \
                 const uint rows, const uint keys, const uint group, const uint dim, const float scale, const uint causal, const uint past, const uint kv_step) \
  {                                                                                                         \
    __local float query[AT_DIM], score[AT_GROUP], part[AT_GROUP];                                           \
    const uint lane = get_local_id (0), row = get_group_id (0), head = get_global_id (1), kv_head = head / group; \
    const uint limit = causal ? min (keys, row + past + 1) : keys;                                          \
    float sum[AT_DIM / AT_GROUP] = { 0.0f };                                                                \
    float top = -INFINITY, weight = 0.0f, factor;                                                           \
                                                                                                            \
    for (uint d = lane; d < dim; d += AT_GROUP)                                                             \
      query[d] = q[q_at + (ulong) row * q_pitch + head * dim + d] * scale;                                  \
    barrier (CLK_LOCAL_MEM_FENCE);                                                                          \
                                                                                                            \
    for (uint key = 0; key < limit; key += AT_GROUP)                                                        \
      {                                                                                                     \
        const uint valid = min ((uint) AT_GROUP, limit - key);                                              \
        float s = -INFINITY, above, keep, e;                                                                \
                                                                                                            \
        if (lane < valid)                                                                                   \
          {                                                                                                 \
            const ulong from = k_at + (ulong) (key + lane) * k_pitch + kv_head * kv_step;                       \
                                                                                                            \
            s = 0.0f;                                                                                       \
            for (uint d = 0; d < dim; d++)                                                                  \
              s += query[d] * ATTENTION_VALUE_##T (k, from + d);                                            \
            if (has_bias)                                                                                   \
              s += bias[bias_at + (ulong) head * bias_head + (ulong) row * bias_pitch + key + lane];        \
          }                                                                                                 \
                                                                                                            \
        above = fmax (top, descry_tree_max (part, lane, s));                                                       \
        keep = above == -INFINITY ? 1.0f : exp (top - above);                                               \
        e = exp (s - (above == -INFINITY ? 0.0f : above));                                                  \
        top = above;                                                                                        \
        weight = weight * keep + descry_tree_sum (part, lane, e);                                                  \
        score[lane] = e;                                                                                    \
        barrier (CLK_LOCAL_MEM_FENCE);                                                                      \
                                                                                                            \
        for (uint i = 0; i * AT_GROUP + lane < dim; i++)                                                    \
          {                                                                                                 \
            const ulong from = v_at + (ulong) key * v_pitch + kv_head * kv_step + i * AT_GROUP + lane;          \
            float total = sum[i] * keep;                                                                    \
                                                                                                            \
            for (uint j = 0; j < valid; j++)                                                                \
              total += score[j] * ATTENTION_VALUE_##T (v, from + (ulong) j * v_pitch);                      \
            sum[i] = total;                                                                                 \
          }                                                                                                 \
        barrier (CLK_LOCAL_MEM_FENCE);                                                                      \
      }                                                                                                     \
                                                                                                            \
    factor = weight == 0.0f ? 0.0f : 1.0f / weight;                                                         \
    for (uint i = 0; i * AT_GROUP + lane < dim; i++)                                                        \
      out[out_at + (ulong) row * out_pitch + head * dim + i * AT_GROUP + lane] = sum[i] * factor;           \
  }

ATTENTION (f32, float)
ATTENTION (f16, half)
