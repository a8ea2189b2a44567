/* window-open.c - a picture's way into a window
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <glib/gi18n.h>

#include "ui/main-thread.h"

#define SPINNER_DELAY_MS 500

DescryRequest *
descry_request_new (DescryWindow  *self,
             GCancellable **slot)
{
  DescryRequest *request = g_new0 (DescryRequest, 1);

  g_cancellable_cancel (*slot);
  g_clear_object (slot);
  *slot = g_cancellable_new ();
  g_weak_ref_init (&request->window, self);
  request->cancellable = g_object_ref (*slot);
  return request;
}

void
descry_request_free (DescryRequest *request)
{
  g_weak_ref_clear (&request->window);
  g_object_unref (request->cancellable);
  g_free (request);
}

void
descry_window_cancel_jobs (DescryWindow *self)
{
  GCancellable **slots[] = { &self->loading, &self->analysis, &self->segmenting, &self->masking, &self->previewing, &self->answering, &self->walking };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (slots); i++)
    {
      g_cancellable_cancel (*slots[i]);
      g_clear_object (slots[i]);
    }
}

static void
set_picture (DescryWindow *self,
             DescryImage  *image)
{
  descry_window_cancel_jobs (self);
  descry_window_end_turn (self, NULL);
  self->continuing = TRUE; /* what happens to the edits now is no edit */
  g_clear_pointer (&self->image, descry_image_unref);
  self->image = descry_image_ref (image);

  descry_window_set_scene (self, NULL);
  descry_chat_clear (self->chat);
  descry_chat_set_picture (self->chat, image);
  descry_canvas_set_image (self->canvas, image);
  descry_window_end_points (self);
  descry_edits_clear (self->edits, descry_canvas_get_view (self->canvas)->threshold);
  self->continuing = FALSE;
  gtk_stack_set_visible_child_name (self->pages, "picture");
  descry_window_update_title (self);
  descry_window_update_actions (self);
  gtk_widget_grab_focus (GTK_WIDGET (self->canvas));
  self->forgotten = FALSE;
  descry_window_apply_state (self);
  descry_window_opened (self);
  g_signal_emit_by_name (self, "state-changed");
}

static void
show_error_page (DescryWindow *self,
                 const char   *message)
{
  g_autofree char *text = NULL;
  g_autofree char *escaped = NULL;

  /* A picture that is open stays open: the error goes to the bar. */
  /* Most messages begin with the name. */
  text = g_str_has_prefix (message, self->pending_name) ? g_strdup (message) : g_strdup_printf (_("%s: %s"), self->pending_name, message);
  if (self->image != NULL)
    {
      descry_window_show_bar (self, GTK_MESSAGE_ERROR, text);
      return;
    }

  escaped = g_markup_escape_text (text, -1);
  adw_status_page_set_description (self->error_page, escaped);
  g_object_set_data_full (G_OBJECT (self->error_page), "descry-details", g_steal_pointer (&text), g_free);
  gtk_stack_set_visible_child_name (self->pages, "error");
}

static void
finish_loading (DescryWindow *self,
                DescryImage  *image,
                GError       *error)
{
  g_clear_object (&self->loading);
  g_clear_handle_id (&self->spinner_source, g_source_remove);
  gtk_spinner_stop (GTK_SPINNER (self->empty_spinner));
  gtk_widget_set_visible (self->empty_spinner, FALSE);
  descry_window_hide_progress (self);

  if (image != NULL)
    {
      g_free (self->name);
      g_free (self->path);
      self->name = g_steal_pointer (&self->pending_name);
      self->path = g_steal_pointer (&self->pending_path);
      set_picture (self, image);
    }
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    show_error_page (self, error->message);
}

static void
loaded_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryImage) image = descry_image_load_finish (result, &error);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);

  if (self != NULL && self->loading == request->cancellable)
    finish_loading (self, image, error);
}

static gboolean
spinner_cb (gpointer data)
{
  DescryWindow *self = data;

  self->spinner_source = 0;
  if (self->image != NULL)
    descry_window_show_progress (self, _("Opening the picture…"), -1);
  gtk_widget_set_visible (self->empty_spinner, TRUE);
  gtk_spinner_start (GTK_SPINNER (self->empty_spinner));
  return G_SOURCE_REMOVE;
}

static DescryRequest *
begin_loading (DescryWindow *self,
               char         *name, /* both taken */
               char         *path)
{
  DescryRequest *request = descry_request_new (self, &self->loading);

  g_free (self->pending_name);
  g_free (self->pending_path);
  self->pending_name = name;
  self->pending_path = path;
  /* The old picture stays; short waits show nothing. */
  if (self->spinner_source == 0)
    self->spinner_source = g_timeout_add (SPINNER_DELAY_MS, spinner_cb, self);
  return request;
}

static void
named_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (GFileInfo) info = g_file_query_info_finish (G_FILE (source), result, NULL);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);

  if (self == NULL || info == NULL || self->loading != request->cancellable)
    return;

  g_free (self->pending_name);
  self->pending_name = g_strdup (g_file_info_get_display_name (info));
}

void
descry_window_open (DescryWindow *self,
                    GFile        *file)
{
  DescryRequest *request, *name_request;

  g_return_if_fail (DESCRY_IS_WINDOW (self));
  descry_assert_main_thread ();

  request = begin_loading (self, g_file_get_basename (file), g_file_get_path (file));

  /* Portals' paths have hashed names: the display name is the one people know. */
  name_request = g_new0 (DescryRequest, 1);
  g_weak_ref_init (&name_request->window, self);
  name_request->cancellable = g_object_ref (request->cancellable);
  g_file_query_info_async (file, G_FILE_ATTRIBUTE_STANDARD_DISPLAY_NAME, G_FILE_QUERY_INFO_NONE, G_PRIORITY_HIGH,
                           request->cancellable, named_cb, name_request);
  descry_image_load_async (file, request->cancellable, loaded_cb, request);
}

typedef struct
{
  GBytes *bytes;
  char   *name;
} Pasted;

static void
pasted_free (gpointer data)
{
  Pasted *pasted = data;

  g_bytes_unref (pasted->bytes);
  g_free (pasted->name);
  g_free (pasted);
}

static void
decode_worker (GTask        *task,
               gpointer      source,
               gpointer      data,
               GCancellable *cancellable)
{
  Pasted *pasted = data;
  GError *error = NULL;
  DescryImage *image = descry_image_load_bytes (pasted->bytes, pasted->name, cancellable, &error);

  if (image != NULL)
    g_task_return_pointer (task, image, (GDestroyNotify) descry_image_unref);
  else
    g_task_return_error (task, error);
}

static void
decoded_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryImage) image = g_task_propagate_pointer (G_TASK (result), &error);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);

  if (self != NULL && self->loading == request->cancellable)
    finish_loading (self, image, error);
}

void
descry_window_open_bytes (DescryWindow *self,
                          GBytes       *bytes,
                          const char   *name)
{
  g_autoptr (GTask) task = NULL;
  Pasted *pasted = g_new0 (Pasted, 1);
  DescryRequest *request;

  g_return_if_fail (DESCRY_IS_WINDOW (self));
  descry_assert_main_thread ();

  request = begin_loading (self, g_strdup (name), NULL);
  pasted->bytes = g_bytes_ref (bytes);
  pasted->name = g_strdup (name);
  task = g_task_new (NULL, request->cancellable, decoded_cb, request);
  g_task_set_source_tag (task, descry_window_open_bytes);
  g_task_set_task_data (task, pasted, pasted_free);
  g_task_run_in_thread (task, decode_worker);
}
