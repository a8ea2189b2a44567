/* window-export.c - what is shown, as files and in the clipboard
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <errno.h>
#include <string.h>

#include <glib/gi18n.h>
#include <glib/gstdio.h>

#include "ui/bidi.h"
#include "ui/export.h"
#include "ui/export-yolo.h"
#include "ui/picture.h"

/* The action's parameter and the end of the name that is offered. */
static const struct
{
  const char *name;
  const char *ending;
  gboolean    picture;
  int         format; /* DescryPictureFormat or DescryExportFormat */
} formats[] = {
  { "png", "-objects.png", TRUE, DESCRY_PICTURE_PNG },  { "svg", ".svg", TRUE, DESCRY_PICTURE_SVG },         { "pdf", ".pdf", TRUE, DESCRY_PICTURE_PDF },
  { "json", ".json", FALSE, DESCRY_EXPORT_JSON },       { "coco", "-coco.json", FALSE, DESCRY_EXPORT_COCO }, { "yolo", ".txt", FALSE, DESCRY_EXPORT_YOLO },
  { "voc", ".xml", FALSE, DESCRY_EXPORT_VOC },
};

/* One writing, in a thread; everything it needs is its own. */
typedef struct
{
  GWeakRef     window;
  DescryImage *image;
  DescryScene *scene; /* what is shown, of any score */
  DescryView   view;
  guint        format; /* of formats[] */
  guint        object; /* to cut out; 0: the whole picture */
  gboolean     copy; /* for the clipboard instead of a file */
  char        *path;
  guint        width, height; /* of the pixels that were made */
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_weak_ref_clear (&job->window);
  descry_image_unref (job->image);
  descry_scene_unref (job->scene);
  g_free (job->path);
  g_free (job);
}

/* The scene as it is looked at: what is hidden is neither exported nor told to the language model. Chips are asked about,
 * hidden or not. (transfer full) */
DescryScene *
descry_window_shown_scene (DescryWindow *self,
                           GArray       *chips)
{
  const DescryView *view = descry_canvas_get_view (self->canvas);
  DescryScene *shown;
  guint i, k;

  if (self->scene == NULL)
    return NULL;
  if (view->solo == 0 && (view->hidden == NULL || g_hash_table_size (view->hidden) == 0))
    return descry_scene_ref (self->scene);

  shown = descry_scene_copy (self->scene);
  for (i = shown->objects->len; i-- > 0;)
    {
      const DescryObject *object = g_ptr_array_index (shown->objects, i);
      gboolean hidden = (view->solo != 0 && view->solo != object->id) || (view->hidden != NULL && g_hash_table_contains (view->hidden, GUINT_TO_POINTER (object->id)));

      for (k = 0; hidden && chips != NULL && k < chips->len; k++)
        hidden = g_array_index (chips, guint, k) != object->id;
      if (hidden)
        {
          g_autofree char *name = g_strdup (object->name);

          g_ptr_array_remove_index (shown->objects, i);
          descry_edits_drop_tag (shown, name);
        }
    }

  return shown;
}

/* --------- The thread ------------------ */

static GBytes *
make_pixels (Job     *job,
             GError **error)
{
  GBytes *pixels;

  if (job->object != 0)
    return descry_picture_cut_out (job->image, descry_scene_find (job->scene, job->object), &job->width, &job->height, error);

  job->width = job->image->width;
  job->height = job->image->height;
  pixels = descry_picture_render (job->image, job->scene, &job->view);
  if (pixels == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, _("No memory for a picture of %u × %u"), job->width, job->height);

  return pixels;
}

static gboolean
write_text (Job     *job,
            GError **error)
{
  g_autoptr (GPtrArray) scenes = g_ptr_array_new ();
  g_autofree char *text = NULL;

  if (formats[job->format].format == DESCRY_EXPORT_YOLO)
    return descry_yolo_write (job->scene, job->view.threshold, job->path, error);

  g_ptr_array_add (scenes, job->scene);
  text = descry_export ((DescryExportFormat) formats[job->format].format, scenes, job->view.threshold);
  /* Under a temporary name, synced and renamed. */
  return g_file_set_contents (job->path, text, -1, error);
}

static void
work (GTask        *task,
      gpointer      source,
      gpointer      data,
      GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  g_autoptr (GBytes) pixels = NULL;
  gboolean ok;

  if (job->copy || job->object != 0)
    {
      pixels = make_pixels (job, &error);
      ok = pixels != NULL && (job->copy || descry_picture_write_pixels (pixels, job->width, job->height, job->path, &error));
    }
  else if (formats[job->format].picture)
    ok = descry_picture_export (job->image, job->scene, &job->view, (DescryPictureFormat) formats[job->format].format, job->path, &error);
  else
    ok = write_text (job, &error);

  if (!ok)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&pixels), (GDestroyNotify) g_bytes_unref);
}

static void
done_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      data)
{
  Job *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (DescryWindow) self = g_weak_ref_get (&job->window);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) pixels = g_task_propagate_pointer (G_TASK (result), &error);
  g_autofree char *text = NULL;

  if (self == NULL)
    return;

  self->exporting--;
  if (error != NULL && job->path != NULL)
    {
      g_autofree char *shown = g_filename_display_name (job->path);

      /* Translators: the name of a file, and why. */
      text = g_strdup_printf (_("“%s” could not be saved: %s"), shown, error->message);
      descry_window_show_bar (self, GTK_MESSAGE_ERROR, text);
    }
  else if (error != NULL)
    descry_window_show_bar (self, GTK_MESSAGE_ERROR, error->message);
  else if (job->copy)
    {
      g_autoptr (GdkTexture) texture = gdk_memory_texture_new ((int) job->width, (int) job->height, GDK_MEMORY_B8G8R8A8_PREMULTIPLIED, pixels, (gsize) job->width * 4);

      gdk_clipboard_set_texture (gtk_widget_get_clipboard (GTK_WIDGET (self)), texture);
      descry_window_toast (self, _("Copied"));
    }
  else
    {
      g_autofree char *name = g_path_get_basename (job->path);
      g_autofree char *shown = g_filename_display_name (name);

      g_autofree char *isolated = descry_bidi_isolate (shown);

      text = g_strdup_printf (_("“%s” saved"), isolated);
      descry_window_toast (self, text);
    }
}

/* Of what is shown, the selected objects alone. (transfer full) */
static DescryScene *
selected_scene (DescryWindow *self)
{
  g_autoptr (DescryScene) shown = descry_window_shown_scene (self, NULL);
  DescryScene *scene = descry_scene_copy (shown);
  GArray *ids = descry_canvas_get_selection (self->canvas);
  guint i, k;

  for (i = scene->objects->len; i-- > 0;)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      for (k = 0; k < ids->len && g_array_index (ids, guint, k) != object->id; k++)
        ;
      if (k == ids->len)
        {
          g_autofree char *name = g_strdup (object->name);

          g_ptr_array_remove_index (scene->objects, i);
          descry_edits_drop_tag (scene, name);
        }
    }

  return scene;
}

/* @path: taken. */
static void
start (DescryWindow *self,
       guint         format,
       guint         object,
       gboolean      selection,
       gboolean      copy,
       char         *path)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, done_cb, NULL);
  Job *job = g_new0 (Job, 1);

  g_weak_ref_init (&job->window, self);
  job->image = descry_image_ref (self->image);
  job->scene = object != 0 ? descry_scene_ref (self->scene) : selection ? selected_scene (self) : descry_window_shown_scene (self, NULL);
  job->view = *descry_canvas_get_view (self->canvas);
  job->view.hidden = NULL; /* they have left the scene, and the set is the canvas's own */
  job->view.solo = 0;
  job->view.selected = NULL;
  job->format = format;
  job->object = object;
  job->copy = copy;
  job->path = path;
  self->exporting++;
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, work);
}

static gboolean
export_to (DescryWindow *self,
           const char   *format,
           gboolean      selection,
           const char   *path)
{
  guint i;

  g_return_val_if_fail (DESCRY_IS_WINDOW (self) && path != NULL, FALSE);

  if (self->image == NULL || self->scene == NULL)
    return FALSE;
  for (i = 0; i < G_N_ELEMENTS (formats); i++)
    if (strcmp (format, formats[i].name) == 0)
      {
        start (self, i, 0, selection, FALSE, g_strdup (path));
        return TRUE;
      }

  return FALSE;
}

gboolean
descry_window_export (DescryWindow *self,
                      const char   *format,
                      const char   *path)
{
  return export_to (self, format, FALSE, path);
}

gboolean
descry_window_export_selection (DescryWindow *self,
                                const char   *format,
                                const char   *path)
{
  return export_to (self, format, TRUE, path);
}

gboolean
descry_window_cut_out (DescryWindow *self,
                       guint         id,
                       const char   *path)
{
  g_return_val_if_fail (DESCRY_IS_WINDOW (self), FALSE);

  if (self->image == NULL || self->scene == NULL || descry_scene_find (self->scene, id) == NULL)
    return FALSE;
  start (self, 0, id, FALSE, path == NULL, g_strdup (path));
  return TRUE;
}

/* --------- Actions ------------------ */

static void
chosen_cb (GtkFileChooserNative *chooser,
           int                   response,
           DescryWindow         *self)
{
  const char *format = g_object_get_data (G_OBJECT (chooser), "descry-format");
  guint id = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (chooser), "descry-object"));
  g_autoptr (GFile) file = response == GTK_RESPONSE_ACCEPT ? gtk_file_chooser_get_file (GTK_FILE_CHOOSER (chooser)) : NULL;
  const char *path = file != NULL ? g_file_peek_path (file) : NULL;

  if (file != NULL && path == NULL)
    descry_window_toast (self, _("Only files of this computer can be written"));
  else if (path != NULL && id != 0)
    descry_window_cut_out (self, id, path);
  else if (path != NULL)
    export_to (self, format, g_object_get_data (G_OBJECT (chooser), "descry-selection") != NULL, path);
  g_clear_object (&self->exporter);
}

/* @format: NULL for a cut-out of @id. */
static void
choose (DescryWindow *self,
        const char   *format,
        gboolean      selection,
        guint         id,
        const char   *ending)
{
  g_autofree char *stem = NULL, *name = NULL;
  char *dot;

  if (self->image == NULL || self->scene == NULL)
    return;

  stem = g_strdup (self->name != NULL ? self->name : "picture");
  dot = strrchr (stem, '.');
  if (dot != NULL && dot != stem)
    *dot = '\0';
  name = g_strconcat (stem, ending, NULL);

  g_clear_object (&self->exporter);
  self->exporter = gtk_file_chooser_native_new (format != NULL ? _("Export") : _("Save Cut-Out"), GTK_WINDOW (self), GTK_FILE_CHOOSER_ACTION_SAVE, NULL, NULL);
  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (self->exporter), name);
  if (self->path != NULL)
    {
      g_autoptr (GFile) file = g_file_new_for_path (self->path);
      g_autoptr (GFile) folder = g_file_get_parent (file);

      gtk_file_chooser_set_current_folder (GTK_FILE_CHOOSER (self->exporter), folder, NULL);
    }
  g_object_set_data_full (G_OBJECT (self->exporter), "descry-format", g_strdup (format), g_free);
  g_object_set_data (G_OBJECT (self->exporter), "descry-object", GUINT_TO_POINTER (id));
  g_object_set_data (G_OBJECT (self->exporter), "descry-selection", GINT_TO_POINTER (selection));
  g_signal_connect_object (self->exporter, "response", G_CALLBACK (chosen_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (self->exporter));
}

static void
export_as (DescryWindow *self,
           const char   *format,
           gboolean      selection)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (formats); i++)
    if (strcmp (format, formats[i].name) == 0)
      choose (self, format, selection, 0, formats[i].ending);
}

static void
export_action (GSimpleAction *action,
               GVariant      *parameter,
               gpointer       data)
{
  export_as (data, g_variant_get_string (parameter, NULL), FALSE);
}

static void
export_selection_action (GSimpleAction *action,
                         GVariant      *parameter,
                         gpointer       data)
{
  export_as (data, g_variant_get_string (parameter, NULL), TRUE);
}

static void
copy_picture_action (GSimpleAction *action,
                     GVariant      *parameter,
                     gpointer       data)
{
  DescryWindow *self = data;

  if (self->image != NULL && self->scene != NULL)
    start (self, 0, 0, FALSE, TRUE, NULL);
}

/* The first selected object that is in the scene, or 0. */
static guint
selected_id (DescryWindow *self)
{
  GArray *ids = descry_canvas_get_selection (self->canvas);

  return self->scene != NULL && ids->len > 0 && descry_scene_find (self->scene, g_array_index (ids, guint, 0)) != NULL ? g_array_index (ids, guint, 0) : 0;
}

static void
cut_out_action (GSimpleAction *action,
                GVariant      *parameter,
                gpointer       data)
{
  DescryWindow *self = data;
  guint id = selected_id (self);
  g_autofree char *ending = NULL;

  if (id == 0)
    return;
  ending = g_strdup_printf ("-%u-%s.png", id, descry_scene_find (self->scene, id)->name);
  choose (self, NULL, FALSE, id, g_strdelimit (ending, "/", '-'));
}

static void
copy_cut_out_action (GSimpleAction *action,
                     GVariant      *parameter,
                     gpointer       data)
{
  DescryWindow *self = data;
  guint id = selected_id (self);

  if (id != 0)
    descry_window_cut_out (self, id, NULL);
}

/* What is meant: the selected object, or the picture. */
static void
copy_action (GSimpleAction *action,
             GVariant      *parameter,
             gpointer       data)
{
  gboolean one = descry_canvas_get_selection (DESCRY_WINDOW (data)->canvas)->len == 1;

  g_action_group_activate_action (data, one ? "copy-cut-out" : "copy-picture", NULL);
}

void
descry_window_update_export_actions (DescryWindow *self)
{
  static const char *on_scene[] = { "export", "copy", "copy-picture" }, *on_selection[] = { "cut-out", "copy-cut-out", "export-selection" };
  gboolean scene = self->image != NULL && self->scene != NULL, selected = scene && selected_id (self) != 0;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (on_scene); i++)
    g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (G_ACTION_MAP (self), on_scene[i])), scene);
  for (i = 0; i < G_N_ELEMENTS (on_selection); i++)
    g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (G_ACTION_MAP (self), on_selection[i])), selected);
}

void
descry_window_init_export (DescryWindow *self)
{
  static const GActionEntry entries[] = {
    { "export", export_action, "s" },
    { "export-selection", export_selection_action, "s" },
    { "copy", copy_action },
    { "copy-picture", copy_picture_action },
    { "cut-out", cut_out_action },
    { "copy-cut-out", copy_cut_out_action },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
}
