/* picture.h - inside the decoder: from rows in file order to an upright picture
 *
 * Plain C without GLib's allocator: memory that is out must be an error. Each reader looks at
 * the header, calls descry_picture_begin() and then hands over rows of RGB from top to bottom.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  /* Where the upright pixels go: asked for once, when the size is known; NULL if there is no room. */
  guint8 *(*room) (gpointer data, guint width, guint height);
  gpointer data;
  guint64  max_pixels;

  /*< filled by the readers >*/
  guint    orientation; /* EXIF 1..8 */
  guint    file_width;  /* as stored */
  guint    file_height;
  guint    width;       /* upright */
  guint    height;
  guint8  *pixels;      /* [height, width, 3] */
  char     message[200]; /* why it failed */
} DescryPicture;

#define DESCRY_PICTURE_MAX_SIDE 65535

/* By content; FALSE with a message. */
gboolean descry_picture_read  (DescryPicture *picture, const guint8 *data, gsize size);

gboolean descry_picture_jpeg  (DescryPicture *picture, const guint8 *data, gsize size);
gboolean descry_picture_png   (DescryPicture *picture, const guint8 *data, gsize size);
gboolean descry_picture_webp  (DescryPicture *picture, const guint8 *data, gsize size);

/* For the readers. */
gboolean descry_picture_fail  (DescryPicture *picture, const char *format, ...) G_GNUC_PRINTF (2, 3);
gboolean descry_picture_begin (DescryPicture *picture, guint file_width, guint file_height);
void     descry_picture_row   (DescryPicture *picture, guint y, const guint8 *rgb); /* [file_width, 3] */

/* The orientation tag of a TIFF block, with or without "Exif\0\0" before it; 1 if there is none. */
guint    descry_exif_orientation (const guint8 *data, gsize size);

G_END_DECLS
