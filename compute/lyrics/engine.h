/* engine.h - the one thread that owns the device, seen from outside
 *
 * An abstract object: the local engine runs networks; the tests' recorded engine replays. All
 * signals and callbacks arrive in the main context of the thread that made the engine. Nothing
 * here waits.
 *
 * Signals; job is the cancellable that the work was asked with, or NULL: several windows share an engine:
 *   "stage"   (const char *stage, double fraction, const char *detail, GCancellable *job): stage is one of
 *             "device", "kernels", "load", "tagger", "detector", "segmenter", "encoder", "connector",
 *             "prompt", "answer", "ready", "failed"; fraction 0..1 or -1 if unknown; detail may be NULL.
 *             It may arrive when the job has been cancelled and another one been asked for
 *   "scene"   (DescryScene *scene, GCancellable *job): a new snapshot of the picture being looked at
 *   "text"    (const char *text, GCancellable *job): a piece of the running answer, whole characters
 *   "changed" (): descry_engine_status() has changed
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/bundle.h"
#include "compute/lyrics/conversation.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean ready; /* device open and bundle read */
  char    *device; /* "PoCL: AMD EPYC", or NULL */
  char    *device_error; /* why there is none, or NULL */
  char    *language_device; /* the language model's own, or NULL: where everything runs */
  char    *language_error; /* why it has not the one that was chosen for it, or NULL */
  char    *bundle;
  char    *models; /* stands for those that make a scene, as they are: another value, perhaps another scene; or NULL */
  struct { gboolean usable; char *title; char *reason; } slots[DESCRY_N_SLOTS];
  gboolean promptable_segmenter; /* FALSE: + and - points are disabled */
  gboolean loaded; /* some network is in memory */
  guint64  device_bytes; /* of the device's memory that are taken now */
  guint64  device_memory; /* all of it; 0: no device */
  guint64  device_buffer; /* the largest piece of it */
} DescryEngineStatus;

DescryEngineStatus *descry_engine_status_copy (const DescryEngineStatus *status);
void                descry_engine_status_free (DescryEngineStatus *status);

typedef struct
{
  guint   max_tokens; /* 0: 256 */
  float   temperature; /* 0: greedy */
  float   top_p; /* with a temperature: tokens come from the likeliest that reach this share; 0: from all */
  guint64 seed;
  float   threshold; /* objects below it are not told to the model */
  gboolean no_connector;
  gboolean no_lora; /* the language model as published; so it is without a picture anyway */
} DescryAskOptions;

#define DESCRY_TYPE_ENGINE (descry_engine_get_type ())
G_DECLARE_DERIVABLE_TYPE (DescryEngine, descry_engine, DESCRY, ENGINE, GObject)

typedef enum { DESCRY_JOB_ANALYZE, DESCRY_JOB_SEGMENT, DESCRY_JOB_MASK, DESCRY_JOB_ASK, DESCRY_JOB_POINTS } DescryJobKind;

/* What a promptable segmenter is shown. */
typedef struct
{
  float    x, y; /* pixels of the picture */
  gboolean outside; /* a - point: not part of the object */
} DescryPoint;

/* What an implementation gets; owned by the task and freed with it, after it has returned: take what is
 * needed later before. Analyze: @scene is empty but for size and file. */
typedef struct
{
  DescryJobKind kind;
  GTask        *task; /* its cancellable stops the work; not always the caller's */
  GCancellable *caller; /* what the work was asked with, or NULL: names the job in the signals */
  DescryImage  *image;
  DescryScene  *scene;
  DescryBox     box;
  guint         object;
  GArray       *points; /* of DescryPoint, or NULL */
  guint         candidate; /* which of the masks that a single point can mean; 0: the best */
  char         *question;
  char         *begun; /* of the answer, said already: it goes on from there; or NULL */
  GArray       *chips;
  GPtrArray    *history; /* of DescryTurn */
  DescryAskOptions options;
} DescryJob;

void descry_job_free (DescryJob *job);

struct _DescryEngineClass
{
  GObjectClass parent_class;

  /* Takes @job. Must return through @job->task exactly once: a DescryScene (analyze, segment, mask, points) or a
   * DescryTurn (ask), with its unref as destroy function. Any thread may return it. */
  void (*start) (DescryEngine *self, DescryJob *job);

  /* See descry_engine_reload(); NULL: there is nothing to reload. */
  void (*reload) (DescryEngine *self, const char *device);

  /* See descry_engine_place_language(); NULL: there is but one place. */
  void (*place_language) (DescryEngine *self, const char *device);

  /* See descry_engine_unload() and descry_engine_set_idle(); NULL: nothing is kept that could go. */
  void (*unload)   (DescryEngine *self);
  void (*set_idle) (DescryEngine *self, guint seconds);
};

/* For implementations; any thread. */
void descry_engine_emit_stage  (DescryEngine *self, GCancellable *job, const char *stage, double fraction, const char *detail);
void descry_engine_emit_scene  (DescryEngine *self, GCancellable *job, DescryScene *scene);
void descry_engine_emit_text   (DescryEngine *self, GCancellable *job, const char *text);
void descry_engine_set_status  (DescryEngine *self, DescryEngineStatus *status); /* takes it */

/* A copy of the newest status. (transfer full) */
DescryEngineStatus *descry_engine_status (DescryEngine *self);

/* The refiner: tags, boxes and names first, proposals and masks later; each step is a "scene" signal;
 * finishes with the complete scene. A new analysis cancels the running one. */
void         descry_engine_analyze_async  (DescryEngine *self, DescryImage *image, const char *file, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
DescryScene *descry_engine_analyze_finish (DescryEngine *self, GAsyncResult *result, GError **error);

/* A new object from a box (drag) or from a crop round a point (click; box with x0 == x1). Jumps the queue. */
void         descry_engine_segment_async  (DescryEngine *self, DescryImage *image, DescryScene *scene, DescryBox box, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
DescryScene *descry_engine_segment_finish (DescryEngine *self, GAsyncResult *result, GError **error);

/* The mask of one object now, before the others. */
void         descry_engine_mask_async     (DescryEngine *self, DescryImage *image, DescryScene *scene, guint object, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
DescryScene *descry_engine_mask_finish    (DescryEngine *self, GAsyncResult *result, GError **error);

/* The mask of one object from + and - points, as a scene in which it is: the object @object of @scene outlined anew, or with 0 a new
 * one. Only where the status says promptable_segmenter; elsewhere %DESCRY_ERROR_MODEL_MISSING at once. @points: at least one. */
void         descry_engine_points_async   (DescryEngine *self, DescryImage *image, DescryScene *scene, guint object, const DescryPoint *points, guint n_points,
                                           guint candidate, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
DescryScene *descry_engine_points_finish  (DescryEngine *self, GAsyncResult *result, GError **error);

/* An answer about @scene (or about nothing, if NULL), after the turns of @history. Streams by "text". */
void         descry_engine_ask_async      (DescryEngine *self, DescryImage *image, DescryScene *scene, GPtrArray *history, const char *question,
                                           const guint *chips, guint n_chips, const DescryAskOptions *options,
                                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
DescryTurn  *descry_engine_ask_finish     (DescryEngine *self, GAsyncResult *result, GError **error);

/* Goes on with an answer that was stopped, after the turns of @history before it; the new turn has all of it. Ends by
 * descry_engine_ask_finish(). */
void         descry_engine_resume_async   (DescryEngine *self, DescryImage *image, DescryScene *scene, GPtrArray *history, DescryTurn *stopped,
                                           const DescryAskOptions *options, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);

/* Closes device and bundle and opens both anew, after the running job and before the next one: the bundle has
 * other files now, or another device was chosen. @device: selector, "" for the library's choice, NULL for the selector so far. */
void         descry_engine_reload         (DescryEngine *self, const char *device);

/* Lets the language model run on a device of its own, from the next job on. @device: selector, "" for the device of
 * everything else. */
void         descry_engine_place_language (DescryEngine *self, const char *device);

/* Frees the networks after the running job; the next job loads what it needs. */
void         descry_engine_unload         (DescryEngine *self);

/* Does so by itself when there was no job for this long; 0, the default: never. */
void         descry_engine_set_idle       (DescryEngine *self, guint seconds);

/* The engine that runs networks, on a thread of its own. Returns at once; opening the device and the bundle is
 * its first job. @device: selector or NULL. */
DescryEngine *descry_local_engine_new (const char *bundle, const char *device);

G_END_DECLS
