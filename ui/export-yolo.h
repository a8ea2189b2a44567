/* export-yolo.h - label files of YOLO with the list of classes that gives their numbers a meaning
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

/* Writes the label file, and beside it classes.txt (a name a line) and data.yaml. Numbers that a classes.txt has there already
 * stay; names that it lacks are added at its end. A data.yaml that somebody else wrote is left alone. */
gboolean   descry_yolo_write         (DescryScene *scene, float threshold, const char *path, GError **error);

/* The two lists alone, in a folder. @classes: of names, the index is the number. */
gboolean   descry_yolo_write_classes (GPtrArray *classes, const char *folder, GError **error);

G_END_DECLS
