/* components.c - connected parts on the device against a flood fill
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/image/mask.h"
#include "compute/lyrics/refiner-private.h"
#include "compute/ops/components.h"
#include "tests/ops/harness.h"

/* Parts in the order of their first pixels, one flood after the other. */
static guint
flood (const guint8 *bits,
       guint         w,
       guint         h,
       gint32       *labels)
{
  g_autofree guint *stack = g_new (guint, (gsize) 4 * w * h + 1);
  guint n = 0, top, i;

  memset (labels, 0, (gsize) w * h * sizeof *labels);
  for (i = 0; i < w * h; i++)
    if (bits[i] && labels[i] == 0)
      {
        n++;
        stack[0] = i;
        for (top = 1; top > 0;)
          {
            guint at = stack[--top];

            if (!bits[at] || labels[at] != 0)
              continue;
            labels[at] = (gint32) n;
            if (at % w > 0)
              stack[top++] = at - 1;
            if (at % w + 1 < w)
              stack[top++] = at + 1;
            if (at >= w)
              stack[top++] = at - w;
            if (at + w < w * h)
              stack[top++] = at + w;
          }
      }
  return n;
}

static void
check (DescryRun    *run,
       const char   *what,
       const guint8 *bits,
       guint         h,
       guint         w)
{
  DescryTensor wide = descry_run_tensor (run, DESCRY_U8, 2, (guint[]) { h, w + 3 }), tb = descry_tensor_columns (wide, 2, w);
  DescryTensor out = descry_run_tensor (run, DESCRY_I32, 2, (guint[]) { h, w + 5 }), labels = descry_tensor_columns (out, 3, w);
  DescryTensor count = descry_run_tensor (run, DESCRY_I32, 1, (guint[]) { 1 });
  g_autofree gint32 *found = g_new (gint32, (gsize) h * w), *expected = g_new (gint32, (gsize) h * w), *round = g_new (gint32, (gsize) h * (w + 5));
  g_autofree guint32 *host = g_new (guint32, (gsize) h * w);
  gint32 n = -1;
  guint parts = flood (bits, w, h, expected), i, x;

  for (i = 0; i < h * (w + 5); i++)
    round[i] = -77;
  descry_run_write (run, out, round, (gsize) h * (w + 5));
  descry_run_write (run, tb, bits, (gsize) h * w);
  op_components (run, labels, count, tb);
  descry_run_read (run, labels, found, (gsize) h * w);
  descry_run_read (run, count, &n, 1);
  descry_run_read (run, out, round, (gsize) h * (w + 5));
  if (!descry_run_ok (run))
    return;

  if ((guint) n != parts)
    g_error ("%s: %d parts, expected %u", what, n, parts);
  g_assert_cmpmem (found, (gsize) h * w * 4, expected, (gsize) h * w * 4);
  g_assert_cmpuint (descry_mask_components (bits, w, h, host), ==, parts);
  g_assert_cmpmem (host, (gsize) h * w * 4, expected, (gsize) h * w * 4);
  for (i = 0; i < h; i++)
    for (x = 0; x < w + 5; x++)
      if (x < 3 || x >= w + 3)
        g_assert_cmpint (round[i * (w + 5) + x], ==, -77);

  descry_run_release (run, &wide);
  descry_run_release (run, &out);
  descry_run_release (run, &count);
}

static void
test_random (DescryRun *run)
{
  static const guint sizes[][2] = { { 1, 1 }, { 1, 17 }, { 31, 1 }, { 5, 7 }, { 64, 64 }, { 97, 211 }, { 256, 256 } };
  static const guint shares[] = { 0, 30, 50, 60, 75, 100 }; /* per cent set; near 59 the parts are largest and most crooked */
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  guint s, k, i;

  for (s = 0; s < G_N_ELEMENTS (sizes); s++)
    for (k = 0; k < G_N_ELEMENTS (shares); k++)
      {
        guint h = sizes[s][0], w = sizes[s][1];
        g_autofree guint8 *bits = g_new (guint8, (gsize) h * w);
        g_autofree char *what = g_strdup_printf ("%u×%u, %u %%", h, w, shares[k]);

        for (i = 0; i < h * w; i++)
          bits[i] = g_rand_int_range (rand, 0, 100) < (int) shares[k] ? 255 : 0;
        check (run, what, bits, h, w);
      }
}

/* One part that meets itself late: trees are hung together from both ends. */
static void
test_shapes (DescryRun *run)
{
  enum { SIDE = 150 };
  g_autofree guint8 *bits = g_new0 (guint8, SIDE * SIDE);
  guint x, y;

  for (y = 0; y < SIDE; y++) /* a snake */
    for (x = 0; x < SIDE; x++)
      bits[y * SIDE + x] = y % 2 == 0 || x == (y / 2 % 2 == 0 ? SIDE - 1 : 0);
  check (run, "snake", bits, SIDE, SIDE);
  for (y = 0; y < SIDE; y++) /* a comb, joined at the bottom */
    for (x = 0; x < SIDE; x++)
      bits[y * SIDE + x] = x % 2 == 0 || y == SIDE - 1;
  check (run, "comb", bits, SIDE, SIDE);
  for (y = 0; y < SIDE; y++) /* a chess board: corners do not join */
    for (x = 0; x < SIDE; x++)
      bits[y * SIDE + x] = (x + y) % 2;
  check (run, "board", bits, SIDE, SIDE);
}

/* Blobs on a noisy ground, as saliency looks: [side, side], 0..1. */
static float *
draw_alpha (GRand *rand,
            guint  side)
{
  float *alpha = random_floats (rand, (gsize) side * side, 0.0f, 0.55f);
  guint i, x, y, blobs = (guint) g_rand_int_range (rand, 0, 9);

  for (i = 0; i < blobs; i++)
    {
      guint w = (guint) g_rand_int_range (rand, 1, (gint32) side / 2), h = (guint) g_rand_int_range (rand, 1, (gint32) side / 2);
      guint x0 = (guint) g_rand_int_range (rand, 0, (gint32) (side - w)), y0 = (guint) g_rand_int_range (rand, 0, (gint32) (side - h));

      for (y = y0; y < y0 + h; y++)
        for (x = x0; x < x0 + w; x++)
          alpha[y * side + x] = (float) g_rand_double_range (rand, 0.3, 1.0);
    }
  return alpha;
}

/* The refiner's two ways to the same boxes, bit for bit. With -m perf their times are told. */
static void
test_proposals (DescryRun *run)
{
  enum { SIDE = 512 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (8);
  const DescryBox left = { 0, 0, 500, 768 };
  DescryTensor alpha = descry_run_tensor2 (run, SIDE, SIDE);
  guint times = g_test_perf () ? 200 : 12, i, found = 0;
  gint64 spent[2] = { G_MAXINT64, G_MAXINT64 };

  for (i = 0; i < times; i++)
    {
      g_autofree float *drawn = draw_alpha (rand, SIDE);
      g_autoptr (GArray) taken = g_array_new (FALSE, FALSE, sizeof (DescryBox));
      g_autoptr (GArray) host = NULL;
      guint way;

      g_array_append_vals (taken, &left, i % 2);
      descry_run_write (run, alpha, drawn, SIDE * SIDE);
      for (way = 0; way < 2; way++)
        {
          g_autoptr (GError) error = NULL;
          gint64 start = g_get_monotonic_time ();
          g_autoptr (GArray) boxes = descry_refiner_proposals (run, alpha, way == 1, 1024, 768, taken, &error);

          spent[way] = MIN (spent[way], g_get_monotonic_time () - start);
          g_assert_no_error (error);
          found += boxes->len;
          if (way == 1)
            g_assert_cmpmem (boxes->data, boxes->len * sizeof (DescryBox), host->data, host->len * sizeof (DescryBox));
          else
            host = g_steal_pointer (&boxes);
        }
    }
  descry_run_release (run, &alpha);
  g_assert_cmpuint (found, >, times);
  g_test_message ("proposals of %d×%d, least of %u: host %.3f ms, device %.3f ms", SIDE, SIDE, times, (double) spent[0] / 1000, (double) spent[1] / 1000);
}

static void
test_wrong (DescryRun *run)
{
  DescryRun *failing = descry_run_new (descry_run_device (run), NULL);
  g_autoptr (GError) error = NULL;

  op_components (failing, descry_run_tensor (failing, DESCRY_I32, 2, (guint[]) { 3, 4 }), descry_run_tensor (failing, DESCRY_I32, 1, (guint[]) { 1 }),
                 descry_run_tensor (failing, DESCRY_U8, 2, (guint[]) { 4, 3 }));
  g_assert_false (descry_run_finish (failing, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  descry_run_free (failing);
  g_clear_error (&error);

  failing = descry_run_new (descry_run_device (run), NULL);
  op_squares_set (failing, descry_run_tensor (failing, DESCRY_U8, 2, (guint[]) { 4, 3 }), descry_run_tensor2 (failing, 16, 13), 4, 0.5f);
  g_assert_false (descry_run_finish (failing, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE);
  descry_run_free (failing);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_op_test ("components/random", test_random);
  add_op_test ("components/shapes", test_shapes);
  add_op_test ("components/proposals", test_proposals);
  add_op_test ("components/wrong", test_wrong);

  return g_test_run ();
}
