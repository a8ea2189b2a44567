/* report.h - what the probe found, as plain data
 *
 * For windows: nothing of OpenCL comes in with this header.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/error.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_VERDICT_IN_USE,   /* the one that descry_device_open (NULL) should take */
  DESCRY_VERDICT_AVAILABLE,
  DESCRY_VERDICT_NOT_USABLE
} DescryVerdict;

const char *descry_verdict_name (DescryVerdict verdict); /* "in-use", "available", "not-usable" */

typedef struct
{
  char         *key; /* platform, name and driver: what a choice is remembered by */
  char         *platform;
  char         *name;
  char         *driver;
  char         *version;
  guint         compute_units;
  guint64       global_memory; /* bytes */
  guint64       max_allocation;
  guint64       local_memory;
  gboolean      half; /* arithmetic in f16 */
  gboolean      unified; /* shares the host's memory */
  DescryVerdict verdict;
  char         *reason; /* why it is not usable, or NULL */
  double        self_test_ms; /* 0: never run */
  gboolean      cached; /* the verdict is an earlier run's */
} DescryDeviceReport;

void  descry_device_report_free (DescryDeviceReport *report);

/* "platform \t name \t driver". Never a number: those change when a driver is installed. (transfer full) */
char *descry_device_make_key (const char *platform, const char *name, const char *driver);

/* The program that descry_device_open_tried() and descry_device_report() run as child; set once at start-up,
 * before threads. */
void        descry_device_set_program (const char *program);
const char *descry_device_get_program (void); /* or NULL */

/**
 * descry_device_report:
 * @again: forget earlier verdicts first
 *
 * The devices with the verdict of their self-test in child processes (see descry_device_set_program(); without
 * a program nothing is tried and only what a device says of itself counts). Waits: not for the main thread.
 *
 * Returns: (transfer full) (element-type DescryDeviceReport): empty if there is no device
 */
GPtrArray *descry_device_report (gboolean       again,
                                 GCancellable  *cancellable,
                                 GError       **error);

/* Platforms without a device, by name; after descry_device_report() only. (transfer full) (element-type utf8) */
GPtrArray *descry_device_empty_platforms (void);

G_END_DECLS
