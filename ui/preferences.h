/* preferences.h - the window of the preferences, and what they mean for a question
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "compute/lyrics/engine.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_PREFERENCES (descry_preferences_get_type ())
G_DECLARE_FINAL_TYPE (DescryPreferences, descry_preferences, DESCRY, PREFERENCES, AdwPreferencesWindow)

GtkWidget *descry_preferences_new    (GtkWindow *parent, GSettings *settings);

/* How an answer is made: everything of @options but the threshold. @settings: NULL for the defaults. */
void       descry_preferences_read   (GSettings *settings, DescryAskOptions *options);

/* Keeps the engine's rest as the setting says while both live. */
void       descry_preferences_follow (GSettings *settings, DescryEngine *engine);

G_END_DECLS
