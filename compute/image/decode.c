/* decode.c - pictures from files, through a limited child process
 *
 * The child (`descry-decode`) gets the file and an empty memory file, nothing else. What it
 * leaves is believed only after it is dead, the memory is sealed against shrinking and writing,
 * and header and size agree; then the memory is mapped and becomes the picture without a copy.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-decode"

#include "config.h"

#include "compute/image/decode-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "compute/image/decode-protocol.h"

#define TIME_LIMIT   60000 /* milliseconds of the wall clock; the child has its own of the processor */
#define MESSAGE_SIZE 400 /* bytes of the child's line */
#define PATIENCE     5000 /* microseconds between two looks at a child that closed its standard error */

static void
set_decode_error (GError    **error,
                  const char *name,
                  const char *format,
                  ...) G_GNUC_PRINTF (3, 4);

static void
set_decode_error (GError    **error,
                  const char *name,
                  const char *format,
                  ...)
{
  g_autofree char *reason = NULL;
  va_list arguments;

  va_start (arguments, format);
  reason = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_DECODE, "%s: %s", name, reason);
}

/* Beside this program in its build or installation folder, else where it was installed. */
static char *
find_program (void)
{
  static const char *const places[] = { "descry-decode", "../compute/image/descry-decode", "../../compute/image/descry-decode",
                                        "../libexec/descry-decode" };
  const char *chosen = g_getenv ("DESCRY_DECODE");
  g_autofree char *self = NULL, *folder = NULL;
  guint i;

  if (chosen != NULL && *chosen != '\0')
    return g_strdup (chosen);

  self = g_file_read_link ("/proc/self/exe", NULL);
  if (self != NULL)
    {
      folder = g_path_get_dirname (self);
      for (i = 0; i < G_N_ELEMENTS (places); i++)
        {
          g_autofree char *path = g_build_filename (folder, places[i], NULL);

          if (g_file_test (path, G_FILE_TEST_IS_EXECUTABLE))
            return g_steal_pointer (&path);
        }
    }

  return g_build_filename (DESCRY_LIBEXECDIR, "descry-decode", NULL);
}

/* Descriptor 0 the file, 2 the pipe, 3 the memory; all others closed. */
static gboolean
start_child (const char *program,
             int         input,
             int         memory,
             int         message,
             pid_t      *pid,
             GError    **error)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  char *argv[] = { (char *) "descry-decode", NULL };
  /* Nothing of ours in its environment: no preloaded library, no option of an allocator. */
  char *environment[] = { (char *) "LC_ALL=C", NULL };
  sigset_t none;
  int code;

  sigemptyset (&none);
  posix_spawn_file_actions_init (&actions);
  posix_spawnattr_init (&attributes);
  posix_spawnattr_setsigmask (&attributes, &none);
  posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_adddup2 (&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2 (&actions, message, STDERR_FILENO);
  posix_spawn_file_actions_adddup2 (&actions, memory, DESCRY_DECODE_FD);
  posix_spawn_file_actions_addclosefrom_np (&actions, DESCRY_DECODE_FD + 1);
  code = posix_spawn (pid, program, &actions, &attributes, argv, environment);
  posix_spawn_file_actions_destroy (&actions);
  posix_spawnattr_destroy (&attributes);

  if (code != 0)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "the picture decoder %s does not start: %s", program, g_strerror (code));
  return code == 0;
}

/* Reads the child's line until it closes the pipe, then waits for its end; kills it when the
 * time is over or @cancellable says so. FALSE when it was killed. */
static gboolean
wait_for_child (pid_t         pid,
                int           pipe_end,
                guint         time_limit,
                const char   *name,
                GCancellable *cancellable,
                char         *message, /* [MESSAGE_SIZE] */
                int          *status,
                GError      **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) time_limit * 1000;
  GPollFD polled[2] = { { .fd = pipe_end, .events = G_IO_IN }, { .fd = -1 } };
  guint n_polled = 1;
  gsize filled = 0;
  gboolean open = TRUE, ended = FALSE, in_time = TRUE, cancelled = FALSE;

  if (cancellable != NULL && g_cancellable_make_pollfd (cancellable, &polled[1]))
    n_polled = 2;

  while (!ended)
    {
      gint64 left = deadline - g_get_monotonic_time ();

      cancelled = cancellable != NULL && g_cancellable_is_cancelled (cancellable);
      in_time = left > 0;
      if (cancelled || !in_time)
        break;

      if (open)
        {
          polled[0].revents = polled[1].revents = 0;
          if (g_poll (polled, n_polled, (gint) MIN (left / 1000 + 1, 1000)) > 0 && polled[0].revents != 0)
            {
              char scrap[256];
              gssize got = read (pipe_end, scrap, sizeof scrap);

              if (got > 0)
                {
                  gsize kept = MIN ((gsize) got, MESSAGE_SIZE - 1 - filled);

                  memcpy (message + filled, scrap, kept);
                  filled += kept;
                }
              else if (got == 0 || errno != EINTR)
                open = FALSE;
            }
        }
      else
        {
          pid_t found = waitpid (pid, status, WNOHANG);

          if (found == pid)
            ended = TRUE;
          else if (found < 0 && errno != EINTR)
            {
              /* Somebody else in this process reaped it: its state is unknown, so nothing is believed. */
              *status = 1;
              ended = TRUE;
            }
          else
            g_usleep (PATIENCE / 10);
        }
    }

  if (n_polled == 2)
    g_cancellable_release_fd (cancellable);
  message[filled] = '\0';
  if (ended)
    return TRUE;

  kill (pid, SIGKILL);
  while (waitpid (pid, status, 0) < 0 && errno == EINTR)
    ;
  if (cancelled)
    g_cancellable_set_error_if_cancelled (cancellable, error);
  else
    set_decode_error (error, name, "decoding took longer than %u seconds and was stopped", (time_limit + 999) / 1000);
  return FALSE;
}

/* The child's line is as trustworthy as the picture: one line, printable, UTF-8. */
static void
clean_message (char *message)
{
  char *end;

  if (!g_utf8_validate (message, -1, (const char **) &end))
    *end = '\0';
  for (end = message; *end != '\0'; end++)
    if ((guchar) *end < 32 || *end == 127)
      {
        *end = '\0';
        break;
      }
}

static DescryImage *
take_picture (int         memory,
              const char *name,
              GError    **error)
{
  DescryDecodeHeader header;
  DescryImage *image;
  struct stat status;
  guint8 *mapping;
  guint64 bytes;
  gsize i;

  /* Fails while anything still holds a writable mapping, so nothing can change behind us. */
  if (fcntl (memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0 || fstat (memory, &status) != 0)
    {
      set_decode_error (error, name, "the decoder's memory cannot be sealed: %s", g_strerror (errno));
      return NULL;
    }

  if (status.st_size < (off_t) sizeof header || pread (memory, &header, sizeof header, 0) != (gssize) sizeof header)
    {
      set_decode_error (error, name, "the decoder left no picture");
      return NULL;
    }
  for (i = 0; i < sizeof header.zero; i++)
    if (header.zero[i] != 0)
      header.magic[0] = '\0';
  if (memcmp (header.magic, DESCRY_DECODE_MAGIC, sizeof header.magic) != 0)
    {
      set_decode_error (error, name, "the decoder's answer is not one of this version");
      return NULL;
    }

  bytes = (guint64) header.width * header.height * 3; /* 32 × 32 × 2 bits fit */
  if (header.width < 1 || header.height < 1 || header.width > DESCRY_IMAGE_MAX_SIDE || header.height > DESCRY_IMAGE_MAX_SIDE ||
      bytes > (guint64) DESCRY_IMAGE_MAX_PIXELS * 3 || header.bytes != bytes || (guint64) status.st_size != bytes + sizeof header)
    {
      set_decode_error (error, name, "the decoder says %u × %u pixels in %" G_GUINT64_FORMAT " bytes and left %" G_GINT64_FORMAT,
                        header.width, header.height, header.bytes, (gint64) status.st_size);
      return NULL;
    }

  mapping = mmap (NULL, (gsize) status.st_size, PROT_READ, MAP_PRIVATE, memory, 0);
  if (mapping == MAP_FAILED)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no room for a picture of %u × %u", name, header.width, header.height);
      return NULL;
    }

  image = g_new0 (DescryImage, 1);
  g_atomic_ref_count_init (&image->refs);
  image->width = header.width;
  image->height = header.height;
  image->pixels = mapping + sizeof header;
  image->mapped = (gsize) status.st_size;
  return image;
}

/* The same descriptor, above those of the child; closes the low one. */
static int
lift (int descriptor)
{
  int high;

  if (descriptor < 0 || descriptor > DESCRY_DECODE_FD)
    return descriptor;

  high = fcntl (descriptor, F_DUPFD_CLOEXEC, DESCRY_DECODE_FD + 1);
  close (descriptor);
  return high;
}

DescryImage *
_descry_decode_run (const char   *program,
                    int           input,
                    const char   *name,
                    guint         time_limit,
                    GCancellable *cancellable,
                    GError      **error)
{
  DescryImage *image = NULL;
  char message[MESSAGE_SIZE];
  int own_input, memory, ends[2] = { -1, -1 }, status = 0;
  pid_t pid;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;

  /* The child's descriptors 0 to 3 are placed one after another, so ours must lie above. */
  own_input = fcntl (input, F_DUPFD_CLOEXEC, DESCRY_DECODE_FD + 1);
  memory = lift (memfd_create ("descry-picture", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (pipe2 (ends, O_CLOEXEC) == 0)
    ends[1] = lift (ends[1]);
  if (own_input < 0 || memory < 0 || ends[1] < 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: no descriptor left for decoding: %s", name, g_strerror (errno));
      goto out;
    }

  if (!start_child (program, own_input, memory, ends[1], &pid, error))
    goto out;
  close (ends[1]);
  ends[1] = -1;

  if (!wait_for_child (pid, ends[0], time_limit, name, cancellable, message, &status, error))
    goto out;

  clean_message (message);
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    image = take_picture (memory, name, error);
  else if (WIFEXITED (status) && *message != '\0')
    set_decode_error (error, name, "%s", message);
  else if (WIFSIGNALED (status) && WTERMSIG (status) == SIGXCPU)
    set_decode_error (error, name, "decoding used up its processor time and was stopped");
  else if (WIFSIGNALED (status))
    set_decode_error (error, name, "the picture could not be read: the decoder ended by signal %d (%s)", WTERMSIG (status), g_strsignal (WTERMSIG (status)));
  else
    set_decode_error (error, name, "the picture could not be read: the decoder ended with status %d", WEXITSTATUS (status));

out:
  if (own_input >= 0)
    close (own_input);
  if (memory >= 0)
    close (memory);
  if (ends[0] >= 0)
    close (ends[0]);
  if (ends[1] >= 0)
    close (ends[1]);
  return image;
}

static DescryImage *
decode_descriptor (int           input,
                   const char   *name,
                   GCancellable *cancellable,
                   GError      **error)
{
  g_autofree char *program = find_program ();

  return _descry_decode_run (program, input, name, TIME_LIMIT, cancellable, error);
}

DescryImage *
descry_image_load (const char   *path,
                   GCancellable *cancellable,
                   GError      **error)
{
  g_autofree char *name = NULL;
  DescryImage *image;
  struct stat status;
  int input;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  name = g_filename_display_basename (path);
  /* Not blocking: opening a pipe without a writer would wait for ever. */
  input = g_open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  if (input < 0)
    {
      set_decode_error (error, name, "cannot be opened: %s", g_strerror (errno));
      return NULL;
    }
  if (fstat (input, &status) != 0 || !S_ISREG (status.st_mode))
    {
      set_decode_error (error, name, "is not a file");
      close (input);
      return NULL;
    }

  image = decode_descriptor (input, name, cancellable, error);
  close (input);
  return image;
}

DescryImage *
descry_image_load_bytes (GBytes       *bytes,
                         const char   *name,
                         GCancellable *cancellable,
                         GError      **error)
{
  DescryImage *image = NULL;
  const guint8 *data;
  gsize size, done = 0;
  int input;

  g_return_val_if_fail (bytes != NULL && name != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  data = g_bytes_get_data (bytes, &size);
  input = memfd_create ("descry-file", MFD_CLOEXEC);
  while (input >= 0 && done < size)
    {
      gssize n = write (input, data + done, size - done);

      if (n > 0)
        done += (gsize) n;
      else if (n == 0 || errno != EINTR)
        break;
    }
  if (input < 0 || done < size || lseek (input, 0, SEEK_SET) != 0)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for a file of %" G_GSIZE_FORMAT " bytes", name, size);
  else
    image = decode_descriptor (input, name, cancellable, error);

  if (input >= 0)
    close (input);
  return image;
}

static void
load_worker (GTask        *task,
             gpointer      source,
             gpointer      data,
             GCancellable *cancellable)
{
  GFile *file = data;
  const char *path = g_file_peek_path (file);
  DescryImage *image = NULL;
  GError *error = NULL;

  if (path != NULL)
    image = descry_image_load (path, cancellable, &error);
  else
    {
      g_autoptr (GBytes) bytes = g_file_load_bytes (file, cancellable, NULL, &error);
      g_autofree char *name = g_file_get_basename (file);

      if (bytes != NULL)
        image = descry_image_load_bytes (bytes, name != NULL ? name : "picture", cancellable, &error);
    }

  if (image != NULL)
    g_task_return_pointer (task, image, (GDestroyNotify) descry_image_unref);
  else
    g_task_return_error (task, error);
}

void
descry_image_load_async (GFile              *file,
                         GCancellable       *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer            data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (G_IS_FILE (file));

  task = g_task_new (NULL, cancellable, callback, data);
  g_task_set_source_tag (task, descry_image_load_async);
  g_task_set_task_data (task, g_object_ref (file), g_object_unref);
  g_task_run_in_thread (task, load_worker);
}

DescryImage *
descry_image_load_finish (GAsyncResult *result,
                          GError      **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
