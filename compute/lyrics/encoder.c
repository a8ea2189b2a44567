/* encoder.c - the whole picture as a grid of tokens
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-encoder"

#include "config.h"

#include "compute/lyrics/encoder.h"

#include <string.h>

#include "compute/memory.h"

#define INPUT 224 /* larger inputs weaken EfficientNet-Lite0 (models/compact.md 2) */
#define CHANNELS 1280

struct _DescryEncoder
{
  DescryDevice       *device;
  DescryEfficientNet *net;
  gboolean            owned;
};

DescryTokens *
descry_tokens_ref (DescryTokens *tokens)
{
  g_atomic_ref_count_inc (&tokens->refs);
  return tokens;
}

void
descry_tokens_unref (DescryTokens *tokens)
{
  if (tokens == NULL || !g_atomic_ref_count_dec (&tokens->refs))
    return;

  descry_free (tokens->values);
  g_free (tokens);
}

gboolean
descry_encoder_is_tagger (DescryBundle *bundle)
{
  GPtrArray *encoder = bundle->slots[DESCRY_SLOT_ENCODER], *tagger = bundle->slots[DESCRY_SLOT_TAGGER];
  const DescryBundleFile *a, *b;

  if (encoder == NULL || tagger == NULL || encoder->len == 0 || tagger->len == 0)
    return FALSE;
  a = g_ptr_array_index (encoder, 0);
  b = g_ptr_array_index (tagger, 0);
  if (a->sha256 != NULL && b->sha256 != NULL)
    return g_ascii_strcasecmp (a->sha256, b->sha256) == 0;

  return g_strcmp0 (a->file, b->file) == 0;
}

DescryEncoder *
descry_encoder_new (DescryDevice       *device,
                    DescryGguf         *gguf,
                    DescryEfficientNet *shared,
                    GError            **error)
{
  g_autoptr (DescryEncoder) encoder = g_new0 (DescryEncoder, 1);
  const char *architecture = descry_gguf_get_string (gguf, "general.architecture", error);

  if (architecture == NULL)
    return NULL;
  if (strcmp (architecture, "efficientnet-lite") != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: “%s” is no image encoder this version knows; expected efficientnet-lite",
                   descry_gguf_path (gguf), architecture);
      return NULL;
    }

  encoder->device = device;
  encoder->owned = shared == NULL;
  encoder->net = shared != NULL ? shared : descry_efficientnet_new (device, gguf, error);
  if (encoder->net == NULL)
    return NULL;

  return g_steal_pointer (&encoder);
}

void
descry_encoder_free (DescryEncoder *encoder)
{
  if (encoder == NULL)
    return;

  if (encoder->owned)
    g_clear_pointer (&encoder->net, descry_efficientnet_free);
  g_free (encoder);
}

guint
descry_encoder_width (DescryEncoder *encoder)
{
  return CHANNELS;
}

DescryTensor
descry_encoder_forward (DescryEncoder *encoder,
                        DescryRun     *run,
                        DescryTensor   pixels)
{
  DescryTensor features = { 0 }, pooled = { 0 }, logits = { 0 };

  descry_efficientnet_run (encoder->net, run, pixels, &features, &pooled, &logits);
  descry_run_release (run, &pooled);
  descry_run_release (run, &logits);
  if (features.buffer == NULL)
    return features;

  return descry_tensor_reshape (features, 2, (guint[]) { descry_tensor_rows (features), descry_tensor_cols (features) });
}

DescryTokens *
descry_encoder_take (DescryRun    *run,
                     DescryTensor  features,
                     GError      **error)
{
  g_autoptr (DescryTokens) tokens = NULL;
  gsize count = descry_tensor_count (features);

  if (!descry_run_ok (run) || features.n_dims != 4 || features.shape[0] != 1)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "encoder: expected features of one picture [1, h, w, channels]");
      descry_run_finish (run, error);
      return NULL;
    }

  tokens = g_new0 (DescryTokens, 1);
  g_atomic_ref_count_init (&tokens->refs);
  tokens->height = features.shape[1];
  tokens->width = features.shape[2];
  tokens->channels = features.shape[3];
  tokens->values = descry_try_alloc (count, sizeof (float));
  if (tokens->values == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %" G_GSIZE_FORMAT " image features", count);
      return NULL;
    }
  descry_run_read (run, features, tokens->values, count);
  if (!descry_run_finish (run, error))
    return NULL;

  return g_steal_pointer (&tokens);
}

DescryTokens *
descry_encoder_run (DescryEncoder *encoder,
                    DescryImage   *image,
                    GCancellable  *cancellable,
                    GError       **error)
{
  const float mean[] = { 127.0f, 127.0f, 127.0f }, scale[] = { 1.0f / 128.0f, 1.0f / 128.0f, 1.0f / 128.0f };
  g_autoptr (DescryImage) small = descry_image_resize (image, 0, 0, image->width, image->height, INPUT, INPUT, DESCRY_FILTER_BICUBIC, error);
  g_autoptr (DescryRun) run = NULL;
  DescryTensor pixels, tokens;
  float *values;

  if (small == NULL)
    return NULL;
  values = descry_try_alloc (INPUT * INPUT * 3, sizeof (float));
  if (values == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for the encoder's input");
      return NULL;
    }
  descry_image_normalise (small, mean, scale, FALSE, values);

  run = descry_run_new (encoder->device, cancellable);
  pixels = descry_run_tensor4 (run, 1, INPUT, INPUT, 3);
  descry_run_write (run, pixels, values, INPUT * INPUT * 3);
  descry_free (values);
  tokens = descry_encoder_forward (encoder, run, pixels);
  if (tokens.buffer != NULL)
    tokens = descry_tensor_reshape (tokens, 4, (guint[]) { 1, INPUT / 32, INPUT / 32, CHANNELS });

  return descry_encoder_take (run, tokens, error);
}
