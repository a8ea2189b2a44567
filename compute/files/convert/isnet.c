/* isnet.c - names and shapes of IS-Net
 *
 * Weights are found by the step of the graph that uses them, since the exporter numbered them:
 * /stageX/rebnconvY/conv_s1/Conv      stageX.rebnconvY      e.g. stage1.rebnconvin, stage1.rebnconv1d
 * /conv_in/Conv                       conv_in
 * /side1/Conv                         side1; side2 … side6 only help in training
 *
 * The `small` file has ConvInteger steps instead (…/Conv_quant): uint8 weights with one scale and
 * one zero point, the bias in a Reshape step of its own. Here: I8 = q - 128, NAME.scale f32 [1],
 * NAME.zero f32 [1] = zero point - 128, so that w = (i8 - zero) · scale. The `medium` file is F16.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-convert"

#include "config.h"

#include <string.h>

#include "compute/files/convert/build.h"

/* RSU-L with L levels; 4 with dilated convolutions instead of pooling for RSU-4F, whose names and
 * shapes are those of RSU-4. */
static const struct
{
  const char *name;
  guint       levels;
  guint       in;
  guint       mid;
  guint       out;
} stages[] = {
  { "stage1", 7, 64, 32, 64 }, { "stage2", 6, 64, 32, 128 }, { "stage3", 5, 128, 64, 256 }, { "stage4", 4, 256, 128, 512 },
  { "stage5", 4, 512, 256, 512 }, { "stage6", 4, 512, 256, 512 }, { "stage5d", 4, 1024, 256, 512 }, { "stage4d", 4, 1024, 128, 256 },
  { "stage3d", 5, 512, 64, 128 }, { "stage2d", 6, 256, 32, 64 }, { "stage1d", 7, 128, 16, 64 },
};

/* The step at @place, plain or quantised. */
static void
add_conv (DescryBuild *build,
          const char  *name,
          const char  *place,
          guint        out,
          guint        in)
{
  DescryConvShape shape = { out, in, 3 };
  g_autofree char *plain = g_strdup_printf ("%s/Conv", place);
  g_autofree char *quantised = g_strdup_printf ("%s/Conv_quant", place);
  g_autofree char *bias_step = g_strdup_printf ("%s/Conv_output_0_bias_reshape_output", place);
  g_autofree char *bias_name = g_strconcat (name, ".bias", NULL);
  const DescrySourceNode *node;

  if (!descry_build_ok (build))
    return;

  node = descry_source_find_node (build->source, plain);
  if (node != NULL && strcmp (node->op, "Conv") == 0 && node->n_inputs == 3)
    {
      descry_build_conv (build, name, node->inputs[1], DESCRY_LAYOUT_OIHW, shape);
      descry_build_vector (build, bias_name, node->inputs[2], out);
      return;
    }

  node = descry_source_find_node (build->source, quantised);
  if (node != NULL && strcmp (node->op, "ConvInteger") == 0 && node->n_inputs == 4 && g_str_has_suffix (node->inputs[1], "_quantized"))
    {
      /* The scale is used by a later step; the exporter gives the three the same beginning. */
      g_autofree char *base = g_strndup (node->inputs[1], strlen (node->inputs[1]) - strlen ("_quantized"));
      g_autofree char *scale = g_strconcat (base, "_scale", NULL);

      descry_build_conv_u8 (build, name, node->inputs[1], scale, node->inputs[3], shape);

      node = descry_source_find_node (build->source, bias_step);
      if (node != NULL && strcmp (node->op, "Reshape") == 0 && node->n_inputs == 2)
        descry_build_vector (build, bias_name, node->inputs[0], out);
      else
        descry_build_fail (build, "step '%s' expected, not found", bias_step);
      return;
    }

  descry_build_fail (build, "step '%s' or '%s' expected, not found", plain, quantised);
}

static void
add_in_stage (DescryBuild *build,
              const char  *stage,
              const char  *conv,
              guint        out,
              guint        in)
{
  g_autofree char *name = g_strdup_printf ("%s.%s", stage, conv);
  g_autofree char *place = g_strdup_printf ("/%s/%s/conv_s1", stage, conv);

  add_conv (build, name, place, out, in);
}

static void
add_stage (DescryBuild *build,
           guint        s)
{
  guint levels = stages[s].levels, mid = stages[s].mid, i;

  add_in_stage (build, stages[s].name, "rebnconvin", stages[s].out, stages[s].in);
  for (i = 1; i <= levels; i++)
    {
      g_autofree char *conv = g_strdup_printf ("rebnconv%u", i);

      add_in_stage (build, stages[s].name, conv, mid, i == 1 ? stages[s].out : mid);
    }
  for (i = levels - 1; i >= 1; i--)
    {
      g_autofree char *conv = g_strdup_printf ("rebnconv%ud", i);

      add_in_stage (build, stages[s].name, conv, i == 1 ? stages[s].out : mid, 2 * mid);
    }
}

void
descry_build_isnet (DescryBuild *build)
{
  static const float mean[3] = { 128, 128, 128 }, deviation[3] = { 256, 256, 256 };
  guint i;

  descry_gguf_writer_set_uint (build->writer, "vision.input_size", 512);
  descry_gguf_writer_set_string (build->writer, "vision.channels", "rgb");
  descry_gguf_writer_set_floats (build->writer, "vision.mean", mean, 3);
  descry_gguf_writer_set_floats (build->writer, "vision.std", deviation, 3);

  add_conv (build, "conv_in", "/conv_in", 64, 3);
  for (i = 0; i < G_N_ELEMENTS (stages); i++)
    add_stage (build, i);
  add_conv (build, "side1", "/side1", 1, 64);

  for (i = 2; i <= 6; i++)
    {
      g_autofree char *pattern = g_strdup_printf ("side%u.*", i);

      descry_build_ignore (build, pattern);
    }
  descry_build_ignore_constants (build);
}
