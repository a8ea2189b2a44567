/* window-state.c - where a person is in a window: picture, view, panel, unsent question; and back there
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <math.h>

#define SETTLE_FRAMES 10

static guint state_changed;

/* --------- There ------------------ */

GVariant *
descry_window_get_state (DescryWindow *self)
{
  g_autofree char *question = NULL;
  double x = 0, y = 0;

  if (self->forgotten)
    return NULL;
  if (self->image == NULL && self->state != NULL)
    return g_variant_ref (self->state); /* on its way there */
  /* What was pasted is in no file. */
  if (self->image == NULL || self->path == NULL)
    return NULL;

  question = descry_chat_get_question (self->chat);
  descry_canvas_to_picture (self->canvas, gtk_widget_get_width (GTK_WIDGET (self->canvas)) / 2.0,
                            gtk_widget_get_height (GTK_WIDGET (self->canvas)) / 2.0, &x, &y);
  return g_variant_new ("(^aybdddss)", self->path, descry_canvas_is_fitted (self->canvas), descry_canvas_get_zoom (self->canvas), x, y,
                        adw_view_stack_get_visible_child_name (self->panels), question);
}

static void
changed_cb (DescryWindow *self)
{
  g_signal_emit (self, state_changed, 0);
}

void
descry_window_forget_state (DescryWindow *self)
{
  self->forgotten = TRUE;
  changed_cb (self);
}

gboolean
descry_window_is_forgotten (DescryWindow *self)
{
  return self->forgotten;
}

/* --------- And back ------------------ */

typedef struct
{
  GVariant *state;
  guint     frames; /* since there is a size */
  int       width, height;
} Place;

static void
place_free (gpointer data)
{
  Place *place = data;

  g_variant_unref (place->state);
  g_free (place);
}

/* The parts of a window find their sizes over some frames; each new size moves the middle. */
static gboolean
place_cb (GtkWidget     *canvas,
          GdkFrameClock *clock,
          gpointer       data)
{
  Place *place = data;
  int width = gtk_widget_get_width (canvas), height = gtk_widget_get_height (canvas);
  gboolean fit;
  double zoom, x, y;

  if (width <= 1)
    return G_SOURCE_CONTINUE;

  g_variant_get (place->state, "(^&aybdddss)", NULL, &fit, &zoom, &x, &y, NULL, NULL);
  if (!fit && isfinite (zoom) && isfinite (x) && isfinite (y) && (width != place->width || height != place->height))
    descry_canvas_look_at (DESCRY_CANVAS (canvas), zoom, x, y);
  place->width = width;
  place->height = height;

  return ++place->frames < SETTLE_FRAMES ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

void
descry_window_apply_state (DescryWindow *self)
{
  g_autoptr (GVariant) state = g_steal_pointer (&self->state);
  const char *path, *panel, *question;
  Place *place;

  if (state == NULL)
    return;

  g_variant_get (state, "(^&aybddd&s&s)", &path, NULL, NULL, NULL, NULL, &panel, &question);
  if (g_strcmp0 (path, self->path) != 0)
    return;

  if (adw_view_stack_get_child_by_name (self->panels, panel) != NULL)
    adw_view_stack_set_visible_child_name (self->panels, panel);
  if (*question != '\0')
    descry_chat_set_question (self->chat, question);
  place = g_new0 (Place, 1);
  place->state = g_variant_ref (state);
  gtk_widget_add_tick_callback (GTK_WIDGET (self->canvas), place_cb, place, place_free);
}

static void
found_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      data)
{
  g_autoptr (DescryWindow) self = data;
  g_autoptr (GFileInfo) info = g_file_query_info_finish (G_FILE (source), result, NULL);

  if (self->state == NULL)
    return;

  /* A picture that has gone is no error of today; a person may have opened another one meanwhile. */
  if (info != NULL && !descry_window_has_picture (self) && self->pages != NULL)
    descry_window_open (self, G_FILE (source));
  else
    g_clear_pointer (&self->state, g_variant_unref);
}

void
descry_window_set_state (DescryWindow *self,
                         GVariant     *state)
{
  const char *path;
  g_autoptr (GFile) file = NULL;

  g_return_if_fail (g_variant_is_of_type (state, G_VARIANT_TYPE (DESCRY_WINDOW_STATE_TYPE)));

  g_variant_get_child (state, 0, "^&ay", &path);
  if (*path == '\0')
    return;

  g_clear_pointer (&self->state, g_variant_unref);
  self->state = g_variant_ref (state);
  file = g_file_new_for_path (path);
  g_file_query_info_async (file, G_FILE_ATTRIBUTE_STANDARD_TYPE, G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT, NULL, found_cb, g_object_ref (self));
}

/* --------- Wiring ------------------ */

void
descry_window_init_state (DescryWindow *self)
{
  GtkScrollable *canvas = GTK_SCROLLABLE (self->canvas);

  g_signal_connect_object (self->canvas, "notify::zoom", G_CALLBACK (changed_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (gtk_scrollable_get_hadjustment (canvas), "value-changed", G_CALLBACK (changed_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (gtk_scrollable_get_vadjustment (canvas), "value-changed", G_CALLBACK (changed_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->panels, "notify::visible-child", G_CALLBACK (changed_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->chat, "question-changed", G_CALLBACK (changed_cb), self, G_CONNECT_SWAPPED);
}

void
descry_window_init_state_signals (DescryWindowClass *class)
{
  state_changed = g_signal_new ("state-changed", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}
