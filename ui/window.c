/* window.c - one picture, what is in it, and the talk about it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <glib/gi18n.h>

#include "ui/bidi.h"
#include "ui/main-thread.h"
#include "ui/preferences.h"

#define NARROW_WIDTH 720 /* application pixels; below it the sidebar goes under the picture */
#define SIDEBAR_WIDTH 340
#define NARROW_PICTURE 0.4 /* of the height */
#define PULSE_MS 80

G_DEFINE_FINAL_TYPE (DescryWindow, descry_window, ADW_TYPE_APPLICATION_WINDOW)

/* --------- Words ------------------ */

static const char *
stage_title (const char *stage)
{
  static const struct
  {
    const char *stage;
    const char *title;
  } titles[] = {
    { "device", N_("Opening the device") },
    { "kernels", N_("Preparing the device (first time)") },
    { "load", N_("Loading the models") },
    { "tagger", N_("Finding tags") },
    { "detector", N_("Finding objects") },
    { "segmenter", N_("Outlining objects") },
    { "encoder", N_("Looking at the picture") },
    { "connector", N_("Joining picture and text") },
    { "prompt", N_("Reading the question") },
    { "answer", N_("Answering") },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (titles); i++)
    if (g_strcmp0 (stage, titles[i].stage) == 0)
      return _(titles[i].title);

  return NULL;
}

void
descry_window_toast (DescryWindow *self,
                     const char   *text)
{
  AdwToast *toast = adw_toast_new (text);

  adw_toast_set_timeout (toast, 4);
  adw_toast_overlay_add_toast (self->toasts, toast);
}

void
descry_window_update_title (DescryWindow *self)
{
  g_autofree char *size = NULL, *objects = NULL, *subtitle = NULL;
  guint n = 0;
  guint i;

  adw_window_title_set_title (self->title, self->name != NULL ? self->name : _("Descry"));
  if (self->image != NULL)
    size = descry_bidi_value ("%u × %u", self->image->width, self->image->height);
  if (self->image != NULL && self->scene != NULL && self->analysis == NULL)
    {
      const DescryView *view = descry_canvas_get_view (self->canvas);

      for (i = 0; i < self->scene->objects->len; i++)
        n += descry_view_shows (view, g_ptr_array_index (self->scene->objects, i));
      objects = g_strdup_printf (ngettext ("%u object", "%u objects", n), n);
    }
  if (size != NULL)
    subtitle = descry_bidi_list (gtk_widget_get_direction (GTK_WIDGET (self)) == GTK_TEXT_DIR_RTL, size, objects, NULL);
  adw_window_title_set_subtitle (self->title, subtitle != NULL ? subtitle : "");
  gtk_window_set_title (GTK_WINDOW (self), self->name != NULL ? self->name : _("Descry"));
}

/* --------- Progress ------------------ */

static gboolean
pulse_cb (gpointer data)
{
  gtk_progress_bar_pulse (DESCRY_WINDOW (data)->progress);
  return G_SOURCE_CONTINUE;
}

void
descry_window_show_progress (DescryWindow *self,
               const char   *title,
               double        fraction)
{
  gtk_widget_set_visible (self->progress_box, TRUE);
  gtk_label_set_label (self->stage_label, title);
  adw_window_title_set_subtitle (self->title, title);
  if (fraction >= 0)
    {
      g_clear_handle_id (&self->pulse_source, g_source_remove);
      gtk_progress_bar_set_fraction (self->progress, MIN (fraction, 1.0));
    }
  else if (self->pulse_source == 0)
    self->pulse_source = g_timeout_add (PULSE_MS, pulse_cb, self);
}

void
descry_window_hide_progress (DescryWindow *self)
{
  /* One job's end is not the end of another's. */
  if (self->analysis != NULL || self->segmenting != NULL || self->loading != NULL)
    return;

  g_clear_handle_id (&self->pulse_source, g_source_remove);
  gtk_widget_set_visible (self->progress_box, FALSE);
  descry_window_update_title (self);
}

static void
stage_cb (DescryEngine *engine,
          const char   *stage,
          double        fraction,
          const char   *detail,
          GCancellable *job,
          DescryWindow *self)
{
  const char *title = stage_title (stage);
  g_autofree char *isolated = NULL, *text = NULL;

  /* Other windows' jobs, and late words about a picture or a question that is no longer the one here. Without a job it is
   * about the device that all wait for. */
  if (title == NULL || (job != NULL && job != self->analysis && job != self->segmenting && job != self->masking && job != self->answering))
    return;

  isolated = detail != NULL && *detail != '\0' ? descry_bidi_isolate (detail) : NULL;
  text = isolated != NULL ? g_strdup_printf ("%s: %s", title, isolated) : g_strdup_printf ("%s…", title);
  if (descry_chat_is_running (self->chat))
    descry_chat_set_stage (self->chat, text);
  /* The answer's stages belong to its own line. */
  if ((self->analysis != NULL || self->segmenting != NULL) && (job == NULL || job != self->answering))
    descry_window_show_progress (self, text, fraction);
}

/* --------- Scene ------------------ */

void
descry_window_set_scene (DescryWindow *self,
           DescryScene  *scene)
{
  if (scene != NULL)
    descry_scene_ref (scene);
  g_clear_pointer (&self->found, descry_scene_unref);
  self->found = scene;
  descry_window_show_edits (self);
}

static void
scene_cb (DescryEngine *engine,
          DescryScene  *scene,
          GCancellable *job,
          DescryWindow *self)
{
  /* Windows share the engine: only scenes of our own jobs. */
  if (job == NULL || (job != self->analysis && job != self->segmenting && job != self->masking))
    return;

  descry_window_set_scene (self, scene);
}

static void
analyzed_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryScene) scene = descry_engine_analyze_finish (DESCRY_ENGINE (source), result, &error);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);

  if (self == NULL || self->analysis != request->cancellable)
    return;

  g_clear_object (&self->analysis);
  if (scene != NULL)
    {
      self->complete = TRUE;
      descry_window_set_scene (self, scene);
      descry_window_keep_scene (self);
    }
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    descry_window_show_error (self, error);
  descry_window_hide_progress (self);
  descry_window_update_actions (self);
}

void
descry_window_analyze (DescryWindow *self)
{
  DescryRequest *request;

  if (self->engine == NULL || self->image == NULL)
    return;

  self->complete = FALSE;
  self->analyzed = TRUE;
  request = descry_request_new (self, &self->analysis);
  descry_window_show_progress (self, _("Looking at the picture…"), -1);
  descry_engine_analyze_async (self->engine, self->image, self->path, request->cancellable, analyzed_cb, request);
  descry_window_update_actions (self);
}

static void
segmented_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryScene) scene = descry_engine_segment_finish (DESCRY_ENGINE (source), result, &error);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);
  guint newest = 0;
  guint i;

  if (self == NULL || self->segmenting != request->cancellable)
    return;

  g_clear_object (&self->segmenting);
  descry_canvas_set_pending (self->canvas, NULL);
  if (scene != NULL)
    {
      DescryScene *before = self->found;

      /* The object that is new, to select it. */
      for (i = 0; i < scene->objects->len; i++)
        {
          const DescryObject *object = g_ptr_array_index (scene->objects, i);

          if ((object->source == DESCRY_SOURCE_CLICK || object->source == DESCRY_SOURCE_DRAG) &&
              (before == NULL || descry_scene_find (before, object->id) == NULL) && object->id > newest)
            newest = object->id;
        }
      descry_window_set_scene (self, scene);
      descry_window_keep_scene (self);
      if (newest != 0)
        {
          descry_edits_add_region (self->edits, descry_scene_find (scene, newest));
          descry_canvas_select (self->canvas, &newest, 1);
        }
      else
        descry_window_toast (self, _("Nothing stands out there"));
    }
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    descry_window_show_error (self, error);
  descry_window_hide_progress (self);
}

static void
region_cb (DescryCanvas *canvas,
           double        x0,
           double        y0,
           double        x1,
           double        y1,
           DescryWindow *self)
{
  DescryRequest *request;

  if (self->engine == NULL || self->image == NULL)
    return;
  if (self->found == NULL)
    {
      g_autoptr (DescryScene) scene = descry_scene_new (self->image->width, self->image->height);

      descry_window_set_scene (self, scene);
    }

  /* A new region replaces the pending one. */
  descry_window_end_points (self);
  request = descry_request_new (self, &self->segmenting);
  self->region = (DescryBox) { x0, y0, x1, y1 };
  descry_canvas_set_pending (canvas, &self->region);
  descry_window_show_progress (self, _("Outlining the region…"), -1);
  descry_engine_segment_async (self->engine, self->image, self->found, self->region, request->cancellable, segmented_cb, request);
}

/* An object selected without a mask jumps the queue. The scene arrives by the signal as well; here only the
 * case that no other job runs counts. */
static void
masked_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (DescryScene) scene = descry_engine_mask_finish (DESCRY_ENGINE (source), result, NULL);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);

  if (self == NULL || self->masking != request->cancellable)
    return;

  g_clear_object (&self->masking);
  if (scene != NULL && self->analysis == NULL && self->segmenting == NULL)
    {
      descry_window_set_scene (self, scene);
      descry_window_keep_scene (self);
    }
}

static void
selection_changed_cb (DescryCanvas *canvas,
                      DescryWindow *self)
{
  GArray *ids = descry_canvas_get_selection (canvas);
  DescryObject *object;
  DescryRequest *request;

  descry_chat_mark (self->chat, (const guint *) ids->data, ids->len);
  descry_window_update_actions (self);
  if (ids->len != 1 || self->scene == NULL || self->engine == NULL || self->image == NULL)
    return;

  object = descry_scene_find (self->scene, g_array_index (ids, guint, 0));
  if (object == NULL || object->mask != NULL || self->segmenter_missing)
    return;

  request = descry_request_new (self, &self->masking);
  descry_engine_mask_async (self->engine, self->image, self->found, object->id, request->cancellable, masked_cb, request);
}

static void
hover_changed_cb (DescryCanvas *canvas,
                  DescryWindow *self)
{
  guint id = descry_canvas_get_hovered (canvas);
  GArray *ids = descry_canvas_get_selection (canvas);

  if (id != 0)
    descry_chat_mark (self->chat, &id, 1);
  else
    descry_chat_mark (self->chat, (const guint *) ids->data, ids->len);
}

static void
ask_about_cb (gpointer      source,
              guint         id,
              DescryWindow *self)
{
  descry_chat_add_chip (self->chat, id);
  adw_view_stack_set_visible_child_name (self->panels, "chat");
  g_action_group_change_action_state (G_ACTION_GROUP (self), "sidebar", g_variant_new_boolean (TRUE));
  descry_chat_focus (self->chat);
}

static void
canvas_message_cb (DescryCanvas *canvas,
                   const char   *text,
                   DescryWindow *self)
{
  descry_window_toast (self, text);
}

/* --------- Asking ------------------ */

static void
answered_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  g_autoptr (DescryRequest) request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryTurn) turn = descry_engine_ask_finish (DESCRY_ENGINE (source), result, &error);
  g_autoptr (DescryWindow) self = g_weak_ref_get (&request->window);

  if (self == NULL || self->answering != request->cancellable)
    return;

  g_clear_object (&self->answering);
  descry_window_end_turn (self, turn);
  if (turn != NULL)
    {
      descry_chat_finish (self->chat, turn);
      descry_window_show_left_out (self, turn->left_out);
    }
  else
    {
      descry_chat_fail (self->chat, error->message, g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
      descry_window_show_answer_error (self, error);
    }
}

static void
ask_cb (DescryChat   *chat,
        const char   *question,
        DescryWindow *self)
{
  g_autoptr (GPtrArray) history = NULL;
  g_autoptr (GArray) chips = NULL;
  g_autoptr (DescryScene) scene = NULL;
  DescryAskOptions options = { 0 };
  DescryRequest *request;

  if (self->engine == NULL)
    return;

  history = descry_chat_get_history (chat);
  chips = g_array_copy (descry_chat_get_chips (chat)); /* they leave with the question */
  scene = descry_window_shown_scene (self, chips);
  descry_preferences_read (self->settings, &options);
  options.threshold = descry_canvas_get_view (self->canvas)->threshold;
  request = descry_request_new (self, &self->answering);
  descry_window_begin_turn (self, question, chips);
  descry_chat_begin (chat, question);
  descry_chat_set_key (chat, self->turn_key);
  descry_engine_ask_async (self->engine, self->image, scene, history, question, (const guint *) chips->data, chips->len,
                           &options, request->cancellable, answered_cb, request);
}

static void
resume_cb (DescryChat   *chat,
           gpointer      data,
           const char   *old_key,
           DescryWindow *self)
{
  g_autoptr (DescryTurn) turn = descry_turn_ref (data);
  g_autofree char *key = old_key != NULL ? g_strdup (old_key) : g_uuid_string_random ();
  g_autoptr (GPtrArray) history = NULL;
  DescryAskOptions options = { 0 };
  DescryRequest *request;

  if (self->engine == NULL)
    return;

  descry_preferences_read (self->settings, &options);
  options.threshold = descry_canvas_get_view (self->canvas)->threshold;
  request = descry_request_new (self, &self->answering);
  descry_window_resume_turn (self, turn, key);
  descry_chat_resume (chat, turn, key);
  history = descry_chat_get_history (chat);
  descry_engine_resume_async (self->engine, self->image, self->scene, history, turn, &options, request->cancellable, answered_cb, request);
}

static void
stop_cb (DescryChat   *chat,
         DescryWindow *self)
{
  /* The turn comes back through answered_cb(), with what was said so far. */
  if (self->answering != NULL)
    g_cancellable_cancel (self->answering);
}

static void
text_cb (DescryEngine *engine,
         const char   *text,
         GCancellable *job,
         DescryWindow *self)
{
  if (job == NULL || job != self->answering)
    return;

  descry_window_turn_text (self, text);
  descry_chat_append (self->chat, text);
}

static void
link_hovered_cb (DescryChat   *chat,
                 gpointer      ids,
                 guint         n,
                 DescryWindow *self)
{
  descry_canvas_highlight (self->canvas, ids, n);
}

static void
link_activated_cb (DescryChat   *chat,
                   gpointer      ids,
                   guint         n,
                   DescryWindow *self)
{
  const guint *list = ids;
  guint i;

  /* A link to something hidden brings it back; one step, whatever it takes. */
  g_object_freeze_notify (G_OBJECT (self->canvas));
  descry_canvas_set_solo (self->canvas, 0);
  for (i = 0; i < n; i++)
    descry_canvas_set_hidden (self->canvas, list[i], FALSE);
  g_object_thaw_notify (G_OBJECT (self->canvas));
  descry_canvas_select (self->canvas, list, n);
  if (n > 0)
    descry_canvas_reveal (self->canvas, list[0]);
}

/* --------- Layout ------------------ */

/* In a narrow header there is no room for it; the main menu has the same list. */
static void
show_recent_button (DescryWindow *self)
{
  gtk_widget_set_visible (self->recent_button, !self->narrow && g_menu_model_get_n_items (G_MENU_MODEL (self->recent_menu)) > 0);
}

static void
set_narrow (DescryWindow *self,
            gboolean      narrow)
{
  self->narrow = narrow;
  self->shared_height = 0;
  if (!narrow)
    g_object_set (self->paned, "position-set", FALSE, NULL);
  gtk_orientable_set_orientation (GTK_ORIENTABLE (self->paned), narrow ? GTK_ORIENTATION_VERTICAL : GTK_ORIENTATION_HORIZONTAL);
  gtk_widget_set_size_request (self->sidebar, narrow ? -1 : SIDEBAR_WIDTH, narrow ? 240 : -1);
  adw_button_content_set_label (self->open_content, narrow ? "" : _("_Open"));
  show_recent_button (self);
  descry_window_show_offers (self);
  descry_chat_set_compact (self->chat, narrow);
  /* Beside each other they would ask for more width than narrow screens have. */
  gtk_paned_set_shrink_start_child (self->paned, !narrow);
  gtk_paned_set_shrink_end_child (self->paned, !narrow);
  descry_window_update_edit_actions (self);
}

static void
descry_window_size_allocate (GtkWidget *widget,
                             int        width,
                             int        height,
                             int        baseline)
{
  DescryWindow *self = DESCRY_WINDOW (widget);

  if ((width < NARROW_WIDTH) != self->narrow)
    set_narrow (self, width < NARROW_WIDTH);
  /* Picture and panel share the height of a narrow window, until a hand moves the line between them. */
  if (self->narrow && height != self->shared_height)
    {
      self->shared_height = height;
      gtk_paned_set_position (self->paned, (int) (height * NARROW_PICTURE));
    }

  GTK_WIDGET_CLASS (descry_window_parent_class)->size_allocate (widget, width, height, baseline);
}

/* The handle must not push either part out of sight. */
static void
position_cb (DescryWindow *self)
{
  int width = gtk_widget_get_width (GTK_WIDGET (self->paned));
  int position = gtk_paned_get_position (self->paned);
  int wanted = CLAMP (position, MIN (SIDEBAR_WIDTH, width / 2), MAX (width - SIDEBAR_WIDTH, width / 2));

  if (!self->narrow && width > 0 && gtk_widget_get_visible (self->sidebar) && wanted != position)
    gtk_paned_set_position (self->paned, wanted);
}

static void
zoom_changed_cb (DescryCanvas *canvas,
                 GParamSpec   *pspec,
                 DescryWindow *self)
{
  double zoom = descry_canvas_get_zoom (canvas) * gtk_widget_get_scale_factor (GTK_WIDGET (canvas));
  g_autofree char *text = descry_bidi_value (_("%.0f %%"), 100.0 * zoom);

  gtk_button_set_label (self->zoom_button, text);
}

static void
threshold_changed_cb (DescryCanvas *canvas,
                      GParamSpec   *pspec,
                      DescryWindow *self)
{
  if (self->analysis == NULL)
    descry_window_update_title (self);
}

static void
copy_error_cb (GtkButton    *button,
               DescryWindow *self)
{
  const char *details = g_object_get_data (G_OBJECT (self->error_page), "descry-details");

  if (details != NULL)
    gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (self)), details);
}

/* --------- Object ------------------ */

static void
descry_window_dispose (GObject *object)
{
  DescryWindow *self = DESCRY_WINDOW (object);

  descry_window_cancel_jobs (self);
  descry_window_end_turn (self, NULL);
  descry_window_clear_actions (self);
  descry_window_clear_edits (self);
  g_clear_handle_id (&self->spinner_source, g_source_remove);
  g_clear_handle_id (&self->pulse_source, g_source_remove);
  g_clear_object (&self->chooser);
  g_clear_object (&self->exporter);
  if (self->engine != NULL)
    g_signal_handlers_disconnect_by_data (self->engine, self);
  g_clear_object (&self->engine);
  g_clear_object (&self->settings);
  if (self->pages != NULL)
    gtk_widget_dispose_template (GTK_WIDGET (self), DESCRY_TYPE_WINDOW);

  G_OBJECT_CLASS (descry_window_parent_class)->dispose (object);
}

static void
descry_window_finalize (GObject *object)
{
  DescryWindow *self = DESCRY_WINDOW (object);

  g_clear_pointer (&self->image, descry_image_unref);
  g_clear_pointer (&self->found, descry_scene_unref);
  g_clear_pointer (&self->scene, descry_scene_unref);
  g_clear_pointer (&self->edits, descry_edits_free);
  g_clear_pointer (&self->taken_points, g_array_unref);
  descry_window_clear_keep (self);
  g_clear_pointer (&self->state, g_variant_unref);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->pending_name, g_free);
  g_clear_pointer (&self->pending_path, g_free);

  G_OBJECT_CLASS (descry_window_parent_class)->finalize (object);
}

static void
descry_window_class_init (DescryWindowClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  object_class->dispose = descry_window_dispose;
  object_class->finalize = descry_window_finalize;
  widget_class->size_allocate = descry_window_size_allocate;
  descry_window_init_keep_signals (class);
  descry_window_init_state_signals (class);

  gtk_widget_class_add_binding (widget_class, GDK_KEY_Escape, 0, descry_window_escape, NULL);

  g_type_ensure (DESCRY_TYPE_CANVAS);
  g_type_ensure (DESCRY_TYPE_CHAT);
  g_type_ensure (DESCRY_TYPE_OBJECTS);
  g_type_ensure (DESCRY_TYPE_INSPECT);
  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/window.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, toasts);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, title);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, open_content);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, recent_button);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, drop_hint);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, overlay_button);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, sidebar_button);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, bar);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, bar_label);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, bar_close);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, bar_copy);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, bar_models);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, bar_devices);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, bar_retry);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, bar_conversation);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, pages);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, empty_spinner);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, sample_button);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, error_page);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, copy_error);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, paned);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, canvas);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, progress_box);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, progress);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, stage_label);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, plus_point);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, minus_point);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, zoom_button);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, sidebar);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, panels);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, chat);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, objects);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, inspect);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, opacity);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, opacity_adjustment);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, threshold_adjustment);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, threshold_scale);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, overlap_adjustment);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, overlap_scale);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, tags_adjustment);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, tags_scale);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, undo_box);
  gtk_widget_class_bind_template_child (widget_class, DescryWindow, recent_menu);
}

static void
descry_window_init (DescryWindow *self)
{
  GBindingFlags both = G_BINDING_BIDIRECTIONAL | G_BINDING_SYNC_CREATE;

  gtk_widget_init_template (GTK_WIDGET (self));

  descry_objects_set_canvas (self->objects, self->canvas);
  descry_inspect_set_canvas (self->inspect, self->canvas);
  g_signal_connect_object (self->canvas, "selection-changed", G_CALLBACK (selection_changed_cb), self, 0);
  g_signal_connect_object (self->canvas, "hover-changed", G_CALLBACK (hover_changed_cb), self, 0);
  g_signal_connect_object (self->canvas, "ask-about", G_CALLBACK (ask_about_cb), self, 0);
  g_signal_connect_object (self->canvas, "region", G_CALLBACK (region_cb), self, 0);
  g_signal_connect_object (self->canvas, "message", G_CALLBACK (canvas_message_cb), self, 0);
  g_signal_connect_object (self->canvas, "notify::zoom", G_CALLBACK (zoom_changed_cb), self, 0);
  g_signal_connect_object (self->canvas, "notify::threshold", G_CALLBACK (threshold_changed_cb), self, 0);
  g_signal_connect_object (self->objects, "ask-about", G_CALLBACK (ask_about_cb), self, 0);
  g_signal_connect_object (self->inspect, "ask-about", G_CALLBACK (ask_about_cb), self, 0);
  g_signal_connect_object (self->chat, "ask", G_CALLBACK (ask_cb), self, 0);
  g_signal_connect_object (self->chat, "stop", G_CALLBACK (stop_cb), self, 0);
  g_signal_connect_object (self->chat, "resume", G_CALLBACK (resume_cb), self, 0);
  g_signal_connect_object (self->chat, "link-hovered", G_CALLBACK (link_hovered_cb), self, 0);
  g_signal_connect_object (self->chat, "link-activated", G_CALLBACK (link_activated_cb), self, 0);
  descry_window_init_states (self);
  g_signal_connect_object (self->paned, "notify::position", G_CALLBACK (position_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->copy_error, "clicked", G_CALLBACK (copy_error_cb), self, 0);
  g_object_bind_property (self->canvas, "opacity", self->opacity_adjustment, "value", both);
  g_object_bind_property (self->canvas, "threshold", self->threshold_adjustment, "value", both);
  g_signal_connect_object (self->recent_menu, "items-changed", G_CALLBACK (show_recent_button), self, G_CONNECT_SWAPPED);
  descry_window_init_points (self);
  descry_window_init_edits (self);
  descry_window_init_folder (self);
  descry_window_init_state (self);
  descry_window_init_export (self);
  descry_window_init_talk (self);
  descry_window_init_actions (self);
  /* What a window asks for at first must not be more than a narrow screen has. */
  set_narrow (self, TRUE);
}

GtkWidget *
descry_window_new (GtkApplication *application,
                   DescryEngine   *engine,
                   GSettings      *settings)
{
  DescryWindow *self = g_object_new (DESCRY_TYPE_WINDOW, "application", application, NULL);

  if (engine != NULL)
    {
      self->engine = g_object_ref (engine);
      g_signal_connect_object (engine, "stage", G_CALLBACK (stage_cb), self, 0);
      g_signal_connect_object (engine, "scene", G_CALLBACK (scene_cb), self, 0);
      g_signal_connect_object (engine, "text", G_CALLBACK (text_cb), self, 0);
      g_signal_connect_object (engine, "changed", G_CALLBACK (descry_window_show_status), self, G_CONNECT_SWAPPED);
    }
  if (settings != NULL)
    {
      self->settings = g_object_ref (settings);
      g_settings_bind (settings, "show-boxes", self->canvas, "show-boxes", G_SETTINGS_BIND_DEFAULT);
      g_settings_bind (settings, "show-masks", self->canvas, "show-masks", G_SETTINGS_BIND_DEFAULT);
      g_settings_bind (settings, "show-names", self->canvas, "show-names", G_SETTINGS_BIND_DEFAULT);
      g_settings_bind (settings, "show-scores", self->canvas, "show-scores", G_SETTINGS_BIND_DEFAULT);
      g_settings_bind (settings, "group-objects", self->objects, "grouped", G_SETTINGS_BIND_DEFAULT);
      g_settings_bind (settings, "mask-opacity", self->canvas, "opacity", G_SETTINGS_BIND_DEFAULT);
      /* A threshold belongs to its window's picture and can be taken back there; only new windows begin with the newest. */
      g_settings_bind (settings, "threshold", self->canvas, "threshold", G_SETTINGS_BIND_GET | G_SETTINGS_BIND_SET | G_SETTINGS_BIND_GET_NO_CHANGES);
      /* The first window's size is what the next start has; further windows only read. */
      g_settings_bind (settings, "window-width", self, "default-width", G_SETTINGS_BIND_DEFAULT);
      g_settings_bind (settings, "window-height", self, "default-height", G_SETTINGS_BIND_DEFAULT);
      g_settings_bind (settings, "window-maximized", self, "maximized", G_SETTINGS_BIND_DEFAULT);
      g_action_group_change_action_state (G_ACTION_GROUP (self), "sidebar", g_settings_get_value (settings, "sidebar"));
    }
  else
    gtk_window_set_default_size (GTK_WINDOW (self), 1200, 760);
  descry_window_show_status (self);

  return GTK_WIDGET (self);
}

gboolean
descry_window_has_picture (DescryWindow *self)
{
  return self->image != NULL || self->loading != NULL;
}

GMenu *
descry_window_get_recent_menu (DescryWindow *self)
{
  return self->recent_menu;
}

DescryImage *
descry_window_get_image (DescryWindow *self)
{
  return self->image;
}

const char *
descry_window_get_path (DescryWindow *self)
{
  return self->path;
}

DescryScene *
descry_window_get_found (DescryWindow *self)
{
  return self->found;
}

gboolean
descry_window_get_analyzed (DescryWindow *self)
{
  return self->analyzed;
}

DescryCanvas *
descry_window_get_canvas (DescryWindow *self)
{
  return self->canvas;
}

DescryChat *
descry_window_get_chat (DescryWindow *self)
{
  return self->chat;
}

const char *
descry_window_get_page (DescryWindow *self)
{
  return gtk_stack_get_visible_child_name (self->pages);
}

gboolean
descry_window_is_idle (DescryWindow *self)
{
  return self->loading == NULL && self->exporting == 0 && !self->looked_up && self->analysis == NULL && self->segmenting == NULL && self->answering == NULL;
}

const char *
descry_window_get_message (DescryWindow *self)
{
  return gtk_info_bar_get_revealed (self->bar) ? gtk_label_get_label (self->bar_label) : NULL;
}
