/* arena.c - memory of one parsed file: taken piece by piece, given back at once
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-arena"

#include "config.h"

#include "compute/files/arena.h"

#include <string.h>

#include "compute/memory.h"

#define CHUNK 16384
#define LARGE 4096 /* from here a piece has a chunk of its own, so that little is wasted */

struct _DescryArenaChunk
{
  DescryArenaChunk *next;
  guint8            bytes[];
};

static gpointer
take (DescryArena *arena,
      gsize        bytes,
      gsize        align)
{
  DescryArenaChunk *chunk;
  gsize skip;

  if (bytes > G_MAXSSIZE - sizeof *chunk)
    return NULL;

  if (bytes >= LARGE)
    {
      chunk = descry_try_alloc (sizeof *chunk + bytes, 1);
      if (chunk == NULL)
        return NULL;

      /* Behind the newest, which still has room for small pieces. */
      if (arena->chunks != NULL)
        {
          chunk->next = arena->chunks->next;
          arena->chunks->next = chunk;
        }
      else
        {
          arena->chunks = chunk;
          arena->free = 0;
        }
      return chunk->bytes;
    }

  skip = arena->free % align; /* the end of a chunk is aligned */
  if (arena->chunks == NULL || arena->free < bytes + skip)
    {
      chunk = descry_try_alloc (sizeof *chunk + CHUNK, 1);
      if (chunk == NULL)
        return NULL;

      chunk->next = arena->chunks;
      arena->chunks = chunk;
      arena->free = CHUNK;
      skip = 0;
    }

  arena->free -= skip + bytes;
  return arena->chunks->bytes + (CHUNK - arena->free - bytes);
}

gpointer
descry_arena_alloc (DescryArena *arena,
                    gsize        count,
                    gsize        size)
{
  gsize bytes;

  if (!g_size_checked_mul (&bytes, count, size) || bytes > G_MAXSSIZE)
    return NULL;

  return take (arena, MAX (bytes, 1), 8);
}

char *
descry_arena_text (DescryArena *arena,
                   gsize        bytes)
{
  return take (arena, MAX (bytes, 1), 1);
}

void
descry_arena_clear (DescryArena *arena)
{
  while (arena->chunks != NULL)
    {
      DescryArenaChunk *chunk = arena->chunks;

      arena->chunks = chunk->next;
      descry_free (chunk);
    }

  arena->free = 0;
}
