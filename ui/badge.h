/* badge.h - an object's number on its colour, the same in lists, chips and cards
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define DESCRY_TYPE_BADGE (descry_badge_get_type ())
G_DECLARE_FINAL_TYPE (DescryBadge, descry_badge, DESCRY, BADGE, GtkWidget)

GtkWidget *descry_badge_new    (guint id);
void       descry_badge_set_id (DescryBadge *self, guint id);

G_END_DECLS
