/* inspect.c - the card of the selected object
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-inspect"

#include "config.h"

#include "ui/inspect.h"

#include <math.h>

#include <adwaita.h>
#include <glib/gi18n.h>

#include "ui/badge.h"
#include "ui/main-thread.h"
#include "ui/pyramid.h"

#define CROP_SIDE 640 /* pixels: sharp on twice the width of the sidebar */

enum { FACT_SCORE, FACT_FINER, FACT_BOX, FACT_SIZE, FACT_MASK, FACT_SOURCE, N_FACTS };

struct _DescryInspect
{
  GtkWidget     parent_instance;

  GtkStack     *stack;
  GtkPicture   *crop;
  DescryBadge  *badge;
  GtkLabel     *name;
  GtkButton    *ask;
  GtkListBox   *facts;

  GtkWidget    *rows[N_FACTS];
  DescryCanvas *canvas;
  guint         id; /* 0: nothing */
  DescryBox     crop_box; /* of what the picture shows */
};

enum { ASK_ABOUT, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DescryInspect, descry_inspect, GTK_TYPE_WIDGET)

static void
set_fact (DescryInspect *self,
          guint          fact,
          char          *text) /* taken; NULL hides the row */
{
  gtk_widget_set_visible (self->rows[fact], text != NULL);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->rows[fact]), text != NULL ? text : "");
  g_free (text);
}

static const char *
source_text (DescrySource source)
{
  switch (source)
    {
    case DESCRY_SOURCE_DETECTOR:
      return _("Detector");
    case DESCRY_SOURCE_PROPOSAL:
      return _("Part of the whole-picture mask");
    case DESCRY_SOURCE_CLICK:
      return _("Your click");
    default:
      return _("Your box");
    }
}

void
descry_inspect_update (DescryInspect *self)
{
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  DescryImage *image = descry_canvas_get_image (self->canvas);
  GArray *selection = descry_canvas_get_selection (self->canvas);
  const DescryObject *object = NULL;
  DescryBox box;
  double pixels;

  descry_assert_main_thread ();

  if (scene != NULL && selection->len > 0)
    object = descry_scene_find (scene, g_array_index (selection, guint, 0));
  if (object == NULL || image == NULL)
    {
      self->id = 0;
      gtk_picture_set_paintable (self->crop, NULL);
      gtk_stack_set_visible_child_name (self->stack, "empty");
      return;
    }

  box = object->box;
  pixels = (double) scene->width * scene->height;
  if (self->id != object->id || memcmp (&box, &self->crop_box, sizeof box) != 0)
    {
      g_autoptr (GdkTexture) texture = descry_crop_texture (image, box, CROP_SIDE);

      gtk_picture_set_paintable (self->crop, texture != NULL ? GDK_PAINTABLE (texture) : NULL);
      self->crop_box = box;
    }
  self->id = object->id;
  descry_badge_set_id (self->badge, object->id);
  gtk_label_set_label (self->name, object->name);

  set_fact (self, FACT_SCORE, g_strdup_printf ("%.2f", object->score));
  set_fact (self, FACT_FINER, g_strdup (object->finer));
  /* Translators: left, top – right, bottom, pixels; kept from left to right by the marks around them. */
  set_fact (self, FACT_BOX, g_strdup_printf (_("\342\201\246%.0f, %.0f – %.0f, %.0f\342\201\251"), box.x0, box.y0, box.x1, box.y1));
  /* Translators: width × height in pixels, and the part of the picture. */
  set_fact (self, FACT_SIZE, g_strdup_printf (_("%.0f × %.0f px, %.1f %%"), box.x1 - box.x0, box.y1 - box.y0,
                                              100.0 * descry_box_area (box) / pixels));
  set_fact (self, FACT_MASK, object->mask == NULL ? g_strdup (_("not there yet"))
                                                  : g_strdup_printf (_("%" G_GUINT64_FORMAT " px, %.1f %%"), object->mask->area,
                                                                     100.0 * object->mask->area / pixels));
  set_fact (self, FACT_SOURCE, g_strdup (source_text (object->source)));
  gtk_stack_set_visible_child_name (self->stack, "card");
}

static void
ask_clicked_cb (GtkButton     *button,
                DescryInspect *self)
{
  if (self->id != 0)
    g_signal_emit (self, signals[ASK_ABOUT], 0, self->id);
}

void
descry_inspect_set_canvas (DescryInspect *self,
                           DescryCanvas  *canvas)
{
  g_return_if_fail (self->canvas == NULL);

  self->canvas = g_object_ref (canvas);
  g_signal_connect_object (canvas, "selection-changed", G_CALLBACK (descry_inspect_update), self, G_CONNECT_SWAPPED);
}

static void
descry_inspect_dispose (GObject *object)
{
  DescryInspect *self = DESCRY_INSPECT (object);

  gtk_widget_dispose_template (GTK_WIDGET (self), DESCRY_TYPE_INSPECT);
  g_clear_object (&self->canvas);

  G_OBJECT_CLASS (descry_inspect_parent_class)->dispose (object);
}

static void
descry_inspect_class_init (DescryInspectClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = descry_inspect_dispose;
  signals[ASK_ABOUT] = g_signal_new ("ask-about", DESCRY_TYPE_INSPECT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                     G_TYPE_NONE, 1, G_TYPE_UINT);

  g_type_ensure (DESCRY_TYPE_BADGE);
  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/inspect.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, stack);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, crop);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, badge);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, name);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, ask);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, facts);
}

static void
descry_inspect_init (DescryInspect *self)
{
  static const char *titles[N_FACTS] = {
    N_("Score"), N_("Finer name"), N_("Box, px"), N_("Size"), N_("Mask"), N_("Found by"),
  };
  guint i;

  gtk_widget_init_template (GTK_WIDGET (self));
  for (i = 0; i < N_FACTS; i++)
    {
      self->rows[i] = adw_action_row_new ();
      adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->rows[i]), FALSE);
      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self->rows[i]), _(titles[i]));
      gtk_list_box_append (self->facts, self->rows[i]);
    }
  g_signal_connect_object (self->ask, "clicked", G_CALLBACK (ask_clicked_cb), self, 0);
}
