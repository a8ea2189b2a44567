/* attention.c - streaming attention, rotary positions, KV cache
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/files/quant.h"
#include "compute/ops/attention.h"
#include "compute/ops/elementwise.h"
#include "tests/ops/harness.h"

typedef struct
{
  guint rows, keys, heads, kv_heads, dim;
  gboolean causal;
  guint past;
  guint bias; /* 0 none, 1 shared, 2 one a head */
  gboolean half;
  float scale;
} Case;

static const Case cases[] = {
  { 1, 1, 1, 1, 16, FALSE, 0, 0, FALSE, 0 },
  { 5, 7, 2, 1, 3, FALSE, 0, 1, FALSE, 0 },
  { 1, 300, 9, 3, 64, TRUE, 299, 0, TRUE, 0 }, /* SmolLM2, decoding */
  { 3, 130, 9, 3, 64, TRUE, 127, 0, TRUE, 0 },
  { 2, 90, 8, 2, 24, TRUE, 88, 1, TRUE, 0 }, /* groups of 4, 2 and 5 */
  { 4, 90, 6, 3, 40, FALSE, 0, 2, TRUE, 0 },
  { 1, 200, 5, 1, 16, TRUE, 199, 0, FALSE, 0 },
  { 70, 70, 9, 3, 64, TRUE, 0, 0, TRUE, 0 }, /* and its prompt */
  { 33, 97, 4, 4, 64, TRUE, 64, 0, FALSE, 0 },
  { 20, 64, 2, 2, 88, FALSE, 0, 2, FALSE, 0 }, /* EVA */
  { 65, 129, 2, 1, 80, FALSE, 0, 2, FALSE, 0.3f },
  { 96, 96, 12, 12, 64, FALSE, 0, 1, FALSE, 0 }, /* MQ-Former */
  { 7, 257, 3, 3, 16, FALSE, 0, 0, FALSE, 0 },
  { 16, 40, 1, 1, 256, FALSE, 0, 1, TRUE, 0 },
  { 6, 145, 4, 4, 192, FALSE, 0, 0, FALSE, 0 },
  { 2, 65, 2, 2, 32, FALSE, 0, 2, FALSE, 0 },
};

static void
reference (const Case *t, const float *q, const float *k, const float *v, const float *bias, double *out)
{
  double scale = t->scale != 0 ? t->scale : 1 / sqrt (t->dim);
  g_autofree double *score = g_new (double, t->keys);
  guint row, head, key, d;

  for (row = 0; row < t->rows; row++)
    for (head = 0; head < t->heads; head++)
      {
        guint kv_head = head / (t->heads / t->kv_heads);
        guint limit = t->causal ? MIN (t->keys, row + t->past + 1) : t->keys;
        double top = -INFINITY, sum = 0;

        for (key = 0; key < limit; key++)
          {
            score[key] = 0;
            for (d = 0; d < t->dim; d++)
              score[key] += (double) q[(row * t->heads + head) * t->dim + d] * k[(key * t->kv_heads + kv_head) * t->dim + d];
            score[key] *= scale;
            if (t->bias > 0)
              score[key] += bias[((t->bias == 2 ? head * t->rows : 0) + row) * t->keys + key];
            top = fmax (top, score[key]);
          }
        for (key = 0; key < limit; key++)
          sum += score[key] = isinf (top) ? 0 : exp (score[key] - top);
        for (d = 0; d < t->dim; d++)
          {
            double total = 0;

            for (key = 0; key < limit; key++)
              total += score[key] * v[(key * t->kv_heads + kv_head) * t->dim + d];
            out[(row * t->heads + head) * t->dim + d] = sum == 0 ? 0 : total / sum;
          }
      }
}

static DescryTensor
upload_kv (DescryRun *run, float *values, guint keys, guint width, gboolean half)
{
  DescryTensor wide = descry_run_tensor (run, half ? DESCRY_F16 : DESCRY_F32, 2, (guint[]) { keys, width + 9 });
  DescryTensor view = descry_tensor_columns (wide, 4, width), plain = descry_run_tensor2 (run, keys, width);
  gsize i;

  if (half)
    for (i = 0; i < (gsize) keys * width; i++)
      values[i] = descry_half_to_float (descry_float_to_half (values[i]));
  descry_run_write (run, plain, values, (gsize) keys * width);
  op_cache_write (run, view, descry_tensor_slice (plain, 0, keys), 0);
  descry_run_release (run, &plain);

  return view;
}

static void
test_attention (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint c, i;

  for (c = 0; c < G_N_ELEMENTS (cases); c++)
    {
      const Case *t = &cases[c];
      guint width = t->heads * t->dim, kv_width = t->kv_heads * t->dim, bias_rows = t->bias == 2 ? t->heads * t->rows : t->rows;
      g_autofree char *what = g_strdup_printf ("attention %u", c);
      g_autofree float *q = random_floats (rand, t->rows * width, -2, 2), *k = random_floats (rand, t->keys * kv_width, -2, 2), *v = random_floats (rand, t->keys * kv_width, -1, 1);
      g_autofree float *bias = random_floats (rand, bias_rows * t->keys, -3, 3), *found = g_new0 (float, t->rows * width), *again = g_new0 (float, t->rows * width);
      g_autofree double *expected = g_new (double, t->rows * width);
      DescryTensor tq = guarded_tensor (run, t->rows, width), out = guarded_tensor (run, t->rows, width), tk, tv, tb = descry_run_tensor2 (run, bias_rows, t->keys);
      DescryAttention p = { t->heads, t->kv_heads, t->dim, t->scale, t->causal, t->past, { 0 } };

      /* Some keys, and all keys of the first row, are masked. */
      for (i = 0; i < bias_rows * t->keys; i++)
        if (i % 5 == 2 || (i < t->keys && t->rows > 1))
          bias[i] = -INFINITY;
      tk = upload_kv (run, k, t->keys, kv_width, t->half);
      tv = upload_kv (run, v, t->keys, kv_width, t->half);
      descry_run_write (run, tq, q, t->rows * width);
      descry_run_write (run, tb, bias, bias_rows * t->keys);
      if (t->bias > 0)
        p.bias = tb;
      reference (t, q, k, v, bias, expected);

      op_attention (run, out, tq, tk, tv, &p);
      descry_run_read (run, out, found, t->rows * width);
      assert_nmse (what, found, expected, t->rows * width, 1e-10);
      check_guards (run, out, what);
      op_attention (run, out, tq, tk, tv, &p);
      descry_run_read (run, out, again, t->rows * width);
      g_assert_cmpmem (found, t->rows * width * 4, again, t->rows * width * 4);

      descry_run_release (run, &tq);
      descry_run_release (run, &out);
      descry_run_release (run, &tk);
      descry_run_release (run, &tv);
      descry_run_release (run, &tb);
    }
}

static void
test_nan (DescryRun *run)
{
  /* NaN in a key is an alarm that must come out, in every variant. */
  static const guint rows[] = { 1, 30 };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree float *values = g_new0 (float, 40 * 32);
      DescryTensor q = descry_run_tensor2 (run, rows[i], 32), k = descry_run_tensor2 (run, 40, 32), out = descry_run_tensor2 (run, rows[i], 32);
      DescryAttention p = { 1, 1, 32, 0, FALSE, 0, { 0 } };

      op_fill (run, q, 1.0f);
      values[7 * 32 + 3] = NAN;
      descry_run_write (run, k, values, 40 * 32);
      op_attention (run, out, q, k, k, &p);
      descry_run_read (run, out, values, rows[i] * 32);
      g_assert_true (isnan (values[0]) && isnan (values[rows[i] * 32 - 1]));
      descry_run_release (run, &q);
      descry_run_release (run, &k);
      descry_run_release (run, &out);
    }
}

static void
test_rope (DescryRun *run)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  static const guint dims[][2] = { { 64, 64 }, { 6, 6 }, { 80, 32 } };
  guint c, kind, row, head, i;

  for (c = 0; c < G_N_ELEMENTS (dims); c++)
    for (kind = 0; kind < 2; kind++)
      {
        guint dim = dims[c][0], pairs = dims[c][1] / 2, heads = 3, rows = 5, first = c * 1000 + kind, n = rows * heads * dim;
        g_autofree float *x = random_floats (rand, n, -1, 1), *freqs = g_new (float, pairs), *found = g_new0 (float, n);
        g_autofree double *expected = g_new (double, n);
        DescryTensor tx = guarded_tensor (run, rows, heads * dim), tf = descry_run_tensor2 (run, 1, pairs);

        for (i = 0; i < pairs; i++)
          freqs[i] = powf (1e5f, -(float) i / pairs);
        for (i = 0; i < n; i++)
          expected[i] = x[i];
        for (row = 0; row < rows; row++)
          for (head = 0; head < heads; head++)
            for (i = 0; i < pairs; i++)
              {
                /* The angle is a float, as in every implementation. */
                double angle = (float) (first + row) * freqs[i];
                guint at = (row * heads + head) * dim, a = at + (kind == DESCRY_ROPE_HALVES ? i : 2 * i), b = kind == DESCRY_ROPE_HALVES ? a + pairs : a + 1;

                expected[a] = x[a] * cos (angle) - x[b] * sin (angle);
                expected[b] = x[a] * sin (angle) + x[b] * cos (angle);
              }
        descry_run_write (run, tx, x, n);
        descry_run_write (run, tf, freqs, pairs);
        op_rope (run, tx, heads, dim, 2 * pairs, tf, first, kind);
        descry_run_read (run, tx, found, n);
        assert_nmse ("rope", found, expected, n, 1e-12);
        check_guards (run, tx, "rope");
        descry_run_release (run, &tx);
        descry_run_release (run, &tf);
      }
}

/* One launch over caches that hold a head's rows together, against rotation and attention over heads side by side. */
static void
test_step (DescryRun *run)
{
  static const struct { guint rows, past, heads, kv_heads, dim, pairs; gboolean half, halves, norm; } steps[] = {
    { 1, 0, 2, 1, 16, 8, FALSE, FALSE, FALSE },
    { 1, 130, 9, 3, 64, 32, TRUE, FALSE, FALSE },
    { 1, 700, 9, 3, 64, 32, TRUE, FALSE, FALSE },  /* several spans */
    { 1, 385, 8, 2, 24, 6, FALSE, TRUE, TRUE },    /* the last span has two keys */
    { 1, 192, 5, 5, 20, 0, TRUE, FALSE, FALSE },   /* the last span is the row's own key */
    { 3, 40, 4, 2, 32, 16, TRUE, TRUE, FALSE },
    { 20, 33, 6, 2, 40, 20, FALSE, FALSE, FALSE },
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  guint c, i, h;

  for (c = 0; c < G_N_ELEMENTS (steps); c++)
    {
      const guint rows = steps[c].rows, past = steps[c].past, dim = steps[c].dim, kv = steps[c].kv_heads, heads = steps[c].heads, room = past + rows + 3, pairs = steps[c].pairs;
      const guint all = (heads + 2 * kv) * dim, width = heads * dim;
      g_autofree float *x = random_floats (rand, rows * all, -1, 1), *k = random_floats (rand, room * kv * dim, -1, 1), *v = random_floats (rand, room * kv * dim, -1, 1);
      g_autofree float *table = random_floats (rand, room * MAX (2 * pairs, 1), -1, 1), *gain = random_floats (rand, dim, 0.5, 2), *moved = g_new (float, room * kv * dim);
      g_autofree float *found = g_new (float, MAX (rows * width, room * kv * dim)), *other = g_new (float, MAX (rows * width, room * kv * dim));
      g_autofree double *expected = g_new (double, MAX (rows * width, room * kv * dim));
      DescryTensor qkv = descry_run_tensor2 (run, rows, all), tt = descry_run_tensor2 (run, room, MAX (2 * pairs, 1)), tg = descry_run_tensor (run, DESCRY_F32, 1, &dim);
      DescryTensor side[2], apart[2], plain = descry_run_tensor2 (run, room, kv * dim), heap = descry_run_tensor2 (run, kv * room, dim), out = guarded_tensor (run, rows, width);
      DescryRotation rotation = { heads, kv, dim, 2 * pairs, steps[c].halves ? DESCRY_ROPE_HALVES : DESCRY_ROPE_PAIRS, tt, { 0 }, { 0 }, 1e-5f };
      DescryAttention attention = { .heads = heads, .kv_heads = kv, .head_dim = dim, .causal = TRUE, .past = past };
      g_autofree char *what = g_strdup_printf ("step %u", c);

      if (steps[c].norm)
        rotation.q_norm = rotation.k_norm = tg;
      descry_run_write (run, tt, table, room * MAX (2 * pairs, 1));
      descry_run_write (run, tg, gain, dim);
      for (i = 0; i < 2; i++)
        {
          float *from = i == 0 ? k : v;
          guint r, d;

          for (r = 0; r < room; r++)
            for (h = 0; h < kv; h++)
              for (d = 0; d < dim; d++)
                moved[(h * room + r) * dim + d] = from[(r * kv + h) * dim + d];
          side[i] = descry_run_tensor (run, steps[c].half ? DESCRY_F16 : DESCRY_F32, 2, (guint[]) { room, kv * dim });
          apart[i] = descry_run_tensor (run, steps[c].half ? DESCRY_F16 : DESCRY_F32, 2, (guint[]) { kv * room, dim });
          descry_run_write (run, plain, from, room * kv * dim);
          descry_run_write (run, heap, moved, room * kv * dim);
          op_copy (run, side[i], plain);
          op_copy (run, apart[i], heap);
        }

      descry_run_write (run, qkv, x, rows * all);
      op_rotate (run, qkv, side[0], side[1], past, &rotation);
      op_attention (run, out, descry_tensor_columns (qkv, 0, width), descry_tensor_slice (side[0], 0, past + rows), descry_tensor_slice (side[1], 0, past + rows), &attention);
      descry_run_read (run, out, found, rows * width);
      for (i = 0; i < rows * width; i++)
        expected[i] = found[i];

      rotation.kv_step = room * dim;
      descry_run_write (run, qkv, x, rows * all);
      op_attention_step (run, out, qkv, descry_tensor_slice (apart[0], 0, room), descry_tensor_slice (apart[1], 0, room), past, &rotation);
      descry_run_read (run, out, found, rows * width);
      assert_nmse (what, found, expected, rows * width, 1e-11);
      check_guards (run, out, what);

      /* The caches hold the same, in their own order. */
      for (i = 0; i < 2; i++)
        {
          guint r, d;

          op_copy (run, plain, side[i]);
          op_copy (run, heap, apart[i]);
          descry_run_read (run, plain, other, room * kv * dim);
          descry_run_read (run, heap, found, room * kv * dim);
          for (r = 0; r < room; r++)
            for (h = 0; h < kv; h++)
              for (d = 0; d < dim; d++)
                expected[(h * room + r) * dim + d] = other[(r * kv + h) * dim + d];
          assert_nmse (what, found, expected, room * kv * dim, steps[c].half ? 1e-8 : 1e-12); /* a half may be rounded the other way */
          descry_run_release (run, &side[i]);
          descry_run_release (run, &apart[i]);
        }
      descry_run_release (run, &qkv);
      descry_run_release (run, &tt);
      descry_run_release (run, &tg);
      descry_run_release (run, &plain);
      descry_run_release (run, &heap);
      descry_run_release (run, &out);
    }
}

static void
test_limits (DescryRun *run)
{
  DescryRun *failing = descry_run_new (descry_run_device (run), NULL);
  DescryTensor cache = descry_run_tensor2 (failing, 8, 4), x = descry_run_tensor2 (failing, 3, 4);
  g_autoptr (GError) error = NULL;

  op_cache_write (failing, cache, x, 5);
  g_assert_true (descry_run_ok (failing));
  op_cache_write (failing, cache, x, 6);
  g_assert_false (descry_run_finish (failing, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  descry_run_free (failing);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("attention/attention", test_attention);
  add_op_test ("attention/nan", test_nan);
  add_op_test ("attention/rope", test_rope);
  add_op_test ("attention/step", test_step);
  add_op_test ("attention/limits", test_limits);

  return g_test_run ();
}
