/* replay.c - the stored inputs of a fuzz target, whole, cut and changed
 *
 * Every input ends at the end of an allocation of just its size, so that the sanitizer build
 * notices one byte too many. Argument: the target's corpus folder.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <glib.h>

#include "compute/memory.h"
#include "tests/fuzz/fuzz.h"

#define STEPS 1500 /* cuts and changes tried for one input */
#define SLOW  G_USEC_PER_SEC

static char *folder;

static void
run_one (const char   *name,
         const guint8 *data,
         gsize         size)
{
  g_autofree guint8 *copy = g_malloc (MAX (size, 1));
  gint64 start = g_get_monotonic_time ();
  guint live = descry_memory_live ();

  if (size > 0)
    memcpy (copy, data, size);
  LLVMFuzzerTestOneInput (copy, size);
  g_assert_cmpuint (descry_memory_live (), ==, live);
  if (g_get_monotonic_time () - start > SLOW)
    g_test_message ("%s, %" G_GSIZE_FORMAT " bytes: slow", name, size);
}

static void
replay (const char *name,
        guint8     *data,
        gsize       size)
{
  static const guint8 values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
  gsize i, step = MAX (size / STEPS, 1);
  guint k;

  run_one (name, data, size);
  for (i = 0; i < size; i += step)
    run_one (name, data, i);
  for (i = 0; i < size; i += MAX (size * G_N_ELEMENTS (values) / STEPS, 1))
    for (k = 0; k < G_N_ELEMENTS (values); k++)
      {
        guint8 kept = data[i];

        data[i] = values[k] != kept ? values[k] : (guint8) ~kept;
        run_one (name, data, size);
        data[i] = kept;
      }
}

static void
test_replay (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint n = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *data = NULL;
      gsize size;

      g_assert_true (g_file_get_contents (path, &data, &size, NULL));
      replay (name, (guint8 *) data, size);
      n++;
    }
  run_one ("nothing", NULL, 0);
  g_assert_cmpuint (n, >, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  folder = argv[1];

  g_test_add_func ("/fuzz/replay", test_replay);
  return g_test_run ();
}
