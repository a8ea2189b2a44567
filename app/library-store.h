/* library-store.h - pictures, analyses and conversations in one SQLite file
 *
 * One connection, one thread at a time; every call waits, so it belongs to the library's worker.
 * Each write is one transaction: after a kill the file holds all that was returned as written.
 * Several processes may have the same file open.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/conversation.h"

G_BEGIN_DECLS

typedef struct _DescryStore DescryStore;

typedef struct
{
  char  *hash; /* descry_image_hash() */
  char  *name; /* for people */
  char  *path; /* in the file system's encoding, or NULL: pasted */
  gint64 opened; /* microseconds since 1970 */
} DescryKeptPicture;

typedef struct
{
  char       *key; /* unique */
  DescryTurn *turn; /* stopped, if the program ended while it was answered */
  gboolean    finished; /* else the program ended */
} DescryKeptTurn;

typedef struct
{
  DescryKeptPicture picture;
  char *key; /* of the turn */
  char *question;
  char *excerpt; /* of the answer round the words */
} DescryFoundTurn;

/* Opens or makes the file and its folder. A damaged file is renamed, never deleted: *@message then says so
 * (else NULL; transfer full). A file that can only be read is opened for reading. */
DescryStore *descry_store_open  (const char *path, char **message, GError **error);
void         descry_store_close (DescryStore *self);
gboolean     descry_store_is_read_only (DescryStore *self);

/* A picture is remembered first: scenes and turns of one that is not in the file, such as one that another process
 * has just forgotten, are not kept, and that is no error. */
gboolean     descry_store_remember   (DescryStore *self, const char *hash, const char *name, const char *path, GError **error);

/* One scene for each picture and bundle. @models: stands for the networks that found it, or NULL; @complete: its analysis ran
 * to the end. */
gboolean     descry_store_keep_scene (DescryStore *self, const char *hash, DescryScene *scene, const char *models, gboolean complete, GError **error);
/* The scene of @bundle, else the newest of any. NULL without an error: there is none. */
DescryScene *descry_store_load_scene (DescryStore *self, const char *hash, const char *bundle, gboolean *complete, char **models, GError **error);

/* What a person changed in the objects, as text; NULL without an error: nothing. (transfer full) */
gboolean     descry_store_keep_edits (DescryStore *self, const char *hash, const char *edits, GError **error);
char        *descry_store_load_edits (DescryStore *self, const char *hash, GError **error);

/* Appends a turn to the picture's newest conversation, or updates the one with this key. */
gboolean     descry_store_keep_turn   (DescryStore *self, const char *hash, const char *key, DescryTurn *turn, gboolean finished, GError **error);
gboolean     descry_store_delete_turn (DescryStore *self, const char *key, GError **error);
/* A deleted one again, in the conversation and right after the turn of @after; NULL: as the first of the newest. */
gboolean     descry_store_restore_turn (DescryStore *self, const char *hash, const char *key, DescryTurn *turn, gboolean finished, const char *after,
                                        GError **error);
/* The next turn of this picture begins a conversation; older ones stay and can be found. */
gboolean     descry_store_begin_conversation (DescryStore *self, const char *hash, GError **error);
/* The conversation of this turn becomes its picture's newest. */
gboolean     descry_store_resume_conversation (DescryStore *self, const char *key, GError **error);
/* The newest conversation, of DescryKeptTurn, oldest first. */
GPtrArray   *descry_store_load_turns  (DescryStore *self, const char *hash, GError **error);

/* Of DescryKeptPicture, newest first; only those with a path. */
GPtrArray   *descry_store_recent (DescryStore *self, guint n, GError **error);
/* Of DescryFoundTurn, best first: turns with all words of @text, the last one may be the beginning of a word. */
GPtrArray   *descry_store_search (DescryStore *self, const char *text, guint n, GError **error);

/* The bytes leave the file too. */
gboolean     descry_store_forget_picture    (DescryStore *self, const char *hash, GError **error);
gboolean     descry_store_forget_everything (DescryStore *self, GError **error);

void         descry_kept_picture_free (DescryKeptPicture *picture);
void         descry_kept_turn_free    (DescryKeptTurn *turn);
void         descry_found_turn_free   (DescryFoundTurn *found);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryStore, descry_store_close)

G_END_DECLS
