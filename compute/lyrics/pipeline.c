/* pipeline.c - a bundle's networks on a device, loaded when first used and kept
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-pipeline"

#include "config.h"

#include "compute/lyrics/pipeline.h"

#include <string.h>

#include "compute/models/llama-adapter.h"

struct _DescryPipeline
{
  DescryDevice   *device; /* not owned */
  DescryDevice   *language_device; /* the language model's own, or NULL; not owned */
  DescryBundle   *bundle;
  DescryStageFunc func;
  gpointer        data;

  /* NULL until first used. */
  DescryEfficientNet *tagger;
  DescryNanodet      *nanodet;
  DescryCenternet    *centernet;
  DescryIsnet        *segmenter;
  DescryEncoder      *encoder;
  DescryConnector    *connector;
  char               *connector_reason; /* why there is none; asked once */
  DescryLanguage      language;
  DescryGguf         *language_file; /* prepared, not loaded yet; or NULL */
  gboolean            no_adapter;

  /* Of the picture asked about last. */
  DescryImage  *image;
  DescryTokens *image_tokens;
};

DescryPipeline *
descry_pipeline_new (DescryDevice   *device,
                     DescryBundle   *bundle,
                     DescryStageFunc func,
                     gpointer        data)
{
  DescryPipeline *pipeline = g_new0 (DescryPipeline, 1);

  pipeline->device = device;
  pipeline->bundle = bundle;
  pipeline->func = func;
  pipeline->data = data;

  return pipeline;
}

void
descry_pipeline_set_device (DescryPipeline *pipeline,
                            DescryDevice   *device)
{
  pipeline->device = device;
}

static void
unload_language (DescryPipeline *pipeline)
{
  g_clear_pointer (&pipeline->language.session, descry_llama_session_free);
  g_clear_pointer (&pipeline->language.model, descry_llama_free);
  g_clear_pointer (&pipeline->language.tokenizer, descry_tokenizer_free);
  g_clear_pointer (&pipeline->language_file, descry_gguf_free);
}

void
descry_pipeline_unload (DescryPipeline *pipeline)
{
  unload_language (pipeline);
  g_clear_pointer (&pipeline->image_tokens, descry_tokens_unref);
  g_clear_pointer (&pipeline->image, descry_image_unref);
  g_clear_pointer (&pipeline->connector, descry_connector_free);
  g_clear_pointer (&pipeline->encoder, descry_encoder_free);
  g_clear_pointer (&pipeline->segmenter, descry_isnet_free);
  g_clear_pointer (&pipeline->centernet, descry_centernet_free);
  g_clear_pointer (&pipeline->nanodet, descry_nanodet_free);
  g_clear_pointer (&pipeline->tagger, descry_efficientnet_free);
  if (pipeline->device != NULL)
    descry_device_trim (pipeline->device);
  if (pipeline->language_device != NULL)
    descry_device_trim (pipeline->language_device);
}

gboolean
descry_pipeline_is_loaded (DescryPipeline *pipeline)
{
  return pipeline->language.model != NULL || pipeline->connector != NULL || pipeline->encoder != NULL || pipeline->segmenter != NULL
         || pipeline->centernet != NULL || pipeline->nanodet != NULL || pipeline->tagger != NULL;
}

void
descry_pipeline_free (DescryPipeline *pipeline)
{
  if (pipeline == NULL)
    return;

  descry_pipeline_unload (pipeline);
  g_clear_pointer (&pipeline->connector_reason, g_free);
  g_clear_pointer (&pipeline->bundle, descry_bundle_free);
  g_free (pipeline);
}

DescryDevice *
descry_pipeline_device (DescryPipeline *pipeline)
{
  return pipeline->device;
}

DescryBundle *
descry_pipeline_bundle (DescryPipeline *pipeline)
{
  return pipeline->bundle;
}

void
descry_pipeline_stage (DescryPipeline *pipeline,
                       const char     *stage,
                       double          fraction,
                       const char     *detail)
{
  if (pipeline->func != NULL)
    pipeline->func (stage, fraction, detail, pipeline->data);
}

gboolean
descry_pipeline_has (DescryPipeline *pipeline,
                     DescrySlot      slot,
                     GError        **error)
{
  if (pipeline->bundle->missing[slot] == NULL)
    return TRUE;

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING, "the %s of bundle \"%s\" is missing: %s",
               descry_slot_name (slot), pipeline->bundle->name, pipeline->bundle->missing[slot]);
  return FALSE;
}

/* The file of @slot whose architecture is @architecture (NULL: any), checked and opened. Without
 * such a file: NULL and no error when @optional. */
static DescryGguf *
find_file (DescryPipeline *pipeline,
           DescrySlot      slot,
           const char     *architecture,
           gboolean        optional,
           GCancellable   *cancellable,
           GError        **error)
{
  GPtrArray *files = pipeline->bundle->slots[slot];
  guint i;

  if (!descry_pipeline_has (pipeline, slot, error))
    return NULL;

  for (i = 0; i < files->len; i++)
    {
      DescryBundleFile *file = g_ptr_array_index (files, i);
      g_autoptr (DescryGguf) gguf = NULL;
      const char *found;

      descry_pipeline_stage (pipeline, "load", -1.0, file->title);
      if (!descry_bundle_verify (pipeline->bundle, file, cancellable, error))
        return NULL;
      gguf = descry_gguf_open (file->path, error);
      if (gguf == NULL)
        return NULL;
      found = descry_gguf_get_string (gguf, "general.architecture", error);
      if (found == NULL)
        return NULL;
      if (descry_adapter_is (gguf))
        continue; /* belongs to another file of the slot */
      if (architecture == NULL || strcmp (found, architecture) == 0)
        return g_steal_pointer (&gguf);
      if (files->len == 1 && !optional)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: expected the architecture %s for slot \"%s\", found %s",
                       file->path, architecture, descry_slot_name (slot), found);
          return NULL;
        }
    }

  if (!optional && architecture == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING, "slot \"%s\" has only adapters, no network", descry_slot_name (slot));
  else if (!optional)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "no file of slot \"%s\" has the architecture %s",
                 descry_slot_name (slot), architecture);
  return NULL;
}

/* A damaged or foreign file empties its slot: this job fails and says so, later ones do without. */
static void
note_problem (DescryPipeline *pipeline,
              DescrySlot      slot,
              const GError   *problem)
{
  if (pipeline->bundle->missing[slot] == NULL
      && (g_error_matches (problem, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD) || g_error_matches (problem, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING)))
    pipeline->bundle->missing[slot] = g_strdup (problem->message);
}

static DescryGguf *
open_file (DescryPipeline *pipeline,
           DescrySlot      slot,
           const char     *architecture,
           gboolean        optional,
           GCancellable   *cancellable,
           GError        **error)
{
  GError *problem = NULL;
  DescryGguf *gguf = find_file (pipeline, slot, architecture, optional, cancellable, &problem);

  if (problem != NULL)
    {
      note_problem (pipeline, slot, problem);
      g_propagate_error (error, problem);
    }

  return gguf;
}

/* Hands on what a network's constructor says. */
static void
take_problem (DescryPipeline *pipeline,
              DescrySlot      slot,
              GError         *problem,
              GError        **error)
{
  if (problem == NULL)
    return;
  note_problem (pipeline, slot, problem);
  g_propagate_error (error, problem);
}

DescryEfficientNet *
descry_pipeline_tagger (DescryPipeline *pipeline,
                        GCancellable   *cancellable,
                        GError        **error)
{
  if (pipeline->tagger == NULL)
    {
      g_autoptr (DescryGguf) gguf = open_file (pipeline, DESCRY_SLOT_TAGGER, "efficientnet-lite", FALSE, cancellable, error);
      GError *problem = NULL;

      if (gguf != NULL)
        pipeline->tagger = descry_efficientnet_new (pipeline->device, gguf, &problem);
      take_problem (pipeline, DESCRY_SLOT_TAGGER, problem, error);
    }

  return pipeline->tagger;
}

gboolean
descry_pipeline_detectors (DescryPipeline   *pipeline,
                           DescryNanodet   **nanodet,
                           DescryCenternet **centernet,
                           GCancellable     *cancellable,
                           GError          **error)
{
  GError *problem = NULL;

  if (pipeline->nanodet == NULL && pipeline->centernet == NULL)
    {
      g_autoptr (DescryGguf) first = open_file (pipeline, DESCRY_SLOT_DETECTOR, "nanodet", TRUE, cancellable, &problem);
      g_autoptr (DescryGguf) second = NULL;

      if (problem == NULL)
        second = open_file (pipeline, DESCRY_SLOT_DETECTOR, "centernet", TRUE, cancellable, &problem);
      if (problem == NULL && first == NULL && second == NULL)
        g_set_error (&problem, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "no file of slot \"detector\" has the architecture nanodet or centernet");
      if (problem == NULL && first != NULL)
        pipeline->nanodet = descry_nanodet_new (pipeline->device, first, &problem);
      if (problem == NULL && second != NULL)
        pipeline->centernet = descry_centernet_new (pipeline->device, second, &problem);
      if (problem != NULL)
        {
          g_clear_pointer (&pipeline->nanodet, descry_nanodet_free);
          take_problem (pipeline, DESCRY_SLOT_DETECTOR, problem, error);
          return FALSE;
        }
    }

  *nanodet = pipeline->nanodet;
  *centernet = pipeline->centernet;
  return TRUE;
}

DescryIsnet *
descry_pipeline_segmenter (DescryPipeline *pipeline,
                           GCancellable   *cancellable,
                           GError        **error)
{
  if (pipeline->segmenter == NULL)
    {
      g_autoptr (DescryGguf) gguf = open_file (pipeline, DESCRY_SLOT_SEGMENTER, "isnet", FALSE, cancellable, error);
      GError *problem = NULL;

      if (gguf != NULL)
        pipeline->segmenter = descry_isnet_new (pipeline->device, gguf, &problem);
      take_problem (pipeline, DESCRY_SLOT_SEGMENTER, problem, error);
    }

  return pipeline->segmenter;
}

static void
load_progress_cb (double   fraction,
                  gpointer data)
{
  DescryPipeline *pipeline = data;
  const DescryBundleFile *file = g_ptr_array_index (pipeline->bundle->slots[DESCRY_SLOT_LLM], 0);

  descry_pipeline_stage (pipeline, "load", fraction, file->title);
}

/* The adapters beside the language model, or NULL; the first that fits its architecture. */
static DescryGguf *
find_adapter (DescryPipeline *pipeline,
              DescryGguf     *model,
              GCancellable   *cancellable,
              GError        **error)
{
  GPtrArray *files = pipeline->bundle->slots[DESCRY_SLOT_LLM];
  const char *architecture = descry_gguf_get_string (model, "general.architecture", error);
  guint i;

  if (architecture == NULL || pipeline->no_adapter)
    return NULL;

  for (i = 0; i < files->len; i++)
    {
      DescryBundleFile *file = g_ptr_array_index (files, i);
      g_autoptr (DescryGguf) gguf = NULL;
      const char *found;

      if (!file->present || g_strcmp0 (file->path, descry_gguf_path (model)) == 0)
        continue;
      if (!descry_bundle_verify (pipeline->bundle, file, cancellable, error) || (gguf = descry_gguf_open (file->path, error)) == NULL
          || (found = descry_gguf_get_string (gguf, "general.architecture", error)) == NULL)
        return NULL;
      if (descry_adapter_is (gguf) && strcmp (found, architecture) == 0)
        return g_steal_pointer (&gguf);
    }

  return NULL;
}

void
descry_pipeline_set_language_device (DescryPipeline *pipeline,
                                     DescryDevice   *device)
{
  g_return_if_fail (pipeline->language.model == NULL);

  pipeline->language_device = device;
}

void
descry_pipeline_set_adapter (DescryPipeline *pipeline,
                             gboolean        use)
{
  if (pipeline->no_adapter == !use)
    return;

  pipeline->no_adapter = !use;
  /* Merged or not is decided when the model is loaded. */
  unload_language (pipeline);
}

void
descry_pipeline_prepare_language (DescryPipeline *pipeline,
                                  GCancellable   *cancellable)
{
  g_autoptr (GError) error = NULL;

  if (pipeline->language.session != NULL || pipeline->language_file != NULL)
    return;

  pipeline->language_file = find_file (pipeline, DESCRY_SLOT_LLM, NULL, FALSE, cancellable, &error);
  if (pipeline->language_file != NULL)
    pipeline->language.tokenizer = descry_tokenizer_new (pipeline->language_file, &error);
  if (error != NULL)
    {
      g_debug ("prepared in vain: %s", error->message);
      unload_language (pipeline);
    }
}

DescryLanguage *
descry_pipeline_language (DescryPipeline *pipeline,
                          GCancellable   *cancellable,
                          GError        **error)
{
  DescryLanguage *language = &pipeline->language;

  if (language->session == NULL)
    {
      g_autoptr (DescryGguf) gguf = g_steal_pointer (&pipeline->language_file);
      g_autoptr (DescryGguf) adapter = NULL;
      GError *problem = NULL;

      if (gguf == NULL)
        gguf = open_file (pipeline, DESCRY_SLOT_LLM, NULL, FALSE, cancellable, error);
      if (gguf == NULL)
        return NULL;
      if (language->tokenizer == NULL)
        language->tokenizer = descry_tokenizer_new (gguf, &problem);
      if (language->tokenizer != NULL)
        adapter = find_adapter (pipeline, gguf, cancellable, &problem);
      if (problem == NULL)
        language->model = descry_llama_new_adapted (pipeline->language_device != NULL ? pipeline->language_device : pipeline->device, gguf, adapter, cancellable, load_progress_cb, pipeline, &problem);
      language->grounded = adapter != NULL;
      if (language->model != NULL)
        {
          language->format = descry_chat_format (gguf, language->tokenizer);
          language->context = MIN (descry_llama_context (language->model), DESCRY_PIPELINE_CONTEXT);
          language->session = descry_llama_session_new (language->model, language->context, &problem);
        }
      if (language->session == NULL)
        {
          take_problem (pipeline, DESCRY_SLOT_LLM, problem, error);
          g_clear_pointer (&language->model, descry_llama_free);
          g_clear_pointer (&language->tokenizer, descry_tokenizer_free);
          return NULL;
        }
    }

  return language;
}

/* Encoder and connector; FALSE: error, or none (@reason). */
static gboolean
open_connector (DescryPipeline *pipeline,
                GCancellable   *cancellable,
                GError        **error)
{
  DescryEfficientNet *shared = NULL;
  GError *problem = NULL;
  DescrySlot slot = DESCRY_SLOT_CONNECTOR;

  if (pipeline->connector != NULL && pipeline->encoder != NULL)
    return TRUE;
  if (pipeline->connector_reason != NULL)
    return FALSE;

  if (pipeline->connector == NULL)
    {
      g_autoptr (DescryGguf) llm = NULL;

      if (descry_pipeline_has (pipeline, DESCRY_SLOT_CONNECTOR, NULL))
        llm = open_file (pipeline, DESCRY_SLOT_LLM, NULL, FALSE, cancellable, &problem);
      if (problem == NULL)
        pipeline->connector = descry_connector_open (pipeline->device, pipeline->bundle, llm,
                                                     pipeline->language.model != NULL ? descry_llama_width (pipeline->language.model) : 0,
                                                     &pipeline->connector_reason, &problem);
    }
  if (pipeline->connector != NULL && problem == NULL)
    {
      g_autoptr (DescryGguf) gguf = NULL;

      slot = DESCRY_SLOT_ENCODER;
      if (!descry_pipeline_has (pipeline, slot, &problem))
        {
          pipeline->connector_reason = g_strdup (problem->message);
          g_clear_error (&problem);
          return FALSE;
        }
      gguf = open_file (pipeline, slot, NULL, FALSE, cancellable, &problem);
      if (gguf != NULL && descry_encoder_is_tagger (pipeline->bundle))
        shared = descry_pipeline_tagger (pipeline, cancellable, &problem);
      if (gguf != NULL && problem == NULL)
        pipeline->encoder = descry_encoder_new (pipeline->device, gguf, shared, &problem);
    }
  take_problem (pipeline, slot, problem, error);
  /* For the status: there is a file, but it is of no use. */
  if (pipeline->connector_reason != NULL && pipeline->bundle->missing[DESCRY_SLOT_CONNECTOR] == NULL)
    pipeline->bundle->missing[DESCRY_SLOT_CONNECTOR] = g_strdup (pipeline->connector_reason);

  return pipeline->connector != NULL && pipeline->encoder != NULL;
}

DescrySoftTokens *
descry_pipeline_soft_tokens (DescryPipeline *pipeline,
                             DescryImage    *image,
                             DescryScene    *scene,
                             float           threshold,
                             const guint    *pointed,
                             guint           n_pointed,
                             char          **reason,
                             GCancellable   *cancellable,
                             GError        **error)
{
  if (!open_connector (pipeline, cancellable, error))
    {
      *reason = g_strdup (pipeline->connector_reason);
      return NULL;
    }

  if (pipeline->image != image || pipeline->image_tokens == NULL)
    {
      descry_pipeline_stage (pipeline, "encoder", -1.0, NULL);
      g_clear_pointer (&pipeline->image_tokens, descry_tokens_unref);
      g_clear_pointer (&pipeline->image, descry_image_unref);
      pipeline->image_tokens = descry_encoder_run (pipeline->encoder, image, cancellable, error);
      if (pipeline->image_tokens == NULL)
        return NULL;
      pipeline->image = descry_image_ref (image);
    }

  descry_pipeline_stage (pipeline, "connector", -1.0, NULL);
  return descry_connector_run (pipeline->connector, pipeline->image_tokens, scene, threshold, pointed, n_pointed, cancellable, error);
}
