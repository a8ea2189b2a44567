/* cli.h - what the sub-commands share: an engine to wait for, progress, messages
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/engine.h"

G_BEGIN_DECLS

typedef struct _DescryCli DescryCli;

/* The engine opens device and bundle meanwhile. Ctrl+C stops the running job, a second one the program. */
DescryCli    *descry_cli_new    (const char *bundle, const char *device);
void          descry_cli_free   (DescryCli *cli);
DescryEngine *descry_cli_engine (DescryCli *cli);

/* Each waits, and shows what is going on when stderr is a terminal. */
DescryImage *descry_cli_load    (DescryCli *cli, const char *path, double *ms, GError **error);
DescryScene *descry_cli_analyze (DescryCli *cli, DescryImage *image, const char *file, gboolean with_masks, GError **error);
DescryScene *descry_cli_mask    (DescryCli *cli, DescryImage *image, DescryScene *scene, guint object, GError **error);

/* @stream: pieces of the answer go to stdout as they come. */
DescryTurn  *descry_cli_ask     (DescryCli *cli, DescryImage *image, DescryScene *scene, GPtrArray *history, const char *question,
                                 GArray *chips, const DescryAskOptions *options, gboolean stream, GError **error);

gboolean     descry_cli_cancelled (DescryCli *cli);

/* "descry: message" on stderr, after clearing the progress; the exit status that fits the error. */
int          descry_cli_fail    (DescryCli *cli, const char *about, const GError *error);

/* TRUE if the next picture or question would fail for the same reason. */
gboolean     descry_cli_is_hopeless (const GError *error);

/* Parses @options; prints help or a mistake. FALSE: leave with @status. */
gboolean     descry_cli_options (const char *usage, const char *summary, const GOptionEntry *options, int *argc, char ***argv, int *status);

/* A finite number that fits, or a mistake on stderr. */
gboolean     descry_cli_in_range (const char *option, double value, double min, double max);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryCli, descry_cli_free)

G_END_DECLS
