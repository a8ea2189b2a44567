/* chat-template.h - the chat formats of the supported families
 *
 * A template in a file is never executed: it is recognised by marks in its text (or by the
 * vocabulary) and one of ours is used.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/text/tokenizer.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_CHAT_CHATML, /* SmolLM2, Qwen */
  DESCRY_CHAT_LLAMA2,
  DESCRY_CHAT_LLAMA3,
  DESCRY_CHAT_MISTRAL,
  DESCRY_CHAT_ZEPHYR, /* TinyLlama */
  DESCRY_CHAT_VICUNA,
  DESCRY_CHAT_PLAIN /* a base model: text only */
} DescryChatFormat;

DescryChatFormat descry_chat_format (DescryGguf *gguf, DescryTokenizer *tokenizer);

typedef enum { DESCRY_ROLE_SYSTEM, DESCRY_ROLE_USER, DESCRY_ROLE_ASSISTANT } DescryRole;

typedef struct { DescryRole role; const char *text; } DescryMessage;

/* Appends the ids of the whole conversation, ending where the assistant's answer begins.
 * @soft_place: (out) (optional): index in @ids where soft tokens belong: right after the mark that
 * opens the last user message. */
void descry_chat_encode (DescryChatFormat format, DescryTokenizer *tokenizer, const DescryMessage *messages, guint n, GArray *ids, guint *soft_place);

G_END_DECLS
