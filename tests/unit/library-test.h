/* library-test.h - a library's file, written to and counted in a line
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <string.h>

#include <gio/gio.h>

#include "app/library-store.h"
#include "tests/unit/scratch.h"
#include "tests/unit/test-scene.h"

static inline DescryStore *
open_store (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;
  DescryStore *store = descry_store_open (path, &message, &error);

  g_assert_no_error (error);
  g_assert_null (message);
  return store;
}

/* The callback of every job, and the wait for it: (transfer full) */
static inline void
result_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static inline GAsyncResult *
wait_result (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return g_steal_pointer (result);
}

static inline void
remove_store (const char *path)
{
  static const char *const parts[] = { "", "-wal", "-shm", ".lock" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *part = g_strconcat (path, parts[i], NULL);

      g_remove (part);
    }
}

static inline DescryTurn *
make_turn (const char *question,
           const char *answer)
{
  DescryTurn *turn = descry_turn_new (question);
  guint ids[] = { 3, 1 };

  g_array_append_vals (turn->chips, ids, 1);
  g_array_append_vals (turn->evidence, ids, 2);
  turn->answer = g_strdup (answer);
  turn->prompt = g_strdup ("The picture shows a cup.");
  turn->soft_tokens = 4;
  turn->prompt_tokens = 50;
  turn->answer_tokens = 7;
  turn->first_token_ms = 12.5;
  turn->total_ms = 99.25;
  if (strlen (answer) >= 7)
    descry_turn_add_link (turn, 4, 7, ids, 2);
  return turn;
}

static inline void
keep (DescryStore *store,
      const char  *hash,
      const char  *key,
      const char  *question,
      const char  *answer,
      gboolean     finished)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryTurn) turn = make_turn (question, answer);

  descry_store_keep_turn (store, hash, key, turn, finished, &error);
  g_assert_no_error (error);
}

static inline void
remember (DescryStore *store,
          const char  *hash,
          const char  *name,
          const char  *path)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (descry_store_remember (store, hash, name, path, &error));
  g_assert_no_error (error);
}

static inline guint
count_turns (DescryStore *store,
             const char  *hash)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) turns = descry_store_load_turns (store, hash, &error);

  g_assert_no_error (error);
  return turns->len;
}

static inline guint
count_found (DescryStore *store,
             const char  *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = descry_store_search (store, text, 100, &error);

  g_assert_no_error (error);
  return found->len;
}
