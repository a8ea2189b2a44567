/* models-work.c - a piece of work on a bundle, in a thread
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "ui/models-work.h"

#include <string.h>

#include "compute/files/gguf.h"

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

static guint64
sum_weights (const char *path)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, NULL);
  guint64 bytes = 0;
  guint i;

  for (i = 0; gguf != NULL && i < descry_gguf_n_tensors (gguf); i++)
    bytes += descry_gguf_tensor (gguf, i)->bytes;

  return bytes;
}

static void
look_at_files (DescryModelsWork *work)
{
  guint i, j;

  work->states = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    for (j = 0; j < work->opened->slots[i]->len; j++)
      {
        const DescryBundleFile *file = g_ptr_array_index (work->opened->slots[i], j);
        DescryFileState *state;

        if (g_hash_table_contains (work->states, file->file))
          continue; /* the encoder may be the tagger's file */
        state = g_new0 (DescryFileState, 1);
        state->hash = descry_bundle_hash_state (file);
        state->weights = file->present ? sum_weights (file->path) : 0;
        g_hash_table_insert (work->states, g_strdup (file->file), state);
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
  if (error == NULL && work->kind == WORK_ADD && descry_bundle_fits (work->slot, work->file, &error)
      && descry_bundle_add (work->opened, work->slot, work->file, &error))
    work->changed = TRUE;

  look_at_files (work);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}
