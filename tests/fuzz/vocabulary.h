/* vocabulary.h - a tokenizer's tables out of a stranger's bytes
 *
 * First byte: pre-tokenizer. Then lines: kind (t token, c control, u user, b byte, x wrong type, m merge), a byte that
 * becomes the score, the text. A line that is only "=" ends the tables; the rest is text to encode.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <stdlib.h>
#include <string.h>

#include "compute/text/chat-template.h"
#include "compute/text/tokenizer-private.h"

#define MOST 512 /* lines of tables */

static inline void
encode_and_check (DescryTokenizer *tokenizer,
                  const char      *text,
                  gsize            length,
                  gboolean         special)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  GString *bytes = g_string_new (NULL), *out = g_string_new (NULL);
  DescryUtf8 state = { { 0 }, 0 };
  guint i;

  descry_tokenizer_encode (tokenizer, text, length, special, ids);
  for (i = 0; i < ids->len; i++)
    {
      gint32 id = g_array_index (ids, gint32, i);

      if (id < 0 || (guint) id >= descry_tokenizer_size (tokenizer))
        abort ();
      /* What a user typed never becomes a control token; an unknown character may become the unknown one. */
      if (!special && tokenizer->tokens[id].type == DESCRY_TOKEN_CONTROL && id != tokenizer->unknown)
        abort ();
      g_string_truncate (bytes, 0);
      descry_tokenizer_decode (tokenizer, id, bytes);
      descry_utf8_push (&state, bytes->str, bytes->len, out);
    }
  descry_utf8_flush (&state, out);
  if (!g_utf8_validate (out->str, out->len, NULL))
    abort ();
  g_string_free (bytes, TRUE);
  g_string_free (out, TRUE);
}

static inline int
fuzz_vocabulary (const char    *model,
                 const uint8_t *data,
                 size_t         size)
{
  static const char *const pres[] = { "gpt-2", "smollm", "llama-bpe", "qwen2" };
  DescryBytes tokens[MOST], merges[MOST];
  gint32 types[MOST];
  float scores[MOST];
  DescryTokenizerData tables = { "input", model, NULL, tokens, 0, merges, 0, NULL, 0, types, 0, 0, 1, -1, 2, TRUE, TRUE, NULL, NULL };
  g_autoptr (DescryTokenizer) tokenizer = NULL;
  g_autofree char *text = NULL;
  const char *at = (const char *) data + 1, *end = (const char *) data + size;

  if (size < 1)
    return 0;

  tables.pre = pres[data[0] % 4];
  while (at < end && tables.n_tokens + tables.n_merges < MOST)
    {
      const char *stop = memchr (at, '\n', end - at);
      gsize n = (stop != NULL ? stop : end) - at;
      DescryBytes line = { at + 2, n >= 2 ? n - 2 : 0 };

      if (n < 2 || at[0] == '=')
        {
          at = stop != NULL ? stop + 1 : end;
          break;
        }
      if (at[0] == 'm')
        merges[tables.n_merges++] = line;
      else
        {
          types[tables.n_tokens] = at[0] == 'c' ? 3 : at[0] == 'u' ? 4 : at[0] == 'b' ? 6 : at[0] == 'x' ? at[1] : 1;
          scores[tables.n_tokens] = (signed char) at[1];
          tokens[tables.n_tokens++] = line;
        }
      at = stop != NULL ? stop + 1 : end;
    }
  tables.n_types = tables.n_scores = tables.n_tokens;
  tables.scores = strcmp (model, "llama") == 0 ? scores : NULL;

  tokenizer = descry_tokenizer_build (&tables, NULL);
  if (tokenizer == NULL)
    return 0;

  /* Not to be read past its end. */
  text = g_memdup2 (at, end - at);
  if (end > at)
    {
      encode_and_check (tokenizer, text, end - at, FALSE);
      encode_and_check (tokenizer, text, end - at, TRUE);
    }
  {
    g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
    g_autofree char *question = g_strndup (at, end - at);
    DescryMessage messages[] = { { DESCRY_ROLE_SYSTEM, "Be brief." }, { DESCRY_ROLE_USER, question } };
    guint format, place;

    for (format = DESCRY_CHAT_CHATML; format <= DESCRY_CHAT_PLAIN; format++)
      {
        descry_chat_encode (format, tokenizer, messages, 2, ids, &place);
        if (place > ids->len)
          abort ();
      }
  }

  return 0;
}
