/* command-devices.c - `descry devices`: what OpenCL offers, what was refused and why
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/commands.h"

#include <stdlib.h>

#include <glib/gi18n.h>
#include <jansson.h>

#include "compute/device/probe.h"
#include "compute/ops/self-test.h"

static const char *
type_name (cl_device_type type)
{
  switch (type & (CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR))
    {
    case CL_DEVICE_TYPE_CPU:
      return "cpu";
    case CL_DEVICE_TYPE_GPU:
      return "gpu";
    case CL_DEVICE_TYPE_ACCELERATOR:
      return "accelerator";
    default:
      return "mixed";
    }
}

static const char *
family_name (DescryFamily family)
{
  return family == DESCRY_FAMILY_CPU ? "cpu" : "gpu";
}

static const char *
yes_or_no (gboolean value)
{
  return value ? _("yes") : _("no");
}

static void
print_text (const DescryDeviceProbe *probe)
{
  const DescryDeviceInfo *info = probe->info;
  g_autofree char *memory = g_format_size_full (info->global_memory, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *allocation = g_format_size_full (info->max_allocation, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *local = g_format_size_full (info->local_memory, G_FORMAT_SIZE_IEC_UNITS);

  g_print ("%u  %s: %s\n", info->index, info->platform, info->name);
  switch (probe->verdict)
    {
    case DESCRY_VERDICT_IN_USE:
      g_print ("   %s\n", _("In use"));
      break;
    case DESCRY_VERDICT_AVAILABLE:
      g_print ("   %s\n", _("Available"));
      break;
    default:
      g_print (_("   Not usable: %s\n"), probe->reason);
    }
  g_print (_("   driver %s, %s, type %s, kernels for the %s family\n"), info->driver, info->version, type_name (info->type), family_name (info->family));
  g_print (_("   compute units %u, largest work-group %u, alignment %u bytes\n"), info->compute_units, info->max_group, info->alignment);
  g_print (_("   memory %s, largest buffer %s, local memory %s (%s)\n"), memory, allocation, local,
           info->local_is_dedicated ? _("dedicated") : _("in main memory"));
  g_print (_("   half arithmetic: %s, double: %s, memory shared with the host: %s, native kernels: %s\n"),
           yes_or_no (info->fp16), yes_or_no (info->fp64), yes_or_no (info->unified), yes_or_no (info->native_kernels));
  if (probe->self_test_ms > 0.0)
    g_print (probe->cached ? _("   self-test: %.1f s, an earlier run's verdict\n") : _("   self-test: %.1f s, now\n"), probe->self_test_ms / 1000.0);
}

static void
print_json (const DescryDeviceProbe *probe)
{
  const DescryDeviceInfo *info = probe->info;
  json_t *json = json_pack ("{s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:s}",
                            "descry", 1, "index", (int) info->index, "platform", info->platform, "name", info->name, "driver", info->driver,
                            "version", info->version, "type", type_name (info->type), "family", family_name (info->family));
  g_autofree char *line = NULL;

  json_object_set_new (json, "compute_units", json_integer (info->compute_units));
  json_object_set_new (json, "max_group", json_integer (info->max_group));
  json_object_set_new (json, "alignment", json_integer (info->alignment));
  json_object_set_new (json, "global_memory", json_integer ((json_int_t) info->global_memory));
  json_object_set_new (json, "max_allocation", json_integer ((json_int_t) info->max_allocation));
  json_object_set_new (json, "local_memory", json_integer ((json_int_t) info->local_memory));
  json_object_set_new (json, "local_is_dedicated", json_boolean (info->local_is_dedicated));
  json_object_set_new (json, "fp16", json_boolean (info->fp16));
  json_object_set_new (json, "fp64", json_boolean (info->fp64));
  json_object_set_new (json, "unified", json_boolean (info->unified));
  json_object_set_new (json, "native_kernels", json_boolean (info->native_kernels));
  json_object_set_new (json, "verdict", json_string (descry_verdict_name (probe->verdict)));
  json_object_set_new (json, "reason", probe->reason != NULL ? json_string (probe->reason) : json_null ());
  json_object_set_new (json, "self_test_ms", json_real (probe->self_test_ms));
  json_object_set_new (json, "cached", json_boolean (probe->cached));

  line = json_dumps (json, JSON_COMPACT);
  g_print ("%s\n", line);
  json_decref (json);
}

static gboolean
print_all (GPtrArray *probes,
           gboolean   as_json)
{
  g_autoptr (GPtrArray) empty = descry_device_empty_platforms ();
  gboolean usable = FALSE;
  guint i;

  for (i = 0; i < probes->len; i++)
    {
      const DescryDeviceProbe *probe = g_ptr_array_index (probes, i);

      usable = usable || probe->verdict != DESCRY_VERDICT_NOT_USABLE;
      if (as_json)
        print_json (probe);
      else
        print_text (probe);
    }
  for (i = 0; i < empty->len; i++)
    g_printerr (_("%s: this platform offers no device\n"), (const char *) g_ptr_array_index (empty, i));

  if (probes->len == 0)
    g_printerr (_("descry: No OpenCL device was found. Install a driver: the package pocl-opencl-icd runs on every processor.\n"));
  else if (!usable)
    g_printerr (_("descry: None of the devices can be used.\n"));

  return usable;
}

int
descry_command_devices (int    argc,
                        char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) probes = NULL;
  g_autofree char *self_test = NULL;
  g_autofree char *program = NULL;
  gboolean as_json = FALSE, retest = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &as_json, N_("One JSON object a line"), NULL },
    { "retest", 0, 0, G_OPTION_ARG_NONE, &retest, N_("Forget earlier verdicts and try each device again"), NULL },
    { "self-test", 0, 0, G_OPTION_ARG_STRING, &self_test, N_("Run the self-test of one device in this process"), N_("INDEX") },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (_("— what OpenCL offers, what was refused and why"));

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      g_printerr ("descry: %s\n", error != NULL ? error->message : _("`descry devices` takes no arguments"));
      return DESCRY_EXIT_USAGE;
    }

  if (self_test != NULL)
    {
      if (descry_device_probe_child (self_test, op_self_test, &error))
        return DESCRY_EXIT_DONE;
      g_printerr ("%s\n", error->message);
      return DESCRY_EXIT_FAILED;
    }

  program = g_file_read_link ("/proc/self/exe", &error);
  if (retest)
    descry_device_probe_forget ();
  if (program != NULL)
    probes = descry_device_probe (program, NULL, &error);
  if (probes == NULL)
    {
      g_printerr ("descry: %s\n", error->message);
      return DESCRY_EXIT_FAILED;
    }

  return print_all (probes, as_json) ? DESCRY_EXIT_DONE : DESCRY_EXIT_FAILED;
}
