/* stage1.c - the first stage's losses, apart and together, follow PyTorch's curves on tiny MQ-Formers
 *
 * Data: tests/golden/scripts/stage1.py.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/train/optimiser.h"
#include "compute/train/stage1.h"
#include "tests/golden/golden-former.h"

#define STEPS 50
#define PER_STEP 3
#define POOL 7
#define RELATIVE 1e-3
#define LEARN_STEPS 200
#define LEARN_LAST 20 /* steps that are averaged */
#define LEARN_RATE 3e-3f

static DescrySchedule schedule = { .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = 0.05f, .clip = 1.0f, .warm_up = 5, .steps = STEPS };

typedef struct
{
  GoldenFormer        net;
  DescryStage1Config  config;
  DescryStage1Example pool[POOL];
  const gint32       *draws; /* [STEPS, PER_STEP, 2] */
} Fixture;

/* The golden's starting values of the heads, which the file lacks. */
static void
set_heads (Fixture *fixture)
{
  static const char *const names[] = { "visual_projection.weight", "visual_projection.bias", "text_projection.weight", "text_projection.bias", "match.weight", "match.bias",
                                       "temperature", "word_dense.weight", "word_dense.bias", "word_norm.weight", "word_norm.bias", "word_bias" };
  g_autoptr (DescryRun) run = descry_run_new (fixture->net.device, NULL);
  g_autoptr (GError) error = NULL;
  guint i, r, c;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *name = g_strconcat ("stage1.", names[i], NULL), *start = g_strconcat ("start.", name, NULL);
      DescryTensor value, gradient;
      g_autofree float *own = NULL;
      gboolean turned;
      guint64 n;
      const float *values = golden_former_read (&fixture->net, TRUE, &n, "%s", start);

      g_assert_true (descry_train_former_find (fixture->net.former, name, &value, &gradient, &turned));
      g_assert_cmpuint (descry_tensor_count (value), ==, n);
      own = g_new (float, n);
      for (r = 0; r < value.shape[0]; r++)
        for (c = 0; c < value.shape[1]; c++)
          own[r * value.shape[1] + c] = turned ? values[c * value.shape[0] + r] : values[r * value.shape[1] + c];
      descry_run_write (run, value, own, n);
    }
  descry_run_finish (run, &error);
  g_assert_no_error (error);
}

static gboolean
open_fixture (Fixture     *fixture,
              const char  *layout,
              DescryFamily family)
{
  g_autofree char *golden = g_strdup_printf ("stage1-%s.safetensors", layout);
  const DescryTrainFormerOptions options = { .heads = TRUE, .contrast_width = 16 };
  const DescryTrainFormerShape *shape;
  g_autoptr (GError) error = NULL;
  const float *values;
  g_autoptr (DescryRun) run = NULL;
  guint64 n;
  guint i;

  *fixture = (Fixture) { 0 };
  if (!golden_former_open (&fixture->net, layout, golden, family, FALSE, &options))
    return FALSE;
  set_heads (fixture);

  shape = descry_train_former_shape (fixture->net.former);
  fixture->config = (DescryStage1Config) { .smoothing = 0.1f, .align_temperature = 0.06f };
  values = golden_former_read (&fixture->net, TRUE, &n, "words");
  g_assert_true (descry_stage1_words (fixture->net.device, values, n / shape->llm_width, shape->llm_width, &fixture->config.words, &error));
  g_assert_true (descry_tensor_alloc (fixture->net.device, &fixture->config.centre, DESCRY_F32, 2, (const guint[]) { 1, shape->llm_width }, &error));
  run = descry_run_new (fixture->net.device, NULL);
  descry_run_write (run, fixture->config.centre, golden_former_read (&fixture->net, TRUE, &n, "centre"), shape->llm_width);
  g_assert_true (descry_run_finish (run, &error));
  schedule.rate = ((const float *) golden_former_read (&fixture->net, TRUE, &n, "rate"))[0];
  fixture->draws = golden_former_read (&fixture->net, FALSE, &n, "draws");
  g_assert_cmpuint (n, ==, STEPS * PER_STEP * 2);

  for (i = 0; i < POOL; i++)
    {
      DescryStage1Example *example = &fixture->pool[i];

      example->picture = golden_former_read_picture (&fixture->net, i);
      example->text.ids = golden_former_read (&fixture->net, FALSE, &n, "text.%u", i);
      example->text.n = n;
      example->caption.ids = golden_former_read (&fixture->net, FALSE, &n, "caption.%u", i);
      example->caption.n = n;
      example->caption_targets = golden_former_read (&fixture->net, FALSE, &n, "caption_targets.%u", i);
      example->masked.ids = golden_former_read (&fixture->net, FALSE, &n, "masked.%u", i);
      example->masked.n = n;
      example->masked_targets = golden_former_read (&fixture->net, FALSE, &n, "masked_targets.%u", i);
      example->align = golden_former_read (&fixture->net, FALSE, &n, "align.%u", i);
    }
  return TRUE;
}

static void
close_fixture (Fixture *fixture)
{
  descry_tensor_free (fixture->net.device, &fixture->config.words);
  descry_tensor_free (fixture->net.device, &fixture->config.centre);
  golden_former_close (&fixture->net);
}

static void
train_step (Fixture *fixture,
            guint    step,
            double   losses[DESCRY_STAGE1_LOSSES])
{
  DescryStage1Example batch[PER_STEP];
  guint negatives[PER_STEP][2], i;
  g_autoptr (GError) error = NULL;
  double norm;

  for (i = 0; i < PER_STEP; i++)
    {
      batch[i] = fixture->pool[(step * PER_STEP + i) % POOL];
      negatives[i][0] = fixture->draws[((step - 1) * PER_STEP + i) * 2];
      negatives[i][1] = fixture->draws[((step - 1) * PER_STEP + i) * 2 + 1];
    }
  descry_stage1_loss (fixture->net.former, &fixture->config, batch, PER_STEP, NULL, (const guint (*)[2]) negatives, TRUE, NULL, losses, &error);
  g_assert_no_error (error);
  descry_optimiser_step (descry_train_former_parameters (fixture->net.former), &schedule, step, &norm, &error);
  g_assert_no_error (error);
}

typedef struct
{
  const char  *layout, *curve;
  DescryFamily family;
  int          only; /* -1: all */
} Case;

static void
test_curve (gconstpointer data)
{
  const Case *it = data;
  g_autofree char *name = g_strconcat ("curve.", it->curve, NULL);
  const float *expected;
  double worst = 0.0;
  Fixture fixture;
  guint64 n;
  guint step, i;

  if (!open_fixture (&fixture, it->layout, it->family))
    return;
  if (it->family != DESCRY_FAMILY_AUTO)
    descry_gemm_force (fixture.net.device, DESCRY_GEMM_OWN);
  expected = golden_former_read (&fixture.net, TRUE, &n, "%s", name);
  g_assert_cmpuint (n, ==, STEPS * DESCRY_STAGE1_LOSSES);
  for (i = 0; i < DESCRY_STAGE1_LOSSES; i++)
    fixture.config.weights[i] = it->only < 0 || (guint) it->only == i ? 1.0f : 0.0f;

  for (step = 1; step <= STEPS; step++)
    {
      double losses[DESCRY_STAGE1_LOSSES];

      train_step (&fixture, step, losses);
      for (i = 0; i < DESCRY_STAGE1_LOSSES; i++)
        {
          double wanted = expected[(step - 1) * DESCRY_STAGE1_LOSSES + i], off = fabs (losses[i] - wanted);

          worst = MAX (worst, wanted > 0.0 ? off / wanted : off);
          if (!(off <= RELATIVE * wanted))
            g_error ("%s, step %u: %s is %g, expected %g", it->curve, step, descry_stage1_name (i), losses[i], wanted);
        }
    }
  g_test_message ("largest relative difference of %u steps: %.1e", STEPS, worst);
  close_fixture (&fixture);
}

/* The draw follows its weights and never takes the own one; a batch of one has neither contrast nor match. */
static void
test_draw (void)
{
  const double scores[] = { 2.0, 0.0, 1.0, -60.0 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  guint counts[4] = { 0 }, i;
  double losses[DESCRY_STAGE1_LOSSES], share;
  g_autoptr (GError) error = NULL;
  Fixture fixture;

  for (i = 0; i < 20000; i++)
    counts[descry_stage1_draw (scores, 4, 0, rand)]++;
  g_assert_cmpuint (counts[0], ==, 0);
  share = counts[2] / 20000.0;
  g_assert_cmpfloat (fabs (share - exp (1.0) / (1.0 + exp (1.0))), <, 0.02);
  g_assert_cmpuint (counts[3], >, 0); /* the floor */
  g_assert_cmpuint (counts[3], <, 60);

  if (!open_fixture (&fixture, "compact", DESCRY_FAMILY_AUTO))
    return;
  for (i = 0; i < DESCRY_STAGE1_LOSSES; i++)
    fixture.config.weights[i] = 1.0f;
  g_assert_true (descry_stage1_loss (fixture.net.former, &fixture.config, fixture.pool + 1, 1, rand, NULL, FALSE, NULL, losses, &error));
  g_assert_cmpfloat (losses[DESCRY_STAGE1_CONTRAST], ==, 0.0);
  g_assert_cmpfloat (losses[DESCRY_STAGE1_MATCH], ==, 0.0);
  g_assert_cmpfloat (losses[DESCRY_STAGE1_CAPTION], >, 0.0);
  g_assert_true (descry_stage1_loss (fixture.net.former, &fixture.config, fixture.pool, POOL, rand, NULL, FALSE, NULL, losses, &error));
  g_assert_cmpfloat (losses[DESCRY_STAGE1_MATCH], >, 0.0);
  /* A term without anything to predict is 0, not NaN: no element of the first example is hidden. */
  g_assert_true (descry_stage1_loss (fixture.net.former, &fixture.config, fixture.pool, 1, rand, NULL, TRUE, NULL, losses, &error));
  g_assert_cmpfloat (losses[DESCRY_STAGE1_MASKED], ==, 0.0);
  close_fixture (&fixture);
}

static void
set_weights (Fixture *fixture,
             gboolean contrast,
             gboolean texts)
{
  fixture->config.weights[DESCRY_STAGE1_CONTRAST] = fixture->config.weights[DESCRY_STAGE1_MATCH] = contrast ? 1.0f : 0.0f;
  fixture->config.weights[DESCRY_STAGE1_CAPTION] = fixture->config.weights[DESCRY_STAGE1_MASKED] = texts ? 1.0f : 0.0f;
}

/* A few pairs can be told apart by heart: contrast and match must leave chance, far. */
static void
test_learn (void)
{
  const DescrySchedule quick = { .rate = LEARN_RATE, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .clip = 1.0f, .warm_up = 10, .steps = LEARN_STEPS };
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  double losses[DESCRY_STAGE1_LOSSES], late[2] = { 0.0, 0.0 }, norm;
  g_autoptr (GError) error = NULL;
  Fixture fixture;
  guint step;

  if (!open_fixture (&fixture, "compact", DESCRY_FAMILY_AUTO))
    return;
  set_weights (&fixture, TRUE, FALSE);
  for (step = 1; step <= LEARN_STEPS; step++)
    {
      descry_stage1_loss (fixture.net.former, &fixture.config, fixture.pool, POOL, rand, NULL, TRUE, NULL, losses, &error);
      g_assert_no_error (error);
      descry_optimiser_step (descry_train_former_parameters (fixture.net.former), &quick, step, &norm, &error);
      g_assert_no_error (error);
      if (step > LEARN_STEPS - LEARN_LAST)
        {
          late[0] += losses[DESCRY_STAGE1_CONTRAST] / LEARN_LAST;
          late[1] += losses[DESCRY_STAGE1_MATCH] / LEARN_LAST;
        }
    }
  g_test_message ("after %u steps: contrast %.3f (chance %.3f), match %.3f (chance %.3f)", LEARN_STEPS, late[0], log (POOL), late[1], log (3.0) - 2.0 / 3.0 * log (2.0));
  g_assert_cmpfloat (late[0], <, 0.5 * log (POOL));
  g_assert_cmpfloat (late[1], <, 0.3);
  close_fixture (&fixture);
}

static double
gradient_of (Fixture *fixture,
             guint    times,
             double   losses[DESCRY_STAGE1_LOSSES],
             float   *gradient)
{
  DescryParameters *parameters = descry_train_former_parameters (fixture->net.former);
  g_autofree DescryStage1Example *batch = g_new (DescryStage1Example, times * POOL);
  g_autoptr (DescryRun) run = descry_run_new (fixture->net.device, NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (GError) error = NULL;
  double squares = 0.0;
  guint i;

  for (i = 0; i < times * POOL; i++)
    batch[i] = fixture->pool[i % POOL];
  op_fill (run, parameters->gradients, 0.0f);
  g_assert_true (descry_stage1_loss (fixture->net.former, &fixture->config, batch, times * POOL, rand, NULL, TRUE, NULL, losses, &error));
  descry_run_read (run, parameters->gradients, gradient, parameters->n);
  g_assert_true (descry_run_finish (run, &error));
  for (i = 0; i < parameters->n; i++)
    squares += (double) gradient[i] * gradient[i];
  return squares;
}

/* A batch goes through in parts: one with every example three times has the losses and the gradient of one with each once. */
static void
test_parts (void)
{
  double once[DESCRY_STAGE1_LOSSES], thrice[DESCRY_STAGE1_LOSSES], squares, off = 0.0;
  g_autofree float *one = NULL, *three = NULL;
  Fixture fixture;
  guint n, i;

  if (!open_fixture (&fixture, "compact", DESCRY_FAMILY_AUTO))
    return;
  set_weights (&fixture, FALSE, TRUE);
  n = descry_train_former_parameters (fixture.net.former)->n;
  one = g_new (float, n);
  three = g_new (float, n);
  squares = gradient_of (&fixture, 1, once, one);
  gradient_of (&fixture, 3, thrice, three);
  for (i = 0; i < DESCRY_STAGE1_LOSSES; i++)
    g_assert_cmpfloat (fabs (once[i] - thrice[i]), <=, 1e-5 * once[i]);
  g_assert_cmpfloat (once[DESCRY_STAGE1_MASKED], >, 0.0);
  for (i = 0; i < n; i++)
    off += ((double) one[i] - three[i]) * ((double) one[i] - three[i]);
  g_assert_cmpfloat (off, <=, 1e-8 * squares);
  close_fixture (&fixture);
}

int
main (int    argc,
      char **argv)
{
  static const Case cases[] = {
    { "compact", "itc", DESCRY_FAMILY_AUTO, DESCRY_STAGE1_CONTRAST }, { "compact", "itm", DESCRY_FAMILY_AUTO, DESCRY_STAGE1_MATCH },
    { "compact", "icg", DESCRY_FAMILY_AUTO, DESCRY_STAGE1_CAPTION }, { "compact", "msp", DESCRY_FAMILY_AUTO, DESCRY_STAGE1_MASKED },
    { "compact", "align", DESCRY_FAMILY_AUTO, DESCRY_STAGE1_ALIGN }, { "compact", "all", DESCRY_FAMILY_AUTO, -1 },
    { "compact", "all", DESCRY_FAMILY_GPU, -1 }, { "full", "all", DESCRY_FAMILY_AUTO, -1 },
  };
  guint i;

  g_test_init (&argc, &argv, NULL);

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/golden/stage1/%s/%s%s", cases[i].layout, cases[i].curve, cases[i].family == DESCRY_FAMILY_GPU ? "-gpu" : "");

      g_test_add_data_func (path, &cases[i], test_curve);
    }
  g_test_add_func ("/golden/stage1/draw", test_draw);
  g_test_add_func ("/golden/stage1/learn", test_learn);
  g_test_add_func ("/golden/stage1/parts", test_parts);

  return g_test_run ();
}
