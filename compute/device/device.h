/* device.h - OpenCL devices: what there is, what it can do, one context and one queue
 *
 * Capabilities decide, names never do. The engine thread alone uses a DescryDevice.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <CL/cl.h>

#include "compute/error.h"

G_BEGIN_DECLS

/* Kernels come in two families, shaped for two kinds of hardware. */
typedef enum
{
  DESCRY_FAMILY_AUTO, /* let the device's type decide */
  DESCRY_FAMILY_CPU,  /* one work-item a register tile, no local memory, no barrier */
  DESCRY_FAMILY_GPU   /* work-groups of 64-256, local memory */
} DescryFamily;

/* One row of the capability table; filled once, printed by `descry devices`. */
typedef struct
{
  guint        index; /* position in the scan: platform order, then device order */
  char        *platform;
  char        *name;
  char        *driver;
  char        *version;
  cl_platform_id platform_id;
  cl_device_id   device_id;
  cl_device_type type;
  DescryFamily family; /* never AUTO */
  guint        compute_units;
  guint        alignment; /* bytes: MEM_BASE_ADDR_ALIGN / 8 */
  guint        max_group;
  guint64      global_memory; /* bytes */
  guint64      max_allocation;
  guint64      local_memory;
  gboolean     local_is_dedicated;
  gboolean     fp16;
  gboolean     fp64;
  gboolean     unified;
  gboolean     native_kernels;
  char        *refusal; /* why it cannot be used, or NULL */
} DescryDeviceInfo;

void       descry_device_info_free (DescryDeviceInfo *info);

/**
 * descry_device_scan:
 *
 * Looks at every platform. No device at all is a normal answer, not an error.
 * Usable ones come first, GPU before accelerator before CPU.
 *
 * Returns: (transfer full) (element-type DescryDeviceInfo)
 */
GPtrArray *descry_device_scan (void);

typedef struct _DescryDevice DescryDevice;
typedef struct _DescryKernel DescryKernel;

/* What happened on a device since it was opened; tests assert on these. */
typedef struct
{
  guint64 live_bytes; /* device buffers alive now, pool included */
  guint64 peak_bytes;
  guint64 buffers; /* device buffers alive now */
  guint64 buffer_allocations;
  guint64 program_builds;
  guint64 cache_hits; /* programs that came compiled from the disk */
  guint64 launches;
  guint64 native_launches;
  guint64 submissions; /* waits for the queue */
  guint64 bytes_up;
  guint64 bytes_down;
} DescryDeviceStats;

/**
 * descry_device_open:
 * @selector: (nullable): index in the scan or a part of the name; %NULL takes the first usable
 * @family: %DESCRY_FAMILY_AUTO, or one to force (tests run both on one device)
 *
 * Opens context and queue. Kernels are compiled on first use or by descry_device_warm().
 *
 * Returns: (transfer full): the device; free with descry_device_free()
 */
DescryDevice *descry_device_open (const char    *selector,
                                  DescryFamily   family,
                                  GError       **error);
void          descry_device_free (DescryDevice  *device);

const DescryDeviceInfo  *descry_device_info   (DescryDevice *device);
DescryFamily             descry_device_family (DescryDevice *device);
cl_context               descry_device_context (DescryDevice *device);
cl_command_queue         descry_device_queue  (DescryDevice *device);
const DescryDeviceStats *descry_device_stats  (DescryDevice *device);

/**
 * descry_device_kernel:
 * @name: name of a `__kernel` function in compute/kernels/
 * @defines: (nullable): extra compiler options, e.g. "-D HEAD_DIM=64"
 *
 * Files of the device's family (`*.cpu.cl` or `*.gpu.cl`) and the shared ones (`*.any.cl`) form a few programs, of which
 * the one that has the kernel is built, anew for each distinct @defines. Kernels are kept; ask again freely, or keep the pointer while the device lives.
 *
 * Returns: (transfer none): the kernel or %NULL
 */
DescryKernel *descry_device_kernel (DescryDevice  *device,
                                    const char    *name,
                                    const char    *defines,
                                    GError       **error);

/* Begins to compile the base program, and that of pictures, on a thread of its own. */
void     descry_device_warm_begin (DescryDevice *device,
                                   gboolean      pictures);

/* Compiles the base program now, or waits for it, so that the first click does not. */
gboolean descry_device_warm (DescryDevice  *device,
                             GError       **error);

/* Gives the pool's unused buffers back to the driver: between stages. */
void descry_device_trim (DescryDevice *device);

/* Time of each kernel by name, when the environment has DESCRY_PROFILE=1; else an empty text. */
char *descry_device_profile (DescryDevice *device);

/* Runs the numeric self-test; used by `descry devices --self-test` in a child process. */
gboolean descry_device_self_test (DescryDevice  *device,
                                  GError       **error);

const char *descry_cl_error_name (cl_int code);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryDevice, descry_device_free)

G_END_DECLS
