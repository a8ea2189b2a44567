/* session.h - the windows that were open, for the next start
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "ui/window.h"

G_BEGIN_DECLS

typedef struct _DescrySession DescrySession;

/* Makes an empty window. */
typedef DescryWindow *(*DescrySessionFunc) (gpointer data);

/* @path: NULL is descry/session in the user's data folder. */
DescrySession *descry_session_new     (const char *path);
/* Where it is kept for a bundle, by name or folder: windows of different bundles are different processes. NULL: the default. (transfer full) */
char          *descry_session_path    (const char *bundle);
/* Writes what is to be written, and waits for it. */
void           descry_session_free    (DescrySession *self);

/* What the window shows is written a moment after it changes. A window that is closed leaves the session, but the last. */
void           descry_session_watch   (DescrySession *self, DescryWindow *window);
/* The session stays as it is now: all windows are being closed. */
void           descry_session_freeze  (DescrySession *self);
/* What other sessions kept of the picture of @path goes; NULL: all that they kept. */
void           descry_session_forget  (DescrySession *self, const char *path);
/* Opens what was open, the first of it in @window; reads in the background. */
void           descry_session_restore (DescrySession *self, DescryWindow *window, DescrySessionFunc make, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescrySession, descry_session_free)

G_END_DECLS
