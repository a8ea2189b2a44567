/* answers.c - the stored questions, answered by the language model on our own kernels
 *
 * Scenes, prompt, template, tokenizer, network, linker and judge as `descry ask` joins them. Needs SmolLM2's file
 * (DESCRY_TEST_SMOLLM2); the shares are printed beside those of a template without a model.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/lyrics/answers.h"
#include "compute/lyrics/linker.h"
#include "compute/lyrics/prompt.h"
#include "compute/models/llama.h"
#include "compute/text/chat-template.h"

#define MAX_TOKENS 32
#define CONTEXT 1024
/* Of twenty; greedy arithmetic may differ by a token between devices. */
#define EXPECTED_TUNING 18
#define EXPECTED_TEST 17

typedef struct
{
  DescryTokenizer *tokenizer;
  DescryChatFormat format;
  DescryLlamaSession *session;
} Model;

static char *
generate (Model       *model,
          const char  *prompt)
{
  g_autoptr (GArray) messages = g_array_new (FALSE, FALSE, sizeof (DescryMessage));
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (GString) answer = g_string_new (NULL);
  g_autoptr (GString) bytes = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  DescryMessage message = { DESCRY_ROLE_SYSTEM, descry_prompt_system (DESCRY_SCENE_TEXT_SHORT) };
  const DescryExample *examples;
  DescryUtf8 state = { { 0 }, 0 };
  guint64 seed = 0;
  guint n, i;

  g_array_append_val (messages, message);
  examples = descry_prompt_examples (DESCRY_SCENE_TEXT_SHORT, &n);
  for (i = 0; i < n; i++)
    {
      message = (DescryMessage) { DESCRY_ROLE_USER, examples[i].prompt };
      g_array_append_val (messages, message);
      message = (DescryMessage) { DESCRY_ROLE_ASSISTANT, examples[i].answer };
      g_array_append_val (messages, message);
    }
  message = (DescryMessage) { DESCRY_ROLE_USER, prompt };
  g_array_append_val (messages, message);

  descry_chat_encode (model->format, model->tokenizer, (const DescryMessage *) (void *) messages->data, messages->len, ids, NULL);
  descry_llama_prompt (model->session, (const gint32 *) (void *) ids->data, ids->len, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  for (i = 0; i < MAX_TOKENS; i++)
    {
      gint32 id = descry_llama_next (model->session, 0.0f, &seed, NULL, &error);

      g_assert_no_error (error);
      if (descry_tokenizer_is_end (model->tokenizer, id))
        break;
      g_string_truncate (bytes, 0);
      descry_tokenizer_decode (model->tokenizer, id, bytes);
      descry_utf8_push (&state, bytes->str, bytes->len, answer);
    }

  return g_string_free (g_steal_pointer (&answer), FALSE);
}

static guint
ask_all (Model      *model,
         const char *name,
         GHashTable *scenes)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "flow", "answers", name, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) pairs = descry_pairs_read (path, &error);
  guint right = 0, template_right = 0, links = 0, i;

  g_assert_no_error (error);
  for (i = 0; i < pairs->len; i++)
    {
      const DescryPair *pair = g_ptr_array_index (pairs, i);
      DescryScene *scene = g_hash_table_lookup (scenes, pair->file);
      g_autoptr (DescryTurn) turn = descry_turn_new (pair->question);
      const guint *chips;
      g_autofree char *template = NULL;
      gboolean accepted;

      descry_pair_chips (pair, scene, turn->chips);
      chips = (const guint *) (void *) turn->chips->data;
      turn->prompt = descry_prompt_write (scene, DESCRY_SCENE_TEXT_SHORT, DESCRY_SCENE_THRESHOLD, pair->question, chips, turn->chips->len, turn->evidence);
      template = descry_prompt_template_answer (scene, DESCRY_SCENE_THRESHOLD, pair->question, chips, turn->chips->len);
      turn->answer = generate (model, turn->prompt);
      descry_link_answer (turn, scene, DESCRY_SCENE_THRESHOLD);
      accepted = descry_pair_accepts (pair, turn->answer);
      right += accepted;
      template_right += descry_pair_accepts (pair, template);
      links += turn->links->len;
      if (!accepted)
        g_test_message ("%s: %s -> %s", pair->file, pair->question, turn->answer);
    }
  g_test_message ("%s: %u of %u right, template %u, %u links", name, right, pairs->len, template_right, links);
  g_assert_cmpuint (links, >=, pairs->len / 2);

  return right;
}

static void
test_answers (void)
{
  const char *path = g_getenv ("DESCRY_TEST_SMOLLM2");
  g_autofree char *stored = g_test_build_filename (G_TEST_DIST, "flow", "answers", "scenes.jsonl", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryDevice) device = NULL;
  g_autoptr (DescryGguf) gguf = NULL;
  g_autoptr (DescryTokenizer) tokenizer = NULL;
  g_autoptr (DescryLlama) llama = NULL;
  g_autoptr (DescryLlamaSession) session = NULL;
  g_autoptr (GHashTable) scenes = NULL;
  Model model;

  if (path == NULL || !g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("DESCRY_TEST_SMOLLM2 names no SmolLM2 GGUF");
      return;
    }
  device = descry_device_open (g_getenv ("DESCRY_TEST_DEVICE"), DESCRY_FAMILY_AUTO, &error);
  if (device == NULL)
    {
      g_test_skip (error->message);
      return;
    }

  gguf = descry_gguf_open (path, &error);
  g_assert_no_error (error);
  tokenizer = descry_tokenizer_new (gguf, &error);
  g_assert_no_error (error);
  llama = descry_llama_new (device, gguf, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  session = descry_llama_session_new (llama, CONTEXT, &error);
  g_assert_no_error (error);
  scenes = descry_pairs_read_scenes (stored, &error);
  g_assert_no_error (error);

  model = (Model) { tokenizer, descry_chat_format (gguf, tokenizer), session };
  g_assert_cmpuint (ask_all (&model, "tuning.jsonl", scenes), >=, EXPECTED_TUNING);
  g_assert_cmpuint (ask_all (&model, "test.jsonl", scenes), >=, EXPECTED_TEST);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/flow/answers", test_answers);

  return g_test_run ();
}
