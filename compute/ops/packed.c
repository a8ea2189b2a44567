/* packed.c - attention of many short sequences in one launch, and back
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/packed.h"

#include "compute/ops/elementwise.h"

/* As in compute/kernels/packed.any.cl. */
#define SPAN 12
#define TILE_DIM 128
#define TILE_KEYS 1024

static DescryTensor
part_of (DescryTensor table,
         guint       *at,
         guint        n)
{
  DescryTensor part = table;

  part.offset += *at;
  part.shape[0] = n;
  part.pitch = n;
  *at += n;
  return part;
}

static gboolean
check_span (DescryRun        *run,
            const DescrySpan *span,
            guint             rows,
            guint             keys)
{
  gboolean ok = span->n > 0 && span->first + span->n <= rows && span->causal <= DESCRY_SPAN_STRETCHES;
  guint all = 0, g;

  for (g = 0; g < DESCRY_SPAN_STRETCHES; g++)
    {
      ok = ok && span->key[g] + span->n_keys[g] <= keys;
      all += span->n_keys[g];
    }
  if (!ok || all == 0)
    descry_run_fail (run, DESCRY_ERROR_SHAPE, "packed attention: a span of rows %u to %u of %u, %u keys", span->first, span->first + span->n, rows, keys);
  return ok && all > 0;
}

DescryPacked
op_packed_plan (DescryRun        *run,
                const DescrySpan *spans,
                guint             n_spans,
                guint             rows,
                guint             keys)
{
  DescryPacked plan = { .n_spans = n_spans };
  g_autofree gint32 *table = NULL;
  gint32 *units, *span_of, *unit_of;
  guint total, at = 0, i, g, r, all;

  if (!descry_run_ok (run))
    return plan;
  if (n_spans == 0)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "packed attention: nothing to look at");
      return plan;
    }

  plan.n_units = 1;
  for (i = 1; i < n_spans; i++)
    plan.n_units += spans[i].unit != spans[i - 1].unit;
  total = n_spans * SPAN + 2 * plan.n_units + rows + keys;
  table = g_new0 (gint32, total); /* a few numbers for each row of the batch */
  units = table + n_spans * SPAN;
  span_of = units + 2 * plan.n_units;
  unit_of = span_of + rows;
  for (r = 0; r < rows + keys; r++)
    span_of[r] = -1;
  plan.n_units = 0;
  for (i = 0; i < n_spans; i++)
    {
      gint32 *entry = table + i * SPAN;

      if (!check_span (run, &spans[i], rows, keys))
        return plan;
      if (i == 0 || spans[i].unit != spans[i - 1].unit)
        units[2 * plan.n_units++] = (gint32) i;
      units[2 * plan.n_units - 1]++;
      entry[0] = (gint32) spans[i].first;
      entry[1] = (gint32) spans[i].n;
      for (g = 0, all = 0; g < DESCRY_SPAN_STRETCHES; g++)
        {
          entry[2 + 2 * g] = (gint32) spans[i].key[g];
          entry[3 + 2 * g] = (gint32) spans[i].n_keys[g];
          all += spans[i].n_keys[g];
          for (r = 0; r < spans[i].n_keys[g]; r++)
            unit_of[spans[i].key[g] + r] = (gint32) plan.n_units - 1;
        }
      entry[10] = (gint32) spans[i].causal;
      for (r = 0; r < spans[i].n; r++)
        span_of[spans[i].first + r] = (gint32) i;
      plan.most_keys = MAX (plan.most_keys, all);
    }

  plan.table = descry_run_tensor (run, DESCRY_I32, 1, &total);
  descry_run_write (run, plan.table, table, total);
  plan.spans = part_of (plan.table, &at, n_spans * SPAN);
  plan.units = part_of (plan.table, &at, 2 * plan.n_units);
  plan.span_of = part_of (plan.table, &at, rows);
  plan.unit_of = part_of (plan.table, &at, keys);
  return plan;
}

void
op_packed_clear (DescryRun    *run,
                 DescryPacked *plan)
{
  descry_run_release (run, &plan->table);
  *plan = (DescryPacked) { 0 };
}

static gboolean
check (DescryRun             *run,
       DescryTensor           q,
       DescryTensor           k,
       DescryTensor           v,
       const DescryPacked    *plan,
       const DescryAttention *p)
{
  guint width = p->heads * p->head_dim;

  if (!descry_run_ok (run))
    return FALSE;
  if (p->heads > 0 && p->kv_heads == p->heads && p->bias.buffer == NULL && p->head_dim > 0 && descry_tensor_cols (q) == width && descry_tensor_cols (k) == width
      && descry_tensor_cols (v) == width && descry_tensor_rows (k) == descry_tensor_rows (v) && descry_tensor_rows (q) == descry_tensor_count (plan->span_of)
      && descry_tensor_rows (k) == descry_tensor_count (plan->unit_of))
    return TRUE;

  descry_run_fail (run, DESCRY_ERROR_SHAPE, "packed attention: %u heads of %u in %u rows of %u and %u keys of %u", p->heads, p->head_dim, descry_tensor_rows (q),
                   descry_tensor_cols (q), descry_tensor_rows (k), descry_tensor_cols (k));
  return FALSE;
}

/* Tiles of rows on a CPU; elsewhere, and for what is larger than a tile, rows by themselves. */
static gboolean
by_tiles (DescryRun             *run,
          const DescryPacked    *plan,
          const DescryAttention *p)
{
  return descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU && p->head_dim <= TILE_DIM && plan->most_keys <= TILE_KEYS;
}

static void
launch (DescryRun       *run,
        const char      *name,
        gsize            across,
        gsize            down,
        const DescryArg *args,
        guint            n_args)
{
  const gsize lanes = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU ? 1 : 64;

  descry_run_launch (run, descry_run_kernel (run, name, NULL), 2, (gsize[]) { across, down }, (gsize[]) { 1, lanes }, args, n_args);
}

#define TENSOR(t) DESCRY_T (t), DESCRY_U ((t).pitch)

void
op_attention_packed (DescryRun             *run,
                     DescryTensor           out,
                     DescryTensor           q,
                     DescryTensor           k,
                     DescryTensor           v,
                     const DescryPacked    *plan,
                     const DescryAttention *p)
{
  if (!check (run, q, k, v, plan, p) || !check (run, out, k, v, plan, p))
    return;

  if (by_tiles (run, plan, p))
    {
      const DescryArg args[] = { TENSOR (q), TENSOR (k), TENSOR (v), DESCRY_T (plan->spans), DESCRY_T (plan->units), TENSOR (out), DESCRY_U (p->head_dim), DESCRY_FL (descry_attention_scale (p)) };

      launch (run, "packed_tile", plan->n_units, p->heads, args, G_N_ELEMENTS (args));
    }
  else
    {
      const DescryArg args[] = { TENSOR (q), TENSOR (k), TENSOR (v), DESCRY_T (plan->spans), DESCRY_T (plan->span_of), TENSOR (out), DESCRY_U (descry_tensor_rows (q)),
                                 DESCRY_U (p->heads), DESCRY_U (p->head_dim), DESCRY_FL (descry_attention_scale (p)) };

      launch (run, "packed_row", p->heads, descry_tensor_rows (q), args, G_N_ELEMENTS (args));
    }
}

void
op_attention_packed_backward (DescryRun             *run,
                              DescryTensor           dq,
                              DescryTensor           dk,
                              DescryTensor           dv,
                              DescryTensor           dout,
                              DescryTensor           out,
                              DescryTensor           q,
                              DescryTensor           k,
                              DescryTensor           v,
                              const DescryPacked    *plan,
                              const DescryAttention *p)
{
  const guint rows = descry_tensor_rows (q), keys = descry_tensor_rows (k);
  DescryTensor stats;

  if (!check (run, q, k, v, plan, p) || !check (run, out, dk, dv, plan, p) || !check (run, dout, k, v, plan, p) || !check (run, dq, k, v, plan, p))
    return;

  op_fill (run, dk, 0.0f);
  op_fill (run, dv, 0.0f);
  if (by_tiles (run, plan, p))
    {
      const DescryArg args[] = { TENSOR (q), TENSOR (k), TENSOR (v), TENSOR (out), TENSOR (dout), DESCRY_T (plan->spans), DESCRY_T (plan->units), TENSOR (dq), TENSOR (dk),
                                 TENSOR (dv), DESCRY_U (p->head_dim), DESCRY_FL (descry_attention_scale (p)) };

      launch (run, "packed_tile_backward", plan->n_units, p->heads, args, G_N_ELEMENTS (args));
      return;
    }

  stats = descry_run_tensor2 (run, rows * p->heads, 3);
  {
    const DescryArg args[] = { TENSOR (q), TENSOR (k), TENSOR (v), TENSOR (out), TENSOR (dout), DESCRY_T (plan->spans), DESCRY_T (plan->span_of), TENSOR (dq), DESCRY_T (stats),
                               DESCRY_U (rows), DESCRY_U (p->heads), DESCRY_U (p->head_dim), DESCRY_FL (descry_attention_scale (p)) };

    launch (run, "packed_row_dq", p->heads, rows, args, G_N_ELEMENTS (args));
  }
  {
    const DescryArg args[] = { TENSOR (q), TENSOR (k), TENSOR (v), TENSOR (dout), DESCRY_T (plan->spans), DESCRY_T (plan->units), DESCRY_T (plan->unit_of), DESCRY_T (stats),
                               TENSOR (dk), TENSOR (dv), DESCRY_U (keys), DESCRY_U (p->heads), DESCRY_U (p->head_dim), DESCRY_FL (descry_attention_scale (p)) };

    launch (run, "packed_key_dkv", p->heads, keys, args, G_N_ELEMENTS (args));
  }
  descry_run_release (run, &stats);
}
