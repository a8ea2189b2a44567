/* probe.h - every device with its verdict, found without trusting a driver
 *
 * Drivers hang and crash: listing the devices and the self-test of each run in a child process with
 * a time limit, and what happens there becomes a sentence. Verdicts are kept in the user's cache folder by
 * (platform, device, driver, version of this program and its kernels), so that a device is tried once.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/device/device.h"
#include "compute/device/report.h"

G_BEGIN_DECLS

#define DESCRY_PROBE_SECONDS 60 /* a child that takes longer hangs */

typedef struct
{
  DescryDeviceInfo *info;
  DescryVerdict     verdict;
  char             *reason; /* why it is not usable, or NULL */
  gboolean          cached; /* the verdict is an earlier run's */
  double            self_test_ms; /* of the child, start and kernel compilation included; 0: never run */
} DescryDeviceProbe;

void descry_device_probe_free (DescryDeviceProbe *probe);

/**
 * descry_device_probe:
 * @program: path of the descry program: run as `@program devices --self-test INDEX`
 * @cancellable: (nullable): ends a running child
 *
 * Waits for the children: not for the main thread. No device at all is an empty list, not an error.
 *
 * Returns: (transfer full) (element-type DescryDeviceProbe): in the order of descry_device_scan()
 */
GPtrArray *descry_device_probe (const char    *program,
                                GCancellable  *cancellable,
                                GError       **error);

/* descry_device_open(), but a device chosen by the library (@selector NULL) has passed its test in a child
 * process, now or earlier. So must one chosen by its key (descry_device_make_key()); where it is gone, has
 * another driver now or failed, the library chooses. Without a program (tests, libraries) the first usable one is opened untried.
 * May take seconds the first time: not for the main thread. */
DescryDevice *descry_device_open_tried (const char    *selector,
                                        DescryFamily   family,
                                        GCancellable  *cancellable,
                                        GError       **error);

/* Forgets every verdict, so that the next probe tries each device again. */
void       descry_device_probe_forget (void);

/**
 * descry_device_probe_child:
 * @what: INDEX, or "list"
 * @more: (nullable): tests of the layers over this one, run on the opened device
 *
 * The child's side: lists the devices, or opens one and runs its self-test. Core dumps are switched off.
 */
typedef gboolean (*DescryDeviceTest) (DescryDevice *device, GError **error);
gboolean   descry_device_probe_child (const char      *what,
                                      DescryDeviceTest more,
                                      GError         **error);

/* One child with a time limit: NULL if it ended well, else the reason. For tests as well. (transfer full) */
char      *descry_device_probe_run_child (const char   *program,
                                          const char   *what,
                                          guint         seconds,
                                          GCancellable *cancellable,
                                          double       *ms);

G_END_DECLS
