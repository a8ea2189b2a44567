/* models-page.c - the window of the networks: what fills each slot, what is wrong with it, adding and removing
 *
 * Every piece of work opens the bundle afresh in a thread and comes back with it as it is then; the window
 * itself never touches the disk. A removed file only leaves the list at first: it is deleted when the message
 * with Undo has gone.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "ui/models-private.h"

#include <string.h>

#include <glib/gi18n.h>

#include "ui/main-thread.h"

#define PROGRESS_MS   100
#define TOAST_SECONDS 8
#define TOAST_MOVES_MS 600

G_DEFINE_FINAL_TYPE (DescryModelsPage, descry_models_page, ADW_TYPE_WINDOW)

static void commit_removals (DescryModelsPage *self);
static void drop_toast      (DescryModelsPage *self);
static void ask_replace     (DescryModelsPage *self, DescrySlot slot, const char *path);

/* --------- Work seen from the window ------------------ */

static void
set_error (DescryModelsPage *self,
           const char       *text)
{
  g_free (self->error);
  self->error = g_strdup (text);
}

static void
show_error (DescryModelsPage *self,
            const char       *heading,
            const char       *text)
{
  GtkWidget *dialog = adw_message_dialog_new (GTK_WINDOW (self), heading, text);

  set_error (self, text);
  adw_message_dialog_add_response (ADW_MESSAGE_DIALOG (dialog), "close", _("_Close"));
  gtk_window_present (GTK_WINDOW (dialog));
}

static gboolean
show_progress_cb (gpointer data)
{
  DescryModelsPage *self = data;
  DescryModelsWork *work = g_task_get_task_data (self->task);

  if (work->kind == WORK_VERIFY)
    gtk_progress_bar_set_fraction (self->progress, g_atomic_int_get (&work->permille) / 1000.0);
  else
    gtk_progress_bar_pulse (self->progress);

  return G_SOURCE_CONTINUE;
}

static void
set_working (DescryModelsPage *self,
             const char       *text) /* NULL: no longer */
{
  gtk_revealer_set_reveal_child (self->work, text != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->work), text != NULL);
  gtk_widget_set_sensitive (GTK_WIDGET (self->page), text == NULL);
  gtk_widget_set_sensitive (GTK_WIDGET (self->verify_all), text == NULL && self->bundle != NULL);
  g_clear_handle_id (&self->progress_source, g_source_remove);
  if (text == NULL)
    return;

  gtk_label_set_label (self->work_label, text);
  gtk_progress_bar_set_fraction (self->progress, 0.0);
  self->progress_source = g_timeout_add (PROGRESS_MS, show_progress_cb, self);
}

static void
finish_work (DescryModelsPage *self,
             DescryModelsWork *work,
             GError           *error)
{
  g_clear_pointer (&self->bundle, descry_bundle_free);
  g_clear_pointer (&self->states, g_hash_table_unref);
  self->bundle = g_steal_pointer (&work->opened);
  self->states = g_steal_pointer (&work->states);
  self->estimate = work->estimate;
  self->disk_free = work->disk_free;
  set_error (self, error != NULL ? error->message : NULL);
  set_working (self, NULL);
  descry_models_show_list (self);

  if (self->bundle == NULL)
    {
      g_autofree char *escaped = g_markup_escape_text (error->message, -1);

      adw_status_page_set_description (self->missing, escaped);
      /* A damaged bundle is not overwritten, and a folder that was named is the user's own. */
      gtk_widget_set_visible (GTK_WIDGET (self->create), g_error_matches (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_MISSING)
                                                           && (self->bundle_name == NULL || strchr (self->bundle_name, '/') == NULL));
      gtk_stack_set_visible_child_name (self->stack, "missing");
      return;
    }

  if (work->kind == WORK_ADD && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_EXISTS))
    {
      set_error (self, NULL);
      ask_replace (self, work->slot, work->file);
    }
  else if (error != NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      if (work->kind == WORK_ADD || work->kind == WORK_REPLACE)
        show_error (self, _("Could Not Add the File"), error->message);
      else if (work->kind == WORK_REMOVE)
        show_error (self, _("Could Not Remove the File"), error->message);
      else
        show_error (self, ngettext ("A File Is Wrong", "Some Files Are Wrong", work->wrong), error->message);
    }
  else if (error == NULL && work->kind == WORK_VERIFY)
    adw_toast_overlay_add_toast (self->toasts, adw_toast_new (work->file != NULL ? _("The file is right") : _("All files are right")));

  if (self->commit_waits)
    commit_removals (self);
}

static void
work_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      data)
{
  GTask *task = G_TASK (result);
  DescryModelsWork *work = g_task_get_task_data (task);
  g_autoptr (DescryModelsPage) self = g_weak_ref_get (&work->page);
  g_autoptr (GError) error = NULL;

  g_task_propagate_boolean (task, &error);
  if (work->changed && work->engine != NULL)
    descry_engine_reload (work->engine, NULL);
  if (g_application_get_default () != NULL)
    g_application_release (g_application_get_default ());
  /* Closed meanwhile. */
  if (self == NULL || self->task != task)
    return;

  g_clear_object (&self->task);
  g_clear_object (&self->cancellable);
  finish_work (self, work, error);
}

static GTask *
start_task (DescryModelsPage    *self,
            DescryModelsWorkKind kind,
            DescrySlot           slot,
            const char          *file,
            GPtrArray           *removals, /* taken */
            GCancellable        *cancellable)
{
  /* No source object: the window may close, and a removal goes on after that. */
  GTask *task = g_task_new (NULL, cancellable, work_cb, NULL);
  DescryModelsWork *work = g_new0 (DescryModelsWork, 1);

  work->kind = kind;
  work->bundle = g_strdup (self->bundle != NULL ? self->bundle->path : self->bundle_name);
  work->slot = slot;
  work->file = g_strdup (file);
  work->removals = removals;
  work->engine = self->engine != NULL ? g_object_ref (self->engine) : NULL;
  g_weak_ref_init (&work->page, self);
  g_task_set_name (task, "descry models");
  g_task_set_task_data (task, work, descry_models_work_free);
  /* A file that is half copied or half removed is finished before the program ends. */
  if (g_application_get_default () != NULL)
    g_application_hold (g_application_get_default ());
  g_task_run_in_thread (task, descry_models_work_thread);

  return task;
}

/* What was removed goes with this work, or stays to be undone. */
static void
start_work (DescryModelsPage    *self,
            DescryModelsWorkKind kind,
            DescrySlot           slot,
            const char          *file,
            const char          *text)
{
  GPtrArray *removals = NULL;

  g_return_if_fail (self->task == NULL);

  if (kind == WORK_ADD || kind == WORK_REPLACE || kind == WORK_REMOVE)
    {
      removals = g_steal_pointer (&self->removals);
      self->removals = descry_removals_new ();
      self->commit_waits = FALSE;
      drop_toast (self);
    }
  self->cancellable = g_cancellable_new ();
  self->task = start_task (self, kind, slot, file, removals != NULL ? removals : descry_removals_new (), self->cancellable);
  set_working (self, text);
  /* Removing cannot be stopped half way. */
  gtk_widget_set_visible (GTK_WIDGET (self->cancel), kind == WORK_VERIFY || kind == WORK_ADD || kind == WORK_REPLACE);
}

/* --------- Removing, with Undo ------------------ */

static gboolean
dismiss_cb (gpointer data)
{
  adw_toast_dismiss (data);
  return G_SOURCE_REMOVE;
}

/* libadwaita 1.2 falls over a toast that goes while it still moves in. */
static void
drop_toast (DescryModelsPage *self)
{
  g_autoptr (AdwToast) toast = g_steal_pointer (&self->removed_toast);

  g_clear_handle_id (&self->removed_source, g_source_remove);
  if (toast != NULL)
    g_timeout_add_full (G_PRIORITY_DEFAULT, TOAST_MOVES_MS, dismiss_cb, g_object_ref (toast), g_object_unref);
}

/* The message has gone: now the files go. */
static void
commit_removals (DescryModelsPage *self)
{
  self->commit_waits = self->task != NULL;
  if (self->task == NULL && self->removals->len > 0)
    start_work (self, WORK_REMOVE, 0, NULL, _("Removing files"));
}

static void
toast_dismissed_cb (AdwToast         *toast,
                    DescryModelsPage *self)
{
  if (toast != self->removed_toast)
    return;

  g_clear_handle_id (&self->removed_source, g_source_remove);
  g_clear_object (&self->removed_toast);
  commit_removals (self);
}

static void
forget_removals (DescryModelsPage *self)
{
  g_ptr_array_set_size (self->removals, 0);
  self->commit_waits = FALSE;
  descry_models_show_list (self);
}

/* The toast goes by itself after this. */
static void
undo_clicked_cb (AdwToast         *toast,
                 DescryModelsPage *self)
{
  if (toast != self->removed_toast)
    return;

  g_clear_handle_id (&self->removed_source, g_source_remove);
  g_clear_object (&self->removed_toast);
  forget_removals (self);
}

static gboolean
toast_late_cb (gpointer data)
{
  DescryModelsPage *self = data;

  self->removed_source = 0;
  adw_toast_dismiss (self->removed_toast);
  return G_SOURCE_REMOVE;
}

/* One message for all that can come back; its time begins anew with each. */
static void
announce_removals (DescryModelsPage *self)
{
  const DescryRemoval *newest = g_ptr_array_index (self->removals, self->removals->len - 1);
  g_autofree char *text = NULL;

  text = self->removals->len == 1 ? g_strdup_printf (_("%s is removed"), newest->file)
                                  : g_strdup_printf (ngettext ("%u file is removed", "%u files are removed", self->removals->len), self->removals->len);
  g_clear_handle_id (&self->removed_source, g_source_remove);
  self->removed_source = g_timeout_add_seconds (TOAST_SECONDS, toast_late_cb, self);
  if (self->removed_toast != NULL)
    {
      adw_toast_set_title (self->removed_toast, text);
      return;
    }

  self->removed_toast = adw_toast_new (text);
  adw_toast_set_button_label (self->removed_toast, _("_Undo"));
  adw_toast_set_timeout (self->removed_toast, 0);
  adw_toast_set_priority (self->removed_toast, ADW_TOAST_PRIORITY_HIGH);
  g_signal_connect_object (self->removed_toast, "button-clicked", G_CALLBACK (undo_clicked_cb), self, 0);
  g_signal_connect_object (self->removed_toast, "dismissed", G_CALLBACK (toast_dismissed_cb), self, 0);
  adw_toast_overlay_add_toast (self->toasts, g_object_ref (self->removed_toast));
}

void
descry_models_page_undo (DescryModelsPage *self)
{
  g_return_if_fail (DESCRY_IS_MODELS_PAGE (self));

  drop_toast (self);
  forget_removals (self);
}

void
descry_models_page_remove (DescryModelsPage *self,
                           DescrySlot        slot,
                           const char       *file)
{
  DescryRemoval *removal;

  g_return_if_fail (DESCRY_IS_MODELS_PAGE (self) && (guint) slot < DESCRY_N_SLOTS && file != NULL);

  if (self->task != NULL || self->bundle == NULL)
    return;

  removal = g_new0 (DescryRemoval, 1);
  removal->slot = slot;
  removal->file = g_strdup (file);
  g_ptr_array_add (self->removals, removal);

  announce_removals (self);
  descry_models_show_list (self);
}

void
descry_models_page_verify (DescryModelsPage *self,
                           const char       *file)
{
  g_autofree char *text = NULL;

  g_return_if_fail (DESCRY_IS_MODELS_PAGE (self));

  if (self->task != NULL || self->bundle == NULL)
    return;
  text = file != NULL ? g_strdup_printf (_("Checking %s"), file) : g_strdup (_("Checking all files"));
  start_work (self, WORK_VERIFY, 0, file, text);
}

/* --------- Adding ------------------ */

static void
add (DescryModelsPage    *self,
     DescrySlot           slot,
     const char          *path,
     DescryModelsWorkKind kind) /* WORK_ADD or WORK_REPLACE */
{
  g_autofree char *name = NULL, *text = NULL;

  if (self->task != NULL || self->bundle == NULL)
    return;
  name = g_filename_display_basename (path);
  text = g_strdup_printf (_("Adding %s"), name);
  start_work (self, kind, slot, path, text);
}

void
descry_models_page_add (DescryModelsPage *self,
                        DescrySlot        slot,
                        const char       *path)
{
  g_return_if_fail (DESCRY_IS_MODELS_PAGE (self) && (guint) slot < DESCRY_N_SLOTS && path != NULL);

  add (self, slot, path, WORK_ADD);
}

static void
replace_response_cb (AdwMessageDialog *dialog,
                     const char       *response,
                     DescryModelsPage *self)
{
  if (strcmp (response, "replace") == 0)
    add (self, GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (dialog), "descry-slot")), g_object_get_data (G_OBJECT (dialog), "descry-path"),
         WORK_REPLACE);
}

/* A slot has one network: what is there now would go for good, so this is asked. */
static void
ask_replace (DescryModelsPage *self,
             DescrySlot        slot,
             const char       *path)
{
  g_autofree char *name = g_filename_display_basename (path);
  GtkWidget *dialog = adw_message_dialog_new (GTK_WINDOW (self), _("Replace the Network?"), NULL);

  adw_message_dialog_format_body (ADW_MESSAGE_DIALOG (dialog), _("%s takes the place of the %s. The files that are there now are deleted."),
                                  name, descry_models_slot_title (slot));
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _("_Cancel"), "replace", _("_Replace"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "replace", ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  adw_message_dialog_set_close_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  g_object_set_data (G_OBJECT (dialog), "descry-slot", GUINT_TO_POINTER (slot));
  g_object_set_data_full (G_OBJECT (dialog), "descry-path", g_strdup (path), g_free);
  g_signal_connect_object (dialog, "response", G_CALLBACK (replace_response_cb), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
chooser_response_cb (GtkNativeDialog  *dialog,
                     int               response,
                     DescryModelsPage *self)
{
  g_autoptr (GFile) file = NULL;
  g_autofree char *path = NULL;

  if (response == GTK_RESPONSE_ACCEPT)
    file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
  if (file != NULL)
    path = g_file_get_path (file);
  g_clear_object (&self->chooser);

  if (path != NULL)
    descry_models_page_add (self, self->chooser_slot, path);
  else if (file != NULL)
    show_error (self, _("Could Not Add the File"), _("Only a file of this computer can be added."));
}

void
descry_models_choose (DescryModelsPage *self,
                      DescrySlot        slot)
{
  static const char *const suffixes[] = { "gguf", "pth", "pt", "bin", "onnx", "json" };
  g_autoptr (GtkFileFilter) filter = gtk_file_filter_new ();
  g_autoptr (GtkFileFilter) all = gtk_file_filter_new ();
  guint i;

  if (self->chooser != NULL)
    return;

  self->chooser_slot = slot;
  self->chooser = gtk_file_chooser_native_new (_("Add a Network"), GTK_WINDOW (self), GTK_FILE_CHOOSER_ACTION_OPEN, _("_Add"), _("_Cancel"));
  gtk_file_filter_set_name (filter, _("Networks (GGUF) and checkpoints to convert"));
  for (i = 0; i < G_N_ELEMENTS (suffixes); i++)
    gtk_file_filter_add_suffix (filter, suffixes[i]);
  gtk_file_filter_set_name (all, _("All Files"));
  gtk_file_filter_add_pattern (all, "*");
  gtk_file_chooser_add_filter (GTK_FILE_CHOOSER (self->chooser), filter);
  gtk_file_chooser_add_filter (GTK_FILE_CHOOSER (self->chooser), all);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (self->chooser), TRUE);
  g_signal_connect_object (self->chooser, "response", G_CALLBACK (chooser_response_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (self->chooser));
}

static void
verify_all_cb (DescryModelsPage *self)
{
  descry_models_page_verify (self, NULL);
}

static void
cancel_cb (DescryModelsPage *self)
{
  g_cancellable_cancel (self->cancellable);
}

static void
create_cb (DescryModelsPage *self)
{
  if (self->task == NULL)
    start_work (self, WORK_CREATE, 0, NULL, _("Making a bundle"));
}

static void
engine_changed_cb (DescryModelsPage *self)
{
  if (self->task == NULL)
    descry_models_show_needs (self);
}

gboolean
descry_models_page_is_idle (DescryModelsPage *self)
{
  return self->task == NULL;
}

const char *
descry_models_page_get_error (DescryModelsPage *self)
{
  return self->error;
}

/* --------- Window ------------------ */

static void
descry_models_page_dispose (GObject *object)
{
  DescryModelsPage *self = DESCRY_MODELS_PAGE (object);

  g_clear_handle_id (&self->progress_source, g_source_remove);
  g_clear_handle_id (&self->removed_source, g_source_remove);
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->task);
  /* The message goes with the window. Nobody waits for this task. */
  g_clear_object (&self->removed_toast);
  if (self->removals != NULL && self->removals->len > 0)
    g_object_unref (start_task (self, WORK_REMOVE, 0, NULL, g_steal_pointer (&self->removals), NULL));
  g_clear_pointer (&self->removals, g_ptr_array_unref);
  if (self->chooser != NULL)
    gtk_native_dialog_destroy (GTK_NATIVE_DIALOG (self->chooser));
  g_clear_object (&self->chooser);
  g_clear_pointer (&self->groups, g_ptr_array_unref);
  g_clear_pointer (&self->states, g_hash_table_unref);
  g_clear_pointer (&self->bundle, descry_bundle_free);
  g_clear_object (&self->engine);
  g_clear_object (&self->settings);
  gtk_widget_dispose_template (GTK_WIDGET (self), DESCRY_TYPE_MODELS_PAGE);

  G_OBJECT_CLASS (descry_models_page_parent_class)->dispose (object);
}

static void
descry_models_page_finalize (GObject *object)
{
  DescryModelsPage *self = DESCRY_MODELS_PAGE (object);

  g_clear_pointer (&self->bundle_name, g_free);
  g_clear_pointer (&self->error, g_free);

  G_OBJECT_CLASS (descry_models_page_parent_class)->finalize (object);
}

static void
descry_models_page_class_init (DescryModelsPageClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = descry_models_page_dispose;
  G_OBJECT_CLASS (class)->finalize = descry_models_page_finalize;

  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/models-page.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, toasts);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, title);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, verify_all);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, work);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, work_label);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, progress);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, cancel);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, stack);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, missing);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, create);
  gtk_widget_class_bind_template_child (widget_class, DescryModelsPage, page);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_w, GDK_CONTROL_MASK, "window.close", NULL);
}

static void
descry_models_page_init (DescryModelsPage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->groups = g_ptr_array_new ();
  self->removals = descry_removals_new ();
  g_signal_connect_object (self->verify_all, "clicked", G_CALLBACK (verify_all_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->cancel, "clicked", G_CALLBACK (cancel_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->create, "clicked", G_CALLBACK (create_cb), self, G_CONNECT_SWAPPED);
}

GtkWidget *
descry_models_page_new (GtkWindow    *parent,
                        DescryEngine *engine,
                        GSettings    *settings,
                        const char   *bundle)
{
  DescryModelsPage *self = g_object_new (DESCRY_TYPE_MODELS_PAGE, "transient-for", parent, "destroy-with-parent", TRUE, NULL);

  self->engine = engine != NULL ? g_object_ref (engine) : NULL;
  self->settings = settings != NULL ? g_object_ref (settings) : NULL;
  if (engine != NULL)
    g_signal_connect_object (engine, "changed", G_CALLBACK (engine_changed_cb), self, G_CONNECT_SWAPPED);
  self->bundle_name = g_strdup (bundle);
  start_work (self, WORK_LOAD, 0, NULL, _("Reading the bundle"));
  set_working (self, NULL);

  return GTK_WIDGET (self);
}
