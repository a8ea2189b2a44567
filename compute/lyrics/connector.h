/* connector.h - soft tokens: what the picture tells the language model beside the text
 *
 * Local tokens from the scene's objects and the encoder's grid go through the MQ-Former; its soft tokens
 * precede the text. The slot may be empty: then there are none, and a sentence says why. Weights that were
 * never trained are refused: `general.untrained` in the file's metadata, which tests set.
 *
 * Metadata beside mq-former's (compute/models/mq-former.h):
 *
 *   connector.local               "objects": rows made here from the scene, in this order:
 *                                   feature  pooled features of the object's crops, feature_width numbers
 *                                   box      cx cy w h, fractions of the picture
 *                                   Fourier  for each octave k = 0 … n-1: sin (2^k pi v) of the four, then cos of the four
 *                                   score    0..1
 *                                   colour   mean R G B of the crop, 0..1
 *                                   rank     0, 1, 2 … from left to right by the box's centre
 *   connector.feature_width       1280
 *   connector.fourier_octaves     4
 *   connector.max_objects         [64] rows, in the scene's order; the rest is not told
 *   connector.local_mean, connector.local_deviation      floats [local_width]: rows are standardised with them
 *   connector.visual_mean, connector.visual_deviation    [none] floats [visual_width]: the same for image tokens
 *   connector.llm                 [none] general.name of the language model it was trained for
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/bundle.h"
#include "compute/lyrics/encoder.h"
#include "compute/lyrics/scene.h"
#include "compute/models/mq-former.h"

G_BEGIN_DECLS

typedef struct _DescryConnector DescryConnector;

/* Rows for the prompt, on the host. Immutable; counted. */
typedef struct
{
  gatomicrefcount refs;
  guint  n; /* visual queries, then those of the objects that are there */
  guint  width; /* of the language model */
  float *values; /* [n, width]; descry_free() */
} DescrySoftTokens;

DescrySoftTokens *descry_soft_tokens_ref   (DescrySoftTokens *tokens);
void              descry_soft_tokens_unref (DescrySoftTokens *tokens);

/**
 * descry_connector_open:
 * @bundle: its connector slot may be empty
 * @llm: (nullable): the language model's file, to see that they fit together
 * @llm_width: width of its token embeddings, or 0: unknown
 * @reason: (out): a sentence for the person when there is no connector and nothing is broken
 *
 * Returns: (transfer full) (nullable): the connector; or %NULL with @reason (slot empty, made for another language
 * model, untrained); or %NULL with @error (damaged file, no memory)
 */
DescryConnector *descry_connector_open (DescryDevice *device, DescryBundle *bundle, DescryGguf *llm, guint llm_width, char **reason, GError **error);

/* The same from an opened file. @allow_untrained: tests and `descry stage` alone. */
DescryConnector *descry_connector_new  (DescryDevice *device, DescryGguf *gguf, DescryGguf *llm, guint llm_width, gboolean allow_untrained,
                                        char **reason, GError **error);
void             descry_connector_free (DescryConnector *connector);
DescryMqFormer  *descry_connector_former (DescryConnector *connector);

/**
 * descry_connector_local_tokens:
 * @threshold: objects below it are not told, unless they are pointed at
 * @pointed: ids of objects that the question points at: their rows come first, in this order, so that the language model
 *   need not look for them; then the scene's order
 * @n: (out): rows, at most max_objects
 *
 * Returns: (transfer full): f32 [n, local_width], standardised; descry_free(). %NULL with @error, or without when n is 0
 */
float           *descry_connector_local_tokens (DescryConnector *connector, DescryScene *scene, float threshold, const guint *pointed, guint n_pointed,
                                                guint *n, GError **error);

/* Rows of @objects (of DescryObject, of @scene) before standardisation, in their order: what training stores and
 * descry_connector_local_tokens() standardises. @unknown (nullable): [feature_width] for objects without features.
 * @rows [objects, descry_connector_row_width()]. */
guint            descry_connector_row_width (guint feature_width, guint octaves);
void             descry_connector_fill_rows (DescryScene *scene, GPtrArray *objects, guint feature_width, guint octaves,
                                             const float *unknown, float *rows);

/* Everything: local tokens, the former, soft tokens back on the host. Waits. @scene may be NULL: visual queries only. */
DescrySoftTokens *descry_connector_run (DescryConnector *connector, DescryTokens *image_tokens, DescryScene *scene, float threshold,
                                        const guint *pointed, guint n_pointed,
                                        GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescrySoftTokens, descry_soft_tokens_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryConnector, descry_connector_free)

G_END_DECLS
