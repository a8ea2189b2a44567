/* backward.c - gradients of the forward ops, and the small products of training
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/backward.h"

#include <math.h>

#include "compute/ops/onednn.h"
#include "compute/ops/provider.h"

#define CHUNK 4096 /* elements an item of the cpu family takes */
#define LARGEST_HEAD 256

static gboolean
is_cpu (DescryRun *run)
{
  return descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU;
}

/* A grid of single items on a CPU; groups of 64 along the first dimension elsewhere. */
static void
launch (DescryRun       *run,
        const char      *name,
        gsize            across,
        gsize            down,
        const DescryArg *args,
        guint            n_args)
{
  descry_run_launch (run, descry_run_kernel (run, name, NULL), 2, (gsize[]) { across, down }, (gsize[]) { is_cpu (run) ? 1 : 64, 1 }, args, n_args);
}

static gboolean
same_shape (DescryRun   *run,
            const char  *op,
            DescryTensor a,
            DescryTensor b)
{
  if (!descry_run_ok (run))
    return FALSE;
  if (a.type == DESCRY_F32 && b.type == DESCRY_F32 && descry_tensor_rows (a) == descry_tensor_rows (b) && descry_tensor_cols (a) == descry_tensor_cols (b))
    return TRUE;

  descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: %u×%u and %u×%u", op, descry_tensor_rows (a), descry_tensor_cols (a), descry_tensor_rows (b), descry_tensor_cols (b));
  return FALSE;
}

void
op_matmul_rows (DescryRun   *run,
                DescryTensor c,
                DescryTensor a,
                gboolean     transposed,
                DescryTensor b,
                float        scale,
                gboolean     add)
{
  guint m = transposed ? descry_tensor_cols (a) : descry_tensor_rows (a), k = transposed ? descry_tensor_rows (a) : descry_tensor_cols (a);
  guint n = descry_tensor_cols (b);
  const DescryArg args[] = { DESCRY_T (a), DESCRY_U (transposed ? 1 : a.pitch), DESCRY_U (transposed ? a.pitch : 1), DESCRY_T (b), DESCRY_U (b.pitch),
                             DESCRY_T (c), DESCRY_U (c.pitch), DESCRY_U (m), DESCRY_U (n), DESCRY_U (k), DESCRY_FL (scale), DESCRY_U (add) };

  if (!descry_run_ok (run))
    return;
  if (descry_tensor_rows (b) != k || descry_tensor_rows (c) != m || descry_tensor_cols (c) != n)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "matmul_rows: %u×%u by %u×%u into %u×%u", m, k, descry_tensor_rows (b), n, descry_tensor_rows (c), descry_tensor_cols (c));
      return;
    }

  launch (run, "matmul_rows", (n + 15) / 16, (m + 3) / 4, args, G_N_ELEMENTS (args));
}

void
op_matmul_dots (DescryRun   *run,
                DescryTensor c,
                DescryTensor a,
                DescryTensor b,
                float        scale,
                gboolean     add)
{
  guint m = descry_tensor_rows (a), n = descry_tensor_rows (b), k = descry_tensor_cols (a);
  const DescryArg args[] = { DESCRY_T (a), DESCRY_U (a.pitch), DESCRY_T (b), DESCRY_U (b.pitch), DESCRY_T (c), DESCRY_U (c.pitch),
                             DESCRY_U (m), DESCRY_U (n), DESCRY_U (k), DESCRY_FL (scale), DESCRY_U (add) };

  if (!descry_run_ok (run))
    return;
  if (descry_tensor_cols (b) != k || descry_tensor_rows (c) != m || descry_tensor_cols (c) != n)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "matmul_dots: %u×%u by %u×%u into %u×%u", m, k, n, descry_tensor_cols (b), descry_tensor_rows (c), descry_tensor_cols (c));
      return;
    }

  launch (run, "matmul_dots", (n + 3) / 4, m, args, G_N_ELEMENTS (args));
}

void
op_product (DescryRun   *run,
            DescryTensor c,
            DescryTensor a,
            gboolean     turned_a,
            DescryTensor b,
            gboolean     turned_b,
            gboolean     add)
{
  guint m = turned_a ? descry_tensor_cols (a) : descry_tensor_rows (a), k = turned_a ? descry_tensor_rows (a) : descry_tensor_cols (a);
  guint n = turned_b ? descry_tensor_rows (b) : descry_tensor_cols (b);
  DescryDevice *device = descry_run_device (run);

  g_return_if_fail (!turned_a || !turned_b);

  if (!descry_run_ok (run))
    return;
  if (descry_tensor_rows (c) != m || descry_tensor_cols (c) != n || (turned_b ? descry_tensor_cols (b) : descry_tensor_rows (b)) != k)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "product: %u×%u of %u, into %u×%u", m, n, k, descry_tensor_rows (c), descry_tensor_cols (c));
      return;
    }

  if (descry_ops_provider (device) != DESCRY_GEMM_OWN && descry_onednn_available (device, NULL))
    descry_onednn_product (run, c, a, turned_a, b, turned_b, add);
  else if (turned_b)
    op_matmul_dots (run, c, a, b, 1.0f, add);
  else
    op_matmul_rows (run, c, a, turned_a, b, 1.0f, add);
}

void
op_gather_rows (DescryRun   *run,
                DescryTensor y,
                DescryTensor x,
                DescryTensor index)
{
  guint m = descry_tensor_rows (y), n = descry_tensor_cols (y);

  if (!descry_run_ok (run))
    return;
  if (descry_tensor_cols (x) != n || descry_tensor_count (index) != m || index.type != DESCRY_I32)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "gather_rows: %u×%u from rows of %u by %" G_GSIZE_FORMAT, m, n, descry_tensor_cols (x), descry_tensor_count (index));
      return;
    }

  launch (run, "gather_rows", m, 1,
          (DescryArg[]) { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (index), DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_U (m), DESCRY_U (n) }, 7);
}

void
op_scatter_rows (DescryRun   *run,
                 DescryTensor y,
                 DescryTensor x,
                 DescryTensor index)
{
  guint m = descry_tensor_rows (x), n = descry_tensor_cols (x);

  if (!descry_run_ok (run))
    return;
  if (descry_tensor_cols (y) != n || descry_tensor_count (index) != m || index.type != DESCRY_I32)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "scatter_rows: %u×%u into rows of %u by %" G_GSIZE_FORMAT, m, n, descry_tensor_cols (y), descry_tensor_count (index));
      return;
    }

  launch (run, "scatter_rows", (n + 15) / 16, 1,
          (DescryArg[]) { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (index), DESCRY_T (y), DESCRY_U (y.pitch), DESCRY_U (m), DESCRY_U (n) }, 7);
}

static void
norm_backward (DescryRun   *run,
               const char  *op,
               DescryTensor dx,
               DescryTensor dy,
               DescryTensor x,
               DescryTensor weight,
               DescryTensor dweight,
               DescryTensor dbias,
               float        eps,
               gboolean     centred,
               gboolean     add)
{
  guint m = descry_tensor_rows (x), n = descry_tensor_cols (x);
  DescryTensor stats, to_weight, to_bias;

  if (!same_shape (run, op, dx, x) || !same_shape (run, op, dy, x))
    return;
  if (descry_tensor_count (weight) != n || (dweight.buffer != NULL && descry_tensor_count (dweight) != n) || (dbias.buffer != NULL && descry_tensor_count (dbias) != n))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: rows of %u, weight of %" G_GSIZE_FORMAT, op, n, descry_tensor_count (weight));
      return;
    }

  stats = descry_run_tensor2 (run, m, 2);
  launch (run, "norm_stats", m, 1, (DescryArg[]) { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (stats), DESCRY_U (m), DESCRY_U (n), DESCRY_FL (eps), DESCRY_U (centred) }, 7);
  if (dweight.buffer != NULL || dbias.buffer != NULL)
    {
      to_weight = dweight.buffer != NULL ? dweight : stats; /* an argument must be there even if nothing is written */
      to_bias = dbias.buffer != NULL ? dbias : stats;
      launch (run, "norm_dweight", (n + 15) / 16, 1,
              (DescryArg[]) { DESCRY_T (dy), DESCRY_U (dy.pitch), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (stats), DESCRY_T (to_weight), DESCRY_T (to_bias),
                              DESCRY_U (m), DESCRY_U (n), DESCRY_U (dweight.buffer != NULL), DESCRY_U (dbias.buffer != NULL) }, 11);
    }
  launch (run, "norm_dx", m, 1,
          (DescryArg[]) { DESCRY_T (dy), DESCRY_U (dy.pitch), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (weight), DESCRY_T (stats), DESCRY_T (dx), DESCRY_U (dx.pitch),
                          DESCRY_U (m), DESCRY_U (n), DESCRY_U (centred), DESCRY_U (add) }, 12);
  descry_run_release (run, &stats);
}

void
op_rms_norm_backward (DescryRun   *run,
                      DescryTensor dx,
                      DescryTensor dy,
                      DescryTensor x,
                      DescryTensor weight,
                      DescryTensor dweight,
                      float        eps,
                      gboolean     add)
{
  norm_backward (run, "rms_norm_backward", dx, dy, x, weight, dweight, (DescryTensor) { 0 }, eps, FALSE, add);
}

void
op_layer_norm_backward (DescryRun   *run,
                        DescryTensor dx,
                        DescryTensor dy,
                        DescryTensor x,
                        DescryTensor weight,
                        DescryTensor dweight,
                        DescryTensor dbias,
                        float        eps,
                        gboolean     add)
{
  norm_backward (run, "layer_norm_backward", dx, dy, x, weight, dweight, dbias, eps, TRUE, add);
}

static guint
row_chunk (DescryRun *run)
{
  return is_cpu (run) ? CHUNK : 1;
}

void
op_swiglu_backward (DescryRun   *run,
                    DescryTensor dgate,
                    DescryTensor dup,
                    DescryTensor dy,
                    DescryTensor gate,
                    DescryTensor up)
{
  guint m = descry_tensor_rows (dy), n = descry_tensor_cols (dy), chunk = row_chunk (run);

  if (!same_shape (run, "swiglu_backward", dy, gate) || !same_shape (run, "swiglu_backward", dy, up)
      || !same_shape (run, "swiglu_backward", dy, dgate) || !same_shape (run, "swiglu_backward", dy, dup))
    return;

  launch (run, "swiglu_backward", (n + chunk - 1) / chunk, m,
          (DescryArg[]) { DESCRY_T (dy), DESCRY_U (dy.pitch), DESCRY_T (gate), DESCRY_U (gate.pitch), DESCRY_T (up), DESCRY_U (up.pitch),
                          DESCRY_T (dgate), DESCRY_U (dgate.pitch), DESCRY_T (dup), DESCRY_U (dup.pitch), DESCRY_U (m), DESCRY_U (n), DESCRY_U (chunk) }, 13);
}

void
op_activate_backward (DescryRun       *run,
                      DescryTensor     dx,
                      DescryTensor     dy,
                      DescryTensor     x,
                      DescryActivation act)
{
  guint m = descry_tensor_rows (dy), n = descry_tensor_cols (dy), chunk = row_chunk (run);

  if (!same_shape (run, "activate_backward", dy, x) || !same_shape (run, "activate_backward", dy, dx))
    return;

  launch (run, "activate_backward", (n + chunk - 1) / chunk, m,
          (DescryArg[]) { DESCRY_T (dy), DESCRY_U (dy.pitch), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (dx), DESCRY_U (dx.pitch),
                          DESCRY_U (m), DESCRY_U (n), DESCRY_U (act), DESCRY_U (chunk) }, 10);
}

void
op_sum_rows (DescryRun   *run,
             DescryTensor out,
             DescryTensor x)
{
  guint m = descry_tensor_rows (x), n = descry_tensor_cols (x);

  if (!descry_run_ok (run))
    return;
  if (descry_tensor_count (out) != n)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "sum_rows: %u columns into %" G_GSIZE_FORMAT, n, descry_tensor_count (out));
      return;
    }

  launch (run, "sum_rows", (n + 15) / 16, 1, (DescryArg[]) { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (out), DESCRY_U (m), DESCRY_U (n) }, 5);
}

void
op_attention_backward (DescryRun             *run,
                       DescryTensor           dq,
                       DescryTensor           dk,
                       DescryTensor           dv,
                       DescryTensor           dout,
                       DescryTensor           out,
                       DescryTensor           q,
                       DescryTensor           k,
                       DescryTensor           v,
                       const DescryAttention *p)
{
  guint rows = descry_tensor_rows (q), keys = descry_tensor_rows (k);
  float scale = descry_attention_scale (p);
  DescryTensor stats, bias = p->bias.buffer != NULL ? p->bias : q;
  guint has_bias = p->bias.buffer != NULL, per_head = has_bias && descry_tensor_rows (bias) != rows ? rows * bias.pitch : 0;

  if (!same_shape (run, "attention_backward", dq, q) || !same_shape (run, "attention_backward", dk, k) || !same_shape (run, "attention_backward", dv, v)
      || !same_shape (run, "attention_backward", out, q) || !same_shape (run, "attention_backward", dout, q) || !same_shape (run, "attention_backward", k, v))
    return;
  if (p->kv_heads == 0 || p->heads % p->kv_heads != 0 || p->head_dim > LARGEST_HEAD || descry_tensor_cols (q) != p->heads * p->head_dim
      || descry_tensor_cols (k) != p->kv_heads * p->head_dim)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "attention_backward: %u heads of %u over %u in rows of %u and %u", p->heads, p->head_dim, p->kv_heads,
                       descry_tensor_cols (q), descry_tensor_cols (k));
      return;
    }

  stats = descry_run_tensor2 (run, rows * p->heads, 2);
#define SHAPE DESCRY_U (rows), DESCRY_U (keys), DESCRY_U (p->heads), DESCRY_U (p->heads / p->kv_heads), DESCRY_U (p->head_dim), DESCRY_FL (scale), DESCRY_U (p->causal), DESCRY_U (p->past)
#define BIAS DESCRY_T (bias), DESCRY_U (bias.pitch), DESCRY_U (per_head), DESCRY_U (has_bias)
  {
    const DescryArg args[] = { DESCRY_T (q), DESCRY_U (q.pitch), DESCRY_T (k), DESCRY_U (k.pitch), DESCRY_T (out), DESCRY_U (out.pitch),
                               DESCRY_T (dout), DESCRY_U (dout.pitch), BIAS, DESCRY_T (stats), SHAPE };

    launch (run, "attention_row_stats", p->heads, rows, args, G_N_ELEMENTS (args));
  }
  {
    const DescryArg args[] = { DESCRY_T (q), DESCRY_U (q.pitch), DESCRY_T (k), DESCRY_U (k.pitch), DESCRY_T (v), DESCRY_U (v.pitch),
                               DESCRY_T (dout), DESCRY_U (dout.pitch), BIAS, DESCRY_T (stats), DESCRY_T (dq), DESCRY_U (dq.pitch), SHAPE };

    launch (run, "attention_dq", p->heads, rows, args, G_N_ELEMENTS (args));
  }
  {
    const DescryArg args[] = { DESCRY_T (q), DESCRY_U (q.pitch), DESCRY_T (k), DESCRY_U (k.pitch), DESCRY_T (v), DESCRY_U (v.pitch),
                               DESCRY_T (dout), DESCRY_U (dout.pitch), BIAS, DESCRY_T (stats), DESCRY_T (dk), DESCRY_U (dk.pitch), DESCRY_T (dv), DESCRY_U (dv.pitch), SHAPE };

    launch (run, "attention_dkv", p->kv_heads, keys, args, G_N_ELEMENTS (args));
  }
#undef SHAPE
#undef BIAS
  descry_run_release (run, &stats);
}

void
op_rope_backward (DescryRun     *run,
                  DescryTensor   dx,
                  guint          heads,
                  guint          head_dim,
                  guint          rope_dim,
                  DescryTensor   freqs,
                  guint          first,
                  DescryRopeKind kind)
{
  DescryTensor reverse = descry_run_tensor2 (run, 1, rope_dim / 2);

  /* A rotation by the opposite angle. */
  op_scale (run, reverse, descry_tensor_reshape (freqs, 2, (guint[]) { 1, rope_dim / 2 }), -1.0f);
  op_rope (run, dx, heads, head_dim, rope_dim, reverse, first, kind);
  descry_run_release (run, &reverse);
}

void
op_cross_entropy (DescryRun   *run,
                  DescryTensor losses,
                  DescryTensor logits,
                  DescryTensor targets,
                  DescryTensor scales)
{
  op_cross_entropy_smoothed (run, losses, logits, targets, scales, 0.0f);
}

void
op_cross_entropy_smoothed (DescryRun   *run,
                           DescryTensor losses,
                           DescryTensor logits,
                           DescryTensor targets,
                           DescryTensor scales,
                           float        smoothing)
{
  guint m = descry_tensor_rows (logits), n = descry_tensor_cols (logits);

  if (!descry_run_ok (run))
    return;
  if (descry_tensor_count (losses) != m || descry_tensor_count (targets) != m || descry_tensor_count (scales) != m || targets.type != DESCRY_I32)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "cross_entropy: %u rows of logits, %" G_GSIZE_FORMAT " targets", m, descry_tensor_count (targets));
      return;
    }

  launch (run, "cross_entropy", m, 1,
          (DescryArg[]) { DESCRY_T (logits), DESCRY_U (logits.pitch), DESCRY_T (targets), DESCRY_T (scales), DESCRY_T (losses), DESCRY_U (descry_tensor_step (losses)),
                          DESCRY_U (m), DESCRY_U (n), DESCRY_FL (smoothing) }, 9);
}

void
op_adamw (DescryRun   *run,
          DescryTensor parameter,
          DescryTensor gradient,
          DescryTensor m,
          DescryTensor v,
          float        rate,
          float        beta1,
          float        beta2,
          float        eps,
          float        decay,
          float        scale,
          guint        step)
{
  guint n = descry_tensor_count (parameter), chunk = row_chunk (run);
  float correct1 = (float) (1.0 / (1.0 - pow (beta1, step))), correct2 = (float) (1.0 / (1.0 - pow (beta2, step)));

  if (!descry_run_ok (run))
    return;
  if (descry_tensor_count (gradient) != n || descry_tensor_count (m) != n || descry_tensor_count (v) != n || step == 0)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "adamw: %u parameters, %" G_GSIZE_FORMAT " gradients", n, descry_tensor_count (gradient));
      return;
    }

  launch (run, "adamw", (n + chunk - 1) / chunk, 1,
          (DescryArg[]) { DESCRY_T (parameter), DESCRY_T (gradient), DESCRY_T (m), DESCRY_T (v), DESCRY_U (n), DESCRY_FL (rate), DESCRY_FL (beta1), DESCRY_FL (beta2),
                          DESCRY_FL (eps), DESCRY_FL (decay), DESCRY_FL (scale), DESCRY_FL (correct1), DESCRY_FL (correct2), DESCRY_U (chunk) }, 14);
}

void
op_squares (DescryRun   *run,
            DescryTensor parts,
            DescryTensor x)
{
  guint n = descry_tensor_count (x), pieces = descry_tensor_count (parts), chunk = (n + pieces - 1) / pieces;

  if (!descry_run_ok (run))
    return;

  launch (run, "squares", pieces, 1, (DescryArg[]) { DESCRY_T (x), DESCRY_T (parts), DESCRY_U (n), DESCRY_U (pieces), DESCRY_U (chunk) }, 5);
}
