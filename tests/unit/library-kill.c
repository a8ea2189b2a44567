/* library-kill.c - a process that writes answers is killed at any moment; all that it had finished is there
 *
 * The writer says on a pipe which paragraph it has written; the killer reads the pipe to its end and opens the file.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "app/library-store.h"
#include "tests/unit/scratch.h"
#include "tests/unit/test-scene.h"

#define KILLS 30
#define KILLS_SLOW 200
#define PARAGRAPHS 6

static const char *program;
static const char *hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

typedef struct
{
  guint32 turn;
  guint32 paragraphs; /* finished */
} Said;

static char *
make_answer (guint turn,
             guint paragraphs)
{
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 1; i <= paragraphs; i++)
    g_string_append_printf (text, "Paragraph %u of turn %u, with words enough that it is not always of one page: %s.\n", i, turn,
                            "cup, lamp, table, door, window, chair");

  return g_string_free (text, FALSE);
}

/* Writes until it is killed. */
static int
write_answers (const char *path,
               guint       turn)
{
  g_autoptr (DescryScene) scene = scene_table ();
  g_autofree char *message = NULL;
  DescryStore *store = descry_store_open (path, &message, NULL);

  if (store == NULL || message != NULL || !descry_store_remember (store, hash, "photo.jpg", "/photo.jpg", NULL))
    return 1;

  for (;; turn++)
    {
      g_autofree char *key = g_strdup_printf ("turn-%u", turn);
      guint i;

      for (i = 0; i <= PARAGRAPHS; i++)
        {
          g_autoptr (DescryTurn) part = descry_turn_new ("What is there?");
          Said said = { turn, i };

          part->answer = make_answer (turn, i);
          if (!descry_store_keep_turn (store, hash, key, part, i == PARAGRAPHS, NULL) || write (STDOUT_FILENO, &said, sizeof said) != sizeof said)
            return 1;
        }
      if (!descry_store_keep_scene (store, hash, scene, NULL, TRUE, NULL))
        return 1;
      /* Forgetting rewrites the file: the worst moment to be killed in. */
      if (turn % 16 == 7 && !descry_store_forget_picture (store, "another", NULL))
        return 1;
    }
}

static void
check_file (const char *path)
{
  sqlite3_stmt *statement = NULL;
  sqlite3 *db = NULL;

  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_prepare_v2 (db, "PRAGMA integrity_check", -1, &statement, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_step (statement), ==, SQLITE_ROW);
  g_assert_cmpstr ((const char *) sqlite3_column_text (statement, 0), ==, "ok");
  sqlite3_finalize (statement);
  g_assert_cmpint (sqlite3_exec (db, "INSERT INTO search (search, rank) VALUES ('integrity-check', 1)", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (db);
}

static void
test_kill (void)
{
  g_autofree char *path = scratch_path ("kill.sqlite");
  guint kills = g_test_slow () ? KILLS_SLOW : KILLS;
  /* Under a sanitizer the writer alone takes that long to start. */
  gint32 longest = g_getenv ("DESCRY_TEST_SLOW") != NULL ? 600000 : 60000;
  guint finished = 0, middle = 0, early = 0;
  g_autoptr (GArray) promised = g_array_new (FALSE, TRUE, sizeof (guint32)); /* paragraphs of each turn that were said to be written */
  Said last = { 0, 0 };
  guint next = 1;
  guint i, j;

  for (i = 0; i < kills; i++)
    {
      g_autofree char *first = g_strdup_printf ("%u", next);
      char *argv[] = { (char *) program, (char *) "--write", path, first, NULL };
      g_autoptr (GError) error = NULL;
      g_autoptr (DescryStore) store = NULL;
      g_autoptr (GPtrArray) turns = NULL;
      g_autofree char *message = NULL;
      gboolean heard = FALSE;
      Said said;
      GPid pid;
      int status, out;

      g_assert_true (g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, &out, NULL, &error));
      g_usleep ((gulong) g_test_rand_int_range (1000, longest));
      g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
      g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
      g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);

      while (read (out, &said, sizeof said) == sizeof said)
        {
          if (promised->len < said.turn)
            g_array_set_size (promised, said.turn);
          g_array_index (promised, guint32, said.turn - 1) = said.paragraphs;
          last = said;
          heard = TRUE;
          finished += said.paragraphs > 0;
        }
      close (out);
      early += !heard;
      middle += heard && last.paragraphs < PARAGRAPHS;

      store = descry_store_open (path, &message, &error);
      g_assert_no_error (error);
      g_assert_null (message);
      turns = descry_store_load_turns (store, hash, &error);
      g_assert_no_error (error);

      /* Between a write and the word of it there is room for one write more. */
      g_assert_cmpuint (turns->len, >=, promised->len);
      g_assert_cmpuint (turns->len, <=, promised->len + 1);
      g_array_set_size (promised, turns->len);
      for (j = 0; j < turns->len; j++)
        {
          const DescryKeptTurn *kept = g_ptr_array_index (turns, j);
          g_autofree char *key = g_strdup_printf ("turn-%u", j + 1);
          g_autofree char *all = make_answer (j + 1, PARAGRAPHS);
          g_autofree char *least = make_answer (j + 1, g_array_index (promised, guint32, j));

          g_assert_cmpstr (kept->key, ==, key);
          g_assert_true (g_str_has_prefix (kept->turn->answer, least));
          g_assert_true (g_str_has_prefix (all, kept->turn->answer));
          g_assert_cmpint (kept->turn->stopped, ==, !g_str_equal (all, kept->turn->answer));
        }
      /* The next writer begins a turn of its own; what is unfinished stays as it is. */
      next = turns->len + 1;
      g_clear_pointer (&store, descry_store_close);
      check_file (path);
    }

  g_test_message ("%u kills: %u before the first write, %u within an answer; %u paragraphs written, all %u turns there after the last", kills, early,
                  middle, finished, next - 1);
  g_assert_cmpuint (finished, >, kills);
}

int
main (int    argc,
      char **argv)
{
  if (argc == 4 && g_str_equal (argv[1], "--write"))
    return write_answers (argv[2], (guint) atoi (argv[3]));

  program = argv[0];
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/library/kill", test_kill);

  return scratch_run ();
}
