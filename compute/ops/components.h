/* components.h - connected parts of a mask
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/device/run.h"

G_BEGIN_DECLS

/* The 4-connected parts of @bits u8 [h, w] (0 or not): @labels i32 [h, w] is 1.. in the order of the parts' first pixels,
 * row by row, and 0 where nothing is set; @count i32 [1] their number. The same numbers as descry_mask_components(). */
void op_components (DescryRun *run, DescryTensor labels, DescryTensor count, DescryTensor bits);

/* @bits u8 [h, w]: 1 where the mean of a square of @side × @side elements of @x f32 [h * side, w * side] is at least @mean. */
void op_squares_set (DescryRun *run, DescryTensor bits, DescryTensor x, guint side, float mean);

G_END_DECLS
