/* attention.c - rotary positions, KV cache, streaming attention
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/attention.h"

#include <math.h>

#include "compute/ops/elementwise.h"

/* As in compute/kernels/attention.cpu.cl. */
#define ROWS 16
#define KEYS 64
#define LARGEST_HEAD 256
/* Query rows up to which staging all keys would cost more than it saves, and the shortest span of keys worth an item. */
#define FEW_ROWS 4
#define LEAST_SPAN 192

static gboolean
check (DescryRun             *run,
       DescryTensor           out,
       DescryTensor           q,
       DescryTensor           k,
       DescryTensor           v,
       const DescryAttention *p)
{
  guint rows = descry_tensor_rows (q), keys = descry_tensor_rows (k), width = p->heads * p->head_dim, kv_width = p->kv_step != 0 ? p->head_dim : p->kv_heads * p->head_dim;

  if (!descry_run_ok (run))
    return FALSE;

  if (p->kv_heads == 0 || p->heads % p->kv_heads != 0 || p->head_dim == 0 || p->head_dim > LARGEST_HEAD)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "attention: %u heads of %u over %u", p->heads, p->head_dim, p->kv_heads);
      return FALSE;
    }
  if (descry_tensor_cols (q) != width || descry_tensor_cols (out) != width || descry_tensor_rows (out) != rows
      || descry_tensor_cols (k) != kv_width || descry_tensor_cols (v) != kv_width || descry_tensor_rows (v) != keys
      || q.type != DESCRY_F32 || out.type != DESCRY_F32 || k.type != v.type || (k.type != DESCRY_F32 && k.type != DESCRY_F16) || rows == 0 || keys == 0)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "attention: q %u×%u, k %u×%u, v %u×%u into %u×%u for %u heads of %u over %u", rows, descry_tensor_cols (q),
                       keys, descry_tensor_cols (k), descry_tensor_rows (v), descry_tensor_cols (v), descry_tensor_rows (out), descry_tensor_cols (out),
                       p->heads, p->head_dim, p->kv_heads);
      return FALSE;
    }
  if (p->bias.buffer != NULL
      && (p->bias.type != DESCRY_F32 || descry_tensor_cols (p->bias) != keys
          || (descry_tensor_rows (p->bias) != rows && descry_tensor_rows (p->bias) != rows * p->heads)))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "attention: a bias of %u×%u for %u heads of %u×%u scores",
                       descry_tensor_rows (p->bias), descry_tensor_cols (p->bias), p->heads, rows, keys);
      return FALSE;
    }

  return TRUE;
}

static guint
step_of (const DescryAttention *p)
{
  return p->kv_step != 0 ? p->kv_step : p->head_dim;
}

static void
attend_many (DescryRun             *run,
             DescryTensor           out,
             DescryTensor           q,
             DescryTensor           k,
             DescryTensor           v,
             const DescryAttention *p,
             const DescryArg       *shared,
             guint                  n_shared)
{
  guint keys = (descry_tensor_rows (k) + KEYS - 1) / KEYS * KEYS, wide = (p->head_dim + 31) / 32 * 32;
  guint rows = descry_tensor_rows (q) * (p->heads / p->kv_heads);
  DescryTensor kt = descry_run_tensor2 (run, p->kv_heads * wide, keys), vf = descry_run_tensor2 (run, p->kv_heads * wide, keys);
  DescryArg args[24] = { DESCRY_T (q), DESCRY_U (q.pitch), DESCRY_B (kt.buffer), DESCRY_B (vf.buffer), DESCRY_T (out), DESCRY_U (out.pitch) };
  guint i;

  for (i = 0; i < n_shared; i++)
    args[6 + i] = shared[i];

  descry_run_launch (run, descry_run_kernel (run, k.type == DESCRY_F32 ? "attention_stage_f32" : "attention_stage_f16", NULL), 2,
                     (gsize[]) { keys / KEYS, p->kv_heads }, (gsize[]) { 1, 1 },
                     (DescryArg[]) { DESCRY_T (k), DESCRY_U (k.pitch), DESCRY_T (v), DESCRY_U (v.pitch), DESCRY_B (kt.buffer), DESCRY_B (vf.buffer),
                                     DESCRY_U (descry_tensor_rows (k)), DESCRY_U (p->head_dim), DESCRY_U (step_of (p)) }, 9);
  descry_run_launch (run, descry_run_kernel (run, "attention_many", NULL), 2, (gsize[]) { (rows + ROWS - 1) / ROWS, p->kv_heads }, (gsize[]) { 1, 1 }, args, 6 + n_shared);
  descry_run_release (run, &kt);
  descry_run_release (run, &vf);
}

/* How the keys of a few rows are shared out. */
typedef struct
{
  guint span, spans, wide, together;
  DescryTensor parts;
} Shares;

/* A few items a core; never more spans than that, so that a growing cache needs no new buffer. */
static Shares
share_keys (DescryRun *run,
            guint      rows,
            guint      keys,
            guint      heads,
            guint      kv_heads,
            guint      head_dim)
{
  guint units = descry_device_info (descry_run_device (run))->compute_units, group = heads / kv_heads;
  guint wanted = MAX (1, 4 * units / (kv_heads * rows));
  Shares shares = { .span = MAX (LEAST_SPAN, (keys + wanted - 1) / wanted), .wide = (head_dim + 31) / 32 * 32 };

  shares.spans = (keys + shares.span - 1) / shares.span;
  shares.together = group % 4 == 0 ? 4 : group % 3 == 0 ? 3 : group % 2 == 0 ? 2 : 1;
  shares.parts = descry_run_tensor2 (run, rows * heads, wanted * (shares.wide + 16));

  return shares;
}

static void
join_parts (DescryRun    *run,
            DescryTensor  out,
            Shares       *shares,
            guint         rows,
            guint         heads,
            guint         head_dim)
{
  if (shares->spans > 1)
    descry_run_launch (run, descry_run_kernel (run, "attention_join", NULL), 2, (gsize[]) { heads, rows }, (gsize[]) { 1, 1 },
                       (DescryArg[]) { DESCRY_B (shares->parts.buffer), DESCRY_T (out), DESCRY_U (out.pitch), DESCRY_U (shares->spans), DESCRY_U (head_dim) }, 5);
  descry_run_release (run, &shares->parts);
}

static void
attend_few (DescryRun             *run,
            DescryTensor           out,
            DescryTensor           q,
            DescryTensor           k,
            DescryTensor           v,
            const DescryAttention *p,
            const DescryArg       *shared,
            guint                  n_shared)
{
  guint rows = descry_tensor_rows (q);
  Shares shares = share_keys (run, rows, descry_tensor_rows (k), p->heads, p->kv_heads, p->head_dim);
  DescryArg args[24] = { DESCRY_T (q), DESCRY_U (q.pitch), DESCRY_T (k), DESCRY_U (k.pitch), DESCRY_T (v), DESCRY_U (v.pitch), DESCRY_B (shares.parts.buffer),
                         DESCRY_T (out), DESCRY_U (out.pitch) };
  char name[32];
  guint i;

  g_snprintf (name, sizeof name, "attention_few_%s_%u", k.type == DESCRY_F32 ? "f32" : "f16", shares.together);
  for (i = 0; i < n_shared; i++)
    args[9 + i] = shared[i];
  args[9 + n_shared] = DESCRY_U (shares.span);
  args[10 + n_shared] = DESCRY_U (step_of (p));

  descry_run_launch (run, descry_run_kernel (run, name, NULL), 3, (gsize[]) { shares.spans, p->kv_heads, rows }, (gsize[]) { 1, 1, 1 }, args, 11 + n_shared);
  join_parts (run, out, &shares, rows, p->heads, p->head_dim);
}

float
descry_attention_scale (const DescryAttention *p)
{
  return p->scale != 0.0f ? p->scale : 1.0f / sqrtf ((float) p->head_dim);
}

void
op_attention (DescryRun             *run,
              DescryTensor           out,
              DescryTensor           q,
              DescryTensor           k,
              DescryTensor           v,
              const DescryAttention *p)
{
  guint rows = descry_tensor_rows (q), keys = descry_tensor_rows (k);
  float scale = descry_attention_scale (p);
  DescryTensor bias = p->bias.buffer != NULL ? p->bias : q;
  DescryArg shared[12] = { DESCRY_T (bias), DESCRY_U (bias.pitch) };

  if (!check (run, out, q, k, v, p))
    return;

  /* One bias for all heads, or one for each. */
  shared[2] = DESCRY_U (p->bias.buffer != NULL && descry_tensor_rows (bias) != rows ? rows * bias.pitch : 0);
  shared[3] = DESCRY_U (p->bias.buffer != NULL);
  shared[4] = DESCRY_U (rows);
  shared[5] = DESCRY_U (keys);
  shared[6] = DESCRY_U (p->heads / p->kv_heads);
  shared[7] = DESCRY_U (p->head_dim);
  shared[8] = DESCRY_FL (scale);
  shared[9] = DESCRY_U (p->causal);
  shared[10] = DESCRY_U (p->past);

  if (descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_GPU)
    {
      DescryArg args[24] = { DESCRY_T (q), DESCRY_U (q.pitch), DESCRY_T (k), DESCRY_U (k.pitch), DESCRY_T (v), DESCRY_U (v.pitch), DESCRY_T (out), DESCRY_U (out.pitch) };
      guint i;

      for (i = 0; i < 11; i++)
        args[8 + i] = shared[i];
      args[19] = DESCRY_U (step_of (p));
      descry_run_launch (run, descry_run_kernel (run, k.type == DESCRY_F32 ? "attention_f32" : "attention_f16", NULL), 2,
                         (gsize[]) { (gsize) rows * 64, p->heads }, (gsize[]) { 64, 1 }, args, 20);
    }
  else if (rows <= FEW_ROWS)
    attend_few (run, out, q, k, v, p, shared, 11);
  else
    attend_many (run, out, q, k, v, p, shared, 11);
}

void
op_rope (DescryRun     *run,
         DescryTensor   x,
         guint          heads,
         guint          head_dim,
         guint          rope_dim,
         DescryTensor   freqs,
         guint          first,
         DescryRopeKind kind)
{
  gboolean cpu = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU;

  if (!descry_run_ok (run))
    return;
  if (x.type != DESCRY_F32 || descry_tensor_cols (x) != heads * head_dim || rope_dim > head_dim || rope_dim % 2 != 0
      || freqs.type != DESCRY_F32 || descry_tensor_count (freqs) != rope_dim / 2)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "rope: %u heads of %u in rows of %u, %u rotated by %" G_GSIZE_FORMAT " frequencies",
                       heads, head_dim, descry_tensor_cols (x), rope_dim, descry_tensor_count (freqs));
      return;
    }

  descry_run_launch (run, descry_run_kernel (run, "rope", NULL), 2, (gsize[]) { cpu ? 1 : 64, descry_tensor_rows (x) }, (gsize[]) { cpu ? 1 : 64, 1 },
                     (DescryArg[]) { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (freqs), DESCRY_U (descry_tensor_rows (x)), DESCRY_U (heads), DESCRY_U (head_dim),
                                     DESCRY_U (rope_dim / 2), DESCRY_U (first), DESCRY_U (kind == DESCRY_ROPE_HALVES) }, 9);
}

static gboolean
check_rotation (DescryRun            *run,
                DescryTensor          qkv,
                DescryTensor          k_cache,
                DescryTensor          v_cache,
                guint                 first,
                const DescryRotation *p)
{
  guint rows = descry_tensor_rows (qkv), all = p->heads + 2 * p->kv_heads, width = p->kv_step != 0 ? p->head_dim : p->kv_heads * p->head_dim;
  gboolean norm = p->q_norm.buffer != NULL;

  if (!descry_run_ok (run))
    return FALSE;
  if (descry_tensor_cols (qkv) != all * p->head_dim || k_cache.type != v_cache.type || (k_cache.type != DESCRY_F32 && k_cache.type != DESCRY_F16)
      || descry_tensor_cols (k_cache) != width || descry_tensor_cols (v_cache) != width
      || first + rows > descry_tensor_rows (k_cache) || first + rows > descry_tensor_rows (v_cache)
      || p->rope_dim > p->head_dim || p->rope_dim % 2 != 0
      || (p->rope_dim > 0 && (descry_tensor_cols (p->table) != p->rope_dim || first + rows > descry_tensor_rows (p->table)))
      || (norm && (descry_tensor_count (p->q_norm) != p->head_dim || descry_tensor_count (p->k_norm) != p->head_dim)))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "rotate: rows %u to %u of %u columns for %u and %u heads of %u into caches of %u×%u", first, first + rows,
                       descry_tensor_cols (qkv), p->heads, p->kv_heads, p->head_dim, descry_tensor_rows (k_cache), descry_tensor_cols (k_cache));
      return FALSE;
    }

  return TRUE;
}

void
op_rotate (DescryRun            *run,
           DescryTensor          qkv,
           DescryTensor          k_cache,
           DescryTensor          v_cache,
           guint                 first,
           const DescryRotation *p)
{
  gsize lanes = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU ? 1 : 64;
  guint rows = descry_tensor_rows (qkv), all = p->heads + 2 * p->kv_heads;
  gboolean norm = p->q_norm.buffer != NULL;
  DescryTensor table = p->rope_dim > 0 ? p->table : qkv;

  if (!check_rotation (run, qkv, k_cache, v_cache, first, p))
    return;

  descry_run_launch (run, descry_run_kernel (run, k_cache.type == DESCRY_F32 ? "rotate_f32" : "rotate_f16", NULL), 2, (gsize[]) { all, rows }, (gsize[]) { lanes, 1 },
                     (DescryArg[]) { DESCRY_T (qkv), DESCRY_U (qkv.pitch), DESCRY_T (table), DESCRY_T (norm ? p->q_norm : qkv), DESCRY_T (norm ? p->k_norm : qkv),
                                     DESCRY_T (k_cache), DESCRY_U (k_cache.pitch), DESCRY_T (v_cache), DESCRY_U (v_cache.pitch),
                                     DESCRY_U (rows), DESCRY_U (p->heads), DESCRY_U (p->kv_heads), DESCRY_U (p->head_dim), DESCRY_U (p->rope_dim / 2), DESCRY_U (first),
                                     DESCRY_U ((p->kind == DESCRY_ROPE_HALVES ? 1 : 0) | (norm ? 2 : 0)), DESCRY_FL (p->eps),
                                     DESCRY_U (p->kv_step != 0 ? p->kv_step : p->head_dim) }, 18);
}

void
op_attention_step (DescryRun            *run,
                   DescryTensor          out,
                   DescryTensor          qkv,
                   DescryTensor          k_cache,
                   DescryTensor          v_cache,
                   guint                 past,
                   const DescryRotation *p)
{
  guint width = p->heads * p->head_dim;
  DescryAttention attention = { p->heads, p->kv_heads, p->head_dim, 0.0f, TRUE, past, { 0 }, p->kv_step };
  gboolean norm = p->q_norm.buffer != NULL;
  DescryTensor table = p->rope_dim > 0 ? p->table : qkv, q_norm = norm ? p->q_norm : qkv, k_norm = norm ? p->k_norm : qkv;
  Shares shares;
  char name[32];

  if (!check_rotation (run, qkv, k_cache, v_cache, past, p))
    return;
  if (descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_GPU || descry_tensor_rows (qkv) > 1)
    {
      guint keys = past + descry_tensor_rows (qkv);

      op_rotate (run, qkv, k_cache, v_cache, past, p);
      op_attention (run, out, descry_tensor_columns (qkv, 0, width), descry_tensor_slice (k_cache, 0, keys), descry_tensor_slice (v_cache, 0, keys), &attention);
      return;
    }
  if (!check (run, out, descry_tensor_columns (qkv, 0, width), descry_tensor_slice (k_cache, 0, past + 1), descry_tensor_slice (v_cache, 0, past + 1), &attention))
    return;

  shares = share_keys (run, 1, past + 1, p->heads, p->kv_heads, p->head_dim);
  g_snprintf (name, sizeof name, "attention_step_%s_%u", k_cache.type == DESCRY_F32 ? "f32" : "f16", shares.together);
  descry_run_launch (run, descry_run_kernel (run, name, NULL), 2, (gsize[]) { shares.spans, p->kv_heads }, (gsize[]) { 1, 1 },
                     (DescryArg[]) { DESCRY_B (qkv.buffer), DESCRY_B (table.buffer), DESCRY_B (q_norm.buffer), DESCRY_B (k_norm.buffer),
                                     DESCRY_B (k_cache.buffer), DESCRY_B (v_cache.buffer), DESCRY_B (shares.parts.buffer), DESCRY_B (out.buffer),
                                     DESCRY_U16 (qkv.offset, table.offset, q_norm.offset, k_norm.offset, k_cache.offset, k_cache.pitch, v_cache.offset, v_cache.pitch,
                                                 step_of (&attention), out.offset, past, p->heads / p->kv_heads, p->head_dim, p->rope_dim / 2,
                                                 (p->kind == DESCRY_ROPE_HALVES ? 1 : 0) | (norm ? 2 : 0), shares.span),
                                     DESCRY_FL (p->eps), DESCRY_FL (1.0f / sqrtf ((float) p->head_dim)) }, 11);
  join_parts (run, out, &shares, 1, p->heads, p->head_dim);
}

void
op_cache_write (DescryRun   *run,
                DescryTensor cache,
                DescryTensor x,
                guint        first)
{
  guint rows = descry_tensor_rows (x);

  if (!descry_run_ok (run))
    return;
  if (cache.n_dims != 2 || first + rows > cache.shape[0] || first + rows < first)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "cache: rows %u to %u of %u", first, first + rows, descry_tensor_rows (cache));
      return;
    }

  op_copy (run, descry_tensor_slice (cache, first, rows), x);
}
