/* scene.c - fuzz target: a stored scene, there and back
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "compute/lyrics/json.h"
#include "compute/lyrics/scene.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (json_t) json = descry_files_json_parse ((const char *) data, size, DESCRY_JSON_DEPTH, "scene", NULL);
  g_autoptr (json_t) written = NULL, again = NULL;
  g_autoptr (DescryScene) scene = NULL, back = NULL;
  g_autofree char *line = NULL, *line_again = NULL;

  if (json == NULL)
    return 0;
  scene = descry_scene_from_json (json, NULL);
  if (scene == NULL)
    return 0;

  /* What was accepted is written, accepted again and written the same. */
  written = descry_scene_to_json (scene, 0.0f);
  line = descry_json_line (written);
  back = descry_scene_from_json (written, NULL);
  if (back == NULL)
    abort ();
  again = descry_scene_to_json (back, 0.0f);
  line_again = descry_json_line (again);
  if (strcmp (line, line_again) != 0)
    abort ();
  descry_scene_hit (scene, 0.5 * scene->width, 0.5 * scene->height, 0.0f);

  return 0;
}
