/* run.c - work on the device's queue
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-run"

#include "config.h"

#include "compute/device/device-private.h"

#include <string.h>

#include "compute/device/threads.h"
#include "compute/memory.h"

struct _DescryRun
{
  DescryDevice *device;
  GCancellable *cancellable;
  GError       *error; /* the first one */
  GHashTable   *taken; /* cl_mem of this run's tensors */
  DescryTapFunc tap;
  gpointer      tap_data;
};

DescryRun *
descry_run_new (DescryDevice *device,
                GCancellable *cancellable)
{
  DescryRun *run = g_new0 (DescryRun, 1);

  run->device = device;
  run->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  run->taken = g_hash_table_new (NULL, NULL);

  return run;
}

void
descry_run_free (DescryRun *run)
{
  GHashTableIter iter;
  gpointer buffer;

  if (run == NULL)
    return;

  /* The queue is in order, so these may be used by the next run at once. */
  g_hash_table_iter_init (&iter, run->taken);
  while (g_hash_table_iter_next (&iter, &buffer, NULL))
    descry_device_buffer_give (run->device, buffer);

  g_clear_pointer (&run->taken, g_hash_table_unref);
  g_clear_object (&run->cancellable);
  g_clear_error (&run->error);
  g_free (run);
}

DescryDevice *
descry_run_device (DescryRun *run)
{
  return run->device;
}

gboolean
descry_run_ok (DescryRun *run)
{
  if (run->error == NULL && run->cancellable != NULL)
    g_cancellable_set_error_if_cancelled (run->cancellable, &run->error);

  return run->error == NULL;
}

void
descry_run_take (DescryRun *run,
                 GError    *error)
{
  if (error == NULL)
    return;
  if (run->error == NULL)
    run->error = error;
  else
    g_error_free (error);
}

void
descry_run_fail (DescryRun   *run,
                 DescryError  code,
                 const char  *format,
                 ...)
{
  va_list args;

  va_start (args, format);
  descry_run_take (run, g_error_new_valist (DESCRY_ERROR, code, format, args));
  va_end (args);
}

DescryTensor
descry_run_tensor (DescryRun   *run,
                   DescryType   type,
                   guint        n_dims,
                   const guint *shape)
{
  DescryTensor tensor = { 0 };
  GError *error = NULL;

  if (run->error == NULL)
    {
      if (descry_tensor_alloc (run->device, &tensor, type, n_dims, shape, &error))
        g_hash_table_add (run->taken, tensor.buffer);
      else
        descry_run_take (run, error);
    }

  return tensor;
}

DescryTensor
descry_run_tensor2 (DescryRun *run,
                    guint      rows,
                    guint      cols)
{
  guint shape[] = { rows, cols };

  return descry_run_tensor (run, DESCRY_F32, 2, shape);
}

DescryTensor
descry_run_tensor3 (DescryRun *run,
                    guint      height,
                    guint      width,
                    guint      channels)
{
  guint shape[] = { height, width, channels };

  return descry_run_tensor (run, DESCRY_F32, 3, shape);
}

DescryTensor
descry_run_tensor4 (DescryRun *run,
                    guint      n,
                    guint      height,
                    guint      width,
                    guint      channels)
{
  guint shape[] = { n, height, width, channels };

  return descry_run_tensor (run, DESCRY_F32, 4, shape);
}

void
descry_run_release (DescryRun    *run,
                    DescryTensor *tensor)
{
  if (tensor->buffer != NULL && g_hash_table_remove (run->taken, tensor->buffer))
    descry_device_buffer_give (run->device, tensor->buffer);
  *tensor = (DescryTensor) { 0 };
}

/* Moves @count elements; rows with gaps go one rectangle at a time. */
static void
transfer (DescryRun   *run,
          DescryTensor tensor,
          guint8      *data,
          gsize        count,
          gboolean     up)
{
  gsize size = descry_type_size (tensor.type);
  gsize cols = descry_tensor_cols (tensor), rows = descry_tensor_rows (tensor);
  gsize origin[3] = { tensor.offset * size, 0, 0 }, zero[3] = { 0, 0, 0 };
  gsize region[3] = { cols * size, rows, 1 };
  cl_int code;

  if (!descry_run_ok (run) || tensor.buffer == NULL)
    return;
  if (count != cols * rows)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: the tensor has %" G_GSIZE_FORMAT " elements, the host has %" G_GSIZE_FORMAT,
                       up ? "write" : "read", cols * rows, count);
      return;
    }

  if (tensor.pitch == cols || rows == 1)
    code = up ? clEnqueueWriteBuffer (run->device->queue, tensor.buffer, CL_TRUE, origin[0], count * size, data, 0, NULL, NULL)
              : clEnqueueReadBuffer (run->device->queue, tensor.buffer, CL_TRUE, origin[0], count * size, data, 0, NULL, NULL);
  else
    {
      /* A rectangle's x origin must stay inside its row. */
      origin[1] = origin[0] / (tensor.pitch * size);
      origin[0] = origin[0] % (tensor.pitch * size);
      code = up ? clEnqueueWriteBufferRect (run->device->queue, tensor.buffer, CL_TRUE, origin, zero, region, tensor.pitch * size, 0, cols * size, 0, data, 0, NULL, NULL)
                : clEnqueueReadBufferRect (run->device->queue, tensor.buffer, CL_TRUE, origin, zero, region, tensor.pitch * size, 0, cols * size, 0, data, 0, NULL, NULL);
    }

  run->device->stats.submissions++;
  if (code != CL_SUCCESS)
    {
      GError *error = NULL;

      descry_cl_set_error (&error, code, "Moving %" G_GSIZE_FORMAT " bytes %s %s", count * size, up ? "to" : "from", run->device->info->name);
      descry_run_take (run, error);
    }
  else if (up)
    run->device->stats.bytes_up += count * size;
  else
    run->device->stats.bytes_down += count * size;
}

void
descry_run_write (DescryRun    *run,
                  DescryTensor  tensor,
                  gconstpointer data,
                  gsize         count)
{
  transfer (run, tensor, (guint8 *) data, count, TRUE);
}

void
descry_run_read (DescryRun   *run,
                 DescryTensor tensor,
                 gpointer     data,
                 gsize        count)
{
  transfer (run, tensor, data, count, FALSE);
}

struct _DescryReading
{
  cl_event event;
};

DescryReading *
descry_run_read_begin (DescryRun   *run,
                       DescryTensor tensor,
                       gpointer     data,
                       gsize        count)
{
  gsize size = descry_type_size (tensor.type);
  cl_event event = NULL;
  DescryReading *reading;
  cl_int code;

  if (!descry_run_ok (run) || tensor.buffer == NULL)
    return NULL;
  if (count != descry_tensor_count (tensor) || tensor.pitch != descry_tensor_cols (tensor))
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "read: %" G_GSIZE_FORMAT " elements with gaps or not %" G_GSIZE_FORMAT, descry_tensor_count (tensor), count);
      return NULL;
    }

  code = clEnqueueReadBuffer (run->device->queue, tensor.buffer, CL_FALSE, tensor.offset * size, count * size, data, 0, NULL, &event);
  if (code != CL_SUCCESS)
    {
      GError *error = NULL;

      descry_cl_set_error (&error, code, "Moving %" G_GSIZE_FORMAT " bytes from %s", count * size, run->device->info->name);
      descry_run_take (run, error);
      return NULL;
    }

  run->device->stats.bytes_down += count * size;
  reading = g_new (DescryReading, 1);
  reading->event = event;
  return reading;
}

gboolean
descry_run_read_end (DescryRun     *run,
                     DescryReading *reading)
{
  cl_int code;

  if (reading == NULL)
    return FALSE;

  code = clWaitForEvents (1, &reading->event);
  clReleaseEvent (reading->event);
  g_free (reading);
  run->device->stats.submissions++;
  if (code != CL_SUCCESS)
    {
      GError *error = NULL;

      descry_cl_set_error (&error, code, "Waiting for %s", run->device->info->name);
      descry_run_take (run, error);
    }

  return code == CL_SUCCESS;
}

/* A slow processor's rates: where the device is faster, the marks are only closer together than they need be. */
#define SLOW_FLOPS 5e10
#define SLOW_BYTES 1e10

void
descry_run_spend (DescryRun *run,
                  double     flop,
                  double     bytes)
{
  DescryDevice *device = run->device;
  cl_event last = device->mark;
  cl_int code;

  device->spent += MAX (flop / SLOW_FLOPS, bytes / SLOW_BYTES);
  if (device->spent < DESCRY_RUN_SPAN || !descry_run_ok (run))
    return;

  device->spent = 0.0;
  device->mark = NULL;
  code = clEnqueueMarkerWithWaitList (device->queue, 0, NULL, &device->mark);
  if (code == CL_SUCCESS)
    code = clFlush (device->queue);
  /* The mark before this one: while the host waits for it, the device has work. */
  if (last != NULL)
    {
      if (code == CL_SUCCESS)
        code = clWaitForEvents (1, &last);
      clReleaseEvent (last);
    }
  if (code != CL_SUCCESS)
    {
      GError *error = NULL;

      descry_cl_set_error (&error, code, "Waiting for %s", device->info->name);
      descry_run_take (run, error);
    }
}

DescryKernel *
descry_run_kernel (DescryRun  *run,
                   const char *name,
                   const char *defines)
{
  GError *error = NULL;
  DescryKernel *kernel;

  if (!descry_run_ok (run))
    return NULL;

  kernel = descry_device_kernel (run->device, name, defines, &error);
  if (kernel == NULL)
    descry_run_take (run, error);

  return kernel;
}

void
descry_run_launch (DescryRun       *run,
                   DescryKernel    *kernel,
                   guint            dims,
                   const gsize     *global,
                   const gsize     *local,
                   const DescryArg *args,
                   guint            n_args)
{
  gsize rounded[3] = { 1, 1, 1 };
  cl_event event = NULL;
  cl_int code = CL_SUCCESS;
  guint index = 0, i;

  if (kernel == NULL || !descry_run_ok (run))
    return;

  for (i = 0; i < n_args && code == CL_SUCCESS; i++)
    switch (args[i].kind)
      {
      case DESCRY_ARG_TENSOR:
        {
          cl_uint at = args[i].tensor.offset;

          code = clSetKernelArg (kernel->kernel, index++, sizeof (cl_mem), &args[i].tensor.buffer);
          if (code == CL_SUCCESS)
            code = clSetKernelArg (kernel->kernel, index++, sizeof at, &at);
        }
        break;
      case DESCRY_ARG_BUFFER:
        code = clSetKernelArg (kernel->kernel, index++, sizeof (cl_mem), &args[i].buffer);
        break;
      case DESCRY_ARG_LOCAL:
        code = clSetKernelArg (kernel->kernel, index++, args[i].value.bytes, NULL);
        break;
      case DESCRY_ARG_UINTS:
        code = clSetKernelArg (kernel->kernel, index++, 16 * sizeof (cl_uint), args[i].uints);
        break;
      default:
        code = clSetKernelArg (kernel->kernel, index++, 4, &args[i].value);
      }

  for (i = 0; i < dims; i++)
    rounded[i] = (global[i] + local[i] - 1) / local[i] * local[i];
  if (rounded[0] == 0 || rounded[1] == 0 || rounded[2] == 0)
    return;

  if (code == CL_SUCCESS)
    code = clEnqueueNDRangeKernel (run->device->queue, kernel->kernel, dims, NULL, rounded, local, 0, NULL, run->device->profiling ? &event : NULL);
  if (code != CL_SUCCESS)
    {
      GError *error = NULL;

      descry_cl_set_error (&error, code, "%s on %s, argument %u, %" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT "×%" G_GSIZE_FORMAT " items",
                           kernel->name, run->device->info->name, index, rounded[0], rounded[1], rounded[2]);
      descry_run_take (run, error);
      return;
    }

  kernel->launches++;
  run->device->stats.launches++;
  if (event != NULL)
    {
      g_ptr_array_add (run->device->events, event);
      g_ptr_array_add (run->device->events, kernel);
    }
}

#define MAX_NATIVE_BUFFERS 16

/* What is in front of the caller's data in the block that the driver copies. */
typedef struct
{
  DescryNativeFunc func;
  gint            *failures; /* of the device */
  guint            n; /* places to fill */
  guint            which[MAX_NATIVE_BUFFERS]; /* index of the buffer for each */
  gsize            places[MAX_NATIVE_BUFFERS]; /* bytes into the data */
  gpointer         pointers[MAX_NATIVE_BUFFERS]; /* filled by the driver, each buffer once */
} NativeHead;

static void CL_CALLBACK
native_trampoline (void *block)
{
  NativeHead *head = block;
  guint8 *data = (guint8 *) block + sizeof *head;
  gboolean widened = descry_threads_widen ();
  guint i;

  for (i = 0; i < head->n; i++)
    memcpy (data + head->places[i], &head->pointers[head->which[i]], sizeof (gpointer));
  if (!head->func (data))
    g_atomic_int_inc (head->failures);
  if (widened)
    descry_threads_restore ();
}

static guint64
serial_of (DescryRun *run,
           cl_mem     buffer)
{
  const DescryBufferFacts *facts = g_hash_table_lookup (run->device->facts, buffer);

  return facts != NULL ? facts->serial : 0;
}

/* The driver gets each buffer once and in the order of creation: PoCL 3.1 sorts the list by that and drops
 * doubles, but fills the places in the order given, so any other list gives pointers to the wrong buffers. */
void
descry_run_native (DescryRun       *run,
                   DescryNativeFunc func,
                   gconstpointer    data,
                   gsize            size,
                   const cl_mem    *buffers,
                   const gsize     *places,
                   guint            n_buffers)
{
  g_autofree guint8 *block = NULL;
  cl_mem unique[MAX_NATIVE_BUFFERS];
  const void *slots[MAX_NATIVE_BUFFERS];
  NativeHead *head;
  cl_int code;
  guint n_unique = 0, i, u;

  g_return_if_fail (n_buffers <= MAX_NATIVE_BUFFERS);

  if (!descry_run_ok (run))
    return;
  if (!run->device->info->native_kernels)
    {
      descry_run_fail (run, DESCRY_ERROR_FAILED, "%s runs no native kernels", run->device->info->name);
      return;
    }

  for (i = 0; i < n_buffers; i++)
    {
      for (u = 0; u < n_unique && serial_of (run, unique[u]) < serial_of (run, buffers[i]); u++)
        ;
      if (u < n_unique && unique[u] == buffers[i])
        continue;
      memmove (unique + u + 1, unique + u, (n_unique - u) * sizeof *unique);
      unique[u] = buffers[i];
      n_unique++;
    }

  block = g_malloc0 (sizeof *head + size);
  head = (NativeHead *) (void *) block;
  head->func = func;
  head->failures = &run->device->native_failures;
  head->n = n_buffers;
  memcpy (block + sizeof *head, data, size);
  for (u = 0; u < n_unique; u++)
    slots[u] = &head->pointers[u];
  for (i = 0; i < n_buffers; i++)
    {
      for (u = 0; unique[u] != buffers[i]; u++)
        ;
      head->which[i] = u;
      head->places[i] = places[i];
    }

  code = clEnqueueNativeKernel (run->device->queue, native_trampoline, block, sizeof *head + size,
                                n_unique, n_unique > 0 ? unique : NULL, n_unique > 0 ? slots : NULL, 0, NULL, NULL);
  if (code != CL_SUCCESS)
    {
      GError *error = NULL;

      descry_cl_set_error (&error, code, "A native kernel on %s", run->device->info->name);
      descry_run_take (run, error);
      return;
    }
  run->device->stats.native_launches++;
}

void
descry_run_set_tap (DescryRun    *run,
                    DescryTapFunc func,
                    gpointer      data)
{
  run->tap = func;
  run->tap_data = data;
}

void
descry_run_tap (DescryRun   *run,
                DescryTensor tensor,
                const char  *format,
                ...)
{
  g_autofree char *name = NULL;
  va_list args;

  if (run->tap == NULL || tensor.buffer == NULL || !descry_run_ok (run))
    return;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  run->tap (run, name, tensor, run->tap_data);
}

void
descry_run_flush (DescryRun *run)
{
  cl_int code;

  if (!descry_run_ok (run))
    return;

  code = clFlush (run->device->queue);
  if (code != CL_SUCCESS)
    {
      GError *error = NULL;

      descry_cl_set_error (&error, code, "Starting work on %s", run->device->info->name);
      descry_run_take (run, error);
    }
}

gboolean
descry_run_finish (DescryRun  *run,
                   GError    **error)
{
  cl_int code = clFinish (run->device->queue);

  run->device->stats.submissions++;
  run->device->spent = 0.0;
  g_clear_pointer (&run->device->mark, clReleaseEvent);
  descry_device_collect_events (run->device);

  if (code != CL_SUCCESS)
    {
      GError *failure = NULL;

      descry_cl_set_error (&failure, code, "Waiting for %s", run->device->info->name);
      descry_run_take (run, failure);
    }

  if (g_atomic_int_and ((guint *) &run->device->native_failures, 0) != 0)
    descry_run_fail (run, DESCRY_ERROR_FAILED, "A library's kernel failed on %s", run->device->info->name);

  if (descry_run_ok (run))
    return TRUE;

  if (error != NULL)
    *error = g_error_copy (run->error);
  return FALSE;
}
