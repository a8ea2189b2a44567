/* estimate.h - how much of the device's memory a network will take, told from its file before it is loaded
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/bundle.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 weights; /* bytes while it is loaded */
  guint64 cache; /* keys and values of a conversation */
  guint64 work; /* more while it runs; one network runs at a time */
  guint64 largest; /* one buffer */
} DescryEstimate;

/* Reads the list of tensors, not the weights. @adapted: adapters will be merged into it, which widens the weights.
 * A file that is an adapter needs nothing of its own. */
gboolean descry_estimate_file   (const char *path, gboolean adapted, DescryEstimate *estimate, GError **error);

/* What the slots from @first to @last have in memory at one time: all weights and caches, and the hungriest network at
 * work. Files that cannot be read count nothing. */
void     descry_estimate_slots  (const DescryBundle *bundle, DescrySlot first, DescrySlot last, gboolean adapters, DescryEstimate *estimate);

/* All of them. */
void     descry_estimate_bundle (const DescryBundle *bundle, gboolean adapters, DescryEstimate *estimate);

/* Whether a device with so much memory, and buffers up to @buffer bytes, can hold it. */
gboolean descry_estimate_fits   (const DescryEstimate *estimate, guint64 memory, guint64 buffer);

G_END_DECLS
