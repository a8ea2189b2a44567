/* probe.c - what a child process does becomes a verdict: passes, fails, hangs, crashes
 *
 * The program plays the child itself when it is called as `devices --self-test WHAT`.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/device/probe.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static char *program;

static int
play_child (const char *what)
{
  const char *mode = g_getenv ("DESCRY_TEST_CHILD");

  if (g_strcmp0 (mode, "crash") == 0)
    {
      signal (SIGSEGV, SIG_DFL);
      raise (SIGSEGV);
    }
  if (g_strcmp0 (mode, "hang") == 0)
    for (;;)
      pause ();
  if (g_strcmp0 (mode, "refuse") == 0)
    {
      g_printerr ("a warning first\nexp (1): expected 2.71828, found 7\n");
      return 1;
    }
  if (g_strcmp0 (mode, "devices-crash") == 0 && strcmp (what, "list") != 0)
    raise (SIGKILL);

  return 0;
}

static char *
run (const char *mode,
     guint       seconds)
{
  g_setenv ("DESCRY_TEST_CHILD", mode, TRUE);
  return descry_device_probe_run_child (program, "0", seconds, NULL, NULL);
}

static void
test_children (void)
{
  g_autofree char *good = run ("pass", 20);
  g_autofree char *bad = run ("refuse", 20);
  g_autofree char *crash = run ("crash", 20);
  g_autofree char *hang = run ("hang", 1);
  g_autofree char *gone = descry_device_probe_run_child ("/nonexistent/program", "0", 5, NULL, NULL);

  g_assert_null (good);
  g_assert_cmpstr (bad, ==, "exp (1): expected 2.71828, found 7");
  g_assert_nonnull (strstr (crash, "crashes"));
  g_assert_cmpstr (hang, ==, "the driver hangs: no result after 1 s");
  g_assert_nonnull (strstr (gone, "could not be started"));
}

static void
test_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  gint64 begin = g_get_monotonic_time ();

  g_setenv ("DESCRY_TEST_CHILD", "hang", TRUE);
  descry_device_probe_forget ();
  g_cancellable_cancel (cancellable);
  g_assert_null (descry_device_probe (program, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 5 * G_USEC_PER_SEC);
}

/* A device whose child dies is not usable, for this program the whole list; the verdict is remembered. */
static void
test_verdicts (void)
{
  guint pass;

  descry_device_probe_forget ();
  g_setenv ("DESCRY_TEST_CHILD", "devices-crash", TRUE);
  for (pass = 0; pass < 2; pass++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) probes = descry_device_probe (program, NULL, &error);
      guint i;

      g_assert_no_error (error);
      if (probes->len == 0)
        {
          g_test_skip ("no OpenCL device");
          return;
        }
      for (i = 0; i < probes->len; i++)
        {
          const DescryDeviceProbe *probe = g_ptr_array_index (probes, i);

          g_assert_cmpint (probe->verdict, ==, DESCRY_VERDICT_NOT_USABLE);
          g_assert_nonnull (strstr (probe->reason, "crashes"));
          g_assert_cmpint (probe->cached, ==, pass == 1);
        }
      g_setenv ("DESCRY_TEST_CHILD", "pass", TRUE);
    }

  {
    g_autoptr (GError) error = NULL;
    g_autoptr (DescryDevice) device = NULL;

    descry_device_set_program (program);
    device = descry_device_open_tried (NULL, DESCRY_FAMILY_AUTO, NULL, &error);
    g_assert_null (device);
    g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE);
    g_assert_nonnull (strstr (error->message, "crashes"));
  }

  descry_device_probe_forget ();
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (DescryDevice) device = descry_device_open_tried (NULL, DESCRY_FAMILY_AUTO, NULL, &error);

    g_assert_no_error (error);
    g_assert_nonnull (device);
  }
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) probes = descry_device_probe (program, NULL, &error);
    guint i;

    g_assert_no_error (error);
    for (i = 0; i < probes->len; i++)
      {
        const DescryDeviceProbe *probe = g_ptr_array_index (probes, i);

        g_assert_null (probe->reason);
        g_assert_cmpint (probe->verdict, ==, i == 0 ? DESCRY_VERDICT_IN_USE : DESCRY_VERDICT_AVAILABLE);
      }
  }
  descry_device_probe_forget ();
}

static void
test_broken_list (void)
{
  g_autoptr (GError) error = NULL;

  descry_device_probe_forget ();
  g_setenv ("DESCRY_TEST_CHILD", "crash", TRUE);
  g_assert_null (descry_device_probe (program, NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE);
  descry_device_probe_forget ();
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *cache = NULL;

  if (argc == 4 && strcmp (argv[1], "devices") == 0 && strcmp (argv[2], "--self-test") == 0)
    return play_child (argv[3]);

  /* Verdicts of its own: other tests run beside this one. */
  cache = g_dir_make_tmp ("descry-probe-XXXXXX", NULL);
  g_setenv ("XDG_CACHE_HOME", cache, TRUE);
  program = g_file_read_link ("/proc/self/exe", NULL);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/probe/children", test_children);
  g_test_add_func ("/probe/cancelled", test_cancelled);
  g_test_add_func ("/probe/verdicts", test_verdicts);
  g_test_add_func ("/probe/broken-list", test_broken_list);

  return g_test_run ();
}
