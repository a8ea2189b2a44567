/* models-page.h - the window of the networks: what fills each slot, what is wrong with it, adding and removing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "compute/lyrics/engine.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_MODELS_PAGE (descry_models_page_get_type ())
G_DECLARE_FINAL_TYPE (DescryModelsPage, descry_models_page, DESCRY, MODELS_PAGE, AdwWindow)

/* @bundle: as for descry_bundle_open(), or NULL. @engine: told to reload when the bundle has changed, or NULL.
 * @settings: whether adapters and connector are used, or NULL. */
GtkWidget *descry_models_page_new  (GtkWindow *parent, DescryEngine *engine, GSettings *settings, const char *bundle);

/* The work of the buttons. One piece at a time: while one runs another is not begun. */
/* A GGUF, or a checkpoint that is converted first. A network that is there already is not replaced without asking. */
void       descry_models_page_add    (DescryModelsPage *self, DescrySlot slot, const char *path);
void       descry_models_page_verify (DescryModelsPage *self, const char *file); /* NULL: every file */
void       descry_models_page_remove (DescryModelsPage *self, DescrySlot slot, const char *file);
void       descry_models_page_undo   (DescryModelsPage *self); /* the removals that are announced */

gboolean   descry_models_page_is_idle   (DescryModelsPage *self);
/* The newest error, or NULL. */
const char *descry_models_page_get_error (DescryModelsPage *self);

G_END_DECLS
