/* bench-answers.c - right answers over the stored pairs, beside those of a template without a model
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry"

#include "config.h"

#include "app/bench.h"

#include <glib/gi18n.h>
#include <jansson.h>

#include "compute/lyrics/answers.h"

/* Debian's package of test photographs, and where set-up unpacks it. */
#define PHOTOS "/usr/share/doc/opencv-doc/examples/data"

typedef struct
{
  Bench        *bench;
  DescryEngine *engine;
  const char   *photos;
  GHashTable   *stored; /* file -> DescryScene */
  GHashTable   *scenes; /* file -> DescryScene: analyzed now */
  GHashTable   *images; /* file -> DescryImage */
} Answers;

static char *
find_folder (const char *given)
{
  const char *variable = g_getenv ("DESCRY_TEST_SOURCE");
  g_autofree char *installed = g_build_filename (DESCRY_DATADIR, "answers", NULL);

  if (given != NULL)
    return g_strdup (given);
  if (variable != NULL)
    return g_build_filename (variable, "tests", "flow", "answers", NULL);
  if (g_file_test (installed, G_FILE_TEST_IS_DIR))
    return g_steal_pointer (&installed);

  return g_build_filename ("tests", "flow", "answers", NULL);
}

static char *
find_photos (const char *given)
{
  const char *variable = g_getenv ("DESCRY_TEST_PHOTOS");

  if (given != NULL || variable != NULL)
    return g_strdup (given != NULL ? given : variable);
  if (g_file_test (PHOTOS, G_FILE_TEST_IS_DIR))
    return g_strdup (PHOTOS);

  return g_build_filename (g_get_user_cache_dir (), "descry", "test-photos", NULL);
}

/* The scene that answers rest on: the photo's if it is here, else the stored one. (transfer none) */
static DescryScene *
find_scene (Answers      *answers,
            const char   *file,
            DescryImage **image,
            GError      **error)
{
  DescryScene *scene = g_hash_table_lookup (answers->scenes, file);
  g_autofree char *path = g_build_filename (answers->photos, file, NULL);

  *image = g_hash_table_lookup (answers->images, file);
  if (scene != NULL)
    return scene;

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    {
      *image = descry_image_load (path, NULL, error);
      if (*image == NULL)
        return NULL;
      g_hash_table_insert (answers->images, g_strdup (file), *image);
      scene = bench_analyze (answers->engine, *image, file, error);
      if (scene != NULL)
        g_hash_table_insert (answers->scenes, g_strdup (file), scene);
      return scene;
    }

  scene = g_hash_table_lookup (answers->stored, file);
  if (scene == NULL)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, _("Neither the photo %s nor a stored scene of it is there"), file);
  return scene;
}

static gboolean
answer_pair (Answers          *answers,
             const DescryPair *pair,
             gboolean         *right,
             gboolean         *template_right,
             double           *ms,
             GError          **error)
{
  const DescryAskOptions options = { .threshold = DESCRY_SCENE_THRESHOLD };
  g_autoptr (GArray) chips = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (DescryTurn) turn = NULL;
  g_autofree char *plain = NULL;
  DescryImage *image = NULL;
  DescryScene *scene = find_scene (answers, pair->file, &image, error);

  if (scene == NULL)
    return FALSE;
  descry_pair_chips (pair, scene, chips);
  turn = bench_ask (answers->engine, image, scene, pair->question, chips, &options, error);
  if (turn == NULL)
    return FALSE;
  plain = descry_prompt_template_answer (scene, DESCRY_SCENE_THRESHOLD, pair->question, (const guint *) (gpointer) chips->data, chips->len);

  *right = descry_pair_accepts (pair, turn->answer);
  *template_right = descry_pair_accepts (pair, plain);
  *ms = turn->total_ms;
  if (!answers->bench->json)
    g_printerr ("%s %s, “%s” → “%s”\n", *right ? _("right") : _("WRONG"), pair->file, pair->question, turn->answer);
  return TRUE;
}

static void
print_share (Answers    *answers,
             const char *split,
             guint       n,
             guint       n_photos,
             guint       right,
             guint       template_right,
             double      ms)
{
  json_t *json;
  g_autofree char *text = NULL;

  if (!answers->bench->json)
    {
      g_print (_("answers    %-9s %u of %u right (%.2f), template without a model %u (%.2f); %u from photos, %.0f ms an answer\n"), split, right, n, (double) right / n,
               template_right, (double) template_right / n, n_photos, ms / n);
      return;
    }
  json = json_pack ("{s:i, s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:i, s:f, s:s}", "descry", 1, "stage", "answers", "what", split, "unit", "share", "value", (double) right / n,
                    "template", (double) template_right / n, "pairs", (int) n, "right", (int) right, "from_photos", (int) n_photos, "milliseconds", ms / n,
                    "processor", answers->bench->processor);
  text = json_dumps (json, JSON_COMPACT | JSON_REAL_PRECISION (6));
  g_print ("%s\n", text);
  json_decref (json);
}

static gboolean
run_split (Answers    *answers,
           const char *folder,
           const char *split,
           GError    **error)
{
  g_autofree char *name = g_strconcat (split, ".jsonl", NULL), *path = g_build_filename (folder, name, NULL);
  g_autoptr (GPtrArray) pairs = descry_pairs_read (path, error);
  guint i, right = 0, template_right = 0, n_photos = 0;
  double ms = 0.0;

  if (pairs == NULL)
    return FALSE;
  for (i = 0; i < pairs->len; i++)
    {
      const DescryPair *pair = g_ptr_array_index (pairs, i);
      gboolean good = FALSE, plain = FALSE;
      double one = 0.0;

      if (!answer_pair (answers, pair, &good, &plain, &one, error))
        return FALSE;
      right += good;
      template_right += plain;
      n_photos += g_hash_table_contains (answers->images, pair->file);
      ms += one;
    }
  if (pairs->len > 0)
    print_share (answers, split, pairs->len, n_photos, right, template_right, ms);

  return TRUE;
}

gboolean
bench_answers (Bench      *bench,
               const char *folder,
               const char *photos,
               GError    **error)
{
  g_autofree char *where = find_folder (folder), *pictures = find_photos (photos), *path = g_build_filename (where, "scenes.jsonl", NULL);
  g_autoptr (GHashTable) stored = descry_pairs_read_scenes (path, error), scenes = NULL, images = NULL;
  g_autoptr (DescryEngine) engine = NULL;
  Answers answers;

  if (stored == NULL)
    return FALSE;
  scenes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) descry_scene_unref);
  images = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) descry_image_unref);
  engine = descry_local_engine_new (bench->bundle_name, bench->device_name);
  answers = (Answers) { bench, engine, pictures, stored, scenes, images };

  return run_split (&answers, where, "tuning", error) && run_split (&answers, where, "test", error);
}
