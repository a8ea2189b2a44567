/* lora.c - adapters trained on a tiny LLaMA follow PyTorch's loss curve
 *
 * The files are made by scripts/lora.py.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gstdio.h>

#include "compute/files/safetensors.h"
#include "compute/memory.h"
#include "compute/models/llama.h"
#include "compute/ops/provider.h"
#include "compute/train/llama-train.h"
#include "compute/train/optimiser.h"
#include "tests/ops/harness.h"

#define STEPS 50
#define PER_STEP 3
#define RELATIVE 1e-3

typedef struct
{
  DescryDevice       *device;
  DescryTrainLlama   *model;
  DescryGguf         *gguf;
  float              *start, *losses, *norms, *final_a, *final_b;
  gint32             *ids;
  GArray             *examples; /* of DescryTrainExample */
} Fixture;

static DescryLoraConfig config = { .rank = 4, .alpha = 8.0f, .rows = 48, .answers = 16 };
static const DescrySchedule schedule = { .rate = 1e-2f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = 0.01f, .clip = 1.0f, .warm_up = 5, .steps = STEPS };

static void
set_start (Fixture *fixture)
{
  DescryParameters *parameters = descry_train_llama_parameters (fixture->model);
  g_autoptr (DescryRun) run = descry_run_new (fixture->device, NULL);
  g_autoptr (GError) error = NULL;

  descry_run_write (run, parameters->values, fixture->start, parameters->n);
  op_fill (run, parameters->m, 0.0f);
  op_fill (run, parameters->v, 0.0f);
  op_fill (run, parameters->gradients, 0.0f);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
}

static gboolean
open_fixture (Fixture           *fixture,
              DescryFamily       family,
              DescryGemmProvider provider)
{
  g_autofree char *folder = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "golden", "train", NULL);
  g_autofree char *model = g_build_filename (folder, "tiny-llama.gguf", NULL), *reference = g_build_filename (folder, "lora.safetensors", NULL);
  g_autoptr (DescrySafetensors) file = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gint32 *nothing = NULL;
  gint32 *lengths, *firsts;
  guint64 n, count, i, at = 0;

  *fixture = (Fixture) { .device = open_test_device (family) };
  if (fixture->device == NULL)
    return FALSE;
  descry_ops_set_fast (fixture->device, FALSE);
  descry_gemm_force (fixture->device, provider); /* the model asks when it is made */

  file = descry_safetensors_open (reference, &error);
  g_assert_no_error (error);
  fixture->start = descry_safetensors_read_f32 (file, "start", &n, &error);
  fixture->losses = descry_safetensors_read_f32 (file, "losses", &count, &error);
  g_assert_cmpuint (count, ==, STEPS);
  fixture->norms = descry_safetensors_read_f32 (file, "norms", &count, &error);
  fixture->final_a = descry_safetensors_read_f32 (file, "final_q_a", &count, &error);
  fixture->final_b = descry_safetensors_read_f32 (file, "final_q_b_turned", &count, &error);
  fixture->ids = descry_safetensors_read_i32 (file, "ids", &count, &error);
  firsts = descry_safetensors_read_i32 (file, "firsts", &count, &error);
  lengths = descry_safetensors_read_i32 (file, "lengths", &count, &error);
  g_assert_no_error (error);

  fixture->examples = g_array_new (FALSE, FALSE, sizeof (DescryTrainExample));
  for (i = 0; i < count; i++)
    {
      DescryTrainExample example = { fixture->ids + at, lengths[i], firsts[i] };

      g_array_append_val (fixture->examples, example);
      at += lengths[i];
    }
  descry_free (firsts);
  descry_free (lengths);

  fixture->gguf = descry_gguf_open (model, &error);
  g_assert_no_error (error);
  fixture->model = descry_train_llama_new (fixture->device, fixture->gguf, &config, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (descry_train_llama_parameters (fixture->model)->n, ==, n);
  g_assert_cmpuint (descry_train_llama_parameters (fixture->model)->used, ==, n);
  set_start (fixture);

  return TRUE;
}

static void
close_fixture (Fixture *fixture)
{
  guint64 live;

  descry_train_llama_free (fixture->model);
  descry_gguf_free (fixture->gguf);
  descry_device_trim (fixture->device);
  live = descry_device_stats (fixture->device)->live_bytes;
  g_assert_cmpuint (live, ==, 0);
  descry_device_free (fixture->device);
  g_array_unref (fixture->examples);
  descry_free (fixture->start);
  descry_free (fixture->losses);
  descry_free (fixture->norms);
  descry_free (fixture->final_a);
  descry_free (fixture->final_b);
  descry_free (fixture->ids);
}

static double
train_step (Fixture *fixture,
            guint    step,
            double  *norm)
{
  DescryTrainExample picked[PER_STEP];
  g_autoptr (GError) error = NULL;
  double loss;
  guint i;

  for (i = 0; i < PER_STEP; i++)
    picked[i] = g_array_index (fixture->examples, DescryTrainExample, (step * PER_STEP + i) % fixture->examples->len);
  descry_train_llama_loss (fixture->model, picked, PER_STEP, TRUE, NULL, &loss, &error);
  g_assert_no_error (error);
  descry_optimiser_step (descry_train_llama_parameters (fixture->model), &schedule, step, norm, &error);
  g_assert_no_error (error);

  return loss;
}

static float *
read_values (Fixture     *fixture,
             DescryTensor tensor)
{
  g_autoptr (DescryRun) run = descry_run_new (fixture->device, NULL);
  g_autoptr (GError) error = NULL;
  float *values = g_new0 (float, descry_tensor_count (tensor));

  descry_run_read (run, tensor, values, descry_tensor_count (tensor));
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  return values;
}

static void
follow_curve (DescryFamily       family,
              DescryGemmProvider provider)
{
  Fixture fixture;
  guint step;

  if (!open_fixture (&fixture, family, provider))
    return;

  for (step = 1; step <= STEPS; step++)
    {
      double norm, loss = train_step (&fixture, step, &norm);

      if (fabs (loss - fixture.losses[step - 1]) > RELATIVE * fixture.losses[step - 1] || fabs (norm - fixture.norms[step - 1]) > 1e-2 * fixture.norms[step - 1])
        g_error ("step %u: loss %g, expected %g; norm %g, expected %g", step, loss, fixture.losses[step - 1], norm, fixture.norms[step - 1]);
    }

  /* The parameters of the first layer's Q: A first; B^T after the A of all three. */
  {
    DescryTensor values = descry_train_llama_parameters (fixture.model)->values;
    g_autofree float *found = read_values (&fixture, values);
    double wrong = 0.0, power = 0.0;
    guint i;

    for (i = 0; i < 4 * 32; i++)
      {
        wrong += pow (found[i] - fixture.final_a[i], 2) + pow (found[3 * 4 * 32 + i] - fixture.final_b[i], 2);
        power += pow (fixture.final_a[i], 2) + pow (fixture.final_b[i], 2);
      }
    g_assert_cmpfloat (wrong, <, 1e-4 * power);
  }
  close_fixture (&fixture);
}

static void
test_curve (void)
{
  follow_curve (DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO);
}

static void
test_curve_own (void)
{
  follow_curve (DESCRY_FAMILY_AUTO, DESCRY_GEMM_OWN);
}

static void
test_curve_gpu (void)
{
  follow_curve (DESCRY_FAMILY_GPU, DESCRY_GEMM_OWN);
}

static void
test_curve_recomputed (void)
{
  config.recompute = TRUE;
  follow_curve (DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO);
  config.recompute = FALSE;
}

/* Stopped at any step and resumed from the file: the same bits as without the stop. */
static void
test_resume (void)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "descry-test-checkpoint.gguf", NULL);
  g_autofree float *whole = NULL;
  g_autoptr (GError) error = NULL;
  Fixture fixture;
  double norm;
  guint step, stop;

  if (!open_fixture (&fixture, DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO))
    return;
  for (step = 1; step <= 6; step++)
    train_step (&fixture, step, &norm);
  whole = read_values (&fixture, descry_train_llama_parameters (fixture.model)->values);

  for (stop = 0; stop < 6; stop += 2)
    {
      DescryParameters *parameters = descry_train_llama_parameters (fixture.model);
      g_autofree float *again = NULL;
      DescryCheckpoint at = { 99, 99.0 };

      set_start (&fixture);
      for (step = 1; step <= stop; step++)
        train_step (&fixture, step, &norm);
      descry_checkpoint_save (&parameters, 1, &(DescryCheckpoint) { stop, 0.5 }, "tiny", path, &error);
      g_assert_no_error (error);
      set_start (&fixture);
      train_step (&fixture, 1, &norm); /* something else in between */

      g_assert_false (descry_checkpoint_load (&parameters, 1, &at, "another", path, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
      g_clear_error (&error);
      descry_checkpoint_load (&parameters, 1, &at, "tiny", path, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (at.step, ==, stop);
      g_assert_cmpfloat (at.best, ==, 0.5);
      for (step = at.step + 1; step <= 6; step++)
        train_step (&fixture, step, &norm);
      again = read_values (&fixture, parameters->values);
      g_assert_cmpmem (again, parameters->n * sizeof (float), whole, parameters->n * sizeof (float));
    }
  g_unlink (path);
  close_fixture (&fixture);
}

static void
test_refusals (void)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "descry-test-adapter.gguf", NULL);
  static const gint32 ids[] = { 1, 2, 99 };
  DescryTrainExample wrong[] = { { ids, 3, 1 }, { ids, 2, 2 }, { ids, 2, 0 } };
  g_autoptr (DescryGguf) saved = NULL;
  g_autoptr (GError) error = NULL;
  Fixture fixture;
  double loss;
  guint i;

  if (!open_fixture (&fixture, DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO))
    return;
  for (i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_assert_false (descry_train_llama_loss (fixture.model, &wrong[i], 1, TRUE, NULL, &loss, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
      g_clear_error (&error);
    }
  /* Rows of four examples at most. */
  g_assert_cmpuint (descry_train_llama_fit (fixture.model, (DescryTrainExample *) (void *) fixture.examples->data, fixture.examples->len), <, 8);

  descry_train_llama_save (fixture.model, path, "a test", &error);
  g_assert_no_error (error);
  saved = descry_gguf_open (path, &error);
  g_assert_no_error (error);
  g_assert_nonnull (descry_gguf_want (saved, "blk.1.ffn_down.weight.lora_a", 2, (const guint64[]) { 48, 4 }, &error));
  g_assert_nonnull (descry_gguf_want (saved, "blk.0.attn_k.weight.lora_b", 2, (const guint64[]) { 4, 16 }, &error));
  g_assert_no_error (error);
  g_unlink (path);
  close_fixture (&fixture);
}

/* Soft tokens in front, trained jointly with the adapters: loss and norm of their gradient as PyTorch's. */
static void
test_soft (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "golden", "train", "soft.safetensors", NULL);
  g_autoptr (DescrySafetensors) file = NULL;
  g_autoptr (DescryRun) run = NULL;
  g_autoptr (GError) error = NULL;
  DescryParameters soft = { 0 };
  DescryTensor value, gradient;
  float *start, *losses, *norms;
  Fixture fixture;
  guint64 n;
  guint step, i;

  if (!open_fixture (&fixture, DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO))
    return;
  file = descry_safetensors_open (path, &error);
  g_assert_no_error (error);
  start = descry_safetensors_read_f32 (file, "soft", &n, &error);
  losses = descry_safetensors_read_f32 (file, "losses", NULL, &error);
  norms = descry_safetensors_read_f32 (file, "norms", NULL, &error);
  g_assert_no_error (error);
  g_assert_true (descry_parameters_init (&soft, fixture.device, (guint) n, &error));
  descry_parameters_take (&soft, 6, (guint) n / 6, &value, &gradient);
  run = descry_run_new (fixture.device, NULL);
  descry_run_write (run, value, start, n);
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  g_clear_pointer (&run, descry_run_free);

  for (step = 1; step <= STEPS; step++)
    {
      DescryTrainExample picked[PER_STEP];
      double loss, norm;

      for (i = 0; i < PER_STEP; i++)
        {
          guint which = (step * PER_STEP + i) % fixture.examples->len;

          picked[i] = g_array_index (fixture.examples, DescryTrainExample, which);
          picked[i].first_target = MAX (picked[i].first_target, 4);
          picked[i].soft_at = 1;
          picked[i].n_soft = 3;
          picked[i].soft_first = 3 * (which % 2);
        }
      descry_train_llama_loss_soft (fixture.model, picked, PER_STEP, value, gradient, TRUE, NULL, &loss, &error);
      g_assert_no_error (error);
      descry_optimiser_step (descry_train_llama_parameters (fixture.model), &schedule, step, &norm, &error);
      g_assert_no_error (error);
      descry_optimiser_step (&soft, &schedule, step, &norm, &error);
      g_assert_no_error (error);
      if (fabs (loss - losses[step - 1]) > RELATIVE * losses[step - 1] || fabs (norm - norms[step - 1]) > 1e-2 * norms[step - 1])
        g_error ("step %u: loss %g, expected %g; norm %g, expected %g", step, loss, losses[step - 1], norm, norms[step - 1]);
    }

  /* Rows that are not there, and soft tokens inside the answer. */
  {
    DescryTrainExample wrong = g_array_index (fixture.examples, DescryTrainExample, 0);
    double loss;

    wrong.n_soft = 3;
    wrong.soft_first = 4;
    g_assert_false (descry_train_llama_loss_soft (fixture.model, &wrong, 1, value, gradient, FALSE, NULL, &loss, &error));
    g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
    g_clear_error (&error);
    wrong.soft_first = 0;
    wrong.soft_at = wrong.first_target;
    g_assert_false (descry_train_llama_loss_soft (fixture.model, &wrong, 1, value, gradient, FALSE, NULL, &loss, &error));
    g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  }
  descry_parameters_clear (&soft);
  descry_free (start);
  descry_free (losses);
  descry_free (norms);
  close_fixture (&fixture);
}

/* The saved adapters, merged into the model that answers: the loss of the model that was trained. */
static void
test_merged (void)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "descry-test-merged.gguf", NULL);
  g_autofree char *base = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "golden", "train", "tiny-llama.gguf", NULL);
  g_autoptr (DescryGguf) gguf = NULL, adapter = NULL;
  g_autoptr (DescryLlama) merged = NULL;
  g_autoptr (DescryLlamaSession) session = NULL;
  g_autoptr (GError) error = NULL;
  const DescryTrainExample *example;
  g_autofree float *logits = NULL;
  double norm, expected, loss = 0.0;
  Fixture fixture;
  guint step, i, j;

  if (!open_fixture (&fixture, DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO))
    return;
  for (step = 1; step <= 10; step++)
    train_step (&fixture, step, &norm);
  example = &g_array_index (fixture.examples, DescryTrainExample, 0);
  descry_train_llama_loss (fixture.model, example, 1, FALSE, NULL, &expected, &error);
  g_assert_no_error (error);
  descry_train_llama_save (fixture.model, path, "a test", &error);
  g_assert_no_error (error);

  gguf = descry_gguf_open (base, &error);
  g_assert_no_error (error);
  adapter = descry_gguf_open (path, &error);
  g_assert_no_error (error);
  g_assert_null (descry_llama_new_adapted (fixture.device, gguf, gguf, NULL, NULL, NULL, &error)); /* no adapter */
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  merged = descry_llama_new_adapted (fixture.device, gguf, adapter, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  session = descry_llama_session_new (merged, 64, &error);
  g_assert_no_error (error);
  logits = g_new (float, (gsize) example->n * 60);
  descry_llama_logits (session, example->ids, example->n, NULL, logits, &error);
  g_assert_no_error (error);
  for (i = example->first_target; i < example->n; i++)
    {
      const float *row = logits + (gsize) (i - 1) * 60;
      double total = 0.0;

      for (j = 0; j < 60; j++)
        total += exp (row[j]);
      loss += (log (total) - row[example->ids[i]]) / (example->n - example->first_target);
    }
  /* Merged weights are Q8_0, the cache is f16. */
  g_assert_cmpfloat (fabs (loss - expected), <, 0.05 * expected);

  g_clear_pointer (&session, descry_llama_session_free);
  g_clear_pointer (&merged, descry_llama_free);
  g_unlink (path);
  close_fixture (&fixture);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/golden/lora/curve", test_curve);
  g_test_add_func ("/golden/lora/curve-own", test_curve_own);
  g_test_add_func ("/golden/lora/curve-gpu", test_curve_gpu);
  g_test_add_func ("/golden/lora/curve-recomputed", test_curve_recomputed);
  g_test_add_func ("/golden/lora/resume", test_resume);
  g_test_add_func ("/golden/lora/refusals", test_refusals);
  g_test_add_func ("/golden/lora/soft", test_soft);
  g_test_add_func ("/golden/lora/merged", test_merged);

  return g_test_run ();
}
