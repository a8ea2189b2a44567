/* sampler.c - draws the next token from logits
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-sampler"

#include "config.h"

#include "compute/models/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "compute/memory.h"

typedef struct
{
  double weight; /* exp ((logit - largest) / temperature) */
  gint32 token;
} Candidate;

/* xorshift64*: small, and the same everywhere. */
static double
uniform (guint64 *seed)
{
  guint64 x = *seed != 0 ? *seed : G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *seed = x;

  return (double) ((x * G_GUINT64_CONSTANT (0x2545f4914f6cdd1d)) >> 11) * 0x1p-53;
}

/* Likeliest first; equal ones in the order of their ids, so that every qsort gives the same. */
static int
compare_candidates (gconstpointer a,
                    gconstpointer b)
{
  const Candidate *first = a, *second = b;

  if (first->weight != second->weight)
    return first->weight > second->weight ? -1 : 1;

  return first->token < second->token ? -1 : 1;
}

/* The smallest set of tokens that reaches @top_p of @sum, in place; returns how many, and their sum. */
static guint
keep_likeliest (Candidate *candidates,
                guint      n,
                float      top_p,
                double    *sum)
{
  /* A token below this share cannot be needed: all such tokens together have less than what may be missing. */
  double least = *sum * (1.0 - top_p) / n, reached = 0.0;
  guint kept = 0, i;

  for (i = 0; i < n; i++)
    if (candidates[i].weight >= least)
      candidates[kept++] = candidates[i];
  qsort (candidates, kept, sizeof *candidates, compare_candidates);
  for (i = 0; i < kept && reached < top_p * *sum; i++)
    reached += candidates[i].weight;
  *sum = reached;

  return i;
}

gint32
descry_sample (const float *logits,
               guint        n,
               float        temperature,
               float        top_p,
               guint64     *seed)
{
  Candidate *candidates;
  double top = -INFINITY, sum = 0.0, draw;
  gint32 token = -1;
  guint i;

  g_return_val_if_fail (logits != NULL && n > 0 && temperature > 0.0f && seed != NULL, -1);

  candidates = descry_try_alloc (n, sizeof *candidates);
  if (candidates == NULL)
    return -1;

  for (i = 0; i < n; i++)
    top = fmax (top, logits[i]);
  for (i = 0; i < n; i++)
    {
      candidates[i].token = (gint32) i;
      candidates[i].weight = exp ((logits[i] - top) / temperature);
      sum += candidates[i].weight;
    }
  if (isfinite (sum))
    {
      if (top_p > 0.0f && top_p < 1.0f)
        n = keep_likeliest (candidates, n, top_p, &sum);
      draw = uniform (seed) * sum;
      for (i = 0; i + 1 < n && draw >= candidates[i].weight; i++)
        draw -= candidates[i].weight;
      token = candidates[i].token;
    }
  descry_free (candidates);

  return token;
}
