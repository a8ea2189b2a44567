/* bench-pipeline.c - whole runs in processes of their own: first token, photo to answer, memory
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <glib/gi18n.h>
#include <jansson.h>

#include "app/commands.h"

#define BEGIN_VARIABLE "DESCRY_BENCH_BEGIN" /* microseconds of the system's monotonic clock when the parent started us */
#define QUESTION "What is in this picture?"
#define WIDTH 1280
#define HEIGHT 960

DescryImage *
bench_draw (guint    width,
            guint    height,
            GError **error)
{
  static const guint8 colors[][3] = { { 200, 60, 40 }, { 40, 120, 200 }, { 230, 200, 60 } };
  DescryImage *image = descry_image_new (width, height, error);
  guint x, y, i;

  if (image == NULL)
    return NULL;
  for (y = 0; y < height; y++)
    for (x = 0; x < width; x++)
      {
        guint8 *pixel = image->pixels + ((gsize) y * width + x) * 3;

        pixel[0] = (guint8) (90 + 80 * y / height);
        pixel[1] = (guint8) (140 + (x * 7 + y * 3) % 11);
        pixel[2] = (guint8) (200 - 90 * y / height);
        for (i = 0; i < G_N_ELEMENTS (colors); i++)
          {
            const double dx = (double) x / width - (0.2 + 0.3 * i), dy = (double) y / height - (0.4 + 0.1 * i);

            if (dx * dx + dy * dy < 0.012)
              memcpy (pixel, colors[i], 3);
          }
      }

  return image;
}

/* A job and the loop that waits for it: a measuring process has nothing else to do. */
typedef struct
{
  GMainLoop *loop;
  gpointer   result;
  GError    *error;
} Wait;

static void
analyzed_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  Wait *wait = data;

  wait->result = descry_engine_analyze_finish (DESCRY_ENGINE (source), result, &wait->error);
  g_main_loop_quit (wait->loop);
}

static void
asked_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      data)
{
  Wait *wait = data;

  wait->result = descry_engine_ask_finish (DESCRY_ENGINE (source), result, &wait->error);
  g_main_loop_quit (wait->loop);
}

static gpointer
end_wait (Wait    *wait,
          GError **error)
{
  g_main_loop_unref (wait->loop);
  if (wait->error != NULL)
    g_propagate_error (error, wait->error);
  return wait->result;
}

DescryScene *
bench_analyze (DescryEngine *engine,
               DescryImage  *image,
               const char   *file,
               GError      **error)
{
  Wait wait = { .loop = g_main_loop_new (NULL, FALSE) };

  descry_engine_analyze_async (engine, image, file, NULL, analyzed_cb, &wait);
  g_main_loop_run (wait.loop);
  return end_wait (&wait, error);
}

DescryTurn *
bench_ask (DescryEngine           *engine,
           DescryImage            *image,
           DescryScene            *scene,
           const char             *question,
           GArray                 *chips,
           const DescryAskOptions *options,
           GError                **error)
{
  Wait wait = { .loop = g_main_loop_new (NULL, FALSE) };

  descry_engine_ask_async (engine, image, scene, NULL, question, chips != NULL ? (const guint *) (gpointer) chips->data : NULL, chips != NULL ? chips->len : 0, options,
                           NULL, asked_cb, &wait);
  g_main_loop_run (wait.loop);
  return end_wait (&wait, error);
}

static void
text_cb (DescryEngine *engine,
         const char   *text,
         GCancellable *job,
         gpointer      data)
{
  gint64 *first = data;

  if (*first == 0)
    *first = g_get_monotonic_time ();
}

static gboolean
run_child (const char *what,
           const char *bundle,
           const char *device,
           const char *path,
           gint64     *first_token,
           guint      *prompt,
           GError    **error)
{
  g_autoptr (DescryEngine) engine = descry_local_engine_new (bundle, device);
  g_autoptr (DescryImage) image = NULL;
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryTurn) turn = NULL;
  const DescryAskOptions options = { .threshold = DESCRY_SCENE_THRESHOLD, .max_tokens = strcmp (what, "start") == 0 ? 1 : 24 };

  g_signal_connect (engine, "text", G_CALLBACK (text_cb), first_token);
  if (strcmp (what, "pipeline") == 0)
    {
      image = path != NULL ? descry_image_load (path, NULL, error) : bench_draw (WIDTH, HEIGHT, error);
      scene = image != NULL ? bench_analyze (engine, image, path, error) : NULL;
      if (scene == NULL)
        return FALSE;
    }
  turn = bench_ask (engine, image, scene, image != NULL ? QUESTION : "Hello", NULL, &options, error);

  if (turn != NULL)
    *prompt = turn->prompt_tokens;

  return turn != NULL;
}

int
bench_child (const char *what,
             const char *bundle,
             const char *device,
             const char *image)
{
  const char *text = g_getenv (BEGIN_VARIABLE);
  const gint64 begin = text != NULL ? g_ascii_strtoll (text, NULL, 10) : g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  gint64 first_token = 0;
  guint prompt = 0;
  struct rusage usage = { 0 };
  gboolean ok = run_child (what, bundle, device, image, &first_token, &prompt, &error);
  const gint64 end = g_get_monotonic_time ();

  if (ok)
    {
      getrusage (RUSAGE_SELF, &usage);
      g_print ("{\"first_token_ms\":%.3f,\"total_ms\":%.3f,\"peak_mib\":%.1f,\"prompt_tokens\":%u}\n", first_token > 0 ? (first_token - begin) / 1000.0 : -1.0,
               (end - begin) / 1000.0, usage.ru_maxrss / 1024.0, prompt);
    }
  else
    g_printerr ("descry: %s\n", error->message);

  return ok ? DESCRY_EXIT_DONE : DESCRY_EXIT_FAILED;
}

/* One process; its three figures. */
static gboolean
spawn (Bench      *bench,
       const char *what,
       double     *first_token,
       double     *total,
       double     *peak,
       GError    **error)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", error), *child = g_strconcat ("--child=", what, NULL), *begin = NULL, *out = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GSubprocess) process = NULL;
  json_t *json;

  if (program == NULL)
    return FALSE;
  g_ptr_array_add (argv, g_strdup (program));
  g_ptr_array_add (argv, g_strdup ("bench"));
  g_ptr_array_add (argv, g_strdup (child));
  if (bench->bundle_name != NULL)
    g_ptr_array_add (argv, g_strconcat ("--bundle=", bench->bundle_name, NULL));
  if (bench->device_name != NULL)
    g_ptr_array_add (argv, g_strconcat ("--device=", bench->device_name, NULL));
  if (bench->image != NULL)
    g_ptr_array_add (argv, g_strconcat ("--image=", bench->image, NULL));
  g_ptr_array_add (argv, NULL);

  begin = g_strdup_printf ("%" G_GINT64_FORMAT, g_get_monotonic_time ());
  g_subprocess_launcher_setenv (launcher, BEGIN_VARIABLE, begin, TRUE);
  process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, error);
  if (process == NULL || !g_subprocess_communicate_utf8 (process, NULL, NULL, &out, NULL, error))
    return FALSE;
  if (!g_subprocess_get_successful (process))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, _("The measured process failed (%s)"), what);
      return FALSE;
    }

  json = json_loads (out, 0, NULL);
  *first_token = json_number_value (json_object_get (json, "first_token_ms"));
  *total = json_number_value (json_object_get (json, "total_ms"));
  *peak = json_number_value (json_object_get (json, "peak_mib"));
  json_decref (json);
  return TRUE;
}

gboolean
bench_pipeline (Bench      *bench,
                const char *only,
                GError    **error)
{
  g_autofree double *first = g_new0 (double, bench->runs), *total = g_new0 (double, bench->runs), *peak = g_new0 (double, bench->runs);
  g_autofree char *shape = bench->image != NULL ? g_path_get_basename (bench->image) : g_strdup_printf ("drawn picture %u×%u", WIDTH, HEIGHT);
  double unused;
  guint i;

  if (only == NULL || strcmp (only, "start") == 0)
    {
      for (i = 0; i < bench->runs; i++)
        if (!spawn (bench, "start", &first[i], &unused, &unused, error))
          return FALSE;
      bench_report (bench, &(BenchLine) { .stage = "start", .what = "start", .shape = "process to first token", .unit = "ms" }, first, bench->runs);
    }
  if (only != NULL && strcmp (only, "start") == 0)
    return TRUE;

  for (i = 0; i < bench->runs; i++)
    if (!spawn (bench, "pipeline", &unused, &total[i], &peak[i], error))
      return FALSE;
  if (only == NULL || strcmp (only, "pipeline") == 0)
    bench_report (bench, &(BenchLine) { .stage = "pipeline", .what = "pipeline", .shape = shape, .unit = "ms" }, total, bench->runs);
  if (only == NULL || strcmp (only, "peak") == 0)
    bench_report (bench, &(BenchLine) { .stage = "peak", .what = "peak", .shape = shape, .unit = "MiB" }, peak, bench->runs);

  return TRUE;
}
