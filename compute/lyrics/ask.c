/* ask.c - one question: prompt, soft tokens, language model, links
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ask"

#include "config.h"

#include "compute/lyrics/ask.h"

#include <string.h>

#include "compute/lyrics/linker.h"
#include "compute/lyrics/prompt.h"

#define MAX_TOKENS 256 /* of an answer, unless the question says otherwise */
#define ANSWER_TAIL 64 /* tokens of a long answer that are always remembered, if the context has them */

typedef struct
{
  DescryPipeline *pipeline;
  DescryLanguage *language;
  const DescryJob *job;
  DescryTurn     *turn;
  GArray         *ids; /* gint32; -1: a soft token */
  DescrySoftTokens *soft;
  guint           n_examples; /* worked turns before the conversation */
  guint           room; /* tokens left for the answer */
} Question;

static gboolean
is_blank (const char *text)
{
  for (; *text != '\0'; text = g_utf8_next_char (text))
    if (!g_unichar_isspace (g_utf8_get_char (text)))
      return FALSE;

  return TRUE;
}

static float
get_threshold (const DescryJob *job)
{
  return job->options.threshold > 0.0f ? job->options.threshold : DESCRY_SCENE_THRESHOLD;
}

/* Bytes of the begun answer without blanks at its end. */
static gsize
count_begun (const DescryJob *job)
{
  gsize n = job->begun != NULL ? strlen (job->begun) : 0;

  while (n > 0 && g_ascii_isspace (job->begun[n - 1]))
    n--;

  return n;
}

static void
add_message (GArray     *messages,
             DescryRole  role,
             const char *text)
{
  DescryMessage message = { role, text };

  g_array_append_val (messages, message);
}

/* Ids of system message, turns from @first on, and the question. @soft_place may be NULL. */
static void
encode (Question *question,
        guint     first,
        guint    *soft_place)
{
  DescryBundle *bundle = descry_pipeline_bundle (question->pipeline);
  g_autoptr (GArray) messages = g_array_new (FALSE, FALSE, sizeof (DescryMessage));
  const char *system = descry_prompt_system (question->job->scene != NULL ? bundle->scene_text : DESCRY_SCENE_TEXT_OFF);
  const DescryExample *examples;
  guint n_examples, i;

  examples = descry_prompt_examples (bundle->scene_text, &n_examples);
  if (system != NULL && *system != '\0')
    add_message (messages, DESCRY_ROLE_SYSTEM, system);
  for (i = 0; i < MIN (n_examples, question->n_examples); i++)
    {
      add_message (messages, DESCRY_ROLE_USER, examples[i].prompt);
      add_message (messages, DESCRY_ROLE_ASSISTANT, examples[i].answer);
    }
  for (i = first; i < question->job->history->len; i++)
    {
      const DescryTurn *turn = g_ptr_array_index (question->job->history, i);

      if (turn->answer == NULL || *turn->answer == '\0')
        continue;
      add_message (messages, DESCRY_ROLE_USER, turn->prompt != NULL ? turn->prompt : turn->question);
      add_message (messages, DESCRY_ROLE_ASSISTANT, turn->answer);
    }
  add_message (messages, DESCRY_ROLE_USER, question->turn->prompt);

  g_array_set_size (question->ids, 0);
  descry_chat_encode (question->language->format, question->language->tokenizer, (const DescryMessage *) messages->data, messages->len,
                      question->ids, soft_place);
  /* Tokens begin with their blank, so none of it may be left at the end. */
  if (question->job->begun != NULL)
    descry_tokenizer_encode (question->language->tokenizer, question->job->begun, (gssize) count_begun (question->job), FALSE, question->ids);
}

/* The oldest turns are left out until the answer has room, then the worked ones. */
static gboolean
fill_ids (Question *question,
          GError  **error)
{
  guint wanted = question->job->options.max_tokens > 0 ? question->job->options.max_tokens : MAX_TOKENS;
  guint n_soft = question->soft != NULL ? question->soft->n : 0, soft_place = 0, first, i;

  /* A question without a picture needs no worked turns about one, nor does a model that was trained on such texts. */
  question->n_examples = question->job->scene != NULL && !question->language->grounded ? G_MAXUINT : 0;
  for (first = 0;; first++)
    {
      encode (question, first, &soft_place);
      if (question->ids->len + n_soft + wanted <= question->language->context)
        break;
      if (first < question->job->history->len)
        continue;
      /* No turn is left that could go: the worked ones are last. */
      if (question->n_examples == 0)
        break;
      question->n_examples = 0;
    }
  if (question->ids->len + n_soft + 1 > question->language->context)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "the question takes %u tokens, more than the %u of the language model's context",
                   question->ids->len + n_soft, question->language->context);
      return FALSE;
    }

  question->turn->left_out = MIN (first, question->job->history->len);
  question->room = wanted;
  for (i = 0; i < n_soft; i++)
    {
      const gint32 place = -1;

      g_array_insert_val (question->ids, soft_place, place);
    }
  question->turn->prompt_tokens = question->ids->len;
  question->turn->soft_tokens = n_soft;

  return TRUE;
}

static void
write_prompt (Question *question)
{
  const DescryJob *job = question->job;
  DescryBundle *bundle = descry_pipeline_bundle (question->pipeline);
  DescryTurn *turn = question->turn;
  guint i;

  for (i = 0; i < job->chips->len; i++)
    {
      guint id = g_array_index (job->chips, guint, i);

      g_array_append_val (turn->chips, id);
    }
  g_free (turn->prompt);
  if (job->scene != NULL)
    turn->prompt = descry_prompt_write (job->scene, bundle->scene_text, get_threshold (job), job->question,
                                        (const guint *) job->chips->data, job->chips->len, turn->evidence);
  else
    turn->prompt = g_strdup (job->question);
}

static void
prompt_progress_cb (double   fraction,
                    gpointer data)
{
  Question *question = data;
  g_autofree char *detail = g_strdup_printf ("%u/%u", (guint) (fraction * question->ids->len), question->ids->len);

  descry_pipeline_stage (question->pipeline, "prompt", fraction, detail);
}

static gboolean
is_cancelled (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Tokens until the model ends, the room does, or the person stops it. */
static gboolean
generate (Question             *question,
          const DescryAskHooks *hooks,
          gint64                start,
          GCancellable         *cancellable,
          GError              **error)
{
  DescryLanguage *language = question->language;
  g_autoptr (GString) answer = g_string_new_len (question->job->begun, (gssize) count_begun (question->job));
  g_autoptr (GString) bytes = g_string_new (NULL);
  DescryUtf8 utf8 = { 0 };
  guint64 seed = question->job->options.seed;
  GError *problem = NULL;
  gsize told;
  guint i;

  descry_llama_session_set_top_p (language->session, question->job->options.top_p);
  /* An answer that outgrows the context forgets its own beginning, never the question. */
  descry_llama_session_set_sliding (language->session, TRUE, MIN (question->ids->len, language->context - MIN (language->context / 4, ANSWER_TAIL)));
  for (i = 0; i < question->room && problem == NULL; i++)
    {
      gint32 id = descry_llama_next (language->session, question->job->options.temperature, &seed, cancellable, &problem);

      if (id < 0 || descry_tokenizer_is_end (language->tokenizer, id))
        break;

      told = answer->len;
      g_string_truncate (bytes, 0);
      descry_tokenizer_decode (language->tokenizer, id, bytes);
      descry_utf8_push (&utf8, bytes->str, bytes->len, answer);
      /* An answer does not begin with a blank. */
      while (told == 0 && answer->len > 0 && g_ascii_isspace (answer->str[0]))
        g_string_erase (answer, 0, 1);
      question->turn->answer_tokens = i + 1;
      if (i == 0)
        {
          question->turn->first_token_ms = (double) (g_get_monotonic_time () - start) / 1000.0;
          descry_pipeline_stage (question->pipeline, "answer", -1.0, NULL);
        }
      if (answer->len > told && hooks->text != NULL)
        hooks->text (answer->str + told, hooks->data);
      if (hooks->pause != NULL)
        hooks->pause (hooks->data);
    }
  told = answer->len;
  descry_utf8_flush (&utf8, answer);
  if (answer->len > told && hooks->text != NULL)
    hooks->text (answer->str + told, hooks->data);

  g_free (question->turn->answer);
  question->turn->answer = g_string_free (g_steal_pointer (&answer), FALSE);
  if (problem != NULL && is_cancelled (problem))
    {
      question->turn->stopped = TRUE;
      g_clear_error (&problem);
    }
  if (problem != NULL)
    g_propagate_error (error, problem);

  return problem == NULL;
}

/* The adapters were trained on talk about pictures and would only harm other talk. */
gboolean
descry_ask_wants_adapter (const DescryJob *job)
{
  return !job->options.no_lora && (job->image != NULL || job->scene != NULL);
}

DescryTurn *
descry_ask_run (DescryPipeline       *pipeline,
                const DescryJob      *job,
                const DescryAskHooks *hooks,
                GCancellable         *cancellable,
                GError              **error)
{
  g_autoptr (DescryTurn) turn = NULL;
  g_autoptr (DescrySoftTokens) soft = NULL;
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree char *reason = NULL;
  Question question = { 0 };
  gint64 start = g_get_monotonic_time ();
  GError *problem = NULL;

  if (is_blank (job->question))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, "the question is empty");
      return NULL;
    }

  turn = descry_turn_new (job->question);
  question.pipeline = pipeline;
  question.job = job;
  question.turn = turn;
  question.ids = ids;
  descry_pipeline_set_adapter (pipeline, descry_ask_wants_adapter (job));
  question.language = descry_pipeline_language (pipeline, cancellable, &problem);
  if (problem == NULL)
    write_prompt (&question);
  if (problem == NULL && job->image != NULL && job->scene != NULL && !job->options.no_connector)
    soft = descry_pipeline_soft_tokens (pipeline, job->image, job->scene, get_threshold (job), (const guint *) job->chips->data, job->chips->len, &reason, cancellable, &problem);
  question.soft = soft;
  if (reason != NULL)
    g_debug ("no soft tokens: %s", reason);
  if (problem == NULL && fill_ids (&question, &problem)
      && descry_llama_prompt (question.language->session, (const gint32 *) ids->data, ids->len, soft != NULL ? soft->values : NULL,
                              cancellable, prompt_progress_cb, &question, &problem))
    generate (&question, hooks, start, cancellable, &problem);

  if (problem != NULL && is_cancelled (problem))
    {
      turn->stopped = TRUE;
      g_clear_error (&problem);
    }
  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return NULL;
    }

  if (turn->answer == NULL)
    turn->answer = g_strdup ("");
  if (job->scene != NULL)
    descry_link_answer (turn, job->scene, get_threshold (job));
  turn->total_ms = (double) (g_get_monotonic_time () - start) / 1000.0;

  return g_steal_pointer (&turn);
}
