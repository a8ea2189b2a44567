/* recorded-window.c - a window with a recorded engine that has a picture open, and the picture
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"

RecordedEngine *
recorded_window_engine (RecordedPicture picture,
                        const char     *answer)
{
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = recorded_picture_new (picture.width, picture.height, picture.n_objects, &scene);

  return recorded_engine_new (scene, answer);
}

void
recorded_window_show (RecordedWindow *world,
                      GtkApplication *application,
                      GSettings      *settings,
                      RecordedPicture picture)
{
  world->engine = recorded_window_engine (picture, "There is a cup.");
  recorded_engine_set_pace (world->engine, 1);
  world->window = DESCRY_WINDOW (descry_window_new (application, DESCRY_ENGINE (world->engine), settings));
  world->canvas = descry_window_get_canvas (world->window);
  world->chat = descry_window_get_chat (world->window);
  gtk_window_present (GTK_WINDOW (world->window));
  ui_test_pump (30);
}

void
recorded_window_open (RecordedWindow *world,
                      const char     *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);

  descry_window_open (world->window, file);
  WAIT_WHILE (!descry_window_is_idle (world->window));
  ui_test_pump (60);
}

void
recorded_window_close (RecordedWindow *world)
{
  gpointer alive = world->window;

  g_object_add_weak_pointer (G_OBJECT (world->window), &alive);
  gtk_window_destroy (GTK_WINDOW (world->window));
  WAIT_WHILE (alive != NULL);
  g_object_run_dispose (G_OBJECT (world->engine));
  g_clear_object (&world->engine);
}

void
recorded_window_shoot (RecordedWindow *world,
                       const char     *name)
{
  ui_test_look (GTK_WIDGET (world->window), name);
}

char *
recorded_window_save (const char     *folder,
                      const char     *name,
                      RecordedPicture picture)
{
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = recorded_picture_new (picture.width, picture.height, picture.n_objects, &scene);
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (descry_image_save_png (image, path, NULL));
  return path;
}
