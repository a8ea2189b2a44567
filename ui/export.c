/* export.c - scenes in the formats of other programs
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-export"

#include "config.h"

#include "ui/export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/lyrics/json.h"
#include "compute/lyrics/nouns.h"

gboolean
descry_export_format (const char         *name,
                      DescryExportFormat *format)
{
  static const char *names[] = { "json", "coco", "yolo", "voc" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i]) == 0)
      {
        *format = i;
        return TRUE;
      }

  return FALSE;
}

GPtrArray *
descry_export_classes (void)
{
  GPtrArray *classes = g_ptr_array_new_with_free_func (g_free);
  const DescryNouns *nouns = descry_nouns ();
  guint i;

  for (i = 0; i < DESCRY_N_COCO; i++)
    g_ptr_array_add (classes, g_strdup (nouns->coco[i].name));
  for (i = 0; i < nouns->n_nouns; i++)
    g_ptr_array_add (classes, g_strdup (nouns->nouns[i].name));
  for (i = 0; i < nouns->n_groups; i++)
    g_ptr_array_add (classes, g_strdup (nouns->groups[i]));

  return classes;
}

/* The number of a name; one that a person has given is added. */
static guint
class_number (GPtrArray  *classes,
              const char *name)
{
  guint i;

  for (i = 0; i < classes->len; i++)
    if (strcmp (g_ptr_array_index (classes, i), name) == 0)
      return i;

  g_ptr_array_add (classes, g_strdup (name));
  return i;
}

static char *
base_name (DescryScene *scene)
{
  g_autofree char *display = NULL;

  if (scene->file == NULL)
    return g_strdup ("picture");
  display = g_filename_display_name (scene->file);
  return g_path_get_basename (display);
}

static json_t *
make_rounded (double value)
{
  return json_real (round (value * 100.0) / 100.0);
}

static json_t *
make_coco (GPtrArray *scenes,
           float      threshold)
{
  json_t *images = json_array (), *annotations = json_array (), *categories = json_array ();
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  g_autoptr (GPtrArray) classes = descry_export_classes ();
  guint i, j, n = 0;

  for (i = 0; i < scenes->len; i++)
    {
      DescryScene *scene = g_ptr_array_index (scenes, i);
      g_autofree char *file = base_name (scene);

      json_array_append_new (images, json_pack ("{s:i, s:s, s:i, s:i}", "id", (int) i + 1, "file_name", file,
                                                "width", (int) scene->width, "height", (int) scene->height));
      for (j = 0; j < scene->objects->len; j++)
        {
          const DescryObject *object = g_ptr_array_index (scene->objects, j);
          json_t *entry, *box;
          guint class;

          if (object->score < threshold)
            continue;
          class = class_number (classes, object->name);
          entry = json_pack ("{s:i, s:i, s:i, s:i}", "id", (int) ++n, "image_id", (int) i + 1, "category_id", (int) class + 1, "iscrowd", 0);
          box = json_array ();
          json_array_append_new (box, make_rounded (object->box.x0));
          json_array_append_new (box, make_rounded (object->box.y0));
          json_array_append_new (box, make_rounded (object->box.x1 - object->box.x0));
          json_array_append_new (box, make_rounded (object->box.y1 - object->box.y0));
          json_object_set_new (entry, "bbox", box);
          json_object_set_new (entry, "area", object->mask != NULL ? json_integer ((json_int_t) object->mask->area) : make_rounded (descry_box_area (object->box)));
          json_object_set_new (entry, "score", json_real (round (object->score * 1e4) / 1e4));
          if (object->mask != NULL)
            {
              g_autofree char *counts = descry_mask_to_coco (object->mask);

              json_object_set_new (entry, "segmentation", json_pack ("{s:[i,i], s:s}", "size", (int) scene->height, (int) scene->width, "counts", counts));
            }
          json_array_append_new (annotations, entry);

          if (g_hash_table_add (seen, GUINT_TO_POINTER (class)))
            json_array_append_new (categories, json_pack ("{s:i, s:s, s:s}", "id", (int) class + 1, "name", object->name,
                                                          "supercategory", descry_nouns_group (object->name)));
        }
    }

  return json_pack ("{s:o, s:o, s:o}", "images", images, "annotations", annotations, "categories", categories);
}

/* A number of a text format, whatever the user's decimal sign. */
static void
append_number (GString    *text,
               const char *format,
               double      value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (text, g_ascii_formatd (buffer, sizeof buffer, format, value));
}

static void
append_yolo (GString     *text,
             DescryScene *scene,
             float        threshold,
             GPtrArray   *classes)
{
  guint i, j;

  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);
      const double numbers[4] = {
        0.5 * (object->box.x0 + object->box.x1) / scene->width, 0.5 * (object->box.y0 + object->box.y1) / scene->height,
        (object->box.x1 - object->box.x0) / scene->width, (object->box.y1 - object->box.y0) / scene->height
      };

      if (object->score < threshold)
        continue;
      g_string_append_printf (text, "%u", class_number (classes, object->name));
      for (j = 0; j < 4; j++)
        {
          g_string_append_c (text, ' ');
          append_number (text, "%.6f", numbers[j]);
        }
      g_string_append_c (text, '\n');
    }
}

static void
append_voc (GString     *text,
            DescryScene *scene,
            float        threshold)
{
  g_autofree char *file = base_name (scene);
  g_autofree char *escaped = g_markup_escape_text (file, -1);
  guint i;

  g_string_append_printf (text,
                          "<annotation>\n  <filename>%s</filename>\n"
                          "  <size><width>%u</width><height>%u</height><depth>3</depth></size>\n  <segmented>0</segmented>\n",
                          escaped, scene->width, scene->height);
  for (i = 0; i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);
      g_autofree char *name = g_markup_escape_text (object->name, -1);

      if (object->score < threshold)
        continue;
      /* VOC counts pixels from 1. */
      g_string_append_printf (text,
                              "  <object>\n    <name>%s</name>\n    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n    <difficult>0</difficult>\n"
                              "    <bndbox><xmin>%d</xmin><ymin>%d</ymin><xmax>%d</xmax><ymax>%d</ymax></bndbox>\n  </object>\n",
                              name, (int) floorf (object->box.x0) + 1, (int) floorf (object->box.y0) + 1,
                              (int) ceilf (object->box.x1), (int) ceilf (object->box.y1));
    }
  g_string_append (text, "</annotation>\n");
}

char *
descry_export_yolo (DescryScene *scene,
                    float        threshold,
                    GPtrArray   *classes)
{
  GString *text = g_string_new (NULL);

  append_yolo (text, scene, threshold, classes);
  return g_string_free (text, FALSE);
}

char *
descry_export (DescryExportFormat format,
               GPtrArray         *scenes,
               float              threshold)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) classes = format == DESCRY_EXPORT_YOLO ? descry_export_classes () : NULL;
  guint i;

  if (format == DESCRY_EXPORT_COCO)
    {
      g_autoptr (json_t) json = make_coco (scenes, threshold);
      g_autofree char *line = descry_json_line (json);

      g_string_append_printf (text, "%s\n", line);
    }
  for (i = 0; i < scenes->len && format != DESCRY_EXPORT_COCO; i++)
    {
      DescryScene *scene = g_ptr_array_index (scenes, i);

      if (format == DESCRY_EXPORT_JSON)
        {
          g_autoptr (json_t) json = descry_scene_to_json (scene, threshold);
          g_autofree char *line = descry_json_line (json);

          g_string_append_printf (text, "%s\n", line);
        }
      else if (format == DESCRY_EXPORT_VOC)
        append_voc (text, scene, threshold);
      else
        {
          if (scenes->len > 1)
            {
              g_autofree char *file = base_name (scene);

              g_string_append_printf (text, "# %s\n", file);
            }
          append_yolo (text, scene, threshold, classes);
        }
    }

  return g_string_free (g_steal_pointer (&text), FALSE);
}
