/* backward.c - every gradient against central differences of a scalar forward pass in double
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/backward.h"
#include "compute/ops/norm.h"
#include "compute/ops/packed.h"
#include "tests/ops/harness.h"

#define LIMIT 1e-8
#define STEP 1e-4 /* of the differences; their error is of the order of its square */

/* The loss of a test: sum of dy * forward (inputs). */
typedef double (*Loss) (double *inputs, gpointer data);

/* The gradient for @n of @inputs from @first on. */
static double *
differences (Loss     loss,
             double  *inputs,
             gsize    first,
             gsize    n,
             gpointer data)
{
  double *gradient = g_new (double, n);
  gsize i;

  for (i = 0; i < n; i++)
    {
      double kept = inputs[first + i], above, below;

      inputs[first + i] = kept + STEP;
      above = loss (inputs, data);
      inputs[first + i] = kept - STEP;
      below = loss (inputs, data);
      inputs[first + i] = kept;
      gradient[i] = (above - below) / (2 * STEP);
    }

  return gradient;
}

static double *
to_double (const float *values,
           gsize        n)
{
  double *result = g_new (double, n);
  gsize i;

  for (i = 0; i < n; i++)
    result[i] = values[i];
  return result;
}

static DescryTensor
send (DescryRun   *run,
      const float *values,
      guint        rows,
      guint        cols)
{
  DescryTensor tensor = guarded_tensor (run, rows, cols);

  descry_run_write (run, tensor, values, (gsize) rows * cols);
  return tensor;
}

static DescryTensor
send_dense (DescryRun   *run,
            const float *values,
            guint        cols)
{
  DescryTensor tensor = descry_run_tensor2 (run, 1, cols);

  descry_run_write (run, tensor, values, cols);
  return tensor;
}

static void
expect (DescryRun    *run,
        const char   *what,
        DescryTensor  tensor,
        const double *expected)
{
  gsize n = descry_tensor_count (tensor);
  g_autofree float *found = g_new0 (float, n);
  g_autoptr (GError) error = NULL;

  descry_run_read (run, tensor, found, n);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  assert_nmse (what, found, expected, n, LIMIT);
}

/* Every way round, by whichever provider the device has. */
static void
test_product (DescryRun *run)
{
  static const guint shapes[][3] = { { 5, 19, 7 }, { 33, 8, 40 }, { 1, 3, 1 } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (21);
  guint s, way, add, i, j, p;

  for (s = 0; s < G_N_ELEMENTS (shapes); s++)
    for (way = 0; way < 3; way++)
      for (add = 0; add < 2; add++)
        {
          guint m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
          gboolean turned_a = way == 1, turned_b = way == 2;
          g_autofree float *a = random_floats (rand, m * k, -1, 1), *b = random_floats (rand, k * n, -1, 1), *start = random_floats (rand, m * n, -1, 1);
          g_autofree double *expected = g_new (double, m * n);
          DescryTensor c = send (run, start, m, n);

          for (i = 0; i < m; i++)
            for (j = 0; j < n; j++)
              {
                expected[i * n + j] = add ? start[i * n + j] : 0.0;
                for (p = 0; p < k; p++)
                  expected[i * n + j] += a[turned_a ? p * m + i : i * k + p] * b[turned_b ? j * k + p : p * n + j];
              }
          op_product (run, c, turned_a ? send (run, a, k, m) : send (run, a, m, k), turned_a, turned_b ? send (run, b, n, k) : send (run, b, k, n), turned_b, add);
          expect (run, "product", c, expected);
          check_guards (run, c, "product");
        }
}

static void
test_rows (DescryRun *run)
{
  static const gint32 index[] = { 2, -1, 0, 2, 4 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (22);
  guint n = 21, rows = G_N_ELEMENTS (index), i, j;
  g_autofree float *x = random_floats (rand, rows * n, -1, 1), *y = random_floats (rand, rows * n, -1, 1);
  g_autofree double *gathered = g_new0 (double, rows * n), *scattered = to_double (y, rows * n);
  DescryTensor from = send (run, x, rows, n), to = send (run, y, rows, n), taken = send (run, y, rows, n), ids = descry_run_tensor (run, DESCRY_I32, 1, &rows);

  descry_run_write (run, ids, index, rows);
  for (i = 0; i < rows; i++)
    for (j = 0; j < n && index[i] >= 0; j++)
      {
        gathered[i * n + j] = x[index[i] * n + j];
        scattered[index[i] * n + j] += x[i * n + j];
      }
  op_gather_rows (run, taken, from, ids);
  expect (run, "gather_rows", taken, gathered);
  check_guards (run, taken, "gather_rows");
  op_scatter_rows (run, to, from, ids);
  expect (run, "scatter_rows", to, scattered);
  check_guards (run, to, "scatter_rows");
}

static void
test_matmul (DescryRun *run)
{
  static const guint shapes[][3] = { { 5, 19, 7 }, { 64, 8, 33 }, { 3, 96, 16 }, { 1, 1, 1 } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint s, transposed, add;

  for (s = 0; s < G_N_ELEMENTS (shapes); s++)
    for (transposed = 0; transposed < 2; transposed++)
      for (add = 0; add < 2; add++)
        {
          guint m = shapes[s][0], n = shapes[s][1], k = shapes[s][2], i, j, p;
          g_autofree float *a = random_floats (rand, m * k, -1, 1), *b = random_floats (rand, k * n, -1, 1), *start = random_floats (rand, m * n, -1, 1);
          g_autofree float *flipped = g_new (float, n * k);
          g_autofree double *expected = g_new (double, m * n);
          DescryTensor c = send (run, start, m, n), c2 = send (run, start, m, n);

          for (i = 0; i < m; i++)
            for (j = 0; j < n; j++)
              {
                expected[i * n + j] = add ? start[i * n + j] : 0.0;
                for (p = 0; p < k; p++)
                  expected[i * n + j] += 0.5 * a[transposed ? p * m + i : i * k + p] * b[p * n + j];
              }
          op_matmul_rows (run, c, transposed ? send (run, a, k, m) : send (run, a, m, k), transposed, send (run, b, k, n), 0.5f, add);
          expect (run, "matmul_rows", c, expected);
          check_guards (run, c, "matmul_rows");

          if (!transposed)
            {
              for (p = 0; p < k; p++)
                for (j = 0; j < n; j++)
                  flipped[j * k + p] = b[p * n + j];
              op_matmul_dots (run, c2, send (run, a, m, k), send (run, flipped, n, k), 0.5f, add);
              expect (run, "matmul_dots", c2, expected);
              check_guards (run, c2, "matmul_dots");
            }
        }
}

typedef struct
{
  guint        m, n;
  gboolean     centred;
  const float *dy;
} Norm;

/* Inputs: x [m, n], weight [n], bias [n]. */
static double
norm_loss (double  *inputs,
           gpointer data)
{
  const Norm *t = data;
  const double *w = inputs + (gsize) t->m * t->n, *b = w + t->n;
  double loss = 0.0;
  guint i, j;

  for (i = 0; i < t->m; i++)
    {
      const double *x = inputs + (gsize) i * t->n;
      double mean = 0.0, square = 0.0;

      for (j = 0; j < t->n && t->centred; j++)
        mean += x[j] / t->n;
      for (j = 0; j < t->n; j++)
        square += (x[j] - mean) * (x[j] - mean) / t->n;
      for (j = 0; j < t->n; j++)
        loss += t->dy[i * t->n + j] * ((x[j] - mean) / sqrt (square + 1e-5) * w[j] + (t->centred ? b[j] : 0.0));
    }

  return loss;
}

static void
test_norms (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  guint m = 4, n = 37, pass;
  g_autofree float *all = random_floats (rand, m * n + 2 * n, -1, 1), *dy = random_floats (rand, m * n, -1, 1);
  g_autofree double *inputs = to_double (all, m * n + 2 * n);

  for (pass = 0; pass < 2; pass++)
    {
      Norm t = { m, n, pass, dy };
      g_autofree double *dx = differences (norm_loss, inputs, 0, m * n, &t), *dw = differences (norm_loss, inputs, m * n, n, &t);
      g_autofree double *db = differences (norm_loss, inputs, m * n + n, n, &t);
      g_autofree float *zeros = g_new0 (float, n);
      DescryTensor x = send (run, all, m, n), w = send_dense (run, all + m * n, n), found = send (run, dy, m, n);
      DescryTensor dweight = send_dense (run, zeros, n), dbias = send_dense (run, zeros, n);

      if (pass)
        op_layer_norm_backward (run, found, send (run, dy, m, n), x, w, dweight, dbias, 1e-5f, FALSE);
      else
        op_rms_norm_backward (run, found, send (run, dy, m, n), x, w, dweight, 1e-5f, FALSE);
      expect (run, "norm dx", found, dx);
      expect (run, "norm dweight", dweight, dw);
      if (pass)
        expect (run, "norm dbias", dbias, db);
      check_guards (run, found, "norm backward");
    }
}

typedef struct
{
  guint            n;
  DescryActivation act;
  const float     *dy;
} Pointwise;

static double
activate (double           x,
          DescryActivation act)
{
  switch (act)
    {
    case DESCRY_ACT_GELU: return 0.5 * x * (1 + erf (x / sqrt (2)));
    case DESCRY_ACT_SILU: return x / (1 + exp (-x));
    case DESCRY_ACT_SIGMOID: return 1 / (1 + exp (-x));
    case DESCRY_ACT_TANH: return tanh (x);
    case DESCRY_ACT_RELU: return MAX (x, 0);
    default: return x;
    }
}

static double
pointwise_loss (double  *inputs,
                gpointer data)
{
  const Pointwise *t = data;
  double loss = 0.0;
  guint i;

  for (i = 0; i < t->n; i++)
    loss += t->dy[i] * activate (inputs[i], t->act);
  return loss;
}

/* Inputs: gate [n], up [n]. */
static double
swiglu_loss (double  *inputs,
             gpointer data)
{
  const Pointwise *t = data;
  double loss = 0.0;
  guint i;

  for (i = 0; i < t->n; i++)
    loss += t->dy[i] * activate (inputs[i], DESCRY_ACT_SILU) * inputs[t->n + i];
  return loss;
}

static void
test_activations (DescryRun *run)
{
  static const DescryActivation acts[] = { DESCRY_ACT_GELU, DESCRY_ACT_SILU, DESCRY_ACT_SIGMOID, DESCRY_ACT_TANH, DESCRY_ACT_RELU, DESCRY_ACT_NONE };
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  guint m = 3, n = 29, i;
  g_autofree float *x = random_floats (rand, 2 * m * n, -3, 3), *dy = random_floats (rand, m * n, -1, 1);
  g_autofree double *inputs = to_double (x, 2 * m * n);
  Pointwise t = { m * n, DESCRY_ACT_NONE, dy };

  for (i = 0; i < G_N_ELEMENTS (acts); i++)
    {
      g_autofree double *dx = NULL;
      DescryTensor found = send (run, dy, m, n);

      t.act = acts[i];
      dx = differences (pointwise_loss, inputs, 0, m * n, &t);
      op_activate_backward (run, found, found, send (run, x, m, n), acts[i]); /* in place */
      expect (run, "activate_backward", found, dx);
      check_guards (run, found, "activate_backward");
    }

  {
    g_autofree double *dgate = differences (swiglu_loss, inputs, 0, m * n, &t), *dup = differences (swiglu_loss, inputs, m * n, m * n, &t);
    DescryTensor gate = send (run, x, m, n), up = send (run, x + m * n, m, n);

    op_swiglu_backward (run, gate, up, send (run, dy, m, n), gate, up);
    expect (run, "swiglu dgate", gate, dgate);
    expect (run, "swiglu dup", up, dup);
  }
}

typedef struct
{
  guint           rows, keys;
  DescryAttention p;
  const float    *dy, *bias;
} Attend;

/* Inputs: q, k, v. @out may be NULL. */
static double
attend (const Attend *t,
        const double *q,
        double       *out)
{
  guint width = t->p.heads * t->p.head_dim, kv = t->p.kv_heads * t->p.head_dim, d = t->p.head_dim, i, j, h, c;
  const double *k = q + t->rows * width, *v = k + t->keys * kv;
  double loss = 0.0;
  g_autofree double *weights = g_new (double, t->keys);

  for (i = 0; i < t->rows; i++)
    for (h = 0; h < t->p.heads; h++)
      {
        guint g = h / (t->p.heads / t->p.kv_heads), end = t->p.causal ? MIN (t->keys, i + t->p.past + 1) : t->keys;
        double total = 0.0;

        for (j = 0; j < end; j++)
          {
            double s = 0.0;

            for (c = 0; c < d; c++)
              s += q[i * width + h * d + c] * k[j * kv + g * d + c];
            s = s / sqrt (d) + (t->bias != NULL ? t->bias[i * t->keys + j] : 0.0);
            total += weights[j] = exp (s);
          }
        for (c = 0; c < d; c++)
          {
            double sum = 0.0;

            for (j = 0; j < end; j++)
              sum += weights[j] / total * v[j * kv + g * d + c];
            if (out != NULL)
              out[i * width + h * d + c] = sum;
            loss += t->dy[i * width + h * d + c] * sum;
          }
      }

  return loss;
}

static double
attention_loss (double  *inputs,
                gpointer data)
{
  return attend (data, inputs, NULL);
}

static void
test_attention (DescryRun *run)
{
  static const struct { guint rows, keys, heads, kv, dim; gboolean causal, bias; guint past; } cases[] = {
    { 7, 7, 3, 1, 8, TRUE, FALSE, 0 }, { 4, 6, 2, 2, 16, TRUE, FALSE, 2 }, { 5, 9, 4, 2, 20, FALSE, TRUE, 0 }, { 1, 1, 1, 1, 32, FALSE, FALSE, 0 },
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  guint i, j;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint width = cases[i].heads * cases[i].dim, kv = cases[i].kv * cases[i].dim, rows = cases[i].rows, keys = cases[i].keys;
      gsize nq = rows * width, nk = keys * kv;
      g_autofree float *all = random_floats (rand, nq + 2 * nk, -1, 1), *dy = random_floats (rand, nq, -1, 1), *bias = random_floats (rand, rows * keys, -1, 1);
      g_autofree double *inputs = to_double (all, nq + 2 * nk), *forward = g_new (double, nq), *wq = NULL, *wk = NULL, *wv = NULL;
      g_autofree float *out = g_new (float, nq);
      Attend t = { rows, keys, { .heads = cases[i].heads, .kv_heads = cases[i].kv, .head_dim = cases[i].dim, .causal = cases[i].causal, .past = cases[i].past }, dy, NULL };
      DescryTensor dq = send (run, dy, rows, width), dk = send (run, all, keys, kv), dv = send (run, all, keys, kv);

      if (cases[i].bias)
        {
          bias[1] = -INFINITY; /* a masked key */
          t.bias = bias;
          t.p.bias = send (run, bias, rows, keys);
        }
      attend (&t, inputs, forward);
      for (j = 0; j < nq; j++)
        out[j] = (float) forward[j];
      wq = differences (attention_loss, inputs, 0, nq, &t);
      wk = differences (attention_loss, inputs, nq, nk, &t);
      wv = differences (attention_loss, inputs, nq + nk, nk, &t);
      op_attention_backward (run, dq, dk, dv, send (run, dy, rows, width), send (run, out, rows, width), send (run, all, rows, width),
                             send (run, all + nq, keys, kv), send (run, all + nq + nk, keys, kv), &t.p);
      if (keys > 1)
        {
          expect (run, "attention dq", dq, wq);
          expect (run, "attention dk", dk, wk);
        }
      expect (run, "attention dv", dv, wv);
      check_guards (run, dq, "attention dq");
      check_guards (run, dk, "attention dk");
      check_guards (run, dv, "attention dv");
    }
}

/* Several sequences in one launch: forward against double, back against central differences. */
typedef struct
{
  guint             rows, keys, heads, dim;
  const DescrySpan *spans;
  guint             n_spans;
  const float      *dy;
} PackedCase;

static double
attend_packed (const PackedCase *t,
               double           *q, /* [rows, width], then k and v [keys, width] */
               double           *out)
{
  guint width = t->heads * t->dim, s, r, h, g, j, c;
  const double *k = q + t->rows * width, *v = k + t->keys * width;
  g_autofree double *sum = g_new (double, t->dim);
  double loss = 0.0;

  for (s = 0; s < t->n_spans; s++)
    for (r = 0; r < t->spans[s].n; r++)
      for (h = 0; h < t->heads; h++)
        {
          const DescrySpan *span = &t->spans[s];
          gsize row = (gsize) (span->first + r) * width + h * t->dim;
          double total = 0.0;

          memset (sum, 0, t->dim * sizeof (double));
          for (g = 0; g < DESCRY_SPAN_STRETCHES; g++)
            for (j = 0; j < span->n_keys[g] && (span->causal != g + 1 || j <= r); j++)
              {
                gsize key = (gsize) (span->key[g] + j) * width + h * t->dim;
                double dot = 0.0;

                for (c = 0; c < t->dim; c++)
                  dot += q[row + c] * k[key + c];
                dot = exp (dot / sqrt (t->dim));
                total += dot;
                for (c = 0; c < t->dim; c++)
                  sum[c] += dot * v[key + c];
              }
          for (c = 0; c < t->dim; c++)
            {
              if (out != NULL)
                out[row + c] = sum[c] / total;
              loss += t->dy[row + c] * sum[c] / total;
            }
        }
  return loss;
}

static double
packed_loss (double  *inputs,
             gpointer data)
{
  return attend_packed (data, inputs, NULL);
}

static void
check_packed (DescryRun        *run,
              const PackedCase *t)
{
  const DescryAttention p = { .heads = t->heads, .kv_heads = t->heads, .head_dim = t->dim };
  const guint width = t->heads * t->dim;
  const gsize nq = (gsize) t->rows * width, nk = (gsize) t->keys * width;
  g_autoptr (GRand) rand = g_rand_new_with_seed (t->rows);
  g_autofree float *all = random_floats (rand, nq + 2 * nk, -1, 1), *dy = random_floats (rand, nq, -1, 1);
  g_autofree double *inputs = to_double (all, nq + 2 * nk), *forward = g_new0 (double, nq), *wq = NULL, *wk = NULL, *wv = NULL;
  PackedCase with = *t;
  DescryTensor q = send (run, all, t->rows, width), k = send (run, all + nq, t->keys, width), v = send (run, all + nq + nk, t->keys, width), out = guarded_tensor (run, t->rows, width);
  DescryTensor dq = guarded_tensor (run, t->rows, width), dk = guarded_tensor (run, t->keys, width), dv = guarded_tensor (run, t->keys, width);
  DescryPacked plan = op_packed_plan (run, t->spans, t->n_spans, t->rows, t->keys);

  with.dy = dy;
  attend_packed (&with, inputs, forward);
  wq = differences (packed_loss, inputs, 0, nq, &with);
  wk = differences (packed_loss, inputs, nq, nk, &with);
  wv = differences (packed_loss, inputs, nq + nk, nk, &with);
  op_attention_packed (run, out, q, k, v, &plan, &p);
  expect (run, "packed attention", out, forward);
  op_attention_packed_backward (run, dq, dk, dv, send (run, dy, t->rows, width), out, q, k, v, &plan, &p);
  expect (run, "packed attention dq", dq, wq);
  expect (run, "packed attention dk", dk, wk);
  expect (run, "packed attention dv", dv, wv);
  check_guards (run, out, "packed attention");
  check_guards (run, dq, "packed attention dq");
  check_guards (run, dk, "packed attention dk");
  check_guards (run, dv, "packed attention dv");
  op_packed_clear (run, &plan);
}

static void
test_packed (DescryRun *run)
{
  /* Two sequences: rows that see all, a causal stretch after one that all see, keys of two spans in one unit; then more rows than a tile. */
  static const DescrySpan two[] = {
    { .first = 0, .n = 3, .key = { 0, 9 }, .n_keys = { 3, 2 }, .unit = 0 },
    { .first = 9, .n = 2, .key = { 0, 9 }, .n_keys = { 3, 2 }, .unit = 0 },
    { .first = 3, .n = 2, .key = { 3 }, .n_keys = { 2 }, .unit = 1 },
    { .first = 5, .n = 4, .key = { 3, 5 }, .n_keys = { 2, 4 }, .causal = 2, .unit = 1 },
  };
  static const DescrySpan many[] = {
    { .first = 0, .n = 21, .key = { 2, 0 }, .n_keys = { 21, 1 }, .causal = 1, .unit = 0 },
    { .first = 21, .n = 17, .key = { 0, 2 }, .n_keys = { 2, 9 }, .unit = 0 },
  };
  const PackedCase cases[] = { { 11, 11, 2, 8, two, G_N_ELEMENTS (two), NULL }, { 11, 11, 1, 36, two, G_N_ELEMENTS (two), NULL }, { 38, 23, 2, 16, many, G_N_ELEMENTS (many), NULL } };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    check_packed (run, &cases[i]);
}

/* More keys than a tile holds go row by row: the same numbers as the ordinary attention. Heads are narrow because llvmpipe
 * ends an item's loops, all taken together, after 65,535 passes without a word. */
static void
test_packed_long (DescryRun *run)
{
  const guint rows = 5, keys = 1100, width = 16;
  const DescrySpan span = { .n = rows, .n_keys = { 700, 400 }, .key = { 0, 700 } };
  const DescryAttention p = { .heads = 2, .kv_heads = 2, .head_dim = 8 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (8);
  g_autofree float *qs = random_floats (rand, rows * width, -1, 1), *ks = random_floats (rand, keys * width, -1, 1), *vs = random_floats (rand, keys * width, -1, 1);
  g_autofree float *found = g_new (float, keys * width);
  g_autofree double *expected = NULL;
  DescryTensor q = send (run, qs, rows, width), k = send (run, ks, keys, width), v = send (run, vs, keys, width), dout = send (run, qs, rows, width);
  DescryTensor out = guarded_tensor (run, rows, width), one[3], other[3];
  DescryPacked plan = op_packed_plan (run, &span, 1, rows, keys);
  static const char *const names[] = { "packed dq, many keys", "packed dk, many keys", "packed dv, many keys" };
  guint i;

  for (i = 0; i < 3; i++)
    {
      one[i] = guarded_tensor (run, i == 0 ? rows : keys, width);
      other[i] = guarded_tensor (run, i == 0 ? rows : keys, width);
    }
  op_attention (run, out, q, k, v, &p);
  op_attention_backward (run, one[0], one[1], one[2], dout, out, q, k, v, &p);
  op_attention_packed_backward (run, other[0], other[1], other[2], dout, out, q, k, v, &plan, &p);
  for (i = 0; i < 3; i++)
    {
      descry_run_read (run, one[i], found, descry_tensor_count (one[i]));
      g_free (expected);
      expected = to_double (found, descry_tensor_count (one[i]));
      expect (run, names[i], other[i], expected);
    }
  op_packed_clear (run, &plan);
}

/* The rotation is orthogonal: backward after forward gives the same numbers. */
static void
test_rope (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  g_autofree float *x = random_floats (rand, 5 * 32, -1, 1), *freqs = random_floats (rand, 8, 0, 1);
  g_autofree double *same = to_double (x, 5 * 32);
  DescryTensor tensor = send (run, x, 5, 32), angles = descry_tensor_reshape (send_dense (run, freqs, 8), 1, (guint[]) { 8 });

  op_rope (run, tensor, 2, 16, 16, angles, 3, DESCRY_ROPE_PAIRS);
  op_rope_backward (run, tensor, 2, 16, 16, angles, 3, DESCRY_ROPE_PAIRS);
  expect (run, "rope_backward", tensor, same);
}

typedef struct
{
  guint         m, n;
  const gint32 *targets;
  const float  *scales;
  double        smoothing;
} Entropy;

static double
entropy_loss (double  *logits,
              gpointer data)
{
  const Entropy *t = data;
  double loss = 0.0;
  guint i, j;

  for (i = 0; i < t->m; i++)
    {
      double total = 0.0, mean = 0.0;

      for (j = 0; j < t->n; j++)
        {
          total += exp (logits[i * t->n + j]);
          mean += logits[i * t->n + j] / t->n;
        }
      loss += t->scales[i] * (log (total) - (1.0 - t->smoothing) * logits[i * t->n + t->targets[i]] - t->smoothing * mean);
    }
  return loss;
}

static void
check_cross_entropy (DescryRun *run,
                     float      smoothing)
{
  static const gint32 targets[] = { 0, 52, 17 };
  static const float scales[] = { 1.0f, 0.25f, 0.0f };
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  guint m = 3, n = 53, i;
  g_autofree float *logits = random_floats (rand, m * n, -4, 4);
  g_autofree double *inputs = to_double (logits, m * n), *gradient = NULL, *losses = g_new (double, m);
  Entropy t = { m, n, targets, scales, smoothing };
  DescryTensor device = send (run, logits, m, n), ids = descry_run_tensor (run, DESCRY_I32, 1, &m), found = descry_run_tensor2 (run, m, 1);

  gradient = differences (entropy_loss, inputs, 0, m * n, &t);
  for (i = 0; i < m; i++)
    {
      Entropy one = { 1, n, targets + i, (float[]) { 1.0f }, smoothing };

      losses[i] = entropy_loss (inputs + i * n, &one);
    }
  descry_run_write (run, ids, targets, m);
  if (smoothing > 0.0f)
    op_cross_entropy_smoothed (run, found, device, ids, send_dense (run, scales, m), smoothing);
  else
    op_cross_entropy (run, found, device, ids, send_dense (run, scales, m));
  expect (run, "cross entropy", found, losses);
  expect (run, "cross entropy gradient", device, gradient);
  check_guards (run, device, "cross_entropy");
}

/* More rows and columns than a device's vectors hold, no multiples of theirs: the losses alone, again and again in memory that was used. */
static void
check_many_rows (DescryRun *run)
{
  const guint m = 41, n = 259;
  g_autoptr (GRand) rand = g_rand_new_with_seed (8);
  g_autofree float *logits = random_floats (rand, m * n, -4, 4), *scales = random_floats (rand, m, 0, 1);
  g_autofree double *inputs = to_double (logits, m * n), *losses = g_new0 (double, m);
  g_autofree gint32 *targets = g_new (gint32, m);
  guint i, round;

  for (i = 0; i < m; i++)
    {
      Entropy one = { 1, n, targets + i, (float[]) { 1.0f }, 0.1f };

      targets[i] = g_rand_int_range (rand, 0, n);
      losses[i] = entropy_loss (inputs + i * n, &one);
    }
  for (round = 0; round < 4; round++)
    {
      DescryTensor device = send_dense (run, logits, m * n), ids = descry_run_tensor (run, DESCRY_I32, 1, &m), found = descry_run_tensor2 (run, m, 1);

      device.n_dims = 2;
      device.shape[0] = m;
      device.shape[1] = device.pitch = n;
      descry_run_write (run, ids, targets, m);
      op_cross_entropy_smoothed (run, found, device, ids, send_dense (run, scales, m), 0.1f);
      expect (run, "cross entropy of many rows", found, losses);
      descry_run_release (run, &device);
      descry_run_release (run, &found);
    }
}

static void
test_cross_entropy (DescryRun *run)
{
  check_many_rows (run);
  check_cross_entropy (run, 0.0f);
  check_cross_entropy (run, 0.1f);
}

/* Three steps against the formulas in double. */
static void
test_adamw (DescryRun *run)
{
  guint n = 5000, i, step;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autofree float *start = random_floats (rand, n, -1, 1), *zeros = g_new0 (float, n);
  g_autofree double *w = to_double (start, n), *m = g_new0 (double, n), *v = g_new0 (double, n);
  DescryTensor dw = send_dense (run, start, n), dm = send_dense (run, zeros, n), dv = send_dense (run, zeros, n), dg = descry_run_tensor2 (run, 1, n);

  for (step = 1; step <= 3; step++)
    {
      g_autofree float *g = random_floats (rand, n, -1, 1);

      for (i = 0; i < n; i++)
        {
          double d = 0.5 * g[i];

          m[i] = 0.9 * m[i] + 0.1 * d;
          v[i] = 0.999 * v[i] + 0.001 * d * d;
          w[i] = w[i] * (1 - 0.01 * 0.1) - 0.01 * (m[i] / (1 - pow (0.9, step))) / (sqrt (v[i] / (1 - pow (0.999, step))) + 1e-8);
        }
      descry_run_write (run, dg, g, n);
      op_adamw (run, dw, dg, dm, dv, 0.01f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.5f, step);
    }
  expect (run, "adamw", dw, w);

  {
    g_autofree double *nothing = g_new0 (double, n);
    g_autofree float *left = g_new (float, n);
    float parts[7];
    double sum = 0.0, found = 0.0;
    DescryTensor pieces = descry_run_tensor2 (run, 1, 7);

    descry_run_read (run, dg, left, n);
    for (i = 0; i < n; i++)
      g_assert_cmpfloat (left[i], ==, 0.0f);
    for (i = 0; i < n; i++)
      sum += w[i] * w[i];
    op_squares (run, pieces, dw);
    descry_run_read (run, pieces, parts, 7);
    for (i = 0; i < 7; i++)
      found += parts[i];
    g_assert_cmpfloat (fabs (found - sum), <, 1e-4 * sum);
  }
}

static void
test_sum_rows (DescryRun *run)
{
  guint m = 6, n = 35, i, j;
  g_autoptr (GRand) rand = g_rand_new_with_seed (8);
  g_autofree float *x = random_floats (rand, m * n, -1, 1), *start = random_floats (rand, n, -1, 1);
  g_autofree double *expected = to_double (start, n);
  DescryTensor out = send_dense (run, start, n);

  for (i = 0; i < m; i++)
    for (j = 0; j < n; j++)
      expected[j] += x[i * n + j];
  op_sum_rows (run, out, send (run, x, m, n));
  expect (run, "sum_rows", out, expected);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("backward/product", test_product);
  add_op_test ("backward/rows", test_rows);
  add_op_test ("backward/matmul", test_matmul);
  add_op_test ("backward/norms", test_norms);
  add_op_test ("backward/activations", test_activations);
  add_op_test ("backward/attention", test_attention);
  add_op_test ("backward/packed", test_packed);
  add_op_test ("backward/packed-long", test_packed_long);
  add_op_test ("backward/rope", test_rope);
  add_op_test ("backward/cross-entropy", test_cross_entropy);
  add_op_test ("backward/adamw", test_adamw);
  add_op_test ("backward/sum-rows", test_sum_rows);

  return g_test_run ();
}
