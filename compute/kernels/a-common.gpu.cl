/* a-common.gpu.cl - first of the gpu files: what the gpu family's kernels share: sums and maxima over a group of 64
 *
 * Every item of the group calls; every item gets the result. @part holds 64 floats and may be used again at once.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define TREE 64

inline float
descry_tree_sum (__local float *part, const uint i, const float value)
{
  float sum;

  part[i] = value;
  barrier (CLK_LOCAL_MEM_FENCE);
  for (uint step = TREE / 2; step > 0; step >>= 1)
    {
      if (i < step)
        part[i] += part[i + step];
      barrier (CLK_LOCAL_MEM_FENCE);
    }
  sum = part[0];
  barrier (CLK_LOCAL_MEM_FENCE);

  return sum;
}

inline float
descry_tree_max (__local float *part, const uint i, const float value)
{
  float top;

  part[i] = value;
  barrier (CLK_LOCAL_MEM_FENCE);
  for (uint step = TREE / 2; step > 0; step >>= 1)
    {
      if (i < step)
        part[i] = fmax (part[i], part[i + step]);
      barrier (CLK_LOCAL_MEM_FENCE);
    }
  top = part[0];
  barrier (CLK_LOCAL_MEM_FENCE);

  return top;
}
