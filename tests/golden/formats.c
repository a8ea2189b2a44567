/* formats.c - language models in every weight format against the same weights in f32
 *
 * The files are random blocks, written here. Readers are checked bit by bit in tests/unit/quant.c and the f32 network
 * against transformers in tests/golden/llama.c, so the f32 file through the float kernels is the reference.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <unistd.h>

#include <glib/gstdio.h>

#include "compute/models/llama.h"
#include "compute/ops/gemm.h"
#include "tests/golden/random-llama.h"
#include "tests/ops/harness.h"

#define TOKENS 70
#define GREEDY 16
/* Float sums in another order: what the f32 network itself is held to. */
#define EXACT 1e-9
/* One row, or many, may go through 16-bit activations, whose error an op is held to 1e-8 for. */
#define DECODED 1e-6
#define WHOLE 1.5e-8 /* of many rows: twice the largest of these models, 7.4e-9 */

static const RandomShape wide = { 256, 512, 4, 2, 2, 96, 128 };
/* Rows that are no multiple of 256: K formats are replaced there, as llama.cpp's files do. */
static const RandomShape narrow = { 96, 160, 4, 2, 2, 96, 128 };

static const struct
{
  const char        *name;
  const RandomShape *shape;
  RandomType         types[6];
} cases[] = {
  { "f16", &narrow, { { "", DESCRY_GGML_F16 } } },
  { "bf16", &narrow, { { "", DESCRY_GGML_BF16 } } },
  { "q8_0", &narrow, { { "", DESCRY_GGML_Q8_0 } } },
  { "q4_0", &narrow, { { "", DESCRY_GGML_Q4_0 } } },
  { "q4_1", &narrow, { { "", DESCRY_GGML_Q4_1 } } },
  { "q5_0", &narrow, { { "", DESCRY_GGML_Q5_0 } } },
  { "q5_1", &narrow, { { "", DESCRY_GGML_Q5_1 } } },
  { "iq4_nl", &narrow, { { "", DESCRY_GGML_IQ4_NL } } },
  { "q4_k", &wide, { { "", DESCRY_GGML_Q4_K } } },
  { "q5_k", &wide, { { "", DESCRY_GGML_Q5_K } } },
  { "q6_k", &wide, { { "", DESCRY_GGML_Q6_K } } },
  /* The usual files: more bits for values, the way down and the words. */
  { "q4_k_m", &wide, { { "attn_v", DESCRY_GGML_Q6_K }, { "ffn_down", DESCRY_GGML_Q6_K }, { "output.weight", DESCRY_GGML_Q6_K }, { "", DESCRY_GGML_Q4_K } } },
  { "q5_k_m", &wide, { { "attn_v", DESCRY_GGML_Q6_K }, { "ffn_down", DESCRY_GGML_Q6_K }, { "output.weight", DESCRY_GGML_Q6_K }, { "", DESCRY_GGML_Q5_K } } },
  { "q4_k_m-narrow", &narrow, { { "attn_v", DESCRY_GGML_Q8_0 }, { "ffn_down", DESCRY_GGML_Q8_0 }, { "token_embd", DESCRY_GGML_Q8_0 }, { "", DESCRY_GGML_Q5_0 } } },
  { "q5_k_m-narrow", &narrow, { { "attn_v", DESCRY_GGML_Q8_0 }, { "ffn_down", DESCRY_GGML_Q8_0 }, { "token_embd", DESCRY_GGML_Q8_0 }, { "", DESCRY_GGML_Q5_1 } } },
  { "mixed", &narrow, { { "attn_q", DESCRY_GGML_BF16 }, { "attn_k", DESCRY_GGML_F32 }, { "ffn_gate", DESCRY_GGML_F16 }, { "ffn_up", DESCRY_GGML_Q4_1 }, { "", DESCRY_GGML_IQ4_NL } } },
};

typedef struct
{
  guint        index;
  DescryFamily family;
} Case;

static char *
temporary (const char *name)
{
  g_autofree char *template = g_strdup_printf ("descry-%s-XXXXXX", name);
  char *path = g_build_filename (g_get_tmp_dir (), template, NULL);

  close (g_mkstemp (path));
  return path;
}

static DescryLlama *
load (DescryDevice *device,
      const char   *path)
{
  GError *error = NULL;
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, &error);
  DescryLlama *model;

  g_assert_no_error (error);
  model = descry_llama_new (device, gguf, NULL, NULL, NULL, &error);
  g_assert_no_error (error);

  return model;
}

static void
test_format (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (DescryDevice) device = open_test_device (test->family);
  const RandomShape *shape = cases[test->index].shape;
  g_autofree char *packed_path = NULL, *plain_path = NULL;
  g_autofree float *found = g_new (float, TOKENS * shape->vocabulary), *expected = g_new (float, TOKENS * shape->vocabulary);
  gint32 ids[TOKENS], tokens[2][GREEDY];
  GError *error = NULL;
  double all, few;
  guint which, i;

  if (device == NULL)
    return;
  packed_path = temporary ("packed");
  plain_path = temporary ("plain");
  write_random_llama (test->index + 1, shape, cases[test->index].types, packed_path, plain_path);
  for (i = 0; i < TOKENS; i++)
    ids[i] = (i * 37 + 11) % shape->vocabulary;

  for (which = 0; which < 2; which++)
    {
      g_autoptr (DescryLlama) model = load (device, which == 0 ? plain_path : packed_path);
      g_autoptr (DescryLlamaSession) session = descry_llama_session_new (model, shape->context, &error);

      g_assert_no_error (error);
      descry_gemm_force (device, which == 0 ? DESCRY_GEMM_OWN : DESCRY_GEMM_AUTO);
      g_assert_true (descry_llama_logits (session, ids, TOKENS, NULL, which == 0 ? expected : found, &error));
      g_assert_no_error (error);

      g_assert_true (descry_llama_prompt (session, ids, 20, NULL, NULL, NULL, NULL, &error));
      for (i = 0; i < GREEDY; i++)
        {
          tokens[which][i] = descry_llama_next (session, 0.0f, NULL, NULL, &error);
          g_assert_no_error (error);
        }

      if (which == 1)
        {
          all = nmse_of (found, expected, TOKENS * shape->vocabulary);
          g_test_message ("%s: NMSE of the logits, products in integers where there are such, %.2g", cases[test->index].name, all);
          g_assert_cmpfloat (all, <=, WHOLE);
          descry_gemm_force (device, DESCRY_GEMM_OWN);
          g_assert_true (descry_llama_logits (session, ids, TOKENS, NULL, found, &error));
          descry_gemm_force (device, DESCRY_GEMM_AUTO);
          all = nmse_of (found, expected, TOKENS * shape->vocabulary);
          /* Seven rows go through the products of few rows, one through those of decoding. */
          g_assert_true (descry_llama_logits (session, ids, 7, NULL, found, &error));
          few = nmse_of (found, expected, 7 * shape->vocabulary);
          g_test_message ("%s: NMSE of the logits %.2g, of few rows %.2g", cases[test->index].name, all, few);
          g_assert_cmpfloat (all, <=, EXACT);
          g_assert_cmpfloat (few, <=, EXACT);

          g_assert_true (descry_llama_logits (session, ids, 1, NULL, found, &error));
          few = nmse_of (found, expected, shape->vocabulary);
          g_test_message ("%s: NMSE of one row %.2g", cases[test->index].name, few);
          g_assert_cmpfloat (few, <=, DECODED);
        }
    }
  g_assert_cmpmem (tokens[0], sizeof tokens[0], tokens[1], sizeof tokens[1]);

  g_assert_cmpint (g_unlink (packed_path), ==, 0);
  g_assert_cmpint (g_unlink (plain_path), ==, 0);
}

int
main (int    argc,
      char **argv)
{
  guint i, f;

  g_test_init (&argc, &argv, NULL);

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    for (f = 0; f < 2; f++)
      {
        Case *test = g_new (Case, 1);
        g_autofree char *name = g_strdup_printf ("/golden/formats/%s/%s", cases[i].name, f == 0 ? "cpu" : "gpu");

        *test = (Case) { i, f == 0 ? DESCRY_FAMILY_CPU : DESCRY_FAMILY_GPU };
        g_test_add_data_func_full (name, test, test_format, g_free);
      }

  return g_test_run ();
}
