/* command-stage.c - `descry stage`: one network on given tensors, for parity checks and debugging
 *
 * Tensors go by name in safetensors files. Pictures are [1, 3, H, W] there, as in PyTorch, and [1, h, w, 3] on the
 * device; this is the one place where one becomes the other.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/commands.h"

#include <string.h>

#include <glib/gi18n.h>

#include "compute/files/safetensors.h"
#include "compute/lyrics/connector.h"
#include "compute/lyrics/detections.h"
#include "compute/memory.h"
#include "compute/models/llama.h"

#define NANODET_IOU 0.6 /* of the suppression within a class (models/compact.md 4a) */

typedef struct
{
  DescryBundle            *bundle;
  DescryBundleFile        *file;
  DescryDevice            *device;
  DescryGguf              *gguf;
  DescryRun               *run;
  DescrySafetensors       *input;
  DescrySafetensorsWriter *output;
  float                    threshold;
} Stage;

static void
stage_clear (Stage *stage)
{
  g_clear_pointer (&stage->run, descry_run_free);
  g_clear_pointer (&stage->gguf, descry_gguf_free);
  g_clear_pointer (&stage->device, descry_device_free);
  g_clear_pointer (&stage->bundle, descry_bundle_free);
  g_clear_pointer (&stage->input, descry_safetensors_free);
  g_clear_pointer (&stage->output, descry_safetensors_writer_free);
}

/* Reads @tensor from the device into the output file under @name. */
static void
put (Stage        *stage,
     const char   *name,
     DescryTensor  tensor,
     guint         n_dims,
     const guint64 *dims)
{
  gsize count = descry_tensor_count (tensor);
  float *values;

  if (tensor.buffer == NULL || !descry_run_ok (stage->run))
    return;
  values = descry_try_alloc (count, sizeof (float));
  if (values == NULL)
    {
      descry_run_fail (stage->run, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %s", name);
      return;
    }
  descry_run_read (stage->run, tensor, values, count);
  if (descry_run_ok (stage->run))
    descry_safetensors_writer_add (stage->output, name, DESCRY_ST_F32, n_dims, dims, values);
  descry_free (values);
}

static void
put_as_is (Stage       *stage,
           const char  *name,
           DescryTensor tensor)
{
  guint64 dims[4];
  guint i;

  for (i = 0; i < tensor.n_dims; i++)
    dims[i] = tensor.shape[i];
  put (stage, name, tensor, tensor.n_dims, dims);
}

static void
tap_cb (DescryRun   *run,
        const char  *name,
        DescryTensor tensor,
        gpointer     data)
{
  g_autofree char *key = g_strconcat ("tap.", name, NULL);

  if (tensor.type == DESCRY_F32)
    put_as_is (data, key, tensor);
}

static const DescryStTensor *
want (Stage      *stage,
      const char *name,
      guint       n_dims,
      GError    **error)
{
  const DescryStTensor *found = descry_safetensors_find (stage->input, name);

  if (found == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("The input holds no tensor “%s”"), name);
  else if (found->n_dims != n_dims || found->count >= G_MAXINT32)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, _("“%s”: expected %u dimensions, found %u"), name, n_dims, found->n_dims);
      found = NULL;
    }

  return found;
}

/* [1, 3, H, W] from the file as [1, h, w, 3] on the device. */
static DescryTensor
take_pixels (Stage   *stage,
             GError **error)
{
  const DescryStTensor *found = want (stage, "pixels", 4, error);
  DescryTensor tensor = { 0 };
  float *planes, *pixels;
  gsize area, i;
  guint c;

  if (found == NULL)
    return tensor;
  if (found->dims[0] != 1 || found->dims[1] != 3)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, _("“pixels”: expected [1, 3, height, width], found [%u, %u, …]"), (guint) found->dims[0], (guint) found->dims[1]);
      return tensor;
    }

  planes = descry_safetensors_read_f32 (stage->input, "pixels", NULL, error);
  if (planes == NULL)
    return tensor;
  area = found->dims[2] * found->dims[3];
  pixels = descry_try_alloc (area, 3 * sizeof (float));
  if (pixels == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, _("No memory for the picture"));
  else
    {
      for (c = 0; c < 3; c++)
        for (i = 0; i < area; i++)
          pixels[i * 3 + c] = planes[c * area + i];
      tensor = descry_run_tensor4 (stage->run, 1, (guint) found->dims[2], (guint) found->dims[3], 3);
      descry_run_write (stage->run, tensor, pixels, area * 3);
    }
  descry_free (planes);
  descry_free (pixels);

  return tensor;
}

/* [n, width] from the file; with @optional an absent one gives an empty tensor. */
static DescryTensor
take_rows (Stage      *stage,
           const char *name,
           gboolean    optional,
           GError    **error)
{
  const DescryStTensor *found;
  DescryTensor tensor = { 0 };
  float *values;

  if (optional && descry_safetensors_find (stage->input, name) == NULL)
    return tensor;
  found = want (stage, name, 2, error);
  values = found != NULL ? descry_safetensors_read_f32 (stage->input, name, NULL, error) : NULL;
  if (values == NULL)
    return tensor;

  tensor = descry_run_tensor2 (stage->run, (guint) found->dims[0], (guint) found->dims[1]);
  descry_run_write (stage->run, tensor, values, found->count);
  descry_free (values);
  return tensor;
}

static gboolean
run_tagger (Stage   *stage,
            GError **error)
{
  g_autoptr (DescryEfficientNet) net = descry_efficientnet_new (stage->device, stage->gguf, error);
  DescryTensor pixels, features, pooled, logits;

  if (net == NULL)
    return FALSE;
  pixels = take_pixels (stage, error);
  if (pixels.buffer == NULL)
    return FALSE;

  descry_efficientnet_run (net, stage->run, pixels, &features, &pooled, &logits);
  put_as_is (stage, "logits", logits);
  put_as_is (stage, "features", features);
  put_as_is (stage, "pooled", pooled);
  return TRUE;
}

static gboolean
run_segmenter (Stage   *stage,
               GError **error)
{
  g_autoptr (DescryIsnet) net = descry_isnet_new (stage->device, stage->gguf, error);
  DescryTensor pixels, alpha;

  if (net == NULL)
    return FALSE;
  pixels = take_pixels (stage, error);
  if (pixels.buffer == NULL)
    return FALSE;

  descry_isnet_run (net, stage->run, pixels, &alpha);
  put (stage, "alpha", alpha, 4, (guint64[]) { 1, 1, pixels.shape[1], pixels.shape[2] });
  return TRUE;
}

/* Detections as rows: boxes in pixels of the input, the score in its class's column. */
static void
put_detections (Stage  *stage,
                GArray *detections)
{
  float *boxes, *scores;
  guint i;

  if (detections->len == 0)
    return;
  boxes = descry_try_alloc (detections->len, 4 * sizeof (float));
  scores = descry_try_alloc (detections->len, DESCRY_N_COCO * sizeof (float));
  if (boxes == NULL || scores == NULL)
    descry_run_fail (stage->run, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %u detections", detections->len);
  else
    {
      for (i = 0; i < detections->len; i++)
        {
          const DescryDetection *detection = &g_array_index (detections, DescryDetection, i);

          memcpy (boxes + 4 * i, &detection->box, 4 * sizeof (float));
          scores[(gsize) i * DESCRY_N_COCO + detection->class] = detection->score;
        }
      descry_safetensors_writer_add (stage->output, "boxes", DESCRY_ST_F32, 2, (guint64[]) { detections->len, 4 }, boxes);
      descry_safetensors_writer_add (stage->output, "scores", DESCRY_ST_F32, 2, (guint64[]) { detections->len, DESCRY_N_COCO }, scores);
    }
  descry_free (boxes);
  descry_free (scores);
}

/* A tensor on the host, or NULL after an error of the run. */
static float *
fetch (Stage       *stage,
       DescryTensor tensor)
{
  gsize count = descry_tensor_count (tensor);
  float *values = descry_run_ok (stage->run) ? descry_try_alloc (count, sizeof (float)) : NULL;

  if (values == NULL)
    descry_run_fail (stage->run, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for the detector's output");
  descry_run_read (stage->run, tensor, values, count);
  return values;
}

static gboolean
run_nanodet (Stage   *stage,
             GError **error)
{
  static const char *const class_names[] = { "classes_8", "classes_16", "classes_32" }, *const box_names[] = { "boxes_8", "boxes_16", "boxes_32" };
  g_autoptr (DescryNanodet) net = descry_nanodet_new (stage->device, stage->gguf, error);
  g_autoptr (GArray) detections = g_array_new (FALSE, FALSE, sizeof (DescryDetection));
  DescryTensor pixels, classes[3], boxes[3];
  DescryLetterbox identity;
  guint i;

  if (net == NULL)
    return FALSE;
  pixels = take_pixels (stage, error);
  if (pixels.buffer == NULL)
    return FALSE;

  identity = descry_letterbox (pixels.shape[2], pixels.shape[1], pixels.shape[1]);
  descry_nanodet_run (net, stage->run, pixels, classes, boxes);
  for (i = 0; i < 3; i++)
    {
      float *class_values = fetch (stage, classes[i]), *box_values = fetch (stage, boxes[i]);

      if (descry_run_ok (stage->run))
        descry_nanodet_decode (detections, class_values, box_values, 8u << i, &identity, stage->threshold);
      put_as_is (stage, class_names[i], classes[i]);
      put_as_is (stage, box_names[i], boxes[i]);
      descry_free (class_values);
      descry_free (box_values);
    }
  descry_detections_suppress (detections, NANODET_IOU);
  put_detections (stage, detections);
  return TRUE;
}

static gboolean
run_centernet (Stage   *stage,
               GError **error)
{
  g_autoptr (DescryCenternet) net = descry_centernet_new (stage->device, stage->gguf, error);
  g_autoptr (GArray) detections = g_array_new (FALSE, FALSE, sizeof (DescryDetection));
  DescryTensor pixels, classes, sizes;
  DescryLetterbox identity;
  float *class_values, *size_values;

  if (net == NULL)
    return FALSE;
  pixels = take_pixels (stage, error);
  if (pixels.buffer == NULL)
    return FALSE;

  identity = descry_letterbox (pixels.shape[2], pixels.shape[1], pixels.shape[1]);
  descry_centernet_run (net, stage->run, pixels, &classes, &sizes);
  class_values = fetch (stage, classes);
  size_values = fetch (stage, sizes);
  if (descry_run_ok (stage->run))
    descry_centernet_decode (detections, class_values, size_values, identity.size / 4, &identity, stage->threshold);
  put_as_is (stage, "classes", classes);
  put_as_is (stage, "sizes", sizes);
  put_detections (stage, detections);
  descry_free (class_values);
  descry_free (size_values);
  return TRUE;
}

static gboolean
run_detector (Stage   *stage,
              GError **error)
{
  const char *architecture = descry_gguf_get_string (stage->gguf, "general.architecture", error);

  if (architecture == NULL)
    return FALSE;
  if (strcmp (architecture, "nanodet") == 0)
    return run_nanodet (stage, error);
  if (strcmp (architecture, "centernet") == 0)
    return run_centernet (stage, error);

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, _("%s: “%s” is no detector this version knows"), stage->file->path, architecture);
  return FALSE;
}

static gboolean
run_encoder (Stage   *stage,
             GError **error)
{
  g_autoptr (DescryEncoder) encoder = descry_encoder_new (stage->device, stage->gguf, NULL, error);
  DescryTensor pixels;

  if (encoder == NULL)
    return FALSE;
  pixels = take_pixels (stage, error);
  if (pixels.buffer == NULL)
    return FALSE;

  put_as_is (stage, "tokens", descry_encoder_forward (encoder, stage->run, pixels));
  return TRUE;
}

/* The former's word table may be the language model's. */
static gboolean
share_words (Stage          *stage,
             DescryMqFormer *former,
             GError        **error)
{
  GPtrArray *slot = stage->bundle->slots[DESCRY_SLOT_LLM];
  g_autoptr (DescryGguf) llm = NULL;

  if (slot == NULL || slot->len == 0)
    return TRUE;
  llm = descry_gguf_open (((DescryBundleFile *) g_ptr_array_index (slot, 0))->path, error);

  return llm != NULL && descry_mq_former_share_words (former, llm, error);
}

static gboolean
run_connector (Stage   *stage,
               GError **error)
{
  g_autoptr (DescryMqFormer) former = descry_mq_former_new (stage->device, stage->gguf, error);
  g_autoptr (GError) failure = NULL;
  DescryTensor image, local, query_output, soft_tokens;
  guint64 n_text = 0;
  gint32 *text = NULL;

  if (former == NULL)
    return FALSE;
  image = take_rows (stage, "image_tokens", FALSE, &failure);
  local = failure == NULL ? take_rows (stage, "local_tokens", TRUE, &failure) : image;
  if (failure == NULL && descry_safetensors_find (stage->input, "input_ids") != NULL)
    text = share_words (stage, former, &failure) ? descry_safetensors_read_i32 (stage->input, "input_ids", &n_text, &failure) : NULL;
  if (failure != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }

  descry_mq_former_run (former, stage->run, image, local, text, (guint) n_text, &query_output, &soft_tokens);
  descry_free (text);
  put_as_is (stage, "query_output", query_output);
  put_as_is (stage, "soft_tokens", soft_tokens);

  /* The weights must outlive the work. */
  return descry_run_finish (stage->run, error);
}

/* Ids and rows of the prompt: without ids every place is a row's, as with ids of -1. */
static gint32 *
take_prompt (Stage   *stage,
             guint    width,
             guint   *n,
             float  **rows,
             GError **error)
{
  const DescryStTensor *ids = descry_safetensors_find (stage->input, "input_ids"), *embeds = descry_safetensors_find (stage->input, "inputs_embeds");
  guint64 count = 0, places = 0, i;
  gint32 *result;

  *rows = NULL;
  if (ids == NULL)
    embeds = want (stage, "inputs_embeds", 2, error);
  if (ids == NULL && embeds == NULL)
    return NULL;
  if (embeds != NULL && (embeds->n_dims != 2 || embeds->dims[1] != width))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, _("“inputs_embeds”: expected rows of %u numbers"), width);
      return NULL;
    }

  if (ids != NULL)
    result = descry_safetensors_read_i32 (stage->input, "input_ids", &count, error);
  else
    {
      count = embeds->dims[0];
      result = descry_try_alloc (count, sizeof (gint32));
      if (result == NULL)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, _("No memory for the prompt"));
      for (i = 0; result != NULL && i < count; i++)
        result[i] = -1;
    }
  if (result == NULL)
    return NULL;

  for (i = 0; i < count; i++)
    places += result[i] == -1;
  if (places != (embeds != NULL ? embeds->dims[0] : 0) || count == 0 || count > G_MAXINT32)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, _("“input_ids” has %u places for rows (-1), “inputs_embeds” has %u rows"), (guint) places,
                 embeds != NULL ? (guint) embeds->dims[0] : 0);
  else if (embeds == NULL || (*rows = descry_safetensors_read_f32 (stage->input, "inputs_embeds", NULL, error)) != NULL)
    {
      *n = (guint) count;
      return result;
    }

  descry_free (result);
  return NULL;
}

static gboolean
run_llm (Stage   *stage,
         GError **error)
{
  g_autoptr (DescryLlama) model = descry_llama_new (stage->device, stage->gguf, NULL, NULL, NULL, error);
  g_autoptr (DescryLlamaSession) session = NULL;
  float *rows = NULL, *logits = NULL;
  gint32 *ids;
  guint n = 0;
  gboolean ok = FALSE;

  if (model == NULL)
    return FALSE;
  ids = take_prompt (stage, descry_llama_width (model), &n, &rows, error);
  if (ids == NULL)
    return FALSE;

  session = descry_llama_session_new (model, n, error);
  if (session != NULL)
    {
      logits = descry_try_alloc ((gsize) n * descry_llama_vocabulary (model), sizeof (float));
      if (logits == NULL)
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, _("No memory for the logits of %u tokens"), n);
      else
        ok = descry_llama_logits (session, ids, n, rows, logits, error);
    }
  if (ok)
    descry_safetensors_writer_add (stage->output, "logits", DESCRY_ST_F32, 2, (guint64[]) { n, descry_llama_vocabulary (model) }, logits);
  descry_free (ids);
  descry_free (rows);
  descry_free (logits);

  return ok;
}

static const struct
{
  DescrySlot slot;
  gboolean (*run) (Stage *stage, GError **error);
} stages[] = {
  { DESCRY_SLOT_TAGGER, run_tagger },
  { DESCRY_SLOT_DETECTOR, run_detector },
  { DESCRY_SLOT_SEGMENTER, run_segmenter },
  { DESCRY_SLOT_ENCODER, run_encoder },
  { DESCRY_SLOT_CONNECTOR, run_connector },
  { DESCRY_SLOT_LLM, run_llm },
};

/* The file of the slot, or the one that was asked for by name. */
static DescryBundleFile *
choose_file (DescryBundle *bundle,
             DescrySlot    slot,
             const char   *name,
             GError      **error)
{
  GPtrArray *files = bundle->slots[slot];
  guint i;

  for (i = 0; files != NULL && i < files->len; i++)
    {
      DescryBundleFile *file = g_ptr_array_index (files, i);

      if (name == NULL || g_strcmp0 (file->file, name) == 0)
        return file;
    }

  if (name != NULL && files != NULL && files->len > 0)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("The slot “%s” of %s holds no file “%s”"), descry_slot_name (slot), bundle->name, name);
  else
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING, _("The slot “%s” of %s is empty: %s"), descry_slot_name (slot), bundle->name,
                 bundle->missing[slot] != NULL ? bundle->missing[slot] : _("no network is installed for it"));
  return NULL;
}

static gboolean
run_stage (Stage      *stage,
           guint       which,
           const char *file_name,
           const char *device,
           const char *output,
           gboolean    taps,
           GError    **error)
{
  g_autoptr (GError) failure = NULL;

  stage->file = choose_file (stage->bundle, stages[which].slot, file_name, error);
  if (stage->file == NULL)
    return FALSE;
  stage->gguf = descry_gguf_open (stage->file->path, error);
  if (stage->gguf == NULL)
    return FALSE;
  stage->device = descry_device_open (device, DESCRY_FAMILY_AUTO, error);
  if (stage->device == NULL)
    return FALSE;

  stage->run = descry_run_new (stage->device, NULL);
  stage->output = descry_safetensors_writer_new ();
  if (taps)
    descry_run_set_tap (stage->run, tap_cb, stage);

  if (!stages[which].run (stage, &failure))
    {
      /* What has no error of its own is the run's. */
      if (failure == NULL)
        descry_run_finish (stage->run, &failure);
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }

  return descry_run_finish (stage->run, error) && descry_safetensors_writer_write (stage->output, output, error);
}

int
descry_command_stage (int    argc,
                      char **argv)
{
  g_autofree char *bundle = NULL, *input = NULL, *output = NULL, *file = NULL, *device = NULL;
  gboolean taps = FALSE;
  double threshold = 0.3;
  const GOptionEntry entries[] = {
    { "bundle", 0, 0, G_OPTION_ARG_FILENAME, &bundle, N_("Name or folder of the bundle"), N_("BUNDLE") },
    { "input", 0, 0, G_OPTION_ARG_FILENAME, &input, N_("Tensors to read"), N_("FILE.safetensors") },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &output, N_("Where the results go"), N_("FILE.safetensors") },
    { "file", 0, 0, G_OPTION_ARG_FILENAME, &file, N_("Which of a slot's files, if it holds several"), N_("NAME") },
    { "taps", 0, 0, G_OPTION_ARG_NONE, &taps, N_("Write the named intermediates as well"), NULL },
    { "threshold", 0, 0, G_OPTION_ARG_DOUBLE, &threshold, N_("Lowest score of a detector's box (0.3)"), N_("SCORE") },
    { "device", 0, 0, G_OPTION_ARG_STRING, &device, N_("Index or part of the name of the OpenCL device"), N_("DEVICE") },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (_("STAGE — run one network on given tensors"));
  g_autoptr (GError) error = NULL;
  Stage stage = { 0 };
  gboolean done;
  guint i;

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, _("Stages: tagger, detector, segmenter, encoder, connector, llm. Tensors by name in safetensors files."));
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2 || input == NULL || output == NULL)
    {
      g_printerr ("descry: %s\n", error != NULL ? error->message : _("`descry stage NAME --input FILE --output FILE` needs all three; --help explains"));
      return DESCRY_EXIT_USAGE;
    }
  for (i = 0; i < G_N_ELEMENTS (stages); i++)
    if (strcmp (argv[1], descry_slot_name (stages[i].slot)) == 0)
      break;
  if (i == G_N_ELEMENTS (stages))
    {
      g_printerr (_("descry: There is no stage “%s”\n"), argv[1]);
      return DESCRY_EXIT_USAGE;
    }

  stage.threshold = (float) threshold;
  stage.bundle = descry_bundle_open (bundle, &error);
  if (stage.bundle != NULL)
    stage.input = descry_safetensors_open (input, &error);
  done = stage.input != NULL && run_stage (&stage, i, file, device, output, taps, &error);
  stage_clear (&stage);
  if (!done)
    g_printerr ("descry: %s\n", error->message);

  return done ? DESCRY_EXIT_DONE : DESCRY_EXIT_FAILED;
}
