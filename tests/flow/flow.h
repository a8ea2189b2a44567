/* flow.h - what the flow tests share: the program, the bundle and the photographs
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <string.h>

#include <gio/gio.h>

typedef struct
{
  int   status;
  char *out;
  char *err;
} Outcome;

static inline void
clear_outcome (Outcome *outcome)
{
  g_clear_pointer (&outcome->out, g_free);
  g_clear_pointer (&outcome->err, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, clear_outcome)

static inline char *
take_text (GBytes *bytes)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  /* No bytes have no data. */
  return size > 0 ? g_strndup (data, size) : g_strdup ("");
}

/* Runs `descry ARGUMENT…` to its end; @input (nullable) is its stdin, @variable=@value joins its environment. */
static inline void
run_descry (Outcome            *outcome,
            const char         *variable,
            const char         *value,
            const char         *input,
            const char *const  *arguments)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE | G_SUBPROCESS_FLAGS_STDIN_PIPE);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GBytes) in = g_bytes_new (input != NULL ? input : "", input != NULL ? strlen (input) : 0);
  g_autoptr (GBytes) out = NULL, err = NULL;
  g_autoptr (GError) error = NULL;
  guint i;

  clear_outcome (outcome);
  if (variable != NULL)
    g_subprocess_launcher_setenv (launcher, variable, value, TRUE);
  /* Messages are compared. */
  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C.UTF-8", TRUE);
  g_ptr_array_add (argv, (gpointer) g_getenv ("DESCRY_PROGRAM"));
  for (i = 0; arguments[i] != NULL; i++)
    g_ptr_array_add (argv, (gpointer) arguments[i]);
  g_ptr_array_add (argv, NULL);

  process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  g_subprocess_communicate (process, in, NULL, &out, &err, &error);
  g_assert_no_error (error);
  /* Killed by a signal: -1, which no test expects. */
  outcome->status = g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : -1;
  outcome->out = take_text (out);
  outcome->err = take_text (err);
  if (g_test_verbose ())
    g_test_message ("%s → %d\n%s%s", argv->len > 2 ? (char *) argv->pdata[1] : "", outcome->status, outcome->out, outcome->err);
}

#define DESCRY(outcome, ...) run_descry (outcome, NULL, NULL, NULL, (const char *const[]) { __VA_ARGS__, NULL })

/* The folder of converted networks, or NULL after g_test_skip(). */
static inline char *
find_bundle (void)
{
  g_autofree char *path = g_strdup (g_getenv ("DESCRY_BUNDLE"));
  g_autofree char *file = NULL;

  if (path == NULL)
    path = g_build_filename (g_get_home_dir (), ".local", "share", "descry", "bundles", "compact", NULL);
  file = g_build_filename (path, "bundle.json", NULL);
  if (!g_file_test (file, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("the compact bundle is not here");
      return NULL;
    }

  return g_steal_pointer (&path);
}

/* A photograph of the package opencv-doc, or NULL after g_test_skip(). */
static inline char *
find_photo (const char *name)
{
  const char *folder = g_getenv ("DESCRY_TEST_PHOTOS");
  g_autofree char *path = g_build_filename (folder != NULL ? folder : "/usr/share/doc/opencv-doc/examples/data", name, NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("the photographs of the package opencv-doc are not here");
      return NULL;
    }

  return g_steal_pointer (&path);
}
