/* nanodet.c - NanoDet-g: boxes of the 80 COCO classes
 *
 * Concatenations are slices: a convolution writes its channels where the next one reads them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "compute/models/vision.h"

#include "compute/models/conv-loader.h"
#include "compute/ops/resample.h"

#define CONVS 34
#define STAGES 4
#define SIZE 416 /* side of the picture as the refiner gives it; others work too */
#define WIDTH 128 /* channels of the neck */
#define CLASSES 80
#define BINS 44 /* four sides, eleven distances */

/* Convolutions: `first` makes the stage's trunk, then pairs, then one that closes it. */
static const struct
{
  guint first, in, channels, stride, pairs;
} stages[STAGES] = {
  { 1, 32, 32, 1, 1 },
  { 5, 64, 64, 2, 2 },
  { 11, 128, 128, 2, 2 },
  { 17, 256, 256, 2, 3 },
};

struct _DescryNanodet
{
  GPtrArray  *convs;
  DescryConv *conv[CONVS]; /* 29, 31, 33 are split: */
  DescryConv *classes[3];
  DescryConv *boxes[3];
};

static DescryConv *
load (DescryConvLoader *loader,
      guint             i,
      guint             out,
      guint             in,
      guint             kernel,
      guint             stride,
      guint             side)
{
  g_autofree char *name = g_strdup_printf ("conv.%u", i);
  guint pad = kernel / 2;
  const DescryConvShape shape = { .kernel = kernel, .stride = stride, .pad_top = pad, .pad_left = pad, .pad_bottom = pad, .pad_right = pad, .bf16 = TRUE, .map = side };

  return descry_conv_loader_take (loader, name, out, in, &shape, TRUE);
}

DescryNanodet *
descry_nanodet_new (DescryDevice *device,
                    DescryGguf   *gguf,
                    GError      **error)
{
  const DescryConvShape point = { .kernel = 1, .stride = 1, .bf16 = TRUE };
  DescryNanodet *net = g_new0 (DescryNanodet, 1);
  DescryConvLoader loader;
  guint s, i, n;

  descry_conv_loader_init (&loader, device, gguf, "nanodet");
  net->conv[0] = load (&loader, 0, 32, 3, 3, 2, SIZE);
  for (s = 0; s < STAGES; s++)
    {
      guint c = stages[s].channels, side = SIZE / 4 >> s;

      n = stages[s].first;
      net->conv[n] = load (&loader, n, c, stages[s].in, 3, stages[s].stride, side);
      for (i = 0, n++; i < stages[s].pairs; i++, n += 2)
        {
          net->conv[n] = load (&loader, n, c / 2, c, 3, 1, side);
          net->conv[n + 1] = load (&loader, n + 1, c / 2, c / 2, 3, 1, side);
        }
      net->conv[n] = load (&loader, n, c, c, 3, 1, side);
    }
  for (i = 0; i < 3; i++)
    {
      g_autofree char *last = g_strdup_printf ("conv.%u", 29 + 2 * i);

      net->conv[25 + i] = load (&loader, 25 + i, WIDTH, WIDTH << i, 1, 1, SIZE / 8 >> i);
      net->conv[28 + 2 * i] = load (&loader, 28 + 2 * i, WIDTH, WIDTH, 3, 1, SIZE / 8 >> i);
      /* Apart, because only the classes get a sigmoid. */
      net->classes[i] = descry_conv_loader_slice (&loader, last, CLASSES + BINS, WIDTH, &point, TRUE, 0, CLASSES, 1.0f);
      net->boxes[i] = descry_conv_loader_slice (&loader, last, CLASSES + BINS, WIDTH, &point, TRUE, CLASSES, BINS, 1.0f);
    }
  net->convs = descry_conv_loader_finish (&loader, error);
  if (net->convs == NULL)
    g_clear_pointer (&net, descry_nanodet_free);

  return net;
}

void
descry_nanodet_free (DescryNanodet *net)
{
  if (net == NULL)
    return;

  g_clear_pointer (&net->convs, g_ptr_array_unref);
  g_free (net);
}

/* x [h, w, in] -> concat (closing convolution, trunk) [h / stride, w / stride, 2 channels]. */
static DescryTensor
run_stage (DescryNanodet *net,
           DescryRun     *run,
           DescryTensor   x,
           guint          s)
{
  guint c = stages[s].channels, h = (x.shape[0] - 1) / stages[s].stride + 1, w = (x.shape[1] - 1) / stages[s].stride + 1, n = stages[s].first, i;
  DescryTensor none = { 0 }, y = descry_run_tensor3 (run, h, w, 2 * c), trunk, kept = { 0 };

  if (!descry_run_ok (run))
    return y;

  trunk = descry_tensor_columns (y, c, c);
  op_conv (run, trunk, x, net->conv[n++], NULL, DESCRY_ACT_LEAKY, none);
  x = trunk;
  for (i = 0; i < stages[s].pairs; i++, n += 2)
    {
      DescryTensor t = descry_run_tensor3 (run, h, w, c), newer, older; /* concat (second, first) */

      if (!descry_run_ok (run))
        return y;
      newer = descry_tensor_columns (t, 0, c / 2);
      older = descry_tensor_columns (t, c / 2, c / 2);
      op_conv (run, older, x, net->conv[n], NULL, DESCRY_ACT_LEAKY, none);
      op_conv (run, newer, older, net->conv[n + 1], NULL, DESCRY_ACT_LEAKY, none);
      descry_run_release (run, &kept);
      x = kept = t;
    }
  op_conv (run, descry_tensor_columns (y, 0, c), x, net->conv[n], NULL, DESCRY_ACT_LEAKY, none);
  descry_run_release (run, &kept);
  descry_run_flush (run);

  return y;
}

void
descry_nanodet_run (DescryNanodet *net,
                    DescryRun     *run,
                    DescryTensor   pixels,
                    DescryTensor   classes[3],
                    DescryTensor   boxes[3])
{
  DescryTensor none = { 0 }, x, pooled, level[STAGES] = { 0 }, p[3];
  guint shape[3] = { 0 }, i;

  for (i = 0; i < 3; i++)
    classes[i] = boxes[i] = none;
  if (pixels.n_dims == 4 && pixels.shape[0] == 1)
    pixels = descry_tensor_reshape (pixels, 3, pixels.shape + 1);
  if (pixels.n_dims != 3 || pixels.shape[0] % 32 != 0 || pixels.shape[1] % 32 != 0)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "NanoDet wants one picture, sides multiples of 32");
      return;
    }

  x = op_conv_alloc (run, pixels, net->conv[0], FALSE, DESCRY_ACT_LEAKY, none); /* [size / 2, size / 2, 32] */
  pooled = descry_run_tensor3 (run, (x.shape[0] + 1) / 2, (x.shape[1] + 1) / 2, 32);
  if (!descry_run_ok (run))
    return;
  op_max_pool (run, pooled, x, 3, 2, 1);
  descry_run_release (run, &x);
  for (i = 0; i < STAGES; i++)
    level[i] = run_stage (net, run, i == 0 ? pooled : level[i - 1], i);
  descry_run_release (run, &pooled);
  descry_run_release (run, &level[0]);

  /* Neck: sums of neighbours, no convolutions. p[0] stride 8. */
  for (i = 0; i < 3; i++)
    {
      p[i] = op_conv_alloc (run, level[i + 1], net->conv[25 + i], FALSE, DESCRY_ACT_NONE, none);
      descry_run_release (run, &level[i + 1]);
    }
  op_resize (run, p[1], p[2], DESCRY_RESIZE_HALF_PIXEL, TRUE);
  op_resize (run, p[0], p[1], DESCRY_RESIZE_HALF_PIXEL, TRUE);
  op_resize (run, p[1], p[0], DESCRY_RESIZE_HALF_PIXEL, TRUE);
  op_resize (run, p[2], p[1], DESCRY_RESIZE_HALF_PIXEL, TRUE);

  for (i = 0; i < 3 && descry_run_ok (run); i++)
    {
      x = op_conv_alloc (run, p[i], net->conv[28 + 2 * i], FALSE, DESCRY_ACT_LEAKY, none);
      classes[i] = op_conv_alloc (run, x, net->classes[i], FALSE, DESCRY_ACT_SIGMOID, none);
      boxes[i] = op_conv_alloc (run, x, net->boxes[i], FALSE, DESCRY_ACT_NONE, none);
      descry_run_release (run, &x);
      descry_run_release (run, &p[i]);
      if (!descry_run_ok (run))
        return;
      shape[0] = classes[i].shape[0] * classes[i].shape[1];
      shape[1] = CLASSES;
      classes[i] = descry_tensor_reshape (classes[i], 2, shape);
      shape[1] = BINS;
      boxes[i] = descry_tensor_reshape (boxes[i], 2, shape);
    }
  descry_run_flush (run);
}
