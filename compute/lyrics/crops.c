/* crops.c - pixels of a picture as the networks want them
 *
 * Sizes, filters and constants: models/compact.md 2, 4a, 4b, 5.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-crops"

#include "config.h"

#include "compute/lyrics/crops.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"

static const float tagger_mean[3] = { 127.0f, 127.0f, 127.0f };
static const float tagger_scale[3] = { 1.0f / 128.0f, 1.0f / 128.0f, 1.0f / 128.0f };
static const float isnet_mean[3] = { 128.0f, 128.0f, 128.0f };
static const float isnet_scale[3] = { 1.0f / 256.0f, 1.0f / 256.0f, 1.0f / 256.0f };
/* Blue, green, red. */
static const float nanodet_mean[3] = { 103.53f, 116.28f, 123.675f };
static const float nanodet_scale[3] = { 1.0f / 57.375f, 1.0f / 57.12f, 1.0f / 58.395f };
static const float centernet_mean[3] = { 0.0f, 0.0f, 0.0f };
static const float centernet_scale[3] = { 1.0f, 1.0f, 1.0f };

DescryRect
descry_crop_rect (DescryBox box,
                  guint     width,
                  guint     height)
{
  DescryRect rect;

  /* Every pixel that is touched: on boxes of ten pixels this alone moves a score by 0.06. */
  rect.x0 = (guint) CLAMP (floorf (box.x0), 0.0f, (float) width - 1.0f);
  rect.y0 = (guint) CLAMP (floorf (box.y0), 0.0f, (float) height - 1.0f);
  rect.x1 = (guint) CLAMP (ceilf (box.x1), (float) rect.x0 + 1.0f, (float) width);
  rect.y1 = (guint) CLAMP (ceilf (box.y1), (float) rect.y0 + 1.0f, (float) height);

  return rect;
}

gboolean
descry_crop_for_tagger (DescryImage *image,
                        DescryRect   rect,
                        float       *out,
                        float       *color,
                        GError     **error)
{
  g_autoptr (DescryImage) crop = NULL;
  guint64 sums[3] = { 0 };
  guint i, c;

  crop = descry_image_resize (image, rect.x0, rect.y0, rect.x1, rect.y1, DESCRY_TAGGER_SIDE, DESCRY_TAGGER_SIDE, DESCRY_FILTER_BICUBIC, error);
  if (crop == NULL)
    return FALSE;

  descry_image_normalise (crop, tagger_mean, tagger_scale, FALSE, out);
  if (color != NULL)
    {
      for (i = 0; i < DESCRY_TAGGER_SIDE * DESCRY_TAGGER_SIDE; i++)
        for (c = 0; c < 3; c++)
          sums[c] += crop->pixels[3 * i + c];
      for (c = 0; c < 3; c++)
        color[c] = (float) ((double) sums[c] / (255.0 * DESCRY_TAGGER_SIDE * DESCRY_TAGGER_SIDE));
    }

  return TRUE;
}

gboolean
descry_crop_for_isnet (DescryImage *image,
                       DescryRect   rect,
                       float       *out,
                       GError     **error)
{
  g_autoptr (DescryImage) crop = NULL;

  crop = descry_image_resize (image, rect.x0, rect.y0, rect.x1, rect.y1, DESCRY_ISNET_SIDE, DESCRY_ISNET_SIDE, DESCRY_FILTER_BILINEAR, error);
  if (crop == NULL)
    return FALSE;

  descry_image_normalise (crop, isnet_mean, isnet_scale, FALSE, out);
  return TRUE;
}

static gboolean
fill_letterbox (DescryImage           *image,
                const DescryLetterbox *letterbox,
                const float            mean[3],
                const float            scale[3],
                gboolean               bgr,
                float                  pad, /* normalised */
                float                 *out,
                GError               **error)
{
  g_autoptr (DescryImage) small = NULL;
  gsize n = (gsize) letterbox->size * letterbox->size, row = 3 * (gsize) letterbox->width, i;
  float *inner;
  guint y, c;

  small = descry_image_resize (image, 0, 0, image->width, image->height, letterbox->width, letterbox->height, DESCRY_FILTER_BILINEAR, error);
  if (small == NULL)
    return FALSE;
  inner = descry_try_alloc (row * letterbox->height, sizeof (float));
  if (inner == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "no memory for %u x %u pixels", letterbox->width, letterbox->height);
      return FALSE;
    }

  descry_image_normalise (small, mean, scale, bgr, inner);
  for (i = 0; i < n; i++)
    for (c = 0; c < 3; c++)
      out[3 * i + c] = pad;
  for (y = 0; y < letterbox->height; y++)
    memcpy (out + 3 * ((gsize) (letterbox->top + y) * letterbox->size + letterbox->left), inner + y * row, row * sizeof (float));
  descry_free (inner);

  return TRUE;
}

gboolean
descry_crop_for_nanodet (DescryImage           *image,
                         const DescryLetterbox *letterbox,
                         float                 *out,
                         GError               **error)
{
  /* Padded with the mean: black measures the same, but the page's figures were made with this. */
  return fill_letterbox (image, letterbox, nanodet_mean, nanodet_scale, TRUE, 0.0f, out, error);
}

gboolean
descry_crop_for_centernet (DescryImage           *image,
                           const DescryLetterbox *letterbox,
                           float                 *out,
                           GError               **error)
{
  return fill_letterbox (image, letterbox, centernet_mean, centernet_scale, FALSE, 127.5f, out, error);
}
