/* stages.h - how long each stage took, with which network, and once more
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

#include "compute/lyrics/engine.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_STAGES (descry_stages_get_type ())
G_DECLARE_FINAL_TYPE (DescryStages, descry_stages, DESCRY, STAGES, GtkWidget)

/* Either may be %NULL; both are only read. */
void descry_stages_set_scene  (DescryStages *self, DescryScene *scene);
void descry_stages_set_status (DescryStages *self, const DescryEngineStatus *status);

/* The title of a slot's network, or %NULL: none is known. (transfer none) */
const char *descry_stages_get_network (DescryStages *self, DescrySlot slot);

G_END_DECLS
