/* bundle-edit.c - changing a bundle: a network comes in, another goes
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-bundle"

#include "config.h"

#include "compute/lyrics/bundle.h"
#include "compute/lyrics/bundle-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <glib/gstdio.h>

#include "compute/files/gguf.h"
#include "compute/lyrics/json.h"
#include "compute/models/llama-adapter.h"

static json_t *
make_file (const DescryBundleFile *file)
{
  json_t *json = json_object ();

  json_object_set_new (json, "file", json_string (file->file));
  json_object_set_new (json, "title", json_string (file->title));
  json_object_set_new (json, "licence", json_string (file->licence));
  json_object_set_new (json, "source", json_string (file->source));
  json_object_set_new (json, "sha256", json_string (file->sha256));
  json_object_set_new (json, "size", json_integer ((json_int_t) file->size));

  return json;
}

/* A new bundle.json takes the old one's place in one step. */
static gboolean
write_bundle (DescryBundle *bundle,
              GError      **error)
{
  g_autofree char *path = g_build_filename (bundle->path, "bundle.json", NULL);
  g_autoptr (json_t) json = json_object ();
  json_t *slots = json_object (), *missing = json_object ();
  GError *problem = NULL;
  char *text;
  guint i, j;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      json_t *list = json_array ();

      for (j = 0; j < bundle->slots[i]->len; j++)
        json_array_append_new (list, make_file (g_ptr_array_index (bundle->slots[i], j)));
      json_object_set_new (slots, descry_slot_name (i), list);
      if (bundle->slots[i]->len == 0 && bundle->missing[i] != NULL)
        json_object_set_new (missing, descry_slot_name (i), json_string (bundle->missing[i]));
    }
  json_object_set_new (json, "descry", json_integer (1));
  json_object_set_new (json, "name", json_string (bundle->name));
  json_object_set_new (json, "title", json_string (bundle->title));
  json_object_set_new (json, "scene_text", json_string (descry_scene_text_name (bundle->scene_text)));
  json_object_set_new (json, "slots", slots);
  json_object_set_new (json, "missing", missing);

  text = json_dumps (json, JSON_INDENT (2));
  if (!g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, &problem))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", path, problem->message);
      g_error_free (problem);
    }
  free (text);

  return problem == NULL;
}

static gboolean
is_used (DescryBundle *bundle,
         const char   *name)
{
  guint i, j;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    for (j = 0; j < bundle->slots[i]->len; j++)
      if (strcmp (((DescryBundleFile *) g_ptr_array_index (bundle->slots[i], j))->file, name) == 0)
        return TRUE;

  return FALSE;
}

/* Copies and hashes in one pass, to a temporary name first. */
static gboolean
copy_in (const char *from,
         const char *to,
         char      **sha256,
         guint64    *size,
         GError    **error)
{
  g_autoptr (GFile) source = g_file_new_for_path (from);
  g_autoptr (GFile) target = g_file_new_for_path (to);
  g_autoptr (GFileInputStream) in = g_file_read (source, NULL, error);
  g_autoptr (GFileOutputStream) out = NULL;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guint8 *bytes = g_malloc (1 << 18);
  gssize n;

  if (in == NULL)
    return FALSE;
  out = g_file_replace (target, NULL, FALSE, G_FILE_CREATE_REPLACE_DESTINATION, NULL, error);
  if (out == NULL)
    return FALSE;

  *size = 0;
  while ((n = g_input_stream_read (G_INPUT_STREAM (in), bytes, 1 << 18, NULL, error)) > 0)
    {
      g_checksum_update (checksum, bytes, n);
      if (!g_output_stream_write_all (G_OUTPUT_STREAM (out), bytes, n, NULL, NULL, error))
        {
          n = -1;
          break;
        }
      *size += n;
    }
  if (n < 0 || !g_output_stream_close (G_OUTPUT_STREAM (out), NULL, error))
    {
      g_autoptr (GCancellable) cancelled = g_cancellable_new ();

      /* Closing a cancelled replacement throws it away and keeps what was there. */
      g_cancellable_cancel (cancelled);
      g_output_stream_close (G_OUTPUT_STREAM (out), cancelled, NULL);
      return FALSE;
    }

  *sha256 = g_strdup (g_checksum_get_string (checksum));
  return TRUE;
}

const char *const *
descry_bundle_architectures (DescrySlot slot)
{
  /* What the loaders take. */
  static const char *const known[DESCRY_N_SLOTS][6] = {
    [DESCRY_SLOT_TAGGER] = { "efficientnet-lite" },
    [DESCRY_SLOT_DETECTOR] = { "nanodet", "centernet" },
    [DESCRY_SLOT_SEGMENTER] = { "isnet" },
    [DESCRY_SLOT_ENCODER] = { "efficientnet-lite" },
    [DESCRY_SLOT_CONNECTOR] = { "mq-former" },
    [DESCRY_SLOT_LLM] = { "llama", "qwen2", "qwen3", "smollm3" },
  };

  g_return_val_if_fail ((guint) slot < DESCRY_N_SLOTS, NULL);

  return known[slot];
}

gboolean
descry_bundle_fits (DescrySlot   slot,
                    const char  *path,
                    GError     **error)
{
  const char *const *known;
  g_autoptr (DescryGguf) gguf = NULL;
  g_autofree char *expected = NULL;
  const char *found;

  g_return_val_if_fail ((guint) slot < DESCRY_N_SLOTS && path != NULL, FALSE);

  known = descry_bundle_architectures (slot);
  gguf = descry_gguf_open (path, error);
  found = gguf != NULL ? descry_gguf_get_string (gguf, "general.architecture", error) : NULL;
  if (found == NULL)
    return FALSE;
  if (slot != DESCRY_SLOT_LLM && descry_adapter_is (gguf))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: expected a whole network, found an adapter to a language model", path);
      return FALSE;
    }
  if (g_strv_contains (known, found))
    return TRUE;

  expected = g_strjoinv (", ", (char **) known);
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: general.architecture of a %s: expected %s, found %s",
               path, descry_slot_name (slot), expected, found);
  return FALSE;
}

DescryBundle *
descry_bundle_create (const char *name,
                      GError    **error)
{
  g_autoptr (DescryBundle) bundle = g_new0 (DescryBundle, 1);
  g_autofree char *folder = descry_bundle_folder (), *file = NULL;
  guint i;

  if (name == NULL)
    name = "compact";
  if (strchr (name, '/') != NULL || !descry_bundle_is_plain_name (name))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s: not a name for a bundle", name);
      return NULL;
    }

  bundle->path = g_build_filename (folder, name, NULL);
  file = g_build_filename (bundle->path, "bundle.json", NULL);
  if (g_file_test (file, G_FILE_TEST_EXISTS))
    return descry_bundle_open (bundle->path, error);
  if (g_mkdir_with_parents (bundle->path, 0755) != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", bundle->path, g_strerror (errno));
      return NULL;
    }

  bundle->name = g_strdup (name);
  bundle->title = g_strdup (name);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    bundle->slots[i] = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_bundle_file_free);
  if (!write_bundle (bundle, error))
    return NULL;

  /* Read back: the reasons of the empty slots come with it. */
  return descry_bundle_open (bundle->path, error);
}

static gboolean
is_adapter (const char *path)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, NULL);

  return gguf != NULL && descry_adapter_is (gguf);
}

/* What stays of @old when @file comes: nothing, but a language model stays for adapters to it. */
static GPtrArray *
make_slot (GPtrArray        *old,
           DescryBundleFile *file, /* taken */
           gboolean          adapter)
{
  GPtrArray *files = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_bundle_file_free);
  guint i;

  for (i = 0; adapter && i < old->len; i++)
    {
      const DescryBundleFile *left = g_ptr_array_index (old, i);

      if (!is_adapter (left->path))
        g_ptr_array_add (files, descry_bundle_file_copy (left));
    }
  g_ptr_array_add (files, file);

  return files;
}

gboolean
descry_bundle_add (DescryBundle *bundle,
                   DescrySlot    slot,
                   const char   *path,
                   GError      **error)
{
  g_autoptr (DescryGguf) gguf = NULL;
  g_autoptr (GPtrArray) old = NULL;
  g_autofree char *real_from = NULL, *old_missing = NULL;
  DescryBundleFile *file;
  const char *text;
  GError *problem = NULL;
  gboolean adapter;
  guint i;

  g_return_val_if_fail (bundle != NULL && (guint) slot < DESCRY_N_SLOTS && path != NULL, FALSE);

  /* Damaged files are refused before anything is changed. */
  gguf = descry_gguf_open (path, error);
  if (gguf == NULL)
    return FALSE;
  adapter = slot == DESCRY_SLOT_LLM && descry_adapter_is (gguf);
  if (adapter && bundle->slots[slot]->len == 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s: adapters need a language model to be merged into; add that first", path);
      return FALSE;
    }

  file = g_new0 (DescryBundleFile, 1);
  file->file = g_path_get_basename (path);
  if (!descry_bundle_is_plain_name (file->file))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s: not a name for a file of a bundle", file->file);
      descry_bundle_file_free (file);
      return FALSE;
    }
  file->path = g_build_filename (bundle->path, file->file, NULL);
  real_from = g_canonicalize_filename (path, NULL);
  if (is_used (bundle, file->file) || strcmp (real_from, file->path) == 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s: a file of this name is in the bundle already; remove it or choose another name", file->file);
      descry_bundle_file_free (file);
      return FALSE;
    }
  text = descry_gguf_has (gguf, "general.name") ? descry_gguf_get_string (gguf, "general.name", NULL) : NULL;
  file->title = g_strdup (text != NULL ? text : file->file);
  text = descry_gguf_has (gguf, "general.license") ? descry_gguf_get_string (gguf, "general.license", NULL) : NULL;
  file->licence = g_strdup (text != NULL ? text : "");
  file->source = g_strdup ("added by hand");

  if (!copy_in (path, file->path, &file->sha256, &file->size, &problem))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", file->path, problem->message);
      g_error_free (problem);
      descry_bundle_file_free (file);
      return FALSE;
    }
  file->present = TRUE;

  old = bundle->slots[slot];
  old_missing = g_steal_pointer (&bundle->missing[slot]);
  bundle->slots[slot] = make_slot (old, file, adapter);
  if (!write_bundle (bundle, error))
    {
      g_unlink (file->path);
      g_ptr_array_unref (bundle->slots[slot]);
      bundle->slots[slot] = g_steal_pointer (&old);
      bundle->missing[slot] = g_steal_pointer (&old_missing);
      return FALSE;
    }

  /* The files that no slot names any more. */
  for (i = 0; i < old->len; i++)
    {
      const DescryBundleFile *left = g_ptr_array_index (old, i);

      if (!is_used (bundle, left->file))
        g_unlink (left->path);
    }

  return TRUE;
}

gboolean
descry_bundle_remove (DescryBundle *bundle,
                      DescrySlot    slot,
                      const char   *file,
                      GError      **error)
{
  g_autofree char *path = NULL, *name = NULL;
  guint i;

  g_return_val_if_fail (bundle != NULL && (guint) slot < DESCRY_N_SLOTS && file != NULL, FALSE);

  for (i = 0; i < bundle->slots[slot]->len; i++)
    {
      DescryBundleFile *found = g_ptr_array_index (bundle->slots[slot], i);

      if (strcmp (found->file, file) != 0)
        continue;

      path = g_strdup (found->path);
      name = g_strdup (found->file);
      g_ptr_array_remove_index (bundle->slots[slot], i);
      if (bundle->slots[slot]->len == 0)
        {
          g_free (bundle->missing[slot]);
          bundle->missing[slot] = g_strdup ("its network was removed");
        }
      if (!write_bundle (bundle, error))
        return FALSE;
      if (!is_used (bundle, name))
        g_unlink (path);
      return TRUE;
    }

  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s: not a file of slot \"%s\"", file, descry_slot_name (slot));
  return FALSE;
}
