/* tokenizer.c - text to token ids and back, as a GGUF file's metadata says
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-tokenizer"

#include "config.h"

#include "compute/text/tokenizer-private.h"

#include "compute/memory.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Ids may be absent or, as llama.cpp writes "none", 2^32 - 1. */
static gboolean
get_id (DescryGguf *gguf,
        const char *key,
        gint32     *id,
        GError    **error)
{
  guint64 value;

  *id = -1;
  if (!descry_gguf_has (gguf, key))
    return TRUE;
  if (!descry_gguf_get_uint (gguf, key, 0, G_MAXUINT32, &value, error))
    return FALSE;
  if (value != G_MAXUINT32)
    *id = value > G_MAXINT32 ? G_MAXINT32 : (gint32) value;

  return TRUE;
}

static gboolean
get_flag (DescryGguf *gguf,
          const char *key,
          gboolean    unset,
          gboolean   *value,
          GError    **error)
{
  *value = unset;
  return !descry_gguf_has (gguf, key) || descry_gguf_get_bool (gguf, key, value, error);
}

DescryTokenizer *
descry_tokenizer_new (DescryGguf *gguf,
                      GError    **error)
{
  DescryTokenizerData data = { 0 };
  gboolean llama3;

  g_return_val_if_fail (gguf != NULL, NULL);

  data.path = descry_gguf_path (gguf);
  data.model = descry_gguf_get_string (gguf, "tokenizer.ggml.model", error);
  if (data.model == NULL)
    return NULL;
  if (descry_gguf_has (gguf, "tokenizer.ggml.pre") &&
      (data.pre = descry_gguf_get_string (gguf, "tokenizer.ggml.pre", error)) == NULL)
    return NULL;
  if (descry_gguf_has (gguf, "tokenizer.chat_template") &&
      (data.chat_template = descry_gguf_get_string (gguf, "tokenizer.chat_template", error)) == NULL)
    return NULL;
  if (descry_gguf_has (gguf, "general.name") &&
      (data.name = descry_gguf_get_string (gguf, "general.name", error)) == NULL)
    return NULL;

  data.tokens = descry_gguf_get_strings (gguf, "tokenizer.ggml.tokens", &data.n_tokens, error);
  if (data.tokens == NULL)
    return NULL;
  if (descry_gguf_has (gguf, "tokenizer.ggml.token_type") &&
      (data.types = descry_gguf_get_ints (gguf, "tokenizer.ggml.token_type", &data.n_types, error)) == NULL)
    return NULL;
  if (strcmp (data.model, "llama") == 0)
    data.scores = descry_gguf_get_floats (gguf, "tokenizer.ggml.scores", &data.n_scores, error);
  else if (strcmp (data.model, "bert") != 0)
    data.merges = descry_gguf_get_strings (gguf, "tokenizer.ggml.merges", &data.n_merges, error);
  if (data.scores == NULL && data.merges == NULL && strcmp (data.model, "bert") != 0)
    return NULL;

  /* What holds when the file says nothing: SentencePiece and Llama 3 begin with BOS. */
  llama3 = data.pre != NULL && (strcmp (data.pre, "llama-bpe") == 0 || strcmp (data.pre, "llama-v3") == 0 || strcmp (data.pre, "llama3") == 0);
  if (!get_id (gguf, "tokenizer.ggml.bos_token_id", &data.bos, error) ||
      !get_id (gguf, "tokenizer.ggml.eos_token_id", &data.eos, error) ||
      !get_id (gguf, "tokenizer.ggml.eot_token_id", &data.eot, error) ||
      !get_id (gguf, "tokenizer.ggml.unknown_token_id", &data.unknown, error) ||
      !get_flag (gguf, "tokenizer.ggml.add_bos_token", llama3 || data.scores != NULL, &data.add_bos, error) ||
      !get_flag (gguf, "tokenizer.ggml.add_space_prefix", data.scores != NULL, &data.add_space_prefix, error))
    return NULL;

  return descry_tokenizer_build (&data, error);
}

void
descry_tokenizer_free (DescryTokenizer *self)
{
  if (self == NULL)
    return;

  g_clear_pointer (&self->bytes, descry_free);
  g_clear_pointer (&self->tokens, descry_free);
  g_clear_pointer (&self->scores, descry_free);
  g_clear_pointer (&self->words, descry_free);
  g_clear_pointer (&self->merges, descry_free);
  g_clear_pointer (&self->cut, descry_free);
  g_free (self);
}

/* One character at @text: its length, or 0 for a byte that begins none. A NUL is a character here. */
static gsize
character_length (const char *text,
                  gsize       left)
{
  gsize n;

  if (*text == '\0')
    return 1;
  n = g_utf8_skip[(guchar) *text];
  if (n > left || !g_utf8_validate_len (text, n, NULL))
    return 0;

  return n;
}

/* NULL if @text is valid as it is. */
static GString *
make_valid (const char *text,
            gsize       length)
{
  GString *valid;
  gsize i, n;

  for (i = 0; i < length && (n = character_length (text + i, length - i)) > 0; i += n)
    ;
  if (i == length)
    return NULL;

  valid = g_string_sized_new (length + 16);
  for (i = 0; i < length; i += MAX (n, 1))
    {
      n = character_length (text + i, length - i);
      if (n > 0)
        g_string_append_len (valid, text + i, n);
      else
        g_string_append (valid, REPLACEMENT);
    }

  return valid;
}

/* GLib's normaliser ends at a NUL, so the pieces between are done one by one. */
static GString *
compose (const char *text,
         gsize       length)
{
  GString *out = g_string_sized_new (length);
  const char *end = text + length;

  while (text < end)
    {
      const char *stop = memchr (text, '\0', end - text);
      gsize n = (stop != NULL ? stop : end) - text;
      g_autofree char *composed = n > 0 ? g_utf8_normalize (text, n, G_NORMALIZE_NFC) : NULL;

      if (composed != NULL)
        g_string_append (out, composed);
      if (stop != NULL)
        g_string_append_c (out, '\0');
      text += n + (stop != NULL);
    }

  return out;
}

static void
encode_raw (DescryTokenizer *self,
            const char      *text,
            gsize            length,
            gboolean         start,
            GArray          *ids)
{
  if (length == 0)
    return;

  if (self->sentencepiece)
    descry_spm_encode (self, text, length, start && self->add_space_prefix, ids);
  else if (self->wordpiece)
    descry_wordpiece_encode (self, text, length, ids);
  else if (self->compose)
    {
      GString *composed = compose (text, length);

      descry_bpe_encode (self, composed->str, composed->len, ids);
      g_string_free (composed, TRUE);
    }
  else
    descry_bpe_encode (self, text, length, ids);
}

/* The control or user token that @text begins with; -1 if there is none. */
static gint32
token_here (DescryTokenizer *self,
            const char      *text,
            gsize            left,
            gboolean         special)
{
  guint8 first = (guint8) *text;
  guint i;

  for (i = self->cut_start[first]; i < self->cut_start[first + 1]; i++)
    {
      gint32 id = self->cut[i];
      const DescryToken *token = &self->tokens[id];

      if ((special || token->type == DESCRY_TOKEN_USER) && token->length <= left &&
          memcmp (self->bytes + token->offset, text, token->length) == 0)
        return id;
    }

  return -1;
}

void
descry_tokenizer_encode_part (DescryTokenizer *self,
                              const char      *text,
                              gssize           length,
                              gboolean         special,
                              gboolean         start,
                              GArray          *ids)
{
  gsize n = length < 0 ? strlen (text) : (gsize) length;
  GString *valid = make_valid (text, n);
  gsize i, raw = 0;

  if (valid != NULL)
    {
      text = valid->str;
      n = valid->len;
    }

  for (i = 0; i < n;)
    {
      gint32 id = token_here (self, text + i, n - i, special);

      if (id < 0)
        {
          i++;
          continue;
        }
      encode_raw (self, text + raw, i - raw, start, ids);
      g_array_append_val (ids, id);
      i += self->tokens[id].length;
      raw = i;
      start = TRUE;
    }
  encode_raw (self, text + raw, n - raw, start, ids);

  if (valid != NULL)
    g_string_free (valid, TRUE);
}

void
descry_tokenizer_encode (DescryTokenizer *self,
                         const char      *text,
                         gssize           length,
                         gboolean         special,
                         GArray          *ids)
{
  g_return_if_fail (self != NULL && text != NULL && ids != NULL);

  descry_tokenizer_encode_part (self, text, length, special, TRUE, ids);
}

void
descry_tokenizer_decode (DescryTokenizer *self,
                         gint32           id,
                         GString         *text)
{
  const DescryToken *token;
  const char *bytes;
  gsize i;

  g_return_if_fail (self != NULL && text != NULL);

  if (id < 0 || (guint) id >= self->n_tokens)
    return;
  token = &self->tokens[id];
  bytes = self->bytes + token->offset;
  if (token->type == DESCRY_TOKEN_CONTROL || token->type == DESCRY_TOKEN_UNKNOWN)
    return;
  if (!(self->sentencepiece || self->wordpiece) || token->type != DESCRY_TOKEN_NORMAL)
    {
      g_string_append_len (text, bytes, token->length);
      return;
    }

  for (i = 0; i < token->length; i++)
    if (token->length - i >= 3 && memcmp (bytes + i, "\xe2\x96\x81", 3) == 0) /* U+2581 */
      {
        g_string_append_c (text, ' ');
        i += 2;
      }
    else
      g_string_append_c (text, bytes[i]);
}

guint
descry_tokenizer_size (DescryTokenizer *self)
{
  return self->n_tokens;
}

gint32
descry_tokenizer_bos (DescryTokenizer *self)
{
  return self->bos;
}

gint32
descry_tokenizer_eos (DescryTokenizer *self)
{
  return self->eos;
}

gboolean
descry_tokenizer_adds_bos (DescryTokenizer *self)
{
  return self->add_bos;
}

gboolean
descry_tokenizer_is_end (DescryTokenizer *self,
                         gint32           id)
{
  guint i;

  for (i = 0; i < self->n_ends; i++)
    if (self->ends[i] == id)
      return TRUE;

  return FALSE;
}

gint32
descry_tokenizer_find (DescryTokenizer *self,
                       const char      *name)
{
  gsize n = strlen (name);
  guint8 first = (guint8) *name;
  guint i;

  if (n == 0)
    return -1;
  for (i = self->cut_start[first]; i < self->cut_start[first + 1]; i++)
    {
      const DescryToken *token = &self->tokens[self->cut[i]];

      if (token->length == n && memcmp (self->bytes + token->offset, name, n) == 0)
        return self->cut[i];
    }

  return descry_tokenizer_word (self, name, n);
}

void
descry_utf8_push (DescryUtf8 *state,
                  const char *bytes,
                  gsize       n,
                  GString    *out)
{
  g_autoptr (GString) all = g_string_new_len ((const char *) state->pending, state->n);
  gsize i = 0;

  g_string_append_len (all, bytes, n);
  state->n = 0;

  while (i < all->len)
    {
      gsize left = all->len - i;
      gsize whole = character_length (all->str + i, left);

      if (whole > 0 && all->str[i] != '\0')
        {
          g_string_append_len (out, all->str + i, whole);
          i += whole;
        }
      else if (whole == 0 && left < 4 && g_utf8_get_char_validated (all->str + i, left) == (gunichar) -2)
        {
          memcpy (state->pending, all->str + i, left);
          state->n = left;
          return;
        }
      else
        {
          g_string_append (out, REPLACEMENT);
          i++;
        }
    }
}

void
descry_utf8_flush (DescryUtf8 *state,
                   GString    *out)
{
  if (state->n > 0)
    g_string_append (out, REPLACEMENT);
  state->n = 0;
}
