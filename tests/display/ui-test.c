/* ui-test.c - what tests of widgets share: a bounded main loop, the widget tree, pictures of it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/display/ui-test.h"

#include <time.h>

static gboolean
wake_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

guint
ui_test_patience (void)
{
  return g_getenv ("DESCRY_TEST_SLOW") != NULL ? 300 : 30;
}

AdwApplication *
ui_test_application (void)
{
  AdwApplication *application = g_object_new (ADW_TYPE_APPLICATION, "application-id", "io.github.descry.Test", "flags", G_APPLICATION_NON_UNIQUE, NULL);

  g_assert_true (g_application_register (G_APPLICATION (application), NULL, NULL));
  /* Where a frame takes seconds a toast can be over before it has come in; libadwaita 1.2 then touches what it has freed. */
  if (g_getenv ("DESCRY_TEST_SLOW") != NULL)
    g_object_set (gtk_settings_get_default (), "gtk-enable-animations", FALSE, NULL);
  return application;
}

void
ui_test_turn (void)
{
  gboolean woken = FALSE;
  guint source = g_timeout_add (5, wake_cb, &woken);

  g_main_context_iteration (NULL, TRUE);
  if (!woken)
    g_source_remove (source);
}

void
ui_test_pump (guint ms)
{
  gint64 end = g_get_monotonic_time () + ms * G_TIME_SPAN_MILLISECOND;

  while (g_get_monotonic_time () < end)
    ui_test_turn ();
}

void
ui_test_walk (GtkWidget *root,
              UiTestFunc func,
              gpointer   data)
{
  GtkWidget *child;

  func (root, data);
  for (child = gtk_widget_get_first_child (root); child != NULL; child = gtk_widget_get_next_sibling (child))
    ui_test_walk (child, func, data);
}

static const char *
widget_text (GtkWidget *widget)
{
  if (GTK_IS_LABEL (widget))
    return gtk_label_get_text (GTK_LABEL (widget));
  if (GTK_IS_BUTTON (widget) && gtk_button_get_label (GTK_BUTTON (widget)) != NULL)
    return gtk_button_get_label (GTK_BUTTON (widget));

  return gtk_widget_get_tooltip_text (widget);
}

/* Marks of direction are not seen. (transfer full) */
static char *
without_marks (const char *text)
{
  GString *seen = g_string_new (NULL);

  for (; text != NULL && *text != '\0'; text = g_utf8_next_char (text))
    {
      gunichar c = g_utf8_get_char (text);

      if (c != 0x200e && c != 0x200f && (c < 0x2066 || c > 0x2069))
        g_string_append_unichar (seen, c);
    }
  return g_string_free (seen, FALSE);
}

static gboolean
has_text (GtkWidget  *widget,
          const char *text)
{
  g_autofree char *seen = without_marks (widget_text (widget));

  return g_str_equal (seen, text);
}

GtkWidget *
ui_test_find (GtkWidget  *root,
              GType       type,
              const char *text)
{
  GtkWidget *child;

  if (G_TYPE_CHECK_INSTANCE_TYPE (root, type) && gtk_widget_get_mapped (root) &&
      (text == NULL || has_text (root, text)))
    return root;

  for (child = gtk_widget_get_first_child (root); child != NULL; child = gtk_widget_get_next_sibling (child))
    {
      GtkWidget *found = ui_test_find (child, type, text);

      if (found != NULL)
        return found;
    }

  return NULL;
}

GtkWidget *
ui_test_find_text (GtkWidget  *root,
                   const char *text)
{
  g_autofree char *seen = GTK_IS_LABEL (root) ? without_marks (gtk_label_get_text (GTK_LABEL (root))) : NULL;
  GtkWidget *child;

  if (seen != NULL && gtk_widget_get_mapped (root) && strstr (seen, text) != NULL)
    return root;
  for (child = gtk_widget_get_first_child (root); child != NULL; child = gtk_widget_get_next_sibling (child))
    {
      GtkWidget *found = ui_test_find_text (child, text);

      if (found != NULL)
        return found;
    }

  return NULL;
}

void
ui_test_check_named (GtkWidget *widget,
                     gpointer   data)
{
  GtkWidget *button = widget;
  const char *icon = NULL;

  if (GTK_IS_BUTTON (widget))
    icon = gtk_button_get_icon_name (GTK_BUTTON (widget));
  else if (GTK_IS_MENU_BUTTON (widget))
    icon = gtk_menu_button_get_icon_name (GTK_MENU_BUTTON (widget));
  if (icon == NULL || gtk_widget_get_ancestor (widget, GTK_TYPE_WINDOW_CONTROLS) != NULL)
    return;
  /* Parts of other widgets name themselves through their parent. */
  if (gtk_widget_get_ancestor (widget, GTK_TYPE_SPIN_BUTTON) != NULL || gtk_widget_get_ancestor (widget, GTK_TYPE_INFO_BAR) != NULL ||
      (!GTK_IS_MENU_BUTTON (widget) && gtk_widget_get_ancestor (widget, GTK_TYPE_MENU_BUTTON) != NULL))
    return;

  *(guint *) data += 1;
  if (gtk_widget_get_tooltip_text (button) == NULL)
    g_error ("a button with the icon %s has no tooltip", icon);
  if (!gtk_test_accessible_has_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL))
    g_error ("a button with the icon %s has no accessible label", icon);
}

GdkTexture *
ui_test_shoot (GtkWidget *widget)
{
  g_autoptr (GdkPaintable) paintable = gtk_widget_paintable_new (widget);
  g_autoptr (GskRenderer) renderer = gsk_cairo_renderer_new ();
  g_autoptr (GError) error = NULL;
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  /* A window's shadow belongs to its paintable, but not to its size. */
  int width = gdk_paintable_get_intrinsic_width (paintable);
  int height = gdk_paintable_get_intrinsic_height (paintable);
  int scale = gtk_widget_get_scale_factor (widget);
  GskRenderNode *node;
  GdkTexture *texture;
  guint tries = 0;

  gtk_snapshot_scale (snapshot, scale, scale);
  gdk_paintable_snapshot (paintable, snapshot, width, height);
  /* Nothing is drawn yet: under valgrind the first frame is late. */
  while ((node = gtk_snapshot_free_to_node (snapshot)) == NULL && tries++ < 100)
    {
      ui_test_pump (50);
      width = gdk_paintable_get_intrinsic_width (paintable);
      height = gdk_paintable_get_intrinsic_height (paintable);
      snapshot = gtk_snapshot_new ();
      gtk_snapshot_scale (snapshot, scale, scale);
      gdk_paintable_snapshot (paintable, snapshot, width, height);
    }
  g_assert_nonnull (node);
  gsk_renderer_realize (renderer, NULL, &error);
  g_assert_no_error (error);
  texture = gsk_renderer_render_texture (renderer, node, &GRAPHENE_RECT_INIT (0, 0, width * scale, height * scale));
  gsk_renderer_unrealize (renderer);
  gsk_render_node_unref (node);
  return texture;
}

void
ui_test_save (GdkTexture *texture,
              const char *name)
{
  const char *folder = g_getenv ("DESCRY_TEST_OUTPUT");
  g_autofree char *path = NULL;

  if (folder == NULL)
    folder = g_get_tmp_dir ();
  path = g_build_filename (folder, name, NULL);

  g_mkdir_with_parents (folder, 0755);
  g_assert_true (gdk_texture_save_to_png (texture, path));
  g_test_message ("saved %s", path);
}

void
ui_test_look (GtkWidget  *widget,
              const char *name)
{
  g_autoptr (GdkTexture) texture = NULL;

  ui_test_pump (400);
  texture = ui_test_shoot (widget);
  ui_test_save (texture, name);
}

/* --------- Longest block of the main loop ------------------ */

static guint watch_source;
static gint64 watch_last;
static gint64 watch_longest;
static gint64 watch_cpu_last;
static gint64 watch_cpu_longest;

static gint64
cpu_time (void)
{
  struct timespec time;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return (gint64) time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

static gboolean
watch_cb (gpointer data)
{
  gint64 now = g_get_monotonic_time ();
  gint64 cpu = cpu_time ();

  watch_longest = MAX (watch_longest, now - watch_last);
  watch_cpu_longest = MAX (watch_cpu_longest, cpu - watch_cpu_last);
  watch_last = now;
  watch_cpu_last = cpu;
  return G_SOURCE_CONTINUE;
}

void
ui_test_watch_start (void)
{
  ui_test_watch_resume ();
  watch_longest = watch_cpu_longest = 0;
  watch_source = g_timeout_add_full (G_PRIORITY_HIGH, 1, watch_cb, NULL, NULL);
}

void
ui_test_watch_pause (void)
{
  if (watch_source != 0)
    watch_cb (NULL);
}

void
ui_test_watch_resume (void)
{
  watch_last = g_get_monotonic_time ();
  watch_cpu_last = cpu_time ();
}

double
ui_test_watch_stop (double *cpu_ms)
{
  *cpu_ms = watch_cpu_longest / 1000.0;
  g_clear_handle_id (&watch_source, g_source_remove);
  return MAX (0, watch_longest - 1000) / 1000.0;
}
