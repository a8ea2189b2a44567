/* efficientnet-lite.c - EfficientNet-Lite0: tags of crops, and the features behind them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "compute/models/vision.h"

#include "compute/models/conv-loader.h"
#include "compute/ops/resample.h"

#define BLOCKS 16

/* One inverted residual block. */
static const struct
{
  guint expand; /* factor */
  guint kernel;
  guint stride;
  guint out; /* channels */
} table[BLOCKS] = {
  { 1, 3, 1, 16 },
  { 6, 3, 2, 24 }, { 6, 3, 1, 24 },
  { 6, 5, 2, 40 }, { 6, 5, 1, 40 },
  { 6, 3, 2, 80 }, { 6, 3, 1, 80 }, { 6, 3, 1, 80 },
  { 6, 5, 1, 112 }, { 6, 5, 1, 112 }, { 6, 5, 1, 112 },
  { 6, 5, 2, 192 }, { 6, 5, 1, 192 }, { 6, 5, 1, 192 }, { 6, 5, 1, 192 },
  { 6, 3, 1, 320 },
};

struct _DescryEfficientNet
{
  GPtrArray  *convs;
  DescryConv *stem;
  DescryConv *expand[BLOCKS]; /* NULL in the first one */
  DescryConv *depthwise[BLOCKS];
  DescryConv *project[BLOCKS];
  DescryConv *head;
  DescryConv *fc;
};

DescryEfficientNet *
descry_efficientnet_new (DescryDevice *device,
                         DescryGguf   *gguf,
                         GError      **error)
{
  const DescryConvShape point = { .kernel = 1, .stride = 1, .bf16 = TRUE };
  DescryEfficientNet *net = g_new0 (DescryEfficientNet, 1);
  DescryConvLoader loader;
  guint in = 32, i;

  descry_conv_loader_init (&loader, device, gguf, "efficientnet-lite");
  net->stem = descry_conv_loader_take (&loader, "stem", in, 3, &(DescryConvShape) { .kernel = 3, .stride = 2, .bf16 = TRUE }, TRUE);
  for (i = 0; i < BLOCKS; i++)
    {
      g_autofree char *expand = g_strdup_printf ("blocks.%u.expand", i), *depthwise = g_strdup_printf ("blocks.%u.depthwise", i);
      g_autofree char *project = g_strdup_printf ("blocks.%u.project", i);
      const DescryConvShape wide = { .kernel = table[i].kernel, .stride = table[i].stride, .depthwise = TRUE, .bf16 = TRUE };
      guint middle = in * table[i].expand;

      if (table[i].expand > 1)
        net->expand[i] = descry_conv_loader_take (&loader, expand, middle, in, &point, TRUE);
      net->depthwise[i] = descry_conv_loader_take (&loader, depthwise, middle, middle, &wide, TRUE);
      net->project[i] = descry_conv_loader_take (&loader, project, table[i].out, middle, &point, TRUE);
      in = table[i].out;
    }
  net->head = descry_conv_loader_take (&loader, "head", 1280, in, &point, TRUE);
  net->fc = descry_conv_loader_take (&loader, "fc", 1000, 1280, &point, TRUE);
  net->convs = descry_conv_loader_finish (&loader, error);
  if (net->convs == NULL)
    g_clear_pointer (&net, descry_efficientnet_free);

  return net;
}

void
descry_efficientnet_free (DescryEfficientNet *net)
{
  if (net == NULL)
    return;

  g_clear_pointer (&net->convs, g_ptr_array_unref);
  g_free (net);
}

/* x [n, h, w, in] -> [n, h / stride, w / stride, out]; releases x. The stem takes the place of the first block's expansion. */
static DescryTensor
run_block (DescryEfficientNet *net,
           DescryRun          *run,
           DescryTensor        x,
           guint               i)
{
  gboolean add = table[i].stride == 1 && i > 0 && table[i].out == table[i - 1].out;
  DescryTensor none = { 0 }, y;

  y = op_conv_inverted (run, x, i == 0 ? net->stem : net->expand[i], net->depthwise[i], net->project[i], TRUE, DESCRY_ACT_RELU6, DESCRY_ACT_RELU6,
                        DESCRY_ACT_NONE, add ? x : none);
  if (i > 0)
    descry_run_release (run, &x);

  return y;
}

void
descry_efficientnet_run (DescryEfficientNet *net,
                         DescryRun          *run,
                         DescryTensor        pixels,
                         DescryTensor       *features,
                         DescryTensor       *pooled,
                         DescryTensor       *logits)
{
  DescryTensor none = { 0 }, x = pixels;
  guint i;

  for (i = 0; i < BLOCKS; i++)
    {
      x = run_block (net, run, x, i);
      if (i % 4 == 3)
        descry_run_flush (run);
    }
  *features = op_conv_alloc (run, x, net->head, TRUE, DESCRY_ACT_RELU6, none);
  descry_run_release (run, &x);
  *pooled = descry_run_tensor2 (run, pixels.n_dims == 4 ? pixels.shape[0] : 1, 1280);
  op_global_mean (run, *pooled, *features);
  *logits = op_conv_alloc (run, *pooled, net->fc, FALSE, DESCRY_ACT_NONE, none);
  descry_run_flush (run);
}
