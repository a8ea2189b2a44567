/* self-test.any.cl - small questions whose answers are known; host side in compute/device/self-test.c
 *
 * kernel               reads            writes               launch
 * self_test_half       x f32 [n]        y f32 [n] via half   item an element
 * self_test_math       x f32 [n]        y f32 [3n]           item an element: exp, erf, rsqrt
 * self_test_tree       x f32 [64]       y f32 [1] sum        one group of 64
 * self_test_wide       x f32 [64]       y f32 [1] sum        one item
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

__kernel void
self_test_half (__global const float *x, const uint x_at, __global float *y, const uint y_at, __global half *scratch, const uint s_at)
{
  const uint i = get_global_id (0);

  vstore_half (x[x_at + i], s_at + i, scratch);
  y[y_at + i] = vload_half (s_at + i, scratch);
}

__kernel void
self_test_math (__global const float *x, const uint x_at, __global float *y, const uint y_at, const uint n)
{
  const uint i = get_global_id (0);
  const float v = x[x_at + i];

  y[y_at + i] = exp (v);
  y[y_at + n + i] = erf (v);
  y[y_at + 2 * n + i] = rsqrt (fabs (v) + 0.25f);
}

__kernel __attribute__ ((reqd_work_group_size (64, 1, 1))) void
self_test_tree (__global const float *x, const uint x_at, __global float *y, const uint y_at, __local float *part)
{
  const uint i = get_local_id (0);
  uint step;

  part[i] = x[x_at + i];
  barrier (CLK_LOCAL_MEM_FENCE);
  for (step = 32; step > 0; step >>= 1)
    {
      if (i < step)
        part[i] += part[i + step];
      barrier (CLK_LOCAL_MEM_FENCE);
    }
  if (i == 0)
    y[y_at] = part[0];
}

__kernel void
self_test_wide (__global const float *x, const uint x_at, __global float *y, const uint y_at)
{
  float16 sum = (float16) (0.0f);
  float8 a;
  uint i;

  for (i = 0; i < 4; i++)
    sum += vload16 (i, x + x_at);
  a = sum.lo + sum.hi;
  y[y_at] = a.s0 + a.s1 + a.s2 + a.s3 + a.s4 + a.s5 + a.s6 + a.s7;
}
