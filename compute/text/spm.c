/* spm.c - SentencePiece's byte pair encoding
 *
 * Characters are joined while the joined text is a token: the highest score first, leftmost among
 * equals. A space is U+2581 inside tokens. What no token covers becomes byte tokens.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-tokenizer"

#include "config.h"

#include "compute/text/tokenizer-private.h"

#include <string.h>

#define LOWER_ONE_EIGHTH_BLOCK "\xe2\x96\x81" /* U+2581 */

typedef struct
{
  guint32 start; /* bytes */
  guint32 length; /* 0: was joined to its left neighbour */
  gint32  prev;
  gint32  next;
} Symbol;

/* The highest score gets the smallest key: the bits of a float in order, turned over. */
static guint32
score_key (float score)
{
  guint32 bits;

  memcpy (&bits, &score, sizeof bits);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;

  return ~bits;
}

static void
consider (const DescryTokenizer *self,
          const char            *text,
          const Symbol          *symbols,
          gint32                 left,
          GArray                *heap)
{
  DescryCandidate candidate;
  gint32 right, id;
  guint32 length;

  if (left < 0 || (right = symbols[left].next) < 0)
    return;
  length = symbols[left].length + symbols[right].length;
  id = descry_tokenizer_word (self, text + symbols[left].start, length);
  if (id < 0)
    return;

  candidate.key = (guint64) score_key (self->scores[id]) << 32 | (guint32) left;
  candidate.a = length;
  candidate.b = symbols[left].length;
  descry_candidates_push (heap, &candidate);
}

void
descry_spm_encode (const DescryTokenizer *self,
                   const char            *raw,
                   gsize                  raw_length,
                   gboolean               prefix,
                   GArray                *ids)
{
  g_autoptr (GString) escaped = g_string_sized_new (raw_length + 16);
  g_autoptr (GArray) symbols_array = g_array_new (FALSE, FALSE, sizeof (Symbol));
  g_autoptr (GArray) heap = g_array_new (FALSE, FALSE, sizeof (DescryCandidate));
  DescryCandidate best;
  Symbol *symbols;
  const char *at;
  gsize i;
  gint32 s;

  if (raw_length == 0)
    return;

  if (prefix)
    g_string_append (escaped, LOWER_ONE_EIGHTH_BLOCK);
  for (i = 0; i < raw_length; i++)
    if (raw[i] == ' ')
      g_string_append (escaped, LOWER_ONE_EIGHTH_BLOCK);
    else
      g_string_append_c (escaped, raw[i]);

  for (at = escaped->str; at < escaped->str + escaped->len; at = g_utf8_next_char (at))
    {
      Symbol symbol = { at - escaped->str, g_utf8_skip[(guchar) *at], (gint32) symbols_array->len - 1, (gint32) symbols_array->len + 1 };

      g_array_append_val (symbols_array, symbol);
    }
  symbols = (Symbol *) (void *) symbols_array->data;
  symbols[symbols_array->len - 1].next = -1;

  for (s = 0; s + 1 < (gint32) symbols_array->len; s++)
    consider (self, escaped->str, symbols, s, heap);

  while (descry_candidates_pop (heap, &best))
    {
      gint32 left = (gint32) (best.key & G_MAXUINT32);
      gint32 right = symbols[left].next;

      /* Stale when either side has grown since. */
      if (symbols[left].length != best.b || right < 0 || symbols[left].length + symbols[right].length != best.a)
        continue;

      symbols[left].length = best.a;
      symbols[left].next = symbols[right].next;
      symbols[right].length = 0;
      if (symbols[left].next >= 0)
        symbols[symbols[left].next].prev = left;

      consider (self, escaped->str, symbols, symbols[left].prev, heap);
      consider (self, escaped->str, symbols, left, heap);
    }

  for (s = 0; s >= 0; s = symbols[s].next)
    {
      gint32 id = descry_tokenizer_word (self, escaped->str + symbols[s].start, symbols[s].length);
      guint32 b;

      if (id >= 0)
        {
          g_array_append_val (ids, id);
          continue;
        }
      if (self->byte_ids['a'] < 0) /* no byte tokens at all */
        {
          if (self->unknown >= 0)
            g_array_append_val (ids, self->unknown);
          continue;
        }
      for (b = 0; b < symbols[s].length; b++)
        g_array_append_val (ids, self->byte_ids[(guint8) escaped->str[symbols[s].start + b]]);
    }
}
