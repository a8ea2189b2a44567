/* train.c - `descry train` from outside: killed at any moment and resumed, its log and picture, its mistakes
 *
 * A LLaMA of 2 layers with a vocabulary of single bytes is trained: the whole path in a second.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <signal.h>

#include <glib/gstdio.h>

#include "compute/files/gguf.h"
#include "compute/memory.h"
#include "tests/flow/flow.h"
#include "tests/unit/scratch.h"

#define WIDTH 32
#define FFN 64
#define LAYERS 2
#define VOCABULARY 259
#define KILLS 20
#define STEPS "10"

/* The byte as byte-level BPE writes it: printable Latin-1 as it is, the others from U+0100 on, in order. */
static char *
byte_token (guint byte)
{
  guint i, shift = 0;
  gunichar c = byte;
  char out[7] = { 0 };

#define PRINTS(b) (((b) >= 33 && (b) <= 126) || ((b) >= 161 && (b) <= 172) || (b) >= 174)
  for (i = 0; i < byte; i++)
    shift += !PRINTS (i);
  if (!PRINTS (byte))
    c = 256 + shift;
  g_unichar_to_utf8 (c, out);

  return g_strdup (out);
}

static void
add_random (DescryGgufWriter *writer,
            GRand            *rand,
            const char       *name,
            guint64           in,
            guint64           out)
{
  guint64 n = in * MAX (out, 1), i;
  float *values = descry_try_alloc (n, sizeof (float));

  for (i = 0; i < n; i++)
    values[i] = out == 0 ? 1.0 : g_rand_double_range (rand, -0.2, 0.2);
  descry_gguf_writer_add (writer, name, DESCRY_GGML_F32, out == 0 ? 1 : 2, (guint64[]) { in, out }, values, n * sizeof (float));
}

static void
write_model (const char *path)
{
  static const struct
  {
    const char *name;
    guint       in, out;
  } layer[] = {
    { "attn_norm", WIDTH, 0 }, { "attn_q", WIDTH, WIDTH }, { "attn_k", WIDTH, WIDTH }, { "attn_v", WIDTH, WIDTH }, { "attn_output", WIDTH, WIDTH },
    { "ffn_norm", WIDTH, 0 }, { "ffn_gate", WIDTH, FFN }, { "ffn_up", WIDTH, FFN }, { "ffn_down", FFN, WIDTH },
  };
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  GRand *rand = g_rand_new_with_seed (5);
  DescryBytes tokens[VOCABULARY], merge = { "h e", 3 };
  gint32 types[VOCABULARY];
  guint i, k;

  descry_gguf_writer_set_string (writer, "general.architecture", "llama");
  descry_gguf_writer_set_uint (writer, "llama.embedding_length", WIDTH);
  descry_gguf_writer_set_uint (writer, "llama.block_count", LAYERS);
  descry_gguf_writer_set_uint (writer, "llama.feed_forward_length", FFN);
  descry_gguf_writer_set_uint (writer, "llama.attention.head_count", 2);
  descry_gguf_writer_set_uint (writer, "llama.attention.head_count_kv", 2);
  descry_gguf_writer_set_uint (writer, "llama.context_length", 8192);
  descry_gguf_writer_set_uint (writer, "llama.rope.dimension_count", WIDTH / 2);
  descry_gguf_writer_set_float (writer, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
  descry_gguf_writer_set_string (writer, "tokenizer.ggml.model", "gpt2");
  descry_gguf_writer_set_string (writer, "tokenizer.ggml.pre", "smollm");
  for (i = 0; i < VOCABULARY; i++)
    {
      char *text = i < 256 ? byte_token (i) : g_strdup (i == 256 ? "<|im_start|>" : i == 257 ? "<|im_end|>" : "he");

      g_ptr_array_add (texts, text);
      tokens[i] = (DescryBytes) { text, strlen (text) };
      types[i] = i == 256 || i == 257 ? 3 : 1;
    }
  descry_gguf_writer_set_strings (writer, "tokenizer.ggml.tokens", tokens, VOCABULARY);
  descry_gguf_writer_set_strings (writer, "tokenizer.ggml.merges", &merge, 1);
  descry_gguf_writer_set_ints (writer, "tokenizer.ggml.token_type", types, VOCABULARY);
  descry_gguf_writer_set_uint (writer, "tokenizer.ggml.bos_token_id", 256);
  descry_gguf_writer_set_uint (writer, "tokenizer.ggml.eos_token_id", 257);
  descry_gguf_writer_set_string (writer, "tokenizer.chat_template", "{{ '<|im_start|>' + role }}");

  add_random (writer, rand, "token_embd.weight", WIDTH, VOCABULARY);
  add_random (writer, rand, "output_norm.weight", WIDTH, 0);
  for (i = 0; i < LAYERS; i++)
    for (k = 0; k < G_N_ELEMENTS (layer); k++)
      {
        g_autofree char *name = g_strdup_printf ("blk.%u.%s.weight", i, layer[k].name);

        add_random (writer, rand, name, layer[k].in, layer[k].out);
      }
  g_rand_free (rand);
  descry_gguf_writer_write (writer, path, &error);
  g_assert_no_error (error);
}

#define OUTPUT(name) g_autofree char *name = scratch_path (#name)
#define TRAIN(output, ...) \
  "train", "--stage", "lora", "--data", "synthetic", "--model", model, "-o", output, "--steps", STEPS, "--rows", "2048", "--every", "2", "--exact", __VA_ARGS__

static char *model;

static gboolean
is_without_device (const Outcome *outcome)
{
  if (outcome->status != 0 && strstr (outcome->err, "OpenCL") != NULL)
    {
      g_test_skip ("no usable OpenCL device");
      return TRUE;
    }
  return FALSE;
}

/* Twenty times: started, killed at a random moment (before the first checkpoint, inside one, at the end), started again.
 * The weights are those of a training that nobody disturbed, to the bit. */
static void
test_kill (void)
{
  OUTPUT (whole);
  OUTPUT (killed);
  g_auto (Outcome) outcome = { 0 };
  g_autofree char *expected = NULL, *found = NULL;
  gsize expected_size, found_size;
  gint64 start = g_get_monotonic_time (), whole_time;
  guint kills = 0, runs = 0;

  DESCRY (&outcome, TRAIN (whole, NULL));
  if (is_without_device (&outcome))
    return;
  g_assert_cmpint (outcome.status, ==, 0);
  whole_time = g_get_monotonic_time () - start;

  for (; kills < KILLS; runs++)
    {
      const char *arguments[] = { g_getenv ("DESCRY_PROGRAM"), TRAIN (killed, "--resume"), NULL };
      g_autoptr (GSubprocess) process = g_subprocess_newv (arguments, G_SUBPROCESS_FLAGS_STDERR_SILENCE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE, NULL);

      g_usleep (g_test_rand_double_range (0.05, 0.6) * whole_time);
      g_subprocess_force_exit (process);
      g_subprocess_wait (process, NULL, NULL);
      if (g_subprocess_get_if_signaled (process))
        kills++;
      else /* it had come to its end */
        g_unlink (killed);
      g_assert_cmpuint (runs, <, 20 * KILLS);
    }
  g_unlink (killed);
  DESCRY (&outcome, TRAIN (killed, "--resume"));
  g_assert_cmpint (outcome.status, ==, 0);
  g_test_message ("%u runs for %u kills; the last one: %s", runs, kills, strstr (outcome.err, "Resumed") != NULL ? "resumed" : "from the start");

  g_assert_true (g_file_get_contents (whole, &expected, &expected_size, NULL));
  g_assert_true (g_file_get_contents (killed, &found, &found_size, NULL));
  g_assert_cmpmem (found, found_size, expected, expected_size);
}

static void
test_log (void)
{
  OUTPUT (out);
  OUTPUT (log);
  OUTPUT (plot);
  g_auto (Outcome) outcome = { 0 };
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gsize size;

  DESCRY (&outcome, TRAIN (out, "--log", log, "--plot", plot));
  if (is_without_device (&outcome))
    return;
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_true (g_file_get_contents (log, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 10 + 5 + 1); /* steps, held-out scores, the end of the last line */
  g_assert_true (g_str_has_prefix (lines[0], "{\"step\":1,\"loss\":"));

  g_clear_pointer (&text, g_free);
  g_assert_true (g_file_get_contents (plot, &text, &size, NULL));
  g_assert_cmpuint (size, >, 24);
  g_assert_cmpmem (text + 1, 3, "PNG", 3);
  g_assert_cmpmem (text + 16, 8, "\0\0\3\xc0\0\0\2\x1c", 8); /* 960 × 540 */
}

/* The log of another program: named with its line; nothing is lost, the checkpoint is there. */
static void
test_bad_log (void)
{
  OUTPUT (unfinished);
  OUTPUT (log);
  g_autofree char *checkpoint = g_strconcat (unfinished, ".checkpoint", NULL), *plot = g_build_filename (scratch_folder (), "no such folder", "plot.png", NULL);
  g_auto (Outcome) outcome = { 0 };

  DESCRY (&outcome, TRAIN (unfinished, "--log", log, "--plot", plot));
  if (is_without_device (&outcome))
    return;
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "no such folder"));
  g_assert_true (g_file_test (checkpoint, G_FILE_TEST_EXISTS));

  g_assert_true (g_file_set_contents (log, "{\"step\": 1, \"loss\": 2}\nstep 2 loss 3\n", -1, NULL));
  g_free (plot);
  plot = g_build_filename (scratch_folder (), "plot.png", NULL);
  DESCRY (&outcome, TRAIN (unfinished, "--resume", "--log", log, "--plot", plot));
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "line 2"));
  g_assert_true (g_file_test (checkpoint, G_FILE_TEST_EXISTS));
}

static void
test_usage (void)
{
  OUTPUT (out);
  g_auto (Outcome) outcome = { 0 };

  DESCRY (&outcome, "train", "--stage", "nine", "--data", "synthetic", "--model", model, "-o", out);
  g_assert_cmpint (outcome.status, ==, 2);
  DESCRY (&outcome, TRAIN (out, "--plot", "x.png"));
  g_assert_cmpint (outcome.status, ==, 2);
  g_assert_nonnull (strstr (outcome.err, "--log"));
  DESCRY (&outcome, TRAIN (out, "--rows", "-3"));
  g_assert_cmpint (outcome.status, ==, 2);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/train/kill", test_kill);
  g_test_add_func ("/train/log", test_log);
  g_test_add_func ("/train/bad-log", test_bad_log);
  g_test_add_func ("/train/usage", test_usage);

  model = scratch_path ("model.gguf");
  write_model (model);

  status = scratch_run ();
  g_free (model);
  return status;
}
