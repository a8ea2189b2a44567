/* quant-private.h - packers of block formats that fill a file of their own
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/quant.h"

G_BEGIN_DECLS

/* 256 numbers, finite or not, into 144 bytes. */
void descry_quant_pack_q4_k (const float *x, guint8 *b);

G_END_DECLS
