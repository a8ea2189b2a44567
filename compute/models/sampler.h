/* sampler.h - draws the next token from logits
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * descry_sample:
 * @logits: f32 [n]
 * @temperature: above 0
 * @top_p: only the likeliest tokens that together reach this share are drawn from; outside of (0, 1): all
 * @seed: (inout): state of the generator; the same seed draws the same tokens everywhere
 *
 * Returns: a token, or -1 if a logit is not finite or there is no memory
 */
gint32 descry_sample (const float *logits, guint n, float temperature, float top_p, guint64 *seed);

G_END_DECLS
