/* run.h - tensors, and work on the device's queue
 *
 * A run is a stretch of work: ops are enqueued one after another, the first error sticks and
 * the calls after it do nothing, so that model code stays straight. Ask at the end with
 * descry_run_finish().
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/device/device.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_F32,
  DESCRY_F16, /* stored as half, computed as float */
  DESCRY_I32,
  DESCRY_U8
} DescryType;

gsize descry_type_size (DescryType type);

/* A view of device memory. Small, passed by value. The innermost dimension is contiguous;
 * consecutive rows of it are @pitch elements apart (so a slice of the channels is a view).
 * Pictures are [height, width, channels] or [n, height, width, channels]. */
typedef struct
{
  cl_mem     buffer;
  DescryType type;
  guint      offset; /* elements before the first one */
  guint      n_dims; /* 1..4 */
  guint      shape[4]; /* outermost first; unused ones are 1 */
  guint      pitch; /* elements from row to row, >= shape[n_dims - 1] */
} DescryTensor;

/* Rows: product of all dimensions but the innermost. */
guint        descry_tensor_rows  (DescryTensor tensor);
guint        descry_tensor_cols  (DescryTensor tensor);
gsize        descry_tensor_count (DescryTensor tensor);
/* Elements from one number to the next of [n] or [n, 1]. */
guint        descry_tensor_step  (DescryTensor tensor);

/* Views: no copy; the buffer stays owned by whoever allocated it. */
DescryTensor descry_tensor_reshape (DescryTensor tensor, guint n_dims, const guint *shape); /* needs pitch == cols */
DescryTensor descry_tensor_columns (DescryTensor tensor, guint first, guint n); /* slice of the innermost dimension */
DescryTensor descry_tensor_slice   (DescryTensor tensor, guint first, guint n); /* rows of a 2-D tensor */

/* Memory that outlives a run: weights, caches, results. */
gboolean     descry_tensor_alloc (DescryDevice  *device,
                                  DescryTensor  *tensor,
                                  DescryType     type,
                                  guint          n_dims,
                                  const guint   *shape,
                                  GError       **error);
void         descry_tensor_free  (DescryDevice  *device,
                                  DescryTensor  *tensor);

typedef struct _DescryRun DescryRun;

DescryRun   *descry_run_new  (DescryDevice *device,
                              GCancellable *cancellable);
void         descry_run_free (DescryRun    *run);

DescryDevice *descry_run_device (DescryRun *run);

/* A tensor from the pool: alive until released or until the run is freed. Contents are
 * undefined. After an error the tensor is empty and every op ignores it. */
DescryTensor descry_run_tensor  (DescryRun    *run,
                                 DescryType    type,
                                 guint         n_dims,
                                 const guint  *shape);
DescryTensor descry_run_tensor2 (DescryRun *run, guint rows, guint cols); /* f32 */
DescryTensor descry_run_tensor3 (DescryRun *run, guint height, guint width, guint channels); /* f32 */
DescryTensor descry_run_tensor4 (DescryRun *run, guint n, guint height, guint width, guint channels); /* f32 */

/* Gives the buffer back; work enqueued later may use it again (the queue is in order). */
void         descry_run_release (DescryRun *run, DescryTensor *tensor);

/* Host to device and back; both wait. @count elements of the tensor's type, rows without gaps. */
void         descry_run_write (DescryRun *run, DescryTensor tensor, gconstpointer data, gsize count);
void         descry_run_read  (DescryRun *run, DescryTensor tensor, gpointer data, gsize count);

/* The same, but waits only at its end: the device goes on with what is enqueued after it. @data lives until then. Every
 * begun read must be ended (NULL, after an error, may be as well); FALSE: the run has failed and @data is not filled. */
typedef struct _DescryReading DescryReading;
DescryReading *descry_run_read_begin (DescryRun *run, DescryTensor tensor, gpointer data, gsize count); /* dense rows */
gboolean       descry_run_read_end   (DescryRun *run, DescryReading *reading);

/* Kernel arguments, in order. A tensor is two arguments: the buffer and a uint offset. */
typedef struct
{
  enum { DESCRY_ARG_TENSOR, DESCRY_ARG_BUFFER, DESCRY_ARG_UINT, DESCRY_ARG_INT, DESCRY_ARG_FLOAT, DESCRY_ARG_LOCAL, DESCRY_ARG_UINTS } kind;
  DescryTensor tensor;
  cl_mem       buffer;
  union { guint u; gint i; float f; gsize bytes; } value;
  const guint *uints;
} DescryArg;

#define DESCRY_T(t) ((DescryArg) { .kind = DESCRY_ARG_TENSOR, .tensor = (t) })
#define DESCRY_B(b) ((DescryArg) { .kind = DESCRY_ARG_BUFFER, .buffer = (b) })
#define DESCRY_U(x) ((DescryArg) { .kind = DESCRY_ARG_UINT, .value.u = (x) })
#define DESCRY_I(x) ((DescryArg) { .kind = DESCRY_ARG_INT, .value.i = (x) })
#define DESCRY_FL(x) ((DescryArg) { .kind = DESCRY_ARG_FLOAT, .value.f = (x) })
/* Sixteen numbers as one uint16 vector: drivers allocate for each argument of each launch. */
#define DESCRY_U16(...) ((DescryArg) { .kind = DESCRY_ARG_UINTS, .uints = (const guint[16]) { __VA_ARGS__ } })
#define DESCRY_LOCAL(n) ((DescryArg) { .kind = DESCRY_ARG_LOCAL, .value.bytes = (n) })

/**
 * descry_run_launch:
 * @kernel: from descry_run_kernel(); %NULL does nothing (the error sticks already)
 * @dims: 1..3
 * @global: items in each dimension; rounded up here to a multiple of @local, so kernels check
 * @local: always explicit
 */
void descry_run_launch (DescryRun       *run,
                        DescryKernel    *kernel,
                        guint            dims,
                        const gsize     *global,
                        const gsize     *local,
                        const DescryArg *args,
                        guint            n_args);

/* descry_device_kernel(), with the error going to the run. */
DescryKernel *descry_run_kernel (DescryRun *run, const char *name, const char *defines);

/* A C function inside the queue (devices with native kernels only); FALSE is reported by the next
 * descry_run_finish(). It may not call OpenCL or wait for anything but its own threads. @data of @size bytes is
 * copied; each of @mems (byte offsets in it of the pointers to fill) gets its buffer's address. */
typedef gboolean (*DescryNativeFunc) (void *data);
void descry_run_native (DescryRun       *run,
                        DescryNativeFunc func,
                        gconstpointer    data,
                        gsize            size,
                        const cl_mem    *buffers,
                        const gsize     *places,
                        guint            n_buffers);

/* Named intermediates for parity checks (`descry stage --taps`): models call descry_run_tap() at places
 * worth comparing; without a listener it costs nothing. The listener may read the tensor. */
typedef void (*DescryTapFunc) (DescryRun *run, const char *name, DescryTensor tensor, gpointer data);
void     descry_run_set_tap (DescryRun *run, DescryTapFunc func, gpointer data);
void     descry_run_tap     (DescryRun *run, DescryTensor tensor, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* The first failure wins; later ones are dropped. */
void     descry_run_fail   (DescryRun *run, DescryError code, const char *format, ...) G_GNUC_PRINTF (3, 4);
void     descry_run_take   (DescryRun *run, GError *error); /* the same, takes @error */
gboolean descry_run_ok     (DescryRun *run); /* FALSE after an error or when cancelled */

/* Ops say roughly how long what they enqueue will take. So the host never runs more than two spans of
 * DESCRY_RUN_SPAN ahead of the device, and a cancellation that it sees leaves no more than that to wait for. */
#define DESCRY_RUN_SPAN 0.02 /* seconds, of the slow processor that the ops reckon with */
void     descry_run_spend  (DescryRun *run, double flop, double bytes);

/* Tells the driver to start; looks at the cancellable. Call every few layers. */
void     descry_run_flush  (DescryRun *run);

/* Waits for everything, reports the run's first error. The run may go on being used. */
gboolean descry_run_finish (DescryRun *run, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryRun, descry_run_free)

G_END_DECLS
