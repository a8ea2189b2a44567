/* mq-former-train.c - outputs and gradients of tiny MQ-Formers against PyTorch in float64, and against differences
 *
 * Data: tests/golden/scripts/mq_former_train.py.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gstdio.h>

#include "compute/files/safetensors.h"
#include "compute/memory.h"
#include "compute/models/mq-former.h"
#include "compute/ops/provider.h"
#include "compute/train/mq-former-train.h"
#include "tests/ops/harness.h"

#define LIMIT 1e-6
#define MAX_PICTURES 8
#define MAX_SEQUENCES 8

typedef struct
{
  DescryDevice        *device;
  DescryGguf          *gguf, *words;
  DescrySafetensors   *golden;
  DescryTrainFormer   *former;
  DescryFormerPicture  pictures[MAX_PICTURES];
  DescryFormerSequence sequences[MAX_SEQUENCES];
  guint                n_pictures, n_sequences;
  GPtrArray           *owned; /* descry_free() */
} Fixture;

static char *
data_path (const char *format,
           const char *layout)
{
  g_autofree char *name = g_strdup_printf ("mq-former-%s%s", layout, format);

  return g_test_build_filename (G_TEST_DIST, "golden", "data", name, NULL);
}

static float *
read_floats (Fixture    *fixture,
             const char *name,
             guint64    *n)
{
  g_autoptr (GError) error = NULL;
  float *values = descry_safetensors_read_f32 (fixture->golden, name, n, &error);

  g_assert_no_error (error);
  g_ptr_array_add (fixture->owned, values);
  return values;
}

static gint32 *
read_ints (Fixture    *fixture,
           const char *name,
           guint64    *n)
{
  g_autoptr (GError) error = NULL;
  gint32 *values = descry_safetensors_read_i32 (fixture->golden, name, n, &error);

  g_assert_no_error (error);
  g_ptr_array_add (fixture->owned, values);
  return values;
}

static char *
key (char       *text,
     const char *name,
     guint       i,
     int         k)
{
  if (k < 0)
    g_snprintf (text, 64, "%s.%u", name, i);
  else
    g_snprintf (text, 64, "%s.%u.%d", name, i, k);
  return text;
}

static gboolean
open_fixture (Fixture    *fixture,
              const char *layout,
              DescryFamily family,
              gboolean    heads)
{
  g_autofree char *model = data_path (".gguf", layout), *words = data_path (".gguf", "words"), *middle = g_strconcat ("train-", layout, NULL);
  g_autofree char *golden = data_path (".safetensors", middle);
  const DescryTrainFormerOptions options = { .heads = heads, .contrast_width = 16, .seed = 3 };
  g_autoptr (GError) error = NULL;
  const gint32 *objects;
  guint64 n;
  char text[64];
  guint i, k;

  *fixture = (Fixture) { .device = open_test_device (family) };
  if (fixture->device == NULL)
    return FALSE;
  descry_ops_set_fast (fixture->device, FALSE);
  fixture->owned = g_ptr_array_new_with_free_func (descry_free);
  fixture->gguf = descry_gguf_open (model, &error);
  g_assert_no_error (error);
  fixture->words = descry_gguf_open (words, &error);
  g_assert_no_error (error);
  fixture->golden = descry_safetensors_open (golden, &error);
  g_assert_no_error (error);
  fixture->former = descry_train_former_new (fixture->device, fixture->gguf, fixture->words, &options, &error);
  g_assert_no_error (error);

  objects = read_ints (fixture, "objects", &n);
  fixture->n_pictures = n;
  for (i = 0; i < n; i++)
    {
      guint64 count;
      DescryFormerPicture *picture = &fixture->pictures[i];

      picture->visual = read_floats (fixture, key (text, "image", i, -1), &count);
      picture->n_visual = count / descry_train_former_shape (fixture->former)->visual_width;
      if (objects[i] > 0)
        picture->local = read_floats (fixture, key (text, "local", i, -1), &count);
      picture->n_local = objects[i];
    }
  while (descry_safetensors_find (fixture->golden, key (text, "sequence", fixture->n_sequences, -1)) != NULL)
    {
      DescryFormerSequence *sequence = &fixture->sequences[fixture->n_sequences];
      const gint32 *row = read_ints (fixture, text, &n);

      sequence->picture = row[0];
      sequence->n_texts = (n - 1) / 2;
      for (k = 0; k < sequence->n_texts; k++)
        {
          sequence->texts[k] = (DescryFormerText) { .kind = row[1 + 2 * k], .n = row[2 + 2 * k] };
          sequence->texts[k].ids = read_ints (fixture, key (text, "ids", fixture->n_sequences, k), &n);
          sequence->texts[k].positions = read_ints (fixture, key (text, "positions", fixture->n_sequences, k), &n);
        }
      fixture->n_sequences++;
    }
  return TRUE;
}

static void
close_fixture (Fixture *fixture)
{
  descry_train_former_free (fixture->former);
  descry_device_trim (fixture->device);
  g_assert_cmpuint (descry_device_stats (fixture->device)->live_bytes, ==, 0);
  descry_device_free (fixture->device);
  g_ptr_array_unref (fixture->owned);
  descry_safetensors_free (fixture->golden);
  descry_gguf_free (fixture->gguf);
  descry_gguf_free (fixture->words);
}

static void
expect_rows (DescryRun   *run,
             const char  *name,
             DescryTensor rows,
             const float *expected)
{
  gsize n = descry_tensor_count (rows), i;
  g_autofree float *found = g_new0 (float, n);
  g_autoptr (GError) error = NULL;
  double wrong = 0.0, power = 0.0;

  descry_run_read (run, rows, found, n);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  for (i = 0; i < n; i++)
    {
      wrong += pow ((double) found[i] - expected[i], 2);
      power += pow (expected[i], 2);
    }
  /* A bias that every key shares moves no attention: its gradient is zero but for rounding. */
  if (!(wrong <= LIMIT * MAX (power, 1e-2 * n)))
    g_error ("%s: NMSE %g over %g", name, wrong / power, LIMIT);
}

/* Visual and grounding rows of a sequence under each other. */
static DescryTensor
take_queries (DescryRun               *run,
              DescryTensor             x,
              const DescryFormerPlace *place)
{
  DescryTensor rows = descry_run_tensor2 (run, place->n_visual + place->n_grounding, descry_tensor_cols (x));

  op_copy (run, descry_tensor_slice (rows, 0, place->n_visual), descry_tensor_slice (x, place->visual, place->n_visual));
  if (place->n_grounding > 0)
    op_copy (run, descry_tensor_slice (rows, place->n_visual, place->n_grounding), descry_tensor_slice (x, place->grounding, place->n_grounding));
  return rows;
}

static void
put_queries (DescryRun               *run,
             DescryTensor             x,
             DescryTensor             rows,
             const DescryFormerPlace *place)
{
  op_copy (run, descry_tensor_slice (x, place->visual, place->n_visual), descry_tensor_slice (rows, 0, place->n_visual));
  if (place->n_grounding > 0)
    op_copy (run, descry_tensor_slice (x, place->grounding, place->n_grounding), descry_tensor_slice (rows, place->n_visual, place->n_grounding));
}

/* Forward, compared; the golden's weights as gradient; back. */
static void
run_golden (Fixture *fixture)
{
  const DescryTrainFormerShape *shape = descry_train_former_shape (fixture->former);
  g_autoptr (DescryRun) run = descry_run_new (fixture->device, NULL);
  g_autoptr (DescryFormerPass) pass = NULL;
  g_autoptr (GError) error = NULL;
  DescryTensor x, dx;
  char text[64];
  guint64 n;
  guint i, k;

  pass = descry_former_pass_new (fixture->former, run, fixture->pictures, fixture->n_pictures, fixture->sequences, fixture->n_sequences);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  x = descry_former_pass_output (pass);
  dx = descry_run_tensor2 (run, descry_former_pass_rows (pass), shape->width);
  for (i = 0; i < fixture->n_sequences; i++)
    {
      const DescryFormerPlace *place = descry_former_pass_place (pass, i);

      for (k = 0; k < fixture->sequences[i].n_texts; k++)
        {
          guint rows = fixture->sequences[i].texts[k].n;

          expect_rows (run, "text rows", descry_tensor_slice (x, place->text[k], rows), read_floats (fixture, key (text, "text_output", i, k), &n));
          descry_run_write (run, descry_tensor_slice (dx, place->text[k], rows), read_floats (fixture, key (text, "text_weight", i, k), &n), (gsize) rows * shape->width);
        }
      if (place->n_visual > 0)
        {
          guint rows = place->n_visual + place->n_grounding;
          DescryTensor queries = take_queries (run, x, place), dqueries = descry_run_tensor2 (run, rows, shape->width);
          DescryTensor soft = descry_run_tensor2 (run, rows, shape->llm_width), projected = descry_run_tensor2 (run, rows, shape->llm_width);

          expect_rows (run, "query rows", queries, read_floats (fixture, key (text, "query_output", i, -1), &n));
          descry_train_former_soft (fixture->former, run, soft, projected, queries);
          expect_rows (run, "soft tokens", soft, read_floats (fixture, key (text, "soft_output", i, -1), &n));
          descry_run_write (run, dqueries, read_floats (fixture, key (text, "query_weight", i, -1), &n), (gsize) rows * shape->width);
          descry_run_write (run, soft, read_floats (fixture, key (text, "soft_weight", i, -1), &n), (gsize) rows * shape->llm_width);
          descry_train_former_soft_backward (fixture->former, run, dqueries, soft, projected, queries, TRUE);
          put_queries (run, dx, dqueries, place);
        }
    }
  descry_former_pass_backward (pass, dx);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
}

/* Every gradient that the golden has. */
static void
compare_gradients (Fixture *fixture)
{
  g_autoptr (DescryRun) run = descry_run_new (fixture->device, NULL);
  guint seen = 0, i;

  for (i = 0; i < descry_gguf_n_tensors (fixture->gguf); i++)
    {
      const char *name = descry_gguf_tensor (fixture->gguf, i)->name;
      g_autofree char *full = g_strconcat ("gradient.", name, NULL);
      DescryTensor value, gradient;
      gboolean turned;
      guint64 n;
      float *expected;

      if (!descry_train_former_find (fixture->former, name, &value, &gradient, &turned))
        {
          g_assert_true (g_str_has_prefix (name, "soft_norm"));
          continue;
        }
      expected = read_floats (fixture, full, &n);
      g_assert_cmpuint (n, ==, descry_tensor_count (gradient));
      if (turned)
        {
          guint in = gradient.shape[0], out = gradient.shape[1], r, c;
          g_autofree float *own = g_new (float, n);

          for (r = 0; r < out; r++)
            for (c = 0; c < in; c++)
              own[c * out + r] = expected[r * in + c];
          expect_rows (run, name, gradient, own);
        }
      else
        expect_rows (run, name, gradient, expected);
      seen++;
    }
  g_assert_cmpuint (seen, >, 60);
}

typedef struct
{
  const char        *layout;
  DescryFamily       family;
  DescryGemmProvider provider;
} Case;

static void
test_gradients (gconstpointer data)
{
  const Case *it = data;
  Fixture fixture;

  if (!open_fixture (&fixture, it->layout, it->family, FALSE))
    return;
  descry_gemm_force (fixture.device, it->provider);
  run_golden (&fixture);
  compare_gradients (&fixture);
  close_fixture (&fixture);
}

/* Sum of the word head's losses over some text rows of the golden's first sequence. */
static double
word_loss (Fixture *fixture,
           gboolean gradients)
{
  static const gint32 targets[] = { 3, 17, 0, 41, 8, 22 };
  static const float scales[] = { 1.0f, 0.5f, 2.0f, 0.0f, 1.0f, 0.25f };
  g_autoptr (DescryRun) run = descry_run_new (fixture->device, NULL);
  g_autoptr (DescryFormerPass) pass = NULL;
  g_autoptr (GError) error = NULL;
  DescryTensor dx = { 0 }, part = { 0 };
  float losses[6] = { 0 };
  double sum = 0.0;
  guint i, at;

  pass = descry_former_pass_new (fixture->former, run, fixture->pictures, fixture->n_pictures, fixture->sequences, fixture->n_sequences);
  at = descry_former_pass_place (pass, 0)->text[0];
  if (gradients)
    {
      dx = descry_run_tensor2 (run, descry_former_pass_rows (pass), descry_train_former_shape (fixture->former)->width);
      op_fill (run, dx, 0.0f);
      part = descry_tensor_slice (dx, at, 6);
    }
  descry_train_former_words (fixture->former, run, descry_tensor_slice (descry_former_pass_output (pass), at, 6), targets, scales, 0.1f, part, losses);
  if (gradients)
    descry_former_pass_backward (pass, dx);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  for (i = 0; i < 6; i++)
    sum += scales[i] * losses[i];
  return sum;
}

/* The word head through the whole network: along the gradient the loss rises by its square. */
static void
test_word_head (gconstpointer layout)
{
  DescryParameters *parameters;
  g_autofree float *start = NULL, *gradient = NULL, *moved = NULL;
  g_autoptr (DescryRun) run = NULL;
  g_autoptr (GError) error = NULL;
  double squares = 0.0, above, below, step;
  Fixture fixture;
  guint i;

  if (!open_fixture (&fixture, layout, DESCRY_FAMILY_AUTO, TRUE))
    return;
  parameters = descry_train_former_parameters (fixture.former);
  word_loss (&fixture, TRUE);
  run = descry_run_new (fixture.device, NULL);
  start = g_new0 (float, parameters->n);
  gradient = g_new0 (float, parameters->n);
  moved = g_new (float, parameters->n);
  descry_run_read (run, parameters->values, start, parameters->n);
  descry_run_read (run, parameters->gradients, gradient, parameters->n);
  for (i = 0; i < parameters->n; i++)
    squares += (double) gradient[i] * gradient[i];
  g_assert_cmpfloat (squares, >, 1e-3);
  step = 2e-3 / sqrt (squares);
  for (i = 0; i < parameters->n; i++)
    moved[i] = (float) (start[i] + step * gradient[i]);
  descry_run_write (run, parameters->values, moved, parameters->n);
  above = word_loss (&fixture, FALSE);
  for (i = 0; i < parameters->n; i++)
    moved[i] = (float) (start[i] - step * gradient[i]);
  descry_run_write (run, parameters->values, moved, parameters->n);
  below = word_loss (&fixture, FALSE);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  g_test_message ("difference %g, square of the gradient %g", (above - below) / (2.0 * step), squares);
  g_assert_cmpfloat (fabs ((above - below) / (2.0 * step) - squares), <, 5e-3 * squares);
  g_clear_pointer (&run, descry_run_free);
  close_fixture (&fixture);
}

/* Saved and read again by the network that answers: the same soft tokens; and a file of metadata alone starts anew. */
static void
test_save (void)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "descry-test-former.gguf", NULL), *bare = g_build_filename (g_get_tmp_dir (), "descry-test-bare.gguf", NULL);
  g_autoptr (DescryGguf) saved = NULL, empty = NULL;
  g_autoptr (DescryMqFormer) reader = NULL;
  g_autoptr (DescryTrainFormer) none = NULL, again = NULL;
  g_autoptr (DescryRun) run = NULL;
  g_autoptr (GError) error = NULL;
  const DescryTrainFormerShape *shape;
  DescryTensor image, local, soft;
  Fixture fixture;
  guint64 n;

  if (!open_fixture (&fixture, "compact", DESCRY_FAMILY_AUTO, TRUE))
    return;
  shape = descry_train_former_shape (fixture.former);
  g_assert_true (descry_train_former_save (fixture.former, path, FALSE, TRUE, "tiny", TRUE, &error));
  saved = descry_gguf_open (path, &error);
  g_assert_no_error (error);
  g_assert_nonnull (descry_gguf_find (saved, "stage1.match.weight"));
  reader = descry_mq_former_new (fixture.device, saved, &error);
  g_assert_no_error (error);
  run = descry_run_new (fixture.device, NULL);
  image = descry_run_tensor2 (run, fixture.pictures[0].n_visual, shape->visual_width);
  local = descry_run_tensor2 (run, fixture.pictures[0].n_local, shape->local_width);
  descry_run_write (run, image, fixture.pictures[0].visual, descry_tensor_count (image));
  descry_run_write (run, local, fixture.pictures[0].local, descry_tensor_count (local));
  descry_mq_former_run (reader, run, image, local, NULL, 0, NULL, &soft);
  expect_rows (run, "soft tokens of the saved file", descry_tensor_slice (soft, 0, shape->visual_queries + shape->per_object * fixture.pictures[0].n_local),
               read_floats (&fixture, "soft_output.0", &n));
  g_clear_pointer (&run, descry_run_free);
  g_clear_pointer (&reader, descry_mq_former_free);

  {
    g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
    float *two = descry_try_alloc (shape->llm_width, sizeof (float)), *more = descry_try_alloc (shape->llm_width, sizeof (float));
    const guint64 dims[] = { shape->llm_width };

    descry_gguf_writer_copy_metadata (writer, saved);
    descry_gguf_writer_add (writer, "soft_norm.weight", DESCRY_GGML_F32, 1, dims, two, shape->llm_width * sizeof (float));
    descry_gguf_writer_add (writer, "soft_norm.bias", DESCRY_GGML_F32, 1, dims, more, shape->llm_width * sizeof (float));
    g_assert_true (descry_gguf_writer_write (writer, bare, &error));
  }
  empty = descry_gguf_open (bare, &error);
  g_assert_no_error (error);
  none = descry_train_former_new (fixture.device, empty, fixture.words, &(DescryTrainFormerOptions) { .heads = TRUE }, &error);
  g_assert_null (none);
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  again = descry_train_former_new (fixture.device, empty, fixture.words, &(DescryTrainFormerOptions) { .heads = TRUE, .fresh = TRUE, .contrast_width = 8 }, &error);
  g_assert_no_error (error);
  g_clear_pointer (&again, descry_train_former_free);
  g_unlink (path);
  g_unlink (bare);
  close_fixture (&fixture);
}

int
main (int    argc,
      char **argv)
{
  static const Case cases[] = {
    { "full", DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO }, { "full", DESCRY_FAMILY_CPU, DESCRY_GEMM_OWN }, { "full", DESCRY_FAMILY_GPU, DESCRY_GEMM_OWN },
    { "compact", DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO }, { "compact", DESCRY_FAMILY_CPU, DESCRY_GEMM_OWN }, { "compact", DESCRY_FAMILY_GPU, DESCRY_GEMM_OWN },
  };
  static const char *const names[] = { "full/auto", "full/own", "full/gpu", "compact/auto", "compact/own", "compact/gpu" };
  guint i;

  g_test_init (&argc, &argv, NULL);

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/golden/mq-former-train/", names[i], NULL);

      g_test_add_data_func (path, &cases[i], test_gradients);
    }
  g_test_add_data_func ("/golden/mq-former-train/words/full", "full", test_word_head);
  g_test_add_data_func ("/golden/mq-former-train/words/compact", "compact", test_word_head);
  g_test_add_func ("/golden/mq-former-train/save", test_save);

  return g_test_run ();
}
