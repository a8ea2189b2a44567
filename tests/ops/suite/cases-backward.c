/* cases-backward.c - gradients by their formulas in double, and the small products of training
 *
 * That the formulas are right is tests/ops/backward.c's business: it compares with differences.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/backward.h"
#include "tests/ops/suite/suite.h"

#define EPS 1e-5f

enum { M, N, K, TRANSPOSED, ADD, ACT = K, KIND = TRANSPOSED };

/* --- products --------------------------------------------------------------------------------- */

static void
rows_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;

  suite_input (r, DESCRY_F32, p[TRANSPOSED] ? p[K] : p[M], p[TRANSPOSED] ? p[M] : p[K], -1, 1);
  suite_input (r, DESCRY_F32, p[K], p[N], -1, 1);
  suite_in_out (r, p[M], p[N], -1, 1);
}

static void
rows_launch (SuiteRun *r)
{
  op_matmul_rows (r->run, suite_tensor (r, 2), suite_tensor (r, 0), r->c->p[TRANSPOSED], suite_tensor (r, 1), 0.5f, r->c->p[ADD]);
}

static void
dots_prepare (SuiteRun *r)
{
  suite_input (r, DESCRY_F32, r->c->p[M], r->c->p[K], -1, 1);
  suite_input (r, DESCRY_F32, r->c->p[N], r->c->p[K], -1, 1);
  suite_in_out (r, r->c->p[M], r->c->p[N], -1, 1);
}

static void
dots_launch (SuiteRun *r)
{
  op_matmul_dots (r->run, suite_tensor (r, 2), suite_tensor (r, 0), suite_tensor (r, 1), 0.5f, r->c->p[ADD]);
}

static void
product_reference (SuiteRun *r,
                   gboolean  dots)
{
  const guint *p = r->c->p;
  const float *a = suite_values (r, 0), *b = suite_values (r, 1), *c = suite_values (r, 2);
  guint i, j, k;

  for (i = 0; i < p[M]; i++)
    for (j = 0; j < p[N]; j++)
      {
        double sum = 0;

        for (k = 0; k < p[K]; k++)
          sum += (double) a[!dots && p[TRANSPOSED] ? k * p[M] + i : i * p[K] + k] * b[dots ? j * p[K] + k : k * p[N] + j];
        suite_expected (r, 2)[i * p[N] + j] = 0.5 * sum + (p[ADD] ? c[i * p[N] + j] : 0);
      }
}

static void
rows_reference (SuiteRun *r)
{
  product_reference (r, FALSE);
}

static void
dots_reference (SuiteRun *r)
{
  product_reference (r, TRUE);
}

/* --- norms ------------------------------------------------------------------------------------- */

static void
norm_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;

  suite_input (r, DESCRY_F32, p[M], p[N], -2, 2); /* dy */
  suite_input (r, DESCRY_F32, p[M], p[N], -3, 5); /* x */
  suite_vector (r, p[N], 0.5, 2);
  suite_in_out (r, p[M], p[N], -1, 1); /* dx */
  suite_in_out (r, 1, p[N], -1, 1); /* dweight */
  suite_in_out (r, 1, p[N], -1, 1); /* dbias */
}

static DescryTensor
row_of (SuiteRun *r,
        guint     index)
{
  DescryTensor t = suite_tensor (r, index);

  t.n_dims = 1;
  t.shape[0] = t.shape[1];
  t.shape[1] = 1;
  t.pitch = t.shape[0];
  return t;
}

static void
norm_launch (SuiteRun *r)
{
  const DescryTensor dy = suite_tensor (r, 0), x = suite_tensor (r, 1), w = suite_tensor (r, 2), dx = suite_tensor (r, 3);

  if (r->c->p[KIND])
    op_layer_norm_backward (r->run, dx, dy, x, w, row_of (r, 4), row_of (r, 5), EPS, r->c->p[ADD]);
  else
    op_rms_norm_backward (r->run, dx, dy, x, w, row_of (r, 4), EPS, r->c->p[ADD]);
}

static void
norm_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const gboolean layer = p[KIND] != 0;
  const guint n = p[N];
  const float *w = suite_values (r, 2);
  guint row, i;

  for (i = 0; i < n; i++)
    {
      suite_expected (r, 4)[i] = suite_values (r, 4)[i];
      suite_expected (r, 5)[i] = suite_values (r, 5)[i];
    }
  for (row = 0; row < p[M]; row++)
    {
      const float *dy = suite_values (r, 0) + row * n, *x = suite_values (r, 1) + row * n;
      double mean = 0, power = 0, scale, sum = 0, dot = 0;

      for (i = 0; layer && i < n; i++)
        mean += x[i] / (double) n;
      for (i = 0; i < n; i++)
        power += (x[i] - mean) * (x[i] - mean) / n;
      scale = 1 / sqrt (power + EPS);
      for (i = 0; i < n; i++)
        {
          const double h = (x[i] - mean) * scale, g = (double) dy[i] * w[i];

          sum += layer ? g / n : 0;
          dot += g * h / n;
          suite_expected (r, 4)[i] += dy[i] * h;
          suite_expected (r, 5)[i] += layer ? dy[i] : 0;
        }
      for (i = 0; i < n; i++)
        suite_expected (r, 3)[row * n + i] = scale * ((double) dy[i] * w[i] - sum - (x[i] - mean) * scale * dot) + (p[ADD] ? suite_values (r, 3)[row * n + i] : 0);
    }
}

/* --- element by element ------------------------------------------------------------------------- */

static double
slope (double x,
       guint  act)
{
  const double s = 1 / (1 + exp (-x));

  switch (act)
    {
    case DESCRY_ACT_RELU: return x > 0;
    case DESCRY_ACT_GELU: return 0.5 * (1 + erf (x / sqrt (2))) + x * exp (-x * x / 2) / sqrt (2 * G_PI);
    case DESCRY_ACT_SILU: return s * (1 + x * (1 - s));
    case DESCRY_ACT_SIGMOID: return s * (1 - s);
    default: return 1 - tanh (x) * tanh (x);
    }
}

static void
activate_prepare (SuiteRun *r)
{
  suite_input (r, DESCRY_F32, r->c->p[M], r->c->p[N], -2, 2);
  suite_input (r, DESCRY_F32, r->c->p[M], r->c->p[N], -5, 5);
  suite_output (r, r->c->p[M], r->c->p[N]);
}

static void
activate_launch (SuiteRun *r)
{
  op_activate_backward (r->run, suite_tensor (r, 2), suite_tensor (r, 0), suite_tensor (r, 1), r->c->p[ACT]);
}

static void
activate_reference (SuiteRun *r)
{
  guint i;

  for (i = 0; i < r->c->p[M] * r->c->p[N]; i++)
    suite_expected (r, 2)[i] = suite_values (r, 0)[i] * slope (suite_values (r, 1)[i], r->c->p[ACT]);
}

static void
swiglu_prepare (SuiteRun *r)
{
  suite_input (r, DESCRY_F32, r->c->p[M], r->c->p[N], -2, 2);
  suite_input (r, DESCRY_F32, r->c->p[M], r->c->p[N], -5, 5);
  suite_input (r, DESCRY_F32, r->c->p[M], r->c->p[N], -2, 2);
  suite_output (r, r->c->p[M], r->c->p[N]);
  suite_output (r, r->c->p[M], r->c->p[N]);
}

static void
swiglu_launch (SuiteRun *r)
{
  op_swiglu_backward (r->run, suite_tensor (r, 3), suite_tensor (r, 4), suite_tensor (r, 0), suite_tensor (r, 1), suite_tensor (r, 2));
}

static void
swiglu_reference (SuiteRun *r)
{
  guint i;

  for (i = 0; i < r->c->p[M] * r->c->p[N]; i++)
    {
      const double dy = suite_values (r, 0)[i], gate = suite_values (r, 1)[i], up = suite_values (r, 2)[i];

      suite_expected (r, 3)[i] = dy * up * slope (gate, DESCRY_ACT_SILU);
      suite_expected (r, 4)[i] = dy * suite_activate (gate, DESCRY_ACT_SILU);
    }
}

static void
sum_prepare (SuiteRun *r)
{
  suite_input (r, DESCRY_F32, r->c->p[M], r->c->p[N], -2, 2);
  suite_in_out (r, 1, r->c->p[N], -1, 1);
}

static void
sum_launch (SuiteRun *r)
{
  op_sum_rows (r->run, row_of (r, 1), suite_tensor (r, 0));
}

static void
sum_reference (SuiteRun *r)
{
  guint row, i;

  for (i = 0; i < r->c->p[N]; i++)
    {
      double sum = suite_values (r, 1)[i];

      for (row = 0; row < r->c->p[M]; row++)
        sum += suite_values (r, 0)[row * r->c->p[N] + i];
      suite_expected (r, 1)[i] = sum;
    }
}

/* --- the loss ------------------------------------------------------------------------------------ */

static void
entropy_prepare (SuiteRun *r)
{
  suite_in_out (r, r->c->p[M], r->c->p[N], -8, 8);
  suite_ids (r, r->c->p[M], r->c->p[N]);
  suite_vector (r, r->c->p[M], 0.1f, 1);
  suite_output (r, r->c->p[M], 1);
}

static void
entropy_launch (SuiteRun *r)
{
  op_cross_entropy (r->run, suite_tensor (r, 3), suite_tensor (r, 0), suite_tensor (r, 1), suite_tensor (r, 2));
}

static void
entropy_reference (SuiteRun *r)
{
  const guint n = r->c->p[N];
  guint row, i;

  for (row = 0; row < r->c->p[M]; row++)
    {
      const float *x = suite_values (r, 0) + row * n;
      const guint target = (guint) r->t[1].ids[row];
      double top = -INFINITY, sum = 0;

      for (i = 0; i < n; i++)
        top = MAX (top, x[i]);
      for (i = 0; i < n; i++)
        sum += exp (x[i] - top);
      suite_expected (r, 3)[row] = top + log (sum) - x[target];
      for (i = 0; i < n; i++)
        suite_expected (r, 0)[row * n + i] = suite_values (r, 2)[row] * (exp (x[i] - top) / sum - (i == target));
    }
}

/* --- attention, rotation ------------------------------------------------------------------------ */

enum { Q, KEYS, HEADS, KV_HEADS, DIM, CAUSAL };

static void
attention_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint wide = p[HEADS] * p[DIM], narrow = p[KV_HEADS] * p[DIM];

  suite_input (r, DESCRY_F32, p[Q], wide, -1, 1); /* dout */
  suite_input (r, DESCRY_F32, p[Q], wide, -1, 1); /* out; made anew by the launch */
  suite_input (r, DESCRY_F32, p[Q], wide, -1, 1);
  suite_input (r, DESCRY_F32, p[KEYS], narrow, -1, 1);
  suite_input (r, DESCRY_F32, p[KEYS], narrow, -1, 1);
  suite_output (r, p[Q], wide);
  suite_output (r, p[KEYS], narrow);
  suite_output (r, p[KEYS], narrow);
  r->t[1].output = TRUE;
  r->t[1].expected = g_new0 (double, p[Q] * wide);
}

static void
attention_launch (SuiteRun *r)
{
  const guint *p = r->c->p;
  DescryAttention attention = { p[HEADS], p[KV_HEADS], p[DIM], 0, p[CAUSAL], p[KEYS] - p[Q], { 0 } };

  op_attention (r->run, suite_tensor (r, 1), suite_tensor (r, 2), suite_tensor (r, 3), suite_tensor (r, 4), &attention);
  op_attention_backward (r->run, suite_tensor (r, 5), suite_tensor (r, 6), suite_tensor (r, 7), suite_tensor (r, 0), suite_tensor (r, 1), suite_tensor (r, 2),
                         suite_tensor (r, 3), suite_tensor (r, 4), &attention);
}

static void
attention_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint wide = p[HEADS] * p[DIM], narrow = p[KV_HEADS] * p[DIM], past = p[KEYS] - p[Q];
  const float *dout = suite_values (r, 0), *q = suite_values (r, 2), *k = suite_values (r, 3), *v = suite_values (r, 4);
  double *out = suite_expected (r, 1), *dq = suite_expected (r, 5), *dk = suite_expected (r, 6), *dv = suite_expected (r, 7);
  g_autofree double *probability = g_new (double, p[KEYS]);
  const double scale = 1 / sqrt (p[DIM]);
  guint row, head, key, d;

  for (d = 0; d < p[Q] * wide; d++)
    out[d] = dq[d] = 0;
  for (d = 0; d < p[KEYS] * narrow; d++)
    dk[d] = dv[d] = 0;
  for (row = 0; row < p[Q]; row++)
    for (head = 0; head < p[HEADS]; head++)
      {
        const guint kv = head / (p[HEADS] / p[KV_HEADS]) * p[DIM], at = row * wide + head * p[DIM], limit = p[CAUSAL] ? row + past + 1 : p[KEYS];
        double top = -INFINITY, sum = 0, delta = 0;

        for (key = 0; key < limit; key++)
          {
            probability[key] = 0;
            for (d = 0; d < p[DIM]; d++)
              probability[key] += scale * q[at + d] * k[key * narrow + kv + d];
            top = MAX (top, probability[key]);
          }
        for (key = 0; key < limit; key++)
          sum += probability[key] = exp (probability[key] - top);
        for (key = 0; key < limit; key++)
          {
            probability[key] /= sum;
            for (d = 0; d < p[DIM]; d++)
              out[at + d] += probability[key] * v[key * narrow + kv + d];
          }
        for (d = 0; d < p[DIM]; d++)
          delta += dout[at + d] * out[at + d];
        for (key = 0; key < limit; key++)
          {
            double dp = 0, ds;

            for (d = 0; d < p[DIM]; d++)
              {
                dp += (double) dout[at + d] * v[key * narrow + kv + d];
                dv[key * narrow + kv + d] += probability[key] * dout[at + d];
              }
            ds = probability[key] * (dp - delta) * scale;
            for (d = 0; d < p[DIM]; d++)
              {
                dq[at + d] += ds * k[key * narrow + kv + d];
                dk[key * narrow + kv + d] += ds * q[at + d];
              }
          }
      }
}

/* --- the step ------------------------------------------------------------------------------------ */

static void
adamw_prepare (SuiteRun *r)
{
  const guint n = r->c->p[N];

  suite_in_out (r, 1, n, -1, 1); /* parameter */
  suite_in_out (r, 1, n, -1, 1); /* gradient */
  suite_in_out (r, 1, n, -0.5, 0.5);
  suite_in_out (r, 1, n, 0, 0.5);
}

static void
adamw_launch (SuiteRun *r)
{
  op_adamw (r->run, row_of (r, 0), row_of (r, 1), row_of (r, 2), row_of (r, 3), 1e-2f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.7f, 3);
}

static void
adamw_reference (SuiteRun *r)
{
  const double beta1 = 0.9f, beta2 = 0.99f, rate = 1e-2f, decay = 0.1f, scale = 0.7f;
  guint i;

  for (i = 0; i < r->c->p[N]; i++)
    {
      const double w = suite_values (r, 0)[i], g = suite_values (r, 1)[i] * scale;
      const double m = beta1 * suite_values (r, 2)[i] + (1 - beta1) * g, v = beta2 * suite_values (r, 3)[i] + (1 - beta2) * g * g;

      suite_expected (r, 0)[i] = w - rate * (m / (1 - pow (beta1, 3)) / (sqrt (v / (1 - pow (beta2, 3))) + 1e-8) + decay * w);
      suite_expected (r, 1)[i] = 0;
      suite_expected (r, 2)[i] = m;
      suite_expected (r, 3)[i] = v;
    }
}

static SuiteCase *
add (SuiteTable *table,
     const char *op,
     SuiteFunc   prepare,
     SuiteFunc   launch,
     SuiteFunc   reference,
     double      limit,
     guint       m,
     guint       n,
     guint       k,
     guint       kind,
     guint       more)
{
  SuiteCase *c = suite_add (table, op, "f32", prepare, launch, reference, "%u×%u %u%s%s", m, n, k, kind ? " b" : "", more ? " added" : "");

  c->p[M] = m;
  c->p[N] = n;
  c->p[K] = k;
  c->p[TRANSPOSED] = kind;
  c->p[ADD] = more;
  c->limit = limit;
  return c;
}

void
suite_cases_backward (SuiteTable *table)
{
  static const guint products[][3] = { { 1, 1, 1 }, { 5, 19, 7 }, { 3, 16, 96 }, { 64, 8, 33 }, { 64, 192, 576 } };
  static const guint rows[][2] = { { 1, 1 }, { 3, 17 }, { 9, 64 }, { 33, 576 } };
  static const guint acts[] = { DESCRY_ACT_RELU, DESCRY_ACT_GELU, DESCRY_ACT_SILU, DESCRY_ACT_TANH, DESCRY_ACT_SIGMOID };
  static const guint attentions[][6] = { { 1, 1, 1, 1, 16, 0 }, { 3, 5, 2, 1, 16, 1 }, { 17, 33, 6, 2, 64, 1 }, { 9, 20, 3, 3, 32, 0 } };
  const guint most = table->small ? 4000 : G_MAXUINT;
  guint i, k, extra;

  for (i = 0; i < G_N_ELEMENTS (products); i++)
    for (k = 0; k < 2; k++)
      for (extra = 0; extra < 2; extra++)
        {
          const guint *v = products[i];
          SuiteCase *c;

          if (v[0] * v[1] * v[2] > most)
            continue;
          c = add (table, "matmul_rows", rows_prepare, rows_launch, rows_reference, 1e-11, v[0], v[1], v[2], k, extra);
          c->flags = SUITE_ALARM | (i == 4 && extra == 0 ? SUITE_SPEED : 0);
          c->flop = 2.0 * v[0] * v[1] * v[2];
          c->bytes = 4.0 * (v[0] * v[2] + v[1] * v[2] + v[0] * v[1]);
          if (k == 0)
            {
              c = add (table, "matmul_dots", dots_prepare, dots_launch, dots_reference, 1e-11, v[0], v[1], v[2], 0, extra);
              c->flags = SUITE_ALARM;
            }
        }
  for (i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const guint m = rows[i][0], n = rows[i][1];

      if (m * n > most)
        continue;
      for (k = 0; k < 4; k++)
        if (n > 1)
          add (table, k & 1 ? "layer_norm_backward" : "rms_norm_backward", norm_prepare, norm_launch, norm_reference, 1e-10, m, n, 0, k & 1, k >> 1);
      for (k = 0; k < G_N_ELEMENTS (acts); k++)
        add (table, "activate_backward", activate_prepare, activate_launch, activate_reference, 1e-11, m, n, acts[k], 0, 0);
      add (table, "swiglu_backward", swiglu_prepare, swiglu_launch, swiglu_reference, 1e-11, m, n, 0, 0, 0);
      add (table, "sum_rows", sum_prepare, sum_launch, sum_reference, 1e-11, m, n, 0, 0, 0)->flags = SUITE_ALARM;
      add (table, "cross_entropy", entropy_prepare, entropy_launch, entropy_reference, 1e-10, m, n + 1, 0, 0, 0);
      add (table, "adamw", adamw_prepare, adamw_launch, adamw_reference, 1e-11, 1, m * n, 0, 0, 0);
    }
  for (i = 0; i < G_N_ELEMENTS (attentions); i++)
    {
      const guint *v = attentions[i];
      SuiteCase *c;

      if (v[Q] * v[KEYS] * v[HEADS] * v[DIM] > most)
        continue;
      c = suite_add (table, "attention_backward", "f32", attention_prepare, attention_launch, attention_reference, "%u of %u, %u/%u heads of %u%s", v[0], v[1], v[2], v[3],
                     v[4], v[5] ? " causal" : "");
      for (k = 0; k < 6; k++)
        c->p[k] = v[k];
      c->limit = 1e-9;
    }
}
