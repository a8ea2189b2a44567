/* ask.h - one question: prompt, soft tokens, language model, links
 *
 * Belongs to the engine thread.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/engine.h"
#include "compute/lyrics/pipeline.h"

G_BEGIN_DECLS

typedef struct
{
  void (*text)  (const char *text, gpointer data); /* whole characters of the answer */
  void (*pause) (gpointer data); /* between two tokens: something more urgent may run */
  gpointer data;
} DescryAskHooks;

/* Whether @job's answer is given with the adapters in the llm slot. */
gboolean    descry_ask_wants_adapter (const DescryJob *job);

/* Answers @job's question. Stopped by the job's cancellable, it returns what there is, marked. (transfer full) */
DescryTurn *descry_ask_run (DescryPipeline *pipeline, const DescryJob *job, const DescryAskHooks *hooks, GCancellable *cancellable, GError **error);

G_END_DECLS
