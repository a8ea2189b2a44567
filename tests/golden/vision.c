/* vision.c - the compact bundle's picture networks on their real weights
 *
 * References and their format: tests/golden/scripts/vision.py. Weights are looked for in the folder
 * DESCRY_BUNDLE, then where set-up puts them; without them a test skips. Measured values: compute/PARITY.md.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "compute/models/vision.h"
#include "compute/ops/provider.h"

/* What one output may differ by. */
typedef struct
{
  double nmse;
  double power; /* of the sum of squares of all elements, those that are not compared too; relative */
} Gate;

static const Gate exact = { 1e-6, 1e-3 };

/* Gates of the fast path, output by output. `scripts/vision.py PACKAGES --rounding` rounds what convolutions multiply to
 * bfloat16 in the reference itself, where the application does, and compares with the unrounded reference on eight
 * pictures. Where a sum falls beside a tie is chance: an implementation that rounds at the same places is another draw
 * from the same heap. So each gate is twice the largest of the eight, and NMSE never over 1e-3 (spec/porting.md 5.2).
 * Rounding depthwise layers too would show: EfficientNet's features then have 2.3e-3 to 4.7e-3. CenterNet has no layer
 * that may be rounded. */
static const Gate fast_efficientnet[] = { { 1.0e-3, 1.03e-2 }, { 3.2e-4, 4.6e-3 }, { 2.6e-4, 1.03e-2 } };
static const Gate fast_nanodet[] = { { 1.7e-4, 1.30e-2 }, { 7.4e-5, 6.7e-3 }, { 1.47e-4, 1.03e-2 }, { 8.5e-5, 4.0e-3 }, { 1.01e-4, 4.5e-3 }, { 6.8e-5, 7.1e-3 } };
static const Gate fast_centernet[] = { { 1e-6, 1e-3 }, { 1e-6, 1e-3 } };
static const Gate fast_isnet[] = { { 5.3e-6, 1.64e-4 } };

static const Gate *gates; /* of the outputs of the fast test that runs, or NULL */
static guint       n_gates;

/* One output of the reference. */
typedef struct
{
  guint32     count, step;
  double      power; /* sum of squares of all elements */
  const char *samples; /* f32, unaligned */
} Expected;

static guint32
noise (guint32 x)
{
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

/* RGB [height, width, 3]: the twin of picture() in the script. */
static float *
draw_picture (guint seed,
              int   height,
              int   width)
{
  static const int sizes[] = { 64, 16, 1 }, weights[] = { 4, 2, 1 };
  float *pixels = g_new (float, (gsize) height * width * 3);
  int y, x, c, i;

  for (y = 0; y < height; y++)
    for (x = 0; x < width; x++)
      for (c = 0; c < 3; c++)
        {
          /* Rounded down, as Python does. */
          int dy = (int) floor ((2 * y - height) * 1000.0 / height), dx = (int) floor ((2 * x - width) * 1000.0 / width);
          int inside = dx * dx * 4 + dy * dy * 3 < 1000 * 1000, total = 0;

          for (i = 0; i < 3; i++)
            total += (int) (noise ((((y / sizes[i]) * 4096 + x / sizes[i]) * 4 + c) * 8 + inside * 4 + i + (int) seed * 977) >> 24) * weights[i];
          pixels[((gsize) y * width + x) * 3 + c] = CLAMP (total / 7 * (2 + inside) / 4 + 60 * inside, 0, 255);
        }

  return pixels;
}

/* Network and golden file, or FALSE after g_test_skip(). */
static gboolean
open_files (const char  *name,
            DescryGguf **gguf,
            char       **golden,
            gsize       *size)
{
  g_autofree char *file = g_strconcat (name, ".gguf", NULL), *bin = g_strconcat (name, ".bin", NULL), *path = NULL, *reference = NULL;
  g_autoptr (GError) error = NULL;

  if (g_getenv ("DESCRY_BUNDLE") != NULL)
    path = g_build_filename (g_getenv ("DESCRY_BUNDLE"), file, NULL);
  if (path == NULL || !g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_free (path);
      path = g_build_filename (g_get_home_dir (), ".local", "share", "descry", "bundles", "compact", file, NULL);
    }
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("the compact bundle's weights are not here");
      return FALSE;
    }

  reference = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "golden", "vision", bin, NULL);
  g_file_get_contents (reference, golden, size, &error);
  g_assert_no_error (error);
  *gguf = descry_gguf_open (path, &error);
  g_assert_no_error (error);

  return TRUE;
}

static Expected
next_expected (const char **at,
               const char  *end)
{
  Expected e;

  g_assert_cmpint (end - *at, >=, 16);
  memcpy (&e.count, *at, 4);
  memcpy (&e.step, *at + 4, 4);
  memcpy (&e.power, *at + 8, 8);
  e.samples = *at + 16;
  *at += 16 + ((gsize) e.count + e.step - 1) / e.step * 4;
  g_assert_cmpint (end - *at, >=, 0);

  return e;
}

static void
check_output (DescryRun   *run,
              DescryTensor tensor,
              const char **at,
              const char  *end,
              const char  *name)
{
  Expected e = next_expected (at, end);
  g_autofree float *found = NULL;
  g_autoptr (GError) error = NULL;
  double wrong = 0.0, power = 0.0, total = 0.0, most = 0.0;
  Gate gate = exact;
  gsize i;

  if (gates != NULL)
    {
      g_assert_cmpuint (n_gates, >, 0);
      gate = *gates++;
      n_gates--;
    }
  descry_run_finish (run, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (descry_tensor_count (tensor), ==, e.count);
  found = g_new (float, e.count);
  descry_run_read (run, tensor, found, e.count);
  for (i = 0; i < e.count; i++)
    {
      g_assert_true (isfinite (found[i]));
      total += (double) found[i] * found[i];
    }
  for (i = 0; i < e.count; i += e.step)
    {
      float expected;

      memcpy (&expected, e.samples + i / e.step * 4, 4);
      wrong += (found[i] - (double) expected) * (found[i] - (double) expected);
      power += (double) expected * expected;
      most = MAX (most, fabs (found[i] - (double) expected));
    }

  g_test_message ("%s: NMSE %.2g, largest difference %.2g, power %+.2g", name, wrong / power, most, total / e.power - 1.0);
  if (wrong > gate.nmse * power || fabs (total - e.power) > gate.power * e.power)
    g_error ("%s: NMSE %g, sum of squares %g, expected %g", name, wrong / power, total, e.power);
}

static DescryTensor
upload (DescryRun *run,
        guint      n,
        guint      h,
        guint      w,
        float    **pictures)
{
  DescryTensor pixels = descry_run_tensor4 (run, n, h, w, 3);
  g_autofree float *all = g_new (float, (gsize) n * h * w * 3);
  guint i;

  for (i = 0; i < n; i++)
    memcpy (all + (gsize) i * h * w * 3, pictures[i], (gsize) h * w * 3 * sizeof (float));
  descry_run_write (run, pixels, all, (gsize) n * h * w * 3);

  return pixels;
}

typedef void (*NetworkTest) (DescryDevice *device, DescryRun *run, DescryGguf *gguf, const char *golden, const char *end);

static void
run_efficientnet (DescryDevice *device,
                  DescryRun    *run,
                  DescryGguf   *gguf,
                  const char   *golden,
                  const char   *end)
{
  g_autofree float *first = draw_picture (1, 224, 224), *second = draw_picture (2, 224, 224);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryEfficientNet) net = descry_efficientnet_new (device, gguf, &error);
  DescryTensor pixels, features, pooled, logits;
  gsize i;

  g_assert_no_error (error);
  for (i = 0; i < 224 * 224 * 3; i++)
    {
      first[i] = (first[i] - 127.0f) / 128.0f;
      second[i] = (second[i] - 127.0f) / 128.0f;
    }
  pixels = upload (run, 2, 224, 224, (float *[]) { first, second });
  descry_efficientnet_run (net, run, pixels, &features, &pooled, &logits);
  check_output (run, features, &golden, end, "efficientnet-lite0 features");
  check_output (run, pooled, &golden, end, "efficientnet-lite0 pooled");
  check_output (run, logits, &golden, end, "efficientnet-lite0 logits");
  g_assert_true (golden == end);
}

static void
run_nanodet (DescryDevice *device,
             DescryRun    *run,
             DescryGguf   *gguf,
             const char   *golden,
             const char   *end)
{
  static const float mean[] = { 103.53f, 116.28f, 123.675f }, deviation[] = { 57.375f, 57.12f, 58.395f }; /* BGR */
  g_autofree float *rgb = draw_picture (3, 416, 416), *bgr = g_new (float, 416 * 416 * 3);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryNanodet) net = descry_nanodet_new (device, gguf, &error);
  DescryTensor pixels, classes[3], boxes[3];
  gsize i;

  g_assert_no_error (error);
  for (i = 0; i < 416 * 416 * 3; i++)
    bgr[i] = (rgb[i / 3 * 3 + 2 - i % 3] - mean[i % 3]) / deviation[i % 3];
  pixels = upload (run, 1, 416, 416, &bgr);
  descry_nanodet_run (net, run, pixels, classes, boxes);
  for (i = 0; i < 3; i++)
    check_output (run, classes[i], &golden, end, "nanodet classes");
  for (i = 0; i < 3; i++)
    check_output (run, boxes[i], &golden, end, "nanodet boxes");
  g_assert_true (golden == end);
}

static void
run_centernet (DescryDevice *device,
               DescryRun    *run,
               DescryGguf   *gguf,
               const char   *golden,
               const char   *end)
{
  g_autofree float *picture = draw_picture (4, 512, 512);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryCenternet) net = descry_centernet_new (device, gguf, &error);
  DescryTensor classes, sizes;

  g_assert_no_error (error);
  descry_centernet_run (net, run, upload (run, 1, 512, 512, &picture), &classes, &sizes);
  check_output (run, classes, &golden, end, "centernet classes");
  check_output (run, sizes, &golden, end, "centernet sizes");
  g_assert_true (golden == end);
}

static void
run_isnet (DescryDevice *device,
           DescryRun    *run,
           DescryGguf   *gguf,
           const char   *golden,
           const char   *end)
{
  g_autofree float *picture = draw_picture (5, 512, 512);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryIsnet) net = descry_isnet_new (device, gguf, &error);
  DescryTensor alpha;
  gsize i;

  g_assert_no_error (error);
  for (i = 0; i < 512 * 512 * 3; i++)
    picture[i] = (picture[i] - 128.0f) / 256.0f;
  descry_isnet_run (net, run, upload (run, 1, 512, 512, &picture), &alpha);
  check_output (run, alpha, &golden, end, "isnet alpha");
  g_assert_true (golden == end);
}

static const struct
{
  const char *name;
  NetworkTest test;
  const Gate *fast;
  guint       n_outputs;
} networks[] = {
  { "efficientnet-lite0", run_efficientnet, fast_efficientnet, G_N_ELEMENTS (fast_efficientnet) },
  { "nanodet", run_nanodet, fast_nanodet, G_N_ELEMENTS (fast_nanodet) },
  { "centernet", run_centernet, fast_centernet, G_N_ELEMENTS (fast_centernet) },
  { "isnet", run_isnet, fast_isnet, G_N_ELEMENTS (fast_isnet) },
};

static void
check_network (guint              which,
               DescryFamily       family,
               DescryGemmProvider provider,
               gboolean           fast)
{
  g_autoptr (DescryGguf) gguf = NULL;
  g_autoptr (DescryDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *golden = NULL;
  guint64 live;
  gsize size;
  guint times;

  if (!open_files (networks[which].name, &gguf, &golden, &size))
    return;
  device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), family, &error);
  if (device == NULL)
    {
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE);
      g_test_skip (error->message);
      return;
    }

  descry_gemm_force (device, provider);
  descry_ops_set_fast (device, fast);

  for (times = 0; times < 2; times++)
    {
      g_autoptr (DescryRun) run = descry_run_new (device, NULL);

      gates = fast ? networks[which].fast : NULL;
      n_gates = fast ? networks[which].n_outputs : 0;
      networks[which].test (device, run, gguf, golden, golden + size);
      g_assert_cmpuint (n_gates, ==, 0);
    }
  descry_device_trim (device);
  live = descry_device_stats (device)->live_bytes;
  g_assert_cmpuint (live, ==, 0);
}

/* The device's own choice of provider, in f32. */
static void
test_device (gconstpointer which)
{
  check_network (GPOINTER_TO_UINT (which), DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO, FALSE);
}

/* The same as the application runs it: bfloat16 in the networks that allow it. */
static void
test_fast (gconstpointer which)
{
  check_network (GPOINTER_TO_UINT (which), DESCRY_FAMILY_AUTO, DESCRY_GEMM_AUTO, TRUE);
}

/* oneDNN's bfloat16, as on processors with a unit for it: under the same gates. */
static void
test_fast_onednn (gconstpointer which)
{
  check_network (GPOINTER_TO_UINT (which), DESCRY_FAMILY_AUTO, DESCRY_GEMM_ONEDNN, TRUE);
}

static void
test_own (gconstpointer which)
{
  check_network (GPOINTER_TO_UINT (which), DESCRY_FAMILY_AUTO, DESCRY_GEMM_OWN, FALSE);
}

static void
test_gpu (gconstpointer which)
{
  check_network (GPOINTER_TO_UINT (which), DESCRY_FAMILY_GPU, DESCRY_GEMM_AUTO, FALSE);
}

/* A file of another network: one message that names both. */
static void
test_wrong_network (void)
{
  g_autoptr (DescryGguf) gguf = NULL;
  g_autoptr (DescryDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *golden = NULL;
  gsize size;

  if (!open_files ("nanodet", &gguf, &golden, &size))
    return;
  device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), DESCRY_FAMILY_AUTO, &error);
  g_assert_no_error (error);
  g_assert_null (descry_isnet_new (device, gguf, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_assert_nonnull (strstr (error->message, "nanodet"));
}

int
main (int    argc,
      char **argv)
{
  static const struct { const char *name; GTestDataFunc test; } ways[] = {
    { "device", test_device }, { "fast", test_fast }, { "fast-onednn", test_fast_onednn }, { "own", test_own }, { "gpu", test_gpu },
  };
  guint i, k;

  g_test_init (&argc, &argv, NULL);

  for (i = 0; i < G_N_ELEMENTS (networks); i++)
    for (k = 0; k < G_N_ELEMENTS (ways); k++)
      {
        g_autofree char *path = g_strdup_printf ("/golden/vision/%s/%s", networks[i].name, ways[k].name);

        g_test_add_data_func (path, GUINT_TO_POINTER (i), ways[k].test);
      }
  g_test_add_func ("/golden/vision/wrong-network", test_wrong_network);

  return g_test_run ();
}
