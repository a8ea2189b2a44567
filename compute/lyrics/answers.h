/* answers.h - stored questions with the answers that count as right
 *
 * A line of JSON each: {"file", "question", "chips": [names], "accept": [patterns], "reject": [patterns], "kind"}.
 * Patterns are regular expressions, case does not matter. Scenes lie beside the pairs as lines of `analyze --json`,
 * so that answers can be measured without the photos.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

typedef struct
{
  char      *file; /* base name of the photo */
  char      *question;
  char      *kind; /* "count", "yes", "no", "where", "chip", "what", "list" */
  GPtrArray *chips; /* of char *, names of objects */
  GPtrArray *accept; /* of GRegex */
  GPtrArray *reject; /* of GRegex */
} DescryPair;

/* (transfer full) (element-type DescryPair) */
GPtrArray *descry_pairs_read (const char *path,
                              GError    **error);

/* Stored scenes by file name. (transfer full) (element-type utf8 DescryScene) */
GHashTable *descry_pairs_read_scenes (const char *path,
                                      GError    **error);

/* Ids (guint) of the best object of each chip's name, the next best for a name that comes twice. */
void descry_pair_chips (const DescryPair *pair,
                        DescryScene      *scene,
                        GArray           *ids);

/* One pattern of @accept fits and none of @reject. */
gboolean descry_pair_accepts (const DescryPair *pair,
                              const char       *answer);

G_END_DECLS
