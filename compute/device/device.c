/* device.c - one context, one in-order queue, a pool of buffers
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/device-private.h"

#include <stdlib.h>
#include <string.h>

#include "compute/memory.h"

/* Memory for weights is taken from the system in such pieces; what is not used of one costs nothing. */
#define CHUNK ((gsize) 64 << 20)
#define CHUNK_STEP 4096 /* where weights begin */
#define LEAST_HOST (64u << 10)

static const struct
{
  cl_int      code;
  const char *name;
} error_names[] = {
  { CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND" },
  { CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE" },
  { CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE" },
  { CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE" },
  { CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES" },
  { CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY" },
  { CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE" },
  { CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST" },
  { CL_INVALID_VALUE, "CL_INVALID_VALUE" },
  { CL_INVALID_PLATFORM, "CL_INVALID_PLATFORM" },
  { CL_INVALID_DEVICE, "CL_INVALID_DEVICE" },
  { CL_INVALID_CONTEXT, "CL_INVALID_CONTEXT" },
  { CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE" },
  { CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT" },
  { CL_INVALID_BINARY, "CL_INVALID_BINARY" },
  { CL_INVALID_BUILD_OPTIONS, "CL_INVALID_BUILD_OPTIONS" },
  { CL_INVALID_PROGRAM, "CL_INVALID_PROGRAM" },
  { CL_INVALID_PROGRAM_EXECUTABLE, "CL_INVALID_PROGRAM_EXECUTABLE" },
  { CL_INVALID_KERNEL_NAME, "CL_INVALID_KERNEL_NAME" },
  { CL_INVALID_KERNEL, "CL_INVALID_KERNEL" },
  { CL_INVALID_ARG_INDEX, "CL_INVALID_ARG_INDEX" },
  { CL_INVALID_ARG_VALUE, "CL_INVALID_ARG_VALUE" },
  { CL_INVALID_ARG_SIZE, "CL_INVALID_ARG_SIZE" },
  { CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS" },
  { CL_INVALID_WORK_DIMENSION, "CL_INVALID_WORK_DIMENSION" },
  { CL_INVALID_WORK_GROUP_SIZE, "CL_INVALID_WORK_GROUP_SIZE" },
  { CL_INVALID_WORK_ITEM_SIZE, "CL_INVALID_WORK_ITEM_SIZE" },
  { CL_INVALID_GLOBAL_OFFSET, "CL_INVALID_GLOBAL_OFFSET" },
  { CL_INVALID_EVENT_WAIT_LIST, "CL_INVALID_EVENT_WAIT_LIST" },
  { CL_INVALID_EVENT, "CL_INVALID_EVENT" },
  { CL_INVALID_OPERATION, "CL_INVALID_OPERATION" },
  { CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE" },
  { CL_INVALID_GLOBAL_WORK_SIZE, "CL_INVALID_GLOBAL_WORK_SIZE" },
};

const char *
descry_cl_error_name (cl_int code)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (error_names); i++)
    if (error_names[i].code == code)
      return error_names[i].name;

  return "an unknown OpenCL error";
}

void
descry_cl_set_error (GError    **error,
                     cl_int      code,
                     const char *format,
                     ...)
{
  g_autofree char *what = NULL;
  DescryError kind;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);

  switch (code)
    {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_HOST_MEMORY:
    case CL_OUT_OF_RESOURCES:
    case CL_INVALID_BUFFER_SIZE:
      kind = DESCRY_ERROR_OUT_OF_MEMORY;
      break;
    case CL_DEVICE_NOT_AVAILABLE:
      kind = DESCRY_ERROR_DEVICE_LOST;
      break;
    case CL_BUILD_PROGRAM_FAILURE:
      kind = DESCRY_ERROR_BUILD_FAILED;
      break;
    default:
      kind = DESCRY_ERROR_FAILED;
    }

  g_set_error (error, DESCRY_ERROR, kind, "%s: %s (%d)", what, descry_cl_error_name (code), code);
}

static void
free_kernel (gpointer data)
{
  DescryKernel *kernel = data;

  clReleaseKernel (kernel->kernel);
  g_free (kernel->name);
  g_free (kernel);
}

static void
free_chunk (gpointer data)
{
  DescryHostChunk *chunk = data;

  descry_free_large (chunk->memory, chunk->bytes);
  g_free (chunk);
}

static void
free_program (gpointer data)
{
  DescryProgram *program = data;

  if (program->program != NULL)
    clReleaseProgram (program->program);
  g_free (program);
}

/* The info with this index, or the first usable one whose platform or name holds the text. */
static DescryDeviceInfo *
choose (GPtrArray   *devices,
        const char  *selector,
        GError     **error)
{
  char *end = NULL;
  guint64 wanted = selector != NULL ? g_ascii_strtoull (selector, &end, 10) : 0;
  gboolean by_index = selector != NULL && end != selector && *end == '\0';
  DescryDeviceInfo *refused = NULL;
  guint i;

  for (i = 0; i < devices->len; i++)
    {
      DescryDeviceInfo *info = g_ptr_array_index (devices, i);
      gboolean matches = selector == NULL || (by_index ? info->index == wanted
                                                       : strstr (info->name, selector) != NULL || strstr (info->platform, selector) != NULL);

      if (!matches)
        continue;
      if (info->refusal == NULL)
        return info;
      if (refused == NULL)
        refused = info;
    }

  if (refused != NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE, "No usable OpenCL device: %s is refused because %s", refused->name, refused->refusal);
  else if (devices->len == 0)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE, "No OpenCL device was found. Install a driver: the package pocl-opencl-icd runs on every processor");
  else
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE, "No OpenCL device matches “%s” (%u found)", selector, devices->len);

  return NULL;
}

DescryDevice *
descry_device_open (const char    *selector,
                    DescryFamily   family,
                    GError       **error)
{
  g_autoptr (GPtrArray) devices = descry_device_scan ();
  g_autoptr (DescryDevice) device = NULL;
  DescryDeviceInfo *info;
  cl_context_properties properties[3];
  cl_int code;

  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  info = choose (devices, selector, error);
  if (info == NULL)
    return NULL;

  device = g_new0 (DescryDevice, 1);
  g_ptr_array_set_free_func (devices, NULL);
  {
    guint i;

    for (i = 0; i < devices->len; i++)
      if (g_ptr_array_index (devices, i) != info)
        descry_device_info_free (g_ptr_array_index (devices, i));
  }
  device->info = info;
  device->family = family != DESCRY_FAMILY_AUTO ? family : info->family;
  g_mutex_init (&device->programs_lock);
  g_cond_init (&device->program_built);
  device->programs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_program);
  device->kernels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_kernel);
  device->pool = g_array_new (FALSE, FALSE, sizeof (DescryPoolBuffer));
  device->facts = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  device->chunks = g_ptr_array_new_with_free_func (free_chunk);
  device->events = g_ptr_array_new ();
  device->profiling = g_strcmp0 (g_getenv ("DESCRY_PROFILE"), "1") == 0;

  properties[0] = CL_CONTEXT_PLATFORM;
  properties[1] = (cl_context_properties) info->platform_id;
  properties[2] = 0;
  device->context = clCreateContext (properties, 1, &info->device_id, NULL, NULL, &code);
  if (code != CL_SUCCESS)
    {
      descry_cl_set_error (error, code, "Could not open %s", info->name);
      return NULL;
    }

  device->queue = clCreateCommandQueue (device->context, info->device_id, device->profiling ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
  if (code != CL_SUCCESS)
    {
      descry_cl_set_error (error, code, "Could not make a queue on %s", info->name);
      return NULL;
    }

  return g_steal_pointer (&device);
}

void
descry_device_free (DescryDevice *device)
{
  GHashTableIter iter;
  gpointer buffer;

  if (device == NULL)
    return;

  g_clear_pointer (&device->warming, g_thread_join);
  if (device->queue != NULL)
    {
      clFinish (device->queue);
      descry_device_collect_events (device);
    }
  descry_device_trim (device);

  /* Whatever its owner forgot would keep the context alive. */
  g_hash_table_iter_init (&iter, device->facts);
  while (g_hash_table_iter_next (&iter, &buffer, NULL))
    clReleaseMemObject (buffer);

  g_clear_pointer (&device->kernels, g_hash_table_unref);
  g_clear_pointer (&device->programs, g_hash_table_unref);
  g_clear_pointer (&device->facts, g_hash_table_unref);
  g_clear_pointer (&device->pool, g_array_unref);
  g_clear_pointer (&device->events, g_ptr_array_unref);
  g_clear_pointer (&device->mark, clReleaseEvent);
  g_clear_pointer (&device->queue, clReleaseCommandQueue);
  g_clear_pointer (&device->context, clReleaseContext);
  g_clear_pointer (&device->chunks, g_ptr_array_unref);
  g_clear_pointer (&device->info, descry_device_info_free);
  g_mutex_clear (&device->programs_lock);
  g_cond_clear (&device->program_built);
  g_free (device->gemm_ranks);
  g_free (device);
}

const DescryDeviceInfo *
descry_device_info (DescryDevice *device)
{
  return device->info;
}

DescryFamily
descry_device_family (DescryDevice *device)
{
  return device->family;
}

cl_context
descry_device_context (DescryDevice *device)
{
  return device->context;
}

cl_command_queue
descry_device_queue (DescryDevice *device)
{
  return device->queue;
}

const DescryDeviceStats *
descry_device_stats (DescryDevice *device)
{
  return &device->stats;
}

/* Room for growth is cheaper than a second buffer, but not without end. */
static gboolean
fits (guint64 have,
      guint64 need)
{
  return have >= need && have <= need + need / 4 + 4096;
}

static gboolean
check_size (DescryDevice *device,
            guint64       bytes,
            GError      **error)
{
  if (bytes <= device->info->max_allocation || device->info->max_allocation == 0)
    return TRUE;

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "A buffer of %" G_GUINT64_FORMAT " MiB is needed, %s allows %" G_GUINT64_FORMAT " MiB",
               bytes >> 20, device->info->name, device->info->max_allocation >> 20);
  return FALSE;
}

static void
note_buffer (DescryDevice    *device,
             cl_mem           buffer,
             guint64          bytes,
             DescryHostChunk *chunk)
{
  DescryBufferFacts *facts = g_new (DescryBufferFacts, 1);

  facts->bytes = bytes;
  facts->serial = ++device->serial;
  facts->chunk = chunk;
  g_hash_table_insert (device->facts, buffer, facts);
  device->stats.buffers++;
  device->stats.buffer_allocations++;
  device->stats.live_bytes += bytes;
  device->stats.peak_bytes = MAX (device->stats.peak_bytes, device->stats.live_bytes);
}

cl_mem
descry_device_buffer_take (DescryDevice  *device,
                           guint64        bytes,
                           GError       **error)
{
  guint best = G_MAXUINT;
  cl_mem buffer;
  cl_int code;
  guint i;

  bytes = MAX (bytes, 64);
  if (!check_size (device, bytes, error))
    return NULL;

  for (i = 0; i < device->pool->len; i++)
    {
      DescryPoolBuffer *entry = &g_array_index (device->pool, DescryPoolBuffer, i);

      if (fits (entry->bytes, bytes) && (best == G_MAXUINT || entry->bytes < g_array_index (device->pool, DescryPoolBuffer, best).bytes))
        best = i;
    }
  if (best != G_MAXUINT)
    {
      buffer = g_array_index (device->pool, DescryPoolBuffer, best).buffer;
      g_array_remove_index_fast (device->pool, best);
      return buffer;
    }

  buffer = clCreateBuffer (device->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
  if (code != CL_SUCCESS && device->pool->len > 0)
    {
      /* What lies unused may be what is missing. */
      descry_device_trim (device);
      buffer = clCreateBuffer (device->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    }
  if (code != CL_SUCCESS)
    {
      descry_cl_set_error (error, code, "No buffer of %" G_GUINT64_FORMAT " KiB on %s, which reports %" G_GUINT64_FORMAT " MiB",
                           bytes >> 10, device->info->name, device->info->global_memory >> 20);
      return NULL;
    }

  note_buffer (device, buffer, bytes, NULL);
  return buffer;
}

gpointer
descry_device_host_take (DescryDevice *device,
                         guint64       bytes,
                         GError      **error)
{
  DescryHostChunk *chunk = device->chunks->len > 0 ? g_ptr_array_index (device->chunks, device->chunks->len - 1) : NULL;
  gpointer memory;

  /* A processor's driver has no memory of its own; what calls itself unified may still copy. Little is not worth a large page. */
  if (device->info->family != DESCRY_FAMILY_CPU || !device->info->unified || bytes < LEAST_HOST)
    return NULL;
  if (!check_size (device, bytes, error))
    return NULL;

  bytes = (bytes + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP;
  if (chunk == NULL || chunk->bytes - chunk->used < bytes)
    {
      gsize wanted = MAX (CHUNK, bytes);

      memory = descry_try_alloc_large (wanted);
      if (memory == NULL)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %" G_GSIZE_FORMAT " MiB of weights", wanted >> 20);
          return NULL;
        }
      chunk = g_new0 (DescryHostChunk, 1);
      chunk->memory = memory;
      chunk->bytes = wanted;
      g_ptr_array_add (device->chunks, chunk);
    }

  memory = chunk->memory + chunk->used;
  chunk->used += bytes;
  chunk->live++;
  return memory;
}

static DescryHostChunk *
find_chunk (DescryDevice *device,
            gpointer      memory)
{
  const guint8 *at = memory;
  guint i;

  for (i = 0; i < device->chunks->len; i++)
    {
      DescryHostChunk *chunk = g_ptr_array_index (device->chunks, i);

      if (at >= chunk->memory && at < chunk->memory + chunk->bytes)
        return chunk;
    }

  g_return_val_if_reached (NULL);
}

/* The last piece of a chunk takes it along, once the device is done with what used it. */
static void
leave_chunk (DescryDevice    *device,
             DescryHostChunk *chunk)
{
  if (--chunk->live > 0)
    return;

  clFinish (device->queue);
  g_ptr_array_remove (device->chunks, chunk);
}

void
descry_device_host_give (DescryDevice *device,
                         gpointer      memory)
{
  leave_chunk (device, find_chunk (device, memory));
}

cl_mem
descry_device_host_buffer (DescryDevice *device,
                           gpointer      memory,
                           guint64       bytes,
                           GError      **error)
{
  DescryHostChunk *chunk = find_chunk (device, memory);
  cl_int code;
  cl_mem buffer = clCreateBuffer (device->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, memory, &code);

  if (code != CL_SUCCESS)
    {
      descry_cl_set_error (error, code, "No buffer over %" G_GUINT64_FORMAT " KiB of memory on %s", bytes >> 10, device->info->name);
      leave_chunk (device, chunk);
      return NULL;
    }

  note_buffer (device, buffer, bytes, chunk);
  return buffer;
}

void
descry_device_buffer_give (DescryDevice *device,
                           cl_mem        buffer)
{
  const DescryBufferFacts *facts = g_hash_table_lookup (device->facts, buffer);
  DescryPoolBuffer entry = { buffer, 0 };

  g_return_if_fail (facts != NULL);

  entry.bytes = facts->bytes;
  g_array_append_val (device->pool, entry);
}

void
descry_device_buffer_free (DescryDevice *device,
                           cl_mem        buffer)
{
  const DescryBufferFacts *facts = g_hash_table_lookup (device->facts, buffer);
  DescryHostChunk *chunk;

  g_return_if_fail (facts != NULL);

  chunk = facts->chunk;
  device->stats.live_bytes -= facts->bytes;
  device->stats.buffers--;
  g_hash_table_remove (device->facts, buffer);
  clReleaseMemObject (buffer);
  if (chunk != NULL)
    leave_chunk (device, chunk);
}

void
descry_device_trim (DescryDevice *device)
{
  guint i;

  for (i = 0; i < device->pool->len; i++)
    descry_device_buffer_free (device, g_array_index (device->pool, DescryPoolBuffer, i).buffer);
  g_array_set_size (device->pool, 0);
}

void
descry_device_collect_events (DescryDevice *device)
{
  guint i;

  for (i = 0; i + 1 < device->events->len; i += 2)
    {
      cl_event event = g_ptr_array_index (device->events, i);
      DescryKernel *kernel = g_ptr_array_index (device->events, i + 1);
      cl_ulong begin = 0, end = 0;

      if (clGetEventProfilingInfo (event, CL_PROFILING_COMMAND_START, sizeof begin, &begin, NULL) == CL_SUCCESS
          && clGetEventProfilingInfo (event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) == CL_SUCCESS)
        kernel->device_ms += (end - begin) * 1e-6;
      clReleaseEvent (event);
    }
  g_ptr_array_set_size (device->events, 0);
}

static int
compare_time (gconstpointer a,
              gconstpointer b)
{
  const DescryKernel *left = *(DescryKernel *const *) a;
  const DescryKernel *right = *(DescryKernel *const *) b;

  return left->device_ms < right->device_ms ? 1 : left->device_ms > right->device_ms ? -1 : 0;
}

char *
descry_device_profile (DescryDevice *device)
{
  GString *text = g_string_new (NULL);
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GList) values = NULL;
  GList *l;
  guint i;

  if (!device->profiling)
    return g_string_free (text, FALSE);

  list = g_ptr_array_new ();
  values = g_hash_table_get_values (device->kernels);
  for (l = values; l != NULL; l = l->next)
    g_ptr_array_add (list, l->data);
  g_ptr_array_sort (list, compare_time);

  for (i = 0; i < list->len; i++)
    {
      const DescryKernel *kernel = g_ptr_array_index (list, i);

      if (kernel->launches > 0)
        g_string_append_printf (text, "%10.3f ms %8" G_GUINT64_FORMAT " x %s\n", kernel->device_ms, kernel->launches, kernel->name);
    }

  return g_string_free (text, FALSE);
}
