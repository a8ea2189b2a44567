/* library-sql.h - statements and transactions of the library's file; for its own parts alone
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <sqlite3.h>

#include "app/library-store.h"

G_BEGIN_DECLS

typedef sqlite3_stmt Statement;

struct _DescryStore
{
  sqlite3  *db;
  gboolean  read_only;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Statement, sqlite3_finalize)

void       library_set_error    (sqlite3 *db, int code, GError **error);
gboolean   library_execute      (DescryStore *self, const char *sql, GError **error);
Statement *library_prepare      (DescryStore *self, const char *sql, GError **error);
void       library_bind_text    (Statement *statement, int place, const char *text);

/* Runs a statement that returns no row. */
gboolean   library_finish       (DescryStore *self, Statement *statement, GError **error);
/* TRUE: there is a row. FALSE with *@error unset: no more. */
gboolean   library_step         (DescryStore *self, Statement *statement, GError **error);
char      *library_column_text  (Statement *statement, int column);

gboolean   library_begin        (DescryStore *self, GError **error);
/* Commits, or takes all back: also after a commit that failed, as on a full disk. */
gboolean   library_end          (DescryStore *self, gboolean good, GError **error);

/* The row of a picture; 0 if it is not there, -1 on an error. */
gint64     library_find_picture (DescryStore *self, const char *hash, GError **error);

G_END_DECLS
