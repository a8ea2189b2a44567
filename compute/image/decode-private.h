/* decode-private.h - the parent's side of decoding, for tests with hostile decoders
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/image/image.h"

G_BEGIN_DECLS

/* Runs @program on @input (not closed). @name appears in messages;
 * @time_limit in milliseconds. */
DescryImage *_descry_decode_run (const char   *program,
                                 int           input,
                                 const char   *name,
                                 guint         time_limit,
                                 GCancellable *cancellable,
                                 GError      **error);

G_END_DECLS
