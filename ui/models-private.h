/* models-private.h - shared by the window of the networks and its list
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/estimate.h"
#include "ui/models-page.h"
#include "ui/models-work.h"

G_BEGIN_DECLS

struct _DescryModelsPage
{
  AdwWindow           parent_instance;

  /* Template */
  AdwToastOverlay    *toasts;
  AdwWindowTitle     *title;
  GtkButton          *verify_all;
  GtkRevealer        *work;
  GtkLabel           *work_label;
  GtkProgressBar     *progress;
  GtkButton          *cancel;
  GtkStack           *stack;
  AdwStatusPage      *missing;
  GtkButton          *create;
  AdwPreferencesPage *page;

  DescryEngine       *engine; /* or NULL */
  GSettings          *settings; /* or NULL */
  char               *bundle_name;
  DescryBundle       *bundle;
  GHashTable         *states;
  GPtrArray          *groups; /* of the slots, in the page */
  DescryEstimate      estimate; /* of the whole bundle */
  guint64             device_memory; /* that the list was made for */
  GtkWidget          *needs; /* the row that tells what all of it takes, in the page */
  guint64             disk_free; /* where the bundle is; G_MAXUINT64: unknown */
  char               *error;

  /* The work under way */
  GTask              *task; /* or NULL */
  GCancellable       *cancellable;
  guint               progress_source;

  /* What can be undone while the toast is there */
  GPtrArray          *removals; /* of Removal */
  AdwToast           *removed_toast;
  guint               removed_source; /* ends the toast */
  gboolean            commit_waits; /* the toast has gone while work was under way */

  GtkFileChooserNative *chooser;
  DescrySlot          chooser_slot;
};

/* A word for people. */
const char *descry_models_slot_title (DescrySlot slot);

/* The groups and rows as the bundle is now. */
void        descry_models_show_list  (DescryModelsPage *self);

/* The engine's state has changed: as little of that as possible, so that open rows stay open. */
void        descry_models_show_needs (DescryModelsPage *self);

/* The row's button: lets the person choose a file for the slot. */
void        descry_models_choose     (DescryModelsPage *self, DescrySlot slot);

G_END_DECLS
