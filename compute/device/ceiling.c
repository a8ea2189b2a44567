/* ceiling.c - what this machine can do at best: the yardsticks of `descry bench`
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/ceiling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/memory.h"

#define VECTOR 16 /* numbers a kernel reads at once */
#define PIECE (8u << 20) /* bytes written at once while filling */

static int
compare_doubles (gconstpointer a,
                 gconstpointer b)
{
  const double left = *(const double *) a, right = *(const double *) b;

  return left < right ? -1 : left > right;
}

double
descry_median (double *values,
               guint   n)
{
  qsort (values, n, sizeof *values, compare_doubles);
  return n == 0 ? 0.0 : n % 2 != 0 ? values[n / 2]
                                   : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

char *
descry_processor_name (void)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint i;

  if (g_file_get_contents ("/proc/cpuinfo", &text, NULL, NULL))
    {
      lines = g_strsplit (text, "\n", -1);
      for (i = 0; lines[i] != NULL; i++)
        if (g_str_has_prefix (lines[i], "model name"))
          {
            const char *value = strchr (lines[i], ':');

            return value != NULL ? g_strstrip (g_strdup (value + 1)) : g_strdup (lines[i]);
          }
    }

  return g_strdup (g_get_host_name ());
}

/* Ones, so that the sum is known. */
static void
fill (DescryRun   *run,
      DescryTensor tensor)
{
  const gsize count = descry_tensor_count (tensor), piece = PIECE / sizeof (float);
  float *ones = descry_try_alloc (piece, sizeof (float));
  gsize at, i;

  if (ones == NULL)
    {
      descry_run_fail (run, DESCRY_ERROR_OUT_OF_MEMORY, "No memory to fill a buffer");
      return;
    }
  for (i = 0; i < piece; i++)
    ones[i] = 1.0f;
  for (at = 0; at < count && descry_run_ok (run); at += piece)
    {
      DescryTensor part = tensor;
      const gsize n = MIN (piece, count - at);

      part.offset += (guint) at;
      part.n_dims = 1;
      part.shape[0] = (guint) n;
      part.shape[1] = 1;
      part.pitch = (guint) n;
      descry_run_write (run, part, ones, n);
    }
  descry_free (ones);
}

gboolean
descry_ceiling_read (DescryDevice *device,
                     guint         runs,
                     double       *rates,
                     GCancellable *cancellable,
                     GError      **error)
{
  const DescryDeviceInfo *info = descry_device_info (device);
  g_autoptr (DescryRun) run = descry_run_new (device, cancellable);
  const gboolean cpu = descry_device_family (device) == DESCRY_FAMILY_CPU;
  /* A few parts a core, so that a core that was busy does not decide; enough groups to fill a GPU. */
  const guint items = cpu ? MAX (info->compute_units, 1) * 16 : MAX (info->compute_units, 1) * 1024;
  guint64 bytes = MIN (DESCRY_CEILING_BYTES, info->global_memory / 4);
  guint count, i, k;
  DescryTensor data, sums;
  g_autofree float *found = g_new0 (float, items);

  bytes = MIN (bytes, info->max_allocation);
  count = (guint) (bytes / sizeof (float) / VECTOR / items) / 4 * 4;
  if (count == 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s has too little memory to measure it", info->name);
      return FALSE;
    }

  data = descry_run_tensor2 (run, items, count * VECTOR);
  sums = descry_run_tensor2 (run, 1, items);
  if (descry_run_ok (run))
    fill (run, data);

  for (i = 0; i <= runs && descry_run_ok (run); i++)
    {
      gint64 begin = g_get_monotonic_time ();

      descry_run_launch (run, descry_run_kernel (run, "bench_read", NULL), 1, (gsize[]) { items }, (gsize[]) { cpu ? 1 : 64 },
                         (DescryArg[]) { DESCRY_T (data), DESCRY_T (sums), DESCRY_U (cpu ? count : 1), DESCRY_U (cpu ? 1 : items), DESCRY_U (count) }, 5);
      descry_run_finish (run, NULL);
      if (i > 0) /* the first one compiles and touches the pages */
        rates[i - 1] = (double) items * count * VECTOR * sizeof (float) / 1e3 / MAX (g_get_monotonic_time () - begin, 1);
    }
  descry_run_read (run, sums, found, items);
  for (k = 0; k < items && descry_run_ok (run); k++)
    if (fabs (found[k] - (double) count * VECTOR) > 1e-6 * count * VECTOR)
      descry_run_fail (run, DESCRY_ERROR_FAILED, "%s reads wrong: a sum of %u ones is %g", info->name, count * VECTOR, found[k]);

  return descry_run_finish (run, error);
}

gboolean
descry_ceiling_multiply (DescryDevice *device,
                         guint         runs,
                         double       *rates,
                         GCancellable *cancellable,
                         GError      **error)
{
  const DescryDeviceInfo *info = descry_device_info (device);
  g_autoptr (DescryRun) run = descry_run_new (device, cancellable);
  const gboolean cpu = descry_device_family (device) == DESCRY_FAMILY_CPU;
  const guint items = cpu ? MAX (info->compute_units, 1) * 16 : MAX (info->compute_units, 1) * 2048, count = cpu ? 400000 : 40000;
  const double flop = (double) items * count * 8 * 2 * (cpu ? VECTOR : 1);
  DescryTensor sums = descry_run_tensor2 (run, 1, items);
  g_autofree float *found = g_new0 (float, items);
  guint i, k;

  for (i = 0; i <= runs && descry_run_ok (run); i++)
    {
      gint64 begin = g_get_monotonic_time ();

      descry_run_launch (run, descry_run_kernel (run, "bench_multiply", NULL), 1, (gsize[]) { items }, (gsize[]) { cpu ? 1 : 64 },
                         (DescryArg[]) { DESCRY_T (sums), DESCRY_FL (0.5f), DESCRY_U (count) }, 3);
      descry_run_finish (run, NULL);
      if (i > 0) /* the first one compiles */
        rates[i - 1] = flop / 1e3 / MAX (g_get_monotonic_time () - begin, 1);
    }
  descry_run_read (run, sums, found, items);
  for (k = 0; k < items && descry_run_ok (run); k++)
    if (fabsf (found[k] - 16.0f) > 1e-4f)
      descry_run_fail (run, DESCRY_ERROR_FAILED, "%s multiplies wrong: eight chains end at %g, not 16", info->name, found[k]);

  return descry_run_finish (run, error);
}
