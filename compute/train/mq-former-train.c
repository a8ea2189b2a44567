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
#include "compute/train/mq-former-private.h"

#define MASKED -10000.0f /* as the forward network has it */

/* One cross-attention: its queries are a block of rows. */
typedef struct
{
  DescryTensor x;       /* [rows, width] in */
  DescryTensor q, context, sum; /* [rows, width]; sum: before the norm */
  DescryTensor k, v;    /* [keys of all pictures, width] */
} Crossed;

/* What a layer's way back needs. */
typedef struct
{
  DescryTensor strung;  /* [rows, width] into the layer, in the sequences' order */
  DescryTensor q, k, v, context;
  DescryTensor sum;     /* before the norm; in blocks, as everything below */
  Crossed      visual, local;
  DescryTensor middle;  /* [rows, width] into the feed-forward */
  DescryTensor up, act; /* [rows, feed_forward] */
  DescryTensor last;    /* before the norm */
} Kept;

struct _DescryFormerPass
{
  DescryTrainFormer *former;
  DescryRun         *run;
  guint              n_pictures, n_sequences;
  DescryFormerPlace *places;
  int               *picture; /* of each sequence */
  guint             *visual_first, *n_visual, *local_first, *n_local; /* of each picture, rows of the two below */
  DescryTensor       visual, local; /* inputs of all pictures; local may be empty */
  DescryTensor       visual_bias; /* [keys, width]: positions for every picture, or empty */
  guint              rows, visual_rows, looking_rows, query_rows; /* blocks end at visual; visual + looking; query; rows */
  guint             *first, *length; /* of each sequence in strung order */
  DescryTensor       masks, *mask; /* mask of each sequence: views, or empty */
  DescryTensor       bounds, *bound; /* the same of its local attention */
  DescryTensor       to_strung, to_blocks; /* i32 [rows] */
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
attention_shape (DescryFormerPass *pass,
                 DescryTensor      mask)
{
  guint heads = pass->former->shape.heads;

  return (DescryAttention) { .heads = heads, .kv_heads = heads, .head_dim = pass->former->shape.width / heads, .bias = mask };
}

static DescryTensor
rows_for (DescryFormerPass *pass,
          guint             rows)
{
  return descry_run_tensor2 (pass->run, rows, pass->former->shape.width);
}

/* All pictures' rows under each other, and where each begins. */
static void
place_pictures (DescryFormerPass          *pass,
                const DescryFormerPicture *pictures)
{
  const DescryTrainFormerShape *shape = &pass->former->shape;
  guint visual = 0, local = 0, i;

  for (i = 0; i < pass->n_pictures; i++)
    {
      pass->visual_first[i] = visual;
      pass->n_visual[i] = pictures[i].n_visual;
      pass->local_first[i] = local;
      pass->n_local[i] = pictures[i].local != NULL ? pictures[i].n_local : 0;
      visual += pass->n_visual[i];
      local += pass->n_local[i];
      if (pictures[i].n_visual == 0 || (pass->former->visual_places.buffer != NULL && pictures[i].n_visual != descry_tensor_rows (pass->former->visual_places)))
        descry_run_fail (pass->run, DESCRY_ERROR_SHAPE, "mq-former: picture %u has %u image tokens", i, pictures[i].n_visual);
    }
  if (pass->n_pictures == 0)
    return;

  pass->visual = descry_run_tensor2 (pass->run, visual, shape->visual_width);
  if (pass->former->visual_places.buffer != NULL)
    pass->visual_bias = rows_for (pass, visual);
  if (local > 0)
    pass->local = descry_run_tensor2 (pass->run, local, shape->local_width);
  for (i = 0; i < pass->n_pictures && descry_run_ok (pass->run); i++)
    {
      descry_run_write (pass->run, descry_tensor_slice (pass->visual, pass->visual_first[i], pass->n_visual[i]), pictures[i].visual,
                        (gsize) pass->n_visual[i] * shape->visual_width);
      if (pass->visual_bias.buffer != NULL)
        op_copy (pass->run, descry_tensor_slice (pass->visual_bias, pass->visual_first[i], pass->n_visual[i]), pass->former->visual_places);
      if (pass->n_local[i] > 0)
        descry_run_write (pass->run, descry_tensor_slice (pass->local, pass->local_first[i], pass->n_local[i]), pictures[i].local,
                          (gsize) pass->n_local[i] * shape->local_width);
    }
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
      if (picture >= (int) pass->n_pictures || sequences[i].n_texts > DESCRY_MAX_TEXTS || (picture < 0 && sequences[i].n_texts == 0))
        {
          descry_run_fail (pass->run, DESCRY_ERROR_SHAPE, "mq-former: sequence %u of picture %d has %u texts", i, picture, sequences[i].n_texts);
          return FALSE;
        }
      if (picture < 0)
        continue;
      place->visual = at;
      at += place->n_visual = shape->visual_queries;
      place->n_grounding = descry_train_former_queries (pass->former, pass->n_local[picture]) - shape->visual_queries;
    }
  pass->visual_rows = at;
  for (looking = 2; looking-- > 0;)
    {
      for (i = 0; i < pass->n_sequences; i++)
        if (pass->picture[i] >= 0 && (pass->n_local[pass->picture[i]] > 0) == (looking == 1))
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

/* Whether the queries see text @k, and whether row @r of one text sees row @c of the other. */
static gboolean
sees (const DescryFormerSequence *sequence,
      int                         part, /* -1: queries */
      guint                       row,
      int                         other,
      guint                       column)
{
  if (part < 0)
    return other < 0 || sequence->texts[other].kind == DESCRY_TEXT_JOINT;
  if (other < 0)
    return TRUE;
  if (part != other)
    return sequence->texts[part].kind == DESCRY_TEXT_JOINT && sequence->texts[other].kind == DESCRY_TEXT_JOINT;
  return sequence->texts[part].kind != DESCRY_TEXT_CAUSAL || column <= row;
}

/* The strung order with each sequence's mask. */
static void
string_sequences (DescryFormerPass           *pass,
                  const DescryFormerSequence *sequences)
{
  g_autofree gint32 *strung = g_new (gint32, pass->rows), *blocks = g_new (gint32, pass->rows);
  g_autofree int *part = g_new (int, pass->rows); /* of each strung row */
  g_autofree guint *inner = g_new (guint, pass->rows); /* its row in the part */
  gsize total = 0, at_mask = 0;
  float *values;
  guint at = 0, i, k, r, c;

  for (i = 0; i < pass->n_sequences; i++)
    {
      const DescryFormerPlace *place = &pass->places[i];

      pass->first[i] = at;
      for (r = 0; r < descry_former_place_queries (place); r++, at++)
        {
          strung[at] = descry_former_place_row (place, r);
          part[at] = -1;
          inner[at] = r;
        }
      for (k = 0; k < sequences[i].n_texts; k++)
        for (r = 0; r < sequences[i].texts[k].n; r++, at++)
          {
            strung[at] = place->text[k] + r;
            part[at] = k;
            inner[at] = r;
          }
      pass->length[i] = at - pass->first[i];
      total += (gsize) pass->length[i] * pass->length[i];
    }
  for (r = 0; r < pass->rows; r++)
    blocks[strung[r]] = r;
  pass->to_strung = descry_trained_ids (pass->run, strung, pass->rows);
  pass->to_blocks = descry_trained_ids (pass->run, blocks, pass->rows);

  values = total < G_MAXINT32 ? descry_try_alloc (total, sizeof (float)) : NULL;
  if (values == NULL)
    {
      descry_run_fail (pass->run, DESCRY_ERROR_OUT_OF_MEMORY, "mq-former: no memory for the masks of %u sequences", pass->n_sequences);
      return;
    }
  pass->masks = descry_run_tensor2 (pass->run, 1, (guint) total);
  for (i = 0; i < pass->n_sequences; i++)
    {
      guint n = pass->length[i], hidden = 0;

      for (r = 0; r < n; r++)
        for (c = 0; c < n; c++)
          if (!sees (&sequences[i], part[pass->first[i] + r], inner[pass->first[i] + r], part[pass->first[i] + c], inner[pass->first[i] + c]))
            {
              values[at_mask + (gsize) r * n + c] = MASKED;
              hidden++;
            }
      if (hidden > 0)
        pass->mask[i] = (DescryTensor) { .buffer = pass->masks.buffer, .type = DESCRY_F32, .offset = pass->masks.offset + (guint) at_mask, .n_dims = 3,
                                         .shape = { 1, n, n, 1 }, .pitch = n };
      at_mask += (gsize) n * n;
    }
  descry_run_write (pass->run, pass->masks, values, total);
  descry_free (values);
}

/* Which local row each grounding query of a sequence may look at (mq-former.local_bound). */
static void
bind_sequences (DescryFormerPass *pass)
{
  const guint per_object = pass->former->shape.per_object;
  gsize total = 0, at = 0;
  float *values;
  guint i;

  for (i = 0; i < pass->n_sequences; i++)
    if (pass->picture[i] >= 0)
      total += (gsize) pass->places[i].n_grounding * pass->n_local[pass->picture[i]];
  if (!pass->former->local_bound || total == 0)
    return;
  values = total < G_MAXINT32 ? descry_try_alloc (total, sizeof (float)) : NULL;
  if (values == NULL)
    {
      descry_run_fail (pass->run, DESCRY_ERROR_OUT_OF_MEMORY, "mq-former: no memory for the bounds of %u sequences", pass->n_sequences);
      return;
    }
  pass->bounds = descry_run_tensor2 (pass->run, 1, (guint) total);
  for (i = 0; i < pass->n_sequences; i++)
    if (pass->picture[i] >= 0 && pass->n_local[pass->picture[i]] > 0)
      {
        guint n = pass->places[i].n_grounding, objects = pass->n_local[pass->picture[i]];

        descry_mq_former_bind (values + at, n, objects, per_object);
        pass->bound[i] = (DescryTensor) { .buffer = pass->bounds.buffer, .type = DESCRY_F32, .offset = pass->bounds.offset + (guint) at, .n_dims = 3,
                                          .shape = { 1, n, objects, 1 }, .pitch = objects };
        at += (gsize) n * objects;
      }
  descry_run_write (pass->run, pass->bounds, values, total);
  descry_free (values);
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

  pass->embedded = rows_for (pass, pass->rows);
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
  pass->words = descry_run_tensor2 (pass->run, texts, shape->table_width);
  op_gather_rows (pass->run, pass->words, former->words_elsewhere ? former->frozen_words : former->table.value, pass->word_ids);
  rows = block (pass->embedded, pass->query_rows, texts);
  if (former->embedding.weight.value.buffer != NULL)
    descry_trained_forward (pass->run, rows, pass->words, &former->embedding);
  else
    op_copy (pass->run, rows, pass->words);
  moved = rows_for (pass, texts);
  op_gather_rows (pass->run, moved, former->places.value, pass->place_ids);
  op_add (pass->run, rows, rows, moved, DESCRY_ACT_NONE);
  if (former->special.value.buffer != NULL)
    {
      op_gather_rows (pass->run, moved, former->special.value, pass->special_ids);
      op_add (pass->run, rows, rows, moved, DESCRY_ACT_NONE);
    }
  descry_run_release (pass->run, &moved);
}

/* middle = LN (o (attention (x)) + x), shared by all rows of a sequence. @x in blocks */
static void
forward_self (DescryFormerPass             *pass,
              const DescryTrainedAttention *attention,
              Kept                         *kept,
              DescryTensor                  x)
{
  DescryTensor out = rows_for (pass, pass->rows);
  guint i;

  kept->strung = rows_for (pass, pass->rows);
  kept->q = rows_for (pass, pass->rows);
  kept->k = rows_for (pass, pass->rows);
  kept->v = rows_for (pass, pass->rows);
  kept->context = rows_for (pass, pass->rows);
  kept->sum = rows_for (pass, pass->rows);
  kept->middle = rows_for (pass, pass->rows);
  op_gather_rows (pass->run, kept->strung, x, pass->to_strung);
  descry_trained_forward (pass->run, kept->q, kept->strung, &attention->q);
  descry_trained_forward (pass->run, kept->k, kept->strung, &attention->k);
  descry_trained_forward (pass->run, kept->v, kept->strung, &attention->v);
  for (i = 0; i < pass->n_sequences && descry_run_ok (pass->run); i++)
    {
      const DescryAttention shape = attention_shape (pass, pass->mask[i]);
      guint first = pass->first[i], n = pass->length[i];

      op_attention (pass->run, block (kept->context, first, n), block (kept->q, first, n), block (kept->k, first, n), block (kept->v, first, n), &shape);
    }
  descry_trained_forward (pass->run, out, kept->context, &attention->o);
  op_gather_rows (pass->run, kept->sum, out, pass->to_blocks);
  op_add (pass->run, kept->sum, kept->sum, x, DESCRY_ACT_NONE);
  forward_norm (pass, kept->middle, kept->sum, &attention->norm);
  descry_run_release (pass->run, &out);
}

/* The rows of sequence @i that look at its picture, and where the picture's keys lie. FALSE: none. */
static gboolean
find_looking (DescryFormerPass *pass,
              guint             i,
              gboolean          local,
              guint            *first,
              guint            *n,
              guint            *key,
              guint            *n_keys)
{
  int picture = pass->picture[i];

  if (picture < 0)
    return FALSE;
  *first = local ? pass->places[i].grounding - pass->visual_rows : pass->places[i].visual;
  *n = local ? pass->places[i].n_grounding : pass->places[i].n_visual;
  *key = local ? pass->local_first[picture] : pass->visual_first[picture];
  *n_keys = local ? pass->n_local[picture] : pass->n_visual[picture];
  return *n > 0 && *n_keys > 0;
}

/* x = LN (o (attention (x, keys)) + x), in place. */
static void
forward_cross (DescryFormerPass             *pass,
               const DescryTrainedAttention *attention,
               Crossed                      *kept,
               DescryTensor                  x,
               gboolean                      local)
{
  DescryTensor keys = local ? pass->local : pass->visual;
  guint rows = descry_tensor_rows (x), all = descry_tensor_rows (keys), first, n, key, n_keys, i;

  kept->x = rows_for (pass, rows);
  kept->q = rows_for (pass, rows);
  kept->context = rows_for (pass, rows);
  kept->sum = rows_for (pass, rows);
  kept->k = rows_for (pass, all);
  kept->v = rows_for (pass, all);
  op_copy (pass->run, kept->x, x);
  descry_trained_forward (pass->run, kept->q, x, &attention->q);
  descry_trained_forward (pass->run, kept->k, keys, &attention->k);
  descry_trained_forward (pass->run, kept->v, keys, &attention->v);
  if (!local && pass->visual_bias.buffer != NULL)
    {
      op_add (pass->run, kept->k, kept->k, pass->visual_bias, DESCRY_ACT_NONE);
      op_add (pass->run, kept->v, kept->v, pass->visual_bias, DESCRY_ACT_NONE);
    }
  for (i = 0; i < pass->n_sequences && descry_run_ok (pass->run); i++)
    if (find_looking (pass, i, local, &first, &n, &key, &n_keys))
      {
        const DescryAttention shape = attention_shape (pass, local ? pass->bound[i] : (DescryTensor) { 0 });

        op_attention (pass->run, block (kept->context, first, n), block (kept->q, first, n), block (kept->k, key, n_keys), block (kept->v, key, n_keys), &shape);
      }
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
               const DescryTrainedLayer *layer,
               Kept                     *kept)
{
  guint inner = pass->former->shape.feed_forward;

  forward_self (pass, &layer->self, kept, pass->x);
  if (!descry_run_ok (pass->run))
    return;
  if (layer->crosses && pass->visual_rows > 0)
    forward_cross (pass, &layer->visual, &kept->visual, block (kept->middle, 0, pass->visual_rows), FALSE);
  if (layer->crosses && pass->looking_rows > 0)
    forward_cross (pass, &layer->local, &kept->local, block (kept->middle, pass->visual_rows, pass->looking_rows), TRUE);
  kept->up = descry_run_tensor2 (pass->run, pass->rows, inner);
  kept->act = descry_run_tensor2 (pass->run, pass->rows, inner);
  kept->last = rows_for (pass, pass->rows);
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
  DescryFormerPass *pass = g_new0 (DescryFormerPass, 1);
  guint i;

  pass->former = former;
  pass->run = run;
  pass->n_pictures = n_pictures;
  pass->n_sequences = n_sequences;
  pass->places = g_new0 (DescryFormerPlace, n_sequences);
  pass->picture = g_new0 (int, n_sequences);
  pass->first = g_new0 (guint, n_sequences);
  pass->length = g_new0 (guint, n_sequences);
  pass->mask = g_new0 (DescryTensor, n_sequences);
  pass->bound = g_new0 (DescryTensor, n_sequences);
  pass->visual_first = g_new0 (guint, n_pictures);
  pass->n_visual = g_new0 (guint, n_pictures);
  pass->local_first = g_new0 (guint, n_pictures);
  pass->n_local = g_new0 (guint, n_pictures);
  pass->kept = g_new0 (Kept, former->shape.layers);

  place_pictures (pass, pictures);
  if (!place_sequences (pass, sequences))
    return pass;
  string_sequences (pass, sequences);
  bind_sequences (pass);
  embed (pass, sequences);
  if (!descry_run_ok (run))
    return pass;
  pass->x = rows_for (pass, pass->rows);
  forward_norm (pass, pass->x, pass->embedded, &former->norm);
  for (i = 0; i < former->shape.layers && descry_run_ok (run); i++)
    forward_layer (pass, &former->layers[i], &pass->kept[i]);

  return pass;
}

static void
release_crossed (DescryRun *run,
                 Crossed   *kept)
{
  DescryTensor *tensors[] = { &kept->x, &kept->q, &kept->context, &kept->sum, &kept->k, &kept->v };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (tensors); i++)
    descry_run_release (run, tensors[i]);
}

static void
release_kept (DescryRun *run,
              Kept      *kept)
{
  DescryTensor *tensors[] = { &kept->strung, &kept->q, &kept->k, &kept->v, &kept->context, &kept->sum, &kept->middle, &kept->up, &kept->act, &kept->last };
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
    DescryTensor *tensors[] = { &pass->visual, &pass->local, &pass->visual_bias, &pass->masks, &pass->bounds, &pass->to_strung, &pass->to_blocks, &pass->query_ids,
                                &pass->word_ids, &pass->special_ids, &pass->place_ids, &pass->words, &pass->embedded, &pass->x };

    for (i = 0; i < G_N_ELEMENTS (tensors); i++)
      descry_run_release (pass->run, tensors[i]);
  }
  g_free (pass->places);
  g_free (pass->picture);
  g_free (pass->first);
  g_free (pass->length);
  g_free (pass->mask);
  g_free (pass->bound);
  g_free (pass->visual_first);
  g_free (pass->n_visual);
  g_free (pass->local_first);
  g_free (pass->n_local);
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
  dlast = rows_for (pass, n);
  dinner = descry_run_tensor2 (pass->run, n, pass->former->shape.feed_forward);
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

/* dx [rows of the block, width], in place. Several sequences may look at one picture: dk and dv add up. */
static void
backward_cross (DescryFormerPass             *pass,
                const DescryTrainedAttention *attention,
                Crossed                      *kept,
                DescryTensor                  dx,
                gboolean                      local)
{
  DescryTensor keys = local ? pass->local : pass->visual, none = { 0 };
  guint rows = descry_tensor_rows (dx), all = descry_tensor_rows (keys), first, n, key, n_keys, i;
  DescryTensor dsum = rows_for (pass, rows), dcontext = rows_for (pass, rows), dq = rows_for (pass, rows);
  DescryTensor dk = rows_for (pass, all), dv = rows_for (pass, all), one_k = rows_for (pass, all), one_v = rows_for (pass, all);

  if (!descry_run_ok (pass->run))
    return;
  backward_norm (pass, dsum, dx, kept->sum, &attention->norm);
  descry_trained_backward (pass->run, dcontext, dsum, kept->context, &attention->o, FALSE);
  op_fill (pass->run, dk, 0.0f);
  op_fill (pass->run, dv, 0.0f);
  for (i = 0; i < pass->n_sequences && descry_run_ok (pass->run); i++)
    if (find_looking (pass, i, local, &first, &n, &key, &n_keys))
      {
        const DescryAttention shape = attention_shape (pass, local ? pass->bound[i] : none);
        DescryTensor sum_k = block (dk, key, n_keys), sum_v = block (dv, key, n_keys), to_k = block (one_k, key, n_keys), to_v = block (one_v, key, n_keys);

        op_attention_backward (pass->run, block (dq, first, n), to_k, to_v, block (dcontext, first, n), block (kept->context, first, n),
                               block (kept->q, first, n), block (kept->k, key, n_keys), block (kept->v, key, n_keys), &shape);
        op_add (pass->run, sum_k, sum_k, to_k, DESCRY_ACT_NONE);
        op_add (pass->run, sum_v, sum_v, to_v, DESCRY_ACT_NONE);
      }
  op_copy (pass->run, dx, dsum);
  descry_trained_backward (pass->run, dx, dq, kept->x, &attention->q, TRUE);
  descry_trained_backward (pass->run, none, dk, keys, &attention->k, FALSE);
  descry_trained_backward (pass->run, none, dv, keys, &attention->v, FALSE);
  descry_run_release (pass->run, &dsum);
  descry_run_release (pass->run, &dcontext);
  descry_run_release (pass->run, &dq);
  descry_run_release (pass->run, &dk);
  descry_run_release (pass->run, &dv);
  descry_run_release (pass->run, &one_k);
  descry_run_release (pass->run, &one_v);
}

static void
backward_self (DescryFormerPass             *pass,
               const DescryTrainedAttention *attention,
               Kept                         *kept,
               DescryTensor                  dx)
{
  DescryTensor dsum = rows_for (pass, pass->rows), strung = rows_for (pass, pass->rows), dcontext = rows_for (pass, pass->rows);
  DescryTensor dq = rows_for (pass, pass->rows), dk = rows_for (pass, pass->rows), dv = rows_for (pass, pass->rows);
  guint i;

  if (!descry_run_ok (pass->run))
    return;
  backward_norm (pass, dsum, dx, kept->sum, &attention->norm);
  op_gather_rows (pass->run, strung, dsum, pass->to_strung);
  descry_trained_backward (pass->run, dcontext, strung, kept->context, &attention->o, FALSE);
  for (i = 0; i < pass->n_sequences && descry_run_ok (pass->run); i++)
    {
      const DescryAttention shape = attention_shape (pass, pass->mask[i]);
      guint first = pass->first[i], n = pass->length[i];

      op_attention_backward (pass->run, block (dq, first, n), block (dk, first, n), block (dv, first, n), block (dcontext, first, n),
                             block (kept->context, first, n), block (kept->q, first, n), block (kept->k, first, n), block (kept->v, first, n), &shape);
    }
  descry_trained_backward (pass->run, strung, dq, kept->strung, &attention->q, FALSE);
  descry_trained_backward (pass->run, strung, dk, kept->strung, &attention->k, TRUE);
  descry_trained_backward (pass->run, strung, dv, kept->strung, &attention->v, TRUE);
  op_gather_rows (pass->run, dx, strung, pass->to_blocks);
  op_add (pass->run, dx, dx, dsum, DESCRY_ACT_NONE);
  descry_run_release (pass->run, &dsum);
  descry_run_release (pass->run, &strung);
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
  DescryTensor dembedded = rows_for (pass, pass->rows), rows, dwords;

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
      dwords = former->words_elsewhere ? (DescryTensor) { 0 } : descry_run_tensor2 (pass->run, texts, former->shape.table_width);
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
      Kept *kept = &pass->kept[i];

      backward_feed (pass, &layer->query, kept, dx, 0, pass->query_rows);
      backward_feed (pass, &layer->text, kept, dx, pass->query_rows, pass->rows - pass->query_rows);
      if (layer->crosses && pass->looking_rows > 0)
        backward_cross (pass, &layer->local, &kept->local, block (dx, pass->visual_rows, pass->looking_rows), TRUE);
      if (layer->crosses && pass->visual_rows > 0)
        backward_cross (pass, &layer->visual, &kept->visual, block (dx, 0, pass->visual_rows), FALSE);
      backward_self (pass, &layer->self, kept, dx);
      descry_run_flush (pass->run);
    }
  backward_embed (pass, dx);
}
