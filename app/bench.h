/* bench.h - what the parts of `descry bench` share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/engine.h"
#include "compute/lyrics/pipeline.h"

G_BEGIN_DECLS

typedef struct
{
  DescryDevice   *device;
  DescryPipeline *pipeline;
  char           *image; /* the photo that is looked at, or NULL: a drawn one */
  char           *bundle_name;
  char           *device_name;
  char           *language_shape; /* or NULL */
  gboolean        json;
  guint           runs; /* at least 5 */
  double          gemm_ceiling; /* GFLOP/s, f32 */
  double          read_ceiling; /* GB/s */
  char           *processor;
} Bench;

typedef enum { WORK_NONE, WORK_GFLOP, WORK_GB } WorkKind;

typedef struct
{
  const char *stage, *what, *shape;
  const char *unit; /* "ms", "tok/s", "MiB", "GFLOP/s", "GB/s" */
  WorkKind    kind;
  double      work; /* of one run ("ms") or one token ("tok/s") */
  const char *provider;
  gboolean    best; /* a ceiling: the best run counts, not the median */
} BenchLine;

/* Prints and returns the median of @runs (the best of a ceiling), with its rate and the ratio to the ceiling. */
double     bench_report     (Bench *bench, const BenchLine *line, const double *runs, guint n);

/* What computed since @before: "own-cpu", or "onednn + own-cpu" when native kernels ran. (transfer full) */
char    *bench_provider   (Bench *bench, const DescryDeviceStats *before);

gboolean bench_networks   (Bench *bench, const char *only, GError **error);
gboolean bench_language   (Bench *bench, GError **error);
gboolean bench_language_shape (Bench *bench, const char *name, GError **error); /* "13b" and the like, random Q4_0 */
gboolean bench_pipeline   (Bench *bench, const char *only, GError **error);

/* The stored pairs of @folder (NULL: looked for) through the whole engine: share of right answers, beside what a
 * template without a model scores. Photos are analyzed if they are found in @photos, else the stored scenes count. */
gboolean bench_answers    (Bench *bench, const char *folder, const char *photos, GError **error);

/* One job of the engine, waited for. */
DescryScene *bench_analyze (DescryEngine *engine, DescryImage *image, const char *file, GError **error);
DescryTurn  *bench_ask     (DescryEngine *engine, DescryImage *image, DescryScene *scene, const char *question, GArray *chips,
                            const DescryAskOptions *options, GError **error);

/* The child's side of start, pipeline and peak: prints its figures as one JSON line. */
int      bench_child      (const char *what, const char *bundle, const char *device, const char *image);

/* A picture with a few shapes in it, for when there is no photo. */
DescryImage *bench_draw   (guint width, guint height, GError **error);

G_END_DECLS
