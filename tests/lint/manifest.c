/* manifest.c - the rules that the Flatpak manifest must keep
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <glib.h>
#include <jansson.h>

static char *path;

static json_t *
load (void)
{
  json_error_t error;
  json_t *json = json_load_file (path, JSON_REJECT_DUPLICATES, &error);

  if (json == NULL)
    g_test_message ("%s:%d: %s", path, error.line, error.text);
  g_assert_nonnull (json);
  return json;
}

static gboolean
has (json_t     *list,
     const char *wanted)
{
  json_t *item;
  size_t i;

  json_array_foreach (list, i, item)
    if (strcmp (json_string_value (item), wanted) == 0)
      return TRUE;
  return FALSE;
}

static void
test_permissions (void)
{
  json_t *json = load (), *args = json_object_get (json, "finish-args"), *item;
  size_t i;

  g_assert_cmpstr (json_string_value (json_object_get (json, "id")), ==, DESCRY_APPLICATION_ID);
  g_assert_cmpstr (json_string_value (json_object_get (json, "command")), ==, "descry");

  json_array_foreach (args, i, item)
    {
      const char *arg = json_string_value (item);

      /* Files come through portals; weights are put in place at build time; the id's own name is
       * granted by itself. */
      g_assert_false (g_str_has_prefix (arg, "--filesystem"));
      g_assert_false (g_str_has_prefix (arg, "--own-name"));
      g_assert_cmpstr (arg, !=, "--share=network");
      g_assert_cmpstr (arg, !=, "--socket=x11");
      g_assert_cmpstr (arg, !=, "--device=all");
      /* It would hide the drivers of every other maker. */
      g_assert_false (g_str_has_prefix (arg, "--env=OCL_ICD_VENDORS"));
    }
  g_assert_true (has (args, "--socket=wayland"));
  g_assert_true (has (args, "--socket=fallback-x11"));
  g_assert_true (has (args, "--share=ipc"));
  g_assert_true (has (args, "--device=dri"));
  json_decref (json);
}

/* What is built is fixed: a tag can move, a commit cannot. */
static void
test_sources (void)
{
  json_t *json = load (), *modules = json_object_get (json, "modules"), *module, *source;
  size_t i, k;
  guint n = 0;

  json_array_foreach (modules, i, module)
    {
      json_t *sources = json_object_get (module, "sources"), *options = json_object_get (module, "build-options");

      g_assert_null (json_object_get (options, "build-args"));
      json_array_foreach (sources, k, source)
        {
          const char *type = json_string_value (json_object_get (source, "type"));

          if (strcmp (type, "git") == 0)
            {
              g_assert_cmpuint (strlen (json_string_value (json_object_get (source, "commit"))), ==, 40);
              g_assert_nonnull (json_string_value (json_object_get (source, "tag")));
              g_assert_true (g_str_has_prefix (json_string_value (json_object_get (source, "url")), "https://"));
            }
          else if (strcmp (type, "archive") == 0)
            g_assert_cmpuint (strlen (json_string_value (json_object_get (source, "sha256"))), ==, 64);
          else
            g_assert_cmpstr (type, ==, "dir");
          n++;
        }
    }
  g_assert_cmpuint (n, >=, 4);
  json_decref (json);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  path = argv[1];

  g_test_add_func ("/manifest/permissions", test_permissions);
  g_test_add_func ("/manifest/sources", test_sources);

  return g_test_run ();
}
