/* cases-attention.c - attention of every head size, rotary positions, the cache
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/attention.h"
#include "compute/ops/sample.h"
#include "tests/ops/suite/suite.h"

enum { ROWS, KEYS, HEADS, KV_HEADS, DIM, CAUSAL, PAST, BIAS, HALF, KIND, ROPE_DIM, DROP };

static void
attention_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint b, i, rows = p[BIAS] == 2 ? p[HEADS] * p[ROWS] : p[ROWS];

  suite_input (r, DESCRY_F32, p[ROWS], p[HEADS] * p[DIM], -2, 2);
  suite_input (r, p[HALF] ? DESCRY_F16 : DESCRY_F32, p[KEYS], p[KV_HEADS] * p[DIM], -2, 2);
  suite_input (r, p[HALF] ? DESCRY_F16 : DESCRY_F32, p[KEYS], p[KV_HEADS] * p[DIM], -1, 1);
  suite_output (r, p[ROWS], p[HEADS] * p[DIM]);
  if (p[BIAS] > 0)
    {
      b = suite_vector (r, rows * p[KEYS], -3, 3);
      /* Masks: some keys, and all keys of the first row. */
      for (i = 0; i < rows * p[KEYS]; i++)
        if (i % 5 == 2 || (i < p[KEYS] && p[ROWS] > 1))
          r->t[b].values[i] = -INFINITY;
    }
}

static void
attention_launch (SuiteRun *r)
{
  const guint *p = r->c->p;
  DescryAttention attention = { p[HEADS], p[KV_HEADS], p[DIM], 0, p[CAUSAL], p[PAST], { 0 } };

  if (p[BIAS] > 0)
    attention.bias = descry_tensor_reshape (suite_tensor (r, 4), 2, (guint[]) { p[BIAS] == 2 ? p[HEADS] * p[ROWS] : p[ROWS], p[KEYS] });
  op_attention (r->run, suite_tensor (r, 3), suite_tensor (r, 0), suite_tensor (r, 1), suite_tensor (r, 2), &attention);
}

static void
attention_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const float *q = suite_values (r, 0), *k = suite_values (r, 1), *v = suite_values (r, 2), *bias = p[BIAS] > 0 ? suite_values (r, 4) : NULL;
  g_autofree double *score = g_new (double, p[KEYS]);
  guint row, head, key, d;

  for (row = 0; row < p[ROWS]; row++)
    for (head = 0; head < p[HEADS]; head++)
      {
        const guint kv = head / (p[HEADS] / p[KV_HEADS]), limit = p[CAUSAL] ? MIN (p[KEYS], row + p[PAST] + 1) : p[KEYS];
        double top = -INFINITY, sum = 0;

        for (key = 0; key < limit; key++)
          {
            double s = 0;

            for (d = 0; d < p[DIM]; d++)
              s += (double) q[(row * p[HEADS] + head) * p[DIM] + d] * k[(key * p[KV_HEADS] + kv) * p[DIM] + d];
            s /= sqrt (p[DIM]);
            if (bias != NULL)
              s += bias[((p[BIAS] == 2 ? head * p[ROWS] : 0) + row) * p[KEYS] + key];
            score[key] = s;
            top = isnan (s) || isnan (top) ? NAN : fmax (top, s);
          }
        for (key = 0; key < limit; key++)
          sum += score[key] = isinf (top) && top < 0 ? 0 : exp (score[key] - top);
        for (d = 0; d < p[DIM]; d++)
          {
            double total = 0;

            for (key = 0; key < limit; key++)
              total += score[key] * v[(key * p[KV_HEADS] + kv) * p[DIM] + d];
            suite_expected (r, 3)[(row * p[HEADS] + head) * p[DIM] + d] = sum == 0 ? 0 : total / sum;
          }
      }
}

/* --- rotation ------------------------------------------------------------------------------------ */

static void
rope_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint i;

  suite_in_out (r, p[ROWS], p[HEADS] * p[DIM], -1, 1);
  suite_vector (r, p[ROPE_DIM] / 2, 0, 1);
  for (i = 0; i < p[ROPE_DIM] / 2; i++)
    r->t[1].values[i] = powf (1e5f, -2.0f * (float) i / (float) p[ROPE_DIM]);
}

static void
rope_launch (SuiteRun *r)
{
  const guint *p = r->c->p;

  op_rope (r->run, suite_tensor (r, 0), p[HEADS], p[DIM], p[ROPE_DIM], suite_tensor (r, 1), p[PAST], p[KIND]);
}

static void
rope_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint pairs = p[ROPE_DIM] / 2, n = p[ROWS] * p[HEADS] * p[DIM];
  const float *x = suite_values (r, 0);
  double *y = suite_expected (r, 0);
  guint row, head, i;

  for (i = 0; i < n; i++)
    y[i] = x[i];
  for (row = 0; row < p[ROWS]; row++)
    for (head = 0; head < p[HEADS]; head++)
      for (i = 0; i < pairs; i++)
        {
          /* The angle is a float, as in every implementation. */
          const double angle = (float) (p[PAST] + row) * suite_values (r, 1)[i];
          const guint at = (row * p[HEADS] + head) * p[DIM], a = at + (p[KIND] == DESCRY_ROPE_HALVES ? i : 2 * i), b = p[KIND] == DESCRY_ROPE_HALVES ? a + pairs : a + 1;

          y[a] = x[a] * cos (angle) - x[b] * sin (angle);
          y[b] = x[a] * sin (angle) + x[b] * cos (angle);
        }
}

/* q, k and v of some rows: q and k rotated where they stand, k and v copied into their caches. */
static void
rotate_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint pairs = p[ROPE_DIM] / 2, positions = p[PAST] + p[ROWS];
  guint position, i;

  suite_in_out (r, p[ROWS], (p[HEADS] + 2 * p[KV_HEADS]) * p[DIM], -1, 1);
  suite_vector (r, positions * p[ROPE_DIM], 0, 1);
  for (position = 0; position < positions; position++)
    for (i = 0; i < pairs; i++)
      {
        const double angle = position * pow (1e4, -2.0 * i / p[ROPE_DIM]);

        r->t[1].values[position * p[ROPE_DIM] + i] = (float) cos (angle);
        r->t[1].values[position * p[ROPE_DIM] + pairs + i] = (float) sin (angle);
      }
  suite_output_of (r, p[HALF] ? DESCRY_F16 : DESCRY_F32, positions, p[KV_HEADS] * p[DIM]);
  suite_output_of (r, p[HALF] ? DESCRY_F16 : DESCRY_F32, positions, p[KV_HEADS] * p[DIM]);
  /* A half's last bit. */
  r->t[2].limit = r->t[3].limit = p[HALF] ? 3e-7 : 0;
}

static void
rotate_launch (SuiteRun *r)
{
  const guint *p = r->c->p;
  DescryRotation rotation = { .heads = p[HEADS], .kv_heads = p[KV_HEADS], .head_dim = p[DIM], .rope_dim = p[ROPE_DIM], .kind = p[KIND],
                              .table = descry_tensor_reshape (suite_tensor (r, 1), 2, (guint[]) { p[PAST] + p[ROWS], p[ROPE_DIM] }) };

  op_rotate (r->run, suite_tensor (r, 0), suite_tensor (r, 2), suite_tensor (r, 3), p[PAST], &rotation);
}

static void
rotate_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint width = (p[HEADS] + 2 * p[KV_HEADS]) * p[DIM], kv = p[KV_HEADS] * p[DIM], pairs = p[ROPE_DIM] / 2;
  guint row, head, i;

  /* Rows before the first one stay. */
  for (i = 0; i < p[PAST] * kv; i++)
    {
      suite_expected (r, 2)[i] = suite_values (r, 2)[i];
      suite_expected (r, 3)[i] = suite_values (r, 3)[i];
    }
  for (row = 0; row < p[ROWS]; row++)
    {
      const float *x = suite_values (r, 0) + (gsize) row * width, *table = suite_values (r, 1) + (p[PAST] + row) * p[ROPE_DIM];
      g_autofree double *y = g_new (double, width);

      for (i = 0; i < width; i++)
        y[i] = x[i];
      for (head = 0; head < p[HEADS] + p[KV_HEADS]; head++)
        for (i = 0; i < pairs; i++)
          {
            const guint a = head * p[DIM] + (p[KIND] == DESCRY_ROPE_HALVES ? i : 2 * i), b = p[KIND] == DESCRY_ROPE_HALVES ? a + pairs : a + 1;

            y[a] = (double) x[a] * table[i] - (double) x[b] * table[pairs + i];
            y[b] = (double) x[a] * table[pairs + i] + (double) x[b] * table[i];
          }
      for (i = 0; i < width; i++)
        suite_expected (r, 0)[(gsize) row * width + i] = y[i];
      for (i = 0; i < kv; i++)
        {
          suite_expected (r, 2)[(p[PAST] + row) * kv + i] = y[p[HEADS] * p[DIM] + i];
          suite_expected (r, 3)[(p[PAST] + row) * kv + i] = y[p[HEADS] * p[DIM] + kv + i];
        }
    }
}

/* A cache that forgets DROP rows after the first PAST: the rest moves down, keys turned back as far. What was the end stays
 * where it was. */
static void
slide_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint pairs = p[ROPE_DIM] / 2;
  guint position, i;

  suite_vector (r, (p[DROP] + 1) * MAX (p[ROPE_DIM], 1), 0, 1);
  for (position = 0; position <= p[DROP]; position++)
    for (i = 0; i < pairs; i++)
      {
        const double angle = position * pow (1e4, -2.0 * i / p[ROPE_DIM]);

        r->t[0].values[position * p[ROPE_DIM] + i] = (float) cos (angle);
        r->t[0].values[position * p[ROPE_DIM] + pairs + i] = (float) sin (angle);
      }
  for (i = 1; i <= 2; i++)
    {
      suite_output_of (r, p[HALF] ? DESCRY_F16 : DESCRY_F32, p[ROWS], p[KV_HEADS] * p[DIM]);
      r->t[i].limit = p[HALF] && i == 1 ? 3e-7 : 0; /* a half's last bit */
    }
}

static void
slide_launch (SuiteRun *r)
{
  const guint *p = r->c->p;
  DescryRotation rotation = { .heads = p[KV_HEADS], .kv_heads = p[KV_HEADS], .head_dim = p[DIM], .rope_dim = p[ROPE_DIM], .kind = p[KIND] };

  if (p[ROPE_DIM] > 0)
    rotation.table = descry_tensor_reshape (suite_tensor (r, 0), 2, (guint[]) { p[DROP] + 1, p[ROPE_DIM] });
  op_slide (r->run, suite_tensor (r, 1), suite_tensor (r, 2), p[ROWS], p[PAST], p[DROP], &rotation);
}

static void
slide_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  const guint width = p[KV_HEADS] * p[DIM], pairs = p[ROPE_DIM] / 2;
  const float *turn = suite_values (r, 0) + p[DROP] * p[ROPE_DIM];
  guint row, head, i;

  for (row = 0; row < p[ROWS]; row++)
    {
      const guint from = row >= p[PAST] && row + p[DROP] < p[ROWS] ? row + p[DROP] : row;
      const float *k = suite_values (r, 1) + (gsize) from * width, *v = suite_values (r, 2) + (gsize) from * width;
      double *k_to = suite_expected (r, 1) + (gsize) row * width, *v_to = suite_expected (r, 2) + (gsize) row * width;

      for (i = 0; i < width; i++)
        {
          k_to[i] = k[i];
          v_to[i] = v[i];
        }
      for (head = 0; head < p[KV_HEADS] && from != row; head++)
        for (i = 0; i < pairs; i++)
          {
            const guint a = head * p[DIM] + (p[KIND] == DESCRY_ROPE_HALVES ? i : 2 * i), b = p[KIND] == DESCRY_ROPE_HALVES ? a + pairs : a + 1;

            k_to[a] = (double) k[a] * turn[i] + (double) k[b] * turn[pairs + i];
            k_to[b] = (double) k[b] * turn[i] - (double) k[a] * turn[pairs + i];
          }
    }
}

static void
cache_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;

  suite_input (r, DESCRY_F32, p[ROWS], p[DIM], -3, 3);
  suite_output_of (r, p[HALF] ? DESCRY_F16 : DESCRY_F32, p[KEYS], p[DIM]);
}

static void
cache_launch (SuiteRun *r)
{
  op_cache_write (r->run, suite_tensor (r, 1), suite_tensor (r, 0), r->c->p[PAST]);
}

static void
cache_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint i;

  for (i = 0; i < p[KEYS] * p[DIM]; i++)
    {
      const gboolean inside = i >= p[PAST] * p[DIM] && i < (p[PAST] + p[ROWS]) * p[DIM];
      const float x = inside ? suite_values (r, 0)[i - p[PAST] * p[DIM]] : suite_values (r, 1)[i];

      suite_expected (r, 1)[i] = p[HALF] ? descry_half_to_float (descry_float_to_half (x)) : x;
    }
}

void
suite_cases_attention (SuiteTable *table)
{
  static const guint dims[] = { 3, 16, 24, 32, 64, 80, 88, 128, 192, 256 };
  /* rows, keys, heads, heads of keys, causal, past, bias */
  static const guint shapes[][7] = { { 1, 1, 1, 1, 0, 0, 0 }, { 1, 130, 6, 2, 1, 129, 0 }, { 2, 90, 4, 1, 1, 88, 1 }, { 33, 65, 3, 3, 1, 32, 0 },
                                     { 20, 64, 2, 2, 0, 0, 2 }, { 7, 257, 3, 1, 0, 0, 1 } };
  guint d, s, half, kind;

  for (d = 0; d < G_N_ELEMENTS (dims); d++)
    for (s = 0; s < G_N_ELEMENTS (shapes) + (dims[d] == 64 ? 2 : 0); s++)
      for (half = 0; half < 2; half++)
        {
          /* SmolLM2: a token at 1024, a prompt of 256; speed. */
          static const guint real[][7] = { { 1, 1024, 9, 3, 1, 1023, 0 }, { 256, 256, 9, 3, 1, 0, 0 } };
          const guint *v = s < G_N_ELEMENTS (shapes) ? shapes[s] : real[s - G_N_ELEMENTS (shapes)];
          const double pairs = (double) v[0] * v[1] * v[2] * dims[d];
          SuiteCase *c;

          if (table->small && pairs > 6000)
            continue;
          c = suite_add (table, "attention", half ? "f16" : "f32", attention_prepare, attention_launch, attention_reference, "%u of %u, %u/%u heads of %u%s%s",
                         v[0], v[1], v[2], v[3], dims[d], v[4] ? " causal" : "", v[6] == 2 ? " bias a head" : v[6] == 1 ? " bias" : "");
          c->p[ROWS] = v[0];
          c->p[KEYS] = v[1];
          c->p[HEADS] = v[2];
          c->p[KV_HEADS] = v[3];
          c->p[CAUSAL] = v[4];
          c->p[PAST] = v[5];
          c->p[BIAS] = v[6];
          c->p[DIM] = dims[d];
          c->p[HALF] = half;
          c->limit = 1e-10;
          c->flop = 4 * pairs * (v[4] && v[0] > 1 ? (v[5] + 0.5 * v[0]) / v[1] : 1);
          c->bytes = 2.0 * v[1] * v[3] * dims[d] * (half ? 2 : 4) + 8.0 * v[0] * v[2] * dims[d];
          c->flags = s >= G_N_ELEMENTS (shapes) ? SUITE_SPEED : 0;
        }

  for (d = 0; d < 3; d++)
    for (kind = 0; kind < 2; kind++)
      {
        static const guint heads[][2] = { { 6, 6 }, { 64, 64 }, { 80, 32 } };
        SuiteCase *c = suite_add (table, "rope", "f32", rope_prepare, rope_launch, rope_reference, "5×3×%u, %u turned, %s", heads[d][0], heads[d][1],
                                  kind == DESCRY_ROPE_HALVES ? "halves" : "pairs");

        c->p[ROWS] = 5;
        c->p[HEADS] = 3;
        c->p[DIM] = heads[d][0];
        c->p[ROPE_DIM] = heads[d][1];
        c->p[KIND] = kind;
        c->p[PAST] = 17 * d;
        c->limit = 1e-11;

        for (half = 0; half < 2; half++)
          {
            c = suite_add (table, "rotate", half ? "f16" : "f32", rotate_prepare, rotate_launch, rotate_reference, "4×4/2×%u, %u turned, %s", heads[d][0], heads[d][1],
                           kind == DESCRY_ROPE_HALVES ? "halves" : "pairs");
            c->p[ROWS] = 4;
            c->p[HEADS] = 4;
            c->p[KV_HEADS] = 2;
            c->p[DIM] = heads[d][0];
            c->p[ROPE_DIM] = heads[d][1];
            c->p[KIND] = kind;
            c->p[PAST] = 3;
            c->p[HALF] = half;
            c->limit = 1e-11;
          }
      }
  for (d = 0; d < 4; d++)
    for (kind = 0; kind < 2; kind++)
      for (half = 0; half < 2; half++)
        {
          /* Rows, the first ones that stay, those that go; dimensions, of which some are turned. */
          static const guint v[][5] = { { 9, 2, 3, 6, 6 }, { 16, 0, 8, 64, 64 }, { 21, 4, 1, 80, 32 }, { 7, 3, 4, 20, 0 } };
          SuiteCase *c = suite_add (table, "slide", half ? "f16" : "f32", slide_prepare, slide_launch, slide_reference, "%u rows of 2×%u, %u turned, %s: %u after %u",
                                    v[d][0], v[d][3], v[d][4], kind == DESCRY_ROPE_HALVES ? "halves" : "pairs", v[d][2], v[d][1]);

          c->p[ROWS] = v[d][0];
          c->p[PAST] = v[d][1];
          c->p[DROP] = v[d][2];
          c->p[KV_HEADS] = 2;
          c->p[DIM] = v[d][3];
          c->p[ROPE_DIM] = v[d][4];
          c->p[KIND] = kind;
          c->p[HALF] = half;
          c->limit = 1e-12;
        }
  if (!table->small)
    {
      /* SmolLM2's cache of 2048 positions. */
      SuiteCase *c = suite_add (table, "slide", "f16", slide_prepare, slide_launch, slide_reference, "2048 rows of 3×64, 64 turned, pairs: 1014 after 20");

      c->p[ROWS] = 2048;
      c->p[PAST] = 20;
      c->p[DROP] = 1014;
      c->p[KV_HEADS] = 3;
      c->p[DIM] = c->p[ROPE_DIM] = 64;
      c->p[KIND] = DESCRY_ROPE_PAIRS;
      c->p[HALF] = TRUE;
      c->limit = 1e-12;
      c->bytes = 2.0 * 2.0 * 2.0 * (2048 - 1014 - 20) * 3 * 64;
      c->flags = SUITE_SPEED;
    }
  for (half = 0; half < 2; half++)
    {
      SuiteCase *c = suite_add (table, "cache_write", half ? "f16" : "f32", cache_prepare, cache_launch, cache_reference, "3×67 into 9 from 5");

      c->p[ROWS] = 3;
      c->p[KEYS] = 9;
      c->p[DIM] = 67;
      c->p[PAST] = 5;
      c->p[HALF] = half;
      c->flags = SUITE_EXACT | SUITE_ALARM;
    }
}
