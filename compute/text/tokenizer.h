/* tokenizer.h - text to token ids and back, as a GGUF file's metadata says
 *
 * Byte-level BPE (`gpt2` with pre-tokenizers gpt-2, smollm, llama-bpe, qwen2), SentencePiece BPE (`llama`) and BERT's word
 * pieces in lower case (`bert`), which a connector may read. An unknown pre-tokenizer is refused, never guessed. Immutable;
 * any thread.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/gguf.h"

G_BEGIN_DECLS

typedef struct _DescryTokenizer DescryTokenizer;

DescryTokenizer *descry_tokenizer_new  (DescryGguf *gguf, GError **error);
void             descry_tokenizer_free (DescryTokenizer *tokenizer);

/* BERT's vocab.txt: one piece a line, those that continue a word begin with ##. */
DescryTokenizer *descry_tokenizer_new_words   (const char *path, GError **error);
/* Its tables into a GGUF file, as llama.cpp keeps them; FALSE without memory, or if it has no word pieces. */
gboolean         descry_tokenizer_write_words (DescryTokenizer *tokenizer, DescryGgufWriter *writer);

/* Appends the ids of @length bytes (-1: up to the NUL) to @ids (gint32). With @special, control tokens
 * written in the text become those tokens: for templates only, never for what a user typed. Invalid
 * UTF-8 becomes U+FFFD. No BOS or EOS is added here. */
void   descry_tokenizer_encode (DescryTokenizer *tokenizer, const char *text, gssize length, gboolean special, GArray *ids);

/* Raw bytes of one token, of a word piece with the blank before it if it begins a word; control tokens give none. May be half a character: see DescryUtf8. */
void   descry_tokenizer_decode (DescryTokenizer *tokenizer, gint32 id, GString *text);

guint  descry_tokenizer_size (DescryTokenizer *tokenizer);
gint32 descry_tokenizer_bos  (DescryTokenizer *tokenizer); /* -1: none */
gint32 descry_tokenizer_eos  (DescryTokenizer *tokenizer);
gboolean descry_tokenizer_adds_bos (DescryTokenizer *tokenizer);
gboolean descry_tokenizer_is_end (DescryTokenizer *tokenizer, gint32 id); /* any token that ends an answer */
gint32 descry_tokenizer_find (DescryTokenizer *tokenizer, const char *token); /* -1: none */

/* Holds back an incomplete character while streaming; appends whole ones to @out. */
typedef struct { guint8 pending[4]; guint n; } DescryUtf8;
void   descry_utf8_push  (DescryUtf8 *state, const char *bytes, gsize n, GString *out);
void   descry_utf8_flush (DescryUtf8 *state, GString *out); /* what is left becomes U+FFFD */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryTokenizer, descry_tokenizer_free)

G_END_DECLS
