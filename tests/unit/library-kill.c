/* library-kill.c - a process that writes answers is killed at any moment; all that it had finished is there
 *
 * The writer says on a pipe which paragraph it has written; the killer reads the pipe to its end and opens the file.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <poll.h>
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

static int
give_up (const char   *what,
         const GError *error)
{
  g_printerr ("the writer ends: %s: %s\n", what, error != NULL ? error->message : "no error");
  return 1;
}

/* Another process that writes without a pause can keep the file for longer than this one waits. */
static gboolean
starved (const char   *who,
         const GError *error)
{
  return *who != '\0' && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BUSY);
}

/* Writes until it is killed. @who: of the writers; each has a picture of its own. */
static int
write_answers (const char *path,
               guint       turn,
               const char *who)
{
  g_autofree char *own = g_strconcat (who, hash + strlen (who), NULL);
  g_autoptr (DescryScene) scene = scene_table ();
  g_autofree char *message = NULL;
  g_autoptr (GError) error = NULL;
  DescryStore *store;

  /* As the library's thread does: where another process has the file it is tried again. */
  while ((store = descry_store_open (path, &message, &error)) == NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BUSY))
    g_clear_error (&error);
  if (store == NULL || message != NULL)
    return give_up (message != NULL ? message : "opening", error);
  while (!descry_store_remember (store, own, "photo.jpg", "/photo.jpg", &error) && starved (who, error))
    g_clear_error (&error);
  if (error != NULL)
    return give_up ("a picture", error);

  for (;; turn++)
    {
      g_autofree char *key = g_strdup_printf ("%sturn-%u", who, turn);
      guint i;

      for (i = 0; i <= PARAGRAPHS; i++)
        {
          g_autoptr (DescryTurn) part = descry_turn_new ("What is there?");
          Said said = { turn, i };

          part->answer = make_answer (turn, i);
          while (!descry_store_keep_turn (store, own, key, part, i == PARAGRAPHS, &error) && starved (who, error))
            g_clear_error (&error);
          if (error != NULL || write (STDOUT_FILENO, &said, sizeof said) != sizeof said)
            return give_up ("a turn", error);
        }
      while (!descry_store_keep_scene (store, own, scene, NULL, TRUE, &error) && starved (who, error))
        g_clear_error (&error);
      if (error != NULL)
        return give_up ("a scene", error);
      /* Forgetting rewrites the file: the worst moment to be killed in. Where another process reads all the while it may give up, and
       * says so. */
      if (turn % 16 == 7 && !descry_store_forget_picture (store, "another", &error))
        {
          if (!starved (who, error))
            return give_up ("forgetting", error);
          g_clear_error (&error);
        }
    }
}

/* Until the writer has said something: how long its start takes is the machine's business. */
static void
wait_first (int out)
{
  struct pollfd poll_out = { out, POLLIN, 0 };

  g_assert_cmpint (poll (&poll_out, 1, 60000), ==, 1);
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
      /* Some while it starts, most while it writes. */
      if (i % 4 != 0)
        wait_first (out);
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

/* --------- Two at once ------------------ */

typedef struct
{
  const char *who;
  char       *hash;
  GPid        pid;
  int         out;
  GArray     *promised; /* paragraphs of each turn */
} Writer;

static void
writer_start (Writer     *writer,
              const char *path)
{
  g_autofree char *first = g_strdup_printf ("%u", writer->promised->len + 1);
  char *argv[] = { (char *) program, (char *) "--write", (char *) path, first, (char *) writer->who, NULL };
  g_autoptr (GError) error = NULL;

  g_assert_true (g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &writer->pid, NULL, &writer->out, NULL, &error));
}

/* Kills it and reads what it had said. */
static guint
writer_kill (Writer *writer)
{
  guint n = 0;
  Said said;
  int status;

  g_assert_cmpint (kill (writer->pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (writer->pid, &status, 0), ==, writer->pid);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL); /* it had not ended for want of the file */
  for (; read (writer->out, &said, sizeof said) == sizeof said; n += said.paragraphs > 0)
    {
      if (writer->promised->len < said.turn)
        g_array_set_size (writer->promised, said.turn);
      g_array_index (writer->promised, guint32, said.turn - 1) = said.paragraphs;
    }
  close (writer->out);
  return n;
}

/* All that it had said to be written is in the file, of no turn more than there is. */
static void
writer_check (Writer     *writer,
              const char *path)
{
  g_autofree char *message = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryStore) store = NULL;
  g_autoptr (GPtrArray) turns = NULL;
  guint i;

  while ((store = descry_store_open (path, &message, &error)) == NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BUSY))
    g_clear_error (&error);
  g_assert_no_error (error);
  g_assert_null (message);
  turns = descry_store_load_turns (store, writer->hash, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (turns->len, >=, writer->promised->len);
  g_assert_cmpuint (turns->len, <=, writer->promised->len + 1);
  for (i = 0; i < writer->promised->len; i++)
    {
      const DescryKeptTurn *kept = g_ptr_array_index (turns, i);
      g_autofree char *least = make_answer (i + 1, g_array_index (writer->promised, guint32, i));

      g_assert_true (g_str_has_prefix (kept->turn->answer, least));
    }
  g_array_set_size (writer->promised, turns->len);
}

/* Two instances have the file open; one is killed while the other goes on, which then is killed too. */
static void
test_two (void)
{
  g_autofree char *path = scratch_path ("two.sqlite");
  guint kills = g_test_slow () ? KILLS_SLOW / 2 : KILLS / 3, written[2] = { 0, 0 };
  gint32 longest = g_getenv ("DESCRY_TEST_SLOW") != NULL ? 600000 : 120000;
  Writer writers[2] = { { "aa" }, { "bb" } };
  guint i, k;

  for (k = 0; k < 2; k++)
    {
      writers[k].hash = g_strconcat (writers[k].who, hash + 2, NULL);
      writers[k].promised = g_array_new (FALSE, TRUE, sizeof (guint32));
    }
  for (i = 0; i < kills; i++)
    {
      guint first = (guint) g_test_rand_int_range (0, 2);

      for (k = 0; k < 2; k++)
        writer_start (&writers[k], path);
      if (i % 4 != 0)
        for (k = 0; k < 2; k++)
          wait_first (writers[k].out);
      g_usleep ((gulong) g_test_rand_int_range (1000, longest));
      written[first] += writer_kill (&writers[first]);
      writer_check (&writers[first], path); /* while the other writes */
      g_usleep ((gulong) g_test_rand_int_range (1000, longest));
      written[1 - first] += writer_kill (&writers[1 - first]);
      for (k = 0; k < 2; k++)
        writer_check (&writers[k], path);
      check_file (path);
    }
  g_test_message ("%u kills of each, %u and %u paragraphs said to be written, all there", kills, written[0], written[1]);
  for (k = 0; k < 2; k++)
    {
      g_assert_cmpuint (written[k], >, 0);
      g_free (writers[k].hash);
      g_array_unref (writers[k].promised);
    }
}

int
main (int    argc,
      char **argv)
{
  if (argc >= 4 && g_str_equal (argv[1], "--write"))
    return write_answers (argv[2], (guint) atoi (argv[3]), argc > 4 ? argv[4] : "");

  program = argv[0];
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/library/kill", test_kill);
  g_test_add_func ("/library/kill two", test_two);

  return scratch_run ();
}
