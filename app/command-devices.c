/* command-devices.c - `descry devices`: what OpenCL offers, what was refused and why
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app/commands.h"

#include "compute/device/device.h"

int
descry_command_devices (int    argc,
                        char **argv)
{
  g_autoptr (GPtrArray) devices = descry_device_scan ();
  guint i;

  for (i = 0; i < devices->len; i++)
    {
      const DescryDeviceInfo *info = g_ptr_array_index (devices, i);

      g_print ("%u  %s: %s  (%s, %s)%s%s\n", info->index, info->platform, info->name, info->driver,
               info->family == DESCRY_FAMILY_CPU ? "cpu" : "gpu", info->refusal ? "  refused: " : "", info->refusal ? info->refusal : "");
    }

  return devices->len > 0 ? DESCRY_EXIT_DONE : DESCRY_EXIT_FAILED;
}
