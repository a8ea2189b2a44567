/* centernet.c - CenterNet on MobileNetV3: centres and sizes of the 80 COCO classes
 *
 * In f32 on every device: with bfloat16 products in the neck alone scores move by 0.023 on photographs, and the limit is 0.02.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "compute/models/vision.h"

#include "compute/models/conv-loader.h"
#include "compute/ops/resample.h"

#define BLOCKS 15
#define LEVELS 3 /* of the neck; 0 is the finest, stride 4 */
#define CLASSES 80

static const struct
{
  guint            kernel, stride;
  guint            expand; /* channels; 0: no expansion */
  guint            out;
  DescryActivation act;
  guint            squeeze; /* channels of the squeeze-and-excite layer; 0: none */
  gboolean         add;
} table[BLOCKS] = {
  { 3, 1, 0, 16, DESCRY_ACT_RELU, 0, TRUE },
  { 3, 2, 64, 24, DESCRY_ACT_RELU, 0, FALSE },
  { 3, 1, 72, 24, DESCRY_ACT_RELU, 0, TRUE },
  { 5, 2, 72, 32, DESCRY_ACT_RELU, 24, FALSE },
  { 5, 1, 96, 32, DESCRY_ACT_RELU, 24, TRUE },
  { 5, 1, 96, 32, DESCRY_ACT_RELU, 24, TRUE },
  { 3, 2, 192, 64, DESCRY_ACT_HARD_SWISH, 0, FALSE },
  { 3, 1, 160, 64, DESCRY_ACT_HARD_SWISH, 0, TRUE },
  { 3, 1, 144, 64, DESCRY_ACT_HARD_SWISH, 0, TRUE },
  { 3, 1, 144, 64, DESCRY_ACT_HARD_SWISH, 0, TRUE },
  { 3, 1, 384, 88, DESCRY_ACT_HARD_SWISH, 96, FALSE },
  { 3, 1, 528, 88, DESCRY_ACT_HARD_SWISH, 136, TRUE },
  { 5, 2, 528, 120, DESCRY_ACT_HARD_SWISH, 136, FALSE },
  { 5, 1, 720, 120, DESCRY_ACT_HARD_SWISH, 184, TRUE },
  { 5, 1, 720, 120, DESCRY_ACT_HARD_SWISH, 184, TRUE },
};

/* Taps of the backbone: the expanded maps of blocks 3 and 5, the output of block 11. */
static const struct
{
  guint channels, reduced, out; /* of cN_reverse */
  guint below, up; /* of the upsampled branch: channels in and out */
} levels[LEVELS] = {
  { 72, 18, 64, 192, 64 },
  { 96, 24, 96, 256, 96 },
  { 88, 22, 128, 480, 128 },
};

struct _DescryCenternet
{
  GPtrArray  *convs;
  DescryConv *stem;
  DescryConv *expand[BLOCKS], *depthwise[BLOCKS], *project[BLOCKS], *reduce[BLOCKS], *excite[BLOCKS];
  DescryConv *extern1;
  DescryConv *reverse[LEVELS][3]; /* 1 × 1, depthwise, 1 × 1 */
  DescryConv *up[LEVELS][2][2]; /* branches x and y: depthwise, 1 × 1 */
  DescryConv *gate[2];
  DescryConv *classes[2], *sizes[2]; /* depthwise, 1 × 1 */
};

static void
load_block (DescryCenternet  *net,
            DescryConvLoader *loader,
            guint             i,
            guint             in)
{
  g_autofree char *expand = g_strdup_printf ("blocks.%u.expand", i), *depthwise = g_strdup_printf ("blocks.%u.depthwise", i);
  g_autofree char *project = g_strdup_printf ("blocks.%u.project", i);
  g_autofree char *reduce = g_strdup_printf ("blocks.%u.se_reduce", i), *excite = g_strdup_printf ("blocks.%u.se_expand", i);
  const DescryConvShape point = { .kernel = 1, .stride = 1 };
  guint wide = table[i].expand > 0 ? table[i].expand : in;

  if (table[i].expand > 0)
    net->expand[i] = descry_conv_loader_take (loader, expand, wide, in, &point, TRUE);
  net->depthwise[i] = descry_conv_loader_take (loader, depthwise, wide, wide,
                                               &(DescryConvShape) { .kernel = table[i].kernel, .stride = table[i].stride, .depthwise = TRUE }, TRUE);
  if (table[i].squeeze > 0)
    {
      net->reduce[i] = descry_conv_loader_take (loader, reduce, table[i].squeeze, wide, &point, TRUE);
      net->excite[i] = descry_conv_loader_take (loader, excite, wide, table[i].squeeze, &point, TRUE);
    }
  net->project[i] = descry_conv_loader_take (loader, project, table[i].out, wide, &point, TRUE);
}

/* NAME.FIRST, depthwise without bias, and the 1 × 1 after it. */
static void
load_separable (DescryConvLoader *loader,
                const char       *name,
                guint             first,
                guint             out,
                guint             in,
                guint             kernel,
                float             scale,
                DescryConv       *pair[2])
{
  g_autofree char *depthwise = g_strdup_printf ("%s.%u", name, first), *pointwise = g_strdup_printf ("%s.%u", name, first + 1);

  pair[0] = descry_conv_loader_take (loader, depthwise, in, in, &(DescryConvShape) { .kernel = kernel, .stride = 1, .depthwise = TRUE }, FALSE);
  pair[1] = descry_conv_loader_slice (loader, pointwise, out, in, &(DescryConvShape) { .kernel = 1, .stride = 1 }, TRUE, 0, out, scale);
}

DescryCenternet *
descry_centernet_new (DescryDevice *device,
                      DescryGguf   *gguf,
                      GError      **error)
{
  const DescryConvShape point = { .kernel = 1, .stride = 1 };
  DescryCenternet *net = g_new0 (DescryCenternet, 1);
  DescryConvLoader loader;
  guint in = 16, i;

  descry_conv_loader_init (&loader, device, gguf, "centernet");
  net->stem = descry_conv_loader_take (&loader, "conv", in, 3, &(DescryConvShape) { .kernel = 3, .stride = 2 }, TRUE);
  for (i = 0; i < BLOCKS; i++)
    {
      load_block (net, &loader, i, in);
      in = table[i].out;
    }
  net->extern1 = descry_conv_loader_take (&loader, "extern1", 480, in, &point, TRUE);
  for (i = 0; i < LEVELS; i++)
    {
      g_autofree char *reduce = g_strdup_printf ("c%u_reverse.0", i + 2), *reverse = g_strdup_printf ("c%u_reverse", i + 2);
      g_autofree char *x = g_strdup_printf ("c%u_upsample.x", i + 3), *y = g_strdup_printf ("c%u_upsample.y", i + 3);

      net->reverse[i][0] = descry_conv_loader_take (&loader, reduce, levels[i].reduced, levels[i].channels, &point, TRUE);
      load_separable (&loader, reverse, 1, levels[i].out, levels[i].reduced, 5, 1.0f, net->reverse[i] + 1);
      load_separable (&loader, x, 0, levels[i].up, levels[i].below, 3, 1.0f, net->up[i][0]);
      load_separable (&loader, y, 0, levels[i].up, levels[i].below, 5, 1.0f, net->up[i][1]);
    }
  net->gate[0] = descry_conv_loader_take (&loader, "gate.0", 32, 128, &point, TRUE);
  net->gate[1] = descry_conv_loader_take (&loader, "gate.1", 128, 32, &point, FALSE);
  load_separable (&loader, "cls", 0, CLASSES, 128, 3, 1.0f, net->classes);
  load_separable (&loader, "wh", 0, 4, 128, 3, 16.0f, net->sizes); /* exact: 16 is a power of two */
  net->convs = descry_conv_loader_finish (&loader, error);
  if (net->convs == NULL)
    g_clear_pointer (&net, descry_centernet_free);

  return net;
}

void
descry_centernet_free (DescryCenternet *net)
{
  if (net == NULL)
    return;

  g_clear_pointer (&net->convs, g_ptr_array_unref);
  g_free (net);
}

/* x [h, w, c] times what its own means say. */
static void
squeeze_excite (DescryRun        *run,
                DescryTensor      x,
                DescryConv       *reduce,
                DescryConv       *excite,
                DescryActivation  act)
{
  DescryTensor none = { 0 }, mean, middle, scale;

  if (!descry_run_ok (run))
    return;

  mean = descry_run_tensor2 (run, 1, descry_tensor_cols (x));
  op_global_mean (run, mean, x);
  middle = op_conv_alloc (run, mean, reduce, FALSE, DESCRY_ACT_RELU, none);
  scale = op_conv_alloc (run, middle, excite, FALSE, act, none);
  op_scale_channels (run, x, x, scale);
  descry_run_release (run, &mean);
  descry_run_release (run, &middle);
  descry_run_release (run, &scale);
}

/* x [h, w, in] -> [h / stride, w / stride, out]. The expanded map is kept in @tap if wanted. */
static DescryTensor
run_block (DescryCenternet *net,
           DescryRun       *run,
           DescryTensor     x,
           guint            i,
           DescryTensor    *tap)
{
  DescryTensor none = { 0 }, wide = x, deep, y;

  if (net->expand[i] != NULL && net->reduce[i] == NULL && tap == NULL)
    return op_conv_inverted (run, x, net->expand[i], net->depthwise[i], net->project[i], TRUE, table[i].act, table[i].act, DESCRY_ACT_NONE, table[i].add ? x : none);
  if (net->expand[i] != NULL)
    wide = op_conv_alloc (run, x, net->expand[i], TRUE, table[i].act, none);
  if (net->reduce[i] != NULL)
    {
      deep = op_conv_alloc (run, wide, net->depthwise[i], TRUE, table[i].act, none);
      squeeze_excite (run, deep, net->reduce[i], net->excite[i], DESCRY_ACT_HARD_SIGMOID);
      y = op_conv_alloc (run, deep, net->project[i], TRUE, DESCRY_ACT_NONE, table[i].add ? x : none);
      descry_run_release (run, &deep);
    }
  else
    y = op_conv_separable (run, wide, net->depthwise[i], net->project[i], TRUE, table[i].act, DESCRY_ACT_NONE, table[i].add ? x : none);
  if (tap != NULL)
    *tap = wide;
  else if (net->expand[i] != NULL)
    descry_run_release (run, &wide);

  return y;
}

/* relu (concat (reverse (tap), upsampled (below))) [h, w, out + up]; releases both. */
static DescryTensor
run_level (DescryCenternet *net,
           DescryRun       *run,
           DescryTensor     tap,
           DescryTensor     below,
           guint            level)
{
  DescryTensor none = { 0 }, reduced, deep, small, sum, y;

  if (!descry_run_ok (run))
    return none;

  y = descry_run_tensor3 (run, tap.shape[0], tap.shape[1], levels[level].out + levels[level].up);
  reduced = op_conv_alloc (run, tap, net->reverse[level][0], TRUE, DESCRY_ACT_RELU, none);
  deep = op_conv_alloc (run, reduced, net->reverse[level][1], TRUE, DESCRY_ACT_NONE, none);
  small = op_conv_separable (run, below, net->up[level][0][0], net->up[level][0][1], TRUE, DESCRY_ACT_NONE, DESCRY_ACT_NONE, none);
  sum = op_conv_separable (run, below, net->up[level][1][0], net->up[level][1][1], TRUE, DESCRY_ACT_NONE, DESCRY_ACT_NONE, small);
  if (descry_run_ok (run))
    {
      op_conv (run, descry_tensor_columns (y, 0, levels[level].out), deep, net->reverse[level][2], NULL, DESCRY_ACT_RELU, none);
      op_resize_act (run, descry_tensor_columns (y, levels[level].out, levels[level].up), sum, DESCRY_RESIZE_ASYMMETRIC, FALSE, DESCRY_ACT_RELU);
    }
  descry_run_release (run, &reduced);
  descry_run_release (run, &deep);
  descry_run_release (run, &small);
  descry_run_release (run, &sum);
  descry_run_release (run, &tap);
  descry_run_release (run, &below);
  descry_run_flush (run);

  return y;
}

void
descry_centernet_run (DescryCenternet *net,
                      DescryRun       *run,
                      DescryTensor     pixels,
                      DescryTensor    *classes,
                      DescryTensor    *sizes)
{
  DescryTensor none = { 0 }, x, tap[LEVELS] = { 0 }, y;
  guint i;

  *classes = *sizes = none;
  if (pixels.n_dims == 4 && pixels.shape[0] == 1)
    pixels = descry_tensor_reshape (pixels, 3, pixels.shape + 1);
  if (pixels.n_dims != 3 || pixels.shape[0] % 32 != 0 || pixels.shape[1] % 32 != 0)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "CenterNet wants one picture, sides multiples of 32");
      return;
    }

  x = op_conv_alloc (run, pixels, net->stem, TRUE, DESCRY_ACT_HARD_SWISH, none);
  for (i = 0; i < BLOCKS; i++)
    {
      y = run_block (net, run, x, i, i == 3 ? &tap[0] : i == 5 ? &tap[1] : NULL);
      if (i == 12)
        tap[2] = x; /* the output of block 11 */
      else
        descry_run_release (run, &x);
      x = y;
      if (i % 4 == 3)
        descry_run_flush (run);
    }
  y = op_conv_alloc (run, x, net->extern1, TRUE, DESCRY_ACT_HARD_SWISH, none); /* [h / 32, w / 32, 480] */
  descry_run_release (run, &x);
  x = y;
  for (i = LEVELS; i-- > 0;)
    x = run_level (net, run, tap[i], x, i);

  squeeze_excite (run, x, net->gate[0], net->gate[1], DESCRY_ACT_SIGMOID);
  *classes = op_conv_separable (run, x, net->classes[0], net->classes[1], TRUE, DESCRY_ACT_NONE, DESCRY_ACT_SIGMOID, none);
  *sizes = op_conv_separable (run, x, net->sizes[0], net->sizes[1], TRUE, DESCRY_ACT_NONE, DESCRY_ACT_NONE, none);
  descry_run_release (run, &x);
  descry_run_flush (run);
}
