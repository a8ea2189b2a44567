/* devices-page.h - the window of the OpenCL devices: verdict, reason, which one to use
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

#include "compute/device/report.h"
#include "compute/lyrics/engine.h"
#include "compute/lyrics/estimate.h"

G_BEGIN_DECLS

#define DESCRY_TYPE_DEVICES_PAGE (descry_devices_page_get_type ())
G_DECLARE_FINAL_TYPE (DescryDevicesPage, descry_devices_page, DESCRY, DEVICES_PAGE, AdwWindow)

/* @engine: told of a choice, or NULL. @settings: remembers it, or NULL. @bundle: for the diagnostics. */
GtkWidget *descry_devices_page_new      (GtkWindow *parent, DescryEngine *engine, GSettings *settings, const char *bundle);

/* Tries the devices in child processes; @again: forgetting what is known. */
void       descry_devices_page_test     (DescryDevicesPage *self, gboolean again);

/* What a test ends with. @reports: of DescryDeviceReport, or NULL with @error; @silent: platforms without device. */
void       descry_devices_page_show     (DescryDevicesPage *self, GPtrArray *reports, GPtrArray *silent, const GError *error);

/* @key: descry_device_make_key(), or "" for the library's choice. */
void       descry_devices_page_use      (DescryDevicesPage *self, const char *key);

/* The language model alone; "": where everything runs. */
void       descry_devices_page_use_for_language (DescryDevicesPage *self, const char *key);

gboolean   descry_devices_page_is_idle  (DescryDevicesPage *self);

/* Versions, devices and bundle as text. (transfer full) */
char      *descry_devices_page_diagnose (DescryDevicesPage *self);

G_END_DECLS
