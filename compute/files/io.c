/* io.c - opening, reading and replacing files, with a hook that makes each step fail
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-io"

#include "config.h"

#include "compute/files/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "compute/error.h"
#include "compute/memory.h"

/* Linux moves at most 2 GiB in one call. */
#define LARGEST_CALL ((gsize) 1 << 30)

struct _DescryFile
{
  int     fd;
  guint64 size;
  char   *path;
};

struct _DescryOutput
{
  int    fd;
  char  *path;
  char  *temporary;
  GError *error;
};

static DescryIoHooks io_hooks;

void
descry_io_set_hooks (const DescryIoHooks *hooks)
{
  io_hooks = hooks != NULL ? *hooks : (DescryIoHooks) { NULL, NULL, NULL };
}

static void
set_io_error (GError    **error,
              const char *path,
              const char *what,
              int         code)
{
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s: %s", path, what, g_strerror (code));
}

DescryFile *
descry_file_open (const char *path,
                  GError    **error)
{
  g_autoptr (DescryFile) file = NULL;
  struct stat info;

  g_return_val_if_fail (path != NULL, NULL);

  file = g_new0 (DescryFile, 1);
  file->path = g_strdup (path);
  /* Not blocking: opening a pipe nobody writes to must come back too. */
  file->fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->fd < 0)
    {
      set_io_error (error, path, "cannot be opened", errno);
      return NULL;
    }

  if (fstat (file->fd, &info) != 0)
    {
      set_io_error (error, path, "cannot be examined", errno);
      return NULL;
    }

  if (!S_ISREG (info.st_mode) || info.st_size < 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: not a regular file", path);
      return NULL;
    }

  file->size = (guint64) info.st_size;
  return g_steal_pointer (&file);
}

void
descry_file_close (DescryFile *file)
{
  if (file == NULL)
    return;

  if (file->fd >= 0)
    close (file->fd);
  g_free (file->path);
  memset (file, 0, sizeof *file);
  g_free (file);
}

guint64
descry_file_size (DescryFile *file)
{
  return file->size;
}

const char *
descry_file_path (DescryFile *file)
{
  return file->path;
}

gboolean
descry_file_fail (DescryFile *file,
                  GError    **error,
                  const char *format,
                  ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s", descry_file_path (file), text);
  return FALSE;
}

gboolean
descry_file_fail_memory (DescryFile *file,
                         GError    **error)
{
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory", descry_file_path (file));
  return FALSE;
}

gboolean
descry_file_read (DescryFile *file,
                  guint64     offset,
                  gpointer    bytes,
                  gsize       n,
                  GError    **error)
{
  guint8 *out = bytes;

  if (offset > file->size || n > file->size - offset)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD,
                   "%s: %" G_GSIZE_FORMAT " bytes wanted at %" G_GUINT64_FORMAT ", the file has %" G_GUINT64_FORMAT,
                   file->path, n, offset, file->size);
      return FALSE;
    }

  while (n > 0)
    {
      gsize part = MIN (n, LARGEST_CALL);
      gssize got;

      got = io_hooks.read != NULL ? io_hooks.read (file->fd, out, part, offset)
                                  : pread (file->fd, out, part, (off_t) offset);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          set_io_error (error, file->path, "cannot be read", errno);
          return FALSE;
        }
      if (got == 0)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO,
                       "%s: became shorter while it was read: %" G_GUINT64_FORMAT " bytes expected, none after %" G_GUINT64_FORMAT,
                       file->path, file->size, offset);
          return FALSE;
        }

      out += got;
      offset += (guint64) got;
      n -= (gsize) got;
    }

  return TRUE;
}

guint8 *
descry_file_read_all (const char *path,
                      guint64     limit,
                      gsize      *n,
                      GError    **error)
{
  g_autoptr (DescryFile) file = descry_file_open (path, error);
  guint8 *bytes;

  if (file == NULL)
    return NULL;

  if (file->size > limit)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD,
                   "%s: %" G_GUINT64_FORMAT " bytes expected at most, found %" G_GUINT64_FORMAT, path, limit, file->size);
      return NULL;
    }

  bytes = descry_try_alloc (file->size, 1);
  if (bytes == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory (%" G_GUINT64_FORMAT " bytes)", path, file->size);
      return NULL;
    }

  if (!descry_file_read (file, 0, bytes, file->size, error))
    {
      descry_free (bytes);
      return NULL;
    }

  *n = file->size;
  return bytes;
}

DescryOutput *
descry_output_new (const char *path,
                   GError    **error)
{
  g_autoptr (DescryOutput) output = NULL;
  g_autofree char *template = g_strconcat (path, ".XXXXXX", NULL);

  output = g_new0 (DescryOutput, 1);
  output->path = g_strdup (path);
  /* As an ordinary new file would be made: the user's mask applies. */
  output->fd = g_mkstemp_full (template, O_WRONLY | O_CLOEXEC, 0666);
  if (output->fd < 0)
    {
      set_io_error (error, path, "cannot be created", errno);
      return NULL;
    }

  output->temporary = g_steal_pointer (&template);
  return g_steal_pointer (&output);
}

void
descry_output_write (DescryOutput *output,
                     gconstpointer bytes,
                     gsize         n)
{
  const guint8 *in = bytes;

  while (n > 0 && output->error == NULL)
    {
      gsize part = MIN (n, LARGEST_CALL);
      gssize done;

      done = io_hooks.write != NULL ? io_hooks.write (output->fd, in, part) : write (output->fd, in, part);
      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        {
          set_io_error (&output->error, output->path, "cannot be written", done < 0 ? errno : ENOSPC);
          return;
        }

      in += done;
      n -= (gsize) done;
    }
}

/* The rename itself must reach the disk too; not every file system offers it, so no error. */
static void
sync_folder (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return;

  fsync (fd);
  close (fd);
}

gboolean
descry_output_commit (DescryOutput *output,
                      GError      **error)
{
  int fd = output->fd;

  if (output->error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&output->error));
      return FALSE;
    }

  if ((io_hooks.sync != NULL ? io_hooks.sync (fd) : fsync (fd)) != 0)
    {
      set_io_error (error, output->path, "cannot be written", errno);
      return FALSE;
    }

  output->fd = -1;
  if (close (fd) != 0)
    {
      set_io_error (error, output->path, "cannot be written", errno);
      return FALSE;
    }

  if (g_rename (output->temporary, output->path) != 0)
    {
      set_io_error (error, output->path, "cannot be replaced", errno);
      return FALSE;
    }

  g_clear_pointer (&output->temporary, g_free);
  sync_folder (output->path);
  return TRUE;
}

void
descry_output_free (DescryOutput *output)
{
  if (output == NULL)
    return;

  if (output->fd >= 0)
    close (output->fd);
  if (output->temporary != NULL)
    g_unlink (output->temporary);
  g_free (output->temporary);
  g_free (output->path);
  g_clear_error (&output->error);
  memset (output, 0, sizeof *output);
  g_free (output);
}
