/* library-sql.c - statements and transactions of the library's file
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-library"

#include "config.h"

#include "app/library-sql.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

#define BEGIN_MS 5000 /* for a transaction to begin */
#define PAUSE_MS 20

void
library_set_error (sqlite3    *db,
                   int         code,
                   GError    **error)
{
  GIOErrorEnum reason = G_IO_ERROR_FAILED;

  switch (code & 0xff)
    {
    case SQLITE_FULL:
      reason = G_IO_ERROR_NO_SPACE;
      break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      reason = G_IO_ERROR_READ_ONLY;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      reason = G_IO_ERROR_BUSY;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      reason = G_IO_ERROR_INVALID_DATA;
      break;
    default:
      break;
    }
  g_set_error (error, G_IO_ERROR, reason, "%s", db != NULL ? sqlite3_errmsg (db) : sqlite3_errstr (code));
}

gboolean
library_execute (DescryStore *self,
                 const char  *sql,
                 GError     **error)
{
  int code = sqlite3_exec (self->db, sql, NULL, NULL, NULL);

  if (code != SQLITE_OK)
    library_set_error (self->db, code, error);

  return code == SQLITE_OK;
}

Statement *
library_prepare (DescryStore *self,
                 const char  *sql,
                 GError     **error)
{
  Statement *statement = NULL;
  int code = sqlite3_prepare_v2 (self->db, sql, -1, &statement, NULL);

  if (code != SQLITE_OK)
    library_set_error (self->db, code, error);

  return statement;
}

void
library_bind_text (Statement  *statement,
                   int         place,
                   const char *text)
{
  sqlite3_bind_text (statement, place, text, -1, SQLITE_TRANSIENT);
}

gboolean
library_finish (DescryStore *self,
                Statement   *statement,
                GError     **error)
{
  int code = sqlite3_step (statement);

  if (code != SQLITE_DONE && code != SQLITE_ROW)
    {
      library_set_error (self->db, code, error);
      return FALSE;
    }

  return TRUE;
}

gboolean
library_step (DescryStore *self,
              Statement   *statement,
              GError     **error)
{
  int code = sqlite3_step (statement);

  if (code != SQLITE_DONE && code != SQLITE_ROW)
    library_set_error (self->db, code, error);

  return code == SQLITE_ROW;
}

char *
library_column_text (Statement *statement,
                     int        column)
{
  return g_strdup ((const char *) sqlite3_column_text (statement, column));
}

gboolean
library_begin (DescryStore *self,
               GError     **error)
{
  gint64 until;
  int code;

  if (self->read_only)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, _("the library can only be read"));
      return FALSE;
    }

  /* The lock at once: a reader that becomes a writer late can meet another one, and neither may wait then. SQLite itself does
   * not wait while another process recovers the log of one that was killed. */
  until = g_get_monotonic_time () + BEGIN_MS * G_TIME_SPAN_MILLISECOND;
  while ((code = sqlite3_exec (self->db, "BEGIN IMMEDIATE", NULL, NULL, NULL)) != SQLITE_OK)
    {
      if ((code & 0xff) != SQLITE_BUSY || g_get_monotonic_time () > until)
        {
          library_set_error (self->db, code, error);
          return FALSE;
        }
      g_usleep (PAUSE_MS * 1000);
    }

  return TRUE;
}

gboolean
library_end (DescryStore *self,
             gboolean     good,
             GError     **error)
{
  if (good && library_execute (self, "COMMIT", error))
    return TRUE;

  if (!sqlite3_get_autocommit (self->db))
    library_execute (self, "ROLLBACK", NULL);
  return FALSE;
}

gint64
library_find_picture (DescryStore *self,
                      const char  *hash,
                      GError     **error)
{
  g_autoptr (Statement) statement = library_prepare (self, "SELECT id FROM pictures WHERE hash = ?", error);
  g_autoptr (GError) local = NULL;

  if (statement == NULL)
    return -1;
  library_bind_text (statement, 1, hash);
  if (library_step (self, statement, &local))
    return sqlite3_column_int64 (statement, 0);
  if (local == NULL)
    return 0;

  g_propagate_error (error, g_steal_pointer (&local));
  return -1;
}
