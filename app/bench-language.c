/* bench-language.c - the language model's speed: reading a prompt, writing an answer
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/bench.h"

#include <glib/gi18n.h>

#define PREFILL 512 /* tokens */
#define WARM_UP 128 /* tokens */
#define LARGE 2000000000 /* weights of a model whose prompt takes a minute */
#define DECODE 16 /* tokens timed in one run */

/* Bytes of the file's weights: what writing one token must read. A table of words that is no output layer is
 * looked up, not read. */
static gboolean
count_weights (DescryBundle *bundle,
               guint64      *bytes,
               guint64      *elements,
               GError      **error)
{
  const DescryBundleFile *file = g_ptr_array_index (bundle->slots[DESCRY_SLOT_LLM], 0);
  g_autoptr (DescryGguf) gguf = descry_gguf_open (file->path, error);
  gboolean output_apart;
  guint i;

  if (gguf == NULL)
    return FALSE;
  *bytes = *elements = 0;
  output_apart = descry_gguf_find (gguf, "output.weight") != NULL;
  for (i = 0; i < descry_gguf_n_tensors (gguf); i++)
    {
      const DescryGgufTensor *tensor = descry_gguf_tensor (gguf, i);

      if (output_apart && g_strcmp0 (tensor->name, "token_embd.weight") == 0)
        continue;
      *bytes += tensor->bytes;
      *elements += tensor->count;
    }

  return TRUE;
}

/* Ids that no cache has seen: @salt changes the first one. */
static gint32 *
make_ids (DescryLlama *model,
          guint        n,
          guint        salt)
{
  const guint vocabulary = descry_llama_vocabulary (model);
  gint32 *ids = g_new (gint32, n);
  guint i;

  for (i = 0; i < n; i++)
    ids[i] = (gint32) ((i * 977 + 13 + salt * 101) % MIN (vocabulary, 30000));
  return ids;
}

static gboolean
time_prefill (Bench              *bench,
              DescryLlama        *model,
              DescryLlamaSession *session,
              guint64             elements,
              guint               runs,
              GError            **error)
{
  const DescryDeviceStats before = *descry_device_stats (bench->device);
  g_autofree double *rates = g_new0 (double, runs);
  g_autofree char *provider = NULL;
  guint i;

  for (i = 0; i <= runs; i++)
    {
      g_autofree gint32 *ids = make_ids (model, PREFILL, i);
      gint64 begin;

      /* The first one warms up: where one run takes a minute, a few tokens must do. */
      descry_llama_session_clear (session);
      begin = g_get_monotonic_time ();
      if (!descry_llama_prompt (session, ids, i == 0 ? WARM_UP : PREFILL, NULL, NULL, NULL, NULL, error))
        return FALSE;
      if (i > 0)
        rates[i - 1] = PREFILL * 1e6 / MAX (g_get_monotonic_time () - begin, 1);
    }

  provider = bench_provider (bench, &before);
  bench_report (bench,
                &(BenchLine) { .stage = "llm", .what = "prefill", .shape = "512", .unit = "tok/s", .kind = WORK_GFLOP, .work = 2e-9 * elements, .provider = provider },
                rates, runs);
  return TRUE;
}

static gboolean
time_decode (Bench              *bench,
             DescryLlama        *model,
             DescryLlamaSession *session,
             guint               context,
             guint64             bytes,
             GError            **error)
{
  const DescryDeviceStats before = *descry_device_stats (bench->device);
  g_autofree double *rates = g_new0 (double, bench->runs);
  g_autofree char *provider = NULL, *shape = g_strdup_printf ("context %u", context);
  g_autofree gint32 *ids = make_ids (model, context, 0);
  guint64 seed = 1;
  guint i, t;

  for (i = 0; i <= bench->runs; i++)
    {
      gint64 begin;

      /* The same prompt each time: its cache is kept, only what was written after it is forgotten. */
      if (!descry_llama_prompt (session, ids, context, NULL, NULL, NULL, NULL, error))
        return FALSE;
      begin = g_get_monotonic_time ();
      for (t = 0; t < DECODE; t++)
        if (descry_llama_next (session, 0.0f, &seed, NULL, error) < 0)
          return FALSE;
      if (i > 0)
        rates[i - 1] = DECODE * 1e6 / MAX (g_get_monotonic_time () - begin, 1);
    }

  provider = bench_provider (bench, &before);
  bench_report (bench, &(BenchLine) { .stage = "llm", .what = "decode", .shape = shape, .unit = "tok/s", .kind = WORK_GB, .work = 1e-9 * bytes, .provider = provider },
                rates, bench->runs);
  return TRUE;
}

gboolean
bench_language (Bench   *bench,
                GError **error)
{
  static const guint contexts[] = { 128, 1024 };
  DescryLanguage *language;
  DescryLlama *model;
  g_autoptr (DescryLlamaSession) session = NULL;
  guint64 bytes, elements;
  guint i;

  language = descry_pipeline_language (bench->pipeline, NULL, error);
  model = language != NULL ? language->model : NULL;
  if (model == NULL || !count_weights (descry_pipeline_bundle (bench->pipeline), &bytes, &elements, error))
    return FALSE;
  session = descry_llama_session_new (model, contexts[1] + DECODE + 1, error);
  if (session == NULL || !time_prefill (bench, model, session, elements, bench->runs, error))
    return FALSE;
  for (i = 0; i < G_N_ELEMENTS (contexts); i++)
    if (!time_decode (bench, model, session, contexts[i], bytes, error))
      return FALSE;

  return TRUE;
}

/* A model that is not at hand, of random weights: what its size alone costs. */
gboolean
bench_language_shape (Bench      *bench,
                      const char *name,
                      GError    **error)
{
  const DescryLlamaShape *shape = descry_llama_shape (name);
  g_autoptr (DescryLlama) model = NULL;
  g_autoptr (DescryLlamaSession) session = NULL;
  guint64 bytes, elements;

  if (shape == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("--language-shape %s: 135m, 1b, 7b or 13b expected"), name);
      return FALSE;
    }
  model = descry_llama_new_random (bench->device, shape, DESCRY_GGML_Q4_0, &bytes, &elements, error);
  session = model != NULL ? descry_llama_session_new (model, PREFILL + 1, error) : NULL;

  return session != NULL && time_decode (bench, model, session, 128, bytes, error)
         && time_prefill (bench, model, session, elements, elements > LARGE ? 1 : bench->runs, error);
}
