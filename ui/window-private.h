/* window-private.h - shared by the window's jobs and its actions
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "ui/edits.h"
#include "ui/inspect.h"
#include "ui/objects.h"
#include "ui/window.h"

G_BEGIN_DECLS

struct _DescryWindow
{
  AdwApplicationWindow parent_instance;

  /* Template */
  AdwToastOverlay *toasts;
  AdwWindowTitle  *title;
  AdwButtonContent *open_content;
  GtkWidget       *recent_button;
  GtkWidget       *drop_hint; /* while a picture is dragged over the window */
  GtkMenuButton   *overlay_button;
  GtkToggleButton *sidebar_button;
  GtkInfoBar      *bar;
  GtkLabel        *bar_label;
  GtkWidget       *bar_close;
  GtkWidget       *bar_copy; /* what can be done about it */
  GtkWidget       *bar_models;
  GtkWidget       *bar_devices;
  GtkWidget       *bar_retry;
  GtkWidget       *bar_conversation;
  GtkStack        *pages;
  GtkWidget       *empty_spinner;
  GtkWidget       *sample_button;
  AdwStatusPage   *error_page;
  GtkButton       *copy_error;
  GtkPaned        *paned;
  DescryCanvas    *canvas;
  GtkWidget       *progress_box;
  GtkProgressBar  *progress;
  GtkLabel        *stage_label;
  GtkToggleButton *plus_point;
  GtkToggleButton *minus_point;
  GtkButton       *zoom_button;
  GtkWidget       *sidebar;
  AdwViewStack    *panels;
  DescryChat      *chat;
  DescryObjects   *objects;
  DescryInspect   *inspect;
  GtkAdjustment   *opacity_adjustment;
  GtkWidget       *opacity;
  GtkAdjustment   *threshold_adjustment;
  GtkWidget       *threshold_scale;
  GtkAdjustment   *overlap_adjustment;
  GtkWidget       *overlap_scale;
  GtkAdjustment   *tags_adjustment;
  GtkWidget       *tags_scale;
  GtkWidget       *undo_box;
  GMenu           *recent_menu;

  DescryEngine    *engine; /* NULL: pictures can be looked at, that is all */
  GSettings       *settings; /* or NULL */

  /* The picture and its jobs */
  DescryImage     *image;
  DescryScene     *found; /* the engine's newest scene; what it is given back to add to */
  DescryScene     *scene; /* the same as edited: what is drawn, asked about and exported */
  char            *name; /* of the file, for people */
  char            *path; /* for the scene, or NULL */
  char            *pending_name; /* of the picture that is being opened */
  char            *pending_path;
  GCancellable    *loading;
  GCancellable    *analysis;
  GCancellable    *segmenting;
  GCancellable    *masking;
  GCancellable    *answering;
  GCancellable    *walking; /* the folder is being read */
  guint            spinner_source;
  guint            pulse_source;
  DescryBox        region; /* of the running segmentation */

  /* Regions from points */
  guint            pointed; /* the object that the canvas's points are about, or 0 */
  guint            candidate; /* of the masks that they can mean */
  GArray          *taken_points; /* of DescryPoint: undone, the newest last */
  GCancellable    *previewing;
  DescryPoint      hover; /* where the next point would be */
  gboolean         adding_region; /* the edit under way is the region of the points */
  gboolean         hovering; /* anywhere */
  gboolean         hover_wanted; /* its outline is asked for after the running one */

  gboolean         segmenter_missing;
  guint            bar_offers; /* what can be done about it */
  gboolean         bar_is_status; /* it shows the engine's state, so a better state takes it away */
  gboolean         narrow; /* the sidebar is under the picture */
  int              shared_height; /* of the window, when the two last got their parts of it */

  /* What is told to who keeps it */
  gboolean         complete; /* the analysis of the scene ran to its end */
  gboolean         analyzed; /* here, not given back */
  gboolean         continuing; /* what was kept is being put back */
  gboolean         looked_up; /* someone looks whether the picture is known */
  char            *turn_key; /* of the turn that is being answered, or NULL */
  DescryTurn      *asked; /* its question and chips, or NULL */
  GString         *said; /* of its answer */
  gsize            kept; /* bytes of it that have been told */

  gboolean         forgotten; /* where a person is is not to be kept */
  GVariant        *state; /* to go to when its picture is there, or NULL */
  GtkFileChooserNative *chooser;
  GtkFileChooserNative *exporter;
  guint            exporting; /* writings that run */

  /* Edits */
  DescryEdits     *edits;
  gboolean         showing_edits; /* the canvas is being brought in step: no new steps */
  gboolean         dragging_threshold;
  guint            threshold_source; /* ends a step of keys or wheel */
  AdwToast        *undo_toast; /* or NULL */
};

/* What a job's callback needs. The window may be gone, or the job no longer its newest: engines
 * return stopped jobs too, so the cancellable alone does not tell. */
typedef struct
{
  GWeakRef      window;
  GCancellable *cancellable;
} DescryRequest;

DescryRequest *descry_request_new  (DescryWindow *self, GCancellable **slot);
void           descry_request_free (DescryRequest *request);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryRequest, descry_request_free)

void descry_window_cancel_jobs   (DescryWindow *self);
void descry_window_opened        (DescryWindow *self); /* tells of the new picture, or analyzes it */
void descry_window_keep_scene    (DescryWindow *self);
void descry_window_keep_edits    (DescryWindow *self);
void descry_window_begin_turn    (DescryWindow *self, const char *question, GArray *chips);
void descry_window_resume_turn   (DescryWindow *self, DescryTurn *turn, const char *key);
void descry_window_turn_text     (DescryWindow *self, const char *text);
void descry_window_end_turn      (DescryWindow *self, DescryTurn *turn /* or NULL: as far as it came */);
void descry_window_begin_conversation (DescryWindow *self);
void descry_window_clear_keep    (DescryWindow *self);
void descry_window_init_keep_signals (DescryWindowClass *class);
void descry_window_set_scene     (DescryWindow *self, DescryScene *scene);
void descry_window_update_title  (DescryWindow *self);
void descry_window_show_bar      (DescryWindow *self, GtkMessageType type, const char *text);

/* States (window-states.c): what went wrong or is missing, with what can be done about it. */
void descry_window_init_states   (DescryWindow *self);
void descry_window_show_status   (DescryWindow *self); /* as the engine says now */
void descry_window_show_offers   (DescryWindow *self); /* as many buttons of the bar as there is room for */
void descry_window_show_error    (DescryWindow *self, const GError *error); /* of a job that ended */
void descry_window_show_answer_error (DescryWindow *self, const GError *error); /* only if there is something to be done */
void descry_window_show_left_out (DescryWindow *self, guint n_turns); /* of the conversation; 0: nothing */

void descry_window_init_points   (DescryWindow *self);
void descry_window_show_points   (DescryWindow *self, const DescryEngineStatus *status); /* whether they can be had */
void descry_window_end_points    (DescryWindow *self);
gboolean descry_window_undo_point (DescryWindow *self); /* FALSE: there is none to be taken back */
gboolean descry_window_redo_point (DescryWindow *self);

void descry_window_show_progress (DescryWindow *self, const char *title, double fraction);
void descry_window_hide_progress (DescryWindow *self);
void descry_window_init_actions  (DescryWindow *self);
void descry_window_clear_actions (DescryWindow *self);
gboolean descry_window_escape    (GtkWidget *widget, GVariant *parameter, gpointer data); /* the key's callback */
void descry_window_update_actions (DescryWindow *self);
void descry_window_init_folder   (DescryWindow *self);
void descry_window_init_state    (DescryWindow *self);
void descry_window_init_state_signals (DescryWindowClass *class);
void descry_window_apply_state   (DescryWindow *self); /* the picture is there */
void descry_window_init_export   (DescryWindow *self);
void descry_window_update_export_actions (DescryWindow *self);
DescryScene *descry_window_shown_scene (DescryWindow *self, GArray *chips /* or NULL */); /* without what is hidden; (transfer full) */
void descry_window_init_talk     (DescryWindow *self);
void descry_window_init_edits    (DescryWindow *self);
void descry_window_clear_edits   (DescryWindow *self); /* from dispose */
void descry_window_show_edits    (DescryWindow *self); /* scene and canvas as the edits say */
void descry_window_suggest       (DescryWindow *self); /* questions, from what is shown */
void descry_window_update_edit_actions (DescryWindow *self);

G_END_DECLS
