/* export.c - numbers of classes, their list beside YOLO's label files, names that a person has given
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <gio/gio.h>

#include "compute/lyrics/json.h"
#include "tests/unit/scratch.h"
#include "tests/unit/test-scene.h"
#include "ui/export-yolo.h"
#include "ui/export.h"

static char *
read_file (const char *path)
{
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

static DescryScene *
scene_named (void)
{
  DescryScene *scene = scene_table ();

  scene_add (scene, "sugar bowl of aunt Ida", NULL, 30, 30);
  scene_add (scene, "Grandpa's \"mug\": 1", NULL, 40, 40);
  scene->file = g_strdup ("table.png");
  return scene;
}

/* The first that a name has is its number. */
static guint
find (GPtrArray  *classes,
      const char *name)
{
  guint i;

  for (i = 0; i < classes->len; i++)
    if (g_str_equal (g_ptr_array_index (classes, i), name))
      return i;
  g_error ("no class “%s”", name);
}

/* Each line of the labels, by way of the list beside it, names its object. */
static void
check_labels (DescryScene *scene,
              const char  *labels_path,
              const char  *list_path)
{
  g_autofree char *labels = read_file (labels_path), *list = read_file (list_path);
  g_auto (GStrv) lines = g_strsplit (labels, "\n", -1), names = g_strsplit (list, "\n", -1);
  guint i, n = 0;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);
      guint64 class = 0;

      if (object->score < DESCRY_SCENE_THRESHOLD)
        continue;
      class = g_ascii_strtoull (lines[n++], NULL, 10);
      g_assert_cmpuint (class, <, g_strv_length (names) - 1);
      g_assert_cmpstr (names[class], ==, object->name);
    }
  g_assert_cmpstr (lines[n], ==, "");
}

static void
test_classes (void)
{
  g_autoptr (GPtrArray) classes = descry_export_classes ();

  g_assert_cmpuint (classes->len, >, 80);
  g_assert_cmpstr (g_ptr_array_index (classes, 0), ==, "person");
  g_assert_cmpuint (find (classes, "cup"), ==, 41); /* of the 80 */
}

static void
test_yolo (void)
{
  g_autoptr (DescryScene) scene = scene_named ();
  g_autoptr (DescryScene) other = scene_table ();
  g_autoptr (GPtrArray) classes = descry_export_classes ();
  g_autofree char *labels = scratch_path ("table.txt"), *second = scratch_path ("second.txt");
  g_autofree char *list = scratch_path ("classes.txt"), *data = scratch_path ("data.yaml");
  g_autofree char *first_list = NULL, *yaml = NULL, *expected = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (descry_yolo_write (scene, DESCRY_SCENE_THRESHOLD, labels, &error));
  g_assert_no_error (error);
  check_labels (scene, labels, list);
  first_list = read_file (list);
  yaml = read_file (data);
  expected = g_strdup_printf ("\n  41: \"cup\"\n");
  g_assert_nonnull (strstr (yaml, expected));
  g_free (expected);
  expected = g_strdup_printf ("nc: %u\n", classes->len + 2);
  g_assert_nonnull (strstr (yaml, expected));
  g_assert_nonnull (strstr (yaml, ": \"Grandpa's \\\"mug\\\": 1\"\n"));

  /* Another picture with another name beside it: the list grows at its end, the first labels keep their meaning. */
  scene_add (other, "harp", NULL, 70, 70);
  scene_add (other, "a thing called Bob", NULL, 72, 72);
  g_assert_true (descry_yolo_write (other, DESCRY_SCENE_THRESHOLD, second, &error));
  g_assert_no_error (error);
  check_labels (scene, labels, list);
  check_labels (other, second, list);
  {
    g_autofree char *longer = read_file (list);

    g_assert_true (g_str_has_prefix (longer, first_list));
  }
  g_assert_cmpuint (scratch_count (), ==, 4);
}

/* Somebody's own list and description of a data set are worked with, not written over. */
static void
test_foreign (void)
{
  g_autoptr (DescryScene) scene = scene_named ();
  g_autofree char *labels = scratch_path ("table.txt"), *list = scratch_path ("classes.txt"), *data = scratch_path ("data.yaml");
  g_autofree char *after = NULL, *kept = NULL, *unwritten = scratch_path ("unwritten.txt");
  g_autoptr (GError) error = NULL;

  scratch_write (list, "lamp\r\n\ncup\n", 11);
  scratch_write (data, "train: images\nnames: [lamp, x, cup]\n", 36);
  g_assert_true (descry_yolo_write (scene, DESCRY_SCENE_THRESHOLD, labels, &error));
  g_assert_no_error (error);
  check_labels (scene, labels, list);
  after = read_file (list);
  g_assert_true (g_str_has_prefix (after, "lamp\n\ncup\ndog\n"));
  kept = read_file (data);
  g_assert_cmpstr (kept, ==, "train: images\nnames: [lamp, x, cup]\n");

  /* What cannot be understood is not replaced. */
  scratch_write (list, "cup\n\xff\xfe\n", 7);
  g_assert_false (descry_yolo_write (scene, DESCRY_SCENE_THRESHOLD, unwritten, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_false (g_file_test (unwritten, G_FILE_TEST_EXISTS));
  g_clear_error (&error);
  g_unlink (list);
  g_assert_false (descry_yolo_write (scene, DESCRY_SCENE_THRESHOLD, list, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_false (g_file_test (list, G_FILE_TEST_EXISTS));
}

/* Two given names are two categories. */
static void
test_coco (void)
{
  g_autoptr (DescryScene) scene = scene_named ();
  g_autoptr (GPtrArray) scenes = g_ptr_array_new ();
  g_autofree char *text = NULL;
  g_autoptr (json_t) json = NULL;
  json_t *annotation, *category;
  gsize i, j;

  g_ptr_array_add (scenes, scene);
  text = descry_export (DESCRY_EXPORT_COCO, scenes, DESCRY_SCENE_THRESHOLD);
  json = json_loads (text, 0, NULL);
  g_assert_nonnull (json);
  g_assert_cmpuint (json_array_size (json_object_get (json, "annotations")), ==, 7);
  json_array_foreach (json_object_get (json, "annotations"), i, annotation)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i < 5 ? i : i + 1); /* the sixth is below the threshold */
      guint n = 0;

      json_array_foreach (json_object_get (json, "categories"), j, category)
        if (json_integer_value (json_object_get (category, "id")) == json_integer_value (json_object_get (annotation, "category_id")))
          {
            g_assert_cmpstr (json_string_value (json_object_get (category, "name")), ==, object->name);
            n++;
          }
      g_assert_cmpuint (n, ==, 1);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/export/classes", test_classes);
  g_test_add_func ("/export/yolo", test_yolo);
  g_test_add_func ("/export/foreign", test_foreign);
  g_test_add_func ("/export/coco", test_coco);
  return scratch_run ();
}
