/* isnet.c - IS-Net: the alpha of what stands out
 *
 * U-shaped blocks of 3 × 3 convolutions inside a larger U. Concatenations are slices: both halves are
 * written where the next convolution reads them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "compute/models/vision.h"

#include "compute/models/conv-loader.h"
#include "compute/ops/resample.h"

#define STAGES 11
#define DEEPEST 7 /* layers of the largest block */

/* RSU-depth (in, mid, out); `flat` ones (RSU-4F) dilate instead of pooling. */
static const struct
{
  const char *name;
  guint       depth, in, mid, out;
  gboolean    flat;
  guint       side; /* of its maps when the picture's is 512, as the refiner's */
} table[STAGES] = {
  { "stage1", 7, 64, 32, 64, FALSE, 256 },
  { "stage2", 6, 64, 32, 128, FALSE, 128 },
  { "stage3", 5, 128, 64, 256, FALSE, 64 },
  { "stage4", 4, 256, 128, 512, FALSE, 32 },
  { "stage5", 4, 512, 256, 512, TRUE, 16 },
  { "stage6", 4, 512, 256, 512, TRUE, 8 },
  { "stage5d", 4, 1024, 256, 512, TRUE, 16 },
  { "stage4d", 4, 1024, 128, 256, FALSE, 32 },
  { "stage3d", 5, 512, 64, 128, FALSE, 64 },
  { "stage2d", 6, 256, 32, 64, FALSE, 128 },
  { "stage1d", 7, 128, 16, 64, FALSE, 256 },
};

typedef struct
{
  DescryConv *in;
  DescryConv *down[DEEPEST]; /* rebnconv1 … */
  DescryConv *up[DEEPEST]; /* rebnconv1d … */
} Block;

struct _DescryIsnet
{
  GPtrArray  *convs;
  DescryConv *conv_in;
  DescryConv *side;
  Block       blocks[STAGES];
};

static DescryConv *
load (DescryConvLoader *loader,
      const char       *name,
      guint             out,
      guint             in,
      guint             stride,
      guint             dilation,
      guint             side)
{
  /* bfloat16: measured, it costs no mask IoU (models/compact.md 8). */
  const DescryConvShape shape = { .kernel = 3, .stride = stride, .dilation = dilation, .pad_top = dilation, .pad_left = dilation,
                                  .pad_bottom = dilation, .pad_right = dilation, .bf16 = TRUE, .map = side };

  return descry_conv_loader_take (loader, name, out, in, &shape, TRUE);
}

static void
load_block (DescryConvLoader *loader,
            Block            *block,
            guint             s)
{
  g_autofree char *first = g_strconcat (table[s].name, ".rebnconvin", NULL);
  guint mid = table[s].mid, depth = table[s].depth, i;

  block->in = load (loader, first, table[s].out, table[s].in, 1, 1, table[s].side);
  for (i = 0; i < depth; i++)
    {
      g_autofree char *down = g_strdup_printf ("%s.rebnconv%u", table[s].name, i + 1), *up = g_strdup_printf ("%s.rebnconv%ud", table[s].name, i + 1);
      /* Flat: 1, 2, 4, 8; else only the last one, which is not pooled, looks wider. */
      guint dilation = table[s].flat ? 1u << i : i + 1 == depth ? 2 : 1;
      guint side = table[s].flat ? table[s].side : table[s].side >> MIN (i, depth - 2);

      block->down[i] = load (loader, down, mid, i == 0 ? table[s].out : mid, 1, dilation, side);
      if (i + 1 < depth)
        block->up[i] = load (loader, up, i == 0 ? table[s].out : mid, 2 * mid, 1, table[s].flat ? dilation : 1, side);
    }
}

DescryIsnet *
descry_isnet_new (DescryDevice *device,
                  DescryGguf   *gguf,
                  GError      **error)
{
  DescryIsnet *net = g_new0 (DescryIsnet, 1);
  DescryConvLoader loader;
  guint s;

  descry_conv_loader_init (&loader, device, gguf, "isnet");
  net->conv_in = load (&loader, "conv_in", 64, 3, 2, 1, 512);
  for (s = 0; s < STAGES; s++)
    load_block (&loader, &net->blocks[s], s);
  net->side = load (&loader, "side1", 1, 64, 1, 1, 256);
  net->convs = descry_conv_loader_finish (&loader, error);
  if (net->convs == NULL)
    g_clear_pointer (&net, descry_isnet_free);

  return net;
}

void
descry_isnet_free (DescryIsnet *net)
{
  if (net == NULL)
    return;

  g_clear_pointer (&net->convs, g_ptr_array_unref);
  g_free (net);
}

/* [h, w, c] -> [h / 2, w / 2, c], odd sides rounded up. */
static DescryTensor
pool (DescryRun   *run,
      DescryTensor x)
{
  DescryTensor y = { 0 };

  if (!descry_run_ok (run))
    return y;

  y = descry_run_tensor3 (run, (x.shape[0] + 1) / 2, (x.shape[1] + 1) / 2, x.shape[2]);
  op_max_pool (run, y, x, 2, 2, 0);

  return y;
}

/* x [h, w, in] -> y [h, w, out] */
static void
run_block (DescryRun   *run,
           const Block *block,
           guint        s,
           DescryTensor y,
           DescryTensor x)
{
  guint depth = table[s].depth, mid = table[s].mid, i;
  DescryTensor none = { 0 }, whole, joined[DEEPEST] = { 0 }, t = none, from;

  if (!descry_run_ok (run))
    return;

  whole = op_conv_alloc (run, x, block->in, FALSE, DESCRY_ACT_RELU, none); /* h [h, w, out] */

  /* Down: layer i writes the right half of joined[i] [h, w, 2 mid]; the deepest one has no partner
   * of its own and writes the left half of the one above it, where its size is the same. */
  from = whole;
  for (i = 0; i < depth && descry_run_ok (run); i++)
    {
      gboolean pooled = !table[s].flat && i > 0 && i + 1 < depth;
      DescryTensor small = pooled ? pool (run, from) : none;

      if (pooled)
        from = small;
      if (!descry_run_ok (run))
        return;
      if (i + 1 == depth)
        t = descry_tensor_columns (joined[i - 1], 0, mid);
      else
        {
          joined[i] = descry_run_tensor3 (run, from.shape[0], from.shape[1], 2 * mid);
          if (!descry_run_ok (run))
            return;
          t = descry_tensor_columns (joined[i], mid, mid);
        }
      op_conv (run, t, from, block->down[i], NULL, DESCRY_ACT_RELU, none);
      descry_run_release (run, &small);
      from = t;
    }
  descry_run_flush (run);

  /* Up: from joined[i] into the left half of joined[i - 1], by way of a resize where sizes differ. */
  for (i = depth - 1; i-- > 1 && descry_run_ok (run);)
    {
      DescryTensor left = descry_tensor_columns (joined[i - 1], 0, mid);

      if (table[s].flat)
        op_conv (run, left, joined[i], block->up[i], NULL, DESCRY_ACT_RELU, none);
      else
        {
          t = op_conv_alloc (run, joined[i], block->up[i], FALSE, DESCRY_ACT_RELU, none);
          op_resize (run, left, t, DESCRY_RESIZE_HALF_PIXEL, FALSE);
          descry_run_release (run, &t);
        }
      descry_run_release (run, &joined[i]);
    }
  op_conv (run, y, joined[0], block->up[0], NULL, DESCRY_ACT_RELU, whole);
  descry_run_release (run, &joined[0]);
  descry_run_release (run, &whole);
  descry_run_flush (run);
}

void
descry_isnet_run (DescryIsnet  *net,
                  DescryRun    *run,
                  DescryTensor  pixels,
                  DescryTensor *alpha)
{
  DescryTensor none = { 0 }, x, y, joined[5] = { 0 };
  guint height, width, s;

  *alpha = none;
  if (pixels.n_dims == 4 && pixels.shape[0] == 1)
    pixels = descry_tensor_reshape (pixels, 3, pixels.shape + 1);
  if (pixels.n_dims != 3 || pixels.shape[0] % 32 != 0 || pixels.shape[1] % 32 != 0)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "IS-Net wants one picture, sides multiples of 32");
      return;
    }
  height = pixels.shape[0];
  width = pixels.shape[1];

  /* Encoder: stage s writes the right half of joined[s] [h, w, below + own]. */
  x = op_conv_alloc (run, pixels, net->conv_in, FALSE, DESCRY_ACT_NONE, none); /* [h / 2, w / 2, 64] */
  for (s = 0; s < 5 && descry_run_ok (run); s++)
    {
      guint own = table[s].out, below = table[STAGES - 1 - s].in - own;

      joined[s] = descry_run_tensor3 (run, x.shape[0], x.shape[1], below + own);
      if (!descry_run_ok (run))
        return;
      y = descry_tensor_columns (joined[s], below, own);
      run_block (run, &net->blocks[s], s, y, x);
      descry_run_release (run, &x);
      x = pool (run, y);
    }
  if (!descry_run_ok (run))
    return;
  y = descry_run_tensor3 (run, x.shape[0], x.shape[1], table[5].out);
  run_block (run, &net->blocks[5], 5, y, x);
  descry_run_release (run, &x);
  x = y;

  /* Decoder: the left halves, from below. */
  for (s = 5; s-- > 0 && descry_run_ok (run);)
    {
      guint stage = STAGES - 1 - s;

      op_resize (run, descry_tensor_columns (joined[s], 0, descry_tensor_cols (x)), x, DESCRY_RESIZE_HALF_PIXEL, FALSE);
      descry_run_release (run, &x);
      x = descry_run_tensor3 (run, joined[s].shape[0], joined[s].shape[1], table[stage].out);
      run_block (run, &net->blocks[stage], stage, x, joined[s]);
      descry_run_release (run, &joined[s]);
    }

  y = op_conv_alloc (run, x, net->side, FALSE, DESCRY_ACT_NONE, none); /* [h / 2, w / 2, 1] */
  descry_run_release (run, &x);
  *alpha = descry_run_tensor3 (run, height, width, 1);
  op_resize_act (run, *alpha, y, DESCRY_RESIZE_HALF_PIXEL, FALSE, DESCRY_ACT_SIGMOID);
  descry_run_release (run, &y);
  descry_run_flush (run);
}
