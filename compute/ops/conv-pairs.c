/* conv-pairs.c - convolutions whose tiles are products in fixed registers, cpu family
 *
 * In bfloat16 the weights are packed once as [out / 32][k * k * in / 2][32] pairs; in f32 they are those of the other own
 * kernels. The kernels round or copy what they read themselves, so that tensors stay f32; a depthwise convolution in front
 * is computed on the way.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/conv-private.h"

#include <string.h>

#include "compute/device/device-private.h"
#include "compute/memory.h"
#include "compute/ops/provider.h"

#define PANEL DESCRY_CONV_PANEL
#define TILE 14
#define FEW 4 /* channels of a first layer */
#define LONG_ENOUGH 30000 /* cycles of an item that hide its start */
#define ITEMS_PER_UNIT 8
#define MIN_FUSED (1024 * 1024) /* bytes of a map */
#define MAX_RING (512 * 1024) /* half of a core's second cache */

static gboolean
runs_here (DescryDevice *device)
{
  return device->family == DESCRY_FAMILY_CPU && (device->info->type & CL_DEVICE_TYPE_CPU) != 0 && device->info->unified;
}

/* The kernels hold instructions that an older processor would die of. */
static gboolean
processor_has_floats (void)
{
#if defined (__x86_64__) && defined (__GNUC__)
  return __builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512bw");
#else
  return FALSE;
#endif
}

static gboolean
processor_has_pairs (void)
{
#if defined (__x86_64__) && defined (__GNUC__)
  return processor_has_floats () && __builtin_cpu_supports ("avx512bf16");
#else
  return FALSE;
#endif
}

/* Small whole numbers all the way, so that the answer has one right value. */
static gboolean
multiplies_rightly (DescryDevice *device,
                    gboolean      pairs)
{
  const DescryConvShape shape = { .kernel = 1, .stride = 1, .bf16 = pairs };
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (DescryConv) conv = NULL;
  float weights[8 * 24], x[3 * 24], found[3 * 8] = { 0 };
  DescryTensor tx, ty;
  guint row, out, i;

  for (i = 0; i < G_N_ELEMENTS (weights); i++)
    weights[i] = (float) ((int) (i * 37 % 29) - 14);
  for (i = 0; i < G_N_ELEMENTS (x); i++)
    x[i] = (float) ((int) (i * 53 % 31) - 15);

  conv = descry_conv_new (device, "probe", 8, 24, &shape, weights, NULL, NULL);
  if (conv == NULL)
    return FALSE;
  tx = descry_run_tensor2 (run, 3, 24);
  ty = descry_run_tensor2 (run, 3, 8);
  descry_run_write (run, tx, x, G_N_ELEMENTS (x));
  op_conv (run, ty, tx, conv, NULL, DESCRY_ACT_NONE, (DescryTensor) { 0 });
  descry_run_read (run, ty, found, G_N_ELEMENTS (found));
  if (!descry_run_finish (run, NULL))
    return FALSE;

  for (row = 0; row < 3; row++)
    for (out = 0; out < 8; out++)
      {
        float expected = 0.0f;

        for (i = 0; i < 24; i++)
          expected += weights[out * 24 + i] * x[row * 24 + i];
        if (found[row * 8 + out] != expected)
          return FALSE;
      }

  return TRUE;
}

/* @state: of the device; 0 not probed, 1 usable, -1 not. */
static gboolean
probe (DescryDevice *device,
       int          *state,
       gboolean      possible,
       gboolean      pairs)
{
  if (*state == 0)
    {
      *state = -1;
      if (possible && runs_here (device) && descry_device_kernel (device, pairs ? "conv_pairs" : "conv_floats", NULL, NULL) != NULL)
        {
          *state = 1;
          if (!multiplies_rightly (device, pairs))
            {
              g_message ("%s: the %s kernels of convolutions are switched off: a wrong product", device->info->name, pairs ? "bfloat16" : "f32 tile");
              *state = -1;
            }
        }
    }

  return *state > 0;
}

gboolean
descry_pairs_available (DescryDevice *device)
{
  return probe (device, &device->pair_product, processor_has_pairs () && !descry_ops_has_matrix_unit (), TRUE);
}

gboolean
descry_floats_available (DescryDevice *device)
{
  return probe (device, &device->float_product, processor_has_floats (), FALSE);
}

/* Values that a pixel's products take; the first layer's few channels make one run of all taps. */
guint
descry_tiles_values (guint in,
                     guint kernel)
{
  guint values = kernel * kernel * in;

  return in < 8 ? (values + 15) / 16 * 16 : values;
}

static gsize
local_bytes (guint       values,
             DescryTiles tiles)
{
  return (gsize) TILE * values * (tiles == DESCRY_TILES_PAIRS ? sizeof (guint16) : sizeof (float));
}

static gboolean
suits (DescryDevice          *device,
       guint                  in,
       const DescryConvShape *shape,
       guint                  unit,
       DescryTiles            tiles)
{
  return !shape->depthwise && ((in >= 16 && in % unit == 0) || (in <= FEW && shape->kernel > 1))
         && local_bytes (descry_tiles_values (in, shape->kernel), tiles) <= MIN (device->info->local_memory, 256 * 1024);
}

gboolean
descry_pairs_suits (DescryDevice          *device,
                    guint                  in,
                    const DescryConvShape *shape)
{
  return shape->bf16 && suits (device, in, shape, 8, DESCRY_TILES_PAIRS) && descry_pairs_available (device);
}

gboolean
descry_floats_suits (DescryDevice          *device,
                     guint                  in,
                     const DescryConvShape *shape)
{
  return suits (device, in, shape, 4, DESCRY_TILES_FLOATS) && descry_floats_available (device);
}

DescryTiles
descry_tiles_wanted (const DescryConv *conv)
{
  if (conv->pairs.buffer != NULL && descry_ops_fast (conv->device) && descry_ops_provider (conv->device) == DESCRY_GEMM_AUTO)
    return DESCRY_TILES_PAIRS;

  return conv->floats && conv->onednn == NULL ? DESCRY_TILES_FLOATS : DESCRY_TILES_NONE;
}

DescryTiles
descry_tiles_separable (const DescryConv *wide,
                        const DescryConv *point)
{
  DescryTiles tiles = descry_tiles_wanted (point);
  guint k = wide->shape.kernel;

  return wide->shape.depthwise && (k == 3 || k == 5) && wide->out >= 16 && wide->out % (tiles == DESCRY_TILES_PAIRS ? 8 : 4) == 0 && wide->weights.buffer != NULL
             && point->shape.kernel * point->shape.stride == 1 && point->in == wide->out
           ? tiles
           : DESCRY_TILES_NONE;
}

/* Rounded to the nearest, ties to even; the weights are finite. */
static guint16
to_bf16 (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

gboolean
descry_pairs_pack (DescryConv   *conv,
                   const float  *weights,
                   GError      **error)
{
  guint taps = conv->shape.kernel * conv->shape.kernel, panels = (conv->out + PANEL - 1) / PANEL, o, t, i;
  gsize values = descry_tiles_values (conv->in, conv->shape.kernel), count = values / 2 * PANEL * panels;
  guint shape[] = { count };
  guint16 *packed = descry_try_alloc (count, sizeof (guint32)); /* zeros where a panel or a run is not full */
  g_autoptr (DescryRun) run = NULL;
  gboolean ok;

  if (packed == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %" G_GSIZE_FORMAT " weights", conv->name, count * 2);
      return FALSE;
    }

  for (o = 0; o < conv->out; o++)
    for (t = 0; t < taps; t++)
      for (i = 0; i < conv->in; i++)
        {
          gsize at = (gsize) t * conv->in + i;

          packed[(((gsize) (o / PANEL) * values / 2 + at / 2) * PANEL + o % PANEL) * 2 + at % 2] = to_bf16 (weights[((gsize) o * conv->in + i) * taps + t]);
        }

  run = descry_run_new (conv->device, NULL);
  ok = descry_tensor_alloc (conv->device, &conv->pairs, DESCRY_I32, 1, shape, error);
  if (ok)
    {
      descry_run_write (run, conv->pairs, packed, count);
      ok = descry_run_finish (run, error);
    }
  descry_free (packed);

  return ok;
}

void
descry_tiles_run (DescryRun            *run,
                  DescryTiles           tiles,
                  const DescryConv     *conv,
                  const DescryConvCall *call,
                  const DescryConv     *wide,
                  DescryActivation      wide_act)
{
  static const char *const names[2][2] = { { "conv_floats", "conv_depthwise_floats" }, { "conv_pairs", "conv_depthwise_pairs" } };
  const gboolean pairs = tiles == DESCRY_TILES_PAIRS;
  DescryTensor other = call->residual.buffer != NULL ? call->residual : conv->bias;
  guint pixels = call->n * call->oh * call->ow, n_tiles = (pixels + TILE - 1) / TILE, all = (conv->out + PANEL - 1) / PANEL;
  guint units = MAX (conv->device->info->compute_units, 1), panels = all, least, chunk;
  guint values = descry_tiles_values (conv->in, wide != NULL ? 1 : conv->shape.kernel);
  guint taps = wide != NULL ? wide->shape.kernel * wide->shape.kernel : 1;
  gsize global[2], local[] = { 1, 1 }, cycles;

  /* A tile is made once where there are enough of them; few are made several times, for some panels each. What comes
   * out of a depthwise convolution is too dear for that. */
  least = units * (wide != NULL ? 2 : ITEMS_PER_UNIT);
  while (panels > 2 && (gsize) n_tiles * ((all + panels - 1) / panels) < least)
    panels = (panels + 1) / 2;
  cycles = (gsize) TILE * values * panels * (pairs ? 1 : 2) + (gsize) TILE * values * (taps + 3) / 16;
  chunk = MIN (LONG_ENOUGH / cycles + 1, MAX (n_tiles / (units * ITEMS_PER_UNIT), 1));
  global[0] = (n_tiles + chunk - 1) / chunk;
  global[1] = (all + panels - 1) / panels;

  {
    const DescryArg args[] = {
      DESCRY_T (call->y), DESCRY_U (call->y.pitch), DESCRY_T (call->x), DESCRY_U (call->x.pitch),
      DESCRY_T (pairs ? conv->pairs : conv->weights), DESCRY_T (conv->bias), DESCRY_T (other), DESCRY_U (other.pitch), DESCRY_U (call->residual.buffer != NULL),
      DESCRY_U (call->h), DESCRY_U (call->w), DESCRY_U (conv->in), DESCRY_U (call->ow), DESCRY_U (call->oh * call->ow), DESCRY_U (pixels),
      DESCRY_U (conv->out), DESCRY_U (call->shape.kernel), DESCRY_U (call->shape.stride), DESCRY_U (call->shape.dilation),
      DESCRY_I (call->shape.pad_top), DESCRY_I (call->shape.pad_left), DESCRY_U (call->act), DESCRY_U (chunk), DESCRY_U (panels),
      DESCRY_LOCAL (local_bytes (values, tiles)),
      DESCRY_T (wide != NULL ? wide->weights : conv->bias), DESCRY_T (wide != NULL ? wide->bias : conv->bias), DESCRY_U (wide_act)
    };

    descry_run_launch (run, descry_run_kernel (run, names[pairs][wide != NULL], NULL), 2, global, local, args,
                       wide != NULL ? G_N_ELEMENTS (args) : G_N_ELEMENTS (args) - 3);
  }
}

/* Channels of the wide map in local memory. */
static guint
padded (const DescryConv *wide)
{
  return (wide->out + 15) / 16 * 16;
}

/* Columns of a row of the wide map in local memory: whole tiles, and what the last output reads. */
static guint
ring_columns (const DescryConvCall *deep,
              const DescryConvShape *wide,
              guint                  mw)
{
  return MAX (wide->pad_left + (mw + TILE - 1) / TILE * TILE, (deep->ow - 1) * wide->stride + wide->kernel);
}

/* A wide map that leaves the caches is not worth writing; a small one would be made twice at the ends of the bands. The
 * widening's activation is one of those that its product does in registers. */
DescryTiles
descry_tiles_inverted (const DescryConv     *expand,
                       const DescryConv     *wide,
                       const DescryConv     *point,
                       const DescryConvCall *first,
                       const DescryConvCall *deep)
{
  DescryTiles tiles = descry_tiles_separable (wide, point);
  gsize bytes = (gsize) first->n * first->oh * first->ow * expand->out * sizeof (float);

  return descry_tiles_wanted (expand) == tiles && expand->out == wide->in && bytes >= MIN_FUSED && (first->act <= DESCRY_ACT_LEAKY || first->act == DESCRY_ACT_HARD_SWISH)
             && expand->shape.dilation == 1 && wide->shape.dilation == 1
             && (gsize) deep->shape.kernel * ring_columns (deep, &deep->shape, first->ow) * padded (wide) * sizeof (float)
                  <= MIN (MAX_RING, wide->device->info->local_memory / 2)
           ? tiles
           : DESCRY_TILES_NONE;
}

void
descry_tiles_run_inverted (DescryRun            *run,
                           DescryTiles           tiles,
                           const DescryConv     *expand,
                           const DescryConv     *wide,
                           const DescryConv     *point,
                           const DescryConvCall *first,
                           const DescryConvCall *deep,
                           DescryActivation      wide_act)
{
  const gboolean pairs = tiles == DESCRY_TILES_PAIRS;
  DescryTensor other = deep->residual.buffer != NULL ? deep->residual : point->bias;
  guint c = padded (wide), k = deep->shape.kernel, columns = ring_columns (deep, &deep->shape, first->ow), halo = k > deep->shape.stride ? k - deep->shape.stride : 0;
  guint units = MAX (wide->device->info->compute_units, 1), bands, rows;
  gsize global[2], local[] = { 1, 1 };

  /* The rows that two bands share are made by both. */
  bands = CLAMP (deep->oh / (6 * halo + 1), 1, units * 2);
  if ((gsize) bands * deep->n < units)
    bands = MIN (units, deep->oh);
  rows = (deep->oh + bands - 1) / bands;
  global[0] = (deep->oh + rows - 1) / rows;
  global[1] = deep->n;

  {
    const DescryArg args[] = {
      DESCRY_T (deep->y), DESCRY_U (deep->y.pitch), DESCRY_T (first->x), DESCRY_U (first->x.pitch), DESCRY_T (other), DESCRY_U (other.pitch),
      DESCRY_T (pairs ? expand->pairs : expand->weights), DESCRY_T (expand->bias), DESCRY_T (wide->weights), DESCRY_T (wide->bias), DESCRY_T (pairs ? point->pairs : point->weights), DESCRY_T (point->bias),
      DESCRY_U16 (first->h, first->w, expand->in, first->shape.kernel, first->shape.stride, first->shape.pad_top, first->shape.pad_left, first->act, first->oh,
                  first->ow, columns),
      DESCRY_U16 (wide->out, k, deep->shape.stride, deep->shape.pad_top, deep->shape.pad_left, wide_act, deep->oh, deep->ow, point->out, deep->act, rows,
                  deep->residual.buffer != NULL),
      DESCRY_LOCAL (local_bytes (descry_tiles_values (expand->in, expand->shape.kernel), tiles)), DESCRY_LOCAL (local_bytes (c, tiles)),
      DESCRY_LOCAL ((gsize) k * columns * c * sizeof (float))
    };

    descry_run_launch (run, descry_run_kernel (run, pairs ? "conv_residual_pairs" : "conv_residual_floats", NULL), 2, global, local, args, G_N_ELEMENTS (args));
  }
}
