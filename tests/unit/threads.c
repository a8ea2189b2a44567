/* threads.c - the driver's threads get processors of their own only where that is safe, and a library's threads all of them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <sched.h>
#include <unistd.h>

#include <glib.h>

#include "compute/device/threads.h"

static cpu_set_t whole;

static void
forget (void)
{
  g_unsetenv ("POCL_AFFINITY");
  g_unsetenv ("POCL_MAX_PTHREAD_COUNT");
  g_unsetenv ("POCL_PTHREAD_MIN_THREADS");
}

static gboolean
have_all (void)
{
  long n = sysconf (_SC_NPROCESSORS_ONLN);

  return n > 1 && n == sysconf (_SC_NPROCESSORS_CONF) && CPU_COUNT (&whole) == n;
}

/* PoCL gives up the process where it may not run on a processor that it chose. */
static void
test_narrow (void)
{
  cpu_set_t narrow = whole;

  if (!have_all ())
    {
      g_test_skip ("needs two processors and may run on all");
      return;
    }

  forget ();
  CPU_CLR (0, &narrow);
  g_assert_cmpint (sched_setaffinity (0, sizeof narrow, &narrow), ==, 0);
  descry_threads_place ();
  g_assert_cmpint (sched_setaffinity (0, sizeof whole, &whole), ==, 0);
  g_assert_null (g_getenv ("POCL_AFFINITY"));
  g_assert_false (descry_threads_widen ());
}

static void
test_told (void)
{
  forget ();
  g_setenv ("POCL_AFFINITY", "0", TRUE);
  descry_threads_place ();
  g_assert_cmpstr (g_getenv ("POCL_AFFINITY"), ==, "0");

  forget ();
  g_setenv ("POCL_MAX_PTHREAD_COUNT", "1", TRUE);
  descry_threads_place ();
  g_assert_null (g_getenv ("POCL_AFFINITY"));
}

static gpointer
library_thread (gpointer data)
{
  cpu_set_t *set = data;

  g_assert_cmpint (sched_getaffinity (0, sizeof *set, set), ==, 0);
  return NULL;
}

static gpointer
driver_thread (gpointer data G_GNUC_UNUSED)
{
  cpu_set_t own, now;

  CPU_ZERO (&own);
  CPU_SET (1, &own);
  g_assert_cmpint (sched_setaffinity (0, sizeof own, &own), ==, 0);

  g_assert_true (descry_threads_widen ());
  g_thread_join (g_thread_new ("library", library_thread, &now));
  g_assert_true (CPU_EQUAL (&now, &whole));
  descry_threads_restore ();

  g_assert_cmpint (sched_getaffinity (0, sizeof now, &now), ==, 0);
  g_assert_true (CPU_EQUAL (&now, &own));
  return NULL;
}

/* The last one: what has been placed stays so. */
static void
test_placed (void)
{
  if (!have_all ())
    {
      g_test_skip ("needs two processors and may run on all");
      return;
    }

  forget ();
  descry_threads_place ();
  g_assert_cmpstr (g_getenv ("POCL_AFFINITY"), ==, "1");
  g_thread_join (g_thread_new ("driver", driver_thread, NULL));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (sched_getaffinity (0, sizeof whole, &whole), ==, 0);
  g_test_add_func ("/threads/narrow", test_narrow);
  g_test_add_func ("/threads/told", test_told);
  g_test_add_func ("/threads/placed", test_placed);

  return g_test_run ();
}
