/* judge-pictures.c - how well a language model answers about the test pictures of a set, with the connector and without
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/judge-pictures.h"

#include <glib/gi18n.h>
#include <string.h>

#include "compute/lyrics/connector.h"
#include "compute/lyrics/prompt.h"
#include "compute/models/llama.h"
#include "compute/text/chat-template.h"
#include "compute/train/example.h"

#define ANSWER_TOKENS 48
#define CONTEXT       1024

typedef enum { WAY_ON, WAY_ANOTHER, WAY_OFF } Way;

static const char *const way_names[] = { "on", "another", "off" };

typedef struct { guint right, all; } Share;

typedef struct
{
  DescryPictureSet   *set;
  gboolean            every_split;
  DescryConnector    *connector; /* or NULL */
  DescryTokenizer    *tokenizer;
  DescryChatFormat    format;
  DescryLlamaSession *session;
  GHashTable         *trained; /* nouns of training pictures */
  GHashTable         *shares; /* kind -> Share */
  GCancellable       *cancellable;
  gboolean            show_wrong;
} Judge;

static DescrySoftTokens *
soft_tokens (Judge                       *judge,
             DescryPicture               *picture,
             const DescryPictureQuestion *question, /* NULL: of another picture */
             GError                     **error)
{
  const guint n = question != NULL ? question->n_pointed : 0;
  g_autofree guint *pointed = g_new (guint, MAX (n, 1));
  g_autoptr (DescryScene) scene = descry_picture_scene (picture);
  DescryTokens tokens = { .height = picture->grid_height, .width = picture->grid_width, .channels = picture->channels, .values = picture->grid };
  guint i;

  for (i = 0; i < n; i++)
    pointed[i] = question->pointed[i] + 1; /* ids of the scene count from 1 */
  return descry_connector_run (judge->connector, &tokens, scene, 0.0f, pointed, n, judge->cancellable, error);
}

static gboolean
answer (Judge                       *judge,
        const DescryPictureQuestion *question,
        const DescrySoftTokens      *soft,
        GString                     *text,
        GError                     **error)
{
  const DescryMessage messages[] = { { DESCRY_ROLE_SYSTEM, descry_prompt_system (DESCRY_SCENE_TEXT_SHORT) }, { DESCRY_ROLE_USER, question->prompt } };
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  const gint32 place = -1;
  guint64 seed = 0;
  guint at = 0, i;

  g_string_truncate (text, 0);
  descry_chat_encode (judge->format, judge->tokenizer, messages, 2, ids, &at);
  for (i = 0; soft != NULL && i < soft->n; i++)
    g_array_insert_val (ids, at, place);
  if (!descry_llama_prompt (judge->session, (const gint32 *) ids->data, ids->len, soft != NULL ? soft->values : NULL, judge->cancellable, NULL, NULL, error))
    return FALSE;
  for (i = 0; i < ANSWER_TOKENS; i++)
    {
      gint32 id = descry_llama_next (judge->session, 0.0f, &seed, judge->cancellable, error);

      if (id < 0)
        return FALSE;
      if (descry_tokenizer_is_end (judge->tokenizer, id))
        break;
      descry_tokenizer_decode (judge->tokenizer, id, text);
    }

  return TRUE;
}

/* What a question counts under; NULL: not at all. */
static const char *
kind_of (Judge                       *judge,
         DescryPicture               *picture,
         const DescryPictureQuestion *question)
{
  if (!question->from_picture)
    return "text";
  if (strcmp (question->kind, "noun") == 0
      && !g_hash_table_contains (judge->trained, ((DescryPictureObject *) g_ptr_array_index (picture->objects, question->pointed[0]))->noun))
    return "noun-untrained";

  return question->kind;
}

/* Test pictures first, then those of the other splits. */
static DescryPicture *
get_picture (Judge   *judge,
             guint    index,
             GError **error)
{
  static const DescrySplit splits[] = { DESCRY_SPLIT_TEST, DESCRY_SPLIT_VALIDATION, DESCRY_SPLIT_TRAIN };
  guint i;

  for (i = 0; i + 1 < G_N_ELEMENTS (splits) && index >= descry_picture_set_count (judge->set, splits[i]); i++)
    index -= descry_picture_set_count (judge->set, splits[i]);

  return descry_picture_set_get (judge->set, splits[i], index, error);
}

static guint
count_pictures (Judge *judge)
{
  guint n = descry_picture_set_count (judge->set, DESCRY_SPLIT_TEST);

  if (judge->every_split)
    n += descry_picture_set_count (judge->set, DESCRY_SPLIT_VALIDATION) + descry_picture_set_count (judge->set, DESCRY_SPLIT_TRAIN);
  return n;
}

static gboolean
judge_picture (Judge         *judge,
               guint          index,
               guint          n,
               Way            way,
               GError       **error)
{
  g_autoptr (DescryPicture) picture = get_picture (judge, index, error), other = NULL;
  g_autoptr (DescrySoftTokens) soft = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean right;
  guint i;

  if (picture == NULL)
    return FALSE;
  if (way == WAY_ANOTHER)
    {
      other = get_picture (judge, (index + n / 2) % n, error);
      if (other == NULL)
        return FALSE;
    }
  for (i = 0; i < picture->questions->len; i++)
    {
      const DescryPictureQuestion *question = g_ptr_array_index (picture->questions, i);
      const char *kind = kind_of (judge, picture, question);
      Share *share = g_hash_table_lookup (judge->shares, kind);

      if (share == NULL)
        g_hash_table_insert (judge->shares, g_strdup (kind), share = g_new0 (Share, 1));
      /* Another picture's do not depend on the question. */
      if (way == WAY_ON || (way == WAY_ANOTHER && soft == NULL))
        {
          g_clear_pointer (&soft, descry_soft_tokens_unref);
          soft = soft_tokens (judge, other != NULL ? other : picture, other != NULL ? NULL : question, error);
          if (soft == NULL)
            return FALSE;
        }
      if (!answer (judge, question, soft, text, error))
        return FALSE;
      share->all++;
      right = descry_picture_answer_is (question, text->str);
      share->right += right;
      if (!right && judge->show_wrong)
        g_printerr ("[%s, %s, %s] %s\n  expected: %s\n  found:    %s\n", picture->name, way_names[way], question->kind, question->prompt, question->answer, text->str);
    }

  return TRUE;
}

static gboolean
collect_trained (Judge            *judge,
                 DescryPictureSet *set,
                 GError          **error)
{
  guint n = descry_picture_set_count (set, DESCRY_SPLIT_TRAIN), i, k;

  for (i = 0; i < n; i++)
    {
      g_autoptr (DescryPicture) picture = descry_picture_set_get (set, DESCRY_SPLIT_TRAIN, i, error);

      if (picture == NULL)
        return FALSE;
      for (k = 0; k < picture->objects->len; k++)
        g_hash_table_add (judge->trained, g_strdup (((DescryPictureObject *) g_ptr_array_index (picture->objects, k))->noun));
    }

  return TRUE;
}

static gboolean
judge_all (Judge   *judge,
           guint    first,
           GError **error)
{
  guint n = MIN (first, count_pictures (judge)), i;
  Way way;

  for (way = judge->connector != NULL ? WAY_ON : WAY_OFF; way <= WAY_OFF; way++)
    {
      GHashTableIter iter;
      gpointer kind, share;

      g_hash_table_remove_all (judge->shares);
      for (i = 0; i < n; i++)
        if (!judge_picture (judge, i, n, way, error))
          return FALSE;
      g_hash_table_iter_init (&iter, judge->shares);
      while (g_hash_table_iter_next (&iter, &kind, &share))
        g_print ("{\"descry\":1,\"connector\":\"%s\",\"kind\":\"%s\",\"right\":%u,\"all\":%u}\n", way_names[way], (const char *) kind, ((Share *) share)->right, ((Share *) share)->all);
    }

  return TRUE;
}

gboolean
descry_judge_pictures (DescryDevice             *device,
                       const DescryJudgeOptions *options,
                       GCancellable             *cancellable,
                       GError                  **error)
{
  g_autoptr (DescryPictureSet) set = descry_picture_set_open (options->set, error), known = NULL;
  g_autoptr (DescryGguf) gguf = set != NULL ? descry_gguf_open (options->model, error) : NULL, adapter = NULL, former = NULL;
  g_autoptr (DescryTokenizer) tokenizer = gguf != NULL ? descry_tokenizer_new (gguf, error) : NULL;
  g_autoptr (DescryLlama) model = NULL;
  g_autoptr (DescryLlamaSession) session = NULL;
  g_autoptr (DescryConnector) connector = NULL;
  g_autoptr (GHashTable) trained = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL), shares = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *reason = NULL;
  Judge judge = { .set = set, .every_split = options->every_split, .tokenizer = tokenizer, .trained = trained, .shares = shares, .cancellable = cancellable, .show_wrong = options->show_wrong };

  if (tokenizer == NULL || (options->trained != NULL && (known = descry_picture_set_open (options->trained, error)) == NULL))
    return FALSE;
  if (options->adapter != NULL && (adapter = descry_gguf_open (options->adapter, error)) == NULL)
    return FALSE;
  if (options->connector != NULL)
    {
      former = descry_gguf_open (options->connector, error);
      connector = former != NULL ? descry_connector_new (device, former, gguf, 0, TRUE, &reason, error) : NULL;
      if (connector == NULL)
        {
          if (reason != NULL)
            g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, reason);
          return FALSE;
        }
    }
  model = descry_llama_new_adapted (device, gguf, adapter, cancellable, NULL, NULL, error);
  session = model != NULL ? descry_llama_session_new (model, CONTEXT, error) : NULL;
  if (session == NULL)
    return FALSE;
  judge.connector = connector;
  judge.format = descry_chat_format (gguf, tokenizer);
  judge.session = session;

  return collect_trained (&judge, known != NULL ? known : set, error) && judge_all (&judge, options->first, error);
}
