/* bundle.c - which networks fill the slots: bundle.json
 *
 * {"descry": 1, "name": "compact", "title": "…", "scene_text": "short" | "paper" | "off",
 *  "slots": {"tagger": [{"file", "title", "licence", "source", "sha256", "size"}], …},
 *  "missing": {"connector": "why"}}
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-bundle"

#include "config.h"

#include "compute/lyrics/bundle.h"
#include "compute/lyrics/bundle-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "compute/lyrics/json.h"

#define MAX_JSON_BYTES (1024 * 1024)
#define MAX_FILES      16 /* in one slot */
#define MAX_FILE_BYTES ((double) G_GINT64_CONSTANT (0x10000000000)) /* 1 TiB */

static const char *slot_names[DESCRY_N_SLOTS] = { "tagger", "detector", "segmenter", "encoder", "connector", "llm" };
static const char *text_names[] = { "short", "paper", "off" };

const char *
descry_slot_name (DescrySlot slot)
{
  g_return_val_if_fail ((guint) slot < DESCRY_N_SLOTS, NULL);

  return slot_names[slot];
}

const char *
descry_scene_text_name (DescrySceneText kind)
{
  g_return_val_if_fail ((guint) kind < G_N_ELEMENTS (text_names), NULL);

  return text_names[kind];
}

void
descry_bundle_file_free (DescryBundleFile *file)
{
  if (file == NULL)
    return;

  g_free (file->file);
  g_free (file->path);
  g_free (file->title);
  g_free (file->licence);
  g_free (file->source);
  g_free (file->sha256);
  g_free (file);
}

DescryBundleFile *
descry_bundle_file_copy (const DescryBundleFile *file)
{
  DescryBundleFile *copy = g_new (DescryBundleFile, 1);

  *copy = *file;
  copy->file = g_strdup (file->file);
  copy->path = g_strdup (file->path);
  copy->title = g_strdup (file->title);
  copy->licence = g_strdup (file->licence);
  copy->source = g_strdup (file->source);
  copy->sha256 = g_strdup (file->sha256);

  return copy;
}

void
descry_bundle_free (DescryBundle *bundle)
{
  guint i;

  if (bundle == NULL)
    return;

  g_free (bundle->path);
  g_free (bundle->name);
  g_free (bundle->title);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      g_clear_pointer (&bundle->slots[i], g_ptr_array_unref);
      g_free (bundle->missing[i]);
    }
  g_free (bundle);
}

char *
descry_bundle_folder (void)
{
  return g_build_filename (g_get_user_data_dir (), "descry", "bundles", NULL);
}

/* A name in the same folder and nothing else: no way out by "..", "/" or a leading dot. */
gboolean
descry_bundle_is_plain_name (const char *name)
{
  const char *c;

  if (*name == '\0' || *name == '.' || strlen (name) > 200)
    return FALSE;
  for (c = name; *c != '\0'; c++)
    if (*c == '/' || *c == '\\' || g_ascii_iscntrl (*c))
      return FALSE;

  return TRUE;
}

static gboolean
is_sha256 (const char *text)
{
  return strlen (text) == 64 && strspn (text, "0123456789abcdef") == 64;
}

/* A link may point to a file of the same folder only. */
static gboolean
stays_inside (const char *folder,
              const char *path)
{
  g_autofree char *real_folder = NULL, *real_path = NULL, *parent = NULL;
  char *resolved;

  resolved = realpath (folder, NULL);
  real_folder = g_strdup (resolved);
  free (resolved);
  resolved = realpath (path, NULL);
  real_path = g_strdup (resolved);
  free (resolved);
  if (real_folder == NULL || real_path == NULL)
    return FALSE;

  parent = g_path_get_dirname (real_path);
  return strcmp (parent, real_folder) == 0;
}

/* Looks at the file; what is wrong with it becomes the slot's reason. */
static void
check_file (DescryBundle     *bundle,
            DescrySlot        slot,
            DescryBundleFile *file)
{
  g_autofree char *reason = NULL;
  struct stat info;

  if (stat (file->path, &info) != 0)
    reason = g_strdup_printf ("%s is not there", file->file);
  else if (!S_ISREG (info.st_mode))
    reason = g_strdup_printf ("%s is not a regular file", file->file);
  else if (!stays_inside (bundle->path, file->path))
    reason = g_strdup_printf ("%s leads out of the bundle's folder", file->file);
  else if ((guint64) info.st_size != file->size)
    reason = g_strdup_printf ("%s has %" G_GUINT64_FORMAT " bytes, expected %" G_GUINT64_FORMAT,
                              file->file, (guint64) info.st_size, file->size);

  file->present = reason == NULL;
  if (reason != NULL && bundle->missing[slot] == NULL)
    bundle->missing[slot] = g_steal_pointer (&reason);
}

static DescryBundleFile *
read_file (DescryBundle *bundle,
           json_t       *json,
           GError      **error)
{
  DescryBundleFile *file;
  const char *name, *sha256;
  double size;

  name = descry_json_get_string (json, "file", error);
  if (name == NULL)
    return NULL;
  if (!descry_bundle_is_plain_name (name))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "\"file\": expected a plain file name, found \"%s\"", name);
      return NULL;
    }
  sha256 = descry_json_get_string (json, "sha256", error);
  if (sha256 == NULL)
    return NULL;
  if (!is_sha256 (sha256))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "\"sha256\" of %s: expected 64 hexadecimal digits", name);
      return NULL;
    }
  if (!descry_json_get_number (json, "size", 1, MAX_FILE_BYTES, &size, error))
    return NULL;

  file = g_new0 (DescryBundleFile, 1);
  file->file = g_strdup (name);
  file->path = g_build_filename (bundle->path, name, NULL);
  file->sha256 = g_strdup (sha256);
  file->size = (guint64) json_number_value (json_object_get (json, "size"));
  name = json_string_value (json_object_get (json, "title"));
  file->title = g_strdup (name != NULL ? name : file->file);
  name = json_string_value (json_object_get (json, "licence"));
  file->licence = g_strdup (name != NULL ? name : "");
  name = json_string_value (json_object_get (json, "source"));
  file->source = g_strdup (name != NULL ? name : "");

  return file;
}

static gboolean
read_slot (DescryBundle *bundle,
           DescrySlot    slot,
           json_t       *list,
           GError      **error)
{
  json_t *member;
  size_t i;

  if (list != NULL && !json_is_array (list))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "slot \"%s\": expected a list of files", slot_names[slot]);
      return FALSE;
    }
  if (json_array_size (list) > MAX_FILES)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "slot \"%s\": more than %d files", slot_names[slot], MAX_FILES);
      return FALSE;
    }

  json_array_foreach (list, i, member)
    {
      DescryBundleFile *file = read_file (bundle, member, error);

      if (file == NULL)
        {
          g_prefix_error (error, "slot \"%s\": ", slot_names[slot]);
          return FALSE;
        }
      g_ptr_array_add (bundle->slots[slot], file);
    }

  return TRUE;
}

static gboolean
read_bundle (DescryBundle *bundle,
             json_t       *json,
             GError      **error)
{
  json_t *slots = json_object_get (json, "slots"), *missing = json_object_get (json, "missing");
  const char *text;
  double version;
  guint i, j;

  if (!json_is_object (json))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "expected a JSON object");
      return FALSE;
    }
  if (!descry_json_get_number (json, "descry", 1, 1, &version, error))
    return FALSE;
  if (!json_is_object (slots))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "\"slots\": expected an object");
      return FALSE;
    }

  text = json_string_value (json_object_get (json, "name"));
  bundle->name = text != NULL && descry_bundle_is_plain_name (text) ? g_strdup (text) : g_path_get_basename (bundle->path);
  text = json_string_value (json_object_get (json, "title"));
  bundle->title = g_strdup (text != NULL ? text : bundle->name);

  text = json_string_value (json_object_get (json, "scene_text"));
  for (i = 0; text != NULL; i++)
    {
      if (i == G_N_ELEMENTS (text_names))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "\"scene_text\": expected short, paper or off, found \"%s\"", text);
          return FALSE;
        }
      if (strcmp (text, text_names[i]) == 0)
        {
          bundle->scene_text = i;
          break;
        }
    }

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      if (!read_slot (bundle, i, json_object_get (slots, slot_names[i]), error))
        return FALSE;

      text = json_string_value (json_object_get (missing, slot_names[i]));
      if (bundle->slots[i]->len == 0)
        bundle->missing[i] = g_strdup (text != NULL ? text : "no network is installed for it");
      for (j = 0; j < bundle->slots[i]->len; j++)
        check_file (bundle, i, g_ptr_array_index (bundle->slots[i], j));
    }

  return TRUE;
}

static DescryBundle *
open_folder (const char *path,
             GError    **error)
{
  g_autoptr (DescryBundle) bundle = g_new0 (DescryBundle, 1);
  g_autoptr (json_t) json = NULL;
  g_autofree char *file = g_build_filename (path, "bundle.json", NULL);
  GError *problem = NULL;
  guint i;

  bundle->path = g_canonicalize_filename (path, NULL);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    bundle->slots[i] = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_bundle_file_free);

  json = descry_files_json_load (file, MAX_JSON_BYTES, DESCRY_JSON_DEPTH, &problem);
  if (json != NULL && !read_bundle (bundle, json, &problem))
    g_prefix_error (&problem, "%s: ", file);
  if (problem != NULL)
    {
      /* Whatever is wrong with it, what a person can act on is the bundle. */
      g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, problem->message);
      g_error_free (problem);
      return NULL;
    }

  return g_steal_pointer (&bundle);
}

DescryBundle *
descry_bundle_open (const char *name,
                    GError    **error)
{
  g_autofree char *user = NULL, *user_path = NULL, *installed = NULL;
  const char *places[2];
  guint i;

  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (name == NULL)
    name = "compact";
  if (strchr (name, '/') != NULL || !descry_bundle_is_plain_name (name))
    {
      if (g_file_test (name, G_FILE_TEST_IS_DIR))
        return open_folder (name, error);
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING, "%s: there is no such folder", name);
      return NULL;
    }

  user = descry_bundle_folder ();
  user_path = g_build_filename (user, name, NULL);
  installed = g_build_filename (DESCRY_DATADIR, "bundles", name, NULL);
  places[0] = user_path;
  places[1] = installed;
  for (i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *file = g_build_filename (places[i], "bundle.json", NULL);

      if (g_file_test (file, G_FILE_TEST_EXISTS))
        return open_folder (places[i], error);
    }

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING, "there is no bundle \"%s\" in %s or %s", name, user, DESCRY_DATADIR "/bundles");
  return NULL;
}

/* The remembered hash of a file that has not been touched since: a file in the cache folder named after
 * what identifies the file, holding the hash. (transfer full) */
static char *
make_memory_path (const struct stat *info)
{
  g_autofree char *name = g_strdup_printf ("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x-%lx-%" G_GINT64_MODIFIER "x",
                                           (guint64) info->st_dev, (guint64) info->st_ino, (guint64) info->st_mtim.tv_sec,
                                           info->st_mtim.tv_nsec, (guint64) info->st_size);

  return g_build_filename (g_get_user_cache_dir (), "descry", "verified", name, NULL);
}

static char *
hash_file (int                  fd,
           const char          *path,
           guint64              size,
           DescryBundleProgress progress,
           gpointer             data,
           GCancellable        *cancellable,
           GError             **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guint8 *bytes = g_malloc (1 << 18);
  guint64 done = 0;
  gssize n;

  for (;;)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return NULL;
      n = read (fd, bytes, 1 << 18);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", path, g_strerror (errno));
          return NULL;
        }
      if (n == 0)
        break;
      g_checksum_update (checksum, bytes, n);
      done += n;
      if (progress != NULL)
        progress (done < size ? (double) done / size : 1.0, data);
    }

  return g_strdup (g_checksum_get_string (checksum));
}

DescryHashState
descry_bundle_hash_state (const DescryBundleFile *file)
{
  g_autofree char *memory = NULL, *found = NULL;
  struct stat info;

  g_return_val_if_fail (file != NULL, DESCRY_HASH_UNKNOWN);

  if (stat (file->path, &info) != 0)
    return DESCRY_HASH_UNKNOWN;
  memory = make_memory_path (&info);
  if (!g_file_get_contents (memory, &found, NULL, NULL) || !is_sha256 (found))
    return DESCRY_HASH_UNKNOWN;

  return strcmp (found, file->sha256) == 0 ? DESCRY_HASH_RIGHT : DESCRY_HASH_WRONG;
}

gboolean
descry_bundle_verify (DescryBundle     *bundle,
                      DescryBundleFile *file,
                      GCancellable     *cancellable,
                      GError          **error)
{
  return descry_bundle_verify_watched (bundle, file, NULL, NULL, cancellable, error);
}

gboolean
descry_bundle_verify_watched (DescryBundle        *bundle,
                              DescryBundleFile    *file,
                              DescryBundleProgress progress,
                              gpointer             data,
                              GCancellable        *cancellable,
                              GError             **error)
{
  g_autofree char *memory = NULL, *found = NULL;
  struct stat info, after;
  int fd;

  g_return_val_if_fail (bundle != NULL && file != NULL, FALSE);

  fd = g_open (file->path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0 || fstat (fd, &info) != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING, "%s: %s", file->path, g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return FALSE;
    }

  memory = make_memory_path (&info);
  if (!g_file_get_contents (memory, &found, NULL, NULL) || !is_sha256 (found))
    {
      g_free (found);
      found = hash_file (fd, file->path, file->size, progress, data, cancellable, error);
      /* Remembered only if nobody wrote meanwhile; not being able to remember costs time, nothing else. */
      if (found != NULL && fstat (fd, &after) == 0 && after.st_size == info.st_size
          && after.st_mtim.tv_sec == info.st_mtim.tv_sec && after.st_mtim.tv_nsec == info.st_mtim.tv_nsec)
        {
          g_autofree char *folder = g_path_get_dirname (memory);

          if (g_mkdir_with_parents (folder, 0700) == 0)
            g_file_set_contents (memory, found, -1, NULL);
        }
    }
  close (fd);
  if (found == NULL)
    return FALSE;

  if (strcmp (found, file->sha256) != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: its SHA-256 is %s, expected %s", file->path, found, file->sha256);
      return FALSE;
    }

  return TRUE;
}
