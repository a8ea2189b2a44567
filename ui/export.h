/* export.h - scenes in the formats of other programs
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_EXPORT_JSON, /* one line a picture (architecture.md) */
  DESCRY_EXPORT_COCO, /* one document: images, annotations, categories */
  DESCRY_EXPORT_YOLO, /* class, centre and size in fractions; a line an object */
  DESCRY_EXPORT_VOC   /* one annotation element a picture */
} DescryExportFormat;

gboolean descry_export_format (const char *name, DescryExportFormat *format);

/**
 * descry_export:
 * @scenes: (element-type DescryScene)
 *
 * Classes have fixed numbers, whatever is in the pictures: those of descry_export_classes(); names that a person has given
 * follow in the order they come. Between the pictures of several, YOLO has a line "# FILE".
 *
 * Returns: (transfer full): text, ending in a line end
 */
char    *descry_export (DescryExportFormat format, GPtrArray *scenes, float threshold);

/* The names by their numbers: the detectors' 80 first, then the nouns, then their groups. (transfer full) */
GPtrArray *descry_export_classes (void);

/* The label file of one picture; names that @classes lacks are added to it. (transfer full) */
char    *descry_export_yolo (DescryScene *scene, float threshold, GPtrArray *classes);

G_END_DECLS
