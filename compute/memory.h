/* memory.h - input-sized memory, with a hook that makes it fail
 *
 * GLib's allocator ends the process when memory is out, so everything whose size comes from
 * a file or a picture is allocated here and may be %NULL. Tests make the N-th call fail.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Zeroed memory for @count elements of @size bytes; %NULL if memory is out or the product
 * overflows. Free with descry_free(). */
gpointer descry_try_alloc (gsize count,
                           gsize size);

/* The same, aligned to a page (4096 bytes), not zeroed. Free with descry_free(). */
gpointer descry_try_alloc_pages (gsize bytes);

void     descry_free      (gpointer memory);

/* The same for what is large and stays: zeroed, from the system, in large pages where it has them, which saves most of the
 * faults of filling it. Free with descry_free_large() and the same size. */
gpointer descry_try_alloc_large (gsize bytes);
void     descry_free_large      (gpointer memory,
                                 gsize    bytes);

/* Tests only: the @nth call from now fails (1 is the next); 0 switches failing off. */
void     descry_memory_fail_at (guint nth);

/* Tests only: allocations alive now, and calls since the last descry_memory_fail_at(). */
guint    descry_memory_live  (void);
guint    descry_memory_calls (void);

/* Tests only: the most bytes alive at once since the last descry_memory_fail_at(). */
gsize    descry_memory_peak  (void);

G_END_DECLS
