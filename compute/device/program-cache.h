/* program-cache.h - compiled programs kept on disk, for drivers that keep none themselves
 *
 * Best effort: whatever goes wrong with a file, the program is compiled from source again.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/device.h"

G_BEGIN_DECLS

/* PoCL keeps its own specialised binaries; asking it for generic ones costs an extra compilation and
 * gives slower kernels (pocl/pocl#1958). */
gboolean   descry_program_cache_wanted (const DescryDeviceInfo *info);

/* A built program for this source and these options, or NULL. */
cl_program descry_program_cache_load (DescryDevice *device, const char *source, const char *options);

void       descry_program_cache_store (DescryDevice *device, const char *source, const char *options, cl_program program);

G_END_DECLS
