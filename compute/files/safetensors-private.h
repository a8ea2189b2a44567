/* safetensors-private.h - what reader and writer of safetensors share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/safetensors.h"

G_BEGIN_DECLS

const char *descry_st_name  (DescryStType type);
guint       descry_st_bytes (DescryStType type);

/* Elements of any type as f32; @bytes need not be aligned. NULL: no memory. Free with descry_free(). */
float      *descry_st_to_f32 (DescryStType type, const guint8 *bytes, guint64 count);

G_END_DECLS
