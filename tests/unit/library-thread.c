/* library-thread.c - the library's thread and its signals; what cannot be written is told and harms nothing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/library.h"
#include "tests/unit/library-test.h"

typedef struct
{
  guint       problems;
  char       *problem;
  DescryKept *kept;
  GError     *error;
} Seen;

static void
problem_cb (DescryLibrary *library,
            const char    *message,
            Seen          *seen)
{
  seen->problems++;
  g_free (seen->problem);
  seen->problem = g_strdup (message);
}

static void
open_picture (DescryLibrary *library,
              DescryImage   *image,
              Seen          *seen)
{
  GAsyncResult *called = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  descry_library_open_picture_async (library, image, "photo.jpg", "/photo.jpg", "compact", NULL, result_cb, &called);
  result = wait_result (&called);
  g_clear_pointer (&seen->kept, descry_kept_free);
  g_clear_error (&seen->error);
  seen->kept = descry_library_open_picture_finish (library, result, &seen->error);
}

/* Everything written before is written when this returns. */
static guint
search (DescryLibrary *library,
        const char    *text,
        Seen          *seen)
{
  g_autoptr (GPtrArray) list = NULL;
  GAsyncResult *called = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  descry_library_search_async (library, text, 10, NULL, result_cb, &called);
  result = wait_result (&called);
  g_clear_error (&seen->error);
  list = descry_library_search_finish (library, result, &seen->error);
  return list != NULL ? list->len : 0;
}

static gboolean
forget (DescryLibrary *library,
        const char    *hash,
        Seen          *seen)
{
  GAsyncResult *called = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  descry_library_forget_async (library, hash, NULL, result_cb, &called);
  result = wait_result (&called);
  g_clear_error (&seen->error);
  return descry_library_forget_finish (library, result, &seen->error);
}

/* Writes what waits; the thread's references to tasks and the signals on their way are gone then. */
static void
end_library (DescryLibrary *library)
{
  descry_library_close (library);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (library);
}

static void
seen_clear (Seen *seen)
{
  g_clear_pointer (&seen->kept, descry_kept_free);
  g_clear_pointer (&seen->problem, g_free);
  g_clear_error (&seen->error);
}

static void
test_library (void)
{
  g_autofree char *path = scratch_path ("thread.sqlite");
  g_autoptr (DescryImage) image = descry_image_new (100, 100, NULL);
  g_autoptr (DescryScene) scene = scene_table ();
  g_autofree char *hash = descry_image_hash (image);
  g_autofree char *key = g_uuid_string_random ();
  DescryLibrary *library = descry_library_new (path);
  Seen seen = { 0 };

  g_signal_connect (library, "problem", G_CALLBACK (problem_cb), &seen);
  open_picture (library, image, &seen);
  g_assert_no_error (seen.error);
  g_assert_cmpstr (seen.kept->hash, ==, hash);
  g_assert_null (seen.kept->scene);
  g_assert_cmpuint (seen.kept->turns->len, ==, 0);

  scene->bundle = g_strdup ("compact");
  descry_library_keep_scene (library, hash, scene, NULL, TRUE);
  {
    g_autoptr (DescryTurn) part = make_turn ("Where?", "On the left.\n");
    g_autoptr (DescryTurn) turn = make_turn ("Where?", "On the left.\nNear the wall.");

    descry_library_keep_turn (library, hash, key, part, FALSE);
    descry_library_keep_turn (library, hash, key, turn, TRUE);
  }
  end_library (library);

  library = descry_library_new (path);
  g_signal_connect (library, "problem", G_CALLBACK (problem_cb), &seen);
  open_picture (library, image, &seen);
  g_assert_true (seen.kept->complete);
  g_assert_cmpuint (seen.kept->scene->objects->len, ==, 6);
  g_assert_cmpuint (seen.kept->turns->len, ==, 1);
  g_assert_cmpstr (((DescryKeptTurn *) g_ptr_array_index (seen.kept->turns, 0))->turn->answer, ==, "On the left.\nNear the wall.");
  g_assert_cmpuint (search (library, "wall", &seen), ==, 1);

  g_assert_true (forget (library, hash, &seen));
  g_assert_no_error (seen.error);
  g_assert_cmpuint (search (library, "wall", &seen), ==, 0);
  open_picture (library, image, &seen);
  g_assert_null (seen.kept->scene);

  descry_library_close (library);
  g_assert_cmpuint (search (library, "wall", &seen), ==, 0);
  g_assert_error (seen.error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  end_library (library);
  g_assert_cmpuint (seen.problems, ==, 0);
  seen_clear (&seen);
}

/* Run as somebody for whom the folder is read-only: root may write everywhere. */
static void
become_nobody (void)
{
  if (geteuid () == 0)
    g_assert_true (setresgid (65534, 65534, 65534) == 0 && setresuid (65534, 65534, 65534) == 0);
}

static void
test_read_only (void)
{
  g_autofree char *folder = NULL;
  g_autofree char *path = NULL;
  g_autofree char *empty = NULL;
  g_autoptr (DescryImage) image = NULL;
  g_autofree char *hash = NULL;
  DescryLibrary *library;
  DescryStore *store;
  Seen seen = { 0 };

  if (!g_test_subprocess ())
    {
      folder = g_dir_make_tmp ("descry-test-XXXXXX", NULL);
      path = g_build_filename (folder, "library.sqlite", NULL);
      g_setenv ("DESCRY_TEST_READ_ONLY", folder, TRUE);
      g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
      g_assert_cmpint (g_chmod (folder, 0755), ==, 0);
      remove_store (path);
      g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing else was left in it */
      g_test_trap_assert_passed ();
      return;
    }

  folder = g_strdup (g_getenv ("DESCRY_TEST_READ_ONLY"));
  path = g_build_filename (folder, "library.sqlite", NULL);
  empty = g_build_filename (folder, "none", "library.sqlite", NULL);
  image = descry_image_new (100, 100, NULL);
  hash = descry_image_hash (image);
  store = open_store (path);
  remember (store, hash, "photo.jpg", "/photo.jpg");
  keep (store, hash, "k", "Kept?", "Kept indeed.", TRUE);
  descry_store_close (store);
  g_assert_cmpint (g_chmod (path, 0444), ==, 0);
  g_assert_cmpint (g_chmod (folder, 0555), ==, 0);
  become_nobody ();

  library = descry_library_new (path);
  g_signal_connect (library, "problem", G_CALLBACK (problem_cb), &seen);
  open_picture (library, image, &seen);
  g_assert_no_error (seen.error);
  g_assert_cmpuint (seen.kept->turns->len, ==, 1);
  g_assert_cmpuint (search (library, "indeed", &seen), ==, 1);
  {
    g_autoptr (DescryTurn) turn = make_turn ("More?", "More.");

    descry_library_keep_turn (library, hash, "k2", turn, TRUE);
    descry_library_keep_turn (library, hash, "k3", turn, TRUE);
  }
  open_picture (library, image, &seen);
  g_assert_cmpuint (seen.kept->turns->len, ==, 1);
  g_assert_cmpuint (seen.problems, ==, 1);
  end_library (library);

  /* No library and no folder to make one in. */
  seen.problems = 0;
  library = descry_library_new (empty);
  g_signal_connect (library, "problem", G_CALLBACK (problem_cb), &seen);
  open_picture (library, image, &seen);
  g_assert_no_error (seen.error);
  g_assert_cmpstr (seen.kept->hash, ==, hash);
  g_assert_null (seen.kept->scene);
  g_assert_cmpuint (seen.kept->turns->len, ==, 0);
  {
    g_autoptr (DescryTurn) turn = make_turn ("More?", "More.");

    descry_library_keep_turn (library, hash, "k2", turn, TRUE);
  }
  g_assert_cmpuint (search (library, "more", &seen), ==, 0);
  g_assert_cmpuint (seen.problems, ==, 1);
  end_library (library);
  seen_clear (&seen);
}

static void
test_disk_full (void)
{
  g_autofree char *path = NULL;
  g_autoptr (DescryImage) image = NULL;
  g_autoptr (DescryTurn) last = NULL;
  g_autofree char *hash = NULL;
  struct rlimit limit;
  DescryLibrary *library;
  Seen seen = { 0 };
  guint before;
  guint i;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
      g_test_trap_assert_passed ();
      return;
    }

  path = scratch_path ("full.sqlite");
  image = descry_image_new (100, 100, NULL);
  hash = descry_image_hash (image);
  library = descry_library_new (path);
  g_signal_connect (library, "problem", G_CALLBACK (problem_cb), &seen);
  open_picture (library, image, &seen);
  for (i = 0; i < 20; i++)
    {
      g_autoptr (DescryTurn) turn = make_turn ("Before?", "Written before the disk was full.");
      g_autofree char *key = g_strdup_printf ("before%u", i);

      descry_library_keep_turn (library, hash, key, turn, TRUE);
    }
  open_picture (library, image, &seen);
  before = seen.kept->turns->len;
  g_assert_cmpuint (before, ==, 20);

  /* No file may become longer than what the log needs for a few pages more. */
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = 64 * 1024;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  for (i = 0; i < 60; i++)
    {
      g_autofree char *long_answer = g_strnfill (4000, 'x');
      g_autoptr (DescryTurn) turn = make_turn ("During?", long_answer);
      g_autofree char *key = g_strdup_printf ("during%u", i);

      descry_library_keep_turn (library, hash, key, turn, TRUE);
    }
  open_picture (library, image, &seen);
  g_assert_no_error (seen.error);
  g_assert_cmpuint (seen.problems, ==, 1);
  g_assert_nonnull (seen.problem);
  g_assert_cmpuint (seen.kept->turns->len, >=, before);
  g_assert_cmpuint (seen.kept->turns->len, <, before + 60);

  /* Space again: what is written now is kept, and all that had no room, in its order. */
  limit.rlim_cur = limit.rlim_max;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  last = make_turn ("Afterwards?", "Written afterwards.");
  descry_library_keep_turn (library, hash, "last", last, TRUE);
  g_assert_cmpuint (search (library, "afterwards", &seen), ==, 1);
  end_library (library);
  {
    g_autoptr (DescryStore) store = open_store (path);

    g_autoptr (GPtrArray) turns = descry_store_load_turns (store, hash, NULL);

    g_assert_cmpuint (turns->len, ==, before + 60 + 1);
    g_assert_cmpstr (((DescryKeptTurn *) g_ptr_array_index (turns, before))->key, ==, "during0");
    g_assert_cmpstr (((DescryKeptTurn *) g_ptr_array_index (turns, before + 59))->key, ==, "during59");
    g_assert_cmpuint (count_found (store, "before disk"), ==, 20);
  }
  seen_clear (&seen);
  remove_store (path); /* the folder goes with the program */
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/library/thread", test_library);
  g_test_add_func ("/library/read-only", test_read_only);
  g_test_add_func ("/library/disk full", test_disk_full);

  return scratch_run ();
}
