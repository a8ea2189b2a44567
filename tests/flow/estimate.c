/* estimate.c - the memory foretold for each network against what the device reports after its work
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "compute/lyrics/estimate.h"
#include "compute/lyrics/refiner.h"
#include "tests/flow/flow.h"

static gboolean
work (DescryPipeline *pipeline,
      DescryImage    *image,
      DescrySlot      slot,
      GError        **error)
{
  g_autoptr (DescryRefiner) refiner = descry_refiner_new (pipeline, image, "photo.jpg", error);
  DescryLanguage *language;
  gint32 ids[DESCRY_PIPELINE_CONTEXT / 2];
  guint i;

  if (refiner == NULL)
    return FALSE;

  switch (slot)
    {
    case DESCRY_SLOT_TAGGER:
      return descry_refiner_tag (refiner, NULL, error);

    case DESCRY_SLOT_DETECTOR: /* which names its boxes by the tagger */
      return descry_refiner_detect (refiner, NULL, error);

    case DESCRY_SLOT_SEGMENTER:
      return descry_refiner_segment (refiner, (DescryBox) { 235, 175, 235, 175 }, NULL, error) != 0;

    default:
      language = descry_pipeline_language (pipeline, NULL, error);
      for (i = 0; i < G_N_ELEMENTS (ids); i++)
        ids[i] = 1000 + i % 1000;
      return language != NULL && descry_llama_prompt (language->session, ids, G_N_ELEMENTS (ids), NULL, NULL, NULL, NULL, error);
    }
}

/* What the slots so far need: an estimate may be above the peak, for drivers differ, but not below. */
static void
test_estimate (void)
{
  const DescrySlot slots[] = { DESCRY_SLOT_TAGGER, DESCRY_SLOT_DETECTOR, DESCRY_SLOT_SEGMENTER, DESCRY_SLOT_LLM };
  g_autofree char *folder = find_bundle (), *photo = folder != NULL ? find_photo ("messi5.jpg") : NULL;
  g_autoptr (DescryImage) image = NULL;
  g_autoptr (DescryBundle) bundle = NULL;
  g_autoptr (DescryDevice) device = NULL;
  g_autoptr (DescryPipeline) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  DescryEstimate all;
  guint64 sum = 0, most = 0;
  guint i, j;

  if (photo == NULL)
    return;
  device = descry_device_open (NULL, DESCRY_FAMILY_AUTO, &error);
  if (device == NULL)
    {
      g_test_skip (error->message);
      return;
    }

  image = descry_image_load (photo, NULL, &error);
  g_assert_no_error (error);
  bundle = descry_bundle_open (folder, &error);
  g_assert_no_error (error);
  pipeline = descry_pipeline_new (device, descry_bundle_open (folder, NULL), NULL, NULL);
  for (i = 0; i < G_N_ELEMENTS (slots); i++)
    {
      GPtrArray *files = bundle->slots[slots[i]];
      guint64 peak;

      for (j = 0; j < files->len; j++)
        {
          DescryEstimate one;

          g_assert_true (descry_estimate_file (((DescryBundleFile *) g_ptr_array_index (files, j))->path, TRUE, &one, &error));
          g_assert_no_error (error);
          sum += one.weights + one.cache;
          most = MAX (most, one.work);
          g_assert_true (one.weights == 0 || (one.largest > 0 && one.work > 0));
        }
      descry_device_trim (device);
      g_assert_true (work (pipeline, image, slots[i], &error));
      g_assert_no_error (error);
      peak = descry_device_stats (device)->peak_bytes;
      g_test_message ("with the %s: %.1f MiB foretold, %.1f MiB at most so far, %.1f MiB now", descry_slot_name (slots[i]), (sum + most) / 1048576.0,
                      peak / 1048576.0, descry_device_stats (device)->live_bytes / 1048576.0);
      g_assert_cmpuint (sum + most, >=, peak);
    }
  g_assert_cmpuint (sum + most, <, 4 * descry_device_stats (device)->peak_bytes);

  descry_estimate_bundle (bundle, TRUE, &all);
  g_assert_cmpuint (all.weights + all.cache, >=, sum); /* the connector may be there */
  g_assert_cmpuint (all.work, >=, most);
  g_assert_true (descry_estimate_fits (&all, all.weights + all.cache + all.work, all.largest));
  g_assert_false (descry_estimate_fits (&all, all.weights + all.cache + all.work - 1, all.largest));
  g_assert_false (descry_estimate_fits (&all, G_MAXUINT64, all.largest - 1));
}

/* The language model alone can be told exactly. */
static void
test_language (void)
{
  g_autofree char *folder = find_bundle ();
  g_autoptr (DescryBundle) bundle = NULL;
  g_autoptr (DescryDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  guint adapted;

  if (folder == NULL)
    return;
  bundle = descry_bundle_open (folder, &error);
  g_assert_no_error (error);
  if (bundle->missing[DESCRY_SLOT_LLM] != NULL || (device = descry_device_open (NULL, DESCRY_FAMILY_AUTO, &error)) == NULL)
    {
      g_test_skip (error != NULL ? error->message : bundle->missing[DESCRY_SLOT_LLM]);
      return;
    }

  for (adapted = 0; adapted < 2; adapted++)
    {
      g_autoptr (DescryPipeline) pipeline = descry_pipeline_new (device, descry_bundle_open (folder, NULL), NULL, NULL);
      DescryEstimate estimate;
      guint64 loaded;

      descry_pipeline_set_adapter (pipeline, adapted);
      g_assert_nonnull (descry_pipeline_language (pipeline, NULL, &error));
      descry_device_trim (device);
      loaded = descry_device_stats (device)->live_bytes;
      descry_estimate_file (((DescryBundleFile *) g_ptr_array_index (bundle->slots[DESCRY_SLOT_LLM], 0))->path, adapted, &estimate, &error);
      g_assert_no_error (error);
      g_test_message ("%s: %.1f MiB foretold, %.1f MiB loaded", adapted ? "adapted" : "as published", (estimate.weights + estimate.cache) / 1048576.0,
                      loaded / 1048576.0);
      g_assert_cmpfloat_with_epsilon ((double) loaded / (estimate.weights + estimate.cache), 1.0, 0.1);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/estimate/bundle", test_estimate);
  g_test_add_func ("/estimate/language", test_language);

  return g_test_run ();
}
