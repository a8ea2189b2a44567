/* exif.c - which way up: the one tag that is needed
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/image/decode/picture.h"

#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3

static guint
get16 (const guint8 *p,
       gboolean      big)
{
  return big ? (guint) (p[0] << 8 | p[1]) : (guint) (p[1] << 8 | p[0]);
}

static guint32
get32 (const guint8 *p,
       gboolean      big)
{
  return big ? (guint32) get16 (p, big) << 16 | get16 (p + 2, big) : (guint32) get16 (p + 2, big) << 16 | get16 (p, big);
}

guint
descry_exif_orientation (const guint8 *data,
                         gsize         size)
{
  gboolean big;
  guint32 offset;
  guint entries, i;

  if (size >= 6 && memcmp (data, "Exif\0\0", 6) == 0)
    {
      data += 6;
      size -= 6;
    }
  if (size < 8 || (memcmp (data, "II*\0", 4) != 0 && memcmp (data, "MM\0*", 4) != 0))
    return 1;

  big = data[0] == 'M';
  offset = get32 (data + 4, big);
  if (offset > size || size - offset < 2)
    return 1;

  entries = get16 (data + offset, big);
  data += offset + 2;
  size -= offset + 2;
  /* An entry: tag, type, count, value; 12 bytes. */
  for (i = 0; i < entries && size >= 12; i++, data += 12, size -= 12)
    if (get16 (data, big) == TAG_ORIENTATION)
      {
        guint value = get16 (data + 8, big);

        return get16 (data + 2, big) == TYPE_SHORT && get32 (data + 4, big) == 1 && value >= 1 && value <= 8 ? value : 1;
      }
  return 1;
}
