/* sampler.c - chance that is the same everywhere
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-sampler"

#include "config.h"

#include "compute/models/sampler.h"

/* xorshift64*: small, and the same everywhere. */
double
descry_uniform (guint64 *seed)
{
  guint64 x = *seed != 0 ? *seed : G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *seed = x;

  return (double) ((x * G_GUINT64_CONSTANT (0x2545f4914f6cdd1d)) >> 11) * 0x1p-53;
}
