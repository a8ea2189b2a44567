/* convert.c - `descry convert` as it is run: exit status, messages, no file left after a failure
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <gio/gio.h>

#include "compute/files/gguf.h"
#include "tests/unit/scratch.h"

static char *out_text, *err_text;

/* Runs the program; NULL ends the arguments. */
static int
run (const char *first,
     ...)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  const char *next;
  va_list args;

  g_ptr_array_add (arguments, (gpointer) g_getenv ("DESCRY_TEST_PROGRAM"));
  g_ptr_array_add (arguments, (gpointer) "convert");
  va_start (args, first);
  for (next = first; next != NULL; next = va_arg (args, const char *))
    g_ptr_array_add (arguments, (gpointer) next);
  va_end (args);
  g_ptr_array_add (arguments, NULL);

  g_clear_pointer (&out_text, g_free);
  g_clear_pointer (&err_text, g_free);
  process = g_subprocess_newv ((const char *const *) arguments->pdata, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, &out_text, &err_text, &error));
  g_assert_true (g_subprocess_get_if_exited (process));
  g_test_message ("%s", err_text);

  return g_subprocess_get_exit_status (process);
}

static char *
corpus (const char *folder,
        const char *name)
{
  return g_build_filename (g_getenv ("G_TEST_SRCDIR"), "fuzz", "corpus", folder, name, NULL);
}

static void
test_usage (void)
{
  g_autofree char *source = corpus ("torch", "state.zip.pt");
  g_autofree char *out = scratch_path ("out.gguf");

  g_assert_cmpint (run (NULL), ==, 2);
  g_assert_cmpint (run (source, NULL), ==, 2);
  g_assert_cmpint (run (source, "-o", out, NULL), ==, 2);
  g_assert_cmpint (run (source, "-o", out, "--architecture", "none", NULL), ==, 2);
  g_assert_nonnull (strstr (err_text, "efficientnet-lite"));
  g_assert_cmpint (run (source, "-o", out, "-a", "isnet", "--quantize", "Q9", NULL), ==, 2);
  g_assert_cmpint (run (source, source, "-o", out, "-a", "isnet", NULL), ==, 2);
  g_assert_cmpint (run ("--nonsense", NULL), ==, 2);
  g_assert_cmpuint (scratch_count (), ==, 0);
}

static void
test_list (void)
{
  g_autofree char *torch = corpus ("torch", "state.zip.pt");
  g_autofree char *gguf = corpus ("gguf", "tiny.gguf");

  g_assert_cmpint (run (torch, "--list", NULL), ==, 0);
  g_assert_nonnull (strstr (out_text, "torch zip, 15 tensors"));
  g_assert_nonnull (strstr (out_text, "turned  F32  [2, 3]\n"));
  g_assert_nonnull (strstr (out_text, "opcode 0x"));

  g_assert_cmpint (run (gguf, "--list", NULL), ==, 0);
  g_assert_nonnull (strstr (out_text, "b.weight  Q8_0  [2, 32]\n"));
}

static void
test_convert (void)
{
  g_autofree char *source = corpus ("gguf", "tiny.gguf");
  g_autofree char *torch = corpus ("torch", "state.zip.pt");
  g_autofree char *out = scratch_path ("out.gguf");
  g_autofree char *evil = scratch_path ("evil.pth");
  g_autoptr (DescryGguf) gguf = NULL;
  g_autoptr (GError) error = NULL;
  static const char program[] = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}(X\x0d\0\0\0little_endian\x88u."
                                "\x80\2cos\n\33[31msystem\n(X\2\0\0\0idtR.";

  /* Failures leave no file, neither the wanted nor a temporary one. */
  g_assert_cmpint (run (torch, "-o", out, "-a", "isnet", NULL), ==, 1);
  g_assert_nonnull (strstr (err_text, "/conv_in/Conv"));
  g_assert_cmpint (run ("/nonexistent", "-o", out, "-a", "isnet", NULL), ==, 1);
  g_assert_cmpint (run (source, "-o", "/nonexistent/out.gguf", "-q", "F16", NULL), ==, 1);
  g_assert_cmpuint (scratch_count (), ==, 0);

  /* A program instead of tensors; what its name could do to a terminal is not shown. */
  scratch_write (evil, program, sizeof program - 1);
  g_assert_cmpint (run (evil, "-o", out, "-a", "isnet", NULL), ==, 1);
  g_assert_nonnull (strstr (err_text, "refused"));
  g_assert_null (strchr (err_text, '\33'));
  g_assert_cmpuint (scratch_count (), ==, 1);

  g_assert_cmpint (run (source, "-o", out, "--quantize", "bf16", NULL), ==, 0);
  g_assert_cmpuint (scratch_count (), ==, 2);
  gguf = descry_gguf_open (out, &error);
  g_assert_no_error (error);
  g_assert_cmpint (descry_gguf_find (gguf, "a.weight")->type, ==, DESCRY_GGML_BF16);
  g_assert_cmpstr (descry_gguf_get_string (gguf, "general.architecture", &error), ==, "tiny");
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/command-convert/usage", test_usage);
  g_test_add_func ("/command-convert/list", test_list);
  g_test_add_func ("/command-convert/convert", test_convert);

  status = scratch_run ();
  g_free (out_text);
  g_free (err_text);
  return status;
}
