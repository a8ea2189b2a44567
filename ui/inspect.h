/* inspect.h - the card of the selected object
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/engine.h"
#include "ui/canvas.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_INSPECT (descry_inspect_get_type ())
G_DECLARE_FINAL_TYPE (DescryInspect, descry_inspect, DESCRY, INSPECT, GtkWidget)

void descry_inspect_set_canvas (DescryInspect *self, DescryCanvas *canvas);

/* The canvas's scene has changed. */
void descry_inspect_update     (DescryInspect *self);

/* The networks and the device that the stages are told with. */
void descry_inspect_set_status (DescryInspect *self, const DescryEngineStatus *status);

/* Signal "ask-about" (guint id). */

G_END_DECLS
