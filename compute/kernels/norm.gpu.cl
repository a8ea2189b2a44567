/* norm.gpu.cl - layer norm, RMS norm, softmax; host side in compute/ops/norm.c
 *
 * kernel       reads                                 writes             launch
 * layer_norm   x f32 [rows, cols], weight, bias      y f32 [rows, cols] group of 64 a row
 * rms_norm     x f32 [rows, cols], weight            y f32 [rows, cols] group of 64 a row
 * softmax      x f32 [rows, cols]                    y f32 [rows, cols] group of 64 a row
 *
 * y may be x: an item writes only what it alone read, after the last barrier.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

__kernel __attribute__ ((reqd_work_group_size (TREE, 1, 1))) void
layer_norm (__global const float *x, const uint x_at, const uint x_pitch, __global const float *weight, const uint weight_at,
            __global const float *bias, const uint bias_at, const uint has_bias, __global float *y, const uint y_at, const uint y_pitch,
            const uint rows, const uint cols, const float eps)
{
  __local float part[TREE];
  const uint i = get_local_id (0), r = get_group_id (0);
  __global const float *in = x + x_at + r * x_pitch;
  __global float *out = y + y_at + r * y_pitch;
  float sum = 0.0f, mean, factor;

  for (uint c = i; c < cols; c += TREE)
    sum += in[c];
  mean = descry_tree_sum (part, i, sum) / cols;

  sum = 0.0f;
  for (uint c = i; c < cols; c += TREE)
    sum += (in[c] - mean) * (in[c] - mean);
  factor = 1.0f / sqrt (descry_tree_sum (part, i, sum) / cols + eps);

  for (uint c = i; c < cols; c += TREE)
    out[c] = (in[c] - mean) * factor * weight[weight_at + c] + (has_bias ? bias[bias_at + c] : 0.0f);
}

__kernel __attribute__ ((reqd_work_group_size (TREE, 1, 1))) void
rms_norm (__global const float *x, const uint x_at, const uint x_pitch, __global const float *weight, const uint weight_at,
          __global float *y, const uint y_at, const uint y_pitch, const uint rows, const uint cols, const float eps)
{
  __local float part[TREE];
  const uint i = get_local_id (0), r = get_group_id (0);
  __global const float *in = x + x_at + r * x_pitch;
  __global float *out = y + y_at + r * y_pitch;
  float sum = 0.0f, factor;

  for (uint c = i; c < cols; c += TREE)
    sum += in[c] * in[c];
  factor = 1.0f / sqrt (descry_tree_sum (part, i, sum) / cols + eps);

  for (uint c = i; c < cols; c += TREE)
    out[c] = in[c] * factor * weight[weight_at + c];
}

__kernel __attribute__ ((reqd_work_group_size (TREE, 1, 1))) void
softmax (__global const float *x, const uint x_at, const uint x_pitch, __global float *y, const uint y_at, const uint y_pitch,
         const uint rows, const uint cols)
{
  __local float part[TREE];
  const uint i = get_local_id (0), r = get_group_id (0);
  __global const float *in = x + x_at + r * x_pitch;
  __global float *out = y + y_at + r * y_pitch;
  float top = -INFINITY, sum = 0.0f, factor;

  for (uint c = i; c < cols; c += TREE)
    top = fmax (top, in[c]);
  top = descry_tree_max (part, i, top);
  if (top == -INFINITY)
    top = 0.0f;

  for (uint c = i; c < cols; c += TREE)
    {
      const float e = exp (in[c] - top);

      sum += e;
      out[c] = e;
    }
  sum = descry_tree_sum (part, i, sum);
  factor = sum == 0.0f ? 0.0f : 1.0f / sum;

  for (uint c = i; c < cols; c += TREE)
    out[c] *= factor;
}
