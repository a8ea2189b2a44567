/* safetensors-private.h - what reader and writer of safetensors share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/safetensors.h"

G_BEGIN_DECLS

const char *descry_st_name  (DescryStType type);
guint       descry_st_bytes (DescryStType type);

G_END_DECLS
