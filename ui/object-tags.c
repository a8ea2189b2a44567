/* object-tags.c - what the picture is about, above the list of objects
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-objects"

#include "config.h"

#include "ui/objects-private.h"

#include <glib/gi18n.h>

#define MAX_TAGS 24

static void
tag_clicked_cb (GtkButton     *button,
                DescryObjects *self)
{
  const char *tag = g_object_get_data (G_OBJECT (button), "descry-tag");
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  const DescryView *view = descry_canvas_get_view (self->canvas);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint));
  guint i;

  for (i = 0; scene != NULL && i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (descry_view_shows (view, object) && g_strcmp0 (object->name, tag) == 0)
        g_array_append_val (ids, object->id);
    }
  descry_canvas_select (self->canvas, (const guint *) ids->data, ids->len);
  if (ids->len > 0)
    descry_canvas_reveal (self->canvas, g_array_index (ids, guint, 0));
}

void
descry_objects_update_tags (DescryObjects *self)
{
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  const DescryView *view = descry_canvas_get_view (self->canvas);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  GtkWidget *child;
  gboolean same;
  guint i, j;

  for (i = 0; scene != NULL && i < scene->tags->len && i < MAX_TAGS; i++)
    {
      const DescryTag *tag = g_ptr_array_index (scene->tags, i);
      guint n = 0;

      for (j = 0; j < scene->objects->len; j++)
        {
          const DescryObject *object = g_ptr_array_index (scene->objects, j);

          n += object->score >= view->threshold && g_strcmp0 (object->name, tag->name) == 0;
        }
      /* The name, and behind a line break how many boxes it has. */
      g_ptr_array_add (names, g_strdup_printf ("%s\n%u", tag->name, n));
    }

  same = names->len == self->tag_names->len;
  for (i = 0; same && i < names->len; i++)
    same = g_str_equal (names->pdata[i], self->tag_names->pdata[i]);
  if (same)
    return;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self->tags))) != NULL)
    gtk_flow_box_remove (self->tags, child);
  for (i = 0; i < names->len; i++)
    {
      g_auto (GStrv) parts = g_strsplit (names->pdata[i], "\n", 2);
      guint n = (guint) g_ascii_strtoull (parts[1], NULL, 10);
      g_autofree char *label = n > 1 ? g_strdup_printf ("%s × %u", parts[0], n) : g_strdup (parts[0]);
      GtkWidget *button = gtk_button_new_with_label (label);

      gtk_widget_add_css_class (button, "descry-tag");
      if (n == 0)
        {
          gtk_widget_set_sensitive (button, FALSE);
          gtk_widget_set_tooltip_text (button, _("Seen in the picture, but no box has this name"));
        }
      g_object_set_data_full (G_OBJECT (button), "descry-tag", g_strdup (parts[0]), g_free);
      g_signal_connect (button, "clicked", G_CALLBACK (tag_clicked_cb), self);
      gtk_flow_box_insert (self->tags, button, -1);
      gtk_widget_set_focusable (gtk_widget_get_parent (button), FALSE);
      /* The box would hold the focus for good before a child that takes none. */
      gtk_widget_set_sensitive (gtk_widget_get_parent (button), n > 0);
    }
  g_ptr_array_unref (self->tag_names);
  self->tag_names = g_steal_pointer (&names);
}
