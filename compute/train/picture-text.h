/* picture-text.h - a picture of a training set as the first stage reads it
 *
 * The text is spec/lyrics.md 3.1-3.2: `[CLS]`, for every box `name [ x1 y1 x2 y2 ] [SEP]` with three decimals, then the
 * caption, whose positions begin at 1 again; for the caption's loss `[DEC]` stands first and the
 * tokenizer's end mark is the last word to predict. A connector that reads the language model's words has four special rows
 * behind the vocabulary: [CLS], [SEP], [MASK], [DEC]. One with words of its own (the full-size layouts: BERT's) has them in it;
 * [DEC] may be the row behind its vocabulary's last word, as in BLIP-2.
 *
 * Words of the align term (2.9.1): every scene, place, colour and noun of the training pictures, each the mean of its
 * tokens' embeddings in the language model. Visual queries are pulled to the scene; of each object's queries the first to
 * its place, the second to its colour, the third to its noun.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/text/tokenizer.h"
#include "compute/train/example.h"
#include "compute/train/stage1.h"

G_BEGIN_DECLS

typedef enum { DESCRY_WORD_SCENE, DESCRY_WORD_PLACE, DESCRY_WORD_COLOR, DESCRY_WORD_NOUN, DESCRY_WORD_KINDS } DescryWordKind;

/* "scene", "place", "color", "noun" */
const char *descry_word_kind_name (DescryWordKind kind);

typedef struct
{
  float *visual_mean, *visual_inverse; /* [channels] */
  float *local_mean, *local_inverse; /* [row_width] */
} DescryPictureStatistics;

typedef struct _DescryPictureTexts DescryPictureTexts;

/**
 * descry_picture_texts_new:
 * @tokenizer: the language model's
 * @words: (nullable): the connector's own, where it reads other words; must outlive the texts, as @tokenizer must
 * @llm: the language model's file: its token_embd.weight gives the words' directions
 * @set: its training pictures give the words; must outlive the texts
 * @former: what the texts are for: vocabulary, positions, queries
 * @statistics: what features are standardised with; must outlive the texts
 */
DescryPictureTexts *descry_picture_texts_new  (DescryTokenizer *tokenizer, DescryTokenizer *words, DescryGguf *llm, DescryPictureSet *set,
                                               const DescryTrainFormerShape *former, const DescryPictureStatistics *statistics, GError **error);
void                descry_picture_texts_free (DescryPictureTexts *texts);
guint               descry_picture_texts_count (DescryPictureTexts *texts); /* words */
DescryWordKind      descry_picture_texts_kind (DescryPictureTexts *texts, guint word);
const float        *descry_picture_texts_words (DescryPictureTexts *texts); /* [words, llm_width], without the centre */
const float        *descry_picture_texts_centre (DescryPictureTexts *texts); /* [llm_width] mean of all token embeddings */

/* `[CLS]` question `[SEP]`, at most @most ids: what the connector reads of a question. */
void                descry_picture_texts_instruct (DescryPictureTexts *texts, const char *question, guint most, GArray *ids);

/* The language model's token embeddings: @mean [width] of each column and the @deviation of all numbers from it. What soft
 * tokens are normed to. @mean: descry_free(). */
gboolean            descry_embedding_statistics (DescryGguf *llm, float **mean, float *deviation, guint *width, guint *vocabulary, GError **error);

/* One picture with everything that the losses read; owns it. */
typedef struct
{
  DescryStage1Example example;
  GArray *text, *caption, *masked, *positions, *caption_targets, *masked_targets, *align; /* gint32 */
  float  *visual, *local; /* standardised */
} DescryPictureExample;

/* @rand draws caption and masked elements. @dropout: share of the pooled features that are zeroed. */
DescryPictureExample *descry_picture_example_new  (DescryPictureTexts *texts, DescryPicture *picture, GRand *rand, float dropout, GError **error);
void                  descry_picture_example_free (DescryPictureExample *example);


G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryPictureTexts, descry_picture_texts_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryPictureExample, descry_picture_example_free)

G_END_DECLS
