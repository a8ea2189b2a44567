/* inspect.c - suggested questions, the card, two objects compared and the stages, in the real window
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/inspect.h"
#include "ui/main-thread.h"
#include "ui/stages.h"

static AdwApplication *application;
static char *folder, *picture;

static const RecordedPicture table = { 640, 480, 8 };

typedef RecordedWindow World;

static void
world_open (World     *world,
            GSettings *settings)
{
  recorded_window_show (world, GTK_APPLICATION (application), settings, table);
  recorded_window_open (world, picture);
}

static GtkWidget *
find (World      *world,
      GType       type,
      const char *text)
{
  return ui_test_find (GTK_WIDGET (world->window), type, text);
}

/* --------- Suggestions ------------------ */

#define WHERE "Where is the "

static void
find_where_cb (GtkWidget *widget,
               gpointer   data)
{
  char **question = data;
  const char *label = GTK_IS_BUTTON (widget) ? gtk_button_get_label (GTK_BUTTON (widget)) : NULL;

  if (*question == NULL && label != NULL && g_str_has_prefix (label, WHERE))
    *question = g_strdup (label);
}

static char *
find_where (World *world)
{
  char *question = NULL;

  ui_test_walk (GTK_WIDGET (world->window), find_where_cb, &question);
  g_assert_nonnull (question);
  return question;
}

static void
test_suggestions (void)
{
  g_autofree char *asked = NULL, *where = NULL;
  GtkWidget *button;
  DescryScene *scene;
  guint book = 4, hidden = 0, i;
  World world;

  world_open (&world, NULL);
  g_assert_nonnull (find (&world, GTK_TYPE_BUTTON, "What is in the picture?"));
  g_assert_nonnull (find (&world, GTK_TYPE_BUTTON, "How many cups are there?"));
  where = find_where (&world);
  recorded_window_shoot (&world, "suggestions.png");

  /* What is hidden invites no question. */
  {
    g_autofree char *noun = g_strndup (where + strlen (WHERE), strlen (where) - strlen (WHERE) - 1);

    scene = descry_canvas_get_scene (world.canvas);
    for (i = 0; i < scene->objects->len; i++)
      {
        const DescryObject *object = g_ptr_array_index (scene->objects, i);

        if (g_str_equal (object->name, noun))
          hidden = object->id;
      }
  }
  g_assert_cmpuint (hidden, !=, 0);
  descry_canvas_set_hidden (world.canvas, hidden, TRUE);
  ui_test_pump (30);
  g_assert_null (find (&world, GTK_TYPE_BUTTON, where));

  /* With a chip the questions are about it; they leave when something is written, and come back. */
  descry_chat_add_chip (world.chat, book);
  ui_test_pump (30);
  g_assert_null (find (&world, GTK_TYPE_BUTTON, "What is in the picture?"));
  button = find (&world, GTK_TYPE_BUTTON, "What is this?");
  g_assert_nonnull (button);
  descry_chat_set_question (world.chat, "Is it red?");
  ui_test_pump (30);
  g_assert_null (find (&world, GTK_TYPE_BUTTON, "What is this?"));
  descry_chat_set_question (world.chat, "");
  ui_test_pump (30);
  button = find (&world, GTK_TYPE_BUTTON, "What is this?");
  g_assert_nonnull (button);

  /* By the keyboard: the focus reaches it, and it asks. */
  g_assert_true (gtk_widget_grab_focus (button));
  g_assert_true (gtk_widget_activate (button));
  WAIT_WHILE (recorded_engine_count (world.engine, DESCRY_JOB_ASK) == 0 || !descry_window_is_idle (world.window));
  asked = recorded_engine_question (world.engine);
  g_assert_cmpstr (asked, ==, "What is this?");
  {
    g_autoptr (GArray) chips = recorded_engine_chips (world.engine);

    g_assert_cmpuint (chips->len, ==, 1);
    g_assert_cmpuint (g_array_index (chips, guint, 0), ==, book);
  }
  ui_test_pump (30);
  g_assert_nonnull (find (&world, GTK_TYPE_BUTTON, "What is in the picture?"));

  recorded_window_close (&world);
}

/* --------- Inspection ------------------ */

static void
find_drag_cb (GtkWidget *widget,
              gpointer   data)
{
  g_autoptr (GListModel) controllers = gtk_widget_observe_controllers (widget);
  GtkDragSource **found = data;
  guint i;

  for (i = 0; i < g_list_model_get_n_items (controllers) && *found == NULL; i++)
    {
      g_autoptr (GtkEventController) controller = g_list_model_get_item (controllers, i);

      if (GTK_IS_DRAG_SOURCE (controller))
        *found = GTK_DRAG_SOURCE (controller);
    }
}

static GtkWidget *
find_inspect (World *world)
{
  return find (world, DESCRY_TYPE_INSPECT, NULL);
}

/* The card is dragged as the cut-out: as large as the mask, clear where the mask is not. */
static void
test_drag (void)
{
  GtkDragSource *drag = NULL;
  g_autoptr (GdkContentProvider) content = NULL;
  g_auto (GValue) value = G_VALUE_INIT;
  DescryMask *mask;
  GdkTexture *texture;
  guint id = 1;
  World world;

  world_open (&world, NULL);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.panel", "s", "inspect");
  descry_canvas_select (world.canvas, &id, 1);
  recorded_window_shoot (&world, "inspect-card.png");
  ui_test_walk (find_inspect (&world), find_drag_cb, &drag);
  g_assert_nonnull (drag);
  g_signal_emit_by_name (drag, "prepare", 1.0, 1.0, &content);
  g_assert_nonnull (content);
  g_value_init (&value, GDK_TYPE_TEXTURE);
  g_assert_true (gdk_content_provider_get_value (content, &value, NULL));
  texture = g_value_get_object (&value);
  mask = descry_scene_find (descry_canvas_get_scene (world.canvas), id)->mask;
  g_assert_cmpint (gdk_texture_get_width (texture), ==, mask->x1 - mask->x0);
  g_assert_cmpint (gdk_texture_get_height (texture), ==, mask->y1 - mask->y0);
  {
    gsize stride = (gsize) gdk_texture_get_width (texture) * 4;
    g_autofree guchar *pixels = g_malloc (stride * (gsize) gdk_texture_get_height (texture));

    gdk_texture_download (texture, pixels, stride);
    g_assert_cmpuint (pixels[3], ==, 0); /* the corner is outside of the round thing */
    g_assert_cmpuint (pixels[stride * (gsize) (gdk_texture_get_height (texture) / 2) + stride / 2 / 4 * 4 + 3], ==, 255);
  }
  recorded_window_close (&world);
}

static void
test_compare (void)
{
  const guint three[3] = { 1, 2, 3 };
  GtkWidget *inspect, *label;
  World world;

  world_open (&world, NULL);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.panel", "s", "inspect");
  inspect = find_inspect (&world);
  g_assert_nonnull (inspect);
  descry_canvas_select (world.canvas, three, 2);
  recorded_window_shoot (&world, "inspect-compare.png");
  label = ui_test_find (inspect, GTK_TYPE_LABEL, "2 bowl is to the right");
  g_assert_nonnull (label);
  g_assert_null (ui_test_find (inspect, GTK_TYPE_LABEL, "1 more object is selected"));

  descry_canvas_select (world.canvas, three, 3);
  ui_test_pump (30);
  g_assert_nonnull (ui_test_find (inspect, GTK_TYPE_LABEL, "1 more object is selected"));
  gtk_widget_activate (ui_test_find (inspect, GTK_TYPE_BUTTON, "Ask About These"));
  WAIT_WHILE (descry_chat_get_chips (world.chat)->len < 3); /* the button stays pressed for a moment */
  g_assert_cmpuint (descry_chat_get_chips (world.chat)->len, ==, 3);
  g_assert_nonnull (find (&world, GTK_TYPE_BUTTON, "What are these?"));

  /* One again: its card. */
  descry_canvas_select (world.canvas, three, 1);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.panel", "s", "inspect");
  ui_test_pump (30);
  g_assert_null (ui_test_find (inspect, GTK_TYPE_LABEL, "2 bowl is to the right"));
  g_assert_nonnull (ui_test_find (inspect, GTK_TYPE_BUTTON, "Ask About This"));

  recorded_window_close (&world);
}

static void
test_stages (void)
{
  GtkWidget *button, *stages;
  guint before;
  World world;

  world_open (&world, NULL);
  gtk_widget_activate_action (GTK_WIDGET (world.window), "win.panel", "s", "inspect");
  ui_test_pump (100);
  button = find (&world, GTK_TYPE_LABEL, "Stages and Timing");
  g_assert_nonnull (button);
  button = gtk_widget_get_ancestor (button, GTK_TYPE_MENU_BUTTON);
  gtk_menu_button_popup (GTK_MENU_BUTTON (button));
  ui_test_pump (300);
  stages = ui_test_find (GTK_WIDGET (gtk_menu_button_get_popover (GTK_MENU_BUTTON (button))), DESCRY_TYPE_STAGES, NULL);
  g_assert_nonnull (stages);
  {
    g_autoptr (GdkTexture) texture = ui_test_shoot (stages);

    ui_test_save (texture, "inspect-stages.png");
  }
  g_assert_nonnull (ui_test_find (stages, GTK_TYPE_LABEL, "41 ms"));
  g_assert_nonnull (ui_test_find (stages, GTK_TYPE_LABEL, "1.2 s"));

  before = recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE);
  gtk_widget_activate (ui_test_find (stages, GTK_TYPE_BUTTON, "_Run Again"));
  WAIT_WHILE (recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE) == before || !descry_window_is_idle (world.window));
  g_assert_cmpuint (recorded_engine_count (world.engine, DESCRY_JOB_ANALYZE), ==, before + 1);

  recorded_window_close (&world);
}

/* --------- Thresholds ------------------ */

/* A threshold belongs to its window; the next window begins with the newest. */
static void
test_threshold (void)
{
  g_autoptr (GSettings) settings = g_settings_new (DESCRY_APPLICATION_ID);
  World first, second, third;

  world_open (&first, settings);
  world_open (&second, settings);
  g_object_set (first.canvas, "threshold", 0.3, NULL);
  ui_test_pump (50);
  g_assert_true (g_action_group_get_action_enabled (G_ACTION_GROUP (first.window), "undo"));
  g_assert_false (g_action_group_get_action_enabled (G_ACTION_GROUP (second.window), "undo"));
  g_assert_cmpfloat_with_epsilon (descry_canvas_get_view (second.canvas)->threshold, 0.5, 1e-6);
  world_open (&third, settings);
  g_assert_cmpfloat_with_epsilon (descry_canvas_get_view (third.canvas)->threshold, 0.3, 1e-6);
  g_assert_false (g_action_group_get_action_enabled (G_ACTION_GROUP (third.window), "undo"));
  recorded_window_close (&third);
  recorded_window_close (&second);
  recorded_window_close (&first);
}

int
main (int    argc,
      char **argv)
{
  int status;

  gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();
  application = ui_test_application ();
  folder = g_dir_make_tmp ("descry-inspect-XXXXXX", NULL);
  picture = recorded_window_save (folder, "table.png", table);

  g_test_add_func ("/inspect/suggestions", test_suggestions);
  g_test_add_func ("/inspect/drag", test_drag);
  g_test_add_func ("/inspect/compare", test_compare);
  g_test_add_func ("/inspect/stages", test_stages);
  g_test_add_func ("/inspect/threshold", test_threshold);
  status = g_test_run ();

  g_unlink (picture);
  g_rmdir (folder);
  g_object_unref (application);
  return status;
}
