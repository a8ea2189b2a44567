/* nouns.h - everyday nouns for the classifier's and the detectors' classes
 *
 * Each of the classifier's 1000 classes has a noun ("dog"), a group of nouns ("dog", "hoofed
 * animal") and a finer name ("Egyptian cat"); each of the detectors' 80 classes has a name to show
 * and the classifier's classes that mean the same. Tables: resources/tables.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/error.h"

G_BEGIN_DECLS

#define DESCRY_N_CLASSES 1000 /* of the classifier */
#define DESCRY_N_COCO    80   /* of the detectors */
#define DESCRY_COCO_PERSON 0
#define DESCRY_LAST_ANIMAL 397 /* of the classifier's classes */

typedef struct
{
  const char *name;
  guint       group;
  gboolean    scene; /* a place, never an object with a box */
} DescryNoun;

typedef struct
{
  const char *name;
  guint       n_classes; /* of the classifier; 0: it knows none of them */
  guint16    *classes;
} DescryCoco;

typedef struct
{
  guint       n_nouns;
  DescryNoun  nouns[DESCRY_N_CLASSES];
  guint       n_groups;
  const char *groups[DESCRY_N_CLASSES];
  guint16     noun_of[DESCRY_N_CLASSES]; /* class -> noun */
  const char *finer[DESCRY_N_CLASSES]; /* class -> finer name */
  DescryCoco  coco[DESCRY_N_COCO];
} DescryNouns;

/* Read once, for the life of the process; any thread. */
const DescryNouns *descry_nouns (void);

/* The group of a noun's or group's name; a name outside the tables is a group of its own. */
const char *descry_nouns_group (const char *name);

gboolean    descry_nouns_same_kind (const char *a, const char *b); /* same name or same group */

G_END_DECLS
