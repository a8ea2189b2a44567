/* report.c - what the probe found, as plain data
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/report.h"

#include "compute/device/probe.h"

void
descry_device_report_free (DescryDeviceReport *report)
{
  if (report == NULL)
    return;

  g_free (report->key);
  g_free (report->platform);
  g_free (report->name);
  g_free (report->driver);
  g_free (report->version);
  g_free (report->reason);
  g_free (report);
}

char *
descry_device_make_key (const char *platform,
                        const char *name,
                        const char *driver)
{
  return g_strdup_printf ("%s\t%s\t%s", platform, name, driver);
}

static DescryDeviceReport *
make_report (const DescryDeviceInfo *info,
             DescryVerdict           verdict,
             const char             *reason)
{
  DescryDeviceReport *report = g_new0 (DescryDeviceReport, 1);

  report->key = descry_device_make_key (info->platform, info->name, info->driver);
  report->platform = g_strdup (info->platform);
  report->name = g_strdup (info->name);
  report->driver = g_strdup (info->driver);
  report->version = g_strdup (info->version);
  report->compute_units = info->compute_units;
  report->global_memory = info->global_memory;
  report->max_allocation = info->max_allocation;
  report->local_memory = info->local_memory;
  report->half = info->fp16;
  report->unified = info->unified;
  report->verdict = verdict;
  report->reason = g_strdup (reason);

  return report;
}

GPtrArray *
descry_device_report (gboolean       again,
                      GCancellable  *cancellable,
                      GError       **error)
{
  g_autoptr (GPtrArray) reports = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_device_report_free);
  g_autoptr (GPtrArray) found = NULL;
  const char *program = descry_device_get_program ();
  gboolean chosen = FALSE;
  guint i;

  if (again)
    descry_device_probe_forget ();

  if (program != NULL)
    {
      found = descry_device_probe (program, cancellable, error);
      if (found == NULL)
        return NULL;
      for (i = 0; i < found->len; i++)
        {
          const DescryDeviceProbe *probe = g_ptr_array_index (found, i);
          DescryDeviceReport *report = make_report (probe->info, probe->verdict, probe->reason);

          report->self_test_ms = probe->self_test_ms;
          report->cached = probe->cached;
          g_ptr_array_add (reports, report);
        }
      return g_steal_pointer (&reports);
    }

  found = descry_device_scan ();
  for (i = 0; i < found->len; i++)
    {
      const DescryDeviceInfo *info = g_ptr_array_index (found, i);

      g_ptr_array_add (reports, make_report (info, info->refusal != NULL ? DESCRY_VERDICT_NOT_USABLE
                                                   : chosen              ? DESCRY_VERDICT_AVAILABLE
                                                                         : DESCRY_VERDICT_IN_USE,
                                             info->refusal));
      chosen = chosen || info->refusal == NULL;
    }

  return g_steal_pointer (&reports);
}
