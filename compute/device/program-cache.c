/* program-cache.c - compiled programs kept on disk
 *
 * File: magic, format version, payload length, SHA-256 of the payload, payload. The name is the
 * SHA-256 of everything the binary depends on. Binaries are the driver's and are run by it, so the
 * folder is the user's alone and every byte is checked before the driver sees it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-device"

#include "config.h"

#include "compute/device/program-cache.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define MAGIC "DESCRYCL"
#define FORMAT 1u
#define DIGEST 32
#define MAX_BYTES (64u << 20) /* of the whole folder */

typedef struct
{
  char    magic[8];
  guint32 format;
  guint32 reserved;
  guint64 length;
  guint8  digest[DIGEST];
} Header;

G_STATIC_ASSERT (sizeof (Header) == 56);

gboolean
descry_program_cache_wanted (const DescryDeviceInfo *info)
{
  return strcmp (info->platform, "Portable Computing Language") != 0;
}

static char *
folder (void)
{
  return g_build_filename (g_get_user_cache_dir (), "descry", "programs", NULL);
}

static char *
file_name (const DescryDeviceInfo *info,
           const char             *source,
           const char             *options)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  const char *parts[] = { source, options, info->platform, info->name, info->driver, info->version, DESCRY_VERSION };
  g_autofree char *dir = folder ();
  guint i;

  for (i = 0; i < G_N_ELEMENTS (parts); i++)
    g_checksum_update (sum, (const guchar *) parts[i], strlen (parts[i]) + 1); /* the NUL parts them */

  return g_build_filename (dir, g_checksum_get_string (sum), NULL);
}

static void
digest_of (const guint8 *data,
           gsize         length,
           guint8        digest[DIGEST])
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize size = DIGEST;

  g_checksum_update (sum, data, length);
  g_checksum_get_digest (sum, digest, &size);
}

cl_program
descry_program_cache_load (DescryDevice *device,
                           const char   *source,
                           const char   *options)
{
  const DescryDeviceInfo *info = descry_device_info (device);
  g_autofree char *path = file_name (info, source, options);
  g_autofree char *data = NULL;
  const unsigned char *payload;
  guint8 digest[DIGEST];
  cl_program program;
  cl_int code, status;
  Header header;
  gsize length;

  if (!g_file_get_contents (path, &data, &length, NULL))
    return NULL;

  if (length < sizeof header)
    goto bad;
  memcpy (&header, data, sizeof header);
  if (memcmp (header.magic, MAGIC, 8) != 0 || header.format != FORMAT || header.length != length - sizeof header)
    goto bad;
  payload = (const unsigned char *) data + sizeof header;
  length -= sizeof header;
  digest_of (payload, length, digest);
  if (memcmp (digest, header.digest, DIGEST) != 0)
    goto bad;

  program = clCreateProgramWithBinary (descry_device_context (device), 1, &info->device_id, &length, &payload, &status, &code);
  if (code != CL_SUCCESS)
    goto bad;
  if (status != CL_SUCCESS || clBuildProgram (program, 1, &info->device_id, options, NULL, NULL) != CL_SUCCESS)
    {
      clReleaseProgram (program);
      goto bad;
    }

  return program;

bad:
  g_debug ("%s does not load and is removed", path);
  g_unlink (path);
  return NULL;
}

typedef struct
{
  char   *path;
  guint64 bytes;
  gint64  used;
} Entry;

static void
free_entry (gpointer data)
{
  Entry *entry = data;

  g_free (entry->path);
  g_free (entry);
}

static int
compare_age (gconstpointer a,
             gconstpointer b)
{
  const Entry *left = *(Entry *const *) a;
  const Entry *right = *(Entry *const *) b;

  return left->used < right->used ? -1 : left->used > right->used;
}

/* The oldest files go until the folder is small enough. */
static void
shrink (const char *dir_name)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (free_entry);
  g_autoptr (GDir) dir = g_dir_open (dir_name, 0, NULL);
  guint64 total = 0;
  const char *name;
  guint i;

  if (dir == NULL)
    return;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      Entry *entry = g_new0 (Entry, 1);
      GStatBuf info;

      entry->path = g_build_filename (dir_name, name, NULL);
      if (g_lstat (entry->path, &info) == 0)
        {
          entry->bytes = info.st_size;
          entry->used = info.st_mtime;
        }
      total += entry->bytes;
      g_ptr_array_add (entries, entry);
    }

  g_ptr_array_sort (entries, compare_age);
  for (i = 0; i < entries->len && total > MAX_BYTES; i++)
    {
      Entry *entry = g_ptr_array_index (entries, i);

      total -= entry->bytes;
      g_unlink (entry->path);
    }
}

void
descry_program_cache_store (DescryDevice *device,
                            const char   *source,
                            const char   *options,
                            cl_program    program)
{
  const DescryDeviceInfo *info = descry_device_info (device);
  g_autofree char *path = file_name (info, source, options);
  g_autofree char *dir = folder ();
  g_autofree guint8 *file = NULL;
  unsigned char *payload;
  Header header = { .magic = { 'D', 'E', 'S', 'C', 'R', 'Y', 'C', 'L' }, .format = FORMAT };
  gsize length = 0;

  if (clGetProgramInfo (program, CL_PROGRAM_BINARY_SIZES, sizeof length, &length, NULL) != CL_SUCCESS
      || length == 0 || length > MAX_BYTES / 2)
    return;
  file = g_try_malloc (sizeof header + length);
  if (file == NULL)
    return;
  payload = file + sizeof header;
  if (clGetProgramInfo (program, CL_PROGRAM_BINARIES, sizeof payload, &payload, NULL) != CL_SUCCESS)
    return;

  header.length = length;
  digest_of (payload, length, header.digest);
  memcpy (file, &header, sizeof header);

  if (g_mkdir_with_parents (dir, 0700) != 0)
    return;
  /* Temporary name, sync, rename. */
  if (g_file_set_contents_full (path, (const char *) file, sizeof header + length,
                                G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, NULL))
    shrink (dir);
}
