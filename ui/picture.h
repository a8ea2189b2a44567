/* picture.h - a photo with what was seen drawn over it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "ui/overlay.h"

G_BEGIN_DECLS

typedef enum { DESCRY_PICTURE_PNG, DESCRY_PICTURE_SVG, DESCRY_PICTURE_PDF } DescryPictureFormat;

/* At the picture's own size; in SVG and PDF boxes, masks and names stay lines and letters (a pixel is a unit). @view: what is
 * drawn; its scale and place are not used. Written under a temporary name and renamed. Any thread. */
gboolean descry_picture_export  (DescryImage *image, DescryScene *scene, const DescryView *view, DescryPictureFormat format, const char *path, GError **error);

/* The same as pixels: B8G8R8A8, premultiplied, @width × @height of the picture. NULL if memory is out. (transfer full) */
GBytes  *descry_picture_render  (DescryImage *image, DescryScene *scene, const DescryView *view);

/* What is inside the object's mask, cut to its bounds: pixels as above; clear outside. NULL with an error if it has no mask
 * or memory is out. (transfer full) */
GBytes  *descry_picture_cut_out (DescryImage *image, const DescryObject *object, guint *width, guint *height, GError **error);

/* Such pixels as PNG; written as above. */
gboolean descry_picture_write_pixels (GBytes *pixels, guint width, guint height, const char *path, GError **error);

/* PNG with everything drawn, for the command line. */
gboolean descry_picture_write  (DescryImage *image, DescryScene *scene, float threshold, const char *path, GError **error);

/* FOLDER/NAME.png for the picture NAME.jpg. (transfer full) */
char    *descry_picture_target (const char *folder, const char *picture);

G_END_DECLS
