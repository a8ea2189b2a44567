/* suite.h - one table of everything that the operations can be asked for, and what is done with each line of it
 *
 * A case is an op with one type and one shape. It says how its inputs are made, how it is launched and what comes
 * out by a scalar reference in double; the driver does the rest, the same for all: sentinels, equal bits, NaN and
 * inf, both kernel families, every provider, and times.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <math.h>

#include "compute/ops/conv.h"
#include "compute/ops/gemm.h"
#include "compute/ops/onednn.h"

G_BEGIN_DECLS

#define SUITE_TENSORS 8
#define SUITE_NUMBERS 14

typedef struct _SuiteRun SuiteRun;
typedef void (*SuiteFunc) (SuiteRun *r);

/* What a case wants besides the usual. */
typedef enum
{
  SUITE_PLAIN = 0,
  SUITE_EXACT = 1 << 0, /* equal to the reference in every bit */
  SUITE_ALARM = 1 << 1, /* NaN and inf in the first input come out where the reference has them */
  SUITE_CLBLAST = 1 << 2, /* may be asked of that provider too */
  SUITE_ONEDNN = 1 << 3,
  SUITE_INTEGERS = 1 << 4, /* the device's own choice may take integer instructions: NMSE under 1e-8 */
  SUITE_SPEED = 1 << 5, /* measured by perf */
  SUITE_ONLY_SPEED = 1 << 7, /* and by nothing else: too large for a reference */
  SUITE_FACTORED = 1 << 6 /* scale and minimum are applied to sums: an inf may come out as NaN, never as a number */
} SuiteFlags;

typedef struct
{
  const char *op;
  const char *type; /* of the data or the weight */
  char       *shape; /* for people; owned */
  guint       p[SUITE_NUMBERS]; /* read by the functions below */
  float       f; /* likewise */
  guint       flags;
  double      limit; /* NMSE */
  double      flop; /* of a launch */
  double      bytes; /* that a launch must move at least */
  SuiteFunc   prepare; /* inputs and outputs, weights */
  SuiteFunc   launch;
  SuiteFunc   reference;
} SuiteCase;

/* A tensor with sentinels on both sides of every row, and what the host knows of it. */
typedef struct
{
  DescryTensor tensor; /* the view between the sentinels */
  guint        rows, cols;
  float       *values; /* [rows, cols], as the device has them before a launch */
  gint32      *ids; /* instead, for i32 */
  double      *expected; /* outputs: what must be there afterwards */
  gboolean     output;
  double       limit; /* 0: the case's */
} SuiteTensor;

struct _SuiteRun
{
  const SuiteCase *c;
  DescryRun       *run;
  DescryDevice    *device;
  GRand           *rand;
  guint            left; /* sentinel elements before each row: odd and even offsets take turns */
  SuiteTensor      t[SUITE_TENSORS]; /* in the order in which prepare() made them */
  guint            n;
  DescryWeight    *weight;
  float           *weight_values; /* what the weight's blocks stand for, or a convolution's filters */
  float           *bias_values;
  DescryConv      *conv;
  DescryConv      *joined[3];
  DescryConvTransposed *transposed;
  DescryOnednnMatmul   *matmul;
  GError          *error;
};

/* For prepare(). Random values from the range; @output ones start with random values too, so that a launch that writes
 * nothing is seen. Returns the index in @t. */
guint suite_input  (SuiteRun *r, DescryType type, guint rows, guint cols, float low, float high);
guint suite_ids    (SuiteRun *r, guint n, guint below);
guint suite_output (SuiteRun *r, guint rows, guint cols);
guint suite_output_of (SuiteRun *r, DescryType type, guint rows, guint cols);
guint suite_in_out (SuiteRun *r, guint rows, guint cols, float low, float high); /* its reference reads values */
/* The same memory as pictures [n, h, w, cols]; for launch(). */
DescryTensor suite_pictures (SuiteRun *r, guint index, guint n, guint h, guint w);
/* Without sentinels, one dimension: weights of norms, frequencies. */
guint suite_vector (SuiteRun *r, guint n, float low, float high);

/* A weight of the case's type, its blocks' values in weight_values. */
void  suite_weight (SuiteRun *r, DescryGgmlType type, guint n, guint k);

double suite_activate (double x, guint act);

/* The lines of each family of ops: appended to @cases. */
typedef struct
{
  GPtrArray *cases; /* of SuiteCase */
  gboolean   small; /* for a simulator: a thousandth of the work */
} SuiteTable;

SuiteCase *suite_add (SuiteTable *table, const char *op, const char *type, SuiteFunc prepare, SuiteFunc launch, SuiteFunc reference,
                      const char *format, ...) G_GNUC_PRINTF (7, 8);

void suite_cases_rows      (SuiteTable *table); /* norms, element by element */
void suite_cases_gemm      (SuiteTable *table);
void suite_cases_attention (SuiteTable *table);
void suite_cases_pictures  (SuiteTable *table);
void suite_cases_backward  (SuiteTable *table);
void suite_cases_joined    (SuiteTable *table); /* convolutions in one kernel, parts of masks, drawing */

static inline const float *
suite_values (const SuiteRun *r,
              guint           index)
{
  return r->t[index].values;
}

static inline double *
suite_expected (const SuiteRun *r,
                guint           index)
{
  return r->t[index].expected;
}

static inline DescryTensor
suite_tensor (const SuiteRun *r,
              guint           index)
{
  return r->t[index].tensor;
}

G_END_DECLS
