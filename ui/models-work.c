/* models-work.c - a piece of work on a bundle, in a thread
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "ui/models-work.h"

#include <errno.h>
#include <string.h>

#include <glib/gstdio.h>

#include "compute/device/report.h"
#include "compute/files/gguf.h"
#include "compute/models/llama-adapter.h"

static void
free_removal (gpointer data)
{
  DescryRemoval *removal = data;

  g_free (removal->file);
  g_free (removal);
}

GPtrArray *
descry_removals_new (void)
{
  return g_ptr_array_new_with_free_func (free_removal);
}

void
descry_models_work_free (gpointer data)
{
  DescryModelsWork *work = data;

  g_clear_pointer (&work->removals, g_ptr_array_unref);
  g_weak_ref_clear (&work->page);
  g_clear_object (&work->engine);
  g_free (work->bundle);
  g_free (work->file);
  g_clear_pointer (&work->opened, descry_bundle_free);
  g_clear_pointer (&work->states, g_hash_table_unref);
  g_clear_error (&work->missing);
  g_free (work);
}

/* Files of Descry's trainer say so in their description. */
static gboolean
is_own (DescryGguf *gguf)
{
  const char *text = descry_gguf_has (gguf, "general.description") ? descry_gguf_get_string (gguf, "general.description", NULL) : NULL;

  return text != NULL && g_str_has_prefix (text, "Trained by Descry");
}

static DescryFileState *
look_at_file (const DescryBundleFile *file,
              gboolean                adapted)
{
  DescryFileState *state = g_new0 (DescryFileState, 1);
  g_autoptr (DescryGguf) gguf = file->present ? descry_gguf_open (file->path, NULL) : NULL;

  state->hash = descry_bundle_hash_state (file);
  if (gguf == NULL)
    return state;

  state->adapter = descry_adapter_is (gguf);
  state->own = is_own (gguf);
  /* Without a readable network nothing is known, which the list says. */
  descry_estimate_file (file->path, adapted, &state->estimate, NULL);

  return state;
}

static void
look_at_files (DescryModelsWork *work)
{
  g_autoptr (GFile) folder = g_file_new_for_path (work->opened->path);
  g_autoptr (GFileInfo) info = g_file_query_filesystem_info (folder, G_FILE_ATTRIBUTE_FILESYSTEM_FREE, NULL, NULL);
  guint i, j;

  work->disk_free = info != NULL && g_file_info_has_attribute (info, G_FILE_ATTRIBUTE_FILESYSTEM_FREE)
                      ? g_file_info_get_attribute_uint64 (info, G_FILE_ATTRIBUTE_FILESYSTEM_FREE)
                      : G_MAXUINT64;
  descry_estimate_bundle (work->opened, TRUE, &work->estimate);
  work->states = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    for (j = 0; j < work->opened->slots[i]->len; j++)
      {
        const DescryBundleFile *file = g_ptr_array_index (work->opened->slots[i], j);

        /* The encoder may be the tagger's file. A language model that is not alone has adapters. */
        if (!g_hash_table_contains (work->states, file->file))
          g_hash_table_insert (work->states, g_strdup (file->file),
                               look_at_file (file, i == DESCRY_SLOT_LLM && work->opened->slots[i]->len > 1));
      }
}

static void
progress_cb (double   fraction,
             gpointer data)
{
  DescryModelsWork *work = data;

  g_atomic_int_set (&work->permille, (int) (1000.0 * (work->done + fraction * work->size) / MAX (work->total, 1)));
}

/* Each file once, even if two slots share it. */
static GPtrArray *
list_files (DescryModelsWork *work,
            DescryBundle     *bundle)
{
  GPtrArray *files = g_ptr_array_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  guint i, j;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    for (j = 0; j < bundle->slots[i]->len; j++)
      {
        DescryBundleFile *file = g_ptr_array_index (bundle->slots[i], j);

        if ((work->file == NULL || strcmp (work->file, file->file) == 0) && g_hash_table_add (seen, file->file))
          {
            work->total += file->size;
            g_ptr_array_add (files, file);
          }
      }

  return files;
}

/* Goes on after a wrong file: the others' state is wanted too. Only being stopped is an error of the work. */
static gboolean
verify_files (DescryModelsWork *work,
              GCancellable     *cancellable,
              char            **first,
              GError          **error)
{
  g_autoptr (GPtrArray) files = list_files (work, work->opened);
  guint i;

  for (i = 0; i < files->len; i++)
    {
      DescryBundleFile *file = g_ptr_array_index (files, i);
      g_autoptr (GError) problem = NULL;

      work->size = file->size;
      if (!descry_bundle_verify_watched (work->opened, file, progress_cb, work, cancellable, &problem))
        {
          if (g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            {
              g_propagate_error (error, g_steal_pointer (&problem));
              return FALSE;
            }
          work->wrong++;
          if (*first == NULL)
            *first = g_strdup (problem->message);
        }
      work->done += file->size;
    }

  return TRUE;
}

static gboolean
is_gguf (const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, NULL);
  char magic[4];

  return stream != NULL && g_input_stream_read (G_INPUT_STREAM (stream), magic, 4, NULL, NULL) == 4 && memcmp (magic, "GGUF", 4) == 0;
}

/* `descry convert`, which does the work in a limited process of its own. */
static gboolean
convert_as (const char   *from,
            const char   *to,
            const char   *architecture,
            GCancellable *cancellable,
            GError      **error)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *said = NULL;
  const char *message;

  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error, descry_device_get_program (), "convert", from,
                              "-o", to, "-a", architecture, NULL);
  if (process == NULL)
    return FALSE;
  if (!g_subprocess_communicate_utf8 (process, NULL, cancellable, NULL, &said, error))
    {
      g_subprocess_force_exit (process);
      return FALSE;
    }
  if (g_subprocess_get_successful (process))
    return TRUE;

  message = g_strstrip (said);
  if (g_str_has_prefix (message, "descry convert: "))
    message += strlen ("descry convert: ");
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s", architecture, message);
  return FALSE;
}

/* A checkpoint says in no word whose it is, but only one table of names and shapes explains it: each is tried that the
 * slot can run. Returns the file made, in @folder. */
static char *
convert (DescryModelsWork *work,
         const char       *folder,
         GCancellable     *cancellable,
         GError          **error)
{
  const char *const *architectures = descry_bundle_architectures (work->slot);
  g_autofree char *base = g_path_get_basename (work->file);
  g_autoptr (GString) reasons = g_string_new (NULL);
  char *dot = strrchr (base, '.'), *path;
  g_autofree char *name = g_strdup_printf ("%.*s.gguf", (int) (dot != NULL && dot > base ? (gsize) (dot - base) : strlen (base)), base);
  guint i;

  if (descry_device_get_program () == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "%s: not a GGUF file, and the program that converts is not known", work->file);
      return NULL;
    }

  path = g_build_filename (folder, name, NULL);
  for (i = 0; architectures[i] != NULL; i++)
    {
      g_autoptr (GError) problem = NULL;

      if (convert_as (work->file, path, architectures[i], cancellable, &problem))
        return path;
      if (!g_error_matches (problem, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD))
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          g_free (path);
          return NULL;
        }
      g_string_append_printf (reasons, "%s%s", reasons->len > 0 ? "\n" : "", problem->message);
    }
  g_free (path);
  g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, reasons->str);

  return NULL;
}

static gboolean
is_adapter (const char *path)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, NULL);

  return gguf != NULL && descry_adapter_is (gguf);
}

static gboolean
add_file (DescryModelsWork *work,
          GCancellable     *cancellable,
          GError          **error)
{
  gboolean gguf = is_gguf (work->file);
  g_autofree char *folder = NULL, *made = NULL;
  const char *path = work->file;
  gboolean ok;

  /* Nobody is asked about a file that is of no use anyway. */
  if (gguf && !descry_bundle_fits (work->slot, path, error))
    return FALSE;
  if (work->kind == WORK_ADD && work->opened->slots[work->slot]->len > 0 && !(gguf && is_adapter (work->file)))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "the slot %s is taken", descry_slot_name (work->slot));
      return FALSE;
    }
  if (!gguf)
    {
      folder = g_build_filename (work->opened->path, ".convert-XXXXXX", NULL);
      if (g_mkdtemp (folder) == NULL)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: %s", work->opened->path, g_strerror (errno));
          return FALSE;
        }
      path = made = convert (work, folder, cancellable, error);
    }

  ok = path != NULL && descry_bundle_add (work->opened, work->slot, path, error);
  if (made != NULL)
    g_unlink (made);
  if (folder != NULL)
    g_rmdir (folder);

  return ok;
}

void
descry_models_work_thread (GTask        *task,
                           gpointer      source,
                           gpointer      data,
                           GCancellable *cancellable)
{
  DescryModelsWork *work = data;
  g_autofree char *first = NULL;
  GError *error = NULL;
  guint i;

  if (work->kind == WORK_CREATE)
    work->opened = descry_bundle_create (work->bundle, &work->missing);
  else
    work->opened = descry_bundle_open (work->bundle, &work->missing);
  if (work->opened == NULL)
    {
      g_task_return_error (task, g_error_copy (work->missing));
      return;
    }

  work->changed = work->kind == WORK_CREATE;
  for (i = 0; i < work->removals->len && error == NULL; i++)
    {
      const DescryRemoval *removal = g_ptr_array_index (work->removals, i);

      if (descry_bundle_remove (work->opened, removal->slot, removal->file, &error))
        work->changed = TRUE;
    }
  if (error == NULL && work->kind == WORK_VERIFY && verify_files (work, cancellable, &first, &error) && first != NULL)
    error = g_error_new_literal (DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, first);
  if (error == NULL && (work->kind == WORK_ADD || work->kind == WORK_REPLACE) && add_file (work, cancellable, &error))
    work->changed = TRUE;

  look_at_files (work);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}
