/* conv.c - convolutions: packing, checks, choice of kernel
 *
 * Weights are packed once as [out / 32][ky][kx][in][32], for both families; the last panel is filled
 * with zeros. The bias is padded to whole panels and followed by zeros, which the cpu kernels read
 * wherever a tap falls outside the picture.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/conv-private.h"

#include <string.h>

#include "compute/memory.h"
#include "compute/ops/onednn.h"
#include "compute/ops/provider.h"

#define PANEL DESCRY_CONV_PANEL
#define TILE 12 /* pixels of the cpu kernel's tile */
#define FEW 4 /* input channels up to which a border pays */

void
descry_conv_same (DescryConvShape *shape,
                  guint            height,
                  guint            width)
{
  guint reach = MAX (shape->dilation, 1) * (shape->kernel - 1) + 1;
  guint rows = (height + shape->stride - 1) / shape->stride, cols = (width + shape->stride - 1) / shape->stride;
  int down = MAX ((int) ((rows - 1) * shape->stride + reach) - (int) height, 0);
  int across = MAX ((int) ((cols - 1) * shape->stride + reach) - (int) width, 0);

  shape->pad_top = down / 2;
  shape->pad_bottom = down - down / 2;
  shape->pad_left = across / 2;
  shape->pad_right = across - across / 2;
}

static void
pack_panels (float       *packed,
             const float *weights,
             guint        out,
             guint        in,
             guint        taps,
             gsize        values)
{
  guint o, i, t;

  for (o = 0; o < out; o++)
    {
      float *panel = packed + (gsize) (o / PANEL) * values * PANEL + o % PANEL;

      for (t = 0; t < taps; t++)
        for (i = 0; i < in; i++)
          panel[((gsize) t * in + i) * PANEL] = weights[((gsize) o * in + i) * taps + t];
    }
}

static gboolean
upload (DescryDevice *device,
        DescryTensor *tensor,
        const float  *values,
        gsize         count,
        GError      **error)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  guint shape[] = { count };

  if (!descry_tensor_alloc (device, tensor, DESCRY_F32, 1, shape, error))
    return FALSE;
  descry_run_write (run, *tensor, values, count);
  return descry_run_finish (run, error);
}

/* The bias, and zeros that the kernels read where a tap falls outside the picture. */
static gboolean
pack_bias (DescryConv   *conv,
           const float  *bias,
           GError      **error)
{
  guint unit = conv->shape.depthwise ? 16 : PANEL;
  gsize padded = ((gsize) conv->out + unit - 1) / unit * unit, count = padded + (conv->shape.depthwise ? padded : conv->in + 1);
  float *packed = descry_try_alloc (count, sizeof (float));
  gboolean ok;

  if (packed == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the bias", conv->name);
      return FALSE;
    }

  if (bias != NULL)
    memcpy (packed, bias, conv->out * sizeof (float));
  ok = upload (conv->device, &conv->bias, packed, count, error);
  descry_free (packed);

  return ok;
}

/* Packs weights and bias for the own f32 kernels. */
static gboolean
pack (DescryConv   *conv,
      const float  *weights,
      const float  *bias,
      GError      **error)
{
  guint taps = conv->shape.kernel * conv->shape.kernel, unit = conv->shape.depthwise ? 16 : PANEL;
  gsize padded = ((gsize) conv->out + unit - 1) / unit * unit, i;
  gsize values = conv->floats ? descry_tiles_values (conv->in, conv->shape.kernel) : (gsize) taps * (conv->shape.depthwise ? 1 : conv->in);
  gsize count = conv->winograd ? descry_winograd_size (conv->out, conv->in) : padded * values;
  float *packed = descry_try_alloc (count, sizeof (float));
  gboolean ok;

  if (packed == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %" G_GSIZE_FORMAT " weights", conv->name, count);
      return FALSE;
    }

  if (conv->shape.depthwise)
    {
      for (i = 0; i < (gsize) conv->out * taps; i++)
        packed[i % taps * padded + i / taps] = weights[i];
    }
  else if (conv->winograd)
    descry_winograd_pack (packed, weights, conv->out, conv->in);
  else
    pack_panels (packed, weights, conv->out, conv->in, taps, values);
  ok = upload (conv->device, &conv->weights, packed, count, error) && (conv->bias.buffer != NULL || pack_bias (conv, bias, error));
  descry_free (packed);

  return ok;
}

/* Its threads wait by spinning, which the driver's own pay for: between other layers it is slower than kernels that come near
 * the processor's rate. Those that a processor with a matrix unit has do not exist here. */
static gboolean
wants_onednn (const DescryConv *conv)
{
  DescryGemmProvider provider = descry_ops_provider (conv->device);

  return !conv->winograd && provider != DESCRY_GEMM_OWN && descry_onednn_available (conv->device, NULL)
         && (provider == DESCRY_GEMM_ONEDNN || descry_ops_has_matrix_unit () || !descry_floats_available (conv->device));
}

DescryConv *
descry_conv_new (DescryDevice          *device,
                 const char            *name,
                 guint                  out,
                 guint                  in,
                 const DescryConvShape *shape,
                 const float           *weights,
                 const float           *bias,
                 GError               **error)
{
  g_autoptr (DescryConv) conv = NULL;
  gboolean pairs;

  g_return_val_if_fail (out > 0 && in > 0 && shape->kernel > 0 && shape->stride > 0, NULL);

  if (shape->depthwise && in != out)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "%s: a depthwise convolution of %u channels to %u", name, in, out);
      return NULL;
    }

  conv = g_new0 (DescryConv, 1);
  conv->device = device;
  conv->name = g_strdup (name);
  conv->out = out;
  conv->in = in;
  conv->shape = *shape;
  conv->shape.dilation = MAX (shape->dilation, 1);

  pairs = descry_pairs_suits (device, in, shape) && !descry_winograd_better (device, in, shape);
  conv->winograd = !pairs && descry_winograd_suits (device, in, shape);
  if (pairs && !(descry_pairs_pack (conv, weights, error) && pack_bias (conv, bias, error)))
    return NULL;
  conv->floats = !conv->winograd && descry_floats_suits (device, in, shape);
  if (wants_onednn (conv))
    {
      conv->onednn = descry_onednn_conv_new (out, in, shape, weights, bias);
      if (conv->onednn == NULL)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the weights", name);
          return NULL;
        }
    }
  if ((conv->onednn == NULL || (shape->depthwise && shape->bf16)) && !pack (conv, weights, bias, error))
    return NULL;

  return g_steal_pointer (&conv);
}

void
descry_conv_free (DescryConv *conv)
{
  if (conv == NULL)
    return;

  descry_tensor_free (conv->device, &conv->weights);
  descry_tensor_free (conv->device, &conv->bias);
  descry_tensor_free (conv->device, &conv->pairs);
  g_clear_pointer (&conv->onednn, descry_onednn_conv_free);
  g_free (conv->name);
  g_free (conv);
}

/* [h, w, c] is read as [1, h, w, c], [n, c] as [n, 1, 1, c]. */
static void
read_extents (DescryTensor tensor,
              guint       *n,
              guint       *h,
              guint       *w)
{
  *n = tensor.n_dims == 3 ? 1 : tensor.shape[0];
  *h = tensor.n_dims == 2 ? 1 : tensor.shape[tensor.n_dims - 3];
  *w = tensor.n_dims == 2 ? 1 : tensor.shape[tensor.n_dims - 2];
}

static gboolean
check_call (DescryRun        *run,
            const DescryConv *conv,
            DescryConvCall             *call)
{
  const DescryConvShape *s = &call->shape;
  guint reach = s->dilation * (s->kernel - 1) + 1, n, down, across;

  if (call->x.n_dims < 2 || call->y.n_dims < 2 || call->x.type != DESCRY_F32 || call->y.type != DESCRY_F32)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: a convolution wants f32 [n, h, w, c], [h, w, c] or [n, c]", conv->name);
      return FALSE;
    }

  read_extents (call->x, &call->n, &call->h, &call->w);
  read_extents (call->y, &n, &call->oh, &call->ow);
  down = call->h + s->pad_top + s->pad_bottom;
  across = call->w + s->pad_left + s->pad_right;
  if (n != call->n || descry_tensor_cols (call->x) != conv->in || descry_tensor_cols (call->y) != conv->out
      || down < reach || across < reach || call->oh != (down - reach) / s->stride + 1 || call->ow != (across - reach) / s->stride + 1
      || (call->residual.buffer != NULL && (descry_tensor_cols (call->residual) != conv->out || descry_tensor_rows (call->residual) != descry_tensor_rows (call->y))))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: %u×%u×%u×%u to %u×%u×%u×%u does not fit a %u×%u kernel of %u to %u channels, stride %u, dilation %u",
                       conv->name, call->n, call->h, call->w, descry_tensor_cols (call->x), n, call->oh, call->ow, descry_tensor_cols (call->y),
                       s->kernel, s->kernel, conv->in, conv->out, s->stride, s->dilation);
      return FALSE;
    }

  return TRUE;
}

/* A buffer argument must be there even if nothing reads it. */
static DescryTensor
residual_or_bias (const DescryConv *conv,
                  const DescryConvCall       *call)
{
  return call->residual.buffer != NULL ? call->residual : conv->bias;
}

static void
run_depthwise (DescryRun        *run,
               const DescryConv *conv,
               const DescryConvCall       *call)
{
  DescryTensor other = residual_or_bias (conv, call);
  gboolean cpu = descry_device_family (conv->device) == DESCRY_FAMILY_CPU;
  guint rows = call->n * call->oh;
  gsize global[] = { cpu ? rows : (gsize) rows * call->ow * conv->out }, local[] = { cpu ? 1 : 64 };
  const DescryArg args[] = {
    DESCRY_T (call->y), DESCRY_U (call->y.pitch), DESCRY_T (call->x), DESCRY_U (call->x.pitch),
    DESCRY_T (conv->weights), DESCRY_T (conv->bias), DESCRY_T (other), DESCRY_U (other.pitch), DESCRY_U (call->residual.buffer != NULL),
    DESCRY_U (call->h), DESCRY_U (call->w), DESCRY_U (conv->out), DESCRY_U (call->oh), DESCRY_U (call->ow), DESCRY_U (rows),
    DESCRY_U (call->shape.kernel), DESCRY_U (call->shape.stride), DESCRY_U (call->shape.dilation),
    DESCRY_I (call->shape.pad_top), DESCRY_I (call->shape.pad_left), DESCRY_U (call->act)
  };

  descry_run_launch (run, descry_run_kernel (run, "conv_depthwise", NULL), 1, global, local, args, G_N_ELEMENTS (args));
}

static void
run_local (DescryRun        *run,
           const DescryConv *conv,
           const DescryConvCall       *call)
{
  DescryTensor other = residual_or_bias (conv, call);
  guint pixels = call->n * call->oh * call->ow;
  gsize global[] = { (gsize) (pixels + 31) / 32 * 64, (conv->out + PANEL - 1) / PANEL }, local[] = { 64, 1 };
  const DescryArg args[] = {
    DESCRY_T (call->y), DESCRY_U (call->y.pitch), DESCRY_T (call->x), DESCRY_U (call->x.pitch),
    DESCRY_T (conv->weights), DESCRY_T (conv->bias), DESCRY_T (other), DESCRY_U (other.pitch), DESCRY_U (call->residual.buffer != NULL),
    DESCRY_U (call->h), DESCRY_U (call->w), DESCRY_U (conv->in), DESCRY_U (call->ow), DESCRY_U (call->oh * call->ow), DESCRY_U (pixels),
    DESCRY_U (conv->out), DESCRY_U (call->shape.kernel), DESCRY_U (call->shape.stride), DESCRY_U (call->shape.dilation),
    DESCRY_I (call->shape.pad_top), DESCRY_I (call->shape.pad_left), DESCRY_U (call->act)
  };

  descry_run_launch (run, descry_run_kernel (run, "conv_local", NULL), 2, global, local, args, G_N_ELEMENTS (args));
}

static void
run_tiles (DescryRun        *run,
           const DescryConv *conv,
           const DescryConvCall       *call)
{
  DescryTensor other = residual_or_bias (conv, call), x = call->x, bordered = { 0 };
  guint kernel = call->shape.kernel, kw = kernel, in = conv->in, h = call->h, w = call->w;
  int pad_top = call->shape.pad_top, pad_left = call->shape.pad_left;
  guint pixels = call->n * call->oh * call->ow, tiles = (pixels + TILE - 1) / TILE, all = (conv->out + PANEL - 1) / PANEL;
  guint units = MAX (descry_device_info (conv->device)->compute_units, 1), panels, chunk;
  gsize panel_bytes = (gsize) kernel * kernel * in * PANEL * sizeof (float), global[2], local[] = { 1, 1 };

  if (in <= FEW && kernel > 1 && call->shape.dilation == 1)
    {
      guint bh = h + call->shape.pad_top + call->shape.pad_bottom, bw = w + call->shape.pad_left + call->shape.pad_right, rows = call->n * bh;

      bordered = descry_run_tensor4 (run, call->n, bh, bw, in);
      descry_run_launch (run, descry_run_kernel (run, "conv_border", NULL), 1, (gsize[]) { rows }, local,
                         (DescryArg[]) { DESCRY_T (bordered), DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_U (h), DESCRY_U (w), DESCRY_U (in),
                                         DESCRY_U (bh), DESCRY_U (bw), DESCRY_U (rows), DESCRY_I (pad_top), DESCRY_I (pad_left) },
                         11);
      /* A row of taps has become one tap of more channels. */
      x = bordered;
      h = bh;
      w = bw;
      in *= kernel;
      kw = 1;
      pad_top = pad_left = 0;
    }

  /* Panels that fit the second-level cache together are made tile by tile, so that x is read once. */
  panels = CLAMP ((256 * 1024) / panel_bytes, 1, all);
  /* An item is long enough to hide its start, and there are several for each unit. */
  chunk = CLAMP ((guint) (400000 / ((gsize) kernel * kernel * conv->in * panels * 24)), 1, 64);
  chunk = CLAMP (tiles / (units * 4), 1, chunk);
  global[0] = (tiles + chunk - 1) / chunk;
  global[1] = (all + panels - 1) / panels;

  {
    const DescryArg args[] = {
      DESCRY_T (call->y), DESCRY_U (call->y.pitch), DESCRY_T (x), DESCRY_U (x.pitch),
      DESCRY_T (conv->weights), DESCRY_T (conv->bias), DESCRY_T (other), DESCRY_U (other.pitch), DESCRY_U (call->residual.buffer != NULL),
      DESCRY_U (h), DESCRY_U (w), DESCRY_U (in), DESCRY_U (call->ow), DESCRY_U (call->oh * call->ow), DESCRY_U (pixels),
      DESCRY_U (conv->out), DESCRY_U (kernel), DESCRY_U (kw), DESCRY_U (call->shape.stride), DESCRY_U (call->shape.dilation),
      DESCRY_I (pad_top), DESCRY_I (pad_left), DESCRY_U (call->act), DESCRY_U (chunk), DESCRY_U (panels)
    };

    descry_run_launch (run, descry_run_kernel (run, "conv_tiles", NULL), 2, global, local, args, G_N_ELEMENTS (args));
  }
  descry_run_release (run, &bordered);
}

/* FALSE: the own kernels do it, and what they read is there. */
static gboolean
try_onednn (DescryRun  *run,
            DescryConv *conv,
            const DescryConvCall *call)
{
  /* Where the own kernels round: rounding depthwise layers and the first ones too costs EfficientNet ten times the error. */
  gboolean short_products = conv->shape.bf16 && !conv->shape.depthwise && conv->in >= 16 && descry_ops_fast (conv->device);
  GError *error = NULL;
  const float *weights, *bias;

  if (conv->onednn == NULL)
    return FALSE;
  if (descry_ops_provider (conv->device) != DESCRY_GEMM_OWN
      && descry_onednn_conv (run, call->y, call->x, conv->onednn, &call->shape, call->act, call->residual, short_products))
    return TRUE;

  if (conv->weights.buffer == NULL)
    {
      weights = descry_onednn_conv_weights (conv->onednn, &bias);
      if (!pack (conv, weights, bias, &error))
        descry_run_take (run, error);
    }
  return FALSE;
}

void
op_conv (DescryRun             *run,
         DescryTensor           y,
         DescryTensor           x,
         DescryConv            *conv,
         const DescryConvShape *shape,
         DescryActivation       act,
         DescryTensor           residual)
{
  DescryConvCall call = { .x = x, .y = y, .residual = residual, .act = act, .shape = conv->shape };
  DescryTiles tiles;

  if (!descry_run_ok (run))
    return;

  /* The transformed weights are for one padding, that of the same size. */
  if (shape != NULL && !conv->winograd)
    {
      call.shape.pad_top = shape->pad_top;
      call.shape.pad_left = shape->pad_left;
      call.shape.pad_bottom = shape->pad_bottom;
      call.shape.pad_right = shape->pad_right;
    }
  if (!check_call (run, conv, &call))
    return;
  descry_run_spend (run, 2.0 * descry_tensor_count (y) * call.shape.kernel * call.shape.kernel * (call.shape.depthwise ? 1 : conv->in), 0.0);
  tiles = descry_tiles_wanted (conv);
  if (tiles != DESCRY_TILES_PAIRS && try_onednn (run, conv, &call))
    return;

  if (tiles != DESCRY_TILES_NONE || conv->floats)
    descry_tiles_run (run, tiles == DESCRY_TILES_PAIRS ? tiles : DESCRY_TILES_FLOATS, conv, &call, NULL, DESCRY_ACT_NONE);
  else if (conv->winograd)
    descry_winograd_run (run, conv, &call);
  else if (conv->shape.depthwise)
    run_depthwise (run, conv, &call);
  else if (descry_device_family (conv->device) == DESCRY_FAMILY_CPU)
    run_tiles (run, conv, &call);
  else
    run_local (run, conv, &call);
}

/* What @conv makes of @x, padded as it says or as TensorFlow's SAME. */
static DescryTensor
make_output (DescryRun        *run,
             DescryTensor      x,
             const DescryConv *conv,
             guint             out,
             gboolean          same,
             DescryConvShape  *shape)
{
  guint extents[4], n, h, w, reach = conv->shape.dilation * (conv->shape.kernel - 1) + 1;

  *shape = conv->shape;
  read_extents (x, &n, &h, &w);
  if (same)
    descry_conv_same (shape, h, w);
  /* A picture smaller than the kernel is refused later. */
  extents[0] = n;
  extents[1] = h + shape->pad_top + shape->pad_bottom < reach ? 1 : (h + shape->pad_top + shape->pad_bottom - reach) / shape->stride + 1;
  extents[2] = w + shape->pad_left + shape->pad_right < reach ? 1 : (w + shape->pad_left + shape->pad_right - reach) / shape->stride + 1;
  extents[3] = out;
  if (x.n_dims == 2)
    extents[1] = out;

  return descry_run_tensor (run, DESCRY_F32, x.n_dims, x.n_dims == 3 ? extents + 1 : extents);
}

DescryTensor
op_conv_alloc (DescryRun        *run,
               DescryTensor      x,
               DescryConv       *conv,
               gboolean          same,
               DescryActivation  act,
               DescryTensor      residual)
{
  DescryConvShape shape;
  DescryTensor y = { 0 };

  if (!descry_run_ok (run) || x.n_dims < 2)
    return y;

  y = make_output (run, x, conv, conv->out, same, &shape);
  op_conv (run, y, x, conv, &shape, act, residual);

  return y;
}

DescryTensor
op_conv_separable (DescryRun        *run,
                   DescryTensor      x,
                   DescryConv       *wide,
                   DescryConv       *point,
                   gboolean          same,
                   DescryActivation  wide_act,
                   DescryActivation  act,
                   DescryTensor      residual)
{
  DescryConvCall call = { .x = x, .residual = residual, .act = act };
  DescryTiles tiles = descry_tiles_separable (wide, point);
  DescryTensor deep;

  if (!descry_run_ok (run) || x.n_dims < 3 || tiles == DESCRY_TILES_NONE || descry_tensor_cols (x) != wide->in)
    {
      deep = op_conv_alloc (run, x, wide, same, wide_act, (DescryTensor) { 0 });
      call.y = op_conv_alloc (run, deep, point, FALSE, act, residual);
      descry_run_release (run, &deep);
      return call.y;
    }

  call.y = make_output (run, x, wide, point->out, same, &call.shape);
  if (!descry_run_ok (run))
    return call.y;
  read_extents (x, &call.n, &call.h, &call.w);
  read_extents (call.y, &call.n, &call.oh, &call.ow);
  if (call.h + call.shape.pad_top + call.shape.pad_bottom < call.shape.dilation * (call.shape.kernel - 1) + 1
      || call.w + call.shape.pad_left + call.shape.pad_right < call.shape.dilation * (call.shape.kernel - 1) + 1
      || (residual.buffer != NULL && (descry_tensor_cols (residual) != point->out || descry_tensor_rows (residual) != descry_tensor_rows (call.y))))
    descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s, %s: %u×%u×%u×%u does not fit", wide->name, point->name, call.n, call.h, call.w, wide->in);
  else
    {
      descry_run_spend (run, 2.0 * descry_tensor_rows (call.y) * wide->out * (point->out + wide->shape.kernel * wide->shape.kernel), 0.0);
      descry_tiles_run (run, tiles, point, &call, wide, wide_act);
    }

  return call.y;
}

/* What @conv makes of a map of @h x @w. FALSE: the map is smaller than the kernel. */
static gboolean
plan_call (DescryConvCall   *call,
           const DescryConv *conv,
           gboolean          same,
           guint             n,
           guint             h,
           guint             w)
{
  guint reach = conv->shape.dilation * (conv->shape.kernel - 1) + 1, down, across;

  call->shape = conv->shape;
  call->n = n;
  call->h = h;
  call->w = w;
  if (same)
    descry_conv_same (&call->shape, h, w);
  down = h + call->shape.pad_top + call->shape.pad_bottom;
  across = w + call->shape.pad_left + call->shape.pad_right;
  if (down < reach || across < reach)
    return FALSE;

  call->oh = (down - reach) / conv->shape.stride + 1;
  call->ow = (across - reach) / conv->shape.stride + 1;
  return TRUE;
}

DescryTensor
op_conv_inverted (DescryRun        *run,
                  DescryTensor      x,
                  DescryConv       *expand,
                  DescryConv       *wide,
                  DescryConv       *point,
                  gboolean          same,
                  DescryActivation  expand_act,
                  DescryActivation  wide_act,
                  DescryActivation  act,
                  DescryTensor      residual)
{
  DescryConvCall first = { .x = x, .act = expand_act }, deep = { .act = act, .residual = residual };
  DescryTiles tiles = DESCRY_TILES_NONE;
  guint n, h, w, extents[4];
  DescryTensor middle, y;

  if (!descry_run_ok (run) || x.n_dims < 3)
    return (DescryTensor) { 0 };

  read_extents (x, &n, &h, &w);
  if (x.type == DESCRY_F32 && descry_tensor_cols (x) == expand->in && plan_call (&first, expand, same, n, h, w) && plan_call (&deep, wide, same, n, first.oh, first.ow)
      && (residual.buffer == NULL || (descry_tensor_cols (residual) == point->out && descry_tensor_rows (residual) == n * deep.oh * deep.ow)))
    tiles = descry_tiles_inverted (expand, wide, point, &first, &deep);
  if (tiles != DESCRY_TILES_NONE)
    {
      extents[0] = n;
      extents[1] = deep.oh;
      extents[2] = deep.ow;
      extents[3] = point->out;
      y = deep.y = descry_run_tensor (run, DESCRY_F32, x.n_dims, x.n_dims == 3 ? extents + 1 : extents);
      descry_run_spend (run, 2.0 * n * first.oh * first.ow * expand->out * expand->in * expand->shape.kernel * expand->shape.kernel, 0.0);
      descry_run_spend (run, 2.0 * n * deep.oh * deep.ow * wide->out * (point->out + wide->shape.kernel * wide->shape.kernel), 0.0);
      if (descry_run_ok (run))
        descry_tiles_run_inverted (run, tiles, expand, wide, point, &first, &deep, wide_act);
      return y;
    }

  /* What does not fit is reported by these. */
  middle = op_conv_alloc (run, x, expand, same, expand_act, (DescryTensor) { 0 });
  y = op_conv_separable (run, middle, wide, point, same, wide_act, act, residual);
  descry_run_release (run, &middle);
  return y;
}
