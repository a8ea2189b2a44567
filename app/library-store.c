/* library-store.c - pictures, analyses and conversations in one SQLite file
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-library"

#include "config.h"

#include "app/library-store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>

#include "app/library-features.h"
#include "app/library-schema.h"
#include "app/library-sql.h"

#define BUSY_MS 5000 /* another process writes: its transactions take milliseconds, a VACUUM seconds */
#define BUSY_TRIES 40
#define BUSY_PAUSE_MS 50
#define MAX_JSON (64 * 1024 * 1024) /* bytes of a scene */

/* --------- Opening ------------------ */

static gboolean
migrate (DescryStore *self,
         GError     **error)
{
  int version;

  if (!library_begin (self, error))
    return FALSE;

  {
    g_autoptr (Statement) statement = library_prepare (self, "PRAGMA user_version", error);

    if (statement == NULL || !library_step (self, statement, error))
      return library_end (self, FALSE, NULL);
    version = sqlite3_column_int (statement, 0);
  }
  if (version > LIBRARY_VERSION)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("the library is of a newer Descry (version %d, this one knows %d)"),
                   version, LIBRARY_VERSION);
      return library_end (self, FALSE, NULL);
    }

  /* All steps are one transaction: a file is of one version or of another. */
  for (; version < LIBRARY_VERSION; version++)
    {
      g_autofree char *mark = g_strdup_printf ("PRAGMA user_version = %d", version + 1);

      if (!library_execute (self, library_steps[version], error) || !library_execute (self, mark, error))
        return library_end (self, FALSE, NULL);
    }

  return library_end (self, TRUE, error);
}

static gboolean
check_pages (DescryStore *self,
             GError     **error)
{
  g_autoptr (Statement) statement = library_prepare (self, "PRAGMA quick_check (1)", error);

  if (statement == NULL || !library_step (self, statement, error))
    return FALSE;
  if (g_strcmp0 ((const char *) sqlite3_column_text (statement, 0), "ok") == 0)
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s", sqlite3_column_text (statement, 0));
  return FALSE;
}

static DescryStore *
open_writable (const char *path,
               GError    **error)
{
  g_autoptr (DescryStore) self = g_new0 (DescryStore, 1);
  int code = sqlite3_open_v2 (path, &self->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

  if (code != SQLITE_OK)
    {
      library_set_error (self->db, code, error);
      return NULL;
    }
  sqlite3_busy_timeout (self->db, BUSY_MS);
  /* secure_delete: deleted rows are overwritten. FULL: what was returned as written is there when the power fails, too;
   * nobody waits for it but the library's own thread. */
  if (!library_execute (self, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
                      "PRAGMA cell_size_check = ON", error)
      || !check_pages (self, error)
      || !migrate (self, error))
    return NULL;

  return g_steal_pointer (&self);
}

static DescryStore *
open_read_only (const char *path,
                GError    **error)
{
  g_autoptr (DescryStore) self = g_new0 (DescryStore, 1);
  g_autofree char *escaped = g_uri_escape_string (path, G_URI_RESERVED_CHARS_ALLOWED_IN_PATH, FALSE);
  /* Immutable: without a folder to write to there can be no log, and nobody who changes the file. */
  g_autofree char *uri = g_strdup_printf ("file:%s?immutable=1", escaped);
  int code = sqlite3_open_v2 (uri, &self->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
  g_autoptr (Statement) statement = NULL;

  if (code != SQLITE_OK)
    {
      library_set_error (self->db, code, error);
      return NULL;
    }
  self->read_only = TRUE;
  statement = library_prepare (self, "PRAGMA user_version", error);
  if (statement == NULL || !library_step (self, statement, error))
    return NULL;
  if (sqlite3_column_int (statement, 0) != LIBRARY_VERSION)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, _("the library is of another version and cannot be brought up to date"));
      return NULL;
    }
  g_clear_pointer (&statement, sqlite3_finalize);

  return g_steal_pointer (&self);
}

/* The file and its log keep belonging together under the new name. */
static char *
set_aside (const char *path,
           GError    **error)
{
  static const char *const parts[] = { "-wal", "-shm", "" };
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y%m%d-%H%M%S");
  char *target = NULL;
  guint i;

  for (i = 0; target == NULL; i++)
    {
      target = i == 0 ? g_strdup_printf ("%s.damaged-%s", path, stamp) : g_strdup_printf ("%s.damaged-%s-%u", path, stamp, i);
      if (g_file_test (target, G_FILE_TEST_EXISTS))
        g_clear_pointer (&target, g_free);
    }

  for (i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *from = g_strconcat (path, parts[i], NULL);
      g_autofree char *to = g_strconcat (target, parts[i], NULL);

      if (g_rename (from, to) != 0 && (errno != ENOENT || *parts[i] == '\0'))
        {
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "%s: %s", from, g_strerror (errno));
          g_free (target);
          return NULL;
        }
    }

  return target;
}

DescryStore *
descry_store_open (const char *path,
                   char      **message,
                   GError    **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *lock_path = g_strconcat (path, ".lock", NULL);
  g_autoptr (GError) local = NULL;
  DescryStore *self;
  gint64 until = g_get_monotonic_time () + BUSY_MS * G_TIME_SPAN_MILLISECOND;
  int lock;

  g_return_val_if_fail (path != NULL && message != NULL, NULL);

  *message = NULL;
  g_mkdir_with_parents (folder, 0700); /* what is wrong with it, opening says */

  /* One process opens at a time: of two that find the same damage the second must not set the first one's new file
   * aside. A folder that cannot be written has no lock, and nothing to set aside. */
  lock = g_open (lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock >= 0)
    while (flock (lock, LOCK_EX) != 0 && errno == EINTR)
      ;

  /* SQLite does not wait while another process recovers the log of one that was killed, or folds its own in. */
  self = open_writable (path, &local);
  while (self == NULL && g_error_matches (local, G_IO_ERROR, G_IO_ERROR_BUSY) && g_get_monotonic_time () < until)
    {
      g_clear_error (&local);
      g_usleep (BUSY_PAUSE_MS * 1000);
      self = open_writable (path, &local);
    }
  if (self == NULL && g_error_matches (local, G_IO_ERROR, G_IO_ERROR_INVALID_DATA))
    {
      g_autofree char *aside = set_aside (path, error);

      if (aside != NULL)
        {
          g_autofree char *shown = g_filename_display_name (aside);

          *message = g_strdup_printf (_("The library was damaged (%s). It is kept as “%s”; a new one was begun."), local->message, shown);
          self = open_writable (path, error);
        }
    }
  else if (self == NULL && g_error_matches (local, G_IO_ERROR, G_IO_ERROR_READ_ONLY) && g_file_test (path, G_FILE_TEST_EXISTS))
    self = open_read_only (path, error);
  else if (self == NULL)
    g_propagate_error (error, g_steal_pointer (&local));

  if (lock >= 0)
    close (lock);
  if (self != NULL && !self->read_only)
    g_chmod (path, 0600); /* what is said about pictures is nobody else's */
  return self;
}

void
descry_store_close (DescryStore *self)
{
  if (self == NULL)
    return;

  /* The last connection moves the log into the file. */
  if (self->db != NULL)
    sqlite3_close (self->db);
  g_free (self);
}

gboolean
descry_store_is_read_only (DescryStore *self)
{
  return self->read_only;
}

/* --------- Pictures and scenes ------------------ */

gboolean
descry_store_remember (DescryStore *self,
                       const char  *hash,
                       const char  *name,
                       const char  *path,
                       GError     **error)
{
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  g_autoptr (Statement) statement = NULL;
  gboolean good;

  if (!library_begin (self, error))
    return FALSE;

  /* A paste of a known file does not lose the file. */
  statement = library_prepare (self, "INSERT INTO pictures (hash, name, path, opened) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (hash) DO UPDATE SET"
                             " name = CASE WHEN ?3 IS NULL AND path IS NOT NULL THEN name ELSE ?2 END, path = coalesce (?3, path), opened = ?4", error);
  if (statement == NULL)
    return library_end (self, FALSE, NULL);
  library_bind_text (statement, 1, hash);
  library_bind_text (statement, 2, valid);
  if (path != NULL)
    sqlite3_bind_blob (statement, 3, path, (int) strlen (path), SQLITE_TRANSIENT);
  sqlite3_bind_int64 (statement, 4, g_get_real_time ());
  good = library_finish (self, statement, error);
  g_clear_pointer (&statement, sqlite3_finalize);

  return library_end (self, good, error);
}

gboolean
descry_store_keep_scene (DescryStore *self,
                         const char  *hash,
                         DescryScene *scene,
                         const char  *models,
                         gboolean     complete,
                         GError     **error)
{
  json_t *json = descry_scene_to_json (scene, 0.0f);
  char *text = json_dumps (json, JSON_COMPACT);
  g_autoptr (GByteArray) features = descry_features_pack (scene);
  g_autoptr (Statement) statement = NULL;
  gboolean good = FALSE;
  gint64 picture;

  json_decref (json);
  if (text == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the scene holds text that is not UTF-8");
      return FALSE;
    }
  if (!library_begin (self, error))
    {
      free (text);
      return FALSE;
    }

  picture = library_find_picture (self, hash, error);
  if (picture > 0)
    statement = library_prepare (self, "INSERT INTO analyses (picture, bundle, scene, complete, made, features, models)"
                               " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (picture, bundle) DO UPDATE SET scene = ?3, complete = ?4,"
                               " made = ?5, features = ?6, models = ?7", error);
  if (statement != NULL)
    {
      sqlite3_bind_int64 (statement, 1, picture);
      library_bind_text (statement, 2, scene->bundle != NULL ? scene->bundle : "");
      library_bind_text (statement, 3, text);
      sqlite3_bind_int (statement, 4, complete);
      sqlite3_bind_int64 (statement, 5, g_get_real_time ());
      sqlite3_bind_blob64 (statement, 6, features->data, features->len, SQLITE_TRANSIENT);
      library_bind_text (statement, 7, models);
      good = library_finish (self, statement, error);
      g_clear_pointer (&statement, sqlite3_finalize);
    }
  free (text);

  return library_end (self, good || picture == 0, error);
}

DescryScene *
descry_store_load_scene (DescryStore *self,
                         const char  *hash,
                         const char  *bundle,
                         gboolean    *complete,
                         char       **models,
                         GError     **error)
{
  g_autoptr (Statement) statement = library_prepare (self, "SELECT scene, complete, features, models FROM analyses JOIN pictures ON pictures.id = picture WHERE hash = ?1"
                                                   " ORDER BY bundle IS ?2 DESC, made DESC LIMIT 1", error);
  DescryScene *scene;
  json_error_t reason;
  json_t *json;

  if (statement == NULL)
    return NULL;
  library_bind_text (statement, 1, hash);
  library_bind_text (statement, 2, bundle);
  if (!library_step (self, statement, error))
    return NULL;
  if (sqlite3_column_bytes (statement, 0) > MAX_JSON)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a kept scene is too large");
      return NULL;
    }

  json = json_loadb ((const char *) sqlite3_column_text (statement, 0), (size_t) sqlite3_column_bytes (statement, 0), 0, &reason);
  if (json == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a kept scene: %s", reason.text);
      return NULL;
    }
  scene = descry_scene_from_json (json, error);
  json_decref (json);
  if (scene != NULL && sqlite3_column_bytes (statement, 2) > 0)
    descry_features_unpack (scene, sqlite3_column_blob (statement, 2), (gsize) sqlite3_column_bytes (statement, 2));
  if (complete != NULL)
    *complete = scene != NULL && sqlite3_column_int (statement, 1) != 0;
  if (models != NULL)
    *models = library_column_text (statement, 3);

  return scene;
}

gboolean
descry_store_keep_edits (DescryStore *self,
                         const char  *hash,
                         const char  *edits,
                         GError     **error)
{
  g_autoptr (Statement) statement = NULL;
  gboolean good;

  if (!library_begin (self, error))
    return FALSE;

  statement = library_prepare (self, "UPDATE pictures SET edits = ?2 WHERE hash = ?1", error);
  if (statement == NULL)
    return library_end (self, FALSE, NULL);
  library_bind_text (statement, 1, hash);
  library_bind_text (statement, 2, edits);
  good = library_finish (self, statement, error);
  g_clear_pointer (&statement, sqlite3_finalize);

  return library_end (self, good, error);
}

char *
descry_store_load_edits (DescryStore *self,
                         const char  *hash,
                         GError     **error)
{
  g_autoptr (Statement) statement = library_prepare (self, "SELECT edits FROM pictures WHERE hash = ?1 AND edits IS NOT NULL", error);

  if (statement == NULL)
    return NULL;
  library_bind_text (statement, 1, hash);
  if (!library_step (self, statement, error))
    return NULL;

  return library_column_text (statement, 0);
}

static GPtrArray *
read_pictures (DescryStore *self,
               Statement   *statement,
               GError     **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_kept_picture_free);
  g_autoptr (GError) local = NULL;

  while (library_step (self, statement, &local))
    {
      DescryKeptPicture *picture = g_new0 (DescryKeptPicture, 1);

      picture->hash = library_column_text (statement, 0);
      picture->name = library_column_text (statement, 1);
      if (sqlite3_column_type (statement, 2) != SQLITE_NULL)
        picture->path = g_strndup (sqlite3_column_blob (statement, 2), (gsize) sqlite3_column_bytes (statement, 2));
      picture->opened = sqlite3_column_int64 (statement, 3);
      g_ptr_array_add (list, picture);
    }
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }

  return g_steal_pointer (&list);
}

GPtrArray *
descry_store_recent (DescryStore *self,
                     guint        n,
                     GError     **error)
{
  g_autoptr (Statement) statement = library_prepare (self, "SELECT hash, name, path, opened FROM pictures WHERE path IS NOT NULL"
                                                   " ORDER BY opened DESC LIMIT ?", error);

  if (statement == NULL)
    return NULL;
  sqlite3_bind_int64 (statement, 1, n);
  return read_pictures (self, statement, error);
}

/* --------- Forgetting ------------------ */

/* A VACUUM waits for other processes' writes, but not for one that gets in between. */
static gboolean
vacuum (DescryStore *self,
        GError     **error)
{
  guint i;

  for (i = 0; i < BUSY_TRIES; i++)
    {
      int code = sqlite3_exec (self->db, "VACUUM", NULL, NULL, NULL);

      if (code == SQLITE_OK)
        return TRUE;
      if ((code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_LOCKED)
        break;
      g_usleep (BUSY_PAUSE_MS * 1000);
    }
  library_set_error (self->db, sqlite3_errcode (self->db), error);

  return FALSE;
}

static gboolean
empty_log (DescryStore *self,
           GError     **error)
{
  guint i;

  for (i = 0; i < BUSY_TRIES; i++)
    {
      g_autoptr (Statement) statement = library_prepare (self, "PRAGMA wal_checkpoint (TRUNCATE)", error);

      if (statement == NULL || !library_step (self, statement, error))
        return FALSE;
      if (sqlite3_column_int (statement, 0) == 0)
        return TRUE;
      g_usleep (BUSY_PAUSE_MS * 1000);
    }
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                       _("another Descry is using the library: the rest of the text leaves the disk when both are closed"));

  return FALSE;
}

/* Bytes of deleted rows can be left in the word index, in pages that were rearranged, and in the log. */
static gboolean
forget (DescryStore *self,
        const char  *sql,
        const char  *hash,
        GError     **error)
{
  g_autoptr (Statement) statement = NULL;
  gboolean good;

  if (!library_begin (self, error))
    return FALSE;

  statement = library_prepare (self, sql, error);
  if (statement == NULL)
    return library_end (self, FALSE, NULL);
  if (hash != NULL)
    library_bind_text (statement, 1, hash);
  good = library_finish (self, statement, error);
  g_clear_pointer (&statement, sqlite3_finalize);
  good = good && library_execute (self, "INSERT INTO search (search) VALUES ('rebuild')", error);

  return library_end (self, good, error) && vacuum (self, error) && empty_log (self, error);
}

gboolean
descry_store_forget_picture (DescryStore *self,
                             const char  *hash,
                             GError     **error)
{
  return forget (self, "DELETE FROM pictures WHERE hash = ?", hash, error);
}

gboolean
descry_store_forget_everything (DescryStore *self,
                                GError     **error)
{
  return forget (self, "DELETE FROM pictures", NULL, error);
}

/* --------- What is handed out ------------------ */

static void
clear_picture (DescryKeptPicture *picture)
{
  g_clear_pointer (&picture->hash, g_free);
  g_clear_pointer (&picture->name, g_free);
  g_clear_pointer (&picture->path, g_free);
}

void
descry_kept_picture_free (DescryKeptPicture *picture)
{
  clear_picture (picture);
  g_free (picture);
}

void
descry_kept_turn_free (DescryKeptTurn *turn)
{
  g_clear_pointer (&turn->key, g_free);
  g_clear_pointer (&turn->turn, descry_turn_unref);
  g_free (turn);
}

void
descry_found_turn_free (DescryFoundTurn *found)
{
  clear_picture (&found->picture);
  g_clear_pointer (&found->key, g_free);
  g_clear_pointer (&found->question, g_free);
  g_clear_pointer (&found->excerpt, g_free);
  g_free (found);
}
