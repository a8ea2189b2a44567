/* picture-text.c - a picture of a training set as the first stage reads it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/picture-text.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"

#define MASK_SHARE 0.15
#define CAPTION_MOST 87 /* tokens */

enum { CLS, SEP, MASK, DEC, SPECIAL_ROWS };

typedef struct
{
  char          *text;
  DescryWordKind kind;
} Word;

struct _DescryPictureTexts
{
  DescryTokenizer               *tokenizer; /* of the language model: directions of words */
  DescryTokenizer               *words_of; /* of what the connector reads */
  gint32                         special[SPECIAL_ROWS];
  DescryPictureSet              *set;
  const DescryPictureStatistics *statistics;
  DescryTrainFormerShape         shape;
  GArray                        *words; /* of Word */
  GHashTable                    *index; /* "kind:text" -> place in words + 1 */
  float                         *values; /* [words, llm_width] */
  float                         *centre; /* [llm_width] */
};

const char *
descry_word_kind_name (DescryWordKind kind)
{
  static const char *const names[] = { "scene", "place", "color", "noun" };

  return names[kind];
}

/* "at the top left" -> "top left": what tells places apart. */
static const char *
bare_place (const char *side)
{
  const char *the = strstr (side, "the ");

  return the != NULL ? the + strlen ("the ") : side;
}

static gint32
find_word (DescryPictureTexts *texts,
           DescryWordKind      kind,
           const char         *text)
{
  g_autofree char *key = NULL;

  if (text == NULL)
    return -1;
  key = g_strdup_printf ("%s:%s", descry_word_kind_name (kind), text);
  return GPOINTER_TO_INT (g_hash_table_lookup (texts->index, key)) - 1;
}

static void
add_word (DescryPictureTexts *texts,
          DescryWordKind      kind,
          const char         *text)
{
  Word word = { NULL, kind };

  if (text == NULL || find_word (texts, kind, text) >= 0)
    return;
  word.text = g_strdup (text);
  g_array_append_val (texts->words, word);
  g_hash_table_insert (texts->index, g_strdup_printf ("%s:%s", descry_word_kind_name (kind), text), GINT_TO_POINTER (texts->words->len));
}

static gboolean
collect_words (DescryPictureTexts *texts,
               GError            **error)
{
  guint n = descry_picture_set_count (texts->set, DESCRY_SPLIT_TRAIN), i, k;

  for (i = 0; i < n; i++)
    {
      g_autoptr (DescryPicture) picture = descry_picture_set_get (texts->set, DESCRY_SPLIT_TRAIN, i, error);

      if (picture == NULL)
        return FALSE;
      add_word (texts, DESCRY_WORD_SCENE, picture->scene);
      for (k = 0; k < picture->objects->len; k++)
        {
          const DescryPictureObject *object = g_ptr_array_index (picture->objects, k);

          add_word (texts, DESCRY_WORD_PLACE, bare_place (object->side));
          add_word (texts, DESCRY_WORD_COLOR, object->color);
          add_word (texts, DESCRY_WORD_NOUN, object->noun);
        }
    }
  return TRUE;
}

static float *
read_embeddings (DescryGguf *llm,
                 guint      *width,
                 guint      *vocabulary,
                 GError    **error)
{
  const DescryGgufTensor *tensor = descry_gguf_find (llm, "token_embd.weight");

  if (tensor == NULL || tensor->n_dims != 2 || tensor->dims[0] > 16384 || tensor->dims[1] > 1 << 20)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: expected a matrix token_embd.weight", descry_gguf_path (llm));
      return NULL;
    }
  *width = (guint) tensor->dims[0];
  *vocabulary = (guint) tensor->dims[1];
  return descry_gguf_read_f32 (llm, tensor, error);
}

/* NULL only without memory. */
static float *
column_means (const float *table,
              guint        rows,
              guint        width)
{
  double *sums = descry_try_alloc (width, sizeof (double));
  float *mean = descry_try_alloc (width, sizeof (float));
  guint i, c;

  if (sums != NULL && mean != NULL)
    {
      memset (sums, 0, width * sizeof (double));
      for (i = 0; i < rows; i++)
        for (c = 0; c < width; c++)
          sums[c] += table[(gsize) i * width + c];
      for (c = 0; c < width; c++)
        mean[c] = (float) (sums[c] / rows);
    }
  else
    g_clear_pointer (&mean, descry_free);
  descry_free (sums);
  return mean;
}

gboolean
descry_embedding_statistics (DescryGguf *llm,
                             float     **mean,
                             float      *deviation,
                             guint      *width,
                             guint      *vocabulary,
                             GError    **error)
{
  float *table = read_embeddings (llm, width, vocabulary, error);
  double squares = 0.0;
  gsize i;

  *mean = NULL;
  if (table == NULL)
    return FALSE;
  *mean = column_means (table, *vocabulary, *width);
  for (i = 0; *mean != NULL && i < (gsize) *vocabulary * *width; i++)
    squares += (double) (table[i] - (*mean)[i % *width]) * (table[i] - (*mean)[i % *width]);
  *deviation = (float) sqrt (squares / ((double) *vocabulary * *width));
  descry_free (table);
  if (*mean == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %u numbers", descry_gguf_path (llm), *width);
  return *mean != NULL;
}

/* The words' directions: means of their tokens' embeddings, without the mean of all. */
static gboolean
measure_words (DescryPictureTexts *texts,
               DescryGguf         *llm,
               GError            **error)
{
  guint width, rows, i, c, k;
  float *table = read_embeddings (llm, &width, &rows, error);

  if (table == NULL)
    return FALSE;
  if (width != texts->shape.llm_width)
    {
      descry_free (table);
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: token_embd.weight of width %u, the connector speaks %u", descry_gguf_path (llm), width, texts->shape.llm_width);
      return FALSE;
    }
  texts->values = descry_try_alloc (MAX ((gsize) texts->words->len, 1) * width, sizeof (float));
  texts->centre = column_means (table, rows, width);
  if (texts->values == NULL || texts->centre == NULL)
    {
      descry_free (table);
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for the directions of %u words", texts->words->len);
      return FALSE;
    }

  for (i = 0; i < texts->words->len; i++)
    {
      g_autofree char *spaced = g_strconcat (" ", g_array_index (texts->words, Word, i).text, NULL); /* as inside a sentence */
      g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
      float *value = texts->values + (gsize) i * width;

      descry_tokenizer_encode (texts->tokenizer, spaced, -1, FALSE, ids);
      for (c = 0; c < width; c++)
        {
          double sum = 0.0;

          for (k = 0; k < ids->len; k++)
            sum += table[(gsize) g_array_index (ids, gint32, k) * width + c];
          value[c] = (float) (sum / MAX (ids->len, 1) - texts->centre[c]);
        }
    }
  descry_free (table);
  return TRUE;
}

/* Ids of [CLS], [SEP], [MASK] and [DEC]. */
static gboolean
find_special (DescryPictureTexts *texts,
              GError            **error)
{
  static const char *const names[] = { "[CLS]", "[SEP]", "[MASK]", "[DEC]" };
  const guint vocabulary = texts->shape.vocabulary, size = descry_tokenizer_size (texts->words_of);
  const gboolean own = texts->words_of != texts->tokenizer;
  guint i;

  if (vocabulary == 0)
    return TRUE;
  if (size > vocabulary)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "The connector reads %u words, %s has %u%s", vocabulary, own ? "its tokenizer" : "the language model", size,
                   own ? "" : ": its file lacks a tokenizer of its own");
      return FALSE;
    }
  for (i = 0; i < SPECIAL_ROWS; i++)
    {
      texts->special[i] = own ? descry_tokenizer_find (texts->words_of, names[i]) : -1;
      if (texts->special[i] < 0 && own && i == DEC && size < vocabulary)
        texts->special[i] = (gint32) size;
      if (texts->special[i] < 0 && texts->shape.special_rows >= SPECIAL_ROWS)
        texts->special[i] = (gint32) (vocabulary + i);
      if (texts->special[i] < 0)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "The connector's words have no %s, and of %d special rows it has %u", names[i], SPECIAL_ROWS, texts->shape.special_rows);
          return FALSE;
        }
    }

  return TRUE;
}

DescryPictureTexts *
descry_picture_texts_new (DescryTokenizer               *tokenizer,
                          DescryTokenizer               *words,
                          DescryGguf                    *llm,
                          DescryPictureSet              *set,
                          const DescryTrainFormerShape  *former,
                          const DescryPictureStatistics *statistics,
                          GError                       **error)
{
  g_autoptr (DescryPictureTexts) texts = g_new0 (DescryPictureTexts, 1);

  texts->tokenizer = tokenizer;
  texts->words_of = words != NULL ? words : tokenizer;
  texts->set = set;
  texts->statistics = statistics;
  texts->shape = *former;
  texts->words = g_array_new (FALSE, FALSE, sizeof (Word));
  texts->index = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!find_special (texts, error))
    return NULL;
  if (descry_picture_set_channels (set) != former->visual_width || descry_picture_set_row_width (set) != former->local_width)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "The connector looks at features of width %u and %u, the set of pictures has %u and %u",
                   former->visual_width, former->local_width, descry_picture_set_channels (set), descry_picture_set_row_width (set));
      return NULL;
    }
  if (!collect_words (texts, error) || !measure_words (texts, llm, error))
    return NULL;

  return g_steal_pointer (&texts);
}

void
descry_picture_texts_free (DescryPictureTexts *texts)
{
  guint i;

  if (texts == NULL)
    return;

  for (i = 0; i < texts->words->len; i++)
    g_free (g_array_index (texts->words, Word, i).text);
  g_array_unref (texts->words);
  g_hash_table_unref (texts->index);
  descry_free (texts->values);
  descry_free (texts->centre);
  g_free (texts);
}

guint
descry_picture_texts_count (DescryPictureTexts *texts)
{
  return texts->words->len;
}

DescryWordKind
descry_picture_texts_kind (DescryPictureTexts *texts,
                           guint               word)
{
  return g_array_index (texts->words, Word, word).kind;
}

const float *
descry_picture_texts_words (DescryPictureTexts *texts)
{
  return texts->values;
}

const float *
descry_picture_texts_centre (DescryPictureTexts *texts)
{
  return texts->centre;
}

/* One picture's texts while they are written. */
typedef struct
{
  DescryPictureTexts   *texts;
  DescryPictureExample *out;
  GRand                *rand;
} Writer;

static void
push (Writer  *writer,
      gint32   id,
      gint32   position,
      gboolean masked)
{
  DescryPictureExample *out = writer->out;
  const gint32 none = -1, mask = writer->texts->special[MASK];

  g_array_append_val (out->text, id);
  g_array_append_val (out->caption, id);
  g_array_append_val (out->positions, position);
  g_array_append_vals (out->masked, masked ? &mask : &id, 1);
  g_array_append_vals (out->masked_targets, masked ? &id : &none, 1);
  g_array_append_val (out->caption_targets, none);
}

/* One element of a box, tokenised alone; hidden as a whole or not at all. */
static void
push_element (Writer     *writer,
              const char *text,
              gboolean    maskable)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  gboolean masked = maskable && g_rand_double (writer->rand) <= MASK_SHARE;
  guint i;

  descry_tokenizer_encode (writer->texts->words_of, text, -1, FALSE, ids);
  for (i = 0; i < ids->len; i++)
    push (writer, g_array_index (ids, gint32, i), (gint32) writer->out->text->len, masked);
}

/* As Python writes round (v, 3): the shortest decimal, at least one place. */
static void
push_number (Writer *writer,
             double  value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE + 1] = " ";
  char *end;

  g_ascii_formatd (text + 1, G_ASCII_DTOSTR_BUF_SIZE, "%.3f", value);
  for (end = text + strlen (text) - 1; *end == '0' && end[-1] != '.'; end--)
    *end = '\0';
  push_element (writer, text, TRUE);
}

static void
push_box (Writer                    *writer,
          const DescryPicture       *picture,
          const DescryPictureObject *object)
{
  g_autofree char *name = g_strconcat (" ", object->noun, NULL);

  push_element (writer, name, TRUE);
  push_element (writer, " [", FALSE);
  push_number (writer, object->box.x0 / picture->width);
  push_number (writer, object->box.y0 / picture->height);
  push_number (writer, object->box.x1 / picture->width);
  push_number (writer, object->box.y1 / picture->height);
  push_element (writer, " ]", FALSE);
  push (writer, writer->texts->special[SEP], (gint32) writer->out->text->len, FALSE);
}

static void
set_length (DescryPictureExample *out,
            guint                 n)
{
  GArray *const arrays[] = { out->text, out->caption, out->masked, out->positions, out->masked_targets, out->caption_targets };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (arrays); i++)
    g_array_set_size (arrays[i], n);
}

static void
write_texts (Writer        *writer,
             DescryPicture *picture)
{
  DescryPictureExample *out = writer->out;
  const gint32 positions = (gint32) writer->texts->shape.positions;
  const gint32 dec = writer->texts->special[DEC], end = descry_tokenizer_eos (writer->texts->words_of); /* special rows are read, never said */
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  guint boxes, i;

  push (writer, writer->texts->special[CLS], 0, FALSE);
  for (i = 0; i < picture->objects->len; i++)
    {
      guint before = out->text->len;

      push_box (writer, picture, g_ptr_array_index (picture->objects, i));
      if ((gint32) out->text->len > positions)
        {
          set_length (out, before); /* a box is told whole or not at all */
          break;
        }
    }
  boxes = out->text->len;

  if (picture->captions->len > 0)
    {
      const char *caption = g_ptr_array_index (picture->captions, (guint) g_rand_int_range (writer->rand, 0, (gint32) picture->captions->len));

      descry_tokenizer_encode (writer->texts->words_of, caption, -1, FALSE, ids);
    }
  if (ids->len > CAPTION_MOST)
    g_array_set_size (ids, CAPTION_MOST);
  for (i = 0; i < ids->len && (gint32) i + 1 < positions; i++)
    {
      gint32 id = g_array_index (ids, gint32, i);

      push (writer, id, (gint32) i + 1, FALSE);
      g_array_index (out->caption_targets, gint32, boxes - 1 + i) = id; /* the row before says it */
    }
  if (i > 0)
    g_array_index (out->caption_targets, gint32, boxes - 1 + i) = end;
  g_array_index (out->caption, gint32, 0) = dec;
}

void
descry_picture_texts_instruct (DescryPictureTexts *texts,
                               const char         *question,
                               guint               most,
                               GArray             *ids)
{
  g_array_append_val (ids, texts->special[CLS]);
  descry_tokenizer_encode (texts->words_of, question, -1, FALSE, ids);
  if (ids->len > most - 1)
    g_array_set_size (ids, most - 1);
  g_array_append_val (ids, texts->special[SEP]);
}

static void
standardise (const float *mean,
             const float *inverse,
             float       *to,
             const float *from,
             guint        n)
{
  guint i;

  for (i = 0; i < n; i++)
    to[i] = (from[i] - mean[i]) * inverse[i];
}

static void
drop (GRand *rand,
      float  share,
      float *values,
      gsize  n)
{
  gsize i;

  for (i = 0; share > 0.0f && i < n; i++)
    values[i] = g_rand_double (rand) < share ? 0.0f : values[i] / (1.0f - share);
}

static gboolean
fill_features (DescryPictureTexts   *texts,
               const DescryPicture  *picture,
               DescryPictureExample *out,
               GRand                *rand,
               float                 dropout)
{
  const DescryPictureStatistics *statistics = texts->statistics;
  const guint cells = picture->grid_height * picture->grid_width, n = picture->rows != NULL ? picture->objects->len : 0;
  guint i;

  out->visual = descry_try_alloc (MAX ((gsize) cells * picture->channels, 1), sizeof (float));
  out->local = descry_try_alloc (MAX ((gsize) n * picture->row_width, 1), sizeof (float));
  if (out->visual == NULL || out->local == NULL)
    return FALSE;

  for (i = 0; i < cells; i++)
    standardise (statistics->visual_mean, statistics->visual_inverse, out->visual + (gsize) i * picture->channels, picture->grid + (gsize) i * picture->channels, picture->channels);
  drop (rand, dropout, out->visual, (gsize) cells * picture->channels);

  for (i = 0; i < n; i++)
    {
      float *row = out->local + (gsize) i * picture->row_width;

      standardise (statistics->local_mean, statistics->local_inverse, row, picture->rows + (gsize) i * picture->row_width, picture->row_width);
      drop (rand, dropout, row, picture->channels);
    }
  out->example.picture = (DescryFormerPicture) { .visual = out->visual, .n_visual = cells, .local = n > 0 ? out->local : NULL, .n_local = n };
  return TRUE;
}

static void
fill_align (DescryPictureTexts   *texts,
            const DescryPicture  *picture,
            DescryPictureExample *out)
{
  const guint objects = texts->shape.per_object > 0 ? MIN (out->example.picture.n_local, texts->shape.grounding_queries / texts->shape.per_object) : 0;
  const gint32 scene = find_word (texts, DESCRY_WORD_SCENE, picture->scene), none = -1;
  guint i, k;

  for (i = 0; i < texts->shape.visual_queries; i++)
    g_array_append_val (out->align, scene);
  for (i = 0; i < objects; i++)
    {
      const DescryPictureObject *object = g_ptr_array_index (picture->objects, i);
      const gint32 words[] = { find_word (texts, DESCRY_WORD_PLACE, bare_place (object->side)), find_word (texts, DESCRY_WORD_COLOR, object->color),
                               find_word (texts, DESCRY_WORD_NOUN, object->noun) };

      for (k = 0; k < texts->shape.per_object; k++)
        g_array_append_vals (out->align, k < G_N_ELEMENTS (words) ? &words[k] : &none, 1);
    }
  /* Queries that belong to no object have no word of their own. */
  while (texts->shape.per_object == 0 && out->align->len < texts->shape.visual_queries + texts->shape.grounding_queries)
    g_array_append_val (out->align, none);
}

DescryPictureExample *
descry_picture_example_new (DescryPictureTexts *texts,
                            DescryPicture      *picture,
                            GRand              *rand,
                            float               dropout,
                            GError            **error)
{
  g_autoptr (DescryPictureExample) out = g_new0 (DescryPictureExample, 1);
  GArray **const arrays[] = { &out->text, &out->caption, &out->masked, &out->positions, &out->caption_targets, &out->masked_targets, &out->align };
  Writer writer = { texts, out, rand };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (arrays); i++)
    *arrays[i] = g_array_new (FALSE, FALSE, sizeof (gint32));
  if (!fill_features (texts, picture, out, rand, dropout))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for its features", picture->name);
      return NULL;
    }
  if (texts->shape.vocabulary > 0)
    write_texts (&writer, picture);
  fill_align (texts, picture, out);

  {
    const gint32 *positions = (const gint32 *) out->positions->data;
    DescryStage1Example *example = &out->example;

    example->text = (DescryFormerText) { .ids = (const gint32 *) out->text->data, .positions = positions, .n = out->text->len };
    example->caption = (DescryFormerText) { .ids = (const gint32 *) out->caption->data, .positions = positions, .n = out->caption->len };
    example->masked = (DescryFormerText) { .ids = (const gint32 *) out->masked->data, .positions = positions, .n = out->masked->len };
    example->caption_targets = (const gint32 *) out->caption_targets->data;
    example->masked_targets = (const gint32 *) out->masked_targets->data;
    example->align = (const gint32 *) out->align->data;
  }
  return g_steal_pointer (&out);
}

void
descry_picture_example_free (DescryPictureExample *example)
{
  GArray **const arrays[] = { &example->text, &example->caption, &example->masked, &example->positions, &example->caption_targets, &example->masked_targets, &example->align };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (arrays); i++)
    g_clear_pointer (arrays[i], g_array_unref);
  descry_free (example->visual);
  descry_free (example->local);
  g_free (example);
}
