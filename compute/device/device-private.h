/* device-private.h - what the files of this room share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/device.h"
#include "compute/device/run.h"

G_BEGIN_DECLS

struct _DescryKernel
{
  cl_kernel kernel;
  char     *name;
  guint64   launches;
  double    device_ms; /* only while profiling */
};

typedef struct
{
  cl_program program; /* NULL: not built yet, or it does not compile */
  gboolean   building;
} DescryProgram;

/* A buffer of the pool. */
typedef struct
{
  cl_mem  buffer;
  guint64 bytes;
} DescryPoolBuffer;

/* Memory of ours that a processor's driver works on in place: weights, one behind the other. */
typedef struct
{
  guint8 *memory;
  gsize   bytes, used;
  guint   live; /* pieces that have not been given back */
} DescryHostChunk;

/* What is known of each live buffer. */
typedef struct
{
  guint64 bytes;
  guint64 serial; /* order of creation */
  DescryHostChunk *chunk; /* that it lies in, or NULL */
} DescryBufferFacts;

struct _DescryDevice
{
  DescryDeviceInfo *info;
  DescryFamily      family;
  cl_context        context;
  cl_command_queue  queue;
  gboolean          profiling;

  GMutex      programs_lock; /* of programs, and of their numbers in stats */
  GCond       program_built;
  GHashTable *programs; /* "group defines" -> DescryProgram */
  GThread    *warming; /* builds programs ahead; or NULL */
  gboolean    warm_pictures; /* those of pictures too; the thread's */
  GHashTable *kernels; /* "name defines" -> DescryKernel */

  GArray     *pool; /* of DescryPoolBuffer: unused, ready */
  GHashTable *facts; /* cl_mem -> DescryBufferFacts *, every live buffer */
  guint64     serial; /* of the newest buffer */
  GPtrArray  *chunks; /* of DescryHostChunk */

  GPtrArray  *events; /* while profiling: pairs of cl_event, DescryKernel */

  int         gemm_provider; /* DescryGemmProvider forced for this device */
  gpointer    gemm_ranks; /* DescryGemmRanks, one piece of memory; or NULL */
  int         dot_product; /* integer GEMV kernels: 0 not probed, 1 usable, -1 not */
  double      spent; /* seconds, roughly, that the work enqueued since @mark takes */
  cl_event    mark; /* how far the queue may lag behind; or NULL */
  int         pair_product; /* bfloat16 convolutions: 0 not probed, 1 usable, -1 not */
  int         float_product; /* the same for f32 convolutions in fixed registers */
  gint        native_failures; /* native kernels that failed since the last finish; atomic */
  gboolean    exact; /* no bfloat16 products */

  DescryDeviceStats stats;
};

/* A buffer from the pool or the driver, and its way back. */
cl_mem   descry_device_buffer_take (DescryDevice *device, guint64 bytes, GError **error);
void     descry_device_buffer_give (DescryDevice *device, cl_mem buffer);
void     descry_device_buffer_free (DescryDevice *device, cl_mem buffer);

/* Zeroed memory that becomes a buffer without a copy once it is filled: processors only. NULL without @error: not on this device.
 * Either descry_device_host_buffer() or descry_device_host_give() must follow. */
gpointer descry_device_host_take   (DescryDevice *device, guint64 bytes, GError **error);
cl_mem   descry_device_host_buffer (DescryDevice *device, gpointer memory, guint64 bytes, GError **error);
void     descry_device_host_give   (DescryDevice *device, gpointer memory);

/* One cl* failure as a GError: the code decides between out of memory, lost device and the rest. */
void     descry_cl_set_error (GError **error, cl_int code, const char *format, ...) G_GNUC_PRINTF (3, 4);

void     descry_device_collect_events (DescryDevice *device);

G_END_DECLS
