/* sampler.h - chance that is the same everywhere
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The next number in [0, 1) of the generator whose state is @seed (inout): the same seed, the same numbers everywhere. */
double descry_uniform (guint64 *seed);

G_END_DECLS
