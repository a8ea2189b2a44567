/* library.h - the library of pictures, what was found in them and what was said, seen from the window
 *
 * A thread of its own owns the file; nothing here waits. Writes are fire and forget and keep their order, loads are
 * async pairs. When the file cannot be written work goes on, and what could not be saved is tried again until the end of
 * the program. Main thread only.
 *
 * Signals:
 *   "problem"   (const char *message): it cannot be opened or written, once until a write succeeds again; or a damaged
 *               file was set aside
 *   "forgotten" (const char *hash): this picture, or all of them (NULL), at once when it is asked for
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app/library-store.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_LIBRARY (descry_library_get_type ())
G_DECLARE_FINAL_TYPE (DescryLibrary, descry_library, DESCRY, LIBRARY, GObject)

/* What is known of a picture that is opened. */
typedef struct
{
  char        *hash;
  DescryScene *scene; /* or NULL */
  gboolean     complete; /* its analysis ran to the end */
  char        *models; /* that found it, or NULL */
  char        *edits; /* JSON, or NULL */
  GPtrArray   *turns; /* of DescryKeptTurn, oldest first */
} DescryKept;

void descry_kept_free (DescryKept *kept);

/* @path: NULL is descry/library.sqlite in the user's data folder. Opening is the thread's first job. */
DescryLibrary *descry_library_new   (const char *path);

/* Waits until all is written, then closes the file. For the end of the program; unref does the same. */
void           descry_library_close (DescryLibrary *self);

/* Remembers the picture as opened now. @bundle: the scene that is preferred, or NULL. */
void           descry_library_open_picture_async  (DescryLibrary *self, DescryImage *image, const char *name, const char *path, const char *bundle,
                                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
DescryKept    *descry_library_open_picture_finish (DescryLibrary *self, GAsyncResult *result, GError **error);

void           descry_library_keep_scene         (DescryLibrary *self, const char *hash, DescryScene *scene, const char *models, gboolean complete);
void           descry_library_keep_edits         (DescryLibrary *self, const char *hash, const char *edits);
/* @key: unique, of the window's making. */
void           descry_library_keep_turn          (DescryLibrary *self, const char *hash, const char *key, DescryTurn *turn, gboolean finished); /* @turn stays as it is from now on */
void           descry_library_delete_turn        (DescryLibrary *self, const char *key);
/* A deleted one again, right after the turn of @after; NULL: as the first. */
void           descry_library_restore_turn       (DescryLibrary *self, const char *hash, const char *key, DescryTurn *turn, gboolean finished,
                                                   const char *after);
/* The conversation of this turn is gone on with: it comes with the next opening of its picture. */
void           descry_library_resume_conversation (DescryLibrary *self, const char *key);
void           descry_library_begin_conversation (DescryLibrary *self, const char *hash);

/* Of DescryKeptPicture. (transfer full) */
void           descry_library_recent_async  (DescryLibrary *self, guint n, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GPtrArray     *descry_library_recent_finish (DescryLibrary *self, GAsyncResult *result, GError **error);

/* Of DescryFoundTurn. (transfer full) */
void           descry_library_search_async  (DescryLibrary *self, const char *text, guint n, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GPtrArray     *descry_library_search_finish (DescryLibrary *self, GAsyncResult *result, GError **error);

/* @hash: NULL forgets everything. The result comes when the bytes are gone. */
void           descry_library_forget_async  (DescryLibrary *self, const char *hash, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean       descry_library_forget_finish (DescryLibrary *self, GAsyncResult *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryKept, descry_kept_free)

G_END_DECLS
