/* files-faults.c - memory, reading and writing fail, each call once
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <errno.h>

#include <jansson.h>

#include "compute/files/gguf.h"
#include "compute/files/io.h"
#include "compute/files/safetensors.h"
#include "tests/unit/hostile.h"
#include "tests/unit/scratch.h"

/* Digest of everything the last read gave: a clean run after a failed one must give the same. */
static char *digest;

static gboolean
read_gguf (const char *path,
           GError    **error)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  const gint32 *kinds;
  gsize n;
  guint i;

  if (gguf == NULL)
    return FALSE;

  kinds = descry_gguf_get_ints (gguf, "t.kinds", &n, error);
  if (kinds == NULL)
    return FALSE;
  g_checksum_update (sum, (const guchar *) kinds, (gssize) (n * sizeof *kinds));

  for (i = 0; i < descry_gguf_n_tensors (gguf); i++)
    {
      const DescryGgufTensor *tensor = descry_gguf_tensor (gguf, i);
      gpointer bytes = descry_gguf_read (gguf, tensor, error);
      float *values = bytes != NULL ? descry_gguf_read_f32 (gguf, tensor, error) : NULL;

      if (values != NULL)
        {
          g_checksum_update (sum, bytes, (gssize) tensor->bytes);
          g_checksum_update (sum, (const guchar *) values, (gssize) (tensor->count * sizeof *values));
        }
      descry_free (bytes);
      descry_free (values);
      if (values == NULL)
        return FALSE;
    }

  g_free (digest);
  digest = g_strdup (g_checksum_get_string (sum));
  return TRUE;
}

static gboolean
read_safetensors (const char *path,
                  GError    **error)
{
  g_autoptr (DescrySafetensors) file = descry_safetensors_open (path, error);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint i;

  if (file == NULL)
    return FALSE;

  for (i = 0; i < descry_safetensors_n_tensors (file); i++)
    {
      guint64 n;
      float *values = descry_safetensors_read_f32 (file, descry_safetensors_tensor (file, i)->name, &n, error);

      if (values == NULL)
        return FALSE;
      g_checksum_update (sum, (const guchar *) values, (gssize) (n * sizeof *values));
      descry_free (values);
    }

  g_free (digest);
  digest = g_strdup (g_checksum_get_string (sum));
  return TRUE;
}

static const struct
{
  const char   *folder;
  const char   *name;
  HostileReader read;
} readers[] = {
  { "gguf", "tiny.gguf", read_gguf },
  { "safetensors", "tiny.safetensors", read_safetensors },
};

static char *
corpus (guint i)
{
  return g_build_filename (g_getenv ("G_TEST_SRCDIR"), "fuzz", "corpus", readers[i].folder, readers[i].name, NULL);
}

static void *
count_alloc (size_t size)
{
  return descry_try_alloc (size, 1);
}

static void
test_memory (void)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (readers); i++)
    {
      g_autofree char *path = corpus (i);
      guint n = hostile_memory (readers[i].read, path);

      g_test_message ("%s: %u allocations", readers[i].name, n);
      g_assert_cmpuint (n, >=, 8);
    }

  /* The JSON library's own allocations fail too. */
  json_set_alloc_funcs (count_alloc, descry_free);
  for (i = 0; i < G_N_ELEMENTS (readers); i++)
    {
      g_autofree char *path = corpus (i);

      hostile_memory_any (readers[i].read, path, TRUE);
    }
  json_set_alloc_funcs (malloc, free);
}

/* How the reading hook misbehaves, from call @fault_at on. */
static enum { SHORT, INTERRUPTED, BROKEN, SHRUNK } fault;
static guint fault_at, fault_calls;

static gssize
faulty_read (int      fd,
             gpointer bytes,
             gsize    n,
             guint64  offset)
{
  if (fault == SHORT)
    return pread (fd, bytes, 1, (off_t) offset);

  if (++fault_calls == fault_at || (fault == INTERRUPTED && fault_calls % 2 == 1))
    {
      if (fault == SHRUNK)
        return 0;
      errno = fault == BROKEN ? EIO : EINTR;
      return -1;
    }

  return pread (fd, bytes, n, (off_t) offset);
}

static void
test_reading (void)
{
  const DescryIoHooks hooks = { .read = faulty_read };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (readers); i++)
    {
      g_autofree char *path = corpus (i);
      g_autofree char *clean = NULL;
      g_autoptr (GError) error = NULL;
      guint live = descry_memory_live ();

      g_assert_true (readers[i].read (path, &error));
      clean = g_strdup (digest);

      /* One byte at a time, and every other call interrupted: the same result. */
      descry_io_set_hooks (&hooks);
      for (fault = SHORT; fault <= INTERRUPTED; fault++)
        {
          fault_at = fault_calls = 0;
          g_clear_pointer (&digest, g_free);
          g_assert_true (readers[i].read (path, &error));
          g_assert_cmpstr (digest, ==, clean);
        }

      /* Every call fails once, or finds the file shorter: an error, nothing left, then a clean run. */
      for (fault = BROKEN; fault <= SHRUNK; fault++)
        for (fault_at = 1;; fault_at++)
          {
            gboolean ok;

            fault_calls = 0;
            ok = readers[i].read (path, &error);
            if (fault_calls < fault_at)
              {
                g_assert_true (ok);
                g_assert_cmpuint (fault_at, >, 3);
                break;
              }
            g_assert_false (ok);
            g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
            g_clear_error (&error);
            g_assert_cmpuint (descry_memory_live (), ==, live);

            descry_io_set_hooks (NULL);
            g_assert_true (readers[i].read (path, &error));
            g_assert_cmpstr (digest, ==, clean);
            descry_io_set_hooks (&hooks);
          }
      descry_io_set_hooks (NULL);
      g_assert_cmpuint (descry_memory_live (), ==, live);
    }
}

/* Writers. */

static gboolean
write_gguf (const char *path,
            GError    **error)
{
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  static const DescryBytes words[] = { { "cup", 3 }, { "", 0 } };

  descry_gguf_writer_set_string (writer, "general.architecture", "tiny");
  descry_gguf_writer_set_strings (writer, "t.words", words, 2);
  descry_gguf_writer_add (writer, "a", DESCRY_GGML_F32, 1, (guint64[]) { 3 }, descry_try_alloc (3, 4), 12);
  descry_gguf_writer_add (writer, "b", DESCRY_GGML_F32, 1, (guint64[]) { 5 }, descry_try_alloc (5, 4), 20);
  return descry_gguf_writer_write (writer, path, error);
}

static gboolean
write_safetensors (const char *path,
                   GError    **error)
{
  g_autoptr (DescrySafetensorsWriter) writer = descry_safetensors_writer_new ();
  const float values[5] = { 1, 2, 3, 4, 5 };

  descry_safetensors_writer_add (writer, "a", DESCRY_ST_F32, 1, (guint64[]) { 3 }, values);
  descry_safetensors_writer_add (writer, "b", DESCRY_ST_F32, 1, (guint64[]) { 5 }, values);
  return descry_safetensors_writer_write (writer, path, error);
}

static const HostileReader writers[] = { write_gguf, write_safetensors };

static gssize
faulty_write (int           fd,
              gconstpointer bytes,
              gsize         n)
{
  if (fault == SHORT)
    return write (fd, bytes, 1);

  if (++fault_calls == fault_at || (fault == INTERRUPTED && fault_calls % 2 == 1))
    {
      errno = fault == BROKEN ? ENOSPC : EINTR;
      return -1;
    }

  return write (fd, bytes, n);
}

static int
faulty_sync (int fd)
{
  errno = EIO;
  return -1;
}

static char *
contents_of (const char *path,
             gsize      *n)
{
  g_autoptr (GError) error = NULL;
  char *bytes = NULL;

  g_file_get_contents (path, &bytes, n, &error);
  g_assert_no_error (error);
  return bytes;
}

static void
test_writing (void)
{
  const DescryIoHooks hooks = { .write = faulty_write };
  const DescryIoHooks unsynced = { .sync = faulty_sync };
  g_autofree char *path = scratch_path ("written");
  guint i;

  for (i = 0; i < G_N_ELEMENTS (writers); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *clean = NULL;
      gsize n, n_again;

      g_assert_true (writers[i] (path, &error));
      clean = contents_of (path, &n);

      descry_io_set_hooks (&hooks);
      for (fault = SHORT; fault <= INTERRUPTED; fault++)
        {
          g_autofree char *again = NULL;

          fault_at = fault_calls = 0;
          g_assert_true (writers[i] (path, &error));
          again = contents_of (path, &n_again);
          g_assert_cmpmem (again, n_again, clean, n);
        }

      /* The disk is full at each call once: the file that was there stays, no other is left. */
      fault = BROKEN;
      for (fault_at = 1;; fault_at++)
        {
          g_autofree char *kept = NULL;
          gboolean ok;

          scratch_write (path, "old", 3);
          fault_calls = 0;
          ok = writers[i] (path, &error);
          if (fault_calls < fault_at)
            {
              g_assert_true (ok);
              g_assert_cmpuint (fault_at, >, 3);
              break;
            }
          g_assert_false (ok);
          g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
          g_clear_error (&error);
          kept = contents_of (path, &n_again);
          g_assert_cmpmem (kept, n_again, "old", 3);
          g_assert_cmpuint (scratch_count (), ==, 1);
        }

      scratch_write (path, "old", 3);
      descry_io_set_hooks (&unsynced);
      g_assert_false (writers[i] (path, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
      g_clear_error (&error);
      g_assert_cmpuint (scratch_count (), ==, 1);
      descry_io_set_hooks (NULL);

      /* Memory, and a folder that is not there. */
      g_assert_cmpuint (hostile_memory (writers[i], path), >=, 2);
      g_assert_cmpuint (scratch_count (), ==, 1);
      g_assert_false (writers[i] ("/nonexistent/folder/file", &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_IO);
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/files-faults/memory", test_memory);
  g_test_add_func ("/files-faults/reading", test_reading);
  g_test_add_func ("/files-faults/writing", test_writing);

  status = scratch_run ();
  g_free (digest);
  return status;
}
