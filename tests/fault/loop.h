/* loop.h - the loop that has seen every failing call fail once
 *
 * A task is run with the N-th call of one function failing, for N = 1, 2, … until it gets through. After each
 * failure there must be a message, nothing left behind, and a clean run must give the same bits as before.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <dlfcn.h>
#include <string.h>

#include "compute/device/run.h"
#include "compute/memory.h"
#include "tests/fault/interposer.h"

/* Everything that could fail; @results gets the values to compare. @device is NULL for tasks that open their own. */
typedef gboolean (*FaultTask) (DescryDevice *device, GByteArray *results, GError **error);

static void (*loop_set) (const char *, unsigned, int);
static int (*loop_fired) (void);
static long (*loop_live) (int);

/* FALSE after g_test_skip(): the library is not preloaded. */
static inline gboolean
loop_init (void)
{
  loop_set = (void (*) (const char *, unsigned, int)) dlsym (RTLD_DEFAULT, "fault_set");
  loop_fired = (int (*) (void)) dlsym (RTLD_DEFAULT, "fault_fired");
  loop_live = (long (*) (int)) dlsym (RTLD_DEFAULT, "fault_live");

  if (loop_set != NULL)
    return TRUE;
  g_test_skip ("the interposer is not preloaded: run with meson test");
  return FALSE;
}

typedef struct
{
  guint64 live_bytes, buffers;
  guint   memory;
  long    objects[FAULT_N_KINDS];
} LoopState;

static inline LoopState
loop_state (DescryDevice *device)
{
  LoopState state = { .memory = descry_memory_live () };
  guint i;

  if (device != NULL)
    {
      descry_device_trim (device);
      state.live_bytes = descry_device_stats (device)->live_bytes;
      state.buffers = descry_device_stats (device)->buffers;
    }
  for (i = 0; i < FAULT_N_KINDS; i++)
    state.objects[i] = loop_live (i);
  /* Programs and kernels are kept by the device for the next run; a device that is closed keeps none. */
  if (device != NULL)
    state.objects[FAULT_PROGRAM] = state.objects[FAULT_KERNEL] = 0;

  return state;
}

static inline void
loop_assert_same (LoopState   before,
                  LoopState   after,
                  const char *what,
                  guint       n)
{
  guint i;

  if (before.live_bytes != after.live_bytes || before.buffers != after.buffers || before.memory != after.memory)
    g_error ("%s, call %u: left behind %" G_GINT64_FORMAT " bytes in %" G_GINT64_FORMAT " device buffers, %d host allocations", what, n,
             (gint64) (after.live_bytes - before.live_bytes), (gint64) (after.buffers - before.buffers), (int) (after.memory - before.memory));
  for (i = 0; i < FAULT_N_KINDS; i++)
    if (before.objects[i] != after.objects[i])
      g_error ("%s, call %u: %ld objects of kind %u are left", what, n, after.objects[i] - before.objects[i], i);
}

static inline GByteArray *
loop_clean_run (DescryDevice *device,
                FaultTask     task)
{
  GByteArray *results = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  loop_set (NULL, 0, 0);
  task (device, results, &error);
  g_assert_no_error (error);
  return results;
}

static inline void
loop_assert_equal (GByteArray *a,
                   GByteArray *b,
                   const char *what)
{
  if (a->len != b->len || (a->len > 0 && memcmp (a->data, b->data, a->len) != 0))
    g_error ("%s: the clean run after it gives other bits", what);
}

/* N = 1, 2, … all of them for the rare functions; the frequent ones are thinned out past the fortieth unless
 * DESCRY_TEST_FULL is set. */
static inline guint
loop_next (guint n)
{
  return n < 40 || g_getenv ("DESCRY_TEST_FULL") != NULL ? n + 1 : n + n / 6;
}

/* Returns how many failures were seen. @may_survive: the library has a second way (a retry). */
static inline guint
loop_calls (DescryDevice *device,
            FaultTask     task,
            const char   *function,
            cl_int        status,
            gboolean      may_survive)
{
  g_autoptr (GByteArray) expected = loop_clean_run (device, task);
  LoopState before = loop_state (device);
  guint n, seen = 0;

  for (n = 1;; n = loop_next (n))
    {
      g_autoptr (GByteArray) results = g_byte_array_new ();
      g_autoptr (GByteArray) again = NULL;
      g_autoptr (GError) error = NULL;
      gboolean ok;

      loop_set (function, n, status);
      ok = task (device, results, &error);
      if (!loop_fired ())
        {
          loop_set (NULL, 0, 0);
          g_assert_no_error (error);
          break;
        }
      loop_set (NULL, 0, 0);
      seen++;

      if (ok && !may_survive)
        g_error ("%s: call %u failed with %d and nobody noticed", function, n, status);
      if (ok)
        loop_assert_equal (expected, results, function);
      else if (error == NULL || error->message == NULL || error->message[0] == '\0')
        g_error ("%s: call %u failed without a message", function, n);
      loop_assert_same (before, loop_state (device), function, n);

      /* A clean run after each of the first ones, then now and then: it costs as much as the failing one. */
      if (n < 8 || n % 5 == 0)
        {
          again = loop_clean_run (device, task);
          loop_assert_equal (expected, again, function);
        }
    }

  return seen;
}

static inline guint
loop_allocations (DescryDevice *device,
                  FaultTask     task)
{
  g_autoptr (GByteArray) expected = loop_clean_run (device, task);
  LoopState before = loop_state (device);
  guint n, seen = 0;

  for (n = 1;; n = loop_next (n))
    {
      g_autoptr (GByteArray) results = g_byte_array_new ();
      g_autoptr (GByteArray) again = NULL;
      g_autoptr (GError) error = NULL;
      gboolean ok;

      descry_memory_fail_at (n);
      ok = task (device, results, &error);
      if (descry_memory_calls () < n)
        {
          descry_memory_fail_at (0);
          g_assert_no_error (error);
          break;
        }
      descry_memory_fail_at (0);
      seen++;

      if (ok)
        g_error ("allocation %u failed and nobody noticed", n);
      g_assert_nonnull (error);
      if (error->domain != DESCRY_ERROR || error->code != DESCRY_ERROR_OUT_OF_MEMORY)
        g_error ("allocation %u: expected “out of memory”, found: %s", n, error->message);
      loop_assert_same (before, loop_state (device), "allocation", n);
      if (n < 8 || n % 5 == 0)
        {
          again = loop_clean_run (device, task);
          loop_assert_equal (expected, again, "allocation");
        }
    }

  return seen;
}

static const struct
{
  const char *function;
  cl_int      status;
  gboolean    may_survive;
} loop_faults[] = {
  { "clCreateContext", CL_OUT_OF_HOST_MEMORY, FALSE },
  { "clCreateCommandQueue", CL_OUT_OF_RESOURCES, FALSE },
  /* When the pool holds unused buffers they are given back and the driver is asked again. */
  { "clCreateBuffer", CL_MEM_OBJECT_ALLOCATION_FAILURE, TRUE },
  { "clCreateSubBuffer", CL_OUT_OF_RESOURCES, FALSE },
  { "clCreateProgramWithSource", CL_OUT_OF_HOST_MEMORY, FALSE },
  /* A stored binary that the driver does not take is compiled again from source. */
  { "clBuildProgram", CL_BUILD_PROGRAM_FAILURE, TRUE },
  { "clCreateKernel", CL_OUT_OF_HOST_MEMORY, FALSE },
  { "clSetKernelArg", CL_OUT_OF_RESOURCES, FALSE },
  { "clEnqueueNDRangeKernel", CL_INVALID_WORK_GROUP_SIZE, FALSE },
  { "clEnqueueNDRangeKernel", CL_OUT_OF_RESOURCES, FALSE },
  { "clEnqueueNativeKernel", CL_OUT_OF_HOST_MEMORY, FALSE },
  { "clEnqueueReadBuffer", CL_OUT_OF_RESOURCES, FALSE },
  { "clEnqueueWriteBuffer", CL_MEM_OBJECT_ALLOCATION_FAILURE, FALSE },
  { "clEnqueueReadBufferRect", CL_OUT_OF_RESOURCES, FALSE },
  { "clEnqueueWriteBufferRect", CL_OUT_OF_RESOURCES, FALSE },
  { "clEnqueueCopyBuffer", CL_OUT_OF_RESOURCES, FALSE },
  { "clEnqueueMarkerWithWaitList", CL_OUT_OF_RESOURCES, FALSE },
  { "clEnqueueFillBuffer", CL_OUT_OF_RESOURCES, FALSE },
  { "clFlush", CL_OUT_OF_HOST_MEMORY, FALSE },
  { "clFinish", CL_DEVICE_NOT_AVAILABLE, FALSE },
  { "clWaitForEvents", CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, FALSE },
};

/* Every function of the list; the sum of failures seen. */
static inline guint
loop_all (DescryDevice *device,
          FaultTask     task)
{
  guint i, seen = 0, one;

  for (i = 0; i < G_N_ELEMENTS (loop_faults); i++)
    {
      /* A task that closes its device waits once more at the end, with nobody to tell. */
      one = loop_calls (device, task, loop_faults[i].function, loop_faults[i].status,
                        loop_faults[i].may_survive || (device == NULL && strcmp (loop_faults[i].function, "clFinish") == 0));
      if (one > 0)
        g_test_message ("%s: %u failures seen", loop_faults[i].function, one);
      seen += one;
    }

  return seen;
}
