/* cases-pictures.c - convolutions, pooling, resizing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/resample.h"
#include "tests/ops/suite/suite.h"

enum { PICTURES, HEIGHT, WIDTH, IN, OUT, KERNEL, STRIDE, DILATION, DEPTHWISE, RESIDUAL, BIAS, ACT, MAP, SAME };

static DescryConvShape
conv_shape (const SuiteCase *c,
            guint           *oh,
            guint           *ow)
{
  DescryConvShape s = { .kernel = c->p[KERNEL], .stride = c->p[STRIDE], .dilation = c->p[DILATION], .depthwise = c->p[DEPTHWISE], .map = c->p[MAP] };
  const guint reach = s.dilation * (s.kernel - 1) + 1;

  if (c->p[SAME])
    descry_conv_same (&s, c->p[HEIGHT], c->p[WIDTH]);
  else
    s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = reach / 2;
  *oh = (c->p[HEIGHT] + s.pad_top + s.pad_bottom - reach) / s.stride + 1;
  *ow = (c->p[WIDTH] + s.pad_left + s.pad_right - reach) / s.stride + 1;

  return s;
}

static void
conv_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint oh, ow;
  const DescryConvShape s = conv_shape (r->c, &oh, &ow);
  const gsize n = (gsize) p[OUT] * (p[DEPTHWISE] ? 1 : p[IN]) * p[KERNEL] * p[KERNEL];
  gsize i;

  suite_input (r, DESCRY_F32, p[PICTURES] * p[HEIGHT] * p[WIDTH], p[IN], -1, 1);
  suite_input (r, DESCRY_F32, p[PICTURES] * oh * ow, p[OUT], -1, 1);
  suite_output (r, p[PICTURES] * oh * ow, p[OUT]);
  r->weight_values = g_new (float, n);
  for (i = 0; i < n; i++)
    r->weight_values[i] = (float) g_rand_double_range (r->rand, -0.5, 0.5);
  r->bias_values = g_new (float, p[OUT]);
  for (i = 0; i < p[OUT]; i++)
    r->bias_values[i] = (float) g_rand_double_range (r->rand, -1, 1);
  r->conv = descry_conv_new (r->device, r->c->op, p[OUT], p[IN], &s, r->weight_values, p[BIAS] ? r->bias_values : NULL, &r->error);
}

static void
conv_launch (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint oh, ow;
  const DescryConvShape s = conv_shape (r->c, &oh, &ow);
  DescryTensor residual = { 0 };

  if (p[RESIDUAL])
    residual = suite_pictures (r, 1, p[PICTURES], oh, ow);
  op_conv (r->run, suite_pictures (r, 2, p[PICTURES], oh, ow), suite_pictures (r, 0, p[PICTURES], p[HEIGHT], p[WIDTH]), r->conv, &s, p[ACT], residual);
}

static void
conv_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint in = p[DEPTHWISE] ? 1 : p[IN];
  guint oh, ow, b, oy, ox, o, i, ky, kx;
  const DescryConvShape s = conv_shape (r->c, &oh, &ow);

  for (b = 0; b < p[PICTURES]; b++)
    for (oy = 0; oy < oh; oy++)
      for (ox = 0; ox < ow; ox++)
        for (o = 0; o < p[OUT]; o++)
          {
            const gsize at = (((gsize) b * oh + oy) * ow + ox) * p[OUT] + o;
            double sum = p[BIAS] ? r->bias_values[o] : 0.0;

            for (ky = 0; ky < s.kernel; ky++)
              for (kx = 0; kx < s.kernel; kx++)
                {
                  const int iy = (int) (oy * s.stride + ky * s.dilation) - (int) s.pad_top, ix = (int) (ox * s.stride + kx * s.dilation) - (int) s.pad_left;
                  const float *x;

                  if (iy < 0 || ix < 0 || iy >= (int) p[HEIGHT] || ix >= (int) p[WIDTH])
                    continue;
                  x = suite_values (r, 0) + (((gsize) b * p[HEIGHT] + iy) * p[WIDTH] + ix) * p[IN] + (p[DEPTHWISE] ? o : 0);
                  for (i = 0; i < in; i++)
                    sum += (double) x[i] * r->weight_values[(((gsize) o * in + i) * s.kernel + ky) * s.kernel + kx];
                }
            suite_expected (r, 2)[at] = suite_activate (sum, p[ACT]) + (p[RESIDUAL] ? suite_values (r, 1)[at] : 0.0);
          }
}

/* --- pooling, resizing ------------------------------------------------------------------------- */

enum { OUT_HEIGHT = KERNEL, OUT_WIDTH, PAD, RULE, ADD, KIND, POOL_KERNEL, POOL_STRIDE, RESIZE_ACT };
enum { MAX_POOL, GLOBAL_MEAN, RESIZE, SCALE_CHANNELS };

static void
pool_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;

  suite_input (r, DESCRY_F32, p[PICTURES] * p[HEIGHT] * p[WIDTH], p[IN], -9, 9);
  if (p[KIND] == GLOBAL_MEAN)
    suite_output (r, p[PICTURES], p[IN]);
  else
    suite_in_out (r, p[PICTURES] * p[OUT_HEIGHT] * p[OUT_WIDTH], p[IN], -1, 1);
  suite_input (r, DESCRY_F32, p[PICTURES], p[IN], -2, 2);
  /* A scale is dense, as the products before it leave it. */
}

static void
pool_launch (SuiteRun *r)
{
  const guint *p = r->c->p;
  DescryTensor x = suite_pictures (r, 0, p[PICTURES], p[HEIGHT], p[WIDTH]);

  if (p[KIND] == GLOBAL_MEAN)
    op_global_mean (r->run, suite_tensor (r, 1), x);
  else
    {
      DescryTensor y = suite_pictures (r, 1, p[PICTURES], p[OUT_HEIGHT], p[OUT_WIDTH]);

      if (p[KIND] == MAX_POOL)
        op_max_pool (r->run, y, x, p[POOL_KERNEL], p[POOL_STRIDE], p[PAD]);
      else if (p[KIND] == RESIZE)
        op_resize_act (r->run, y, x, p[RULE], p[ADD], p[RESIZE_ACT]);
      else
        op_scale_channels (r->run, y, x, suite_tensor (r, 2));
    }
}

static double
source (const guint *p,
        guint        i,
        guint        in,
        guint        out)
{
  double at = p[RULE] == DESCRY_RESIZE_HALF_PIXEL ? (i + 0.5) * in / out - 0.5 : (double) i * in / out;

  return CLAMP (at, 0.0, in - 1.0);
}

static void
pool_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint c = p[IN];
  guint b, oy, ox, i;
  int ky, kx;

#define X(y, x) ((double) suite_values (r, 0)[(((gsize) b * p[HEIGHT] + (y)) * p[WIDTH] + (x)) * c + i])
  if (p[KIND] == GLOBAL_MEAN)
    {
      for (b = 0; b < p[PICTURES]; b++)
        for (i = 0; i < c; i++)
          {
            double sum = 0;

            for (oy = 0; oy < p[HEIGHT]; oy++)
              for (ox = 0; ox < p[WIDTH]; ox++)
                sum += X (oy, ox);
            suite_expected (r, 1)[b * c + i] = sum / (p[HEIGHT] * p[WIDTH]);
          }
      return;
    }

  for (b = 0; b < p[PICTURES]; b++)
    for (oy = 0; oy < p[OUT_HEIGHT]; oy++)
      for (ox = 0; ox < p[OUT_WIDTH]; ox++)
        for (i = 0; i < c; i++)
          {
            const gsize at = (((gsize) b * p[OUT_HEIGHT] + oy) * p[OUT_WIDTH] + ox) * c + i;
            double y = -INFINITY;

            if (p[KIND] == MAX_POOL)
              {
                for (ky = 0; ky < (int) p[POOL_KERNEL]; ky++)
                  for (kx = 0; kx < (int) p[POOL_KERNEL]; kx++)
                    {
                      const int iy = (int) (oy * p[POOL_STRIDE]) + ky - (int) p[PAD], ix = (int) (ox * p[POOL_STRIDE]) + kx - (int) p[PAD];

                      if (iy >= 0 && ix >= 0 && iy < (int) p[HEIGHT] && ix < (int) p[WIDTH])
                        y = MAX (y, X (iy, ix));
                    }
              }
            else if (p[KIND] == RESIZE)
              {
                const double sy = source (p, oy, p[HEIGHT], p[OUT_HEIGHT]), sx = source (p, ox, p[WIDTH], p[OUT_WIDTH]);
                const guint y0 = (guint) sy, x0 = (guint) sx, y1 = MIN (y0 + 1, p[HEIGHT] - 1), x1 = MIN (x0 + 1, p[WIDTH] - 1);
                const double fy = sy - y0, fx = sx - x0;

                y = (1 - fy) * ((1 - fx) * X (y0, x0) + fx * X (y0, x1)) + fy * ((1 - fx) * X (y1, x0) + fx * X (y1, x1));
                y = suite_activate (y + (p[ADD] ? suite_values (r, 1)[at] : 0.0), p[RESIZE_ACT]);
              }
            else
              y = X (oy, ox) * suite_values (r, 2)[b * c + i];
            suite_expected (r, 1)[at] = y;
          }
#undef X
}

static void
add_pool (SuiteTable *table,
          const char *op,
          guint       kind,
          const guint v[6],
          guint       extra,
          gboolean    add)
{
  SuiteCase *c;

  if (table->small && v[0] * v[1] * v[2] * v[3] > 3000)
    return;
  c = suite_add (table, op, "f32", pool_prepare, pool_launch, pool_reference, "%u×%u×%u×%u to %u×%u%s%s", v[0], v[1], v[2], v[3], v[4], v[5],
                 kind == RESIZE ? (extra ? " asymmetric" : " half pixel") : "", add ? " added" : "");
  c->p[PICTURES] = v[0];
  c->p[HEIGHT] = v[1];
  c->p[WIDTH] = v[2];
  c->p[IN] = v[3];
  c->p[OUT_HEIGHT] = v[4];
  c->p[OUT_WIDTH] = v[5];
  c->p[KIND] = kind;
  c->p[RULE] = extra;
  c->p[ADD] = add;
  if (kind == MAX_POOL)
    {
      c->p[POOL_KERNEL] = extra;
      c->p[POOL_STRIDE] = 2;
      c->p[PAD] = extra == 3;
    }
  c->limit = 1e-12;
  c->bytes = 4.0 * v[0] * v[3] * ((double) v[1] * v[2] + (kind == GLOBAL_MEAN ? 1 : (double) v[4] * v[5] * (add ? 2 : 1)));
  c->flags = (kind == MAX_POOL ? SUITE_EXACT : 0) | (kind == SCALE_CHANNELS ? SUITE_ALARM : 0) | (c->bytes > 1e6 && !add ? SUITE_SPEED : 0);
}

void
suite_cases_pictures (SuiteTable *table)
{
  /* pictures, height, width, in, out, kernel, stride, dilation, depthwise, residual, bias, act, map, same: ones, primes, tiles
   * ± 1, and what the networks have. */
  static const guint convs[][14] = {
    { 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, DESCRY_ACT_NONE, 0, 1 },
    { 1, 1, 1, 5, 33, 3, 1, 1, 0, 0, 1, DESCRY_ACT_NONE, 0, 0 },
    { 1, 5, 4, 3, 7, 3, 1, 1, 0, 1, 1, DESCRY_ACT_NONE, 0, 0 },
    { 1, 6, 5, 4, 6, 3, 2, 1, 0, 0, 1, DESCRY_ACT_NONE, 0, 1 },
    { 1, 5, 5, 6, 6, 3, 1, 1, 1, 1, 1, DESCRY_ACT_NONE, 0, 1 },
    { 1, 6, 5, 6, 6, 5, 2, 1, 1, 0, 1, DESCRY_ACT_NONE, 0, 1 },
    { 2, 3, 3, 9, 17, 1, 1, 1, 0, 0, 1, DESCRY_ACT_NONE, 0, 1 },
    { 1, 7, 6, 16, 16, 3, 1, 1, 0, 0, 1, DESCRY_ACT_RELU, 32, 0 },
    { 1, 7, 6, 16, 16, 3, 1, 2, 0, 1, 1, DESCRY_ACT_NONE, 32, 0 },
    { 1, 11, 13, 7, 31, 3, 1, 1, 0, 1, 1, DESCRY_ACT_LEAKY, 0, 0 },
    { 3, 7, 7, 19, 48, 1, 1, 1, 0, 1, 1, DESCRY_ACT_NONE, 0, 1 },
    { 2, 15, 17, 3, 16, 3, 2, 1, 0, 0, 1, DESCRY_ACT_HARD_SWISH, 0, 0 },
    { 1, 10, 10, 1, 4, 5, 1, 1, 0, 0, 1, DESCRY_ACT_GELU, 0, 0 },
    { 1, 16, 16, 33, 65, 3, 1, 4, 0, 1, 1, DESCRY_ACT_SILU, 0, 0 },
    { 1, 8, 8, 24, 40, 3, 1, 8, 0, 0, 1, DESCRY_ACT_TANH, 0, 0 },
    { 1, 13, 12, 40, 1, 3, 1, 1, 0, 0, 1, DESCRY_ACT_SIGMOID, 0, 0 },
    { 1, 14, 14, 8, 16, 1, 2, 1, 0, 0, 1, DESCRY_ACT_RELU6, 0, 1 },
    { 2, 37, 41, 32, 33, 3, 1, 1, 0, 1, 1, DESCRY_ACT_RELU, 32, 0 },
    { 1, 8, 9, 272, 160, 3, 1, 1, 0, 1, 1, DESCRY_ACT_NONE, 32, 0 },
    { 2, 14, 15, 18, 18, 5, 2, 1, 1, 0, 1, DESCRY_ACT_HARD_SIGMOID, 0, 1 },
    { 1, 12, 11, 20, 20, 7, 3, 1, 1, 1, 1, DESCRY_ACT_NONE, 0, 1 },
    { 1, 6, 5, 16, 16, 3, 1, 2, 1, 0, 0, DESCRY_ACT_NONE, 0, 0 },
    /* EfficientNet-Lite0: stem, a depthwise and its projection. */
    { 1, 224, 224, 3, 32, 3, 2, 1, 0, 0, 1, DESCRY_ACT_RELU6, 0, 1 },
    { 1, 56, 56, 144, 144, 3, 1, 1, 1, 0, 1, DESCRY_ACT_RELU6, 0, 1 },
    { 1, 56, 56, 144, 24, 1, 1, 1, 0, 0, 1, DESCRY_ACT_NONE, 0, 1 },
    /* NanoDet, IS-Net. */
    { 1, 52, 52, 96, 96, 5, 1, 1, 1, 0, 1, DESCRY_ACT_LEAKY, 0, 0 },
    { 1, 64, 64, 64, 64, 3, 1, 1, 0, 0, 1, DESCRY_ACT_RELU, 0, 0 },
    { 1, 64, 64, 64, 64, 3, 1, 1, 0, 0, 1, DESCRY_ACT_RELU, 64, 0 },
    { 1, 32, 32, 64, 64, 3, 1, 4, 0, 0, 1, DESCRY_ACT_RELU, 0, 0 },
  };
  static const guint pools[][6] = { { 1, 1, 1, 1, 1, 1 }, { 2, 13, 9, 7, 7, 5 }, { 1, 8, 6, 33, 4, 3 }, { 1, 112, 112, 64, 56, 56 } };
  static const guint sizes[][6] = { { 1, 1, 1, 3, 4, 5 }, { 2, 5, 7, 9, 10, 14 }, { 1, 9, 11, 5, 4, 3 }, { 1, 6, 6, 17, 13, 7 }, { 1, 64, 64, 32, 128, 128 } };
  guint i, k;

  for (i = 0; i < G_N_ELEMENTS (convs); i++)
    {
      const guint *v = convs[i];
      const double work = (double) v[PICTURES] * v[HEIGHT] * v[WIDTH] / (v[STRIDE] * v[STRIDE]) * v[OUT] * (v[DEPTHWISE] ? 1 : v[IN]) * v[KERNEL] * v[KERNEL];
      SuiteCase *c;

      if (table->small && (work > 12000 || v[IN] > 64))
        continue;
      c = suite_add (table, "conv", "f32", conv_prepare, conv_launch, conv_reference, "%u×%u×%u×%u to %u, %u×%u%s stride %u dilation %u act %u%s%s", v[PICTURES],
                     v[HEIGHT], v[WIDTH], v[IN], v[OUT], v[KERNEL], v[KERNEL], v[DEPTHWISE] ? " depthwise" : "", v[STRIDE], v[DILATION], v[ACT],
                     v[RESIDUAL] ? " residual" : "", v[MAP] ? " winograd" : "");
      for (k = 0; k < 14; k++)
        c->p[k] = v[k];
      c->limit = 1e-10;
      c->flop = 2 * work;
      c->bytes = 4.0 * v[PICTURES] * v[HEIGHT] * v[WIDTH] * (v[IN] + (double) v[OUT] / (v[STRIDE] * v[STRIDE])) + 4.0 * v[OUT] * (v[DEPTHWISE] ? 1 : v[IN]) * v[KERNEL] * v[KERNEL];
      /* A transformed tile spreads what is in it: no alarm for Winograd's way. */
      c->flags = SUITE_ONEDNN | (v[ACT] == DESCRY_ACT_NONE && v[MAP] == 0 ? SUITE_ALARM : 0) | (work > 1e6 ? SUITE_SPEED : 0);
    }

  for (i = 0; i < G_N_ELEMENTS (pools); i++)
    {
      const guint same[] = { pools[i][0], pools[i][1], pools[i][2], pools[i][3], pools[i][1], pools[i][2] };

      add_pool (table, "max_pool", MAX_POOL, pools[i], 2, FALSE);
      add_pool (table, "max_pool", MAX_POOL, pools[i], 3, FALSE);
      add_pool (table, "global_mean", GLOBAL_MEAN, pools[i], 0, FALSE);
      add_pool (table, "scale_channels", SCALE_CHANNELS, same, 0, FALSE);
    }
  for (i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (k = 0; k < 8; k++)
      {
        const guint lines = table->cases->len;

        add_pool (table, k & 4 ? "resize_act" : "resize", RESIZE, sizes[i], k & 1 ? DESCRY_RESIZE_ASYMMETRIC : DESCRY_RESIZE_HALF_PIXEL, k & 2);
        if (k & 4 && table->cases->len > lines)
          ((SuiteCase *) g_ptr_array_index (table->cases, lines))->p[RESIZE_ACT] = k & 1 ? DESCRY_ACT_RELU : DESCRY_ACT_HARD_SWISH;
      }
}
