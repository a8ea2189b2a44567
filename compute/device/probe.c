/* probe.c - every device with its verdict, found without trusting a driver
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/probe.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "descry-kernels.h"

#define MAX_PLATFORMS 32
#define MAX_REASON 600 /* bytes of a driver's message that are shown */

static char *child_program; /* set before threads start */

const char *
descry_verdict_name (DescryVerdict verdict)
{
  static const char *const names[] = { "in-use", "available", "not-usable" };

  return names[verdict];
}

void
descry_device_probe_free (DescryDeviceProbe *probe)
{
  if (probe == NULL)
    return;

  descry_device_info_free (probe->info);
  g_free (probe->reason);
  g_free (probe);
}

/* The child and what is known about it while the loop turns. */
typedef struct
{
  GSubprocess *process;
  GMainLoop   *loop;
  char        *message; /* its stderr */
  gboolean     late;
} Child;

static gboolean
time_out_cb (gpointer data)
{
  Child *child = data;

  child->late = TRUE;
  g_subprocess_force_exit (child->process);
  return G_SOURCE_REMOVE;
}

static void
communicate_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      data)
{
  Child *child = data;

  /* A cancelled wait leaves the child running: the caller ends it. */
  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (source), result, NULL, &child->message, NULL);
  g_main_loop_quit (child->loop);
}

/* The last line that says something; drivers print warnings before it. */
static char *
last_line (const char *text)
{
  g_auto (GStrv) lines = text != NULL ? g_strsplit (text, "\n", -1) : NULL;
  guint i = lines != NULL ? g_strv_length (lines) : 0;

  while (i-- > 0)
    if (g_strstrip (lines[i])[0] != '\0')
      {
        g_autofree char *valid = g_utf8_make_valid (lines[i], -1);

        if (strlen (valid) > MAX_REASON)
          *g_utf8_find_prev_char (valid, valid + MAX_REASON) = '\0';
        return g_steal_pointer (&valid);
      }

  return NULL;
}

static char *
judge (Child  *child,
       guint   seconds,
       GError *start_error)
{
  g_autofree char *line = last_line (child->message);

  if (child->process == NULL)
    return g_strdup_printf ("the self-test could not be started: %s", start_error->message);
  if (child->late)
    return g_strdup_printf ("the driver hangs: no result after %u s", seconds);
  if (g_subprocess_get_if_signaled (child->process))
    return g_strdup_printf ("the driver crashes (%s)", g_strsignal (g_subprocess_get_term_sig (child->process)));
  if (g_subprocess_get_if_exited (child->process) && g_subprocess_get_exit_status (child->process) == 0)
    return NULL;
  if (line != NULL)
    return g_steal_pointer (&line);

  return g_strdup ("the self-test failed without a message");
}

char *
descry_device_probe_run_child (const char   *program,
                               const char   *what,
                               guint         seconds,
                               GCancellable *cancellable,
                               double       *ms)
{
  const char *const argv[] = { program, "devices", "--self-test", what, NULL };
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GError) error = NULL;
  Child child = { 0 };
  gint64 begin = g_get_monotonic_time ();
  GSource *timer;
  char *reason;

  /* A loop of its own: the caller's must not turn here. */
  g_main_context_push_thread_default (context);
  child.loop = g_main_loop_new (context, FALSE);
  child.process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
  if (child.process != NULL)
    {
      timer = g_timeout_source_new_seconds (seconds);
      g_source_set_callback (timer, time_out_cb, &child, NULL);
      g_source_attach (timer, context);

      g_subprocess_communicate_utf8_async (child.process, NULL, cancellable, communicate_cb, &child);
      g_main_loop_run (child.loop);

      g_source_destroy (timer);
      g_source_unref (timer);
      if (g_cancellable_is_cancelled (cancellable))
        g_subprocess_force_exit (child.process);
      g_subprocess_wait (child.process, NULL, NULL);
    }
  reason = judge (&child, seconds, error);

  if (ms != NULL)
    *ms = (g_get_monotonic_time () - begin) / 1000.0;
  g_clear_object (&child.process);
  g_clear_pointer (&child.loop, g_main_loop_unref);
  g_free (child.message);
  g_main_context_pop_thread_default (context);

  return reason;
}

/* The kernels belong to the program: a changed one may fail where the old one passed. */
static void
update_with_kernels (GChecksum *sum)
{
  GResource *resource = descry_kernels_get_resource ();
  g_auto (GStrv) names = g_resource_enumerate_children (resource, "/io/github/descry/kernels/", G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  guint i;

  for (i = 0; names != NULL && names[i] != NULL; i++)
    {
      g_autofree char *path = g_strconcat ("/io/github/descry/kernels/", names[i], NULL);
      g_autoptr (GBytes) bytes = g_resource_lookup_data (resource, path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
      gsize size = 0;
      gconstpointer data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;

      if (size > 0)
        g_checksum_update (sum, data, size);
    }
}

static char *
make_key (const char *const *parts,
          guint              n)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint i;

  for (i = 0; i < n; i++)
    g_checksum_update (sum, (const guchar *) (parts[i] != NULL ? parts[i] : ""), (parts[i] != NULL ? strlen (parts[i]) : 0) + 1);
  g_checksum_update (sum, (const guchar *) DESCRY_VERSION, sizeof DESCRY_VERSION);
  update_with_kernels (sum);

  return g_strdup (g_checksum_get_string (sum));
}

static char *
device_key (const DescryDeviceInfo *info)
{
  const char *parts[] = { "device", info->platform, info->name, info->driver, info->version };

  return make_key (parts, G_N_ELEMENTS (parts));
}

/* Which drivers a listing meets: the loader's variables and the registered libraries. */
static char *
list_key (void)
{
  const char *vendors = g_getenv ("OCL_ICD_VENDORS");
  g_autoptr (GDir) dir = g_dir_open ("/etc/OpenCL/vendors", 0, NULL);
  g_autoptr (GString) files = g_string_new (NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/etc/OpenCL/vendors", name, NULL);
      GStatBuf info = { 0 };

      g_stat (path, &info);
      g_string_append_printf (files, "%s %" G_GINT64_FORMAT "\n", name, (gint64) info.st_mtime);
    }
  {
    const char *parts[] = { "list", vendors, g_getenv ("OCL_ICD_FILENAMES"), g_getenv ("RUSTICL_ENABLE"), files->str };

    return make_key (parts, G_N_ELEMENTS (parts));
  }
}

static char *
cache_path (void)
{
  return g_build_filename (g_get_user_cache_dir (), "descry", "devices.ini", NULL);
}

static GKeyFile *
load_cache (void)
{
  GKeyFile *cache = g_key_file_new ();
  g_autofree char *path = cache_path ();

  /* Not there or damaged: every device is tried again. */
  g_key_file_load_from_file (cache, path, G_KEY_FILE_NONE, NULL);
  return cache;
}

static void
save_cache (GKeyFile *cache)
{
  g_autofree char *path = cache_path ();
  g_autofree char *dir = g_path_get_dirname (path);

  if (g_mkdir_with_parents (dir, 0700) != 0 || !g_key_file_save_to_file (cache, path, NULL))
    g_debug ("Verdicts are not kept: %s cannot be written", path);
}

void
descry_device_probe_forget (void)
{
  g_autofree char *path = cache_path ();

  g_unlink (path);
}

/* The verdict under @key from the cache, else from a child. NULL: usable. */
static char *
find_verdict (GKeyFile     *cache,
              const char   *key,
              const char   *title,
              const char   *program,
              const char   *what,
              GCancellable *cancellable,
              gboolean     *cached,
              double       *ms)
{
  g_autofree char *verdict = g_key_file_get_string (cache, key, "verdict", NULL);
  char *reason = NULL;

  *cached = verdict != NULL;
  *ms = 0.0;
  if (verdict != NULL)
    {
      *ms = g_key_file_get_double (cache, key, "milliseconds", NULL);
      if (strcmp (verdict, "passed") != 0)
        reason = g_key_file_get_string (cache, key, "reason", NULL);
      if (strcmp (verdict, "passed") == 0 || reason != NULL)
        return reason;
      *cached = FALSE;
    }

  reason = descry_device_probe_run_child (program, what, DESCRY_PROBE_SECONDS, cancellable, ms);
  if (!g_cancellable_is_cancelled (cancellable))
    {
      g_key_file_set_string (cache, key, "title", title);
      g_key_file_set_string (cache, key, "verdict", reason == NULL ? "passed" : "failed");
      g_key_file_set_double (cache, key, "milliseconds", *ms);
      if (reason != NULL)
        g_key_file_set_string (cache, key, "reason", reason);
      save_cache (cache);
    }

  return reason;
}

GPtrArray *
descry_device_probe (const char    *program,
                     GCancellable  *cancellable,
                     GError       **error)
{
  g_autoptr (GPtrArray) result = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_device_probe_free);
  g_autoptr (GPtrArray) devices = NULL;
  g_autoptr (GKeyFile) cache = load_cache ();
  g_autofree char *key = list_key ();
  g_autofree char *list_reason = NULL;
  gboolean cached, chosen = FALSE;
  double ms;
  guint i;

  g_return_val_if_fail (program != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  list_reason = find_verdict (cache, key, "listing of devices", program, "list", cancellable, &cached, &ms);
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (list_reason != NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE, "The OpenCL devices cannot be listed: %s. A broken driver in /etc/OpenCL/vendors is the usual cause", list_reason);
      return NULL;
    }

  devices = descry_device_scan ();
  g_ptr_array_set_free_func (devices, NULL);
  for (i = 0; i < devices->len; i++)
    {
      DescryDeviceProbe *probe = g_new0 (DescryDeviceProbe, 1);

      probe->info = g_ptr_array_index (devices, i);
      probe->reason = g_strdup (probe->info->refusal);
      if (probe->reason == NULL && !g_cancellable_is_cancelled (cancellable))
        {
          g_autofree char *name = device_key (probe->info);
          char index[16];

          g_snprintf (index, sizeof index, "%u", probe->info->index);
          probe->reason = find_verdict (cache, name, probe->info->name, program, index, cancellable, &probe->cached, &probe->self_test_ms);
        }
      probe->verdict = probe->reason != NULL ? DESCRY_VERDICT_NOT_USABLE : chosen ? DESCRY_VERDICT_AVAILABLE
                                                                                  : DESCRY_VERDICT_IN_USE;
      chosen = chosen || probe->reason == NULL;
      g_ptr_array_add (result, probe);
    }
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;

  return g_steal_pointer (&result);
}

void
descry_device_set_program (const char *path)
{
  g_free (child_program);
  child_program = g_strdup (path);
}

const char *
descry_device_get_program (void)
{
  return child_program;
}

/* A selector that names platform, name and driver; numbers and parts of names have no tabulator. */
static gboolean
is_key (const char *selector)
{
  return selector != NULL && strchr (selector, '\t') != NULL;
}

static gboolean
has_key (const DescryDeviceInfo *info,
         const char             *key)
{
  g_autofree char *own = descry_device_make_key (info->platform, info->name, info->driver);

  return strcmp (own, key) == 0;
}

/* Without child processes: the device with this key, else the library's choice. */
static DescryDevice *
open_by_key (const char    *key,
             DescryFamily   family,
             GError       **error)
{
  g_autoptr (GPtrArray) devices = descry_device_scan ();
  char index[16];
  guint i;

  for (i = 0; i < devices->len; i++)
    {
      const DescryDeviceInfo *info = g_ptr_array_index (devices, i);

      if (info->refusal != NULL || !has_key (info, key))
        continue;
      g_snprintf (index, sizeof index, "%u", info->index);
      return descry_device_open (index, family, error);
    }

  return descry_device_open (NULL, family, error);
}

DescryDevice *
descry_device_open_tried (const char    *selector,
                          DescryFamily   family,
                          GCancellable  *cancellable,
                          GError       **error)
{
  g_autoptr (GPtrArray) probes = NULL;
  const DescryDeviceProbe *first, *wanted = NULL;
  char index[16];
  guint i;

  if (child_program == NULL && is_key (selector))
    return open_by_key (selector, family, error);
  if (child_program == NULL || (selector != NULL && !is_key (selector)))
    return descry_device_open (selector, family, error);

  probes = descry_device_probe (child_program, cancellable, error);
  if (probes == NULL)
    return NULL;
  for (i = 0; i < probes->len; i++)
    {
      const DescryDeviceProbe *probe = g_ptr_array_index (probes, i);

      if (selector != NULL && probe->verdict != DESCRY_VERDICT_NOT_USABLE && has_key (probe->info, selector))
        {
          wanted = probe;
          break;
        }
      if (probe->verdict == DESCRY_VERDICT_IN_USE)
        wanted = probe;
    }
  if (wanted != NULL)
    {
      g_snprintf (index, sizeof index, "%u", wanted->info->index);
      return descry_device_open (index, family, error);
    }
  if (probes->len == 0)
    return descry_device_open (NULL, family, error); /* its message says what to install */

  first = g_ptr_array_index (probes, 0);
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_NO_DEVICE, "No usable OpenCL device: %s is refused because %s", first->info->name, first->reason);
  return NULL;
}

GPtrArray *
descry_device_empty_platforms (void)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  cl_platform_id platforms[MAX_PLATFORMS];
  cl_uint n = 0, p;

  if (clGetPlatformIDs (MAX_PLATFORMS, platforms, &n) != CL_SUCCESS)
    return names;

  for (p = 0; p < MIN (n, MAX_PLATFORMS); p++)
    {
      char name[256] = "";
      cl_uint devices = 0;

      if (clGetDeviceIDs (platforms[p], CL_DEVICE_TYPE_ALL, 0, NULL, &devices) == CL_SUCCESS && devices > 0)
        continue;
      clGetPlatformInfo (platforms[p], CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
      g_ptr_array_add (names, g_utf8_make_valid (name, -1));
    }

  return names;
}

gboolean
descry_device_probe_child (const char      *what,
                           DescryDeviceTest more,
                           GError         **error)
{
  const struct rlimit no_core = { 0, 0 };
  g_autoptr (DescryDevice) device = NULL;

  setrlimit (RLIMIT_CORE, &no_core);
  if (strcmp (what, "list") == 0)
    {
      g_autoptr (GPtrArray) devices = descry_device_scan ();

      return devices != NULL;
    }

  device = descry_device_open (what, DESCRY_FAMILY_AUTO, error);

  return device != NULL && descry_device_self_test (device, error) && (more == NULL || more (device, error));
}
