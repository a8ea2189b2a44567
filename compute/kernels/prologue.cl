/* prologue.cl - first part of every program
 *
 * The device adds: DESCRY_CPU (1 in the cpu family, 0 in the gpu family).
 *
 * Shared kernels (`*.any.cl`) take a count per item, `chunk`: the cpu family gives each item thousands
 * of neighbours, the gpu family one.
 *
 * Numbers of descry_activate() are those of DescryActivation in compute/ops/gemm.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define ACT_NONE 0
#define ACT_RELU 1
#define ACT_RELU6 2
#define ACT_LEAKY 3
#define ACT_GELU 4
#define ACT_QUICK_GELU 5
#define ACT_SILU 6
#define ACT_SIGMOID 7
#define ACT_TANH 8
#define ACT_HARD_SWISH 9
#define ACT_HARD_SIGMOID 10

#define DESCRY_SIXTH 0.16662598f /* the compact bundle's constants are rounded to half */

inline float
descry_activate (float x, uint act)
{
  switch (act)
    {
    case ACT_RELU: return fmax (x, 0.0f);
    case ACT_RELU6: return clamp (x, 0.0f, 6.0f);
    case ACT_LEAKY: return x > 0.0f ? x : 0.1f * x;
    case ACT_GELU: return 0.5f * x * (1.0f + erf (x * 0.70710678118654752f));
    case ACT_QUICK_GELU: return x / (1.0f + exp (-1.702f * x));
    case ACT_SILU: return x / (1.0f + exp (-x));
    case ACT_SIGMOID: return 1.0f / (1.0f + exp (-x));
    case ACT_TANH: return tanh (x);
    case ACT_HARD_SWISH: return x * clamp (x + 3.0f, 0.0f, 6.0f) * DESCRY_SIXTH;
    case ACT_HARD_SIGMOID: return clamp (x + 3.0f, 0.0f, 6.0f) * DESCRY_SIXTH;
    default: return x;
    }
}

/* erf() within 2e-7: a polynomial in x up to 1, beyond that the logarithm of what is missing to 1 as one. Drivers take one
 * number after another. */
static __attribute__ ((noinline)) float16
descry_erf16 (float16 x)
{
  const float16 z = fabs (x), far = z > 4.0f ? (float16) (4.0f) : z, s = z * z;
  float16 near = fma (s, (float16) (-9.72840826e-6f), (float16) (1.12881746e-4f)), missing;

  near = fma (near, s, (float16) (-8.48726777e-4f));
  near = fma (near, s, (float16) (5.22126164e-3f));
  near = fma (near, s, (float16) (-0.0268655177f));
  near = fma (near, s, (float16) (0.112837844f));
  near = fma (near, s, (float16) (-0.376126379f));
  near = fma (near, s, (float16) (1.12837923f)) * z;
  missing = fma (far, (float16) (-1.61024047e-6f), (float16) (4.55127738e-5f));
  missing = fma (missing, far, (float16) (-5.92092751e-4f));
  missing = fma (missing, far, (float16) (4.73695062e-3f));
  missing = fma (missing, far, (float16) (-0.0263551213f));
  missing = fma (missing, far, (float16) (0.109960802f));
  missing = fma (missing, far, (float16) (0.63195622f));
  missing = fma (missing, far, (float16) (1.13015509f));
  missing = fma (missing, far, (float16) (-3.00268846e-4f));
  return copysign (z < 1.0f ? near : 1.0f - exp (-missing), x);
}

/* The same for 16 lanes: those that need a function. */
static __attribute__ ((noinline)) float16
descry_activate_slow16 (float16 x, uint act)
{
  float v[16];
  uint i;

  switch (act)
    {
    case ACT_GELU: return 0.5f * x * (1.0f + descry_erf16 (x * 0.70710678118654752f));
    case ACT_QUICK_GELU: return x / (1.0f + exp (-1.702f * x));
    case ACT_SILU: return x / (1.0f + exp (-x));
    case ACT_SIGMOID: return 1.0f / (1.0f + exp (-x));
    default:
      vstore16 (x, 0, v);
      for (i = 0; i < 16; i++)
        v[i] = descry_activate (v[i], act);
      return vload16 (0, v);
    }
}

/* The common ones stay in a register: a call would spill all sums of a tile round each of them. */
static inline __attribute__ ((always_inline)) float16
descry_activate16 (float16 x, uint act)
{
  switch (act)
    {
    case ACT_NONE: return x;
    case ACT_RELU: return fmax (x, 0.0f);
    case ACT_RELU6: return clamp (x, 0.0f, 6.0f);
    case ACT_LEAKY: return fmax (x, 0.1f * x);
    case ACT_HARD_SWISH: return x * clamp (x + 3.0f, 0.0f, 6.0f) * DESCRY_SIXTH;
    case ACT_HARD_SIGMOID: return clamp (x + 3.0f, 0.0f, 6.0f) * DESCRY_SIXTH;
    default: return descry_activate_slow16 (x, act);
    }
}
