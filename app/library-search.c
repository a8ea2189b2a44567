/* library-search.c - a window to search conversations in
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-library"

#include "config.h"

#include "app/library-search.h"

#include <glib/gi18n.h>

#define MOST_HITS 50
#define WIDTH 480
#define HEIGHT 520

/* Gone with its window. */
typedef struct
{
  GtkWidget       *window;
  DescryLibrary   *library;
  DescrySearchFunc chosen;
  gpointer         data;
  GtkWidget       *entry;
  GtkStack        *stack;
  AdwStatusPage   *nothing;
  GtkListBox      *list;
  GPtrArray       *hits; /* of DescryFoundTurn, or NULL */
  GCancellable    *searching;
} Search;

static void
search_free (gpointer data)
{
  Search *self = data;

  g_cancellable_cancel (self->searching);
  g_clear_object (&self->searching);
  g_clear_object (&self->library);
  g_clear_pointer (&self->hits, g_ptr_array_unref);
  g_free (self);
}

static GtkWidget *
make_row (const DescryFoundTurn *found)
{
  GtkWidget *row = adw_action_row_new ();
  g_autofree char *question = g_markup_escape_text (found->question, -1);
  g_autofree char *line = g_strdelimit (g_strdup (found->excerpt), "\n", ' ');
  g_autofree char *text = g_strdup_printf ("%s\n%s", found->picture.name, line);
  g_autofree char *subtitle = g_markup_escape_text (text, -1);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), question);
  adw_action_row_set_title_lines (ADW_ACTION_ROW (row), 2);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 3);
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (row), found->picture.path != NULL);
  if (found->picture.path == NULL)
    gtk_widget_set_tooltip_text (row, _("This picture was pasted: there is no file to open"));
  else
    adw_action_row_add_suffix (ADW_ACTION_ROW (row), gtk_image_new_from_icon_name ("go-next-symbolic"));
  return row;
}

static void
show_hits (Search *self)
{
  GtkWidget *child;
  guint i;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self->list))) != NULL)
    gtk_list_box_remove (self->list, child);
  for (i = 0; i < self->hits->len; i++)
    gtk_list_box_append (self->list, make_row (g_ptr_array_index (self->hits, i)));
  adw_status_page_set_title (self->nothing, _("Nothing Found"));
  adw_status_page_set_description (self->nothing, _("No conversation has all of these words."));
  gtk_stack_set_visible_child_name (self->stack, self->hits->len > 0 ? "hits" : "nothing");
}

static void
searched_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  g_autoptr (GtkWidget) window = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) hits = descry_library_search_finish (DESCRY_LIBRARY (source), result, &error);
  Search *self = g_object_get_data (G_OBJECT (window), "descry-search");

  if (self == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || !gtk_widget_get_mapped (window))
    return;

  if (hits == NULL)
    {
      adw_status_page_set_title (self->nothing, _("The Library Cannot Be Searched"));
      adw_status_page_set_description (self->nothing, error->message);
      gtk_stack_set_visible_child_name (self->stack, "nothing");
      return;
    }
  g_clear_pointer (&self->hits, g_ptr_array_unref);
  self->hits = g_steal_pointer (&hits);
  show_hits (self);
}

static void
changed_cb (GtkSearchEntry *entry,
            Search         *self)
{
  g_cancellable_cancel (self->searching);
  g_clear_object (&self->searching);
  self->searching = g_cancellable_new ();
  descry_library_search_async (self->library, gtk_editable_get_text (GTK_EDITABLE (entry)), MOST_HITS, self->searching, searched_cb,
                               g_object_ref (self->window));
}

static void
activated_cb (GtkListBox    *list,
              GtkListBoxRow *row,
              Search        *self)
{
  guint place = (guint) gtk_list_box_row_get_index (row);

  if (self->hits != NULL && place < self->hits->len)
    self->chosen (g_ptr_array_index (self->hits, place), self->data);
  gtk_window_close (GTK_WINDOW (self->window));
}

/* Enter in the entry takes the best one. */
static void
entered_cb (GtkSearchEntry *entry,
            Search         *self)
{
  GtkListBoxRow *row = gtk_list_box_get_row_at_index (self->list, 0);

  if (row != NULL && gtk_list_box_row_get_activatable (row))
    gtk_widget_activate (GTK_WIDGET (row));
}

static GtkWidget *
make_list (Search *self)
{
  GtkWidget *scroller = gtk_scrolled_window_new ();
  GtkWidget *clamp = adw_clamp_new ();

  self->list = GTK_LIST_BOX (gtk_list_box_new ());
  gtk_list_box_set_selection_mode (self->list, GTK_SELECTION_NONE);
  gtk_widget_add_css_class (GTK_WIDGET (self->list), "boxed-list");
  gtk_widget_set_valign (GTK_WIDGET (self->list), GTK_ALIGN_START);
  gtk_widget_set_margin_top (GTK_WIDGET (self->list), 12);
  gtk_widget_set_margin_bottom (GTK_WIDGET (self->list), 12);
  gtk_widget_set_margin_start (GTK_WIDGET (self->list), 12);
  gtk_widget_set_margin_end (GTK_WIDGET (self->list), 12);
  g_signal_connect (self->list, "row-activated", G_CALLBACK (activated_cb), self);
  adw_clamp_set_child (ADW_CLAMP (clamp), GTK_WIDGET (self->list));
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), clamp);
  return scroller;
}

static gboolean
close_cb (GtkWidget *widget,
          GVariant  *parameter,
          gpointer   data)
{
  gtk_window_close (GTK_WINDOW (widget));
  return TRUE;
}

GtkWidget *
descry_search_new (GtkWindow       *parent,
                   DescryLibrary   *library,
                   DescrySearchFunc chosen,
                   gpointer         data)
{
  Search *self = g_new0 (Search, 1);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkWidget *bar = adw_header_bar_new ();
  GtkEventController *shortcuts = gtk_shortcut_controller_new ();

  self->window = adw_window_new ();
  self->library = g_object_ref (library);
  self->chosen = chosen;
  self->data = data;
  g_object_set_data_full (G_OBJECT (self->window), "descry-search", self, search_free);

  self->entry = gtk_search_entry_new ();
  gtk_widget_set_hexpand (self->entry, TRUE);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->entry), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Words of a question or an answer"), -1);
  g_signal_connect (self->entry, "search-changed", G_CALLBACK (changed_cb), self);
  g_signal_connect (self->entry, "activate", G_CALLBACK (entered_cb), self);
  g_signal_connect_swapped (self->entry, "stop-search", G_CALLBACK (gtk_window_close), self->window);
  adw_header_bar_set_title_widget (ADW_HEADER_BAR (bar), self->entry);
  gtk_box_append (GTK_BOX (box), bar);

  self->stack = GTK_STACK (gtk_stack_new ());
  self->nothing = ADW_STATUS_PAGE (adw_status_page_new ());
  adw_status_page_set_icon_name (self->nothing, "edit-find-symbolic");
  adw_status_page_set_title (self->nothing, _("Search in Conversations"));
  adw_status_page_set_description (self->nothing, _("Questions and answers about all pictures that were opened here."));
  gtk_widget_set_vexpand (GTK_WIDGET (self->stack), TRUE);
  gtk_stack_add_named (self->stack, GTK_WIDGET (self->nothing), "nothing");
  gtk_stack_add_named (self->stack, make_list (self), "hits");
  gtk_box_append (GTK_BOX (box), GTK_WIDGET (self->stack));

  gtk_shortcut_controller_add_shortcut (GTK_SHORTCUT_CONTROLLER (shortcuts),
                                        gtk_shortcut_new (gtk_keyval_trigger_new (GDK_KEY_Escape, 0), gtk_callback_action_new (close_cb, NULL, NULL)));
  gtk_widget_add_controller (self->window, shortcuts);
  adw_window_set_content (ADW_WINDOW (self->window), box);
  gtk_window_set_title (GTK_WINDOW (self->window), _("Search in Conversations"));
  gtk_window_set_default_size (GTK_WINDOW (self->window), WIDTH, HEIGHT);
  gtk_window_set_transient_for (GTK_WINDOW (self->window), parent);
  gtk_window_set_modal (GTK_WINDOW (self->window), TRUE);
  gtk_window_set_destroy_with_parent (GTK_WINDOW (self->window), TRUE);
  gtk_widget_grab_focus (self->entry);

  return self->window;
}
