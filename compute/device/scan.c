/* scan.c - every platform, every device, and the capability table
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/device.h"

#include <stdio.h>

#define MAX_PLATFORMS 32
#define MAX_DEVICES 64

void
descry_device_info_free (DescryDeviceInfo *info)
{
  if (info == NULL)
    return;

  g_free (info->platform);
  g_free (info->name);
  g_free (info->driver);
  g_free (info->version);
  g_free (info->refusal);
  g_free (info);
}

static char *
read_text (cl_device_id   device,
           cl_device_info what)
{
  gsize size = 0;
  char *text;

  if (clGetDeviceInfo (device, what, 0, NULL, &size) != CL_SUCCESS || size == 0 || size > 1 << 20)
    return g_strdup ("");

  text = g_malloc0 (size + 1);
  if (clGetDeviceInfo (device, what, size, text, NULL) != CL_SUCCESS)
    text[0] = '\0';
  /* Drivers write marketing text; what is shown must be text. */
  g_strstrip (text);
  if (!g_utf8_validate (text, -1, NULL))
    {
      char *valid = g_utf8_make_valid (text, -1);

      g_free (text);
      return valid;
    }

  return text;
}

static guint64
read_number (cl_device_id   device,
             cl_device_info what,
             gsize          size)
{
  guint64 value = 0; /* little-endian hosts only: a shorter answer fills the low bytes */

  if (clGetDeviceInfo (device, what, size, &value, NULL) != CL_SUCCESS)
    return 0;

  return value;
}

static gboolean
has_extension (const char *extensions,
               const char *name)
{
  g_auto (GStrv) list = g_strsplit (extensions, " ", -1);

  return g_strv_contains ((const char *const *) list, name);
}

/* Requirements of the design: OpenCL 1.2, a compiler, little-endian, 64 bits. */
static char *
find_refusal (DescryDeviceInfo *info)
{
  int major = 0, minor = 0;

  if (!read_number (info->device_id, CL_DEVICE_AVAILABLE, sizeof (cl_bool)))
    return g_strdup ("the driver says that the device is not available");
  if (sscanf (info->version, "OpenCL %d.%d", &major, &minor) != 2 || major * 10 + minor < 12)
    return g_strdup_printf ("OpenCL 1.2 is needed, found “%s”", info->version);
  if (!read_number (info->device_id, CL_DEVICE_COMPILER_AVAILABLE, sizeof (cl_bool)))
    return g_strdup ("the driver has no compiler");
  if (!read_number (info->device_id, CL_DEVICE_ENDIAN_LITTLE, sizeof (cl_bool)))
    return g_strdup ("the device is big-endian");
  if (read_number (info->device_id, CL_DEVICE_ADDRESS_BITS, sizeof (cl_uint)) < 32)
    return g_strdup ("the device has fewer than 32 address bits");
  if (info->max_group < 64)
    return g_strdup_printf ("work-groups of 64 are needed, the device allows %u", info->max_group);

  return NULL;
}

static DescryDeviceInfo *
describe (cl_platform_id platform,
          cl_device_id   device,
          guint          index)
{
  DescryDeviceInfo *info = g_new0 (DescryDeviceInfo, 1);
  g_autofree char *extensions = read_text (device, CL_DEVICE_EXTENSIONS);
  char platform_name[256] = "";
  cl_device_type kind;

  clGetPlatformInfo (platform, CL_PLATFORM_NAME, sizeof platform_name - 1, platform_name, NULL);

  info->index = index;
  info->platform_id = platform;
  info->device_id = device;
  info->platform = g_utf8_make_valid (platform_name, -1);
  info->name = read_text (device, CL_DEVICE_NAME);
  info->driver = read_text (device, CL_DRIVER_VERSION);
  info->version = read_text (device, CL_DEVICE_VERSION);
  info->type = read_number (device, CL_DEVICE_TYPE, sizeof (cl_device_type));
  info->compute_units = read_number (device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof (cl_uint));
  info->alignment = MAX (read_number (device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof (cl_uint)) / 8, 1); /* bits to bytes */
  info->max_group = MIN (read_number (device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof (gsize)), G_MAXUINT);
  info->global_memory = read_number (device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof (cl_ulong));
  info->max_allocation = read_number (device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof (cl_ulong));
  info->local_memory = read_number (device, CL_DEVICE_LOCAL_MEM_SIZE, sizeof (cl_ulong));
  info->local_is_dedicated = read_number (device, CL_DEVICE_LOCAL_MEM_TYPE, sizeof (cl_device_local_mem_type)) == CL_LOCAL;
  info->unified = read_number (device, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof (cl_bool)) != 0;
  info->native_kernels = (read_number (device, CL_DEVICE_EXECUTION_CAPABILITIES, sizeof (cl_device_exec_capabilities)) & CL_EXEC_NATIVE_KERNEL) != 0;
  info->fp16 = has_extension (extensions, "cl_khr_fp16");
  info->fp64 = has_extension (extensions, "cl_khr_fp64");

  /* Register tiles want a real CPU compiler behind them. llvmpipe calls itself a CPU but compiles wide
   * kernels for half a minute; it has small local memory, PoCL has megabytes. */
  kind = info->type & (CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR);
  info->family = kind == CL_DEVICE_TYPE_CPU && info->native_kernels ? DESCRY_FAMILY_CPU : DESCRY_FAMILY_GPU;
  info->refusal = find_refusal (info);

  return info;
}

/* GPU, accelerator, CPU; a device with several kinds (oclgrind sets all) last, refused ones after all. */
static int
rank (const DescryDeviceInfo *info)
{
  int base = info->refusal != NULL ? 10 : 0;

  switch (info->type & (CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR))
    {
    case CL_DEVICE_TYPE_GPU:
      return base;
    case CL_DEVICE_TYPE_ACCELERATOR:
      return base + 1;
    case CL_DEVICE_TYPE_CPU:
      return base + (info->family == DESCRY_FAMILY_CPU ? 2 : 3);
    default:
      return base + 4;
    }
}

static int
compare_rank (gconstpointer a,
              gconstpointer b)
{
  const DescryDeviceInfo *left = *(DescryDeviceInfo *const *) a;
  const DescryDeviceInfo *right = *(DescryDeviceInfo *const *) b;
  int difference = rank (left) - rank (right);

  return difference != 0 ? difference : (int) left->index - (int) right->index;
}

GPtrArray *
descry_device_scan (void)
{
  GPtrArray *result = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_device_info_free);
  cl_platform_id platforms[MAX_PLATFORMS];
  cl_device_id devices[MAX_DEVICES];
  cl_uint n_platforms = 0, n_devices, p, d;

  if (clGetPlatformIDs (MAX_PLATFORMS, platforms, &n_platforms) != CL_SUCCESS)
    return result;

  for (p = 0; p < MIN (n_platforms, MAX_PLATFORMS); p++)
    {
      n_devices = 0;
      if (clGetDeviceIDs (platforms[p], CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices, &n_devices) != CL_SUCCESS)
        continue;
      for (d = 0; d < MIN (n_devices, MAX_DEVICES); d++)
        g_ptr_array_add (result, describe (platforms[p], devices[d], result->len));
    }

  g_ptr_array_sort (result, compare_rank);
  return result;
}
