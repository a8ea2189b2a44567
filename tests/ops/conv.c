/* conv.c - convolutions against a scalar reference in double
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/conv.h"
#include "compute/ops/provider.h"
#include "tests/ops/harness.h"

typedef struct
{
  guint            n, h, w, in, out, kernel, stride, dilation;
  gboolean         same, depthwise, residual, bias;
  DescryActivation act;
  guint            map; /* 32: the cpu family takes Winograd's way */
} Case;

/* Primes, ones, tile sizes ± 1, odd batches, and shapes of the compact bundle's networks. */
static const Case cases[] = {
  { 1, 1, 1, 1, 1, 1, 1, 1, TRUE, FALSE, FALSE, FALSE, DESCRY_ACT_NONE },
  { 1, 1, 1, 5, 33, 3, 1, 1, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU },
  { 1, 11, 13, 7, 31, 3, 1, 1, FALSE, FALSE, TRUE, TRUE, DESCRY_ACT_LEAKY },
  { 3, 7, 7, 19, 48, 1, 1, 1, TRUE, FALSE, TRUE, TRUE, DESCRY_ACT_NONE },
  { 2, 9, 10, 16, 17, 3, 2, 1, TRUE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU6 },
  { 1, 16, 16, 3, 32, 3, 2, 1, TRUE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU6 },
  { 2, 15, 17, 3, 16, 3, 2, 1, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_HARD_SWISH },
  { 1, 10, 10, 1, 4, 5, 1, 1, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_NONE },
  { 1, 16, 16, 64, 64, 3, 1, 1, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU },
  { 1, 16, 16, 32, 16, 3, 1, 2, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU },
  { 1, 16, 16, 33, 65, 3, 1, 4, FALSE, FALSE, TRUE, TRUE, DESCRY_ACT_RELU },
  { 1, 8, 8, 24, 40, 3, 1, 8, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU },
  { 1, 13, 12, 40, 1, 3, 1, 1, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_SIGMOID },
  { 1, 23, 29, 12, 124, 1, 1, 1, TRUE, FALSE, FALSE, TRUE, DESCRY_ACT_NONE },
  { 3, 1, 1, 80, 24, 1, 1, 1, TRUE, FALSE, FALSE, TRUE, DESCRY_ACT_HARD_SIGMOID },
  { 1, 14, 14, 8, 16, 1, 2, 1, TRUE, FALSE, FALSE, TRUE, DESCRY_ACT_SILU },
  { 1, 1, 1, 16, 1, 3, 1, 1, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_NONE, 32 },
  { 1, 64, 64, 16, 16, 3, 1, 1, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU, 32 },
  { 2, 37, 41, 32, 33, 3, 1, 1, FALSE, FALSE, TRUE, TRUE, DESCRY_ACT_RELU, 32 },
  { 3, 13, 9, 48, 17, 3, 1, 1, FALSE, FALSE, TRUE, FALSE, DESCRY_ACT_LEAKY, 32 },
  { 1, 19, 17, 32, 48, 3, 1, 2, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_SIGMOID, 32 },
  { 1, 16, 16, 16, 70, 3, 1, 8, FALSE, FALSE, TRUE, TRUE, DESCRY_ACT_HARD_SWISH, 32 },
  { 1, 8, 9, 272, 160, 3, 1, 1, FALSE, FALSE, TRUE, TRUE, DESCRY_ACT_RELU, 32 },
  { 1, 16, 12, 512, 40, 3, 1, 4, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU6, 32 },
  { 1, 9, 11, 1, 1, 3, 1, 1, TRUE, TRUE, FALSE, TRUE, DESCRY_ACT_NONE },
  { 2, 14, 15, 18, 18, 5, 2, 1, TRUE, TRUE, FALSE, TRUE, DESCRY_ACT_HARD_SWISH },
  { 1, 7, 7, 96, 96, 3, 1, 1, TRUE, TRUE, TRUE, TRUE, DESCRY_ACT_RELU6 },
  { 1, 16, 16, 22, 22, 5, 1, 1, TRUE, TRUE, FALSE, FALSE, DESCRY_ACT_RELU },
  { 1, 13, 16, 40, 40, 3, 2, 1, TRUE, TRUE, FALSE, TRUE, DESCRY_ACT_TANH },
  { 1, 12, 11, 20, 20, 7, 3, 1, TRUE, TRUE, TRUE, TRUE, DESCRY_ACT_RELU },
  { 1, 6, 5, 16, 16, 3, 1, 2, FALSE, TRUE, FALSE, TRUE, DESCRY_ACT_GELU },
};

static double
activate (double           x,
          DescryActivation act)
{
  const double sixth = 0.16662598;

  switch (act)
    {
    case DESCRY_ACT_RELU: return MAX (x, 0.0);
    case DESCRY_ACT_RELU6: return CLAMP (x, 0.0, 6.0);
    case DESCRY_ACT_LEAKY: return x > 0.0 ? x : 0.1 * x;
    case DESCRY_ACT_GELU: return 0.5 * x * (1.0 + erf (x / sqrt (2.0)));
    case DESCRY_ACT_SILU: return x / (1.0 + exp (-x));
    case DESCRY_ACT_SIGMOID: return 1.0 / (1.0 + exp (-x));
    case DESCRY_ACT_TANH: return tanh (x);
    case DESCRY_ACT_HARD_SWISH: return x * CLAMP (x + 3.0, 0.0, 6.0) * sixth;
    case DESCRY_ACT_HARD_SIGMOID: return CLAMP (x + 3.0, 0.0, 6.0) * sixth;
    default: return x;
    }
}

static void
reference (double                *y,
           const float           *x,
           const float           *weights,
           const float           *bias,
           const float           *residual,
           const Case            *c,
           const DescryConvShape *s,
           guint                  oh,
           guint                  ow)
{
  guint in = c->depthwise ? 1 : c->in, b, oy, ox, o, i, ky, kx;

  for (b = 0; b < c->n; b++)
    for (oy = 0; oy < oh; oy++)
      for (ox = 0; ox < ow; ox++)
        for (o = 0; o < c->out; o++)
          {
            gsize at = (((gsize) b * oh + oy) * ow + ox) * c->out + o;
            double sum = c->bias ? bias[o] : 0.0;

            for (ky = 0; ky < c->kernel; ky++)
              for (kx = 0; kx < c->kernel; kx++)
                {
                  int iy = (int) (oy * c->stride + ky * c->dilation) - (int) s->pad_top, ix = (int) (ox * c->stride + kx * c->dilation) - (int) s->pad_left;

                  if (iy < 0 || ix < 0 || iy >= (int) c->h || ix >= (int) c->w)
                    continue;
                  for (i = 0; i < in; i++)
                    sum += (double) x[(((gsize) b * c->h + iy) * c->w + ix) * c->in + (c->depthwise ? o : i)]
                           * weights[(((gsize) o * in + i) * c->kernel + ky) * c->kernel + kx];
                }
            y[at] = activate (sum, c->act) + (c->residual ? residual[at] : 0.0);
          }
}

static DescryTensor
as_pictures (DescryTensor rows,
             guint        n,
             guint        h,
             guint        w)
{
  return descry_tensor_reshape (rows, 4, (guint[]) { n, h, w, descry_tensor_cols (rows) });
}

static void
check_case (DescryRun  *run,
            const Case *c,
            guint       seed,
            gboolean    bf16)
{
  DescryConvShape s = { .kernel = c->kernel, .stride = c->stride, .dilation = c->dilation, .depthwise = c->depthwise, .bf16 = bf16, .map = c->map };
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  gsize n_x = (gsize) c->n * c->h * c->w * c->in, n_w = (gsize) c->out * (c->depthwise ? 1 : c->in) * c->kernel * c->kernel, n_y;
  g_autofree float *x = random_floats (rand, n_x, -1, 1), *weights = random_floats (rand, n_w, -0.5, 0.5), *bias = random_floats (rand, c->out, -1, 1);
  g_autofree float *residual = NULL, *found = NULL, *again = NULL;
  g_autofree double *expected = NULL;
  g_autofree char *what = g_strdup_printf ("conv case %u", seed);
  g_autoptr (DescryConv) conv = NULL;
  g_autoptr (GError) error = NULL;
  DescryTensor tx, ty, tr = { 0 };
  guint reach = c->dilation * (c->kernel - 1) + 1, oh, ow;

  if (c->same)
    descry_conv_same (&s, c->h, c->w);
  else
    s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = reach / 2;
  oh = (c->h + s.pad_top + s.pad_bottom - reach) / c->stride + 1;
  ow = (c->w + s.pad_left + s.pad_right - reach) / c->stride + 1;
  n_y = (gsize) c->n * oh * ow * c->out;
  residual = random_floats (rand, n_y, -1, 1);
  found = g_new0 (float, n_y);
  again = g_new0 (float, n_y);
  expected = g_new0 (double, n_y);

  conv = descry_conv_new (descry_run_device (run), "test", c->out, c->in, &s, weights, c->bias ? bias : NULL, &error);
  g_assert_no_error (error);

  /* Guards on both sides of every row: slices of wider tensors, in and out. */
  tx = as_pictures (guarded_tensor (run, c->n * c->h * c->w, c->in), c->n, c->h, c->w);
  ty = as_pictures (guarded_tensor (run, c->n * oh * ow, c->out), c->n, oh, ow);
  descry_run_write (run, tx, x, n_x);
  if (c->residual)
    {
      tr = as_pictures (guarded_tensor (run, c->n * oh * ow, c->out), c->n, oh, ow);
      descry_run_write (run, tr, residual, n_y);
    }
  op_conv (run, ty, tx, conv, NULL, c->act, tr);
  descry_run_read (run, ty, found, n_y);
  check_guards (run, ty, what);
  op_conv (run, ty, tx, conv, &s, c->act, tr);
  descry_run_read (run, ty, again, n_y);
  descry_run_finish (run, &error);
  g_assert_no_error (error);

  reference (expected, x, weights, bias, residual, c, &s, oh, ow);
  assert_nmse (what, found, expected, n_y, bf16 ? 1e-4 : 1e-10); /* spec/porting.md 5.2 */
  g_assert_cmpmem (found, n_y * sizeof (float), again, n_y * sizeof (float)); /* bit-identical */
}

static void
test_cases (DescryRun *run)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    check_case (run, &cases[i], i, FALSE);
}

/* Products in bfloat16 where the device has them, f32 elsewhere. */
static void
test_cases_bf16 (DescryRun *run)
{
  static const Case more[] = {
    { 1, 14, 14, 112, 672, 1, 1, 1, TRUE, FALSE, FALSE, TRUE, DESCRY_ACT_RELU6 },
    { 2, 7, 7, 24, 40, 1, 1, 1, TRUE, FALSE, TRUE, TRUE, DESCRY_ACT_NONE },
    { 1, 1, 1, 1280, 1000, 1, 1, 1, TRUE, FALSE, FALSE, TRUE, DESCRY_ACT_NONE },
    { 1, 13, 13, 128, 80, 3, 1, 1, FALSE, FALSE, TRUE, TRUE, DESCRY_ACT_LEAKY, 13 },
    { 3, 12, 9, 40, 17, 3, 2, 1, TRUE, FALSE, FALSE, FALSE, DESCRY_ACT_SIGMOID },
    { 1, 11, 13, 16, 49, 5, 1, 2, FALSE, FALSE, FALSE, TRUE, DESCRY_ACT_HARD_SWISH },
  };
  guint i;

  descry_ops_set_fast (descry_run_device (run), TRUE);
  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    check_case (run, &cases[i], i, TRUE);
  for (i = 0; i < G_N_ELEMENTS (more); i++)
    check_case (run, &more[i], 100 + i, TRUE);
}

/* One kernel for both, in f32 and in bfloat16, against two. */
static void
test_separable (DescryRun *run)
{
  static const struct { guint n, h, w, c, out, kernel, stride, dilation; gboolean residual; DescryActivation wide_act, act; } many[] = {
    { 1, 14, 14, 96, 40, 3, 1, 1, TRUE, DESCRY_ACT_RELU6, DESCRY_ACT_NONE },
    { 2, 15, 13, 72, 24, 5, 2, 1, FALSE, DESCRY_ACT_HARD_SWISH, DESCRY_ACT_RELU },
    { 3, 7, 7, 48, 192, 5, 1, 1, TRUE, DESCRY_ACT_NONE, DESCRY_ACT_SIGMOID },
    { 1, 30, 31, 16, 17, 3, 2, 1, FALSE, DESCRY_ACT_RELU, DESCRY_ACT_LEAKY },
    { 1, 12, 40, 24, 33, 3, 1, 2, FALSE, DESCRY_ACT_SILU, DESCRY_ACT_NONE },
    { 1, 9, 8, 20, 8, 3, 1, 1, TRUE, DESCRY_ACT_RELU, DESCRY_ACT_NONE }, /* 20 channels: two kernels on every device */
  };
  DescryDevice *device = descry_run_device (run);
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (many); i++)
    {
      DescryConvShape wide_shape = { .kernel = many[i].kernel, .stride = many[i].stride, .dilation = many[i].dilation, .depthwise = TRUE, .bf16 = TRUE };
      DescryConvShape point_shape = { .kernel = 1, .stride = 1, .bf16 = TRUE };
      guint n = many[i].n, h = many[i].h, w = many[i].w, c = many[i].c, out = many[i].out, oh = (h + many[i].stride - 1) / many[i].stride, ow = (w + many[i].stride - 1) / many[i].stride;
      gsize n_x = (gsize) n * h * w * c, n_y = (gsize) n * oh * ow * out, e;
      g_autofree float *x = random_floats (rand, n_x, -1, 1), *residual = random_floats (rand, n_y, -1, 1), *first = g_new (float, n_y), *found = g_new (float, n_y), *again = g_new (float, n_y);
      g_autofree float *wide_weights = random_floats (rand, c * 25, -0.5, 0.5), *point_weights = random_floats (rand, (gsize) c * out, -0.5, 0.5);
      g_autofree float *wide_bias = random_floats (rand, c, -1, 1), *point_bias = random_floats (rand, out, -1, 1);
      g_autofree double *expected = g_new (double, n_y);
      g_autofree char *what = g_strdup_printf ("separable %u", i);
      g_autoptr (DescryConv) wide = NULL, point = NULL;
      g_autoptr (GError) error = NULL;
      DescryTensor tx = as_pictures (guarded_tensor (run, n * h * w, c), n, h, w), tr = { 0 }, between, y;

      wide = descry_conv_new (device, "wide", c, c, &wide_shape, wide_weights, wide_bias, &error);
      g_assert_no_error (error);
      point = descry_conv_new (device, "point", out, c, &point_shape, point_weights, point_bias, &error);
      g_assert_no_error (error);
      descry_run_write (run, tx, x, n_x);
      if (many[i].residual)
        {
          tr = descry_run_tensor4 (run, n, oh, ow, out);
          descry_run_write (run, tr, residual, n_y);
        }

      descry_ops_set_fast (device, FALSE);
      between = op_conv_alloc (run, tx, wide, TRUE, many[i].wide_act, (DescryTensor) { 0 });
      y = op_conv_alloc (run, between, point, TRUE, many[i].act, tr);
      descry_run_read (run, y, first, n_y);
      y = op_conv_separable (run, tx, wide, point, TRUE, many[i].wide_act, many[i].act, tr);
      descry_run_read (run, y, found, n_y);
      descry_run_finish (run, &error);
      g_assert_no_error (error);
      for (e = 0; e < n_y; e++)
        expected[e] = first[e];
      assert_nmse (what, found, expected, n_y, 1e-10);
      descry_ops_set_fast (device, TRUE);
      y = op_conv_separable (run, tx, wide, point, TRUE, many[i].wide_act, many[i].act, tr);
      descry_run_read (run, y, found, n_y);
      y = op_conv_separable (run, tx, wide, point, TRUE, many[i].wide_act, many[i].act, tr);
      descry_run_read (run, y, again, n_y);
      descry_run_finish (run, &error);
      g_assert_no_error (error);
      assert_nmse (what, found, expected, n_y, 1e-4);
      g_assert_cmpmem (found, n_y * sizeof (float), again, n_y * sizeof (float));
    }
}

/* Three in one kernel, where the map between them is large, in f32 and in bfloat16, against one after another. */
static void
test_inverted (DescryRun *run)
{
  static const struct { guint n, h, w, in, middle, out, first, first_stride, kernel, stride; gboolean residual; DescryActivation acts[3]; } many[] = {
    { 1, 70, 45, 16, 96, 24, 1, 1, 3, 2, FALSE, { DESCRY_ACT_RELU6, DESCRY_ACT_RELU6, DESCRY_ACT_NONE } },
    { 2, 29, 33, 24, 144, 24, 1, 1, 3, 1, TRUE, { DESCRY_ACT_RELU6, DESCRY_ACT_RELU6, DESCRY_ACT_NONE } },
    { 1, 56, 56, 24, 144, 40, 1, 1, 5, 2, FALSE, { DESCRY_ACT_RELU, DESCRY_ACT_HARD_SWISH, DESCRY_ACT_RELU6 } },
    { 3, 41, 17, 40, 144, 17, 1, 1, 5, 1, TRUE, { DESCRY_ACT_LEAKY, DESCRY_ACT_SILU, DESCRY_ACT_LEAKY } },
    { 3, 41, 17, 40, 144, 17, 1, 1, 5, 1, TRUE, { DESCRY_ACT_SILU, DESCRY_ACT_NONE, DESCRY_ACT_LEAKY } }, /* its first function: one after another */
    { 2, 131, 97, 3, 48, 16, 3, 2, 3, 1, FALSE, { DESCRY_ACT_RELU6, DESCRY_ACT_RELU6, DESCRY_ACT_NONE } },
    { 1, 64, 65, 24, 72, 20, 1, 1, 3, 1, FALSE, { DESCRY_ACT_HARD_SWISH, DESCRY_ACT_HARD_SWISH, DESCRY_ACT_GELU } },
    { 1, 70, 65, 20, 68, 9, 1, 1, 5, 2, FALSE, { DESCRY_ACT_NONE, DESCRY_ACT_RELU, DESCRY_ACT_NONE } }, /* 20 and 68 channels: no pairs */
    { 1, 12, 11, 16, 96, 24, 1, 1, 3, 1, FALSE, { DESCRY_ACT_RELU6, DESCRY_ACT_RELU6, DESCRY_ACT_NONE } }, /* small: one after another */
  };
  DescryDevice *device = descry_run_device (run);
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (many); i++)
    {
      const guint middle = many[i].middle, out = many[i].out, n = many[i].n, h = many[i].h, w = many[i].w, in = many[i].in;
      const guint taps[] = { many[i].first * many[i].first * in, many[i].kernel * many[i].kernel, middle };
      const guint outs[] = { middle, middle, out }, ins[] = { in, middle, middle };
      const DescryConvShape shapes[] = {
        { .kernel = many[i].first, .stride = many[i].first_stride, .bf16 = TRUE },
        { .kernel = many[i].kernel, .stride = many[i].stride, .depthwise = TRUE, .bf16 = TRUE },
        { .kernel = 1, .stride = 1, .bf16 = TRUE },
      };
      const guint stride = many[i].first_stride * many[i].stride, oh = (h + stride - 1) / stride, ow = (w + stride - 1) / stride;
      const gsize n_x = (gsize) n * h * w * in, n_y = (gsize) n * oh * ow * out;
      g_autofree float *x = random_floats (rand, n_x, -1, 1), *residual = random_floats (rand, n_y, -1, 1), *first = g_new (float, n_y);
      g_autofree float *found = g_new (float, n_y), *again = g_new (float, n_y);
      g_autofree double *expected = g_new (double, n_y);
      g_autofree char *what = g_strdup_printf ("inverted %u", i);
      g_autoptr (GPtrArray) convs = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_conv_free);
      g_autoptr (GError) error = NULL;
      DescryTensor tx = as_pictures (guarded_tensor (run, n * h * w, in), n, h, w), tr = { 0 }, between, deep, y;
      gsize e;
      guint j;

      for (j = 0; j < 3; j++)
        {
          g_autofree float *weights = random_floats (rand, (gsize) outs[j] * taps[j], -1, 1), *bias = random_floats (rand, outs[j], -1, 1);

          for (e = 0; e < (gsize) outs[j] * taps[j]; e++)
            weights[e] *= 2.0f / sqrtf (taps[j]);
          g_ptr_array_add (convs, descry_conv_new (device, what, outs[j], ins[j], &shapes[j], weights, bias, &error));
          g_assert_no_error (error);
        }
      descry_run_write (run, tx, x, n_x);
      if (many[i].residual)
        {
          tr = descry_run_tensor4 (run, n, oh, ow, out);
          descry_run_write (run, tr, residual, n_y);
        }

      descry_ops_set_fast (device, FALSE);
      between = op_conv_alloc (run, tx, convs->pdata[0], TRUE, many[i].acts[0], (DescryTensor) { 0 });
      deep = op_conv_alloc (run, between, convs->pdata[1], TRUE, many[i].acts[1], (DescryTensor) { 0 });
      y = op_conv_alloc (run, deep, convs->pdata[2], TRUE, many[i].acts[2], tr);
      descry_run_read (run, y, first, n_y);
      descry_run_finish (run, &error);
      g_assert_no_error (error);
      for (e = 0; e < n_y; e++)
        expected[e] = first[e];
      for (j = 0; j < 2; j++)
        {
          descry_ops_set_fast (device, j == 1);
          y = op_conv_inverted (run, tx, convs->pdata[0], convs->pdata[1], convs->pdata[2], TRUE, many[i].acts[0], many[i].acts[1], many[i].acts[2], tr);
          descry_run_read (run, y, found, n_y);
          y = op_conv_inverted (run, tx, convs->pdata[0], convs->pdata[1], convs->pdata[2], TRUE, many[i].acts[0], many[i].acts[1], many[i].acts[2], tr);
          descry_run_read (run, y, again, n_y);
          descry_run_finish (run, &error);
          g_assert_no_error (error);
          assert_nmse (what, found, expected, n_y, j == 0 ? 1e-10 : 1e-4);
          g_assert_cmpmem (found, n_y * sizeof (float), again, n_y * sizeof (float));
        }
    }
}

/* Against the definition, scattered in double. */
static void
test_transposed (DescryRun *run)
{
  static const struct { guint n, h, w, in, out, kernel, stride, pad; DescryActivation act; } many[] = {
    { 1, 1, 1, 1, 1, 1, 1, 0, DESCRY_ACT_NONE },
    { 1, 8, 9, 32, 16, 2, 2, 0, DESCRY_ACT_GELU }, /* a segmenter's upscaling */
    { 2, 5, 7, 12, 7, 4, 2, 1, DESCRY_ACT_RELU },
    { 1, 6, 4, 3, 33, 3, 1, 2, DESCRY_ACT_NONE },
    { 3, 4, 3, 8, 5, 2, 3, 0, DESCRY_ACT_LEAKY }, /* gaps that only the bias fills */
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (many); i++)
    {
      guint n = many[i].n, h = many[i].h, w = many[i].w, in = many[i].in, out = many[i].out, k = many[i].kernel, s = many[i].stride;
      int pad = (int) many[i].pad, oh = (int) ((h - 1) * s + k) - 2 * pad, ow = (int) ((w - 1) * s + k) - 2 * pad;
      gsize n_x = (gsize) n * h * w * in, n_y = (gsize) n * oh * ow * out, e;
      g_autofree float *x = random_floats (rand, n_x, -1, 1), *weights = random_floats (rand, (gsize) in * out * k * k, -0.5, 0.5), *bias = random_floats (rand, out, -1, 1);
      g_autofree float *found = g_new (float, n_y);
      g_autofree double *expected = g_new0 (double, n_y);
      g_autofree char *what = g_strdup_printf ("transposed %u", i);
      g_autoptr (DescryConvTransposed) conv = NULL;
      g_autoptr (GError) error = NULL;
      DescryTensor tx = as_pictures (guarded_tensor (run, n * h * w, in), n, h, w), y;
      guint b, iy, ix, ci, o, ky, kx;

      conv = descry_conv_transposed_new (descry_run_device (run), what, out, in, k, s, pad, weights, bias, &error);
      g_assert_no_error (error);
      descry_run_write (run, tx, x, n_x);
      y = op_conv_transposed (run, tx, conv, many[i].act);
      g_assert_cmpuint (descry_tensor_count (y), ==, n_y);
      descry_run_read (run, y, found, n_y);
      descry_run_finish (run, &error);
      g_assert_no_error (error);

      for (b = 0; b < n; b++)
        for (iy = 0; iy < h; iy++)
          for (ix = 0; ix < w; ix++)
            for (ky = 0; ky < k; ky++)
              for (kx = 0; kx < k; kx++)
                {
                  int oy = (int) (iy * s + ky) - pad, ox = (int) (ix * s + kx) - pad;

                  for (o = 0; oy >= 0 && ox >= 0 && oy < oh && ox < ow && o < out; o++)
                    for (ci = 0; ci < in; ci++)
                      expected[(((gsize) b * oh + oy) * ow + ox) * out + o] += (double) x[(((gsize) b * h + iy) * w + ix) * in + ci] * weights[(((gsize) ci * out + o) * k + ky) * k + kx];
                }
      for (e = 0; e < n_y; e++)
        expected[e] = activate (expected[e] + bias[e % out], many[i].act);
      assert_nmse (what, found, expected, n_y, 1e-10);
      descry_run_release (run, &y);
    }
}

/* The residual may be the output itself. */
static void
test_in_place (DescryRun *run)
{
  DescryConvShape s = { .kernel = 1, .stride = 1 };
  float w[4] = { 1, 2, 3, 4 }, x[6] = { 1, 0, 0, 1, 1, 1 }, y[6] = { 10, 20, 30, 40, 50, 60 };
  g_autoptr (DescryConv) conv = NULL;
  g_autoptr (GError) error = NULL;
  DescryTensor tx = descry_run_tensor3 (run, 1, 3, 2), ty = descry_run_tensor3 (run, 1, 3, 2);

  conv = descry_conv_new (descry_run_device (run), "test", 2, 2, &s, w, NULL, &error);
  g_assert_no_error (error);
  descry_run_write (run, tx, x, 6);
  descry_run_write (run, ty, y, 6);
  op_conv (run, ty, tx, conv, NULL, DESCRY_ACT_NONE, ty);
  descry_run_read (run, ty, y, 6);
  g_assert_cmpfloat (y[0], ==, 11);
  g_assert_cmpfloat (y[1], ==, 23);
  g_assert_cmpfloat (y[2], ==, 32);
  g_assert_cmpfloat (y[3], ==, 44);
  g_assert_cmpfloat (y[4], ==, 53);
  g_assert_cmpfloat (y[5], ==, 67);
}

static void
test_wrong_shapes (DescryRun *run)
{
  DescryRun *failing = descry_run_new (descry_run_device (run), NULL);
  DescryConvShape s = { .kernel = 3, .stride = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1 };
  DescryConvShape depthwise = { .kernel = 1, .stride = 1, .depthwise = TRUE };
  float w[18] = { 0 };
  g_autoptr (DescryConv) conv = NULL;
  g_autoptr (GError) error = NULL;

  conv = descry_conv_new (descry_run_device (run), "stem", 1, 2, &s, w, NULL, &error);
  g_assert_no_error (error);
  op_conv (failing, descry_run_tensor3 (failing, 4, 4, 1), descry_run_tensor3 (failing, 5, 4, 2), conv, NULL, DESCRY_ACT_NONE, (DescryTensor) { 0 });
  g_assert_false (descry_run_finish (failing, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  g_assert_nonnull (strstr (error->message, "stem"));
  descry_run_free (failing);
  g_clear_error (&error);

  g_assert_null (descry_conv_new (descry_run_device (run), "dw", 2, 3, &depthwise, w, NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
}

static void
test_same (void)
{
  DescryConvShape s = { .kernel = 3, .stride = 2 };

  descry_conv_same (&s, 224, 225);
  g_assert_cmpuint (s.pad_top, ==, 0);
  g_assert_cmpuint (s.pad_bottom, ==, 1);
  g_assert_cmpuint (s.pad_left, ==, 1);
  g_assert_cmpuint (s.pad_right, ==, 1);
  s.kernel = 5;
  descry_conv_same (&s, 224, 7);
  g_assert_cmpuint (s.pad_top, ==, 1);
  g_assert_cmpuint (s.pad_bottom, ==, 2);
  g_assert_cmpuint (s.pad_left, ==, 2);
  g_assert_cmpuint (s.pad_right, ==, 2);
  s = (DescryConvShape) { .kernel = 1, .stride = 2 };
  descry_conv_same (&s, 224, 7);
  g_assert_cmpuint (s.pad_top + s.pad_bottom + s.pad_left + s.pad_right, ==, 0);
}

/* Without the provider of the device's choice. */
static void
test_cases_own (DescryRun *run)
{
  descry_gemm_force (descry_run_device (run), DESCRY_GEMM_OWN);
  test_cases (run);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/ops/conv/same", test_same);
  add_op_test ("conv/cases", test_cases);
  add_op_test ("conv/cases-own", test_cases_own);
  add_op_test ("conv/cases-bf16", test_cases_bf16);
  add_op_test ("conv/separable", test_separable);
  add_op_test ("conv/inverted", test_inverted);
  add_op_test ("conv/transposed", test_transposed);
  add_op_test ("conv/in-place", test_in_place);
  add_op_test ("conv/wrong-shapes", test_wrong_shapes);

  return g_test_run ();
}
