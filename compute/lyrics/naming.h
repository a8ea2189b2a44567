/* naming.h - from the classifier's probabilities to a name and a score
 *
 * Pure host arithmetic, with the constants of models/compact.md 7.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/detections.h"

G_BEGIN_DECLS

/* q[noun] of @p [1000]: sums over the classes of each noun; @q [DESCRY_N_CLASSES]. */
void descry_naming_sum_nouns (const float *p, float *q);

typedef struct
{
  const char *name; /* a noun or a group */
  float       score;
  gboolean    scene;
  guint       noun; /* the best noun, whatever the name */
  guint       class; /* the best class */
} DescryName;

/* The best noun of @p [1000], or the group of nouns that is surer. */
DescryName descry_naming_best_noun (const float *p);

/* What the detectors and the classifier together call a box. */
DescryName descry_naming_of_box (const DescryCandidate *candidate, const float *p);

/* The finer name of @name's class, or NULL when it says nothing more or something else. */
const char *descry_naming_finer (const DescryName *name);

/* Both softmaxes of logits [2, 1000], averaged into @p [1000]. */
void descry_naming_probabilities (const float *logits, guint n, float *p);

G_END_DECLS
