/* program.c - from embedded sources to kernels
 *
 * A program costs far more than a kernel in it (on PoCL 25 ms to open a known one, and half a millisecond for each kernel), so
 * the sources make few: what every network needs and a language model needs besides, and what only pictures, training, or
 * weights of rarer formats need. Each is built when its first kernel is wanted, or ahead on a thread.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/device-private.h"
#include "compute/device/program-cache.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
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

typedef enum { GROUP_BASE, GROUP_PICTURES, GROUP_TRAINING, GROUP_FORMATS, N_GROUPS } Group;

/* Files without their endings that belong to a group other than the base, and beginnings of the names of their kernels. */
static const char *const group_files[N_GROUPS][10] = {
  [GROUP_PICTURES] = { "conv", "pairs", "residual", "resample", "winograd", "components" },
  [GROUP_TRAINING] = { "backward", "packed", "bench" },
  [GROUP_FORMATS] = { "products-rest" },
};
static const char *const group_kernels[N_GROUPS][20] = {
  [GROUP_PICTURES] = { "conv_", "max_pool", "resize_", "scale_channels", "global_mean", "winograd_", "components_", "squares_set" },
  [GROUP_TRAINING] = { "matmul_", "gather_rows", "scatter_rows", "norm_stats", "norm_dx", "norm_dweight", "sum_rows", "swiglu_backward", "activate_backward",
                       "attention_row_stats", "attention_dq", "attention_dkv", "cross_entropy", "adamw", "squares", "packed_", "bench_" },
};
/* What that group has besides: the functions that it uses. */
static const char *const formats_use[] = { "a-common", "gemv-formats", "gemv", NULL };
static const char *const rare_formats[] = { "_q5_0", "_q5_1", "_iq4_nl", "_q4_k", "_q5_k", "_q6_k", NULL };

static Group
find_group (DescryFamily family,
            const char  *kernel)
{
  guint group, i;

  /* The longer name decides: "squares_set" stands before "squares". */
  for (group = 0; group < N_GROUPS; group++)
    for (i = 0; i < G_N_ELEMENTS (group_kernels[group]) && group_kernels[group][i] != NULL; i++)
      if (g_str_has_prefix (kernel, group_kernels[group][i]))
        return group;
  if (family == DESCRY_FAMILY_CPU && (g_str_has_prefix (kernel, "gemv_") || g_str_has_prefix (kernel, "expand_") || g_str_has_prefix (kernel, "embed_") || g_str_has_prefix (kernel, "ints_")))
    for (i = 0; rare_formats[i] != NULL; i++)
      if (strstr (kernel, rare_formats[i]) != NULL)
        return GROUP_FORMATS;

  return GROUP_BASE;
}

static gboolean
belongs (const char *name,
         Group       group)
{
  g_autofree char *stem = g_strndup (name, strcspn (name, "."));
  guint i, j;

  for (i = 0; i < N_GROUPS; i++)
    for (j = 0; j < G_N_ELEMENTS (group_files[i]) && group_files[i][j] != NULL; j++)
      if (strcmp (stem, group_files[i][j]) == 0)
        return i == group;

  switch (group)
    {
    case GROUP_BASE:
      return TRUE;

    case GROUP_FORMATS:
      return g_strv_contains (formats_use, stem);

    default:
      return strcmp (stem, "a-common") == 0;
    }
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static char *
collect_sources (DescryFamily   family,
                 Group          group,
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
    if ((g_str_has_suffix (names[i], own) || g_str_has_suffix (names[i], ".any.cl")) && belongs (names[i], group))
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
               Group          group,
               const char    *defines,
               gboolean      *hit,
               GError       **error)
{
  g_autofree char *source = collect_sources (device->family, group, error);
  g_autofree char *options = g_strdup_printf (OPTIONS " -D DESCRY_CPU=%d %s", device->family == DESCRY_FAMILY_CPU, defines);
  const char *text = source;
  cl_program program;
  cl_int code;

  *hit = FALSE;
  if (source == NULL)
    return NULL;

  if (descry_program_cache_wanted (device->info))
    {
      program = descry_program_cache_load (device, source, options);
      if (program != NULL)
        {
          *hit = TRUE;
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

  if (descry_program_cache_wanted (device->info))
    descry_program_cache_store (device, source, options, program);
  return program;
}

/* From any thread: who comes while another builds the program waits for it. One that could not be built is tried again. */
static cl_program
get_program (DescryDevice  *device,
             Group          group,
             const char    *defines,
             GError       **error)
{
  g_autofree char *key = g_strdup_printf ("%u %s", group, defines);
  DescryProgram *entry;
  cl_program program;
  GError *problem = NULL;
  gboolean hit;

  g_mutex_lock (&device->programs_lock);
  entry = g_hash_table_lookup (device->programs, key);
  if (entry == NULL)
    {
      entry = g_new0 (DescryProgram, 1);
      g_hash_table_insert (device->programs, g_strdup (key), entry);
    }
  while (entry->building)
    g_cond_wait (&device->program_built, &device->programs_lock);
  if (entry->program == NULL)
    {
      entry->building = TRUE;
      g_mutex_unlock (&device->programs_lock);
      program = build_program (device, group, defines, &hit, &problem);
#ifdef __GLIBC__
      malloc_trim (0); /* what the driver's compiler has left free */
#endif
      g_mutex_lock (&device->programs_lock);
      if (program != NULL && hit)
        device->stats.cache_hits++;
      else if (program != NULL)
        device->stats.program_builds++;
      entry->program = program;
      entry->building = FALSE;
      g_cond_broadcast (&device->program_built);
    }
  program = entry->program;
  g_mutex_unlock (&device->programs_lock);

  if (problem != NULL)
    g_propagate_error (error, problem);
  return program;
}

static gpointer
warm_thread (gpointer data)
{
  DescryDevice *device = data;
  g_autoptr (GError) error = NULL;

  /* Whoever needs a kernel of a program that does not compile is told why. */
  if (get_program (device, GROUP_BASE, "", &error) != NULL && device->warm_pictures)
    get_program (device, GROUP_PICTURES, "", &error);
  if (error != NULL)
    g_debug ("%s", error->message);

  return NULL;
}

void
descry_device_warm_begin (DescryDevice *device,
                          gboolean      pictures)
{
  if (device->warming != NULL)
    return;

  device->warm_pictures = pictures;
  device->warming = g_thread_try_new ("descry-kernels", warm_thread, device, NULL);
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

  program = get_program (device, find_group (device->family, name), defines, error);
  if (program == NULL)
    return NULL;

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
