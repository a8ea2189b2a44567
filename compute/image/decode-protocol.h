/* decode-protocol.h - what `descry-decode` leaves in the shared memory
 *
 * The child gets the file on descriptor 0 and an empty memory file on descriptor 3. It writes
 * this header, then height × width × 3 bytes without gaps, and exits with 0; or it writes one
 * line for a person to standard error and exits with another status. The parent believes the
 * header only after the child is dead, the memory is sealed and the size is exactly right.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DESCRY_DECODE_MAGIC "descry1\n"
#define DESCRY_DECODE_FD    3

typedef struct
{
  char    magic[8];
  guint32 width;  /* pixels of the upright picture, native byte order: same machine */
  guint32 height;
  guint64 bytes;  /* width × height × 3 */
  guint8  zero[40];
} DescryDecodeHeader;

G_STATIC_ASSERT (sizeof (DescryDecodeHeader) == 64);

G_END_DECLS
