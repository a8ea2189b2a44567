/* optimiser.h - AdamW over all trained numbers, with clipping, a schedule, and checkpoints
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/train/linear.h"

G_BEGIN_DECLS

typedef struct
{
  float rate; /* the peak */
  float beta1, beta2, eps, decay;
  float clip; /* largest norm of the gradient; 0: no clipping */
  guint warm_up; /* steps of linear rise */
  guint steps; /* in all; cosine down to zero */
} DescrySchedule;

/* Rate of step @step, counted from 1. */
float    descry_schedule_rate (const DescrySchedule *schedule, guint step);

/* One step on the gradients that have added up; they are zero after it. @norm: before clipping. */
gboolean descry_optimiser_step (DescryParameters *parameters, const DescrySchedule *schedule, guint step, double *norm, GError **error);

/* Parameters and moments of @n sets and where the training was, written to a temporary name, synced and renamed; `what`
 * tells whose they are and must be the same at reading. */
typedef struct
{
  guint  step;
  double best; /* held-out loss so far; 0: none yet */
} DescryCheckpoint;

gboolean descry_checkpoint_save (DescryParameters *const *sets, guint n, const DescryCheckpoint *at, const char *what, const char *path, GError **error);
gboolean descry_checkpoint_load (DescryParameters *const *sets, guint n, DescryCheckpoint *at, const char *what, const char *path, GError **error);

G_END_DECLS
