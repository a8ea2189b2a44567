/* device.c - opening a device and its self-test, with each call failing once
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/fault/loop.h"

static gboolean
open_and_test (DescryDevice *none,
               GByteArray   *results,
               GError      **error)
{
  g_autoptr (DescryDevice) device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), DESCRY_FAMILY_AUTO, error);

  return device != NULL && descry_device_self_test (device, error);
}

static gboolean
have_device (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryDevice) device = NULL;

  if (!loop_init ())
    return FALSE;
  device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), DESCRY_FAMILY_AUTO, &error);
  if (device == NULL)
    g_test_skip (error->message);

  return device != NULL;
}

static void
test_open (void)
{
  if (!have_device ())
    return;

  g_assert_cmpuint (loop_all (NULL, open_and_test), >, 20);
}

/* Transfers of whole tensors and of columns, with no kernel in between. */
static gboolean
move_columns (DescryDevice *device,
              GByteArray   *results,
              GError      **error)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  DescryTensor tensor = descry_run_tensor2 (run, 7, 10);
  float values[70], part[21] = { 0 };
  guint i;

  for (i = 0; i < 70; i++)
    values[i] = i * 0.5f;
  descry_run_write (run, tensor, values, 70);
  if (tensor.buffer != NULL)
    {
      DescryTensor columns = descry_tensor_columns (tensor, 4, 3);

      descry_run_read (run, columns, part, 21);
      descry_run_write (run, columns, part, 21);
      descry_run_read (run, columns, part, 21);
      descry_run_read (run, tensor, values, 70);
    }
  descry_run_flush (run);
  if (!descry_run_finish (run, error))
    return FALSE;

  g_byte_array_append (results, (const guint8 *) values, sizeof values);
  g_byte_array_append (results, (const guint8 *) part, sizeof part);
  return TRUE;
}

static void
test_transfers (void)
{
  g_autoptr (DescryDevice) device = NULL;
  guint seen;

  if (!have_device ())
    return;

  device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), DESCRY_FAMILY_AUTO, NULL);
  seen = loop_all (device, move_columns);
  g_assert_cmpuint (seen, >=, 8);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/fault/device/open", test_open);
  g_test_add_func ("/fault/device/transfers", test_transfers);

  return g_test_run ();
}
