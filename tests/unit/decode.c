/* decode.c - the parent's side against decoders that die, hang and lie
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compute/image/decode-private.h"

static guint
count_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static DescryImage *
run (const char   *how,
     guint         time_limit,
     GCancellable *cancellable,
     GError      **error)
{
  const char *program = g_getenv ("DESCRY_TEST_HOSTILE");
  DescryImage *image;
  int input = memfd_create ("how", MFD_CLOEXEC);

  g_assert_cmpint (input, >=, 0);
  g_assert_cmpint (write (input, how, strlen (how)), ==, (gssize) strlen (how));
  lseek (input, 0, SEEK_SET);
  image = _descry_decode_run (program, input, "photo.jpg", time_limit, cancellable, error);
  close (input);
  return image;
}

static void
test_good (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryImage) image = run ("good", 5000, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (image->width, ==, 4);
  g_assert_cmpuint (image->height, ==, 3);
  g_assert_cmpuint (image->pixels[35], ==, 0x5a);
}

static void
test_hostile (void)
{
  static const char *const cases[][2] = {
    { "nothing", "left no picture" },
    { "silent", "status 7" },
    { "crash", "signal 11" },
    { "midway", "signal 9" },
    { "short", "4 × 3 pixels" },
    { "long", "4 × 3 pixels" },
    { "other-bytes", "4 × 3 pixels" },
    { "zero", "0 × 3 pixels" },
    { "huge", "4294967295 × 4294967295" },
    { "wide", "65536 × 1" },
    { "header", "left no picture" },
    { "magic", "not one of this version" },
    { "chatter", "photo.jpg: first line" },
    { "bell", "photo.jpg: bad é thing" },
    { "keeper", "cannot be sealed" },
  };
  guint i, before = count_descriptors ();

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (run (cases[i][0], 20000, NULL, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_DECODE);
      g_test_message ("%s: %s", cases[i][0], error->message);
      g_assert_true (g_str_has_prefix (error->message, "photo.jpg: "));
      g_assert_nonnull (strstr (error->message, cases[i][1]));
      g_assert_null (strpbrk (error->message, "\n\a\x1b"));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_assert_cmpuint (count_descriptors (), ==, before);
    }
}

static void
test_hangs (void)
{
  static const char *const ways[] = { "hang", "hang-closed" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autoptr (GError) error = NULL;
      gint64 start = g_get_monotonic_time ();

      g_assert_null (run (ways[i], 300, NULL, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_DECODE);
      g_assert_nonnull (strstr (error->message, "longer than"));
      g_assert_cmpint (g_get_monotonic_time () - start, <, 5 * G_USEC_PER_SEC);
    }
}

static gpointer
cancel_worker (gpointer data)
{
  g_usleep (100000);
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_cancelled (void)
{
  static const char *const ways[] = { "hang", "hang-closed" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      GThread *thread = g_thread_new ("cancel", cancel_worker, cancellable);
      gint64 start = g_get_monotonic_time ();

      g_assert_null (run (ways[i], 30000, cancellable, &error));
      g_thread_join (thread);
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (g_get_monotonic_time () - start, <, 5 * G_USEC_PER_SEC);
    }
}

static void
test_no_program (void)
{
  g_autoptr (GError) error = NULL;
  int input = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  guint before = count_descriptors ();

  g_assert_null (_descry_decode_run ("/nowhere/descry-decode", input, "photo.jpg", 1000, NULL, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "/nowhere/descry-decode"));
  g_assert_cmpuint (count_descriptors (), ==, before);
  close (input);
}

/* No descriptor left: an error, nothing leaked, and then it works again. */
static void
test_no_descriptors (void)
{
  g_autoptr (GError) error = NULL;
  int taken[4096];
  guint n = 0, before = count_descriptors ();
  int input = memfd_create ("how", MFD_CLOEXEC);

  while (n < G_N_ELEMENTS (taken) && (taken[n] = dup (input)) >= 0)
    n++;
  if (n == G_N_ELEMENTS (taken))
    g_test_message ("this process may open more descriptors than the test does");
  else
    {
      g_assert_null (_descry_decode_run (g_getenv ("DESCRY_TEST_HOSTILE"), input, "photo.jpg", 1000, NULL, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
    }
  while (n > 0)
    close (taken[--n]);
  close (input);
  g_assert_cmpuint (count_descriptors (), ==, before);
  test_good ();
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  if (g_getenv ("DESCRY_TEST_HOSTILE") == NULL)
    return 77;

  g_test_add_func ("/decode/good", test_good);
  g_test_add_func ("/decode/hostile", test_hostile);
  g_test_add_func ("/decode/hangs", test_hangs);
  g_test_add_func ("/decode/cancelled", test_cancelled);
  g_test_add_func ("/decode/no-program", test_no_program);
  g_test_add_func ("/decode/no-descriptors", test_no_descriptors);

  return g_test_run ();
}
