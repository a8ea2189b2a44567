/* stage2.c - the second stage follows PyTorch's curves: former and adapters of tiny networks learn together
 *
 * Data: tests/golden/scripts/stage2.py.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gstdio.h>

#include "compute/train/optimiser.h"
#include "compute/train/stage2.h"
#include "tests/golden/golden-former.h"

#define STEPS 50
#define POOL 5
#define TEXTS 3
#define PER_STEP 2
#define RELATIVE 1e-3

typedef struct
{
  DescryFormerPicture  picture;
  const gint32        *align;
  DescryStage2Example  questions[2];
  DescryFormerText     instructions[2];
} Picture;

typedef struct
{
  GoldenFormer       net;
  DescryGguf        *language;
  DescryTrainLlama  *llama;
  DescryStage1Config config;
  Picture            pool[POOL];
  DescryStage2Example texts[TEXTS];
} Fixture;

static void
read_picture (Fixture *fixture,
              guint    i)
{
  Picture *picture = &fixture->pool[i];
  const gint32 *places;
  guint64 n;
  guint k;

  picture->picture = golden_former_read_picture (&fixture->net, i);
  picture->align = golden_former_read (&fixture->net, FALSE, &n, "align.%u", i);
  for (k = 0; k < 2; k++)
    {
      picture->questions[k].ids = golden_former_read (&fixture->net, FALSE, &n, "ids.%u.%u", i, k);
      picture->questions[k].n = n;
      places = golden_former_read (&fixture->net, FALSE, &n, "places.%u.%u", i, k);
      picture->questions[k].first_target = places[0];
      picture->questions[k].soft_at = places[1];
      picture->instructions[k].ids = golden_former_read (&fixture->net, FALSE, &n, "instruction.%u.%u", i, k);
      picture->instructions[k].n = n;
    }
}

static gboolean
open_fixture (Fixture     *fixture,
              DescryFamily family)
{
  g_autofree char *language = golden_former_path ("stage2-llama.gguf");
  const DescryTrainFormerOptions options = { 0 };
  const DescryLoraConfig lora = { .rank = 4, .alpha = 8.0f, .rows = 96, .answers = 32 };
  const DescryTrainFormerShape *shape;
  g_autoptr (DescryRun) run = NULL;
  g_autoptr (GError) error = NULL;
  const float *values;
  guint64 n;
  guint i;

  *fixture = (Fixture) { 0 };
  if (!golden_former_open (&fixture->net, "compact", "stage2.safetensors", family, family != DESCRY_FAMILY_AUTO, &options))
    return FALSE;
  fixture->language = descry_gguf_open (language, &error);
  g_assert_no_error (error);
  fixture->llama = descry_train_llama_new (fixture->net.device, fixture->language, &lora, &error);
  g_assert_no_error (error);

  shape = descry_train_former_shape (fixture->net.former);
  fixture->config = (DescryStage1Config) { .align_temperature = 0.06f };
  fixture->config.weights[DESCRY_STAGE1_ALIGN] = 0.3f;
  values = golden_former_read (&fixture->net, TRUE, &n, "words");
  g_assert_true (descry_stage1_words (fixture->net.device, values, n / shape->llm_width, shape->llm_width, &fixture->config.words, &error));
  g_assert_true (descry_tensor_alloc (fixture->net.device, &fixture->config.centre, DESCRY_F32, 2, (const guint[]) { 1, shape->llm_width }, &error));
  run = descry_run_new (fixture->net.device, NULL);
  descry_run_write (run, fixture->config.centre, golden_former_read (&fixture->net, TRUE, &n, "centre"), shape->llm_width);
  values = golden_former_read (&fixture->net, TRUE, &n, "adapters");
  g_assert_cmpuint (n, ==, descry_train_llama_parameters (fixture->llama)->n);
  descry_run_write (run, descry_train_llama_parameters (fixture->llama)->values, values, n);
  g_assert_true (descry_run_finish (run, &error));
  for (i = 0; i < POOL; i++)
    read_picture (fixture, i);
  for (i = 0; i < TEXTS; i++)
    {
      fixture->texts[i] = (DescryStage2Example) { .ids = golden_former_read (&fixture->net, FALSE, &n, "text.%u", i), .first_target = 4, .sequence = -1 };
      fixture->texts[i].n = n;
    }
  return TRUE;
}

static void
close_fixture (Fixture *fixture)
{
  descry_tensor_free (fixture->net.device, &fixture->config.words);
  descry_tensor_free (fixture->net.device, &fixture->config.centre);
  descry_train_llama_free (fixture->llama);
  golden_former_close (&fixture->net);
  descry_gguf_free (fixture->language);
}

/* Two pictures with two questions each, and a text without a picture. */
static void
compute_loss (Fixture            *fixture,
              guint               step,
              gboolean            instructed,
              gboolean            gradients,
              DescryStage2Losses *losses)
{
  DescryFormerPicture pictures[PER_STEP];
  DescryStage2Sequence sequences[2 * PER_STEP] = { 0 };
  DescryStage2Example examples[2 * PER_STEP + 1];
  g_autoptr (GError) error = NULL;
  guint i, k, n = 0;

  for (i = 0; i < PER_STEP; i++)
    {
      const Picture *picture = &fixture->pool[(PER_STEP * step + i) % POOL];

      pictures[i] = picture->picture;
      if (!instructed)
        sequences[n++] = (DescryStage2Sequence) { .picture = i, .align = picture->align };
      for (k = 0; k < 2; k++)
        {
          if (instructed)
            sequences[n++] = (DescryStage2Sequence) { .picture = i, .align = picture->align, .instruction = picture->instructions[k] };
          examples[2 * i + k] = picture->questions[k];
          examples[2 * i + k].sequence = (int) n - 1;
        }
    }
  examples[2 * PER_STEP] = fixture->texts[step % TEXTS];
  descry_stage2_loss (fixture->net.former, fixture->llama, &fixture->config, pictures, PER_STEP, sequences, n, examples, G_N_ELEMENTS (examples), gradients, NULL, losses, &error);
  g_assert_no_error (error);
}

typedef struct
{
  const char  *curve;
  gboolean     instructed;
  DescryFamily family;
} Case;

static void
test_curve (gconstpointer data)
{
  const Case *it = data;
  DescrySchedule schedule = { .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .clip = 1.0f, .warm_up = 5, .steps = STEPS };
  const float *expected, *rates;
  double worst = 0.0;
  Fixture fixture;
  guint64 n;
  guint step, i;

  if (!open_fixture (&fixture, it->family))
    return;
  expected = golden_former_read (&fixture.net, TRUE, &n, "curve.%s", it->curve);
  g_assert_cmpuint (n, ==, 2 * STEPS);
  rates = golden_former_read (&fixture.net, TRUE, &n, "rates.%s", it->curve);

  for (step = 1; step <= STEPS; step++)
    {
      g_autoptr (GError) error = NULL;
      DescryStage2Losses losses, again;
      double norm;

      compute_loss (&fixture, step, it->instructed, TRUE, &losses);
      /* Without gradients the same. */
      compute_loss (&fixture, step, it->instructed, FALSE, &again);
      g_assert_cmpfloat (fabs (again.answer - losses.answer), <=, 1e-5 * losses.answer);
      for (i = 0; i < 2; i++)
        {
          double wanted = expected[2 * (step - 1) + i], found = i == 0 ? losses.answer : losses.align;

          worst = MAX (worst, fabs (found - wanted) / wanted);
          if (!(fabs (found - wanted) <= RELATIVE * wanted))
            g_error ("%s, step %u: %s is %g, expected %g", it->curve, step, i == 0 ? "answer" : "align", found, wanted);
        }
      schedule.rate = rates[0];
      schedule.decay = 0.05f;
      descry_optimiser_step (descry_train_former_parameters (fixture.net.former), &schedule, step, &norm, &error);
      g_assert_no_error (error);
      schedule.rate = rates[1];
      schedule.decay = 0.0f;
      descry_optimiser_step (descry_train_llama_parameters (fixture.llama), &schedule, step, &norm, &error);
      g_assert_no_error (error);
    }
  g_test_message ("largest relative difference of %u steps: %.1e", STEPS, worst);
  close_fixture (&fixture);
}

/* Adapters written and read again are the same but for f16. */
static void
test_adapters (void)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "descry-test-stage2-adapters.gguf", NULL);
  g_autoptr (DescryGguf) file = NULL;
  g_autoptr (DescryRun) run = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *found = NULL;
  const float *expected;
  Fixture fixture;
  guint64 n, i;

  if (!open_fixture (&fixture, DESCRY_FAMILY_AUTO))
    return;
  expected = golden_former_read (&fixture.net, TRUE, &n, "adapters");
  descry_train_llama_save (fixture.llama, path, "tiny", &error);
  g_assert_no_error (error);
  file = descry_gguf_open (path, &error);
  g_assert_no_error (error);
  run = descry_run_new (fixture.net.device, NULL);
  op_fill (run, descry_train_llama_parameters (fixture.llama)->values, 7.0f);
  g_assert_true (descry_run_finish (run, &error));
  descry_train_llama_load (fixture.llama, file, &error);
  g_assert_no_error (error);
  found = g_new (float, n);
  descry_run_read (run, descry_train_llama_parameters (fixture.llama)->values, found, n);
  g_assert_true (descry_run_finish (run, &error));
  for (i = 0; i < n; i++)
    g_assert_cmpfloat (fabs (found[i] - expected[i]), <=, 5e-4 * fabs (expected[i]) + 1e-7);
  g_clear_pointer (&run, descry_run_free);
  g_remove (path);
  close_fixture (&fixture);
}

int
main (int    argc,
      char **argv)
{
  static const Case cases[] = { { "plain", FALSE, DESCRY_FAMILY_AUTO }, { "plain", FALSE, DESCRY_FAMILY_GPU }, { "instructed", TRUE, DESCRY_FAMILY_AUTO } };
  guint i;

  g_test_init (&argc, &argv, NULL);

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/golden/stage2/%s%s", cases[i].curve, cases[i].family == DESCRY_FAMILY_GPU ? "-gpu" : "");

      g_test_add_data_func (path, &cases[i], test_curve);
    }
  g_test_add_func ("/golden/stage2/adapters", test_adapters);

  return g_test_run ();
}
