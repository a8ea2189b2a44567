/* cases-gemm.c - products with weights of every format, fused products, embeddings
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include "compute/ops/provider.h"
#include "tests/ops/suite/suite.h"

enum { M, N, K, TYPE, ACT, BIAS, RESIDUAL };

static const DescryGgmlType types[] = { DESCRY_GGML_F32, DESCRY_GGML_F16, DESCRY_GGML_BF16, DESCRY_GGML_Q8_0, DESCRY_GGML_Q4_0, DESCRY_GGML_Q4_1, DESCRY_GGML_Q5_0,
                                        DESCRY_GGML_Q5_1, DESCRY_GGML_IQ4_NL, DESCRY_GGML_Q4_K, DESCRY_GGML_Q5_K, DESCRY_GGML_Q6_K };

static void
gemm_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;

  suite_input (r, DESCRY_F32, p[M], p[K], -2, 2);
  suite_vector (r, p[N], -1, 1);
  suite_input (r, DESCRY_F32, p[M], p[N], -1, 1);
  suite_output (r, p[M], p[N]);
  suite_weight (r, p[TYPE], p[N], p[K]);
}

static void
gemm_launch (SuiteRun *r)
{
  DescryEpilogue epilogue = { .act = r->c->p[ACT], .scale = r->c->f };

  if (r->c->p[BIAS])
    epilogue.bias = suite_tensor (r, 1);
  if (r->c->p[RESIDUAL])
    epilogue.residual = suite_tensor (r, 2);
  op_gemm (r->run, suite_tensor (r, 3), suite_tensor (r, 0), r->weight, &epilogue);
}

static void
gemm_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint row, column, i;

  for (row = 0; row < p[M]; row++)
    for (column = 0; column < p[N]; column++)
      {
        const float *a = suite_values (r, 0) + (gsize) row * p[K], *w = r->weight_values + (gsize) column * p[K];
        double sum = p[BIAS] ? suite_values (r, 1)[column] : 0.0;

        for (i = 0; i < p[K]; i++)
          sum += (double) a[i] * w[i];
        sum = suite_activate (sum, p[ACT]) * (r->c->f == 0.0f ? 1.0 : r->c->f);
        suite_expected (r, 3)[(gsize) row * p[N] + column] = sum + (p[RESIDUAL] ? suite_values (r, 2)[(gsize) row * p[N] + column] : 0.0);
      }
}

/* --- the same in bfloat16, by who offers it -------------------------------------------------------- */

/* Numbers that bfloat16 holds exactly, so that the reference is the product's own. */
static void
matmul_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint32 bits;
  gsize i;

  gemm_prepare (r);
  for (i = 0; i < (gsize) p[M] * p[K]; i++)
    {
      memcpy (&bits, r->t[0].values + i, 4);
      bits &= 0xffff0000;
      memcpy (r->t[0].values + i, &bits, 4);
    }
  r->matmul = descry_onednn_matmul_new (p[N], p[K], r->weight_values);
}

static void
matmul_launch (SuiteRun *r)
{
  DescryEpilogue epilogue = { .act = r->c->p[ACT], .scale = r->c->f };

  if (r->c->p[BIAS])
    epilogue.bias = suite_tensor (r, 1);
  if (r->c->p[RESIDUAL])
    epilogue.residual = suite_tensor (r, 2);
  if (descry_ops_provider (r->device) != DESCRY_GEMM_ONEDNN || !descry_onednn_available (r->device, NULL) || !descry_onednn_has_bf16 ()
      || !descry_onednn_matmul (r->run, suite_tensor (r, 3), suite_tensor (r, 0), r->matmul, &epilogue, TRUE))
    op_gemm (r->run, suite_tensor (r, 3), suite_tensor (r, 0), r->weight, &epilogue);
}

/* --- what a decoder layer does around its products ---------------------------------------------- */

static void
fused_prepare (SuiteRun *r)
{
  const guint *p = r->c->p;

  suite_input (r, DESCRY_F32, p[M], p[K], -2, 2);
  suite_input (r, DESCRY_F32, p[M], p[K], -3, 3); /* whose norm divides */
  suite_vector (r, p[N] / 2, -1, 1);
  suite_output (r, p[M], p[N] / 2);
  suite_output (r, p[M], p[N] / 2); /* times the next norm's weight */
  suite_weight (r, p[TYPE], p[N], p[K]);
}

static void
fused_launch (SuiteRun *r)
{
  DescryFusion fusion = { .norm = suite_tensor (r, 1), .eps = 1e-5f, .pair = TRUE, .next_weight = suite_tensor (r, 2), .next = suite_tensor (r, 4) };

  op_gemm_fused (r->run, suite_tensor (r, 3), suite_tensor (r, 0), r->weight, NULL, &fusion);
}

static void
fused_reference (SuiteRun *r)
{
  const guint *p = r->c->p;
  guint n = p[N] / 2, row, column, i;

  for (row = 0; row < p[M]; row++)
    {
      const float *a = suite_values (r, 0) + (gsize) row * p[K], *x = suite_values (r, 1) + (gsize) row * p[K];
      double power = 0;

      for (i = 0; i < p[K]; i++)
        power += (double) x[i] * x[i] / p[K];
      for (column = 0; column < n; column++)
        {
          const float *gate = r->weight_values + (gsize) column * p[K], *up = gate + (gsize) n * p[K];
          double g = 0, u = 0, y;

          for (i = 0; i < p[K]; i++)
            {
              g += (double) a[i] * gate[i];
              u += (double) a[i] * up[i];
            }
          g /= sqrt (power + 1e-5f);
          u /= sqrt (power + 1e-5f);
          y = suite_activate (g, DESCRY_ACT_SILU) * u;
          suite_expected (r, 3)[(gsize) row * n + column] = y;
          suite_expected (r, 4)[(gsize) row * n + column] = y * suite_values (r, 2)[column];
        }
    }
}

/* --- rows of a table ----------------------------------------------------------------------------- */

static void
embed_prepare (SuiteRun *r)
{
  suite_ids (r, r->c->p[M], r->c->p[N]);
  suite_output (r, r->c->p[M], r->c->p[K]);
  suite_weight (r, r->c->p[TYPE], r->c->p[N], r->c->p[K]);
}

static void
embed_launch (SuiteRun *r)
{
  op_embed (r->run, suite_tensor (r, 1), suite_tensor (r, 0), r->weight);
}

static void
embed_reference (SuiteRun *r)
{
  guint i, k;

  for (i = 0; i < r->c->p[M]; i++)
    for (k = 0; k < r->c->p[K]; k++)
      suite_expected (r, 1)[(gsize) i * r->c->p[K] + k] = r->weight_values[(gsize) r->t[0].ids[i] * r->c->p[K] + k];
}

static double
weight_bytes (DescryGgmlType type,
              guint          n,
              guint          k)
{
  guint64 row = 0;

  descry_ggml_bytes (type, k, &row);
  return (double) row * n;
}

static guint
factored (DescryGgmlType type)
{
  return type == DESCRY_GGML_F32 || type == DESCRY_GGML_F16 || type == DESCRY_GGML_BF16 ? 0 : SUITE_FACTORED;
}

static SuiteCase *
add_gemm (SuiteTable    *table,
          DescryGgmlType type,
          guint          m,
          guint          n,
          guint          k,
          guint          variant)
{
  static const DescryActivation acts[] = { DESCRY_ACT_NONE, DESCRY_ACT_GELU, DESCRY_ACT_SILU, DESCRY_ACT_RELU };
  static const char *const names[] = { "", " gelu", " silu", " relu" };
  SuiteCase *c;

  if (table->small && (gsize) m * n * k > 5000)
    return NULL;
  c = suite_add (table, "gemm", descry_ggml_name (type), gemm_prepare, gemm_launch, gemm_reference, "%u×%u×%u%s%s%s%s", m, n, k, names[variant % 4],
                 variant & 1 ? " bias" : "", variant & 2 ? " residual" : "", variant & 4 ? " scale" : "");
  c->p[M] = m;
  c->p[N] = n;
  c->p[K] = k;
  c->p[TYPE] = type;
  c->p[ACT] = acts[variant % 4];
  c->p[BIAS] = variant & 1;
  c->p[RESIDUAL] = (variant & 2) != 0;
  c->f = variant & 4 ? 0.5f : 0.0f;
  c->limit = 1e-11;
  c->flop = 2.0 * m * n * k;
  c->bytes = weight_bytes (type, n, k) + 4.0 * m * (n + k);
  c->flags = SUITE_CLBLAST | SUITE_ONEDNN | SUITE_INTEGERS | (variant % 4 == 0 ? SUITE_ALARM : 0) | factored (type);
  return c;
}

void
suite_cases_gemm (SuiteTable *table)
{
  static const guint shapes[][2] = { { 1, 1 }, { 7, 5 }, { 33, 31 }, { 65, 17 }, { 31, 100 } };
  static const guint rows[] = { 1, 2, 5, 8, 9, 13, 40 };
  guint t, s, m;

  for (t = 0; t < G_N_ELEMENTS (types); t++)
    {
      const guint block = types[t] >= DESCRY_GGML_Q4_K && types[t] <= DESCRY_GGML_Q6_K ? 256 : 32;
      const gboolean plain = types[t] == DESCRY_GGML_F32 || types[t] == DESCRY_GGML_F16 || types[t] == DESCRY_GGML_BF16;
      SuiteCase *c;

      for (m = 0; m < G_N_ELEMENTS (rows); m++)
        {
          add_gemm (table, types[t], rows[m], 33 + 3 * m, block, m);
          add_gemm (table, types[t], rows[m], m + 1, 3 * block, m + 3);
          if (m == 2 || m == 4)
            add_gemm (table, types[t], rows[m], 2, block, 0); /* as small as it gets */
        }
      for (s = 0; plain && s < G_N_ELEMENTS (shapes); s++)
        {
          add_gemm (table, types[t], 1, shapes[s][0], shapes[s][1], s);
          add_gemm (table, types[t], 3 + 11 * s, shapes[s][0], shapes[s][1], s + 2);
        }

      /* SmolLM2 (576, 1536) and 13B shapes: one token, a prompt. */
      if (block == 32 && (c = add_gemm (table, types[t], 1, 1536, 576, 0)) != NULL)
        c->flags |= SUITE_SPEED;
      if ((c = add_gemm (table, types[t], 1, 1024, 5120, 0)) != NULL)
        c->flags |= SUITE_SPEED;
      if ((c = add_gemm (table, types[t], 128, block == 32 ? 576 : 512, block == 32 ? 576 : 512, 2)) != NULL)
        c->flags |= SUITE_SPEED;

      for (m = 1; m <= 8; m += m == 1 ? 2 : 5)
        {
          if (table->small && (m > 1 || block > 32))
            continue;
          c = suite_add (table, "gemm_fused", descry_ggml_name (types[t]), fused_prepare, fused_launch, fused_reference, "%u×2·64×%u", m, block == 32 ? 96 : block);
          c->p[M] = m;
          c->p[N] = 128;
          c->p[K] = block == 32 ? 96 : block;
          c->p[TYPE] = types[t];
          c->limit = 1e-11;
          c->flags = SUITE_INTEGERS | SUITE_ALARM | factored (types[t]);
        }

      c = suite_add (table, "embed", descry_ggml_name (types[t]), embed_prepare, embed_launch, embed_reference, "7 of 100×%u", block == 32 ? 96 : block);
      c->p[M] = 7;
      c->p[N] = 100;
      c->p[K] = block == 32 ? 96 : block;
      c->p[TYPE] = types[t];
      c->limit = 1e-12;
    }

  if (!table->small)
    {
      static const guint products[][3] = { { 64, 64, 64 }, { 70, 33, 96 }, { 130, 71, 100 }, { 256, 576, 576 } };
      SuiteCase *c = add_gemm (table, DESCRY_GGML_F32, 512, 512, 512, 0);

      c->flags |= SUITE_SPEED;
      c = add_gemm (table, DESCRY_GGML_F32, 49, 1280, 320, 1);
      c->flags |= SUITE_SPEED;
      for (s = 0; s < G_N_ELEMENTS (products); s++)
        for (m = 0; m < 8; m += 3)
          {
            c = add_gemm (table, DESCRY_GGML_BF16, products[s][0], products[s][1], products[s][2], m);
            c->op = "matmul";
            c->prepare = matmul_prepare;
            c->launch = matmul_launch;
            c->flags = SUITE_ONEDNN | (s == 3 && m == 0 ? SUITE_SPEED : 0);
          }
    }
}
