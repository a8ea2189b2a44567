/* annotations.c - test: annotation formats, good and bad records; sets of training pictures there and back
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/train/annotations.h"
#include "compute/train/synthetic/composer.h"
#include "compute/train/synthetic/questions.h"
#include "compute/train/synthetic/stock.h"

static void
collect (const char *message,
         gpointer    data)
{
  g_ptr_array_add (data, g_strdup (message));
}

static GPtrArray *
parse (DescryAnnotations   *annotations,
       DescryAnnotationKind kind,
       const char          *text)
{
  g_autoptr (GError) error = NULL;

  descry_annotations_parse (annotations, kind, text, strlen (text), "file.json", &error);
  g_assert_no_error (error);
  return descry_annotations_pictures (annotations);
}

static void
test_coco (void)
{
  /* Annotations before images, as some tools write them; one record of each list is bad. */
  const char *instances = "{\"annotations\":[{\"id\":7,\"image_id\":1,\"category_id\":18,\"bbox\":[-10,20,100,50]},"
                          "{\"id\":8,\"image_id\":1,\"category_id\":99,\"bbox\":[0,0,1,1]},{\"id\":9,\"image_id\":1,\"category_id\":18,\"bbox\":[0,0,9,9],\"iscrowd\":1}],"
                          "\"images\":[{\"id\":1,\"file_name\":\"a.jpg\"},{\"id\":2,\"file_name\":\"../b.jpg\"}],\"categories\":[{\"id\":18,\"name\":\"dog\"}]}";
  const char *captions = "{\"images\":[{\"id\":1,\"file_name\":\"a.jpg\"}],\"annotations\":[{\"id\":1,\"image_id\":1,\"caption\":\"A dog runs. \"}]}";
  const char *references = "[{\"ann_id\":7,\"sentences\":[{\"sent\":\"the running dog\"}]},{\"ann_id\":70,\"sentences\":[]}]";
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (DescryAnnotations) annotations = descry_annotations_new (FALSE, collect, problems);
  g_autoptr (GError) error = NULL;
  GPtrArray *pictures;
  DescryPicture *picture;
  const DescryPictureObject *object;
  const DescryPictureQuestion *question;

  g_assert_true (descry_annotations_parse (annotations, DESCRY_ANNOTATION_COCO, instances, strlen (instances), "instances.json", &error));
  g_assert_true (descry_annotations_parse (annotations, DESCRY_ANNOTATION_COCO, captions, strlen (captions), "captions.json", &error));
  pictures = parse (annotations, DESCRY_ANNOTATION_REFCOCO, references);

  g_assert_cmpuint (problems->len, ==, 3);
  g_assert_cmpstr (g_ptr_array_index (problems, 0), ==, "instances.json: images[1]: file_name is missing or leaves the folder");
  g_assert_cmpstr (g_ptr_array_index (problems, 1), ==, "instances.json: annotations[1]: category_id names no category");
  g_assert_cmpstr (g_ptr_array_index (problems, 2), ==, "file.json: [1]: ann_id names no box of the instances");
  g_assert_cmpuint (pictures->len, ==, 1);
  picture = g_ptr_array_index (pictures, 0);
  descry_annotations_fit (picture, 80, 60);
  g_assert_cmpstr (picture->name, ==, "a.jpg");
  g_assert_true (picture->split == descry_split_of ("a"));
  g_assert_cmpuint (picture->objects->len, ==, 1);
  object = g_ptr_array_index (picture->objects, 0);
  g_assert_cmpstr (object->noun, ==, "dog");
  g_assert_cmpfloat (object->box.x0, ==, 0.0f);
  g_assert_cmpfloat (object->box.x1, ==, 80.0f);
  g_assert_cmpfloat (object->box.y1, ==, 60.0f);
  g_assert_cmpstr (g_ptr_array_index (picture->captions, 0), ==, "A dog runs.");
  question = g_ptr_array_index (picture->questions, 0);
  g_assert_cmpstr (question->question, ==, "Where is the running dog? answer in [x0,y0,x1,y1] format.");
  g_assert_cmpstr (question->answer, ==, "Answer: [0.000,0.333,1.000,1.000] .");
}

static void
test_genome (void)
{
  g_autoptr (DescryAnnotations) annotations = descry_annotations_new (FALSE, NULL, NULL);
  GPtrArray *pictures;
  DescryPicture *picture;

  parse (annotations, DESCRY_ANNOTATION_VISUAL_GENOME, "[{\"image_id\":5,\"url\":\"https://example.org/VG/5.jpg\"}]");
  pictures = parse (annotations, DESCRY_ANNOTATION_VISUAL_GENOME,
                    "[{\"image_id\":5,\"objects\":[{\"names\":[\"tree\"],\"x\":1,\"y\":2,\"w\":30,\"h\":40}]},{\"id\":5,\"regions\":[{\"phrase\":\"a tall tree\"}]},"
                    "{\"id\":5,\"qas\":[{\"question\":\"What is tall?\",\"answer\":\"The tree.\"}]},{\"id\":6,\"objects\":[{\"x\":1}]}]");
  g_assert_cmpuint (pictures->len, ==, 1);
  g_assert_cmpuint (descry_annotations_skipped (annotations), ==, 1);
  picture = g_ptr_array_index (pictures, 0);
  g_assert_cmpstr (picture->name, ==, "5.jpg");
  g_assert_cmpuint (picture->objects->len, ==, 1);
  g_assert_cmpuint (picture->captions->len, ==, 1);
  g_assert_cmpuint (picture->questions->len, ==, 1);
}

static void
test_llava (void)
{
  g_autoptr (DescryAnnotations) annotations = descry_annotations_new (FALSE, NULL, NULL);
  GPtrArray *pictures = parse (annotations, DESCRY_ANNOTATION_LLAVA,
                               "[{\"image\":\"x/a.jpg\",\"conversations\":[{\"from\":\"human\",\"value\":\"<image>\\nWhat is it?\"},{\"from\":\"gpt\",\"value\":\"A dog.\"}]},"
                               "{\"image\":\"/a.jpg\",\"conversations\":[]}, {\"image\":\"b.jpg\",\"conversations\":[{\"from\":\"gpt\",\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"}]}]");
  const DescryPictureQuestion *question;

  g_assert_cmpuint (descry_annotations_skipped (annotations), ==, 2);
  g_assert_cmpuint (pictures->len, ==, 1);
  descry_annotations_fit (g_ptr_array_index (pictures, 0), 100, 100);
  question = g_ptr_array_index (((DescryPicture *) g_ptr_array_index (pictures, 0))->questions, 0);
  g_assert_cmpstr (question->question, ==, "What is it?");
  g_assert_cmpstr (question->answer, ==, "A dog.");
  g_assert_nonnull (strstr (question->prompt, "What is it?"));
}

static void
test_lines (void)
{
  const char *text = "{\"image\":\"a.jpg\",\"scene\":\"field\",\"objects\":[{\"box\":[900,900,950,950],\"name\":\"far\"},{\"box\":[0,0,10,10],\"name\":\"dog\",\"color\":\"brown\"}],"
                     "\"questions\":[{\"question\":\"Far?\",\"answer\":\"Yes.\",\"object\":0},{\"question\":\"What color is it?\",\"answer\":\"It is brown.\",\"object\":1}]}\n"
                     "no json\n\n{\"image\":\"b.jpg\",\"caption\":\"A cat.\"}\n";
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (DescryAnnotations) annotations = descry_annotations_new (FALSE, collect, problems), strict = descry_annotations_new (TRUE, NULL, NULL);
  g_autoptr (GError) error = NULL;
  GPtrArray *pictures = parse (annotations, DESCRY_ANNOTATION_LINES, text);
  DescryPicture *picture;
  const DescryPictureQuestion *question;

  g_assert_cmpuint (problems->len, ==, 1);
  g_assert_true (g_str_has_prefix (g_ptr_array_index (problems, 0), "file.json: line 2: "));
  g_assert_cmpuint (pictures->len, ==, 2);
  picture = g_ptr_array_index (pictures, 0);
  descry_annotations_fit (picture, 640, 480);
  /* The box outside went, with its question; the other question points at what was second. */
  g_assert_cmpuint (picture->objects->len, ==, 1);
  g_assert_cmpuint (picture->questions->len, ==, 1);
  question = g_ptr_array_index (picture->questions, 0);
  g_assert_cmpuint (question->pointed[0], ==, 0);
  g_assert_cmpstr (question->answer, ==, "It is brown.");

  g_assert_false (descry_annotations_parse (strict, DESCRY_ANNOTATION_LINES, text, strlen (text), "file.json", &error));
  g_assert_nonnull (error);
  g_assert_true (g_str_has_prefix (error->message, "file.json: line 2: "));
}

/* Labels go to the detector's boxes that lie on theirs; what was not found takes its questions along. */
static void
test_relabel (void)
{
  const char *text = "{\"image\":\"a.jpg\",\"scene\":\"city\",\"objects\":[{\"box\":[0,0,40,40],\"name\":\"cup\",\"color\":\"red\"},{\"box\":[50,0,90,40],\"name\":\"dog\"},"
                     "{\"box\":[0,50,40,90],\"name\":\"cat\",\"color\":\"black\"}],\"questions\":[{\"question\":\"What color is it?\",\"answer\":\"It is red.\",\"object\":0},"
                     "{\"question\":\"What is it?\",\"answer\":\"A cat.\",\"object\":2},{\"question\":\"Where?\",\"answer\":\"In a city.\"}]}\n{\"image\":\"b.jpg\",\"scene\":\"field\"}\n";
  static const struct { DescryBox box; float score; } boxes[] = { { { 52, 2, 91, 41 }, 0.9f }, { { 2, 1, 41, 42 }, 0.8f }, { { 1, 2, 40, 40 }, 0.7f }, { { 0, 50, 40, 90 }, 0.2f } };
  g_autoptr (DescryAnnotations) annotations = descry_annotations_new (TRUE, NULL, NULL);
  g_autoptr (DescryScene) found = descry_scene_new (100, 100);
  g_autoptr (GArray) labelled = g_array_new (FALSE, FALSE, sizeof (gboolean));
  GPtrArray *pictures = parse (annotations, DESCRY_ANNOTATION_LINES, text);
  static const char *const nouns[] = { "dog", "cup", "thing" };
  DescryPicture *picture;
  guint i;

  g_assert_cmpuint (pictures->len, ==, 2); /* a scene alone is worth a picture */
  picture = g_ptr_array_index (pictures, 0);
  descry_annotations_fit (picture, 100, 100);
  for (i = 0; i < G_N_ELEMENTS (boxes); i++)
    {
      DescryObject *object = g_new0 (DescryObject, 1);

      object->id = i + 1;
      object->name = g_strdup ("thing");
      object->score = boxes[i].score;
      object->box = boxes[i].box;
      g_ptr_array_add (found->objects, object);
    }
  descry_annotations_relabel (picture, found, labelled);

  g_assert_cmpuint (picture->objects->len, ==, 3);
  for (i = 0; i < 3; i++)
    {
      const DescryPictureObject *object = g_ptr_array_index (picture->objects, i);

      g_assert_cmpstr (object->noun, ==, nouns[i]);
      g_assert_cmpstr (object->color, ==, i == 1 ? "red" : NULL);
      g_assert_cmpfloat (object->box.x0, ==, boxes[i].box.x0);
      g_assert_cmpfloat (object->score, ==, boxes[i].score);
      g_assert_cmpint (g_array_index (labelled, gboolean, i), ==, i < 2);
    }
  g_assert_cmpuint (picture->questions->len, ==, 2);
  g_assert_cmpuint (((DescryPictureQuestion *) g_ptr_array_index (picture->questions, 0))->pointed[0], ==, 1);
  g_assert_cmpuint (((DescryPictureQuestion *) g_ptr_array_index (picture->questions, 1))->n_pointed, ==, 0);
  g_assert_nonnull (strstr (((DescryPictureQuestion *) g_ptr_array_index (picture->questions, 1))->prompt, "thing"));
}

/* The hand-written labels of the test photographs: every line is right, colours are words that the connector is taught. */
static void
test_photographs (void)
{
  static const char *const words[] = { "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray", NULL };
  g_autofree char *path = g_build_filename (g_getenv ("DESCRY_TEST_SOURCE"), "tests", "flow", "answers", "labels.jsonl", NULL);
  g_autoptr (DescryAnnotations) annotations = descry_annotations_new (TRUE, NULL, NULL);
  g_autoptr (GError) error = NULL;
  GPtrArray *pictures;
  guint colors = 0, i, k;

  descry_annotations_add (annotations, DESCRY_ANNOTATION_LINES, path, &error);
  g_assert_no_error (error);
  pictures = descry_annotations_pictures (annotations);
  g_assert_cmpuint (pictures->len, ==, 21);
  for (i = 0; i < pictures->len; i++)
    {
      const DescryPicture *picture = g_ptr_array_index (pictures, i);

      for (k = 0; k < picture->objects->len; k++)
        {
          const DescryPictureObject *object = g_ptr_array_index (picture->objects, k);

          g_assert_true (object->color == NULL || g_strv_contains (words, object->color));
          colors += object->color != NULL;
        }
    }
  g_assert_cmpuint (colors, ==, 28);
}

static DescryPicture *
make_picture (guint       number,
              DescrySplit split)
{
  g_autofree char *name = g_strdup_printf ("picture %u", number);
  DescryPicture *picture = descry_picture_new (name, 100, 80);
  guint i;

  picture->split = split;
  picture->scene = g_strdup ("desert");
  descry_picture_add_object (picture, (DescryBox) { 5, 5, 40, 40 }, "cup", "red");
  descry_picture_ask (picture, 1, number);
  picture->grid_height = picture->grid_width = 2;
  picture->channels = 3;
  picture->row_width = 5;
  picture->grid = descry_try_alloc (12, sizeof (float));
  picture->rows = descry_try_alloc (5, sizeof (float));
  for (i = 0; i < 12; i++)
    picture->grid[i] = (float) (number + i) / 4.0f;
  for (i = 0; i < 5; i++)
    picture->rows[i] = (float) number - (float) i / 8.0f;

  return picture;
}

static char *
key_of (guint number)
{
  g_autofree char *text = g_strdup_printf ("%u", number);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

static void
write_set (const char *path,
           guint       n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryPictureWriter) writer = descry_picture_writer_new (path, 3, 5, &error);
  guint i;

  g_assert_no_error (error);
  for (i = 0; i < n; i++)
    {
      g_autoptr (DescryPicture) picture = make_picture (i, i % 4 == 3 ? DESCRY_SPLIT_TEST : DESCRY_SPLIT_TRAIN);
      g_autofree char *key = key_of (i);

      descry_picture_writer_add (writer, key, picture, &error);
      g_assert_no_error (error);
    }
  descry_picture_writer_commit (writer, &error);
  g_assert_no_error (error);
}

static void
test_set (void)
{
  g_autofree char *folder = g_dir_make_tmp ("descry-set-XXXXXX", NULL), *path = g_build_filename (folder, "set.jsonl", NULL), *features = g_strconcat (path, ".features", NULL);
  g_autofree char *bytes = NULL, *key = key_of (2);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryPictureSet) set = NULL;
  g_autoptr (DescryPictureWriter) writer = NULL;
  g_autoptr (DescryPicture) picture = NULL, again = NULL;
  float mean[8], deviation[8];
  guint order[6], other[6], seen = 0, i;
  gsize n = 0;

  write_set (path, 8);
  set = descry_picture_set_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (descry_picture_set_count (set, DESCRY_SPLIT_TRAIN), ==, 6);
  g_assert_cmpuint (descry_picture_set_count (set, DESCRY_SPLIT_TEST), ==, 2);
  picture = descry_picture_set_get (set, DESCRY_SPLIT_TEST, 1, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (picture->name, ==, "picture 7");
  g_assert_cmpfloat (picture->grid[11], ==, 18.0f / 4.0f);
  g_assert_cmpfloat (picture->rows[4], ==, 6.5f);
  g_assert_cmpstr (((DescryPictureObject *) g_ptr_array_index (picture->objects, 0))->color, ==, "red");
  g_assert_cmpuint (picture->questions->len, >, 2);

  descry_picture_set_shuffle (set, DESCRY_SPLIT_TRAIN, 3, 0, order);
  descry_picture_set_shuffle (set, DESCRY_SPLIT_TRAIN, 3, 0, other);
  g_assert_cmpmem (order, sizeof order, other, sizeof other);
  for (i = 0; i < 6; i++)
    seen |= 1u << order[i];
  g_assert_cmpuint (seen, ==, 63);
  g_assert_true (descry_picture_set_statistics (set, 1, mean, deviation, mean + 3, deviation + 3, &error));
  g_assert_cmpfloat_with_epsilon (mean[0], (0 + 3 + 6 + 9) / 16.0f, 1e-5f);

  /* What was killed while writing leaves a torn record: cut off, the rest recalled. */
  g_assert_true (g_file_get_contents (features, &bytes, &n, NULL));
  g_assert_true (g_file_set_contents (features, bytes, (gssize) n - 7, NULL));
  writer = descry_picture_writer_new (path, 3, 5, &error);
  g_assert_no_error (error);
  again = make_picture (2, DESCRY_SPLIT_TRAIN);
  again->grid[0] = -1.0f;
  g_assert_true (descry_picture_writer_recall (writer, key, again));
  g_assert_cmpfloat (again->grid[0], ==, 0.5f);
  g_free (key);
  key = key_of (7);
  g_assert_false (descry_picture_writer_recall (writer, key, again));
  g_clear_pointer (&writer, descry_picture_writer_free);

  /* A changed byte is found. */
  bytes[n - 3] ^= 1;
  g_assert_true (g_file_set_contents (features, bytes, (gssize) n, NULL));
  g_clear_pointer (&picture, descry_picture_free);
  g_clear_pointer (&set, descry_picture_set_free);
  set = descry_picture_set_open (path, &error);
  picture = descry_picture_set_get (set, DESCRY_SPLIT_TEST, 1, &error);
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_assert_null (picture);

  g_unlink (path);
  g_unlink (features);
  g_rmdir (folder);
}

static void
test_colors (void)
{
  static const struct { guint8 rgb[3]; const char *word; } colors[] = {
    { { 205, 30, 35 }, "red" }, { { 240, 130, 20 }, "orange" }, { { 245, 215, 40 }, "yellow" }, { { 40, 155, 50 }, "green" }, { { 35, 85, 205 }, "blue" },
    { { 125, 50, 165 }, "purple" }, { { 245, 125, 180 }, "pink" }, { { 120, 75, 40 }, "brown" }, { { 28, 28, 30 }, "black" }, { { 242, 242, 242 }, "white" }, { { 130, 130, 130 }, "gray" },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (colors); i++)
    g_assert_cmpstr (descry_color_word (colors[i].rgb[0], colors[i].rgb[1], colors[i].rgb[2]), ==, colors[i].word);
}

static DescryCutout *
make_cutout (const char *noun,
             DescrySplit split)
{
  DescryCutout *cutout = g_new0 (DescryCutout, 1);
  guint x, y;

  cutout->name = g_strdup (noun);
  cutout->noun = g_strdup (noun);
  cutout->split = split;
  cutout->width = cutout->height = 40;
  cutout->rgba = descry_try_alloc (40 * 40, 4);
  cutout->color = "red";
  for (y = 0; y < 40; y++)
    for (x = 0; x < 40; x++)
      {
        guint8 *pixel = cutout->rgba + 4 * (40 * y + x);

        pixel[0] = 200;
        pixel[3] = (x - 20) * (x - 20) + (y - 20) * (y - 20) < 400 ? 255 : 0;
      }

  return cutout;
}

/* Same picture for the same number; outlines lie inside the roughened boxes' surroundings; only the split's files. */
static void
test_compose (void)
{
  g_autoptr (DescryStock) stock = g_new0 (DescryStock, 1);
  g_autoptr (GError) error = NULL;
  guint split, i, k, colors = 0;

  for (split = 0; split < 3; split++)
    {
      DescryLandscape *landscape = g_new0 (DescryLandscape, 1);

      stock->cutouts[split] = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_cutout_free);
      g_ptr_array_add (stock->cutouts[split], make_cutout (split == DESCRY_SPLIT_TEST ? "lamp" : "cup", (DescrySplit) split));
      landscape->image = descry_image_new (200, 100, NULL);
      landscape->scene = g_strdup ("desert");
      stock->landscapes[split] = g_ptr_array_new ();
      g_ptr_array_add (stock->landscapes[split], landscape);
    }

  for (i = 0; i < 12; i++)
    {
      g_autoptr (DescryImage) image = NULL, same = NULL;
      DescrySplit which = i % 2 ? DESCRY_SPLIT_TEST : DESCRY_SPLIT_TRAIN;
      g_autoptr (DescryPicture) picture = descry_compose (stock, which, 5, i, &image, &error), twin = descry_compose (stock, which, 5, i, &same, &error);

      g_assert_no_error (error);
      g_assert_cmpmem (image->pixels, 3 * 512 * 384, same->pixels, 3 * 512 * 384);
      g_assert_cmpuint (picture->objects->len, ==, twin->objects->len);
      g_assert_cmpuint (picture->objects->len, >, 0);
      for (k = 0; k < picture->objects->len; k++)
        {
          const DescryPictureObject *object = g_ptr_array_index (picture->objects, k);
          const DescryBox tight = { (float) object->mask->x0, (float) object->mask->y0, (float) object->mask->x1, (float) object->mask->y1 };

          g_assert_cmpstr (object->noun, ==, which == DESCRY_SPLIT_TEST ? "lamp" : "cup");
          g_assert_cmpfloat (descry_box_iou (object->box, tight), >, 0.75);
          g_assert_nonnull (object->color);
        }
      for (k = 0; k < picture->questions->len; k++)
        {
          const DescryPictureQuestion *question = g_ptr_array_index (picture->questions, k);

          if (strcmp (question->kind, "color") != 0)
            continue;
          colors++;
          g_assert_true (question->from_picture);
          g_assert_nonnull (strstr (question->answer, ((DescryPictureObject *) g_ptr_array_index (picture->objects, question->pointed[0]))->color));
          g_assert_null (strstr (question->prompt, ((DescryPictureObject *) g_ptr_array_index (picture->objects, question->pointed[0]))->color));
        }
    }
  g_assert_cmpuint (colors, >=, 12);

  for (split = 0; split < 3; split++)
    {
      DescryLandscape *landscape = g_ptr_array_index (stock->landscapes[split], 0);

      descry_image_unref (landscape->image);
      g_free (landscape->scene);
      g_free (landscape);
    }
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *below = g_build_filename (path, name, NULL);

      remove_tree (below);
    }
  g_remove (path);
}

/* For each split the first file of @table that falls into it, as a plain picture below @folder. */
static void
write_stock (const char *folder,
             const char *table,
             guint       side)
{
  g_autofree char *path = g_build_filename (g_getenv ("DESCRY_TEST_SOURCE"), "resources", "tables", table, NULL), *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint found = 0, i;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  for (i = 1; lines[i] != NULL && found != 7; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], "\t", 3);
      g_autofree char *file = g_build_filename (folder, fields[0], "usr/share", fields[1], NULL), *below = g_path_get_dirname (file), *base = g_path_get_basename (file);
      g_autoptr (DescryImage) image = descry_image_new (side, side, NULL);
      g_autoptr (GError) error = NULL;

      *strrchr (base, '.') = '\0';
      if (found & 1u << descry_split_of (base))
        continue;
      found |= 1u << descry_split_of (base);
      memset (image->pixels, 40 + (int) side, 3 * (gsize) side * side);
      g_assert_cmpint (g_mkdir_with_parents (below, 0700), ==, 0);
      g_assert_true (descry_image_save_png (image, file, &error));
    }
  g_assert_cmpuint (found, ==, 7);
}

/* Drawings are taken when they are asked for; else a picture of a seed is what it was without them. */
static void
test_clip_art (void)
{
  g_autofree char *folder = g_dir_make_tmp ("descry-stock-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryStock) before = NULL, without = NULL, with = NULL;
  guint split, i;

  write_stock (folder, "cut-outs.tsv", 60);
  write_stock (folder, "landscapes.tsv", 120);
  before = descry_stock_load (folder, FALSE, NULL, &error);
  g_assert_no_error (error);
  write_stock (folder, "clip-art.tsv", 40);
  without = descry_stock_load (folder, FALSE, NULL, &error);
  with = descry_stock_load (folder, TRUE, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (with->missing, >, without->missing);

  for (split = 0; split < 3; split++)
    {
      g_assert_cmpuint (before->cutouts[split]->len, ==, 1);
      g_assert_cmpuint (without->cutouts[split]->len, ==, 1);
      g_assert_cmpuint (with->cutouts[split]->len, ==, 2);
      for (i = 0; i < with->cutouts[split]->len; i++)
        {
          const DescryCutout *cutout = g_ptr_array_index (with->cutouts[split], i);

          g_assert_cmpint (cutout->split, ==, descry_split_of (cutout->name));
          g_assert_cmpint (cutout->split, ==, split);
        }
    }
  for (i = 0; i < 4; i++)
    {
      g_autoptr (DescryImage) one = NULL, two = NULL;
      g_autoptr (DescryPicture) first = descry_compose (before, DESCRY_SPLIT_TRAIN, 0, i, &one, &error), second = descry_compose (without, DESCRY_SPLIT_TRAIN, 0, i, &two, &error);

      g_assert_no_error (error);
      g_assert_cmpmem (one->pixels, 3 * 512 * 384, two->pixels, 3 * 512 * 384);
    }
  remove_tree (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/annotations/coco", test_coco);
  g_test_add_func ("/annotations/visual-genome", test_genome);
  g_test_add_func ("/annotations/llava", test_llava);
  g_test_add_func ("/annotations/lines", test_lines);
  g_test_add_func ("/annotations/relabel", test_relabel);
  g_test_add_func ("/annotations/photographs", test_photographs);
  g_test_add_func ("/pictures/set", test_set);
  g_test_add_func ("/pictures/colors", test_colors);
  g_test_add_func ("/pictures/compose", test_compose);
  g_test_add_func ("/pictures/clip-art", test_clip_art);

  return g_test_run ();
}
