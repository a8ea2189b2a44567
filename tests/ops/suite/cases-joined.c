/* cases-joined.c - convolutions that are computed together, transposed ones; parts of masks; drawing tokens
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdlib.h>

#include "compute/ops/components.h"
#include "compute/ops/elementwise.h"
#include "compute/ops/sample.h"
#include "tests/ops/suite/suite.h"

/* --- convolutions one behind the other ----------------------------------------------------------- */

/* FIRST: kernel of the widening convolution, 0: none. */
enum { PICTURES, HEIGHT, WIDTH, IN, MIDDLE, OUT, FIRST, FIRST_STRIDE, KERNEL, STRIDE, RESIDUAL, ACTS, BF16 };

/* Three activations in one number, the first lowest. */
#define ACT_THREE(a, b, c) ((a) | (b) << 4 | (c) << 8)

static guint
joined_convs (const guint     *p,
              DescryConvShape  shapes[3],
              guint            ins[3],
              guint            outs[3],
              DescryActivation acts[3])
{
  const guint from = p[FIRST] == 0;

  shapes[0] = (DescryConvShape) { .kernel = p[FIRST], .stride = p[FIRST_STRIDE], .bf16 = p[BF16] };
  shapes[1] = (DescryConvShape) { .kernel = p[KERNEL], .stride = p[STRIDE], .depthwise = TRUE, .bf16 = p[BF16] };
  shapes[2] = (DescryConvShape) { .kernel = 1, .stride = 1, .bf16 = p[BF16] };
  ins[0] = p[IN];
  ins[1] = ins[2] = outs[0] = outs[1] = p[MIDDLE];
  outs[2] = p[OUT];
  acts[0] = p[ACTS] & 15;
  acts[1] = p[ACTS] >> 4 & 15;
  acts[2] = p[ACTS] >> 8;

  return from;
}

static gsize
joined_weights (const DescryConvShape *shape,
                guint                  in,
                guint                  out)
{
  return (gsize) out * (shape->depthwise ? 1 : in) * shape->kernel * shape->kernel;
}

static void
joined_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint stride = (p[FIRST] ? p[FIRST_STRIDE] : 1) * p[STRIDE], oh = (p[HEIGHT] + stride - 1) / stride, ow = (p[WIDTH] + stride - 1) / stride;
  DescryConvShape shapes[3];
  DescryActivation acts[3];
  guint ins[3], outs[3], from = joined_convs (p, shapes, ins, outs, acts), k;
  gsize total = 0, at = 0, i;

  suite_input (r, DESCRY_F32, p[PICTURES] * p[HEIGHT] * p[WIDTH], p[IN], -1, 1);
  suite_input (r, DESCRY_F32, p[PICTURES] * oh * ow, p[OUT], -1, 1);
  suite_output (r, p[PICTURES] * oh * ow, p[OUT]);

  for (k = from; k < 3; k++)
    total += joined_weights (&shapes[k], ins[k], outs[k]);
  r->weight_values = g_new (float, total);
  r->bias_values = g_new (float, 2 * p[MIDDLE] + p[OUT]);
  for (i = 0; i < 2 * p[MIDDLE] + p[OUT]; i++)
    r->bias_values[i] = (float) g_rand_double_range (r->rand, -1, 1);
  for (k = from; k < 3; k++)
    {
      const gsize n = joined_weights (&shapes[k], ins[k], outs[k]);
      const double reach = 2.0 / sqrt ((double) n / outs[k]);

      for (i = 0; i < n; i++)
        r->weight_values[at + i] = (float) g_rand_double_range (r->rand, -reach, reach);
      if (r->error == NULL)
        r->joined[k] = descry_conv_new (r->device, r->c->op, outs[k], ins[k], &shapes[k], r->weight_values + at, r->bias_values + k * p[MIDDLE], &r->error);
      at += n;
    }
}

static void
joined_launch (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint stride = (p[FIRST] ? p[FIRST_STRIDE] : 1) * p[STRIDE];
  DescryTensor x = suite_pictures (r, 0, p[PICTURES], p[HEIGHT], p[WIDTH]), residual = { 0 }, y;
  DescryConvShape shapes[3];
  DescryActivation acts[3];
  guint ins[3], outs[3];

  joined_convs (p, shapes, ins, outs, acts);
  if (p[RESIDUAL])
    residual = suite_pictures (r, 1, p[PICTURES], (p[HEIGHT] + stride - 1) / stride, (p[WIDTH] + stride - 1) / stride);
  if (p[FIRST])
    y = op_conv_inverted (r->run, x, r->joined[0], r->joined[1], r->joined[2], TRUE, acts[0], acts[1], acts[2], residual);
  else
    y = op_conv_separable (r->run, x, r->joined[1], r->joined[2], TRUE, acts[1], acts[2], residual);
  if (descry_run_ok (r->run))
    op_copy (r->run, suite_tensor (r, 2), descry_tensor_reshape (y, 2, (guint[]) { descry_tensor_rows (y), descry_tensor_cols (y) }));
  descry_run_release (r->run, &y);
}

/* One of them, padded as TensorFlow's SAME. (transfer full) */
static double *
joined_one (const double          *x,
            guint                  n,
            guint                 *h,
            guint                 *w,
            guint                  in,
            guint                  out,
            const DescryConvShape *shape,
            const float           *weights,
            const float           *bias,
            DescryActivation       act)
{
  const guint oh = (*h + shape->stride - 1) / shape->stride, ow = (*w + shape->stride - 1) / shape->stride, depth = shape->depthwise ? 1 : in;
  double *y = g_new (double, (gsize) n * oh * ow * out);
  DescryConvShape s = *shape;
  guint b, oy, ox, o, i, ky, kx;

  descry_conv_same (&s, *h, *w);
  for (b = 0; b < n; b++)
    for (oy = 0; oy < oh; oy++)
      for (ox = 0; ox < ow; ox++)
        for (o = 0; o < out; o++)
          {
            double sum = bias[o];

            for (ky = 0; ky < s.kernel; ky++)
              for (kx = 0; kx < s.kernel; kx++)
                {
                  const int iy = (int) (oy * s.stride + ky) - (int) s.pad_top, ix = (int) (ox * s.stride + kx) - (int) s.pad_left;

                  if (iy < 0 || ix < 0 || iy >= (int) *h || ix >= (int) *w)
                    continue;
                  for (i = 0; i < depth; i++)
                    sum += x[(((gsize) b * *h + iy) * *w + ix) * in + (s.depthwise ? o : i)] * weights[(((gsize) o * depth + i) * s.kernel + ky) * s.kernel + kx];
                }
            y[(((gsize) b * oh + oy) * ow + ox) * out + o] = suite_activate (sum, act);
          }
  *h = oh;
  *w = ow;

  return y;
}

static void
joined_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const gsize n = (gsize) r->t[0].rows * r->t[0].cols, n_y = (gsize) r->t[2].rows * r->t[2].cols;
  double *x = g_new (double, n);
  DescryConvShape shapes[3];
  DescryActivation acts[3];
  guint ins[3], outs[3], h = p[HEIGHT], w = p[WIDTH], k;
  gsize at = 0, i;

  for (i = 0; i < n; i++)
    x[i] = suite_values (r, 0)[i];
  for (k = joined_convs (p, shapes, ins, outs, acts); k < 3; k++)
    {
      double *y = joined_one (x, p[PICTURES], &h, &w, ins[k], outs[k], &shapes[k], r->weight_values + at, r->bias_values + k * p[MIDDLE], acts[k]);

      g_free (x);
      x = y;
      at += joined_weights (&shapes[k], ins[k], outs[k]);
    }
  for (i = 0; i < n_y; i++)
    suite_expected (r, 2)[i] = x[i] + (p[RESIDUAL] ? suite_values (r, 1)[i] : 0.0);
  g_free (x);
}

/* --- transposed ------------------------------------------------------------------------------------ */

enum { T_PAD = FIRST, T_ACT };

static void
transposed_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint oh = (p[HEIGHT] - 1) * p[STRIDE] + p[KERNEL] - 2 * p[T_PAD], ow = (p[WIDTH] - 1) * p[STRIDE] + p[KERNEL] - 2 * p[T_PAD];
  const gsize n = (gsize) p[IN] * p[OUT] * p[KERNEL] * p[KERNEL];
  gsize i;

  suite_input (r, DESCRY_F32, p[PICTURES] * p[HEIGHT] * p[WIDTH], p[IN], -1, 1);
  suite_output (r, p[PICTURES] * oh * ow, p[OUT]);
  r->weight_values = g_new (float, n);
  for (i = 0; i < n; i++)
    r->weight_values[i] = (float) g_rand_double_range (r->rand, -0.5, 0.5);
  r->bias_values = g_new (float, p[OUT]);
  for (i = 0; i < p[OUT]; i++)
    r->bias_values[i] = (float) g_rand_double_range (r->rand, -1, 1);
  r->transposed = descry_conv_transposed_new (r->device, r->c->op, p[OUT], p[IN], p[KERNEL], p[STRIDE], p[T_PAD], r->weight_values, r->bias_values, &r->error);
}

static void
transposed_launch (SuiteRun *r)
{
  const guint *p = r->c->p;
  DescryTensor y = op_conv_transposed (r->run, suite_pictures (r, 0, p[PICTURES], p[HEIGHT], p[WIDTH]), r->transposed, p[T_ACT]);

  if (descry_run_ok (r->run))
    op_copy (r->run, suite_tensor (r, 1), descry_tensor_reshape (y, 2, (guint[]) { descry_tensor_rows (y), descry_tensor_cols (y) }));
  descry_run_release (r->run, &y);
}

static void
transposed_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint oh = (p[HEIGHT] - 1) * p[STRIDE] + p[KERNEL] - 2 * p[T_PAD], ow = (p[WIDTH] - 1) * p[STRIDE] + p[KERNEL] - 2 * p[T_PAD];
  double *y = suite_expected (r, 1);
  const gsize n = (gsize) p[PICTURES] * oh * ow * p[OUT];
  guint b, iy, ix, i, o, ky, kx;
  gsize e;

  for (e = 0; e < n; e++)
    y[e] = r->bias_values[e % p[OUT]];
  for (b = 0; b < p[PICTURES]; b++)
    for (iy = 0; iy < p[HEIGHT]; iy++)
      for (ix = 0; ix < p[WIDTH]; ix++)
        for (ky = 0; ky < p[KERNEL]; ky++)
          for (kx = 0; kx < p[KERNEL]; kx++)
            {
              const int oy = (int) (iy * p[STRIDE] + ky) - (int) p[T_PAD], ox = (int) (ix * p[STRIDE] + kx) - (int) p[T_PAD];

              if (oy < 0 || ox < 0 || oy >= (int) oh || ox >= (int) ow)
                continue;
              for (i = 0; i < p[IN]; i++)
                for (o = 0; o < p[OUT]; o++)
                  y[(((gsize) b * oh + oy) * ow + ox) * p[OUT] + o] += (double) suite_values (r, 0)[(((gsize) b * p[HEIGHT] + iy) * p[WIDTH] + ix) * p[IN] + i]
                                                                       * r->weight_values[(((gsize) i * p[OUT] + o) * p[KERNEL] + ky) * p[KERNEL] + kx];
            }
  for (e = 0; e < n; e++)
    y[e] = suite_activate (y[e], p[T_ACT]);
}

/* --- parts of masks -------------------------------------------------------------------------------- */

enum { M_HEIGHT, M_WIDTH, M_SIDE, M_KIND };
enum { NOISE, NOTHING, EVERYTHING, COMB };

static void
parts_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint x, y;

  suite_input (r, DESCRY_U8, p[M_HEIGHT], p[M_WIDTH], 0, 1);
  suite_output_of (r, DESCRY_I32, p[M_HEIGHT], p[M_WIDTH]);
  suite_output_of (r, DESCRY_I32, 1, 1);
  for (y = 0; y < p[M_HEIGHT]; y++)
    for (x = 0; x < p[M_WIDTH]; x++)
      {
        float *bit = &r->t[0].values[(gsize) y * p[M_WIDTH] + x];

        /* A comb is one part whose teeth meet in the last row only. */
        *bit = p[M_KIND] == NOTHING ? 0 : p[M_KIND] == EVERYTHING ? 255 : p[M_KIND] == COMB ? x % 2 == 0 || y + 1 == p[M_HEIGHT] : *bit < 0.58f;
      }
}

static void
parts_launch (SuiteRun *r)
{
  op_components (r->run, suite_tensor (r, 1), suite_tensor (r, 2), suite_tensor (r, 0));
}

static void
parts_reference (SuiteRun *r)
{
  const guint w = r->c->p[M_WIDTH], n = r->c->p[M_HEIGHT] * w;
  g_autofree guint *stack = g_new (guint, n);
  double *labels = suite_expected (r, 1);
  guint parts = 0, depth, i;

  for (i = 0; i < n; i++)
    labels[i] = 0;
  for (i = 0; i < n; i++)
    {
      if (suite_values (r, 0)[i] == 0 || labels[i] != 0)
        continue;
      labels[i] = ++parts;
      stack[0] = i;
      for (depth = 1; depth > 0;)
        {
          const guint at = stack[--depth];
          const guint next[] = { at >= w ? at - w : at, at + w < n ? at + w : at, at % w > 0 ? at - 1 : at, at % w + 1 < w ? at + 1 : at };
          guint k;

          for (k = 0; k < 4; k++)
            if (suite_values (r, 0)[next[k]] != 0 && labels[next[k]] == 0)
              {
                labels[next[k]] = parts;
                stack[depth++] = next[k];
              }
        }
    }
  suite_expected (r, 2)[0] = parts;
}

static void
squares_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;

  suite_input (r, DESCRY_F32, p[M_HEIGHT] * p[M_SIDE], p[M_WIDTH] * p[M_SIDE], 0, 1);
  suite_output_of (r, DESCRY_U8, p[M_HEIGHT], p[M_WIDTH]);
}

static void
squares_launch (SuiteRun *r)
{
  op_squares_set (r->run, suite_tensor (r, 1), suite_tensor (r, 0), r->c->p[M_SIDE], r->c->f);
}

static void
squares_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint y, x, i;

  for (y = 0; y < p[M_HEIGHT]; y++)
    for (x = 0; x < p[M_WIDTH]; x++)
      {
        double sum = 0;

        for (i = 0; i < p[M_SIDE] * p[M_SIDE]; i++)
          sum += suite_values (r, 0)[((gsize) y * p[M_SIDE] + i / p[M_SIDE]) * p[M_WIDTH] * p[M_SIDE] + x * p[M_SIDE] + i % p[M_SIDE]];
        suite_expected (r, 1)[y * p[M_WIDTH] + x] = sum / (p[M_SIDE] * p[M_SIDE]) >= r->c->f;
      }
}

/* --- drawing --------------------------------------------------------------------------------------- */

enum { S_COUNT, S_SHARE }; /* the nucleus in thousandths */

static int
falling (gconstpointer a,
         gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return x > y ? -1 : x < y;
}

/* Which token is drawn, and with which number: the middle of the share of a likely one, so that rounding decides nothing. */
static void
sample_prepare (SuiteRun *r)
{
  const guint n = r->c->p[S_COUNT], input = suite_input (r, DESCRY_F32, 1, n, -8, 8);
  g_autofree double *weights = g_new (double, n), *sorted = NULL;
  double all = 0, sum = 0, before = 0, reached = 0, least = 0, most = 0;
  guint i, wanted = (guint) g_rand_int_range (r->rand, 0, (gint32) n);

  suite_output_of (r, DESCRY_I32, 1, 1);
  for (i = 0; i < n; i++)
    all += weights[i] = exp ((suite_values (r, input)[i] - 8.0) / r->c->f);
  if (r->c->p[S_SHARE] > 0 && r->c->p[S_SHARE] < 1000)
    {
      sorted = g_memdup2 (weights, n * sizeof *weights);
      qsort (sorted, n, sizeof *sorted, falling);
      for (i = 0; i < n && reached < all * r->c->p[S_SHARE] / 1000.0; i++)
        reached += least = sorted[i];
    }
  for (i = 0; i < n; i++)
    most = MAX (most, weights[i]);
  while (weights[wanted] < (least + most) / 2)
    wanted = (wanted + 1) % n;
  for (i = 0; i < n; i++)
    if (weights[i] >= least)
      {
        sum += weights[i];
        before += i < wanted ? weights[i] : 0;
      }
  r->bias_values = g_new (float, 2);
  r->bias_values[0] = (float) ((before + weights[wanted] / 2) / sum);
  r->bias_values[1] = (float) wanted;
}

static void
sample_launch (SuiteRun *r)
{
  op_sample (r->run, suite_tensor (r, 1), suite_tensor (r, 0), r->c->f, r->c->p[S_SHARE] / 1000.0f, r->bias_values[0]);
}

static void
sample_reference (SuiteRun *r)
{
  suite_expected (r, 1)[0] = r->bias_values[1];
}

/* --- the table ------------------------------------------------------------------------------------- */

static void
add_joined (SuiteTable *table)
{
  /* pictures, height, width, in, middle, out, first kernel, its stride, kernel, stride, residual, activations; two sizes of
   * maps: those that one kernel makes in bands are over 1 MiB. */
  static const guint many[][12] = {
    { 1, 1, 1, 16, 16, 1, 0, 1, 3, 1, 0, ACT_THREE (0, DESCRY_ACT_NONE, DESCRY_ACT_NONE) },
    { 2, 7, 6, 24, 24, 33, 0, 1, 3, 1, 1, ACT_THREE (0, DESCRY_ACT_RELU6, DESCRY_ACT_NONE) },
    { 1, 15, 13, 18, 18, 7, 0, 1, 5, 2, 0, ACT_THREE (0, DESCRY_ACT_HARD_SWISH, DESCRY_ACT_SIGMOID) },
    { 1, 13, 29, 20, 20, 40, 0, 1, 5, 1, 0, ACT_THREE (0, DESCRY_ACT_SILU, DESCRY_ACT_LEAKY) },
    { 1, 14, 14, 112, 112, 96, 0, 1, 5, 1, 1, ACT_THREE (0, DESCRY_ACT_RELU6, DESCRY_ACT_NONE) },
    { 1, 5, 5, 16, 32, 8, 1, 1, 3, 1, 0, ACT_THREE (DESCRY_ACT_RELU6, DESCRY_ACT_RELU6, DESCRY_ACT_NONE) },
    { 1, 9, 8, 3, 16, 8, 3, 2, 3, 1, 0, ACT_THREE (DESCRY_ACT_HARD_SWISH, DESCRY_ACT_RELU, DESCRY_ACT_NONE) },
    { 1, 63, 61, 16, 72, 24, 1, 1, 3, 2, 0, ACT_THREE (DESCRY_ACT_RELU6, DESCRY_ACT_RELU6, DESCRY_ACT_NONE) },
    { 2, 31, 30, 24, 144, 24, 1, 1, 3, 1, 1, ACT_THREE (DESCRY_ACT_HARD_SWISH, DESCRY_ACT_HARD_SWISH, DESCRY_ACT_NONE) },
    { 1, 43, 45, 24, 144, 40, 1, 1, 5, 2, 0, ACT_THREE (DESCRY_ACT_RELU, DESCRY_ACT_GELU, DESCRY_ACT_RELU) },
    { 1, 223, 219, 3, 32, 16, 3, 2, 3, 1, 0, ACT_THREE (DESCRY_ACT_RELU6, DESCRY_ACT_RELU6, DESCRY_ACT_NONE) },
    { 1, 112, 112, 16, 96, 24, 1, 1, 3, 2, 0, ACT_THREE (DESCRY_ACT_RELU6, DESCRY_ACT_RELU6, DESCRY_ACT_NONE) },
  };
  guint i, k, half;

  for (i = 0; i < G_N_ELEMENTS (many); i++)
    for (half = 0; half < 2; half++)
      {
        const guint *v = many[i], stride = v[FIRST_STRIDE] * v[STRIDE];
        const double middle = (double) v[PICTURES] * v[HEIGHT] * v[WIDTH] / (v[FIRST_STRIDE] * v[FIRST_STRIDE]), last = (double) v[PICTURES] * v[HEIGHT] * v[WIDTH] / (stride * stride);
        const double work = middle * v[MIDDLE] * v[IN] * v[FIRST] * v[FIRST] + last * v[MIDDLE] * (v[KERNEL] * v[KERNEL] + v[OUT]);
        SuiteCase *c;

        if (table->small && work > 20000)
          continue;
        c = suite_add (table, v[FIRST] ? "conv_inverted" : "conv_separable", half ? "bf16" : "f32", joined_prepare, joined_launch, joined_reference,
                       "%u×%u×%u×%u to %u to %u, first %u×%u stride %u, then %u×%u stride %u acts %x%s", v[PICTURES], v[HEIGHT], v[WIDTH], v[IN], v[MIDDLE], v[OUT], v[FIRST],
                       v[FIRST], v[FIRST_STRIDE], v[KERNEL], v[KERNEL], v[STRIDE], v[ACTS], v[RESIDUAL] ? " residual" : "");
        for (k = 0; k < 12; k++)
          c->p[k] = v[k];
        c->p[BF16] = half;
        c->limit = half ? 1e-4 : 1e-10;
        c->flop = 2 * work;
        c->bytes = 4.0 * v[PICTURES] * v[HEIGHT] * v[WIDTH] * v[IN] + 4.0 * last * v[OUT];
        /* Only the device's own choice rounds. */
        c->flags = (half ? SUITE_INTEGERS : 0) | (work > 1e6 ? SUITE_SPEED : 0);
      }
}

void
suite_cases_joined (SuiteTable *table)
{
  /* pictures, height, width, in, -, out, pad, activation, kernel, stride */
  static const guint transposed[][10] = {
    { 1, 1, 1, 1, 0, 1, 0, DESCRY_ACT_NONE, 1, 1 },      { 1, 3, 4, 5, 0, 7, 0, DESCRY_ACT_NONE, 2, 2 },  { 2, 5, 3, 16, 0, 33, 1, DESCRY_ACT_RELU, 4, 2 },
    { 1, 6, 7, 9, 0, 17, 1, DESCRY_ACT_GELU, 3, 3 },     { 1, 8, 8, 24, 0, 16, 2, DESCRY_ACT_NONE, 5, 2 }, { 1, 64, 64, 64, 0, 32, 0, DESCRY_ACT_GELU, 2, 2 },
  };
  static const guint masks[][4] = {
    { 1, 1, 0, EVERYTHING }, { 1, 1, 0, NOTHING }, { 7, 9, 0, NOISE }, { 16, 33, 0, COMB }, { 31, 64, 0, NOISE }, { 97, 101, 0, NOISE }, { 64, 64, 0, EVERYTHING }, { 300, 256, 0, COMB }, { 1024, 1024, 0, NOISE },
  };
  static const guint squares[][3] = { { 1, 1, 1 }, { 3, 5, 2 }, { 9, 7, 3 }, { 40, 37, 4 }, { 256, 256, 4 } };
  static const guint draws[][2] = { { 1, 0 }, { 2, 500 }, { 17, 0 }, { 64, 900 }, { 1000, 950 }, { 4097, 300 }, { 49152, 0 }, { 49152, 900 } };
  guint i, k;

  add_joined (table);
  for (i = 0; i < G_N_ELEMENTS (transposed); i++)
    {
      const guint *v = transposed[i];
      const double work = (double) v[PICTURES] * v[HEIGHT] * v[WIDTH] * v[IN] * v[OUT] * v[KERNEL] * v[KERNEL];
      SuiteCase *c;

      if (table->small && work > 20000)
        continue;
      c = suite_add (table, "conv_transposed", "f32", transposed_prepare, transposed_launch, transposed_reference, "%u×%u×%u×%u to %u, %u×%u stride %u pad %u act %u", v[PICTURES],
                     v[HEIGHT], v[WIDTH], v[IN], v[OUT], v[KERNEL], v[KERNEL], v[STRIDE], v[T_PAD], v[T_ACT]);
      for (k = 0; k < 10; k++)
        c->p[k] = v[k];
      c->limit = 1e-10;
      c->flop = 2 * work;
      c->flags = work > 1e6 ? SUITE_SPEED : 0;
    }
  for (i = 0; i < G_N_ELEMENTS (masks); i++)
    {
      SuiteCase *c;

      if (table->small && masks[i][0] * masks[i][1] > 2000)
        continue;
      c = suite_add (table, "components", "u8", parts_prepare, parts_launch, parts_reference, "%u×%u kind %u", masks[i][0], masks[i][1], masks[i][3]);
      for (k = 0; k < 4; k++)
        c->p[k] = masks[i][k];
      c->bytes = 5.0 * masks[i][0] * masks[i][1];
      c->flags = SUITE_EXACT | (c->bytes > 1e6 ? SUITE_SPEED : 0);
    }
  for (i = 0; i < G_N_ELEMENTS (squares); i++)
    {
      SuiteCase *c;

      if (table->small && i > 2)
        continue;
      c = suite_add (table, "squares_set", "f32", squares_prepare, squares_launch, squares_reference, "%u×%u of %u×%u", squares[i][0], squares[i][1], squares[i][2], squares[i][2]);
      for (k = 0; k < 3; k++)
        c->p[k] = squares[i][k];
      c->f = 0.5f;
      c->bytes = 4.0 * squares[i][0] * squares[i][1] * squares[i][2] * squares[i][2];
      c->flags = SUITE_EXACT | (c->bytes > 1e6 ? SUITE_SPEED : 0);
    }
  for (i = 0; i < G_N_ELEMENTS (draws); i++)
    {
      SuiteCase *c;

      if (table->small && draws[i][0] > 1000)
        continue;
      c = suite_add (table, "sample", "f32", sample_prepare, sample_launch, sample_reference, "%u tokens, share %u/1000", draws[i][0], draws[i][1]);
      c->p[S_COUNT] = draws[i][0];
      c->p[S_SHARE] = draws[i][1];
      c->f = 0.7f;
      c->bytes = 4.0 * draws[i][0];
      c->flags = SUITE_EXACT | (draws[i][0] > 40000 ? SUITE_SPEED : 0);
    }
}
