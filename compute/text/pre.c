/* pre.c - cutting text into words before merging
 *
 * The published patterns, written out by hand with GLib's Unicode tables. \s is the White_Space
 * property, \p{L} the categories L*, \p{N} the categories N*. Sources of the patterns:
 * ggml-org/llama.cpp src/llama-vocab.cpp and the models' tokenizer.json.
 *
 * gpt-2   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * smollm  each \p{N} alone, then gpt-2 on what lies between
 * llama3  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * qwen2   the same with \p{N} instead of \p{N}{1,3}
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-tokenizer"

#include "config.h"

#include "compute/text/tokenizer-private.h"

typedef enum { SPACE, LETTER, NUMBER, OTHER } Kind;

static Kind
kind_of (gunichar c)
{
  if (c < 0x80)
    {
      if (g_ascii_isalpha (c))
        return LETTER;
      if (g_ascii_isdigit (c))
        return NUMBER;
      return (c >= 9 && c <= 13) || c == ' ' ? SPACE : OTHER;
    }

  switch (g_unichar_type (c))
    {
    case G_UNICODE_UPPERCASE_LETTER:
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
      return LETTER;
    case G_UNICODE_DECIMAL_NUMBER:
    case G_UNICODE_LETTER_NUMBER:
    case G_UNICODE_OTHER_NUMBER:
      return NUMBER;
    case G_UNICODE_SPACE_SEPARATOR:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
      return SPACE;
    default:
      return c == 0x85 ? SPACE : OTHER;
    }
}

static Kind
kind_at (const char *text)
{
  return kind_of (g_utf8_get_char (text));
}

static const char *
run_of (Kind        kind,
        const char *text,
        const char *end)
{
  while (text < end && kind_at (text) == kind)
    text = g_utf8_next_char (text);

  return text;
}

static const char *
run_of_breaks (const char *text,
               const char *end)
{
  while (text < end && (*text == '\r' || *text == '\n'))
    text++;

  return text;
}

/* 's 't 're 've 'm 'll 'd; @text points at the apostrophe. NULL: none of them. With @fold, capitals too,
 * and the long s, whose other case is s. */
static const char *
contraction (const char *text,
             const char *end,
             gboolean    fold)
{
  char a, b;

  if (end - text < 2)
    return NULL;
  if (fold && end - text >= 3 && (guchar) text[1] == 0xc5 && (guchar) text[2] == 0xbf)
    return text + 3;

  a = fold ? g_ascii_tolower (text[1]) : text[1];
  if (a == 's' || a == 't' || a == 'm' || a == 'd')
    return text + 2;
  if (end - text < 3)
    return NULL;

  b = fold ? g_ascii_tolower (text[2]) : text[2];
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
    return text + 3;

  return NULL;
}

/* \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word that follows. */
static const char *
spaces (const char *text,
        const char *end)
{
  const char *after = run_of (SPACE, text, end);
  const char *last;

  if (after == end)
    return after;

  last = g_utf8_find_prev_char (text, after);
  return last != NULL && last > text ? last : after;
}

static const char *
next_gpt2 (const char *text,
           const char *end)
{
  const char *word = text;
  const char *after;
  Kind kind;

  if (*text == '\'' && (after = contraction (text, end, FALSE)) != NULL)
    return after;

  if (*text == ' ' && text + 1 < end)
    word++;
  kind = kind_at (word);
  if (kind != SPACE)
    return run_of (kind, word, end);

  return spaces (text, end);
}

static const char *
next_llama3 (const char *text,
             const char *end,
             guint       digits)
{
  Kind kind = kind_at (text);
  const char *second = g_utf8_next_char (text);
  const char *after, *at;

  if (*text == '\'' && (after = contraction (text, end, TRUE)) != NULL)
    return after;

  if (kind == LETTER)
    return run_of (LETTER, text, end);
  if (kind != NUMBER && *text != '\r' && *text != '\n' && second < end && kind_at (second) == LETTER)
    return run_of (LETTER, second, end);

  if (kind == NUMBER)
    {
      for (after = text; after < end && digits > 0 && kind_at (after) == NUMBER; digits--)
        after = g_utf8_next_char (after);
      return after;
    }

  if (kind == OTHER)
    return run_of_breaks (run_of (OTHER, text, end), end);
  if (*text == ' ' && second < end && kind_at (second) == OTHER)
    return run_of_breaks (run_of (OTHER, second, end), end);

  /* \s*[\r\n]+ reaches to the last line break of the run of spaces. */
  after = run_of (SPACE, text, end);
  for (at = after; at > text; at--)
    if (at[-1] == '\r' || at[-1] == '\n')
      return at;

  return spaces (text, end);
}

const char *
descry_pre_next (DescryPre   pre,
                 const char *text,
                 const char *end)
{
  switch (pre)
    {
    case DESCRY_PRE_LLAMA3:
      return next_llama3 (text, end, 3);
    case DESCRY_PRE_QWEN2:
      return next_llama3 (text, end, 1);
    default:
      return next_gpt2 (text, end);
    }
}

const char *
descry_pre_digits (const char *text,
                   const char *end,
                   gboolean   *digit)
{
  *digit = kind_at (text) == NUMBER;
  if (*digit)
    return g_utf8_next_char (text);

  while (text < end && kind_at (text) != NUMBER)
    text = g_utf8_next_char (text);

  return text;
}
