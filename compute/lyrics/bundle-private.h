/* bundle-private.h - shared by bundle.c and bundle-edit.c
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/bundle.h"

G_BEGIN_DECLS

const char *descry_scene_text_name      (DescrySceneText kind); /* as in bundle.json */
gboolean    descry_bundle_is_plain_name (const char *name);
void        descry_bundle_file_free     (DescryBundleFile *file);
DescryBundleFile *descry_bundle_file_copy (const DescryBundleFile *file);

G_END_DECLS
