/* drag-source.c - a small window with a file to drag out of it, as a file manager has one; for tests of dropping
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <gtk/gtk.h>

int
main (int    argc,
      char **argv)
{
  GtkWidget *window, *label;
  GtkDragSource *source;
  GdkFileList *list;
  g_autoptr (GdkContentProvider) content = NULL;
  g_autoptr (GFile) file = NULL;
  g_autofree char *name = NULL;
  GSList files = { NULL, NULL };

  if (argc != 2 || !gtk_init_check ())
    return 2;

  file = g_file_new_for_commandline_arg (argv[1]);
  name = g_file_get_basename (file);
  files.data = file;
  list = gdk_file_list_new_from_list (&files);
  content = gdk_content_provider_new_typed (GDK_TYPE_FILE_LIST, list);
  g_boxed_free (GDK_TYPE_FILE_LIST, list);

  window = gtk_window_new ();
  gtk_window_set_title (GTK_WINDOW (window), "Files");
  gtk_window_set_decorated (GTK_WINDOW (window), FALSE);
  gtk_window_set_default_size (GTK_WINDOW (window), 160, 60);
  label = gtk_label_new (name);
  gtk_window_set_child (GTK_WINDOW (window), label);
  source = gtk_drag_source_new ();
  gtk_drag_source_set_content (source, content);
  gtk_widget_add_controller (label, GTK_EVENT_CONTROLLER (source));
  gtk_window_present (GTK_WINDOW (window));

  while (g_list_model_get_n_items (gtk_window_get_toplevels ()) > 0)
    g_main_context_iteration (NULL, TRUE);

  return 0;
}
