/* mq-former-weights.c - parameters of the trained MQ-Former: reading, starting values, writing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/models/mq-former.h"
#include "compute/train/mq-former-private.h"

#define DEVIATION 0.02 /* of new weights, as in BERT */
#define TEMPERATURE 0.07

/* One tensor of the file that is trained. */
typedef struct
{
  char          *name;
  guint          rows, cols; /* as in the file; rows 0: a vector */
  gboolean       turned; /* a linear layer's matrix: [in, out] in memory */
  gboolean       head; /* of the first stage: may be absent in the file */
  float          start; /* of each number when new, beside random ones for matrices */
  DescryTrained *place;
} Spec;

static void
free_spec (gpointer data)
{
  Spec *spec = data;

  g_free (spec->name);
  g_free (spec);
}

static void
want (DescryTrainFormer *former,
      DescryTrained     *place,
      guint              rows,
      guint              cols,
      gboolean           turned,
      float              start,
      const char        *format,
      ...) G_GNUC_PRINTF (7, 8);

static void
want (DescryTrainFormer *former,
      DescryTrained     *place,
      guint              rows,
      guint              cols,
      gboolean           turned,
      float              start,
      const char        *format,
      ...)
{
  Spec *spec = g_new0 (Spec, 1);
  va_list arguments;

  va_start (arguments, format);
  spec->name = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  spec->rows = rows;
  spec->cols = cols;
  spec->turned = turned;
  spec->start = start;
  spec->place = place;
  spec->head = g_str_has_prefix (spec->name, "stage1.");
  g_ptr_array_add (former->specs, spec);
}

static void
want_linear (DescryTrainFormer   *former,
             DescryTrainedLinear *linear,
             guint                out,
             guint                in,
             const char          *name)
{
  want (former, &linear->weight, out, in, TRUE, 0.0f, "%s.weight", name);
  want (former, &linear->bias, 0, out, FALSE, 0.0f, "%s.bias", name);
}

static void
want_norm (DescryTrainFormer *former,
           DescryTrainedNorm *norm,
           guint              width,
           const char        *name)
{
  want (former, &norm->weight, 0, width, FALSE, 1.0f, "%s.weight", name);
  want (former, &norm->bias, 0, width, FALSE, 0.0f, "%s.bias", name);
}

static void
want_attention (DescryTrainFormer      *former,
                DescryTrainedAttention *attention,
                guint                   layer,
                const char             *kind,
                guint                   keys)
{
  DescryTrainedLinear *linears[] = { &attention->q, &attention->k, &attention->v, &attention->o };
  guint width = former->shape.width, i;
  char name[64];

  for (i = 0; i < G_N_ELEMENTS (linears); i++)
    {
      g_snprintf (name, sizeof name, "blk.%u.%s_%c", layer, kind, "qkvo"[i]);
      want_linear (former, linears[i], width, i == 1 || i == 2 ? keys : width, name);
    }
  g_snprintf (name, sizeof name, "blk.%u.%s_norm", layer, kind);
  want_norm (former, &attention->norm, width, name);
}

static void
want_feed (DescryTrainFormer *former,
           DescryTrainedFeed *feed,
           guint              layer,
           const char        *kind)
{
  char name[64];

  g_snprintf (name, sizeof name, "blk.%u.%s_up", layer, kind);
  want_linear (former, &feed->up, former->shape.feed_forward, former->shape.width, name);
  g_snprintf (name, sizeof name, "blk.%u.%s_down", layer, kind);
  want_linear (former, &feed->down, former->shape.width, former->shape.feed_forward, name);
  g_snprintf (name, sizeof name, "blk.%u.%s_norm", layer, kind);
  want_norm (former, &feed->norm, former->shape.width, name);
}

/* Everything that is trained. */
static void
list_tensors (DescryTrainFormer *former)
{
  const DescryTrainFormerShape *shape = &former->shape;
  guint width = shape->width, i;

  want (former, &former->queries, shape->visual_queries + shape->grounding_queries, width, FALSE, 0.0f, "query_tokens");
  want_norm (former, &former->norm, width, "embd_norm");
  if (shape->vocabulary > 0)
    {
      if (!former->words_elsewhere)
        want (former, &former->table, shape->vocabulary, shape->table_width, FALSE, 0.0f, "token_embd.weight");
      if (shape->table_width != width)
        want (former, &former->embedding.weight, width, shape->table_width, TRUE, 0.0f, "embedding_projection.weight");
      if (shape->special_rows > 0)
        want (former, &former->special, shape->special_rows, width, FALSE, 0.0f, "special_embd.weight");
      want (former, &former->places, shape->positions, width, FALSE, 0.0f, "position_embd.weight");
    }
  for (i = 0; i < shape->layers; i++)
    {
      DescryTrainedLayer *layer = &former->layers[i];

      layer->crosses = i % shape->cross_every == 0;
      want_attention (former, &layer->self, i, "attn", width);
      if (layer->crosses)
        want_attention (former, &layer->visual, i, "visual", shape->visual_width);
      if (layer->crosses && shape->grounding_queries > 0)
        want_attention (former, &layer->local, i, "local", shape->local_width);
      want_feed (former, &layer->query, i, "query_ffn");
      if (shape->vocabulary > 0)
        want_feed (former, &layer->text, i, "ffn");
    }
  want_linear (former, &former->language, shape->llm_width, width, "language_projection");
  if (shape->contrast_width > 0)
    {
      want (former, &former->contrast[0], shape->contrast_width, width, TRUE, 0.0f, "stage1.visual_projection.weight");
      want (former, &former->contrast[1], 0, shape->contrast_width, FALSE, 0.0f, "stage1.visual_projection.bias");
      want (former, &former->contrast[2], shape->contrast_width, width, TRUE, 0.0f, "stage1.text_projection.weight");
      want (former, &former->contrast[3], 0, shape->contrast_width, FALSE, 0.0f, "stage1.text_projection.bias");
      want (former, &former->contrast[4], 2, width, TRUE, 0.0f, "stage1.match.weight");
      want (former, &former->contrast[5], 0, 2, FALSE, 0.0f, "stage1.match.bias");
      want (former, &former->contrast[6], 0, 1, FALSE, TEMPERATURE, "stage1.temperature");
      want_linear (former, &former->dense, shape->table_width, width, "stage1.word_dense");
      want_norm (former, &former->dense_norm, shape->table_width, "stage1.word_norm");
      want (former, &former->word_bias, 0, shape->vocabulary, FALSE, 0.0f, "stage1.word_bias");
    }
}

/* @values [rows, cols] of the file <-> what lies in memory. */
static void
turn (float       *to,
      const float *from,
      guint        rows,
      guint        cols)
{
  gsize r, c;

  for (r = 0; r < rows; r++)
    for (c = 0; c < cols; c++)
      to[c * rows + r] = from[r * cols + c];
}

static void
start_anew (Spec  *spec,
            float *values,
            GRand *rand)
{
  gsize n = (gsize) MAX (spec->rows, 1) * spec->cols, i;

  for (i = 0; i < n; i++)
    if (spec->rows > 0)
      {
        /* Box-Muller, one of the pair: plain and the same everywhere. */
        double u = 1.0 - g_rand_double (rand), v = g_rand_double (rand);

        values[i] = (float) (DEVIATION * sqrt (-2.0 * log (u)) * cos (2.0 * G_PI * v));
      }
    else
      values[i] = spec->start;
}

static gboolean
read_spec (DescryTrainFormer *former,
           DescryGguf        *gguf,
           Spec              *spec,
           GRand             *rand,
           float             *values,
           GError           **error)
{
  const guint64 dims[] = { spec->cols, spec->rows };
  gsize n = (gsize) MAX (spec->rows, 1) * spec->cols;
  const DescryGgufTensor *tensor;
  float *found;

  if (descry_gguf_find (gguf, spec->name) == NULL && (spec->head || former->options.fresh))
    {
      start_anew (spec, values, rand);
      return TRUE;
    }
  tensor = descry_gguf_want (gguf, spec->name, spec->rows > 0 ? 2 : 1, dims, error);
  found = tensor != NULL ? descry_gguf_read_f32 (gguf, tensor, error) : NULL;
  if (found == NULL)
    return FALSE;
  if (spec->turned)
    turn (values, found, spec->rows, spec->cols);
  else
    memcpy (values, found, n * sizeof (float));
  descry_free (found);
  return TRUE;
}

/* Matrices first: they alone decay. */
static gboolean
fill_parameters (DescryTrainFormer *former,
                 DescryGguf        *gguf,
                 GError           **error)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) (former->options.seed ^ 0x9e3779b9u));
  g_autoptr (DescryRun) run = NULL;
  gsize n = 0;
  float *values;
  gboolean ok = TRUE;
  guint i, vectors;

  for (i = 0; i < former->specs->len; i++)
    {
      const Spec *spec = g_ptr_array_index (former->specs, i);

      n += (gsize) MAX (spec->rows, 1) * spec->cols;
    }
  if (n > G_MAXINT32 || !descry_parameters_init (&former->parameters, former->device, (guint) n, error))
    return FALSE;
  values = descry_try_alloc (n, sizeof (float));
  if (values == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %" G_GSIZE_FORMAT " parameters", n);
      return FALSE;
    }
  for (vectors = 0; vectors < 2; vectors++)
    {
      if (vectors)
        former->parameters.decaying = former->parameters.used;
      for (i = 0; i < former->specs->len && ok; i++)
        {
          Spec *spec = g_ptr_array_index (former->specs, i);
          guint rows = spec->turned ? spec->cols : MAX (spec->rows, 1), cols = spec->turned ? spec->rows : spec->cols;

          if ((spec->rows == 0) != (vectors == 1))
            continue;
          descry_parameters_take (&former->parameters, rows, cols, &spec->place->value, &spec->place->gradient);
          ok = read_spec (former, gguf, spec, rand, values + spec->place->value.offset, error);
        }
    }
  if (ok)
    {
      run = descry_run_new (former->device, NULL);
      descry_run_write (run, former->parameters.values, values, n);
      ok = descry_run_finish (run, error);
    }
  descry_free (values);
  return ok;
}

static DescryTensor
upload_tensor (DescryDevice *device,
               const float  *values,
               guint         rows,
               guint         cols,
               GError      **error)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  const guint shape[] = { rows, cols };
  DescryTensor tensor = { 0 };

  if (descry_tensor_alloc (device, &tensor, DESCRY_F32, 2, shape, error))
    {
      descry_run_write (run, tensor, values, (gsize) rows * cols);
      descry_run_finish (run, error);
    }
  return tensor;
}

static float *
read_table (DescryGguf *gguf,
            const char *name,
            guint       rows, /* 0: a vector */
            guint       cols,
            GError    **error)
{
  const guint64 dims[] = { cols, rows };
  const DescryGgufTensor *tensor = descry_gguf_want (gguf, name, rows > 0 ? 2 : 1, dims, error);

  return tensor != NULL ? descry_gguf_read_f32 (gguf, tensor, error) : NULL;
}

static gboolean
read_frozen (DescryTrainFormer *former,
             DescryGguf        *gguf,
             DescryGguf        *words,
             GError           **error)
{
  const DescryTrainFormerShape *shape = &former->shape;
  const char *table = "token_embd.weight";
  float *values;

  if (former->soft_norm)
    {
      values = read_table (gguf, "soft_norm.weight", 0, shape->llm_width, error);
      if (values == NULL)
        return FALSE;
      former->soft_weight = upload_tensor (former->device, values, 1, shape->llm_width, error);
      descry_free (values);
      values = former->soft_weight.buffer != NULL ? read_table (gguf, "soft_norm.bias", 0, shape->llm_width, error) : NULL;
      if (values == NULL)
        return FALSE;
      former->soft_bias = upload_tensor (former->device, values, 1, shape->llm_width, error);
      descry_free (values);
      if (former->soft_bias.buffer == NULL)
        return FALSE;
    }
  if (!former->words_elsewhere || shape->vocabulary == 0)
    return TRUE;
  if (words == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s: its words are the language model's, whose file is needed", descry_gguf_path (gguf));
      return FALSE;
    }
  values = read_table (words, table, shape->vocabulary, shape->table_width, error);
  if (values == NULL)
    return FALSE;
  former->frozen_words = upload_tensor (former->device, values, shape->vocabulary, shape->table_width, error);
  if (former->frozen_words.buffer != NULL && shape->contrast_width > 0)
    former->frozen_head = descry_frozen_new (former->device, words, &table, &shape->vocabulary, 1, shape->table_width, error);
  descry_free (values);
  return former->frozen_words.buffer != NULL && (shape->contrast_width == 0 || former->frozen_head != NULL);
}

DescryTrainFormer *
descry_train_former_new (DescryDevice                   *device,
                         DescryGguf                     *gguf,
                         DescryGguf                     *words,
                         const DescryTrainFormerOptions *options,
                         GError                        **error)
{
  g_autoptr (DescryTrainFormer) former = NULL;
  DescryTrainFormerShape *shape;
  DescryMqFormerDetails details;
  const DescryMqFormerShape *known = &details.shape;

  if (!descry_mq_former_describe (gguf, &details, error))
    return NULL;

  former = g_new0 (DescryTrainFormer, 1);
  shape = &former->shape;
  former->device = device;
  former->options = *options;
  former->specs = g_ptr_array_new_with_free_func (free_spec);
  former->source = g_strdup (descry_gguf_path (gguf));
  *shape = (DescryTrainFormerShape) { .width = known->width, .layers = known->layers, .heads = known->heads, .feed_forward = details.feed_forward,
                                      .visual_queries = known->visual_queries, .grounding_queries = known->grounding_queries,
                                      .per_object = known->queries_per_object, .visual_width = known->visual_width, .local_width = known->local_width,
                                      .llm_width = known->llm_width, .cross_every = details.cross_every, .vocabulary = known->vocabulary,
                                      .positions = details.positions, .table_width = details.table_width, .special_rows = details.special_rows };
  former->epsilon = details.epsilon;
  former->soft_epsilon = details.soft_epsilon;
  former->soft_norm = details.soft_norm;
  former->local_bound = details.local_bound && shape->per_object > 0;
  former->words_elsewhere = details.words_elsewhere;
  if (options->heads && shape->vocabulary > 0)
    {
      const DescryGgufTensor *projection = descry_gguf_find (gguf, "stage1.visual_projection.bias");

      shape->contrast_width = projection != NULL && projection->dims[0] <= 16384 ? (guint) projection->dims[0] : MAX (options->contrast_width, 1);
    }
  former->layers = g_new0 (DescryTrainedLayer, shape->layers);
  list_tensors (former);
  if (!fill_parameters (former, gguf, error) || !read_frozen (former, gguf, words, error))
    return NULL;
  if (known->visual_grid[0] > 0)
    {
      float *values = descry_mq_former_places (known->visual_grid[0], known->visual_grid[1], shape->width, details.places_base);

      if (values == NULL)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the positions", former->source);
          return NULL;
        }
      former->visual_places = upload_tensor (device, values, known->visual_grid[0] * known->visual_grid[1], shape->width, error);
      descry_free (values);
      if (former->visual_places.buffer == NULL)
        return NULL;
    }

  return g_steal_pointer (&former);
}

void
descry_train_former_free (DescryTrainFormer *former)
{
  if (former == NULL)
    return;

  descry_parameters_clear (&former->parameters);
  descry_tensor_free (former->device, &former->frozen_words);
  descry_tensor_free (former->device, &former->soft_weight);
  descry_tensor_free (former->device, &former->soft_bias);
  descry_tensor_free (former->device, &former->visual_places);
  g_clear_pointer (&former->frozen_head, descry_frozen_free);
  g_free (former->source);
  g_ptr_array_unref (former->specs);
  g_free (former->layers);
  g_free (former);
}

const DescryTrainFormerShape *
descry_train_former_shape (DescryTrainFormer *former)
{
  return &former->shape;
}

DescryParameters *
descry_train_former_parameters (DescryTrainFormer *former)
{
  return &former->parameters;
}

gboolean
descry_train_former_find (DescryTrainFormer *former,
                          const char        *name,
                          DescryTensor      *value,
                          DescryTensor      *gradient,
                          gboolean          *turned)
{
  guint i;

  for (i = 0; i < former->specs->len; i++)
    {
      const Spec *spec = g_ptr_array_index (former->specs, i);

      if (strcmp (spec->name, name) == 0)
        {
          *value = spec->place->value;
          *gradient = spec->place->gradient;
          if (turned != NULL)
            *turned = spec->turned;
          return TRUE;
        }
    }
  return FALSE;
}

/* @values [rows, cols] (@rows 0: a vector, always f32) into @writer. */
static gboolean
add_tensor (DescryGgufWriter *writer,
            const char       *name,
            const float      *values,
            guint             rows,
            guint             cols,
            gboolean          halves)
{
  gsize n = (gsize) MAX (rows, 1) * cols, i;
  const guint64 dims[] = { cols, rows };
  gboolean half = halves && rows > 0;
  gpointer data = descry_try_alloc (n, half ? sizeof (guint16) : sizeof (float));

  if (data == NULL)
    return FALSE;
  if (half)
    for (i = 0; i < n; i++)
      ((guint16 *) data)[i] = descry_float_to_half (values[i]);
  else
    memcpy (data, values, n * sizeof (float));
  descry_gguf_writer_add (writer, name, half ? DESCRY_GGML_F16 : DESCRY_GGML_F32, rows > 0 ? 2 : 1, dims, data, n * (half ? sizeof (guint16) : sizeof (float)));
  return TRUE;
}

static gboolean
add_frozen (DescryTrainFormer *former,
            DescryGgufWriter  *writer,
            const char        *name,
            DescryTensor       tensor,
            GError           **error)
{
  g_autoptr (DescryRun) run = descry_run_new (former->device, NULL);
  guint n = (guint) descry_tensor_count (tensor);
  g_autofree float *values = g_new (float, n); /* llm_width is bounded */

  descry_run_read (run, tensor, values, n);
  return descry_run_finish (run, error) && add_tensor (writer, name, values, 0, n, FALSE);
}

void
descry_train_former_set_words (DescryTrainFormer *former,
                               DescryTokenizer   *words)
{
  former->words = words;
}

gboolean
descry_train_former_save (DescryTrainFormer *former,
                          const char        *path,
                          gboolean           halves,
                          gboolean           heads,
                          const char        *card,
                          gboolean           untrained,
                          GError           **error)
{
  g_autoptr (DescryGguf) source = descry_gguf_open (former->source, error);
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  g_autoptr (DescryRun) run = descry_run_new (former->device, NULL);
  float *values = source != NULL ? descry_try_alloc (former->parameters.n, sizeof (float)) : NULL, *turned = NULL;
  gboolean ok = values != NULL;
  guint i;

  if (ok)
    {
      descry_gguf_writer_copy_metadata (writer, source);
      descry_gguf_writer_set_string (writer, "general.description", card);
      descry_gguf_writer_set_bool (writer, "general.untrained", untrained);
      descry_run_read (run, former->parameters.values, values, former->parameters.n);
      ok = descry_run_finish (run, error) && (former->words == NULL || descry_tokenizer_write_words (former->words, writer));
    }
  for (i = 0; i < former->specs->len && ok; i++)
    {
      const Spec *spec = g_ptr_array_index (former->specs, i);
      const float *own = values + spec->place->value.offset;

      if (spec->head && !heads)
        continue;
      if (!spec->turned)
        ok = add_tensor (writer, spec->name, own, spec->rows, spec->cols, halves);
      else if ((turned = descry_try_alloc ((gsize) spec->rows * spec->cols, sizeof (float))) != NULL)
        {
          turn (turned, own, spec->cols, spec->rows);
          ok = add_tensor (writer, spec->name, turned, spec->rows, spec->cols, halves);
          descry_free (turned);
        }
      else
        ok = FALSE;
    }
  descry_free (values);
  if (ok && former->soft_norm)
    ok = add_frozen (former, writer, "soft_norm.weight", former->soft_weight, error) && add_frozen (former, writer, "soft_norm.bias", former->soft_bias, error);
  if (!ok)
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the connector", path);
      return FALSE;
    }

  return descry_gguf_writer_write (writer, path, error);
}
