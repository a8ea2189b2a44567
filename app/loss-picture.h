/* loss-picture.h - the curves of a training, drawn from its log
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads @log, lines of JSON as `descry train --log` writes them: {"step": N, "NAME": number, …}; every number but
 * "norm" and "rate" is a curve. Steps that a resumed training ran again count with their last value. Writes a PNG file
 * of 960 × 540 pixels under a temporary name and renames it. The error names file, line, expected and found. */
gboolean descry_loss_picture (const char *log, const char *png, GError **error);

G_END_DECLS
