/* norm.cpu.cl - layer norm, RMS norm, softmax; host side in compute/ops/norm.c
 *
 * kernel       reads                                 writes             launch
 * layer_norm   x f32 [rows, cols], weight, bias      y f32 [rows, cols] item a row, local 1
 * rms_norm     x f32 [rows, cols], weight            y f32 [rows, cols] item a row, local 1
 * softmax      x f32 [rows, cols]                    y f32 [rows, cols] item a row, local 1
 *
 * y may be x: a row is read to its end before it is written.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
layer_norm (__global const float *x, const uint x_at, const uint x_pitch, __global const float *weight, const uint weight_at,
            __global const float *bias, const uint bias_at, const uint has_bias, __global float *y, const uint y_at, const uint y_pitch,
            const uint rows, const uint cols, const float eps)
{
  const uint r = get_global_id (0);
  __global const float *in = x + x_at + r * x_pitch;
  __global float *out = y + y_at + r * y_pitch;
  float16 sums = (float16) (0.0f);
  float sum = 0.0f, mean, factor;
  uint c;

  for (c = 0; c + 16 <= cols; c += 16)
    sums += vload16 (0, in + c);
  for (; c < cols; c++)
    sum += in[c];
  mean = (sum + descry_sum16 (sums)) / cols;

  sums = (float16) (0.0f);
  sum = 0.0f;
  for (c = 0; c + 16 <= cols; c += 16)
    {
      const float16 d = vload16 (0, in + c) - mean;

      sums += d * d;
    }
  for (; c < cols; c++)
    sum += (in[c] - mean) * (in[c] - mean);
  factor = 1.0f / sqrt ((sum + descry_sum16 (sums)) / cols + eps);

  for (c = 0; c + 16 <= cols; c += 16)
    {
      float16 v = (vload16 (0, in + c) - mean) * factor * vload16 (0, weight + weight_at + c);

      if (has_bias)
        v += vload16 (0, bias + bias_at + c);
      vstore16 (v, 0, out + c);
    }
  for (; c < cols; c++)
    out[c] = (in[c] - mean) * factor * weight[weight_at + c] + (has_bias ? bias[bias_at + c] : 0.0f);
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
rms_norm (__global const float *x, const uint x_at, const uint x_pitch, __global const float *weight, const uint weight_at,
          __global float *y, const uint y_at, const uint y_pitch, const uint rows, const uint cols, const float eps)
{
  const uint r = get_global_id (0);
  __global const float *in = x + x_at + r * x_pitch;
  __global float *out = y + y_at + r * y_pitch;
  float16 sums = (float16) (0.0f);
  float sum = 0.0f, factor;
  uint c;

  for (c = 0; c + 16 <= cols; c += 16)
    {
      const float16 v = vload16 (0, in + c);

      sums += v * v;
    }
  for (; c < cols; c++)
    sum += in[c] * in[c];
  factor = 1.0f / sqrt ((sum + descry_sum16 (sums)) / cols + eps);

  for (c = 0; c + 16 <= cols; c += 16)
    vstore16 (vload16 (0, in + c) * factor * vload16 (0, weight + weight_at + c), 0, out + c);
  for (; c < cols; c++)
    out[c] = in[c] * factor * weight[weight_at + c];
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void
softmax (__global const float *x, const uint x_at, const uint x_pitch, __global float *y, const uint y_at, const uint y_pitch,
         const uint rows, const uint cols)
{
  const uint r = get_global_id (0);
  __global const float *in = x + x_at + r * x_pitch;
  __global float *out = y + y_at + r * y_pitch;
  float16 tops = (float16) (-INFINITY), sums = (float16) (0.0f);
  float top = -INFINITY, sum = 0.0f, factor;
  uint c;

  for (c = 0; c + 16 <= cols; c += 16)
    tops = fmax (tops, vload16 (0, in + c));
  for (; c < cols; c++)
    top = fmax (top, in[c]);
  top = fmax (top, descry_max16 (tops));
  if (top == -INFINITY) /* all masked, or NaN only: exp (-inf - 0) is 0, NaN stays */
    top = 0.0f;

  for (c = 0; c + 16 <= cols; c += 16)
    {
      const float16 e = exp (vload16 (0, in + c) - top);

      sums += e;
      vstore16 (e, 0, out + c);
    }
  for (; c < cols; c++)
    {
      const float e = exp (in[c] - top);

      sum += e;
      out[c] = e;
    }
  sum += descry_sum16 (sums);
  factor = sum == 0.0f ? 0.0f : 1.0f / sum;

  for (c = 0; c + 16 <= cols; c += 16)
    vstore16 (vload16 (0, out + c) * factor, 0, out + c);
  for (; c < cols; c++)
    out[c] *= factor;
}
