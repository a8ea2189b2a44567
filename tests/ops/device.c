/* device.c - queue, pool, errors and the self-test
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/device/program-cache.h"
#include "compute/ops/self-test.h"
#include "tests/ops/harness.h"

static void
test_self_test (DescryRun *run)
{
  g_autoptr (GError) error = NULL;

  descry_device_self_test (descry_run_device (run), &error);
  g_assert_no_error (error);
  op_self_test (descry_run_device (run), &error);
  g_assert_no_error (error);
}

static void
test_views (DescryRun *run)
{
  float values[6 * 5], part[6 * 2] = { 0 }, row[5] = { 0 };
  DescryTensor tensor = descry_run_tensor2 (run, 6, 5);
  guint i;

  for (i = 0; i < 30; i++)
    values[i] = i;
  descry_run_write (run, tensor, values, 30);
  descry_run_read (run, descry_tensor_columns (tensor, 3, 2), part, 12);
  descry_run_read (run, descry_tensor_slice (tensor, 4, 1), row, 5);
  for (i = 0; i < 6; i++)
    {
      g_assert_cmpfloat (part[2 * i], ==, 5 * i + 3);
      g_assert_cmpfloat (part[2 * i + 1], ==, 5 * i + 4);
    }
  g_assert_cmpfloat (row[0], ==, 20);
}

static void
test_pool (DescryRun *run)
{
  const DescryDeviceStats *stats = descry_device_stats (descry_run_device (run));
  DescryTensor a = descry_run_tensor2 (run, 100, 100);
  guint64 allocations = stats->buffer_allocations;
  cl_mem first = a.buffer;

  descry_run_release (run, &a);
  g_assert_null (a.buffer);
  a = descry_run_tensor2 (run, 10, 1000);
  g_assert_true (a.buffer == first);
  g_assert_cmpuint (stats->buffer_allocations, ==, allocations);
}

static void
test_error_sticks (DescryRun *run)
{
  DescryDevice *device = descry_run_device (run);
  DescryRun *failing = descry_run_new (device, NULL);
  g_autoptr (GError) error = NULL;
  DescryTensor tensor;

  g_assert_null (descry_run_kernel (failing, "no_such_kernel", NULL));
  tensor = descry_run_tensor2 (failing, 2, 2);
  g_assert_null (tensor.buffer);
  g_assert_false (descry_run_finish (failing, &error));
  g_assert_nonnull (strstr (error->message, "no_such_kernel"));
  descry_run_free (failing);
}

typedef struct
{
  float *a, *b, *again;
  float  factor;
} NativeCall;

static gboolean
scale_native (void *data)
{
  NativeCall *call = data;

  call->b[0] = call->factor * call->a[0] + (call->again == call->a ? 1.0f : 0.0f);
  return call->factor > 0.0f;
}

/* Native kernels see the buffers' memory, in any order and one named twice (PoCL 3.1 mixes them up). */
static void
test_native (DescryRun *run)
{
  DescryTensor a = descry_run_tensor2 (run, 1, 1), b = descry_run_tensor2 (run, 1, 1);
  NativeCall call = { .factor = 3.0f };
  /* The newer buffer first, the older one twice. */
  const cl_mem buffers[] = { b.buffer, a.buffer, a.buffer };
  const gsize places[] = { G_STRUCT_OFFSET (NativeCall, b), G_STRUCT_OFFSET (NativeCall, again), G_STRUCT_OFFSET (NativeCall, a) };
  g_autoptr (GError) error = NULL;
  float value = 5.0f;
  DescryRun *failing;

  if (!descry_device_info (descry_run_device (run))->native_kernels)
    {
      g_test_skip ("the device runs no native kernels");
      return;
    }
  failing = descry_run_new (descry_run_device (run), NULL);
  descry_run_write (run, a, &value, 1);
  descry_run_native (run, scale_native, &call, sizeof call, buffers, places, 3);
  descry_run_read (run, b, &value, 1);
  g_assert_cmpfloat (value, ==, 16.0f);

  /* One that fails is reported once. */
  call.factor = -1.0f;
  descry_run_native (failing, scale_native, &call, sizeof call, buffers, places, 3);
  g_assert_false (descry_run_finish (failing, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED);
  descry_run_free (failing);
}

static void
test_cancel (DescryRun *run)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  DescryRun *cancelled = descry_run_new (descry_run_device (run), cancellable);
  g_autoptr (GError) error = NULL;

  g_assert_true (descry_run_ok (cancelled));
  g_cancellable_cancel (cancellable);
  g_assert_false (descry_run_finish (cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  descry_run_free (cancelled);
}

/* Needs a driver without a cache of its own; tests of rusticl run it. */
static void
test_program_cache (void)
{
  const DescryDeviceStats *stats;
  g_autoptr (DescryDevice) device = open_test_device (DESCRY_FAMILY_GPU);
  g_autofree char *dir = NULL;
  g_autoptr (GDir) listing = NULL;
  g_autoptr (GError) error = NULL;
  const char *name;

  if (device == NULL)
    return;
  if (!descry_program_cache_wanted (descry_device_info (device)))
    {
      g_test_skip ("this driver keeps its own cache");
      return;
    }

  dir = g_build_filename (g_get_user_cache_dir (), "descry", "programs", NULL);
  stats = descry_device_stats (device);
  descry_device_warm (device, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (stats->program_builds + stats->cache_hits, ==, 1);

  descry_device_free (device);
  device = open_test_device (DESCRY_FAMILY_GPU);
  stats = descry_device_stats (device);
  descry_device_warm (device, &error);
  g_assert_cmpuint (stats->cache_hits, ==, 1);
  descry_device_self_test (device, &error);
  g_assert_no_error (error);

  /* A flipped byte in any file: compiled again, silently. */
  listing = g_dir_open (dir, 0, &error);
  g_assert_no_error (error);
  while ((name = g_dir_read_name (listing)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir, name, NULL);
      g_autofree char *data = NULL;
      gsize length;

      g_assert_true (g_file_get_contents (path, &data, &length, NULL));
      data[length / 2] ^= 1;
      g_assert_true (g_file_set_contents (path, data, length, NULL));
    }
  descry_device_free (device);
  device = open_test_device (DESCRY_FAMILY_GPU);
  stats = descry_device_stats (device);
  descry_device_warm (device, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (stats->program_builds, ==, 1);
}

static void
test_bad_selector (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (descry_device_open ("no such device anywhere", DESCRY_FAMILY_AUTO, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("device/self-test", test_self_test);
  add_op_test ("device/views", test_views);
  add_op_test ("device/pool", test_pool);
  add_op_test ("device/error-sticks", test_error_sticks);
  add_op_test ("device/native", test_native);
  add_op_test ("device/cancel", test_cancel);
  g_test_add_func ("/ops/device/program-cache", test_program_cache);
  g_test_add_func ("/ops/device/bad-selector", test_bad_selector);

  return g_test_run ();
}
