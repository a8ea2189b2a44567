/* threads.c - where the driver's threads run
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/threads.h"

#include <sched.h>
#include <unistd.h>

static cpu_set_t process_set; /* where the process may run */
static gboolean placed;

void
descry_threads_place (void)
{
  /* What changes how many threads there are would change which processors they are put on. */
  static const char *const others[] = { "POCL_AFFINITY", "POCL_MAX_PTHREAD_COUNT", "POCL_PTHREAD_MIN_THREADS" };
  long online = sysconf (_SC_NPROCESSORS_ONLN), i;

  for (i = 0; i < (long) G_N_ELEMENTS (others); i++)
    if (g_getenv (others[i]) != NULL)
      return;

  /* PoCL puts its threads on the processors 0, 1, 2 … and gives up the whole process where it may not run on one of them. */
  if (online < 2 || online > CPU_SETSIZE || sysconf (_SC_NPROCESSORS_CONF) != online || sched_getaffinity (0, sizeof process_set, &process_set) != 0)
    return;
  for (i = 0; i < online; i++)
    if (!CPU_ISSET (i, &process_set))
      return;

  placed = g_setenv ("POCL_AFFINITY", "1", TRUE);
}

static _Thread_local cpu_set_t own_set;

gboolean
descry_threads_widen (void)
{
  return placed && sched_getaffinity (0, sizeof own_set, &own_set) == 0 &&
         sched_setaffinity (0, sizeof process_set, &process_set) == 0;
}

void
descry_threads_restore (void)
{
  sched_setaffinity (0, sizeof own_set, &own_set);
}
