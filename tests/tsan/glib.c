/* glib.c - tells the thread sanitizer which thread waited for which
 *
 * GLib is not built with the sanitizer: its locks are futexes, its queues are its own, and what one thread hands to
 * another through them looks like a race. This library is preloaded (or linked first) and stands before those functions of GLib
 * that we hand things over with: before a hand-over it releases an address, after it it acquires the same one. So
 * no report has to be suppressed because GLib was involved.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <dlfcn.h>

#include <gio/gio.h>

/* The sanitizer's; absent in processes without it, such as the tools that a test starts. */
extern void __tsan_acquire (void *address) __attribute__ ((weak));
extern void __tsan_release (void *address) __attribute__ ((weak));

static inline void
acquire (gconstpointer address)
{
  if (__tsan_acquire != NULL)
    __tsan_acquire ((void *) address);
}

static inline void
release (gconstpointer address)
{
  if (__tsan_release != NULL)
    __tsan_release ((void *) address);
}

/* The function that this one stands before. Looked up every time: a static would be a race of our own. */
#define REAL(name) ((__typeof__ (&name)) dlsym (RTLD_NEXT, #name))

#undef g_mutex_lock
#undef g_mutex_trylock
#undef g_mutex_unlock

void
g_mutex_lock (GMutex *mutex)
{
  REAL (g_mutex_lock) (mutex);
  acquire (mutex);
}

gboolean
g_mutex_trylock (GMutex *mutex)
{
  gboolean locked = REAL (g_mutex_trylock) (mutex);

  if (locked)
    acquire (mutex);
  return locked;
}

void
g_mutex_unlock (GMutex *mutex)
{
  release (mutex);
  REAL (g_mutex_unlock) (mutex);
}

void
g_cond_wait (GCond  *cond,
             GMutex *mutex)
{
  release (mutex);
  REAL (g_cond_wait) (cond, mutex);
  acquire (mutex);
}

gboolean
g_cond_wait_until (GCond  *cond,
                   GMutex *mutex,
                   gint64  end_time)
{
  gboolean signalled;

  release (mutex);
  signalled = REAL (g_cond_wait_until) (cond, mutex, end_time);
  acquire (mutex);
  return signalled;
}

/* The fast path is in GLib's header and is an atomic load of the same address: it acquires by itself. */
void
(g_once_init_leave) (volatile void *location,
                     gsize          result)
{
  release ((gconstpointer) location);
  ((void (*) (volatile void *, gsize)) dlsym (RTLD_NEXT, "g_once_init_leave")) (location, result);
}

gboolean
(g_once_init_enter) (volatile void *location)
{
  gboolean first = ((gboolean (*) (volatile void *)) dlsym (RTLD_NEXT, "g_once_init_enter")) (location);

  acquire ((gconstpointer) location);
  return first;
}

/* --- counts of references ------------------------------------------------------------------- */

gboolean
(g_atomic_ref_count_dec) (gatomicrefcount *count)
{
  gboolean last;

  release (count);
  last = ((gboolean (*) (gatomicrefcount *)) dlsym (RTLD_NEXT, "g_atomic_ref_count_dec")) (count);
  if (last)
    acquire (count);
  return last;
}

void
g_object_unref (gpointer object)
{
  release (object);
  acquire (object);
  REAL (g_object_unref) (object);
}

void
g_bytes_unref (GBytes *bytes)
{
  release (bytes);
  acquire (bytes);
  REAL (g_bytes_unref) (bytes);
}

/* --- threads and main contexts ------------------------------------------------------------- */

typedef struct
{
  GSourceFunc    func;
  gpointer       data;
  GDestroyNotify notify;
} Callback;

static gboolean
call_source (gpointer data)
{
  Callback *callback = data;

  acquire (callback);
  return callback->func (callback->data);
}

static void
free_callback (gpointer data)
{
  Callback *callback = data;

  acquire (callback);
  if (callback->notify != NULL)
    callback->notify (callback->data);
  g_free (callback);
}

static Callback *
make_callback (GSourceFunc    func,
               gpointer       data,
               GDestroyNotify notify)
{
  Callback *callback = g_new (Callback, 1);

  *callback = (Callback) { func, data, notify };
  release (callback);
  return callback;
}

/* GIO's own sources come by here too, with callbacks of other shapes: those stay as they are. */
void
g_source_set_callback (GSource       *source,
                       GSourceFunc    func,
                       gpointer       data,
                       GDestroyNotify notify)
{
  if (source->source_funcs == &g_idle_funcs || source->source_funcs == &g_timeout_funcs)
    REAL (g_source_set_callback) (source, call_source, make_callback (func, data, notify), free_callback);
  else
    REAL (g_source_set_callback) (source, func, data, notify);
}

void
g_main_context_invoke (GMainContext *context,
                       GSourceFunc   func,
                       gpointer      data)
{
  g_main_context_invoke_full (context, G_PRIORITY_DEFAULT, call_source, make_callback (func, data, NULL), free_callback);
}

guint
(g_idle_add) (GSourceFunc func,
              gpointer    data)
{
  return g_idle_add_full (G_PRIORITY_DEFAULT_IDLE, call_source, make_callback (func, data, NULL), free_callback);
}

/* --- tasks --------------------------------------------------------------------------------- */

/* Kept with the task: what to call, and from which thread. */
typedef struct
{
  GAsyncReadyCallback callback;
  gpointer            data;
  GTaskThreadFunc     func;
} TaskCalls;

static void
call_ready (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  TaskCalls *calls = data;

  acquire (result);
  calls->callback (source, result, calls->data);
}

static void
call_in_thread (GTask        *task,
                gpointer      source,
                gpointer      data,
                GCancellable *cancellable)
{
  TaskCalls *calls = g_object_get_data (G_OBJECT (task), "descry-tsan-calls");

  acquire (task);
  calls->func (task, source, data, cancellable);
  release (task);
}

#undef g_task_new

GTask *
g_task_new (gpointer            source,
            GCancellable       *cancellable,
            GAsyncReadyCallback callback,
            gpointer            data)
{
  TaskCalls *calls = g_new0 (TaskCalls, 1);
  GTask *task;

  calls->callback = callback;
  calls->data = data;
  task = REAL (g_task_new) (source, cancellable, callback != NULL ? call_ready : NULL, calls);
  g_object_set_data_full (G_OBJECT (task), "descry-tsan-calls", calls, g_free);
  return task;
}

void
g_task_run_in_thread (GTask          *task,
                      GTaskThreadFunc func)
{
  TaskCalls *calls = g_object_get_data (G_OBJECT (task), "descry-tsan-calls");

  calls->func = func;
  release (task);
  REAL (g_task_run_in_thread) (task, call_in_thread);
}

void
g_task_return_pointer (GTask         *task,
                       gpointer       result,
                       GDestroyNotify notify)
{
  release (task);
  REAL (g_task_return_pointer) (task, result, notify);
}

void
g_task_return_boolean (GTask   *task,
                       gboolean result)
{
  release (task);
  REAL (g_task_return_boolean) (task, result);
}

void
g_task_return_error (GTask  *task,
                     GError *error)
{
  release (task);
  REAL (g_task_return_error) (task, error);
}

void
g_task_return_new_error (GTask      *task,
                         GQuark      domain,
                         gint        code,
                         const char *format,
                         ...)
{
  va_list args;

  va_start (args, format);
  g_task_return_error (task, g_error_new_valist (domain, code, format, args));
  va_end (args);
}

gboolean
g_task_return_error_if_cancelled (GTask *task)
{
  release (task);
  return REAL (g_task_return_error_if_cancelled) (task);
}

gpointer
g_task_propagate_pointer (GTask   *task,
                          GError **error)
{
  acquire (task);
  return REAL (g_task_propagate_pointer) (task, error);
}

gboolean
g_task_propagate_boolean (GTask   *task,
                          GError **error)
{
  acquire (task);
  return REAL (g_task_propagate_boolean) (task, error);
}

/* --- queues -------------------------------------------------------------------------------- */

void
g_async_queue_push (GAsyncQueue *queue,
                    gpointer     data)
{
  release (queue);
  REAL (g_async_queue_push) (queue, data);
}

gpointer
g_async_queue_pop (GAsyncQueue *queue)
{
  gpointer data = REAL (g_async_queue_pop) (queue);

  acquire (queue);
  return data;
}

gpointer
g_async_queue_try_pop (GAsyncQueue *queue)
{
  gpointer data = REAL (g_async_queue_try_pop) (queue);

  acquire (queue);
  return data;
}

gpointer
g_async_queue_timeout_pop (GAsyncQueue *queue,
                           guint64      timeout)
{
  gpointer data = REAL (g_async_queue_timeout_pop) (queue, timeout);

  acquire (queue);
  return data;
}
