/* picture.h - a photo with what was seen drawn over it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

/* PNG at the picture's own size. */
gboolean descry_picture_write  (DescryImage *image, DescryScene *scene, float threshold, const char *path, GError **error);

/* FOLDER/NAME.png for the picture NAME.jpg. (transfer full) */
char    *descry_picture_target (const char *folder, const char *picture);

G_END_DECLS
