/* quant.c - block formats against the values of gguf-py, bit by bit
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "compute/files/cursor.h"
#include "compute/files/quant.h"
#include "compute/memory.h"

static void
test_golden (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "golden", "files", "quant.bin", NULL);
  DescryCursor cursor;
  gsize size;
  guint8 *bytes = descry_file_read_all (path, 1 << 20, &size, &error);
  guint unpacked = 0, packed = 0;

  g_assert_no_error (error);
  descry_cursor_init_memory (&cursor, bytes, size);
  while (descry_cursor_remaining (&cursor) > 0)
    {
      guint32 type = descry_cursor_u32 (&cursor);
      guint32 n = descry_cursor_u32 (&cursor);
      guint32 n_bytes = descry_cursor_u32 (&cursor);
      guint32 kind = descry_cursor_u32 (&cursor);
      const guint8 *blocks = descry_cursor_view (&cursor, n_bytes);
      const guint8 *values = descry_cursor_view (&cursor, n * 4);
      g_autofree guint8 *got = g_malloc (MAX (n * 4, n_bytes));
      guint64 expected;

      g_assert_true (descry_cursor_ok (&cursor));
      g_assert_true (descry_ggml_bytes (type, n, &expected));
      g_assert_cmpuint (expected, ==, n_bytes);
      g_test_message ("%s, %u values, %s", descry_ggml_name (type), n, kind == 0 ? "unpacked" : "packed");
      if (kind == 0)
        {
          g_assert_true (descry_ggml_dequantise (type, blocks, n, (float *) (gpointer) got));
          g_assert_cmpmem (got, n * 4, values, n * 4);
          unpacked++;
        }
      else
        {
          g_autofree float *aligned = g_memdup2 (values, n * sizeof *aligned);

          g_assert_true (descry_ggml_quantise (type, aligned, n, got));
          g_assert_cmpmem (got, n_bytes, blocks, n_bytes);
          packed++;
        }
    }

  g_assert_cmpuint (unpacked, ==, 11);
  g_assert_cmpuint (packed, ==, 6);
  descry_free (bytes);
}

/* Q4_K has no one right packing: the squared error counts, against that of llama.cpp on the same numbers. */
static void
test_packer (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "golden", "files", "quant-peer.bin", NULL);
  DescryCursor cursor;
  gsize size;
  guint8 *bytes = descry_file_read_all (path, 1 << 20, &size, &error);
  guint sets = 0;

  g_assert_no_error (error);
  descry_cursor_init_memory (&cursor, bytes, size);
  while (descry_cursor_remaining (&cursor) > 0)
    {
      guint32 n = descry_cursor_u32 (&cursor), i;
      const guint8 *peer_at = descry_cursor_view (&cursor, 8);
      const guint8 *values_at = descry_cursor_view (&cursor, n * 4);
      g_autofree float *values = g_memdup2 (values_at, n * sizeof *values), *back = g_new (float, n);
      g_autofree guint8 *blocks = g_malloc (n / 256 * 144);
      double peer, own = 0;

      g_assert_true (descry_cursor_ok (&cursor));
      memcpy (&peer, peer_at, 8);
      g_assert_true (descry_ggml_quantise (DESCRY_GGML_Q4_K, values, n, blocks));
      g_assert_true (descry_ggml_dequantise (DESCRY_GGML_Q4_K, blocks, n, back));
      for (i = 0; i < n; i++)
        own += ((double) back[i] - values[i]) * ((double) back[i] - values[i]);
      g_test_message ("set %u: squared error %g, llama.cpp %g, ratio %.3f", sets, own, peer, own / peer);
      g_assert_cmpfloat (own, <=, 1.1 * peer);
      g_assert_cmpfloat (own, >, 0);
      sets++;
    }
  g_assert_cmpuint (sets, ==, 5);
  descry_free (bytes);
}

/* What the format can say is kept: zeros, constants, all of one sign. */
static void
test_packer_edges (void)
{
  float values[256], back[256];
  guint8 blocks[144];
  guint kind, i;

  for (kind = 0; kind < 3; kind++)
    {
      for (i = 0; i < 256; i++)
        values[i] = kind == 0 ? 0.0f : kind == 1 ? 15.0f * (i / 128 + 1) : -(float) (i % 16) * 4;
      g_assert_true (descry_ggml_quantise (DESCRY_GGML_Q4_K, values, 256, blocks));
      g_assert_true (descry_ggml_dequantise (DESCRY_GGML_Q4_K, blocks, 256, back));
      for (i = 0; i < 256; i++)
        g_assert_cmpfloat (fabsf (back[i] - values[i]), <=, 0.02f * fabsf (values[i]) + 0.05f * kind);
    }

  g_assert_cmpint (descry_ggml_fitting (DESCRY_GGML_Q4_K, 512), ==, DESCRY_GGML_Q4_K);
  g_assert_cmpint (descry_ggml_fitting (DESCRY_GGML_Q4_K, 576), ==, DESCRY_GGML_Q5_0);
  g_assert_cmpint (descry_ggml_fitting (DESCRY_GGML_Q8_0, 33), ==, DESCRY_GGML_Q8_0);
}

/* Every half goes to a float and back unchanged; every float between two halves goes to the nearer. */
static void
test_halves (void)
{
  guint half;

  for (half = 0; half < 0x7c00; half++)
    {
      float low = descry_half_to_float ((guint16) half);
      float high = half + 1 < 0x7c00 ? descry_half_to_float ((guint16) (half + 1)) : 65536;
      float middle = (float) (((double) low + high) / 2);

      g_assert_cmpuint (descry_float_to_half (low), ==, half);
      g_assert_cmpuint (descry_float_to_half (-low), ==, half | 0x8000);
      g_assert_cmpuint (descry_float_to_half (middle), ==, half + (half & 1));
      g_assert_cmpuint (descry_float_to_half (nextafterf (middle, low)), ==, half);
      g_assert_cmpuint (descry_float_to_half (nextafterf (middle, high)), ==, half + 1);
    }

  g_assert_true (isinf (descry_half_to_float (0x7c00)));
  g_assert_true (isnan (descry_half_to_float (0x7e01)));
  g_assert_cmpuint (descry_float_to_half (NAN) & 0x7e00, ==, 0x7e00);
  g_assert_cmpuint (descry_float_to_half (INFINITY), ==, 0x7c00);
  g_assert_cmpuint (descry_float_to_half (-FLT_MAX), ==, 0xfc00);
}

static void
test_sizes (void)
{
  guint64 bytes;
  guint type;

  for (type = 0; type < 256; type++)
    {
      gboolean known = descry_ggml_name (type) != NULL;
      float value = 0;

      g_assert_true (known == (descry_ggml_block (type) > 0));
      g_assert_true (known == (descry_ggml_block_bytes (type) > 0));
      g_assert_true (known == descry_ggml_bytes (type, 256, &bytes));
      if (known && descry_ggml_block_bytes (type) > descry_ggml_block (type))
        g_assert_false (descry_ggml_bytes (type, G_MAXUINT64 / 256 * 256, &bytes));
      if (!known)
        g_assert_false (descry_ggml_dequantise (type, &value, 1, &value));
    }

  g_assert_false (descry_ggml_bytes (DESCRY_GGML_Q4_0, 33, &bytes));
  g_assert_false (descry_ggml_bytes (DESCRY_GGML_Q6_K, 128, &bytes));
}

/* What is no number must not break the packer. */
static void
test_not_numbers (void)
{
  float values[256];
  guint8 blocks[144];
  guint i;

  for (i = 0; i < 256; i++)
    values[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -1;

  g_assert_true (descry_ggml_quantise (DESCRY_GGML_Q8_0, values, 32, blocks));
  g_assert_true (descry_ggml_quantise (DESCRY_GGML_Q4_0, values, 32, blocks));
  g_assert_true (descry_ggml_quantise (DESCRY_GGML_Q4_1, values, 32, blocks));
  g_assert_true (descry_ggml_quantise (DESCRY_GGML_Q5_0, values, 32, blocks));
  g_assert_true (descry_ggml_quantise (DESCRY_GGML_Q4_K, values, 256, blocks));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/quant/golden", test_golden);
  g_test_add_func ("/quant/packer", test_packer);
  g_test_add_func ("/quant/packer-edges", test_packer_edges);
  g_test_add_func ("/quant/halves", test_halves);
  g_test_add_func ("/quant/sizes", test_sizes);
  g_test_add_func ("/quant/not-numbers", test_not_numbers);

  return g_test_run ();
}
