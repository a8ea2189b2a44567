/* pairs.cpu.cl - convolutions whose tiles are products in fixed registers, cpu family; host side in compute/ops/conv-pairs.c
 *
 * In bfloat16 with f32 sums (`paired`), where the processor multiplies pairs of such values: twice the products of an f32
 * instruction; or in f32. One tile is 14 output pixels x 32 output channels in registers. What a tile reads is rounded, or
 * copied, once into local memory, which stays in the core's first two caches, and used for every panel of output channels:
 * [values / 8 or / 4][14 pixels][16 bytes], one stream. A depthwise convolution in front is computed straight into it, and
 * so never is in memory.
 *
 * kernel                 reads                                      writes              launch
 * conv_pairs             x f32 [n,h,w,in] pitched, in % 8 = 0 or    y f32 [n,oh,ow,out] item: `chunk` tiles of 14 pixels x
 *                        a first layer's few, weights                                   `panels` panels; local 1
 *                        [out/32][k*k*in/2][32] pairs, bias [.. + zeros]
 * conv_depthwise_pairs   the same, wide [k*k][c], its bias          y f32 [n,oh,ow,out] the same
 *                        [c + zeros], c % 8 = 0, k 3 or 5
 * conv_floats,           in % 4 = 0, weights [out/32][k*k*in][32]   the same            the same
 * conv_depthwise_floats  f32
 *
 * The compiler does not know the instructions of pairs for this target; the host asks the processor before it uses them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#ifdef __AVX512F__

#define PAIR_ROWS 14
#define PAIR_INLINE static inline __attribute__ ((always_inline)) /* so that `paired` is a constant */
#define PAIR_DOT(sum, w, x) __asm__ ("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x))
#define PAIR_PREFETCH(from) __asm__ volatile ("prefetcht0 (%0)" : : "r"(from))
#define PAIR_ROUND(to, from) __asm__ ("vcvtneps2bf16 %1, %0" : "=v"(to) : "v"(from))

typedef struct
{
  uint h, w; /* of the input */
  uint ow, opixels; /* of the output: width, pixels of one picture */
  uint k, stride, dilation;
  int  pad_top, pad_left;
} PairShape;

/* Sixteen values of pixel `r` from value `at`, a multiple of 8; or of 4 in f32. */
PAIR_INLINE void
pair_keep (const bool paired, __local uint *a, const uint at, const uint r, const float16 value)
{
  if (paired)
    {
      ushort16 rounded;

      PAIR_ROUND (rounded, value);
      *(__local ushort8 *) (a + (at / 8 * PAIR_ROWS + r) * 4) = rounded.lo;
      *(__local ushort8 *) (a + ((at / 8 + 1) * PAIR_ROWS + r) * 4) = rounded.hi;
    }
  else
    {
      __local float4 *to = (__local float4 *) a + at / 4 * PAIR_ROWS + r;

      to[0] = value.s0123;
      to[PAIR_ROWS] = value.s4567;
      to[2 * PAIR_ROWS] = value.s89ab;
      to[3 * PAIR_ROWS] = value.scdef;
    }
}

/* Where tap (0, 0) of a tile's pixels reads; pixels beyond `last` repeat it. */
typedef struct
{
  __global const float *picture[PAIR_ROWS];
  int y[PAIR_ROWS], x[PAIR_ROWS];
} PairPlaces;

inline void
pair_places (PairPlaces *to, const PairShape s, __global const float *x, const uint x_pitch, const uint first, const uint last)
{
  const uint image = first / s.opixels;
  uint oy = (first - image * s.opixels) / s.ow, ox = first - image * s.opixels - oy * s.ow;
  __global const float *picture = x + (ulong) image * s.h * s.w * x_pitch;

  for (uint r = 0; r < PAIR_ROWS; r++)
    {
      to->picture[r] = picture;
      to->y[r] = (int) (oy * s.stride) - s.pad_top;
      to->x[r] = (int) (ox * s.stride) - s.pad_left;
      if (first + r < last && ++ox == s.ow)
        {
          ox = 0;
          if (++oy * s.ow == s.opixels)
            {
              oy = 0;
              picture += (ulong) s.h * s.w * x_pitch;
            }
        }
    }
}

/* Where pixel `r` reads tap (ky, kx), or zeros. */
inline __global const float *
pair_tap (const PairPlaces *at, const PairShape s, const uint x_pitch, __global const float *zeros, const uint r, const uint ky, const uint kx)
{
  const int y = at->y[r] + (int) (ky * s.dilation), x = at->x[r] + (int) (kx * s.dilation);

  return (uint) y < s.h && (uint) x < s.w ? at->picture[r] + (long) (y * (int) s.w + x) * (int) x_pitch : zeros;
}

/* Values of a pixel: whole blocks of 8, and of 16 where the first layer's few channels make one run of all taps. */
inline uint
pair_values (const uint k, const uint in)
{
  return in < 8 ? (k * k * in + 15) & ~15u : k * k * in;
}

/* The first layer: the taps of 14 pixels, one after another. */
PAIR_INLINE void
pair_gather_few (const bool paired, __local uint *a, const PairShape s, __global const float *x, const uint x_pitch, const uint in, __global const float *zeros,
                 const uint first, const uint last)
{
  const uint count = s.k * s.k * in, run = s.w * x_pitch;
  /* Three rows of three pixels of three channels, read as three vectors, of which the last may not pass the end. */
  const bool three = s.k == 3 && in == 3 && x_pitch == 3 && s.dilation == 1;
  PairPlaces places;
  float all[112];
  uint r, t, i;

  pair_places (&places, s, x, x_pitch, first, last);
  for (r = 0; r < PAIR_ROWS; r++)
    {
      const int py = places.y[r], px = places.x[r];

      if (three && px >= 0 && py >= 0 && px + 6 <= (int) s.w && py + 3 <= (int) s.h)
        {
          __global const float *from = places.picture[r] + py * (int) run + px * 3;
          const float16 row0 = vload16 (0, from), row1 = vload16 (0, from + run), row2 = vload16 (0, from + 2 * run);

          pair_keep (paired, a, 0, r, __builtin_shufflevector (row0, row1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19, 20, 21, 22));
          pair_keep (paired, a, 16, r, __builtin_shufflevector (__builtin_shufflevector (row1, row2, 7, 8, 16, 17, 18, 19, 20, 21, 22, 23, 24, 0, 0, 0, 0, 0),
                                                        (float16) (0.0f), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 16, 16, 16, 16));
        }
      else
        {
          for (t = 0; t < s.k * s.k; t++)
            {
              __global const float *from = pair_tap (&places, s, x_pitch, zeros, r, t / s.k, t % s.k);

              for (i = 0; i < in; i++)
                all[t * in + i] = from[i];
            }
          for (i = count; i < ((count + 15) & ~15u); i++)
            all[i] = 0.0f;
          for (i = 0; i < count; i += 16)
            pair_keep (paired, a, i, r, vload16 (0, all + i));
        }
    }
}

/* What 14 pixels from `first` read. The last values of a tap that do not fill 16 lanes start earlier and are done twice. */
PAIR_INLINE void
pair_gather (const bool paired, __local uint *a, const PairShape s, __global const float *x, const uint x_pitch, const uint in, __global const float *zeros,
             const uint first, const uint last)
{
  const bool plain = s.k * s.stride == 1 && s.pad_top == 0 && s.pad_left == 0;
  PairPlaces places;
  uint r, ky, kx, i;

  if (in < 8)
    {
      pair_gather_few (paired, a, s, x, x_pitch, in, zeros, first, last);
      return;
    }
  if (!plain)
    pair_places (&places, s, x, x_pitch, first, last);
  for (r = 0; r < PAIR_ROWS; r++)
    for (ky = 0; ky < s.k; ky++)
      for (kx = 0; kx < s.k; kx++)
        {
          __global const float *from = plain ? x + (ulong) min (first + r, last) * x_pitch : pair_tap (&places, s, x_pitch, zeros, r, ky, kx);
          const uint tap = (ky * s.k + kx) * in;

          for (i = 0; i < in; i += 16)
            {
              const uint at = min (i, in - 16);

              pair_keep (paired, a, tap + at, r, vload16 (0, from + at));
            }
        }
}

/* The same by way of a depthwise convolution; `k` is a constant after inlining. */
PAIR_INLINE void
pair_depthwise (const bool paired, const uint k, __local uint *a, const PairShape s, __global const float *x, const uint x_pitch, __global const float *weights,
                __global const float *bias, const uint c, const uint act, const uint first, const uint last)
{
  const uint padded = (c + 15) & ~15u;
  __global const float *from[PAIR_ROWS][25], *base;
  PairPlaces places;
  const uint step = s.stride * x_pitch, column = s.dilation * x_pitch, line = column * s.w;
  const bool known = act <= ACT_RELU6;
  const float16 least = act == ACT_NONE ? -INFINITY : 0.0f, most = act == ACT_RELU6 ? 6.0f : INFINITY;
  uint r, t, i;
  bool inside;

  pair_places (&places, s, x, x_pitch, first, last);
  /* Most tiles lie in one row and read nothing outside the picture: then one place gives all others. */
  inside = places.y[0] >= 0 && places.x[0] >= 0 && places.y[0] + (int) ((k - 1) * s.dilation) < (int) s.h
           && places.x[0] + (int) ((PAIR_ROWS - 1) * s.stride + (k - 1) * s.dilation) < (int) s.w
           && places.x[PAIR_ROWS - 1] == places.x[0] + (int) ((PAIR_ROWS - 1) * s.stride);
  base = places.picture[0] + (long) (places.y[0] * (int) s.w + places.x[0]) * (int) x_pitch;
  if (!inside)
    for (r = 0; r < PAIR_ROWS; r++)
      _Pragma ("unroll") for (t = 0; t < k * k; t++)
        from[r][t] = pair_tap (&places, s, x_pitch, bias + padded, r, t / k, t % k);

  for (i = 0; i < c; i += 16)
    {
      const uint at = min (i, c - 16);
      const float16 start = vload16 (0, bias + at);
      float16 tap[25];

      _Pragma ("unroll") for (t = 0; t < k * k; t++)
        tap[t] = vload16 (0, weights + t * padded + at);
      for (r = 0; r < PAIR_ROWS; r++)
        {
          float16 sum = start, other = 0.0f;

          if (inside)
            {
              __global const float *corner = base + r * step + at;

              /* The next tile's lowest line; those above it were read for the tiles above. */
              PAIR_PREFETCH (corner + (k - 1) * line + PAIR_ROWS * step);
              _Pragma ("unroll") for (t = 0; t < k * k; t += 2)
                {
                  sum = fma (vload16 (0, corner + t / k * line + t % k * column), tap[t], sum);
                  if (t + 1 < k * k)
                    other = fma (vload16 (0, corner + (t + 1) / k * line + (t + 1) % k * column), tap[t + 1], other);
                }
            }
          else
            {
              _Pragma ("unroll") for (t = 0; t < k * k; t += 2)
                {
                  sum = fma (vload16 (0, from[r][t] + at), tap[t], sum);
                  if (t + 1 < k * k)
                    other = fma (vload16 (0, from[r][t + 1] + at), tap[t + 1], other);
                }
            }
          sum += other;
          if (known)
            {
              sum = least > sum ? least : sum;
              sum = most < sum ? most : sum;
            }
          else
            sum = descry_activate16 (sum, act);
          pair_keep (paired, a, at, r, sum);
        }
    }
}

/* The product of a tile, in fixed registers: low sums zmm0-13, high ones zmm14-27, weights zmm28-29, a pixel's pair zmm30. A
 * compiler that chooses them spills, and its epilogue asks the activation's name for each vector. *_LOW: only 16 channels. */
#define PAIR_START(r, q) "vmovaps %%zmm0, %%zmm" #r "\n vmovaps %%zmm14, %%zmm" #q "\n"
#define PAIR_START_LOW(r, q) "vmovaps %%zmm0, %%zmm" #r "\n"
#define PAIR_ROW(r, q, p, dot) "vbroadcastss " #r "*16+" #p "*4(%[a]), %%zmm30\n" dot " %%zmm30, %%zmm28, %%zmm" #r "\n" dot " %%zmm30, %%zmm29, %%zmm" #q "\n"
#define PAIR_ROW_LOW(r, q, p, dot) "vbroadcastss " #r "*16+" #p "*4(%[a]), %%zmm30\n" dot " %%zmm30, %%zmm28, %%zmm" #r "\n"
#define PAIR_LEAK_LOW(r, q) "vmulps %%zmm" #r ", %%zmm28, %%zmm30\n vmaxps %%zmm" #r ", %%zmm30, %%zmm" #r "\n"
#define PAIR_LEAK(r, q) PAIR_LEAK_LOW (r, q) PAIR_LEAK_LOW (q, r)
#define PAIR_CLAMP_LOW(r, q) "vmaxps %%zmm" #r ", %%zmm28, %%zmm" #r "\n vminps %%zmm" #r ", %%zmm29, %%zmm" #r "\n"
#define PAIR_CLAMP(r, q) PAIR_CLAMP_LOW (r, q) PAIR_CLAMP_LOW (q, r)
/* x clamp (x + 3, 0, 6) / 6 */
#define PAIR_SWISH_LOW(r, q) \
  "vaddps 12(%[bounds])%{1to16%}, %%zmm" #r ", %%zmm30\n vmaxps %%zmm30, %%zmm28, %%zmm30\n vminps %%zmm30, %%zmm29, %%zmm30\n" \
  "vmulps %%zmm31, %%zmm" #r ", %%zmm" #r "\n vmulps %%zmm30, %%zmm" #r ", %%zmm" #r "\n"
#define PAIR_SWISH(r, q) PAIR_SWISH_LOW (r, q) PAIR_SWISH_LOW (q, r)
#define PAIR_MORE_LOW(r, q) "vmovups (%[more]), %%zmm28%{%%k1%}%{z%}\n add %[more_pitch], %[more]\n vaddps %%zmm28, %%zmm" #r ", %%zmm" #r "\n"
#define PAIR_MORE(r, q) "vmovups 64(%[more]), %%zmm29%{%%k2%}%{z%}\n vaddps %%zmm29, %%zmm" #q ", %%zmm" #q "\n" PAIR_MORE_LOW (r, q)
#define PAIR_STORE_LOW(r, q) "vmovups %%zmm" #r ", (%[y])%{%%k1%}\n add %[y_pitch], %[y]\n"
#define PAIR_STORE(r, q) "vmovups %%zmm" #q ", 64(%[y])%{%%k2%}\n" PAIR_STORE_LOW (r, q)
#define PAIR_STEP(rows, p, dot) "vmovups 128*" #p "(%[w]), %%zmm28\n vmovups 128*" #p "+64(%[w]), %%zmm29\n" rows (PAIR_ROW, p, dot)
#define PAIR_STEP_LOW(rows, p, dot) "vmovups 128*" #p "(%[w]), %%zmm28\n" rows (PAIR_ROW_LOW, p, dot)
#define PAIR_7(step, ...) \
  step (0, 14, ##__VA_ARGS__) step (1, 15, ##__VA_ARGS__) step (2, 16, ##__VA_ARGS__) step (3, 17, ##__VA_ARGS__) \
  step (4, 18, ##__VA_ARGS__) step (5, 19, ##__VA_ARGS__) step (6, 20, ##__VA_ARGS__)
#define PAIR_14(step, ...) \
  PAIR_7 (step, ##__VA_ARGS__) \
  step (7, 21, ##__VA_ARGS__) step (8, 22, ##__VA_ARGS__) step (9, 23, ##__VA_ARGS__) step (10, 24, ##__VA_ARGS__) \
  step (11, 25, ##__VA_ARGS__) step (12, 26, ##__VA_ARGS__) step (13, 27, ##__VA_ARGS__)

/* What happens to the sums before they are stored. */
#define PAIR_LEAKS 1
#define PAIR_CLAMPS 2
#define PAIR_ADDS 4
#define PAIR_SWISHES 8

typedef struct
{
  ulong y, y_pitch, more, more_pitch; /* bytes */
  ulong flags;
  float bounds[5]; /* least, most, slope, three, sixth */
  uint  low, high; /* channels to write, one bit each */
} PairEnd;

#define PAIR_PRODUCT(name, rows, kind, dot) \
  inline void \
  name (__local const uint *a, __global const uint *w, const uint blocks, __global const float *bias, const PairEnd *end) \
  { \
    ulong from = (ulong) a, weight = (ulong) w, left = blocks, to = end->y, more = end->more; \
 \
    __asm__ volatile ( \
      "vmovups (%[bias]), %%zmm0\n vmovups 64(%[bias]), %%zmm14\n" rows (PAIR_START##kind) \
      "1:\n" PAIR_STEP##kind (rows, 0, dot) PAIR_STEP##kind (rows, 1, dot) PAIR_STEP##kind (rows, 2, dot) PAIR_STEP##kind (rows, 3, dot) \
      "add $512, %[w]\n add $224, %[a]\n dec %[n]\n jnz 1b\n" \
      "kmovw %[low], %%k1\n kmovw %[high], %%k2\n" \
      "test $1, %b[flags]\n jz 2f\n vbroadcastss 8(%[bounds]), %%zmm28\n" rows (PAIR_LEAK##kind) \
      "2: test $2, %b[flags]\n jz 3f\n vbroadcastss (%[bounds]), %%zmm28\n vbroadcastss 4(%[bounds]), %%zmm29\n" rows (PAIR_CLAMP##kind) \
      "3: test $8, %b[flags]\n jz 4f\n vbroadcastss (%[bounds]), %%zmm28\n vbroadcastss 4(%[bounds]), %%zmm29\n vbroadcastss 16(%[bounds]), %%zmm31\n" \
      rows (PAIR_SWISH##kind) \
      "4: test $4, %b[flags]\n jz 5f\n" rows (PAIR_MORE##kind) \
      "5:\n" rows (PAIR_STORE##kind) \
      : [a] "+r"(from), [w] "+r"(weight), [n] "+r"(left), [y] "+r"(to), [more] "+r"(more) \
      : [bias] "r"(bias), [y_pitch] "r"(end->y_pitch), [more_pitch] "r"(end->more_pitch), [flags] "r"(end->flags), [bounds] "r"(end->bounds), \
        [low] "r"(end->low), [high] "r"(end->high) \
      : "memory", "cc", "k1", "k2", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12", "zmm13", \
        "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30", "zmm31"); \
  }

PAIR_PRODUCT (pair_product14, PAIR_14, , "vdpbf16ps")
PAIR_PRODUCT (pair_product7, PAIR_7, , "vdpbf16ps")
PAIR_PRODUCT (pair_product14_low, PAIR_14, _LOW, "vdpbf16ps")
PAIR_PRODUCT (pair_product7_low, PAIR_7, _LOW, "vdpbf16ps")
PAIR_PRODUCT (float_product14, PAIR_14, , "vfmadd231ps")
PAIR_PRODUCT (float_product7, PAIR_7, , "vfmadd231ps")
PAIR_PRODUCT (float_product14_low, PAIR_14, _LOW, "vfmadd231ps")
PAIR_PRODUCT (float_product7_low, PAIR_7, _LOW, "vfmadd231ps")

/* One pixel x 32 channels: limited by the weights it reads. */
PAIR_INLINE void
pair_single (const bool paired, __local const uint *a, __global const uint *w, uint blocks, __global const float *bias, const uint act, __global const float *more,
             __global float *y, const int count)
{
  float16 low = vload16 (0, bias), high = vload16 (1, bias), low2 = 0.0f, high2 = 0.0f;

  for (; blocks > 0; blocks--)
    {
      if (paired)
        {
          _Pragma ("unroll") for (uint p = 0; p < 4; p += 2)
            {
              const uint16 value = (uint16) (a[p]), other = (uint16) (a[p + 1]);
              const uint16 w0 = vload16 (2 * p, w), w1 = vload16 (2 * p + 1, w), w2 = vload16 (2 * p + 2, w), w3 = vload16 (2 * p + 3, w);

              PAIR_DOT (low, w0, value);
              PAIR_DOT (high, w1, value);
              PAIR_DOT (low2, w2, other);
              PAIR_DOT (high2, w3, other);
            }
        }
      else
        {
          __local const float *v = (__local const float *) a;
          __global const float *wf = (__global const float *) w;

          _Pragma ("unroll") for (uint p = 0; p < 4; p += 2)
            {
              low = fma ((float16) (v[p]), vload16 (2 * p, wf), low);
              high = fma ((float16) (v[p]), vload16 (2 * p + 1, wf), high);
              low2 = fma ((float16) (v[p + 1]), vload16 (2 * p + 2, wf), low2);
              high2 = fma ((float16) (v[p + 1]), vload16 (2 * p + 3, wf), high2);
            }
        }
      w += 128;
      a += PAIR_ROWS * 4;
    }
  conv_store16 (y, more, low + low2, act, count);
  conv_store16 (y + 16, more ? more + 16 : 0, high + high2, act, count - 16);
}

/* The activation, for all the tiles of an item. */
inline void
pair_end (PairEnd *end, const uint act)
{
  end->bounds[0] = 0.0f;
  end->bounds[1] = act == ACT_RELU6 || act == ACT_HARD_SWISH ? 6.0f : INFINITY;
  end->bounds[2] = 0.1f;
  end->bounds[3] = 3.0f;
  end->bounds[4] = DESCRY_SIXTH;
  end->flags = act == ACT_LEAKY ? PAIR_LEAKS : act == ACT_RELU || act == ACT_RELU6 ? PAIR_CLAMPS : act == ACT_HARD_SWISH ? PAIR_SWISHES : 0;
  end->more = end->more_pitch = 0;
}

/* Whether pair_end() knows the activation, so that products do it in registers. */
inline bool
pair_knows (const uint act)
{
  return act <= ACT_LEAKY || act == ACT_HARD_SWISH;
}

PAIR_INLINE void
pair_product (const bool paired, __local const uint *a, __global const uint *w, const uint blocks, __global const float *bias, const PairEnd *end, const uint rows)
{
  const bool low = end->high == 0;

  if (paired)
    {
      if (rows > PAIR_ROWS / 2 && low)
        pair_product14_low (a, w, blocks, bias, end);
      else if (rows > PAIR_ROWS / 2)
        pair_product14 (a, w, blocks, bias, end);
      else if (low)
        pair_product7_low (a, w, blocks, bias, end);
      else
        pair_product7 (a, w, blocks, bias, end);
    }
  else
    {
      if (rows > PAIR_ROWS / 2 && low)
        float_product14_low (a, w, blocks, bias, end);
      else if (rows > PAIR_ROWS / 2)
        float_product14 (a, w, blocks, bias, end);
      else if (low)
        float_product7_low (a, w, blocks, bias, end);
      else
        float_product7 (a, w, blocks, bias, end);
    }
}

/* All panels of this item for one tile that lies in `a`. */
PAIR_INLINE void
pair_products (const bool paired, __local const uint *a, const uint blocks, __global const uint *weights, __global const float *bias, __global const float *residual,
               const uint residual_pitch, __global float *y, const uint y_pitch, const uint out, const uint act, const uint first, const uint last,
               const uint begin, const uint end)
{
  const uint rows = min (last + 1 - first, (uint) PAIR_ROWS);
  const bool known = pair_knows (act), whole = known && (rows == PAIR_ROWS || rows == PAIR_ROWS / 2);
  const uint after = known ? ACT_NONE : act;
  float rest[PAIR_ROWS * 32];
  PairEnd to;

  pair_end (&to, act);
  if (whole && residual)
    to.flags |= PAIR_ADDS;
  to.more_pitch = residual_pitch * 4;
  to.y_pitch = whole ? y_pitch * 4 : 128;
  for (uint panel = begin; panel < end; panel++)
    {
      const int count = min (32, (int) (out - panel * 32));
      __global const uint *wp = weights + (ulong) panel * blocks * 128;
      __global const float *bp = bias + panel * 32, *rp = residual ? residual + (ulong) first * residual_pitch + panel * 32 : 0;
      __global float *yp = y + (ulong) first * y_pitch + panel * 32;

      if (rows < 3)
        {
          for (uint r = 0; r < rows; r++)
            pair_single (paired, a + r * 4, wp, blocks, bp, act, rp ? rp + (ulong) r * residual_pitch : 0, yp + (ulong) r * y_pitch, count);
          continue;
        }

      /* What is not a whole tile, or wants a function, goes by way of `rest`. */
      to.y = whole ? (ulong) yp : (ulong) rest;
      to.more = (ulong) rp;
      to.low = (1u << min (count, 16)) - 1;
      to.high = (1u << max (count - 16, 0)) - 1;
      pair_product (paired, a, wp, blocks, bp, &to, rows);
      if (!whole)
        for (uint r = 0; r < rows; r++)
          {
            __global const float *more = rp ? rp + (ulong) r * residual_pitch : 0;

            conv_store16 (yp + (ulong) r * y_pitch, more, vload16 (0, rest + r * 32), after, count);
            conv_store16 (yp + (ulong) r * y_pitch + 16, more ? more + 16 : 0, vload16 (1, rest + r * 32), after, count - 16);
          }
    }
}

#define PAIR_ARGUMENTS \
  __global float *y, const uint y_at, const uint y_pitch, __global const float *x, const uint x_at, const uint x_pitch, \
  __global const uint *weights, const uint weights_at, __global const float *bias, const uint bias_at, \
  __global const float *residual, const uint residual_at, const uint residual_pitch, const uint has_residual, \
  const uint h, const uint w, const uint in, const uint ow, const uint opixels, const uint pixels, const uint out, \
  const uint k, const uint stride, const uint dilation, const int pad_top, const int pad_left, \
  const uint act, const uint chunk, const uint panels, __local uint *a

#define PAIR_KERNELS(plain, depthwise, paired) \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void \
  plain (PAIR_ARGUMENTS) \
  { \
    const PairShape s = { h, w, ow, opixels, k, stride, dilation, pad_top, pad_left }; \
    const uint all = (out + 31) / 32, begin = get_global_id (1) * panels, end = min (begin + panels, all); \
    const uint start = get_global_id (0) * chunk * PAIR_ROWS, stop = min (start + chunk * PAIR_ROWS, pixels); \
 \
    for (uint first = start; first < stop; first += PAIR_ROWS) \
      { \
        pair_gather (paired, a, s, x + x_at, x_pitch, in, bias + bias_at + all * 32, first, stop - 1); \
        pair_products (paired, a, pair_values (k, in) / (paired ? 8 : 4), weights + weights_at, bias + bias_at, has_residual ? residual + residual_at : 0, \
                       residual_pitch, y + y_at, y_pitch, out, act, first, stop - 1, begin, end); \
      } \
  } \
 \
  __kernel __attribute__ ((reqd_work_group_size (1, 1, 1))) void \
  depthwise (PAIR_ARGUMENTS, __global const float *wide, const uint wide_at, __global const float *wide_bias, const uint wide_bias_at, const uint wide_act) \
  { \
    const PairShape s = { h, w, ow, opixels, k, stride, dilation, pad_top, pad_left }; \
    const uint all = (out + 31) / 32, begin = get_global_id (1) * panels, end = min (begin + panels, all); \
    const uint start = get_global_id (0) * chunk * PAIR_ROWS, stop = min (start + chunk * PAIR_ROWS, pixels); \
 \
    for (uint first = start; first < stop; first += PAIR_ROWS) \
      { \
        if (k == 3) \
          pair_depthwise (paired, 3, a, s, x + x_at, x_pitch, wide + wide_at, wide_bias + wide_bias_at, in, wide_act, first, stop - 1); \
        else \
          pair_depthwise (paired, 5, a, s, x + x_at, x_pitch, wide + wide_at, wide_bias + wide_bias_at, in, wide_act, first, stop - 1); \
        pair_products (paired, a, in / (paired ? 8 : 4), weights + weights_at, bias + bias_at, has_residual ? residual + residual_at : 0, residual_pitch, \
                       y + y_at, y_pitch, out, act, first, stop - 1, begin, end); \
      } \
  }

PAIR_KERNELS (conv_pairs, conv_depthwise_pairs, true)
PAIR_KERNELS (conv_floats, conv_depthwise_floats, false)

#endif
