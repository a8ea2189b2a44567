/* encoder.h - the whole picture as a grid of tokens
 *
 * The network in the encoder slot; `general.architecture` picks the code. When the slot names the tagger's
 * file, the tagger's run on the whole picture is the encoder's as well.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/image/image.h"
#include "compute/lyrics/bundle.h"
#include "compute/models/vision.h"

G_BEGIN_DECLS

/* Image tokens on the host: they outlive the run, and every turn about the picture uses them. Immutable; counted. */
typedef struct
{
  gatomicrefcount refs;
  guint  height, width; /* of the grid; a class token would make height 1 */
  guint  channels;
  float *values; /* [height * width, channels]; descry_free() */
} DescryTokens;

DescryTokens *descry_tokens_ref   (DescryTokens *tokens);
void          descry_tokens_unref (DescryTokens *tokens);

typedef struct _DescryEncoder DescryEncoder;

/**
 * descry_encoder_new:
 * @gguf: the file in the slot
 * @shared: (nullable) (transfer none): the tagger's network, when the slot names its file; must outlive the encoder
 */
DescryEncoder *descry_encoder_new  (DescryDevice *device, DescryGguf *gguf, DescryEfficientNet *shared, GError **error);
void           descry_encoder_free (DescryEncoder *encoder);
guint          descry_encoder_width (DescryEncoder *encoder); /* channels of a token */

/* TRUE when both slots hold the same file (by SHA-256, else by name). */
gboolean       descry_encoder_is_tagger (DescryBundle *bundle);

/* Squashes the picture to the network's input and runs it; waits. */
DescryTokens  *descry_encoder_run (DescryEncoder *encoder, DescryImage *image, GCancellable *cancellable, GError **error);

/* The network alone: @pixels f32 [1, h, w, 3], normalised -> f32 [n, width] on the device, from the run's pool. */
DescryTensor   descry_encoder_forward (DescryEncoder *encoder, DescryRun *run, DescryTensor pixels);

/* From a run of the shared network over the whole picture: @features f32 [1, h, w, channels]; waits. */
DescryTokens  *descry_encoder_take (DescryRun *run, DescryTensor features, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryTokens, descry_tokens_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryEncoder, descry_encoder_free)

G_END_DECLS
