/* naming.c - from the classifier's probabilities to a name and a score
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-naming"

#include "config.h"

#include "compute/lyrics/naming.h"

#include <math.h>
#include <string.h>

/* models/compact.md 7, chosen there on 94 pictures. */
#define SURE_NOUN      0.5f  /* below it a group may be the name */
#define GROUPS_TRIED   3
#define SURE_GROUP     0.5f
#define NOUN_OF_GROUP  0.6f  /* a noun that holds this part of its group stays */
#define CONFIRMED      0.15f /* the classifier agrees with the detector */
#define RENAME         0.4f
#define RENAME_UNKNOWN 0.6f  /* what the classifier cannot confirm needs more */
#define UNCONFIRMED    0.6f  /* factor on the score of a name that it could have confirmed */

void
descry_naming_probabilities (const float *logits,
                             guint        n,
                             float       *p)
{
  guint row, i;

  memset (p, 0, DESCRY_N_CLASSES * sizeof (float));
  for (row = 0; row < n; row++)
    {
      const float *x = logits + (gsize) row * DESCRY_N_CLASSES;
      float max = x[0];
      double sum = 0.0;

      for (i = 1; i < DESCRY_N_CLASSES; i++)
        max = MAX (max, x[i]);
      for (i = 0; i < DESCRY_N_CLASSES; i++)
        sum += exp ((double) x[i] - max);
      for (i = 0; i < DESCRY_N_CLASSES; i++)
        p[i] += (float) (exp ((double) x[i] - max) / sum / n);
    }
}

void
descry_naming_sum_nouns (const float *p,
                         float       *q)
{
  const DescryNouns *nouns = descry_nouns ();
  guint i;

  memset (q, 0, DESCRY_N_CLASSES * sizeof (float));
  for (i = 0; i < DESCRY_N_CLASSES; i++)
    q[nouns->noun_of[i]] += p[i];
}

static guint
find_best (const float *values,
           guint        n)
{
  guint best = 0, i;

  for (i = 1; i < n; i++)
    if (values[i] > values[best])
      best = i;

  return best;
}

/* TRUE if more of the group's probability lies in places than in things. */
static gboolean
group_is_scene (const float *q,
                guint        group)
{
  const DescryNouns *nouns = descry_nouns ();
  float scene = 0.0f, thing = 0.0f;
  guint i;

  for (i = 0; i < nouns->n_nouns; i++)
    if (nouns->nouns[i].group == group)
      *(nouns->nouns[i].scene ? &scene : &thing) += q[i];

  return scene > thing;
}

DescryName
descry_naming_best_noun (const float *p)
{
  const DescryNouns *nouns = descry_nouns ();
  float q[DESCRY_N_CLASSES], groups[DESCRY_N_CLASSES] = { 0 };
  DescryName name;
  guint i;

  descry_naming_sum_nouns (p, q);
  name.class = find_best (p, DESCRY_N_CLASSES);
  name.noun = find_best (q, nouns->n_nouns);
  name.name = nouns->nouns[name.noun].name;
  name.scene = nouns->nouns[name.noun].scene;
  name.score = q[name.noun];
  if (name.score >= SURE_NOUN)
    return name;

  for (i = 0; i < nouns->n_nouns; i++)
    groups[nouns->nouns[i].group] += q[i];
  for (i = 0; i < GROUPS_TRIED; i++)
    {
      guint group = find_best (groups, nouns->n_groups);
      float sum = groups[group];

      if (sum >= SURE_GROUP)
        {
          if (group != nouns->nouns[name.noun].group || name.score < NOUN_OF_GROUP * sum)
            {
              name.name = nouns->groups[group];
              name.scene = group_is_scene (q, group);
              name.score = sum;
            }
          break;
        }
      groups[group] = 0.0f;
    }

  return name;
}

static float
sum_classes (const float      *p,
             const DescryCoco *coco)
{
  float sum = 0.0f;
  guint i;

  for (i = 0; i < coco->n_classes; i++)
    sum += p[coco->classes[i]];

  return sum;
}

static gboolean
has_noun (const DescryCoco *coco,
          guint             noun)
{
  guint i;

  for (i = 0; i < coco->n_classes; i++)
    if (descry_nouns ()->noun_of[coco->classes[i]] == noun)
      return TRUE;

  return FALSE;
}

DescryName
descry_naming_of_box (const DescryCandidate *candidate,
                      const float           *p)
{
  const DescryNouns *nouns = descry_nouns ();
  DescryName noun = descry_naming_best_noun (p), name = noun;
  const DescryCoco *coco;
  float q[DESCRY_N_CLASSES], best = -1.0f, vote, confirmed;
  guint chosen = 0, class;
  gboolean knows_it;

  for (class = 0; class < DESCRY_N_COCO; class++)
    if (candidate->votes[class] > 0.0f)
      {
        float worth = candidate->votes[class];

        if (nouns->coco[class].n_classes > 0)
          worth = 0.5f * (worth + sum_classes (p, &nouns->coco[class]));
        if (worth > best)
          {
            best = worth;
            chosen = class;
          }
      }

  coco = &nouns->coco[chosen];
  vote = candidate->votes[chosen];
  confirmed = sum_classes (p, coco);
  /* The classifier knows a person by three rare costumes only. */
  knows_it = coco->n_classes > 0 && chosen != DESCRY_COCO_PERSON;

  if (confirmed >= CONFIRMED)
    {
      descry_naming_sum_nouns (p, q);
      if (q[noun.noun] >= SURE_NOUN && has_noun (coco, noun.noun))
        name.name = nouns->nouns[noun.noun].name;
      else
        name.name = coco->name;
      name.scene = FALSE;
      name.score = 1.0f - (1.0f - vote) * (1.0f - confirmed);
    }
  else if (!noun.scene && noun.score >= (knows_it ? RENAME : RENAME_UNKNOWN)
           && (chosen != DESCRY_COCO_PERSON || noun.class <= DESCRY_LAST_ANIMAL))
    {
      name.score = 0.7f * noun.score + 0.3f * vote;
    }
  else
    {
      name.name = coco->name;
      name.scene = FALSE;
      name.score = knows_it ? vote * UNCONFIRMED : vote;
    }

  return name;
}

const char *
descry_naming_finer (const DescryName *name)
{
  const DescryNouns *nouns = descry_nouns ();
  const char *finer = nouns->finer[name->class];

  if (strcmp (finer, name->name) == 0 || !descry_nouns_same_kind (nouns->nouns[nouns->noun_of[name->class]].name, name->name))
    return NULL;

  return finer;
}
