/* decode.c - writing tokens: a context that slides, and stopping in the middle of work
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <unistd.h>

#include <glib/gstdio.h>

#include "compute/models/llama-private.h"
#include "tests/golden/random-llama.h"
#include "tests/ops/harness.h"

/* Keys that were turned twice are rounded to half twice: 2^-11 of a key each time, as the cache's own rounding is. */
#define SLID 1e-6

static DescryLlama *
make_model (DescryDevice      *device,
            guint              seed,
            const RandomShape *shape,
            DescryGgmlType     type)
{
  const RandomType types[] = { { "", type } };
  g_autofree char *packed = g_build_filename (g_get_tmp_dir (), "descry-decode-XXXXXX", NULL), *plain = g_strconcat (packed, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryGguf) gguf = NULL;
  DescryLlama *model;

  close (g_mkstemp (packed));
  close (g_mkstemp (plain));
  write_random_llama (seed, shape, types, packed, plain);
  gguf = descry_gguf_open (packed, &error);
  g_assert_no_error (error);
  model = descry_llama_new (device, gguf, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_unlink (packed);
  g_unlink (plain);

  return model;
}

static double
distance (DescryDevice       *device,
          DescryLlamaSession *found,
          DescryLlamaSession *expected)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (GError) error = NULL;
  guint n = found->model->vocabulary, i;
  g_autofree float *a = g_new (float, n), *b = g_new (float, n);
  double rest = 0, power = 0;

  descry_run_read (run, found->logits, a, n);
  descry_run_read (run, expected->logits, b, n);
  g_assert_true (descry_run_finish (run, &error));
  for (i = 0; i < n; i++)
    {
      rest += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
      power += (double) b[i] * b[i];
    }

  return rest / power;
}

/* With one layer a key depends on its token and its place alone, so a slid cache is that of a new computation over what is
 * left. (With more layers it still knows what the forgotten tokens said: that is what sliding is for.) */
static void
test_slide (gconstpointer data)
{
  static const RandomShape shape = { 64, 96, 4, 2, 1, 50, 256 };
  g_autoptr (DescryDevice) device = open_test_device (GPOINTER_TO_INT (data));
  g_autoptr (DescryLlama) model = NULL;
  g_autoptr (DescryLlamaSession) session = NULL, fresh = NULL;
  GError *error = NULL;
  gint32 ids[40];
  guint i, slides = 0, last;

  if (device == NULL)
    return;
  model = make_model (device, 21, &shape, DESCRY_GGML_F32);
  session = descry_llama_session_new (model, 48, &error);
  fresh = descry_llama_session_new (model, 64, &error);
  g_assert_no_error (error);
  for (i = 0; i < G_N_ELEMENTS (ids); i++)
    ids[i] = (11 * i + 5) % 50;

  g_assert_true (descry_llama_prompt (session, ids, 40, NULL, NULL, NULL, NULL, &error));
  descry_llama_session_set_sliding (session, TRUE, 10);
  last = 40;
  for (i = 0; i < 60; i++)
    {
      guint length;

      g_assert_cmpint (descry_llama_next (session, 0.0f, NULL, NULL, &error), >=, 0);
      g_assert_no_error (error);
      length = descry_llama_session_length (session);
      g_assert_cmpuint (length, <=, 48);
      if (length < last)
        {
          /* (48 - 10) / 2 forgotten, one new. */
          g_assert_cmpuint (length, ==, 48 - 19 + 1);
          slides++;
        }
      last = length;
      if (i % 7 == 3 || i == 59)
        {
          double nmse;

          descry_llama_session_clear (fresh);
          g_assert_true (descry_llama_prompt (fresh, (const gint32 *) session->ids->data, length, NULL, NULL, NULL, NULL, &error));
          nmse = distance (device, session, fresh);
          g_test_message ("after %u tokens and %u slides: NMSE of the logits %.2g", i + 1, slides, nmse);
          g_assert_cmpfloat (nmse, <=, SLID);
        }
    }
  g_assert_cmpuint (slides, >=, 2);
  g_assert_cmpmem (session->ids->data, 10 * sizeof (gint32), ids, 10 * sizeof (gint32));

  /* Only what was never forgotten is taken from the cache again. */
  g_assert_true (descry_llama_prompt (session, ids, 40, NULL, NULL, NULL, NULL, &error));
  g_assert_true (descry_llama_prompt (fresh, ids, 40, NULL, NULL, NULL, NULL, &error));
  g_assert_cmpfloat (distance (device, session, fresh), <=, 1e-7);

  /* Nothing could slide: as without it. */
  descry_llama_session_set_sliding (session, TRUE, 45);
  for (i = 40; i < 49; i++)
    g_assert_cmpint (descry_llama_next (session, 0.0f, NULL, NULL, &error), >=, 0);
  g_assert_cmpint (descry_llama_next (session, 0.0f, NULL, NULL, &error), ==, -1);
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
  g_clear_error (&error);
}

typedef struct
{
  GCancellable *cancellable;
  gulong        after; /* microseconds */
  gint64        at;
} Stopper;

static gpointer
stop_cb (gpointer data)
{
  Stopper *stopper = data;

  g_usleep (stopper->after);
  stopper->at = g_get_monotonic_time ();
  g_cancellable_cancel (stopper->cancellable);
  return NULL;
}

/* A prompt of seconds, stopped in its middle. What an idle machine does in 100 ms a busy one may take longer for: the limit here is
 * a quarter of the whole, the figure is told. */
static void
test_stop (void)
{
  static const RandomShape shape = { 1024, 4096, 8, 8, 6, 64, 2048 };
  g_autoptr (DescryDevice) device = open_test_device (DESCRY_FAMILY_AUTO);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (DescryLlama) model = NULL;
  g_autoptr (DescryLlamaSession) session = NULL;
  g_autofree gint32 *ids = g_new (gint32, 1024);
  Stopper stopper = { cancellable };
  GError *error = NULL;
  GThread *thread;
  gint64 begin, whole, late;
  guint i;

  if (device == NULL)
    return;
  model = make_model (device, 22, &shape, DESCRY_GGML_Q4_0);
  session = descry_llama_session_new (model, 1024, &error);
  g_assert_no_error (error);
  for (i = 0; i < 1024; i++)
    ids[i] = (11 * i + 5) % 64;

  /* Once for the kernels' compilation, once for the time. */
  g_assert_true (descry_llama_prompt (session, ids, 128, NULL, NULL, NULL, NULL, &error));
  descry_llama_session_clear (session);
  begin = g_get_monotonic_time ();
  g_assert_true (descry_llama_prompt (session, ids, 1024, NULL, NULL, NULL, NULL, &error));
  whole = g_get_monotonic_time () - begin;

  descry_llama_session_clear (session);
  stopper.after = whole / 3;
  thread = g_thread_new ("stop", stop_cb, &stopper);
  g_assert_false (descry_llama_prompt (session, ids, 1024, NULL, cancellable, NULL, NULL, &error));
  late = g_get_monotonic_time () - stopper.at;
  g_thread_join (thread);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_test_message ("the whole prompt %.0f ms; stopped %.0f ms after the wish", whole / 1000.0, late / 1000.0);
  g_assert_cmpint (late, <, whole / 4 + 100000);

  /* And it goes on. */
  g_assert_true (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
  g_assert_cmpint (descry_llama_next (session, 0.0f, NULL, NULL, &error), >=, 0);
}

/* A shape with random weights computes: finite logits, tokens of the vocabulary, the bytes it says. */
static void
test_random (void)
{
  static const DescryLlamaShape shape = { 2, 256, 512, 4, 2, 300, 64 };
  static const DescryGgmlType types[] = { DESCRY_GGML_Q4_0, DESCRY_GGML_Q8_0, DESCRY_GGML_Q4_K, DESCRY_GGML_F16 };
  g_autoptr (DescryDevice) device = open_test_device (DESCRY_FAMILY_AUTO);
  const guint64 numbers = 300 * 256 + 2 * (256 * 512 + 256 * 256 + 3 * 256 * 512);
  guint t, i;

  if (device == NULL)
    return;
  for (t = 0; t < G_N_ELEMENTS (types); t++)
    {
      GError *error = NULL;
      guint64 bytes, elements, expected;
      g_autoptr (DescryLlama) model = descry_llama_new_random (device, &shape, types[t], &bytes, &elements, &error);
      g_autoptr (DescryLlamaSession) session = NULL;
      gint32 ids[20];

      g_assert_no_error (error);
      g_assert_cmpuint (elements, ==, numbers);
      g_assert_true (descry_ggml_bytes (types[t], numbers, &expected));
      g_assert_cmpuint (bytes, ==, expected);
      session = descry_llama_session_new (model, 64, &error);
      for (i = 0; i < 20; i++)
        ids[i] = 7 * i;
      g_assert_true (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
      for (i = 0; i < 8; i++)
        g_assert_cmpint (descry_llama_next (session, 0.0f, NULL, NULL, &error), >=, 0);
      g_assert_no_error (error);
    }

  g_assert_nonnull (descry_llama_shape ("13B"));
  g_assert_null (descry_llama_shape ("14b"));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_data_func ("/golden/decode/slide/cpu", GINT_TO_POINTER (DESCRY_FAMILY_CPU), test_slide);
  g_test_add_data_func ("/golden/decode/slide/gpu", GINT_TO_POINTER (DESCRY_FAMILY_GPU), test_slide);
  g_test_add_func ("/golden/decode/stop", test_stop);
  g_test_add_func ("/golden/decode/random", test_random);

  return g_test_run ();
}
