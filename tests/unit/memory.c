/* memory.c - the allocator's failing hook
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/memory.h"

static void
test_fails_once (void)
{
  gpointer a, b, c;
  guint live = descry_memory_live ();

  descry_memory_fail_at (2);
  a = descry_try_alloc (10, 10);
  b = descry_try_alloc (10, 10);
  c = descry_try_alloc_pages (5000);
  g_assert_nonnull (a);
  g_assert_null (b);
  g_assert_nonnull (c);
  g_assert_cmpuint (GPOINTER_TO_SIZE (c) % 4096, ==, 0);
  g_assert_cmpuint (descry_memory_calls (), ==, 3);
  g_assert_cmpuint (descry_memory_live (), ==, live + 2);

  descry_memory_fail_at (0);
  descry_free (a);
  descry_free (b);
  descry_free (c);
  g_assert_cmpuint (descry_memory_live (), ==, live);
}

static void
test_overflow (void)
{
  g_assert_null (descry_try_alloc (G_MAXSIZE / 2, 4));
  g_assert_null (descry_try_alloc_pages (G_MAXSIZE));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/memory/fails-once", test_fails_once);
  g_test_add_func ("/memory/overflow", test_overflow);

  return g_test_run ();
}
