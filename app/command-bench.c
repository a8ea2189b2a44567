/* command-bench.c - `descry bench`: this machine's ceilings, then every stage against them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/commands.h"

#include <stdlib.h>
#include <string.h>

#include <glib/gi18n.h>
#include <jansson.h>

#include "app/bench.h"
#include "compute/device/ceiling.h"
#include "compute/ops/provider.h"
#include "compute/memory.h"
#include "compute/ops/gemm.h"

#define MIN_RUNS 5
#define GEMM_SIDE 1024

static double
load_average (void)
{
  double load = 0.0;

  return getloadavg (&load, 1) == 1 ? load : -1.0;
}

char *
bench_provider (Bench                   *bench,
                const DescryDeviceStats *before)
{
  const DescryDeviceStats *now = descry_device_stats (bench->device);
  const char *own = descry_device_family (bench->device) == DESCRY_FAMILY_CPU ? "own-cpu" : "own-gpu";

  if (now->native_launches == before->native_launches)
    return g_strdup (own);

  return g_strdup_printf (now->launches != before->launches ? "onednn + %s" : "onednn", own);
}

static void
print_json (Bench           *bench,
            const BenchLine *line,
            const double    *runs,
            guint            n,
            double           value,
            double           rate,
            double           ceiling)
{
  json_t *json = json_pack ("{s:i, s:s, s:s, s:s, s:s, s:f}", "descry", 1, "stage", line->stage, "what", line->what, "shape", line->shape, "unit", line->unit, "value", value);
  json_t *list = json_array ();
  g_autofree char *text = NULL;
  guint i;

  for (i = 0; i < n; i++)
    json_array_append_new (list, json_real (runs[i]));
  json_object_set_new (json, "runs", list);
  if (line->kind != WORK_NONE)
    {
      json_object_set_new (json, "rate", json_real (rate));
      json_object_set_new (json, "rate_unit", json_string (line->kind == WORK_GFLOP ? "GFLOP/s" : "GB/s"));
      json_object_set_new (json, "ceiling", json_real (ceiling));
      json_object_set_new (json, "ratio", json_real (ceiling > 0.0 ? rate / ceiling : 0.0));
    }
  else
    json_object_set_new (json, "ceiling", json_null ());
  json_object_set_new (json, "provider", line->provider != NULL ? json_string (line->provider) : json_null ());
  json_object_set_new (json, "processor", json_string (bench->processor));
  json_object_set_new (json, "load", json_real (load_average ()));

  text = json_dumps (json, JSON_COMPACT | JSON_REAL_PRECISION (6));
  g_print ("%s\n", text);
  json_decref (json);
}

double
bench_report (Bench           *bench,
              const BenchLine *line,
              const double    *runs,
              guint            n)
{
  g_autofree double *sorted = g_memdup2 (runs, n * sizeof *runs);
  const double median = descry_median (sorted, n), value = line->best ? sorted[n - 1] : median;
  const double ceiling = line->kind == WORK_GFLOP ? bench->gemm_ceiling : line->kind == WORK_GB ? bench->read_ceiling
                                                                                                 : 0.0;
  /* Times are divided into the work, speeds are multiplied with it. */
  const double rate = line->kind == WORK_NONE ? 0.0 : strcmp (line->unit, "ms") == 0 ? line->work * 1000.0 / value
                                                                                     : line->work * value;

  if (bench->json)
    print_json (bench, line, runs, n, value, rate, ceiling);
  else
    {
      g_autofree char *ratio = line->kind != WORK_NONE && ceiling > 0.0
                                 ? g_strdup_printf ("%8.1f %-7s %5.2f", rate, line->kind == WORK_GFLOP ? "GFLOP/s" : "GB/s", rate / ceiling)
                                 : g_strdup ("");

      g_print ("%-10s %-9s %-34s %9.2f %-7s %-24s %s\n", line->stage, line->what, line->shape, value, line->unit, ratio, line->provider != NULL ? line->provider : "");
    }

  return value;
}

/* The own f32 kernel on a product of the size that the networks' larger ones have. */
static gboolean
measure_products (Bench   *bench,
                  GError **error)
{
  g_autoptr (DescryRun) run = descry_run_new (bench->device, NULL);
  g_autoptr (DescryWeight) weight = NULL;
  g_autofree double *rates = g_new0 (double, bench->runs);
  const gsize n = (gsize) GEMM_SIDE * GEMM_SIDE;
  DescryTensor a = descry_run_tensor2 (run, GEMM_SIDE, GEMM_SIDE), c = descry_run_tensor2 (run, GEMM_SIDE, GEMM_SIDE);
  float *values = descry_try_alloc (n, sizeof (float));
  gsize i;

  if (values == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, _("No memory to measure a product"));
      return FALSE;
    }
  for (i = 0; i < n; i++)
    values[i] = (float) (i % 17) / 17.0f - 0.5f;
  weight = descry_weight_new (bench->device, "bench", DESCRY_GGML_F32, GEMM_SIDE, GEMM_SIDE, values, error);
  descry_run_write (run, a, values, n);
  descry_free (values);
  if (weight == NULL)
    return FALSE;

  descry_gemm_force (bench->device, DESCRY_GEMM_OWN);
  for (i = 0; i <= bench->runs; i++)
    {
      gint64 begin = g_get_monotonic_time ();

      op_gemm (run, c, a, weight, NULL);
      if (!descry_run_finish (run, error))
        break;
      if (i > 0)
        rates[i - 1] = 2e-3 * GEMM_SIDE * GEMM_SIDE * GEMM_SIDE / MAX (g_get_monotonic_time () - begin, 1);
    }
  descry_gemm_force (bench->device, DESCRY_GEMM_AUTO);
  if (!descry_run_ok (run))
    return FALSE;

  bench->gemm_ceiling = bench_report (bench,
                                      &(BenchLine) { .stage = "ceiling", .what = "product", .shape = "f32 1024×1024×1024", .unit = "GFLOP/s", .best = TRUE,
                                                     .provider = descry_device_family (bench->device) == DESCRY_FAMILY_CPU ? "own-cpu" : "own-gpu" },
                                      rates, bench->runs);
  return TRUE;
}

/* Who may compute products here, and how fast each is. */
static void
report_providers (Bench *bench)
{
  const DescryGemmRanks *ranks = descry_gemm_rank (bench->device, TRUE);
  guint class, provider;

  for (class = 0; class < DESCRY_GEMM_CLASSES; class++)
    for (provider = DESCRY_GEMM_OWN; provider < DESCRY_GEMM_PROVIDERS; provider++)
      {
        g_autofree char *name = g_strdup_printf ("%s%s", descry_gemm_provider_name (provider), ranks->choice[class] == provider ? " (chosen)" : "");

        if (ranks->rates[class][provider] > 0.0)
          bench_report (bench, &(BenchLine) { .stage = "gemm", .what = "product", .shape = descry_gemm_class_shape (class), .unit = "GFLOP/s", .best = TRUE, .provider = name },
                        (double[]) { ranks->rates[class][provider] }, 1);
      }
  if (!bench->json)
    for (provider = DESCRY_GEMM_OWN; provider < DESCRY_GEMM_PROVIDERS; provider++)
      if (ranks->reasons[provider] != NULL)
        g_print (_("%s does not compute products here: %s\n"), descry_gemm_provider_name (provider), ranks->reasons[provider]);
}

static gboolean
measure_ceilings (Bench   *bench,
                  GError **error)
{
  g_autofree double *rates = g_new0 (double, bench->runs);

  if (!measure_products (bench, error) || !descry_ceiling_read (bench->device, bench->runs, rates, NULL, error))
    return FALSE;

  bench->read_ceiling = bench_report (bench, &(BenchLine) { .stage = "ceiling", .what = "read", .shape = "stream of 512 MiB or what fits", .unit = "GB/s", .best = TRUE },
                                      rates, bench->runs);
  descry_device_trim (bench->device);
  return TRUE;
}

static gboolean
is_network (const char *stage)
{
  static const char *const names[] = { "tagger", "detector", "segmenter", "encoder", "connector", NULL };

  return g_strv_contains (names, stage);
}

static gboolean
is_process (const char *stage)
{
  static const char *const names[] = { "start", "pipeline", "peak", NULL };

  return g_strv_contains (names, stage);
}

static gboolean
run_bench (Bench      *bench,
           const char *only,
           GError    **error)
{
  DescryBundle *bundle = bench->language_shape == NULL ? descry_bundle_open (bench->bundle_name, error) : NULL;
  g_autoptr (GError) failure = NULL;

  if (bundle == NULL && bench->language_shape == NULL)
    return FALSE;
  bench->device = descry_device_open (bench->device_name, DESCRY_FAMILY_AUTO, error);
  if (bench->device == NULL)
    {
      g_clear_pointer (&bundle, descry_bundle_free);
      return FALSE;
    }
  if (bundle != NULL)
    bench->pipeline = descry_pipeline_new (bench->device, bundle, NULL, NULL);

  if (!bench->json)
    g_print (_("%s, load %.2f; %s; median of %u\n"), bench->processor, load_average (), descry_device_info (bench->device)->name, bench->runs);
  if (!measure_ceilings (bench, error))
    return FALSE;

  if (bench->language_shape != NULL)
    return bench_language_shape (bench, bench->language_shape, error);
  if (only == NULL || strcmp (only, "gemm") == 0)
    report_providers (bench);
  if ((only == NULL || is_network (only)) && !bench_networks (bench, only, error))
    return FALSE;
  if ((only == NULL || strcmp (only, "llm") == 0) && !bench_language (bench, &failure))
    {
      if (only != NULL || !g_error_matches (failure, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING))
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      g_printerr ("llm: %s\n", failure->message);
    }

  return (only != NULL && !is_process (only)) || bench_pipeline (bench, only, error);
}

static void
bench_clear (Bench *bench)
{
  g_clear_pointer (&bench->pipeline, descry_pipeline_free);
  g_clear_pointer (&bench->device, descry_device_free);
  g_free (bench->processor);
  g_free (bench->image);
  g_free (bench->bundle_name);
  g_free (bench->device_name);
  g_free (bench->language_shape);
}

int
descry_command_bench (int    argc,
                      char **argv)
{
  Bench bench = { .processor = descry_processor_name () };
  g_autofree char *stage = NULL, *child = NULL, *pairs = NULL, *photos = NULL;
  gboolean answers = FALSE;
  int runs = MIN_RUNS, status;
  const GOptionEntry entries[] = {
    { "stage", 0, 0, G_OPTION_ARG_STRING, &stage, N_("Only gemm, tagger, detector, segmenter, encoder, connector, llm, start, pipeline or peak"), N_("STAGE") },
    { "json", 0, 0, G_OPTION_ARG_NONE, &bench.json, N_("One JSON object a line"), NULL },
    { "runs", 0, 0, G_OPTION_ARG_INT, &runs, N_("Measurements of each (at least 5)"), N_("N") },
    { "image", 0, 0, G_OPTION_ARG_FILENAME, &bench.image, N_("The photo for start, pipeline and peak"), N_("FILE") },
    { "bundle", 0, 0, G_OPTION_ARG_FILENAME, &bench.bundle_name, N_("Name or folder of the bundle"), N_("BUNDLE") },
    { "device", 0, 0, G_OPTION_ARG_STRING, &bench.device_name, N_("Index or part of the name of the OpenCL device"), N_("DEVICE") },
    { "language-shape", 0, 0, G_OPTION_ARG_STRING, &bench.language_shape, N_("Only a language model of random Q4_0 weights: 135m, 1b, 7b or 13b (8 GB)"), N_("SHAPE") },
    { "answers", 0, 0, G_OPTION_ARG_NONE, &answers, N_("Right answers over the stored questions, nothing else"), NULL },
    { "pairs", 0, 0, G_OPTION_ARG_FILENAME, &pairs, N_("Folder of the stored questions"), N_("FOLDER") },
    { "photos", 0, 0, G_OPTION_ARG_FILENAME, &photos, N_("Folder of their photos"), N_("FOLDER") },
    { "child", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &child, NULL, NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (_("— measure this machine and each stage"));
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1 || runs < MIN_RUNS || runs > 1000
      || (stage != NULL && !is_network (stage) && !is_process (stage) && strcmp (stage, "llm") != 0 && strcmp (stage, "gemm") != 0))
    {
      g_printerr ("descry: %s\n", error != NULL ? error->message : _("`descry bench` knows no such stage or number of runs; --help explains"));
      status = DESCRY_EXIT_USAGE;
    }
  else if (child != NULL)
    status = bench_child (child, bench.bundle_name, bench.device_name, bench.image);
  else
    {
      bench.runs = (guint) runs;
      status = (answers ? bench_answers (&bench, pairs, photos, &error) : run_bench (&bench, stage, &error)) ? DESCRY_EXIT_DONE : DESCRY_EXIT_FAILED;
      if (error != NULL)
        g_printerr ("descry: %s\n", error->message);
    }
  bench_clear (&bench);

  return status;
}
