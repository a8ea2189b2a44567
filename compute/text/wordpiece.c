/* wordpiece.c - BERT's word pieces, lower case and without accents
 *
 * What the reference does to a text: control characters go, letters become small, words end at blanks and around CJK
 * ideographs and punctuation, accents go (NFD without non-spacing marks). A word then is cut from its front into the longest
 * pieces that the vocabulary has; a word that cannot be cut, or of more than 100 characters, is one unknown token.
 *
 * As in llama.cpp's files a piece that begins a word has U+2581 before it, one that continues a word has nothing.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-tokenizer"

#include "config.h"

#include "compute/text/tokenizer-private.h"

#include <string.h>

#include "compute/files/io.h"
#include "compute/memory.h"

#define BEGIN "\xe2\x96\x81" /* U+2581 */
#define BEGIN_BYTES 3
#define WORD_MOST 100 /* characters */
#define FILE_MOST ((guint64) 16 << 20)

gboolean
descry_wordpiece_is_control (const DescryBytes *token)
{
  static const char *const names[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    if (token->length == strlen (names[i]) && memcmp (token->bytes, names[i], token->length) == 0)
      return TRUE;

  return FALSE;
}

/* A file's pieces are written "the", "##re" (BERT's vocab.txt) or U+2581 "the", "re" (llama.cpp): whichever mark is there more often. */
gboolean
descry_wordpiece_marks_begin (const DescryBytes *tokens,
                              gsize              n)
{
  gsize begins = 0, continues = 0, i;

  for (i = 0; i < n; i++)
    {
      begins += tokens[i].length > BEGIN_BYTES && memcmp (tokens[i].bytes, BEGIN, BEGIN_BYTES) == 0;
      continues += tokens[i].length > 2 && memcmp (tokens[i].bytes, "##", 2) == 0;
    }

  return begins > continues;
}

/* @out has room for three bytes more than the token. */
gsize
descry_wordpiece_mark (const DescryBytes *token,
                       char              *out)
{
  if (token->length > 2 && memcmp (token->bytes, "##", 2) == 0)
    {
      memcpy (out, token->bytes + 2, token->length - 2);
      return token->length - 2;
    }
  memcpy (out, BEGIN, BEGIN_BYTES);
  memcpy (out + BEGIN_BYTES, token->bytes, token->length);
  return token->length + BEGIN_BYTES;
}

static gboolean
is_ideograph (gunichar c)
{
  static const struct { gunichar first, last; } blocks[] = {
    { 0x4e00, 0x9fff }, { 0x3400, 0x4dbf }, { 0x20000, 0x2a6df }, { 0x2a700, 0x2b73f }, { 0x2b740, 0x2b81f }, { 0x2b820, 0x2ceaf }, { 0xf900, 0xfaff }, { 0x2f800, 0x2fa1f },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (blocks); i++)
    if (c >= blocks[i].first && c <= blocks[i].last)
      return TRUE;

  return FALSE;
}

static gboolean
is_punctuation (gunichar c)
{
  if (c < 0x80)
    return g_ascii_ispunct (c);
  switch (g_unichar_type (c))
    {
    case G_UNICODE_CONNECT_PUNCTUATION:
    case G_UNICODE_DASH_PUNCTUATION:
    case G_UNICODE_OPEN_PUNCTUATION:
    case G_UNICODE_CLOSE_PUNCTUATION:
    case G_UNICODE_INITIAL_PUNCTUATION:
    case G_UNICODE_FINAL_PUNCTUATION:
    case G_UNICODE_OTHER_PUNCTUATION:
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
is_blank (gunichar c)
{
  const GUnicodeType type = g_unichar_type (c);

  return c == '\t' || c == '\n' || c == '\r' ||
         type == G_UNICODE_SPACE_SEPARATOR || type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

/* What leaves no trace. */
static gboolean
is_dropped (gunichar c)
{
  switch (g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
      return TRUE;
    default:
      return c == 0xfffd;
    }
}

/* GLib's table has letters alone; Roman numerals and letters in circles have small forms, too. */
static gunichar
to_small (gunichar c)
{
  if (c >= 0x2160 && c <= 0x216f)
    return c + 0x10;
  if (c >= 0x24b6 && c <= 0x24cf)
    return c + 0x1a;
  return g_unichar_tolower (c);
}

/* @word: U+2581 and the word, which has @characters; emptied. */
static void
cut_word (const DescryTokenizer *self,
          GString               *word,
          guint                 *characters,
          GArray                *ids)
{
  const guint before = ids->len;
  gsize at = 0, end = word->len;

  if (*characters > WORD_MOST)
    at = G_MAXSIZE;
  while (*characters > 0 && at < word->len)
    {
      /* A piece that begins a word does not continue one that has the mark as a character. */
      const gboolean marked = at > 0 && g_str_has_prefix (word->str + at, BEGIN);
      const gint32 id = marked ? -1 : descry_tokenizer_word (self, word->str + at, end - at);

      if (id >= 0)
        {
          g_array_append_val (ids, id);
          at = end;
          end = word->len;
          continue;
        }
      /* One character less; the mark alone is no piece. */
      end = (gsize) (g_utf8_prev_char (word->str + end) - word->str);
      if (end <= MAX (at, BEGIN_BYTES))
        {
          at = G_MAXSIZE;
          break;
        }
    }
  if (*characters > 0 && at == G_MAXSIZE)
    {
      g_array_set_size (ids, before);
      if (self->unknown >= 0)
        g_array_append_val (ids, self->unknown);
    }
  g_string_assign (word, BEGIN);
  *characters = 0;
}

/* What lies between blanks: its accents go, its punctuation stands alone. Emptied. */
static void
encode_run (const DescryTokenizer *self,
            GString               *run,
            GString               *word,
            GArray                *ids)
{
  g_autofree char *decomposed = run->len > 0 ? g_utf8_normalize (run->str, (gssize) run->len, G_NORMALIZE_NFD) : NULL;
  guint characters = 0;
  const char *at;

  g_string_truncate (run, 0);
  if (decomposed == NULL)
    return;

  for (at = decomposed; *at != '\0'; at = g_utf8_next_char (at))
    {
      const gunichar c = g_utf8_get_char (at);
      const gboolean alone = is_punctuation (c);

      if (g_unichar_type (c) == G_UNICODE_NON_SPACING_MARK)
        continue;
      if (alone)
        cut_word (self, word, &characters, ids);
      g_string_append_unichar (word, c);
      characters++;
      if (alone)
        cut_word (self, word, &characters, ids);
    }
  cut_word (self, word, &characters, ids);
}

void
descry_wordpiece_encode (const DescryTokenizer *self,
                         const char            *text,
                         gsize                  length,
                         GArray                *ids)
{
  g_autoptr (GString) run = g_string_new (NULL), word = g_string_new (BEGIN);
  const char *end = text + length;

  for (; text < end; text = g_utf8_next_char (text))
    {
      const gunichar c = g_utf8_get_char (text);

      if (is_blank (c))
        encode_run (self, run, word, ids);
      else if (is_ideograph (c))
        {
          encode_run (self, run, word, ids);
          g_string_append_unichar (run, c);
          encode_run (self, run, word, ids);
        }
      else if (!is_dropped (c))
        g_string_append_unichar (run, to_small (c));
    }
  encode_run (self, run, word, ids);
}

DescryTokenizer *
descry_tokenizer_new_words (const char *path,
                            GError    **error)
{
  DescryTokenizerData data = { .path = path, .model = "bert", .bos = -1, .eos = -1, .eot = -1, .unknown = -1 };
  DescryTokenizer *tokenizer = NULL;
  DescryBytes *tokens = NULL;
  const char *at, *end;
  gsize n, lines = 0;
  char *text = (char *) descry_file_read_all (path, FILE_MOST, &n, error);

  if (text == NULL)
    return NULL;

  for (at = text, end = text + n; at < end; at++)
    lines += *at == '\n' || at + 1 == end;
  tokens = descry_try_alloc (MAX (lines, 1), sizeof *tokens);
  for (at = text; tokens != NULL && at < end; data.n_tokens++)
    {
      const char *stop = memchr (at, '\n', (gsize) (end - at));
      const char *next = stop != NULL ? stop + 1 : end;

      if (stop == NULL)
        stop = end;
      if (stop > at && stop[-1] == '\r')
        stop--;
      tokens[data.n_tokens] = (DescryBytes) { at, (gsize) (stop - at) };
      at = next;
    }
  data.tokens = tokens;
  if (tokens != NULL)
    tokenizer = descry_tokenizer_build (&data, error);
  else
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %" G_GSIZE_FORMAT " words", path, lines);
  descry_free (tokens);
  descry_free (text);

  return tokenizer;
}

gboolean
descry_tokenizer_write_words (DescryTokenizer  *self,
                              DescryGgufWriter *writer)
{
  DescryBytes *tokens = self->wordpiece ? descry_try_alloc (self->n_tokens, sizeof *tokens) : NULL;
  gint32 *types = self->wordpiece ? descry_try_alloc (self->n_tokens, sizeof *types) : NULL;
  const gboolean ok = tokens != NULL && types != NULL;
  guint i;

  for (i = 0; ok && i < self->n_tokens; i++)
    {
      tokens[i] = (DescryBytes) { self->bytes + self->tokens[i].offset, self->tokens[i].length };
      types[i] = self->tokens[i].type;
    }
  if (ok)
    {
      descry_gguf_writer_set_string (writer, "tokenizer.ggml.model", "bert");
      descry_gguf_writer_set_strings (writer, "tokenizer.ggml.tokens", tokens, self->n_tokens);
      descry_gguf_writer_set_ints (writer, "tokenizer.ggml.token_type", types, self->n_tokens);
      if (self->unknown >= 0)
        descry_gguf_writer_set_uint (writer, "tokenizer.ggml.unknown_token_id", (guint32) self->unknown);
      if (self->bos >= 0)
        descry_gguf_writer_set_uint (writer, "tokenizer.ggml.bos_token_id", (guint32) self->bos);
      if (self->eos >= 0)
        descry_gguf_writer_set_uint (writer, "tokenizer.ggml.eos_token_id", (guint32) self->eos);
    }
  descry_free (tokens);
  descry_free (types);

  return ok;
}
