/* cases-rows.c - norms, softmax, element by element, copies, argmax
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/elementwise.h"
#include "compute/ops/norm.h"
#include "tests/ops/suite/suite.h"

#define EPS 1e-5f

enum { ROWS, COLS, KIND, ACT, BROADCAST };

enum { LAYER, LAYER_NO_BIAS, RMS, SOFTMAX };

static void
norm_prepare (SuiteRun *r)
{
  guint rows = r->c->p[ROWS], cols = r->c->p[COLS], kind = r->c->p[KIND];

  suite_input (r, DESCRY_F32, rows, cols, kind == SOFTMAX ? -20 : -3, kind == SOFTMAX ? 20 : 9);
  suite_vector (r, cols, -2, 2);
  suite_vector (r, cols, -1, 1);
  suite_output (r, rows, cols);
}

static void
norm_launch (SuiteRun *r)
{
  DescryTensor x = suite_tensor (r, 0), weight = suite_tensor (r, 1), bias = suite_tensor (r, 2), y = suite_tensor (r, 3);

  switch (r->c->p[KIND])
    {
    case SOFTMAX:
      op_softmax (r->run, y, x);
      break;
    case RMS:
      op_rms_norm (r->run, y, x, weight, EPS);
      break;
    default:
      op_layer_norm (r->run, y, x, weight, r->c->p[KIND] == LAYER ? bias : (DescryTensor) { 0 }, EPS);
    }
}

static void
norm_reference (SuiteRun *r)
{
  guint rows = r->c->p[ROWS], cols = r->c->p[COLS], kind = r->c->p[KIND], row, i;
  const float *weight = suite_values (r, 1), *bias = suite_values (r, 2);

  for (row = 0; row < rows; row++)
    {
      const float *x = suite_values (r, 0) + (gsize) row * cols;
      double *y = suite_expected (r, 3) + (gsize) row * cols;
      double mean = 0, power = 0, top = -INFINITY, sum = 0;

      for (i = 0; i < cols; i++)
        {
          mean += x[i] / (double) cols;
          top = isnan (x[i]) ? NAN : fmax (top, x[i]);
        }
      for (i = 0; i < cols; i++)
        {
          double d = kind == RMS ? x[i] : x[i] - mean;

          power += d * d / cols;
          sum += exp (x[i] - top);
        }
      for (i = 0; i < cols; i++)
        y[i] = kind == SOFTMAX ? exp (x[i] - top) / sum
               : kind == RMS ? x[i] / sqrt (power + EPS) * weight[i]
                             : (x[i] - mean) / sqrt (power + EPS) * weight[i] + (kind == LAYER ? bias[i] : 0);
    }
}

/* --- y from one or two tensors ----------------------------------------------------------------- */

enum { ADD, MUL, SWIGLU, ACTIVATE, SCALE, FILL };

static void
map_prepare (SuiteRun *r)
{
  suite_input (r, DESCRY_F32, r->c->p[ROWS], r->c->p[COLS], -6, 6);
  suite_input (r, DESCRY_F32, r->c->p[BROADCAST] ? 1 : r->c->p[ROWS], r->c->p[COLS], -4, 4);
  suite_output (r, r->c->p[ROWS], r->c->p[COLS]);
}

static void
map_launch (SuiteRun *r)
{
  DescryTensor a = suite_tensor (r, 0), b = suite_tensor (r, 1), y = suite_tensor (r, 2);

  switch (r->c->p[KIND])
    {
    case ADD:
      op_add (r->run, y, a, b, r->c->p[ACT]);
      break;
    case MUL:
      op_mul (r->run, y, a, b);
      break;
    case SWIGLU:
      op_swiglu (r->run, y, a, b);
      break;
    case ACTIVATE:
      op_activate (r->run, y, a, r->c->p[ACT]);
      break;
    case SCALE:
      op_scale (r->run, y, a, 0.37f);
      break;
    default:
      op_fill (r->run, y, -2.5f);
    }
}

static void
map_reference (SuiteRun *r)
{
  gsize cols = r->c->p[COLS], n = r->c->p[ROWS] * cols, i;
  const float *a = suite_values (r, 0), *b = suite_values (r, 1);

  for (i = 0; i < n; i++)
    {
      double other = b[r->c->p[BROADCAST] ? i % cols : i], *y = suite_expected (r, 2) + i;

      switch (r->c->p[KIND])
        {
        case ADD:
          *y = suite_activate (a[i] + other, r->c->p[ACT]);
          break;
        case MUL:
          *y = a[i] * other;
          break;
        case SWIGLU:
          *y = suite_activate (a[i], DESCRY_ACT_SILU) * other;
          break;
        case ACTIVATE:
          *y = suite_activate (a[i], r->c->p[ACT]);
          break;
        case SCALE:
          *y = a[i] * 0.37f;
          break;
        default:
          *y = -2.5;
        }
    }
}

/* --- copies, argmax ---------------------------------------------------------------------------- */

enum { HALF_IN = 2, HALF_OUT };

static void
copy_prepare (SuiteRun *r)
{
  suite_input (r, r->c->p[HALF_IN] ? DESCRY_F16 : DESCRY_F32, r->c->p[ROWS], r->c->p[COLS], -9, 9);
  suite_output_of (r, r->c->p[HALF_OUT] ? DESCRY_F16 : DESCRY_F32, r->c->p[ROWS], r->c->p[COLS]);
}

static void
copy_launch (SuiteRun *r)
{
  op_copy (r->run, suite_tensor (r, 1), suite_tensor (r, 0));
}

static void
copy_reference (SuiteRun *r)
{
  gsize n = (gsize) r->c->p[ROWS] * r->c->p[COLS], i;

  for (i = 0; i < n; i++)
    suite_expected (r, 1)[i] = r->c->p[HALF_OUT] ? descry_half_to_float (descry_float_to_half (suite_values (r, 0)[i])) : suite_values (r, 0)[i];
}

static void
argmax_prepare (SuiteRun *r)
{
  guint i, n = r->c->p[ROWS] * r->c->p[COLS];

  suite_input (r, DESCRY_F32, r->c->p[ROWS], r->c->p[COLS], -5, 5);
  /* Whole numbers, so that there are equals: the first one wins. */
  for (i = 0; i < n; i++)
    r->t[0].values[i] = roundf (r->t[0].values[i]);
  suite_output_of (r, DESCRY_I32, r->c->p[ROWS], 1);
}

static void
argmax_launch (SuiteRun *r)
{
  DescryTensor index = suite_tensor (r, 1);

  op_argmax (r->run, index, suite_tensor (r, 0));
}

static void
argmax_reference (SuiteRun *r)
{
  guint row, i, cols = r->c->p[COLS];

  for (row = 0; row < r->c->p[ROWS]; row++)
    {
      const float *x = suite_values (r, 0) + (gsize) row * cols;
      guint best = 0;

      for (i = 1; i < cols; i++)
        if (x[i] > x[best])
          best = i;
      suite_expected (r, 1)[row] = best;
    }
}

void
suite_cases_rows (SuiteTable *table)
{
  static const guint shapes[][2] = { { 1, 1 }, { 3, 5 }, { 4, 17 }, { 17, 64 }, { 5, 257 }, { 1, 576 }, { 65, 96 }, { 1, 4099 }, { 512, 576 }, { 257, 1408 }, { 8192, 1024 } };
  static const char *const norms[] = { "layer_norm", "layer_norm", "rms_norm", "softmax" };
  static const char *const maps[] = { "add", "mul", "swiglu", "activate", "scale", "fill" };
  const gsize most = table->small ? 1200 : 1u << 30;
  guint s, kind, k, act;

  for (s = 0; s < G_N_ELEMENTS (shapes); s++)
    {
      const guint rows = shapes[s][0], cols = shapes[s][1];
      const double n = (double) rows * cols;

      if ((gsize) rows * cols > most)
        continue;
      for (kind = LAYER; kind <= SOFTMAX; kind++)
        {
          SuiteCase *c;

          /* One number has no variance: 0 / sqrt (eps) compares rounding errors. */
          if (cols == 1 && kind < RMS)
            continue;
          c = suite_add (table, norms[kind], "f32", norm_prepare, norm_launch, norm_reference, "%u×%u%s", rows, cols, kind == LAYER_NO_BIAS ? " no bias" : "");
          c->p[ROWS] = rows;
          c->p[COLS] = cols;
          c->p[KIND] = kind;
          c->limit = 1e-11;
          c->bytes = 8 * n;
          c->flags = (rows > 1 || cols > 1 ? SUITE_ALARM : 0) | (n > 1e6 ? SUITE_ONLY_SPEED : 0);
        }
      for (k = ADD; k <= FILL; k++)
        for (act = 0; act <= (k == ACTIVATE ? DESCRY_ACT_HARD_SIGMOID : k <= MUL ? 1 : 0); act++)
          {
            SuiteCase *c = suite_add (table, maps[k], "f32", map_prepare, map_launch, map_reference, "%u×%u%s", rows, cols, k <= MUL && act == 1 ? " one row" : "");

            c->p[ROWS] = rows;
            c->p[COLS] = cols;
            c->p[KIND] = k;
            c->p[ACT] = k == ACTIVATE ? act : k == ADD && act == 1 ? DESCRY_ACT_SILU : 0;
            c->p[BROADCAST] = k <= MUL && act == 1;
            c->limit = 1e-12;
            c->bytes = (k == FILL ? 4 : k <= SWIGLU && !c->p[BROADCAST] ? 12 : 8) * n;
            c->flags = (k == FILL ? SUITE_EXACT : 0) | (n > 1e6 ? SUITE_ONLY_SPEED : 0) | (k == MUL || k == SCALE || (k == ADD && act == 0) ? SUITE_ALARM : 0);
            if (k == ACTIVATE)
              {
                g_free (c->shape);
                c->shape = g_strdup_printf ("%u×%u act %u", rows, cols, act);
              }
          }
      for (k = 0; k < 4; k++)
        {
          static const char *const types[] = { "f32", "f32→f16", "f16→f32", "f16" };
          SuiteCase *c = suite_add (table, "copy", types[k], copy_prepare, copy_launch, copy_reference, "%u×%u", rows, cols);

          c->p[ROWS] = rows;
          c->p[COLS] = cols;
          c->p[HALF_IN] = k >= 2;
          c->p[HALF_OUT] = k & 1;
          c->bytes = n * ((k >= 2 ? 2 : 4) + (k & 1 ? 2 : 4));
          c->flags = SUITE_EXACT | SUITE_ALARM | (n > 1e6 ? SUITE_ONLY_SPEED : 0);
        }
      {
        SuiteCase *c = suite_add (table, "argmax", "f32", argmax_prepare, argmax_launch, argmax_reference, "%u×%u", rows, cols);

        c->p[ROWS] = rows;
        c->p[COLS] = cols;
        c->bytes = 4 * n;
        c->flags = SUITE_EXACT | (n > 1e6 ? SUITE_ONLY_SPEED : 0);
      }
    }
}
