/* train.c - `descry train` from outside: killed at any moment and resumed, its log and picture, its mistakes
 *
 * A LLaMA of 2 layers with a vocabulary of single bytes is trained: the whole path in a second.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>
#include <signal.h>

#include <glib/gstdio.h>

#include "compute/files/gguf.h"
#include "compute/lyrics/connector.h"
#include "compute/memory.h"
#include "compute/train/features.h"
#include "compute/train/picture-text.h"
#include "tests/flow/flow.h"
#include "tests/unit/scratch.h"

#define WIDTH 32
#define FFN 64
#define LAYERS 2
#define VOCABULARY 259
#define CHANNELS 12
#define KILLS 20
#define STAGE_KILLS 5
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

/* Pictures with random features: a set as `descry pictures` makes it. */
static void
write_pictures (const char *path)
{
  const guint row_width = descry_connector_row_width (CHANNELS, DESCRY_TRAIN_OCTAVES);
  static const char *const nouns[] = { "cup", "dog", "chair" }, *const colors[] = { "red", "blue", NULL }, *const scenes[] = { "desert", "city", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryPictureWriter) writer = descry_picture_writer_new (path, CHANNELS, row_width, &error);
  GRand *rand = g_rand_new_with_seed (11);
  guint i, k, c;

  g_assert_no_error (error);
  for (i = 0; i < 12; i++)
    {
      g_autofree char *name = g_strdup_printf ("picture-%u", i), *key = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
      g_autoptr (DescryPicture) picture = descry_picture_new (name, 100, 80);
      guint objects = 1 + i % 3;

      picture->split = i < 7 ? DESCRY_SPLIT_TRAIN : i < 10 ? DESCRY_SPLIT_VALIDATION : DESCRY_SPLIT_TEST;
      picture->scene = g_strdup (scenes[i % 3]);
      for (k = 0; k < objects; k++)
        {
          float x = (float) g_rand_double_range (rand, 0.0, 50.0), y = (float) g_rand_double_range (rand, 0.0, 40.0);

          descry_picture_add_object (picture, (DescryBox) { x, y, x + 40.0f, y + 30.0f }, nouns[(i + k) % 3], colors[k % 3]);
        }
      g_ptr_array_add (picture->captions, g_strdup ("A red cup."));
      descry_picture_add_question (picture, "color", "What color is it?", "The photo shows one cup.\nWhat color is it?", "It is red.", &(guint) { 0 }, 1, TRUE);
      descry_picture_add_question (picture, "yes", "Is there a cup?", "The photo shows one cup.\nIs there a cup?", "Yes.", NULL, 0, FALSE);
      picture->grid_height = picture->grid_width = 7;
      picture->channels = CHANNELS;
      picture->row_width = row_width;
      picture->grid = descry_try_alloc (49 * CHANNELS, sizeof (float));
      picture->rows = descry_try_alloc (objects * row_width, sizeof (float));
      for (c = 0; c < 49 * CHANNELS; c++)
        picture->grid[c] = (float) g_rand_double_range (rand, -1.0, 1.0);
      for (c = 0; c < objects * row_width; c++)
        picture->rows[c] = (float) g_rand_double_range (rand, -1.0, 1.0);
      g_assert_true (descry_picture_writer_add (writer, key, picture, &error));
    }
  g_rand_free (rand);
  g_assert_true (descry_picture_writer_commit (writer, &error));
}

#define OUTPUT(name) g_autofree char *name = scratch_path (#name)
#define TRAIN(output, ...) \
  "train", "--stage", "lora", "--data", "synthetic", "--model", model, "-o", output, "--steps", STEPS, "--rows", "2048", "--every", "2", "--exact", __VA_ARGS__

#define STAGE(number, output, ...) \
  "train", "--stage", number, "--data", pictures, "--model", model, "-o", output, "--steps", "8", "--every", "2", "--batch", "3", "--rows", "1024", "--width", "32", \
  "--layers", "2", "--exact", __VA_ARGS__

static char *model, *pictures;

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

/* The ids as one reads them; special rows by name. */
static char *
spell (DescryTokenizer *tokenizer,
       const gint32    *ids,
       guint            n)
{
  static const char *const special[] = { "[CLS]", "[SEP]", "[MASK]", "[DEC]" };
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < n; i++)
    if (ids[i] >= VOCABULARY)
      g_string_append (text, special[ids[i] - VOCABULARY]);
    else
      descry_tokenizer_decode (tokenizer, ids[i], text);
  return g_string_free (text, FALSE);
}

/* What the first stage reads of a picture: spec/lyrics.md 3.1, 3.2 and 4.2. */
static void
test_texts (void)
{
  const DescryTrainFormerShape shape = { .visual_queries = 2, .grounding_queries = 12, .per_object = 3, .visual_width = CHANNELS, .llm_width = WIDTH,
                                         .local_width = descry_connector_row_width (CHANNELS, DESCRY_TRAIN_OCTAVES), .vocabulary = VOCABULARY, .special_rows = 4, .positions = 192 };
  DescryTrainFormerShape narrow = shape;
  g_autofree float *means = g_new0 (float, shape.local_width), *inverse = g_new0 (float, shape.local_width);
  const DescryPictureStatistics statistics = { means, inverse, means, inverse };
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryGguf) gguf = descry_gguf_open (model, &error);
  DescryTokenizer *tokenizer = descry_tokenizer_new (gguf, &error);
  g_autoptr (DescryPictureSet) set = descry_picture_set_open (pictures, &error);
  DescryPictureTexts *texts = descry_picture_texts_new (tokenizer, NULL, gguf, set, &shape, &statistics, &error);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  guint hidden = 0, seen = 0, i, k, round;

  g_assert_no_error (error);
  for (i = 0; i < shape.local_width; i++)
    {
      means[i] = 0.5f;
      inverse[i] = 2.0f;
    }
  for (round = 0; round < 200; round++)
    {
      g_autoptr (DescryPicture) picture = descry_picture_set_get (set, DESCRY_SPLIT_TRAIN, round % 7, &error);
      g_autoptr (DescryPictureExample) example = descry_picture_example_new (texts, picture, rand, 0.0f, &error);
      const DescryStage1Example *it = &example->example;
      const DescryPictureObject *object = g_ptr_array_index (picture->objects, 0);
      g_autofree char *text = spell (tokenizer, it->text.ids, it->text.n), *start = g_strdup_printf ("[CLS] %s [ 0.", object->noun), *end = NULL;
      guint boxes = 0;

      g_assert_true (g_str_has_prefix (text, start));
      g_assert_true (g_str_has_suffix (text, " ][SEP]A red cup."));
      g_assert_cmpuint (it->caption.n, ==, it->text.n);
      g_assert_cmpint (it->caption.ids[0], ==, VOCABULARY + 3);
      g_assert_cmpmem (it->caption.ids + 1, (it->caption.n - 1) * sizeof (gint32), it->text.ids + 1, (it->text.n - 1) * sizeof (gint32));

      /* The row before says each of the caption's words, the last one its end; positions begin again. */
      for (i = 0; i < it->text.n; i++)
        if (it->text.ids[i] == VOCABULARY + 1)
          boxes = i + 1;
      for (i = 0; i < it->text.n; i++)
        {
          g_assert_cmpint (it->text.positions[i], ==, i < boxes ? i : i - boxes + 1);
          g_assert_cmpint (it->caption_targets[i], ==, i + 1 < boxes ? -1 : i + 1 < it->text.n ? it->text.ids[i + 1] : descry_tokenizer_eos (tokenizer));
        }

      /* Names and numbers are hidden whole, brackets never, and what is hidden is to be said. */
      for (i = 0; i < it->text.n; i++)
        {
          gboolean mask = it->masked.ids[i] == VOCABULARY + 2;

          g_assert_cmpint (it->masked_targets[i], ==, mask ? it->text.ids[i] : -1);
          g_assert_true (mask || it->masked.ids[i] == it->text.ids[i]);
          g_assert_false (mask && (i == 0 || i >= boxes || it->text.ids[i] == VOCABULARY + 1));
        }
      end = spell (tokenizer, it->masked.ids, it->masked.n);
      for (i = 0, k = 0; i < strlen (end); i++)
        k += end[i] == ']' && i > 0 && end[i - 1] == ' ';
      g_assert_cmpuint (k, ==, picture->objects->len);
      hidden += it->masked.ids[1] == VOCABULARY + 2;
      seen++;

      /* Two for the scene, then place, colour and noun of each. */
      g_assert_cmpuint (example->align->len, ==, 2 + 3 * picture->objects->len);
      g_assert_true ((picture->scene == NULL) == (it->align[0] < 0) && it->align[0] == it->align[1]);
      for (k = 0; k < picture->objects->len; k++)
        {
          object = g_ptr_array_index (picture->objects, k);
          g_assert_cmpint (descry_picture_texts_kind (texts, (guint) it->align[2 + 3 * k]), ==, DESCRY_WORD_PLACE);
          g_assert_true ((object->color == NULL) == (it->align[3 + 3 * k] < 0));
          g_assert_cmpint (descry_picture_texts_kind (texts, (guint) it->align[4 + 3 * k]), ==, DESCRY_WORD_NOUN);
        }
      for (i = 0; i < shape.local_width; i++)
        g_assert_cmpfloat (fabsf (it->picture.local[i] - (picture->rows[i] - 0.5f) * 2.0f), <, 1e-6f);
    }
  g_assert_cmpfloat (fabs ((double) hidden / seen - 0.15), <, 0.08);

  /* What is pointed at comes first, with its row; the rest keeps its order; nonsense is no harm. */
  {
    g_autoptr (DescryPicture) picture = descry_picture_set_get (set, DESCRY_SPLIT_TRAIN, 2, &error), plain = descry_picture_set_get (set, DESCRY_SPLIT_TRAIN, 2, &error);
    static const guint order[] = { 2, 0, 1 };

    g_assert_cmpuint (plain->objects->len, ==, 3);
    descry_picture_point (picture, (const guint[]) { 2, 2, 77 }, 3);
    g_assert_cmpuint (picture->objects->len, ==, 3);
    for (i = 0; i < 3; i++)
      {
        const DescryPictureObject *found = g_ptr_array_index (picture->objects, i), *expected = g_ptr_array_index (plain->objects, order[i]);

        g_assert_cmpfloat (found->box.x0, ==, expected->box.x0);
        g_assert_cmpmem (picture->rows + i * picture->row_width, picture->row_width * sizeof (float), plain->rows + order[i] * plain->row_width, plain->row_width * sizeof (float));
      }
  }

  /* Half of the features dropped: half of them zero, the others twice as large. */
  {
    g_autoptr (DescryPicture) picture = descry_picture_set_get (set, DESCRY_SPLIT_TRAIN, 0, &error);
    g_autoptr (DescryPictureExample) example = descry_picture_example_new (texts, picture, rand, 0.5f, &error);

    for (i = 0, k = 0; i < 49 * CHANNELS; i++)
      if (example->visual[i] == 0.0f)
        k++;
      else
        g_assert_cmpfloat (fabsf (example->visual[i] - (picture->grid[i] - 0.5f) * 4.0f), <, 1e-5f);
    g_assert_cmpfloat (fabs (k / (49.0 * CHANNELS) - 0.5), <, 0.1);
  }
  descry_picture_texts_free (texts);

  narrow.visual_width++;
  g_assert_null (descry_picture_texts_new (tokenizer, NULL, gguf, set, &narrow, &statistics, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  narrow = shape;
  narrow.special_rows = 0;
  g_assert_null (descry_picture_texts_new (tokenizer, NULL, gguf, set, &narrow, &statistics, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  descry_tokenizer_free (tokenizer);
}

/* Killed again and again until it comes to its end; @arguments resume and write @output. */
static void
run_disturbed (const char *const *arguments,
               gint64             whole_time)
{
  guint kills = 0;

  for (;;)
    {
      g_autoptr (GSubprocess) process = g_subprocess_newv (arguments, G_SUBPROCESS_FLAGS_STDERR_SILENCE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE, NULL);

      if (kills < STAGE_KILLS)
        {
          g_usleep (g_test_rand_double_range (0.2, 0.7) * whole_time);
          g_subprocess_force_exit (process);
        }
      g_subprocess_wait (process, NULL, NULL);
      if (!g_subprocess_get_if_signaled (process))
        {
          g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
          return;
        }
      kills++;
    }
}

static void
assert_same_files (const char *one,
                   const char *other)
{
  g_autofree char *expected = NULL, *found = NULL;
  gsize expected_size, found_size;

  g_assert_true (g_file_get_contents (one, &expected, &expected_size, NULL));
  g_assert_true (g_file_get_contents (other, &found, &found_size, NULL));
  g_assert_cmpmem (found, found_size, expected, expected_size);
}

/* Both stages of the connector: what they write, and the same to the bit after kills. */
static void
test_stages (void)
{
  OUTPUT (first);
  OUTPUT (first_again);
  OUTPUT (first_late);
  OUTPUT (second);
  OUTPUT (second_again);
  OUTPUT (adapters);
  OUTPUT (adapters_again);
  OUTPUT (stage_log);
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (DescryGguf) gguf = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  const char *program = g_getenv ("DESCRY_PROGRAM");
  gint64 start = g_get_monotonic_time ();
  gboolean untrained;

  DESCRY (&outcome, STAGE ("1", first, "--log", stage_log, NULL));
  if (is_without_device (&outcome))
    return;
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_true (g_file_get_contents (stage_log, &text, NULL, NULL));
  g_assert_true (g_str_has_prefix (text, "{\"step\":1,\"itc\":"));
  g_assert_nonnull (strstr (text, "\"msp\":"));
  g_assert_nonnull (strstr (text, "\"place\":"));
  run_disturbed ((const char *const[]) { program, STAGE ("1", first_again, "--resume"), NULL }, g_get_monotonic_time () - start);
  assert_same_files (first, first_again);

  /* Stopped between the last checkpoint and the output, for which there is a folder in the way. */
  g_assert_cmpint (g_mkdir (first_late, 0700), ==, 0);
  DESCRY (&outcome, STAGE ("1", first_late, NULL));
  g_assert_cmpint (outcome.status, !=, 0);
  g_assert_cmpint (g_rmdir (first_late), ==, 0);
  DESCRY (&outcome, STAGE ("1", first_late, "--resume"));
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_nonnull (strstr (outcome.err, "Resumed after step 8"));
  assert_same_files (first, first_late);

  /* The first stage alone is not fit for answers. */
  gguf = descry_gguf_open (first, &error);
  g_assert_no_error (error);
  g_assert_true (descry_gguf_get_bool (gguf, "general.untrained", &untrained, &error));
  g_assert_true (untrained);
  g_assert_nonnull (descry_gguf_find (gguf, "stage1.match.weight"));
  g_clear_pointer (&gguf, descry_gguf_free);

  DESCRY (&outcome, STAGE ("1", first, "--connector", first, "--evaluate", "1"));
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_nonnull (strstr (outcome.out, "\"word\":\"noun\""));

  start = g_get_monotonic_time ();
  DESCRY (&outcome, STAGE ("2", second, "--connector", first, "--adapter-output", adapters));
  g_assert_cmpint (outcome.status, ==, 0);
  run_disturbed ((const char *const[]) { program, STAGE ("2", second_again, "--connector", first, "--adapter-output", adapters_again, "--resume"), NULL },
                 g_get_monotonic_time () - start);
  assert_same_files (second, second_again);
  assert_same_files (adapters, adapters_again);
  gguf = descry_gguf_open (second, &error);
  g_assert_no_error (error);
  g_assert_true (descry_gguf_get_bool (gguf, "general.untrained", &untrained, &error));
  g_assert_false (untrained);
  g_assert_null (descry_gguf_find (gguf, "stage1.match.weight"));
  g_assert_true (g_str_has_prefix (descry_gguf_get_string (gguf, "general.description", &error), "Trained by Descry"));
}

/* A connector of the full-size layout, tiny: words of its own, queries that belong to no object. Metadata alone. */
static void
write_layout (const char      *path,
              DescryTokenizer *words, /* nullable: not in the file */
              guint            vocabulary)
{
  const guint row_width = descry_connector_row_width (CHANNELS, DESCRY_TRAIN_OCTAVES);
  const struct { const char *key; guint value; } numbers[] = {
    { "width", 32 }, { "layers", 2 }, { "heads", 2 }, { "feed_forward", 64 }, { "visual_queries", 4 }, { "grounding_queries", 8 }, { "visual_width", CHANNELS },
    { "local_width", row_width }, { "llm_width", WIDTH }, { "cross_attention_every", 2 }, { "positions", 128 }, { "vocabulary", vocabulary }, { "table_width", 32 },
  };
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  g_autofree float *zeros = g_new0 (float, row_width), *ones = g_new (float, row_width);
  g_autoptr (GError) error = NULL;
  guint i;

  for (i = 0; i < row_width; i++)
    ones[i] = 1.0f;
  descry_gguf_writer_set_string (writer, "general.architecture", "mq-former");
  for (i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autofree char *key = g_strconcat ("mq-former.", numbers[i].key, NULL);

      descry_gguf_writer_set_uint (writer, key, numbers[i].value);
    }
  descry_gguf_writer_set_float (writer, "mq-former.layer_norm_epsilon", 1e-12f);
  descry_gguf_writer_set_floats (writer, "connector.visual_mean", zeros, CHANNELS);
  descry_gguf_writer_set_floats (writer, "connector.visual_deviation", ones, CHANNELS);
  descry_gguf_writer_set_floats (writer, "connector.local_mean", zeros, row_width);
  descry_gguf_writer_set_floats (writer, "connector.local_deviation", ones, row_width);
  g_assert_true (words == NULL || descry_tokenizer_write_words (words, writer));
  g_assert_true (descry_gguf_writer_write (writer, path, &error));
}

/* The text of a layout with BERT's words, and both stages on it: words from the file or from a list are the same training. */
static void
test_own_words (void)
{
  static const char words[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n[\n]\n.\n0\n1\na\nred\ncup\ndog\nch\n##air\nwhat\ncolor\nis\nit\n?\nthere\n"
                              "##0\n##1\n##2\n##3\n##4\n##5\n##6\n##7\n##8\n##9\n2\n3\n4\n5\n6\n7\n8\n9\n";
  const guint size = 40; /* of the list; [DEC] is the row behind it, as in BLIP-2 */
  OUTPUT (list);
  OUTPUT (bare);
  OUTPUT (full);
  OUTPUT (from_list);
  OUTPUT (from_file);
  OUTPUT (second);
  OUTPUT (adapters);
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryTokenizer) tokenizer = NULL, mine = NULL, kept = NULL;
  g_autoptr (DescryGguf) gguf = descry_gguf_open (model, &error), saved = NULL;
  g_autoptr (DescryPictureSet) set = descry_picture_set_open (pictures, &error);

  g_assert_true (g_file_set_contents (list, words, -1, &error));
  tokenizer = descry_tokenizer_new (gguf, &error);
  mine = descry_tokenizer_new_words (list, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (descry_tokenizer_size (mine), ==, size);
  write_layout (bare, NULL, size + 1);
  write_layout (full, mine, size + 1);

  {
    DescryTrainFormerShape shape = { .visual_queries = 4, .grounding_queries = 8, .visual_width = CHANNELS, .llm_width = WIDTH,
                                     .local_width = descry_connector_row_width (CHANNELS, DESCRY_TRAIN_OCTAVES), .vocabulary = size + 1, .positions = 128 };
    g_autofree float *zeros = g_new0 (float, shape.local_width);
    const DescryPictureStatistics statistics = { zeros, zeros, zeros, zeros };
    g_autoptr (DescryPictureTexts) texts = descry_picture_texts_new (tokenizer, mine, gguf, set, &shape, &statistics, &error);
    g_autoptr (GRand) rand = g_rand_new_with_seed (3);
    g_autoptr (GArray) question = g_array_new (FALSE, FALSE, sizeof (gint32));
    g_autoptr (DescryPicture) picture = descry_picture_set_get (set, DESCRY_SPLIT_TRAIN, 0, &error);
    g_autoptr (DescryPictureExample) example = NULL;
    static const gint32 asked[] = { 2, 16, 17, 18, 19, 20, 3 }, captioned[] = { 3, 10, 11, 12, 7 };
    const DescryStage1Example *it;
    guint i;

    g_assert_no_error (error);
    example = descry_picture_example_new (texts, picture, rand, 0.0f, &error);
    it = &example->example;
    /* One cup: `[CLS] cup [ 0 . ### 0 . ### ... ] [SEP] a red cup .`, its end mark [SEP], for the caption [DEC] before all. */
    g_assert_cmpint (it->text.ids[0], ==, 2);
    g_assert_cmpint (it->text.ids[1], ==, 12);
    g_assert_cmpint (it->text.ids[2], ==, 5);
    g_assert_cmpint (it->text.ids[3], ==, 8);
    g_assert_cmpint (it->text.ids[4], ==, 7);
    g_assert_cmpmem (it->text.ids + it->text.n - 5, sizeof captioned, captioned, sizeof captioned);
    g_assert_cmpint (it->text.ids[it->text.n - 6], ==, 6);
    g_assert_cmpint (it->caption.ids[0], ==, (gint32) size);
    g_assert_cmpint (it->caption_targets[it->text.n - 1], ==, 3);
    for (i = 0; i < it->text.n; i++)
      g_assert_true (it->masked.ids[i] == it->text.ids[i] || it->masked.ids[i] == 4);
    descry_picture_texts_instruct (texts, "What COLOR is it?", 128, question);
    g_assert_cmpmem (question->data, question->len * sizeof (gint32), asked, sizeof asked);
    g_array_set_size (question, 0);
    descry_picture_texts_instruct (texts, "What color is it?", 4, question);
    g_assert_cmpuint (question->len, ==, 4);
    g_assert_cmpint (g_array_index (question, gint32, 3), ==, 3);

    shape.vocabulary = size; /* no row for [DEC] */
    g_assert_null (descry_picture_texts_new (tokenizer, mine, gguf, set, &shape, &statistics, &error));
    g_assert_cmpstr (error->message, ==, "The connector's words have no [DEC], and of 4 special rows it has 0");
    g_clear_error (&error);
  }

  DESCRY (&outcome, STAGE ("1", from_list, "--connector", bare, "--words", list));
  if (is_without_device (&outcome))
    return;
  g_assert_cmpint (outcome.status, ==, 0);
  DESCRY (&outcome, STAGE ("1", from_file, "--connector", full));
  g_assert_cmpint (outcome.status, ==, 0);
  saved = descry_gguf_open (from_list, &error);
  kept = descry_tokenizer_new (saved, &error);
  g_assert_no_error (error);
  g_assert_cmpint (descry_tokenizer_find (kept, "[MASK]"), ==, 4);
  {
    g_autoptr (DescryGguf) other = descry_gguf_open (from_file, &error);
    const DescryGgufTensor *one = descry_gguf_find (saved, "token_embd.weight"), *two = descry_gguf_find (other, "token_embd.weight");
    float *a = descry_gguf_read_f32 (saved, one, &error), *b = descry_gguf_read_f32 (other, two, &error);

    g_assert_cmpmem (a, (size + 1) * 32 * sizeof (float), b, (size + 1) * 32 * sizeof (float));
    descry_free (a);
    descry_free (b);
  }

  /* The words went with it; the second stage reads its questions with them. */
  DESCRY (&outcome, STAGE ("2", second, "--connector", from_list, "--adapter-output", adapters, "--instruct"));
  g_assert_cmpint (outcome.status, ==, 0);

  DESCRY (&outcome, STAGE ("1", from_list, "--words", list));
  g_assert_cmpint (outcome.status, !=, 0);
  g_assert_nonnull (strstr (outcome.err, "--words is for a connector with words of its own"));
  DESCRY (&outcome, STAGE ("1", second, "--connector", bare));
  g_assert_cmpint (outcome.status, !=, 0);
  g_assert_nonnull (strstr (outcome.err, "its file lacks a tokenizer of its own"));
}

/* The best is kept, and a training that gets no better ends. */
static void
test_patience (void)
{
  OUTPUT (patient);
  g_auto (Outcome) outcome = { 0 };

  DESCRY (&outcome, "train", "--stage", "1", "--data", pictures, "--model", model, "-o", patient, "--steps", "400", "--every", "1", "--batch", "3", "--width", "32", "--layers", "1",
          "--losses", "align", "--connector-rate", "0.3", "--patience", "2", "--exact", NULL);
  if (is_without_device (&outcome))
    return;
  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_nonnull (strstr (outcome.err, "No better"));
  g_assert_true (g_file_test (patient, G_FILE_TEST_EXISTS));
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
  DESCRY (&outcome, STAGE ("2", out, NULL));
  g_assert_cmpint (outcome.status, ==, 2);
  g_assert_nonnull (strstr (outcome.err, "--connector"));
  DESCRY (&outcome, STAGE ("1", out, "--losses", "itc,nonsense:2"));
  g_assert_cmpint (outcome.status, !=, 0);
  g_assert_nonnull (strstr (outcome.err, "nonsense"));
  DESCRY (&outcome, STAGE ("1", out, "--batch", "1000"));
  g_assert_cmpint (outcome.status, ==, 2);
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
  g_test_add_func ("/train/texts", test_texts);
  g_test_add_func ("/train/stages", test_stages);
  g_test_add_func ("/train/own-words", test_own_words);
  g_test_add_func ("/train/patience", test_patience);
  g_test_add_func ("/train/log", test_log);
  g_test_add_func ("/train/bad-log", test_bad_log);
  g_test_add_func ("/train/usage", test_usage);

  model = scratch_path ("model.gguf");
  write_model (model);
  pictures = scratch_path ("pictures.jsonl");
  write_pictures (pictures);

  status = scratch_run ();
  g_free (model);
  g_free (pictures);
  return status;
}
