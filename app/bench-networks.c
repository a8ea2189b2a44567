/* bench-networks.c - the picture networks' times
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/bench.h"

#include <string.h>

#include <glib/gi18n.h>

#include "compute/lyrics/crops.h"
#include "compute/memory.h"

/* One network at one input size. Multiply-adds: models/compact.md 2, 4a, 4b, 5. */
typedef struct Network
{
  const char *stage, *title;
  guint       side;
  double      gmac;
  gboolean  (*prepare) (Bench *bench, gpointer *net, GError **error);
  void      (*run) (gpointer net, DescryRun *run, DescryTensor pixels);
} Network;

static gboolean
prepare_tagger (Bench    *bench,
                gpointer *net,
                GError  **error)
{
  return (*net = descry_pipeline_tagger (bench->pipeline, NULL, error)) != NULL;
}

static void
run_tagger (gpointer     net,
            DescryRun   *run,
            DescryTensor pixels)
{
  DescryTensor features, pooled, logits;

  descry_efficientnet_run (net, run, pixels, &features, &pooled, &logits);
  descry_run_release (run, &features);
  descry_run_release (run, &pooled);
  descry_run_release (run, &logits);
}

static gboolean
prepare_nanodet (Bench    *bench,
                 gpointer *net,
                 GError  **error)
{
  DescryNanodet *nanodet = NULL;
  DescryCenternet *centernet = NULL;

  if (!descry_pipeline_detectors (bench->pipeline, &nanodet, &centernet, NULL, error))
    return FALSE;
  if (nanodet == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING, _("The bundle has no NanoDet"));
  *net = nanodet;
  return nanodet != NULL;
}

static void
run_nanodet (gpointer     net,
             DescryRun   *run,
             DescryTensor pixels)
{
  DescryTensor classes[3], boxes[3];
  guint i;

  descry_nanodet_run (net, run, pixels, classes, boxes);
  for (i = 0; i < 3; i++)
    {
      descry_run_release (run, &classes[i]);
      descry_run_release (run, &boxes[i]);
    }
}

static gboolean
prepare_centernet (Bench    *bench,
                   gpointer *net,
                   GError  **error)
{
  DescryNanodet *nanodet = NULL;
  DescryCenternet *centernet = NULL;

  if (!descry_pipeline_detectors (bench->pipeline, &nanodet, &centernet, NULL, error))
    return FALSE;
  if (centernet == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING, _("The bundle has no CenterNet"));
  *net = centernet;
  return centernet != NULL;
}

static void
run_centernet (gpointer     net,
               DescryRun   *run,
               DescryTensor pixels)
{
  DescryTensor classes, sizes;

  descry_centernet_run (net, run, pixels, &classes, &sizes);
  descry_run_release (run, &classes);
  descry_run_release (run, &sizes);
}

static gboolean
prepare_isnet (Bench    *bench,
               gpointer *net,
               GError  **error)
{
  return (*net = descry_pipeline_segmenter (bench->pipeline, NULL, error)) != NULL;
}

static void
run_isnet (gpointer     net,
           DescryRun   *run,
           DescryTensor pixels)
{
  DescryTensor alpha;

  descry_isnet_run (net, run, pixels, &alpha);
  descry_run_release (run, &alpha);
}

static const Network networks[] = {
  { "tagger", "EfficientNet-Lite0", DESCRY_TAGGER_SIDE, 0.385, prepare_tagger, run_tagger },
  { "detector", "NanoDet-g", DESCRY_NANODET_SIDE, 2.09, prepare_nanodet, run_nanodet },
  { "detector", "CenterNet MobileNetV3", DESCRY_CENTERNET_SIDE, 1.30, prepare_centernet, run_centernet },
  { "segmenter", "IS-Net", DESCRY_ISNET_SIDE, 39.8, prepare_isnet, run_isnet },
  { "segmenter", "IS-Net", 2 * DESCRY_ISNET_SIDE, 4 * 39.8, prepare_isnet, run_isnet },
};

/* Numbers like a normalised picture's; the time does not depend on them, denormals excepted. */
static DescryTensor
upload_noise (DescryRun *run,
              guint      side)
{
  const gsize n = (gsize) side * side * 3;
  DescryTensor pixels = descry_run_tensor4 (run, 1, side, side, 3);
  float *values = descry_try_alloc (n, sizeof (float));
  guint32 state = 1;
  gsize i;

  if (values == NULL)
    {
      descry_run_fail (run, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for the input");
      return pixels;
    }
  for (i = 0; i < n; i++)
    {
      state = state * 1664525u + 1013904223u;
      values[i] = (float) (state >> 8) / 8388608.0f - 1.0f;
    }
  descry_run_write (run, pixels, values, n);
  descry_free (values);
  return pixels;
}

static gboolean
time_network (Bench         *bench,
              const Network *network,
              GError       **error)
{
  const DescryDeviceStats before = *descry_device_stats (bench->device);
  g_autoptr (DescryRun) run = NULL;
  g_autofree char *shape = g_strdup_printf ("%s %u×%u", network->title, network->side, network->side), *provider = NULL;
  g_autofree double *times = g_new0 (double, bench->runs);
  DescryTensor pixels;
  gpointer net;
  guint i;

  if (!network->prepare (bench, &net, error))
    return FALSE;

  run = descry_run_new (bench->device, NULL);
  pixels = upload_noise (run, network->side);
  for (i = 0; i <= bench->runs; i++) /* the first one compiles for these sizes */
    {
      gint64 begin = g_get_monotonic_time ();

      network->run (net, run, pixels);
      if (!descry_run_finish (run, error))
        return FALSE;
      if (i > 0)
        times[i - 1] = (g_get_monotonic_time () - begin) / 1000.0;
    }

  provider = bench_provider (bench, &before);
  bench_report (bench,
                &(BenchLine) { .stage = network->stage, .what = "network", .shape = shape, .unit = "ms", .kind = WORK_GFLOP, .work = 2.0 * network->gmac, .provider = provider },
                times, bench->runs);
  return TRUE;
}

/* Picture to tokens: resizing, network and the way back. */
static gboolean
time_encoder (Bench   *bench,
              GError **error)
{
  const DescryDeviceStats before = *descry_device_stats (bench->device);
  DescryBundle *bundle = descry_pipeline_bundle (bench->pipeline);
  g_autoptr (DescryImage) image = bench_draw (1280, 960, error);
  g_autoptr (DescryGguf) gguf = NULL;
  g_autoptr (DescryEncoder) encoder = NULL;
  g_autofree double *times = g_new0 (double, bench->runs);
  g_autofree char *provider = NULL;
  guint i;

  if (image == NULL || !descry_pipeline_has (bench->pipeline, DESCRY_SLOT_ENCODER, error))
    return FALSE;
  gguf = descry_gguf_open (((DescryBundleFile *) g_ptr_array_index (bundle->slots[DESCRY_SLOT_ENCODER], 0))->path, error);
  encoder = gguf != NULL ? descry_encoder_new (bench->device, gguf, NULL, error) : NULL;
  if (encoder == NULL)
    return FALSE;

  for (i = 0; i <= bench->runs; i++)
    {
      gint64 begin = g_get_monotonic_time ();
      g_autoptr (DescryTokens) tokens = descry_encoder_run (encoder, image, NULL, error);

      if (tokens == NULL)
        return FALSE;
      if (i > 0)
        times[i - 1] = (g_get_monotonic_time () - begin) / 1000.0;
    }

  provider = bench_provider (bench, &before);
  bench_report (bench,
                &(BenchLine) { .stage = "encoder", .what = "network", .shape = "1280×960 picture to tokens", .unit = "ms", .kind = WORK_GFLOP, .work = 2.0 * 0.385, .provider = provider },
                times, bench->runs);
  return TRUE;
}

/* FALSE without @error when the slot is empty: the reason is told, nothing is measured. */
static gboolean
time_connector (Bench   *bench,
                GError **error)
{
  const DescryDeviceStats before = *descry_device_stats (bench->device);
  g_autoptr (DescryImage) image = bench_draw (640, 480, error);
  g_autoptr (DescryScene) scene = descry_scene_new (640, 480);
  g_autofree double *times = g_new0 (double, bench->runs);
  g_autofree char *provider = NULL;
  guint i;

  if (image == NULL)
    return FALSE;
  for (i = 0; i < 8; i++)
    {
      DescryObject *object = g_new0 (DescryObject, 1);

      object->id = i + 1;
      object->name = g_strdup ("object");
      object->score = 1.0f;
      object->box = (DescryBox) { 70.0f * i, 100.0f, 70.0f * i + 60.0f, 300.0f };
      g_ptr_array_add (scene->objects, object);
    }

  for (i = 0; i <= bench->runs; i++)
    {
      gint64 begin = g_get_monotonic_time ();
      g_autofree char *reason = NULL;
      g_autoptr (GError) failure = NULL;
      g_autoptr (DescrySoftTokens) tokens = descry_pipeline_soft_tokens (bench->pipeline, image, scene, 0.5f, NULL, 0, &reason, NULL, &failure);

      if (failure != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      if (tokens == NULL)
        {
          g_printerr (_("connector: %s\n"), reason);
          return TRUE;
        }
      if (i > 0)
        times[i - 1] = (g_get_monotonic_time () - begin) / 1000.0;
    }

  provider = bench_provider (bench, &before);
  bench_report (bench, &(BenchLine) { .stage = "connector", .what = "network", .shape = "8 objects", .unit = "ms", .provider = provider }, times, bench->runs);
  return TRUE;
}

gboolean
bench_networks (Bench      *bench,
                const char *only,
                GError    **error)
{
  static const struct { const char *stage; gboolean (*time) (Bench *, GError **); } others[] = { { "encoder", time_encoder }, { "connector", time_connector } };
  gboolean ok = TRUE;
  guint i;

  /* An empty slot is told and passed over, unless it was asked for by name. */
  for (i = 0; i < G_N_ELEMENTS (networks) + G_N_ELEMENTS (others) && ok; i++)
    {
      const gboolean network = i < G_N_ELEMENTS (networks);
      const char *stage = network ? networks[i].stage : others[i - G_N_ELEMENTS (networks)].stage;
      g_autoptr (GError) failure = NULL;

      if (only != NULL && strcmp (only, stage) != 0)
        continue;
      if (network ? time_network (bench, &networks[i], &failure) : others[i - G_N_ELEMENTS (networks)].time (bench, &failure))
        continue;
      if (only == NULL && g_error_matches (failure, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING))
        g_printerr ("%s: %s\n", stage, failure->message);
      else
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          ok = FALSE;
        }
    }

  return ok;
}
