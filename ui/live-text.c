/* live-text.c - a paragraph that is still being written
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-live-text"

#include "config.h"

#include "ui/live-text.h"

#include "ui/main-thread.h"

#define BEGINNING 64 /* bytes in which there is a letter that has a direction */
#define TAIL_LINES 2 /* when there are so many, all but the last are done */

/* Lines that do not change any more. */
typedef struct
{
  PangoLayout   *layout;
  GskRenderNode *node; /* NULL: not drawn yet */
  int            height; /* Pango units: lines are not whole pixels high */
} Chunk;

struct _DescryLiveText
{
  GtkWidget      parent_instance;

  GString       *text;
  gsize          done; /* bytes of it that are in chunks */
  GArray        *chunks; /* of Chunk */
  int            chunks_height; /* the same */
  PangoContext  *context; /* with the paragraph's direction; NULL: to be made */
  PangoDirection direction;
  PangoLayout   *tail; /* or NULL */
  int            width; /* of the lines, pixels; 0: not known yet */
  int            height; /* asked for */
  guint          tick; /* asks for another height in the next frame */
};

G_DEFINE_FINAL_TYPE (DescryLiveText, descry_live_text, GTK_TYPE_WIDGET)

static void
chunk_clear (gpointer data)
{
  Chunk *chunk = data;

  g_clear_object (&chunk->layout);
  g_clear_pointer (&chunk->node, gsk_render_node_unref);
}

/* As a label does: what the first strong letter says, else the widget's own. */
static PangoDirection
find_direction (DescryLiveText *self)
{
  g_autoptr (GObject) context = (GObject *) gtk_widget_create_pango_context (GTK_WIDGET (self));
  g_autoptr (PangoLayout) layout = pango_layout_new (PANGO_CONTEXT (context));
  gsize length = self->text->len;

  if (length > BEGINNING)
    length = (gsize) (g_utf8_find_prev_char (self->text->str, self->text->str + BEGINNING) - self->text->str);
  pango_layout_set_text (layout, self->text->str, (int) length);
  return pango_layout_get_line_readonly (layout, 0)->resolved_dir == PANGO_DIRECTION_RTL ? PANGO_DIRECTION_RTL : PANGO_DIRECTION_LTR;
}

static PangoLayout *
make_layout (DescryLiveText *self,
             const char     *text,
             gsize           length,
             int             width)
{
  PangoLayout *layout;

  if (self->context == NULL)
    {
      self->context = gtk_widget_create_pango_context (GTK_WIDGET (self));
      self->direction = find_direction (self);
      pango_context_set_base_dir (self->context, self->direction);
    }
  layout = pango_layout_new (self->context);
  /* A line that begins with a word of the other direction is no paragraph of that direction. */
  pango_layout_set_auto_dir (layout, FALSE);
  pango_layout_set_alignment (layout, self->direction == PANGO_DIRECTION_RTL ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
  pango_layout_set_wrap (layout, PANGO_WRAP_WORD_CHAR);
  pango_layout_set_width (layout, width * PANGO_SCALE);
  pango_layout_set_text (layout, text, (int) length);
  return layout;
}

static int
layout_height (PangoLayout *layout)
{
  int height;

  pango_layout_get_size (layout, NULL, &height);
  return height;
}

static void
forget_layouts (DescryLiveText *self)
{
  g_array_set_size (self->chunks, 0);
  self->chunks_height = 0;
  self->done = 0;
  g_clear_object (&self->tail);
  g_clear_object (&self->context);
}

/* Lays out what is not done; returns the height of all in pixels. */
static int
lay_out (DescryLiveText *self)
{
  int lines;

  if (self->context != NULL && self->text->len <= BEGINNING && find_direction (self) != self->direction)
    forget_layouts (self);
  if (self->tail == NULL)
    self->tail = make_layout (self, self->text->str + self->done, self->text->len - self->done, self->width);
  else
    pango_layout_set_text (self->tail, self->text->str + self->done, (int) (self->text->len - self->done));

  lines = pango_layout_get_line_count (self->tail);
  if (lines >= TAIL_LINES)
    {
      gsize length = (gsize) pango_layout_get_line_readonly (self->tail, lines - 1)->start_index;
      Chunk chunk = { make_layout (self, self->text->str + self->done, length, self->width), NULL, 0 };

      chunk.height = layout_height (chunk.layout);
      self->chunks_height += chunk.height;
      g_array_append_val (self->chunks, chunk);
      self->done += length;
      pango_layout_set_text (self->tail, self->text->str + self->done, (int) (self->text->len - self->done));
    }

  return PANGO_PIXELS_CEIL (self->chunks_height + (self->text->len > self->done ? layout_height (self->tail) : 0));
}

void
descry_live_text_append (DescryLiveText *self,
                         const char     *text,
                         gsize           length)
{
  int height;

  descry_assert_main_thread ();

  g_string_append_len (self->text, text, (gssize) length);
  height = self->width > 0 ? lay_out (self) : -1;
  if (height == self->height)
    {
      gtk_widget_queue_draw (GTK_WIDGET (self));
      return;
    }

  self->height = height;
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, self->text->str, -1);
  gtk_widget_queue_resize (GTK_WIDGET (self));
}

void
descry_live_text_clear (DescryLiveText *self)
{
  descry_assert_main_thread ();

  g_string_truncate (self->text, 0);
  forget_layouts (self);
  self->height = 0;
  gtk_widget_queue_resize (GTK_WIDGET (self));
}

const char *
descry_live_text_get_text (DescryLiveText *self)
{
  return self->text->str;
}

guint
descry_live_text_get_tail_lines (DescryLiveText *self)
{
  return self->tail != NULL ? (guint) pango_layout_get_line_count (self->tail) : 0;
}

GtkWidget *
descry_live_text_new (void)
{
  return g_object_new (DESCRY_TYPE_LIVE_TEXT, NULL);
}

/* --------- Widget ------------------ */

static GtkSizeRequestMode
descry_live_text_get_request_mode (GtkWidget *widget)
{
  return GTK_SIZE_REQUEST_HEIGHT_FOR_WIDTH;
}

/* Any width will do: the column has one. */
static void
descry_live_text_measure (GtkWidget     *widget,
                          GtkOrientation orientation,
                          int            for_size,
                          int           *minimum,
                          int           *natural,
                          int           *minimum_baseline,
                          int           *natural_baseline)
{
  DescryLiveText *self = DESCRY_LIVE_TEXT (widget);

  *minimum = *natural = 0;
  if (orientation == GTK_ORIENTATION_HORIZONTAL || self->text->len == 0)
    return;

  if (self->width > 0 && (for_size < 0 || for_size == self->width))
    *minimum = self->height = lay_out (self);
  else
    {
      g_autoptr (PangoLayout) layout = make_layout (self, self->text->str, self->text->len, for_size);

      *minimum = PANGO_PIXELS_CEIL (layout_height (layout));
    }
  *natural = *minimum;
}

static gboolean
resize_cb (GtkWidget     *widget,
           GdkFrameClock *clock,
           gpointer       data)
{
  DESCRY_LIVE_TEXT (widget)->tick = 0;
  gtk_widget_queue_resize (widget);
  return G_SOURCE_REMOVE;
}

static void
descry_live_text_size_allocate (GtkWidget *widget,
                                int        width,
                                int        height,
                                int        baseline)
{
  DescryLiveText *self = DESCRY_LIVE_TEXT (widget);

  if (width == self->width)
    return;

  forget_layouts (self);
  self->width = width;
  if (width > 0 && self->text->len > 0)
    {
      self->height = lay_out (self);
      /* GTK remembers heights for widths; of words that began no line at the width of then it has not been told. */
      if (self->height != height && self->tick == 0)
        self->tick = gtk_widget_add_tick_callback (widget, resize_cb, NULL, NULL);
    }
}

static void
draw_layout (DescryLiveText *self,
             GtkSnapshot    *snapshot,
             PangoLayout    *layout,
             int             y) /* Pango units */
{
  gtk_snapshot_render_layout (snapshot, gtk_widget_get_style_context (GTK_WIDGET (self)), 0, (double) y / PANGO_SCALE, layout);
}

static void
descry_live_text_snapshot (GtkWidget   *widget,
                           GtkSnapshot *snapshot)
{
  DescryLiveText *self = DESCRY_LIVE_TEXT (widget);
  int y = 0;
  guint i;

  for (i = 0; i < self->chunks->len; i++)
    {
      Chunk *chunk = &g_array_index (self->chunks, Chunk, i);

      /* The same node as in the frame before is not drawn again. */
      if (chunk->node == NULL)
        {
          GtkSnapshot *own = gtk_snapshot_new ();

          draw_layout (self, own, chunk->layout, y);
          chunk->node = gtk_snapshot_free_to_node (own);
        }
      if (chunk->node != NULL)
        gtk_snapshot_append_node (snapshot, chunk->node);
      y += chunk->height;
    }
  if (self->tail != NULL)
    draw_layout (self, snapshot, self->tail, y);
}

/* Another font or colour, or another direction. */
static void
start_over (DescryLiveText *self)
{
  forget_layouts (self);
  gtk_widget_queue_resize (GTK_WIDGET (self));
}

static void
descry_live_text_css_changed (GtkWidget         *widget,
                              GtkCssStyleChange *change)
{
  GTK_WIDGET_CLASS (descry_live_text_parent_class)->css_changed (widget, change);
  start_over (DESCRY_LIVE_TEXT (widget));
}

static void
descry_live_text_system_setting_changed (GtkWidget       *widget,
                                         GtkSystemSetting setting)
{
  GTK_WIDGET_CLASS (descry_live_text_parent_class)->system_setting_changed (widget, setting);
  start_over (DESCRY_LIVE_TEXT (widget));
}

static void
descry_live_text_direction_changed (GtkWidget       *widget,
                                    GtkTextDirection previous)
{
  GTK_WIDGET_CLASS (descry_live_text_parent_class)->direction_changed (widget, previous);
  start_over (DESCRY_LIVE_TEXT (widget));
}

static void
descry_live_text_dispose (GObject *object)
{
  DescryLiveText *self = DESCRY_LIVE_TEXT (object);

  if (self->tick != 0)
    gtk_widget_remove_tick_callback (GTK_WIDGET (self), self->tick);
  self->tick = 0;

  G_OBJECT_CLASS (descry_live_text_parent_class)->dispose (object);
}

static void
descry_live_text_finalize (GObject *object)
{
  DescryLiveText *self = DESCRY_LIVE_TEXT (object);

  forget_layouts (self);
  g_array_unref (self->chunks);
  g_string_free (self->text, TRUE);

  G_OBJECT_CLASS (descry_live_text_parent_class)->finalize (object);
}

static void
descry_live_text_class_init (DescryLiveTextClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = descry_live_text_dispose;
  G_OBJECT_CLASS (class)->finalize = descry_live_text_finalize;
  widget_class->get_request_mode = descry_live_text_get_request_mode;
  widget_class->measure = descry_live_text_measure;
  widget_class->size_allocate = descry_live_text_size_allocate;
  widget_class->snapshot = descry_live_text_snapshot;
  widget_class->css_changed = descry_live_text_css_changed;
  widget_class->system_setting_changed = descry_live_text_system_setting_changed;
  widget_class->direction_changed = descry_live_text_direction_changed;
  gtk_widget_class_set_css_name (widget_class, "label"); /* it looks like what it becomes */
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_LABEL);
}

static void
descry_live_text_init (DescryLiveText *self)
{
  self->text = g_string_new (NULL);
  self->chunks = g_array_new (FALSE, FALSE, sizeof (Chunk));
  g_array_set_clear_func (self->chunks, chunk_clear);
}
