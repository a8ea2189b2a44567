/* names.h - finding a record of a table by its name, and refusing it twice
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Records lie in an array; the first member of each is its name, a const char *. */
typedef struct
{
  const guint8 *records;
  gsize         stride;
  guint32      *slots; /* index + 1, 0 for empty */
  guint32       mask;
  guint64       seed; /* random, so that nobody can prepare names that collide */
} DescryNames;

gboolean descry_names_init  (DescryNames  *names,
                             gconstpointer records,
                             gsize         stride,
                             guint         n);
void     descry_names_clear (DescryNames  *names);

/* FALSE when a record of that name is there already. At most the @n of init are added. */
gboolean descry_names_add   (DescryNames  *names,
                             guint         index);

/* -1 when there is none */
int      descry_names_find  (DescryNames  *names,
                             const char   *name);

G_END_DECLS
