/* mq-former-train.c - outputs and gradients of tiny MQ-Formers against PyTorch in float64, and against differences
 *
 * Data: tests/golden/scripts/mq_former_train.py.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gstdio.h>

#include "compute/models/mq-former.h"
#include "tests/golden/golden-former.h"

#define LIMIT 1e-6
#define MAX_PICTURES 8
#define MAX_SEQUENCES 8

typedef struct
{
  GoldenFormer         net;
  DescryFormerPicture  pictures[MAX_PICTURES];
  DescryFormerSequence sequences[MAX_SEQUENCES];
  guint                n_pictures, n_sequences;
} Fixture;

static gboolean
open_fixture (Fixture     *fixture,
              const char  *layout,
              DescryFamily family,
              gboolean     heads)
{
  g_autofree char *golden = g_strdup_printf ("mq-former-train-%s.safetensors", layout);
  const DescryTrainFormerOptions options = { .heads = heads, .contrast_width = 16, .seed = 3 };
  const gint32 *objects;
  guint64 n;
  guint i, k;

  *fixture = (Fixture) { 0 };
  if (!golden_former_open (&fixture->net, layout, golden, family, FALSE, &options))
    return FALSE;

  objects = golden_former_read (&fixture->net, FALSE, &n, "objects");
  fixture->n_pictures = n;
  for (i = 0; i < fixture->n_pictures; i++)
    {
      fixture->pictures[i] = golden_former_read_picture (&fixture->net, i);
      g_assert_cmpint (fixture->pictures[i].n_local, ==, objects[i]);
    }
  for (;; fixture->n_sequences++)
    {
      g_autofree char *name = g_strdup_printf ("sequence.%u", fixture->n_sequences);
      DescryFormerSequence *sequence = &fixture->sequences[fixture->n_sequences];
      const gint32 *row;

      if (descry_safetensors_find (fixture->net.golden, name) == NULL)
        return TRUE;
      row = golden_former_read (&fixture->net, FALSE, &n, "%s", name);

      sequence->picture = row[0];
      sequence->n_texts = (n - 1) / 2;
      for (k = 0; k < sequence->n_texts; k++)
        {
          sequence->texts[k] = (DescryFormerText) { .kind = row[1 + 2 * k], .n = row[2 + 2 * k] };
          sequence->texts[k].ids = golden_former_read (&fixture->net, FALSE, &n, "ids.%u.%u", fixture->n_sequences, k);
          sequence->texts[k].positions = golden_former_read (&fixture->net, FALSE, &n, "positions.%u.%u", fixture->n_sequences, k);
        }
    }
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
  const DescryTrainFormerShape *shape = descry_train_former_shape (fixture->net.former);
  g_autoptr (DescryRun) run = descry_run_new (fixture->net.device, NULL);
  g_autoptr (DescryFormerPass) pass = NULL;
  g_autoptr (GError) error = NULL;
  DescryTensor x, dx;
  guint64 n;
  guint i, k;

  pass = descry_former_pass_new (fixture->net.former, run, fixture->pictures, fixture->n_pictures, fixture->sequences, fixture->n_sequences);
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

          expect_rows (run, "text rows", descry_tensor_slice (x, place->text[k], rows), golden_former_read (&fixture->net, TRUE, &n, "text_output.%u.%u", i, k));
          descry_run_write (run, descry_tensor_slice (dx, place->text[k], rows), golden_former_read (&fixture->net, TRUE, &n, "text_weight.%u.%u", i, k), (gsize) rows * shape->width);
        }
      if (place->n_visual > 0)
        {
          guint rows = place->n_visual + place->n_grounding;
          DescryTensor queries = take_queries (run, x, place), dqueries = descry_run_tensor2 (run, rows, shape->width);
          DescryTensor soft = descry_run_tensor2 (run, rows, shape->llm_width), projected = descry_run_tensor2 (run, rows, shape->llm_width);

          expect_rows (run, "query rows", queries, golden_former_read (&fixture->net, TRUE, &n, "query_output.%u", i));
          descry_train_former_soft (fixture->net.former, run, soft, projected, queries);
          expect_rows (run, "soft tokens", soft, golden_former_read (&fixture->net, TRUE, &n, "soft_output.%u", i));
          descry_run_write (run, dqueries, golden_former_read (&fixture->net, TRUE, &n, "query_weight.%u", i), (gsize) rows * shape->width);
          descry_run_write (run, soft, golden_former_read (&fixture->net, TRUE, &n, "soft_weight.%u", i), (gsize) rows * shape->llm_width);
          descry_train_former_soft_backward (fixture->net.former, run, dqueries, soft, projected, queries, TRUE);
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
  g_autoptr (DescryRun) run = descry_run_new (fixture->net.device, NULL);
  guint seen = 0, i;

  for (i = 0; i < descry_gguf_n_tensors (fixture->net.gguf); i++)
    {
      const char *name = descry_gguf_tensor (fixture->net.gguf, i)->name;
      g_autofree char *full = g_strconcat ("gradient.", name, NULL);
      DescryTensor value, gradient;
      gboolean turned;
      guint64 n;
      float *expected;

      if (!descry_train_former_find (fixture->net.former, name, &value, &gradient, &turned))
        {
          g_assert_true (g_str_has_prefix (name, "soft_norm"));
          continue;
        }
      expected = golden_former_read (&fixture->net, TRUE, &n, "%s", full);
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
  descry_gemm_force (fixture.net.device, it->provider);
  run_golden (&fixture);
  compare_gradients (&fixture);
  golden_former_close (&fixture.net);
}

/* Sum of the word head's losses over some text rows of the golden's first sequence. */
static double
word_loss (Fixture *fixture,
           gboolean gradients)
{
  static const gint32 targets[] = { 3, 17, 0, 41, 8, 22 };
  static const float scales[] = { 1.0f, 0.5f, 2.0f, 0.0f, 1.0f, 0.25f };
  g_autoptr (DescryRun) run = descry_run_new (fixture->net.device, NULL);
  g_autoptr (DescryFormerPass) pass = NULL;
  g_autoptr (GError) error = NULL;
  DescryTensor dx = { 0 }, part = { 0 };
  float losses[6] = { 0 };
  double sum = 0.0;
  guint i, at;

  pass = descry_former_pass_new (fixture->net.former, run, fixture->pictures, fixture->n_pictures, fixture->sequences, fixture->n_sequences);
  at = descry_former_pass_place (pass, 0)->text[0];
  if (gradients)
    {
      dx = descry_run_tensor2 (run, descry_former_pass_rows (pass), descry_train_former_shape (fixture->net.former)->width);
      op_fill (run, dx, 0.0f);
      part = descry_tensor_slice (dx, at, 6);
    }
  descry_train_former_words (fixture->net.former, run, descry_tensor_slice (descry_former_pass_output (pass), at, 6), targets, scales, 0.1f, part, losses);
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
  parameters = descry_train_former_parameters (fixture.net.former);
  word_loss (&fixture, TRUE);
  run = descry_run_new (fixture.net.device, NULL);
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
  golden_former_close (&fixture.net);
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
  shape = descry_train_former_shape (fixture.net.former);
  g_assert_true (descry_train_former_save (fixture.net.former, path, FALSE, TRUE, "tiny", TRUE, &error));
  saved = descry_gguf_open (path, &error);
  g_assert_no_error (error);
  g_assert_nonnull (descry_gguf_find (saved, "stage1.match.weight"));
  reader = descry_mq_former_new (fixture.net.device, saved, &error);
  g_assert_no_error (error);
  run = descry_run_new (fixture.net.device, NULL);
  image = descry_run_tensor2 (run, fixture.pictures[0].n_visual, shape->visual_width);
  local = descry_run_tensor2 (run, fixture.pictures[0].n_local, shape->local_width);
  descry_run_write (run, image, fixture.pictures[0].visual, descry_tensor_count (image));
  descry_run_write (run, local, fixture.pictures[0].local, descry_tensor_count (local));
  descry_mq_former_run (reader, run, image, local, NULL, 0, NULL, &soft);
  expect_rows (run, "soft tokens of the saved file", descry_tensor_slice (soft, 0, shape->visual_queries + shape->per_object * fixture.pictures[0].n_local),
               golden_former_read (&fixture.net, TRUE, &n, "soft_output.0"));
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
  none = descry_train_former_new (fixture.net.device, empty, fixture.net.words, &(DescryTrainFormerOptions) { .heads = TRUE }, &error);
  g_assert_null (none);
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  again = descry_train_former_new (fixture.net.device, empty, fixture.net.words, &(DescryTrainFormerOptions) { .heads = TRUE, .fresh = TRUE, .contrast_width = 8 }, &error);
  g_assert_no_error (error);
  g_clear_pointer (&again, descry_train_former_free);
  g_unlink (path);
  g_unlink (bare);
  golden_former_close (&fixture.net);
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
