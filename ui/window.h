/* window.h - one picture, what is in it, and the talk about it
 *
 * Owns the state of a window (picture, scene, jobs) and puts canvas and panels in step; all work
 * is asked from the engine or a worker, and nothing here waits.
 *
 * Signals, for who keeps the work (strings may be NULL where a file has no name or path):
 *   "opened"             (DescryImage *image, const char *name, const char *path) → gboolean: a picture is shown. TRUE: it is looked
 *                        up, and descry_window_continue() will be called; else it is analyzed.
 *   "scene-changed"      (DescryScene *scene, gboolean complete): as found, without edits
 *   "edits-changed"      (const char *json)
 *   "turn-changed"       (const char *key, DescryTurn *turn, gboolean finished): when asked, after each paragraph, at its end
 *   "conversation-begun" ()
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "compute/lyrics/engine.h"
#include "ui/canvas.h"
#include "ui/chat.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_WINDOW (descry_window_get_type ())
G_DECLARE_FINAL_TYPE (DescryWindow, descry_window, DESCRY, WINDOW, AdwApplicationWindow)

/* @settings may be %NULL: then nothing is remembered. */
GtkWidget    *descry_window_new         (GtkApplication *application, DescryEngine *engine, GSettings *settings);

/* Opens a picture; an error becomes a page of the window. */
void          descry_window_open        (DescryWindow *self, GFile *file);
void          descry_window_open_bytes  (DescryWindow *self, GBytes *bytes, const char *name);

gboolean      descry_window_has_picture (DescryWindow *self);
DescryImage  *descry_window_get_image   (DescryWindow *self); /* or %NULL; (transfer none) */
const char   *descry_window_get_path    (DescryWindow *self); /* or %NULL: none is open, or it was pasted */
DescryScene  *descry_window_get_found   (DescryWindow *self); /* without edits, or %NULL; (transfer none) */
gboolean      descry_window_get_analyzed (DescryWindow *self); /* its scene was found here, not given back */
GMenu        *descry_window_get_recent_menu (DescryWindow *self); /* empty; to be filled; (transfer none) */
void          descry_window_toast       (DescryWindow *self, const char *text);
/* What went wrong and matters: stays until it is closed, and can be copied. */
void          descry_window_show_trouble (DescryWindow *self, const char *text);

typedef struct
{
  const char *key;
  DescryTurn *turn;
  gboolean    interrupted; /* the program ended before its answer did */
} DescryPastTurn;

/* What was kept of @image, which is ignored if it is no longer the window's: @scene, @edits and @turns (of DescryPastTurn, oldest
 * first) may be %NULL. The picture is analyzed unless the scene is complete. */
void          descry_window_continue    (DescryWindow *self, DescryImage *image, DescryScene *scene, gboolean complete, const char *edits,
                                         GArray *turns);
/* Writes what is shown in the background; a toast tells the end. @format: "png", "svg", "pdf", "json", "coco", "yolo", "voc".
 * FALSE: there is nothing to write, or no such format. */
gboolean      descry_window_export      (DescryWindow *self, const char *format, const char *path);
/* The same with the selected objects alone. */
gboolean      descry_window_export_selection (DescryWindow *self, const char *format, const char *path);
/* The same for what is inside the mask of an object, as PNG; @path %NULL: into the clipboard. */
gboolean      descry_window_cut_out     (DescryWindow *self, guint id, const char *path);
/* The conversation as Markdown at @path (NAME.md), with the picture beside it (NAME.png), in the background; a toast tells the
 * end. FALSE: nothing has been said. */
gboolean      descry_window_export_conversation (DescryWindow *self, const char *path);
/* Once more, whatever is known. */
void          descry_window_analyze     (DescryWindow *self);
/* An empty conversation; what was said stays with who keeps it. */
void          descry_window_clear_conversation (DescryWindow *self);

/* Where a person is: path, fitted, zoom, the picture's point in the middle, panel, question being written. (floating), or
 * NULL: nowhere that can be come back to. "state-changed" () says when. */
#define DESCRY_WINDOW_STATE_TYPE "(aybdddss)"
GVariant     *descry_window_get_state   (DescryWindow *self);
/* There is no way back here until another picture is opened, or this one again. */
void          descry_window_forget_state (DescryWindow *self);
gboolean      descry_window_is_forgotten (DescryWindow *self);
/* Opens the picture and goes there. */
void          descry_window_set_state   (DescryWindow *self, GVariant *state);

/* --------- For tests ------------------ */

DescryCanvas *descry_window_get_canvas  (DescryWindow *self);
DescryChat   *descry_window_get_chat    (DescryWindow *self);
/* "empty", "error" or "picture". */
const char   *descry_window_get_page    (DescryWindow *self);
/* Neither decoding, nor analyzing, nor answering. */
gboolean      descry_window_is_idle     (DescryWindow *self);
/* What the in-page bar says, or %NULL. */
const char   *descry_window_get_message (DescryWindow *self);

G_END_DECLS
