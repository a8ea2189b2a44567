/* connector.c - from a scene and image tokens to soft tokens, and every reason to have none
 *
 * Data: tests/golden/scripts/mq_former.py; its weights are random, so the file says untrained.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/files/safetensors.h"
#include "compute/lyrics/connector.h"
#include "compute/memory.h"
#include "tests/ops/harness.h"

#define LIMIT 1e-6
#define WIDTH 24 /* of the tiny language model */

static char *
data_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "golden", "data", name, NULL);
}

typedef struct
{
  DescryDevice      *device;
  DescryGguf        *gguf, *llm;
  DescrySafetensors *golden;
} Fixture;

/* FALSE after g_test_skip(). */
static gboolean
open_fixture (Fixture *f)
{
  g_autofree char *model = data_path ("mq-former-compact.gguf"), *words = data_path ("mq-former-words.gguf"), *golden = data_path ("mq-former-compact.safetensors");
  g_autoptr (GError) error = NULL;

  *f = (Fixture) { 0 };
  f->device = open_test_device (DESCRY_FAMILY_AUTO);
  if (f->device == NULL)
    return FALSE;
  f->gguf = descry_gguf_open (model, &error);
  g_assert_no_error (error);
  f->llm = descry_gguf_open (words, &error);
  g_assert_no_error (error);
  f->golden = descry_safetensors_open (golden, &error);
  g_assert_no_error (error);
  return TRUE;
}

static void
close_fixture (Fixture *f)
{
  g_clear_pointer (&f->golden, descry_safetensors_free);
  g_clear_pointer (&f->llm, descry_gguf_free);
  g_clear_pointer (&f->gguf, descry_gguf_free);
  g_clear_pointer (&f->device, descry_device_free);
}

static void
compare (const Fixture *f,
         const char    *name,
         const float   *found,
         guint64        count)
{
  guint64 n = 0, i;
  float *expected = descry_safetensors_read_f32 (f->golden, name, &n, NULL);
  g_autofree double *wide = g_new (double, count);

  g_assert_cmpuint (n, >=, count);
  for (i = 0; i < count; i++)
    wide[i] = expected[i];
  assert_nmse (name, found, wide, count, LIMIT);
  descry_free (expected);
}

static DescryScene *
make_scene (const Fixture *f)
{
  DescryScene *scene = descry_scene_new (640, 480);
  float *boxes = descry_safetensors_read_f32 (f->golden, "scene.boxes", NULL, NULL), *scores = descry_safetensors_read_f32 (f->golden, "scene.scores", NULL, NULL);
  float *colors = descry_safetensors_read_f32 (f->golden, "scene.colors", NULL, NULL), *features = descry_safetensors_read_f32 (f->golden, "scene.features", NULL, NULL);
  guint i;

  for (i = 0; i < 6; i++)
    {
      DescryObject *object = g_new0 (DescryObject, 1);

      object->id = i + 1;
      object->name = g_strdup ("thing");
      object->score = scores[i];
      memcpy (&object->box, boxes + 4 * i, sizeof object->box);
      memcpy (object->color, colors + 3 * i, sizeof object->color);
      object->feature = g_memdup2 (features + 4 * i, 4 * sizeof (float));
      object->n_feature = 4;
      g_ptr_array_add (scene->objects, object);
    }
  descry_free (boxes);
  descry_free (scores);
  descry_free (colors);
  descry_free (features);
  return scene;
}

static DescryTokens *
make_tokens (const Fixture *f)
{
  DescryTokens *tokens = g_new0 (DescryTokens, 1);

  g_atomic_ref_count_init (&tokens->refs);
  tokens->height = tokens->width = 3;
  tokens->channels = 20;
  tokens->values = descry_safetensors_read_f32 (f->golden, "scene.image_tokens", NULL, NULL);
  return tokens;
}

static void
test_soft_tokens (void)
{
  Fixture f;
  g_autoptr (DescryConnector) connector = NULL;
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryTokens) tokens = NULL;
  g_autoptr (DescrySoftTokens) soft = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *reason = NULL;
  float *rows;
  guint n;

  if (!open_fixture (&f))
    return;
  connector = descry_connector_new (f.device, f.gguf, f.llm, WIDTH, TRUE, &reason, &error);
  g_assert_no_error (error);
  g_assert_null (reason);
  scene = make_scene (&f);
  tokens = make_tokens (&f);

  /* Five of six: one is below the threshold. */
  rows = descry_connector_local_tokens (connector, scene, 0.5f, NULL, 0, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 5);
  compare (&f, "scene.local_tokens", rows, n * 21);
  descry_free (rows);

  /* What is pointed at comes first, the rest in its order; an object below the threshold is told when it is pointed at. */
  {
    const guint pointed[] = { ((DescryObject *) g_ptr_array_index (scene->objects, 2))->id, 9999 };
    float *plain = descry_connector_local_tokens (connector, scene, 0.0f, NULL, 0, &n, &error);
    guint n_pointed;

    rows = descry_connector_local_tokens (connector, scene, 0.0f, pointed, 2, &n_pointed, &error);
    g_assert_cmpuint (n_pointed, ==, n);
    g_assert_cmpmem (rows, 21 * sizeof (float), plain + 2 * 21, 21 * sizeof (float));
    g_assert_cmpmem (rows + 21, 2 * 21 * sizeof (float), plain, 2 * 21 * sizeof (float));
    g_assert_cmpmem (rows + 3 * 21, (n - 3) * 21 * sizeof (float), plain + 3 * 21, (n - 3) * 21 * sizeof (float));
    descry_free (rows);
    rows = descry_connector_local_tokens (connector, scene, 2.0f, pointed, 2, &n_pointed, &error);
    g_assert_cmpuint (n_pointed, ==, 1);
    descry_free (rows);
    descry_free (plain);
  }

  /* All nine grounding queries have an object. */
  soft = descry_connector_run (connector, tokens, scene, 0.5f, NULL, 0, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soft->n, ==, 2 + 9);
  g_assert_cmpuint (soft->width, ==, WIDTH);
  compare (&f, "scene.soft_tokens", soft->values, soft->n * WIDTH);
  g_clear_pointer (&soft, descry_soft_tokens_unref);

  /* One object, and none: only the rows that have something to say. */
  soft = descry_connector_run (connector, tokens, scene, 0.85f, NULL, 0, NULL, &error);
  g_assert_cmpuint (soft->n, ==, 2 + 3);
  g_clear_pointer (&soft, descry_soft_tokens_unref);
  soft = descry_connector_run (connector, tokens, NULL, 0.5f, NULL, 0, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soft->n, ==, 2);

  g_clear_pointer (&connector, descry_connector_free);
  close_fixture (&f);
}

/* A scene read back from JSON has no features: they count as average, and nothing fails. */
static void
test_no_features (void)
{
  Fixture f;
  g_autoptr (DescryConnector) connector = NULL;
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *reason = NULL;
  float *rows;
  guint n, i;

  if (!open_fixture (&f))
    return;
  connector = descry_connector_new (f.device, f.gguf, NULL, 0, TRUE, &reason, &error);
  g_assert_no_error (error);
  scene = make_scene (&f);
  g_clear_pointer (&((DescryObject *) g_ptr_array_index (scene->objects, 0))->feature, g_free);
  rows = descry_connector_local_tokens (connector, scene, 0.5f, NULL, 0, &n, &error);
  for (i = 0; i < 4; i++)
    g_assert_cmpfloat (rows[i], ==, 0.0f);
  descry_free (rows);

  g_clear_pointer (&connector, descry_connector_free);
  close_fixture (&f);
}

static void
test_reasons (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;
  g_autofree char *untrained = NULL, *other_width = NULL, *other_model = NULL, *empty = NULL;
  DescryBundle bundle = { 0 };

  if (!open_fixture (&f))
    return;

  g_assert_null (descry_connector_new (f.device, f.gguf, f.llm, WIDTH, FALSE, &untrained, &error));
  g_assert_no_error (error);
  g_assert_nonnull (strstr (untrained, "not been trained"));

  g_assert_null (descry_connector_new (f.device, f.gguf, f.llm, 576, TRUE, &other_width, &error));
  g_assert_no_error (error);
  g_assert_nonnull (strstr (other_width, "576"));

  /* The connector's own file as the language model: another name. */
  g_assert_null (descry_connector_new (f.device, f.gguf, f.gguf, WIDTH, TRUE, &other_model, &error));
  g_assert_no_error (error);
  g_assert_nonnull (strstr (other_model, "was trained for"));

  bundle.missing[DESCRY_SLOT_CONNECTOR] = (char *) "nobody has trained one";
  g_assert_null (descry_connector_open (f.device, &bundle, f.llm, WIDTH, &empty, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (empty, ==, "nobody has trained one");

  close_fixture (&f);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/golden/connector/soft-tokens", test_soft_tokens);
  g_test_add_func ("/golden/connector/no-features", test_no_features);
  g_test_add_func ("/golden/connector/reasons", test_reasons);

  return g_test_run ();
}
