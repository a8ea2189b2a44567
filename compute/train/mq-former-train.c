/* mq-former-train.c - the querying transformer over many sequences, forward and back
 *
 * Rows of all sequences lie in blocks: visual queries, grounding queries that look at objects, grounding
 * queries that have none to look at, texts. So every product is one for all sequences; only the shared
 * self-attention goes through the sequences' own order ("strung" below) and back.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include <string.h>

#include "compute/memory.h"
#include "compute/models/mq-former.h"
#include "compute/ops/norm.h"
#include "compute/ops/packed.h"
#include "compute/train/mq-former-private.h"

/* One cross-attention: its queries are a block of rows. */
typedef struct
{
  DescryTensor x;       /* [rows, width] in */
  DescryTensor q, context, sum; /* [rows, width]; sum: before the norm */
} Crossed;

/* What a layer's way back needs. */
typedef struct
{
  DescryTensor x;       /* [rows, width] into the layer */
  DescryTensor q, k, v, context;
  DescryTensor sum;     /* before the norm */
  Crossed      visual, local;
  DescryTensor middle;  /* [rows, width] into the feed-forward */
  DescryTensor up, act; /* [rows, feed_forward] */
  DescryTensor last;    /* before the norm */
} Kept;

struct _DescryFormerPass
{
  DescryTrainFormer *former;
  DescryRun         *run;
  DescryFormerLooked *looked, *own; /* own: freed with the pass */
  guint              n_sequences;
  DescryFormerPlace *places;
  int               *picture; /* of each sequence */
  guint              rows, visual_rows, looking_rows, query_rows; /* blocks end at visual; visual + looking; query; rows */
  DescryPacked       self_plan, visual_plan, local_plan; /* who looks at whom */
  DescryTensor       query_ids, word_ids, special_ids, place_ids; /* i32; -1: none */
  DescryTensor       words; /* [texts, table_width] */
  DescryTensor       embedded; /* [rows, width] before the norm */
  DescryTensor       x;
  Kept              *kept;
};

static DescryTensor
block (DescryTensor tensor,
       guint        first,
       guint        n)
{
  return n > 0 ? descry_tensor_slice (tensor, first, n) : (DescryTensor) { 0 };
}

static void
forward_norm (DescryFormerPass        *pass,
              DescryTensor             y,
              DescryTensor             x,
              const DescryTrainedNorm *norm)
{
  op_layer_norm (pass->run, y, x, norm->weight.value, norm->bias.value, pass->former->epsilon);
}

static void
backward_norm (DescryFormerPass        *pass,
               DescryTensor             dx,
               DescryTensor             dy,
               DescryTensor             x,
               const DescryTrainedNorm *norm)
{
  op_layer_norm_backward (pass->run, dx, dy, x, norm->weight.value, norm->weight.gradient, norm->bias.gradient, pass->former->epsilon, FALSE);
}

static DescryAttention
attention_shape (DescryFormerPass *pass)
{
  guint heads = pass->former->shape.heads;

  return (DescryAttention) { .heads = heads, .kv_heads = heads, .head_dim = pass->former->shape.width / heads };
}

static DescryTensor
rows_for (DescryFormerPass *pass,
          guint             rows)
{
  return descry_run_tensor2 (pass->run, rows, pass->former->shape.width);
}

/* A tensor for about as many rows as the pass has: its buffer has room for the longest pass so far, so that the next one takes it again
 * whatever its length. */
static DescryTensor
roomy (DescryFormerPass *pass,
       guint             rows,
       guint             cols)
{
  DescryTensor tensor = descry_run_tensor2 (pass->run, MAX (pass->former->room, rows), cols);

  return tensor.buffer != NULL ? descry_tensor_slice (tensor, 0, rows) : tensor;
}

static DescryTensor
all_rows (DescryFormerPass *pass)
{
  return roomy (pass, pass->rows, pass->former->shape.width);
}

/* A longer pass than any before: what the others left in the pool is too short for it. */
static void
make_room (DescryFormerPass *pass)
{
  if (pass->rows <= pass->former->room)
    return;

  descry_device_trim (pass->former->device);
  pass->former->room = pass->rows + pass->rows / 8;
}

guint
descry_former_place_queries (const DescryFormerPlace *place)
{
  return place->n_visual + place->n_grounding;
}

guint
descry_former_place_row (const DescryFormerPlace *place,
                         guint                    query)
{
  return query < place->n_visual ? place->visual + query : place->grounding + query - place->n_visual;
}

guint
descry_train_former_queries (DescryTrainFormer *former,
                             guint              n_local)
{
  const DescryTrainFormerShape *shape = &former->shape;

  return shape->visual_queries + (shape->per_object > 0 ? MIN (shape->per_object * n_local, shape->grounding_queries) : shape->grounding_queries);
}

/* Where each sequence's rows lie. */
static gboolean
place_sequences (DescryFormerPass           *pass,
                 const DescryFormerSequence *sequences)
{
  const DescryTrainFormerShape *shape = &pass->former->shape;
  guint at = 0, i, k, looking;

  for (i = 0; i < pass->n_sequences; i++)
    {
      DescryFormerPlace *place = &pass->places[i];
      int picture = sequences[i].picture;

      pass->picture[i] = picture;
      if (picture >= (int) pass->looked->n_pictures || sequences[i].n_texts > DESCRY_MAX_TEXTS || (picture < 0 && sequences[i].n_texts == 0))
        {
          descry_run_fail (pass->run, DESCRY_ERROR_SHAPE, "mq-former: sequence %u of picture %d has %u texts", i, picture, sequences[i].n_texts);
          return FALSE;
        }
      if (picture < 0)
        continue;
      place->visual = at;
      at += place->n_visual = shape->visual_queries;
      place->n_grounding = descry_train_former_queries (pass->former, pass->looked->n_local[picture]) - shape->visual_queries;
    }
  pass->visual_rows = at;
  for (looking = 2; looking-- > 0;)
    {
      for (i = 0; i < pass->n_sequences; i++)
        if (pass->picture[i] >= 0 && (pass->looked->n_local[pass->picture[i]] > 0) == (looking == 1))
          {
            pass->places[i].grounding = at;
            at += pass->places[i].n_grounding;
          }
      if (looking == 1)
        pass->looking_rows = at - pass->visual_rows;
    }
  pass->query_rows = at;
  for (i = 0; i < pass->n_sequences; i++)
    for (k = 0; k < sequences[i].n_texts; k++)
      {
        pass->places[i].text[k] = at;
        at += sequences[i].texts[k].n;
      }
  pass->rows = at;
  return at > 0;
}

static void
look_at (DescrySpan *span,
         guint      *n,
         guint       key,
         guint       n_keys)
{
  if (n_keys == 0)
    return;
  span->key[*n] = key;
  span->n_keys[(*n)++] = n_keys;
}

/* What part @part (-1, -2: visual, grounding queries; else a text) of a sequence sees: all queries, then a joint text
 * and queries all joint texts, another text itself. */
static DescrySpan
span_of (const DescryFormerSequence *sequence,
         const DescryFormerPlace    *place,
         int                         part,
         guint                       unit)
{
  gboolean joint = part < 0 || sequence->texts[part].kind == DESCRY_TEXT_JOINT;
  DescrySpan span = { .unit = unit };
  guint at = 0, k;

  span.first = part == -1 ? place->visual : part == -2 ? place->grounding : place->text[part];
  span.n = part == -1 ? place->n_visual : part == -2 ? place->n_grounding : sequence->texts[part].n;
  look_at (&span, &at, place->visual, place->n_visual);
  look_at (&span, &at, place->grounding, place->n_grounding);
  for (k = 0; k < sequence->n_texts; k++)
    if (joint ? sequence->texts[k].kind == DESCRY_TEXT_JOINT : (int) k == part)
      {
        look_at (&span, &at, place->text[k], sequence->texts[k].n);
        if (sequence->texts[k].kind == DESCRY_TEXT_CAUSAL)
          span.causal = at;
      }
  return span;
}

static void
plan_self (DescryFormerPass           *pass,
           const DescryFormerSequence *sequences)
{
  g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (DescrySpan));
  guint i;
  int part;

  for (i = 0; i < pass->n_sequences; i++)
    for (part = -2; part < (int) sequences[i].n_texts; part++)
      {
        DescrySpan span = span_of (&sequences[i], &pass->places[i], part, i);

        if (span.n > 0)
          g_array_append_val (spans, span);
      }
  pass->self_plan = op_packed_plan (pass->run, (const DescrySpan *) spans->data, spans->len, pass->rows, pass->rows);
}

/* Queries of every sequence look at its picture; where they are bound (mq-former.local_bound), an object's queries at its row alone. */
static DescryPacked
plan_cross (DescryFormerPass *pass,
            gboolean          local)
{
  const guint per_object = local && pass->former->local_bound ? pass->former->shape.per_object : 0;
  const guint rows = local ? pass->looking_rows : pass->visual_rows, keys = descry_tensor_rows (local ? pass->looked->local : pass->looked->visual);
  g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (DescrySpan));
  guint i, p, at;

  for (p = 0; p < pass->looked->n_pictures; p++)
    for (i = 0; i < pass->n_sequences; i++)
      {
        const DescryFormerPlace *place = &pass->places[i];
        DescrySpan span = { .first = local ? place->grounding - pass->visual_rows : place->visual, .n = local ? place->n_grounding : place->n_visual, .unit = p,
                            .key = { local ? pass->looked->local_first[p] : pass->looked->visual_first[p] }, .n_keys = { local ? pass->looked->n_local[p] : pass->looked->n_visual[p] } };
        const guint first = span.first, n = span.n, key = span.key[0];

        if (pass->picture[i] != (int) p || span.n_keys[0] == 0)
          continue;
        for (at = 0; at < n; at += span.n)
          {
            if (per_object > 0)
              {
                span.key[0] = key + at / per_object;
                span.n_keys[0] = 1;
              }
            span.first = first + at;
            span.n = per_object > 0 ? MIN (per_object, n - at) : n;
            g_array_append_val (spans, span);
          }
      }
  return op_packed_plan (pass->run, (const DescrySpan *) spans->data, spans->len, rows, keys);
}

/* Rows before the first norm, with the indices that they came from. */
static void
embed (DescryFormerPass           *pass,
       const DescryFormerSequence *sequences)
{
  DescryTrainFormer *former = pass->former;
  const DescryTrainFormerShape *shape = &former->shape;
  guint texts = pass->rows - pass->query_rows, i, k, r;
  g_autofree gint32 *queries = g_new (gint32, MAX (pass->query_rows, 1)), *words = g_new (gint32, MAX (texts, 1)), *special = g_new (gint32, MAX (texts, 1));
  g_autofree gint32 *places = g_new (gint32, MAX (texts, 1));
  DescryTensor rows, moved;

  for (i = 0; i < pass->n_sequences; i++)
    {
      const DescryFormerPlace *place = &pass->places[i];

      for (r = 0; r < place->n_visual; r++)
        queries[place->visual + r] = r;
      for (r = 0; r < place->n_grounding; r++)
        queries[place->grounding + r] = shape->visual_queries + r;
      for (k = 0; k < sequences[i].n_texts; k++)
        for (r = 0; r < sequences[i].texts[k].n; r++)
          {
            const DescryFormerText *text = &sequences[i].texts[k];
            guint at = place->text[k] - pass->query_rows + r;
            gint32 id = text->ids[r], position = text->positions != NULL ? text->positions[r] : (gint32) r;

            if (id < 0 || (guint) id >= shape->vocabulary + shape->special_rows || position < 0 || (guint) position >= shape->positions)
              {
                descry_run_fail (pass->run, DESCRY_ERROR_SHAPE, "mq-former: token %d at position %d, this network has %u and %u", id, position,
                                 shape->vocabulary + shape->special_rows, shape->positions);
                return;
              }
            words[at] = (guint) id < shape->vocabulary ? id : -1;
            special[at] = (guint) id < shape->vocabulary ? -1 : id - (gint32) shape->vocabulary;
            places[at] = position;
          }
    }

  pass->embedded = all_rows (pass);
  if (pass->query_rows > 0)
    {
      pass->query_ids = descry_trained_ids (pass->run, queries, pass->query_rows);
      op_gather_rows (pass->run, block (pass->embedded, 0, pass->query_rows), former->queries.value, pass->query_ids);
    }
  if (texts == 0)
    return;

  pass->word_ids = descry_trained_ids (pass->run, words, texts);
  pass->special_ids = descry_trained_ids (pass->run, special, texts);
  pass->place_ids = descry_trained_ids (pass->run, places, texts);
  pass->words = roomy (pass, texts, shape->table_width);
  op_gather_rows (pass->run, pass->words, former->words_elsewhere ? former->frozen_words : former->table.value, pass->word_ids);
  rows = block (pass->embedded, pass->query_rows, texts);
  if (former->embedding.weight.value.buffer != NULL)
    descry_trained_forward (pass->run, rows, pass->words, &former->embedding);
  else
    op_copy (pass->run, rows, pass->words);
  moved = roomy (pass, texts, shape->width);
  op_gather_rows (pass->run, moved, former->places.value, pass->place_ids);
  op_add (pass->run, rows, rows, moved, DESCRY_ACT_NONE);
  if (former->special.value.buffer != NULL)
    {
      op_gather_rows (pass->run, moved, former->special.value, pass->special_ids);
      op_add (pass->run, rows, rows, moved, DESCRY_ACT_NONE);
    }
  descry_run_release (pass->run, &moved);
}

/* middle = LN (o (attention (x)) + x), shared by all rows of a sequence */
static void
forward_self (DescryFormerPass             *pass,
              const DescryTrainedAttention *attention,
              Kept                         *kept)
{
  const DescryAttention shape = attention_shape (pass);

  kept->q = all_rows (pass);
  kept->k = all_rows (pass);
  kept->v = all_rows (pass);
  kept->context = all_rows (pass);
  kept->sum = all_rows (pass);
  kept->middle = all_rows (pass);
  descry_trained_forward (pass->run, kept->q, kept->x, &attention->q);
  descry_trained_forward (pass->run, kept->k, kept->x, &attention->k);
  descry_trained_forward (pass->run, kept->v, kept->x, &attention->v);
  op_attention_packed (pass->run, kept->context, kept->q, kept->k, kept->v, &pass->self_plan, &shape);
  descry_trained_forward (pass->run, kept->sum, kept->context, &attention->o);
  op_add (pass->run, kept->sum, kept->sum, kept->x, DESCRY_ACT_NONE);
  forward_norm (pass, kept->middle, kept->sum, &attention->norm);
}

/* x = LN (o (attention (x)) + x) of queries over a picture's features */
static void
forward_cross (DescryFormerPass             *pass,
               const DescryTrainedAttention *attention,
               Crossed                      *kept,
               const DescryLookedKeys       *keys,
               DescryTensor                  x,
               gboolean                      local)
{
  const DescryAttention shape = attention_shape (pass);
  guint rows = descry_tensor_rows (x);

  kept->x = rows_for (pass, rows);
  kept->q = rows_for (pass, rows);
  kept->context = rows_for (pass, rows);
  kept->sum = rows_for (pass, rows);
  op_copy (pass->run, kept->x, x);
  descry_trained_forward (pass->run, kept->q, x, &attention->q);
  op_attention_packed (pass->run, kept->context, kept->q, keys->k, keys->v, local ? &pass->local_plan : &pass->visual_plan, &shape);
  descry_trained_forward (pass->run, kept->sum, kept->context, &attention->o);
  op_add (pass->run, kept->sum, kept->sum, x, DESCRY_ACT_NONE);
  forward_norm (pass, x, kept->sum, &attention->norm);
}

/* x = LN (down (gelu (up (middle))) + middle) of a block of rows */
static void
forward_feed (DescryFormerPass        *pass,
              const DescryTrainedFeed *feed,
              Kept                    *kept,
              DescryTensor             x,
              guint                    first,
              guint                    n)
{
  DescryTensor up, act, last, middle;

  if (n == 0 || !descry_run_ok (pass->run))
    return;
  up = block (kept->up, first, n);
  act = block (kept->act, first, n);
  last = block (kept->last, first, n);
  middle = block (kept->middle, first, n);
  descry_trained_forward (pass->run, up, middle, &feed->up);
  op_activate (pass->run, act, up, DESCRY_ACT_GELU);
  descry_trained_forward (pass->run, last, act, &feed->down);
  op_add (pass->run, last, last, middle, DESCRY_ACT_NONE);
  forward_norm (pass, block (x, first, n), last, &feed->norm);
}

static void
forward_layer (DescryFormerPass         *pass,
               guint                     index,
               Kept                     *kept)
{
  const DescryTrainedLayer *layer = &pass->former->layers[index];
  const DescryLookedLayer *looked = &pass->looked->layers[index];
  guint inner = pass->former->shape.feed_forward;

  kept->x = pass->x;
  pass->x = all_rows (pass);
  forward_self (pass, &layer->self, kept);
  if (!descry_run_ok (pass->run))
    return;
  if (layer->crosses && pass->visual_rows > 0)
    forward_cross (pass, &layer->visual, &kept->visual, &looked->visual, block (kept->middle, 0, pass->visual_rows), FALSE);
  if (layer->crosses && pass->looking_rows > 0)
    forward_cross (pass, &layer->local, &kept->local, &looked->local, block (kept->middle, pass->visual_rows, pass->looking_rows), TRUE);
  kept->up = roomy (pass, pass->rows, inner);
  kept->act = roomy (pass, pass->rows, inner);
  kept->last = all_rows (pass);
  forward_feed (pass, &layer->query, kept, pass->x, 0, pass->query_rows);
  forward_feed (pass, &layer->text, kept, pass->x, pass->query_rows, pass->rows - pass->query_rows);
  descry_run_flush (pass->run);
}

DescryFormerPass *
descry_former_pass_new (DescryTrainFormer          *former,
                        DescryRun                  *run,
                        const DescryFormerPicture  *pictures,
                        guint                       n_pictures,
                        const DescryFormerSequence *sequences,
                        guint                       n_sequences)
{
  DescryFormerLooked *looked = descry_former_looked_new (former, run, pictures, n_pictures);
  DescryFormerPass *pass = descry_former_pass_over (former, looked, sequences, n_sequences);

  pass->own = looked;
  return pass;
}

DescryFormerPass *
descry_former_pass_over (DescryTrainFormer          *former,
                         DescryFormerLooked         *looked,
                         const DescryFormerSequence *sequences,
                         guint                       n_sequences)
{
  DescryFormerPass *pass = g_new0 (DescryFormerPass, 1);
  DescryRun *run = looked->run;
  guint i;

  pass->former = former;
  pass->run = run;
  pass->looked = looked;
  pass->n_sequences = n_sequences;
  pass->places = g_new0 (DescryFormerPlace, n_sequences);
  pass->picture = g_new0 (int, n_sequences);
  pass->kept = g_new0 (Kept, former->shape.layers);

  if (!place_sequences (pass, sequences))
    return pass;
  make_room (pass);
  plan_self (pass, sequences);
  if (pass->visual_rows > 0)
    pass->visual_plan = plan_cross (pass, FALSE);
  if (pass->looking_rows > 0)
    pass->local_plan = plan_cross (pass, TRUE);
  embed (pass, sequences);
  if (!descry_run_ok (run))
    return pass;
  pass->x = all_rows (pass);
  forward_norm (pass, pass->x, pass->embedded, &former->norm);
  for (i = 0; i < former->shape.layers && descry_run_ok (run); i++)
    forward_layer (pass, i, &pass->kept[i]);

  return pass;
}

static void
release_crossed (DescryRun *run,
                 Crossed   *kept)
{
  DescryTensor *tensors[] = { &kept->x, &kept->q, &kept->context, &kept->sum };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (tensors); i++)
    descry_run_release (run, tensors[i]);
}

static void
release_kept (DescryRun *run,
              Kept      *kept)
{
  DescryTensor *tensors[] = { &kept->x, &kept->q, &kept->k, &kept->v, &kept->context, &kept->sum, &kept->middle, &kept->up, &kept->act, &kept->last };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (tensors); i++)
    descry_run_release (run, tensors[i]);
  release_crossed (run, &kept->visual);
  release_crossed (run, &kept->local);
}

void
descry_former_pass_free (DescryFormerPass *pass)
{
  guint i;

  if (pass == NULL)
    return;

  for (i = 0; i < pass->former->shape.layers; i++)
    release_kept (pass->run, &pass->kept[i]);
  {
    DescryTensor *tensors[] = { &pass->query_ids, &pass->word_ids,
                                &pass->special_ids, &pass->place_ids, &pass->words, &pass->embedded, &pass->x };

    for (i = 0; i < G_N_ELEMENTS (tensors); i++)
      descry_run_release (pass->run, tensors[i]);
  }
  op_packed_clear (pass->run, &pass->self_plan);
  op_packed_clear (pass->run, &pass->visual_plan);
  op_packed_clear (pass->run, &pass->local_plan);
  g_clear_pointer (&pass->own, descry_former_looked_free);
  g_free (pass->places);
  g_free (pass->picture);
  g_free (pass->kept);
  g_free (pass);
}

guint
descry_former_pass_rows (DescryFormerPass *pass)
{
  return pass->rows;
}

guint
descry_former_pass_query_rows (DescryFormerPass *pass)
{
  return pass->query_rows;
}

DescryTensor
descry_former_pass_output (DescryFormerPass *pass)
{
  return pass->x;
}

DescryTensor
descry_former_pass_gradient (DescryFormerPass *pass)
{
  DescryTensor dx = all_rows (pass);

  op_fill (pass->run, dx, 0.0f);
  return dx;
}

const DescryFormerPlace *
descry_former_pass_place (DescryFormerPass *pass,
                          guint             sequence)
{
  return &pass->places[sequence];
}

/* dx of a block: of the layer's output, becomes that of the feed-forward's input. */
static void
backward_feed (DescryFormerPass        *pass,
               const DescryTrainedFeed *feed,
               Kept                    *kept,
               DescryTensor             whole,
               guint                    first,
               guint                    n)
{
  DescryTensor dx, dlast, dinner, act, up, middle;

  if (n == 0 || !descry_run_ok (pass->run))
    return;
  dx = block (whole, first, n);
  act = block (kept->act, first, n);
  up = block (kept->up, first, n);
  middle = block (kept->middle, first, n);
  dlast = roomy (pass, n, pass->former->shape.width);
  dinner = roomy (pass, n, pass->former->shape.feed_forward);
  if (!descry_run_ok (pass->run))
    return;
  backward_norm (pass, dlast, dx, block (kept->last, first, n), &feed->norm);
  descry_trained_backward (pass->run, dinner, dlast, act, &feed->down, FALSE);
  op_activate_backward (pass->run, dinner, dinner, up, DESCRY_ACT_GELU);
  op_copy (pass->run, dx, dlast);
  descry_trained_backward (pass->run, dx, dinner, middle, &feed->up, TRUE);
  descry_run_release (pass->run, &dlast);
  descry_run_release (pass->run, &dinner);
}

/* dx [rows of the block, width], in place. */
static void
backward_cross (DescryFormerPass             *pass,
                const DescryTrainedAttention *attention,
                Crossed                      *kept,
                DescryLookedKeys             *keys,
                DescryTensor                  dx,
                gboolean                      local)
{
  const DescryAttention shape = attention_shape (pass);
  guint rows = descry_tensor_rows (dx), all = descry_tensor_rows (keys->k);
  DescryTensor dsum = rows_for (pass, rows), dcontext = rows_for (pass, rows), dq = rows_for (pass, rows), dk = rows_for (pass, all), dv = rows_for (pass, all);

  if (!descry_run_ok (pass->run))
    return;
  backward_norm (pass, dsum, dx, kept->sum, &attention->norm);
  descry_trained_backward (pass->run, dcontext, dsum, kept->context, &attention->o, FALSE);
  op_attention_packed_backward (pass->run, dq, dk, dv, dcontext, kept->context, kept->q, keys->k, keys->v, local ? &pass->local_plan : &pass->visual_plan, &shape);
  op_copy (pass->run, dx, dsum);
  descry_trained_backward (pass->run, dx, dq, kept->x, &attention->q, TRUE);
  descry_former_looked_add (pass->looked, keys, &dk, &dv);
  descry_run_release (pass->run, &dsum);
  descry_run_release (pass->run, &dcontext);
  descry_run_release (pass->run, &dq);
}

static void
backward_self (DescryFormerPass             *pass,
               const DescryTrainedAttention *attention,
               Kept                         *kept,
               DescryTensor                  dx)
{
  const DescryAttention shape = attention_shape (pass);
  DescryTensor dsum = all_rows (pass), dcontext = all_rows (pass);
  DescryTensor dq = all_rows (pass), dk = all_rows (pass), dv = all_rows (pass);

  if (!descry_run_ok (pass->run))
    return;
  backward_norm (pass, dsum, dx, kept->sum, &attention->norm);
  descry_trained_backward (pass->run, dcontext, dsum, kept->context, &attention->o, FALSE);
  op_attention_packed_backward (pass->run, dq, dk, dv, dcontext, kept->context, kept->q, kept->k, kept->v, &pass->self_plan, &shape);
  op_copy (pass->run, dx, dsum);
  descry_trained_backward (pass->run, dx, dq, kept->x, &attention->q, TRUE);
  descry_trained_backward (pass->run, dx, dk, kept->x, &attention->k, TRUE);
  descry_trained_backward (pass->run, dx, dv, kept->x, &attention->v, TRUE);
  descry_run_release (pass->run, &dsum);
  descry_run_release (pass->run, &dcontext);
  descry_run_release (pass->run, &dq);
  descry_run_release (pass->run, &dk);
  descry_run_release (pass->run, &dv);
}

static void
backward_embed (DescryFormerPass *pass,
                DescryTensor      dx)
{
  DescryTrainFormer *former = pass->former;
  guint texts = pass->rows - pass->query_rows;
  DescryTensor dembedded = all_rows (pass), rows, dwords;

  if (!descry_run_ok (pass->run))
    return;
  backward_norm (pass, dembedded, dx, pass->embedded, &former->norm);
  if (pass->query_rows > 0)
    op_scatter_rows (pass->run, former->queries.gradient, block (dembedded, 0, pass->query_rows), pass->query_ids);
  if (texts > 0)
    {
      rows = block (dembedded, pass->query_rows, texts);
      op_scatter_rows (pass->run, former->places.gradient, rows, pass->place_ids);
      if (former->special.value.buffer != NULL)
        op_scatter_rows (pass->run, former->special.gradient, rows, pass->special_ids);
      dwords = former->words_elsewhere ? (DescryTensor) { 0 } : roomy (pass, texts, former->shape.table_width);
      if (former->embedding.weight.value.buffer != NULL)
        descry_trained_backward (pass->run, dwords, rows, pass->words, &former->embedding, FALSE);
      else if (dwords.buffer != NULL)
        op_copy (pass->run, dwords, rows);
      if (dwords.buffer != NULL)
        op_scatter_rows (pass->run, former->table.gradient, dwords, pass->word_ids);
      descry_run_release (pass->run, &dwords);
    }
  descry_run_release (pass->run, &dembedded);
}

void
descry_former_pass_backward (DescryFormerPass *pass,
                             DescryTensor      dx)
{
  const DescryTrainFormerShape *shape = &pass->former->shape;
  guint i;

  if (!descry_run_ok (pass->run))
    return;
  for (i = shape->layers; i-- > 0 && descry_run_ok (pass->run);)
    {
      const DescryTrainedLayer *layer = &pass->former->layers[i];
      DescryLookedLayer *looked = &pass->looked->layers[i];
      Kept *kept = &pass->kept[i];

      backward_feed (pass, &layer->query, kept, dx, 0, pass->query_rows);
      backward_feed (pass, &layer->text, kept, dx, pass->query_rows, pass->rows - pass->query_rows);
      if (layer->crosses && pass->looking_rows > 0)
        backward_cross (pass, &layer->local, &kept->local, &looked->local, block (dx, pass->visual_rows, pass->looking_rows), TRUE);
      if (layer->crosses && pass->visual_rows > 0)
        backward_cross (pass, &layer->visual, &kept->visual, &looked->visual, block (dx, 0, pass->visual_rows), FALSE);
      backward_self (pass, &layer->self, kept, dx);
      descry_run_flush (pass->run);
    }
  backward_embed (pass, dx);
  if (pass->own != NULL)
    descry_former_looked_backward (pass->own);
}
