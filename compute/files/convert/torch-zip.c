/* torch-zip.c - torch's format since 1.6: a zip archive of stored entries
 *
 * Read by our own bounded reader: one disk, no encryption, no compression, the two headers of an
 * entry must agree, entries must not overlap, every check sum is computed. Sizes may be of 64
 * bits (zip64). Entries that are used: PREFIX/data.pkl, PREFIX/data/KEY, PREFIX/byteorder.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-torch"

#include "config.h"

#include <string.h>

#include "compute/files/convert/torch-pickle.h"
#include "compute/files/safetensors-private.h"
#include "compute/memory.h"

#define MAX_ENTRIES 65536
#define MAX_PICKLE (64 << 20)

#define SIGN_LOCAL 0x04034b50
#define SIGN_CENTRAL 0x02014b50
#define SIGN_END 0x06054b50
#define SIGN_END64 0x06064b50
#define SIGN_LOCATOR 0x07064b50

#define FLAG_ENCRYPTED 0x0001
#define FLAG_DESCRIPTOR 0x0008 /* the local header leaves sizes and sum to what follows the data */

typedef struct
{
  const char   *name;
  guint16       flags;
  guint32       crc;
  guint64       size;
  guint64       header; /* where the local header begins */
  guint64       end;    /* one after the last byte of its data */
  const guint8 *data;
} Entry;

typedef struct
{
  DescrySource *source;
  const guint8 *bytes;
  guint64       size;
  Entry        *entries;
  guint         n_entries;
  DescryNames   names;
} Archive;

static guint32
crc32_of (const guint8 *bytes,
          guint64       n)
{
  static guint32 table[256];
  guint32 crc = 0xffffffff;
  guint64 i;
  guint j;

  if (table[1] == 0)
    for (i = 0; i < 256; i++)
      {
        guint32 value = (guint32) i;

        for (j = 0; j < 8; j++)
          value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
        table[i] = value;
      }

  for (i = 0; i < n; i++)
    crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];

  return ~crc;
}

/* Where the list of entries lies, from the record at the end of the file. */
static gboolean
find_directory (Archive *self,
                guint64 *offset,
                guint64 *bytes,
                guint64 *n,
                GError **error)
{
  DescryCursor cursor;
  guint64 at, least = self->size > 65535 + 22 ? self->size - 65535 - 22 : 0;
  guint32 where;

  descry_cursor_init_memory (&cursor, self->bytes, self->size);

  /* The comment after the record may be of any length: it must end where the file ends. */
  for (at = self->size < 22 ? 0 : self->size - 22;; at--)
    {
      if (at < least || self->size < 22)
        return descry_source_fail (self->source, error, "a zip archive without its end");
      if (memcmp (self->bytes + at, "PK\5\6", 4) == 0 && at + 22 + (self->bytes[at + 20] | self->bytes[at + 21] << 8) == self->size)
        break;
      if (at == 0)
        return descry_source_fail (self->source, error, "a zip archive without its end");
    }

  descry_cursor_seek (&cursor, at + 4);
  if (descry_cursor_u32 (&cursor) != 0)
    return descry_source_fail (self->source, error, "a zip archive of several disks");
  descry_cursor_skip (&cursor, 2);
  *n = descry_cursor_u16 (&cursor);
  *bytes = descry_cursor_u32 (&cursor);
  where = descry_cursor_u32 (&cursor);
  *offset = where;
  if (*n != 0xffff && *bytes != 0xffffffff && where != 0xffffffff)
    return TRUE;

  /* Numbers that do not fit: the locator before the record tells where the larger record is. */
  if (at < 20)
    return descry_source_fail (self->source, error, "a zip archive without its 64-bit record");
  descry_cursor_seek (&cursor, at - 20);
  if (descry_cursor_u32 (&cursor) != SIGN_LOCATOR || descry_cursor_u32 (&cursor) != 0)
    return descry_source_fail (self->source, error, "a zip archive without its 64-bit record");
  descry_cursor_seek (&cursor, descry_cursor_u64 (&cursor));
  if (descry_cursor_u32 (&cursor) != SIGN_END64)
    descry_cursor_fail (&cursor, "no 64-bit record of a zip archive");
  descry_cursor_skip (&cursor, 8 + 2 + 2);
  if (descry_cursor_u64 (&cursor) != 0) /* the two disk numbers */
    descry_cursor_fail (&cursor, "a zip archive of several disks");
  descry_cursor_skip (&cursor, 8);
  *n = descry_cursor_u64 (&cursor);
  *bytes = descry_cursor_u64 (&cursor);
  *offset = descry_cursor_u64 (&cursor);
  return descry_cursor_check (&cursor, self->source->path, error);
}

/* 64-bit sizes in the extra fields of an entry; each is there when its 32-bit one is all ones. */
static void
read_extra (DescryCursor *cursor,
            guint64       n,
            Entry        *entry,
            guint64      *packed)
{
  guint64 end = cursor->pos + n;

  if (!descry_cursor_has (cursor, n))
    return;

  while (descry_cursor_ok (cursor) && end - cursor->pos >= 4)
    {
      guint16 id = descry_cursor_u16 (cursor);
      guint16 size = descry_cursor_u16 (cursor);
      guint64 next = cursor->pos + size;

      if (next > end)
        {
          descry_cursor_fail (cursor, "an extra field that is too long");
          return;
        }
      if (id == 1)
        {
          if (entry->size == 0xffffffff && next - cursor->pos >= 8)
            entry->size = descry_cursor_u64 (cursor);
          if (*packed == 0xffffffff && next - cursor->pos >= 8)
            *packed = descry_cursor_u64 (cursor);
          if (entry->header == 0xffffffff && next - cursor->pos >= 8)
            entry->header = descry_cursor_u64 (cursor);
        }
      descry_cursor_seek (cursor, next);
    }

  descry_cursor_seek (cursor, end);
}

static gboolean
read_central (Archive      *self,
              DescryCursor *cursor,
              Entry        *entry,
              GError      **error)
{
  guint16 method, n_name, n_extra, n_comment;
  const guint8 *name;
  guint64 packed;

  if (descry_cursor_u32 (cursor) != SIGN_CENTRAL)
    descry_cursor_fail (cursor, "an entry of the zip archive expected");
  descry_cursor_skip (cursor, 4);
  entry->flags = descry_cursor_u16 (cursor);
  method = descry_cursor_u16 (cursor);
  descry_cursor_skip (cursor, 4);
  entry->crc = descry_cursor_u32 (cursor);
  packed = descry_cursor_u32 (cursor);
  entry->size = descry_cursor_u32 (cursor);
  n_name = descry_cursor_u16 (cursor);
  n_extra = descry_cursor_u16 (cursor);
  n_comment = descry_cursor_u16 (cursor);
  if (descry_cursor_u16 (cursor) != 0)
    descry_cursor_fail (cursor, "a zip archive of several disks");
  descry_cursor_skip (cursor, 6);
  entry->header = descry_cursor_u32 (cursor);
  name = descry_cursor_view (cursor, n_name);
  read_extra (cursor, n_extra, entry, &packed);
  descry_cursor_skip (cursor, n_comment);
  if (!descry_cursor_check (cursor, self->source->path, error))
    return FALSE;

  if (n_name == 0 || n_name > 1024 || !g_utf8_validate_len ((const char *) name, n_name, NULL))
    return descry_source_fail (self->source, error, "the name of a zip entry: 1 to 1024 bytes of UTF-8 text expected");
  entry->name = descry_source_text (self->source, (const char *) name, n_name);
  if (entry->name == NULL)
    return descry_source_fail_memory (self->source, error);

  if (method != 0 || packed != entry->size)
    return descry_source_fail (self->source, error, "entry '%s' is compressed: only stored ones are read", entry->name);
  if (entry->flags & FLAG_ENCRYPTED)
    return descry_source_fail (self->source, error, "entry '%s' is encrypted", entry->name);

  return TRUE;
}

/* The header before the data must say the same as the list at the end. */
static gboolean
read_local (Archive *self,
            Entry   *entry,
            GError **error)
{
  DescryCursor cursor;
  Entry local = { .header = 0 };
  guint64 packed;
  guint16 method, n_name, n_extra;
  const guint8 *name;
  gboolean later;

  descry_cursor_init_memory (&cursor, self->bytes, self->size);
  descry_cursor_seek (&cursor, entry->header);
  if (descry_cursor_u32 (&cursor) != SIGN_LOCAL)
    descry_cursor_fail (&cursor, "the header of a zip entry expected");
  descry_cursor_skip (&cursor, 2);
  local.flags = descry_cursor_u16 (&cursor);
  method = descry_cursor_u16 (&cursor);
  descry_cursor_skip (&cursor, 4);
  local.crc = descry_cursor_u32 (&cursor);
  packed = descry_cursor_u32 (&cursor);
  local.size = descry_cursor_u32 (&cursor);
  n_name = descry_cursor_u16 (&cursor);
  n_extra = descry_cursor_u16 (&cursor);
  name = descry_cursor_view (&cursor, n_name);
  read_extra (&cursor, n_extra, &local, &packed);
  entry->data = descry_cursor_view (&cursor, entry->size);
  if (!descry_cursor_check (&cursor, self->source->path, error))
    return FALSE;

  later = (local.flags & FLAG_DESCRIPTOR) != 0 && local.crc == 0 && local.size == 0 && packed == 0;
  if (method != 0 || local.flags != entry->flags || strlen (entry->name) != n_name || memcmp (entry->name, name, n_name) != 0 ||
      (!later && (local.crc != entry->crc || local.size != entry->size || packed != entry->size)))
    return descry_source_fail (self->source, error, "entry '%s': its two headers disagree", entry->name);

  entry->end = cursor.pos;
  if (crc32_of (entry->data, entry->size) != entry->crc)
    return descry_source_fail (self->source, error, "entry '%s' is damaged: its check sum is another", entry->name);

  return TRUE;
}

static int
by_header (gconstpointer a,
           gconstpointer b)
{
  const Entry *first = a, *second = b;

  return (first->header > second->header) - (first->header < second->header);
}

static gboolean
read_directory (Archive *self,
                GError **error)
{
  guint64 offset = 0, bytes = 0, n = 0;
  DescryCursor cursor;
  guint i;

  if (!find_directory (self, &offset, &bytes, &n, error))
    return FALSE;

  descry_cursor_init_memory (&cursor, self->bytes, self->size);
  descry_cursor_seek (&cursor, offset);
  descry_cursor_has (&cursor, bytes);
  descry_cursor_has_many (&cursor, n, 46);
  if (!descry_cursor_check (&cursor, self->source->path, error))
    return FALSE;
  if (n > MAX_ENTRIES)
    return descry_source_fail (self->source, error, "at most %u entries expected, found %" G_GUINT64_FORMAT, MAX_ENTRIES, n);

  self->entries = descry_try_alloc (n, sizeof *self->entries);
  if (self->entries == NULL)
    return descry_source_fail_memory (self->source, error);

  self->n_entries = (guint) n;
  for (i = 0; i < self->n_entries; i++)
    if (!read_central (self, &cursor, self->entries + i, error))
      return FALSE;
  if (cursor.pos != offset + bytes)
    return descry_source_fail (self->source, error, "the list of zip entries has %" G_GUINT64_FORMAT " bytes, %" G_GUINT64_FORMAT " expected",
                               cursor.pos - offset, bytes);

  /* Overlap first: it keeps the sums below from reading the same bytes many times. */
  qsort (self->entries, self->n_entries, sizeof *self->entries, by_header);
  for (i = 0; i < self->n_entries; i++)
    {
      guint64 least, next = i + 1 < self->n_entries ? self->entries[i + 1].header : offset;

      if (!g_uint64_checked_add (&least, self->entries[i].header, self->entries[i].size) || least > next)
        return descry_source_fail (self->source, error, "entry '%s' overlaps another", self->entries[i].name);
      if (!read_local (self, self->entries + i, error))
        return FALSE;
      if (self->entries[i].end > next)
        return descry_source_fail (self->source, error, "entry '%s' overlaps another", self->entries[i].name);
    }

  if (!descry_names_init (&self->names, self->entries, sizeof *self->entries, self->n_entries))
    return descry_source_fail_memory (self->source, error);
  for (i = 0; i < self->n_entries; i++)
    if (!descry_names_add (&self->names, i))
      return descry_source_fail (self->source, error, "entry '%s' is there twice", self->entries[i].name);

  return TRUE;
}

static const Entry *
find_entry (Archive    *self,
            const char *prefix,
            const char *name)
{
  g_autofree char *full = g_strconcat (prefix, name, NULL);
  int i = descry_names_find (&self->names, full);

  return i >= 0 ? self->entries + i : NULL;
}

/* The one pickle of tensors; its folder is the prefix of everything else. */
static const Entry *
find_pickle (Archive *self,
             char   **prefix,
             GError **error)
{
  const Entry *found = NULL;
  guint i;

  for (i = 0; i < self->n_entries; i++)
    {
      const Entry *entry = self->entries + i;

      if (g_str_has_suffix (entry->name, "/constants.pkl") || strstr (entry->name, "/code/") != NULL)
        {
          descry_source_fail (self->source, error, "a TorchScript archive (it holds '%s'): a program, not a file of tensors", entry->name);
          return NULL;
        }
      if (!g_str_has_suffix (entry->name, "/data.pkl"))
        continue;
      if (found != NULL)
        {
          descry_source_fail (self->source, error, "one data.pkl expected, found '%s' and '%s'", found->name, entry->name);
          return NULL;
        }
      found = entry;
    }

  if (found == NULL)
    descry_source_fail (self->source, error, "a zip archive, but not a file of torch: no data.pkl");
  else if (found->size > MAX_PICKLE)
    {
      descry_source_fail (self->source, error, "entry '%s': at most %u bytes expected", found->name, MAX_PICKLE);
      found = NULL;
    }
  else
    *prefix = g_strndup (found->name, strlen (found->name) - strlen ("data.pkl"));

  return found;
}

static gboolean
place_storages (Archive           *self,
                DescryTorchPickle *pickle,
                const char        *prefix,
                GError           **error)
{
  guint i;

  for (i = 0; i < pickle->n_storages; i++)
    {
      DescryTorchStorage *storage = pickle->storages + i;
      g_autofree char *name = g_strconcat ("data/", storage->key, NULL);
      const Entry *entry = find_entry (self, prefix, name);
      guint64 bytes;

      if (entry == NULL)
        return descry_source_fail (self->source, error, "storage '%s' is missing", storage->key);
      if (!g_uint64_checked_mul (&bytes, storage->numel, descry_st_bytes (storage->type)) || bytes != entry->size)
        return descry_source_fail (self->source, error, "storage '%s': %" G_GUINT64_FORMAT " elements of %s expected, found %" G_GUINT64_FORMAT " bytes",
                                   storage->key, storage->numel, descry_st_name (storage->type), entry->size);
      storage->data = entry->data;
    }

  return TRUE;
}

static gboolean
read_all (Archive           *self,
          DescryTorchPickle *pickle,
          GError           **error)
{
  g_autofree char *prefix = NULL;
  DescryPickleValue root;
  const Entry *entry, *order;
  DescryCursor cursor;

  if (!read_directory (self, error))
    return FALSE;

  entry = find_pickle (self, &prefix, error);
  if (entry == NULL)
    return FALSE;

  order = find_entry (self, prefix, "byteorder");
  if (order != NULL && (order->size != 6 || memcmp (order->data, "little", 6) != 0))
    return descry_source_fail (self->source, error, "written on a little-endian machine expected");

  descry_cursor_init_memory (&cursor, entry->data, entry->size);
  if (!descry_pickle_run (&pickle->pickle, &cursor, &root, error))
    return FALSE;
  if (descry_cursor_remaining (&cursor) != 0)
    return descry_source_fail (self->source, error, "bytes after the end of the pickle");

  return place_storages (self, pickle, prefix, error) && descry_torch_pickle_export (pickle, &root, self->size, error);
}

gboolean
descry_source_read_torch_zip (DescrySource *self,
                              const guint8 *bytes,
                              gsize         size,
                              GError      **error)
{
  Archive archive = { .source = self, .bytes = bytes, .size = size };
  DescryTorchPickle pickle;
  gboolean ok;

  self->format = "torch zip";
  descry_torch_pickle_init (&pickle, self);
  ok = read_all (&archive, &pickle, error);

  descry_torch_pickle_clear (&pickle);
  descry_names_clear (&archive.names);
  descry_free (archive.entries);
  return ok;
}
