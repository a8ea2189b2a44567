/* library-features.h - what the JSON of a scene leaves out: features and mean colours of its objects
 *
 * The connector reads these: without them a question about a kept scene would be another one. For each object: u32 id,
 * u32 n, f32 mean color [3], f32 feature [n], little-endian.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

GByteArray *descry_features_pack   (DescryScene *scene);

/* Into a scene that is not published yet; stops at the first thing that does not fit. */
void        descry_features_unpack (DescryScene *scene, const guint8 *bytes, gsize length);

G_END_DECLS
