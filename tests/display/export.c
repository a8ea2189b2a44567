/* export.c - edits and exports in the real window
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <cairo.h>
#include <glib/gstdio.h>
#include <jansson.h>

#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"

static AdwApplication *application;
static char *folder, *picture;

static const RecordedPicture table = { 320, 240, 6 };

typedef RecordedWindow World;

static void
world_open (World *world)
{
  recorded_window_show (world, GTK_APPLICATION (application), NULL, table);
  recorded_window_open (world, picture);
}

static void
act (World      *world,
     const char *action)
{
  g_assert_true (gtk_widget_activate_action (GTK_WIDGET (world->window), action, NULL));
  ui_test_pump (30);
}

static void
select_one (World *world,
            guint  id)
{
  descry_canvas_select (world->canvas, &id, 1);
}

static DescryObject *
shown (World *world,
       guint  id)
{
  return descry_scene_find (descry_canvas_get_scene (world->canvas), id);
}

static gboolean
is_hidden (World *world,
           guint  id)
{
  GHashTable *hidden = descry_canvas_get_view (world->canvas)->hidden;

  return hidden != NULL && g_hash_table_contains (hidden, GUINT_TO_POINTER (id));
}

/* --------- Edits ------------------ */

static void
rename_selected (World      *world,
                 const char *name)
{
  GListModel *windows = gtk_window_get_toplevels ();
  guint i;

  act (world, "win.rename");
  for (i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWindow) dialog = g_list_model_get_item (windows, i);

      if (!ADW_IS_MESSAGE_DIALOG (dialog))
        continue;
      gtk_editable_set_text (GTK_EDITABLE (adw_message_dialog_get_extra_child (ADW_MESSAGE_DIALOG (dialog))), name);
      adw_message_dialog_response (ADW_MESSAGE_DIALOG (dialog), "rename");
      gtk_window_destroy (dialog);
      ui_test_pump (60);
      return;
    }
  g_error ("no dialog");
}

static void
test_edits (void)
{
  World world;
  GtkWidget *undo;

  world_open (&world);

  select_one (&world, 1);
  rename_selected (&world, "  tea\tcup ");
  g_assert_cmpstr (shown (&world, 1)->name, ==, "tea cup");
  select_one (&world, 2);
  act (&world, "win.hide");
  g_assert_true (is_hidden (&world, 2));
  select_one (&world, 3);
  act (&world, "win.delete");
  g_assert_null (shown (&world, 3));
  select_one (&world, 4);
  act (&world, "win.solo");
  g_assert_cmpuint (descry_canvas_get_view (world.canvas)->solo, ==, 4);

  /* Back by the menu's action, and by the button. */
  act (&world, "win.undo");
  g_assert_cmpuint (descry_canvas_get_view (world.canvas)->solo, ==, 0);
  undo = ui_test_find (GTK_WIDGET (world.window), GTK_TYPE_BUTTON, "Undo");
  g_assert_nonnull (undo);
  gtk_widget_activate (undo);
  WAIT_WHILE (shown (&world, 3) == NULL); /* the button stays pressed for a moment */
  act (&world, "win.undo");
  g_assert_false (is_hidden (&world, 2));
  act (&world, "win.undo");
  g_assert_cmpstr (shown (&world, 1)->name, ==, "cup");
  g_assert_false (g_action_group_get_action_enabled (G_ACTION_GROUP (world.window), "undo"));

  act (&world, "win.redo");
  g_assert_cmpstr (shown (&world, 1)->name, ==, "tea cup");
  act (&world, "win.redo");
  act (&world, "win.redo");
  g_assert_null (shown (&world, 3));

  recorded_window_close (&world);
}

/* What is hidden is not told, but for what the question points at. */
static void
test_told (void)
{
  DescryChat *chat;
  World world;

  world_open (&world);
  chat = descry_window_get_chat (world.window);
  select_one (&world, 2);
  act (&world, "win.hide");
  g_signal_emit_by_name (chat, "ask", "What is there?");
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_assert_null (strstr (recorded_engine_told (world.engine), " 2 "));
  g_assert_nonnull (strstr (recorded_engine_told (world.engine), " 3 "));
  descry_chat_add_chip (chat, 2);
  g_signal_emit_by_name (chat, "ask", "What is this?");
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_assert_nonnull (strstr (recorded_engine_told (world.engine), " 2 "));
  recorded_window_close (&world);
}

/* --------- Exports ------------------ */

static char *
export (World      *world,
        const char *format,
        gsize      *size)
{
  g_autofree char *path = g_build_filename (folder, format, NULL);
  char *bytes = NULL;

  g_assert_true (descry_window_export (world->window, format, path));
  WAIT_WHILE (!descry_window_is_idle (world->window));
  g_assert_true (g_file_get_contents (path, &bytes, size, NULL));
  g_unlink (path);

  return bytes;
}

static void
check_coco (World      *world,
            const char *text)
{
  json_t *coco = json_loads (text, 0, NULL), *list = json_object_get (coco, "annotations"), *one;
  gsize i;
  guint n = 0;

  g_assert_nonnull (coco);
  for (i = 0; i < json_array_size (list); i++)
    {
      json_t *mask, *area;
      const DescryObject *object = NULL;
      g_autoptr (DescryMask) back = NULL;
      guint k;

      one = json_array_get (list, i);
      mask = json_object_get (json_object_get (one, "segmentation"), "counts");
      area = json_object_get (one, "area");
      g_assert_true (json_is_string (mask));
      back = descry_mask_from_coco (320, 240, json_string_value (mask), NULL);
      g_assert_nonnull (back);
      g_assert_cmpfloat (json_number_value (area), ==, (double) back->area);
      /* It is the mask of one of the objects, bit for bit. */
      for (k = 0; k < descry_canvas_get_scene (world->canvas)->objects->len && object == NULL; k++)
        {
          object = g_ptr_array_index (descry_canvas_get_scene (world->canvas)->objects, k);
          if (object->mask == NULL || descry_mask_iou (object->mask, back) != 1.0)
            object = NULL;
        }
      g_assert_nonnull (object);
      g_assert_cmpuint (object->id, !=, 2); /* hidden */
      n++;
    }
  g_assert_cmpuint (n, ==, 4); /* of six one is hidden and one is below the threshold */
  json_decref (coco);
}

/* A file that is there. */
static void
remove_beside (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
test_exports (void)
{
  g_autofree char *png = NULL, *svg = NULL, *pdf = NULL, *json = NULL, *coco = NULL, *yolo = NULL, *voc = NULL;
  g_auto (GStrv) lines = NULL;
  gsize size;
  World world;

  world_open (&world);
  select_one (&world, 2);
  act (&world, "win.hide");

  png = export (&world, "png", &size);
  g_assert_cmpmem (png, 8, "\x89PNG\r\n\x1a\n", 8);
  svg = export (&world, "svg", &size);
  g_assert_nonnull (strstr (svg, "<svg"));
  pdf = export (&world, "pdf", &size);
  g_assert_cmpmem (pdf, 5, "%PDF-", 5);
  json = export (&world, "json", &size);
  g_assert_nonnull (strstr (json, "\"book\""));
  g_assert_nonnull (strstr (json, "\"id\":3"));
  g_assert_null (strstr (json, "\"id\":2"));
  coco = export (&world, "coco", &size);
  check_coco (&world, coco);
  yolo = export (&world, "yolo", &size);
  lines = g_strsplit (yolo, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 5);
  remove_beside ("classes.txt");
  remove_beside ("data.yaml");
  voc = export (&world, "voc", &size);
  g_assert_nonnull (strstr (voc, "<annotation>"));
  g_assert_false (descry_window_export (world.window, "tiff", "x"));

  recorded_window_close (&world);
}

/* An object alone: its pixels inside the mask, nothing outside. */
static void
test_cut_out (void)
{
  g_autofree char *path = g_build_filename (folder, "cut.png", NULL);
  cairo_surface_t *surface;
  DescryMask *mask;
  World world;
  guint x, y, right = 0;

  world_open (&world);
  g_assert_true (descry_window_cut_out (world.window, 1, path));
  WAIT_WHILE (!descry_window_is_idle (world.window));
  mask = shown (&world, 1)->mask;
  surface = cairo_image_surface_create_from_png (path);
  g_assert_cmpint (cairo_image_surface_get_width (surface), ==, mask->x1 - mask->x0);
  g_assert_cmpint (cairo_image_surface_get_height (surface), ==, mask->y1 - mask->y0);
  for (y = mask->y0; y < mask->y1; y++)
    for (x = mask->x0; x < mask->x1; x++)
      {
        const guint8 *at = cairo_image_surface_get_data (surface) + (y - mask->y0) * (gsize) cairo_image_surface_get_stride (surface) + 4 * (x - mask->x0);

        right += (at[3] == 255) == descry_mask_hit (mask, x, y);
      }
  g_assert_cmpuint (right, ==, (mask->x1 - mask->x0) * (mask->y1 - mask->y0));
  cairo_surface_destroy (surface);
  g_unlink (path);

  /* Into the clipboard, as the picture with everything. */
  g_assert_true (descry_window_cut_out (world.window, 1, NULL));
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_assert_true (gdk_content_formats_contain_gtype (gdk_clipboard_get_formats (gtk_widget_get_clipboard (GTK_WIDGET (world.window))), GDK_TYPE_TEXTURE));
  g_assert_false (descry_window_cut_out (world.window, 99, NULL));

  recorded_window_close (&world);
}

/* What stood there stays when the new file cannot be written. */
static void
test_unwritable (void)
{
  g_autofree char *path = g_build_filename (picture, "below-a-file.png", NULL), *target = g_build_filename (folder, "a-folder", NULL);
  World world;

  world_open (&world);
  g_assert_true (descry_window_export (world.window, "png", path));
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_mkdir (target, 0700);
  g_assert_true (descry_window_export (world.window, "svg", target));
  WAIT_WHILE (!descry_window_is_idle (world.window));
  g_assert_true (g_file_test (target, G_FILE_TEST_IS_DIR));
  g_rmdir (target);
  recorded_window_close (&world);
}

int
main (int    argc,
      char **argv)
{
  int status;

  gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();
  application = ui_test_application ();
  folder = g_dir_make_tmp ("descry-export-XXXXXX", NULL);
  picture = recorded_window_save (folder, "table.png", table);

  g_test_add_func ("/export/edits", test_edits);
  g_test_add_func ("/export/told", test_told);
  g_test_add_func ("/export/formats", test_exports);
  g_test_add_func ("/export/cut-out", test_cut_out);
  g_test_add_func ("/export/unwritable", test_unwritable);
  status = g_test_run ();

  g_unlink (picture);
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* no ".part" was left */
  g_object_unref (application);
  return status;
}
