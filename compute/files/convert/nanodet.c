/* nanodet.c - names and shapes of NanoDet-g
 *
 * source (TensorFlow.js)                  here
 * PartitionedCall/split_N (N = 0: split)  conv.N.weight
 * unknown_2N; from N = 28 on 60, 62, 66, 68, 70, 72   conv.N.bias
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-convert"

#include "config.h"

#include "compute/files/convert/build.h"

/* kernel, in, out of convolution N */
static const guint16 convs[34][3] = {
  { 3, 3, 32 },                                                       /* stem */
  { 3, 32, 32 }, { 3, 32, 16 }, { 3, 16, 16 }, { 3, 32, 32 },         /* block A */
  { 3, 64, 64 }, { 3, 64, 32 }, { 3, 32, 32 }, { 3, 64, 32 }, { 3, 32, 32 }, { 3, 64, 64 }, /* block B, C3 */
  { 3, 128, 128 }, { 3, 128, 64 }, { 3, 64, 64 }, { 3, 128, 64 }, { 3, 64, 64 }, { 3, 128, 128 }, /* C4 */
  { 3, 256, 256 }, { 3, 256, 128 }, { 3, 128, 128 }, { 3, 256, 128 }, { 3, 128, 128 },
  { 3, 256, 128 }, { 3, 128, 128 }, { 3, 256, 256 },                  /* C5 */
  { 1, 128, 128 }, { 1, 256, 128 }, { 1, 512, 128 },                  /* to the neck */
  { 3, 128, 128 }, { 1, 128, 124 }, { 3, 128, 128 }, { 1, 128, 124 }, { 3, 128, 128 }, { 1, 128, 124 }, /* heads */
};

static const guint8 head_biases[6] = { 60, 62, 66, 68, 70, 72 };

void
descry_build_nanodet (DescryBuild *build)
{
  static const float mean[3] = { 103.53f, 116.28f, 123.675f }, deviation[3] = { 57.375f, 57.12f, 58.395f };
  guint i;

  descry_gguf_writer_set_uint (build->writer, "vision.input_size", 416);
  descry_gguf_writer_set_string (build->writer, "vision.channels", "bgr");
  descry_gguf_writer_set_floats (build->writer, "vision.mean", mean, 3);
  descry_gguf_writer_set_floats (build->writer, "vision.std", deviation, 3);

  for (i = 0; i < G_N_ELEMENTS (convs); i++)
    {
      g_autofree char *name = g_strdup_printf ("conv.%u", i);
      g_autofree char *bias_name = g_strdup_printf ("conv.%u.bias", i);
      g_autofree char *weight = i == 0 ? g_strdup ("PartitionedCall/split") : g_strdup_printf ("PartitionedCall/split_%u", i);
      g_autofree char *bias = g_strdup_printf ("unknown_%u", i < 28 ? 2 * i : head_biases[i - 28]);

      descry_build_conv (build, name, weight, DESCRY_LAYOUT_HWIO, (DescryConvShape) { convs[i][2], convs[i][1], convs[i][0] });
      descry_build_vector (build, bias_name, bias, convs[i][2]);
    }

  descry_build_ignore_constants (build);
}
