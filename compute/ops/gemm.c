/* gemm.c - matrix products: which kernel, which provider
 *
 * Up to DESCRY_FEW_ROWS rows the weight is read in its packed form, once for every four rows; beyond, a packed
 * weight is expanded piece by piece into f32 that stays in the cache, and multiplied from there.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/gemm-private.h"

#include "compute/device/device-private.h"
#include "compute/ops/elementwise.h"
#include "compute/ops/onednn.h"
#include "compute/ops/provider.h"

/* Floats of an expanded piece of a weight: 4 MiB, which the caches of today's processors hold. */
#define PIECE (1u << 20)
/* Tiles and panels of integer products, as in compute/kernels/gemm-ints.cpu.cl. */
#define INTS_ROWS 12
#define INTS_TILE 216
#define INTS_PANEL 320
#define INTS_PIECE (1u << 19) /* ints: 2 MiB of a weight at once */
/* oneDNN makes code for each number of rows, so it gets whole multiples of these and the own kernels the rest. */
#define ONEDNN_ROWS 64

static gboolean
check_epilogue (DescryRun            *run,
                const DescryWeight   *w,
                const DescryEpilogue *e,
                guint                 m,
                guint                 n)
{
  if (e->bias.buffer != NULL && (e->bias.type != DESCRY_F32 || descry_tensor_count (e->bias) != n))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: a bias of %" G_GSIZE_FORMAT " for %u columns", w->name, descry_tensor_count (e->bias), n);
      return FALSE;
    }
  if (e->residual.buffer != NULL && (e->residual.type != DESCRY_F32 || descry_tensor_rows (e->residual) != m || descry_tensor_cols (e->residual) != n))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: a residual of %u×%u for %u×%u",
                       w->name, descry_tensor_rows (e->residual), descry_tensor_cols (e->residual), m, n);
      return FALSE;
    }

  return TRUE;
}

static gboolean
check (DescryRun            *run,
       DescryTensor          c,
       DescryTensor          a,
       const DescryWeight   *w,
       const DescryEpilogue *e,
       guint                 n)
{
  guint m = descry_tensor_rows (a);

  if (!descry_run_ok (run))
    return FALSE;
  if (a.buffer == NULL || c.buffer == NULL || a.type != DESCRY_F32 || c.type != DESCRY_F32
      || descry_tensor_cols (a) != w->k || descry_tensor_cols (c) != n || descry_tensor_rows (c) != m || m == 0)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: %u×%u times %u×%u into %u×%u", w->name,
                       m, descry_tensor_cols (a), w->n, w->k, descry_tensor_rows (c), descry_tensor_cols (c));
      return FALSE;
    }

  return check_epilogue (run, w, e, m, n);
}

static guint
epilogue_flags (const DescryEpilogue *e)
{
  return (e->bias.buffer != NULL ? DESCRY_GEMM_BIAS : 0) | (e->residual.buffer != NULL ? DESCRY_GEMM_RESIDUAL : 0);
}

/* The integer kernels need an instruction that the driver's compiler was not asked for, so the processor is asked here,
 * once, and then the device must compute a known product. */
static gboolean
has_dot (DescryDevice *device)
{
  if (device->dot_product == 0)
    device->dot_product = descry_gemm_probe_dot (device) ? 1 : -1;

  return device->dot_product > 0;
}

static const char *
few_suffix (const DescryWeight *w,
            guint               m)
{
  if (descry_device_family (w->device) == DESCRY_FAMILY_GPU)
    return "";
  if (m > 1)
    return "_4";

  return descry_weight_format_find (w->type)->halves > 0 && w->k <= DESCRY_DOT_MOST
                 && descry_ops_provider (w->device) != DESCRY_GEMM_OWN && has_dot (w->device)
             ? "_dot"
             : "";
}

/* Items for @panels panels: a few a core, so that what an item does once (its norm, its integers) is shared, and in
 * equal shares. */
static guint
share_panels (DescryDevice *device,
              guint         panels)
{
  guint units = MAX (device->info->compute_units, 1), best = 1, least = G_MAXUINT, chunk;

  for (chunk = 1; chunk <= MAX (panels / (2 * units), 1); chunk++)
    {
      guint items = (panels + chunk - 1) / chunk, longest = (items + units - 1) / units * chunk;

      if (longest <= least)
        {
          least = longest;
          best = chunk;
        }
    }

  return (panels + best - 1) / best;
}

static void
launch_few (DescryRun            *run,
            DescryTensor          c,
            DescryTensor          a,
            const DescryWeight   *w,
            const DescryEpilogue *e,
            const DescryFusion   *f)
{
  gboolean cpu = descry_device_family (w->device) == DESCRY_FAMILY_CPU;
  guint m = descry_tensor_rows (a), results = f->pair ? w->n / 2 : w->n;
  guint flags = epilogue_flags (e) | (f->norm.buffer != NULL ? DESCRY_GEMV_NORM : 0) | (f->pair ? DESCRY_GEMV_PAIR : 0) | (f->next.buffer != NULL ? DESCRY_GEMV_NEXT : 0);
  DescryTensor bias = e->bias.buffer != NULL ? e->bias : a, residual = e->residual.buffer != NULL ? e->residual : c;
  DescryTensor norm = f->norm.buffer != NULL ? f->norm : a, next_weight = f->next.buffer != NULL ? f->next_weight : a, next = f->next.buffer != NULL ? f->next : c;
  DescryArg args[] = { DESCRY_B (a.buffer), DESCRY_B (w->data.buffer), DESCRY_B (c.buffer), DESCRY_B (bias.buffer), DESCRY_B (residual.buffer), DESCRY_B (norm.buffer),
                       DESCRY_B (next_weight.buffer), DESCRY_B (next.buffer),
                       DESCRY_U16 (a.offset, a.pitch, c.offset, c.pitch, m, w->n, w->k, flags, bias.offset, residual.offset, residual.pitch, e->act,
                                   norm.offset, norm.pitch, next_weight.offset, next.offset),
                       DESCRY_U (next.pitch), DESCRY_FL (e->scale == 0.0f ? 1.0f : e->scale), DESCRY_FL (f->eps) };
  char name[32];

  g_snprintf (name, sizeof name, "gemv_%s%s", descry_weight_format (w), few_suffix (w, m));
  descry_run_spend (run, 0.0, (double) w->bytes * ((m + 3) / 4));
  descry_run_launch (run, descry_run_kernel (run, name, NULL), 2,
                     cpu ? (gsize[]) { share_panels (w->device, (results + DESCRY_PANEL - 1) / DESCRY_PANEL), m > 1 ? (m + 3) / 4 : 1 } : (gsize[]) { 64 * (gsize) results, m },
                     cpu ? (gsize[]) { 1, 1 } : (gsize[]) { 64, 1 }, args, G_N_ELEMENTS (args));
}

/* The own kernels: columns of c that belong to the f32 panels or rows of @w. */
static void
launch_own (DescryRun            *run,
            DescryTensor          c,
            DescryTensor          a,
            DescryTensor          w,
            const DescryEpilogue *e)
{
  static const struct { guint rows; const char *name; } tiles[] = { { 12, "gemm_12" }, { 8, "gemm_8" }, { 4, "gemm_4" }, { 2, "gemm_2" }, { 1, "gemm_1" } };
  gboolean cpu = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU;
  guint m = descry_tensor_rows (a), n = descry_tensor_cols (c), k = descry_tensor_cols (a);
  DescryTensor bias = e->bias.buffer != NULL ? e->bias : a, residual = e->residual.buffer != NULL ? e->residual : c;
  DescryArg args[] = { DESCRY_T (a), DESCRY_U (a.pitch), DESCRY_T (w), DESCRY_T (c), DESCRY_U (c.pitch), DESCRY_U (m), DESCRY_U (n), DESCRY_U (k),
                       DESCRY_U (epilogue_flags (e)), DESCRY_T (bias), DESCRY_T (residual), DESCRY_U (residual.pitch),
                       DESCRY_U (e->act), DESCRY_FL (e->scale == 0.0f ? 1.0f : e->scale) };
  guint i;

  if (!cpu)
    {
      descry_run_launch (run, descry_run_kernel (run, "gemm_tile", NULL), 2,
                         (gsize[]) { ((gsize) n + 63) / 64 * 16, ((gsize) m + 63) / 64 * 16 }, (gsize[]) { 16, 16 }, args, G_N_ELEMENTS (args));
      return;
    }

  for (i = 0; tiles[i].rows > m; i++)
    ;
  descry_run_launch (run, descry_run_kernel (run, tiles[i].name, NULL), 2,
                     (gsize[]) { (m + tiles[i].rows - 1) / tiles[i].rows, (n + DESCRY_PANEL - 1) / DESCRY_PANEL }, (gsize[]) { 1, 1 }, args, G_N_ELEMENTS (args));
}

/* CLBlast knows no epilogue: a second pass where there is one. */
static gboolean
try_clblast (DescryRun            *run,
             DescryTensor          c,
             DescryTensor          a,
             DescryTensor          w,
             const DescryEpilogue *e)
{
  gboolean plain = e->residual.buffer == NULL;
  float scale = e->scale == 0.0f ? 1.0f : e->scale;
  DescryTensor product = plain ? c : descry_run_tensor2 (run, descry_tensor_rows (a), descry_tensor_cols (c));
  gboolean done;

  done = descry_gemm_clblast (run, product, a, w, descry_tensor_cols (c), descry_tensor_cols (a));
  if (done)
    {
      if (e->bias.buffer != NULL)
        {
          DescryTensor bias = e->bias;

          bias.n_dims = 2;
          bias.shape[1] = bias.pitch = descry_tensor_cols (c);
          bias.shape[0] = 1;
          op_add (run, product, product, bias, e->act);
        }
      else if (e->act != DESCRY_ACT_NONE)
        op_activate (run, product, product, e->act);
      if (scale != 1.0f)
        op_scale (run, product, product, scale);
      if (!plain)
        op_add (run, c, product, e->residual, DESCRY_ACT_NONE);
    }
  if (!plain)
    descry_run_release (run, &product);

  return done;
}

/* A residual, and rows that are not dense, cost another pass. FALSE: nothing was done. */
static gboolean
try_onednn (DescryRun            *run,
            DescryTensor          c,
            DescryTensor          a,
            DescryTensor          w,
            const DescryEpilogue *e)
{
  gboolean dense = a.pitch == descry_tensor_cols (a), direct = e->residual.buffer == NULL && c.pitch == descry_tensor_cols (c);
  DescryTensor x = dense ? a : descry_run_tensor2 (run, descry_tensor_rows (a), descry_tensor_cols (a));
  DescryTensor y = direct ? c : descry_run_tensor2 (run, descry_tensor_rows (c), descry_tensor_cols (c));
  DescryEpilogue plain = *e;
  gboolean done;

  plain.residual = (DescryTensor) { 0 };
  if (!dense)
    op_copy (run, x, a);
  done = descry_onednn_panels (run, y, x, w, &plain);
  if (done && e->residual.buffer != NULL)
    op_add (run, c, y, e->residual, DESCRY_ACT_NONE);
  else if (done && !direct)
    op_copy (run, c, y);
  if (!dense)
    descry_run_release (run, &x);
  if (!direct)
    descry_run_release (run, &y);

  return done;
}

static DescryTensor
row_range (DescryTensor tensor,
           guint        first,
           guint        n)
{
  tensor.shape[1] = descry_tensor_cols (tensor);
  tensor.shape[0] = n;
  tensor.n_dims = 2;
  tensor.offset += first * tensor.pitch;

  return tensor;
}

static void
multiply (DescryRun            *run,
          DescryTensor          c,
          DescryTensor          a,
          DescryTensor          w,
          const DescryEpilogue *e)
{
  guint m = descry_tensor_rows (a), rows = m / ONEDNN_ROWS * ONEDNN_ROWS;
  DescryEpilogue part = *e;

  descry_run_spend (run, 2.0 * m * descry_tensor_cols (c) * descry_tensor_cols (a), 0.0);
  switch (descry_gemm_choose (descry_run_device (run), m, descry_tensor_cols (c), descry_tensor_cols (a)))
    {
    case DESCRY_GEMM_CLBLAST:
      if (try_clblast (run, c, a, w, e))
        return;
      break;
    case DESCRY_GEMM_ONEDNN:
      if (rows == 0)
        break;
      if (part.residual.buffer != NULL)
        part.residual = row_range (e->residual, 0, rows);
      if (!try_onednn (run, row_range (c, 0, rows), row_range (a, 0, rows), w, &part))
        break;
      if (rows == m)
        return;
      if (part.residual.buffer != NULL)
        part.residual = row_range (e->residual, rows, m - rows);
      launch_own (run, row_range (c, rows, m - rows), row_range (a, rows, m - rows), w, &part);
      return;
    case DESCRY_GEMM_AUTO:
    case DESCRY_GEMM_OWN:
    default:
      break;
    }

  launch_own (run, c, a, w, e);
}

/* Whether a weight's larger products are done in integers. */
static gboolean
takes_ints (const DescryWeight *w)
{
  const DescryWeightFormat *format = descry_weight_format_find (w->type);

  return descry_device_family (w->device) == DESCRY_FAMILY_CPU && format->halves > 0 && w->type != DESCRY_GGML_Q6_K
         && descry_ops_provider (w->device) == DESCRY_GEMM_AUTO && has_dot (w->device);
}

/* The rows once, then a few panels at a time, as integers (compute/kernels/gemm-ints.cpu.cl). */
static void
multiply_ints (DescryRun            *run,
               DescryTensor          c,
               DescryTensor          a,
               const DescryWeight   *w,
               const DescryEpilogue *e)
{
  guint m = descry_tensor_rows (a), blocks = w->k / DESCRY_BLOCK, tiles = (m + INTS_ROWS - 1) / INTS_ROWS, panels = (w->n + DESCRY_PANEL - 1) / DESCRY_PANEL;
  guint step = MIN (MAX (INTS_PIECE / (blocks * INTS_PANEL), 1), panels), first;
  DescryTensor input = descry_run_tensor2 (run, tiles, blocks * INTS_TILE);
  /* One size for all weights, so that the pool needs one. */
  DescryTensor piece = descry_run_tensor2 (run, 1, MAX (INTS_PIECE, step * blocks * INTS_PANEL));
  char name[32];

  g_snprintf (name, sizeof name, "ints_%s", descry_weight_format (w));
  descry_run_launch (run, descry_run_kernel (run, "gemm_ints_input", NULL), 2, (gsize[]) { tiles, (blocks + 7) / 8 }, (gsize[]) { 1, 1 },
                     (DescryArg[]) { DESCRY_T (a), DESCRY_U (a.pitch), DESCRY_B (input.buffer), DESCRY_U (m), DESCRY_U (w->k) }, 5);
  for (first = 0; first < panels && descry_run_ok (run); first += step)
    {
      guint n = MIN (step, panels - first), columns = MIN (n * DESCRY_PANEL, w->n - first * DESCRY_PANEL);
      DescryTensor to = descry_tensor_columns (c, first * DESCRY_PANEL, columns);
      DescryTensor bias = e->bias.buffer != NULL ? descry_tensor_columns (e->bias, first * DESCRY_PANEL, columns) : a;
      DescryTensor residual = e->residual.buffer != NULL ? descry_tensor_columns (e->residual, first * DESCRY_PANEL, columns) : c;

      descry_run_spend (run, 2.0 * m * columns * w->k, 0.0);
      descry_run_launch (run, descry_run_kernel (run, name, NULL), 2, (gsize[]) { blocks, n }, (gsize[]) { 1, 1 },
                         (DescryArg[]) { DESCRY_B (w->data.buffer), DESCRY_B (piece.buffer), DESCRY_U (w->n), DESCRY_U (w->k), DESCRY_U (first * DESCRY_PANEL), DESCRY_U (n) }, 6);
      descry_run_launch (run, descry_run_kernel (run, "gemm_ints", NULL), 2, (gsize[]) { tiles, n }, (gsize[]) { 1, 1 },
                         (DescryArg[]) { DESCRY_B (input.buffer), DESCRY_B (piece.buffer), DESCRY_T (to), DESCRY_U (to.pitch), DESCRY_U (m), DESCRY_U (columns), DESCRY_U (blocks),
                                         DESCRY_U (epilogue_flags (e)), DESCRY_T (bias), DESCRY_T (residual), DESCRY_U (residual.pitch), DESCRY_U (e->act),
                                         DESCRY_FL (e->scale == 0.0f ? 1.0f : e->scale), DESCRY_U (descry_weight_format_find (w->type)->halves == 2) }, 14); /* a scale and a minimum */
    }
  descry_run_release (run, &input);
  descry_run_release (run, &piece);
}

/* Larger products with a weight that is not f32: a few panels or rows at a time. */
static void
multiply_expanded (DescryRun            *run,
                   DescryTensor          c,
                   DescryTensor          a,
                   const DescryWeight   *w,
                   const DescryEpilogue *e)
{
  gboolean cpu = descry_device_family (w->device) == DESCRY_FAMILY_CPU;
  guint depth = (w->k + 31) / 32 * 32;
  guint step = MAX (PIECE / depth / DESCRY_PANEL, 1) * DESCRY_PANEL;
  DescryTensor piece = descry_run_tensor2 (run, MIN (step, (w->n + DESCRY_PANEL - 1) / DESCRY_PANEL * DESCRY_PANEL), depth);
  char name[32];
  guint first;

  g_snprintf (name, sizeof name, "expand_%s", descry_weight_format (w));
  for (first = 0; first < w->n && descry_run_ok (run); first += step)
    {
      guint columns = MIN (step, w->n - first), rows = cpu ? (columns + DESCRY_PANEL - 1) / DESCRY_PANEL : columns;
      DescryEpilogue part = *e;

      descry_run_launch (run, descry_run_kernel (run, name, NULL), 2, (gsize[]) { depth / 32, rows }, cpu ? (gsize[]) { 1, 1 } : (gsize[]) { 64, 1 },
                         (DescryArg[]) { DESCRY_B (w->data.buffer), DESCRY_B (piece.buffer), DESCRY_U (w->n), DESCRY_U (w->k), DESCRY_U (first), DESCRY_U (rows) }, 6);
      if (e->bias.buffer != NULL)
        part.bias = descry_tensor_columns (e->bias, first, columns);
      if (e->residual.buffer != NULL)
        part.residual = descry_tensor_columns (e->residual, first, columns);
      multiply (run, descry_tensor_columns (c, first, columns), a, piece, &part);
    }
  descry_run_release (run, &piece);
}

void
op_gemm (DescryRun            *run,
         DescryTensor          c,
         DescryTensor          a,
         const DescryWeight   *w,
         const DescryEpilogue *epilogue)
{
  DescryEpilogue plain = { 0 };
  DescryFusion none = { 0 };

  if (epilogue == NULL)
    epilogue = &plain;
  if (!check (run, c, a, w, epilogue, w->n))
    return;

  if (w->type == DESCRY_GGML_F32 && (descry_tensor_rows (a) > 1 || descry_device_family (w->device) == DESCRY_FAMILY_CPU))
    multiply (run, c, a, w->data, epilogue);
  else if (descry_tensor_rows (a) <= DESCRY_FEW_ROWS)
    launch_few (run, c, a, w, epilogue, &none);
  else if (takes_ints (w))
    multiply_ints (run, c, a, w, epilogue);
  else
    multiply_expanded (run, c, a, w, epilogue);
}

void
op_gemm_fused (DescryRun            *run,
               DescryTensor          c,
               DescryTensor          a,
               const DescryWeight   *w,
               const DescryEpilogue *epilogue,
               const DescryFusion   *fusion)
{
  DescryEpilogue plain = { 0 };
  guint m = descry_tensor_rows (a), n = fusion->pair ? w->n / 2 : w->n;

  if (epilogue == NULL)
    epilogue = &plain;
  if (!check (run, c, a, w, epilogue, n))
    return;
  if (m > DESCRY_FEW_ROWS
      || (fusion->pair && w->n % (2 * DESCRY_PANEL) != 0)
      || (fusion->norm.buffer != NULL && (descry_tensor_rows (fusion->norm) != m || descry_tensor_cols (fusion->norm) != w->k))
      || (fusion->next.buffer != NULL && (descry_tensor_rows (fusion->next) != m || descry_tensor_cols (fusion->next) != n || descry_tensor_count (fusion->next_weight) != n)))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: %u rows of %u cannot be fused so", w->name, m, n);
      return;
    }

  launch_few (run, c, a, w, epilogue, fusion);
}

void
op_embed (DescryRun          *run,
          DescryTensor        out,
          DescryTensor        ids,
          const DescryWeight *w)
{
  gboolean cpu = descry_device_family (w->device) == DESCRY_FAMILY_CPU;
  guint m = descry_tensor_count (ids);
  char name[32];

  if (!descry_run_ok (run))
    return;
  if (ids.type != DESCRY_I32 || out.type != DESCRY_F32 || descry_tensor_rows (out) != m || descry_tensor_cols (out) != w->k)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: %u ids into %u×%u", w->name, m, descry_tensor_rows (out), descry_tensor_cols (out));
      return;
    }

  g_snprintf (name, sizeof name, "embed_%s", descry_weight_format (w));
  descry_run_launch (run, descry_run_kernel (run, name, NULL), 2, cpu ? (gsize[]) { m, 1 } : (gsize[]) { (w->k + 31) / 32, m }, cpu ? (gsize[]) { 1, 1 } : (gsize[]) { 64, 1 },
                     (DescryArg[]) { DESCRY_T (ids), DESCRY_B (w->data.buffer), DESCRY_T (out), DESCRY_U (out.pitch), DESCRY_U (m), DESCRY_U (w->n), DESCRY_U (w->k) }, 7);
}

void
descry_gemm_force (DescryDevice      *device,
                   DescryGemmProvider provider)
{
  device->gemm_provider = provider;
}
