/* centernet.c - names and shapes of CenterNet on MobileNetV3
 *
 * source (TensorFlow.js; b = below tower_0/)                here
 * b MobilenetV3/Conv/Conv2D_*                               conv                     16 3 3 3
 * b MobilenetV3/expanded_conv[_K]/expand/Conv2D_*           blocks.K.expand          1×1; block 0 has none
 * b …/depthwise/depthwise_*                                 blocks.K.depthwise
 *   …/squeeze_excite/Conv, Conv_1                           blocks.K.se_reduce, blocks.K.se_expand
 * b …/project/Conv2D_*                                      blocks.K.project         1×1
 * b extern1/Conv2D_*                                        extern1                  480 120 1 1
 *
 * N = 2, 3, 4: reverse path
 * b CenternetHead/cN_reverse/1x1/Conv2D_*                   cN_reverse.0             1×1, with bias
 *   CenternetHead/cN_reverse/3x3/depthwise_weights          cN_reverse.1             5×5 depthwise, no bias
 * b CenternetHead/cN_reverse/3x3/separable_conv2d_*         cN_reverse.2             1×1, with bias
 *
 * N = 3, 4, 5: upsampling path, x is 3×3 and y is 5×5
 *   CenternetHead/cN_upsample/branch_x_upsample_resize/depthwise_weights   cN_upsample.x.0   depthwise, no bias
 * b …/separable_conv2d_*                                                   cN_upsample.x.1   1×1, with bias
 *   the same for branch_y                                                  cN_upsample.y.0, .y.1
 *
 * b CenternetHead/conv1x1_se_a/Conv2D_*                     gate.0                   32 128 1 1, with bias
 *   CenternetHead/conv1x1_se_b/weights                      gate.1                   128 32 1 1, no bias
 *   CenternetHead/centernet_cls_output/depthwise_weights    cls.0                    3×3 depthwise, no bias
 *   …/pointwise_weights, biases                             cls.1                    80 128 1 1, with bias
 *   CenternetHead/centernet_wh_output/…                     wh.0, wh.1               4 128 1 1
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-convert"

#include "config.h"

#include "compute/files/convert/build.h"

static const struct
{
  guint kernel;
  guint expand; /* 0: no such step */
  guint squeeze;
  guint out;
} blocks[] = {
  { 3, 0, 0, 16 }, { 3, 64, 0, 24 }, { 3, 72, 0, 24 }, { 5, 72, 24, 32 }, { 5, 96, 24, 32 },
  { 5, 96, 24, 32 }, { 3, 192, 0, 64 }, { 3, 160, 0, 64 }, { 3, 144, 0, 64 }, { 3, 144, 0, 64 },
  { 3, 384, 96, 88 }, { 3, 528, 136, 88 }, { 5, 528, 136, 120 }, { 5, 720, 184, 120 }, { 5, 720, 184, 120 },
};

/* Channels in, in the middle, out of cN_reverse, N = 2, 3, 4; and in, out of cN_upsample, N = 3, 4, 5. */
static const guint16 reverse[3][3] = { { 72, 18, 64 }, { 96, 24, 96 }, { 88, 22, 128 } };
static const guint16 upsample[3][2] = { { 192, 64 }, { 256, 96 }, { 480, 128 } };

/* PREFIX + @weight and, unless it is NULL, PREFIX + @bias. */
static void
add_conv (DescryBuild    *build,
          const char     *name,
          const char     *prefix,
          const char     *weight,
          const char     *bias,
          DescryConvShape shape)
{
  g_autofree char *weight_name = g_strconcat (prefix, weight, NULL);

  descry_build_conv (build, name, weight_name, shape.in == 1 ? DESCRY_LAYOUT_HWC1 : DESCRY_LAYOUT_HWIO, shape);
  if (bias != NULL)
    {
      g_autofree char *bias_name = g_strconcat (prefix, bias, NULL);
      g_autofree char *bias_here = g_strconcat (name, ".bias", NULL);

      descry_build_vector (build, bias_here, bias_name, shape.out);
    }
}

static void
add_block_step (DescryBuild    *build,
                guint           k,
                const char     *step,
                const char     *root,
                const char     *place,
                const char     *weight,
                const char     *bias,
                DescryConvShape shape)
{
  g_autofree char *name = g_strdup_printf ("blocks.%u.%s", k, step);
  g_autofree char *block = k == 0 ? g_strdup ("expanded_conv") : g_strdup_printf ("expanded_conv_%u", k);
  g_autofree char *prefix = g_strdup_printf ("%sMobilenetV3/%s/%s/", root, block, place);

  add_conv (build, name, prefix, weight, bias, shape);
}

static guint
add_block (DescryBuild *build,
           guint        k,
           guint        in)
{
  guint wide = blocks[k].expand != 0 ? blocks[k].expand : in;
  guint squeeze = blocks[k].squeeze;

  if (blocks[k].expand != 0)
    add_block_step (build, k, "expand", "tower_0/", "expand", "Conv2D_weights", "Conv2D_bn_offset", (DescryConvShape) { wide, in, 1 });
  add_block_step (build, k, "depthwise", "tower_0/", "depthwise", "depthwise_weights", "depthwise_bn_offset",
                  (DescryConvShape) { wide, 1, blocks[k].kernel });
  if (squeeze != 0)
    {
      add_block_step (build, k, "se_reduce", "", "squeeze_excite/Conv", "weights", "biases", (DescryConvShape) { squeeze, wide, 1 });
      add_block_step (build, k, "se_expand", "", "squeeze_excite/Conv_1", "weights", "biases", (DescryConvShape) { wide, squeeze, 1 });
    }
  add_block_step (build, k, "project", "tower_0/", "project", "Conv2D_weights", "Conv2D_bn_offset", (DescryConvShape) { blocks[k].out, wide, 1 });

  return blocks[k].out;
}

/* A part of the head: @root is "tower_0/" where a normalisation was folded, else empty. */
static void
add_head (DescryBuild    *build,
          const char     *name,
          const char     *root,
          const char     *place,
          const char     *weight,
          const char     *bias,
          DescryConvShape shape)
{
  g_autofree char *prefix = g_strdup_printf ("%sCenternetHead/%s/", root, place);

  add_conv (build, name, prefix, weight, bias, shape);
}

static void
add_reverse (DescryBuild *build,
             guint        n)
{
  const guint16 *channels = reverse[n - 2];
  g_autofree char *first = g_strdup_printf ("c%u_reverse.0", n);
  g_autofree char *second = g_strdup_printf ("c%u_reverse.1", n);
  g_autofree char *third = g_strdup_printf ("c%u_reverse.2", n);
  g_autofree char *narrow = g_strdup_printf ("c%u_reverse/1x1", n);
  g_autofree char *wide = g_strdup_printf ("c%u_reverse/3x3", n);

  add_head (build, first, "tower_0/", narrow, "Conv2D_weights", "Conv2D_bn_offset", (DescryConvShape) { channels[1], channels[0], 1 });
  add_head (build, second, "", wide, "depthwise_weights", NULL, (DescryConvShape) { channels[1], 1, 5 });
  add_head (build, third, "tower_0/", wide, "separable_conv2d_weights", "separable_conv2d_bn_offset",
            (DescryConvShape) { channels[2], channels[1], 1 });
}

static void
add_upsample (DescryBuild *build,
              guint        n,
              char         branch,
              guint        kernel)
{
  const guint16 *channels = upsample[n - 3];
  g_autofree char *first = g_strdup_printf ("c%u_upsample.%c.0", n, branch);
  g_autofree char *second = g_strdup_printf ("c%u_upsample.%c.1", n, branch);
  g_autofree char *place = g_strdup_printf ("c%u_upsample/branch_%c_upsample_resize", n, branch);

  add_head (build, first, "", place, "depthwise_weights", NULL, (DescryConvShape) { channels[0], 1, kernel });
  add_head (build, second, "tower_0/", place, "separable_conv2d_weights", "separable_conv2d_bn_offset",
            (DescryConvShape) { channels[1], channels[0], 1 });
}

void
descry_build_centernet (DescryBuild *build)
{
  static const float mean[3] = { 0, 0, 0 }, deviation[3] = { 1, 1, 1 };
  guint in = 16, k, n;

  descry_gguf_writer_set_uint (build->writer, "vision.input_size", 512);
  descry_gguf_writer_set_string (build->writer, "vision.channels", "rgb");
  descry_gguf_writer_set_floats (build->writer, "vision.mean", mean, 3);
  descry_gguf_writer_set_floats (build->writer, "vision.std", deviation, 3);
  descry_gguf_writer_set_float (build->writer, "vision.padding", 127.5f);

  add_conv (build, "conv", "tower_0/MobilenetV3/Conv/", "Conv2D_weights", "Conv2D_bn_offset", (DescryConvShape) { 16, 3, 3 });
  for (k = 0; k < G_N_ELEMENTS (blocks); k++)
    in = add_block (build, k, in);
  add_conv (build, "extern1", "tower_0/extern1/", "Conv2D_weights", "Conv2D_bn_offset", (DescryConvShape) { 480, in, 1 });

  for (n = 2; n <= 4; n++)
    add_reverse (build, n);
  for (n = 3; n <= 5; n++)
    {
      add_upsample (build, n, 'x', 3);
      add_upsample (build, n, 'y', 5);
    }

  add_head (build, "gate.0", "tower_0/", "conv1x1_se_a", "Conv2D_weights", "Conv2D_bn_offset", (DescryConvShape) { 32, 128, 1 });
  add_head (build, "gate.1", "", "conv1x1_se_b", "weights", NULL, (DescryConvShape) { 128, 32, 1 });
  add_head (build, "cls.0", "", "centernet_cls_output", "depthwise_weights", NULL, (DescryConvShape) { 128, 1, 3 });
  add_head (build, "cls.1", "", "centernet_cls_output", "pointwise_weights", "biases", (DescryConvShape) { 80, 128, 1 });
  add_head (build, "wh.0", "", "centernet_wh_output", "depthwise_weights", NULL, (DescryConvShape) { 128, 1, 3 });
  add_head (build, "wh.1", "", "centernet_wh_output", "pointwise_weights", "biases", (DescryConvShape) { 4, 128, 1 });

  descry_build_ignore_constants (build);
}
