/* example-write.c - a set of training pictures is written; features that were known before are taken over
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/example-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "compute/files/io.h"
#include "compute/files/quant.h"
#include "compute/memory.h"

struct _DescryPictureWriter
{
  char         *path;
  char         *features_path;
  int           fd; /* of the features; locked */
  guint64       end; /* of the last whole record */
  guint         channels, row_width;
  GHashTable   *places; /* hex key -> guint64 */
  DescryOutput *list;
};

static gboolean
fail_errno (DescryPictureWriter *writer,
            const char          *what,
            GError             **error)
{
  int code = errno;

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s: %s", writer->features_path, what, g_strerror (code));
  return FALSE;
}

static gboolean
read_at (int      fd,
         guint64  at,
         gpointer bytes,
         gsize    n)
{
  gsize done = 0;

  while (done < n)
    {
      gssize got = pread (fd, (guint8 *) bytes + done, n - done, (off_t) (at + done));

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return FALSE;
      done += (gsize) got;
    }

  return TRUE;
}

static gboolean
write_at (int           fd,
          guint64       at,
          gconstpointer bytes,
          gsize         n)
{
  gsize done = 0;

  while (done < n)
    {
      gssize put = pwrite (fd, (const guint8 *) bytes + done, n - done, (off_t) (at + done));

      if (put < 0 && errno == EINTR)
        continue;
      if (put < 0)
        return FALSE;
      done += (gsize) put;
    }

  return TRUE;
}

static char *
key_text (const guint8 key[32])
{
  GString *text = g_string_sized_new (64);
  guint i;

  for (i = 0; i < 32; i++)
    g_string_append_printf (text, "%02x", key[i]);
  return g_string_free (text, FALSE);
}

static void
remember (DescryPictureWriter *writer,
          char                *key, /* taken */
          guint64              at)
{
  g_hash_table_replace (writer->places, key, g_memdup2 (&at, sizeof at));
}

/* Learns what is there; cuts off what a killed writer left. A file of other widths starts anew. */
static gboolean
scan_features (DescryPictureWriter *writer,
               GError             **error)
{
  guint64 size = (guint64) MAX (lseek (writer->fd, 0, SEEK_END), 0);
  guint8 header[DESCRY_FEATURES_HEADER];
  guint32 widths[2] = { writer->channels, writer->row_width }, found[2] = { 0 };
  DescryFeatureRecord record;

  writer->end = DESCRY_FEATURES_HEADER;
  if (size >= sizeof header && read_at (writer->fd, 0, header, sizeof header))
    memcpy (found, header + 8, sizeof found);
  if (size < sizeof header || memcmp (header, DESCRY_FEATURES_MAGIC, 8) != 0 || found[0] != widths[0] || found[1] != widths[1])
    {
      memcpy (header, DESCRY_FEATURES_MAGIC, 8);
      memcpy (header + 8, widths, sizeof widths);
      if (ftruncate (writer->fd, 0) != 0 || !write_at (writer->fd, 0, header, sizeof header))
        return fail_errno (writer, "cannot be written", error);
      return TRUE;
    }

  while (writer->end + sizeof record <= size && read_at (writer->fd, writer->end, &record, sizeof record))
    {
      gsize n = descry_feature_record_halves (&record, writer->channels, writer->row_width);
      guint64 next = writer->end + sizeof record + n * sizeof (guint16);

      if (n == 0 || next > size)
        break;
      remember (writer, key_text (record.key), writer->end);
      writer->end = next;
    }
  if (writer->end < size && ftruncate (writer->fd, (off_t) writer->end) != 0)
    return fail_errno (writer, "cannot be cut to its whole records", error);

  return TRUE;
}

DescryPictureWriter *
descry_picture_writer_new (const char *path,
                           guint       channels,
                           guint       row_width,
                           GError    **error)
{
  g_autoptr (DescryPictureWriter) writer = g_new0 (DescryPictureWriter, 1);
  g_autofree char *header = NULL;

  writer->fd = -1;
  writer->path = g_strdup (path);
  writer->features_path = g_strconcat (path, ".features", NULL);
  writer->channels = channels;
  writer->row_width = row_width;
  writer->places = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  writer->fd = open (writer->features_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (writer->fd < 0)
    {
      fail_errno (writer, "cannot be opened", error);
      return NULL;
    }
  if (flock (writer->fd, LOCK_EX | LOCK_NB) != 0)
    {
      fail_errno (writer, "another training is writing it", error);
      return NULL;
    }
  if (!scan_features (writer, error))
    return NULL;
  writer->list = descry_output_new (path, error);
  if (writer->list == NULL)
    return NULL;
  header = g_strdup_printf ("{\"descry\":1,\"kind\":\"pictures\",\"channels\":%u,\"row_width\":%u}\n", channels, row_width);
  descry_output_write (writer->list, header, strlen (header));

  return g_steal_pointer (&writer);
}

void
descry_picture_writer_free (DescryPictureWriter *writer)
{
  if (writer == NULL)
    return;

  g_clear_pointer (&writer->list, descry_output_free);
  if (writer->fd >= 0)
    close (writer->fd);
  g_hash_table_unref (writer->places);
  g_free (writer->path);
  g_free (writer->features_path);
  g_free (writer);
}

gboolean
descry_picture_writer_recall (DescryPictureWriter *writer,
                              const char          *key,
                              DescryPicture       *picture)
{
  const guint64 *at = g_hash_table_lookup (writer->places, key);
  DescryFeatureRecord record;
  guint16 *halves;
  gsize n;
  gboolean ok;

  if (at == NULL || !read_at (writer->fd, *at, &record, sizeof record) || record.rows != picture->objects->len)
    return FALSE;
  n = descry_feature_record_halves (&record, writer->channels, writer->row_width);
  halves = n > 0 ? descry_try_alloc (n, sizeof (guint16)) : NULL;
  ok = halves != NULL && read_at (writer->fd, *at + sizeof record, halves, n * sizeof (guint16))
       && descry_picture_features_check (halves, n) == record.check
       && descry_picture_features_unpack (picture, &record, writer->channels, writer->row_width, halves);
  descry_free (halves);
  if (!ok)
    g_hash_table_remove (writer->places, key); /* computed and written once more */

  return ok;
}

static gboolean
write_features (DescryPictureWriter *writer,
                const char          *key,
                const DescryPicture *picture,
                GError             **error)
{
  DescryFeatureRecord record = { .grid_height = picture->grid_height, .grid_width = picture->grid_width, .rows = picture->objects->len };
  const gsize n_grid = (gsize) picture->grid_height * picture->grid_width * writer->channels;
  gsize n = descry_feature_record_halves (&record, writer->channels, writer->row_width), i;
  guint8 *bytes;
  guint16 *halves;
  gboolean ok;

  if (n == 0 || !descry_picture_features_parse_key (key, record.key) || picture->grid == NULL || (picture->rows == NULL && record.rows > 0)
      || picture->channels != writer->channels || (record.rows > 0 && picture->row_width != writer->row_width))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "%s has no features of this set's form", picture->name);
      return FALSE;
    }
  bytes = descry_try_alloc (sizeof record + n * sizeof (guint16), 1);
  if (bytes == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for the features of %s", picture->name);
      return FALSE;
    }
  halves = (guint16 *) (bytes + sizeof record);
  for (i = 0; i < n; i++)
    halves[i] = descry_float_to_half (i < n_grid ? picture->grid[i] : picture->rows[i - n_grid]);
  record.check = descry_picture_features_check (halves, n);
  memcpy (bytes, &record, sizeof record);
  ok = write_at (writer->fd, writer->end, bytes, sizeof record + n * sizeof (guint16)) || fail_errno (writer, "cannot be written", error);
  descry_free (bytes);
  if (ok)
    {
      remember (writer, g_strdup (key), writer->end);
      writer->end += sizeof record + n * sizeof (guint16);
    }

  return ok;
}

gboolean
descry_picture_writer_add (DescryPictureWriter *writer,
                           const char          *key,
                           const DescryPicture *picture,
                           GError             **error)
{
  json_t *json;
  char *text;

  if (!g_hash_table_contains (writer->places, key) && !write_features (writer, key, picture, error))
    return FALSE;

  json = descry_picture_to_json (picture);
  json_object_set_new (json, "key", json_string (key));
  json_object_set_new (json, "at", json_integer ((json_int_t) *(const guint64 *) g_hash_table_lookup (writer->places, key)));
  text = json_dumps (json, JSON_COMPACT | JSON_REAL_PRECISION (7));
  json_decref (json);
  if (text == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "%s: its texts are not UTF-8", picture->name);
      return FALSE;
    }
  descry_output_write (writer->list, text, strlen (text));
  descry_output_write (writer->list, "\n", 1);
  free (text);

  return TRUE;
}

gboolean
descry_picture_writer_commit (DescryPictureWriter *writer,
                              GError             **error)
{
  /* The list must never name features that are not there. */
  if (fsync (writer->fd) != 0)
    return fail_errno (writer, "cannot be written", error);
  return descry_output_commit (writer->list, error);
}
