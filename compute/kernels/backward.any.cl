/* backward.any.cl - gradients and the small products of training; host side in compute/ops/backward.c
 *
 * All serve both families: an item does a row or a strip by itself, so that sums need no atomics and a
 * repeated run gives the same bits.
 *
 * kernel                  reads                            writes                    launch
 * matmul_rows             a by strides, b [k,n]            c [m,n]                   item: 4 rows x 16 columns
 * matmul_dots             a [m,k], b [n,k]                 c [m,n]                   item: 1 row x 4 columns
 * gather_rows             x, index [m]                     y [m,n]                   item a row
 * scatter_rows            x [m,n], index                   y                         item 16 columns
 * norm_dx                 dy, x [m,n], w [n], stats        dx                        item a row
 * norm_stats              x [m,n]                          mean, inverse [m,2]       item a row
 * norm_dweight            dy, x [m,n], stats               dw, db [n]                item 16 columns
 * swiglu_backward         dy, gate, up                     dgate, dup                item a chunk of a row
 * activate_backward       dy, x                            dx                        item a chunk of a row
 * sum_rows                x [m,n]                          out [n]                   item 16 columns
 * attention_row_stats     q, k, out, dout                  log-sum, delta [m,heads,2] item a (row, head)
 * attention_dq            q, k, v, dout, stats             dq                        item a (row, head)
 * attention_dkv           q, k, v, dout, stats             dk, dv                    item a (key, kv head)
 * cross_entropy           logits [m,n], targets, scales    losses [m], logits        item a row
 * adamw                   gradient, m, v, parameter        the same                  item a chunk
 * squares                 x [n]                            parts                     item a piece
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

inline float
backward_sum16 (float16 v)
{
  const float8 a = v.lo + v.hi;
  const float4 b = a.lo + a.hi;

  return (b.x + b.y) + (b.z + b.w);
}

/* Sixteen values, those past @n zero. */
inline float16
load_part16 (__global const float *p, const uint at, const uint n)
{
  float part[16];
  uint i;

  if (at + 16 <= n)
    return vload16 (0, p + at);
  for (i = 0; i < 16; i++)
    part[i] = at + i < n ? p[at + i] : 0.0f;
  return vload16 (0, part);
}

inline void
store_part16 (float16 v, __global float *p, const uint at, const uint n)
{
  float part[16];
  uint i;

  if (at + 16 <= n)
    {
      vstore16 (v, 0, p + at);
      return;
    }
  vstore16 (v, 0, part);
  for (i = 0; i < 16 && at + i < n; i++)
    p[at + i] = part[i];
}

__kernel void
matmul_rows (__global const float *a, const uint a_at, const uint a_row, const uint a_step,
             __global const float *b, const uint b_at, const uint b_pitch,
             __global float *c, const uint c_at, const uint c_pitch,
             const uint m, const uint n, const uint k, const float scale, const uint add)
{
  const uint j = get_global_id (0) * 16, i0 = get_global_id (1) * 4;
  float16 sum[4] = { (float16) (0.0f), (float16) (0.0f), (float16) (0.0f), (float16) (0.0f) };
  uint p, r;

  if (j >= n || i0 >= m)
    return;

  /* Rows past the end read the last one again. */
  for (p = 0; p < k; p++)
    {
      const float16 row = load_part16 (b + b_at + (size_t) p * b_pitch, j, n);

      for (r = 0; r < 4; r++)
        sum[r] += a[a_at + (size_t) min (i0 + r, m - 1) * a_row + (size_t) p * a_step] * row;
    }
  for (r = 0; r < 4 && i0 + r < m; r++)
    {
      __global float *to = c + c_at + (size_t) (i0 + r) * c_pitch;

      store_part16 (scale * sum[r] + (add ? load_part16 (to, j, n) : (float16) (0.0f)), to, j, n);
    }
}

__kernel void
matmul_dots (__global const float *a, const uint a_at, const uint a_pitch,
             __global const float *b, const uint b_at, const uint b_pitch,
             __global float *c, const uint c_at, const uint c_pitch,
             const uint m, const uint n, const uint k, const float scale, const uint add)
{
  const uint i = get_global_id (1), j0 = get_global_id (0) * 4;
  __global const float *row = a + a_at + (size_t) i * a_pitch;
  float16 sum[4] = { (float16) (0.0f), (float16) (0.0f), (float16) (0.0f), (float16) (0.0f) };
  uint p, r;

  if (i >= m || j0 >= n)
    return;

  for (p = 0; p < k; p += 16)
    {
      const float16 x = load_part16 (row, p, k);

      for (r = 0; r < 4; r++)
        sum[r] += x * load_part16 (b + b_at + (size_t) min (j0 + r, n - 1) * b_pitch, p, k);
    }
  for (r = 0; r < 4 && j0 + r < n; r++)
    {
      __global float *to = c + c_at + (size_t) i * c_pitch + j0 + r;

      *to = scale * backward_sum16 (sum[r]) + (add ? *to : 0.0f);
    }
}

__kernel void
gather_rows (__global const float *x, const uint x_at, const uint x_pitch, __global const int *index, const uint i_at,
             __global float *y, const uint y_at, const uint y_pitch, const uint m, const uint n)
{
  const uint i = get_global_id (0);
  uint j;
  int from;

  if (i >= m)
    return;

  from = index[i_at + i];
  for (j = 0; j < n; j++)
    y[y_at + (size_t) i * y_pitch + j] = from < 0 ? 0.0f : x[x_at + (size_t) from * x_pitch + j];
}

__kernel void
scatter_rows (__global const float *x, const uint x_at, const uint x_pitch, __global const int *index, const uint i_at,
              __global float *y, const uint y_at, const uint y_pitch, const uint m, const uint n)
{
  const uint j = get_global_id (0) * 16;
  uint i;

  if (j >= n)
    return;

  for (i = 0; i < m; i++)
    if (index[i_at + i] >= 0)
      {
        __global float *to = y + y_at + (size_t) index[i_at + i] * y_pitch;

        store_part16 (load_part16 (to, j, n) + load_part16 (x + x_at + (size_t) i * x_pitch, j, n), to, j, n);
      }
}

/* mean (0 if !@centred) and 1 / sqrt (variance or mean square + eps) of each row. */
__kernel void
norm_stats (__global const float *x, const uint x_at, const uint x_pitch, __global float *stats, const uint s_at,
            const uint m, const uint n, const float eps, const uint centred)
{
  const uint i = get_global_id (0);
  __global const float *row = x + x_at + (size_t) i * x_pitch;
  float16 sums = (float16) (0.0f), all = (float16) (0.0f);
  float sum = 0.0f, squares = 0.0f, mean;
  uint j;

  if (i >= m)
    return;

  for (j = 0; j + 16 <= n; j += 16)
    sums += vload16 (0, row + j);
  for (; j < n; j++)
    sum += row[j];
  mean = centred ? (sum + backward_sum16 (sums)) / n : 0.0f;
  for (j = 0; j + 16 <= n; j += 16)
    {
      const float16 d = vload16 (0, row + j) - mean;

      all += d * d;
    }
  for (; j < n; j++)
    squares += (row[j] - mean) * (row[j] - mean);
  stats[s_at + 2 * i] = mean;
  stats[s_at + 2 * i + 1] = 1.0f / sqrt ((squares + backward_sum16 (all)) / n + eps);
}

/* With h = (x - mean) inv and g = dy w: dx = inv (g - [mean (g)] - h mean (g h)). */
__kernel void
norm_dx (__global const float *dy, const uint dy_at, const uint dy_pitch, __global const float *x, const uint x_at, const uint x_pitch,
         __global const float *w, const uint w_at, __global const float *stats, const uint s_at,
         __global float *dx, const uint dx_at, const uint dx_pitch, const uint m, const uint n, const uint centred, const uint add)
{
  const uint i = get_global_id (0);
  __global const float *g = dy + dy_at + (size_t) i * dy_pitch, *row = x + x_at + (size_t) i * x_pitch;
  __global float *to = dx + dx_at + (size_t) i * dx_pitch;
  float16 alongs = (float16) (0.0f), totals = (float16) (0.0f);
  float mean, inverse, along = 0.0f, total = 0.0f;
  uint j;

  if (i >= m)
    return;

  mean = stats[s_at + 2 * i];
  inverse = stats[s_at + 2 * i + 1];
  for (j = 0; j + 16 <= n; j += 16)
    {
      const float16 part = vload16 (0, g + j) * vload16 (0, w + w_at + j);

      totals += part;
      alongs += part * (vload16 (0, row + j) - mean) * inverse;
    }
  total = backward_sum16 (totals);
  along = backward_sum16 (alongs);
  for (; j < n; j++)
    {
      const float part = g[j] * w[w_at + j];

      total += part;
      along += part * (row[j] - mean) * inverse;
    }
  total = centred ? total / n : 0.0f;
  along /= n;
  for (j = 0; j + 16 <= n; j += 16)
    {
      const float16 value = inverse * (vload16 (0, g + j) * vload16 (0, w + w_at + j) - total - (vload16 (0, row + j) - mean) * inverse * along);

      vstore16 (add ? vload16 (0, to + j) + value : value, 0, to + j);
    }
  for (; j < n; j++)
    {
      const float value = inverse * (g[j] * w[w_at + j] - total - (row[j] - mean) * inverse * along);

      to[j] = add ? to[j] + value : value;
    }
}

__kernel void
norm_dweight (__global const float *dy, const uint dy_at, const uint dy_pitch, __global const float *x, const uint x_at, const uint x_pitch,
              __global const float *stats, const uint s_at, __global float *dw, const uint dw_at, __global float *db, const uint db_at,
              const uint m, const uint n, const uint with_weight, const uint with_bias)
{
  const uint j = get_global_id (0) * 16;
  float16 weight = (float16) (0.0f), bias = (float16) (0.0f);
  uint i;

  if (j >= n)
    return;

  for (i = 0; i < m; i++)
    {
      const float16 g = load_part16 (dy + dy_at + (size_t) i * dy_pitch, j, n);

      weight += g * (load_part16 (x + x_at + (size_t) i * x_pitch, j, n) - stats[s_at + 2 * i]) * stats[s_at + 2 * i + 1];
      bias += g;
    }
  if (with_weight)
    store_part16 (load_part16 (dw + dw_at, j, n) + weight, dw + dw_at, j, n);
  if (with_bias)
    store_part16 (load_part16 (db + db_at, j, n) + bias, db + db_at, j, n);
}

__kernel void
sum_rows (__global const float *x, const uint x_at, const uint x_pitch, __global float *out, const uint out_at, const uint m, const uint n)
{
  const uint j = get_global_id (0) * 16;
  float16 sum = (float16) (0.0f);
  uint i;

  if (j >= n)
    return;

  for (i = 0; i < m; i++)
    sum += load_part16 (x + x_at + (size_t) i * x_pitch, j, n);
  store_part16 (load_part16 (out + out_at, j, n) + sum, out + out_at, j, n);
}

__kernel void
swiglu_backward (__global const float *dy, const uint dy_at, const uint dy_pitch, __global const float *gate, const uint g_at, const uint g_pitch,
                 __global const float *up, const uint u_at, const uint u_pitch, __global float *dgate, const uint dg_at, const uint dg_pitch,
                 __global float *dup, const uint du_at, const uint du_pitch, const uint m, const uint n, const uint chunk)
{
  const uint i = get_global_id (1), first = get_global_id (0) * chunk, last = min (first + chunk, n);
  uint j;

  if (i >= m)
    return;

  for (j = first; j < last; j++)
    {
      const float d = dy[dy_at + (size_t) i * dy_pitch + j], g = gate[g_at + (size_t) i * g_pitch + j], u = up[u_at + (size_t) i * u_pitch + j];
      const float s = 1.0f / (1.0f + exp (-g));

      dgate[dg_at + (size_t) i * dg_pitch + j] = d * u * s * (1.0f + g * (1.0f - s));
      dup[du_at + (size_t) i * du_pitch + j] = d * g * s;
    }
}

inline float
slope (const float x, const uint act)
{
  float s;

  switch (act)
    {
    case ACT_RELU:
      return x > 0.0f ? 1.0f : 0.0f;
    case ACT_GELU: /* Phi (x) + x phi (x) */
      return 0.5f * (1.0f + erf (x * 0.70710678118654752f)) + x * 0.39894228040143268f * exp (-0.5f * x * x);
    case ACT_SILU:
      s = 1.0f / (1.0f + exp (-x));
      return s * (1.0f + x * (1.0f - s));
    case ACT_SIGMOID:
      s = 1.0f / (1.0f + exp (-x));
      return s * (1.0f - s);
    case ACT_TANH:
      s = tanh (x);
      return 1.0f - s * s;
    default:
      return 1.0f;
    }
}

__kernel void
activate_backward (__global const float *dy, const uint dy_at, const uint dy_pitch, __global const float *x, const uint x_at, const uint x_pitch,
                   __global float *dx, const uint dx_at, const uint dx_pitch, const uint m, const uint n, const uint act, const uint chunk)
{
  const uint i = get_global_id (1), first = get_global_id (0) * chunk, last = min (first + chunk, n);
  uint j;

  if (i >= m)
    return;

  j = first;
#if DESCRY_CPU
  if (act == ACT_GELU)
    for (; j + 16 <= last; j += 16)
      {
        const float16 v = vload16 (0, x + x_at + (size_t) i * x_pitch + j);
        const float16 s = 0.5f + 0.5f * descry_erf16 (v * 0.70710678118654752f) + v * 0.39894228040143268f * exp (-0.5f * v * v);

        vstore16 (vload16 (0, dy + dy_at + (size_t) i * dy_pitch + j) * s, 0, dx + dx_at + (size_t) i * dx_pitch + j);
      }
#endif
  for (; j < last; j++)
    dx[dx_at + (size_t) i * dx_pitch + j] = dy[dy_at + (size_t) i * dy_pitch + j] * slope (x[x_at + (size_t) i * x_pitch + j], act);
}

inline float
dot_row (__global const float *a, __global const float *b, const uint n)
{
  float16 sum = (float16) (0.0f);
  uint i;

  for (i = 0; i < n; i += 16)
    sum += load_part16 (a, i, n) * load_part16 (b, i, n);
  return backward_sum16 (sum);
}

/* One score as op_attention() makes it. */
inline float
score (const float product, const float scale, __global const float *bias, const uint has_bias, const size_t at)
{
  return product * scale + (has_bias ? bias[at] : 0.0f);
}

__kernel void
attention_row_stats (__global const float *q, const uint q_at, const uint q_pitch, __global const float *k, const uint k_at, const uint k_pitch,
                     __global const float *out, const uint o_at, const uint o_pitch, __global const float *dout, const uint do_at, const uint do_pitch,
                     __global const float *bias, const uint b_at, const uint b_pitch, const uint b_head, const uint has_bias,
                     __global float *stats, const uint s_at, const uint rows, const uint keys, const uint heads, const uint group, const uint dim,
                     const float scale, const uint causal, const uint past)
{
  const uint h = get_global_id (0), i = get_global_id (1);
  const uint end = causal ? min (keys, i + past + 1) : keys;
  float most = -INFINITY, sum = 0.0f;
  uint j;

  if (h >= heads || i >= rows)
    return;

  for (j = 0; j < end; j++)
    {
      const float s = score (dot_row (q + q_at + (size_t) i * q_pitch + h * dim, k + k_at + (size_t) j * k_pitch + h / group * dim, dim),
                             scale, bias, has_bias, b_at + (size_t) h * b_head + (size_t) i * b_pitch + j);

      if (s > most)
        {
          sum = most == -INFINITY ? 1.0f : sum * exp (most - s) + 1.0f;
          most = s;
        }
      else if (s > -INFINITY)
        sum += exp (s - most);
    }
  stats[s_at + 2 * (i * heads + h)] = most == -INFINITY ? INFINITY : most + log (sum); /* a masked row gets no weight */
  stats[s_at + 2 * (i * heads + h) + 1] = dot_row (out + o_at + (size_t) i * o_pitch + h * dim, dout + do_at + (size_t) i * do_pitch + h * dim, dim);
}

__kernel void
attention_dq (__global const float *q, const uint q_at, const uint q_pitch, __global const float *k, const uint k_at, const uint k_pitch,
              __global const float *v, const uint v_at, const uint v_pitch, __global const float *dout, const uint do_at, const uint do_pitch,
              __global const float *bias, const uint b_at, const uint b_pitch, const uint b_head, const uint has_bias,
              __global const float *stats, const uint s_at, __global float *dq, const uint dq_at, const uint dq_pitch,
              const uint rows, const uint keys, const uint heads, const uint group, const uint dim, const float scale, const uint causal, const uint past)
{
  const uint h = get_global_id (0), i = get_global_id (1);
  const uint end = causal ? min (keys, i + past + 1) : keys;
  float16 sum[16];
  float top, delta;
  uint j, c;

  if (h >= heads || i >= rows)
    return;

  top = stats[s_at + 2 * (i * heads + h)];
  delta = stats[s_at + 2 * (i * heads + h) + 1];
  for (c = 0; c < 16; c++)
    sum[c] = (float16) (0.0f);
  for (j = 0; j < end; j++)
    {
      __global const float *key = k + k_at + (size_t) j * k_pitch + h / group * dim;
      const float s = score (dot_row (q + q_at + (size_t) i * q_pitch + h * dim, key, dim), scale, bias, has_bias, b_at + (size_t) h * b_head + (size_t) i * b_pitch + j);
      const float p = exp (s - top);
      const float d = p * (dot_row (dout + do_at + (size_t) i * do_pitch + h * dim, v + v_at + (size_t) j * v_pitch + h / group * dim, dim) - delta) * scale;

      for (c = 0; c * 16 < dim; c++)
        sum[c] += d * load_part16 (key, c * 16, dim);
    }
  for (c = 0; c * 16 < dim; c++)
    store_part16 (sum[c], dq + dq_at + (size_t) i * dq_pitch + h * dim, c * 16, dim);
}

__kernel void
attention_dkv (__global const float *q, const uint q_at, const uint q_pitch, __global const float *k, const uint k_at, const uint k_pitch,
               __global const float *v, const uint v_at, const uint v_pitch, __global const float *dout, const uint do_at, const uint do_pitch,
               __global const float *bias, const uint b_at, const uint b_pitch, const uint b_head, const uint has_bias,
               __global const float *stats, const uint s_at, __global float *dk, const uint dk_at, const uint dk_pitch,
               __global float *dv, const uint dv_at, const uint dv_pitch,
               const uint rows, const uint keys, const uint heads, const uint group, const uint dim, const float scale, const uint causal, const uint past)
{
  const uint g = get_global_id (0), j = get_global_id (1);
  const uint begin = causal && j > past ? j - past : 0;
  __global const float *key = k + k_at + (size_t) j * k_pitch + g * dim, *value = v + v_at + (size_t) j * v_pitch + g * dim;
  float16 sum_k[16], sum_v[16];
  uint i, h, c;

  if (g * group >= heads || j >= keys)
    return;

  for (c = 0; c < 16; c++)
    sum_k[c] = sum_v[c] = (float16) (0.0f);
  for (h = g * group; h < (g + 1) * group; h++)
    for (i = begin; i < rows; i++)
      {
        __global const float *query = q + q_at + (size_t) i * q_pitch + h * dim, *grad = dout + do_at + (size_t) i * do_pitch + h * dim;
        const float s = score (dot_row (query, key, dim), scale, bias, has_bias, b_at + (size_t) h * b_head + (size_t) i * b_pitch + j);
        const float p = exp (s - stats[s_at + 2 * (i * heads + h)]);
        const float d = p * (dot_row (grad, value, dim) - stats[s_at + 2 * (i * heads + h) + 1]) * scale;

        for (c = 0; c * 16 < dim; c++)
          {
            sum_v[c] += p * load_part16 (grad, c * 16, dim);
            sum_k[c] += d * load_part16 (query, c * 16, dim);
          }
      }
  for (c = 0; c * 16 < dim; c++)
    {
      store_part16 (sum_k[c], dk + dk_at + (size_t) j * dk_pitch + g * dim, c * 16, dim);
      store_part16 (sum_v[c], dv + dv_at + (size_t) j * dv_pitch + g * dim, c * 16, dim);
    }
}

__kernel void
cross_entropy (__global float *logits, const uint l_at, const uint l_pitch, __global const int *targets, const uint t_at,
               __global const float *scales, const uint s_at, __global float *losses, const uint out_at, const uint out_step, const uint m, const uint n, const float smoothing)
{
  const uint i = get_global_id (0);
  __global float *row = logits + l_at + (size_t) i * l_pitch;
  float most = -INFINITY, scale, wanted, total, mean = 0.0f;
  float16 sum = (float16) (0.0f), tops = (float16) (-INFINITY);
  float part[16];
  uint j, k, target;

  if (i >= m)
    return;

  target = targets[t_at + i];
  scale = scales[s_at + i];
  for (j = 0; j + 16 <= n; j += 16)
    tops = fmax (tops, vload16 (0, row + j));
  vstore16 (tops, 0, part);
  for (k = 0; k < 16; k++)
    most = fmax (most, part[k]);
  for (; j < n; j++)
    most = fmax (most, row[j]);
  wanted = row[target] - most;
  if (smoothing > 0.0f)
    {
      for (j = 0; j + 16 <= n; j += 16)
        sum += vload16 (0, row + j) - most;
      mean = backward_sum16 (sum);
      sum = (float16) (0.0f);
      for (; j < n; j++)
        mean += row[j] - most;
      wanted = (1.0f - smoothing) * wanted + smoothing * mean / n;
    }
  for (j = 0; j + 16 <= n; j += 16)
    {
      const float16 e = exp (vload16 (0, row + j) - most);

      vstore16 (e, 0, row + j);
      sum += e;
    }
  total = backward_sum16 (sum);
  for (; j < n; j++)
    total += row[j] = exp (row[j] - most);
  losses[out_at + i * out_step] = log (total) - wanted;
  total = scale / total;
  mean = scale * smoothing / n;
  for (j = 0; j + 16 <= n; j += 16)
    vstore16 (vload16 (0, row + j) * total - mean, 0, row + j);
  for (; j < n; j++)
    row[j] = row[j] * total - mean;
  row[target] -= scale * (1.0f - smoothing);
}

__kernel void
adamw (__global float *w, const uint w_at, __global float *g, const uint g_at, __global float *m, const uint m_at, __global float *v, const uint v_at,
       const uint n, const float rate, const float beta1, const float beta2, const float eps, const float decay, const float scale,
       const float correct1, const float correct2, const uint chunk)
{
  const uint first = get_global_id (0) * chunk, last = min (first + chunk, n);
  uint i;

  for (i = first; i < last; i++)
    {
      const float d = g[g_at + i] * scale;
      const float mean = beta1 * m[m_at + i] + (1.0f - beta1) * d, square = beta2 * v[v_at + i] + (1.0f - beta2) * d * d;

      m[m_at + i] = mean;
      v[v_at + i] = square;
      w[w_at + i] = w[w_at + i] * (1.0f - rate * decay) - rate * (mean * correct1) / (sqrt (square * correct2) + eps);
      g[g_at + i] = 0.0f;
    }
}

__kernel void
squares (__global const float *x, const uint x_at, __global float *parts, const uint p_at, const uint n, const uint pieces, const uint chunk)
{
  const uint p = get_global_id (0), first = p * chunk, last = min (first + chunk, n);
  float sum = 0.0f;
  uint i;

  if (p >= pieces)
    return;

  for (i = first; i < last; i++)
    sum += x[x_at + i] * x[x_at + i];
  parts[p_at + p] = sum;
}
