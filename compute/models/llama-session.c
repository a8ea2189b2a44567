/* llama-session.c - a conversation's cache: prompts, prefix reuse, picking tokens
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-llama"

#include "config.h"

#include "compute/models/llama-private.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/models/sampler.h"
#include "compute/ops/elementwise.h"
#include "compute/ops/sample.h"

/* Rows computed together: of a prompt, and when all logits are wanted (they are large). */
#define CHUNK 512
#define LOGITS_CHUNK 64
/* Positions behind the kept ones that a sliding context has at least. */
#define LEAST_TAIL 8

static gboolean
fill_table (DescryLlamaSession *session,
            GError            **error)
{
  DescryLlama *model = session->model;
  guint pairs = model->rope_dim / 2, position, i;
  float *values = descry_try_alloc ((gsize) session->context * model->rope_dim, sizeof (float));
  g_autoptr (DescryRun) run = descry_run_new (model->device, NULL);
  gboolean ok;

  if (values == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %u positions", model->path, session->context);
      return FALSE;
    }
  for (position = 0; position < session->context; position++)
    for (i = 0; i < pairs; i++)
      {
        float angle = (float) position * model->freqs[i];

        values[(gsize) position * model->rope_dim + i] = cosf (angle);
        values[(gsize) position * model->rope_dim + pairs + i] = sinf (angle);
      }

  ok = descry_tensor_alloc (model->device, &session->table, DESCRY_F32, 2, (guint[]) { session->context, model->rope_dim }, error);
  if (ok)
    {
      descry_run_write (run, session->table, values, (gsize) session->context * model->rope_dim);
      ok = descry_run_finish (run, error);
    }
  descry_free (values);

  return ok;
}

DescryLlamaSession *
descry_llama_session_new (DescryLlama *model,
                          guint        context,
                          GError     **error)
{
  g_autoptr (DescryLlamaSession) session = NULL;
  guint shape[2];
  guint i;

  if (context == 0 || context > model->context)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s: a context of 1 to %u positions is possible, %u were asked for", model->path, model->context, context);
      return NULL;
    }

  session = g_new0 (DescryLlamaSession, 1);
  session->model = model;
  session->context = context;
  session->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  session->soft = g_array_new (FALSE, FALSE, sizeof (float));
  session->keys = g_new0 (DescryTensor, model->n_layers);
  session->values = g_new0 (DescryTensor, model->n_layers);
  session->rows = context;
  shape[0] = context * model->kv_heads;
  shape[1] = model->head_dim;
  for (i = 0; i < model->n_layers; i++)
    if (!descry_tensor_alloc (model->device, &session->keys[i], DESCRY_F16, 2, shape, error)
        || !descry_tensor_alloc (model->device, &session->values[i], DESCRY_F16, 2, shape, error))
      return NULL;
  if (!descry_tensor_alloc (model->device, &session->logits, DESCRY_F32, 2, (guint[]) { 1, model->vocabulary }, error)
      || !descry_tensor_alloc (model->device, &session->next, DESCRY_I32, 1, (guint[]) { 1 }, error)
      || !fill_table (session, error))
    return NULL;

  return g_steal_pointer (&session);
}

void
descry_llama_session_free (DescryLlamaSession *session)
{
  DescryDevice *device;
  guint i;

  if (session == NULL)
    return;

  device = session->model->device;
  for (i = 0; i < session->model->n_layers; i++)
    {
      descry_tensor_free (device, &session->keys[i]);
      descry_tensor_free (device, &session->values[i]);
    }
  descry_tensor_free (device, &session->table);
  descry_tensor_free (device, &session->logits);
  descry_tensor_free (device, &session->next);
  g_free (session->keys);
  g_free (session->values);
  g_array_unref (session->ids);
  g_array_unref (session->soft);
  g_free (session);
}

/* Forgets everything after the first @n positions. */
static void
cut (DescryLlamaSession *session,
     guint               n)
{
  guint soft = 0, i;

  for (i = 0; i < n; i++)
    soft += g_array_index (session->ids, gint32, i) < 0;
  g_array_set_size (session->ids, n);
  g_array_set_size (session->soft, soft * session->model->width);
  session->exact = MIN (session->exact, n);
  session->ready = FALSE;
}

guint
descry_llama_session_length (DescryLlamaSession *session)
{
  return session->ids->len;
}

void
descry_llama_session_clear (DescryLlamaSession *session)
{
  cut (session, 0);
}

/* Positions at the front of the prompt that the cache already holds. */
static guint
common_prefix (DescryLlamaSession *session,
               const gint32       *ids,
               guint               n,
               const float        *soft)
{
  guint width = session->model->width, i, rows = 0;

  for (i = 0; i < MIN (n, session->exact); i++)
    {
      if (ids[i] != g_array_index (session->ids, gint32, i))
        break;
      if (ids[i] < 0)
        {
          if (memcmp (soft + (gsize) rows * width, &g_array_index (session->soft, float, (gsize) rows * width), width * sizeof (float)) != 0)
            break;
          rows++;
        }
    }

  return i;
}

static gboolean
check_ids (DescryLlamaSession *session,
           const gint32       *ids,
           guint               n,
           const float        *soft,
           GError            **error)
{
  DescryLlama *model = session->model;
  gsize rows = 0, j;
  guint i;

  if (n == 0 || n > session->context)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "The prompt has %u tokens, the context holds %u", n, session->context);
      return FALSE;
    }
  for (i = 0; i < n; i++)
    {
      if (ids[i] >= 0 && (guint) ids[i] < model->vocabulary)
        continue;
      if (ids[i] != -1 || soft == NULL)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "Token %u of the prompt is %d, the vocabulary has %u", i, ids[i], model->vocabulary);
          return FALSE;
        }
      rows++;
    }
  for (j = 0; j < rows * model->width; j++)
    if (!isfinite (soft[j]))
      {
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "Soft token %" G_GSIZE_FORMAT " holds a number that is not finite", j / model->width);
        return FALSE;
      }

  return TRUE;
}

/* x [m, width]: rows of the embedding, or of @soft where the id is -1. */
static void
embed (DescryLlamaSession *session,
       DescryRun          *run,
       DescryTensor        x,
       const gint32       *ids,
       const float        *soft)
{
  DescryLlama *model = session->model;
  guint m = descry_tensor_rows (x), i, last;
  DescryTensor tensor = descry_run_tensor (run, DESCRY_I32, 1, &m);
  g_autofree gint32 *plain = g_new (gint32, m); /* at most CHUNK */

  for (i = 0; i < m; i++)
    plain[i] = MAX (ids[i], 0);
  descry_run_write (run, tensor, plain, m);
  op_embed (run, x, tensor, model->embedding);
  descry_run_release (run, &tensor);

  for (i = 0; i < m && descry_run_ok (run); i = last)
    {
      for (last = i; last < m && ids[last] < 0; last++)
        ;
      if (last > i)
        {
          descry_run_write (run, descry_tensor_slice (x, i, last - i), soft, (gsize) (last - i) * model->width);
          soft += (gsize) (last - i) * model->width;
        }
      else
        last++;
    }
}

/* Enqueues ids[0..m) after the cached ones; @ids NULL: the one token that the device has picked. */
static void
enqueue (DescryLlamaSession *session,
         DescryRun          *run,
         const gint32       *ids,
         guint               m,
         const float        *soft,
         float              *all_logits)
{
  DescryLlama *model = session->model;
  DescryTensor x = descry_run_tensor2 (run, m, model->width), scaled = descry_run_tensor2 (run, m, model->width);

  session->ready = FALSE;
  if (ids != NULL)
    embed (session, run, x, ids, soft);
  else
    op_embed (run, x, session->next, model->embedding);
  descry_llama_forward (session, run, x, scaled);
  if (all_logits != NULL && descry_run_ok (run))
    {
      DescryTensor logits = descry_run_tensor2 (run, m, model->vocabulary);

      descry_llama_head (session, run, logits, x, scaled);
      descry_run_read (run, logits, all_logits, (gsize) m * model->vocabulary);
      descry_run_release (run, &logits);
    }
  else if (descry_run_ok (run))
    {
      DescryTensor last = descry_tensor_slice (x, m - 1, 1), last_scaled = descry_tensor_slice (scaled, m - 1, 1);

      if (m > DESCRY_FEW_ROWS)
        {
          /* Only here is the last row alone: its norm's weight has not been multiplied in yet. */
          DescryTensor weight = model->output_norm;

          weight.n_dims = 2;
          weight.shape[1] = weight.pitch;
          weight.shape[0] = 1;
          op_mul (run, last_scaled, last, weight);
        }
      descry_llama_head (session, run, session->logits, last, last_scaled);
    }
  descry_run_release (run, &x);
  descry_run_release (run, &scaled);
  descry_run_flush (run);
}

/* The cache knows positions once the device has got them all. */
static void
record (DescryLlamaSession *session,
        const gint32       *ids,
        guint               m,
        const float        *soft)
{
  guint rows = 0, i;

  for (i = 0; i < m; i++)
    rows += ids[i] < 0;
  if (session->exact == session->ids->len)
    session->exact += m;
  g_array_append_vals (session->ids, ids, m);
  if (rows > 0)
    g_array_append_vals (session->soft, soft, rows * session->model->width);
}

static gboolean
advance (DescryLlamaSession *session,
         DescryRun          *run,
         const gint32       *ids,
         guint               m,
         const float        *soft,
         float              *all_logits,
         GError            **error)
{
  enqueue (session, run, ids, m, soft, all_logits);
  if (!descry_run_ok (run))
    {
      descry_run_finish (run, error);
      return FALSE;
    }

  record (session, ids, m, soft);
  session->ready = all_logits == NULL;
  return TRUE;
}

gboolean
descry_llama_prompt (DescryLlamaSession *session,
                     const gint32       *ids,
                     guint               n,
                     const float        *soft,
                     GCancellable       *cancellable,
                     DescryProgressFunc  progress,
                     gpointer            data,
                     GError            **error)
{
  g_autoptr (DescryRun) run = NULL;
  guint common, at, first, i;

  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!check_ids (session, ids, n, soft, error))
    return FALSE;

  common = common_prefix (session, ids, n, soft);
  if (common == n && session->ids->len == n && session->ready)
    return TRUE;
  /* The logits of the last position are wanted, so it is always computed. */
  common = MIN (common, n - 1);
  cut (session, common);

  run = descry_run_new (session->model->device, cancellable);
  for (i = 0; i < common; i++)
    if (ids[i] < 0)
      soft += session->model->width;
  first = common;
  for (at = common; at < n;)
    {
      guint m = MIN (CHUNK, n - at);

      if (!advance (session, run, ids + at, m, soft, NULL, error))
        return FALSE;
      if (!descry_run_finish (run, error))
        {
          cut (session, at);
          return FALSE;
        }
      for (i = at; i < at + m; i++)
        if (ids[i] < 0)
          soft += session->model->width;
      at += m;
      if (progress != NULL)
        progress ((double) (at - first) / (n - first), data);
    }

  return TRUE;
}

void
descry_llama_session_set_top_p (DescryLlamaSession *session,
                                float               top_p)
{
  session->top_p = top_p;
}

void
descry_llama_session_set_sliding (DescryLlamaSession *session,
                                  gboolean            sliding,
                                  guint               keep)
{
  session->sliding = sliding && keep + LEAST_TAIL <= session->context;
  session->keep = keep;
}

/* Forgets the older half of what may be forgotten. */
static void
slide (DescryLlamaSession *session,
       DescryRun          *run)
{
  DescryLlama *model = session->model;
  guint rows = session->ids->len, drop = (rows - session->keep) / 2, i, soft_before = 0, soft_gone = 0;
  DescryRotation rotation = { model->heads, model->kv_heads, model->head_dim, model->rope_dim, model->rope, session->table, { 0 }, { 0 }, model->eps, session->rows * model->head_dim };

  for (i = 0; i < model->n_layers && descry_run_ok (run); i++)
    {
      rotation.rope_dim = model->layers[i].rotated ? model->rope_dim : 0;
      op_slide (run, descry_tensor_slice (session->keys[i], 0, session->rows), descry_tensor_slice (session->values[i], 0, session->rows), rows, session->keep, drop, &rotation);
    }
  if (!descry_run_ok (run))
    {
      cut (session, 0); /* some layers may have moved */
      return;
    }

  for (i = 0; i < session->keep + drop; i++)
    if (g_array_index (session->ids, gint32, i) < 0)
      {
        soft_before += i < session->keep;
        soft_gone += i >= session->keep;
      }
  g_array_remove_range (session->ids, session->keep, drop);
  if (soft_gone > 0)
    g_array_remove_range (session->soft, soft_before * model->width, soft_gone * model->width);
  session->exact = MIN (session->exact, session->keep);
}

/* Enqueues the choice of a token, then all that follows from it, and only then waits for the choice: the device never waits for
 * the host. */
gint32
descry_llama_next (DescryLlamaSession *session,
                   float               temperature,
                   guint64            *seed,
                   GCancellable       *cancellable,
                   GError            **error)
{
  g_autoptr (DescryRun) run = NULL;
  DescryReading *reading;
  gint32 token = -1;
  gboolean more;

  g_return_val_if_fail (error == NULL || *error == NULL, -1);

  if (!session->ready)
    {
      if (session->ids->len >= session->context)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "The context of %u positions is full", session->context);
      else
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "There is no prompt to go on from");
      return -1;
    }

  run = descry_run_new (session->model->device, cancellable);
  if (temperature > 0.0f)
    op_sample (run, session->next, session->logits, temperature, session->top_p, (float) descry_uniform (seed));
  else
    op_argmax (run, session->next, session->logits);
  reading = descry_run_read_begin (run, session->next, &token, 1);

  if (session->sliding && session->ids->len >= session->context && descry_run_ok (run))
    slide (session, run);
  /* The last position's token can still be told, but nothing after it. */
  more = session->ids->len < session->context;
  session->ready = FALSE;
  if (more)
    enqueue (session, run, NULL, 1, NULL, NULL);

  if (!descry_run_read_end (run, reading) || !descry_run_ok (run))
    {
      descry_run_finish (run, error);
      return -1;
    }
  if (token < 0 || (guint) token >= session->model->vocabulary)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "%s: the device picked token %d: the logits are not finite", session->model->path, token);
      return -1;
    }

  if (more)
    {
      record (session, &token, 1, NULL);
      session->ready = TRUE;
    }
  return token;
}

/* Exchanges the caches for exact ones: f32, of the @n positions that are needed. */
static gboolean
take_exact_caches (DescryLlamaSession *session,
                   guint               n,
                   DescryTensor       *keys,
                   DescryTensor       *values,
                   GError            **error)
{
  DescryLlama *model = session->model;
  guint shape[] = { n * model->kv_heads, model->head_dim }, i;

  for (i = 0; i < model->n_layers; i++)
    if (!descry_tensor_alloc (model->device, &keys[i], DESCRY_F32, 2, shape, error)
        || !descry_tensor_alloc (model->device, &values[i], DESCRY_F32, 2, shape, error))
      return FALSE;

  return TRUE;
}

gboolean
descry_llama_logits (DescryLlamaSession *session,
                     const gint32       *ids,
                     guint               n,
                     const float        *soft,
                     float              *logits,
                     GError            **error)
{
  DescryLlama *model = session->model;
  g_autofree DescryTensor *keys = g_new0 (DescryTensor, model->n_layers), *values = g_new0 (DescryTensor, model->n_layers);
  DescryTensor *kept_keys = session->keys, *kept_values = session->values;
  DescryRun *run;
  gboolean ok;
  guint at, i;

  if (!check_ids (session, ids, n, soft, error))
    return FALSE;

  descry_llama_session_clear (session);
  run = descry_run_new (model->device, NULL);
  ok = take_exact_caches (session, n, keys, values, error);
  session->keys = keys;
  session->values = values;
  session->rows = n;
  for (at = 0; at < n && ok;)
    {
      guint m = MIN (LOGITS_CHUNK, n - at);

      ok = advance (session, run, ids + at, m, soft, logits + (gsize) at * model->vocabulary, error);
      for (i = at; i < at + m; i++)
        if (ids[i] < 0)
          soft += model->width;
      at += m;
    }
  ok = ok && descry_run_finish (run, error);

  session->keys = kept_keys;
  session->values = kept_values;
  session->rows = session->context;
  descry_llama_session_clear (session);
  for (i = 0; i < model->n_layers; i++)
    {
      descry_tensor_free (model->device, &keys[i]);
      descry_tensor_free (model->device, &values[i]);
    }
  descry_run_free (run);

  return ok;
}

gboolean
descry_llama_embedding_moments (DescryLlama *model,
                                float       *mean,
                                float       *deviation,
                                GError     **error)
{
  g_autoptr (DescryRun) run = NULL;
  float *rows = NULL;
  double *sums = NULL;
  gint32 ids[CHUNK];
  double power = 0.0, total = 0.0;
  guint at, i, j;
  gboolean ok = TRUE;

  if (!model->have_moments)
    {
      DescryTensor tensor, table;

      run = descry_run_new (model->device, NULL);
      rows = descry_try_alloc ((gsize) CHUNK * model->width, sizeof *rows);
      sums = descry_try_alloc (model->width, sizeof *sums);
      if (rows == NULL || sums == NULL)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the embeddings' mean", model->path);
          descry_free (rows);
          descry_free (sums);
          return FALSE;
        }
      tensor = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { CHUNK });
      table = descry_run_tensor2 (run, CHUNK, model->width);
      for (at = 0; at < model->vocabulary && descry_run_ok (run); at += CHUNK)
        {
          guint n = MIN (CHUNK, model->vocabulary - at);

          for (i = 0; i < CHUNK; i++)
            ids[i] = MIN (at + i, model->vocabulary - 1);
          descry_run_write (run, tensor, ids, CHUNK);
          op_embed (run, table, tensor, model->embedding);
          descry_run_read (run, table, rows, (gsize) CHUNK * model->width);
          for (i = 0; i < n; i++)
            for (j = 0; j < model->width; j++)
              {
                sums[j] += rows[(gsize) i * model->width + j];
                power += (double) rows[(gsize) i * model->width + j] * rows[(gsize) i * model->width + j];
              }
        }
      ok = descry_run_finish (run, error);
      if (ok)
        {
          model->mean = g_new (float, model->width);
          for (j = 0; j < model->width; j++)
            {
              model->mean[j] = sums[j] / model->vocabulary;
              total += (double) model->mean[j] * model->mean[j];
            }
          /* About the mean row: E |e - mean|^2 / width. */
          model->deviation = sqrt (MAX (power / model->vocabulary - total, 0.0) / model->width);
          model->have_moments = TRUE;
        }
      descry_free (rows);
      descry_free (sums);
    }
  if (!ok)
    return FALSE;

  memcpy (mean, model->mean, model->width * sizeof *mean);
  *deviation = model->deviation;
  return TRUE;
}
