/* example.h - one training picture as the connector sees it, and a set of them on disk
 *
 * A picture comes from the composer of synthetic scenes (compute/train/synthetic) or from a folder with
 * annotations (compute/train/annotations.h). The frozen networks run over it once (compute/train/features.h) and
 * what they say is kept with it:
 *
 *   grid   f32 [grid_height * grid_width, channels]   V: the encoder's tokens of the whole picture (7 x 7 x 1280)
 *   rows   f32 [n_objects, row_width]                  D: one an object, in the scene's order, as
 *          compute/lyrics/connector.h lists them, made by the same function (descry_connector_fill_rows), but not
 *          standardised: mean and deviation come from descry_picture_set_statistics()
 *
 * On disk both are halves (f16). A set is two files: PATH, JSON lines (a header, then one picture a line), and
 * PATH.features, appended to, keyed by pixels, boxes and weights: a set made anew computes only what is new.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"
#include "compute/train/scene-text.h"

G_BEGIN_DECLS

typedef struct
{
  DescryBox box; /* pixels of the picture */
  float     score; /* 1 for a box that a person or the composer drew */
  float     rgb[3]; /* mean of the crop, 0..1 */
  char     *noun; /* display noun: "cup" */
  char     *color; /* a colour word, or NULL: not known, or no single colour */
  char     *size; /* "small", "medium", "large": share of the picture */
  char     *side; /* "on the left", "at the top right": descry_place_name() of the box */
  DescryMask *mask; /* NULL but from the composer, before the set is written; not kept on disk */
} DescryPictureObject;

typedef struct
{
  char    *kind; /* "color", "noun", "scene", "position", "caption", and those of scene-text.h; "instruction" from LLaVA-style files */
  char    *question; /* as a person asks it */
  char    *prompt; /* the whole user message, written by the application's prompt writer: what the LLM reads after the soft tokens */
  char    *answer;
  guint   *pointed; /* indices of objects that the question points at (chips), or NULL */
  guint    n_pointed;
  gboolean from_picture; /* neither question nor prompt tells the answer: only the soft tokens can */
} DescryPictureQuestion;

typedef struct
{
  char       *name; /* unique in its set: file name, or "synthetic-SEED-INDEX" */
  DescrySplit split; /* of the pictures it is made of */
  guint       width, height;
  char       *scene; /* "forest", "beach"; NULL: not known */
  GPtrArray  *objects; /* of DescryPictureObject: the order of the D rows */
  GPtrArray  *captions; /* of char * */
  GPtrArray  *questions; /* of DescryPictureQuestion */

  guint       grid_height, grid_width, channels; /* 0 without features */
  float      *grid; /* descry_free() */
  guint       row_width;
  float      *rows; /* descry_free(); NULL without objects */
} DescryPicture;

DescryPicture *descry_picture_new  (const char *name, guint width, guint height);
void           descry_picture_free (DescryPicture *picture);

/* (transfer none): kept in @picture. Box, noun and colour word are copied; size and side follow from the box. */
DescryPictureObject   *descry_picture_add_object   (DescryPicture *picture, DescryBox box, const char *noun, const char *color);
DescryPictureQuestion *descry_picture_add_question (DescryPicture *picture, const char *kind, const char *question, const char *prompt,
                                                    const char *answer, const guint *pointed, guint n_pointed, gboolean from_picture);

/* Puts the @n objects @pointed first, in this order, and the rest behind them, with their rows: what a question about them sees.
 * Questions that were asked about other indices mean what they meant no longer. */
void           descry_picture_point (DescryPicture *picture, const guint *pointed, guint n);

/* The objects as a scene (ids 1, 2, … in order, features and colours from the rows): what prompts and the connector read. */
DescryScene   *descry_picture_scene (DescryPicture *picture);

/* Right answers differ in case and punctuation only. */
gboolean       descry_picture_answer_is (const DescryPictureQuestion *question, const char *answer);

typedef struct _DescryPictureSet DescryPictureSet;

/* Reads PATH; features are read when asked for. Any damage is an error that names file and line. */
DescryPictureSet *descry_picture_set_open  (const char *path, GError **error);
void              descry_picture_set_free  (DescryPictureSet *set);
guint             descry_picture_set_count (DescryPictureSet *set, DescrySplit split);

/* Picture @index of @split with its features. (transfer full) Safe from several threads. */
DescryPicture    *descry_picture_set_get   (DescryPictureSet *set, DescrySplit split, guint index, GError **error);

/* A permutation of 0 … count - 1 of @split that @seed and @epoch alone decide. @order has descry_picture_set_count() places. */
void              descry_picture_set_shuffle (DescryPictureSet *set, DescrySplit split, guint64 seed, guint epoch, guint *order);

guint             descry_picture_set_channels  (DescryPictureSet *set);
guint             descry_picture_set_row_width (DescryPictureSet *set);

/* Mean and deviation (at least 1e-4) of each column over the first @limit pictures of the training split; what
 * connector.{visual,local}_{mean,deviation} are. @visual_* [channels], @local_* [row_width]. */
gboolean          descry_picture_set_statistics (DescryPictureSet *set, guint limit, float *visual_mean, float *visual_deviation,
                                                 float *local_mean, float *local_deviation, GError **error);

/* Writing: pictures with features in any order, then commit, which replaces PATH at once. */
typedef struct _DescryPictureWriter DescryPictureWriter;

DescryPictureWriter *descry_picture_writer_new    (const char *path, guint channels, guint row_width, GError **error);
void                 descry_picture_writer_free   (DescryPictureWriter *writer);

/* Grid and rows that were kept under @key (64 hex digits) at an earlier time are put into @picture: TRUE. */
gboolean             descry_picture_writer_recall (DescryPictureWriter *writer, const char *key, DescryPicture *picture);
gboolean             descry_picture_writer_add    (DescryPictureWriter *writer, const char *key, const DescryPicture *picture, GError **error);
gboolean             descry_picture_writer_commit (DescryPictureWriter *writer, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryPicture, descry_picture_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryPictureSet, descry_picture_set_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryPictureWriter, descry_picture_writer_free)

G_END_DECLS
