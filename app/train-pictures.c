/* train-pictures.c - the set of pictures, its texts and the connector that is trained on them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/train-pictures.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/train/features.h"

#define MEASURED 500 /* pictures that mean and deviation are taken from */
#define VISUAL_QUERIES 8
#define PER_OBJECT 3
#define OBJECTS 16
#define HEAD 32
#define POSITIONS 192
#define SPECIAL_ROWS 4
#define CONTRAST_WIDTH 256
#define GRID 7
#define JUDGED 32 /* pictures of a pass */

struct _DescryTrainPictures
{
  DescryTrainSession     *session;
  DescryPictureSet       *set;
  DescryGguf             *gguf; /* of the connector */
  char                   *fresh; /* a new connector's metadata, on disk while it is trained */
  DescryTokenizer        *words; /* of the connector, or NULL: it reads the language model's */
  DescryTrainFormer      *former;
  DescryPictureTexts     *texts;
  DescryPictureStatistics statistics;
  guint                  *order; /* of the training split in @epoch */
  guint64                 epoch;
};

static void
write_statistics (DescryPictureSet *set,
                  DescryGgufWriter *writer,
                  gboolean         *ok,
                  GError          **error)
{
  const guint channels = descry_picture_set_channels (set), row_width = descry_picture_set_row_width (set);
  g_autofree float *visual = g_new0 (float, 2 * channels), *local = g_new0 (float, 2 * row_width); /* widths are bounded by the set's reader */

  *ok = descry_picture_set_statistics (set, MEASURED, visual, visual + channels, local, local + row_width, error);
  descry_gguf_writer_set_floats (writer, "connector.visual_mean", visual, channels);
  descry_gguf_writer_set_floats (writer, "connector.visual_deviation", visual + channels, channels);
  descry_gguf_writer_set_floats (writer, "connector.local_mean", local, row_width);
  descry_gguf_writer_set_floats (writer, "connector.local_deviation", local + row_width, row_width);
}

/* Metadata and the soft tokens' norm; everything else starts at random. */
static gboolean
write_fresh (DescryTrainPictures *pictures,
             GError             **error)
{
  const DescryTrainOptions *options = pictures->session->options;
  const guint width = (guint) options->width, channels = descry_picture_set_channels (pictures->set), row_width = descry_picture_set_row_width (pictures->set);
  DescryGguf *llm = pictures->session->gguf;
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  const struct { const char *key; guint value; } numbers[] = {
    { "width", width }, { "layers", (guint) options->layers }, { "heads", width / HEAD }, { "feed_forward", 4 * width }, { "visual_queries", VISUAL_QUERIES },
    { "grounding_queries", PER_OBJECT * OBJECTS }, { "visual_width", channels }, { "local_width", row_width }, { "cross_attention_every", 2 },
    { "positions", POSITIONS }, { "special_rows", SPECIAL_ROWS }, { "queries_per_object", PER_OBJECT },
  };
  const gint32 grid[] = { GRID, GRID };
  float *weight, *bias, deviation;
  guint llm_width, vocabulary, i;
  guint64 dims[1];
  gboolean ok;

  if (!descry_embedding_statistics (llm, &bias, &deviation, &llm_width, &vocabulary, error))
    return FALSE;
  weight = descry_try_alloc (llm_width, sizeof (float));
  if (weight == NULL)
    {
      descry_free (bias);
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %u numbers", descry_gguf_path (llm), llm_width);
      return FALSE;
    }
  for (i = 0; i < llm_width; i++)
    weight[i] = deviation;
  descry_gguf_writer_set_string (writer, "general.architecture", "mq-former");
  descry_gguf_writer_set_string (writer, "general.name", "Descry compact connector");
  descry_gguf_writer_set_string (writer, "general.license", "GPL-3.0-or-later");
  for (i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autofree char *key = g_strconcat ("mq-former.", numbers[i].key, NULL);

      descry_gguf_writer_set_uint (writer, key, numbers[i].value);
    }
  descry_gguf_writer_set_uint (writer, "mq-former.llm_width", llm_width);
  descry_gguf_writer_set_uint (writer, "mq-former.vocabulary", vocabulary);
  descry_gguf_writer_set_uint (writer, "mq-former.table_width", llm_width);
  descry_gguf_writer_set_string (writer, "mq-former.words", "llm");
  descry_gguf_writer_set_float (writer, "mq-former.layer_norm_epsilon", 1e-12f);
  descry_gguf_writer_set_ints (writer, "mq-former.visual_grid", grid, 2);
  descry_gguf_writer_set_bool (writer, "mq-former.soft_token_norm", TRUE);
  descry_gguf_writer_set_bool (writer, "mq-former.local_bound", TRUE);
  descry_gguf_writer_set_string (writer, "connector.local", "objects");
  descry_gguf_writer_set_uint (writer, "connector.feature_width", channels);
  descry_gguf_writer_set_uint (writer, "connector.fourier_octaves", DESCRY_TRAIN_OCTAVES);
  descry_gguf_writer_set_uint (writer, "connector.max_objects", OBJECTS);
  if (descry_gguf_has (llm, "general.name"))
    descry_gguf_writer_set_string (writer, "connector.llm", descry_gguf_get_string (llm, "general.name", NULL));
  dims[0] = llm_width;
  descry_gguf_writer_add (writer, "soft_norm.weight", DESCRY_GGML_F32, 1, dims, weight, llm_width * sizeof (float));
  descry_gguf_writer_add (writer, "soft_norm.bias", DESCRY_GGML_F32, 1, dims, bias, llm_width * sizeof (float));
  write_statistics (pictures->set, writer, &ok, error);

  pictures->fresh = g_strconcat (options->output, ".new", NULL);
  return ok && descry_gguf_writer_write (writer, pictures->fresh, error);
}

static gboolean
read_column (DescryGguf *gguf,
             const char *key,
             guint       n,
             gboolean    inverse,
             float     **values,
             GError    **error)
{
  const float *found;
  gsize count, i;

  found = descry_gguf_get_floats (gguf, key, &count, error);
  if (found == NULL)
    return FALSE;
  if (count != n)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s: expected %u numbers, found %" G_GSIZE_FORMAT, descry_gguf_path (gguf), key, n, count);
      return FALSE;
    }
  *values = g_new (float, n);
  for (i = 0; i < n; i++)
    (*values)[i] = inverse ? 1.0f / MAX (found[i], 1e-12f) : found[i];
  return TRUE;
}

static gboolean
read_statistics (DescryTrainPictures *pictures,
                 GError             **error)
{
  const guint channels = descry_picture_set_channels (pictures->set), row_width = descry_picture_set_row_width (pictures->set);
  DescryPictureStatistics *statistics = &pictures->statistics;

  return read_column (pictures->gguf, "connector.visual_mean", channels, FALSE, &statistics->visual_mean, error)
         && read_column (pictures->gguf, "connector.visual_deviation", channels, TRUE, &statistics->visual_inverse, error)
         && read_column (pictures->gguf, "connector.local_mean", row_width, FALSE, &statistics->local_mean, error)
         && read_column (pictures->gguf, "connector.local_deviation", row_width, TRUE, &statistics->local_inverse, error);
}

/* What the connector reads, if these are words of its own: from its file, or from --words. */
static gboolean
open_words (DescryTrainPictures *pictures,
            GError             **error)
{
  const char *list = pictures->session->options->words, *words = "own";

  if (descry_gguf_has (pictures->gguf, "mq-former.words") && (words = descry_gguf_get_string (pictures->gguf, "mq-former.words", error)) == NULL)
    return FALSE;
  if (strcmp (words, "llm") == 0)
    {
      if (list != NULL)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("--words is for a connector with words of its own; this one reads the language model's"));
      return list == NULL;
    }
  if (list == NULL && !descry_gguf_has (pictures->gguf, "tokenizer.ggml.model"))
    return TRUE;

  pictures->words = list != NULL ? descry_tokenizer_new_words (list, error) : descry_tokenizer_new (pictures->gguf, error);
  return pictures->words != NULL;
}

DescryTrainPictures *
descry_train_pictures_new (DescryTrainSession *session,
                           GError            **error)
{
  const DescryTrainOptions *options = session->options;
  DescryTrainPictures *pictures = g_new0 (DescryTrainPictures, 1);
  DescryTrainFormerOptions former = { .heads = TRUE, .contrast_width = CONTRAST_WIDTH, .seed = (guint64) options->seed };
  gboolean ok;

  pictures->session = session;
  pictures->epoch = G_MAXUINT64;
  pictures->set = descry_picture_set_open (options->data, error);
  ok = pictures->set != NULL;
  if (ok && (descry_picture_set_count (pictures->set, DESCRY_SPLIT_TRAIN) < 2 || descry_picture_set_count (pictures->set, DESCRY_SPLIT_VALIDATION) < 2))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("%s: expected at least two pictures to train on and two to watch the training with, found %u and %u"), options->data,
                   descry_picture_set_count (pictures->set, DESCRY_SPLIT_TRAIN), descry_picture_set_count (pictures->set, DESCRY_SPLIT_VALIDATION));
      ok = FALSE;
    }
  ok = ok && (options->connector != NULL || write_fresh (pictures, error));
  if (ok)
    pictures->gguf = descry_gguf_open (pictures->fresh != NULL ? pictures->fresh : options->connector, error);
  ok = pictures->gguf != NULL && read_statistics (pictures, error) && open_words (pictures, error);
  /* A file without queries is a layout alone: the first stage begins there at random. */
  former.fresh = options->connector == NULL || (ok && strcmp (options->stage, "1") == 0 && descry_gguf_find (pictures->gguf, "query_tokens") == NULL);
  if (ok)
    pictures->former = descry_train_former_new (session->device, pictures->gguf, session->gguf, &former, error);
  if (pictures->former != NULL && options->words != NULL)
    descry_train_former_set_words (pictures->former, pictures->words);
  if (pictures->former != NULL)
    pictures->texts = descry_picture_texts_new (session->tokenizer, pictures->words, session->gguf, pictures->set, descry_train_former_shape (pictures->former), &pictures->statistics, error);
  if (pictures->texts == NULL)
    g_clear_pointer (&pictures, descry_train_pictures_free);
  return pictures;
}

void
descry_train_pictures_free (DescryTrainPictures *pictures)
{
  if (pictures == NULL)
    return;

  g_clear_pointer (&pictures->texts, descry_picture_texts_free);
  g_clear_pointer (&pictures->former, descry_train_former_free);
  g_clear_pointer (&pictures->words, descry_tokenizer_free);
  g_clear_pointer (&pictures->gguf, descry_gguf_free);
  g_clear_pointer (&pictures->set, descry_picture_set_free);
  if (pictures->fresh != NULL)
    g_unlink (pictures->fresh);
  g_free (pictures->fresh);
  g_free (pictures->statistics.visual_mean);
  g_free (pictures->statistics.visual_inverse);
  g_free (pictures->statistics.local_mean);
  g_free (pictures->statistics.local_inverse);
  g_free (pictures->order);
  g_free (pictures);
}

DescryTrainFormer *
descry_train_pictures_former (DescryTrainPictures *pictures)
{
  return pictures->former;
}

DescryPictureTexts *
descry_train_pictures_texts (DescryTrainPictures *pictures)
{
  return pictures->texts;
}

guint
descry_train_pictures_count (DescryTrainPictures *pictures,
                             DescrySplit          split)
{
  return descry_picture_set_count (pictures->set, split);
}

gboolean
descry_train_pictures_words (DescryTrainPictures *pictures,
                             DescryTensor        *words,
                             DescryTensor        *centre,
                             GError             **error)
{
  DescryDevice *device = pictures->session->device;
  const guint width = descry_train_former_shape (pictures->former)->llm_width, shape[] = { 1, width };
  g_autoptr (DescryRun) run = NULL;

  if (!descry_stage1_words (device, descry_picture_texts_words (pictures->texts), descry_picture_texts_count (pictures->texts), width, words, error)
      || !descry_tensor_alloc (device, centre, DESCRY_F32, 2, shape, error))
    return FALSE;
  run = descry_run_new (device, NULL);
  descry_run_write (run, *centre, descry_picture_texts_centre (pictures->texts), width);
  return descry_run_finish (run, error);
}

DescryPicture *
descry_train_pictures_get (DescryTrainPictures *pictures,
                           DescrySplit          split,
                           guint64              index,
                           GError             **error)
{
  const guint n = descry_picture_set_count (pictures->set, split);

  if (split != DESCRY_SPLIT_TRAIN)
    return descry_picture_set_get (pictures->set, split, (guint) (index % n), error);

  if (pictures->order == NULL || pictures->epoch != index / n)
    {
      pictures->epoch = index / n;
      if (pictures->order == NULL)
        pictures->order = g_new (guint, n);
      descry_picture_set_shuffle (pictures->set, split, (guint64) pictures->session->options->seed, (guint) pictures->epoch, pictures->order);
    }
  return descry_picture_set_get (pictures->set, split, pictures->order[index % n], error);
}

DescryPictureExample *
descry_train_pictures_example (DescryTrainPictures *pictures,
                               DescrySplit          split,
                               guint64              index,
                               GRand               *rand,
                               float                dropout,
                               GError             **error)
{
  g_autoptr (DescryPicture) picture = descry_train_pictures_get (pictures, split, index, error);

  return picture != NULL ? descry_picture_example_new (pictures->texts, picture, rand, dropout, error) : NULL;
}

/* The word of @kind that @soft lies nearest to, by the angle from the centre. */
static gint32
nearest (DescryTrainPictures *pictures,
         DescryWordKind       kind,
         const float         *soft)
{
  const guint width = descry_train_former_shape (pictures->former)->llm_width;
  const float *words = descry_picture_texts_words (pictures->texts), *centre = descry_picture_texts_centre (pictures->texts);
  double most = -G_MAXDOUBLE;
  gint32 best = -1;
  guint i, c;

  for (i = 0; i < descry_picture_texts_count (pictures->texts); i++)
    if (descry_picture_texts_kind (pictures->texts, i) == kind)
      {
        const float *word = words + (gsize) i * width;
        double dot = 0.0, squares = 0.0;

        for (c = 0; c < width; c++)
          {
            dot += (double) (soft[c] - centre[c]) * word[c];
            squares += (double) word[c] * word[c];
          }
        dot /= sqrt (MAX (squares, 1e-30));
        if (dot > most)
          {
            most = dot;
            best = (gint32) i;
          }
      }
  return best;
}

/* One pass over pictures @first ... of @split; their right answers and questions add up. */
static gboolean
judge_some (DescryTrainPictures *pictures,
            DescrySplit          split,
            guint                first,
            guint                n,
            GCancellable        *cancellable,
            guint               *right,
            guint               *all,
            GError             **error)
{
  DescryTrainFormer *former = pictures->former;
  const DescryTrainFormerShape *shape = descry_train_former_shape (former);
  g_autoptr (DescryRun) run = descry_run_new (pictures->session->device, cancellable);
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_picture_example_free);
  g_autofree DescryFormerPicture *looked = g_new0 (DescryFormerPicture, n);
  g_autofree DescryFormerSequence *sequences = g_new0 (DescryFormerSequence, n);
  GRand *rand = g_rand_new_with_seed (0);
  DescryFormerPass *pass;
  DescryTensor projected, soft;
  float *values = NULL;
  guint i, q, rows;
  gboolean ok = TRUE;

  for (i = 0; i < n && ok; i++)
    {
      DescryPictureExample *example = descry_train_pictures_example (pictures, split, first + i, rand, 0.0f, error);

      ok = example != NULL;
      if (ok)
        {
          g_ptr_array_add (kept, example);
          looked[i] = example->example.picture;
          sequences[i].picture = (int) i;
        }
    }
  g_rand_free (rand);
  if (!ok)
    return FALSE;

  pass = descry_former_pass_new (former, run, looked, n, sequences, n);
  rows = descry_run_ok (run) ? descry_former_pass_query_rows (pass) : 0;
  if (rows > 0)
    {
      projected = descry_run_tensor2 (run, rows, shape->llm_width);
      soft = descry_run_tensor2 (run, rows, shape->llm_width);
      descry_train_former_soft (former, run, soft, projected, descry_tensor_slice (descry_former_pass_output (pass), 0, rows));
      values = descry_try_alloc ((gsize) rows * shape->llm_width, sizeof (float));
      if (values == NULL)
        descry_run_fail (run, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %u soft tokens", rows);
      else
        descry_run_read (run, soft, values, (gsize) rows * shape->llm_width);
    }
  for (i = 0; i < n && descry_run_ok (run) && rows > 0; i++)
    {
      const DescryFormerPlace *place = descry_former_pass_place (pass, i);
      const gint32 *words = ((DescryPictureExample *) g_ptr_array_index (kept, i))->example.align;

      for (q = 0; q < descry_former_place_queries (place); q++)
        if (words[q] >= 0)
          {
            DescryWordKind kind = descry_picture_texts_kind (pictures->texts, (guint) words[q]);

            all[kind]++;
            right[kind] += nearest (pictures, kind, values + (gsize) descry_former_place_row (place, q) * shape->llm_width) == words[q];
          }
    }
  descry_former_pass_free (pass);
  descry_free (values);
  return descry_run_finish (run, error);
}

gboolean
descry_train_pictures_judge (DescryTrainPictures *pictures,
                                              DescrySplit          split,
                             GCancellable        *cancellable,
                             double              *shares,
                             guint               *counts,
                             GError             **error)
{
  guint right[DESCRY_WORD_KINDS] = { 0 }, all[DESCRY_WORD_KINDS] = { 0 }, n = descry_train_pictures_count (pictures, split), first, k;

  for (first = 0; first < n; first += JUDGED)
    if (!judge_some (pictures, split, first, MIN (JUDGED, n - first), cancellable, right, all, error))
      return FALSE;
  for (k = 0; k < DESCRY_WORD_KINDS; k++)
    {
      shares[k] = (double) right[k] / MAX (all[k], 1);
      if (counts != NULL)
        counts[k] = all[k];
    }
  return TRUE;
}
