/* bpe.c - byte-level byte pair encoding
 *
 * Words are merged pair by pair, the lowest rank first, leftmost first among equals; a heap of
 * candidates keeps a word of n bytes at n log n.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-tokenizer"

#include "config.h"

#include "compute/text/tokenizer-private.h"

typedef struct
{
  gint32 id; /* -1: was merged into its left neighbour */
  gint32 prev;
  gint32 next;
} Symbol;

/* Printable Latin-1 stands for itself, the other 68 bytes for U+0100 and on. */
static gboolean
stands_for_itself (guint byte)
{
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

gint
descry_char_to_byte (gunichar c)
{
  if (c < 256)
    return stands_for_itself (c) ? (gint) c : -1;
  if (c < 256 + 33)
    return (gint) c - 256; /* 0..32 */
  if (c < 256 + 33 + 34)
    return (gint) c - 256 - 33 + 127; /* 127..160 */

  return c == 256 + 67 ? 173 : -1;
}

gunichar
descry_byte_to_char (guint8 byte)
{
  if (stands_for_itself (byte))
    return byte;
  if (byte <= 32)
    return 256 + byte;
  if (byte == 173)
    return 256 + 67;

  return 256 + 33 + byte - 127;
}

void
descry_candidates_push (GArray                *heap,
                        const DescryCandidate *candidate)
{
  DescryCandidate *c;
  guint i;

  g_array_append_val (heap, *candidate);
  c = (DescryCandidate *) (void *) heap->data;
  for (i = heap->len - 1; i > 0 && c[(i - 1) / 2].key > candidate->key; i = (i - 1) / 2)
    c[i] = c[(i - 1) / 2];
  c[i] = *candidate;
}

gboolean
descry_candidates_pop (GArray          *heap,
                       DescryCandidate *candidate)
{
  DescryCandidate *c = (DescryCandidate *) (void *) heap->data;
  DescryCandidate last;
  guint n, i = 0;

  if (heap->len == 0)
    return FALSE;

  *candidate = c[0];
  last = c[heap->len - 1];
  g_array_set_size (heap, heap->len - 1);
  n = heap->len;
  while (2 * i + 1 < n)
    {
      guint child = 2 * i + 1;

      if (child + 1 < n && c[child + 1].key < c[child].key)
        child++;
      if (c[child].key >= last.key)
        break;
      c[i] = c[child];
      i = child;
    }
  if (n > 0)
    c[i] = last;

  return TRUE;
}

static void
consider (const DescryTokenizer *self,
          const Symbol          *symbols,
          gint32                 left,
          GArray                *heap)
{
  const DescryMerge *merge;
  DescryCandidate candidate;
  gint32 right;

  if (left < 0 || (right = symbols[left].next) < 0)
    return;
  merge = descry_tokenizer_merge (self, symbols[left].id, symbols[right].id);
  if (merge == NULL)
    return;

  candidate.key = (guint64) merge->rank << 32 | (guint32) left;
  candidate.a = (guint32) symbols[left].id;
  candidate.b = (guint32) symbols[right].id;
  descry_candidates_push (heap, &candidate);
}

static void
encode_word (const DescryTokenizer *self,
             const char            *word,
             gsize                  length,
             GArray                *symbols_array,
             GArray                *heap,
             GArray                *ids)
{
  DescryCandidate best;
  Symbol *symbols;
  gint32 i, n = 0;
  gsize b;

  if (self->whole_words)
    {
      gint32 id = descry_tokenizer_word (self, word, length);

      if (id >= 0)
        {
          g_array_append_val (ids, id);
          return;
        }
    }

  /* A byte without a token leaves no trace, as in the reference. */
  g_array_set_size (symbols_array, length);
  symbols = (Symbol *) (void *) symbols_array->data;
  for (b = 0; b < length; b++)
    if (self->byte_ids[(guint8) word[b]] >= 0)
      {
        symbols[n].id = self->byte_ids[(guint8) word[b]];
        symbols[n].prev = n - 1;
        symbols[n].next = n + 1;
        n++;
      }
  if (n == 0)
    return;
  symbols[n - 1].next = -1;

  g_array_set_size (heap, 0);
  for (i = 0; i + 1 < n; i++)
    consider (self, symbols, i, heap);

  while (descry_candidates_pop (heap, &best))
    {
      gint32 left = (gint32) (best.key & G_MAXUINT32);
      gint32 right = symbols[left].next;

      /* The pair may be gone: one side has been merged since. */
      if (symbols[left].id != (gint32) best.a || right < 0 || symbols[right].id != (gint32) best.b)
        continue;

      symbols[left].id = descry_tokenizer_merge (self, best.a, best.b)->merged;
      symbols[left].next = symbols[right].next;
      symbols[right].id = -1;
      if (symbols[left].next >= 0)
        symbols[symbols[left].next].prev = left;

      consider (self, symbols, symbols[left].prev, heap);
      consider (self, symbols, left, heap);
    }

  for (i = 0; i >= 0; i = symbols[i].next)
    g_array_append_val (ids, symbols[i].id);
}

void
descry_bpe_encode (const DescryTokenizer *self,
                   const char            *text,
                   gsize                  length,
                   GArray                *ids)
{
  g_autoptr (GArray) symbols = g_array_new (FALSE, FALSE, sizeof (Symbol));
  g_autoptr (GArray) heap = g_array_new (FALSE, FALSE, sizeof (DescryCandidate));
  const char *end = text + length;
  const char *word, *part, *after, *part_end;
  gboolean digit = FALSE;

  for (part = text; part < end; part = part_end)
    {
      part_end = self->pre == DESCRY_PRE_SMOLLM ? descry_pre_digits (part, end, &digit) : end;
      for (word = part; word < part_end; word = after)
        {
          after = digit ? part_end : descry_pre_next (self->pre, word, part_end);
          encode_word (self, word, after - word, symbols, heap, ids);
        }
    }
}
