/* train-pictures.h - what both stages of the connector's training stand on: the set of pictures, its texts, the former
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app/train-session.h"
#include "compute/train/picture-text.h"

G_BEGIN_DECLS

typedef struct _DescryTrainPictures DescryTrainPictures;

/* Opens the set (--data) and the connector (--connector), or makes a new compact one (--width, --layers; spec/lyrics.md
 * 2.9.1) that standardises as the set asks for. A connector with words of its own has them in its file, or in --words. */
DescryTrainPictures *descry_train_pictures_new    (DescryTrainSession *session, GError **error);
void                 descry_train_pictures_free   (DescryTrainPictures *pictures);
DescryTrainFormer   *descry_train_pictures_former (DescryTrainPictures *pictures);
DescryPictureTexts  *descry_train_pictures_texts  (DescryTrainPictures *pictures);
guint                descry_train_pictures_count  (DescryTrainPictures *pictures, DescrySplit split);

/* Directions of the words and the centre, on the device; descry_tensor_free() both. */
gboolean             descry_train_pictures_words  (DescryTrainPictures *pictures, DescryTensor *words, DescryTensor *centre, GError **error);

/* Picture @index of an endless row: epoch after epoch, each in its own order. (transfer full) */
DescryPicture        *descry_train_pictures_get     (DescryTrainPictures *pictures, DescrySplit split, guint64 index, GError **error);
DescryPictureExample *descry_train_pictures_example (DescryTrainPictures *pictures, DescrySplit split, guint64 index, GRand *rand, float dropout, GError **error);

/* Over all pictures of @split: how often a query's soft token lies nearest to its own word among those of its kind.
 * @shares [kinds] 0..1; @counts [kinds] (nullable). A word that no training picture has is not asked for. */
gboolean             descry_train_pictures_judge  (DescryTrainPictures *pictures, DescrySplit split, GCancellable *cancellable,
                                                   double *shares, guint *counts, GError **error);

G_END_DECLS
