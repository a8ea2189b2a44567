/* objects.h - the tags and the list of objects, in step with the canvas
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "ui/canvas.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_OBJECTS (descry_objects_get_type ())
G_DECLARE_FINAL_TYPE (DescryObjects, descry_objects, DESCRY, OBJECTS, GtkWidget)

void descry_objects_set_canvas (DescryObjects *self, DescryCanvas *canvas);

/* The canvas's scene or threshold has changed. */
void descry_objects_update     (DescryObjects *self);

/* Signal "ask-about" (guint id): a row was activated. */

G_END_DECLS
