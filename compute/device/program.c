/* program.c - from embedded sources to kernels
 *
 * All sources of a family make one program, because a program costs far more than a kernel in it:
 * 24 programs took 1.0 s warm on PoCL, one with the same kernels 0.08 s.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/device-private.h"
#include "compute/device/program-cache.h"

#include <stdlib.h>
#include <string.h>

#include <gio/gio.h>

#include "descry-kernels.h"

#define KERNEL_PATH "/io/github/descry/kernels/"
/* Masks are -inf and NaN is the alarm: no finite-math, no fast-relaxed. */
#define OPTIONS "-cl-std=CL1.2 -cl-mad-enable -cl-no-signed-zeros"

static gboolean
append_source (GString     *source,
               const char  *name,
               GError     **error)
{
  g_autofree char *path = g_strconcat (KERNEL_PATH, name, NULL);
  g_autoptr (GBytes) bytes = g_resource_lookup_data (descry_kernels_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, error);
  gsize size;
  gconstpointer data;

  if (bytes == NULL)
    return FALSE;

  data = g_bytes_get_data (bytes, &size);
  g_string_append_len (source, data, size);
  g_string_append_c (source, '\n');
  return TRUE;
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static char *
collect_sources (DescryFamily   family,
                 GError       **error)
{
  g_auto (GStrv) names = g_resource_enumerate_children (descry_kernels_get_resource (), KERNEL_PATH, G_RESOURCE_LOOKUP_FLAGS_NONE, error);
  g_autoptr (GString) source = g_string_new (NULL);
  const char *own = family == DESCRY_FAMILY_CPU ? ".cpu.cl" : ".gpu.cl";
  guint i;

  if (names == NULL)
    return NULL;
  /* The same order on every run: the driver's cache is keyed by the text. */
  qsort (names, g_strv_length (names), sizeof *names, compare_names);

  if (!append_source (source, "prologue.cl", error))
    return NULL;
  for (i = 0; names[i] != NULL; i++)
    if (g_str_has_suffix (names[i], own) || g_str_has_suffix (names[i], ".any.cl"))
      if (!append_source (source, names[i], error))
        return NULL;

  return g_string_free (g_steal_pointer (&source), FALSE);
}

static char *
read_log (DescryDevice *device,
          cl_program    program)
{
  gsize size = 0;
  char *log;

  if (clGetProgramBuildInfo (program, device->info->device_id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) != CL_SUCCESS || size < 2 || size > 1 << 22)
    return g_strdup ("");
  log = g_malloc0 (size + 1);
  clGetProgramBuildInfo (program, device->info->device_id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
  if (size > 4000)
    log[4000] = '\0';
  return log;
}

static cl_program
build_program (DescryDevice  *device,
               const char    *defines,
               GError       **error)
{
  g_autofree char *source = collect_sources (device->family, error);
  g_autofree char *options = g_strdup_printf (OPTIONS " -D DESCRY_CPU=%d %s", device->family == DESCRY_FAMILY_CPU, defines);
  const char *text = source;
  cl_program program;
  cl_int code;

  if (source == NULL)
    return NULL;

  if (descry_program_cache_wanted (device->info))
    {
      program = descry_program_cache_load (device, source, options);
      if (program != NULL)
        {
          device->stats.cache_hits++;
          return program;
        }
    }

  program = clCreateProgramWithSource (device->context, 1, &text, NULL, &code);
  if (code != CL_SUCCESS)
    {
      descry_cl_set_error (error, code, "Could not make a program on %s", device->info->name);
      return NULL;
    }

  code = clBuildProgram (program, 1, &device->info->device_id, options, NULL, NULL);
  if (code != CL_SUCCESS)
    {
      g_autofree char *log = read_log (device, program);

      descry_cl_set_error (error, code, "The kernels do not compile on %s with “%s”:\n%s", device->info->name, options, log);
      clReleaseProgram (program);
      return NULL;
    }

  device->stats.program_builds++;
  if (descry_program_cache_wanted (device->info))
    descry_program_cache_store (device, source, options, program);
  return program;
}

gboolean
descry_device_warm (DescryDevice  *device,
                    GError       **error)
{
  return descry_device_kernel (device, "self_test_wide", NULL, error) != NULL;
}

DescryKernel *
descry_device_kernel (DescryDevice  *device,
                      const char    *name,
                      const char    *defines,
                      GError       **error)
{
  g_autofree char *key = NULL;
  DescryKernel *kernel;
  cl_program program;
  cl_kernel handle;
  cl_int code;

  if (defines == NULL)
    defines = "";
  key = g_strconcat (name, " ", defines, NULL);

  kernel = g_hash_table_lookup (device->kernels, key);
  if (kernel != NULL)
    return kernel;

  program = g_hash_table_lookup (device->programs, defines);
  if (program == NULL)
    {
      program = build_program (device, defines, error);
      if (program == NULL)
        return NULL;
      g_hash_table_insert (device->programs, g_strdup (defines), program);
    }

  handle = clCreateKernel (program, name, &code);
  if (code != CL_SUCCESS)
    {
      descry_cl_set_error (error, code, "No kernel “%s” in the %s family", name, device->family == DESCRY_FAMILY_CPU ? "cpu" : "gpu");
      return NULL;
    }

  kernel = g_new0 (DescryKernel, 1);
  kernel->kernel = handle;
  kernel->name = g_strdup (name);
  g_hash_table_insert (device->kernels, g_steal_pointer (&key), kernel);
  return kernel;
}
