/* winograd.c - 3 × 3 convolutions with a quarter of the products, cpu family
 *
 * F(4 × 4, 3 × 3): U = G g Gᵀ is packed once as [out / 32][36][in][32]; the kernel does V = Bᵀ d B, the
 * 36 products and Y = Aᵀ M A, with V and M in scratch that stays in the core's cache. Weights take four
 * times the memory of the direct kernel, so that it is for wide maps.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/conv-private.h"

#include "compute/ops/provider.h"

#define PANEL DESCRY_CONV_PANEL
#define POINTS 36
#define TILES 12 /* of a group */
#define LEAST_MAP 12 /* side below which too much of a tile is outside */
#define DEPTH 256 /* input channels at a time, so that their scratch stays in the core's cache */
#define KEPT_PANELS 4 /* whose sums wait for the next channels */
#define CACHE_BYTES (512 * 1024) /* of a core's cache that scratch may take */

/* Scratch of an item: V, its planes a cache line apart, and M. */
static gsize
v_bytes (guint groups,
         guint depth)
{
  return (gsize) POINTS * (groups * TILES * depth + 16) * sizeof (float);
}

static gsize
m_bytes (guint groups,
         guint panels)
{
  return (gsize) groups * POINTS * TILES * PANEL * panels * sizeof (float);
}

gboolean
descry_winograd_suits (DescryDevice          *device,
                       guint                  in,
                       const DescryConvShape *shape)
{
  guint d = MAX (shape->dilation, 1);

  if (descry_onednn_available (device, NULL) && (descry_ops_has_matrix_unit () || descry_ops_provider (device) == DESCRY_GEMM_ONEDNN))
    return FALSE;

  return shape->map >= LEAST_MAP && shape->map / d >= 4 && shape->kernel == 3 && shape->stride == 1 && !shape->depthwise && in % 16 == 0
         && shape->pad_top == d && shape->pad_left == d && shape->pad_bottom == d && shape->pad_right == d
         && descry_device_family (device) == DESCRY_FAMILY_CPU && descry_device_info (device)->local_memory >= v_bytes (1, MIN (in, DEPTH)) + m_bytes (1, in > DEPTH ? KEPT_PANELS : 1);
}

/* On small maps much of the tiles lies outside, and weights are four times those of the direct method in twice the bytes. */
gboolean
descry_winograd_better (DescryDevice          *device,
                        guint                  in,
                        const DescryConvShape *shape)
{
  return shape->map > 16 && descry_winograd_suits (device, in, shape);
}

gsize
descry_winograd_size (guint out,
                      guint in)
{
  return (gsize) (out + PANEL - 1) / PANEL * PANEL * POINTS * in;
}

/* G times three numbers, for a panel of outputs at once. */
static void
transform (double       to[6][PANEL],
           const double a[PANEL],
           const double b[PANEL],
           const double c[PANEL])
{
  guint o;

  for (o = 0; o < PANEL; o++)
    {
      double even = a[o] + c[o], far = a[o] + 4 * c[o];

      to[0][o] = a[o] / 4;
      to[1][o] = (even + b[o]) * (-1.0 / 6);
      to[2][o] = (even - b[o]) * (-1.0 / 6);
      to[3][o] = (far + 2 * b[o]) * (1.0 / 24);
      to[4][o] = (far - 2 * b[o]) * (1.0 / 24);
      to[5][o] = c[o];
    }
}

void
descry_winograd_pack (float       *packed,
                      const float *weights,
                      guint        out,
                      guint        in)
{
  double g[9][PANEL], columns[3][6][PANEL], row[6][PANEL];
  guint first, i, k, o, r, c;

  for (first = 0; first < out; first += PANEL)
    for (i = 0; i < in; i++)
      {
        float *to = packed + (gsize) first * POINTS * in + (gsize) i * PANEL;

        for (o = 0; o < PANEL; o++)
          for (k = 0; k < 9; k++)
            g[k][o] = first + o < out ? weights[((gsize) (first + o) * in + i) * 9 + k] : 0.0;
        for (c = 0; c < 3; c++)
          transform (columns[c], g[c], g[3 + c], g[6 + c]);
        for (r = 0; r < 6; r++)
          {
            transform (row, columns[0][r], columns[1][r], columns[2][r]);
            for (c = 0; c < 6; c++)
              for (o = 0; o < PANEL; o++)
                to[(gsize) (r * 6 + c) * in * PANEL + o] = (float) row[c][o];
          }
      }
}

void
descry_winograd_run (DescryRun            *run,
                     const DescryConv     *conv,
                     const DescryConvCall *call)
{
  DescryTensor other = call->residual.buffer != NULL ? call->residual : conv->bias;
  const DescryDeviceInfo *info = descry_device_info (conv->device);
  guint d = call->shape.dilation, in = conv->in, all = (conv->out + PANEL - 1) / PANEL, units = MAX (info->compute_units, 1);
  guint rows, cols, tiles, groups, panels, depth;
  gsize local[] = { 1, 1 };

  rows = ((call->h + d - 1) / d + 3) / 4;
  cols = ((call->w + d - 1) / d + 3) / 4;
  tiles = call->n * d * d * rows * cols;

  depth = MIN (in, DEPTH);
  /* Two groups share a pass over the weights where their scratch fits the cache. */
  groups = v_bytes (2, depth) + m_bytes (2, 1) <= MIN (CACHE_BYTES, info->local_memory) && depth == in && tiles >= units * 8 * TILES ? 2 : 1;
  /* All panels by one item, so that the input is transformed once; fewer where items would be few. */
  panels = depth < in ? MIN (all, KEPT_PANELS) : all;
  while (panels > 4 && (gsize) (tiles + groups * TILES - 1) / (groups * TILES) * ((all + panels - 1) / panels) < units * 8)
    panels = (panels + 1) / 2;

  {
    const DescryArg args[] = {
      DESCRY_T (call->y), DESCRY_U (call->y.pitch), DESCRY_T (call->x), DESCRY_U (call->x.pitch), DESCRY_T (conv->weights), DESCRY_T (conv->bias),
      DESCRY_T (other), DESCRY_U (other.pitch), DESCRY_U (call->residual.buffer != NULL),
      DESCRY_U (call->h), DESCRY_U (call->w), DESCRY_U (in), DESCRY_U (conv->out), DESCRY_U (d), DESCRY_U (rows), DESCRY_U (cols),
      DESCRY_U (tiles), DESCRY_U (call->act), DESCRY_U (groups), DESCRY_U (panels), DESCRY_U (depth),
      DESCRY_LOCAL (v_bytes (groups, depth)), DESCRY_LOCAL (m_bytes (groups, depth < in ? panels : 1))
    };

    descry_run_launch (run, descry_run_kernel (run, "winograd_conv", NULL), 2,
                       (gsize[]) { (tiles + groups * TILES - 1) / (groups * TILES), (all + panels - 1) / panels }, local, args, G_N_ELEMENTS (args));
  }
}
