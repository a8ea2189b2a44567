/* refiner.c - an analysis with real networks, each host allocation failing once
 *
 * The networks are loaded before; what they need for themselves fails in models.c. Skips by name without the bundle.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/lyrics/refiner.h"
#include "tests/fault/loop.h"

static DescryPipeline *pipeline;
static DescryImage *image;

static gboolean
analysis (DescryDevice *device,
          GByteArray   *results,
          GError      **error)
{
  g_autoptr (DescryRefiner) refiner = descry_refiner_new (pipeline, image, "made.png", error);
  g_autoptr (DescryScene) scene = NULL;
  guint i;

  if (refiner == NULL || !descry_refiner_tag (refiner, NULL, error) || !descry_refiner_detect (refiner, NULL, error)
      || !descry_refiner_propose (refiner, NULL, error)
      || descry_refiner_segment (refiner, (DescryBox) { 20, 10, 70, 50 }, NULL, error) == 0)
    return FALSE;

  scene = descry_refiner_scene (refiner);
  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      g_byte_array_append (results, (const guint8 *) &object->box, sizeof object->box);
      g_byte_array_append (results, (const guint8 *) &object->score, sizeof object->score);
    }

  return TRUE;
}

/* An orange disc on grey: something to find. */
static DescryImage *
make_picture (void)
{
  DescryImage *picture = descry_image_new (96, 64, NULL);
  guint x, y;

  for (y = 0; y < 64; y++)
    for (x = 0; x < 96; x++)
      {
        gboolean inside = (x - 45) * (x - 45) + (y - 30) * (y - 30) < 18 * 18;
        guint8 *pixel = picture->pixels + 3 * (y * 96 + x);

        pixel[0] = inside ? 240 : 120;
        pixel[1] = inside ? 140 : 125;
        pixel[2] = inside ? 20 : 130;
      }

  return picture;
}

static void
test_allocations (void)
{
  g_autofree char *path = g_strdup (g_getenv ("DESCRY_BUNDLE"));
  g_autoptr (DescryDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  DescryBundle *bundle;

  if (!loop_init ())
    return;
  if (path == NULL)
    path = g_build_filename (g_get_home_dir (), ".local", "share", "descry", "bundles", "compact", NULL);
  bundle = descry_bundle_open (path, &error);
  if (bundle == NULL)
    {
      g_test_skip ("the compact bundle is not here");
      return;
    }
  device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), DESCRY_FAMILY_AUTO, &error);
  if (device == NULL)
    {
      g_test_skip (error->message);
      descry_bundle_free (bundle);
      return;
    }

  pipeline = descry_pipeline_new (device, bundle, NULL, NULL);
  image = make_picture ();
  /* Pictures, crops, what comes back, masks. */
  g_assert_cmpuint (loop_allocations (device, analysis), >=, 15);
  g_clear_pointer (&image, descry_image_unref);
  g_clear_pointer (&pipeline, descry_pipeline_free);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fault/refiner/allocations", test_allocations);

  return g_test_run ();
}
