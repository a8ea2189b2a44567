/* tokenizer-private.h - what the tokenizer's files share
 *
 * A vocabulary is copied out of the weight file once: bytes of all tokens in one block, a hash
 * of text -> id, a hash of pair -> rank. Nothing here changes after descry_tokenizer_build().
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/text/tokenizer.h"

G_BEGIN_DECLS

#define DESCRY_MAX_VOCABULARY (512 * 1024)

/* The values of `tokenizer.ggml.token_type`. */
typedef enum
{
  DESCRY_TOKEN_NORMAL = 1,
  DESCRY_TOKEN_UNKNOWN,
  DESCRY_TOKEN_CONTROL,
  DESCRY_TOKEN_USER, /* cut out of every text, as `tokenizers` and llama.cpp do */
  DESCRY_TOKEN_UNUSED,
  DESCRY_TOKEN_BYTE
} DescryTokenType;

typedef enum
{
  DESCRY_PRE_GPT2,
  DESCRY_PRE_SMOLLM,
  DESCRY_PRE_LLAMA3,
  DESCRY_PRE_QWEN2
} DescryPre;

/* A tokenizer's tables as they lie in a file. Ids that are absent are -1. */
typedef struct
{
  const char        *path; /* for messages */
  const char        *model; /* `gpt2`, `llama` or `bert` */
  const char        *pre; /* nullable for `llama` and `bert` */
  const DescryBytes *tokens;
  gsize              n_tokens;
  const DescryBytes *merges;
  gsize              n_merges;
  const float       *scores; /* nullable for `gpt2` and `bert` */
  gsize              n_scores;
  const gint32      *types; /* nullable: all normal */
  gsize              n_types;
  gint32             bos, eos, eot, unknown;
  gboolean           add_bos;
  gboolean           add_space_prefix;
  const char        *chat_template; /* nullable */
  const char        *name; /* nullable: `general.name` */
} DescryTokenizerData;

typedef struct
{
  guint32 offset; /* into the block of bytes */
  guint32 length;
  guint8  type; /* DescryTokenType */
} DescryToken;

/* One merge: @left and @right side by side become @merged; the lowest rank goes first. */
typedef struct
{
  gint32 left; /* -1: the place is empty */
  gint32 right;
  gint32 rank;
  gint32 merged;
} DescryMerge;

struct _DescryTokenizer
{
  gboolean     sentencepiece;
  gboolean     wordpiece;
  DescryPre    pre;
  gboolean     whole_words; /* a word that is a token needs no merging (llama-bpe) */
  gboolean     compose; /* NFC first (qwen2) */
  gboolean     add_bos;
  gboolean     add_space_prefix;

  char        *bytes; /* raw text of all tokens */
  DescryToken *tokens; /* [n_tokens] */
  float       *scores; /* [n_tokens] or NULL */
  guint        n_tokens;

  gint32      *words; /* hash of text -> id of the tokens that text can reach; -1 empty */
  guint32      words_mask;
  DescryMerge *merges; /* hash of (left, right) */
  guint32      merges_mask;
  gint32       byte_ids[256]; /* -1: the vocabulary has no such byte */

  gint32      *cut; /* ids of control and user tokens by first byte, longest first */
  guint        cut_start[257]; /* of each first byte in @cut */

  gint32       bos, eos, unknown;
  gint32       ends[12]; /* tokens that end an answer */
  guint        n_ends;

  gint         chat_format; /* DescryChatFormat, recognised from the file's template */
  const char  *default_system; /* the template's own system line, or NULL */
  const char  *answer_prefix; /* what the template writes before an answer, or NULL */
};

/* tables: checks and copies @data. */
DescryTokenizer *descry_tokenizer_build (const DescryTokenizerData *data,
                                         GError                   **error);

/* The token whose text is exactly these bytes, among those that text can reach; -1 if there is none. */
gint32 descry_tokenizer_word (const DescryTokenizer *self,
                              const char            *text,
                              gsize                  length);

const DescryMerge *descry_tokenizer_merge (const DescryTokenizer *self,
                                           gint32                 left,
                                           gint32                 right);

/* The same as descry_tokenizer_encode(); @start tells whether the text begins here or continues
 * what was encoded before, which matters to SentencePiece's leading space. */
void descry_tokenizer_encode_part (DescryTokenizer *self,
                                   const char      *text,
                                   gssize           length,
                                   gboolean         special,
                                   gboolean         start,
                                   GArray          *ids);

/* The end of the word that begins at @text, as the pre-tokenizer cuts (not smollm: it cuts digits first). */
const char *descry_pre_next (DescryPre   pre,
                             const char *text,
                             const char *end);

/* The end of the run without digits, or of one digit, for smollm. @digit tells which. */
const char *descry_pre_digits (const char *text,
                               const char *end,
                               gboolean   *digit);

/* GPT-2's stand-in characters for bytes. */
gunichar descry_byte_to_char (guint8   byte);
gint     descry_char_to_byte (gunichar c); /* -1: no stand-in */

/* @text is valid UTF-8. */
void descry_bpe_encode (const DescryTokenizer *self,
                        const char            *text,
                        gsize                  length,
                        GArray                *ids);
void descry_spm_encode (const DescryTokenizer *self,
                        const char            *text,
                        gsize                  length,
                        gboolean               prefix,
                        GArray                *ids);

void descry_wordpiece_encode (const DescryTokenizer *self,
                              const char            *text,
                              gsize                  length,
                              GArray                *ids);

/* For the tables: names such as [CLS]; do pieces that begin a word have the mark already; puts it there. */
gboolean descry_wordpiece_is_control  (const DescryBytes *token);
gboolean descry_wordpiece_marks_begin (const DescryBytes *tokens,
                                       gsize              n);
gsize    descry_wordpiece_mark        (const DescryBytes *token,
                                       char              *out);

/* Candidates of merging; the smallest key comes out first. */
typedef struct
{
  guint64 key;
  guint32 a, b;
} DescryCandidate;

void     descry_candidates_push (GArray                *heap,
                                 const DescryCandidate *candidate);
gboolean descry_candidates_pop  (GArray                *heap,
                                 DescryCandidate       *candidate);

/* Fills chat_format, default_system and answer_prefix. */
void descry_chat_recognise (DescryTokenizer           *self,
                            const DescryTokenizerData *data);

G_END_DECLS
