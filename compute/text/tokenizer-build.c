/* tokenizer-build.c - from a file's arrays to the tables that encoding reads
 *
 * The arrays are untrusted: lengths agree, ids are in range, a merge names three known tokens,
 * byte tokens are complete where they exist. Errors name file, key, expected, found.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-tokenizer"

#include "config.h"

#include "compute/text/tokenizer-private.h"

#include "compute/memory.h"

#include <math.h>
#include <string.h>

/* Names in `tokenizer.ggml.pre` that mean one of our patterns. */
static const struct
{
  const char *name;
  DescryPre   pre;
  gboolean    whole_words;
  gboolean    compose;
} pres[] = {
  { "gpt-2", DESCRY_PRE_GPT2, FALSE, FALSE },
  { "smollm", DESCRY_PRE_SMOLLM, FALSE, FALSE },
  { "llama-bpe", DESCRY_PRE_LLAMA3, TRUE, FALSE },
  { "llama-v3", DESCRY_PRE_LLAMA3, TRUE, FALSE },
  { "llama3", DESCRY_PRE_LLAMA3, TRUE, FALSE },
  /* Qwen's tokenizer.json composes (NFC) before it cuts. */
  { "qwen2", DESCRY_PRE_QWEN2, FALSE, TRUE },
  { "deepseek-r1-qwen", DESCRY_PRE_QWEN2, FALSE, TRUE },
};

/* Tokens that end an answer in one family or another, when the vocabulary has them as control tokens. */
static const char *const end_names[] = {
  "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "<|end|>", "<end_of_turn>", "</s>"
};

static guint64
hash_bytes (const char *bytes,
            gsize       n)
{
  guint64 h = G_GUINT64_CONSTANT (0xcbf29ce484222325); /* FNV-1a */
  gsize i;

  for (i = 0; i < n; i++)
    h = (h ^ (guint8) bytes[i]) * G_GUINT64_CONSTANT (0x100000001b3);

  return h ^ h >> 29;
}

static guint64
hash_pair (gint32 left,
           gint32 right)
{
  guint64 h = ((guint64) (guint32) left << 32 | (guint32) right) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  return h ^ h >> 32;
}

gint32
descry_tokenizer_word (const DescryTokenizer *self,
                       const char            *text,
                       gsize                  length)
{
  guint32 at = hash_bytes (text, length) & self->words_mask;
  gint32 id;

  for (; (id = self->words[at]) >= 0; at = (at + 1) & self->words_mask)
    if (self->tokens[id].length == length && memcmp (self->bytes + self->tokens[id].offset, text, length) == 0)
      return id;

  return -1;
}

const DescryMerge *
descry_tokenizer_merge (const DescryTokenizer *self,
                        gint32                 left,
                        gint32                 right)
{
  guint32 at = hash_pair (left, right) & self->merges_mask;

  for (; self->merges[at].left >= 0; at = (at + 1) & self->merges_mask)
    if (self->merges[at].left == left && self->merges[at].right == right)
      return &self->merges[at];

  return NULL;
}

static gboolean G_GNUC_PRINTF (4, 5)
bad (const DescryTokenizerData *data,
     GError                   **error,
     const char                *key,
     const char                *format,
     ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s: %s", data->path, key, what);

  return FALSE;
}

static gboolean
out_of_memory (const DescryTokenizerData *data,
               GError                   **error)
{
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for the tokenizer", data->path);
  return FALSE;
}

/* The bytes that a byte-level token's stand-in characters mean; G_MAXSIZE if one is no stand-in. */
static gsize
from_stand_ins (const DescryBytes *token,
                char              *out)
{
  const char *at = token->bytes;
  const char *end = token->bytes + token->length;
  gsize n = 0;

  while (at < end)
    {
      gint byte = descry_char_to_byte (g_utf8_get_char (at));

      if (byte < 0)
        return G_MAXSIZE;
      out[n++] = (char) byte;
      at = g_utf8_next_char (at);
    }

  return n;
}

static gint
byte_token_value (const DescryBytes *token)
{
  gint high, low;

  if (token->length != 6 || memcmp (token->bytes, "<0x", 3) != 0 || token->bytes[5] != '>')
    return -1;
  high = g_ascii_xdigit_value (token->bytes[3]);
  low = g_ascii_xdigit_value (token->bytes[4]);

  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static gboolean
copy_tokens (DescryTokenizer           *self,
             const DescryTokenizerData *data,
             GError                   **error)
{
  const gboolean bytes = !self->sentencepiece && !self->wordpiece, mark = self->wordpiece && !descry_wordpiece_marks_begin (data->tokens, data->n_tokens);
  gsize total = 0, used = 0;
  gsize i;

  for (i = 0; i < data->n_tokens; i++)
    {
      if (data->tokens[i].length > 0 && !g_utf8_validate_len (data->tokens[i].bytes, data->tokens[i].length, NULL))
        return bad (data, error, "tokenizer.ggml.tokens", "token %" G_GSIZE_FORMAT " is not UTF-8", i);
      total += data->tokens[i].length + (mark ? 3 : 0);
    }
  if (total > G_MAXUINT32)
    return bad (data, error, "tokenizer.ggml.tokens", "expected at most 4 GiB of text");

  self->n_tokens = data->n_tokens;
  self->bytes = descry_try_alloc (total + 1, 1);
  self->tokens = descry_try_alloc (data->n_tokens, sizeof *self->tokens);
  if (self->bytes == NULL || self->tokens == NULL)
    return out_of_memory (data, error);

  for (i = 0; i < data->n_tokens; i++)
    {
      DescryToken *token = &self->tokens[i];
      gint32 type = data->types != NULL ? data->types[i] : DESCRY_TOKEN_NORMAL;
      char *out = self->bytes + used;
      gsize n;

      if (type < DESCRY_TOKEN_NORMAL || type > DESCRY_TOKEN_BYTE)
        return bad (data, error, "tokenizer.ggml.token_type", "token %" G_GSIZE_FORMAT ": expected 1..6, found %d", i, type);

      if (self->wordpiece && descry_wordpiece_is_control (&data->tokens[i]))
        type = DESCRY_TOKEN_CONTROL;
      token->type = type;
      token->offset = used;
      n = G_MAXSIZE;
      if (bytes && type == DESCRY_TOKEN_NORMAL)
        n = from_stand_ins (&data->tokens[i], out);
      else if (mark && type == DESCRY_TOKEN_NORMAL && data->tokens[i].length > 0)
        n = descry_wordpiece_mark (&data->tokens[i], out);
      if (n == G_MAXSIZE)
        {
          /* SentencePiece's U+2581 stays: encoding looks up escaped text. Control and user tokens are plain text; so is
           * a byte-level token with a character that is no stand-in, which merging never reaches. */
          if (bytes && type == DESCRY_TOKEN_NORMAL)
            token->type = DESCRY_TOKEN_UNUSED;
          n = data->tokens[i].length;
          if (n > 0)
            memcpy (out, data->tokens[i].bytes, n);
        }
      if (type == DESCRY_TOKEN_BYTE)
        {
          gint byte = byte_token_value (&data->tokens[i]);

          if (byte < 0)
            return bad (data, error, "tokenizer.ggml.tokens", "token %" G_GSIZE_FORMAT ": expected a byte such as <0x0A>", i);
          out[0] = (char) byte;
          n = 1;
          if (self->byte_ids[byte] < 0)
            self->byte_ids[byte] = i;
        }
      token->length = n;
      used += n;
    }

  return TRUE;
}

static gboolean
hash_words (DescryTokenizer           *self,
            const DescryTokenizerData *data,
            GError                   **error)
{
  gsize size = 16;
  guint i;

  while (size < (gsize) self->n_tokens * 2)
    size *= 2;
  self->words = descry_try_alloc (size, sizeof *self->words);
  if (self->words == NULL)
    return out_of_memory (data, error);
  memset (self->words, 0xff, size * sizeof *self->words);
  self->words_mask = size - 1;

  for (i = 0; i < self->n_tokens; i++)
    {
      const DescryToken *token = &self->tokens[i];
      const char *text = self->bytes + token->offset;
      guint32 at;

      if (token->type != DESCRY_TOKEN_NORMAL || token->length == 0)
        continue;
      if (!self->sentencepiece && !self->wordpiece && token->length == 1)
        self->byte_ids[(guint8) text[0]] = i;

      /* Of two tokens with one text the later one is used, as in llama.cpp. */
      at = hash_bytes (text, token->length) & self->words_mask;
      for (; self->words[at] >= 0; at = (at + 1) & self->words_mask)
        {
          const DescryToken *other = &self->tokens[self->words[at]];

          if (other->length == token->length && memcmp (self->bytes + other->offset, text, token->length) == 0)
            break;
        }
      self->words[at] = i;
    }

  return TRUE;
}

/* "left right" in stand-in characters; a space inside a token is a stand-in, so the first one separates. */
static gboolean
add_merge (DescryTokenizer           *self,
           const DescryTokenizerData *data,
           gsize                      rank,
           char                      *scratch,
           GError                   **error)
{
  const DescryBytes *line = &data->merges[rank];
  const char *space = line->length > 0 ? memchr (line->bytes, ' ', line->length) : NULL;
  DescryBytes left_text, right_text;
  gint32 left, right, merged;
  gsize n_left, n_right;
  guint32 at;

  if (space == NULL || space == line->bytes || space == line->bytes + line->length - 1)
    return bad (data, error, "tokenizer.ggml.merges", "merge %" G_GSIZE_FORMAT ": expected two tokens and a space between", rank);
  if (!g_utf8_validate_len (line->bytes, line->length, NULL))
    return bad (data, error, "tokenizer.ggml.merges", "merge %" G_GSIZE_FORMAT " is not UTF-8", rank);

  left_text.bytes = line->bytes;
  left_text.length = space - line->bytes;
  right_text.bytes = space + 1;
  right_text.length = line->length - left_text.length - 1;
  n_left = from_stand_ins (&left_text, scratch);
  n_right = n_left == G_MAXSIZE ? G_MAXSIZE : from_stand_ins (&right_text, scratch + n_left);
  if (n_right == G_MAXSIZE)
    return bad (data, error, "tokenizer.ggml.merges", "merge %" G_GSIZE_FORMAT " has a character that stands for no byte", rank);

  left = descry_tokenizer_word (self, scratch, n_left);
  right = descry_tokenizer_word (self, scratch + n_left, n_right);
  merged = descry_tokenizer_word (self, scratch, n_left + n_right);
  if (left < 0 || right < 0 || merged < 0)
    return bad (data, error, "tokenizer.ggml.merges", "merge %" G_GSIZE_FORMAT " names a token that the vocabulary lacks", rank);

  for (at = hash_pair (left, right) & self->merges_mask; self->merges[at].left >= 0; at = (at + 1) & self->merges_mask)
    if (self->merges[at].left == left && self->merges[at].right == right)
      return TRUE; /* the first rank counts */

  self->merges[at].left = left;
  self->merges[at].right = right;
  self->merges[at].rank = (gint32) rank;
  self->merges[at].merged = merged;

  return TRUE;
}

static gboolean
hash_merges (DescryTokenizer           *self,
             const DescryTokenizerData *data,
             GError                   **error)
{
  gsize size = 16, longest = 0, i;
  gboolean fine = TRUE;
  char *scratch;

  if (data->n_merges > 4 * DESCRY_MAX_VOCABULARY)
    return bad (data, error, "tokenizer.ggml.merges", "expected at most %d, found %" G_GSIZE_FORMAT, 4 * DESCRY_MAX_VOCABULARY, data->n_merges);

  while (size < data->n_merges * 2)
    size *= 2;
  for (i = 0; i < data->n_merges; i++)
    longest = MAX (longest, data->merges[i].length);

  self->merges = descry_try_alloc (size, sizeof *self->merges);
  scratch = descry_try_alloc (longest + 1, 1);
  if (self->merges == NULL || scratch == NULL)
    {
      descry_free (scratch);
      return out_of_memory (data, error);
    }
  self->merges_mask = size - 1;
  for (i = 0; i < size; i++)
    self->merges[i].left = -1;

  for (i = 0; i < data->n_merges && fine; i++)
    fine = add_merge (self, data, i, scratch, error);
  descry_free (scratch);

  return fine;
}

static gboolean
copy_scores (DescryTokenizer           *self,
             const DescryTokenizerData *data,
             GError                   **error)
{
  guint i, bytes = 0;

  if (data->scores == NULL || data->n_scores != data->n_tokens)
    return bad (data, error, "tokenizer.ggml.scores", "expected %" G_GSIZE_FORMAT ", found %" G_GSIZE_FORMAT,
                data->n_tokens, data->scores == NULL ? (gsize) 0 : data->n_scores);

  self->scores = descry_try_alloc (data->n_tokens, sizeof *self->scores);
  if (self->scores == NULL)
    return out_of_memory (data, error);
  for (i = 0; i < data->n_tokens; i++)
    {
      if (!isfinite (data->scores[i]))
        return bad (data, error, "tokenizer.ggml.scores", "score %u is not a number", i);
      self->scores[i] = data->scores[i] == 0 ? 0 : data->scores[i]; /* -0 and 0 tie */
    }

  for (i = 0; i < 256; i++)
    bytes += self->byte_ids[i] >= 0;
  if (bytes != 0 && bytes != 256)
    return bad (data, error, "tokenizer.ggml.tokens", "expected all 256 byte tokens or none, found %u", bytes);

  return TRUE;
}

/* By first byte, longest first: the longest one that fits is cut out. */
static int
compare_cut (gconstpointer a,
             gconstpointer b,
             gpointer      user_data)
{
  const DescryTokenizer *self = user_data;
  const DescryToken *x = &self->tokens[*(const gint32 *) a];
  const DescryToken *y = &self->tokens[*(const gint32 *) b];
  guint8 first_x = (guint8) self->bytes[x->offset];
  guint8 first_y = (guint8) self->bytes[y->offset];

  if (first_x != first_y)
    return first_x < first_y ? -1 : 1;
  if (x->length != y->length)
    return x->length > y->length ? -1 : 1;

  return *(const gint32 *) a < *(const gint32 *) b ? -1 : 1;
}

static gboolean
is_cut (const DescryToken *token)
{
  return token->length > 0 &&
         (token->type == DESCRY_TOKEN_CONTROL || token->type == DESCRY_TOKEN_USER || token->type == DESCRY_TOKEN_UNKNOWN);
}

static gboolean
list_cut (DescryTokenizer           *self,
          const DescryTokenizerData *data,
          GError                   **error)
{
  guint i, n = 0, byte;

  for (i = 0; i < self->n_tokens; i++)
    n += is_cut (&self->tokens[i]);
  self->cut = descry_try_alloc (n, sizeof *self->cut);
  if (self->cut == NULL)
    return out_of_memory (data, error);

  for (i = n = 0; i < self->n_tokens; i++)
    if (is_cut (&self->tokens[i]))
      self->cut[n++] = i;
  g_qsort_with_data (self->cut, n, sizeof *self->cut, compare_cut, self);

  for (byte = 0, i = 0; byte <= 256; byte++)
    {
      while (i < n && (guint8) self->bytes[self->tokens[self->cut[i]].offset] < byte)
        i++;
      self->cut_start[byte] = byte == 256 ? n : i;
    }

  return TRUE;
}

static gboolean
check_id (const DescryTokenizerData *data,
          const char                *key,
          gint32                     id,
          GError                   **error)
{
  if (id < -1 || id >= (gint64) data->n_tokens)
    return bad (data, error, key, "expected an id below %" G_GSIZE_FORMAT ", found %d", data->n_tokens, id);

  return TRUE;
}

static void
add_end (DescryTokenizer *self,
         gint32           id)
{
  guint i;

  for (i = 0; i < self->n_ends; i++)
    if (self->ends[i] == id)
      return;
  if (id >= 0 && self->n_ends < G_N_ELEMENTS (self->ends))
    self->ends[self->n_ends++] = id;
}

static gboolean
choose_model (DescryTokenizer           *self,
              const DescryTokenizerData *data,
              GError                   **error)
{
  guint i;

  if (g_strcmp0 (data->model, "llama") == 0)
    {
      self->sentencepiece = TRUE;
      return TRUE;
    }
  if (g_strcmp0 (data->model, "bert") == 0)
    {
      self->wordpiece = TRUE;
      return TRUE;
    }
  if (g_strcmp0 (data->model, "gpt2") != 0)
    return bad (data, error, "tokenizer.ggml.model", "expected gpt2, llama or bert, found %s", data->model != NULL ? data->model : "nothing");

  for (i = 0; i < G_N_ELEMENTS (pres); i++)
    if (g_strcmp0 (data->pre, pres[i].name) == 0)
      {
        self->pre = pres[i].pre;
        self->whole_words = pres[i].whole_words;
        self->compose = pres[i].compose;
        return TRUE;
      }

  return bad (data, error, "tokenizer.ggml.pre", "expected gpt-2, smollm, llama-bpe or qwen2, found %s", data->pre != NULL ? data->pre : "nothing");
}

DescryTokenizer *
descry_tokenizer_build (const DescryTokenizerData *data,
                        GError                   **error)
{
  g_autoptr (DescryTokenizer) self = g_new0 (DescryTokenizer, 1);
  guint i;

  memset (self->byte_ids, 0xff, sizeof self->byte_ids);

  if (!choose_model (self, data, error))
    return NULL;
  if (data->n_tokens < 1 || data->n_tokens > DESCRY_MAX_VOCABULARY)
    {
      bad (data, error, "tokenizer.ggml.tokens", "expected 1..%d, found %" G_GSIZE_FORMAT, DESCRY_MAX_VOCABULARY, data->n_tokens);
      return NULL;
    }
  if (data->types != NULL && data->n_types != data->n_tokens)
    {
      bad (data, error, "tokenizer.ggml.token_type", "expected %" G_GSIZE_FORMAT ", found %" G_GSIZE_FORMAT, data->n_tokens, data->n_types);
      return NULL;
    }
  if (!check_id (data, "tokenizer.ggml.bos_token_id", data->bos, error) ||
      !check_id (data, "tokenizer.ggml.eos_token_id", data->eos, error) ||
      !check_id (data, "tokenizer.ggml.eot_token_id", data->eot, error) ||
      !check_id (data, "tokenizer.ggml.unknown_token_id", data->unknown, error) ||
      !copy_tokens (self, data, error) ||
      !hash_words (self, data, error) ||
      !list_cut (self, data, error))
    return NULL;
  if (!(self->wordpiece || (self->sentencepiece ? copy_scores (self, data, error) : hash_merges (self, data, error))))
    return NULL;

  self->bos = data->bos;
  self->eos = data->eos;
  self->unknown = data->unknown;
  if (self->wordpiece) /* BERT's files name them by their text alone */
    {
      self->bos = self->bos >= 0 ? self->bos : descry_tokenizer_find (self, "[CLS]");
      self->eos = self->eos >= 0 ? self->eos : descry_tokenizer_find (self, "[SEP]");
      self->unknown = self->unknown >= 0 ? self->unknown : descry_tokenizer_find (self, "[UNK]");
    }
  self->add_bos = data->add_bos && data->bos >= 0;
  self->add_space_prefix = data->add_space_prefix;

  add_end (self, self->eos);
  add_end (self, data->eot);
  for (i = 0; i < G_N_ELEMENTS (end_names); i++)
    add_end (self, descry_tokenizer_find (self, end_names[i]));

  descry_chat_recognise (self, data);

  return g_steal_pointer (&self);
}
