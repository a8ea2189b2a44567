/* memory.c - input-sized memory, with a hook that makes it fail
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096
#define LARGE_PAGE ((gsize) 2 << 20)

static gint fail_at; /* 0: never; else the call that fails */
static gint calls;
static gint live;
static gsize live_bytes;
static gsize peak_bytes;

static gboolean
must_fail (void)
{
  gint call = g_atomic_int_add (&calls, 1) + 1;
  gint wanted = g_atomic_int_get (&fail_at);

  return wanted > 0 && call == wanted;
}

static void
count_in (gsize bytes)
{
  gsize now = __atomic_add_fetch (&live_bytes, bytes, __ATOMIC_RELAXED);
  gsize peak = __atomic_load_n (&peak_bytes, __ATOMIC_RELAXED);

  g_atomic_int_inc (&live);
  while (now > peak && !__atomic_compare_exchange_n (&peak_bytes, &peak, now, TRUE, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
}

gpointer
descry_try_alloc (gsize count,
                  gsize size)
{
  gpointer memory;

  if (must_fail ())
    return NULL;

  memory = calloc (MAX (count, 1), MAX (size, 1));
  if (memory != NULL)
    count_in (malloc_usable_size (memory));

  return memory;
}

gpointer
descry_try_alloc_pages (gsize bytes)
{
  gpointer memory = NULL;

  if (must_fail () || bytes > G_MAXSSIZE - PAGE)
    return NULL;

  if (posix_memalign (&memory, PAGE, MAX ((bytes + PAGE - 1) / PAGE, 1) * PAGE) != 0)
    return NULL;

  count_in (malloc_usable_size (memory));
  return memory;
}

void
descry_free (gpointer memory)
{
  if (memory == NULL)
    return;

  g_atomic_int_add (&live, -1);
  __atomic_sub_fetch (&live_bytes, malloc_usable_size (memory), __ATOMIC_RELAXED);
  free (memory);
}

gpointer
descry_try_alloc_large (gsize bytes)
{
  guint8 *memory, *start;
  gsize before;

  if (must_fail () || bytes == 0 || bytes > G_MAXSSIZE - LARGE_PAGE)
    return NULL;

  /* A large page lies at a multiple of its size, which the system does not promise: more is asked for and given back. */
  memory = mmap (NULL, bytes + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return NULL;
  start = (guint8 *) (((guintptr) memory + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE);
  before = (gsize) (start - memory);
  bytes = (bytes + PAGE - 1) / PAGE * PAGE;
  if (before > 0)
    munmap (memory, before);
  if (before < LARGE_PAGE)
    munmap (start + bytes, LARGE_PAGE - before);
  madvise (start, bytes, MADV_HUGEPAGE); /* a wish */

  count_in (bytes);
  return start;
}

void
descry_free_large (gpointer memory,
                   gsize    bytes)
{
  if (memory == NULL)
    return;

  bytes = (bytes + PAGE - 1) / PAGE * PAGE;
  g_atomic_int_add (&live, -1);
  __atomic_sub_fetch (&live_bytes, bytes, __ATOMIC_RELAXED);
  munmap (memory, bytes);
}

void
descry_memory_fail_at (guint nth)
{
  g_atomic_int_set (&calls, 0);
  g_atomic_int_set (&fail_at, (gint) nth);
  __atomic_store_n (&peak_bytes, __atomic_load_n (&live_bytes, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

guint
descry_memory_live (void)
{
  return (guint) g_atomic_int_get (&live);
}

guint
descry_memory_calls (void)
{
  return (guint) g_atomic_int_get (&calls);
}

gsize
descry_memory_peak (void)
{
  return __atomic_load_n (&peak_bytes, __ATOMIC_RELAXED);
}
