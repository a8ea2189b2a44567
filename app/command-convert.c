/* command-convert.c - `descry convert`: a foreign checkpoint becomes a GGUF file
 *
 * Foreign files deserve no trust, so the work is done by a child process with limits on memory,
 * time and descriptors, that may open neither sockets nor programs. What it has to say comes
 * through a pipe; its file is renamed to the wanted name only after it ended well.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app/commands.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <glib/gi18n.h>
#include <glib/gstdio.h>

#include "compute/files/convert/convert.h"
#include "compute/files/io.h"

#define MAX_OUTPUT (32 << 20) /* of what the child says */
#define CPU_SECONDS 1800
#define LEAST_MEMORY ((guint64) 4 << 30)

typedef struct
{
  char   **sources;
  char    *output;
  char    *architecture;
  char    *quantize;
  gboolean list;
} Options;

static void
limit (int     which,
       guint64 value)
{
  struct rlimit bound = { (rlim_t) value, (rlim_t) value };

  setrlimit ((__rlimit_resource_t) which, &bound);
}

/* No sockets, no programs, no looking into other processes: such calls fail. */
static gboolean
forbid_calls (void)
{
#define REFUSE(name) \
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), \
  BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#ifdef __x86_64__
  const guint32 machine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  const guint32 machine = AUDIT_ARCH_AARCH64;
#else
  const guint32 machine = 0;
#endif
  struct sock_filter filter[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, arch)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, machine, 1, 0),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    REFUSE (socket),
    REFUSE (socketpair),
    REFUSE (connect),
    REFUSE (bind),
    REFUSE (execve),
    REFUSE (execveat),
    REFUSE (ptrace),
    REFUSE (process_vm_readv),
    REFUSE (process_vm_writev),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { G_N_ELEMENTS (filter), filter };

  if (machine == 0)
    return TRUE;

  /* A kernel without filters leaves the other limits. */
  return prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 || errno == EINVAL || errno == ENOSYS;
#undef REFUSE
}

static gboolean
confine (guint64 size)
{
  guint64 memory;

  /* The file, its values as f32, and the result. */
  if (!g_uint64_checked_mul (&memory, size, 6))
    memory = G_MAXINT64;

  limit (RLIMIT_CORE, 0);
  limit (RLIMIT_CPU, CPU_SECONDS);
  limit (RLIMIT_NOFILE, 32);
#ifndef __SANITIZE_ADDRESS__
  limit (RLIMIT_AS, MAX (memory, LEAST_MEMORY));
#endif

  return prctl (PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && forbid_calls ();
}

static gboolean
is_gguf (const char *path)
{
  g_autoptr (DescryFile) file = descry_file_open (path, NULL);
  char magic[4];

  return file != NULL && descry_file_size (file) >= 4 && descry_file_read (file, 0, magic, 4, NULL) && memcmp (magic, "GGUF", 4) == 0;
}

static void
list_shape (GString       *text,
            guint          n_dims,
            const guint64 *dims,
            gboolean       reverse)
{
  guint i;

  g_string_append (text, "  [");
  for (i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "", dims[reverse ? n_dims - 1 - i : i]);
  g_string_append (text, "]\n");
}

/* What is in the file; shapes outermost dimension first, whatever the container. */
static gboolean
list_source (const char *path,
             GString    *text,
             GError    **error)
{
  g_autoptr (DescrySource) source = NULL;
  guint i;

  if (is_gguf (path))
    {
      g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error);

      if (gguf == NULL)
        return FALSE;
      g_string_append_printf (text, _("format: GGUF, %u tensors\n"), descry_gguf_n_tensors (gguf));
      for (i = 0; i < descry_gguf_n_tensors (gguf); i++)
        {
          const DescryGgufTensor *tensor = descry_gguf_tensor (gguf, i);

          g_string_append_printf (text, "%s  %s", tensor->name, descry_ggml_name (tensor->type));
          list_shape (text, tensor->n_dims, tensor->dims, TRUE);
        }
      return TRUE;
    }

  source = descry_source_open (path, text, error);
  if (source == NULL)
    return FALSE;

  g_string_append_printf (text, _("format: %s, %u tensors\n"), descry_source_format (source), descry_source_n_tensors (source));
  for (i = 0; i < descry_source_n_files (source); i++)
    {
      const DescrySourceFile *file = descry_source_file (source, i);

      g_string_append_printf (text, _("file: %s, %" G_GUINT64_FORMAT " bytes, sha256 %s\n"), file->name, file->size, file->sha256);
    }
  for (i = 0; i < descry_source_n_tensors (source); i++)
    {
      const DescrySourceTensor *tensor = descry_source_tensor (source, i);

      g_string_append_printf (text, "%s  %s", tensor->name, descry_source_type_name (tensor->type));
      list_shape (text, tensor->scalar ? 0 : tensor->n_dims, tensor->dims, FALSE);
    }

  return TRUE;
}

static gboolean
convert (const Options *options,
         const char    *path,
         GString       *text,
         GError       **error)
{
  DescryConvertReport report = { 0, 0 };
  g_autoptr (DescrySource) source = NULL;
  int quantize = options->quantize != NULL ? descry_convert_type (options->quantize) : -1;

  if (options->architecture == NULL)
    {
      if (!descry_convert_gguf (options->sources[0], (DescryGgmlType) quantize, path, &report, error))
        return FALSE;
    }
  else
    {
      source = descry_source_open (options->sources[0], NULL, error);
      if (source == NULL || !descry_convert (source, options->architecture, quantize, path, &report, error))
        return FALSE;
    }

  g_string_append_printf (text, _("%u tensors written, %u left as they were or not needed\n"), report.n_tensors, report.n_ignored);
  return TRUE;
}

/* The child: works, then writes 'y' or 'n' and what it has to say. */
static void
work (const Options *options,
      const char    *path,
      guint64        size,
      int            pipe)
{
  g_autoptr (GString) text = g_string_new ("n");
  g_autoptr (GError) error = NULL;
  gsize done = 0;
  gboolean ok;

  ok = confine (size);
  if (!ok)
    g_set_error_literal (&error, DESCRY_ERROR, DESCRY_ERROR_FAILED, _("the limits of the child process cannot be set"));
  else
    ok = options->list ? list_source (options->sources[0], text, &error) : convert (options, path, text, &error);

  if (ok)
    text->str[0] = 'y';
  else
    g_string_append_printf (text, "%s\n", error->message);

  /* The name the user gave, not the one of the moment. */
  if (path != NULL)
    g_string_replace (text, path, options->output, 0);

  while (done < text->len)
    {
      gssize n = write (pipe, text->str + done, text->len - done);

      if (n < 0 && errno != EINTR)
        break;
      done += n > 0 ? (gsize) n : 0;
    }
}

/* Names in a file may hold anything: what could steer a terminal is shown as a question mark. */
static char *
make_printable (const char *bytes,
                gsize       n)
{
  g_autofree char *valid = g_utf8_make_valid (bytes, (gssize) n);
  GString *text = g_string_new (NULL);
  const char *p;

  for (p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (text, c != '\n' && g_unichar_iscntrl (c) ? '?' : c);
    }

  return g_string_free (text, FALSE);
}

static GByteArray *
read_pipe (int pipe)
{
  GByteArray *bytes = g_byte_array_new ();
  guint8 piece[4096];
  gssize n;

  while ((n = read (pipe, piece, sizeof piece)) != 0)
    {
      if (n < 0 && errno != EINTR)
        break;
      if (n > 0 && bytes->len + n <= MAX_OUTPUT)
        g_byte_array_append (bytes, piece, (guint) n);
    }

  return bytes;
}

/* What a killed child left: its file, and that file's own temporary form. */
static void
remove_leftovers (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *base = g_path_get_basename (path);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, base))
      {
        g_autofree char *full = g_build_filename (folder, name, NULL);

        g_unlink (full);
      }
}

static int
run (const Options *options)
{
  g_autofree char *part = options->output != NULL ? g_strdup_printf ("%s.%d.part", options->output, (int) getpid ()) : NULL;
  g_autoptr (GByteArray) said = NULL;
  g_autofree char *text = NULL;
  struct stat info;
  guint64 size = stat (options->sources[0], &info) == 0 ? (guint64) info.st_size : 0;
  int pipes[2], status;
  pid_t child;

  if (pipe (pipes) != 0 || (child = fork ()) < 0)
    {
      g_printerr ("descry convert: %s\n", g_strerror (errno));
      return DESCRY_EXIT_FAILED;
    }

  if (child == 0)
    {
      close (pipes[0]);
      work (options, part, size, pipes[1]);
      _exit (0);
    }

  close (pipes[1]);
  said = read_pipe (pipes[0]);
  close (pipes[0]);
  while (waitpid (child, &status, 0) < 0 && errno == EINTR)
    ;

  if (!WIFEXITED (status) || WEXITSTATUS (status) != 0 || said->len == 0)
    {
      g_printerr (_("descry convert: %s: the converting process died (limit of memory or time, or a bug)\n"), options->sources[0]);
      if (part != NULL)
        remove_leftovers (part);
      return DESCRY_EXIT_FAILED;
    }

  text = make_printable ((const char *) said->data + 1, said->len - 1);
  if (said->data[0] != 'y')
    {
      g_printerr ("descry convert: %s", text);
      if (part != NULL)
        remove_leftovers (part);
      return DESCRY_EXIT_FAILED;
    }

  if (part != NULL && !options->list && g_rename (part, options->output) != 0)
    {
      g_printerr ("descry convert: %s: %s\n", options->output, g_strerror (errno));
      g_unlink (part);
      return DESCRY_EXIT_FAILED;
    }

  if (options->list)
    g_print ("%s", text);
  else
    g_printerr ("%s: %s", options->output, text);
  return DESCRY_EXIT_DONE;
}

static gboolean
check_options (const Options *options,
               GError       **error)
{
  if (options->sources == NULL || g_strv_length (options->sources) != 1)
    g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("one file expected"));
  else if (options->list)
    return TRUE;
  else if (options->output == NULL)
    g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("-o OUT.gguf expected"));
  else if (options->quantize != NULL && descry_convert_type (options->quantize) < 0)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("--quantize %s: F32, F16, BF16, Q8_0, Q4_0, Q4_1 or Q4_K expected"), options->quantize);
  else if (options->architecture == NULL && options->quantize == NULL)
    g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("--architecture expected, or --quantize for a GGUF file"));
  else if (options->architecture != NULL && !g_strv_contains (descry_convert_architectures (), options->architecture))
    {
      g_autofree char *known = g_strjoinv (", ", (char **) descry_convert_architectures ());

      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("--architecture %s: one of %s expected"), options->architecture, known);
    }
  else
    return TRUE;

  return FALSE;
}

int
descry_command_convert (int    argc,
                        char **argv)
{
  Options options = { NULL, NULL, NULL, NULL, FALSE };
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, N_("The file to write"), "OUT.gguf" },
    { "architecture", 'a', 0, G_OPTION_ARG_STRING, &options.architecture, N_("Whose table of names and shapes applies"), "A" },
    { "quantize", 'q', 0, G_OPTION_ARG_STRING, &options.quantize, N_("Type for the weights: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K"), "T" },
    { "list", 0, 0, G_OPTION_ARG_NONE, &options.list, N_("Print what is in the file; convert nothing"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.sources, NULL, NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (_("SOURCE - convert a checkpoint to GGUF"));
  g_autoptr (GError) error = NULL;
  int status;

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_set_description (context, _("SOURCE is a .pth or .bin file of torch, the .json of a TensorFlow.js graph, an ONNX file,\n"
                                               "a GGUF file (with --quantize alone), or resources.json#KEY for a list of chunks.\n"));
  if (!g_option_context_parse (context, &argc, &argv, &error) || !check_options (&options, &error))
    {
      g_printerr ("descry convert: %s\n", error->message);
      status = DESCRY_EXIT_USAGE;
    }
  else
    status = run (&options);

  g_strfreev (options.sources);
  g_free (options.output);
  g_free (options.architecture);
  g_free (options.quantize);
  return status;
}
