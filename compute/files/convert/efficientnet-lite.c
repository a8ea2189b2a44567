/* efficientnet-lite.c - names and shapes of EfficientNet-Lite0
 *
 * source (torch)                          here                  shape
 * _conv_stem, _bn0                        stem                  32 3 3 3
 * _blocks.I._expand_conv, _bn0            blocks.I.expand       1×1; block 0 has none
 * _blocks.I._depthwise_conv, _bn1         blocks.I.depthwise
 * _blocks.I._project_conv, _bn2           blocks.I.project      1×1
 * _conv_head, _bn1                        head                  1280 320 1 1
 * _fc                                     fc                    1000 1280
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-convert"

#include "config.h"

#include "compute/files/convert/build.h"

#define EPS 1e-3

static const struct
{
  guint expand;
  guint kernel;
  guint out;
  guint repeats;
} stages[] = {
  { 1, 3, 16, 1 }, { 6, 3, 24, 2 }, { 6, 5, 40, 2 }, { 6, 3, 80, 3 },
  { 6, 5, 112, 3 }, { 6, 5, 192, 4 }, { 6, 3, 320, 1 },
};

/* One step of block @index: source names _blocks.I._STEP_conv and _blocks.I.@norm. */
static void
add_step (DescryBuild    *build,
          guint           index,
          const char     *step,
          const char     *norm,
          DescryConvShape shape)
{
  g_autofree char *name = g_strdup_printf ("blocks.%u.%s", index, step);
  g_autofree char *weight = g_strdup_printf ("_blocks.%u._%s_conv.weight", index, step);
  g_autofree char *norm_name = g_strdup_printf ("_blocks.%u.%s", index, norm);

  descry_build_conv_bn (build, name, weight, norm_name, EPS, shape);
}

void
descry_build_efficientnet_lite (DescryBuild *build)
{
  static const float mean[3] = { 127, 127, 127 }, deviation[3] = { 128, 128, 128 };
  guint in = 32, index = 0, stage, i;

  descry_gguf_writer_set_uint (build->writer, "vision.input_size", 224);
  descry_gguf_writer_set_string (build->writer, "vision.channels", "rgb");
  descry_gguf_writer_set_floats (build->writer, "vision.mean", mean, 3);
  descry_gguf_writer_set_floats (build->writer, "vision.std", deviation, 3);

  descry_build_conv_bn (build, "stem", "_conv_stem.weight", "_bn0", EPS, (DescryConvShape) { 32, 3, 3 });

  for (stage = 0; stage < G_N_ELEMENTS (stages); stage++)
    for (i = 0; i < stages[stage].repeats; i++, index++)
      {
        guint wide = in * stages[stage].expand, out = stages[stage].out;

        if (stages[stage].expand > 1)
          add_step (build, index, "expand", "_bn0", (DescryConvShape) { wide, in, 1 });
        add_step (build, index, "depthwise", "_bn1", (DescryConvShape) { wide, 1, stages[stage].kernel });
        add_step (build, index, "project", "_bn2", (DescryConvShape) { out, wide, 1 });
        in = out;
      }

  descry_build_conv_bn (build, "head", "_conv_head.weight", "_bn1", EPS, (DescryConvShape) { 1280, in, 1 });
  descry_build_linear (build, "fc", "_fc.weight", 1000, 1280);
  descry_build_vector (build, "fc.bias", "_fc.bias", 1000);

  descry_build_ignore (build, "*num_batches_tracked");
}
