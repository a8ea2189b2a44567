/* session.c - the windows that were open, for the next start
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-session"

#include "config.h"

#include "app/session.h"

#include <errno.h>
#include <string.h>

#include <glib/gstdio.h>

#define DEFAULT "session"
#define OTHERS "session-" /* the name begins so for chosen bundles */
#define DELAY_MS 1000 /* after a change: a pan is many */
#define MOST_WINDOWS 20
#define MOST_BYTES (1024 * 1024)

struct _DescrySession
{
  char      *path;
  GPtrArray *windows; /* of DescryWindow, borrowed, in order of opening */
  GBytes    *written; /* or NULL */
  guint      source;
  gboolean   frozen;
};

/* NULL: there is nothing to come back to, and what was kept stays. */
static GBytes *
make_bytes (DescrySession *self)
{
  GVariantBuilder windows;
  g_autoptr (GVariant) all = NULL;
  guint n = 0;
  guint i;

  g_variant_builder_init (&windows, G_VARIANT_TYPE ("a" DESCRY_WINDOW_STATE_TYPE));
  for (i = 0; i < self->windows->len && i < MOST_WINDOWS; i++)
    {
      GVariant *state = descry_window_get_state (g_ptr_array_index (self->windows, i));

      if (state != NULL)
        {
          g_variant_builder_add_value (&windows, state);
          n++;
        }
    }
  all = g_variant_ref_sink (g_variant_new ("(ua" DESCRY_WINDOW_STATE_TYPE ")", 1, &windows));

  return n > 0 ? g_variant_get_data_as_bytes (all) : NULL;
}

static void
written_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autoptr (GError) error = NULL;

  if (!g_file_replace_contents_finish (G_FILE (source), result, NULL, &error))
    g_message ("the session is not kept: %s", error->message);
}

/* If the only windows are such that are to be forgotten, so is what was kept of them. */
static void
forget (DescrySession *self)
{
  gboolean any = FALSE;
  guint i;

  for (i = 0; i < self->windows->len; i++)
    any = any || descry_window_is_forgotten (g_ptr_array_index (self->windows, i));
  if (any && g_unlink (self->path) != 0 && errno != ENOENT)
    g_message ("the session is not forgotten: %s", g_strerror (errno));
  if (any)
    g_clear_pointer (&self->written, g_bytes_unref);
}

static void
write_now (DescrySession *self,
           gboolean       wait)
{
  g_autoptr (GBytes) bytes = NULL;

  g_clear_handle_id (&self->source, g_source_remove);
  if (self->frozen)
    return;

  bytes = make_bytes (self);
  if (bytes == NULL)
    {
      forget (self);
      return;
    }
  if (self->written != NULL && g_bytes_equal (bytes, self->written))
    return;

  g_clear_pointer (&self->written, g_bytes_unref);
  self->written = g_bytes_ref (bytes);
  if (wait)
    {
      g_autoptr (GError) error = NULL;

      if (!g_file_set_contents_full (self->path, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes), G_FILE_SET_CONTENTS_CONSISTENT,
                                     0600, &error))
        g_message ("the session is not kept: %s", error->message);
    }
  else
    {
      g_autoptr (GFile) file = g_file_new_for_path (self->path);

      g_file_replace_contents_bytes_async (file, bytes, NULL, FALSE, G_FILE_CREATE_PRIVATE, NULL, written_cb, NULL);
    }
}

static gboolean
write_cb (gpointer data)
{
  DescrySession *self = data;

  self->source = 0;
  write_now (self, FALSE);
  return G_SOURCE_REMOVE;
}

static void
changed_cb (DescryWindow  *window,
            DescrySession *self)
{
  if (self->source == 0 && !self->frozen)
    self->source = g_timeout_add (DELAY_MS, write_cb, self);
}

static void
destroyed_cb (DescryWindow  *window,
              DescrySession *self)
{
  g_signal_handlers_disconnect_by_data (window, self);
  g_ptr_array_remove (self->windows, window);
  /* The last one comes back at the next start. */
  if (self->windows->len > 0)
    changed_cb (window, self);
}

/* While everything is still there. */
static gboolean
closing_cb (DescryWindow  *window,
            DescrySession *self)
{
  if (self->windows->len == 1)
    {
      write_now (self, TRUE);
      self->frozen = TRUE;
    }

  return FALSE;
}

void
descry_session_watch (DescrySession *self,
                      DescryWindow  *window)
{
  self->frozen = FALSE;
  g_ptr_array_add (self->windows, window);
  g_signal_connect (window, "state-changed", G_CALLBACK (changed_cb), self);
  g_signal_connect (window, "close-request", G_CALLBACK (closing_cb), self);
  g_signal_connect (window, "destroy", G_CALLBACK (destroyed_cb), self);
}

void
descry_session_freeze (DescrySession *self)
{
  write_now (self, TRUE);
  self->frozen = TRUE;
}

char *
descry_session_path (const char *bundle)
{
  g_autofree char *name = NULL, *place = NULL;

  if (bundle != NULL)
    {
      g_autofree char *sum = NULL;

      /* The same folder by another way is the same bundle. */
      place = g_file_test (bundle, G_FILE_TEST_IS_DIR) ? g_canonicalize_filename (bundle, NULL) : g_strdup (bundle);
      sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, place, -1);
      name = g_strdup_printf (OTHERS "%.16s", sum);
    }

  return g_build_filename (g_get_user_data_dir (), "descry", name != NULL ? name : DEFAULT, NULL);
}

void
descry_session_forget (DescrySession *self,
                       const char    *path)
{
  g_autofree char *folder = g_path_get_dirname (self->path), *own = g_path_get_basename (self->path);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = NULL, *bytes = NULL;
      gsize length = 0;

      if (g_str_equal (name, own) || (!g_str_equal (name, DEFAULT) && !g_str_has_prefix (name, OTHERS)))
        continue;
      file = g_build_filename (folder, name, NULL);
      if (path != NULL && (!g_file_get_contents (file, &bytes, &length, NULL) || memmem (bytes, length, path, strlen (path)) == NULL))
        continue;
      if (g_unlink (file) != 0 && errno != ENOENT)
        g_message ("%s is not forgotten: %s", file, g_strerror (errno));
    }
}

DescrySession *
descry_session_new (const char *path)
{
  DescrySession *self = g_new0 (DescrySession, 1);

  self->path = path != NULL ? g_strdup (path) : descry_session_path (NULL);
  self->windows = g_ptr_array_new ();
  return self;
}

void
descry_session_free (DescrySession *self)
{
  guint i;

  if (self == NULL)
    return;

  for (i = 0; i < self->windows->len; i++)
    g_signal_handlers_disconnect_by_data (g_ptr_array_index (self->windows, i), self);
  g_clear_handle_id (&self->source, g_source_remove);
  g_clear_pointer (&self->written, g_bytes_unref);
  g_ptr_array_unref (self->windows);
  g_free (self->path);
  g_free (self);
}

/* --------- The next start ------------------ */

typedef struct
{
  DescryWindow     *window;
  DescrySessionFunc make;
  gpointer          data;
} Restore;

static void
read_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      data)
{
  g_autofree Restore *restore = data;
  g_autoptr (DescryWindow) window = restore->window;
  g_autoptr (GBytes) bytes = g_file_load_bytes_finish (G_FILE (source), result, NULL, NULL);
  g_autoptr (GVariant) raw = NULL, all = NULL, windows = NULL;
  guint32 version;
  gsize i;

  /* Nothing was kept, or a person was faster. */
  if (bytes == NULL || g_bytes_get_size (bytes) > MOST_BYTES || descry_window_has_picture (window) || !gtk_widget_get_mapped (GTK_WIDGET (window)))
    return;

  raw = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE ("(ua" DESCRY_WINDOW_STATE_TYPE ")"), bytes, FALSE));
  all = g_variant_get_normal_form (raw); /* whatever the file holds, this is well formed */
  g_variant_get (all, "(u@a" DESCRY_WINDOW_STATE_TYPE ")", &version, &windows);
  if (version != 1)
    return;

  for (i = 0; i < g_variant_n_children (windows) && i < MOST_WINDOWS; i++)
    {
      g_autoptr (GVariant) state = g_variant_get_child_value (windows, i);
      DescryWindow *place = i == 0 ? window : restore->make (restore->data);

      gtk_window_present (GTK_WINDOW (place));
      descry_window_set_state (place, state);
    }
}

void
descry_session_restore (DescrySession    *self,
                        DescryWindow     *window,
                        DescrySessionFunc make,
                        gpointer          data)
{
  g_autoptr (GFile) file = g_file_new_for_path (self->path);
  Restore *restore = g_new (Restore, 1);

  *restore = (Restore) { g_object_ref (window), make, data };
  g_file_load_bytes_async (file, NULL, read_cb, restore);
}
