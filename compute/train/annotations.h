/* annotations.h - training pictures from a folder and annotations in the usual formats
 *
 *   coco     captions_*.json and instances_*.json, in any order; also RefCOCO's instances.json
 *   refcoco  the list of references ([{image_id, ann_id, sentences: [{sent}]}]) as refs(unc).p, the pickle that is published,
 *            or as JSON; after the instances that it names
 *   vg       Visual Genome: image_data, objects, region_descriptions, question_answers
 *   llava    [{image, conversations: [{from, value}]}]
 *   lines    one JSON object a line: {"image": FILE, "caption" | "captions", "scene", "objects": [{"box": [x0, y0, x1, y1], "name",
 *            "color"}], "questions": [{"question", "answer", "object": INDEX}]}; only "image" is required
 *
 * Files are scanned record by record, so that one of many hundred megabytes takes little more memory than its text. A
 * record that is not what it should be is told with file, list and number, or line, and skipped, or refused.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/example.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_ANNOTATION_COCO,
  DESCRY_ANNOTATION_REFCOCO,
  DESCRY_ANNOTATION_VISUAL_GENOME,
  DESCRY_ANNOTATION_LLAVA,
  DESCRY_ANNOTATION_LINES
} DescryAnnotationKind;

gboolean descry_annotation_kind_parse (const char *name, DescryAnnotationKind *kind);

/* "instances.json: annotations[12]: bbox is missing or not what it should be" */
typedef void (*DescryAnnotationProblem) (const char *message, gpointer data);

typedef struct _DescryAnnotations DescryAnnotations;

/* @refuse: the first bad record is an error, instead of being told to @problem (nullable) and skipped. */
DescryAnnotations *descry_annotations_new   (gboolean refuse, DescryAnnotationProblem problem, gpointer data);
void               descry_annotations_free  (DescryAnnotations *annotations);
gboolean           descry_annotations_add   (DescryAnnotations *annotations, DescryAnnotationKind kind, const char *path, GError **error);
gboolean           descry_annotations_parse (DescryAnnotations *annotations, DescryAnnotationKind kind, const char *text, gsize length,
                                             const char *path, GError **error);

/* Pictures with a scene or at least one caption, object or question; name: the file below the folder. Their size is 1 x 1 until
 * descry_annotations_fit(). (transfer none) */
GPtrArray         *descry_annotations_pictures (DescryAnnotations *annotations);
guint              descry_annotations_skipped  (DescryAnnotations *annotations); /* bad records */

/* The kind of a question for a box; its answer, in the numbers of Shikra's format (spec/lyrics.md 3.3), is written by
 * descry_annotations_fit(). */
#define DESCRY_ANNOTATION_REFER "refer"

/* The picture is @width x @height: boxes are cut to it, those outside go, with questions that point at them; words for
 * size and place, prompts and the split (by base name) follow. */
void               descry_annotations_fit (DescryPicture *picture, guint width, guint height);

/* Replaces the objects by those of @found (score >= 0.5), a detector's scene of the picture. Each takes noun and colour of the
 * annotated object that it lies on (IoU >= 0.5, each annotated one once); questions follow, those about what was not found
 * go, and prompts are written anew. @labelled (nullable): a gboolean for each object: had it an annotated one? */
void               descry_annotations_relabel (DescryPicture *picture, const DescryScene *found, GArray *labelled);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryAnnotations, descry_annotations_free)

G_END_DECLS
