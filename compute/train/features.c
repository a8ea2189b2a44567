/* features.c - what the frozen networks say about a training picture
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/features.h"

#include <string.h>

#include "compute/lyrics/connector.h"
#include "compute/lyrics/encoder.h"
#include "compute/lyrics/refiner.h"
#include "compute/memory.h"
#include "compute/train/annotations.h"

#define FEATURE_WIDTH 1280 /* of the classifier's pooled rows */

struct _DescryPictureFeatures
{
  DescryPipeline *pipeline;
  DescryGguf     *gguf; /* of the encoder */
  DescryEncoder  *encoder;
  char           *weights; /* hashes of the networks' files */
};

void
descry_picture_features_free (DescryPictureFeatures *features)
{
  if (features == NULL)
    return;

  g_clear_pointer (&features->encoder, descry_encoder_free);
  g_clear_pointer (&features->gguf, descry_gguf_free);
  g_free (features->weights);
  g_free (features);
}

static const DescryBundleFile *
file_of (DescryBundle *bundle,
         DescrySlot    slot)
{
  GPtrArray *files = bundle->slots[slot];

  return files != NULL && files->len > 0 ? g_ptr_array_index (files, 0) : NULL;
}

/* The file's hash, or its place when the bundle gives none. */
static char *
identity_of (const DescryBundleFile *file)
{
  return g_strdup (file == NULL ? "-" : file->sha256 != NULL ? file->sha256 : file->path);
}

DescryPictureFeatures *
descry_picture_features_new (DescryPipeline *pipeline,
                     GCancellable   *cancellable,
                     GError        **error)
{
  g_autoptr (DescryPictureFeatures) features = g_new0 (DescryPictureFeatures, 1);
  DescryBundle *bundle = descry_pipeline_bundle (pipeline);
  const DescryBundleFile *file = file_of (bundle, DESCRY_SLOT_ENCODER);
  DescryEfficientNet *tagger;
  g_autofree char *encoder = identity_of (file), *classifier = identity_of (file_of (bundle, DESCRY_SLOT_TAGGER));

  if (!descry_pipeline_has (pipeline, DESCRY_SLOT_TAGGER, error) || !descry_pipeline_has (pipeline, DESCRY_SLOT_ENCODER, error))
    return NULL;
  tagger = descry_pipeline_tagger (pipeline, cancellable, error);
  if (tagger == NULL)
    return NULL;
  features->pipeline = pipeline;
  features->weights = g_strconcat (encoder, " ", classifier, NULL);
  features->gguf = descry_gguf_open (file->path, error);
  if (features->gguf == NULL)
    return NULL;
  features->encoder = descry_encoder_new (descry_pipeline_device (pipeline), features->gguf, descry_encoder_is_tagger (bundle) ? tagger : NULL, error);

  return features->encoder != NULL ? g_steal_pointer (&features) : NULL;
}

guint
descry_picture_features_channels (DescryPictureFeatures *features)
{
  return descry_encoder_width (features->encoder);
}

guint
descry_picture_features_row_width (DescryPictureFeatures *features)
{
  return descry_connector_row_width (FEATURE_WIDTH, DESCRY_TRAIN_OCTAVES);
}

char *
descry_picture_features_key (DescryPictureFeatures      *features,
                     DescryImage         *image,
                     const DescryPicture *picture)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *pixels = descry_image_hash (image);
  guint i;

  g_checksum_update (sum, (const guchar *) "descry features 1 ", -1);
  g_checksum_update (sum, (const guchar *) pixels, -1);
  g_checksum_update (sum, (const guchar *) features->weights, -1);
  for (i = 0; i < picture->objects->len; i++)
    {
      const DescryPictureObject *object = g_ptr_array_index (picture->objects, i);
      const float values[] = { object->box.x0, object->box.y0, object->box.x1, object->box.y1, object->score };

      g_checksum_update (sum, (const guchar *) values, sizeof values);
    }

  return g_strdup (g_checksum_get_string (sum));
}

static gboolean
make_grid (DescryPictureFeatures *features,
           DescryImage    *image,
           DescryPicture  *picture,
           GCancellable   *cancellable,
           GError        **error)
{
  g_autoptr (DescryTokens) tokens = descry_encoder_run (features->encoder, image, cancellable, error);
  gsize n;

  if (tokens == NULL)
    return FALSE;
  n = (gsize) tokens->height * tokens->width * tokens->channels;
  descry_free (picture->grid);
  picture->grid = descry_try_alloc (n, sizeof (float));
  if (picture->grid == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for its features", picture->name);
      return FALSE;
    }
  memcpy (picture->grid, tokens->values, n * sizeof (float));
  picture->grid_height = tokens->height;
  picture->grid_width = tokens->width;
  picture->channels = tokens->channels;

  return TRUE;
}

/* Rows from objects that know their features. */
static gboolean
make_rows (DescryPicture *picture,
           const float   *pooled,
           GError       **error)
{
  g_autoptr (DescryScene) scene = NULL;
  guint width = descry_connector_row_width (FEATURE_WIDTH, DESCRY_TRAIN_OCTAVES), n = picture->objects->len, i;

  g_clear_pointer (&picture->rows, descry_free);
  scene = descry_picture_scene (picture);
  for (i = 0; i < n; i++)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i);

      object->feature = g_memdup2 (pooled + (gsize) i * FEATURE_WIDTH, FEATURE_WIDTH * sizeof (float));
      object->n_feature = FEATURE_WIDTH;
    }
  picture->row_width = width;
  picture->rows = descry_try_alloc ((gsize) n * width, sizeof (float));
  if (picture->rows == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for its features", picture->name);
      return FALSE;
    }
  descry_connector_fill_rows (scene, scene->objects, FEATURE_WIDTH, DESCRY_TRAIN_OCTAVES, NULL, picture->rows);

  return TRUE;
}

gboolean
descry_picture_features_make (DescryPictureFeatures *features,
                      DescryImage    *image,
                      DescryPicture  *picture,
                      GCancellable   *cancellable,
                      GError        **error)
{
  guint n = picture->objects->len, i;
  g_autofree DescryBox *boxes = g_new (DescryBox, n + 1);
  g_autofree float *pooled = g_new (float, (gsize) (n + 1) * FEATURE_WIDTH), *colors = g_new (float, 3 * (n + 1));
  g_autoptr (DescryRefiner) refiner = NULL;

  if (!make_grid (features, image, picture, cancellable, error))
    return FALSE;
  if (n == 0)
    return TRUE;

  for (i = 0; i < n; i++)
    boxes[i] = ((DescryPictureObject *) g_ptr_array_index (picture->objects, i))->box;
  refiner = descry_refiner_new (features->pipeline, image, picture->name, error);
  if (refiner == NULL || !descry_refiner_describe (refiner, boxes, n, pooled, colors, cancellable, error))
    return FALSE;
  for (i = 0; i < n; i++)
    memcpy (((DescryPictureObject *) g_ptr_array_index (picture->objects, i))->rgb, colors + 3 * i, 3 * sizeof (float));

  return make_rows (picture, pooled, error);
}

gboolean
descry_picture_features_add (DescryPictureFeatures      *features,
                     DescryPictureWriter *writer,
                     DescryImage         *image,
                     DescryPicture       *picture,
                     GCancellable        *cancellable,
                     GError             **error)
{
  g_autofree char *key = descry_picture_features_key (features, image, picture);
  const guint color_at = FEATURE_WIDTH + 4 + 8 * DESCRY_TRAIN_OCTAVES + 1;
  guint i;

  if (!descry_picture_writer_recall (writer, key, picture))
    {
      if (!descry_picture_features_make (features, image, picture, cancellable, error))
        return FALSE;
    }
  else
    for (i = 0; i < picture->objects->len; i++)
      memcpy (((DescryPictureObject *) g_ptr_array_index (picture->objects, i))->rgb, picture->rows + (gsize) i * picture->row_width + color_at, 3 * sizeof (float));

  return descry_picture_writer_add (writer, key, picture, error);
}

gboolean
descry_picture_features_detect (DescryPictureFeatures *features,
                                DescryImage           *image,
                                DescryPicture         *picture,
                                GArray                *labelled,
                                GCancellable          *cancellable,
                                GError               **error)
{
  g_autoptr (DescryRefiner) refiner = descry_refiner_new (features->pipeline, image, picture->name, error);
  g_autoptr (DescryScene) scene = NULL;

  if (refiner == NULL || !descry_refiner_tag (refiner, cancellable, error) || !descry_refiner_detect (refiner, cancellable, error))
    return FALSE;
  scene = descry_refiner_scene (refiner);
  descry_annotations_relabel (picture, scene, labelled);

  return TRUE;
}
