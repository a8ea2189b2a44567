/* names.c - finding a record of a table by its name, and refusing it twice
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-names"

#include "config.h"

#include "compute/files/names.h"

#include <string.h>

#include "compute/memory.h"

static guint64
hash (const char *name,
      guint64     seed)
{
  guint64 h = seed;

  for (; *name != '\0'; name++)
    h = (h ^ (guint8) *name) * 0x100000001b3;

  h ^= h >> 33;
  h *= 0xff51afd7ed558ccd;
  return h ^ (h >> 33);
}

static const char *
name_at (DescryNames *names,
         guint        index)
{
  return *(const char *const *) (names->records + index * names->stride);
}

gboolean
descry_names_init (DescryNames  *names,
                   gconstpointer records,
                   gsize         stride,
                   guint         n)
{
  guint32 size = 8;

  /* At most 7/8 full. */
  while (size - size / 8 < n)
    size *= 2;

  names->records = records;
  names->stride = stride;
  names->mask = size - 1;
  names->seed = (guint64) g_random_int () << 32 | g_random_int ();
  names->slots = descry_try_alloc (size, sizeof *names->slots);

  return names->slots != NULL;
}

void
descry_names_clear (DescryNames *names)
{
  descry_free (names->slots);
  memset (names, 0, sizeof *names);
}

gboolean
descry_names_add (DescryNames *names,
                  guint        index)
{
  const char *name = name_at (names, index);
  guint32 slot = hash (name, names->seed) & names->mask;

  for (; names->slots[slot] != 0; slot = (slot + 1) & names->mask)
    if (strcmp (name_at (names, names->slots[slot] - 1), name) == 0)
      return FALSE;

  names->slots[slot] = index + 1;
  return TRUE;
}

int
descry_names_find (DescryNames *names,
                   const char  *name)
{
  guint32 slot;

  if (names->slots == NULL)
    return -1;

  slot = hash (name, names->seed) & names->mask;
  for (; names->slots[slot] != 0; slot = (slot + 1) & names->mask)
    if (strcmp (name_at (names, names->slots[slot] - 1), name) == 0)
      return (int) names->slots[slot] - 1;

  return -1;
}
