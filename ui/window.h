/* window.h - one picture, what is in it, and the talk about it
 *
 * Owns the state of a window (picture, scene, jobs) and puts canvas and panels in step; all work
 * is asked from the engine or a worker, and nothing here waits.
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
