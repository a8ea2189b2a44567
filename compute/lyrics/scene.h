/* scene.h - what the refiner found in one picture
 *
 * Plain data, immutable once published, counted: the engine makes a new snapshot for each
 * change and the window only reads. No OpenCL, no GTK.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <jansson.h>

#include "compute/image/image.h"
#include "compute/image/mask.h"

G_BEGIN_DECLS

typedef struct
{
  float x0, y0, x1, y1; /* left, top, right, bottom; pixels of the upright picture */
} DescryBox;

double descry_box_area (DescryBox box);
double descry_box_iou  (DescryBox a, DescryBox b);

typedef struct
{
  char *name;
  float score; /* 0..1 */
} DescryTag;

typedef enum
{
  DESCRY_SOURCE_DETECTOR,
  DESCRY_SOURCE_PROPOSAL, /* a component of the whole-picture mask */
  DESCRY_SOURCE_CLICK,
  DESCRY_SOURCE_DRAG
} DescrySource;

const char *descry_source_name (DescrySource source); /* "detector" …, as in the JSON */

typedef struct
{
  guint        id; /* 1.., kept over snapshots */
  char        *name; /* an everyday noun */
  char        *finer; /* the classifier's finer name, or NULL */
  float        score; /* 0..1 */
  DescryBox    box;
  DescrySource source;
  DescryMask  *mask; /* NULL until the segmenter has run */
  float       *feature; /* pooled features of its crops, or NULL */
  guint        n_feature;
  float        color[3]; /* mean RGB of the crop, 0..1 */
} DescryObject;

DescryObject *descry_object_copy (const DescryObject *object);
void          descry_object_free (DescryObject *object);

typedef struct
{
  char  *stage; /* "decode", "tagger", "detector", "segmenter", … */
  double ms;
} DescryTiming;

typedef struct
{
  gatomicrefcount refs;
  char      *file; /* as given, or NULL */
  guint      width;
  guint      height;
  char      *bundle;
  GPtrArray *tags; /* of DescryTag, best first */
  GPtrArray *objects; /* of DescryObject, best first; all that were kept, whatever their score */
  GPtrArray *timing; /* of DescryTiming */
} DescryScene;

#define DESCRY_SCENE_THRESHOLD 0.5f /* objects below are kept but not shown or told */

DescryScene  *descry_scene_new    (guint width, guint height);
DescryScene  *descry_scene_copy   (DescryScene *scene); /* deep; to be changed before it is published */
DescryScene  *descry_scene_ref    (DescryScene *scene);
void          descry_scene_unref  (DescryScene *scene);
void          descry_scene_add_tag (DescryScene *scene, const char *name, float score); /* only before publishing */
void          descry_scene_set_timing (DescryScene *scene, const char *stage, double ms);
DescryObject *descry_scene_find   (DescryScene *scene, guint id); /* NULL if absent */

/* The object under a point: mask bit first, then box; the smallest area wins. Only objects with
 * score >= @threshold. NULL if there is none. */
DescryObject *descry_scene_hit    (DescryScene *scene, double x, double y, float threshold);

/* The stable JSON of `analyze --json` (architecture.md), and back. */
json_t       *descry_scene_to_json   (DescryScene *scene, float threshold);
DescryScene  *descry_scene_from_json (json_t *json, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryScene, descry_scene_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryObject, descry_object_free)

G_END_DECLS
