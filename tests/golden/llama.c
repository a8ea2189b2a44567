/* llama.c - language models against transformers: logits, greedy tokens, soft tokens, the cache
 *
 * The references are made by scripts/make-llama.py. The real SmolLM2 file is looked for in DESCRY_BUNDLE, then where
 * set-up keeps the compact bundle.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "compute/files/safetensors.h"
#include "compute/memory.h"
#include "compute/models/llama.h"
#include "tests/ops/harness.h"

#define SMOLLM2 "SmolLM2-135M-Instruct.Q4_1.gguf"

static const char *const names[] = { "llama", "mistral", "qwen2", "qwen3", "smollm3" };

typedef struct
{
  const char  *name;
  DescryFamily family;
} Case;

static char *
golden_path (const char *name,
             const char *suffix)
{
  g_autofree char *file = g_strconcat (name, suffix, NULL);

  return g_test_build_filename (G_TEST_DIST, "golden", "llama", file, NULL);
}

static gpointer
read_tensor (DescrySafetensors *file,
             const char        *name,
             DescryStType       type,
             guint             *n)
{
  const DescryStTensor *tensor = descry_safetensors_find (file, name);
  GError *error = NULL;
  gpointer data;

  g_assert_nonnull (tensor);
  g_assert_cmpint (tensor->type, ==, type);
  data = descry_safetensors_read (file, tensor, &error);
  g_assert_no_error (error);
  *n = tensor->count;

  return data;
}

static DescryLlama *
load (DescryDevice *device,
      const char   *path)
{
  GError *error = NULL;
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, &error);
  DescryLlama *model;

  g_assert_no_error (error);
  model = descry_llama_new (device, gguf, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (model);

  return model;
}

static void
assert_empty (DescryDevice *device)
{
  guint64 bytes;

  descry_device_trim (device);
  bytes = descry_device_stats (device)->live_bytes;
  g_assert_cmpuint (bytes, ==, 0);
}

static void
check_greedy (DescryLlamaSession *session,
              const gint32       *expected,
              guint               n)
{
  guint i;

  for (i = 0; i < n; i++)
    {
      GError *error = NULL;
      gint32 token = descry_llama_next (session, 0.0f, NULL, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpint (token, ==, expected[i]);
    }
}

static void
test_tiny (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (DescryDevice) device = open_test_device (test->family);
  g_autofree char *model_path = golden_path (test->name, ".gguf"), *golden = golden_path (test->name, ".safetensors");
  g_autoptr (DescrySafetensors) file = NULL;
  g_autoptr (DescryLlama) model = NULL;
  g_autoptr (DescryLlamaSession) session = NULL;
  GError *error = NULL;
  gint32 *ids, *mixed, *greedy;
  float *logits, *mixed_logits, *soft, *found, *mean, *own_mean, *deviation, own_deviation;
  guint n, n_logits, n_soft, n_greedy, n_mean, one, i;
  double distance;

  if (device == NULL)
    return;
  file = descry_safetensors_open (golden, &error);
  g_assert_no_error (error);
  model = load (device, model_path);
  session = descry_llama_session_new (model, 100, &error);
  g_assert_no_error (error);

  ids = read_tensor (file, "ids", DESCRY_ST_I32, &n);
  logits = read_tensor (file, "logits", DESCRY_ST_F32, &n_logits);
  mixed = read_tensor (file, "mixed", DESCRY_ST_I32, &n);
  soft = read_tensor (file, "soft", DESCRY_ST_F32, &n_soft);
  mixed_logits = read_tensor (file, "mixed_logits", DESCRY_ST_F32, &n_logits);
  greedy = read_tensor (file, "greedy", DESCRY_ST_I32, &n_greedy);
  mean = read_tensor (file, "mean", DESCRY_ST_F32, &n_mean);
  deviation = read_tensor (file, "deviation", DESCRY_ST_F32, &one);
  g_assert_cmpuint (n_logits, ==, n * descry_llama_vocabulary (model));
  g_assert_cmpuint (n_mean, ==, descry_llama_width (model));
  found = g_new (float, n_logits);
  own_mean = g_new (float, n_mean);

  g_assert_true (descry_llama_logits (session, ids, n, NULL, found, &error));
  g_assert_no_error (error);
  distance = nmse_of (found, logits, n_logits);
  g_test_message ("%s: NMSE of the logits %g", test->name, distance);
  g_assert_cmpfloat (distance, <=, 1e-6);

  g_assert_true (descry_llama_logits (session, mixed, n, soft, found, &error));
  distance = nmse_of (found, mixed_logits, n_logits);
  g_test_message ("%s: NMSE with soft tokens %g", test->name, distance);
  g_assert_cmpfloat (distance, <=, 1e-6);

  /* A few rows at a time go through the fused products: the same logits. */
  g_assert_true (descry_llama_logits (session, ids, 5, NULL, found, &error));
  g_assert_cmpfloat (nmse_of (found, logits, 5 * descry_llama_vocabulary (model)), <=, 1e-6);

  g_assert_true (descry_llama_prompt (session, ids, 9, NULL, NULL, NULL, NULL, &error));
  check_greedy (session, greedy, n_greedy);

  /* A soft row that changes must not be taken from the cache. */
  g_assert_true (descry_llama_prompt (session, mixed, n, soft, NULL, NULL, NULL, &error));
  for (i = 0; i < n_soft; i++)
    soft[i] = -soft[i];
  g_assert_true (descry_llama_prompt (session, mixed, n, soft, NULL, NULL, NULL, &error));
  g_assert_true (descry_llama_prompt (session, ids, 9, NULL, NULL, NULL, NULL, &error));
  check_greedy (session, greedy, n_greedy);

  g_assert_true (descry_llama_embedding_moments (model, own_mean, &own_deviation, &error));
  g_assert_cmpfloat (nmse_of (own_mean, mean, n_mean), <=, 1e-9);
  g_assert_cmpfloat_with_epsilon (own_deviation, deviation[0], 1e-5 * deviation[0]);

  descry_free (ids);
  descry_free (logits);
  descry_free (mixed);
  descry_free (soft);
  descry_free (mixed_logits);
  descry_free (greedy);
  descry_free (mean);
  descry_free (deviation);
  g_free (found);
  g_free (own_mean);
  g_clear_pointer (&session, descry_llama_session_free);
  g_clear_pointer (&model, descry_llama_free);
  assert_empty (device);
}

/* The cache: prefixes, limits, cancelling, and that a token costs no memory. */
static void
test_cache (void)
{
  g_autoptr (DescryDevice) device = open_test_device (DESCRY_FAMILY_AUTO);
  g_autofree char *path = golden_path ("qwen2", ".gguf");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  const DescryDeviceStats *stats;
  DescryLlama *model;
  DescryLlamaSession *session;
  g_autoptr (GError) error = NULL;
  gint32 ids[40], first[8];
  /* A decoded token: eight launches a layer here, where the FFN does not come in 32s, and five around them. */
  guint64 launches, allocations, down, waits, up, seed = 5, other = 5;
  guint i;

  if (device == NULL)
    return;
  stats = descry_device_stats (device);
  model = load (device, path);
  g_assert_null (descry_llama_session_new (model, descry_llama_context (model) + 1, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
  g_clear_error (&error);
  session = descry_llama_session_new (model, 30, &error);
  g_assert_no_error (error);
  for (i = 0; i < G_N_ELEMENTS (ids); i++)
    ids[i] = (7 * i + 3) % 70;

  g_assert_cmpint (descry_llama_next (session, 0, NULL, NULL, &error), ==, -1);
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
  g_clear_error (&error);
  g_assert_false (descry_llama_prompt (session, ids, 31, NULL, NULL, NULL, NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
  g_clear_error (&error);
  ids[4] = 70;
  g_assert_false (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
  g_clear_error (&error);
  ids[4] = -1;
  g_assert_false (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
  g_clear_error (&error);
  ids[4] = 31;

  /* Tokens cost launches and four bytes, nothing else. */
  g_assert_true (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
  for (i = 0; i < 2; i++)
    first[i] = descry_llama_next (session, 0, NULL, NULL, &error);
  allocations = stats->buffer_allocations;
  down = stats->bytes_down;
  up = stats->bytes_up;
  waits = stats->submissions;
  for (i = 2; i < 8; i++)
    first[i] = descry_llama_next (session, 0, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (stats->buffer_allocations, ==, allocations);
  g_assert_cmpuint (stats->bytes_down - down, ==, 6 * sizeof (gint32));
  g_assert_cmpuint (stats->bytes_up, ==, up);
  /* One wait a token, for the token itself, with the next one's work already enqueued. */
  g_assert_cmpuint (stats->submissions - waits, ==, 6);

  /* The same prompt again: only its last position is computed. */
  launches = stats->launches;
  g_assert_true (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
  g_assert_cmpuint (stats->launches - launches, <=, 2 * 8 + 5);
  for (i = 0; i < 8; i++)
    g_assert_cmpint (descry_llama_next (session, 0, NULL, NULL, &error), ==, first[i]);
  launches = stats->launches;
  g_assert_true (descry_llama_prompt (session, ids, 1, NULL, NULL, NULL, NULL, &error));
  g_assert_true (descry_llama_prompt (session, ids, 1, NULL, NULL, NULL, NULL, &error));
  g_assert_cmpuint (stats->launches - launches, <=, 2 * 8 + 5);

  /* Full: the last token is told, then there is a clear end. */
  g_assert_true (descry_llama_prompt (session, ids, 28, NULL, NULL, NULL, NULL, &error));
  for (i = 0; i < 3; i++)
    g_assert_cmpint (descry_llama_next (session, 0, NULL, NULL, &error), >=, 0);
  g_assert_cmpint (descry_llama_next (session, 0, NULL, NULL, &error), ==, -1);
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "full"));
  g_clear_error (&error);

  /* Cancelled: the next prompt starts cleanly. */
  g_cancellable_cancel (cancellable);
  g_assert_false (descry_llama_prompt (session, ids, 20, NULL, cancellable, NULL, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_true (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
  for (i = 0; i < 8; i++)
    g_assert_cmpint (descry_llama_next (session, 0, NULL, NULL, &error), ==, first[i]);

  /* Sampling follows its seed; close to no temperature it is greedy. */
  down = stats->bytes_down;
  for (i = 0; i < 2; i++)
    {
      guint64 *state = i == 0 ? &seed : &other;
      guint j;

      g_assert_true (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
      for (j = 0; j < 8; j++)
        {
          gint32 token = descry_llama_next (session, 1.5f, state, NULL, &error);

          g_assert_cmpint (token, >=, 0);
          if (i == 0)
            ids[20 + j] = token;
          else
            g_assert_cmpint (token, ==, ids[20 + j]);
        }
    }
  g_assert_cmpuint (stats->bytes_down - down, ==, 16 * sizeof (gint32)); /* drawn on the device */
  g_assert_true (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
  for (i = 0; i < 8; i++)
    g_assert_cmpint (descry_llama_next (session, 1e-4f, &seed, NULL, &error), ==, first[i]);

  descry_llama_session_free (session);
  descry_llama_free (model);
  assert_empty (device);
}

/* Loading says which tensor or key is wrong, and leaves nothing on the device. */
static void
test_bad_files (void)
{
  static const struct { const char *key; guint32 value; const char *message; } changes[] = {
    { "qwen2.attention.head_count", 5, "rope.dimension_count" },
    { "qwen2.attention.head_count", 0, "qwen2.attention.head_count" },
    { "qwen2.feed_forward_length", 49, "ffn_gate" },
    { "qwen2.block_count", 3, "blk.2.attn_norm.weight" },
    { "qwen2.block_count", 1, "blk.1." },
    { "qwen2.context_length", 0, "qwen2.context_length" },
  };
  g_autoptr (DescryDevice) device = open_test_device (DESCRY_FAMILY_AUTO);
  g_autofree char *path = golden_path ("qwen2", ".gguf"), *bad = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  gsize size;
  guint i;

  if (device == NULL)
    return;
  g_assert_true (g_file_get_contents (path, &bytes, &size, &error));
  bad = g_build_filename (g_get_tmp_dir (), "descry-bad-llama-XXXXXX", NULL);
  close (g_mkstemp (bad));

  for (i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autofree char *copy = g_memdup2 (bytes, size);
      char *at = memmem (copy, size, changes[i].key, strlen (changes[i].key));
      g_autoptr (DescryGguf) gguf = NULL;

      /* Key, type (u32), value. */
      g_assert_nonnull (at);
      memcpy (at + strlen (changes[i].key) + 4, &changes[i].value, 4);
      g_assert_true (g_file_set_contents (bad, copy, size, &error));
      gguf = descry_gguf_open (bad, &error);
      g_assert_no_error (error);
      g_assert_null (descry_llama_new (device, gguf, NULL, NULL, NULL, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, changes[i].message));
      g_clear_error (&error);
      assert_empty (device);
    }
  g_assert_cmpint (g_unlink (bad), ==, 0);
}

static char *
find_smollm2 (void)
{
  const char *bundle = g_getenv ("DESCRY_BUNDLE");
  g_autofree char *usual = g_build_filename (g_get_user_data_dir (), "descry", "bundles", "compact", SMOLLM2, NULL);
  g_autofree char *given = bundle != NULL ? g_build_filename (bundle, SMOLLM2, NULL) : NULL;

  if (given != NULL && g_file_test (given, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&given);
  if (g_file_test (usual, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&usual);

  return NULL;
}

static void
test_smollm2 (void)
{
  g_autofree char *path = find_smollm2 (), *golden = golden_path ("smollm2", ".safetensors");
  g_autoptr (DescryDevice) device = NULL;
  g_autoptr (DescrySafetensors) file = NULL;
  GError *error = NULL;
  DescryLlama *model;
  DescryLlamaSession *session;
  guint prompt, n, n_greedy, n_logits, vocabulary, row, i;

  if (path == NULL)
    {
      g_test_skip ("smollm2: " SMOLLM2 " is not in the compact bundle");
      return;
    }
  device = open_test_device (DESCRY_FAMILY_AUTO);
  if (device == NULL)
    return;
  file = descry_safetensors_open (golden, &error);
  g_assert_no_error (error);
  model = load (device, path);
  vocabulary = descry_llama_vocabulary (model);
  session = descry_llama_session_new (model, 512, &error);
  g_assert_no_error (error);

  for (prompt = 0; prompt < 5; prompt++)
    {
      g_autofree char *ids_name = g_strdup_printf ("ids%u", prompt), *greedy_name = g_strdup_printf ("greedy%u", prompt);
      gint32 *ids = read_tensor (file, ids_name, DESCRY_ST_I32, &n), *greedy = read_tensor (file, greedy_name, DESCRY_ST_I32, &n_greedy);

      g_assert_cmpuint (n_greedy, ==, 64);
      if (prompt == 1)
        {
          float *expected = read_tensor (file, "logits", DESCRY_ST_F32, &n_logits), *all = g_new (float, (gsize) n * vocabulary), *found = g_new (float, n_logits);
          double distance;

          /* Every fourth position, every 16th logit. */
          g_assert_cmpuint (n_logits, ==, (n + 3) / 4 * (vocabulary / 16));
          g_assert_true (descry_llama_logits (session, ids, n, NULL, all, &error));
          for (row = 0; row < (n + 3) / 4; row++)
            for (i = 0; i < vocabulary / 16; i++)
              found[row * (vocabulary / 16) + i] = all[(gsize) 4 * row * vocabulary + 16 * i];
          distance = nmse_of (found, expected, n_logits);
          g_test_message ("smollm2: NMSE of the logits %g", distance);
          g_assert_cmpfloat (distance, <=, 1e-6);
          descry_free (expected);
          g_free (all);
          g_free (found);
        }
      g_assert_true (descry_llama_prompt (session, ids, n, NULL, NULL, NULL, NULL, &error));
      check_greedy (session, greedy, n_greedy);
      descry_free (ids);
      descry_free (greedy);
    }

  descry_llama_session_free (session);
  descry_llama_free (model);
  assert_empty (device);
}

int
main (int    argc,
      char **argv)
{
  static const DescryFamily families[] = { DESCRY_FAMILY_CPU, DESCRY_FAMILY_GPU };
  guint i, f;

  g_test_init (&argc, &argv, NULL);

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    for (f = 0; f < G_N_ELEMENTS (families); f++)
      {
        Case *test = g_new (Case, 1);
        g_autofree char *name = g_strdup_printf ("/golden/llama/%s/%s", names[i], f == 0 ? "cpu" : "gpu");

        *test = (Case) { names[i], families[f] };
        g_test_add_data_func_full (name, test, test_tiny, g_free);
      }
  g_test_add_func ("/golden/llama/cache", test_cache);
  g_test_add_func ("/golden/llama/bad-files", test_bad_files);
  g_test_add_func ("/golden/llama/smollm2", test_smollm2);

  return g_test_run ();
}
