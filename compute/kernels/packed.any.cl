/* packed.any.cl - attention of many short sequences in one launch; host side in compute/ops/packed.c
 *
 * A span is query rows with up to four stretches of keys; a unit is spans whose keys no other unit looks at
 * (its gradients of keys add up in order, so that a repeated run gives the same bits).
 *
 * kernel                 reads                                writes               launch
 * packed_row             q, k, v, spans, span of each row     out                  item a (head, row)
 * packed_row_dq          ... and out, dout                    dq, stats            item a (head, row)
 * packed_key_dkv         ... and stats, unit of each key      dk, dv               item a (head, key)
 * packed_tile            q, k, v, spans, units                out                  item a (unit, head); cpu family
 * packed_tile_backward   ... and out, dout                    dq, dk, dv           item a (unit, head); cpu family
 *
 * spans i32 [n, 12]: first row, rows, first key and keys of each stretch, which stretch is causal (from 1; 0: none), 0.
 * units i32 [n, 2]: first span, spans. All tensors f32 [rows, heads * dim]. dk and dv are 0 before packed_tile_backward.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define STRETCHES 4
#define SPAN 12

/* Keys of a stretch that row @r of the span sees. */
inline uint
packed_seen (__global const int *span, const uint stretch, const uint r)
{
  const uint n = span[3 + 2 * stretch];

  return (uint) span[10] == stretch + 1 ? min (n, r + 1) : n;
}

inline float
packed_dot (__global const float *a, __global const float *b, const uint dim)
{
  float sum = 0.0f;
  uint d;

  for (d = 0; d < dim; d++)
    sum += a[d] * b[d];
  return sum;
}

/* Highest score of a row and the sum of exp (score - highest). */
inline float2
packed_softmax (__global const int *span, const uint r, __global const float *query, __global const float *k, const uint k_pitch, const uint dim, const float scale)
{
  float top = -INFINITY, sum = 0.0f;
  uint g, j;

  for (g = 0; g < STRETCHES; g++)
    for (j = 0; j < packed_seen (span, g, r); j++)
      {
        const float s = packed_dot (query, k + (size_t) (span[2 + 2 * g] + j) * k_pitch, dim) * scale;

        if (s > top)
          {
            sum = top == -INFINITY ? 1.0f : sum * exp (top - s) + 1.0f;
            top = s;
          }
        else
          sum += exp (s - top);
      }
  return (float2) (top, sum);
}

__kernel void
packed_row (__global const float *q, const uint q_at, const uint q_pitch, __global const float *k, const uint k_at, const uint k_pitch,
            __global const float *v, const uint v_at, const uint v_pitch, __global const int *spans, const uint spans_at, __global const int *span_of, const uint span_of_at,
            __global float *out, const uint out_at, const uint out_pitch, const uint rows, const uint heads, const uint dim, const float scale)
{
  const uint h = get_global_id (0), i = get_global_id (1);
  __global const int *span;
  __global const float *query = q + q_at + (size_t) i * q_pitch + h * dim;
  float2 shape;
  uint g, j, d, r;

  if (h >= heads || i >= rows || span_of[span_of_at + i] < 0)
    return;

  span = spans + spans_at + SPAN * span_of[span_of_at + i];
  r = i - span[0];
  shape = packed_softmax (span, r, query, k + k_at + h * dim, k_pitch, dim, scale);
  for (d = 0; d < dim; d++)
    out[out_at + (size_t) i * out_pitch + h * dim + d] = 0.0f;
  for (g = 0; g < STRETCHES; g++)
    for (j = 0; j < packed_seen (span, g, r); j++)
      {
        const size_t key = span[2 + 2 * g] + j;
        const float p = exp (packed_dot (query, k + k_at + key * k_pitch + h * dim, dim) * scale - shape.x) / shape.y;

        for (d = 0; d < dim; d++)
          out[out_at + (size_t) i * out_pitch + h * dim + d] += p * v[v_at + key * v_pitch + h * dim + d];
      }
}

__kernel void
packed_row_dq (__global const float *q, const uint q_at, const uint q_pitch, __global const float *k, const uint k_at, const uint k_pitch,
               __global const float *v, const uint v_at, const uint v_pitch, __global const float *out, const uint out_at, const uint out_pitch,
               __global const float *dout, const uint do_at, const uint do_pitch, __global const int *spans, const uint spans_at, __global const int *span_of, const uint span_of_at,
               __global float *dq, const uint dq_at, const uint dq_pitch, __global float *stats, const uint s_at, const uint rows, const uint heads, const uint dim, const float scale)
{
  const uint h = get_global_id (0), i = get_global_id (1);
  __global const int *span;
  __global const float *query = q + q_at + (size_t) i * q_pitch + h * dim, *grad = dout + do_at + (size_t) i * do_pitch + h * dim;
  __global float *to = dq + dq_at + (size_t) i * dq_pitch + h * dim, *stat = stats + s_at + 3 * ((size_t) i * heads + h);
  float2 shape;
  float delta;
  uint g, j, d, r;

  if (h >= heads || i >= rows || span_of[span_of_at + i] < 0)
    return;

  span = spans + spans_at + SPAN * span_of[span_of_at + i];
  r = i - span[0];
  shape = packed_softmax (span, r, query, k + k_at + h * dim, k_pitch, dim, scale);
  delta = packed_dot (out + out_at + (size_t) i * out_pitch + h * dim, grad, dim);
  for (d = 0; d < dim; d++)
    to[d] = 0.0f;
  for (g = 0; g < STRETCHES; g++)
    for (j = 0; j < packed_seen (span, g, r); j++)
      {
        const size_t key = span[2 + 2 * g] + j;
        const float p = exp (packed_dot (query, k + k_at + key * k_pitch + h * dim, dim) * scale - shape.x) / shape.y;
        const float s = p * (packed_dot (grad, v + v_at + key * v_pitch + h * dim, dim) - delta) * scale;

        for (d = 0; d < dim; d++)
          to[d] += s * k[k_at + key * k_pitch + h * dim + d];
      }
  stat[0] = shape.x;
  stat[1] = shape.y;
  stat[2] = delta;
}

__kernel void
packed_key_dkv (__global const float *q, const uint q_at, const uint q_pitch, __global const float *k, const uint k_at, const uint k_pitch,
                __global const float *v, const uint v_at, const uint v_pitch, __global const float *dout, const uint do_at, const uint do_pitch,
                __global const int *spans, const uint spans_at, __global const int *units, const uint units_at, __global const int *unit_of, const uint unit_of_at,
                __global const float *stats, const uint s_at, __global float *dk, const uint dk_at, const uint dk_pitch, __global float *dv, const uint dv_at, const uint dv_pitch,
                const uint keys, const uint heads, const uint dim, const float scale)
{
  const uint h = get_global_id (0), j = get_global_id (1);
  __global const float *key = k + k_at + (size_t) j * k_pitch + h * dim, *value = v + v_at + (size_t) j * v_pitch + h * dim;
  __global float *to_k = dk + dk_at + (size_t) j * dk_pitch + h * dim, *to_v = dv + dv_at + (size_t) j * dv_pitch + h * dim;
  __global const int *unit;
  uint n, g, r, d;

  if (h >= heads || j >= keys || unit_of[unit_of_at + j] < 0)
    return;

  unit = units + units_at + 2 * unit_of[unit_of_at + j];
  for (d = 0; d < dim; d++)
    to_k[d] = to_v[d] = 0.0f;
  for (n = 0; n < (uint) unit[1]; n++)
    {
      __global const int *span = spans + spans_at + SPAN * (unit[0] + n);

      for (g = 0; g < STRETCHES; g++)
        if ((int) j >= span[2 + 2 * g] && (int) j < span[2 + 2 * g] + span[3 + 2 * g])
          for (r = 0; r < (uint) span[1]; r++)
            if (j - span[2 + 2 * g] < packed_seen (span, g, r))
              {
                const size_t i = span[0] + r;
                __global const float *query = q + q_at + i * q_pitch + h * dim, *grad = dout + do_at + i * do_pitch + h * dim, *stat = stats + s_at + 3 * (i * heads + h);
                const float p = exp (packed_dot (query, key, dim) * scale - stat[0]) / stat[1];
                const float s = p * (packed_dot (grad, value, dim) - stat[2]) * scale;

                for (d = 0; d < dim; d++)
                  {
                    to_k[d] += s * query[d];
                    to_v[d] += p * grad[d];
                  }
              }
    }
}

#if DESCRY_CPU

/* Sixteen query rows lie side by side in the lanes of a vector, one vector for each column of a head. */
#define PACKED_DIM 128 /* columns of a head, at most */
#define PACKED_KEYS 1024 /* of a span */

/* Columns of @n rows; lanes past them are 0. */
inline void
packed_turn (float16 *to, __global const float *from, const uint pitch, const uint n, const uint dim)
{
  float *at = (float *) to;
  uint i, d;

  for (d = 0; d < dim; d++)
    to[d] = (float16) (0.0f);
  for (i = 0; i < n; i++)
    for (d = 0; d < dim; d++)
      at[16 * d + i] = from[(size_t) i * pitch + d];
}

inline void
packed_turn_back (const float16 *from, __global float *to, const uint pitch, const uint n, const uint dim)
{
  const float *at = (const float *) from;
  uint i, d;

  for (i = 0; i < n; i++)
    for (d = 0; d < dim; d++)
      to[(size_t) i * pitch + d] = at[16 * d + i];
}

/* Products of the lanes' rows with each of @n keys. */
inline void
packed_scores (float16 *scores, const float16 *q, __global const float *k, const uint pitch, const uint n, const uint dim)
{
  uint j, d;

  for (j = 0; j + 4 <= n; j += 4)
    {
      __global const float *row = k + (size_t) j * pitch;
      float16 a = (float16) (0.0f), b = a, c = a, e = a;

      for (d = 0; d < dim; d++)
        {
          const float16 x = q[d];

          a += x * row[d];
          b += x * row[pitch + d];
          c += x * row[2 * (size_t) pitch + d];
          e += x * row[3 * (size_t) pitch + d];
        }
      scores[j] = a;
      scores[j + 1] = b;
      scores[j + 2] = c;
      scores[j + 3] = e;
    }
  for (; j < n; j++)
    {
      float16 a = (float16) (0.0f);

      for (d = 0; d < dim; d++)
        a += q[d] * k[(size_t) j * pitch + d];
      scores[j] = a;
    }
}

/* Scores of a tile over all stretches: how many, their highest in @top; what a row does not see is -inf. @first: the tile's row in the span. */
inline uint
packed_tile_scores (float16 *scores, float16 *top, uint *seen, __global const int *span, const uint first, const uint n, const float16 *q, __global const float *k,
                    const uint pitch, const uint dim)
{
  const int16 lanes = (int16) (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) + (int) first;
  float16 most = (float16) (-INFINITY);
  uint g, j, at = 0;

  for (g = 0; g < STRETCHES; g++)
    {
      seen[g] = packed_seen (span, g, first + n - 1);
      packed_scores (scores + at, q, k + (size_t) span[2 + 2 * g] * pitch, pitch, seen[g], dim);
      if ((uint) span[10] == g + 1)
        for (j = first + 1; j < seen[g]; j++)
          scores[at + j] = (int16) ((int) j) > lanes ? (float16) (-INFINITY) : scores[at + j];
      at += seen[g];
    }
  for (j = 0; j < at; j++)
    most = fmax (most, scores[j]);
  *top = most;
  return at;
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
packed_tile (__global const float *q, const uint q_at, const uint q_pitch, __global const float *k, const uint k_at, const uint k_pitch,
             __global const float *v, const uint v_at, const uint v_pitch, __global const int *spans, const uint spans_at, __global const int *units, const uint units_at,
             __global float *out, const uint out_at, const uint out_pitch, const uint dim, const float scale)
{
  __global const int *unit = units + units_at + 2 * get_global_id (0);
  const uint h = get_global_id (1) * dim;
  float16 turned[PACKED_DIM], scores[PACKED_KEYS];
  uint s, first, d, j, g;

  for (s = 0; s < (uint) unit[1]; s++)
    {
      __global const int *span = spans + spans_at + SPAN * (unit[0] + s);

      for (first = 0; first < (uint) span[1]; first += 16)
        {
          const uint n = min (16u, span[1] - first);
          const size_t row = span[0] + first;
          float16 top, sum = (float16) (0.0f);
          uint seen[STRETCHES], all;

          packed_turn (turned, q + q_at + row * q_pitch + h, q_pitch, n, dim);
          all = packed_tile_scores (scores, &top, seen, span, first, n, turned, k + k_at + h, k_pitch, dim);
          for (j = 0; j < all; j++)
            {
              scores[j] = exp ((scores[j] - top) * scale);
              sum += scores[j];
            }
          sum = 1.0f / sum;
          for (d = 0; d + 4 <= dim; d += 4)
            {
              float16 a = (float16) (0.0f), b = a, c = a, e = a;
              uint at = 0;

              for (g = 0; g < STRETCHES; g++)
                {
                  __global const float *value = v + v_at + h + d + (size_t) span[2 + 2 * g] * v_pitch;

                  for (j = 0; j < seen[g]; j++, value += v_pitch)
                    {
                      const float16 p = scores[at + j];

                      a += p * value[0];
                      b += p * value[1];
                      c += p * value[2];
                      e += p * value[3];
                    }
                  at += seen[g];
                }
              turned[d] = a * sum;
              turned[d + 1] = b * sum;
              turned[d + 2] = c * sum;
              turned[d + 3] = e * sum;
            }
          for (; d < dim; d++)
            {
              float16 a = (float16) (0.0f);
              uint at = 0;

              for (g = 0; g < STRETCHES; g++)
                {
                  for (j = 0; j < seen[g]; j++)
                    a += scores[at + j] * v[v_at + h + d + (size_t) (span[2 + 2 * g] + j) * v_pitch];
                  at += seen[g];
                }
              turned[d] = a * sum;
            }
          packed_turn_back (turned, out + out_at + row * out_pitch + h, out_pitch, n, dim);
        }
    }
}

/* What a tile's backward pass needs of its rows. */
typedef struct
{
  __global const float *q, *g; /* first row of the head: queries, gradient of the output */
  uint q_pitch, g_pitch, n, dim;
  float16 top, inverse, delta;
  float scale;
} PackedRows;

/* @count (1 or 4) keys: their share of dq, and dk and dv add up. */
#define PACKED_KEYS_BACKWARD(COUNT)                                                                         \
  inline void                                                                                               \
  packed_backward_##COUNT (const PackedRows *rows, const float16 *scores, const float16 *grad, float16 *dq, __global const float *k, const uint k_pitch, \
                           __global const float *v, const uint v_pitch, __global float *dk, const uint dk_pitch, __global float *dv, const uint dv_pitch) \
  {                                                                                                         \
    const uint dim = rows->dim;                                                                             \
    float16 p[COUNT], s[COUNT];                                                                             \
    const float *p_at = (const float *) p, *s_at = (const float *) s;                                       \
    uint x, d, i;                                                                                           \
                                                                                                            \
    _Pragma ("unroll") for (x = 0; x < COUNT; x++)                                                          \
      s[x] = (float16) (0.0f);                                                                              \
    for (d = 0; d < dim; d++)                                                                               \
      {                                                                                                     \
        const float16 g = grad[d];                                                                          \
                                                                                                            \
        _Pragma ("unroll") for (x = 0; x < COUNT; x++)                                                      \
          s[x] += g * v[x * (size_t) v_pitch + d];                                                          \
      }                                                                                                     \
    _Pragma ("unroll") for (x = 0; x < COUNT; x++)                                                          \
      {                                                                                                     \
        p[x] = exp ((scores[x] - rows->top) * rows->scale) * rows->inverse;                                 \
        s[x] = p[x] * (s[x] - rows->delta) * rows->scale;                                                   \
      }                                                                                                     \
    for (d = 0; d < dim; d++)                                                                               \
      {                                                                                                     \
        float16 sum = dq[d];                                                                                \
                                                                                                            \
        _Pragma ("unroll") for (x = 0; x < COUNT; x++)                                                      \
          sum += s[x] * k[x * (size_t) k_pitch + d];                                                        \
        dq[d] = sum;                                                                                        \
      }                                                                                                     \
    for (d = 0; d < dim; d += 16)                                                                           \
      {                                                                                                     \
        float16 to_k[COUNT], to_v[COUNT];                                                                   \
                                                                                                            \
        _Pragma ("unroll") for (x = 0; x < COUNT; x++)                                                      \
          to_k[x] = to_v[x] = (float16) (0.0f);                                                             \
        for (i = 0; i < rows->n; i++)                                                                       \
          {                                                                                                 \
            const float16 query = load_part16 (rows->q + (size_t) i * rows->q_pitch, d, dim), g = load_part16 (rows->g + (size_t) i * rows->g_pitch, d, dim); \
                                                                                                            \
            _Pragma ("unroll") for (x = 0; x < COUNT; x++)                                                  \
              {                                                                                             \
                to_k[x] += s_at[16 * x + i] * query;                                                        \
                to_v[x] += p_at[16 * x + i] * g;                                                            \
              }                                                                                             \
          }                                                                                                 \
        _Pragma ("unroll") for (x = 0; x < COUNT; x++)                                                      \
          {                                                                                                 \
            store_part16 (load_part16 (dk + x * (size_t) dk_pitch, d, dim) + to_k[x], dk + x * (size_t) dk_pitch, d, dim); \
            store_part16 (load_part16 (dv + x * (size_t) dv_pitch, d, dim) + to_v[x], dv + x * (size_t) dv_pitch, d, dim); \
          }                                                                                                 \
      }                                                                                                     \
  }

PACKED_KEYS_BACKWARD (1)
PACKED_KEYS_BACKWARD (4)

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
packed_tile_backward (__global const float *q, const uint q_at, const uint q_pitch, __global const float *k, const uint k_at, const uint k_pitch,
                      __global const float *v, const uint v_at, const uint v_pitch, __global const float *out, const uint out_at, const uint out_pitch,
                      __global const float *dout, const uint do_at, const uint do_pitch, __global const int *spans, const uint spans_at, __global const int *units, const uint units_at,
                      __global float *dq, const uint dq_at, const uint dq_pitch, __global float *dk, const uint dk_at, const uint dk_pitch,
                      __global float *dv, const uint dv_at, const uint dv_pitch, const uint dim, const float scale)
{
  __global const int *unit = units + units_at + 2 * get_global_id (0);
  const uint h = get_global_id (1) * dim;
  float16 turned[PACKED_DIM], grad[PACKED_DIM], scores[PACKED_KEYS];
  uint s, first, d, j, g;

  for (s = 0; s < (uint) unit[1]; s++)
    {
      __global const int *span = spans + spans_at + SPAN * (unit[0] + s);

      for (first = 0; first < (uint) span[1]; first += 16)
        {
          const size_t row = span[0] + first;
          PackedRows rows = { q + q_at + row * q_pitch + h, dout + do_at + row * do_pitch + h, q_pitch, do_pitch, min (16u, span[1] - first), dim,
                              (float16) (0.0f), (float16) (0.0f), (float16) (0.0f), scale };
          uint seen[STRETCHES], all, at = 0;

          packed_turn (grad, rows.g, do_pitch, rows.n, dim);
          packed_turn (turned, out + out_at + row * out_pitch + h, out_pitch, rows.n, dim);
          for (d = 0; d < dim; d++)
            rows.delta += turned[d] * grad[d];
          packed_turn (turned, rows.q, q_pitch, rows.n, dim);
          all = packed_tile_scores (scores, &rows.top, seen, span, first, rows.n, turned, k + k_at + h, k_pitch, dim);
          for (j = 0; j < all; j++)
            rows.inverse += exp ((scores[j] - rows.top) * scale);
          rows.inverse = 1.0f / rows.inverse;
          for (d = 0; d < dim; d++)
            turned[d] = (float16) (0.0f);
          for (g = 0; g < STRETCHES; g++)
            {
              __global const float *key = k + k_at + h + (size_t) span[2 + 2 * g] * k_pitch, *value = v + v_at + h + (size_t) span[2 + 2 * g] * v_pitch;
              __global float *to_k = dk + dk_at + h + (size_t) span[2 + 2 * g] * dk_pitch, *to_v = dv + dv_at + h + (size_t) span[2 + 2 * g] * dv_pitch;

              for (j = 0; j + 4 <= seen[g]; j += 4)
                packed_backward_4 (&rows, scores + at + j, grad, turned, key + (size_t) j * k_pitch, k_pitch, value + (size_t) j * v_pitch, v_pitch,
                                   to_k + (size_t) j * dk_pitch, dk_pitch, to_v + (size_t) j * dv_pitch, dv_pitch);
              for (; j < seen[g]; j++)
                packed_backward_1 (&rows, scores + at + j, grad, turned, key + (size_t) j * k_pitch, k_pitch, value + (size_t) j * v_pitch, v_pitch,
                                   to_k + (size_t) j * dk_pitch, dk_pitch, to_v + (size_t) j * dv_pitch, dv_pitch);
              at += seen[g];
            }
          packed_turn_back (turned, dq + dq_at + row * dq_pitch + h, dq_pitch, rows.n, dim);
        }
    }
}

#endif
