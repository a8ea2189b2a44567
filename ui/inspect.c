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
#include "ui/bidi.h"
#include "ui/compare.h"
#include "ui/main-thread.h"
#include "ui/picture.h"
#include "ui/pyramid.h"
#include "ui/stages.h"

#define CROP_SIDE 640 /* pixels: sharp on twice the width of the sidebar */
#define SMALL_CROP_SIDE 320
#define DRAG_ICON_SIDE 128

enum { FACT_SCORE, FACT_FINER, FACT_BOX, FACT_SIZE, FACT_MASK, FACT_SOURCE, FACT_TIME, N_FACTS };
enum { DIFFERENCE_SIZES, DIFFERENCE_RATIO, DIFFERENCE_PLACE, DIFFERENCE_DISTANCE, DIFFERENCE_OVERLAP, DIFFERENCE_SCORES, N_DIFFERENCES };

struct _DescryInspect
{
  GtkWidget     parent_instance;

  GtkWidget    *column; /* the only child: bound, or it would not be disposed of */
  GtkStack     *stack;
  GtkPicture   *crop;
  DescryBadge  *badge;
  GtkLabel     *name;
  GtkButton    *ask;
  GtkListBox   *facts;
  GtkBox       *first; /* of two that are compared */
  GtkBox       *second;
  GtkListBox   *differences;
  GtkLabel     *more;
  GtkButton    *ask_both;
  DescryStages *stages;
  GtkBox       *actions; /* on one */
  GtkBox       *common_actions; /* on those that are compared */

  GtkWidget    *rows[N_FACTS];
  GtkWidget    *difference_rows[N_DIFFERENCES];
  DescryCanvas *canvas;
  guint         id; /* 0: nothing */
  DescryBox     crop_box; /* of what the picture shows */
  guint         pair[2]; /* ids that are compared; 0: none */
};

enum { ASK_ABOUT, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DescryInspect, descry_inspect, GTK_TYPE_WIDGET)

static void
set_text (GtkWidget *row,
          char      *text) /* taken; NULL hides the row */
{
  gtk_widget_set_visible (row, text != NULL);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), text != NULL ? text : "");
  g_free (text);
}

static void
set_fact (DescryInspect *self,
          guint          fact,
          char          *text) /* taken */
{
  set_text (self->rows[fact], text);
}

static gboolean
is_rtl (DescryInspect *self)
{
  return gtk_widget_get_direction (GTK_WIDGET (self)) == GTK_TEXT_DIR_RTL;
}

/* An area in pixels, and as a part of the picture's. */
static char *
area_text (double area,
           double pixels)
{
  g_autofree char *part = descry_bidi_value (_("%.1f %%"), 100.0 * area / pixels);

  /* Translators: an area in pixels, and its part of the picture, such as "2.5 %". */
  return g_strdup_printf (_("%.0f px, %s"), area, part);
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

/* How long the stages took that this object comes from; the picture as a whole went through them. */
static char *
time_text (DescryScene        *scene,
           const DescryObject *object)
{
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < scene->timing->len; i++)
    {
      const DescryTiming *timing = g_ptr_array_index (scene->timing, i);
      const char *title = g_str_equal (timing->stage, "detector") && object->source == DESCRY_SOURCE_DETECTOR ? _("boxes")
                          : g_str_equal (timing->stage, "segmenter") && object->mask != NULL                  ? _("masks")
                                                                                                               : NULL;
      g_autofree char *part = NULL, *isolated = NULL;

      if (title == NULL)
        continue;
      if (text->len > 0)
        g_string_append (text, ", ");
      /* Translators: a stage, "boxes" or "masks", and its milliseconds. */
      part = g_strdup_printf (_("%s %.0f ms"), title, timing->ms);
      isolated = descry_bidi_isolate (part);
      g_string_append (text, isolated);
    }

  return g_string_free (text, text->len == 0);
}

/* With the network behind it, where it is known. */
static char *
found_by_text (DescryInspect      *self,
               const DescryObject *object)
{
  const char *network = descry_stages_get_network (self->stages, object->source == DESCRY_SOURCE_DETECTOR ? DESCRY_SLOT_DETECTOR : DESCRY_SLOT_SEGMENTER);

  if (network == NULL)
    return g_strdup (source_text (object->source));
  return descry_bidi_list (is_rtl (self), source_text (object->source), network, NULL);
}

/* --------- Two objects ------------------ */

/* Crop, number and name of one of the two. */
static void
fill_side (GtkBox             *side,
           DescryImage        *image,
           const DescryObject *object)
{
  g_autoptr (GdkTexture) texture = descry_crop_texture (image, object->box, SMALL_CROP_SIDE);
  GtkWidget *crop = gtk_picture_new_for_paintable (texture != NULL ? GDK_PAINTABLE (texture) : NULL);
  GtkWidget *title = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6), *label = gtk_label_new (object->name), *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (side))) != NULL)
    gtk_box_remove (side, child);
  gtk_widget_set_size_request (crop, -1, 110);
  gtk_picture_set_can_shrink (GTK_PICTURE (crop), TRUE);
  gtk_picture_set_alternative_text (GTK_PICTURE (crop), object->name);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_widget_add_css_class (label, "heading");
  gtk_box_append (GTK_BOX (title), descry_badge_new (object->id));
  gtk_box_append (GTK_BOX (title), label);
  gtk_box_append (side, crop);
  gtk_box_append (side, title);
}

/* What it is called beside others: number and name. */
static char *
called (const DescryObject *object)
{
  g_autofree char *text = g_strdup_printf ("%u %s", object->id, object->name);

  return descry_bidi_isolate (text);
}

/* Where the second is, seen from the first: along an axis where their centres are further apart than a tenth of the longer. */
static char *
place_text (const DescryObject     *first,
            const DescryObject     *second,
            const DescryComparison *result)
{
  double small_x = 0.1 * MAX (first->box.x1 - first->box.x0, second->box.x1 - second->box.x0);
  double small_y = 0.1 * MAX (first->box.y1 - first->box.y0, second->box.y1 - second->box.y0);
  const char *across = result->dx < -small_x ? _("to the left") : result->dx > small_x ? _("to the right") : NULL;
  const char *down = result->dy < -small_y ? _("above") : result->dy > small_y ? _("below") : NULL;
  g_autofree char *it = called (second);

  if (across == NULL && down == NULL)
    return g_strdup (_("In the same place"));
  /* Translators: number and name of an object, and where it is, such as "above" or "to the left". */
  if (across == NULL || down == NULL)
    return g_strdup_printf (_("%s is %s"), it, across != NULL ? across : down);
  /* Translators: the same with two places, such as "above" and "to the left". */
  return g_strdup_printf (_("%s is %s and %s"), it, down, across);
}

static void
show_pair (DescryInspect      *self,
           DescryImage        *image,
           const DescryObject *first,
           const DescryObject *second,
           guint               n_more)
{
  const DescryObject *objects[2] = { first, second };
  double pixels = (double) image->width * image->height;
  g_autofree char *more = NULL, *larger = NULL, *areas = NULL, *first_area = NULL, *second_area = NULL;
  g_autofree char *first_score = g_strdup_printf ("%.2f", first->score), *second_score = g_strdup_printf ("%.2f", second->score);
  DescryComparison result;

  descry_compare (first, second, &result);
  larger = called (objects[MAX (result.larger, 0)]);
  fill_side (self->first, image, first);
  fill_side (self->second, image, second);
  self->pair[0] = first->id;
  self->pair[1] = second->id;

  first_area = area_text (result.areas[0], pixels);
  second_area = area_text (result.areas[1], pixels);
  areas = descry_bidi_list (is_rtl (self), first_area, second_area, NULL);
  /* Translators: two areas. */
  set_text (self->difference_rows[DIFFERENCE_SIZES], result.by_mask ? g_steal_pointer (&areas) : g_strdup_printf (_("boxes of %s"), areas));
  set_text (self->difference_rows[DIFFERENCE_RATIO],
            result.larger < 0     ? g_strdup (_("The same size"))
            : result.ratio < 1.05 ? g_strdup (_("About the same size"))
                                  /* Translators: number and name of the larger object, and how much larger it is. */
                                  : g_strdup_printf (_("%s is %.1f times as large"), larger, result.ratio));
  set_text (self->difference_rows[DIFFERENCE_PLACE], place_text (first, second, &result));
  set_text (self->difference_rows[DIFFERENCE_DISTANCE],
            g_strdup_printf (_("%.0f px between the centres, %.0f px between the boxes"), result.distance, result.gap));
  set_text (self->difference_rows[DIFFERENCE_OVERLAP], descry_bidi_value (_("%.0f %%"), 100.0 * result.overlap));
  set_text (self->difference_rows[DIFFERENCE_SCORES], descry_bidi_list (is_rtl (self), first_score, second_score, NULL));

  more = g_strdup_printf (ngettext ("%u more object is selected", "%u more objects are selected", n_more), n_more);
  gtk_label_set_label (self->more, more);
  gtk_widget_set_visible (GTK_WIDGET (self->more), n_more > 0);
  gtk_stack_set_visible_child_name (self->stack, "compare");
}

/* --------- One ------------------ */

void
descry_inspect_update (DescryInspect *self)
{
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  DescryImage *image = descry_canvas_get_image (self->canvas);
  GArray *selection = descry_canvas_get_selection (self->canvas);
  const DescryObject *object = NULL, *second = NULL;
  g_autofree char *sides = NULL, *part = NULL;
  DescryBox box;
  double pixels;

  descry_assert_main_thread ();
  descry_stages_set_scene (self->stages, scene);

  if (scene != NULL && selection->len > 0)
    object = descry_scene_find (scene, g_array_index (selection, guint, 0));
  if (scene != NULL && selection->len > 1)
    second = descry_scene_find (scene, g_array_index (selection, guint, 1));
  self->pair[0] = self->pair[1] = 0;
  if (object != NULL && second != NULL && image != NULL)
    {
      show_pair (self, image, object, second, selection->len - 2);
      return;
    }
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
  /* Translators: left, top – right, bottom, pixels. */
  set_fact (self, FACT_BOX, descry_bidi_value (_("%.0f, %.0f – %.0f, %.0f"), box.x0, box.y0, box.x1, box.y1));
  sides = descry_bidi_value ("%.0f × %.0f", box.x1 - box.x0, box.y1 - box.y0);
  part = descry_bidi_value (_("%.1f %%"), 100.0 * descry_box_area (box) / pixels);
  /* Translators: width × height in pixels, and the part of the picture. */
  set_fact (self, FACT_SIZE, g_strdup_printf (_("%s px, %s"), sides, part));
  set_fact (self, FACT_MASK, object->mask == NULL ? g_strdup (_("none")) : area_text (object->mask->area, pixels));
  set_fact (self, FACT_SOURCE, found_by_text (self, object));
  set_fact (self, FACT_TIME, time_text (scene, object));
  gtk_stack_set_visible_child_name (self->stack, "card");
}

static void
ask_clicked_cb (GtkButton     *button,
                DescryInspect *self)
{
  if (self->id != 0)
    g_signal_emit (self, signals[ASK_ABOUT], 0, self->id);
}

/* --------- Drag ------------------ */

/* Without its mask the object is not cut out, so nothing is dragged. */
static GdkContentProvider *
prepare_drag_cb (GtkDragSource *source,
                 double         x,
                 double         y,
                 DescryInspect *self)
{
  DescryImage *image = descry_canvas_get_image (self->canvas);
  DescryScene *scene = descry_canvas_get_scene (self->canvas);
  const DescryObject *object = self->id != 0 && scene != NULL ? descry_scene_find (scene, self->id) : NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) pixels = NULL;
  g_autoptr (GdkTexture) texture = NULL, icon = NULL;
  guint width, height;

  if (object == NULL || image == NULL)
    return NULL;
  pixels = descry_picture_cut_out (image, object, &width, &height, &error);
  if (pixels == NULL)
    {
      g_debug ("no cut-out: %s", error->message);
      return NULL;
    }

  texture = gdk_memory_texture_new ((int) width, (int) height, GDK_MEMORY_B8G8R8A8_PREMULTIPLIED, pixels, (gsize) width * 4);
  icon = descry_crop_texture (image, object->box, DRAG_ICON_SIDE);
  if (icon != NULL)
    gtk_drag_source_set_icon (source, GDK_PAINTABLE (icon), 0, 0);

  return gdk_content_provider_new_typed (GDK_TYPE_TEXTURE, texture);
}

static void
ask_both_clicked_cb (GtkButton     *button,
                     DescryInspect *self)
{
  g_autoptr (GArray) ids = g_array_copy (descry_canvas_get_selection (self->canvas));
  guint i;

  for (i = 0; i < ids->len; i++)
    g_signal_emit (self, signals[ASK_ABOUT], 0, g_array_index (ids, guint, i));
}

void
descry_inspect_set_status (DescryInspect            *self,
                           const DescryEngineStatus *status)
{
  descry_stages_set_status (self->stages, status);
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
  g_type_ensure (DESCRY_TYPE_STAGES);
  gtk_widget_class_set_template_from_resource (widget_class, DESCRY_RESOURCE_BASE "/ui/inspect.ui");
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, column);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, stack);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, crop);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, badge);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, name);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, ask);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, facts);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, first);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, second);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, differences);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, more);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, ask_both);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, stages);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, actions);
  gtk_widget_class_bind_template_child (widget_class, DescryInspect, common_actions);
}

/* The window's commands on what is selected: the same as in its menus. */
static void
add_actions (GtkBox  *box,
             gboolean one)
{
  static const struct
  {
    const char *action;
    const char *icon;
    const char *title;
    gboolean    one; /* of an object alone */
  } actions[] = {
    { "win.rename", "document-edit-symbolic", N_("Rename"), TRUE },
    { "win.hide", "view-conceal-symbolic", N_("Hide"), FALSE },
    { "win.solo", "find-location-symbolic", N_("Show only this"), TRUE },
    { "win.copy-cut-out", "edit-copy-symbolic", N_("Copy the cut-out"), TRUE },
    { "win.delete", "user-trash-symbolic", N_("Delete"), FALSE },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (actions); i++)
    {
      GtkWidget *button;

      if (actions[i].one && !one)
        continue;
      button = gtk_button_new_from_icon_name (actions[i].icon);
      gtk_widget_add_css_class (button, "flat");
      gtk_widget_set_tooltip_text (button, _(actions[i].title));
      gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, _(actions[i].title), -1);
      gtk_actionable_set_action_name (GTK_ACTIONABLE (button), actions[i].action);
      gtk_box_append (box, button);
    }
}

static void
add_rows (GtkListBox        *list,
          GtkWidget        **rows,
          const char *const *titles,
          guint              n)
{
  guint i;

  for (i = 0; i < n; i++)
    {
      rows[i] = adw_action_row_new ();
      adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (rows[i]), FALSE);
      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (rows[i]), _(titles[i]));
      adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (rows[i]), 0);
      gtk_list_box_append (list, rows[i]);
    }
}

static void
descry_inspect_init (DescryInspect *self)
{
  static const char *const titles[N_FACTS] = {
    N_("Score"), N_("Finer name"), N_("Box, px"), N_("Size"), N_("Mask"), N_("Found by"), N_("Time"),
  };
  static const char *const difference_titles[N_DIFFERENCES] = {
    N_("Areas"), N_("Size"), N_("Place"), N_("Distance"), N_("Overlap"), N_("Scores"),
  };

  GtkDragSource *drag = gtk_drag_source_new ();

  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_drag_source_set_actions (drag, GDK_ACTION_COPY);
  g_signal_connect_object (drag, "prepare", G_CALLBACK (prepare_drag_cb), self, 0);
  gtk_widget_add_controller (GTK_WIDGET (self->crop), GTK_EVENT_CONTROLLER (drag));
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->crop), _("Drag the cut-out to another application"));
  add_actions (self->actions, TRUE);
  add_actions (self->common_actions, FALSE);
  add_rows (self->facts, self->rows, titles, N_FACTS);
  add_rows (self->differences, self->difference_rows, difference_titles, N_DIFFERENCES);
  g_signal_connect_object (self->ask, "clicked", G_CALLBACK (ask_clicked_cb), self, 0);
  g_signal_connect_object (self->ask_both, "clicked", G_CALLBACK (ask_both_clicked_cb), self, 0);
}
