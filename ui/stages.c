/* stages.c - how long each stage took, with which network, and once more
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-stages"

#include "config.h"

#include "ui/stages.h"

#include <string.h>

#include <adwaita.h>
#include <glib/gi18n.h>

#include "ui/main-thread.h"

struct _DescryStages
{
  GtkWidget    parent_instance;

  GtkWidget   *box;
  GtkWidget   *list;
  GtkWidget   *empty;
  char        *networks[DESCRY_N_SLOTS]; /* title, or NULL */
  char        *device; /* or NULL */
  DescryScene *scene; /* or NULL */
};

G_DEFINE_FINAL_TYPE (DescryStages, descry_stages, GTK_TYPE_WIDGET)

/* Stages in the order they run. */
static const struct
{
  const char *stage;
  const char *title;
  int         slot; /* -1: no network */
} stages[] = {
  { "decode", N_("Reading the file"), -1 },
  { "tagger", N_("Tags and names"), DESCRY_SLOT_TAGGER },
  { "detector", N_("Boxes"), DESCRY_SLOT_DETECTOR },
  { "segmenter", N_("Masks"), DESCRY_SLOT_SEGMENTER },
};

static double
find_ms (DescryScene *scene,
         const char  *stage)
{
  guint i;

  for (i = 0; scene != NULL && i < scene->timing->len; i++)
    {
      const DescryTiming *timing = g_ptr_array_index (scene->timing, i);

      if (strcmp (timing->stage, stage) == 0)
        return timing->ms;
    }

  return -1.0;
}

static GtkWidget *
make_row (DescryStages *self,
          guint         stage,
          double        ms,
          double        longest)
{
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *bar = gtk_level_bar_new_for_interval (0.0, MAX (longest, 1e-3));
  GtkWidget *label;
  int slot = stages[stage].slot;
  g_autofree char *text = ms < 1000.0 ? g_strdup_printf (_("%.0f ms"), ms) : g_strdup_printf (_("%.1f s"), ms / 1000.0);

  label = gtk_label_new (text);
  gtk_widget_add_css_class (label, "numeric");
  gtk_label_set_width_chars (GTK_LABEL (label), 8); /* bars begin one below the other */
  gtk_label_set_xalign (GTK_LABEL (label), 1.0f);
  gtk_level_bar_set_value (GTK_LEVEL_BAR (bar), ms);
  /* Long is not bad: one colour. */
  gtk_level_bar_remove_offset_value (GTK_LEVEL_BAR (bar), GTK_LEVEL_BAR_OFFSET_LOW);
  gtk_level_bar_remove_offset_value (GTK_LEVEL_BAR (bar), GTK_LEVEL_BAR_OFFSET_HIGH);
  gtk_level_bar_remove_offset_value (GTK_LEVEL_BAR (bar), GTK_LEVEL_BAR_OFFSET_FULL);
  gtk_widget_set_size_request (bar, 70, -1);
  gtk_widget_set_valign (bar, GTK_ALIGN_CENTER);
  gtk_accessible_update_property (GTK_ACCESSIBLE (bar), GTK_ACCESSIBLE_PROPERTY_LABEL, _(stages[stage].title), -1);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _(stages[stage].title));
  if (slot >= 0 && self->networks[slot] != NULL)
    adw_action_row_set_subtitle (ADW_ACTION_ROW (row), self->networks[slot]);
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (row), FALSE);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), bar);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), label);

  return row;
}

static void
update (DescryStages *self)
{
  double longest = 0.0;
  gboolean any = FALSE;
  GtkWidget *row;
  guint i;

  while ((row = gtk_widget_get_first_child (self->list)) != NULL)
    gtk_list_box_remove (GTK_LIST_BOX (self->list), row);
  for (i = 0; i < G_N_ELEMENTS (stages); i++)
    longest = MAX (longest, find_ms (self->scene, stages[i].stage));
  for (i = 0; i < G_N_ELEMENTS (stages); i++)
    {
      double ms = find_ms (self->scene, stages[i].stage);

      if (ms < 0.0)
        continue;
      any = TRUE;
      gtk_list_box_append (GTK_LIST_BOX (self->list), make_row (self, i, ms, longest));
    }
  if (any && self->device != NULL)
    {
      row = adw_action_row_new ();
      adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _("Device"));
      adw_action_row_set_subtitle (ADW_ACTION_ROW (row), self->device);
      gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (row), FALSE);
      gtk_list_box_append (GTK_LIST_BOX (self->list), row);
    }
  gtk_widget_set_visible (self->list, any);
  gtk_widget_set_visible (self->empty, !any);
}

void
descry_stages_set_scene (DescryStages *self,
                         DescryScene  *scene)
{
  descry_assert_main_thread ();
  if (self->scene == scene)
    return;

  if (scene != NULL)
    descry_scene_ref (scene);
  g_clear_pointer (&self->scene, descry_scene_unref);
  self->scene = scene;
  update (self);
}

void
descry_stages_set_status (DescryStages             *self,
                          const DescryEngineStatus *status)
{
  guint i;

  descry_assert_main_thread ();
  g_free (self->device);
  self->device = status != NULL ? g_strdup (status->device) : NULL;
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      g_free (self->networks[i]);
      self->networks[i] = status != NULL ? g_strdup (status->slots[i].title) : NULL;
    }
  update (self);
}

const char *
descry_stages_get_network (DescryStages *self,
                           DescrySlot    slot)
{
  return self->networks[slot];
}

static void
descry_stages_dispose (GObject *object)
{
  g_clear_pointer (&DESCRY_STAGES (object)->box, gtk_widget_unparent);

  G_OBJECT_CLASS (descry_stages_parent_class)->dispose (object);
}

static void
descry_stages_finalize (GObject *object)
{
  DescryStages *self = DESCRY_STAGES (object);
  guint i;

  g_clear_pointer (&self->scene, descry_scene_unref);
  g_clear_pointer (&self->device, g_free);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    g_clear_pointer (&self->networks[i], g_free);

  G_OBJECT_CLASS (descry_stages_parent_class)->finalize (object);
}

static void
descry_stages_class_init (DescryStagesClass *class)
{
  G_OBJECT_CLASS (class)->dispose = descry_stages_dispose;
  G_OBJECT_CLASS (class)->finalize = descry_stages_finalize;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BIN_LAYOUT);
}

static void
descry_stages_init (DescryStages *self)
{
  GtkWidget *again = gtk_button_new_with_mnemonic (_("_Run Again"));

  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  gtk_widget_set_size_request (self->box, 280, -1);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  self->list = gtk_list_box_new ();
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (self->list), GTK_SELECTION_NONE);
  gtk_widget_add_css_class (self->list, "boxed-list");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Stages"), -1);
  self->empty = gtk_label_new (_("Nothing was measured for this picture."));
  gtk_label_set_wrap (GTK_LABEL (self->empty), TRUE);
  gtk_widget_add_css_class (self->empty, "dim-label");
  gtk_actionable_set_action_name (GTK_ACTIONABLE (again), "win.analyze");
  gtk_box_append (GTK_BOX (self->box), self->list);
  gtk_box_append (GTK_BOX (self->box), self->empty);
  gtk_box_append (GTK_BOX (self->box), again);
  update (self);
}
