/* models-list.c - the list in the window of the networks: slots, files, what they need, space on the disk
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-models"

#include "config.h"

#include "ui/models-private.h"

#include <string.h>

#include <glib/gi18n.h>

#include "ui/bidi.h"
#include "ui/card.h"
#include "ui/main-thread.h"
#include "ui/rows.h"

const char *
descry_models_slot_title (DescrySlot slot)
{
  static const char *const titles[DESCRY_N_SLOTS] = {
    N_("Tagger"), N_("Detector"), N_("Segmenter"), N_("Encoder"), N_("Connector"), N_("Language Model"),
  };

  return _(titles[slot]);
}

static const char *
slot_purpose (DescrySlot slot)
{
  static const char *const purposes[DESCRY_N_SLOTS] = {
    N_("Says what the picture is about"),
    N_("Finds things and puts boxes round them"),
    N_("Draws the outline of a thing"),
    N_("Turns pictures into numbers for the connector"),
    N_("Shows the picture to the language model"),
    N_("Answers questions"),
  };

  return _(purposes[slot]);
}

/* --------- What buttons do ------------------ */

static DescrySlot
get_slot (gpointer button)
{
  return GPOINTER_TO_UINT (g_object_get_data (button, "descry-slot"));
}

static void
verify_clicked_cb (GtkButton        *button,
                   DescryModelsPage *self)
{
  descry_models_page_verify (self, g_object_get_data (G_OBJECT (button), "descry-file"));
}

static void
remove_clicked_cb (GtkButton        *button,
                   DescryModelsPage *self)
{
  g_autofree char *file = g_strdup (g_object_get_data (G_OBJECT (button), "descry-file"));

  /* The row, and this button in it, go with the list. */
  descry_models_page_remove (self, get_slot (button), file);
}

static void
add_clicked_cb (GtkButton        *button,
                DescryModelsPage *self)
{
  descry_models_choose (self, get_slot (button));
}

static void
card_clicked_cb (DescryModelsPage *self)
{
  gtk_window_present (GTK_WINDOW (descry_card_new_own (GTK_WINDOW (self))));
}

static void
folder_clicked_cb (DescryModelsPage *self)
{
  g_autofree char *uri = g_filename_to_uri (self->bundle->path, NULL, NULL);

  if (uri != NULL)
    gtk_show_uri (GTK_WINDOW (self), uri, GDK_CURRENT_TIME);
}

/* --------- Files ------------------ */

static GtkWidget *
make_button (const char *icon,
             char       *name, /* taken */
             DescrySlot  slot,
             const char *file)
{
  GtkWidget *button = descry_row_button (icon, name);

  g_object_set_data (G_OBJECT (button), "descry-slot", GUINT_TO_POINTER (slot));
  g_object_set_data_full (G_OBJECT (button), "descry-file", g_strdup (file), g_free);
  g_free (name);

  return button;
}

static const char *
hash_text (const DescryBundleFile *file,
           const DescryFileState  *state)
{
  if (!file->present)
    return _("missing");
  switch (state->hash)
    {
    case DESCRY_HASH_RIGHT:
      return _("checked");
    case DESCRY_HASH_WRONG:
      return _("wrong");
    default:
      return _("not checked");
    }
}

/* Whether the device can hold it; NULL: no device is open, or the file cannot be read. */
static const char *
fits_text (DescryModelsPage     *self,
           const DescryEstimate *estimate)
{
  DescryEngineStatus *status = self->engine != NULL ? descry_engine_status (self->engine) : NULL;
  const char *text = NULL;

  if (status != NULL && status->device_memory > 0 && estimate->weights > 0)
    text = descry_estimate_fits (estimate, status->device_memory, status->device_buffer) ? _("fits") : _("does not fit");
  descry_engine_status_free (status);

  return text;
}

static char *
memory_text (DescryModelsPage      *self,
             const DescryFileState *state)
{
  g_autofree char *weights = descry_bidi_size (state->estimate.weights), *cache = descry_bidi_size (state->estimate.cache);
  g_autofree char *work = descry_bidi_size (state->estimate.work), *needs = NULL;
  const char *fits = fits_text (self, &state->estimate);

  if (state->adapter)
    return g_strdup (_("none of its own: it is merged into the language model"));
  if (state->estimate.weights == 0)
    return g_strdup (_("the file cannot be read"));
  if (state->estimate.cache > 0)
    /* Translators: sizes in memory: of the weights, of what a conversation keeps, of intermediate results. */
    needs = g_strdup_printf (_("%s for the weights, %s for the conversation, %s at work"), weights, cache, work);
  else
    needs = g_strdup_printf (_("%s for the weights, %s at work"), weights, work);

  /* Translators: the needs, then "fits" or "does not fit". */
  return fits != NULL ? g_strdup_printf (_("%s: %s"), needs, fits) : g_steal_pointer (&needs);
}

/* A switch for what can be left out, and the card of what Descry's own trainer made. */
static void
add_own (DescryModelsPage      *self,
         AdwExpanderRow        *row,
         DescrySlot             slot,
         const DescryFileState *state,
         const char            *title)
{
  if (self->settings != NULL && (state->adapter || slot == DESCRY_SLOT_CONNECTOR))
    {
      GtkWidget *use = gtk_switch_new ();
      g_autofree char *name = g_strdup_printf (_("Use %s"), title);

      gtk_widget_set_valign (use, GTK_ALIGN_CENTER);
      gtk_widget_set_tooltip_text (use, state->adapter ? _("Merge into the language model when a picture is talked about")
                                                       : _("Show the picture to the language model"));
      gtk_accessible_update_property (GTK_ACCESSIBLE (use), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
      g_settings_bind (self->settings, state->adapter ? "use-adapter" : "use-connector", use, "active", G_SETTINGS_BIND_DEFAULT);
      adw_expander_row_add_action (row, use);
    }
  if (state->own)
    {
      GtkWidget *fact = descry_row_new (_("Trained by Descry"), _("Data, scores and limits are in the model card"));
      GtkWidget *button = gtk_button_new_with_mnemonic (_("Model _Card"));

      gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
      g_signal_connect_object (button, "clicked", G_CALLBACK (card_clicked_cb), self, G_CONNECT_SWAPPED);
      adw_action_row_add_suffix (ADW_ACTION_ROW (fact), button);
      adw_expander_row_add_row (row, fact);
    }
}

static gboolean
is_rtl (DescryModelsPage *self)
{
  return gtk_widget_get_direction (GTK_WIDGET (self)) == GTK_TEXT_DIR_RTL;
}

static GtkWidget *
make_file_row (DescryModelsPage       *self,
               DescrySlot              slot,
               const DescryBundleFile *file)
{
  AdwExpanderRow *row = ADW_EXPANDER_ROW (adw_expander_row_new ());
  const DescryFileState *state = g_hash_table_lookup (self->states, file->file);
  const char *fits = fits_text (self, &state->estimate);
  g_autofree char *size = descry_bidi_size (file->size), *memory = memory_text (self, state), *hash = NULL;
  g_autofree char *subtitle = NULL;
  gboolean bad = !file->present || state->hash == DESCRY_HASH_WRONG, big = g_strcmp0 (fits, _("does not fit")) == 0;
  GtkWidget *button;

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), file->title);
  /* Size, licence, state of the checksum, memory where it is known. */
  subtitle = descry_bidi_list (is_rtl (self), size, *file->licence != '\0' ? file->licence : _("licence unknown"), hash_text (file, state), fits, NULL);
  adw_expander_row_set_subtitle (row, subtitle);
  if (bad || big)
    {
      GtkWidget *icon = gtk_image_new_from_icon_name (bad ? "dialog-error-symbolic" : "dialog-warning-symbolic");

      gtk_accessible_update_property (GTK_ACCESSIBLE (icon), GTK_ACCESSIBLE_PROPERTY_LABEL, bad ? hash_text (file, state) : fits, -1);
      gtk_widget_add_css_class (icon, bad ? "error" : "warning");
      adw_expander_row_add_prefix (row, icon);
    }

  add_own (self, row, slot, state, file->title);
  button = make_button ("emblem-ok-symbolic", g_strdup_printf (_("Verify %s"), file->title), slot, file->file);
  gtk_widget_set_sensitive (button, file->present);
  g_signal_connect_object (button, "clicked", G_CALLBACK (verify_clicked_cb), self, 0);
  adw_expander_row_add_action (row, button);
  button = make_button ("user-trash-symbolic", g_strdup_printf (_("Remove %s"), file->title), slot, file->file);
  g_signal_connect_object (button, "clicked", G_CALLBACK (remove_clicked_cb), self, 0);
  adw_expander_row_add_action (row, button);

  descry_row_add_fact (row, _("File"), file->file);
  descry_row_add_fact (row, _("Licence"), *file->licence != '\0' ? file->licence : _("unknown"));
  descry_row_add_fact (row, _("Source"), *file->source != '\0' ? file->source : _("unknown"));
  descry_row_add_fact (row, _("Memory needed"), memory);
  hash = g_strdup_printf (_("%s: %s"), hash_text (file, state), file->sha256);
  descry_row_add_fact (row, _("SHA-256"), hash);

  return GTK_WIDGET (row);
}

/* --------- Slots ------------------ */

static gboolean
is_removed (DescryModelsPage *self,
            DescrySlot        slot,
            const char       *file)
{
  guint i;

  for (i = 0; i < self->removals->len; i++)
    {
      const DescryRemoval *removal = g_ptr_array_index (self->removals, i);

      if (removal->slot == slot && strcmp (removal->file, file) == 0)
        return TRUE;
    }

  return FALSE;
}

static GtkWidget *
make_add_button (DescryModelsPage *self,
                 DescrySlot        slot)
{
  GtkWidget *button = gtk_button_new ();
  GtkWidget *content = adw_button_content_new ();
  g_autofree char *name = g_strdup_printf (_("Add a file to the slot: %s"), descry_models_slot_title (slot));

  adw_button_content_set_icon_name (ADW_BUTTON_CONTENT (content), "list-add-symbolic");
  adw_button_content_set_label (ADW_BUTTON_CONTENT (content), _("Add From File…"));
  gtk_button_set_child (GTK_BUTTON (button), content);
  gtk_widget_set_tooltip_text (button, name);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  g_object_set_data (G_OBJECT (button), "descry-slot", GUINT_TO_POINTER (slot));
  g_signal_connect_object (button, "clicked", G_CALLBACK (add_clicked_cb), self, 0);

  return button;
}

static AdwPreferencesGroup *
add_group (DescryModelsPage *self,
           const char       *title)
{
  GtkWidget *group = adw_preferences_group_new ();

  adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (group), title);
  adw_preferences_page_add (self->page, ADW_PREFERENCES_GROUP (group));
  g_ptr_array_add (self->groups, group);

  return ADW_PREFERENCES_GROUP (group);
}

static void
add_slot (DescryModelsPage *self,
          DescrySlot        slot)
{
  AdwPreferencesGroup *group = add_group (self, descry_models_slot_title (slot));
  GPtrArray *files = self->bundle->slots[slot];
  const char *missing = self->bundle->missing[slot];
  guint shown = 0, i;

  adw_preferences_group_set_description (group, slot_purpose (slot));
  adw_preferences_group_set_header_suffix (group, make_add_button (self, slot));
  for (i = 0; i < files->len; i++)
    {
      const DescryBundleFile *file = g_ptr_array_index (files, i);

      if (is_removed (self, slot, file->file))
        continue;
      adw_preferences_group_add (group, make_file_row (self, slot, file));
      shown++;
    }

  if (shown == 0 || missing != NULL)
    {
      GtkWidget *row = descry_row_new (shown == 0 ? _("Empty") : _("Not usable"), missing != NULL ? missing : _("its network was removed"));

      adw_action_row_add_prefix (ADW_ACTION_ROW (row), gtk_image_new_from_icon_name ("dialog-warning-symbolic"));
      adw_preferences_group_add (group, row);
    }
}

/* Bytes on the disk; two slots may share a file. */
static guint64
count_bytes (DescryModelsPage *self)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  guint64 bytes = 0;
  guint i, j;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    for (j = 0; j < self->bundle->slots[i]->len; j++)
      {
        const DescryBundleFile *file = g_ptr_array_index (self->bundle->slots[i], j);

        if (file->present && g_hash_table_add (seen, file->file))
          bytes += file->size;
      }

  return bytes;
}

static void
add_needs (DescryModelsPage *self,
           const char       *used)
{
  AdwPreferencesGroup *group = add_group (self, _("Memory and Disk"));
  g_autofree char *disk = NULL;
  GtkWidget *row, *button;

  self->needs = descry_row_new (_("Memory when everything is loaded"), NULL);
  if (g_strcmp0 (fits_text (self, &self->estimate), _("does not fit")) == 0)
    adw_action_row_add_prefix (ADW_ACTION_ROW (self->needs), gtk_image_new_from_icon_name ("dialog-warning-symbolic"));
  adw_preferences_group_add (group, self->needs);

  if (self->disk_free != G_MAXUINT64)
    {
      g_autofree char *left = descry_bidi_size (self->disk_free);

      disk = g_strdup_printf (_("%s, %s are free\n%s"), used, left, self->bundle->path);
    }
  else
    disk = g_strdup_printf ("%s\n%s", used, self->bundle->path);
  row = descry_row_new (_("Space on the disk"), disk);
  button = descry_row_button ("folder-open-symbolic", _("Open the folder"));
  g_signal_connect_object (button, "clicked", G_CALLBACK (folder_clicked_cb), self, G_CONNECT_SWAPPED);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), button);
  adw_preferences_group_add (group, row);
}

static guint64
get_device_memory (DescryModelsPage *self,
                   guint64          *taken)
{
  DescryEngineStatus *status = self->engine != NULL ? descry_engine_status (self->engine) : NULL;
  guint64 memory = status != NULL ? status->device_memory : 0;

  *taken = status != NULL ? status->device_bytes : 0;
  descry_engine_status_free (status);

  return memory;
}

void
descry_models_show_needs (DescryModelsPage *self)
{
  guint64 taken, memory = get_device_memory (self, &taken);
  g_autofree char *all = descry_bidi_size (self->estimate.weights + self->estimate.cache + self->estimate.work);
  g_autofree char *of = descry_bidi_size (memory), *now = descry_bidi_size (taken), *text = NULL;

  if (self->bundle == NULL)
    return;
  /* Whether the files fit is another answer now. */
  if (memory != self->device_memory)
    {
      descry_models_show_list (self);
      return;
    }

  /* Translators: sizes: needed by the models, of the device's memory, taken at the moment. */
  text = memory > 0 ? g_strdup_printf (_("%s at most, of %s of the device; %s are taken now"), all, of, now)
                    : g_strdup_printf (_("%s at most"), all);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->needs), text);
}

void
descry_models_show_list (DescryModelsPage *self)
{
  g_autofree char *used = NULL, *subtitle = NULL;
  guint64 taken;
  guint i;

  descry_assert_main_thread ();

  for (i = 0; i < self->groups->len; i++)
    adw_preferences_page_remove (self->page, g_ptr_array_index (self->groups, i));
  g_ptr_array_set_size (self->groups, 0);
  adw_window_title_set_subtitle (self->title, "");
  if (self->bundle == NULL)
    return;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    add_slot (self, i);
  used = descry_bidi_size (count_bytes (self));
  add_needs (self, used);
  self->device_memory = get_device_memory (self, &taken);
  descry_models_show_needs (self);
  subtitle = descry_bidi_list (is_rtl (self), self->bundle->title, used, NULL);
  adw_window_title_set_subtitle (self->title, subtitle);
  gtk_stack_set_visible_child_name (self->stack, "bundle");
}
