/* interposer.c - a preloaded library that makes the N-th call of an OpenCL function fail
 *
 * It exports the cl* names that the program and its libraries call, so that CLBlast's calls fail too. A call
 * that fails does nothing, except clFinish and clWaitForEvents: those wait first, because what the device
 * still runs must not meet freed memory. Live objects are counted by kind.
 *
 * The test finds the control functions with dlsym().
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define CL_TARGET_OPENCL_VERSION 120

#include <CL/cl.h>
#include <dlfcn.h>
#include <string.h>

#include "tests/fault/interposer.h"

static char wanted[64]; /* the function that fails; empty: none, "*": any */
static unsigned nth, calls;
static cl_int code;
static int fired;
static long live[FAULT_N_KINDS];

void
fault_set (const char *function,
           unsigned    n,
           int         status)
{
  strncpy (wanted, function != NULL ? function : "", sizeof wanted - 1);
  nth = n;
  code = status;
  calls = 0;
  fired = 0;
}

unsigned
fault_calls (void)
{
  return calls;
}

int
fault_fired (void)
{
  return fired;
}

long
fault_live (int kind)
{
  return live[kind];
}

static int
fails (const char *function)
{
  if (wanted[0] == '\0' || (wanted[0] != '*' && strcmp (wanted, function) != 0))
    return 0;
  if (++calls != nth)
    return 0;

  fired = 1;
  return 1;
}

#define REAL(name) ((__typeof__ (&name)) find_real (#name))

static void *
find_real (const char *name)
{
  /* A handful of names: a table would cost more than the look-up. */
  return dlsym (RTLD_NEXT, name);
}

#define CREATES(kind, type, name, parameters, arguments)   \
  type name parameters                                     \
  {                                                        \
    type object;                                           \
    if (fails (#name))                                     \
      {                                                    \
        if (status != NULL)                                \
          *status = code;                                  \
        return NULL;                                       \
      }                                                    \
    object = REAL (name) arguments;                        \
    live[kind] += object != NULL;                          \
    return object;                                         \
  }

#define COUNTS(kind, type, object)                         \
  cl_int clRetain##object (type handle)                    \
  {                                                        \
    live[kind]++;                                          \
    return REAL (clRetain##object) (handle);               \
  }                                                        \
  cl_int clRelease##object (type handle)                   \
  {                                                        \
    live[kind]--;                                          \
    return REAL (clRelease##object) (handle);              \
  }

#define CALLS(name, parameters, arguments)                 \
  cl_int name parameters                                   \
  {                                                        \
    return fails (#name) ? code : REAL (name) arguments;   \
  }

#define WAITS(name, parameters, arguments)                 \
  cl_int name parameters                                   \
  {                                                        \
    cl_int status = REAL (name) arguments;                 \
    return fails (#name) ? code : status;                  \
  }

#define ENQUEUES(name, parameters, arguments)              \
  cl_int name parameters                                   \
  {                                                        \
    cl_int status;                                         \
    if (fails (#name))                                     \
      return code;                                         \
    status = REAL (name) arguments;                        \
    live[FAULT_EVENT] += status == CL_SUCCESS && event != NULL; \
    return status;                                         \
  }

CREATES (FAULT_CONTEXT, cl_context, clCreateContext,
         (const cl_context_properties *properties, cl_uint n, const cl_device_id *devices,
          void (CL_CALLBACK *notify) (const char *, const void *, size_t, void *), void *data, cl_int *status),
         (properties, n, devices, notify, data, status))
CREATES (FAULT_QUEUE, cl_command_queue, clCreateCommandQueue,
         (cl_context context, cl_device_id device, cl_command_queue_properties properties, cl_int *status),
         (context, device, properties, status))
CREATES (FAULT_BUFFER, cl_mem, clCreateBuffer,
         (cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *status),
         (context, flags, size, host, status))
CREATES (FAULT_BUFFER, cl_mem, clCreateSubBuffer,
         (cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type, const void *info, cl_int *status),
         (buffer, flags, type, info, status))
CREATES (FAULT_PROGRAM, cl_program, clCreateProgramWithSource,
         (cl_context context, cl_uint n, const char **texts, const size_t *lengths, cl_int *status),
         (context, n, texts, lengths, status))
CREATES (FAULT_PROGRAM, cl_program, clCreateProgramWithBinary,
         (cl_context context, cl_uint n, const cl_device_id *devices, const size_t *lengths, const unsigned char **binaries, cl_int *each, cl_int *status),
         (context, n, devices, lengths, binaries, each, status))
CREATES (FAULT_KERNEL, cl_kernel, clCreateKernel,
         (cl_program program, const char *name, cl_int *status),
         (program, name, status))

COUNTS (FAULT_CONTEXT, cl_context, Context)
COUNTS (FAULT_QUEUE, cl_command_queue, CommandQueue)
COUNTS (FAULT_BUFFER, cl_mem, MemObject)
COUNTS (FAULT_PROGRAM, cl_program, Program)
COUNTS (FAULT_KERNEL, cl_kernel, Kernel)
COUNTS (FAULT_EVENT, cl_event, Event)

CALLS (clBuildProgram,
       (cl_program program, cl_uint n, const cl_device_id *devices, const char *options, void (CL_CALLBACK *notify) (cl_program, void *), void *data),
       (program, n, devices, options, notify, data))
CALLS (clSetKernelArg, (cl_kernel kernel, cl_uint index, size_t size, const void *value), (kernel, index, size, value))
CALLS (clFlush, (cl_command_queue queue), (queue))
WAITS (clFinish, (cl_command_queue queue), (queue))
WAITS (clWaitForEvents, (cl_uint n, const cl_event *events), (n, events))

ENQUEUES (clEnqueueNDRangeKernel,
          (cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset, const size_t *global, const size_t *local,
           cl_uint n, const cl_event *after, cl_event *event),
          (queue, kernel, dims, offset, global, local, n, after, event))
ENQUEUES (clEnqueueNativeKernel,
          (cl_command_queue queue, void (CL_CALLBACK *func) (void *), void *data, size_t size, cl_uint n_buffers, const cl_mem *buffers, const void **places,
           cl_uint n, const cl_event *after, cl_event *event),
          (queue, func, data, size, n_buffers, buffers, places, n, after, event))
ENQUEUES (clEnqueueReadBuffer,
          (cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset, size_t size, void *host, cl_uint n, const cl_event *after, cl_event *event),
          (queue, buffer, wait, offset, size, host, n, after, event))
ENQUEUES (clEnqueueWriteBuffer,
          (cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset, size_t size, const void *host, cl_uint n, const cl_event *after, cl_event *event),
          (queue, buffer, wait, offset, size, host, n, after, event))
ENQUEUES (clEnqueueReadBufferRect,
          (cl_command_queue queue, cl_mem buffer, cl_bool wait, const size_t *origin, const size_t *host_origin, const size_t *region,
           size_t row, size_t slice, size_t host_row, size_t host_slice, void *host, cl_uint n, const cl_event *after, cl_event *event),
          (queue, buffer, wait, origin, host_origin, region, row, slice, host_row, host_slice, host, n, after, event))
ENQUEUES (clEnqueueWriteBufferRect,
          (cl_command_queue queue, cl_mem buffer, cl_bool wait, const size_t *origin, const size_t *host_origin, const size_t *region,
           size_t row, size_t slice, size_t host_row, size_t host_slice, const void *host, cl_uint n, const cl_event *after, cl_event *event),
          (queue, buffer, wait, origin, host_origin, region, row, slice, host_row, host_slice, host, n, after, event))
ENQUEUES (clEnqueueMarkerWithWaitList, (cl_command_queue queue, cl_uint n, const cl_event *after, cl_event *event), (queue, n, after, event))
ENQUEUES (clEnqueueCopyBuffer,
          (cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset, size_t size, cl_uint n, const cl_event *after, cl_event *event),
          (queue, from, to, from_offset, to_offset, size, n, after, event))
ENQUEUES (clEnqueueFillBuffer,
          (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_size, size_t offset, size_t size,
           cl_uint n, const cl_event *after, cl_event *event),
          (queue, buffer, pattern, pattern_size, offset, size, n, after, event))
