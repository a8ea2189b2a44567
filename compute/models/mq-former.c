/* mq-former.c - the querying transformer with its projection
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-mq-former"

#include "config.h"

#include "compute/models/mq-former.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/ops/attention.h"
#include "compute/ops/elementwise.h"
#include "compute/ops/gemm.h"
#include "compute/ops/norm.h"

#define MASKED -10000.0f /* as the networks were trained, not -inf */

typedef struct
{
  DescryWeight *weight; /* [out, in] */
  DescryTensor  bias; /* [out] */
} Linear;

typedef struct
{
  DescryTensor weight, bias; /* [width] */
} Norm;

typedef struct
{
  Linear q, k, v, o;
  Norm   norm;
} Attention;

typedef struct
{
  Linear up, down;
  Norm   norm;
} Feed;

typedef struct
{
  gboolean  crosses; /* has the two cross-attentions */
  Attention self, visual, local;
  Feed      query, text;
} Layer;

struct _DescryMqFormer
{
  DescryDevice       *device;
  DescryMqFormerShape shape;
  guint               feed_forward;
  guint               positions;
  guint               table_width;
  guint               special_rows;
  guint               cross_every;
  float               epsilon;
  gboolean            words_elsewhere;
  gboolean            soft_norm;
  gboolean            local_bound;
  float               soft_epsilon;

  DescryTensor  queries; /* [queries, width] */
  DescryWeight *words; /* [vocabulary, table_width] */
  DescryWeight *projection; /* [width, table_width], or NULL */
  DescryTensor  special; /* [special_rows, width] */
  DescryTensor  places; /* [positions, width] */
  DescryTensor  visual_places; /* [grid h * w, width], or buffer NULL */
  Norm          norm;
  Layer        *layers;
  Linear        language;
  Norm          soft; /* deviation and mean */
};

/* Loading: the first failure sticks, so that the list of tensors stays straight. */
typedef struct
{
  DescryDevice *device;
  DescryGguf   *gguf;
  GError       *error;
} Loader;

static DescryTensor
load_floats (Loader     *loader,
             const char *name,
             guint       rows, /* 0: a vector */
             guint       cols)
{
  const guint64 dims[] = { cols, rows };
  const guint shape[] = { MAX (rows, 1), cols };
  const DescryGgufTensor *found;
  DescryTensor tensor = { 0 };
  float *values;

  if (loader->error != NULL)
    return tensor;

  found = descry_gguf_want (loader->gguf, name, rows > 0 ? 2 : 1, dims, &loader->error);
  values = found != NULL ? descry_gguf_read_f32 (loader->gguf, found, &loader->error) : NULL;
  if (values != NULL && descry_tensor_alloc (loader->device, &tensor, DESCRY_F32, rows > 0 ? 2 : 1, rows > 0 ? shape : shape + 1, &loader->error))
    {
      g_autoptr (DescryRun) run = descry_run_new (loader->device, NULL);

      descry_run_write (run, tensor, values, found->count);
      descry_run_finish (run, &loader->error);
    }
  descry_free (values);

  return tensor;
}

static DescryWeight *
load_weight (Loader     *loader,
             const char *name,
             guint       rows,
             guint       cols)
{
  const guint64 dims[] = { cols, rows };
  const DescryGgufTensor *found;
  DescryWeight *weight = NULL;
  gpointer data;

  if (loader->error != NULL)
    return NULL;

  found = descry_gguf_want (loader->gguf, name, 2, dims, &loader->error);
  data = found != NULL ? descry_gguf_read (loader->gguf, found, &loader->error) : NULL;
  if (data != NULL)
    weight = descry_weight_new (loader->device, name, found->type, rows, cols, data, &loader->error);
  descry_free (data);

  return weight;
}

static Linear
load_linear (Loader     *loader,
             const char *prefix,
             const char *name,
             guint       rows,
             guint       cols)
{
  g_autofree char *weight = g_strconcat (prefix, name, ".weight", NULL);
  g_autofree char *bias = g_strconcat (prefix, name, ".bias", NULL);
  Linear linear;

  linear.weight = load_weight (loader, weight, rows, cols);
  linear.bias = load_floats (loader, bias, 0, rows);
  return linear;
}

static Norm
load_norm (Loader     *loader,
           const char *prefix,
           const char *name,
           guint       width)
{
  g_autofree char *weight = g_strconcat (prefix, name, ".weight", NULL);
  g_autofree char *bias = g_strconcat (prefix, name, ".bias", NULL);
  Norm norm;

  norm.weight = load_floats (loader, weight, 0, width);
  norm.bias = load_floats (loader, bias, 0, width);
  return norm;
}

static Attention
load_attention (Loader     *loader,
                guint       layer,
                const char *kind,
                guint       width,
                guint       keys_width)
{
  g_autofree char *prefix = g_strdup_printf ("blk.%u.%s_", layer, kind);
  Attention attention;

  attention.q = load_linear (loader, prefix, "q", width, width);
  attention.k = load_linear (loader, prefix, "k", width, keys_width);
  attention.v = load_linear (loader, prefix, "v", width, keys_width);
  attention.o = load_linear (loader, prefix, "o", width, width);
  attention.norm = load_norm (loader, prefix, "norm", width);
  return attention;
}

static Feed
load_feed (Loader     *loader,
           guint       layer,
           const char *kind,
           guint       width,
           guint       inner)
{
  g_autofree char *prefix = g_strdup_printf ("blk.%u.%s_", layer, kind);
  Feed feed;

  feed.up = load_linear (loader, prefix, "up", inner, width);
  feed.down = load_linear (loader, prefix, "down", width, inner);
  feed.norm = load_norm (loader, prefix, "norm", width);
  return feed;
}

static void
free_linear (DescryDevice *device,
             Linear       *linear)
{
  g_clear_pointer (&linear->weight, descry_weight_free);
  descry_tensor_free (device, &linear->bias);
}

static void
free_norm (DescryDevice *device,
           Norm         *norm)
{
  descry_tensor_free (device, &norm->weight);
  descry_tensor_free (device, &norm->bias);
}

static void
free_attention (DescryDevice *device,
                Attention    *attention)
{
  free_linear (device, &attention->q);
  free_linear (device, &attention->k);
  free_linear (device, &attention->v);
  free_linear (device, &attention->o);
  free_norm (device, &attention->norm);
}

static void
free_feed (DescryDevice *device,
           Feed         *feed)
{
  free_linear (device, &feed->up);
  free_linear (device, &feed->down);
  free_norm (device, &feed->norm);
}

void
descry_mq_former_free (DescryMqFormer *former)
{
  guint i;

  if (former == NULL)
    return;

  for (i = 0; former->layers != NULL && i < former->shape.layers; i++)
    {
      free_attention (former->device, &former->layers[i].self);
      free_attention (former->device, &former->layers[i].visual);
      free_attention (former->device, &former->layers[i].local);
      free_feed (former->device, &former->layers[i].query);
      free_feed (former->device, &former->layers[i].text);
    }
  g_free (former->layers);
  descry_tensor_free (former->device, &former->queries);
  descry_tensor_free (former->device, &former->special);
  descry_tensor_free (former->device, &former->places);
  descry_tensor_free (former->device, &former->visual_places);
  g_clear_pointer (&former->words, descry_weight_free);
  g_clear_pointer (&former->projection, descry_weight_free);
  free_norm (former->device, &former->norm);
  free_linear (former->device, &former->language);
  free_norm (former->device, &former->soft);
  g_free (former);
}

static gboolean
read_number (DescryGguf *gguf,
             const char *name,
             gboolean    optional,
             guint64     low,
             guint64     high,
             guint      *value,
             GError    **error)
{
  g_autofree char *key = g_strconcat ("mq-former.", name, NULL);
  guint64 number = 0;

  if (optional && !descry_gguf_has (gguf, key))
    {
      *value = 0;
      return TRUE;
    }
  if (!descry_gguf_get_uint (gguf, key, low, high, &number, error))
    return FALSE;

  *value = (guint) number;
  return TRUE;
}

static gboolean
read_grid (DescryMqFormer *former,
           DescryGguf     *gguf,
           GError        **error)
{
  const gint32 *grid;
  gsize n = 0;

  if (!descry_gguf_has (gguf, "mq-former.visual_grid"))
    return TRUE;

  grid = descry_gguf_get_ints (gguf, "mq-former.visual_grid", &n, error);
  if (grid == NULL)
    return FALSE;
  if (n != 2 || grid[0] < 1 || grid[1] < 1 || grid[0] > 256 || grid[1] > 256 || former->shape.width % 4 != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: mq-former.visual_grid: expected two sides of 1 to 256 and a width that four divides", descry_gguf_path (gguf));
      return FALSE;
    }
  former->shape.visual_grid[0] = (guint) grid[0];
  former->shape.visual_grid[1] = (guint) grid[1];
  return TRUE;
}

static gboolean
read_options (DescryMqFormer *former,
              DescryGguf     *gguf,
              GError        **error)
{
  const char *words;

  if (descry_gguf_has (gguf, "mq-former.words"))
    {
      words = descry_gguf_get_string (gguf, "mq-former.words", error);
      if (words == NULL)
        return FALSE;
      former->words_elsewhere = strcmp (words, "llm") == 0;
      if (!former->words_elsewhere && strcmp (words, "own") != 0)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: mq-former.words: expected “own” or “llm”, found “%s”", descry_gguf_path (gguf), words);
          return FALSE;
        }
    }
  if (descry_gguf_has (gguf, "mq-former.soft_token_norm") && !descry_gguf_get_bool (gguf, "mq-former.soft_token_norm", &former->soft_norm, error))
    return FALSE;
  if (descry_gguf_has (gguf, "mq-former.local_bound") && !descry_gguf_get_bool (gguf, "mq-former.local_bound", &former->local_bound, error))
    return FALSE;
  former->soft_epsilon = 1e-5f;
  if (descry_gguf_has (gguf, "mq-former.soft_token_norm_epsilon")
      && !descry_gguf_get_float (gguf, "mq-former.soft_token_norm_epsilon", 0.0, 1.0, &former->soft_epsilon, error))
    return FALSE;

  return descry_gguf_get_float (gguf, "mq-former.layer_norm_epsilon", 0.0, 1.0, &former->epsilon, error);
}

static gboolean
read_metadata (DescryMqFormer *former,
               DescryGguf     *gguf,
               GError        **error)
{
  DescryMqFormerShape *shape = &former->shape;
  const struct
  {
    const char *name;
    gboolean    optional;
    guint64     low, high;
    guint      *value;
  } numbers[] = {
    { "width", FALSE, 1, 16384, &shape->width },
    { "layers", FALSE, 1, 128, &shape->layers },
    { "heads", FALSE, 1, 256, &shape->heads },
    { "feed_forward", FALSE, 1, 65536, &former->feed_forward },
    { "visual_queries", FALSE, 1, 4096, &shape->visual_queries },
    { "grounding_queries", FALSE, 0, 4096, &shape->grounding_queries },
    { "visual_width", FALSE, 1, 16384, &shape->visual_width },
    { "local_width", FALSE, 1, 16384, &shape->local_width },
    { "llm_width", FALSE, 1, 16384, &shape->llm_width },
    { "cross_attention_every", FALSE, 1, 128, &former->cross_every },
    { "vocabulary", FALSE, 0, 1 << 19, &shape->vocabulary },
    { "positions", FALSE, 0, 4096, &former->positions },
    { "table_width", FALSE, 1, 16384, &former->table_width },
    { "special_rows", TRUE, 0, 1024, &former->special_rows },
    { "queries_per_object", TRUE, 0, 4096, &shape->queries_per_object },
  };
  const char *architecture = descry_gguf_get_string (gguf, "general.architecture", error);
  guint i;

  if (architecture == NULL)
    return FALSE;
  if (strcmp (architecture, "mq-former") != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: expected a connector (mq-former), found “%s”", descry_gguf_path (gguf), architecture);
      return FALSE;
    }
  for (i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!read_number (gguf, numbers[i].name, numbers[i].optional, numbers[i].low, numbers[i].high, numbers[i].value, error))
      return FALSE;
  if (shape->width % shape->heads != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %u heads do not divide the width %u", descry_gguf_path (gguf), shape->heads, shape->width);
      return FALSE;
    }
  if ((shape->vocabulary == 0) != (former->positions == 0))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: text wants both a vocabulary and positions, found %u and %u", descry_gguf_path (gguf), shape->vocabulary, former->positions);
      return FALSE;
    }

  return read_grid (former, gguf, error) && read_options (former, gguf, error);
}

/* A quarter of the columns each for sin y, cos y, sin x, cos x. */
float *
descry_mq_former_places (guint height,
                         guint width,
                         guint columns,
                         float base)
{
  const guint quarter = columns / 4;
  float *values = descry_try_alloc ((gsize) height * width * columns, sizeof (float)), *row;
  guint x, y, i;

  for (y = 0; values != NULL && y < height; y++)
    for (x = 0; x < width; x++)
      for (i = 0, row = values + (gsize) (y * width + x) * columns; i < quarter; i++)
        {
          const double omega = pow (base, -(double) i / quarter);

          row[i] = (float) sin (y * omega);
          row[quarter + i] = (float) cos (y * omega);
          row[2 * quarter + i] = (float) sin (x * omega);
          row[3 * quarter + i] = (float) cos (x * omega);
        }

  return values;
}

static gboolean
read_places_base (DescryGguf *gguf,
                  float      *base,
                  GError    **error)
{
  *base = 10000.0f;
  return !descry_gguf_has (gguf, "mq-former.visual_positions_base")
         || descry_gguf_get_float (gguf, "mq-former.visual_positions_base", 1.0, 1e9, base, error);
}

/* [h w, width] */
static DescryTensor
make_places (Loader         *loader,
             DescryMqFormer *former)
{
  const guint height = former->shape.visual_grid[0], width = former->shape.visual_grid[1];
  const guint shape[] = { height * width, former->shape.width };
  DescryTensor tensor = { 0 };
  float base, *values;

  if (loader->error != NULL || height == 0 || !read_places_base (loader->gguf, &base, &loader->error))
    return tensor;

  values = descry_mq_former_places (height, width, former->shape.width, base);
  if (values == NULL)
    {
      g_set_error (&loader->error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the positions", descry_gguf_path (loader->gguf));
      return tensor;
    }
  if (descry_tensor_alloc (loader->device, &tensor, DESCRY_F32, 2, shape, &loader->error))
    {
      g_autoptr (DescryRun) run = descry_run_new (loader->device, NULL);

      descry_run_write (run, tensor, values, (gsize) shape[0] * shape[1]);
      descry_run_finish (run, &loader->error);
    }
  descry_free (values);

  return tensor;
}

gboolean
descry_mq_former_describe (DescryGguf            *gguf,
                           DescryMqFormerDetails *details,
                           GError               **error)
{
  DescryMqFormer former = { 0 };
  float base;

  if (!read_metadata (&former, gguf, error) || !read_places_base (gguf, &base, error))
    return FALSE;

  *details = (DescryMqFormerDetails) { .shape = former.shape, .feed_forward = former.feed_forward, .positions = former.positions, .table_width = former.table_width,
                                       .special_rows = former.special_rows, .cross_every = former.cross_every, .epsilon = former.epsilon,
                                       .soft_epsilon = former.soft_epsilon, .places_base = base, .words_elsewhere = former.words_elsewhere,
                                       .soft_norm = former.soft_norm, .local_bound = former.local_bound };
  return TRUE;
}

static void
load_layer (Loader         *loader,
            DescryMqFormer *former,
            guint           i)
{
  const DescryMqFormerShape *shape = &former->shape;
  Layer *layer = &former->layers[i];

  layer->crosses = i % former->cross_every == 0;
  layer->self = load_attention (loader, i, "attn", shape->width, shape->width);
  if (layer->crosses)
    layer->visual = load_attention (loader, i, "visual", shape->width, shape->visual_width);
  if (layer->crosses && shape->grounding_queries > 0)
    layer->local = load_attention (loader, i, "local", shape->width, shape->local_width);
  layer->query = load_feed (loader, i, "query_ffn", shape->width, former->feed_forward);
  if (shape->vocabulary > 0)
    layer->text = load_feed (loader, i, "ffn", shape->width, former->feed_forward);
}

DescryMqFormer *
descry_mq_former_new (DescryDevice *device,
                      DescryGguf   *gguf,
                      GError      **error)
{
  g_autoptr (DescryMqFormer) former = g_new0 (DescryMqFormer, 1);
  DescryMqFormerShape *shape = &former->shape;
  Loader loader = { device, gguf, NULL };
  guint i;

  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  former->device = device;
  if (!read_metadata (former, gguf, error))
    return NULL;

  former->layers = g_new0 (Layer, shape->layers);
  former->queries = load_floats (&loader, "query_tokens", shape->visual_queries + shape->grounding_queries, shape->width);
  former->norm = load_norm (&loader, "", "embd_norm", shape->width);
  former->visual_places = make_places (&loader, former);
  if (shape->vocabulary > 0)
    {
      if (!former->words_elsewhere)
        former->words = load_weight (&loader, "token_embd.weight", shape->vocabulary, former->table_width);
      if (former->table_width != shape->width)
        former->projection = load_weight (&loader, "embedding_projection.weight", shape->width, former->table_width);
      if (former->special_rows > 0)
        former->special = load_floats (&loader, "special_embd.weight", former->special_rows, shape->width);
      former->places = load_floats (&loader, "position_embd.weight", former->positions, shape->width);
    }
  for (i = 0; i < shape->layers && loader.error == NULL; i++)
    load_layer (&loader, former, i);
  former->language = load_linear (&loader, "", "language_projection", shape->llm_width, shape->width);
  if (former->soft_norm)
    former->soft = load_norm (&loader, "", "soft_norm", shape->llm_width);

  if (loader.error != NULL)
    {
      g_propagate_error (error, loader.error);
      return NULL;
    }

  return g_steal_pointer (&former);
}

const DescryMqFormerShape *
descry_mq_former_shape (DescryMqFormer *former)
{
  return &former->shape;
}

gboolean
descry_mq_former_share_words (DescryMqFormer *former,
                              DescryGguf     *llm,
                              GError        **error)
{
  Loader loader = { former->device, llm, NULL };

  if (!former->words_elsewhere || former->words != NULL || former->shape.vocabulary == 0)
    return TRUE;

  former->words = load_weight (&loader, "token_embd.weight", former->shape.vocabulary, former->table_width);
  if (loader.error != NULL)
    g_propagate_error (error, loader.error);

  return former->words != NULL;
}

/* out = x W^T + bias (+ added) */
static void
linear (DescryRun       *run,
        DescryTensor     out,
        DescryTensor     x,
        const Linear    *layer,
        DescryActivation act,
        DescryTensor     added)
{
  const DescryEpilogue epilogue = { .act = act, .bias = layer->bias, .residual = added };

  op_gemm (run, out, x, layer->weight, &epilogue);
}

/* x = LN (dense (attention (x, keys)) + x), in place.
 * @x [n, width]; @keys [m, keys' width]; @bias [1, n, m] or empty; @places [m, width] added to K and V, or empty */
static void
attend (DescryMqFormer  *former,
        DescryRun       *run,
        const Attention *block,
        DescryTensor     x,
        DescryTensor     keys,
        DescryTensor     bias,
        DescryTensor     places)
{
  const DescryTensor none = { 0 };
  const guint width = former->shape.width, heads = former->shape.heads;
  const DescryAttention attention = { .heads = heads, .kv_heads = heads, .head_dim = width / heads, .bias = bias };
  guint n = descry_tensor_rows (x), m = descry_tensor_rows (keys);
  DescryTensor q = descry_run_tensor2 (run, n, width), k = descry_run_tensor2 (run, m, width);
  DescryTensor v = descry_run_tensor2 (run, m, width), context = descry_run_tensor2 (run, n, width);

  linear (run, q, x, &block->q, DESCRY_ACT_NONE, none);
  linear (run, k, keys, &block->k, DESCRY_ACT_NONE, places);
  linear (run, v, keys, &block->v, DESCRY_ACT_NONE, places);
  op_attention (run, context, q, k, v, &attention);
  linear (run, x, context, &block->o, DESCRY_ACT_NONE, x);
  op_layer_norm (run, x, x, block->norm.weight, block->norm.bias, former->epsilon);

  descry_run_release (run, &q);
  descry_run_release (run, &k);
  descry_run_release (run, &v);
  descry_run_release (run, &context);
}

/* x = LN (down (GELU (up x)) + x), in place */
static void
feed_forward (DescryMqFormer *former,
              DescryRun      *run,
              const Feed     *feed,
              DescryTensor    x)
{
  const DescryTensor none = { 0 };
  DescryTensor inner = descry_run_tensor2 (run, descry_tensor_rows (x), former->feed_forward);

  linear (run, inner, x, &feed->up, DESCRY_ACT_GELU, none);
  linear (run, x, inner, &feed->down, DESCRY_ACT_NONE, x);
  op_layer_norm (run, x, x, feed->norm.weight, feed->norm.bias, former->epsilon);
  descry_run_release (run, &inner);
}

/* Text rows before the common norm: word (projected, or a special row) + position. @x [n, width] */
static void
embed_text (DescryMqFormer *former,
            DescryRun      *run,
            DescryTensor    x,
            const gint32   *text,
            guint           n)
{
  const guint shape[] = { n };
  DescryTensor ids = descry_run_tensor (run, DESCRY_I32, 1, shape), words = descry_run_tensor2 (run, n, former->table_width);
  DescryTensor places = descry_tensor_slice (former->places, 0, n);
  const DescryEpilogue epilogue = { .residual = places };
  g_autofree gint32 *known = g_memdup2 (text, n * sizeof *text);
  guint i;

  for (i = 0; i < n; i++)
    if (known[i] >= (gint32) former->shape.vocabulary)
      known[i] = 0; /* replaced below */
  descry_run_write (run, ids, known, n);
  op_embed (run, words, ids, former->words);
  if (former->projection != NULL)
    op_gemm (run, x, words, former->projection, &epilogue);
  else
    op_add (run, x, words, places, DESCRY_ACT_NONE);

  for (i = 0; i < n; i++)
    if (text[i] >= (gint32) former->shape.vocabulary)
      op_add (run, descry_tensor_slice (x, i, 1), descry_tensor_slice (former->special, (guint) text[i] - former->shape.vocabulary, 1),
              descry_tensor_slice (places, i, 1), DESCRY_ACT_NONE);

  descry_run_release (run, &ids);
  descry_run_release (run, &words);
}

/* Additive mask [1, n, n] that hides the queries of absent objects, or an empty tensor when all are there. */
static DescryTensor
mask_absent (DescryMqFormer *former,
             DescryRun      *run,
             guint           n,
             guint           objects)
{
  const DescryMqFormerShape *shape = &former->shape;
  const guint dims[] = { 1, n, n };
  DescryTensor mask = { 0 };
  float *values;
  guint first, end, row, i;

  if (shape->queries_per_object == 0 || objects >= (shape->grounding_queries + shape->queries_per_object - 1) / shape->queries_per_object)
    return mask;

  values = descry_try_alloc ((gsize) n * n, sizeof (float));
  if (values == NULL)
    {
      descry_run_fail (run, DESCRY_ERROR_OUT_OF_MEMORY, "mq-former: no memory for a mask of %u×%u", n, n);
      return mask;
    }
  first = shape->visual_queries + objects * shape->queries_per_object;
  end = shape->visual_queries + shape->grounding_queries;
  for (row = 0; row < n; row++)
    for (i = first; i < end; i++)
      values[(gsize) row * n + i] = MASKED;

  mask = descry_run_tensor (run, DESCRY_F32, 3, dims);
  descry_run_write (run, mask, values, (gsize) n * n);
  descry_free (values);

  return mask;
}

void
descry_mq_former_bind (float *mask,
                       guint  queries,
                       guint  objects,
                       guint  per_object)
{
  guint q, i;

  for (q = 0; q < queries; q++)
    for (i = 0; i < objects; i++)
      mask[(gsize) q * objects + i] = q / per_object == i ? 0.0f : MASKED;
}

/* Additive mask [1, grounding queries, objects] that leaves each query its own object's row, or an empty tensor. */
static DescryTensor
mask_others (DescryMqFormer *former,
             DescryRun      *run,
             guint           objects)
{
  const DescryMqFormerShape *shape = &former->shape;
  const guint dims[] = { 1, shape->grounding_queries, objects };
  DescryTensor mask = { 0 };
  float *values;

  if (!former->local_bound || shape->queries_per_object == 0 || shape->grounding_queries == 0 || objects < 2)
    return mask;

  values = descry_try_alloc ((gsize) shape->grounding_queries * objects, sizeof (float));
  if (values == NULL)
    {
      descry_run_fail (run, DESCRY_ERROR_OUT_OF_MEMORY, "mq-former: no memory for a mask of %u×%u", shape->grounding_queries, objects);
      return mask;
    }
  descry_mq_former_bind (values, shape->grounding_queries, objects, shape->queries_per_object);
  mask = descry_run_tensor (run, DESCRY_F32, 3, dims);
  descry_run_write (run, mask, values, (gsize) shape->grounding_queries * objects);
  descry_free (values);

  return mask;
}

static gboolean
check_inputs (DescryMqFormer *former,
              DescryRun      *run,
              DescryTensor    image_tokens,
              DescryTensor    local_tokens,
              const gint32   *text,
              guint           n_text)
{
  const DescryMqFormerShape *shape = &former->shape;
  guint grid = shape->visual_grid[0] * shape->visual_grid[1], i;

  if (!descry_run_ok (run))
    return FALSE;
  if (descry_tensor_cols (image_tokens) != shape->visual_width || (grid != 0 && descry_tensor_rows (image_tokens) != grid))
    descry_run_fail (run, DESCRY_ERROR_SHAPE, "mq-former: image tokens: expected [%u, %u], found [%u, %u]", grid != 0 ? grid : descry_tensor_rows (image_tokens),
                     shape->visual_width, descry_tensor_rows (image_tokens), descry_tensor_cols (image_tokens));
  if (local_tokens.buffer != NULL && descry_tensor_cols (local_tokens) != shape->local_width)
    descry_run_fail (run, DESCRY_ERROR_SHAPE, "mq-former: local tokens: expected a width of %u, found %u", shape->local_width, descry_tensor_cols (local_tokens));
  if (n_text > former->positions)
    descry_run_fail (run, DESCRY_ERROR_SHAPE, "mq-former: %u text tokens, this connector has %u positions", n_text, former->positions);
  if (n_text > 0 && former->words == NULL)
    descry_run_fail (run, DESCRY_ERROR_USAGE, "mq-former: the word table is the language model's and has not been shared");
  for (i = 0; i < n_text; i++)
    if (text[i] < 0 || (guint) text[i] >= shape->vocabulary + former->special_rows)
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "mq-former: token %d is outside the vocabulary of %u", text[i], shape->vocabulary + former->special_rows);

  return descry_run_ok (run);
}

void
descry_mq_former_run (DescryMqFormer *former,
                      DescryRun      *run,
                      DescryTensor    image_tokens,
                      DescryTensor    local_tokens,
                      const gint32   *text,
                      guint           n_text,
                      DescryTensor   *query_output,
                      DescryTensor   *soft_tokens)
{
  const DescryMqFormerShape *shape = &former->shape;
  const DescryTensor none = { 0 };
  guint queries = shape->visual_queries + shape->grounding_queries, objects, i;
  DescryTensor x, query_rows, visual_rows, grounding_rows, text_rows = { 0 }, mask, own;

  *soft_tokens = none;
  if (query_output != NULL)
    *query_output = none;
  if (!check_inputs (former, run, image_tokens, local_tokens, text, n_text))
    return;

  objects = local_tokens.buffer != NULL ? descry_tensor_rows (local_tokens) : 0;
  x = descry_run_tensor2 (run, queries + n_text, shape->width);
  if (!descry_run_ok (run))
    return;
  query_rows = descry_tensor_slice (x, 0, queries);
  visual_rows = descry_tensor_slice (x, 0, shape->visual_queries);
  grounding_rows = shape->grounding_queries > 0 ? descry_tensor_slice (x, shape->visual_queries, shape->grounding_queries) : none;

  /* One norm over all rows; queries have no position. */
  op_copy (run, query_rows, former->queries);
  if (n_text > 0)
    {
      text_rows = descry_tensor_slice (x, queries, n_text);
      embed_text (former, run, text_rows, text, n_text);
    }
  op_layer_norm (run, x, x, former->norm.weight, former->norm.bias, former->epsilon);
  descry_run_tap (run, x, "embeddings");

  mask = mask_absent (former, run, queries + n_text, objects);
  own = mask_others (former, run, objects);
  for (i = 0; i < shape->layers && descry_run_ok (run); i++)
    {
      const Layer *layer = &former->layers[i];

      attend (former, run, &layer->self, x, x, mask, none);
      if (layer->crosses)
        attend (former, run, &layer->visual, visual_rows, image_tokens, none, former->visual_places);
      if (layer->crosses && objects > 0 && shape->grounding_queries > 0)
        attend (former, run, &layer->local, grounding_rows, local_tokens, own, none);
      feed_forward (former, run, &layer->query, query_rows);
      if (n_text > 0)
        feed_forward (former, run, &layer->text, text_rows);
      descry_run_tap (run, x, "blk.%u", i);
      descry_run_flush (run);
    }
  descry_run_release (run, &mask);
  descry_run_release (run, &own);

  *soft_tokens = descry_run_tensor2 (run, queries, shape->llm_width);
  linear (run, *soft_tokens, query_rows, &former->language, DESCRY_ACT_NONE, none);
  if (former->soft_norm)
    op_layer_norm (run, *soft_tokens, *soft_tokens, former->soft.weight, former->soft.bias, former->soft_epsilon);

  if (query_output != NULL)
    {
      *query_output = descry_run_tensor2 (run, queries, shape->width);
      op_copy (run, *query_output, query_rows);
    }
  descry_run_release (run, &x);
}
