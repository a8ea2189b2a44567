/* recipe.c - the refiner's host logic on made-up numbers
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include <math.h>
#include <string.h>

#include "compute/lyrics/crops.h"
#include "compute/lyrics/recipe.h"
#include "compute/lyrics/refiner.h"

#define PERSON 0
#define CAR    2
#define CAT    15
#define DOG    16
#define GIRAFFE 23
#define ORANGE_NOUN "orange"

/* A class of the classifier whose noun is @name. */
static guint
find_class (const char *name)
{
  const DescryNouns *nouns = descry_nouns ();
  guint i;

  for (i = 0; i < DESCRY_N_CLASSES; i++)
    if (strcmp (nouns->nouns[nouns->noun_of[i]].name, name) == 0)
      return i;

  g_error ("no class has the noun %s", name);
}

static void
test_tables (void)
{
  const DescryNouns *nouns = descry_nouns ();
  guint i, without = 0, scenes = 0;

  g_assert_cmpstr (nouns->nouns[nouns->noun_of[0]].name, ==, "fish");
  g_assert_cmpstr (nouns->finer[0], ==, "tench");
  g_assert_cmpstr (nouns->coco[CAT].name, ==, "cat");
  g_assert_cmpuint (nouns->coco[PERSON].n_classes, ==, 3);
  g_assert_cmpuint (nouns->coco[PERSON].classes[0], ==, 981);
  for (i = 0; i < DESCRY_N_COCO; i++)
    without += nouns->coco[i].n_classes == 0;
  for (i = 0; i < DESCRY_N_CLASSES; i++)
    scenes += nouns->nouns[nouns->noun_of[i]].scene;
  g_assert_cmpuint (without, ==, 15);
  g_assert_cmpuint (scenes, >, 20);
  g_assert_cmpuint (scenes, <, 200);
  g_assert_true (descry_nouns_same_kind ("goldfish", "fish"));
  g_assert_false (descry_nouns_same_kind ("goldfish", "dog"));
  g_assert_cmpstr (descry_nouns_group ("giraffe"), ==, "giraffe");
}

static void
test_letterbox (void)
{
  DescryLetterbox wide = descry_letterbox (548, 342, 416), tiny = descry_letterbox (1, 1, 416), line = descry_letterbox (60000, 1, 416);
  DescryBox box;

  g_assert_cmpuint (wide.width, ==, 416);
  g_assert_cmpuint (wide.height, ==, 260);
  g_assert_cmpuint (wide.left, ==, 0);
  g_assert_cmpuint (wide.top, ==, 78);
  box = descry_letterbox_undo (&wide, (DescryBox) { 0, 0, 416, 416 });
  g_assert_cmpfloat_with_epsilon (box.x1, 548, 1e-3);
  g_assert_cmpfloat_with_epsilon (box.y0, 0, 1e-3);
  g_assert_cmpfloat_with_epsilon (box.y1, 342, 1e-3);
  box = descry_letterbox_undo (&wide, (DescryBox) { 104, 143, 208, 208 });
  g_assert_cmpfloat_with_epsilon (box.x0, 137, 1e-3);
  g_assert_cmpfloat_with_epsilon (box.y0, 65 * 342.0 / 260.0, 1e-3);
  g_assert_cmpuint (tiny.width, ==, 416);
  g_assert_cmpuint (line.height, ==, 1);
}

static void
test_nanodet (void)
{
  DescryLetterbox letterbox = descry_letterbox (64, 64, 64);
  g_autofree float *classes = g_new0 (float, 4 * DESCRY_N_COCO);
  g_autofree float *boxes = g_new0 (float, 4 * 44);
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (DescryDetection));
  const DescryDetection *detection;
  guint side;

  /* Stride 32: 2 x 2 cells. The lower right one sees a cat, half a stride to each side. */
  classes[3 * DESCRY_N_COCO + CAT] = 0.8f;
  classes[1 * DESCRY_N_COCO + DOG] = 0.29f;
  for (side = 0; side < 4; side++)
    {
      boxes[3 * 44 + side * 11 + 0] = 50.0f;
      boxes[3 * 44 + side * 11 + 1] = 50.0f; /* both as likely: 0.5 */
    }
  descry_nanodet_decode (found, classes, boxes, 32, &letterbox, 0.3f);
  g_assert_cmpuint (found->len, ==, 1);
  detection = &g_array_index (found, DescryDetection, 0);
  g_assert_cmpuint (detection->class, ==, CAT);
  g_assert_cmpfloat_with_epsilon (detection->box.x0, 31.5, 1e-4);
  g_assert_cmpfloat_with_epsilon (detection->box.y1, 63.5, 1e-4);
  /* NaN is no detection. */
  classes[0] = NAN;
  boxes[3 * 44] = NAN;
  g_array_set_size (found, 0);
  descry_nanodet_decode (found, classes, boxes, 32, &letterbox, 0.3f);
  g_assert_cmpuint (found->len, ==, 0);
}

static void
test_centernet (void)
{
  DescryLetterbox letterbox = descry_letterbox (32, 32, 32);
  g_autofree float *classes = g_new0 (float, 64 * DESCRY_N_COCO);
  g_autofree float *sizes = g_new0 (float, 64 * 4);
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (DescryDetection));
  const DescryDetection *detection;
  guint i;

  for (i = 0; i < 64 * 4; i++)
    sizes[i] = 6.0f;
  classes[(3 * 8 + 4) * DESCRY_N_COCO + CAR] = 0.7f; /* row 3, column 4 */
  classes[(3 * 8 + 5) * DESCRY_N_COCO + CAR] = 0.6f; /* beside a peak */
  classes[(2 * 8 + 5) * DESCRY_N_COCO + DOG] = 0.5f; /* another class */
  descry_centernet_decode (found, classes, sizes, 8, &letterbox, 0.35f);
  g_assert_cmpuint (found->len, ==, 2);
  detection = &g_array_index (found, DescryDetection, 1);
  g_assert_cmpuint (detection->class, ==, CAR);
  g_assert_cmpfloat_with_epsilon (detection->box.x0, 10, 1e-4);
  g_assert_cmpfloat_with_epsilon (detection->box.y0, 6, 1e-4);
  g_assert_cmpfloat_with_epsilon (detection->box.x1, 22, 1e-4);
}

static void
add_detection (GArray *list,
               float   x0,
               float   x1,
               guint   class,
               float   score)
{
  DescryDetection detection = { { x0, 0, x1, 10 }, class, score };

  g_array_append_val (list, detection);
}

static void
test_suppress (void)
{
  g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (DescryDetection));

  add_detection (list, 0, 10, CAT, 0.5f);
  add_detection (list, 1, 11, CAT, 0.9f); /* IoU 9/11 */
  add_detection (list, 1, 11, DOG, 0.4f);
  add_detection (list, 6, 16, CAT, 0.3f); /* IoU 1/3 with the best */
  descry_detections_suppress (list, 0.6);
  g_assert_cmpuint (list->len, ==, 3);
  g_assert_cmpfloat (g_array_index (list, DescryDetection, 0).score, ==, 0.9f);
  g_assert_cmpuint (g_array_index (list, DescryDetection, 1).class, ==, DOG);
  g_assert_cmpfloat (g_array_index (list, DescryDetection, 2).score, ==, 0.3f);
}

static void
test_vote (void)
{
  g_autoptr (GArray) first = g_array_new (FALSE, FALSE, sizeof (DescryDetection));
  g_autoptr (GArray) second = g_array_new (FALSE, FALSE, sizeof (DescryDetection));
  GArray *lists[2] = { first, second };
  g_autoptr (GArray) candidates = NULL;
  const DescryCandidate *candidate;

  add_detection (first, 0, 10, CAT, 0.5f);
  add_detection (first, 0, 10, DOG, 0.4f);
  add_detection (first, 0.2f, 10, CAT, 0.3f); /* same detector, same class: no news */
  add_detection (second, 1, 10, CAT, 0.4f);   /* agrees: 1 - 0.5 * 0.6 */
  add_detection (second, 50, 60, PERSON, 0.36f);
  candidates = descry_detections_vote (lists, 2, 0.55);
  g_assert_cmpuint (candidates->len, ==, 2);
  candidate = &g_array_index (candidates, DescryCandidate, 0);
  g_assert_cmpfloat (candidate->box.x0, ==, 0.0f);
  g_assert_cmpfloat_with_epsilon (candidate->votes[CAT], 0.7, 1e-6);
  g_assert_cmpfloat_with_epsilon (candidate->votes[DOG], 0.4, 1e-6);
  g_assert_cmpfloat (candidate->votes[PERSON], ==, 0.0f);
  g_assert_cmpuint (candidate->detectors, ==, 3);
  candidate = &g_array_index (candidates, DescryCandidate, 1);
  g_assert_cmpfloat_with_epsilon (candidate->votes[PERSON], 0.36, 1e-6);
}

static void
test_best_noun (void)
{
  const DescryNouns *nouns = descry_nouns ();
  float p[DESCRY_N_CLASSES] = { 0 };
  DescryName name;

  p[281] = 0.3f; /* tabby */
  p[285] = 0.4f; /* Egyptian cat */
  name = descry_naming_best_noun (p);
  g_assert_cmpstr (name.name, ==, "cat");
  g_assert_cmpfloat_with_epsilon (name.score, 0.7, 1e-6);
  g_assert_cmpuint (name.class, ==, 285);
  g_assert_cmpstr (descry_naming_finer (&name), ==, "Egyptian cat");

  /* Many birds, none of them sure: the group. */
  memset (p, 0, sizeof p);
  p[7] = 0.3f;   /* cock */
  p[13] = 0.25f; /* junco */
  p[16] = 0.2f;  /* bulbul */
  g_assert_cmpstr (nouns->groups[nouns->nouns[nouns->noun_of[7]].group], ==, "bird");
  name = descry_naming_best_noun (p);
  g_assert_cmpstr (name.name, ==, "bird");
  g_assert_cmpfloat_with_epsilon (name.score, 0.75, 1e-6);

  /* A noun that holds 0.6 of its group stays. */
  memset (p, 0, sizeof p);
  p[7] = 0.45f;
  p[13] = 0.2f;
  name = descry_naming_best_noun (p);
  g_assert_cmpstr (name.name, ==, nouns->nouns[nouns->noun_of[7]].name);
  g_assert_cmpfloat_with_epsilon (name.score, 0.45, 1e-6);
}

static void
test_box_name (void)
{
  DescryCandidate candidate = { 0 };
  float p[DESCRY_N_CLASSES] = { 0 };
  guint orange = find_class (ORANGE_NOUN);
  DescryName name;

  /* a: confirmed, with the class's own noun. */
  candidate.votes[CAT] = 0.5f;
  candidate.votes[DOG] = 0.6f;
  p[281] = 0.6f;
  name = descry_naming_of_box (&candidate, p);
  g_assert_cmpstr (name.name, ==, "cat");
  g_assert_cmpfloat_with_epsilon (name.score, 1.0 - 0.5 * 0.4, 1e-6);

  /* b: not confirmed and the classifier is sure of something else. */
  memset (&candidate, 0, sizeof candidate);
  memset (p, 0, sizeof p);
  candidate.votes[CAR] = 0.4f;
  p[orange] = 0.5f;
  name = descry_naming_of_box (&candidate, p);
  g_assert_cmpstr (name.name, ==, ORANGE_NOUN);
  g_assert_cmpfloat_with_epsilon (name.score, 0.7 * 0.5 + 0.3 * 0.4, 1e-6);

  /* c: neither; the detector's name at 0.6 of its score. */
  p[orange] = 0.39f;
  name = descry_naming_of_box (&candidate, p);
  g_assert_cmpstr (name.name, ==, "car");
  g_assert_cmpfloat_with_epsilon (name.score, 0.24, 1e-6);

  /* A class that the classifier does not know keeps its score, and needs 0.6 to be renamed. */
  memset (&candidate, 0, sizeof candidate);
  candidate.votes[GIRAFFE] = 0.8f;
  p[orange] = 0.55f;
  name = descry_naming_of_box (&candidate, p);
  g_assert_cmpstr (name.name, ==, "giraffe");
  g_assert_cmpfloat_with_epsilon (name.score, 0.8, 1e-6);
  p[orange] = 0.65f;
  name = descry_naming_of_box (&candidate, p);
  g_assert_cmpstr (name.name, ==, ORANGE_NOUN);

  /* A person becomes an animal, never a thing. */
  memset (&candidate, 0, sizeof candidate);
  candidate.votes[PERSON] = 0.5f;
  name = descry_naming_of_box (&candidate, p);
  g_assert_cmpstr (name.name, ==, "person");
  g_assert_cmpfloat_with_epsilon (name.score, 0.5, 1e-6);
  memset (p, 0, sizeof p);
  p[281] = 0.65f;
  name = descry_naming_of_box (&candidate, p);
  g_assert_cmpstr (name.name, ==, "cat");
}

static void
test_probabilities (void)
{
  g_autofree float *logits = g_new0 (float, 2 * DESCRY_N_CLASSES);
  float p[DESCRY_N_CLASSES];
  double sum = 0.0;
  guint i;

  logits[5] = 1000.0f; /* the first crop is sure, the second knows nothing */
  descry_naming_probabilities (logits, 2, p);
  for (i = 0; i < DESCRY_N_CLASSES; i++)
    sum += p[i];
  g_assert_cmpfloat_with_epsilon (sum, 1.0, 1e-6);
  g_assert_cmpfloat_with_epsilon (p[5], 0.5005, 1e-5);
  g_assert_cmpfloat_with_epsilon (p[6], 0.0005, 1e-6);
}

static void
fill (float *alpha,
      guint  x0,
      guint  y0,
      guint  x1,
      guint  y1)
{
  guint x, y;

  for (y = y0; y < y1; y++)
    for (x = x0; x < x1; x++)
      alpha[y * 512 + x] = 1.0f;
}

static void
test_proposals (void)
{
  g_autofree float *alpha = g_new0 (float, 512 * 512);
  g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (DescryBox));
  g_autoptr (GArray) boxes = NULL;
  DescryBox box = { 0, 0, 210, 100 };

  fill (alpha, 0, 0, 100, 100);     /* taken below */
  fill (alpha, 200, 200, 240, 240); /* 10 x 10 cells: 0.6 % */
  fill (alpha, 400, 400, 480, 480);
  fill (alpha, 0, 500, 12, 512); /* too small */
  g_array_append_val (taken, box);
  boxes = descry_recipe_proposals (alpha, 512, 1024, 512, taken, NULL);
  g_assert_cmpuint (boxes->len, ==, 2);
  box = g_array_index (boxes, DescryBox, 0);
  g_assert_cmpfloat (box.x0, ==, 800.0f);
  g_assert_cmpfloat (box.y1, ==, 480.0f);
  box = g_array_index (boxes, DescryBox, 1);
  g_assert_cmpfloat (box.x0, ==, 400.0f);
  g_assert_cmpfloat (box.x1, ==, 480.0f);
}

static DescryObject *
make_object (const char *name,
             float       score,
             float       x0,
             float       y0,
             float       x1,
             float       y1)
{
  DescryObject *object = g_new0 (DescryObject, 1);

  object->name = g_strdup (name);
  object->score = score;
  object->box = (DescryBox) { x0, y0, x1, y1 };

  return object;
}

static void
test_displace (void)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_object_free);

  g_ptr_array_add (found, make_object ("cat", 0.6f, 0, 0, 100, 60));
  g_ptr_array_add (found, make_object ("ball", 0.5f, 10, 10, 20, 20));
  g_ptr_array_add (found, make_object ("person", 0.9f, 10, 10, 90, 90));

  /* Weaker than the same kind that is there. */
  g_assert_false (descry_recipe_add_proposal (found, make_object ("cat", 0.5f, 0, 0, 100, 100)));
  g_assert_cmpuint (found->len, ==, 3);
  /* Better than the cat, and around the weak ball; the strong person stays. */
  g_assert_true (descry_recipe_add_proposal (found, make_object ("cat", 0.8f, 0, 0, 100, 100)));
  g_assert_cmpuint (found->len, ==, 2);
  g_assert_cmpstr (((DescryObject *) g_ptr_array_index (found, 0))->name, ==, "person");
  g_assert_cmpfloat (((DescryObject *) g_ptr_array_index (found, 1))->score, ==, 0.8f);
}

static void
test_final (void)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_object_free);
  g_autoptr (GPtrArray) kept = NULL;

  g_ptr_array_add (found, make_object ("dog", 0.3f, 0, 0, 100, 100));   /* IoU 0.81 with another kind: goes */
  g_ptr_array_add (found, make_object ("cat", 0.9f, 0, 0, 90, 90));
  g_ptr_array_add (found, make_object ("cat", 0.5f, 0, 0, 30, 30));     /* same kind inside: goes */
  g_ptr_array_add (found, make_object ("ball", 0.45f, 0, 0, 30, 30));   /* another kind inside: stays */
  g_ptr_array_add (found, make_object ("cat", 0.4f, 200, 0, 300, 100)); /* elsewhere: stays */
  kept = descry_recipe_final (found);
  g_assert_cmpuint (kept->len, ==, 3);
  g_assert_cmpfloat (((DescryObject *) g_ptr_array_index (kept, 0))->score, ==, 0.9f);
  g_assert_cmpstr (((DescryObject *) g_ptr_array_index (kept, 1))->name, ==, "ball");
  g_assert_cmpfloat (((DescryObject *) g_ptr_array_index (kept, 2))->score, ==, 0.4f);

  /* A region that a person made stays on top of everything. */
  g_ptr_array_add (found, make_object ("cat", 0.2f, 0, 0, 90, 90));
  ((DescryObject *) g_ptr_array_index (found, 5))->source = DESCRY_SOURCE_CLICK;
  g_ptr_array_unref (kept);
  kept = descry_recipe_final (found);
  g_assert_cmpuint (kept->len, ==, 4);
}

static void
test_scene_tags (void)
{
  g_autoptr (DescryScene) scene = descry_scene_new (100, 100);
  float p[DESCRY_N_CLASSES] = { 0 };
  const DescryTag *tag;

  p[281] = 0.12f;
  p[find_class (ORANGE_NOUN)] = 0.2f;
  g_ptr_array_add (scene->objects, make_object ("cat", 0.7f, 0, 0, 10, 10));
  g_ptr_array_add (scene->objects, make_object ("dog", 0.4f, 0, 0, 10, 10)); /* not shown: no tag */
  descry_recipe_tags (scene, p, 0.5f);
  g_assert_cmpuint (scene->tags->len, ==, 2);
  tag = g_ptr_array_index (scene->tags, 0);
  g_assert_cmpstr (tag->name, ==, "cat");
  g_assert_cmpfloat (tag->score, ==, 0.7f);
  tag = g_ptr_array_index (scene->tags, 1);
  g_assert_cmpstr (tag->name, ==, ORANGE_NOUN);

  /* At least one, however weak. */
  g_ptr_array_set_size (scene->objects, 0);
  memset (p, 0, sizeof p);
  p[281] = 0.05f;
  descry_recipe_tags (scene, p, 0.5f);
  g_assert_cmpuint (scene->tags->len, ==, 1);
  tag = g_ptr_array_index (scene->tags, 0);
  g_assert_cmpstr (tag->name, ==, "cat");
}

static void
test_grow (void)
{
  DescryBox box = descry_recipe_grow ((DescryBox) { 10, 50, 60, 90 }, 0.1f, 100, 92);

  g_assert_cmpfloat (box.x0, ==, 5.0f);
  g_assert_cmpfloat (box.y0, ==, 46.0f);
  g_assert_cmpfloat (box.x1, ==, 65.0f);
  g_assert_cmpfloat (box.y1, ==, 92.0f);
}

/* Every touched pixel, at least one, inside the picture. */
static void
test_rect (void)
{
  DescryRect rect = descry_crop_rect ((DescryBox) { 2.2f, 3.0f, 5.1f, 7.9f }, 10, 10);

  g_assert_cmpuint (rect.x0, ==, 2);
  g_assert_cmpuint (rect.y0, ==, 3);
  g_assert_cmpuint (rect.x1, ==, 6);
  g_assert_cmpuint (rect.y1, ==, 8);
  rect = descry_crop_rect ((DescryBox) { 10, 10, 10, 10 }, 10, 10);
  g_assert_cmpuint (rect.x0, ==, 9);
  g_assert_cmpuint (rect.x1, ==, 10);
  rect = descry_crop_rect ((DescryBox) { -5, -5, 50, 50 }, 10, 8);
  g_assert_cmpuint (rect.x0, ==, 0);
  g_assert_cmpuint (rect.x1, ==, 10);
  g_assert_cmpuint (rect.y1, ==, 8);
}

static guint
count_bits (const guint8 *bits,
            guint         n)
{
  guint i, set = 0;

  for (i = 0; i < n; i++)
    set += bits[i];

  return set;
}

static void
test_alpha (void)
{
  g_autofree float *alpha = g_new0 (float, 64 * 64);
  g_autofree guint8 *bits = g_new0 (guint8, 256 * 128);
  guint x, y;

  /* The left half is set: it stays half, reduced, enlarged or both. */
  for (y = 0; y < 64; y++)
    for (x = 0; x < 32; x++)
      alpha[y * 64 + x] = 1.0f;
  descry_refiner_alpha_to_bits (alpha, 64, 64, 64, bits);
  g_assert_cmpuint (count_bits (bits, 64 * 64), ==, 32 * 64);
  descry_refiner_alpha_to_bits (alpha, 64, 16, 8, bits);
  g_assert_cmpuint (count_bits (bits, 16 * 8), ==, 8 * 8);
  descry_refiner_alpha_to_bits (alpha, 64, 256, 128, bits);
  g_assert_cmpuint (count_bits (bits, 256 * 128), ==, 128 * 128);
  g_assert_cmpuint (bits[127], ==, 1);
  g_assert_cmpuint (bits[128], ==, 0);
  descry_refiner_alpha_to_bits (alpha, 64, 256, 4, bits);
  g_assert_cmpuint (count_bits (bits, 256 * 4), ==, 128 * 4);
  descry_refiner_alpha_to_bits (alpha, 64, 1, 1, bits);
  g_assert_cmpuint (bits[0], ==, 1);

  /* One cell of sixteen is not half of them. */
  memset (alpha, 0, 64 * 64 * sizeof (float));
  alpha[5 * 64 + 5] = 1.0f;
  descry_refiner_alpha_to_bits (alpha, 64, 16, 16, bits);
  g_assert_cmpuint (count_bits (bits, 256), ==, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/recipe/tables", test_tables);
  g_test_add_func ("/recipe/letterbox", test_letterbox);
  g_test_add_func ("/recipe/nanodet", test_nanodet);
  g_test_add_func ("/recipe/centernet", test_centernet);
  g_test_add_func ("/recipe/suppress", test_suppress);
  g_test_add_func ("/recipe/vote", test_vote);
  g_test_add_func ("/recipe/probabilities", test_probabilities);
  g_test_add_func ("/recipe/best-noun", test_best_noun);
  g_test_add_func ("/recipe/box-name", test_box_name);
  g_test_add_func ("/recipe/proposals", test_proposals);
  g_test_add_func ("/recipe/displace", test_displace);
  g_test_add_func ("/recipe/final", test_final);
  g_test_add_func ("/recipe/tags", test_scene_tags);
  g_test_add_func ("/recipe/grow", test_grow);
  g_test_add_func ("/recipe/rect", test_rect);
  g_test_add_func ("/recipe/alpha", test_alpha);

  return g_test_run ();
}
