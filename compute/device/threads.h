/* threads.h - where the driver's threads run
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * descry_threads_place:
 *
 * Asks PoCL to keep each of its threads on a processor of its own (POCL_AFFINITY, unless the environment says something about it).
 * Without it the scheduler wakes them where the thread is that had work for them: both end up on one processor, now and then, and
 * a network of a few milliseconds takes as long as with one thread. First thing in main(): it changes the environment.
 */
void descry_threads_place (void);

/* In front of a library's code in the driver's thread: threads that it starts for itself take over where this one may run, and would
 * all share its processor. TRUE: descry_threads_restore() afterwards. */
gboolean descry_threads_widen (void);
void     descry_threads_restore (void);

G_END_DECLS
