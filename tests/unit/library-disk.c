/* library-disk.c - the library on a disk that is full, or that is read-only: a message, and nothing is lost
 *
 * The disk is a small tmpfs in a mount namespace of its own; where the system allows none the tests are skipped.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/library.h"
#include "tests/unit/library-test.h"

#define DISK_BYTES "33554432" /* the log alone takes 4 MiB before it is folded in */
#define UNAVAILABLE 77

static char *folder; /* where the disk is */

/* --------- Disk ------------------ */

static gboolean
write_line (const char *path,
            const char *line)
{
  int file = open (path, O_WRONLY);
  gboolean good = file >= 0 && write (file, line, strlen (line)) == (gssize) strlen (line);

  if (file >= 0)
    close (file);
  return good;
}

/* Somebody who may not mount may do so in a user namespace of his own, if the system lets him. */
static gboolean
mount_disk (void)
{
  uid_t uid = geteuid ();
  gid_t gid = getegid ();
  g_autofree char *uids = g_strdup_printf ("0 %u 1", uid), *gids = g_strdup_printf ("0 %u 1", gid);

  if (unshare (CLONE_NEWNS | (uid != 0 ? CLONE_NEWUSER : 0)) != 0)
    return FALSE;
  if (uid != 0 && !(write_line ("/proc/self/setgroups", "deny") && write_line ("/proc/self/uid_map", uids) && write_line ("/proc/self/gid_map", gids)))
    return FALSE;

  return mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount ("tmpfs", folder, "tmpfs", 0, "size=" DISK_BYTES) == 0;
}

static char *
disk_path (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* Until not one byte more has room. */
static void
fill_disk (void)
{
  g_autofree char *path = disk_path ("filler");
  g_autofree char *bytes = g_strnfill (4096, 'x');
  int file = open (path, O_CREAT | O_WRONLY | O_APPEND, 0600);

  g_assert_cmpint (file, >=, 0);
  while (write (file, bytes, 4096) > 0)
    ;
  g_assert_cmpint (errno, ==, ENOSPC);
  close (file);
}

static void
empty_disk (void)
{
  g_autofree char *path = disk_path ("filler");

  g_assert_cmpint (g_unlink (path), ==, 0);
}

/* Runs the calling test once more in a process whose disk it is; TRUE: this is that process, and the disk is there. */
static gboolean
enter_disk (void)
{
  if (g_test_subprocess ())
    {
      folder = g_strdup (g_getenv ("DESCRY_TEST_DISK"));
      if (!mount_disk ())
        _exit (UNAVAILABLE);
      return TRUE;
    }

  folder = g_dir_make_tmp ("descry-test-XXXXXX", NULL);
  g_setenv ("DESCRY_TEST_DISK", folder, TRUE);
  g_test_trap_subprocess (NULL, 120 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_clear_pointer (&folder, g_free);
  if (!g_test_trap_has_passed () && !g_test_trap_reached_timeout ())
    {
      /* The status is not told: whether there can be a disk is asked once more. */
      pid_t child;
      int status;

      folder = g_dir_make_tmp ("descry-test-XXXXXX", NULL);
      child = fork ();
      if (child == 0)
        _exit (mount_disk () ? 0 : UNAVAILABLE);
      g_assert_cmpint (waitpid (child, &status, 0), ==, child);
      g_rmdir (folder);
      g_clear_pointer (&folder, g_free);
      if (WIFEXITED (status) && WEXITSTATUS (status) == UNAVAILABLE)
        {
          g_test_skip ("no disk can be mounted here");
          return FALSE;
        }
    }
  g_test_trap_assert_passed ();
  return FALSE;
}

/* --------- Library ------------------ */

typedef struct
{
  DescryLibrary *library;
  guint          problems;
  char          *problem;
  DescryKept    *kept;
} World;

static void
problem_cb (DescryLibrary *library,
            const char    *message,
            World         *world)
{
  world->problems++;
  g_free (world->problem);
  world->problem = g_strdup (message);
}

static void
start (World      *world,
       const char *path)
{
  world->library = descry_library_new (path);
  g_signal_connect (world->library, "problem", G_CALLBACK (problem_cb), world);
}

static void
end (World *world)
{
  descry_library_close (world->library);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_object (&world->library);
}

/* Everything asked before is done when this returns. */
static guint
open_picture (World       *world,
              DescryImage *image)
{
  GAsyncResult *called = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  descry_library_open_picture_async (world->library, image, "photo.jpg", "/photo.jpg", "compact", NULL, result_cb, &called);
  result = wait_result (&called);
  g_clear_pointer (&world->kept, descry_kept_free);
  world->kept = descry_library_open_picture_finish (world->library, result, NULL);
  return world->kept->turns->len;
}

static void
say (World      *world,
     const char *hash,
     const char *name,
     guint       n)
{
  g_autofree char *answer = g_strnfill (3000, 'y');
  guint i;

  for (i = 0; i < n; i++)
    {
      g_autoptr (DescryTurn) turn = make_turn (name, answer);
      g_autofree char *key = g_strdup_printf ("%s%03u", name, i);

      descry_library_keep_turn (world->library, hash, key, turn, TRUE);
    }
}

static void
test_full (void)
{
  g_autoptr (DescryImage) image = NULL;
  g_autofree char *hash = NULL, *path = NULL, *message = NULL;
  g_autoptr (GPtrArray) turns = NULL;
  g_autoptr (DescryStore) store = NULL;
  World world = { 0 };
  guint i;

  if (!enter_disk ())
    return;

  image = descry_image_new (100, 100, NULL);
  hash = descry_image_hash (image);
  path = disk_path ("library.sqlite");
  start (&world, path);
  open_picture (&world, image);
  say (&world, hash, "before", 10);
  g_assert_cmpuint (open_picture (&world, image), ==, 10);
  g_assert_cmpuint (world.problems, ==, 0);

  fill_disk ();
  say (&world, hash, "during", 60);
  g_assert_cmpuint (open_picture (&world, image), >=, 10); /* what was there can be read */
  g_assert_cmpuint (world.problems, ==, 1);
  g_assert_nonnull (strstr (world.problem, "disk is full"));

  empty_disk ();
  say (&world, hash, "later", 1);
  end (&world);
  g_assert_cmpuint (world.problems, ==, 1);

  store = descry_store_open (path, &message, NULL);
  g_assert_nonnull (store);
  g_assert_null (message); /* whole */
  turns = descry_store_load_turns (store, hash, NULL);
  g_assert_cmpuint (turns->len, ==, 71);
  for (i = 0; i < turns->len; i++)
    {
      const DescryKeptTurn *kept = g_ptr_array_index (turns, i);
      g_autofree char *key = i < 10 ? g_strdup_printf ("before%03u", i) : i < 70 ? g_strdup_printf ("during%03u", i - 10) : g_strdup ("later000");

      g_assert_cmpstr (kept->key, ==, key);
      g_assert_cmpuint (strlen (kept->turn->answer), ==, 3000);
    }
  g_free (world.problem);
  g_clear_pointer (&world.kept, descry_kept_free);
}

/* There was no room for the file itself when the program began. */
static void
test_full_at_first (void)
{
  g_autoptr (DescryImage) image = NULL;
  g_autofree char *hash = NULL, *path = NULL;
  World world = { 0 };

  if (!enter_disk ())
    return;

  image = descry_image_new (100, 100, NULL);
  hash = descry_image_hash (image);
  path = disk_path ("library.sqlite");
  fill_disk ();
  start (&world, path);
  g_assert_cmpuint (open_picture (&world, image), ==, 0);
  say (&world, hash, "said", 3);
  open_picture (&world, image);
  g_assert_cmpuint (world.problems, ==, 1);
  g_assert_nonnull (strstr (world.problem, "disk is full"));
  empty_disk ();
  end (&world);

  start (&world, path);
  g_assert_cmpuint (open_picture (&world, image), ==, 3);
  end (&world);
  g_free (world.problem);
  g_clear_pointer (&world.kept, descry_kept_free);
}

/* A home that can only be read, for root as well. */
static void
test_read_only (void)
{
  g_autoptr (DescryImage) image = NULL;
  g_autofree char *hash = NULL, *path = NULL, *nothing = NULL;
  World world = { 0 };

  if (!enter_disk ())
    return;

  image = descry_image_new (100, 100, NULL);
  hash = descry_image_hash (image);
  path = disk_path ("library.sqlite");
  nothing = g_build_filename (folder, "none", "library.sqlite", NULL);
  start (&world, path);
  open_picture (&world, image);
  say (&world, hash, "before", 5);
  end (&world);
  g_assert_cmpuint (world.problems, ==, 0);
  g_assert_cmpint (mount (NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);

  start (&world, path);
  g_assert_cmpuint (open_picture (&world, image), ==, 5);
  say (&world, hash, "during", 5);
  g_assert_cmpuint (open_picture (&world, image), ==, 5);
  g_assert_cmpuint (world.problems, ==, 1);
  g_assert_nonnull (strstr (world.problem, "cannot be written"));
  end (&world);

  /* Not even a folder to make one in. */
  world.problems = 0;
  start (&world, nothing);
  g_assert_cmpuint (open_picture (&world, image), ==, 0);
  say (&world, hash, "nowhere", 2);
  open_picture (&world, image);
  g_assert_cmpuint (world.problems, ==, 1);
  end (&world);

  /* It can be written again: all that was there is there. */
  g_assert_cmpint (mount (NULL, folder, NULL, MS_REMOUNT, NULL), ==, 0);
  world.problems = 0;
  start (&world, path);
  g_assert_cmpuint (open_picture (&world, image), ==, 5);
  say (&world, hash, "after", 1);
  g_assert_cmpuint (open_picture (&world, image), ==, 6);
  g_assert_cmpuint (world.problems, ==, 0);
  end (&world);
  g_free (world.problem);
  g_clear_pointer (&world.kept, descry_kept_free);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/library/disk/full", test_full);
  g_test_add_func ("/library/disk/full at first", test_full_at_first);
  g_test_add_func ("/library/disk/read-only", test_read_only);
  return g_test_run ();
}
