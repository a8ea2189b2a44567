/* arena.h - memory of one parsed file: taken piece by piece, given back at once
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _DescryArenaChunk DescryArenaChunk;

typedef struct
{
  DescryArenaChunk *chunks;
  gsize             free; /* bytes left in the newest small chunk */
} DescryArena;

/* Zeroed, aligned to 8 bytes; %NULL when memory is out. */
gpointer descry_arena_alloc (DescryArena *arena,
                             gsize        count,
                             gsize        size);

/* The same without alignment: for text, which is many and small. */
char    *descry_arena_text  (DescryArena *arena,
                             gsize        bytes);
void     descry_arena_clear (DescryArena *arena);

G_END_DECLS
