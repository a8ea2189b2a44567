/* chat-template.c - the chat formats of the supported families
 *
 * A conversation is written as marks and text. A mark that the vocabulary knows as a control token
 * becomes its id; text never does, whatever it says. Text between two control tokens is encoded in
 * one go, so that merges cross from the template's words into the user's as they do in a rendered
 * template.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-chat"

#include "config.h"

#include "compute/text/chat-template.h"

#include "compute/text/tokenizer-private.h"

#include <string.h>

/* The lines that published templates put where no system message is given. */
static const struct
{
  const char *mark; /* in the template's text */
  const char *line;
} default_systems[] = {
  { "named SmolLM", "You are a helpful AI assistant named SmolLM, trained by Hugging Face" },
  { "You are Qwen, created by Alibaba Cloud", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant." },
  { "You are a helpful assistant", "You are a helpful assistant." },
};

#define VICUNA_SYSTEM "A chat between a curious user and an artificial intelligence assistant. " \
                      "The assistant gives helpful, detailed, and polite answers to the user's questions."

typedef struct
{
  DescryTokenizer *tokenizer;
  GArray          *ids;
  GString         *text; /* not encoded yet */
  gboolean         start; /* @text comes first or after a control token */
} Writer;

static gboolean
is_control (DescryTokenizer *self,
            gint32           id)
{
  return id >= 0 && (self->tokens[id].type == DESCRY_TOKEN_CONTROL || self->tokens[id].type == DESCRY_TOKEN_USER);
}

static void
flush (Writer  *writer,
       gboolean start)
{
  if (writer->text->len > 0)
    descry_tokenizer_encode_part (writer->tokenizer, writer->text->str, writer->text->len, FALSE, writer->start, writer->ids);
  g_string_truncate (writer->text, 0);
  writer->start = start;
}

static void
write_id (Writer *writer,
          gint32  id)
{
  if (id < 0)
    return;
  flush (writer, TRUE);
  g_array_append_val (writer->ids, id);
}

static void
write_mark (Writer     *writer,
            const char *mark)
{
  gint32 id = descry_tokenizer_find (writer->tokenizer, mark);

  if (is_control (writer->tokenizer, id))
    write_id (writer, id);
  else
    g_string_append (writer->text, mark);
}

static void
write_text (Writer     *writer,
            const char *text)
{
  g_string_append (writer->text, text);
}

static void
write_trimmed (Writer     *writer,
               const char *text)
{
  g_autofree char *copy = g_strdup (text);

  g_string_append (writer->text, g_strstrip (copy));
}

/* Where soft tokens go: whatever was written lies before them. */
static void
note_place (Writer  *writer,
            gboolean wanted,
            guint   *soft_place)
{
  if (!wanted || soft_place == NULL)
    return;

  flush (writer, writer->start && writer->text->len == 0);
  *soft_place = writer->ids->len;
}

static const char *
role_name (DescryRole role)
{
  return role == DESCRY_ROLE_SYSTEM ? "system" : role == DESCRY_ROLE_USER ? "user" : "assistant";
}

/* <|im_start|>role\ntext<|im_end|>\n */
static void
write_chatml (Writer              *writer,
              const DescryMessage *messages,
              guint                n,
              guint                last_user,
              guint               *soft_place)
{
  const char *line = writer->tokenizer->default_system;
  guint i;

  if (line != NULL && (n == 0 || messages[0].role != DESCRY_ROLE_SYSTEM))
    {
      write_mark (writer, "<|im_start|>");
      write_text (writer, "system\n");
      write_text (writer, line);
      write_mark (writer, "<|im_end|>");
      write_text (writer, "\n");
    }
  for (i = 0; i < n; i++)
    {
      write_mark (writer, "<|im_start|>");
      write_text (writer, role_name (messages[i].role));
      write_text (writer, "\n");
      note_place (writer, i == last_user, soft_place);
      write_text (writer, messages[i].text);
      write_mark (writer, "<|im_end|>");
      write_text (writer, "\n");
    }
  write_mark (writer, "<|im_start|>");
  write_text (writer, "assistant\n");
}

/* <|start_header_id|>role<|end_header_id|>\n\ntext<|eot_id|> */
static void
write_llama3 (Writer              *writer,
              const DescryMessage *messages,
              guint                n,
              guint                last_user,
              guint               *soft_place)
{
  guint i;

  for (i = 0; i <= n; i++)
    {
      write_mark (writer, "<|start_header_id|>");
      write_text (writer, i < n ? role_name (messages[i].role) : "assistant");
      write_mark (writer, "<|end_header_id|>");
      write_text (writer, "\n\n");
      if (i == n)
        return;
      note_place (writer, i == last_user, soft_place);
      write_trimmed (writer, messages[i].text);
      write_mark (writer, "<|eot_id|>");
    }
}

/* Llama 2: <s>[INST] <<SYS>>\nsystem\n<</SYS>>\n\ntext [/INST] answer </s>
 * Mistral: <s>[INST] system\n\ntext [/INST]answer</s>, one <s> for the whole conversation. */
static void
write_inst (Writer              *writer,
            gboolean             llama2,
            const DescryMessage *messages,
            guint                n,
            guint                last_user,
            guint               *soft_place)
{
  const char *system = NULL;
  guint i;

  for (i = 0; i < n; i++)
    switch (messages[i].role)
      {
      case DESCRY_ROLE_SYSTEM:
        system = messages[i].text;
        break;

      case DESCRY_ROLE_USER:
        if (llama2 && writer->ids->len > 1)
          write_id (writer, descry_tokenizer_bos (writer->tokenizer));
        write_mark (writer, "[INST]");
        note_place (writer, i == last_user, soft_place);
        write_text (writer, " ");
        if (system != NULL)
          {
            write_text (writer, llama2 ? "<<SYS>>\n" : "");
            write_text (writer, system);
            write_text (writer, llama2 ? "\n<</SYS>>\n\n" : "\n\n");
            system = NULL;
          }
        if (llama2)
          write_trimmed (writer, messages[i].text);
        else
          write_text (writer, messages[i].text);
        write_text (writer, " ");
        write_mark (writer, "[/INST]");
        break;

      case DESCRY_ROLE_ASSISTANT:
        if (llama2)
          {
            write_text (writer, " ");
            write_trimmed (writer, messages[i].text);
            write_text (writer, " ");
          }
        else
          write_text (writer, messages[i].text);
        write_id (writer, descry_tokenizer_eos (writer->tokenizer));
        break;
      }
}

/* <|role|>\ntext</s>\n */
static void
write_zephyr (Writer              *writer,
              const DescryMessage *messages,
              guint                n,
              guint                last_user,
              guint               *soft_place)
{
  static const char *const marks[] = { "<|system|>", "<|user|>", "<|assistant|>" };
  guint i;

  for (i = 0; i < n; i++)
    {
      write_mark (writer, marks[messages[i].role]);
      write_text (writer, "\n");
      note_place (writer, i == last_user, soft_place);
      write_text (writer, messages[i].text);
      write_id (writer, descry_tokenizer_eos (writer->tokenizer));
      write_text (writer, "\n");
    }
  write_mark (writer, "<|assistant|>");
  write_text (writer, "\n");
}

/* system USER: text ASSISTANT: answer</s>USER: … */
static void
write_vicuna (Writer              *writer,
              const DescryMessage *messages,
              guint                n,
              guint                last_user,
              guint               *soft_place)
{
  guint i;

  if (n == 0 || messages[0].role != DESCRY_ROLE_SYSTEM)
    write_text (writer, VICUNA_SYSTEM " ");
  for (i = 0; i < n; i++)
    switch (messages[i].role)
      {
      case DESCRY_ROLE_SYSTEM:
        write_text (writer, messages[i].text);
        write_text (writer, " ");
        break;

      case DESCRY_ROLE_USER:
        write_text (writer, "USER:");
        note_place (writer, i == last_user, soft_place);
        write_text (writer, " ");
        write_text (writer, messages[i].text);
        write_text (writer, " ");
        break;

      case DESCRY_ROLE_ASSISTANT:
        write_text (writer, "ASSISTANT: ");
        write_text (writer, messages[i].text);
        write_id (writer, descry_tokenizer_eos (writer->tokenizer));
        break;
      }
  write_text (writer, "ASSISTANT:");
}

/* Paragraphs and nothing else: a base model goes on writing. */
static void
write_plain (Writer              *writer,
             const DescryMessage *messages,
             guint                n,
             guint                last_user,
             guint               *soft_place)
{
  guint i;

  for (i = 0; i < n; i++)
    {
      note_place (writer, i == last_user, soft_place);
      write_text (writer, messages[i].text);
      write_text (writer, "\n");
    }
}

void
descry_chat_encode (DescryChatFormat     format,
                    DescryTokenizer     *tokenizer,
                    const DescryMessage *messages,
                    guint                n,
                    GArray              *ids,
                    guint               *soft_place)
{
  Writer writer = { tokenizer, ids, NULL, TRUE };
  guint last_user = G_MAXUINT;
  guint i;

  g_return_if_fail (tokenizer != NULL && ids != NULL && (messages != NULL || n == 0));

  writer.text = g_string_new (NULL);
  for (i = 0; i < n; i++)
    if (messages[i].role == DESCRY_ROLE_USER)
      last_user = i;

  /* These templates write BOS themselves, the others leave it to the vocabulary's flag. */
  if (descry_tokenizer_adds_bos (tokenizer) || format == DESCRY_CHAT_LLAMA2 || format == DESCRY_CHAT_LLAMA3 || format == DESCRY_CHAT_MISTRAL)
    write_id (&writer, descry_tokenizer_bos (tokenizer));
  if (soft_place != NULL)
    *soft_place = ids->len;

  switch (format)
    {
    case DESCRY_CHAT_CHATML:
      write_chatml (&writer, messages, n, last_user, soft_place);
      break;
    case DESCRY_CHAT_LLAMA2:
    case DESCRY_CHAT_MISTRAL:
      write_inst (&writer, format == DESCRY_CHAT_LLAMA2, messages, n, last_user, soft_place);
      break;
    case DESCRY_CHAT_LLAMA3:
      write_llama3 (&writer, messages, n, last_user, soft_place);
      break;
    case DESCRY_CHAT_ZEPHYR:
      write_zephyr (&writer, messages, n, last_user, soft_place);
      break;
    case DESCRY_CHAT_VICUNA:
      write_vicuna (&writer, messages, n, last_user, soft_place);
      break;
    case DESCRY_CHAT_PLAIN:
      write_plain (&writer, messages, n, last_user, soft_place);
      break;
    }

  if (tokenizer->answer_prefix != NULL)
    write_text (&writer, tokenizer->answer_prefix);
  flush (&writer, FALSE);
  g_string_free (writer.text, TRUE);
}

DescryChatFormat
descry_chat_format (DescryGguf      *gguf,
                    DescryTokenizer *tokenizer)
{
  return (DescryChatFormat) tokenizer->chat_format;
}

static DescryChatFormat
format_of_text (const char *text)
{
  if (strstr (text, "<|im_start|>") != NULL)
    return DESCRY_CHAT_CHATML;
  if (strstr (text, "<|start_header_id|>") != NULL)
    return DESCRY_CHAT_LLAMA3;
  if (strstr (text, "<|user|>") != NULL)
    return DESCRY_CHAT_ZEPHYR;
  if (strstr (text, "[INST]") != NULL)
    return strstr (text, "<<SYS>>") != NULL ? DESCRY_CHAT_LLAMA2 : DESCRY_CHAT_MISTRAL;
  if (strstr (text, "USER:") != NULL && strstr (text, "ASSISTANT:") != NULL)
    return DESCRY_CHAT_VICUNA;

  return DESCRY_CHAT_PLAIN;
}

void
descry_chat_recognise (DescryTokenizer           *self,
                       const DescryTokenizerData *data)
{
  const char *text = data->chat_template;
  guint i;

  if (text == NULL)
    {
      g_autofree char *name = data->name != NULL ? g_ascii_strdown (data->name, -1) : g_strdup ("");

      /* No template: the vocabulary's control tokens, then the model's name. */
      if (is_control (self, descry_tokenizer_find (self, "<|im_start|>")))
        self->chat_format = DESCRY_CHAT_CHATML;
      else if (is_control (self, descry_tokenizer_find (self, "<|start_header_id|>")))
        self->chat_format = DESCRY_CHAT_LLAMA3;
      else if (is_control (self, descry_tokenizer_find (self, "[INST]")))
        self->chat_format = DESCRY_CHAT_MISTRAL;
      else
        self->chat_format = strstr (name, "vicuna") != NULL ? DESCRY_CHAT_VICUNA : DESCRY_CHAT_PLAIN;
      return;
    }

  self->chat_format = format_of_text (text);
  if (self->chat_format != DESCRY_CHAT_CHATML)
    return;
  for (i = 0; i < G_N_ELEMENTS (default_systems) && self->default_system == NULL; i++)
    if (strstr (text, default_systems[i].mark) != NULL)
      self->default_system = default_systems[i].line;

  /* Models that think aloud are asked not to, the way their template writes it. */
  if (strstr (text, "enable_thinking") != NULL && strstr (text, "</think>") != NULL)
    self->answer_prefix = "<think>\n\n</think>\n\n";
}
