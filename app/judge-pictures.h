/* judge-pictures.h - how well a language model answers about the test pictures of a set, with the connector and without
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/device/device.h"

G_BEGIN_DECLS

typedef struct
{
  const char *set, *model, *connector, *adapter; /* the last two may be NULL */
  const char *trained; /* the set whose training pictures show the nouns that are known; NULL: @set */
  guint       first; /* test pictures */
  gboolean    show_wrong; /* each wrong answer, on stderr */
  gboolean    every_split; /* the other splits' pictures as well */
} DescryJudgeOptions;

/* One JSON line a kind of question and way: connector "on", fed with "another" picture's features, "off". Greedy. */
gboolean descry_judge_pictures (DescryDevice *device, const DescryJudgeOptions *options, GCancellable *cancellable, GError **error);

G_END_DECLS
