/* ceiling.h - what this machine can do at best: the yardsticks of `descry bench`
 *
 * Machines differ and share their cores, so a speed is judged against what was measured minutes before, never
 * against a stored number.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"

G_BEGIN_DECLS

#define DESCRY_CEILING_BYTES (512u << 20) /* over every cache; less where the device has less */

/**
 * descry_ceiling_read:
 * @runs: measurements, after one that does not count
 * @rates: (out caller-allocates): [@runs] GB/s of a kernel that only reads
 *
 * Waits. The values read are checked, so that the compiler cannot leave them out.
 */
gboolean descry_ceiling_read (DescryDevice *device, guint runs, double *rates, GCancellable *cancellable, GError **error);

/* @rates: GFLOP/s of a kernel that only multiplies and adds f32 in registers: no op can be faster. Waits. */
gboolean descry_ceiling_multiply (DescryDevice *device, guint runs, double *rates, GCancellable *cancellable, GError **error);

/* Median; sorts @values. */
double   descry_median (double *values, guint n);

/* "AMD EPYC …" from the system, or the machine's name. (transfer full) */
char    *descry_processor_name (void);

G_END_DECLS
