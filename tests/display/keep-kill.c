/* keep-kill.c - a window that is killed with an answer and an edit under way loses nothing that was written
 *
 * The window runs in a process of its own, asks, edits at random and writes a log of what a person has seen and of what
 * the library has written. After the kill the log says what must be there and what may be there.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/display/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/display/ui-test.h"
#include "ui/edits.h"

#define KILLS 12
#define KILLS_SLOW 200
#define OBJECTS 6
#define UNDER_WAY 4
#define NOTHING "{\"objects\":[],\"hidden\":[]}"

typedef enum
{
  SAID, /* a question, or the end of a paragraph: it is on the screen */
  EDITED, /* the edits as they are now follow as text */
  WRITTEN /* everything up to this number is in the file */
} Kind;

/* One line of the log; SAID and EDITED are numbered from 1. */
typedef struct
{
  gint64  when;
  guint32 kind;
  guint32 number;
  guint32 turns; /* asked, the running one as well */
  guint32 paragraphs; /* finished ones of the last */
  guint32 length; /* of the text */
} Line;

/* --------- The process that is killed ------------------ */

typedef struct
{
  World    world;
  GRand   *rand;
  int      log;
  guint    number, written; /* lines, and how many of them are in the file */
  guint    turns, paragraphs;
} Work;

static void
tell (Work       *work,
      Kind        kind,
      guint       number,
      const char *text)
{
  const Line line = { g_get_monotonic_time (), kind, number, work->turns, work->paragraphs, (guint32) strlen (text) };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *) &line, sizeof line);
  g_byte_array_append (bytes, (const guint8 *) text, line.length);
  if (write (work->log, bytes->data, bytes->len) != (gssize) bytes->len)
    _exit (1);
}

typedef struct
{
  Work *work;
  guint number;
} Wait;

static void
written_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autofree Wait *wait = data;
  g_autoptr (GPtrArray) list = descry_library_recent_finish (DESCRY_LIBRARY (source), result, NULL);

  wait->work->written = wait->number;
  tell (wait->work, WRITTEN, wait->number, "");
}

/* The library does one thing after the other: a list that is asked for now comes when what was to be kept is written. */
static void
note (Work       *work,
      Kind        kind,
      const char *text)
{
  Wait *wait = g_new (Wait, 1);

  wait->work = work;
  wait->number = ++work->number;
  tell (work, kind, wait->number, text);
  descry_library_recent_async (work->world.library, 1, NULL, written_cb, wait);
}

static void
said_cb (DescryEngine *engine,
         const char   *text,
         GCancellable *job,
         Work         *work)
{
  for (; *text != '\0'; text++)
    if (*text == '\n')
      {
        work->paragraphs++;
        note (work, SAID, "");
      }
}

static void
edited_cb (DescryWindow *window,
           const char   *json,
           Work         *work)
{
  note (work, EDITED, json);
}

static void
rename_selected (Work *work)
{
  GListModel *windows = gtk_window_get_toplevels ();
  g_autofree char *name = g_strdup_printf ("thing %u", g_rand_int (work->rand) % 1000);
  guint i;

  gtk_widget_activate_action (GTK_WIDGET (work->world.window), "win.rename", NULL);
  for (i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWindow) dialog = g_list_model_get_item (windows, i);

      if (!ADW_IS_MESSAGE_DIALOG (dialog))
        continue;
      gtk_editable_set_text (GTK_EDITABLE (adw_message_dialog_get_extra_child (ADW_MESSAGE_DIALOG (dialog))), name);
      adw_message_dialog_response (ADW_MESSAGE_DIALOG (dialog), "rename");
      gtk_window_destroy (dialog);
      return;
    }
}

/* What a person may do to an object; actions that have nothing to do are insensitive. */
static void
edit (Work *work)
{
  static const char *actions[] = { "win.hide", "win.hide", "win.delete", "win.undo", "win.undo", "win.redo" };
  const guint id = (guint) g_rand_int_range (work->rand, 1, OBJECTS + 1), which = (guint) g_rand_int_range (work->rand, 0, G_N_ELEMENTS (actions) + 2);

  descry_canvas_select (descry_window_get_canvas (work->world.window), &id, 1);
  if (which < G_N_ELEMENTS (actions))
    gtk_widget_activate_action (GTK_WIDGET (work->world.window), actions[which], NULL);
  else
    rename_selected (work);
}

void
keep_work_until_killed (const char *folder,
                        const char *seed)
{
  g_autofree char *path = g_build_filename (folder, "log", NULL);
  Work work = { .log = g_open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), .rand = g_rand_new_with_seed ((guint32) strtoul (seed, NULL, 10)) };
  g_autoptr (GPtrArray) old = NULL;

  if (work.log < 0)
    _exit (1);
  world_open (&work.world, 6);
  old = history (&work.world);
  work.turns = old->len;
  g_signal_connect_after (work.world.engine, "text", G_CALLBACK (said_cb), &work);
  g_signal_connect (work.world.window, "edits-changed", G_CALLBACK (edited_cb), &work);
  for (;;)
    {
      ask (&work.world);
      work.turns++;
      work.paragraphs = 0;
      note (&work, SAID, "");
      while (!descry_window_is_idle (work.world.window))
        {
          g_main_context_iteration (NULL, TRUE);
          /* Never many more than the library writes in that time, and most kills come while some are under way. */
          if (work.number - work.written < UNDER_WAY && g_rand_boolean (work.rand))
            edit (&work);
        }
    }
}

/* --------- The test ------------------ */

static const char *program, *folder, *picture, *database;

/* What the log of one run tells. */
typedef struct
{
  GPtrArray *edits; /* of char *: as they were before, then after each edit */
  guint      edits_written; /* index of the oldest that may be found */
  guint      turns, paragraphs; /* that must be there */
  guint      last_turns;
  guint      told; /* paragraphs */
} Log;

static void
read_log (Log        *log,
          const char *path,
          guint       turns_before,
          char       *edits_before, /* taken */
          gint64      promised_until)
{
  g_autofree char *bytes = NULL;
  gsize size = 0, at;
  g_autoptr (GArray) lines = g_array_new (FALSE, FALSE, sizeof (Line));
  g_autoptr (GArray) edits = g_array_new (FALSE, FALSE, sizeof (guint)); /* how many at the line of this number */
  guint written = 0, i;

  *log = (Log) { .edits = g_ptr_array_new_with_free_func (g_free), .turns = turns_before, .last_turns = turns_before };
  g_ptr_array_add (log->edits, edits_before);
  if (!g_file_get_contents (path, &bytes, &size, NULL))
    return;

  for (at = 0; size - at >= sizeof (Line);)
    {
      Line line;

      memcpy (&line, bytes + at, sizeof line);
      at += sizeof line;
      if (line.length > size - at)
        break;
      if (line.kind == WRITTEN)
        written = MAX (written, line.number);
      else
        {
          guint n;

          if (line.kind == EDITED)
            g_ptr_array_add (log->edits, g_strndup (bytes + at, line.length));
          n = log->edits->len - 1;
          g_array_append_val (lines, line);
          g_array_append_val (edits, n);
          g_assert_cmpuint (lines->len, ==, line.number);
        }
      at += line.length;
    }

  for (i = 0; i < lines->len; i++)
    {
      const Line *line = &g_array_index (lines, Line, i);

      log->told += line->kind == SAID && line->paragraphs > 0;
      log->last_turns = line->turns;
      if (line->number <= written || line->when < promised_until)
        {
          log->turns = line->turns;
          log->paragraphs = line->paragraphs;
          log->edits_written = g_array_index (edits, guint, i);
        }
    }
}

/* Every other one is killed at any time, while it is starting too; the rest when it has begun to ask, however busy the
 * machine is. */
static void
wait_a_while (const char *path,
              gboolean    started,
              gint32      longest)
{
  gint64 deadline = g_get_monotonic_time () + ui_test_patience () * G_TIME_SPAN_SECOND;
  GStatBuf status;

  while (started && (g_stat (path, &status) != 0 || status.st_size == 0) && g_get_monotonic_time () < deadline)
    g_usleep (5000);
  g_usleep ((gulong) g_test_rand_int_range (started ? 0 : 200, longest) * 1000);
}

static DescryStore *
open_store (void)
{
  g_autofree char *message = NULL;
  g_autoptr (GError) error = NULL;
  DescryStore *store = descry_store_open (database, &message, &error);

  g_assert_no_error (error);
  g_assert_null (message);
  return store;
}

/* The edits in the file are those after one of the steps that may be there; the window shows just these. */
static void
check_edits (World      *world,
             const char *text)
{
  g_autoptr (DescryEdits) edits = descry_edits_new (NULL, NULL);
  g_autoptr (DescryScene) expected = NULL;
  DescryCanvas *canvas = descry_window_get_canvas (world->window);
  DescryScene *shown = descry_canvas_get_scene (canvas);
  g_autoptr (GError) error = NULL;
  json_t *json = json_loads (text, 0, NULL);
  guint i;

  g_assert_nonnull (json);
  g_assert_true (descry_edits_from_json (edits, json, &error));
  json_decref (json);
  expected = descry_edits_apply (edits, descry_window_get_found (world->window));
  g_assert_cmpuint (shown->objects->len, ==, expected->objects->len);
  for (i = 0; i < shown->objects->len; i++)
    {
      const DescryObject *a = g_ptr_array_index (shown->objects, i), *b = g_ptr_array_index (expected->objects, i);

      g_assert_cmpuint (a->id, ==, b->id);
      g_assert_cmpstr (a->name, ==, b->name);
      g_assert_cmpint (g_hash_table_contains (descry_canvas_get_view (canvas)->hidden, GUINT_TO_POINTER (a->id)), ==, descry_edits_is_hidden (edits, a->id));
    }
}

static void
check_turns (World     *world,
             const Log *log,
             guint      before,
             guint     *unfinished)
{
  g_autoptr (GPtrArray) turns = history (world);
  guint k;

  g_assert_cmpuint (turns->len, >=, log->turns);
  g_assert_cmpuint (turns->len, <=, log->last_turns + 1);
  for (k = 0; k < turns->len; k++)
    {
      const DescryTurn *turn = g_ptr_array_index (turns, k);
      g_auto (GStrv) lines = g_strsplit (turn->answer, "\n", -1);
      guint paragraphs = g_strv_length (lines) - (*turn->answer != '\0');

      g_assert_cmpstr (turn->question, ==, QUESTION);
      g_assert_true (g_str_has_prefix (ANSWER, turn->answer));
      /* Whole paragraphs. */
      g_assert_true (*turn->answer == '\0' || g_str_has_suffix (turn->answer, "\n"));
      /* Killed between its last paragraph and its end, an answer is whole and yet marked. */
      g_assert_true (turn->stopped || strcmp (turn->answer, ANSWER) == 0);
      if (k + 1 == log->turns)
        g_assert_cmpuint (paragraphs, >=, log->paragraphs);
      if (k + 1 == turns->len && turns->len > before)
        *unfinished += turn->stopped;
    }
}

/* After each kill the window opens with all that the library had said to be written, and with every turn and paragraph that
 * was on the screen the moment before. */
static void
test_kill (void)
{
  guint kills = g_test_slow () ? KILLS_SLOW : KILLS, i, turns = 0, unfinished = 0, told = 0, late = 0, edits = 0, under_way = 0, lost = 0;
  gint32 longest = g_getenv ("DESCRY_TEST_SLOW") != NULL ? 20000 : 2500;
  gint64 moment = g_getenv ("DESCRY_TEST_SLOW") != NULL ? 2000000 : 250000; /* microseconds */
  g_autofree char *path = g_build_filename (folder, "log", NULL), *hash = NULL;
  g_autofree char *kept = g_strdup (NOTHING);
  g_autoptr (DescryImage) image = descry_image_load (picture, NULL, NULL);

  new_file ();
  hash = descry_image_hash (image);
  for (i = 0; i < kills; i++)
    {
      g_autofree char *seed = g_strdup_printf ("%u", (guint) g_test_rand_int_range (0, G_MAXINT32));
      const char *arguments[] = { program, "--work", folder, seed, NULL };
      g_autoptr (GError) error = NULL;
      g_autoptr (GSubprocess) process = g_subprocess_newv (arguments, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error);
      g_autofree char *found = NULL;
      g_autoptr (GPtrArray) now = NULL;
      DescryStore *store;
      World world;
      gint64 killed;
      guint k;
      Log log;

      g_assert_no_error (error);
      wait_a_while (path, i % 2 == 1, longest);
      killed = g_get_monotonic_time ();
      g_subprocess_force_exit (process);
      g_subprocess_wait (process, NULL, NULL);
      g_assert_true (g_subprocess_get_if_signaled (process));
      read_log (&log, path, turns, g_steal_pointer (&kept), killed - moment);
      g_unlink (path);

      store = open_store ();
      found = descry_store_load_edits (store, hash, &error);
      g_assert_no_error (error);
      if (found == NULL)
        found = g_strdup (NOTHING);
      for (k = log.edits_written; k < log.edits->len && strcmp (found, g_ptr_array_index (log.edits, k)) != 0; k++)
        ;
      if (k == log.edits->len)
        g_error ("kill %u: edits %s; of %u steps the first %u were written, then %s", i, found, log.edits->len - 1, log.edits_written,
                 (const char *) g_ptr_array_index (log.edits, log.edits_written));
      edits += log.edits->len - 1;
      under_way += log.edits_written + 1 < log.edits->len;
      lost += log.edits->len - 1 - k;
      descry_store_close (store);

      world_open (&world, 1);
      check_edits (&world, found);
      check_turns (&world, &log, turns, &unfinished);
      now = history (&world);
      late += now->len < log.last_turns;
      turns = now->len;
      told += log.told;
      kept = g_steal_pointer (&found);
      /* Deleted objects stay so over a start: before few are left all come back. */
      if (descry_canvas_get_scene (descry_window_get_canvas (world.window))->objects->len < OBJECTS / 2)
        {
          g_free (kept);
          kept = g_strdup (NOTHING);
        }
      world_close (&world);
      if (strcmp (kept, NOTHING) == 0)
        {
          store = open_store ();
          descry_store_keep_edits (store, hash, NOTHING, NULL); /* of no picture yet: nothing to keep */
          descry_store_close (store);
        }
      g_ptr_array_unref (log.edits);
    }
  g_test_message ("%u kills, %u turns, %u kills inside an answer; %u paragraphs were on the screen, none of them lost that was there %.2f s"
                  " before the kill; of the questions asked later %u were", kills, turns, unfinished, told, (double) moment / G_USEC_PER_SEC, late);
  g_test_message ("%u edits, %u kills with one under way; none lost that had been written, %u of the others", edits, under_way, lost);
  g_assert_cmpuint (turns, >, 0);
  g_assert_cmpuint (edits, >, 0);
}

void
keep_add_kill_test (const char *its_program,
                    const char *its_folder,
                    const char *its_picture,
                    const char *its_database)
{
  program = its_program;
  folder = its_folder;
  picture = its_picture;
  database = its_database;
  g_test_add_func ("/keep/kill", test_kill);
}
